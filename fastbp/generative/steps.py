"""This module makes the steps of the training of a restricted Boltzmann machine, and keeps its chains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..callbacks import Callback
from ..engine import contrast
from ..engine.runner import Samples, Work
from ..training.state import TrainingState
from ..training.steps import Steps

SCORES = ("free_energy", "reconstruction_error", "pseudo_likelihood")


class ContrastSteps(Steps):
    """`ContrastSteps` makes steps of contrastive divergence.

    Parameters
    ----------
    work : Work
        The work of the steps.
    state : TrainingState
        The state of the training.
    chains : contrast.Chains or None
        The chains of the work, if it is persistent.
    kept : KeptChains
        What keeps their units.
    names : tuple of str
        The names of the scores.
    """

    def __init__(
        self, work: Work, state: TrainingState, chains: contrast.Chains | None, kept: KeptChains, names: tuple[str, ...]
    ):
        super().__init__(work, state)
        self._chains, self._kept, self._names = chains, kept, names

    def run(self, first: int, last: int) -> Iterator[int]:
        """Make the steps first <= k < last of the samples. Yield the number of finished steps from time to time."""
        if self._chains is not None:
            self._chains.pack(self._kept.units[: self.work.batch])
        try:
            for reached in super().run(first, last):
                self._keep()
                yield reached
        finally:
            self._keep()

    def _keep(self) -> None:
        """Keep the units of the chains, also after Ctrl-C: the steps before it count."""
        if self._chains is not None:
            self._kept.units[: self.work.batch] = self._chains.unpack()

    def scores(self, samples: Samples, seen: int) -> dict[str, float]:
        """Return the mean scores of the samples that the epoch has seen."""
        return {name: total / max(seen, 1) for name, total in zip(self._names, self.work.sums, strict=False)}


class KeptChains(Callback):
    """`KeptChains` keeps the hidden units of the chains of persistent contrastive divergence, also in checkpoints.

    `units` is a uint8 array of shape (n_chains, n_hidden).
    """

    def __init__(self, n_hidden: int) -> None:
        self.units = np.zeros((0, n_hidden), np.uint8)

    def begin(self, n: int) -> None:
        """Let there be n chains at least. New ones begin at hidden units of 0."""
        new = np.zeros((max(n - len(self.units), 0), self.units.shape[1]), np.uint8)
        self.units = np.concatenate([self.units, new])

    def save(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the chains, if there are some."""
        return {"units": self.units} if len(self.units) else {}

    def load(self, kept: dict[str, Any]) -> None:
        """Go on with the chains of a checkpoint."""
        units = np.asarray(kept["units"])
        if units.dtype != np.uint8 or units.shape[1:] != self.units.shape[1:] or units.max(initial=0) > 1:
            raise ValueError("chains must be rows of hidden units that are 0 or 1")
        self.units = units
