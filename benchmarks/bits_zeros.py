"""Trainings of `bits.py` that leave zeros out, layers of all widths, and results of -0.0."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from bits_items import Case, Dice, Items, Training, parameters, signed, trained
from bits_sparse import vars_of
from scipy import sparse

import fastbp as fb

DRAWN = 110
"""The number of trainings with zeros that are drawn."""

HIDDEN = [
    (7, 8), (8, 7), (9, 6), (6, 9), (15, 1), (15, 4), (1, 15), (2, 15), (12, 3), (11, 4), (15, 9), (15,), (23,),
]  # fmt: skip
"""The numbers of panels of hidden layers. Most pairs have all kinds of groups together, and so they share kernels."""


def inputs(dice: Dice, rows: int, n_in: int, kind: str, share: float) -> np.ndarray:
    """Inputs of which this share is not 0, with rows and columns that are empty, and with full rows."""
    rng = dice.rng
    there = rng.random((rows, n_in)) < share
    there[rng.random(rows) < 0.05] = False
    there[:, rng.random(n_in) < 0.2] = False
    there[rng.random(rows) < 0.02] = True
    numbers = rng.integers(1, 256, there.shape) if kind == "uint8" else rng.normal(size=there.shape)
    return np.where(there, numbers, 0).astype(kind)


def settings(dice: Dice) -> dict[str, Any]:
    """Arguments of `Trainer`."""
    return {
        "optimizer": dice.one_of(fb.SGD(0.03), fb.SGD(0.03), fb.SGD(0.02, momentum=0.9), fb.Adam(0.003)),
        "batch_size": dice.one_of(1, 7, 32, 64, 100, 100, 1500),
        "n_threads": dice.one_of(1, 1, 2),
        **dice.maybe(0.2, "gradient", "stored"),
        **dice.maybe(0.15, "l1", 1e-3),
        **dice.maybe(0.15, "l2", 1e-3),
        **dice.maybe(0.15, "clip_norm", 0.5),
        **dice.maybe(0.1, "clip_value", 0.05),
        **dice.maybe(0.15, "average", fb.EMA(0.9)),
    }


def drawn(number: int, items: Items, name: str) -> None:
    """A training whose inputs, or whose hidden layers, have many zeros."""
    dice, made = Dice("zeros", number), settings(Dice("zeros in settings", number))
    dtype = dice.one_of("float32", "float32", "float64")
    lanes = 16 if dtype == "float32" else 8
    activation, places = dice.one_of("relu", "relu", "relu", "tanh"), dice.one_of(0, 1, 1, 2, 2, 3, 3)
    pairs = HIDDEN if activation == "relu" and places else HIDDEN[-3:]  # else the second layer leaves no zeros out
    hidden = [max(1, panels * lanes - dice.one_of(0, 0, 1, lanes // 2)) for panels in dice.one_of(*pairs)]
    n_in, rows = dice.one_of((90, 200), (130, 150), (300, 80), (784, 50))
    if made["batch_size"] == 1500:
        rows, n_in = 1600, 33
    kind = dice.one_of("uint8", "float32", "float32", "float64")
    share = dice.one_of(0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.9)
    X = inputs(dice, rows, n_in, kind, share)
    drops = [[0.2, *[0.0] * len(hidden)], 0.5, [0.3, *[0.5] * len(hidden)], [0.2, *[0.85] * len(hidden)]]
    network = fb.MLP(
        [n_in, *hidden, dice.one_of(3, 10, 17)],
        activation=activation,
        output=dice.one_of("softmax", "identity"),
        scale=1 / 255 if kind == "uint8" else dice.one_of(1.0, 0.05),
        dropout=drops[places],
        dtype=dtype,
        seed=number,
        **dice.maybe(0.15, "max_norm", 0.7),
        **dice.maybe(0.1, "bias", False),
    )
    y = dice.rng.integers(0, network.sizes[-1], rows)
    weights = dice.rng.uniform(0, 2, rows) if dice.often(0.15) else None
    Training(trained(network, **made), X, y, weights, {"epochs": 1}, number).add_to(items, name)


def inputs_of(network: fb.MLP, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient with respect to the inputs."""
    return network.gradients(X, y, loss="cross_entropy", inputs=True)[-1]


