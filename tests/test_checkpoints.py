"""Checkpoints: a training that anything has ended goes on, and ends with the bits of one that nothing has."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import json
import mmap
import os
import re
import signal
import stat
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import run
from safetensors.numpy import load_file, save_file
from test_serialization import mutations

import fastbp as fb
from fastbp import files
from fastbp.schedules import Chain, Cosine, Exponential, ReduceOnPlateau, Step, Warmup

# --- trainings ----------------------------------------------------------------------------------------------


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
    patience=2,
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


def outcome(trainer: fb.Trainer) -> tuple[str, str]:
    """All that a training has brought, to the bit, but for the time it took."""
    networks = [trainer.network] + ([] if trainer.average is None else [trainer.averaged])
    bits = b"".join(array.tobytes() for net in networks for array in net.weights + net.biases)
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


def names(directory: Path) -> list[str]:
    """Of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


def checkpoints(*numbers: int) -> list[str]:
    """The names that the files of these numbers have."""
    return [f"checkpoint-{number:08d}.safetensors" for number in numbers]


def test_everything_really_happens():
    """The case that has everything stops early, goes back to an epoch before, and lowers its learning rate."""
    stopping = fb.EarlyStopping(patience=EVERYTHING.patience)
    history = EVERYTHING.train(EVERYTHING.made(), stopping).history
    assert stopping.best_epoch + EVERYTHING.patience == history.epochs < EVERYTHING.epochs
    assert ReduceOnPlateau(gamma=0.5, patience=0).factor(np.zeros(1), history) < 1


# --- interruptions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "per"), [(1, "step"), (7, "step"), (1, "epoch")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_interrupted_after_any_step(tmp_path, name, dtype, every, per):
    """It goes on from the last checkpoint, no earlier and no later."""
    case, (wanted, epochs) = CASES[name], uninterrupted(name, dtype)
    for step in range(1, len(epochs) + 1):
        directory = tmp_path / str(step)
        interrupted(case, directory, step, case.made(dtype), every=every, per=per)
        kept = step // every * every if per == "step" else epochs.index(epochs[step - 1])
        trainer, steps = fb.Trainer.resume(directory) if kept else case.made(dtype), Steps()
        assert bool(names(directory)) == bool(kept)
        case.train(trainer, steps, fb.Checkpoint(directory, every=every, per=per))
        assert outcome(trainer) == wanted, f"interrupted after step {step}"
        assert steps.numbers == [*range(kept + 1, len(epochs) + 1)]


@pytest.mark.parametrize("late", [False, True], ids=["before the checkpoint", "after it"])
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_begin", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize(("every", "per"), [(1, "step"), (1, "epoch")])
def test_interrupted_by_any_hook(tmp_path, every, per, hook, late):
    """In the third epoch, or at the end."""
    case = EVERYTHING

    def cut(state):
        if state.epoch >= 2 or hook == "on_train_end":
            raise InterruptedFit

    killer = fb.callbacks.Callback()
    setattr(killer, hook, cut)
    killer.late = late
    with pytest.raises(InterruptedFit):
        case.train(case.made(), fb.Checkpoint(tmp_path, every=every, per=per), killer)
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]


