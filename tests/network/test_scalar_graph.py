"""Small networks as graphs of gates with single numbers, beside the networks themselves."""

from __future__ import annotations

import numpy as np
import pytest

import fastbp as fb

PAIRS = [
    ("sigmoid", "binary_cross_entropy", 1, 1), ("identity", "squared_error", 1, 0.3), ("tanh", "huber", 3, None),
    ("softmax", "cross_entropy", 3, 2), ("identity", fb.losses.CrossEntropy(from_logits=True), 3, 1),
    ("identity", "mean_squared_error", 3, None), ("identity", "multiclass_hinge", 3, 0),
    ("sigmoid", "norm_error", 2, None), ("softplus", "poisson", 2, None),
    ("identity", fb.losses.BinaryCrossEntropy(from_logits=True), 1, 0),
    ("silu", fb.losses.Formula(lambda a, y: (a - y) ** 4), 2, None),
]  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("output", "loss", "n_out", "y"), PAIRS)
def test_the_graph_is_the_network(output, loss, n_out, y, bias):
    """The same loss, and the same gradient for each weight, bias and input."""
    net = fb.MLP(
        [3, 4, n_out], activation="tanh", output=output, bias=bias, scale=[0.5, 1.0, 2.0], shift=[0.25, 0.0, 0.0],
        dtype="float64", seed=0,
    )  # fmt: skip
    x = np.array([0.5, -1.0, 2.0])
    y = [0.7, 0.2, 0.9][:n_out] if y is None else y
    C = net.graph(x, y, loss)
    cost, dW, db, dX = net.gradients(x[None], np.array([y]), loss=loss, inputs=True)
    assert float(C.value) == pytest.approx(cost, rel=1e-12)
    slopes = {name: float(node.gradient) for name, node in C.variables.items() if name != "y"}
    wanted = {f"x{j + 1}": dX[0, j] for j in range(3)}
    for l in (1, 2):
        for (j, i), slope in np.ndenumerate(dW[l - 1]):
            wanted[f"w{j + 1}{i + 1}^({l})"] = slope
        for i, slope in enumerate(db[l - 1] if bias else []):
            wanted[f"b{i + 1}^({l})"] = slope
    assert slopes == pytest.approx(wanted, rel=1e-10, abs=1e-14)
    for name in ("w11^(1)", "w41^(2)", "x2"):
        assert float(C.paths(name).total) == pytest.approx(wanted[name], rel=1e-10, abs=1e-14)
    a = net.graph(x)
    assert np.atleast_1d(a.value) == pytest.approx(net.predict(x), rel=1e-12)


def test_the_networks_of_002():
    """002:122-137: from w22^(1), one path leads to the loss of two layers, and two paths to that of three."""
    two = fb.MLP([2, 2, 1], activation="sigmoid", output="sigmoid", bias=False, dtype="float64")
    two.set_weights([[[0.1, -0.2], [0.3, 0.4]], [[0.5], [-0.6]]], [None, None])
    C = two.graph([1.0, 2.0], 1, "binary_cross_entropy")
    assert float(C.value) == pytest.approx(0.720152, abs=5e-7)
    paths = C.paths("w22^(1)")
    assert paths.count == 1
    assert paths.total == pytest.approx(0.140928, abs=5e-7)
    (path,) = paths
    assert [name for name in path.names if name[0] != "g"] == [
        "C", "a1^(2)", "z1^(2)", "a2^(1)", "z2^(1)", "w22^(1)",
    ]  # fmt: skip
    assert C.variables["w11^(2)"].gradient == pytest.approx(-0.342995, abs=5e-7)
    three = fb.MLP([2, 2, 2, 1], activation="sigmoid", output="sigmoid", bias=False, seed=0)
    C = three.graph([1.0, 2.0], 1, "binary_cross_entropy")
    first, second = C.paths("w22^(1)")
    assert [name for name in first.names if name[:2] == "z1" or name[:2] == "z2"] == ["z1^(3)", "z1^(2)", "z2^(1)"]
    assert [name for name in second.names if name[:2] == "z1" or name[:2] == "z2"] == ["z1^(3)", "z2^(2)", "z2^(1)"]
    assert first.product + second.product == pytest.approx(float(C.variables["w22^(1)"].gradient), rel=1e-12)


def test_the_number_of_paths_grows_with_the_depth():
    """The number of gates grows by the same number with each layer."""
    found = []
    for depth in (2, 3, 4):
        paths = fb.MLP([2, *[3] * depth, 1], activation="tanh", seed=0).graph([1.0, 2.0], 0.0, "mse").paths("w11^(1)")
        found.append((paths.count, paths.gates))
    (n2, g2), (n3, g3), (n4, g4) = found
    assert (n2, n3, n4) == (3, 9, 27)
    assert g4 - g3 == g3 - g2


