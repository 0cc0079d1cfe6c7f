"""This module holds the activation functions sigma and their derivatives. Each function is a class.

A network takes an activation function by its name, such as ``"relu"``, or as an object with parameters, such as
``LeakyReLU(0.1)``. `Formula` makes one of a formula of your own. Each name is also a function of arrays, and of nodes
of `fastbp.graph`: ``fastbp.activations.relu(z)``.

The names are "identity", "sigmoid", "tanh", "relu", "threshold", "sign", "leaky_relu", "elu", "selu", "softplus",
"gelu", "silu", "hard_sigmoid", "mish", and "softmax" for an output. Their classes are `Identity`, `Sigmoid`, `Tanh`,
`ReLU`, `Threshold`, `Sign`, `LeakyReLU`, `ELU`, `SELU`, `Softplus`, `GELU`, `SiLU`, `HardSigmoid`, `Mish` and
`Softmax`. The dicts `ACTIVATIONS` and `OUTPUTS` have all of them.

The formulas are plain Python functions of vectors, arrays and nodes (`fastbp.kernels.simd.operands`). The engine
compiles them when a network first uses them. Every function returns NaN for NaN, so that a network that has diverged
has a loss of NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..base import checks
from ..base.value_objects import Value
from ..formulas import user_formulas
from ..formulas.gates import GATES
from ..formulas.nodes import Node, apply, variable
from ..formulas.programs import Program
from ..kernels.simd.formulas import digest
from ..kernels.simd.functions import exp, expm1, log1p, normal_cdf
from ..kernels.simd.vector import absolute, filled, fma, maximum, minimum, where, with_sign

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "OUTPUTS",
    "SELU",
    "Activation",
    "Formula",
    "HardSigmoid",
    "Identity",
    "LeakyReLU",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Softplus",
    "Tanh",
    "Threshold",
    "elu",
    "gelu",
    "hard_sigmoid",
    "identity",
    "leaky_relu",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "threshold",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

ABOVE_0 = math.ulp(0.0)
"""The smallest float above 0. As a bound, it says that a function is above 0 everywhere, and not 0 anywhere."""

LOWEST = -1000.0
"""The smallest z that silu and mish use. Every smaller z counts as this one.

The smallest 1 / (1 + e^-z) that `exp` can give is 6e-39 (float32) or 1e-308 (float64). A z of -3e38 would multiply it
to -1.8, where the right value is 0.
"""


@dataclass(frozen=True, repr=False, eq=False)
class Activation(Value):
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
        The method that draws the first weights of a layer with this function, if `MLP` gets no `init`. The distribution
        is uniform.
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

    name: ClassVar[str]
    init: ClassVar[str] = "lecun"
    of_z: ClassVar[bool] = False
    trainable: ClassVar[bool] = True
    zeros: ClassVar[float] = 0.0
    whole_rows: ClassVar[bool] = False
    bounds: ClassVar[Any] = None

    def value(self, z: Any, *parameters: Any) -> Any:
        """Return sigma(z).

        Parameters
        ----------
        z : vector, array or node
            The pre-activations.
        *parameters : vectors or floats
            The numbers that `parameters` returns.
        """
        return z

    def gradient(self, x: Any, *parameters: Any) -> Any:
        """Return d sigma / dz.

        Parameters
        ----------
        x : vector, array or node
            The pre-activations z if `of_z` is True, else the activations a = sigma(z).
        *parameters : vectors or floats
            The numbers that `parameters` returns.
        """
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
        z = user_formulas.numeric(z, "z")
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
        z = user_formulas.numeric(z, "z")
        with np.errstate(all="ignore"):
            x = z if self.of_z else self.value(z, *self.parameters())
            return np.asarray(self.gradient(x, *self.parameters()), z.dtype)

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that `value` and `gradient` take as their last arguments."""
        return astuple(self)

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `value` and `gradient`."""
        return len(fields(self))

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for functions with different formulas. It is part of a kernel's name."""
        arity = 1 + self.parameter_count
        return digest(dtype, (self.value, arity, ()), (self.gradient, arity, ())) + "z" * self.of_z


class Identity(Activation):
    """sigma(z) = z. The name is "identity"."""

    name, bounds = "identity", (-math.inf, math.inf)


