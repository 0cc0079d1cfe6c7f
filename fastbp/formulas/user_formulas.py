"""This module turns functions of the user into programs, and checks their derivatives. `Formula` classes use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..base import checks
from . import differences
from .nodes import Node, numeric, variable
from .programs import Program, derivatives

__all__ = ["check_slopes", "constants", "name_of_formula", "numeric", "program"]

MOST_ERROR = 1e-5
"""The largest error of a derivative, relative to 1 + |derivative|, that does not count as a mistake."""


def constants(given: Mapping[str, float] | Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Return the constants of a formula as pairs of a name and a number.

    Raises
    ------
    TypeError, ValueError
        If they are no mapping of names to finite numbers.
    """
    pairs = given.items() if isinstance(given, Mapping) else given
    if not isinstance(given, Mapping | tuple | list) or not all(
        isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise TypeError(f"constants must be a dict of names and numbers, got {given!r}")
    for name, _ in pairs:
        if not name.isidentifier():
            raise ValueError(f"constants must have names that Python can use for arguments, got {name!r}")
    return tuple((name, checks.real(value, f"constants[{name!r}]") + 0.0) for name, value in pairs)


def name_of_formula(name: object, taken: Collection[str]) -> str:
    """Return the name of a formula, or raise an error. It must not be one that stands for something else."""
    if checks.text(name, "name") in taken:
        raise ValueError(f"name must not be that of another function, got {name!r}")
    return name


def program(
    formula: Callable | Program,
    prime: Callable | None,
    a: Sequence[Node],
    others: Sequence[Node],
    constants: Sequence[tuple[str, float]],
    arguments: Sequence[Any],
) -> Program:
    """Return the program that computes a formula and its derivatives.

    Parameters
    ----------
    formula : function or Program
        The function of the user, or the program from a file, which is checked.
    prime : function or None
        The derivative that the user gives, if there is one.
    a : sequence of Node
        The inputs with respect to which the formula is differentiated.
    others : sequence of Node
        Its other inputs, for example the targets.
    constants : sequence of pairs (name, number)
        Its last inputs.
    arguments : sequence of Node, or of sequences of Node
        What the function gets: these inputs, in the form that it expects.

    Returns
    -------
    Program
        Its results are the value, and then the derivative with respect to each of `a`.
    """
    named = {name: variable(name) for name, _ in constants}
    if taken := named.keys() & {node.name for node in (*a, *others)}:
        raise ValueError(f"constants must not have the names of other arguments, got {', '.join(taken)}")
    inputs = [*a, *others, *named.values()]
    if isinstance(formula, Program):
        if formula.count != len(inputs) or len(formula.outputs) != 1 + len(a) or prime is not None:
            raise ValueError(f"a formula from a file must have {len(inputs)} inputs and {1 + len(a)} results")
        return formula
    (value,) = Program.traced(formula, arguments, named, "formula")
    return Program.of(inputs, [value, *slopes(value, a, prime, arguments, named)])


def slopes(
    output: Node, wanted: Sequence[Node], prime: Callable | None, arguments: Sequence[Any], named: Mapping[str, Node]
) -> list[Node]:
    """Return the derivatives of a formula: those that the user gives, or those that backpropagation finds.

    Parameters
    ----------
    output : Node
        What the formula computes.
    wanted : sequence of Node
        The arguments with respect to which it is differentiated.
    prime : function or None
        The derivative that the user gives. It returns one result, or a sequence with one for each.
    arguments, named : sequence and mapping
        The arguments of `prime`.

    Raises
    ------
    ValueError, TypeError
        If there is no derivative, or if `prime` cannot be turned into a graph.
    """
    if prime is None:
        found = derivatives(output, wanted)
        if all(each is None for each in found):
            raise ValueError(
                f"formula must have a derivative, and {output.expression()} has none: it changes only in jumps, or not "
                "at all"
            )
        return [0.0 * node if each is None else each for each, node in zip(found, wanted, strict=True)]
    parts = Program.traced(prime, arguments, named, "prime", several=len(wanted) > 1)
    if len(parts) != len(wanted):
        raise ValueError(f"prime must return {len(wanted)} derivatives, one for each output, got {len(parts)}")
    return parts


def check_slopes(value: Callable, slope: Callable, points: np.ndarray, where: str) -> None:
    """Compare a derivative with central differences at some points.

    Points where the value is not finite, or near a kink, do not count.

    Parameters
    ----------
    value : function
        A function that takes the moved points and returns the value at each of them.
    slope : array of the shape of points
        The derivative at each point.
    points : float64 array
        The points.
    where : str
        What the points are, for messages.

    Raises
    ------
    ValueError
        If the value is finite nowhere, or if the derivative is wrong at a point.
    """
    h = differences.STEP
    with np.errstate(all="ignore"):
        wanted = differences.central(lambda by: value(points + by))
        right, left = (value(points + h) - value(points)) / h, (value(points) - value(points - h)) / h
        seen = np.isfinite(wanted) & (np.abs(right - left) <= 0.01 * (1 + np.abs(wanted)))
        if not np.isfinite(value(points)).any():
            raise ValueError(f"formula must be finite for some {where} from {points.min():g} to {points.max():g}")
        error = np.where(seen, np.abs(slope - wanted) / (1 + np.abs(wanted)), 0.0)
        worst = int(np.nan_to_num(error, nan=np.inf).argmax())
    if not error[worst] <= MOST_ERROR:
        raise ValueError(
            f"the derivative of formula at {where} = {points[worst]:g} must be {wanted[worst]:.6g} by differences, got "
            f"{slope[worst]:.6g}"
        )
