"""Standardized inputs and targets: from any kind of data, kept and undone everywhere; and the warnings without them."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from helpers import MEGA, parameters, same
from scipy import sparse

import fastbp as fb
from fastbp.data.samples import SampleChecker

N = 400


def table(seed=0, n=N):
    """Inputs of very different scales, one of them constant, and targets far from 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1e-3, 1, 1e3, 1e5, 0] + [0, 5, 0, -1e6, 3]
    return X, 1000 + 50 * (X[:, 1] - 5) + 0.05 * X[:, 2]


def test_moments_of_columns():
    X, _ = table()
    net = fb.MLP([5, 1], standardize=X, dtype="float64", seed=0)
    assert net.shift == pytest.approx(X.mean(axis=0), rel=1e-12)
    assert net.scale == pytest.approx([*(1 / X.std(axis=0)[:4]), 1.0], rel=1e-9)
    assert same(fb.MLP([5, 1], seed=0).weights, fb.MLP([5, 1], standardize=X, seed=0).weights)


def test_far_means_and_many_blocks(monkeypatch):
    """No digits are lost where the mean is 1e8 times the deviation; the blocks change nothing but the rounding."""
    X = 1e8 + np.random.default_rng(0).normal(size=(5000, 3))
    net = fb.MLP([3, 1], dtype="float64", seed=0)
    for size in (1 << 20, 300, 1):
        monkeypatch.setattr("fastbp.data.arrays.BLOCK", size)
        net.standardize(X)
        assert 1 / net.scale == pytest.approx(X.std(axis=0), rel=1e-6)


@pytest.mark.parametrize("form", ["float32", "int64", "bool", "fortran", "list", "memmap", "frame", "uint8"])
def test_kinds_of_inputs(form, tmp_path):
    import pandas

    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if form == "bool" else 200, (90, 3))
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    given = {
        "float32": X.astype(np.float32), "int64": X, "bool": X.astype(bool), "fortran": np.asfortranarray(X, float),
        "list": X.tolist(), "memmap": np.load(tmp_path / "X.npy", "r"), "frame": pandas.DataFrame(X),
        "uint8": X.astype(np.uint8),
    }[form]  # fmt: skip
    net = fb.MLP([3, 1], standardize=given, seed=0)
    assert net.shift == pytest.approx(X.mean(axis=0), rel=1e-6)
    assert 1 / net.scale == pytest.approx(X.std(axis=0), rel=1e-6)


def test_weights_of_samples():
    """Weight 2 counts as two samples, and 0 as none."""
    X, y = table(n=30)
    w = np.arange(30) % 3
    one, other = (fb.MLP([5, 1], dtype="float64", seed=0) for _ in range(2))
    one.standardize(X, y, sample_weight=w)
    other.standardize(np.repeat(X, w, axis=0), np.repeat(y, w))
    for name in ("shift", "scale", "target_shift", "target_scale"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)


@pytest.mark.parametrize("weights", [None, np.arange(50) % 4])
def test_sparse_inputs_get_only_a_scale(weights):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 6)) * (rng.random((50, 6)) < 0.3) * [1, 10, 100, 1, 1, 0]
    nets = [fb.MLP([6, 1], dtype="float64", seed=0) for _ in range(2)]
    for net, given in zip(nets, (sparse.csr_matrix(X), X), strict=True):
        net.standardize(given, sample_weight=weights)
    assert not nets[0].shift.any()
    assert nets[0].scale == pytest.approx(nets[1].scale)
    fb.Trainer(nets[0], loss="squared_error", seed=0).fit(sparse.csr_matrix(X), X[:, 0])


def test_a_large_file_is_not_copied(tmp_path):
    import tracemalloc

    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (1_000_000, 20))
    X[::7] = 3
    tracemalloc.start()
    net = fb.MLP([20, 1], standardize=X, seed=0)
    assert tracemalloc.get_traced_memory()[1] < 40 * MEGA  # X has 80
    tracemalloc.stop()
    assert net.shift == pytest.approx(np.full(20, 3 / 7), rel=1e-3)


