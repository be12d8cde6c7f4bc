"""Terms of llguidance's Lark grammars. White space in JSON is fixed (``", "`` and ``": "``), as `json.dumps` writes it:
small models otherwise write blanks for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

WHITE_SPACE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def json_term(schema: Mapping[str, object]) -> str:
    """JSON of a schema, which is a document of its own: its references are inside it."""
    return f"%json {json.dumps({**schema, 'x-guidance': WHITE_SPACE}, ensure_ascii=False)}"


def quoted(text: str) -> str:
    """This text."""
    return json.dumps(text, ensure_ascii=False) if text else ""
