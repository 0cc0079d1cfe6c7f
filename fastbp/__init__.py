"""fastbp: backpropagation for fully connected networks on CPUs."""

from . import activations, callbacks, datasets, interop, losses, metrics, schedules
from .averages import EMA, SWA
from .callbacks import EarlyStopping
from .files import ModelFileError
from .gradcheck import check_gradients
from .history import History
from .network import MLP, load
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
    "interop",
    "load",
    "losses",
    "metrics",
    "schedules",
]
__version__ = "0.1.0"
