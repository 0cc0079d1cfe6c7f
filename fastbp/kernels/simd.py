"""Vectors of one cache line, tiles of them in registers, and the arithmetic on them.

The only file that speaks LLVM. It gives Numba a value type, `vector`, of 16 float32 or 8 float64: one
64-byte cache line, the panel row of `panels.py`. Kernels hold an M x N *tile* of them, a tuple in row-major
order, and write their loops in Python around the intrinsics below. Elementwise formulas (sigma, its
derivative, losses, update rules) are plain Python functions of `Vector`; `elementwise` and `switch` make
intrinsics of them, so that a formula is typed once by Python and costs Numba nothing to compile.

Whatever shape a tile has, an element is accumulated by one chain of fused multiply-adds in the order of the
loop around it: results do not depend on how rows are shared out.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LINE = 64
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of every kernel: divisions do not raise, other Python threads run meanwhile, and only other kernels call it: the
wrappers for Python and C took a fifth of the compile time."""

INLINE = {"inline": "always", **OPTIONS}
"""Of a kernel that is typed and compiled with its caller, rather than on its own and then once more in there."""

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
MANTISSA = {F32: 23, F64: 52}


def _registers() -> tuple[int, int]:
    """Width in bits and number of the vector registers of the target that Numba compiles for."""
    if not config.CPU_NAME and config.CPU_FEATURES is None:
        features = llvm.get_host_cpu_features()
        if features.get("avx512f"):
            return 512, 32
        if features.get("avx2"):
            return 256, 16
    # Another target, or no x86: let LLVM add two cache lines and see which registers it names.
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=config.CPU_NAME or llvm.get_host_cpu_name(), features=config.CPU_FEATURES or ""
    )
    line = "<16 x float>"
    source = f"define void @f(ptr %p) {{ %x = load {line}, ptr %p\n%y = fadd {line} %x, %x\nstore {line} %y, ptr %p\nret void }}"
    assembly = machine.emit_assembly(llvm.parse_assembly(source))
    for name, found in (("zmm", (512, 32)), ("ymm", (256, 16)), ("xmm", (128, 16))):
        if name in assembly:
            return found
    return 128, 32


def _tiles() -> tuple[int, int, int]:
    """Rows and panels of a product's tile, rows of a gradient's: the most that the registers hold.

    M x N sums, N vectors of the right-hand side and a broadcast. Too large a tile spills: 8 x 2 on AVX2 ran
    at a third of the speed of 6 x 1.
    """
    bits, count = _registers()
    room = (count - 1) // (8 * LINE // bits)
    if room >= 26:
        return 8, 2, 16
    return room - 1, 1, 4 if room > 4 else 2


M, N, G = _tiles()


# --- the value type -----------------------------------------------------------------------------------------


class VectorType(types.Type):
    """A cache line of `dtype` as a Numba value."""

    def __init__(self, dtype: types.Float):
        self.dtype = dtype
        self.lanes = 8 * LINE // dtype.bitwidth
        super().__init__(name=f"{dtype}x{self.lanes}")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(_llvm(fe_type.dtype), fe_type.lanes))


VECTORS = {dtype: VectorType(dtype) for dtype in (types.float32, types.float64)}


def _llvm(dtype: types.Float) -> ir.Type:
    return F32 if dtype == types.float32 else F64


def _splat(builder, scalar, lanes: int):
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def _call(builder, name: str, result, *args):
    fnty = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, fnty, name), args)


