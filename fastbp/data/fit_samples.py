"""This module reads all samples of a call of `Trainer.fit`: those for training, and those for validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.runner import Samples
from .samples import SampleChecker
from .sources import Arrays, Blocks, split
from .sparse import is_sparse


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
    samples, as the steps of `LBFGS` do. `seed` is the seed of `validation_split`.
    """
    if y is None:
        if sample_weight is not None or validation_split or class_weight == "balanced":
            raise ValueError("sample_weight, validation_split and 'balanced' need samples in arrays, not blocks")
        if batch_size is None:
            raise ValueError("X must be an array for LBFGS, which needs all samples at once; got blocks")
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
    if isinstance(X, np.ndarray | str | bytes | dict) or is_sparse(X) or not isinstance(X, Iterable):
        raise TypeError(f"y must be given, unless X is an iterable of blocks (X, y); got {type(X).__name__}")
    if isinstance(X, Iterator) and epochs > 1:
        raise ValueError(
            f"epochs must be 1 with an iterator, which goes through its blocks once, got {epochs}; a list, or an "
            f"object whose __iter__ begins anew, can have more"
        )
    return X
