"""The networks that every benchmark here runs: sizes, data, and how they are trained. It imports no fastbp."""

from __future__ import annotations

import functools
import gzip
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

Parameters = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A network, its data, and how it is trained: by SGD with momentum mu, or by Adam."""

    title: str
    sizes: tuple[int, ...]
    batch: int
    n: int
    epochs: int
    activation: str = "relu"
    loss: str = "cross_entropy"
    rule: str = "sgd"
    eta: float = 0.01
    mu: float = 0.9
    scale: float = 1.0
    seed: int = 0
    """Of the initial weights and the orders."""
    mnist: Path | None = None
    """The directory with MNIST's IDX files, if the inputs are its pixels."""

    @property
    def output(self) -> str:
        """Sigma of the output."""
        return "softmax" if self.loss == "cross_entropy" else "identity"

    @property
    def steps(self) -> int:
        """Minibatches an epoch."""
        return self.n // self.batch

    @property
    def operations(self) -> int:
        """Of a step: a weight and sample cost 2 forward, 2 for the gradient and, but in the first layer, 2 backward."""
        products = [a * b for a, b in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X float32 and y, the same for every call."""
        if self.mnist:
            return _pixels(self.mnist, self.n)
        return _data(self.n, self.sizes[0], self.sizes[-1], self.loss)

    def parameters(self) -> Parameters:
        """The initial (W, b) of each layer, the same for every call."""
        rng = np.random.default_rng(self.seed)
        return [
            (rng.uniform(-1, 1, (m, n)).astype(np.float32) * np.float32((6 / m) ** 0.5), np.zeros(n, np.float32))
            for m, n in pairwise(self.sizes)
        ]

    def trainer(self, n_threads: int | None = None, dtype: type = np.float32, **options):
        """A fastbp.Trainer that has done nothing yet; its network has the initial parameters."""
        import fastbp as fb

        network = fb.MLP(self.sizes, activation=self.activation, output=self.output, scale=self.scale, dtype=dtype)
        network.set_weights(*map(list, zip(*self.parameters(), strict=True)))
        options.setdefault(
            "optimizer", fb.Adam(self.eta) if self.rule == "adam" else fb.SGD(self.eta, momentum=self.mu)
        )
        options |= {"loss": self.loss, "batch_size": self.batch, "n_threads": n_threads}
        return fb.Trainer(network, seed=self.seed, **options)


@functools.lru_cache(maxsize=2)
def _data(n: int, n_in: int, n_out: int, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs with the range of pixels and half of them 0, and targets that a network can learn."""
    rng = np.random.default_rng(0)
    X = rng.random((n, n_in), np.float32)
    X *= X > 0.5
    scores = np.tanh((X - X.mean(axis=0)) @ rng.standard_normal((n_in, n_out)).astype(np.float32))
    return X, (scores.argmax(axis=1) if loss == "cross_entropy" else scores)


@functools.lru_cache(maxsize=2)
def _pixels(directory: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of MNIST, of whose pixels 19 % are not 0, as numbers from 0 to 1; and their labels."""
    X, y = mnist(directory, "train")
    return X[:n].astype(np.float32) / np.float32(255), y[:n]


def mnist(directory: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (n, 784) and labels int64 (n,) from the IDX files in a directory, compressed or not."""
    stem = {"train": "train", "test": "t10k"}[split]

    def read(name: str, header: int) -> np.ndarray:
        path = next(path for path in sorted(directory.iterdir()) if path.name.startswith(f"{stem}-{name}"))
        content = path.read_bytes()
        return np.frombuffer(gzip.decompress(content) if path.suffix == ".gz" else content, np.uint8, offset=header)

    return read("images", 16).reshape(-1, 784), read("labels", 8).astype(np.int64)


S = {"sizes": (784, 128, 10), "batch": 64}
M = {"sizes": (784, 512, 512, 10), "batch": 128}
CASES = {
    "XS": Case("16-32-32-2 b32", (16, 32, 32, 2), 32, n=32_000, epochs=4),
    "T": Case("784-30-10 b10, sigmoid, plain SGD", (784, 30, 10), 10, 10_000, 4, "sigmoid", eta=0.1, mu=0.0),
    "S": Case("784-128-10 b64", **S, n=19_200, epochs=4),
    "M": Case("784-512-512-10 b128", **M, n=12_800, epochs=2),
    "L": Case("784-2048-2048-2048-10 b256", (784, 2048, 2048, 2048, 10), 256, n=2_560, epochs=1),
    "D": Case("64-[128]*20-10 b64", (64, *[128] * 20, 10), 64, n=12_800, epochs=2, eta=1e-3),
    "R": Case("32-256-256-1 b1024, tanh, squared error", (32, 256, 256, 1), 1024, 32_768, 4, "tanh", "squared_error"),
    "A": Case("784-512-512-10 b128, Adam", **M, n=12_800, epochs=2, rule="adam", eta=1e-4),
    "O": Case("784-128-10 b1", (784, 128, 10), 1, n=4_000, epochs=2, eta=1e-3),
}
PIXELS = {
    "S, pixels": replace(CASES["S"], title="784-128-10 b64, MNIST"),
    "M, pixels": replace(CASES["M"], title="784-512-512-10 b128, MNIST"),
    "T, pixels": replace(CASES["T"], title="784-30-10 b10, sigmoid, plain SGD, MNIST"),
    "O, pixels": replace(CASES["O"], title="784-128-10 b1, plain SGD, MNIST", mu=0.0),
}
"""Cases whose inputs are pixels of MNIST. Their field `mnist` must be set."""
DIGITS = Case("784-256-10 b64", (784, 256, 10), 64, n=60_000, epochs=1, eta=0.1, mu=0.8, scale=1 / 255)
"""Trained to 98 %, for which this rate and momentum took the fewest epochs of those tried."""
