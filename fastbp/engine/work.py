"""Work: a list of operations with the memory that they need, and the loop that runs it over the minibatches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..kernels.inputs import gather, one_hot
from ..kernels.panels import aligned
from ..kernels.records import LABELS, MATRIX, PRODUCT
from ..kernels.simd.target import TILE_ROWS
from . import compiled, threads
from .workspace import Model, Record, Workspace

PART_WORK = 1.6e10
"""The most arithmetic operations of a part, 0.15 s on one fast core: a call cannot end within one. A smaller bound
would part minibatches of large networks, whose gradient then goes through memory."""

CALL_SECONDS = 0.05
"""What a call into compiled code should last: Ctrl-C, progress and other Python threads wait for its end. It costs
some microseconds."""

MOST_STEPS = 1 << 15
"""The most steps of a call, for which the hyperparameters are laid down before it."""

MOST_THREADS = 1024
"""More threads than this would only run loops that do nothing."""

SHARED_WORK = 3e6
"""Arithmetic operations in a part that are worth another thread: a fork-join and the lines that cores exchange cost
about what one core does in 10 microseconds."""

Operation = tuple[int, Record]
"""The address of a compiled kernel, and its record."""


class DivergedError(ArithmeticError):
    """The loss of a part is not finite."""

    def __init__(self, part: int):
        super().__init__(part)
        self.part = part


class Samples(NamedTuple):
    """Samples that the kernels can read where they lie, all checked; see `fastbp.data.samples`."""

    X: Any
    y: Any = None
    order: np.ndarray | None = None
    """The numbers of the samples to work on, in their order; None for all as they lie."""
    weights: np.ndarray | None = None
    """A float64 weight for each sample of the arrays; None if all are 1."""

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.X.array) if self.order is None else self.order.size


class Hyperparameters:
    """The hyperparameters of an update rule, a row for each step, laid down in memory before a call.

    Parameters
    ----------
    names : of the hyperparameters.
    at : function
        Their values by name at an array of steps, which count from 1.
    dtype : of the memory.
    """

    def __init__(self, names: tuple[str, ...], at: Callable[[np.ndarray], dict[str, Any]], dtype: np.dtype):
        self.names, self.at = names, at
        self.memory = aligned(MOST_STEPS * len(names), dtype)

    def lay_down(self, first: int, last: int) -> None:
        """Write the rows of steps first < t <= last."""
        values = self.at(np.arange(first + 1, last + 1))
        for column, name in enumerate(self.names):
            self.memory.reshape(MOST_STEPS, -1)[: last - first, column] = values[name]


class Work:
    """A list of operations on a network; `plan.py` writes such lists.

    Parameters
    ----------
    model : the network.
    batch : samples a minibatch.
    most_rows : the most rows of a part.
    n_threads : None for as many as the work is worth.
    targets, backward : as for `Workspace`.
    seed : of dropout and noise; None for neither.
    """

    def __init__(
        self,
        model: Model,
        batch: int,
        most_rows: int,
        n_threads: int | None,
        *,
        targets: bool,
        backward: bool,
        seed: int | None = None,
    ):
        layout = model.parameters.layout
        if seed is None:
            model = model._replace(dropout=(0.0,) * layout.depth, noise=0.0)
        self.backward = backward
        self.model, self.layout, self.dtype, n_in, n_out = (
            model,
            layout,
            layout.dtype,
            layout.sizes[0],
            layout.sizes[-1],
        )
        bound = max(TILE_ROWS, int(PART_WORK / (6 * layout.weight_count)) // TILE_ROWS * TILE_ROWS)
        self.part = min(batch, most_rows, bound)
        self.parts = -(-batch // self.part)
        self.steps_done = 0
        """Steps before the first minibatch of `run`."""
        self.n_threads, self.most_threads = n_threads, min(n_threads or threads.available(), MOST_THREADS)
        self.memory = Workspace(model, self.part, self.most_threads, targets=targets, backward=backward)
        self.step = self.memory.step
        self.step.set(batch=batch, part=self.part, parts=self.parts, seed=seed or 0)
        self.rows = Record(MATRIX, columns=n_in, shift=model.shift, scale=model.scale, panels=self.memory.a[0])
        """What gathers X into a^0."""
        self.first_product = Record(PRODUCT, a=self.memory.a[0], a_row=layout.lanes, a_panel=self.memory.stride)
        """What reads a^0, or X where it lies."""
        zeros, ones = aligned(layout.up(n_out), self.dtype), aligned(layout.up(n_out), self.dtype)
        ones[:] = 1
        self.target_rows = Record(MATRIX, columns=n_out, shift=zeros, scale=ones, panels=self.memory.y)
        self.target_labels = Record(LABELS, columns=n_out, panels=self.memory.y)
        self.loss: Record | None = None
        self.gradient: np.ndarray | None = None
        """Where the gradient is written to: a vector like theta."""
        self.update: Record | None = None
        self.hyperparameters: Hyperparameters | None = None
        self._phases: list[tuple[int, int, bool, bool]] = []
        self.operations: list[Operation] = []
        # Predictions read inputs that need no conversion where they lie; the gradient wants panels.
        self._plain = not backward and not model.shift.any() and bool((model.scale[:n_in] == 1).all())
        self._work_a_row = layout.weight_count * (6 if backward else 2)
        self._samples: Samples | None = None
        self._parts_a_call, self._loops = 0.0, {}

    def kernel(self, factory: Callable, *options: object) -> int:
        """The address of an operation's kernel for the network's dtype."""
        return compiled.kernel(factory, self.dtype, *options)

    def phase(self, *operations: Operation, alone: bool = False, at_end: bool = False) -> None:
        """Add operations that every thread runs for its share, or, `alone`, one thread; `at_end`, after a minibatch."""
        first = len(self.operations)
        self.operations += operations
        self._phases.append((first, len(self.operations), alone, at_end))

    def close(self) -> Work:
        """Write the list into records, now that it is complete."""
        self._phase_records = np.array(self._phases, np.int64)
        self._operation_records = np.array([(kernel, made.address) for kernel, made in self.operations], np.int64)
        self.step.set(phases=self._phase_records, phase_count=len(self._phases), operations=self._operation_records)
        self._gathering = next(p for p, phase in enumerate(self._phases) if not phase[2])
        targets = [i for i, (_, made) in enumerate(self.operations) if made is self.target_rows]
        self._targets = targets[0] if targets else None
        return self

    def reading(self, samples: Samples) -> Work:
        """Work on these samples, in a with statement.

        At its end they are let go: records must not keep addresses of memory that others may free, nor the work keep it
        alive.
        """
        X, y, order, weights = self._samples = samples
        self.step.set(n=samples.n, order_size=0, weighted=weights is not None)
        if order is not None:
            self.step.set(order=order, order_size=order.size)
        if weights is not None:
            self.step.set(sample_weights=weights)
        direct = self._plain and order is None and X.array.dtype == self.dtype
        if direct:
            n_in, L = self.layout.sizes[0], self.layout.lanes
            self.first_product.set(a=X.array, a_row=n_in, a_panel=L, a_sample=n_in)
        elif self._plain:
            L, stride = self.layout.lanes, self.memory.stride
            self.first_product.set(a=self.memory.a[0], a_row=L, a_panel=stride, a_sample=0)
        if not direct:
            self.rows.set(source=X.array, kind=X.kind)
        self._phase_records[self._gathering, 0] = self._phases[self._gathering][0] + direct
        if y is not None:
            self._read_targets(y)
        return self

    def _read_targets(self, y: Any) -> None:
        """Have the operation of the targets read labels, or rows."""
        made = self.target_labels if y.labels else self.target_rows
        made.set(source=y.array)
        if not y.labels:
            made.set(kind=y.kind)
        self._operation_records[self._targets] = self.kernel(one_hot if y.labels else gather), made.address
        self.loss.set(by_output=y.by_output)

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self._samples = None
        self.step.set(n=0, order_size=0, weighted=0)
        self.step.forget("order", "sample_weights")
        for made in (self.rows, self.target_rows, self.target_labels):
            made.forget("source")
        self.first_product.forget("a")
        if not self._plain:
            self.first_product.set(a=self.memory.a[0])

    @property
    def sums(self) -> tuple[float, float, float]:
        """The loss, hits and weights of the samples seen since this was last set; set it to carry on with others."""
        return self.step["cost"], self.step["hit"], self.step["seen"]

    @sums.setter
    def sums(self, values: tuple[float, float, float]) -> None:
        cost, hit, seen = values
        self.step.set(cost=cost, hit=hit, seen=seen)

    def scores(self, classes: bool) -> dict[str, float]:
        """The mean loss over the samples since `sums` was set, and of classes the accuracy; of weighted samples."""
        cost, hit, seen = self.sums
        scores = {"loss": cost / (seen or 1.0)}
        if classes:
            scores["accuracy"] = hit / (seen or 1.0)
        return scores

    @property
    def threads(self) -> int:
        """How many threads work on a part."""
        if not threads.allowed():
            return 1
        if self.n_threads is not None:
            return self.most_threads
        rows = min(self.part, self.step["n"])
        worth = min(int(rows * self._work_a_row / SHARED_WORK), -(-rows // TILE_ROWS))
        return min(threads.available(), self.most_threads, worth) if worth > 1 else 1

    def run(self, first: int = 0, last: int | None = None) -> Iterator[int]:
        """Work through the minibatches [first, last), by default all, and yield how far it has come after each call.

        A large minibatch may need several calls, and how far it has come stays the same until its end. Minibatch 0
        belongs to step `steps_done` + 1. `sums` go on.

        Raises
        ------
        DivergedError
            At a loss that is not finite. The parameters have not seen that minibatch.
        """
        if last is None:
            last = -(-self.step["n"] // self.step["batch"])
        part, end = first * self.parts, last * self.parts
        self._set_off(self.threads)
        while part < end:
            stop = min(end, part + max(1, int(self._parts_a_call)))
            if self.hyperparameters:
                first = part // self.parts
                stop = min(stop, (first + MOST_STEPS) * self.parts)
                self.hyperparameters.lay_down(self.steps_done + first, self.steps_done - (-stop // self.parts))
                self.update.set(hyper_first=first)
            start = time.perf_counter()
            self._call(part, stop)
            pace = (stop - part) / max(time.perf_counter() - start, 1e-9)
            # Growth is bounded: the first call, of one part, includes what a cold cache costs.
            self._parts_a_call = min(max(8 * self._parts_a_call, 8), pace * CALL_SECONDS)
            part = stop
            yield part // self.parts

    def finish(self) -> None:
        """Work through all minibatches, with new `sums`."""
        self.sums = 0.0, 0.0, 0.0
        if self.step["n"] > self.part:
            for _ in self.run():
                pass
            return
        # One part; `run` and its clock would be a third of what a row takes.
        self._set_off(self.threads)
        self._call(0, 1)

    def run_once(self) -> None:
        """Run a list that needs no samples."""
        self.step.set(n=1)
        for _ in self.run(0, 1):
            pass

    def _set_off(self, count: int) -> None:
        """Begin a run of so many threads."""
        if count > 1:
            threads.start()  # before the loop is compiled or loaded, which would start them with other spins
        self._loop = compiled.loop(count > 1)
        self.step.set(threads=count, step=self.steps_done, diverged=0)

    def _call(self, first: int, last: int) -> None:
        """Have the compiled loop work through the parts [first, last)."""
        if self.backward:
            self.model.parameters.refresh()  # somebody else may have set the weights since the last call
        count = self.step["threads"]
        if count == 1:
            done = self._loop(self.step.address, first, last)
        else:
            with threads.team(count):
                done = self._loop(self.step.address, first, last)
        if done < last:
            raise DivergedError(done)
