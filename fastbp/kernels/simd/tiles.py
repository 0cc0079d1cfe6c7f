"""Tiles: M x N vectors in registers, a tuple in row-major order, and what is done with all of them at once."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .memory import element_at, fetch_line, load_line, store_line
from .target import G
from .vector import I32, I64, VECTORS, Vector, broadcast, fma, line_type


def _tile(rows, panels, A):
    return types.UniTuple(VECTORS[A.dtype], rows.literal_value * panels.literal_value)


@intrinsic
def block_rows(typingctx, A):
    """The rows of a gradient's tile, known at compile time: a divisor of lanes."""
    height = min(G, VECTORS[A.dtype].lanes)
    return types.literal(height)(A), lambda context, builder, sig, args: I64(height)


@intrinsic(prefer_literal=True)
def tile_zero(typingctx, rows, panels, A):
    """c[m, n] = 0 in A's dtype."""
    tile = _tile(rows, panels, A)

    def codegen(context, builder, sig, args):
        zero = ir.Constant(line_type(tile.dtype), [0.0] * tile.dtype.lanes)
        return context.make_tuple(builder, tile, [zero] * tile.count)

    return tile(rows, panels, A), codegen


@intrinsic(prefer_literal=True)
def tile_fill(typingctx, rows, panels, B, b, stride):
    """c[m, n] = B[b + n stride : + lanes] for every row m."""
    tile, n64 = _tile(rows, panels, B), types.intp

    def codegen(context, builder, sig, args):
        columns = [
            load_line(builder, element_at(context, builder, B, *args[2:4], (args[4], n)), tile.dtype)
            for n in range(panels.literal_value)
        ]
        return context.make_tuple(builder, tile, columns * rows.literal_value)

    return tile(rows, panels, B, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_load(typingctx, rows, panels, C, c, stride):
    """c[m, n] = C[c + m lanes + n stride : + lanes]."""
    tile, n64 = _tile(rows, panels, C), types.intp

    def codegen(context, builder, sig, args):
        cells = [(m, n) for m in range(rows.literal_value) for n in range(panels.literal_value)]
        width = I64(tile.dtype.lanes)
        values = [
            load_line(builder, element_at(context, builder, C, *args[2:4], (width, m), (args[4], n)), tile.dtype)
            for m, n in cells
        ]
        return context.make_tuple(builder, tile, values)

    return tile(rows, panels, C, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_store(typingctx, rows, panels, c, C, i, stride):
    """C[i + m lanes + n stride : + lanes] = c[m, n]."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        values = iter(cgutils.unpack_tuple(builder, args[2]))
        width = I64(c.dtype.lanes)
        for m in range(rows.literal_value):
            for n in range(panels.literal_value):
                store_line(builder, next(values), element_at(context, builder, C, *args[3:5], (width, m), (args[5], n)))
        return context.get_dummy_value()

    return types.none(rows, panels, c, C, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_fma(typingctx, rows, panels, c, A, a, a_stride, W, w, w_stride):
    """c[m, n] += A[a + m a_stride] * W[w + n w_stride : + lanes]."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        _, _, tile, left, a, a_step, right, w, w_step = args
        M, N = rows.literal_value, panels.literal_value
        columns = [
            Vector(builder, load_line(builder, element_at(context, builder, W, right, w, (w_step, n)), c.dtype))
            for n in range(N)
        ]
        old, new = cgutils.unpack_tuple(builder, tile), []
        for m in range(M):
            scalar = builder.load(element_at(context, builder, A, left, a, (a_step, m)))
            factor = Vector(builder, broadcast(builder, scalar, c.dtype.lanes))
            new += [fma(factor, columns[n], Vector(builder, old[m * N + n])).value for n in range(N)]
        return context.make_tuple(builder, c, new)

    return c(rows, panels, c, A, n64, n64, W, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_fetch(typingctx, rows, A, i):
    """Ask for the lines A[i + m lanes : + lanes] of rows m, soon to be changed."""

    def codegen(context, builder, sig, args):
        width = I64(VECTORS[A.dtype].lanes)
        for m in range(rows.literal_value):
            fetch_line(builder, element_at(context, builder, A, *args[1:], (width, m)))
        return context.get_dummy_value()

    return types.none(rows, A, types.intp), codegen


def tile_update(rules: dict[int, tuple[int, Callable]], slots: int):
    """The intrinsic that applies one of `rules` to a tile of the gradient; see `rules.RULES`."""

    @intrinsic(prefer_literal=True)
    def tile_descend(typingctx, rule, rows, g, h, P, p, S, s, size):
        count, formula = rules[rule.literal_value]
        n64 = types.intp

        def codegen(context, builder, sig, args):
            _, _, gradient, hyper, theta, start, state, s_start, s_size = args
            width, line, scalars = I64(g.dtype.lanes), g.dtype, []
            for k in range(slots):
                scalar = builder.load(element_at(context, builder, h, hyper, I64(k)))
                scalars.append(Vector(builder, broadcast(builder, scalar, line.lanes)))
            for m, value in enumerate(cgutils.unpack_tuple(builder, gradient)):
                at = [element_at(context, builder, P, theta, start, (width, m))]
                at += [element_at(context, builder, S, state, s_start, (width, m), (s_size, k)) for k in range(count)]
                old = [Vector(builder, load_line(builder, pointer, line)) for pointer in at]
                for new, pointer in zip(formula(Vector(builder, value), *old, scalars), at, strict=True):
                    store_line(builder, new.value, pointer)
            return context.get_dummy_value()

        return types.none(rule, rows, g, h, P, n64, S, n64, n64), codegen

    return tile_descend


@intrinsic
def transpose(typingctx, W, w, T, t):
    """T[t + i lanes + j] = W[w + j lanes + i]: a square block, each side contiguous.

    A butterfly of lane exchanges; a scalar transpose cost a quarter of a training step of 512 x 512.
    """
    vector = VECTORS[W.dtype]
    n, n64 = vector.lanes, types.intp

    def codegen(context, builder, sig, args):
        width = I64(n)
        rows = [load_line(builder, element_at(context, builder, W, *args[:2], (width, m)), vector) for m in range(n)]
        step = 1
        while step < n:
            low = [lane if not lane & step else n + (lane ^ step) for lane in range(n)]
            high = [lane ^ step if not lane & step else n + lane for lane in range(n)]
            low, high = (ir.Constant(ir.VectorType(I32, n), order) for order in (low, high))
            for m in range(n):
                if not m & step:
                    x, y = rows[m], rows[m | step]
                    rows[m], rows[m | step] = builder.shuffle_vector(x, y, low), builder.shuffle_vector(x, y, high)
            step *= 2
        for m in range(n):
            store_line(builder, rows[m], element_at(context, builder, T, *args[2:], (width, m)))
        return context.get_dummy_value()

    return types.none(W, n64, T, n64), codegen
