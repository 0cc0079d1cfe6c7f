"""This module holds `Formula`, which makes an activation function of a formula of the user."""

from __future__ import annotations

from dataclasses import KW_ONLY

import numpy as np

from ..base import checks
from ..base.value_objects import field
from ..formulas.gates import Operand
from ..formulas.nodes import variable
from ..formulas.user_formulas import UserFormula, check_slopes, name_of_formula
from .base import OUTPUTS, Activation


class Formula(UserFormula, Activation):
    """`Formula` is an activation function of your own, as fast as the others.

    Write sigma(z) as a function with the operators and functions of `fastbp.graph`. It takes z and the constants, and
    must compute each number from the number at its place. It is called once, to record what it computes.
    Backpropagation through this record finds the derivative, and both are compiled (001, 003).

    Raises
    ------
    TypeError
        If the function cannot be recorded, for example because it uses `if`, or a function of NumPy or of math. The
        message says what to write instead.
    ValueError
        If the formula has no derivative, or if the derivative differs from central differences.

    Notes
    -----
    A file holds the recorded formula, not the function, so `fastbp.load` needs no code of yours.

    In compiled kernels, e^x is at most e^88 (float32) or e^709 (float64), and ln 0 is the logarithm of the smallest
    normal number. A call with an array uses NumPy, where they are infinite.

    Examples
    --------
    >>> import fastbp as fb
    >>> from fastbp.graph import sin
    >>> snake = fb.activations.Formula(lambda z, a: z + sin(a * z) ** 2 / a, constants={"a": 0.5}, name="snake")
    >>> snake
    Formula(z + ((sin(a * z) ** 2) / a), a=0.5)
    >>> snake([0.0, 1.0]).round(4), snake.derivative([0.0, 1.0]).round(4)
    (array([0.    , 1.4597]), array([1.    , 1.8415]))
    >>> net = fb.MLP([4, 16, 3], activation=snake, output="softmax", seed=0)
    """

    of_z = True
    _: KW_ONLY
    init: str = field(
        "The method that draws the first weights of a layer with this function, as `Activation.init` says.",
        checks.Choice(("he", "glorot", "lecun")),
        default="he",
    )
    name: str = field(
        "The name of the function in tables. It must not be one of the names for `MLP`.",
        lambda value, name: name_of_formula(value, OUTPUTS),
        default="formula",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        z = variable("z")
        if self.record([z], [], [z]):
            points = np.linspace(-6.0, 6.0, 80)
            check_slopes(self, self.derivative(points), points, "z")

    def value(self, z: Operand, *parameters: Operand) -> Operand:
        return self.program.compute(z, *parameters)[0]

    def gradient(self, z: Operand, *parameters: Operand) -> Operand:
        return self.program.compute(z, *parameters)[1]

    def __repr__(self) -> str:
        return f"Formula({', '.join(self.shown('z'))})"
