"""This module holds `load`, which reads a network from a file that `MLP.save` wrote."""

from __future__ import annotations

import os
from itertools import pairwise

from . import files
from .activations import OUTPUTS
from .architecture import Architecture
from .data import arrays
from .formulas.programs import Line, Program
from .network import MLP

CLASSES = {kind.__name__: kind for kind in (Architecture, *OUTPUTS.kinds, Program, Line)}
"""The classes that the description of a network in a file may name, by their names."""


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
    MLP(4-8-3, activation='relu', output='softmax', 67 parameters, float32)
    """
    with files.opened(path, "network") as contents:
        made = files.restored(contents.description, CLASSES)
        if not isinstance(made, Architecture):
            raise ValueError(f"its description is {made!r}, not that of an architecture")
        shapes = transformations(contents, made)
        for l, (shape, biased) in enumerate(zip(pairwise(made.sizes), made.bias, strict=True), 1):
            shapes |= {f"W{l}": shape} | ({f"b{l}": shape[1:]} if biased else {})
        contents.fit(shapes, made.dtype)
        network = MLP.from_architecture(made, 1.0, 0.0)
        vectors = dict.fromkeys(transformations(contents, made))
        # The loop holds one tensor at a time, so that a large network is in memory once, and not three times.
        for name, tensor in contents.tensors():
            if name in vectors:
                vectors[name] = tensor
            else:
                arrays.within(tensor, name, made.dtype)
                network.parameters.set_layer(int(name[1:]) - 1, **{name[0]: tensor})
        network.transform_as(vectors)
        return network


def transformations(contents: files.Contents, made: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the vectors in a file that transform the inputs and, if there are some, the outputs."""
    shapes = {"shift": made.sizes[:1], "scale": made.sizes[:1]}
    if "target_scale" in contents.names:
        shapes |= {"target_shift": made.sizes[-1:], "target_scale": made.sizes[-1:]}
    return shapes
