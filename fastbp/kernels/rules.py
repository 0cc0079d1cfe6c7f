"""Update rules: theta <- theta - eta * a step made of the gradient g and the rule's state.

A rule is a formula over `simd.Vector`s: (g, theta, *state, h) -> (theta, *state), where h are the
hyperparameters by position. `gradient.descend` applies it to a tile of the gradient before the tile leaves
the registers.
"""

from __future__ import annotations

from .simd import fma, sqrt, tile_update

SGD, MOMENTUM, NESTEROV, ADAM = range(4)


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


RULES = {SGD: (0, sgd), MOMENTUM: (1, momentum), NESTEROV: (1, nesterov), ADAM: (2, adam)}
"""code: (number of state vectors, formula)."""

HYPERPARAMETERS = 5
"""Slots of h: a row for each minibatch, so that they may change from one to the next."""

tile_descend = tile_update(RULES, HYPERPARAMETERS)
"""tile_descend(rule, rows, g, H, h, P, p, S, s, size, Q, q): apply the rule of a literal code, in registers, with the
gradient tile g and the hyperparameters from H[h] on, to the parameters P[p : p + rows lanes], whose state vector k is
S[s + k size :]; the new parameters go to Q[q : q + rows lanes]."""