@pytest.mark.parametrize("name", ["momentum", "everything", "blocks"])
@pytest.mark.parametrize("second", [11, 17], ids=["before another checkpoint", "after another"])
def test_interrupted_twice(tmp_path, name, second):
    case = CASES[name]
    interrupted(case, tmp_path, 10, every=4, per="step")
    interrupted(case, tmp_path, second, fb.Trainer.resume(tmp_path), every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted(name)[0]


def finish(name: str, directory: str) -> None:
    """Print the outcome of an interrupted case."""
    print(json.dumps(outcome(CASES[name].train(fb.Trainer.resume(directory)))))


@pytest.mark.parametrize("name", ["everything", "blocks"])
def test_another_process(tmp_path, name):
    interrupted(CASES[name], tmp_path, 8, every=4, per="step")
    printed = run(f"import test_checkpoints as t; t.finish({name!r}, {str(tmp_path)!r})").stdout
    assert tuple(json.loads(printed)) == uninterrupted(name)[0]


@pytest.mark.parametrize("name", ["everything", "minibatches in parts"])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (None, 2), (2, None)])
def test_another_number_of_threads(tmp_path, name, before, after):
    case = CASES[name]
    interrupted(case, tmp_path, 4, case.made(n_threads=before), every=2, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    assert trainer.n_threads == before
    trainer.n_threads = after
    assert outcome(case.train(trainer)) == uninterrupted(name)[0]


def test_without_a_seed(tmp_path):
    """Orders, masks and the samples held out go on as they began, though nobody has named a seed."""
    case = EVERYTHING
    whole = case.train(case.made(seed=None), fb.Checkpoint(tmp_path, every=1, per="step", keep=10**6))
    for number in range(1, len(names(tmp_path)), 4):
        assert outcome(case.train(fb.Trainer.resume(alone(tmp_path, number)))) == outcome(whole), number


def test_more_epochs_than_before(tmp_path):
    """After a training that has ended, a larger number goes on, and the same one does nothing."""
    case, steps = MOMENTUM, Steps()
    case.train(case.made(), fb.Checkpoint(tmp_path))
    before = names(tmp_path)
    trainer = case.train(fb.Trainer.resume(tmp_path), steps, fb.Checkpoint(tmp_path))
    assert outcome(trainer) == uninterrupted("momentum")[0]
    assert (names(tmp_path), steps.numbers) == (before, [])
    whole = case.train(case.made(), epochs=5)
    assert outcome(case.train(trainer, epochs=2)) == outcome(whole), "a call of its own"
    assert outcome(case.train(fb.Trainer.resume(tmp_path), epochs=5)) == outcome(whole)


def test_stopped_early_stays_stopped(tmp_path):
    """And has the parameters of the best epoch again."""
    steps, wanted = Steps(), uninterrupted("everything")[0]
    EVERYTHING.train(EVERYTHING.made(), fb.Checkpoint(tmp_path, every=100))
    trainer = fb.Trainer.resume(tmp_path)
    assert outcome(trainer) != wanted
    assert outcome(EVERYTHING.train(trainer, steps)) == wanted
    assert not steps.numbers


def test_a_second_call_of_fit(tmp_path):
    """Epochs of the call that was interrupted are what counts, and not those of calls before."""
    case = MOMENTUM
    whole = case.train(case.train(case.made(), epochs=2))
    trainer = case.train(case.made(), epochs=2)
    interrupted(case, tmp_path, 16, trainer, every=5, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == outcome(whole)


def test_calls_after_a_resumed_one(tmp_path):
    """They add their epochs to those that are there, as always."""
    case = EVERYTHING
    wanted = outcome(case.train(case.train(case.made()), epochs=2))
    interrupted(case, tmp_path, 8, every=4, per="step")
    trainer = case.train(fb.Trainer.resume(tmp_path))
    assert outcome(case.train(trainer, epochs=2)) == wanted


def test_calls_after_one_that_was_stopped_within_an_epoch(tmp_path):
    """They draw the same orders."""
    case = MOMENTUM

    def stop(state):
        state.stop = state.step == 8

    whole = case.made()
    case.train(whole, fb.callbacks.Lambda(batch_end=stop), fb.Checkpoint(tmp_path, every=1, per="step"))
    trainer = case.train(fb.Trainer.resume(tmp_path))
    assert outcome(trainer) == outcome(whole)
    assert outcome(case.train(trainer)) == outcome(case.train(whole))


def test_steps_before_fit(tmp_path):
    """Those of partial_fit count too, in schedules and in `every`."""
    case, (X, y) = MOMENTUM, MOMENTUM.samples()

    def begun():
        trainer = case.made()
        trainer.partial_fit(X[:40], y[:40])
        return trainer

    interrupted(case, tmp_path, 9, begun(), every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == outcome(case.train(begun()))


def test_divergence_after_an_interruption(tmp_path):
    """The network then has the parameters of the checkpoint."""
    case = MOMENTUM
    huge = {"loss": "squared_error", "schedule": fb.schedules.MultiStep([10], gamma=1e30, per="step")}
    interrupted(case, tmp_path, 9, case.made(**huge), every=1, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    before = trainer.network.weights
    with pytest.raises(FloatingPointError, match="of epoch 2: the parameters are again those of the checkpoint"):
        case.train(trainer)
    assert all((a == b).all() for a, b in zip(before, trainer.network.weights, strict=True))


def test_samples_of_another_call(tmp_path):
    """Within an epoch their number must be what it was; a call that is refused changes nothing."""
    case, (X, y) = MOMENTUM, MOMENTUM.samples()
    interrupted(case, tmp_path, 8, every=4, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    before = outcome(trainer)
    for given in ((X[1:], y[1:]), ([(X, y)],)):
        with pytest.raises(ValueError, match="X must have the 90 samples of the interrupted call, got"):
            trainer.fit(*given, epochs=3)
    with pytest.raises(ValueError, match="72"):
        trainer.fit(X, y, epochs=3, validation_split=0.2)
    assert outcome(trainer) == before
    assert outcome(case.train(trainer)) == uninterrupted("momentum")[0]


# --- callbacks ----------------------------------------------------------------------------------------------


class Tally(fb.callbacks.Callback):
    """Keeps something of each step, and things of all kinds besides."""

    def __init__(self):
        self.kept = {}

    def on_train_begin(self, state):
        self.count, self.best, self.losses = 0, float("inf"), np.empty(0)

    def on_batch_end(self, state):
        self.count += 1
        self.best = min(self.best, state.scores["loss"])
        self.losses = np.append(self.losses, state.scores["loss"])

    def save(self):
        others = {"none": None, "nan": float("nan"), "text": '\u00fc "', "nested": {"a": [1, 2.5, [True, None]]}}
        arrays = {
            "empty": np.empty((0, 3)),
            "bits": np.array([True, False]),
            "columns": np.arange(6).reshape(2, 3).T,
            "single": np.array(1.5, np.float32),
            "a b 1": np.arange(3, dtype=np.int8),
        }
        return {"count": self.count, "best": self.best, "losses": self.losses, **others, **arrays}

    def load(self, kept):
        self.kept = kept
        self.count, self.best, self.losses = kept["count"], kept["best"], kept["losses"]


def test_callbacks_of_the_user(tmp_path):
    """Get back what they have kept, arrays in their types and shapes, and end as without an interruption."""
    case, whole, tally = MOMENTUM, Tally(), Tally()
    case.train(case.made(), whole)
    with pytest.raises(InterruptedFit):
        case.train(case.made(), Tally(), fb.Checkpoint(tmp_path, every=4, per="step"), Cut(10))
    case.train(fb.Trainer.resume(tmp_path), tally)
    assert (tally.count, tally.best) == (whole.count, whole.best)
    assert tally.losses.tobytes() == whole.losses.tobytes()
    wanted = whole.save()
    assert sorted(tally.kept) == sorted(wanted)
    for name, value in wanted.items():
        if name in ("count", "best", "losses"):
            continue
        found = tally.kept[name]
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            assert (found == value).all()
        else:
            assert repr(found) == repr(value)


class Note(fb.callbacks.Callback):
    """Keeps one thing, or nothing."""

    def __init__(self, kept=None):
        self.kept = kept

    def save(self):
        return {} if self.kept is None else {"kept": self.kept}

    def load(self, kept):
        self.kept = kept["kept"]


@pytest.mark.parametrize("kept", [(1, 2), (1, None), (None, 2)])
def test_two_callbacks_of_a_class(tmp_path, kept):
    """Each gets what it has kept itself, also if another had nothing to keep."""
    MOMENTUM.train(MOMENTUM.made(), *map(Note, kept), fb.Checkpoint(tmp_path))
    notes = Note(), Note()
    MOMENTUM.train(fb.Trainer.resume(tmp_path), *notes)
    assert tuple(note.kept for note in notes) == kept


def test_two_that_stop_early(tmp_path):
    case, monitors = MOMENTUM, ("loss", "accuracy")
    stopping = lambda: [fb.EarlyStopping(name, patience=9) for name in monitors]  # noqa: E731
    whole, again = stopping(), stopping()
    wanted = outcome(case.train(case.made(), *whole))
    with pytest.raises(InterruptedFit):
        case.train(case.made(), *stopping(), fb.Checkpoint(tmp_path), Cut(15))
    assert outcome(case.train(fb.Trainer.resume(tmp_path), *again)) == wanted
    assert [(c.best_score, c.best_epoch) for c in again] == [(c.best_score, c.best_epoch) for c in whole]


def test_a_callback_is_missing(tmp_path):
    """One that has kept something; with it, training still goes on from where it was."""
    interrupted(EVERYTHING, tmp_path, 8, every=4, per="step")
    trainer, steps = fb.Trainer.resume(tmp_path), Steps()
    before = outcome(trainer)
    with pytest.raises(ValueError, match="callbacks must have the EarlyStopping that the interrupted call"):
        trainer.fit(*EVERYTHING.samples(), callbacks=[steps], epochs=10, **EVERYTHING.fit)
    assert outcome(trainer) == before
    assert not steps.numbers
    assert outcome(EVERYTHING.train(trainer)) == uninterrupted("everything")[0]


def test_csv_goes_on(tmp_path):
    """A row for each epoch, as if nothing had happened."""
    case, path = MOMENTUM, tmp_path / "history.csv"
    with pytest.raises(InterruptedFit):
        case.train(case.made(), fb.callbacks.CSVLogger(path), fb.Checkpoint(tmp_path, every=2), Cut(14))
    trainer = case.train(fb.Trainer.resume(tmp_path), fb.callbacks.CSVLogger(path))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, column in trainer.history.items():
        assert [float(row[name]) for row in rows] == column


# --- metrics and settings -----------------------------------------------------------------------------------


def agreement(y: np.ndarray, a: np.ndarray) -> float:
    return float((a.argmax(axis=1) == y).mean())


def margin(y: np.ndarray, a: np.ndarray) -> float:
    return float(np.ptp(a, axis=1).mean())


FUNCTIONS = Case(
    trainer={"metrics": [agreement, fb.metrics.TopK(2), "mae", margin]}, fit={"validation_split": 0.2}, epochs=3
)


def test_metrics_that_are_functions(tmp_path):
    """Must be given again, as a file cannot hold them."""
    case, metrics = FUNCTIONS, FUNCTIONS.trainer["metrics"]
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 8, every=4, per="step")
    others = [None, [], [agreement, margin], [margin, *metrics[1:3], agreement], [*metrics, "r2"], metrics[::-1]]
    for given in others:
        with pytest.raises(ValueError, match=r"metrics must be those of the checkpoint, .*agreement.*margin"):
            fb.Trainer.resume(tmp_path, metrics=given)
    trainer = fb.Trainer.resume(tmp_path, metrics=metrics)
    assert trainer.metrics == tuple(metrics)
    assert outcome(case.train(trainer)) == wanted


def test_metrics_that_are_none(tmp_path):
    """Come back by themselves; objects with their parameters."""
    metrics = ["top_5_accuracy", fb.metrics.TopK(2), "mae"]
    interrupted(MOMENTUM, tmp_path, 8, MOMENTUM.made(metrics=metrics), every=4, per="step")
    for given in (None, metrics):
        trainer = fb.Trainer.resume(tmp_path, metrics=given)
        assert repr(trainer.metrics) == repr(tuple(metrics))
        assert sorted(trainer.evaluate(*MOMENTUM.samples())) == [
            "accuracy", "loss", "mae", "top_2_accuracy", "top_5_accuracy",
        ]  # fmt: skip
    with pytest.raises(ValueError, match="metrics must be those"):
        fb.Trainer.resume(tmp_path, metrics=["top_5_accuracy", fb.metrics.TopK(3), "mae"])


def label(options: dict) -> str:
    """Of a test with these options."""
    return ", ".join(f"{name} {type(value).__name__}" for name, value in options.items()) or "-"


SCHEDULES = [
    Chain([Warmup(2), Exponential(0.5) * Cosine(3), Step(2)], [2, 1]),
    Chain([Warmup(2), Step(2)], [2]) * (Warmup(5, per="step") * Exponential(0.9)),
    Chain([Warmup(2), fb.schedules.InverseScaling()], [2]),
    Chain([Warmup(2), Chain([Cosine(3), Step(2)], [4])], [2]),
    Chain([Chain([Warmup(1), Cosine(3)], [1]), Step(2)], [2]),
    fb.schedules.Constant(0.5),
    Cosine(9, per="step"),
    Exponential(0.9, per="step"),
    fb.schedules.InverseScaling(0.7),
    fb.schedules.MultiStep([2, 4], gamma=0.3),
    fb.schedules.OneCycle(9, up=0.4),
    fb.schedules.Polynomial(9, power=2.0),
    ReduceOnPlateau("loss", gamma=0.3, patience=0, min_delta=0.1, least=0.01, mode="min"),
    Step(2, gamma=0.3),
    fb.schedules.WarmRestarts(2, growth=2, least=0.1),
    Warmup(3),
]
OPTIMIZERS = [
    fb.SGD(0.1, momentum=0.8, nesterov=True),
    fb.Adam(0.01, betas=(0.8, 0.95), epsilon=1e-6),
    fb.AdamW(0.01, weight_decay=0.1),
    fb.RMSprop(0.01, alpha=0.9, momentum=0.5, centered=True),
    fb.Adagrad(0.1, lr_decay=0.1),
    fb.Adadelta(0.5, rho=0.8),
    fb.LBFGS(0.5, memory=3),
    fb.Rprop(0.02, etas=(0.4, 1.1), step_sizes=(1e-5, 1), forgiving=False),
]
SETTINGS = [
    *({"schedule": schedule} for schedule in SCHEDULES),
    *({"optimizer": optimizer} for optimizer in OPTIMIZERS),
    *({"loss": loss} for loss in (fb.losses.CrossEntropy(label_smoothing=0.1), fb.losses.Huber(0.5), "hinge")),
    {"average": fb.EMA(0.7)},
    {"average": fb.SWA(start=1)},
    {"l1": 1e-3, "l2": 0.1, "clip_value": 0.01, "clip_norm": 0.5},
    {"batch_size": 7, "shuffle": False, "gradient": "stored", "seed": 2**70},
]
NETWORKS = [
    {"activation": fb.activations.LeakyReLU(0.2)},
    {"activation": [fb.activations.ELU(0.5)], "output": fb.activations.LeakyReLU(0.3)},
    {"activation": "gelu", "output": "identity", "init": "he_normal"},
    {"dropout": [0.1, 0.2], "input_noise": 0.3, "max_norm": 0.7},
    {"scale": [1, 2, 3, 4, 0.1], "shift": np.arange(5) / 3, "dtype": "float64"},
    {"sizes": [5, 3]},
    {"sizes": [5, 17, 9, 3], "activation": ["tanh", fb.activations.ELU(0.5)]},
]


def test_settings_are_of_every_class():
    assert {type(schedule).__name__ for schedule in SCHEDULES} == {*fb.schedules.SCHEDULES}
    assert {type(optimizer) for optimizer in OPTIMIZERS} == {*fb.optimizers.OPTIMIZERS.values()}


@pytest.mark.parametrize(
    ("settings", "network"),
    [*((one, {}) for one in SETTINGS), *(({"loss": "squared_error"}, one) for one in NETWORKS)],
    ids=label,
)
def test_settings_come_back(tmp_path, settings, network):
    """And the twin trains as the original does."""
    if isinstance(settings.get("optimizer"), fb.LBFGS):
        pytest.importorskip("scipy")
    X, y = MOMENTUM.samples()
    net = fb.MLP(**{"sizes": [5, 8, 3], "output": "softmax", "seed": 0, **network})
    trainer = fb.Trainer(net, **{"loss": "cross_entropy", "seed": 0, "n_threads": 1, **settings})
    trainer.fit(X, y, callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.Trainer.resume(tmp_path)
    options = "loss", "optimizer", "schedule", "l1", "l2", "clip_value", "clip_norm", "average", "metrics"
    for name in (*options, "batch_size", "shuffle", "n_threads", "gradient"):
        assert repr(getattr(twin, name)) == repr(getattr(trainer, name))
    assert repr(twin.network) == repr(net)
    for name in ("architecture", "shift", "scale"):
        assert repr(getattr(twin.network, name)) == repr(getattr(net, name))
    for one in (trainer, twin):
        one.fit(X, y, epochs=2 if one is trainer else 3)
    assert outcome(twin) == outcome(trainer)


class Zigzag(fb.schedules.Schedule):
    """A schedule of the user's."""

    def factor(self, x, scores):
        return 1.0 + x % 2


def subclass(base: type) -> type:
    """A class of the user's that has the name of one of fastbp's."""
    return type(base.__name__, (base,), {"factor": Zigzag.factor})


OWN = {
    "Zigzag": {"schedule": Zigzag()},
    "in a product": {"schedule": Warmup(3) * (Warmup(3) * Zigzag())},
    "in a chain": {"schedule": Chain([Warmup(3), Zigzag()], [3])},
    "of a known name": {"schedule": subclass(Cosine)(3)},
    "of a known name, in a product": {"schedule": Warmup(3) * subclass(Cosine)(3)},
    "optimizer": {"optimizer": type("Own", (fb.SGD,), {})(0.1)},
    "optimizer of a known name": {"optimizer": subclass(fb.SGD)(0.1)},
    "average": {"average": type("Own", (fb.EMA,), {})(0.5)},
    "average of a known name": {"average": subclass(fb.EMA)(0.5)},
}


@pytest.mark.parametrize("own", OWN)
def test_classes_of_the_user(tmp_path, own):
    """A file cannot hold them: an error before anything is trained."""
    trainer, steps = MOMENTUM.made(**OWN[own]), Steps()
    before = outcome(trainer)
    with pytest.raises((ValueError, TypeError)):
        MOMENTUM.train(trainer, fb.Checkpoint(tmp_path / "new"), steps)
    assert outcome(trainer) == before
    assert not steps.numbers
    assert not names(tmp_path)


@pytest.mark.parametrize(
    ("settings", "network"),
    [
        ({"optimizer": fb.SGD(np.float32(0.1))}, {}),
        ({"schedule": Step(np.int64(2))}, {}),
        ({"average": fb.EMA(np.float32(0.5))}, {}),
        ({"loss": fb.losses.Huber(np.float32(0.5))}, {}),
        ({"batch_size": np.int64(16), "seed": np.int32(3), "l2": np.float32(0.1)}, {}),
        ({}, {"activation": fb.activations.LeakyReLU(np.float32(0.1))}),
        ({}, {"dropout": np.float32([0.1, 0.2]), "max_norm": np.float32(0.5)}),
    ],
    ids=label,
)
def test_numbers_of_numpy(tmp_path, settings, network):
    """What can be trained with can be written."""
    case = Case(network, settings)
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 8, every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == wanted


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 4, 9])
def test_keep(tmp_path, keep):
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, keep=keep), epochs=5)
    assert names(tmp_path) == checkpoints(*range(max(1, 6 - keep), 6))


@pytest.mark.parametrize(
    ("every", "per", "epochs"),
    [(1, "epoch", [1, 2, 3, 4, 5]), (2, "epoch", [2, 4, 5]), (9, "epoch", [5]), (8, "step", [1, 2, 3, 5])],
)
def test_every(tmp_path, every, per, epochs):
    """So many epochs or steps; and the last epoch in any case."""
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, every=every, per=per, keep=99), epochs=5)
    assert names(tmp_path) == checkpoints(*range(1, len(epochs) + 1))
    assert [fb.Trainer.resume(alone(tmp_path, k)).history.epochs for k in range(1, len(epochs) + 1)] == epochs


