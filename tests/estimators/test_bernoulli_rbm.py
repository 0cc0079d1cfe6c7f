"""`BernoulliRBM` inside scikit-learn: its checks, the tests of the class that it stands for, and its parameters."""

import importlib.util
import inspect
import pickle
import re
from unittest import mock

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastbp as fb
from fastbp.sklearn import BernoulliRBM

MODULE = "sklearn.neural_network.tests.test_rbm"

LEFT_OUT = {
    "test_transform": "_mean_hiddens",
    "test_sample_hiddens": "_sample_hiddens",
    "test_fit_gibbs": "components_",  # numbers that follow from the random numbers of NumPy
}
"""The tests that look at what scikit-learn keeps private, or at its random numbers, each with a name that they use."""

DRAWS = {
    f"check_methods_{what}_invariance": "score_samples draws a unit for each row, as that of scikit-learn does"
    for what in ("subset", "sample_order")
}

X = (np.random.default_rng(0).random((60, 9)) < 0.4).astype(np.float64)


def load():
    """A copy of the module whose names mean the estimator of fastbp."""
    try:
        spec = importlib.util.find_spec(MODULE)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        pytest.skip("this build of scikit-learn has no tests", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)
    # pytest refuses the marks of scikit-learn that it does not know.
    marks = mock.patch.dict(vars(pytest.mark), thread_unsafe=lambda test: test)
    with mock.patch.multiple("sklearn.neural_network", BernoulliRBM=BernoulliRBM), marks:
        spec.loader.exec_module(module)
    return module


THEIRS = load()
TESTS = {name: test for name, test in vars(THEIRS).items() if name.startswith("test_") and name not in LEFT_OUT}
globals().update(TESTS)


def test_what_is_left_out_exists():
    assert THEIRS.BernoulliRBM is BernoulliRBM
    assert len(TESTS) > 8
    for name, why in LEFT_OUT.items():
        assert why in inspect.getsource(getattr(THEIRS, name))


@parametrize_with_checks([BernoulliRBM(n_iter=3)], expected_failed_checks=lambda estimator: DRAWS)
@pytest.mark.filterwarnings("ignore")  # the checks warn about their own data
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def quick(**options):
    return BernoulliRBM(**({"n_components": 5, "n_iter": 3, "random_state": 0} | options))


def test_the_parameters_are_those_of_scikit_learn():
    ours, other = (inspect.signature(kind).parameters for kind in (BernoulliRBM, theirs.BernoulliRBM))
    assert [*ours] == [*other]
    for name, parameter in ours.items():
        assert (parameter.default, parameter.kind) == (other[name].default, other[name].kind)
    section = inspect.getdoc(BernoulliRBM).partition("Parameters\n----------\n")[2].partition("\n\nAttributes")[0]
    assert re.findall(r"^(\w+) : ", section, re.MULTILINE) == [*ours]


def test_it_is_a_machine_with_persistent_chains():
    own = quick(batch_size=10, learning_rate=0.2).fit(X)
    rng = np.random.RandomState(0)
    machine = fb.RBM(
        9, 5, optimizer=fb.SGD(0.2), batch_size=10, persistent=True, shuffle=False, dtype="float64",
        seed=int(rng.randint(2**31 - 1)),
    )  # fmt: skip
    machine.fit(X, epochs=3)
    np.testing.assert_array_equal(own.components_, machine.W.T)
    np.testing.assert_array_equal(own.intercept_hidden_, machine.c)
    np.testing.assert_array_equal(own.intercept_visible_, machine.b)
    np.testing.assert_array_equal(own.transform(X), machine.transform(X))
    assert own.h_samples_.shape == (10, 5)


def test_its_formulas_are_those_of_scikit_learn():
    own = quick().fit(X)
    other = theirs.BernoulliRBM(n_components=5, n_iter=0).fit(X)
    other.components_, other.intercept_hidden_ = own.components_, own.intercept_hidden_
    other.intercept_visible_ = own.intercept_visible_
    np.testing.assert_allclose(own.transform(X), other.transform(X), rtol=1e-12)
    np.testing.assert_allclose(own.rbm_.free_energy(X), other._free_energy(X), rtol=1e-12)
    scores = [[each.set_params(random_state=k).score_samples(X) for k in range(200)] for each in (own, other)]
    np.testing.assert_allclose(*(np.mean(each) for each in scores), atol=5 * np.std(scores) / np.sqrt(200 * 60 / 2))


def test_it_learns_as_well_as_that_of_scikit_learn():
    """Digits: the mean pseudo-likelihood after 10 epochs, with a margin for other random numbers."""
    from sklearn.datasets import load_digits

    images = load_digits().data / 16
    options = {"n_components": 64, "n_iter": 10, "random_state": 0}
    own, other = (kind(**options).fit(images) for kind in (BernoulliRBM, theirs.BernoulliRBM))
    other.components_, judge = np.ascontiguousarray(other.components_), fb.RBM(64, 64, dtype="float64")
    judge.set_weights(other.components_.T, other.intercept_visible_, other.intercept_hidden_)
    likelihoods = [each.pseudo_likelihood(images, seed=0).mean() for each in (own.rbm_, judge)]
    assert likelihoods[0] > likelihoods[1] - 0.5


def test_arrays_that_the_user_changes_count():
    own = quick().fit(X)
    own.components_[:] = 0
    own.intercept_hidden_ = np.zeros(5)
    np.testing.assert_array_equal(own.transform(X), np.full((60, 5), 0.5))
    assert not own.rbm_.W.any()
    own.partial_fit(X)
    assert own.components_.any()


def test_partial_fit_makes_one_step():
    own = quick()
    for k in range(4):
        own.partial_fit(X[10 * k : 10 * k + 10])
    assert own.rbm_.state.step == 4
    assert own.rbm_.history.epochs == 0
    own.fit(X)
    assert own.rbm_.state.step == 18


def test_pipelines_copies_and_files(tmp_path):
    y = X[:, 0].astype(int)
    pipeline = make_pipeline(quick(), LogisticRegression()).fit(X, y)
    assert pipeline.score(X, y) >= 0.5
    own = pipeline[0]
    twin = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(twin.transform(X), own.transform(X))
    np.testing.assert_array_equal(clone(own).fit(X).transform(X), own.transform(X))
    own.rbm_.save(tmp_path / "rbm")
    np.testing.assert_array_equal(fb.RBM.load(tmp_path / "rbm").transform(X), own.transform(X))


def test_before_it_is_fitted():
    with pytest.raises(NotFittedError):
        quick().transform(X)
    assert not hasattr(quick(), "rbm_")
    with pytest.raises(ValueError, match="learning_rate"):
        quick(learning_rate=-1).fit(X)
