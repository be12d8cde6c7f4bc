"""What holds for every test: profiles for Hypothesis, the slow ones, and no way out of this machine."""

from __future__ import annotations

import ipaddress
import os
import sys

import hypothesis
import pytest

# Settings of ours that say where and on what the tests run, so they reach the tests' own processes.
KEPT = {"MYCELLM_ACCEL", "MYCELLM_BOOTSTRAP", "MYCELLM_CACHE"}

# No profile has a deadline: how long one example takes is a matter of the machine.
hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
# Derandomized, so that a red run is about the change that it tests.
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", max_examples=5_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")
    parser.addoption("--galera", action="store_true", help="test the ledger on a Galera cluster of three nodes too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the identity and the ledger of whoever runs it, nor obeys their settings."""
    for name in {name for name in os.environ if name.startswith("MYCELLM_")} - KEPT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MYCELLM_HOME", str(tmp_path_factory.getbasetemp() / "home"))


def _stay_here(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every connection, datagram and look-up that would leave this machine."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in {None, "", "localhost"} and not _is_local(str(host)):
        raise PermissionError(f"a test reaches for {host}: tests stay on this machine")


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_stay_here)
