"""`fb.Perceptron`, `fb.Adaline` and `fb.LogisticUnit`: the rules of the documents, by hand and against a plain loop."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import run, same

import fastbp as fb
from fastbp import sklearn

RNG = np.random.default_rng(0)
BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
SIGNS = 2 * BITS - 1
AND, OR, SAME = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), np.array([1, 0, 0, 1])
KINDS = [fb.Perceptron, fb.Adaline, fb.LogisticUnit]


def by_signs(X, y, epochs):
    """If sign(w x) != y, then w <- w + y x, from w = 0   (001). Returns w and the mistakes of each epoch."""
    w, mistakes = np.zeros(X.shape[1]), []
    for _ in range(epochs):
        mistakes.append(0)
        for x, target in zip(X, y, strict=True):
            if np.sign(w @ x) != target:
                w, mistakes[-1] = w + target * x, mistakes[-1] + 1
        if not mistakes[-1]:
            break
    return w, mistakes


@pytest.mark.parametrize(
    ("X", "y", "w", "b", "mistakes"),
    [
        (BITS, AND, (2, 1), -3, [2, 3, 3, 2, 1, 0]),
        (BITS, OR, (1, 1), -1, [2, 2, 1, 0]),
        (SIGNS, AND, (1, 1), -1, [1, 0]),
        (SIGNS, OR, (1, 1), 1, [3, 0]),
    ],
)
def test_perceptron(X, y, w, b, mistakes):
    unit = fb.Perceptron(2)
    history = unit.fit(X, y)
    assert (unit.w.tolist(), unit.b, unit.mistakes) == (list(w), b, mistakes)
    assert history.epochs == len(mistakes)
    assert (unit.predict(X) == y).all()
    twin = fb.Perceptron(2)
    twin.fit(X, 2 * y - 1)
    assert (twin.w.tolist(), twin.b, twin.mistakes) == (list(w), b, mistakes)
    assert (twin.predict(X) == 2 * y - 1).all()


def test_zero_is_a_mistake_for_both_classes():
    """From w = 0, the first sample x = (1, 2) always changes w, whatever its class."""
    for y, w in ((1, [1, 2]), (-1, [-1, -2])):
        unit = fb.Perceptron(2, strict=True, bias=False)
        unit.fit([[1.0, 2.0]], [y])
        assert unit.w.tolist() == w
        assert unit.mistakes == [1, 0]
    unit = fb.Perceptron(2, bias=False)
    unit.fit([[1.0, 2.0]], [1])
    assert unit.w.tolist() == [0, 0]
    assert unit.mistakes == [0]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("bias", [True, False])
def test_the_rule_of_signs(seed, bias):
    """With small integers, z is often 0."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (20, 3)).astype(float)
    y = np.where(X @ [1, -2, 1] + bias >= 0, 1, -1)
    seen = np.column_stack([X, np.ones(20)]) if bias else X
    w, mistakes = by_signs(seen, y, 30)
    unit = fb.Perceptron(3, strict=True, bias=bias)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        unit.fit(X, y, epochs=30)
    assert np.append(unit.w, unit.b if bias else []).tolist() == w.tolist()
    assert unit.mistakes == mistakes


def test_the_loss_of_the_strict_rule():
    net = fb.MLP.from_weights([[[1.0]]])
    trainer = fb.Trainer(net, loss=fb.losses.Perceptron(strict=True))
    X = [[-2.0], [0.0], [0.0], [3.0], [3.0], [-2.0]]
    y = [1, 1, 0, 1, 0, 0]
    assert trainer.evaluate(X, y) == {"loss": pytest.approx((2 + 3) / 6), "accuracy": pytest.approx(2 / 6)}
    _, dW, _ = net.gradients([[1.0]], [1], loss=fb.losses.Perceptron(strict=True))
    assert dW[0].tolist() == [[0.0]]
    for target, g in ((1, -1.0), (0, 1.0)):
        net.set_weights([[[0.0]]], [None])
        _, dW, _ = net.gradients([[2.0]], [target], loss=fb.losses.Perceptron(strict=True))
        assert dW[0].tolist() == [[2 * g]]


def test_what_no_line_separates():
    unit = fb.Perceptron(2)
    message = "Perceptron made 4 mistakes in its last epoch, number 50: raise epochs, .*, which fastbp.separable"
    with pytest.warns(UserWarning, match=message) as seen:
        unit.fit(BITS, SAME, epochs=50)
    assert seen[0].filename == __file__
    assert unit.mistakes[2:] == [4] * 48
    assert not fb.separable(BITS, SAME)


