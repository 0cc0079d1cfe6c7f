"""Callbacks run your own code while `Trainer.fit` trains a network: to watch it, to record it, or to stop it.

This module has the base class `Callback`, the class `State` that every callback receives, and ready-made callbacks:
`EarlyStopping`, `Converged`, `CSVLogger`, `TensorBoard`, `Recorder`, `Progress` and `Lambda`. `fastbp.Checkpoint` is a
callback too.
"""

from typing import TYPE_CHECKING

from ..base import hints
from ..base.user_warnings import warn
from .base import Callback, Lambda, State
from .base import Trains as Trains
from .early_stopping import Converged, EarlyStopping
from .loggers import CSVLogger, TensorBoard
from .progress import Progress
from .recorder import Recorder

__all__ = [
    "CSVLogger", "Callback", "Converged", "EarlyStopping", "Lambda", "Progress", "Recorder", "State", "TensorBoard",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker would believe that every name exists
    _missing, __dir__ = hints.of_module(__name__, __all__)

    def __getattr__(name: str) -> type[Callback]:
        if name != "Settled":
            return _missing(name)
        warn("fastbp.callbacks.Settled has a new name: Converged", FutureWarning)
        return Converged
