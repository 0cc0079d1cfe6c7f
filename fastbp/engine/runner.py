"""This module holds `Work`: programs with the memory that they need, and the loop over the minibatches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..kernels.panels import lanes_of, round_up
from ..kernels.simd.target import TILE_ROWS
from . import companions, kernel_cache, threads
from .input_paths import InputPaths, Path
from .memory import Memory, Model
from .program import Program
from .records import Record, address
from .rule import MOST_STEPS, Hyperparameters

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
    """`Samples` holds checked samples that the kernels can read, see `fastbp.data.samples`."""

    X: Any
    """The `Inputs`."""
    y: Any = None
    """The `Targets`. Predictions need none."""
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


class Work:
    """`Work` runs operations on the samples of a network, and has their memory. The module `plan` makes works.

    For each input path and each form of targets there is a program, which is written when it is first needed. All
    programs work in the same memory.

    A minibatch has `batch` samples, and a part has at most `most_rows` rows. With `n_threads` None, there are as many
    threads as the work is worth. A sample has `targets` targets, or none with 0. With `backward`, there is a backward
    pass. `seed` is that of dropout and input noise: with None, there is neither. With `pairs`, each sample has two rows
    of memory, the second one `part` rows after the first, and a minibatch is always one part.

    Attributes
    ----------
    write : function
        A function that adds the phases of the work to a `Program`, for targets of a form: "rows", "labels", "entries",
        or None without targets.
    loss, update : Record or None
        The LOSS and the UPDATE record.
    hyperparameters : Hyperparameters or None
        The hyperparameters of the update.
    gradient : vector or None
        The vector like theta that holds the gradient.
    to_inputs : pair or None
        The OUTPUTS record of the gradient with respect to x', whose field `out` must be set to an array before each
        run; and the transposed weights of the first layer, which must be those of theta.
    """

    def __init__(
        self,
        model: Model,
        batch: int,
        most_rows: int,
        n_threads: int | None,
        *,
        targets: int = 0,
        backward: bool = False,
        seed: int | None = None,
        pairs: bool = False,
    ):
        model = model if seed is not None else model.without_randomness()
        self.model, self.backward = model, backward
        self.reads_copy = backward or any(layer.reads_copy for layer in model.layers)
        lanes = lanes_of(model.dtype)
        each = [round_up(layer.n_in, lanes) * layer.multiplications // layer.n_in for layer in model.layers]
        self._other_weights, self._outputs = sum(each[1:]), each[0] // round_up(model.sizes[0], lanes) if each else 0
        weights = self._other_weights + min(sum(each[:1]), MOST_INPUTS * self._outputs)
        bound = max(TILE_ROWS, int(PART_WORK / (6 * max(weights, 1))) // TILE_ROWS * TILE_ROWS)
        self.batch, self.part = batch, batch if pairs else min(batch, most_rows, bound)
        self.parts = -(-batch // self.part)
        self.steps_done = 0
        """The number of steps before the first minibatch of `run`."""
        self.n_threads, self.most_threads = n_threads, min(n_threads or threads.available(), MOST_THREADS)
        rows = self.part * (1 + pairs)
        self.memory = Memory(model, rows, self.most_threads, targets=targets, backward=backward)
        self.step = self.memory.step
        self.step.set(batch=batch, part=self.part, parts=self.parts, seed=(seed or 0) % 2**63)
        self.paths = InputPaths(model, self.memory, backward=backward)
        self.write: Callable[[Program, str | None], None]
        self.loss: Record | None = None
        self.update: Record | None = None
        self.hyperparameters: Hyperparameters | None = None
        self.gradient: np.ndarray | None = None
        self.to_inputs: tuple[Record, np.ndarray] | None = None
        self._programs: dict[tuple[Path, str | None], Program] = {}
        self._program: Program | None = None
        self._unit = self.memory.unit
        self._samples: Samples | None = None
        self._n, self._parts_a_call = 0, 0.0

    def program(self, path: Path, form: str | None) -> Program:
        """Return the program for an input path and a form of targets, and let the loop run it.

        As long as the kernels that leave zeros out are compiled in the background, it is the program for dense inputs.
        """
        key = path, form
        if key not in self._programs:
            if path == "zeros" and companions.background.busy:
                return self.program("dense", form)
            program = Program(self.model, self.memory, self.paths, path, self.loss, self.update, self.hyperparameters)
            self.write(program, form)
            if path == "zeros" and (missing := kernel_cache.for_later(program.kernels)):
                dense = self.program("dense", form)  # whose kernels come first
                if kernel_cache.compile_later(missing):
                    return dense
            self._programs[key] = program.close(self.threads > 1)
        found = self._programs[key]
        if found is not self._program:
            self._program = None  # Ctrl-C in the middle must not leave some of these fields
            self.step.set(phases=found.phases, phase_count=len(found.phases), operations=found.operations)
            self._program = found
        return found

    def reading(self, samples: Samples) -> Work:
        """Read these samples, inside a with statement.

        At its end, the work forgets the samples and has nothing to do. Its records still hold addresses of their
        memory, which others may free, so nothing must run then.
        """
        X, y, order, weights = samples[:4]
        self._n = n = samples.n
        path = self.paths.choose(X, order, n, trains=self.hyperparameters is not None)
        form = None if y is None else _form(y)
        program = self._programs.get((path, form))
        if program is None or program is not self._program:
            program = self.program(path, form)
        self.paths.read(program, X, order)
        self._samples = samples
        weighted = 0 if weights is None else 2 if samples.signed else 1
        self.step.set(n=n, order_size=0 if order is None else n, weighted=weighted, batches=0)
        if order is not None:
            self.step.set(order=address(order))
        if weights is not None:
            self.step.set(sample_weights=address(weights))
        if y is not None and self.loss is not None:
            self.memory.targets.set(kind=y.kind, **y.places)
            unit = y.unit or self.memory.unit
            if unit is not self._unit:
                self._unit = unit
                self.memory.targets.set(shift=unit[0], scale=unit[1], scaled=y.unit is not None)
            self.loss.set(by_output=y.by_output, threshold=y.threshold)
        return self

    def repeat(self, orders: np.ndarray | None, log: np.ndarray) -> None:
        """Let the next `run` go through the samples that are read as often as `log` has rows.

        Row e of `orders` is the order of epoch e, if the samples have an order. Row e of `log` gets the sums of epoch
        e, but `sums` has those of the last one.
        """
        assert self._samples is not None
        self.step.set(orders=0 if orders is None else orders, log=log, batches=-(-self._n // self.batch))

    @property
    def operations(self) -> np.ndarray:
        """The OPERATION records of the program that read samples last."""
        assert self._program is not None
        return self._program.operations

    @property
    def records(self) -> list[Record]:
        """The records of the operations of this program."""
        assert self._program is not None
        return self._program.records

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
        weights = self._other_weights + self.paths.inputs * self._outputs
        work_a_row = weights * (6 if self.backward else 2)
        worth = min(int(rows * work_a_row / SHARED_WORK), -(-rows // TILE_ROWS))
        return min(threads.available(), self.most_threads, worth) if worth > 1 else 1

    def run(self, first: int = 0, last: int | None = None) -> Iterator[int]:
        """Work through the minibatches first <= k < last, by default through all, and yield how many are finished.

        Minibatch 0 belongs to step `steps_done` + 1. The `sums` continue. A number is yielded after each call into
        compiled code. A large minibatch may need several calls, and the number stays the same until its end.

        If the loss is not finite, DivergedError is raised. The parameters have not changed for that minibatch.
        """
        if last is None:
            last = -(-self._n // self.batch)
        part, end = first * self.parts, last * self.parts
        count = self.threads
        self._set_off(count)
        self.step.set(number=self.steps_done + first - 1, ends=True)
        while part < end:
            if count > 1 and not threads.allowed():  # a callback has forked, and this is the child
                count = 1
                self._set_off(count)
            stop = min(end, part + max(1, int(self._parts_a_call)))
            if self.hyperparameters is not None and self.update is not None:
                first = part // self.parts
                stop = min(stop, (first + MOST_STEPS) * self.parts)
                self.hyperparameters.lay_down(self.steps_done + first, self.steps_done - (-stop // self.parts))
                self.update.set(hyper_first=self.steps_done + first)
            start = time.perf_counter()
            self._call(part, stop, count)
            pace = (stop - part) / max(time.perf_counter() - start, 1e-9)
            # The number of parts may only grow by a factor of 8. The first call has one part and is slow, because the
            # cache is cold, so its speed says little about the next calls.
            self._parts_a_call = min(max(8 * self._parts_a_call, 8), pace * CALL_SECONDS)
            part = stop
            yield part // self.parts

    @property
    def finished(self) -> int:
        """The number of minibatches of `run` that are finished. It is right after an error too.

        A call into compiled code ends before Python notices Ctrl-C, so all parts that have begun are finished.
        """
        return int(self.step["number"] + self.step["ends"]) - self.steps_done

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
        self.program("dense", None)
        self.step.set(n=1)
        for _ in self.run(0, 1):
            pass

    def refresh(self) -> None:
        """Bring the copy of the weights up to date, which may have been set from outside since the last call."""
        if self.reads_copy:
            self.model.parameters.refresh()

    def _set_off(self, count: int) -> None:
        """Prepare a run with a number of threads."""
        self._loop = kernel_cache.loop(count > 1)
        self.step.set(threads=count, steps_done=self.steps_done)

    def _call(self, first: int, last: int, count: int) -> None:
        """Let the compiled loop work through the parts first <= k < last, with `count` threads."""
        self.refresh()
        if count == 1:
            done = self._loop(self.step.address, first, last)
        else:
            with threads.team(count):
                done = self._loop(self.step.address, first, last)
        if done < last:
            self.step.set(diverged=0)
            raise DivergedError(done)


def _form(y: Any) -> str:
    """Return the form of targets, which says how they are copied into panels."""
    return "entries" if y.sparse else "labels" if y.labels else "rows"
