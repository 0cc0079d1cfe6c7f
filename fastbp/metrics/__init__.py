"""Metrics measure how good predictions are. Training reports them but does not minimise them.

A metric is one of the names in `METRICS`, an object such as ``TopK(2)``, or your own function ``f(y, a) -> float``.
Your function gets the targets y as you gave them and the outputs a, of shape (n, n_out). Class labels come as int64,
and targets that the network standardizes in its dtype. If the
network has one output and y has shape (n,), then a has shape (n,) too. A function that wants classes, probabilities or
the weights of samples is given inside `OfClasses`, `OfProbabilities` or `OfOutputs`, which say so.

The names are "accuracy" (the share of right classes), "objective" (the loss with the terms of `l1` and `l2`),
"top_5_accuracy" (that of ``TopK(5)``), "r2", "mae", "auc", "f1" and "balanced_accuracy", which are functions of this
module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from ..base import checks, extras
from ..base.value_objects import Value

__all__ = [
    "METRICS", "OfClasses", "OfOutputs", "OfProbabilities", "TopK", "auc", "balanced_accuracy", "f1", "mae", "r2",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


Scorer = Callable[[np.ndarray, np.ndarray], float]
"""The type of a function that computes a metric from the targets and the outputs."""

Metric = str | Scorer
"""The type of a metric as the user gives it: a name or a function."""


def classes(a: np.ndarray, threshold: float, multilabel: bool = False) -> np.ndarray:
    """Return the class of each row of outputs.

    With several outputs, the class of a row is the column of its largest output, or the first such column. With one
    output, the class is 1 where the output is at least the threshold, and 0 elsewhere. With `multilabel`, the same
    holds for each of several outputs.

    Parameters
    ----------
    a : float array of shape (n, n_out)
        The outputs of a network.
    threshold : float
        The threshold for a network with one output, and with `multilabel`.
    multilabel : bool, default False
        Whether each output by itself says yes or no.

    Returns
    -------
    int64 array of shape (n,), or (n, n_out) with `multilabel` and several outputs
        The classes.
    """
    if a.shape[1] == 1:
        a = a[:, 0]
    return (a >= threshold).astype(np.int64) if a.ndim == 1 or multilabel else a.argmax(axis=1)


class Decision(NamedTuple):
    """`Decision` says what outputs mean: where classes begin, and whether the outputs are logits."""

    threshold: float = 0.5
    """The value from which on a single output means class 1."""
    each: bool = False
    """Whether each of several outputs says yes or no by itself."""
    logits: bool = False
    """Whether the outputs are logits of probabilities."""


PROBABILITIES = Decision()
"""The decision about outputs that are probabilities of classes which exclude each other."""


def _rows(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the targets as float64 rows of the same shape as the outputs. Class labels become one-hot rows."""
    if y.ndim == 1 and a.shape[1] > 1:
        return np.eye(a.shape[1])[y]
    return y.reshape(a.shape).astype(np.float64)


