"""This module has tiles: rows x panels vectors in registers, stored as a tuple in row-major order.

An element c[m, n] of a tile is a vector: row m of panel n.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..panels import LINE
from .memory import element_at, load_line, store_line, to_element
from .target import GRADIENT_ROWS
from .vector import I32, I64, VECTORS, Vector, broadcast, element_of, fma, line_type, normal


def _tile(rows, panels, A):
    """Return the Numba type of a tile."""
    return types.UniTuple(VECTORS[A.dtype], rows.literal_value * panels.literal_value)


@intrinsic
def block_rows(typingctx, A):
    """Return the number of rows of the tile of a gradient, as a literal. It divides the number of lanes."""
    height = min(GRADIENT_ROWS, VECTORS[A.dtype].lanes)
    return types.literal(height)(A), lambda context, builder, sig, args: I64(height)


@intrinsic(prefer_literal=True)
def tile_zero(typingctx, rows, panels, A):
    """Return the tile c[m, n] = 0 in A's dtype."""
    tile = _tile(rows, panels, A)

    def codegen(context, builder, sig, args):
        zero = ir.Constant(line_type(tile.dtype), [0.0] * tile.dtype.lanes)
        return context.make_tuple(builder, tile, [zero] * tile.count)

    return tile(rows, panels, A), codegen


@intrinsic(prefer_literal=True)
def tile_fill(typingctx, rows, panels, B, b, stride):
    """Return the tile c[m, n] = B[b + n stride : + lanes], which is the same for every row m."""
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
    """Return the tile c[m, n] = C[c + m lanes + n stride : + lanes]."""
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


@intrinsic
def tile_finish(typingctx, c):
    """Return the tile c[m, n] + 0.0, which has 0.0 where c has -0.0."""

    def codegen(context, builder, sig, args):
        zero = ir.Constant(line_type(c.dtype), [0.0] * c.dtype.lanes)
        lines = cgutils.unpack_tuple(builder, args[0])
        return context.make_tuple(builder, c, [builder.fadd(line, zero) for line in lines])

    return c(c), codegen


@intrinsic(prefer_literal=True)
def tile_fma(typingctx, rows, panels, c, A, a, a_stride, W, w, w_stride):
    """Return the tile c[m, n] + A[a + m a_stride] * W[w + n w_stride : + lanes]."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        _, _, tile, left, a, a_step, right, w, w_step = args
        count = panels.literal_value
        columns = [
            Vector(builder, load_line(builder, element_at(context, builder, W, right, w, (w_step, n)), c.dtype))
            for n in range(count)
        ]
        old, new = cgutils.unpack_tuple(builder, tile), []
        for m in range(rows.literal_value):
            scalar = builder.load(element_at(context, builder, A, left, a, (a_step, m)))
            factor = Vector(builder, broadcast(builder, scalar, c.dtype.lanes))
            new += [fma(factor, columns[n], Vector(builder, old[m * count + n])).value for n in range(count)]
        return context.make_tuple(builder, c, new)

    return c(rows, panels, c, A, n64, n64, W, n64, n64), codegen


@intrinsic
def tile_multiply_add(typingctx, c, X, x, Y, y):
    """Return the tile of one vector c + X[x : + lanes] * Y[y : + lanes]."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        tile, *places = args
        old = cgutils.unpack_tuple(builder, tile)
        left = load_line(builder, element_at(context, builder, X, *places[:2]), c.dtype)
        right = load_line(builder, element_at(context, builder, Y, *places[2:]), c.dtype)
        new = fma(*(Vector(builder, value) for value in (left, right, old[0])))
        return context.make_tuple(builder, c, [new.value])

    return c(c, X, n64, Y, n64), codegen


