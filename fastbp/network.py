"""MLP: a fully connected feedforward network, y = sigma(W^L ... sigma(W^1 x + b^1) ... + b^L)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from . import checks, losses, threads
from .architecture import Activation, Architecture
from .engine import DivergedError, Job, Layout, Model, address
from .kernels.job import EVALUATE, PREDICT, STORE, TRAIN
from .kernels.losses import LOSSES
from .kernels.panels import aligned, pack, round_up, unpack

Loss = str | losses.CrossEntropy | losses.Huber | losses.Quantile


def classes(a: np.ndarray) -> np.ndarray:
    """The class of each row of outputs: the first largest, or, of one output, whether it is >= 1/2."""
    return (a[:, 0] >= 0.5).astype(np.int64) if a.shape[1] == 1 else a.argmax(axis=1)


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
        activation: Activation | Sequence[Activation] = "relu",
        output: Activation = "identity",
        init: str | None = None,
        scale: float | np.ndarray = 1.0,
        shift: float | np.ndarray = 0.0,
        dropout: float | Sequence[float] = 0.0,
        input_noise: float = 0.0,
        max_norm: float | None = None,
        dtype: np.typing.DTypeLike = np.float32,
        seed: int | None = None,
    ):
        made = Architecture(sizes, activation, output, init, dropout, input_noise, max_norm, dtype)
        self._set_up(made, scale, shift)
        rng = checks.generator(seed)
        for l, W in enumerate(made.draw(rng)):
            self._fill(l, W)

    @classmethod
    def _made(cls, architecture: Architecture, scale: np.ndarray, shift: np.ndarray) -> MLP:
        """A network whose parameters are 0."""
        network = cls.__new__(cls)
        network._set_up(architecture, scale, shift)
        return network

    def _set_up(self, made: Architecture, scale: float | np.ndarray, shift: float | np.ndarray) -> None:
        """All but the weights, which are 0."""
        self.architecture, self.sizes, self.dtype = made, made.sizes, made.dtype
        self._shift, self._scale = self._per_feature(shift, "shift"), self._per_feature(scale, "scale")
        self.layout = Layout(list(self.sizes), self.dtype)
        self._theta = aligned(self.layout.size, self.dtype)
        self.changes = 0  # by `set_weights`, which a trainer that goes on must see
        self._jobs: dict[tuple, Job] = {}
        self._lock = threads.lock()

    def _per_feature(self, value: float | np.ndarray, name: str) -> np.ndarray:
        """A finite number, or one per feature, as a vector padded to a line."""
        array = checks.numeric(value, name)
        if array.ndim and array.shape != (self.sizes[0],):
            raise ValueError(f"{name} must be a number or have shape ({self.sizes[0]},), got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
        checks.within_dtype(array, name, self.dtype)
        line = 64 // self.dtype.itemsize
        out = aligned(round_up(self.sizes[0], line), self.dtype)
        out[: self.sizes[0]] = array
        return out

    def _fill(self, l: int, W: np.ndarray) -> None:
        """Write the weights of a layer."""
        pack(
            W.astype(self.dtype, copy=False),
            self._theta[self.layout.matrix(l)],
            round_up(self.sizes[l], self.layout.lanes),
        )

    def _fill_bias(self, l: int, b: np.ndarray) -> None:
        """Write the biases of a layer."""
        self._theta[self.layout.bias(l)] = b

    def _unpack(self, theta: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The weight matrices and biases of a vector laid out like theta, as copies."""
        layout = self.layout
        shapes = pairwise(self.sizes)
        weights = [
            unpack(theta[layout.matrix(l)], round_up(shape[0], layout.lanes), shape) for l, shape in enumerate(shapes)
        ]
        return weights, [theta[layout.bias(l)].copy() for l in range(len(self.sizes) - 1)]

    @property
    def weights(self) -> list[np.ndarray]:
        """W^1 .. W^L, copies of shape (n_in, n_out); see `set_weights` to change them."""
        return self._unpack(self._theta)[0]

    @property
    def biases(self) -> list[np.ndarray]:
        """b^1 .. b^L, copies of shape (n_out,)."""
        return self._unpack(self._theta)[1]

    @property
    def model(self) -> Model:
        """The network as the kernels know it. Its vectors are in panels, zero-padded, and no copies."""
        made = self.architecture
        vectors = self._theta, self._shift, self._scale
        return Model(self.layout, *vectors, made.neurons, made.dropout, made.input_noise)

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

    def astype(self, dtype: np.typing.DTypeLike) -> MLP:
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
        twin = MLP._made(made, self.scale, self.shift)
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
        from . import serialization  # which knows this class

        serialization.save(self, path)

    def set_weights(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> None:
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
        for name, arrays, wanted in (("weights", weights, shapes), ("biases", biases, [(n,) for n in self.sizes[1:]])):
            if not isinstance(arrays, Sequence):
                raise TypeError(f"{name} must be a sequence of arrays, got {type(arrays).__name__}")
            if len(arrays) != len(wanted):
                raise ValueError(f"{name} must be {len(wanted)} arrays, one a layer; got {len(arrays)}")
            group = []
            for l, (array, shape) in enumerate(zip(arrays, wanted, strict=True)):
                array = checks.numeric(array, f"{name}[{l}]")
                if array.shape != shape:
                    raise ValueError(f"{name}[{l}] must have shape {shape}, got {array.shape}")
                with np.errstate(over="ignore"):
                    array = array.astype(self.dtype)
                if not np.isfinite(array).all():
                    raise ValueError(f"{name}[{l}] must be finite in {self.dtype}, and is not")
                group.append(array)
            checked.append(group)
        with self._lock:
            self.changes += 1
            for l, (W, b) in enumerate(zip(*checked, strict=True)):
                self._fill(l, W)
                self._fill_bias(l, b)

    def _job(self, mode: int, n: int, n_threads: int | None = None, **options: int) -> Job:
        """A job of this network for n samples, kept for the next call; the last few kinds of work are remembered."""
        capacity = 1 << max(0, n - 1).bit_length()
        key = mode, min(capacity, 256) if mode != TRAIN else n, n_threads, *options.items()
        job = self._jobs.pop(key, None)
        if job is None:
            while len(self._jobs) >= 2:
                del self._jobs[next(iter(self._jobs))]
            job = Job(self.model, mode, key[1], n_threads=n_threads, **options)
        self._jobs[key] = job
        return job

    def predict(self, X: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
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
        X = checks.matrix(X, self.sizes[0])
        n_threads = checks.threads(n_threads)
        out = np.empty((len(X), self.sizes[-1]), self.dtype)
        for first, block in checks.readable_blocks(X, self.dtype):
            with self._lock, self._job(PREDICT, len(block.array), n_threads).reading(block) as job:
                job.set(outputs=address(out) + first * out.strides[0], odd=0)
                job.finish()
                if job.record["odd"]:
                    checks.within(block.array, "X", self.dtype, first=first)
        return out

    def predict_classes(self, X: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
        """The class of each row of X, int64 (n,): the first largest output, or, of one output, whether it is >= 1/2.

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
        return classes(self.predict(X, n_threads=n_threads))

    def gradients(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        loss: Loss,
        sample_weight: np.ndarray | None = None,
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
        loss = checks.named(loss, "loss", LOSSES, losses.CLASSES)
        self.architecture.check_trainable()
        X = checks.inputs(X, self.sizes[0], self.dtype)
        y = checks.targets(y, len(X.array), self.sizes[-1], loss[0], self.dtype)
        weights = checks.weights(sample_weight, len(X.array))
        seed = None if seed is None else checks.integer(seed, "seed", 0)
        n_threads, options = checks.threads(n_threads), {"loss": loss, "stored": STORE, "seed": seed}
        with self._lock:
            with self._job(TRAIN, len(X.array), n_threads, **options).reading(X, y, weights=weights) as job:
                job.transpose()
                try:
                    job.finish()
                except DivergedError:
                    raise FloatingPointError(f"the {loss[0]} of these samples is not finite") from None
                return job.scores(False)["loss"], *self._unpack(job.vectors["gradient"])

    def _evaluate(
        self,
        X: checks.Inputs,
        y: checks.Targets,
        loss: tuple[str, float],
        n_threads: int | None,
        weights: np.ndarray | None = None,
    ) -> dict[str, float]:
        """The mean loss over checked samples, and for classes the accuracy; DivergedError if it is not finite."""
        with self._lock:
            with self._job(EVALUATE, len(X.array), n_threads, loss=loss).reading(X, y, weights=weights) as job:
                job.finish()
                return job.scores(y.classes)

    def __getstate__(self) -> dict:
        """What defines the network: no lock, and no memory that knows its own address."""
        hidden = ("_jobs", "_lock", "_theta", "_shift", "_scale")
        state = {name: value for name, value in self.__dict__.items() if name not in hidden}
        return {**state, "vectors": [np.array(v) for v in (self._theta, self._shift, self._scale)]}

    def __setstate__(self, state: dict) -> None:
        state = dict(state)
        vectors = [aligned(v.size, v.dtype) for v in state["vectors"]]
        for vector, values in zip(vectors, state.pop("vectors"), strict=True):
            vector[:] = values
        self.__dict__.update(state)
        self._theta, self._shift, self._scale = vectors
        self._jobs, self._lock = {}, threads.lock()

    def __repr__(self) -> str:
        activations, output = self.architecture.activation, self.architecture.output
        each = f"{activations[0]!r}" if len(set(activations)) == 1 else f"{list(activations)}"
        sizes = "-".join(map(str, self.sizes))
        shown = f"activation={each}, " if activations else ""
        return f"MLP({sizes}, {shown}output={output!r}, {self.n_parameters:,} parameters, {self.dtype})"
