"""Sources: what an epoch is made of. Samples in arrays, or blocks of them that somebody hands over one by one.

A source gives an epoch as *segments*, each an array that the kernels read and an order of its rows. All but the last
have a multiple of the batch size, so that minibatches are what they would be without segments.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from ..engine.work import Samples
from ..engine.workspace import address
from .samples import Targets

BUFFER_BYTES, BUFFER_ROWS = 64 << 20, 1 << 16
"""The most of the rows of blocks that are shuffled together, where nobody says how many."""

Item = TypeVar("Item")


class Arrays:
    """Samples in memory, or in a mapped file.

    Parameters
    ----------
    samples : all of them
    rows : the numbers of those to use, in increasing order; None for all.
    shuffle : whether an epoch has an order of its own.
    buffer : rows, one after another in storage, that are shuffled together, rounded up to whole minibatches; None for
        all. A file larger than memory is then read from one end of a buffer to the other, not all over.
    batch : the batch size.
    """

    def __init__(
        self,
        samples: Samples,
        rows: np.ndarray | None,
        shuffle: bool,
        buffer: int | None,
        batch: int,
    ):
        self.samples, self.rows, self.shuffle = samples, rows, shuffle
        self.n = samples.n if rows is None else rows.size
        self.batch = min(batch, self.n)
        self.buffer = self.n if buffer is None else min(-(-buffer // self.batch) * self.batch, self.n)
        self._order = np.empty(self.n if shuffle or rows is not None else 0, np.int64)

    def segments(self, rng: np.random.Generator) -> Iterator[Samples]:
        """Those of an epoch."""
        order = self._order
        if not order.size:
            yield self.samples
            return
        order[:] = np.arange(self.n) if self.rows is None else self.rows
        starts = np.arange(0, self.n, self.buffer)
        if self.shuffle:
            rng.shuffle(starts[: self.n // self.buffer])  # a last one that is not full stays the last
        for k, start in enumerate(starts):
            part = order[start : start + self.buffer]
            if k + 1 < len(starts):
                following = order[starts[k + 1] : starts[k + 1] + self.buffer]
                _read_ahead(self.samples.X.array, int(following[0]), int(following[-1]) + 1)
            if self.shuffle:
                rng.shuffle(part)
            yield self.samples._replace(order=part)


def _read_ahead(array: np.ndarray, first: int, last: int) -> None:
    """Have the system read rows of a mapped file before they are asked for, where it can; random reads of single rows
    wait for the disk at each."""
    mapped = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if not isinstance(mapped, mmap.mmap):
        return
    row = array.strides[0]
    start = address(array) + first * row - address(np.frombuffer(mapped, np.uint8))
    page = start - start % mmap.PAGESIZE
    will_need(mapped, page, start + (last - first) * row - page)


def will_need(mapped: mmap.mmap, start: int, length: int) -> None:
    """Tell the system, if it listens, that these bytes will be asked for."""
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_WILLNEED, start, length)


class Blocks:
    """Blocks of samples, shuffled inside a buffer that they are copied into.

    Parameters
    ----------
    blocks : iterable of (X, y) or (X, y, weights).
    check : makes a `Samples` of one of these and its number, or None if it has no rows; may raise.
    shuffle : whether rows that are in the buffer together are.
    buffer : rows; None for as many as BUFFER_BYTES and BUFFER_ROWS allow.
    batch : the batch size.
    """

    n = None

    def __init__(
        self,
        blocks: Iterable,
        check: Callable[[object, int], Samples | None],
        shuffle: bool,
        buffer: int | None,
        batch: int,
    ):
        self.blocks, self.check, self.shuffle, self.buffer, self.batch = blocks, check, shuffle, buffer, batch

    def segments(self, rng: np.random.Generator) -> Iterator[Samples]:
        """Those of an epoch. While one is worked on, a thread fills the next."""
        count, stop = 0, threading.Event()
        try:
            for count, filled in enumerate(ahead(self._filled(stop)), 1):  # noqa: B007
                order = np.arange(filled.n)
                if self.shuffle:
                    rng.shuffle(order)
                yield filled._replace(order=order)
        finally:
            stop.set()
        if not count:
            raise ValueError("X must have at least one block with rows, and has none")

    def _filled(self, stop: threading.Event) -> Iterator[Samples]:
        """Buffers, filled one after another; the one before the last is written over."""
        buffers: list[Samples] = []
        turn, held = 0, 0
        for k, given in enumerate(self.blocks):
            if stop.is_set():
                return
            block = self.check(given, k)
            if block is None:
                continue
            if not buffers:
                buffers = [self._like(block) for _ in range(2)]
            self._alike(buffers[0], block, k)
            done = 0
            while done < block.n:
                buffer = buffers[turn]
                take = min(block.n - done, buffer.n - held)
                for to, source in _arrays(buffer, block):
                    to[held : held + take] = source[done : done + take]
                done, held = done + take, held + take
                if held == buffer.n:
                    yield buffer
                    turn, held = 1 - turn, 0
        if held:
            last = buffers[turn]
            weights = None if last.weights is None else last.weights[:held]
            X, y = (part._replace(array=part.array[:held]) for part in (last.X, last.y))
            yield Samples(X, y, None, weights)

    def _like(self, block: Samples) -> Samples:
        """An empty buffer for blocks like the first."""
        row = sum(array[:1].nbytes for array in (block.X.array, block.y.array))
        rows = self.buffer or min(max(1, BUFFER_BYTES // row), BUFFER_ROWS)
        rows = -(-rows // self.batch) * self.batch
        empty = lambda array: np.empty((rows, *array.shape[1:]), array.dtype)  # noqa: E731
        X, y = (part._replace(array=empty(part.array)) for part in (block.X, block.y))
        return Samples(X, y, None, None if block.weights is None else empty(block.weights))

    def _alike(self, first: Samples, block: Samples, k: int) -> None:
        """A block is of the kinds of the first."""
        for name, a, b in zip("Xy", first[:2], block[:2], strict=True):
            if a.array.dtype != b.array.dtype or a.array.ndim != b.array.ndim:
                raise ValueError(
                    f"{name} must be of one kind in all blocks: {a.array.dtype} of {a.array.ndim} dimensions in the "
                    f"first, {b.array.dtype} of {b.array.ndim} in block {k}"
                )
        if (first.weights is None) != (block.weights is None):
            raise ValueError(f"weights must be in all blocks or in none: block {k} is not as the first")


def _arrays(a: Samples, b: Samples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The arrays of two segments, side by side."""
    yield a.X.array, b.X.array
    yield a.y.array, b.y.array
    if a.weights is not None:
        yield a.weights, b.weights


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items of an iterator; while one is worked on, a thread makes the next."""
    pool, end = ThreadPoolExecutor(1), object()
    try:
        future = pool.submit(next, items, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, items, end)
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a block


def split(y: Targets, fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of samples to train with and of those held out, a random share of each class, both increasing.

    ValueError if one of them would be none.
    """
    n = len(y.array)
    order = rng.permutation(n)
    if y.classes and not (y.by_output and y.array.ndim == 2 and y.array.shape[1] > 1):
        rows = y.array.reshape(n, -1)
        classes = rows.argmax(axis=1) if rows.shape[1] > 1 else rows[:, 0]
        order = order[np.argsort(classes[order], kind="stable")]
    # Each 1 / fraction-th of them, sorted by class: of every class its share, to one sample.
    picked = np.diff(np.floor(np.arange(n + 1) * fraction + 1e-9)) > 0
    held_out, rest = np.sort(order[picked]), np.sort(order[~picked])
    if not held_out.size or not rest.size:
        raise ValueError(f"validation_split must leave samples on both sides, got {fraction} of {n}")
    return rest, held_out
