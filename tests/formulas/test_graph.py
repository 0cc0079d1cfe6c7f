"""Graphs of gates: the examples of the documents, every gate against differences and PyTorch, and all mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastbp as fb
from fastbp.formulas.gates import GATES
from fastbp.graph import (
    absolute,
    cos,
    exp,
    gate,
    hinge_margins,
    log,
    maximum,
    mean,
    minimum,
    reciprocal,
    relu,
    scale,
    shift,
    sigmoid,
    sin,
    softmax,
    softplus,
    sqrt,
    squared_norm,
    sum,
    tanh,
    variable,
    where,
)

SIX = 5e-7
"""Half a unit in the sixth decimal, to which the documents and their corrections give numbers."""


# --- examples of 001 and 003 ------------------------------------------------------------------------------------------


def test_sum_times_z():
    x, y, z = map(variable, "xyz")
    q = x + y
    f = q * z
    assert f.forward(x=-2, y=5, z=-4) == -12
    assert f.backward() == {"x": -4, "y": -4, "z": 3}
    assert (q.value, q.gradient, f.gradient) == (3, -4, 1)


CIRCUIT = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
SLOPES = {"w0": -0.196612, "x0": 0.393224, "w1": -0.393224, "x1": -0.589836, "w2": 0.196612}


def test_sigmoid_circuit():
    w0, x0, w1, x1, w2 = map(variable, CIRCUIT)
    f = reciprocal(exp((w0 * x0 + w1 * x1 + w2) * -1) + 1)
    f.forward(**CIRCUIT)
    slopes = f.backward()
    gates = [node for node in f.nodes if node.inputs]
    values = [float(node.value) for node in gates]
    assert values == pytest.approx([-2, 6, 4, 1, -1, 0.367879, 1.367879, 0.731059], abs=SIX)
    wanted = [0.196612, 0.196612, 0.196612, 0.196612, -0.196612, -0.534447, -0.534447, 1]
    assert [float(node.gradient) for node in gates] == pytest.approx(wanted, abs=SIX)
    assert slopes == pytest.approx(SLOPES, abs=SIX)
    fused = sigmoid(w0 * x0 + w1 * x1 + w2)
    assert fused.forward(**CIRCUIT) == pytest.approx(0.731059, abs=SIX)
    assert fused.backward() == pytest.approx(SLOPES, abs=SIX)
    assert float(fused.inputs[0].gradient) == pytest.approx(0.196612, abs=SIX)


def test_maximum():
    x, y, z, w = map(variable, "xyzw")
    f = 2 * (x * y + maximum(z, w))
    assert f.forward(x=3, y=-4, z=2, w=-1) == -20
    assert f.backward() == {"x": -8, "y": 6, "z": 2, "w": 0}


def test_norm_of_a_product():
    W, x = variable("W"), variable("x")
    q = W @ x
    f = squared_norm(q)
    assert f.forward(W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4]) == pytest.approx(0.116, rel=1e-14)
    slopes = f.backward()
    assert q.value == pytest.approx([0.22, 0.26], rel=1e-14)
    assert slopes["W"] == pytest.approx(np.array([[0.088, 0.176], [0.104, 0.208]]), rel=1e-14)
    assert slopes["x"] == pytest.approx([-0.112, 0.636], rel=1e-14)


def test_gradients_add_up_where_a_value_branches():
    s = variable("s")
    x, y = s**2, 3 * s
    z = x * y
    assert z.forward(s=1) == 3
    assert z.backward() == {"s": 9}


def test_three_sigmoids():
    w = variable("w")
    f = sigmoid(sigmoid(sigmoid(w)))
    f.forward(w=0)
    assert [node.value.item() for node in f.nodes[1:]] == pytest.approx([0.5, 0.622459, 0.650778], abs=SIX)
    assert f.backward()["w"] == pytest.approx(0.0133521, rel=1e-5)


def test_support_vector_machine():
    W, X = variable("W"), [[0.2, 0.4], [1, -1]]
    margins = hinge_margins(X @ W.T, [0, 1])
    data, penalty = sum(margins) / 2, 0.1 * squared_norm(W)
    total = data + penalty
    assert total.forward(W=[[0.1, 0.5], [-0.3, 0.8], [0.2, -0.1]]) == pytest.approx(3.064, rel=1e-14)
    assert margins.value == pytest.approx(np.array([[0, 1.04, 0.78], [1.7, 0, 2.4]]), rel=1e-14)
    assert (float(data.value), float(penalty.value)) == pytest.approx((2.96, 0.104), rel=1e-14)
    wanted = [[0.32, -0.8], [-0.96, 1.36], [0.64, -0.32]]
    assert total.backward()["W"] == pytest.approx(np.array(wanted), rel=1e-13)


# --- every gate -------------------------------------------------------------------------------------------------------

UNARY = {
    "negative": lambda x: -x, "scale": lambda x: scale(x, -1.5), "shift": lambda x: shift(x, 0.7),
    "raise": lambda x: (absolute(x) + 0.5) ** 2.5, "raise to a whole number": lambda x: x**3,
    "reciprocal": lambda x: reciprocal(absolute(x) + 0.5), "exp": lambda x: exp(tanh(x)),
    "log": lambda x: log(absolute(x) + 0.5), "sqrt": lambda x: sqrt(absolute(x) + 0.5), "sin": sin, "cos": cos,
    "absolute": absolute, "sigmoid": sigmoid, "tanh": tanh, "relu": relu, "softplus": softplus,
    "leaky_relu": fb.activations.LeakyReLU(0.3), "gelu": fb.activations.gelu, "mish": fb.activations.mish,
}  # fmt: skip
BINARY = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: 0.5 * (x * y),
    "divide": lambda x, y: x / (absolute(y) + 0.5), "power": lambda x, y: (absolute(x) + 0.5) ** tanh(y),
    "maximum": maximum, "minimum": minimum, "where": lambda x, y: where(x < y, 2 * x, y),
    "where the other way": lambda x, y: where(x >= 0.3, y, x),
}  # fmt: skip
WHOLE = {
    "sum": sum, "sum of columns": lambda x: sum(x, axis=0), "mean": mean,
    "squared_norm": lambda x: 0.1 * squared_norm(x), "softmax": softmax, "transpose": lambda x: x.T,
}  # fmt: skip


@pytest.mark.parametrize("name", [*UNARY, *BINARY, *WHOLE, "matmul", "hinge_margins", "normal_cdf", "expm1"])
def test_gates_against_differences(name):
    rng = np.random.default_rng(0)
    x, y, inputs = variable("x"), variable("y"), {"x": rng.normal(size=(4, 3))}
    if name in BINARY:
        f, inputs["y"] = BINARY[name](x, y), rng.normal(size=3)  # which is broadcast
    elif name == "matmul":
        f, inputs["y"] = x @ y, rng.normal(size=(3, 2))
    elif name == "hinge_margins":
        f = hinge_margins(x, [0, 2, 1, 1])
    elif name in ("normal_cdf", "expm1"):
        f = fb.formulas.nodes.apply(name, absolute(x))
    else:
        f = (UNARY | WHOLE)[name](x)
    weights = variable("weights")
    total = sum(f * weights)
    f.forward(**inputs)
    total.forward(**inputs, weights=rng.normal(size=np.shape(f.value)))
    assert max(total.check().values()) < 1e-9


def test_every_gate_is_tried():
    made = [f(variable("x")) for f in (UNARY | WHOLE).values()]
    made += [f(variable("x"), variable("y")) for f in BINARY.values()]
    tried = {node.operation for f in made for node in f.nodes}
    elsewhere = {"slice", "concat", "loss", "accuracy", "argmax"}  # test_explained.py
    assert tried | elsewhere | {"matmul", "hinge_margins", "normal_cdf", "expm1", "rows", "like"} >= GATES.keys()


@pytest.mark.parametrize("seed", range(500))
def test_random_graphs_beside_pytorch(seed):
    """Up to 60 gates with branches and broadcasts. Where gradients cancel, relative to the largest in the graph."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    shapes = [(), (3,), (4, 1), (4, 3), (1, 3)]
    inputs = {f"x{k}": rng.normal(size=shapes[rng.integers(len(shapes))]) for k in range(rng.integers(1, 6))}
    tensors = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in inputs.items()}
    made = [(variable(name), tensors[name]) for name in inputs]
    theirs = pytorch(torch)
    for _ in range(rng.integers(1, 61)):
        x = made[rng.integers(len(made))]
        name = rng.choice([*UNARY, *BINARY, "sum of columns", "softmax", "mean", "transpose", "matmul"])
        if name in BINARY:
            y = made[rng.integers(len(made))]
            made.append((BINARY[name](x[0], y[0]), theirs[name](x[1], y[1])))
        elif name in UNARY:
            made.append((UNARY[name](x[0]), theirs[name](x[1])))
        elif name == "mean":
            made.append((mean(x[0]), x[1].mean()))
        elif x[1].ndim == 2 and name != "matmul":
            made.append((WHOLE[name](x[0]), theirs[name](x[1])))
        elif x[1].ndim == 2:
            made.append((x[0] @ x[0].T * 0.2, x[1] @ x[1].T * 0.2))
        if made[-1][1].ndim and made[-1][1].shape not in shapes:  # keep shapes that fit together
            made[-1] = sum(made[-1][0]), made[-1][1].sum()
    f, g = sum([mean(node) for node, _ in made[-3:]]), torch.stack([tensor.mean() for _, tensor in made[-3:]]).sum()
    g.backward()
    given = {name: inputs[name] for name in f.variables}
    assert f.forward(given) == pytest.approx(g.item(), rel=1e-12, abs=1e-12)
    slopes = f.backward()
    largest = max(1.0, *(np.abs(node.gradient).max() for node in f.nodes))
    for name, slope in slopes.items():
        wanted = tensors[name].grad
        assert np.shape(slope) == np.shape(inputs[name])
        assert np.abs(slope - (0 if wanted is None else wanted.numpy())).max() <= 1e-12 * largest


