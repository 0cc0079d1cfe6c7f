"""Sources of blocks: however rows are cut, and whatever hands them over, they train as arrays do."""

import itertools
import tracemalloc

import numpy as np
import pytest
from epochs import N_IN, N_OUT, N, assert_same, blocks_of, cut, make, seen, visits
from helpers import any_scale, labelled, parameters, same

import fastbp as fb
from fastbp.data import sources

# --- the same as arrays -----------------------------------------------------------------------------------------------


CUTS = {
    "one": [N],
    "single rows": [1] * N,
    "minibatches": [7] * N,
    "less than minibatches": [5] * N,
    "more than minibatches": [10] * N,
    "ragged": [1, 30, 2, 7, 14, 3, 40] * N,
    "large": [99, 1] * N,
}


@pytest.mark.parametrize("shuffle_buffer", [None, 1, 20, 21])
@pytest.mark.parametrize("lengths", CUTS)
def test_blocks_are_arrays(lengths, shuffle_buffer):
    """In order of storage; buffers are of 7, 21 or all rows, smaller and larger than the blocks."""
    X, y = labelled()
    blocks, arrays = make(shuffle=False), make(shuffle=False)
    blocks.fit(cut(CUTS[lengths], X, y), epochs=2, shuffle_buffer=shuffle_buffer)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("batch_size", [1, 50, 103, 1000])
@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.Adam(0.01)])
def test_blocks_of_other_minibatches(batch_size, optimizer):
    X, y = labelled()
    blocks, arrays = (make(optimizer, shuffle=False, batch_size=batch_size) for _ in range(2))
    blocks.fit(cut(CUTS["ragged"], X, y), epochs=2, shuffle_buffer=16)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


def test_blocks_of_large_minibatches():
    """That the kernels work through in parts."""
    X, y = labelled(5000)
    blocks, arrays = (make(shuffle=False, batch_size=2100) for _ in range(2))
    blocks.fit(cut([1700] * 3, X, y), epochs=2, shuffle_buffer=1)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("lengths", CUTS)
def test_blocks_that_fit_into_a_buffer_are_shuffled_as_arrays(lengths):
    X, y = labelled()
    blocks, arrays = make(), make()
    blocks.fit(cut(CUTS[lengths], X, y), epochs=3)
    arrays.fit(X, y, epochs=3)
    assert_same(blocks, arrays)


@any_scale
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int64])
def test_kinds_of_blocks(kind):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (N, N_IN)).astype(kind), rng.integers(0, N_OUT, N)
    trainers = [make(optimizer=fb.SGD(1e-4)) for _ in range(2)]
    trainers[0].fit(cut([30] * 4, X, y), epochs=2)
    trainers[1].fit(X, y, epochs=2)
    assert_same(*trainers)


@pytest.mark.parametrize("lengths", [[30] * 4, [1] * N])
@pytest.mark.parametrize("kind", ["rows", "columns", "numbers", "float32"])
def test_kinds_of_targets(kind, lengths):
    rng = np.random.default_rng(0)
    X, _ = labelled()
    y = {
        "rows": rng.dirichlet(np.ones(N_OUT), N),
        "columns": rng.normal(size=(N, 1)),
        "numbers": rng.normal(size=N),
        "float32": rng.normal(size=(N, N_OUT)).astype(np.float32),
    }[kind]
    n_out, loss = N_OUT if kind in ("rows", "float32") else 1, "cross_entropy" if kind == "rows" else "squared_error"
    trainers = []
    for given in ((cut(lengths, X, y),), (X, y)):
        net = fb.MLP([N_IN, 5, n_out], output="softmax" if kind == "rows" else "identity", seed=0)
        trainers.append(fb.Trainer(net, loss=loss, seed=0))
        trainers[-1].fit(*given, epochs=2)
    assert_same(*trainers)


def test_blocks_are_validated():
    X, y = labelled()
    held = labelled(20)
    blocks, arrays = make(), make()
    blocks.fit(cut([30] * 4, X, y), epochs=2, validation_data=held)
    arrays.fit(X, y, epochs=2, validation_data=held)
    assert_same(blocks, arrays)
    assert len(blocks.history["validation_loss"]) == 2


