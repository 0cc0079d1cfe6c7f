"""This module says what outputs mean: classes, probabilities and logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..formulas.gates import softmax


class Decision(NamedTuple):
    """`Decision` says what outputs mean: where classes begin, and whether the outputs are logits."""

    threshold: float = 0.5
    """A single output of at least this value means class 1."""
    each: bool = False
    """Whether each of several outputs says yes or no by itself."""
    logits: bool = False
    """Whether the outputs are logits of probabilities."""


PROBABILITIES = Decision()
"""The decision about outputs that are probabilities of classes, of which a sample has exactly one."""


def classes(a: np.ndarray, threshold: float, multilabel: bool = False) -> np.ndarray:
    """Return the class of each row of outputs, an int64 array of shape (n,), or that of one row as an integer.

    With several outputs, the class of a row is the column of its largest output, or the first such column. With one
    output, the class is 1 where the output is at least the threshold, and 0 elsewhere. With `multilabel`, the same
    holds for each of several outputs, and the shape is (n, n_out).
    """
    single = a.shape[-1] == 1
    decided = (a.T[0] if single else a) >= threshold
    found: np.ndarray = decided.astype(np.int64) if single or multilabel else a.argmax(axis=-1)
    return found


def probabilities(a: np.ndarray, decision: Decision) -> np.ndarray:
    """Return outputs as probabilities, if they are logits, and as they are if not."""
    if not decision.logits:
        return a
    if decision.each or a.shape[1] == 1:
        shares: np.ndarray = np.exp(-np.logaddexp(0.0, -a))
        return shares
    return softmax(a)


def target_rows(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the targets as float64 rows of the same shape as the outputs. Class labels become one-hot rows."""
    one_hot = y.ndim == 1 and a.shape[1] > 1
    rows: np.ndarray = np.eye(a.shape[1])[y] if one_hot else y.reshape(a.shape).astype(np.float64)
    return rows


def target_labels(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the targets as class labels, an int64 array of shape (n,).

    With one output, a target above 1/2 is class 1. With several outputs, the class is the column of the largest value.
    """
    if y.ndim == 1 and a.shape[1] > 1:
        return y
    labels: np.ndarray = (y.reshape(-1) > 0.5).astype(np.int64) if a.shape[1] == 1 else y.argmax(axis=1)
    return labels
