"""This module holds `Activation`, the base class of all activation functions, and the registries of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import numpy as np

from ..base.checks import Registry
from ..base.value_objects import WithFields, field
from ..formulas.gates import Operand
from ..formulas.nodes import Node, apply, numeric
from ..kernels.simd.formulas import digest
from ..kernels.simd.vector import filled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ACTIVATIONS: Registry[Activation] = Registry()
"""The activation functions for hidden layers and for the output, by their names."""

OUTPUTS: Registry[Activation] = Registry()
"""The activation functions for the output, by their names."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Activation(WithFields):
    """`Activation` is the base class of all activation functions.

    The docstring of each class below gives the formula sigma(z), the name of the function, and the number or the paper
    of its source, such as 002. In the formulas, z is the pre-activation of one unit, and a = sigma(z) is its
    activation. An object is a function: called with an array z, it returns sigma(z), and `derivative` returns d sigma /
    dz. Called with a node of `fastbp.graph`, it returns a node.

    The kernels are made of two methods. `value` computes sigma. `gradient` computes d sigma / dz, from a where that is
    cheaper, and else from z; the attribute `of_z` says which.

    Attributes
    ----------
    name : str
        The name of the function for `MLP`.
    init : {"he", "glorot", "lecun"}
        The method that draws the first weights of a layer with this function, if it is between two hidden layers and
        `MLP` gets no `init`. The distribution is uniform.
    gain : float
        The number that then multiplies the first weights and biases of a hidden layer with this function. It is above 1
        for a function that needs larger z than "tanh" for the same bend.
    of_z : bool
        With True, `gradient` takes z, and training must keep it. With False, `gradient` takes a = sigma(z).
    trainable : bool
        Whether the function has a derivative to train with.
    zeros : float
        The share of activations that are 0 if half of the pre-activations are below 0. Where an activation is 0, the
        derivative must be 0 too.
    whole_rows : bool
        Whether each output depends on all z of the sample. This is True only for softmax, which can only be an output.
    bounds : pair of float, or None
        The bounds between which all values of the function are, or None if they are not known. `Trainer` compares them
        with what its loss is made for.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.activations.ACTIVATIONS["tanh"].init
    'glorot'
    >>> fb.activations.relu([-1.0, 2.0]), fb.activations.relu.derivative([-1.0, 2.0])
    (array([0., 2.]), array([0., 1.]))
    """

    __dataclass_fields__: ClassVar[dict[str, Any]] = {}
    registries: tuple[Registry[Activation], ...] = (OUTPUTS, ACTIVATIONS)
    name: str
    init: str = "lecun"
    gain: float = 1.0
    of_z: bool = False
    trainable: bool = True
    zeros: float = 0.0
    whole_rows: bool = False
    bounds: tuple[float, float] | None = None

    def value(self, z: Operand, *parameters: Operand) -> Operand:
        """Return sigma(z), for a vector, array or node z and the numbers that `parameters` returns."""
        return z

    def gradient(self, x: Operand, *parameters: Operand) -> Operand:
        """Return d sigma / dz. If `of_z` is True, x is the pre-activation z, and else it is a = sigma(z)."""
        return filled(x, 1.0)

    def __call__(self, z: ArrayLike | Node) -> Any:
        """Return sigma(z).

        Parameters
        ----------
        z : array or node
            The pre-activations.

        Returns
        -------
        array of the shape of z, or Node
            The activations: float32 for an array of float32, a node for a node of `fastbp.graph`, and else float64.

        Raises
        ------
        TypeError
            If z is not numeric.
        """
        if isinstance(z, Node):
            return apply("activate", z, sigma=self)
        z = numeric(z, "z")
        with np.errstate(all="ignore"):
            return np.asarray(self.value(z, *self.parameters()), z.dtype)

    def derivative(self, z: ArrayLike | Node) -> Any:
        """Return d sigma / dz at z.

        Parameters
        ----------
        z : array or node
            The pre-activations.

        Returns
        -------
        array of the shape of z, or Node
            The derivatives, as for a call.

        Raises
        ------
        TypeError
            If z is not numeric, or if the function has no derivative.
        """
        if not self.trainable:
            raise TypeError(f"{self.name} has no derivative")
        if isinstance(z, Node):
            return self.gradient(z if self.of_z else self(z), *self.parameters())
        z = numeric(z, "z")
        with np.errstate(all="ignore"):
            x = z if self.of_z else self.value(z, *self.parameters())
            return np.asarray(self.gradient(x, *self.parameters()), z.dtype)

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that `value` and `gradient` take as their last arguments."""
        return self._values()

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `value` and `gradient`."""
        return len(self.parameters())

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for functions with different formulas. It is part of a kernel's name."""
        arity = 1 + self.parameter_count
        return digest(dtype, (self.value, arity, ()), (self.gradient, arity, ()), also=(self.of_z,))
