"""Trainings of `bits.py` with matrices of `scipy.sparse`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from bits_items import Case, Dice, Items, Training, columns, parameters, signed, trained
from scipy import sparse

import fastbp as fb

DRAWN = 170
"""The number of trainings that are drawn."""

SGD, MOMENTUM, ADAM = fb.SGD(0.05), fb.SGD(0.02, momentum=0.9), fb.Adam(0.01)

KINDS = [
    (SGD, ("float32", "float64"), (1, 15), (False, True), (False, True)),
    (SGD, ("float32", "float64"), (1, 15), (False, True), (False, True)),
    (SGD, ("float32", "float64"), (2, 4, 7, 8, 9), (False,), (False,)),
    (SGD, ("float32", "float64"), (2, 4, 7, 8, 9), (False,), (False,)),
    (MOMENTUM, ("float32", "float64"), (1,), (False, True), (False, True)),
    (MOMENTUM, ("float32",), (15,), (False,), (True,)),
    (ADAM, ("float32", "float64"), (1,), (False, True), (False, True)),
    (ADAM, ("float32",), (15,), (False,), (False,)),
    (fb.AdamW(0.01, weight_decay=0.1), ("float32",), (1,), (True,), (False, True)),
    (fb.SGD(0.02, momentum=0.9, nesterov=True), ("float64",), (1,), (False,), (False, True)),
    (fb.Adagrad(0.05), ("float32",), (1,), (False,), (False, True)),
]
"""Optimizers with their dtypes, the numbers of panels of the first layer, whether there are penalties or limits, and
whether training is lazy. Each of them is compiled by itself, so there are few of them."""


def entries(rng: np.random.Generator, rows: int, n_in: int, values: str, share: float) -> sparse.csr_array:
    """A matrix with this share of entries, with empty rows and columns, and with some entries of 0."""
    there = rng.random((rows, n_in)) < share
    there[rng.random(rows) < 0.1] = False
    there[:, rng.random(n_in) < 0.2] = False
    row, column = np.nonzero(there)
    numbers = rng.integers(1, 256, row.size) if values == "uint8" else rng.normal(size=row.size)
    numbers[rng.random(row.size) < 0.03] = 0
    places = row.astype(np.int32), column.astype(np.int32)
    return sparse.csr_array((numbers.astype(values), places), (rows, n_in))


def as_stored(dice: Dice, X: sparse.csr_array) -> Any:
    """The same matrix with indices of another dtype, in another format, or with columns that do not increase."""
    kind = dice.one_of("int32", "int32", "int64", "int64", "csc", "coo", "falls", "matrix")
    if kind in ("csc", "coo"):
        return X.asformat(kind).tocsr() if dice.often(0.5) else X.tocsc()
    if kind == "matrix":
        return sparse.csr_matrix(X)
    if kind == "falls":  # the entries of each row in the other direction
        order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(X.indptr, X.indptr[1:], strict=False)])
        return sparse.csr_array((X.data[order], X.indices[order], X.indptr), X.shape)
    return sparse.csr_array((X.data, X.indices.astype(kind), X.indptr.astype(kind)), X.shape)


def sizes(dice: Dice, dtype: str, panels: int, n_in: int) -> list[int]:
    """Of a network whose first layer has this number of panels."""
    lanes = 16 if dtype == "float32" else 8
    first = panels * lanes - dice.one_of(0, 0, 1, lanes - 1)
    lone = [[]] if panels == 1 else []
    return [n_in, *dice.one_of(*lone, [first], [first], [first, 19]), dice.one_of(2, 4, 4)]


def settings(dice: Dice, optimizer: Any, shaped: bool, lazy: bool) -> dict[str, Any]:
    """Arguments of `Trainer`."""
    one = dice.one_of({"l1": 1e-3}, {"l2": 1e-3}, {"l1": 1e-3, "l2": 1e-2}, {"clip_value": 0.05})
    made = {
        "optimizer": optimizer,
        "batch_size": dice.one_of(1, 7, 32, 64, 64, 200, *[1100] * (not lazy)),
        "n_threads": dice.one_of(1, 1, 2),
        **(one if shaped else {}),
        **dice.maybe(0.15, "average", fb.EMA(0.9), fb.SWA()),
        **dice.maybe(0.2, "schedule", fb.schedules.Exponential(0.8), fb.schedules.Warmup(5, per="step")),
    }
    if lazy:
        return made | {"gradient": "lazy"}
    return made | dice.maybe(0.2, "gradient", "stored") | dice.maybe(0.15, "clip_norm", 0.5)


def drawn(number: int, items: Items, name: str) -> None:
    """A training that is drawn."""
    dice = Dice("sparse", number)
    rng, (optimizer, dtypes, *others) = dice.rng, KINDS[number % len(KINDS)]
    dtype, panels, shaped, lazy = dice.one_of(*dtypes), *(dice.one_of(*other) for other in others)
    made = settings(dice, optimizer, shaped, lazy)
    n_in, rows = dice.one_of(1, 13, 60, 300, 300, 2000), dice.one_of(80, 150, 260)
    if made["batch_size"] > 1024:  # minibatches of two parts
        rows, n_in = 2150, min(n_in, 300)
    if made["batch_size"] == 1:
        rows, n_in = 60, min(n_in, 300)
    values = dice.one_of("uint8", "float32", "float32", "float64")
    X = entries(rng, rows, n_in, values, dice.one_of(0.01, 0.05, 0.2))
    widths = sizes(dice, dtype, panels, n_in)
    unit, dropout = 1 / 255 if values == "uint8" else 0.8, [dice.one_of(0.3, 0.6), *[0.0] * (len(widths) - 2)]
    network = fb.MLP(
        widths,
        activation=dice.one_of("relu", "tanh"),
        output=dice.one_of("softmax", "softmax", "identity"),
        dtype=dtype,
        seed=number,
        scale=dice.one_of(1.0, unit, unit * rng.uniform(0.5, 1.5, n_in)),
        **dice.maybe(0.35, "dropout", dropout, *[[0.5] * (len(widths) - 1)] * (panels == 15 or len(widths) < 4)),
        **dice.maybe(0.15, "max_norm", 0.7),
        **dice.maybe(0.15, "bias", False),
    )
    weights = rng.uniform(0, 2, rows) if dice.often(0.2) else None
    y = rng.integers(0, widths[-1], rows)
    fit = dice.maybe(0.15, "validation_split", 0.2) | dice.maybe(0.1, "shuffle_buffer", 50)
    made |= {"metrics": ["r2"]} if dice.often(0.1) else {}
    Training(trained(network, **made), as_stored(dice, X), y, weights, fit, seed=number).add_to(items, name)


def classes(rows: int, n_in: int, values: str = "float32") -> tuple[sparse.csr_array, np.ndarray]:
    """Samples of 4 classes."""
    dice = Dice("classes", rows)
    return entries(dice.rng, rows, n_in, values, 0.1), dice.rng.integers(0, 4, rows)


def beside_dense(dtype: str, items: Items, name: str) -> None:
    """A trainer that gets sparse and dense inputs in turns."""
    X, y = classes(200, 120)
    own = trained(fb.MLP([120, 33, 4], output="softmax", dtype=dtype, seed=0), optimizer=fb.SGD(0.05))

    def learn() -> list:
        for inputs in (X, X.toarray(), X, X.toarray()[:, ::-1].copy(), np.ones((200, 120), np.float32)):
            own.fit(inputs, y, progress=False)
            own.partial_fit(inputs[:3], y[:3])
        return parameters(own.network)

    items.add(f"{name} weights", learn)
    items.add(f"{name} predictions", lambda: [own.network.predict(X), own.network.predict(X.toarray())])


def looked_into(dtype: str, items: Items, name: str) -> None:
    """What a network computes inside for sparse inputs, and gradients from outside."""
    X, y = classes(60, 50)
    network = fb.MLP([50, 33, 17, 4], activation="tanh", output="softmax", dtype=dtype, scale=0.5, seed=0)
    g = Dice("towards", 0).rng.normal(size=(60, 4)).astype(dtype)
    items.add(f"{signed(name)} trace", lambda: vars_of(network.trace(X, y, "cross_entropy")))
    items.add(f"{name} jacobian", network.jacobian, X[:7])
    items.add(f"{name} transform", lambda: [network.transform(X, layer) for layer in (1, 2, 3)])
    items.add(f"{name} backward", network.backward, X, g)
    items.add(f"{name} flat gradients", network.gradients, X, y, loss="cross_entropy", flat=True)
    items.add(f"{name} classes", network.predict_classes, X)
    own = trained(network, optimizer=fb.SGD(0.05))
    items.add(f"{name} step from outside", lambda: [own.partial_fit(X, output_gradient=g), parameters(network)])
    advantages = {"sample_weight": g[:, 0], "signed_weights": True}
    items.add(f"{name} signed weights", lambda: [own.partial_fit(X, y, **advantages), parameters(network)])


def vars_of(trace: Any) -> list:
    """The arrays of a trace."""
    return [trace.z, trace.a, trace.delta, trace.dW, trace.db]


def with_blocks(dtype: str, items: Items, name: str) -> None:
    """Sparse inputs in blocks, with windows and without, and with validation data."""
    X, y = classes(333, 90)
    cuts = [slice(0, 50), slice(50, 51), slice(51, 200), slice(200, 333)]
    for buffer in (None, 64):
        own = trained(fb.MLP([90, 16, 4], output="softmax", dtype=dtype, seed=0), optimizer=fb.SGD(0.05))
        data = {"validation_data": (X[:40], y[:40]), "shuffle_buffer": buffer, "progress": False}
        learn = partial(own.fit, [(X[cut], y[cut]) for cut in cuts], epochs=2, **data)
        items.add(f"{name}, windows {buffer}", lambda learn=learn: columns(learn()))
        items.add(f"{name}, windows {buffer}, weights", parameters, own.network)


def searched(dtype: str, items: Items, name: str) -> None:
    """L-BFGS with sparse inputs, and with inputs that are standardized."""
    X, y = classes(150, 60)
    network = fb.MLP([60, 16, 4], activation="tanh", output="softmax", dtype=dtype, standardize=X, seed=0)
    items.add(f"{name} scale", lambda: [network.scale, network.shift])
    Training(trained(network, optimizer=fb.LBFGS(), l2=1e-3), X, y).add_to(items, name)


def refused(dtype: str, items: Items, name: str) -> None:
    """Calls that sparse inputs do not allow."""
    X, y = classes(20, 30)
    network = partial(fb.MLP, [30, 16, 4], output="softmax", dtype=dtype, seed=0)
    items.add(f"{name} shift", network(shift=0.5).predict, X)
    items.add(f"{name} noise", trained(network(input_noise=0.1)).fit, X, y)
    items.add(f"{name} lazy", trained(network(), gradient="lazy").fit, X.toarray(), y)
    items.add(f"{name} columns", network().predict, X[:, :29])
    broken = X.copy()
    broken.data[3] = np.nan
    items.add(f"{name} nan", network().predict, broken)


NAMED = {
    "beside dense": beside_dense,
    "looked into": looked_into,
    "blocks": with_blocks,
    "lbfgs": searched,
    "refused": refused,
}

CASES: dict[str, Case] = {f"sparse {k:03d}": partial(drawn, k) for k in range(DRAWN)} | {
    f"sparse {name} {dtype}": partial(function, dtype)
    for name, function in NAMED.items()
    for dtype in ("float32", "float64")
}
