"""The owner's controls of one node: what holds, what was changed, and who has to know."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import log
from ..config import Sharing
from . import changes as change
from . import file
from .controls import CONTROLS, Controls, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..config import Settings

_log = logging.getLogger(__name__)


class Owner:
    """The controls of the node with ``home``. Only one process changes them at a time: the node that runs, or a command
    that holds the home's lock.
    """

    def __init__(self, home: Path, start: Controls, changed: dict[str, object]) -> None:
        self.start = start
        self.controls = replace(start, **changed)  # type: ignore[arg-type]
        self._home = home
        self._changed = changed
        self._listeners: list[Callable[[Controls, Controls], None]] = []

    @classmethod
    def open(cls, settings: Settings) -> Owner:
        """The controls as ``settings`` and the home's file have them. Raises `HomeError`."""
        return cls(settings.home, Controls.of(settings), file.load(settings.home))

    @property
    def changed(self) -> frozenset[str]:
        """The names of the controls that were changed: their settings do not count until they are reset."""
        return frozenset(self._changed)

    def subscribe(self, listener: Callable[[Controls, Controls], None]) -> None:
        """Call ``listener(before, after)`` after every change."""
        self._listeners.append(listener)

    def change(self, changes: change.Changes) -> None:
        """Make a change: first on the disk, then in force. Raises `OwnerError`, `HomeError`, and then nothing is."""
        before = self.controls
        after, named = change.apply(before, self.start, changes)
        names = (self._changed.keys() - set(changes.reset)) | named
        changed = {name: getattr(after, name) for name in CONTROLS if name in names}
        if changed != self._changed:
            file.save(self._home, changed)
        self.controls, self._changed = after, changed
        log.event(_log, logging.INFO, "owner.changed", controls=", ".join(sorted({*named, *changes.reset})))
        for listener in self._listeners:
            listener(before, after)

    def texts(self, name: str) -> object:
        """One control as ``config`` shows a setting: rows of a table as they are written on a command line."""
        value = getattr(self.controls, name)
        return value.texts() if isinstance(value, Sharing) else write(value)

    def shown(self) -> dict[str, object]:
        """Every control as JSON: its value, that of its setting, and whether it was changed."""
        return {
            name: {
                "value": write(getattr(self.controls, name)),
                "setting": write(getattr(self.start, name)),
                "changed": name in self._changed,
            }
            for name in CONTROLS
        }
