"""What a trainer refuses, and what it warns of: outputs that a loss is not made for."""

import warnings

import numpy as np
import pytest
from helpers import same

import fastbp as fb
from fastbp.losses import LOSSES

FIT = {
    "cross_entropy": {"softmax"},
    "binary_cross_entropy": {"softmax", "sigmoid", "hard_sigmoid"},
    "poisson": {"sigmoid", "softplus", "softmax"},
    "hinge": {"identity", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "mish"},
}
FIT["squared_hinge"] = FIT["hinge"]
OUTPUTS = [name for name, sigma in fb.activations.OUTPUTS.items() if sigma.trainable]


def warned(output, loss):
    """The warnings of a trainer of a network with three outputs."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fb.Trainer(fb.MLP([2, 3], output=output), loss=loss)
    return [str(one.message) for one in seen]


@pytest.mark.parametrize("loss", FIT)
def test_outputs_outside_the_domain_are_warned_of(loss):
    silent = {output for output in OUTPUTS if not warned(output, loss)}
    assert silent & {*OUTPUTS} - FIT[loss] <= {"exp"}
    assert silent >= FIT[loss]


@pytest.mark.parametrize("loss", sorted(LOSSES.keys() - FIT.keys() - {"perceptron", "adaline"}))
def test_other_losses_take_any_output(loss):
    assert not any(warned(output, loss) for output in OUTPUTS)


def test_the_warning_says_what_to_use():
    (message,) = warned("identity", "cross_entropy")
    assert "output='softmax'" in message
    assert "CrossEntropy(from_logits=True)" in message
    (message,) = warned("relu", "poisson")
    assert "output='softplus'" in message
    assert "from_logits" not in message


def test_bounds_hold():
    """The bounds of an activation are those of its values, and are reached or nearly so."""
    z = np.concatenate([np.linspace(-30, 30, 60_001), np.linspace(-2, 0, 2001)])
    for name, sigma in fb.activations.ACTIVATIONS.items():
        low, high = sigma.bounds
        a = sigma(z)
        assert a.min() >= low, name
        assert a.max() <= high, name
        assert low == -np.inf or a.min() - low < 0.01, name


def test_own_formulas_are_not_judged():
    formula = fb.activations.Formula(lambda z: fb.graph.exp(z))
    assert not warned(formula, "cross_entropy")


def test_once_for_each_pair():
    """At the start, and where another loss or network comes, with the line of the user; not for other settings."""
    net = fb.MLP([2, 3])
    with pytest.warns(UserWarning, match="is made for") as seen:
        own = fb.Trainer(net, loss="cross_entropy")
    assert [one.filename for one in seen] == [__file__]
    own.batch_size = 3
    own.fit(np.eye(2), [0, 1])
    with pytest.warns(UserWarning, match="is made for") as seen:
        own.loss = "poisson"
    assert [one.filename for one in seen] == [__file__]
    with pytest.warns(UserWarning, match="is made for") as seen:
        own.network = fb.MLP([2, 3], output="relu")
    assert [one.filename for one in seen] == [__file__]


@pytest.mark.parametrize(
    ("output", "loss", "message"),
    [
        ("softmax", "squared_error", "output must not be 'softmax' for a network with 1 output"),
        ("identity", "cross_entropy", "loss must not be 'cross_entropy' for a network with 1 output"),
        ("identity", "multiclass_hinge", "loss must not be 'multiclass_hinge' for a network with 1 output"),
        ("sigmoid", fb.losses.BinaryCrossEntropy(from_logits=True), "output must be 'identity' for binary_cross"),
    ],
)
def test_pairs_that_never_learn_are_refused(output, loss, message):
    with pytest.raises(ValueError, match=message):
        fb.Trainer(fb.MLP([4, 8, 1], output=output), loss=loss)


PAIRS = {
    "softmax": ("cross_entropy", fb.losses.CrossEntropy(from_logits=True), 3),
    "smoothed": (fb.losses.CrossEntropy(0.1), fb.losses.CrossEntropy(0.1, from_logits=True), 3),
    "sigmoid": ("binary_cross_entropy", fb.losses.BinaryCrossEntropy(from_logits=True), 1),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_train_as_probabilities_do(pair, dtype):
    """The same bits of parameters, losses, accuracies and classes, whichever computes the softmax or the sigmoid."""
    one, other, n_out = PAIRS[pair]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 4)), rng.integers(0, max(n_out, 2), 90)
    output = "sigmoid" if n_out == 1 else "softmax"
    nets = [fb.MLP([4, 9, n_out], output=o, init="he_uniform", dtype=dtype, seed=0) for o in (output, "identity")]
    own, twin = (fb.Trainer(net, loss=loss, seed=0) for net, loss in zip(nets, (one, other), strict=True))
    histories = [trainer.fit(X, y, epochs=3) for trainer in (own, twin)]
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["accuracy"] == histories[1]["accuracy"]
    assert same(nets[0].weights, nets[1].weights)
    assert (nets[0].predict_classes(X) == nets[1].predict_classes(X)).all()
    assert own.evaluate(X, y) == twin.evaluate(X, y)
    z = nets[1].predict(X)
    assert np.abs(getattr(fb.activations, output)(z) - nets[0].predict(X)).max() < 1e-6
    assert np.mean(nets[1].predict_classes(X) == y) == pytest.approx(twin.evaluate(X, y)["accuracy"])


def test_logits_in_a_trace():
    """a^L are the logits, and delta^L = a - y with the probabilities."""
    net = fb.MLP([3, 4], dtype="float64", seed=0)
    t = net.trace(np.eye(3), [0, 1, 3], fb.losses.CrossEntropy(from_logits=True))
    assert (t.a[-1] == t.z[-1]).all()
    assert np.abs(t.delta[-1] - (fb.activations.softmax(t.z[-1]) - np.eye(4)[[0, 1, 3]])).max() < 1e-12


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_gradients_of_logits(loss):
    kind = type(LOSSES[loss])(from_logits=True)
    net = fb.MLP([3, 5, 2], activation="tanh", dtype="float64", seed=0)
    X, y = np.random.default_rng(0).normal(size=(4, 3)), np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    assert max(max(layer) for layer in fb.check_gradients(net, X, y, kind)) < 1e-7
    with pytest.raises(ValueError, match="output must be 'identity'"):
        fb.MLP([3, 2], output="softmax").gradients(X, y, loss=kind)


def test_logits_are_kept_in_checkpoints(tmp_path):
    own = fb.Trainer(fb.MLP([2, 1], seed=0), loss=fb.losses.BinaryCrossEntropy(from_logits=True), seed=0)
    own.fit([[0.0, 1], [1, 0]], [0, 1], callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.Trainer.resume(tmp_path)
    assert twin.loss == own.loss
    assert twin.network.threshold == 0
