"""The estimators inside scikit-learn: its checks, its tools, its errors, and what they add."""

import inspect
import pickle
import re
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import run
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it makes the next import possible
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastbp as fb
from fastbp import sklearn as ours
from fastbp.sklearn import Adaline, LogisticUnit, MLPClassifier, MLPRegressor, Perceptron

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
BODIES, DISEASE = load_diabetes(return_X_y=True)
ESTIMATORS = [MLPClassifier(max_iter=100), MLPRegressor(max_iter=100), Perceptron(), Adaline(), LogisticUnit()]


@pytest.fixture(autouse=True)
def _few_epochs_may_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "the (inputs|targets) have")
        yield


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings("ignore")  # the checks warn about their own data
def test_checks_of_scikit_learn(estimator, check):
    """All of them pass, without any that is expected to fail."""
    check(estimator)


def quick(**options):
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0, **options})


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, Perceptron, Adaline, LogisticUnit])
def test_the_docstring_describes_each_parameter_in_the_order_of_the_constructor(kind):
    section = inspect.getdoc(kind).partition("Parameters\n----------\n")[2].partition("\n\nAttributes")[0]
    parameters = inspect.signature(kind).parameters.values()
    assert re.findall(r"^(\w+) : ", section, re.MULTILINE) == [each.name for each in parameters]
    assert all(f"default {each.default!r}\n" in section for each in parameters)
    assert inspect.getdoc(kind).count("Parameters\n----") == 1


def test_the_constructors_have_the_order_of_scikit_learn():
    for name in ("MLPClassifier", "MLPRegressor"):
        mine, yours = (inspect.signature(getattr(module, name)).parameters for module in (ours, theirs))
        assert all(mine[each].kind is yours[each].kind for each in yours)
        assert all(mine[each].default == yours[each].default for each in yours)
        positional = [each for each in mine if mine[each].kind is mine[each].POSITIONAL_OR_KEYWORD]
        assert positional == [*yours][: len(positional)]


def test_without_docstrings():
    """Under python -OO, there are none to complete."""
    code = """
        from fastbp.sklearn import Perceptron
        print(Perceptron(eta0=2.0).fit([[0.0], [1]], [0, 1]).predict([[1.0]]))
    """
    assert run(code, {"PYTHONOPTIMIZE": "2"}).stdout == "[1]\n"


# What users give


@pytest.mark.parametrize(
    "y", [NAMES, NAMES.astype(object), Y * 10 - 5, Y.astype(float), pd.Series(NAMES), NAMES == "setosa"]
)
def test_labels_of_any_kind(y):
    model, twin = quick().fit(X, y), theirs.MLPClassifier((8,), max_iter=20, random_state=0).fit(X, y)
    assert (model.classes_ == twin.classes_).all()
    assert (model.predict(X) == twin.predict(X)).all()
    assert model.predict(X).dtype == twin.predict(X).dtype


def test_one_class():
    """A column for each class, where scikit-learn has two for one class, which its own tools cannot use."""
    model = quick().fit(X, np.ones(150))
    assert (model.predict(X) == 1).all()
    assert (model.predict_proba(X) == np.ones((150, 1))).all()
    assert (model.predict_log_proba(X) == np.zeros((150, 1))).all()
    with pytest.warns(RuntimeWarning, match="Number of classes in training fold"):
        p = cross_val_predict(quick(), X[:100], Y[:100], cv=KFold(2), method="predict_proba")
    assert (p == np.eye(2)[1 - Y[:100]]).all()


def test_sparse_matrices_give_the_same():
    sparse = pytest.importorskip("scipy.sparse")
    Z = np.where(np.abs(X) > 0.5, X, 0)
    wanted = quick().fit(Z, Y)
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        model = quick().fit(kind(Z), Y)
        assert all((a == b).all() for a, b in zip(model.coefs_, wanted.coefs_, strict=True))
        assert model.predict_proba(kind(Z)) == pytest.approx(wanted.predict_proba(Z), abs=1e-15)
    rows = np.eye(3, dtype=int)[Y]
    model = quick().fit(sparse.csr_matrix(Z), sparse.csr_matrix(rows))
    assert model.predict(Z).shape == (150, 3)


def test_data_frames():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = quick().fit(frame, NAMES)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert (model.predict(frame) == quick().fit(X, NAMES).predict(X)).all()
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        model.predict(frame[["b", "a", "c", "d"]])
    polars = pytest.importorskip("polars", reason="polars is one of several libraries of frames")
    assert (quick().fit(polars.DataFrame(frame), NAMES).predict(polars.DataFrame(frame)) == model.predict(frame)).all()


