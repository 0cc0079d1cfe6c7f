"""What a network shows of its inside, and gradients with respect to inputs and from outside."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import reference
from helpers import guarded_copy, labelled, parameters
from scipy import sparse

import fastbp as fb

SHAPES = [[3, 2], [4, 18, 2], [3, 17, 33, 9, 2]]


def network(sizes=(4, 18, 2), dtype=np.float64, **options) -> fb.MLP:
    made = {"activation": "tanh", "output": "softmax", "scale": 0.5, "shift": 0.25, "seed": 0} | options
    return fb.MLP(sizes, dtype=dtype, **made)


def samples(net: fb.MLP, n: int = 21) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, net.sizes[0])).astype(net.dtype), rng.integers(0, net.sizes[-1], n)


# --- trace ------------------------------------------------------------------------------------------------------------


def test_the_network_of_002():
    """Without biases: W1 = [[0.1, -0.2], [0.3, 0.4]], w2 = (0.5, -0.6), x = (1, 2), y = 1."""
    net = fb.MLP([2, 2, 1], activation="sigmoid", output="sigmoid", bias=False, dtype=np.float64)
    net.set_weights([[[0.1, -0.2], [0.3, 0.4]], [[0.5], [-0.6]]], [None, None])
    t = net.trace([[1.0, 2.0]], [1], "binary_cross_entropy")
    near = lambda values: pytest.approx(np.array(values), abs=5e-7)  # noqa: E731
    assert t.a[0] == near([[0.668188, 0.645656]])
    assert t.a[1] == near([[0.486678]])
    assert t.loss == pytest.approx(0.720152, abs=5e-7)
    assert t.delta[1] == near([[-0.513322]])
    assert t.dW[1] == near([[-0.342995], [-0.331429]])
    assert t.delta[0] == near([[-0.056905, 0.070464]])
    assert t.dW[0] == near([[-0.056905, 0.070464], [-0.113810, 0.140928]])
    assert t.db == [None, None]


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("output", ["softmax", "identity", "silu"])
@pytest.mark.parametrize("sizes", SHAPES)
def test_trace_against_the_reference(sizes, output, loss):
    if loss == "cross_entropy" and output != "softmax":
        pytest.skip("cross_entropy needs probabilities")
    net = network(sizes, output=output)
    X, y = samples(net)
    one_hot = np.eye(sizes[-1])[y]
    t = net.trace(X, one_hot if loss == "squared_error" else y, loss)
    x = (X - 0.25) * 0.5
    zs, a = reference.forward(x, net.weights, net.biases, net.architecture.activation, output)
    assert t.x == pytest.approx(x, rel=1e-14)
    for l in range(len(sizes) - 1):
        assert t.z[l] == pytest.approx(zs[l], rel=1e-11, abs=1e-14)
        assert t.a[l] == pytest.approx(a[l + 1], rel=1e-11, abs=1e-14)
    before = [t.x, *t.a]
    for l, (dW, db) in enumerate(zip(t.dW, t.db, strict=True)):
        assert before[l].T @ t.delta[l] / len(X) == pytest.approx(dW, rel=1e-10, abs=1e-14)
        assert t.delta[l].mean(axis=0) == pytest.approx(db, rel=1e-10, abs=1e-14)
    cost, dW, _ = net.gradients(X, one_hot if loss == "squared_error" else y, loss=loss)
    assert t.loss == cost
    assert all((own == wanted).all() for own, wanted in zip(t.dW, dW, strict=True))


def test_trace_has_the_bits_of_a_prediction():
    """Of many rows, of which the kernels see some at a time; of sparse ones; and without targets."""
    net = network([40, 30, 3], np.float32, activation="relu", shift=0.0)
    X, _ = samples(net, 1000)
    X *= np.random.default_rng(1).random(X.shape) < 0.2
    for given in (X, sparse.csr_array(X)):
        t = net.trace(given)
        assert (t.a[-1] == net.predict(X)).all()
        assert (t.a[0] == net.transform(X)).all()
        assert (t.x == X * np.float32(0.5)).all()
        assert t.delta == t.dW == t.db == []
        assert np.isnan(t.loss)


def test_the_table_of_a_trace():
    net = network([2, 3, 1], output="sigmoid")
    t = net.trace([[1.0, 2.0], [3.0, 4.0]], [0, 1], "binary_cross_entropy")
    lines = str(t).splitlines()
    assert lines[0].split() == ["layer", "unit", "z", "a", "da", "delta"]
    assert len(lines) == 1 + 2 + 3 + 1
    assert t.table(1) != str(t)
    assert lines[-1].split()[2:] == [f"{each[1][0, 0]:.6g}" for each in (t.z, t.a, t.da, t.delta)]
    assert "delta" not in str(net.trace([[1.0, 2.0]]))
    with pytest.raises(IndexError, match="r must be a sample from 0 to 1, got 2"):
        t.table(2)
    with pytest.raises(TypeError, match="r must be an integer"):
        t.table(1.0)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "norm_error", "logits"])
@pytest.mark.parametrize("sizes", SHAPES)
def test_the_layers_of_a_trace(sizes, loss):
    """They count from 1 to L. 000: delta^l = sigma'(z^l) dC/da^l. 001: dC/da^(l-1) is W^l times delta^l."""
    loss = fb.losses.CrossEntropy(from_logits=True) if loss == "logits" else loss
    net = network(sizes, output="identity" if not isinstance(loss, str) else "softmax")
    X, y = samples(net)
    t = net.trace(X, y, loss)
    L = len(net)
    for l in range(1, L + 1):
        layer = t.layer(l)
        assert layer.z is t.z[l - 1]
        assert layer.a is t.a[l - 1]
        assert layer.delta is t.delta[l - 1]
        assert (net.weights[l - 1] == layer.W).all()
        assert (net.biases[l - 1] == layer.b).all()
        assert layer.dW == pytest.approx(t.layer(l - 1).a.T @ layer.delta / len(X), rel=1e-10, abs=1e-14)
        assert layer.db == pytest.approx(layer.delta.mean(axis=0), rel=1e-10, abs=1e-14)
        assert t.layer(l - 1).da == pytest.approx(layer.delta @ layer.W.T, rel=1e-12)
        if l < L:
            assert layer.delta == pytest.approx((1 - layer.a**2) * layer.da, rel=1e-10, abs=1e-14)
    function = fb.losses.LOSSES[loss] if isinstance(loss, str) else loss
    each = [function.gradient(a, k) for a, k in zip(t.a[-1], y, strict=True)]
    assert t.layer(L).da == pytest.approx(np.array(each), rel=1e-12)
    assert t.layer(0).a is t.x
    assert t.layer(0).z is t.layer(0).delta is t.layer(0).W is t.layer(0).dW is None
    *_, dX = net.gradients(X, y, loss=loss, inputs=True)
    assert t.layer(0).da * 0.5 / len(X) == pytest.approx(dX, rel=1e-9, abs=1e-14)
    for wrong, error in ((L + 1, ValueError), (-1, ValueError), (1.0, TypeError)):
        with pytest.raises(error, match="l must be"):
            t.layer(wrong)


