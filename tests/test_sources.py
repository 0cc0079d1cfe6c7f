"""Sources: held-out samples, windows that rows are shuffled in, blocks, and samples that come bit by bit.

Most tests compare bits: however the same rows come in, the same minibatches must come of them, and so the same network.
The networks have dropout, whose masks would show a step or a row that is counted wrongly.
"""

import itertools
import mmap
import os
import threading
import tracemalloc

import numpy as np
import pytest
import reference
from conftest import run

import fastbp as fb
from fastbp import sources

N, N_IN, N_OUT = 103, 6, 3
MEGA = 2**20


def data(n=N, kind=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, N_IN)).astype(kind), rng.integers(0, N_OUT, n)


def make(optimizer=None, **options):
    net = fb.MLP([N_IN, 9, N_OUT], activation="tanh", output="softmax", dropout=0.2, seed=0)
    options = {"loss": "cross_entropy", "batch_size": 7, "seed": 0} | options
    return fb.Trainer(net, optimizer=optimizer or fb.SGD(0.1, momentum=0.9), **options)


def parameters(trainer):
    return trainer.network.weights + trainer.network.biases


def assert_same(trainer, twin, history=True):
    assert all((a == b).all() for a, b in zip(parameters(trainer), parameters(twin), strict=True))
    if history:
        a, b = ({k: v for k, v in t.history.items() if k != "seconds"} for t in (trainer, twin))
        assert list(a) == list(b)
        assert all(a[name] == pytest.approx(b[name], rel=1e-12) for name in a)


