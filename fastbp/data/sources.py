"""This module goes through the samples in each epoch. They come from arrays, or in blocks, one after another.

A source divides an epoch into *segments*: samples that the kernels can read, with an order of their rows. The size of
each segment but the last is a multiple of the batch size, so the minibatches are the same as without segments.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import queue
import threading
import weakref
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..engine import threads
from ..engine.records import address
from ..engine.runner import Samples
from .samples import SampleChecker, taken
from .sparse import Rows
from .targets import Targets

BUFFER_BYTES, BUFFER_ROWS = 64 << 20, 1 << 16
"""The largest number of bytes and of rows of blocks that are shuffled together, if the user gives no number."""

WAIT = 0.2
"""The number of seconds after which a wait for a block checks whether a signal, such as that of Ctrl-C, has come."""

BATCH_BYTES = 16 << 30
"""The largest number of bytes that a minibatch of blocks may have. Two minibatches are in memory at the same time."""

Item = TypeVar("Item")


class Arrays:
    """`Arrays` is a source of samples in memory or in a mapped file.

    It uses the samples with the numbers `rows`, which increase, or all with None, in minibatches of `batch` samples.
    With `shuffle`, each epoch has a new random order: of all rows, or inside windows of `buffer` consecutive rows,
    rounded up to whole minibatches, so that a file that is larger than memory is read window by window.
    """

    def __init__(self, samples: Samples, rows: np.ndarray | None, shuffle: bool, buffer: int | None, batch: int):
        self.samples, self.rows, self.shuffle = samples, rows, shuffle
        self.n = samples.n if rows is None else rows.size
        self.batch = min(batch, self.n)
        self.buffer = self.n if buffer is None else min(-(-buffer // self.batch) * self.batch, self.n)
        self._order = np.empty(self.n if shuffle or rows is not None else 0, np.int64)

    def columns(self) -> np.ndarray | None:
        """Return the columns of X with entries, if X is a sparse matrix with far fewer entries than columns."""
        X = self.samples.X
        return X.array.columns_with_entries() if X.sparse and X.array.entries.size < X.array.columns / 8 else None

    def orders(self, rng: np.random.Generator, epochs: int) -> np.ndarray | None:
        """Return the orders of several epochs that have one segment each, as rows, or None without an order."""
        if not self._order.size:
            return None
        orders = np.empty((epochs, self.n), np.int64)
        orders[:] = np.arange(self.n) if self.rows is None else self.rows
        if self.shuffle:
            for order in orders:
                rng.shuffle(order)
        return orders

    def segments(self, rng: np.random.Generator) -> Generator[Samples, None, None]:
        """Yield the segments of one epoch."""
        order = self._order
        if not order.size:
            yield self.samples
            return
        order[:] = np.arange(self.n) if self.rows is None else self.rows
        starts = np.arange(0, self.n, self.buffer)
        if self.shuffle:
            rng.shuffle(starts[: self.n // self.buffer])  # a last window that is not full stays the last one
        for k, start in enumerate(starts):
            window = order[start : start + self.buffer]
            if k + 1 < len(starts):
                following = order[starts[k + 1] : starts[k + 1] + self.buffer]
                _read_ahead(self.samples.X.array, int(following[0]), int(following[-1]) + 1)
            if self.shuffle:
                rng.shuffle(window)
            yield self.samples._replace(order=window)


def _read_ahead(array: np.ndarray | Rows, first: int, last: int) -> None:
    """Ask the system to read rows of a mapped file before training needs them.

    Without this, training would wait for the disk at each row, because it reads the rows in random order.
    """
    mapped: Any = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if isinstance(array, Rows) or not isinstance(mapped, mmap.mmap):
        return
    row = array.strides[0]
    start = address(array) + first * row - address(np.frombuffer(mapped, np.uint8))
    page = start - start % mmap.PAGESIZE
    will_need(mapped, page, start + (last - first) * row - page)


def will_need(mapped: mmap.mmap, start: int, length: int) -> None:
    """Tell the system that these bytes of a mapped file will be needed soon. Not every system has a call for this."""
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_WILLNEED, start, length)


class Blocks:
    """`Blocks` is a source of samples that come in blocks, (X, y) or (X, y, sample_weight).

    It copies the rows of checked blocks into a buffer and, with `shuffle`, shuffles them there. The first data frame
    decides the order of the columns in those after it. If `buffer` is None, the buffer has as many rows as BUFFER_BYTES
    and BUFFER_ROWS allow. A minibatch has `batch` samples.
    """

    n = None

    def __init__(
        self,
        blocks: Iterable[Any],
        checker: SampleChecker,
        class_weight: Any,
        shuffle: bool,
        buffer: int | None,
        batch: int,
    ):
        self.blocks, self.checker, self.class_weight = blocks, checker, class_weight
        self.shuffle, self.buffer, self.batch = shuffle, buffer, batch

    def segments(self, rng: np.random.Generator) -> Generator[Samples, None, None]:
        """Yield the segments of one epoch. While training uses one segment, another thread fills the next one."""
        count, stop = 0, threading.Event()
        try:
            for filled in ahead(self._filled(stop)):
                count, order = count + 1, np.arange(filled.n)
                if self.shuffle:
                    rng.shuffle(order)
                yield filled._replace(order=order)
        finally:
            stop.set()
        if not count:
            raise ValueError("X must have at least one block with rows, got none")

    def _filled(self, stop: threading.Event) -> Iterator[Samples]:
        """Yield full buffers. There are two buffers: while training uses one of them, the other one is overwritten."""
        buffers: list[Samples] = []
        turn, held = 0, 0
        for k, given in enumerate(self.blocks):
            if stop.is_set():
                return
            block = self.checker.block(given, k, self.class_weight)
            if block is None:
                continue
            if block.X.columns != self.checker.form.columns:
                self.checker = self.checker.with_columns(block.X.columns)
            if not buffers:
                buffers = [self._buffer_for(block) for _ in range(2)]
            _check_alike(buffers[0], block, k)
            columns, done = block.X.columns, 0
            while done < block.n:
                buffer = buffers[turn]
                part = taken(block, slice(done, done + buffer.n - held))
                _fill(buffer, held, part)
                done, held = done + part.n, held + part.n
                if held == buffer.n:
                    yield buffer._replace(X=buffer.X._replace(columns=columns))
                    turn, held = 1 - turn, 0
        if held:
            last = taken(buffers[turn], slice(held))
            yield last._replace(X=last.X._replace(columns=columns))

    def _buffer_for(self, block: Samples) -> Samples:
        """Return an empty buffer for blocks with the same dtypes and shapes as the given block."""
        row = -(-(block.X.array.nbytes + block.y.array.nbytes) // block.n)
        if self.batch * row > BATCH_BYTES:
            raise ValueError(
                f"batch_size must be smaller with blocks, because a whole minibatch is in memory: {self.batch} samples "
                f"of {row} bytes are more than {BATCH_BYTES >> 30} GiB; to train on all samples at once, give arrays"
            )
        rows = self.buffer or min(max(1, BUFFER_BYTES // row), BUFFER_ROWS)
        rows = -(-rows // self.batch) * self.batch
        X, y = (part._replace(array=_empty(part.array, rows)) for part in (block.X, block.y))
        return Samples(X, y, None, None if block.weights is None else np.empty(rows))


def _check_alike(first: Samples, block: Samples, k: int) -> None:
    """Raise ValueError if a block differs from the first one in a dtype, or in having weights."""
    for name, a, b in zip("Xy", first[:2], block[:2], strict=True):
        kinds = [f"{'sparse ' * part.sparse}{part.array.dtype} of {part.array.ndim}" for part in (a, b)]
        if kinds[0] != kinds[1]:
            found = f"{kinds[0]} dimensions in the first, {kinds[1]} in block {k}"
            raise ValueError(f"{name} must be of one kind in all blocks: {found}")
    if (first.weights is None) != (block.weights is None):
        raise ValueError(f"weights must be in all blocks or in none: block {k} differs from the first block")


def _empty(array: np.ndarray | Rows, rows: int) -> np.ndarray | Rows:
    """Return an array, or a sparse matrix, like the given one, with this number of rows and without values."""
    return array.buffer(rows) if isinstance(array, Rows) else np.empty((rows, *array.shape[1:]), array.dtype)


def _fill(buffer: Samples, first: int, samples: Samples) -> None:
    """Copy samples into a buffer, from row number `first` on."""
    for to, array in ((buffer.X.array, samples.X.array), (buffer.y.array, samples.y.array)):
        if isinstance(to, Rows):
            to.fill(first, array)
        else:
            to[first : first + samples.n] = array
    if buffer.weights is not None and samples.weights is not None:
        buffer.weights[first : first + samples.n] = samples.weights


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator. While the caller uses one item, another thread makes the next one."""
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    end, process, reader = object(), os.getpid(), weakref.ref(made)

    def make() -> None:
        while (answers := reader()) is not None:  # Ctrl-C may keep the caller from saying that it is done
            with contextlib.suppress(queue.Empty):
                if not wanted.get(timeout=WAIT):
                    return
                try:
                    answers.put((next(items, end), None))
                except BaseException as error:
                    answers.put((end, error))
            del answers

    try:
        # Ctrl-C and the end of the process do not wait until a block is ready. With an executor of Python they would.
        threads.helper(make)
        wanted.put(True)
        while True:
            try:
                # A wait without an end misses a signal that comes just before it, and on Windows every signal.
                item, error = made.get(timeout=WAIT)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if item is end:
                return
            wanted.put(True)
            yield item
            if os.getpid() != process:
                raise RuntimeError("fit must not continue in a forked child: the thread that reads blocks is not there")
    finally:
        wanted.put(False)


def split(y: Targets, fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the samples for training and of those for validation, both in increasing order.

    The samples for validation are a random `fraction` of all samples, and of each class if the targets are classes. If
    there would be no sample for training or for validation, ValueError is raised.
    """
    n = len(y.array)
    order = rng.permutation(n)
    if y.classes and not (y.by_output and y.array.ndim == 2 and y.array.shape[1] > 1):
        rows = y.dense.reshape(n, -1)
        classes = rows.argmax(axis=1) if rows.shape[1] > 1 else rows[:, 0]
        order = order[np.argsort(classes[order], kind="stable")]
    # The samples are sorted by class. Every (1 / fraction)-th of them is the right share of each class, up to one.
    picked = np.diff(np.floor(np.arange(n + 1) * fraction + 1e-9)) > 0
    held_out, rest = np.sort(order[picked]), np.sort(order[~picked])
    if not held_out.size or not rest.size:
        raise ValueError(f"validation_split must leave samples on both sides, got {fraction} of {n}")
    return rest, held_out
