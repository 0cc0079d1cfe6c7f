"""Restricted Boltzmann machines on MNIST: the time of an epoch beside scikit-learn's, and what pre-training brings.

``python benchmarks/rbm.py DIR`` reads MNIST from a directory. It trains 784-500 with scikit-learn's `BernoulliRBM` and
with `fastbp.RBM`, by contrastive divergence and with persistent chains, and prints the fastest epoch and the
pseudo-likelihood of the training images, which one function computes for all. Then it trains 784-500-500-10 on a few
labels, from its first weights and from pre-trained ones, and prints the test accuracy and its standard error.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from cases import mnist
from sklearn.neural_network import BernoulliRBM

import fastbp as fb

SIZES, RATE = (784, 500), 0.1
NET = [784, 500, 500, 10]


class Timed(BernoulliRBM):
    """`Timed` is scikit-learn's machine, and notes the seconds of each epoch."""

    def epochs(self, X: np.ndarray, n: int) -> list[float]:
        """Train n epochs, and return the seconds of each: `fit` would train them all in one call."""
        self.set_params(n_iter=0).fit(X[:1])  # which draws the first weights
        rng, seconds = np.random.RandomState(0), []
        for _ in range(n):
            start = time.perf_counter()
            for first in range(0, len(X), self.batch_size):
                self._fit(X[first : first + self.batch_size], rng)
            seconds.append(time.perf_counter() - start)
        return seconds


def machines(X: np.ndarray, batch: int, epochs: int) -> None:
    """Print the time and the pseudo-likelihood of each machine."""
    print(f"784-500 b{batch}, {len(X):,} images, {epochs} epochs, learning rate {RATE}, float32")
    print(f"{'machine':<28} {'s/epoch':>8} {'pseudo-likelihood':>18}")
    theirs = Timed(SIZES[1], learning_rate=RATE, batch_size=batch, random_state=0)
    seconds = min(theirs.epochs(X.astype(np.float32) / np.float32(255), epochs))
    judge = fb.RBM(*SIZES, scale=1 / 255)
    judge.set_weights(theirs.components_.T, theirs.intercept_visible_, theirs.intercept_hidden_)
    print(
        f"{'scikit-learn, persistent':<28} {seconds:8.2f} {judge.pseudo_likelihood(X, seed=0).mean():18.2f}", flush=True
    )
    for name, persistent in (("fastbp, CD-1", False), ("fastbp, persistent", True)):
        own = fb.RBM(*SIZES, scale=1 / 255, optimizer=fb.SGD(RATE), batch_size=batch, persistent=persistent, seed=0)
        took = min(own.fit(X, epochs=epochs)["seconds"])
        likelihood = own.pseudo_likelihood(X, seed=0).mean()
        print(f"{name:<28} {took:8.2f} {likelihood:18.2f} {seconds / took:6.1f} times as fast", flush=True)


def accuracies(directory: Path, labels: int, seeds: int, epochs: int) -> None:
    """Print the test accuracies with few labels."""
    (X, y), (Xt, yt) = (mnist(directory, split) for split in ("train", "test"))
    found: dict[str, list[float]] = {"none": [], "autoencoder": [], "rbm": []}
    for seed in range(seeds):
        few = np.random.default_rng(seed).permutation(len(X))[:labels]
        for method, scores in found.items():
            net = fb.MLP(NET, activation="sigmoid", output="softmax", scale=1 / 255, seed=seed)
            if method != "none":
                fb.pretrain(net, X, method=method, epochs=epochs, seed=seed)
            trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(1e-3), seed=seed)
            trainer.fit(X[few], y[few], epochs=60)
            scores.append(trainer.evaluate(Xt, yt)["accuracy"])
    print(f"\n784-500-500-10, sigmoid, {labels:,} labels, {seeds} seeds, {epochs} epochs of pre-training on all images")
    for method, scores in found.items():
        error = np.std(scores, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
        print(f"pre-training: {method:<12} test accuracy {100 * np.mean(scores):.2f} % +- {100 * error:.2f}")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="a directory with the files of MNIST")
    parser.add_argument("--n", type=int, default=60_000, help="the number of images that the machines learn")
    parser.add_argument("--batch", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    X, _ = mnist(given.directory, "train")
    for batch in given.batch:
        machines(X[: given.n], batch, given.epochs)
    if given.seeds:
        accuracies(given.directory, given.labels, given.seeds, given.epochs)


if __name__ == "__main__":
    main()
