"""Optimizers: which update rule the kernels apply, and its hyperparameters."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from . import checks
from .kernels.rules import MOMENTUM, NESTEROV, RULES
from .kernels.rules import SGD as PLAIN


@dataclass(frozen=True)
class SGD:
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
        checks.real(self.learning_rate, "learning_rate", 0, open_low=True)
        checks.real(self.momentum, "momentum", 0, 1)
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"nesterov must be True or False, got {self.nesterov!r}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False without momentum, got nesterov=True and momentum=0")

    @property
    def rule(self) -> int:
        """The code of the kernels' rule."""
        return (NESTEROV if self.nesterov else MOMENTUM) if self.momentum else PLAIN

    @property
    def states(self) -> int:
        """Vectors like theta that the rule keeps."""
        return RULES[self.rule][0]

    @property
    def hyper(self) -> tuple[float, ...]:
        """The rule's hyperparameters, by position."""
        return self.learning_rate, self.momentum
