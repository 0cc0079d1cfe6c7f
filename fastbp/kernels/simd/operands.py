"""This module lets one formula serve vectors, arrays and graphs.

A formula is a function such as ``lambda z: 1.0 / (1.0 + exp(-z))``. For vectors (`vector.py`), its operators and
functions emit instructions. For arrays of NumPy and numbers, they compute. For the nodes of a graph
(`fastbp.formulas.nodes`), they record what is computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def operation(of_arrays: Callable) -> Callable:
    """Return a decorator for a function of vectors, so that it takes nodes too, and arrays as `of_arrays` does."""

    def decorate(of_vectors: Callable) -> Callable:
        @functools.wraps(of_vectors)
        def of_operands(*operands: Any) -> Any:
            for x in operands:
                if hasattr(x, "builder"):  # a vector, or a mask
                    return of_vectors(*operands)
                if hasattr(x, "record"):  # a node
                    return x.record(of_vectors.__name__, *operands)
            return of_arrays(*operands)

        return of_operands

    return decorate
