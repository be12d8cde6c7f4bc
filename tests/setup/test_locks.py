"""The locks say what pyproject.toml says, hold nothing but pinned hashes, and name no place to fetch from."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bootstrap.environments import LOCKS, PROFILES
from bootstrap.locking import requirements

PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)")
NAMES = sorted(requirements())


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock pins, by package; several where they depend on Python."""
    found: dict[str, set[str]] = {}
    for line in (LOCKS / f"{lock}.txt").read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            found.setdefault(match["name"], set()).add(match["version"])
    return found


def test_every_lock_has_a_source_and_every_profile_its_locks() -> None:
    files = {file.stem for file in LOCKS.iterdir()}
    used = {name.format(accel=accel) for locks in PROFILES.values() for name in locks for accel in ("cpu", "gpu")}
    assert files == set(NAMES) == used | {"uv"}


@pytest.mark.parametrize("lock", NAMES)
def test_lock_holds_pins_and_hashes_only(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    for block in blocks:
        pin, *hashes = (line.strip().removesuffix(" \\") for line in block.splitlines())
        assert PIN.match(pin), pin
        assert hashes, pin
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), pin
    assert "://" not in text


@pytest.mark.parametrize("lock", NAMES)
def test_lock_pins_every_requirement_within_its_range(lock: str) -> None:
    pinned = pins(lock)
    for requirement in map(Requirement, requirements()[lock]):
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("profile", ["node", "tests"])
def test_each_accelerator_has_its_own_engine_and_nothing_else_of_its_own(profile: str) -> None:
    cpu, gpu = pins(f"{profile}-cpu"), pins(f"{profile}-gpu")
    assert cpu.pop("onnxruntime") == gpu.pop("onnxruntime-gpu")
    assert "onnxruntime" not in gpu
    assert cpu.items() <= gpu.items()
    assert all(name.startswith("nvidia-") for name in gpu.keys() - cpu.keys())


def test_the_tests_run_with_what_the_node_runs_with() -> None:
    assert pins("node-cpu").items() <= pins("tests-cpu").items()


@pytest.mark.parametrize("lock", NAMES)
def test_no_lock_brings_a_model_hub(lock: str) -> None:
    assert pins(lock).keys().isdisjoint({"huggingface-hub", "hf-xet", "modelscope", "ollama"})


def test_environment_holds_what_its_packages_need() -> None:
    """The locks are installed without resolving, so that what they leave out has to be left out on purpose."""
    installed = {str(canonicalize_name(one.name)): one for one in metadata.distributions()}
    missing = {
        f"{owner} needs {requirement.name}"
        for owner in pins("tests-cpu").keys() & installed.keys()
        for requirement in map(Requirement, installed[owner].requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if canonicalize_name(requirement.name) not in installed
    }
    assert missing <= {"tokenizers needs huggingface-hub"}
