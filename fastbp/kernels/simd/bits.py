"""This module has masks, which say with one bit for each lane which numbers of a line are not 0, and words of them."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..panels import WORD
from .memory import element_at
from .vector import I1, I64, broadcast, emit_call

FEW_BITS = 16
"""The number of rows up to which `any_of` reads a quarter of a word."""


@intrinsic
def store_mask(typingctx, M, i, x):
    """M[i] = the mask of a vector x. NaN is not 0."""

    def codegen(context, builder, sig, args):
        different = builder.fcmp_unordered("!=", args[2], ir.Constant(args[2].type, [0.0] * x.lanes))
        mask = builder.bitcast(different, ir.IntType(x.lanes))
        builder.store(mask, element_at(context, builder, M, *args[:2]))
        return context.get_dummy_value()

    return types.none(M, types.intp, x), codegen


@intrinsic
def lowest(typingctx, word):
    """Return the number of the lowest bit that is 1 in a word that is not 0."""

    def codegen(context, builder, sig, args):
        return emit_call(builder, "llvm.cttz.i64", I64, args[0], I1(1))

    return types.int64(types.uint64), codegen


@intrinsic(prefer_literal=True)
def any_of(typingctx, count, M, m, bits):
    """Return the word whose bit r says whether the mask M[m + r] has some of the bits, for `count` masks: 16 or 64."""
    n64 = types.intp

    def codegen(context, builder, sig, args):
        mask = ir.IntType(M.dtype.bitwidth)
        shape = ir.VectorType(mask, count.literal_value)
        masks = builder.load(builder.bitcast(element_at(context, builder, M, *args[1:3]), shape.as_pointer()))
        masks.align = M.dtype.bitwidth // 8
        found = builder.and_(masks, broadcast(builder, builder.trunc(args[3], mask), shape.count))
        word = builder.bitcast(
            builder.icmp_unsigned("!=", found, ir.Constant(shape, [0] * shape.count)), ir.IntType(shape.count)
        )
        return word if shape.count == WORD else builder.zext(word, I64)

    return types.uint64(count, M, n64, types.uint64), codegen
