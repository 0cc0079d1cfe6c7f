"""This module holds `Formula`, which makes a loss of a formula of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import numpy as np

from ..base import checks
from ..base.value_objects import field
from ..formulas.gates import Operand
from ..formulas.nodes import variable
from ..formulas.user_formulas import UserFormula, check_slopes, name_of_formula
from ..kernels.simd.formulas import digest
from .base import LOSSES, Loss

MOST_OUTPUTS = 32
"""The largest number of outputs, and of targets, of a formula for whole rows. All of them are in registers at once."""

POINTS: dict[str, tuple[tuple[float, float], Callable[[np.random.Generator, tuple[int, int]], np.ndarray]]] = {
    "values": ((-3.0, 3.0), lambda rng, shape: rng.normal(size=shape)),
    "counts": ((0.1, 6.0), lambda rng, shape: rng.poisson(3.0, shape)),
    "probabilities": ((0.02, 0.98), lambda rng, shape: np.clip(rng.uniform(-0.5, 1.5, shape), 0, 1)),
    "distribution": ((0.02, 0.98), lambda rng, shape: np.clip(rng.uniform(-0.5, 1.5, shape), 0, 1)),
    "signs": ((-3.0, 3.0), lambda rng, shape: rng.integers(0, 2, shape)),
}
"""For each kind of targets, the range of outputs and random targets with which the derivative of a formula is
checked."""


class Formula(UserFormula, Loss):
    """`Formula` is a loss of your own, as fast as the others.

    Write C as a function with the operators and functions of `fastbp.graph`. It takes a, y and the constants. Without
    `rows`, a and y are one output and its target, and the loss of a sample is the sum over its outputs. With `rows`, a
    and y are lists of all outputs and of all targets of a sample, and the function returns the loss of the sample;
    `prime` then returns a list with a derivative for each output. The function is called once, to record what it
    computes. Backpropagation through this record finds dC/da, and both are compiled (001, 003).

    Raises
    ------
    TypeError
        If the function cannot be recorded, for example because it uses `if`, or a function of NumPy or of math. The
        message says what to write instead.
    ValueError
        If the formula has no derivative, if the derivative differs from central differences, or if a number is outside
        its range.

    Notes
    -----
    A file holds the recorded formula, not the function, so `Trainer.resume` needs no code of yours.

    Examples
    --------
    The first output is the mean of a Gaussian, and the second one its standard deviation. There is one target:

    >>> import fastbp as fb
    >>> from fastbp.graph import log
    >>> def gaussian(a, y):
    ...     mean, deviation = a
    ...     return log(deviation) + 0.5 * ((y[0] - mean) / deviation) ** 2
    >>> loss = fb.losses.Formula(gaussian, rows=True, n_out=2, n_targets=1)
    >>> net = fb.MLP([3, 16, 2], output="softplus", seed=0)
    >>> trainer = fb.Trainer(net, loss=loss)

    Focal loss for outputs of a sigmoid:

    >>> def focal(a, y, gamma):
    ...     p = a * y + (1 - a) * (1 - y)
    ...     return -((1 - p) ** gamma) * log(p)
    >>> fb.losses.Formula(focal, constants={"gamma": 2}, targets="probabilities", name="focal").name
    'focal'
    """

    stored_as: ClassVar[str] = "LossFormula"  # in a file, a Formula is an activation function
    _: KW_ONLY
    targets: str = field(
        'The kind of targets, as for `Loss`. With "signs", the formula gets 0 and 1, or -1 and 1, as they are given.',
        checks.Choice(POINTS),
        default="values",
    )
    threshold: float = field("A single output of at least this value means class 1.", checks.real, default=0.5)
    rows: bool = field("Whether the formula is for whole rows of outputs.", checks.flag, default=False)
    n_out: int | None = field(f"With `rows`, the number of outputs, from 1 to {MOST_OUTPUTS}.", default=None)
    n_targets: int | None = field(
        f"With `rows`, the number of targets, from 1 to {MOST_OUTPUTS}. With None, it is `n_out`.", default=None
    )
    name: str = field(
        "The name of the loss in messages. It must not be one of the names for `Trainer`.",
        lambda value, name: name_of_formula(value, LOSSES),
        default="formula",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts()
        outputs, targets = self.n_out or 1, self.n_targets or 1
        a = [variable(f"a{i}" if self.rows else "a") for i in range(outputs)]
        y = [variable(f"y{i}" if self.rows else "y") for i in range(targets)]
        if self.record(a, y, [a, y] if self.rows else [*a, *y]):
            self._check_slopes(outputs, targets)

    def _check_counts(self) -> None:
        """Check the numbers of outputs and of targets."""
        if not self.rows:
            if self.n_out is not None or self.n_targets is not None:
                raise ValueError("n_out and n_targets must be None without rows=True")
            return
        if self.n_out is None:
            raise ValueError("n_out must be given with rows=True: the number of outputs of the network")
        n_out = checks.integer(self.n_out, "n_out", 1, MOST_OUTPUTS + 1)
        given = n_out if self.n_targets is None else self.n_targets
        n_targets = checks.integer(given, "n_targets", 1, MOST_OUTPUTS + 1)
        if n_targets != n_out and self.targets not in ("values", "counts"):
            raise ValueError(f"targets must be 'values' or 'counts' if n_targets is not n_out, got {self.targets!r}")
        object.__setattr__(self, "n_out", n_out)
        object.__setattr__(self, "n_targets", n_targets)

    def _check_slopes(self, outputs: int, targets: int) -> None:
        """Compare the derivatives with central differences, at random outputs and targets of the right kind."""
        rng = np.random.default_rng(0)
        (low, high), draw = POINTS[self.targets]
        a = rng.uniform(low, high, (outputs, 200))
        y = np.asarray(draw(rng, (targets, 200)), np.float64)
        for i in range(outputs):

            def value(x: np.ndarray, i: int = i) -> np.ndarray:
                cost: np.ndarray = self.term(*a[:i], x, *a[i + 1 :], *y, *self.parameters())[0]
                return cost

            with np.errstate(all="ignore"):
                slope = self.term(*a, *y, *self.parameters())[1 + i]
            check_slopes(value, slope, a[i], f"a[{i}]" if self.rows else "a")

    @property
    def labels(self) -> bool:  # type: ignore[override]  # it depends on the numbers of outputs and targets
        return self.n_targets == self.n_out

    def target_count(self, n_out: int) -> int:
        if self.rows and n_out != self.n_out:
            raise ValueError(
                f"loss must have n_out={n_out}, the number of outputs of the network, got n_out={self.n_out}"
            )
        return self.n_targets or n_out

    def term(self, *operands: Operand) -> tuple[Operand, ...]:
        """Return C and dC/da of one output. With `rows`, return C and all dC/da_i for all outputs and targets."""
        return tuple(self.program.compute(*operands))

    def digest(self, dtype: Any) -> str:
        if not self.rows:
            return super().digest(dtype)
        return f"rows{self.n_out}-{self.n_targets}-{digest(dtype, (self.term, self.program.count, ()))}"

    def __repr__(self) -> str:
        ends = [f"{letter}{i}" for letter, n in (("a", self.n_out), ("y", self.n_targets)) for i in range(n or 0)]
        options = {"targets": "values", "threshold": 0.5, "rows": False, "n_out": None, "n_targets": None}
        changed = [f"{name}={value!r}" for name, plain in options.items() if (value := getattr(self, name)) != plain]
        return f"Formula({', '.join([*self.shown(*(ends or ('a', 'y'))), *changed])})"