def pytorch(torch) -> dict:
    """The functions of `UNARY`, `BINARY` and `WHOLE` in PyTorch."""
    nn = torch.nn.functional
    return {
        "negative": torch.neg, "scale": lambda x: x * -1.5, "shift": lambda x: x + 0.7,
        "raise": lambda x: (x.abs() + 0.5) ** 2.5, "raise to a whole number": lambda x: x**3,
        "reciprocal": lambda x: 1 / (x.abs() + 0.5), "exp": lambda x: x.tanh().exp(),
        "log": lambda x: (x.abs() + 0.5).log(), "sqrt": lambda x: (x.abs() + 0.5).sqrt(), "sin": torch.sin,
        "cos": torch.cos, "absolute": torch.abs, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
        "softplus": lambda x: nn.softplus(x, threshold=1e9), "leaky_relu": lambda x: nn.leaky_relu(x, 0.3),
        "gelu": nn.gelu, "mish": lambda x: x * torch.tanh(torch.logaddexp(x, torch.zeros_like(x))),
        "add": torch.add, "subtract": torch.sub, "multiply": lambda x, y: x * y * 0.5,
        "divide": lambda x, y: x / (y.abs() + 0.5), "power": lambda x, y: (x.abs() + 0.5) ** y.tanh(),
        "maximum": lambda x, y: torch.where(x > y, x, y), "minimum": lambda x, y: torch.where(x < y, x, y),
        "where": lambda x, y: torch.where(x < y, 2 * x, y),
        "where the other way": lambda x, y: torch.where(x >= 0.3, y, x),
        "sum of columns": lambda x: x.sum(axis=0), "softmax": lambda x: x.softmax(-1), "transpose": lambda x: x.T,
    }  # fmt: skip


