"""This module holds `Work`: a list of operations with the memory that they need, and the loop over the minibatches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..kernels.csr import spread
from ..kernels.inputs import gather, one_hot
from ..kernels.panels import aligned
from ..kernels.simd.target import TILE_ROWS
from ..kernels.structs import MATRIX
from . import kernel_cache, threads
from .input_paths import DENSE, Operation, Roads
from .memory import Model, Record, Workspace, address

PART_WORK = 1.6e10
"""The largest number of arithmetic operations of a part, which take 0.15 s on one fast core.

A call cannot end inside a part. With a smaller bound, minibatches of large networks would have several parts, and then
their gradient must go through memory.
"""

MOST_INPUTS = 1 << 16
"""The number of inputs from which on a part is not made smaller: then they are mostly a sparse matrix."""

CALL_SECONDS = 0.05
"""The time that a call into compiled code should last. Ctrl-C, the progress bar and other Python threads wait for its
end. A call costs some microseconds."""

MOST_STEPS = 1 << 15
"""The largest number of steps of a call. Their hyperparameters are written to memory before the call."""

MOST_THREADS = 1024
"""The largest number of threads. With more, some threads would have nothing to do."""

SHARED_WORK = 3e6
"""The number of arithmetic operations of a part that are worth one more thread. Starting and joining threads, and the
cache lines that cores exchange, cost about as much as one core computes in 10 microseconds."""


class DivergedError(ArithmeticError):
    """`DivergedError` means that the loss of a part is not finite. The attribute `part` is the number of the part."""

    def __init__(self, part: int):
        super().__init__(part)
        self.part = part


class Samples(NamedTuple):
    """`Samples` holds checked samples that the kernels can read, see `fastbp.data.samples`.

    Attributes
    ----------
    X : Inputs
        The inputs.
    y : Targets or None
        The targets. Predictions need none.
    """

    X: Any
    y: Any = None
    order: np.ndarray | None = None
    """The numbers of the samples to use, in their order. With None, all samples are used in the order of the array."""
    weights: np.ndarray | None = None
    """The float64 weight of each sample of the arrays. With None, all weights are 1."""
    signed: bool = False
    """Whether weights may be negative. The loss is then divided by the number of samples, not by the sum of weights."""

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.X.array) if self.order is None else self.order.size


class Hyperparameters:
    """`Hyperparameters` writes the hyperparameters of an update rule to memory before a call, one row for each step.

    Parameters
    ----------
    names : tuple of str
        The names of the hyperparameters.
    at : function
        A function that takes an array of step numbers, from 1 on, and returns the hyperparameters by their names.
    dtype : dtype
        The dtype of the memory.
    """

    def __init__(self, names: tuple[str, ...], at: Callable[[np.ndarray], dict[str, Any]], dtype: np.dtype):
        self.names, self.at = names, at
        self.memory = aligned(MOST_STEPS * len(names), dtype)

    def lay_down(self, first: int, last: int) -> None:
        """Write the rows of the steps first < t <= last."""
        # Powers such as 0.9^t become 0 after many steps, which must not be an error, whatever np.seterr says.
        with np.errstate(all="ignore"):
            values = self.at(np.arange(first + 1, last + 1))
            for column, name in enumerate(self.names):
                self.memory.reshape(MOST_STEPS, -1)[: last - first, column] = values[name]


class Work:
    """`Work` is a list of operations on a network, with their memory. The module `plan` writes such lists.

    Parameters
    ----------
    model : Model
        The network.
    batch : int
        The number of samples in a minibatch.
    most_rows : int
        The largest number of rows of a part.
    n_threads : int or None
        The number of threads. With None, as many as the work is worth.
    targets : int, keyword-only
        The number of targets of a sample. With 0, there are none.
    backward : bool, keyword-only
        Whether there is a backward pass.
    seed : int or None, keyword-only, default None
        The seed of dropout and input noise. With None, there is neither.
    """

    def __init__(
        self,
        model: Model,
        batch: int,
        most_rows: int,
        n_threads: int | None,
        *,
        targets: int,
        backward: bool,
        seed: int | None = None,
    ):
        layout = model.parameters.layout
        if seed is None:
            model = model._replace(dropout=(0.0,) * layout.depth, noise=0.0)
        self.backward = backward
        self.model, self.layout, self.dtype = model, layout, layout.dtype
        first = layout.up(layout.sizes[0]) * layout.sizes[1]
        self._other_weights = layout.weight_count - first
        weights = self._other_weights + min(first, MOST_INPUTS * layout.sizes[1])
        bound = max(TILE_ROWS, int(PART_WORK / (6 * weights)) // TILE_ROWS * TILE_ROWS)
        self.batch, self.part = batch, min(batch, most_rows, bound)
        self.parts = -(-batch // self.part)
        self.steps_done = 0
        """The number of steps before the first minibatch of `run`."""
        self.n_threads, self.most_threads = n_threads, min(n_threads or threads.available(), MOST_THREADS)
        self.memory = Workspace(model, self.part, self.most_threads, targets=targets, backward=backward)
        self.step = self.memory.step
        self.step.set(batch=batch, part=self.part, parts=self.parts, seed=(seed or 0) % 2**63)
        self.roads = Roads(model, self.memory, self.part, backward=backward)
        """The operations of the first layer, and how they read X."""
        zeros, ones = aligned(layout.up(targets), self.dtype), aligned(layout.up(targets), self.dtype)
        ones[:] = 1
        places = {"row": layout.lanes, "panel": self.memory.stride}
        self.targets = Record(MATRIX, columns=targets, shift=zeros, scale=ones, panels=self.memory.y, **places)
        """The record of the operation that copies the targets, which are rows or labels."""
        self.loss: Record | None = None
        self.gradient: np.ndarray | None = None
        """The vector like theta to which the gradient is written."""
        self.to_inputs: tuple[Record, np.ndarray] | None = None
        """The OUTPUTS record of the gradient with respect to x', whose field `out` must be set to an array before each
        run; and the transposed weights of the first layer, which must be those of theta."""
        self.update: Record | None = None
        self.hyperparameters: Hyperparameters | None = None
        self._phases: list[tuple[int, int, bool, bool]] = []
        self._operations: list[Operation] = []
        self._samples, self._n, self._direct, self._parts_a_call = None, 0, False, 0.0

    def kernel(self, factory: Callable, *options: object) -> int:
        """Return the address of the kernel of an operation for the dtype of the network."""
        return kernel_cache.kernel(factory, self.dtype, *options)

    def phase(self, *operations: Operation, alone: bool = False, at_end: bool = False) -> None:
        """Add a phase of operations to the list.

        Parameters
        ----------
        *operations : Operation
            The operations. Each thread carries out all of them for its share, without waiting for others.
        alone : bool, keyword-only, default False
            Whether one thread alone carries them out.
        at_end : bool, keyword-only, default False
            Whether they are only carried out after the last part of a minibatch.
        """
        first = len(self._operations)
        self._operations += operations
        self._phases.append((first, len(self._operations), alone, at_end))

    def close(self) -> Work:
        """Write the list into records, when it is complete, and return the work."""
        self._phase_records = np.array(self._phases, np.int64)
        self._operation_records = np.array([(kernel, made.address) for kernel, made in self._operations], np.int64)
        self.roads.close(self._operations, self._operation_records)
        self.step.set(phases=self._phase_records, phase_count=len(self._phases), operations=self._operation_records)
        self._gathering = next(p for p, phase in enumerate(self._phases) if not phase[2])
        self._target = next((i for i, (_, made) in enumerate(self._operations) if made is self.targets), None)
        return self

    @property
    def operations(self) -> list[Operation]:
        """The operations in their order, with the kernels that they have now."""
        if self.roads.road is None:
            self.roads.take(DENSE)
        kernels = self._operation_records[:, 0].tolist()
        return [(kernel, made) for kernel, (_, made) in zip(kernels, self._operations, strict=True)]

    def reading(self, samples: Samples) -> Work:
        """Read these samples, inside a with statement.

        At its end, the work forgets the samples and has nothing to do. Its records still hold addresses of their
        memory, which others may free, so nothing must run then.
        """
        self._samples, (X, y, order, weights) = samples, samples[:4]
        self._n = samples.n
        weighted = 0 if weights is None else 2 if samples.signed else 1
        self.step.set(n=self._n, order_size=0 if order is None else self._n, weighted=weighted)
        if order is not None:
            self.step.set(order=address(order))
        if weights is not None:
            self.step.set(sample_weights=address(weights))
        self.roads.read(X, order, self._n, trains=self.hyperparameters is not None)
        if self.roads.direct != self._direct:
            # Where the first product reads X itself, the first operation, which copies X, has nothing to do.
            self._phase_records[self._gathering, 0] = self._phases[self._gathering][0] + self.roads.direct
            self._direct = self.roads.direct
        if y is not None:
            factory = spread if y.sparse else one_hot if y.labels else gather
            self._operation_records[self._target, 0] = self.kernel(factory)
            self.targets.set(kind=y.kind, **y.places)
            self.loss.set(by_output=y.by_output)
        return self

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self._samples = None
        self.step.set(n=0)

    @property
    def sums(self) -> tuple[float, float, float]:
        """The sums of the loss, of right predictions and of weights, over all samples since the last assignment.

        Assign the sums of earlier samples to continue with them.
        """
        return self.step["cost"], self.step["hit"], self.step["seen"]

    @sums.setter
    def sums(self, values: tuple[float, float, float]) -> None:
        cost, hit, seen = values
        self.step.set(cost=cost, hit=hit, seen=seen)

    def scores(self, classes: bool) -> dict[str, float]:
        """Return the weighted mean loss of the samples since `sums` was set, and with `classes` also the accuracy."""
        cost, hit, seen = self.sums
        scores = {"loss": cost / (seen or 1.0)}
        if classes:
            scores["accuracy"] = hit / (seen or 1.0)
        return scores

    @property
    def threads(self) -> int:
        """The number of threads that work on a part."""
        if not threads.allowed():
            return 1
        if self.n_threads is not None:
            return self.most_threads
        rows = min(self.part, self._n)
        weights = self._other_weights + self.roads.inputs * self.layout.sizes[1]
        work_a_row = weights * (6 if self.backward else 2)
        worth = min(int(rows * work_a_row / SHARED_WORK), -(-rows // TILE_ROWS))
        return min(threads.available(), self.most_threads, worth) if worth > 1 else 1

    def run(self, first: int = 0, last: int | None = None) -> Iterator[int]:
        """Work through the minibatches first <= k < last.

        Minibatch 0 belongs to step `steps_done` + 1. The `sums` continue.

        Parameters
        ----------
        first : int, default 0
            The first minibatch.
        last : int or None, default None
            The minibatch at which to stop. With None, the work goes through all minibatches.

        Yields
        ------
        int
            The number of finished minibatches, after each call into compiled code. A large minibatch may need several
            calls, and the number stays the same until its end.

        Raises
        ------
        DivergedError
            If the loss is not finite. The parameters have not changed for that minibatch.
        """
        if last is None:
            last = -(-self._n // self.batch)
        part, end = first * self.parts, last * self.parts
        count = self.threads
        self._set_off(count)
        while part < end:
            if count > 1 and not threads.allowed():  # a callback has forked, and this is the child
                count = 1
                self._set_off(count)
            stop = min(end, part + max(1, int(self._parts_a_call)))
            if self.hyperparameters:
                first = part // self.parts
                stop = min(stop, (first + MOST_STEPS) * self.parts)
                self.hyperparameters.lay_down(self.steps_done + first, self.steps_done - (-stop // self.parts))
                self.update.set(hyper_first=first)
            start = time.perf_counter()
            self._call(part, stop, count)
            pace = (stop - part) / max(time.perf_counter() - start, 1e-9)
            # The number of parts may only grow by a factor of 8. The first call has one part and is slow, because the
            # cache is cold, so its speed says little about the next calls.
            self._parts_a_call = min(max(8 * self._parts_a_call, 8), pace * CALL_SECONDS)
            part = stop
            yield part // self.parts

    def finish(self) -> None:
        """Work through all minibatches, with `sums` that start at 0."""
        if self.loss is not None:
            self.sums = 0.0, 0.0, 0.0
        if self._n > self.part:
            for _ in self.run():
                pass
            return
        # There is one part. `run` and its clock would take a third of the time of a prediction of one row.
        count = self.threads
        self._set_off(count)
        self._call(0, 1, count)

    def run_once(self) -> None:
        """Run once a list of operations that needs no samples."""
        self._n = 1
        self.step.set(n=1)
        for _ in self.run(0, 1):
            pass

    def _set_off(self, count: int) -> None:
        """Prepare a run with a number of threads."""
        if count > 1:
            threads.start()  # first, because compiling or loading the loop would start them with the default of spins
        self._loop = kernel_cache.loop(count > 1)
        self.step.set(threads=count, step=self.steps_done)

    def _call(self, first: int, last: int, count: int) -> None:
        """Let the compiled loop work through the parts first <= k < last, with `count` threads."""
        if self.backward:
            self.model.parameters.refresh()  # the weights may have been set from outside since the last call
        if count == 1:
            done = self._loop(self.step.address, first, last)
        else:
            with threads.team(count):
                done = self._loop(self.step.address, first, last)
        if done < last:
            self.step.set(diverged=0)
            raise DivergedError(done)