def _labels(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the targets as class labels, an int64 array of shape (n,).

    With one output, a target above 1/2 is class 1. With several outputs, the class is the column of the largest value.
    """
    if y.ndim == 1 and a.shape[1] > 1:
        return y
    return (y.reshape(-1) > 0.5).astype(np.int64) if a.shape[1] == 1 else y.argmax(axis=1)


def r2(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute R^2, the share of the variance of the targets that the outputs explain.

    For each output, R^2 = 1 - sum (y - a)^2 / sum (y - mean(y))^2. The result is the mean over the outputs. If all
    targets of an output are equal, its R^2 is 1 where the outputs match them exactly, and 0 otherwise.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        The targets, as for `Trainer.fit`. With several outputs, class labels of shape (n,) count as their
        one-hot rows.
    a : float array of shape (n, n_out)
        The outputs of the network.
    weights : float64 array of shape (n,), or None, default None
        The weight of each sample. With None, all samples have the same weight.

    Returns
    -------
    float
        At most 1, which means that all outputs are right. A network that always gives the mean of y reaches 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> y = np.array([[1.0], [2.0], [3.0]])
    >>> fb.metrics.r2(y, np.array([[1.0], [2.0], [4.0]]))
    0.5
    >>> fb.metrics.r2(y, np.array([[2.0], [2.0], [2.0]]))  # always the mean of y
    0.0
    """
    y = _rows(y, a)
    left = np.average((y - a) ** 2, axis=0, weights=weights)
    all_of_it = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    seen = y if weights is None else y[weights > 0]
    # The test compares targets with each other, because rounding can move the mean of equal numbers away from them.
    varies = (seen != seen[0]).any(axis=0)
    shares = np.where(varies, left / np.where(varies, all_of_it, 1.0), left > 0)
    return float(1.0 - shares.mean())


def mae(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute the mean absolute error: the mean of |y - a| over all samples and outputs.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        The targets, as for `Trainer.fit`. With several outputs, class labels of shape (n,) count as their
        one-hot rows.
    a : float array of shape (n, n_out)
        The outputs of the network.
    weights : float64 array of shape (n,), or None, default None
        The weight of each sample. With None, all samples have the same weight.

    Returns
    -------
    float
        At least 0, in the unit of the targets.

    Examples
    --------
    The two errors are 0 and 2. With weights 3 and 1, the first sample counts three times:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> y, a = np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])
    >>> fb.metrics.mae(y, a)
    1.0
    >>> fb.metrics.mae(y, a, np.array([3.0, 1.0]))
    0.5
    """
    return float(np.average(np.abs(_rows(y, a) - a).mean(axis=1), weights=weights))


def auc(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute the area under the ROC curve, the receiver operating characteristic, with scikit-learn.

    The area is the probability that a random sample of the class has a larger output than a random sample of another
    class. Equal outputs count one half. With several outputs, the function compares each class with all others, and
    returns the mean over the outputs.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        The targets, as for `Trainer.fit`. With several outputs, class labels of shape (n,) count as their
        one-hot rows. A value above 1/2 means that the sample belongs to the class of that output.
    a : float array of shape (n, n_out)
        The outputs of the network.
    weights : float64 array of shape (n,), or None, default None
        The weight of each sample. With None, all samples have the same weight.

    Returns
    -------
    float
        Between 0 and 1. Random outputs reach about 1/2.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If for some output all targets, or none of them, belong to its class. The area is not defined then. Samples
        with weight 0 do not count.

    Notes
    -----
    Source: Fawcett (2006).

    Examples
    --------
    Of the four pairs of a sample of class 0 and a sample of class 1, three are in the right order:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> y, a = np.array([0, 0, 1, 1]), np.array([[0.1], [0.4], [0.35], [0.8]])
    >>> try:
    ...     print(fb.metrics.auc(y, a))
    ... except ImportError:
    ...     print(0.75)
    0.75
    """
    roc_auc_score = extras.package("sklearn", "auc", "metrics").roc_auc_score
    right, a = _rows(y, a) > 0.5, a.astype(np.float64)
    if weights is not None:
        right, a, weights = (values[weights > 0] for values in (right, a, weights))
    missing = np.flatnonzero(right.all(axis=0) | ~right.any(axis=0))
    if missing.size:
        raise ValueError(f"auc needs targets of a class and of others, which it lacks for outputs {missing.tolist()}")
    areas = [roc_auc_score(right[:, k], a[:, k], sample_weight=weights) for k in range(a.shape[1])]
    return float(np.mean(areas))


