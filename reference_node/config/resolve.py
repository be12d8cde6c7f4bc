"""Where each setting comes from: flag, then environment, then TOML file, then default."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .settings import ENVIRONMENT_PREFIX, SETTINGS, Setting, Settings, default_cache
from .values import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG_FILE = "config.toml"
MAX_CONFIG_BYTES = 1 << 20
"""A configuration is written by hand; a larger file is something else."""


class ConfigError(Exception):
    """A setting that cannot be used. The message names it, its source, and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The settings in force and, for each by name, the source that decided it."""

    settings: Settings
    sources: Mapping[str, str]


def _texts(setting: Setting, value: object, source: str) -> tuple[str, ...]:
    """A value of a TOML file as the texts a user would write on the command line."""
    values = value if isinstance(value, list) and setting.several else [value]
    if any(not isinstance(item, str | int) for item in values):
        raise ConfigError(f"{source}: {setting.name} cannot be a {type(value).__name__}. Write {setting.metavar}.")
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in values)


def _convert(setting: Setting, texts: tuple[str, ...], source: str) -> object:
    values = []
    for text in texts:
        try:
            values.append(setting.parse(text))
        except ValueError as error:
            shown = "" if setting.secret or setting.veiled else f" {text[:100]!r}"
            raise ConfigError(f"{setting.name} from {source}:{shown} cannot be used: {error}.") from None
    return tuple(values) if setting.several else values[-1]


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        if not required:
            return {}
        raise ConfigError(f"{path}: there is no such configuration file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.") from None
    if len(content) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes, so not a configuration file.")
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8"
        raise ConfigError(f"{path}: not a TOML file: {reason}.") from None
    known = {setting.name for setting in SETTINGS} - {"home"}  # the file lies in the home, so it cannot choose it
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{path}: unknown setting {', '.join(unknown)}. `config` lists all of them.")
    return table


def _environment(setting: Setting, environment: Mapping[str, str]) -> tuple[str, ...] | None:
    text = environment.get(setting.variable)
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip()) if setting.several else (text,)


def resolve(
    flags: Mapping[str, tuple[str, ...]], environment: Mapping[str, str], config_file: str | None = None
) -> Resolved:
    """Settings from ``flags`` (texts by setting name), environment, file and defaults. Raises `ConfigError`."""
    chosen: dict[str, Any] = {}
    sources: dict[str, str] = {}
    table: dict[str, Any] = {}
    path: Path | None = None
    for setting in SETTINGS:  # home is the first, and says where the file is
        default = setting.default if setting.name != "cache" else default_cache(environment)
        if setting.name in flags:
            texts, source = flags[setting.name], f"flag {setting.flag}"
        elif (found := _environment(setting, environment)) is not None:
            texts, source = found, f"environment {setting.variable}"
        elif setting.name in table:
            source = f"file {path}"
            texts = _texts(setting, table[setting.name], source)
        else:
            texts, source = (default,) if isinstance(default, str) else default, "default"
        chosen[setting.name], sources[setting.name] = _convert(setting, texts, source), source
        if setting.name == "home":
            named = config_file or environment.get(ENVIRONMENT_PREFIX + "CONFIG")
            path = parse_path(named) if named else chosen["home"] / CONFIG_FILE
            table = _read_file(path, required=named is not None)
    settings = Settings(**chosen)
    if settings.backend is not None and settings.backend_key and not settings.backend.keeps_secrets:
        raise ConfigError(
            f"backend from {sources['backend']}: everybody on the way could read the key in http. Use https, or a "
            "tunnel to this machine."
        )
    return Resolved(settings=settings, sources=sources)
