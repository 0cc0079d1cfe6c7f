"""Formulas of one's own: the values and gradients of what they say, in files, in threads, and all refusals."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import reference
from helpers import labelled

import fastbp as fb
from fastbp.activations import ACTIVATIONS
from fastbp.formulas.programs import Line, Program
from fastbp.graph import absolute, exp, log, maximum, minimum, sigmoid, sin, softplus, sqrt, sum, tanh, where

Activation, Loss = fb.activations.Formula, fb.losses.Formula

MISH = Activation(lambda z: z * tanh(softplus(z)))
SNAKE = Activation(lambda z, a: z + sin(a * z) ** 2 / a, constants={"a": 0.5}, name="snake")
ODD = Activation(lambda z: where(z > 0.3, z, 0.3 * exp(minimum(z, 0.3) - 0.3)) + 0.1 * absolute(z) / sqrt(1 + z * z))


def tukey(a, y, c):
    r = (a - y) / c
    inside = 1 - r * r
    return c * c / 6 * where(absolute(r) < 1.0, 1 - inside * inside * inside, 1.0)


def focal(a, y, gamma):
    p = a * y + (1 - a) * (1 - y)
    return -((1 - p) ** gamma) * log(p)


def gaussian(a, y):
    mean, deviation = a[0], softplus(a[1]) + 0.01
    return log(deviation) + 0.5 * ((y[0] - mean) / deviation) ** 2


def quantiles(a, y, q):
    """Of a pair: the lower and the upper one."""
    low, high = y[0] - a[0], y[0] - a[1]
    return maximum(q * low, (q - 1) * low) + maximum((1 - q) * high, -q * high)


TUKEY = Loss(tukey, constants={"c": 4.0}, name="tukey")
FOCAL = Loss(focal, constants={"gamma": 2}, targets="probabilities", name="focal")
GAUSSIAN = Loss(gaussian, rows=True, n_out=2, n_targets=1, name="gaussian")
QUANTILES = Loss(quantiles, constants={"q": 0.1}, rows=True, n_out=2, n_targets=1)
ENTROPY = Loss(
    lambda a, y: -sum([y_i * log(a_i) for a_i, y_i in zip(a, y, strict=True)]),
    rows=True,
    n_out=3,
    targets="distribution",
)


def net_for(loss: fb.losses.Loss, **options) -> tuple[fb.MLP, np.ndarray, np.ndarray]:
    """A network and samples for a loss."""
    rng = np.random.default_rng(0)
    n_out = loss.n_out or 2
    output = {"probabilities": "sigmoid", "distribution": "softmax"}.get(loss.targets, "identity")
    made = {"activation": SNAKE, "output": output, "dtype": np.float64, "seed": 0} | options
    X, n_targets = rng.normal(size=(9, 4)), loss.target_count(n_out)
    y = rng.normal(size=(9, n_targets)) if loss.targets == "values" else rng.dirichlet(np.ones(n_targets), 9)
    return fb.MLP([4, 7, n_out], **made), X, y


# --- values and gradients ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [TUKEY, FOCAL, GAUSSIAN, QUANTILES, ENTROPY], ids=repr)
@pytest.mark.parametrize("sigma", [MISH, SNAKE, ODD], ids=repr)
def test_gradients_against_differences(loss, sigma):
    net, X, y = net_for(loss, activation=sigma)
    errors = fb.check_gradients(net, X, y, loss)
    assert max(max(layer) for layer in errors) < 1e-7


def test_the_values_are_those_of_the_formula():
    net, X, y = net_for(TUKEY, activation=SNAKE)
    z = X @ net.weights[0] + net.biases[0]
    a = (z + np.sin(0.5 * z) ** 2 / 0.5) @ net.weights[1] + net.biases[1]
    assert net.predict(X) == pytest.approx(a, rel=1e-12)
    r = np.minimum(np.abs(a - y) / 4, 1)
    wanted = (16 / 6 * (1 - (1 - r**2) ** 3)).sum(axis=1).mean()
    assert fb.Trainer(net, loss=TUKEY).evaluate(X, y)["loss"] == pytest.approx(wanted, rel=1e-12)


def test_a_row_has_other_targets_than_outputs():
    net, X, y = net_for(GAUSSIAN)
    a = net.predict(X)
    deviation = np.log1p(np.exp(a[:, 1])) + 0.01
    wanted = (np.log(deviation) + 0.5 * ((y[:, 0] - a[:, 0]) / deviation) ** 2).mean()
    trainer = fb.Trainer(net, loss=GAUSSIAN, optimizer=fb.Adam(0.01), seed=0)
    assert trainer.evaluate(X, y)["loss"] == pytest.approx(wanted, rel=1e-12)
    assert trainer.evaluate(X, y[:, 0]) == trainer.evaluate(X, y)
    before = trainer.evaluate(X, y)["loss"]
    trainer.fit(X, y, epochs=50, validation_data=(X, y[:, 0]))
    assert trainer.history["validation_loss"][-1] < before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name, sigma in ACTIVATIONS.items() if sigma.trainable])
def test_a_formula_of_a_built_in_function_is_the_function(name, dtype):
    """As a node of a graph, it is one gate, whose derivative is that of the function."""
    sigma = ACTIVATIONS[name]
    twin = sigma if name == "identity" else Activation(lambda z: 1.0 * sigma(z), init=sigma.init)
    nets = [fb.MLP([3, 17, 2], activation=each, dtype=dtype, seed=0) for each in (sigma, twin)]
    nets[1].set_weights(nets[0].weights, nets[0].biases)
    X, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    results = [net.gradients(X, y[:, :2], loss="squared_error") for net in nets]
    eps = float(np.finfo(dtype).eps)
    for own, wanted in zip(*([cost, *dW, *db] for cost, dW, db in results), strict=True):
        assert own == pytest.approx(wanted, rel=20 * eps, abs=20 * eps)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name in reference.DERIVATIVES])
def test_functions_of_arrays(name):
    z = np.random.default_rng(0).normal(size=(5, 4)) * 3
    sigma = getattr(fb.activations, name)
    assert sigma(z) == pytest.approx(reference.ACTIVATIONS[name](z), rel=1e-13, abs=1e-15)
    assert sigma.derivative(z) == pytest.approx(reference.DERIVATIVES[name](z), rel=1e-12, abs=1e-15)
    assert sigma(z.astype(np.float32)).dtype == np.float32
    assert sigma([1, 2]).dtype == np.float64
    assert np.isnan(sigma(np.nan))


def test_functions_of_arrays_without_a_derivative():
    assert fb.activations.sign([-2.0, 0.0, 3.0]).tolist() == [-1, 1, 1]
    assert fb.activations.threshold([-2.0, 0.0, 3.0]).tolist() == [0, 1, 1]
    assert fb.activations.softmax([[0.0, math.log(3)]]).tolist() == [[0.25, 0.75]]
    for name in ("sign", "threshold", "softmax"):
        with pytest.raises(TypeError, match="has no derivative"):
            getattr(fb.activations, name).derivative([1.0])
    with pytest.raises(TypeError, match="z must be a number or an array"):
        fb.activations.relu("x")


def test_a_derivative_of_ones_own():
    given = Activation(lambda z: z * z, prime=lambda z: 2 * z)
    assert given == Activation(lambda z: z * z, prime=lambda z: 2.0 * z)
    with pytest.raises(ValueError, match=r"the derivative of formula at z = .* must be .* by differences, got"):
        Activation(lambda z: z * z, prime=lambda z: 3 * z)
    assert Activation(lambda z: 3 * z, prime=lambda z: 3.0).derivative([1.0]) == 3
    pair = Loss(lambda a, y: a[0] * a[1] * y[0], rows=True, n_out=2, prime=lambda a, y: [a[1] * y[0], a[0] * y[0]])
    assert pair.target_count(2) == 2
    with pytest.raises(ValueError, match="prime must return 2 derivatives"):
        Loss(lambda a, y: a[0] * a[1] * y[0], rows=True, n_out=2, prime=lambda a, y: [a[1] * y[0]])


def test_constants_are_numbers_of_the_kernel():
    """Formulas that differ only in them share their kernels, but not their values."""
    dtype = np.dtype(np.float32)
    other = Activation(lambda z, a: z + sin(a * z) ** 2 / a, constants={"a": 2.0})
    assert SNAKE.digest(dtype) == other.digest(dtype)
    assert SNAKE([1.0]) != other([1.0])
    assert other != SNAKE
    assert MISH.digest(dtype) != SNAKE.digest(dtype)


def test_kernels_of_rows_know_what_is_a_target_and_what_a_constant():
    """Two targets, and one target with a constant, have formulas with the same instructions."""
    two = Loss(lambda a, y: (a[0] - y[0]) ** 2 * y[1] + 0 * a[1], rows=True, n_out=2)
    one = Loss(lambda a, y, c: (a[0] - y[0]) ** 2 * c + 0 * a[1], rows=True, n_out=2, n_targets=1, constants={"c": 3.0})
    net = fb.MLP([1, 2], dtype=np.float64)
    net.set_weights([[[1.0, 0.0]]], [[0.0, 0.0]])
    assert fb.Trainer(net, loss=two).evaluate([[4.0]], [[2.0, 5.0]])["loss"] == 20
    assert fb.Trainer(net, loss=one).evaluate([[4.0]], [[2.0]])["loss"] == 12


def test_what_other_targets_than_outputs_make_impossible():
    net, X, y = net_for(GAUSSIAN)
    own = fb.Trainer(net, loss=GAUSSIAN)
    assert own.evaluate(X, np.arange(9)).keys() == {"loss"}
    for options, message in [({"class_weight": {1: 2.0}}, "class_weight needs targets that are classes")]:
        with pytest.raises(ValueError, match=message):
            own.fit(X, np.arange(9), **options)
    own.metrics = ["mae"]
    with pytest.raises(ValueError, match="metrics must not have 'mae'"):
        own.evaluate(X, y)


def test_formulas_with_infinite_derivatives_that_are_not_chosen():
    """Of a divergence from one-hot targets, and of a root that ends at 0."""
    divergence = Loss(lambda a, y: where(y > 0, y * log(y / a), 0.0), targets="distribution")
    net = fb.MLP([3, 2], output="softmax", dtype=np.float64, seed=0)
    X, y = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 2
    own, wanted = (net.gradients(X, y, loss=loss, flat=True) for loss in (divergence, "cross_entropy"))
    assert own[0] == pytest.approx(wanted[0], rel=1e-12)
    assert own[1] == pytest.approx(wanted[1], rel=1e-10)
    for formula in (lambda z: where(z > 0, z * log(z), 0.0), lambda z: sqrt(fb.activations.relu(z))):
        assert Activation(formula).derivative([-2.0]) == 0
    polynomial = Activation(lambda z: sum([c * z**k for k, c in enumerate([0.1, 0.5, 0.2, 0.01])]))
    assert polynomial.derivative([0.0, 1.0]).tolist() == pytest.approx([0.5, 0.93])


def test_a_formula_of_the_identity():
    """Where a derivative is a constant, it is one for vectors too."""
    for formula in (lambda z: z * fb.activations.identity(z), lambda z: Activation(lambda x: 2 * x + 1)(z) + z):
        sigma = Activation(formula)
        net, X, y = net_for(TUKEY, activation=sigma)
        assert max(max(layer) for layer in fb.check_gradients(net, X, y, TUKEY)) < 1e-7


def test_a_formula_in_a_formula():
    twice = Activation(lambda z: SNAKE(SNAKE(z)))
    assert twice([0.3]) == SNAKE(SNAKE([0.3]))
    net, X, y = net_for(TUKEY, activation=twice)
    assert max(max(layer) for layer in fb.check_gradients(net, X, y, TUKEY)) < 1e-7
    twin = fb.MLP([2, 3, 1], activation=twice, output=MISH)
    assert pickle.loads(pickle.dumps(twin)).architecture == twin.architecture


# --- everything else that a trainer does ------------------------------------------------------------------------------


def bits(trainer: fb.Trainer) -> list[bytes]:
    net = trainer.network
    return [array.tobytes() for array in (*net.weights, *net.biases)]


@pytest.mark.parametrize("loss", [FOCAL, GAUSSIAN], ids=repr)
def test_files_hold_the_formula(tmp_path, loss):
    """A checkpoint, and a network, that need no code of the user."""
    net, X, y = net_for(loss, dropout=0.2)
    whole, half = (fb.Trainer(copy.deepcopy(net), loss=loss, seed=0, batch_size=4) for _ in range(2))
    whole.fit(X, y, epochs=6)
    half.fit(X, y, epochs=3, callbacks=[fb.Checkpoint(tmp_path)])
    resumed = fb.Trainer.resume(tmp_path)
    assert resumed.loss == loss
    resumed.fit(X, y, epochs=6, callbacks=[fb.Checkpoint(tmp_path)])
    assert bits(resumed) == bits(whole)
    net.save(tmp_path / "m.safetensors")
    twin = fb.load(tmp_path / "m.safetensors")
    assert twin.architecture == net.architecture
    assert (twin.predict(X) == net.predict(X)).all()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_bits_do_not_depend_on_threads(n_threads):
    X, y = labelled(200, n_in=6, n_out=3)
    results = []
    for threads in (1, n_threads):
        net = fb.MLP([6, 20, 3], activation=MISH, output="softmax", seed=0)
        trainer = fb.Trainer(
            net, loss=ENTROPY, n_threads=threads, seed=0, gradient="stored" if threads == 1 else "fused"
        )
        trainer.fit(X, np.eye(3)[y], epochs=2)
        results.append(bits(trainer))
    assert results[0] == results[1]


def test_an_ensemble_of_formulas():
    X, y = labelled(60, n_in=6, n_out=3)
    nets = [fb.MLP([6, 8, 3], activation=SNAKE, output="softmax", seed=k) for k in range(3)]
    ensemble = fb.Ensemble([fb.Trainer(net, loss=ENTROPY, seed=k) for k, net in enumerate(nets)])
    ensemble.fit(X, np.eye(3)[y], epochs=2)
    assert ensemble.predict(X).shape == (60, 3)


def test_pickle_and_copy():
    for each in (MISH, SNAKE, FOCAL, GAUSSIAN):
        assert pickle.loads(pickle.dumps(each)) == each == copy.deepcopy(each)


def test_what_is_shown():
    assert repr(MISH) == "Formula(z * tanh(softplus(z)))"
    assert repr(SNAKE) == "Formula(z + ((sin(a * z) ** 2) / a), a=0.5)"
    assert repr(GAUSSIAN).endswith("rows=True, n_out=2, n_targets=1)")
    assert "snake" not in repr(fb.MLP([1, 2, 1], activation=MISH))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Activation(lambda z: z if z > 0 else 0), TypeError, "write where"),
        (lambda: Activation(lambda z: max(z, 0)), TypeError, "maximum"),
        (lambda: Activation(np.tanh), TypeError, "np.tanh"),
        (lambda: Activation(lambda z: np.exp(z)), TypeError, "write fastbp.graph.exp"),
        (lambda: Activation(lambda z: math.exp(z)), TypeError, "instead of functions of math"),
        (lambda: Activation(lambda z: 1.0), TypeError, "must return what it computes"),
        (lambda: Activation(lambda z: z > 0), TypeError, "must return numbers, got the condition"),
        (lambda: Activation(lambda z: where(z > 0, 1.0, 0.0)), ValueError, "must have a derivative"),
        (lambda: Activation("relu"), TypeError, "must be a function such as"),
        (lambda: Activation(lambda z: fb.graph.sum(z)), ValueError, "each number from the numbers at its place"),
        (lambda: Activation(lambda z: z * fb.graph.variable("w")), ValueError, "only use its own arguments"),
        (lambda: Activation(lambda z: z * np.ones(3)), ValueError, "single numbers as constants"),
        (lambda: Activation(lambda z: log(-absolute(z) - 1)), ValueError, "must be finite for some z"),
        (lambda: Activation(lambda z, b: z * b), TypeError, "missing 1 required positional argument"),
        (lambda: Activation(lambda z, b: z * b, constants={"b": math.nan}), ValueError, r"constants\['b'\] must be"),
        (lambda: Activation(lambda z: z * z, constants=3), TypeError, "constants must be a dict"),
        (lambda: Activation(lambda z: z * z, init="zeros"), ValueError, "init must be one of"),
        (lambda: Activation(lambda z: z * z, name=""), ValueError, "name must not be empty"),
        (lambda: Activation(lambda z: z * z, name="identity"), ValueError, "name must not be that of another"),
        (lambda: Loss(lambda a, y: a * y, name="huber"), ValueError, "name must not be that of another"),
        (lambda: Activation(lambda z, a: z * a, constants=[1, 2]), TypeError, "constants must be a dict"),
        (lambda: Activation(lambda z, **k: z, constants={"z": 1}), ValueError, "must not have the names of other"),
        (lambda: Activation(lambda z, **k: z, constants={"1": 1}), ValueError, "names that Python can use"),
        (lambda: fb.MLP([1, 2, 1], activation=lambda z: z), TypeError, "fastbp.activations.Formula makes one"),
        (lambda: fb.Trainer(fb.MLP([1, 1]), loss=lambda a, y: a), TypeError, "fastbp.losses.Formula makes one"),
        (lambda: Activation(lambda z: z.sum()), TypeError, "cannot be turned into a graph"),
        (lambda: Activation(lambda z: np.tanh(z)), TypeError, "write fastbp.graph.tanh"),
        (lambda: Loss(lambda a, y: y * y), ValueError, "must have a derivative"),
        (lambda: Loss(lambda a, y: a - y, targets="labels"), ValueError, "targets must be one of"),
        (lambda: Loss(lambda a, y: a - y, n_out=2), ValueError, "must be None without rows=True"),
        (lambda: Loss(gaussian, rows=True), ValueError, "n_out must be given with rows=True"),
        (lambda: Loss(gaussian, rows=True, n_out=33), ValueError, "n_out must be below 33"),
        (lambda: Loss(gaussian, rows=True, n_out=2, n_targets=1, targets="signs"), ValueError, "'values' or 'counts'"),
        (lambda: fb.Trainer(fb.MLP([2, 3]), loss=GAUSSIAN), ValueError, "n_out=3, the number of outputs"),
        (lambda: fb.MLP([2, 3]).gradients([[1, 2]], [1], loss=GAUSSIAN), ValueError, "n_out=3, the number of outputs"),
    ],
)  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()


GOOD = Program(1, (Line("variable"), Line("exp", (0,)), Line("scale", (1,), (("by", 2.0),))), (2,))


@pytest.mark.parametrize(
    ("lines", "outputs", "message"),
    [
        ((Line("variable"), Line("import", (0,))), (1,), "no gate 'import'"),
        ((Line("variable"), Line("matmul", (0, 0))), (1,), "no gate 'matmul'"),
        ((Line("variable"), Line("exp", (1,))), (1,), "inputs of line 1 must be below 1"),
        ((Line("variable"), Line("exp", (-1,))), (1,), "inputs of line 1 must be at least 0"),
        ((Line("variable"), Line("exp", (0, 0))), (1,), "must have 1 inputs"),
        ((Line("variable"), Line("scale", (0,))), (1,), "must have 1 inputs and the options"),
        ((Line("variable"), Line("scale", (0,), (("by", "2"),))), (1,), "by of line 1 must be a number"),
        ((Line("variable"), Line("activate", (0,), (("sigma", "relu"),))), (1,), "must be an activation function"),
        ((Line("variable"), Line("less", (0, 0))), (1,), "outputs must be numbers"),
        ((Line("variable"), Line("less", (0, 0)), Line("exp", (1,))), (2,), "a condition must be the first input"),
        ((Line("variable"), Line("where", (0, 0, 0))), (1,), "a condition must be the first input"),
        ((Line("exp", (0,)), Line("variable")), (1,), "an input if and only if"),
        ((Line("variable"),), (5,), "outputs must be below 1"),
        ((Line("variable"), "exp"), (0,), "must be a Line"),
    ],
)
def test_damaged_programs(lines, outputs, message):
    """From a file of a stranger."""
    assert GOOD.compute(np.zeros(2))[0].tolist() == [2, 2]
    with pytest.raises((ValueError, TypeError), match=message):
        Program(1, lines, outputs)


def test_the_power_and_the_sine_of_kernels():
    """In float32 and float64, beside NumPy."""
    x = np.random.default_rng(0).uniform(-30, 30, (400, 1))
    for dtype, most in ((np.float32, 3e-6), (np.float64, 1e-14)):
        given = x.astype(dtype)
        for formula, wanted in [
            (sin, np.sin), (fb.graph.cos, np.cos), (lambda z: z**3, lambda z: z**3),
            (lambda z: z**-2, lambda z: z**-2.0), (lambda z: sigmoid(z) ** 0.5, None),
            (lambda z: (absolute(z) + 1) ** 1.7, lambda z: (np.abs(z) + 1) ** 1.7),
            (lambda z: where(z > 2.0, z, 0.5 * z) * 1.5, lambda z: np.where(z > 2, z, 0.5 * z) * 1.5),
            (lambda z: z**1, lambda z: z), (lambda z: 2.0 ** (z / 8), lambda z: 2 ** (z / 8)),
        ]:  # fmt: skip
            sigma = Activation(formula)
            net = fb.MLP([1, 1], output=sigma, dtype=dtype)
            net.set_weights([[[1.0]]], [[0.0]])
            exact = given.astype(float)
            expected = sigma(exact) if wanted is None else wanted(exact)
            error = np.abs(net.predict(given) - expected) / np.maximum(np.abs(expected), 1)
            assert error.max() < most


@pytest.mark.parametrize("exponent", [2.0, 3.0, -1.0, 0.0, 0.5, -2.5, 100.0, 101.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_with_exponents_that_only_the_kernel_knows(exponent, dtype):
    """The domain is that of NumPy: whole powers of negative numbers, and NaN for others."""
    sigma = Activation(lambda z, p: z**p + 0 * z, constants={"p": exponent})
    z = np.array([-1.5, -1.0, -0.25, 0.25, 1.0, 1.25])[:, None].astype(dtype)
    net = fb.MLP([1, 1], output=sigma, dtype=dtype)
    net.set_weights([[[1.0]]], [[0.0]])
    with np.errstate(all="ignore"):
        wanted = z.astype(float) ** exponent
    found = net.predict(z)
    assert (np.isnan(found) == np.isnan(wanted)).all()
    seen = ~np.isnan(wanted)
    assert found[seen] == pytest.approx(wanted[seen], rel={np.float32: 1e-4, np.float64: 1e-12}[dtype])


@pytest.mark.parametrize(("dtype", "near", "far"), [(np.float32, 1e6, 2e7), (np.float64, 1e14, 2e16)])
def test_sines_of_huge_numbers(dtype, near, far):
    """They are right to some digits, or NaN: cos(6e300) was 1."""
    x = np.random.default_rng(0).uniform(-near, near, 300).astype(dtype)
    huge = np.array([far, -far, 1e30, np.finfo(dtype).max], dtype)
    for formula, wanted in ((sin, np.sin), (fb.graph.cos, np.cos)):
        net = fb.MLP([1, 1], output=Activation(formula), dtype=dtype)
        net.set_weights([[[1.0]]], [[0.0]])
        assert net.predict(x[:, None])[:, 0] == pytest.approx(wanted(x.astype(np.float64)), abs=1e-3)
        assert np.isnan(net.predict(huge[:, None])).all()


@pytest.mark.parametrize("exponent", [0.0, 2.5, -2.5, 3.0, -3.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_infinity(exponent, dtype):
    """inf ** 0 was NaN, and so were all powers with exponents that only the kernel knows."""
    sigma = Activation(lambda z, p: (1.0 / (z * z)) ** p, constants={"p": exponent})
    net = fb.MLP([1, 1], output=sigma, dtype=dtype)
    net.set_weights([[[1.0]]], [[0.0]])
    assert net.predict([[0.0]]).item() == np.inf**exponent


def test_constants_of_a_file_have_different_names():
    """With two of one name, the file was read, and `predict` failed."""
    sigma = Activation(lambda z, a: a * z, constants={"a": 2.0})
    with pytest.raises(ValueError, match="constants must have different names"):
        Activation(sigma.program, constants=(("a", 2.0), ("a", 2.0)))


def test_the_number_of_instructions_is_bounded():
    """3,000 lines of powers are a small file, and took minutes to compile."""
    powers = [Line("variable"), *(Line("raise", (k,), (("to", 1.7),)) for k in range(3000))]
    with pytest.raises(ValueError, match="at most about 30000 instructions"):
        Program(1, tuple(powers), (3000, 3000))
    inner = Activation(Program(1, tuple(powers[:100]), (99, 99)))
    nested = [Line("variable"), *(Line("activate", (k,), (("sigma", inner),)) for k in range(5))]
    with pytest.raises(ValueError, match="at most about 30000 instructions"):
        Program(1, tuple(nested), (5, 5))
    Program(1, tuple(nested[:3]), (2, 2))
    sums = [Line("variable"), *(Line("shift", (k,), (("by", 1.7),)) for k in range(5000))]
    Program(1, tuple(sums), (5000, 5000))


KINKS = {
    "small": lambda a, y: 0.05 * maximum(a, 0.0) + a,
    "tiny": lambda a, y: a + 1e-3 * absolute(a) + 0.0 * y,
    "of the targets": lambda a, y: maximum(a, y) * 0.01 + a,
}


@pytest.mark.parametrize("kink", KINKS)
def test_a_kink_near_a_point_of_the_check_is_no_mistake(kink):
    """The differences reach over the kink. The function changes its slope by little, so it looks smooth there."""
    for shift in np.linspace(-5e-3, 5e-3, 41):
        Loss(lambda a, y, shift, kink=KINKS[kink]: kink(a - shift, y), constants={"shift": shift})
    with pytest.raises(ValueError, match="the derivative of formula at a = "):
        Loss(lambda a, y: 0.05 * maximum(a, 0.0) + a, prime=lambda a, y: where(a > 0.0, 1.051, 1.0))


def test_numbers_that_float32_does_not_have_are_refused():
    """And nothing is half changed; float64 has them."""
    X, y = labelled()
    for sigma in (Activation(lambda z, c: z / c, constants={"c": 1e300}), fb.activations.LeakyReLU(1e300)):
        with pytest.raises(ValueError, match=r"the numbers of .* must be finite in float32, got \(1e\+300,\)"):
            fb.MLP([6, 4, 3], activation=sigma, seed=0)
        assert np.isfinite(fb.MLP([6, 4, 3], activation=sigma, dtype="f8", seed=0).predict(X)).all()
    own, twin = (fb.Trainer(fb.MLP([6, 3], seed=0), loss="huber", seed=0) for _ in range(2))
    with pytest.raises(ValueError, match=r"the numbers of Huber\(delta=1e\+300\) must be finite in float32"):
        own.loss = fb.losses.Huber(1e300)
    assert own.loss == "huber"
    for each in (own, twin):
        each.fit(X, y)
    assert (own.network.theta == twin.network.theta).all()
