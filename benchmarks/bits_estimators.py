"""Estimators of `fastbp.sklearn` in `bits.py`."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np
from bits_items import Case, Dice, Items
from scipy import sparse

import fastbp as fb

DTYPES = ("float32", "float64")

CLASSIFIERS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd", "learning_rate_init": 0.05},
    {"solver": "sgd", "nesterovs_momentum": False, "batch_size": 17, "alpha": 0.1},
    {"solver": "sgd", "momentum": 0.0, "learning_rate": "invscaling"},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
    {"solver": "sgd", "shuffle": False, "activation": "tanh", "early_stopping": True},
    {"solver": "lbfgs"},
    {"solver": "lbfgs", "activation": "tanh", "hidden_layer_sizes": ()},
    {"activation": "logistic", "early_stopping": True, "n_iter_no_change": 3},
    {"early_stopping": True, "scoring": "f1_macro", "validation_fraction": 0.3},
    {"early_stopping": True, "scoring": "loss"},
    {"solver": fb.SGD(0.03), "learning_rate": fb.schedules.Cosine(10)},
    {"solver": "adamw", "dropout": 0.2, "class_weight": "balanced"},
    {"solver": "adam", "dropout": [0.1, 0.3, 0.3], "class_weight": {0: 2.0}},
    {"solver": "rmsprop", "batch_size": 1, "max_iter": 2},
    {"loss": "multiclass_hinge", "hidden_layer_sizes": (9,)},
    {"loss": "hinge", "hidden_layer_sizes": (9,)},
    {"dtype": "float32", "n_threads": 2, "hidden_layer_sizes": (140, 33)},
    {"activation": ["tanh", "gelu"], "batch_size": 1000},
    {"tol": 0.5, "n_iter_no_change": 1},
]
"""Parameters of `MLPClassifier`."""

REGRESSORS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd", "learning_rate_init": 0.01},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
    {"solver": "sgd", "momentum": 0.0, "shuffle": False},
    {"solver": "lbfgs"},
    {"solver": "lbfgs", "activation": "tanh", "alpha": 1.0},
    {"early_stopping": True, "activation": "tanh", "n_iter_no_change": 3},
    {"early_stopping": True, "scoring": "neg_mean_absolute_error"},
    {"loss": "huber", "solver": "adamw"},
    {"loss": fb.losses.Quantile(0.9), "dropout": 0.2},
    {"loss": "poisson", "hidden_layer_sizes": (9,)},
    {"batch_size": 7, "max_iter": 4, "hidden_layer_sizes": ()},
]
"""Parameters of `MLPRegressor`."""


def samples(kind: str, dtype: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """Inputs, and the numbers of two or three classes, or several labels."""
    rng = Dice("estimators", len(kind)).rng
    X = rng.normal(size=(150, 12)).astype(dtype)
    score = X @ rng.normal(size=(12, 3)).astype(dtype)
    y = {
        "binary": (score[:, 0] > 0.3).astype(int),
        "classes": np.array(["a", "b", "c"])[score.argmax(axis=1)],
        "labels": (score > 0).astype(int),
        "sparse": score.argmax(axis=1),
    }[kind]
    if kind == "sparse":
        X = sparse.csr_array(np.where(rng.random(X.shape) < 0.3, X, 0).astype(dtype))
    return X, y, rng.uniform(0.1, 2, 150)


def fitted(estimator: Any) -> list:
    """What an estimator has learnt."""
    names = ("loss_", "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_")
    names += ("validation_loss_curve_", "n_iter_", "t_", "coefs_", "intercepts_")
    return [[name, getattr(estimator, name, None)] for name in names]


def asked(items: Items, name: str, estimator: Any, X: Any, y: np.ndarray) -> None:
    """Add what an estimator answers."""
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(estimator, method):
            items.add(
                f"{name} {method}", lambda method=method: [getattr(estimator, method)(some) for some in (X, X[:1])]
            )
    items.add(f"{name} score", estimator.score, X, y)


def classifier(options: dict[str, Any], kind: str, dtype: str, items: Items, name: str) -> None:
    """A classifier that is fitted, fitted with weights, and trained step by step."""
    from fastbp.sklearn import MLPClassifier

    X, y, weights = samples(kind, dtype)
    made = lambda: MLPClassifier(**{"hidden_layer_sizes": (20, 9), "max_iter": 12, "random_state": 3} | options)  # noqa: E731
    own = made()
    items.add(f"{name} fit", lambda: fitted(own.fit(X, y)))
    asked(items, name, own, X, y)
    items.add(f"{name} weighted", lambda: fitted(made().fit(X, y, sample_weight=weights)))
    some = np.unique(y) if y.ndim == 1 else None
    other = made()
    items.add(f"{name} steps", lambda: fitted(other.partial_fit(X[:60], y[:60], classes=some).partial_fit(X, y)))
    given = made().set_params(warm_start=True)
    items.add(f"{name} twice", lambda: fitted(given.fit(X, y).fit(X, y)))
    items.add(f"{name} validation", lambda: fitted(made().fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])))
    items.add(f"{name} network", lambda: fb.interop.from_sklearn(own).predict(X[:20]))


def regressor(options: dict[str, Any], kind: str, dtype: str, items: Items, name: str) -> None:
    """A regressor of one target or of three, with dense inputs or sparse ones."""
    from fastbp.sklearn import MLPRegressor

    X, _, weights = samples("sparse" if kind == "sparse" else "labels", dtype)
    dense = X.toarray() if kind == "sparse" else X
    y = np.abs(dense[:, :3] * 2 + 1) if kind == "rows" else np.abs(dense[:, 0] - dense[:, 1] + 1)
    made = lambda: MLPRegressor(**{"hidden_layer_sizes": (20, 9), "max_iter": 12, "random_state": 3} | options)  # noqa: E731
    own = made()
    items.add(f"{name} fit", lambda: fitted(own.fit(X, y)))
    asked(items, name, own, X, y)
    items.add(f"{name} weighted", lambda: fitted(made().fit(X, y, sample_weight=weights)))
    other = made()
    items.add(f"{name} steps", lambda: fitted(other.partial_fit(X[:60], y[:60]).partial_fit(X, y)))
    given = made().set_params(warm_start=True)
    items.add(f"{name} twice", lambda: fitted(given.fit(X, y).fit(X, y)))


UNITS: dict[str, list[dict[str, Any]]] = {
    "Perceptron": [{}, {"eta0": 0.3, "shuffle": True}, {"fit_intercept": False, "batch_size": 5}, {"dtype": "float32"}],
    "Adaline": [{}, {"eta0": 0.01, "shuffle": True}, {"batch_size": 8, "schedule": fb.schedules.Exponential(0.9)}],
    "LogisticUnit": [{}, {"eta0": 0.5, "shuffle": True}, {"fit_intercept": False, "batch_size": 20}],
}
"""name of a class: its parameters."""


def unit(kind: str, options: dict[str, Any], classes: str, dtype: str, items: Items, name: str) -> None:
    """A learner with a single layer."""
    import fastbp.sklearn

    X, y, _ = samples(classes, dtype)
    make = getattr(fastbp.sklearn, kind)
    own = make(**{"max_iter": 12, "random_state": 3} | options)
    learnt = lambda own: [own.coef_, own.intercept_, own.mistakes_, own.loss_curve_, own.n_iter_]  # noqa: E731
    items.add(f"{name} fit", lambda: learnt(own.fit(X, y)))
    asked(items, name, own, X, y)
    other = make(**{"random_state": 3} | options)
    items.add(
        f"{name} steps", lambda: learnt(other.partial_fit(X[:40], y[:40], classes=np.unique(y)).partial_fit(X, y))
    )
    given = make(**{"max_iter": 3, "warm_start": True, "random_state": 3} | options)
    items.add(f"{name} twice", lambda: learnt(given.fit(X, y).fit(X, y)))


def each() -> dict[str, Case]:
    """All cases."""
    cases: dict[str, Case] = {}
    for k, options in enumerate(CLASSIFIERS):
        kinds = ["binary", "classes", "sparse", "labels"]
        for kind in (kinds[k % 4], kinds[(k + 1) % 4]):
            dtype = DTYPES[(k // 2) % 2]
            cases[f"classifier {k:02d} {kind} {dtype}"] = partial(classifier, options, kind, dtype)
    for k, options in enumerate(REGRESSORS):
        for kind in (["column", "rows", "sparse"][k % 3], "column"):
            dtype = DTYPES[k % 2]
            cases[f"regressor {k:02d} {kind} {dtype}"] = partial(regressor, options, kind, dtype)
    for kind, all_options in UNITS.items():
        for k, options in enumerate(all_options):
            for classes in ("binary", "classes", "sparse"):
                for dtype in DTYPES:
                    name = f"unit {kind} {k} {classes} {dtype}"
                    cases[name] = partial(unit, kind, options, classes, dtype)
    return cases


CASES = each() if importlib.util.find_spec("sklearn") else {}
