"""This module checks the samples that users give, which are inputs, targets and weights, for a network and a loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np

from ..activations import Activation
from ..base import checks
from ..engine.runner import Samples
from ..losses import OUTPUT_GRADIENT, Loss
from . import frames
from .arrays import KINDS, as_it_is, blocks, in_place, matrix, numeric, readable, within
from .inputs import Inputs, inputs
from .sparse import is_sparse
from .targets import Targets, range_of, targets
from .weights import check_some, sample_weights, weights_of

Use = Literal["scores", "gradients", "training"]
"""What samples are for. Gradients need derivatives of all activations; training may also add noise to the inputs."""


class SampleFormat(NamedTuple):
    """`SampleFormat` says what the samples of a network must be like.

    Attributes
    ----------
    n_in, n_out : int
        The number of inputs and of outputs.
    dtype : dtype
        The dtype of the network: float32 or float64.
    activations : tuple of Activation
        The activation function of each layer.
    """

    n_in: int
    n_out: int
    dtype: np.dtype
    activations: tuple[Activation, ...]
    columns: tuple[str, ...] | None = None
    """The names of the columns of X in their order, or None if the network does not know names."""
    shifted: bool = False
    """Whether the network subtracts a shift from its inputs."""
    noisy: bool = False
    """Whether training adds noise to the inputs."""
    targets: tuple[np.ndarray, np.ndarray] | None = None
    """The mean and the deviation by which the network standardizes targets, or None."""
    unit: tuple[np.ndarray, np.ndarray] | None = None
    """The same as `Targets.unit`, or None without `targets`."""
    threshold: float = 0.5
    """The value from which on a single output means class 1."""

    def check_trainable(self) -> None:
        """Raise ValueError if an activation function has no derivative."""
        for sigma in self.activations:
            if not sigma.trainable:
                raise ValueError(
                    f"activation {sigma.name!r} has no derivative: such a network can predict but not be trained"
                )

    def inputs(self, X: Any, name: str = "X", *, noise: bool = False) -> Inputs:
        """Return checked inputs, whose columns have the order of the network. With `noise`, it will add its noise."""
        X, columns = frames.read(X, self.columns, name)
        checked = inputs(X, self.n_in, self.dtype, name, exact=self.shifted)
        if checked.sparse and self.shifted:
            raise ValueError(
                f"{name} must not be sparse for a network with a shift: no input would stay 0; use only a scale"
            )
        if checked.sparse and self.noisy and noise:
            raise ValueError(f"{name} must not be sparse for a network with input_noise: no input would stay 0")
        return checked if columns is None else checked._replace(columns=columns)

    def one_row(self, X: Any) -> Any | None:
        """Return X as a matrix or a frame of one row, if it is one sample of shape (n_in,), else None."""
        if isinstance(X, list | tuple):
            one = len(X) == self.n_in and np.ndim(X[0]) == 0
        else:
            one = getattr(X, "shape", None) == (self.n_in,) and not is_sparse(X)
        if not one:
            return None
        # A row of a frame of pandas keeps its names.
        return X.to_frame().T if hasattr(X, "to_frame") and hasattr(X, "index") else numeric(X, "X")[None]

    def input_blocks(self, X: Any) -> tuple[int, Iterable[tuple[int, Inputs]]]:
        """Return the number of rows of X, and its rows in blocks, each as (number of the first row, rows).

        An array that the kernels can read as it is comes as one block. This method does not check whether its values
        are finite: the kernels find out.
        """
        if is_sparse(X):
            X = self.inputs(X)
            return len(X.array), [(0, X)]
        array = matrix(frames.read(X, self.columns)[0], self.n_in)
        if in_place(array):  # generators would take a tenth of the time of a prediction of one row
            block = as_it_is(array)
            return len(array), [(0, Inputs(block, KINDS[block.dtype]))]
        readables = ((first, readable(block, self.dtype, exact=self.shifted)) for first, block in blocks(array))
        return len(array), ((first, Inputs(block, KINDS[block.dtype])) for first, block in readables)


def trained_on(samples: Samples, n_out: int) -> dict[str, Any]:
    """Return what a network with n_out outputs keeps of samples that it was trained on, as fields of `Architecture`.

    The fields are "columns" and, unless the targets are a gradient from outside, "multilabel" and "flat".
    """
    y: Targets = samples.y
    if y.gradient:
        return {"columns": samples.X.columns}
    multilabel, flat = y.classes and y.by_output and n_out > 1, n_out == 1 and y.array.ndim == 1
    return {"columns": samples.X.columns, "multilabel": multilabel, "flat": flat}


def taken(samples: Samples, rows: np.ndarray | slice) -> Samples:
    """Return some of the samples, with their weights."""
    X, y = (part._replace(array=part.array[rows]) for part in (samples.X, samples.y))
    return Samples(X, y, None, None if samples.weights is None else samples.weights[rows])


class SampleChecker:
    """`SampleChecker` checks samples that users give, for one network and one loss. It never changes.

    With `lazy`, the samples are for a training with gradient="lazy", which needs a sparse matrix. If the loss cannot be
    used with the outputs of the network, or an activation function has no derivative and the samples are for gradients,
    ValueError is raised. Errors about samples are ValueError and TypeError.
    """

    def __init__(self, form: SampleFormat, loss: Loss, use: Use = "scores", *, lazy: bool = False):
        if use != "scores":
            form.check_trainable()
        self.n_targets = loss.target_count(form.n_out)
        loss.check_logits(form.activations[-1].name)
        self.form, self.loss, self.use, self.lazy = form, loss, use, lazy

    def with_columns(self, columns: tuple[str, ...] | None, use: Use | None = None) -> SampleChecker:
        """Return a checker that puts columns in this order, for the same or for another use of the samples."""
        use = use or self.use
        return SampleChecker(self.form._replace(columns=columns), self.loss, use, lazy=self.lazy and use == "training")

    def reads_like(self, other: SampleChecker) -> bool:
        """Return whether another checker returns the same samples. Arrays of scales are not compared."""
        mine, theirs = ((each.loss, each.use, each.lazy, each.form) for each in (self, other))
        return self.form.targets is None and other.form.targets is None and mine == theirs

    def samples(self, X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Samples:
        """Return checked inputs and targets, without weights. The names are for messages.

        An `Ensemble` reads the samples that its trainers share once, and then gives them as X.
        """
        if isinstance(X, Samples):
            return X
        checked = self.form.inputs(X, X_name, noise=self.use == "training")
        if self.lazy and not checked.sparse:
            raise ValueError(f"{X_name} must be a sparse matrix with gradient='lazy', got an array")
        return Samples(checked, self.targets(y, len(checked.array), y_name, X_name))

    def read(self, X: Any, y: Any, sample_weight: Any = None) -> Samples:
        """Return checked inputs and targets with their weights, whose sum is above 0."""
        return self.weighted(self.samples(X, y), sample_weight)

    def read_step(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        signed_weights: bool = False,
        output_gradient: Any = None,
    ) -> Samples:
        """Return checked samples for steps of training. The arguments are those of `Trainer.partial_fit`."""
        if (y is None) == (output_gradient is None):
            raise TypeError("y must be given, or output_gradient in place of it, and not both")
        signed = checks.flag(signed_weights, "signed_weights")
        if output_gradient is not None:
            if sample_weight is not None or signed:
                raise ValueError("output_gradient must not be given with weights: it already contains them")
            outside = SampleChecker(self.form, OUTPUT_GRADIENT, self.use, lazy=self.lazy)
            return outside.samples(X, output_gradient, y_name="output_gradient")
        samples = self.samples(X, y)
        if signed:
            return samples._replace(weights=sample_weights(sample_weight, samples.n, signed=True), signed=True)
        return self.weighted(samples, sample_weight)

    def targets(self, y: Any, n: int, name: str = "y", samples: str = "X") -> Targets:
        """Return checked targets of n samples, standardized if the network does so. The names are for messages."""
        form = self.form
        scaled = form.targets is not None
        checked = targets(y, n, self.n_targets, self.loss, form.dtype, name, samples, scaled=scaled)
        checked = checked._replace(threshold=form.threshold)
        if form.targets is None:
            return checked
        kind = self.loss.targets
        if checked.labels or kind not in ("values", "probabilities") or self.n_targets != form.n_out:
            raise ValueError(
                f"a network with scaled targets needs a loss of numbers, and {name} of shape "
                f"({n}, {form.n_out}); got the loss {self.loss.name!r}"
            )
        checked = checked._replace(classes=False, by_output=False)  # they are numbers in some unit
        shift, scale = form.targets
        given = checked.array
        if isinstance(given, np.ndarray) and given.dtype == np.uint8:  # the kernels convert them, as they do inputs
            self._check_range((np.array([[given.min()], [given.max()]]) - shift) / scale, name)
            return checked._replace(unit=form.unit)
        # In float64: float32 would lose the differences between large targets before the mean is subtracted.
        array = checked.dense.astype(np.float64)
        with np.errstate(all="ignore"):
            array = (array * scale if checked.gradient else (array - shift) / scale).astype(form.dtype)
        within(array, f"standardized {name}", form.dtype)
        if not checked.gradient:
            self._check_range(array, name)
        return checked._replace(array=array, kind=KINDS[array.dtype])

    def _check_range(self, array: np.ndarray, name: str) -> None:
        """Raise ValueError if targets after the shift and the scale are outside of what the loss takes."""
        low, high = range_of(self.loss)
        least, most, slack = array.min(), array.max(), 8 * np.finfo(self.form.dtype).eps
        if least < low - slack or most > high + slack:
            raise ValueError(
                f"{name} must be in [{low:g}, {high:g}] for {self.loss.name!r} after target_shift and target_scale, "
                f"got {least:g} to {most:g}"
            )

    def in_units(self, y: Targets) -> np.ndarray:
        """Return checked targets in the unit of the user, as an array."""
        if self.form.targets is None:
            return y.dense
        if y.unit is not None:
            return y.dense.astype(self.form.dtype)
        shift, scale = self.form.targets
        return np.asarray(y.dense * scale + shift)

    def weighted(
        self, samples: Samples, sample_weight: Any, class_weight: Any = None, rows: np.ndarray | None = None
    ) -> Samples:
        """Return the samples with weights, which the user gave as for `Trainer.fit`.

        `rows` are the numbers of the samples that training will use, or None for all. Their weights must not all be 0.
        """
        weights = weights_of(samples.y, self.form.n_out, sample_weight, class_weight, rows)
        if weights is not None:
            total = (weights if rows is None else weights[rows]).sum()
            if not 0 < total < np.inf:
                raise ValueError(f"the weights must have a sum above 0 that is finite, got {total}")
        return samples._replace(weights=weights)

    def validation(self, given: Any) -> Samples:
        """Return checked validation data, which the user gave as (X, y) or (X, y, sample_weight)."""
        X, y, own = _parts(given, "validation_data")
        samples = self.samples(X, y, "validation_data[0]", "validation_data[1]")
        weights = check_some(sample_weights(own, samples.n, "validation_data[2]"), "validation_data[2]")
        return samples._replace(weights=weights)

    def held_out(self, samples: Samples, sample_weight: Any, rows: np.ndarray) -> Samples:
        """Return a copy of some of the samples, with their own weights but without class weights."""
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)[rows]
        check_some(weights, "the sample_weight of the samples of validation_split")
        return taken(samples, rows)._replace(weights=weights)

    def block(self, given: Any, k: int, class_weight: Any = None) -> Samples | None:
        """Return block number k as checked samples, or None if the block has no rows."""
        X, y, own = _parts(given, f"block {k} of X")
        if np.shape(X)[:1] == (0,) == np.shape(y)[:1]:
            return None
        samples, name = self.samples(X, y, f"X of block {k}", f"y of block {k}"), f"sample_weight of block {k}"
        return samples._replace(weights=weights_of(samples.y, self.form.n_out, own, class_weight, name=name))


def _parts(given: Any, name: str) -> tuple[Any, Any, Any]:
    """Return inputs, targets and weights or None, of a pair (X, y) or a triple (X, y, sample_weight)."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise TypeError(f"{name} must be a pair (X, y), or (X, y, sample_weight), got {type(given).__name__}")
    X, y, *weights = given
    return X, y, weights[0] if weights else None