@dataclass(frozen=True, repr=False, eq=False)
class TopK(Value):
    """`TopK` computes the share of samples whose class is among the `k` largest outputs.

    Its name contains the value of `k`: ``TopK(2)`` has the name "top_2_accuracy".

    Parameters
    ----------
    k : int, default 5
        The number of outputs that count as guesses. It must be at least 1.

    Raises
    ------
    ValueError
        If `k` is below 1.
    TypeError
        If `k` is not an integer.

    Examples
    --------
    The two largest outputs are those of classes 2 and 0. So the first sample is right, and the second one is wrong:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> y, a = np.array([0, 1]), np.array([[0.3, 0.1, 0.6], [0.3, 0.1, 0.6]])
    >>> fb.metrics.TopK(2)(y, a)
    0.5
    >>> fb.metrics.TopK(2).__name__
    'top_2_accuracy'
    """

    k: int = 5

    def __post_init__(self):
        checks.integer(self.k, "k", 1)

    @property
    def __name__(self) -> str:
        """The name of the metric, for example "top_2_accuracy". The history column is "validation_top_2_accuracy"."""
        return f"top_{self.k}_accuracy"

    def __call__(self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Compute the share of samples whose class is among the `k` largest outputs.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_out)
            The targets, as for `Trainer.fit`. Rows of shape (n, n_out) stand for the class with the largest value.
        a : float array of shape (n, n_out)
            The outputs of the network.
        weights : float64 array of shape (n,), or None, default None
            The weight of each sample. With None, all samples have the same weight.

        Returns
        -------
        float
            Between 0 and 1.
        """
        labels = _labels(y, a)[:, None]
        if a.shape[1] == 1:
            # One output a stands for two classes with outputs 1 - a and a. At exactly 1/2 the accuracy chooses class 1.
            # So that this metric does the same, the second output is moved up by the smallest possible amount.
            a = np.hstack([1 - a, np.nextafter(a, np.inf)])
        own = np.take_along_axis(a, labels, axis=1)
        # Among equal outputs the first one wins, as it does for the accuracy.
        first = np.arange(a.shape[1]) < labels
        above = (a > own).sum(axis=1) + ((a == own) & first).sum(axis=1)
        return float(np.average(above < self.k, weights=weights))


@dataclass(frozen=True, repr=False, eq=False)
class OfOutputs(Value):
    """`OfOutputs` makes a metric of a function of targets and outputs that may want the weights of samples.

    Parameters
    ----------
    function : function
        A function f(y, a) -> float of the targets and the outputs, as for a plain function.
    name : str or None, keyword-only, default None
        The name of the metric. With None, it is the `__name__` of the function.
    weights : bool, keyword-only, default False
        With True, the function is called as f(y, a, sample_weight=weights), as functions of scikit-learn are. The
        weights are a float64 array of shape (n,), or None if all are 1.

    Raises
    ------
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> def worst(y, a, sample_weight):
    ...     return np.abs(y - a).max()
    >>> fb.metrics.OfOutputs(worst, weights=True)(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]))
    2.0
    """

    function: Callable[..., float]
    _: KW_ONLY
    name: str | None = None
    weights: bool = False

    def __post_init__(self):
        if not callable(self.function):
            raise TypeError(f"function must be a function of targets and outputs, got {self.function!r}")
        if self.name is not None:
            checks.text(self.name, "name")
        checks.flag(self.weights, "weights")

    @property
    def __name__(self) -> str:
        """The name of the metric."""
        return self.name or getattr(self.function, "__name__", type(self.function).__name__)

    def arguments(self, y: np.ndarray, a: np.ndarray, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        """Return the first two arguments of the function."""
        return y, a[:, 0] if a.shape[1] == 1 and y.ndim == 1 else a

    def __call__(
        self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None, decision: Decision = PROBABILITIES
    ) -> float:
        """Compute the metric.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_out)
            The targets, as for `Trainer.fit`.
        a : float array of shape (n, n_out)
            The outputs of the network.
        weights : float64 array of shape (n,), or None, default None
            The weight of each sample.
        decision : Decision, default PROBABILITIES
            What the outputs mean.

        Returns
        -------
        float
            The value of the function.
        """
        given = [part.view() for part in self.arguments(y, a, decision)]
        for part in given:
            part.flags.writeable = False  # the kernels read the targets again, and check nothing
        return float(self.function(*given, **({"sample_weight": weights} if self.weights else {})))


class OfClasses(OfOutputs):
    """`OfClasses` makes a metric of a function of the true and of the predicted classes, as of scikit-learn.

    The function gets int64 arrays of shape (n,), or of shape (n, n_out) with 0 and 1 if each of several outputs says
    yes or no by itself. The predicted classes are those of `MLP.predict_classes`. The parameters are those of
    `OfOutputs`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> def errors(y, predicted):
    ...     return (y != predicted).sum()
    >>> metric = fb.metrics.OfClasses(errors)
    >>> metric.__name__, metric(np.array([0, 1]), np.array([[0.3, 0.7], [0.2, 0.8]]))
    ('errors', 1.0)
    """

    def arguments(self, y: np.ndarray, a: np.ndarray, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        each = decision.each and a.shape[1] > 1
        return (y > 0.5).astype(np.int64) if each else _labels(y, a), classes(a, decision.threshold, each)


class OfProbabilities(OfOutputs):
    """`OfProbabilities` makes a metric of a function of targets and probabilities.

    It is `OfOutputs`, except that logits, which a loss with ``from_logits=True`` trains, become probabilities.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> def brier(y, p):
    ...     return np.mean((y - p) ** 2)
    >>> fb.metrics.OfProbabilities(brier)(np.array([0.0, 1.0]), np.array([[0.5], [0.5]]))
    0.25
    """

    def arguments(self, y: np.ndarray, a: np.ndarray, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        return super().arguments(y, probabilities(a, decision), decision)


def probabilities(a: np.ndarray, decision: Decision) -> np.ndarray:
    """Return outputs as probabilities, if they are logits, and as they are if not."""
    if not decision.logits:
        return a
    if decision.each or a.shape[1] == 1:
        return np.exp(-np.logaddexp(0.0, -a))
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class _F1(OfClasses):
    """The F1 score, the harmonic mean of precision and recall.

    For two classes, it is that of class 1. For more, and for outputs that say yes or no by themselves, it is the mean
    over the classes that occur or over the outputs.
    """

    def __call__(
        self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None, decision: Decision = PROBABILITIES
    ) -> float:
        true, guess = self.arguments(y, a, decision)
        if true.ndim == 1:
            seen = slice(None) if weights is None else weights > 0
            kinds = [1] if a.shape[1] <= 2 else np.union1d(true[seen], guess[seen])
            true, guess = true[:, None] == kinds, guess[:, None] == kinds
        return self.function(true == 1, guess == 1, weights)


def _f1(true: np.ndarray, guess: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """Return the mean F1 of columns, which say of each sample whether it belongs to a class."""
    w = np.ones(len(true)) if sample_weight is None else sample_weight
    both, either = w @ (true & guess), w @ true + w @ guess
    return float(np.mean(np.where(either > 0, 2 * both / np.where(either > 0, either, 1.0), 0.0)))


def _balanced_accuracy(y: np.ndarray, predicted: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """Return the mean, over the classes that occur, of the share of their samples that are right."""
    if y.ndim == 2:
        raise ValueError("balanced_accuracy needs one class for each sample, and each output says yes or no here")
    w = np.ones(len(y)) if sample_weight is None else sample_weight
    of_class = np.bincount(y, w)
    there = of_class > 0
    return float(np.mean(np.bincount(y, w * (y == predicted), len(of_class))[there] / of_class[there]))


f1 = _F1(_f1, name="f1", weights=True)

balanced_accuracy = OfClasses(_balanced_accuracy, name="balanced_accuracy", weights=True)
"""The accuracy if all classes had the same number of samples: the mean over the classes of the share that is right."""

METRICS: checks.Registry[Scorer | None] = checks.Registry(
    {
        "accuracy": None,
        "objective": None,
        "top_5_accuracy": TopK(5),
        "r2": r2,
        "mae": mae,
        "auc": auc,
        "f1": f1,
        "balanced_accuracy": balanced_accuracy,
    },
    aliases={"acc": "accuracy", "r2_score": "r2", "mean_absolute_error": "mae", "roc_auc": "auc"},
)
"""The metrics that have a name. Each value is a function of the targets, the outputs and the weights of the samples.

