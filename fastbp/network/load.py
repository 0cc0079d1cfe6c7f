"""This module holds `load`, which reads a network from a file that `MLP.save` wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..activations import OUTPUTS
from ..base import model_files
from ..data import arrays
from ..formulas.programs import Line, Program
from .architecture import Architecture
from .mlp import MLP

CLASSES = {kind.__name__: kind for kind in (Architecture, *OUTPUTS.kinds, Program, Line)}
"""The classes that the description of a network in a file may name, by their names."""

VECTORS = ("shift", "scale", "target_shift", "target_scale")
"""The names of the tensors that transform inputs and outputs."""


def load(path: str | os.PathLike) -> MLP:
    """Read a network from a file that `MLP.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The path of the file.

    Returns
    -------
    MLP
        A network with the same architecture, `scale` and `shift`, and with exactly the same weights and biases.

    Raises
    ------
    ModelFileError
        If the file is damaged, has another format or version, or has contents that do not fit together. This error is
        also a ValueError.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> net = fb.MLP([4, 8, 3], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "digits.safetensors"
    ...     net.save(path)
    ...     twin = fb.load(path)
    >>> twin
    MLP([4, 8, 3], output='softmax')
    """
    with model_files.opened(path, "network") as contents:
        return networks(contents, {"": contents.description}, CLASSES)[""]


def networks(
    contents: model_files.Contents, described: Mapping[str, Any], classes: Mapping[str, type]
) -> dict[str, MLP]:
    """Make the networks of an open file.

    Parameters
    ----------
    contents : Contents
        The file.
    described : mapping of str to value
        For each network, the beginning of the names of its tensors, and the description of its architecture.
    classes : mapping of str to class
        The classes that the descriptions may name.

    Returns
    -------
    dict of str to MLP
        The networks.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the contents do not fit together.
    """
    made, shapes, dtypes = {}, {}, {}
    for prefix, description in described.items():
        made[prefix] = architecture = model_files.restored(description, classes)
        if not isinstance(architecture, Architecture):
            raise ValueError(f"its description is {architecture!r}, not that of an architecture")
        found = architecture.shapes() | transformations(contents, architecture, prefix)
        found = {prefix + name: shape for name, shape in found.items()}
        shapes, dtypes = shapes | found, dtypes | dict.fromkeys(found, architecture.dtype)
    contents.fit(shapes, dtypes)
    read = {prefix: MLP.from_architecture(architecture, 1.0, 0.0) for prefix, architecture in made.items()}
    vectors: dict[str, dict[str, np.ndarray]] = {prefix: {} for prefix in made}
    # The loop holds one tensor at a time, so that a large network is in memory once, and not three times.
    for whole, tensor in contents.tensors():
        name = whole.rpartition(" ")[2]
        prefix = whole[: len(whole) - len(name)]
        if name in VECTORS:
            vectors[prefix][name] = tensor
        else:
            arrays.within(tensor, whole, read[prefix].dtype)
            read[prefix].parameters.set_layer(int(name[1:]) - 1, **{name[0]: tensor})
    for prefix, network in read.items():
        network.transform_as(vectors[prefix])
    return read


def transformations(contents: model_files.Contents, made: Architecture, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Return the shapes of the vectors in a file that transform the inputs and, if there are some, the outputs."""
    ends = made.sizes[:1] * 2 + (made.sizes[-1:] * 2 if prefix + "target_scale" in contents.names else ())
    return {name: (n,) for name, n in zip(VECTORS, ends, strict=False)}
