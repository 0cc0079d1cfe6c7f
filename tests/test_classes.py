"""Classes: the accuracy and the predicted classes decide alike, also for losses that decide at 0."""

import copy

import numpy as np
import pytest
from helpers import any_pair

import fastbp as fb
from fastbp.base import model_files

OUTPUTS = np.array([[0.2], [0.3], [-1.0]])
LABELS = np.array([1, 1, 0])


def line() -> fb.MLP:
    """Its output is its input."""
    net = fb.MLP([1, 1], seed=0)
    net.set_weights([[[1.0]]], [[0.0]])
    return net


@pytest.mark.parametrize("y", [LABELS, 2 * LABELS - 1])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_hinge_decides_at_0(loss, y):
    net = line()
    trainer = fb.Trainer(net, loss=loss)
    assert trainer.evaluate(OUTPUTS, y)["accuracy"] == 1.0
    assert (net.predict_classes(OUTPUTS) == LABELS).all()
    assert net.threshold == 0.0


@any_pair
def test_other_losses_decide_at_one_half():
    net = line()
    trainer = fb.Trainer(net, loss="binary_cross_entropy")
    y = np.array([0, 0, 1])
    probabilities = np.array([[0.2], [0.4999], [0.5]])
    assert trainer.evaluate(probabilities, y)["accuracy"] == 1.0
    assert (net.predict_classes(probabilities) == y).all()


@any_pair
def test_the_last_loss_decides():
    """Whichever it is, the accuracy and the classes agree."""
    net = line()
    first, second = fb.Trainer(net, loss="hinge"), fb.Trainer(net, loss="binary_cross_entropy")
    for trainer in (first, second):
        share = (net.predict_classes(np.abs(OUTPUTS)) == LABELS).mean()
        assert trainer.evaluate(np.abs(OUTPUTS), LABELS)["accuracy"] == pytest.approx(share)
    second.loss = "hinge"
    assert (net.predict_classes(OUTPUTS) == LABELS).all()


def test_a_network_in_a_file_decides_as_it_was_trained(tmp_path):
    net = line()
    fb.Trainer(net, loss="hinge")
    net.save(tmp_path / "m")
    for twin in (fb.load(tmp_path / "m"), copy.deepcopy(net), net.astype(np.float64)):
        assert (twin.predict_classes(OUTPUTS) == LABELS).all()


def test_a_resumed_network_decides_as_it_was_trained(tmp_path):
    fb.Trainer(line(), loss="hinge").fit(OUTPUTS, LABELS, callbacks=[fb.Checkpoint(tmp_path)])
    assert fb.Trainer.resume(tmp_path).network.threshold == 0.0


def test_an_ensemble_decides_as_its_members():
    ensemble = fb.Ensemble([fb.Trainer(line(), loss="hinge") for _ in range(2)])
    assert (ensemble.predict_classes(OUTPUTS) == LABELS).all()
    with pytest.raises(ValueError, match="decide alike"):
        fb.Ensemble([fb.Trainer(line(), loss=loss) for loss in ("hinge", "squared_error")])


SEVERAL = {"binary_cross_entropy": "sigmoid", "hinge": "identity", "squared_hinge": "identity"}


def several(loss, seed=0):
    """A trainer of a network with three outputs, and samples with rows of 0 and 1 and with labels."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    net = fb.MLP([4, 12, 3], output=SEVERAL[loss], seed=seed)
    return (
        fb.Trainer(net, loss=loss, optimizer=fb.Adam(0.02), seed=seed),
        X,
        (X[:, :3] > 0.2) * 1,
        rng.integers(0, 3, 60),
    )


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("loss", SEVERAL)
def test_the_accuracy_is_that_of_the_predicted_classes(loss, blocks, tmp_path):
    """Rows: each output by itself. Labels: the largest output. Also in files, copies and ensembles."""
    own, X, rows, labels = several(loss)
    for y, multilabel in ((rows, True), (labels, False), (2 * rows - 1 if "hinge" in loss else rows, True)):
        own.fit(*([[(X[:40], y[:40]), (X[40:], y[40:])]] if blocks else [X, y]), epochs=20)
        assert own.network.multilabel is multilabel
        found = own.network.predict_classes(X)
        assert found.shape == y.shape
        assert found.dtype == np.int64
        assert own.evaluate(X, y)["accuracy"] == pytest.approx(np.mean(found == np.where(y < 0, 0, y)))
    own.network.save(tmp_path / "m")
    for twin in (fb.load(tmp_path / "m"), copy.deepcopy(own.network), own.network.astype("float64")):
        assert twin.multilabel
        assert (twin.predict_classes(X) == found).all()
    assert (fb.Ensemble([own]).predict_classes(X) == found).all()


def test_other_losses_and_gradients_leave_the_decision():
    own, X, rows, labels = several("binary_cross_entropy")
    own.partial_fit(X, rows)
    own.partial_fit(X, output_gradient=np.zeros((60, 3)))
    assert own.network.multilabel
    own.evaluate(X, labels)
    assert own.network.multilabel
    with pytest.raises(ValueError, match="y"):
        own.fit(X, labels + 1)
    assert own.network.multilabel
    own.partial_fit(X, labels)
    assert not own.network.multilabel


def test_one_hot_rows_with_a_softmax_are_classes():
    own = fb.Trainer(fb.MLP([4, 3], output="softmax", seed=0), loss="cross_entropy", seed=0)
    X = np.random.default_rng(0).normal(size=(9, 4))
    own.fit(X, np.eye(3)[np.arange(9) % 3])
    assert own.network.predict_classes(X).shape == (9,)


def test_a_file_of_before_decides_by_the_largest_output(tmp_path):
    """The description then has no word of it."""
    net = fb.MLP([4, 3], seed=0)
    described = model_files.plain(net.architecture)
    del described["Architecture"]["multilabel"]
    tensors = {"shift": net.shift, "scale": net.scale, "W1": net.weights[0], "b1": net.biases[0]}
    model_files.write(tmp_path / "m", model_files.pack("network", described, tensors))
    assert fb.load(tmp_path / "m").architecture == net.architecture
