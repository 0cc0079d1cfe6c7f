"""How often callbacks are called within an epoch, and that training does not notice."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import parameters, same
from watched import X, Y, blocks, recorder, trainer

import fastbp as fb
from fastbp.callbacks import Callback, State


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


@pytest.mark.parametrize(("every", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_every_of_ones_own(every, error):
    """What a class of the user's says is seen before anything is trained; without an epoch, none can go on for ever."""

    class Own(Callback):
        def on_batch_end(self, state: State) -> None:
            pass

    Own.every = every
    with pytest.raises(error, match="every"):
        trainer().fit(X, Y, epochs=0, callbacks=[Own()])
