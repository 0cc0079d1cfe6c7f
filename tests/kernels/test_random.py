"""Random numbers of kernels."""

import numpy as np
from numba import njit

from fastbp.kernels.panels import aligned
from fastbp.kernels.random import row_key, uniform
from fastbp.kernels.simd.memory import lanes, store


def test_numbers_are_uniform():
    """Means, spreads and counts in 64 bins of a million numbers, and of every column and bit by itself."""

    @njit
    def draw(out, rows, columns):
        for r in range(rows):
            key = row_key(5, 7, 1, r)
            for j in range(0, columns, lanes(out)):
                store(out, r * columns + j, uniform(out, key, j))

    rows, columns = 4096, 256
    u = aligned(rows * columns, np.float32)
    draw(u, rows, columns)
    assert u.min() >= 0
    assert u.max() < 1
    u = u.astype(float).reshape(rows, columns)
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / u.size)
    assert (np.abs(u.mean(axis=0) - 0.5) < 5 * np.sqrt(1 / 12 / rows)).all()
    assert (np.abs(u.mean(axis=1) - 0.5) < 5 * np.sqrt(1 / 12 / columns)).all()
    counts = np.bincount((u.ravel() * 64).astype(int), minlength=64)
    chi = ((counts - u.size / 64) ** 2 / (u.size / 64)).sum()
    assert 30 < chi < 110  # 63 +- 4 sqrt(2 63)
    bits = (u * 2**24).astype(np.int64)
    for bit in range(24):
        assert abs((bits >> bit & 1).mean() - 0.5) < 5 * np.sqrt(0.25 / u.size)
    centred = u - 0.5
    correlation = np.corrcoef(centred, rowvar=False) - np.eye(columns)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(rows)
