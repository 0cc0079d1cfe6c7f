"""Weights to and from other libraries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .network import MLP, check_network

if TYPE_CHECKING:
    import torch


def from_torch(network: MLP, state_dict: Mapping[str, Any]) -> None:
    """Give a network the weights of a `torch.nn.Sequential` of `Linear` layers, or none of them if one does not fit.

    Parameters
    ----------
    network : MLP
        Of the same sizes.
    state_dict : mapping of names to tensors or arrays
        A weight (n_out, n_in) and a bias (n_out,) for each layer, as `module.state_dict()` has them, in their order.

    Raises
    ------
    ValueError, TypeError
        If there are others, or one's shape is not the network's, or a value is not finite in its dtype.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 1], seed=0)
    >>> fb.interop.from_torch(net, {"0.weight": np.array([[1.0, 2.0]]), "0.bias": np.array([3.0])})
    >>> net.predict([[1.0, 1.0]])
    array([[6.]], dtype=float32)
    """
    check_network(network)
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping of names to tensors, got {type(state_dict).__name__}")
    arrays: dict[str, dict[str, np.ndarray]] = {"weight": {}, "bias": {}}
    for name, tensor in state_dict.items():
        if not isinstance(name, str):
            raise TypeError(f"state_dict must be a mapping of names to tensors, got {name!r} as a name")
        layer, _, kind = name.rpartition(".")
        if kind not in arrays:
            raise ValueError(f"state_dict must have weights and biases and nothing else, got {name!r}")
        # double: NumPy has no bfloat16
        array = np.asarray(tensor.detach().cpu().double() if hasattr(tensor, "detach") else tensor)
        if kind == "weight" and array.ndim != 2:
            raise ValueError(f"{name} must have shape (n_out, n_in), got {array.shape}")
        arrays[kind][layer] = array.T
    if list(arrays["weight"]) != list(arrays["bias"]):
        raise ValueError(f"state_dict must have a weight and a bias for each layer, got {list(state_dict)}")
    network.set_weights(list(arrays["weight"].values()), list(arrays["bias"].values()))


def to_torch(network: MLP, names: Iterable[str] | None = None) -> dict[str, torch.Tensor]:
    """The weights of a network for the `load_state_dict` of a `torch.nn.Sequential` of `Linear` layers; needs torch.

    Parameters
    ----------
    network : MLP
    names : iterable of str
        Weight, bias, weight, ... as ``module.state_dict()`` has them; by default those of a module with an activation
        after each layer: "0.weight", "0.bias", "2.weight", ...

    Returns
    -------
    dict of str to tensor
        Copies, of shapes (n_out, n_in) and (n_out,).

    Raises
    ------
    ValueError
        If the names are not two a layer.
    ImportError
        Without torch.

    Notes
    -----
    `shift` and `scale` are not part of it: the module sees inputs that have been scaled.

    Examples
    --------
    >>> import fastbp as fb
    >>> try:
    ...     print(list(fb.interop.to_torch(fb.MLP([2, 3, 1], seed=0))))
    ... except ImportError:
    ...     print(["0.weight", "0.bias", "2.weight", "2.bias"])
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    import torch

    check_network(network)
    pairs = zip(network.weights, network.biases, strict=True)
    tensors = [torch.from_numpy(array) for W, b in pairs for array in (np.ascontiguousarray(W.T), b)]
    if names is None:
        names = [f"{2 * l}.{kind}" for l in range(len(tensors) // 2) for kind in ("weight", "bias")]
    names = list(names)
    if len(names) != len(tensors) or len({*names}) != len(names):
        got = f"{len(names)}, {len({*names})} of them different"
        raise ValueError(f"names must be {len(tensors)}, a weight and a bias for each layer, got {got}")
    return dict(zip(names, tensors, strict=True))
