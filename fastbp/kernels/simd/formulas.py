"""This module makes intrinsics of formulas (`elementwise`), and gives kernels the operators of vectors."""

from __future__ import annotations

import hashlib
import operator
import secrets
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numba
import numpy as np
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
    """Return an intrinsic that computes a formula.

    Parameters
    ----------
    formula : function
        A function of `Vector` objects.
    arity : int
        The number of arguments of the intrinsic, from one to four. Each is a vector, or a tuple of vectors, which
        become several arguments of the formula.
    results : int, default 1
        The number of results of the formula. With several, the intrinsic returns a tuple.
    """

    def build(*kinds):
        vector = next(iter(kinds[0])) if isinstance(kinds[0], types.BaseTuple) else kinds[0]
        out = vector if results == 1 else types.UniTuple(vector, results)
        return out(*kinds), lambda context, builder, sig, args: _evaluate(context, builder, formula, kinds, args, out)

    return _spread(build, arity)


def digest(dtype, *formulas: tuple[Callable, int, tuple[str, ...]], also: tuple[Any, ...] = ()) -> str:
    """Return a string that is different for formulas with different instructions.

    Parameters
    ----------
    dtype : type
        float32 or float64.
    *formulas : tuple (formula, arity, names)
        The formula, the number of its vectors, and the names of the attributes of its last argument. Without names,
        there is no such argument.
    also : tuple, keyword-only, default ()
        What else a kernel is made of: compiled functions, numbers, text, and None.
    """
    state = hashlib.sha256()
    for part in _contents(also, ()):
        state.update(f"{part}\0".encode())
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


SETTLED = ("fastbp", "numba", "numpy", "llvmlite")
"""The packages whose functions stand for themselves: the cache of kernels looks at their versions or sources."""


def _contents(value: Any, outer: tuple[Any, ...]) -> Iterator[str]:
    """Yield what a value consists of, as text. For a function, that is its code, and what the code reads.

    A value that has no text of its own gets another one in each call, so that nothing is taken for it.
    """
    value = getattr(value, "py_func", None) or getattr(value, "_defn", None) or value
    if any(value is each for each in outer):
        yield "recursion"
    elif value is None or isinstance(value, str | int | float | bytes):
        yield repr(value)
    elif isinstance(value, tuple | list | frozenset | dict):
        yield f"{type(value).__name__} of {len(value)}"
        inside = value.items() if isinstance(value, dict) else value
        for each in sorted(inside, key=repr) if isinstance(value, frozenset) else inside:
            yield from _contents(each, (*outer, value))
    elif isinstance(value, CodeType):
        yield from (value.co_code.hex(), repr(value.co_names), repr(value.co_varnames))
        yield from _contents(value.co_consts, (*outer, value))
    elif isinstance(value, FunctionType):
        yield f"{value.__module__}.{value.__qualname__}"
        read = [cell.cell_contents for cell in value.__closure__ or ()]
        if value.__module__.partition(".")[0] not in SETTLED:
            names = value.__code__.co_names
            read += [value.__code__, value.__defaults__, *(value.__globals__.get(name) for name in names)]
        for each in read:
            yield from _contents(each, (*outer, value))
    elif isinstance(value, type | ModuleType | np.generic | np.dtype | np.ufunc):
        yield repr(value)
    elif isinstance(value, BuiltinFunctionType):
        yield f"{value.__module__}.{value.__qualname__}"
    else:
        yield secrets.token_hex()


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