def alone(directory: Path, number: int) -> Path:
    """A directory with this checkpoint only."""
    new = directory.parent / f"{directory.name} {number}"
    new.mkdir()
    (new / checkpoints(number)[0]).write_bytes((directory / checkpoints(number)[0]).read_bytes())
    return new


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "every must be at least 1"),
        ({"every": 1.5}, TypeError, "every must be an integer"),
        ({"keep": 0}, ValueError, "keep must be at least 1"),
        ({"keep": None}, TypeError, "keep must be an integer"),
        ({"per": "second"}, ValueError, "per must be one of 'epoch', 'step'"),
    ],
)
def test_bad_options(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        fb.Checkpoint(tmp_path, **options)


def test_numbers_go_on(tmp_path):
    """Where there are checkpoints of another training, and beyond eight digits."""
    case = MOMENTUM
    case.train(case.made(), fb.Checkpoint(tmp_path))
    assert names(tmp_path) == checkpoints(1, 2, 3)
    case.train(case.made(seed=1), fb.Checkpoint(tmp_path), epochs=2)
    assert names(tmp_path) == checkpoints(3, 4, 5)
    assert outcome(fb.Trainer.resume(tmp_path)) == outcome(case.train(case.made(seed=1), epochs=2))
    (tmp_path / checkpoints(5)[0]).rename(tmp_path / checkpoints(99_999_999)[0])
    trainer = case.train(case.made(seed=2), fb.Checkpoint(tmp_path), epochs=1)
    assert names(tmp_path) == sorted(checkpoints(4, 99_999_999, 100_000_000))
    assert outcome(fb.Trainer.resume(tmp_path)) == outcome(trainer)


def test_where_it_is_written(tmp_path):
    """Directories are made; a file in their place is an error before any training."""
    directory = tmp_path / "a" / "b"
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(str(directory)))
    assert outcome(fb.Trainer.resume(str(directory))) == uninterrupted("momentum")[0]
    (tmp_path / "file").touch()
    trainer = MOMENTUM.made()
    with pytest.raises(OSError, match="file"):
        MOMENTUM.train(trainer, fb.Checkpoint(tmp_path / "file"))
    assert trainer.history.epochs == 0
    if os.name == "posix":
        mode = (directory / checkpoints(1)[0]).stat().st_mode
        assert stat.S_IMODE(mode) == 0o666 & ~os.umask(os.umask(0o022))


