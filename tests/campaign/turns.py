"""Worlds: objects that a player calls again and again, one call after another, together with what shows what is right.

A world is an object with methods, which are its turns. A finding says which turns led to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import inside
import numpy as np
from campaign.draws import choose
from helpers import free_guards, guarded_copy

DOCUMENTED = ValueError, TypeError, OSError, FloatingPointError, RuntimeError, ImportError
NOT_DOCUMENTED = RecursionError, NotImplementedError


def error_of(call: Callable[[], object], said: str, *also: type[Exception]) -> Exception | None:
    """The error that a call raises, or None. It must be a documented one, or one of `also`, with a message."""
    try:
        call()
    except Exception as error:
        documented = isinstance(error, (*DOCUMENTED, *also)) and not isinstance(error, NOT_DOCUMENTED)
        if not documented or not str(error):
            error.add_note(said)
            raise
        return error
    return None


class World:
    """What several worlds share: random numbers, and memory with guards for half of them."""

    turns: tuple[str, ...] = ()
    """The names of the methods that are turns. A name can come twice."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.guards = rng, None if rng.random() < 0.5 else bool(rng.integers(2))

    def given(self, array: np.ndarray) -> np.ndarray:
        """An array as it is given to fastbp: in a world with guards, a copy next to a page that nobody may touch."""
        return array if self.guards is None or not array.size else guarded_copy(array, self.guards)

    def choose(self, *among: object) -> object:
        return choose(self.rng, among)


def play(make: Callable[[np.random.Generator], World], seed: int, worlds: int, turns: int) -> dict[str, int]:
    """Let some worlds take turns."""
    for k in range(worlds):
        rng, made = np.random.default_rng([seed, k]), []
        free_guards()
        try:
            world = make(rng)
            with contextlib.nullcontext() if world.guards is None else inside.guarded_memory(world.guards):
                for _ in range(turns):
                    made.append(str(choose(rng, world.turns)))
                    getattr(world, made[-1])()
        except Exception as error:
            error.add_note(f"world {k}, turns {', '.join(made)}")
            raise
    return {"turns": worlds * turns}


def warm_up(play: Callable[[int], dict[str, int]], rounds: int = 3) -> None:
    """Play some rounds so that most kernels are there. What they find, later rounds find too."""
    for seed in range(rounds):
        with contextlib.suppress(Exception):
            play(seed)


def alike(found: object, wanted: object, tolerance: float, what: str) -> None:
    """Arrays of one shape that agree, relative to the largest number."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, and not {wanted.shape}"
    size = max(1.0, np.abs(wanted).max(initial=0.0))
    with np.errstate(all="ignore"):
        error = np.abs(found - wanted).max(initial=0.0)
    assert error <= tolerance * size, f"{what}: the difference is {error:.3g} where the largest number is {size:.3g}"
