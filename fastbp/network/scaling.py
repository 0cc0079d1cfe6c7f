"""This module holds `Scaling`, the part of a network that transforms inputs and outputs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import arrays, frames, moments
from ..engine.parameters import Parameters
from ..kernels.panels import aligned
from .architecture import Architecture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Scaling:
    """`Scaling` is the base class of `MLP` with what it does to inputs before the first layer, and to outputs.

    The first layer sees x' = (x - shift) * scale, and `predict` returns a^L * target_scale + target_shift.
    """

    architecture: Architecture
    sizes: tuple[int, ...]
    dtype: np.dtype
    parameters: Parameters
    _shift: np.ndarray
    _scale: np.ndarray
    _targets: tuple[np.ndarray, np.ndarray] | None
    _works: dict[tuple, Any]
    _lock: threading.RLock

    def _per_unit(self, value: ArrayLike, name: str) -> np.ndarray:
        """Return a number, or one per input or output, as a vector that is padded with zeros to a whole cache line."""
        array, n = arrays.numeric(value, name), self.sizes[-1 if name.startswith("target") else 0]
        if array.ndim and array.shape != (n,):
            raise ValueError(f"{name} must be a number or have shape ({n},), got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
        arrays.within_dtype(array, name, self.dtype)
        out = aligned(self.parameters.layout.up(n), self.dtype)
        with np.errstate(all="ignore"):
            out[:n] = array
        return out

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the inputs, or None if the network has not seen a data frame.

        The first data frame that `Trainer.fit`, `Trainer.partial_fit` or `standardize` gets, for example of pandas or
        polars, gives the names. From then on, the columns of each data frame are put in this order by their names, and
        a data frame with other names is refused. Arrays, and data frames whose names are not strings, are used as they
        are. You may assign other names, or None to forget them. Files keep the names.
        """
        return self.architecture.columns

    @columns.setter
    def columns(self, columns: Sequence[str] | None) -> None:
        if columns != self.columns:
            self.architecture = dataclasses.replace(self.architecture, columns=columns)

    @property
    def shift(self) -> np.ndarray:
        """The number that is subtracted from each input, as a copy of shape (sizes[0],)."""
        return self._shift[: self.sizes[0]].copy()

    @property
    def scale(self) -> np.ndarray:
        """The number that multiplies each input after `shift` is subtracted, as a copy of shape (sizes[0],)."""
        return self._scale[: self.sizes[0]].copy()

    @property
    def scale_in_use(self) -> np.ndarray:
        """The padded vector of `scale` that the kernels read. It is another object after each change."""
        return self._scale

    @property
    def target_shift(self) -> np.ndarray:
        """The number that `predict` adds to each output, as a copy of shape (sizes[-1],)."""
        return np.zeros(self.sizes[-1], self.dtype) if self._targets is None else self._targets[0].copy()

    @property
    def target_scale(self) -> np.ndarray:
        """The number by which `predict` multiplies each output, as a copy of shape (sizes[-1],)."""
        return np.ones(self.sizes[-1], self.dtype) if self._targets is None else self._targets[1].copy()

    def transform_as(self, vectors: Mapping[str, ArrayLike]) -> None:
        """Set the numbers that transform inputs and outputs.

        Parameters
        ----------
        vectors : mapping of str to array
            The values of some of the attributes "shift", "scale", "target_shift" and "target_scale", by their names.
            The last two come together. Each may be a number.

        Raises
        ------
        ValueError
            If a value does not fit. Nothing has changed then.
        """
        given, targets = {"shift": self.shift, "scale": self.scale, **vectors}, ("target_shift", "target_scale")
        if len(given.keys() & {*targets}) == 1:
            raise ValueError("target_shift and target_scale must come together, got one of them")
        # All vectors are new: a trainer that goes on sees by `scale_in_use` that its operations have old ones.
        made = {name: self._per_unit(value, name) for name, value in given.items()}
        with self._lock:
            self._shift, self._scale = made["shift"], made["scale"]
            if "target_scale" in made:
                self._targets = tuple(made[name][: self.sizes[-1]] for name in targets)
            self._works.clear()  # because they contain the old numbers

    @property
    def vectors(self) -> dict[str, np.ndarray]:
        """The numbers that transform inputs and, if there are some, those that transform outputs, as copies."""
        names = ("shift", "scale", *(("target_shift", "target_scale") if self._targets else ()))
        return {name: getattr(self, name) for name in names}

    def standardize(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None
    ) -> None:
        """Set `shift` and `scale` so that inputs have the mean 0 and the standard deviation 1; the same for targets.

        Training learns slowly, or not at all, if inputs have very different scales. Call this method before training,
        with the samples of the training and not with those of a test. The weights and biases do not change.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0]), or None, default None
            The inputs. `shift` becomes their mean, and `scale` becomes 1 / standard deviation, or 1 for a constant
            column. They are computed in float64 and in blocks, without a copy of X. A sparse matrix gets only the
            scale, so that its zeros stay 0. With None, `shift` and `scale` stay as they are.
        y : array of shape (n, sizes[-1]), or (n,) for one output, or None, default None
            The targets of a regression. Training then uses (y - mean) / standard deviation, and `predict` returns
            a^L * standard deviation + mean. Losses and gradients are those of the standardized targets; metrics have
            the unit of y. Samples of later calls have the unit of y everywhere. With None, the targets stay as they
            are.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, at least 0. With None, all weights are 1.

        Raises
        ------
        ValueError
            If an argument does not fit, or, with `y`, if the output is not unbounded, as "identity" is. The network has
            not changed then.
        TypeError
            If an argument is not numeric.

        Examples
        --------
        >>> import fastbp as fb
        >>> import numpy as np
        >>> X, y = np.array([[1000.0, 0.1], [2000.0, 0.2], [3000.0, 0.3]]), np.array([5.0, 10.0, 15.0])
        >>> net = fb.MLP([2, 1], standardize=X, standardize_targets=y, seed=0)
        >>> net.shift.round(1), (1 / net.scale).round(3)
        (array([2.e+03, 2.e-01], dtype=float32), array([8.16497e+02, 8.20000e-02], dtype=float32))
        >>> net.target_shift.tolist()
        [10.0]
        """
        made: dict[str, ArrayLike] = {}
        architecture = self.architecture
        if X is not None:
            names, X = frames.names(X), frames.ordered(X, self.columns)
            found, sparse = moments.of_inputs(X, self.sizes[0], sample_weight)
            architecture = dataclasses.replace(architecture, columns=self.columns or names)
            if not sparse:
                self._check_digits(found, "X", self.columns or names or range(self.sizes[0]))
            made |= {"shift": 0.0 if sparse else found.mean, "scale": found.scale}
        if y is not None:
            low, high = self.architecture.activations[-1].bounds or (-np.inf, np.inf)
            if np.isfinite(low) or np.isfinite(high):
                output = self.architecture.output
                raise ValueError(
                    f"standardized targets need an output without bounds, such as 'identity', got {output!r}"
                )
            found = moments.of_targets(frames.plain(y, "y"), self.sizes[-1], sample_weight)
            self._check_digits(found, "y", range(self.sizes[-1]))
            made |= {"target_shift": found.mean, "target_scale": 1 / found.scale}
        if made:
            self.transform_as(made)
        self.architecture = architecture

    def _check_digits(self, found: moments.Moments, name: str, columns: Sequence[object]) -> None:
        """Raise ValueError if the dtype of the network has too few digits for the numbers of a column."""
        lost = (found.deviation > 0) & (found.deviation < 16 * np.finfo(self.dtype).eps * np.abs(found.mean))
        if lost.any():
            k = int(lost.argmax())
            raise ValueError(
                f"{name} has a standard deviation of {found.deviation[k]:.3g} around a mean of {found.mean[k]:.3g} in "
                f"column {columns[k]!r}: {self.dtype} has not enough digits; subtract the mean from {name}, or use "
                f"dtype='float64'"
            )
