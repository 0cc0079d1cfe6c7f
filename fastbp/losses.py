"""Losses: C(a, y) and dC/da for the outputs a and the targets y of a sample; one class a loss.

A trainer takes a loss by its name, such as ``"huber"``, or as an object, such as ``Huber(2.0)``. What is minimised is
the mean over the samples. The formulas are plain functions of vectors (`fastbp.kernels.simd`): the engine compiles them
when a trainer first uses them. Any loss goes with any output.
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
    """The base class of all losses.

    Attributes
    ----------
    name : str
        The name that `fastbp.Trainer` knows the loss by.
    targets : str
        What its targets are: "values", "counts" (at least 0), "probabilities" (in [0, 1]), "distribution" (labels, or
        rows of probabilities that sum to 1) or "signs" (0 and 1, or -1 and 1).
    threshold : float
        From which value on an output that is right or wrong by itself says yes. `fastbp.Trainer` gives it to its
        network, so that `MLP.predict_classes` and the accuracy decide alike.
    fused : dict
        For some outputs, a function that is output and loss in one.

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
    """The function of columns, if the loss is no sum over the outputs."""

    def formula(self, a: Any, y: Any, *parameters: Any) -> tuple[Any, Any]:
        """(C, dC/da) of one output, of vectors; the loss is the sum of C over the outputs."""
        raise TypeError("the base class of losses has no formula")

    def parameters(self, n_out: int) -> tuple[float, ...]:
        """The numbers that the formula takes as its last arguments, for a network with n_out outputs."""
        return astuple(self)

    @property
    def parameter_count(self) -> int:
        """How many numbers these are."""
        return len(self.parameters(1))

    def columns(self) -> Any:
        """The function of columns that the kernels call; see `fastbp.kernels.columns`."""
        return self.whole_row or columns.sum_over_outputs(self.formula)

    def digest(self, dtype: Any) -> str:
        """What tells the formula of this loss from others."""
        if self.whole_row:
            return self.whole_row.py_func.__name__
        return digest(dtype, (self.formula, 2 + self.parameter_count, ()))


def _sign(r):
    """1, 0 or -1; NaN of NaN."""
    return where(r > 0.0, 1.0, where(r < 0.0, -1.0, r))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """C = -sum_i y_i ln a_i, with y_i moved towards 1 / n_out. The name is "cross_entropy".

    a is taken as the smallest normal number where it is below that. With a softmax output, C comes from z, and holds at
    |z| = 1e4 too.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        In [0, 1). y stands for (1 - label_smoothing) y + label_smoothing / n_out.

    Raises
    ------
    ValueError, TypeError
        If the parameter is out of its range or is not a number.

    Notes
    -----
    Sources: 002 (cross-entropy), Szegedy et al. (2016) (smoothing).

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

    With a sigmoid output, C comes from z, and holds at |z| = 1e4 too.
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
    """C = sum_i |a_i - y_i|, whose gradient is taken as 0 at 0. The name is "absolute_error"."""

    name = "absolute_error"

    def formula(self, a, y):
        r = a - y
        return absolute(r), _sign(r)


@dataclass(frozen=True)
class Huber(Loss):
    """C = sum_i r_i^2 / 2 where |r_i| = |a_i - y_i| <= delta, else delta (|r_i| - delta / 2). The name is "huber".

    Parameters
    ----------
    delta : float, default 1.0
        Where the loss turns from a parabola into a line. It must be above 0.

    Raises
    ------
    ValueError, TypeError
        If delta is out of its range or is not a number.

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

    The output learns the q-quantile of y.

    Parameters
    ----------
    q : float, default 0.5
        In (0, 1). At 1/2 the loss is half the absolute error.

    Raises
    ------
    ValueError, TypeError
        If q is out of its range or is not a number.

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
    """C = sum_i ln cosh(a_i - y_i): about r^2 / 2 near 0 and |r| - ln 2 far from it. The name is "log_cosh".

    With t = tanh(|r| / 2), C = ln(1 + 2 t^2 / (1 - t^2)), but where |r| > 1 it is |r| + ln(1 + e^-2|r|) - ln 2: small
    losses keep their digits, and large ones do not overflow.
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
    """C = sum_i a_i - y_i ln a_i, for Poisson distributions with the means a_i.

    This is their negative log-likelihood, up to a constant. The name is "poisson".
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
    """C = sum_(i not k) max(0, a_i - a_k + 1) for the class k of y   (001). The name is "multiclass_hinge"."""

    name, targets, whole_row = "multiclass_hinge", "distribution", staticmethod(columns.multiclass_hinge)


class NormError(Loss):
    """C = ||y - a||, the Euclidean distance, whose gradient is taken as 0 at 0   (000). The name is "norm_error"."""

    name, whole_row = "norm_error", staticmethod(columns.norm_error)


_ALL = (
    CrossEntropy, BinaryCrossEntropy, SquaredError, MeanSquaredError, AbsoluteError, Huber, Quantile, LogCosh, Poisson,
    Hinge, SquaredHinge, MulticlassHinge, NormError,
)  # fmt: skip

LOSSES: dict[str, Loss] = {kind.name: kind() for kind in _ALL}
"""name: loss."""
