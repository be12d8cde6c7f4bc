"""The wheel: what is in it, and that it works where the checkout is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.runner import ROOT

# Modules of the environment that the tests run in, lent to the clean one: what `pip install mycellm-proto` would bring.
BASE = ("cryptography", "nacl", "cffi", "_cffi_backend", "pycparser", "typing_extensions")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, offline, with the hatchling of the lock."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    unwanted = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("conformance", "mycellm_proto", "reference_node", "spec"):
        shutil.copytree(ROOT / name, source / name, ignore=unwanted)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    (source / "spec/__pycache__").mkdir()
    (source / "spec/__pycache__/left.pyc").touch()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=source, check=True
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a clean environment that has the protocol's dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    ours = Path(sysconfig.get_path("platlib"))
    for name in BASE:
        for part in (*ours.glob(name), *ours.glob(f"{name}.*")):
            (packages / part.name).symlink_to(part)
    return folder / "bin/python"


def execute(python: Path, code: str) -> str:
    """Run ``code`` where neither the checkout nor its environment can be imported."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), "-I", "-c", code]
    ended = subprocess.run(command, cwd=python.parent, env=environ, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


def data() -> list[Path]:
    """The specification's data: every file of spec/ but the generators."""
    files = (file.relative_to(ROOT / "spec") for file in (ROOT / "spec").rglob("*") if file.is_file())
    return [file for file in files if file.suffix not in (".py", ".pyc")]


def test_wheel_holds_the_packages_and_the_specifications_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "conformance",
        "mycellm_proto",
        "reference_node",
    }
    shipped = {name.removeprefix("conformance/spec/") for name in names if name.startswith("conformance/spec/")}
    assert shipped == {str(file) for file in data()}


def test_wheel_holds_what_the_suite_reads_of_its_own(wheel: Path) -> None:
    own = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "conformance").rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert "conformance/report/schema.json" in own
    assert own <= set(zipfile.ZipFile(wheel).namelist())


def test_wheel_says_what_pyproject_says(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    read = {Path(name).name: archive.read(name) for name in archive.namelist() if ".dist-info/" in name}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = message_from_bytes(read["METADATA"])
    assert said["Name"] == project["name"]
    base = {line.partition(" ")[0] for line in said.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert {name.partition("<")[0].partition(">")[0] for name in base} == {"cryptography", "pynacl"}
    assert set(said.get_all("Provides-Extra", [])) == {"node", "conformance"}
    for script, target in project["scripts"].items():
        assert f"{script} = {target}" in read["entry_points.txt"].decode()
    assert read["LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_protocol_works_with_its_two_dependencies(python: Path) -> None:
    code = "import sys, pkgutil, importlib, mycellm_proto as m\n" + (
        "for one in pkgutil.walk_packages(m.__path__, 'mycellm_proto.'): importlib.import_module(one.name)\n"
        "print(m.__file__)"
    )
    assert Path(execute(python, code)).is_relative_to(python.parent.parent)


def test_without_the_nodes_packages_a_sentence_says_what_to_install(python: Path) -> None:
    home = str(python.parent / "home")
    for command in (["receipts"], ["serve"], ["peers", "probe", "127.0.0.1:9"]):
        code = f"from reference_node.cli import main; print(main(['--json', '--home', {home!r}, *{command}]))"
        said, status = execute(python, code).splitlines()
        assert "pip install 'mycellm-proto[node]'" in json.loads(said)["error"]["message"]
        assert status == "2"
    doctor = f"from reference_node.cli import main; print(main(['doctor', '--json', '--home', {home!r}]))"
    said, status = execute(python, doctor).splitlines()
    checks = {check["name"]: check for check in json.loads(said)["checks"]}
    assert checks["packages"]["status"] == "fail"
    assert status == "1"


@pytest.mark.parametrize("words", [["vectors"], ["list"], ["run", "--target", "127.0.0.1:9"]])
def test_without_the_suites_packages_a_sentence_says_what_to_install(python: Path, words: list[str]) -> None:
    code = f"import sys; sys.stderr = sys.stdout; from conformance.cli import main; print(main({words!r}))"
    said, status = execute(python, code).splitlines()
    assert "pip install 'mycellm-proto[conformance]'" in said
    assert status == "2"


def test_the_installed_node_runs(wheel: Path, python: Path, tmp_path: Path) -> None:
    """With the packages of the node beside it: the ones that these tests run with, but not the checkout."""
    packages = tmp_path / "packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    path = [str(packages), sysconfig.get_path("platlib")]
    run = f"import sys; sys.path[:0] = {path}; from reference_node.cli import main; sys.exit(main(sys.argv[1:]))"
    home = ["--json", "--home", str(tmp_path / "home")]
    serve = [*home, "--no-model", "--api", "127.0.0.1:0", "--quic", "127.0.0.1:0"]
    with subprocess.Popen([python, "-I", "-c", run, *serve], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        assert [json.loads(node.stdout.readline())["event"] for _ in range(2)] == ["listening", "ready"]
        node.terminate()
        node.communicate()
    assert node.returncode == 0
    listed = subprocess.run([python, "-I", "-c", run, *home, "receipts"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(listed.stdout) == {"receipts": [], "frauds": [], "failed": 0}


def test_installed_suite_finds_the_specifications_data(python: Path) -> None:
    code = (
        "from importlib.resources import files; print(*(one.name for one in (files('conformance') / 'spec').iterdir()))"
    )
    assert set(execute(python, code).split()) == {file.parts[0] for file in data()}
