"""This module holds `Rule`, which says how parameters are updated, and writes its hyperparameters to memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from ..kernels.panels import aligned
from .blocks import Block
from .records import address

MOST_STEPS = 1 << 15
"""The largest number of steps of a call. Their hyperparameters are written to memory before the call."""


class Moving(NamedTuple):
    """`Moving` says how an average of the parameters moves after each step, see `fastbp.rules.averages`."""

    average: np.ndarray
    """The average: a vector like theta."""
    rate: float
    """The share of the way to theta that it moves."""
    warm_up: float
    """The number that makes the first steps longer."""
    average_first: int
    """The number of its first step."""


class Rule(NamedTuple):
    """`Rule` says how parameters are updated."""

    optimizer: Any
    """The optimizer, with `update`, `states` and `hyperparameters`, see `fastbp.rules.optimizers`."""
    vectors: np.ndarray
    """The state of the optimizer: vectors like theta, one after another."""
    at: Callable[[np.ndarray, Any], dict[str, Any]]
    """A function that takes an array of step numbers, from 1 on, and a group of blocks. It returns the hyperparameters
    of the group by their names."""
    group: Callable[[Block], Hashable] = lambda block: None
    """A function that returns the group of a block: blocks of one group have the same hyperparameters."""
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    stored: bool = False
    """Whether the gradient is written to memory first, and the parameters are updated afterwards."""
    lazy: bool = False
    """Whether a step leaves the weights of inputs that do not occur in its minibatch as they are."""
    moving: Moving | None = None
    """The average that moves after each step, or None."""
    l2_divided: bool = False
    """Whether l2 is divided by the sum of the weights of the samples of a minibatch."""
    frozen: frozenset[int] = frozenset()
    """The numbers of layers whose parameters stay as they are."""

    @property
    def shaped(self) -> bool:
        """Whether clipping or regularization changes the gradient before the optimizer uses it."""
        return bool(self.l1 or self.l2 or self.clip_value or self.clip_norm)


def options_of(rule: Rule | None) -> tuple[Any, bool]:
    """Return the options of a kernel that applies a rule or, with None, writes the gradient to memory."""
    return (None, False) if rule is None else (rule.optimizer, rule.shaped)


class Hyperparameters:
    """`Hyperparameters` writes the hyperparameters of an update rule to memory before a call, one row for each step.

    A row has the hyperparameters of each group of blocks, one group after another.
    """

    def __init__(self, rule: Rule, blocks: tuple[Block, ...], dtype: np.dtype):
        self.names, self.at, self._group = rule.optimizer.hyperparameters, rule.at, rule.group
        self.groups = list(dict.fromkeys(map(rule.group, blocks)))
        self.width = len(self.groups) * len(self.names)
        self.memory = aligned(MOST_STEPS * self.width, dtype)

    def place(self, block: Block) -> int:
        """Return the address of the hyperparameters of a block in the first row."""
        number = self.groups.index(self._group(block))
        return address(self.memory) + number * len(self.names) * self.memory.itemsize

    def lay_down(self, first: int, last: int) -> None:
        """Write the rows of the steps first < t <= last."""
        rows, column = self.memory.reshape(MOST_STEPS, -1)[: last - first], 0
        # Powers such as 0.9^t become 0 after many steps, which must not be an error, whatever np.seterr says.
        with np.errstate(all="ignore"):
            for group in self.groups:
                values = self.at(np.arange(first + 1, last + 1), group)
                for name in self.names:
                    rows[:, column] = values[name]
                    column += 1