def test_steps_see_the_new_numbers():
    """Also those of a trainer, and predictions, that were planned before."""
    X, y = table()
    net, fresh = fb.MLP([5, 1], seed=0), fb.MLP([5, 1], standardize=X, standardize_targets=y, seed=0)
    own, twin = (fb.Trainer(n, loss="squared_error", shuffle=False, seed=0) for n in (net, fresh))
    weights, biases = net.weights, net.biases
    own.partial_fit(X / 1e6, y / 1e3)
    net.predict(X)
    net.set_weights(weights, biases)
    own.optimizer = fb.SGD(0.01)
    twin.optimizer = fb.SGD(0.01)
    net.standardize(X, y)
    own.fit(X, y, epochs=2)
    twin.fit(X, y, epochs=2)
    assert same(net.weights, fresh.weights)
    assert (net.predict(X) == fresh.predict(X)).all()


def regression(**options):
    X, y = table()
    net = fb.MLP([5, 8, 1], standardize=X, standardize_targets=y, seed=0, **options)
    return fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), metrics=["r2", "mae"], seed=0), X, y


def test_predictions_have_the_unit_of_the_targets():
    """The loss has not; it is that of a trainer with targets that are standardized by hand, to the bit."""
    own, X, y = regression(dtype="float64")
    net = own.network
    history = own.fit(X, y, epochs=30, validation_split=0.2)
    assert history["validation_r2"][-1] > 0.97
    assert history["loss"][-1] < 0.1
    assert abs(net.predict(X).ravel() - y).mean() == pytest.approx(own.evaluate(X, y)["mae"])
    twin = fb.Trainer(
        fb.MLP([5, 8, 1], standardize=X, dtype="float64", seed=0), loss="squared_error", optimizer=fb.Adam(0.01), seed=0
    )
    by_hand = (y - net.target_shift) / net.target_scale
    assert twin.fit(X, by_hand, epochs=30, validation_split=0.2)["loss"] == history["loss"]
    assert same(parameters(twin), parameters(own))
    assert net.predict(X) == pytest.approx(twin.network.predict(X) * net.target_scale + net.target_shift)
    assert (net.transform(X, -1) == twin.network.outputs(X)).all()
    assert own.evaluate(X, y)["loss"] == twin.evaluate(X, by_hand)["loss"]
    assert net.gradients(X, y, loss="squared_error")[0] == pytest.approx(own.evaluate(X, y)["loss"])


def test_gradients_from_outside_are_of_predictions():
    """dC/dW with C = sum g_i predict_i, and the Jacobian of predictions, against differences."""
    own, X, y = regression(dtype="float64")
    net, X = own.network, X[:3]
    _, _, dX = net.backward(X, np.ones(3))
    J = net.jacobian(X)
    for j in range(4):
        h = 1e-4 / net.scale[j]
        step = np.zeros(5)
        step[j] = h
        slope = (net.predict(X + step) - net.predict(X - step)) / (2 * h)
        assert J[:, 0, j] == pytest.approx(slope[:, 0], rel=1e-5)
        assert dX[:, j] == pytest.approx(slope[:, 0], rel=1e-5)
    assert max(max(layer) for layer in fb.check_gradients(net, X, y[:3], "squared_error")) < 1e-6


def test_everything_keeps_them(tmp_path):
    own, X, y = regression()
    own.fit(X, y, epochs=2, callbacks=[fb.Checkpoint(tmp_path / "run")])
    own.network.save(tmp_path / "m")
    twins = [fb.load(tmp_path / "m"), copy.deepcopy(own.network), pickle.loads(pickle.dumps(own.network))]
    twins += [fb.Trainer.resume(tmp_path / "run").network, own.network.astype("float64").astype("float32")]
    for twin in twins:
        assert (twin.predict(X) == own.network.predict(X)).all()
        assert (twin.target_scale == own.network.target_scale).all()
    own.average = fb.EMA(0.9)
    own.fit(X, y)
    assert abs(own.averaged.predict(X).mean() - 1000) < 100
    assert (fb.Ensemble([own]).predict(X) == own.averaged.predict(X)).all()


def test_a_resumed_training_has_the_same_bits(tmp_path):
    own, X, y = regression()
    own.fit(X, y, epochs=4)
    cut, _, _ = regression()
    stop = fb.callbacks.Lambda(batch_end=lambda state: setattr(state, "stop", state.step == 20))
    cut.fit(X, y, epochs=4, callbacks=[fb.Checkpoint(tmp_path, every=10, per="step"), stop])
    twin = fb.Trainer.resume(tmp_path)
    twin.state.position.stop = False
    twin.fit(X, y, epochs=4, callbacks=[fb.Checkpoint(tmp_path)])
    assert same(parameters(own), parameters(twin))


