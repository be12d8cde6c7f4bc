"""README names what there is: commands, settings, endpoints, and fields that have no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_node.api import chat_body
from reference_node.cli import arguments
from reference_node.config import SETTINGS, Setting

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_documented_as_it_is(setting: Setting) -> None:
    [row] = [line for line in README.splitlines() if line.startswith("| ") and f"`{setting.variable}`" in line]
    assert setting.help in row
    assert setting.secret or f"`{setting.flag}`" in row
    assert not isinstance(setting.default, str) or setting.default in row


@pytest.mark.parametrize("name", sorted(arguments.COMMANDS))
def test_a_command_is_documented(name: str) -> None:
    assert f"| `{name}`" in README


@pytest.mark.parametrize("name", chat_body.WITHOUT_EFFECT)
def test_a_field_without_effect_is_documented(name: str) -> None:
    assert f"`{name}`" in README
