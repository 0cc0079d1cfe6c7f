"""This module makes intrinsics of formulas (`elementwise`), and gives kernels the operators of vectors."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from types import SimpleNamespace

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, type_callable

from .vector import VECTORS, Vector, VectorType, line_type


def _spread(build: Callable, arity: int):
    """Return an intrinsic with `arity` arguments. Numba needs a function whose arguments have names."""
    named = {
        1: lambda typingctx, x: build(x),
        2: lambda typingctx, x, y: build(x, y),
        3: lambda typingctx, x, y, z: build(x, y, z),
        4: lambda typingctx, x, y, z, w: build(x, y, z, w),
    }
    return intrinsic(named[arity])


def _evaluate(context, builder, formula: Callable, kinds, values, out):
    """Emit the instructions of a formula for values of these kinds, and return its result."""
    vectors = []
    for kind, value in zip(kinds, values, strict=True):
        lines = [value] if isinstance(kind, VectorType) else cgutils.unpack_tuple(builder, value)
        vectors += [Vector(builder, line) for line in lines]
    answer = formula(*vectors)
    if isinstance(out, types.UniTuple):
        return context.make_tuple(builder, out, [vector.value for vector in answer])
    return answer.value


def elementwise(formula: Callable, arity: int, results: int = 1):
    """Return an intrinsic that computes a formula, a function of `Vector` objects.

    The intrinsic has `arity` arguments, from one to four. Each is a vector, or a tuple of vectors, which become several
    arguments of the formula. If the formula has several results, the intrinsic returns a tuple.
    """

    def build(*kinds):
        vector = next(iter(kinds[0])) if isinstance(kinds[0], types.BaseTuple) else kinds[0]
        out = vector if results == 1 else types.UniTuple(vector, results)
        return out(*kinds), lambda context, builder, sig, args: _evaluate(context, builder, formula, kinds, args, out)

    return _spread(build, arity)


def digest(dtype, *formulas: tuple[Callable, int, tuple[str, ...]]) -> str:
    """Return a string that is different for formulas with different instructions, in float32 or float64.

    Each formula comes with the number of its vectors, and with the names of the attributes of its last argument.
    Without names, there is no such argument.
    """
    state = hashlib.sha256()
    for formula, arity, names in formulas:
        vector = line_type(VECTORS[numba.from_dtype(dtype)])
        kind = ir.FunctionType(ir.VoidType(), [vector] * (arity + len(names)))
        function = ir.Function(ir.Module(), kind, "formula")
        builder = ir.IRBuilder(function.append_basic_block())
        vectors = [Vector(builder, argument) for argument in function.args]
        named = [SimpleNamespace(**dict(zip(names, vectors[arity:], strict=True)))] if names else []
        results = formula(*vectors[:arity], *named)
        for result in results if isinstance(results, tuple | list) else (results,):
            state.update(str(result.value).encode())
        state.update(str(function).encode())
    return state.hexdigest()[:16]


def choose(builder, code, cases: dict[int, Callable]):
    """Emit a branch, and return the value of cases[code](), or of the first case if there is no such case."""
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


def _operator(op: Callable):
    @type_callable(op)
    def typer(context):
        return lambda x, y: x if isinstance(x, VectorType) and x == y else None

    @lower_builtin(op, VectorType, VectorType)
    def lower(context, builder, sig, args):
        return op(*(Vector(builder, value) for value in args)).value


for _op in (operator.add, operator.iadd, operator.sub, operator.mul):
    _operator(_op)
