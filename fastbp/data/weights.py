"""This module checks the weights of samples and of classes that users give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import checks
from .arrays import numeric, within
from .targets import Targets

LEAST_WEIGHT, MOST_WEIGHT = 1e-30, 1e30
"""The smallest weight above 0, and the largest. Beyond, products with losses leave the range of float32."""

SIGNED = "; Trainer.partial_fit takes negative ones with signed_weights=True, for example those of a policy gradient"
"""The end of a message about a negative weight."""


SEVERAL_LABELS = (
    "class_weight must be None for targets with several labels: a weight belongs to a whole sample, and each label of "
    "it would need its own; weigh the samples with sample_weight, or train one network for each label"
)
"""The message about weights of classes for rows of 0 and 1, of which several can be 1."""


def sample_weights(values: Any, n: int, name: str = "sample_weight", signed: bool = False) -> np.ndarray | None:
    """Return the weights of n samples as a float64 array of shape (n,), or None for None.

    ValueError is raised for a wrong shape, for a weight that is not finite, or so small or large that the sums of
    float32 would lose it, and without `signed` for a negative weight.
    """
    if values is None:
        return None
    array = np.array(numeric(values, name), np.float64)  # a copy, so that nobody can change it during training
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), a weight for each sample; got {array.shape}")
    try:
        within(array, name, array.dtype, -math.inf if signed else 0, math.inf)
    except ValueError as error:
        way = "" if signed or not np.isfinite(array).all() else SIGNED
        raise ValueError(f"{error}{way}") from None
    sizes = np.abs(array[array != 0])
    if sizes.size and not LEAST_WEIGHT <= sizes.min() <= sizes.max() <= MOST_WEIGHT:
        bounds = f"{sizes.min():g} to {sizes.max():g}"
        raise ValueError(f"{name} must be 0 or between {LEAST_WEIGHT:g} and {MOST_WEIGHT:g}, got {bounds}")
    return array


def check_some(weights: np.ndarray | None, name: str) -> np.ndarray | None:
    """Return the weights. Raise ValueError if all of them are 0, because a mean over these samples says nothing."""
    if weights is not None and not weights.any():
        raise ValueError(f"{name} must have a sum above 0, got only zeros")
    return weights


def class_weight(value: Any, label: object) -> float:
    """Return the weight of a class, which has the range of the weights of samples, or raise ValueError or TypeError."""
    name = f"class_weight[{repr(label) if isinstance(label, str) else label}]"
    weight = checks.real(value, name, 0)
    if weight and not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise ValueError(f"{name} must be 0 or between {LEAST_WEIGHT:g} and {MOST_WEIGHT:g}, got {weight:g}")
    return weight


def class_weights(values: Any, y: Targets, n_out: int, rows: np.ndarray | None = None) -> np.ndarray | None:
    """Return the weight of each sample according to its class, as a float64 array of shape (n,), or None for None.

    A class that is not in the dict `values` has weight 1. With "balanced", the weight of a class is n / (number of
    classes that occur * number of its samples), counted over the samples `rows`, or over all samples with None. If a
    sample has probabilities of several classes, its weight is the mean of the weights of these classes. ValueError is
    raised if the targets are not classes, or if a class or a weight is outside its range.
    """
    if values is None:
        return None
    if not y.classes:
        raise ValueError("class_weight needs targets that are classes, and these are not")
    if y.by_output and n_out > 1:
        raise ValueError(SEVERAL_LABELS)
    classes = max(n_out, 2)
    labels = y.dense if y.labels or n_out > 1 else (y.dense.reshape(-1) > 0.5).astype(np.int64)
    if isinstance(values, str):
        checks.choice(values, "class_weight", ("balanced",))
        counted = labels if rows is None else labels[rows]
        counts = np.bincount(counted, minlength=classes) if labels.ndim == 1 else counted.sum(axis=0, dtype=np.float64)
        table = len(counted) / (np.count_nonzero(counts) * np.maximum(counts, 1e-300))
        table[counts == 0] = 0.0
    elif isinstance(values, dict):
        table = np.ones(classes)
        for label, weight in values.items():
            if checks.integer(label, "class_weight's keys", 0) >= classes:
                raise ValueError(f"class_weight's keys must be below {classes}, the number of classes; got {label}")
            table[label] = class_weight(weight, label)
    else:
        raise TypeError(f"class_weight must be a dict or 'balanced', got {values!r}")
    return np.asarray(table[labels] if labels.ndim == 1 else labels @ table)


def weights_of(
    y: Targets, n_out: int, given: Any, class_weight: Any, rows: np.ndarray | None = None, name: str = "sample_weight"
) -> np.ndarray | None:
    """Return the weight of each sample, its own times that of its class, or None if all weights are 1."""
    own, by_class = sample_weights(given, len(y.array), name), class_weights(class_weight, y, n_out, rows)
    if own is not None and by_class is not None:
        with np.errstate(all="ignore"):
            own *= by_class
        sizes = np.abs(own)
        if sizes.max() > MOST_WEIGHT:
            raise ValueError(f"{name} times class_weight must be at most {MOST_WEIGHT:g}, got {sizes.max():g}")
        own[sizes < LEAST_WEIGHT] = 0.0
    return by_class if own is None else own
