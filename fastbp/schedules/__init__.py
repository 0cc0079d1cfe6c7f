"""Schedules change the learning rate during training: each one computes a factor that multiplies the learning rate.

A schedule keeps no state, so it works with every optimizer, and training that was interrupted can continue exactly.
`a * b` multiplies two schedules. `Chain` runs several schedules one after another.
"""

from .base import UNITS, Chain, Product, Schedule
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
)
from .plateau import ReduceOnPlateau

__all__ = [
    "UNITS",
    "Chain",
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "MultiStep",
    "OneCycle",
    "Polynomial",
    "Product",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "WarmRestarts",
    "Warmup",
]

SCHEDULES = {
    kind.__name__: kind
    for kind in (
        Chain, Constant, Cosine, Exponential, InverseScaling, MultiStep, OneCycle, Polynomial, Product,
        ReduceOnPlateau, Step, WarmRestarts, Warmup,
    )
}  # fmt: skip
"""All schedules that a checkpoint can store. The key is the name of the class, the value is the class."""
