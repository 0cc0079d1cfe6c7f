"""Do two versions of fastbp give the same bits? Hashes of what they compute, to be written by each and compared.

    python benchmarks/bits.py OUT.json [--configurations 300]     compute, with the fastbp that is imported
    python benchmarks/bits.py --compare A.json B.json             print the names that differ; exit status 1 if any

It uses the public interface alone, so that it runs on versions that have nothing else in common: set PYTHONPATH to the
directory that holds the package. The file has a hash for each name, such as "017 weights", or "raised" and the type of
the error that came instead. "017 configuration" says what was trained. Configurations are drawn from a seed, and the
first 100 of 300 are those of 100. A NaN is hashed as the one NaN of its dtype, because compilers choose its sign.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastbp as fb

SEED = 20
"""Of all that is drawn here."""

ACTIVATIONS = [
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "hard_sigmoid",
    fb.activations.LeakyReLU(0.2), fb.activations.ELU(0.5),
]  # fmt: skip
OUTPUTS = ["softmax", *ACTIVATIONS]

LOSSES = {
    "cross_entropy": "distribution",
    fb.losses.CrossEntropy(0.1): "distribution",
    "binary_cross_entropy": "probabilities",
    "squared_error": "values",
    "mean_squared_error": "values",
    "absolute_error": "values",
    "huber": "values",
    fb.losses.Huber(0.5): "values",
    "quantile": "values",
    fb.losses.Quantile(0.3): "values",
    "poisson": "counts",
    "hinge": "signs",
    "squared_hinge": "signs",
    "multiclass_hinge": "distribution",
    "norm_error": "values",
}
"""loss: what its targets are."""

DOMAINS = {
    "cross_entropy": ["softmax", "softmax", "sigmoid", "hard_sigmoid", "softplus"],
    fb.losses.CrossEntropy(0.1): ["softmax", "softmax", "sigmoid", "softplus"],
    "binary_cross_entropy": ["sigmoid", "sigmoid", "softmax", "hard_sigmoid"],
    "poisson": ["softplus", "sigmoid", "softmax"],
}
"""loss: the outputs whose logarithm it can take. All others go with any output."""

OPTIMIZERS = [
    fb.SGD(0.03),
    fb.SGD(0.01, momentum=0.9),
    fb.SGD(0.01, momentum=0.8, nesterov=True),
    fb.Adam(0.003),
    fb.Adam(0.01, betas=(0.8, 0.95), epsilon=1e-6),
    fb.AdamW(0.003, weight_decay=0.1),
    fb.RMSprop(0.003),
    fb.RMSprop(0.003, centered=True),
    fb.RMSprop(0.001, alpha=0.9, momentum=0.7),
    fb.RMSprop(0.001, momentum=0.5, centered=True),
    fb.Adagrad(0.03),
    fb.Adagrad(0.03, lr_decay=0.1),
    fb.Adadelta(0.5, rho=0.8),
    fb.Rprop(0.003),
    fb.Rprop(0.003, etas=(0.6, 1.1), step_sizes=(1e-5, 0.1), forgiving=False),
    fb.LBFGS(),
    fb.LBFGS(0.5, memory=3),
]

SCHEDULES = [
    fb.schedules.Constant(0.5),
    fb.schedules.Step(2, 0.5),
    fb.schedules.MultiStep((3, 7), 0.3, per="step"),
    fb.schedules.Exponential(0.9),
    fb.schedules.Exponential(0.99, per="step"),
    fb.schedules.InverseScaling(0.5, per="step"),
    fb.schedules.Polynomial(4, 2.0),
    fb.schedules.Cosine(30, 0.1, per="step"),
    fb.schedules.WarmRestarts(3, 2, per="step"),
    fb.schedules.OneCycle(20, per="step"),
    fb.schedules.ReduceOnPlateau("loss", gamma=0.5, patience=0),
    fb.schedules.Warmup(5, per="step") * fb.schedules.Cosine(5),
    fb.schedules.Chain(
        (fb.schedules.Warmup(4, per="step"), fb.schedules.Exponential(0.9, per="step")), (4,), per="step"
    ),
]

WIDTHS = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70]
"""Those near whole vectors and tiles come more often than others."""


@dataclass(frozen=True)
class Configuration:
    """What is trained: the arguments of `MLP`, `Trainer` and `fit` but for their arrays, and what the arrays are."""

    network: dict[str, Any]
    trainer: dict[str, Any]
    fit: dict[str, Any]
    rows: int
    inputs: str
    """The dtype of X."""
    scaling: str
    """Whether scale and shift are numbers, or an array with a number for each feature."""
    targets: str
    """One of "labels", "one-hot" rows, "rows" that fit the loss, and a "column" of shape (n,)."""
    targets_dtype: str
    weighted: bool
    """Whether samples have weights."""
    validation: bool
    """Whether there are validation data."""

    @property
    def loss(self) -> Any:
        """What is minimised."""
        return self.trainer["loss"]

    @property
    def threads(self) -> int | None:
        """The number of threads."""
        return self.trainer["n_threads"]

    def scale_and_shift(self, rng: np.random.Generator) -> dict[str, Any]:
        """The arguments scale and shift of the network."""
        unit = 1 / 255 if self.inputs == "uint8" else 0.7
        if self.scaling == "features":
            size = self.network["sizes"][0]
            return {"scale": unit * rng.uniform(0.5, 1.5, size), "shift": rng.normal(size=size)}
        return {"scale": unit, "shift": 0.25 if self.scaling == "number" else 0.0}

    def samples(self, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """X, y and the weights of so many samples."""
        sizes = self.network["sizes"]
        raw = self.inputs == "uint8"
        X = (rng.integers(0, 256, (rows, sizes[0])) if raw else rng.normal(size=(rows, sizes[0]))).astype(self.inputs)
        weights = rng.uniform(0, 2, rows) * (rng.random(rows) > 0.2) if self.weighted else None
        return X, self._targets(rng, rows, sizes[-1]), weights

    def _targets(self, rng: np.random.Generator, n: int, n_out: int) -> np.ndarray:
        """Targets of n samples."""
        labels = rng.integers(0, n_out, n)
        if self.targets == "labels":
            return labels
        if self.targets == "one-hot":
            return np.eye(n_out)[labels].astype(self.targets_dtype)
        rows = {
            "distribution": lambda: rng.dirichlet(np.ones(n_out), n),
            "probabilities": lambda: rng.random((n, n_out)),
            "counts": lambda: rng.poisson(1.5, (n, n_out)),
            "signs": lambda: rng.choice([-1.0, 1.0], (n, n_out)),
            "values": lambda: rng.normal(size=(n, n_out)),
        }[LOSSES[self.loss]]()
        return (rows[:, 0] if self.targets == "column" else rows).astype(self.targets_dtype)


class Draw:
    """A configuration, drawn part by part; the losses and the optimizers take turns, so that each pair of them comes.

    Parameters
    ----------
    number : of the configuration: 0, 1, ...
    """

    def __init__(self, number: int):
        self.number, self.rng = number, np.random.default_rng([SEED, number])
        self.loss, self.optimizer = list(LOSSES)[number % len(LOSSES)], OPTIMIZERS[number % len(OPTIMIZERS)]
        self.kind = LOSSES[self.loss]
        self.depth = int(self.rng.integers(1, 6))
        lone = self.often(0.03 if self.kind == "distribution" else 0.25) and self.kind != "distribution"
        self.sizes = *(self.width(1) for _ in range(self.depth)), 1 if lone else self.width(2)
        self.rows, self.batch = self.rows_and_batch()
        self.targets = self.one_of(["column", "rows"] if self.plain else ["labels", "labels", "one-hot", "rows"])
        self.split = self.maybe(0.2, "validation_split", 0.2, 0.3)

    def configuration(self) -> Configuration:
        """The whole."""
        return Configuration(
            network=self.network(),
            trainer=self.trainer(),
            fit=self.fit(),
            rows=self.rows,
            inputs=self.one_of(["uint8", "float32", "float32", "float64"]),
            scaling=self.one_of(["none", "number", "features"]),
            targets=self.targets,
            targets_dtype=self.one_of(["uint8"] * (self.targets == "one-hot") + ["float32", "float64"]),
            weighted=self.often(0.25),
            validation=self.often(0.2) and not self.split,
        )

    @property
    def plain(self) -> bool:
        """Whether there is one output, and no classes to choose from."""
        return self.sizes[-1] == 1 and self.kind != "distribution"

    @property
    def classes(self) -> bool:
        """Whether a target is one class of some."""
        return (
            self.targets == "labels"
            or self.kind == "distribution"
            or (self.sizes[-1] == 1 and self.kind in ("probabilities", "signs"))
        )

    def often(self, share: float) -> bool:
        """True in this share of all cases."""
        return bool(self.rng.random() < share)

    def one_of(self, values: list) -> Any:
        """One of some values."""
        return values[int(self.rng.integers(len(values)))]

    def maybe(self, share: float, name: str, *values: Any) -> dict[str, Any]:
        """In this share of all cases, an argument with one of some values; else none."""
        return {name: self.one_of(list(values))} if self.often(share) else {}

    def width(self, least: int) -> int:
        """Units of a layer."""
        return max(least, self.one_of(WIDTHS) if self.often(0.6) else int(self.rng.integers(1, 71)))

    def rows_and_batch(self) -> tuple[int, int]:
        """The number of samples, and of those in a minibatch; minibatches of more than 1024 come in parts."""
        kind = self.one_of(["one", "odd", "odd", "even", "even", "parts", "full", "more"])
        few = int(self.rng.integers(40, 200))
        if kind == "one":
            return 40, 1
        if kind == "parts":
            return int(self.rng.integers(2050, 2600)), int(self.rng.integers(1025, 1700))
        batches = {"odd": [3, 7, 17, 33], "even": [8, 16, 32, 64], "full": [few], "more": [4096]}
        return few, self.one_of(batches[kind])

    def network(self) -> dict[str, Any]:
        """Arguments of `MLP`."""
        hidden = self.depth - 1
        each = [self.one_of(ACTIVATIONS) for _ in range(hidden)]
        domain = DOMAINS.get(self.loss, OUTPUTS)
        drop = [self.one_of([0.0, 0.1, 0.4]) for _ in range(self.depth)]
        network = {
            "sizes": self.sizes,
            "activation": each if hidden and self.often(0.4) else self.one_of(ACTIVATIONS),
            "output": self.one_of(OUTPUTS if self.often(0.05) else domain),
            "dtype": "float64" if self.often(0.35) else "float32",
            **self.maybe(0.2, "init", "he_normal", "glorot_uniform", "lecun_normal"),
            **self.maybe(0.3, "dropout", 0.2, drop),
            **self.maybe(0.15, "input_noise", 0.1),
            **self.maybe(0.25, "max_norm", 0.5, 1.5),
        }
        if network["output"] == "softmax" and self.sizes[-1] == 1:  # which is 1 for each sample: no trainer takes it
            network["output"] = "sigmoid"
        return network

    def trainer(self) -> dict[str, Any]:
        """Arguments of `Trainer`."""
        penalties = self.maybe(0.25, "l1", 1e-4, 1e-2) | self.maybe(0.25, "l2", 1e-4, 1e-2)
        if isinstance(self.optimizer, fb.LBFGS) and len(penalties) == 2:
            del penalties["l1"]
        scores = [("r2",), ("mae", "r2")] + [("top_5_accuracy",)] * (self.targets == "labels" and self.sizes[-1] > 1)
        return {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "batch_size": self.batch,
            "shuffle": self.often(0.7),
            "n_threads": self.one_of([1, 2, 3, None]),
            "gradient": self.one_of(["fused", "stored"]),
            **penalties,
            **self.maybe(0.4, "schedule", *SCHEDULES),
            **self.maybe(0.15, "clip_value", 0.01, 1.0),
            **self.maybe(0.2, "clip_norm", 0.1, 1.0),
            **self.maybe(0.3, "average", fb.EMA(0.9), fb.EMA(0.99), fb.SWA(), fb.SWA(start=1)),
            **self.maybe(0.25, "metrics", *scores),
        }

    def fit(self) -> dict[str, Any]:
        """Arguments of `fit`."""
        classes = self.maybe(0.3, "class_weight", "balanced", {0: 2.0, 1: 0.5}) if self.classes else {}
        return {"epochs": 2, **self.split, **classes, **self.maybe(0.1, "shuffle_buffer", 20, 64)}


def parts(value: Any) -> Iterator[np.ndarray | str]:
    """The arrays and names inside lists, tuples and dicts, one after another."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from parts(inner)
    elif isinstance(value, list | tuple):
        yield f"{len(value)} values"
        for inner in value:
            yield from parts(inner)
    else:
        yield value if isinstance(value, str) else np.asarray(value)


