"""This module holds the base class of all schedules, and the schedules `Product` and `Chain`, which combine others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import numpy as np

from ..base import checks
from ..base.value_objects import Value, call

Unit = Literal["epoch", "step"]

UNITS = ("epoch", "step")
"""The units in which a schedule can count. A step is one update of the parameters, after one minibatch."""

DEEPEST = 50
"""How deep schedules may be nested in each other. Python cannot follow much more than that into a file and back."""

Scores = Mapping[str, Sequence[float]]
"""The history of training: the name of each column, and for each finished epoch one value."""


@dataclass(frozen=True, repr=False, eq=False)
class Schedule(Value, ABC):
    """`Schedule` is the base class of all schedules: objects that change the learning rate during training.

    At each step, `Trainer` multiplies the learning rate of the optimizer by the factor of the schedule. The factor is
    a function of x, the number of epochs that are finished. In the first epoch x is 0, in the second epoch x is 1.
    With ``per="step"``, x is the number of steps that are finished; a step is the update after one minibatch.

    To write your own schedule, derive a class from this one and define `factor`.

    Parameters
    ----------
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit of x. With "step", the schedule counts the steps of all epochs together.

    Raises
    ------
    ValueError
        If `per` is neither "epoch" nor "step".

    Examples
    --------
    This schedule halves the learning rate after every epoch:

    >>> import fastbp as fb
    >>> class Halving(fb.schedules.Schedule):
    ...     def factor(self, x, scores):
    ...         return 0.5**x
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.4), schedule=Halving(), seed=0)
    >>> history = trainer.fit([[1.0], [2.0]], [0.0, 1.0], epochs=3)
    >>> history["learning_rate"]
    [0.4, 0.2, 0.1]
    """

    _depth: ClassVar[int] = 0
    _: KW_ONLY
    per: Unit = "epoch"

    def __post_init__(self):
        checks.choice(self.per, "per", UNITS)

    def _combine(self, parts: Mapping[str, object]) -> None:
        """Check that the parts of a schedule, by their names, are schedules and are not nested too deep."""
        for name, part in parts.items():
            if not isinstance(part, Schedule):
                raise TypeError(f"{name} must be a schedule, got {part!r}")
        depth = 1 + max(part._depth for part in parts.values())
        if depth > DEEPEST:
            raise ValueError(f"schedules must be nested at most {DEEPEST} deep, got {depth}")
        object.__setattr__(self, "_depth", depth)

    @abstractmethod
    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return the factor that multiplies the learning rate, for each x.

        Parameters
        ----------
        x : float64 array of shape (n,), or a number
            The number of finished epochs; with ``per="step"``, the number of finished steps.
        scores : mapping of str to sequence of float
            The history of the finished epochs. Each column, for example "validation_loss", has one value per epoch.

        Returns
        -------
        array of the shape of x, or a number
            The factors. A factor of 1 leaves the learning rate as it is.
        """

    @property
    def monitors(self) -> tuple[str, ...]:
        """The columns of the history that the factor depends on."""
        return ()

    def at(self, steps: np.ndarray, epoch: int, scores: Scores) -> np.ndarray:
        """Return the factor for each of several steps of one epoch. `Trainer` calls this method.

        Parameters
        ----------
        steps : int array of shape (n,)
            The numbers of the steps. The first step of the whole training is 0, and the count continues over epochs.
        epoch : int
            The number of the epoch that contains these steps. The first epoch is 0.
        scores : mapping of str to sequence of float
            The history of the finished epochs.

        Returns
        -------
        float64 array of shape (n,)
            The factors.

        Examples
        --------
        With the default ``per="epoch"``, all steps of an epoch have the same factor:

        >>> import fastbp as fb
        >>> import numpy as np
        >>> steps = np.array([4, 5, 6])
        >>> fb.schedules.Exponential(0.5).at(steps, epoch=2, scores={})
        array([0.25, 0.25, 0.25])
        >>> fb.schedules.Exponential(0.5, per="step").at(steps, epoch=2, scores={})
        array([0.0625  , 0.03125 , 0.015625])
        """
        x = steps.astype(np.float64) if self.per == "step" else np.full(len(steps), float(epoch))
        with np.errstate(all="ignore"):  # a factor that becomes 0 is no error, whatever np.seterr says
            return np.broadcast_to(np.asarray(self.factor(x, scores), np.float64), x.shape)

    def __mul__(self, other: Schedule) -> Schedule:
        """Return the `Product` of this schedule and `other`. Python raises TypeError if `other` is not a schedule."""
        return Product(self, other) if isinstance(other, Schedule) else NotImplemented


