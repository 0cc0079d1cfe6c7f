"""This module checks the targets y that users give, for a loss. The targets also say what the outputs mean."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..engine.records import address
from ..kernels.structs import FLOAT64
from ..losses import Loss
from ..losses.of_arrays import RANGES, SUM_TOLERANCE
from ..metrics import Decision
from . import frames, sparse
from .arrays import KINDS, blocks, numeric, readable, refuse, within
from .sparse import Rows

ENCODE = "; for class labels, classes, y = np.unique(y, return_inverse=True) gives numbers"
"""The end of a message about targets that are not numbers."""


class Targets(NamedTuple):
    """`Targets` holds targets that the kernels can read, and what the outputs mean for which they are the targets.

    Attributes
    ----------
    array : int64 array of shape (n,), array of shape (n, n_out) or (n,), or Rows
        The class labels, or rows of targets. With one output, rows may have the shape (n,).
    kind : int
        The number that tells the kernels the dtype of rows: UINT8, FLOAT32 or FLOAT64.
    labels : bool
        Whether the array contains class labels.
    """

    array: np.ndarray | Rows
    kind: int
    labels: bool
    classes: bool
    """Whether the targets are classes, so that a prediction is right or wrong and there is an accuracy."""
    by_output: bool
    """Whether each output by itself is right or wrong: with one output, or if a sample can have several classes."""
    threshold: float = 0.5
    """The value from which on an output by itself means class 1, or "yes"."""
    logits: bool = False
    """Whether the outputs are logits of probabilities."""
    unit: tuple[np.ndarray, np.ndarray] | None = None
    """The shift and the factor with which the kernels read numbers in the unit of the user, padded to whole lines."""
    gradient: bool = False
    """Whether these are no targets but a gradient dC/da^L from outside, which does not say what the outputs mean."""

    @property
    def sparse(self) -> bool:
        """Whether the targets are a sparse matrix."""
        return not isinstance(self.array, np.ndarray)

    @property
    def dense(self) -> np.ndarray:
        """The targets as an array."""
        return self.array.toarray() if isinstance(self.array, Rows) else self.array

    @property
    def seen(self) -> np.ndarray:
        """The targets as the loss sees them, as an array: in the unit of the outputs a^L."""
        if self.unit is None:
            return self.dense
        shift, factor = (each[: self.dense.shape[-1] if self.dense.ndim > 1 else 1] for each in self.unit)
        in_unit: np.ndarray = (self.dense - shift) * factor
        return in_unit

    @property
    def places(self) -> dict[str, int]:
        """The addresses of the targets, as fields of a record for the kernels."""
        return self.array.places if isinstance(self.array, Rows) else {"source": address(self.array)}

    @property
    def decision(self) -> Decision:
        """What the outputs mean, for metrics."""
        return Decision(self.threshold, self.by_output, self.logits)


def targets(
    y: Any,
    n: int,
    n_out: int,
    loss: Loss,
    dtype: np.dtype,
    name: str = "y",
    samples: str = "X",
    *,
    scaled: bool = False,
) -> Targets:
    """Return the checked targets of n samples for a loss: class labels of shape (n,), or rows of n_out targets.

    The loss decides which targets are possible: ValueError is raised for others, and TypeError for targets that are not
    numeric, or labels that are not integers. The targets must be finite in the given dtype. `n_out` is the number of
    targets of a sample; for nearly all losses, it is that of the outputs of the network. `name` and `samples` are the
    names of the targets and of the inputs, for messages. With `scaled`, the numbers have the unit of the user: their
    range is not checked, and a copy of an array is not rounded to the dtype.
    """
    if sparse.is_sparse(y):
        return _sparse_targets(y, n, n_out, loss, dtype, name, samples, scaled=scaled)
    array = numeric(frames.plain(y, name), name, ENCODE)
    shapes = f"({n},){'' if n_out == 1 else ' of integer labels'} or ({n}, {n_out})"
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != n_out):
        raise ValueError(f"{name} must have shape {shapes}, got {array.shape}")
    _check_count(array, n, name, samples)
    if array.ndim == 1 and n_out > 1 and not loss.labels:
        raise ValueError(f"{name} must have shape ({n}, {n_out}), got {array.shape}")
    if array.ndim == 1 and (n_out > 1 or loss.targets == "distribution"):
        array = _integral(array, loss, f"{name} of shape ({n},) must be integer labels for {n_out} outputs", name)
        if array.size and array.min() == 1 and array.max() == n_out:
            raise ValueError(
                f"{name} must be labels from 0 to {n_out - 1}, got labels that count from 1 to {n_out}: give {name} - 1"
            )
        # Labels must be a copy. They tell the kernels where to write, so nobody may change them during training.
        labels = np.array(array, np.int64)
        within(labels, name, dtype, 0, n_out - 1)
        return Targets(labels, FLOAT64, True, True, False, logits=loss.from_logits)
    array = readable(array, dtype, exact=scaled)
    within(array, name, dtype, *range_of(loss, scaled=scaled))
    if loss.targets == "signs":
        _check_signs(array, name)
    if loss.targets == "distribution":
        _check_sums(array, name)
    return _rows_of_targets(array, loss)


def range_of(loss: Loss, *, scaled: bool = False) -> tuple[float, float]:
    """Return the smallest and the largest possible target of a loss, in the unit of the user if `scaled`."""
    return (-math.inf, math.inf) if scaled else RANGES.get(loss.targets, (0, 1))


def _rows_of_targets(array: np.ndarray | Rows, loss: Loss) -> Targets:
    """Return checked rows as `Targets`."""
    classes, by_output = loss.targets not in ("values", "counts"), loss.targets in ("probabilities", "signs")
    kind = KINDS[array.dtype]
    return Targets(array, kind, False, classes, by_output, logits=loss.from_logits, gradient=loss.summed)


def _integral(array: np.ndarray, loss: Loss, rule: str, name: str) -> np.ndarray:
    """Return labels as integers. Floats may be labels if all of them are integral, for a loss of classes."""
    if array.dtype.kind != "f":
        return array
    within(array, name, array.dtype if array.dtype == np.float64 else np.dtype(np.float32))
    if loss.targets in ("values", "counts") or (array != np.floor(array)).any():
        raise TypeError(f"{rule}, got dtype {array.dtype}")
    return array.clip(-(2.0**62), 2.0**62).astype(np.int64)


def _sparse_targets(
    y: Any, n: int, n_out: int, loss: Loss, dtype: np.dtype, name: str, samples: str, *, scaled: bool
) -> Targets:
    """Check targets that are a sparse matrix, as `targets` does."""
    if loss.targets == "distribution":
        raise TypeError(f"{name} must not be sparse for {loss.name}, which needs a class for each sample: give labels")
    rows = sparse.read(y, n_out, dtype, name)
    _check_count(rows, n, name, samples)
    low, high = range_of(loss, scaled=scaled)
    # A target without an entry is 0, so no target can be -1.
    within(rows.entries, f"{name}.data", dtype, 0 if loss.targets == "signs" else low, high)
    if loss.targets == "signs":
        _check_signs(rows.entries, f"{name}.data")
    # A single column needs no more memory as an array, in which the classes of the samples can be counted.
    return _rows_of_targets(rows.toarray() if n_out == 1 else rows, loss)


def _check_count(array: np.ndarray | Rows, n: int, name: str, samples: str) -> None:
    """Raise ValueError unless there are n targets."""
    if len(array) != n:
        raise ValueError(f"{name} must have a row for each of the {n} rows of {samples}, got {len(array)}")


def _check_signs(array: np.ndarray, name: str) -> None:
    """Raise ValueError unless all values are 0 or 1, or all values are -1 or 1."""
    no = -1 if any(block.min() < 0 for _, block in blocks(array)) else 0
    for start, block in blocks(array):
        fine = (block == 1) | (block == no)
        if not fine.all():
            refuse(block, fine, name, "0 or 1, or -1 or 1", start)


def _check_sums(array: np.ndarray, name: str) -> None:
    """Raise ValueError unless the sum of each row is 1."""
    for start, block in blocks(array):
        sums = block.sum(axis=1, dtype=np.float64)
        if abs(sums - 1).max() > SUM_TOLERANCE:
            worst = int(abs(sums - 1).argmax())
            raise ValueError(f"{name}[{start + worst}] sums to {sums[worst]:g}; a row of probabilities must sum to 1")