def width(n: int, dtype: str, items: Items, name: str) -> None:
    """A hidden layer of n units, as inputs and as outputs, with many zeros in the inputs and without."""
    dice = Dice("widths", n)
    X, y = inputs(dice, 120, 140, "float32", 0.08 if n <= 16 else 0.15), dice.rng.integers(0, 4, 120)
    network = fb.MLP([140, n, 4], output="softmax", dtype=dtype, dropout=0.5, seed=n)
    own = trained(network, batch_size=40)
    for kind, some in (("zeros", X), ("dense", X + np.float32(1))):
        items.add(f"{name} {kind} gradients", network.gradients, some, y, loss="cross_entropy")
        items.add(f"{signed(name)} {kind} dX", partial(inputs_of, network, some, y))
        items.add(f"{name} {kind} loss", lambda some=some: own.fit(some, y, progress=False)["loss"])
        items.add(f"{name} {kind} weights", parameters, network)
        items.add(f"{name} {kind} predictions", network.predict, some)
    wide = fb.MLP([n, 20, n], activation="tanh", dtype=dtype, seed=n)
    some = dice.rng.normal(size=(30, n)).astype(dtype)
    items.add(f"{name} outputs", wide.predict, some)
    items.add(f"{name} learnt", lambda: [trained(wide).fit(some, some, progress=False)["loss"], parameters(wide)])


def signed_zeros(dice: Dice, shape: tuple, share: float, dtype: str, minus: float = 0.5) -> np.ndarray:
    """Numbers of which this share is not 0; of the others, the share `minus` is -0.0, and the rest 0.0."""
    rng = dice.rng
    zeros = np.where(rng.random(shape) < minus, -0.0, 0.0)
    tiny = 10.0 ** rng.choice([0, 0, 0, -30, -42 if dtype == "float32" else -300], shape)
    return np.where(rng.random(shape) < share, rng.normal(size=shape) * tiny, zeros).astype(dtype)


def with_zeros(dice: Dice, network: fb.MLP, kind: str) -> None:
    """Give a network weights and biases of which many are 0.0 or -0.0."""
    share = {"all": 0.0, "most": 0.1, "half": 0.5, "biases": 1.0}[kind]
    weights = [np.where(dice.rng.random(W.shape) < share, W, signed_zeros(dice, W.shape, 0, "f4")) for W in
               network.weights]  # fmt: skip
    biases = [None if b is None else signed_zeros(dice, b.shape, dice.one_of(0.0, 0.3), "f4") for b in network.biases]
    if kind == "biases":
        biases = [None if b is None else np.full(b.shape, -0.0) for b in network.biases]
    network.set_weights(weights, biases)


