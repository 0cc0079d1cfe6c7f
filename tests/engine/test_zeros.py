"""Matrices of which many numbers are 0: other kernels leave the zeros out, and come to the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import any_scale, guarded, guarded_copy, parameters, pixels
from scipy import sparse

import fastbp as fb
from fastbp.engine import input_paths, memory

pytestmark = any_scale

OPTIMIZERS = [
    fb.SGD(0.1), fb.SGD(0.1, momentum=0.9), fb.Adam(), fb.RMSprop(0.001, momentum=0.5), fb.Adagrad(), fb.LBFGS(),
]  # fmt: skip


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch):
    """A function that lets the engine leave zeros out, or not, whatever their number."""

    def force(skip: bool) -> None:
        monkeypatch.setattr(input_paths, "LEAST_INPUTS", 0)
        for name in ("FEW", "FEW_OF_ONE_PANEL"):
            monkeypatch.setattr(memory, name, 1.0 if skip else -1.0)

    return force


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


def outcome(made: dict, settings: dict, X: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> list[bytes]:
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


@pytest.mark.parametrize("seed", range(300))
def test_the_bits_are_those_with_all_zeros(force, seed):
    """Without zeros, and with a sparse matrix."""
    made, settings, X, y, w = drawn(seed)
    force(False)
    dense = outcome(made, settings, X, y, w)
    force(True)
    assert outcome(made, settings, X, y, w) == dense
    assert outcome(made, settings, listed(X), y, w) == dense


@pytest.mark.parametrize("seed", range(300, 325))
def test_the_bits_of_online_learning(force, seed):
    """With one row a minibatch, of which no sum has several terms."""
    made, settings, X, y, _ = drawn(seed)
    settings |= {"batch_size": 1, "optimizer": OPTIMIZERS[seed % 5], "clip_norm": None}
    force(False)
    dense = outcome(made, settings, X[:40], y[:40], None)
    force(True)
    assert outcome(made, settings, X[:40], y[:40], None) == dense
    assert outcome(made, settings, listed(X[:40]), y[:40], None) == dense


def zeros(share: float, n: int = 300, n_in: int = 100, seed: int = 0) -> np.ndarray:
    """Inputs of which this share is not 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, n_in)) < share, rng.normal(size=(n, n_in)), 0.0).astype(np.float32)


def make(**settings) -> fb.Trainer:
    return fb.Trainer(fb.MLP([100, 20, 3], output="softmax", seed=0), loss="cross_entropy", seed=0, **settings)


def test_the_road_follows_the_inputs():
    """From call to call, and the bits are those of a trainer that never leaves zeros out."""
    y, own, taken = np.arange(300) % 3, make(), []
    for share in (0.9, 0.1, 0.5, 0.2):
        own.fit(zeros(share), y)
        taken.append(own.work(32).roads.road == input_paths.MASKED)
    assert taken == [False, True, False, True]


def test_changing_roads_changes_no_bits(force):
    y, results = np.arange(300) % 3, []
    for skip in (None, False):
        own = make(optimizer=fb.Adam(), average=fb.EMA(0.9))
        if skip is not None:
            force(skip)
        for share in (0.9, 0.1, 0.5, 0.2):
            own.fit(zeros(share), y)
            own.partial_fit(zeros(share)[:1], y[:1])
        results.append([array.tobytes() for array in (*parameters(own), own.network.predict(zeros(0.1)))])
    assert results[0] == results[1]


