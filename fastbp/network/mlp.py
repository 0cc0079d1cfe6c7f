"""This module holds `MLP`, a fully connected feedforward network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never, Self

import numpy as np

from ..activations import ACTIVATIONS, Activation
from ..base import checks, hints
from ..base.docstrings import documented, listed
from ..base.names import ActivationName, LossName, OutputName
from ..data import arrays
from ..losses import Loss
from ..metrics import classes
from . import first_weights
from .architecture import Architecture
from .derivatives import Derivatives

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from .trace import Trace


def check_network(network: object) -> None:
    """Raise TypeError if the argument is not an `MLP`."""
    if not isinstance(network, MLP):
        raise TypeError(f"network must be an MLP, got {type(network).__name__}")


@documented(activations=listed(ACTIVATIONS))
class MLP(Derivatives):
    """`MLP` is a multi-layer perceptron, a fully connected feedforward network with L layers of weights.

    For a sample x, the network computes a^0 = x, and then z^l = W^l a^{l-1} + b^l and a^l = sigma(z^l) for l = 1 .. L.
    The output is a^L. `init` says how the weights and biases start. `Trainer` trains the network.

    Parameters
    ----------
    sizes : sequence of int
        The number of units of the input, of each hidden layer, and of the output. It must have 2 to 101 numbers, each
        at least 1.
    activation : str or object, or a sequence of them, keyword-only, default "relu"
        The activation function sigma of the hidden layers. Give one for all hidden layers, or a sequence with one for
        each hidden layer. The names are {activations}.
        A network with "threshold" or "sign" can predict, but cannot be trained. "swish" stands for "silu", "logistic"
        for "sigmoid", and `fastbp.activations.ALIASES` has all such names. To set a parameter of an activation
        function, give an object, such as ``LeakyReLU(0.1)``; `fastbp.activations.Formula` is for your own functions.
    output : str or object, keyword-only, default "identity"
        The activation function of the output: one of the names or objects above, or "softmax".
    init : str or None, keyword-only, default None
        How the first weights and biases are drawn. "fan_in" draws both evenly from -1 / sqrt(n_in) to 1 / sqrt(n_in)
        for a layer with n_in inputs, as PyTorch does. With None, the first layer and the output do so, and so do all
        biases. The activation function decides the weights between two hidden layers, so that signals keep their size:

        - "relu", "leaky_relu", "elu", "softplus", "gelu", "silu" and "mish" get "he_uniform".
        - "sigmoid", "tanh" and "hard_sigmoid" get "glorot_uniform".
        - "identity", "selu", "threshold" and "sign" get "lecun_uniform".

        For a layer with n_out outputs, the variance of these weights is 2 / n_in for He, 2 / (n_in + n_out) for Glorot,
        and 1 / n_in for LeCun. Hidden layers get twice these weights and biases with "sigmoid", and three times with
        "hard_sigmoid": as functions of z / 2 and z / 3, both are like "tanh". If you give one of these names, or
        "he_normal", "glorot_normal" or "lecun_normal", all layers get such weights, and the biases start at 0. "zeros"
        sets all to 0, for a network without hidden layers. "data" makes normal weights that suit `samples`.
    samples : array or sparse matrix of shape (n, sizes[0]), or None, keyword-only, default None
        Inputs for ``init="data"``, for example those of the training. Over at most 4,096 of them, drawn at random, z of
        each unit gets the standard deviation 1, and it is 0 at one of them, where a unit of "relu" has its kink.
    scale : float or array of shape (sizes[0],), keyword-only, default 1.0
        The number that multiplies each input after `shift` is subtracted: the first layer sees x' = (x - shift) *
        scale. An array has one number for each input. With ``scale=1/255``, for example, raw pixels in uint8 can be
        used as they are, without a copy in float.
    shift : float or array of shape (sizes[0],), keyword-only, default 0.0
        The number that is subtracted from each input, before float64 and integers are rounded to a smaller `dtype`.
    standardize : array or sparse matrix of shape (n, sizes[0]), or None, keyword-only, default None
        Inputs, for example those of the training, that decide `shift` and `scale`: each input then has the mean 0 and
        the standard deviation 1. The method `standardize` says more. With None, `shift` and `scale` are used.
    standardize_targets : array of shape (n, sizes[-1]), or (n,) for one output, or None, keyword-only, default None
        Targets of a regression. The network then learns standardized targets, and `predict` gives numbers in the unit
        of these targets. The method `standardize` says more.
    dropout : float or sequence of float, keyword-only, default 0.0
        The probability with which training sets the activation of a unit to 0, for each sample anew. It must be at
        least 0 and below 1. The other activations are divided by 1 - dropout, so that the mean stays the same. One
        number is for all hidden layers. A sequence has one for the inputs, and then one for each hidden layer.
    input_noise : float, keyword-only, default 0.0
        The standard deviation of Gaussian noise that training adds to x'. It must be at least 0.
    max_norm : float or None, keyword-only, default None
        The bound for the Euclidean norm of the weights that lead into one unit, above 0. If the norm is larger after a
        step of training, these weights are multiplied by max_norm / norm. With None there is no bound.
    bias : bool or sequence of bool, keyword-only, default True
        Whether the layers have biases b^l. One value is for all layers, the output included. A sequence has one for
        each layer. A layer without biases computes z^l = W^l a^{l-1}.
    tied : sequence of pairs of str, keyword-only, default ()
        Which layers share one matrix of weights. With ``[("W4", "W1.T")]``, W^4 is the transpose of W^1 (001). The
        network has such a matrix once: its gradient is the sum over its uses, and penalties and `max_norm`, which
        bounds the units of the first of these layers, count it once.
    shared : dict of int to int array of shape (n_in, n_out), or None, keyword-only, default None
        For some layers, which of their weights are one parameter: those with the same number 0, 1, ... are equal, and
        those with -1 stay 0 (001).
    dtype : dtype, keyword-only, default float32
        The dtype of the parameters, the arithmetic and the outputs: float32 or float64.
    seed : int or None, keyword-only, default None
        The seed for the first weights, at least 0: the same seed gives the same weights. With None, they differ.

    Attributes
    ----------
    sizes : tuple of int
        The number of units of the input, of each hidden layer, and of the output.
    dtype : dtype
        float32 or float64.
    weights, biases : tuples of arrays
        Copies of the weights, of shape (n_in, n_out), and of the biases, of shape (n_out,) or None, of each layer. They
        cannot be changed in place: call `set_weights`.
    theta : array of shape (n_parameters,)
        All parameters as one vector, as a copy. You may assign another one.
    n_parameters : int
        The number of weights and biases.
    shift, scale : arrays of shape (sizes[0],)
        Copies of the numbers that transform the inputs.
    target_shift, target_scale : arrays of shape (sizes[-1],)
        Copies of the numbers that transform the outputs: `predict` returns a^L * target_scale + target_shift.
    threshold, flat, multilabel, columns, classes
        What predictions and samples are like: a property each says more. You may assign all but `flat` and
        `multilabel`.
    architecture : Architecture
        The checked arguments that define the network, with one entry for each layer.

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
    Sources: 000, 001 and 004 (the network), 001 (binary threshold, sigmoid, relu), 002 (tanh), 004 (softmax), 001 and
    Srivastava et al. (2014) (dropout), Srivastava et al. (2014) (max-norm). The classes of `fastbp.activations` name
    the sources of the other activation functions.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([4, 8, 3], activation="tanh", output="softmax", seed=0)
    >>> net
    MLP([4, 8, 3], activation='tanh', output='softmax')
    >>> print(net)
    MLP(4-8-3, activation='tanh', output='softmax', 67 parameters, float32)
    >>> [W.shape for W in net.weights], [b.shape for b in net.biases]
    ([(4, 8), (8, 3)], [(8,), (3,)])
    >>> x = [[-1.0], [0.0], [2.0]]
    >>> net = fb.MLP([1, 8, 1], init="data", samples=x, seed=0)
    >>> sorted({float(kink) for kink in (-net.biases[0] / net.weights[0][0]).round(3) + 0})
    [-1.0, 0.0, 2.0]
    """

    @hints.arguments
    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: ActivationName | Activation | Sequence[ActivationName | Activation] = "relu",
        output: OutputName | Activation = "identity",
        init: first_weights.Init | None = None,
        samples: ArrayLike | None = None,
        scale: ArrayLike = 1.0,
        shift: ArrayLike = 0.0,
        standardize: ArrayLike | None = None,
        standardize_targets: ArrayLike | None = None,
        target_scale: ArrayLike = 1.0,
        target_shift: ArrayLike = 0.0,
        dropout: float | Sequence[float] = 0.0,
        input_noise: float = 0.0,
        max_norm: float | None = None,
        bias: bool | Sequence[bool] = True,
        dtype: DTypeLike = np.float32,
        tied: Sequence[tuple[str, str]] = (),
        shared: Mapping[int, ArrayLike] | None = None,
        seed: int | None = None,
    ):
        given: Any = sizes, activation, output, init, dropout, input_noise, max_norm, dtype, 0.5, bias
        more: Any = {"tied": tied, "shared": shared or ()}
        made = Architecture(*given, **more)  # which checks them all
        self._set_up(made, scale, shift)
        if standardize is not None and (self.shift.any() or (self.scale != 1).any()):
            raise ValueError("standardize must be None with shift or scale, which it would replace")
        if np.any(np.asarray(target_scale) != 1) or np.any(np.asarray(target_shift) != 0):
            if standardize_targets is not None:
                raise ValueError("standardize_targets must be None with target_scale or target_shift")
            self._transform_as({"target_scale": target_scale, "target_shift": target_shift})
        self.standardize(standardize, standardize_targets)
        self.columns = first_weights.start(self._computer, self._form, made.init, samples, checks.generator(seed))

    @classmethod
    @hints.arguments
    def from_weights(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike | None] | None = None,
        *,
        transposed: bool = False,
        **options: Any,
    ) -> Self:
        """Make a network with these weights and biases. Its sizes are those of the weights.

        Parameters
        ----------
        weights : sequence of L arrays
            The weights of each layer, of shape (n_in, n_out).
        biases : sequence of L arrays, or None, default None
            The biases of each layer, of shape (n_out,), or None for a layer without biases. With None, no layer has
            biases.
        transposed : bool, keyword-only, default False
            With True, the weights have the shape (n_out, n_in), as in z^l = W^l a^{l-1} + b^l and in PyTorch.
        **options
            Other arguments of `MLP`, such as `activation`, `output`, `scale` and `dropout`. Without `dtype`, the
            network has float32 if float32 can hold all dtypes of the weights, and else float64. Lists of floats have
            float64.

        Returns
        -------
        MLP
            The network.

        Raises
        ------
        ValueError
            If a shape does not fit those of the layers around it, or a value is not finite.
        TypeError
            If an argument has the wrong type, or if there is no such argument.

        Examples
        --------
        The unit z = x_1 + x_2 - 1.5 computes AND, and two layers compute XOR:

        >>> import fastbp as fb
        >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> fb.MLP.from_weights([[[1], [1]]], [[-1.5]], output="threshold").predict(X).T.tolist()
        [[0.0, 0.0, 0.0, 1.0]]
        >>> W, b = [[[1, 1], [1, 1]], [[1, -1]]], [[-0.5, -1.5], [-0.5]]
        >>> net = fb.MLP.from_weights(W, b, activation="threshold", output="threshold", transposed=True)
        >>> net.sizes, net.predict_classes(X).tolist()
        ((2, 2, 1), [0, 1, 1, 0])
        """
        for name, given in {"weights": weights, "biases": biases}.items():
            if given is not None and not isinstance(given, Sequence):
                raise TypeError(f"{name} must be a sequence of arrays, got {type(given).__name__}")
        if not weights or (biases is not None and len(biases) != len(weights)):
            count = len(weights) if biases is None else f"{len(weights)} and {len(biases)}"
            raise ValueError(f"weights and biases must have an array for each layer, got {count}")
        for name in options.keys() & {"sizes", "bias", "init", "samples", "seed"}:
            raise TypeError(f"from_weights has no argument {name!r}, because weights and biases say it")
        matrices = [arrays.numeric(W, f"weights[{l}]") for l, W in enumerate(weights)]
        for l, W in enumerate(matrices):
            if W.ndim != 2:
                raise ValueError(f"weights[{l}] must be a matrix, got shape {W.shape}")
        if checks.flag(transposed, "transposed"):
            matrices = [W.T for W in matrices]
        sizes = [len(matrices[0]), *(W.shape[1] for W in matrices)]
        for l, W in enumerate(matrices):
            if len(W) != sizes[l]:
                rows = "columns" if transposed else "rows"
                raise ValueError(
                    f"weights[{l}] must have {sizes[l]} {rows}, because layer {l} has {sizes[l]} units; got {len(W)}"
                )
        vectors = [None] * len(matrices) if biases is None else biases
        if "dtype" not in options:
            options["dtype"] = np.float32 if np.can_cast(np.result_type(*matrices), np.float32) else np.float64
        made = cls(sizes, bias=[b is not None for b in vectors], **options)
        made.set_weights(matrices, vectors)
        return made

    def predict(self, X: ArrayLike, *, n_threads: int | None = None, **unknown: Never) -> np.ndarray:
        """Compute the outputs a^L of the network for each sample.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0]), or array of shape (sizes[0],)
            The inputs; each row is a sample. There must be at least one row. A vector is one sample, and what comes out
            for it has no first axis either. C-contiguous arrays of dtype uint8, float32 and float64, also np.memmap,
            are read without a copy. Other arrays are converted one block after another. Nobody may shorten the file of
            an np.memmap during the call: the system would then end the process. Sparse matrices are possible as for
            `Trainer.fit`.
        n_threads : int or None, keyword-only, default None
            The number of threads, at least 1. With None, fastbp uses as many as the work is worth, of the cores that
            the process may use. The number of threads never changes a result.

        Returns
        -------
        array of shape (n, sizes[-1]), or (n,) if the network is `flat`; for one sample, (sizes[-1],) or a number
            The outputs, in the dtype of the network. If the network has one output, and was trained last on targets of
            shape (n,), they have the shape (n,), as the targets had. `outputs` always returns rows.

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
        >>> net.predict([0.0, 1.0]).shape  # one sample
        (3,)
        """
        if unknown:
            hints.refuse_call(self.predict, (X,), unknown)
        a = self.outputs(X, n_threads=n_threads)
        return a.T[0] if self.architecture.flat else a

    def outputs(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the outputs as `predict` does, but always as rows, of shape (n, sizes[-1]), or as one row.

        Parameters
        ----------
        X, n_threads
            As for `predict`.

        Returns
        -------
        array of shape (n, sizes[-1]), or (sizes[-1],) for one sample
            The outputs, in the dtype of the network.

        Raises
        ------
        ValueError, TypeError
            As for `predict`.
        """
        a = self._activations(X, len(self.sizes) - 1, n_threads)
        if self._targets is not None:
            with np.errstate(all="ignore"):
                a *= self._targets[1]
                a += self._targets[0]
        return a

    def transform(self, X: ArrayLike, layer: int = -2, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the activations a^l of a layer for each sample, for example as features for another model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `predict`.
        layer : int, default -2
            The number l of the layer in `sizes`. It may be negative: -1 is the output, and -2 is the last hidden layer.
            Layer 0 has no activations, so it is not possible. With standardized targets, -1 gives standardized outputs.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        array of shape (n, sizes[layer]), or (sizes[layer],) for one sample
            The activations, in the dtype of the network.

        Raises
        ------
        ValueError
            If there is no such layer, or if X does not fit, as for `predict`.
        TypeError
            If the layer is not an integer, or X is not numeric.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([4, 8, 3], output="softmax", seed=0)
        >>> net.transform([[0.0, 1.0, 2.0, 3.0]]).shape
        (1, 8)
        """
        L = len(self.sizes) - 1
        l = layer + L + 1 if checks.integer(layer, "layer", -L) < 0 else layer
        if not 1 <= l <= L:
            raise ValueError(f"layer must be from 1 to {L}, or from {-L} to -1, got {layer}")
        return self._activations(X, l, n_threads)

    def _activations(self, X: ArrayLike, layer: int, n_threads: int | None) -> np.ndarray:
        """Compute a^l for each sample, or for one sample of shape (n_in,)."""
        if getattr(X, "ndim", 0) != 2 and (row := self._form.one_row(X)) is not None:
            return self._activations(row, layer, n_threads).reshape(-1)
        n, blocks = self._form.input_blocks(X)
        return self._computer.activations(n, blocks, layer, checks.threads(n_threads), self._refuse)

    def _refuse(self, block: Any, first: int) -> None:
        """Raise ValueError if a block of inputs, which begins with sample `first`, has a number that is not finite."""
        arrays.within(block.array, "X", self.dtype, first=first)

    def predict_classes(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the class of each sample.

        With several outputs, the class is the number of the largest output; the first output is class 0. If several
        outputs are the largest, the first of them counts. With one output, the class is 1 where the output is at least
        `threshold`, and 0 elsewhere. The same holds for each of several outputs if the network is `multilabel`: it was
        trained on rows of targets where each output by itself is right or wrong. To choose among classes that exclude
        each other, train on class labels of shape (n,).

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `predict`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        int64 array of shape (n,), or (n, n_out) of 0 and 1 if the network is `multilabel`; for one sample, its row
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
        return classes(self.outputs(X, n_threads=n_threads), self.threshold, self.multilabel)

    def trace(self, X: ArrayLike, y: ArrayLike | None = None, loss: LossName | Loss | None = None) -> Trace:
        """Compute all z^l and a^l and, with targets, all delta^l and dC/da^l, for each sample (000, 001, 002, 004).

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0]), or array of shape (sizes[0],)
            The inputs, as for `predict`. What comes out for one sample has no first axis either.
        y : array of shape (n,) or (n, sizes[-1]), or None, default None
            The targets, as for `Trainer.fit`. For one sample, it is a number or has shape (sizes[-1],). With None,
            there is no backward pass.
        loss : str or object, or None, default None
            The loss, as for `Trainer`. It must be given if there are targets.

        Returns
        -------
        Trace
            The values. ``print(trace)`` shows the first sample as a table, and ``trace.layer(l)`` has those of a layer.

        Raises
        ------
        ValueError
            If an argument does not fit, or if only one of `y` and `loss` is given.
        TypeError
            If an argument has the wrong type.
        FloatingPointError
            If the loss is not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
        >>> net.set_weights([[[0.1, -0.2], [0.3, 0.4]], [[0.5], [-0.6]]], [[0, 0], [0]])
        >>> print(net.trace([1, 2], 1, "binary_cross_entropy"))
        layer  unit           z         a          da      delta
            0     1                     1  -0.0197833
            0     2                     2   0.0111141
            1     1         0.7  0.668188   -0.256661  -0.056905
            1     2         0.6  0.645656    0.307993   0.070464
            2     1  -0.0532999  0.486678    -2.05475  -0.513322
        """
        from .trace import traced  # only this method needs it

        return traced(self, X, y, loss)

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __setattr__(self, name: str, value: Any) -> None:
            hints.check_own(self, MLP, name)
            object.__setattr__(self, name, value)
