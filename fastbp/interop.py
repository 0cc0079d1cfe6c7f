"""This module copies networks and weights from PyTorch and scikit-learn to fastbp and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .activations import Formula as ActivationFormula
from .base import extras, hints
from .formulas.nodes import apply
from .network.mlp import MLP, check_network

if TYPE_CHECKING:
    import torch
    from sklearn.base import BaseEstimator

OF_SCIKIT_LEARN = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "softmax": "softmax"}
"""The names of activation functions in scikit-learn, and in fastbp."""

__all__ = ["from_sklearn", "from_torch", "to_sklearn", "to_torch"]

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


def from_torch(network: MLP, state_dict: Mapping[str, Any]) -> None:
    """Copy the weights and biases of a PyTorch module into a network.

    The module must be a chain of `torch.nn.Linear` layers, for example in a `torch.nn.Sequential`. If anything does not
    fit, the network keeps all its parameters. The network then predicts what the module computes: if it has a `shift`
    and a `scale`, or standardized targets, its parameters are those that give the same outputs together with them.

    Parameters
    ----------
    network : MLP
        The network that gets the parameters. Its layers must have the sizes of the module's layers. The function does
        not copy the activation functions: choose the same ones for the network.
    state_dict : mapping of str to tensor or array
        The result of ``module.state_dict()``. For each layer, in order, it must have a weight of shape (n_out, n_in),
        named "weight" or "<layer>.weight", and a bias of shape (n_out,), named "bias" or "<layer>.bias". For a layer
        without biases in the network, it must not have a bias. The function converts values to the dtype of the
        network.

    Raises
    ------
    ValueError
        If a name is neither a weight nor a bias, if a weight or a bias is missing, if the number of layers or a shape
        is not that of the network, if a value is not finite in the dtype of the network, or if a layer without biases
        would have to take over a shift.
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
    layers = list(arrays["weight"])
    biased = [b is not None for b in network.biases]
    if [layer for l, layer in enumerate(layers) if l >= len(biased) or biased[l]] != list(arrays["bias"]):
        which = "" if all(biased) else " that has biases"
        raise ValueError(f"state_dict must have a weight and a bias for each layer{which}, got {list(state_dict)}")
    given = list(arrays["weight"].values()), [arrays["bias"].get(layer) for layer in layers]
    network.set_weights(*_scaled(network, *given, inside=False))


