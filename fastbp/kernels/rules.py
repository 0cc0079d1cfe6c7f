"""Update rules: theta <- theta - eta * a step made of the gradient g and the rule's state.

A rule is a formula over `simd.Vector`s: (g, theta, *state, h) -> (theta, *state), where h are the
hyperparameters by position. `gradient.descend` applies it to a tile of the gradient before the tile leaves
the registers.
"""

from __future__ import annotations

from .simd import fma, tile_update

SGD, MOMENTUM, NESTEROV = range(3)


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


RULES = {SGD: (0, sgd), MOMENTUM: (1, momentum), NESTEROV: (1, nesterov)}
"""code: (number of state vectors, formula)."""

HYPERPARAMETERS = 2
"""Slots of h."""

tile_descend = tile_update(RULES, HYPERPARAMETERS)
"""tile_descend(rule, rows, g, h, P, p, S, s, size): apply the rule of a literal code, in registers, to the
parameters P[p : p + rows lanes], whose state vector k is S[s + k size :], with the gradient tile g."""
