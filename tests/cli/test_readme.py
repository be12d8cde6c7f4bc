"""README names what there is: commands and how they are written, settings, and fields that have no effect."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node.api import chat_body
from reference_node.cli import arguments
from reference_node.config import SETTINGS, Setting

README = (Path(__file__).parents[2] / "README.md").read_text()
TYPED = "$ python3 -m reference_node"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_documented_as_it_is(setting: Setting) -> None:
    [row] = [line for line in README.splitlines() if line.startswith("| ") and f"`{setting.variable}`" in line]
    assert setting.help in row
    assert setting.secret or f"`{setting.flag}`" in row
    assert not isinstance(setting.default, str) or setting.default in row


@pytest.mark.parametrize("name", sorted(arguments.COMMANDS))
def test_a_command_is_documented(name: str) -> None:
    assert f"| `{name}`" in README


def command_lines() -> list[str]:
    """What README tells a reader to type at the node's command line."""
    lines = README.replace("\\\n", " ").splitlines()
    return [line.removeprefix(TYPED) for line in lines if line.startswith(TYPED)]


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_is_one(line: str) -> None:
    words = [word.replace("NODEID", encode_node_id(bytes(32))) for word in shlex.split(line, comments=True)]
    args = arguments.parse(list(itertools.takewhile(lambda word: word not in (">", "&"), words)))
    assert args.command in arguments.COMMANDS


@pytest.mark.parametrize("name", chat_body.WITHOUT_EFFECT)
def test_a_field_without_effect_is_documented(name: str) -> None:
    assert f"`{name}`" in README
