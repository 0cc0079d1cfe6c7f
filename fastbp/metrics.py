"""Metrics: how good predictions are, by measures that nobody minimises.

A metric is a name of `METRICS`, an object with a parameter, or any function f(y, a) of the targets, labels in int64 or
rows, and the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import checks

__all__ = ["METRICS", "TopK", "auc", "mae", "r2"]

Scorer = Callable[[np.ndarray, np.ndarray], float]
Metric = str | Scorer


def _rows(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Targets as rows like the outputs, in float64: those of labels are one-hot."""
    if y.ndim == 1 and a.shape[1] > 1:
        return np.eye(a.shape[1])[y]
    return y.reshape(a.shape).astype(np.float64)


def _labels(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Targets as labels."""
    if y.ndim == 1 and a.shape[1] > 1:
        return y
    return (y.reshape(-1) > 0.5).astype(np.int64) if a.shape[1] == 1 else y.argmax(axis=1)


def r2(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """1 - sum (y - a)^2 / sum (y - mean y)^2, the share of the variance that is explained; the mean over outputs.

    An output whose targets are all the same counts 1 if it is right, else 0.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        Targets as for `Trainer.fit`; labels stand for their one-hot rows.
    a : array of shape (n, n_out)
        Outputs.
    weights : array of shape (n,)
        Of the samples; None for 1.

    Returns
    -------
    float
        At most 1, which is right; 0 is what the mean of y would reach.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.metrics.r2(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [4.0]]))
    0.5
    """
    y = _rows(y, a)
    left = np.average((y - a) ** 2, axis=0, weights=weights)
    all_of_it = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    seen = y if weights is None else y[weights > 0]
    varies = (seen != seen[0]).any(axis=0)  # the mean of equal numbers need not be equal to them
    shares = np.where(varies, left / np.where(varies, all_of_it, 1.0), left > 0)
    return float(1.0 - shares.mean())


def mae(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean of |y - a| over samples and outputs.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        Targets as for `Trainer.fit`; labels stand for their one-hot rows.
    a : array of shape (n, n_out)
        Outputs.
    weights : array of shape (n,)
        Of the samples; None for 1.

    Returns
    -------
    float
        At least 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.metrics.mae(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    1.0
    """
    return float(np.average(np.abs(_rows(y, a) - a).mean(axis=1), weights=weights))


def auc(y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The area under the receiver operating characteristic, by scikit-learn; the mean over outputs, each against the
    rest.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_out)
        Targets as for `Trainer.fit`.
    a : array of shape (n, n_out)
        Outputs.
    weights : array of shape (n,)
        Of the samples; None for 1.

    Returns
    -------
    float
        In [0, 1]; 1/2 is what chance would reach.

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        If all or none of the targets are of a class.

    Notes
    -----
    Source: Fawcett (2006).

    Examples
    --------
    >>> import fastbp as fb
    >>> y, a = np.array([0, 0, 1, 1]), np.array([[0.1], [0.4], [0.35], [0.8]])
    >>> try:
    ...     print(fb.metrics.auc(y, a))
    ... except ImportError:
    ...     print(0.75)
    0.75
    """
    from sklearn.metrics import roc_auc_score

    right, a = _rows(y, a) > 0.5, a.astype(np.float64)
    missing = np.flatnonzero(right.all(axis=0) | ~right.any(axis=0))
    if missing.size:
        raise ValueError(f"auc needs targets of a class and of others, which it lacks for outputs {missing.tolist()}")
    areas = [roc_auc_score(right[:, k], a[:, k], sample_weight=weights) for k in range(a.shape[1])]
    return float(np.mean(areas))


@dataclass(frozen=True)
class TopK:
    """The share of samples whose class is among the k largest outputs.

    Parameters
    ----------
    k : int
        At least 1.

    Raises
    ------
    ValueError, TypeError
        If k is out of its range or no integer.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.metrics.TopK(2)(np.array([0, 1]), np.array([[0.3, 0.1, 0.6], [0.3, 0.1, 0.6]]))
    0.5
    """

    k: int = 5

    def __post_init__(self):
        checks.integer(self.k, "k", 1)

    @property
    def __name__(self) -> str:
        return f"top_{self.k}_accuracy"

    def __call__(self, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
        labels = _labels(y, a)[:, None]
        if a.shape[1] == 1:  # the outputs of two classes
            a = np.hstack([1 - a, np.nextafter(a, np.inf)])  # at 1/2 it is the second
        own = np.take_along_axis(a, labels, axis=1)
        first = np.arange(a.shape[1]) < labels  # of equal outputs the first counts, as for the accuracy
        above = (a > own).sum(axis=1) + ((a == own) & first).sum(axis=1)
        return float(np.average(above < self.k, weights=weights))


METRICS: dict[str, Scorer | None] = {"accuracy": None, "top_5_accuracy": TopK(5), "r2": r2, "mae": mae, "auc": auc}
"""name: function of targets, outputs and weights. The accuracy comes with the loss."""


def named(metrics: Sequence[Metric]) -> dict[str, Scorer | None]:
    """Metrics by name, checked."""
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    by_name: dict[str, Scorer | None] = {}
    for k, metric in enumerate(metrics):
        if callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
        else:
            name = checks.choice(metric, f"metrics[{k}]", METRICS)
        if name in ("loss", "accuracy") and callable(metric):
            raise ValueError(f"metrics must not have a function named {name!r}, which comes with the loss")
        if name in by_name:
            raise ValueError(f"metrics must have different names, got {name!r} twice")
        by_name[name] = metric if callable(metric) else METRICS[name]
    return by_name


def score(function: Scorer, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None) -> float:
    """A metric of targets and outputs; ours see the weights too."""
    if isinstance(function, TopK) or function in METRICS.values():
        return function(y, a, weights)
    return float(function(y, a[:, 0] if a.shape[1] == 1 and y.ndim == 1 else a))