def _scaled(
    network: MLP, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None], *, inside: bool
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Move the scales of a network into parameters that belong to it; if not `inside`, take them out of parameters.

    Arrays of other shapes come back as they are: `set_weights` refuses them.
    """
    W, b = list(weights), list(biases)
    fits = [array.shape for array in W] == [*pairwise(network.sizes)]
    if not fits or any(bias is not None and bias.shape != array.shape[1:] for array, bias in zip(W, b, strict=True)):
        return W, b
    shift, scale, last_shift, last_scale = (
        np.asarray(getattr(network, name), np.float64) for name in ("shift", "scale", "target_shift", "target_scale")
    )
    if not inside:
        if not (scale.all() and last_scale.all()):
            raise ValueError("network must have no scale of 0, because no weights could give what the module computes")
        shift, scale, last_shift, last_scale = -shift * scale, 1 / scale, -last_shift / last_scale, 1 / last_scale
    for l, by, plus in ((0, scale[:, None], -shift * scale), (-1, last_scale, last_shift)):
        if (by == 1).all() and not plus.any():
            continue
        bias = b[l]
        if bias is None and plus.any():
            raise ValueError(f"network must have biases in layer {l % len(W) + 1}, to take over what its shift adds")
        old = W[l].astype(np.float64)
        W[l] = old * by
        if bias is not None:
            b[l] = bias + plus @ old if l == 0 else bias * by + plus
    return W, b


def _unscaled(network: MLP) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Return copies of the parameters of a network, with its scales inside them, in its dtype."""
    W, b = _scaled(network, *network._copies(), inside=True)
    return [a.astype(network.dtype) for a in W], [None if a is None else a.astype(network.dtype) for a in b]


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
        "2.weight", "2.bias" and so on.

    Returns
    -------
    dict of str to torch.Tensor
        Copies in the dtype of the network: weights of shape (n_out, n_in) and biases of shape (n_out,).

    Raises
    ------
    ValueError
        If `names` does not have a different name for each weight matrix and each bias, or if a layer without biases
        would have to take over a shift.
    TypeError
        If `network` is not an MLP.
    ImportError
        If torch is not installed.

    Notes
    -----
    If the network has a `shift` and a `scale`, or standardized targets, they are inside the weights and biases: the
    module gets the inputs x as they are, and computes what `MLP.predict` does.

    Examples
    --------
    >>> import fastbp as fb
    >>> import torch
    >>> net = fb.MLP([2, 3, 1], activation="relu", seed=0)
    >>> list(fb.interop.to_torch(net))
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> module.load_state_dict(fb.interop.to_torch(net))
    <All keys matched successfully>
    """
    torch = extras.package("torch", "to_torch")
    check_network(network)
    found: dict[str, np.ndarray] = {}
    for l, (W, b) in enumerate(zip(*_unscaled(network), strict=True)):
        found |= {f"{2 * l}.weight": np.ascontiguousarray(W.T)} | ({} if b is None else {f"{2 * l}.bias": b})
    names = list(found if names is None else names)
    if len(names) != len(found) or len({*names}) != len(names):
        got = f"{len(names)}, {len({*names})} of them different"
        raise ValueError(f"names must be {len(found)}, a weight and a bias for each layer, got {got}")
    return dict(zip(names, map(torch.from_numpy, found.values()), strict=True))


def from_sklearn(estimator: BaseEstimator) -> MLP:
    """Make a network from a fitted `MLPClassifier` or `MLPRegressor` of scikit-learn, or of `fastbp.sklearn`.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The fitted estimator. It does not change.

    Returns
    -------
    MLP
        A network with the same activation functions and copies of the parameters, in their dtype. Its `columns` are
        the names of the inputs, if the estimator knows them, and its `classes` those of the classes: column k of its
        outputs belongs to ``estimator.classes_[k]``.

    Raises
    ------
    TypeError
        If the argument is not a fitted estimator of this kind.

    Examples
    --------
    >>> import fastbp as fb
    >>> from sklearn.neural_network import MLPRegressor
    >>> estimator = MLPRegressor(hidden_layer_sizes=5, solver="lbfgs").fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    >>> fb.interop.from_sklearn(estimator)
    MLP([1, 5, 1], dtype='float64')
    """
    wanted = ("coefs_", "intercepts_", "out_activation_", "activation")
    if isinstance(estimator, type) or not all(hasattr(estimator, name) for name in wanted):
        shown = " ".join(repr(estimator).split())  # in one line
        raise TypeError(f"estimator must be a fitted MLPClassifier or MLPRegressor, got {shown}; {_remedy(estimator)}")
    own = getattr(estimator, "network_", None)
    if isinstance(own, MLP):  # the estimator is one of fastbp.sklearn
        return own.astype(own.dtype)
    outputs: dict[str, Any] = {**OF_SCIKIT_LEARN}
    outputs["exp"] = ActivationFormula(partial(apply, "exp"), name="exp")
    sizes = [estimator.coefs_[0].shape[0], *(W.shape[1] for W in estimator.coefs_)]
    activation, output = outputs[estimator.activation], outputs[estimator.out_activation_]
    network = MLP(sizes, activation=activation, output=output, dtype=estimator.coefs_[0].dtype, seed=0)
    network.set_weights(estimator.coefs_, estimator.intercepts_)
    columns = tuple(getattr(estimator, "feature_names_in_", ()))
    if len({*columns}) == sizes[0]:
        network.columns = columns
    names = np.asarray(getattr(estimator, "classes_", ()))
    if len(names) == max(sizes[-1], 2) and not _binarizer_of_labels(estimator):
        network.classes = names.tolist()
    return network


def _binarizer_of_labels(estimator: BaseEstimator) -> bool:
    """Return whether each output of a classifier of scikit-learn is a label of its own."""
    return str(getattr(getattr(estimator, "_label_binarizer", None), "y_type_", "")).startswith("multilabel")


def _remedy(estimator: BaseEstimator) -> str:
    """Return what to do with an object that is not a fitted estimator with one network."""
    inside = {"steps": "[-1]", "best_estimator_": ".best_estimator_", "regressor_": ".regressor_"}
    for name, place in inside.items():
        if hasattr(estimator, name):
            return (
                f"give the estimator inside it, as in from_sklearn(estimator{place}), and transform inputs and outputs "
                "of the network as the rest of it does"
            )
    return "call its method fit first"


def to_sklearn(network: MLP, classes: ArrayLike | None = None) -> BaseEstimator:
    """Make a fitted estimator of scikit-learn that predicts what a network predicts.

    A network with a softmax or a sigmoid output becomes an `MLPClassifier`, and one with an identity output an
    `MLPRegressor`. The first layer takes over `shift` and `scale` of the network, and the last layer `target_shift` and
    `target_scale`. This function needs scikit-learn.

    Parameters
    ----------
    network : MLP
        The network. Its hidden layers must have the same activation function: identity, sigmoid, tanh or relu.
    classes : array of shape (n_classes,) or None, default None
        The names of the classes, in increasing order. With None, they are `MLP.classes`, or else 0, 1 and so on. It
        must be None for several sigmoid outputs, because each of these is a label of its own.

    Returns
    -------
    MLPClassifier or MLPRegressor
        The estimator, with copies of the parameters.

    Raises
    ------
    ValueError
        If scikit-learn does not have networks of this kind, or if the classes do not fit.
    TypeError
        If `network` is not an MLP.
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 4, 3], output="softmax", scale=0.5, seed=0)
    >>> print(fb.interop.to_sklearn(net, ["a", "b", "c"]).predict([[0.0, 0.0]]))
    ['c']
    """
    check_network(network)
    sklearn = extras.package("sklearn", "to_sklearn", "neural_network")
    names = {name: known for known, name in OF_SCIKIT_LEARN.items()}
    *activations, output = (sigma.name for sigma in network.architecture.activations)
    hidden = {*activations} or {"identity"}
    if len(hidden) > 1 or not hidden <= names.keys() - {"softmax"}:
        raise ValueError(
            f"network must have one of identity, sigmoid, tanh and relu in all hidden layers for scikit-learn, got "
            f"{', '.join(sorted(hidden))}"
        )
    if output not in ("identity", "sigmoid", "softmax"):
        raise ValueError(f"network must have the output identity, sigmoid or softmax for scikit-learn, got {output}")
    kind = sklearn.MLPRegressor if output == "identity" else sklearn.MLPClassifier
    estimator: BaseEstimator = kind(hidden_layer_sizes=network.sizes[1:-1], activation=names[hidden.pop()])
    weights, given = network._copies()
    biases = [np.zeros(n, network.dtype) if b is None else b for b, n in zip(given, network.sizes[1:], strict=True)]
    moved = _scaled(network, weights, biases, inside=True)
    weights, biases = ([np.asarray(array, network.dtype) for array in each] for each in moved)
    known = {
        "coefs_": weights, "intercepts_": biases, "n_features_in_": network.sizes[0], "n_layers_": len(network.sizes),
        "n_outputs_": network.sizes[-1], "out_activation_": names[output], "n_iter_": 0, "t_": 0, "loss_curve_": [],
        "best_loss_": np.inf, "validation_scores_": None, "best_validation_score_": None, "_no_improvement_count": 0,
    }  # fmt: skip
    if network.columns is not None:
        known["feature_names_in_"] = np.array(network.columns, object)
    if output != "identity":
        known |= _classes(network, output, classes)
    elif classes is not None:
        raise ValueError(f"classes must be None for a network with the output identity, got {classes!r}")
    for name, value in known.items():
        setattr(estimator, name, value)
    return estimator


def _classes(network: MLP, output: str, given: ArrayLike | None) -> dict[str, Any]:
    """Return the attributes of a classifier of scikit-learn that hold its classes."""
    preprocessing = extras.package("sklearn", "to_sklearn", "preprocessing")
    n_out = network.sizes[-1]
    if output == "sigmoid" and n_out > 1:
        if given is not None:
            raise ValueError(f"classes must be None for several sigmoid outputs, got {given!r}")
        labels: np.ndarray = np.zeros((2, n_out), int)
        labels[:, :2] = 1  # rows with two labels tell the binarizer that a sample may have several
    else:
        count = max(n_out, 2)
        given = network.classes if given is None else given
        labels = np.arange(count) if given is None else np.asarray(given)
        if labels.shape != (count,) or len(np.unique(labels)) != count or (np.sort(labels) != labels).any():
            raise ValueError(f"classes must be {count} different names in increasing order, got {given!r}")
    binarizer = preprocessing.LabelBinarizer().fit(labels)
    return {"_label_binarizer": binarizer, "classes_": binarizer.classes_}
