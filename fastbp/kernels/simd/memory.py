"""This module moves vectors between memory and registers, and has small operations on lanes."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..panels import LINE
from ..structs import FLOAT32 as FLOAT32
from ..structs import FLOAT64 as FLOAT64
from ..structs import UINT8 as UINT8
from .formulas import choose
from .vector import F32, F64, I8, I32, I64, VECTORS, VectorType, broadcast, element_of, emit_call, line_type


def element_at(context, builder, array, value, index, *steps):
    """Emit the address of value[index + sum of stride * count over `steps`], and return it."""
    for stride, count in steps:
        if count:
            index = builder.add(index, builder.mul(stride, I64(count)) if count > 1 else stride)
    place = context.data_model_manager[array].get_field_position("data")
    return builder.gep(builder.extract_value(value, place), [index])


def load_line(builder, pointer, vector: VectorType, align: int = LINE):
    """Emit a load of the vector at a pointer, and return the vector."""
    value = builder.load(builder.bitcast(pointer, line_type(vector).as_pointer()))
    value.align = align
    return value


def store_line(builder, value, pointer):
    """Emit a store of a vector to a pointer, and return the instruction."""
    written = builder.store(value, builder.bitcast(pointer, value.type.as_pointer()))
    written.align = LINE
    return written


@intrinsic
def lanes(typingctx, A):
    """Return the number of lanes of a vector of A's dtype."""
    vector = VECTORS[A.dtype]
    return types.intp(A), lambda context, builder, sig, args: I64(vector.lanes)


@intrinsic
def load(typingctx, A, i):
    """Return the vector A[i : i + lanes]. The position i must be a multiple of lanes."""
    vector = VECTORS[A.dtype]

    def codegen(context, builder, sig, args):
        return load_line(builder, element_at(context, builder, A, *args), vector)

    return vector(A, types.intp), codegen


@intrinsic
def store(typingctx, A, i, x):
    """A[i : i + lanes] = x. The position i must be a multiple of lanes."""

    def codegen(context, builder, sig, args):
        store_line(builder, args[2], element_at(context, builder, A, *args[:2]))
        return context.get_dummy_value()

    return types.none(A, types.intp, x), codegen


def to_element(builder, value, element: ir.Type):
    """Convert a float64 number to the element type of a vector."""
    return value if value.type == element else builder.fptrunc(value, element)


@intrinsic
def splat(typingctx, A, x):
    """Return a vector of A's dtype with the number x in every lane."""
    vector = VECTORS[A.dtype]

    def codegen(context, builder, sig, args):
        return broadcast(builder, to_element(builder, args[1], element_of(A.dtype)), vector.lanes)

    return vector(A, x), codegen


@intrinsic
def hashed(typingctx, A, key, first):
    """Return random numbers in [0, 1): hashes of a 64-bit key and of the number first, first + 1, ... of each lane.

    They are multiples of 2^-24. The hash multiplies, shifts, and applies exclusive or. It is a mix of 32 bits that was
    found by search (Wellons 2018). Half of the key enters before the mix, and half inside it.
    """
    vector = VECTORS[A.dtype]

    def codegen(context, builder, sig, args):
        _, key, first = args
        shape = ir.VectorType(I32, vector.lanes)
        constant = lambda value: ir.Constant(shape, [value] * vector.lanes)  # noqa: E731
        part = lambda bits: broadcast(builder, builder.trunc(bits, I32), vector.lanes)  # noqa: E731
        mix = lambda x, shift: builder.xor(x, builder.lshr(x, constant(shift)))  # noqa: E731
        lane = builder.add(part(first), ir.Constant(shape, list(range(vector.lanes))))
        x = builder.add(part(key), builder.mul(lane, constant(0x9E3779B9)))
        x = builder.mul(mix(x, 16), constant(0x7FEB352D))
        x = builder.xor(mix(x, 15), part(builder.lshr(key, I64(32))))
        x = mix(builder.mul(x, constant(0x846CA68B)), 16)
        u = builder.uitofp(builder.lshr(x, constant(8)), line_type(vector))
        return builder.fmul(u, ir.Constant(u.type, [2.0**-24] * vector.lanes))

    return vector(A, types.uint64, types.intp), codegen


def lanes_below(builder, vector: VectorType, count):
    """Emit the mask that is true for the lanes below `count`, and return it."""
    numbers = ir.Constant(ir.VectorType(I64, vector.lanes), list(range(vector.lanes)))
    return builder.icmp_signed("<", numbers, broadcast(builder, count, vector.lanes))


@intrinsic
def keep(typingctx, x, count, fill):
    """Return x in the lanes below `count`, and the number `fill` in the others."""

    def codegen(context, builder, sig, args):
        other = broadcast(builder, to_element(builder, args[2], element_of(x.dtype)), x.lanes)
        return builder.select(lanes_below(builder, x, args[1]), args[0], other)

    return x(x, types.intp, types.float64), codegen


@intrinsic
def holds_zeros(typingctx, x):
    """Return whether every lane of x is 0."""

    def codegen(context, builder, sig, args):
        same = builder.fcmp_ordered("==", args[0], ir.Constant(args[0].type, [0.0] * x.lanes))
        bits = builder.bitcast(same, ir.IntType(x.lanes))
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(x), codegen


