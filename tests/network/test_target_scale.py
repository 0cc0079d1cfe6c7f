"""Targets in another unit than the outputs: `target_scale` and `target_shift`, also of targets in uint8."""

import pickle
import warnings

import numpy as np
import pytest

import fastbp as fb

N = 60


def pixels(n_in=30):
    rng = np.random.default_rng(0)
    return (255 * rng.uniform(size=(N, 3)) @ rng.dirichlet(np.ones(n_in), 3)).clip(0, 255).astype(np.uint8) * 8 + 3


def network(dtype="float64", **more):
    options = {"activation": "tanh", "output": "sigmoid", "scale": 1 / 255, "target_scale": 255, "seed": 0}
    return fb.autoencoder([30, 5, 30], dtype=dtype, **{**options, **more})


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "huber"])
def test_pixels_are_read_in_place_as_their_scaled_copy(loss):
    """Training on uint8, on floats in the same unit, and on numbers from 0 to 1 is the same to rounding."""
    X = pixels()
    nets = [network(), network(), network(target_scale=1)]
    for net, y in zip(nets, (X, X.astype(float), X / 255), strict=True):
        fb.Trainer(net, loss=loss, optimizer="adam", seed=0).fit(X, y, epochs=5)
    for other in nets[1:]:
        np.testing.assert_allclose(nets[0].theta, other.theta, atol=1e-10)
    np.testing.assert_allclose(nets[0].predict(X), 255 * nets[2].predict(X), atol=1e-6)
    assert nets[0].predict(X).max() > 50


def test_no_copy_of_pixels_is_made():
    net, X = network(), pixels()
    samples = fb.Trainer(net, loss="squared_error")._checker("training").samples(X, X)
    assert np.shares_memory(samples.y.array, X)
    assert np.shares_memory(samples.X.array, X)


def test_validation_blocks_and_gradients_have_the_unit():
    X = pixels()
    results = []
    for y in (X, X.astype(float)):
        net = network()
        trainer = fb.Trainer(net, loss="squared_error", metrics=["mae"], seed=0)
        history = trainer.fit([(X[:40], y[:40]), (X[40:], y[40:])], validation_data=(X, y), epochs=2)
        loss, dW, _ = net.gradients(X, y, loss="squared_error")
        results.append([history["validation_loss"][-1], history["validation_mae"][-1], loss, dW[0]])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert results[0][1] == pytest.approx(abs(net.predict(X) - X.astype(float)).mean())


def test_shift_and_scale_for_each_output():
    """A tanh output that goes from 0 to 10 and from 100 to 300."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2))
    y = np.column_stack([5 + 4 * X[:, 0], 200 + 90 * X[:, 1]])
    net = fb.MLP([2, 16, 2], output="tanh", target_shift=[5, 200], target_scale=[5, 100], seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(X, y, epochs=100)
    assert abs(net.predict(X) - y).max(axis=0) == pytest.approx([0, 0], abs=40)
    assert fb.metrics.r2(y, net.predict(X)) > 0.97


def test_where_the_scale_is_kept(tmp_path):
    net, X = network(target_shift=3.0), pixels()
    net.save(tmp_path / "net.safetensors")
    for twin in (fb.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net)), net.astype("float64")):
        np.testing.assert_array_equal(twin.predict(X), net.predict(X))
        assert twin.target_scale.tolist() == [255.0] * 30
    assert "target_scale=255.0, target_shift=3.0" in repr(net)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(target_scale=0), "target_scale must be above 0, got 0"),
        (
            lambda: network(target_scale=[1, 2]),
            r"target_scale must be a number or have shape \(30,\), got shape \(2,\)",
        ),
        (
            lambda: fb.MLP([2, 1], target_scale=2, standardize_targets=[1.0, 2.0]),
            "standardize_targets must be None with target_scale or target_shift",
        ),
        (
            lambda: fb.Trainer(network(target_scale=100), loss="binary_cross_entropy").fit(pixels(), pixels()),
            r"y must be in \[0, 1\] for 'binary_cross_entropy' after target_shift and target_scale, got",
        ),
    ],
)
def test_wrong_scales(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("output", "y", "warned"),
    [
        ("sigmoid", pixels().astype(float), True),
        ("sigmoid", pixels(), True),
        ("tanh", np.full((N, 30), -1.5), True),
        ("relu", np.linspace(-1, 1, 30 * N).reshape(N, 30), True),
        ("sigmoid", pixels() / 255, False),
        ("tanh", np.linspace(-1, 1, 30 * N).reshape(N, 30), False),
    ],
)
def test_targets_that_an_output_cannot_reach(output, y, warned):
    """Training on pixels from 0 to 255 with a sigmoid once ended in silence with outputs of 1 everywhere."""
    trainer = fb.Trainer(network(output=output, target_scale=1), loss="squared_error", seed=0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        trainer.fit(pixels(), y)
    texts = [str(each.message) for each in seen]
    assert any("cannot go beyond" in text and "target_scale" in text for text in texts) == warned, texts
