"""What a graph says of itself: local derivatives, paths, Jacobians, and the numbers of 001 and 002."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

import fastbp as fb
from fastbp.formulas.gates import GATES
from fastbp.graph import concat, exp, gate, log, maximum, mean, relu, sigmoid, softmax, sqrt, squared_norm, sum, where

CIRCUIT = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}


def circuit() -> fb.graph.Node:
    """The sigmoid of 001, written out: 1 / (1 + e^-(w0 x0 + w1 x1 + w2)), with the factor -1 as a gate."""
    w0, x0, w1, x1, w2 = fb.graph.variables("w0 x0 w1 x1 w2")
    return 1 / (exp((w0 * x0 + w1 * x1 + w2) * -1) + 1)


def ends(f: fb.graph.Node) -> list[str]:
    """The last column of the table with local derivatives, of all lines with one."""
    head, *lines = f.table(local=True).splitlines()
    start = head.index("local x gradient")
    return [line[start:] for line in lines if line[start:]]


# --- the table --------------------------------------------------------------------------------------------------------


def test_local_derivatives_of_the_sigmoid_circuit():
    """001:613-760: (-1 / 1.37^2)(1.00) = -0.53, and then (1)(-0.53), (e^-1)(-0.53) = -0.20, and (-1)(-0.20) = 0.20."""
    f = circuit()
    f.gradients(CIRCUIT)
    assert ends(f)[::-1][:4] == [
        "(-1 / 1.36788^2) x 1 = -0.534447",
        "1 x -0.534447 = -0.534447",
        "e^-1 x -0.534447 = -0.196612",
        "-1 x -0.196612 = 0.196612",
    ]
    assert ends(f)[:2] == ["-1 x 0.196612 = -0.196612", "2 x 0.196612 = 0.393224"]  # w0 and x0, through the product
    assert f.table() == str(f)


def test_local_derivatives_of_sum_times_z():
    """001:434-532: dq/dx = dq/dy = 1, df/dq = z = -4, df/dz = q = 3."""
    x, y, z = fb.graph.variables("x, y, z")
    f = (x + y).named("q") * z
    assert f.gradients(x=-2, y=5, z=-4) == {"x": -4, "y": -4, "z": 3}
    assert ends(f) == ["1 x -4 = -4", "1 x -4 = -4", "-4 x 1 = -4", "3 x 1 = 3"]
    lines = f.table(local=True).splitlines()
    assert lines[3].split() == ["q", "add", "x", "3", "-4", "1", "x", "-4", "=", "-4"]
    assert lines[4].split() == ["y", "1", "x", "-4", "=", "-4"]  # the second input of q has a line of its own


def test_the_table_before_a_pass():
    f = circuit()
    assert ends(f) == []
    f.forward(CIRCUIT)
    assert ends(f)[-1] == "(-1 / 1.36788^2)"  # there is no gradient yet
    with pytest.raises(TypeError, match="local must be True or False"):
        f.table(local=1)


def test_patterns_in_backward_flow():
    """001: an add gate distributes the gradient, and a max gate routes it."""
    x, y = fb.graph.variables("x y")
    f = maximum(x, y)
    f.gradients(x=2, y=-1)
    assert ends(f) == ["1 x 1 = 1", "0 x 1 = 0"]


SCALARS = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y, "power": lambda x, y: x**y, "negative": lambda x, y: -x,
    "scale": lambda x, y: x * -2.5, "shift": lambda x, y: x + 0.5, "raise": lambda x, y: x**-3,
    "reciprocal": lambda x, y: 1 / x, "exp": lambda x, y: exp(x), "log": lambda x, y: log(x),
    "expm1": lambda x, y: fb.graph.Node("expm1", [x]), "sqrt": lambda x, y: sqrt(x),
    "sin": lambda x, y: fb.graph.sin(x), "cos": lambda x, y: fb.graph.cos(x),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_the_text_of_a_derivative_is_its_value(name):
    """It can be computed, and gives what `backward` hands on; also for negative numbers, which need brackets."""
    names = {"e": np.e, "ln": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos}
    for values in ({"x": 1.5, "y": 2.5}, {"x": 1.5, "y": -2.5}, {"x": -1.5, "y": -2.0}):
        if values["x"] < 0 and name in ("log", "sqrt", "power"):
            continue
        x, y = (fb.graph.variable(each, value) for each, value in values.items())
        f = SCALARS[name](x, y)
        f.forward()
        slopes = f.backward()
        for end, node in zip(ends(f), f.inputs, strict=True):
            local, _, handed = end.rpartition(" x 1 = ")
            assert eval(local.replace("^", "**"), names) == pytest.approx(slopes[node.name], rel=1e-5)
            assert float(handed) == pytest.approx(slopes[node.name], rel=1e-5)


def test_every_gate_with_a_text_is_tried():
    assert {name for name, each in GATES.items() if each.slopes} == {*SCALARS}
    for name, each in GATES.items():
        places = 1 + ("{1}" in each.text)
        assert len(each.slopes) in (0, places), name


def test_local_derivatives_of_arrays():
    W, x = fb.graph.variables("W x")
    f = squared_norm(relu(W @ x))
    f.gradients(W=[[0.1, 0.5], [-0.3, -0.8]], x=[0.2, 0.4])
    assert ends(f) == [
        "Jacobian (2, 2, 2) x [0.44, 0] = [[0.088, 0.176], [0, 0]]",
        "Jacobian (2, 2) x [0.44, 0] = [0.044, 0.22]",
        "[1, 0] x [0.44, 0] = [0.44, 0]",
        "Jacobian (2,) x 1 = [0.44, 0]",
    ]


def test_gates_without_a_gradient_and_gates_of_users():
    class Twice:
        def forward(self, x):
            return 2 * x

        def backward(self, dz):
            return 2 * dz

    x = fb.graph.variable("x")
    f = where(x > 0, gate(Twice(), x), 3 * x)
    f.gradients(x=5)
    assert "no gradient" in ends(f)
    assert "2 x 1 = 2" in ends(f)
    assert f.paths("x").count == 2  # the condition passes no gradient
    assert [path.product for path in f.paths("x")] == [2, 0]


# --- paths ------------------------------------------------------------------------------------------------------------


def test_paths_of_multiple_paths_chain_rule():
    """001:930-937 and 003: z = (s^2)(3 s) at s = 1, 2 x 3 + 3 x 1 = 9."""
    s = fb.graph.variable("s")
    z = ((s**2).named("x") * (3 * s).named("y")).named("z")
    z.forward(s=1)
    paths = z.paths("s")
    assert (paths.count, paths.gates, paths.total) == (2, 3, 9)
    assert [(path.names, path.factors, path.product) for path in paths] == [
        (("z", "x", "s"), (3, 2), 6),
        (("z", "y", "s"), (1, 3), 3),
    ]
    assert str(paths).splitlines()[1:] == ["z <- x <- s: 3 x 2 = 6", "z <- y <- s: 1 x 3 = 3"]
    assert repr(paths) == "<Paths: 2 paths from s to z, through 3 gates>"
    page = ElementTree.fromstring(f"<div>{paths._repr_html_()}</div>")
    assert "z <- x <- s: 3 x 2 = 6" in "".join(page.itertext())


@pytest.mark.parametrize("seed", range(20))
def test_the_products_of_paths_add_up_to_the_gradient(seed):
    rng = np.random.default_rng(seed)
    x, y, z = (fb.graph.variable(name, float(value)) for name, value in zip("xyz", rng.normal(size=3), strict=True))
    made = [x, y, z]
    for _ in range(12):
        a, b = (made[rng.integers(len(made))] for _ in range(2))
        made.append([a * b * 0.5, a + b, sigmoid(a), maximum(a, b)][rng.integers(4)])
    f = made[-1] + made[-2] * made[-3]
    f.forward()
    slopes = f.backward()
    for name, slope in slopes.items():
        paths = f.paths(name)
        products = [path.product for path in paths]
        assert len(products) == paths.count
        assert np.sum(products) == pytest.approx(slope, rel=1e-12, abs=1e-14)
        assert paths.total == pytest.approx(slope, rel=1e-12, abs=1e-14)
        assert all(np.prod(path.factors) == pytest.approx(path.product) for path in paths)


def test_why_dynamic_programming():
    """001:409: the number of paths doubles with each gate. Nothing follows them one by one."""
    s = fb.graph.variable("s", 1.0)
    f = s
    for _ in range(200):
        f = f * f
    f.forward()
    paths = f.paths("s")
    assert (paths.count, paths.gates) == (2**200, 200)
    assert paths.total == 2.0**200
    assert str(paths).splitlines()[-1] == f"There are {2**200 - 20} more paths."


def test_paths_through_arrays():
    """001:1311-1390: f = ||W x||^2. The factors are Jacobians."""
    W, x = fb.graph.variables("W x")
    f = squared_norm((W @ x).named("q"))
    f.gradients(W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    (path,) = f.paths("x")
    assert path.factors[0] == pytest.approx([0.44, 0.52])  # 2 q
    assert path.factors[1] == pytest.approx(np.array([[0.1, 0.5], [-0.3, 0.8]]))
    assert path.product == pytest.approx([-0.112, 0.636])
    (path,) = f.paths("W")
    assert path.product == pytest.approx(np.array([[0.088, 0.176], [0.104, 0.208]]))
    assert f.paths("q").total == pytest.approx([0.44, 0.52])


def test_paths_to_a_node_itself_and_to_nothing():
    x, y = fb.graph.variable("x", 2.0), fb.graph.variable("y", 3.0)
    f = fb.activations.sign(x) * y
    f.forward()
    assert f.paths("x").count == f.paths("x").gates == f.paths("x").total == 0
    assert [*f.paths("x")] == []
    (path,) = f.paths("g2")  # f itself
    assert (path.names, path.factors, path.product) == (("g2",), (), 1.0)


def test_an_infinite_derivative_that_nothing_reaches():
    x = fb.graph.variable("x", 0.0)
    f = where(x > 0, sqrt(x), 2 * x)
    f.forward()
    assert f.backward() == {"x": 2}
    assert [path.product for path in f.paths("x")] == [0, 2]
    assert f.paths("x").total == 2


# --- Jacobians --------------------------------------------------------------------------------------------------------


def test_the_jacobian_of_an_elementwise_function_is_diagonal():
    """001:1212-1290; that of softmax is not, and its rows have the sum 0."""
    x = fb.graph.variable("x", [0.5, -1.0, 2.0, 0.0])
    f, g = relu(x), softmax(x)
    f.forward()
    assert f.jacobian("x").tolist() == np.diag([1.0, 0.0, 1.0, 0.0]).tolist()
    p = g.forward()
    assert g.jacobian("x") == pytest.approx(np.diag(p) - np.outer(p, p), rel=1e-14)
    assert g.jacobian("x").sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-16)


def test_jacobians_against_differences():
    rng = np.random.default_rng(0)
    x, W = fb.graph.variable("x", rng.normal(size=(2, 3))), fb.graph.variable("W", rng.normal(size=(3, 4)))
    f = fb.graph.tanh(x @ W)
    for name, node in (("x", x), ("W", W)):
        f.forward()
        J, at = f.jacobian(name), node.value
        assert J.shape == (2, 4, *at.shape)
        for place in np.ndindex(at.shape):
            ends = []
            for h in (1e-6, -1e-6):
                node.value = at + h * (np.arange(at.size).reshape(at.shape) == np.ravel_multi_index(place, at.shape))
                ends.append(f.forward())
            node.value = at
            assert J[(..., *place)] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-9)


def test_a_jacobian_leaves_the_gradients_as_they_are():
    x = fb.graph.variable("x", [1.0, 2.0])
    f = sum((x * x).named("squares"))
    f.gradients()
    before = str(f)
    assert f.jacobian("squares").tolist() == [1.0, 1.0]
    assert str(f) == before
    assert f.jacobian("g1") == 1.0


# --- slices, concat, means --------------------------------------------------------------------------------------------

ARRAYS = {
    "row": lambda x: x[1], "column": lambda x: x[:, 0], "last": lambda x: x[..., -1], "part": lambda x: x[0, 1:3],
    "step": lambda x: x[::2, ::-1], "number": lambda x: x[2, 3], "new axis": lambda x: x[:, None, 1],
    "integer of NumPy": lambda x: x[np.int64(1)], "twice": lambda x: x[0] * x[1],
    "concat of rows": lambda x: concat([x, 2 * x[:1]], axis=0), "concat of columns": lambda x: concat([x, x * x]),
    "concat of numbers": lambda x: concat([x[0, 0], x[1, 1:]]), "mean of rows": lambda x: mean(x, axis=1),
    "mean of columns": lambda x: mean(x, -2), "max": lambda x: fb.graph.Eltwise("max")(x, x[::-1], 0.1 * x),
    "sum": lambda x: fb.graph.Eltwise("sum", coeff=(2, -0.5))(x, x * x),
    "prod": lambda x: fb.graph.Eltwise("prod")(x, x), "bias": lambda x: fb.graph.Bias(4)(x) * x,
    "softmax loss": lambda x: fb.graph.SoftmaxWithLoss()(x, [0, 3, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_parts_of_arrays_against_differences(name):
    x = fb.graph.variable("x", np.random.default_rng(0).normal(size=(3, 4)))
    f = ARRAYS[name](x)
    f.forward()
    weighted = sum(f * np.random.default_rng(1).normal(size=np.shape(f.value)))
    weighted.forward()
    assert max(weighted.check().values()) < 1e-9


def test_values_of_parts():
    values = np.arange(12.0).reshape(3, 4)
    x = fb.graph.variable("x", values)
    for key in (1, (slice(None), 0), (..., -1), (slice(0, 2), slice(3, 0, -1)), (None, 2)):
        assert np.array_equal(x[key].forward(), values[key])
    assert concat([x, values[:1]], axis=0).forward().tolist() == np.vstack([values, values[:1]]).tolist()
    assert mean(x, axis=0).forward().tolist() == values.mean(axis=0).tolist()
    assert repr(x[0, 1:]) == "Node(x[0, 1:])"
    assert repr(x[::2] + 1) == "Node(x[::2] + 1)"
    assert repr(concat([x, x])) == "Node(concat(x, x))"
    assert "slice ..., -1" in str(x[..., -1])


def test_texts_of_gates_with_labels():
    """An expression of a gate with a tuple as an option raised an AttributeError."""
    x = fb.graph.variable("x")
    assert repr(fb.graph.hinge_margins(x, [0, 1])) == "Node(hinge_margins(x))"
    assert repr(fb.graph.Accuracy()(x, [0, 1])) == "Node(accuracy(x))"
    assert repr(fb.losses.Huber()(x, 3.0)) == "Node(huber(x, 3))"


# --- blocks with the names of Caffe -----------------------------------------------------------------------------------


def test_softmax_loss():
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(5, 3)), [0, 2, 1, 1, 0]
    x = fb.graph.variable("x", values)
    f = fb.graph.SoftmaxWithLoss()(x, labels)
    p = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    assert f.forward() == pytest.approx(-np.log(p[np.arange(5), labels]).mean(), rel=1e-14)
    assert f.backward()["x"] == pytest.approx((p - np.eye(3)[labels]) / 5, rel=1e-13)


def test_accuracy_and_argmax():
    values = [[0.1, 0.9, 0.5], [0.7, 0.7, 0.2], [np.nan, np.nan, np.nan], [0.0, 0.0, 1.0]]
    x = fb.graph.variable("x", values)
    assert fb.graph.Accuracy()(x, [1, 1, 0, 2]).forward() == 0.5  # of equal scores, the first one counts
    assert fb.graph.Accuracy()(x, [1, 0, 0, 2]).forward() == 0.75
    assert fb.graph.Accuracy(2)(x, [2, 1, 0, 0]).forward() == 0.75
    f = fb.graph.ArgMax()(x)
    assert f.forward().tolist() == np.argmax(values, axis=1).tolist()
    assert f.backward(np.ones(4))["x"].tolist() == np.zeros((4, 3)).tolist()


def test_eltwise_and_bias():
    x, y = fb.graph.variable("x", [1.0, 5.0]), fb.graph.variable("y", [3.0, 4.0])
    assert fb.graph.Eltwise()(x, y).forward().tolist() == [4, 9]
    assert fb.graph.Eltwise("prod")(x, y).forward().tolist() == [3, 20]
    assert fb.graph.Eltwise("max")(x, y).forward().tolist() == [3, 5]
    net = fb.graph.chain(fb.graph.InnerProduct(2, 3), fb.graph.Bias(3), fb.graph.InnerProduct(3, 1))
    assert {*net(x).variables} == {"x", "W1", "b1", "b2", "W3", "b3"}
    assert fb.graph.Bias(2, name="own").b.name == "bown"


def test_every_block_of_caffe_says_so():
    for name in ("InnerProduct", "Bias", "Eltwise", "Power", "Exp", "Log", "Dropout", "EuclideanLoss", "HingeLoss",
                 "SigmoidCrossEntropyLoss", "SoftmaxWithLoss", "Accuracy", "ArgMax"):  # fmt: skip
        text = " ".join(getattr(fb.graph, name).__doc__.split())
        assert "Caffe has this name" in text, name
        assert "(001)" in text, name


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda x, f: f.paths("x"), RuntimeError, "paths needs the values of one forward pass"),
        (lambda x, f: f.jacobian("x"), RuntimeError, "jacobian needs the values of one forward pass"),
        (lambda x, f: (f.forward(x=1), f.paths("z")), ValueError, "name must be the name of one node of the table"),
        (lambda x, f: (f.forward(x=1), f.jacobian("X")), ValueError, "got 'X'; did you mean 'x'"),
        (lambda x, f: f.gradients(z=1), ValueError, "got a value for 'z'"),
        (lambda x, f: f.gradients(x=[1.0, 2.0]), ValueError, "gradient must be given"),
        (lambda x, f: x["a"], TypeError, "a node takes integers, slices and ... between brackets, got 'a'"),
        (lambda x, f: x[1.0], TypeError, "a node takes integers"),
        (lambda x, f: x[True], TypeError, "a node takes integers"),
        (lambda x, f: x[x > 0], TypeError, "a node takes integers"),
        (lambda x, f: x["a":], TypeError, "a node takes integers"),
        (lambda x, f: x[5].forward(x=[1.0, 2.0]), ValueError, r"slice cannot take inputs of shape \(2,\): index 5"),
        (lambda x, f: fb.graph.variables(""), ValueError, "names must be different names, and at least one"),
        (lambda x, f: fb.graph.variables("x y x"), ValueError, "names must be different names"),
        (lambda x, f: fb.graph.variables(3), TypeError, "names must be a sequence"),
        (lambda x, f: fb.graph.variables([3]), TypeError, "name must be a string"),
        (lambda x, f: concat(x), TypeError, "x must be a sequence of nodes"),
        (lambda x, f: concat([1.0]), TypeError, "concat needs a node"),
        (lambda x, f: concat([x, x], axis=1.0), TypeError, "axis must be an integer"),
        (lambda x, f: concat([x, x], axis=1).forward(x=[1.0]), ValueError, "concat cannot take inputs of shape"),
        (lambda x, f: mean([1.0]), TypeError, "mean needs a node"),
        (lambda x, f: mean(x, axis=0.5), TypeError, "axis must be an integer"),
        (lambda x, f: mean(x, axis=1).forward(x=[1.0]), ValueError, "mean cannot take inputs of shape"),
        (lambda x, f: fb.graph.Eltwise("min"), ValueError, "operation must be one of 'sum', 'prod', 'max'"),
        (lambda x, f: fb.graph.Eltwise("max", (1, 2)), ValueError, "coeff must be None for 'max'"),
        (lambda x, f: fb.graph.Eltwise("sum", (1, 2))(x), ValueError, "a number for each of the 1 nodes"),
        (lambda x, f: fb.graph.Eltwise()(1.0), TypeError, "Eltwise needs a node"),
        (lambda x, f: fb.graph.Bias(0), ValueError, "n must be at least 1"),
        (lambda x, f: fb.graph.Accuracy(0), ValueError, "top_k must be at least 1"),
        (lambda x, f: fb.graph.Accuracy()(x, [0, 1]).forward(x=np.ones((3, 2))), ValueError, "labels must be a class"),
        (lambda x, f: fb.graph.ArgMax()(1.0), TypeError, "ArgMax needs a node"),
        (lambda x, f: fb.graph.SoftmaxWithLoss()(x, [0.5]), TypeError, r"labels\[0\] must be an integer"),
        (lambda x, f: fb.graph.SoftmaxWithLoss()(x, [2]).forward(x=np.ones((1, 2))), ValueError, "labels from 0 to 1"),
        (lambda x, f: fb.losses.Formula(lambda a, y: a[0] - y), ValueError, "slice does not"),
    ],
)  # fmt: skip
def test_mistakes(act, error, message):
    x = fb.graph.variable("x")
    with pytest.raises(error, match=message):
        act(x, x * x)
