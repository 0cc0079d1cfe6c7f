"""Networks in files: safetensors, with the architecture as JSON in its metadata."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from . import activations, checks, files
from .architecture import Architecture
from .network import MLP

CLASSES = {kind.__name__: kind for kind in (Architecture, *activations.CLASSES.values())}
"""name: class of what a network is made of."""


def fits(
    contents: files.Contents, shapes: Mapping[str, Sequence[int]], dtype: np.dtype, others: Collection[str] = ()
) -> None:
    """ValueError unless a file has these tensors, others of whatever shape, and no more: before one is allocated."""
    if contents.names != {*shapes, *others}:
        odd = sorted(contents.names ^ {*shapes, *others})
        raise ValueError(f"tensors that are missing or that do not belong: {', '.join(odd[:5])}")
    for name, shape in shapes.items():
        kind, found = contents.kind(name)
        if {"F32": np.float32, "F64": np.float64}.get(kind) != dtype or found != tuple(shape):
            raise ValueError(f"{name} is {kind} {list(found)}, not {dtype} {list(shape)}")


def save(network: MLP, path: str | os.PathLike) -> None:
    """Write a network to a file; see `MLP.save`."""
    tensors = {"shift": network.shift, "scale": network.scale}
    for l, (W, b) in enumerate(zip(network.weights, network.biases, strict=True), 1):
        tensors |= {f"W{l}": W, f"b{l}": b}
    files.write(Path(path), files.pack("network", files.plain(network.architecture), tensors))


def load(path: str | os.PathLike) -> MLP:
    """Read a network that `MLP.save` wrote.

    Parameters
    ----------
    path : of the file

    Returns
    -------
    MLP
        With the same weights, to the bit, architecture, scale and shift.

    Raises
    ------
    ModelFileError
        A ValueError: the file is damaged, of another format or version, or its contents do not fit together.
    OSError
        If it cannot be read.

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
        shapes = {"shift": made.sizes[:1], "scale": made.sizes[:1]}
        for l, shape in enumerate(pairwise(made.sizes), 1):
            shapes |= {f"W{l}": shape, f"b{l}": shape[1:]}
        fits(contents, shapes, made.dtype)
        contents.verify()
        network = MLP._made(made, contents["scale"], contents["shift"])
        # A tensor at a time: a large network is in memory once, not three times.
        for l in range(len(made.sizes) - 1):
            for name, put in ((f"W{l + 1}", network._fill), (f"b{l + 1}", network._fill_bias)):
                tensor = contents[name]
                checks.within(tensor, name, made.dtype)
                put(l, tensor)
        return network
