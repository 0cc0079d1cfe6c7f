"""This module finds out how wide the vector registers of the machine are, and which shape of tile they can hold."""

from __future__ import annotations

import llvmlite.binding as llvm
from numba import config

from ..panels import LINE


def registers() -> tuple[int, int]:
    """Return the width in bits, and the number, of the vector registers of the target that Numba compiles for."""
    if not config.CPU_NAME and config.CPU_FEATURES is None and config.ENABLE_AVX:
        features = llvm.get_host_cpu_features()
        if features.get("avx512f"):
            return 512, 32
        if features.get("avx2"):
            return 256, 16
    # For another target, or another machine than x86, this compiles a function that doubles a cache line. The names of
    # the registers in its assembly show how wide they are.
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=config.CPU_NAME or llvm.get_host_cpu_name(), features=config.CPU_FEATURES or ""
    )
    source = """define void @double(ptr %p) {
        %x = load <16 x float>, ptr %p
        %y = fadd <16 x float> %x, %x
        store <16 x float> %y, ptr %p
        ret void
    }"""
    assembly = machine.emit_assembly(llvm.parse_assembly(source))
    for name, found in (("zmm", (512, 32)), ("ymm", (256, 16)), ("xmm", (128, 16))):
        if name in assembly:
            return found
    return 128, 32


def _tiles() -> tuple[int, int, int]:
    """Return the rows and panels of the tile of a product, and the rows of the tile of a gradient.

    A tile is as large as the registers allow. A product of `rows` x `panels` needs rows * panels vectors for its sums,
    `panels` vectors for the right matrix, and one vector for a value of the left matrix. A tile that is too large moves
    its sums to memory: on AVX2, 8 x 2 ran at a third of the speed of 6 x 1.
    """
    bits, count = registers()
    room = (count - 1) // (8 * LINE // bits)
    if room >= 26:
        return 8, 2, 16
    return room - 1, 1, 4 if room > 4 else 2


TILE_ROWS, TILE_PANELS, GRADIENT_ROWS = _tiles()

TILES_WITHOUT_ZEROS: tuple[tuple[int, int, int], ...] = ((4, 1, 1), (2, 2, 2), (1, 4, 4))
if TILE_PANELS > 1:
    TILES_WITHOUT_ZEROS = ((8, 1, 2), (4, 1, 4), (2, 8, 8), (1, 8, 8))
"""The tiles that leave zeros out, each with its panels, its rows in a product, and its inputs in a gradient.

A tile is computed where one of its rows, or of its inputs, is not 0. So it has few of them, and many panels instead. A
layer is cut into the first kind of tile as far as it goes, and the rest into the next kinds."""
