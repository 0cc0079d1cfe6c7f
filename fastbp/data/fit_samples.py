"""This module reads all samples of a call of `Trainer.fit`: those for training, and those for validation."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.runner import Samples
from .samples import SampleChecker
from .sources import Arrays, Blocks, split
from .sparse import is_sparse

SAMPLES = """X : array, data frame or sparse matrix of shape (n, n_in), or iterable of blocks
    The inputs; each row is a sample. C-contiguous arrays of dtype uint8, float32 and float64, also np.memmap,
    are read without a copy. Other arrays are converted first. Nobody may shorten the file of an np.memmap
    during training: the system would then end the process.

    A data frame, for example of pandas, polars or pyarrow, must have columns of numbers or bools, also nullable
    ones, without missing values. The network keeps the names of the first one, see `MLP.columns`: the columns of
    later data frames are put in this order, and other names are refused.

    A sparse matrix comes from `scipy.sparse`. In the format CSR, with values of dtype bool, uint8, float32 or
    float64 and increasing columns in each row, it is read without a copy; others are converted first. The
    network must have neither `shift` nor `input_noise`. The results have the same bits as with an array of the
    same values. With `SGD` without momentum, and with `Adagrad`, the time of a step depends on the number of
    entries, and not on that of columns. All other optimizers, and `l1`, `l2`, `max_norm` and `average`, move
    every weight in every step; ``gradient="lazy"`` of `Trainer` avoids this.

    A block is a pair (X, y) or a triple (X, y, sample_weight), with any number of rows. An epoch goes through
    all blocks once. A separate thread reads the next blocks during training, so it must be possible to read
    them from another thread. An iterator, such as a generator, can only be used for one epoch. With blocks, the
    parameters `sample_weight`, `validation_split` and ``class_weight="balanced"``, and the optimizer `LBFGS`,
    are not possible.
y : array of shape (n,) or (n, n_out), sparse matrix of shape (n, n_out), or None, default None
    The targets. A sparse matrix is possible for all losses but "cross_entropy", "multiclass_hinge" and
    "multiclass_perceptron". The loss decides which targets are possible:

    - "cross_entropy", "multiclass_hinge" and "multiclass_perceptron" take class labels of shape (n,), from 0 to
      n_out - 1, or rows of probabilities of shape (n, n_out) with the sum 1. Labels are integers; floats
      without a fraction are too. ``classes, y = np.unique(y, return_inverse=True)`` makes labels of strings.
    - "binary_cross_entropy" takes values from 0 to 1.
    - "hinge", "squared_hinge", "perceptron" and "adaline" take either 0 and 1, or -1 and 1.
    - "poisson" takes values that are at least 0.
    - All others take finite values.

    These values have the shape (n, n_out), or (n,) if the network has one output. If it has several outputs,
    integer labels of shape (n,) count as their one-hot rows for every loss. If X is an iterable of blocks, y
    must be None."""
"""What the section Parameters of `Trainer.fit` says of X and y."""


class FitSamples(NamedTuple):
    """`FitSamples` holds the checked samples of a call of `Trainer.fit`."""

    source: Arrays | Blocks
    """The source of the samples for training."""
    samples: Samples | None
    """All samples, or None if they come in blocks."""
    validation: Samples | None
    """The samples for validation, or None if there are none."""


def read_fit(
    checker: SampleChecker,
    X: Any,
    y: Any,
    *,
    epochs: int,
    sample_weight: Any,
    class_weight: Any,
    validation_data: Any,
    validation_split: float,
    shuffle_buffer: int | None,
    shuffle: bool,
    batch_size: int | None,
    seed: int,
) -> FitSamples:
    """Check all samples of a call of `Trainer.fit`, or raise ValueError or TypeError.

    The arguments are those of `Trainer.fit`, and settings of the trainer. If `batch_size` is None, a step uses all
    samples, as with "all" and with `LBFGS`. `seed` is the seed of `validation_split`.
    """
    if y is None:
        if sample_weight is not None or validation_split or class_weight == "balanced":
            raise ValueError("sample_weight, validation_split and 'balanced' need samples in arrays, not blocks")
        if batch_size is None:
            raise ValueError("X must be an array for LBFGS and batch_size='all', which need all samples; got blocks")
        blocks, validation = _check_blocks(X, epochs), None
        if validation_data is not None:
            validation = checker.with_columns(checker.form.columns, "scores").validation(validation_data)
            checker = checker.with_columns(validation.X.columns)  # frames in blocks have the order of the validation
        of_blocks = Blocks(blocks, checker, class_weight, shuffle, shuffle_buffer, batch_size)
        return FitSamples(of_blocks, None, validation)
    samples, rows, validation = checker.samples(X, y), None, None
    if validation_split:
        rows, held_out = split(samples.y, validation_split, np.random.default_rng([seed, 1]))
        validation = checker.held_out(samples, sample_weight, held_out)
    samples = checker.weighted(samples, sample_weight, class_weight, rows)
    if validation_data is not None:
        validation = checker.with_columns(samples.X.columns, "scores").validation(validation_data)
    batch = samples.n if batch_size is None else batch_size
    # A step that uses all samples has the same gradient in any order.
    source = Arrays(samples, rows, shuffle and batch_size is not None, shuffle_buffer, batch)
    return FitSamples(source, samples, validation)


def _check_blocks(X: Any, epochs: int) -> Iterable[Any]:
    """Return X if it is an iterable of blocks that can be used for so many epochs, or raise TypeError or ValueError."""
    if inspect.isfunction(X) or inspect.ismethod(X):
        raise TypeError(
            f"y must be given, unless X is an iterable of blocks (X, y): call {X.__name__}, which makes one"
        )
    if isinstance(X, np.ndarray | str | bytes | dict) or is_sparse(X) or not isinstance(X, Iterable):
        raise TypeError(f"y must be given, unless X is an iterable of blocks (X, y); got {type(X).__name__}")
    if isinstance(X, Iterator) and epochs > 1:
        raise ValueError(
            f"epochs must be 1 with an iterator, which goes through its blocks once, got {epochs}; a list, or an "
            f"object whose __iter__ begins anew, can have more"
        )
    return X
