"""When callbacks are called, what they see, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers import parameters, same
from watched import HOOKS, X, Y, blocks, recorder, trainer

import fastbp as fb
from fastbp.callbacks import Callback, Lambda, State

# --- order ------------------------------------------------------------------------------------------------------------


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


# --- state ------------------------------------------------------------------------------------------------------------


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


# --- what a callback may do -------------------------------------------------------------------------------------------


def test_a_callback_cannot_train_its_trainer():
    """Which would wait for itself."""
    own = trainer()
    with pytest.raises(RuntimeError, match="fit was called while the same trainer is training"):
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