# --- gates and blocks of one's own ------------------------------------------------------------------------------------


class Cube:
    """A gate as 001 writes them."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dz):
        return 3 * self.x**2 * dz


def test_a_gate_of_ones_own():
    x = variable("x")
    f = 2 * gate(Cube(), x * 1.5)
    assert f.forward(x=2) == 54
    assert f.backward() == {"x": 81}
    f.forward(x=[1.0, -2.0])
    assert f.check()["x"] < 1e-9


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (fb.graph.Power(3, 2.0, 0.5), lambda x: (0.5 + 2 * x) ** 3),
        (fb.graph.Exp(), np.exp),
        (fb.graph.Exp(2.0, 0.5, 1.0), lambda x: 2 ** (1 + 0.5 * x)),
        (fb.graph.Log(None, 1.0, 3.0), lambda x: np.log(3 + x)),
        (fb.graph.Log(10.0, 0.1, 3.0), lambda x: np.log10(3 + 0.1 * x)),
        (softmax, lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
    ],
)
def test_blocks(block, wanted):
    x, values = variable("x"), np.random.default_rng(0).uniform(-2, 2, (4, 3))
    f = block(x)
    assert f.forward(x=values) == pytest.approx(wanted(values), rel=1e-13)
    g = sum(f * np.arange(12.0).reshape(4, 3))
    g.forward(x=values)
    assert g.check()["x"] < 1e-8


def test_losses_as_blocks():
    rng = np.random.default_rng(0)
    a, x = variable("a"), rng.normal(size=(4, 3))
    y, labels = rng.random((4, 3)), [0, 2, 1, 1]
    signs = np.where(np.eye(3)[labels] > 0, 1, -1)
    margins = np.maximum(1 - signs * x, 0)
    p = 1 / (1 + np.exp(-x))
    for f, wanted in [
        (fb.graph.EuclideanLoss()(a, y), ((x - y) ** 2).sum() / 8),
        (fb.graph.HingeLoss()(a, labels), margins.sum() / 4),
        (fb.graph.HingeLoss(2)(a, labels), (margins**2).sum() / 4),
        (fb.graph.SigmoidCrossEntropyLoss()(a, y), -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / 4),
    ]:
        assert f.forward(a=x) == pytest.approx(wanted, rel=1e-13)
        assert f.check()["a"] < 1e-9


def test_dropout_as_a_block():
    x = variable("x")
    f = sum(fb.graph.Dropout(0.25, seed=0)(x))
    f.forward(x=np.ones(10_000))
    slopes = f.backward()["x"]
    assert {*slopes} == {0, 4 / 3}
    assert (slopes == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert f.value == slopes.sum()


def test_a_chain_is_a_network():
    """With the weights of an MLP, it has the outputs and the gradients of one."""
    rng = np.random.default_rng(0)
    net = fb.MLP([3, 5, 2], activation="tanh", output="sigmoid", dtype=np.float64, seed=0)
    layers = [fb.graph.InnerProduct(3, 5), fb.graph.InnerProduct(5, 2)]
    chain = fb.graph.chain(layers[0], tanh, layers[1], sigmoid)
    X, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    x = variable("x")
    loss = fb.graph.EuclideanLoss()(chain(x), y)
    given = {"x": X}
    for layer, W, b in zip(layers, net.weights, net.biases, strict=True):
        given |= {layer.W.name: W, layer.b.name: b}
    cost, dW, db, dX = net.gradients(X, y, loss="squared_error", inputs=True)
    assert loss.forward(given) == pytest.approx(cost, rel=1e-13)
    slopes = loss.backward()
    for layer, W, b in zip(layers, dW, db, strict=True):
        assert slopes[layer.W.name] == pytest.approx(W, rel=1e-12, abs=1e-15)
        assert slopes[layer.b.name] == pytest.approx(b, rel=1e-12, abs=1e-15)
    assert slopes["x"] == pytest.approx(dX, rel=1e-12, abs=1e-15)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_table():
    x, y = variable("x"), variable("y")
    f = (2 * x - y).named("f")
    assert str(f).splitlines()[0].split() == ["name", "operation", "inputs", "value", "gradient"]
    assert "scale 2" in str(f)
    f.forward(x=[1.0, 2.0], y=3)
    f.backward([1.0, -1.0])
    assert str(f).splitlines()[-1].split() == ["f", "subtract", "g1,", "y", "[-1,", "1]", "[1,", "-1]"]
    frame = f.to_frame()
    assert list(frame.index) == ["x", "g1", "y", "f"]
    assert frame.loc["x", "gradient"].tolist() == [2, -2]
    assert frame.loc["y", "gradient"] == 0
    assert repr(f) == "Node((2 * x) - y)"


def test_long_expressions_stay_short():
    x = variable("x")
    f = x
    for _ in range(60):  # written out, it would have 2^60 terms
        f = f * f
    assert len(repr(f)) < 300


def test_float32_stays():
    x = variable("x")
    for f in (exp(x), maximum(x, 0.0) / 3, 2**x, where(x > 0, x, 0.0) - 1):
        assert f.forward(x=np.ones(2, np.float32)).dtype == np.float32
        assert f.backward([1.0, 1.0])["x"].dtype == np.float32
        assert f.forward(x=[1, 2]).dtype == np.float64
        assert f.backward([1.0, 1.0])["x"].dtype == np.float64


def test_variables_keep_their_values():
    x, y = variable("x"), variable("y", 2.0)
    f = x * y
    assert f.forward(x=3) == 6
    assert f.forward(x=4) == 8
    y.value = 5
    assert f.forward() == 20
    assert f.forward(x=2) == 10


def test_a_value_of_an_earlier_call_does_not_stay_in_silence():
    f = variable("p") * variable("q") + variable("r", 1.0)
    assert f.forward(p=2, q=3) == 7
    with pytest.raises(ValueError, match=r"got values for p, and none for q: give all of them"):
        f.forward(p=1)
    assert f.value == 7
    assert f.forward() == 7
    assert f.check()["p"] < 1e-9
    with pytest.raises(ValueError, match="none for p: give"):
        f.forward(q=1)


def test_the_text_of_a_large_graph():
    """Its length is bounded, and the time is linear: counting nodes for each part took minutes."""
    x = variable("x")
    f, count = x, 0
    nodes = type(x).nodes

    class Counted(type(x)):
        @property
        def nodes(self):
            nonlocal count
            count += 1
            return nodes.fget(self)

    for _ in range(3000):
        f = exp(f) + x
    f.__class__ = Counted
    for node in f.nodes:
        node.__class__ = Counted
    count = 0
    assert len(repr(f)) < 300
    assert count < 20


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0])
def test_masked_numbers(value):
    """The numbers behind a mask are not taken in silence."""
    x = variable("x")
    masked = np.ma.array(value, mask=True)
    for call in (
        lambda: (x * 2).forward(x=masked),
        lambda: x * masked,
        lambda: maximum(x, masked),
        lambda: variable("y", masked),
    ):
        with pytest.raises(ValueError, match="must have no masked numbers"):
            call()
    assert (x * 2.0).forward(x=np.ma.array([1.0], mask=[False])).tolist() == [2.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x * 10**400, lambda x: x + 10**400, lambda x: x ** 10**400, lambda x: 10**400 / x,
        lambda x: maximum(x, -(10**400)), lambda x: fb.graph.constant(10**400), lambda x: x.forward(x=10**400),
    ],
)  # fmt: skip
def test_numbers_beyond_all_floats(call):
    with pytest.raises(ValueError, match=r"must be at most 1\.8e"):
        call(variable("x"))


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda x, f: f.forward(), ValueError, "needs a value for each variable, and got no value for x"),
        (lambda x, f: f.forward(x=1, z=2), ValueError, "got a value for 'z'; the variables are x"),
        (lambda x, f: f.forward(x="one"), TypeError, "x must be a number or an array"),
        (lambda x, f: f.forward(x=[[1], [2, 3]]), TypeError, "x must be a number or an array"),
        (lambda x, f: f.backward(), RuntimeError, "call forward first"),
        (lambda x, f: f.check(), RuntimeError, "call forward first"),
        (lambda x, f: (f.forward(x=[1, 2]), f.backward()), ValueError, r"output has shape \(2,\), not one number"),
        (lambda x, f: (f.forward(x=[1, 2]), f.backward([1])), ValueError, r"shape \(2,\) of the output, got \(1,\)"),
        (lambda x, f: (x @ [[1.0, 2.0]]).forward(x=[1, 2, 3]), ValueError, r"cannot take inputs of shape \(3,\)"),
        (lambda x, f: (x * variable("x")).forward(x=1), ValueError, "two with the name 'x'"),
        (lambda x, f: variable(""), ValueError, "name must not be empty"),
        (lambda x, f: variable(3), TypeError, "name must be a string"),
        (lambda x, f: x.named("y"), ValueError, "must not rename a variable"),
        (lambda x, f: gate(Cube, x), TypeError, "an object with the methods forward and backward"),
        (lambda x, f: gate(Cube()), TypeError, "at least one input"),
        (lambda x, f: x if x > 0 else f, TypeError, r"where\(condition, x, y\)"),
        (lambda x, f: max(x, f), TypeError, "maximum"),
        (lambda x, f: x == 1, TypeError, "cannot be compared with =="),
        (lambda x, f: math.exp(x), TypeError, "instead of functions of math"),
        (lambda x, f: np.exp(x), TypeError, "np.exp: write fastbp.graph.exp"),
        (lambda x, f: np.arctan(x), TypeError, "np.arctan"),
        (lambda x, f: np.sum(x), TypeError, "write fastbp.graph.sum"),
        (lambda x, f: (x > 0) * f, TypeError, "a condition such as x < y is the first input of where"),
        (lambda x, f: where(x, x, f), TypeError, "a condition such as x < y is the first input of where"),
        (lambda x, f: exp(3.0), TypeError, "exp needs a node"),
        (lambda x, f: sum([]), ValueError, "at least one node"),
        (lambda x, f: hinge_margins(x, [0.5]), TypeError, r"labels\[0\] must be an integer"),
        (lambda x, f: hinge_margins(x, [0, 5]).forward(x=np.ones((2, 3))), ValueError, "labels must be a class below"),
        (lambda x, f: hinge_margins(x, [0]).forward(x=np.ones((2, 3))), ValueError, "labels must be a class below"),
        (lambda x, f: hinge_margins(x, [-1]), ValueError, r"labels\[0\] must be at least 0"),
        (lambda x, f: (x @ x).forward(x=np.ones((2, 2, 2))), ValueError, "one or two axes"),
        (lambda x, f: maximum(x), TypeError, "maximum must get 2 inputs, got 1"),
        (lambda x, f: f.forward(3), TypeError, "write|by their names, as in forward"),
        (lambda x, f: sum([3, 4]), TypeError, "x must be a node, or a list of nodes"),
        (lambda x, f: sum([x, f], axis=0), TypeError, "without an axis"),
        (lambda x, f: (x > 0) & (x < 1), TypeError, "one where inside another"),
        (lambda x, f: ~(x > 0), TypeError, "exchange the second and the third"),
        (lambda x, f: fb.graph.EuclideanLoss()(x, [1, 2]).forward(x=[[1], [2]]), ValueError, "shape of the outputs"),
        (lambda x, f: fb.graph.Log(1.0), ValueError, "base must not be 1"),
        (lambda x, f: fb.graph.Exp(-1.0), ValueError, "base must be"),
        (lambda x, f: fb.graph.chain(), TypeError, "blocks must be functions of nodes"),
        (lambda x, f: fb.graph.InnerProduct(0, 1), ValueError, "n_in must be at least 1"),
        (lambda x, f: fb.graph.Dropout(1.0), ValueError, "rate must be"),
    ],
)  # fmt: skip
def test_mistakes(act, error, message):
    x = variable("x")
    with pytest.raises(error, match=message):
        act(x, x * x)


def test_a_cycle_is_found():
    x = variable("x")
    f = exp(x) + 1
    f.inputs[0].inputs = (f,)
    with pytest.raises(ValueError, match="must have no cycle"):
        f.forward(x=1)


def test_no_gradient_goes_through_a_threshold():
    x = variable("x")
    f = fb.activations.sign(x) * x
    assert f.forward(x=-3) == 3
    assert f.backward() == {"x": -1}


def test_a_gate_object_is_used_once():
    own, x = Cube(), variable("x")
    f = gate(own, x)
    with pytest.raises(ValueError, match="can be used only once"):
        gate(own, 2 * x)
    assert f.forward(x=2) == 8
    drop = fb.graph.Dropout(0.5, seed=0)
    f = sum(drop(x)) + sum(drop(2 * x))
    f.forward(x=np.ones(50))
    assert {*f.backward()["x"]} == {0, 2, 4, 6}


class InPlace:
    def forward(self, x):
        x *= 2
        return x

    def backward(self, dz):
        return dz


def test_a_gate_cannot_change_its_inputs():
    x = variable("x")
    f = gate(InPlace(), x) + x
    with pytest.raises(ValueError, match="read-only"):
        f.forward(x=[1.0, 2.0])
    assert x.value.tolist() == [1, 2]


def test_values_of_one_pass():
    """A gradient is never made of values from several passes, or from one that failed."""
    x = variable("x")
    h = x * x
    f, k = h * 2, h * 3
    f.forward(x=1)
    k.forward(x=5)
    with pytest.raises(RuntimeError, match="one forward pass"):
        f.backward()
    f.forward()
    assert f.backward() == {"x": 20}
    x.value = 3
    with pytest.raises(RuntimeError, match="one forward pass"):
        f.backward()
    g = x @ [1.0, 2.0]
    g.forward(x=[1.0, 1.0])
    with pytest.raises(ValueError, match="matmul cannot take"):
        g.forward(x=[1.0, 1.0, 1.0])
    with pytest.raises(RuntimeError, match="one forward pass"):
        g.backward()


def test_arrays_are_copied():
    x, given = variable("x"), np.ones(2, np.float32)
    f = sum(x * x)
    f.forward(x=given)
    given[:] = 5
    assert f.backward()["x"].tolist() == [2, 2]


def test_infinite_derivatives_of_what_was_not_chosen():
    x = variable("x")
    for f in (
        where(x > 0, x * log(x), 0.0),
        where(x > 0, sqrt(x), 0.0),
        where(x > 0, 1 / x, 0.0),
        x**0,
        relu(x) ** 0.5,
    ):
        f.forward(x=0)
        assert f.backward() == {"x": 0}
    y = variable("y")
    f = x**y
    f.forward(x=0, y=2)
    assert f.backward() == {"x": 0, "y": 0}


def test_masks_of_numpy():
    x = variable("x")
    f = where(np.array([True, False]), x, 0.0)
    assert f.forward(x=[1.0, 2.0]).tolist() == [1, 0]
    assert f.backward([1.0, 1.0])["x"].tolist() == [1, 0]


def test_check_of_arrays_in_any_order():
    x = variable("x")
    f = sum(exp(x) * x)
    f.forward(x=np.random.default_rng(0).normal(size=(3, 4)).T)
    assert f.check()["x"] < 1e-9


def test_a_gate_whose_gradients_do_not_fit():
    class Wrong:
        def forward(self, x):
            return x

        def backward(self, dz):
            return np.ones(5)

    f = gate(Wrong(), variable("x"))
    f.forward(x=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"backward of Wrong must return gradients of shape \(2,\)"):
        f.backward([1.0, 1.0])


def test_numpy_numbers_and_arrays_on_the_left():
    x = variable("x")
    f = np.float64(2) * x + np.array([1.0, 2.0]) - np.float32(0.5)
    assert f.forward(x=3).tolist() == [6.5, 7.5]
    h = np.power(x, 2) - np.add(x, [1.0, 2.0])
    assert h.forward(x=3).tolist() == [5.0, 4.0]
    g = np.array([[1.0, 2.0]]) @ x
    assert g.forward(x=[[3.0], [4.0]]).tolist() == [[11.0]]


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_the_sum_of_a_single_number(axis):
    """NumPy sums it along an axis too."""
    x = variable("x")
    f = sum(x * x, axis)
    assert (f.forward(x=3.0), f.backward()) == (9.0, {"x": 6.0})
