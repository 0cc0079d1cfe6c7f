"""This module holds `Record`: a record in memory that the compiled kernels read and write."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np


def address(array: np.ndarray) -> int:
    """Return the address of the first value of an array. `array.ctypes.data` takes three times as long."""
    place: int = array.__array_interface__["data"][0]
    return place


def numbers(values: Sequence[float], dtype: Any, of: object) -> np.ndarray:
    """Return the parameters of a function for a record, or raise ValueError if one is too large for the dtype."""
    with np.errstate(over="ignore"):
        found = np.array(values, dtype)
    if not np.isfinite(found).all():
        raise ValueError(f"the numbers of {of!r} must be finite in {found.dtype}, got {values}")
    return found


@functools.cache
def _places(kind: np.dtype) -> dict[str, tuple[bool, int]]:
    """Return for each field of a record whether it is a real number, and its position in words of 8 bytes."""
    return {name: (field[0] == np.float64, field[1] // 8) for name, field in (kind.fields or {}).items()}


class Record:
    """`Record` is a record in memory that kernels can see (`fastbp.kernels.structs`), at an address.

    The fields get their first values as by `set`. All other fields start at 0.
    """

    def __init__(self, kind: np.dtype, **fields: Field):
        self.memory = np.zeros(1, kind)
        self.address = address(self.memory)
        # An assignment to a field of a structured array takes six times as long, and takes reals for integers.
        words = self.memory.view(np.uint8).data
        views: tuple[memoryview[Any], memoryview[Any]] = words.cast("q"), words.cast("d")
        self._places = {name: (views[real], place) for name, (real, place) in _places(kind).items()}
        self._kept: dict[str, np.ndarray | Record] = {}
        self.set(**fields)

    def set(self, **fields: Field) -> None:
        """Set fields. For an array or a record, the field holds its address, and the record keeps it alive."""
        for name, value in fields.items():
            view, place = self._places[name]
            if type(value) is int:  # most often, so it comes first
                view[place] = value
                continue
            if isinstance(value, np.ndarray):
                self._kept[name], value = value, address(value)
            elif isinstance(value, Record):
                self._kept[name], value = value, value.address
            view[place] = value

    def kept(self, name: str) -> np.ndarray:
        """Return the array whose address a field holds."""
        array = self._kept[name]
        assert isinstance(array, np.ndarray)
        return array

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(self._places)

    def __getitem__(self, name: str) -> float:
        """Return the value of a field."""
        view, place = self._places[name]
        value: float = view[place]
        return value


Field = float | np.ndarray | Record
"""What a field of a record is set to."""
