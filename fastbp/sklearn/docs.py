"""This module completes the docstrings of estimators by what several of them share, so that each text stands once."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from typing import TypeVar

Class = TypeVar("Class", bound=type)

TITLES = ("Parameters", "Attributes", "Notes", "Examples")
"""The sections of the docstring of a class, in their order."""

HEADER = re.compile(r"\n\n(\w+)\n-+\n")
ENTRY = re.compile(r"\n(?=\S)")


def documented(cls: Class) -> Class:
    """Complete the docstring of a class by that of its last base class, in the form of NumPy.

    In both docstrings, a parameter is described as ``name: text``, and an attribute as ``name: type. text``. If both
    describe the same one, the text of this class counts. The types, the defaults and the order of parameters come from
    the constructor. Under ``python -OO``, there are no docstrings.
    """
    if sys.flags.optimize > 1:
        return cls
    (head, *rest), (_, *others) = (HEADER.split(inspect.getdoc(each) or "") for each in (cls, cls.__bases__[-1]))
    own, shared = (dict(zip(parts[::2], parts[1::2], strict=True)) for parts in (rest, others))
    for title in TITLES:
        texts = [text for text in (shared.get(title), own.get(title)) if text]
        known = dict(entry.split(": ", 1) for text in texts for entry in ENTRY.split(text) if title in TITLES[:2])
        if title == "Parameters":
            texts = [_entry(name, _kind(each), known[name]) for name, each in inspect.signature(cls).parameters.items()]
        elif title == "Attributes":
            texts = [_entry(name, *text.split(". ", 1)) for name, text in known.items()]
        head += f"\n\n{title}\n{'-' * len(title)}\n" + ("\n\n" if title == "Notes" else "\n").join(texts)
    cls.__doc__ = head
    return cls


def _kind(parameter: inspect.Parameter) -> str:
    """Return the type of a parameter and its default."""
    keyword = ", keyword-only" if parameter.kind is parameter.KEYWORD_ONLY else ""
    return f"{parameter.annotation}{keyword}, default {parameter.default!r}".replace(" | ", " or ")


def _entry(name: str, kind: str, text: str) -> str:
    """Return the lines that describe a parameter or an attribute."""
    return f"{name} : {kind}\n" + textwrap.indent(textwrap.fill(" ".join(text.split()), 116), "    ")
