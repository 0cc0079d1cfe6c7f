"""Sources: what an epoch is made of. Samples in arrays, or blocks of them that somebody hands over one by one.

A source gives an epoch as *segments*, each an array that the kernels read and an order of its rows. All but the last
have a multiple of the batch size, so that minibatches are what they would be without segments.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from . import checks
from .checks import Inputs, Targets
from .engine import address
from .network import MLP

BUFFER_BYTES, BUFFER_ROWS = 64 << 20, 1 << 16
"""The most of the rows of blocks that are shuffled together, where nobody says how many."""

Item = TypeVar("Item")


class Border:
    """The checks of samples for a network and a loss."""

    def __init__(self, network: MLP, loss: str):
        self.network, self.loss = network, loss

    def samples(self, X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> tuple[Inputs, Targets]:
        """Inputs and targets."""
        sizes, dtype = self.network.sizes, self.network.dtype
        inputs = checks.inputs(X, sizes[0], dtype, X_name)
        return inputs, checks.targets(y, len(inputs.array), sizes[-1], self.loss, dtype, y_name, X_name)

    def weights(
        self, sample_weight: Any, class_weight: Any, y: Targets, rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The weight of each sample, or None if all are 1; of those in some rows, one at least is above 0."""
        weights = self._weights(sample_weight, class_weight, y, rows)
        if weights is not None and not 0 < (total := (weights if rows is None else weights[rows]).sum()) < np.inf:
            raise ValueError(f"the weights must have a sum above 0 that is finite, got {total}")
        return weights

    def _weights(
        self,
        sample_weight: Any,
        class_weight: Any,
        y: Targets,
        rows: np.ndarray | None = None,
        name: str = "sample_weight",
    ) -> np.ndarray | None:
        weights = checks.weights(sample_weight, len(y.array), name)
        by_class = checks.class_weights(class_weight, y, self.network.sizes[-1], rows)
        if by_class is None:
            return weights
        return by_class if weights is None else weights * by_class

    def validation(self, given: Any) -> tuple[Inputs, Targets, np.ndarray | None]:
        """Validation data."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TypeError(
                f"validation_data must be a pair (X, y), or (X, y, sample_weight), got {type(given).__name__}"
            )
        X, y = self.samples(*given[:2], "validation_data[0]", "validation_data[1]")
        return X, y, checks.weights(given[2], len(y.array), "validation_data[2]") if len(given) == 3 else None

    def taken(self, X: Inputs, y: Targets, weights: Any, rows: np.ndarray) -> tuple[Inputs, Targets, np.ndarray | None]:
        """Some of the samples, as validation data."""
        X, y = (part._replace(array=np.ascontiguousarray(part.array[rows])) for part in (X, y))
        return X, y, None if weights is None else np.asarray(weights, np.float64)[rows]

    def blocks(self, X: Any, epochs: int) -> Iterable:
        """An iterable of blocks."""
        if isinstance(X, np.ndarray | str | bytes | dict) or not isinstance(X, Iterable):
            raise TypeError(f"y must be given, unless X is an iterable of blocks (X, y); got {type(X).__name__}")
        if isinstance(X, Iterator) and epochs > 1:
            raise ValueError(
                f"epochs must be 1 with an iterator, which goes through its blocks once, got {epochs}; a list, or an "
                f"object whose __iter__ begins anew, can have more"
            )
        return X

    def block(self, given: Any, k: int, class_weight: Any) -> Segment | None:
        """Block number k of an iterable; None if it has no rows."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            kind = type(given).__name__
            raise TypeError(f"block {k} of X must be a pair (X, y), or (X, y, sample_weight), got {kind}")
        if np.shape(given[0])[:1] == (0,) == np.shape(given[1])[:1]:
            return None
        X, y = self.samples(*given[:2], f"X of block {k}", f"y of block {k}")
        weights = given[2] if len(given) == 3 else None
        return Segment(X, y, None, self._weights(weights, class_weight, y, name=f"sample_weight of block {k}"))


class Segment(NamedTuple):
    """Samples for `Job.reading`: of X and y those that order says, in that order; all as they lie if it is None."""

    X: Inputs
    y: Targets
    order: np.ndarray | None
    weights: np.ndarray | None

    @property
    def n(self) -> int:
        """How many samples."""
        return len(self.X.array) if self.order is None else self.order.size


