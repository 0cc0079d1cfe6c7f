"""Situations that users have met: nothing goes wrong in silence, and each message says what to do."""

import copy
import datetime
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import run
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastbp as fb
from fastbp.sklearn import Adaline, LogisticUnit, MLPClassifier, MLPRegressor, Perceptron

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"], object)[Y]
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
ALL = [MLPClassifier, MLPRegressor, Perceptron, Adaline, LogisticUnit]
CLASSIFIERS = [kind for kind in ALL if kind is not MLPRegressor]


@pytest.fixture(autouse=True)
def _few_epochs_may_not_converge():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Perceptron made", ConvergenceWarning)
        yield


def quick(kind=MLPClassifier, **options):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0, **options})


# --- each fit begins its own search -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", [True, False], ids=["early stopping", "loss"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_second_fit_begins_its_own_search(kind, stops):
    """The targets of the second call are harder, so its best score is worse than the best one of the first call."""
    model = quick(kind, warm_start=True, early_stopping=stops, max_iter=100, learning_rate_init=0.02)
    model.fit(X, Y)
    first, W, best = model.n_iter_, model.coefs_[0].copy(), (model.best_validation_score_, model.best_loss_)
    curve = len(model.loss_curve_)
    model.fit(X, np.random.default_rng(0).permutation(Y))
    assert model.n_iter_ > 11
    assert not np.array_equal(model.coefs_[0], W)
    assert (model.best_validation_score_, model.best_loss_) != best
    assert len(model.loss_curve_) == curve + model.n_iter_
    own = model.validation_scores_ if stops else model.loss_curve_
    pick = max if stops else min
    assert pick(own[first:]) == (model.best_validation_score_ if stops else model.best_loss_)


def test_partial_fit_goes_on_with_the_search():
    model = quick(learning_rate_init=0.01).partial_fit(X, Y, classes=[0, 1, 2])
    best = model.best_loss_
    assert model.partial_fit(X, Y).best_loss_ < best
    assert model.partial_fit(100 * X, Y).best_loss_ == min(model.loss_curve_)
    assert model._no_improvement_count == 1


# --- samples that say nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, "r2"])
def test_constant_targets_of_validation(scoring):
    y = X[:, 0]
    model = quick(MLPRegressor, early_stopping=True, scoring=scoring, max_iter=60, learning_rate_init=0.02)
    with pytest.warns(UndefinedMetricWarning, match=r"R\^2 is not defined .* all 1\.0: early_stopping looks at the"):
        model.fit(X, y, X_val=X[:30], y_val=np.ones(30))
    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    with pytest.warns(UndefinedMetricWarning, match="R"):
        model.fit(X, y, X_val=X[:2], y_val=[1.0, 5.0], sample_weight_val=[1.0, 0.0])
    model.fit(X, y, X_val=X[:2], y_val=[1.0, 5.0])


@pytest.mark.parametrize("scoring", ["roc_auc", "roc_auc_ovr"])
def test_a_score_that_needs_more_classes_is_refused_before_training(scoring):
    model = quick(early_stopping=True, scoring=scoring)
    with pytest.raises(ValueError, match=f"scoring='{scoring}' does not have a value for the samples for validation"):
        model.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    assert not hasattr(model, "network_")
    with pytest.raises(ValueError, match=r"scoring='neg_log_loss' does not have a value.*predict_proba"):
        quick(early_stopping=True, scoring="neg_log_loss", loss="hinge").fit(X, Y)
    two = Y < 2
    quick(early_stopping=True, scoring="roc_auc").fit(X[two], Y[two])


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_trainer_refuses_auc_of_one_class_before_training(outputs):
    net = fb.MLP([4, outputs], output="sigmoid" if outputs == 1 else "softmax", seed=0)
    loss = "binary_cross_entropy" if outputs == 1 else "cross_entropy"
    trainer = fb.Trainer(net, loss=loss, metrics=["f1", "auc"], seed=0)
    theta = net.theta
    with pytest.raises(ValueError, match="auc needs samples of the class of each output and samples of other classes"):
        trainer.fit(X[:100], Y[:100], validation_data=(X[:20], Y[:20]))
    assert (net.theta == theta).all()
    weights = (Y[30:70] == 0).astype(float)
    with pytest.raises(ValueError, match="auc needs samples"):
        trainer.fit(X[:100], Y[:100], validation_data=(X[30:70], Y[30:70], weights))
    assert trainer.fit(X[:100], Y[:100], validation_data=(X[30:70], Y[30:70])).epochs == 1


