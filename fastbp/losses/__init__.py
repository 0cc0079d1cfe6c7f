"""This module holds the losses: functions C(a, y) of the outputs a and the targets y of a sample. Each loss is a class.

A trainer takes a loss by its name, such as ``"huber"``, or as an object with parameters, such as ``Huber(2.0)``.
`Formula` turns a formula of your own into a loss.

The names are {names}. The class of each has its name in words that begin with a capital letter, such as `CrossEntropy`.
The dict `LOSSES` has all of them.

Training minimises the mean of C over the samples. Each loss works with each activation function of the output, but some
are made for certain outputs, for example cross-entropy for probabilities: `Trainer` warns if the output of its network
gives others. The formulas are plain Python functions of vectors and arrays (`fastbp.kernels.simd.operands`); the engine
compiles them when a trainer first uses them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, ClassVar

from ..base import checks, hints
from ..base.docstrings import filled, listed
from ..base.value_objects import field
from ..formulas.gates import Operand
from ..kernels.simd.functions import exp, expm1, log, log1p, smooth
from ..kernels.simd.vector import absolute, maximum, minimum, tiny, where, with_sign
from .base import LOSSES, Loss
from .formula import Formula

__all__ = [
    "LOSSES", "AbsoluteError", "Adaline", "BinaryCrossEntropy", "CrossEntropy", "Formula", "Hinge", "Huber", "LogCosh",
    "Loss", "MeanSquaredError", "MulticlassHinge", "MulticlassPerceptron", "NormError", "Perceptron", "Poisson",
    "Quantile", "SquaredError", "SquaredHinge", "SumSquaredError",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


class CrossEntropy(
    Loss,
    name="cross_entropy",
    aliases=("crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "log_loss"),
):
    """C = -sum_i y_i ln a_i   (002).

    With label smoothing, each y_i is replaced by (1 - label_smoothing) y_i + label_smoothing / n_out   (Szegedy et al.
    2016). If an output is below the smallest normal number of the dtype, this number is used instead, so the loss stays
    finite. With a softmax output, C is computed from z and stays exact up to ``|z| = 1e4`` and more.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 2], output="softmax", seed=0)
    >>> trainer = fb.Trainer(net, loss=fb.losses.CrossEntropy(label_smoothing=0.1))

    Logits far from 0 are exact:

    >>> net = fb.MLP([1, 2])
    >>> net.set_weights([[[0.0, 1000.0]]], [[0.0, 0.0]])
    >>> fb.Trainer(net, loss=fb.losses.CrossEntropy(from_logits=True)).evaluate([[1.0]], [0])
    {'loss': 1000.0, 'accuracy': 0.0}
    """

    targets, made_for, suited, least_outputs = "distribution", "rows of probabilities with the sum 1", "softmax", 2
    fused: ClassVar[dict[str, str]] = {"softmax": "softmax_cross_entropy"}
    label_smoothing: float = field("The strength of label smoothing.", checks.Real(0, 1), default=0.0)
    _: KW_ONLY
    from_logits: bool = field(
        'With True, the loss computes the softmax itself, and the network must have the output "identity". Training '
        "then takes the same steps as with a softmax output, and `MLP.predict` returns logits: the softmax of a row of "
        "logits is the row of probabilities.",
        checks.flag,
        default=False,
    )

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return rows or self.from_logits

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return self.label_smoothing, 1.0 / n_out

    @property
    def whole_row(self) -> str:  # type: ignore[override]  # it depends on `from_logits`
        # This function replaces the outputs by probabilities. No later operation reads the outputs, because the
        # derivative of the identity does not need them. The accuracy compares the probabilities, so logits count as
        # equal if their probabilities are equal after rounding.
        return "softmax_cross_entropy" if self.from_logits else ""

    def term(self, a: Operand, y: Operand, smoothing: Operand, uniform: Operand) -> tuple[Operand, ...]:
        p, y = maximum(a, tiny(a)), smooth(y, smoothing, uniform)
        return -y * log(p), -y / p


class BinaryCrossEntropy(Loss, name="binary_cross_entropy", aliases=("bce", "binary_crossentropy")):
    """C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i))   (002).

    With a sigmoid output, C is computed from z and stays exact up to ``|z| = 1e4`` and more.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[-1000.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.BinaryCrossEntropy(from_logits=True)).evaluate([[1.0]], [1])
    {'loss': 1000.0, 'accuracy': 0.0}
    """

    targets, made_for, suited = "probabilities", "probabilities", "sigmoid"
    fused: ClassVar[dict[str, str]] = {"sigmoid": "sigmoid_binary_cross_entropy"}
    _: KW_ONLY
    from_logits: bool = field(
        'With True, the loss computes the sigmoid itself, and the network must have the output "identity". Training '
        "then takes the same steps as with a sigmoid output, and `MLP.predict` returns logits z. Class 1 begins at "
        "z = 0, and its probability is 1 / (1 + e^-z).",
        checks.flag,
        default=False,
    )

    @property
    def threshold(self) -> float:  # type: ignore[override]  # it depends on `from_logits`
        return 0.0 if self.from_logits else 0.5

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return (low >= 0 and high <= 1) or self.from_logits

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return ()

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        if self.from_logits:
            u = exp(-absolute(a))
            return maximum(a, 0.0) - a * y + log1p(u), where(a < 0.0, u, 1.0) / (1.0 + u) - y
        p, q = maximum(a, tiny(a)), maximum(1.0 - a, tiny(a))
        return -(y * log(p) + (1.0 - y) * log(q)), (1.0 - y) / q - y / p


class SquaredError(Loss, name="squared_error"):
    """C = 1/2 sum_i (a_i - y_i)^2   (002)."""

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        g = a - y
        return 0.5 * g * g, g


class SumSquaredError(Loss, name="sum_squared_error"):
    """C = sum_i (a_i - y_i)^2   (001)."""

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        g = a - y
        return g * g, 2.0 * g


class MeanSquaredError(Loss, name="mean_squared_error", aliases=("mse",)):
    """C = sum_i (a_i - y_i)^2 / n_out   (004)."""

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return (1.0 / n_out,)

    def term(self, a: Operand, y: Operand, uniform: Operand) -> tuple[Operand, ...]:
        g = a - y
        return uniform * g * g, 2.0 * uniform * g


class AbsoluteError(Loss, name="absolute_error", aliases=("mae", "mean_absolute_error", "l1")):
    """``C = sum_i |a_i - y_i|``. The gradient is 0 where a_i = y_i."""

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        r = a - y
        return absolute(r), where(r > 0.0, 1.0, where(r < 0.0, -1.0, r))


class Huber(Loss, name="huber", aliases=("smooth_l1",)):
    """``C = sum_i r_i^2 / 2`` where ``|r_i| <= delta``, else ``delta (|r_i| - delta / 2)``   (Huber 1964).

    In the formula, r_i = a_i - y_i is the error of output i.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Huber(1.0)).evaluate([[0.5], [3.0]], [0.0, 0.0])
    {'loss': 1.3125}
    """

    delta: float = field(
        "The error ``|r_i|`` above which the parabola becomes a line.", checks.Real(0, open_low=True), default=1.0
    )

    def term(self, a: Operand, y: Operand, delta: Operand) -> tuple[Operand, ...]:
        r = a - y
        g = minimum(maximum(r, -delta), delta)
        return g * (r - 0.5 * g), g


class Quantile(Loss, name="quantile", aliases=("pinball",)):
    """C = sum_i q (y_i - a_i) where y_i > a_i, else (1 - q) (a_i - y_i)   (Koenker and Bassett 1978).

    An output that minimises this loss is the q-quantile of its targets: a share q of the targets is below it. With q =
    0.5, the loss is half the absolute error, and the output learns the median.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[0.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Quantile(0.75)).evaluate([[0.0], [0.0]], [1.0, -1.0])
    {'loss': 0.5}
    """

    q: float = field("The quantile.", checks.Real(0, 1, open_low=True), default=0.5)

    def term(self, a: Operand, y: Operand, q: Operand) -> tuple[Operand, ...]:
        r = a - y
        g = where(r > 0.0, 1.0 - q, where(r < 0.0, -q, r))
        return r * g, g


class LogCosh(Loss, name="log_cosh", aliases=("logcosh",)):
    """C = sum_i ln cosh r_i, with r_i = a_i - y_i.

    It is about r^2 / 2 for small r, and about ``|r| - ln 2`` for large r. To stay precise for small r, it is computed
    as ``ln(1 + (e^|r| - 1)^2 / (2 e^|r|))`` where ``|r| <= 1``. To prevent overflow, it is computed as
    ``|r| + ln(1 + e^(-2|r|)) - ln 2`` elsewhere.
    """

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        r = a - y
        size = absolute(r)
        u = expm1(2.0 * size)
        far = size + log1p(exp(-2.0 * size)) - 0.6931471805599453
        v = expm1(minimum(size, 1.0))
        near = log1p(minimum(0.5 * v * v / (1.0 + v), 1.0))  # cosh r - 1 = (e^r - 1)^2 / (2 e^r)
        return where(size > 1.0, far, near), with_sign(u / (u + 2.0), r)


class Poisson(Loss, name="poisson"):
    """C = sum_i (a_i - y_i ln a_i).

    Without a constant, it is the negative log-likelihood of Poisson distributions with the means a_i.
    """

    targets, made_for, suited = "counts", "numbers above 0", "softplus"

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return low > 0

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        p = maximum(a, tiny(a))
        return a - y * log(p), 1.0 - y / p


class Margin(Loss):
    """`Margin` is the base class of losses for outputs that mean "yes" if they are at least 0, and "no" below."""

    targets, threshold, made_for = "signs", 0.0, "numbers below and above 0"

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return low < 0


class Hinge(Margin, name="hinge"):
    """C = sum_i max(0, 1 - s_i a_i), with s_i = 1 where y_i > 0 and -1 elsewhere."""

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        s = where(y > 0.0, 1.0, -1.0)
        margin = 1.0 - s * a
        return maximum(margin, 0.0), where(margin < 0.0, 0.0, where(margin > 0.0, -s, margin))


class SquaredHinge(Margin, name="squared_hinge"):
    """C = sum_i max(0, 1 - s_i a_i)^2, with s_i = 1 where y_i > 0 and -1 elsewhere."""

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        s = where(y > 0.0, 1.0, -1.0)
        margin = maximum(1.0 - s * a, 0.0)
        return margin * margin, -2.0 * s * margin


class MulticlassHinge(Loss, name="multiclass_hinge"):
    """C = sum_(i != k) max(0, a_i - a_k + 1), with k the class of y   (001)."""

    targets, least_outputs, whole_row = "distribution", 2, "multiclass_hinge"


class Perceptron(Margin, name="perceptron"):
    """C = sum_i (p_i - s_i) a_i, with p_i = 1 where a_i >= 0 else 0, and s_i = 1 where y_i > 0 else 0.

    The gradient is p_i - s_i: with SGD, a learning rate of 1 and minibatches of one sample, training is the perceptron
    convergence procedure (001). It adds the inputs to the weights of an output that is wrongly 0, and subtracts them
    from those of an output that is wrongly 1.
    """

    _: KW_ONLY
    strict: bool = field(
        "With True, the rule is that of 001 for the targets -1 and 1: where sign(a_i) is not the target s_i, the "
        "gradient is -s_i. As sign(0) is 0, an output of 0 is wrong for both classes, also in the accuracy. With "
        "False, an output of 0 means class 1.",
        checks.flag,
        default=False,
    )

    @property
    def whole_row(self) -> str:  # type: ignore[override]  # it depends on `strict`
        return "strict_perceptron" if self.strict else ""

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return ()

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        g = where(a >= 0.0, 1.0, 0.0) - where(y > 0.0, 1.0, 0.0)
        return g * a, g


class Adaline(Margin, name="adaline"):
    """C = 1/2 sum_i (s_i - a_i)^2, with s_i = 1 where y_i > 0 and -1 elsewhere.

    With SGD and minibatches of one sample, training is the rule of Widrow and Hoff, w <- w + eta (s - a) x   (001).
    """

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        g = a - where(y > 0.0, 1.0, -1.0)
        return 0.5 * g * g, g


class MulticlassPerceptron(Loss, name="multiclass_perceptron"):
    """C = a_j - a_k, with j the first largest output and k the class of y.

    With SGD, a learning rate of 1 and minibatches of one sample, training adds the inputs to the weights of the right
    class, and subtracts them from those of the class with the largest output, if it is another one   (001).
    """

    targets, least_outputs, whole_row = "distribution", 2, "multiclass_perceptron"


class NormError(Loss, name="norm_error"):
    """``C = ||y - a||``, the Euclidean distance   (000). The gradient is 0 where a = y."""

    whole_row = "norm_error"


class OutputGradient(Loss):
    """C = sum_i a_i g_i, where the targets g are a gradient that the user gives: dC/da = g.

    It is not a loss for `Trainer`. `MLP.backward` and `Trainer.partial_fit` use it. C is summed over the samples, and
    not divided by their number.
    """

    name, summed, labels = "output gradient", True, False

    def term(self, a: Operand, y: Operand) -> tuple[Operand, ...]:
        return a * y, y


OUTPUT_GRADIENT = OutputGradient()

LOSSES.kinds += (Formula,)  # the last one in messages

ALIASES = LOSSES.aliases
"""Names of other libraries for some of the losses."""

__doc__ = filled(__doc__, names=listed(LOSSES))
