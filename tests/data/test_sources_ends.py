"""How a training with blocks ends: by what is wrong with them, by an error, or by a stop."""

import queue
import threading

import numpy as np
import pytest
import reference
from epochs import N_IN, N_OUT, N, assert_same, cut, linear, make
from helpers import labelled, parameters, run_function, same

import fastbp as fb
from fastbp.data import sources

# --- what is wrong with blocks ----------------------------------------------------------------------------------------


def spoilt(what):
    """Three blocks of 21 rows, of which the second is not as it should be."""
    blocks = [list(block) for block in cut([21] * 3, *labelled(63))]
    X, y = blocks[1]
    blocks[1] = {
        "not a pair": X,
        "a dict": {"X": X, "y": y},
        "one array": (X,),
        "four arrays": (X, y, np.ones(21), np.ones(21)),
        "None": None,
        "float32": (X.astype(np.float32), y),
        "uint8": (np.zeros((21, N_IN), np.uint8), y),
        "rows of targets": (X, reference.one_hot(y, N_OUT)),
        "weights": (X, y, np.ones(21)),
        "a vector": (X[0], y),
        "columns": (X[:, 1:], y),
        "too few targets": (X, y[:-1]),
        "a bad label": (X, np.where(np.arange(21) == 4, N_OUT, y)),
        "labels as floats": (X, y + 0.5),
        "no targets": (X, None),
        "NaN": (np.where(np.arange(21 * N_IN).reshape(X.shape) == 8, np.nan, X), y),
        "text": (X.astype(str), y),
    }[what]
    return blocks


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("not a pair", TypeError, r"block 1 of X must be a pair \(X, y\), .*, got ndarray"),
        ("a dict", TypeError, "block 1 of X must be a pair .*, got dict"),
        ("one array", TypeError, "block 1 of X must be a pair"),
        ("four arrays", TypeError, "block 1 of X must be a pair"),
        ("None", TypeError, "block 1 of X must be a pair .*, got NoneType"),
        ("float32", ValueError, "X must be of one kind in all blocks: float64 .* in the first, float32 .* in block 1"),
        ("uint8", ValueError, "X must be of one kind in all blocks: float64 .* in the first, uint8 .* in block 1"),
        (
            "rows of targets",
            ValueError,
            "y must be of one kind .* 1 dimensions in the first, .* 2 in block 1",
        ),
        ("weights", ValueError, "weights must be in all blocks or in none: block 1 differs from the first"),
        ("a vector", ValueError, rf"X of block 1 must have shape \(n, {N_IN}\)"),
        ("columns", ValueError, rf"X of block 1 must have shape \(n, {N_IN}\)"),
        ("too few targets", ValueError, "y of block 1 must have a row for each of the 21 rows of X of block 1, got 20"),
        ("a bad label", ValueError, r"y of block 1\[4\] is 3; every value must be in \[0, 2\]"),
        ("labels as floats", TypeError, r"y of block 1 of shape \(21,\) must be integer labels"),
        ("no targets", TypeError, "y of block 1 must be an array of real numbers"),
        ("NaN", ValueError, r"X of block 1\[1, 2\] is nan"),
        ("text", TypeError, "X of block 1 must be an array of real numbers"),
    ],
)
def test_bad_blocks(what, error, message):
    """What was learnt from the buffers before stays, to the bit, and training goes on from there."""
    trainer, twin = make(shuffle=False), make(shuffle=False)
    X, y = labelled(63)
    with pytest.raises(error, match=message):
        trainer.fit(spoilt(what), shuffle_buffer=21)
    twin.fit(X[:21], y[:21])
    assert_same(trainer, twin, history=False)
    assert not trainer.history
    for one in (trainer, twin):
        one.fit(X, y)
    assert_same(trainer, twin, history=False)
    assert trainer.history["loss"] == twin.history["loss"][1:]


