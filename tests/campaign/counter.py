"""How many calls the players make into the public interface of fastbp.

`install` puts a function around each public function, method and constructor. It counts a call that comes from a file
of the tests. Calls that fastbp makes of itself, and those of other libraries and of forked processes, do not count;
neither do operators, attributes and the hooks of callbacks.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import sys
from collections.abc import Callable
from types import FunctionType

from helpers import TESTS

import fastbp as fb
from fastbp.base.value_objects import WithFields

MODULES = ("", ".activations", ".callbacks", ".graph", ".interop", ".losses", ".metrics", ".schedules", ".sklearn")
INHERITED = ("fit_transform", "get_params", "score", "set_params")
"""The methods that estimators have from scikit-learn."""

_calls = itertools.count()
_ours = str(TESTS)


def made() -> int:
    """The number of calls so far in this process."""
    return _calls.__reduce__()[1][0]


def _counted(function: Callable) -> Callable:
    """The same function, which counts the calls from the tests."""

    @functools.wraps(function)
    def call(*args: object, **options: object) -> object:
        if sys._getframe(1).f_code.co_filename.startswith(_ours):
            next(_calls)
        return function(*args, **options)

    return call


def install() -> None:
    """Count the calls of all that is public, from now on."""
    for module in [importlib.import_module(f"fastbp{name}") for name in MODULES]:
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                _count_methods(value)
            elif isinstance(value, FunctionType):
                _replace(value, _counted(value))
    for name in importlib.import_module("fastbp.sklearn").__all__:
        kind = getattr(fb.sklearn, name)
        for method in INHERITED:
            if hasattr(kind, method):
                setattr(kind, method, _counted(getattr(kind, method)))


def _replace(function: Callable, by: Callable) -> None:
    """Put a function in the place of another one, wherever fastbp knows it: pickle must find the same one."""
    for module in [module for name, module in sys.modules.items() if name.startswith("fastbp")]:
        for name, value in [*vars(module).items()]:
            if value is function:
                setattr(module, name, by)


def _count_methods(kind: type) -> None:
    """Count the calls of the constructor and of the public methods of a class."""
    only_made = issubclass(kind, WithFields | fb.callbacks.Callback)  # all else is for fastbp to call
    for base in kind.__mro__:
        if not base.__module__.startswith("fastbp"):
            continue
        for name, value in [*vars(base).items()]:
            if name not in ("__init__", "__call__") and (only_made or name.startswith("_")):
                continue
            if isinstance(value, FunctionType) and not _is_counted(value):
                setattr(base, name, _counted(value))
            elif isinstance(value, classmethod) and not _is_counted(value.__func__):
                setattr(base, name, classmethod(_counted(value.__func__)))
            elif isinstance(found := getattr(value, "fn", None), FunctionType) and not _is_counted(found):
                value.fn = _counted(found)  # a method of an estimator that is not always there


def _is_counted(function: FunctionType) -> bool:
    return function.__code__.co_filename == __file__
