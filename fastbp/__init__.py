"""fastbp: backpropagation for fully connected networks on CPUs."""

from . import activations, datasets, losses, schedules
from .network import MLP
from .optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, Rprop
from .trainer import History, Trainer

__all__ = [
    "MLP",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "History",
    "RMSprop",
    "Rprop",
    "Trainer",
    "activations",
    "datasets",
    "losses",
    "schedules",
]
__version__ = "0.1.0"
