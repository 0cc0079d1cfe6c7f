"""What networks of `bits.py` compute inside, gradients from outside, and formulas of users."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bits_items import Case, Dice, Items, Training, outcome, parameters, signed, trained
from bits_sparse import vars_of

import fastbp as fb
from fastbp.graph import absolute, exp, log, sin, softplus, tanh

DRAWN = 90
"""The number of networks that are looked into."""


def network(dice: Dice, number: int) -> fb.MLP:
    """A network that is drawn."""
    hidden = [int(dice.rng.integers(1, 60)) for _ in range(dice.one_of(0, 1, 2, 2, 3))]
    layers = len(hidden) + 1
    return fb.MLP(
        [int(dice.rng.integers(1, 40)), *hidden, dice.one_of(1, 2, 3, 17)],
        activation=[dice.one_of("relu", "tanh", "sigmoid", "gelu") for _ in hidden] or "relu",
        output=dice.one_of("identity", "identity", "sigmoid"),
        dtype=dice.one_of("float32", "float64"),
        seed=number,
        **dice.maybe(0.3, "scale", 0.5, 1 / 16),
        **dice.maybe(0.3, "shift", 0.25),
        **dice.maybe(0.4, "dropout", 0.1, [0.2, *[0.1] * len(hidden)]),
        **dice.maybe(0.2, "input_noise", 0.1),
        **dice.maybe(0.4, "bias", False, [bool(k % 2) for k in range(layers)], [k < layers - 1 for k in range(layers)]),
        **dice.maybe(0.2, "max_norm", 0.8),
    )


def looked_into(number: int, items: Items, name: str) -> None:
    """All that a network can show, but for training."""
    dice = Dice("inside", number)
    net, rows = network(dice, number), dice.one_of(1, 5, 40, 40, 1300)
    X = dice.rng.normal(size=(rows, net.sizes[0])).astype(dice.one_of("float32", "float64"))
    y, g = dice.rng.random((rows, net.sizes[-1])), dice.rng.normal(size=(rows, net.sizes[-1]))
    threads, weights = dice.one_of(1, 2, None), dice.rng.uniform(0, 2, rows)
    options = {"loss": dice.one_of("squared_error", "huber"), "n_threads": threads}
    items.add(f"{signed(name)} trace", lambda: vars_of(net.trace(X, y, options["loss"])))
    items.add(f"{name} forward trace", lambda: [net.trace(X).z, net.trace(X).a])
    items.add(f"{name} text of a trace", lambda: str(net.trace(X, y, options["loss"])))
    items.add(f"{name} jacobian", net.jacobian, X[:50], n_threads=threads)
    items.add(f"{name} gradients", net.gradients, X, y, sample_weight=weights, **options)
    items.add(f"{name} flat gradients", net.gradients, X, y, inputs=True, flat=True, **options)
    items.add(f"{signed(name)} gradients with masks", net.gradients, X, y, inputs=True, seed=number, **options)
    items.add(f"{name} backward", net.backward, X, g, n_threads=threads)
    items.add(f"{signed(name)} backward with masks", net.backward, X, g, seed=number)
    items.add(f"{name} transform", lambda: [net.transform(X, layer) for layer in range(1, len(net.sizes))])
    items.add(f"{name} parameters", lambda: [net.theta, parameters(net)])
    items.add(f"{name} classes", net.predict_classes, X)
    items.add(f"{name} other dtypes", lambda: [net.astype(kind).predict(X) for kind in ("float32", "float64")])
    if net.n_parameters < 200:
        items.add(f"{name} numerical gradients", lambda: differences(net, X[:2], y[:2], options["loss"]))
    for first, last in ((0, 1), (0, 2), (1, None), (-1, None)):
        items.add(f"{name} layers {first} to {last}", sliced, net, first, last)


def differences(net: fb.MLP, X: np.ndarray, y: np.ndarray, loss: str) -> list:
    """Gradients by central differences, and how far those of backpropagation are from them."""
    found = fb.numerical_gradients(net, X, y, loss)
    return [found.dW, found.db, str(fb.check_gradients(net, X, y, loss))]


def sliced(net: fb.MLP, first: int, last: int | None) -> list:
    """The parameters and outputs of some layers."""
    part = net[first:last]
    X = np.random.default_rng(3).normal(size=(20, part.sizes[0]))
    return [parameters(part), part.predict(X), part.shift, part.scale]


def stepped(number: int, items: Items, name: str) -> None:
    """Steps of a trainer with gradients from outside, with signed weights, and with given gradients."""
    dice = Dice("steps", number)
    net, rows = network(dice, number), dice.one_of(1, 20, 80, 1200)
    X = dice.rng.normal(size=(rows, net.sizes[0])).astype("float32")
    y, g = dice.rng.random((rows, net.sizes[-1])), dice.rng.normal(size=(rows, net.sizes[-1])) / rows
    made = {
        "loss": "squared_error",
        "optimizer": dice.one_of(fb.SGD(0.03), fb.SGD(0.02, momentum=0.9), fb.Adam(0.003)),
        "batch_size": dice.one_of(16, 32, 1100, 2000),
        "n_threads": dice.one_of(1, 2),
        **dice.maybe(0.3, "gradient", "stored"),
        **dice.maybe(0.3, "l1", 1e-3),
        **dice.maybe(0.3, "l2", 1e-3),
        **dice.maybe(0.3, "clip_norm", 0.3),
        **dice.maybe(0.3, "clip_value", 0.02),
        **dice.maybe(0.3, "average", fb.EMA(0.9)),
        **dice.maybe(0.3, "schedule", fb.schedules.Exponential(0.9, per="step")),
    }
    own, weights = trained(net, **made), dice.rng.normal(size=rows)
    items.add(f"{name} from outside", lambda: [own.partial_fit(X, output_gradient=g), outcome(own)])
    items.add(f"{name} signed", partial(own.partial_fit, X, y, sample_weight=weights, signed_weights=True))
    items.add(f"{name} after signed", outcome, own)

    def given() -> list:
        for k in range(3):
            dW, db, _ = net.backward(X, g, seed=k)
            own.apply_gradients(dW, db)
        return outcome(own)

    items.add(f"{name} given gradients", given)
    items.add(
        f"{name} one after another", lambda: [own.partial_fit(X[k : k + 1], y[k : k + 1]) for k in range(min(rows, 5))]
    )
    items.add(f"{name} outcome", outcome, own)
    items.add(f"{name} fit", lambda: [own.fit(X, y, progress=False)["loss"], outcome(own)])


def gaussian(a, y):
    """Minus the logarithm of a density, but for a constant."""
    deviation = softplus(a[1]) + 0.01
    return log(deviation) + 0.5 * ((y[0] - a[0]) / deviation) ** 2


def focal(a, y, gamma):
    """The focal loss of one output."""
    p = a * y + (1 - a) * (1 - y)
    return -((1 - p) ** gamma) * log(p)


def coupled(a, y):
    """A loss that three outputs have together."""
    return (a[0] - y[0]) ** 2 + absolute(a[1] * a[2] - y[1]) + 0.1 * (a[0] + a[1] - y[2]) ** 2


SNAKE = fb.activations.Formula(lambda z, a: z + sin(a * z) ** 2 / a, constants={"a": 0.5}, name="snake")
BELL = fb.activations.Formula(lambda z: exp(-(z**2)), init="glorot")
OWN_TANH = fb.activations.Formula(lambda z: tanh(z), prime=lambda z: 1 - tanh(z) ** 2)

OWN_LOSSES = {
    "gaussian": (fb.losses.Formula(gaussian, rows=True, n_out=2, n_targets=1), 2, "identity"),
    "focal": (fb.losses.Formula(focal, constants={"gamma": 2}, targets="probabilities"), 3, "sigmoid"),
    "coupled": (fb.losses.Formula(coupled, rows=True, n_out=3), 3, "identity"),
    "fourth power": (fb.losses.Formula(lambda a, y: (a - y) ** 4 / 4), 2, "identity"),
}
"""name: a loss, the number of outputs, and the output."""


def formula(activation: fb.activations.Formula, loss: str, dtype: str, items: Items, name: str) -> None:
    """A training with an activation function and a loss of a user."""
    made, n_out, output = OWN_LOSSES[loss]
    dice = Dice("formulas", 0)
    X = dice.rng.normal(size=(120, 9)).astype(np.float32)
    y = dice.rng.random((120, 1 if loss == "gaussian" else n_out))
    net = fb.MLP([9, 33, 17, n_out], activation=activation, output=output, dtype=dtype, dropout=0.1, seed=0)
    own = trained(net, loss=made, optimizer=fb.Adam(0.003), batch_size=50)
    items.add(f"{name} texts", lambda: [repr(activation), repr(made)])
    Training(own, X, y).add_to(items, name)
    items.add(f"{signed(name)} trace", lambda: vars_of(net.trace(X[:20], y[:20], made)))
    items.add(f"{name} file", reread, net, X)


def reread(net: fb.MLP, X: Any) -> list:
    """What a network computes after it has been in a file."""
    with tempfile.TemporaryDirectory() as directory:
        net.save(Path(directory) / "m.safetensors")
        other = fb.load(Path(directory) / "m.safetensors")
    return [repr(other), other.predict(X)]


def as_output(activation: fb.activations.Formula, dtype: str, items: Items, name: str) -> None:
    """A formula as the output, and as one of two hidden layers."""
    X = Dice("output", 0).rng.normal(size=(90, 9))
    net = fb.MLP([9, 20, 15, 3], activation=["relu", activation], output=activation, dtype=dtype, seed=1)
    Training(trained(net, loss="squared_error"), X, X[:, :3]).add_to(items, name)
    items.add(f"{name} values", lambda: [activation(X), activation.derivative(X)])


FORMULAS: dict[str, Case] = {
    f"formula {name} with {loss} {dtype}": partial(formula, activation, loss, dtype)
    for name, activation, loss in (
        ("snake", SNAKE, "gaussian"),
        ("bell", BELL, "focal"),
        ("snake", SNAKE, "coupled"),
        ("tanh", OWN_TANH, "fourth power"),
    )
    for dtype in ("float32", "float64")
} | {
    f"formula {name} as output {dtype}": partial(as_output, activation, dtype)
    for name, activation in (("snake", SNAKE), ("bell", BELL))
    for dtype in ("float32", "float64")
}
CASES: dict[str, Case] = {f"inside {k:03d}": partial(looked_into, k) for k in range(DRAWN)} | {
    f"steps {k:03d}": partial(stepped, k) for k in range(50)
}
