"""Trainings of `bits.py` in which each activation, loss, optimizer and option has its turn."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np
from bits_inside import reread
from bits_items import Case, Dice, Items, Training, columns, outcome, parameters, signed, trained
from bits_sparse import vars_of

import fastbp as fb

DTYPES = ("float32", "float64")


def samples(rows: int = 130, n_in: int = 11, n_out: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and the numbers of classes."""
    rng = Dice("samples", rows).rng
    return rng.normal(size=(rows, n_in)).astype(np.float32), rng.integers(0, n_out, rows)


def activation(kind: Any, dtype: str, items: Items, name: str) -> None:
    """An activation function in hidden layers and at the output; its values, also far from 0."""
    X, y = samples()
    net = fb.MLP([11, 33, 17, 4], activation=kind, output=kind, dtype=dtype, dropout=[0.0, 0.3, 0.0], seed=1)
    Training(trained(net, loss="squared_error", batch_size=16), X, y).add_to(items, name)
    lone = fb.MLP([1, 1], output=kind, dtype=dtype)
    lone.set_weights([[[1.0]]], [[0.0]])
    far = np.concatenate([np.linspace(-30, 30, 400), np.logspace(-12, 4, 60), -np.logspace(-12, 4, 60)])
    items.add(f"{signed(name)} values", lone.predict, far[:, None])
    items.add(f"{name} slopes", lone.jacobian, far[:, None])
    items.add(f"{signed(name)} trace", lambda: vars_of(net.trace(X[:9], y[:9], "squared_error")))


LOSSES = {
    "cross_entropy": ("softmax", "labels"),
    "from logits": ("identity", "labels"),
    "smooth": ("softmax", "labels"),
    "binary_cross_entropy": ("sigmoid", "bits"),
    "binary from logits": ("identity", "bits"),
    "squared_error": ("identity", "values"),
    "sum_squared_error": ("identity", "values"),
    "mean_squared_error": ("identity", "values"),
    "absolute_error": ("identity", "values"),
    "huber": ("identity", "values"),
    "quantile": ("identity", "values"),
    "log_cosh": ("identity", "values"),
    "poisson": ("softplus", "counts"),
    "hinge": ("identity", "bits"),
    "squared_hinge": ("identity", "bits"),
    "perceptron": ("identity", "bits"),
    "multiclass_hinge": ("identity", "labels"),
    "multiclass_perceptron": ("identity", "labels"),
    "norm_error": ("identity", "values"),
}
"""name: the output, and the kind of targets."""

OBJECTS = {
    "from logits": fb.losses.CrossEntropy(from_logits=True),
    "smooth": fb.losses.CrossEntropy(0.1),
    "binary from logits": fb.losses.BinaryCrossEntropy(from_logits=True),
}
"""name: the loss, where the name is not one of fastbp."""


def loss(kind: str, n_out: int, dtype: str, items: Items, name: str) -> None:
    """A loss with its targets; also at outputs that are far off, in rows of targets, and with weights."""
    output, targets = LOSSES[kind]
    X, labels = samples(n_out=max(2, n_out))
    rng = Dice("targets", n_out).rng
    y = {
        "labels": labels,
        "bits": rng.integers(0, 2, (130, n_out)),
        "counts": rng.poisson(2, (130, n_out)),
        "values": rng.normal(size=(130, n_out)),
    }[targets]
    made = OBJECTS.get(kind, kind)
    net = fb.MLP([11, 20, n_out], activation="tanh", output=output, dtype=dtype, seed=1)
    Training(trained(net, loss=made, batch_size=16), X, y, rng.uniform(0, 2, 130)).add_to(items, name)
    far = fb.MLP([11, n_out], output=output, dtype=dtype, seed=2)
    for k in (1, 100, 1e6):
        items.add(f"{name} far {k:g}", partial(far.gradients, k * X, y, loss=made, inputs=True))
    if targets == "labels":
        items.add(f"{name} rows", far.gradients, X, rng.dirichlet(np.ones(n_out), 130), loss=made)
    items.add(f"{signed(name)} trace", lambda: vars_of(net.trace(X[:9], y[:9], made)))


