"""This module holds `Settings`, the checked settings of a trainer. They never change, but can be replaced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from ..base import checks
from ..base.history import History
from ..engine.blocks import Block
from ..losses import LOSSES, Loss
from ..metrics import Metric, Scorer, by_name
from ..rules.averages import Average
from ..rules.optimizers import OPTIMIZERS, Optimizer
from ..schedules import Schedule

Gradient = Literal["fused", "stored", "lazy"]


@dataclass(frozen=True)
class Settings:
    """`Settings` holds the arguments of `Trainer` that may change between two calls of `fit`, see there."""

    loss: str | Loss
    optimizer: Optimizer | str | None = "adam"
    schedule: Schedule | None = None
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    average: Average | None = None
    metrics: Sequence[Metric] = ()
    batch_size: int = 32
    shuffle: bool = True
    n_threads: int | None = None
    gradient: Gradient = "fused"
    rates: Mapping[str, float] | None = None

    def __post_init__(self):
        optimizer = "adam" if self.optimizer is None else self.optimizer
        if isinstance(optimizer, str):
            optimizer = checks.resolved(optimizer, "optimizer", OPTIMIZERS)
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be a name such as 'adam' or an object such as SGD(0.1), got {optimizer!r}")
        if self.schedule is not None and not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule must be one of fastbp.schedules, such as Cosine(30), got {self.schedule!r}")
        if self.average is not None and not isinstance(self.average, Average):
            raise TypeError(f"average must be an average such as EMA(0.999), got {self.average!r}")
        by_name(self.metrics)
        checked = {
            "loss": checks.named(self.loss, "loss", LOSSES),
            "optimizer": optimizer,
            "l1": checks.real(self.l1, "l1", 0),
            "l2": checks.real(self.l2, "l2", 0),
            "clip_value": checks.bound(self.clip_value, "clip_value"),
            "clip_norm": checks.bound(self.clip_norm, "clip_norm"),
            "metrics": tuple(self.metrics),
            "batch_size": checks.integer(self.batch_size, "batch_size", 1),
            "shuffle": bool(self.shuffle),
            "n_threads": checks.threads(self.n_threads),
            "gradient": checks.choice(self.gradient, "gradient", ("fused", "stored", "lazy")),
            "rates": _rates(self.rates),
        }
        if self.lazy and (self.clip_norm is not None or optimizer.searches):
            raise ValueError("gradient must not be 'lazy' with clip_norm or LBFGS, which need the whole gradient")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def lazy(self) -> bool:
        """Whether a step leaves the weights of inputs that do not occur in its minibatch as they are."""
        return self.gradient == "lazy"

    @property
    def resolved_loss(self) -> Loss:
        """The loss as an object."""
        return checks.resolved(self.loss, "loss", LOSSES)

    @property
    def scorers(self) -> dict[str, Scorer | None]:
        """The metrics by their names. The value of "accuracy" is None, because the kernels compute it."""
        return by_name(self.metrics)

    def penalty(self, weights: Sequence[np.ndarray]) -> float:
        """Return l1 sum |w| + l2/2 sum w^2 over all weights (001), which training adds to the mean loss."""
        total = 0.0
        for W in weights:
            W = W.astype(np.float64)
            total += self.l1 * float(np.abs(W).sum()) + 0.5 * self.l2 * float((W * W).sum())
        return total

    def rate_of(self, block: Block) -> float:
        """Return the factor of the learning rate of a block of parameters: the product of the `rates` that name it."""
        names = {block.kind, f"layer {block.layer}", block.name}
        return math.prod(rate for name, rate in (self.rates or {}).items() if name in names)

    def rate_at(self, step: int, history: History) -> float:
        """Return the learning rate of a step. The first step is 1."""
        return float(self.learning_rate(np.array([step]), history)[0])

    def learning_rate(self, t: np.ndarray, history: History) -> np.ndarray:
        """Return the learning rate at some steps of the epoch that follows the given history.

        Parameters
        ----------
        t : int array of shape (n,)
            The numbers of the steps. The first step of the training is 1.
        history : History
            The finished epochs.

        Returns
        -------
        float64 array of shape (n,)
            The learning rate of the optimizer, multiplied by the factor of the schedule.
        """
        eta = np.full(len(t), self.optimizer.learning_rate)
        if self.schedule is None:
            return eta
        with np.errstate(all="ignore"):
            return eta * self.schedule.at(t - 1, history.epochs, history)


def _rates(given: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return `rates` as a dict, or raise an error."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"rates must be a dict such as {{'bias': 0.1}}, got {given!r}")
    return {name: checks.real(rate, f"rates[{name!r}]", 0) for name, rate in given.items()}


NAMES = tuple(field.name for field in fields(Settings))
"""The names of all settings, in their order."""