def test_pixels_are_read_as_they_are():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 30)).astype(np.uint8)
    y = pixels[:, 0] > 127
    a, b = quick(learning_rate_init=1e-5).fit(pixels, y), quick(learning_rate_init=1e-5).fit(pixels.astype(float), y)
    assert all((V == W).all() for V, W in zip(a.coefs_, b.coefs_, strict=True))
    assert a.coefs_[0].dtype == np.float64


# The tools


def test_pickle_clone_and_joblib(tmp_path):
    model = quick().fit(X, NAMES)
    joblib.dump(model, tmp_path / "model")
    for twin in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        assert (twin.predict_proba(X) == model.predict_proba(X)).all()
        assert (
            twin.partial_fit(X, NAMES).coefs_[0] == clone(model).fit(X, NAMES).partial_fit(X, NAMES).coefs_[0]
        ).all()
    assert clone(quick(solver=fb.AdamW(0.1), learning_rate=fb.schedules.Cosine(9))).solver == fb.AdamW(0.1)
    assert not hasattr(clone(model), "network_")


def test_searches_and_pipelines():
    pipe = make_pipeline(StandardScaler(), quick(learning_rate_init=0.05))
    assert cross_val_score(pipe, X, NAMES, cv=3).min() > 0.5
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 1e-2]}, n_jobs=2, cv=2).fit(X, NAMES)
    assert search.best_score_ > 0.5
    calibrated = CalibratedClassifierCV(quick(), cv=2).fit(X, NAMES)
    assert calibrated.predict_proba(X).shape == (150, 3)
    halving = HalvingRandomSearchCV(
        quick(), {"alpha": [1e-4, 1e-3, 1e-2]}, n_candidates=3, resource="max_iter", max_resources=12, cv=2
    )
    assert halving.set_params(random_state=0).fit(X, Y).best_params_["alpha"] in (1e-4, 1e-3, 1e-2)


def test_hidden_features():
    features = make_pipeline(quick(hidden_layer_sizes=(8, 5)), LogisticUnit()).set_output(transform="pandas")
    features.fit(X, NAMES)
    hidden = features[0].transform(X)
    assert list(hidden.columns) == [f"mlpclassifier{i}" for i in range(5)]
    a = np.maximum(X @ features[0].coefs_[0] + features[0].intercepts_[0], 0)
    assert hidden.to_numpy() == pytest.approx(np.maximum(a @ features[0].coefs_[1] + features[0].intercepts_[1], 0))
    assert features.score(X, NAMES) > 0.3


def test_coefs_can_be_set_and_changed():
    for model in (quick().fit(X, Y), theirs.MLPClassifier((8,), max_iter=20, random_state=0).fit(X, Y)):
        before = model.predict_proba(X)
        model.coefs_[0][:] = 0
        between = model.predict_proba(X)
        assert np.ptp(between, axis=0).max() < 1e-15
        model.coefs_ = [np.zeros((4, 8)), np.zeros((8, 3))]
        model.intercepts_ = [np.zeros(8), np.array([0.0, 0, 9])]
        assert (model.predict(X) == 2).all()
        assert not np.allclose(before, between)
    model = quick(warm_start=True, max_iter=1, solver="sgd").fit(X, Y)
    model.coefs_, model.intercepts_ = [np.zeros((4, 8)), np.zeros((8, 3))], [np.zeros(8), np.zeros(3)]
    assert model.fit(X, Y).loss_ == pytest.approx(np.log(3), rel=1e-6)
    model.coefs_ = [np.zeros((4, 7)), np.zeros((8, 3))]
    with pytest.raises(ValueError, match=r"weights\[0\] must have shape \(4, 8\), got \(4, 7\)"):
        model.predict(X)
    model.coefs_ = model.coefs_[:1]
    with pytest.raises(ValueError, match="weights must be 2 arrays, one a layer; got 1"):
        model.predict(X)
    model.intercepts_ = [np.zeros(7), np.zeros(3)]
    model.coefs_ = [np.zeros((4, 7)), np.zeros((7, 3))]  # a unit has been taken away
    assert model.predict_proba(X) == pytest.approx(np.full((150, 3), 1 / 3))
    assert model.network_.sizes == (4, 7, 3)


def test_an_unfitted_estimator():
    with pytest.raises(NotFittedError):
        quick().predict(X)
    for name in ("coefs_", "n_layers_", "n_outputs_"):
        assert not hasattr(quick(), name)
    assert hasattr(quick(), "partial_fit")
    assert not hasattr(quick(solver="lbfgs"), "partial_fit")
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")


# The errors and warnings of scikit-learn, with its words