def test_files_that_are_none_of_ours(tmp_path):
    """What a killed process has left is removed; what others have put there is neither read nor removed."""
    others = [*(f"checkpoint-{what}.safetensors" for what in ("best", "", "-1", "3 (copy)", "\u00b2")), ".hidden"]
    others += ["model.safetensors", "xcheckpoint-00000009.safetensors", "checkpoint-00000009.safetensors.old"]
    for name in [*others, ".checkpoint-00000002.safetensors.k3x_9a"]:
        (tmp_path / name).write_text("something else")
    with pytest.raises(FileNotFoundError):
        fb.Trainer.resume(tmp_path)
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, keep=1))
    assert names(tmp_path) == sorted([*others, *checkpoints(3)])
    assert outcome(fb.Trainer.resume(tmp_path)) == uninterrupted("momentum")[0]


@pytest.mark.parametrize("made", [True, False], ids=["empty", "missing"])
def test_no_checkpoint(tmp_path, made):
    directory = tmp_path / "runs"
    if made:
        directory.mkdir()
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no checkpoint in {directory}")):
        fb.Trainer.resume(directory)


DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "hole": lambda content: content[:512] + bytes(512) + content[1024:],
    "a name": lambda content: content.replace(b"agreement", b"agreemend"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged(tmp_path, kind):
    """A warning, and the one before; an error if there is none that can be read."""
    case, metrics = FUNCTIONS, FUNCTIONS.trainer["metrics"]
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 11, every=2, per="step")
    assert names(tmp_path) == checkpoints(3, 4, 5)
    for number in (5, 4):
        path, steps = tmp_path / checkpoints(number)[0], Steps()
        path.write_bytes(DAMAGE[kind](path.read_bytes()))
        with pytest.warns(UserWarning, match="going back to the one before") as caught:
            trainer = fb.Trainer.resume(tmp_path, metrics=metrics)
        assert [Path(str(w.message).partition(" is not")[0]).name for w in caught] == checkpoints(5, 4)[: 6 - number]
        assert {w.filename for w in caught} == {__file__}
        assert outcome(case.train(trainer, steps)) == wanted
        assert steps.numbers[0] == 2 * (number - 1) + 1
    path = tmp_path / checkpoints(3)[0]
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.warns(UserWarning, match="going back"), pytest.raises(fb.ModelFileError, match=re.escape(str(path))):
        fb.Trainer.resume(tmp_path, metrics=metrics)


