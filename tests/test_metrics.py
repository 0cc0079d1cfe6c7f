"""Metrics beside scikit-learn and NumPy, in `evaluate` and in the history."""

from __future__ import annotations

import functools
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.metrics import METRICS, TopK

N = 60
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 5))
WEIGHTS = rng.uniform(0, 2, N)
WEIGHTS[::7] = 0
LABELS = rng.integers(0, 7, N)
BINARY = rng.integers(0, 2, N)
VALUES = rng.normal(3, 2, size=(N, 3))
MANY = rng.integers(0, 2, size=(N, 4))
KINDS = {  # name: (outputs, activation of the output, loss, targets)
    "labels": (7, "softmax", "cross_entropy", LABELS),
    "one-hot": (7, "softmax", "cross_entropy", np.eye(7)[LABELS]),
    "labels of values": (7, "identity", "squared_error", LABELS),
    "two labels": (2, "softmax", "cross_entropy", BINARY),
    "two one-hot": (2, "softmax", "cross_entropy", np.eye(2, dtype=np.uint8)[BINARY]),
    "binary (n,)": (1, "sigmoid", "binary_cross_entropy", BINARY),
    "binary (n, 1)": (1, "sigmoid", "binary_cross_entropy", BINARY[:, None].astype(float)),
    "bool (n,)": (1, "sigmoid", "binary_cross_entropy", BINARY.astype(bool)),
    "two at once": (2, "sigmoid", "binary_cross_entropy", MANY[:, 1:3]),
    "many at once": (4, "sigmoid", "binary_cross_entropy", MANY),
    "values (n,)": (1, "identity", "squared_error", VALUES[:, 0]),
    "values (n, 1)": (1, "identity", "squared_error", VALUES[:, :1]),
    "values (n, 3)": (3, "identity", "squared_error", VALUES),
}
CLASSES = [name for name in KINDS if "values" not in name and "at once" not in name]
SIGNS = {
    "signs (n,)": (1, "tanh", "hinge", 2 * BINARY - 1),
    "signs (n, 1)": (1, "tanh", "hinge", 2 * BINARY[:, None] - 1),
}
KINDS |= SIGNS
weighted = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])


def trainer(kind: str, metrics: list, **options) -> fb.Trainer:
    n_out, output, loss, _ = KINDS[kind]
    net = fb.MLP([5, 8, n_out], activation="tanh", output=output, dtype=np.float64, seed=2, **options)
    return fb.Trainer(net, loss=loss, optimizer=fb.SGD(0.1), metrics=metrics, seed=0)


def scored(kind: str, metric: object, weights: np.ndarray | None) -> tuple[float, np.ndarray, np.ndarray]:
    """What `evaluate` gives, with the targets as rows and the outputs."""
    own = trainer(kind, [metric])
    y = KINDS[kind][3]
    scores = own.evaluate(X, y, sample_weight=weights)
    name = metric if isinstance(metric, str) else metric.__name__
    a = own.network.predict(X)
    rows = np.eye(a.shape[1])[y] if y.ndim == 1 and a.shape[1] > 1 else y.reshape(a.shape).astype(float)
    return scores[name], rows, a


def labels_of(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 0] > 0.5).astype(int) if rows.shape[1] == 1 else rows.argmax(axis=1)


# --- each beside others -----------------------------------------------------------------------------------------------


@weighted
@pytest.mark.parametrize("kind", [*CLASSES, "labels of values"])
def test_accuracy(kind, weights):
    """It comes without being asked for too."""
    got, rows, a = scored(kind, "accuracy", weights)
    right = ((a[:, 0] >= 0.5) if a.shape[1] == 1 else a.argmax(axis=1)) == labels_of(rows)
    assert got == pytest.approx(np.average(right, weights=weights), rel=1e-12)
    assert 0 < got < 1
    assert trainer(kind, []).evaluate(X, KINDS[kind][3], sample_weight=weights)["accuracy"] == got


