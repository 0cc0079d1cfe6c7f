"""State: where a training is, in one value that can be copied, saved, loaded and compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import checks
from ..averages import Average
from ..engine.parameters import Parameters
from ..history import History
from ..optimizers import Optimizer


@dataclass
class Position:
    """Where a call of fit is."""

    first: int
    """Epochs before the call."""
    rng: dict
    """The state of the generator of orders when this epoch began."""
    steps: int = 0
    """Steps of this epoch that are done."""
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Loss, hits and weights of the samples that this epoch has seen."""
    seconds: float = 0.0
    """Seconds that this epoch took so far."""
    stop: bool = False
    """Whether a callback has asked to stop."""
    n: int | None = None
    """Samples of an epoch, if that is known."""
    callbacks: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """What callbacks had to keep: class, which of that class, and values."""

    def check(self) -> None:
        """Raise ValueError or TypeError if it cannot be one: it may come from a file."""
        for name in ("first", "steps"):
            checks.integer(getattr(self, name), name, 0)
        if self.n is not None:
            checks.integer(self.n, "n", 1)
        checks.flag(self.stop, "stop")
        for value in (*self.sums, self.seconds):
            checks.real(value, "sums and seconds")
        self.sums = tuple(self.sums)
        if len(self.sums) != 3:
            raise ValueError(f"sums must be 3 numbers, got {self.sums}")


class TrainingState:
    """All that training changes: parameters, optimizer state, average, step, history, random generator, position.

    Parameters
    ----------
    parameters : of the network; shared with it.
    optimizer : whose state begins with its initial values.
    seed : of the orders of the samples and of masks; None for another one each time.
    """

    def __init__(self, parameters: Parameters, optimizer: Optimizer, seed: int | None):
        self.parameters = parameters
        self.rng = checks.generator(seed)
        self.seed = (np.random.SeedSequence().entropy if seed is None else int(seed)) % 2**63
        self.history = History()
        self.average: np.ndarray | None = None
        self.resumed = False
        """Whether the next call of fit goes on from `position`."""
        self.position = Position(0, self.rng.bit_generator.state)
        self.begin(optimizer)

    def begin(self, optimizer: Optimizer) -> None:
        """Set the optimizer's state, and the number of steps, to what they are before the first step."""
        size = self.parameters.theta.size
        self.vectors = self.parameters.like_theta(optimizer.state_count)
        for k, value in enumerate(optimizer.initial):
            self.vectors[k * size : (k + 1) * size] = value
        self.variant, self.step = optimizer.variant, 0

    def suit(self, optimizer: Optimizer, average: Average | None) -> None:
        """Begin anew with an optimizer that cannot go on with this state; drop an average that is no more wanted."""
        if self.variant != optimizer.variant:
            self.begin(optimizer)
        if average is None:
            self.average = None

    def begin_average(self) -> None:
        """Let the average begin with the parameters as they are now, unless there is one."""
        if self.average is None:
            self.average = self.parameters.like_theta()
            self.average[:] = self.parameters.theta

    def replace_parameters(self, parameters: Parameters, optimizer: Optimizer) -> None:
        """Go on with another network: its optimizer state and its average begin anew."""
        self.parameters, self.average, self.resumed = parameters, None, False
        self.begin(optimizer)

    def begin_call(self) -> None:
        """Begin a call of fit, unless it goes on from a checkpoint."""
        if not self.resumed:
            self.position = Position(self.history.epochs, self.rng.bit_generator.state)

    def end_epoch(self) -> None:
        """The next epoch begins here."""
        self.position = Position(self.position.first, self.rng.bit_generator.state, n=self.position.n)

    def snapshot(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Copies of the parameters and their average, for `restore`."""
        return self.parameters.theta.copy(), None if self.average is None else self.average.copy()

    def restore(self, snapshot: tuple[np.ndarray, np.ndarray | None], optimizer: Optimizer) -> None:
        """Go back to the parameters of a snapshot; the optimizer begins anew."""
        theta, average = snapshot
        self.parameters.assign(theta)
        if average is not None:
            self.average[:] = average
        self.begin(optimizer)

    def save(self, **position: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A description that JSON knows, and vectors; `position` are fields to replace in that of the position."""
        tensors = {"theta": self.parameters.theta, "state": self.vectors}
        if self.average is not None:
            tensors["average"] = self.average
        described = {
            "history": self.history,
            "step": self.step,
            "seed": self.seed,
            "rng": self.rng.bit_generator.state,
            "position": vars(replace(self.position, **position)),
        }
        return described, tensors

    def load(self, described: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        """Become what `save` described.

        Raises
        ------
        ValueError, TypeError, KeyError
            If this is no such description. The vectors must have the sizes of this state's.
        """
        position = Position(**described["position"])
        position.check()
        step = checks.integer(described["step"], "step", position.steps)
        seed = checks.integer(described["seed"], "seed", 0)
        history = History.checked(described["history"])
        for state in (position.rng, described["rng"]):  # both must be ones
            self.rng.bit_generator.state = state
        self.parameters.assign(tensors["theta"])
        self.vectors[:] = tensors["state"]
        if "average" in tensors:
            self.begin_average()
            self.average[:] = tensors["average"]
        self.history, self.step, self.seed, self.position, self.resumed = history, step, seed % 2**63, position, True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrainingState):
            return NotImplemented
        mine, yours = self.save(), other.save()
        if mine[0] != yours[0] or mine[1].keys() != yours[1].keys():
            return False
        return all(np.array_equal(vector, yours[1][name], equal_nan=True) for name, vector in mine[1].items())

    __hash__ = None

    def __getstate__(self) -> dict:
        return dict(self.__dict__)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        vectors, average = self.vectors, self.average  # what was copied need not be aligned
        self.vectors = self.parameters.like_theta(vectors.size // self.parameters.theta.size)
        self.vectors[:] = vectors
        if average is not None:
            self.average = None
            self.begin_average()
            self.average[:] = average
