"""This module holds the optimizers: the rules that update the parameters after each minibatch. Each rule is a class.

The formula of a rule, `update`, is a plain Python function of vectors (`fastbp.kernels.simd`). The engine compiles it
when a trainer first uses it. The names of the hyperparameters connect the two methods of a rule: `hyper` computes a
value for each name, and `update` reads the value as an attribute of h.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from ..base import checks
from ..base.value_objects import Value
from ..kernels.simd.formulas import digest
from ..kernels.simd.vector import fma, maximum, minimum, sqrt, where


class Optimizer(Value, ABC):
    """`Optimizer` is the base class of all optimizers.

    A rule replaces the parameters theta by new ones, from the gradient g of the mean loss of a minibatch and from its
    own state. The formulas in the classes below hold for each weight and each bias by itself. In them, eta is the
    learning rate, t = 1, 2, ... is the number of the step, and an arrow x <- y means that x gets the value y. State
    starts at 0 unless a class says something else.

    To write your own rule, derive a frozen dataclass from this class, set `hyperparameters` and `states`, and define
    `hyper` and `update`.

    Attributes
    ----------
    learning_rate : float
        The learning rate eta, above 0. `Trainer` multiplies it by the factor of a schedule.
    hyperparameters : tuple of str
        The names of the hyperparameters that `update` uses.
    decays : tuple of str
        The names of those hyperparameters that are 0 for biases.
    states : tuple of str
        The names of the vectors of state. Each has one number for each parameter.
    searches : bool
        True if a step is a line search over all samples, as for `LBFGS`, and not one call of `update`.
    """

    learning_rate: float
    hyperparameters: ClassVar[tuple[str, ...]]
    decays: ClassVar[tuple[str, ...]] = ()
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
        """The first values of the first vectors of state, one number for each vector. All other vectors start at 0."""
        return ()

    @property
    def still(self) -> bool:
        """Whether a parameter stays as it is if its gradient is 0."""
        return False

    @property
    def variant(self) -> tuple:
        """The kind of state. An optimizer can continue with the state of another only if both variants are equal."""
        return type(self), self.states, self.state_count

    @abstractmethod
    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        """Return the values of the hyperparameters at some steps.

        Parameters
        ----------
        t : int array of shape (n,)
            The numbers of the steps. The first step of the training is 1.
        eta : float array of shape (n,)
            The learning rate at each of these steps, already multiplied by the factor of the schedule.

        Returns
        -------
        dict of str to float or array of shape (n,)
            For each name in `hyperparameters`, one number, or one number for each step.
        """

    @abstractmethod
    def update(self, g: Any, theta: Any, *rest: Any) -> tuple:
        """Compute the new parameters and the new state from the gradient of a step.

        All arguments and results are vectors (`fastbp.kernels.simd.vector.Vector`), and the formula holds for each
        number in them.

        Parameters
        ----------
        g : vector
            The gradient.
        theta : vector
            The parameters.
        *rest
            The vectors of state, in the order of `states`, and then h, whose attributes are the hyperparameters.

        Returns
        -------
        tuple of vectors
            The new parameters, and then the new state in the order of `states`.
        """

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for rules with different formulas. It is part of the name of a kernel."""
        return digest(dtype, (self.update, 2 + len(self.states), self.hyperparameters))


