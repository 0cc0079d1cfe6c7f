"""This module tells users of other libraries where they find here what they look for there.

The names are those of scikit-learn, PyTorch and Keras. Asking for one raises an AttributeError that says where to look,
so that `hasattr` still gives False.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NoReturn

from . import checks

TRAIN = "fastbp.Trainer(net, loss=..., optimizer=...).fit(X, y) trains a network"
SCORE = "fastbp.Trainer(net, loss=...).evaluate(X, y) computes the loss, the accuracy and metrics"
OUTPUTS = "predict(X) computes the outputs, which are probabilities if the output is 'softmax' or 'sigmoid'"
PARAMETERS = "weights and biases are lists of copies, and theta is one vector of all parameters"
ASTYPE = "astype('float64') makes a network of another dtype; there are CPUs only"
MODES = "there are no modes: only training uses dropout and noise, and predict never does"

NETWORK = {
    **dict.fromkeys(("fit", "train", "train_on_batch", "partial_fit", "zero_grad", "step"), TRAIN),
    "compile": "fastbp.Trainer(net, loss=..., optimizer=...) takes the loss and the optimizer",
    **dict.fromkeys(("predict_proba", "forward", "decision_function"), OUTPUTS),
    "predict_log_proba": "np.log(net.predict(X)) computes the logarithms of the outputs",
    **dict.fromkeys(("score", "loss"), SCORE),
    **dict.fromkeys(("get_weights", "coefs_", "intercepts_", "named_parameters", "trainable_variables"), PARAMETERS),
    "eval": MODES,
    **dict.fromkeys(("to", "cpu", "cuda", "double", "half"), ASTYPE),
    "state_dict": "fastbp.interop.to_torch(net) makes the dict that load_state_dict of PyTorch takes",
    "load_state_dict": "fastbp.interop.from_torch(net, state_dict) takes the weights of PyTorch",
    "load": "fastbp.load(path) reads a network from a file",
    **dict.fromkeys(("summary", "layers", "n_layers_"), "print(net), net.sizes and net.architecture say what it is"),
    **dict.fromkeys(("history", "loss_curve_"), "the trainer has the history: trainer.history"),
}
"""What to say about a name that an `MLP` does not have."""

ASSIGNED = NETWORK | dict.fromkeys(
    ("activation", "output", "init", "dropout", "input_noise", "max_norm", "bias", "seed"),
    "a network keeps what it was made with",
)
"""What to say where such a name is assigned, or an argument of `MLP` that is no attribute."""

TRAINER = {
    "train": "fit(X, y, epochs=...) trains the network",
    "train_on_batch": "partial_fit(X, y) makes one step",
    "compile": "assign the settings, for example trainer.loss = 'huber'",
    **dict.fromkeys(("predict", "predict_classes", "predict_proba"), "trainer.network.predict(X) computes the outputs"),
    "model": "trainer.network is the network",
    "save": "trainer.network.save(path) writes the network, and the callback Checkpoint the state of the training",
    "load": "fastbp.Trainer.resume(directory) continues from a checkpoint",
    **dict.fromkeys(("lr", "learning_rate", "momentum"), "assign an optimizer: trainer.optimizer = fastbp.SGD(...)"),
    "seed": "the seed is used once, when a trainer is made",
    **dict.fromkeys(("step", "zero_grad"), "partial_fit(X, y) makes one step, and apply_gradients one with gradients"),
    **dict.fromkeys(("epochs", "callbacks"), "it is an argument of fit"),
}
"""What to say about a name that a `Trainer` does not have."""


def refuse(of: type, name: str, hints: Mapping[str, str], known: Iterable[str] = ()) -> NoReturn:
    """Raise AttributeError for a name that objects of a class do not have.

    Parameters
    ----------
    of : type
        The class.
    name : str
        The name.
    hints : mapping of str to str
        What to say about some names.
    known : iterable of str, default ()
        Names that exist. The one that is most like a wrong name is shown.
    """
    hint = f": {hints[name]}" if name in hints else checks.meant(name, known)
    raise AttributeError(f"{of.__name__} has no attribute {name!r}{hint}", name=name)


def check_own(of: object, base: type, name: str, hints: Mapping[str, str], known: Iterable[str]) -> None:
    """Raise AttributeError if an attribute is to be set that objects of a class do not have.

    All attributes of classes that are derived from this one are possible.

    Parameters
    ----------
    of : object
        The object.
    base : type
        The class.
    name : str
        The name of the attribute.
    hints : mapping of str to str
        What to say about some names.
    known : iterable of str
        The attributes that exist, besides properties.
    """
    if type(of) is base and not hasattr(base, name) and name not in known:
        refuse(base, name, hints, [*known, *(each for each in dir(base) if not each.startswith("_"))])


class Hinting(type):
    """`Hinting` is the class of `MLP`: it also answers for the class itself, as in ``fastbp.MLP.fit``."""

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(cls, name: str) -> NoReturn:
            refuse(cls, name, NETWORK)
