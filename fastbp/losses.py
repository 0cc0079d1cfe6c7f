"""Losses that take a parameter. All go by their names too, these with the parameter's default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import checks


@dataclass(frozen=True)
class CrossEntropy:
    """C = -sum_i y_i ln a_i, with y_i moved towards 1 / n_out; as a name, "cross_entropy".

    Parameters
    ----------
    label_smoothing : float
        In [0, 1): y stands for (1 - label_smoothing) y + label_smoothing / n_out.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or no number.

    Notes
    -----
    Sources: 002 (cross-entropy), Szegedy et al. (2016) (smoothing).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([2, 2], output="softmax", seed=0)
    >>> trainer = fb.Trainer(net, loss=fb.losses.CrossEntropy(label_smoothing=0.1))
    """

    name: ClassVar[str] = "cross_entropy"
    label_smoothing: float = 0.0

    def __post_init__(self):
        checks.real(self.label_smoothing, "label_smoothing", 0, 1)


@dataclass(frozen=True)
class Huber:
    """C = sum_i r_i^2 / 2 where |r_i| = |a_i - y_i| <= delta, and delta (|r_i| - delta / 2) beyond; as a name, "huber".

    Parameters
    ----------
    delta : float
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If delta is out of its range or no number.

    Notes
    -----
    Source: Huber (1964).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[1.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Huber(1.0)).evaluate([[0.5], [3.0]], [0.0, 0.0])
    {'loss': 1.3125}
    """

    name: ClassVar[str] = "huber"
    delta: float = 1.0

    def __post_init__(self):
        checks.real(self.delta, "delta", 0, open_low=True)


@dataclass(frozen=True)
class Quantile:
    """C = sum_i q (y_i - a_i) where y_i > a_i, else (1 - q) (a_i - y_i): the output learns the q-quantile of y; as a
    name, "quantile".

    Parameters
    ----------
    q : float
        In (0, 1); 1/2 is half the absolute error.

    Raises
    ------
    ValueError, TypeError
        If q is out of its range or no number.

    Notes
    -----
    Source: Koenker and Bassett (1978).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1])
    >>> net.set_weights([[[0.0]]], [[0.0]])
    >>> fb.Trainer(net, loss=fb.losses.Quantile(0.75)).evaluate([[0.0], [0.0]], [1.0, -1.0])
    {'loss': 0.5}
    """

    name: ClassVar[str] = "quantile"
    q: float = 0.5

    def __post_init__(self):
        checks.real(self.q, "q", 0, 1, open_low=True)


CLASSES = {kind.name: kind for kind in (CrossEntropy, Huber, Quantile)}
"""name: class."""