class Sigmoid(Activation):
    """sigma(z) = 1 / (1 + e^-z)   (001, 002). The name is "sigmoid"."""

    name, init, bounds = "sigmoid", "glorot", (ABOVE_0, 1.0)

    def value(self, z):
        return 1.0 / (1.0 + exp(-z))

    def gradient(self, a):
        return a * (1.0 - a)


class Tanh(Activation):
    """sigma(z) = (e^z - e^-z) / (e^z + e^-z)   (002). The name is "tanh".

    It is computed as u / (u + 2) with u = e^(2|z|) - 1 and the sign of z, which is precise around 0.
    """

    name, init, bounds = "tanh", "glorot", (-1.0, 1.0)

    def value(self, z):
        u = expm1(2.0 * absolute(z))
        return with_sign(u / (u + 2.0), z)

    def gradient(self, a):
        return fma(-a, a, 1.0)


class ReLU(Activation):
    """sigma(z) = max(z, 0)   (001, 002). The name is "relu"."""

    name, init, zeros, bounds = "relu", "he", 0.5, (0.0, math.inf)

    def value(self, z):
        return maximum(z, 0.0)

    def gradient(self, a):
        return where(a > 0.0, 1.0, 0.0)


class Threshold(Activation):
    """sigma(z) = 1 if z >= 0, else 0: the binary threshold neuron   (001). The name is "threshold".

    Its derivative is 0 almost everywhere, so a network with this function can predict, but cannot be trained. Source:
    McCulloch and Pitts (1943).
    """

    name, trainable, bounds = "threshold", False, (0.0, 1.0)

    def value(self, z):
        return where(z >= 0.0, 1.0, where(z < 0.0, 0.0, z))


class Sign(Activation):
    """sigma(z) = 1 if z >= 0, else -1: the threshold neuron with the outputs -1 and 1   (001). The name is "sign".

    Its derivative is 0 almost everywhere, so a network with this function can predict, but cannot be trained.
    """

    name, trainable, bounds = "sign", False, (-1.0, 1.0)

    def value(self, z):
        return where(z >= 0.0, 1.0, where(z < 0.0, -1.0, z))


@dataclass(frozen=True, repr=False, eq=False)
class LeakyReLU(Activation):
    """sigma(z) = z if z > 0, else slope z. The name "leaky_relu" means the slope 0.01.

    Parameters
    ----------
    slope : float, default 0.01
        The slope for negative z. It must be at least 0.

    Raises
    ------
    ValueError
        If the slope is outside its range.
    TypeError
        If the slope is not a number.

    Notes
    -----
    Source: Maas et al. (2013).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1], output=fb.activations.LeakyReLU(0.1))
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> net.predict([[-2.0], [2.0]]).round(3).tolist()
    [[-0.20000000298023224], [2.0]]
    """

    name: ClassVar[str] = "leaky_relu"
    init: ClassVar[str] = "he"
    slope: float = 0.01

    @property
    def bounds(self) -> tuple[float, float]:
        return -math.inf if self.slope else 0.0, math.inf

    def __post_init__(self):
        checks.real(self.slope, "slope", 0)

    def value(self, z, slope):
        return where(z > 0.0, z, slope * z)

    def gradient(self, a, slope):
        return where(a > 0.0, 1.0, slope)


@dataclass(frozen=True, repr=False, eq=False)
class ELU(Activation):
    """sigma(z) = z if z > 0, else alpha (e^z - 1). The name "elu" means alpha = 1.

    Parameters
    ----------
    alpha : float, default 1.0
        The limit of -sigma(z) for large negative z. It must be above 0.

    Raises
    ------
    ValueError
        If alpha is outside its range.
    TypeError
        If alpha is not a number.

    Notes
    -----
    Source: Clevert et al. (2016).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.MLP([2, 3, 1], activation=fb.activations.ELU(0.5))
    MLP([2, 3, 1], activation=ELU(alpha=0.5))
    """

    name: ClassVar[str] = "elu"
    init: ClassVar[str] = "he"
    alpha: float = 1.0

    @property
    def bounds(self) -> tuple[float, float]:
        return -self.alpha, math.inf

    def __post_init__(self):
        checks.real(self.alpha, "alpha", 0, open_low=True)

    def value(self, z, alpha):
        u = expm1(absolute(z))  # for z < 0, e^z - 1 = -u / (1 + u), which is precise around 0
        return where(z > 0.0, z, -alpha * (u / (1.0 + u)))

    def gradient(self, a, alpha):
        return where(a > 0.0, 1.0, a + alpha)


