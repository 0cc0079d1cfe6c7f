"""The estimators of fastbp beside those of scikit-learn: both fit the same samples in one process, in turns.

python benchmarks/estimators.py [NAME ...] [--rounds 5] [--dtype float64] [--mnist DIR] [--scores]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, PIXELS, Case
from sklearn import datasets, model_selection, neural_network

from fastbp import sklearn as estimators

MODULES = {"fastbp": estimators, "scikit-learn": neural_network}


def of_case(case: Case, module: Any, dtype: str) -> Callable[[], Any]:
    """Return a function that fits one case for as many epochs as it has."""
    regression = case.loss == "squared_error"
    kind = module.MLPRegressor if regression else module.MLPClassifier
    X, y = case.data()
    X, y = X.astype(dtype), y[:, 0].astype(dtype) if regression else y
    estimator = kind(
        hidden_layer_sizes=case.sizes[1:-1], activation={"sigmoid": "logistic"}.get(case.activation, case.activation),
        solver=case.rule, batch_size=case.batch, learning_rate_init=case.eta, momentum=case.mu, max_iter=case.epochs,
        nesterovs_momentum=False, tol=0.0, n_iter_no_change=np.inf, random_state=0,
    )  # fmt: skip
    return lambda: estimator.fit(X, y)


def hundred_fits(module: Any, dtype: str) -> Callable[[], Any]:
    """Return a function that fits 100 small estimators with default parameters."""
    X, y = datasets.make_classification(1000, 20, random_state=0)
    X = X.astype(dtype)

    def fit() -> None:
        for seed in range(100):
            module.MLPClassifier(random_state=seed).fit(X, y)

    return fit


def wide(solver: str, **options: float) -> Callable[[Any, str], Callable[[], Any]]:
    """Return a maker of functions that fit rows with 100 of 50,000 columns."""

    def make(module: Any, dtype: str) -> Callable[[], Any]:
        from sparse import words

        X, y = words(4000, 50_000, 100).astype(dtype), np.arange(4000) % 2
        settings = {"solver": solver, "batch_size": 128, "max_iter": 2, "random_state": 0, **options}
        return lambda: module.MLPClassifier((64,), **settings).fit(X, y)

    return make


def search(module: Any, dtype: str) -> Callable[[], Any]:
    """Return a function that tries 20 candidates in two processes."""
    X, y = datasets.load_digits(return_X_y=True)
    grid = {"alpha": np.logspace(-5, 0, 5), "hidden_layer_sizes": [(32,), (64,), (128,), (64, 64)]}
    found = model_selection.GridSearchCV(module.MLPClassifier(max_iter=50, random_state=0), grid, n_jobs=2, cv=3)
    return lambda: found.fit((X / 16).astype(dtype), y)


OTHERS = {
    "100 fits": hundred_fits,
    "sparse, Adam": wide("adam"),
    "sparse, momentum": wide("sgd"),
    "sparse, SGD": wide("sgd", momentum=0.0, alpha=0.0),
    "search": search,
}


def in_turns(makers: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each function in each round. A round before the first loads what they need."""
    taken: dict[str, list[float]] = {name: [] for name in makers}
    for k in range(rounds + 1):
        for name, fit in makers.items():
            start = time.perf_counter()
            fit()
            taken[name] += [time.perf_counter() - start] * (k > 0)
    return taken


def scores(seeds: int, max_iter: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield for each data set the mean scores of 5 folds for each seed, of fastbp and of scikit-learn."""
    X, y = datasets.make_regression(20_000, 10, n_informative=5, noise=5.0, random_state=0)
    samples = {
        "digits": datasets.load_digits(return_X_y=True),
        "iris": datasets.load_iris(return_X_y=True),
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
        "diabetes": datasets.load_diabetes(return_X_y=True),
        "20,000 rows": (X, y / y.std()),
    }
    for name, (X, y) in samples.items():
        kind = "MLPRegressor" if y.dtype.kind == "f" else "MLPClassifier"
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
        yield (
            name,
            *(
                np.array([
                    model_selection.cross_val_score(
                        getattr(module, kind)(max_iter=max_iter, random_state=seed), X, y, cv=5
                    ).mean()
                    for seed in range(seeds)
                ])
                for module in MODULES.values()
            ),
        )  # fmt: skip


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*CASES, *PIXELS, *OTHERS])}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="of X and of the weights")
    parser.add_argument("--mnist", type=Path, help="a directory with the files of MNIST, for the cases with pixels")
    parser.add_argument("--scores", action="store_true", help="compare mean scores of 5 folds over 10 seeds instead")
    parser.add_argument("--epochs", type=int, default=200, help="the largest number of epochs for --scores")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.scores:
        for name, own, other in scores(10, options.epochs):
            error = other.std(ddof=1) / np.sqrt(len(other))
            print(f"{name}: fastbp {own.mean():.5f}, scikit-learn {other.mean():.5f} (standard error {error:.5f})")
        return
    pixels = {name: replace(case, mnist=options.mnist) for name, case in PIXELS.items()} if options.mnist else {}
    cases = {name: replace(case, n=min(case.n, 6400)) for name, case in (CASES | pixels).items()}
    for name in options.names or [*cases, *OTHERS]:
        make = OTHERS.get(name) or (lambda module, dtype, name=name: of_case(cases[name], module, dtype))
        taken = in_turns({which: make(module, options.dtype) for which, module in MODULES.items()}, options.rounds)
        own, other = (statistics.median(seconds) for seconds in taken.values())
        ratios = [b / a for a, b in zip(*taken.values(), strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: fastbp {own:.3f} s, scikit-learn {other / own:.2f} times as long ({spread})", flush=True)


if __name__ == "__main__":
    main()
