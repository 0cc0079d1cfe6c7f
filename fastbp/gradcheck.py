"""This module checks the gradients of backpropagation against numerical derivatives of the loss (001)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import checks
from .losses import Loss
from .network import MLP, check_network

STEP = 5e-4
"""The step h of the numerical derivatives. It balances two errors: the formula has an error of the order h^4 = 6e-14,
and rounding in float64 adds an error of about 1e-16 / h = 2e-13.
"""


class LayerErrors(NamedTuple):
    """`LayerErrors` holds the relative errors of the gradients of one layer.

    Attributes
    ----------
    W : float
        The largest absolute difference between the gradient of a weight and its numerical derivative, divided by the
        largest absolute value of these gradients and derivatives. It is 0 if all of them are 0.
    b : float
        The same for the biases.
    """

    W: float
    b: float


def check_gradients(
    network: MLP,
    X: np.ndarray,
    y: np.ndarray,
    loss: str | Loss,
    *,
    sample_weight: np.ndarray | None = None,
    seed: int | None = None,
    most: int = 100,
) -> list[LayerErrors]:
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
        The seed of dropout and input noise. The same seed serves for every value of the loss, so dropout and noise stay
        the same. With None, the check is without dropout and noise.
    most : int, keyword-only, default 100
        The largest number of weights, and of biases, that the function checks in each layer. If a layer has more, the
        function chooses among them at random. It must be at least 1.

    Returns
    -------
    list of LayerErrors
        One entry for each layer, from the first to the last. If the gradients are right, the errors are about 1e-10
        for a float64 network and 1e-6 for a float32 network.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or if an activation has no derivative, see `MLP.gradients`.
    FloatingPointError
        If the loss is not finite.

    Notes
    -----
    Some activations have a kink, for example relu at z = 0. If a sample has |z| below about 1e-3 there, the difference
    reaches over the kink and is not a derivative. The error is then large although the gradient is right.

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
    """
    check_network(network)
    most = checks.integer(most, "most", 1)
    options = {"loss": loss, "sample_weight": sample_weight, "seed": seed}
    _, *gradients = network.gradients(X, y, **options)
    twin, rng = network.astype(np.float64), np.random.default_rng(0)
    parameters = [twin.weights, twin.biases]
    errors = []
    for l in range(len(twin.sizes) - 1):
        layer = []
        for group, got in zip(parameters, gradients, strict=True):
            flat = group[l].reshape(-1)  # This is a view: a new value in `flat` also changes `parameters`.
            wanted = np.full(flat.size, np.nan)
            for i in rng.permutation(flat.size)[:most]:
                value, costs = flat[i], {}
                for k in (-2, -1, 1, 2):
                    flat[i] = value + k * STEP
                    twin.set_weights(*parameters)
                    costs[k], *_ = twin.gradients(X, y, **options)
                flat[i] = value
                wanted[i] = (8 * (costs[1] - costs[-1]) - (costs[2] - costs[-2])) / (12 * STEP)
            seen = ~np.isnan(wanted)
            difference = np.abs(got[l].reshape(-1) - wanted)[seen].max()
            largest = max(np.abs(wanted[seen]).max(), np.abs(got[l]).max())
            layer.append(float(difference / largest) if largest else 0.0)
        errors.append(LayerErrors(*layer))
    return errors
