"""This module turns functions of the user into programs, and checks their derivatives. `Formula` classes use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Any, cast

import numpy as np

from ..base import checks
from ..base.value_objects import Value, field
from . import differences
from .nodes import Node, variable
from .programs import Program, derivatives

MOST_ERROR = 1e-5
"""The largest error of a derivative, relative to 1 + |derivative|, that does not count as a mistake."""


def constants(given: Mapping[str, float] | Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Return the constants of a formula as pairs of a name and a finite number."""
    pairs = given.items() if isinstance(given, Mapping) else given
    if not isinstance(given, Mapping | tuple | list) or not all(
        isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise TypeError(f"constants must be a dict of names and numbers, got {given!r}")
    names = [name for name, _ in pairs]
    for name in names:
        if not name.isidentifier() or names.count(name) > 1:
            raise ValueError(f"constants must have different names that Python can use for arguments, got {name!r}")
    return tuple((name, checks.real(value, f"constants[{name!r}]") + 0.0) for name, value in pairs)


def name_of_formula(name: object, taken: Collection[str]) -> str:
    """Return the name of a formula, or raise an error. It must not be one that stands for something else."""
    name = checks.text(name, "name")
    if name in taken:
        raise ValueError(f"name must not be that of another function, got {name!r}")
    return name


class UserFormula(Value):
    """`UserFormula` has what the classes `Formula` of activation functions and of losses share."""

    formula: Callable[..., Any] | Program = field(
        "The function that computes the formula. After its other arguments it takes the constants by their names.",
        kind="function",
    )
    _: KW_ONLY
    prime: Callable[..., Any] | None = field(
        "The function that computes the derivative, with the same arguments. With None, the derivative is found.",
        default=None,
        kind="function or None",
    )
    constants: Mapping[str, float] | tuple[tuple[str, float], ...] = field(
        "Numbers that the formula takes as further arguments. Formulas that differ only in these numbers share their "
        "compiled kernels.",
        lambda value, name: constants(value),
        default=(),
        kind="dict of str to float",
    )

    def record(self, a: Sequence[Node], others: Sequence[Node], arguments: Sequence[Any]) -> bool:
        """Replace the function by the program that computes the formula and its derivatives with respect to `a`.

        The function gets `arguments`, which has the nodes of `a` and of `others` in the form that it expects. Return
        whether there was a function: a program comes from a file, and is checked.
        """
        formula, named = self.formula, {name: variable(name) for name, _ in self._pairs}
        if taken := named.keys() & {node.name for node in (*a, *others)}:
            raise ValueError(f"constants must not have the names of other arguments, got {', '.join(taken)}")
        inputs = [*a, *others, *named.values()]
        if isinstance(formula, Program):
            if formula.count != len(inputs) or len(formula.outputs) != 1 + len(a) or self.prime is not None:
                raise ValueError(f"a formula from a file must have {len(inputs)} inputs and {1 + len(a)} results")
            return False
        (value,) = Program.traced(formula, arguments, named, "formula")
        program = Program.of(inputs, [value, *self._slopes(value, a, arguments, named)])
        object.__setattr__(self, "formula", program)
        object.__setattr__(self, "prime", None)
        return True

    def _slopes(
        self, value: Node, a: Sequence[Node], arguments: Sequence[Any], named: Mapping[str, Node]
    ) -> list[Node]:
        """Return the derivatives of the value: those of `prime`, or those that backpropagation finds."""
        if self.prime is None:
            found = derivatives(value, a)
            if all(each is None for each in found):
                raise ValueError(
                    f"formula must have a derivative, but {value.expression()} changes only in jumps, or not at all"
                )
            return [0.0 * node if each is None else each for each, node in zip(found, a, strict=True)]
        parts = Program.traced(self.prime, arguments, named, "prime", several=len(a) > 1)
        if len(parts) != len(a):
            raise ValueError(f"prime must return {len(a)} derivatives, one for each output, got {len(parts)}")
        return parts

    @property
    def _pairs(self) -> tuple[tuple[str, float], ...]:
        return cast(tuple[tuple[str, float], ...], self.constants)

    @property
    def program(self) -> Program:
        """The program that computes the formula and its derivatives. Its last inputs are the constants."""
        return cast(Program, self.formula)

    def parameters(self, n_out: int = 1) -> tuple[float, ...]:
        """Return the constants, which do not depend on the number of outputs."""
        return tuple(value for _, value in self._pairs)

    def shown(self, *inputs: str) -> list[str]:
        """Return the formula and the constants as text, for inputs with these names."""
        formula = self.program.text(*inputs, *(name for name, _ in self._pairs))
        return [formula, *(f"{name}={value:g}" for name, value in self._pairs)]


def check_slopes(value: Callable[[np.ndarray], np.ndarray], slope: np.ndarray, points: np.ndarray, where: str) -> None:
    """Raise ValueError if the derivatives `slope` at some points differ from central differences of `value`.

    Points where the value is not finite, or near a kink, do not count. The value must be finite at one point at least.
    In messages, `where` says what the points are.
    """
    h = differences.STEP
    with np.errstate(all="ignore"):
        wanted = differences.central(lambda by: value(points + by))
        right, left = (value(points + h) - value(points)) / h, (value(points) - value(points - h)) / h
        seen = np.isfinite(wanted) & (np.abs(right - left) <= 0.01 * (1 + np.abs(wanted)))
        if not np.isfinite(value(points)).any():
            raise ValueError(f"formula must be finite for some {where} from {points.min():g} to {points.max():g}")
        # The differences reach further than the two above: a kink beside a point is not within a smaller step.
        near = differences.central(lambda by: value(points + by), h / 256)
        error = np.fmin(np.abs(slope - wanted), np.abs(slope - near))
        error = np.where(seen, error / (1 + np.abs(wanted)), 0.0)
        worst = int(np.nan_to_num(error, nan=np.inf).argmax())
    if not error[worst] <= MOST_ERROR:
        raise ValueError(
            f"the derivative of formula at {where} = {points[worst]:g} must be {wanted[worst]:.6g} by differences, got "
            f"{slope[worst]:.6g}"
        )