def test_samples_of_weight_0_are_not_in_the_validation():
    weights = np.tile([1.0, 1.0, 0.0], 50)
    used = weights > 0
    for kind, y in ((MLPClassifier, Y), (MLPClassifier, Y == 1), (MLPRegressor, X[:, 1])):
        a = quick(kind, early_stopping=True).fit(X, y, weights)
        b = quick(kind, early_stopping=True).fit(X[used], y[used], weights[used])
        assert a.validation_scores_ == b.validation_scores_
        assert all((V == W).all() for V, W in zip(a.coefs_, b.coefs_, strict=True))
    member = quick(early_stopping=True, learning_rate_init=0.05, max_iter=100, n_iter_no_change=30)
    assert BaggingClassifier(member, 3, random_state=0).fit(X, Y).score(X, Y) > 0.8


def test_training_that_makes_the_network_worse_says_so():
    options = {"solver": "sgd", "activation": "identity", "learning_rate_init": 0.3, "max_iter": 4}
    with pytest.warns(ConvergenceWarning, match=r"Training has diverged: the mean loss of samples was .* before it"):
        model = quick(MLPRegressor, **options).fit(X, Y)
    assert model.score(X, Y) < -1e3
    options["learning_rate_init"] = 0.01
    model = quick(MLPRegressor, warm_start=True, **options).fit(X, Y)
    model.set_params(learning_rate_init=0.3)
    with pytest.warns(ConvergenceWarning, match="Training has diverged"):
        model.fit(X, Y)


def test_the_score_of_a_diverged_validation_is_nan():
    model = quick(MLPRegressor, early_stopping=True, solver="sgd", activation="identity", learning_rate_init=1.0)
    for scoring in (None, "r2", "loss"):
        with pytest.warns(ConvergenceWarning, match=r"Training has diverged in epoch \d+"):
            model.set_params(scoring=scoring).fit(X, Y)
        assert np.isnan(model.validation_scores_[-1])
        assert np.isfinite(model.best_validation_score_)


def test_accuracy_of_few_positives():
    y = np.arange(150) % 15 == 0
    with pytest.warns(UserWarning, match=r"93% of the validation samples are of class False.*use scoring='loss'"):
        quick(early_stopping=True).fit(X, y)
    for options in ({"scoring": "loss"}, {"scoring": "balanced_accuracy"}, {"early_stopping": False}):
        quick(**{"early_stopping": True, **options}).fit(X, y)
    quick(early_stopping=True).fit(X, Y)


@pytest.mark.parametrize(("kind", "columns"), [(MLPClassifier, "19.*23"), (LogisticUnit, "19.*23")])
def test_scales_with_which_training_fails(kind, columns):
    samples, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(
        UserWarning, match=f"column {columns}.*make_pipeline\\(StandardScaler\\(\\), estimator\\)"
    ) as seen:
        kind(max_iter=2).fit(samples, y)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="column 'c19'"):
        kind(max_iter=2).fit(pd.DataFrame(samples).add_prefix("c"), y)
    kind(max_iter=2).fit(StandardScaler().fit_transform(samples), y)
    with pytest.warns(UserWarning, match=r"targets have a mean of 1.*TransformedTargetRegressor"):
        quick(MLPRegressor).fit(X, 1000.0 + Y)


# --- masked values, dates, labels -------------------------------------------------------------------------------------


MASKED = np.ma.masked_greater(X, 2.0)


@pytest.mark.parametrize("kind", ALL)
def test_masked_values_are_refused(kind):
    made = kind(max_iter=2)
    for given in (MASKED, [*MASKED], MASKED.tolist()):
        with pytest.raises((TypeError, ValueError), match=r"mask|NaN|None"):
            made.fit(given, Y)
    with pytest.raises(TypeError, match=r"got a masked array in which X\[14, 1\] is masked; fill or drop"):
        made.fit(MASKED, Y)
    with pytest.raises(TypeError, match=r"y\[50\] is masked"):
        made.fit(X, np.ma.masked_equal(Y, 1))
    made.fit(np.ma.array(X), np.ma.array(Y))
    assert (made.predict(np.ma.array(X)) == kind(**made.get_params()).fit(X, Y).predict(X)).all() or "MLP" in str(kind)
    with pytest.raises(TypeError, match=r"X\[14, 1\] is masked"):
        made.predict(MASKED)
    if "MLP" not in kind.__name__:
        return
    weights = np.ma.masked_equal(np.arange(150.0), 3)
    for call in (
        lambda: made.fit(X, Y, weights),
        lambda: made.partial_fit(X, Y, weights),
        lambda: made.fit(X, Y, X_val=X, y_val=Y, sample_weight_val=weights),
    ):
        with pytest.raises(TypeError, match=r"sample_weight\w*\[3\] is masked"):
            call()
    with pytest.raises(TypeError, match=r"X\[14, 1\] is masked"):
        made.fit(X, Y, X_val=MASKED, y_val=Y)


