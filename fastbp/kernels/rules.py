"""Update rules: theta <- theta - eta * a step made of the gradient g and the rule's state.

A rule is a formula over `simd.Vector`s: (g, theta, *state, h) -> (theta, *state), where h are the
hyperparameters by position. `gradient.weights` applies it to a tile of the gradient before the tile leaves
the registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .simd import fma, maximum, minimum, sqrt, tile_update, where


def sgd(g, theta, h):
    """theta <- theta - eta g   (000, 003)."""
    eta = h[0]
    return (fma(-eta, g, theta),)


def momentum(g, theta, v, h):
    """v <- mu v + g;  theta <- theta - eta v   (Polyak 1964)."""
    eta, mu = h[0], h[1]
    v = fma(mu, v, g)
    return fma(-eta, v, theta), v


def nesterov(g, theta, v, h):
    """v <- mu v + g;  theta <- theta - eta (g + mu v)   (Nesterov 1983, as in Sutskever 2013)."""
    eta, mu = h[0], h[1]
    v = fma(mu, v, g)
    return fma(-eta, fma(mu, v, g), theta), v


def adam(g, theta, m, v, h):
    """m <- m + (1 - beta_1)(g - m);  v <- beta_2 v + (1 - beta_2) g^2;  theta <- theta - eta m / (sqrt(v) c + epsilon)
    (Kingma and Ba 2015); at step t, eta stands for the learning rate / (1 - beta_1^t) and c for 1 / sqrt(1 - beta_2^t).
    """
    eta, beta_1, beta_2, epsilon, c = h[:5]
    m = fma(1.0 - beta_1, g - m, m)
    v = fma(beta_2, v, (1.0 - beta_2) * g * g)
    return fma(-eta, m / fma(sqrt(v), c, epsilon), theta), m, v


def adamw(g, theta, m, v, h):
    """theta <- theta - eta lambda theta, then as `adam`   (Loshchilov and Hutter 2019); h[5] is eta lambda."""
    return adam(g, fma(-h[5], theta, theta), m, v, h)


def rmsprop(centered: bool, momentum: bool):
    """v <- alpha v + (1 - alpha) g^2;  theta <- theta - eta g / (sqrt(v) + epsilon)   (Tieleman and Hinton 2012).

    Centered, v - m^2 stands for v, with m <- alpha m + (1 - alpha) g   (Graves 2013). With momentum, theta goes by
    -eta u, where u <- mu u + g / (sqrt(v) + epsilon).
    """

    def rule(g, theta, v, *rest):
        *state, h = rest
        eta, alpha, epsilon, mu = h[:4]
        v = fma(alpha, v, (1.0 - alpha) * g * g)
        new, square = [v], v
        if centered:
            m = fma(alpha, state[0], (1.0 - alpha) * g)
            new, square = [v, m], maximum(fma(-m, m, v), 0.0)
        step = g / (sqrt(square) + epsilon)
        if momentum:
            step = fma(mu, state[-1], step)
            new = [*new, step]
        return fma(-eta, step, theta), *new

    return rule


def adagrad(g, theta, v, h):
    """v <- v + g^2;  theta <- theta - eta g / (sqrt(v) + epsilon)   (Duchi et al. 2011)."""
    eta, epsilon = h[:2]
    v = fma(g, g, v)
    return fma(-eta, g / (sqrt(v) + epsilon), theta), v


def adadelta(g, theta, v, u, h):
    """v <- rho v + (1 - rho) g^2;  d = g sqrt(u + epsilon) / sqrt(v + epsilon);  u <- rho u + (1 - rho) d^2;
    theta <- theta - eta d   (Zeiler 2012)."""
    eta, rho, epsilon = h[:3]
    v = fma(rho, v, (1.0 - rho) * g * g)
    d = sqrt(u + epsilon) / sqrt(v + epsilon) * g
    return fma(-eta, d, theta), v, fma(rho, u, (1.0 - rho) * d * d)


def rprop(forgiving: bool):
    """A rate for each weight: s <- s eta_+ where g has the sign it had, s eta_- where it has not, within bounds;
    theta <- theta - s sign(g)   (Riedmiller and Braun 1993; 001).

    Forgiving, iRprop-, a weight whose gradient changed its sign stays, and next time counts as one that had no sign
    (Igel and Huesken 2000).
    """

    def rule(g, theta, before, s, h):
        less, more, low, high = h[:4]
        turn = g * before
        s = minimum(maximum(s * where(turn > 0.0, more, where(turn < 0.0, less, s.of(1.0))), low), high)
        if forgiving:
            g = where(turn < 0.0, 0.0, g)
        return theta - where(g > 0.0, s, where(g < 0.0, -s, g)), g, s

    return rule


class Rule(NamedTuple):
    """A row of the table: the number of state vectors, the formula, and the rule for biases, which do not decay."""

    states: int
    formula: Callable
    of_biases: str | None = None


RULES = {
    "sgd": Rule(0, sgd),
    "momentum": Rule(1, momentum),
    "nesterov": Rule(1, nesterov),
    "adam": Rule(2, adam),
    "adamw": Rule(2, adamw, "adam"),
    "rmsprop": Rule(1, rmsprop(False, False)),
    "rmsprop_centered": Rule(2, rmsprop(True, False)),
    "rmsprop_momentum": Rule(2, rmsprop(False, True)),
    "rmsprop_centered_momentum": Rule(3, rmsprop(True, True)),
    "adagrad": Rule(1, adagrad),
    "adadelta": Rule(2, adadelta),
    "rprop": Rule(2, rprop(False)),
    "irprop": Rule(2, rprop(True)),
}
"""name: row."""

HYPERPARAMETERS = 6
"""Slots of h: a row for each minibatch, so that they may change from one to the next."""


def shape(g, theta, shrink, clip, l1, l2):
    """The gradient that a rule sees: shrunk, cut off at +-clip, and with those of l1 |theta| and l2 theta^2 / 2."""
    g = minimum(maximum(g * shrink, -clip), clip)
    return fma(l2, theta, g) + l1 * where(theta > 0.0, 1.0, where(theta < 0.0, -1.0, theta))


def descend(name: str):
    """The intrinsic `tile_descend(rows, g, H, h, shaping, P, p, S, s, size, Q, q)` of a rule, in registers.

    It applies the rule with the gradient tile g and the hyperparameters from H[h] on to the parameters P[p : p + rows
    lanes], whose state vector k is S[s + k size :]; the new parameters go to Q[q : q + rows lanes]. `shaping` are the
    four last arguments of `shape`, or none.
    """
    row = RULES[name]
    return tile_update(row.formula, row.states, HYPERPARAMETERS, shape)