def digest(value: Any) -> str:
    """The hash of all bits of arrays and numbers, with their dtypes and shapes."""
    whole = hashlib.sha256()
    for part in parts(value):
        if isinstance(part, str):
            whole.update(part.encode())
            continue
        whole.update(f"{part.dtype.str} {part.shape}".encode())
        if part.dtype.kind == "f":
            part = np.where(np.isnan(part), part.dtype.type(np.nan), part)
        whole.update(part.tobytes())
    return whole.hexdigest()


def columns(history: fb.History) -> dict[str, list[float]]:
    """A history without the seconds, which differ each time."""
    return {name: column for name, column in history.to_dict().items() if name != "seconds"}


def parameters(network: fb.MLP) -> list[list[np.ndarray]]:
    """All weights and biases."""
    return [network.weights, network.biases]


def outcome(trainer: fb.Trainer) -> list:
    """What a training came to."""
    averages = parameters(trainer.averaged) if trainer.average else []
    return [columns(trainer.history), parameters(trainer.network), averages]


class Items(dict[str, str]):
    """name: hash."""

    def add(self, name: str, compute: Callable[..., Any], *arguments: Any) -> None:
        """Call a function and keep the hash of what it returns, or the type of the error that comes."""
        try:
            self[name] = digest(compute(*arguments))
        except Exception as error:
            self[name] = f"raised {type(error).__name__}"


