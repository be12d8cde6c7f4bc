"""An answer of one token, beside the deployed predecessor of this node: asked where the model is, and at a peer.

The predecessor (PyPI's ``mycellm`` 0.8.0) is installed into the user's cache, and has a server with an answer ready for
its upstream; this node has its scripted engine. What the upstream takes alone is told; a second ratio leaves it out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.clients.catalogue import PREDECESSOR
from tests.clients.install import NotInstallableError, install

ROOT = Path(__file__).parents[2]


def run(quick: bool) -> dict[str, object]:
    """Medians in milliseconds, side by side; or the reason why there are none."""
    head: dict[str, object] = {
        "what": "an answer of one token from mycellm 0.8.0: its time divided by this node's",
        "against": "this node",
        "aim": ">= 3",
    }
    try:
        install(PREDECESSOR)
    except NotInstallableError as error:
        return head | {"not_run": str(error)}
    command = (sys.executable, "-m", "tests.bench.predecessor_side", "50" if quick else "300")
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if "reason" in found:
        return head | {"not_run": found["reason"]}
    whole, rest = (
        {place: round((found[f"predecessor_{place}"] - off) / found[place], 1) for place in ("local", "remote")}
        for off in (0, found["upstream"])
    )
    return head | {"ratio": whole, "ratio_less_upstream": rest, "milliseconds": found}
