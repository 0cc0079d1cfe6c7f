"""This module holds what objects with settings share: a `repr` that can be typed back in, and equality by value."""

from __future__ import annotations

import functools
import inspect
import os
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any

import numpy as np

MOST = 100
"""The length from which on a sequence is not shown: nobody would type it."""


def text(value: object) -> str:
    """Return a value as one would type it. A path becomes a string, and a function becomes its name."""
    if isinstance(value, tuple | list):
        if len(value) > MOST:
            return f"<{len(value)} values>"
        inside = ", ".join(map(text, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, FunctionType) and value.__name__.isidentifier():
        return value.__name__
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    return repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def same(a: object, b: object) -> bool:
    """Return whether two settings are equal. Arrays are not compared: they are never a default."""
    return a is b or (not isinstance(a, np.ndarray) and type(a) is type(b) and a == b)


def call(of: object, **others: object) -> str:
    """Return the call that makes an object like this one. Arguments that have their default values are left out.

    Parameters
    ----------
    of : object
        The object. Each parameter of its class must be an attribute.
    **others : object
        The values of parameters that are no attributes.

    Returns
    -------
    str
        The call. An object without such an attribute is shown as Python does it.
    """
    shown = []
    for name, parameter in inspect.signature(type(of)).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        try:
            value = others[name] if name in others else getattr(of, name)
        except AttributeError:
            return object.__repr__(of)
        required = parameter.default is parameter.empty
        if required or not same(value, parameter.default):
            keyword = not required or parameter.kind is parameter.KEYWORD_ONLY
            shown.append(f"{name}={text(value)}" if keyword else text(value))
    return f"{type(of).__name__}({', '.join(shown)})"


@functools.cache
def _compared(kind: type) -> tuple[str, ...]:
    """Return the names of the fields that decide whether two objects are equal. Without fields, only identity does."""
    return tuple(field.name for field in fields(kind) if field.compare) if is_dataclass(kind) else ("_identity",)


class Value:
    """`Value` is the base of dataclasses whose objects are settings, such as losses and schedules.

    Write ``@dataclass(frozen=True, repr=False, eq=False)``: the methods of this class take the place of those that
    Python would write and compile for each class. That took half of the time of the 40 dataclasses at the import.
    """

    def __repr__(self) -> str:
        return call(self)

    @property
    def _identity(self) -> int:
        return id(self)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in _compared(type(self))])

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())