class Subject:
    """A configuration with its network, its trainer and its samples.

    Parameters
    ----------
    number : of the configuration: 0, 1, ...
    """

    def __init__(self, number: int):
        made = self.made = Draw(number).configuration()
        rng = np.random.default_rng([SEED, number, 1])
        self.network = fb.MLP(**made.network, **made.scale_and_shift(rng), seed=number)
        self.trainer = fb.Trainer(self.network, **made.trainer, seed=number)
        self.X, self.y, self.weights = made.samples(rng, made.rows)
        held_out = made.samples(rng, 50)
        self.options = dict(made.fit, sample_weight=self.weights, progress=False)
        if made.validation:
            self.options["validation_data"] = held_out if made.weighted else held_out[:2]

    def gradients(self, seed: int | None = None) -> tuple:
        """The loss and its gradient; with the masks of a seed, if there is one."""
        options = {"loss": self.made.loss, "sample_weight": self.weights, "n_threads": self.made.threads}
        return self.network.gradients(self.X, self.y, seed=seed, **options)

    def fit(self) -> dict[str, list[float]]:
        """Train; the history."""
        return columns(self.trainer.fit(self.X, self.y, **self.options))

    def predict(self) -> list[np.ndarray]:
        """The outputs of all samples, of one and of some."""
        some = self.X, self.X[:1], self.X[3:20]
        # As rows, also where the network gives the shape (n,) of the targets that it was trained on.
        return [self.network.predict(X, n_threads=self.made.threads).reshape(len(X), -1) for X in some]

    def evaluate(self) -> list[dict[str, float]]:
        """The scores of all samples, with their weights and without."""
        return [self.trainer.evaluate(self.X, self.y, sample_weight=weights) for weights in (self.weights, None)]

    def fit_partly(self) -> list:
        """Train with the first samples in their order; the scores, and what that came to."""
        weights = None if self.weights is None else self.weights[:37]
        scores = self.trainer.partial_fit(self.X[:37], self.y[:37], sample_weight=weights)
        return [scores, outcome(self.trainer)]

    def fit_again(self) -> list:
        """Train once more; what that came to."""
        self.fit()
        return outcome(self.trainer)


