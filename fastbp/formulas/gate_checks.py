"""This module checks the `backward` of a gate that a user has written, and says what is wrong with it (001)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..base.locked import locked
from . import differences
from .nodes import numeric
from .tables import short
from .user_gates import checked

MOST_ERROR = 1e-6
"""The largest relative error of a right gradient."""

STEP = differences.STEP / 512
"""The step of the differences. It is so small that few points are near a kink, and that `differences.at_kink`, which
looks 1 / 256 of `differences.STEP` to both sides, sees each of them."""


class GateCheck(NamedTuple):
    """`GateCheck` says whether the `backward` of a gate is right. `check` makes it, and its text says it in words.

    Attributes
    ----------
    name : str
        The name of the class of the gate.
    points : int
        The number of random points.
    faults : dict of str to str
        What is wrong with the gradient for each input, by its name. A fault of the whole gate has the name "forward" or
        "backward". If the gate is right, there is none.
    """

    name: str
    points: int
    faults: Mapping[str, str]

    @property
    def right(self) -> bool:
        """Whether all gradients are right."""
        return not self.faults

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        if self.right:
            return f"{self.name} is right: at {self.points} random points, backward agrees with differences of forward."
        return "\n".join([f"{self.name} is wrong.", *(f"- {fault}" for fault in self.faults.values())])


class Point(NamedTuple):
    """`Point` has the numbers of one random point."""

    inputs: list[np.ndarray]
    dz: np.ndarray
    got: list[Any]
    """The gradients that `backward` has returned, one for each input."""
    right: list[np.ndarray]
    local: list[np.ndarray]
    """The right gradients if dz were 1 everywhere."""


def check(
    own: Any,
    *shapes: tuple[int, ...],
    points: int = 20,
    between: tuple[float, float] = (-2.0, 2.0),
    seed: int | None = 0,
) -> GateCheck:
    """Check the method `backward` of a gate or a layer of your own, and say what is wrong with it.

    At random points, the gradients that `backward` returns are compared with central differences of `forward` (001).
    Where they differ, common faults are looked for: a sign, a factor, the gradient of another input, a missing dz.

    Parameters
    ----------
    own : object
        An object with the methods `forward` and `backward`, as for `gate`. All inputs of `forward` get a gradient; what
        needs none, such as the labels of a loss, can stand in ``self``.
    *shapes : tuples of int
        The shape of each input of `forward`, such as () for a single number and (4, 3) for a matrix.
    points : int, keyword-only, default 20
        The number of points, at least 1.
    between : pair of float, keyword-only, default (-2.0, 2.0)
        The smallest and the largest number of the inputs. A logarithm needs numbers above 0, as in ``(0.5, 2)``.
    seed : int or None, keyword-only, default 0
        The seed of the points. With None, each call draws others.

    Returns
    -------
    GateCheck
        It is true if `backward` is right. Its text names each input whose gradient is wrong, and says what is wrong.

    Raises
    ------
    TypeError
        If a method is missing, if `forward` takes another number of inputs, or if an argument has the wrong type.
    ValueError
        If an argument is outside its range, or if `forward` returns numbers that are not finite.

    Notes
    -----
    A gate that raises an error is not caught. Its inputs and dz cannot be changed in place. Sources: 001 (forward and
    backward of a gate; an analytic gradient is checked with a numerical one). `Node.check` checks a whole graph.

    Examples
    --------
    >>> import fastbp as fb
    >>> class Multiply:
    ...     def forward(self, x, y):
    ...         self.x, self.y = x, y
    ...         return x * y
    ...
    ...     def backward(self, dz):
    ...         return dz * self.x, dz * self.y
    >>> fb.graph.check(Multiply(), (), ())
    Multiply is wrong.
    - dC/dx is that of y. With x = 1.5611, y = -1.09137 and dz = 1.96026, it is 3.06015, and must be -2.13937.
    - dC/dy is that of x. With x = 1.5611, y = -1.09137 and dz = 1.96026, it is -2.13937, and must be 3.06015.
    >>> Multiply.backward = lambda self, dz: (dz * self.y, dz * self.x)
    >>> fb.graph.check(Multiply(), (), ())
    Multiply is right: at 20 random points, backward agrees with differences of forward.
    """
    names = _names_of_inputs(checked(own), shapes)
    low, high = (checks.real(end, f"between[{k}]") for k, end in enumerate(checks.pair(between, "between")))
    if low >= high:
        raise ValueError(f"between must be a smaller and a larger number, got {between!r}")
    rng, seen = checks.generator(seed), []
    name = type(own).__name__
    for _ in range(checks.integer(points, "points", 1)):
        found = _at(own, names, [rng.uniform(low, high, shape) for shape in shapes], rng)
        if not isinstance(found, Point):
            return GateCheck(name, points, found)
        seen.append(found)
    faults = {each: _fault(own, names, k, seen) for k, each in enumerate(names)}
    return GateCheck(name, points, {each: fault for each, fault in faults.items() if fault})


def _names_of_inputs(own: Any, shapes: tuple[Any, ...]) -> list[str]:
    """Return the names of the inputs of `forward`. Raise TypeError unless there is a shape for each of them."""
    signature = inspect.signature(own.forward)
    for k, shape in enumerate(shapes):
        if not isinstance(shape, tuple):
            raise TypeError(f"shapes must be tuples, such as () or (4, 3); got {shape!r} for input {k + 1}")
        for length in shape:
            checks.integer(length, f"a length of the shape of input {k + 1}", 1)
    try:
        given = signature.bind(*shapes).arguments
    except TypeError:
        given = {}
    if not given:
        wanted = f"{type(own).__name__}.forward{signature}"
        raise TypeError(f"check needs the shape of each input of {wanted}, got the {len(shapes)} shapes {shapes}")
    many = [name for name, each in signature.parameters.items() if each.kind is inspect.Parameter.VAR_POSITIONAL]
    return [name for name in given if name not in many] + [
        f"{name}{k + 1}" for name in many for k in range(len(given.get(name, ())))
    ]


def _forward(own: Any, inputs: list[np.ndarray]) -> np.ndarray:
    """Return the output of a gate for inputs that it cannot change."""
    return numeric(own.forward(*map(locked, inputs)), f"the output of {type(own).__name__}.forward")


def _at(own: Any, names: list[str], inputs: list[np.ndarray], rng: np.random.Generator) -> Point | dict[str, str]:
    """Return the numbers of a point, or the faults that leave nothing to compare."""
    z = _forward(own, inputs)
    if not np.isfinite(z).all():
        raise ValueError(
            f"{type(own).__name__}.forward returns numbers that are not finite: give the smallest and the largest "
            "number of its inputs, as in between=(0.5, 2)"
        )
    if not np.array_equal(z, _forward(own, inputs)):
        return {"forward": "forward returns another output for the same inputs, so there is no derivative."}
    dz, slopes = rng.normal(size=z.shape), [_slopes(own, inputs, k) for k in range(len(inputs))]
    parts = []
    for _ in range(2):
        _forward(own, inputs)
        found = own.backward(locked(dz))
        parts.append([*found] if isinstance(found, tuple | list) else [found])
    wanted = " and ".join(f"dC/d{name}" for name in names)
    if len(parts[0]) != len(names) or any(part is None for part in parts[0]):
        return {"backward": f"backward must return {wanted}, got {found!r}."}
    first, second = ([numeric(part, f"the gradient for {n}") for part, n in zip(p, names, strict=True)] for p in parts)
    if not all(np.array_equal(p, q, equal_nan=True) for p, q in zip(first, second, strict=True)):
        return {"backward": "backward returns other gradients after the next forward: it must not add to the old ones."}
    right = [(J * dz).sum(axis=tuple(range(x.ndim, J.ndim))) for J, x in zip(slopes, inputs, strict=True)]
    local = [J.sum(axis=tuple(range(x.ndim, J.ndim))) for J, x in zip(slopes, inputs, strict=True)]
    return Point(inputs, dz, first, right, local)


def _slopes(own: Any, inputs: list[np.ndarray], k: int) -> np.ndarray:
    """Return the derivatives of the output by differences, of shape x.shape + z.shape for the input x with number k."""
    flat, rows = inputs[k].flat, []
    for i, value in enumerate(inputs[k].ravel().tolist()):

        def moved(by: float, i: int = i, value: float = value) -> np.ndarray:
            flat[i] = value + by
            return _forward(own, inputs)

        try:
            rows.append(differences.central(moved, STEP))
        finally:
            flat[i] = value
    return np.reshape(rows, inputs[k].shape + np.shape(rows[0]))


def _fault(own: Any, names: list[str], k: int, seen: list[Point]) -> str:
    """Return what is wrong with the gradient for input k, or ""."""
    shape, found = seen[0].inputs[k].shape, {np.shape(each.got[k]) for each in seen}
    if found != {shape}:
        return _fault_of_shape(names[k], shape, seen[0].got[k], seen[0].right[k])
    got, right = np.array([each.got[k] for each in seen]), np.array([each.right[k] for each in seen])
    wrong = ~_equal(got, right)
    for p, *place in np.argwhere(wrong):
        wrong[p, *place] = not _at_kink(own, seen[p], k, tuple(place), float(np.abs(right).max()))
    if not wrong.any():
        return ""
    explained = (text for text, wanted in _candidates(names, k, seen) if _equal(got, wanted).all())
    text = next(explained, None) or _where(names, k, seen, wrong)
    p, *place = np.unravel_index(np.argmax(np.where(wrong, np.abs(got - right), -1.0)), got.shape)
    values = f"{short(got[p, *place] + 0.0)}, and must be {short(right[p, *place] + 0.0)}."
    point = seen[p]
    if any(np.ndim(x) for x in (*point.inputs, point.dz)):
        return f"dC/d{names[k]} {text}. dC/d{names[k]}[{', '.join(map(str, place))}] is {values}"
    *most, last = [f"{name} = {short(x)}" for name, x in zip([*names, "dz"], [*point.inputs, point.dz], strict=True)]
    return f"dC/d{names[k]} {text}. With {', '.join(most)} and {last}, it is {values}"


def _equal(got: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return for each number of a gradient whether it is right."""
    equal: np.ndarray = np.abs(got - right) <= MOST_ERROR * max(np.abs(right).max(initial=0), 1e-6)
    return equal


