"""This module has `Program`: a formula as a list of lines, which can be computed, differentiated and kept in a file."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base import checks
from ..base.value_objects import Value, field
from ..kernels.simd.vector import filled
from . import nodes
from .gates import CHOOSING, GATES, backward
from .nodes import CONDITIONS, Node, is_number
from .tables import CONSTANT, VARIABLE

MOST_LINES = 10_000
"""The largest number of lines of a program."""

MOST_INSTRUCTIONS = 30_000
"""The largest number of instructions of a program. Kernels with so many take some 20 seconds to compile."""

INSTRUCTIONS = {
    VARIABLE: 0, CONSTANT: 0, "power": 120, "raise": 120, "normal_cdf": 90, "log": 60, "sin": 45, "cos": 45, "exp": 40,
    "expm1": 40, "activate": 100,
}  # fmt: skip
"""About how many instructions a gate needs, if they are more than a few."""

FEW = 4
"""About how many instructions all other gates need."""


class Line(Value):
    """`Line` is one line of a program: an input, a constant, or a gate."""

    gate: str = field('"variable", "constant", or the name of a gate.')
    inputs: tuple[int, ...] = field("The numbers of the lines whose results are the inputs of the gate.", default=())
    options: tuple[tuple[str, Any], ...] = field(
        "The options of the gate, or the value of the constant, as pairs of a name and a value.", default=()
    )

    def __post_init__(self) -> None:
        pairs = ((name, value + 0.0 if is_number(value) else value) for name, value in self.options)  # never -0.0
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "options", tuple(pairs))


class Program(Value):
    """`Program` is a formula of numbers as a list of lines. It can come from a file, so everything is checked.

    Raises
    ------
    ValueError, TypeError
        If the lines do not fit together.
    """

    count: int = field("The number of inputs. The first lines are these inputs.")
    lines: tuple[Line, ...] = field("The lines, each one after its inputs.")
    outputs: tuple[int, ...] = field("The numbers of the lines whose results are the results of the formula.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))
        object.__setattr__(self, "outputs", tuple(self.outputs))
        count = checks.integer(self.count, "count", 1, MOST_LINES)
        if not count <= len(self.lines) <= MOST_LINES:
            raise ValueError(f"lines must be {count} to {MOST_LINES}, got {len(self.lines)}")
        for k, line in enumerate(self.lines):
            self._check(k, line)
        if self.instructions > MOST_INSTRUCTIONS:
            raise ValueError(
                f"a formula must have at most about {MOST_INSTRUCTIONS} instructions, got {self.instructions}: powers, "
                "logarithms and activation functions have many"
            )
        for place in self.outputs:
            checks.integer(place, "outputs", 0, len(self.lines))
            if self.lines[place].gate in CONDITIONS:
                raise ValueError("outputs must be numbers, got a condition")

    def _check(self, k: int, line: Line) -> None:
        """Raise an error if a line does not fit."""
        name = f"line {k}"
        if not isinstance(line, Line):
            raise TypeError(f"{name} must be a Line, got {line!r}")
        if (k < self.count) != (line.gate == VARIABLE):
            raise ValueError(f"{name} must be an input if and only if it is one of the first {self.count}")
        arity, options = _signature(line.gate)
        found = dict(line.options)
        if len(line.inputs) != arity or [*found] != options:
            raise ValueError(f"{name}: {line.gate} must have {arity} inputs and the options {options}, got {line}")
        for option, value in found.items():
            if option == "sigma":
                if not hasattr(value, "of_z") or value.whole_rows:
                    raise TypeError(f"sigma of {name} must be an activation function, got {value!r}")
            else:
                checks.real(value, f"{option} of {name}")
        for j, place in enumerate(line.inputs):
            checks.integer(place, f"inputs of {name}", 0, k)
            if (self.lines[place].gate in CONDITIONS) != (line.gate == "where" and j == 0):
                raise ValueError(f"{name}: a condition must be the first input of where, and nothing else")

    @property
    def instructions(self) -> int:
        """About how many instructions the compiled formula has, with those of the activation functions inside it."""
        found = [INSTRUCTIONS.get(line.gate, FEW) for line in self.lines]
        for sigma in (value for line in self.lines for name, value in line.options if name == "sigma"):
            if isinstance(program := getattr(sigma, "program", None), Program):
                found.append(program.instructions)
        return sum(found)

    @classmethod
    def of(cls, variables: Sequence[Node], outputs: Sequence[Node]) -> Program:
        """Return the program that computes some nodes of a graph from its variables.

        The graph must have no other variable, no gate of the user, and no gate that works on whole arrays.
        """
        lines = [Line(VARIABLE) for _ in variables]
        places = {id(node): k for k, node in enumerate(variables)}
        for output in outputs:
            for node in output.nodes:
                if id(node) in places:
                    continue
                places[id(node)] = len(lines)
                lines.append(_line(node, places))
        return cls(len(variables), tuple(lines), tuple(places[id(output)] for output in outputs))

    @staticmethod
    def traced(
        formula: Callable[..., Any],
        arguments: Sequence[Any],
        named: Mapping[str, Node],
        name: str,
        *,
        several: bool = False,
    ) -> list[Node]:
        """Return the nodes that a function of the user returns for nodes. With `several`, it returns a sequence.

        The name is that of the argument that holds the function, for messages. If the function cannot be turned into a
        graph, TypeError says what to write instead.
        """
        if not callable(formula):
            raise TypeError(f"{name} must be a function such as lambda z: z * z, got {formula!r}")
        try:
            out = formula(*arguments, **named)
        except (TypeError, AttributeError) as error:
            raise TypeError(f"{name} cannot be turned into a graph: {error}") from None
        results = list(out) if several and isinstance(out, list | tuple) else [out]
        if name == "prime":  # a derivative may be the same everywhere
            results = [nodes.constant(each) if is_number(each) else each for each in results]
        for each in results:
            if not isinstance(each, Node):
                raise TypeError(f"{name} must return what it computes from its arguments with operators, got {each!r}")
            if each.operation in CONDITIONS:
                text = each.expression()
                raise TypeError(f"{name} must return numbers, got the condition {text}: use where(condition, x, y)")
        return results

    def compute(self, *operands: Any) -> list[Any]:
        """Return the results for operands: vectors, arrays or nodes. Each result has the shape of the first operand."""
        values = list(operands)
        for line in self.lines[self.count :]:
            options = dict(line.options)
            if line.gate == CONSTANT:
                values.append(options["value"])
                continue
            inputs = [values[place] for place in line.inputs]
            if line.gate == "where" and isinstance(inputs[0], bool):  # a condition of constants
                values.append(inputs[1] if inputs[0] else inputs[2])
                continue
            if any(isinstance(each, Node) for each in inputs):
                values.append(nodes.apply(line.gate, *inputs, **options))
            elif all(isinstance(each, float) for each in inputs):
                with np.errstate(all="ignore"):
                    values.append(GATES[line.gate].forward(*map(np.float64, inputs), **options).item())
            else:
                values.append(GATES[line.gate].forward(*inputs, **options))
        results = [values[place] for place in self.outputs]
        return [filled(operands[0], each) if isinstance(each, float) else each for each in results]

    def text(self, *names: str) -> str:
        """Return the formula of the first output as text, for inputs with these names."""
        return str(self.compute(*(Node(VARIABLE, name=name) for name in names))[0].expression())


def _signature(gate: str) -> tuple[int, list[str]]:
    """Return the number of inputs and the names of the options of a line with this gate."""
    if gate in (VARIABLE, CONSTANT):
        return 0, ["value"] if gate == CONSTANT else []
    if gate not in GATES or not GATES[gate].elementwise:
        raise ValueError(f"there is no gate {gate!r} for formulas")
    fields = [field for _, field, _, _ in string.Formatter().parse(GATES[gate].text) if field]
    return sum(field.isdigit() for field in fields), [field for field in fields if not field.isdigit()]


def _line(node: Node, places: dict[int, int]) -> Line:
    """Return the line of a node, whose inputs have these places."""
    if node.operation == CONSTANT:
        if node.value.ndim:
            raise ValueError(
                f"a formula must have single numbers as constants, got an array of shape {node.value.shape}"
            )
        return Line(CONSTANT, (), (("value", float(node.value)),))
    if node.operation == VARIABLE:
        raise ValueError(f"a formula must only use its own arguments, got the variable {node.name!r}")
    if "gate" in node.options or not GATES[node.operation].elementwise:
        raise ValueError(
            f"a formula must compute each number from the numbers at its place, and {node.operation} does not: use "
            "operators such as + and **, activation functions, and absolute, cos, exp, log, maximum, minimum, "
            "reciprocal, sin, sqrt and where of fastbp.graph"
        )
    return Line(node.operation, tuple(places[id(each)] for each in node.inputs), tuple(node.options.items()))


def derivatives(output: Node, inputs: Sequence[Node]) -> list[Node | None]:
    """Return the derivative of a node with respect to some nodes, as nodes: backpropagation on the graph (001, 003).

    A derivative of None means that no gradient reaches the node.
    """
    gradients: dict[int, Any] = {id(output): 1.0}
    order, below = output.nodes, set()
    reach = {id(each) for each in inputs}
    for node in order:  # only the nodes that depend on the inputs
        if any(id(each) in reach for each in node.inputs):
            reach.add(id(node))
    for node in reversed(order):
        dz = gradients.get(id(node))
        if dz is None or not node.inputs or id(node) not in reach:
            continue
        if "gate" in node.options or not GATES[node.operation].elementwise:
            _line(node, {})  # which raises an error
        guarded = id(node) in below  # nothing else can make a gradient 0
        parts = backward(node.operation, dz, node, node.inputs, node.options, guarded=guarded)
        for each, part in zip(node.inputs, parts, strict=True):
            if guarded or node.operation in CHOOSING:
                below.add(id(each))
            if part is not None and id(each) in reach:
                gradients[id(each)] = part if id(each) not in gradients else gradients[id(each)] + part
    found = [gradients.get(id(each)) for each in inputs]
    return [nodes.constant(each) if isinstance(each, float) else each for each in found]
