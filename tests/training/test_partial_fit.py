"""partial_fit: samples as they come are steps like those of an epoch in order of storage."""

import tracemalloc

import inside
import numpy as np
import pytest
from epochs import N_IN, N_OUT, N, assert_same, linear, make
from helpers import labelled, parameters, same

import fastbp as fb


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.SGD(0.1, momentum=0.9), fb.Adam(0.01)])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_partial_fit_is_an_epoch_in_order(optimizer, batch_size):
    """To the bit, call after call: steps and momentum go on; the history does not."""
    X, y = labelled()
    trainer = make(optimizer, batch_size=batch_size)
    twin = make(optimizer, batch_size=batch_size, shuffle=False)
    for rows in (slice(0, 50), slice(50, 51), slice(51, 103), slice(0, 103)):
        scores = trainer.partial_fit(X[rows], y[rows])
        history = twin.fit(X[rows], y[rows])
        assert scores == pytest.approx({name: history[name][-1] for name in ("loss", "accuracy")}, rel=1e-12)
        assert_same(trainer, twin, history=False)
    assert not trainer.history


def test_calls_of_partial_fit_are_an_epoch():
    """Cut at minibatches."""
    X, y = labelled()
    trainer, twin = (make(fb.Adam(0.01), shuffle=False, average=fb.EMA(0.9)) for _ in range(2))
    for first in range(0, N, 14):
        trainer.partial_fit(X[first : first + 14], y[first : first + 14])
    twin.fit(X, y)
    assert_same(trainer, twin, history=False)
    pairs = zip(trainer.averaged.weights, twin.averaged.weights, strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_partial_fit_between_epochs():
    """Both go on from where the other left the optimizer; the orders of epochs are as without it."""
    X, y = labelled()
    trainer, twin = make(fb.Adam(0.01)), make(fb.Adam(0.01))
    trainer.fit(X, y)
    trainer.partial_fit(X[:10], y[:10])
    trainer.fit(X, y)
    twin.fit(X, y)
    twin.shuffle = False
    twin.fit(X[:10], y[:10])
    twin.shuffle = True
    twin.fit(X, y)
    assert_same(trainer, twin, history=False)
    assert trainer.history.epochs == 2


def test_weights_of_partial_fit():
    X, y = labelled()
    weights = np.linspace(0, 3, N)
    trainer, twin = make(), make(shuffle=False)
    scores = trainer.partial_fit(X, y, sample_weight=weights)
    history = twin.fit(X, y, sample_weight=weights)
    assert scores["loss"] == pytest.approx(history["loss"][0], rel=1e-12)
    assert_same(trainer, twin, history=False)


def test_the_scores_of_partial_fit():
    """Of each sample before its step; no accuracy where there are no classes."""
    X, y = labelled()
    net = fb.MLP([N_IN, 9, N_OUT], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", batch_size=1000)
    before = trainer.evaluate(X, y)
    assert trainer.partial_fit(X, y) == before
    regression = fb.Trainer(fb.MLP([N_IN, 1], seed=0), loss="squared_error")
    assert [*regression.partial_fit(X, X[:, 0])] == ["loss"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((labelled()[0], labelled()[1][:-1]), ValueError, "y must have a row for each of the 103 rows of X"),
        ((labelled()[0][:, 1:], labelled()[1]), ValueError, r"X must have shape \(n, 6\)"),
        ((labelled()[0][:0], labelled()[1][:0]), ValueError, "X must have at least one row"),
        ((np.full((2, N_IN), np.nan), [0, 1]), ValueError, r"X\[0, 0\] is nan"),
        ((labelled()[0], np.full(N, N_OUT)), ValueError, r"y\[0\] is 3"),
        ((labelled()[0], None), TypeError, "y must be"),
    ],
)
def test_bad_samples_for_partial_fit(given, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.partial_fit(*given)
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        trainer.partial_fit(*labelled(), sample_weight=[1.0])
    assert same(before, parameters(trainer))


def test_partial_fit_that_diverges():
    """What the call has done is taken back."""
    X, y = labelled(35)
    trainer = linear()
    trainer.partial_fit(X, y)
    before = parameters(trainer)
    X[30] = 1e200
    with pytest.raises(FloatingPointError, match="at step 5"):
        trainer.partial_fit(X, y)
    assert same(before, parameters(trainer))


# --- memory -----------------------------------------------------------------------------------------------------------


def test_steps_of_different_sizes_share_their_memory(monkeypatch):
    """It grows to the largest, by powers of two, and at most to a minibatch; the bits are those of exact sizes."""
    X, y = labelled()
    sizes = [3, 1, 2, 4, 9, 16, 20, 1, 24, 17]
    trainer, found = make(fb.Adam(0.01), batch_size=24), inside.made_works(monkeypatch)
    for n in sizes:
        trainer.partial_fit(X[:n], y[:n], sample_weight=np.arange(1, n + 1))
    assert found == [4, 16, 24]
    for n in sizes:
        trainer.partial_fit(X[:n], output_gradient=np.full((n, N_OUT), 0.01))
    assert found == [4, 16, 24, 24]
    twin = make(fb.Adam(0.01), batch_size=24)
    for n in sizes:
        twin.batch_size = n  # so that each work has the size of its step
        twin.partial_fit(X[:n], y[:n], sample_weight=np.arange(1, n + 1))
    for n in sizes:
        twin.batch_size = n
        twin.partial_fit(X[:n], output_gradient=np.full((n, N_OUT), 0.01))
    assert same(parameters(trainer), parameters(twin))
    assert found[4:] == [*sizes, *sizes]


def test_another_setting_is_seen_in_shared_memory(monkeypatch):
    X, y = labelled()
    trainer, found = make(fb.SGD(0.1)), inside.made_works(monkeypatch)
    trainer.partial_fit(X[:7], y[:7])
    trainer.loss = "squared_error"
    trainer.partial_fit(X[:7], y[:7])
    trainer.optimizer = fb.SGD(0.2)
    trainer.partial_fit(X[:5], y[:5])
    trainer.network = fb.MLP([N_IN, 4, N_OUT], output="softmax", seed=1)
    trainer.partial_fit(X[:5], y[:5])
    assert len(found) == 4


def test_the_memory_does_not_grow():
    X, y = labelled()
    trainer = make(fb.Adam(0.01), batch_size=103)
    tracemalloc.start()
    held = []
    for _ in range(3):
        for n in [*range(1, 104), *range(103, 0, -1)]:
            trainer.partial_fit(X[:n], y[:n])
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[2] - held[1] < 100_000  # the memory of one size has a million bytes
