"""This module helps users of scikit-learn, PyTorch and Keras: a name of theirs raises an error that says what to use.

The error is an AttributeError, so `hasattr` still returns False for these names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NoReturn

from . import checks


def _by_name(table: Mapping[str, str]) -> dict[str, str]:
    """Return the hint for each name of a table, whose keys are one or more names."""
    return {name: hint for names, hint in table.items() for name in names.split()}


NETWORK = _by_name({
    "fit train train_on_batch partial_fit zero_grad step":
        "fastbp.Trainer(net, loss=..., optimizer=...).fit(X, y) trains a network",
    "compile": "fastbp.Trainer(net, loss=..., optimizer=...) takes the loss and the optimizer",
    "predict_proba forward decision_function":
        "predict(X) computes the outputs, which are probabilities if the output is 'softmax' or 'sigmoid'",
    "predict_log_proba": "np.log(net.predict(X)) computes the logarithms of the outputs",
    "evaluate score loss": "fastbp.Trainer(net, loss=...).evaluate(X, y) computes the loss, the accuracy and metrics",
    "get_weights coefs_ intercepts_ named_parameters trainable_variables":
        "weights and biases are tuples of copies, and theta is one vector of all parameters",
    "eval": "a network has no modes: only training uses dropout and noise, and predict never does",
    "to cpu cuda double half": "astype('float64') makes a network of another dtype; fastbp runs on CPUs only",
    "state_dict": "fastbp.interop.to_torch(net) makes the dict that load_state_dict of PyTorch takes",
    "load_state_dict": "fastbp.interop.from_torch(net, state_dict) takes the weights of PyTorch",
    "summary layers n_layers_": "print(net), net.sizes and net.architecture describe the network",
    "history loss_curve_": "the trainer has the history: trainer.history",
})  # fmt: skip
"""The hints for names that an `MLP` does not have."""

ASSIGNED = NETWORK | dict.fromkeys(
    ("activation", "output", "init", "dropout", "input_noise", "max_norm", "bias", "seed"),
    "this argument of MLP cannot be changed later; make a new network",
)
"""The hints for names that nobody can assign to an `MLP`: those above, and arguments that are not attributes."""

TRAINER = _by_name({
    "train": "fit(X, y, epochs=...) trains the network",
    "train_on_batch": "partial_fit(X, y) makes one step",
    "compile": "assign the settings, for example trainer.loss = 'huber'",
    "predict predict_classes predict_proba": "trainer.network.predict(X) computes the outputs",
    "score": "evaluate(X, y) computes the loss, the accuracy and metrics",
    "model": "trainer.network is the network",
    "save":
        "trainer.network.save(path) writes the network, and the callback fastbp.Checkpoint the state of the training",
    "load": "fastbp.Trainer.resume(directory) continues from a checkpoint",
    "lr learning_rate momentum": "assign an optimizer, for example trainer.optimizer = fastbp.SGD(0.1, momentum=0.9)",
    "seed": "the seed is used only once, when the trainer is made",
    "step zero_grad": "partial_fit(X, y) makes one step, and apply_gradients makes one with your own gradients",
    "epochs callbacks": "this is an argument of fit",
})  # fmt: skip
"""The hints for names that a `Trainer` does not have."""


def refuse(of: type, name: str, hints: Mapping[str, str], known: Iterable[str] = ()) -> NoReturn:
    """Raise AttributeError for a name that objects of a class do not have.

    The message has the hint for this name or, without one, the name of `known` that is most like it.
    """
    hint = f": {hints[name]}" if name in hints else checks.meant(name, known)
    raise AttributeError(f"{of.__name__} has no attribute {name!r}{hint}", name=name)


def check_own(of: object, base: type, name: str, hints: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse to assign an attribute that objects of the class `base` do not have. `known` has those without properties.

    Objects of derived classes, which users write, may have attributes of their own.
    """
    if type(of) is base and not hasattr(base, name) and name not in known:
        refuse(base, name, hints, [*known, *(each for each in dir(base) if not each.startswith("_"))])


class Hinting(type):
    """`Hinting` is the class of the class `MLP`, so that ``fastbp.MLP.fit`` raises the same error as ``net.fit``."""

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(cls, name: str) -> NoReturn:
            refuse(cls, name, NETWORK)
