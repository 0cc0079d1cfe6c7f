"""This module checks arguments. Each argument is checked once, before a kernel sees it: kernels check nothing.

Each function returns the value in one form, or raises an error. The message names the argument, says what it must be,
and shows what it was. The module `fastbp.data.arrays` checks arrays.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

Value = TypeVar("Value")


class Registry(dict[str, Value]):
    """`Registry` holds the objects of a family by their names.

    Parameters
    ----------
    objects : mapping of str to object
        The objects that have a name.
    *others : class
        Classes of objects that have no name, but may be given too.
    aliases : mapping of str to str, keyword-only, default None
        Other names that users know, with the names that they stand for.

    Attributes
    ----------
    kinds : tuple of classes
        The classes of all objects that may be given.
    aliases : dict of str to str
        The other names.
    """

    def __init__(self, objects: Mapping[str, Value], *others: type, aliases: Mapping[str, str] | None = None):
        super().__init__(objects)
        self.kinds = *(type(each) for each in objects.values()), *others
        self.aliases = dict(aliases or {})


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
        return instance.__dict__[self._name]

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self._name] = self._check(value, self._name)


def integer(value: object, name: str, least: int, below: float = 2**63) -> int:
    """Return the value as an int, if it is an integer, at least `least`, and below `below`.

    Parameters
    ----------
    value : object
        The argument.
    name : str
        The name of the argument, for the message.
    least : int
        The smallest value that is possible.
    below : int or inf, default 2**63
        The value must be below this. The default is the first number that an int64 cannot hold.

    Raises
    ------
    TypeError
        If the value is not an integer. A bool is not an integer here.
    ValueError
        If the value is outside the range.
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
    """Return the value as a float, if it is a finite number from `low` to `high`.

    Parameters
    ----------
    value : object
        The argument.
    name : str
        The name of the argument, for the message.
    low : float, default -inf
        The smallest value that is possible. With `open_low`, the value must be above `low`.
    high : float, default inf
        The value must be below this.
    open_low : bool, keyword-only, default False
        Whether `low` itself is not possible.

    Raises
    ------
    TypeError
        If the value is not a real number. A bool is not a number here.
    ValueError
        If the value is not finite, or outside the range.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < low or value >= high or (open_low and value == low):
        rule = f"{'above' if open_low else 'at least'} {low:g}" if math.isfinite(low) else ""
        rule += f"{' and ' if rule else ''}below {high:g}" if math.isfinite(high) else ""
        raise ValueError(f"{name} must be a finite number{f' {rule}' if rule else ''}, got {value}")
    return value


def choice(value: object, name: str, among: object) -> str:
    """Return the value, if it is one of the names in `among`. Raise ValueError if not.

    In a `Registry`, an alias becomes the name that it stands for. The message proposes the name that is most alike.
    """
    aliases = getattr(among, "aliases", {})
    if isinstance(value, str) and value in aliases:
        return aliases[value]
    if not isinstance(value, str) or value not in among:
        proposed = meant(value, [*among, *aliases])
        raise ValueError(f"{name} must be one of {', '.join(map(repr, among))}, got {value!r}{proposed}")
    return value


def meant(name: object, among: Iterable[str]) -> str:
    """Return what to add to a message about a wrong name: the name that is most like it, or nothing."""
    names = list(among)
    if not names:
        return ""
    import difflib  # it takes milliseconds, and only mistakes need it

    found = difflib.get_close_matches(str(name).lower().replace("-", "_"), names, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def named(value: object, name: str, registry: Registry[Any]) -> Any:
    """Return the value, checked as `resolved` does, with the name of the registry in place of an alias."""
    found = resolved(value, name, registry)
    return found if not isinstance(value, str) else choice(value, name, registry)


def resolved(value: object, name: str, registry: Registry[Any]) -> Any:
    """Return the object of a registry that the value means.

    Parameters
    ----------
    value : object
        A name in the registry, or an object of one of its classes.
    name : str
        The name of the argument, for the message.
    registry : Registry
        The objects by their names, and the classes of others.

    Raises
    ------
    ValueError
        If there is no such name.
    TypeError
        If the value is neither a name nor such an object.
    """
    if type(value) in registry.kinds:
        return value
    if not isinstance(value, str):
        objects = ", ".join(kind.__name__ for kind in registry.kinds if dataclasses.fields(kind))
        own = next(
            (f"; {kind.__module__}.Formula makes one" for kind in registry.kinds if kind.__name__ == "Formula"), ""
        )
        raise TypeError(
            f"{name} must be a name or an object of {objects}, got {value!r}{own if callable(value) else ''}"
        )
    return registry[choice(value, name, registry)]


def text(value: object, name: str) -> str:
    """Return the value, if it is a string that is not empty. Raise an error if not."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def bound(value: object, name: str) -> float | None:
    """Return the value as a float above 0, or None for None."""
    return None if value is None else real(value, name, 0, open_low=True)


def pair(value: object, name: str) -> tuple:
    """Return a tuple or list of two values as a tuple. Raise TypeError for anything else."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be a pair of numbers, got {value!r}")
    return tuple(value)


def flag(value: object, name: str) -> bool:
    """Return the value, if it is True or False. Raise TypeError if not: numbers such as 0 and 1 are not accepted."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def path(value: object, name: str) -> Path:
    """Return a string or a path-like object as a path. Raise TypeError for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {value!r}")
    return Path(value)


def column(value: object, name: str) -> str:
    """Return the value, if it is a string, as each name of a column of the history is. Raise TypeError if not.

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

MODES = ("auto", "min", "max")
"""What says whether a larger or a smaller score is better, see `direction`."""


def direction(monitor: object, mode: object) -> int:
    """Return 1 if a larger score is better, and -1 if a smaller score is better.

    Parameters
    ----------
    monitor : object
        The name of the score.
    mode : object
        "max" gives 1 and "min" gives -1. "auto" gives -1 if the name ends in "loss", "error", "mae" or "objective", and
        else 1.

    Raises
    ------
    TypeError
        If `monitor` is not a string.
    ValueError
        If `mode` is not one of these three.
    """
    monitor = column(monitor, "monitor")
    if choice(mode, "mode", MODES) == "auto":
        return -1 if monitor.endswith(("loss", "error", "mae", "objective")) else 1
    return -1 if mode == "min" else 1


def threads(value: object) -> int | None:
    """Return a number of threads as an int that is at least 1, or None for None."""
    return None if value is None else integer(value, "n_threads", 1)


def dtype(value: object) -> np.dtype:
    """Return the dtype float32 or float64. Raise ValueError for any other dtype."""
    try:
        wanted = np.dtype(value)
    except TypeError:
        wanted = None
    if value is None or wanted not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {value!r}")
    return wanted


def seed(value: object) -> int | None:
    """Return a seed as an int of any size that is at least 0, or None for None."""
    return None if value is None else integer(value, "seed", 0, math.inf)


def generator(value: object) -> np.random.Generator:
    """Return a random generator with this seed. With None, the generator has a random seed."""
    return np.random.default_rng(seed(value))
