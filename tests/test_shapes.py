"""The shape of predictions of one output: that of the targets, so that their difference is one of numbers."""

import copy

import numpy as np
import pytest
from helpers import same

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4))
Y = X[:, 0] - X[:, 1]


def trained(y, n_out=1, **options):
    own = fb.Trainer(
        fb.MLP([4, 8, n_out], seed=0), **{"loss": "squared_error", "metrics": ["r2", "mae"], "seed": 0} | options
    )
    own.fit(X, y, epochs=3, validation_split=0.2)
    return own


@pytest.mark.parametrize("shape", [(30,), (30, 1)])
def test_predictions_have_the_shape_of_the_targets(shape, tmp_path):
    y = Y.reshape(shape)
    own = trained(y)
    net = own.network
    own.fit(X, y, callbacks=[fb.Checkpoint(tmp_path / "run")])
    net.save(tmp_path / "m")
    twins = [
        net,
        fb.load(tmp_path / "m"),
        copy.copy(net),
        net.astype("float64"),
        fb.Trainer.resume(tmp_path / "run").network,
    ]
    for twin in twins:
        assert (twin.predict(X) - y).shape == shape
        assert twin.predict(X[:1]).shape == (1, *shape[1:])
        assert twin.outputs(X).shape == (30, 1)
    assert (fb.Ensemble([own]).predict(X) - y).shape == shape
    assert abs(net.predict(X) - y).mean() == pytest.approx(own.evaluate(X, y)["mae"], rel=1e-5)
    assert net.predict_classes(X).shape == (30,)
    assert net.transform(X, -1).shape == net.trace(X).a[-1].shape == (30, 1)


def test_both_shapes_train_alike():
    one, other = trained(Y), trained(Y[:, None])
    assert same(one.network.weights, other.network.weights)
    for name in ("loss", "validation_r2", "validation_mae"):
        assert one.history[name] == other.history[name]


def test_the_last_training_counts():
    own = trained(Y)
    own.partial_fit(X, Y[:, None])
    assert own.network.predict(X).shape == (30, 1)
    own.partial_fit(X, Y)
    own.partial_fit(X, output_gradient=np.zeros((30, 1)))
    assert own.network.predict(X).shape == (30,)
    own.evaluate(X, Y[:, None])
    assert own.network.predict(X).shape == (30,)
    own.fit([(X, Y[:, None])])
    assert own.network.predict(X).shape == (30, 1)


def test_binary_classes_and_several_outputs():
    own = trained((Y > 0) * 1, loss=fb.losses.BinaryCrossEntropy(from_logits=True))
    assert ((own.network.predict(X) > 0) == (Y > 0)).shape == (30,)
    assert trained((Y > 0) * 1, n_out=2).network.predict(X).shape == (30, 2)
    assert fb.MLP([4, 1]).predict(X).shape == (30, 1)