def _fault_of_shape(name: str, shape: tuple[int, ...], got: np.ndarray, right: np.ndarray) -> str:
    """Return the fault of a gradient whose shape differs from that of its input."""
    sums = [(f": sum it over axis {axis}", got.sum(axis=axis)) for axis in range(got.ndim)]
    remedies = [*sums, (": transpose it", got.T), (": sum all of it", got.sum())]
    right_ones = (text for text, each in remedies if np.shape(each) == shape and _equal(each, right).all())
    return f"dC/d{name} has the shape {got.shape}, and must have the shape {shape} of {name}{next(right_ones, '')}."


def _candidates(names: list[str], k: int, seen: list[Point]) -> Iterator[tuple[str, np.ndarray]]:
    """Return the common faults, each with the gradients that it leads to."""
    got, right = np.array([each.got[k] for each in seen]), np.array([each.right[k] for each in seen])
    yield "is 0", np.zeros_like(right)
    yield "has the wrong sign", -right
    for j, name in enumerate(names):
        if j != k and seen[0].right[j].shape == right.shape[1:]:
            yield f"is that of {name}", np.array([each.right[j] for each in seen])
    yield "leaves out dz", np.array([each.local[k] for each in seen])
    if seen[0].dz.shape == right.shape[1:]:
        yield "is dz alone, without the local derivative", np.array([each.dz for each in seen])
    if right.ndim == 3 and right.shape[1] == right.shape[2]:
        yield "is transposed", right.swapaxes(1, 2)
    factor = float((got * right).sum() / max((right * right).sum(), np.finfo(float).tiny))
    yield f"is {short(factor)} times the right one", factor * right