def test_training_goes_on_beside_damaged_files(tmp_path):
    """Later checkpoints have higher numbers than the damaged one, and replace it in time."""
    interrupted(MOMENTUM, tmp_path, 11, every=2, per="step")
    (tmp_path / checkpoints(5)[0]).write_bytes(b"")
    with pytest.warns(UserWarning, match="going back"):
        trainer = fb.Trainer.resume(tmp_path)
    interrupted(MOMENTUM, tmp_path, 11, trainer, every=1, per="step")
    assert names(tmp_path) == checkpoints(6, 7, 8)
    assert outcome(MOMENTUM.train(fb.Trainer.resume(tmp_path))) == uninterrupted("momentum")[0]


def test_other_files_are_no_checkpoints(tmp_path):
    MOMENTUM.made().network.save(tmp_path / checkpoints(1)[0])
    with pytest.raises(fb.ModelFileError, match="its format is 'fastbp network', not 'fastbp checkpoint'"):
        fb.Trainer.resume(tmp_path)
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path))
    with pytest.raises(fb.ModelFileError, match="its format is 'fastbp checkpoint', not 'fastbp network'"):
        fb.load(tmp_path / checkpoints(4)[0])


def test_mutated_files(tmp_path):
    """500 of them: the documented error, or nothing has changed; and no memory to speak of."""
    path, metrics = tmp_path / checkpoints(1)[0], FUNCTIONS.trainer["metrics"]
    wanted = outcome(FUNCTIONS.train(FUNCTIONS.made()))
    interrupted(FUNCTIONS, tmp_path, 11, every=10, per="step")
    assert names(tmp_path) == [path.name]
    content, trainers, tried = path.read_bytes(), [], 0
    tracemalloc.start()
    for data in mutations(content, 500):
        if data == content:
            continue
        tried += 1
        path.write_bytes(data)
        with contextlib.suppress(fb.ModelFileError):
            trainers.append(fb.Trainer.resume(tmp_path, metrics=metrics))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tried > 490
    assert len(trainers) < 0.01 * tried
    assert all(outcome(FUNCTIONS.train(trainer)) == wanted for trainer in trainers)
    assert peak < 2**20


