"""The training of a restricted Boltzmann machine: bits, memory, interruptions, files, and wrong calls."""

import copy
import itertools
import pickle
import re

import numpy as np
import pytest
from helpers import interrupted, run_function

import fastbp as fb
from fastbp.engine.input_paths import InputPaths

X = (np.random.default_rng(0).random((203, 37)) < 0.3).astype(np.float64)


def machine(**options) -> fb.RBM:
    return fb.RBM(37, 21, **({"seed": 0, "optimizer": fb.SGD(0.1, momentum=0.5), "batch_size": 20} | options))


def bits(own: fb.RBM) -> tuple[bytes, bytes, str]:
    """What training has changed."""
    history = {name: column for name, column in own.history.items() if name != "seconds"}
    return own.parameters.theta.tobytes() + own.state.vectors.tobytes(), own._chains.units.tobytes(), str(history)


KINDS = [{}, {"k": 3}, {"persistent": True}, {"persistent": True, "k": 2}, {"visible": "gaussian", "l2": 1e-3}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_number_of_threads_changes_no_bit(kind, dtype):
    found = []
    for n_threads in (1, 2, 3, 4):
        own = machine(dtype=dtype, n_threads=n_threads, **kind)
        own.fit(X, epochs=2)
        outputs = own.transform(X, n_threads=n_threads), own.free_energy(X, n_threads=n_threads)
        outputs += (own.sample(50, steps=3, seed=0, n_threads=n_threads),)
        found.append((bits(own), *(array.tobytes() for array in outputs)))
    assert all(each == found[0] for each in found)


def test_bytes_are_read_in_place():
    pixels = (X * 255).astype(np.uint8)
    found = []
    for given in (pixels, pixels.astype(np.float32), pixels.astype(np.float64)):
        own = machine(scale=1 / 255)
        own.fit(given, epochs=2)
        found.append(bits(own))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("kind", [{}, {"k": 3}, {"persistent": True}, {"dtype": "float64"}], ids=str)
def test_kernels_that_leave_zeros_out_change_no_bit(kind, n_threads, monkeypatch):
    """Inputs of which 14 % are not 0, enough of them that the path for zeros is taken."""
    rare = (np.random.default_rng(1).random((530, 61)) < 0.14).astype(np.float32)
    found, paths = [], []
    choose = InputPaths.choose
    for forced in ("", "dense"):

        def chosen(self, *arguments, forced=forced, **options):
            paths.append(forced or choose(self, *arguments, **options))
            return paths[-1]

        monkeypatch.setattr(InputPaths, "choose", chosen)
        own = fb.RBM(61, 35, seed=0, batch_size=50, n_threads=n_threads, **kind)
        own.fit(rare, epochs=3)
        found.append(bits(own))
    assert {*paths} == {"zeros", "dense"}
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_smaller_minibatch_at_the_end(kind):
    """It gives the same bits as a call with its rows alone."""
    whole, parts = (machine(shuffle=False, **kind) for _ in range(2))
    whole.fit(X[:50])
    for rows in (slice(0, 20), slice(20, 40), slice(40, 50)):
        parts.fit(X[rows])
    assert bits(whole)[:2] == bits(parts)[:2]


def test_all_samples_in_a_step():
    whole, given = machine(batch_size="all"), machine(batch_size=len(X))
    for each in (whole, given):
        each.fit(X, epochs=2)
    assert whole.state.step == 2
    assert bits(whole) == bits(given)


def test_momentum():
    """theta_2 - theta_1 = 0.9 (theta_1 - theta_0) + the step without momentum."""
    options = {"dtype": "float64", "shuffle": False, "batch_size": len(X)}
    plain, own = (machine(optimizer=fb.SGD(0.1, momentum=mu), **options) for mu in (0.0, 0.9))
    thetas = [own.theta]
    for each in (plain, own):
        each.fit(X)
    thetas.append(own.theta)
    np.testing.assert_array_equal(plain.theta, own.theta)
    for each in (plain, own):
        each.fit(X)
    first, second = thetas[1] - thetas[0], own.theta - thetas[1]
    np.testing.assert_allclose(second, 0.9 * first + plain.theta - thetas[1], atol=1e-12)


def test_weight_decay():
    """It takes eta l2 W from the weights, and nothing from the biases."""
    plain, own = (machine(dtype="float64", optimizer=fb.SGD(0.1), batch_size=len(X), l2=l2) for l2 in (0.0, 0.5))
    W = np.array(own.W)
    for each in (plain, own):
        each.fit(X)
    np.testing.assert_allclose(own.W, plain.W - 0.1 * 0.5 * W, atol=1e-14)
    np.testing.assert_array_equal(own.b, plain.b)
    np.testing.assert_array_equal(own.c, plain.c)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_other_optimizers_learn(optimizer):
    history = machine(optimizer=optimizer, schedule=fb.schedules.Exponential(0.99)).fit(X, epochs=20)
    assert history["pseudo_likelihood"][-1] > history["pseudo_likelihood"][0]


def test_it_learns_what_repeats():
    """Bars of 4 x 4 pixels: the samples of the machine are bars too."""
    rng = np.random.default_rng(0)
    bars = np.zeros((2000, 4, 4))
    bars[np.arange(2000), rng.integers(0, 4, 2000)] = 1
    own = fb.RBM(16, 8, optimizer=fb.SGD(0.2), batch_size=20, k=5, seed=0)
    own.fit(bars.reshape(2000, 16), epochs=60)
    rows = own.sample(500, steps=200, seed=0).reshape(500, 4, 4)
    whole = ((rows.sum(axis=2) == 4).sum(axis=1) == 1) & (rows.sum(axis=(1, 2)) == 4)
    assert whole.mean() > 0.5  # of random pixels, 4 of 65,536


# --- memory -----------------------------------------------------------------------------------------------------------


def kernel_allocations(n_threads: int) -> None:
    from numba.core.runtime import _nrt_python, rtsys

    for options in ({}, {"persistent": True, "k": 2}, {"visible": "gaussian"}):
        own = machine(n_threads=n_threads, **options)
        own.fit(X)
        own.sample(5, steps=1)
        _nrt_python.memsys_enable_stats()
        before = rtsys.get_allocation_stats().alloc
        own.fit(X, epochs=3)
        own.sample(5, steps=3)
        own.free_energy(X)
        assert rtsys.get_allocation_stats().alloc == before


@pytest.mark.parametrize("n_threads", [1, 2])
def test_kernels_allocate_nothing(n_threads):
    run_function(kernel_allocations, n_threads)


# --- interruptions and files ------------------------------------------------------------------------------------------


class Cut(fb.callbacks.Callback):
    """Ends a training after a step, before its checkpoint."""

    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, state) -> None:
        if state.step == self.step:
            raise InterruptedError


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("step", [7, 11, 25])
def test_training_that_resumes_ends_with_the_same_bits(kind, step, tmp_path):
    whole = machine(**kind)
    whole.fit(X, epochs=4)
    own = machine(**kind)
    with pytest.raises(InterruptedError):
        own.fit(X, epochs=4, callbacks=[Cut(step), fb.Checkpoint(tmp_path, per="step")])
    twin = fb.RBM.resume(tmp_path)
    assert twin.settings == own.settings
    twin.fit(X, epochs=4, callbacks=[fb.Checkpoint(tmp_path, per="step")])
    assert bits(twin) == bits(whole)


