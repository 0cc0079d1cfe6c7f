"""Compare the network with the average of the parameters with the one of the last step, on five data sets.

``python benchmarks/averages.py`` prints the held-out loss of both after 10 to 10,000 steps, for the decays 0.9 to
0.9999, as medians over seeds. A seed is another split, other first weights and another order of the samples. Beside
them is by how much the average is worse, in the mean over the seeds, in standard deviations of the loss over the seeds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

import fastbp as fb

DECAYS = (0.9, 0.99, 0.999, 0.9999)


def samples() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the data sets: three of classes, and two of regression."""
    X, y = datasets.load_diabetes(return_X_y=True)
    found = {"diabetes": (X, (y - y.mean()) / y.std())}
    X, y = datasets.make_friedman1(2000, noise=1.0, random_state=0)
    found["friedman"] = X, (y - y.mean()) / y.std()
    for name in ("digits", "wine", "breast_cancer"):
        found[name] = getattr(datasets, f"load_{name}")(return_X_y=True)
    return found


def losses(X: np.ndarray, y: np.ndarray, decay: float, steps: Sequence[int], seed: int) -> list[tuple[float, float]]:
    """Return the held-out losses with the average and with the last parameters, after each number of steps."""
    classes = y.dtype.kind == "i"
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y if classes else None)
    sizes, kind = [X.shape[1], 32, int(y.max()) + 1 if classes else 1], "softmax" if classes else "identity"
    net = fb.MLP(sizes, output=kind, standardize=X, seed=seed)
    loss = "cross_entropy" if classes else "squared_error"
    trainer = fb.Trainer(net, loss=loss, average=fb.EMA(decay), optimizer=fb.Adam(1e-3), seed=seed)
    found, plain = [], fb.Trainer(net, loss=loss)

    def look(state: fb.callbacks.State) -> None:
        if state.step in steps:
            pair = trainer.evaluate(X_test, y_test), plain.evaluate(X_test, y_test)
            found.append(tuple(scores["loss"] for scores in pair))
            state.stop = state.step == steps[-1]

    trainer.fit(X, y, epochs=steps[-1], callbacks=[fb.callbacks.Lambda(batch_end=look, every=steps[0])])
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'data':<14} {'decay':>7} " + " ".join(f"{f'{steps:,} steps':>20}" for steps in given.steps))
    worst = -np.inf
    for name, (X, y) in samples().items():
        for decay in DECAYS:
            each = np.array([losses(X, y, decay, given.steps, seed) for seed in range(given.seeds)])
            logs, middle = np.log(each), np.median(each, axis=0)
            over = (logs[..., 0] - logs[..., 1]).mean(axis=0) / logs[..., 1].std(axis=0, ddof=1)
            cells = (f"{a:.4f} {b:.4f} {k:+5.2f}" for (a, b), k in zip(middle, over, strict=True))
            print(f"{name:<14} {decay:>7} " + " ".join(f"{cell:>20}" for cell in cells), flush=True)
            worst = max(worst, over.max())
    print(f"the average is worse by {worst:.2f} standard deviations at most")


if __name__ == "__main__":
    main()