def negative(number: int, items: Items, name: str) -> None:
    """A network with numbers of -0.0 everywhere, and its training."""
    dice = Dice("negative zeros", number)
    dtype = dice.one_of("float32", "float64")
    lanes = 16 if dtype == "float32" else 8
    hidden = [dice.one_of(15, 23) * lanes - dice.one_of(0, 3), *dice.one_of([], [5])]
    n_in, rows = dice.one_of((20, 40), (90, 200), (130, 150))
    lone = dice.often(0.2)
    sizes = [n_in, dice.one_of(1, 3)] if lone else [n_in, *hidden, dice.one_of(1, 3, 18)]
    network = fb.MLP(
        sizes,
        activation=dice.one_of("relu", "identity", "tanh"),
        dtype=dtype,
        seed=number,
        dropout=dice.one_of(0.0, 0.5),
        **dice.maybe(0.3, "bias", False),
        **dice.maybe(0.3, "scale", 0.5, -0.5),
        **dice.maybe(0.2, "max_norm", 0.5),
    )
    with_zeros(dice, network, dice.one_of("all", "most", "half", "biases"))
    X = signed_zeros(dice, (rows, n_in), dice.one_of(0.02, 0.2, 0.6), dtype, dice.one_of(0.5, 0.1, 0.1))
    y = signed_zeros(dice, (rows, sizes[-1]), dice.one_of(0.0, 0.5), dtype)
    if dice.often(0.4):  # in which -0.0 is an entry
        row, column = np.nonzero((X != 0) | np.signbit(X))
        X = sparse.csr_array((X[row, column], (row, column)), X.shape)
    made = {
        "optimizer": fb.SGD(0.03) if lone else dice.one_of(fb.SGD(0.03), fb.SGD(0.02, momentum=0.9), fb.Adam(0.003)),
        "batch_size": dice.one_of(1, 7, 32, 200),
        "n_threads": dice.one_of(1, 2),
        **dice.maybe(0.3, "l1", 1e-3),
        **dice.maybe(0.3, "l2", 1e-3),
        **dice.maybe(0.2, "clip_value", 0.05),
        **dice.maybe(0.2, "gradient", "stored"),
    }
    own, g = trained(network, **made), signed_zeros(dice, y.shape, 0.3, dtype)
    items.add(f"{name} trace", lambda: vars_of(network.trace(X, y, "squared_error")))
    items.add(f"{name} jacobian", network.jacobian, X[:5])
    items.add(f"{name} backward", network.backward, X, g)
    items.add(f"{name} transform", network.transform, X, 1)
    Training(own, X, y, fit={"epochs": 1}, seed=number).add_to(items, name)
    given = [signed_zeros(dice, W.shape, 0.3, dtype) for W in network.weights]
    biases = [None if b is None else signed_zeros(dice, b.shape, 0.3, dtype) for b in network.biases]
    items.add(f"{name} given gradients", lambda: [own.apply_gradients(given, biases), parameters(network)])
    items.add(f"{name} step from outside", lambda: [own.partial_fit(X, output_gradient=g), parameters(network)])


def still(dtype: str, where: str, items: Items, name: str) -> None:
    """Sums that are -0.0 because every term is, for dense inputs, for many zeros and for sparse inputs."""
    network = fb.MLP([100, 33, 17, 2], activation="identity", dtype=dtype, seed=0)
    filled = [np.full(W.shape, -0.0 if where != "inputs" else 0.5) for W in network.weights]
    network.set_weights(filled, [np.full(b.shape, -0.0 if where != "biases" else 0.0) for b in network.biases])
    X = np.full((200, 100), -0.0 if where == "inputs" else 0.0, dtype)
    X[::3, ::5] = 1.0 if where != "inputs" else 0.0
    X[1::7, 3] = -1.0
    listed = sparse.csr_array(X)
    for kind, some in (("dense", X), ("sparse", listed), ("one row", X[:1]), ("ones", np.abs(X) + X.dtype.type(1))):
        y = np.full((len(some) if kind != "sparse" else 200, 2), -0.0)
        items.add(f"{name} {kind} trace", lambda some=some, y=y: vars_of(network.trace(some, y, "squared_error")))
        items.add(f"{name} {kind} predictions", network.predict, some)
        options = {"loss": "squared_error", "inputs": True}
        items.add(f"{name} {kind} gradients", network.gradients, some, y, **options)
        own = trained(network.astype(dtype), batch_size=50)
        items.add(f"{name} {kind} fit", lambda own=own, some=some, y=y: own.fit(some, y, progress=False)["loss"])
        items.add(f"{name} {kind} weights", parameters, own.network)


SPANS = [(1, 17, 6), (17, 33, 3), (33, 49, 4), (49, 65, 3), (97, 113, 3), (113, 129, 5), (129, 145, 4), (225, 257, 5),
         (257, 301, 5)]  # fmt: skip
"""The first width, the one after the last, and the step, of layers of 1, 2, 3, 4, 7, 8, 9, 15 and 16 to 19 panels."""

ZEROS: dict[str, Case] = {f"zeros {k:03d}": partial(drawn, k) for k in range(DRAWN)}
WIDTHS: dict[str, Case] = {
    f"width {n} {dtype}": partial(width, n, dtype)
    for span in SPANS
    for n in [*range(*span), span[1] - 1]
    for dtype in (("float32", "float64") if n % 2 else ("float32",))
}
NEGATIVE: dict[str, Case] = {f"negative zero {k:03d}": partial(negative, k) for k in range(50)} | {
    f"negative zero in {where} {dtype}": partial(still, dtype, where)
    for where in ("inputs", "weights", "biases")
    for dtype in ("float32", "float64")
}
