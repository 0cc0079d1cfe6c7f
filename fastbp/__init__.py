"""fastbp: backpropagation for fully connected networks on CPUs."""

from . import activations, datasets, losses, schedules
from .averages import EMA, SWA
from .gradcheck import check_gradients
from .network import MLP
from .optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, Rprop
from .serialization import ModelFileError, load
from .trainer import History, Trainer

__all__ = [
    "EMA",
    "MLP",
    "SGD",
    "SWA",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "History",
    "ModelFileError",
    "RMSprop",
    "Rprop",
    "Trainer",
    "activations",
    "check_gradients",
    "datasets",
    "load",
    "losses",
    "schedules",
]
__version__ = "0.1.0"
