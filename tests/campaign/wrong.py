"""Calls with arguments that are wrong.

Each must raise a documented error and change nothing, or it is right after all, and works.
"""

from __future__ import annotations

import copy
import functools
import os
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from campaign import checks, odd
from campaign.draws import choose
from campaign.turns import error_of

import fastbp as fb
from fastbp import callbacks, losses, metrics, schedules

CALLS = 60
"""The number of calls of a round."""
SETTINGS = (
    "loss", "optimizer", "schedule", "l1", "l2", "clip_value", "clip_norm", "average", "metrics", "batch_size",
    "shuffle", "n_threads", "gradient", "network",
)  # fmt: skip


class Call(NamedTuple):
    """A function with arguments that are right, each of which can become wrong."""

    function: Callable
    arguments: dict[str, object]
    """The arguments by their names."""


class Stop(callbacks.Callback):
    """Ends training at once, however many epochs it is to have."""

    def on_epoch_begin(self, state: callbacks.State) -> None:
        state.stop = state.epoch >= 1


def _makers() -> dict[str, Call]:
    """What makes objects from settings."""
    network = {"sizes": [4, 5, 3], "activation": "tanh", "output": "softmax", "init": None, "scale": 1.0, "shift": 0.0}
    network |= {"dropout": 0.1, "input_noise": 0.1, "max_norm": 1.0, "dtype": "float32", "seed": 0}
    trainer = {"network": fb.MLP([4, 3], seed=0), "loss": "squared_error", "optimizer": fb.SGD(), "schedule": None}
    trainer |= {"l1": 0.0, "l2": 0.0, "clip_value": 1.0, "clip_norm": 1.0, "average": None, "metrics": ["mae"]}
    trainer |= {"batch_size": 2, "shuffle": True, "seed": 0, "n_threads": 1, "gradient": "fused"}
    return {
        "MLP": Call(fb.MLP, network),
        "Trainer": Call(fb.Trainer, trainer),
        "SGD": Call(fb.SGD, {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}),
        "AdamW": Call(fb.AdamW, {"learning_rate": 0.1, "betas": (0.9, 0.99), "epsilon": 1e-8, "weight_decay": 0.1}),
        "RMSprop": Call(fb.RMSprop, {"learning_rate": 0.1, "alpha": 0.9, "momentum": 0.1, "centered": True}),
        "Adagrad": Call(fb.Adagrad, {"learning_rate": 0.1, "lr_decay": 0.1, "epsilon": 1e-8}),
        "Adadelta": Call(fb.Adadelta, {"learning_rate": 0.1, "rho": 0.9, "epsilon": 1e-8}),
        "Rprop": Call(
            fb.Rprop, {"learning_rate": 0.1, "etas": (0.5, 1.2), "step_sizes": (0.1, 1.0), "forgiving": True}
        ),
        "LBFGS": Call(fb.LBFGS, {"learning_rate": 1.0, "memory": 3}),
        "EMA": Call(fb.EMA, {"decay": 0.9}),
        "SWA": Call(fb.SWA, {"start": 1}),
        "CrossEntropy": Call(losses.CrossEntropy, {"label_smoothing": 0.1}),
        "Huber": Call(losses.Huber, {"delta": 0.1}),
        "Quantile": Call(losses.Quantile, {"q": 0.1}),
        "LeakyReLU": Call(fb.activations.LeakyReLU, {"slope": 0.1}),
        "ELU": Call(fb.activations.ELU, {"alpha": 0.1}),
        "Step": Call(schedules.Step, {"size": 3, "gamma": 0.5, "per": "step"}),
        "MultiStep": Call(schedules.MultiStep, {"milestones": (3, 4), "gamma": 0.5, "per": "step"}),
        "Exponential": Call(schedules.Exponential, {"gamma": 0.5, "per": "step"}),
        "InverseScaling": Call(schedules.InverseScaling, {"power": 0.5, "per": "step"}),
        "Polynomial": Call(schedules.Polynomial, {"length": 3, "power": 0.5, "per": "step"}),
        "Cosine": Call(schedules.Cosine, {"length": 3, "least": 0.5, "per": "step"}),
        "WarmRestarts": Call(schedules.WarmRestarts, {"length": 3, "growth": 2, "least": 0.5, "per": "step"}),
        "OneCycle": Call(schedules.OneCycle, {"length": 3, "up": 0.3, "start": 0.1, "end": 0.1, "per": "step"}),
        "Warmup": Call(schedules.Warmup, {"length": 3, "per": "step"}),
        "ReduceOnPlateau": Call(
            schedules.ReduceOnPlateau, {"monitor": "loss", "gamma": 0.5, "patience": 1, "min_delta": 0.1}
        ),
        "BoldDriver": Call(schedules.BoldDriver, {"monitor": "loss", "up": 1.1, "down": 0.5, "mode": "min"}),
        "Chain": Call(schedules.Chain, {"schedules": (schedules.Warmup(3), schedules.Step(2)), "lengths": (3,)}),
        "EarlyStopping": Call(fb.EarlyStopping, {"monitor": "loss", "patience": 1, "min_delta": 0.1, "mode": "min"}),
        "Checkpoint": Call(fb.Checkpoint, {"directory": "run", "every": 1, "per": "step", "keep": 2}),
        "Lambda": Call(callbacks.Lambda, {"batch_end": print, "train_end": print, "every": 2}),
        "CSVLogger": Call(callbacks.CSVLogger, {"path": "log.csv"}),
        "TopK": Call(metrics.TopK, {"k": 2}),
        "load": Call(fb.load, {"path": "network"}),
        "resume": Call(fb.Trainer.resume, {"directory": "run", "metrics": None}),
    }


