"""How a callback ends a training: by a stop, or by an error; and what is no callback at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import parameters, same
from watched import HOOKS, X, Y, raising, recorder, stop, trainer

import fastbp as fb
from fastbp.callbacks import Lambda

# --- stop -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_stop_after_a_minibatch(steps):
    """The steps before stay learnt, and the epoch is none."""
    own, twin = trainer(shuffle=False), trainer(shuffle=False)
    callback, seen = recorder(lambda state: state.step)
    when = Lambda(batch_end=lambda state: stop(state) if state.step == steps else None)
    history = own.fit(X, Y, epochs=3, callbacks=[when, callback])
    for k in range(steps):
        twin.partial_fit(X[5 * k : 5 * k + 5], Y[5 * k : 5 * k + 5])
    assert same(parameters(own), parameters(twin))
    assert history.epochs == 0
    hooks = [hook for hook, _ in seen]
    assert hooks == ["train_begin", "epoch_begin", *["batch_begin", "batch_end"] * steps, "train_end"]
    assert seen[-1][1] == steps
    own.fit(X, Y, callbacks=[callback])  # a whole epoch
    assert history.epochs == 1
    assert seen[-1] == ("train_end", steps + 5)


def test_stop_in_the_second_epoch():
    own = trainer()
    history = own.fit(X, Y, epochs=4, callbacks=[Lambda(batch_end=lambda s: stop(s) if s.step == 7 else None)])
    whole = trainer().fit(X, Y)
    assert history["loss"] == whole["loss"]


@pytest.mark.parametrize("hook", ["epoch_begin", "batch_end", "epoch_end"])
def test_a_callback_that_empties_the_history_does_not_train_for_ever(hook):
    own, twin = trainer(), trainer()
    calls = []

    def clear(state):
        calls.append(1)
        assert len(calls) < 99, "training does not end"
        state.trainer.history.clear()

    own.fit(X, Y, epochs=3, callbacks=[Lambda(**{hook: clear})])
    twin.fit(X, Y, epochs=3)
    assert same(parameters(own), parameters(twin))


@pytest.mark.parametrize("hook", ["epoch_begin", "batch_begin"])
def test_stop_before_a_minibatch(hook):
    """Nothing of it is learnt."""
    own, twin = trainer(), trainer()
    twin.fit(X, Y)
    callback, seen = recorder(lambda _: None, ("batch_end", "epoch_end"))
    when = Lambda(**{hook: lambda state: stop(state) if state.epoch == 1 else None})
    own.fit(X, Y, epochs=3, callbacks=[when, callback])
    assert own.history.epochs == 1
    assert same(parameters(own), parameters(twin))
    assert [name for name, _ in seen] == ["batch_end"] * 5 + ["epoch_end"]


def test_stop_before_the_first_epoch():
    own = trainer()
    before, (callback, seen) = parameters(own), recorder(lambda _: None)
    assert own.fit(X, Y, epochs=3, callbacks=[Lambda(train_begin=stop), callback]).epochs == 0
    assert same(before, parameters(own))
    assert [hook for hook, _ in seen] == ["train_begin", "train_end"]


def test_stop_after_an_epoch():
    own, twin = trainer(), trainer()
    when = Lambda(epoch_end=lambda state: stop(state) if state.epoch == 2 else None)
    assert own.fit(X, Y, epochs=5, callbacks=[when]).epochs == 2
    twin.fit(X, Y, epochs=2)
    assert same(parameters(own), parameters(twin))
    assert own.fit(X, Y, epochs=2).epochs == 4


LAST = {
    "arrays": (5, lambda own, **o: own.fit(X, Y, **o)),
    "no remainder": (5, lambda own, **o: own.fit(X[:20], Y[:20], **o)),
    "windows": (5, lambda own, **o: own.fit(X, Y, shuffle_buffer=10, **o)),
    "split": (5, lambda own, **o: own.fit(X, Y, validation_split=0.3, **o)),
    "one": (100, lambda own, **o: own.fit(X, Y, **o)),
}


@pytest.mark.parametrize("source", LAST)
def test_stop_at_the_last_minibatch(source):
    """It ends the epoch, which counts, validation and all; there is no other."""
    batch_size, fit = LAST[source]
    own, twin = trainer(batch_size=batch_size), trainer(batch_size=batch_size)
    fit(twin)
    n = {"no remainder": 20, "split": 16}.get(source, 22)
    callback, seen = recorder(lambda _: None, ("epoch_end",))
    when = Lambda(batch_end=lambda state: stop(state) if state.samples == n else None)
    history = fit(own, epochs=3, callbacks=[when, callback])
    assert history.epochs == 1
    assert len(seen) == 1
    assert {**history, "seconds": None} == {**twin.history, "seconds": None}
    assert same(parameters(own), parameters(twin))


def test_stop_at_the_last_minibatch_of_a_window_only():
    """An epoch of which windows are left is none."""
    own = trainer()
    when = Lambda(batch_end=lambda state: stop(state) if state.samples == 10 else None)
    assert own.fit(X, Y, shuffle_buffer=10, callbacks=[when]).epochs == 0


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt("mine")], ids=["error", "Ctrl-C"])
@pytest.mark.parametrize("hook", HOOKS[:-1])
def test_the_end_comes_after_errors_too(hook, error):
    """Once, to the one that raised and to the others; then the trainer trains on as ever."""
    own = trainer()
    before, after = recorder(lambda _: None, ("train_end",)), recorder(lambda _: None, ("train_end",))
    with pytest.raises(type(error), match="mine"):
        own.fit(X, Y, callbacks=[before[0], raising(hook, error), after[0]])
    assert len(before[1]) == len(after[1]) == 1
    epochs = own.history.epochs
    assert epochs == (hook == "epoch_end")
    callback, seen = recorder(lambda state: state.samples, ("batch_end",))
    assert own.fit(X, Y, epochs=2, callbacks=[callback]).epochs == epochs + 2
    assert [samples for _, samples in seen] == [5, 10, 15, 20, 22] * 2


def test_the_end_comes_to_all():
    """Though it raises in one of them: others may have to close files, or to restore parameters."""
    callback, seen = recorder(lambda _: None, ("train_end",))
    with pytest.raises(OSError, match="full"):
        trainer().fit(X, Y, callbacks=[raising("train_end", OSError("full")), callback])
    assert len(seen) == 1


@pytest.mark.parametrize("every", [1, 2, 3, None])
def test_the_end_comes_after_divergence(every):
    """The step that is named is the same, and the epoch is taken back, the steps between hooks included."""
    many = X.copy()
    many[17] = 1e200  # its square is not finite: minibatch 4
    net = fb.MLP([3, 1], dtype=np.float64, seed=0)
    own = fb.Trainer(net, loss="squared_error", batch_size=5, shuffle=False)
    own.fit(X, Y.astype(float))
    before, (callback, seen) = parameters(own), recorder(lambda state: state.step, every=every)
    with pytest.raises(FloatingPointError, match="at step 4 of epoch 2"):
        own.fit(many, Y.astype(float), callbacks=[callback])
    assert same(before, parameters(own))
    assert [hook for hook, _ in seen][-1] == "train_end"


def test_an_error_after_an_epoch_costs_nothing():
    """What follows goes on as if there had been none."""
    own, twin = trainer(), trainer()
    with pytest.raises(RuntimeError):
        own.fit(X, Y, epochs=3, callbacks=[raising("epoch_end", RuntimeError())])
    own.fit(X, Y, epochs=2)
    twin.fit(X, Y, epochs=3)
    assert same(parameters(own), parameters(twin))
    assert own.history["loss"] == twin.history["loss"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_halfway_keeps_what_was_learnt(error):
    own, twin = trainer(shuffle=False), trainer(shuffle=False)
    with pytest.raises(error):
        own.fit(X, Y, callbacks=[raising("batch_end", error(), lambda state: state.step == 3)])
    for first in (0, 5, 10):
        twin.partial_fit(X[first : first + 5], Y[first : first + 5])
    assert same(parameters(own), parameters(twin))
    own.fit(X, Y)
    twin.fit(X, Y)
    assert same(parameters(own), parameters(twin))


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (fb.EarlyStopping(), "callbacks must be a list of callbacks"),
        (3, "callbacks must be a list of callbacks, got 3"),
        (None, "callbacks must be a list of callbacks, got None"),
        ([Lambda(), print], r"callbacks\[1\] must be a fastbp.callbacks.Callback"),
        ([fb.EarlyStopping], r"callbacks\[0\] must be a fastbp.callbacks.Callback"),
        ("ab", r"callbacks\[0\] must be a fastbp.callbacks.Callback, got 'a'"),
    ],
)
def test_what_is_no_callback(callbacks, message):
    own = trainer()
    before = parameters(own)
    with pytest.raises(TypeError, match=message):
        own.fit(X, Y, callbacks=callbacks)
    assert same(before, parameters(own))
    assert own.history.epochs == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Lambda(epoch_end=3), TypeError, "epoch_end must be a function of the state, got 3"),
        (lambda: Lambda(batch_begin="f"), TypeError, "batch_begin must be a function of the state, got 'f'"),
        (lambda: Lambda(every=0), ValueError, "every must be at least 1, got 0"),
        (lambda: Lambda(every=1.5), TypeError, "every must be an integer, got 1.5"),
        (lambda: Lambda(every=True), TypeError, "every must be an integer, got True"),
        (lambda: fb.EarlyStopping(3), TypeError, "monitor must be the name of a column of the history, got 3"),
        (lambda: fb.EarlyStopping(patience=0), ValueError, "patience must be at least 1, got 0"),
        (lambda: fb.EarlyStopping(patience=2.0), TypeError, "patience must be an integer, got 2.0"),
        (lambda: fb.EarlyStopping(min_delta=-1), ValueError, "min_delta must be a finite number at least 0, got -1"),
        (lambda: fb.EarlyStopping(min_delta=math.nan), ValueError, "min_delta must be a finite number"),
        (lambda: fb.EarlyStopping(min_delta="a"), TypeError, "min_delta must be a number, got 'a'"),
        (lambda: fb.EarlyStopping(mode="least"), ValueError, "mode must be one of 'auto', 'min', 'max', got 'least'"),
        (lambda: fb.EarlyStopping(restore_best=1), TypeError, "restore_best must be True or False, got 1"),
    ],
)
def test_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