class SELU(Activation):
    """sigma(z) = lambda z if z > 0, else lambda alpha (e^z - 1). The name is "selu".

    The constants lambda = 1.0507 and alpha = 1.6733 keep the mean 0 and the variance 1 of activations from layer to
    layer. Source: Klambauer et al. (2017).
    """

    name, bounds = "selu", (-SELU_SCALE * SELU_ALPHA, math.inf)

    def value(self, z):
        return SELU_SCALE * ELU().value(z, SELU_ALPHA)

    def gradient(self, a):
        return where(a > 0.0, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA)


class Softplus(Activation):
    """sigma(z) = ln(1 + e^z)   (Dugas et al. 2001). The name is "softplus".

    It is computed as max(z, 0) + ln(1 + e^-|z|), which cannot overflow.
    """

    name, init, bounds = "softplus", "he", (ABOVE_0, math.inf)

    def value(self, z):
        return maximum(z, 0.0) + log1p(exp(-absolute(z)))

    def gradient(self, a):
        u = expm1(a)  # 1 - e^-a = u / (1 + u)
        return u / (1.0 + u)


class GELU(Activation):
    """sigma(z) = z Phi(z), with Phi the distribution function of the standard normal distribution. The name is "gelu".

    Source: Hendrycks and Gimpel (2016).
    """

    name, init, of_z, bounds = "gelu", "he", True, (-0.17, math.inf)

    def value(self, z):
        return z * normal_cdf(z)

    def gradient(self, z):
        return fma(z * (1.0 / math.sqrt(2.0 * math.pi)), exp(-0.5 * z * z), normal_cdf(z))


class SiLU(Activation):
    """sigma(z) = z / (1 + e^-z)   (Elfwing et al. 2018). The name is "silu"."""

    name, init, of_z, bounds = "silu", "he", True, (-0.28, math.inf)

    def value(self, z):
        z = maximum(z, LOWEST)
        return z / (1.0 + exp(-z))

    def gradient(self, z):
        z = maximum(z, LOWEST)
        s = Sigmoid().value(z)
        return fma(z * s, 1.0 - s, s)


class HardSigmoid(Activation):
    """sigma(z) = min(max(z / 6 + 1/2, 0), 1)   (Courbariaux et al. 2015). The name is "hard_sigmoid"."""

    name, init, bounds = "hard_sigmoid", "glorot", (0.0, 1.0)

    def value(self, z):
        return minimum(maximum((z + 3.0) * (1.0 / 6.0), 0.0), 1.0)

    def gradient(self, a):
        return where(a > 0.0, where(a < 1.0, 1.0 / 6.0, 0.0), 0.0)


class Mish(Activation):
    """sigma(z) = z tanh(ln(1 + e^z))   (Misra 2020). The name is "mish".

    With u = e^-|z|, the factor tanh(ln(1 + e^z)) is (1 + 2u) / (1 + 2u + 2u^2) for z >= 0, and (2u + u^2) / (2 + 2u +
    u^2) for z < 0. In this form nothing overflows, and small values stay precise.
    """

    name, init, of_z, bounds = "mish", "he", True, (-0.31, math.inf)

    def gate(self, z):
        """Return n and r such that tanh(ln(1 + e^z)) = n / (n + r)."""
        u = exp(-absolute(z))
        return where(z >= 0.0, fma(u, 2.0, 1.0), u * (u + 2.0)), where(z >= 0.0, 2.0 * u * u, 2.0)

    def value(self, z):
        n, r = self.gate(z)
        return z * (n / (n + r))

    def gradient(self, z):
        z = maximum(z, LOWEST)
        n, r = self.gate(z)
        t = n / (n + r)
        slope = (r / (n + r)) * (1.0 + t)  # this form of 1 - t^2 is precise where t is near 1
        return fma(z * Sigmoid().value(z), slope, t)


