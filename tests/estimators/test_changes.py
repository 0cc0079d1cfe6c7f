"""What users change between two calls: parameters, weights, the network; and errors, after which nothing is lost."""

import copy
import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import fastbp as fb
from fastbp.sklearn import LogisticUnit, MLPClassifier, MLPRegressor, Perceptron

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture(autouse=True)
def _few_epochs_may_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "the (inputs|targets) have")
        yield


def quick(**options):
    return MLPClassifier(
        **{"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 0.01, "random_state": 0, **options}
    )


def test_looking_at_the_weights_during_training_changes_nothing():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

    class Look:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            return not np.isfinite(estimator.coefs_[0]).all()

    assert isinstance(Look(), callback.FitCallback)
    wanted = quick().fit(X, Y)
    for model in (quick().set_callbacks(Look()), quick(solver="lbfgs").set_callbacks(Look())):
        model.fit(X, Y)
        twin = wanted if model.solver == "adam" else quick(solver="lbfgs").fit(X, Y)
        assert all((a == b).all() for a, b in zip(model.coefs_, twin.coefs_, strict=True))

    def looking(model, X, y):
        return model.score(X, y) + 0 * model.coefs_[0].sum()

    options = {"early_stopping": True, "max_iter": 60}
    a, b = quick(**options).fit(X, Y), quick(scoring=looking, **options).fit(X, Y)
    assert a.validation_scores_ == b.validation_scores_


def test_the_network_and_the_weights_are_one_thing():
    model = quick().fit(X, Y)
    before = model.coefs_
    fb.Trainer(model.network_, loss="cross_entropy", optimizer=fb.Adam(0.05), seed=0).fit(X, Y, epochs=50)
    assert model.score(X, Y) == (model.network_.predict_classes(X) == Y).mean() > 0.9
    assert not (model.coefs_[0] == before[0]).all()
    model.coefs_ = [W * 0 for W in model.coefs_]
    assert not model.network_.weights[0].any()
    model.coefs_[1][0, 2] = 5
    assert model.network_.weights[1][0, 2] == 5


def test_a_copy_has_a_network_of_its_own():
    model = quick().fit(X, Y)
    before = model.predict_proba(X)
    for twin in (copy.copy(model), copy.deepcopy(model)):
        twin.coefs_ = [W * 0 for W in twin.coefs_]
        twin.predict(X)
        assert (model.predict_proba(X) == before).all()
        assert twin.partial_fit(X, Y).n_iter_ == 1


def test_a_changed_loss_changes_the_methods_at_the_next_fit():
    model = quick(loss="hinge").fit(X, Y == 1)
    model.set_params(loss="log_loss")
    assert not hasattr(model, "predict_proba")
    assert model.decision_function(X).shape == (150,)
    assert model.fit(X, Y == 1).predict_proba(X).sum(axis=1) == pytest.approx(np.ones(150))


@pytest.mark.parametrize("call", ["warm", "partial", "validation"])
def test_rows_after_labels_are_refused(call):
    rows = np.eye(3, dtype=int)[Y]
    calls = {
        "warm": lambda: quick(warm_start=True).fit(X, Y).fit(X, rows),
        "partial": lambda: quick().partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, rows),
        "validation": lambda: quick().fit(X, Y, X_val=X, y_val=rows),
    }
    with pytest.raises(ValueError, match="The object was not fitted with multilabel input"):
        calls[call]()


def test_changed_parameters_count_in_the_next_call():
    model = quick(warm_start=True).fit(X, Y)
    W = model.coefs_[0].copy()
    model.set_params(activation="tanh", dropout=0.2, max_iter=1, solver="sgd", learning_rate_init=1e-9).fit(X, Y)
    made = model.network_.architecture
    assert (made.activation, made.dropout) == (("tanh",), (0.0, 0.2))
    assert np.abs(model.coefs_[0] - W).max() < 1e-8
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must stay \[8\] while training continues, got \[9\]"):
        model.set_params(hidden_layer_sizes=9).fit(X, Y)
    regressor = MLPRegressor(random_state=0).partial_fit(X, X[:, 0])
    assert regressor.set_params(alpha=1e3).partial_fit(X, X[:, 0]).loss_ > 10
    unit = LogisticUnit(eta0=0.1).partial_fit(X, Y, classes=[0, 1, 2])
    before = unit.coef_.copy()
    assert np.abs(unit.set_params(eta0=1e-12).partial_fit(X, Y).coef_ - before).max() < 1e-8
    with pytest.raises(ValueError, match="fit_intercept and dtype must stay as they are while training continues"):
        unit.set_params(fit_intercept=False).partial_fit(X, Y)


def test_early_stopping_may_be_switched():
    model = quick(warm_start=True).fit(X, Y)
    model.set_params(early_stopping=True).fit(X, Y)
    assert len(model.validation_scores_) == model.n_iter_
    model.set_params(early_stopping=False).fit(X, Y)
    assert model.best_loss_ == min(model.loss_curve_[-model.n_iter_ :])


def test_weights_of_units_can_be_set_and_changed():
    unit = LogisticUnit(max_iter=3).fit(X, Y)
    unit.coef_[:] = 0
    unit.intercept_ = [0.0, 0.0, 9.0]
    assert (unit.predict(X) == 2).all()
    unit.coef_ = np.ones((3, 4))
    assert (unit.network_.weights[0] == 1).all()
    unit.coef_ = np.ones((2, 4))
    with pytest.raises(ValueError, match=r"weights\[0\] must have shape \(4, 3\), got \(4, 2\)"):
        unit.predict(X)


