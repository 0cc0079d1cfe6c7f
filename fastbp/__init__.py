"""fastbp trains fully connected neural networks by backpropagation on CPUs.

Make a network with `MLP`, and train it with `Trainer`:

>>> import fastbp as fb
>>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
>>> net = fb.MLP([1, 1], seed=0)
>>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), seed=0)
>>> history = trainer.fit(X, y, epochs=200)
>>> net.predict([[3.0]]).round(1)
array([7.], dtype=float32)
"""

from . import activations, callbacks, datasets, graph, interop, losses, metrics, schedules
from .averages import EMA, SWA
from .callbacks import EarlyStopping
from .files import ModelFileError
from .gradcheck import check_gradients, numerical_gradients
from .history import History
from .loading import load
from .network import MLP
from .optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, Rprop
from .training.checkpoints import Checkpoint
from .training.ensemble import Ensemble
from .training.trainer import Trainer

__all__ = [
    "EMA",
    "LBFGS",
    "MLP",
    "SGD",
    "SWA",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "History",
    "ModelFileError",
    "RMSprop",
    "Rprop",
    "Trainer",
    "activations",
    "callbacks",
    "check_gradients",
    "datasets",
    "graph",
    "interop",
    "load",
    "losses",
    "metrics",
    "numerical_gradients",
    "schedules",
]
__version__ = "0.1.0"