class Softmax(Activation):
    """a_i = e^z_i / sum_k e^z_k, with sum_k over all outputs   (003). The name is "softmax". It is only for outputs."""

    name, init, whole_rows, bounds = "softmax", "glorot", True, (ABOVE_0, 1.0)

    def __call__(self, z: ArrayLike | Node) -> Any:
        if isinstance(z, Node):
            return apply("softmax", z)
        return GATES["softmax"].forward(user_formulas.numeric(z, "z"))

    def derivative(self, z: ArrayLike | Node) -> Any:
        raise TypeError("softmax has no derivative of one number: each output depends on all z of its row")


@dataclass(frozen=True, repr=False, eq=False)
class Formula(Activation):
    """`Formula` is an activation function of your own, as fast as the others.

    Write sigma(z) as a function with the operators and functions of `fastbp.graph`. It is called once, to record what
    it computes. Backpropagation through this record finds the derivative, and both are compiled (001, 003).

    Parameters
    ----------
    formula : function
        A function that takes z, and the constants by their names, and returns sigma(z). It must compute each number
        from the number at its place.
    prime : function or None, keyword-only, default None
        The derivative d sigma / dz, as a function of the same arguments. With None, it is found.
    constants : dict of str to float, keyword-only, default ()
        Numbers that the formula takes as further arguments. Formulas that differ only in these numbers share their
        compiled kernels.
    init : {"he", "glorot", "lecun"}, keyword-only, default "he"
        The method that draws the first weights of a layer with this function, if `MLP` gets no `init`.
    name : str, keyword-only, default "formula"
        The name of the function in tables. It must not be one of the names for `MLP`.

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

    of_z: ClassVar[bool] = True
    formula: Callable | Program
    _: KW_ONLY
    prime: Callable | None = None
    constants: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    init: str = "he"
    name: str = "formula"

    def __post_init__(self):
        checked = {
            "constants": user_formulas.constants(self.constants),
            "init": checks.choice(self.init, "init", ("he", "glorot", "lecun")),
            "name": user_formulas.name_of_formula(self.name, OUTPUTS),
        }
        z = variable("z")
        checked["formula"] = user_formulas.program(self.formula, self.prime, [z], [], checked["constants"], [z])
        fresh = not isinstance(self.formula, Program)
        for name, value in (checked | {"prime": None}).items():
            object.__setattr__(self, name, value)
        if fresh:
            points = np.linspace(-6.0, 6.0, 80)
            user_formulas.check_slopes(self, self.derivative(points), points, "z")

    def value(self, z, *parameters):
        return self.formula.compute(z, *parameters)[0]

    def gradient(self, z, *parameters):
        return self.formula.compute(z, *parameters)[1]

    def parameters(self) -> tuple[float, ...]:
        return tuple(value for _, value in self.constants)

    @property
    def parameter_count(self) -> int:
        return len(self.constants)

    def __repr__(self) -> str:
        names, numbers = [name for name, _ in self.constants], [f", {name}={value:g}" for name, value in self.constants]
        return f"Formula({self.formula.text('z', *names)}{''.join(numbers)})"


_ALL = (
    Identity, Sigmoid, Tanh, ReLU, Threshold, Sign, LeakyReLU, ELU, SELU, Softplus, GELU, SiLU, HardSigmoid, Mish
)  # fmt: skip

ALIASES = {
    "logistic": "sigmoid", "linear": "identity", "swish": "silu", "hardsigmoid": "hard_sigmoid",
    "leakyrelu": "leaky_relu", "heaviside": "threshold",
}  # fmt: skip
"""Names of other libraries for some of the activation functions."""

ACTIVATIONS: checks.Registry[Activation] = checks.Registry(
    {kind.name: kind() for kind in _ALL}, Formula, aliases=ALIASES
)
"""The activation functions for hidden layers and for the output, by their names."""

OUTPUTS: checks.Registry[Activation] = checks.Registry({**ACTIVATIONS, "softmax": Softmax()}, Formula, aliases=ALIASES)
"""The activation functions for the output, by their names."""

identity, sigmoid, tanh, relu, threshold, sign, leaky_relu, elu, selu, softplus, gelu, silu, hard_sigmoid, mish = (
    ACTIVATIONS.values()
)
softmax = OUTPUTS["softmax"]
