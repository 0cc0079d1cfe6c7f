"""This module makes steps of training: from minibatches, from a line search, and from a gradient that is given.

An object of steps says how many of them go through some samples (`count`), and makes them (`run`). The fit loop needs
no more than this, whatever the optimizer is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engine import plan
from ..engine.blocks import Block
from ..engine.memory import Model
from ..engine.rule import Rule
from ..engine.runner import Samples, Work
from ..engine.works import Works
from ..losses import OUTPUT_GRADIENT, Loss
from .lbfgs import Search
from .settings import Settings
from .state import TrainingState

if TYPE_CHECKING:
    from ..network.mlp import MLP


class Steps:
    """`Steps` makes steps of training. This class makes one with each minibatch.

    Parameters
    ----------
    work : Work
        The work of the steps.
    state : TrainingState
        The state of the training.
    """

    ended = False
    """Whether further steps would change nothing that matters."""

    def __init__(self, work: Work, state: TrainingState):
        self.work, self._state = work, state

    def count(self, n: int) -> int:
        """Return the number of steps that go once through n samples."""
        return -(-n // self.work.batch)

    def reading(self, samples: Samples, first: int = 0) -> Work:
        """Read these samples, inside a with statement. The next step is step `first` of them."""
        self.work.steps_done = self._state.step - first
        return self.work.reading(samples)

    def run(self, first: int, last: int) -> Iterator[int]:
        """Make the steps first <= k < last of the samples. Yield the number of finished steps from time to time."""
        return self.work.run(first, last)

    def scores(self, samples: Samples, seen: int) -> dict[str, float]:
        """Return the mean scores of the samples that the epoch has seen, such as these. `seen` is their number."""
        return self.work.scores(samples.y.classes)


class SearchSteps(Steps):
    """`SearchSteps` makes one step with all samples, by a line search.

    Parameters
    ----------
    work : Work
        The work that computes the loss and its gradient.
    state : TrainingState
        The state of the training.
    settings : Settings
        The settings of the training. The optimizer is `LBFGS`.
    widen : function
        What makes a work like it that computes in float64.
    """

    def __init__(self, work: Work, state: TrainingState, settings: Settings, widen: Callable[[], Work]):
        super().__init__(work, state)
        self._settings, self.search = settings, Search(settings, state, work, widen)

    @property
    def ended(self) -> bool:  # type: ignore[override]  # the search says it
        """Whether the search has ended."""
        return self.search.ended

    def count(self, n: int) -> int:
        """Return 1: the step uses all samples."""
        return 1

    def reading(self, samples: Samples, first: int = 0) -> Work:
        """Read these samples, inside a with statement."""
        self.work = self.search.choose(samples.y)
        return super().reading(samples, first)

    def run(self, first: int, last: int) -> Iterator[int]:
        """Make the step."""
        self.search.step(self._settings.rate_at(self._state.step + 1, self._state.history))
        yield 1


class GradientSteps(Steps):
    """`GradientSteps` makes steps with gradients that are given."""

    def step(self, gradient: dict[str, np.ndarray]) -> None:
        """Make one step with the gradient of each block of parameters, by its name."""
        assert self.work.gradient is not None
        self._state.parameters.pack(gradient, self.work.gradient)
        self.work.steps_done = self._state.step
        self.work.run_once()
        self._state.step += 1


class Group(NamedTuple):
    """`Group` says what the blocks of parameters with the same hyperparameters have in common."""

    rate: float
    """The factor of their learning rate."""
    decays: bool
    """Whether the optimizer lets them decay."""


def rule_of(settings: Settings, state: TrainingState, *, l2_divided: bool = False) -> Rule:
    """Return the rule that updates the parameters, with the present settings and state.

    Weight decay of optimizers acts on weights only, and `Settings.rates` may give blocks other learning rates.
    """
    optimizer = settings.optimizer

    def group(block: Block) -> Hashable:
        return Group(settings.rate_of(block), block.kind == "weight" or not optimizer.decays)

    def at(t: np.ndarray, group: Group) -> dict[str, Any]:
        values = optimizer.hyper(t, settings.learning_rate(t, state.history) * group.rate)
        return values if group.decays else {**values, **dict.fromkeys(optimizer.decays, 0.0)}

    return Rule(
        optimizer, state.vectors, at, group, settings.l1, settings.l2, settings.clip_value, settings.clip_norm,
        settings.gradient == "stored", settings.lazy, state.moving(settings.average), l2_divided,
        frozenset(settings.frozen),
    )  # fmt: skip


def _parts(network: MLP, settings: Settings, state: TrainingState) -> tuple[Any, ...]:
    """Return the objects that a work belongs to: the model, the settings, the state of the optimizer, and the average.

    Before, the state adapts to the network and to the settings: Ctrl-C may have ended the assignment of one of them.
    """
    state.suit(network.parameters, settings.optimizer, settings.average)
    if settings.average:
        state.begin_average()
    return network._computer.model, settings, state.vectors, state.average


def _attributes(settings: Settings) -> tuple[Hashable, ...]:
    """Return the attributes of those settings that are objects of users, which may change between two calls."""
    found: list[Hashable] = []
    for value in settings.of_users:
        attributes = tuple(vars(value).items())
        try:
            hash(attributes)
            found.append(attributes)
        except TypeError:
            found.append(repr(attributes))
    return tuple(found)


class StepMaker:
    """`StepMaker` makes the steps of one trainer and the network with its average, and keeps what it has prepared."""

    def __init__(self) -> None:
        self._averaged = Works(1)
        self._works = Works(2)  # a learner may take steps with its loss, and with gradients from outside, in turns
        self._most = 0
        """The largest number of samples of a single step so far."""

    def of_batches(
        self,
        network: MLP,
        settings: Settings,
        state: TrainingState,
        batch: int,
        loss: Loss | None = None,
        *,
        l2_divided: bool = False,
    ) -> Steps:
        """Return steps of `batch` samples, or of all samples if the optimizer searches.

        Parameters
        ----------
        network : MLP
            The network.
        settings, state : Settings, TrainingState
            The settings and the state of the training.
        batch : int
            The number of samples of a minibatch.
        loss : Loss or None, default None
            With `OUTPUT_GRADIENT`, the targets are gradients. With None, the loss is that of the settings.
        l2_divided : bool, keyword-only, default False
            Whether l2 is divided by the weights of the samples of each minibatch.
        """
        parts, loss = _parts(network, settings, state), loss or settings.resolved_loss
        model: Model = parts[0]

        def search(model: Model = model) -> Work:
            return plan.gradient(model, batch, settings.n_threads, loss, state.seed)

        def make() -> Work:
            if settings.optimizer.searches:
                return search()
            rule = rule_of(settings, state, l2_divided=l2_divided)
            return plan.train(model, batch, settings.n_threads, loss, state.seed, rule)

        work = self._works.get(make, parts, batch, loss is OUTPUT_GRADIENT, l2_divided, _attributes(settings))
        if settings.optimizer.searches:
            return SearchSteps(work, state, settings, lambda: search(network.astype(np.float64)._computer.model))
        return Steps(work, state)

    def of_few(
        self,
        network: MLP,
        settings: Settings,
        state: TrainingState,
        n: int,
        loss: Loss | None = None,
        *,
        l2_divided: bool = False,
    ) -> Steps:
        """Return steps for one minibatch of n samples, or fewer.

        The work of an earlier step serves, if it has room for them. So steps with different numbers of samples need no
        new memory each, which took 0.3 ms a step.
        """
        if settings.lazy or settings.optimizer.searches:
            return self.of_batches(network, settings, state, n, loss, l2_divided=l2_divided)
        self._most = max(self._most, n)
        room = 1 << (self._most - 1).bit_length()
        room = min(room, max(settings.batch or room, n))
        steps = self.of_batches(network, settings, state, room, loss, l2_divided=l2_divided)
        if steps.work.parts > 1:  # with several parts, the gradient would be written to memory first
            return self.of_batches(network, settings, state, n, loss, l2_divided=l2_divided)
        return steps

    def evaluated(self, network: MLP, settings: Settings, state: TrainingState) -> MLP:
        """Return the network that is evaluated: one with the present average, or else the network itself.

        It is the same one until the network changes, because a validation must not prepare a new one each time.
        """
        average = state.average
        if settings.average is None or not settings.average.evaluated or average is None:
            return network
        parts = network.architecture, network._computer.model, network._targets
        found: MLP = self._averaged.get(lambda: network.astype(network.dtype), parts)
        found.parameters.assign(average)
        return found

    def of_gradient(self, network: MLP, settings: Settings, state: TrainingState) -> GradientSteps:
        """Return steps with gradients that are given."""
        parts = _parts(network, settings, state)
        model: Model = parts[0]
        make = lambda: plan.apply(model, rule_of(settings, state), settings.n_threads)  # noqa: E731
        return GradientSteps(self._works.get(make, parts, "gradient", _attributes(settings)), state)