def seen(given=None, n=20, batch_size=1, shuffle=True, seed=0, **options):
    """The step of an epoch, from 0, that saw each of n samples; fails if one was seen twice or never.

    `given` makes what `fit` is given of X and y.
    """
    assert n % batch_size == 0
    net = fb.MLP([n, 1], dtype=np.float64)
    net.set_weights([np.zeros((n, 1))], [[1.0]])
    trainer = fb.Trainer(
        net, loss="squared_error", optimizer=fb.SGD(0.05), batch_size=batch_size, seed=seed, shuffle=shuffle
    )
    X, y = np.eye(n), np.zeros(n)
    trainer.fit(*(given(X, y) if given else (X, y)), **options)
    # Each step shrinks b, so the gradient that a sample leaves in its weight says when it came.
    steps = np.log(-net.weights[0][:, 0] * batch_size / 0.05) / np.log(0.95)
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert sorted(np.rint(steps)) == sorted([*range(n // batch_size)] * batch_size)
    return np.rint(steps).astype(int)


def visits(given, n=20, **options):
    """How often each of n samples has been seen."""
    net = fb.MLP([n, 1], dtype=np.float64)
    net.set_weights([np.zeros((n, 1))], [[0.0]])
    X, y = np.eye(n), np.full(n, -1e6)  # every error is positive, and its derivative 1
    fb.Trainer(net, loss="absolute_error", optimizer=fb.SGD(0.5), batch_size=1, seed=0).fit(*given(X, y), **options)
    return -net.weights[0][:, 0] / 0.5


def cut(lengths, *arrays):
    """Blocks of so many rows each; the last has what is left."""
    ends = [*itertools.takewhile(lambda end: end < len(arrays[0]), itertools.accumulate(lengths))]
    return [tuple(parts) for parts in zip(*(np.split(array, ends) for array in arrays), strict=True)]


def blocks_of(*lengths):
    """What makes a list of blocks of X and y, for `seen` and `visits`."""
    return lambda X, y: (cut(itertools.cycle(lengths), X, y),)


class Again:
    """An iterable that is no list, and begins anew each time."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


# --- held-out samples -------------------------------------------------------------------------------------------------

KINDS = {  # of targets: loss, outputs
    "labels": ("cross_entropy", 4),
    "one-hot rows": ("cross_entropy", 4),
    "labels for a regression": ("squared_error", 4),
    "0 and 1": ("binary_cross_entropy", 1),
    "a column of 0 and 1": ("binary_cross_entropy", 1),
    "-1 and 1": ("hinge", 1),
    "several of 0 and 1": ("binary_cross_entropy", 4),
    "numbers": ("squared_error", 1),
}
CLASSES = np.random.default_rng(0).permutation(np.repeat(range(4), [31, 7, 2, 20]))


def targets(kind):
    """60 targets of a kind, and the class of each."""
    binary, rng = (CLASSES < 2).astype(int), np.random.default_rng(1)
    return {
        "labels": (CLASSES, CLASSES),
        "one-hot rows": (reference.one_hot(CLASSES, 4), CLASSES),
        "labels for a regression": (CLASSES, CLASSES),
        "0 and 1": (binary, binary),
        "a column of 0 and 1": (binary[:, None].astype(float), binary),
        "-1 and 1": (2 * binary - 1, binary),
        "several of 0 and 1": (rng.integers(0, 2, (60, 4)), np.zeros(60, int)),
        "numbers": (rng.normal(size=60), np.zeros(60, int)),
    }[kind]


def held_out(y, fraction, kind="labels", seed=0, calls=1, **options):
    """The numbers of the samples that training has not seen: each has a weight of its own, that nothing else moves."""
    loss, n_out = KINDS[kind]
    net = fb.MLP([len(y), n_out], output="softmax" if loss == "cross_entropy" else "sigmoid", dtype=np.float64)
    net.set_weights([np.zeros((len(y), n_out))], [np.full(n_out, 0.1)])
    trainer = fb.Trainer(net, loss=loss, batch_size=7, seed=seed)
    for _ in range(calls):
        trainer.fit(np.eye(len(y)), y, validation_split=fraction, **options)
    return np.flatnonzero(~net.weights[0].any(axis=1))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_every_class_has_its_share_held_out(kind, fraction):
    """To within one sample; a share of all, where there are no classes that exclude each other."""
    y, classes = targets(kind)
    rows = held_out(y, fraction, kind)
    for k in {*classes}:
        assert abs((classes[rows] == k).sum() - fraction * (classes == k).sum()) < 1
    assert abs(len(rows) - fraction * 60) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_says_what_is_held_out(kind):
    """In each call of fit and each epoch the same, with windows and weights too; at random."""
    y, _ = targets(kind)
    rows = held_out(y, 0.25, kind)
    for options in ({"calls": 3}, {"epochs": 4}, {"shuffle_buffer": 8}, {"sample_weight": np.arange(1, 61)}):
        assert (held_out(y, 0.25, kind, **options) == rows).all()
    others = {tuple(held_out(y, 0.25, kind, seed=seed)) for seed in range(1, 6)}
    assert len({*others, tuple(rows)}) == 6
    assert {*range(60)} == {*rows}.union(*others, *(held_out(y, 0.25, kind, seed=s) for s in range(6, 30)))


def test_no_seed_holds_out_the_same_in_each_call():
    y, _ = targets("labels")
    assert len(held_out(y, 0.25, seed=None, calls=4, epochs=2)) == 15


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("batch_size", "options"),
    [
        (7, {}),
        (1000, {}),
        (7, {"sample_weight": np.linspace(0, 2, N)}),
        (7, {"class_weight": {0: 2.0, 2: 0.5}}),
        (7, {"sample_weight": np.linspace(0, 2, N), "class_weight": {0: 2.0, 2: 0.5}}),
        (7, {"shuffle_buffer": 20}),
    ],
)
def test_the_rest_trains_as_arrays_of_it_would(shuffle, batch_size, options):
    """To the bit; weights of samples count for what is held out too, those of classes do not."""
    X, y = data()
    held = held_out(y, 0.2)
    rest = np.setdiff1d(np.arange(N), held)
    split, arrays = (make(shuffle=shuffle, batch_size=batch_size) for _ in range(2))
    split.fit(X, y, epochs=3, validation_split=0.2, **options)
    weights = options.get("sample_weight")
    of_rest = {} if weights is None else {"sample_weight": weights[rest]}
    of_held = () if weights is None else (weights[held],)
    arrays.fit(X[rest], y[rest], epochs=3, validation_data=(X[held], y[held], *of_held), **(options | of_rest))
    assert "validation_accuracy" in split.history
    assert_same(split, arrays)


def test_balanced_classes_are_those_that_are_trained_with():
    """ "balanced" gives all classes the same sum, of the samples that are left."""
    X, y = data()
    held = held_out(y, 0.2)
    rest = np.setdiff1d(np.arange(N), held)
    assert np.ptp(np.bincount(y[rest]) / np.bincount(y)) > 0
    split, arrays = make(), make()
    split.fit(X, y, validation_split=0.2, class_weight="balanced")
    arrays.fit(X[rest], y[rest], validation_data=(X[held], y[held]), class_weight="balanced")
    assert_same(split, arrays)


def test_no_share():
    X, y = data()
    split, plain = make(), make()
    split.fit(X, y, validation_split=0)
    plain.fit(X, y)
    assert_same(split, plain)


def test_a_share_of_a_memory_map(tmp_path):
    X, y = data()
    mapped, plain = make(), make()
    mapped.fit(memory_map(tmp_path / "X", X), y, validation_split=0.3, shuffle_buffer=14)
    plain.fit(X, y, validation_split=0.3, shuffle_buffer=14)
    assert_same(mapped, plain)


@pytest.mark.parametrize(
    ("n", "options", "error", "message"),
    [
        (1, {"validation_split": 0.5}, ValueError, r"validation_split must leave samples on both sides, got 0.5 of 1"),
        (10, {"validation_split": 0.05}, ValueError, "must leave samples on both sides"),
        (10, {"validation_split": 1 - 1e-12}, ValueError, "must leave samples on both sides"),
        (10, {"validation_split": 1.0}, ValueError, r"validation_split must be .* below 1, got 1.0"),
        (10, {"validation_split": -0.1}, ValueError, "validation_split must be .* at least 0"),
        (10, {"validation_split": np.nan}, ValueError, "validation_split must be a finite number"),
        (10, {"validation_split": "0.5"}, TypeError, "validation_split must be a number"),
        (10, {"validation_split": 0.5, "validation_data": data(3)}, ValueError, "must be 0 with validation_data"),
    ],
)
def test_bad_shares(n, options, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(*data(n), **options)
    assert all((a == b).all() for a, b in zip(before, parameters(trainer), strict=True))
    assert not trainer.history


def test_something_that_weighs_must_be_left():
    X, y = data()
    held = held_out(y, 0.2)
    trainer = make()
    with pytest.raises(ValueError, match="weights must have a sum above 0"):
        trainer.fit(X, y, validation_split=0.2, sample_weight=np.isin(np.arange(N), held).astype(float))
    assert not trainer.history


# --- windows of arrays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [20, 23])
def test_rows_mix_inside_windows(n):
    """Windows come in an order of their own, but one that is not full is the last."""
    firsts, sorted_rows = set(), 0
    for seed in range(8):
        order = np.argsort(seen(n=n, seed=seed, shuffle_buffer=5))
        windows = order[:20].reshape(4, 5)
        assert (windows // 5 == windows[:, :1] // 5).all()
        assert (order[20:] >= 20).all()
        firsts.add(windows[0, 0] // 5)
        sorted_rows += (np.diff(windows, axis=1) > 0).all(axis=1).sum()
    assert len(firsts) > 1
    assert sorted_rows < 8  # of 32; at random, one in 120


def test_windows_are_whole_minibatches():
    """A buffer of 4 rows becomes one of 6, for minibatches of 3."""
    mixed = False
    for seed in range(8):
        steps = seen(n=21, batch_size=3, seed=seed, shuffle_buffer=4)
        for first in (0, 6, 12):
            window = steps[first : first + 6]
            assert [*np.unique(window)] == [window.min(), window.min() + 1]
            mixed = mixed or len({*window[:3]}) > 1
        assert (steps[18:] == 6).all()
    assert mixed


@pytest.mark.parametrize("shuffle_buffer", [99, 103, 104, 10**12])  # 99 becomes 105
def test_one_window_is_none(shuffle_buffer):
    X, y = data()
    windows, plain = make(), make()
    windows.fit(X, y, epochs=2, shuffle_buffer=shuffle_buffer)
    plain.fit(X, y, epochs=2)
    assert_same(windows, plain)


def test_windows_of_another_order():
    """A smaller buffer does matter, is the same each time, and does not without shuffling."""
    X, y = data()
    trainers = [make(shuffle=shuffle) for shuffle in (True, True, True, False, False)]
    for trainer, shuffle_buffer in zip(trainers, (None, 21, 21, None, 21), strict=True):
        trainer.fit(X, y, epochs=2, shuffle_buffer=shuffle_buffer)
    plain, windows, again, in_order, in_windows = trainers
    assert (parameters(plain)[0] != parameters(windows)[0]).any()
    assert_same(windows, again)
    assert_same(in_order, in_windows)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_windows_and_threads(n_threads):
    X, y = data()
    trainer, plain = make(n_threads=n_threads), make(n_threads=1)
    for one in (trainer, plain):
        one.fit(X, y, epochs=2, shuffle_buffer=21, validation_split=0.2)
    assert_same(trainer, plain)


@pytest.mark.parametrize(
    ("shuffle_buffer", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_bad_windows(shuffle_buffer, error):
    with pytest.raises(error, match="shuffle_buffer must be"):
        make().fit(*data(), shuffle_buffer=shuffle_buffer)


# --- windows of files -------------------------------------------------------------------------------------------------


def memory_map(path, X, before=0, after=0):
    """An array in a file, with so many other bytes before and after it."""
    path.write_bytes(b"\xff" * before + X.tobytes() + b"\xff" * after)
    return np.memmap(path, X.dtype, "r", offset=before, shape=X.shape)


def saved(path, X):
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


MAPS = {
    "a file": lambda path, X: memory_map(path / "X", X),
    "behind a header": lambda path, X: memory_map(path / "X", X, before=72),
    "behind pages": lambda path, X: memory_map(path / "X", X, before=5 * 4096 + 8),
    "of a larger file": lambda path, X: memory_map(path / "X", X, after=100_000),
    "the first rows": lambda path, X: memory_map(path / "X", np.vstack([X, X]))[: len(X)],
    "the last rows": lambda path, X: memory_map(path / "X", np.vstack([X[:50], X]), before=8)[50:],
    "rows of rows": lambda path, X: memory_map(path / "X", np.vstack([X[:9], X, X]))[4:][5:][: len(X)],
    "np.load": saved,
    "every other row": lambda path, X: memory_map(path / "X", X.repeat(2, axis=0))[::2],
    "as an array": lambda path, X: np.asarray(memory_map(path / "X", X)),
}


@pytest.mark.parametrize("shuffle_buffer", [None, 21])
@pytest.mark.parametrize("kind", MAPS)
def test_a_memory_map_is_an_array(tmp_path, kind, shuffle_buffer):
    X, y = data()
    mapped, plain = make(), make()
    mapped.fit(MAPS[kind](tmp_path, X), y, epochs=2, shuffle_buffer=shuffle_buffer)
    plain.fit(X, y, epochs=2, shuffle_buffer=shuffle_buffer)
    assert_same(mapped, plain)


@pytest.mark.parametrize("kind", [kind for kind in MAPS if kind != "every other row"])
def test_the_next_window_is_read_ahead(tmp_path, monkeypatch, kind):
    """The pages that the system is asked for are those of each window but the first."""
    advice = []

    def will_need(mapped, start, length):
        assert start % mmap.PAGESIZE == 0
        advice.append(mapped[start : start + length])

    X, y = data(105)
    monkeypatch.setattr(sources, "will_need", will_need)
    make(shuffle=True).fit(MAPS[kind](tmp_path, X), y, shuffle_buffer=21)
    windows = [X[first : first + 21].tobytes() for first in range(0, 105, 21)]
    assert sum(any(pages.endswith(window) for pages in advice) for window in windows) == 4
    assert all(len(pages) < len(windows[0]) + mmap.PAGESIZE for pages in advice)


@pytest.mark.skipif(os.name != "posix", reason="files that are open cannot be removed")
def test_a_file_may_be_removed_while_it_is_mapped(tmp_path):
    """As temporary files often are; what is mapped stays readable."""
    X, y = data()
    mapped, plain = make(), make()
    array = memory_map(tmp_path / "X", X)
    (tmp_path / "X").unlink()
    mapped.fit(array, y, shuffle_buffer=21)
    plain.fit(X, y, shuffle_buffer=21)
    assert_same(mapped, plain)


# --- blocks -----------------------------------------------------------------------------------------------------------

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
    X, y = data()
    blocks, arrays = make(shuffle=False), make(shuffle=False)
    blocks.fit(cut(CUTS[lengths], X, y), epochs=2, shuffle_buffer=shuffle_buffer)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("batch_size", [1, 50, 103, 1000])
@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.Adam(0.01)])
def test_blocks_of_other_minibatches(batch_size, optimizer):
    X, y = data()
    blocks, arrays = (make(optimizer, shuffle=False, batch_size=batch_size) for _ in range(2))
    blocks.fit(cut(CUTS["ragged"], X, y), epochs=2, shuffle_buffer=16)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


def test_blocks_of_large_minibatches():
    """That the kernels work through in parts."""
    X, y = data(5000)
    blocks, arrays = (make(shuffle=False, batch_size=2100) for _ in range(2))
    blocks.fit(cut([1700] * 3, X, y), epochs=2, shuffle_buffer=1)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("lengths", CUTS)
def test_blocks_that_fit_into_a_buffer_are_shuffled_as_arrays(lengths):
    X, y = data()
    blocks, arrays = make(), make()
    blocks.fit(cut(CUTS[lengths], X, y), epochs=3)
    arrays.fit(X, y, epochs=3)
    assert_same(blocks, arrays)


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


def test_each_epoch_has_an_order_of_its_own():
    """Two epochs are no epoch twice."""
    X, y = data()
    once, twice = make(), make()
    once.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=30)
    state = twice._rng.bit_generator.state
    for _ in range(2):
        twice._rng.bit_generator.state = state
        twice.fit(cut([30] * 4, X, y), shuffle_buffer=30)
    assert (parameters(once)[0] != parameters(twice)[0]).any()


@pytest.mark.parametrize(
    "iterable",
    [list, tuple, Again, iter, lambda blocks: (block for block in blocks), lambda blocks: ([*b] for b in blocks)],
)
def test_kinds_of_iterables(iterable):
    X, y = data()
    given, arrays = make(), make()
    given.fit(iterable(cut([30] * 4, X, y)))
    arrays.fit(X, y)
    assert_same(given, arrays)


def test_an_iterator_goes_through_once():
    X, y = data()
    trainer = make()
    blocks = iter(cut([30] * 4, X, y))
    with pytest.raises(ValueError, match="epochs must be 1 with an iterator"):
        trainer.fit(blocks, epochs=2)
    assert not trainer.history
    trainer.fit(blocks)  # nothing of it has been used up
    assert trainer.history.epochs == 1
    with pytest.raises(ValueError, match="at least one block with rows, and has none"):
        trainer.fit(blocks)


def test_a_generator_may_write_over_its_arrays():
    X, y = data(105)

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
    X, y = data()
    given, arrays = make(shuffle=False), make(shuffle=False)

    def blocks():
        for block in cut([10] * 11, X, y):
            assert np.isfinite(given.network.predict(block[0])).all()
            assert np.isfinite(given.evaluate(*block)["loss"])
            yield block

    given.fit(blocks(), shuffle_buffer=14)
    arrays.fit(X, y)
    assert_same(given, arrays)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("lengths", ["more than minibatches", "ragged"])
def test_weights_of_blocks(lengths, shuffle):
    X, y = data()
    weights = np.random.default_rng(1).uniform(0, 2, N)
    blocks, arrays = make(shuffle=shuffle), make(shuffle=shuffle)
    blocks.fit(cut(CUTS[lengths], X, y, weights), epochs=2)
    arrays.fit(X, y, epochs=2, sample_weight=weights)
    assert_same(blocks, arrays)


@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_of_blocks(weighted):
    X, y = data()
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
    X, y = data()
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
    X, _ = data()
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
    X, y = data()
    held = data(20)
    blocks, arrays = make(), make()
    blocks.fit(cut([30] * 4, X, y), epochs=2, validation_data=held)
    arrays.fit(X, y, epochs=2, validation_data=held)
    assert_same(blocks, arrays)
    assert len(blocks.history["validation_loss"]) == 2


def test_blocks_and_threads():
    X, y = data()
    trainers = [make(n_threads=n_threads) for n_threads in (1, 2, 3)]
    for trainer in trainers:
        trainer.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=21)
    assert_same(trainers[0], trainers[1])
    assert_same(trainers[0], trainers[2])


def test_a_schedule_of_steps_goes_on_from_buffer_to_buffer():
    X, y = data()
    blocks, arrays = (make(shuffle=False, schedule=fb.schedules.Exponential(0.9, per="step")) for _ in range(2))
    blocks.fit(cut([30] * 4, X, y), epochs=2, shuffle_buffer=14)
    arrays.fit(X, y, epochs=2)
    assert_same(blocks, arrays)


def test_the_progress_of_blocks(capsys):
    """How many samples there are is known after an epoch."""
    make().fit(cut([30] * 4, *data()), epochs=2, progress=True)
    assert "206/206" in capsys.readouterr().err


# --- what is wrong with blocks ----------------------------------------------------------------------------------------


def spoilt(what):
    """Three blocks of 21 rows, of which the second is not as it should be."""
    blocks = [list(block) for block in cut([21] * 3, *data(63))]
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
        "labels as floats": (X, y.astype(float)),
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
        ("rows of targets", ValueError, "y must be of one kind .* 1 dimensions in the first, .* 2 in block 1"),
        ("weights", ValueError, "weights must be in all blocks or in none: block 1 is not as the first"),
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
    X, y = data(63)
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
    blocks = [(*block, np.ones(21)) for block in cut([21] * 3, *data(63))]
    blocks[1] = (*blocks[1][:2], weights)
    with pytest.raises((ValueError, TypeError), match="block 1"):
        make().fit(blocks)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ([], {}, ValueError, "X must have at least one block with rows, and has none"),
        (iter([]), {}, ValueError, "X must have at least one block with rows, and has none"),
        (data()[0], {}, TypeError, "y must be given, unless X is an iterable of blocks .*; got ndarray"),
        (None, {}, TypeError, "y must be given"),
        (3.0, {}, TypeError, "y must be given"),
        ("X.npy", {}, TypeError, "y must be given"),
        ({"X": data()}, {}, TypeError, "y must be given"),
        (data(), {}, TypeError, "block 0 of X must be a pair"),
        ([data()], {"sample_weight": np.ones(N)}, ValueError, "sample_weight.* need samples in arrays"),
        ([data()], {"validation_split": 0.5}, ValueError, "validation_split.* need samples in arrays"),
        ([data()], {"class_weight": "balanced"}, ValueError, "'balanced' need samples in arrays"),
        ([data()], {"class_weight": {N_OUT: 1.0}}, ValueError, "class_weight's keys must be below 3"),
        ([data()], {"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
        ([data()], {"shuffle_buffer": 0}, ValueError, "shuffle_buffer must be at least 1"),
        ([data()], {"epochs": -1}, ValueError, "epochs must be at least 0"),
    ],
)
def test_no_blocks(given, options, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(given, **options)
    assert all((a == b).all() for a, b in zip(before, parameters(trainer), strict=True))
    assert not trainer.history


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("kind", [OSError, StopIteration, KeyboardInterrupt, FloatingPointError])
def test_an_error_of_the_iterable_is_its_own(kind, after):
    """The very object, with what was learnt before it kept; StopIteration in a generator is Python's RuntimeError."""
    X, y = data(63)
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


def linear():
    """A trainer that a large input makes diverge."""
    net = fb.MLP([N_IN, 1], dtype=np.float64, seed=0)
    return fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.01, momentum=0.9), batch_size=7, shuffle=False)


def test_blocks_that_diverge():
    """The message names the step of the epoch, not of the buffer, and the epoch is taken back."""
    X, y = data(105)
    trainer = linear()
    trainer.fit(X, y)
    before = parameters(trainer)
    X[80] = 1e200  # of minibatch 12
    with pytest.raises(FloatingPointError, match="at step 12 of epoch 2"):
        trainer.fit(cut([10] * 11, X, y), shuffle_buffer=21)
    assert all((a == b).all() for a, b in zip(before, parameters(trainer), strict=True))
    assert trainer.history.epochs == 1


# --- ends of blocks ---------------------------------------------------------------------------------------------------


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
                yield data(10)
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
    first = [np.concatenate(parts)[:77] for parts in zip(*[data(10)] * 8, strict=True)]
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
            yield data(7)

    def stop(state):
        state.stop = ahead.wait(30)  # until the second buffer is being filled

    make().fit(blocks(), shuffle_buffer=700, callbacks=[fb.callbacks.Lambda(batch_end=stop)])
    stopped.set()
    for thread in {*threading.enumerate()} - threads:
        thread.join(30)
    assert len(asked) < 105


def test_a_process_ends_with_endless_blocks():
    run("import test_sources as t; t.make().fit(t.Endless(), shuffle_buffer=14, callbacks=[t.Stop(3)])")


@pytest.mark.parametrize(("given", "epochs"), [(data(42), 1), ((cut([21] * 2, *data(42)),), 0)])
def test_a_stop_after_the_last_minibatch_ends_a_whole_epoch(given, epochs):
    """Which is then one of the history, though no other follows; of blocks nobody knows which is the last."""
    trainer = make()
    trainer.fit(*given, epochs=3, shuffle_buffer=21, callbacks=[Stop(6)])
    assert trainer.history.epochs == epochs


def test_a_callback_sees_every_minibatch_of_blocks():
    log = []
    watch = fb.callbacks.Lambda(batch_end=lambda s: log.append((s.step, s.samples, s.epoch_samples)))
    make().fit(cut([30] * 4, *data()), epochs=2, shuffle_buffer=14, callbacks=[watch])
    assert [step for step, _, _ in log] == [*range(1, 31)]
    assert [samples for _, samples, _ in log] == 2 * [*range(7, 103, 7), 103]
    assert log[0][2] is None


def test_blocks_without_rows_are_passed_over():
    X, y = data()
    trainer, twin = make(shuffle=False), make(shuffle=False)
    trainer.fit([(X[:0], y[:0]), (X[:30], y[:30]), (X[:0], y[:0]), (X[30:], y[30:])])
    twin.fit(X, y)
    assert_same(trainer, twin)


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


# --- samples as they come ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.SGD(0.1, momentum=0.9), fb.Adam(0.01)])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_partial_fit_is_an_epoch_in_order(optimizer, batch_size):
    """To the bit, call after call: steps and momentum go on; the history does not."""
    X, y = data()
    trainer = make(optimizer, batch_size=batch_size)
    twin = make(optimizer, batch_size=batch_size, shuffle=False)
    for rows in (slice(0, 50), slice(50, 51), slice(51, 103), slice(0, 103)):
        scores = trainer.partial_fit(X[rows], y[rows])
        history = twin.fit(X[rows], y[rows])
        assert scores == pytest.approx({name: history[name][-1] for name in ("loss", "accuracy")}, rel=1e-12)
        assert_same(trainer, twin, history=False)
    assert not trainer.history


def test_calls_of_partial_fit_are_an_epoch():
    """Cut at minibatches."""
    X, y = data()
    trainer, twin = (make(fb.Adam(0.01), shuffle=False, average=fb.EMA(0.9)) for _ in range(2))
    for first in range(0, N, 14):
        trainer.partial_fit(X[first : first + 14], y[first : first + 14])
    twin.fit(X, y)
    assert_same(trainer, twin, history=False)
    pairs = zip(trainer.averaged.weights, twin.averaged.weights, strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_partial_fit_between_epochs():
    """Both go on from where the other left the optimizer; the orders of epochs are as without it."""
    X, y = data()
    trainer, twin = make(fb.Adam(0.01)), make(fb.Adam(0.01))
    trainer.fit(X, y)
    trainer.partial_fit(X[:10], y[:10])
    trainer.fit(X, y)
    twin.fit(X, y)
    twin.shuffle = False
    twin.fit(X[:10], y[:10])
    twin.shuffle = True
    twin.fit(X, y)
    assert_same(trainer, twin, history=False)
    assert trainer.history.epochs == 2


def test_weights_of_partial_fit():
    X, y = data()
    weights = np.linspace(0, 3, N)
    trainer, twin = make(), make(shuffle=False)
    scores = trainer.partial_fit(X, y, sample_weight=weights)
    history = twin.fit(X, y, sample_weight=weights)
    assert scores["loss"] == pytest.approx(history["loss"][0], rel=1e-12)
    assert_same(trainer, twin, history=False)


def test_the_scores_of_partial_fit():
    """Of each sample before its step; no accuracy where there are no classes."""
    X, y = data()
    net = fb.MLP([N_IN, 9, N_OUT], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", batch_size=1000)
    before = trainer.evaluate(X, y)
    assert trainer.partial_fit(X, y) == before
    regression = fb.Trainer(fb.MLP([N_IN, 1], seed=0), loss="squared_error")
    assert [*regression.partial_fit(X, X[:, 0])] == ["loss"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((data()[0], data()[1][:-1]), ValueError, "y must have a row for each of the 103 rows of X"),
        ((data()[0][:, 1:], data()[1]), ValueError, r"X must have shape \(n, 6\)"),
        ((data()[0][:0], data()[1][:0]), ValueError, "X must have at least one row"),
        ((np.full((2, N_IN), np.nan), [0, 1]), ValueError, r"X\[0, 0\] is nan"),
        ((data()[0], np.full(N, N_OUT)), ValueError, r"y\[0\] is 3"),
        ((data()[0], None), TypeError, "y must be"),
    ],
)
def test_bad_samples_for_partial_fit(given, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.partial_fit(*given)
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        trainer.partial_fit(*data(), sample_weight=[1.0])
    assert all((a == b).all() for a, b in zip(before, parameters(trainer), strict=True))


def test_partial_fit_that_diverges():
    """What the call has done is taken back."""
    X, y = data(35)
    trainer = linear()
    trainer.partial_fit(X, y)
    before = parameters(trainer)
    X[30] = 1e200
    with pytest.raises(FloatingPointError, match="at step 5"):
        trainer.partial_fit(X, y)
    assert all((a == b).all() for a, b in zip(before, parameters(trainer), strict=True))
