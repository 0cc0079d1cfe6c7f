"""Schedules change the learning rate during training: each one computes a factor that multiplies the learning rate.

Source: 001 (a learning rate that adapts).

A schedule keeps no state, so it works with every optimizer, and training that was interrupted can continue exactly.
`a * b` multiplies two schedules. `Chain` runs several schedules one after another.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..base import hints
from .base import Chain, Product, Schedule

if TYPE_CHECKING:
    from .curves import (
        Constant,
        Cosine,
        Exponential,
        InverseScaling,
        MultiStep,
        OneCycle,
        Polynomial,
        Step,
        WarmRestarts,
        Warmup,
    )  # fmt: skip
    from .plateau import BoldDriver, ReduceOnPlateau

__all__ = [
    "BoldDriver", "Chain", "Constant", "Cosine", "Exponential", "InverseScaling", "MultiStep", "OneCycle", "Polynomial",
    "Product", "ReduceOnPlateau", "Schedule", "Step", "WarmRestarts", "Warmup",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker would believe that every name exists
    # A schedule is imported when a program first uses it: all of them take a tenth of the time to import fastbp.
    _LATER = dict.fromkeys(__all__, "curves") | dict.fromkeys(("BoldDriver", "ReduceOnPlateau"), "plateau")
    __getattr__, __dir__ = hints.of_module(__name__, __all__, _LATER)


def by_name() -> dict[str, type[Schedule]]:
    """Return all schedules that a checkpoint can store, by the names of their classes."""
    module = sys.modules[__name__]
    return {name: getattr(module, name) for name in __all__ if name != "Schedule"}
