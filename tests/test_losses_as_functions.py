"""Losses called as functions, beside what a trainer means by them, and all mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import reference

import fastbp as fb
from fastbp.losses import LOSSES

FORMULAS = {
    "elementwise": fb.losses.Formula(lambda a, y, k: (a - y) ** 2 * k, constants={"k": 3}),
    "rows": fb.losses.Formula(
        lambda a, y: fb.graph.exp(-a[1]) * (a[0] - y[0]) ** 2 + a[1] + 0.1 * a[2] ** 2, rows=True, n_out=3, n_targets=1
    ),
    "smoothed": fb.losses.CrossEntropy(0.1), "logits": fb.losses.CrossEntropy(0.2, from_logits=True),
    "binary logits": fb.losses.BinaryCrossEntropy(from_logits=True), "huber": fb.losses.Huber(0.3),
    "quantile": fb.losses.Quantile(0.9),
}  # fmt: skip


def samples(loss, n_out=3, n=7, dtype=np.float64):
    """Outputs and targets that the loss is made for."""
    rng = np.random.default_rng(0)
    a, y = rng.normal(size=(n, n_out)), rng.normal(size=(n, loss.target_count(n_out)))
    if loss.made_for in ("rows of probabilities with the sum 1", "probabilities", "numbers above 0"):
        a = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    if loss.targets == "distribution":
        y = reference.one_hot(rng.integers(0, n_out, n), n_out)
        if not loss.whole_row or "cross_entropy" in loss.whole_row:
            y = 0.8 * y + 0.2 / n_out
    elif loss.targets in ("probabilities", "signs"):
        y = 1.0 * (y > 0)
    elif loss.targets == "counts":
        y = np.floor(y**2)
    return a.astype(dtype), y.astype(dtype)


def of_a_network(loss, a, y):
    """The loss and dC/da that the kernels compute for a network whose outputs are its inputs."""
    net = fb.MLP([a.shape[1]] * 2, dtype=a.dtype, seed=0)
    net.set_weights([np.eye(a.shape[1])], [np.zeros(a.shape[1])])
    cost, _, _, g = net.gradients(a, y, loss=loss, inputs=True)
    return cost, g


EACH = {**LOSSES, **FORMULAS}


@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("name", EACH)
def test_a_loss_is_what_a_trainer_means(name, dtype, most):
    loss = EACH[name]
    a, y = samples(loss, dtype=dtype)
    cost, g = of_a_network(loss, a, y)
    found = loss(a, y)
    assert type(found) is float
    assert found == pytest.approx(cost, rel=most)
    slope = loss.gradient(a, y)
    assert (slope.shape, slope.dtype) == (a.shape, dtype)
    assert reference.relative(slope.astype(float), g.astype(float)) < most


@pytest.mark.parametrize("name", EACH)
def test_the_gradient_against_differences(name):
    loss = EACH[name]
    a, y = samples(loss)
    found, wanted = loss.gradient(a, y), fb.formulas.differences.of_array(lambda: loss(a, y), a)
    assert np.abs(found - wanted).max() < 1e-8


@pytest.mark.parametrize("name", EACH)
def test_one_sample_and_rows(name):
    """The mean over the rows is that of the samples one by one."""
    loss = EACH[name]
    a, y = samples(loss)
    each = [loss(row, target) for row, target in zip(a, y, strict=True)]
    assert loss(a, y) == pytest.approx(np.mean(each), rel=1e-14)
    assert loss.gradient(a[0], y[0]) / len(a) == pytest.approx(loss.gradient(a, y)[0], rel=1e-13)
    assert loss.gradient(a[0], y[0]).shape == a[0].shape


def test_labels():
    a = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    labels = np.array([0, 2, 1, 1])
    for name in ("cross_entropy", "squared_error", "multiclass_hinge", "binary_cross_entropy"):
        loss, rows = LOSSES[name], np.eye(3)[labels]
        assert loss(a, labels) == loss(a, rows) == loss(a, labels.tolist())
        assert (loss.gradient(a, labels) == loss.gradient(a, rows)).all()
        assert loss(a[1], 2) == loss(a[1], rows[1])
    assert LOSSES["cross_entropy"](a, labels.astype(float)) == LOSSES["cross_entropy"](a, labels)


def test_one_output():
    loss = fb.losses.SquaredError()
    assert (
        loss(2.0, 1.0)
        == loss([2.0], 1.0)
        == loss([2.0], [1.0])
        == loss([[2.0]], [1.0])
        == loss([[2.0]], [[1.0]])
        == 0.5
    )
    assert loss.gradient(2.0, 1.0).shape == ()
    assert loss.gradient([[2.0], [4.0]], [1.0, 1.0]).tolist() == [[0.5], [1.5]]
    assert loss([[2.0], [4.0]], [1.0, 1.0]) == 2.5
    assert loss([2.0, 4.0], [1.0, 1.0]) == 5.0  # a vector is one sample with two outputs


def test_numbers_of_the_documents():
    """000: C = ||y - a||. 001: E = sum (a - y)^2. 002: -y ln a - (1 - y) ln(1 - a) = 0.720152 for a = 0.486678."""
    assert fb.losses.NormError()([3.0, 4.0], [0.0, 0.0]) == 5.0
    assert fb.losses.NormError().gradient([3.0, 4.0], [0.0, 0.0]).tolist() == [0.6, 0.8]
    assert fb.losses.NormError().gradient([3.0], [3.0]).tolist() == [0.0]
    assert fb.losses.SumSquaredError().gradient([1.0, 2.0], [0.0, 3.0]).tolist() == [2.0, -2.0]
    assert fb.losses.BinaryCrossEntropy()(0.486678, 1) == pytest.approx(0.720152, abs=5e-6)


def test_extremes_stay_finite():
    assert fb.losses.CrossEntropy(from_logits=True)([1000.0, 0.0], 1) == 1000
    assert fb.losses.BinaryCrossEntropy(from_logits=True)([-1000.0], [1]) == 1000
    assert np.isfinite(fb.losses.CrossEntropy()([1.0, 0.0], 1))
    assert np.isfinite(fb.losses.BinaryCrossEntropy().gradient([0.0, 1.0], [1, 0])).all()


def test_a_loss_of_nodes_is_a_gate():
    a, y = samples(LOSSES["huber"])
    node = fb.graph.variable("a", a)
    for loss in EACH.values():
        a, y = samples(loss)
        node.value = a
        f = loss(node, y)
        assert f.forward() == loss(a, y)
        assert f.backward()["a"] == pytest.approx(loss.gradient(a, y), rel=1e-14)
        assert f.operation == "loss"
    both = fb.losses.Huber()(fb.graph.variable("a"), fb.graph.variable("y"))
    assert both.forward(a=[1.0], y=[3.0]) == 1.5
    assert both.backward()["y"].tolist() == [0.0]  # no gradient goes to the targets


def test_a_loss_of_a_user_that_inherits():
    """A term of its own counts, not the function of whole rows of its base class."""

    class Own(fb.losses.NormError):
        def term(self, a, y):
            return 2.0 * (a - y) * (a - y), 4.0 * (a - y)

    assert Own()([3.0, 4.0], [0.0, 0.0]) == 50


def test_a_loss_is_no_metric():
    net = fb.MLP([2, 1], seed=0)
    with pytest.raises(TypeError, match=r"metrics\[1\] must be .* got the loss Huber\(\), which takes \(a, y\)"):
        fb.Trainer(net, loss="mse", metrics=["r2", fb.losses.Huber()])


SQUARE, CROSS = fb.losses.SquaredError(), fb.losses.CrossEntropy()


@pytest.mark.parametrize("method", ["__call__", "gradient"])
@pytest.mark.parametrize(
    ("loss", "a", "y", "error", "message"),
    [
        (SQUARE, [[[1.0]]], [[[1.0]]], ValueError, "a must be the outputs of a sample, or a row of outputs"),
        (SQUARE, [], [], ValueError, "a must be the outputs of a sample"),
        (SQUARE, [1.0, 2.0], [1.0, 2.0, 3.0], ValueError, r"y must have shape \(2,\), or be a class label, got"),
        (SQUARE, [[1.0, 2.0]], [[1.0], [2.0]], ValueError, r"y must have shape \(1, 2\), or \(1,\) of class labels"),
        (SQUARE, [[1.0], [2.0]], [[1.0, 2.0]], ValueError, r"y must have shape \(2, 1\), got \(1, 2\)"),
        (SQUARE, [[1.0, 2.0]], [0.5], TypeError, r"y of shape \(1,\) must be integer labels for 2 outputs"),
        (SQUARE, ["a"], [1.0], TypeError, "a must be a number or an array"),
        (SQUARE, [1.0], ["b"], TypeError, "y must be a number or an array"),
        (SQUARE, [1.0], [1j], TypeError, "y must be a number or an array"),
        (SQUARE, [1.0], [np.nan], ValueError, "y must be finite for squared_error, got nan"),
        (SQUARE, [1.0], np.ma.array([1.0], mask=True), ValueError, "y must have no masked numbers"),
        (CROSS, [1.0], [1.0], ValueError, "a must have at least 2 outputs a sample for cross_entropy, got 1"),
        (CROSS, [0.5, 0.5], 2, ValueError, "y must be labels from 0 to 1, got 2 to 2"),
        (CROSS, [0.5, 0.5], -1, ValueError, "y must be labels from 0 to 1, got -1 to -1"),
        (CROSS, [0.5, 0.5], 0.5, TypeError, "must be integer labels"),
        (CROSS, [0.5, 0.5], [0.5, 0.2], ValueError, "each row of y must be probabilities with the sum 1"),
        (CROSS, [0.5, 0.5], [1.5, -0.5], ValueError, "y must be finite and from 0 to 1 for cross_entropy"),
        (fb.losses.Hinge(), [0.5, 0.5], [1, -2], ValueError, "y must be finite and from -1 to 1 for hinge"),
        (fb.losses.Hinge(), [0.5, 0.5, 1.0], [1, -1, 0], ValueError, "y must be 0 or 1, or -1 or 1, for hinge"),
        (fb.losses.Poisson(), [1.0], [-1.0], ValueError, "y must be finite and from 0 to inf for poisson"),
        (FORMULAS["rows"], [1.0, 2.0], [1.0], ValueError, "n_out"),
    ],
)  # fmt: skip
def test_mistakes(method, loss, a, y, error, message):
    with pytest.raises(error, match=message):
        getattr(loss, method)(a, y)


def test_the_gradient_of_a_node_is_refused():
    with pytest.raises(TypeError, match="a must be a number or an array: a node is not an array yet"):
        SQUARE.gradient(fb.graph.variable("a"), [1.0])
