"""Values that nobody should pass to anything."""

from __future__ import annotations

import decimal
import fractions
import math
import pathlib
import sys

import numpy as np

MEMORY = 6 << 30
"""The address space that a player may use that passes huge numbers, in bytes."""


def limit_memory() -> None:
    """Let an allocation that is far too large fail, and not take the memory of the machine."""
    if sys.platform == "linux":  # elsewhere the limit counts other things, or nothing
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


class Array:
    """An object that says that it is an array, and is none."""

    def __init__(self, value: object):
        self.value = value

    def __array__(self, dtype: object = None, copy: object = None) -> object:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Turned(np.ndarray):
    """An array that shows something else when it is indexed."""

    def __getitem__(self, key: object) -> object:
        return -super().__getitem__(key)


class Length:
    """A sequence with a length that is not its own."""

    def __init__(self, length: object):
        self.length = length

    def __len__(self) -> object:
        if isinstance(self.length, Exception):
            raise self.length
        return self.length

    def __getitem__(self, key: object) -> float:
        raise IndexError(key)


class Index:
    """An object that counts as an integer."""

    def __init__(self, value: object):
        self.value = value

    def __index__(self) -> object:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    __int__ = __index__

    def __float__(self) -> object:
        raise TypeError("no float")


class Text(str):
    """A string that is a string and more."""

    __slots__ = ()


class Whole(int):
    """An integer of a class of its own."""


def values(rng: np.random.Generator) -> list[object]:
    """Values that are wrong for nearly every argument. A few of them are right for some."""
    n = int(rng.integers(1, 8))
    floats = [math.nan, math.inf, -math.inf, -0.0, 0.5, -1.5, 1e308, 5e-324, 1e39, np.float32(math.nan), np.float16(7)]
    integers = [
        0,
        1,
        -1,
        True,
        False,
        7,
        2**31,
        2**63,
        2**64,
        10**30,
        -(10**30),
        np.int64(-1),
        np.uint64(2**63),
        Whole(3),
    ]
    texts = [
        "",
        "x",
        "relu",
        "softmax",
        "\ud800",
        "a\0b",
        "x" * 300,
        Text("sgd"),
        b"relu",
        bytearray(3),
        memoryview(b"12"),
    ]
    containers = [
        (),
        [],
        {},
        set(),
        [None],
        (1, 2, 3),
        {"a": 1},
        {0: math.nan},
        [[1], [1, 2]],
        range(3),
        [[[]]],
        "balanced",
    ]
    arrays = [
        np.zeros(0), np.zeros((0, 3)), np.zeros((n, 0)), np.zeros((1, n, 1)), np.array(0.0), np.array(None),
        np.array("x"),
        np.full((n, 4), math.nan), np.full((n, 4), math.inf), np.full((n, 4), 1e300), np.full(n, -1), np.full(n, 10**6),
        np.ones((n, 4), complex), np.ones((n, 4), object), np.ones((n, 4), "M8[s]"), np.ones((n, 4), "V3"),
        np.zeros((n, 4), [("a", "f4")]), np.ma.masked_array(np.ones((n, 4)), True), np.zeros((n, 4), np.longdouble),
        np.broadcast_to(1.0, (n, 4)), np.ones((n, 4))[::-1], np.full(n, 2**63, np.uint64), np.ones((n, 3)), np.ones(4),
        np.full((n, 3), -1.0), np.full((n, 3), 0.7), np.ones((n + 1, 4), np.uint8), np.ones((n, 4)).view(Turned),
    ]  # fmt: skip
    objects = [
        None, object(), lambda *_: 1 / 0, type, Ellipsis, 1j, fractions.Fraction(1, 3),
        decimal.Decimal("NaN"), iter(()), (k for k in range(2)), pathlib.Path("nowhere/at/all"), slice(None),
        Array(ValueError("no array")), Array("text"), Array(None), Array(np.ones((2, 4))), Length(3), Length(-1),
        Length(TypeError("no length")), Index(2**63), Index(TypeError("no index")), Index("1"), Index(3),
    ]  # fmt: skip
    return [*floats, *integers, *texts, *containers, *arrays, *objects]
