"""This module copies weights from PyTorch to fastbp and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import extras
from .network import MLP, check_network

if TYPE_CHECKING:
    import torch

__all__ = ["from_torch", "to_torch"]


def __dir__() -> list[str]:
    return __all__


def from_torch(network: MLP, state_dict: Mapping[str, Any]) -> None:
    """Copy the weights and biases of a PyTorch module into a network.

    The module must be a chain of `torch.nn.Linear` layers, for example in a `torch.nn.Sequential`. If anything does not
    fit, the network keeps all its parameters.

    Parameters
    ----------
    network : MLP
        The network that gets the parameters. Its layers must have the sizes of the module's layers. The function copies
        no activations: choose the same ones for the network.
    state_dict : mapping of str to tensor or array
        The result of ``module.state_dict()``. For each layer, in order, it must have a weight of shape (n_out, n_in),
        named "weight" or "<layer>.weight", and a bias of shape (n_out,), named "bias" or "<layer>.bias". A layer
        without biases in the network must have none in the mapping. The function converts values to the dtype of the
        network.

    Raises
    ------
    ValueError
        If a name is neither a weight nor a bias, if a weight or a bias is missing, if the number of layers or a shape
        is not that of the network, or if a value is not finite in the dtype of the network.
    TypeError
        If `network` is not an MLP, if `state_dict` is not a mapping with names as keys, or if an array does not hold
        real numbers.

    Examples
    --------
    The function works without PyTorch if the mapping holds arrays. This layer computes 1 * 1 + 2 * 1 + 3:

    >>> import fastbp as fb
    >>> import numpy as np
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
        # The conversion to double is there because NumPy has no bfloat16.
        array = np.asarray(tensor.detach().cpu().double() if hasattr(tensor, "detach") else tensor)
        if kind == "weight" and array.ndim != 2:
            raise ValueError(f"{name} must have shape (n_out, n_in), got {array.shape}")
        arrays[kind][layer] = array.T
    layers, biased = list(arrays["weight"]), network.architecture.bias
    if [layer for l, layer in enumerate(layers) if l >= len(biased) or biased[l]] != list(arrays["bias"]):
        which = "" if all(biased) else " that has biases"
        raise ValueError(f"state_dict must have a weight and a bias for each layer{which}, got {list(state_dict)}")
    network.set_weights(list(arrays["weight"].values()), [arrays["bias"].get(layer) for layer in layers])


def to_torch(network: MLP, names: Iterable[str] | None = None) -> dict[str, torch.Tensor]:
    """Return the weights and biases of a network in the form that `load_state_dict` of a PyTorch module takes.

    The module must be a chain of `torch.nn.Linear` layers, with ``bias=False`` where the network has no biases. This
    function needs torch.

    Parameters
    ----------
    network : MLP
        The network whose parameters the function copies.
    names : iterable of str or None, default None
        The names of the module's parameters, as in ``module.state_dict()``: weight and bias of the first layer, then of
        the second layer, and so on, without the biases that do not exist. All names must be different. With None, the
        names are those of a `torch.nn.Sequential` with one activation after each layer: "0.weight", "0.bias",
        "2.weight", "2.bias", ...

    Returns
    -------
    dict of str to torch.Tensor
        Copies in the dtype of the network: weights of shape (n_out, n_in) and biases of shape (n_out,).

    Raises
    ------
    ValueError
        If `names` does not have a different name for each weight matrix and each bias.
    TypeError
        If `network` is not an MLP.
    ImportError
        If torch is not installed.

    Notes
    -----
    The result does not include `shift` and `scale` of the network. Give the module inputs to which you have already
    applied them: (x - shift) * scale.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 3, 1], activation="relu", seed=0)
    >>> try:
    ...     import torch
    ...
    ...     module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    ...     print(module.load_state_dict(fb.interop.to_torch(net)))
    ...     print(list(fb.interop.to_torch(net)))
    ... except ImportError:
    ...     print("<All keys matched successfully>")
    ...     print(["0.weight", "0.bias", "2.weight", "2.bias"])
    <All keys matched successfully>
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    torch = extras.package("torch", "to_torch")
    check_network(network)
    found = {}
    for l, (W, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        found |= {f"{2 * l}.weight": np.ascontiguousarray(W.T)} | ({} if b is None else {f"{2 * l}.bias": b})
    tensors = [torch.from_numpy(array) for array in found.values()]
    names = found if names is None else names
    names = list(names)
    if len(names) != len(tensors) or len({*names}) != len(names):
        got = f"{len(names)}, {len({*names})} of them different"
        raise ValueError(f"names must be {len(tensors)}, a weight and a bias for each layer, got {got}")
    return dict(zip(names, tensors, strict=True))
