"""This module holds what objects with settings share: checked fields, a `repr` that can be typed back in, and equality.

A class declares each of its parameters once, as a field with its meaning, its check and its default:

>>> from fastbp.base import checks
>>> from fastbp.base.value_objects import Value, field
>>> class Decay(Value):
...     '''`Decay` lowers a rate.'''
...
...     rate: float = field("The share that stays.", checks.Real(0, 1), default=0.5)
>>> Decay(0.25), Decay() == Decay(0.5)
(Decay(rate=0.25), True)
>>> print(Decay.__doc__.partition("Raises")[0].rstrip())
`Decay` lowers a rate.
<BLANKLINE>
Parameters
----------
rate : float, default 0.5
    The share that stays. It must be at least 0 and below 1.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, MISSING, Field, FrozenInstanceError
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from . import docstrings, hints

if TYPE_CHECKING:
    from .checks import Registry

Kept = TypeVar("Kept")

MOST = 100
"""A sequence that is longer than this is not shown, because nobody would type it."""


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


def _alike(a: Any, b: Any) -> bool:
    """Return whether attributes of two objects are equal. What cannot be compared is different."""
    try:
        return a is b or (type(a) is type(b) and np.shape(a) == np.shape(b) and bool(np.all(a == b)))
    except Exception:
        return False


def call(of: object, **others: object) -> str:
    """Return the call that makes an object like this one. Arguments that have their default values are left out.

    Each parameter of the class must be an attribute of the object, or one of `others`. Without such an attribute, the
    object is shown as Python does it.
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


def field(
    meaning: str, check: Callable[[Any, str], Kept] | None = None, *, default: Any = MISSING, kind: str = ""
) -> Kept:
    """Declare a field of a class. The fields after ``_: KW_ONLY`` are keyword-only, as in a dataclass.

    Parameters
    ----------
    meaning : str
        What the field means, in sentences for the docstring. The rule of the check follows them there.
    check : function or None, default None
        A function that takes a value and the name of the field. It returns the value to keep, or raises an error. With
        None, the class checks the field in `__post_init__`.
    default : object, keyword-only
        The default value. Without it, the field must be given.
    kind : str, keyword-only, default ""
        The type in words for the docstring. With "", it is that of the check, or the annotation.
    """
    declared: Any = dataclasses.field(default=default, metadata={"meaning": meaning, "check": check, "kind": kind})
    return declared  # type: ignore[no-any-return]  # the class replaces it by the default


def fields_of(kind: type) -> dict[str, Field[Any]]:
    """Return the fields of a class by their names."""
    return getattr(kind, "__dataclass_fields__", {})


def signature(kind: type) -> inspect.Signature:
    """Return the signature of a class whose fields are its parameters."""
    parameters = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY if each.kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=each.type,
        )
        for each in fields_of(kind).values()
    ]
    return inspect.Signature(sorted(parameters, key=lambda each: each.kind), return_annotation=None)


class _Signature:
    """`_Signature` is the attribute by which `inspect` finds the signature of a class that has no `__init__`."""

    def __get__(self, instance: object, owner: type[WithFields]) -> inspect.Signature:
        if instance is not None or owner.__init__ is not WithFields.__init__:
            raise AttributeError("__signature__")
        return signature(owner)


class _Docstring:
    """`_Docstring` is the docstring of a class, to which the names and the parameters are added when it is read."""

    def __init__(self, given: str, names: Sequence[str]):
        self._given, self._names = given, names

    def __get__(self, instance: object, owner: type) -> str:
        return docstrings.described(self._given, owner.__name__, self._names, fields_of(owner).values())


@dataclasses.dataclass(frozen=True)
class _Frozen:
    """`_Frozen` is a dataclass as Python makes it. It tells `dataclasses` what it must know of other classes."""