def test_blocks_and_steps_have_the_unit_of_the_targets():
    own, X, y = regression()
    own.fit([(X[:200], y[:200]), (X[200:], y[200:])], epochs=3)
    assert own.partial_fit(X, y)["loss"] < 3
    own.fit(X, sparse.csr_matrix(y[:, None]))
    assert own.network.predict(X).mean() == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda X, y: fb.MLP([4, 1], standardize=X), ValueError, "X must have shape (n, 4)"),
        (lambda X, y: fb.MLP([5, 1], standardize=X, shift=1.0), ValueError, "standardize must be None with shift"),
        (lambda X, y: fb.MLP([5, 1], standardize=X * np.nan), ValueError, "X[0, 0] is nan"),
        (lambda X, y: fb.MLP([5, 2], standardize_targets=y), ValueError, "y must have shape (n, 2)"),
        (lambda X, y: fb.MLP([5, 1], output="sigmoid", standardize_targets=y), ValueError, "an output without bounds"),
        (lambda X, y: fb.MLP([5, 1]).standardize(X, sample_weight=-y), ValueError, "sample_weight[0] is -"),
        (lambda X, y: fb.MLP([5, 1]).standardize(X, sample_weight=0 * y), ValueError, "sample_weight must have a sum"),
        (lambda X, y: fb.MLP([5, 1], standardize="a"), TypeError, "X must be an array of real numbers"),
    ],
)
def test_wrong_calls(call, error, message):
    with pytest.raises(error) as caught:
        call(*table())
    assert message in str(caught.value)


def test_labels_are_not_standardized():
    net = fb.MLP([5, 2], standardize_targets=np.random.default_rng(0).normal(size=(9, 2)), seed=0)
    with pytest.raises(ValueError, match=r"a loss of numbers, and y of shape \(4, 2\); got the loss 'squared_error'"):
        fb.Trainer(net, loss="squared_error").fit(np.ones((4, 5)), [0, 1, 1, 0])


# --- warnings ---------------------------------------------------------------------------------------------------------


def warned(X, y, loss="squared_error", output="identity", n_out=1, **options):
    """The warnings of two calls of `fit`."""
    own = fb.Trainer(fb.MLP([np.shape(X)[1], n_out], output=output, seed=0, **options), loss=loss, seed=0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        own.partial_fit(X, y)
        assert not seen
        for _ in range(2):
            own.fit(X, y)
    return [(str(one.message), one.filename) for one in seen]


def test_scales_are_warned_of_once_with_their_columns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)) * [1, 0.01, 20.0], rng.normal(size=60)
    ((message, file),) = warned(X, y)
    assert "from 0.0" in message
    assert "in column 1" in message
    assert "in column 2" in message
    assert "standardize=X" in message
    assert file == __file__
    ((message, _),) = warned(X[:, :1], 100 + y)
    assert "standardize_targets=y" in message
    ((message, _),) = warned(X[:, :1] * 0.01, y)
    assert "the inputs have a standard deviation of 0.01" in message
    assert "in column 0: training" in message


