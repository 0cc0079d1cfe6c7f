"""This module holds the losses: functions C(a, y) of the outputs a and the targets y of a sample. Each loss is a class.

A trainer takes a loss by its name, such as ``"huber"``, or as an object with parameters, such as ``Huber(2.0)``.
Training minimises the mean of C over the samples. Each loss works with each activation function of the output. The
formulas are plain Python functions of vectors (`fastbp.kernels.simd`); the engine compiles them when a trainer first
uses them.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, ClassVar

from . import checks
from .kernels import columns
from .kernels.simd.formulas import digest
from .kernels.simd.functions import exp, expm1, log, log1p
from .kernels.simd.vector import absolute, maximum, minimum, where, with_sign


@dataclass(frozen=True)
class Loss:
    """`Loss` is the base class of all losses.

    The docstring of each class below gives the formula of C for one sample, the name of the loss, and the number of its
    source, such as 002. In the formulas, a_i is output i of the network, y_i is target i, n_out is the number of
    outputs, and sum_i is the sum over all outputs. The method `formula` returns the term of one output together with
    its derivative dC/da_i, with which backpropagation starts.

    Attributes
    ----------
    name : str
        The name of the loss for `Trainer`.
    targets : str
        The kind of targets: "values" (finite numbers), "counts" (at least 0), "probabilities" (from 0 to 1),
        "distribution" (class labels, or rows of probabilities with the sum 1) or "signs" (0 and 1, or -1 and 1).
    threshold : float
        The value from which on a single output means class 1. `Trainer` gives it to its network, so that
        `MLP.predict_classes` and the accuracy use the same value.
    fused : dict of str to function
        For some activation functions of the output, a function that computes output and loss in one step.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.losses.LOSSES["hinge"].threshold
    0.0
    """

    name: ClassVar[str]
    targets: ClassVar[str] = "values"
    threshold: ClassVar[float] = 0.5
    fused: ClassVar[dict[str, Any]] = {}
    whole_row: ClassVar[Any] = None
    """The function that computes the loss of whole rows, if the loss is not a sum over the outputs."""

    def formula(self, a: Any, y: Any, *parameters: Any) -> tuple[Any, Any]:
        """Return (C, dC/da) for one output. The loss of a sample is the sum of C over its outputs.

        Parameters
        ----------
        a, y : vectors
            The output and the target of several samples.
        *parameters : vectors
            The numbers that `parameters` returns.
        """
        raise TypeError("the base class of losses has no formula")

    def parameters(self, n_out: int) -> tuple[float, ...]:
        """Return the numbers that `formula` takes as its last arguments, for a network with n_out outputs."""
        return astuple(self)

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `formula`."""
        return len(self.parameters(1))

    def columns(self) -> Any:
        """Return the function that the kernels call to compute the loss, see `fastbp.kernels.columns`."""
        return self.whole_row or columns.sum_over_outputs(self.formula)

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for losses with different formulas. It is part of the name of a kernel."""
        if self.whole_row:
            return self.whole_row.py_func.__name__
        return digest(dtype, (self.formula, 2 + self.parameter_count, ()))


def _sign(r):
    """Return the sign of r: 1, 0 or -1, and NaN for NaN."""
    return where(r > 0.0, 1.0, where(r < 0.0, -1.0, r))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """C = -sum_i y_i ln a_i   (002). The name is "cross_entropy".

    With label smoothing, each y_i is replaced by (1 - label_smoothing) y_i + label_smoothing / n_out. If an output is
    below the smallest normal number of the dtype, this number is used instead, so the loss stays finite. With a softmax
    output, C is computed from z and stays exact up to |z| = 1e4 and more.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        The strength of label smoothing. It must be at least 0 and below 1.

    Raises
    ------
    ValueError
        If the parameter is outside its range.
    TypeError
        If the parameter is not a number.

    Notes
    -----
    Sources: 002 (cross-entropy), Szegedy et al. (2016) (label smoothing).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 2], output="softmax", seed=0)
    >>> trainer = fb.Trainer(net, loss=fb.losses.CrossEntropy(label_smoothing=0.1))
    """

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "distribution"
    fused: ClassVar[dict[str, Any]] = {"softmax": columns.softmax_cross_entropy}
    label_smoothing: float = 0.0

    def __post_init__(self):
        checks.real(self.label_smoothing, "label_smoothing", 0, 1)

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return self.label_smoothing, 1.0 / n_out

    def formula(self, a, y, smoothing, uniform):
        p, y = maximum(a, a.tiny), columns.smooth(y, smoothing, uniform)
        return -y * log(p), -y / p


class BinaryCrossEntropy(Loss):
    """C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i))   (002). The name is "binary_cross_entropy".

    With a sigmoid output, C is computed from z and stays exact up to |z| = 1e4 and more.
    """

    name, targets = "binary_cross_entropy", "probabilities"
    fused: ClassVar[dict[str, Any]] = {"sigmoid": columns.sigmoid_binary_cross_entropy}

    def formula(self, a, y):
        p, q = maximum(a, a.tiny), maximum(1.0 - a, a.tiny)
        return -(y * log(p) + (1.0 - y) * log(q)), (1.0 - y) / q - y / p


class SquaredError(Loss):
    """C = 1/2 sum_i (a_i - y_i)^2   (002). The name is "squared_error"."""

    name = "squared_error"

    def formula(self, a, y):
        g = a - y
        return 0.5 * g * g, g


class MeanSquaredError(Loss):
    """C = sum_i (a_i - y_i)^2 / n_out. The name is "mean_squared_error"."""

    name = "mean_squared_error"

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return (1.0 / n_out,)

    def formula(self, a, y, uniform):
        g = a - y
        return uniform * g * g, 2.0 * uniform * g


class AbsoluteError(Loss):
    """C = sum_i |a_i - y_i|. The name is "absolute_error". The gradient is 0 where a_i = y_i."""

    name = "absolute_error"

    def formula(self, a, y):
        r = a - y
        return absolute(r), _sign(r)


@dataclass(frozen=True)
class Huber(Loss):
    """C = sum_i r_i^2 / 2 where |r_i| <= delta, else delta (|r_i| - delta / 2). The name is "huber".

    In the formula, r_i = a_i - y_i is the error of output i.

    Parameters
    ----------
    delta : float, default 1.0
        The distance |r_i| from which on the parabola becomes a line. It must be above 0.

    Raises
    ------
    ValueError
        If delta is outside its range.
    TypeError
        If delta is not a number.

    Notes
    -----
    Source: Huber (1964).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Huber(1.0)).evaluate([[0.5], [3.0]], [0.0, 0.0])
    {'loss': 1.3125}
    """

    name: ClassVar[str] = "huber"
    delta: float = 1.0

    def __post_init__(self):
        checks.real(self.delta, "delta", 0, open_low=True)

    def formula(self, a, y, delta):
        r = a - y
        g = minimum(maximum(r, -delta), delta)
        return g * (r - 0.5 * g), g


@dataclass(frozen=True)
class Quantile(Loss):
    """C = sum_i q (y_i - a_i) where y_i > a_i, else (1 - q) (a_i - y_i). The name is "quantile".

    An output that minimises this loss is the q-quantile of its targets: a share q of the targets is below it.

    Parameters
    ----------
    q : float, default 0.5
        The quantile. It must be above 0 and below 1. With 0.5, the loss is half the absolute error, and the output
        learns the median.

    Raises
    ------
    ValueError
        If q is outside its range.
    TypeError
        If q is not a number.

    Notes
    -----
    Source: Koenker and Bassett (1978).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[0.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Quantile(0.75)).evaluate([[0.0], [0.0]], [1.0, -1.0])
    {'loss': 0.5}
    """

    name: ClassVar[str] = "quantile"
    q: float = 0.5

    def __post_init__(self):
        checks.real(self.q, "q", 0, 1, open_low=True)

    def formula(self, a, y, q):
        r = a - y
        g = where(r > 0.0, 1.0 - q, where(r < 0.0, -q, r))
        return r * g, g


class LogCosh(Loss):
    """C = sum_i ln cosh r_i, with r_i = a_i - y_i. The name is "log_cosh".

    It is about r^2 / 2 for small r, and about |r| - ln 2 for large r. To stay precise for small r, it is computed as
    ln(1 + (e^|r| - 1)^2 / (2 e^|r|)) where |r| <= 1. To prevent overflow, it is computed as |r| + ln(1 + e^(-2|r|)) -
    ln 2 elsewhere.
    """

    name = "log_cosh"

    def formula(self, a, y):
        r = a - y
        size = absolute(r)
        u = expm1(2.0 * size)
        far = size + log1p(exp(-2.0 * size)) - 0.6931471805599453
        v = expm1(minimum(size, 1.0))
        near = log1p(minimum(0.5 * v * v / (1.0 + v), 1.0))  # cosh r - 1 = (e^r - 1)^2 / (2 e^r)
        return where(size > 1.0, far, near), with_sign(u / (u + 2.0), r)


class Poisson(Loss):
    """C = sum_i (a_i - y_i ln a_i). The name is "poisson".

    Without a constant, it is the negative log-likelihood of Poisson distributions with the means a_i.
    """

    name, targets = "poisson", "counts"

    def formula(self, a, y):
        p = maximum(a, a.tiny)
        return a - y * log(p), 1.0 - y / p


class Hinge(Loss):
    """C = sum_i max(0, 1 - s_i a_i), with s_i = 1 where y_i > 0 and -1 elsewhere. The name is "hinge"."""

    name, targets, threshold = "hinge", "signs", 0.0

    def formula(self, a, y):
        s = where(y > 0.0, y.of(1.0), -1.0)
        margin = 1.0 - s * a
        return maximum(margin, 0.0), where(margin < 0.0, 0.0, where(margin > 0.0, -s, margin))


class SquaredHinge(Loss):
    """C = sum_i max(0, 1 - s_i a_i)^2, with s_i = 1 where y_i > 0 and -1 elsewhere. The name is "squared_hinge"."""

    name, targets, threshold = "squared_hinge", "signs", 0.0

    def formula(self, a, y):
        s = where(y > 0.0, y.of(1.0), -1.0)
        margin = maximum(1.0 - s * a, 0.0)
        return margin * margin, -2.0 * s * margin


class MulticlassHinge(Loss):
    """C = sum_(i != k) max(0, a_i - a_k + 1), with k the class of y   (001). The name is "multiclass_hinge"."""

    name, targets, whole_row = "multiclass_hinge", "distribution", staticmethod(columns.multiclass_hinge)


class NormError(Loss):
    """C = ||y - a||, the Euclidean distance   (000). The name is "norm_error". The gradient is 0 where a = y."""

    name, whole_row = "norm_error", staticmethod(columns.norm_error)


_ALL = (
    CrossEntropy, BinaryCrossEntropy, SquaredError, MeanSquaredError, AbsoluteError, Huber, Quantile, LogCosh, Poisson,
    Hinge, SquaredHinge, MulticlassHinge, NormError,
)  # fmt: skip

LOSSES: dict[str, Loss] = {kind.name: kind() for kind in _ALL}
"""All losses, by their names."""