@pytest.mark.parametrize(
    ("options", "X", "y"),
    [
        ({"alpha": -1}, X, Y),
        ({"batch_size": 0}, X, Y),
        ({"solver": "newton"}, X, Y),
        ({"learning_rate": "falling"}, X, Y),
        ({"max_iter": 0}, X, Y),
        ({"early_stopping": "yes"}, X, Y),
        ({"validation_fraction": 1.0}, X, Y),
        ({"hidden_layer_sizes": (5, 0)}, X, Y),
        ({}, X[:, 0], Y),
        ({}, np.full_like(X, np.nan), Y),
        ({}, X, Y[:-1]),
        ({}, X, np.linspace(0, 1, 150)),
        ({}, X.astype(complex), Y),
        ({}, np.array([["a"] * 4] * 150), Y),
        ({"early_stopping": True, "validation_fraction": 0.1}, X[48:56], Y[48:56]),
        ({}, X, None),
    ],
)
def test_errors_of_scikit_learn(options, X, y):
    found = []
    for kind in (theirs.MLPClassifier, MLPClassifier):
        with pytest.raises((ValueError, TypeError)) as caught:
            kind(**options).fit(X, y)
        found.append((type(caught.value), str(caught.value)))
    assert found[0][0] is found[1][0]
    words = [text.partition("among {")[0].partition(" or an instance")[0] for _, text in found]
    assert words[0] == words[1] or options.keys() & {"solver", "learning_rate"}


def test_errors_of_later_calls():
    found = []
    for kind in (theirs.MLPClassifier, MLPClassifier):
        calls = [
            lambda kind=kind: kind().partial_fit(X, Y),
            lambda kind=kind: kind(max_iter=1).fit(X, Y).predict(X[:, :2]),
            lambda kind=kind: kind().partial_fit(X, Y, classes=[0, 1]),
            lambda kind=kind: kind(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2]),
            lambda kind=kind: kind(max_iter=1, warm_start=True).fit(X, Y).fit(X, Y * 2),
            lambda kind=kind: kind(solver="lbfgs").partial_fit,
            lambda kind=kind: kind(solver="sgd", learning_rate_init=1e100, activation="identity").fit(1e100 * X, Y),
        ]
        for call in calls:
            with pytest.raises((ValueError, AttributeError)) as caught, np.errstate(all="ignore"):
                call()
            found.append((type(caught.value), str(caught.value)))
    half = len(found) // 2
    assert found[:half] == found[half:]


def test_warnings_of_scikit_learn():
    for options in ({"max_iter": 2}, {"batch_size": 200}, {"solver": "lbfgs", "max_iter": 2}):
        found = []
        for kind in (theirs.MLPClassifier, MLPClassifier):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                kind(random_state=0, **options).fit(X, Y)
            found.append([(w.category, str(w.message).partition("\n")[0]) for w in caught])
        assert found[0] == found[1]
        assert found[0]


def test_ctrl_c_keeps_what_was_learnt():
    class Interrupted(fb.schedules.Schedule):
        def factor(self, x, scores):
            if np.max(x) == 3:
                raise KeyboardInterrupt
            return 1.0

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = quick(max_iter=50, learning_rate=Interrupted()).fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.predict(X).shape == (150,)


def test_warnings_name_the_line_of_the_user():
    for call in (lambda: quick(max_iter=2).fit(X, Y), lambda: Perceptron(max_iter=1).fit(X, Y)):
        with pytest.warns(ConvergenceWarning) as caught:
            call()
        assert caught[0].filename == __file__


# What scikit-learn does not have


def test_class_weight_is_a_weight_for_each_sample():
    by_hand = quick().fit(X, NAMES, sample_weight=np.where(NAMES == "setosa", 5.0, 1.0))
    by_class = quick(class_weight={"setosa": 5}).fit(X, NAMES)
    assert (by_hand.coefs_[0] == by_class.coefs_[0]).all()
    some = np.r_[0:50, 50:60, 100:150]
    weights = np.array([110 / 150, 110 / 30, 110 / 150])[Y[some]]
    balanced = quick(class_weight="balanced").fit(X[some], NAMES[some])
    assert (balanced.coefs_[0] == quick().fit(X[some], NAMES[some], sample_weight=weights).coefs_[0]).all()
    with pytest.raises(ValueError, match="class_weight must not be 'balanced' for partial_fit"):
        quick(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    "options",
    [
        {"activation": ["gelu", fb.activations.LeakyReLU(0.1)], "hidden_layer_sizes": (8, 8)},
        {"solver": "adamw"},
        {"solver": "rmsprop"},
        {"solver": "rprop", "learning_rate_init": 0.01, "batch_size": 150},
        {"solver": "adagrad", "learning_rate_init": 0.1},
        {"solver": "adadelta", "learning_rate_init": 2.0},
        {"solver": fb.AdamW(0.02, weight_decay=0.1), "learning_rate": fb.schedules.Cosine(60)},
        {"dropout": 0.2, "learning_rate_init": 0.02},
        {"dtype": "float32"},
        {"dtype": np.float32, "n_threads": 1},
        {"loss": fb.losses.CrossEntropy(label_smoothing=0.1)},
    ],
    ids=str,
)
def test_options(options):
    model = quick(**{"learning_rate_init": 0.01, "max_iter": 60, "hidden_layer_sizes": (16,), **options}).fit(X, NAMES)
    assert model.score(X, NAMES) > 0.85
    assert model.coefs_[0].dtype == np.dtype(options.get("dtype", np.float64))
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(np.ones(150), abs=1e-6)
    again = clone(model).fit(X, NAMES)
    assert all((V == W).all() for V, W in zip(model.coefs_, again.coefs_, strict=True))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "multiclass_hinge", "multiclass_perceptron"])