def tile_update(rule, shape: Callable):
    """Return the intrinsic that applies an update rule to a tile of the gradient, in registers.

    The rule has `update(g, theta, *states, h)`, and the names of its `states` and of its `hyperparameters`, which are
    the attributes of h. The function `shape` changes the gradient before the rule gets it. The intrinsic is
    `tile_apply(panels, g, stride, H, h, shaping, P, p, S, s, size, Q, q)`. It has thirteen arguments because it reads
    and writes five vectors, each with its place:

    - g is the tile of the gradient. Its line g[m, n] belongs to the parameters at i = m lanes + n stride.
    - The hyperparameters are at H[h], H[h + 1], ...
    - The parameters are P[p + i : + lanes]. State vector k is S[s + k size + i : + lanes], and gets its new values.
    - The new parameters are written to Q[q + i : + lanes].
    - `shaping` holds the last arguments of `shape`. If it is empty, the rule gets the gradient as it is.
    """

    @intrinsic(prefer_literal=True)
    def tile_apply(typingctx, panels, g, stride, H, h, shaping, P, p, S, s, size, Q, q):
        n64 = types.intp

        def codegen(context, builder, sig, args):
            _, gradient, step, hyper, first, shapes, theta, start, state, s_start, s_size, new_theta, new_start = args
            line, named, width = g.dtype, SimpleNamespace(), I64(g.dtype.lanes)
            spread = lambda x: Vector(builder, broadcast(builder, x, line.lanes))  # noqa: E731
            for k, name in enumerate(rule.hyperparameters):
                setattr(named, name, spread(builder.load(element_at(context, builder, H, hyper, first, (I64(1), k)))))
            shapes = cgutils.unpack_tuple(builder, shapes) if len(shaping) else []
            shapes = [spread(to_element(builder, x, element_of(line.dtype))) for x in shapes]
            vectors = [(s_size, k) for k in range(len(rule.states))]
            for k, value in enumerate(cgutils.unpack_tuple(builder, gradient)):
                place = (width, k // panels.literal_value), (step, k % panels.literal_value)
                at = [element_at(context, builder, P, theta, start, *place)]
                at += [element_at(context, builder, S, state, s_start, *place, vector) for vector in vectors]
                old = [Vector(builder, load_line(builder, pointer, line)) for pointer in at]
                at[0] = element_at(context, builder, Q, new_theta, new_start, *place)
                shaped = Vector(builder, value)
                if shapes:
                    shaped = shape(shaped, old[0], *shapes)
                parameters, *states = rule.update(shaped, *old, named)
                for new, pointer in zip([parameters, *map(normal, states)], at, strict=True):
                    store_line(builder, new.value, pointer)
            return context.get_dummy_value()

        return types.none(panels, g, n64, H, n64, shaping, P, n64, S, n64, n64, Q, n64), codegen

    return tile_apply


@intrinsic(prefer_literal=True)
def spread(typingctx, count, P):
    """Return a tuple of `count` vectors. Vector k has the number P[k] in every lane."""
    vector = VECTORS[P.dtype]
    out = types.UniTuple(vector, count.literal_value) if count.literal_value else types.Tuple(())

    def codegen(context, builder, sig, args):
        pointers = [element_at(context, builder, P, args[1], I64(k)) for k in range(count.literal_value)]
        values = [broadcast(builder, builder.load(pointer), vector.lanes) for pointer in pointers]
        return context.make_tuple(builder, out, values)

    return out(count, P), codegen


def _unpack(builder, x, y, block: int, unit: int):
    """Return two vectors: the low halves, and the high halves, of every 16-byte block of x and of y.

    In each half, `unit` lanes of x and `unit` lanes of y come in turn.
    """
    halves = []
    for half in (0, block // 2):
        order = []
        for start in range(half, x.type.count, block):
            for lane in range(start, start + block // 2, unit):
                order += [*range(lane, lane + unit), *range(x.type.count + lane, x.type.count + lane + unit)]
        halves.append(builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, x.type.count), order)))
    return halves


