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
    """Complete the docstring of a class by that of its last base class.

    In the section "Parameters" of both, an entry is ``name: text``. If both have it, that of this class counts. The
    types, the defaults and the order come from the constructor. Under ``python -OO``, there are no docstrings.
    """
    if sys.flags.optimize > 1:
        return cls
    (head, *rest), (_, *others) = (HEADER.split(inspect.getdoc(each) or "") for each in (cls, cls.__bases__[-1]))
    own, shared = (dict(zip(parts[::2], parts[1::2], strict=True)) for parts in (rest, others))
    for title in TITLES:
        texts = [text for text in (shared.get(title), own.get(title)) if text]
        if title == "Parameters":
            known = dict(entry.split(":", 1) for text in texts for entry in ENTRY.split(text))
            texts = [_described(each, known[each.name]) for each in inspect.signature(cls).parameters.values()]
        head += f"\n\n{title}\n{'-' * len(title)}\n" + ("\n\n" if title == "Notes" else "\n").join(texts)
    cls.__doc__ = head
    return cls


def _described(parameter: inspect.Parameter, text: str) -> str:
    """Return the entry of a parameter in the form of NumPy."""
    keyword = ", keyword-only" if parameter.kind is parameter.KEYWORD_ONLY else ""
    kind = f"{parameter.annotation}{keyword}, default {parameter.default!r}".replace(" | ", " or ")
    return f"{parameter.name} : {kind}\n" + textwrap.indent(textwrap.fill(" ".join(text.split()), 116), "    ")
