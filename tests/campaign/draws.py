"""What the players draw: networks, settings and samples, from lists that are short enough for the kernels to be cached.

A kernel belongs to one activation, one loss with its output, or one optimizer, each with a dtype. The lists have each
of them once or twice, and the players combine them freely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import fastbp as fb

ACTIVATIONS = (
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "hard_sigmoid",
    "mish",
)  # fmt: skip
PAIRS = (
    ("cross_entropy", "softmax"),
    (fb.losses.CrossEntropy(0.1), "softmax"),
    ("cross_entropy", "sigmoid"),
    ("binary_cross_entropy", "sigmoid"),
    ("binary_cross_entropy", "softmax"),
    ("squared_error", "identity"),
    ("squared_error", "softmax"),
    ("squared_error", "hard_sigmoid"),
    ("mean_squared_error", "sigmoid"),
    ("mean_squared_error", "mish"),
    ("absolute_error", "identity"),
    ("huber", "tanh"),
    (fb.losses.Huber(0.3), "leaky_relu"),
    ("quantile", "identity"),
    (fb.losses.Quantile(0.8), "elu"),
    ("log_cosh", "gelu"),
    ("log_cosh", "selu"),
    ("poisson", "softplus"),
    ("hinge", "identity"),
    ("squared_hinge", "tanh"),
    ("multiclass_hinge", "identity"),
    ("norm_error", "silu"),
    ("norm_error", "relu"),
)
"""Losses with outputs that they are finite with."""
FORMULA = fb.activations.Formula(lambda z, a: z * fb.graph.sigmoid(a * z), constants={"a": 1.5})
"""Only for files: the players that compute with NumPy know the names above."""
PAIR = fb.losses.Formula(lambda a, y, c: (a - y) ** 2 / (c + (a - y) ** 2), constants={"c": 2.0}), FORMULA
# An epsilon far above the rounding of a gradient: the quotient of two gradients that are only rounding is anything.
OPTIMIZERS = (
    fb.SGD(0.1),
    fb.SGD(0.05, momentum=0.9),
    fb.SGD(0.05, momentum=0.8, nesterov=True),
    fb.Adam(0.01, epsilon=1e-4),
    fb.AdamW(0.02, weight_decay=0.1, epsilon=1e-4),
    fb.RMSprop(0.01, epsilon=1e-4),
    fb.RMSprop(0.01, momentum=0.5, epsilon=1e-4),
    fb.RMSprop(0.01, momentum=0.5, centered=True, epsilon=1e-3),
    fb.Adagrad(0.05, lr_decay=0.01, epsilon=1e-4),
    fb.Adadelta(1.0, epsilon=1e-4),
    fb.Rprop(0.01),
    fb.Rprop(0.02, forgiving=False),
)
SCHEDULES = (
    None,
    fb.schedules.Cosine(30, least=0.1, per="step"),
    fb.schedules.Warmup(7, per="step"),
    fb.schedules.Warmup(5, per="step") * fb.schedules.Step(2, 0.5),
    fb.schedules.Exponential(0.9),
    fb.schedules.ReduceOnPlateau("loss", gamma=0.5, patience=0),
    fb.schedules.BoldDriver(up=1.2, down=0.5),
)
AVERAGES = (None, fb.EMA(0.5), fb.EMA(0.9), fb.SWA(), fb.SWA(start=2))
KINDS = ("u1", "f4", "f8", "?", "i1", "u2", "i8", "f2", ">f4", ">f8", "<f4")
"""The dtypes of inputs. The kernels read the first four in place."""


class Samples(NamedTuple):
    """Samples as they are given to fastbp, and the same in float64 for formulas."""

    X: np.ndarray
    y: np.ndarray
    rows: np.ndarray
    """The targets as rows of float64, in which -1 stands for "no" if the loss has signs."""
    weights: np.ndarray | None


def least_outputs(loss: str | fb.losses.Loss, output: object) -> int:
    """The smallest number of outputs with which a trainer takes this pair."""
    compares = output == "softmax" or name_of(loss) in ("cross_entropy", "multiclass_hinge")
    return 2 if compares else 1


def name_of(loss: str | fb.losses.Loss) -> str:
    """The name of a loss that is given as a name or as an object."""
    return loss if isinstance(loss, str) else loss.name


def choose(rng: np.random.Generator, among: tuple) -> object:
    """One of several things."""
    return among[rng.integers(len(among))]


def inputs(rng: np.random.Generator, n: int, n_in: int, kind: str, below: int = 100) -> np.ndarray:
    """Inputs of a dtype, integers below a bound or normal. Those of two bytes and more are not always contiguous."""
    if np.dtype(kind).kind in "bui":
        X = rng.integers(0, 2 if kind == "?" else below, (n, n_in)).astype(kind)
    else:
        X = rng.normal(size=(n, n_in)).astype(kind)
    if rng.random() < 0.4:  # many zeros, rows and columns of zeros among them
        X = np.where(rng.random(X.shape) < rng.random((n, 1)) * rng.random(n_in), X, np.zeros((), X.dtype))
    if X.dtype.itemsize > 1 and rng.random() < 0.2:
        return np.repeat(X, 2, axis=1)[:, ::2] if rng.random() < 0.5 else np.asfortranarray(X)
    return X


def targets(rng: np.random.Generator, n: int, n_out: int, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets that a loss takes, in one of the forms that it takes, and the same as rows of float64."""
    labels = rng.integers(0, n_out, n)
    one_hot = np.eye(n_out)[labels]
    if n_out > 1 and rng.random() < 0.4:
        return labels, np.where(one_hot > 0, 1.0, -1.0) if loss in ("hinge", "squared_hinge") else one_hot
    if loss == "multiclass_hinge":
        return (labels if n_out == 1 or rng.random() < 0.5 else one_hot), one_hot
    if loss == "cross_entropy":
        rows = rng.dirichlet(np.ones(n_out), n)
    elif loss in ("hinge", "squared_hinge"):
        rows = rng.choice([-1.0, 1.0], (n, n_out))
        if rng.random() < 0.5:
            return np.where(rows > 0, 1, 0).astype(rng.choice(["u1", "f4", "i8"])), rows
    elif loss == "binary_cross_entropy":
        rows = rng.random((n, n_out)) if rng.random() < 0.5 else rng.integers(0, 2, (n, n_out)).astype(float)
    elif loss == "poisson":
        rows = rng.integers(0, 5, (n, n_out)).astype(float)
    else:
        rows = rng.normal(size=(n, n_out))
    return (rows[:, 0].copy() if n_out == 1 and loss != "cross_entropy" and rng.random() < 0.5 else rows), rows


def weights(rng: np.random.Generator, n: int) -> np.ndarray | None:
    """Weights of samples: none, any, or some that are 0."""
    kind = rng.integers(4)
    if kind < 2:
        return None
    found = rng.uniform(0.1, 3, n)
    if kind == 3:
        found[rng.random(n) < 0.3] = 0.0
        found[rng.integers(n)] = 1.0
    return found


def samples(
    rng: np.random.Generator,
    n: int,
    sizes: list[int],
    loss: str | fb.losses.Loss,
    kind: str = "f8",
    below: int = 100,
) -> Samples:
    """Samples for a network with these sizes and for a loss."""
    return Samples(inputs(rng, n, sizes[0], kind, below), *targets(rng, n, sizes[-1], name_of(loss)), weights(rng, n))


def scale_for(kind: str) -> float:
    """The scale of a network whose inputs have this dtype, so that they are about 1."""
    return 0.01 if np.dtype(kind).kind in "ui" else 1.0
