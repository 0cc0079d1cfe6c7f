"""This module holds `Machine`, the settings that define a restricted Boltzmann machine, and those of its training."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..activations import ACTIVATIONS
from ..base import checks
from ..base.value_objects import field
from ..engine.contrast import MOST_SWEEPS
from ..engine.layers.boltzmann import Boltzmann
from ..losses import OUTPUT_GRADIENT, Loss
from ..training.settings import Settings

Visible = Literal["bernoulli", "gaussian"]
VISIBLE: tuple[Visible, ...] = ("bernoulli", "gaussian")

FIRST_DEVIATION = 0.01
"""The standard deviation of the first weights (Hinton 2010)."""


@dataclass(frozen=True)
class Machine:
    """`Machine` holds the checked arguments of `RBM` that define a machine."""

    n_visible: int
    n_hidden: int
    visible: Visible
    dtype: np.dtype

    def __post_init__(self) -> None:
        checked = {
            "n_visible": checks.integer(self.n_visible, "n_visible", 1),
            "n_hidden": checks.integer(self.n_hidden, "n_hidden", 1),
            "visible": checks.choice(self.visible, "visible", VISIBLE),
            "dtype": checks.dtype(self.dtype),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of visible and of hidden units."""
        return self.n_visible, self.n_hidden

    def layers(self) -> tuple[Boltzmann]:
        """Return the layer of the machine, as the engine uses it."""
        return (Boltzmann(1, *self.sizes, ACTIVATIONS["sigmoid"]),)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors of a machine by their names in a file."""
        shapes = {block.name: block.shape for layer in self.layers() for block in layer.blocks()}
        return shapes | {"shift": self.sizes[:1], "scale": self.sizes[:1]}


class MachineSettings(Settings):
    """`MachineSettings` holds the settings of the training of a machine. It has no loss."""

    loss: Any = field("A machine has no loss.", lambda value, name: None, default=None)
    k: int = field("The number of sweeps.", checks.Integer(1, MOST_SWEEPS), default=1)
    persistent: bool = field("Whether the chains go on.", checks.flag, default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer.searches:
            raise ValueError("optimizer must not be LBFGS for an RBM, whose gradient is random")

    @functools.cached_property
    def resolved_loss(self) -> Loss:
        """A loss that stands for none."""
        return OUTPUT_GRADIENT


NAMES = ("optimizer", "schedule", "l2", "batch_size", "shuffle", "n_threads", "k", "persistent")
"""The names of the settings that a user gives."""
