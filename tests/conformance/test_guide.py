"""The guide: its worked peer passes the smoke tier over real QUIC, and what it points to is there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.cli import main
from tests.runner import ROOT

GUIDE = ROOT / "conformance/guide"
PEER = GUIDE / "peer.py"


@pytest.fixture
def peer() -> Iterator[str]:
    """The worked peer in a process of its own; its address."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with subprocess.Popen([sys.executable, PEER, address], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # a pipe
        assert process.stdout.readline() == f"listening on {address}\n"
        yield address
        process.terminate()


def test_the_worked_peer_passes_the_smoke_tier(peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", peer, "--tier", "smoke", "--report", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("CONFORMANT (set responder, tier smoke)")
    [transcript] = (tmp_path / "out/transcripts").glob("handshake.accept-pinned.ndjson")
    assert main(["judge", str(transcript)]) == 0


def test_the_worked_peer_stays_short() -> None:
    assert len(PEER.read_text(encoding="utf-8").splitlines()) < 300


@pytest.mark.parametrize("page", [GUIDE / "README.md", ROOT / "README.md", ROOT / "spec/README.md"])
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
