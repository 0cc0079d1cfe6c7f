"""This module holds `Recorder`, which keeps the parameters of a network as they change."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import checks
from ..schedules.base import Unit
from .base import Periodic, State, Trains


class Recorder(Periodic):
    """`Recorder` keeps the parameters, or some of them, as they change during training.

    Parameters
    ----------
    places : sequence of int or None, default None
        The numbers of the parameters in `MLP.theta`. With None, all are kept.
    every : int, keyword-only, default 1
        The number of epochs or steps between two rows of `values`, at least 1.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        Whether `every` counts epochs or steps.

    Attributes
    ----------
    steps : list of int
        The number of steps that the trainer had finished, for each row of `values`.
    values : array of shape (rows, parameters)
        The parameters, a row for each time. The first row has those from before the first call of `fit` of the trainer.

    Raises
    ------
    ValueError
        If an argument is outside its range, or in `fit`, if the network has no such parameter.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> recorder = fb.callbacks.Recorder([0])
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
    >>> _ = trainer.fit([[1.0]], [1.0], epochs=3, callbacks=[recorder])
    >>> recorder.steps, recorder.values.shape
    ([0, 1, 2, 3], (4, 1))
    """

    def __init__(self, places: Sequence[int] | None = None, *, every: int = 1, per: Unit = "epoch"):
        self.places = None if places is None else [checks.integer(i, f"places[{k}]", 0) for k, i in enumerate(places)]
        self.per, self.every = per, every
        self.steps: list[int] = []
        self._rows: list[np.ndarray] = []
        self._trainer: weakref.ref[Trains] | None = None

    @property
    def values(self) -> np.ndarray:
        """The parameters, a row for each time."""
        return np.array(self._rows)

    def _act(self, state: State) -> None:
        """Keep the parameters."""
        theta = state.network.theta
        self._rows.append(theta if self.places is None else theta[self.places])
        self.steps.append(state.step)

    def on_train_begin(self, state: State) -> None:
        """Keep the first parameters of a trainer, and forget those of another one."""
        n = state.network.n_parameters
        if self.places and max(self.places) >= n:
            raise ValueError(f"places must be below {n}, the number of parameters; got {max(self.places)}")
        if self._trainer is None or self._trainer() is not state.trainer:
            self.steps, self._rows, self._trainer = [], [], weakref.ref(state.trainer)
            self._act(state)

    def on_epoch_end(self, state: State) -> None:
        """Keep the parameters if it is time."""
        if self._is_due(state):
            self._act(state)

    def save(self) -> dict[str, Any]:
        """Return the rows for a checkpoint."""
        return {"steps": list(self.steps), "values": self.values}

    def load(self, kept: dict[str, Any]) -> None:
        """Continue with the rows of a checkpoint."""
        steps, values = kept["steps"], np.asarray(kept["values"])
        shape = len(steps), self._rows[0].size
        if values.shape != shape or values.dtype != self._rows[0].dtype or not np.isfinite(values).all():
            raise ValueError(f"values must be finite {self._rows[0].dtype} of shape {shape}, got {values.shape}")
        self.steps = [checks.integer(step, f"steps[{k}]", 0) for k, step in enumerate(steps)]
        self._rows = list(values)
