"""Ensembles of `bits.py`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bits_items import Case, Dice, Items, columns, outcome, trained
from bits_sparse import classes

import fastbp as fb

ROWS = (1, 2, 3, 7, 8, 9, 16, 17, 64)
"""Numbers of rows to predict. Networks compute few rows together."""


def made(dice: Dice, dtype: str, alike: bool, output: str) -> fb.Ensemble:
    """An ensemble of networks that differ in their seeds, or in all that they may differ in."""
    members = []
    for k in range(dice.one_of(1, 3, 4)):
        width = 20 if alike else dice.one_of(1, 17, 33, 130)
        network = fb.MLP(
            [11, width, *([] if alike or k % 2 else [9]), 4],
            activation="relu" if alike else dice.one_of("relu", "tanh"),
            output=output,
            dtype=dtype if alike or k != 1 else dice.one_of("float32", "float64"),
            seed=k,
            **({} if alike else dice.maybe(0.3, "scale", 0.5) | dice.maybe(0.3, "shift", 0.1)),
            **({} if alike else dice.maybe(0.5, "dropout", 0.1)),
        )
        optimizer = fb.SGD(0.03) if alike else dice.one_of(fb.SGD(0.03), fb.Adam(0.003))
        settings = {"optimizer": optimizer, "batch_size": 16, "metrics": ["r2", "objective"], "l2": 1e-3, "seed": k}
        members.append(trained(network, **settings))
    return fb.Ensemble(members)


def reread(ensemble: fb.Ensemble, X: np.ndarray) -> list:
    """What an ensemble computes after it has been in a file."""
    with tempfile.TemporaryDirectory() as directory:
        ensemble.save(Path(directory) / "m.safetensors")
        other = fb.Ensemble.load(Path(directory) / "m.safetensors")
    return [repr(other), other.predict(X), other.predict(X[:1])]


def ensemble(number: int, items: Items, name: str) -> None:
    """All calls of an ensemble that is drawn."""
    dice = Dice("ensembles", number)
    dtype, alike, output = dice.one_of("float32", "float64"), dice.often(0.5), dice.one_of("softmax", "identity")
    own = made(dice, dtype, alike, output)
    X, y = dice.rng.normal(size=(130, 11)).astype(dice.one_of("float32", "float64")), dice.rng.integers(0, 4, 130)
    few = [X[:rows] for rows in ROWS]
    items.add(f"{name} predictions before", lambda: [own.predict(some) for some in few])
    fit = dice.maybe(0.4, "validation_split", 0.2) | dice.maybe(0.4, "class_weight", "balanced")
    stopping = lambda k: [fb.EarlyStopping("loss", patience=1 + k)]  # noqa: E731
    fit |= {"callbacks": stopping} if dice.often(0.3) else {}
    items.add(f"{name} histories", lambda: [columns(h) for h in own.fit(X, y, epochs=3, progress=False, **fit)])
    items.add(f"{name} outcomes", lambda: [outcome(trainer) for trainer in own.trainers])
    items.add(f"{name} predictions of few", lambda: [own.predict(some) for some in few])
    items.add(f"{name} predictions", own.predict, X)
    items.add(f"{name} predictions in two threads", own.predict, X, n_threads=2)
    items.add(f"{name} classes", own.predict_classes, X)
    items.add(f"{name} scores", own.evaluate, X, y)
    items.add(f"{name} weighted scores", own.evaluate, X, y, sample_weight=dice.rng.uniform(0, 2, 130))
    items.add(f"{name} partial fit", own.partial_fit, X[:20], y[:20])
    items.add(f"{name} file", reread, own, X)
    rows = [dice.rng.integers(0, 130, 100) for _ in own.trainers]
    each = [X[some] for some in rows], [y[some] for some in rows]
    items.add(f"{name} samples of each", lambda: [columns(h) for h in own.fit(*each, progress=False)])
    weights = dice.rng.uniform(0, 2, 130)
    items.add(f"{name} weighted fit", lambda: own.fit(X, y, sample_weight=weights, progress=False)[0]["loss"])
    items.add(f"{name} outcomes at the end", lambda: [outcome(trainer) for trainer in own.trainers])
    items.add(f"{name} bytes", own.predict, (X[:5] > 0).astype(np.uint8))


def regression(dtype: str, standardized: bool, items: Items, name: str) -> None:
    """An ensemble for one target, in its unit."""
    rng = Dice("regression", 0).rng
    X = rng.normal(size=(130, 11))
    y = 100 + 20 * X[:, 0] if standardized else X[:, 0] - 1
    scales = {"standardize": X, "standardize_targets": y} if standardized else {}
    nets = [fb.MLP([11, 20, 1], dtype=dtype, seed=k, **scales) for k in range(3)]
    own = fb.Ensemble([trained(net, metrics=["r2", "mae"], seed=k) for k, net in enumerate(nets)])
    items.add(f"{name} histories", lambda: [columns(h) for h in own.fit(X, y, epochs=2, progress=False)])
    items.add(f"{name} predictions", lambda: [own.predict(X), own.predict(X[:1]), own.predict(X[:8])])
    items.add(f"{name} scores", own.evaluate, X, y)
    items.add(f"{name} file", reread, own, X)


def listed(dtype: str, items: Items, name: str) -> None:
    """An ensemble with sparse inputs."""
    X, y = classes(130, 70)
    nets: list[Any] = [fb.MLP([70, 16, 4], output="softmax", dtype=dtype, seed=k) for k in range(3)]
    own = fb.Ensemble([trained(net, seed=k) for k, net in enumerate(nets)])
    items.add(f"{name} histories", lambda: [columns(h) for h in own.fit(X, y, epochs=2, progress=False)])
    items.add(f"{name} predictions", lambda: [own.predict(X), own.predict(X[:1]), own.predict(X[:1].toarray())])
    items.add(f"{name} scores", own.evaluate, X, y)
    items.add(f"{name} partial fit", own.partial_fit, X[:20], y[:20])


CASES: dict[str, Case] = {f"together {k:03d}": partial(ensemble, k) for k in range(40)}
for _dtype in ("float32", "float64"):
    CASES[f"together regression {_dtype}"] = partial(regression, _dtype, False)
    CASES[f"together standardized {_dtype}"] = partial(regression, _dtype, True)
    CASES[f"together sparse {_dtype}"] = partial(listed, _dtype)
