"""Networks, settings and samples with many zeros, at random: for the tests of zeros and for the campaign."""

from __future__ import annotations

import inside
import numpy as np
from helpers import parameters
from scipy import sparse

import fastbp as fb

MOMENTUM = fb.SGD(0.1, momentum=0.9)
OPTIMIZERS = [
    fb.SGD(0.1), MOMENTUM, fb.Adam(), fb.RMSprop(0.001, momentum=0.5), fb.Adagrad(), fb.LBFGS(),
]  # fmt: skip


def listed(X: np.ndarray) -> sparse.csr_array:
    """The same inputs as a sparse matrix, in which -0.0 is an entry."""
    rows, columns = np.nonzero((X != 0) | np.signbit(X))
    return sparse.csr_array((X[rows, columns], (rows, columns)), X.shape)


def drawn(seed: int) -> tuple[dict, dict, np.ndarray, np.ndarray, np.ndarray | None]:
    """A network, a trainer and samples at random: ragged sizes, every density, empty rows and columns, both dtypes."""
    rng = np.random.default_rng(seed)
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    n_in, n_out, n = (int(rng.integers(1, most)) for most in (150, 9, 200))
    hidden = [int(rng.integers(1, 150)) for _ in range(rng.integers(0, 3))]
    X = np.where(rng.random((n, n_in)) < rng.random(), rng.normal(size=(n, n_in)), pick(0.0, -0.0))
    X[rng.random(n) < pick(0.0, 0.3)] = 0
    X[:, rng.random(n_in) < pick(0.0, 0.5)] = 0
    kind = pick(np.uint8, np.float32, np.float64)
    X = np.abs(20 * X).astype(kind) if kind == np.uint8 else (X * 10.0 ** pick(0, 0, -40)).astype(kind)
    made = {
        "sizes": [n_in, *hidden, n_out], "activation": pick("relu", "tanh", "silu"), "dtype": pick("f4", "f8"),
        "dropout": pick(0.0, 0.5, [0.3] + [0.0] * len(hidden), [0.2] + [0.6] * len(hidden)), "seed": seed,
        "max_norm": pick(None, 1.0), "scale": pick(1.0, 0.05),
    }  # fmt: skip
    settings = {
        "loss": "squared_error", "optimizer": OPTIMIZERS[rng.integers(len(OPTIMIZERS))], "seed": seed,
        "batch_size": int(rng.integers(1, 1.5 * n + 2)), "gradient": pick("fused", "stored"), "l2": pick(0.0, 0.01),
        "clip_norm": pick(None, None, 0.5), "average": pick(None, fb.EMA(0.9)), "n_threads": pick(1, 2),
        "shuffle": pick(True, False),
    }  # fmt: skip
    return made, settings, X, rng.normal(size=(n, n_out)), pick(None, rng.integers(0, 3, n) + (np.arange(n) == 0))


def with_few_kernels(made: dict, settings: dict) -> tuple[dict, dict]:
    """A network and a trainer that need no kernels for one rule which those for another show to be right.

    Each rule has seven kernels for each dtype, and seven more with penalties. They take five seconds to compile.
    """
    optimizer = settings["optimizer"]
    dtype = {fb.RMSprop: "f4", fb.Adagrad: "f8"}.get(type(optimizer), made["dtype"])
    l2 = 0.01 if optimizer == MOMENTUM and dtype == "f8" else 0.0
    return made | {"dtype": dtype}, settings | {"l2": l2}


def outcome(made: dict, settings: dict, X: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> list[bytes]:
    """The bits of all that a training comes to."""
    net = fb.MLP(**made)
    trainer = fb.Trainer(net, **settings)
    loss, dW, db = net.gradients(X, y, loss="squared_error", sample_weight=w)
    found = [np.array(loss), *dW, *db, net.predict(X)]
    try:
        trainer.fit(X, y, epochs=2, sample_weight=w)
    except FloatingPointError as error:
        found.append(np.array(str(error).partition(" at ")[0]))
    found += [*parameters(net), trainer.state.vectors, net.predict(X)]
    return [array.tobytes() for array in found]


def check(made: dict, settings: dict, X: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> None:
    """With all zeros, without them, and with a sparse matrix, the bits are the same."""
    made, settings = with_few_kernels(made, settings)
    with inside.zeros_left_out(False):
        dense = outcome(made, settings, X, y, w)
    with inside.zeros_left_out(True):
        assert outcome(made, settings, X, y, w) == dense
        assert outcome(made, settings, listed(X), y, w) == dense


def check_whole(seed: int) -> None:
    """With minibatches of any size."""
    check(*drawn(seed))


def check_online(seed: int) -> None:
    """With one row a minibatch, of which no sum has several terms."""
    made, settings, X, y, _ = drawn(seed)
    settings |= {"batch_size": 1, "optimizer": OPTIMIZERS[seed % 5], "clip_norm": None}
    check(made, settings, X[:40], y[:40], None)
