"""Sources of arrays and memory maps: whole, and in windows that rows are shuffled in."""

import mmap
import os

import numpy as np
import pytest
from epochs import assert_same, make, memory_map, seen
from helpers import labelled, parameters

from fastbp.data import sources

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
    X, y = labelled()
    windows, plain = make(), make()
    windows.fit(X, y, epochs=2, shuffle_buffer=shuffle_buffer)
    plain.fit(X, y, epochs=2)
    assert_same(windows, plain)


def test_windows_of_another_order():
    """A smaller buffer does matter, is the same each time, and does not without shuffling."""
    X, y = labelled()
    trainers = [make(shuffle=shuffle) for shuffle in (True, True, True, False, False)]
    for trainer, shuffle_buffer in zip(trainers, (None, 21, 21, None, 21), strict=True):
        trainer.fit(X, y, epochs=2, shuffle_buffer=shuffle_buffer)
    plain, windows, again, in_order, in_windows = trainers
    assert (parameters(plain)[0] != parameters(windows)[0]).any()
    assert_same(windows, again)
    assert_same(in_order, in_windows)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_windows_and_threads(n_threads):
    X, y = labelled()
    trainer, plain = make(n_threads=n_threads), make(n_threads=1)
    for one in (trainer, plain):
        one.fit(X, y, epochs=2, shuffle_buffer=21, validation_split=0.2)
    assert_same(trainer, plain)


@pytest.mark.parametrize(
    ("shuffle_buffer", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_bad_windows(shuffle_buffer, error):
    with pytest.raises(error, match="shuffle_buffer must be"):
        make().fit(*labelled(), shuffle_buffer=shuffle_buffer)


# --- windows of files -------------------------------------------------------------------------------------------------


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
    X, y = labelled()
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

    X, y = labelled(105)
    monkeypatch.setattr(sources, "will_need", will_need)
    make(shuffle=True).fit(MAPS[kind](tmp_path, X), y, shuffle_buffer=21)
    windows = [X[first : first + 21].tobytes() for first in range(0, 105, 21)]
    assert sum(any(pages.endswith(window) for pages in advice) for window in windows) == 4
    assert all(len(pages) < len(windows[0]) + mmap.PAGESIZE for pages in advice)


@pytest.mark.skipif(os.name != "posix", reason="files that are open cannot be removed")
def test_a_file_may_be_removed_while_it_is_mapped(tmp_path):
    """As temporary files often are; what is mapped stays readable."""
    X, y = labelled()
    mapped, plain = make(), make()
    array = memory_map(tmp_path / "X", X)
    (tmp_path / "X").unlink()
    mapped.fit(array, y, shuffle_buffer=21)
    plain.fit(X, y, shuffle_buffer=21)
    assert_same(mapped, plain)
