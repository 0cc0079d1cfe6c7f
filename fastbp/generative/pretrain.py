"""This module holds `pretrain`, which trains the hidden layers of a network one after another, without targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..base import checks
from ..base.history import Histories, History
from ..network.mlp import MLP, check_network
from ..rules.optimizers import Optimizer
from ..training.callback_list import Shown
from ..training.settings import named_optimizer
from ..training.trainer import Trainer
from .machine import VISIBLE, Visible
from .rbm import RBM

if TYPE_CHECKING:
    from ..base.names import OptimizerName

Method = Literal["rbm", "autoencoder"]


def pretrain(
    network: MLP,
    X: Any,
    *,
    method: Method = "rbm",
    epochs: int = 10,
    batch_size: int = 32,
    optimizer: OptimizerName | Optimizer | None = None,
    visible: Visible = "bernoulli",
    seed: int | None = None,
    progress: Shown = None,
) -> Histories:
    """Train the hidden layers of a network one after another on inputs alone, and leave their weights in the network.

    Layer l learns to model the activations a^{l-1} of the layers before it, which are finished by then. Afterwards,
    train the whole network with a `Trainer` on the samples whose targets are known. The output layer stays as it is.

    Parameters
    ----------
    network : MLP
        The network. It has at least one hidden layer, and all of its layers have biases. With "rbm", the hidden layers
        have the activation function "sigmoid".
    X : array of shape (n, sizes[0])
        The inputs, as for `Trainer.fit`, but not sparse. The `shift` and the `scale` of the network count.
    method : {"rbm", "autoencoder"}, keyword-only, default "rbm"
        With "rbm", each layer is the hidden layer of an `RBM`, which learns by contrastive divergence. With
        "autoencoder", each layer is the hidden one of a network with three layers that learns to reproduce its inputs.
    epochs : int, keyword-only, default 10
        The number of epochs for each layer, at least 0.
    batch_size : int, keyword-only, default 32
        The number of samples in a minibatch, at least 1.
    optimizer : str, Optimizer or None, keyword-only, default None
        The rule that updates the parameters. With None, it is ``SGD(0.05, momentum=0.5)`` for "rbm", and ``Adam()`` for
        "autoencoder".
    visible : {"bernoulli", "gaussian"}, keyword-only, default "bernoulli"
        The visible units of the first `RBM`. The inputs must be from 0 to 1 for "bernoulli", after shift and scale.
    seed : int or None, keyword-only, default None
        The seed of the first weights of each layer, and of its training. With None, each call has another one.
    progress : bool, "lines" or None, keyword-only, default None
        What to show of each layer, as for `Trainer.fit`.

    Returns
    -------
    Histories
        The list of the histories of the hidden layers, as `RBM.fit` and `Trainer.fit` return them.

    Raises
    ------
    ValueError
        If an argument does not fit. The network has not changed then.
    TypeError
        If an argument has the wrong type.
    FloatingPointError
        If a score becomes NaN or infinite. The layers before keep what they have learnt.

    Notes
    -----
    Sources: 001, Hinton et al. (2006) (machines), Bengio et al. (2007) (autoencoders).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(0, 2, (100, 8))
    >>> net = fb.MLP([8, 6, 4, 2], activation="sigmoid", output="softmax", seed=0)
    >>> [history.epochs for history in fb.pretrain(net, X, epochs=3, seed=0)]
    [3, 3]
    """
    check_network(network)
    train = METHODS[checks.choice(method, "method", METHODS)]
    options: dict[str, Any] = {"batch_size": checks.integer(batch_size, "batch_size", 1), "seed": checks.seed(seed)}
    if optimizer is not None:
        options["optimizer"] = named_optimizer(optimizer)
    call = {"epochs": checks.integer(epochs, "epochs", 0), "progress": progress}
    kind = checks.choice(visible, "visible", VISIBLE)
    _check(network, method)
    X = network._form.inputs(X)
    if X.sparse:
        raise TypeError("X must not be sparse for pre-training, which models all inputs: give X.toarray()")
    a, histories = X.transformed(network.shift, network.scale), Histories()
    for l in range(len(network) - 1):
        W, b, history = train(network, l, a, kind if l == 0 else "bernoulli", options, call)
        histories.append(history)
        weights, biases = [*network.weights], [*network.biases]
        weights[l], biases[l] = W, b
        network.set_weights(weights, biases)
        if l + 2 < len(network):
            layer = network[l]
            layer._transform_as({"shift": 0.0, "scale": 1.0})
            a = layer.outputs(a)
    return histories


def _check(network: MLP, method: str) -> None:
    """Raise ValueError if the hidden layers of a network cannot be trained by a method."""
    made, hidden = network.architecture, len(network) - 1
    if not hidden:
        raise ValueError(f"network must have a hidden layer to be pre-trained, got sizes {network.sizes}")
    for l, sigma in enumerate(made.activations[:-1], 1):
        if method == "rbm" and (sigma.name != "sigmoid" or not made.bias[l - 1]):
            raise ValueError(
                f"network must have hidden layers with activation='sigmoid' and with biases for method='rbm', because "
                f"the units of an RBM have them; layer {l} has {sigma.name!r} and bias={made.bias[l - 1]}: "
                f"method='autoencoder' trains any layer"
            )
    network._form.check_trainable()


def _rbm(network: MLP, l: int, a: np.ndarray, visible: Any, options: dict[str, Any], call: dict[str, Any]) -> Trained:
    """Train layer l + 1 as the hidden units of a machine."""
    machine = RBM(*network.sizes[l : l + 2], visible=visible, dtype=network.dtype, **options)
    history = machine.fit(a, **call)
    return machine.W, machine.c, history


def _autoencoder(
    network: MLP, l: int, a: np.ndarray, visible: Any, options: dict[str, Any], call: dict[str, Any]
) -> Trained:
    """Train layer l + 1 as the hidden layer of a network that reproduces its inputs."""
    (n, m), made = network.sizes[l : l + 2], network.architecture
    twin = MLP(
        [n, m, n], activation=made.activations[l], bias=[made.bias[l], True], dtype=network.dtype, seed=options["seed"]
    )
    trainer = Trainer(twin, loss="mean_squared_error", **options)
    trainer.state.judged = True  # the scale of activations is nothing that a user could change
    history = trainer.fit(a, a, **call)
    return twin.weights[0], twin.biases[0], history


Trained = tuple[np.ndarray, np.ndarray | None, History]
METHODS: dict[str, Callable[..., Trained]] = {"rbm": _rbm, "autoencoder": _autoencoder}
"""The functions that train a layer. Each returns its weights, its biases and its history."""
