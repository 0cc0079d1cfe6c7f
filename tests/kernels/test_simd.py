"""Vector functions against NumPy in higher precision, over their whole range."""

import numpy as np
import pytest
from kernels.harness import compiled, elementwise
from numba import njit

from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.simd import formulas, functions, memory, target, tiles

DTYPES = [np.float32, np.float64]
EXACT = {"exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p}
RANGES = {"exp": (-86, 87), "expm1": (0, 87), "log": (1e-37, 1e37), "log1p": (0, 1)}
FUNCTIONS = {name: elementwise(formulas.elementwise(getattr(functions, name), 1)) for name in EXACT}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_accuracy(name, dtype):
    """A few units in the last place: 2^-24 is 6e-8, 2^-53 is 1.1e-16."""
    low, high = RANGES[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(low, high, 100_000)
    small = 10.0 ** rng.uniform(-30, 0, 100_000) * max(low, -high, min(high, 1))
    if name == "log":
        x = 10.0 ** rng.uniform(-37, 37, 100_000)
        x = x[abs(x - 1) > 0.01]  # near 1 the relative error is that of x - 1 in the reduction; tested below
        small = 1 + rng.uniform(-0.01, 0.01, 1000)
    x = np.concatenate([x, small]).astype(dtype)
    wanted = EXACT[name](x.astype(np.longdouble))
    got = FUNCTIONS[name](x)
    error = np.abs(got - wanted) / np.maximum(np.abs(wanted), np.finfo(dtype).tiny)
    assert error.max() <= 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes(dtype):
    x = np.array([-np.inf, -1e4, -800, 0, 800, 1e4, np.inf, np.nan], dtype)
    e = FUNCTIONS["exp"](x)
    assert (e[:3] == 0).all()
    assert e[3] == 1
    assert np.isfinite(e[4:7]).all()
    assert (e[4:7] > 1e37).all()
    assert np.isnan(e[7])
    logs = FUNCTIONS["log"](np.array([0, np.finfo(dtype).tiny, 1, np.nan], dtype))
    assert np.isfinite(logs[:3]).all()
    assert logs[2] == 0
    assert np.isnan(logs[3])


@pytest.mark.parametrize("count", [1, 3, 8, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose_lines(dtype, count):
    """Of fewer lines than lanes, the last again; and back, without a touch of what lies beyond."""
    lanes = lanes_of(dtype)
    count = min(count, lanes)
    X, Y, Z = (aligned(lanes * lanes, dtype) for _ in range(3))
    X[: count * lanes] = np.random.default_rng(0).normal(size=count * lanes)
    Z[count * lanes :] = 7
    compiled(tiles.transpose_lines)(X, 0, count, Y, 0, lanes)
    rows = X.reshape(lanes, lanes)[np.minimum(np.arange(lanes), count - 1)]
    assert (Y.reshape(lanes, lanes) == rows.T).all()
    compiled(tiles.transpose_lines)(Y, 0, lanes, Z, 0, count)
    assert (Z[: count * lanes] == X[: count * lanes]).all()
    assert (Z[count * lanes :] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_keep(dtype):
    lanes = lanes_of(dtype)
    x = aligned(lanes, dtype)
    x[:] = np.arange(lanes) + 1

    @njit
    def keep(x, count):
        memory.store(x, 0, memory.keep(memory.load(x, 0), count, -7.0))

    for count in (lanes + 3, lanes, 3, 0):
        keep(x, count)
        assert (x[count:] == -7).all()
        assert (x[:count] == np.arange(lanes)[:count] + 1).all()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_block(dtype, stream):
    """Through registers or memory, through the caches or past them: as it is, and transposed."""
    lanes = lanes_of(dtype)
    W, V, T = (aligned(lanes * lanes, dtype) for _ in range(3))
    W[:] = np.arange(lanes * lanes)

    @njit
    def copy(W, V, T, stream):
        B = tiles.block(W)
        for i in range(0, len(W), memory.lanes(W)):
            memory.store(B, i, memory.load(W, i))
        tiles.block_store(B, V, 0, stream)
        tiles.block_transpose(B, 0, T, 0, stream)
        memory.fence()

    copy(W, V, T, stream)
    assert (V == W).all()
    assert (T.reshape(lanes, lanes) == W.reshape(lanes, lanes).T).all()


def test_tiles_fit_the_registers():
    """The rule of `tiles` for the targets it knows, and the target's own."""
    bits, count = target.registers()
    assert (bits, count) in [(512, 32), (256, 16), (128, 16), (128, 32)]
    assert (target.TILE_ROWS + 1) * target.TILE_PANELS * (512 // bits) + 1 <= count
    assert 16 % target.GRADIENT_ROWS == 0