def test_masked_values_in_a_trainer():
    own = fb.Trainer(fb.MLP([4, 3], output="softmax", seed=0), loss="cross_entropy", seed=0)
    masked = {
        "X[14, 1]": lambda: own.fit(MASKED, Y),
        "X[14][1]": lambda: own.fit([*MASKED], Y),
        "X of block 1[14, 1]": lambda: own.fit([(X, Y), (MASKED, Y)], shuffle_buffer=10),
        "X of block 0[14][1]": lambda: own.fit([([*MASKED], Y)]),
        "y of block 0[0]": lambda: own.fit([(X, np.ma.masked_equal(Y, 0))]),
        "sample_weight of block 0[3]": lambda: own.fit([(X, Y, np.ma.masked_equal(np.arange(150.0), 3))]),
        "sample_weight[3]": lambda: own.partial_fit(X, Y, sample_weight=np.ma.masked_equal(np.arange(150.0), 3)),
        "validation_data[0][14, 1]": lambda: own.fit(X, Y, validation_data=(MASKED, Y)),
    }
    for place, call in masked.items():
        with pytest.raises(TypeError) as caught:
            call()
        assert f"{place} is masked" in str(caught.value)
    plain = fb.Trainer(fb.MLP([4, 3], output="softmax", seed=0), loss="cross_entropy", seed=0)
    plain.fit(X, Y, sample_weight=np.ones(150))
    fresh = fb.Trainer(fb.MLP([4, 3], output="softmax", seed=0), loss="cross_entropy", seed=0)
    fresh.fit(np.ma.array(X), np.ma.array(Y), sample_weight=np.ma.ones(150))
    assert (plain.network.theta == fresh.network.theta).all()
    assert (fresh.network.predict(np.ma.array(X)) == fresh.network.predict([*np.ma.array(X)])).all()