def test_usual_data_are_not_warned_of():
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    images, labels = load_digits(return_X_y=True)
    classes = {"loss": "cross_entropy", "output": "softmax", "n_out": 10}
    pixels = (images / 16 * 255).astype(np.uint8)
    assert not warned(X, y)
    assert not warned(X * [1, 3, 0], y)  # a constant column says nothing
    assert not warned(images, labels, scale=1 / 16, **classes)
    assert not warned(images, labels, **classes)
    assert not warned(pixels / 255, labels, **classes)
    assert not warned(pixels, labels, scale=1 / 255, **classes)
    assert not warned((rng.random((500, 40)) < 0.01) * 1.0, rng.normal(size=500))  # rare columns of 0 and 1
    assert not warned(np.eye(300), rng.normal(size=300))
    assert not warned(X * 1e3, y * 1e3, standardize=X * 1e3, standardize_targets=y * 1e3)
    assert not warned(X[:19] * 1e9, y[:19])  # too few to judge
    assert not warned(X, y > 0, loss="binary_cross_entropy", output="sigmoid")


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_known_tables_learn(name):
    """Each warns without `standardize`, and learns with it."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    output, loss, n_out, least = {
        "breast_cancer": ("sigmoid", "binary_cross_entropy", 1, 0.95),
        "wine": ("softmax", "cross_entropy", 3, 0.93),
        "diabetes": ("identity", "squared_error", 1, 0.4),
    }[name]
    assert warned(X, y, loss, output, n_out)
    given = {"standardize": X} | ({"standardize_targets": y} if name == "diabetes" else {})
    net = fb.MLP([X.shape[1], 32, n_out], output=output, seed=0, **given)
    own = fb.Trainer(net, loss=loss, metrics=["r2"], seed=0)
    history = own.fit(X, y, epochs=60, validation_split=0.25)
    assert history["validation_r2" if name == "diabetes" else "validation_accuracy"][-1] > least


FAR = {"float64": np.float64, "int64": np.int64, "big-endian": ">f8", "uint32": np.uint32, "longdouble": np.longdouble}
SHIFT, SCALE = np.float32(1.7e9), np.float32(1 / 6000)


def far_inputs(form, n=300):
    """Whole seconds since 1970 of six hours, as an array of a dtype, and x' of them in float64."""
    import pandas

    seconds = 1_700_000_000 + np.random.default_rng(0).permutation(21_600)[:n]
    X = seconds[:, None].astype(FAR.get(form, float))
    given = {
        "frame": pandas.DataFrame({"t": seconds}), "nullable": pandas.DataFrame({"t": seconds}, dtype="Int64"),
        "list": X.tolist(), "strided": np.repeat(X, 2, axis=1)[:, ::2],
    }.get(form, X)  # fmt: skip
    return given, ((seconds - float(SHIFT)) * float(SCALE)).astype(np.float32)[:, None]


@pytest.mark.parametrize("form", [*FAR, "frame", "nullable", "list", "strided"])
def test_digits_are_rounded_after_the_shift(form):
    """At each door, and for each kind of inputs that float32 rounds: as if the shift had been subtracted before."""
    X, inside = far_inputs(form)
    y = np.arange(len(inside)) % 3
    net, twin = (
        fb.MLP([1, 4, 3], output="softmax", shift=shift, scale=scale, seed=0)
        for shift, scale in ((SHIFT, SCALE), (0.0, 1.0))
    )
    assert (net.trace(X).x == inside).all()
    assert len(np.unique(net.trace(X).x)) == len(inside)
    calls = [
        lambda net, X: net.predict(X), lambda net, X: net.transform(X), lambda net, X: net.predict_classes(X),
        lambda net, X: net.gradients(X, y, loss="cross_entropy")[1][0],
    ]  # fmt: skip
    for call in calls:
        assert (call(net, X) == call(twin, inside)).all()
    plain = fb.MLP([1, 4, 3], output="softmax", seed=1)
    members = [fb.Trainer(each, loss="cross_entropy") for each in (plain, net)]
    assert (fb.Ensemble(members).predict(X[:5]) == (plain.predict(X[:5]) + net.predict(X[:5])) / 2).all()
    own, other = (fb.Trainer(each, loss="cross_entropy", batch_size=32, seed=0) for each in (net, twin))
    for trainer, given in ((own, X), (other, inside)):
        trainer.fit(given, y, epochs=2)
        trainer.fit([(given, y)], shuffle_buffer=64)
        trainer.partial_fit(given, y)
    assert same(parameters(own), parameters(other))
    assert own.evaluate(X, y) == other.evaluate(inside, y)


@pytest.mark.parametrize("form", [*FAR, "list"])
def test_digits_of_targets_are_rounded_after_the_mean(form):
    y, _ = far_inputs(form)
    net = fb.MLP([1, 1], standardize_targets=y, seed=0)
    checked = SampleChecker(net._form, fb.losses.SquaredError()).targets(y, len(y))
    exact = np.asarray(y, float)
    assert (checked.array == ((exact - net.target_shift) / net.target_scale).astype(np.float32)).all()
    assert len(np.unique(checked.array)) == len(np.unique(exact)) == len(exact)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_numbers_that_float32_holds_are_computed_in_float32(kind):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100, (20, 3)).astype(kind)
    shift, scale = rng.normal(size=(2, 3)).astype(np.float32)
    assert (fb.MLP([3, 1], shift=shift, scale=scale).trace(X).x == (X.astype(np.float32) - shift) * scale).all()
    fb.Trainer(fb.MLP([3, 1], shift=shift, scale=scale, seed=0), loss="mse").fit(X, np.ones(20))


# --- the ends of the range --------------------------------------------------------------------------------------------

