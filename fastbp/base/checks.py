"""This module checks arguments. Each argument is checked once, before a kernel sees it: kernels check nothing.

Each function takes a value and the name of the argument. It returns the value in one form, or raises TypeError for a
wrong type and ValueError for a value outside its range. The message names the argument, says what it must be, and shows
what it was. The classes `Real`, `Integer`, `Pair` and `Choice` are checks of fields (`fastbp.base.value_objects`). They
keep a number as it is. The module `fastbp.data.arrays` checks arrays.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from . import hints

Value = TypeVar("Value")
Name = TypeVar("Name", bound=str)


class Registry(dict[str, Value]):
    """`Registry` holds the objects of a family by their names.

    Attributes
    ----------
    kinds : tuple of classes
        The classes of all objects that may be given. Some have no object with a name.
    aliases : dict of str to str
        Other names that users know, with the names that they stand for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kinds: tuple[type, ...] = ()
        self.aliases: dict[str, str] = {}

    def add(self, name: str, value: Value, aliases: Iterable[str] = ()) -> None:
        """Add an object with its name and its other names. Raise ValueError if one of them is taken."""
        for each in (name, *aliases):
            if each in self or each in self.aliases:
                raise ValueError(f"name must be new, got {each!r}")
        self[name] = value
        self.kinds += (type(value),)
        self.aliases |= dict.fromkeys(aliases, name)


class Checked(Generic[Value]):
    """`Checked` is an attribute of a class. Each value that is assigned to it is checked first.

    Parameters
    ----------
    check : function
        A function that takes the value and the name of the attribute. It returns the value to keep, or raises an error.
    """

    def __init__(self, check: Callable[[Any, str], Value]):
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Value:
        kept: Value = instance.__dict__[self._name]
        return kept

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self._name] = self._check(value, self._name)


def integer(value: object, name: str, least: int, below: float = 2**63) -> int:
    """Return the value as an int, if it is an integer, at least `least`, and below `below`. A bool is not an integer.

    The default of `below` is the first number that an int64 cannot hold.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}")
    value = int(value)
    if not least <= value < below:
        # Python refuses to write integers of thousands of digits.
        found = value if value.bit_length() < 1000 else f"an integer of {value.bit_length()} bits"
        raise ValueError(f"{name} must be {f'at least {least}' if value < least else f'below {below}'}, got {found}")
    return value


def real(value: object, name: str, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False) -> float:
    """Return the value as a float, if it is a finite number, at least `low` and below `high`. A bool is not a number.

    With `open_low`, the value must be above `low`.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < low or value >= high or (open_low and value == low):
        rule = Real(low, high, open_low=open_low).rule
        raise ValueError(f"{name} must be a finite number{f' {rule}' if rule else ''}, got {value}")
    return value


class Real:
    """`Real` is the check of a field that is a finite number in a range, see `real`."""

    def __init__(self, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False):
        self._low, self._high, self._open_low = low, high, open_low

    @property
    def rule(self) -> str:
        """The range in words, or "" if every finite number is possible."""
        above = f"{'above' if self._open_low else 'at least'} {self._low:g}" if math.isfinite(self._low) else ""
        below = f"below {self._high:g}" if math.isfinite(self._high) else ""
        return " and ".join(part for part in (above, below) if part)

    def __call__(self, value: float, name: str) -> float:
        real(value, name, self._low, self._high, open_low=self._open_low)
        return value


class Pair:
    """`Pair` is the check of a field that is a pair of numbers, each with a check of its own."""

    kind = "pair of float"

    def __init__(self, *each: Real):
        self._each = each

    def __call__(self, value: object, name: str) -> tuple[float, float]:
        numbers = zip(self._each, pair(value, name), strict=True)
        first, second = (float(check(number, f"{name}[{i}]")) for i, (check, number) in enumerate(numbers))
        return first, second


class Integer:
    """`Integer` is the check of a field that is an integer in a range, see `integer`."""

    def __init__(self, least: int, below: float = 2**63):
        self._range = least, below
        self.rule = f"at least {least}" + f" and below {below}" * (below < 2**63)

    def __call__(self, value: int, name: str) -> int:
        integer(value, name, *self._range)
        return value


class Choice(Generic[Name]):
    """`Choice` is the check of a field that is one of some names, see `choice`."""

    def __init__(self, among: Collection[Name]):
        self._among, self.kind = among, "{" + ", ".join(f'"{name}"' for name in among) + "}"

    def __call__(self, value: Name, name: str) -> Name:
        choice(value, name, self._among)
        return value