def test_a_finished_training_goes_on_after_a_checkpoint(tmp_path):
    own = machine(persistent=True)
    own.fit(X, epochs=2, callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.RBM.resume(tmp_path)
    assert bits(twin) == bits(own)
    twin.fit(X, epochs=2)  # the call that had finished
    for each in (own, twin):
        each.fit(X, epochs=1)
    assert bits(twin) == bits(own)


def test_checkpoints_of_other_trainings(tmp_path):
    trainer = fb.Trainer(fb.MLP([37, 2]), loss="mse")
    trainer.fit(X, X[:, :2], callbacks=[fb.Checkpoint(tmp_path / "net")])
    machine().fit(X, callbacks=[fb.Checkpoint(tmp_path / "rbm")])
    with pytest.raises(fb.ModelFileError, match="is not a checkpoint that can be read"):
        fb.RBM.resume(tmp_path / "net")
    with pytest.raises(fb.ModelFileError, match="is not a checkpoint that can be read"):
        fb.Trainer.resume(tmp_path / "rbm")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_copies_learn_alike(kind):
    own = machine(**kind)
    own.fit(X)
    twins = copy.copy(own), copy.deepcopy(own), pickle.loads(pickle.dumps(own))
    for each in (own, *twins):
        each.fit(X)
        assert bits(each) == bits(own)
    assert all(twin.parameters is not own.parameters for twin in twins)


def test_files(tmp_path):
    own = fb.RBM(37, 5, visible="gaussian", scale=0.5, shift=np.arange(37.0), dtype="float64", seed=1)
    own.fit(X)
    own.save(tmp_path / "rbm")
    twin = fb.RBM.load(tmp_path / "rbm")
    assert twin.architecture == own.architecture
    for name in ("W", "b", "c", "scale", "shift"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(own, name))
    np.testing.assert_array_equal(twin.transform(X), own.transform(X))
    with pytest.raises(fb.ModelFileError, match=re.escape("fastbp.RBM.load(path) reads it")):
        fb.load(tmp_path / "rbm")
    fb.MLP([2, 1]).save(tmp_path / "net")
    with pytest.raises(fb.ModelFileError, match=re.escape("fastbp.load(path) reads it")):
        fb.RBM.load(tmp_path / "net")
    (tmp_path / "cut").write_bytes((tmp_path / "rbm").read_bytes()[:-9])
    with pytest.raises(fb.ModelFileError):
        fb.RBM.load(tmp_path / "cut")


def test_ctrl_c_leaves_a_machine_that_learns_on():
    for number in itertools.count(1, 41):
        own = machine(persistent=True)
        own.fit(X[:60])
        if interrupted(number, lambda own=own: own.fit(X, epochs=2)) is None:
            break
        assert np.isfinite(own.theta).all()
        assert own.history.epochs in (1, 2, 3)
        own.fit(X)
        assert own.transform(X).shape == (203, 21)
    assert number > 200


def test_a_machine_that_diverges_goes_back():
    own = machine(visible="gaussian", optimizer=fb.SGD(1e4), dtype="float32")
    theta = own.theta
    with pytest.raises(FloatingPointError, match="not finite"):
        own.fit(1e3 * X, epochs=50)
    assert np.isfinite(own.theta).all()
    assert own.history.epochs < 50
    assert own.theta.shape == theta.shape


def test_a_callback_sees_the_machine():
    seen = []

    def look(state) -> None:
        seen.append((state.network is own, state.trainer is own, *state.scores))
        with pytest.raises(RuntimeError, match="while the same RBM is training"):
            own.fit(X)

    own = machine()
    own.fit(X, callbacks=[fb.callbacks.Lambda(epoch_end=look)])
    assert seen == [
        (True, True, "free_energy", "reconstruction_error", "pseudo_likelihood", "learning_rate", "seconds")
    ]


def test_early_stopping_watches_a_score():
    stopping = fb.EarlyStopping("reconstruction_error", patience=2)
    own = machine(optimizer=fb.SGD(1e-9))
    assert own.fit(X, epochs=100, callbacks=[stopping]).epochs < 100


# --- settings and wrong calls -----------------------------------------------------------------------------------------


def test_settings_can_be_assigned():
    own = machine()
    own.batch_size, own.k, own.persistent, own.optimizer = 10, 2, True, "adam"
    assert (own.batch_size, own.k, own.persistent, own.optimizer) == (10, 2, True, fb.Adam())
    own.fit(X)
    assert own.state.step == 21
    with pytest.raises(ValueError, match="k must be at least 1"):
        own.k = 0
    assert own.k == 2


def test_the_call_that_makes_a_machine():
    assert repr(fb.RBM(4, 2)) == "RBM(4, 2)"
    own = fb.RBM(2, 3, visible="gaussian", scale=0.5, k=2, l2=0.1, optimizer=fb.Adam(), dtype="float64")
    twin = eval(repr(own), {"RBM": fb.RBM, "Adam": fb.Adam})
    assert repr(twin) == repr(own)
    assert twin.settings == own.settings


def test_the_seed_decides():
    one, other, third = machine(), machine(), machine(seed=1)
    for each in (one, other, third):
        each.fit(X)
    assert bits(one) == bits(other)
    assert bits(one) != bits(third)


WRONG = {
    "n_visible must be at least 1, got 0": lambda: fb.RBM(0, 2),
    "n_hidden must be an integer": lambda: fb.RBM(3, 2.5),
    "visible must be one of 'bernoulli', 'gaussian', got 'gausian'; did you mean 'gaussian'": lambda: fb.RBM(
        3, 2, visible="gausian"
    ),
    "optimizer must not be LBFGS": lambda: fb.RBM(3, 2, optimizer="lbfgs"),
    "k must be below 16384": lambda: fb.RBM(3, 2, k=20000),
    "persistent must be True or False": lambda: fb.RBM(3, 2, persistent=1),
    "batch_size must be at least 1": lambda: fb.RBM(3, 2, batch_size=0),
    "dtype must be float32 or float64": lambda: fb.RBM(3, 2, dtype="int8"),
    "scale must be a number or have shape (37,), got (2,)": lambda: machine(scale=[1, 2]),
    "seed must be at least 0": lambda: fb.RBM(3, 2, seed=-1),
    "l2 is the strength of the weight decay": lambda: fb.RBM(3, 2, weight_decay=0.1),
    "X must have shape (n, 37)": lambda: machine().fit(X[:, :3]),
    "X must have at least one row": lambda: machine().fit(X[:0]),
    "must be from 0 to 1 for visible='bernoulli', after shift and scale": lambda: machine().fit(X * 255),
    "epochs must be at least 0": lambda: machine().fit(X, epochs=-1),
    "callbacks must be a list of callbacks": lambda: machine().fit(X, callbacks=fb.callbacks.Progress()),
    "monitor must be one of 'free_energy', 'reconstruction_error'": lambda: machine().fit(
        X, callbacks=[fb.EarlyStopping("loss")]
    ),
    "'learning_rate', 'seconds', got 'loss'": lambda: machine(schedule=fb.schedules.ReduceOnPlateau("loss")).fit(X),
    "W must have shape (37, 21), got (2, 2)": lambda: machine().set_weights(np.eye(2), np.zeros(37), np.zeros(21)),
    "b[3] is inf": lambda: machine().set_weights(
        np.zeros((37, 21)), np.where(np.arange(37) == 3, np.inf, 0), np.zeros(21)
    ),
    "start must have shape (n, 37)": lambda: machine().sample(start=np.zeros((2, 3))),
    "n must be at least 1": lambda: machine().sample(0),
    "steps must be at least 0": lambda: machine().sample(steps=-1),
    "n_threads must be at least 1": lambda: machine().transform(X, n_threads=0),
    "RBM is not a function": lambda: machine()(X),
    "W, b and c are copies, which cannot be changed in place": lambda: machine().W.__setitem__(0, 0),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_calls(message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        WRONG[message]()


def test_sparse_inputs_are_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    with pytest.raises(TypeError, match="must not be sparse for an RBM"):
        machine().fit(sparse.csr_matrix(X))


def test_a_wrong_call_changes_nothing():
    own, twin = machine(), machine()
    for wrong in (X[:, :3], X * np.nan, X - 1):
        with pytest.raises(ValueError, match="X"):
            own.fit(wrong)
    with pytest.raises(ValueError, match="c must have shape"):
        own.set_weights(np.ones((37, 21)), np.ones(37), np.ones(3))
    assert bits(own) == bits(twin)
