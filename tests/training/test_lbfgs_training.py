"""L-BFGS goes with all that other optimizers go with, and what goes wrong leaves the network as it was."""

import copy
import sys

import numpy as np
import pytest
from epochs import held_out
from helpers import parameters, same
from searches import assert_same, classes, curves, make

import fastbp as fb

pytest.importorskip("scipy.optimize", reason="L-BFGS needs scipy")


# --- schedules and dropout --------------------------------------------------------------------------------------------


def test_a_factor_of_zero_changes_nothing():
    """Not the parameters, and not what the optimizer knows: a pause."""
    X, Y = curves()
    trainer, twin = make(), make()
    for one in (trainer, twin):
        one.fit(X, Y, epochs=5)
    trainer.schedule = fb.schedules.Constant(0.0)
    trainer.fit(X, Y, epochs=2)
    assert_same(trainer, twin)
    assert trainer.history["learning_rate"] == [1.0] * 5 + [0.0] * 2
    trainer.schedule = None
    for one in (trainer, twin):
        one.fit(X, Y, epochs=5)
    assert_same(trainer, twin)


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_schedules(per):
    """They multiply what is tried first, so that half of it is another learning rate; each epoch is a step."""
    X, Y = curves()
    trainer, halves = make(schedule=fb.schedules.MultiStep([3], 0.5, per=per)), make()
    trainer.fit(X, Y, epochs=8)
    halves.fit(X, Y, epochs=3)
    halves.optimizer = fb.LBFGS(0.5, ftol=0, gtol=0)
    halves.fit(X, Y, epochs=5)
    assert_same(trainer, halves)
    plain = make()
    plain.fit(X, Y, epochs=8)
    assert (plain.network.weights[0] != trainer.network.weights[0]).any()


def test_dropout():
    """The same each time, with masks of its own for each step, and fixed in it: its line search finds a way down."""
    X, y = classes(300)
    options = {"loss": "cross_entropy", "sizes": (3, 30, 3), "dropout": 0.3, "input_noise": 0.1}
    trainers = [make(**options), make(**options), make(**(options | {"seed": 1}))]
    start = trainers[0].evaluate(X, y)["loss"]
    for trainer in trainers:
        trainer.fit(X, y, epochs=15)
    assert_same(trainers[0], trainers[1])
    assert (trainers[0].network.weights[0] != trainers[2].network.weights[0]).any()
    assert trainers[0].evaluate(X, y)["loss"] < 0.7 * start
    still = make(**options, schedule=fb.schedules.Constant(0.0)).fit(X, y, epochs=4)
    assert len({*still["loss"]}) == 4