ENDS = [(0.0, size) for size in (1e300, 3e306, 1e155, 1e-155, 1e-300)]
ENDS += [(1.0, 1e-13), (-1e300, 1e288), (1e-290, 1e-300)]


@pytest.mark.parametrize("weights", [None, np.arange(N) % 3])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(("mean", "size"), ENDS)
def test_every_deviation_counts(mean, size, form, weights, monkeypatch):
    """Each column has its own unit, and a constant one beside it stays constant."""
    monkeypatch.setattr("fastbp.data.arrays.BLOCK", 300)
    z = np.random.default_rng(0).normal(size=(N, 1))
    X = np.hstack([mean + size * z, z, np.full((N, 1), 0.1), np.zeros((N, 1))])
    net = fb.MLP([4, 1], dtype="float64", seed=0)
    net.standardize(form(X), sample_weight=weights)
    unit = max(size, 1e3 * abs(mean) * 2.0**-52)
    wanted = np.sqrt(np.cov(((X[:, 0] - mean) / unit), aweights=weights, ddof=0)) * unit
    assert 1 / net.scale[0] == pytest.approx(wanted, rel=1e-2)
    assert net.scale[2:].tolist() == [1, 1]
    if form is np.asarray:
        assert net.trace(X).x[:, 0].std() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("value", [0.1, 1e9 / 7, -1e-300 / 3, 1e300 / 3, 0.0])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_constant_columns_stay_constant(value, form):
    """Also with many rows, whose mean is rounded, and with rounding in their last digits."""
    X = np.full((300_000, 1), value)
    X[::7] *= 1 + 2.0**-52
    net = fb.MLP([1, 1], dtype="float64", seed=0)
    net.standardize(form(X))
    assert net.scale.tolist() == [1]


@pytest.mark.parametrize("size", [1e300, 1e-300, 1e-42, 1e39])
def test_a_deviation_whose_factor_has_no_number_is_refused_by_column(size):
    X = np.random.default_rng(0).normal(size=(20, 2)) * [1, size]
    net = fb.MLP([2, 2], seed=0)
    for given in ({"X": X}, {"X": sparse.csr_matrix(X)}, {"y": X}):
        with pytest.raises(ValueError, match=r"^[Xy] has a standard deviation of .* in column 1: float32 cannot hold"):
            net.standardize(**given)
    assert net.scale.tolist() == [1, 1]
    if 1e-307 < size < 1e307:
        fb.MLP([2, 2], dtype="float64", seed=0).standardize(X, X)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, float])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_a_sparse_matrix_without_entries_is_constant(form, kind):
    net = fb.MLP([3, 1], seed=0)
    net.standardize(sparse.csr_matrix((5, 3), dtype=kind).asformat(form))
    assert net.scale.tolist() == [1, 1, 1]


# --- more of targets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_far_from_zero_keep_their_digits(dtype):
    """The mean is subtracted in float64; where the dtype of predictions has too few digits, there is an error."""
    y = 2e5 + np.arange(64.0) * 1000
    X = np.arange(64.0)[:, None]
    net = fb.MLP([1, 1], standardize=X, standardize_targets=y, dtype=dtype, seed=0)
    fb.Trainer(net, loss="squared_error", optimizer=fb.LBFGS(), seed=0).fit(X, y, epochs=50)
    assert np.abs(net.predict(X) - y).max() < 1
    far = 1.6e9 + np.arange(64.0)
    if dtype == "float32":
        with pytest.raises(
            ValueError, match=r"y has a standard deviation of 18\.5 around a mean of 1\.6e.09 in column 0"
        ):
            net.standardize(y=far)
        with pytest.raises(ValueError, match=r"X has a standard deviation of 18\.5 .* use dtype='float64'"):
            net.standardize(far[:, None])
        assert net.target_shift.tolist() == pytest.approx([y.mean()], rel=1e-6)
    else:
        net.standardize(far[:, None], far)
        assert net.target_shift.tolist() == [far.mean()]


def test_a_trainer_sees_a_new_shift():
    X, y = np.arange(8.0)[:, None], np.zeros(8)
    net = fb.MLP([1, 1], seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e-9), seed=0)
    trainer.partial_fit(X, y)
    net.standardize(X + 100)
    assert trainer.partial_fit(X, y)["loss"] == pytest.approx(trainer.evaluate(X, y)["loss"], rel=1e-3)