def test_a_trace_as_002_counts():
    """002: delta^(2) = y* - y, and delta_i^(1) = delta^(2) w_i1^(2) z_i (1 - z_i). One sample, and a number."""
    net = fb.MLP([2, 2, 1], activation="sigmoid", output="sigmoid", bias=False, dtype=np.float64)
    net.set_weights([[[0.1, -0.2], [0.3, 0.4]], [[0.5], [-0.6]]], [None, None])
    t = net.trace([1.0, 2.0], 1, "binary_cross_entropy")
    near = lambda *values: pytest.approx(np.array(values), abs=5e-7)  # noqa: E731
    assert t.layer(1).a == near(0.668188, 0.645656)
    assert t.layer(2).delta == near(-0.513322)
    assert t.layer(2).da == near(-1 / t.layer(2).a[0])
    assert t.layer(1).delta == near(-0.056905, 0.070464)
    assert t.layer(1).da == near(-0.513322 * 0.5, 0.513322 * 0.6)
    assert t.layer(0).da == near(-0.056905 * 0.1 - 0.070464 * 0.2, -0.056905 * 0.3 + 0.070464 * 0.4)
    assert t.layer(1).dW == near([-0.056905, 0.070464], [-0.113810, 0.140928])
    assert t.layer(1).b is t.layer(1).db is None


