"""Schedules: what the learning rate is multiplied by, as training goes on.

A schedule is a function of where training is, and keeps nothing itself, so that any goes with any optimizer, and one
that is interrupted goes on as if it had not been. `a * b` multiplies two; `Chain` puts one after another.
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
"""name: class."""