def suffixes(made: Configuration, kind: str) -> str:
    """Marks of items that may differ for reasons of their own, to be looked at apart."""
    search = isinstance(made.trainer["optimizer"], fb.LBFGS) and "max_norm" in made.network
    margin = kind == "classes" and made.loss in ("hinge", "squared_hinge")
    return " (hinge classes)" * margin + " (lbfgs max_norm)" * search


def configuration(items: Items, number: int) -> None:
    """The items of a random configuration."""
    subject = Subject(number)
    made, network, trainer = subject.made, subject.network, subject.trainer
    items[f"{number:03d} configuration"] = repr(made)

    def add(kind: str, compute: Callable[..., Any], *arguments: Any) -> None:
        items.add(f"{number:03d} {kind}{suffixes(made, kind)}", compute, *arguments)

    add("gradients before", subject.gradients)
    add("history", subject.fit)
    add("weights", lambda: network.weights)
    add("biases", lambda: network.biases)
    add("predictions", subject.predict)
    add("classes", network.predict_classes, subject.X)
    add("scores", subject.evaluate)
    add("gradients after", subject.gradients)
    add("gradients with masks", subject.gradients, number)
    if trainer.average:
        add("averaged", lambda: parameters(trainer.averaged))
    add("partial fit", subject.fit_partly)
    add("second fit", subject.fit_again)


