"""Schedules change the learning rate during training: each one computes a factor that multiplies the learning rate.

A schedule keeps no state, so it works with every optimizer, and training that was interrupted can continue exactly.
`a * b` multiplies two schedules. `Chain` runs several schedules one after another.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    from .plateau import ReduceOnPlateau

__all__ = [
    "Chain", "Constant", "Cosine", "Exponential", "InverseScaling", "MultiStep", "OneCycle", "Polynomial", "Product",
    "ReduceOnPlateau", "Schedule", "Step", "WarmRestarts", "Warmup",
]  # fmt: skip


if not TYPE_CHECKING:  # a checker would believe that every name exists

    def __getattr__(name: str) -> Any:
        """Import a schedule when a program first uses it: all of them take a tenth of the time to import fastbp."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(".plateau" if name == "ReduceOnPlateau" else ".curves", __name__), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return __all__


def by_name() -> dict[str, type[Schedule]]:
    """Return all schedules that a checkpoint can store, by the names of their classes."""
    module = import_module(__name__)
    return {name: getattr(module, name) for name in __all__ if name != "Schedule"}
