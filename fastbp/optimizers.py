"""Optimizers: which update rule the kernels apply, and its hyperparameters at each step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass

import numpy as np

from . import checks
from .kernels import rules


class Optimizer(ABC):
    """What all optimizers are: a learning rate, a rule of the kernels, and its hyperparameters at each step."""

    learning_rate: float

    def __post_init__(self):
        checks.real(self.learning_rate, "learning_rate", 0, open_low=True)

    @property
    @abstractmethod
    def rule(self) -> int:
        """The code of the kernels' rule."""

    @property
    def states(self) -> int:
        """Vectors like theta that the rule keeps."""
        return rules.RULES[self.rule][0]

    @abstractmethod
    def hyper(self, t: np.ndarray) -> tuple:
        """The rule's hyperparameters at the steps t = 1, 2, ..., by position: a number, or one for each step."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: theta <- theta - eta v, with v <- mu v + g.

    Parameters
    ----------
    learning_rate : float
        eta, above 0.
    momentum : float, keyword-only
        mu, in [0, 1). At 0 the rule is theta <- theta - eta g, and keeps no state.
    nesterov : bool, keyword-only
        theta <- theta - eta (g + mu v) instead; needs momentum.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Sources: 000, 001 and 003 (gradient descent); Polyak (1964) and Sutskever et al. (2013) (momentum).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False)
    """

    learning_rate: float = 0.01
    _: KW_ONLY
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.momentum, "momentum", 0, 1)
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"nesterov must be True or False, got {self.nesterov!r}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False without momentum, got nesterov=True and momentum=0")

    @property
    def rule(self) -> int:
        if not self.momentum:
            return rules.SGD
        return rules.NESTEROV if self.nesterov else rules.MOMENTUM

    def hyper(self, t: np.ndarray) -> tuple:
        return self.learning_rate, self.momentum


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: theta <- theta - eta m' / (sqrt(v') + epsilon), where m and v are running means of g and g^2.

    m <- beta_1 m + (1 - beta_1) g and v <- beta_2 v + (1 - beta_2) g^2 start at 0, which m' = m / (1 - beta_1^t) and
    v' = v / (1 - beta_2^t) at step t make up for.

    Parameters
    ----------
    learning_rate : float
        eta, above 0.
    betas : pair of float, keyword-only
        beta_1 and beta_2, in [0, 1).
    epsilon : float, keyword-only
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Kingma and Ba (2015).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adam(0.01)
    Adam(learning_rate=0.01, betas=(0.9, 0.999), epsilon=1e-08)
    """

    learning_rate: float = 0.001
    _: KW_ONLY
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise TypeError(f"betas must be a pair of numbers, got {self.betas!r}")
        object.__setattr__(self, "betas", tuple(checks.real(b, f"betas[{i}]", 0, 1) for i, b in enumerate(self.betas)))
        checks.real(self.epsilon, "epsilon", 0, open_low=True)

    @property
    def rule(self) -> int:
        return rules.ADAM

    def hyper(self, t: np.ndarray) -> tuple:
        beta_1, beta_2 = self.betas
        return self.learning_rate / (1 - beta_1**t), beta_1, beta_2, self.epsilon, 1 / np.sqrt(1 - beta_2**t)