"accuracy" has None, because the compiled code that computes the loss also counts the right predictions. "objective" has
None, because it depends on the weights: it is the loss plus the terms of `l1` and `l2` of the trainer.
"""


def by_name(metrics: Sequence[Metric]) -> dict[str, Scorer | None]:
    """Check a list of metrics, and return their functions by name.

    Parameters
    ----------
    metrics : sequence of str or function
        Names in `METRICS`, objects such as ``TopK(2)``, and functions f(y, a). A function has the name of its
        `__name__`, or of its class if it has none.

    Returns
    -------
    dict of str to function or None
        The functions in the order of the list. "accuracy" and "objective" have None.

    Raises
    ------
    TypeError
        If `metrics` is not a sequence, or is a single string.
    ValueError
        If a name is unknown or appears twice, or if a function is called "loss", "accuracy" or "objective".
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    found: dict[str, Scorer | None] = {}
    for k, metric in enumerate(metrics):
        if callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
        else:
            name = checks.choice(metric, f"metrics[{k}]", METRICS)
        if name in ("loss", "accuracy", "objective") and callable(metric):
            raise ValueError(f"metrics must not have a function named {name!r}, which comes with the loss")
        if name in found:
            raise ValueError(f"metrics must have different names, got {name!r} twice")
        found[name] = metric if callable(metric) else METRICS[name]
    return found


def score(
    function: Scorer, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None, decision: Decision = PROBABILITIES
) -> float:
    """Compute one metric, and give each function its arguments in the form that it expects.

    Parameters
    ----------
    function : function
        A function from `by_name`. Only the metrics of this module get the weights. A function of the user gets y and a.
    y : array of shape (n,) or (n, n_out)
        The targets.
    a : float array of shape (n, n_out)
        The outputs. A function of the user gets shape (n,) if there is one output and y has shape (n,).
    weights : float64 array of shape (n,), or None
        The weight of each sample, or None for equal weights.
    decision : Decision, default PROBABILITIES
        What the outputs mean.

    Returns
    -------
    float
        The value of the metric.
    """
    if isinstance(function, OfOutputs):
        return function(y, a, weights, decision)
    if isinstance(function, TopK) or function in METRICS.values():
        with np.errstate(all="ignore"):
            return function(y, probabilities(a, decision), weights)
    y, a = y.view(), (a[:, 0] if a.shape[1] == 1 and y.ndim == 1 else a).view()
    y.flags.writeable = a.flags.writeable = False  # the kernels read these targets again, and check nothing
    return float(function(y, a))
