"""Trainings with checkpoints that end by SIGKILL at random moments, and that are resumed until they are finished.

The player forks each training, which takes some milliseconds. It has one thread itself, as threads do not survive a
fork. A training that was killed any number of times must end with the bits of one that was not, every checkpoint must
be readable, and no unfinished file may be left. A seed decides which training is killed and after which time. What it
does at that time depends on the machine, so a repetition plays the round many times.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from campaign import child
from campaign.calls_of import alone
from interrupted import CASES, Case, killed, newest, outcome

import fastbp as fb

FILES_ON_DISK = os.fsync


def prepare() -> None:
    """Compile or load all kernels, so that no child does."""
    for name in CASES:
        _whole(name, 0, 1)


@functools.cache
def _whole(name: str, seed: int, epochs: int) -> tuple[tuple[str, str], float]:
    """What a case comes to without an interruption, and how long that takes."""
    case, start = _case(name, epochs), time.monotonic()
    made = case.train(case.made(seed=seed))
    return outcome(made), time.monotonic() - start


def _case(name: str, epochs: int) -> Case:
    """A case with this number of epochs, but not more of those that take longest."""
    return replace(CASES[name], epochs=min(epochs, 3) if "parts" in name else epochs)


def play(seed: int) -> dict[str, int]:
    """Train once, with some kills."""
    for _ in range(50 * child.repeats):
        child.say(alive=_round(seed))
    return {"kills": _round(seed), "resumed trainings": 1}


def _round(seed: int) -> int:
    """Train, kill and resume. Returns the number of kills."""
    rng = np.random.default_rng(seed)
    name, epochs, kills = str(rng.choice(sorted(CASES))), int(rng.integers(1, 12)), 0
    case, at = _case(name, epochs), int(rng.integers(3))
    wanted, seconds = _whole(name, at, epochs)
    per = str(rng.choice(["step", "epoch"]))
    options = {"per": per, "every": int(rng.integers(1, 9 if per == "step" else 3)), "keep": int(rng.integers(1, 4))}
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "run"
        begun = lambda: newest(directory) or case.made(seed=at)  # noqa: E731
        for _ in range(int(rng.integers(1, 5))):
            trainer = begun()
            trainer.n_threads = None if rng.random() < 0.2 else 1
            durable = bool(rng.random() < 0.2)
            # With its checkpoints, a training takes longer than without.
            delay = float(rng.uniform(0, 1.5 * seconds + 0.02))
            alone()
            kills += killed(lambda t=trainer, d=durable: _train(case, t, directory, options, d), delay)
        trainer = begun()
        trainer.n_threads = 1
        _train(case, trainer, directory, options, False)
        assert outcome(trainer) == wanted, f"{name}, {epochs} epochs, {options}: other bits after {kills} kills"
        assert not list(directory.glob(".*")), "a file of a killed process is left"
        assert outcome(newest(directory)) == outcome(trainer) or case.patience is not None
    return kills


def _train(case: Case, trainer: fb.Trainer, directory: Path, options: dict, durable: bool) -> fb.Trainer:
    """Train with checkpoints; those that are durable wait for the disk."""
    os.fsync = FILES_ON_DISK if durable else lambda handle: None
    return case.train(trainer, fb.Checkpoint(directory, **options))
