"""Who cites requirements: the protocol's code, and the registries."""

from __future__ import annotations

import re

from .files import ROOT

_PREFIXES = "CTL|ENC|ERR|EXT|FLW|FRM|HSK|INF|KEY|NET|RCP|SIG|STM|TRN|VER"
_CITED = re.compile(rf"\b(?:{_PREFIXES})-\d{{3}}\b")


def cited_in_code() -> set[str]:
    """Every id in the sources of mycellm_proto."""
    return _found("mycellm_proto", "*.py")


def cited_in_registries() -> set[str]:
    """Every id in the registries and the CDDL rules."""
    return _found("spec/registries", "*.toml") | _found("spec/cddl", "*.cddl")


def _found(folder: str, pattern: str) -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).glob(pattern)))
    return {name for text in texts for name in _CITED.findall(text)}
