"""This module holds the metrics of targets, outputs and weights, and the registry of all metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base import checks, extras
from ..base.docstrings import documented
from ..base.value_objects import Value, field
from .decisions import target_labels, target_rows

Scorer = Callable[..., float]
"""The type of a function that computes a metric from the targets and the outputs."""

METRICS: checks.Registry[Scorer | None] = checks.Registry()
"""The metrics that have a name. Each value is a function of the targets, the outputs and the weights of the samples.

"accuracy" has None, because the compiled code that computes the loss also counts the right predictions. "objective" has
None, because it depends on the weights: it is the loss plus the terms of `l1` and `l2` of the trainer.
"""
METRICS.add("accuracy", None, ("acc",))
METRICS.add("objective", None)

ARGUMENTS = """Parameters
----------
y : array of shape (n,) or (n, n_out)
    The targets, as for `Trainer.fit`. With several outputs, class labels of shape (n,) count as their one-hot rows.
a : float array of shape (n, n_out)
    The outputs of the network.
weights : float64 array of shape (n,), or None, default None
    The weight of each sample. With None, all samples have the same weight."""


def metric(*aliases: str) -> Callable[[Scorer], Scorer]:
    """Return a decorator that enters a function into `METRICS`, and fills its docstring."""

    def enter(function: Scorer) -> Scorer:
        METRICS.add(function.__name__, function, aliases)
        return documented(arguments=ARGUMENTS)(function)

    return enter


class TopK(Value):
    """`TopK` computes the share of samples whose class is among the `k` largest outputs.

    Its name contains the value of `k`: ``TopK(2)`` has the name "top_2_accuracy".

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

    k: int = field("The number of outputs that count as guesses.", checks.Integer(1), default=5)

    @property
    def __name__(self) -> str:
        """The name of the metric, for example "top_2_accuracy". The history column is "validation_top_2_accuracy"."""
        return f"top_{self.k}_accuracy"

    @documented(arguments=ARGUMENTS)
    def __call__(self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Compute the share of samples whose class is among the `k` largest outputs.

        {arguments}

        Returns
        -------
        float
            Between 0 and 1.
        """
        labels = target_labels(y, a)[:, None]
        if a.shape[1] == 1:
            # One output a stands for two classes with outputs 1 - a and a. At exactly 1/2 the accuracy chooses class 1.
            # So that this metric does the same, the second output is moved up by the smallest possible amount.
            a = np.hstack([1 - a, np.nextafter(a, np.inf)])
        own = np.take_along_axis(a, labels, axis=1)
        # Among equal outputs the first one wins, as it does for the accuracy.
        first = np.arange(a.shape[1]) < labels
        above = (a > own).sum(axis=1) + ((a == own) & first).sum(axis=1)
        return float(np.average(above < self.k, weights=weights))


METRICS.add("top_5_accuracy", TopK(5))


@metric("r2_score")
def r2(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute R^2, the share of the variance of the targets that the outputs explain.

    For each output, R^2 = 1 - sum (y - a)^2 / sum (y - mean(y))^2. The result is the mean over the outputs. If all
    targets of an output are equal, its R^2 is 1 where the outputs match them exactly, and 0 otherwise.

    {arguments}

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
    y = target_rows(y, a)
    left = np.average((y - a) ** 2, axis=0, weights=weights)
    all_of_it = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    seen = y if weights is None else y[weights > 0]
    # The test compares targets with each other, because rounding can move the mean of equal numbers away from them.
    varies = (seen != seen[0]).any(axis=0)
    shares = np.where(varies, left / np.where(varies, all_of_it, 1.0), left > 0)
    return float(1.0 - shares.mean())


@metric("mean_absolute_error")
def mae(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute the mean absolute error: the mean of ``|y - a|`` over all samples and outputs.

    {arguments}

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
    return float(np.average(np.abs(target_rows(y, a) - a).mean(axis=1), weights=weights))


@metric("roc_auc")
def auc(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute the area under the ROC curve, the receiver operating characteristic, with scikit-learn.

    The area is the probability that a random sample of the class has a larger output than a random sample of another
    class. Equal outputs count one half. A target above 1/2 means that the sample belongs to the class of that output.
    With several outputs, the function compares each class with all others, and returns the mean over the outputs.
    Source: Fawcett (2006).

    {arguments}

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
    right, a = target_rows(y, a) > 0.5, a.astype(np.float64)
    if weights is not None:
        right, a, weights = (values[weights > 0] for values in (right, a, weights))
    missing = np.flatnonzero(right.all(axis=0) | ~right.any(axis=0))
    if missing.size:
        raise ValueError(
            "auc needs samples of the class of each output and samples of other classes, and does not have both for "
            f"outputs {missing.tolist()}"
        )
    areas = [roc_auc_score(right[:, k], a[:, k], sample_weight=weights) for k in range(a.shape[1])]
    return float(np.mean(areas))
