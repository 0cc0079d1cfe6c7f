"""This module holds the optimizers: the rules that update the parameters after each minibatch. Each rule is a class.

The formula of a rule, `update`, is a plain Python function of vectors (`fastbp.kernels.simd`). The engine compiles it
when a trainer first uses it. The names of the hyperparameters connect the two methods of a rule: `hyper` computes a
value for each name, and `update` reads the value as an attribute of h.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from ..base import checks
from ..base.value_objects import WithFields, field
from ..formulas.gates import Operand
from ..kernels.simd.formulas import digest
from ..kernels.simd.vector import fma, maximum, minimum, sqrt, where

OPTIMIZERS: checks.Registry[Optimizer] = checks.Registry()
"""All optimizers with their default parameters, by their names."""


def _rate(default: float, meaning: str = "The learning rate eta.") -> float:
    """Return the field `learning_rate`."""
    return field(meaning, checks.Real(0, open_low=True), default=default)


def _epsilon(default: float, meaning: str = "A small number that prevents a division by 0.") -> float:
    """Return the field `epsilon`."""
    return field(meaning, checks.Real(0, open_low=True), default=default)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Optimizer(WithFields, ABC):
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

    registries = (OPTIMIZERS,)
    learning_rate: float
    hyperparameters: ClassVar[tuple[str, ...]] = ()
    decays: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    searches: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
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
    def variant(self) -> tuple[Any, ...]:
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
    def update(self, g: Operand, theta: Operand, *rest: Any) -> tuple[Operand, ...]:
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
        return digest(dtype, (self.update, 2 + len(self.states), self.hyperparameters), also=(self.still,))


class SGD(Optimizer, name="sgd"):
    """`SGD` is stochastic gradient descent, with or without momentum: theta <- theta - eta v, where v <- mu v + g.

    Without momentum (mu = 0), the rule is theta <- theta - eta g and needs no state. With Nesterov momentum, it is
    theta <- theta - eta (g + mu v). Sources: 000, 001 and 003 (gradient descent), Polyak (1964) (momentum), Sutskever
    et al. (2013) (Nesterov momentum).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9)
    """

    hyperparameters = ("eta", "mu")
    learning_rate: float = _rate(0.01, "The learning rate eta. PyTorch has another default, 0.001.")
    _: KW_ONLY
    momentum: float = field("The share mu of the velocity v that each step keeps.", checks.Real(0, 1), default=0.0)
    nesterov: bool = field("Whether to use Nesterov momentum. It needs a momentum above 0.", checks.flag, default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False without momentum, got nesterov=True and momentum=0")

    @property
    def states(self) -> tuple[str, ...]:  # type: ignore[override]  # they depend on the parameters
        return ("v",) if self.momentum else ()

    @property
    def still(self) -> bool:
        return type(self) is SGD and not self.momentum

    @property
    def variant(self) -> tuple[Any, ...]:
        return *super().variant, self.nesterov

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "mu": self.momentum}

    def update(self, g: Operand, theta: Operand, *rest: Any) -> tuple[Operand, ...]:
        *state, h = rest
        if not state:
            return (fma(-h.eta, g, theta),)
        v = fma(h.mu, state[0], g)
        return fma(-h.eta, fma(h.mu, v, g) if self.nesterov else v, theta), v


class Adam(Optimizer, name="adam"):
    """`Adam` divides a running mean of the gradient by the root of a running mean of its square.

    The rule is theta <- theta - eta m' / (sqrt(v') + epsilon), where m <- beta_1 m + (1 - beta_1) g and v <- beta_2 v +
    (1 - beta_2) g^2. Because m and v start at 0, they are too small in the first steps. m' = m / (1 - beta_1^t) and v'
    = v / (1 - beta_2^t) correct this. Source: Kingma and Ba (2015).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Adam(0.01)
    Adam(learning_rate=0.01)
    """

    # The shares 1 - beta of the new gradient have a name of their own: in float32, 1 - beta_2 would be 0 for a beta_2
    # above 1 - 3e-8, and 19 % too large for 1 - 1e-7.
    hyperparameters: ClassVar[tuple[str, ...]] = ("eta", "new_1", "beta_2", "new_2", "epsilon", "c")
    states = ("m", "v")
    learning_rate: float = _rate(0.001)
    _: KW_ONLY
    betas: tuple[float, float] = field(
        "The shares beta_1 and beta_2 of m and v that each step keeps. They must be at least 0 and below 1.",
        checks.Pair(checks.Real(0, 1), checks.Real(0, 1)),
        default=(0.9, 0.999),
    )
    epsilon: float = _epsilon(1e-8)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        beta_1, beta_2 = self.betas
        named = {"new_1": 1 - beta_1, "beta_2": beta_2, "new_2": 1 - beta_2, "epsilon": self.epsilon}
        return {**named, "eta": eta / (1 - beta_1**t), "c": 1 / np.sqrt(1 - beta_2**t)}

    def update(self, g: Operand, theta: Operand, m: Operand, v: Operand, h: Any) -> tuple[Operand, ...]:
        # The corrections of m and v are in the hyperparameters: h.eta is the learning rate divided by 1 - beta_1^t, and
        # h.c is 1 / sqrt(1 - beta_2^t).
        m = fma(h.new_1, g - m, m)
        v = fma(h.beta_2, v, h.new_2 * g * g)
        return fma(-h.eta, m / fma(sqrt(v), h.c, h.epsilon), theta), m, v


class AdamW(Adam, name="adamw"):
    """`AdamW` is `Adam` with decoupled weight decay: before each step of `Adam`, W <- W - eta lambda W.

    The biases do not decay. Source: Loshchilov and Hutter (2019).
    """

    hyperparameters = (*Adam.hyperparameters, "decay")
    decays = ("decay",)
    weight_decay: float = field("The strength lambda of the weight decay.", checks.Real(0), default=0.01)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {**super().hyper(t, eta), "decay": eta * self.weight_decay}

    def update(self, g: Operand, theta: Operand, m: Operand, v: Operand, h: Any) -> tuple[Operand, ...]:
        return super().update(g, fma(-h.decay, theta, theta), m, v, h)


class RMSprop(Optimizer, name="rmsprop"):
    """`RMSprop` divides the gradient by the root of a running mean of its square.

    The rule is theta <- theta - eta g / (sqrt(v) + epsilon), where v <- alpha v + (1 - alpha) g^2. With momentum, it is
    theta <- theta - eta u, where u <- mu u + g / (sqrt(v) + epsilon). With `centered`, v is replaced by v - m^2 in the
    root, where m <- alpha m + (1 - alpha) g. Sources: Tieleman and Hinton (2012), Graves (2013) (centered).
    """

    hyperparameters = ("eta", "alpha", "new", "epsilon", "mu")
    learning_rate: float = _rate(0.01)
    _: KW_ONLY
    alpha: float = field("The share of v that each step keeps.", checks.Real(0, 1), default=0.99)
    epsilon: float = _epsilon(1e-8)
    momentum: float = field("The share mu of u that each step keeps.", checks.Real(0, 1), default=0.0)
    centered: bool = field(
        "Whether to divide by an estimate of the standard deviation of the gradient.", checks.flag, default=False
    )

    @property
    def states(self) -> tuple[str, ...]:  # type: ignore[override]  # they depend on the parameters
        return ("v", *("m",) * self.centered, *("u",) * bool(self.momentum))

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "alpha": self.alpha, "new": 1 - self.alpha, "epsilon": self.epsilon, "mu": self.momentum}

    def update(self, g: Operand, theta: Operand, v: Operand, *rest: Any) -> tuple[Operand, ...]:
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


class Adagrad(Optimizer, name="adagrad"):
    """`Adagrad` divides the gradient by the root of the sum of all its squares so far.

    The rule is theta <- theta - eta_t g / (sqrt(v) + epsilon), where v <- v + g^2 and eta_t = eta / (1 + (t - 1)
    lr_decay). Source: Duchi et al. (2011).
    """

    hyperparameters = ("eta", "epsilon")
    states = ("v",)
    learning_rate: float = _rate(0.01)
    _: KW_ONLY
    lr_decay: float = field(
        "The speed with which the learning rate falls. With 0, it stays the same.", checks.Real(0), default=0.0
    )
    epsilon: float = _epsilon(1e-10)

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta / (1 + (t - 1) * self.lr_decay), "epsilon": self.epsilon}

    @property
    def still(self) -> bool:
        return type(self) is Adagrad

    def update(self, g: Operand, theta: Operand, v: Operand, h: Any) -> tuple[Operand, ...]:
        v = fma(g, g, v)
        return fma(-h.eta, g / (sqrt(v) + h.epsilon), theta), v


class Adadelta(Optimizer, name="adadelta"):
    """`Adadelta` scales the gradient by the ratio of two running means, so that the learning rate has no unit.

    The rule is theta <- theta - eta d, where v <- rho v + (1 - rho) g^2, then d = g sqrt(u + epsilon) / sqrt(v +
    epsilon), and then u <- rho u + (1 - rho) d^2. Source: Zeiler (2012).
    """

    hyperparameters = ("eta", "rho", "new", "epsilon")
    states = ("v", "u")
    learning_rate: float = _rate(1.0)
    _: KW_ONLY
    rho: float = field("The share of u and v that each step keeps.", checks.Real(0, 1), default=0.9)
    epsilon: float = _epsilon(1e-6, "A small number that starts the growth of u and prevents a division by 0.")

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {"eta": eta, "rho": self.rho, "new": 1 - self.rho, "epsilon": self.epsilon}

    def update(self, g: Operand, theta: Operand, v: Operand, u: Operand, h: Any) -> tuple[Operand, ...]:
        v = fma(h.rho, v, h.new * g * g)
        d = sqrt(u + h.epsilon) / sqrt(v + h.epsilon) * g
        return fma(-h.eta, d, theta), v, fma(h.rho, u, h.new * d * d)


class Rprop(Optimizer, name="rprop"):
    """`Rprop` gives each parameter a step size s of its own, and uses only the sign of the gradient.

    The rule is theta <- theta - s sign(g). Before, s is multiplied by ``eta_+`` if g has the same sign as in the last
    step, and by ``eta_-`` if it has the opposite sign. Signs are reliable only if the gradient has no noise: use the
    full batch, ``Trainer(..., batch_size="all")``. Sources: 001 (a learning rate for each connection), Riedmiller and
    Braun (1993), Igel and Huesken (2000) (iRprop-).
    """

    hyperparameters = ("less", "more", "low", "high")
    states = ("before", "s")
    learning_rate: float = _rate(0.01, "The first value of each s. A schedule does not change it.")
    _: KW_ONLY
    etas: tuple[float, float] = field(
        "The factors ``eta_-``, above 0 and below 1, and ``eta_+``, above 1.",
        checks.Pair(checks.Real(0, 1, open_low=True), checks.Real(1, open_low=True)),
        default=(0.5, 1.2),
    )
    step_sizes: tuple[float, float] = field(
        "The smallest and the largest value of s. The smallest must be at least 0.",
        checks.Pair(checks.Real(0), checks.Real()),
        default=(1e-6, 50),
    )
    forgiving: bool = field(
        "With True, a parameter whose gradient has changed its sign stays where it is for one step (the variant "
        "iRprop-, which PyTorch calls Rprop). With False, it moves in every step (the variant Rprop-).",
        checks.flag,
        default=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.real(self.step_sizes[1], "step_sizes[1]", self.step_sizes[0])

    @property
    def variant(self) -> tuple[Any, ...]:
        return *super().variant, self.forgiving

    @property
    def initial(self) -> tuple[float, ...]:
        return 0.0, self.learning_rate

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        (less, more), (low, high) = self.etas, self.step_sizes
        return {"less": less, "more": more, "low": low, "high": high}

    def update(self, g: Operand, theta: Operand, before: Operand, s: Operand, h: Any) -> tuple[Operand, ...]:
        turn = g * before
        factor = where(turn > 0.0, h.more, where(turn < 0.0, h.less, 1.0))
        s = minimum(maximum(s * factor, h.low), h.high)
        if self.forgiving:
            g = where(turn < 0.0, 0.0, g)
        return theta - where(g > 0.0, s, where(g < 0.0, -s, g)), g, s


class LBFGS(Optimizer, name="lbfgs"):
    """`LBFGS` is the quasi-Newton method L-BFGS: theta <- theta + alpha d, with a line search for alpha.

    The direction d comes from the gradient and from the changes of the parameters and of the gradient in the last
    steps. The line search finds a step length alpha that meets the strong Wolfe conditions. Each step uses all samples,
    whatever the batch size, and each epoch is one step. The samples must come in arrays, not in blocks. Training needs
    scipy: ``pip install "fastbp[lbfgs]"``.

    `Trainer.fit` ends before its last epoch when a tolerance is met, or when no step lowers the objective: further
    steps would not matter. With dropout or input noise, it does not end, because the objective changes with each step.

    During a step, dropout and input noise stay the same. The method is made for smooth functions. With `l1` of
    `Trainer`, weights come close to 0, but do not become exactly 0. Sources: Liu and Nocedal (1989), Nocedal and Wright
    (2006).
    """

    searches = True
    learning_rate: float = _rate(
        1.0, "The factor of the first step length that the line search tries. A schedule multiplies it."
    )
    _: KW_ONLY
    memory: int = field("The number of last steps that determine the direction.", checks.Integer(1), default=10)
    ftol: float = field(
        "Training ends after a step that lowers the objective f to f' with f - f' <= ftol max(f, f', 1).",
        checks.Real(0),
        default=2.220446049250313e-09,
    )
    gtol: float = field(
        "Training ends after a step if no derivative of the objective is larger.", checks.Real(0), default=1e-5
    )

    @property
    def state_count(self) -> int:
        return 2 * self.memory  # first the changes of the parameters, and then those of the gradient

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        return {}

    def update(self, g: Operand, theta: Operand, *rest: Any) -> tuple[Operand, ...]:
        raise TypeError("LBFGS has no rule for single numbers: its step is a line search, see fastbp.training.lbfgs")
