"""This module holds the activation functions sigma and their derivatives. Each function is a class.

A network takes an activation function by its name, such as ``"relu"``, or as an object with parameters, such as
``LeakyReLU(0.1)``. The formulas are plain Python functions of vectors (`fastbp.kernels.simd`); the engine compiles them
when a network first uses them. Every function returns NaN for NaN, so that a network that has diverged has a loss of
NaN.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import Any, ClassVar

from . import checks
from .kernels.simd.formulas import digest
from .kernels.simd.functions import exp, expm1, log1p, normal_cdf
from .kernels.simd.vector import absolute, fma, maximum, minimum, where, with_sign

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

LOWEST = -1000.0
"""The smallest z that silu and mish use. Every smaller z counts as this one.

The smallest 1 / (1 + e^-z) that `exp` can give is 6e-39 (float32) or 1e-308 (float64). A z of -3e38 would multiply it
to -1.8, where the right value is 0.
"""


@dataclass(frozen=True)
class Activation:
    """`Activation` is the base class of all activation functions.

    The docstring of each class below gives the formula sigma(z), the name of the function, and the number or the paper
    of its source, such as 002. In the formulas, z is the pre-activation of one unit, and a = sigma(z) is its
    activation. The method `value` computes sigma. The method `derivative` computes d sigma / dz, from a where that is
    cheaper, and else from z; the attribute `of_z` says which.

    Attributes
    ----------
    name : str
        The name of the function for `MLP`.
    init : {"he", "glorot", "lecun"}
        The method that draws the first weights of a layer with this function, if `MLP` gets no `init`. The distribution
        is uniform.
    of_z : bool
        With True, `derivative` takes z, and training must keep it. With False, `derivative` takes a = sigma(z).
    trainable : bool
        Whether the function has a derivative to train with.
    zeros : float
        The share of activations that are 0 if half of the pre-activations are below 0. Where an activation is 0, the
        derivative must be 0 too.
    whole_rows : bool
        Whether each output depends on all z of the sample. This is True only for softmax, which can only be an output.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.activations.ACTIVATIONS["tanh"].init
    'glorot'
    """

    name: ClassVar[str]
    init: ClassVar[str] = "lecun"
    of_z: ClassVar[bool] = False
    trainable: ClassVar[bool] = True
    zeros: ClassVar[float] = 0.0
    whole_rows: ClassVar[bool] = False

    def value(self, z: Any, *parameters: Any) -> Any:
        """Return sigma(z) for a vector z.

        Parameters
        ----------
        z : vector
            The pre-activations.
        *parameters : vectors
            The numbers that `parameters` returns.
        """
        return z

    def derivative(self, x: Any, *parameters: Any) -> Any:
        """Return d sigma / dz for a vector x.

        Parameters
        ----------
        x : vector
            The pre-activations z if `of_z` is True, else the activations a = sigma(z).
        *parameters : vectors
            The numbers that `parameters` returns.
        """
        return x.of(1.0)

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that `value` and `derivative` take as their last arguments."""
        return astuple(self)

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `value` and `derivative`."""
        return len(fields(self))

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for functions with different formulas. It is part of a kernel's name."""
        arity = 1 + self.parameter_count
        return digest(dtype, (self.value, arity, ()), (self.derivative, arity, ())) + "z" * self.of_z


class Identity(Activation):
    """sigma(z) = z. The name is "identity"."""

    name = "identity"


class Sigmoid(Activation):
    """sigma(z) = 1 / (1 + e^-z)   (001, 002). The name is "sigmoid"."""

    name, init = "sigmoid", "glorot"

    def value(self, z):
        return 1.0 / (1.0 + exp(-z))

    def derivative(self, a):
        return a * (1.0 - a)


class Tanh(Activation):
    """sigma(z) = (e^z - e^-z) / (e^z + e^-z)   (002). The name is "tanh".

    It is computed as u / (u + 2) with u = e^(2|z|) - 1 and the sign of z, which is precise around 0.
    """

    name, init = "tanh", "glorot"

    def value(self, z):
        u = expm1(2.0 * absolute(z))
        return with_sign(u / (u + 2.0), z)

    def derivative(self, a):
        return fma(-a, a, 1.0)


class ReLU(Activation):
    """sigma(z) = max(z, 0)   (001, 002). The name is "relu"."""

    name, init, zeros = "relu", "he", 0.5

    def value(self, z):
        return maximum(z, 0.0)

    def derivative(self, a):
        return where(a > 0.0, a.of(1.0), 0.0)


class Threshold(Activation):
    """sigma(z) = 1 if z >= 0, else 0: the binary threshold neuron   (001). The name is "threshold".

    Its derivative is 0 almost everywhere, so a network with this function can predict, but cannot be trained. Source:
    McCulloch and Pitts (1943).
    """

    name, trainable = "threshold", False

    def value(self, z):
        return where(z >= 0.0, 1.0, where(z < 0.0, 0.0, z))


@dataclass(frozen=True)
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

    def __post_init__(self):
        checks.real(self.slope, "slope", 0)

    def value(self, z, slope):
        return where(z > 0.0, z, slope * z)

    def derivative(self, a, slope):
        return where(a > 0.0, a.of(1.0), slope)


