"""Training on sparse matrices: only what occurs in a minibatch changes, and undoing it needs no copy of all weights."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import parameters
from scipy import sparse

import fastbp as fb

N_IN, N = 400, 64


def samples(seed: int = 0, columns: int = N_IN) -> tuple[sparse.csr_array, np.ndarray]:
    """Rows with three entries in the first columns, and their classes."""
    rng = np.random.default_rng(seed)
    X = sparse.csr_array((rng.random((N, columns)) < 3 / columns) * rng.normal(size=(N, columns)).astype(np.float32))
    X.resize(N, N_IN)
    return X, rng.integers(0, 3, N)


def make(gradient: str = "fused", **settings) -> fb.Trainer:
    net = fb.MLP([N_IN, 20, 3], output="softmax", seed=0)
    settings = {"loss": "cross_entropy", "batch_size": 16, "seed": 0} | settings
    return fb.Trainer(net, gradient=gradient, **settings)


RULES = [fb.Adam(0.01), fb.AdamW(0.01), fb.SGD(0.1, momentum=0.9, nesterov=True), fb.RMSprop(0.01), fb.Adadelta()]


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_lazy_step_is_a_step_of_the_inputs_that_occur(rule, n_threads):
    """Their weights, and all others after W^1, get the bits of a step with an array; the rest stays."""
    X, y = samples()
    own, whole = make("lazy", optimizer=rule, n_threads=n_threads), make(optimizer=rule)
    for k in (0, 1):
        before, there = own.network.weights[0], np.unique(X[16 * k : 16 * k + 16].indices)
        whole.network.set_weights(own.network.weights, own.network.biases)
        if k == 0:  # later, the state of the other one has moved on
            whole.partial_fit(X[:16].toarray(), y[:16])
        own.partial_fit(X[16 * k : 16 * k + 16], y[16 * k : 16 * k + 16])
        changed = (own.network.weights[0] != before).any(axis=1)
        assert set(np.flatnonzero(changed)) == set(there)
        if k == 0:
            assert own.network.weights[0][there].tobytes() == whole.network.weights[0][there].tobytes()
            assert own.network.weights[1].tobytes() == whole.network.weights[1].tobytes()


@pytest.mark.parametrize("rule", [fb.SGD(0.1), fb.Adagrad(0.1)])
def test_rules_that_keep_still_are_lazy_anyway(rule):
    X, y = samples()
    ends = []
    for gradient in ("fused", "lazy", "stored"):
        own = make(gradient, optimizer=rule)
        own.fit(X, y, epochs=3)
        ends.append([array.tobytes() for array in (*parameters(own), own.state.vectors)])
    assert ends[0] == ends[1] == ends[2]


def test_lazy_training_has_the_same_bits_with_any_number_of_threads():
    X, y = samples()
    ends = []
    for n_threads in (1, 2, 3, 4):
        own = make("lazy", optimizer=fb.Adam(), l2=0.01, clip_value=0.1, n_threads=n_threads)
        own.fit(X, y, epochs=4)
        ends.append([array.tobytes() for array in (*parameters(own), own.state.vectors)])
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip_norm": 1.0}, "gradient must not be 'lazy' with clip_norm or LBFGS"),
        ({"optimizer": fb.LBFGS()}, "gradient must not be 'lazy' with clip_norm or LBFGS"),
        ({"batch_size": 1025}, r"batch_size must be at most 1024 with gradient='lazy', got 1025"),
    ],
)
def test_what_lazy_training_cannot_do(settings, message):
    X, y = sparse.vstack([samples()[0]] * 20), np.tile(samples()[1], 20)
    with pytest.raises(ValueError, match=message):
        make("lazy", **settings).fit(X, y)


@pytest.mark.parametrize("door", ["fit", "partial_fit", "blocks"])
def test_lazy_training_refuses_arrays(door):
    X, y = samples()
    own = make("lazy")
    before = [array.tobytes() for array in parameters(own)]
    with pytest.raises(ValueError, match="must be a sparse matrix with gradient='lazy', got an array"):
        own.fit([(X.toarray(), y)]) if door == "blocks" else getattr(own, door)(X.toarray(), y)
    assert [array.tobytes() for array in parameters(own)] == before
    own.fit(X, y, validation_data=(X.toarray(), y))  # which trains nothing
    assert own.history.epochs == 1


@pytest.mark.parametrize("settings", [{}, {"optimizer": fb.Adam(1e30), "gradient": "lazy"}, {"average": fb.EMA(0.9)}])
@pytest.mark.parametrize("columns", [5, N_IN], ids=["few columns", "many"])
def test_a_step_that_diverges_is_undone(columns, settings):
    """Few columns, of which alone the weights are copied before: nothing else can change."""
    own = make(**{"optimizer": fb.SGD(1e30)} | settings)
    X, y = samples(1, columns)
    X = X[:8] if columns == 5 else X
    assert (columns == 5) == (X.nnz < N_IN / 8)
    before = []

    def train() -> None:
        for _ in range(9):
            before[:] = [array.tobytes() for array in parameters(own)]
            own.partial_fit(X, y[: X.shape[0]])

    with pytest.raises(FloatingPointError, match="not finite"):
        train()
    assert [array.tobytes() for array in parameters(own)] == before


def test_the_bits_do_not_depend_on_what_is_copied(monkeypatch):
    """Copying the weights of a few columns, or all, before each call."""
    ends = []
    for all_of_them in (False, True):
        if all_of_them:
            monkeypatch.setattr("fastbp.data.sources.Arrays.columns", lambda self: None)
        own = make()
        for k in range(6):
            X, y = samples(k, 5)
            own.partial_fit(X[:8], y[:8])
        ends.append([array.tobytes() for array in parameters(own)])
    assert ends[0] == ends[1]
