"""fastbp: backpropagation for fully connected networks on CPUs."""

from . import datasets
from .network import MLP
from .optimizers import SGD, Adam
from .trainer import History, Trainer

__all__ = ["MLP", "SGD", "Adam", "History", "Trainer", "datasets"]
__version__ = "0.1.0"
