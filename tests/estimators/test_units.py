"""`Perceptron`, `Adaline` and `LogisticUnit`: the numbers of the documents, computed by hand."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import fastbp as fb
from fastbp.sklearn import Adaline, LogisticUnit, Perceptron

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
SIGNS = 2 * BITS - 1
AND, OR, SAME = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), np.array([1, 0, 0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("X", "y", "w", "b", "mistakes"),
    [
        (BITS, AND, (2, 1), -3, [2, 3, 3, 2, 1, 0]),
        (BITS, OR, (1, 1), -1, [2, 2, 1, 0]),
        (SIGNS, AND, (1, 1), -1, [1, 0]),
        (SIGNS, OR, (1, 1), 1, [3, 0]),
    ],
)
def test_perceptron(X, y, w, b, mistakes, dtype):
    unit = Perceptron(dtype=dtype).fit(X, y)
    assert unit.coef_.tolist() == [list(w)]
    assert unit.intercept_.tolist() == [b]
    assert unit.mistakes_ == mistakes
    assert unit.n_iter_ == len(mistakes)
    assert (unit.predict(X) == y).all()
    assert unit.coef_.dtype == dtype


def test_what_no_line_separates_never_ends():
    unit = Perceptron(max_iter=50)
    with pytest.warns(ConvergenceWarning, match="Perceptron made 4 mistakes in its last epoch, number 50: raise max_"):
        unit.fit(BITS, SAME)
    assert unit.mistakes_[2:] == [4] * 48


def test_perceptron_of_many_classes():
    X, y = np.array([[1, 0], [0, 1], [-1, -1.0]]), np.array([0, 1, 2])
    unit = Perceptron().fit(X, y)
    assert unit.coef_.tolist() == [[2, 0], [-1, 1], [-1, -1]]
    assert unit.intercept_.tolist() == [-1, 0, 1]
    assert unit.mistakes_ == [2, 1, 0]
    assert unit.predict(X).tolist() == [0, 1, 2]


def test_ties_go_to_the_first_class():
    unit = Perceptron().partial_fit([[1.0, 0], [0, 1]], ["b", "a"], classes=["a", "b", "c"])
    unit.network_.set_weights([np.zeros((2, 3))], [np.zeros(3)])
    assert unit.predict([[3.0, 4]]).tolist() == ["a"]


def test_adaline():
    unit = Adaline(eta0=0.1, max_iter=1).fit(SIGNS, [-1, -1, -1, 1])
    assert unit.coef_ == pytest.approx(np.array([[0.1999, 0.2179]]), abs=1e-12)
    assert unit.intercept_ == pytest.approx([-0.1801], abs=1e-12)
    errors = np.array([-1, -0.9, -0.99, 1.089])
    assert unit.loss_curve_ == pytest.approx([0.5 * (errors**2).mean()], abs=1e-12)


def test_adaline_ends_at_the_least_squares():
    unit = Adaline(0.1, 5000, schedule=fb.schedules.InverseScaling(0.6)).fit(SIGNS, [-1, -1, -1, 1])
    assert unit.coef_ == pytest.approx(np.array([[0.5, 0.5]]), abs=2e-3)
    assert unit.intercept_ == pytest.approx([-0.5], abs=2e-3)
    assert unit.mistakes_[-1] == 0


def test_adaline_does_not_diverge_by_itself():
    rng = np.random.default_rng(0)
    X = 1e4 * rng.normal(size=(50, 3))
    unit = Adaline().fit(X, X[:, 0] > 0)
    assert unit.score(X, X[:, 0] > 0) > 0.85
    with pytest.raises(ValueError, match=r"training has diverged: .* try an eta0 below 1, or scale X"):
        Adaline(eta0=1.0).fit(X, X[:, 0] > 0)


def test_logistic_unit():
    unit = LogisticUnit(eta0=0.5, fit_intercept=False)
    unit.partial_fit([[1.0, 2.0]], [1], classes=[0, 1])
    assert unit.coef_.tolist() == [[0.25, 0.5]]
    assert unit.intercept_.tolist() == [0]
    with_bias = LogisticUnit(eta0=0.5).partial_fit([[1.0, 2.0]], [1], classes=[0, 1])
    assert with_bias.intercept_.tolist() == [0.25]
    a = 1 / (1 + np.exp(-1.25))
    assert unit.predict_proba([[1.0, 2.0]]) == pytest.approx(np.array([[1 - a, a]]), abs=1e-12)
    assert unit.predict_log_proba([[1.0, 2.0]]) == pytest.approx(np.log([[1 - a, a]]), abs=1e-12)


@pytest.mark.parametrize("kind", [Perceptron, Adaline, LogisticUnit])
def test_many_classes_by_their_names(kind):
    X, y = load_iris(return_X_y=True)
    X, names = (X - X.mean(axis=0)) / X.std(axis=0), np.array(["setosa", "versicolor", "virginica"])[y]
    unit = kind(max_iter=20, shuffle=True, random_state=0)
    if kind is Perceptron:
        with pytest.warns(ConvergenceWarning):
            unit.fit(X, names)
    else:
        unit.fit(X, names)
    assert unit.score(X, names) > 0.8
    assert unit.decision_function(X).shape == (150, 3)
    assert unit.decision_function(X).argmax(axis=1).tolist() == np.searchsorted(unit.classes_, unit.predict(X)).tolist()
    assert len(unit.mistakes_) == unit.n_iter_ == 20


@pytest.mark.parametrize("kind", [Perceptron, Adaline, LogisticUnit])
def test_sparse_inputs_and_steps_of_many_samples(kind):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X = np.where(rng.random((120, 9)) < 0.3, rng.normal(size=(120, 9)), 0)
    y = X @ rng.normal(size=9) > 0
    options = {"batch_size": 7, "max_iter": 5, "eta0": 0.05, "warm_start": True}
    found = []
    for given in (X, sparse.csr_matrix(X), sparse.csc_matrix(X)):
        unit = kind(**options)
        for _ in range(2):
            if kind is Perceptron:
                with pytest.warns(ConvergenceWarning):
                    unit.fit(given, y)
            else:
                unit.fit(given, y)
        assert len(unit.loss_curve_) == 10
        found.append((unit.coef_, unit.decision_function(given), unit.predict(given).tolist()))
    for other in found[1:]:
        assert (other[0] == found[0][0]).all()
        assert other[1] == pytest.approx(found[0][1], abs=1e-12)
        assert other[2] == found[0][2]


def test_wrong_calls():
    with pytest.raises(ValueError, match="Perceptron needs samples of at least 2 classes, got 1 class"):
        Perceptron().fit(BITS, np.ones(4))
    with pytest.raises(ValueError, match="y has classes that are not in classes_: got"):
        Perceptron().partial_fit(BITS, AND, classes=[0, 1]).partial_fit(BITS, AND + 1)
    with pytest.raises(ValueError, match="'eta0' parameter of Perceptron must be a float in the range"):
        Perceptron(eta0=-1).fit(BITS, AND)
    with pytest.raises(AttributeError, match="this Adaline has no coef_ before it is fitted"):
        _ = Adaline().coef_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_automatic_rate_does_not_depend_on_the_form_of_the_inputs(dtype):
    """Sums in another order would give it other last digits."""
    for seed in range(9):
        X = np.random.default_rng(seed).normal(size=(30, 20 + seed)).astype(dtype)
        forms = X, np.asfortranarray(X), X[::-1].copy()[::-1], sparse.csr_matrix(X), sparse.csc_array(X)
        found = [Adaline(max_iter=1).fit(form, X[:, 0] > 0).coef_ for form in forms]
        assert all((coef == found[0]).all() for coef in found)
