"""Networks of scikit-learn become networks of fastbp, and the other way round."""

import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.exceptions import ConvergenceWarning

import fastbp as fb
from fastbp import sklearn as ours

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
TARGETS = {
    "two": X[:, 0] > 0,
    "three": np.array(["a", "b", "c"])[np.digitize(X[:, 1], [-0.5, 0.5])],
    "labels": (X[:, :3] > 0).astype(int),
}


def fitted(module, name, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return getattr(module, name)((6, 5), max_iter=5, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("module", [theirs, ours])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("y", TARGETS)
def test_classifiers(y, activation, module):
    model = fitted(module, "MLPClassifier", TARGETS[y], activation=activation)
    net = fb.interop.from_sklearn(model)
    p = model.predict_proba(X)
    a = net.predict(X).reshape(60, -1)
    assert a == pytest.approx(p[:, 1:] if y == "two" else p, rel=1e-12)
    back = fb.interop.to_sklearn(net, None if y == "labels" else model.classes_)
    assert type(back) is theirs.MLPClassifier
    assert back.predict_proba(X) == pytest.approx(p, rel=1e-12)
    assert (back.predict(X) == model.predict(X)).all()
    assert (back.classes_ == model.classes_).all()
    back.partial_fit(X, TARGETS[y])
    assert len(back.loss_curve_) == 1


@pytest.mark.parametrize("module", [theirs, ours])
def test_regressors(module):
    for options, y in (({}, X[:, 0]), ({}, X[:, :2]), ({"loss": "poisson"}, X[:, 0] ** 2)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = module.MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0, **options).fit(X, y)
        net = fb.interop.from_sklearn(model)
        assert net.predict(X).reshape(model.predict(X).shape) == pytest.approx(model.predict(X), rel=1e-12)
        if not options:
            assert fb.interop.to_sklearn(net).predict(X) == pytest.approx(model.predict(X), rel=1e-12)


def test_shift_scale_and_layers_without_biases():
    net = fb.MLP(
        [4, 5, 3], output="softmax", shift=X.mean(0), scale=1 / X.std(0), bias=[False, True], dtype="float64", seed=0
    )
    assert fb.interop.to_sklearn(net).predict_proba(X) == pytest.approx(net.predict(X), rel=1e-12)
    both = fb.MLP([4, 5, 2], standardize=X, standardize_targets=X[:, :2] * 100 + 7, dtype="float64", seed=0)
    assert fb.interop.to_sklearn(both).predict(X) == pytest.approx(both.predict(X), rel=1e-12)
    single = fb.MLP([4, 1], output="sigmoid", seed=0)
    assert fb.interop.to_sklearn(single, ["no", "yes"]).predict_proba(X)[:, 1] == pytest.approx(
        single.predict(X).ravel(), rel=1e-5
    )


def test_a_copy_not_the_same():
    model = fitted(ours, "MLPClassifier", TARGETS["three"])
    model.coefs_[0][:] = 0
    net = fb.interop.from_sklearn(model)
    assert not net.weights[0].any()
    before = model.predict_proba(X)
    net.set_weights([W + 1 for W in net.weights], net.biases)
    assert (model.predict_proba(X) == before).all()


def test_what_does_not_fit():
    with pytest.raises(TypeError, match="estimator must be a fitted MLPClassifier or MLPRegressor, got MLPC"):
        fb.interop.from_sklearn(theirs.MLPClassifier())
    for net, message in [
        (
            fb.MLP([2, 3, 1], activation="gelu"),
            "network must have one of identity, sigmoid, tanh and relu in all hidden",
        ),
        (fb.MLP([2, 3, 3, 1], activation=["relu", "tanh"]), "for scikit-learn, got relu, tanh"),
        (fb.MLP([2, 3, 1], output="softplus"), "network must have the output identity, sigmoid or softmax"),
    ]:
        with pytest.raises(ValueError, match=message):
            fb.interop.to_sklearn(net)
    net = fb.MLP([2, 3], output="softmax")
    for classes in (["a", "b"], ["b", "a", "c"], ["a", "a", "b"]):
        with pytest.raises(ValueError, match="classes must be 3 different names in increasing order, got"):
            fb.interop.to_sklearn(net, classes)
    with pytest.raises(ValueError, match="classes must be None for a network with the output identity"):
        fb.interop.to_sklearn(fb.MLP([2, 3]), ["a"])
    with pytest.raises(ValueError, match="classes must be None for several sigmoid outputs"):
        fb.interop.to_sklearn(fb.MLP([2, 3], output="sigmoid"), ["a", "b", "c"])


# --- names ------------------------------------------------------------------------------------------------------------


def frame_and_targets(kind):
    pandas = pytest.importorskip("pandas", reason="needs data frames, and pandas is not installed")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    return frame, TARGETS["three"] if kind == "MLPClassifier" else X[:, 0]


@pytest.mark.parametrize("module", [theirs, ours])
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_names_of_columns_and_classes_stay(kind, module, tmp_path):
    """From an estimator to a network, its file, and another estimator. Columns in another order were silently wrong."""
    frame, y = frame_and_targets(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = getattr(module, kind)(hidden_layer_sizes=(6, 5), max_iter=5, random_state=0).fit(frame, y)
    net = fb.interop.from_sklearn(model)
    net.save(tmp_path / "net.safetensors")
    for each in (net, fb.load(tmp_path / "net.safetensors"), net[:], net.astype("float64")):
        assert each.columns == ("a", "b", "c", "d")
        assert each.classes == (("a", "b", "c") if kind == "MLPClassifier" else None)
        assert each.predict(frame[["d", "b", "a", "c"]]) == pytest.approx(net.predict(X), rel=1e-12)
    back = fb.interop.to_sklearn(net)
    assert back.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, wanted = back.predict(frame), model.predict(frame)
    assert (found == wanted).all() if kind == "MLPClassifier" else found == pytest.approx(wanted, rel=1e-12)


def test_the_network_of_an_estimator_has_the_names(tmp_path):
    frame, y = frame_and_targets("MLPClassifier")
    model = fitted(ours, "MLPClassifier", y)
    assert model.network_.columns is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, y)
    model.network_.save(tmp_path / "net.safetensors")
    twin = fb.load(tmp_path / "net.safetensors")
    assert twin.classes == ("a", "b", "c")
    assert (np.array(twin.classes)[twin.predict_classes(frame[["c", "d", "b", "a"]])] == model.predict(frame)).all()


def test_what_has_an_estimator_inside():
    """The message says how to get at it."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = theirs.MLPRegressor(hidden_layer_sizes=3, solver="lbfgs", max_iter=5000).fit(X, X[:, 0])
    pipe = make_pipeline(StandardScaler(), model)
    search = GridSearchCV(model, {}, cv=2)
    search.best_estimator_ = model
    for each, place in ((pipe, "estimator[-1]"), (search, "estimator.best_estimator_")):
        with pytest.raises(TypeError) as caught:
            fb.interop.from_sklearn(each)
        assert f"from_sklearn({place})" in str(caught.value)
    with pytest.raises(TypeError, match="call its method fit first"):
        fb.interop.from_sklearn(theirs.MLPRegressor())
