"""This module looks at whether network, settings and samples go together: it refuses some, and warns of others."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence

import numpy as np

from ..base import checks
from ..callbacks import EarlyStopping, Lambda
from ..data import arrays, moments
from ..engine.runner import Samples
from ..losses import Loss
from ..network.mlp import MLP
from .callback_list import Hooks
from .settings import Settings

ROWS, VALUES = 1000, 1 << 20
"""The largest number of rows, and of values, whose scales are judged. It takes some milliseconds."""

LEAST_ROWS = 20
"""The smallest number of rows of which a deviation says something."""

SPAN = 100.0
"""The largest ratio of two deviations of inputs with which nobody needs to be warned."""

USUAL = 0.1, 10.0
"""Deviations, and means of targets, with which the usual first weights and learning rates go well together."""


def check_pair(network: MLP, settings: Settings) -> None:
    """Raise ValueError if the network can never be trained with these settings."""
    loss, n_out, output = settings.resolved_loss, network.sizes[-1], network.architecture.activations[-1]
    loss.target_count(n_out)
    loss.check_logits(output.name)
    if n_out < loss.least_outputs:
        raise ValueError(
            f"loss must not be {loss.name!r} for a network with {n_out} output, because it compares outputs; use "
            f"loss='binary_cross_entropy' with output='sigmoid', or {loss.least_outputs} outputs"
        )
    if n_out == 1 and output.whole_rows:
        raise ValueError(
            f"output must not be {output.name!r} for a network with 1 output, which would be 1 for each sample; use "
            f"output='sigmoid' for two classes, or output='identity' for other numbers"
        )
    arrays.within_dtype(settings.optimizer.learning_rate, "learning_rate", network.dtype)


def check_monitors(settings: Settings, called: Hooks, samples: Samples | None, validation: Samples | None) -> None:
    """Raise ValueError if a callback or the schedule watches a column that the history will not have.

    Callbacks of the user may add columns. With such callbacks, only the end of an epoch shows which columns there are.

    Parameters
    ----------
    settings : Settings
        The settings of the trainer.
    called : Hooks
        The callbacks of the call of `fit`.
    samples : Samples or None
        The samples of the training. With None, they come in blocks, and nobody knows yet whether they have classes.
    validation : Samples or None
        The validation samples, or None if there are none.
    """
    ours = __package__.partition(".")[0]
    if any(type(each) is Lambda or type(each).__module__.partition(".")[0] != ours for each in called.all):
        return
    columns = ["loss", *["accuracy"] * (samples is None or samples.y.classes), "learning_rate", "seconds"]
    columns += [name for name in settings.scorers if name == "objective"]
    if validation is not None:
        found = ["loss", *["accuracy"] * validation.y.classes, *(n for n in settings.scorers if n != "accuracy")]
        columns += [f"validation_{name}" for name in found]
    watched = [each.monitor for each in called.all if isinstance(each, EarlyStopping)]
    for monitor in (*watched, *(settings.schedule.monitors if settings.schedule else ())):
        if validation is None and monitor.startswith("validation_"):
            raise ValueError(
                f"monitor must be one of {', '.join(map(repr, columns))}, got {monitor!r}, which needs validation_data "
                f"or validation_split in fit"
            )
        checks.choice(monitor, "monitor", columns)


def warn_of_pair(network: MLP, loss: Loss, stacklevel: int) -> None:
    """Warn if the output of the network can have values that the loss is not made for.

    Parameters
    ----------
    network : MLP
        The network.
    loss : Loss
        The loss, as an object.
    stacklevel : int
        The number of calls from here to the line that the warning shows.
    """
    output = network.architecture.activations[-1]
    if output.bounds is None or loss.fits(*output.bounds, output.whole_rows):
        return
    instead = ""
    if "from_logits" in {field.name for field in dataclasses.fields(loss)}:
        instead = f", or output='identity' with loss=fastbp.losses.{type(loss).__name__}(from_logits=True)"
    warnings.warn(
        f"the loss {loss.name!r} is made for outputs that are {loss.made_for}, and the output {output.name!r} does not "
        f"give them: use output={loss.suited!r}{instead}",
        stacklevel=stacklevel,
    )


def warn_of_scales(network: MLP, samples: Samples, columns: Sequence[str] | None, stacklevel: int) -> None:
    """Warn if some rows of inputs or targets show scales with which training is slow or fails.

    The inputs are those that the first layer sees, after `shift` and `scale`. Small inputs beside others, such as the
    pixels at a border of images or columns that are rarely 1, do no harm if none is large.

    Parameters
    ----------
    network : MLP
        The network.
    samples : Samples
        The checked samples.
    columns : sequence of str or None
        The names of the inputs.
    stacklevel : int
        The number of calls from here to the line that the warning shows.
    """
    X, y = samples.X.array, samples.y
    n = len(X)
    if n < LEAST_ROWS:
        return
    rows = slice(None, None, -(-n // min(ROWS, max(LEAST_ROWS, VALUES // network.sizes[0]))))
    if not samples.X.sparse and X.dtype != np.uint8:
        with np.errstate(all="ignore"):
            seen = (X[rows].astype(np.float64) - network.shift) * network.scale
        message = _of_inputs(seen, columns or range(network.sizes[0]))
        if message:
            warnings.warn(message, stacklevel=stacklevel)
    low, high = network.architecture.activations[-1].bounds or (0.0, 0.0)
    if y.classes or y.sparse or low > -math.inf or high < math.inf:
        return
    values = y.array[rows]
    values = values[:, None] if values.ndim == 1 else values
    if values.shape[1] != network.sizes[-1]:  # a loss with other targets than outputs: they cannot be standardized
        return
    mean, deviation = moments.of_array(values, "y")
    far = (deviation > 0) & ((deviation < USUAL[0]) | (np.maximum(deviation, np.abs(mean)) > USUAL[1]))
    if far.any():
        k = int(far.argmax())
        warnings.warn(
            f"the targets have a mean of {mean[k]:.3g} and a standard deviation of {deviation[k]:.3g}, which are far "
            f"from 0 and 1: training is slow or fails with such targets; use fb.MLP(..., standardize_targets=y), or "
            f"network.standardize(y=y) before fit",
            stacklevel=stacklevel,
        )


def _of_inputs(seen: np.ndarray, columns: Sequence[object]) -> str:
    """Return a warning of the deviations of the inputs that the first layer sees, or "" if there is none to give."""
    deviation = moments.of_array(seen, "X").deviation
    varies = np.flatnonzero(deviation > 0)
    if not varies.size:
        return ""
    large, small = varies[deviation[varies].argmax()], varies[deviation[varies].argmin()]
    least, most = deviation[small], deviation[large]
    apart = most > SPAN * least and most > USUAL[1]
    tiny = most < USUAL[0] and np.abs(seen).max() < 0.5  # columns of 0 and rarely 1 have small deviations too
    if not apart and not tiny and least <= USUAL[1]:
        return ""
    return (
        f"the inputs have standard deviations from {least:.3g}, in column {columns[small]!r}, to {most:.3g}, in column "
        f"{columns[large]!r}: training is slow or fails with such inputs; use fb.MLP(..., standardize=X), or "
        f"network.standardize(X) before fit"
    )