class WithFields:
    """`WithFields` is the base of classes whose objects are settings, such as losses and schedules.

    The fields of a class are those attributes of its body that `field` declares. They are the parameters of the class.
    To the module `dataclasses`, a class with fields is a frozen dataclass. Python itself would write and compile the
    methods of each of these 45 classes, which took 7 of the 18 ms in which they were imported.

    A class with the keyword `name`, as in ``class Huber(Loss, name="huber")``, enters the registries of its family: an
    object with its default parameters has this name there.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    __dataclass_params__: ClassVar[Any] = _Frozen.__dataclass_params__  # type: ignore[attr-defined]
    __match_args__: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[Any] = _Signature()
    registries: tuple[Registry[Any], ...] = ()
    """The registries that a class with a name enters."""

    def __init_subclass__(cls, *, name: str = "", aliases: Sequence[str] = (), **options: Any) -> None:
        super().__init_subclass__(**options)
        declared = any("check" in each.metadata for each in vars(cls).values() if isinstance(each, Field))
        if declared:
            cls._declare()
        if cls.__doc__ and (declared or name):
            cls.__doc__ = _Docstring(cls.__doc__, (name, *aliases) if name else ())  # type: ignore[assignment]
        if name:
            cls.name = name  # type: ignore[attr-defined]
            made = cls()
            for registry in cls.registries:
                registry.add(name, made, aliases)

    @classmethod
    def _declare(cls) -> None:
        """Make fields of the attributes that `field` has declared."""
        found: dict[str, Field[Any]] = {}
        for base in reversed(cls.__mro__[1:]):
            found |= vars(base).get("__dataclass_fields__", {})
        keyword = False
        for name, annotation in inspect.get_annotations(cls).items():
            keyword = keyword or annotation is KW_ONLY or str(annotation).endswith("KW_ONLY")
            declared = vars(cls).get(name)
            if not isinstance(declared, Field):
                continue
            declared.name, declared.type, declared.kw_only = name, annotation, keyword
            declared._field_type = dataclasses._FIELD  # type: ignore[attr-defined]  # `dataclasses.fields` asks for it
            found[name] = declared
            if declared.default is MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, declared.default)
        cls.__dataclass_fields__ = found
        cls.__match_args__ = tuple(name for name, each in found.items() if not each.kw_only)  # type: ignore[misc]

    if not TYPE_CHECKING:  # a checker makes the constructors from the fields

        def __init__(self, *args: Any, **options: Any):
            kind = type(self)
            fields, given = fields_of(kind), {**dict(zip(kind.__match_args__, args, strict=False)), **options}
            needed = {name for name, each in fields.items() if each.default is MISSING}
            if len(given) < len(args) + len(options) or not needed <= given.keys() <= fields.keys():
                hints.refuse_call(kind, args, options)
            for name, each in fields.items():
                object.__setattr__(self, name, given.get(name, each.default))
            self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields. A class that has more to check extends this method."""
        for name, each in fields_of(type(self)).items():
            if check := each.metadata.get("check"):
                value = getattr(self, name)
                kept = check(value, name)
                if kept is not value:
                    object.__setattr__(self, name, kept)

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse("assign to", name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse("delete", name)
        object.__delattr__(self, name)

    def _refuse(self, what: str, name: str) -> None:
        """Raise an error if an attribute must not change. Classes of users without fields may have others."""
        if "__dataclass_fields__" in vars(type(self)) or name in fields_of(type(self)):
            raise FrozenInstanceError(f"cannot {what} field {name!r}")

    def __repr__(self) -> str:
        return call(self)

    def __replace__(self, /, **changes: Any) -> Any:
        return dataclasses.replace(self, **changes)

    def _values(self) -> tuple[Any, ...]:
        """Return the values that decide whether two objects are equal. Without fields, an object equals only itself."""
        kind = type(self)
        if not hasattr(kind, "__dataclass_fields__"):
            return (id(self),)
        return tuple([getattr(self, name) for name, each in fields_of(kind).items() if each.compare])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        fields, (mine, yours) = fields_of(type(self)), (vars(each) for each in (self, other))
        if self._values() != other._values() or mine.keys() != yours.keys():
            return False
        return all(_alike(value, yours[name]) for name, value in mine.items() if name not in fields)

    def __hash__(self) -> int:
        return hash(self._values())


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(WithFields):
    """`Value` is the base of classes whose objects are equal by value, even if their class has no field."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]] = {}
