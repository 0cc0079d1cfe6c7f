"""This module holds `TrainingState`, the state of a training, which can be copied, saved, loaded and compared."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..base.history import History
from ..engine.blocks import Kept, Parameters
from ..engine.rule import Moving
from ..rules.averages import Average
from ..rules.optimizers import Optimizer


@dataclass
class Position:
    """`Position` says how far a call of `fit` has come."""

    first: int
    """The number of epochs that were finished before the call."""
    rng: Mapping[str, Any]
    """The state of the random generator at the beginning of this epoch."""
    steps: int = 0
    """The number of finished steps of this epoch."""
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The sums of the loss, of right predictions and of weights, over the samples that this epoch has used."""
    seconds: float = 0.0
    """The time that this epoch has taken so far."""
    stop: bool = False
    """Whether a callback has asked to stop."""
    n: int | None = None
    """The number of samples in an epoch, or None if it is not known."""
    callbacks: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """The values that callbacks have saved: the name of the class, its number among callbacks of this class, values."""

    def check(self) -> None:
        """Raise ValueError or TypeError if a value is not possible, because it may come from a damaged file."""
        for name in ("first", "steps"):
            checks.integer(getattr(self, name), name, 0)
        if self.n is not None:
            checks.integer(self.n, "n", 1)
        checks.flag(self.stop, "stop")
        for value in (*self.sums, self.seconds):
            checks.real(value, "sums and seconds")
        for name, which, values in self.callbacks:
            if not isinstance(name, str) or not isinstance(values, dict):
                raise TypeError(f"callbacks must be names with values, got {name!r} with {values!r}")
            checks.integer(which, "callbacks", 0)
        if len(self.sums) != 3:
            raise ValueError(f"sums must be 3 numbers, got {self.sums}")
        cost, hit, seen = self.sums
        self.sums = cost, hit, seen


class Snapshot(NamedTuple):
    """`Snapshot` holds what an epoch changes and `TrainingState.restore` brings back."""

    parameters: Kept
    average: np.ndarray | None
    averaged: int
    """The number of steps that the average has made."""