RULES = {
    "sgd": fb.SGD(0.05),
    "momentum": fb.SGD(0.02, momentum=0.9),
    "nesterov": fb.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": fb.Adam(0.003),
    "adamw": fb.AdamW(0.003, weight_decay=0.1),
    "rmsprop": fb.RMSprop(0.003),
    "centered rmsprop": fb.RMSprop(0.003, centered=True, momentum=0.5),
    "adagrad": fb.Adagrad(0.03, lr_decay=0.01),
    "adadelta": fb.Adadelta(0.5),
    "rprop": fb.Rprop(0.003),
    "lbfgs": fb.LBFGS(),
    "name": "adam",
}
"""name: optimizer."""


def optimizer(rule: Any, dtype: str, shaped: bool, items: Items, name: str) -> None:
    """An optimizer with many options, or none; stopping early, with the best parameters afterwards."""
    X, y = samples()
    net = fb.MLP([11, 33, 17, 4], activation="tanh", output="softmax", dtype=dtype, seed=1)
    search = isinstance(rule, fb.LBFGS)
    more = {"l2": 1e-3} | ({} if search else {"l1": 1e-3, "clip_value": 0.05, "average": fb.EMA(0.9)})
    own = trained(net, optimizer=rule, batch_size=16, **(more if shaped else {}))
    Training(own, X, y, fit={"validation_split": 0.2} if shaped else {}).add_to(items, name)
    stopping = fb.EarlyStopping(patience=2)
    own = trained(net.astype(dtype), optimizer=rule, batch_size=130)
    options = {"epochs": 12, "validation_data": samples(60), "callbacks": [stopping], "progress": False}
    items.add(f"{name} stopped", lambda: [columns(own.fit(X, y, **options)), stopping.best_score, stopping.best_epoch])
    items.add(f"{name} best parameters", lambda: parameters(own.network))
    if not search:
        given = [0.1 * W for W in net.weights], [b + 0.1 for b in net.biases]
        items.add(f"{name} given gradients", lambda: [own.apply_gradients(*given), parameters(own.network)])


def changed(dtype: str, items: Items, name: str) -> None:
    """A trainer whose settings change between calls, and one with changes by a callback."""
    X, y = samples()
    own = trained(fb.MLP([11, 33, 4], output="softmax", dtype=dtype, seed=1), optimizer=fb.SGD(0.02, momentum=0.9))
    changes = [
        ("batch_size", 50), ("optimizer", fb.SGD(0.01, momentum=0.5)), ("gradient", "stored"), ("l2", 0.01),
        ("optimizer", fb.Adam(0.01)), ("average", fb.EMA(0.5)), ("loss", "squared_error"), ("clip_norm", 0.1),
        ("schedule", fb.schedules.Cosine(20)), ("shuffle", False), ("n_threads", 2),
        ("network", fb.MLP([11, 16, 4], dtype=dtype, seed=2)),
    ]  # fmt: skip
    for k, (setting, value) in enumerate(changes):
        setattr(own, setting, value)
        items.add(f"{name} {k} {setting}", lambda: [columns(own.fit(X, y, progress=False)), outcome(own)])

    def change(state: fb.callbacks.State) -> None:
        if state.epoch == 2:
            own.optimizer = fb.Adam(0.001)

    callbacks = [fb.callbacks.Lambda(epoch_end=change), fb.callbacks.Settled(1e-9)]
    items.add(f"{name} by a callback", lambda: [columns(own.fit(X, y, epochs=4, callbacks=callbacks)), outcome(own)])


