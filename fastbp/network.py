"""MLP: a fully connected feedforward network, y = sigma(W^L ... sigma(W^1 x + b^1) ... + b^L)."""

from __future__ import annotations

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
from .data.samples import Reader, sample_weights
from .engine import plan, threads
from .engine.parameters import Parameters
from .engine.work import DivergedError, Samples
from .engine.workspace import Model
from .kernels.panels import aligned
from .losses import LOSSES, Loss

CLASSES = {kind.__name__: kind for kind in (Architecture, *(type(sigma) for sigma in OUTPUTS.values()))}
"""name: class of what a network in a file is made of."""


def classes(a: np.ndarray, threshold: float) -> np.ndarray:
    """The class of each row of outputs: the first largest, or, of one output, whether it is at least the threshold."""
    return (a[:, 0] >= threshold).astype(np.int64) if a.shape[1] == 1 else a.argmax(axis=1)


def check_network(network: object) -> None:
    """TypeError if it is none."""
    if not isinstance(network, MLP):
        raise TypeError(f"network must be an MLP, got {type(network).__name__}")


class MLP:
    """A multi-layer perceptron: z^l = W^l a^{l-1} + b^l and a^l = sigma(z^l) for l = 1 .. L, with a^0 = x.

    Parameters
    ----------
    sizes : sequence of int
        Units of the input, of each hidden layer and of the output: two to 101 numbers, each at least 1.
    activation : str or object, or a sequence of them, keyword-only
        sigma of the hidden layers, one for all or one for each: "identity", "sigmoid", "tanh", "relu", "leaky_relu",
        "elu", "selu", "softplus", "gelu", "silu", "hard_sigmoid", or "threshold", which can predict but not be trained
        through; or an object of `fastbp.activations`, with a parameter.
    output : str or object, keyword-only
        sigma of the output: any of these, or "softmax".
    init : str, keyword-only
        How weights are drawn: "he", "glorot" or "lecun", with "_uniform" or "_normal". By default what suits the
        activation: He for relu, Glorot for sigmoid, tanh and softmax, LeCun for the others, uniform. Biases are 0.
    scale, shift : float or array of shape (sizes[0],), keyword-only
        x' = (x - shift) * scale is what the first layer sees. Raw pixels in uint8 then need no float copy:
        ``scale=1/255``.
    dropout : float or sequence of float, keyword-only
        The probability, in [0, 1), with which training drops a unit from a minibatch's row; those that stay are scaled
        up to the same mean. One number is for the hidden layers; else one for the inputs, then one for each of them.
    input_noise : float, keyword-only
        The standard deviation of the Gaussian noise that training adds to x'.
    max_norm : float, keyword-only
        After each step of training, the weights into a unit whose Euclidean norm is above this are shrunk to it.
    dtype : dtype, keyword-only
        float32 or float64, of parameters and arithmetic.
    seed : int, keyword-only
        Of the weights; None for another network each time.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range or of another type.

    Attributes
    ----------
    architecture : Architecture
        The arguments but for shift, scale and seed, with an entry for each layer; `sizes` and `dtype` are also here.

    Notes
    -----
    Sources: 000, 001 and 004 (the network), 001 (binary threshold, sigmoid, relu), 002 (tanh, losses), 004 (dropout),
    Srivastava et al. (2014) (dropout, max-norm). The other activations name theirs in kernels/activations.py.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([4, 8, 3], activation="tanh", output="softmax", seed=0)
    >>> net
    MLP(4-8-3, activation='tanh', output='softmax', 67 parameters, float32)
    >>> [W.shape for W in net.weights], [b.shape for b in net.biases]
    ([(4, 8), (8, 3)], [(8,), (3,)])
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
        """A network of an architecture, whose weights and biases are 0."""
        network = cls.__new__(cls)
        network._set_up(architecture, scale, shift)
        return network

    def _set_up(self, architecture: Architecture, scale: ArrayLike, shift: ArrayLike) -> None:
        """All but the weights, which are 0."""
        self.architecture = architecture
        self._shift, self._scale = self._per_feature(shift, "shift"), self._per_feature(scale, "scale")
        self.parameters = Parameters(architecture.sizes, architecture.dtype)
        self._works: dict[tuple, Any] = {}
        self._lock = threads.lock()

    def _per_feature(self, value: ArrayLike, name: str) -> np.ndarray:
        """A finite number, or one per feature, as a vector padded to a line."""
        array, n_in = arrays.numeric(value, name), self.sizes[0]
        if array.ndim and array.shape != (n_in,):
            raise ValueError(f"{name} must be a number or have shape ({n_in},), got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
        arrays.within_dtype(array, name, self.dtype)
        line = 64 // self.dtype.itemsize
        out = aligned(-(-n_in // line) * line, self.dtype)
        out[:n_in] = array
        return out

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units of the input, of each hidden layer and of the output."""
        return self.architecture.sizes

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64: of the parameters and of the arithmetic."""
        return self.architecture.dtype

    @property
    def threshold(self) -> float:
        """The value from which on an output that is right or wrong by itself says yes.

        It is 1/2 until a `Trainer` is made for the network: then it is that of the trainer's loss, 0 for "hinge" and
        "squared_hinge" and 1/2 for the others. `predict_classes` and the accuracy of `Trainer.evaluate` both use it.
        """
        return self.architecture.threshold

    def decide_at(self, threshold: float) -> None:
        """Set the `threshold`, as a `Trainer` does when it is made or gets another loss."""
        if threshold != self.threshold:
            self.architecture = dataclasses.replace(self.architecture, threshold=threshold)
            self._works.clear()  # which know the one before

    @property
    def weights(self) -> list[np.ndarray]:
        """W^1 .. W^L, copies of shape (n_in, n_out); see `set_weights` to change them."""
        return self.parameters.unpack(self.parameters.theta)[0]

    @property
    def biases(self) -> list[np.ndarray]:
        """b^1 .. b^L, copies of shape (n_out,)."""
        return self.parameters.unpack(self.parameters.theta)[1]

    @property
    def model(self) -> Model:
        """The network as the engine knows it. Its vectors are in panels, zero-padded, and are no copies."""
        made, vectors = self.architecture, (self.parameters, self._shift, self._scale)
        return Model(*vectors, made.activations, made.dropout, made.input_noise, made.max_norm, made.threshold)

    @property
    def n_parameters(self) -> int:
        """Weights and biases, counted."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def shift(self) -> np.ndarray:
        """What is subtracted from each input, a copy of shape (sizes[0],)."""
        return self._shift[: self.sizes[0]].copy()

    @property
    def scale(self) -> np.ndarray:
        """What each input is then multiplied by, a copy of shape (sizes[0],)."""
        return self._scale[: self.sizes[0]].copy()

    def astype(self, dtype: DTypeLike) -> MLP:
        """The same network in another dtype, as a copy.

        Parameters
        ----------
        dtype : float32 or float64

        Raises
        ------
        ValueError
            If the dtype is neither float32 nor float64, or a number is not finite in it.

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
        """Write the network to a file of safetensors: parameters, architecture, scale and shift; see `fastbp.load`.

        The file is written whole or not at all. Its tensors are W1, b1, W2, ..., shift and scale, so that any reader of
        safetensors can use them.

        Parameters
        ----------
        path : of the file

        Raises
        ------
        OSError
            If it cannot be written; a file that was there is as it was.

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
        """Replace all parameters, or none of them if one does not fit.

        Parameters
        ----------
        weights, biases : sequences of arrays of shapes (n_in, n_out) and (n_out,)
            As `weights` and `biases` give them; converted to the network's dtype.

        Raises
        ------
        ValueError, TypeError
            If a number or shape of arrays is not the network's, or a value is not finite in its dtype.

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
                with np.errstate(over="ignore"):
                    array = array.astype(self.dtype)
                if not np.isfinite(array).all():
                    raise ValueError(f"{name}[{l}] must be finite in {self.dtype}, and is not")
                group.append(array)
            checked.append(group)
        with self._lock:
            for l, (W, b) in enumerate(zip(*checked, strict=True)):
                self.parameters.set_layer(l, W, b)

    def _work(self, make: Callable, n: int, n_threads: int | None, *options: Any) -> Any:
        """What `make` makes for n samples, kept for the next call; the last few kinds of work are remembered."""
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
        """a^L for each row of X.

        Parameters
        ----------
        X : array of shape (n, sizes[0])
            C-contiguous uint8, float32 and float64 (np.memmap too) are read in place, others converted block by block.
        n_threads : int, keyword-only
            Default: as many as the work is worth, of the cores that the process may use. Never changes a result.

        Returns
        -------
        array of shape (n, sizes[-1]) in the network's dtype

        Raises
        ------
        ValueError, TypeError
            If X has another shape, is not numeric or not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 4, 3], output="softmax", seed=0)
        >>> a = net.predict([[0.0, 1.0], [1.0, 0.0]])
        >>> a.shape, a.dtype, bool(abs(a.sum(axis=1) - 1).max() < 1e-6)
        ((2, 3), dtype('float32'), True)
        """
        X = arrays.matrix(X, self.sizes[0])
        n_threads = checks.threads(n_threads)
        out = np.empty((len(X), self.sizes[-1]), self.dtype)
        for first, block in arrays.readable_blocks(X, self.dtype):
            with self._lock:
                work, outputs = self._work(plan.predict, len(block.array), n_threads)
                with work.reading(Samples(block)):
                    outputs.set(out=out[first:])
                    work.step.set(odd=0)
                    work.finish()
                    outputs.forget("out")
                    odd = work.step["odd"]
            if odd:
                arrays.within(block.array, "X", self.dtype, first=first)
        return out

    def predict_classes(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """The class of each row of X: the first largest output, or, of one output, whether it is >= `threshold`.

        Parameters
        ----------
        X, n_threads : as for `predict`

        Raises
        ------
        ValueError, TypeError
            As `predict`.

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
        """The mean loss over the samples and its gradient: backpropagation and nothing else.

        Parameters
        ----------
        X : array of shape (n, sizes[0])
        y : array
            Targets as for `Trainer.fit`.
        loss : str or object, keyword-only
            As for `Trainer`.
        sample_weight : array of shape (n,), keyword-only
            As for `Trainer.fit`.
        seed : int, keyword-only
            Of the masks of dropout and the input noise; None leaves them out.
        n_threads : int, keyword-only
            As for `predict`.

        Returns
        -------
        loss : float
        dW, db : lists of arrays of the shapes of `weights` and `biases`

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or a hidden or output activation has no derivative.
        FloatingPointError
            If the loss is not finite.

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
        reader = Reader(self.sizes, self.dtype, loss)
        samples = reader.samples(X, y)
        samples = samples._replace(weights=sample_weights(sample_weight, samples.n))
        seed = None if seed is None else checks.integer(seed, "seed", 0)
        n_threads = checks.threads(n_threads)
        with self._lock:
            work = self._work(plan.gradient, samples.n, n_threads, loss, seed)
            with work.reading(samples):
                try:
                    work.finish()
                except DivergedError:
                    raise FloatingPointError(f"the {loss.name} of these samples is not finite") from None
                return work.scores(False)["loss"], *self.parameters.unpack(work.gradient)

    def evaluate(self, samples: Samples, loss: Loss, n_threads: int | None = None) -> dict[str, float]:
        """The mean loss over samples that have been checked, and of classes the accuracy.

        `Trainer.evaluate` checks samples of users and calls this.

        Raises
        ------
        DivergedError
            If the loss is not finite.
        """
        with self._lock:
            work = self._work(plan.evaluate, samples.n, n_threads, loss)
            with work.reading(samples):
                work.finish()
                return work.scores(samples.y.classes)

    def __getstate__(self) -> dict:
        """What defines the network: no lock, and no memory that knows its own address."""
        return {**self.__dict__, "_works": {}, "_lock": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in ("_shift", "_scale"):  # what was copied need not be aligned
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
    """Read a network that `MLP.save` wrote.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    MLP
        A network with the same architecture, scale and shift, and with the same weights to the bit.

    Raises
    ------
    ModelFileError
        This is a ValueError. The file is damaged, of another format or version, or its contents do not fit together.
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
        contents.verify()
        network = MLP.from_architecture(made, contents["scale"], contents["shift"])
        # A tensor at a time: a large network is in memory once, not three times.
        for l in range(len(made.sizes) - 1):
            for name, kind in ((f"W{l + 1}", "W"), (f"b{l + 1}", "b")):
                tensor = contents[name]
                arrays.within(tensor, name, made.dtype)
                network.parameters.set_layer(l, **{kind: tensor})
        return network
