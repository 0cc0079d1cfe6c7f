"""This module holds the losses: functions C(a, y) of the outputs a and the targets y of a sample. Each loss is a class.

A trainer takes a loss by its name, such as ``"huber"``, or as an object with parameters, such as ``Huber(2.0)``.
`Formula` makes one of a formula of your own.

The names are "cross_entropy", "binary_cross_entropy", "squared_error", "sum_squared_error", "mean_squared_error",
"absolute_error", "huber", "quantile", "log_cosh", "poisson", "hinge", "squared_hinge", "multiclass_hinge",
"perceptron", "multiclass_perceptron" and "norm_error". The class of each has its name in words that begin with a
capital letter, such as `CrossEntropy`. The dict `LOSSES` has all of them.

Training minimises the mean of C over the samples. Each loss works with each activation function of the output, but some
are made for certain outputs, for example cross-entropy for probabilities: `Trainer` warns if the output of its network
gives others. The formulas are plain Python functions of vectors and arrays (`fastbp.kernels.simd.operands`); the engine
compiles them when a trainer first uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, astuple, dataclass
from typing import Any, ClassVar

import numpy as np

from ..base import checks
from ..base.value_objects import Value
from ..formulas import user_formulas
from ..formulas.nodes import variable
from ..formulas.programs import Program
from ..kernels import row_losses
from ..kernels.simd.formulas import digest
from ..kernels.simd.functions import exp, expm1, log, log1p
from ..kernels.simd.vector import absolute, maximum, minimum, tiny, where, with_sign

__all__ = [
    "LOSSES", "AbsoluteError", "BinaryCrossEntropy", "CrossEntropy", "Formula", "Hinge", "Huber", "LogCosh", "Loss",
    "MeanSquaredError", "MulticlassHinge", "MulticlassPerceptron", "NormError", "Perceptron", "Poisson", "Quantile",
    "SquaredError", "SquaredHinge", "SumSquaredError",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True, repr=False, eq=False)
class Loss(Value):
    """`Loss` is the base class of all losses.

    The docstring of each class below gives the formula of C for one sample, the name of the loss, and the number of its
    source, such as 002. In the formulas, a_i is output i of the network, y_i is target i, n_out is the number of
    outputs, and sum_i is the sum over all outputs. The method `term` returns the term of one output together with its
    derivative dC/da_i, with which backpropagation starts.

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
    made_for : str
        The outputs that the loss is made for, in words.
    suited : str
        The name of an activation function with such outputs.
    least_outputs : int
        The smallest number of outputs with which the loss says something.
    from_logits : bool
        Whether the outputs are logits: the pre-activations of a softmax or a sigmoid, which the loss computes itself.

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
    made_for: ClassVar[str] = "numbers of any size"
    suited: ClassVar[str] = "identity"
    least_outputs: ClassVar[int] = 1
    from_logits: ClassVar[bool] = False
    labels: ClassVar[bool] = True
    """Whether integers of shape (n,) are class labels for a network with several outputs."""
    summed: ClassVar[bool] = False
    """Whether C is summed over the samples of a minibatch. If not, their mean is minimised."""
    whole_row: ClassVar[Any] = None
    """The function that computes the loss of whole rows, if the loss is not a sum over the outputs."""

    def term(self, a: Any, y: Any, *parameters: Any) -> tuple[Any, Any]:
        """Return (C, dC/da) for one output. The loss of a sample is the sum of C over its outputs.

        Parameters
        ----------
        a, y : vectors or arrays
            The output and the target of several samples.
        *parameters : vectors or floats
            The numbers that `parameters` returns.
        """
        raise TypeError("the base class of losses has no formula")

    def fits(self, low: float, high: float, rows: bool) -> bool:
        """Return whether the loss is made for outputs from `low` to `high`, which with `rows` have the sum 1."""
        return True

    def check_logits(self, output: str) -> None:
        """Raise ValueError if the loss is one of logits, and the output of a network, given by its name, is not."""
        if self.from_logits and output != "identity":
            raise ValueError(f"output must be 'identity' for {self.name} with from_logits=True, got {output!r}")

    def target_count(self, n_out: int) -> int:
        """Return the number of targets of a sample, for a network with n_out outputs.

        Raises
        ------
        ValueError
            If the loss cannot be used with this number of outputs.
        """
        return n_out

    def parameters(self, n_out: int) -> tuple[float, ...]:
        """Return the numbers that `term` takes as its last arguments, for a network with n_out outputs."""
        return astuple(self)

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `term`."""
        return len(self.parameters(1))

    def columns(self) -> Any:
        """Return the function that the kernels call to compute the loss, see `fastbp.kernels.columns`."""
        return self.whole_row or row_losses.sum_over_outputs(self.term)

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for losses with different formulas. It is part of the name of a kernel."""
        if self.whole_row:
            return self.whole_row.py_func.__name__
        return digest(dtype, (self.term, 2 + self.parameter_count, ()))


