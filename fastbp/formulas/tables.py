"""This module shows graphs as text: the table of gates, and the formula of a node."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .gates import GATES, Key

VARIABLE, CONSTANT = "variable", "constant"
"""The operations of nodes that have no gate."""

HEAD = ["name", "operation", "inputs", "value", "gradient"]
"""The columns of a table."""

NUMBERS = (3, 4)
"""The columns that stand on the right."""

LOCAL = "local x gradient"
"""The column of local derivatives."""

FUNCTIONS = ("sigma", "loss")
"""The options that are functions. The operation of a gate with one of them has the name of the function."""

MOST_LETTERS = 120
"""The largest number of letters of a part of an expression."""


def names_of(nodes: Sequence[Any]) -> dict[int, str]:
    """Return the names of nodes, which must come in topological order, by their ids. A constant has its number."""
    count = itertools.count(1)
    return {
        id(node): short(node.value) if node.operation == CONSTANT else node.name or f"g{next(count)}" for node in nodes
    }


def rows(nodes: Sequence[Any]) -> list[tuple[str, str, str, Any, Any]]:
    """Return the rows of a table: all nodes but constants, which must come in topological order."""
    names = names_of(nodes)
    return [
        (
            names[id(node)],
            label(node),
            ", ".join(names[id(each)] for each in node.inputs),
            plain(node.value),
            plain(node.gradient),
        )
        for node in nodes
        if node.operation != CONSTANT
    ]


def table(nodes: Sequence[Any], local: Callable[[Any], list[str]] | None = None) -> str:
    """Return the table of nodes as text.

    With the function `local`, each input of a gate has a line. The function returns the ends of the lines of a gate.
    """
    names, lines = names_of(nodes), [[*HEAD, *([LOCAL] if local else [])]]
    shown = [node for node in nodes if node.operation != CONSTANT]
    for node, (name, operation, inputs, value, slope) in zip(shown, rows(nodes), strict=True):
        row = [name, operation, inputs, short(value), short(slope)]
        if local is None or not node.inputs:
            lines.append([*row, *([""] if local else [])])
            continue
        for k, (each, end) in enumerate(zip(node.inputs, local(node), strict=True)):
            lines.append([*(row[:2] if k == 0 else ["", ""]), names[id(each)], *(row[3:] if k == 0 else ["", ""]), end])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if k in NUMBERS else text.ljust(width)
            for k, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def label(node: Any) -> str:
    """Return the name of the operation of a node, with its numbers."""
    for option in FUNCTIONS:
        if option in node.options:
            return str(node.options[option].name)
    shown = (value for value in node.options.values() if isinstance(value, int | float | Key))
    return " ".join([node.operation, *map(_of_option, shown)])


def expression(nodes: Sequence[Any]) -> str:
    """Return what the last node computes, as text."""
    texts: dict[int, str] = {}
    for k, node in enumerate(nodes):
        text = _text(node, [texts[id(each)] for each in node.inputs])
        # Nodes are counted at the end, for the few parts that are left: counting them for each part is quadratic.
        texts[id(node)] = text if len(text) <= MOST_LETTERS else f"{node.name or label(node)}(of \0{k}\0)"
    return re.sub("\0(.*?)\0", lambda found: str(len(nodes[int(found[1])].nodes)), texts[id(nodes[-1])])


def _text(node: Any, inputs: list[str]) -> str:
    """Return the text of a node for the texts of its inputs."""
    if node.operation == CONSTANT:
        return short(node.value)
    if not inputs or "gate" in node.options:
        return node.name or f"{node.operation}({', '.join(inputs)})"
    pattern = GATES[node.operation].text
    if "({0}" not in pattern:
        inputs = [f"({text})" if _is_infix(each) else text for each, text in zip(node.inputs, inputs, strict=True)]
    options = {name: _of_option(value) for name, value in node.options.items()}
    return pattern.format(*inputs, **options, all=", ".join(inputs)).replace(", )", ")")


def _of_option(value: Any) -> str:
    """Return an option of a gate as text: the name of a function, or a value."""
    return str(value.name) if hasattr(value, "name") else str(value) if isinstance(value, tuple) else short(value)


def _is_infix(node: Any) -> bool:
    """Return whether the expression of a node needs brackets inside another one."""
    text = GATES[node.operation].text if node.inputs and "gate" not in node.options else ""
    return text.startswith(("{0} ", "-", "{by} ", "1 /"))


def plain(value: Any) -> Any:
    """Return an array without axes as a float, and everything else as it is."""
    return value.item() if isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0 else value


def short(value: Any) -> str:
    """Return a value as text for a table."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, float | int | bool):
        return f"{value:.6g}"
    if value.size > 6:
        return f"array {value.shape}"
    return np.array2string(value, separator=", ", formatter={"float_kind": lambda x: f"{x:.6g}"}).replace("\n", "")