@weighted
@pytest.mark.parametrize("kind", KINDS)
def test_r2(kind, weights):
    sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    got, rows, a = scored(kind, "r2", weights)
    assert got == pytest.approx(sklearn.r2_score(rows, a, sample_weight=weights), rel=1e-12)


@weighted
@pytest.mark.parametrize("kind", KINDS)
def test_mae(kind, weights):
    sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    got, rows, a = scored(kind, "mae", weights)
    assert got == pytest.approx(sklearn.mean_absolute_error(rows, a, sample_weight=weights), rel=1e-12)


@weighted
@pytest.mark.parametrize("k", [1, 2, 5, 6])
@pytest.mark.parametrize("kind", ["labels", "one-hot", "labels of values"])
def test_top_k(kind, k, weights):
    sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    got, rows, a = scored(kind, TopK(k), weights)
    wanted = sklearn.top_k_accuracy_score(labels_of(rows), a, k=k, sample_weight=weights, labels=range(7))
    assert got == pytest.approx(wanted, rel=1e-12)
    assert 0 < got < 1


@weighted
@pytest.mark.parametrize("kind", ["labels", "one-hot"])
def test_top_5_by_its_name(kind, weights):
    assert scored(kind, "top_5_accuracy", weights)[0] == scored(kind, TopK(5), weights)[0]


@weighted
@pytest.mark.parametrize("kind", ["two labels", "two one-hot", "binary (n,)", "binary (n, 1)", "bool (n,)", *SIGNS])
def test_auc_of_two_classes(kind, weights):
    sklearn = pytest.importorskip("sklearn.metrics", reason="auc needs scikit-learn")
    got, _, a = scored(kind, "auc", weights)
    assert got == pytest.approx(sklearn.roc_auc_score(BINARY, a[:, -1], sample_weight=weights), rel=1e-12)
    assert got == pytest.approx(area(BINARY, a[:, -1], np.ones(N) if weights is None else weights), rel=1e-12)


def area(y: np.ndarray, a: np.ndarray, weights: np.ndarray) -> float:
    """The share of pairs, of a sample of each class, in which the second has more; half of those with the same."""
    more = (a[y == 1, None] > a[y == 0]) + 0.5 * (a[y == 1, None] == a[y == 0])
    pairs = weights[y == 1, None] * weights[y == 0]
    return float((more * pairs).sum() / pairs.sum())


@weighted
@pytest.mark.parametrize("kind", ["labels", "one-hot"])
def test_auc_of_many_classes(kind, weights):
    """One against the rest; classes count the same, however many samples they have."""
    sklearn = pytest.importorskip("sklearn.metrics", reason="auc needs scikit-learn")
    got, rows, a = scored(kind, "auc", weights)
    wanted = sklearn.roc_auc_score(labels_of(rows), a, multi_class="ovr", average="macro", sample_weight=weights)
    assert got == pytest.approx(wanted, rel=1e-12)


@weighted
@pytest.mark.parametrize("kind", ["two at once", "many at once"])
def test_auc_of_classes_that_do_not_exclude_each_other(kind, weights):
    """Each output has its own targets; the mean over the outputs."""
    sklearn = pytest.importorskip("sklearn.metrics", reason="auc needs scikit-learn")
    got, rows, a = scored(kind, "auc", weights)
    assert got == pytest.approx(sklearn.roc_auc_score(rows, a, average="macro", sample_weight=weights), rel=1e-12)


def test_auc_of_ties():
    pytest.importorskip("sklearn", reason="auc needs scikit-learn")
    y, a = rng.integers(0, 2, 200), rng.integers(0, 4, (200, 1)) / 4
    assert fb.metrics.auc(y, a) == pytest.approx(area(y, a[:, 0], np.ones(200)), rel=1e-12)


