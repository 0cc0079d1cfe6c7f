"""Compare first weights: the default of fastbp, the rule of PyTorch, and others, after the same training.

``python benchmarks/first_weights.py`` trains small networks: on functions of one and of two inputs, on data sets of
scikit-learn, and, with ``--mnist DIR``, on a part of MNIST. It prints the mean of the held-out loss over seeds, and its
standard error. A seed is another split, other first weights and another order of the samples. A number is bold if it
differs from the one with PyTorch's rule by more than two standard errors of the difference.

Names of cases, or parts of them, choose some cases. If PyTorch is installed, ``--torch`` draws the first weights of the
second column with `torch.nn.Linear`, which must agree with ``init="fan_in"``.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

import fastbp as fb
from fastbp.datasets import load_mnist


class Data(NamedTuple):
    """Samples to train with, and samples to score with."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Case:
    """A training: its data by seed, its hidden layers, and its Adam."""

    data: Callable[[int], Data]
    hidden: tuple[int, ...]
    eta: float
    epochs: int
    activation: str = "relu"
    batch: int = 32


def line(f: Callable[..., np.ndarray]) -> Callable[[int], Data]:
    """Return the data of a function of one input from -1 to 1, without noise."""
    x, between = np.linspace(-1, 1, 200)[:, None], np.linspace(-1, 1, 333)[:, None]
    return lambda seed: Data(x, f(x[:, 0]), between, f(between[:, 0]))


def square(f: Callable[..., np.ndarray]) -> Callable[[int], Data]:
    """Return the data of a function of two inputs from -1 to 1, without noise."""

    def make(seed: int) -> Data:
        X = np.random.default_rng(1000 + seed).uniform(-1, 1, (1000, 2))
        y = f(*X.T)
        return Data(X[:500], y[:500], X[500:], y[500:])

    return make


def table(name: str) -> Callable[[int], Data]:
    """Return a data set of scikit-learn, with standardized inputs and targets."""

    def make(seed: int) -> Data:
        if name == "friedman1":
            X, y = datasets.make_friedman1(1000, noise=1.0, random_state=0)
        else:
            X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        classes = y.dtype.kind == "i"
        y = y if classes else (y - y.mean()) / y.std()
        X, X_test, y, y_test = train_test_split(X, y, random_state=seed, stratify=y if classes else None)
        mean, deviation = X.mean(axis=0), X.std(axis=0)
        deviation[deviation == 0] = 1
        return Data((X - mean) / deviation, y, (X_test - mean) / deviation, y_test)

    return make


def digits(folder: Path) -> Callable[[int], Data]:
    """Return 4,000 digits of MNIST to train with, and 2,000 to score with."""
    X, y = load_mnist(folder)
    X = X / 255

    def make(seed: int) -> Data:
        rows = np.random.default_rng(seed).permutation(50_000)[:4000]
        return Data(X[rows], y[rows], X[50_000:52_000], y[50_000:52_000])

    return make


def cases(mnist: Path | None) -> dict[str, Case]:
    """Return all cases by their names."""
    sine, kink = line(lambda x: np.sin(6 * x)), line(lambda x: abs(x - 0.3) - 2 * np.maximum(0, -x - 0.4))
    wave = square(lambda x, y: np.sin(3 * x) * np.cos(3 * y))
    found = {
        "sin 6x, 1-64-1": Case(sine, (64,), 0.01, 300),
        "sin 6x, full batch": Case(sine, (64,), 0.01, 300, batch=200),
        "sin 6x, 1-32-32-1": Case(sine, (32, 32), 0.01, 100),
        "two kinks, 1-64-1": Case(kink, (64,), 0.01, 300),
        "sin 3x cos 3y, 2-64-1": Case(wave, (64,), 0.01, 50),
        "sin 3x cos 3y, 2-32-32-1": Case(wave, (32, 32), 0.01, 50),
        "disc, 2-32-2": Case(square(lambda x, y: (x**2 + y**2 < 0.5).astype(int)), (32,), 0.01, 30),
        "exclusive or, 2-32-2": Case(square(lambda x, y: (x * y > 0).astype(int)), (32,), 0.01, 30),
        **{f"{name}, 64": Case(table(name), (64,), 0.001, 30) for name in ("iris", "wine", "breast_cancer", "digits")},
        **{f"{name}, 64": Case(table(name), (64,), 0.001, 30) for name in ("diabetes", "friedman1")},
        "friedman1, 64-64": Case(table("friedman1"), (64, 64), 0.001, 30),
        "digits, 64-128-32": Case(table("digits"), (64, 128, 32), 0.001, 20),
    }
    if mnist:
        found["MNIST, 100"] = Case(digits(mnist), (100,), 0.001, 3, batch=64)
    deep = {
        "sin 6x, ten layers of 10": Case(sine, (10,) * 10, 0.003, 100),
        "sin 3x cos 3y, ten layers of 10": Case(wave, (10,) * 10, 0.003, 50),
        "digits, ten layers of 10": Case(table("digits"), (10,) * 10, 0.003, 30),
        "digits, twenty layers of 20": Case(table("digits"), (20,) * 20, 0.001, 30),
    }
    return {
        f"{name}, {activation}": replace(case, activation=activation)
        for activation in ("tanh", "sigmoid", "relu")
        # Without residuals, no first weights are known with which so many layers of sigmoids learn.
        for name, case in (found if activation == "sigmoid" else found | deep).items()
    }


