"""This folder has vectors of one cache line, tiles of such vectors in registers, and the arithmetic on them.

It is the only folder that writes LLVM instructions. It gives Numba a value type, `vector`, of 16 float32 or 8 float64:
one cache line of 64 bytes, which is a row of a panel (`panels.py`). Kernels use a *tile* of rows x panels vectors, a
tuple in row-major order. They write their loops in Python around the intrinsics of this folder. The formulas of
activation functions, their derivatives, losses and update rules are plain Python functions of `Vector`. The function
`elementwise` makes an intrinsic of each of them. The same formulas compute with arrays, and are recorded by the nodes
of graphs (`operands.py`).

Each value of a tile is summed by one chain of fused multiply-adds, in the order of the loop around the tile. So results
do not depend on the shape of the tile, or on how rows are divided over threads.
"""

OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""The compiler options of every kernel.

A division by 0 gives infinity or NaN and no error. Other Python threads may run meanwhile. References to arrays are not
counted: nobody owns these arrays, and counting was a function call for every block of weights, at which the tile had to
leave its registers. That took 7 % of a step of 784-128-10. There are no wrappers for Python and C, because only other
kernels call a kernel. The wrappers took a fifth of the compile time.
"""

INLINE = {"inline": "always", **OPTIONS}
"""The options of a kernel that is only compiled as a part of its caller. Without them, it would be compiled twice: by
itself, and as a part of its caller."""