@pytest.mark.parametrize(
    ("y", "a", "missing"),
    [
        (np.zeros(4, int), np.ones((4, 1)), r"\[0\]"),
        (np.ones(4), np.ones((4, 1)), r"\[0\]"),
        (np.array([0, 2, 2, 0]), np.ones((4, 4)), r"\[1, 3\]"),
        (np.eye(3)[[0, 0, 1]], np.ones((3, 3)), r"\[2\]"),
    ],
)
def test_auc_without_a_class(y, a, missing):
    pytest.importorskip("sklearn", reason="auc needs scikit-learn")
    with pytest.raises(ValueError, match=f"auc needs samples of the class of each output .* {missing}"):
        fb.metrics.auc(y, a)


@pytest.mark.parametrize(("kind", "missing"), [("two labels", r"\[0, 1\]"), ("binary (n,)", r"\[0\]")])
def test_auc_of_a_class_without_weight(kind, missing):
    """Its samples count like none: NaN, or an area of the other classes alone, would look like a result."""
    pytest.importorskip("sklearn", reason="auc needs scikit-learn")
    own, weights = trainer(kind, ["auc"]), np.where(BINARY == 1, 0.0, WEIGHTS)
    with pytest.raises(ValueError, match=f"auc needs samples of the class of each output .* {missing}"):
        own.evaluate(X, BINARY, sample_weight=weights)


def test_auc_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match="sklearn"):
        trainer("two labels", ["auc"]).evaluate(X, BINARY)


# --- corners ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [False, True])
def test_ties(rows):
    """Of equal outputs the first counts: with k = 1 as for the accuracy, with k = n_out always."""
    y, a = rng.integers(0, 4, 300), rng.integers(0, 3, (300, 4)).astype(float)
    for k in range(1, 5):
        order = np.argsort(-a, axis=1, kind="stable")[:, :k]
        wanted = (order == y[:, None]).any(axis=1).mean()
        assert TopK(k)(np.eye(4)[y] if rows else y, a) == pytest.approx(wanted, rel=1e-12)
    assert TopK(1)(y, a) == (a.argmax(axis=1) == y).mean()
    assert TopK(4)(y, a) == TopK(9)(y, a) == 1


@weighted
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_ties_in_a_network(output, weights):
    """Outputs that are all equal, and some that are: as the compiled accuracy has it, too."""
    net = fb.MLP([1, 4], output=output, dtype=np.float64)
    y = np.arange(12) % 4
    for bias in ([0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 2, 2]):
        net.set_weights([np.zeros((1, 4))], [bias])
        own = fb.Trainer(net, loss="cross_entropy" if output == "softmax" else "squared_error", metrics=[TopK(1)])
        shares = None if weights is None else weights[:12]
        scores = own.evaluate(np.zeros((12, 1)), y, sample_weight=shares)
        wanted = np.average(y == np.argmax(bias), weights=shares)
        assert scores["accuracy"] == pytest.approx(wanted, rel=1e-12)
        assert scores["top_1_accuracy"] == pytest.approx(wanted, rel=1e-12)


@weighted
@pytest.mark.parametrize("kind", ["binary (n,)", "binary (n, 1)", "bool (n,)"])
def test_top_k_of_one_output(kind, weights):
    """Two classes: the first of them is the accuracy, and both together are all, as for scikit-learn."""
    own = trainer(kind, [TopK(1), TopK(2), "top_5_accuracy"])
    scores = own.evaluate(X, KINDS[kind][3], sample_weight=weights)
    assert scores["top_1_accuracy"] == pytest.approx(scores["accuracy"], rel=1e-12)
    assert scores["top_2_accuracy"] == pytest.approx(1, rel=1e-12)
    assert scores["top_5_accuracy"] == pytest.approx(1, rel=1e-12)


