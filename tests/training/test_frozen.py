"""Layers that training leaves as they are."""

import numpy as np
import pytest

import fastbp as fb

SIZES = [9, 20, 12, 3]


def samples(dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 9)).astype(dtype), rng.normal(size=(50, 3)).astype(dtype)


def trained(frozen, dtype="float32", threads=None, **options):
    net = fb.MLP(SIZES, activation="tanh", dtype=dtype, seed=0)
    trainer = fb.Trainer(net, loss="squared_error", batch_size=16, n_threads=threads, seed=0, **options)
    trainer.frozen = frozen
    trainer.fit(*samples(net.dtype), epochs=3)
    return trainer


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("options", [{}, {"gradient": "stored"}, {"clip_norm": 0.1}, {"l2": 0.1}], ids=str)
@pytest.mark.parametrize("frozen", [(1,), (2,), (1, 2), (3,), (1, 3)])
def test_frozen_layers_stay_and_others_learn_as_before(frozen, options, optimizer):
    """The others get the bits that they get if the frozen ones have a rate of 0, for all numbers of threads."""
    first = fb.MLP(SIZES, activation="tanh", seed=0)
    found = [trained(frozen, threads=n, optimizer=optimizer, **options).network for n in (1, 2)]
    rates = {f"layer {l}": 0.0 for l in frozen}
    expected = trained((), optimizer=optimizer, rates=rates, **options).network
    for l in range(3):
        assert np.array_equal(found[0].weights[l], first.weights[l]) == (l + 1 in frozen)
        assert np.array_equal(found[0].biases[l], first.biases[l]) == (l + 1 in frozen)
    np.testing.assert_array_equal(found[0].theta, found[1].theta)
    if "clip_norm" not in options:  # the norm is that of the gradient of layers that learn
        np.testing.assert_array_equal(found[0].theta, expected.theta)


def test_features_of_frozen_layers_are_inputs():
    """To train layer 2 and 3 alone is to train a network of these layers on the features of the first."""
    X, y = samples(np.float64)
    whole = trained((1,), "float64", optimizer="sgd").network
    net = fb.MLP(SIZES, activation="tanh", dtype="float64", seed=0)
    rest = net[1:]
    trainer = fb.Trainer(rest, loss="squared_error", batch_size=16, optimizer="sgd", seed=0)
    trainer.fit(net.transform(X, 1), y, epochs=3)
    for found, expected in zip(whole.weights[1:], rest.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_frozen_can_change_between_calls_and_in_a_callback():
    trainer = trained((1,))
    W = trainer.network.weights
    trainer.frozen = ()
    trainer.fit(*samples(), epochs=1)
    assert not np.array_equal(W[0], trainer.network.weights[0])
    trainer.frozen = [3, 2]
    assert trainer.frozen == (2, 3)
    kept = trainer.network.weights[1:]
    trainer.partial_fit(*samples())
    for found, expected in zip(trainer.network.weights[1:], kept, strict=True):
        np.testing.assert_array_equal(found, expected)
    trainer.apply_gradients([np.ones_like(W) for W in trainer.network.weights], trainer.network.biases)
    for found, expected in zip(trainer.network.weights[1:], kept, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_frozen_in_checkpoints(tmp_path):
    trainer = trained((2,))
    trainer.fit(*samples(), epochs=1, callbacks=[fb.Checkpoint(tmp_path)])
    assert fb.Trainer.resume(tmp_path).frozen == (2,)


def test_tied_layers_freeze_together():
    net = fb.autoencoder([9, 4, 9], activation="tanh", seed=0)
    X, _ = samples()
    with pytest.raises(ValueError, match=r"frozen must have both layers 1 and 2 or none, because .* tied; got \(1,\)"):
        fb.Trainer(net, loss="squared_error", frozen=(1,))
    deep = fb.autoencoder([9, 6, 4, 6, 9], activation="tanh", seed=0)
    kept = deep.weights
    fb.Trainer(deep, loss="squared_error", frozen=(1, 4), seed=0).fit(X, X, epochs=2)
    np.testing.assert_array_equal(deep.weights[3], kept[0].T)
    np.testing.assert_array_equal(deep.weights[0], kept[0])
    assert not np.array_equal(deep.weights[1], kept[1])


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        ((4,), r"frozen must be some of the layers 1 to 3, but not all; got \(4,\)"),
        ((1, 2, 3), r"frozen must be some of the layers 1 to 3, but not all; got \(1, 2, 3\)"),
        ((0,), r"frozen\[0\] must be at least 1, got 0"),
        (1, r"frozen must be numbers of layers such as \(1,\), got 1"),
    ],
)
def test_wrong_layers(frozen, message):
    trainer = fb.Trainer(fb.MLP(SIZES), loss="squared_error")
    with pytest.raises((ValueError, TypeError), match=message):
        trainer.frozen = frozen
    assert trainer.frozen == ()


def test_line_search_moves_all():
    with pytest.raises(ValueError, match=r"frozen must be \(\) with LBFGS"):
        fb.Trainer(fb.MLP(SIZES), loss="squared_error", optimizer="lbfgs", frozen=(1,))
