"""How the set-up comes by uv on machines that lack this or that."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap import installer
from bootstrap.display import Display
from bootstrap.environments import Environment
from bootstrap.installer import Installer
from bootstrap.problems import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

VENV_PACKAGE = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


class Machine:
    """A machine with some of uv, pip, venv and apt-get, on which commands are noted and not run."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, *, has: set[str], root: bool = False) -> None:
        self.has, self.ran, self.folder = has, [], folder
        patch.setattr(importlib.util, "find_spec", lambda name: name in self.has or None)
        patch.setattr(shutil, "which", lambda name, path=None: f"/bin/{name}" if name in self.has else None)
        patch.setattr(os, "geteuid", lambda: 0 if root else 1000)
        patch.setattr(sys, "base_prefix", "/usr")
        patch.setattr(sys, "prefix", "/usr")
        patch.setattr(installer, "ENVIRONMENTS", folder)
        patch.setattr(installer, "_version", lambda uv: (0, 13) if "uv" in self.has else ())
        patch.setattr(installer, "run", self._note)
        patch.setattr(os, "execv", self._begin_again)
        patch.setattr(Environment, "complete", lambda self: None)
        patch.setattr(Environment, "folder", folder / "environment")

    ran: list[list[str]]

    def _note(self, command: list[str], *, environment: Mapping[str, str], **_: Any) -> None:
        self.ran.append([Path(command[0]).name, *command[1:]])
        self.environment = dict(environment)
        if "apt-get" in command[0] and "install" in command:
            self.has.add("ensurepip")
        if any(word.endswith("uv.txt") for word in command):
            self.has.add("uv")
            (self.folder / "uv").mkdir()

    def _begin_again(self, program: str, arguments: list[str]) -> None:
        self.ran.append(["begin again", program, *arguments[1:]])

    def make(self, **environ: str) -> list[str]:
        """Make an environment, and return each command's first words."""
        setting = {"PIP_CONFIG_FILE": os.devnull, "HOME": str(self.folder), **environ}
        Installer(Display(io.StringIO()), environ=setting).make(Environment("node", "cpu"))
        return [" ".join(command[:3]) for command in self.ran]


def test_a_uv_on_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Machine(monkeypatch, tmp_path, has={"uv", "pip"}).make() == ["uv venv --python", "uv pip install"]


def test_uv_comes_through_pip_into_a_folder_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"pip"})
    python = Path(sys.executable).name
    assert machine.make() == [f"{python} -m pip", "uv venv --python", "uv pip install"]
    assert machine.ran[0][-2:] == ["--target", str(tmp_path / "uv")]
    assert "--require-hashes" in machine.ran[0]


def test_without_pip_uv_comes_through_an_environment_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"ensurepip"})
    assert [command.split()[1] for command in machine.make()] == ["-m", "-m", "venv", "pip"]
    assert machine.ran[0][1:] == ["-m", "venv", str(tmp_path / "uv")]
    assert machine.ran[1][:4] == ["python", "-m", "pip", "install"]


def test_the_fetched_uv_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"pip"})
    machine.make()
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    machine.ran.clear()
    assert machine.make() == ["uv venv --python", "uv pip install"]


def test_root_on_a_bare_debian_installs_venv_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"apt-get"}, root=True)
    assert machine.make()[:2] == ["apt-get update -q", "apt-get install -y"]
    assert machine.ran[1][-1] == VENV_PACKAGE
    # The package may have replaced the Python that runs here, and an environment is of one build.
    assert machine.ran[2] == ["begin again", sys.executable, *sys.orig_argv[1:]]


def test_a_python_that_stays_without_venv_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"apt-get"}, root=True)
    monkeypatch.setattr(installer, "run", lambda command, **_: machine.ran.append([*command]))
    with pytest.raises(SetupError, match="still has no venv"):
        machine.make()
    assert not any("begin again" in command for command in machine.ran)


@pytest.mark.parametrize(
    ("has", "root", "step"),
    [
        ({"apt-get"}, False, f"type `sudo apt-get install -y {VENV_PACKAGE}` and then the same command again"),
        (set(), True, "install one of the three"),
    ],
)
def test_otherwise_a_sentence_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has: set[str], root: bool, step: str
) -> None:
    machine = Machine(monkeypatch, tmp_path, has=has, root=root)
    with pytest.raises(SetupError) as caught:
        machine.make()
    assert str(caught.value) == f"this Python has neither pip nor venv, and there is no uv: {step}."
    assert machine.ran == []


def test_a_home_without_a_cache_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, has={"uv"})
    machine.make()
    assert "UV_CACHE_DIR" not in machine.environment
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    machine.make()
    assert machine.environment["UV_CACHE_DIR"] == str(tmp_path / "cache")


def test_a_version_managers_dead_shim_is_no_uv(tmp_path: Path) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\necho 'uv: command not found' >&2\nexit 127\n", encoding="ascii")
    shim.chmod(0o755)
    assert installer._version(str(shim)) == ()
    assert installer._version(str(tmp_path / "none")) == ()