@weighted
@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, 1e9, -0.7])
def test_r2_of_targets_that_are_all_the_same(value, weights):
    """1 if they are met, else 0, whatever their mean is rounded to; other outputs are as ever."""
    y = np.full((N, 1), value)
    assert fb.metrics.r2(y, y.copy(), weights) == 1
    assert fb.metrics.r2(y, y + 1, weights) == 0
    both, a = np.hstack([y, VALUES]), np.hstack([y + 1, VALUES + X[:, :3]])
    assert fb.metrics.r2(both, a, weights) == pytest.approx(fb.metrics.r2(VALUES, a[:, 1:], weights) * 3 / 4)


def test_r2_of_large_targets():
    """In float64, though the outputs are float32 and the targets whole numbers."""
    y = np.array([250, 251, 252, 255], np.uint8)
    a = np.array([[249], [251], [252], [256]], np.float32)
    assert fb.metrics.r2(y, a) == pytest.approx(1 - 2 / 14)
    assert fb.metrics.mae(y, a) == 0.5


def test_weights_of_one_and_two():
    """2 is like the sample twice, 0 like none."""
    twice = rng.integers(0, 3, N)
    rows = np.repeat(np.arange(N), twice)
    for kind, metrics in (("labels", ["top_5_accuracy", TopK(2), "mae", "r2"]), ("values (n, 3)", ["r2", "mae"])):
        own, y = trainer(kind, metrics), KINDS[kind][3]
        assert own.evaluate(X, y, sample_weight=twice) == pytest.approx(own.evaluate(X[rows], y[rows]), rel=1e-10)


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ValueError, "k must be at least 1, got 0"),
        (2.0, TypeError, "k must be an integer, got 2.0"),
        ("5", TypeError, "k must be an integer, got '5'"),
    ],
)
def test_k(k, error, message):
    with pytest.raises(error, match=message):
        TopK(k)


def test_objects_are_equal_by_their_parameter():
    assert TopK(5) == TopK() == METRICS["top_5_accuracy"]
    assert TopK(2) != TopK(3)
    assert TopK(3).__name__ == "top_3_accuracy"


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_functions_see_targets_and_outputs(kind):
    """The targets as they are given; of one output with targets (n,), the outputs as such a vector too."""
    seen = []

    def mine(y: np.ndarray, a: np.ndarray) -> float:
        seen.append((y, a))
        return np.float32(0.25)

    own, given = trainer(kind, [mine]), KINDS[kind][3]
    score = own.evaluate(X, given, sample_weight=WEIGHTS)["mine"]
    assert score == 0.25
    assert type(score) is float
    [(y, a)] = seen
    assert y.shape == given.shape
    assert (y == given).all()
    wanted = own.network.predict(X)
    vector = given.ndim == 1 and wanted.shape[1] == 1
    assert a.shape == ((N,) if vector else wanted.shape)
    assert (a.reshape(wanted.shape) == wanted).all()


def test_functions_by_name():
    """`def`, lambda, an object with __call__, a partial function."""

    class Spread:
        def __call__(self, y: np.ndarray, a: np.ndarray) -> float:
            return float(a.max() - a.min())

    def power(y: np.ndarray, a: np.ndarray, p: int = 1) -> float:
        return float(np.mean(np.abs(y - a) ** p))

    metrics = [power, lambda y, a: 1.5, Spread(), functools.partial(power, p=3)]
    own = trainer("values (n,)", metrics)
    scores, a = own.evaluate(X, VALUES[:, 0]), own.network.predict(X)[:, 0]
    assert list(scores) == ["loss", "power", "<lambda>", "Spread", "partial"]
    assert scores["power"] == pytest.approx(np.abs(VALUES[:, 0] - a).mean())
    assert scores["partial"] == pytest.approx((np.abs(VALUES[:, 0] - a) ** 3).mean())
    assert scores["Spread"] == pytest.approx(np.ptp(a))


