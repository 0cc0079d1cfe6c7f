"""This module says how a network lies in a file: as a description of its architecture, and as tensors with names.

The tensors are "W1", "b1", "W2", "b2" and so on, "shift" and "scale". With standardized targets, there are also
"target_shift" and "target_scale". `base/model_files.py` reads and writes the file itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ..activations import OUTPUTS
from ..base import model_files
from ..data import arrays
from ..engine.blocks import Groups, Parameters
from ..formulas.programs import Line, Program
from .architecture import Architecture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CLASSES: dict[str, type] = {kind.__name__: kind for kind in (Architecture, Groups, *OUTPUTS.kinds, Program, Line)}
"""The classes that the description of a network may name, by their names."""

VECTORS = ("shift", "scale", "target_shift", "target_scale")
"""The names of the tensors that transform inputs and outputs."""


class Stored(Protocol):
    """What files hold of a network, see `MLP`."""

    @property
    def architecture(self) -> Architecture: ...

    @property
    def parameters(self) -> Parameters: ...

    @property
    def _vectors(self) -> dict[str, np.ndarray]: ...

    def _transform_as(self, vectors: Mapping[str, ArrayLike]) -> None: ...


Network = TypeVar("Network", bound=Stored)


def tensors(network: Stored) -> dict[str, np.ndarray]:
    """Return copies of the tensors of a network, by their names."""
    return network._vectors | network.parameters.unpack(network.parameters.theta)


def save(network: Stored, path: str | os.PathLike[str]) -> None:
    """Write a network to a file. Raise OSError if this fails; an old file stays as it was."""
    description = model_files.plain(network.architecture)
    model_files.write(path, model_files.pack("network", description, tensors(network)))


def transformations(contents: model_files.Contents, made: Architecture, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Return the shapes of the vectors in a file that transform the inputs and, if there are some, the outputs."""
    ends = made.sizes[:1] * 2 + (made.sizes[-1:] * 2 if prefix + "target_scale" in contents.names else ())
    return {name: (n,) for name, n in zip(VECTORS, ends, strict=False)}


def read(
    contents: model_files.Contents,
    described: Mapping[str, Any],
    classes: Mapping[str, type],
    make: Callable[[Architecture], Network],
) -> dict[str, Network]:
    """Return the networks of an open file.

    `described` has the description of each network. Its key is the prefix of the names of the tensors, and is also the
    key of the network. `classes` are those that the descriptions may name, and `make` makes a network of an
    architecture. If the contents do not fit together, there is a ValueError, TypeError or KeyError.
    """
    made: dict[str, Architecture] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, np.dtype] = {}
    for prefix, description in described.items():
        made[prefix] = architecture = model_files.restored(description, classes)
        if not isinstance(architecture, Architecture):
            raise ValueError(f"its description must be that of an architecture, got {architecture!r}")
        found = architecture.shapes() | transformations(contents, architecture, prefix)
        found = {prefix + name: shape for name, shape in found.items()}
        shapes, dtypes = shapes | found, dtypes | dict.fromkeys(found, architecture.dtype)
    contents.fit(shapes, dtypes)
    networks = {prefix: make(architecture) for prefix, architecture in made.items()}
    vectors: dict[str, dict[str, np.ndarray]] = {prefix: {} for prefix in made}
    # The loop holds one tensor at a time, so that a large network is in memory once, and not three times.
    for whole, tensor in contents.tensors():
        name = whole.rpartition(" ")[2]
        prefix = whole.removesuffix(name)
        if name in VECTORS:
            vectors[prefix][name] = tensor
        else:
            arrays.within(tensor, whole, made[prefix].dtype)
            networks[prefix].parameters.set({name: tensor})
    for prefix, network in networks.items():
        network._transform_as(vectors[prefix])
    return networks
