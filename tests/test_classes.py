"""Classes: the accuracy and the predicted classes decide alike, also for losses that decide at 0."""

import copy

import numpy as np
import pytest
from helpers import any_pair

import fastbp as fb

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
