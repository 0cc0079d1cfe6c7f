"""Trainings with samples of which many numbers are 0: without the zeros, and with a sparse matrix, to the same bits."""

from __future__ import annotations

import many_zeros
from campaign import child

NETWORKS = 5
"""The number of networks of a round."""


def prepare() -> None:
    """Nothing takes long here but kernels, and each network may need others."""


def play(seed: int) -> dict[str, int]:
    """Train several networks, one of them with one row a minibatch."""
    for k in range(NETWORKS):
        check = many_zeros.check_whole if k else many_zeros.check_online
        check(seed * NETWORKS + k)
        child.say(alive=k)
    return {"networks with zeros": NETWORKS}