def rewrite(path: Path, change: Callable[[dict, dict], object]) -> None:
    """The file with other contents, and a digest that fits them: as a liar would write it."""
    tensors, content = load_file(path), path.read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    described = json.loads(metadata["description"])
    change(described, tensors)
    metadata["description"] = json.dumps(described)
    metadata["sha256"] = files.digest(metadata["description"], sorted(tensors.items()))
    save_file(tensors, path, metadata)


def without(name: str) -> Callable[[dict, dict], object]:
    """A lie: something is not there."""
    return lambda d, t: (d if name in d else t).pop(name)


LIES = {
    **{f"no {name}": without(name) for name in ("network", "trainer", "history", "step", "seed", "position")},
    **{f"no {name}": without(name) for name in ("theta", "shift", "scale", "state", "average")},
    "no rng": lambda d, t: d["position"].pop("rng"),
    "no loss": lambda d, t: d["trainer"].pop("loss"),
    "another setting": lambda d, t: d["trainer"].update(flavour="sour"),
    "another class": lambda d, t: d["trainer"].update(optimizer={"os.system": {"command": "true"}}),
    "a class elsewhere": lambda d, t: d["trainer"].update(average={"Cosine": {"length": 3}}),
    "negative rate": lambda d, t: d["trainer"]["optimizer"]["Adam"].update(learning_rate=-1.0),
    "batches of none": lambda d, t: d["trainer"].update(batch_size=0),
    "metrics that are no list": lambda d, t: d["trainer"].update(metrics=3),
    "more metrics than names": lambda d, t: d["trainer"]["metrics"].append("r2"),
    "a layer that is not there": lambda d, t: d["network"].update(sizes=[5, 8, 8, 3], dropout=[0.1, 0.2, 0.3]),
    "large layers": lambda d, t: d["network"].update(sizes=[5, 200_000, 3]),
    "layers beyond all memory": lambda d, t: d["network"].update(sizes=[5, 10**12, 3]),
    "large state": lambda d, t: d["trainer"].update(optimizer={"LBFGS": {"memory": 10**4}}),
    "state beyond all memory": lambda d, t: d["trainer"].update(optimizer={"LBFGS": {"memory": 10**12}}),
    "state of another rule": lambda d, t: d["trainer"].update(optimizer={"SGD": {}}),
    "another dtype": lambda d, t: d["network"].update(dtype="float64"),
    "theta in another dtype": lambda d, t: t.update(theta=t["theta"].astype(np.float64)),
    "state in another dtype": lambda d, t: t.update(state=t["state"].astype(np.int32)),
    "theta is short": lambda d, t: t.update(theta=t["theta"][:-1]),
    "theta is a matrix": lambda d, t: t.update(theta=t["theta"][None]),
    "average is short": lambda d, t: t.update(average=t["average"][:1]),
    "shift is infinite": lambda d, t: t["shift"].__setitem__(1, np.inf),
    "a tensor more": lambda d, t: t.update(extra=np.zeros(3)),
    "no array of a callback": lambda d, t: t.pop("callback 0 best"),
    "another generator": lambda d, t: d["position"]["rng"].update(bit_generator="MT19937"),
    "a generator's state": lambda d, t: d["position"]["rng"].update(state="x"),
    "another place": lambda d, t: d["position"].update(corner="left"),
    "steps before the first": lambda d, t: d["position"].update(steps=-1000),
    "half a step": lambda d, t: d["position"].update(steps=0.5),
    "epochs before the first": lambda d, t: d["position"].update(first=-1),
    "two sums": lambda d, t: d["position"].update(sums=[0.0, 0.0]),
    "a sum that is text": lambda d, t: d["position"].update(sums=["a", 0.0, 0.0]),
    "a negative step": lambda d, t: d.update(step=-1),
    "a step that is text": lambda d, t: d.update(step="9"),
    "a negative seed": lambda d, t: d.update(seed=-1),
    "history that is a number": lambda d, t: d.update(history=3),
    "history of numbers": lambda d, t: d.update(history={"loss": 3}),
    "history of two lengths": lambda d, t: d["history"]["loss"].append(1.0),
    "history of text": lambda d, t: d["history"].update(loss=["a"]),
    "callbacks that are none": lambda d, t: d["position"].update(callbacks=[3]),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(tmp_path, lie):
    """Refused when the file is read, and not by a kernel that checks nothing; for little memory."""
    interrupted(EVERYTHING, tmp_path, 8, every=7, per="step")
    path = tmp_path / checkpoints(1)[0]
    rewrite(path, lambda d, t: None)
    assert outcome(EVERYTHING.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]
    rewrite(path, LIES[lie])
    tracemalloc.start()
    try:
        with pytest.raises(fb.ModelFileError, match=re.escape(str(path))):
            fb.Trainer.resume(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


# --- a full disk --------------------------------------------------------------------------------------------


def fill(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[int], bool]) -> None:
    """Have every fsync fail of what is `wanted`: of the modes of open files."""
    original = os.fsync

    def fsync(handle: int) -> None:
        if wanted(os.fstat(handle).st_mode):
            raise OSError(28, "No space left on device")
        original(handle)

    monkeypatch.setattr(files.os, "fsync", fsync)


def contents(directory: Path) -> dict[str, bytes]:
    """Of the files in a directory, by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(("every", "per"), [(1, "epoch"), (5, "step")])
def test_full_disk(tmp_path, monkeypatch, every, per):
    """An error; checkpoints that were there are as they were, there is no other file, and what was learnt stays."""
    case = EVERYTHING
    case.train(case.made(), fb.Checkpoint(tmp_path), epochs=2)
    before, trainer, last, seen = contents(tmp_path), case.made(), Steps(), []
    after = fb.callbacks.Lambda(batch_end=lambda state: seen.append(state.network.predict(case.samples()[0])))
    fill(monkeypatch, stat.S_ISREG)
    X, y = case.samples()
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(X, y, epochs=3, callbacks=[after, last, fb.Checkpoint(tmp_path, every=every, per=per)], **case.fit)
    assert contents(tmp_path) == before
    assert last.numbers[-1] == 5
    assert (trainer.network.predict(X) == seen[-1]).all()
    assert trainer.history.epochs == (per == "epoch")
    monkeypatch.undo()
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]


def test_full_disk_and_on(tmp_path, monkeypatch):
    """The trainer itself can go on too, with the same bits."""
    case = MOMENTUM
    trainer = case.made()
    fill(monkeypatch, stat.S_ISREG)
    with pytest.raises(OSError, match="No space left"):
        case.train(trainer, fb.Checkpoint(tmp_path))
    assert not names(tmp_path)
    monkeypatch.undo()
    assert outcome(case.train(trainer, fb.Checkpoint(tmp_path), epochs=2)) == uninterrupted("momentum")[0]
    assert outcome(fb.Trainer.resume(tmp_path)) == uninterrupted("momentum")[0]


@pytest.mark.skipif(os.name != "posix", reason="directories cannot be opened here")
def test_directory_that_cannot_be_synchronised(tmp_path, monkeypatch):
    """The new file is whole, though it may be gone after a power cut; so those before it stay."""
    case = MOMENTUM
    case.train(case.made(), fb.Checkpoint(tmp_path, keep=1), epochs=2)
    before = contents(tmp_path)
    fill(monkeypatch, stat.S_ISDIR)
    with pytest.raises(OSError, match="No space left"):
        case.train(case.made(), fb.Checkpoint(tmp_path, keep=1))
    assert names(tmp_path) == checkpoints(2, 3)
    assert before.items() <= contents(tmp_path).items()
    monkeypatch.undo()
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("momentum")[0]


# --- kills --------------------------------------------------------------------------------------------------

KILLS = 100
KILLED = Case(
    EVERYTHING.network,
    {**EVERYTHING.trainer, "schedule": Cosine(2000, least=0.1, per="step") * ReduceOnPlateau(gamma=0.5, patience=1)},
    {"validation_split": 0.2},
    epochs=40,
    patience=4,
)


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
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "an error in the child"
    return os.WIFSIGNALED(status)


def kills(place: str, every: int, per: str, n: int) -> None:
    """End trainings again and again, until there were KILLS of them; print when they came."""
    rng = np.random.default_rng(0)
    case = replace(KILLED, n=n, fit={**KILLED.fit, "sample_weight": rng.uniform(0, 2, n)})
    shared = np.frombuffer(mmap.mmap(-1, 16), np.int64)  # of the child: whether it trains, and the steps it has done

    def note(state: fb.callbacks.State) -> None:
        shared[:] = True, state.step

    def train(trainer: fb.Trainer, directory: Path) -> fb.Trainer:
        watch = fb.callbacks.Lambda(train_begin=note, batch_end=note)
        return case.train(trainer, watch, fb.Checkpoint(directory, every=every, per=per))

    durations = []
    for _ in range(3):
        start, whole = time.perf_counter(), train(case.made(), Path(place) / "whole")
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
@pytest.mark.parametrize(("every", "per", "n"), [(7, "step", 640), (1, "epoch", 2000)])
def test_killed(tmp_path, every, per, n):
    """SIGKILL at 100 random moments, of trainings and of what resumes them: the newest checkpoint can be read, a
    training that has none begins anew, and all end with the same bits."""
    code = f"import test_checkpoints as t; t.kills({str(tmp_path)!r}, {every}, {per!r}, {n})"
    seen = json.loads(run(code, timeout=300).stdout)
    assert seen["kills"] >= KILLS
    assert seen["in training"] >= 60
    assert seen["in an epoch"] >= 20
    assert seen["in a second call"] >= 10
    assert seen["at first"] >= 1