class Mask:
    """A lane-wise truth value, for `where`."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.builder, self.builder.and_(self.value, other.value))


class Vector:
    """A vector in a formula: operators emit instructions. Numbers are broadcast."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    @property
    def type(self) -> ir.VectorType:
        return self.value.type

    @property
    def tiny(self) -> float:
        """The smallest normal number of the type."""
        return 2.0**-126 if self.type.element == F32 else 2.0**-1022

    def of(self, x: float | Vector) -> Vector:
        """`x`, broadcast if it is a number."""
        return x if isinstance(x, Vector) else Vector(self.builder, ir.Constant(self.type, [float(x)] * self.type.count))

    def _emit(self, op: str, left, right) -> Vector:
        return Vector(self.builder, getattr(self.builder, op)(self.of(left).value, self.of(right).value))

    def _compare(self, op: str, other) -> Mask:
        return Mask(self.builder, self.builder.fcmp_ordered(op, self.value, self.of(other).value))

    def __add__(self, other):
        return self._emit("fadd", self, other)

    def __sub__(self, other):
        return self._emit("fsub", self, other)

    def __mul__(self, other):
        return self._emit("fmul", self, other)

    def __truediv__(self, other):
        return self._emit("fdiv", self, other)

    def __rsub__(self, other):
        return self._emit("fsub", other, self)

    def __rtruediv__(self, other):
        return self._emit("fdiv", other, self)

    def __neg__(self):
        return Vector(self.builder, self.builder.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other):
        return self._compare("<", other)

    def __gt__(self, other):
        return self._compare(">", other)

    def __ge__(self, other):
        return self._compare(">=", other)

    def bits(self):
        """The lanes as integers of the same width."""
        width = 32 if self.type.element == F32 else 64
        return self.builder.bitcast(self.value, ir.VectorType(ir.IntType(width), self.type.count))


def where(mask: Mask, x: Vector | float, y: Vector | float) -> Vector:
    """`x` where the mask holds, else `y`; one of them a vector."""
    like = x if isinstance(x, Vector) else y
    return Vector(mask.builder, mask.builder.select(mask.value, like.of(x).value, like.of(y).value))


def fma(x: Vector, y: Vector | float, z: Vector | float) -> Vector:
    """x y + z. `llvm.fma` would call libm's scalar `fmaf` on a target without the instruction."""
    name = f"llvm.fmuladd.v{x.type.count}f{32 if x.type.element == F32 else 64}"
    return Vector(x.builder, _call(x.builder, name, x.type, x.value, x.of(y).value, x.of(z).value))


def maximum(x: Vector, y: Vector | float) -> Vector:
    """The larger one; NaN in `x` stays NaN."""
    return where(x < y, y, x)


def minimum(x: Vector, y: Vector | float) -> Vector:
    """The smaller one; NaN in `x` stays NaN."""
    return where(x > y, y, x)


def absolute(x: Vector) -> Vector:
    """|x|."""
    return where(x < 0.0, -x, x)


def _power_of_two(t: Vector) -> Vector:
    """2^k of the integer k in the low bits of `t` = k + 1.5 * 2^mantissa."""
    mantissa = MANTISSA[t.type.element]
    bits = t.bits()
    bias = 127 if mantissa == 23 else 1023
    shifted = t.builder.shl(bits, ir.Constant(bits.type, [mantissa] * t.type.count))
    one = ir.Constant(bits.type, [bias << mantissa] * t.type.count)
    return Vector(t.builder, t.builder.bitcast(t.builder.add(shifted, one), t.type))


def _expm1_parts(x: Vector) -> tuple[Vector, Vector]:
    """(2^k, e^r - 1) with x = k ln 2 + r, |r| <= ln 2 / 2.

    The Taylor sum of e^r - 1 to r^7 (float32, 5e-9 relative) or r^13 (float64, 4e-18) keeps its relative
    precision around 0. ln 2 in two parts keeps k ln 2 exact without a fused multiply-add.
    """
    single = x.type.element == F32
    high, low = (0.693359375, -2.12194440054690583e-4) if single else (0.693147180369123816490, 1.90821492927058770e-10)
    magic = 1.5 * 2.0 ** MANTISSA[x.type.element]
    t = fma(x, 1.0 / math.log(2.0), magic)
    k = t - magic
    r = fma(k, -low, fma(k, -high, x))
    terms = 7 if single else 13
    p = r.of(1.0 / math.factorial(terms))
    for n in range(terms - 1, 0, -1):
        p = fma(p, r, 1.0 / math.factorial(n))
    return _power_of_two(t), p * r