WRONG = {
    "validation": lambda m: m.fit(X, Y, X_val=X[:3, :2], y_val=Y[:3]),
    "weights": lambda m: m.fit(X, Y, -np.ones(150)),
    "columns": lambda m: m.fit(X[:, :2], Y, [1, 2]),
    "classes": lambda m: m.set_params(class_weight={0: 1, "seven": 2}).fit(X[:, :2], Y),
    "share": lambda m: m.set_params(early_stopping=True, validation_fraction=0.001).fit(X, Y),
    "search": lambda m: m.set_params(solver="lbfgs").fit(X, Y, X_val=X, y_val=Y),
    "new classes": lambda m: m.partial_fit(X, Y + 1),
    "divergence": lambda m: m.set_params(solver="sgd", learning_rate_init=1e100).fit(1e100 * X, Y),
    "divergence later": lambda m: m.set_params(warm_start=True, solver="sgd", learning_rate_init=1e200).fit(X, Y),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_loses_nothing(name):
    model = quick(activation="identity").fit(X, Y)
    before, curve = model.predict_proba(X), [*model.loss_curve_]
    with pytest.raises(ValueError), np.errstate(all="ignore"):  # noqa: PT011 - each has another message
        WRONG[name](model)
    assert (model.predict_proba(X) == before).all()
    assert model.loss_curve_ == curve
    assert model.n_features_in_ == 4
    unit = Perceptron().fit(X, Y == 0)
    with pytest.raises(ValueError, match="needs samples of at least 2 classes"):
        unit.fit(X[:, :2], np.ones(150))
    assert (unit.predict(X) == (Y == 0)).all()


def test_divergence_with_early_stopping_keeps_the_best():
    model = quick(early_stopping=True, solver="sgd", activation="identity", learning_rate_init=1e60, max_iter=50)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        with pytest.raises(
            ConvergenceWarning, match=r"Training has diverged in epoch \d+\. The network has the weights"
        ):
            model.fit(X, Y)


def test_scores_with_weights_and_names():
    pd = pytest.importorskip("pandas", reason="the names of columns come from frames")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    for scoring in ("accuracy", lambda model, X, y: model.score(X, y)):
        model = quick(early_stopping=True, class_weight="balanced", scoring=scoring)
        model.fit(frame, Y, sample_weight=np.ones(150))
        assert model.best_validation_score_ == max(model.validation_scores_)


def test_without_hidden_layers_the_features_are_the_inputs():
    sparse = pytest.importorskip("scipy.sparse")
    model = quick(hidden_layer_sizes=()).fit(X, Y)
    assert (model.transform(X) == X).all()
    assert (model.transform(sparse.csr_matrix(X)) == X).all()
    assert model.get_feature_names_out().tolist() == [f"mlpclassifier{i}" for i in range(4)]


def test_lbfgs_has_no_history_of_epochs():
    model = quick().fit(X, Y).set_params(solver="lbfgs", max_iter=2).fit(X, Y)
    for name in ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"):
        assert not hasattr(model, name)
    assert model.n_iter_ == 2


def test_ctrl_c_during_lbfgs_leaves_the_last_step(monkeypatch):
    optimize = pytest.importorskip("scipy.optimize")
    minimize, points = optimize.minimize, []

    def interrupted(function, *arguments, **options):
        def counted(x):
            points.append(x)
            if len(points) == 30:
                raise KeyboardInterrupt
            return function(x)

        return minimize(counted, *arguments, **options)

    monkeypatch.setattr(optimize, "minimize", interrupted)
    model = quick(solver="lbfgs", max_iter=200)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert 3 < model.n_iter_ < 30
    assert np.isfinite(model.predict_proba(X)).all()


WRONG_PARAMETERS = {
    "solver": (None, 3, "newton"),
    "alpha": (-1.0,),
    "learning_rate_init": (0.0, "x"),
    "activation": ("nothing", 3),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_PARAMETERS.items() for value in values]
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_parameters_that_become_wrong_are_refused_while_training_continues(kind, name, value):
    """scikit-learn checks the parameters of the first call of partial_fit alone."""
    model, options = kind(random_state=0), {} if kind is MLPRegressor else {"classes": [0, 1, 2]}
    model.partial_fit(X, Y, **options)
    twin = copy.deepcopy(model)
    kept = model.get_params()[name]
    for _ in range(2):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {kind.__name__} must be"):
            model.set_params(**{name: value}).partial_fit(X, Y)
    model.set_params(**{name: kept}).partial_fit(X, Y)
    twin.partial_fit(X, Y)
    assert all((a == b).all() for a, b in zip(model.coefs_, twin.coefs_, strict=True))
    with config_context(skip_parameter_validation=True):
        model.set_params(alpha="x")
        with pytest.raises(TypeError):
            model.partial_fit(X, Y)


@pytest.mark.parametrize("kind", [Perceptron, LogisticUnit])
def test_parameters_of_units_that_become_wrong(kind):
    model = kind().partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="The 'batch_size' parameter"):
        model.set_params(batch_size=0).partial_fit(X, Y)
    with pytest.raises(ValueError, match="The 'eta0' parameter"):
        model.set_params(batch_size=1, eta0=-1).partial_fit(X, Y)