@dataclass(frozen=True, repr=False, eq=False)
class Product(Schedule):
    """`Product` multiplies the factors of two schedules. Write it as ``a * b``.

    Each of the two schedules counts in its own unit, so one can count steps and the other can count epochs.

    Parameters
    ----------
    a, b : Schedule
        The two schedules.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        This parameter has no effect in training, because `a` and `b` have their own units.

    Raises
    ------
    ValueError
        If `per` is neither "epoch" nor "step", or if schedules are nested more than 50 deep.
    TypeError
        If `a` or `b` is not a schedule.

    Examples
    --------
    The learning rate grows during the first 4 steps. Then it is halved after every 10 epochs:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> schedule = fb.schedules.Warmup(4, per="step") * fb.schedules.Step(10, gamma=0.5)
    >>> schedule.at(np.array([0, 1, 2, 3, 4]), epoch=0, scores={})
    array([0.25, 0.5 , 0.75, 1.  , 1.  ])
    >>> schedule.at(np.array([1000]), epoch=10, scores={})
    array([0.5])
    """

    a: Schedule
    b: Schedule

    def __post_init__(self):
        super().__post_init__()
        self._combine({"a": self.a, "b": self.b})

    def __repr__(self) -> str:
        if self.per != "epoch":  # the operator makes no such product
            return call(self)
        return f"{self.a!r} * {f'({self.b!r})' if isinstance(self.b, Product) else self.b}"

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return the product of both factors at the same x. The method `at` gives each schedule its own x instead."""
        return self.a.factor(x, scores) * self.b.factor(x, scores)

    @property
    def monitors(self) -> tuple[str, ...]:
        return self.a.monitors + self.b.monitors

    def at(self, steps: np.ndarray, epoch: int, scores: Scores) -> np.ndarray:
        """Return the product of both factors for each step, see `Schedule.at`."""
        with np.errstate(all="ignore"):
            return self.a.at(steps, epoch, scores) * self.b.at(steps, epoch, scores)


@dataclass(frozen=True, repr=False, eq=False)
class Chain(Schedule):
    """`Chain` runs several schedules one after another.

    Each schedule starts at its own x = 0 when the schedule before it ends. The last schedule has no end.

    Parameters
    ----------
    schedules : sequence of Schedule
        The schedules in their order.
    lengths : sequence of int
        How long each schedule runs, for all schedules except the last. Each length must be at least 1.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit of the lengths and of all schedules in the chain. `Chain` ignores their own parameter `per`.

    Raises
    ------
    ValueError
        If there is not exactly one length less than there are schedules, if a parameter is outside its range, or if
        schedules are nested more than 50 deep.
    TypeError
        If `schedules` or `lengths` is not a sequence, or if one of their elements has the wrong type.

    Examples
    --------
    The learning rate grows for 4 epochs. Then it is halved after every epoch:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> schedule = fb.schedules.Chain([fb.schedules.Warmup(4), fb.schedules.Exponential(0.5)], [4])
    >>> schedule.factor(np.arange(7), {})
    array([0.25, 0.5 , 0.75, 1.  , 1.  , 0.5 , 0.25])
    """

    schedules: tuple[Schedule, ...]
    lengths: tuple[int, ...]

    def __post_init__(self):
        super().__post_init__()
        for name in ("schedules", "lengths"):
            if not isinstance(getattr(self, name), Sequence):
                raise TypeError(f"{name} must be a sequence, got {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.lengths) != len(self.schedules) - 1:
            raise ValueError(f"lengths must be one fewer than the {len(self.schedules)} schedules, got {self.lengths}")
        for k, length in enumerate(self.lengths):
            checks.integer(length, f"lengths[{k}]", 1)
        self._combine({f"schedules[{k}]": schedule for k, schedule in enumerate(self.schedules)})

    @property
    def monitors(self) -> tuple[str, ...]:
        return tuple(monitor for schedule in self.schedules for monitor in schedule.monitors)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return, for each x, the factor of the schedule that runs at this x, see `Schedule.factor`."""
        factor, start = self.schedules[0].factor(x, scores), 0.0
        for schedule, length in zip(self.schedules[1:], self.lengths, strict=True):
            start += length
            factor = np.where(x < start, factor, schedule.factor(np.maximum(x - start, 0), scores))
        return factor