def exp(x: Vector) -> Vector:
    """e^x; 0 below the smallest normal number, and finite (e^88, e^709) above that."""
    low, high = (-87.0, 88.0) if x.type.element == F32 else (-708.0, 709.0)
    scale, q = _expm1_parts(minimum(maximum(x, low), high))
    return where(x < low, 0.0, fma(scale, q, scale))


def expm1(x: Vector) -> Vector:
    """e^x - 1 for x >= 0, precise around 0, finite above 88 or 709."""
    scale, q = _expm1_parts(minimum(x, 88.0 if x.type.element == F32 else 709.0))
    return fma(scale, q, scale - 1.0)


def _atanh_twice(s: Vector, terms: int) -> Vector:
    """2 atanh s = 2 s (1 + s^2/3 + s^4/5 + ...)."""
    square = s * s
    p = s.of(2.0 / (2 * terms + 1))
    for n in range(terms - 1, -1, -1):
        p = fma(p, square, 2.0 / (2 * n + 1))
    return p * s


def log(x: Vector) -> Vector:
    """ln x; below the smallest normal number, that number's (-87 or -708): finite at 0. NaN of infinity and NaN."""
    b, element = x.builder, x.type.element
    mantissa = MANTISSA[element]
    root = 0x3F3504F3 if element == F32 else 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)
    x = maximum(x, x.tiny)
    nothing = x - x  # 0, but NaN of infinity and NaN, whose bits would pass for a number
    bits = x.bits()
    constant = lambda value: ir.Constant(bits.type, [value] * x.type.count)  # noqa: E731
    e = b.ashr(b.sub(bits, constant(root)), constant(mantissa))
    m = Vector(b, b.bitcast(b.sub(bits, b.shl(e, constant(mantissa))), x.type))
    s = (m - 1.0) / (m + 1.0)
    return fma(Vector(b, b.sitofp(e, x.type)), math.log(2.0), _atanh_twice(s, 5 if element == F32 else 11)) + nothing


def log1p(u: Vector) -> Vector:
    """ln(1 + u) for 0 <= u <= 1, precise around 0."""
    return _atanh_twice(u / (u + 2.0), 7 if u.type.element == F32 else 16)


# --- intrinsics from formulas -------------------------------------------------------------------------------


def _spread(build: Callable, arity: int):
    """An intrinsic of `arity` arguments; Numba wants each by name."""
    if arity == 1:
        return intrinsic(lambda typingctx, x: build(x))
    if arity == 2:
        return intrinsic(lambda typingctx, x, y: build(x, y))
    if arity == 3:
        return intrinsic(lambda typingctx, x, y, z: build(x, y, z))
    return intrinsic(lambda typingctx, x, y, z, u: build(x, y, z, u))


def _evaluate(context, builder, formula: Callable, values, out):
    answer = formula(*(Vector(builder, value) for value in values))
    if isinstance(out, types.UniTuple):
        return context.make_tuple(builder, out, [vector.value for vector in answer])
    return answer.value


def elementwise(formula: Callable, arity: int, results: int = 1):
    """An intrinsic of `arity` vectors: `formula` of them."""

    def build(*vectors):
        out = vectors[0] if results == 1 else types.UniTuple(vectors[0], results)
        return out(*vectors), lambda context, builder, sig, args: _evaluate(context, builder, formula, args, out)

    return _spread(build, arity)


def _choose(builder, code, cases: dict[int, Callable]):
    """The value of cases[code](), by a branch; the first case if there is no such code."""
    first, end = min(cases), builder.append_basic_block("end")
    blocks = {number: builder.append_basic_block(f"code{number}") for number in cases}
    chosen, answers = builder.switch(code, blocks[first]), []
    for number, block in blocks.items():
        if number != first:
            chosen.add_case(code.type(number), block)
        builder.position_at_end(block)
        answers.append((cases[number](), builder.block))
        builder.branch(end)
    builder.position_at_end(end)
    phi = builder.phi(answers[0][0].type)
    for value, block in answers:
        phi.add_incoming(value, block)
    return phi


