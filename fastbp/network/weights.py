"""This module converts between the blocks of parameters of a network and the arrays of its layers, which users see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import arrays
from ..engine.layers.dense import Dense

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def by_layer(layers: Sequence[Dense], parts: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], list[Any]]:
    """Return the arrays of blocks as two lists: of the matrix of each layer, and of its biases or None."""
    weights = []
    for layer in layers:
        W, array = layer.weights, parts[layer.weights.name]
        array = array if W.groups is None else W.groups.matrix(array)
        weights.append(array.T.copy() if layer.of is not None and layer.of.turned else array)
    return weights, [parts.get(f"b{layer.number}") for layer in layers]


def of_layers(
    layers: Sequence[Dense],
    dtype: np.dtype,
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike | None],
    names: tuple[str, str] = ("weights", "biases"),
) -> dict[str, np.ndarray]:
    """Return arrays for the weights and biases of all layers by the names of their blocks, or raise an error.

    The arguments `weights` and `biases` are those of `MLP.set_weights`, and `names` are their names for messages.
    """
    for name, given in zip(names, (weights, biases), strict=True):
        if not isinstance(given, Sequence):
            raise TypeError(f"{name} must be a sequence of arrays, got {type(given).__name__}")
        if len(given) != len(layers):
            raise ValueError(f"{name} must be {len(layers)} arrays, one a layer; got {len(given)}")
    checked: dict[str, np.ndarray] = {}
    for layer, W, b in zip(layers, weights, biases, strict=True):
        block, l = layer.weights, layer.number - 1
        name = f"{names[0]}[{l}]"
        array = _checked(W, name, (layer.n_in, layer.n_out), dtype)
        if block.groups is not None:
            values = block.groups.values(array)
            if values is None:
                raise ValueError(f"{name} must have equal weights where they are shared, and 0 where they stay 0")
            array = values
        array = array.T if layer.of is not None and layer.of.turned else array
        if not np.array_equal(checked.setdefault(block.name, array), array):
            raise ValueError(f"{name} must be equal to {names[0]}[{block.layer - 1}], because they are tied")
        name = f"{names[1]}[{l}]"
        if layer.biased:
            checked[f"b{layer.number}"] = _checked(b, name, (layer.n_out,), dtype)
        elif b is not None:
            raise ValueError(f"{name} must be None, because the layer has no biases; got {b!r}")
    return checked


def _checked(given: Any, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of a shape in the dtype of the network, or raise an error."""
    array = arrays.numeric(given, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    with np.errstate(all="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite in {dtype}, and is not")
    return array
