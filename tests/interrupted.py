"""What tests of checkpoints share: trainings that are ended, and what they would have come to."""

from __future__ import annotations

import functools
import hashlib
import os
import select
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from helpers import parameters

import fastbp as fb
from fastbp.schedules import Cosine, ReduceOnPlateau, Warmup

# --- trainings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A training of [5, 8, 3], by default of 90 samples in minibatches of 16: 6 steps an epoch, the last one short."""

    network: dict = field(default_factory=dict)
    trainer: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    n: int = 90
    epochs: int = 3
    patience: int | None = None
    """Of an EarlyStopping."""
    blocks: bool = False

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(self.n, 5))
        return X, (X[:, :3] + rng.normal(size=(self.n, 3))).argmax(axis=1)

    def made(self, dtype: str = "float32", **options) -> fb.Trainer:
        net = fb.MLP([5, 8, 3], output="softmax", dtype=dtype, seed=0, **self.network)
        defaults = {"loss": "cross_entropy", "batch_size": 16, "seed": 0, "n_threads": 1}
        return fb.Trainer(net, **defaults | self.trainer | options)

    def train(self, trainer: fb.Trainer, *callbacks: fb.callbacks.Callback, **options) -> fb.Trainer:
        X, y = self.samples()
        given = ([(X[:37], y[:37]), (X[37:41], y[37:41]), (X[41:], y[41:])],) if self.blocks else (X, y)
        own = [] if self.patience is None else [fb.EarlyStopping(patience=self.patience)]
        trainer.fit(*given, callbacks=[*own, *callbacks], **{"epochs": self.epochs} | self.fit | options)
        return trainer


WEIGHTS = {"sample_weight": np.random.default_rng(1).uniform(0, 2, 90)}
EVERYTHING = Case(
    network={"dropout": [0.1, 0.2], "input_noise": 0.1, "max_norm": 1.5},
    trainer={
        "optimizer": fb.Adam(0.1),
        "schedule": Cosine(60, least=0.1, per="step") * ReduceOnPlateau(gamma=0.5, patience=0),
        "average": fb.EMA(0.9),
        "clip_norm": 0.5,
        "metrics": ["top_5_accuracy", fb.metrics.TopK(2)],
    },
    fit={"validation_split": 0.2, **WEIGHTS},
    epochs=10,
    patience=3,
)
RPROP = {"optimizer": fb.Rprop(), "batch_size": 90, "average": fb.SWA(start=3)}
CASES = {
    "momentum": Case(trainer={"optimizer": fb.SGD(0.1, momentum=0.9), "schedule": Warmup(9, per="step")}),
    "adam, ema": Case({"dropout": 0.3}, {"optimizer": fb.Adam(0.01), "average": fb.EMA(0.9)}, WEIGHTS),
    "adam, swa": Case({"input_noise": 0.3}, {"optimizer": fb.Adam(0.01), "average": fb.SWA(1), "shuffle": False}),
    "rprop": Case({}, RPROP, epochs=8),
    "lbfgs": Case({"max_norm": 1.0}, {"optimizer": fb.LBFGS(memory=3), "average": fb.EMA(0.5), "l2": 0.01}, epochs=8),
    "lbfgs, dropout": Case({"dropout": 0.2}, {"optimizer": fb.LBFGS(), "average": fb.SWA()}, epochs=6),
    "stored": Case({}, {"optimizer": fb.AdamW(0.01), "average": fb.EMA(0.9), "gradient": "stored"}),
    "window": Case({"dropout": 0.3}, {"average": fb.SWA()}, {"shuffle_buffer": 20}),
    "blocks": Case({"dropout": 0.3}, {"average": fb.EMA(0.9)}, {"shuffle_buffer": 40}, blocks=True),
    "blocks in order": Case({}, {"optimizer": fb.SGD(0.1, momentum=0.9), "shuffle": False}, blocks=True),
    "minibatches in parts": Case(trainer={"batch_size": 1500, "average": fb.EMA(0.5)}, n=3100, epochs=2),
    "everything": EVERYTHING,
}
MOMENTUM = CASES["momentum"]


def agreement(y: np.ndarray, a: np.ndarray) -> float:
    return float((a.argmax(axis=1) == y).mean())


def margin(y: np.ndarray, a: np.ndarray) -> float:
    return float(np.ptp(a, axis=1).mean())


FUNCTIONS = Case(
    trainer={"metrics": [agreement, fb.metrics.TopK(2), "mae", margin]}, fit={"validation_split": 0.2}, epochs=3
)


# --- interruptions ----------------------------------------------------------------------------------------------------


def outcome(trainer: fb.Trainer) -> tuple[str, str]:
    """All that a training has brought, to the bit, but for the time it took."""
    networks = [trainer.network] + ([] if trainer.average is None else [trainer.averaged])
    bits = b"".join(array.tobytes() for net in networks for array in parameters(net))
    scores = {name: column for name, column in trainer.history.items() if name != "seconds"}
    return hashlib.sha256(bits).hexdigest(), repr(scores)


class Steps(fb.callbacks.Callback):
    """Which steps a call of fit took, and the epochs done before each."""

    def __init__(self):
        self.numbers, self.epochs = [], []

    def on_batch_end(self, state):
        self.numbers.append(state.step)
        self.epochs.append(state.epoch)


class InterruptedFit(Exception):  # noqa: N818
    """Not an error of anybody's."""


class Cut(fb.callbacks.Callback):
    """Ends training after a step, when what is due has been written."""

    late = True

    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, state):
        if state.step == self.step:
            raise InterruptedFit


@functools.cache
def uninterrupted(name: str, dtype: str = "float32") -> tuple[tuple[str, str], list[int]]:
    """The outcome of a case, and the number of epochs before each of its steps."""
    if name.startswith("lbfgs"):
        pytest.importorskip("scipy")
    steps = Steps()
    return outcome(CASES[name].train(CASES[name].made(dtype), steps)), steps.epochs


def interrupted(case: Case, directory: Path, step: int, trainer: fb.Trainer | None = None, **options) -> None:
    """Train with checkpoints until a step; from the beginning, unless there is a trainer already."""
    with pytest.raises(InterruptedFit):
        case.train(trainer or case.made(), fb.Checkpoint(directory, **options), Cut(step))


# --- files ------------------------------------------------------------------------------------------------------------


def names(directory: Path) -> list[str]:
    """Of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


def checkpoints(*numbers: int) -> list[str]:
    """The names that the files of these numbers have."""
    return [f"checkpoint-{number:08d}.safetensors" for number in numbers]


def alone(directory: Path, number: int) -> Path:
    """A directory with this checkpoint only."""
    new = directory.parent / f"{directory.name} {number}"
    new.mkdir()
    (new / checkpoints(number)[0]).write_bytes((directory / checkpoints(number)[0]).read_bytes())
    return new


# --- kills ------------------------------------------------------------------------------------------------------------


def newest(directory: Path) -> fb.Trainer | None:
    """The trainer of the newest checkpoint, which must be one that can be read; None if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return fb.Trainer.resume(directory)
        except FileNotFoundError:
            return None


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Whether a SIGKILL after some seconds ended work() in a forked child, rather than its own end."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        select.select([pipe], [], [], seconds)  # its other end is closed when the child ends
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "an error in the child"
    return os.WIFSIGNALED(status)