class TrainingState:
    """`TrainingState` holds everything that training changes.

    These are the parameters, the state of the optimizer, the average, the number of steps, the history, the random
    generator and the position.

    Parameters
    ----------
    parameters : Parameters
        The parameters of the network. The network and the state share them.
    optimizer : Optimizer
        The optimizer, whose state starts with its initial values.
    seed : int or None
        The seed of the orders of the samples, of dropout and of input noise. With None, each state has another seed.

    Attributes
    ----------
    parameters : Parameters
        The parameters of the network.
    vectors : float array of shape (state_count * size,)
        The state of the optimizer: vectors like theta, one after another. Its values can be changed in place.
    average : float array of shape (size,) or None
        The average of the parameters, or None if there is none yet. Its values can be changed in place.
    step : int
        The number of finished steps.
    averaged : int
        The number of steps that the average has made.
    """

    _parameters: Parameters
    _vectors: np.ndarray
    _kind: tuple[object, ...]

    def __init__(self, parameters: Parameters, optimizer: Optimizer, seed: int | None):
        self.rng = checks.generator(seed)
        self.seed = secrets.randbits(63) if seed is None else int(seed) % 2**63
        self.history = History()
        self._average: np.ndarray | None = None
        self.step = self._average_first = 0
        self.resumed = False
        """Whether the next call of `fit` continues from `position`."""
        self.training = secrets.token_hex(16)
        """What tells the checkpoints of this training from those of others. Those of older versions have none."""
        self.judged = False
        """Whether the scales of samples have been looked at: a warning of them comes once."""
        self.position = Position(0, self.rng.bit_generator.state)
        self.begin(optimizer, parameters)

    @property
    def parameters(self) -> Parameters:
        return self._parameters

    @property
    def vectors(self) -> np.ndarray:
        return self._vectors

    @property
    def average(self) -> np.ndarray | None:
        return self._average

    def begin(self, optimizer: Optimizer, parameters: Parameters | None = None) -> None:
        """Set the state of the optimizer and the number of steps to their values before the first step.

        If there is no memory for the state, nothing changes.

        Parameters
        ----------
        optimizer : Optimizer
            The optimizer.
        parameters : Parameters or None, default None
            The parameters of another network, whose average starts anew too. With None, the parameters stay the same.
        """
        average, averaged = (self.average, self.averaged) if parameters is None else (None, 0)
        parameters = parameters or self.parameters
        size, vectors = parameters.theta.size, parameters.like_theta(optimizer.state_count)
        for k, value in enumerate(optimizer.initial):
            vectors[k * size : (k + 1) * size] = value
        kind, variant, initial = _kind(optimizer), optimizer.variant, optimizer.initial
        # There is no call here, so Ctrl-C cannot come in between: vectors of another size let kernels write anywhere.
        self._parameters, self._vectors, self._average, self.step = parameters, vectors, average, 0
        self._kind, self.variant, self.initial, self._average_first = kind, variant, initial, -averaged

    def suit(self, parameters: Parameters, optimizer: Optimizer, average: Average | None) -> None:
        """Adapt the state to the network and to the settings, where they have changed.

        If the optimizer cannot continue with the present state, its state starts anew. If the parameters are those of
        another network, the average starts anew too, and so does the optimizer. Without an average in the settings,
        the average is dropped.
        """
        if self.parameters is not parameters:
            self.resumed = False
            self.begin(optimizer, parameters)
        elif (self._kind, self.variant) != (_kind(optimizer), optimizer.variant) or (
            self.step == 0 and self.initial != optimizer.initial
        ):
            self.begin(optimizer)
        if average is None:
            self._average = None

    def begin_average(self) -> np.ndarray:
        """Start the average with the present parameters, unless there is an average already, and return it."""
        if self._average is None:
            average = self.parameters.like_theta()
            average[:] = self.parameters.theta
            self._average, self._average_first = average, self.step
        return self._average

    @property
    def averaged(self) -> int:
        """The number of steps that the average has made."""
        return 0 if self.average is None else self.step - self._average_first

    def moving(self, average: Average | None) -> Moving | None:
        """Return how this average moves after each step, or None if it does not. It begins if there is none yet."""
        if average is None:
            return None
        vector = self.begin_average()
        return Moving(vector, average.rate, average.warm_up, self._average_first) if average.rate else None

    def begin_call(self) -> None:
        """Set the position to the beginning of a call of `fit`, unless the call continues from a checkpoint."""
        if not self.resumed:
            self.position = Position(self.history.epochs, self.rng.bit_generator.state)

    def end_epoch(self) -> None:
        """Set the position to the beginning of the next epoch."""
        self.position = Position(self.position.first, self.rng.bit_generator.state, n=self.position.n)

    def snapshot(self, inputs: np.ndarray | None = None, before: Kept | None = None) -> Snapshot:
        """Return copies of the parameters and of the average, for `restore`.

        The arguments are those of `Parameters.keep`. The weights of inputs that are not among `inputs` must stay as
        they are.
        """
        average = None if self.average is None else self.average.copy()
        return Snapshot(self.parameters.keep(inputs, before), average, self.averaged)

    def restore(self, snapshot: Snapshot, optimizer: Optimizer) -> None:
        """Set the parameters and the average to those of a snapshot. The state of the optimizer starts anew."""
        snapshot.parameters.restore()
        self.begin(optimizer)
        if snapshot.average is not None and self.average is not None:
            self.average[:], self._average_first = snapshot.average, -snapshot.averaged

    def save(self, **position: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return a description that JSON can store, and the vectors by their names.

        Parameters
        ----------
        **position : object
            Values that replace fields of the position in the description.
        """
        tensors = {"theta": self.parameters.theta, "state": self.vectors}
        if self.average is not None:
            tensors["average"] = self.average
        described = {
            "averaged": self.averaged,
            "training": self.training,
            "history": self.history,
            "step": self.step,
            "seed": self.seed,
            "rng": self.rng.bit_generator.state,
            "position": vars(replace(self.position, **position)),
        }
        return described, tensors

    def load(self, described: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        """Set the state to the one that `save` returned.

        Parameters
        ----------
        described : dict
            The description, after JSON has stored and read it.
        tensors : dict of str to array
            The vectors. They must have the sizes of the vectors of this state.

        Raises
        ------
        ValueError, TypeError, KeyError
            If the description is not one that `save` can return.
        """
        position = Position(**described["position"])
        position.check()
        step = checks.integer(described["step"], "step", position.steps)
        averaged = checks.integer(described.get("averaged", step), "averaged", 0)  # older files do not have it
        seed = checks.integer(described["seed"], "seed", 0)
        history = History.checked(described["history"])
        for state in (position.rng, described["rng"]):  # each assignment also checks that this is a state
            self.rng.bit_generator.state = state
        self.parameters.assign(tensors["theta"])
        self.vectors[:] = tensors["state"]
        if "average" in tensors:
            self.begin_average()[:] = tensors["average"]
        self.history, self.step, self.seed, self.position, self.resumed = history, step, seed % 2**63, position, True
        self._average_first, self.training = step - averaged, str(described.get("training", ""))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrainingState):
            return NotImplemented
        mine, yours = self.save(), other.save()
        if mine[0] | {"training": ""} != yours[0] | {"training": ""} or mine[1].keys() != yours[1].keys():
            return False
        return all(np.array_equal(vector, yours[1][name], equal_nan=True) for name, vector in mine[1].items())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Copied arrays may not begin at a cache line.
        vectors, average, first = self.vectors, self.average, self._average_first
        self._vectors = self.parameters.like_theta(vectors.size // self.parameters.theta.size)
        self._vectors[:] = vectors
        if average is not None:
            self._average = None
            self.begin_average()[:], self._average_first = average, first


def _kind(optimizer: Optimizer) -> tuple[object, ...]:
    """Return the kind of state of an optimizer, whatever its class says of its variants."""
    return type(optimizer), optimizer.states, optimizer.state_count
