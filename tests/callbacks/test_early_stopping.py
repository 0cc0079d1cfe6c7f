"""EarlyStopping and Converged: when they stop, and that the best parameters are there afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import parameters, same
from watched import X, Y, raising, scored, stopped, trainer

import fastbp as fb
from fastbp.callbacks import Lambda

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([1, 3, 2, 4], {"patience": 1}, 3, 2),
        ([1, 3, 2, 2, 2, 4], {"patience": 3}, 5, 2),
        ([3, 2, 1, 4], {"patience": 2}, 3, 1),
        ([1, 0, 2, 1, 3, 0, 0, 9], {"patience": 2}, 7, 5),  # each improvement gives all the patience back
        ([1, 1, 1, 9], {"patience": 2}, 3, 1),  # the same is not better
        ([3, 1, 2, 2, 0], {"patience": 2, "mode": "min"}, 4, 2),
        ([1, 1.5, 1.75, 2.25, 2.25, 9], {"patience": 2, "min_delta": 0.5}, 5, 3),  # 0.5 is not more than 0.5
        ([1, 1.25, 1.5, 1.75, 1.75, 9], {"patience": 2, "min_delta": 0.5}, 3, 1),  # the best is not moved by less
        ([3, 2.75, 2.25, 2, 2, 0], {"patience": 2, "min_delta": 0.5, "mode": "min"}, 5, 3),
        ([1, NAN, 0, 9], {"patience": 2}, 3, 1),
        ([1, NAN, 2, NAN, 2, 9], {"patience": 2}, 5, 3),
        ([NAN, NAN, 1, 0, 0, 0, 9], {"patience": 3}, 6, 3),
        ([INF, INF, 5, 6, INF, 0], {"patience": 2, "mode": "min"}, 5, 3),
        ([-INF, -INF, 5, -INF, 5, 9], {"patience": 2}, 5, 3),
    ],
)
def test_patience(values, options, epochs, best):
    """It stops after so many epochs, with the parameters of the best to the bit."""
    own, stopping = scored(values), fb.EarlyStopping("validation_score", **options)
    after = stopped(own, stopping)
    assert own.history.epochs == len(after) == epochs
    assert stopping.best_epoch == best
    assert stopping.best_score == values[best - 1]
    assert same(parameters(own), after[best - 1])
    assert not same(parameters(own), after[-1])


@pytest.mark.parametrize(("values", "epochs"), [([NAN] * 9, 3), ([1, NAN, NAN, NAN, 9], 4), ([2, 1, 0, NAN, 9], 4)])
def test_a_score_that_becomes_nan_ends_in_an_error(values, epochs):
    """When the patience is used up: one NaN among numbers is no improvement, and nothing more."""
    own, after = scored(values), []
    keep = Lambda(epoch_end=lambda state: after.append(parameters(own)))
    stopping = fb.EarlyStopping("validation_score", patience=3)
    message = f"the score 'validation_score' of EarlyStopping is nan after epoch {epochs}"
    with pytest.raises(FloatingPointError, match=message):
        own.fit(X, Y, epochs=9, validation_data=(X, Y), callbacks=[keep, stopping])
    assert own.history.epochs == epochs
    assert same(parameters(own), after[-1] if math.isnan(values[0]) else after[0])


def test_a_validation_that_is_given_no_more():
    """The column of the history would be NaN: that is known before training."""
    own = trainer()
    own.fit(X, Y, validation_data=(X, Y))
    before = parameters(own)
    with pytest.raises(ValueError, match="got 'validation_loss', which needs validation_data or validation_split"):
        own.fit(X, Y, epochs=9, callbacks=[fb.EarlyStopping(patience=2)])
    assert own.history.epochs == 1
    assert same(parameters(own), before)


@pytest.mark.parametrize(
    ("name", "rising"),
    [("my_loss", False), ("squared_error", False), ("mae", False), ("r2", True), ("accuracy_of_mine", True)],
)
def test_mode_by_name(name, rising):
    own = scored([1, 2, 3, 4], name)
    stopped(own, fb.EarlyStopping(f"validation_{name}", patience=2), 4)
    assert own.history.epochs == (4 if rising else 3)


def test_of_the_training_loss():
    """Without validation; the rate is too large to get better."""
    own = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", optimizer=fb.SGD(2.5), batch_size=2, shuffle=False)
    history = own.fit([[1.0], [-1.0]], [1.0, -1.0], epochs=9, callbacks=[fb.EarlyStopping("loss", patience=3)])
    assert history["loss"] == sorted(history["loss"])
    assert history.epochs == 4


def test_the_best_is_not_restored():
    own = scored([2, 1, 1, 9])
    after = stopped(own, fb.EarlyStopping("validation_score", patience=2, restore_best=False))
    assert own.history.epochs == 3
    assert same(parameters(own), after[-1])


def test_the_best_is_restored_at_the_end_of_all_epochs():
    own = scored([1, 3, 2])
    after = stopped(own, fb.EarlyStopping("validation_score"), 3)
    assert same(parameters(own), after[1])


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), StopIteration()])
def test_the_best_is_restored_after_errors(error):
    own, after = scored([1, 3, 2, 4]), []
    keep = Lambda(epoch_end=lambda state: after.append(parameters(own)))
    fail = raising("batch_end", error, lambda state: state.epoch == 3)
    stopping = fb.EarlyStopping("validation_score")
    with pytest.raises(type(error)):
        own.fit(X, Y, epochs=4, validation_data=(X, Y), callbacks=[keep, fail, stopping])
    assert same(parameters(own), after[1])


def test_training_goes_on_from_the_best():
    """The transposed weights, which backward reads, are restored too."""
    own = scored([2, 1], optimizer=fb.SGD(0.1), shuffle=False)
    after = stopped(own, fb.EarlyStopping("validation_score"), 2)
    twin = trainer(optimizer=fb.SGD(0.1), shuffle=False)
    twin.network.set_weights(after[0][:2], after[0][2:])
    own.fit(X, Y)
    twin.fit(X, Y)
    assert same(parameters(own), parameters(twin))


def test_a_second_fit_begins_anew():
    own, stopping = scored([9, 1, 1, 1, 2, 0, 0, 9]), fb.EarlyStopping("validation_score", patience=2)
    stopped(own, stopping)
    assert own.history.epochs == 3
    after = stopped(own, stopping)
    assert own.history.epochs == 7
    assert (stopping.best_score, stopping.best_epoch) == (2, 5)
    assert same(parameters(own), after[1])


def test_for_another_trainer():
    """The best of one network is nothing to another, of other sizes."""
    stopping = fb.EarlyStopping("validation_score", patience=2)
    stopped(scored([9, 1, 1]), stopping)
    own = fb.Trainer(fb.MLP([3, 40, 4], output="softmax", seed=0), loss="cross_entropy")
    with pytest.raises(ValueError, match="monitor"):
        own.fit(X, Y, callbacks=[stopping])
    own = scored([1, 2, 0, 0])
    assert same(stopped(own, stopping)[1], parameters(own))


def test_the_best_is_forgotten():
    """A fit that ends before it has begun must not bring back the parameters of one before."""
    own, stopping = scored([3, 1, 1]), fb.EarlyStopping("validation_score", patience=2)
    stopped(own, stopping)
    own.partial_fit(X, Y)
    before = parameters(own)
    with pytest.raises(RuntimeError):
        own.fit(X, Y, callbacks=[raising("train_begin", RuntimeError()), stopping])
    assert same(before, parameters(own))


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("patience", 0, ValueError, "patience must be at least 1, got 0"),
        ("patience", "a", TypeError, "patience must be an integer, got 'a'"),
        ("min_delta", -1, ValueError, "min_delta must be a finite number at least 0, got -1"),
        ("mode", "best", ValueError, "mode must be one of 'auto', 'min', 'max', got 'best'"),
        ("monitor", 5, TypeError, "monitor must be the name of a column of the history, got 5"),
        ("restore_best", "no", TypeError, "restore_best must be True or False, got 'no'"),
    ],
)
def test_nonsense_is_refused(name, value, error, message):
    """By the constructor, and by the attribute, which stays as it was."""
    with pytest.raises(error, match=message):
        fb.EarlyStopping(**{name: value})
    stopping = fb.EarlyStopping()
    before = getattr(stopping, name)
    with pytest.raises(error, match=message):
        setattr(stopping, name, value)
    assert getattr(stopping, name) == before


def test_another_monitor_has_a_direction_of_its_own():
    stopping = fb.EarlyStopping("validation_loss", patience=2)
    stopping.monitor = "validation_score"
    own = scored([1, 3, 2, 2, 9])
    after = stopped(own, stopping)
    assert own.history.epochs == 4
    assert same(parameters(own), after[1])


def test_a_monitor_that_is_not_there():
    own = trainer()
    with pytest.raises(ValueError, match=r"monitor must be one of 'loss', .*'seconds', got 'validation_loss', which"):
        own.fit(X, Y, epochs=3, callbacks=[fb.EarlyStopping()])
    assert own.history.epochs == 0
    with pytest.raises(ValueError, match=r"monitor must be one of 'loss', .*'seconds', got 'validation_loss'"):
        own.fit(X, Y, epochs=3, callbacks=[fb.EarlyStopping(), Lambda(epoch_end=lambda state: None)])
    assert own.history.epochs == 1  # a callback of the user might have made the column


@pytest.mark.parametrize(
    ("monitor", "options", "there"),
    [
        ("accuracy", {}, True),
        ("validation_accuracy", {"validation_split": 0.2}, True),
        ("validation_r2", {"validation_split": 0.2}, True),
        ("r2", {"validation_split": 0.2}, False),
        ("objective", {}, True),
        ("validation_objective", {"validation_split": 0.2}, True),
        ("validation_mae", {"validation_split": 0.2}, False),
    ],
)
@pytest.mark.parametrize("blocks", [False, True])
def test_columns_are_known_before_training(monitor, options, there, blocks):
    """Those that are expected are those that come, for arrays and for blocks, for callbacks and for schedules."""
    own = trainer(metrics=["r2", "objective"])
    given = ([(X, Y)],) if blocks else (X, Y)
    if blocks and options:
        options = {"validation_data": (X, Y)}
    watch = fb.EarlyStopping(monitor)
    plateau = fb.schedules.ReduceOnPlateau(monitor) * fb.schedules.Constant()
    if there:
        own.fit(*given, callbacks=[watch], **options)
        own.schedule = plateau
        assert monitor in own.fit(*given, **options)
        return
    with pytest.raises(ValueError, match=f"got '{monitor}'"):
        own.fit(*given, callbacks=[watch], **options)
    own.schedule = fb.schedules.Chain([fb.schedules.Constant(), plateau], [2])
    with pytest.raises(ValueError, match=f"got '{monitor}'"):
        own.fit(*given, **options)
    assert own.history.epochs == 0


def test_values_have_no_accuracy():
    own = fb.Trainer(fb.MLP([3, 1], seed=0), loss="squared_error")
    with pytest.raises(ValueError, match="got 'accuracy'"):
        own.fit(X, X[:, 0], callbacks=[fb.EarlyStopping("accuracy")])


# --- Converged --------------------------------------------------------------------------------------------------------


def line() -> fb.Trainer:
    """A trainer whose minibatch is the whole of `LINE`."""
    net = fb.MLP([1, 1], dtype=np.float64, seed=0)
    return fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.5), seed=0, batch_size=3)


LINE = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]


def test_training_ends_when_nothing_changes():
    own, converged = line(), fb.callbacks.Converged()
    own.fit(*LINE, epochs=10_000, callbacks=[converged])
    assert own.history.epochs < 1000
    assert converged.moved == 0
    before = own.network.theta
    own.fit(*LINE)
    assert (own.network.theta == before).all()


def test_the_tolerance():
    own, converged = line(), fb.callbacks.Converged(0.01)
    own.fit(*LINE, epochs=10_000, callbacks=[converged])
    assert 0 < converged.moved <= 0.01
    twin = line()
    thetas = [twin.network.theta]
    for _ in range(own.history.epochs):
        twin.fit(*LINE)
        thetas.append(twin.network.theta)
    moves = np.abs(np.diff(thetas, axis=0)).max(axis=1)
    assert (moves[:-1] > 0.01).all()
    assert moves[-1] == converged.moved


@pytest.mark.parametrize(("wrong", "error"), [(-1, ValueError), ("x", TypeError)])
def test_a_wrong_tolerance(wrong, error):
    converged = fb.callbacks.Converged(0.5)
    for act in (lambda: fb.callbacks.Converged(wrong), lambda: setattr(converged, "tolerance", wrong)):
        with pytest.raises(error, match="tolerance"):
            act()
    assert converged.tolerance == 0.5


def test_the_name_of_before():
    with pytest.warns(FutureWarning, match=r"fastbp\.callbacks\.Settled has a new name: Converged"):
        assert fb.callbacks.Settled is fb.callbacks.Converged
    with pytest.raises(AttributeError, match=r"module 'fastbp\.callbacks' has no attribute 'Sequential'"):
        _ = fb.callbacks.Sequential
