"""This module holds `MLP`, a fully connected feedforward network, and `load`, which reads a network from a file."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import checks, files
from .activations import OUTPUTS, Activation
from .architecture import Architecture
from .data import arrays
from .data.samples import Reader, input_blocks, sample_weights
from .engine import plan, threads
from .engine.parameters import Parameters
from .engine.work import DivergedError, Samples
from .engine.workspace import Model, address
from .kernels.panels import aligned
from .losses import LOSSES, Loss

CLASSES = {kind.__name__: kind for kind in (Architecture, *(type(sigma) for sigma in OUTPUTS.values()))}
"""The classes that the description of a network in a file may name, by their names."""


def classes(a: np.ndarray, threshold: float) -> np.ndarray:
    """Return the class of each row of outputs.

    With several outputs, the class of a row is the column of its largest output, or the first such column. With one
    output, the class is 1 where the output is at least the threshold, and 0 elsewhere.

    Parameters
    ----------
    a : float array of shape (n, n_out)
        The outputs of a network.
    threshold : float
        The threshold for a network with one output.

    Returns
    -------
    int64 array of shape (n,)
        The classes.
    """
    return (a[:, 0] >= threshold).astype(np.int64) if a.shape[1] == 1 else a.argmax(axis=1)


def check_network(network: object) -> None:
    """Raise TypeError if the argument is not an `MLP`."""
    if not isinstance(network, MLP):
        raise TypeError(f"network must be an MLP, got {type(network).__name__}")


class MLP:
    """`MLP` is a multi-layer perceptron, a fully connected feedforward network with L layers of weights.

    For a sample x, the network computes a^0 = x, and then z^l = W^l a^{l-1} + b^l and a^l = sigma(z^l) for l = 1 .. L.
    The output is a^L. The weights start at random values, and the biases start at 0. `Trainer` trains the network.

    Parameters
    ----------
    sizes : sequence of int
        The number of units of the input, of each hidden layer, and of the output. It must have 2 to 101 numbers, each
        at least 1.
    activation : str or object, or a sequence of them, keyword-only, default "relu"
        The activation function sigma of the hidden layers. Give one for all hidden layers, or a sequence with one for
        each hidden layer. The names are "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus",
        "gelu", "silu", "hard_sigmoid", "mish" and "threshold". A network with "threshold" can predict, but cannot be
        trained. To set a parameter of an activation function, give an object of `fastbp.activations`, for example
        ``LeakyReLU(0.1)``.
    output : str or object, keyword-only, default "identity"
        The activation function of the output: one of the names or objects above, or "softmax".
    init : str or None, keyword-only, default None
        The distribution of the first weights of all layers: "he_uniform", "he_normal", "glorot_uniform",
        "glorot_normal", "lecun_uniform" or "lecun_normal". With None, the activation function of each layer decides:

        - "relu", "leaky_relu", "elu", "softplus", "gelu", "silu" and "mish" get "he_uniform".
        - "sigmoid", "tanh", "hard_sigmoid" and "softmax" get "glorot_uniform".
        - "identity", "selu" and "threshold" get "lecun_uniform".

        All of these distributions have the mean 0. For a layer with n_in inputs and n_out outputs, the variance is
        2 / n_in for He, 2 / (n_in + n_out) for Glorot, and 1 / n_in for LeCun.
    scale : float or array of shape (sizes[0],), keyword-only, default 1.0
        The number that multiplies each input after `shift` is subtracted: the first layer sees x' = (x - shift) *
        scale. An array has one number for each input. With ``scale=1/255``, for example, raw pixels in uint8 can be
        used as they are, without a copy in float.
    shift : float or array of shape (sizes[0],), keyword-only, default 0.0
        The number that is subtracted from each input.
    dropout : float or sequence of float, keyword-only, default 0.0
        The probability with which training sets the activation of a unit to 0, for each sample anew. It must be at
        least 0 and below 1. The other activations are divided by 1 - dropout, so that the mean stays the same. One
        number is for all hidden layers. A sequence has the probability for the inputs, and then one for each hidden
        layer.
    input_noise : float, keyword-only, default 0.0
        The standard deviation of Gaussian noise that training adds to x'. It must be at least 0.
    max_norm : float or None, keyword-only, default None
        The bound for the Euclidean norm of the weights that lead into one unit. If the norm is larger after a step of
        training, these weights are multiplied by max_norm / norm. It must be above 0. With None there is no bound.
    dtype : dtype, keyword-only, default float32
        The dtype of the parameters, the arithmetic and the outputs: float32 or float64.
    seed : int or None, keyword-only, default None
        The seed for the first weights. It must be at least 0. The same seed gives the same weights. With None, each
        network gets other weights.

    Attributes
    ----------
    sizes : tuple of int
        The number of units of the input, of each hidden layer, and of the output.
    dtype : dtype
        float32 or float64.
    weights, biases : lists of arrays
        Copies of the weights, of shape (n_in, n_out), and of the biases, of shape (n_out,), of each layer. To change
        them, call `set_weights`.
    n_parameters : int
        The number of weights and biases.
    shift, scale : arrays of shape (sizes[0],)
        Copies of the numbers that transform the inputs.
    threshold : float
        The value from which on a single output means class 1. It is 0.5 in a new network. When you make a `Trainer` for
        the network, or change its loss, the network takes the threshold of the loss: 0 for "hinge" and "squared_hinge",
        and 0.5 for all others.
    architecture : Architecture
        The checked arguments, except `shift`, `scale` and `seed`, with one entry for each layer.

    Raises
    ------
    ValueError
        If an argument is outside its range, has the wrong shape, or is not a known name.
    TypeError
        If an argument has the wrong type.
    MemoryError
        If there is no memory for the parameters.

    Notes
    -----
    Sources: 000, 001 and 004 (the network), 001 (binary threshold, sigmoid, relu), 002 (tanh), 004 and Srivastava et
    al. (2014) (dropout), Srivastava et al. (2014) (max-norm). The classes of `fastbp.activations` name the sources of
    the other activation functions.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([4, 8, 3], activation="tanh", output="softmax", seed=0)
    >>> net
    MLP(4-8-3, activation='tanh', output='softmax', 67 parameters, float32)
    >>> [W.shape for W in net.weights], [b.shape for b in net.biases]
    ([(4, 8), (8, 3)], [(8,), (3,)])
    >>> net.threshold
    0.5
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output: str | Activation = "identity",
        init: str | None = None,
        scale: ArrayLike = 1.0,
        shift: ArrayLike = 0.0,
        dropout: float | Sequence[float] = 0.0,
        input_noise: float = 0.0,
        max_norm: float | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ):
        made = Architecture(sizes, activation, output, init, dropout, input_noise, max_norm, dtype)
        self._set_up(made, scale, shift)
        for l, W in enumerate(made.draw(checks.generator(seed))):
            self.parameters.set_layer(l, W)

    @classmethod
    def from_architecture(cls, architecture: Architecture, scale: ArrayLike, shift: ArrayLike) -> MLP:
        """Make a network with a given architecture. Its weights and biases are 0.

        Parameters
        ----------
        architecture : Architecture
            The architecture of the network.
        scale, shift : float or array of shape (sizes[0],)
            The transformation of the inputs, as for `MLP`.

        Returns
        -------
        MLP
            The new network.

        Raises
        ------
        ValueError
            If `scale` or `shift` has the wrong shape or is not finite.
        """
        network = cls.__new__(cls)
        network._set_up(architecture, scale, shift)
        return network

    def _set_up(self, architecture: Architecture, scale: ArrayLike, shift: ArrayLike) -> None:
        """Set all attributes. The weights and biases start at 0."""
        self.architecture = architecture
        self.parameters = Parameters(architecture.sizes, architecture.dtype)
        self._shift, self._scale = self._per_feature(shift, "shift"), self._per_feature(scale, "scale")
        self._works: dict[tuple, Any] = {}
        self._lock = threads.lock()

    def _per_feature(self, value: ArrayLike, name: str) -> np.ndarray:
        """Return a number, or one number per input, as a vector that is padded with zeros to a whole cache line."""
        array, n_in = arrays.numeric(value, name), self.sizes[0]
        if array.ndim and array.shape != (n_in,):
            raise ValueError(f"{name} must be a number or have shape ({n_in},), got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
        arrays.within_dtype(array, name, self.dtype)
        out = aligned(self.parameters.layout.up(n_in), self.dtype)
        with np.errstate(all="ignore"):
            out[:n_in] = array
        return out

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
        trainer, the network takes the threshold of the loss: 0 for "hinge" and "squared_hinge", and 0.5 for all other
        losses. `predict_classes` uses the threshold if the network has one output. The accuracy that `Trainer` reports
        uses it where each output is right or wrong by itself.
        """
        return self.architecture.threshold

    def decide_at(self, threshold: float) -> None:
        """Set the `threshold`. `Trainer` calls this method when it is made and when it gets another loss.

        Parameters
        ----------
        threshold : float
            The new threshold.
        """
        if threshold != self.threshold:
            self.architecture = dataclasses.replace(self.architecture, threshold=threshold)
            self._works.clear()  # because they contain the old threshold

    @property
    def weights(self) -> list[np.ndarray]:
        """The weights W^1 .. W^L, as copies of shape (n_in, n_out). To change them, call `set_weights`."""
        return self.parameters.unpack(self.parameters.theta)[0]

    @property
    def biases(self) -> list[np.ndarray]:
        """The biases b^1 .. b^L, as copies of shape (n_out,). To change them, call `set_weights`."""
        return self.parameters.unpack(self.parameters.theta)[1]

    @property
    def model(self) -> Model:
        """The network in the form that the engine uses.

        Its vectors are in panels, padded with zeros. They are not copies.
        """
        made, vectors = self.architecture, (self.parameters, self._shift, self._scale)
        return Model(*vectors, made.activations, made.dropout, made.input_noise, made.max_norm, made.threshold)

    @property
    def n_parameters(self) -> int:
        """The number of all weights and biases."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def shift(self) -> np.ndarray:
        """The number that is subtracted from each input, as a copy of shape (sizes[0],)."""
        return self._shift[: self.sizes[0]].copy()

    @property
    def scale(self) -> np.ndarray:
        """The number that multiplies each input after `shift` is subtracted, as a copy of shape (sizes[0],)."""
        return self._scale[: self.sizes[0]].copy()

    def astype(self, dtype: DTypeLike) -> MLP:
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
        MLP(2-3, output='identity', 9 parameters, float64)
        """
        made = dataclasses.replace(self.architecture, dtype=checks.dtype(dtype))
        twin = MLP.from_architecture(made, self.scale, self.shift)
        twin.set_weights(self.weights, self.biases)
        return twin

    def save(self, path: str | os.PathLike) -> None:
        """Write the network to a file. `fastbp.load` reads it again.

        The file has the format safetensors. It holds the architecture, and the tensors "W1", "b1", "W2", "b2" and so
        on, "shift" and "scale", which any reader of safetensors can use. If writing fails, an old file with this name
        stays as it was.

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
        tensors = {"shift": self.shift, "scale": self.scale}
        for l, (W, b) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            tensors |= {f"W{l}": W, f"b{l}": b}
        files.write(path, files.pack("network", files.plain(self.architecture), tensors))

    def set_weights(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike]) -> None:
        """Replace all weights and biases. If one of the arrays does not fit, nothing changes.

        Parameters
        ----------
        weights : sequence of L arrays
            The weights of each layer, of shape (n_in, n_out). They are converted to the dtype of the network.
        biases : sequence of L arrays
            The biases of each layer, of shape (n_out,).

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
        shapes = list(pairwise(self.sizes))
        checked = []
        for name, given, wanted in (("weights", weights, shapes), ("biases", biases, [(n,) for n in self.sizes[1:]])):
            if not isinstance(given, Sequence):
                raise TypeError(f"{name} must be a sequence of arrays, got {type(given).__name__}")
            if len(given) != len(wanted):
                raise ValueError(f"{name} must be {len(wanted)} arrays, one a layer; got {len(given)}")
            group = []
            for l, (array, shape) in enumerate(zip(given, wanted, strict=True)):
                array = arrays.numeric(array, f"{name}[{l}]")
                if array.shape != shape:
                    raise ValueError(f"{name}[{l}] must have shape {shape}, got {array.shape}")
                with np.errstate(all="ignore"):
                    array = array.astype(self.dtype)
                if not np.isfinite(array).all():
                    raise ValueError(f"{name}[{l}] must be finite in {self.dtype}, and is not")
                group.append(array)
            checked.append(group)
        with self._lock:
            for l, (W, b) in enumerate(zip(*checked, strict=True)):
                self.parameters.set_layer(l, W, b)

    def _work(self, make: Callable, n: int, n_threads: int | None, *options: Any) -> Any:
        """Return the work that `make` makes for n samples. The network remembers the last two kinds of work."""
        batch = n if make is plan.gradient else min(1 << max(0, n - 1).bit_length(), plan.ROWS)
        key = make, batch, n_threads, *options
        work = self._works.pop(key, None)
        if work is None:
            while len(self._works) >= 2:
                del self._works[next(iter(self._works))]
            work = make(self.model, batch, n_threads, *options)
        self._works[key] = work
        return work

    def predict(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the outputs a^L of the network for each sample.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs; each row is a sample. There must be at least one row. C-contiguous arrays of dtype uint8,
            float32 and float64, also np.memmap, are read without a copy. Other arrays are converted one block after
            another. Nobody may shorten the file of an np.memmap during the call: the system would then end the process.
            Sparse matrices are possible as for `Trainer.fit`.
        n_threads : int or None, keyword-only, default None
            The number of threads, at least 1. With None, fastbp uses as many as the work is worth, of the cores that
            the process may use. The number of threads never changes a result.

        Returns
        -------
        array of shape (n, sizes[-1])
            The outputs, in the dtype of the network.

        Raises
        ------
        ValueError
            If X has another shape or no row, or contains a value that is not finite.
        TypeError
            If X is not numeric.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 4, 3], output="softmax", seed=0)
        >>> a = net.predict([[0.0, 1.0], [1.0, 0.0]])
        >>> a.shape, a.dtype, bool(abs(a.sum(axis=1) - 1).max() < 1e-6)
        ((2, 3), dtype('float32'), True)
        """
        n, blocks = input_blocks(X, self.sizes[0], self.dtype)
        n_threads = checks.threads(n_threads)
        out = np.empty((n, self.sizes[-1]), self.dtype)
        threads.check_entry(self._lock)
        for first, block in blocks:
            with self._lock:
                work, outputs = self._work(plan.predict, len(block.array), n_threads)
                with work.reading(Samples(block)):
                    outputs.set(out=address(out) + first * out.strides[0])
                    work.finish()
                if work.step["odd"]:
                    work.step.set(odd=0)
                    if not block.sparse:  # the values of a sparse matrix have been checked
                        arrays.within(block.array, "X", self.dtype, first=first)
        return out

    def predict_classes(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the class of each sample.

        With several outputs, the class is the number of the largest output; the first output is class 0. If several
        outputs are the largest, the first of them counts. With one output, the class is 1 where the output is at least
        `threshold`, and 0 elsewhere.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `predict`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        int64 array of shape (n,)
            The classes.

        Raises
        ------
        ValueError
            If X has another shape or no row, or contains a value that is not finite.
        TypeError
            If X is not numeric.

        Examples
        --------
        >>> import fastbp as fb
        >>> fb.MLP([2, 4, 3], output="softmax", seed=0).predict_classes([[0.0, 1.0], [1.0, 0.0]]).shape
        (2,)
        """
        return classes(self.predict(X, n_threads=n_threads), self.threshold)

    def gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | Loss,
        sample_weight: ArrayLike | None = None,
        seed: int | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """Compute the mean loss over the samples and its gradient, by backpropagation. The parameters do not change.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `Trainer.fit`.
        y : array of shape (n,) or (n, sizes[-1])
            The targets, as for `Trainer.fit`.
        loss : str or object, keyword-only
            The loss, as for `Trainer`.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, at least 0, as for `Trainer.fit`. With None, all weights are 1.
        seed : int or None, keyword-only, default None
            The seed of dropout and input noise. With None, the gradient is that of the network without dropout and
            noise.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        loss : float
            The mean loss.
        dW : list of arrays of shape (n_in, n_out)
            The derivative of the mean loss with respect to each weight, in the dtype of the network.
        db : list of arrays of shape (n_out,)
            The derivative of the mean loss with respect to each bias.

        Raises
        ------
        ValueError
            If an argument does not fit, or if an activation function of the network has no derivative.
        TypeError
            If an argument has the wrong type.
        FloatingPointError
            If the loss is not finite.

        Notes
        -----
        Sources: 000 and 004 (backpropagation).

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], seed=0)
        >>> loss, dW, db = net.gradients([[1.0, 2.0]], [[0.5]], loss="squared_error")
        >>> dW[0].shape, db[0].shape
        ((2, 1), (1,))
        """
        loss = checks.resolved(loss, "loss", LOSSES)
        self.architecture.check_trainable()
        reader = Reader(self.model, loss)
        samples = reader.samples(X, y)
        samples = samples._replace(weights=sample_weights(sample_weight, samples.n))
        seed = checks.seed(seed)
        n_threads = checks.threads(n_threads)
        threads.check_entry(self._lock)
        with self._lock:
            work = self._work(plan.gradient, samples.n, n_threads, loss, seed)
            with work.reading(samples):
                try:
                    work.finish()
                except DivergedError:
                    raise FloatingPointError(f"the {loss.name} of these samples is not finite") from None
                return work.scores(False)["loss"], *self.parameters.unpack(work.gradient)

    def evaluate(self, samples: Samples, loss: Loss, n_threads: int | None = None) -> dict[str, float]:
        """Compute the mean loss over checked samples, and the accuracy if the targets are classes.

        `Trainer.evaluate` checks the samples of users, and then calls this method.

        Parameters
        ----------
        samples : Samples
            The checked samples.
        loss : Loss
            The loss, as an object.
        n_threads : int or None, default None
            The number of threads, as for `predict`.

        Returns
        -------
        dict of str to float
            The values of "loss" and, for classes, of "accuracy".

        Raises
        ------
        DivergedError
            If the loss is not finite.
        """
        threads.check_entry(self._lock)
        with self._lock:
            work = self._work(plan.evaluate, samples.n, n_threads, loss)
            with work.reading(samples):
                work.finish()
                return work.scores(samples.y.classes)

    def __copy__(self) -> MLP:
        return copy.deepcopy(self)  # because two networks must never share parameters

    def __getstate__(self) -> dict:
        """Return what defines the network, without the lock and without memory that knows its own address."""
        return {**self.__dict__, "_works": {}, "_lock": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in ("_shift", "_scale"):  # a copied array may not begin at a cache line
            vector = aligned(state[name].size, state[name].dtype)
            vector[:] = state[name]
            setattr(self, name, vector)
        self._lock = threads.lock()

    def __repr__(self) -> str:
        activations, output = self.architecture.activation, self.architecture.output
        each = f"{activations[0]!r}" if len(set(activations)) == 1 else f"{list(activations)}"
        sizes = "-".join(map(str, self.sizes))
        shown = f"activation={each}, " if activations else ""
        return f"MLP({sizes}, {shown}output={output!r}, {self.n_parameters:,} parameters, {self.dtype})"


def load(path: str | os.PathLike) -> MLP:
    """Read a network from a file that `MLP.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The path of the file.

    Returns
    -------
    MLP
        A network with the same architecture, `scale` and `shift`, and with exactly the same weights and biases.

    Raises
    ------
    ModelFileError
        If the file is damaged, has another format or version, or has contents that do not fit together. This error is
        also a ValueError.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> net = fb.MLP([4, 8, 3], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "digits.safetensors"
    ...     net.save(path)
    ...     twin = fb.load(path)
    >>> twin
    MLP(4-8-3, activation='relu', output='softmax', 67 parameters, float32)
    """
    with files.opened(path, "network") as contents:
        made = files.restored(contents.description, CLASSES)
        if not isinstance(made, Architecture):
            raise ValueError(f"its description is {made!r}, not that of an architecture")
        shapes = {"shift": made.sizes[:1], "scale": made.sizes[:1]}
        for l, shape in enumerate(pairwise(made.sizes), 1):
            shapes |= {f"W{l}": shape, f"b{l}": shape[1:]}
        contents.fit(shapes, made.dtype)
        network = MLP.from_architecture(made, 1.0, 0.0)
        # The loop holds one tensor at a time, so that a large network is in memory once, and not three times.
        for name, tensor in contents.tensors():
            if name in ("shift", "scale"):
                setattr(network, f"_{name}", network._per_feature(tensor, name))
            else:
                arrays.within(tensor, name, made.dtype)
                network.parameters.set_layer(int(name[1:]) - 1, **{name[0]: tensor})
        return network
