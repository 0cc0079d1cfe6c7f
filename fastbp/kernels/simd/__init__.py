"""Vectors of one cache line, tiles of them in registers, and the arithmetic on them.

The only folder that writes LLVM. It gives Numba a value type, `vector`, of 16 float32 or 8 float64: one
64-byte cache line, the panel row of `panels.py`. Kernels hold an M x N *tile* of them, a tuple in row-major
order, and write their loops in Python around the intrinsics below. Elementwise formulas (sigma, its
derivative, losses, update rules) are plain Python functions of `Vector`; `elementwise` makes intrinsics of them.

Whatever shape a tile has, an element is accumulated by one chain of fused multiply-adds in the order of the
loop around it: results do not depend on how rows are shared out.
"""

from ..panels import LINE
from .formulas import elementwise
from .functions import exp, expm1, log, log1p, normal_cdf, sine_of_half_turns
from .memory import (
    FLOAT32,
    FLOAT64,
    UINT8,
    array_at,
    call,
    fence,
    fetch,
    fetch_to_change,
    hashed,
    holds_zeros,
    keep,
    lanes,
    load,
    load_input,
    load_input_part,
    splat,
    store,
)
from .target import G, M, N, registers
from .tiles import (
    block,
    block_rows,
    block_store,
    block_transpose,
    tile_fill,
    tile_fma,
    tile_load,
    tile_store,
    tile_update,
    tile_zero,
    transpose_lines,
)
from .vector import absolute, fma, maximum, minimum, sqrt, where, with_sign

OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of every kernel: divisions do not raise, other Python threads run meanwhile, memory is not counted, and only other
kernels call it. Counting references to vectors that nobody owns was a call for every block of weights, around which
tiles left their registers: 7 % of a step of 784-128-10. The wrappers for Python and C took a fifth of the compile
time."""

INLINE = {"inline": "always", **OPTIONS}
"""Of a kernel that is typed and compiled with its caller, rather than on its own and then once more in there."""

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "INLINE",
    "LINE",
    "OPTIONS",
    "UINT8",
    "G",
    "M",
    "N",
    "absolute",
    "array_at",
    "block",
    "block_rows",
    "block_store",
    "block_transpose",
    "call",
    "elementwise",
    "exp",
    "expm1",
    "fence",
    "fetch",
    "fetch_to_change",
    "fma",
    "hashed",
    "holds_zeros",
    "keep",
    "lanes",
    "load",
    "load_input",
    "load_input_part",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "normal_cdf",
    "registers",
    "sine_of_half_turns",
    "splat",
    "sqrt",
    "store",
    "tile_fill",
    "tile_fma",
    "tile_load",
    "tile_store",
    "tile_update",
    "tile_zero",
    "transpose_lines",
    "where",
    "with_sign",
]
