"""This module holds `Network`: what a network is, without what it computes."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from ..base import checks, hints, model_files
from ..base.locked import locked, locked_tuple
from ..data import arrays, frames, moments
from ..data.samples import SampleFormat, trained_on
from ..engine.blocks import Parameters
from ..engine.computer import Computer
from ..engine.layers.dense import Dense
from ..engine.memory import Model
from ..engine.runner import Samples
from ..kernels.panels import aligned, lanes_of, round_up
from . import files
from .architecture import Architecture
from .weights import by_layer, of_layers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


WEIGHTS = (
    "the weights and biases of a network cannot be changed in place: change copies of them, and give all of them to "
    "set_weights"
)
SCALES = (
    "shift, scale, target_shift and target_scale of a network cannot be changed in place: call standardize, or make a "
    "network with MLP(shift=..., scale=...)"
)


class Network(hints.Hinted, metaclass=hints.Hinting):
    """`Network` is the base class of `MLP`. It holds the architecture, the parameters, and the scales of a network.

    The first layer sees x' = (x - shift) * scale, and `predict` returns a^L * target_scale + target_shift. Attributes
    whose names begin with an underscore are for the rest of fastbp.
    """

    @classmethod
    def _from_architecture(cls, architecture: Architecture) -> Self:
        """Make a network with a given architecture. Its weights and biases are 0."""
        network = cls.__new__(cls)
        network._set_up(architecture)
        return network

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network from a file that `save` wrote, as an object of this class, see `fastbp.load`.

        Raises
        ------
        ModelFileError
            If the file is damaged, has another format or version, or has contents that do not fit together. This error
            is also a ValueError.
        OSError
            If the file cannot be read.
        """
        with model_files.opened(path, "network") as contents:
            described = {"": contents.description}
            return files.read(contents, described, files.CLASSES, cls._from_architecture)[""]

    def _like(self, architecture: Architecture) -> Self:
        """Make a network of this class with another architecture, and with copies of what the class of a user adds."""
        made = self._from_architecture(architecture)
        made.__dict__ |= {name: copy.copy(value) for name, value in vars(self).items() if name not in vars(made)}
        return made

    def _set_up(
        self,
        architecture: Architecture,
        scale: ArrayLike = 1.0,
        shift: ArrayLike = 0.0,
        parameters: Parameters | None = None,
    ) -> None:
        """Set all attributes. Without parameters, the weights and biases start at 0."""
        self._architecture = architecture
        self._targets: tuple[np.ndarray, np.ndarray] | None = None
        self._known_form: tuple[Architecture, Model, object, SampleFormat] | None = None
        layers = architecture.layers()
        blocks = (block for layer in layers for block in layer.blocks())
        parameters = parameters or Parameters(blocks, architecture.dtype)
        made, vectors = architecture, (self._per_unit(shift, "shift"), self._per_unit(scale, "scale"))
        model = Model(parameters, layers, made.sizes, *vectors, made.dropout[0], made.input_noise, made.max_norm)
        self._computer = Computer(model)

    @property
    def architecture(self) -> Architecture:
        """The checked arguments of the network, except `shift`, `scale` and `seed`, with one entry for each layer."""
        return self._architecture

    @property
    def parameters(self) -> Parameters:
        """The parameters in the memory of the kernels. `weights`, `biases` and `theta` are copies of them."""
        return self._computer.model.parameters

    @property
    def _form(self) -> SampleFormat:
        """What samples of the network must be like."""
        made, model, targets, known = self._architecture, self._computer.model, self._targets, self._known_form
        # Making it anew would take a third of the time of a prediction of one row.
        if known is None or known[0] is not made or known[1] is not model or known[2] is not targets:
            form = SampleFormat(
                made.sizes[0], made.sizes[-1], made.dtype, made.activations, made.columns, bool(model.shift.any()),
                made.input_noise > 0, targets, self._unit(), made.threshold,
            )  # fmt: skip
            self._known_form = known = made, model, targets, form
        return known[3]

    def _unit(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return how kernels transform targets: y' = (y - shift) * factor, padded to whole lines, or None."""
        if self._targets is None:
            return None
        return self._per_unit(self._targets[0], "target_shift"), self._per_unit(1 / self._targets[1], "target_scale")

    def _trained_on(self, samples: Samples) -> None:
        """Take over what samples of a training say of the inputs and outputs: `columns`, `multilabel` and `flat`."""
        made = self._architecture
        found = trained_on(samples, made.sizes[-1])
        if any(getattr(made, name) != value for name, value in found.items()):
            self._architecture = dataclasses.replace(made, **found)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of the input, of each hidden layer, and of the output."""
        return self.architecture.sizes

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters and of the arithmetic: float32 or float64."""
        return self.architecture.dtype

    @property
    def threshold(self) -> float:
        """The value from which on a single output means class 1, or "yes".

        A new network has the threshold 0.5. When you make a `Trainer` for the network, or assign another loss to the
        trainer, the network takes the threshold of the loss: 0 for "hinge", "squared_hinge", "perceptron", "adaline"
        and logits, and 0.5 for all other losses. `predict_classes` uses the threshold if the network has one output, or
        is `multilabel`. The accuracy that `Trainer` reports uses it where each output is right or wrong by itself. You
        may assign another threshold.
        """
        return self.architecture.threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        if threshold != self.threshold:
            self._architecture = dataclasses.replace(self.architecture, threshold=threshold)

    @property
    def multilabel(self) -> bool:
        """Whether each of several outputs says yes or no by itself, because classes do not exclude each other.

        A new network has False. Training sets it, according to its targets: True for rows of shape (n, n_out) with
        "binary_cross_entropy", "hinge" or "squared_hinge", and False for class labels of shape (n,) and for all other
        losses. Then the accuracy of this training and `predict_classes` decide alike.
        """
        return self.architecture.multilabel

    @property
    def flat(self) -> bool:
        """Whether `predict` returns shape (n,) in place of (n, 1), for a network with one output.

        A new network has False. Training sets it, according to its targets: True for y of shape (n,), and False for y
        of shape (n, 1). So predictions have the shape of the targets. NumPy would make a matrix of shape (n, n) of the
        difference of (n, 1) and (n,), without a word.
        """
        return self.architecture.flat

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
            given: Any = columns  # `Architecture` makes a tuple of it
            self._architecture = dataclasses.replace(self.architecture, columns=given)

    @property
    def classes(self) -> tuple[str | float, ...] | None:
        """The names of the classes, or None if the network does not know them.

        An estimator of `fastbp.sklearn` and `fastbp.interop.from_sklearn` give them to their network: class k of
        `predict_classes` has the name ``classes[k]``. You may assign as many names as there are classes, which are two
        for a network with one output, or None to forget them. Files keep the names.
        """
        return self.architecture.classes

    @classes.setter
    def classes(self, classes: Sequence[str | float] | None) -> None:
        given: Any = classes  # `Architecture` makes a tuple of it
        self._architecture = dataclasses.replace(self.architecture, classes=given)

    @property
    def shift(self) -> np.ndarray:
        """The number that is subtracted from each input, of shape (sizes[0],). `standardize` can change it."""
        return locked(self._computer.model.shift[: self.sizes[0]].copy(), SCALES)

    @property
    def scale(self) -> np.ndarray:
        """The number that multiplies each input after `shift` is subtracted, of shape (sizes[0],)."""
        return locked(self._computer.model.scale[: self.sizes[0]].copy(), SCALES)

    @property
    def target_shift(self) -> np.ndarray:
        """The number that `predict` adds to each output, of shape (sizes[-1],). `standardize` can change it."""
        found = np.zeros(self.sizes[-1], self.dtype) if self._targets is None else self._targets[0].copy()
        return locked(found, SCALES)

    @property
    def target_scale(self) -> np.ndarray:
        """The number by which `predict` multiplies each output, of shape (sizes[-1],)."""
        found = np.ones(self.sizes[-1], self.dtype) if self._targets is None else self._targets[1].copy()
        return locked(found, SCALES)

    def _per_unit(self, value: ArrayLike, name: str) -> np.ndarray:
        """Return a number, or one per input or output, as a vector that is padded with zeros to a whole cache line."""
        array, n = arrays.numeric(value, name), self.sizes[-1 if name.startswith("target") else 0]
        if array.ndim and array.shape != (n,):
            raise ValueError(f"{name} must be a number or have shape ({n},), got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
        arrays.within_dtype(array, name, self.dtype)
        out = aligned(round_up(n, lanes_of(self.dtype)), self.dtype)
        with np.errstate(all="ignore"):
            out[:n] = array
        return out

    def _transform_as(self, vectors: Mapping[str, ArrayLike]) -> None:
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
        made = {name: self._per_unit(value, name) for name, value in given.items()}
        if (made.get("target_scale", np.ones(1))[: self.sizes[-1]] <= 0).any():
            raise ValueError(f"target_scale must be above 0, got {given['target_scale']!r}")
        with self._computer.lock:
            self._computer.model = self._computer.model._replace(shift=made["shift"], scale=made["scale"])
            if "target_scale" in made:
                shift, scale = (made[name][: self.sizes[-1]] for name in targets)
                self._targets = shift, scale

    @property
    def _vectors(self) -> dict[str, np.ndarray]:
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
            X, names = frames.read(X, self.columns)
            found, sparse = moments.of_inputs(X, self.sizes[0], sample_weight)
            architecture = dataclasses.replace(architecture, columns=names)
            self._check_digits(found, "X", names or range(self.sizes[0]))
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
            self._transform_as(made)
        self._architecture = architecture

    def _check_digits(self, found: moments.Moments, name: str, columns: Sequence[object]) -> None:
        """Raise ValueError if the dtype of the network has too few digits for a column, or too small a range."""
        info, wider = np.finfo(self.dtype), "" if self.dtype == np.float64 else ", or use dtype='float64'"
        lost = (found.deviation > 0) & (found.deviation < 16 * info.eps * np.abs(found.mean))
        with np.errstate(all="ignore"):
            outside = (found.scale < info.tiny) | (found.scale > info.max)
        if (lost | outside).any():
            k = int((lost | outside).argmax())
            reason = f"has too few digits; subtract the mean from {name}"
            if outside[k]:
                reason = f"cannot hold 1 / deviation; give {name} in another unit"
            raise ValueError(
                f"{name} has a standard deviation of {found.deviation[k]:.3g} around a mean of {found.mean[k]:.3g} in "
                f"column {columns[k]!r}: {self.dtype} {reason}{wider}"
            )

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """The weights W^1 .. W^L, as copies of shape (n_in, n_out). To change them, call `set_weights`."""
        return locked_tuple(self._copies()[0], WEIGHTS)

    @property
    def biases(self) -> tuple[Any, ...]:
        """The biases b^1 .. b^L, as copies of shape (n_out,), or None for a layer without. See `set_weights`."""
        return locked_tuple(self._copies()[1], WEIGHTS)

    def _copies(self) -> tuple[list[np.ndarray], list[Any]]:
        """Return copies of the weights and of the biases that can be changed."""
        return self._by_layer(self.parameters.unpack(self.parameters.theta))

    def _by_layer(self, parts: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], list[Any]]:
        """Return the arrays of blocks as two lists: of weights, and of biases or None."""
        return by_layer(self._layers, parts)

    @property
    def _layers(self) -> tuple[Dense, ...]:
        """The layers, which are all dense."""
        layers: Any = self._computer.model.layers
        found: tuple[Dense, ...] = layers
        return found

    @property
    def theta(self) -> np.ndarray:
        """All parameters as one vector of shape (n_parameters,), as a copy (000).

        The weights of the first layer come first, row by row: those of input 1 to all units, of input 2, and so on.
        Then come its biases, then the weights of the second layer, and so on. You may assign a vector of this shape.
        """
        found = self.parameters.flat(self.parameters.unpack(self.parameters.theta))
        return locked(found, "theta of a network cannot be changed in place: change a copy, and assign it to theta")

    @theta.setter
    def theta(self, theta: ArrayLike) -> None:
        vector = arrays.numeric(theta, "theta")
        if vector.shape != (self.n_parameters,):
            raise ValueError(f"theta must have shape ({self.n_parameters},), got {vector.shape}")
        arrays.within(vector, "theta", self.dtype)
        with self._computer.lock:
            self.parameters.set(self.parameters.from_flat(vector))

    @property
    def n_parameters(self) -> int:
        """The number of all weights and biases."""
        return self.parameters.size

    def set_weights(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike | None]) -> None:
        """Replace all weights and biases. If one of the arrays does not fit, nothing changes.

        Parameters
        ----------
        weights : sequence of L arrays
            The weights of each layer, of shape (n_in, n_out). They are converted to the dtype of the network.
        biases : sequence of L arrays
            The biases of each layer, of shape (n_out,), or None for a layer without biases.

        Raises
        ------
        ValueError
            If the number of arrays or a shape is wrong, or if a value is not finite in the dtype of the network.
        TypeError
            If an argument is not a sequence, or an array is not numeric.

        Examples
        --------
        >>> import fastbp as fb
        >>> net, twin = fb.MLP([2, 3, 1], seed=0), fb.MLP([2, 3, 1], seed=1)
        >>> twin.set_weights(net.weights, net.biases)
        >>> bool((twin.predict([[1.0, 2.0]]) == net.predict([[1.0, 2.0]])).all())
        True
        """
        checked = self._of_layers(weights, biases)
        with self._computer.lock:
            self.parameters.set(checked)

    def _of_layers(self, *given: Any) -> dict[str, np.ndarray]:
        """Return arrays for the weights and biases of all layers by the names of their blocks, see `weights`."""
        return of_layers(self._layers, self.dtype, *given)

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy of the network with another dtype.

        Parameters
        ----------
        dtype : dtype
            float32 or float64. It may be the dtype that the network has already.

        Returns
        -------
        MLP
            A network with the same architecture and the same parameters, rounded to the new dtype.

        Raises
        ------
        ValueError
            If the dtype is neither float32 nor float64, or if a number of the network is too large for it.

        Examples
        --------
        >>> import fastbp as fb
        >>> fb.MLP([2, 3], seed=0).astype("float64")
        MLP([2, 3], dtype='float64')
        """
        twin = self._like(dataclasses.replace(self.architecture, dtype=checks.dtype(dtype)))
        twin._transform_as(self._vectors)
        twin.set_weights(self.weights, self.biases)
        return twin

    def __len__(self) -> int:
        """The number L of layers of weights."""
        return len(self.sizes) - 1

    def __getitem__(self, layers: int | slice) -> Self:
        """Return a network that consists of some layers of this one, with copies of their parameters.

        ``net[:2]`` has the first two layers of weights, for example the encoder of an autoencoder, and ``net[2:]`` has
        the others: ``net[2:].predict(net[:2].predict(X))`` is ``net.predict(X)``. The layers keep their activation
        functions, biases and dropout. A part that begins with the first layer keeps `shift`, `scale` and the noise of
        the inputs, and a part that ends with the last layer keeps the `threshold`.

        Parameters
        ----------
        layers : int or slice
            The layers, as for a list of `len(net)` layers. One number gives a network with one layer.

        Returns
        -------
        MLP
            The new network.

        Raises
        ------
        IndexError
            If there is no such layer.
        ValueError
            If the slice has no layer, or a step other than 1.
        TypeError
            If `layers` is neither an integer nor a slice of integers.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([8, 4, 2, 4, 8], activation="tanh", seed=0)
        >>> encoder, decoder = net[:2], net[2:]
        >>> encoder, decoder
        (MLP([8, 4, 2], activation='tanh', output='tanh'), MLP([2, 4, 8], activation='tanh'))
        >>> len(net), net[-1].sizes
        (4, (4, 8))
        """
        L = len(self)
        if isinstance(layers, slice):
            try:
                first, last, step = layers.indices(L)
            except TypeError:
                raise TypeError(f"layers must be integers, got {layers!r}") from None
            if step != 1:
                raise ValueError(f"layers must be next to each other, with step 1, got step {layers.step!r}")
            if first >= last:
                raise ValueError(f"layers must be some of the {L}, got {layers!r}, which has none")
        else:
            first = checks.integer(layers, "layers", -(2**63))
            if not -L <= first < L:
                raise IndexError(f"layers must be from {-L} to {L - 1}, got {layers}")
            first %= L
            last = first + 1
        with self._computer.lock:
            part = self._like(self.architecture.part(first, last))
            part.set_weights(self.weights[first:last], self.biases[first:last])
            if not first:
                part._transform_as({"shift": self.shift, "scale": self.scale})
            if last == L and self._targets is not None:
                part._transform_as({"target_shift": self.target_shift, "target_scale": self.target_scale})
        return part

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file. `fastbp.load` reads it again.

        The file has the format safetensors. It holds the architecture, and the tensors "W1", "b1", "W2", "b2" and so
        on, "shift" and "scale", which any reader of safetensors can use. With standardized targets, it also holds
        "target_shift" and "target_scale". If writing fails, an old file with this name stays as it was.

        Parameters
        ----------
        path : str or path-like
            The path of the file. Its directory must exist. An old file with this name is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import fastbp as fb
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = pathlib.Path(directory) / "m.safetensors"
        ...     fb.MLP([2, 1], seed=0).save(path)
        ...     path.stat().st_size > 12
        True
        """
        files.save(self, path)

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __call__(self, X: object) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is not a function: predict(X) computes the outputs")

    def __copy__(self) -> Self:
        return copy.deepcopy(self)  # because two networks must never share parameters

    def __getstate__(self) -> dict[str, Any]:
        """Return what defines the network, without the lock and without memory that knows its own address."""
        state = {**self.__dict__, "_computer": None, "_known_form": None}
        return {**state, "_parameters": self.parameters, "_inputs": (self.scale, self.shift)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        targets, parameters, (scale, shift) = state["_targets"], state.pop("_parameters"), state.pop("_inputs")
        self.__dict__.update(state)
        self._set_up(self._architecture, scale, shift, parameters)  # those that the state of a trainer has too
        self._targets = targets