def _methods(trainer: fb.Trainer) -> dict[str, Call]:
    """What a trainer and its network do."""
    rng, net = np.random.default_rng(0), trainer.network
    X, y, w = rng.normal(size=(6, 4)), rng.integers(0, 3, 6), np.ones(6)
    samples = {"X": X, "y": y, "sample_weight": w}
    fit = {"epochs": 1, "class_weight": {0: 2.0}, "validation_data": (X, y), "shuffle_buffer": 4, "callbacks": [Stop()]}
    fit |= {"validation_split": 0.0, "progress": False}
    return {
        "fit": Call(trainer.fit, samples | fit),
        "fit of blocks": Call(trainer.fit, {"X": [(X, y)], "epochs": 1, "callbacks": [Stop()], "shuffle_buffer": 3}),
        "fit of a block": Call(lambda **block: trainer.fit([tuple(block.values())], callbacks=[Stop()]), samples),
        "validate": Call(
            lambda **given: trainer.fit(X, y, validation_data=tuple(given.values()), callbacks=[Stop()]), samples
        ),
        "partial_fit": Call(trainer.partial_fit, samples),
        "evaluate": Call(trainer.evaluate, samples),
        "predict": Call(net.predict, {"X": X, "n_threads": 1}),
        "predict_classes": Call(net.predict_classes, {"X": X, "n_threads": 1}),
        "gradients": Call(net.gradients, samples | {"loss": "cross_entropy", "seed": 1, "n_threads": 1}),
        "set_weights": Call(net.set_weights, {"weights": net.weights, "biases": net.biases}),
        "a weight": Call(lambda W: net.set_weights([W, *net.weights[1:]], net.biases), {"W": net.weights[0]}),
        "astype": Call(net.astype, {"dtype": "float64"}),
        "save": Call(net.save, {"path": "saved"}),
        "check_gradients": Call(
            fb.check_gradients, {"network": net, **dict(list(samples.items())[:2]), "loss": "cross_entropy"}
        ),
        "Ensemble": Call(fb.Ensemble, {"trainers": [trainer]}),
        "assign": Call(lambda **one: [setattr(trainer, *each) for each in one.items()], dict.fromkeys(SETTINGS)),
    }


trainers: list[fb.Trainer] = []


def prepare() -> None:
    """Make a directory in which files may appear, and a trainer to copy."""
    odd.limit_memory()
    os.fsync = lambda handle: None
    os.chdir(tempfile.mkdtemp())
    net = fb.MLP([4, 5, 3], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(), average=fb.EMA(), seed=0, n_threads=1)
    trainer.fit(np.ones((5, 4)), [0, 1, 2, 0, 1], callbacks=[fb.Checkpoint("run")])
    net.save("network")
    trainers.append(trainer)
    for name, call in {**_makers(), **_methods(copy.deepcopy(trainer))}.items():
        if name != "assign":  # its arguments are only names
            call.function(**call.arguments)


def play(seed: int) -> dict[str, int]:
    """Make wrong calls of one trainer after another."""
    rng, makers = np.random.default_rng(seed), _makers()
    trainer, refused = copy.deepcopy(trainers[0]), 0
    methods, before = _methods(trainer), checks.bits(trainer)
    for _ in range(CALLS):
        name, call = choose(rng, tuple((makers if rng.random() < 0.3 else methods).items()))
        argument, value = choose(rng, tuple(call.arguments)), choose(rng, tuple(odd.values(rng)))
        arguments = {argument: value} if name == "assign" else call.arguments | {argument: value}
        said = f"{name} with {argument} = {value!r:.200} of {type(value).__name__}"
        # A network can be larger than any memory.
        also = [MemoryError] * said.startswith("MLP with sizes")
        error = error_of(functools.partial(call.function, **arguments), said, *also)
        refused += error is not None
        if error is None or isinstance(error, FloatingPointError):
            trainer = copy.deepcopy(trainers[0])
            methods = _methods(trainer)
        else:
            assert checks.bits(trainer) == before, f"{said} has changed the trainer, and raised {error!r}"
    return {"wrong calls": CALLS, "refused": refused}
