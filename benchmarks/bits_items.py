"""What all parts of `bits.py` share: hashes of values, the items that collect them, and a training with its samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastbp as fb

SEED = 20
"""Of all that is drawn in these modules."""

SIGNED = "negative zero"
"""The beginning of the names of items that hold -0.0."""

Case = Callable[["Items", str], None]
"""A function that adds items, whose names begin with the name of the case."""


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
    elif value is None:
        yield "None"
    else:
        yield value if isinstance(value, str) else np.asarray(value)


def digest(value: Any, signs: bool = True) -> str:
    """The hash of all bits of arrays and numbers, with their dtypes and shapes.

    Without `signs`, -0.0 is hashed as 0.0.
    """
    whole = hashlib.sha256()
    for part in parts(value):
        if isinstance(part, str):
            whole.update(part.encode())
            continue
        if part.dtype == object:
            raise TypeError("objects have addresses, which differ each time")
        whole.update(f"{part.dtype.str} {part.shape}".encode())
        if part.dtype.kind == "f":
            part = np.where(np.isnan(part), part.dtype.type(np.nan), part)
            if not signs:
                part = np.where(part == 0, part.dtype.type(0), part)
        whole.update(part.tobytes())
    return whole.hexdigest()


def signed(name: str) -> str:
    """The name of an item that may hold -0.0 for reasons of its own."""
    return name if name.startswith(SIGNED) else f"{SIGNED} {name}"


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

    def add(self, name: str, compute: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """Call a function and keep the hash of what it returns, or the type of the error that comes.

        If the name begins with `SIGNED`, there is a second item, in which -0.0 counts as 0.0.
        """
        unsigned = f"{name} without signs of zeros" if name.startswith(SIGNED) else None
        try:
            value = compute(*arguments, **options)
            self[name] = digest(value)
            if unsigned:
                self[unsigned] = digest(value, signs=False)
        except Exception as error:
            self[name] = f"raised {type(error).__name__}"
            if unsigned:
                self[unsigned] = self[name]

    def run(self, name: str, case: Case) -> None:
        """Add the items of a case. If it raises an error, that is an item too."""
        try:
            case(self, name)
        except Exception as error:
            self[f"{name} ended"] = f"raised {type(error).__name__}"


class Dice:
    """What draws numbers for a case.

    Parameters
    ----------
    part : of the oracle, by its name
    number : of the case: 0, 1, ...
    """

    def __init__(self, part: str, number: int):
        self.rng = np.random.default_rng([SEED, number, *part.encode()])

    def often(self, share: float) -> bool:
        """True in this share of all cases."""
        return bool(self.rng.random() < share)

    def one_of(self, *values: Any) -> Any:
        """One of some values."""
        return values[int(self.rng.integers(len(values)))]

    def maybe(self, share: float, name: str, *values: Any) -> dict[str, Any]:
        """In this share of all cases, an argument with one of some values; else none."""
        return {name: self.one_of(*values)} if self.often(share) else {}


@dataclass
class Training:
    """A trainer with its samples, and all that can be asked of it."""

    trainer: fb.Trainer
    X: Any
    y: np.ndarray
    weights: np.ndarray | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    """More arguments of `fit`."""
    seed: int = 0
    """Of the masks of gradients."""

    @property
    def network(self) -> fb.MLP:
        """The network that is trained."""
        return self.trainer.network

    def gradients(self, seed: int | None = None, **options: Any) -> tuple:
        """The loss and its gradient, for at most 200 samples; with the masks of a seed, if there is one."""
        weights = None if self.weights is None else self.weights[:200]
        options |= {"loss": self.trainer.loss, "sample_weight": weights, "n_threads": self.trainer.n_threads}
        return self.network.gradients(self.X[:200], self.y[:200], seed=seed, **options)

    def learn(self) -> list:
        """Train; what that came to."""
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        self.trainer.fit(self.X, self.y, progress=False, **weights, **{"epochs": 2, **self.fit})
        return outcome(self.trainer)

    def predict(self) -> list[np.ndarray]:
        """The outputs of all samples, of one and of some."""
        some = self.X, self.X[:1], self.X[3:20]
        return [self.network.outputs(X, n_threads=self.trainer.n_threads) for X in some]

    def learn_partly(self) -> list:
        """Train with a few samples, with one, and with some, in their order; what that came to."""
        scores = []
        for some in (slice(0, 9), slice(9, 10), slice(10, 47)):
            weights = None if self.weights is None else self.weights[some]
            scores.append(self.trainer.partial_fit(self.X[some], self.y[some], sample_weight=weights))
        return [scores, outcome(self.trainer)]

    def add_to(self, items: Items, name: str) -> None:
        """Add all items of this training."""
        masks = any(self.network.architecture.dropout) or self.network.architecture.input_noise
        items.add(f"{name} gradients before", self.gradients)
        items.add(f"{name} outcome", self.learn)
        items.add(f"{name} weights", lambda: self.network.weights)
        items.add(f"{name} biases", lambda: self.network.biases)
        items.add(f"{name} predictions", self.predict)
        items.add(f"{name} scores", self.trainer.evaluate, self.X, self.y, sample_weight=self.weights)
        items.add(f"{name} gradients after", self.gradients, self.seed if masks else None)
        items.add(f"{signed(name)} dX", lambda: self.gradients(self.seed if masks else None, inputs=True)[-1])
        items.add(f"{name} partial fit", self.learn_partly)
        items.add(f"{name} second fit", self.learn)


def trained(network: fb.MLP, **settings: Any) -> fb.Trainer:
    """A trainer with a loss and a seed that cases need not name."""
    fixed = {"loss": "squared_error" if network.architecture.output == "identity" else "cross_entropy", "seed": 1}
    return fb.Trainer(network, **(fixed | {"optimizer": fb.SGD(0.03)} | settings))
