"""Worker processes on one ledger, some of which are killed in the middle of their work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from reference_node.ledger import Place

from ..runner import ROOT


class Worker:
    """A process that books `tests.ledger.workload`."""

    def __init__(self, place: Place, name: str, count: int, tasks: int) -> None:
        url = place.url.render_as_string(hide_password=False)
        self.arguments = [sys.executable, "-m", "tests.ledger.workload", url, name, str(count), str(tasks)]
        self.process = subprocess.Popen(self.arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def wait_for(self, least: int) -> int:
        """Wait until it has booked ``least`` operations, or all of them."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip().isdigit() and int(line) >= least:
                return int(line)
        return 0

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self.process.kill()
        self.process.communicate()

    def finish(self) -> dict[str, Any]:
        """Wait for its end; what became of its operations."""
        out, _ = self.process.communicate(timeout=600)
        assert self.process.returncode == 0
        result = json.loads(out.splitlines()[-1])
        assert isinstance(result, dict)
        return result


def stop(workers: Sequence[Worker]) -> None:
    """End what still runs."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()
        if worker.process.stdout is not None:
            worker.process.stdout.close()