class Arrays:
    """Samples in memory, or in a mapped file.

    Parameters
    ----------
    X, y, weights : all of them
    rows : the numbers of those to use, in increasing order; None for all.
    shuffle : whether an epoch has an order of its own.
    buffer : rows, one after another in storage, that are shuffled together, rounded up to whole minibatches; None for
        all. A file larger than memory is then read from one end of a buffer to the other, not all over.
    batch : the batch size.
    """

    def __init__(
        self,
        X: Inputs,
        y: Targets,
        weights: np.ndarray | None,
        rows: np.ndarray | None,
        shuffle: bool,
        buffer: int | None,
        batch: int,
    ):
        self.X, self.y, self.weights, self.rows, self.shuffle = X, y, weights, rows, shuffle
        self.n = len(X.array) if rows is None else rows.size
        self.batch = min(batch, self.n)
        self.buffer = self.n if buffer is None else min(-(-buffer // self.batch) * self.batch, self.n)
        self._order = np.empty(self.n if shuffle or rows is not None else 0, np.int64)

    def segments(self, rng: np.random.Generator) -> Iterator[Segment]:
        """Those of an epoch."""
        order = self._order
        if not order.size:
            yield Segment(self.X, self.y, None, self.weights)
            return
        order[:] = np.arange(self.n) if self.rows is None else self.rows
        starts = np.arange(0, self.n, self.buffer)
        if self.shuffle:
            rng.shuffle(starts[: self.n // self.buffer])  # a last one that is not full stays the last
        for k, start in enumerate(starts):
            part = order[start : start + self.buffer]
            if k + 1 < len(starts):
                following = order[starts[k + 1] : starts[k + 1] + self.buffer]
                _read_ahead(self.X.array, int(following[0]), int(following[-1]) + 1)
            if self.shuffle:
                rng.shuffle(part)
            yield Segment(self.X, self.y, part, self.weights)


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
    check : makes a `Segment` of one of these and its number, or None if it has no rows; may raise.
    shuffle : whether rows that are in the buffer together are.
    buffer : rows; None for as many as BUFFER_BYTES and BUFFER_ROWS allow.
    batch : the batch size.
    """

    n = None

    def __init__(
        self,
        blocks: Iterable,
        check: Callable[[object, int], Segment | None],
        shuffle: bool,
        buffer: int | None,
        batch: int,
    ):
        self.blocks, self.check, self.shuffle, self.buffer, self.batch = blocks, check, shuffle, buffer, batch

    def segments(self, rng: np.random.Generator) -> Iterator[Segment]:
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

    def _filled(self, stop: threading.Event) -> Iterator[Segment]:
        """Buffers, filled one after another; the one before the last is written over."""
        buffers: list[Segment] = []
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
            yield Segment(X, y, None, weights)

    def _like(self, block: Segment) -> Segment:
        """An empty buffer for blocks like the first."""
        row = sum(array[:1].nbytes for array in (block.X.array, block.y.array))
        rows = self.buffer or min(max(1, BUFFER_BYTES // row), BUFFER_ROWS)
        rows = -(-rows // self.batch) * self.batch
        empty = lambda array: np.empty((rows, *array.shape[1:]), array.dtype)  # noqa: E731
        X, y = (part._replace(array=empty(part.array)) for part in (block.X, block.y))
        return Segment(X, y, None, None if block.weights is None else empty(block.weights))

    def _alike(self, first: Segment, block: Segment, k: int) -> None:
        """A block is of the kinds of the first."""
        for name, a, b in zip("Xy", first[:2], block[:2], strict=True):
            if a.array.dtype != b.array.dtype or a.array.ndim != b.array.ndim:
                raise ValueError(
                    f"{name} must be of one kind in all blocks: {a.array.dtype} of {a.array.ndim} dimensions in the "
                    f"first, {b.array.dtype} of {b.array.ndim} in block {k}"
                )
        if (first.weights is None) != (block.weights is None):
            raise ValueError(f"weights must be in all blocks or in none: block {k} is not as the first")


def _arrays(a: Segment, b: Segment) -> Iterator[tuple[np.ndarray, np.ndarray]]:
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