def switch(formulas: dict[int, Callable], arity: int, results: int = 1):
    """An intrinsic of a code and `arity` vectors: the formula of that code of them."""

    def build(code, *vectors):
        out = vectors[0] if results == 1 else types.UniTuple(vectors[0], results)

        def codegen(context, builder, sig, args):
            case = lambda formula: lambda: _evaluate(context, builder, formula, args[1:], out)  # noqa: E731
            return _choose(builder, args[0], {number: case(formula) for number, formula in formulas.items()})

        return out(types.intp, *vectors), codegen

    return _spread(build, arity + 1)


def _operator(op: Callable):
    @type_callable(op)
    def typer(context):
        return lambda x, y: x if isinstance(x, VectorType) and x == y else None

    @lower_builtin(op, VectorType, VectorType)
    def lower(context, builder, sig, args):
        return op(*(Vector(builder, value) for value in args)).value


for _op in (operator.add, operator.iadd, operator.sub, operator.mul):
    _operator(_op)


# --- memory -------------------------------------------------------------------------------------------------


def _at(context, builder, array, value, index, *steps):
    """The address of value[index + sum of stride * count over `steps`]."""
    for stride, count in steps:
        index = builder.add(index, builder.mul(stride, I64(count)))
    return builder.gep(context.make_array(array)(context, builder, value).data, [index])


def _line(vector: VectorType) -> ir.VectorType:
    return ir.VectorType(_llvm(vector.dtype), vector.lanes)


def _load(builder, pointer, vector: VectorType, align: int = LINE):
    value = builder.load(builder.bitcast(pointer, _line(vector).as_pointer()))
    value.align = align
    return value