DAYS = pd.date_range("2020-01-01", periods=150)
DATES = {
    "datetime64": DAYS, "timedelta64": DAYS - DAYS[0], "period": DAYS.to_period("D"), "date": [*DAYS.date],
    "Timestamp": pd.Series([*DAYS], dtype=object), "datetime64[us, UTC]": DAYS.as_unit("us").tz_localize("UTC"),
    "time": [datetime.time(3)] * 150,
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
def test_dates_are_refused(kind):
    made = kind(max_iter=2)
    for name, dates in DATES.items():
        with pytest.raises(TypeError) as caught:
            made.fit(FRAME.assign(when=dates), Y)
        assert f"X['when'] must be numbers, got {name}" in str(caught.value)
        assert "days since the first one" in str(caught.value)
    for given in (DAYS.to_numpy()[:, None], [[day] for day in DAYS], DAYS.to_numpy()[:, None].astype(object)):
        with pytest.raises(TypeError, match=r"X must be numbers, got .*, which is a date or a time"):
            made.fit(given, Y)
    made.fit(FRAME, Y)
    with pytest.raises(TypeError, match=r"X\['d'\] must be numbers"):
        made.predict(FRAME.assign(d=DAYS))
    if kind is MLPRegressor:
        with pytest.raises(TypeError, match="y must be numbers, got datetime64"):
            made.fit(X, DAYS)


@pytest.mark.parametrize("kind", ALL)
def test_dates_of_polars(kind):
    polars = pytest.importorskip("polars", reason="polars is one of several libraries of frames")
    days = polars.Series("when", [*DAYS.date])
    moments = days.cast(polars.Datetime)
    for dates, name in ((days, "Date"), (moments, "Datetime"), (moments - moments[0], "Duration")):
        frame = polars.DataFrame(dict(FRAME)).with_columns(dates.alias("when"))
        with pytest.raises(TypeError, match=rf"X\['when'\] must be numbers, got {name}"):
            kind(max_iter=2).fit(frame, Y)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(
    "make", [np.asarray, list, lambda y: pd.Series(y, dtype=object)], ids=["array", "list", "series"]
)
def test_labels_that_are_missing_or_of_two_kinds(kind, make):
    for nothing in (None, pd.NA, pd.NaT, float("nan")):
        y = NAMES.copy()
        y[7] = nothing
        with pytest.raises(ValueError, match=rf"y\[7\] is {nothing}: each sample must have a label"):
            kind(max_iter=1).fit(X, make(y))
    y[7] = 3
    with pytest.raises(ValueError, match="y must have labels of one type, got int and str"):
        kind(max_iter=1).fit(X, make(y))
    with pytest.raises(ValueError, match=r"classes must have labels of one type, got int and str"):
        kind().partial_fit(X, NAMES, classes=make(np.array([*np.unique(NAMES), 3], object)))


# --- parameters and messages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [[8.0], np.array(8), [[8, 4]], True, [True], "8", 8.5, None], ids=repr)
def test_sizes_of_hidden_layers(given):
    with pytest.raises((ValueError, TypeError)) as caught:
        quick(hidden_layer_sizes=given).fit(X, Y)
    assert "hidden_layer_sizes must be an integer, or a sequence with an integer for each" in str(caught.value)
    assert f"got {given!r}" in str(caught.value)
    assert quick(hidden_layer_sizes=np.array([8, 4])).fit(X, Y).network_.sizes == (4, 8, 4, 3)


def test_other_names_stand_for_names():
    assert quick(activation="swish").fit(X, Y).network_.architecture.activation == ("silu",)
    a, b = (quick(MLPRegressor, loss=loss).fit(X, Y) for loss in ("mse", "mean_squared_error"))
    assert (a.coefs_[0] == b.coefs_[0]).all()
    with pytest.raises(ValueError, match="The 'activation' parameter of MLPClassifier must be"):
        quick(activation="swosh").fit(X, Y)


def test_several_labels():
    samples, rows = make_multilabel_classification(50, random_state=0)
    for weight in ("balanced", {0: 2.0}):
        with pytest.raises(ValueError, match=r"class_weight must be None for targets with several labels.*weigh the"):
            quick(class_weight=weight).fit(samples, rows)
        net = fb.MLP([20, 5], output="sigmoid", seed=0)
        with pytest.raises(ValueError, match="class_weight must be None for targets with several labels"):
            fb.Trainer(net, loss="binary_cross_entropy").fit(samples, rows, class_weight=weight)
    with pytest.raises(ValueError, match=r"y must have one class for each sample.*MultiOutputClassifier"):
        quick().fit(X, np.stack([Y, Y], axis=1))


def test_weights_of_classes_out_of_range():
    with pytest.raises(ValueError, match=r"class_weight\[0\] must be 0 or between 1e-30 and 1e\+30, got 1e\+40"):
        quick(class_weight={0: 1e40}).fit(X, Y)
    with pytest.raises(ValueError, match=r"sample_weight times class_weight must be .* got 1e\+20 to 1e\+40"):
        quick(class_weight={0: 1e20}).fit(X, Y, np.full(150, 1e20))
    trainer = fb.Trainer(fb.MLP([4, 3], output="softmax"), loss="cross_entropy")
    with pytest.raises(ValueError, match=r"class_weight\[0\] must be 0 or between"):
        trainer.fit(X, Y, class_weight={0: 1e-40})


def test_the_number_of_outputs_stays():
    model = quick(warm_start=True).fit(X, Y == 1)
    with pytest.raises(ValueError, match=r"the number of outputs must stay 1 .*, and loss='multiclass_hinge' needs 2"):
        model.set_params(loss="multiclass_hinge").fit(X, Y == 1)
    for first, second in ((Y, X[:, :2]), (X[:, :2], Y), (X[:, :2], X[:, :3])):
        model = quick(MLPRegressor, warm_start=True).fit(X, first)
        for call in (model.fit, model.partial_fit, lambda X, y: model.fit(X, first, X_val=X, y_val=y)):  # noqa: B023
            with pytest.raises(ValueError, match=r"y must have . targets for each sample, as in the first call, got"):
                call(X, second)


def test_samples_for_validation_in_a_pipeline():
    raw = FRAME.assign(kind=NAMES)
    steps = [("encode", OneHotEncoder()), ("net", quick())]
    with pytest.raises(ValueError, match=r"X_val and y_val must be like X and y: could not convert.*transform_input="):
        Pipeline(steps).fit(raw[["kind"]], Y, net__X_val=NAMES[:, None], net__y_val=Y)
    with config_context(enable_metadata_routing=True):
        net = quick().set_fit_request(X_val=True, y_val=True)
        pipe = Pipeline([("encode", OneHotEncoder()), ("net", net)], transform_input=["X_val"])
        pipe.fit(raw[["kind"]], Y, X_val=raw[["kind"]], y_val=Y)
        assert len(pipe["net"].validation_loss_curve_) == pipe["net"].n_iter_


def test_warnings_are_about_the_line_of_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        calls = {
            ConvergenceWarning: [
                lambda: quick(solver="lbfgs", max_iter=2).fit(X, Y),
                lambda: cross_val_score(quick(max_iter=1), X, Y, cv=2),
                lambda: cross_val_score(quick(max_iter=1, solver="lbfgs"), X, Y, cv=2),
            ],
            DataConversionWarning: [
                lambda: quick().fit(X, Y[:, None]),
                lambda: quick(MLPRegressor).fit(X, Y[:, None]),
                lambda: Perceptron().fit(X, Y[:, None]),
            ],
        }
        for category, each in calls.items():
            for call in each:
                with pytest.warns(category) as caught:
                    call()
                assert {seen.filename for seen in caught} == {__file__}


# --- calls inside of calls, and in several threads --------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["fit", "partial_fit"])
def test_a_scorer_must_not_train(inner):
    model = quick(early_stopping=True, scoring=lambda model, X, y: getattr(model, inner)(X, y).score(X, y))
    with pytest.raises(RuntimeError, match=f"{inner} was called while the same estimator is training: a scorer or a"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")

    def enlarge(model, X, y):
        model.coefs_, model.intercepts_ = [np.ones((4, 5)), np.ones((5, 3))], [np.ones(5), np.ones(3)]
        return model.score(X, y)

    model = quick().fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(RuntimeError, match="the weights must keep their shapes during training"):
        model.set_params(early_stopping=True, scoring=enlarge, warm_start=True).fit(X, Y)
    assert (model.predict_proba(X) == before).all()


WRONG = {
    "columns": lambda model, train: train(X[:, :2], Y),
    "sizes": lambda model, train: train(X, Y),
    "labels": lambda model, train: train(X, Y + 7),
    "divergence": lambda model, train: model.set_params(hidden_layer_sizes=5, alpha=np.nan).partial_fit(X, Y),
    "loss": lambda model, train: model.set_params(hidden_layer_sizes=5, loss="poisson").partial_fit(X, Y - 1.0),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_refused_call_after_weights_of_another_size(name, how):
    model = quick(warm_start=True).fit(X, Y)
    model.coefs_, model.intercepts_ = [np.ones((4, 5)), np.ones((5, 3))], [np.ones(5), np.ones(3)]
    with pytest.raises(ValueError):  # noqa: PT011 - each has another message
        WRONG[name](model, getattr(model, how))
    assert model.network_.sizes == (4, 5, 3)
    assert [W.shape for W in model.coefs_] == [(4, 5), (5, 3)]
    assert all((W == 1).all() for W in model.coefs_)
    assert model.transform(X) == pytest.approx(np.maximum(X.sum(axis=1, keepdims=True) + 1, 0) @ np.ones((1, 5)))
    model.set_params(hidden_layer_sizes=5, loss="log_loss", alpha=1e-4).fit(X, Y)
    assert model.network_.sizes == (4, 5, 3)


def test_the_loss_and_the_optimizer_may_change_before_partial_fit():
    def after(**changed):
        model = quick(MLPRegressor).partial_fit(X, Y)
        return model.set_params(**changed).partial_fit(X, Y)

    W = after().coefs_[0]
    assert (after(loss="squared_error", learning_rate_init=0.001).coefs_[0] == W).all()
    changes = {"loss": "absolute_error", "learning_rate_init": 0.1, "beta_1": 0.5, "solver": "sgd", "alpha": 9.0}
    for name, value in changes.items():
        assert not (after(**{name: value}).coefs_[0] == W).all(), name
    assert (
        np.abs(after(learning_rate_init=1e-12).coefs_[0] - quick(MLPRegressor).partial_fit(X, Y).coefs_[0]).max() < 1e-9
    )
    first = quick(MLPRegressor, alpha=0).partial_fit(X, Y)
    error = np.abs(first.predict(X) - Y).mean()
    assert first.set_params(loss="absolute_error").partial_fit(X, Y).loss_ == pytest.approx(error)


def test_weights_that_are_set_before_the_first_call():
    """scikit-learn begins with them in `partial_fit` and with `warm_start`, and draws others in `fit`."""
    coefs, intercepts = [np.full((4, 8), 0.1), np.full((8, 3), 0.2)], [np.zeros(8), np.zeros(3)]
    for how in ("partial_fit", "warm"):
        model = quick(solver="sgd", learning_rate_init=1e-12, warm_start=how == "warm", max_iter=1)
        assert not hasattr(model, "coefs_")
        model.coefs_ = [0, 0]
        model.coefs_[0], model.coefs_[1] = coefs
        model.intercepts_ = intercepts
        twin = pickle.loads(pickle.dumps(model))
        for each in (model, twin, copy.deepcopy(twin)):
            each.fit(X, Y) if how == "warm" else each.partial_fit(X, Y, classes=[0, 1, 2])
            assert all(np.abs(V - W).max() < 1e-9 for V, W in zip(each.coefs_, coefs, strict=True))
    model = quick()
    model.coefs_, model.intercepts_ = coefs, intercepts
    assert (model.fit(X, Y).coefs_[0] == quick().fit(X, Y).coefs_[0]).all()
    model = quick()
    model.coefs_ = [np.ones((4, 3)), np.ones((3, 3))]
    with pytest.raises(ValueError, match=r"weights\[0\] must have shape \(4, 8\), got \(4, 3\)"):
        model.partial_fit(X, Y, classes=[0, 1, 2])


def test_units_begin_with_weights_that_are_0():
    for name in ("coef_", "intercept_"):
        with pytest.raises(AttributeError, match=f"this Perceptron has no {name} before it is fitted"):
            setattr(Perceptron(), name, np.ones((1, 4)))


THREADS = """
    import threading, warnings
    import numpy as np
    from fastbp.sklearn import {kind}
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = (X[:, 0] > 0).astype(int)
    model = {kind}({options})
    model.partial_fit(X, y, classes=[0, 1])
    steps, errors = [], []
    def train(seed):
        try:
            order = np.random.default_rng(seed)
            for _ in range(150):
                n = order.integers(1, 40)
                model.partial_fit(X[:n], y[:n])
                steps.append(1)
        except BaseException as error:
            errors.append(error)
    def look():
        try:
            while len(steps) < 450 and not errors:
                assert np.isfinite(model.predict_proba(X)).all()
                model.{weights}
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(3)] + [threading.Thread(target=look)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not errors, errors
    assert len(model.loss_curve_) == 451, len(model.loss_curve_)
    print(model.score(X, y) > 0.5)
"""


@pytest.mark.parametrize(
    ("kind", "options", "weights"),
    [("MLPClassifier", "hidden_layer_sizes=(64,)", "coefs_"), ("LogisticUnit", "", "coef_")],
)
def test_threads_take_turns(kind, options, weights):
    code = THREADS.format(kind=kind, options=options, weights=weights)
    assert run(code, timeout=120).stdout.strip() == "True"


def test_predictions_in_several_threads_keep_the_arrays_of_the_user():
    code = """
        import threading
        import numpy as np
        from fastbp.sklearn import MLPRegressor
        X = np.random.default_rng(0).normal(size=(50, 4))
        model = MLPRegressor(hidden_layer_sizes=(300,), random_state=0).partial_fit(X, X[:, 0])
        W, wrong = model.coefs_[0], []
        for k in range(100):
            W[:] = k
            def look():
                if not (model.network_.weights[0] == k).all():
                    wrong.append(k)
            threads = [threading.Thread(target=look) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            assert model.coefs_[0] is W, k
        print(wrong)
    """
    assert run(code, timeout=120).stdout.strip() == "[]"


def test_fewer_rows_need_no_other_plan(monkeypatch):
    """A call with one row, and then calls with up to 200, use the same memory, and give what single calls give."""
    from fastbp.engine import plan

    made, train = [], plan.train
    monkeypatch.setattr(plan, "train", lambda *arguments: made.append(arguments[1]) or train(*arguments))
    model = quick(batch_size="auto").partial_fit(X, Y, classes=[0, 1, 2])
    made.clear()
    for n in (1, 2, 1, 7, 30, 1):
        model.partial_fit(X[:n], Y[:n])
    assert made == []
    other = quick().partial_fit(X, Y, classes=[0, 1, 2])
    for n in (1, 2, 1, 7, 30, 1):
        twin = pickle.loads(pickle.dumps(other))  # it has no work that was made for more rows
        twin.partial_fit(X[:n], Y[:n])
        other = twin
    assert all((V == W).all() for V, W in zip(model.coefs_, other.coefs_, strict=True))