def several(_: str, items: Items, name: str) -> None:
    """Schedules alone: the factors of many epochs and steps."""
    made = {
        "constant": fb.schedules.Constant(0.5),
        "step": fb.schedules.Step(2, 0.5),
        "multi": fb.schedules.MultiStep((3, 7), 0.3, per="step"),
        "exponential": fb.schedules.Exponential(0.9),
        "inverse": fb.schedules.InverseScaling(0.5, per="step"),
        "polynomial": fb.schedules.Polynomial(4, 2.0),
        "cosine": fb.schedules.Cosine(30, 0.1, per="step"),
        "restarts": fb.schedules.WarmRestarts(3, 2, per="step"),
        "one cycle": fb.schedules.OneCycle(20, per="step"),
        "plateau": fb.schedules.ReduceOnPlateau("loss", gamma=0.5, patience=0),
        "product": fb.schedules.Warmup(5, per="step") * fb.schedules.Cosine(5),
    }
    X, y = samples(40)
    for kind, schedule in made.items():
        own = trained(fb.MLP([11, 4], output="softmax", seed=1), schedule=schedule, batch_size=16)
        items.add(f"{name} {kind}", lambda own=own: columns(own.fit(X, y, epochs=9, progress=False)))


METRICS = ["accuracy", "objective", "top_5_accuracy", "f1", "balanced_accuracy", "mae", "auc", fb.metrics.TopK(2)]


def largest(y: np.ndarray, a: np.ndarray) -> float:
    """A metric of a user."""
    return float(np.max(a[:, 0]))


def option(number: int, items: Items, name: str) -> None:
    """A training with options that are drawn."""
    dice = Dice("options", number)
    X, y = samples(dice.one_of(90, 130, 1100))
    hidden = dice.one_of([33], [40, 17], [65, 30, 8])
    net = fb.MLP(
        [11, *hidden, 4],
        activation=dice.one_of("relu", "tanh"),
        output="softmax",
        dtype=dice.one_of(*DTYPES),
        seed=number,
        **dice.maybe(0.4, "max_norm", 0.4, 1.2),
        **dice.maybe(0.4, "bias", False, [True, *[False] * len(hidden)], [*[False] * len(hidden), True]),
        **dice.maybe(0.3, "dropout", 0.1, [0.3, *[0.0] * len(hidden)]),
        **dice.maybe(0.2, "input_noise", 0.2),
        **dice.maybe(0.3, "init", "he_normal", "glorot_uniform", "lecun_normal"),
    )
    made = {
        "optimizer": dice.one_of(fb.SGD(0.05), fb.SGD(0.02, momentum=0.9), fb.Adam(0.003)),
        "batch_size": dice.one_of(1, 16, 30, 64, 1030, 5000),
        "n_threads": dice.one_of(1, 2, None),
        "shuffle": dice.one_of(True, True, False),
        **dice.maybe(0.3, "gradient", "stored"),
        **dice.maybe(0.4, "average", fb.EMA(0.9), fb.SWA(), fb.SWA(start=1)),
        **dice.maybe(0.3, "clip_norm", 0.2),
        **dice.maybe(0.3, "clip_value", 0.01),
        **dice.maybe(0.3, "l2", 1e-3),
        **dice.maybe(
            0.5, "metrics", METRICS, ["r2", largest], [fb.metrics.OfClasses(lambda y, c: float((y == c).sum()))]
        ),
    }
    fit = {
        "epochs": 1 if made["batch_size"] == 1 else 2,
        **dice.maybe(0.3, "class_weight", "balanced", {0: 2.0, 3: 0.5}),
        **dice.maybe(0.3, "validation_split", 0.25),
        **dice.maybe(0.2, "shuffle_buffer", 30),
    }
    weights = dice.rng.uniform(0, 2, len(X)) if dice.often(0.3) else None
    training = Training(trained(net, **made), X, y, weights, fit, number)
    training.add_to(items, name)
    if made.get("average"):
        items.add(f"{name} averaged", lambda: training.trainer.averaged.predict(X))


