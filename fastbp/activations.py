"""Activations that take a parameter. All go by their names too, these with the parameter's default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import checks


@dataclass(frozen=True)
class LeakyReLU:
    """sigma(z) = z if z > 0 else slope z; as a name, "leaky_relu".

    Parameters
    ----------
    slope : float
        At least 0.

    Raises
    ------
    ValueError, TypeError
        If the slope is out of its range or no number.

    Notes
    -----
    Source: Maas et al. (2013).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1], output=fb.activations.LeakyReLU(0.1))
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> net.predict([[-2.0], [2.0]]).round(3).tolist()
    [[-0.20000000298023224], [2.0]]
    """

    name: ClassVar[str] = "leaky_relu"
    slope: float = 0.01

    def __post_init__(self):
        checks.real(self.slope, "slope", 0)


@dataclass(frozen=True)
class ELU:
    """sigma(z) = z if z > 0 else alpha (e^z - 1); as a name, "elu".

    Parameters
    ----------
    alpha : float
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If alpha is out of its range or no number.

    Notes
    -----
    Source: Clevert et al. (2016).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.MLP([2, 3, 1], activation=fb.activations.ELU(0.5))
    MLP(2-3-1, activation=ELU(alpha=0.5), output='identity', 13 parameters, float32)
    """

    name: ClassVar[str] = "elu"
    alpha: float = 1.0

    def __post_init__(self):
        checks.real(self.alpha, "alpha", 0, open_low=True)


CLASSES = {kind.name: kind for kind in (LeakyReLU, ELU)}
"""name: class."""
