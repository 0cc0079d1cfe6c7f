"""Intrinsics made of formulas, with `elementwise`; and operators in kernels."""

from __future__ import annotations

import operator
from collections.abc import Callable

from numba import types
from numba.extending import intrinsic, lower_builtin, type_callable

from .vector import Vector, VectorType


def _spread(build: Callable, arity: int):
    """An intrinsic of so many arguments; Numba wants each by name."""
    named = {
        1: lambda typingctx, x: build(x),
        2: lambda typingctx, x, y: build(x, y),
        3: lambda typingctx, x, y, z: build(x, y, z),
        4: lambda typingctx, x, y, z, w: build(x, y, z, w),
    }
    return intrinsic(named[arity])


def _evaluate(context, builder, formula: Callable, values, out):
    answer = formula(*(Vector(builder, value) for value in values))
    if isinstance(out, types.UniTuple):
        return context.make_tuple(builder, out, [vector.value for vector in answer])
    return answer.value


def elementwise(formula: Callable, arity: int, results: int = 1):
    """An intrinsic of one to four vectors: `formula` of them."""

    def build(*vectors):
        out = vectors[0] if results == 1 else types.UniTuple(vectors[0], results)
        return out(*vectors), lambda context, builder, sig, args: _evaluate(context, builder, formula, args, out)

    return _spread(build, arity)


def choose(builder, code, cases: dict[int, Callable]):
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


def _operator(op: Callable):
    @type_callable(op)
    def typer(context):
        return lambda x, y: x if isinstance(x, VectorType) and x == y else None

    @lower_builtin(op, VectorType, VectorType)
    def lower(context, builder, sig, args):
        return op(*(Vector(builder, value) for value in args)).value


for _op in (operator.add, operator.iadd, operator.sub, operator.mul):
    _operator(_op)
