"""This module holds arrays and tuples that refuse a change in place, with an error that says what to call instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np


class Locked(np.ndarray):
    """`Locked` is an array that cannot be changed. Copies of it, and what is computed from it, can be changed."""

    advice = ""
    """What the error says."""

    def __array_finalize__(self, of: Any) -> None:
        self.advice = getattr(of, "advice", "")

    def __setitem__(self, place: Any, value: Any) -> None:
        self._check()
        super().__setitem__(place, value)

    def fill(self, value: Any) -> None:
        self._check()
        super().fill(value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **options: Any) -> Any:
        for each in (*options.get("out", ()), *inputs[:1] * (method == "at")):
            if isinstance(each, Locked):
                each._check()
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        return getattr(ufunc, method)(*map(_plain, inputs), **options)

    def _check(self) -> None:
        if not self.flags.writeable:
            raise ValueError(self.advice)

    def __repr__(self) -> str:
        return repr(_plain(self))


class LockedTuple(tuple[Any, ...]):
    """`LockedTuple` is a tuple whose error after an assignment says what to call instead."""

    advice: str

    def __setitem__(self, place: Any, value: Any) -> NoReturn:
        raise TypeError(self.advice)


def _plain(value: Any) -> Any:
    """Return a locked array as one of NumPy, and everything else as it is."""
    return value.view(np.ndarray) if isinstance(value, Locked) else value


def locked(array: Any, advice: str = "") -> np.ndarray:
    """Return a view of an array that cannot be changed. Without advice, the errors are those of NumPy."""
    view = np.asarray(array).view(Locked if advice else np.ndarray)
    if isinstance(view, Locked):
        view.advice = advice
    view.flags.writeable = False
    return view


def locked_tuple(arrays: Iterable[np.ndarray | None], advice: str) -> LockedTuple:
    """Return arrays, or None in place of some, as a tuple. Neither the tuple nor the arrays can be changed."""
    found = LockedTuple(None if array is None else locked(array, advice) for array in arrays)
    found.advice = advice
    return found
