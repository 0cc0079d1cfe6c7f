"""This module checks which weights of a network are shared: between layers, and inside a matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..base import checks
from ..engine.blocks import Groups
from ..engine.layers.dense import Use

NAME = re.compile(r"W([1-9][0-9]*)(\.T)?")
"""What a matrix of weights is called, or its transpose."""


def tied(given: Sequence[tuple[str, str]], sizes: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Return the argument `tied` of `MLP` in one form, or raise an error.

    Each pair begins with a matrix that the network does not store, in the order of the layers, and says which stored
    matrix it is, or whose transpose.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"tied must be pairs of matrices such as [('W4', 'W1.T')], got {given!r}")
    shapes = dict(enumerate(pairwise(sizes), 1))
    roots = {l: Use(l, False) for l in shapes}
    for k, pair in enumerate(given):
        name = f"tied[{k}]"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(f"{name} must be a pair of matrices such as ('W4', 'W1.T'), got {pair!r}")
        first, second = (_matrix(each, name, len(shapes)) for each in pair)
        if first.layer == second.layer:
            raise ValueError(f"{name} must be two matrices, got {pair!r}")
        ends = [roots[each.layer]._replace(turned=roots[each.layer].turned != each.turned) for each in (first, second)]
        low, high = sorted(ends)
        turned = low.turned != high.turned
        if shapes[low.layer] != shapes[high.layer][:: -1 if turned else 1]:
            raise ValueError(
                f"{name} must be matrices of one shape, got {pair!r}: W{low.layer} has shape {shapes[low.layer]} and "
                f"W{high.layer} has shape {shapes[high.layer]}"
            )
        if low.layer == high.layer:
            if turned:
                raise ValueError(f"{name} must not tie W{low.layer} to its own transpose, got {pair!r}")
            continue
        for l, root in roots.items():
            if root.layer == high.layer:
                roots[l] = Use(low.layer, root.turned != turned)
    return tuple((f"W{l}", f"W{root.layer}" + ".T" * root.turned) for l, root in roots.items() if root.layer != l)


def uses(tied: tuple[tuple[str, str], ...]) -> dict[int, Use]:
    """Return for each layer without weights of its own whose weights it uses, from the result of `tied`."""
    found = {}
    for name, other in tied:
        found[_number(name)] = Use(_number(other), other.endswith(".T"))
    return found


def part(tied: tuple[tuple[str, str], ...], first: int, last: int) -> list[tuple[str, str]]:
    """Return which matrices of the layers first < l <= last are tied to each other, with their numbers there."""
    roots: dict[int, list[tuple[int, bool]]] = {}
    for l, use in uses(tied).items():
        roots.setdefault(use.layer, [(use.layer, False)]).append((l, use.turned))
    found = []
    for members in roots.values():
        there = [(l - first, turned) for l, turned in members if first < l <= last]
        found += [(f"W{l}", f"W{there[0][0]}" + ".T" * (turned != there[0][1])) for l, turned in there[1:]]
    return found


def shared(
    given: Mapping[int, Any] | Sequence[tuple[int, Any]], sizes: tuple[int, ...], tied: tuple[tuple[str, str], ...]
) -> tuple[tuple[int, Groups], ...]:
    """Return the argument `shared` of `MLP` in one form, or raise an error. `tied` is the result of `tied`."""
    if not isinstance(given, Mapping | Sequence) or isinstance(given, str):
        raise TypeError(f"shared must be a dict such as {{1: numbers}}, got {given!r}")
    shapes, found = dict(enumerate(pairwise(sizes), 1)), []
    for layer, numbers in sorted(given.items() if isinstance(given, Mapping) else map(tuple, given)):
        l = checks.integer(layer, "the layers of shared", 1, len(shapes) + 1)
        try:
            groups = numbers if isinstance(numbers, Groups) else Groups(numbers)
        except (TypeError, ValueError) as error:
            raise type(error)(f"shared[{l}] does not fit: {error}") from None
        if groups.array.shape != shapes[l]:
            raise ValueError(f"shared[{l}] must have shape {shapes[l]}, got {groups.array.shape}")
        found.append((l, groups))
    alike = {l for name, other in tied for l in (_number(name), _number(other))}
    for l in alike.intersection(l for l, _ in found):
        raise ValueError(f"shared must not have layer {l}, whose matrix is tied to that of another layer")
    return tuple(found)


def _number(name: str) -> int:
    """Return the number of the layer in the name of a matrix."""
    return int(name[1:].removesuffix(".T"))


def _matrix(name: object, where: str, layers: int) -> Use:
    """Return which matrix a name means, or raise an error."""
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None or int(found[1]) > layers:
        raise ValueError(f"{where} must have names from 'W1' to 'W{layers}', also with '.T' behind, got {name!r}")
    return Use(int(found[1]), found[2] is not None)
