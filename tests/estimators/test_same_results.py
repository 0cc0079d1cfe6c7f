"""`MLPClassifier` and `MLPRegressor` end with the weights of scikit-learn, from the same parameters."""

import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning

from fastbp import sklearn as ours

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS[:601] / 16  # the last minibatch of 200 has a single sample
LABELS = LABELS[:601]
BODIES, DISEASE = load_diabetes(return_X_y=True)
ROWS = np.stack([LABELS > 4, LABELS % 2 == 0, LABELS < 3], axis=1).astype(int)


def both(name, X, y, **options):
    """The estimators of scikit-learn and of fastbp, fitted to the same samples."""
    weights = options.pop("sample_weight", None)
    options = {"random_state": 3, "max_iter": 12, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [getattr(module, name)(**options).fit(X, y, sample_weight=weights) for module in (theirs, ours)]


def assert_same(a, b, tolerance=1e-9):
    """float64 within rounding: some ten thousand steps of 1e-16."""
    assert a.n_iter_ == b.n_iter_
    assert a.t_ == b.t_
    assert a.out_activation_ == b.out_activation_
    assert (a.n_layers_, a.n_outputs_) == (b.n_layers_, b.n_outputs_)
    for V, W in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        assert W.dtype == V.dtype
        assert np.abs(V - W).max() <= tolerance * max(1, np.abs(V).max())


def assert_same_curves(a, b, tolerance=1e-5):
    """The loss curves. The squares of the weights inside an epoch come from a line, so they are not exact."""
    assert b.loss_curve_ == pytest.approx(a.loss_curve_, rel=tolerance)
    assert b.loss_ == pytest.approx(a.loss_, rel=tolerance)
    if a.best_loss_ is None:
        assert b.best_loss_ is None
        assert b.validation_scores_ == pytest.approx(a.validation_scores_, abs=1e-12)
        assert b.best_validation_score_ == pytest.approx(a.best_validation_score_, abs=1e-12)
    else:
        assert b.best_loss_ == pytest.approx(a.best_loss_, rel=tolerance)
        assert b.validation_scores_ is a.validation_scores_ is None


SETTINGS = [
    {},
    {"activation": "logistic"},
    {"activation": "tanh", "alpha": 0.5},
    {"activation": "identity", "hidden_layer_sizes": (7, 5)},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 33, "shuffle": False},
    {"batch_size": 50, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4},
    {"solver": "sgd", "learning_rate_init": 0.1},
    {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.2},
    {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    {"early_stopping": True, "validation_fraction": 0.3},
    {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.1, "max_iter": 50},
    {"tol": 0.2, "n_iter_no_change": 2, "max_iter": 60},
]


@pytest.mark.parametrize("y", [LABELS, LABELS > 4, ROWS], ids=["multiclass", "binary", "multilabel"])
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_classifier(options, y):
    a, b = both("MLPClassifier", DIGITS, y, **options)
    assert_same(a, b)
    assert_same_curves(a, b)
    assert (a.predict(DIGITS) == b.predict(DIGITS)).all()
    assert np.abs(a.predict_proba(DIGITS) - b.predict_proba(DIGITS)).max() < 1e-12
    assert b.predict_log_proba(DIGITS) == pytest.approx(a.predict_log_proba(DIGITS), rel=1e-9)
    assert a.score(DIGITS, y) == b.score(DIGITS, y)
    assert (a.classes_ == b.classes_).all()


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("options", [*SETTINGS[:3], SETTINGS[7], *SETTINGS[-5:]], ids=str)
def test_regressor(options, targets, loss):
    y = np.stack([DISEASE / 100, np.sqrt(DISEASE) / 10], axis=1)[:, : targets if targets > 1 else None].squeeze()
    y = y if targets > 1 else DISEASE / 100
    options = options | {"learning_rate_init": min(options.get("learning_rate_init", 0.001), 0.02)}
    a, b = both("MLPRegressor", BODIES * 10, y, loss=loss, **options)
    assert_same(a, b)
    assert_same_curves(a, b)
    assert a.predict(BODIES * 10) == pytest.approx(b.predict(BODIES * 10), rel=1e-9)
    assert a.score(BODIES * 10, y) == pytest.approx(b.score(BODIES * 10, y), rel=1e-9)


@pytest.mark.parametrize("y", [LABELS, LABELS > 4], ids=["multiclass", "binary"])
def test_lbfgs_of_the_classifier(y):
    a, b = both("MLPClassifier", DIGITS, y, solver="lbfgs", max_iter=20, alpha=0.1)
    assert_same(a, b, 1e-6)  # the search for a step multiplies the rounding
    assert b.loss_ == pytest.approx(a.loss_, rel=1e-8)


def test_lbfgs_of_the_regressor():
    a, b = both("MLPRegressor", BODIES * 10, DISEASE, solver="lbfgs", max_iter=50)
    assert b.loss_ == pytest.approx(a.loss_, rel=1e-8)


def test_lbfgs_ends_where_the_loss_of_scikit_learn_does():
    """Until it converges, on a problem with one minimum."""
    X, y = make_classification(300, random_state=0)
    a, b = both("MLPClassifier", X, y, solver="lbfgs", hidden_layer_sizes=(), max_iter=500, tol=1e-8)
    assert b.loss_ == pytest.approx(a.loss_, rel=1e-10)


def test_lbfgs_with_many_targets_minimises_what_its_gradient_says():
    """The gradient of scikit-learn is that of the sum over the targets, and its loss is the mean: its search errs."""
    y = np.stack([DISEASE, DISEASE / 2], axis=1)
    a, b = both("MLPRegressor", BODIES * 10, y, solver="lbfgs", max_iter=300)
    assert b.loss_ <= a.loss_ * 1.001


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sample_weight(solver):
    weights = np.random.default_rng(0).integers(0, 4, len(LABELS)).astype(float)
    weights[:200:3] = 0.5
    a, b = both("MLPClassifier", DIGITS, LABELS, solver=solver, shuffle=False, sample_weight=weights)
    if solver == "lbfgs":
        assert_same(a, b, 1e-6)
    else:
        assert_same(a, b)


def test_float32_stays_float32():
    a, b = both("MLPClassifier", DIGITS.astype(np.float32), LABELS, solver="sgd", learning_rate_init=0.01)
    assert b.coefs_[0].dtype == b.predict_proba(DIGITS[:2].astype(np.float32)).dtype == np.float32
    assert_same(a, b, 1e-4)
    assert b.loss_curve_ == pytest.approx(a.loss_curve_, rel=1e-5)


def test_the_loss_curve_of_sgd_without_shuffling():
    """Twenty epochs with penalties that matter: within 1e-4."""
    for alpha in (1e-4, 1.0):
        options = {"solver": "sgd", "shuffle": False, "max_iter": 20, "learning_rate_init": 0.1, "alpha": alpha}
        a, b = both("MLPClassifier", DIGITS, LABELS, **options)
        assert b.loss_curve_ == pytest.approx(a.loss_curve_, rel=1e-4)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit(solver):
    models = [module.MLPClassifier(solver=solver, random_state=0) for module in (theirs, ours)]
    for start in range(0, 600, 150):
        for model in models:
            model.partial_fit(DIGITS[start : start + 150], LABELS[start : start + 150], classes=np.arange(10))
    assert_same(*models)
    assert_same_curves(*models)
    models = [module.MLPRegressor(solver=solver, random_state=0) for module in (theirs, ours)]
    for start in range(0, 400, 100):
        for model in models:
            model.partial_fit(BODIES[start : start + 100], DISEASE[start : start + 100] / 100)
    assert_same(*models)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_warm_start(solver):
    models = [
        module.MLPClassifier(solver=solver, random_state=0, warm_start=True, max_iter=3) for module in (theirs, ours)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models * 3:
            model.fit(DIGITS, LABELS)
    assert_same(*models, 1e-6 if solver == "lbfgs" else 1e-9)
    if solver != "lbfgs":
        assert len(models[1].loss_curve_) == 9
        assert_same_curves(*models)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_probability_of_one_half_means_the_first_class(solver):
    models = both("MLPClassifier", DIGITS, LABELS > 4, solver=solver, max_iter=1)
    for model in models:
        model.coefs_, model.intercepts_ = [W * 0 for W in model.coefs_], [b * 0 for b in model.intercepts_]
        assert (model.predict_proba(DIGITS[:1]) == 0.5).all()
    assert models[0].predict(DIGITS[:1]) == models[1].predict(DIGITS[:1])


def test_the_global_random_state():
    """With random_state=None, both draw from NumPy's global generator."""
    made = []
    for module in (theirs, ours):
        np.random.seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            made.append(module.MLPClassifier(max_iter=3).fit(DIGITS, LABELS))
    assert_same(*made)


def test_no_more_steps_than_scikit_learn_prints(capsys):
    texts = []
    for module in (theirs, ours):
        for options in ({}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive"}):
            model = module.MLPClassifier(
                verbose=True, alpha=0, max_iter=40, tol=0.3, n_iter_no_change=1, random_state=0, **options
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(DIGITS, LABELS)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
