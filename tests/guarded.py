"""Memory between two pages that nobody may touch: a read or a write out of bounds ends the process.

`python tests/guarded.py` runs every shape below with all vectors of the engine, the inputs, targets and outputs in such
memory, once against the page behind and once against the page before. It prints how many fits it made.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_keep = []


def guarded(n: int, dtype: np.dtype, at_end: bool) -> np.ndarray:
    """A vector of n zeros whose last, or first, byte is next to a forbidden page."""
    size = n * np.dtype(dtype).itemsize
    pages = -(-size // PAGE)
    area = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    for guard in (start, start + (pages + 1) * PAGE):
        if _libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    _keep.append(area)
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(area, np.uint8, size, offset).view(dtype)


def copy(array: np.ndarray, at_end: bool) -> np.ndarray:
    """The same array in guarded memory."""
    out = guarded(array.size, array.dtype, at_end).reshape(array.shape)
    out[...] = array
    return out


def main() -> None:
    """Fit, evaluate, predict and take gradients for every shape."""
    import fastbp as fb
    from fastbp import engine, network, trainer

    rng = np.random.default_rng(0)
    fits = 0
    shapes = [[1, 1], [16, 16], [17, 1], [15, 33], [7, 8, 9], [16, 32, 2], [61, 37, 23, 7], [3, 1, 18, 5, 40]]
    for at_end in (True, False):
        allocate = lambda n, dtype, at_end=at_end: guarded(n, dtype, at_end)  # noqa: E731
        engine.aligned = network.aligned = trainer.aligned = allocate
        for sizes, dtype, kind in itertools.product(
            shapes, (np.float32, np.float64), (np.uint8, np.float32, np.float64)
        ):
            n, batch = [(1, 1), (2, 1), (7, 7), (9, 4), (19, 10), (33, 16)][fits % 6]
            output, loss = [
                ("softmax", "cross_entropy"),
                ("sigmoid", "binary_cross_entropy"),
                ("identity", "squared_error"),
            ][fits % 3]
            X = copy(rng.integers(0, 3, (n, sizes[0])).astype(kind), at_end)
            y = rng.integers(0, sizes[-1], n)
            y = (
                copy(y, at_end)
                if fits % 2 and loss != "binary_cross_entropy"
                else copy(np.eye(sizes[-1], dtype=kind)[y], at_end)
            )
            net = fb.MLP(sizes, activation="tanh", output=output, dtype=dtype, scale=[0.5, 1.0][fits % 2], seed=0)
            gradient = ("fused", "stored")[fits % 2]
            options = {"batch_size": batch, "n_threads": 1 + fits % 3, "gradient": gradient, "seed": 0}
            optimizer = fb.Adam(0.01) if fits % 2 else fb.SGD(0.01, momentum=0.9)
            fb.Trainer(net, loss=loss, optimizer=optimizer, **options).fit(X, y, epochs=2)
            fb.Trainer(net, loss=loss).evaluate(X, y)
            net.gradients(X, y, loss=loss)
            out = guarded(n * sizes[-1], dtype, at_end).reshape(n, sizes[-1])
            network.np.empty, empty = (lambda *args, out=out: out), np.empty
            try:
                assert net.predict(X) is out
                assert np.isfinite(out).all()
            finally:
                network.np.empty = empty
            fits += 1
    print(fits)


if __name__ == "__main__":
    main()
