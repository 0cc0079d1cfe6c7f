"""This module computes the scores of samples: the loss, the accuracy, and the metrics of a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.arrays import KINDS
from ..data.inputs import Inputs
from ..data.samples import SampleChecker
from ..engine import plan
from ..engine.runner import DivergedError, Samples
from ..metrics import score
from .settings import Settings

if TYPE_CHECKING:
    from ..network.mlp import MLP


def scores_of(network: MLP, settings: Settings, samples: Samples, name: str) -> dict[str, float]:
    """Return the scores of checked samples, as `Trainer.evaluate` does.

    Parameters
    ----------
    network : MLP
        The network.
    settings : Settings
        The settings of the trainer.
    samples : Samples
        The samples.
    name : str
        The name of the samples in an error message.

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    """
    loss = settings.resolved_loss
    try:
        scores = network._computer.scores(samples, loss, settings.n_threads)
    except DivergedError:
        raise FloatingPointError(f"the {loss.name} of {name} is not finite") from None
    if "objective" in settings.scorers:
        scores["objective"] = scores["loss"] + settings.penalty(network.parameters)
    if any(function is not None for function in settings.scorers.values()):
        a = network.outputs(samples.X.array, n_threads=settings.n_threads)
        scores |= metrics_of(network, settings, samples, a)
    return scores


def scores_of_both(network: MLP, last: MLP, settings: Settings, samples: Samples, name: str) -> dict[str, float]:
    """Return the scores as `scores_of` does, and with "last_" before their names those of the last parameters.

    If both networks are the same one, there is nothing to add.
    """
    found = scores_of(network, settings, samples, name)
    if last is network:
        return found
    return found | {f"last_{each}": value for each, value in scores_of(last, settings, samples, name).items()}


def scores_of_outputs(network: MLP, settings: Settings, samples: Samples, a: np.ndarray, name: str) -> dict[str, float]:
    """Return the scores of outputs that are known already, for example the mean of several networks.

    Parameters
    ----------
    network : MLP
        A network, whose targets have the unit of the samples.
    settings, samples, name
        As for `scores_of`.
    a : array of shape (n, n_out)
        The outputs, in the unit of the user.

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    """
    loss, inside = settings.resolved_loss, np.ascontiguousarray(a)
    if network._targets is not None:
        inside = ((a - network.target_shift) / network.target_scale).astype(a.dtype)
    work = plan.score(a.shape[1], a.dtype, plan.batch_for(samples.n), settings.n_threads, loss)
    try:
        with work.reading(samples._replace(X=Inputs(inside, KINDS[a.dtype]))):
            work.finish()
            scores = work.scores(samples.y.classes)
    except DivergedError:
        raise FloatingPointError(f"the {loss.name} of {name} is not finite") from None
    return scores | metrics_of(network, settings, samples, a)


def metrics_of(network: MLP, settings: Settings, samples: Samples, a: np.ndarray) -> dict[str, float]:
    """Return the metrics of outputs by their names, without those that kernels compute."""
    others = {name: function for name, function in settings.scorers.items() if function is not None}
    if not others:
        return {}
    y, decision = SampleChecker(network._form, settings.resolved_loss).in_units(samples.y), samples.y.decision
    return {name: score(function, y, a, samples.weights, decision) for name, function in others.items()}