def test_functions_of_other_libraries():
    sklearn = pytest.importorskip("sklearn.metrics", reason="uses a function of scikit-learn")
    own = trainer("values (n, 3)", [sklearn.median_absolute_error])
    wanted = sklearn.median_absolute_error(VALUES, own.network.predict(X))
    assert own.evaluate(X, VALUES)["median_absolute_error"] == wanted


def test_an_error_in_a_function_comes_through():
    def broken(y: np.ndarray, a: np.ndarray) -> float:
        raise ZeroDivisionError("mine")

    own = trainer("labels", [broken])
    with pytest.raises(ZeroDivisionError, match="mine"):
        own.evaluate(X, LABELS)
    with pytest.raises(ZeroDivisionError, match="mine"):
        own.fit(X, LABELS, epochs=3, validation_data=(X, LABELS))
    assert own.history.epochs == 1  # which was learnt
    assert own.fit(X, LABELS).epochs == 2


# --- names ------------------------------------------------------------------------------------------------------------


def test_names():
    """In `evaluate` as they are, in the history for the validation alone."""

    def mine(y: np.ndarray, a: np.ndarray) -> float:
        return float((a.argmax(axis=1) == 0).mean())

    own = trainer("labels", ["r2", "top_5_accuracy", TopK(2), mine, "mae"])
    names = ["loss", "accuracy", "r2", "top_5_accuracy", "top_2_accuracy", "mine", "mae"]
    assert list(own.evaluate(X, LABELS)) == names
    history = own.fit(X, LABELS, epochs=2, validation_data=(X[:30], LABELS[:30], WEIGHTS[:30]))
    measured = ["loss", "accuracy", "learning_rate", "seconds"]
    assert list(history) == [*measured, *(f"validation_{name}" for name in names)]
    scores = own.evaluate(X[:30], LABELS[:30], sample_weight=WEIGHTS[:30])
    assert scores == {name: history[f"validation_{name}"][-1] for name in names}
    assert list(own.fit(X, LABELS)) == list(history)


def test_of_a_split():
    """The samples that are held out have the weights that they were given."""
    seen = []
    own = trainer("labels", [lambda y, a: seen.append(y) or len(y)])
    history = own.fit(X, LABELS, epochs=2, validation_split=0.25, sample_weight=WEIGHTS)
    assert history["validation_<lambda>"] == [15, 15]
    assert (seen[0] == seen[1]).all()


def test_accuracy_that_comes_anyway():
    own = trainer("labels", ["accuracy"])
    assert list(own.evaluate(X, LABELS)) == ["loss", "accuracy"]


@pytest.mark.parametrize("kind", ["values (n,)", "values (n, 3)"])
def test_accuracy_of_values(kind):
    own = trainer(kind, ["accuracy"])
    with pytest.raises(ValueError, match="metrics must not have 'accuracy' with squared_error"):
        own.evaluate(X, KINDS[kind][3])


def test_accuracy_of_values_is_refused_before_training():
    """As any argument that does not fit: nothing has been changed then."""
    own = trainer("values (n,)", ["accuracy"])
    before = own.network.weights[0]
    with pytest.raises(ValueError, match="metrics must not have 'accuracy' with squared_error"):
        own.fit(X, VALUES[:, 0], validation_data=(X, VALUES[:, 0]))
    assert own.history.epochs == 0
    assert (before == own.network.weights[0]).all()


def custom(name: str):
    """A function of that name."""

    def function(y: np.ndarray, a: np.ndarray) -> float:
        return 0.0

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ("r2", TypeError, "metrics must be a list of names and functions, got 'r2'"),
        (fb.metrics.r2, TypeError, "metrics must be a list of names and functions, got <function"),
        (3, TypeError, "metrics must be a list of names and functions, got 3"),
        (None, TypeError, "metrics must be a list of names and functions, got None"),
        ({"r2"}, TypeError, "metrics must be a list of names and functions, got {'r2'}"),
        (["r2", "f2"], ValueError, r"metrics\[1\] must be one of 'accuracy', 'objective', .*, got 'f2'"),
        ([3], ValueError, r"metrics\[0\] must be one of .*, got 3"),
        (["mae", "r2", "mae"], ValueError, "metrics must have different names, got 'mae' twice"),
        (["top_5_accuracy", TopK(5)], ValueError, "metrics must have different names, got 'top_5_accuracy' twice"),
        (["mae", fb.metrics.mae], ValueError, "metrics must have different names, got 'mae' twice"),
        ([custom("a"), custom("a")], ValueError, "metrics must have different names, got 'a' twice"),
    ],
)
def test_bad_lists(metrics, error, message):
    with pytest.raises(error, match=message):
        trainer("labels", metrics)