def _store(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = LINE


@intrinsic
def lanes(typingctx, A):
    """The number of elements of A's dtype in a vector."""
    vector = VECTORS[A.dtype]
    return types.intp(A), lambda context, builder, sig, args: I64(vector.lanes)


@intrinsic
def load(typingctx, A, i):
    """The vector A[i : i + lanes]; i a multiple of lanes."""
    vector = VECTORS[A.dtype]

    def codegen(context, builder, sig, args):
        return _load(builder, _at(context, builder, A, *args), vector)

    return vector(A, types.intp), codegen


@intrinsic
def store(typingctx, A, i, x):
    """A[i : i + lanes] = x; i a multiple of lanes."""

    def codegen(context, builder, sig, args):
        _store(builder, args[2], _at(context, builder, A, *args[:2]))
        return context.get_dummy_value()

    return types.none(A, types.intp, x), codegen


def _scalar(builder, value, element: ir.Type):
    return value if value.type == element else builder.fptrunc(value, element)


@intrinsic
def splat(typingctx, A, x):
    """The number x in every lane of a vector of A's dtype."""
    vector = VECTORS[A.dtype]

    def codegen(context, builder, sig, args):
        return _splat(builder, _scalar(builder, args[1], _llvm(A.dtype)), vector.lanes)

    return vector(A, x), codegen


def _below(builder, vector: VectorType, count):
    """The mask of the lanes below `count`."""
    numbers = ir.Constant(ir.VectorType(I64, vector.lanes), list(range(vector.lanes)))
    return builder.icmp_signed("<", numbers, _splat(builder, count, vector.lanes))


@intrinsic
def keep(typingctx, x, count, fill):
    """x in the lanes below `count`, the number `fill` in the others."""

    def codegen(context, builder, sig, args):
        other = _splat(builder, _scalar(builder, args[2], _llvm(x.dtype)), x.lanes)
        return builder.select(_below(builder, x, args[1]), args[0], other)

    return x(x, types.intp, types.float64), codegen


def _reduction(formula: Callable):
    @intrinsic
    def reduce(typingctx, x):
        def codegen(context, builder, sig, args):
            value, step = args[0], x.lanes // 2
            while step:
                order = [(lane + step) % x.lanes for lane in range(x.lanes)]
                turned = builder.shuffle_vector(value, value, ir.Constant(ir.VectorType(I32, x.lanes), order))
                value = formula(Vector(builder, value), Vector(builder, turned)).value
                step //= 2
            return builder.extract_element(value, I32(0))

        return x.dtype(x), codegen

    return reduce


total = _reduction(operator.add)
largest = _reduction(maximum)


@intrinsic
def first_equal(typingctx, x, scalar):
    """The first lane of x that equals the scalar; `lanes` or more if none does."""

    def codegen(context, builder, sig, args):
        same = builder.fcmp_ordered("==", args[0], _splat(builder, args[1], x.lanes))
        bits = builder.zext(builder.bitcast(same, ir.IntType(x.lanes)), I64)
        return builder.cttz(bits, I1(0))

    return types.intp(x, x.dtype), codegen


# --- tiles --------------------------------------------------------------------------------------------------


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
        zero = ir.Constant(_line(tile.dtype), [0.0] * tile.dtype.lanes)
        return context.make_tuple(builder, tile, [zero] * tile.count)

    return tile(rows, panels, A), codegen


@intrinsic(prefer_literal=True)
def tile_fill(typingctx, rows, panels, B, b, stride):
    """c[m, n] = B[b + n stride : + lanes] for every row m."""
    tile, n64 = _tile(rows, panels, B), types.intp

    def codegen(context, builder, sig, args):
        columns = [_load(builder, _at(context, builder, B, *args[2:4], (args[4], n)), tile.dtype) for n in range(panels.literal_value)]
        return context.make_tuple(builder, tile, columns * rows.literal_value)

    return tile(rows, panels, B, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_load(typingctx, rows, panels, C, c, stride):
    """c[m, n] = C[c + m lanes + n stride : + lanes]."""
    tile, n64 = _tile(rows, panels, C), types.intp

    def codegen(context, builder, sig, args):
        cells = [(m, n) for m in range(rows.literal_value) for n in range(panels.literal_value)]
        width = I64(tile.dtype.lanes)
        values = [_load(builder, _at(context, builder, C, *args[2:4], (width, m), (args[4], n)), tile.dtype) for m, n in cells]
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
                _store(builder, next(values), _at(context, builder, C, *args[3:5], (width, m), (args[5], n)))
        return context.get_dummy_value()

    return types.none(rows, panels, c, C, n64, n64), codegen


@intrinsic(prefer_literal=True)
def tile_fma(typingctx, rows, panels, c, A, a, a_stride, W, w, w_stride):
    """c[m, n] += A[a + m a_stride] * W[w + n w_stride : + lanes]."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        _, _, tile, left, a, a_step, right, w, w_step = args
        M, N = rows.literal_value, panels.literal_value
        columns = [Vector(builder, _load(builder, _at(context, builder, W, right, w, (w_step, n)), c.dtype)) for n in range(N)]
        old, new = cgutils.unpack_tuple(builder, tile), []
        for m in range(M):
            scalar = builder.load(_at(context, builder, A, left, a, (a_step, m)))
            broadcast = Vector(builder, _splat(builder, scalar, c.dtype.lanes))
            new += [fma(broadcast, columns[n], Vector(builder, old[m * N + n])).value for n in range(N)]
        return context.make_tuple(builder, c, new)

    return c(rows, panels, c, A, n64, n64, W, n64, n64), codegen


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
                scalar = builder.load(_at(context, builder, h, hyper, I64(k)))
                scalars.append(Vector(builder, _splat(builder, scalar, line.lanes)))
            for m, value in enumerate(cgutils.unpack_tuple(builder, gradient)):
                at = [_at(context, builder, P, theta, start, (width, m))]
                at += [_at(context, builder, S, state, s_start, (width, m), (s_size, k)) for k in range(count)]
                old = [Vector(builder, _load(builder, pointer, line)) for pointer in at]
                for new, pointer in zip(formula(Vector(builder, value), *old, scalars), at, strict=True):
                    _store(builder, new.value, pointer)
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
        rows = [_load(builder, _at(context, builder, W, *args[:2], (width, m)), vector) for m in range(n)]
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
            _store(builder, rows[m], _at(context, builder, T, *args[2:], (width, m)))
        return context.get_dummy_value()

    return types.none(W, n64, T, n64), codegen


# --- inputs -------------------------------------------------------------------------------------------------

UINT8, FLOAT32, FLOAT64 = range(3)
INPUT_TYPES = {UINT8: I8, FLOAT32: F32, FLOAT64: F64}


def _input(masked: bool):
    """An intrinsic that reads `count` numbers of type `kind` at a byte address into a vector of A's dtype."""

    @intrinsic
    def load_input(typingctx, A, kind, address, count):
        vector = VECTORS[A.dtype]
        element = _llvm(A.dtype)

        def read(builder, of, address, count):
            shape = ir.VectorType(of, vector.lanes)
            size = 1 if of == I8 else 4 if of == F32 else 8
            pointer = builder.inttoptr(address, shape.as_pointer())
            if masked:
                mask = _below(builder, vector, count)
                tag = f"v{vector.lanes}{'i8' if of == I8 else 'f32' if of == F32 else 'f64'}"
                name = f"llvm.masked.load.{tag}.p0"
                nothing = ir.Constant(shape, [0] * vector.lanes)
                value = _call(builder, name, shape, pointer, I32(size), mask, nothing)
            else:
                value = builder.load(pointer)
                value.align = size
            if of == I8:
                return builder.uitofp(value, _line(vector))
            if of == element:
                return value
            return (builder.fptrunc if of == F64 else builder.fpext)(value, _line(vector))

        def codegen(context, builder, sig, args):
            _, kind, *where_to = args
            case = lambda of: lambda: read(builder, of, *where_to)  # noqa: E731
            return _choose(builder, kind, {code: case(of) for code, of in INPUT_TYPES.items()})

        return vector(A, types.intp, types.intp, types.intp), codegen

    return load_input


load_input, load_input_part = _input(masked=False), _input(masked=True)


@intrinsic
def prefetch(typingctx, address):
    """Ask for the line at an address, soon to be read."""

    def codegen(context, builder, sig, args):
        line = builder.inttoptr(args[0], ir.PointerType(I8))
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [line.type, I32, I32, I32]), "llvm.prefetch.p0")
        builder.call(function, [line, I32(0), I32(2), I32(1)])
        return context.get_dummy_value()

    return types.none(types.intp), codegen


@intrinsic
def array_at(typingctx, address, size, dtype):
    """The vector of `size` numbers or records of a dtype at an address."""
    array = types.Array(dtype.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        from numba.np.arrayobj import populate_array  # 40 ms, that `import fastbp` need not pay

        out = context.make_array(array)(context, builder)
        item = context.get_abi_sizeof(context.get_data_type(array.dtype))
        data = builder.inttoptr(args[0], out.data.type)
        item = context.get_constant(types.intp, item)
        populate_array(out, data, [args[1]], [item], item, meminfo=None)
        return out._getvalue()

    return array(types.intp, types.intp, dtype), codegen


@intrinsic
def call(typingctx, address, arguments):
    """Call the compiled kernel at an address: its code is neither linked nor compiled again into the caller."""
    argtypes = arguments.types

    def codegen(context, builder, sig, args):
        function = builder.inttoptr(args[0], context.call_conv.get_function_type(types.none, argtypes).as_pointer())
        values = cgutils.unpack_tuple(builder, args[1])
        context.call_conv.call_function(builder, function, types.none, argtypes, values)
        return context.get_dummy_value()

    return types.none(types.intp, arguments), codegen
