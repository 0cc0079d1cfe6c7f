"""This module makes metrics of functions, for example of those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from ..base import checks
from ..base.docstrings import documented
from ..base.value_objects import Value, field
from .decisions import PROBABILITIES, Decision, classes, probabilities, target_labels
from .scores import ARGUMENTS, METRICS


def _function(value: Any, name: str) -> Callable[..., float]:
    if not callable(value):
        raise TypeError(f"{name} must be a function of targets and outputs, got {value!r}")
    return value  # type: ignore[no-any-return]  # only a call shows what it returns


class OfOutputs(Value):
    """`OfOutputs` makes a metric of a function of targets and outputs, which may also take the weights of the samples.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> def worst(y, a, sample_weight):
    ...     return np.abs(y - a).max()
    >>> fb.metrics.OfOutputs(worst, weights=True)(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]))
    2.0
    """

    function: Callable[..., float] = field(
        "A function f(y, a) -> float of the targets and the outputs, as for a plain function.",
        _function,
        kind="function",
    )
    _: KW_ONLY
    name: str | None = field(
        "The name of the metric. With None, it is the `__name__` of the function.",
        lambda value, name: None if value is None else checks.text(value, name),
        default=None,
    )
    weights: bool = field(
        "With True, the function is called as f(y, a, sample_weight=weights), as functions of scikit-learn are. The "
        "weights are a float64 array of shape (n,), or None if all are 1.",
        checks.flag,
        default=False,
    )

    @property
    def __name__(self) -> str:
        """The name of the metric."""
        return self.name or str(getattr(self.function, "__name__", type(self.function).__name__))

    def arguments(self, y: np.ndarray, a: np.ndarray, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        """Return the first two arguments of the function."""
        return y, a[:, 0] if a.shape[1] == 1 and y.ndim == 1 else a

    @documented(arguments=ARGUMENTS)
    def __call__(
        self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None, decision: Decision = PROBABILITIES
    ) -> float:
        """Compute the metric.

        {arguments}
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
        found: Any = self.function(*given, **({"sample_weight": weights} if self.weights else {}))
        if np.ndim(found) or not isinstance(np.asarray(found).item(), int | float):
            raise TypeError(f"metrics must return a number, and {self.__name__!r} returned {found!r}")
        return float(found)


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
        return (y > 0.5).astype(np.int64) if each else target_labels(y, a), classes(a, decision.threshold, each)


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
        raise ValueError("balanced_accuracy needs one class for each sample, but here each output decides by itself")
    w = np.ones(len(y)) if sample_weight is None else sample_weight
    of_class = np.bincount(y, w)
    there = of_class > 0
    return float(np.mean(np.bincount(y, w * (y == predicted), len(of_class))[there] / of_class[there]))


f1 = _F1(_f1, name="f1", weights=True)

balanced_accuracy = OfClasses(_balanced_accuracy, name="balanced_accuracy", weights=True)
"""The accuracy if all classes had the same number of samples: the mean over the classes of the share that is right."""

for _each in (f1, balanced_accuracy):
    METRICS.add(_each.__name__, _each)
