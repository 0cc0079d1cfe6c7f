"""Optimizers: the rule that updates the parameters, its state, and its hyperparameters at each step; one class a rule.

The rules are plain functions of vectors (`fastbp.kernels.simd`): the engine compiles them when a trainer first uses
them. A hyperparameter has one name, which `hyper` gives a value and `update` reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from . import checks
from .kernels.simd.formulas import digest
from .kernels.simd.vector import fma, maximum, minimum, sqrt, where


class Optimizer(ABC):
    """The base class of all optimizers.

    Attributes
    ----------
    hyperparameters : tuple of str
        The names of the hyperparameters of the rule.
    of_weights : tuple of str
        The names of those that are 0 for biases.
    states : tuple of str
        The names of the vectors of state, each like theta, that the rule keeps.
    searches : bool
        Whether a step is a search along a line, over all samples, instead of one application of `update`.
    """

    learning_rate: float
    hyperparameters: ClassVar[tuple[str, ...]]
    of_weights: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[tuple[str, ...]] | property = ()
    searches: ClassVar[bool] = False

    def __post_init__(self):
        checks.real(self.learning_rate, "learning_rate", 0, open_low=True)

    @property
    def state_count(self) -> int:
        """The number of vectors of state."""
        return len(self.states)

    @property
    def initial(self) -> tuple[float, ...]:
        """What the numbers of the first vectors of state are before the first step; of the others, 0."""
        return ()

    @property
    def variant(self) -> tuple:
        """What a vector of state belongs to: another optimizer of the same variant can go on with it."""
        return type(self), self.states, self.state_count

    @abstractmethod
    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        """The hyperparameters by name, each a number or one for each of the steps t = 1, 2, ...

        `eta` is the learning rate there, which a schedule may have changed.
        """

    @abstractmethod
    def update(self, g: Any, theta: Any, *rest: Any) -> tuple:
        """(theta, *states) after a step with the gradient g, of vectors; `rest` are the states and then h, whose
        attributes are the hyperparameters."""

    def digest(self, dtype: Any) -> str:
        """What tells the rule from others."""
        return digest(dtype, (self.update, 2 + len(self.states), self.hyperparameters))


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
        checks.flag(self.nesterov, "nesterov")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False without momentum, got nesterov=True and momentum=0")

    hyperparameters = ("eta", "mu")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    @property
    def variant(self) -> tuple:
        return *super().variant, self.nesterov

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "mu": self.momentum}

    def update(self, g, theta, *rest):
        *state, h = rest
        if not state:
            return (fma(-h.eta, g, theta),)
        v = fma(h.mu, state[0], g)
        return fma(-h.eta, fma(h.mu, v, g) if self.nesterov else v, theta), v


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
        betas = checks.pair(self.betas, "betas")
        object.__setattr__(self, "betas", tuple(checks.real(b, f"betas[{i}]", 0, 1) for i, b in enumerate(betas)))
        checks.real(self.epsilon, "epsilon", 0, open_low=True)

    hyperparameters, states = ("eta", "beta_1", "beta_2", "epsilon", "c"), ("m", "v")

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        beta_1, beta_2 = self.betas
        named = {"eta": eta / (1 - beta_1**t), "beta_1": beta_1, "beta_2": beta_2, "epsilon": self.epsilon}
        return {**named, "c": 1 / np.sqrt(1 - beta_2**t)}

    def update(self, g, theta, m, v, h):
        # eta is the learning rate / (1 - beta_1^t) here, and c is 1 / sqrt(1 - beta_2^t).
        m = fma(1.0 - h.beta_1, g - m, m)
        v = fma(h.beta_2, v, (1.0 - h.beta_2) * g * g)
        return fma(-h.eta, m / fma(sqrt(v), h.c, h.epsilon), theta), m, v


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: before each step of `Adam`, W <- W - eta lambda W. Biases do not decay.

    Parameters
    ----------
    learning_rate, betas, epsilon : as for `Adam`.
    weight_decay : float, keyword-only
        lambda, at least 0.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Loshchilov and Hutter (2019).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.AdamW(weight_decay=0.1)
    AdamW(learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-08, weight_decay=0.1)
    """

    weight_decay: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.weight_decay, "weight_decay", 0)

    hyperparameters = (*Adam.hyperparameters, "decay")
    of_weights = ("decay",)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {**super().hyper(t, eta), "decay": eta * self.weight_decay}

    def update(self, g, theta, m, v, h):
        return super().update(g, fma(-h.decay, theta, theta), m, v, h)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: theta <- theta - eta g / (sqrt(v) + epsilon), where v is a running mean of g^2.

    Parameters
    ----------
    learning_rate : float
        eta, above 0.
    alpha : float, keyword-only
        What v keeps of itself, in [0, 1).
    epsilon : float, keyword-only
        Above 0.
    momentum : float, keyword-only
        mu, in [0, 1): theta <- theta - eta u, where u <- mu u + g / (sqrt(v) + epsilon).
    centered : bool, keyword-only
        Subtract the square of a running mean of g from v.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Sources: Tieleman and Hinton (2012), Graves (2013) (centered).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.RMSprop(0.001)
    RMSprop(learning_rate=0.001, alpha=0.99, epsilon=1e-08, momentum=0.0, centered=False)
    """

    learning_rate: float = 0.01
    _: KW_ONLY
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.alpha, "alpha", 0, 1)
        checks.real(self.epsilon, "epsilon", 0, open_low=True)
        checks.real(self.momentum, "momentum", 0, 1)
        checks.flag(self.centered, "centered")

    hyperparameters = ("eta", "alpha", "epsilon", "mu")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v", *("m",) * self.centered, *("u",) * bool(self.momentum))

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "alpha": self.alpha, "epsilon": self.epsilon, "mu": self.momentum}

    def update(self, g, theta, v, *rest):
        *state, h = rest
        v = fma(h.alpha, v, (1.0 - h.alpha) * g * g)
        new, square = [v], v
        if self.centered:
            m = fma(h.alpha, state[0], (1.0 - h.alpha) * g)
            new, square = [v, m], maximum(fma(-m, m, v), 0.0)
        step = g / (sqrt(square) + h.epsilon)
        if self.momentum:
            step = fma(h.mu, state[-1], step)
            new = [*new, step]
        return fma(-h.eta, step, theta), *new


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad: theta <- theta - eta_t g / (sqrt(v) + epsilon), where v is the sum of all g^2 so far.

    Parameters
    ----------
    learning_rate : float
        eta, above 0.
    lr_decay : float, keyword-only
        eta_t = eta / (1 + (t - 1) lr_decay) at step t = 1, 2, ...; at least 0.
    epsilon : float, keyword-only
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Duchi et al. (2011).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adagrad()
    Adagrad(learning_rate=0.01, lr_decay=0.0, epsilon=1e-10)
    """

    learning_rate: float = 0.01
    _: KW_ONLY
    lr_decay: float = 0.0
    epsilon: float = 1e-10

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.lr_decay, "lr_decay", 0)
        checks.real(self.epsilon, "epsilon", 0, open_low=True)

    hyperparameters, states = ("eta", "epsilon"), ("v",)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta / (1 + (t - 1) * self.lr_decay), "epsilon": self.epsilon}

    def update(self, g, theta, v, h):
        v = fma(g, g, v)
        return fma(-h.eta, g / (sqrt(v) + h.epsilon), theta), v


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta: theta <- theta - eta d, d = g sqrt(u + epsilon) / sqrt(v + epsilon), where u and v are running means of
    d^2 and g^2.

    Parameters
    ----------
    learning_rate : float
        eta, above 0.
    rho : float, keyword-only
        What u and v keep of themselves, in [0, 1).
    epsilon : float, keyword-only
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Zeiler (2012).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adadelta()
    Adadelta(learning_rate=1.0, rho=0.9, epsilon=1e-06)
    """

    learning_rate: float = 1.0
    _: KW_ONLY
    rho: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.rho, "rho", 0, 1)
        checks.real(self.epsilon, "epsilon", 0, open_low=True)

    hyperparameters, states = ("eta", "rho", "epsilon"), ("v", "u")

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "rho": self.rho, "epsilon": self.epsilon}

    def update(self, g, theta, v, u, h):
        v = fma(h.rho, v, (1.0 - h.rho) * g * g)
        d = sqrt(u + h.epsilon) / sqrt(v + h.epsilon) * g
        return fma(-h.eta, d, theta), v, fma(h.rho, u, (1.0 - h.rho) * d * d)


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS: theta <- theta + alpha d, along the quasi-Newton direction d that the last steps and gradients give.

    A step sees all samples, whatever the batch size; an epoch is a step. A line search finds alpha (strong Wolfe
    conditions), and schedules multiply what it tries first. Needs scipy (`pip install fastbp[lbfgs]`) and samples in
    arrays. With dropout or noise the masks of a step are fixed. It is made for what is smooth: with L1 it comes near
    the least, but makes no weight exactly 0.

    Parameters
    ----------
    learning_rate : float
        What the first step length tried is, above 0.
    memory : int, keyword-only
        Steps that are remembered, at least 1.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Sources: Liu and Nocedal (1989), Nocedal and Wright (2006).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.LBFGS()
    LBFGS(learning_rate=1.0, memory=10)
    """

    learning_rate: float = 1.0
    _: KW_ONLY
    memory: int = 10

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.memory, "memory", 1)

    hyperparameters, searches = (), True

    @property
    def state_count(self) -> int:
        return 2 * self.memory  # the differences of parameters, then those of gradients

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {}

    def update(self, g, theta, *rest):
        raise TypeError("LBFGS has no rule for single numbers: its step is a line search, see fastbp.training.lbfgs")


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Rprop: a rate for each weight, that grows while its gradient keeps its sign and shrinks when it turns.

    theta <- theta - s sign(g), with s <- s eta_+ where g has the sign that it had, and s eta_- where it has the other.
    Signs mean something only without noise: give it the full batch (`Trainer(batch_size=n)`).

    Parameters
    ----------
    learning_rate : float
        What each s starts from, above 0. Schedules do not change it.
    etas : pair of float, keyword-only
        eta_- in (0, 1) and eta_+ above 1.
    step_sizes : pair of float, keyword-only
        The bounds of s.
    forgiving : bool, keyword-only
        iRprop-: a weight whose gradient turned stays where it is for a step. This is what PyTorch calls Rprop. Else
        Rprop-: it is moved in any case.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Sources: 001 (a rate for each connection), Riedmiller and Braun (1993), Igel and Huesken (2000) (iRprop-).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Rprop()
    Rprop(learning_rate=0.01, etas=(0.5, 1.2), step_sizes=(1e-06, 50), forgiving=True)
    """

    learning_rate: float = 0.01
    _: KW_ONLY
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50)
    forgiving: bool = True

    def __post_init__(self):
        super().__post_init__()
        for name in ("etas", "step_sizes"):
            object.__setattr__(self, name, checks.pair(getattr(self, name), name))
        checks.real(self.etas[0], "etas[0]", 0, 1, open_low=True)
        checks.real(self.etas[1], "etas[1]", 1, open_low=True)
        checks.real(self.step_sizes[0], "step_sizes[0]", 0)
        checks.real(self.step_sizes[1], "step_sizes[1]", self.step_sizes[0])
        checks.flag(self.forgiving, "forgiving")

    hyperparameters, states = ("less", "more", "low", "high"), ("before", "s")

    @property
    def variant(self) -> tuple:
        return *super().variant, self.forgiving

    @property
    def initial(self) -> tuple[float, ...]:
        return 0.0, self.learning_rate

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        (less, more), (low, high) = self.etas, self.step_sizes
        return {"less": less, "more": more, "low": low, "high": high}

    def update(self, g, theta, before, s, h):
        turn = g * before
        factor = where(turn > 0.0, h.more, where(turn < 0.0, h.less, s.of(1.0)))
        s = minimum(maximum(s * factor, h.low), h.high)
        if self.forgiving:
            g = where(turn < 0.0, 0.0, g)
        return theta - where(g > 0.0, s, where(g < 0.0, -s, g)), g, s


OPTIMIZERS = {kind.__name__: kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, LBFGS, Rprop)}
"""name: class."""
