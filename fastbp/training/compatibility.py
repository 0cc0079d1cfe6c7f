"""This module checks whether network, settings and samples go together: it refuses some of them, and warns of others.

`fastbp.data.samples` checks the samples themselves.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from ..base import checks
from ..base.user_warnings import warn
from ..callbacks import EarlyStopping, Lambda
from ..data import arrays, moments
from ..data.targets import Targets
from ..engine.records import numbers
from ..engine.runner import Samples
from ..losses import Loss
from ..metrics import METRICS, OfClasses, balanced_accuracy
from ..network.mlp import MLP
from . import scores
from .callback_list import CallbackList
from .settings import Settings, names_of

ROWS, VALUES = 1000, 1 << 20
"""The largest number of rows, and of values, whose scales are judged. It takes some milliseconds."""

LEAST_ROWS = 20
"""The smallest number of rows whose deviation says something."""

SPAN = 100.0
"""The largest ratio of two deviations of inputs that needs no warning."""

REMEDIES = (
    "use fb.MLP(..., standardize=X), or network.standardize(X) before fit",
    "use fb.MLP(..., standardize_targets=y), or network.standardize(y=y) before fit",
)
"""What to do about the scales of inputs, and of targets."""

USUAL = 0.1, 10.0
"""Deviations, and means of targets, that suit the usual first weights and learning rates."""


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
    numbers(loss.parameters(n_out), network.dtype, loss)
    arrays.within_dtype(settings.optimizer.learning_rate, "learning_rate", network.dtype)
    layers, frozen = network.architecture.layers(), {*settings.frozen}
    if frozen and (max(frozen) > len(layers) or len(frozen) == len(layers)):
        raise ValueError(f"frozen must be some of the layers 1 to {len(layers)}, but not all; got {settings.frozen}")
    for layer in layers:
        if layer.of is not None and (layer.number in frozen) != (layer.of.layer in frozen):
            raise ValueError(
                f"frozen must have both layers {layer.of.layer} and {layer.number} or none, because their weights are "
                f"tied; got {settings.frozen}"
            )
    if settings.lazy and any(layer.shares for layer in layers):
        raise ValueError("gradient must not be 'lazy' for a network with shared weights, which all inputs change")
    known = {name for block in network.parameters.blocks for name in names_of(block)}
    for name in settings.rates or ():
        if name not in known:
            raise ValueError(f"rates must name some of {', '.join(map(repr, sorted(known)))}, got {name!r}")


def check_step(settings: Settings, *, outside: bool) -> None:
    """Raise ValueError if these settings cannot make a step of `partial_fit`, with a gradient from `outside`."""
    if outside and settings.optimizer.searches:
        raise ValueError("output_gradient must not be given with LBFGS, which needs a loss")


def check_apply(settings: Settings) -> None:
    """Raise ValueError if these settings cannot make a step of `apply_gradients`."""
    if settings.optimizer.searches:
        raise ValueError("optimizer must not be LBFGS for apply_gradients: it needs the loss at other parameters")
    if settings.lazy:
        raise ValueError("gradient must not be 'lazy' for apply_gradients")


def check_metrics(network: MLP, settings: Settings, y: Targets) -> None:
    """Raise ValueError if a metric cannot be computed for these targets."""
    n_out, loss = network.sizes[-1], settings.resolved_loss
    for name, function in settings.scorers.items():
        if not y.classes and name == "accuracy":
            raise ValueError(f"metrics must not have 'accuracy' with {loss.name}: its targets are not classes")
        if not y.classes and isinstance(function, OfClasses):
            raise ValueError(f"metrics must not have {name!r}, which needs classes: the targets are not classes")
        if function is balanced_accuracy and y.by_output and n_out > 1:
            raise ValueError(f"metrics must not have {name!r}, which needs one class for each sample")
        if loss.target_count(n_out) != n_out and name in METRICS and name != "objective":
            raise ValueError(f"metrics must not have {name!r} with {loss.name}: it has other targets than outputs")


def check_fit(
    network: MLP, settings: Settings, called: CallbackList, samples: Samples | None, validation: Samples | None
) -> None:
    """Raise ValueError if `fit` would fail after its first epoch.

    It would, if a metric cannot be computed for the validation, or if a callback or the schedule watches a column that
    the history will not have. `samples` is None if the samples come in blocks. They may then have classes or not.
    """
    if validation is not None:
        check_metrics(network, settings, validation.y)
        if METRICS["auc"] in settings.scorers.values():  # any outputs show whether it is defined
            only = dataclasses.replace(settings, metrics=["auc"])
            scores.metrics_of(network, only, validation, np.zeros((validation.n, network.sizes[-1])))
    columns = ["loss", *["accuracy"] * (samples is None or samples.y.classes), "learning_rate", "seconds"]
    columns += [name for name in settings.scorers if name == "objective"]
    if validation is not None:
        found = ["loss", *["accuracy"] * validation.y.classes, *(n for n in settings.scorers if n != "accuracy")]
        columns += [f"validation_{name}" for name in found]
        if settings.average is not None and settings.average.evaluated:
            columns += [f"validation_last_{name}" for name in found]
    check_monitors(settings, called, columns, validation is not None)


def check_monitors(settings: Settings, called: CallbackList, columns: Sequence[str], validated: bool = False) -> None:
    """Raise ValueError if a callback or the schedule watches none of the columns that the history will have."""
    # Callbacks of the user may add columns. With such callbacks, only the end of an epoch shows the columns.
    if any(type(each) is Lambda or not type(each).__module__.startswith("fastbp.") for each in called.all):
        return
    watched = [each.monitor for each in called.all if isinstance(each, EarlyStopping)]
    for monitor in (*watched, *(settings.schedule.monitors if settings.schedule else ())):
        if not validated and monitor.startswith("validation_"):
            raise ValueError(
                f"monitor must be one of {', '.join(map(repr, columns))}, got {monitor!r}, which needs validation_data "
                f"or validation_split in fit"
            )
        checks.choice(monitor, "monitor", columns)


def warn_of_pair(network: MLP, loss: Loss) -> None:
    """Warn if the output of the network can have values that the loss is not made for."""
    output = network.architecture.activations[-1]
    if output.bounds is None:
        return
    low, high = output.bounds
    if loss.fits(low, high, output.whole_rows):
        return
    instead = ""
    if "from_logits" in {field.name for field in dataclasses.fields(loss)}:
        instead = f", or output='identity' with loss=fastbp.losses.{type(loss).__name__}(from_logits=True)"
    warn(
        f"the loss {loss.name!r} is made for outputs that are {loss.made_for}, and the output {output.name!r} does not "
        f"give them: use output={loss.suited!r}{instead}"
    )


def warn_of_scales(network: MLP, samples: Samples, remedies: tuple[str, str] = REMEDIES) -> None:
    """Warn if some rows of inputs or targets show scales with which training is slow or fails.

    The inputs are those that the first layer sees, after `shift` and `scale`. Small inputs beside others, such as the
    pixels at a border of images or columns that are rarely 1, do no harm if none is large.

    `remedies` say what to do about the inputs, and about the targets.
    """
    X, y, n_in, n_out = samples.X.array, samples.y, network.sizes[0], network.sizes[-1]
    n = len(X)
    if n < LEAST_ROWS:
        return
    rows = slice(None, None, -(-n // min(ROWS, max(LEAST_ROWS, VALUES // n_in))))
    if not samples.X.sparse and X.dtype != np.uint8:
        with np.errstate(all="ignore"):
            seen = (X[rows].astype(np.float64) - network.shift) * network.scale
        message = _about_inputs(seen, samples.X.columns or range(n_in))
        if message:
            warn(f"{message}; {remedies[0]}")
    if y.classes or y.sparse:
        return
    values = y.array[rows]
    values = values[:, None] if values.ndim == 1 else values
    if values.shape[1] != n_out:  # a loss with other targets than outputs: they cannot be standardized
        return
    if y.unit is not None:
        values = (values - y.unit[0][:n_out]) * y.unit[1][:n_out]
    output = network.architecture.activations[-1]
    low, high = output.bounds or (0.0, 0.0)
    if low > -math.inf or high < math.inf:
        _warn_of_bounds(values, output.name, low, high)
        return
    mean, deviation = moments.of_array(values, "y")
    far = (deviation > 0) & ((deviation < USUAL[0]) | (np.maximum(deviation, np.abs(mean)) > USUAL[1]))
    if far.any():
        k = int(far.argmax())
        warn(
            f"the targets have a mean of {mean[k]:.3g} and a standard deviation of {deviation[k]:.3g}, which are far "
            f"from 0 and 1: training is slow or fails with such targets; {remedies[1]}"
        )


def _warn_of_bounds(values: np.ndarray, output: str, low: float, high: float) -> None:
    """Warn of targets that an output between two bounds cannot reach."""
    least, most = values.min(), values.max()
    slack, low = 1e-6 * max(abs(least), abs(most)), 0.0 if 0 < low < 1e-300 else low
    if low < high and (least < low - slack or most > high + slack):
        warn(
            f"the targets go from {least:.3g} to {most:.3g}, and the output {output!r} cannot go beyond {low:g} to "
            f"{high:g}: give the network target_scale and target_shift, for example target_scale=255 for pixels, or "
            f"use output='identity'"
        )


def _about_inputs(seen: np.ndarray, columns: Sequence[object]) -> str:
    """Return the message about the deviations of the inputs that the first layer sees, or "" if they do no harm."""
    deviation = moments.of_array(seen, "X").deviation
    varies = np.flatnonzero(deviation > 0)
    if not varies.size:
        return ""
    large, small = varies[deviation[varies].argmax()], varies[deviation[varies].argmin()]
    least, most = deviation[small], deviation[large]
    apart = most > SPAN * least and most > USUAL[1]
    tiny = most < USUAL[0] and np.abs(seen).max() < 0.5  # columns of 0 and rarely 1 have small deviations too
    if not (apart or tiny or least > USUAL[1]):
        return ""
    found = f"a standard deviation of {most:.3g}, in column {columns[large]!r}"
    if large != small:
        found = f"standard deviations from {least:.3g}, in column {columns[small]!r}, to {most:.3g}, in "
        found += f"column {columns[large]!r}"
    return f"the inputs have {found}: training is slow or fails with such inputs"