@pytest.mark.parametrize(("name", "kind"), [("loss", "labels"), ("accuracy", "labels"), ("accuracy", "values (n,)")])
def test_functions_do_not_replace_the_loss_or_the_accuracy(name, kind):
    """A function of such a name is refused."""
    with pytest.raises(ValueError, match=f"metrics.*'{name}'"):
        trainer(kind, [custom(name)])


def test_functions_of_the_package():
    """Given as functions, they see the weights too."""
    own, named = trainer("values (n, 3)", [fb.metrics.r2, fb.metrics.mae]), trainer("values (n, 3)", ["r2", "mae"])
    scores = own.evaluate(X, VALUES, sample_weight=WEIGHTS)
    assert scores == named.evaluate(X, VALUES, sample_weight=WEIGHTS)
    assert scores != own.evaluate(X, VALUES)


# --- of classes, probabilities and weights ----------------------------------------------------------------------------


def decided(kind: str, weights: np.ndarray | None, *metrics: object) -> tuple[dict, np.ndarray, np.ndarray]:
    """The scores, and the true and the predicted classes, of a network that has learnt a little."""
    own, y = trainer(kind, [*metrics]), KINDS[kind][3]
    own.fit(X, y, epochs=3)
    predicted = own.network.predict_classes(X)
    true = y if y.shape == predicted.shape else y.reshape(-1) if predicted.ndim == 1 and y.size == N else y.argmax(1)
    return (
        own.evaluate(X, y, sample_weight=weights),
        np.where(np.asarray(true, float) > 0, true, 0).astype(int),
        predicted,
    )


@weighted
@pytest.mark.parametrize("kind", [*CLASSES, *SIGNS, "two at once", "many at once", "labels of values"])
def test_f1_and_balanced_accuracy(kind, weights):
    sklearn = pytest.importorskip("sklearn.metrics")
    several = "at once" in kind
    names = ["f1"] if several else ["f1", "balanced_accuracy"]
    scores, true, predicted = decided(kind, weights, *names)
    average = "macro" if several or true.max() > 1 else "binary"
    wanted = sklearn.f1_score(true, predicted, average=average, sample_weight=weights, zero_division=0)
    assert scores["f1"] == pytest.approx(wanted, rel=1e-12)
    if not several:
        wanted = sklearn.balanced_accuracy_score(true, predicted, sample_weight=weights)
        assert scores["balanced_accuracy"] == pytest.approx(wanted, rel=1e-12)


@weighted
@pytest.mark.parametrize("kind", [*CLASSES, *SIGNS, "many at once"])
def test_functions_of_classes(kind, weights):
    """They get the predicted classes, and the weights if they want them."""
    sklearn, seen = pytest.importorskip("sklearn.metrics"), []

    def see(y: np.ndarray, predicted: np.ndarray) -> float:
        seen.append((y, predicted))
        return 0.5

    loss = fb.metrics.OfClasses(sklearn.zero_one_loss, weights=True)
    scores, true, predicted = decided(kind, weights, fb.metrics.OfClasses(see, name="mine"), loss)
    assert scores["mine"] == 0.5
    assert scores["zero_one_loss"] == pytest.approx(sklearn.zero_one_loss(true, predicted, sample_weight=weights))
    y, guess = seen[-1]
    assert y.dtype == guess.dtype == np.int64
    assert (y == true).all()
    assert (guess == predicted).all()
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 1