def test_the_graph_computes_with_other_numbers():
    net = fb.MLP([2, 2, 1], activation="sigmoid", dtype="float64", seed=0)
    C = net.graph([1.0, 2.0], [0.5], "squared_error")
    given = {name: node.value for name, node in C.variables.items()} | {"w11^(1)": 0.25, "y": 1.0}
    W = [each.copy() for each in net.weights]
    W[0][0, 0] = 0.25
    net.set_weights(W, net.biases)
    assert C.forward(given) == pytest.approx(net.gradients([[1.0, 2.0]], [1.0], loss="squared_error")[0], rel=1e-12)


def test_units_above_nine_and_standardized_targets():
    X, y = np.random.default_rng(0).normal(size=(50, 10)), np.arange(50.0)
    net = fb.MLP([10, 2, 1], standardize=X, standardize_targets=y, dtype="float64", seed=0)
    C = net.graph(X[3], y[3], "squared_error")
    assert float(C.value) == pytest.approx(net.gradients(X[3:4], y[3:4], loss="squared_error")[0], rel=1e-12)
    assert {"w10,2^(1)", "w21^(2)"} <= C.variables.keys()


def test_weights_that_are_one_number_are_one_variable():
    """Its gradient is the sum over its uses: a tied matrix, and numbers that are equal inside a matrix."""
    x = np.array([1.0, 0.5])
    net = fb.MLP([2, 2, 2], activation="sigmoid", output="sigmoid", bias=False, tied=[("W2", "W1.T")], dtype="float64")
    net.set_weights([[[0.1, -0.2], [0.3, 0.4]], [[0.1, 0.3], [-0.2, 0.4]]], [None, None])
    C = net.graph(x, x, "squared_error")
    assert float(C.value) == pytest.approx(0.134684, abs=5e-7)
    assert {*C.variables} == {"x1", "x2", "y", "w11^(1)", "w12^(1)", "w21^(1)", "w22^(1)"}
    found = [[float(C.variables[f"w{j}{i}^(1)"].gradient) for j in (1, 2)] for i in (1, 2)]
    assert found == pytest.approx(np.array([[-0.073292, 0.011625], [-0.055251, 0.015306]]), abs=1e-6)
    rings = fb.MLP([2, 2, 1], shared={1: np.array([[0, 1], [1, -1]])}, dtype="float64", seed=0)
    C = rings.graph(x, 1.0, "squared_error")
    assert {name for name in C.variables if name.endswith("(1)") and name[0] == "w"} == {"w11^(1)", "w12^(1)"}
    cost, dW, _ = rings.gradients(x[None], [1.0], loss="squared_error")
    assert float(C.value) == pytest.approx(cost, rel=1e-12)
    assert C.variables["w12^(1)"].gradient == pytest.approx(dW[0][0, 1], rel=1e-12)


def test_targets_in_another_unit():
    """Bytes stay bytes in memory, and the loss sees them in the unit of the outputs."""
    net = fb.MLP([2, 3, 2], target_scale=255.0, target_shift=2.0, dtype="float64", seed=0)
    x, y = np.array([1.0, 2.0]), np.array([0, 255], np.uint8)
    cost = net.gradients(x[None], y[None], loss="squared_error")[0]
    assert float(net.graph(x, y, "squared_error").value) == pytest.approx(cost, rel=1e-12)
    for given in (y, y.astype(float)):
        t = net.trace(x, given, "squared_error")
        assert t.layer(2).da == pytest.approx(t.layer(2).a - (y - 2.0) / 255, rel=1e-12)
        assert t.layer(2).da == pytest.approx(t.layer(2).delta, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: net.graph([1.0, 2.0], 1), ValueError, "y and loss must be given together"),
        (lambda net: net.graph([1.0, 2.0], loss="mse"), ValueError, "y and loss must be given together"),
        (lambda net: net.graph([[1.0, 2.0]] * 2, [1, 1], "mse"), ValueError, r"x must be one sample of shape \(2,\)"),
        (lambda net: net.graph([1.0]), ValueError, r"x must have shape \(n, 2\)"),
        (lambda net: net.graph([1.0, np.nan]), ValueError, "x.0, 1. is nan"),
        (lambda net: net.graph([1.0, 2.0], [1, 2], "mse"), ValueError, r"y must have shape \(1,\) or \(1, 1\)"),
        (lambda net: net.graph([1.0, 2.0], 1, "msee"), ValueError, "loss must be one of"),
        (lambda net: fb.MLP([50, 50, 1]).graph(np.ones(50)), ValueError, "at most 2000 parameters, got 2601"),
        (lambda net: fb.MLP([2, 1], output="sign").graph([1.0, 2.0], 1, "mse"), ValueError, "has no derivative"),
    ],
)  # fmt: skip
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(fb.MLP([2, 3, 1], seed=0))
