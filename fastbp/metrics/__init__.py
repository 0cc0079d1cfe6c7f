"""Metrics measure how good predictions are. Training reports them but does not minimise them.

A metric is one of the names in `METRICS`, an object such as ``TopK(2)``, or your own function ``f(y, a) -> float``.
Your function gets the targets y as you gave them and the outputs a, of shape (n, n_out). Class labels come as int64,
and targets that the network standardizes in its dtype. If the network has one output and y has shape (n,), then a has
shape (n,) too. If your function needs classes, probabilities or the weights of samples, give it to `OfClasses`,
`OfProbabilities` or `OfOutputs`, which make a metric of it.

The names are {names}. "accuracy" is the share of right classes, "objective" is the loss with the terms of `l1` and
`l2`, and "top_5_accuracy" is ``TopK(5)``. The others are functions of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..base import checks, hints
from ..base.docstrings import filled, listed
from ..base.names import MetricName
from ..losses.base import Loss
from .decisions import PROBABILITIES, probabilities
from .decisions import Decision as Decision
from .decisions import classes as classes
from .scores import METRICS, Scorer, TopK, auc, mae, r2
from .wrappers import OfClasses, OfOutputs, OfProbabilities, balanced_accuracy, f1

__all__ = [
    "METRICS", "OfClasses", "OfOutputs", "OfProbabilities", "TopK", "auc", "balanced_accuracy", "f1", "mae", "r2",
]  # fmt: skip

__doc__ = filled(__doc__, names=listed(METRICS))

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


Metric = MetricName | Scorer
"""The type of a metric as the user gives it: a name or a function."""


def by_name(metrics: Sequence[Metric]) -> dict[str, Scorer | None]:
    """Check a list of metrics, and return their functions by name, in the order of the list.

    The list has names in `METRICS`, objects such as ``TopK(2)``, and functions f(y, a). A function has the name of its
    `__name__`, or of its class if it has none. "accuracy" and "objective" have None in the place of a function.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    found: dict[str, Scorer | None] = {}
    for k, metric in enumerate(metrics):
        if isinstance(metric, Loss):
            raise TypeError(
                f"metrics[{k}] must be a name or a function f(y, a), got the loss {metric!r}, which takes (a, y): "
                "give a function such as lambda y, a: loss(a, y)"
            )
        if callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
        else:
            name = checks.choice(metric, f"metrics[{k}]", METRICS)
        if name in ("loss", "accuracy", "objective") and callable(metric):
            raise ValueError(f"metrics must not have a function named {name!r}: it is the name of another score")
        if name in found:
            raise ValueError(f"metrics must have different names, got {name!r} twice")
        found[name] = metric if callable(metric) else METRICS[name]
    return found


def score(
    function: Scorer, y: np.ndarray, a: np.ndarray, weights: np.ndarray | None, decision: Decision = PROBABILITIES
) -> float:
    """Compute one metric of `by_name`. Each function gets its arguments in the form that it expects.

    The targets y have shape (n,) or (n, n_out), the outputs a have shape (n, n_out), and the weights are a float64
    array of shape (n,), or None. Only the metrics of this module get the weights. A function of the user gets y and a.
    """
    if not isinstance(function, OfOutputs):
        if isinstance(function, TopK) or function in METRICS.values():
            with np.errstate(all="ignore"):
                return function(y, probabilities(a, decision), weights)
        function = OfOutputs(function)
    return function(y, a, weights, decision)
