"""fastbp trains fully connected neural networks by backpropagation on CPUs.

Make a network with `MLP`, and train it with `Trainer`:

>>> import fastbp as fb
>>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
>>> net = fb.MLP([1, 1], seed=0)
>>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), seed=0)
>>> history = trainer.fit(X, y, epochs=200)
>>> net.predict([[3.0]]).round(1)
array([7.], dtype=float32)

The modules `activations`, `losses`, `metrics`, `callbacks` and `schedules` have all that these two take, and say so in
their docstrings. `Ensemble` trains several networks. `Perceptron`, `Adaline` and `LogisticUnit` are learners with a
single layer, and `separable` says whether such a layer is enough. `graph` is for learning backpropagation and for
formulas of your own, `datasets` reads MNIST, and `interop` exchanges networks with PyTorch and scikit-learn.
`fastbp.sklearn` has estimators. `RBM` learns the distribution of inputs, and `pretrain` trains a network layer by
layer with it. ``python -m fastbp`` shows what fastbp has found on this machine.
"""

from typing import TYPE_CHECKING

from .base import garbage as _garbage

with _garbage.kept():
    from . import activations, callbacks, losses, metrics
    from .base import hints
    from .base.history import History
    from .base.model_files import ModelFileError
    from .callbacks import EarlyStopping
    from .network.load import load
    from .network.mlp import MLP
    from .rules.averages import EMA, SWA
    from .rules.optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, Rprop
    from .training.checkpoints import Checkpoint
    from .training.trainer import Trainer

if TYPE_CHECKING:
    from . import datasets, graph, interop, schedules
    from . import sklearn as sklearn
    from .data.separable import separable
    from .generative.pretrain import pretrain
    from .generative.rbm import RBM
    from .network.autoencoder import autoencoder
    from .network.gradient_check import check_gradients, numerical_gradients
    from .training.ensemble import Ensemble
    from .training.units import Adaline, LogisticUnit, Perceptron

__all__ = [
    "EMA",
    "LBFGS",
    "MLP",
    "RBM",
    "SGD",
    "SWA",
    "Adadelta",
    "Adagrad",
    "Adaline",
    "Adam",
    "AdamW",
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "History",
    "LogisticUnit",
    "ModelFileError",
    "Perceptron",
    "RMSprop",
    "Rprop",
    "Trainer",
    "activations",
    "autoencoder",
    "callbacks",
    "check_gradients",
    "datasets",
    "graph",
    "interop",
    "load",
    "losses",
    "metrics",
    "numerical_gradients",
    "pretrain",
    "schedules",
    "separable",
]
__version__ = "0.1.0"

_LATER = {
    "check_gradients": "network.gradient_check",
    "numerical_gradients": "network.gradient_check",
    "Ensemble": "training.ensemble",
    "RBM": "generative.rbm",
    "pretrain": "generative.pretrain",
    "separable": "data.separable",
    "autoencoder": "network.autoencoder",
}
_LATER |= dict.fromkeys(("Adaline", "LogisticUnit", "Perceptron"), "training.units")
_LATER |= {name: name for name in ("datasets", "graph", "interop", "schedules", "sklearn")}
"""The modules that are imported when a program first uses one of these names. They take a fifth of the time."""

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, [*__all__, "__version__"], _LATER)
