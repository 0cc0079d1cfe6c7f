"""Trainings of `bits.py` with names: interruptions, files, ensembles, blocks, and a loss that is not finite."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bits_drawn import OUTPUTS
from bits_items import SEED, Case, Items, columns, outcome, parameters

import fastbp as fb

RESUMED = {
    "adam": ({}, {"optimizer": fb.Adam(0.01)}, {}),
    "ema": ({}, {"average": fb.EMA(0.9)}, {}),
    "dropout": ({"dropout": [0.1, 0.3, 0.2], "input_noise": 0.1}, {}, {}),
    "schedule": ({}, {"schedule": fb.schedules.Warmup(9, per="step") * fb.schedules.Cosine(5)}, {}),
    "momentum": ({}, {"optimizer": fb.SGD(0.05, momentum=0.9)}, {}),
    "early stopping": ({}, {"optimizer": fb.SGD(0.5, momentum=0.9)}, {"validation_split": 0.2}),
    "swa": ({"dtype": "float64"}, {"average": fb.SWA(start=1), "optimizer": fb.RMSprop(0.003)}, {}),
    "plateau": ({"max_norm": 0.7}, {"schedule": fb.schedules.ReduceOnPlateau("loss", patience=0)}, {}),
    "no biases": ({"bias": False}, {"l2": 1e-3, "l1": 1e-3, "gradient": "stored", "clip_norm": 0.1}, {}),
    "windows": ({"dtype": "float64"}, {"optimizer": fb.Adagrad(0.03)}, {"shuffle_buffer": 20}),
    "rprop": ({}, {"optimizer": fb.Rprop(0.003), "metrics": ["auc", "f1"]}, {"class_weight": "balanced"}),
}
"""name: arguments of `MLP`, `Trainer` and `fit` of a training that is interrupted."""


def classified(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples with 11 inputs, of 4 classes."""
    rng = np.random.default_rng([SEED, rows])
    return rng.normal(size=(rows, 11)).astype(np.float32), rng.integers(0, 4, rows)


def stop_at_7(state: fb.callbacks.State) -> None:
    """End training after 7 steps."""
    state.stop = state.step == 7


def finish(trainer: fb.Trainer, fit: dict[str, Any], *callbacks: fb.callbacks.Callback) -> list:
    """Train for 6 epochs of 5 steps, or what is left of them; the outcome."""
    stopping = [fb.EarlyStopping(patience=2)] if "validation_split" in fit else []
    trainer.fit(*classified(80), epochs=6, callbacks=[*stopping, *callbacks], progress=False, **fit)
    return outcome(trainer)


def resumable(network: dict[str, Any], options: dict[str, Any]) -> fb.Trainer:
    """The trainer of a training that is interrupted."""
    made = fb.MLP([11, 33, 17, 4], activation="tanh", output="softmax", seed=1, **network)
    options = {"optimizer": fb.SGD(0.01)} | options
    return fb.Trainer(made, loss="cross_entropy", batch_size=16, seed=2, **options)


def resumed(network: dict[str, Any], options: dict[str, Any], fit: dict[str, Any]) -> list:
    """The outcome of a training that was stopped at step 7, and went on from its checkpoint of step 6."""
    with tempfile.TemporaryDirectory() as directory:
        kept = fb.Checkpoint(directory, every=3, per="step")
        finish(resumable(network, options), fit, kept, fb.callbacks.Lambda(batch_end=stop_at_7))
        return finish(fb.Trainer.resume(directory), fit)


def checkpoints(items: Items) -> None:
    """Trainings that are interrupted, and the same ones without that."""
    for name, (network, options, fit) in RESUMED.items():
        items.add(f"checkpoint {name}: not interrupted", finish, resumable(network, options), fit)
        items.add(f"checkpoint {name}: resumed", resumed, network, options, fit)