@pytest.mark.parametrize("y", [Y, Y == 0], ids=["three", "two"])
def test_losses_without_probabilities(loss, y):
    model = quick(loss=loss, learning_rate_init=0.02, max_iter=60).fit(X, y)
    assert model.score(X, y) > 0.9
    assert not hasattr(model, "predict_proba")
    z = model.decision_function(X)
    chosen = z.argmax(axis=1) if z.ndim == 2 else (z >= 0).astype(int)
    assert (model.classes_[chosen] == model.predict(X)).all()
    assert not hasattr(quick(), "decision_function")


@pytest.mark.parametrize("loss", ["huber", "absolute_error", fb.losses.Quantile(0.5), "log_cosh"])
def test_losses_for_numbers(loss):
    y = X[:, 0] + 0.1 * X[:, 1]
    model = MLPRegressor(loss=loss, learning_rate_init=0.02, max_iter=60, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    with pytest.raises(ValueError, match="y must be numbers for MLPRegressor, got dtype <U1"):
        MLPRegressor().fit(X, ["a"] * 150)
    with pytest.raises(ValueError, match=r"loss must be one for numbers, got 'cross_entropy', which is for classes"):
        MLPRegressor(loss="cross_entropy").fit(X, y)


def test_samples_for_validation():
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    model = quick(max_iter=30, learning_rate_init=0.02).fit(X[train], NAMES[train], X_val=X[test], y_val=NAMES[test])
    assert len(model.validation_loss_curve_) == model.n_iter_ == 30
    p = model.predict_proba(X[test])[np.arange(75), Y[test]]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean(), rel=1e-9)
    assert model.validation_scores_ is None
    stopped = quick(max_iter=200, learning_rate_init=0.1, early_stopping=True, n_iter_no_change=3)
    stopped.fit(X[train], NAMES[train], X_val=X[test], y_val=NAMES[test])
    assert stopped.n_iter_ < 200
    assert stopped.score(X[test], NAMES[test]) == stopped.best_validation_score_ == max(stopped.validation_scores_)
    with pytest.raises(ValueError, match=r"X_val and y_val must be given together, got one of them\."):
        quick().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="X_val must be None for L-BFGS"):
        quick(solver="lbfgs").fit(X, Y, X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="`y` has classes not in"):
        quick().fit(X[:100], Y[:100], X_val=X, y_val=Y)


@pytest.mark.parametrize("scoring", ["f1_macro", "neg_log_loss", "loss", lambda model, X, y: model.score(X, y)])
def test_what_early_stopping_looks_at(scoring):
    model = quick(max_iter=200, learning_rate_init=0.05, early_stopping=True, scoring=scoring, n_iter_no_change=2)
    model.fit(X, NAMES)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    if scoring == "loss":
        assert model.validation_scores_ == [-value for value in model.validation_loss_curve_]


def test_callbacks_of_scikit_learn():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = quick(max_iter=5).set_callbacks(monitor).fit(X, NAMES)
    assert len(monitor.get_logs().data) >= model.n_iter_ == 5

    class Stop:
        seen: list

        def setup(self, estimator, context):
            self.seen = ["setup"]

        def teardown(self, estimator, context):
            self.seen.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
            self.seen.append(("begin", context.task_name, X.shape, y[0]))

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.seen.append(("end", context.task_name, fitted_estimator.predict_proba(X).shape))
            return len(self.seen) > 6

    stop = Stop()
    model = quick(max_iter=50).set_callbacks(stop).fit(X, NAMES)
    assert model.n_iter_ == 3
    assert stop.seen[0] == "setup"
    assert stop.seen[-1] == "teardown"
    assert stop.seen[1:4] == [
        ("begin", "fit", (150, 4), "setosa"),
        ("begin", "epoch", (150, 4), "setosa"),
        ("end", "epoch", (150, 3)),
    ]
