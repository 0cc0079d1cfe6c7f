"""Callbacks: when they are called, what they see, that they change nothing, and what those of the package do."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.callbacks import Callback, CSVLogger, Lambda, Progress, State, TensorBoard

HOOKS = ("train_begin", "epoch_begin", "batch_begin", "batch_end", "epoch_end", "train_end")
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(22, 3)), rng.integers(0, 4, 22)


def trainer(**options) -> fb.Trainer:
    """Of 22 samples, 5 minibatches of 5 and a last one of 2."""
    net = fb.MLP([3, 6, 4], output="softmax", seed=0)
    options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.1, momentum=0.9), "batch_size": 5, "seed": 0} | options
    return fb.Trainer(net, **options)


def parameters(own: fb.Trainer) -> list[np.ndarray]:
    return own.network.weights + own.network.biases


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """To the bit."""
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def blocks() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(X[:9], Y[:9]), (X[9:], Y[9:])]


def stop(state: State) -> None:
    state.stop = True


def recorder(look: Callable[[State], object], hooks: tuple[str, ...] = HOOKS, **options) -> tuple[Lambda, list]:
    """A callback, and the list that it appends (hook, what `look` sees) to."""
    seen: list = []

    def note(hook: str) -> Callable[[State], None]:
        return lambda state: seen.append((hook, look(state)))

    return Lambda(**{hook: note(hook) for hook in hooks}, **options), seen


def raising(hook: str, error: BaseException, when: Callable[[State], bool] = lambda _: True) -> Lambda:
    def fail(state: State) -> None:
        if when(state):
            raise error

    return Lambda(**{hook: fail})


# --- order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["arrays", "blocks", "windows"])
def test_order_of_hooks(given):
    """Also where the samples come in several segments."""
    own = trainer()
    callback, seen = recorder(lambda _: None)
    if given == "blocks":
        own.fit(blocks(), epochs=2, shuffle_buffer=10, callbacks=[callback])
    else:
        own.fit(X, Y, epochs=2, shuffle_buffer=10 if given == "windows" else None, callbacks=[callback])
    epoch = ["epoch_begin", *["batch_begin", "batch_end"] * 5, "epoch_end"]
    assert [hook for hook, _ in seen] == ["train_begin", *epoch, *epoch, "train_end"]


def test_no_epochs():
    callback, seen = recorder(lambda state: (state.epoch, state.epochs))
    trainer().fit(X, Y, epochs=0, callbacks=[callback])
    assert seen == [("train_begin", (0, 0)), ("train_end", (0, 0))]


def test_several():
    """Each hook comes to all in the order of the list, and to those that are late after the others."""
    order = []

    class Named(Callback):
        def __init__(self, name: str, late: bool = False):
            self.name, self.late = name, late

    def hook(name: str) -> Callable[[Named, State], None]:
        return lambda self, state: order.append((name, self.name))

    for name in HOOKS:
        setattr(Named, f"on_{name}", hook(name))
    callbacks = [Named("late", True), Named("a"), Named("later", True), Named("b")]
    trainer(batch_size=22).fit(X, Y, callbacks=callbacks)
    assert order == [(hook, name) for hook in HOOKS for name in ("a", "b", "late", "later")]
    assert [callback.name for callback in callbacks] == ["late", "a", "later", "b"]  # the caller's list


def test_callbacks_may_come_from_a_generator():
    callback, seen = recorder(lambda _: None, ("epoch_end",))
    trainer().fit(X, Y, epochs=2, callbacks=(c for c in [callback]))
    assert len(seen) == 2


def test_lambda_without_functions():
    own, twin = trainer(), trainer()
    assert own.fit(X, Y, callbacks=[Lambda(), Callback()]).epochs == 1
    twin.fit(X, Y)
    assert same(parameters(own), parameters(twin))


# --- state --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["arrays", "split", "blocks", "windows", "unshuffled"])
def test_numbers(given):
    """Steps, epochs and samples, over two calls of fit."""
    own = trainer(shuffle=given != "unshuffled")
    look = lambda state: (state.epoch, state.epochs, state.step, state.samples, state.epoch_samples)  # noqa: E731
    callback, seen = recorder(look, ("train_begin", "batch_end", "epoch_end", "train_end"))
    n = 18 if given == "split" else 22
    for epochs in (1, 2):
        if given == "blocks":
            own.fit(blocks(), epochs=epochs, shuffle_buffer=10, callbacks=[callback])
        else:
            buffer, split = (10 if given == "windows" else None), (0.2 if given == "split" else 0.0)
            own.fit(X, Y, epochs=epochs, shuffle_buffer=buffer, validation_split=split, callbacks=[callback])
    batches = [5, 10, 15, *([18] if n == 18 else [20, 22])]
    steps, whole = len(batches), None if given == "blocks" else n
    wanted = []
    for first, last in ((0, 1), (1, 3)):
        wanted.append(("train_begin", (first, last, first * steps, 0, whole)))
        for epoch in range(first, last):
            for k, samples in enumerate(batches, 1):
                wanted.append(("batch_end", (epoch, last, epoch * steps + k, samples, whole)))
            wanted.append(("epoch_end", (epoch + 1, last, (epoch + 1) * steps, n, whole)))
        wanted.append(("train_end", (last, last, last * steps, n, whole)))
    assert seen == wanted


def test_samples_before_a_minibatch():
    """Those that this epoch has seen, not those of the one before."""
    callback, seen = recorder(lambda state: state.samples, ("epoch_begin", "batch_begin"))
    trainer().fit(X, Y, epochs=2, callbacks=[callback])
    epoch = [("epoch_begin", 0), *(("batch_begin", samples) for samples in (0, 5, 10, 15, 20))]
    assert seen == epoch * 2


def test_scores_before_a_minibatch():
    """The means over this epoch's samples so far: none before the first."""
    callback, seen = recorder(lambda state: dict(state.scores), ("batch_begin", "batch_end"))
    trainer().fit(X, Y, epochs=2, callbacks=[callback])
    for epoch in (seen[:10], seen[10:]):
        assert epoch[0] == ("batch_begin", {})
        for (_, after), (_, before) in zip(epoch[1:-1:2], epoch[2::2], strict=True):
            assert after == before