def _sign(r):
    """Return the sign of r: 1, 0 or -1, and NaN for NaN."""
    return where(r > 0.0, 1.0, where(r < 0.0, -1.0, r))


@dataclass(frozen=True, repr=False, eq=False)
class CrossEntropy(Loss):
    """C = -sum_i y_i ln a_i   (002). The name is "cross_entropy".

    With label smoothing, each y_i is replaced by (1 - label_smoothing) y_i + label_smoothing / n_out. If an output is
    below the smallest normal number of the dtype, this number is used instead, so the loss stays finite. With a softmax
    output, C is computed from z and stays exact up to |z| = 1e4 and more.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        The strength of label smoothing. It must be at least 0 and below 1.
    from_logits : bool, keyword-only, default False
        With True, the loss computes the softmax itself, and the network must have the output "identity". Training then
        takes the same steps as with a softmax output, and `MLP.predict` returns logits: the softmax of a row of logits
        is the row of probabilities.

    Raises
    ------
    ValueError
        If the parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Sources: 002 (cross-entropy), Szegedy et al. (2016) (label smoothing).

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

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "distribution"
    fused: ClassVar[dict[str, Any]] = {"softmax": row_losses.softmax_cross_entropy}
    made_for: ClassVar[str] = "rows of probabilities with the sum 1"
    suited: ClassVar[str] = "softmax"
    least_outputs: ClassVar[int] = 2
    label_smoothing: float = 0.0
    _: KW_ONLY
    from_logits: bool = False

    def __post_init__(self):
        checks.real(self.label_smoothing, "label_smoothing", 0, 1)
        checks.flag(self.from_logits, "from_logits")

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return rows or self.from_logits

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return self.label_smoothing, 1.0 / n_out

    @property
    def whole_row(self) -> Any:
        # This function overwrites its columns of outputs by probabilities, which nobody reads after it: the identity
        # has no derivative to multiply with. The accuracy compares them: logits that differ by less than a rounding of
        # their probabilities count as equal.
        return row_losses.softmax_cross_entropy if self.from_logits else None

    def term(self, a, y, smoothing, uniform):
        p, y = maximum(a, tiny(a)), row_losses.smooth(y, smoothing, uniform)
        return -y * log(p), -y / p


@dataclass(frozen=True, repr=False, eq=False)
class BinaryCrossEntropy(Loss):
    """C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i))   (002). The name is "binary_cross_entropy".

    With a sigmoid output, C is computed from z and stays exact up to |z| = 1e4 and more.

    Parameters
    ----------
    from_logits : bool, keyword-only, default False
        With True, the loss computes the sigmoid itself, and the network must have the output "identity". Training then
        takes the same steps as with a sigmoid output, and `MLP.predict` returns logits z. Class 1 begins at z = 0, and
        its probability is 1 / (1 + e^-z).

    Raises
    ------
    TypeError
        If the parameter is not a bool.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[-1000.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.BinaryCrossEntropy(from_logits=True)).evaluate([[1.0]], [1])
    {'loss': 1000.0, 'accuracy': 0.0}
    """

    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "probabilities"
    fused: ClassVar[dict[str, Any]] = {"sigmoid": row_losses.sigmoid_binary_cross_entropy}
    made_for: ClassVar[str] = "probabilities"
    suited: ClassVar[str] = "sigmoid"
    _: KW_ONLY
    from_logits: bool = False

    def __post_init__(self):
        checks.flag(self.from_logits, "from_logits")

    @property
    def threshold(self) -> float:
        return 0.0 if self.from_logits else 0.5

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return (low >= 0 and high <= 1) or self.from_logits

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return ()

    def term(self, a, y):
        if self.from_logits:
            u = exp(-absolute(a))
            return maximum(a, 0.0) - a * y + log1p(u), where(a < 0.0, u, 1.0) / (1.0 + u) - y
        p, q = maximum(a, tiny(a)), maximum(1.0 - a, tiny(a))
        return -(y * log(p) + (1.0 - y) * log(q)), (1.0 - y) / q - y / p


class SquaredError(Loss):
    """C = 1/2 sum_i (a_i - y_i)^2   (002). The name is "squared_error"."""

    name = "squared_error"

    def term(self, a, y):
        g = a - y
        return 0.5 * g * g, g


class SumSquaredError(Loss):
    """C = sum_i (a_i - y_i)^2   (001). The name is "sum_squared_error"."""

    name = "sum_squared_error"

    def term(self, a, y):
        g = a - y
        return g * g, 2.0 * g


class MeanSquaredError(Loss):
    """C = sum_i (a_i - y_i)^2 / n_out. The name is "mean_squared_error"."""

    name = "mean_squared_error"

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return (1.0 / n_out,)

    def term(self, a, y, uniform):
        g = a - y
        return uniform * g * g, 2.0 * uniform * g


class AbsoluteError(Loss):
    """C = sum_i |a_i - y_i|. The name is "absolute_error". The gradient is 0 where a_i = y_i."""

    name = "absolute_error"

    def term(self, a, y):
        r = a - y
        return absolute(r), _sign(r)


@dataclass(frozen=True, repr=False, eq=False)
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

    def term(self, a, y, delta):
        r = a - y
        g = minimum(maximum(r, -delta), delta)
        return g * (r - 0.5 * g), g


@dataclass(frozen=True, repr=False, eq=False)
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

    def term(self, a, y, q):
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

    def term(self, a, y):
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
    made_for, suited = "numbers above 0", "softplus"

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return low > 0

    def term(self, a, y):
        p = maximum(a, tiny(a))
        return a - y * log(p), 1.0 - y / p


class Margin(Loss):
    """`Margin` is the base class of losses whose outputs say "yes" from 0 on and "no" below."""

    targets, threshold, made_for = "signs", 0.0, "numbers below and above 0"

    def fits(self, low: float, high: float, rows: bool) -> bool:
        return low < 0


class Hinge(Margin):
    """C = sum_i max(0, 1 - s_i a_i), with s_i = 1 where y_i > 0 and -1 elsewhere. The name is "hinge"."""

    name = "hinge"

    def term(self, a, y):
        s = where(y > 0.0, 1.0, -1.0)
        margin = 1.0 - s * a
        return maximum(margin, 0.0), where(margin < 0.0, 0.0, where(margin > 0.0, -s, margin))


class SquaredHinge(Margin):
    """C = sum_i max(0, 1 - s_i a_i)^2, with s_i = 1 where y_i > 0 and -1 elsewhere. The name is "squared_hinge"."""

    name = "squared_hinge"

    def term(self, a, y):
        s = where(y > 0.0, 1.0, -1.0)
        margin = maximum(1.0 - s * a, 0.0)
        return margin * margin, -2.0 * s * margin


class MulticlassHinge(Loss):
    """C = sum_(i != k) max(0, a_i - a_k + 1), with k the class of y   (001). The name is "multiclass_hinge"."""

    name, targets, whole_row = "multiclass_hinge", "distribution", staticmethod(row_losses.multiclass_hinge)
    least_outputs = 2


class Perceptron(Margin):
    """C = sum_i (p_i - s_i) a_i, with p_i = 1 where a_i >= 0 else 0, and s_i = 1 where y_i > 0 else 0. The name is
    "perceptron".

    The gradient is p_i - s_i: with SGD, a learning rate of 1 and minibatches of one sample, training is the perceptron
    convergence procedure (001). It adds the inputs to the weights of an output that is wrongly 0, and subtracts them
    from those of an output that is wrongly 1.
    """

    name = "perceptron"

    def term(self, a, y):
        g = where(a >= 0.0, 1.0, 0.0) - where(y > 0.0, 1.0, 0.0)
        return g * a, g


class MulticlassPerceptron(Loss):
    """C = a_j - a_k, with j the first largest output and k the class of y. The name is "multiclass_perceptron".

    With SGD, a learning rate of 1 and minibatches of one sample, training adds the inputs to the weights of the right
    class, and subtracts them from those of the class with the largest output, if it is another one   (001).
    """

    name, targets, whole_row = "multiclass_perceptron", "distribution", staticmethod(row_losses.multiclass_perceptron)
    least_outputs = 2


class NormError(Loss):
    """C = ||y - a||, the Euclidean distance   (000). The name is "norm_error". The gradient is 0 where a = y."""

    name, whole_row = "norm_error", staticmethod(row_losses.norm_error)


class OutputGradient(Loss):
    """C = sum_i a_i g_i, where the targets g are given. Its gradient dC/da is g: a gradient from outside.

    It is no loss for `Trainer`. `MLP.backward` and `Trainer.partial_fit` use it. C is summed over the samples, and not
    divided by their number.
    """

    name, summed, labels = "output gradient", True, False

    def term(self, a, y):
        return a * y, y


OUTPUT_GRADIENT = OutputGradient()


@dataclass(frozen=True, repr=False, eq=False)
class Formula(Loss):
    """`Formula` is a loss of your own, as fast as the others.

    Write C as a function of a and y with the operators and functions of `fastbp.graph`. It is called once, to record
    what it computes. Backpropagation through this record finds dC/da, and both are compiled (001, 003).

    Parameters
    ----------
    formula : function
        A function that takes a and y, and the constants by their names, and returns C. Without `rows`, a and y are one
        output and its target, and the loss of a sample is the sum over its outputs. With `rows`, a and y are lists of
        all outputs and of all targets of a sample, and the function returns the loss of the sample.
    prime : function or None, keyword-only, default None
        The derivative dC/da, as a function of the same arguments. With `rows`, it returns a list with a derivative for
        each output. With None, it is found.
    constants : dict of str to float, keyword-only, default ()
        Numbers that the formula takes as further arguments. Formulas that differ only in these numbers share their
        compiled kernels.
    targets : str, keyword-only, default "values"
        The kind of targets, as for `Loss`. With "signs", the formula gets 0 and 1, or -1 and 1, as they are given.
    threshold : float, keyword-only, default 0.5
        The value from which on a single output means class 1.
    rows : bool, keyword-only, default False
        Whether the formula is for whole rows of outputs.
    n_out : int or None, keyword-only, default None
        With `rows`, the number of outputs, from 1 to 32.
    n_targets : int or None, keyword-only, default None
        With `rows`, the number of targets, from 1 to 32. With None, it is `n_out`.
    name : str, keyword-only, default "formula"
        The name of the loss in messages. It must not be one of the names for `Trainer`.

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

    formula: Callable | Program
    _: KW_ONLY
    stored_as: ClassVar[str] = "LossFormula"  # in a file, a Formula is an activation function
    prime: Callable | None = None
    constants: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    targets: str = "values"
    threshold: float = 0.5
    rows: bool = False
    n_out: int | None = None
    n_targets: int | None = None
    name: str = "formula"

    def __post_init__(self):
        checked = {
            "constants": user_formulas.constants(self.constants),
            "targets": checks.choice(self.targets, "targets", POINTS),
            "threshold": checks.real(self.threshold, "threshold"),
            "rows": checks.flag(self.rows, "rows"),
            "name": user_formulas.name_of_formula(self.name, LOSSES),
        }
        for name, value in (checked | self._counts()).items():
            object.__setattr__(self, name, value)
        outputs, targets = self.n_out or 1, self.n_targets or 1
        a = [variable(f"a{i}" if self.rows else "a") for i in range(outputs)]
        y = [variable(f"y{i}" if self.rows else "y") for i in range(targets)]
        fresh, arguments = not isinstance(self.formula, Program), [a, y] if self.rows else [*a, *y]
        program = user_formulas.program(self.formula, self.prime, a, y, self.constants, arguments)
        object.__setattr__(self, "formula", program)
        object.__setattr__(self, "prime", None)
        if fresh:
            self._check_slopes(outputs, targets)

    def _counts(self) -> dict[str, int | None]:
        """Return the checked numbers of outputs and of targets."""
        if not self.rows:
            if self.n_out is not None or self.n_targets is not None:
                raise ValueError("n_out and n_targets must be None without rows=True")
            return {}
        if self.n_out is None:
            raise ValueError("n_out must be given with rows=True: the number of outputs of the network")
        n_out = checks.integer(self.n_out, "n_out", 1, MOST_OUTPUTS + 1)
        given = n_out if self.n_targets is None else self.n_targets
        n_targets = checks.integer(given, "n_targets", 1, MOST_OUTPUTS + 1)
        if n_targets != n_out and self.targets not in ("values", "counts"):
            raise ValueError(f"targets must be 'values' or 'counts' if n_targets is not n_out, got {self.targets!r}")
        return {"n_out": n_out, "n_targets": n_targets}

    def _check_slopes(self, outputs: int, targets: int) -> None:
        """Compare the derivatives with central differences, at random outputs and targets of the right kind."""
        rng = np.random.default_rng(0)
        (low, high), y = POINTS[self.targets]
        a = rng.uniform(low, high, (outputs, 200))
        y = np.asarray(y(rng, (targets, 200)), np.float64)
        for i in range(outputs):

            def value(x: np.ndarray, i: int = i) -> np.ndarray:
                return self.formula.compute(*a[:i], x, *a[i + 1 :], *y, *self.parameters(1))[0]

            with np.errstate(all="ignore"):
                slope = self.formula.compute(*a, *y, *self.parameters(1))[1 + i]
            user_formulas.check_slopes(value, slope, a[i], f"a[{i}]" if self.rows else "a")

    @property
    def labels(self) -> bool:
        return self.n_targets == self.n_out

    def target_count(self, n_out: int) -> int:
        if self.rows and n_out != self.n_out:
            raise ValueError(
                f"loss must have n_out={n_out}, the number of outputs of the network, got n_out={self.n_out}"
            )
        return self.n_targets if self.rows else n_out

    def parameters(self, n_out: int) -> tuple[float, ...]:
        return tuple(value for _, value in self.constants)

    def term(self, *operands):
        """Return C and dC/da of one output. With `rows`, return C and all dC/da_i for all outputs and targets."""
        return tuple(self.formula.compute(*operands))

    def columns(self) -> Any:
        return row_losses.rows_of_outputs(self.term, self.n_out, self.n_targets) if self.rows else super().columns()

    def digest(self, dtype: Any) -> str:
        if not self.rows:
            return super().digest(dtype)
        return f"rows{self.n_out}-{self.n_targets}-{digest(dtype, (self.term, self.formula.count, ()))}"

    def __repr__(self) -> str:
        ends = [f"{letter}{i}" for letter, n in (("a", self.n_out), ("y", self.n_targets)) for i in range(n or 0)]
        names = [*(ends or ("a", "y")), *(name for name, _ in self.constants)]
        options = {"targets": "values", "threshold": 0.5, "rows": False, "n_out": None, "n_targets": None}
        shown = [f"{name}={value:g}" for name, value in self.constants]
        shown += [f"{name}={value!r}" for name, plain in options.items() if (value := getattr(self, name)) != plain]
        return f"Formula({', '.join([self.formula.text(*names), *shown])})"