# --- bits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [60, 2500])
def test_no_option_of_speed_matters(n, dtype):
    """Threads, minibatches, orders and windows: a step sees all samples, as they lie."""
    X, y = classes(n, dtype)
    options = {"loss": "cross_entropy", "dtype": dtype, "dropout": 0.1, "max_norm": 2.0}
    trainer = make(**options)
    trainer.fit(X, y, epochs=6)
    for other in (
        {"n_threads": 1},
        {"n_threads": 2},
        {"n_threads": 3},
        {"batch_size": 1},
        {"batch_size": 7},
        {"batch_size": 10**6},
        {"shuffle": False},
        {"gradient": "stored"},
        {"seed": 0, "average": fb.EMA()},
    ):
        twin = make(**options, **other)
        twin.fit(X, y, epochs=6, shuffle_buffer=None if n > 60 else 7)
        assert_same(trainer, twin)
        assert twin.history["loss"] == trainer.history["loss"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_goes_on(dtype):
    """What was learnt about the curvature is kept, and goes with a copy."""
    X, Y = curves(dtype=dtype)
    once, twice = make(dtype=dtype), make(dtype=dtype)
    once.fit(X, Y, epochs=20)
    twice.fit(X, Y, epochs=10)
    copied = copy.deepcopy(twice)
    anew = fb.Trainer(copy.deepcopy(twice.network), loss="squared_error", optimizer=fb.LBFGS())
    for trainer in (twice, copied, anew):
        trainer.fit(X, Y, epochs=10)
    assert_same(once, twice)
    assert_same(once, copied)
    assert once.history["loss"] == twice.history["loss"]
    assert (anew.network.weights[0] != once.network.weights[0]).any()


def test_partial_fit_is_a_step():
    X, Y = curves()
    trainer, twin = make(batch_size=7), make()
    for k in range(5):
        scores = trainer.partial_fit(X, Y)
        history = twin.fit(X, Y)
        assert scores == {"loss": history["loss"][k]}
    assert_same(trainer, twin)


@pytest.mark.parametrize("memory", [1, 10])
def test_optimizers_take_over(memory):
    """None finds what another one left, though Adam's vectors are as many as those of one pair."""
    X, Y = curves()
    for first, second in (
        (fb.Adam(0.01), fb.LBFGS(memory=memory, ftol=0, gtol=0)),
        (fb.LBFGS(memory=memory, ftol=0, gtol=0), fb.Adam(0.01)),
    ):
        trainer = make(optimizer=first, batch_size=60)
        trainer.fit(X, Y, epochs=4)
        twin = make(optimizer=second, batch_size=60)
        twin.network.set_weights(trainer.network.weights, trainer.network.biases)
        trainer.optimizer = second
        for one in (trainer, twin):
            one.fit(X, Y, epochs=4)
        assert_same(trainer, twin)


def test_held_out_samples():
    X, y = classes()
    split, arrays = make(loss="cross_entropy"), make(loss="cross_entropy")
    split.fit(X, y, epochs=5, validation_split=0.25)
    held = held_out(y, 0.25)
    rest = np.setdiff1d(np.arange(60), held)
    arrays.fit(X[rest], y[rest], epochs=5, validation_data=(X[held], y[held]))
    assert_same(split, arrays)
    assert split.history["validation_loss"] == arrays.history["validation_loss"]


def test_callbacks_see_a_minibatch_an_epoch():
    X, Y = curves()
    log = []

    def watch(state):
        log.append((state.step, state.samples))
        state.stop = state.step == 3

    trainer, twin = make(batch_size=7), make()
    trainer.fit(X, Y, epochs=9, callbacks=[fb.callbacks.Lambda(batch_end=watch)])
    twin.fit(X, Y, epochs=3)
    assert log == [(1, 60), (2, 60), (3, 60)]
    assert trainer.history.epochs == 3
    assert_same(trainer, twin)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_blocks():
    X, Y = curves()
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(ValueError, match="X must be an array for LBFGS"):
        trainer.fit([(X, Y)])
    assert same(before, parameters(trainer))


def test_a_start_that_is_not_finite():
    X, Y = curves()
    trainer = make((3, 2))
    trainer.fit(X, Y, epochs=2)
    before = parameters(trainer)
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 3"):
        trainer.fit(1e200 * X, Y)
    assert same(before, parameters(trainer))
    twin = make((3, 2))
    twin.network.set_weights(trainer.network.weights, trainer.network.biases)
    for one in (trainer, twin):  # what was known of the curvature is forgotten
        one.fit(X, Y, epochs=3)
    assert_same(trainer, twin)
    assert trainer.history["loss"][-1] < trainer.history["loss"][-3]


def test_a_search_that_leaves_where_the_loss_is_finite():
    """The first step tried is eight times too long, and the square of its error no float32; a shorter one is found."""
    trainer = make((1, 1), dtype=np.float32, optimizer=fb.LBFGS(4e19))
    history = trainer.fit([[0.0]], [[5e18]], epochs=8)
    assert float(np.finfo(np.float32).max) < 3.5e19**2
    assert (np.diff(history["loss"]) <= 0).all()
    assert trainer.network.biases[0] == pytest.approx([5e18], rel=1e-5)


def test_a_search_without_an_end():
    """A loss without curvature, whose minimum is half a million first steps away: a step that is too long is none."""
    trainer = make((1, 1), loss=fb.losses.Quantile(0.01))
    history = trainer.fit([[0.0]], [[5347.0]], epochs=4)
    assert (np.diff(history["loss"]) <= 0).all()


def test_without_scipy(monkeypatch):
    X, Y = curves()
    trainer = make()
    before = parameters(trainer)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError):
        trainer.fit(X, Y)
    assert same(before, parameters(trainer))
    assert not trainer.history


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"memory": 0}, ValueError, "memory must be at least 1"),
        ({"memory": 2.0}, TypeError, "memory must be an integer"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be .* above 0"),
        ({"learning_rate": "1"}, TypeError, "learning_rate must be a number"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        fb.LBFGS(**options)


# --- its end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_ends_when_further_steps_would_not_matter(dtype, tmp_path):
    """After a step that meets a tolerance; a checkpoint knows it too."""
    X, Y = curves(dtype=dtype)
    trainer, twin = make(dtype=dtype, optimizer=fb.LBFGS(gtol=0.005)), make(dtype=dtype)
    epochs = trainer.fit(X, Y, epochs=500, callbacks=[fb.Checkpoint(tmp_path)]).epochs
    assert epochs < 500
    twin.fit(X, Y, epochs=epochs)
    assert_same(trainer, twin)
    assert fb.Trainer.resume(tmp_path).fit(X, Y, epochs=500).epochs == epochs
    assert make(dtype=dtype, optimizer=fb.LBFGS(ftol=0.01)).fit(X, Y, epochs=500).epochs < epochs


def test_training_ends_where_no_step_lowers_the_loss():
    trainer = make((1, 1), optimizer=fb.LBFGS(ftol=0, gtol=0))
    assert trainer.fit([[1.0], [2.0]], [[1.0], [2.0]], epochs=3000).epochs < 100


def test_noise_has_no_end():
    X, Y = curves()
    assert make(dropout=0.5, optimizer=fb.LBFGS(ftol=0.9)).fit(X, Y, epochs=20).epochs == 20


def test_a_first_step_that_cannot_move_warns():
    """Residuals of 1e20 in float64 do not show that an output of 1 has changed."""
    with pytest.warns(UserWarning, match="LBFGS ends with its first step"):
        assert make((1, 1)).fit([[0.0]], [[1e20]], epochs=9).epochs == 1