def _blocks(builder, x, y, first: tuple[int, int]):
    """Return two of the four 16-byte blocks of x, and then the same two blocks of y, as one vector."""
    count = x.type.count
    lanes = [lane for block in first for lane in range(block * count // 4, (block + 1) * count // 4)]
    order = ir.Constant(ir.VectorType(I32, count), lanes + [count + lane for lane in lanes])
    return builder.shuffle_vector(x, y, order)


def _transposed(builder, rows: list) -> list:
    """Return a square of vectors, transposed: first inside the 16-byte blocks, and then the 4 x 4 blocks.

    Each of these exchanges is one instruction that needs no further register. A butterfly over the bits of the lane
    number would be easier to read, but it needs a register with a table of lanes for each exchange, and more copies.
    """
    block = len(rows) // 4
    inside = []
    for g in range(0, len(rows), block):
        group = rows[g : g + block]
        if block == 4:
            low, high = _unpack(builder, group[0], group[1], 4, 1), _unpack(builder, group[2], group[3], 4, 1)
            inside += _unpack(builder, low[0], high[0], 4, 2) + _unpack(builder, low[1], high[1], 4, 2)
        else:
            inside += _unpack(builder, group[0], group[1], 2, 1)
    out = [None] * len(rows)
    for k in range(block):
        v = inside[k::block]
        for start, pair in ((0, (0, 1)), (2, (2, 3))):
            low, high = _blocks(builder, v[0], v[1], pair), _blocks(builder, v[2], v[3], pair)
            out[start * block + k] = _blocks(builder, low, high, (0, 2))
            out[(start + 1) * block + k] = _blocks(builder, low, high, (1, 3))
    return out


def _block_of(context, builder, B, block, start) -> list:
    """Emit loads of the rows of a block that begins at a position, and return the vectors."""
    vector = VECTORS[B.dtype]
    width = I64(vector.lanes)
    return [
        load_line(builder, element_at(context, builder, B, block, start, (width, m)), vector)
        for m in range(vector.lanes)
    ]


def _store_block(context, builder, rows: list, array, value, start, stream):
    """Emit stores of the rows of a block. If `stream` is true when the code runs, they go past the caches."""
    width = I64(rows[0].type.count)
    pointers = [element_at(context, builder, array, value, start, (width, m)) for m in range(len(rows))]
    nothing = ir.FunctionType(ir.VoidType(), [])
    with builder.if_else(stream) as (past, through):
        with past:
            # The two empty assembly instructions keep LLVM from merging these stores with the plain ones below.
            builder.asm(nothing, "", "~{memory}", [], True)
            for row, pointer in zip(rows, pointers, strict=True):
                written = store_line(builder, row, pointer)
                written.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))
            builder.asm(nothing, "", "~{memory}", [], True)
        with through:
            for row, pointer in zip(rows, pointers, strict=True):
                store_line(builder, row, pointer)


@intrinsic
def transpose_lines(typingctx, X, x, x_count, Y, y, y_count):
    """Y[y + i lanes + j] = X[x + j lanes + i]: `lanes` rows become `lanes` columns.

    X has `x_count` lines and Y has `y_count` lines. If there are fewer than `lanes`, the last line is used for all
    after it.
    """
    n64 = types.intp

    def codegen(context, builder, sig, args):
        vector = VECTORS[X.dtype]

        def lines(array, value, start, count):
            last, below = builder.sub(count, I64(1)), [I64(m) for m in range(vector.lanes)]
            rows = [builder.select(builder.icmp_signed("<", m, last), m, last) for m in below]
            return [element_at(context, builder, array, value, start, (row, vector.lanes)) for row in rows]

        rows = [load_line(builder, pointer, vector) for pointer in lines(X, *args[:3])]
        for row, pointer in zip(_transposed(builder, rows), lines(Y, *args[3:]), strict=True):
            store_line(builder, row, pointer)
        return context.get_dummy_value()

    return types.none(X, n64, n64, Y, n64, n64), codegen


@intrinsic
def block(typingctx, A):
    """Return a vector of 16 lines, which are at least lanes x lanes numbers, in registers if there is room.

    It exists until the calling function returns.
    """
    vector, array = VECTORS[A.dtype], types.Array(A.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        out = context.make_array(array)(context, builder)
        count = 16 * vector.lanes
        memory = cgutils.alloca_once(builder, ir.ArrayType(element_of(A.dtype), count))
        memory.align = LINE
        out.data = builder.bitcast(memory, out.data.type)
        return out._getvalue()

    return array(A), codegen


@intrinsic
def block_store(typingctx, B, W, w, stream):
    """W[w : w + lanes^2] = B. If `stream`, the stores go past the caches; other cores may read W after a `fence`."""

    def codegen(context, builder, sig, args):
        rows = _block_of(context, builder, B, args[0], I64(0))
        _store_block(context, builder, rows, W, *args[1:])
        return context.get_dummy_value()

    return types.none(B, W, types.intp, types.boolean), codegen


@intrinsic
def block_transpose(typingctx, B, b, T, t, stream):
    """T[t + i lanes + j] = B[b + j lanes + i]. The argument `stream` is that of `block_store`.

    A transpose with scalars took a quarter of a step of 512 x 512.
    """

    def codegen(context, builder, sig, args):
        rows = _transposed(builder, _block_of(context, builder, B, *args[:2]))
        _store_block(context, builder, rows, T, *args[2:])
        return context.get_dummy_value()

    return types.none(B, types.intp, T, types.intp, types.boolean), codegen