@dataclass(frozen=True, repr=False, eq=False)
class SGD(Optimizer):
    """`SGD` is stochastic gradient descent, with or without momentum: theta <- theta - eta v, where v <- mu v + g.

    Without momentum (mu = 0), the rule is theta <- theta - eta g and needs no state. With Nesterov momentum, it is
    theta <- theta - eta (g + mu v).

    Parameters
    ----------
    learning_rate : float, default 0.01
        The learning rate eta. It must be above 0. PyTorch has another default, 0.001.
    momentum : float, keyword-only, default 0.0
        The share mu of the velocity v that each step keeps. It must be at least 0 and below 1.
    nesterov : bool, keyword-only, default False
        Whether to use Nesterov momentum. It needs a momentum above 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or if `nesterov` is True without momentum.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Sources: 000, 001 and 003 (gradient descent), Polyak (1964) (momentum), Sutskever et al. (2013) (Nesterov momentum).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9)
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
    def still(self) -> bool:
        return type(self) is SGD and not self.momentum

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


@dataclass(frozen=True, repr=False, eq=False)
class Adam(Optimizer):
    """`Adam` divides a running mean of the gradient by the root of a running mean of its square.

    The rule is theta <- theta - eta m' / (sqrt(v') + epsilon), where m <- beta_1 m + (1 - beta_1) g and v <- beta_2 v +
    (1 - beta_2) g^2. Because m and v start at 0, they are too small in the first steps. m' = m / (1 - beta_1^t) and v'
    = v / (1 - beta_2^t) correct this.

    Parameters
    ----------
    learning_rate : float, default 0.001
        The learning rate eta. It must be above 0.
    betas : pair of float, keyword-only, default (0.9, 0.999)
        The shares beta_1 and beta_2 of m and v that each step keeps. They must be at least 0 and below 1.
    epsilon : float, keyword-only, default 1e-8
        A small number that prevents a division by 0. It must be above 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Kingma and Ba (2015).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adam(0.01)
    Adam(learning_rate=0.01)
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

    # The shares 1 - beta of the new gradient have a name of their own: in float32, 1 - beta_2 would be 0 for a beta_2
    # above 1 - 3e-8, and 19 % too large for 1 - 1e-7.
    hyperparameters, states = ("eta", "new_1", "beta_2", "new_2", "epsilon", "c"), ("m", "v")

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        beta_1, beta_2 = self.betas
        named = {"new_1": 1 - beta_1, "beta_2": beta_2, "new_2": 1 - beta_2, "epsilon": self.epsilon}
        return {**named, "eta": eta / (1 - beta_1**t), "c": 1 / np.sqrt(1 - beta_2**t)}

    def update(self, g, theta, m, v, h):
        # The corrections of m and v are in the hyperparameters: h.eta is the learning rate divided by 1 - beta_1^t, and
        # h.c is 1 / sqrt(1 - beta_2^t).
        m = fma(h.new_1, g - m, m)
        v = fma(h.beta_2, v, h.new_2 * g * g)
        return fma(-h.eta, m / fma(sqrt(v), h.c, h.epsilon), theta), m, v


@dataclass(frozen=True, repr=False, eq=False)
class AdamW(Adam):
    """`AdamW` is `Adam` with decoupled weight decay: before each step of `Adam`, W <- W - eta lambda W.

    The biases do not decay.

    Parameters
    ----------
    learning_rate : float, default 0.001
        The learning rate eta. It must be above 0.
    betas : pair of float, keyword-only, default (0.9, 0.999)
        The shares of the two running means that each step keeps, as for `Adam`.
    epsilon : float, keyword-only, default 1e-8
        A small number that prevents a division by 0. It must be above 0.
    weight_decay : float, keyword-only, default 0.01
        The strength lambda of the weight decay. It must be at least 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Loshchilov and Hutter (2019).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.AdamW(weight_decay=0.1)
    AdamW(weight_decay=0.1)
    """

    weight_decay: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.weight_decay, "weight_decay", 0)

    hyperparameters = (*Adam.hyperparameters, "decay")
    decays = ("decay",)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {**super().hyper(t, eta), "decay": eta * self.weight_decay}

    def update(self, g, theta, m, v, h):
        return super().update(g, fma(-h.decay, theta, theta), m, v, h)


