"""This module checks the gradients of backpropagation against numerical derivatives of the loss (001)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base import checks
from ..base.names import LossName
from ..formulas import differences
from ..losses import Loss
from .mlp import MLP, check_network

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class LayerErrors(NamedTuple):
    """`LayerErrors` holds the relative errors of the gradients of one layer.

    Attributes
    ----------
    W, b : float
        The largest absolute difference between the gradient of a weight, or of a bias, and its numerical derivative,
        divided by the largest absolute value of these gradients and derivatives. It is 0 if all of them are 0, for a
        layer without biases, and for weights that are tied to those of a layer before.
    """

    W: float
    b: float


MOST_ERRORS = {4: 1e-4, 8: 1e-6}
"""The largest relative error of right gradients, by the size of a number in bytes."""


class GradientErrors(list[LayerErrors]):
    """`GradientErrors` is the list that `check_gradients` returns. Its text says whether the gradients are right.

    Attributes
    ----------
    passed : bool
        Whether all errors are so small that the gradients are right.
    kinks : int
        The number of weights and biases that lie at a kink of an activation function or a loss. They do not count.
    """

    def __init__(self, errors: Iterable[LayerErrors], most: float, kinks: int):
        super().__init__(errors)
        self.kinks, self._most = kinks, most

    @property
    def passed(self) -> bool:
        return all(error <= self._most for layer in self for error in layer)

    def __repr__(self) -> str:
        worst = max(range(len(self)), key=lambda l: np.nan_to_num(max(self[l]), nan=np.inf))
        verdict = "passed" if self.passed else "FAILED"
        kinks = f"; {self.kinks} weights and biases at a kink do not count" if self.kinks else ""
        return (
            f"{verdict}: the largest relative error is {max(self[worst]):.2g} in layer {worst + 1}, and right "
            f"gradients have at most {self._most:g}{kinks}"
        )


def check_gradients(
    network: MLP,
    X: ArrayLike,
    y: ArrayLike,
    loss: LossName | Loss,
    *,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    most: int = 100,
) -> GradientErrors:
    """Compare the gradients of a network with numerical derivatives of its loss.

    The numerical derivative of the loss C with respect to a weight or bias w is the central difference

        (8 (C(w + h) - C(w - h)) - (C(w + 2h) - C(w - 2h))) / (12 h).

    The function computes it with a float64 copy of the network, and does not change the network itself.

    Parameters
    ----------
    network : MLP
        The network to check. It can be of dtype float32 or float64.
    X : array of shape (n, n_in)
        The inputs of the samples, as for `Trainer.fit`.
    y : array of shape (n,) or (n, n_out)
        The targets of the samples, as for `Trainer.fit`.
    loss : str or object
        The loss: a name such as "cross_entropy", or an object of `fastbp.losses`, as for `Trainer`.
    sample_weight : array of shape (n,) or None, keyword-only, default None
        The weight of each sample, at least 0. With None, all weights are 1.
    seed : int or None, keyword-only, default None
        The seed of dropout and input noise, which are the same for every value of the loss. With None, the check is
        without dropout and noise.
    most : int, keyword-only, default 100
        The largest number of weights, and of biases, that the function checks in each layer, at least 1. If a layer has
        more, the function chooses among them at random.

    Returns
    -------
    GradientErrors
        A list with one `LayerErrors` for each layer, from the first to the last. If the gradients are right, the errors
        are about 1e-10 for a float64 network and 1e-6 for a float32 network. The attribute `passed` says whether they
        are, and so does the text of the list.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or if an activation has no derivative, see `MLP.gradients`.
    FloatingPointError
        If the loss is not finite.

    Notes
    -----
    Some activations have a kink, for example relu at z = 0. If a sample has ``|z|`` below about 1e-3 there, the
    difference reaches over the kink and is not a derivative. The function then looks at smaller steps, and at each side
    by itself. A gradient that is right there does not count; the attribute `kinks` of the list has their number.

    The function computes the loss four times for each weight or bias that it checks, so give it few samples.

    Source: 001 (gradient checks).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> net = fb.MLP([3, 8, 2], activation="tanh", output="softmax", dtype="float64", seed=0)
    >>> errors = fb.check_gradients(net, rng.normal(size=(5, 3)), [0, 1, 1, 0, 1], "cross_entropy")
    >>> len(errors)
    2
    >>> max(max(layer) for layer in errors) < 1e-7
    True
    >>> errors.passed, errors.kinks
    (True, 0)
    """
    check_network(network)
    most = checks.integer(most, "most", 1)
    options: dict[str, Any] = {"loss": loss, "sample_weight": sample_weight, "seed": seed}
    gradients = network.parameters.from_flat(network.gradients(X, y, flat=True, **options)[1])
    bound, kinks = MOST_ERRORS[network.dtype.itemsize], 0
    cost, parts = _cost(network, X, y, options)
    errors = {f"{name}{l}": 0.0 for l in range(1, len(network) + 1) for name in LayerErrors._fields}
    for k, (name, array) in enumerate(parts.items()):
        gradient, wanted = gradients[name], differences.of_array(cost, array, most, k)
        size = bound * max(np.nanmax(np.abs(wanted)), np.abs(gradient).max())
        for place in np.flatnonzero(np.abs(gradient - wanted) > size):
            if differences.at_kink(cost, array, int(place), float(gradient.flat[place]), size):
                wanted.flat[place], kinks = np.nan, kinks + 1
        errors[name] = differences.relative_error(gradient, wanted)
    values = iter(errors.values())
    return GradientErrors(map(LayerErrors, values, values), bound, kinks)


class NumericalGradients(NamedTuple):
    """`NumericalGradients` is the gradient by differences, with the time that it took.

    Attributes
    ----------
    dW, db : lists of float64 arrays
        The derivatives of the mean loss with respect to the weights and the biases of each layer. For a layer without
        biases, there is None.
    seconds, backpropagation_seconds : float
        The time of all differences, and the time of the same gradient by `MLP.gradients`.
    """

    dW: list[np.ndarray]  # noqa: N815
    db: list[Any]
    seconds: float
    backpropagation_seconds: float


def numerical_gradients(
    network: MLP,
    X: ArrayLike,
    y: ArrayLike,
    loss: LossName | Loss,
    *,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
) -> NumericalGradients:
    """Compute the gradient of the mean loss by differences: slowly and approximately (001).

    It computes the loss four times for each weight and bias, with a float64 copy of the network. `MLP.gradients`
    computes the same by one backward pass.

    Parameters
    ----------
    network, X, y, loss, sample_weight, seed
        As for `check_gradients`, with the same errors.

    Returns
    -------
    NumericalGradients
        The gradient, its time, and the time of backpropagation.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([3, 5, 1], activation="tanh", seed=0)
    >>> slow = fb.numerical_gradients(net, [[1.0, 2.0, 3.0]], [1.0], "squared_error")
    >>> loss, dW, db = net.gradients([[1.0, 2.0, 3.0]], [1.0], loss="squared_error")
    >>> bool(abs(slow.dW[0] - dW[0]).max() < 1e-5), slow.seconds > slow.backpropagation_seconds
    (True, True)
    """
    check_network(network)
    options: dict[str, Any] = {"loss": loss, "sample_weight": sample_weight, "seed": seed}
    for each in (network, network.astype(np.float64)):  # the first call may compile kernels
        each.gradients(X, y, **options)
    start = time.perf_counter()
    network.gradients(X, y, **options)
    middle = time.perf_counter()
    cost, parts = _cost(network, X, y, options)
    dW, db = network._by_layer({name: differences.of_array(cost, array) for name, array in parts.items()})
    return NumericalGradients(dW, db, time.perf_counter() - middle, middle - start)


def _cost(
    network: MLP, X: ArrayLike, y: ArrayLike, options: dict[str, Any]
) -> tuple[Callable[[], float], dict[str, np.ndarray]]:
    """Return a function that computes the mean loss in float64, and the blocks of parameters that it reads."""
    twin = network.astype(np.float64)
    parts = twin.parameters.unpack(twin.parameters.theta)

    def cost() -> float:
        twin.parameters.set(parts)
        return float(twin.gradients(X, y, **options)[0])

    return cost, parts