@dataclass(frozen=True)
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
    MLP(2-3-1, activation=ELU(alpha=0.5), output='identity', 13 parameters, float32)
    """

    name: ClassVar[str] = "elu"
    init: ClassVar[str] = "he"
    alpha: float = 1.0

    def __post_init__(self):
        checks.real(self.alpha, "alpha", 0, open_low=True)

    def value(self, z, alpha):
        u = expm1(absolute(z))  # for z < 0, e^z - 1 = -u / (1 + u), which is precise around 0
        return where(z > 0.0, z, -alpha * (u / (1.0 + u)))

    def derivative(self, a, alpha):
        return where(a > 0.0, a.of(1.0), a + alpha)


class SELU(Activation):
    """sigma(z) = lambda z if z > 0, else lambda alpha (e^z - 1). The name is "selu".

    The constants lambda = 1.0507 and alpha = 1.6733 keep the mean 0 and the variance 1 of activations from layer to
    layer. Source: Klambauer et al. (2017).
    """

    name = "selu"

    def value(self, z):
        return SELU_SCALE * ELU().value(z, z.of(SELU_ALPHA))

    def derivative(self, a):
        return where(a > 0.0, a.of(SELU_SCALE), a + SELU_SCALE * SELU_ALPHA)


class Softplus(Activation):
    """sigma(z) = ln(1 + e^z)   (Dugas et al. 2001). The name is "softplus".

    It is computed as max(z, 0) + ln(1 + e^-|z|), which cannot overflow.
    """

    name, init = "softplus", "he"

    def value(self, z):
        return maximum(z, 0.0) + log1p(exp(-absolute(z)))

    def derivative(self, a):
        u = expm1(a)  # 1 - e^-a = u / (1 + u)
        return u / (1.0 + u)


class GELU(Activation):
    """sigma(z) = z Phi(z), with Phi the distribution function of the standard normal distribution. The name is "gelu".

    Source: Hendrycks and Gimpel (2016).
    """

    name, init, of_z = "gelu", "he", True

    def value(self, z):
        return z * normal_cdf(z)

    def derivative(self, z):
        return fma(z * (1.0 / math.sqrt(2.0 * math.pi)), exp(-0.5 * z * z), normal_cdf(z))


class SiLU(Activation):
    """sigma(z) = z / (1 + e^-z)   (Elfwing et al. 2018). The name is "silu"."""

    name, init, of_z = "silu", "he", True

    def value(self, z):
        z = maximum(z, LOWEST)
        return z / (1.0 + exp(-z))

    def derivative(self, z):
        z = maximum(z, LOWEST)
        s = Sigmoid().value(z)
        return fma(z * s, 1.0 - s, s)


class HardSigmoid(Activation):
    """sigma(z) = min(max(z / 6 + 1/2, 0), 1)   (Courbariaux et al. 2015). The name is "hard_sigmoid"."""

    name, init = "hard_sigmoid", "glorot"

    def value(self, z):
        return minimum(maximum((z + 3.0) * (1.0 / 6.0), 0.0), 1.0)

    def derivative(self, a):
        return where(a > 0.0, where(a < 1.0, a.of(1.0 / 6.0), 0.0), 0.0)


class Mish(Activation):
    """sigma(z) = z tanh(ln(1 + e^z))   (Misra 2020). The name is "mish".

    With u = e^-|z|, the factor tanh(ln(1 + e^z)) is (1 + 2u) / (1 + 2u + 2u^2) for z >= 0, and (2u + u^2) / (2 + 2u +
    u^2) for z < 0. In this form nothing overflows, and small values stay precise.
    """

    name, init, of_z = "mish", "he", True

    def gate(self, z):
        """Return n and r such that tanh(ln(1 + e^z)) = n / (n + r)."""
        u = exp(-absolute(z))
        return where(z >= 0.0, fma(u, 2.0, 1.0), u * (u + 2.0)), where(z >= 0.0, 2.0 * u * u, 2.0)

    def value(self, z):
        n, r = self.gate(z)
        return z * (n / (n + r))

    def derivative(self, z):
        z = maximum(z, LOWEST)
        n, r = self.gate(z)
        t = n / (n + r)
        slope = (r / (n + r)) * (1.0 + t)  # this form of 1 - t^2 is precise where t is near 1
        return fma(z * Sigmoid().value(z), slope, t)


class Softmax(Activation):
    """a_i = e^z_i / sum_k e^z_k, with sum_k over all outputs   (003). The name is "softmax". It is only for outputs."""

    name, init, whole_rows = "softmax", "glorot", True


_ALL = (
    Identity, Sigmoid, Tanh, ReLU, Threshold, LeakyReLU, ELU, SELU, Softplus, GELU, SiLU, HardSigmoid, Mish
)  # fmt: skip

ACTIVATIONS: dict[str, Activation] = {kind.name: kind() for kind in _ALL}
"""The activation functions for hidden layers and for the output, by their names."""

OUTPUTS: dict[str, Activation] = {**ACTIVATIONS, "softmax": Softmax()}
"""The activation functions for the output, by their names."""