def choice(value: object, name: str, among: Collection[str]) -> str:
    """Return the value, if it is one of the names in `among`. An alias in a `Registry` becomes the name it stands for.

    The message proposes the name that is most alike.
    """
    aliases: dict[str, str] = getattr(among, "aliases", {})
    if isinstance(value, str) and value in aliases:
        return aliases[value]
    if not isinstance(value, str) or value not in among:
        proposed = hints.meant(value, [*among, *aliases])
        raise ValueError(f"{name} must be one of {', '.join(map(repr, among))}, got {value!r}{proposed}")
    return value


def named(value: object, name: str, registry: Registry[Any]) -> Any:
    """Return the value, checked as `resolved` does, with the name of the registry in place of an alias."""
    resolved(value, name, registry)
    return choice(value, name, registry) if isinstance(value, str) else value


def resolved(value: object, name: str, registry: Registry[Any]) -> Any:
    """Return the object of a registry that has this name, or the value itself, if the registry has its class."""
    if type(value) in registry.kinds:
        return value
    if isinstance(value, str):
        return registry[choice(value, name, registry)]
    kinds = [kind for kind in registry.kinds if dataclasses.fields(kind)]
    own = [f"; {kind.__module__.rpartition('.')[0]}.Formula makes one" for kind in kinds if kind.__name__ == "Formula"]
    raise TypeError(
        f"{name} must be a name or an object of {', '.join(kind.__name__ for kind in kinds)}, got {value!r}"
        f"{''.join(own) if callable(value) else ''}"
    )


def text(value: object, name: str) -> str:
    """Return the value, if it is a string that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def bound(value: object, name: str) -> float | None:
    """Return the value as a float above 0, or None for None."""
    return None if value is None else real(value, name, 0, open_low=True)


def pair(value: object, name: str) -> tuple[Any, Any]:
    """Return a tuple or list of two values as a tuple."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be a pair of numbers, got {value!r}")
    return tuple(value)


def sequence(value: object, name: str, of: str = "") -> tuple[Any, ...]:
    """Return a sequence as a tuple. The message contains `of`."""
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence{of}, got {value!r}")
    return tuple(value)


def flag(value: object, name: str) -> bool:
    """Return the value, if it is True or False. Numbers such as 0 and 1 are not accepted."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def path(value: object, name: str) -> Path:
    """Return a string or a path-like object as a path. A "~" at its beginning means the home directory."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {value!r}")
    try:
        return Path(value).expanduser()
    except RuntimeError:  # there is no such user, so it is an ordinary name
        return Path(value)


def column(value: object, name: str) -> str:
    """Return the name of a column of the history.

    For the scores that everybody has, "val_" stands for "validation_", and "acc" for "accuracy". Other names that begin
    with "val_" are those of users.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be the name of a column of the history, got {value!r}")
    held_out = value.startswith(("val_", "validation_"))
    column = value.partition("_")[2] if held_out else value
    if column not in ("acc", "accuracy", "loss", "objective", "mae", "r2", "auc", "f1"):
        return value
    return "validation_" * held_out + ("accuracy" if column == "acc" else column)


Mode = Literal["auto", "min", "max"]

MODES: tuple[Mode, ...] = ("auto", "min", "max")
"""The names that say whether a larger or a smaller score is better, see `direction`."""


def direction(monitor: object, mode: object) -> int:
    """Return 1 if a larger score is better, and -1 if a smaller score is better.

    The mode "max" gives 1 and "min" gives -1. "auto" gives -1 for a score whose name `monitor` ends in "loss", "error",
    "mae" or "objective", and else 1.
    """
    monitor = column(monitor, "monitor")
    if choice(mode, "mode", MODES) == "auto":
        return -1 if monitor.endswith(("loss", "error", "mae", "objective")) else 1
    return -1 if mode == "min" else 1


def threads(value: object) -> int | None:
    """Return a number of threads as an int that is at least 1, or None for None."""
    return None if value is None else integer(value, "n_threads", 1)


def dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype float32 or float64."""
    try:
        wanted: np.dtype[Any] = np.dtype(value)
    except TypeError:
        wanted = np.dtype(bool)
    if value is None or wanted not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {value!r}")
    return wanted


def seed(value: object) -> int | None:
    """Return a seed as an int of any size that is at least 0, or None for None."""
    return None if value is None else integer(value, "seed", 0, math.inf)


def generator(value: object) -> np.random.Generator:
    """Return a random generator with this seed. With None, the generator has a random seed."""
    return np.random.default_rng(seed(value))
