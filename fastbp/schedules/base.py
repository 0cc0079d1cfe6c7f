"""This module holds the base class of all schedules, and the schedules `Product` and `Chain`, which combine others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Literal

import numpy as np

from ..base import checks
from ..base.value_objects import Value, call, field

Unit = Literal["epoch", "step"]

UNITS: tuple[Unit, ...] = ("epoch", "step")
"""The units in which a schedule can count. A step is one update of the parameters, after one minibatch."""

DEEPEST = 50
"""How deep schedules may be nested in each other. Python cannot follow much more than that into a file and back."""

Scores = Mapping[str, Sequence[float]]
"""The history of training: the name of each column, and for each finished epoch one value."""


class Schedule(Value, ABC):
    """`Schedule` is the base class of all schedules: objects that change the learning rate during training.

    At each step, `Trainer` multiplies the learning rate of the optimizer by the factor of the schedule. The factor is
    a function of x, the number of epochs that are finished. In the first epoch x is 0, in the second epoch x is 1.
    With ``per="step"``, x is the number of steps that are finished, over all epochs.

    To write your own schedule, derive a class from this one and define `factor`.

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

    _depth = 0
    _: KW_ONLY
    per: Unit = field(
        "The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.",
        checks.Choice(UNITS),
        default="epoch",
    )

    def _combine(self, parts: Mapping[str, object]) -> None:
        """Check that the parts of a schedule, by their names, are schedules and are not nested too deep."""
        depth = 1
        for name, part in parts.items():
            if not isinstance(part, Schedule):
                raise TypeError(f"{name} must be a schedule, got {part!r}")
            depth = max(depth, 1 + part._depth)
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
        with np.errstate(all="ignore"):  # a factor that becomes 0 is not an error, whatever np.seterr says
            return np.broadcast_to(np.asarray(self.factor(x, scores), np.float64), x.shape)

    def __mul__(self, other: Schedule) -> Schedule:
        """Return the `Product` of this schedule and `other`. Python raises TypeError if `other` is not a schedule."""
        return Product(self, other) if isinstance(other, Schedule) else NotImplemented


class Product(Schedule):
    """`Product` multiplies the factors of two schedules. Write it as ``a * b``.

    Each of the two schedules counts in its own unit, so one can count steps and the other can count epochs. The unit of
    the product has no effect in training. Schedules can be nested at most 50 deep.

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

    a: Schedule = field("The first schedule.")
    b: Schedule = field("The second schedule.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._combine({"a": self.a, "b": self.b})

    def __repr__(self) -> str:
        if self.per != "epoch":  # the operator makes no such product
            return call(self)
        return f"{self.a!r} * {f'({self.b!r})' if isinstance(self.b, Product) else self.b}"

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return the product of both factors at the same x. The method `at` gives each schedule its own x instead."""
        product: np.ndarray = self.a.factor(x, scores) * self.b.factor(x, scores)
        return product

    @property
    def monitors(self) -> tuple[str, ...]:
        return self.a.monitors + self.b.monitors

    def at(self, steps: np.ndarray, epoch: int, scores: Scores) -> np.ndarray:
        with np.errstate(all="ignore"):
            product: np.ndarray = self.a.at(steps, epoch, scores) * self.b.at(steps, epoch, scores)
            return product


class Chain(Schedule):
    """`Chain` runs several schedules one after another.

    Each schedule starts at its own x = 0 when the schedule before it ends. The last schedule has no end. The chain
    counts in its own unit, and ignores those of its schedules. Schedules can be nested at most 50 deep.

    Examples
    --------
    The learning rate grows for 4 epochs. Then it is halved after every epoch:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> schedule = fb.schedules.Chain([fb.schedules.Warmup(4), fb.schedules.Exponential(0.5)], [4])
    >>> schedule.factor(np.arange(7), {})
    array([0.25, 0.5 , 0.75, 1.  , 1.  , 0.5 , 0.25])
    """

    schedules: Sequence[Schedule] = field("The schedules in their order.", checks.sequence, kind="sequence of Schedule")
    lengths: Sequence[int] = field(
        "How long each schedule runs, for all schedules except the last. Each length must be at least 1.",
        checks.sequence,
        kind="sequence of int",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
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