def test_many_classes():
    X, y = np.array([[1, 0], [0, 1], [-1, -1.0]]), np.array([0, 1, 2])
    unit = fb.Perceptron(2, 3)
    unit.fit(X, y)
    assert unit.w.T.tolist() == [[2, 0], [-1, 1], [-1, -1]]
    assert unit.b.tolist() == [-1, 0, 1]
    assert unit.mistakes == [2, 1, 0]
    assert unit.predict(X).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"strict must be False for several outputs, .* got 3"):
        fb.Perceptron(2, 3, strict=True)


@pytest.mark.parametrize("y", [[-1, -1, -1, 1], [0, 0, 0, 1]])
def test_adaline(y):
    """w <- w + eta (t - w x) x   (001)."""
    w, b = np.zeros(2), 0.0
    for x, t in zip(SIGNS, (-1, -1, -1, 1), strict=True):
        error = t - (w @ x + b)
        w, b = w + 0.1 * error * x, b + 0.1 * error
    unit = fb.Adaline(2, eta=0.1)
    history = unit.fit(SIGNS, y, epochs=1)
    assert unit.w == pytest.approx(w, abs=1e-12)
    assert unit.b == pytest.approx(b, abs=1e-12)
    errors = np.array([-1, -0.9, -0.99, 1.089])
    assert history["loss"] == pytest.approx([0.5 * (errors**2).mean()], abs=1e-12)
    assert unit.mistakes == [2]  # z = 0, -0.1, -0.01 and -0.089
    assert unit.predict(SIGNS).tolist() == y


def test_logistic_unit():
    unit = fb.LogisticUnit(2, eta=0.5)
    unit.fit([[1.0, 2.0]], [1], epochs=1)
    assert (unit.w.tolist(), unit.b) == ([0.25, 0.5], 0.25)
    assert unit.network.predict([1.0, 2.0]) == pytest.approx(1 / (1 + np.exp(-1.5)), abs=1e-12)
    assert unit.predict([1.0, 2.0]) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3])
def test_the_estimators_do_the_same(kind, count):
    X, y = RNG.normal(size=(60, 4)), RNG.integers(0, count, 60)
    unit = kind(4, 1 if count == 2 else count, eta=0.05, batch_size=7, schedule=fb.schedules.Exponential(0.9))
    other = getattr(sklearn, kind.__name__)(eta0=0.05, batch_size=7, schedule=fb.schedules.Exponential(0.9), max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        history = unit.fit(X, y, epochs=5)
        other.fit(X, y)
    assert same(unit.network.weights, other.network_.weights)
    assert same(unit.network.biases, other.network_.biases)
    assert (unit.mistakes, history["loss"]) == (other.mistakes_, other.loss_curve_)
    assert (unit.predict(X) == other.predict(X)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_inputs_copies_and_texts(kind):
    sparse = pytest.importorskip("scipy.sparse")
    X = RNG.integers(0, 2, (30, 3)).astype(float)
    y = (X.sum(axis=1) > 1).astype(int)
    found = []
    for given in (X, X.tolist(), sparse.csr_matrix(X), pd.DataFrame(X, columns=list("abc"))):
        unit = kind(3, eta=0.5, shuffle=True, batch_size="all", dtype=np.float32, seed=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            unit.fit(given, y, epochs=7)
        assert unit.w.dtype == np.float32
        found.append((*unit.w.round(5).tolist(), unit.predict(given).tolist()))
    assert all(other == found[0] for other in found)
    assert repr(unit) == f"{kind.__name__}(3, eta=0.5, batch_size='all', shuffle=True, dtype='float32', seed=1)"
    for twin in (copy.deepcopy(unit), pickle.loads(pickle.dumps(unit))):
        assert twin.w.tolist() == unit.w.tolist()
        assert twin.mistakes == unit.mistakes
        twin.trainer.partial_fit(X, 1 - y)
        assert twin.w.tolist() != unit.w.tolist()


def test_the_warning_of_scales_is_for_units_that_suffer():
    X = np.column_stack([1e3 * RNG.normal(size=40), RNG.normal(size=40)])
    y = (X[:, 1] > 0).astype(int)
    with pytest.warns(UserWarning, match="standard deviation"):
        fb.LogisticUnit(2).fit(X, y, epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fb.Adaline(2, eta=1e-8).fit(X, y, epochs=1)


def test_they_need_no_package():
    code = """
        import sys
        for name in ("sklearn", "scipy"):
            sys.modules[name] = None
        import fastbp as fb
        for kind in (fb.Perceptron, fb.Adaline, fb.LogisticUnit):
            unit = kind(1)
            unit.fit([[-1.0], [1.0]], [0, 1], epochs=5)
            print(unit.predict([[-1.0], [1.0]]).tolist())
    """
    assert run(code).stdout.splitlines() == ["[0, 1]"] * 3
