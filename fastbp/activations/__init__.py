"""This module holds the activation functions sigma and their derivatives. Each function is a class.

A network takes an activation function by its name, such as ``"relu"``, or as an object with parameters, such as
``LeakyReLU(0.1)``. `Formula` turns a formula of your own into an activation function. Each name is also a function of
arrays, and of nodes of `fastbp.graph`: ``fastbp.activations.relu(z)``.

The names are {names}. "softmax" is only for outputs. Their classes are {classes}. The dict `OUTPUTS` has all of them,
and `ACTIVATIONS` has those for hidden layers.

The formulas are plain Python functions of vectors, arrays and nodes (`fastbp.kernels.simd.operands`). The engine
compiles them when a network first uses them. Every function returns NaN for NaN, so that a network that has diverged
has a loss of NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..base import checks, hints
from ..base.docstrings import filled, listed
from ..base.value_objects import field
from ..formulas.gates import GATES, Operand
from ..formulas.nodes import Node, apply, numeric
from ..kernels.simd.functions import exp, expm1, log1p, normal_cdf
from ..kernels.simd.vector import absolute, fma, maximum, minimum, where, with_sign
from .base import ACTIVATIONS, OUTPUTS, Activation
from .formula import Formula

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "ACTIVATIONS", "ELU", "GELU", "OUTPUTS", "SELU", "Activation", "Formula", "HardSigmoid", "Identity", "LeakyReLU",
    "Mish", "ReLU", "SiLU", "Sigmoid", "Sign", "Softmax", "Softplus", "Tanh", "Threshold", "elu", "gelu",
    "hard_sigmoid", "identity", "leaky_relu", "mish", "relu", "selu", "sigmoid", "sign", "silu", "softmax", "softplus",
    "tanh", "threshold",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

ABOVE_0 = math.ulp(0.0)
"""The smallest float above 0. As a bound, it says that a function is above 0 everywhere, and never 0."""

LOWEST = -1000.0
"""The smallest z that silu and mish use. Every smaller z counts as this one.

