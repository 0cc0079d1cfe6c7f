"""This module holds `Turn`: one call at a time may train."""

from __future__ import annotations

import threading

from ..engine import threads


class Turn:
    """`Turn` says which thread trains. Use it as ``with turn.lock, turn``.

    `what` trains, and `who` is called meanwhile, in the words of messages. The lock is not taken by the turn itself:
    Ctrl-C between two lines of Python would leave it closed.
    """

    def __init__(self, what: str = "trainer", who: str = "a callback, or an iterable of blocks,") -> None:
        self.lock, self._what, self._who = threads.lock(), what, who
        self._owner: int | None = None

    def check(self, what: str) -> None:
        """Raise RuntimeError if this thread, or one that it works for, trains already: waiting would never end."""
        if self.lock._is_owned() or self._owner in threads.idents()[1:]:  # type: ignore[attr-defined]
            raise RuntimeError(f"{what} while the same {self._what} is training: {self._who} must not do this")

    @property
    def is_taken(self) -> bool:
        """Whether a call trains."""
        return self._owner is not None

    def is_elsewhere(self) -> bool:
        """Return whether a thread that this one does not work for trains."""
        if self._owner is None or self._owner in threads.idents():
            return False
        if self.lock.acquire(blocking=False):  # the thread was lost in a fork
            self.lock.release()
            return False
        return True

    def __enter__(self) -> None:
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
