"""This module checks the samples that users give, which are inputs, targets and weights, for a network and a loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..engine.memory import Model, address
from ..engine.runner import Samples
from ..kernels.simd.memory import FLOAT64
from ..losses import Loss
from . import frames, sparse
from .arrays import KINDS, Inputs, as_it_is, blocks, in_place, matrix, numeric, readable, refuse, within

LEAST_WEIGHT, MOST_WEIGHT = 1e-30, 1e30
"""The smallest weight above 0, and the largest. Beyond, products with losses leave the range of float32."""

ENCODE = "; for class labels, classes, y = np.unique(y, return_inverse=True) gives numbers"
"""The end of a message about targets that are not numbers."""

SUM_TOLERANCE = 1e-3
"""The largest difference from 1 that the sum of a row of probabilities may have."""


def inputs(X: object, n_in: int, dtype: np.dtype, name: str = "X") -> Inputs:
    """Return a matrix with `n_in` columns as checked `Inputs`.

    A C-contiguous array of dtype uint8, float32 or float64 is not copied. All values must be finite in the given dtype.
    """
    if sparse.is_sparse(X):
        rows = sparse.read(X, n_in, dtype, name)
        return Inputs(rows, KINDS[rows.dtype])
    array = readable(matrix(X, n_in, name), dtype)
    within(array, name, dtype)
    return Inputs(array, KINDS[array.dtype])


def input_blocks(X: object, n_in: int, dtype: np.dtype) -> tuple[int, Iterable[tuple[int, Inputs]]]:
    """Return the number of rows of a matrix, and its rows in blocks that the kernels can read.

    Each block comes as (number of the first row, rows). If the kernels can read the matrix as it is, it comes as one
    block. This function does not check whether the values of an array are finite: the kernels find out, and `within`
    then names the value.
    """
    if sparse.is_sparse(X):
        found = inputs(X, n_in, dtype)
        return len(found.array), [(0, found)]
    array = matrix(X, n_in)
    if in_place(array):
        array = as_it_is(array)
        return len(array), [(0, Inputs(array, KINDS[array.dtype]))]
    readables = ((first, readable(block, dtype)) for first, block in blocks(array))
    return len(array), ((first, Inputs(block, KINDS[block.dtype])) for first, block in readables)


class Targets(NamedTuple):
    """`Targets` holds targets that the kernels can read.

    Attributes
    ----------
    array : int64 array of shape (n,), array of shape (n, n_out) or (n,), or Rows
        The class labels, or rows of targets. With one output, rows may have the shape (n,).
    kind : int
        The number that tells the kernels the dtype of rows: UINT8, FLOAT32 or FLOAT64.
    labels : bool
        Whether the array contains class labels.
    """

    array: Any
    kind: int
    labels: bool
    classes: bool
    """Whether the targets are classes, so that a prediction is right or wrong and there is an accuracy."""
    by_output: bool
    """Whether each output by itself is right or wrong. This is so for one output, or for classes that do not exclude
    each other."""

    @property
    def sparse(self) -> bool:
        """Whether the targets are a sparse matrix."""
        return not isinstance(self.array, np.ndarray)

    @property
    def places(self) -> dict[str, int]:
        """The addresses of the targets, as fields of a record for the kernels."""
        return self.array.places if self.sparse else {"source": address(self.array)}


def sample_weights(values: object, n: int, name: str = "sample_weight", signed: bool = False) -> np.ndarray | None:
    """Return the weights of n samples as a float64 array of shape (n,), or None for None.

    With `signed`, they may be negative.

    Raises
    ------
    ValueError
        If the shape is another, or a weight is negative, not finite, or so small or large that the sums of float32
        would lose it.
    TypeError
        If the values are not numeric.
    """
    if values is None:
        return None
    array = np.array(numeric(values, name), np.float64)  # a copy, so that nobody can change it during training
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), a weight for each sample; got {array.shape}")
    within(array, name, array.dtype, -math.inf if signed else 0, math.inf)
    above = np.abs(array[array != 0])
    if above.size and not LEAST_WEIGHT <= above.min() <= above.max() <= MOST_WEIGHT:
        found = f"{above.min():g} to {above.max():g}"
        raise ValueError(f"{name} must be 0 or between {LEAST_WEIGHT:g} and {MOST_WEIGHT:g}, got {found}")
    return array


def class_weights(values: object, y: Targets, n_out: int, rows: np.ndarray | None = None) -> np.ndarray | None:
    """Return the weight of each sample according to its class, as a float64 array of shape (n,), or None for None.

    If a sample has probabilities of several classes, its weight is the mean of the weights of these classes.

    Parameters
    ----------
    values : dict of int to float, "balanced" or None
        The weight of each class. A class that is not in the dict has weight 1. With "balanced", the weight of a class
        is n / (number of classes that occur * number of its samples).
    y : Targets
        The targets.
    n_out : int
        The number of outputs.
    rows : int array or None, default None
        The numbers of the samples that "balanced" counts. With None, it counts all samples.

    Raises
    ------
    ValueError
        If the targets are not classes, or if a class or a weight is outside its range.
    TypeError
        If the values have the wrong type.
    """
    if values is None:
        return None
    if not y.classes or (y.by_output and n_out > 1):
        raise ValueError("class_weight needs targets that are classes, and these are not")
    classes = max(n_out, 2)
    labels = y.array if y.labels or n_out > 1 else (y.array.reshape(-1) > 0.5).astype(np.int64)
    if isinstance(values, str):
        checks.choice(values, "class_weight", ("balanced",))
        counted = labels if rows is None else labels[rows]
        counts = np.bincount(counted, minlength=classes) if labels.ndim == 1 else counted.sum(axis=0, dtype=np.float64)
        table = len(counted) / (np.count_nonzero(counts) * np.maximum(counts, 1e-300))
        table[counts == 0] = 0.0
    elif isinstance(values, dict):
        table = np.ones(classes)
        for label, weight in values.items():
            if checks.integer(label, "class_weight's keys", 0) >= classes:
                raise ValueError(f"class_weight's keys must be below {classes}, the number of classes; got {label}")
            table[label] = checks.real(weight, f"class_weight[{label}]", 0)
    else:
        raise TypeError(f"class_weight must be a dict or 'balanced', got {values!r}")
    return table[labels] if labels.ndim == 1 else labels @ table


def targets(y: object, n: int, n_out: int, loss: Loss, dtype: np.dtype, name: str = "y", samples: str = "X") -> Targets:
    """Check the targets of n samples for a loss.

    Parameters
    ----------
    y : object
        The targets that the user gave, as for `Trainer.fit`.
    n : int
        The number of samples.
    n_out : int
        The number of targets of a sample. For nearly all losses it is the number of outputs of the network.
    loss : Loss
        The loss, which decides which targets are possible.
    dtype : dtype
        The dtype of the network.
    name, samples : str
        The names of the targets and of the inputs, for messages.

    Returns
    -------
    Targets
        Class labels of shape (n,), or rows of n_out targets.

    Raises
    ------
    ValueError
        If the shape is wrong, or a value is not possible for this loss.
    TypeError
        If the targets are not numeric, or if labels are not integers.
    """
    if sparse.is_sparse(y):
        return _sparse_targets(y, n, n_out, loss, dtype, name, samples)
    array = numeric(frames.plain(y, name), name, ENCODE)
    shapes = f"({n},){'' if n_out == 1 else ' of integer labels'} or ({n}, {n_out})"
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != n_out):
        raise ValueError(f"{name} must have shape {shapes}, got {array.shape}")
    _as_many(array, n, name, samples)
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
        return Targets(labels, FLOAT64, True, True, False)
    array = readable(array, dtype)
    within(array, name, dtype, *_range(loss))
    if loss.targets == "signs":
        _signs(array, name)
    if loss.targets == "distribution":
        for start, block in blocks(array):
            sums = block.sum(axis=1, dtype=np.float64)
            if abs(sums - 1).max() > SUM_TOLERANCE:
                worst = int(abs(sums - 1).argmax())
                raise ValueError(
                    f"{name}[{start + worst}] sums to {sums[worst]:g}; a row of probabilities must sum to 1"
                )
    return Targets(array, KINDS[array.dtype], False, *_classes(loss))


def _integral(array: np.ndarray, loss: Loss, rule: str, name: str) -> np.ndarray:
    """Return labels as integers. Floats may be labels if all of them are integral, for a loss of classes."""
    if array.dtype.kind != "f":
        return array
    within(array, name, array.dtype if array.dtype == np.float64 else np.dtype(np.float32))
    if loss.targets in ("values", "counts") or (array != np.floor(array)).any():
        raise TypeError(f"{rule}, got dtype {array.dtype}")
    return array.clip(-(2.0**62), 2.0**62).astype(np.int64)


def _as_many(array: Any, n: int, name: str, samples: str) -> None:
    """Raise ValueError unless there are n targets."""
    if len(array) != n:
        raise ValueError(f"{name} must have a row for each of the {n} rows of {samples}, got {len(array)}")


def _range(loss: Loss) -> tuple[float, float]:
    """Return the smallest and the largest target that is possible."""
    return {"values": (-math.inf, math.inf), "counts": (0, math.inf), "signs": (-1, 1)}.get(loss.targets, (0, 1))


def _classes(loss: Loss) -> tuple[bool, bool]:
    """Return whether rows of targets are classes, and whether each output by itself is right or wrong."""
    return loss.targets not in ("values", "counts"), loss.targets in ("probabilities", "signs")


def _sparse_targets(y: object, n: int, n_out: int, loss: Loss, dtype: np.dtype, name: str, samples: str) -> Targets:
    """Check targets that are a sparse matrix, as `targets` does."""
    if loss.targets == "distribution":
        raise TypeError(f"{name} must not be sparse for {loss.name}, which needs a class for each sample: give labels")
    rows = sparse.read(y, n_out, dtype, name)
    _as_many(rows, n, name, samples)
    low = 0 if loss.targets == "signs" else _range(loss)[0]  # a target that is not there is 0, so that none can be -1
    within(rows.entries, f"{name}.data", dtype, low, _range(loss)[1])
    if loss.targets == "signs":
        _signs(rows.entries, f"{name}.data")
    # A single column needs no more memory as an array, in which the classes of the samples can be counted.
    array = rows.toarray() if n_out == 1 else rows
    return Targets(array, KINDS[rows.dtype], False, *_classes(loss))


def _signs(array: np.ndarray, name: str) -> None:
    """Raise ValueError unless all values are 0 or 1, or all values are -1 or 1."""
    no = -1 if any(block.min() < 0 for _, block in blocks(array)) else 0
    for start, block in blocks(array):
        fine = (block == 1) | (block == no)
        if not fine.all():
            refuse(block, fine, name, "0 or 1, or -1 or 1", start)


class Reader:
    """`Reader` checks samples that users give, for one network and one loss.

    Parameters
    ----------
    model : Model
        The network.
    loss : Loss
        The loss, as an object.
    noisy : bool, keyword-only, default False
        Whether the samples are for a training, in which the network may add noise to the inputs.
    lazy : bool, keyword-only, default False
        Whether the samples are for a training with gradient="lazy", which needs a sparse matrix.
    """

    def __init__(self, model: Model, loss: Loss, *, noisy: bool = False, lazy: bool = False):
        layout = model.parameters.layout
        self.n_in, self.n_out, self.dtype = layout.sizes[0], layout.sizes[-1], layout.dtype
        self.n_targets = loss.target_count(self.n_out)
        loss.check_logits(model.activations[-1].name)
        self.model, self.loss, self.noisy, self.lazy = model, loss, noisy, lazy
        self.columns = model.columns
        """The names of the columns of X, or None as long as there are none."""

    def samples(self, X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Samples:
        """Return checked inputs and targets as `Samples`. The names are for error messages."""
        if frames.is_frame(X):
            columns, X = frames.names(X), frames.ordered(X, self.columns, X_name)
            self.columns = self.columns or columns  # the first frame says how those after it are ordered
        read = inputs(X, self.n_in, self.dtype, X_name)
        self.model.check_inputs(read, X_name, noisy=self.noisy)
        if self.lazy and not read.sparse:
            raise ValueError(f"{X_name} must be a sparse matrix with gradient='lazy', got an array")
        return Samples(read, self.targets(y, len(read.array), y_name, X_name))

    def targets(self, y: Any, n: int, name: str = "y", samples: str = "X") -> Targets:
        """Return checked targets of n samples, standardized if the network does so. The names are for messages."""
        found = targets(y, n, self.n_targets, self.loss, self.dtype, name, samples)
        if self.model.targets is None:
            return found
        if found.labels or self.loss.targets != "values" or self.n_targets != self.n_out:
            raise ValueError(
                f"{name} must be numbers of shape ({n}, {self.n_out}), and loss one of such numbers, for a network "
                f"with standardized targets; got the loss {self.loss.name!r}"
            )
        shift, scale = self.model.targets
        # In float64: float32 would lose the differences between large targets before the mean is subtracted.
        array = (found.array.toarray() if found.sparse else found.array).astype(np.float64)
        with np.errstate(all="ignore"):
            array = (array * scale if self.loss.summed else (array - shift) / scale).astype(self.dtype)
        within(array, f"standardized {name}", self.dtype)
        return Targets(array, KINDS[array.dtype], *found[2:])

    def in_units(self, y: Targets) -> np.ndarray:
        """Return targets that this object has checked in the unit of the user, as an array."""
        array = y.array.toarray() if y.sparse else y.array
        if self.model.targets is None:
            return array
        shift, scale = self.model.targets
        return array * scale + shift

    def weighted(
        self, samples: Samples, sample_weight: Any, class_weight: Any = None, rows: np.ndarray | None = None
    ) -> Samples:
        """Return the samples with their weights.

        Parameters
        ----------
        samples : Samples
            The samples.
        sample_weight, class_weight : as for `Trainer.fit`
            The weights that the user gave.
        rows : int array or None, default None
            The numbers of the samples that training will use. With None, it uses all.

        Raises
        ------
        ValueError
            If the weights of these samples have the sum 0, or do not fit.
        """
        found = self._weights(samples.y, sample_weight, class_weight, rows)
        if found is not None and not 0 < (total := (found if rows is None else found[rows]).sum()) < np.inf:
            raise ValueError(f"the weights must have a sum above 0 that is finite, got {total}")
        return samples._replace(weights=found)

    def _weights(
        self,
        y: Targets,
        sample_weight: Any,
        class_weight: Any,
        rows: np.ndarray | None = None,
        name: str = "sample_weight",
    ) -> np.ndarray | None:
        """Return the weight of each sample as a float64 array of shape (n,), or None if all weights are 1."""
        found = sample_weights(sample_weight, len(y.array), name)
        by_class = class_weights(class_weight, y, self.n_out, rows)
        if by_class is None:
            return found
        with np.errstate(all="ignore"):
            return by_class if found is None else found * by_class

    def validation(self, given: Any) -> Samples:
        """Return checked validation data, which the user gave as (X, y) or (X, y, sample_weight)."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TypeError(
                f"validation_data must be a pair (X, y), or (X, y, sample_weight), got {type(given).__name__}"
            )
        samples = self.samples(*given[:2], "validation_data[0]", "validation_data[1]")
        given_weights = given[2] if len(given) == 3 else None
        found = sample_weights(given_weights, len(samples.X.array), "validation_data[2]")
        return _that_count(samples._replace(weights=found), "validation_data[2]")

    def taken(self, samples: Samples, sample_weight: Any, rows: np.ndarray) -> Samples:
        """Return a copy of some of the samples, with their own weights but without class weights."""
        X, y = (part._replace(array=part.array[rows]) for part in samples[:2])
        found = None if sample_weight is None else np.asarray(sample_weight, np.float64)[rows]
        return _that_count(Samples(X, y, None, found), "the sample_weight of the samples of validation_split")

    def blocks(self, X: Any, epochs: int) -> Iterable:
        """Return X if it is an iterable of blocks that can be used for this number of epochs.

        Raises
        ------
        TypeError
            If X is not an iterable of blocks.
        ValueError
            If X is an iterator, and there is more than one epoch.
        """
        if isinstance(X, np.ndarray | str | bytes | dict) or sparse.is_sparse(X) or not isinstance(X, Iterable):
            raise TypeError(f"y must be given, unless X is an iterable of blocks (X, y); got {type(X).__name__}")
        if isinstance(X, Iterator) and epochs > 1:
            raise ValueError(
                f"epochs must be 1 with an iterator, which goes through its blocks once, got {epochs}; a list, or an "
                f"object whose __iter__ begins anew, can have more"
            )
        return X

    def block(self, given: Any, k: int, class_weight: Any) -> Samples | None:
        """Return block number k as checked `Samples`, or None if the block has no rows."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            kind = type(given).__name__
            raise TypeError(f"block {k} of X must be a pair (X, y), or (X, y, sample_weight), got {kind}")
        if np.shape(given[0])[:1] == (0,) == np.shape(given[1])[:1]:
            return None
        samples = self.samples(*given[:2], f"X of block {k}", f"y of block {k}")
        sample_weight, name = given[2] if len(given) == 3 else None, f"sample_weight of block {k}"
        return samples._replace(weights=self._weights(samples.y, sample_weight, class_weight, name=name))


def _that_count(samples: Samples, name: str) -> Samples:
    """Return the samples; raise ValueError if all of their weights are 0, because a mean over them says nothing."""
    if samples.weights is not None and not samples.weights.any():
        raise ValueError(f"{name} must have a sum above 0, got only zeros")
    return samples
