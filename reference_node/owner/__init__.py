"""What the owner of a node decides while it runs: prices, limits, who may use it, what is offered where.

One rule says which value holds. At the start a control has the value of its setting (flag, environment, file, default);
what the owner then changes wins over all of these, also after a restart, until it is reset.
"""

from __future__ import annotations

from .changes import Changes, OwnerError
from .controls import CONTROLS, Controls
from .file import OWNER_FILE
from .owner import Owner

__all__ = ["CONTROLS", "OWNER_FILE", "Changes", "Controls", "Owner", "OwnerError"]
