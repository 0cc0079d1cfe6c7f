"""This module holds `Works`: the prepared works of a network, a trainer or an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Works:
    """`Works` keeps works that were prepared, so that a later call with the same objects needs no new one.

    A work is found again only for the same objects, not for equal ones. So there is one rule for everything that a work
    depends on, such as a model, settings or vectors of state: it never changes what a work has read from it, and a
    change replaces it by another object. Of more than `most` works, the one that was not used for the longest time
    goes.
    """

    def __init__(self, most: int):
        self._most = most
        self._kept: dict[tuple[Any, ...], tuple[tuple[object, ...], Any]] = {}

    def get(self, make: Callable[[], Any], parts: tuple[object, ...], *options: Any) -> Any:
        """Return the work for some objects and options, or make it. The memory of old works is free by then.

        The parts are compared by identity, and kept alive. The options are compared by equality.
        """
        key = (*map(id, parts), *options)
        found = self._kept.pop(key, None)
        if found is None:
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            found = parts, make()  # keeping `parts` alive makes sure that no other object gets one of their ids
        self._kept[key] = found
        return found[1]

    def clear(self) -> None:
        """Forget all works."""
        self._kept.clear()