def without_biases(net: fb.MLP, seed: int) -> None:
    """Draw the weights of all layers by He, Glorot or LeCun, and set the biases to 0."""
    kinds = [f"{sigma.init}_uniform" for sigma in net.architecture.activations]
    drawn = [fb.MLP(net.sizes, init=kind, seed=seed) for kind in kinds]
    net.set_weights([other.weights[l] for l, other in enumerate(drawn)], [0 * b for b in net.biases])


def of_torch(net: fb.MLP, seed: int) -> None:
    """Draw the first weights with PyTorch."""
    import torch

    torch.manual_seed(seed)
    drawn = [torch.nn.Linear(*shape) for shape in zip(net.sizes[:-1], net.sizes[1:], strict=True)]
    net.set_weights([each.weight.detach().numpy().T for each in drawn], [each.bias.detach().numpy() for each in drawn])


DRAWN = {"torch": of_torch, "weights alone": without_biases}


def loss(case: Case, data: Data, init: str, seed: int) -> float:
    """Return the held-out loss after training from first weights."""
    classes = data.y.dtype.kind == "i"
    sizes = [data.X.shape[1], *case.hidden, int(data.y.max()) + 1 if classes else 1]
    options: dict[str, Any] = {"activation": case.activation, "output": "softmax" if classes else "identity"}
    options |= {"fan_in": {"init": init}, "data": {"init": init, "samples": data.X}}.get(init, {})
    net = fb.MLP(sizes, **options, seed=seed)
    if init in DRAWN:
        DRAWN[init](net, seed)
    kind = "cross_entropy" if classes else "squared_error"
    trainer = fb.Trainer(net, loss=kind, optimizer=fb.Adam(case.eta), batch_size=case.batch, seed=seed)
    trainer.fit(data.X, data.y, epochs=case.epochs)
    return trainer.evaluate(data.X_test, data.y_test)["loss"]


def rows(found: dict[str, Case], inits: list[str], seeds: int) -> Iterator[tuple[str, np.ndarray]]:
    """Return, case by case, the losses of shape (inits, seeds)."""
    for name, case in found.items():
        made = [case.data(seed) for seed in range(seeds)]
        yield name, np.array([[loss(case, data, init, seed) for seed, data in enumerate(made)] for init in inits])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of cases; all cases without")
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {name: case for name, case in cases(given.mnist).items() if all(part in name for part in given.names)}
    inits = ["default", "torch" if given.torch else "fan_in", "weights alone", "data"]
    print("| case | " + " | ".join(inits) + " |\n| --- |" + " ---: |" * len(inits))
    apart = []
    for name, losses in rows(found, inits, given.seeds):
        means, errors = losses.mean(axis=1), losses.std(axis=1, ddof=1) / np.sqrt(given.seeds)
        z = (means - means[1]) / np.hypot(errors, errors[1])
        cells = [f"{mean:#.3g} ± {error:#.2g}" for mean, error in zip(means, errors, strict=True)]
        cells = [f"**{cell}**" if abs(by) > 2 else cell for cell, by in zip(cells, z, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        apart.append(z[0])
    worst, better = max(apart), sum(z < -2 for z in apart)
    print(f"\nThe default is above by {worst:.1f} standard errors at most, and below by more than 2 in {better} cases.")


if __name__ == "__main__":
    main()
