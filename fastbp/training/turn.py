"""This module holds `Turn`: one call at a time may train."""

from __future__ import annotations

import threading

from ..engine import threads


class Turn:
    """`Turn` says which thread trains. Use it as ``with turn.lock, turn``.

    The lock is not taken by the turn itself: Ctrl-C between two lines of Python would leave it closed.
    """

    def __init__(self) -> None:
        self.lock = threads.lock()
        self._owner: int | None = None

    def check(self, what: str) -> None:
        """Raise RuntimeError if this thread, or one that it works for, trains already: waiting would never end."""
        if self.lock._is_owned() or self._owner in threads.idents()[1:]:  # type: ignore[attr-defined]
            raise RuntimeError(
                f"{what} while the same trainer is training: a callback, or an iterable of blocks, must not do this"
            )

    def __enter__(self) -> None:
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
