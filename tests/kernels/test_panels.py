"""Panels: what goes in comes out, aligned and zero-padded."""

import numpy as np
import pytest
from kernels.harness import RAGGED, from_panels, to_panels

from fastbp.kernels.panels import LINE, aligned


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cols", RAGGED)
def test_round_trip(cols, dtype):
    matrix = np.random.default_rng(0).normal(size=(13, cols)).astype(dtype)
    panels = to_panels(matrix, 16, dtype)
    assert (from_panels(panels, 16, matrix.shape) == matrix).all()
    assert not panels.reshape(-1, 16, LINE // np.dtype(dtype).itemsize)[:, 13:].any()


@pytest.mark.parametrize("n", [0, 1, 15, 1000])
def test_aligned(n):
    vector = aligned(n, np.float32)
    assert vector.ctypes.data % LINE == 0 or not n
    assert vector.size == n
    assert not vector.any()