def test_dense_minibatches_among_empty_ones(force):
    """A part of the rows may have no zeros at all, or nothing else."""
    X, y, results = zeros(0.1), np.arange(300) % 3, []
    X[64:128], X[128:192] = 1.0, 0.0
    for skip in (False, True):
        force(skip)
        own = make(shuffle=False, batch_size=64, n_threads=2)
        own.fit(X, y, epochs=2)
        results.append([array.tobytes() for array in parameters(own)])
    assert results[0] == results[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_found(value):
    X = zeros(0.1)
    X[7, 31] = value
    own = make()
    with pytest.raises(ValueError, match=r"X\[7, 31\] is"):
        own.network.predict(X)
    with pytest.raises(ValueError, match=r"X\[7, 31\] is"):
        own.fit(X, np.arange(300) % 3)


def test_zeros_times_infinity():
    """Weights that a diverging epoch has made infinite give NaN with inputs of 0, as they do with all zeros."""
    net = fb.MLP([100, 3], seed=0)
    net.parameters.theta[1] = np.inf
    with np.errstate(all="ignore"):
        assert not np.isfinite(net.predict(zeros(0.1))[:, 1]).any()


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize(("n_in", "hidden", "n"), [(1, 1, 1), (17, 33, 65), (100, 130, 64), (33, 17, 129)])
def test_nothing_beside_the_memory_is_touched(force, monkeypatch, n_in, hidden, n, at_end):
    """Of the samples, and of the words that say where zeros are."""
    force(True)
    for module in (input_paths, memory):
        monkeypatch.setattr(module, "aligned", lambda size, dtype: guarded(size, dtype, at_end))
    X, y = guarded_copy(zeros(0.2, n, n_in), at_end), guarded_copy(np.arange(n) % 3, at_end)
    own = fb.Trainer(fb.MLP([n_in, hidden, 3], output="softmax", seed=0), loss="cross_entropy", batch_size=70)
    own.fit(X, y, epochs=2)
    assert np.isfinite(own.network.predict(X)).all()


HIDDEN = [0.2, 0.5, 0.0, 0.0, 0.7]


def hidden(activation: str = "relu") -> fb.Trainer:
    """Of a network whose hidden layers have different dropout."""
    sizes, dropout = [40, 33, 130, 50, 64, 17, 3], [0.0, *HIDDEN]
    net = fb.MLP(sizes, activation=activation, output="softmax", dropout=dropout, seed=0)
    return fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(), seed=0)


def test_hidden_layers_take_the_road_where_dropout_makes_many_zeros():
    """With relu, dropout of 0.2 leaves 40 % of a^l. A product with one panel needs more zeros to gain."""
    memory = hidden().work(32).memory
    assert [zeros is not None for zeros in memory.zeros] == [False, True, True, False, False, False]
    assert [zeros is not None for zeros in memory.delta_zeros] == [False, True, False, False, True, False]
    memory = hidden("tanh").work(32).memory
    assert [zeros is not None for zeros in memory.zeros] == [False] * 6
    assert [zeros is not None for zeros in memory.delta_zeros] == [False] * 4 + [True, False]


def test_predictions_know_nothing_of_dropout():
    trainer = hidden()
    trainer.network.predict(np.ones((3, 40)))
    ((work, _),) = trainer.network._works.values()
    assert not any(work.memory.zeros + work.memory.delta_zeros)


@pytest.mark.parametrize("gradient", ["fused", "stored"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_hidden_layers_have_the_same_bits(force, gradient, n_threads):
    """With units that are always 0, and in a minibatch of several parts."""
    X, y, results = zeros(0.5, 1500, 40), np.arange(1500) % 3, []
    for skip in (False, True):
        force(skip)
        own = hidden()
        own.gradient, own.n_threads = gradient, n_threads
        weights, biases = own.network.weights, own.network.biases
        biases[1][::2] = -1e3
        own.network.set_weights(weights, biases)
        for batch_size in (64, 1500):
            own.batch_size = batch_size
            own.fit(X, y, epochs=2)
        results.append([array.tobytes() for array in (*parameters(own), own.state.vectors)])
    assert results[0] == results[1]


def test_few_inputs_are_not_counted(monkeypatch):
    """A prediction of one row takes 10 us, and counting would take a third of that."""
    counted = []
    monkeypatch.setattr(input_paths, "_filled", lambda X, order, n: counted.append(n) or 1.0)
    net = make().network
    net.predict(zeros(0.1)[:1])
    assert not counted
    net.predict(zeros(0.1))
    assert counted


def test_pixels_take_the_road():
    """Of images with empty borders, in their own dtype."""
    X = pixels(200)[0] * (np.arange(784) % 20 == 0).astype(np.uint8)
    net = fb.MLP([784, 16, 10], output="softmax", scale=1 / 255, seed=0)
    own = fb.Trainer(net, loss="cross_entropy")
    own.fit(X, np.arange(200) % 10)
    assert own.work(32).roads.road == input_paths.MASKED
