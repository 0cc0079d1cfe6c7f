"""This module makes autoencoders: networks that learn to give back their inputs through few units   (001)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .mlp import MLP


def autoencoder(sizes: Sequence[int], *, tied: bool = True, **options: Any) -> MLP:
    """Make a network that can learn to give back its inputs, whose second half has the transposed weights of the first.

    Train it with the inputs as targets: ``trainer.fit(X, X)``. For a denoising autoencoder, give `dropout` with a
    probability for the inputs, such as ``dropout=[0.3, 0.0]``, or `input_noise`: the targets stay clean.

    Parameters
    ----------
    sizes : sequence of int
        The numbers of units, from the inputs to the outputs, such as [784, 256, 64, 256, 784]. With `tied`, they must
        be the same backwards.
    tied : bool, keyword-only, default True
        Whether the last layer has the transposed weights of the first, the last but one those of the second, and so
        on. Such a network has half of the weights.
    **options
        The other arguments of `fastbp.MLP`. For inputs from 0 to 1, ``output="sigmoid"`` suits.

    Returns
    -------
    MLP
        The network. If ``net`` has 4 layers, ``net[:2]`` is the encoder, and ``net[2:]`` is the decoder.

    Raises
    ------
    ValueError
        If `sizes` are not the same backwards, or an argument does not fit.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    Source: 001 (shared weights, unsupervised learning of features); Vincent et al. (2008) (denoising).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.autoencoder([64, 16, 4, 16, 64], activation="tanh", seed=0)
    >>> print(net)
    MLP(64-16-4-16-64, activation='tanh', output='identity', 1,188 parameters, float32)
    >>> bool((net.weights[3] == net.weights[0].T).all())
    True
    >>> net[:2].sizes
    (64, 16, 4)
    """
    if not tied:
        return MLP(sizes, **options)
    units = list(sizes)
    if units != units[::-1] or len(units) < 3:
        raise ValueError(f"sizes must be the same backwards, such as [784, 64, 784], got {sizes!r}; or give tied=False")
    layers = len(units) - 1
    pairs = [(f"W{layers + 1 - l}", f"W{l}.T") for l in range(1, layers // 2 + 1)]
    return MLP(sizes, tied=pairs, **options)
