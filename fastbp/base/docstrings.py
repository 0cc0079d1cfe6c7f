"""This module writes the parts of docstrings that the code knows: names in a registry, and parameters of a class.

With ``python -OO`` there are no docstrings, and nothing is written.
"""

from __future__ import annotations

import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field
from typing import Any, TypeVar

WIDTH = 120
"""The largest number of characters of a line."""

Documented = TypeVar("Documented", bound=Callable[..., Any])


def listed(names: Iterable[str], mark: str = '"', last: str = "and") -> str:
    """Return names as they stand in a sentence, for example '"sgd", "adam" and "lbfgs"'.

    The mark stands before and after each name, and `last` is the word before the last name.
    """
    *most, end = [f"{mark}{name}{mark}" for name in names]
    return f"{', '.join(most)} {last} {end}" if most else end


def filled(docstring: str, **texts: str) -> str:
    """Return a docstring in which ``{name}`` is replaced by the text of this name.

    If a place is a line of its own, the lines of the text get its indentation. A line that becomes too long is wrapped
    again, together with the lines around it that have the same indentation. An item of a list, which begins with "- ",
    is wrapped by itself.
    """
    if not docstring:  # it is None with -OO
        return docstring
    found: list[str] = []
    item = itertools.count(1)

    def part(line: str) -> tuple[str, int]:
        words = line.lstrip()
        alone = not words or words.startswith("- ") or words[1:-1] in texts
        return line[: len(line) - len(words)], next(item) if alone else 0

    for (indent, _), group in itertools.groupby(docstring.split("\n"), part):
        lines = "\n".join(group)
        for name, value in texts.items():
            lines = lines.replace(f"{{{name}}}", value.replace("\n", f"\n{indent}"))
        too_long = max(map(len, lines.split("\n"))) > WIDTH
        found += wrapped(" ".join(lines.split()), len(indent)) if too_long else [lines]
    return "\n".join(found)


def wrapped(text: str, indent: int) -> list[str]:
    """Return a text as lines with an indentation."""
    rest = indent + 2 * text.startswith("- ")
    wrapper = textwrap.TextWrapper(WIDTH, " " * indent, " " * rest, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)


def documented(**texts: str) -> Callable[[Documented], Documented]:
    """Return a decorator that fills the docstring of a class or a function, see `filled`.

    Examples
    --------
    >>> from fastbp.base.docstrings import documented, listed
    >>> @documented(names=listed(["relu", "tanh"]))
    ... def activation():
    ...     '''Return one of {names}.'''
    >>> activation.__doc__
    'Return one of "relu" and "tanh".'
    """

    def fill(of: Documented) -> Documented:
        of.__doc__ = filled(inspect.cleandoc(of.__doc__ or ""), **texts) or None
        return of

    return fill


def described(docstring: str, kind: str, names: Sequence[str], fields: Iterable[Field[Any]]) -> str:
    """Return the docstring of a class with its names, its parameters and their errors, before its first section.

    The names stand for an object of the class `kind` with the default parameters. The fields are those that
    `fastbp.base.value_objects.field` has declared. If the docstring has the section Raises, no errors are added.
    """
    docstring, entries = inspect.cleandoc(docstring), sorted(fields, key=lambda each: bool(each.kw_only))
    section = re.search(r"^[A-Z]\w+\n---+$", docstring, re.MULTILINE)
    start = section.start() if section else len(docstring)
    parts = [docstring[:start].rstrip()]
    if names:
        subject, verb = ("name", "means") if len(names) == 1 else ("names", "mean")
        parts.append("\n".join(wrapped(f"The {subject} {listed(names)} {verb} {kind}().", 0)))
    if entries:
        parts.append(f"Parameters\n----------\n{parameters(entries)}")
    if entries and "Raises\n------" not in docstring:
        errors = ["ValueError", "    If a parameter is outside its range."]
        errors = errors if any(each.type != "bool" for each in entries) else []
        parts.append("\n".join(["Raises", "------", *errors, "TypeError", "    If a parameter has the wrong type."]))
    return "\n\n".join([*parts, docstring[start:]]).rstrip()


def parameters(fields: Iterable[Field[Any]]) -> str:
    """Return what the section Parameters says of some fields."""
    return "\n".join(map(_entry, fields))


def _entry(field: Field[Any]) -> str:
    """Return what the section Parameters says of a field."""
    check, rule = field.metadata.get("check"), getattr(field.metadata.get("check"), "rule", "")
    kind = field.metadata.get("kind") or getattr(check, "kind", "") or str(field.type).replace(" | ", " or ")
    kind += ", keyword-only" * bool(field.kw_only)
    if field.default is not MISSING:
        kind += f', default "{field.default}"' if isinstance(field.default, str) else f", default {field.default}"
    meaning = " ".join(field.metadata.get("meaning", "").split()) + f" It must be {rule}." * bool(rule)
    return "\n".join([f"{field.name} : {kind}", *wrapped(meaning, 4)])