def standardized(dtype: str, flat: bool, output: str, items: Items, name: str) -> None:
    """A regression with inputs and targets of different units."""
    X, _ = samples(200)
    X = X * np.logspace(-3, 3, 11) + np.arange(11)
    X[:, 4] = 7.0
    y = 1000 + 500 * np.sin(X[:, :1]) + (0 if flat else 20 * X[:, 1:4])
    y = y[:, 0] if flat else y
    net = fb.MLP([11, 32, 1 if flat else 3], output=output, dtype=dtype, standardize=X, standardize_targets=y, seed=0)
    own = trained(net, loss="squared_error", metrics=["r2", "mae"], batch_size=20)
    items.add(f"{name} scales", lambda: [net.shift, net.scale, net.target_shift, net.target_scale])
    items.add(f"{name} fit", lambda: columns(own.fit(X, y, epochs=3, validation_split=0.2, progress=False)))
    items.add(f"{name} weights", parameters, net)
    items.add(f"{name} predictions", lambda: [net.predict(X), net.predict(X[:1]), net.outputs(X), net.transform(X, -1)])
    items.add(f"{name} scores", own.evaluate, X, y, sample_weight=np.arange(200) / 100)
    items.add(f"{name} gradients", net.gradients, X, y, loss="squared_error", inputs=True)
    items.add(f"{name} backward", net.backward, X, y / 1000)
    items.add(f"{name} jacobian", net.jacobian, X[:9])
    items.add(f"{signed(name)} trace", lambda: vars_of(net.trace(X[:9], y[:9], "squared_error")))
    items.add(f"{name} file", reread, net, X)
    items.add(f"{name} last layer", lambda: net[1:].predict(np.ones((3, 32))))
    items.add(f"{name} partial fit", lambda: [own.partial_fit(X[:30], y[:30]), parameters(net)])
    items.add(f"{name} from outside", lambda: [own.partial_fit(X, output_gradient=y / 1e6), parameters(net)])
    again = lambda: [net.standardize(X[:90], y[:90], sample_weight=np.arange(90)), net.scale, net.predict(X)]  # noqa: E731
    items.add(f"{name} again", again)
    items.add(f"{name} fit again", lambda: [columns(own.fit(X, y, progress=False)), parameters(net)])


def framed(dtype: str, items: Items, name: str) -> None:
    """Data frames, if pandas is there."""
    import pandas as pd

    X, y = samples()
    frame = pd.DataFrame(X, columns=[f"column {k}" for k in range(11)]).astype({"column 3": "float64"})
    own = trained(fb.MLP([11, 16, 4], output="softmax", dtype=dtype, standardize=frame, seed=0))
    items.add(f"{name} fit", lambda: columns(own.fit(frame, y, epochs=2, progress=False)))
    items.add(f"{name} predictions", lambda: [own.network.predict(frame[frame.columns[::-1]]), own.network.predict(X)])
    items.add(f"{name} columns", lambda: list(own.network.columns))
    items.add(f"{name} history", lambda: own.history.to_frame()["loss"].to_numpy())


ACTIVATIONS = [
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "hard_sigmoid",
    "mish", "threshold", "sign",
]  # fmt: skip

FUNCTIONS: dict[str, Case] = {
    f"activation {kind} {dtype}": partial(activation, kind, dtype) for kind in ACTIVATIONS for dtype in DTYPES
} | {
    f"loss {kind} of {n_out} {dtype}": partial(loss, kind, n_out, dtype)
    for kind, (_, targets) in LOSSES.items()
    for n_out in ((4,) if targets == "labels" else (1, 3))
    for dtype in DTYPES
}
OPTIMIZERS: dict[str, Case] = {
    f"optimizer {kind} {dtype}{' with options' * shaped}": partial(optimizer, rule, dtype, shaped)
    for kind, rule in RULES.items()
    for dtype in DTYPES
    for shaped in (False, True)
}
OPTIONS: dict[str, Case] = (
    {f"options {k:03d}": partial(option, k) for k in range(50)}
    | {f"changes {dtype}": partial(changed, dtype) for dtype in DTYPES}
    | {"schedules": partial(several, "")}
)
if importlib.util.find_spec("pandas"):
    OPTIONS |= {f"frames {dtype}": partial(framed, dtype) for dtype in DTYPES}
STANDARDIZE: dict[str, Case] = {
    f"standardized {'column' if flat else 'rows'} {output} {dtype}": partial(standardized, dtype, flat, output)
    for flat in (False, True)
    for output in ("identity", "leaky_relu")
    for dtype in DTYPES
}
