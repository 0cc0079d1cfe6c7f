"""This module shows graphs as text: the table of gates, and the formula of a node."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .gates import GATES

VARIABLE, CONSTANT = "variable", "constant"
"""The operations of nodes that have no gate."""

HEAD = ["name", "operation", "inputs", "value", "gradient"]
"""The columns of a table."""

MOST_LETTERS = 120
"""The largest number of letters of a part of an expression."""


def rows(nodes: Sequence[Any]) -> list[tuple[str, str, str, Any, Any]]:
    """Return the rows of a table: all nodes but constants, which must come in topological order."""
    names, count, found = {}, itertools.count(1), []
    for node in nodes:
        if node.operation == CONSTANT:
            names[id(node)] = short(node.value)
            continue
        names[id(node)] = node.name or f"g{next(count)}"
        inputs = ", ".join(names[id(each)] for each in node.inputs)
        found.append((names[id(node)], label(node), inputs, plain(node.value), plain(node.gradient)))
    return found


def table(nodes: Sequence[Any]) -> str:
    """Return the table of nodes as text."""
    lines = [HEAD, *((*texts, short(value), short(slope)) for *texts, value, slope in rows(nodes))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        left = [text.ljust(width) for text, width in zip(line[:3], widths[:3], strict=True)]
        right = [text.rjust(width) for text, width in zip(line[3:], widths[3:], strict=True)]
        shown.append("  ".join([*left, *right]).rstrip())
    return "\n".join(shown)


def label(node: Any) -> str:
    """Return the name of the operation of a node, with its numbers."""
    if "sigma" in node.options:
        return str(node.options["sigma"].name)
    return " ".join(
        [node.operation, *(short(value) for value in node.options.values() if isinstance(value, int | float))]
    )


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
    options = {name: value.name if name == "sigma" else short(value) for name, value in node.options.items()}
    return pattern.format(*inputs, **options).replace(", )", ")")


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
