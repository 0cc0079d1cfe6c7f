"""This module holds `Program`: the list of the operations that are done with each minibatch, and their records."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

import numpy as np

from ..kernels.structs import BLOCK, GROUP
from . import kernel_cache
from .blocks import Block
from .input_paths import InputPaths, Path
from .kernel_cache import Kernel, Operation
from .layers.base import Layer, Place
from .memory import Memory, Model
from .records import Record
from .rule import Hyperparameters, Rule


class Program:
    """`Program` is a list of operations on a network, for one way of reading inputs and one form of targets.

    Attributes
    ----------
    places : list of (Layer, Place)
        The layers 1 .. L, and where they work.
    frozen : set of int
        The numbers of the layers whose parameters stay as they are.
    loss, update : Record or None
        The LOSS record and the UPDATE record.
    direct : Record or None
        The record of the product that reads the array of the user, if there is one.
    source : Record or None
        The record of the operation that copies the inputs, if there is one.
    checker : Kernel or None
        What looks at the result of the first product, before it is written.
    """

    def __init__(
        self,
        model: Model,
        memory: Memory,
        paths: InputPaths,
        path: Path,
        loss: Record | None = None,
        update: Record | None = None,
        hyperparameters: Hyperparameters | None = None,
    ):
        self.model, self.memory, self.paths, self.inputs = model, memory, paths, paths.buffer(path)
        self.loss, self.update, self._hyperparameters = loss, update, hyperparameters
        self.direct: Record | None = None
        self.source: Record | None = None
        self.frozen: Set[int] = frozenset()
        self.checker: Kernel | None = None
        a = [self.inputs, *memory.a[1:]]
        self.places: list[tuple[Layer, Place]] = [
            (layer, Place(self, a[l], a[l + 1], memory.delta[l + 1], memory.delta[l], memory.slope[l + 1]))
            for l, layer in enumerate(model.layers)
        ]
        self._phases: list[tuple[int, int, bool, bool]] = []
        self._operations: list[Operation] = []
        self._needed: list[tuple[Kernel, Callable[..., None]]] = []
        self._groups: dict[tuple[Any, ...], dict[str, Any]] = {}

    @property
    def trained(self) -> list[tuple[Layer, Place]]:
        """The layers whose parameters change, and where they work."""
        return [(layer, at) for layer, at in self.places if layer.number not in self.frozen]

    def kernel(self, factory: Callable[..., Any], *options: object) -> Kernel:
        """Return the kernel of a factory for the dtype of the network, or a kernel that is the same for all dtypes."""
        return Kernel(factory, None if hasattr(factory, "py_func") else self.model.dtype, options)

    def of_loss(self, factory: Callable[..., Any], *options: object) -> Operation:
        """Return the operation of a kernel that gets the LOSS record."""
        assert self.loss is not None
        return self.kernel(factory, *options), self.loss

    def of_update(self, factory: Callable[..., Any]) -> Operation:
        """Return the operation of a kernel that gets the UPDATE record."""
        assert self.update is not None
        return self.kernel(factory), self.update

    def record(self, kind: np.dtype, **fields: Any) -> Record:
        """Return a record. Its fields may be kernels, whose addresses are known when the program is complete."""
        kernels = {name: value for name, value in fields.items() if isinstance(value, Kernel)}
        made = Record(kind, **{name: value for name, value in fields.items() if name not in kernels})
        for name, kernel in kernels.items():
            self._needed.append((kernel, lambda found, name=name: made.set(**{name: found})))
        return made

    def groups(self, factory: Callable[..., Any], sizes: tuple[int, ...], *options: object) -> dict[str, Any]:
        """Return the fields `groups` and `group_count` of a record, for kernels of groups of so many panels."""
        if (factory, options) not in self._groups:
            groups = np.zeros(len(sizes), GROUP)
            groups["panels"] = sizes
            for i, n in enumerate(sizes):
                self._needed.append((self.kernel(factory, n, *options), groups["kernel"][i : i + 1].fill))
            self._groups[factory, options] = {"groups": groups, "group_count": len(sizes)}
        return self._groups[factory, options]

    def block(self, block: Block, rule: Rule | None) -> Record:
        """Return the BLOCK record of a block of parameters. With a rule, it says how the block is updated."""
        made = Record(BLOCK, at=self.model.parameters.layout.at[block.name])
        if rule is not None and self._hyperparameters is not None:
            made.set(hyper=self._hyperparameters.place(block))
            if block.kind == "weight":
                made.set(l1=rule.l1, l2=rule.l2)
        return made

    def share(self, layer: Layer, everything: bool) -> dict[str, int]:
        """Return the fields of a record that divide the update of all layers over the threads.

        With `everything`, all layers share; else those that read all of their inputs, or add up several uses.
        """
        totals = np.zeros(2, int)
        fields = {}
        for each, at in self.trained:
            if each is layer:
                fields = {"before": int(totals[0]), "before_extra": int(totals[1])}
            if everything or each.shares or at.a.form == "dense":
                totals += each.effort(at)
        return {**fields, "total": int(totals[0]), "total_extra": int(totals[1])}

    def phase(self, *operations: Operation, alone: bool = False, at_end: bool = False) -> None:
        """Add a phase of operations to the list. Each thread carries out all of them for its share, without waiting.

        With `alone`, one thread alone carries them out. With `at_end`, they are only carried out after the last part of
        a minibatch.
        """
        first = len(self._operations)
        self._operations += operations
        self._phases.append((first, len(self._operations), alone, at_end))

    @property
    def kernels(self) -> list[Kernel]:
        """The kernels of the operations, and then those that their records need, until the program is complete."""
        return [kernel for kernel, _ in (*self._operations, *self._needed)]

    def close(self, parallel: bool) -> Program:
        """Write the complete list into memory, and return the program.

        All kernels are compiled together, with the loop for several threads if `parallel`, else with that for one.
        """
        found = kernel_cache.addresses(self.kernels, parallel)
        for (_, write), place in zip(self._needed, found[len(self._operations) :], strict=True):
            write(place)
        self.records = [made for _, made in self._operations]  # which keep what they point to alive
        places = zip(found, self.records, strict=False)
        self.operations = np.array([(place, made.address) for place, made in places], np.int64)
        self.phases = np.array(self._phases, np.int64)
        self.places, self._operations, self._needed = [], [], []  # places refer to the program: a cycle
        return self