def _where(names: list[str], k: int, seen: list[Point], wrong: np.ndarray) -> str:
    """Return at which inputs a gradient is wrong, if this can be said in a few words."""
    if wrong.all():
        return "is wrong"
    values = {name: np.array([each.inputs[j] for each in seen]) for j, name in enumerate(names)}
    values |= {"dz": np.array([each.dz for each in seen]), "0": np.zeros(wrong.shape)}
    usable = {name: each for name, each in values.items() if each.shape == wrong.shape}
    for one, x in usable.items():
        for other, y in usable.items():
            if one != "0" and one != other and np.array_equal(wrong, x > y):
                return f"is right where {one} <= {other}, and wrong where {one} > {other}"
            if other == "0" and one != "0" and np.array_equal(wrong, x < y):
                return f"is right where {one} >= 0, and wrong where {one} < 0"
    return f"is wrong at {wrong.sum()} of {wrong.size} numbers"


def _at_kink(own: Any, point: Point, k: int, place: tuple[int, ...], largest: float) -> bool:
    """Return whether a gradient is right although differences say something else, because it is near a kink."""

    def cost() -> float:
        return float((point.dz * _forward(own, point.inputs)).sum())

    slope, x = float(point.got[k][place]), point.inputs[k]
    number = int(np.ravel_multi_index(place, x.shape)) if place else 0
    return differences.at_kink(cost, x, number, slope, MOST_ERROR / 100 * max(largest, 1e-6))
