"""Networks in files: safetensors, with the architecture as JSON in its metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from . import activations, files
from .network import MLP

ACTIVATIONS = {kind.__name__: kind for kind in activations.CLASSES.values()}


def describe(network: MLP) -> dict[str, Any]:
    """What a network is made of but for its numbers."""
    parts = {"sizes": network.sizes, **network.architecture, "dtype": str(network.dtype)}
    return {name: files.plain(value) for name, value in parts.items()}


def options(description: Mapping[str, Any]) -> dict[str, Any]:
    """What `MLP._define` is to be called with, but for shift and scale; ValueError if it cannot be."""
    made = dict(description)
    made["dtype"] = np.dtype(made["dtype"])
    if made["dtype"] not in (np.float32, np.float64):
        raise ValueError(f"its dtype is {made['dtype']}, not float32 or float64")
    sizes = made["sizes"]
    if not isinstance(sizes, list) or not all(type(n) is int and n > 0 for n in sizes):
        raise ValueError(f"its sizes are {sizes!r}")
    return files.restored_fields(made, ACTIVATIONS)


def fits(contents: files.Contents, shapes: Mapping[str, Sequence[int]], dtype: np.dtype) -> None:
    """ValueError unless a file has these tensors and no others: before any of them is allocated."""
    if contents.names != set(shapes):
        odd = sorted(contents.names ^ set(shapes))
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
    files.write(Path(path), files.pack("network", describe(network), tensors))


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
        made = options(contents.description)
        sizes = made.pop("sizes")
        shapes = {"shift": (sizes[0],), "scale": (sizes[0],)} if sizes else {}
        for l, shape in enumerate(pairwise(sizes), 1):
            shapes |= {f"W{l}": shape, f"b{l}": shape[1:]}
        fits(contents, shapes, made["dtype"])
        contents.verify()
        per_input = {"shift": contents["shift"], "scale": contents["scale"]}
        # A tensor at a time: a large network is in memory once, not three times.
        return MLP._filled((contents[name] for name in [*shapes][2:]), sizes, **per_input, **made)
