"""A door of a fresh checkout, from the first start on, with a stand-in for uv: offline, and in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.runner import ROOT

CLI = """\
import json, os, sys

def main():
    variables = [name for name in os.environ if name.startswith("MYCELLM_BOOTSTRAP")]
    print(json.dumps({"prefix": sys.prefix, "arguments": sys.argv[1:], "variables": variables}))
    return 3
"""
# Outside of the environment that the tests run in, as a user would start it.
PYTHON = str(Path(sys.executable).resolve())


@dataclass
class Checkout:
    """A copy of what a door needs, with a stand-in for uv as the only program on PATH."""

    root: Path
    bin: Path

    @property
    def environ(self) -> dict[str, str]:
        kept = {"PATH": str(self.bin), "HOME": str(self.bin.parent), "PIP_CONFIG_FILE": os.devnull}
        return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "MYCELLM_ACCEL": "cpu"}

    def start(self, *command: str, **environ: str) -> subprocess.Popen[str]:
        """Start ``python -m …``, in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [PYTHON, "-m", *(command or ("reference_node", "serve", "--port=0"))],
            cwd=self.root,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command, **environ) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def calls(self) -> list[dict[str, Any]]:
        file = self.bin / "calls"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def made(self) -> int:
        """How often an environment was made."""
        return sum(call["arguments"][0] == "venv" for call in self.calls())

    def until_installing(self) -> None:
        """Wait until a set-up that was started with ``wait`` stands in the middle of its installation."""
        assert (self.bin / "here").read_text(encoding="ascii") == "here"

    def go_on(self) -> None:
        """Let that set-up end."""
        (self.bin / "go").write_text("go", encoding="ascii")

    @property
    def environment(self) -> Path:
        (folder,) = (self.root / ".venvs").glob("node-cpu-*")
        return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, programs = tmp_path / "checkout", tmp_path / "bin"
    shutil.copytree(ROOT / "bootstrap", root / "bootstrap", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    node = root / "reference_node"
    node.mkdir()
    shutil.copy(ROOT / "reference_node/__main__.py", node)
    (node / "__init__.py").touch()
    (node / "cli.py").write_text(CLI, encoding="ascii")
    programs.mkdir()
    uv = programs / "uv"
    uv.write_text(f"#!{PYTHON}\n{Path(__file__).with_name('fake_uv.py').read_text(encoding='utf-8')}", encoding="utf-8")
    uv.chmod(0o755)
    os.mkfifo(programs / "here")
    os.mkfifo(programs / "go")
    return Checkout(root, programs)


def test_first_start_sets_up_and_later_ones_do_not(checkout: Checkout) -> None:
    first = checkout.run()
    assert first.returncode == 3, first.stderr
    assert json.loads(first.stdout) == {
        "prefix": str(checkout.environment),
        "arguments": ["serve", "--port=0"],
        "variables": [],  # the set-up leaves none of its own behind
    }
    assert first.stderr.splitlines()[0].startswith("mycellm: setting up .venvs/node-cpu-")
    second = checkout.run()
    assert (second.returncode, second.stdout, second.stderr) == (3, first.stdout, "")
    assert checkout.made() == 1


def test_installs_by_hash_from_where_pip_would(checkout: Checkout) -> None:
    hostile = {"PYTHONPATH": "/nowhere", "VIRTUAL_ENV": "/nowhere", "UV_SYSTEM_PYTHON": "1", "UV_NO_VERIFY_HASHES": "1"}
    checkout.run(PIP_INDEX_URL="https://mirror.example/simple", PIP_NO_INDEX="1", **hostile)
    install = next(call for call in checkout.calls() if call["arguments"][:2] == ["pip", "install"])
    assert {"--no-deps", "--require-hashes", "--only-binary", "--no-index"} <= set(install["arguments"])
    locks = [Path(word).name for word in install["arguments"] if word.endswith(".txt")]
    assert locks == ["node-cpu.txt", "model.txt"]
    assert install["environ"]["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert install["environ"].keys().isdisjoint(hostile)


@pytest.mark.parametrize("harm", ["lock", "interpreter", "packages", "stamp", "place"])
def test_an_environment_that_does_not_fit_any_more_is_made_anew(checkout: Checkout, harm: str) -> None:
    checkout.run()
    if harm == "lock":
        with (checkout.root / "bootstrap/locks/node-cpu.txt").open("a", encoding="utf-8") as lock:
            lock.write("# changed\n")
    elif harm == "interpreter":
        (checkout.environment / "bin/python").unlink()
    elif harm == "packages":
        shutil.rmtree(checkout.environment / "lib")
    elif harm == "stamp":
        next(checkout.environment.rglob("mycellm_setup.sha256")).write_bytes(b"\xff")
    else:
        checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    again = checkout.run()
    assert again.returncode == 3, again.stderr
    assert json.loads(again.stdout)["prefix"] == str(checkout.environment)
    assert checkout.made() == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_set_up_is_taken_up_again(checkout: Checkout, number: signal.Signals) -> None:
    with checkout.start(MYCELLM_FAKE_UV="wait") as process:
        checkout.until_installing()
        os.killpg(process.pid, number)
        _, err = process.communicate()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err.endswith("mycellm: interrupted; the same command goes on from here\n")
    again = checkout.run()
    assert again.returncode == 3, again.stderr
    assert checkout.made() == 2


def test_of_two_set_ups_one_waits_and_finds_the_work_done(checkout: Checkout) -> None:
    with checkout.start(MYCELLM_FAKE_UV="wait") as first:
        checkout.until_installing()
        with checkout.start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "mycellm: waiting for another set-up of this checkout\n"
            checkout.go_on()
            answers = [process.communicate()[0] for process in (first, second)]
    assert answers[0] == answers[1] != ""
    assert checkout.made() == 1


def test_a_failed_installation_is_said_and_not_used(checkout: Checkout) -> None:
    failed = checkout.run(MYCELLM_FAKE_UV="fail")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "not the one that was pinned" in failed.stderr.splitlines()[-1]
    assert "Hash mismatch" in (checkout.root / ".venvs/setup.log").read_text(encoding="utf-8")
    assert checkout.run().returncode == 3


def test_an_environment_that_does_not_start_is_no_endless_loop(checkout: Checkout) -> None:
    ended = checkout.run(MYCELLM_FAKE_UV="no-venv")
    assert ended.returncode == 2
    assert "does not run in its environment" in ended.stderr.splitlines()[-1]


def test_a_checkout_that_cannot_be_written_to(checkout: Checkout) -> None:
    # A file in the folder's place fails for root too, which a folder without write permission does not.
    (checkout.root / ".venvs").touch()
    ended = checkout.run()
    assert ended.returncode == 2
    assert ended.stderr == (
        f"mycellm: {checkout.root} cannot be written to (File exists): "
        "copy the checkout to a folder of yours and start there.\n"
    )


def test_an_unknown_accelerator_is_said(checkout: Checkout) -> None:
    ended = checkout.run(MYCELLM_ACCEL="cuda")
    assert (ended.returncode, ended.stderr) == (2, "mycellm: MYCELLM_ACCEL is 'cuda': set it to auto, cpu or gpu.\n")


def test_the_tests_environment_serves_every_door(checkout: Checkout) -> None:
    made = checkout.run("bootstrap", "tests")
    assert made.returncode == 0, made.stderr
    python = made.stdout.strip()
    inside = subprocess.run(
        [python, "-m", "reference_node"], cwd=checkout.root, env=checkout.environ, capture_output=True, check=False
    )
    assert json.loads(inside.stdout)["prefix"] == str(Path(python).parent.parent)
    assert checkout.made() == 1


def test_a_stale_environment_is_remade_from_inside(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "bootstrap/locks/model.txt").write_text("other==1 \\\n", encoding="utf-8")
    inside = subprocess.run(
        [checkout.environment / "bin/python", "-m", "reference_node"],
        cwd=checkout.root,
        env=checkout.environ,
        capture_output=True,
        check=False,
    )
    assert inside.returncode == 3, inside.stderr
    assert checkout.made() == 2


@pytest.mark.parametrize("case", ["an installed package", "switched off"])
def test_there_are_places_without_a_set_up(checkout: Checkout, case: str) -> None:
    environ = {}
    if case == "an installed package":
        (checkout.root / "pyproject.toml").unlink()
        shutil.rmtree(checkout.root / "bootstrap")
    else:
        environ["MYCELLM_BOOTSTRAP"] = "0"
    ended = checkout.run(**environ)
    assert ended.returncode == 3, ended.stderr
    assert checkout.calls() == []
    assert not (checkout.root / ".venvs").exists()
