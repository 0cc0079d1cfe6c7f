"""Vectors of one cache line, tiles of them in registers, and the arithmetic on them.

The only folder that writes LLVM. It gives Numba a value type, `vector`, of 16 float32 or 8 float64: one
64-byte cache line, the panel row of `panels.py`. Kernels hold a *tile* of rows x panels of them, a tuple in
row-major order, and write their loops in Python around the intrinsics below. Elementwise formulas (sigma, its
derivative, losses, update rules) are plain Python functions of `Vector`; `elementwise` makes intrinsics of them.

Whatever shape a tile has, an element is accumulated by one chain of fused multiply-adds in the order of the
loop around it: results do not depend on how rows are shared out.
"""

OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of every kernel: divisions do not raise, other Python threads run meanwhile, memory is not counted, and only other
kernels call it. Counting references to vectors that nobody owns was a call for every block of weights, around which
tiles left their registers: 7 % of a step of 784-128-10. The wrappers for Python and C took a fifth of the compile
time."""

INLINE = {"inline": "always", **OPTIONS}
"""Of a kernel that is typed and compiled with its caller, rather than on its own and then once more in there."""
