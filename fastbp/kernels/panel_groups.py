"""This module cuts the panels of a layer into groups, for the kernels that leave zeros out.

Such a kernel has a tile of few rows, and of many panels instead. A layer with another number of panels is cut into the
largest groups first: 7 panels become groups of 4, 2 and 1 panels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from .dense import Matrix, all_finite
from .simd import INLINE
from .simd.memory import call, lanes, record_at
from .simd.target import MASKED_TILES, TILE_PANELS
from .structs import STEP


def cut_of(panels: int) -> str:
    """Return the sizes of the groups into which a number of panels is cut, each once, as digits."""
    sizes = ""
    for n, _, _ in MASKED_TILES:
        sizes += str(n) * (panels >= n)
        panels %= n
    return sizes


def tiles_of(cut: str) -> tuple:
    """Return the tiles for a text of `cut_of`. A kernel that has only these is compiled sooner than one with all."""
    return tuple(tile for tile in MASKED_TILES if str(tile[0]) in cut)


def multiply_groups(tiles: tuple, multiply: Callable):
    """Return the function that computes out = a W + b for all panels from one on.

    Parameters
    ----------
    tiles : tuple
        The tiles of the groups.
    multiply : function
        A function that takes the rows and the panels of a tile. It returns the kernel for a group of panels.
    """
    n, m, _ = tiles[0]
    group_of, others = multiply(m, n), multiply_groups(tiles[1:], multiply) if tiles[1:] else None

    @njit(**INLINE)
    def groups(address, p, inputs, W, b, out, i, k, t, first, last):
        """out = a W + b for the panels from panel i on. A follower is applied to each group of panels.

        The arguments are those of an operation, its PRODUCT record p, and the vectors of the record. The inputs are
        what the function of `multiply` reads.
        """
        step, L = record_at(address, STEP), lanes(out)
        panels = (p.columns + L - 1) // L
        while i + n <= panels:
            weights, bias = Matrix(W, i * p.w_panel, L, p.w_panel), Matrix(b, i * p.b_panel, 0, p.b_panel)
            group_of(inputs, weights, bias, Matrix(out, i * step.stride, L, step.stride), p.rows, first, last)
            if p.checked and i == 0 and not all_finite(out, first, last):
                step.odd = 1
            if p.followed:
                for q in range(i, i + n, TILE_PANELS):
                    call(p.follower, (address, p.layer, k, t, first, last, q))
            i += n
        if others is not None:
            others(address, p, inputs, W, b, out, i, k, t, first, last)

    return groups


def place_of(tiles: tuple):
    """Return the function that finds the groups of panels."""
    sizes = tuple(np.int64(n) for n, _, _ in tiles)

    @njit(**INLINE)
    def place(panels, group):
        """Return the first panel of a group. For group -1, return the number of groups."""
        i, count = 0, 0
        for n in sizes:
            while i + n <= panels and count != group:
                i, count = i + n, count + 1
        return count if group < 0 else i

    return place