@dataclass(frozen=True, repr=False, eq=False)
class RMSprop(Optimizer):
    """`RMSprop` divides the gradient by the root of a running mean of its square.

    The rule is theta <- theta - eta g / (sqrt(v) + epsilon), where v <- alpha v + (1 - alpha) g^2. With momentum, it is
    theta <- theta - eta u, where u <- mu u + g / (sqrt(v) + epsilon). With `centered`, v is replaced by v - m^2 in the
    root, where m <- alpha m + (1 - alpha) g.

    Parameters
    ----------
    learning_rate : float, default 0.01
        The learning rate eta. It must be above 0.
    alpha : float, keyword-only, default 0.99
        The share of v that each step keeps. It must be at least 0 and below 1.
    epsilon : float, keyword-only, default 1e-8
        A small number that prevents a division by 0. It must be above 0.
    momentum : float, keyword-only, default 0.0
        The share mu of u that each step keeps. It must be at least 0 and below 1.
    centered : bool, keyword-only, default False
        Whether to divide by an estimate of the standard deviation of the gradient.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Sources: Tieleman and Hinton (2012), Graves (2013) (centered).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.RMSprop(0.001)
    RMSprop(learning_rate=0.001)
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

    hyperparameters = ("eta", "alpha", "new", "epsilon", "mu")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v", *("m",) * self.centered, *("u",) * bool(self.momentum))

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "alpha": self.alpha, "new": 1 - self.alpha, "epsilon": self.epsilon, "mu": self.momentum}

    def update(self, g, theta, v, *rest):
        *state, h = rest
        v = fma(h.alpha, v, h.new * g * g)
        new, square = [v], v
        if self.centered:
            m = fma(h.alpha, state[0], h.new * g)
            new, square = [v, m], maximum(fma(-m, m, v), 0.0)
        step = g / (sqrt(square) + h.epsilon)
        if self.momentum:
            step = fma(h.mu, state[-1], step)
            new = [*new, step]
        return fma(-h.eta, step, theta), *new


@dataclass(frozen=True, repr=False, eq=False)
class Adagrad(Optimizer):
    """`Adagrad` divides the gradient by the root of the sum of all its squares so far.

    The rule is theta <- theta - eta_t g / (sqrt(v) + epsilon), where v <- v + g^2 and eta_t = eta / (1 + (t - 1)
    lr_decay).

    Parameters
    ----------
    learning_rate : float, default 0.01
        The learning rate eta. It must be above 0.
    lr_decay : float, keyword-only, default 0.0
        The speed with which the learning rate falls. It must be at least 0; with 0, the learning rate stays the same.
    epsilon : float, keyword-only, default 1e-10
        A small number that prevents a division by 0. It must be above 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Duchi et al. (2011).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adagrad(lr_decay=0.01)
    Adagrad(lr_decay=0.01)
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

    @property
    def still(self) -> bool:
        return type(self) is Adagrad

    def update(self, g, theta, v, h):
        v = fma(g, g, v)
        return fma(-h.eta, g / (sqrt(v) + h.epsilon), theta), v


@dataclass(frozen=True, repr=False, eq=False)
class Adadelta(Optimizer):
    """`Adadelta` scales the gradient by the ratio of two running means, so that the learning rate has no unit.

    The rule is theta <- theta - eta d, where v <- rho v + (1 - rho) g^2, then d = g sqrt(u + epsilon) / sqrt(v +
    epsilon), and then u <- rho u + (1 - rho) d^2.

    Parameters
    ----------
    learning_rate : float, default 1.0
        The learning rate eta. It must be above 0.
    rho : float, keyword-only, default 0.9
        The share of u and v that each step keeps. It must be at least 0 and below 1.
    epsilon : float, keyword-only, default 1e-6
        A small number that starts the growth of u and prevents a division by 0. It must be above 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Zeiler (2012).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adadelta(rho=0.95)
    Adadelta(rho=0.95)
    """

    learning_rate: float = 1.0
    _: KW_ONLY
    rho: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.rho, "rho", 0, 1)
        checks.real(self.epsilon, "epsilon", 0, open_low=True)

    hyperparameters, states = ("eta", "rho", "new", "epsilon"), ("v", "u")

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "rho": self.rho, "new": 1 - self.rho, "epsilon": self.epsilon}

    def update(self, g, theta, v, u, h):
        v = fma(h.rho, v, h.new * g * g)
        d = sqrt(u + h.epsilon) / sqrt(v + h.epsilon) * g
        return fma(-h.eta, d, theta), v, fma(h.rho, u, h.new * d * d)


