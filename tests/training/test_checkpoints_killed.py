"""Checkpoints of processes that are killed at any moment."""

from __future__ import annotations

import json
import mmap
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import run_function
from interrupted import EVERYTHING, Case, killed, newest, outcome

import fastbp as fb
from fastbp.schedules import Cosine, ReduceOnPlateau

KILLS = 40
KILLED = Case(
    EVERYTHING.network,
    {
        **EVERYTHING.trainer,
        "average": fb.EMA(0.9, evaluated=False),
        "schedule": Cosine(2000, least=0.1, per="step") * ReduceOnPlateau(gamma=0.5, patience=1),
    },
    {"validation_split": 0.2},
    epochs=40,
    patience=4,
)


def kills(place: str, every: int, per: str, n: int, durable: bool) -> None:
    """End trainings again and again, until there were KILLS of them; print when they came.

    Of files that are durable, a process may be killed while it waits for the disk.
    """
    if not durable:
        os.fsync = lambda handle: None
    rng = np.random.default_rng(0)
    case = replace(KILLED, n=n, fit={**KILLED.fit, "sample_weight": rng.uniform(0, 2, n)})
    shared = np.frombuffer(mmap.mmap(-1, 16), np.int64)  # of the child: whether it trains, and the steps it has done

    def note(state: fb.callbacks.State) -> None:
        shared[:] = True, state.step

    def train(trainer: fb.Trainer, directory: Path) -> fb.Trainer:
        watch = fb.callbacks.Lambda(train_begin=note, batch_end=note)
        return case.train(trainer, watch, fb.Checkpoint(directory, every=every, per=per))

    durations = []
    for k in range(3):
        start, whole = time.perf_counter(), train(case.made(), Path(place) / f"whole {k}")
        durations.append(time.perf_counter() - start)
    epochs, steps, wanted = whole.history.epochs, int(shared[1]), outcome(whole)
    epoch = steps // epochs
    assert 5 < epochs < case.epochs, "it is to stop early"
    assert case.trainer["schedule"].b.factor(np.zeros(1), whole.history) < 1

    seen, training = dict.fromkeys(("kills", "in training", "in an epoch", "in a second call", "at first"), 0), 0
    while seen["kills"] < KILLS:
        training += 1
        directory = Path(place) / str(training)
        for again in range(rng.integers(1, 5)):
            trainer = newest(directory) or case.made()
            left = min(durations) * (1 - trainer.history.epochs / epochs)
            shared[:] = 0
            if not killed(lambda t=trainer, d=directory: train(t, d), rng.uniform(0, left)):
                break
            begun, step = shared.tolist()
            first = not [*directory.glob("checkpoint-*")]
            assert not first or step <= (every if per == "step" else epoch)
            during = bool(begun) and step < steps
            counts = 1, during, during and step % epoch > 0, during and again > 0, first
            seen = {name: total + count for (name, total), count in zip(seen.items(), counts, strict=True)}
        trainer = train(newest(directory) or case.made(), directory)
        assert outcome(trainer) == wanted, f"training {training}"
        assert not [*directory.glob(".*")], "a file of a killed process is left"
    print(json.dumps(seen))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.parametrize(("every", "per", "n", "durable"), [(7, "step", 640, False), (1, "epoch", 1000, True)])
def test_killed(tmp_path, every, per, n, durable):
    """SIGKILL at 40 random moments, of trainings and of what resumes them; the campaign kills at many more.

    The newest checkpoint can be read, a training that has none begins anew, and all end with the same bits.
    """
    seen = json.loads(run_function(kills, str(tmp_path), every, per, n, durable, timeout=300).stdout)
    assert seen["kills"] >= KILLS
    assert seen["in training"] >= 24
    assert seen["in an epoch"] >= 8
    assert seen["in a second call"] >= 4
    assert seen["at first"] >= 1
