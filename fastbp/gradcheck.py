"""Are the gradients right? Derived analytically, checked numerically (001)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import checks
from .network import MLP, Loss

STEP = 5e-4
"""h of the differences: their error of order h^4 is some 1e-13, and 1e-16 / h of cancellation not more."""


class LayerErrors(NamedTuple):
    """Of a layer: the largest differences of dW and db, relative to the largest number there."""

    W: float
    b: float


def check_gradients(
    network: MLP,
    X: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    *,
    sample_weight: np.ndarray | None = None,
    seed: int | None = None,
    most: int = 100,
) -> list[LayerErrors]:
    """Compare the gradients of a network with central differences of its loss, which float64 computes.

    dC/dw is about (8 (C(w + h) - C(w - h)) - (C(w + 2h) - C(w - 2h))) / 12 h.

    Parameters
    ----------
    network : MLP
    X, y : arrays
        Samples as for `Trainer.fit`. At a kink, where some |z| of relu is below 1e-3, a difference is no derivative.
    loss : str or object
        As for `Trainer`.
    sample_weight : array of shape (n,), keyword-only
    seed : int, keyword-only
        Of masks and noise, which stay the same; None for a network without dropout and noise.
    most : int, keyword-only
        Weights, and biases, of each layer that are looked at, drawn at random where there are more.

    Returns
    -------
    list of LayerErrors
        One a layer: around 1e-10 in float64 and 1e-6 in float32 if the gradients are right.

    Raises
    ------
    ValueError, TypeError, FloatingPointError
        As `MLP.gradients`.

    Notes
    -----
    Source: 001 (gradient checks).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> net = fb.MLP([3, 8, 2], activation="tanh", output="softmax", dtype="float64", seed=0)
    >>> errors = fb.check_gradients(net, rng.normal(size=(5, 3)), [0, 1, 1, 0, 1], "cross_entropy")
    >>> max(max(layer) for layer in errors) < 1e-7
    True
    """
    most = checks.integer(most, "most", 1)
    options = {"loss": loss, "sample_weight": sample_weight, "seed": seed}
    _, *gradients = network.gradients(X, y, **options)
    twin, rng = network.astype(np.float64), np.random.default_rng(0)
    parameters = [twin.weights, twin.biases]
    errors = []
    for l in range(len(twin.sizes) - 1):
        layer = []
        for group, got in zip(parameters, gradients, strict=True):
            flat = group[l].reshape(-1)  # a view
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