@pytest.mark.parametrize("X", [np.arange(4.0), [0.0, 1.0, 2.0, 3.0], np.arange(4, dtype=np.uint8)])
@pytest.mark.parametrize(
    ("n_out", "y", "loss"),
    [
        (2, 1, "cross_entropy"), (2, [0.0, 1.0], "squared_error"), (1, 0.5, "squared_error"),
        (1, [0.5], "squared_error"), (1, np.float32(0.5), "huber"), (2, np.int64(1), "squared_error"),
    ],
)  # fmt: skip
def test_a_trace_of_one_sample(X, n_out, y, loss):
    """It is the first row of a trace of rows, without the first axis."""
    net = network([4, 7, n_out], output="softmax" if n_out > 1 else "identity")
    one, rows = net.trace(X, y, loss), net.trace(np.array([X]), np.array([y]), loss)
    assert one.x.shape == (4,)
    for name in ("z", "a", "delta", "da"):
        for mine, theirs in zip(getattr(one, name), getattr(rows, name), strict=True):
            assert mine.shape == theirs.shape[1:]
            assert (mine == theirs[0]).all()
    assert one.loss == rows.loss
    assert all((mine == theirs).all() for mine, theirs in zip(one.dW, rows.dW, strict=True))
    assert (one.layer(0).da == rows.layer(0).da[0]).all()
    assert str(one) == str(rows) == one.table(0) == one.table(-1)
    assert (
        repr(one)
        == f"<Trace of one sample through 4-7-{n_out}, forward and backward; print(trace) shows the first one>"
    )
    assert net.trace(X).a[-1].tolist() == net.predict(X).tolist()
    with pytest.raises(IndexError, match="r must be a sample from 0 to 0, got 1"):
        one.table(1)


def test_a_trace_keeps_its_weights():
    net = network([2, 3, 1], output="identity")
    t = net.trace([1.0, 2.0], 0.0, "squared_error")
    before = t.layer(0).da.copy()
    net.set_weights([0 * W for W in net.weights], net.biases)
    assert (t.layer(0).da == before).all()
    assert t.layer(1).W.any()


def test_traces_as_frames():
    pandas = pytest.importorskip("pandas")
    net = network([2, 3, 1], output="sigmoid")
    t = net.trace(pandas.DataFrame({"p": [1.0, 3.0], "q": [2.0, 4.0]}), [0, 1], "binary_cross_entropy")
    frame = t.to_frame(1)
    assert list(frame.columns) == ["z", "a", "da", "delta"]
    assert frame.index.names == ["layer", "unit"]
    assert frame.loc[(2, 1), "delta"] == t.layer(2).delta[1, 0]
    assert frame.loc[0]["a"].tolist() == t.layer(0).a[1].tolist()
    assert frame.loc[0]["z"].isna().all()
    columns = t.to_dict(1)
    assert columns["layer"] == [0, 0, 1, 1, 1, 2]
    assert columns["unit"] == [1, 2, 1, 2, 3, 1]
    assert columns["z"][2:] == [*t.z[0][1], *t.z[1][1]]
    assert [*net.trace([1.0, 2.0]).to_dict()] == ["layer", "unit", "z", "a"]
    page = t._repr_html_()
    assert f"<td>{t.layer(2).da[0, 0]:.6g}</td>" in page
    assert repr(t.layer(2)).startswith("TraceLayer(z=[[")
    one = net.trace(pandas.DataFrame({"p": [1.0], "q": [2.0]}).iloc[0], 1, "binary_cross_entropy")  # a row of a frame
    assert one.x.shape == (2,)
    with pytest.raises(IndexError, match="r must be a sample"):
        t.to_dict(2)
    with pytest.raises(TypeError, match="r must be an integer"):
        t.to_frame("a")