@dataclass(frozen=True, repr=False, eq=False)
class LBFGS(Optimizer):
    """`LBFGS` is the quasi-Newton method L-BFGS: theta <- theta + alpha d, with a line search for alpha.

    The direction d comes from the gradient and from the changes of the parameters and of the gradient in the last
    steps. The line search finds a step length alpha that meets the strong Wolfe conditions. Each step uses all samples,
    whatever the batch size, and each epoch is one step.

    Parameters
    ----------
    learning_rate : float, default 1.0
        The factor of the first step length that the line search tries. It must be above 0. A schedule multiplies it.
    memory : int, keyword-only, default 10
        The number of last steps that determine the direction. It must be at least 1.

    Raises
    ------
    ValueError
        If a parameter is outside its range. In `Trainer.fit`, if the samples come in blocks and not in arrays.
    TypeError
        If a parameter has the wrong type.
    ImportError
        In `Trainer.fit`, if scipy is not installed: ``pip install "fastbp[lbfgs]"``.

    Notes
    -----
    During a step, dropout and input noise stay the same. The method is made for smooth functions. With `l1` of
    `Trainer`, weights come close to 0, but do not become exactly 0.

    Sources: Liu and Nocedal (1989), Nocedal and Wright (2006).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.LBFGS(memory=20)
    LBFGS(memory=20)
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
        return 2 * self.memory  # first the changes of the parameters, and then those of the gradient

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {}

    def update(self, g, theta, *rest):
        raise TypeError("LBFGS has no rule for single numbers: its step is a line search, see fastbp.training.lbfgs")


@dataclass(frozen=True, repr=False, eq=False)
class Rprop(Optimizer):
    """`Rprop` gives each parameter a step size s of its own, and uses only the sign of the gradient.

    The rule is theta <- theta - s sign(g). Before, s is multiplied by eta_+ if g has the same sign as in the last step,
    and by eta_- if it has the opposite sign. Signs are reliable only if the gradient has no noise: use the full batch,
    ``Trainer(..., batch_size=n)`` with n the number of samples.

    Parameters
    ----------
    learning_rate : float, default 0.01
        The first value of each s. It must be above 0. A schedule does not change it.
    etas : pair of float, keyword-only, default (0.5, 1.2)
        The factors eta_-, above 0 and below 1, and eta_+, above 1.
    step_sizes : pair of float, keyword-only, default (1e-6, 50)
        The smallest and the largest value of s. The smallest must be at least 0.
    forgiving : bool, keyword-only, default True
        With True, a parameter whose gradient has changed its sign stays where it is for one step (the variant iRprop-,
        which PyTorch calls Rprop). With False, it moves in every step (the variant Rprop-).

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Sources: 001 (a learning rate for each connection), Riedmiller and Braun (1993), Igel and Huesken (2000) (iRprop-).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Rprop(etas=(0.6, 1.1))
    Rprop(etas=(0.6, 1.1))
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
        factor = where(turn > 0.0, h.more, where(turn < 0.0, h.less, 1.0))
        s = minimum(maximum(s * factor, h.low), h.high)
        if self.forgiving:
            g = where(turn < 0.0, 0.0, g)
        return theta - where(g > 0.0, s, where(g < 0.0, -s, g)), g, s


OPTIMIZERS: checks.Registry[Optimizer] = checks.Registry(
    {kind.__name__.lower(): kind() for kind in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Rprop, LBFGS)}
)
"""All optimizers with their default parameters, by their names."""
