"""This module computes losses of arrays with NumPy, where the kernels compute those of whole trainings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..formulas.nodes import numeric

SUM_TOLERANCE = 1e-3
"""The largest difference from 1 that the sum of a row of probabilities may have."""

RANGES = {"values": (-math.inf, math.inf), "counts": (0, math.inf), "signs": (-1, 1)}
"""The smallest and the largest possible target, by the kind of targets of a loss. For all other kinds, it is 0 to 1."""

Costs = tuple[np.ndarray, np.ndarray]
"""C of each sample, of shape (n,), and dC/da, of shape (n, n_out)."""


def costs(loss: Any, a: Any, y: Any) -> Costs:
    """Return C of each sample, and dC/da for each of its outputs. The arguments are those of a call of the loss."""
    outputs, targets = _rows(loss, a, y)
    numbers = loss.parameters(outputs.shape[1])
    with np.errstate(all="ignore"):
        if loss.whole_row:
            C, g = WHOLE_ROWS[loss.whole_row](outputs, targets, *numbers)
        elif loss.rows:
            C, *each = loss.term(*outputs.T, *targets.T, *numbers)
            g = np.stack(each, axis=1)
        else:
            C, g = loss.term(outputs, targets, *numbers)
            C = C.sum(axis=1)
    return C, np.asarray(g, outputs.dtype)


def _rows(loss: Any, a: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs as rows, and the targets of each row, checked as those of a training. Labels become rows too."""
    a = numeric(a, "a")
    if a.ndim > 2 or not a.size:
        raise ValueError(f"a must be the outputs of a sample, or a row of outputs for each sample, got shape {a.shape}")
    outputs, samples = np.atleast_2d(a), a.shape[:-1]
    n, n_out = outputs.shape
    if n_out < loss.least_outputs:
        raise ValueError(f"a must have at least {loss.least_outputs} outputs a sample for {loss.name}, got {n_out}")
    count = loss.target_count(n_out)
    targets = numeric(y, "y")
    if targets.shape == samples and n_out > 1 and loss.labels:
        return outputs, _one_hot(loss, y, targets.reshape(n), n_out).astype(a.dtype)
    if targets.shape != (*samples, count) and not (count == 1 and targets.shape == samples):
        labels = f", or {samples} of class labels" if samples else ", or be a class label"
        labels = labels if n_out > 1 and loss.labels else ""
        raise ValueError(f"y must have shape {(*samples, count)}{labels}, got {targets.shape}")
    targets = targets.reshape(n, count)
    _check(loss, targets)
    return outputs, targets.astype(a.dtype)


def _one_hot(loss: Any, y: Any, labels: np.ndarray, n_out: int) -> np.ndarray:
    """Return class labels as rows with a 1 for the class."""
    if np.asarray(y).dtype.kind == "f" and (loss.targets in ("values", "counts") or (labels != np.floor(labels)).any()):
        raise TypeError(f"y of shape {np.shape(y)} must be integer labels for {n_out} outputs, got floats")
    if not (labels.min() >= 0 and labels.max() < n_out):
        raise ValueError(f"y must be labels from 0 to {n_out - 1}, got {labels.min():g} to {labels.max():g}")
    rows: np.ndarray = np.eye(n_out)[labels.astype(np.int64)]
    return rows


def _check(loss: Any, targets: np.ndarray) -> None:
    """Raise ValueError if a target is not of the kind that the loss needs."""
    low, high = RANGES.get(loss.targets, (0, 1))
    if not np.isfinite(targets).all() or targets.min() < low or targets.max() > high:
        rule = "finite" if high == math.inf and low == -high else f"finite and from {low:g} to {high:g}"
        raise ValueError(f"y must be {rule} for {loss.name}, got {targets.min():g} to {targets.max():g}")
    if loss.targets == "signs" and not (np.isin(targets, (0, 1)).all() or np.isin(targets, (-1, 1)).all()):
        raise ValueError(f"y must be 0 or 1, or -1 or 1, for {loss.name}, got other numbers")
    if loss.targets == "distribution" and abs(targets.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise ValueError(f"each row of y must be probabilities with the sum 1 for {loss.name}, and one is not")


# --- losses that are not sums over the outputs ------------------------------------------------------------------------


def _softmax_cross_entropy(a: np.ndarray, y: np.ndarray, smoothing: float, uniform: float) -> Costs:
    """C = sum_i y_i (ln sum_k e^a_k - a_i), dC/da = softmax(a) - y   (002, 004)."""
    y = (1 - smoothing) * y + smoothing * uniform
    below = a - a.max(axis=1, keepdims=True)
    e = np.exp(below)
    sums = e.sum(axis=1, keepdims=True)
    return (y * (np.log(sums) - below)).sum(axis=1), e / sums - y


def _multiclass_hinge(a: np.ndarray, y: np.ndarray) -> Costs:
    """C = sum_(i != k) max(0, a_i - a_k + 1), with k the class of y   (001)."""
    margins = a - (y * a).sum(axis=1, keepdims=True) + 1
    g = np.where(margins > 0, 1 - y, 0)
    return (np.maximum(margins, 0) * (1 - y)).sum(axis=1), g - y * g.sum(axis=1, keepdims=True)


def _multiclass_perceptron(a: np.ndarray, y: np.ndarray) -> Costs:
    """C = a_j - a_k, with j the first largest output and k the class of y   (001)."""
    g = np.eye(a.shape[1])[a.argmax(axis=1)] - y
    return (g * a).sum(axis=1), g


def _norm_error(a: np.ndarray, y: np.ndarray) -> Costs:
    """C = ||y - a||, and the gradient is 0 where a = y   (000)."""
    norm = np.linalg.norm(a - y, axis=1)
    return norm, (a - y) / np.where(norm > 0, norm, 1)[:, None]


WHOLE_ROWS: dict[str, Callable[..., Costs]] = {
    "softmax_cross_entropy": _softmax_cross_entropy, "multiclass_hinge": _multiclass_hinge,
    "multiclass_perceptron": _multiclass_perceptron, "norm_error": _norm_error,
}  # fmt: skip
"""The functions of `fastbp.kernels.row_losses` for arrays of rows, by their names."""
