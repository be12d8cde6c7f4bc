"""Settings: what they are, and where each one comes from (one precedence: flag, environment, TOML file, default)."""

from __future__ import annotations

from .resolve import CONFIG_FILE, ConfigError, Resolved, resolve
from .settings import ENVIRONMENT_PREFIX, SETTINGS, Setting, Settings, default_cache, show
from .sharing import Sharing
from .values import (
    DEFAULT_HOME,
    DEFAULT_MODEL,
    Access,
    Address,
    BackendModel,
    BackendUrl,
    PeerAddress,
    parse_address,
    parse_allowed,
    parse_node_id,
    parse_peer,
)

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_HOME",
    "DEFAULT_MODEL",
    "ENVIRONMENT_PREFIX",
    "SETTINGS",
    "Access",
    "Address",
    "BackendModel",
    "BackendUrl",
    "ConfigError",
    "PeerAddress",
    "Resolved",
    "Setting",
    "Settings",
    "Sharing",
    "default_cache",
    "parse_address",
    "parse_allowed",
    "parse_node_id",
    "parse_peer",
    "resolve",
    "show",
]
