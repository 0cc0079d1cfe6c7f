"""Trainings of `bits.py` that are drawn at random from all options of `Trainer` and `fit`, for dense inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from bits_items import SEED, Items, columns, outcome, parameters

import fastbp as fb

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