@weighted
def test_functions_of_probabilities(weights):
    """Logits become probabilities, of two classes, of several, and of outputs by themselves."""
    sklearn = pytest.importorskip("sklearn.metrics")
    metric = fb.metrics.OfProbabilities(sklearn.log_loss, name="nll", weights=True)
    for kind, n_out, y in ((fb.losses.CrossEntropy, 7, LABELS), (fb.losses.BinaryCrossEntropy, 1, BINARY)):
        own = fb.Trainer(fb.MLP([5, n_out], seed=0), loss=kind(from_logits=True), metrics=[metric], seed=0)
        scores = own.evaluate(X, y, sample_weight=weights)
        assert scores["nll"] == pytest.approx(scores["loss"], rel=1e-4)
    own = fb.Trainer(fb.MLP([5, 4], seed=0), loss=fb.losses.BinaryCrossEntropy(from_logits=True), seed=0)
    own.metrics = [fb.metrics.OfProbabilities(lambda y, p: p.max(), name="most")]
    assert 0 < own.evaluate(X, MANY)["most"] < 1


@weighted
def test_functions_that_want_weights(weights):
    sklearn = pytest.importorskip("sklearn.metrics")
    own = trainer("values (n,)", [fb.metrics.OfOutputs(sklearn.mean_squared_error, weights=True)])
    y = VALUES[:, 0]
    scores = own.evaluate(X, y, sample_weight=weights)
    assert scores["mean_squared_error"] == pytest.approx(2 * scores["loss"])


def test_metrics_of_classes_need_classes():
    own = trainer("values (n,)", ["f1"])
    with pytest.raises(ValueError, match="metrics must not have 'f1', which needs classes"):
        own.evaluate(X, VALUES[:, 0])
    own = trainer("many at once", ["balanced_accuracy"])
    with pytest.raises(ValueError, match=r"must not have .balanced_accuracy., which needs one class for each sample"):
        own.evaluate(X, MANY)


@pytest.mark.parametrize("options", [{"function": "f1"}, {"name": 3}, {"weights": 1}])
def test_wrong_wrappers(options):
    with pytest.raises(TypeError, match="must be"):
        fb.metrics.OfClasses(**{"function": max} | options)


def test_wrappers_are_functions_for_checkpoints(tmp_path):
    metric = fb.metrics.OfClasses(lambda y, p: 1.0, name="one")
    own = trainer("labels", ["f1", metric])
    own.fit(X, LABELS, callbacks=[fb.Checkpoint(tmp_path)])
    with pytest.raises(ValueError, match="metrics must be those of the checkpoint"):
        fb.Trainer.resume(tmp_path)
    assert fb.Trainer.resume(tmp_path, metrics=["f1", metric]).evaluate(X, LABELS)["one"] == 1


def test_f1_of_many_classes_of_which_two_occur():
    """The number of outputs says whether there are two classes, and not the labels that happen to occur."""
    assert fb.metrics.f1(np.array([0, 0]), np.array([[0.9, 0.05, 0.05]] * 2)) == 1.0
    y, a = np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 1, 1]]
    assert fb.metrics.f1(y, a) == pytest.approx((2 / 3 + 0.8) / 2)
    assert fb.metrics.f1(y, a[:, :2]) == pytest.approx(0.8)


def test_metrics_by_name_see_probabilities_of_logits():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    p, z = fb.MLP([3, 3], output="softmax", seed=0), fb.MLP([3, 3], seed=0)
    losses = "cross_entropy", fb.losses.CrossEntropy(from_logits=True)
    scores = [
        fb.Trainer(net, loss=loss, metrics=["mae", "r2"]).evaluate(X, y)
        for net, loss in zip((p, z), losses, strict=True)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