@pytest.mark.parametrize("weights", [np.ones(20), np.ones((21, 1)), np.full(21, -1.0), np.full(21, np.nan), ["a"] * 21])
def test_bad_weights_of_blocks(weights):
    """The message says which block they are of."""
    blocks = [(*block, np.ones(21)) for block in cut([21] * 3, *labelled(63))]
    blocks[1] = (*blocks[1][:2], weights)
    with pytest.raises((ValueError, TypeError), match="block 1"):
        make().fit(blocks)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ([], {}, ValueError, "X must have at least one block with rows, got none"),
        (iter([]), {}, ValueError, "X must have at least one block with rows, got none"),
        (labelled()[0], {}, TypeError, "y must be given, unless X is an iterable of blocks .*; got ndarray"),
        (None, {}, TypeError, "y must be given"),
        (3.0, {}, TypeError, "y must be given"),
        ("X.npy", {}, TypeError, "y must be given"),
        ({"X": labelled()}, {}, TypeError, "y must be given"),
        (labelled(), {}, TypeError, "block 0 of X must be a pair"),
        ([labelled()], {"sample_weight": np.ones(N)}, ValueError, "sample_weight.* need samples in arrays"),
        ([labelled()], {"validation_split": 0.5}, ValueError, "validation_split.* need samples in arrays"),
        ([labelled()], {"class_weight": "balanced"}, ValueError, "'balanced' need samples in arrays"),
        ([labelled()], {"class_weight": {N_OUT: 1.0}}, ValueError, "class_weight's keys must be below 3"),
        ([labelled()], {"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
        ([labelled()], {"shuffle_buffer": 0}, ValueError, "shuffle_buffer must be at least 1"),
        ([labelled()], {"epochs": -1}, ValueError, "epochs must be at least 0"),
    ],
)
def test_no_blocks(given, options, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(given, **options)
    assert same(before, parameters(trainer))
    assert not trainer.history


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("kind", [OSError, StopIteration, KeyboardInterrupt, FloatingPointError])
def test_an_error_of_the_iterable_is_its_own(kind, after):
    """The very object, with what was learnt before it kept; StopIteration in a generator is Python's RuntimeError."""
    X, y = labelled(63)
    error = kind("the disk is gone")

    def blocks():
        yield from cut([21] * 3, X, y)[:after]
        raise error

    trainer, twin = make(shuffle=False), make(shuffle=False)
    with pytest.raises(RuntimeError if kind is StopIteration else kind) as caught:
        trainer.fit(blocks(), shuffle_buffer=21)
    assert error in (caught.value, caught.value.__cause__)
    if after:
        twin.fit(X[: 21 * after], y[: 21 * after])
    assert_same(trainer, twin, history=False)
    for one in (trainer, twin):
        one.fit(cut([21] * 3, X, y), shuffle_buffer=21)
    assert_same(trainer, twin, history=False)


def test_blocks_that_diverge():
    """The message names the step of the epoch, not of the buffer, and the epoch is taken back."""
    X, y = labelled(105)
    trainer = linear()
    trainer.fit(X, y)
    before = parameters(trainer)
    X[80] = 1e200  # of minibatch 12
    with pytest.raises(FloatingPointError, match="at step 12 of epoch 2"):
        trainer.fit(cut([10] * 11, X, y), shuffle_buffer=21)
    assert same(before, parameters(trainer))
    assert trainer.history.epochs == 1


# --- stops ------------------------------------------------------------------------------------------------------------


class Stop(fb.callbacks.Callback):
    """Stops training after so many steps."""

    def __init__(self, step):
        self.step = step

    def on_batch_end(self, state):
        state.stop = state.step == self.step


class Endless:
    """Blocks without end, that note when their reader lets them go."""

    closed = False

    def __iter__(self):
        try:
            while True:
                yield labelled(10)
        finally:
            self.closed = True


def test_a_callback_ends_endless_blocks():
    """At its minibatch; neither a thread nor the generator, which may have a file open, outlives the call for long."""
    threads = {*threading.enumerate()}
    trainer, twin, blocks = make(shuffle=False), make(shuffle=False), Endless()
    trainer.fit(blocks, epochs=5, shuffle_buffer=14, callbacks=[Stop(11)])
    assert not trainer.history
    for thread in {*threading.enumerate()} - threads:
        thread.join(30)
        assert not thread.is_alive()
    assert blocks.closed
    first = [np.concatenate(parts)[:77] for parts in zip(*[labelled(10)] * 8, strict=True)]
    twin.fit(*first)
    assert_same(trainer, twin, history=False)
    trainer.fit(*first)
    assert trainer.history.epochs == 1


def test_after_a_stop_no_more_blocks_are_asked_for():
    """Not as many as would fill a buffer: they may come slowly, and the end of the process waits for the thread."""
    threads, ahead, stopped = {*threading.enumerate()}, threading.Event(), threading.Event()
    asked = []

    def blocks():
        for k in range(200):  # two buffers
            asked.append(k)
            if k == 100:
                ahead.set()
                stopped.wait(30)
            yield labelled(7)

    def stop(state):
        state.stop = ahead.wait(30)  # until the second buffer is being filled

    make().fit(blocks(), shuffle_buffer=700, callbacks=[fb.callbacks.Lambda(batch_end=stop)])
    stopped.set()
    for thread in {*threading.enumerate()} - threads:
        thread.join(30)
    assert len(asked) < 105


def stop_endless_blocks():
    make().fit(Endless(), shuffle_buffer=14, callbacks=[Stop(3)])


def test_a_process_ends_with_endless_blocks():
    run_function(stop_endless_blocks)


@pytest.mark.parametrize(("given", "epochs"), [(labelled(42), 1), ((cut([21] * 2, *labelled(42)),), 0)])
def test_a_stop_after_the_last_minibatch_ends_a_whole_epoch(given, epochs):
    """Which is then one of the history, though no other follows; of blocks nobody knows which is the last."""
    trainer = make()
    trainer.fit(*given, epochs=3, shuffle_buffer=21, callbacks=[Stop(6)])
    assert trainer.history.epochs == epochs


def test_a_callback_sees_every_minibatch_of_blocks():
    log = []
    watch = fb.callbacks.Lambda(batch_end=lambda s: log.append((s.step, s.samples, s.epoch_samples)))
    make().fit(cut([30] * 4, *labelled()), epochs=2, shuffle_buffer=14, callbacks=[watch])
    assert [step for step, _, _ in log] == [*range(1, 31)]
    assert [samples for _, samples, _ in log] == 2 * [*range(7, 103, 7), 103]
    assert log[0][2] is None


def test_an_interrupted_end_leaves_no_thread(monkeypatch):
    """Ctrl-C comes just when the thread that reads blocks is told to end."""

    class Interrupted(queue.SimpleQueue):
        def put(self, item):
            if item is False:
                raise KeyboardInterrupt
            super().put(item)

    monkeypatch.setattr(sources.queue, "SimpleQueue", Interrupted)
    threads = {*threading.enumerate()}
    with pytest.raises(KeyboardInterrupt):
        make().fit(cut([21] * 3, *labelled(63)))
    for thread in {*threading.enumerate()} - threads:
        thread.join(30)
        assert not thread.is_alive()