# --- features, theta --------------------------------------------------------------------------------------------------


def test_transform():
    net = network([4, 18, 7, 2], output="identity")
    X, _ = samples(net)
    assert (net.transform(X) == net.transform(X, 2)).all()
    assert (net.transform(X, -1) == net.predict(X)).all()
    assert net.transform(X, 1) == pytest.approx(np.tanh(((X - 0.25) * 0.5) @ net.weights[0] + net.biases[0]), rel=1e-12)
    for layer in (0, 4, -4):
        with pytest.raises(ValueError, match=r"layer must be"):
            net.transform(X, layer)
    with pytest.raises(TypeError, match="layer must be an integer"):
        net.transform(X, 1.0)


def test_theta():
    net = network([2, 3, 2], bias=[True, False])
    (W1, W2), (b1, none) = net.weights, net.biases
    assert none is None
    assert net.theta.tolist() == [*W1.ravel(), *b1, *W2.ravel()]
    assert net.theta.size == net.n_parameters == 15
    net.theta = np.arange(15)
    assert net.weights[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net.biases[0].tolist() == [6, 7, 8]
    assert net.weights[1].tolist() == [[9, 10], [11, 12], [13, 14]]
    loss, dW, db = net.gradients([[1.0, 2.0]], [1], loss="cross_entropy")
    same, flat = net.gradients([[1.0, 2.0]], [1], loss="cross_entropy", flat=True)
    assert loss == same
    assert flat.tolist() == [*dW[0].ravel(), *db[0], *dW[1].ravel()]
    for wrong, error in ((np.zeros(14), ValueError), (np.full(15, np.nan), ValueError), ("x", TypeError)):
        with pytest.raises(error, match="theta"):
            net.theta = wrong
    assert net.theta.tolist() == list(range(15))


# --- gradients with respect to inputs ---------------------------------------------------------------------------------


def torch_twin(torch, net: fb.MLP):
    modules = []
    for l, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        layer = torch.nn.Linear(*W.shape, dtype=torch.float32 if net.dtype == np.float32 else torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.tensor(b))
        modules += [layer, torch.nn.Softmax(-1) if l + 2 == len(net.sizes) else torch.nn.Tanh()]
    return lambda x: torch.nn.Sequential(*modules)((x - 0.25) * 0.5)


@pytest.mark.parametrize(("dtype", "most"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("sizes", SHAPES)
def test_input_gradients_and_jacobian_beside_pytorch(sizes, dtype, most):
    torch = pytest.importorskip("torch")
    net = network(sizes, dtype)
    X, y = samples(net)
    x = torch.tensor(X, requires_grad=True)
    twin = torch_twin(torch, net)
    torch.nn.functional.nll_loss(twin(x).log(), torch.tensor(y)).backward()
    *_, dX = net.gradients(X, y, loss="cross_entropy", inputs=True)
    assert np.abs(dX - x.grad.numpy()).max() <= most * np.abs(dX).max()
    wanted = np.stack([torch.autograd.functional.jacobian(twin, row).numpy() for row in torch.tensor(X)])
    found = net.jacobian(X)
    assert found.shape == (len(X), sizes[-1], sizes[0])
    assert np.abs(found - wanted).max() <= most * np.abs(wanted).max()


@pytest.mark.parametrize("sizes", SHAPES)
def test_input_gradients_against_differences(sizes):
    """With weights of samples, and with the dropout and the noise of a seed, which stay the same."""
    net = network(sizes, dropout=[0.3] + [0.2] * (len(sizes) - 2), input_noise=0.1)
    X, y = samples(net)
    for options in ({}, {"seed": 3}, {"sample_weight": np.arange(1.0, 22.0)}):
        *_, dX = net.gradients(X, y, loss="cross_entropy", inputs=True, **options)
        cost = lambda: net.gradients(X, y, loss="cross_entropy", **options)[0]  # noqa: B023, E731
        wanted = fb.formulas.differences.of_array(cost, X, most=25)
        seen = ~np.isnan(wanted)
        assert np.abs(dX - wanted)[seen].max() <= 1e-9 * np.abs(dX).max()


def test_input_gradients_change_nothing_else():
    """The other gradients have the same bits; also of sparse inputs, and of inputs with many zeros."""
    net = network([40, 30, 3], np.float32, activation="relu", shift=0.0)
    X, y = samples(net, 1500)
    X *= np.random.default_rng(1).random(X.shape) < 0.2
    plain = net.gradients(X, y, loss="cross_entropy")
    for given in (X, sparse.csr_array(X)):
        *more, dX = net.gradients(given, y, loss="cross_entropy", inputs=True)
        assert plain[0] == more[0]
        assert all((a == b).all() for k in (1, 2) for a, b in zip(plain[k], more[k], strict=True))
        assert dX.shape == X.shape
    assert (dX == net.gradients(X, y, loss="cross_entropy", inputs=True)[-1]).all()


@pytest.mark.parametrize("at_end", [True, False])
def test_input_gradients_touch_nothing_beside(monkeypatch, at_end):
    from helpers import guarded

    from fastbp.engine import memory, plan

    for module in (plan, memory):
        monkeypatch.setattr(module, "aligned", lambda size, dtype: guarded(size, dtype, at_end))
    net = network([17, 33, 3], np.float32)
    X, y = samples(net, 9)
    assert np.isfinite(net.gradients(guarded_copy(X, at_end), y, loss="cross_entropy", inputs=True)[-1]).all()
    assert np.isfinite(net.trace(guarded_copy(X, at_end), y, "cross_entropy").delta[0]).all()


# --- gradients from outside -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SHAPES)
def test_backward(sizes):
    """The gradient of a loss of one's own, given as dC/da."""
    net = network(sizes, output="silu")
    X, y = samples(net)
    wanted = net.gradients(X, np.eye(2)[y], loss="squared_error", inputs=True)
    dW, db, dX = net.backward(X, (net.predict(X) - np.eye(2)[y]) / len(X))
    for own, other in zip([*dW, *db, dX], [*wanted[1], *wanted[2], wanted[3]], strict=True):
        assert own == pytest.approx(other, rel=1e-10, abs=1e-14)
    minus = net.backward(X, (np.eye(2)[y] - net.predict(X)) / len(X))
    assert (minus[2] == -dX).all()


def test_partial_fit_with_a_gradient_is_a_step():
    """As with the loss that has this gradient, with clipping, momentum, an average and l2."""
    results = []
    for outside in (False, True):
        net = network([4, 18, 2], output="identity", max_norm=2.0)
        X, y = samples(net)
        own = fb.Trainer(
            net, loss="squared_error", optimizer=fb.SGD(0.1, momentum=0.9), clip_norm=0.1, average=fb.EMA(0.9),
            l2=0.01, batch_size=64, schedule=fb.schedules.Cosine(10, per="step"),
        )  # fmt: skip
        for _ in range(5):
            if outside:
                assert own.partial_fit(X, output_gradient=(net.predict(X) - np.eye(2)[y]) / len(X)) == {}
            else:
                own.partial_fit(X, np.eye(2)[y])
        assert own.state.step == 5
        results.append([*parameters(own), own.averaged.weights[0]])
    for own, wanted in zip(*results, strict=True):
        assert own == pytest.approx(wanted, rel=1e-10)


def test_apply_gradients_is_a_step():
    results = []
    for outside in (False, True):
        net = network([4, 18, 2], dtype=np.float32)
        X, y = samples(net)
        own = fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(0.01), clip_norm=0.1, average=fb.EMA(0.9))
        for _ in range(5):
            if outside:
                own.apply_gradients(*net.gradients(X, y, loss="cross_entropy")[1:])
            else:
                own.partial_fit(X, y)
        results.append([*parameters(own), *own.averaged.weights, own.state.vectors])
        assert own.state.step == 5
    assert all((own == wanted).all() for own, wanted in zip(*results, strict=True))


def test_signed_weights():
    """The sum of weight times loss, divided by the number of samples."""
    net = network([4, 18, 2])
    X, y = samples(net)
    weights = np.random.default_rng(0).normal(size=len(X))
    own = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(1.0), batch_size=64)
    before = net.theta
    each = [net.gradients(X[r : r + 1], y[r : r + 1], loss="cross_entropy", flat=True) for r in range(len(X))]
    scores = own.partial_fit(X, y, sample_weight=weights, signed_weights=True)
    assert scores["loss"] == pytest.approx(np.mean([w * cost for w, (cost, _) in zip(weights, each, strict=True)]))
    moved = np.mean([w * g for w, (_, g) in zip(weights, each, strict=True)], axis=0)
    assert before - net.theta == pytest.approx(moved, rel=1e-9, abs=1e-13)
    for refused in (own.partial_fit, own.fit, lambda X, y, **given: net.gradients(X, y, loss="cross_entropy", **given)):
        with pytest.raises(ValueError, match=r"at least 0; Trainer.partial_fit takes negative ones with signed_"):
            refused(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match=r"sample_weight\[0\] is nan; every value must be finite .* least 0$"):
        own.partial_fit(X, y, sample_weight=weights * np.nan)


GRADIENTS = {
    "gradients": lambda net, X, y: net.gradients(X, y, loss="mae"),
    "gradients of inputs": lambda net, X, y: net.gradients(X, y, loss="mae", inputs=True, flat=True),
    "backward": lambda net, X, y: net.backward(X, np.ones_like(y)),
    "jacobian": lambda net, X, y: net.jacobian(X),
    "check_gradients": lambda net, X, y: fb.check_gradients(net, X, y, "mae"),
}


@pytest.mark.parametrize("kind", ["infinite", "NaN"])
@pytest.mark.parametrize("call", GRADIENTS)
def test_a_gradient_that_is_not_finite_is_an_error(call, kind):
    """The loss is finite: the root has an infinite derivative at 0, or the product of two large numbers overflows."""
    if kind == "NaN":
        root = fb.activations.Formula(lambda z: fb.graph.sqrt(z * 1.0), name="root")
        net, X = fb.MLP([1, 2, 1], activation=root, dtype=np.float64), np.zeros((3, 1))
        net.set_weights([[[1.0, 1.0]], [[0.0], [0.0]]], [[0.0, 0.0], [0.0]])
    else:  # for the inputs, or for the weights
        x, scale, W = (1e-30, 1e35, (1.0, 1e5)) if call in ("jacobian", "backward") else (1e25, 1e10, (1e-35, 1e30))
        net, X = fb.MLP([1, 1, 1], activation="identity", scale=scale), np.full((3, 1), x, np.float32)
        net.set_weights([[[W[0]]], [[W[1]]]], [[0.0], [0.0]])
    before = net.theta
    with pytest.raises(FloatingPointError, match=r"the gradient of the .* of these samples is not finite"):
        GRADIENTS[call](net, X, np.zeros((3, 1), net.dtype))
    assert (net.theta == before).all()


def test_integers_are_no_labels_of_a_gradient():
    net = network([4, 18, 3])
    X, _ = samples(net, 2)
    with pytest.raises(ValueError, match=r"output_gradient must have shape \(2, 3\), got \(2,\)"):
        net.backward(X, np.array([0, 2]))


def test_steps_of_two_kinds_in_turns():
    """Neither makes the memory of the other anew."""
    net = network([4, 18, 2])
    X, y = samples(net, 800)
    own = fb.Trainer(net, loss="cross_entropy")

    def memory_of_two_steps() -> int:
        tracemalloc.start()
        own.partial_fit(X, y), own.partial_fit(X, output_gradient=np.ones((800, 2)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    first = memory_of_two_steps()
    assert memory_of_two_steps() < first / 10


def test_mistakes_of_gradients_from_outside():
    net = network([4, 18, 2])
    X, y = samples(net)
    own = fb.Trainer(net, loss="cross_entropy")
    g, before = np.ones((len(X), 2)), net.theta
    for act, error, message in [
        (lambda: own.partial_fit(X), TypeError, "y must be given, or output_gradient"),
        (lambda: own.partial_fit(X, y, output_gradient=g), TypeError, "and not both"),
        (lambda: own.partial_fit(X, output_gradient=g[:3]), ValueError, "output_gradient must have a row for each"),
        (lambda: own.partial_fit(X, output_gradient=g * np.nan), ValueError, r"output_gradient\[0, 0\]"),
        (lambda: own.partial_fit(X, output_gradient=g, sample_weight=y), ValueError, "with weights"),
        (lambda: own.partial_fit(X, output_gradient=g, signed_weights=True), ValueError, "with weights"),
        (lambda: own.partial_fit(X, y, signed_weights=1), TypeError, "signed_weights must be True or False"),
        (lambda: net.backward(X, g[:, :1]), ValueError, "output_gradient must have shape"),
        (lambda: own.apply_gradients([g], [g]), ValueError, "dW must be 2 arrays"),
        (lambda: own.apply_gradients(net.weights, net.biases[::-1]), ValueError, r"db\[0\] must have shape"),
        (lambda: own.apply_gradients(net.weights, 3), TypeError, "db must be a sequence"),
        (lambda: net.trace(X, y), ValueError, "y and loss must be given together"),
        (lambda: net.gradients(X, y, loss="cross_entropy", inputs=1), TypeError, "inputs must be True or False"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            act()
    own.optimizer = fb.LBFGS()
    with pytest.raises(ValueError, match="LBFGS"):
        own.apply_gradients(net.weights, net.biases)
    with pytest.raises(ValueError, match="LBFGS"):
        own.partial_fit(X, output_gradient=g)
    assert (net.theta == before).all()


def test_a_step_that_is_not_finite_is_undone():
    net = network([4, 18, 2], np.float32)
    own = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(1e30))
    before, huge = net.theta, [W * 0 + 1e30 for W in net.weights]
    with pytest.raises(FloatingPointError, match="not finite after this step"):
        own.apply_gradients(huge, net.biases)
    assert (net.theta == before).all()


# --- networks without biases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"gradient": "stored"}, {"l2": 0.1}, {"average": fb.EMA(0.9)}])
@pytest.mark.parametrize("inputs", ["dense", "masked", "sparse"])
def test_biases_that_do_not_exist_stay_0(options, inputs):
    net = network([40, 30, 17, 3], np.float32, activation="sigmoid", shift=0.0, bias=[False, True, False], dropout=0.5)
    X, y = samples(net, 300)
    X *= np.random.default_rng(1).random(X.shape) < (1.0 if inputs == "dense" else 0.2)
    own = fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(0.01), seed=0, **options)
    own.fit(sparse.csr_array(X) if inputs == "sparse" else X, y, epochs=3)
    assert [b is None for b in net.biases] == [True, False, True]
    assert net.biases[1].any()
    biases = [np.zeros(n) if b is None else b for n, b in zip(net.sizes[1:], net.biases, strict=True)]
    wanted = reference.forward(X * 0.5, net.weights, biases, net.architecture.activation, "softmax")[1][-1]
    assert net.predict(X) == pytest.approx(wanted, rel=1e-5)
    assert net.n_parameters == 40 * 30 + 31 * 17 + 17 * 3


def test_bias_false_everywhere_else(tmp_path):
    net = network([3, 5, 2], bias=[True, False])
    X, y = samples(net)
    assert max(max(layer) for layer in fb.check_gradients(net, X, y, "cross_entropy")) < 1e-8
    net.save(tmp_path / "m.safetensors")
    twin = fb.load(tmp_path / "m.safetensors")
    assert (twin.theta == net.theta).all()
    assert twin.architecture.bias == (True, False)
    assert (net.astype(np.float32).theta == net.theta.astype(np.float32)).all()
    own = fb.Trainer(net, loss="cross_entropy", seed=0)
    own.fit(X, y, epochs=2, callbacks=[fb.Checkpoint(tmp_path / "run")])
    resumed = fb.Trainer.resume(tmp_path / "run")
    assert (resumed.network.theta == net.theta).all()
    fb.Trainer(net, loss="cross_entropy", optimizer=fb.LBFGS()).fit(X, y, epochs=3)
    assert net.biases[1] is None
    for bias, error in ((1, TypeError), ([True], ValueError), ("no", ValueError), ([1, 0], TypeError)):
        with pytest.raises(error, match="bias"):
            fb.MLP([3, 5, 2], bias=bias)
    with pytest.raises(ValueError, match=r"biases\[1\] must be None"):
        net.set_weights(net.weights, [net.biases[0], np.zeros(2)])


def test_bias_false_and_pytorch():
    arrays = {"0.weight": np.ones((5, 3)), "0.bias": np.ones(5), "2.weight": np.ones((2, 5))}
    net = network([3, 5, 2], bias=[True, False])
    fb.interop.from_torch(net, arrays)
    assert net.weights[1].tolist() == np.ones((5, 2)).tolist()
    with pytest.raises(ValueError, match="a weight and a bias for each layer that has biases"):
        fb.interop.from_torch(net, {**arrays, "2.bias": np.ones(2)})
    torch = pytest.importorskip("torch")
    found = fb.interop.to_torch(net)
    assert list(found) == list(arrays)
    linear = torch.nn.Linear
    module = torch.nn.Sequential(linear(3, 5), torch.nn.Tanh(), linear(5, 2, bias=False)).double()
    module.load_state_dict(found)


# --- evaluation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["threshold", "sign"])
def test_networks_of_threshold_units_can_be_evaluated(name):
    net = fb.MLP([2, 2, 1], activation=name, output=name, seed=0)
    net.set_weights([[[1, 1], [1, 1]], [[1], [-1]]], [[-0.5, -1.5], [-0.5 if name == "threshold" else -1.5]])
    own = fb.Trainer(net, loss="squared_error")
    X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    y = np.array([0, 1, 1, 0]) if name == "threshold" else np.array([-1, 1, 1, -1])
    assert own.evaluate(X, y) == {"loss": 0.0}
    assert net.trace(X).a[0][1].tolist() == ([1, 0] if name == "threshold" else [1, -1])
    for act in (
        lambda: own.fit(X, y), lambda: own.partial_fit(X, y), lambda: net.jacobian(X),
        lambda: own.apply_gradients(net.weights, net.biases), lambda: net.trace(X, y, "squared_error"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}.* has no derivative"):
            act()


def test_the_objective():
    """data_loss + reg_loss of 001."""
    X, y = labelled(40, n_in=4, n_out=3)
    net = network([4, 5, 3], scale=1.0, shift=0.0)
    own = fb.Trainer(net, loss="cross_entropy", l1=0.01, l2=0.1, metrics=["objective"], seed=0)
    own.fit(X, y, epochs=2, validation_data=(X, y))
    W = np.concatenate([W.ravel() for W in net.weights])
    penalty = 0.01 * np.abs(W).sum() + 0.05 * (W**2).sum()
    scores = own.evaluate(X, y)
    assert scores["objective"] == pytest.approx(scores["loss"] + penalty, rel=1e-12)
    assert own.history["objective"][-1] == pytest.approx(own.history["loss"][-1] + penalty, rel=1e-12)
    assert own.history["validation_objective"][-1] == pytest.approx(scores["objective"], rel=1e-12)


def test_sum_squared_error():
    net = network([4, 5, 3], output="identity")
    X, _ = samples(net)
    y = np.random.default_rng(1).normal(size=(len(X), 3))
    wanted = ((net.predict(X) - y) ** 2).sum(axis=1).mean()
    assert fb.Trainer(net, loss="sum_squared_error").evaluate(X, y)["loss"] == pytest.approx(wanted, rel=1e-12)


def test_numerical_gradients():
    net = network([4, 5, 3], dtype=np.float32)
    X, y = samples(net)
    slow = fb.numerical_gradients(net, X, y, "cross_entropy")
    _, dW, db = net.gradients(X, y, loss="cross_entropy")
    for own, wanted in zip([*slow.dW, *slow.db], [*dW, *db], strict=True):
        assert own == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert 0 < slow.backpropagation_seconds < slow.seconds