def loaded(activation: Any, output: Any, dtype: str) -> list:
    """The numbers of a network that was saved and loaded, and its outputs in both dtypes."""
    options = {"scale": np.linspace(0.5, 1.5, 11), "shift": 0.25, "max_norm": 3.0, "dropout": 0.5}
    made = fb.MLP([11, 33, 17, 5], activation=activation, output=output, dtype=dtype, seed=3, **options)
    with tempfile.TemporaryDirectory() as directory:
        made.save(Path(directory) / "m.safetensors")
        network = fb.load(Path(directory) / "m.safetensors")
    X, _ = classified(300)
    outputs = [network.astype(kind).predict(X) for kind in ("float32", "float64")]
    return [parameters(network), network.scale, network.shift, network.predict(X), outputs]


def files(items: Items) -> None:
    """Networks of every activation and output, saved and loaded; also of the threshold, which can only predict."""
    for output in ["threshold", *OUTPUTS]:
        activation = "tanh" if output == "softmax" else output
        for dtype in ("float32", "float64"):
            items.add(f"file {output} {dtype}", loaded, activation, output, dtype)


def ensemble(items: Items) -> None:
    """Three networks side by side."""
    X, y = classified(150)
    nets = [fb.MLP([11, 17 + k, 4], output="softmax", dropout=0.2, seed=k) for k in range(3)]
    options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.01), "batch_size": 16}
    together = fb.Ensemble([fb.Trainer(net, seed=k, **options) for k, net in enumerate(nets)])
    items.add("ensemble histories", lambda: [columns(h) for h in together.fit(X, y, epochs=2, progress=False)])
    items.add("ensemble weights", lambda: [parameters(net) for net in nets])
    items.add("ensemble predictions", together.predict, X)
    items.add("ensemble classes", together.predict_classes, X)


def trained(data: tuple, buffer: int | None) -> list:
    """The outcome of a training with some data, that are shuffled inside windows of so many rows."""
    network = fb.MLP([11, 31, 4], output="softmax", seed=4)
    trainer = fb.Trainer(network, loss="cross_entropy", optimizer=fb.SGD(0.01), batch_size=16, seed=5)
    trainer.fit(*data, epochs=2, shuffle_buffer=buffer, progress=False)
    return outcome(trainer)


def mapped(X: np.ndarray, y: np.ndarray, buffer: int | None) -> list:
    """The outcome of a training with a mapped file."""
    with tempfile.TemporaryDirectory() as directory:
        X.tofile(Path(directory) / "X.f4")
        return trained((np.memmap(Path(directory) / "X.f4", np.float32, "r", shape=X.shape), y), buffer)


def pieces(items: Items) -> None:
    """Data in blocks, with weights and without, and in a mapped file; in windows and without."""
    X, y = classified(333)
    weights = np.random.default_rng(SEED).uniform(0, 2, len(X))
    cuts = [slice(0, 50), slice(50, 51), slice(51, 200), slice(200, 333)]
    for buffer in (None, 64):
        items.add(f"blocks, windows {buffer}", trained, ([(X[cut], y[cut]) for cut in cuts],), buffer)
        weighted = [(X[cut], y[cut], weights[cut]) for cut in cuts]
        items.add(f"blocks with weights, windows {buffer}", trained, (weighted,), buffer)
        items.add(f"memmap, windows {buffer}", mapped, X, y, buffer)


def diverged(items: Items) -> None:
    """A training that fails after an epoch that does not, and what is left then."""
    X, y = classified(80)
    network = fb.MLP([11, 17, 4], activation="identity", seed=6)
    schedule = fb.schedules.Chain((fb.schedules.Constant(), fb.schedules.Constant(1e9)), (1,))
    options = {"optimizer": fb.SGD(0.01, momentum=0.9), "schedule": schedule, "average": fb.EMA(0.9), "seed": 7}
    trainer = fb.Trainer(network, loss="squared_error", batch_size=8, **options)
    items.add("diverging fit", lambda: trainer.fit(X, y, epochs=3, progress=False).to_dict())
    items.add("diverging fit, outcome", outcome, trainer)


CASES: dict[str, Case] = {
    function.__name__: lambda items, _, function=function: function(items)
    for function in (checkpoints, files, ensemble, pieces, diverged)
}