ENDLESS = 1 << 40
"""The size of an array whose real size only its kernel knows."""

INPUT_TYPES = {UINT8: I8, FLOAT32: F32, FLOAT64: F64}


def _input(masked: bool):
    """Return an intrinsic that reads `count` numbers x of type `kind` at an address, and returns (x - shift) * scale.

    The result, `shift` and `scale` are vectors of one dtype. Numbers of float64 are rounded to it at the end: rounded
    before, large numbers would lose their differences. With `masked`, `count` may be smaller than the number of lanes,
    and x is 0 in the other lanes.
    """

    @intrinsic
    def load_input(typingctx, kind, address, count, shift, scale):
        vector, element = shift, element_of(shift.dtype)

        def read(builder, of, address, count, shift, scale):
            shape = ir.VectorType(of, vector.lanes)
            size = 1 if of == I8 else 4 if of == F32 else 8
            pointer = builder.inttoptr(address, shape.as_pointer())
            if masked:
                mask = lanes_below(builder, vector, count)
                tag = f"v{vector.lanes}{'i8' if of == I8 else 'f32' if of == F32 else 'f64'}"
                name = f"llvm.masked.load.{tag}.p0"
                nothing = ir.Constant(shape, [0] * vector.lanes)
                x = emit_call(builder, name, shape, pointer, I32(size), mask, nothing)
            else:
                x = builder.load(pointer)
                x.align = size
            if of == I8:
                x = builder.uitofp(x, line_type(vector))
            elif of == F32 != element:
                x = builder.fpext(x, line_type(vector))
            elif of != element:
                shift, scale = (builder.fpext(each, shape) for each in (shift, scale))
            x = builder.fmul(builder.fsub(x, shift), scale)
            return x if x.type == line_type(vector) else builder.fptrunc(x, line_type(vector))

        def codegen(context, builder, sig, args):
            kind, *others = args
            case = lambda of: lambda: read(builder, of, *others)  # noqa: E731
            return choose(builder, kind, {code: case(of) for code, of in INPUT_TYPES.items()})

        return vector(types.intp, types.intp, types.intp, shift, scale), codegen

    return load_input


load_input, load_input_part = _input(masked=False), _input(masked=True)


def _prefetch(write: bool):
    """Return an intrinsic that fetches the cache line at A[i], without waiting for it. Any address is allowed."""

    @intrinsic
    def prefetch(typingctx, A, i):
        def codegen(context, builder, sig, args):
            line = builder.bitcast(element_at(context, builder, A, *args), ir.PointerType(I8))
            fnty = ir.FunctionType(ir.VoidType(), [line.type, I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, fnty, "llvm.prefetch.p0")
            builder.call(function, [line, I32(int(write)), I32(3), I32(1)])
            return context.get_dummy_value()

        return types.none(A, types.intp), codegen

    return prefetch


fetch, fetch_to_change = _prefetch(False), _prefetch(True)
"""The first one fetches a line to read it. The second one fetches it to change it, and takes it out of the caches of
other cores."""


@intrinsic
def fence(typingctx):
    """Make all stores before this point visible to other cores, before they can see any later store.

    This includes stores that go past the caches.
    """

    def codegen(context, builder, sig, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), codegen


def _array(context, builder, array: types.Array, address, size):
    """Return an array of `size` elements at an address."""
    from numba.np.arrayobj import populate_array  # this import takes 40 ms, which `import fastbp` can do without

    out = context.make_array(array)(context, builder)
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
    populate_array(out, builder.inttoptr(address, out.data.type), [size], [item], item, meminfo=None)
    return out._getvalue()


@intrinsic
def array_at(typingctx, address, size, dtype):
    """Return the vector of `size` numbers or records of a dtype at an address."""
    array = types.Array(dtype.dtype, 1, "C")
    return array(types.intp, types.intp, dtype), lambda context, builder, sig, args: _array(
        context, builder, array, *args[:2]
    )


@intrinsic
def vector_at(typingctx, address, dtype):
    """Return the vector of a dtype that begins at an address. Only the kernel knows its size."""
    array = types.Array(dtype.dtype, 1, "C")
    return array(types.intp, dtype), lambda context, builder, sig, args: _array(
        context, builder, array, args[0], I64(ENDLESS)
    )


@intrinsic
def record_at(typingctx, address, dtype):
    """Return the record of a dtype at an address.

    When this was done by an array with one record, it took a fifth of the compile time.
    """
    record = dtype.dtype
    return record(types.intp, dtype), lambda context, builder, sig, args: builder.inttoptr(
        args[0], context.get_value_type(record)
    )


@intrinsic
def call(typingctx, address, arguments):
    """Call the compiled kernel at an address. Its code is not linked or compiled again into the caller."""
    argtypes = arguments.types

    def codegen(context, builder, sig, args):
        function = builder.inttoptr(args[0], context.call_conv.get_function_type(types.none, argtypes).as_pointer())
        values = cgutils.unpack_tuple(builder, args[1])
        context.call_conv.call_function(builder, function, types.none, argtypes, values)
        return context.get_dummy_value()

    return types.none(types.intp, arguments), codegen