def test_running_scores():
    """After k minibatches, the means over the samples of these, each before its step; at the end, the epoch's."""
    own, twin = trainer(shuffle=False), trainer(shuffle=False)
    callback, seen = recorder(lambda state: dict(state.scores), ("batch_end",))
    history = own.fit(X, Y, epochs=2, callbacks=[callback])
    for epoch in range(2):
        costs, hits = [], []
        for first in range(0, 22, 5):
            part = twin.partial_fit(X[first : first + 5], Y[first : first + 5])
            n = len(X[first : first + 5])
            costs.append(part["loss"] * n)
            hits.append(part["accuracy"] * n)
            scores = seen[epoch * 5 + first // 5][1]
            assert scores == {
                "loss": pytest.approx(sum(costs) / (first + n)),
                "accuracy": pytest.approx(sum(hits) / (first + n)),
            }
        assert scores == {name: history[name][epoch] for name in ("loss", "accuracy")}
    assert same(parameters(own), parameters(twin))


def test_running_scores_of_weighted_samples():
    callback, seen = recorder(lambda state: dict(state.scores), ("batch_end",))
    weights = np.where(np.arange(22) < 5, 0.0, 1.0)
    history = trainer(shuffle=False).fit(X, Y, sample_weight=weights, callbacks=[callback])
    assert seen[0][1] == {"loss": 0.0, "accuracy": 0.0}  # of no sample at all
    assert seen[-1][1] == {"loss": history["loss"][0], "accuracy": history["accuracy"][0]}
    own = trainer(shuffle=False)
    assert seen[1][1]["loss"] == pytest.approx(own.evaluate(X[5:10], Y[5:10])["loss"], rel=1e-5)


def test_scores_of_an_epoch():
    """Its row of the history, validation and metrics included."""
    own = trainer(metrics=["mae"])
    callback, seen = recorder(lambda state: dict(state.scores), ("epoch_end",))
    history = own.fit(X, Y, epochs=3, validation_data=(X[:7], Y[:7]), callbacks=[callback])
    names = ["loss", "accuracy", "learning_rate", "seconds", "validation_loss", "validation_accuracy"]
    assert list(history) == [*names, "validation_mae"]
    assert [scores for _, scores in seen] == [{name: history[name][k] for name in history} for k in range(3)]


def test_what_else_a_state_holds():
    own = trainer()
    callback, seen = recorder(
        lambda state: (state.trainer is own, state.network is own.network, list(state.callbacks), state.stop)
    )
    own.fit(X, Y, callbacks=[callback])
    assert all(found == (True, True, [callback], False) for _, found in seen)


def test_a_callback_may_evaluate():
    """Halfway through an epoch it meets the parameters of the steps so far, and disturbs nothing."""
    own, plain, twin = trainer(shuffle=False), trainer(shuffle=False), trainer(shuffle=False)
    callback, seen = recorder(lambda state: state.trainer.evaluate(X, Y), ("batch_end", "epoch_end"))
    own.fit(X, Y, callbacks=[callback])
    plain.fit(X, Y)
    assert same(parameters(own), parameters(plain))
    for k, first in enumerate(range(0, 22, 5)):
        twin.partial_fit(X[first : first + 5], Y[first : first + 5])
        assert seen[k][1] == twin.evaluate(X, Y)


def test_a_search_is_one_minibatch_an_epoch():
    pytest.importorskip("scipy", reason="L-BFGS needs scipy")
    own, plain = (trainer(optimizer=fb.LBFGS()) for _ in range(2))
    callback, seen = recorder(lambda state: (state.step, state.samples), ("batch_begin", "batch_end", "epoch_end"))
    other, few = recorder(lambda state: state.step, ("batch_end",), every=2)
    own.fit(X, Y, epochs=3, callbacks=[callback, other])
    plain.fit(X, Y, epochs=3)
    ends = [found for found in seen if found[0] != "batch_begin"]
    assert ends == [(hook, (step, 22)) for step in (1, 2, 3) for hook in ("batch_end", "epoch_end")]
    assert [hook for hook, _ in seen] == ["batch_begin", "batch_end", "epoch_end"] * 3
    assert few == [("batch_end", 2)]
    assert same(parameters(own), parameters(plain))


# --- every --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3, 5, 100])
def test_every(every):
    """At each so-many-th step of the trainer, whatever the epochs."""
    callback, seen = recorder(lambda state: state.step, ("batch_begin", "batch_end"), every=every)
    own = trainer()
    own.fit(X, Y, epochs=2, callbacks=[callback])
    own.fit(X, Y, callbacks=[callback])
    assert [step for hook, step in seen if hook == "batch_begin"] == list(range(0, 15, every))
    assert [step for hook, step in seen if hook == "batch_end"] == list(range(every, 16, every))


def test_every_none():
    """No more often than there are minibatches, and always at the end of an epoch."""
    callback, seen = recorder(lambda state: (state.step, state.samples), ("batch_begin", "batch_end"), every=None)
    trainer().fit(X, Y, epochs=3, callbacks=[callback])
    for hook in ("batch_begin", "batch_end"):
        steps = [step for name, (step, _) in seen if name == hook]
        assert steps == sorted(set(steps))
    ends = [found for hook, found in seen if hook == "batch_end"]
    assert {(5, 22), (10, 22), (15, 22)} <= set(ends)


def test_several_periods():
    """Each callback has its own turns."""
    pairs = {every: recorder(lambda state: state.step, ("batch_end",), every=every) for every in (2, 3, 4, None)}
    trainer().fit(X, Y, epochs=3, callbacks=[callback for callback, _ in pairs.values()])
    for every in (2, 3, 4):
        assert [step for _, step in pairs[every][1]] == list(range(every, 16, every))
    assert {5, 10, 15} <= {step for _, step in pairs[None][1]}


@pytest.mark.parametrize("every", [1, 2, None])
@pytest.mark.parametrize("n", [5000, 5003])
def test_a_large_minibatch_is_one(n, every):
    """Though the compiled loop works through it in parts of 1024 rows, and returns between them."""
    own = np.random.default_rng(0)
    many, labels = own.normal(size=(n, 3)), own.integers(0, 4, n)
    look = lambda state: (state.step, state.samples)  # noqa: E731
    callback, seen = recorder(look, ("batch_begin", "batch_end"), every=every)
    trainer(batch_size=5000).fit(many, labels, epochs=2, callbacks=[callback])
    all_ends = [(1, 5000), (2, 5000)] if n == 5000 else [(1, 5000), (2, 5003), (3, 5000), (4, 5003)]
    ends = [found for hook, found in seen if hook == "batch_end"]
    begins = [step for hook, (step, _) in seen if hook == "batch_begin"]
    if every is None:  # a call into it may do more than one
        assert ends == sorted(set(ends) & set(all_ends))
        assert set(ends) >= {end for end in all_ends if end[1] == n}
        assert begins == sorted(set(begins))
    else:
        assert ends == [end for end in all_ends if end[0] % every == 0]
        assert begins == list(range(0, len(all_ends), every))


SOURCES = {
    "arrays": (5, lambda own, **o: own.fit(X, Y, epochs=3, **o)),
    "validation": (5, lambda own, **o: own.fit(X, Y, epochs=3, validation_split=0.3, **o)),
    "windows": (5, lambda own, **o: own.fit(X, Y, epochs=3, shuffle_buffer=10, **o)),
    "blocks": (5, lambda own, **o: own.fit(blocks(), epochs=3, shuffle_buffer=10, **o)),
    "parts": (1500, lambda own, **o: own.fit(np.tile(X, (100, 1)), np.tile(Y, 100), epochs=3, **o)),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("every", [1, 2, 3, 7, None])
def test_what_is_learnt_stays_the_same(source, every):
    """To the bit: masks, orders, momentum, the schedule and the average know nothing of the pauses."""
    batch_size, fit = SOURCES[source]

    def made() -> fb.Trainer:
        net = fb.MLP([3, 6, 5, 4], output="softmax", dropout=0.3, input_noise=0.1, seed=0)
        options = {"optimizer": fb.Adam(0.01), "schedule": fb.schedules.Exponential(0.9, per="step")}
        return fb.Trainer(net, loss="cross_entropy", average=fb.EMA(0.9), batch_size=batch_size, seed=1, **options)

    plain, watched = made(), made()
    callback, seen = recorder(lambda _: None, every=every)
    fit(plain)
    fit(watched, callbacks=[callback])
    assert seen
    assert same(parameters(plain), parameters(watched))
    assert same(plain.averaged.weights, watched.averaged.weights)
    measured = [name for name in plain.history if name != "seconds"]
    assert [plain.history[name] for name in measured] == [watched.history[name] for name in measured]


# --- stop ---------------------------------------------------------------------------------------------------


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


# --- errors -------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("every", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_every_of_ones_own(every, error):
    """What a class of the user's says is seen before anything is trained; without an epoch, none can go on for ever."""

    class Own(Callback):
        def on_batch_end(self, state: State) -> None:
            pass

    Own.every = every
    with pytest.raises(error, match="every"):
        trainer().fit(X, Y, epochs=0, callbacks=[Own()])


# --- early stopping -----------------------------------------------------------------------------------------


def scored(values: list[float], name: str = "score", **options) -> fb.Trainer:
    """A trainer whose validations give these values, one an epoch, as "validation_score"."""
    left: Iterator[float] = iter(values)

    def metric(y: np.ndarray, a: np.ndarray) -> float:
        return next(left)

    metric.__name__ = name
    return trainer(metrics=[metric], **options)


def stopped(own: fb.Trainer, stopping: fb.EarlyStopping, epochs: int = 50) -> list[list[np.ndarray]]:
    """Fit, and give the parameters after each epoch of it."""
    after = []
    keep = Lambda(epoch_end=lambda state: after.append(parameters(own)))
    own.fit(X, Y, epochs=epochs, validation_data=(X, Y), callbacks=[keep, stopping])
    return after


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
        ([1, NAN, NAN, 9], {"patience": 2}, 3, 1),
        ([1, NAN, 2, NAN, NAN, 9], {"patience": 2}, 5, 3),
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


def test_scores_that_are_never_numbers():
    """None of them is an improvement; as there is no best, the parameters are the last."""
    own = scored([NAN] * 9)
    after = stopped(own, fb.EarlyStopping("validation_score", patience=3), 9)
    assert own.history.epochs == 3
    assert same(parameters(own), after[-1])


def test_a_validation_that_is_given_no_more():
    """The column of the history is then NaN, which must not go on for ever."""
    own = trainer()
    own.fit(X, Y, validation_data=(X, Y))
    assert own.fit(X, Y, epochs=9, callbacks=[fb.EarlyStopping(patience=2)]).epochs == 3


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


def test_a_monitor_that_is_not_there():
    own = trainer()
    with pytest.raises(ValueError, match=r"monitor must be one of 'loss', .*'seconds', got 'validation_loss'"):
        own.fit(X, Y, epochs=3, callbacks=[fb.EarlyStopping()])
    assert own.history.epochs == 1


# --- files --------------------------------------------------------------------------------------------------


def table(path: Path) -> dict[str, list[float]]:
    """The columns of a CSV file."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert all(len(row) == len(head) for row in rows)
    return {name: [float(row[k]) for row in rows] for k, name in enumerate(head)}


def assert_written(path: Path, history: fb.History) -> None:
    columns = table(path)
    assert columns.pop("epoch") == list(range(1, history.epochs + 1))
    assert list(columns) == list(history)
    for name, column in history.items():
        np.testing.assert_array_equal(columns[name], column)  # every bit, and NaN is NaN


def test_csv(tmp_path):
    """A second fit continues it; each epoch is there before the next begins."""
    path, own, lines = tmp_path / "history.csv", trainer(metrics=["mae"]), []
    path.write_text("of someone else")
    count = Lambda(epoch_begin=lambda _: lines.append(len(path.read_text().splitlines())))
    logger = CSVLogger(path)
    own.fit(X, Y, epochs=3, validation_split=0.3, callbacks=[logger, count])
    assert lines == [1, 2, 3]
    assert_written(path, own.history)
    own.fit(X, Y, epochs=2, validation_split=0.3, callbacks=[logger])
    assert own.history.epochs == 5
    assert_written(path, own.history)
    own.fit(X, Y, validation_split=0.3, callbacks=[CSVLogger(str(path))])
    assert_written(path, own.history)
    assert [found.name for found in tmp_path.iterdir()] == ["history.csv"]


def test_csv_of_columns_that_come_later(tmp_path):
    """The epochs before have NaN there; those without, afterwards, too."""
    path, own = tmp_path / "history.csv", trainer()
    logger = CSVLogger(path)
    own.fit(X, Y, epochs=2, callbacks=[logger])
    own.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[logger])
    own.fit(X, Y, callbacks=[logger])
    assert np.isnan(own.history["validation_loss"]).tolist() == [True, True, False, False, True]
    assert_written(path, own.history)


def test_csv_of_a_fresh_trainer(tmp_path):
    path = tmp_path / "history.csv"
    logger = CSVLogger(path)
    trainer().fit(X, Y, epochs=4, callbacks=[logger])
    own = trainer()
    own.fit(X, Y, callbacks=[logger])
    assert_written(path, own.history)
    trainer().fit(X, Y, epochs=0, callbacks=[logger])
    assert path.read_text().split(",")[0].strip() == "epoch"


def test_csv_of_names_with_commas(tmp_path):
    path, own = tmp_path / "history.csv", scored([1.0, 0.1], 'a, "b"')
    own.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[CSVLogger(path)])
    assert_written(path, own.history)


def test_csv_of_what_an_error_ends(tmp_path):
    path, own = tmp_path / "history.csv", trainer()
    fail = raising("batch_end", KeyboardInterrupt(), lambda state: state.step == 12)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, Y, epochs=5, callbacks=[CSVLogger(path), fail])
    assert own.history.epochs == 2
    assert_written(path, own.history)


def test_csv_where_it_cannot_be(tmp_path):
    own = trainer()
    before = parameters(own)
    with pytest.raises(OSError, match="nowhere"):
        own.fit(X, Y, callbacks=[CSVLogger(tmp_path / "nowhere" / "history.csv")])
    assert same(before, parameters(own))


def events(directory: Path) -> list:
    """Of all event files of a directory."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        while content:  # a length, its checksum, an event, its checksum
            length = int.from_bytes(content[:8], "little")
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """tag: (step, value) ... in the event files of a directory."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(directory):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return {tag: sorted(points) for tag, points in found.items()}


def points(column: list[float]) -> list[tuple[int, object]]:
    """A column of a history as scalars, which are float32."""
    return [(epoch, pytest.approx(value, rel=1e-6, nan_ok=True)) for epoch, value in enumerate(column, 1)]


TAGS = {
    "loss": "loss/training",
    "accuracy": "accuracy/training",
    "learning_rate": "learning_rate/training",
    "seconds": "seconds/training",
    "validation_loss": "loss/validation",
    "validation_accuracy": "accuracy/validation",
    "validation_top_5_accuracy": "top_5_accuracy/validation",
}


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own = trainer(metrics=["top_5_accuracy"])
    history = own.fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=[TensorBoard(tmp_path / "a" / "b")])
    found = scalars(tmp_path / "a" / "b")
    assert found == {TAGS[name]: points(column) for name, column in history.items()}


def test_tensorboard_of_a_second_fit(tmp_path):
    """It goes on, however soon after the first."""
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own, logger = trainer(), TensorBoard(tmp_path)
    own.fit(X, Y, epochs=2, callbacks=[logger])
    own.fit(X, Y, callbacks=[logger])
    assert scalars(tmp_path)["loss/training"] == points(own.history["loss"])


@pytest.mark.parametrize("before", [0, 2])
def test_tensorboard_takes_back(tmp_path, before):
    """What a run that was interrupted has written beyond where this one goes on from."""
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    from tensorboardX.proto.event_pb2 import SessionLog

    own = trainer()
    own.fit(X, Y, epochs=before)
    own.fit(X, Y, callbacks=[TensorBoard(tmp_path)])
    starts = [event.step for event in events(tmp_path) if event.session_log.status == SessionLog.START]
    assert starts == [before + 1] * bool(before)


def test_tensorboard_of_what_an_error_ends(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own = trainer()
    fail = raising("batch_end", KeyboardInterrupt(), lambda state: state.step == 12)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, Y, epochs=5, callbacks=[TensorBoard(tmp_path), fail])
    assert scalars(tmp_path)["loss/training"] == points(own.history["loss"])


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    own = trainer()
    before = parameters(own)
    logger = TensorBoard(tmp_path)
    with pytest.raises(ImportError, match="tensorboardX"):
        own.fit(X, Y, callbacks=[logger])
    assert same(before, parameters(own))


# --- progress bar -------------------------------------------------------------------------------------------


def states(capsys: pytest.CaptureFixture) -> list[str]:
    """What a bar has shown, one after another."""
    return [line for line in capsys.readouterr().err.replace("\n", "\r").split("\r") if line.strip()]


def test_bar(capsys):
    own = trainer(metrics=["mae"])
    history = own.fit(X, Y, epochs=2, validation_data=(X, Y), progress=True)
    first, *_, last = states(capsys)
    assert "0.00/44.0" in first
    assert "44.0/44.0" in last
    assert "epoch=2/2" in last
    assert "seconds" not in last
    for name in ("loss", "accuracy", "learning_rate", "validation_loss", "validation_mae"):
        assert f" {name}={history[name][-1]:.4g}" in last
    own.fit(X, Y, progress=True)
    first, *_, last = states(capsys)
    assert "22.0/22.0" in last  # of this call of fit
    assert "epoch=3/3" in last


def test_bar_of_blocks(capsys):
    """How many samples there are is seen at the end of the first epoch."""
    own, seen = trainer(), []
    look = Lambda(epoch_end=lambda state: seen.append((bar._bar.total, bar._bar.n)))
    bar = Progress()
    own.fit(blocks(), epochs=3, callbacks=[bar, look])
    shown = states(capsys)
    assert "/" not in shown[0].split("[")[0]
    assert seen == [(66, 22), (66, 44), (66, 66)]
    assert "66.0/66.0" in shown[-1]
    assert "epoch=3/3" in shown[-1]
    assert f"loss={own.history['loss'][-1]:.4g}" in shown[-1]


def test_bar_of_what_is_stopped(capsys):
    trainer().fit(X, Y, epochs=2, progress=True, callbacks=[Lambda(epoch_end=stop)])
    assert "22.0/44.0" in states(capsys)[-1]


def test_bar_of_what_an_error_ends(capsys):
    """It is closed, and the next one is another."""
    bar, own = Progress(), trainer()
    fail = raising("batch_end", RuntimeError(), lambda state: state.step == 2)
    with pytest.raises(RuntimeError):
        own.fit(X, Y, callbacks=[bar, fail])
    assert "10.0/22.0" in states(capsys)[-1]
    own.fit(X, Y, callbacks=[bar])
    assert "22.0/22.0" in states(capsys)[-1]


def test_bar_and_what_is_learnt(capsys):
    own, twin = trainer(), trainer()
    own.fit(X, Y, epochs=2, progress=True)
    twin.fit(X, Y, epochs=2, progress=False)
    assert same(parameters(own), parameters(twin))


def test_a_callback_cannot_train_its_trainer():
    """Which would wait for itself."""
    own = trainer()
    with pytest.raises(RuntimeError, match="must not be trained by a callback of its own"):
        own.fit(X, Y, callbacks=[Lambda(epoch_end=lambda state: own.fit(X, Y))])
    assert own.fit(X, Y).epochs == 2


@pytest.mark.parametrize("hook", ["epoch_end", "batch_end"])
def test_a_callback_may_set_weights(hook):
    """What `backward` reads of them is set too."""
    own, twin = trainer(), trainer()

    def shrink(state):
        state.network.set_weights([W / 2 for W in state.network.weights], state.network.biases)

    own.fit(X[:5], Y[:5], epochs=3, callbacks=[Lambda(**{hook: shrink})])  # one minibatch an epoch
    for _ in range(3):
        twin.fit(X[:5], Y[:5])
        twin.network.set_weights([W / 2 for W in twin.network.weights], twin.network.biases)
    assert same(parameters(own), parameters(twin))