MOST_OUTPUTS = 32
"""The largest number of outputs, and of targets, of a formula for whole rows. All of them are in registers at once."""

POINTS = {
    "values": ((-3.0, 3.0), lambda rng, shape: rng.normal(size=shape)),
    "counts": ((0.1, 6.0), lambda rng, shape: rng.poisson(3.0, shape)),
    "probabilities": ((0.02, 0.98), lambda rng, shape: np.clip(rng.uniform(-0.5, 1.5, shape), 0, 1)),
    "distribution": ((0.02, 0.98), lambda rng, shape: np.clip(rng.uniform(-0.5, 1.5, shape), 0, 1)),
    "signs": ((-3.0, 3.0), lambda rng, shape: rng.integers(0, 2, shape)),
}
"""For each kind of targets, the range of outputs and random targets with which the derivative of a formula is
checked."""

_ALL = (
    CrossEntropy, BinaryCrossEntropy, SquaredError, SumSquaredError, MeanSquaredError, AbsoluteError, Huber, Quantile,
    LogCosh, Poisson, Hinge, SquaredHinge, MulticlassHinge, Perceptron, MulticlassPerceptron, NormError,
)  # fmt: skip

ALIASES = {
    "mse": "mean_squared_error", "mae": "absolute_error", "mean_absolute_error": "absolute_error",
    "l1": "absolute_error", "smooth_l1": "huber", "logcosh": "log_cosh", "pinball": "quantile",
    "bce": "binary_cross_entropy", "binary_crossentropy": "binary_cross_entropy",
    "crossentropy": "cross_entropy", "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy", "log_loss": "cross_entropy",
}  # fmt: skip
"""Names of other libraries for some of the losses."""

LOSSES: checks.Registry[Loss] = checks.Registry({kind.name: kind() for kind in _ALL}, Formula, aliases=ALIASES)
"""All losses, by their names."""