The smallest 1 / (1 + e^-z) that `exp` can give is 6e-39 (float32) or 1e-308 (float64). A z of -3e38 would multiply it
to -1.8, where the right value is 0.
"""


class Identity(Activation, name="identity", aliases=("linear",)):
    """sigma(z) = z."""

    bounds = -math.inf, math.inf


class Sigmoid(Activation, name="sigmoid", aliases=("logistic",)):
    """sigma(z) = 1 / (1 + e^-z)   (001, 002)."""

    init, gain, bounds = "glorot", 2.0, (ABOVE_0, 1.0)

    def value(self, z: Operand) -> Operand:
        return 1.0 / (1.0 + exp(-z))

    def gradient(self, a: Operand) -> Operand:
        return a * (1.0 - a)


class Tanh(Activation, name="tanh"):
    """sigma(z) = (e^z - e^-z) / (e^z + e^-z)   (002).

    It is computed as u / (u + 2) with ``u = e^(2|z|) - 1`` and the sign of z, which is precise around 0.
    """

    init, bounds = "glorot", (-1.0, 1.0)

    def value(self, z: Operand) -> Operand:
        u = expm1(2.0 * absolute(z))
        return with_sign(u / (u + 2.0), z)

    def gradient(self, a: Operand) -> Operand:
        return fma(-a, a, 1.0)


class ReLU(Activation, name="relu"):
    """sigma(z) = max(z, 0)   (001, 002)."""

    init, zeros, bounds = "he", 0.5, (0.0, math.inf)

    def value(self, z: Operand) -> Operand:
        return maximum(z, 0.0)

    def gradient(self, a: Operand) -> Operand:
        return where(a > 0.0, 1.0, 0.0)


class Threshold(Activation, name="threshold", aliases=("heaviside",)):
    """sigma(z) = 1 if z >= 0, else 0: the binary threshold neuron   (001; McCulloch and Pitts 1943).

    Its derivative is 0 almost everywhere, so a network with this function can predict, but cannot be trained.
    """

    trainable, bounds = False, (0.0, 1.0)

    def value(self, z: Operand) -> Operand:
        return where(z >= 0.0, 1.0, where(z < 0.0, 0.0, z))


class Sign(Activation, name="sign"):
    """sigma(z) = 1 if z >= 0, else -1: the threshold neuron with the outputs -1 and 1   (001).

    Its derivative is 0 almost everywhere, so a network with this function can predict, but cannot be trained.
    """

    trainable, bounds = False, (-1.0, 1.0)

    def value(self, z: Operand) -> Operand:
        return where(z >= 0.0, 1.0, where(z < 0.0, -1.0, z))


class LeakyReLU(Activation, name="leaky_relu", aliases=("leakyrelu",)):
    """sigma(z) = z if z > 0, else slope z   (Maas et al. 2013).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1], output=fb.activations.LeakyReLU(0.1))
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> net.predict([[-2.0], [2.0]]).round(3).tolist()
    [[-0.20000000298023224], [2.0]]
    """

    init = "he"
    slope: float = field("The slope for negative z.", checks.Real(0), default=0.01)

    @property
    def bounds(self) -> tuple[float, float]:  # type: ignore[override]  # it depends on the slope
        return -math.inf if self.slope else 0.0, math.inf

    def value(self, z: Operand, slope: Operand) -> Operand:
        return where(z > 0.0, z, slope * z)

    def gradient(self, a: Operand, slope: Operand) -> Operand:
        return where(a > 0.0, 1.0, slope)


class ELU(Activation, name="elu"):
    """sigma(z) = z if z > 0, else alpha (e^z - 1)   (Clevert et al. 2016).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.MLP([2, 3, 1], activation=fb.activations.ELU(0.5))
    MLP([2, 3, 1], activation=ELU(alpha=0.5))
    """

    init = "he"
    alpha: float = field("The limit of -sigma(z) for large negative z.", checks.Real(0, open_low=True), default=1.0)

    @property
    def bounds(self) -> tuple[float, float]:  # type: ignore[override]  # it depends on alpha
        return -self.alpha, math.inf

    def value(self, z: Operand, alpha: Operand) -> Operand:
        u = expm1(absolute(z))  # for z < 0, e^z - 1 = -u / (1 + u), which is precise around 0
        return where(z > 0.0, z, -alpha * (u / (1.0 + u)))

    def gradient(self, a: Operand, alpha: Operand) -> Operand:
        return where(a > 0.0, 1.0, a + alpha)


class SELU(Activation, name="selu"):
    """sigma(z) = lambda z if z > 0, else lambda alpha (e^z - 1)   (Klambauer et al. 2017).

    The constants lambda = 1.0507 and alpha = 1.6733 keep the mean 0 and the variance 1 of activations from layer to
    layer.
    """

    bounds = -SELU_SCALE * SELU_ALPHA, math.inf

    def value(self, z: Operand) -> Operand:
        return SELU_SCALE * ELU().value(z, SELU_ALPHA)

    def gradient(self, a: Operand) -> Operand:
        return where(a > 0.0, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA)


class Softplus(Activation, name="softplus"):
    """sigma(z) = ln(1 + e^z)   (Dugas et al. 2001).

    It is computed as ``max(z, 0) + ln(1 + e^-|z|)``, which cannot overflow.
    """

    init, bounds = "he", (ABOVE_0, math.inf)

    def value(self, z: Operand) -> Operand:
        return maximum(z, 0.0) + log1p(exp(-absolute(z)))

    def gradient(self, a: Operand) -> Operand:
        u = expm1(a)  # 1 - e^-a = u / (1 + u)
        return u / (1.0 + u)


class GELU(Activation, name="gelu"):
    """sigma(z) = z Phi(z), with Phi the distribution function of the standard normal distribution.

    Source: Hendrycks and Gimpel (2016).
    """

    init, of_z, bounds = "he", True, (-0.17, math.inf)

    def value(self, z: Operand) -> Operand:
        return z * normal_cdf(z)

    def gradient(self, z: Operand) -> Operand:
        return fma(z * (1.0 / math.sqrt(2.0 * math.pi)), exp(-0.5 * z * z), normal_cdf(z))


class SiLU(Activation, name="silu", aliases=("swish",)):
    """sigma(z) = z / (1 + e^-z)   (Elfwing et al. 2018)."""

    init, of_z, bounds = "he", True, (-0.28, math.inf)

    def value(self, z: Operand) -> Operand:
        z = maximum(z, LOWEST)
        return z / (1.0 + exp(-z))

    def gradient(self, z: Operand) -> Operand:
        z = maximum(z, LOWEST)
        s = Sigmoid().value(z)
        return fma(z * s, 1.0 - s, s)


class HardSigmoid(Activation, name="hard_sigmoid", aliases=("hardsigmoid",)):
    """sigma(z) = min(max(z / 6 + 1/2, 0), 1)   (Courbariaux et al. 2015)."""

    init, gain, bounds = "glorot", 3.0, (0.0, 1.0)

    def value(self, z: Operand) -> Operand:
        return minimum(maximum((z + 3.0) * (1.0 / 6.0), 0.0), 1.0)

    def gradient(self, a: Operand) -> Operand:
        return where(a > 0.0, where(a < 1.0, 1.0 / 6.0, 0.0), 0.0)


class Mish(Activation, name="mish"):
    """sigma(z) = z tanh(ln(1 + e^z))   (Misra 2020).

    With ``u = e^-|z|``, the factor tanh(ln(1 + e^z)) is (1 + 2u) / (1 + 2u + 2u^2) for z >= 0, and (2u + u^2) / (2 +
    2u + u^2) for z < 0. In this form nothing overflows, and small values stay precise.
    """

    init, of_z, bounds = "he", True, (-0.31, math.inf)

    def gate(self, z: Operand) -> tuple[Operand, Operand]:
        """Return n and r such that tanh(ln(1 + e^z)) = n / (n + r)."""
        u = exp(-absolute(z))
        return where(z >= 0.0, fma(u, 2.0, 1.0), u * (u + 2.0)), where(z >= 0.0, 2.0 * u * u, 2.0)

    def value(self, z: Operand) -> Operand:
        n, r = self.gate(z)
        return z * (n / (n + r))

    def gradient(self, z: Operand) -> Operand:
        z = maximum(z, LOWEST)
        n, r = self.gate(z)
        t = n / (n + r)
        slope = (r / (n + r)) * (1.0 + t)  # this form of 1 - t^2 is precise where t is near 1
        return fma(z * Sigmoid().value(z), slope, t)


class Softmax(Activation, name="softmax"):
    """a_i = e^z_i / sum_k e^z_k, with sum_k over all outputs   (004). It is only for outputs."""

    registries = (OUTPUTS,)
    whole_rows, bounds = True, (ABOVE_0, 1.0)

    def __call__(self, z: ArrayLike | Node) -> Any:
        if isinstance(z, Node):
            return apply("softmax", z)
        return GATES["softmax"].forward(numeric(z, "z"))

    def derivative(self, z: ArrayLike | Node) -> Any:
        raise TypeError("softmax has no derivative of one number: each output depends on all z of its row")


identity, sigmoid, tanh, relu = Identity(), Sigmoid(), Tanh(), ReLU()
threshold, sign, leaky_relu, elu, selu = Threshold(), Sign(), LeakyReLU(), ELU(), SELU()
softplus, gelu, silu, hard_sigmoid, mish, softmax = Softplus(), GELU(), SiLU(), HardSigmoid(), Mish(), Softmax()

ACTIVATIONS.kinds += (Formula,)  # the last one in messages
OUTPUTS.kinds += (Formula,)

ALIASES = OUTPUTS.aliases
"""Names of other libraries for some of the activation functions."""

_classes = listed([type(each).__name__ for each in OUTPUTS.values()], "`")
__doc__ = filled(__doc__, names=listed(OUTPUTS), classes=_classes)