RESUMED = {
    "adam": ({}, {"optimizer": fb.Adam(0.01)}, {}),
    "ema": ({}, {"average": fb.EMA(0.9)}, {}),
    "dropout": ({"dropout": [0.1, 0.3, 0.2], "input_noise": 0.1}, {}, {}),
    "schedule": ({}, {"schedule": fb.schedules.Warmup(9, per="step") * fb.schedules.Cosine(5)}, {}),
    "momentum": ({}, {"optimizer": fb.SGD(0.05, momentum=0.9)}, {}),
    "early stopping": ({}, {"optimizer": fb.SGD(0.5, momentum=0.9)}, {"validation_split": 0.2}),
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


def compute(configurations: int) -> Items:
    """All items."""
    items = Items()
    for number in range(configurations):
        configuration(items, number)
    for others in (checkpoints, files, ensemble, pieces, diverged):
        others(items)
    return items


def compare(first: Path, second: Path) -> int:
    """Print the names of what differs; how many there are."""
    a, b = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
    different = sorted(name for name in a.keys() & b.keys() if a[name] != b[name])
    for name in different:
        note = f": {a[name]}, {b[name]}" if "raised" in a[name] + b[name] else ""
        print(f"{name}{note}")
    for path, names in ((first, a.keys() - b.keys()), (second, b.keys() - a.keys())):
        for name in sorted(names):
            print(f"{name}: only in {path}")
    alone = len(a.keys() ^ b.keys())
    print(
        f"{len(different)} of {len(a.keys() & b.keys()):,} names differ, {alone} are only in one file", file=sys.stderr
    )
    return len(different) + alone


def main() -> int:
    """Compute or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT.json")
    parser.add_argument("--configurations", type=int, default=300)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"))
    options = parser.parse_args()
    if (options.out is None) == (options.compare is None):
        parser.error("give either OUT.json or --compare A.json B.json")
    if options.compare:
        return int(compare(*options.compare) > 0)
    warnings.filterwarnings("ignore", "the loss .* is made for")  # some pairs are here for their bits alone
    start = time.perf_counter()
    items = compute(options.configurations)
    options.out.write_text(json.dumps(items, indent=0), encoding="utf-8")
    errors = Counter(value for value in items.values() if value.startswith("raised"))
    print(f"{len(items):,} items of {fb.__file__} in {time.perf_counter() - start:.0f} s")
    for error, count in errors.items():
        print(f"{error}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