def test_blocks_and_threads():
    X, y = labelled()
    trainers = [make(n_threads=n_threads) for n_threads in (1, 2, 3)]
    for trainer in trainers:
        trainer.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=21)
    assert_same(trainers[0], trainers[1])
    assert_same(trainers[0], trainers[2])


def test_a_schedule_of_steps_goes_on_from_buffer_to_buffer():
    X, y = labelled()
    blocks, arrays = (make(shuffle=False, schedule=fb.schedules.Exponential(0.9, per="step")) for _ in range(2))
    blocks.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=14)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


def test_blocks_without_rows_are_passed_over():
    X, y = labelled()
    trainer, twin = make(shuffle=False), make(shuffle=False)
    trainer.fit([(X[:0], y[:0]), (X[:30], y[:30]), (X[:0], y[:0]), (X[30:], y[30:])])
    twin.fit(X, y)
    assert_same(trainer, twin)


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(20,), (1,), (5,), (3, 7), (19, 1)])
def test_rows_mix_inside_buffers(lengths):
    """Whatever the blocks are; buffers come as they are filled."""
    sorted_rows = 0
    for seed in range(8):
        buffers = np.argsort(seen(blocks_of(*lengths), seed=seed, shuffle_buffer=5)).reshape(4, 5)
        assert (buffers // 5 == np.arange(4)[:, None]).all()
        sorted_rows += (np.diff(buffers, axis=1) > 0).all(axis=1).sum()
    assert sorted_rows < 8


def test_buffers_are_whole_minibatches():
    steps = seen(blocks_of(4), n=21, batch_size=3, shuffle_buffer=4)
    assert [sorted({*steps[first : first + 6]}) for first in (0, 6, 12, 18)] == [[0, 1], [2, 3], [4, 5], [6]]


def test_the_buffer_has_a_size_by_default(monkeypatch):
    """As many rows as fit."""
    monkeypatch.setattr(sources, "BUFFER_BYTES", 5 * 8 * 21 + 20)  # of 20 inputs and a target
    buffers = np.argsort(seen(blocks_of(3))).reshape(4, 5)
    assert (buffers // 5 == np.arange(4)[:, None]).all()
    assert (np.diff(buffers, axis=1) < 0).any()


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("shuffle_buffer", [None, 1, 6])
def test_every_row_once_an_epoch(shuffle_buffer, epochs):
    assert (visits(blocks_of(3, 1, 5), shuffle_buffer=shuffle_buffer, epochs=epochs) == epochs).all()
    assert (visits(lambda X, y: (X, y), shuffle_buffer=shuffle_buffer, epochs=epochs) == epochs).all()


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_epoch_has_an_order_of_its_own(shuffle):
    """Two epochs are no epoch twice, but for those in order of storage. A second trainer of a seed begins it anew."""
    X, y = labelled()
    nets = [fb.MLP([N_IN, 9, N_OUT], output="softmax", seed=0) for _ in range(2)]
    options = {"loss": "cross_entropy", "optimizer": "sgd", "seed": 0, "shuffle": shuffle}
    once, *twice = (fb.Trainer(nets[k], **options) for k in (0, 1, 1))
    once.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=30)
    for trainer in twice:
        trainer.fit(cut([30] * 4, X, y), shuffle_buffer=30)
    assert once.history["loss"][0] == twice[0].history["loss"][0]
    assert same(*map(parameters, nets)) != shuffle


# --- iterables --------------------------------------------------------------------------------------------------------


class Again:
    """An iterable that is no list, and begins anew each time."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


@pytest.mark.parametrize(
    "iterable",
    [list, tuple, Again, iter, lambda blocks: (block for block in blocks), lambda blocks: ([*b] for b in blocks)],
)
def test_kinds_of_iterables(iterable):
    X, y = labelled()
    given, arrays = make(), make()
    given.fit(iterable(cut([30] * 4, X, y)))
    arrays.fit(X, y)
    assert_same(given, arrays)


def test_an_iterator_goes_through_once():
    X, y = labelled()
    trainer = make()
    blocks = iter(cut([30] * 4, X, y))
    with pytest.raises(ValueError, match="epochs must be 1 with an iterator"):
        trainer.fit(blocks, epochs=2)
    assert not trainer.history
    trainer.fit(blocks)  # nothing of it has been used up
    assert trainer.history.epochs == 1
    with pytest.raises(ValueError, match="at least one block with rows, got none"):
        trainer.fit(blocks)


def test_a_generator_may_write_over_its_arrays():
    X, y = labelled(105)

    def blocks():
        room, labels = np.empty((10, N_IN)), np.empty(10, int)
        for first in range(0, 105, 10):
            rows = min(10, 105 - first)
            room[:rows], labels[:rows] = X[first : first + 10], y[first : first + 10]
            yield room[:rows], labels[:rows]
            room[:], labels[:] = np.nan, 99

    given, arrays = make(shuffle=False), make(shuffle=False)
    given.fit(blocks(), shuffle_buffer=14)
    arrays.fit(X, y)
    assert_same(given, arrays)


def test_a_generator_may_ask_the_network():
    """Which is being trained meanwhile; nothing waits for the other."""
    X, y = labelled()
    given, arrays = make(shuffle=False), make(shuffle=False)

    def blocks():
        for block in cut([10] * 11, X, y):
            assert np.isfinite(given.network.predict(block[0])).all()
            assert np.isfinite(given.evaluate(*block)["loss"])
            yield block

    given.fit(blocks(), shuffle_buffer=14)
    arrays.fit(X, y)
    assert_same(given, arrays)


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("lengths", ["more than minibatches", "ragged"])
def test_weights_of_blocks(lengths, shuffle):
    X, y = labelled()
    weights = np.random.default_rng(1).uniform(0, 2, N)
    blocks, arrays = make(shuffle=shuffle), make(shuffle=shuffle)
    blocks.fit(cut(CUTS[lengths], X, y, weights), epochs=2)
    arrays.fit(X, y, epochs=2, sample_weight=weights)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_of_blocks(weighted):
    X, y = labelled()
    weights = np.linspace(0.1, 2, N)
    blocks, arrays = make(shuffle=False), make(shuffle=False)
    options = {"class_weight": {0: 3.0, 2: 0.5}, "epochs": 2}
    blocks.fit(cut([30] * 4, X, y, *([weights] if weighted else [])), shuffle_buffer=21, **options)
    arrays.fit(X, y, sample_weight=weights if weighted else None, **options)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("of", ["samples", "classes"])
@pytest.mark.parametrize("lengths", [[1] * N, [30] * 4])
def test_a_block_may_weigh_nothing(lengths, of):
    """As a minibatch may, and as the same rows may in arrays."""
    X, y = labelled()
    weights = np.linspace(1, 2, N)
    blocks, arrays = make(shuffle=False), make(shuffle=False)
    if of == "samples":
        weights[30:60] = 0
        blocks.fit(cut(lengths, X, y, weights))
        arrays.fit(X, y, sample_weight=weights)
    else:
        y[30:60] = 1
        blocks.fit(cut(lengths, X, y), class_weight={1: 0.0})
        arrays.fit(X, y, class_weight={1: 0.0})
    assert_same(blocks, arrays)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_blocks_are_not_held():
    """A few of 60, and two buffers: tracemalloc sees every array that NumPy allocates."""
    rows, width, count = 2000, 256, 60

    class Large:
        def __iter__(self):
            for k in range(count):
                yield np.full((rows, width), k, np.float32), np.full(rows, k % 4)

    net = fb.MLP([width, 4, 4], output="softmax", scale=1 / count, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", batch_size=500, seed=0, n_threads=1)
    trainer.fit(itertools.islice(Large(), 1), shuffle_buffer=rows)
    size = rows * width * 4
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        trainer.fit(Large(), epochs=2, shuffle_buffer=rows)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2 * size < peak - before < 6 * size  # of 60
    assert after - before < size / 4


@pytest.mark.parametrize("batch_size", [10**10, 2**63 - 1])
def test_a_minibatch_for_which_there_is_no_memory(batch_size):
    """Of blocks, it must be in memory; of arrays, it is all samples."""
    X, y = labelled()
    blocks, arrays, whole = (make(batch_size=size) for size in (batch_size, batch_size, N))
    before = parameters(blocks)
    with pytest.raises(ValueError, match=f"^batch_size must be smaller with blocks.* {batch_size} samples .*arrays"):
        blocks.fit(cut([N], X, y))
    assert same(before, parameters(blocks))
    assert blocks.history.epochs == 0
    for trainer in (blocks, arrays, whole):
        trainer.fit(X, y, epochs=2)
    assert_same(arrays, whole)
    assert_same(blocks, whole)
