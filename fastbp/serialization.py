"""Networks in files: safetensors, with the architecture as JSON in its metadata. Nothing in a file is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from . import activations
from .network import MLP

FORMAT = "fastbp network"
VERSION = 1


class ModelFileError(ValueError):
    """A file is not a network that this version can read. The message says why."""


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: whoever opens it, also after a power cut, sees the old one or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)  # mkstemp's files are for their owner alone
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere directories cannot be opened
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def describe(network: MLP) -> str:
    """What a network is made of but for its numbers, in JSON."""
    plain = lambda value: {value.name: vars(value)}  # noqa: E731  (an activation that has a parameter)
    return json.dumps({"sizes": network.sizes, **network.architecture, "dtype": str(network.dtype)}, default=plain)


def digest(description: str, tensors: Iterable[np.ndarray]) -> str:
    """Of all that a file says: a flipped bit in a weight is a number too."""
    state = hashlib.sha256(description.encode())
    for tensor in tensors:
        state.update(np.ascontiguousarray(tensor).data)
    return state.hexdigest()


def save(network: MLP, path: str | os.PathLike) -> None:
    """Write a network to a file; see `MLP.save`."""
    tensors = {"shift": network.shift, "scale": network.scale}
    for l, (W, b) in enumerate(zip(network.weights, network.biases, strict=True), 1):
        tensors |= {f"W{l}": W, f"b{l}": b}
    description = describe(network)
    metadata = {"format": FORMAT, "version": str(VERSION), "network": description}
    metadata["sha256"] = digest(description, tensors.values())
    write(Path(path), to_bytes(tensors, metadata))


def _object(value: object) -> object:
    """An activation from what `describe` made of it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"an activation must be a name, or a name and its parameters, got {value!r}")
    [(name, parameters)] = value.items()
    if name not in activations.CLASSES or not isinstance(parameters, dict):
        raise ValueError(f"there is no activation {name!r} with parameters {parameters!r}")
    return activations.CLASSES[name](**parameters)


def _read(path: Path) -> MLP:
    """The network in a file. ValueError, TypeError, KeyError or SafetensorError if there is none."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
        if metadata.get("version") != str(VERSION):
            raise ValueError(f"its version is {metadata.get('version')!r}, and this fastbp reads {VERSION}")
        options = json.loads(metadata["network"])
        if not isinstance(options, dict):
            raise ValueError("its description is not an object")
        sizes, dtype = options.pop("sizes"), np.dtype(options.pop("dtype"))
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"its dtype is {dtype}, not float32 or float64")
        if not isinstance(sizes, list) or not all(type(n) is int and n > 0 for n in sizes):
            raise ValueError(f"its sizes are {sizes!r}")
        # The file must have room for all that is asked for before any of it is allocated.
        shapes = {"shift": (sizes[0],), "scale": (sizes[0],)} if sizes else {}
        for l, shape in enumerate(pairwise(sizes), 1):
            shapes |= {f"W{l}": shape, f"b{l}": shape[1:]}
        if set(file.keys()) != set(shapes):
            odd = sorted(set(file.keys()) ^ set(shapes))
            raise ValueError(f"tensors that are missing or that do not belong: {', '.join(odd[:5])}")
        for name, shape in shapes.items():
            found = file.get_slice(name)
            kind = {"F32": np.float32, "F64": np.float64}.get(found.get_dtype())
            if kind != dtype or tuple(found.get_shape()) != shape:
                raise ValueError(f"{name} is {found.get_dtype()} {found.get_shape()}, not {dtype} {list(shape)}")
        if digest(metadata["network"], map(file.get_tensor, shapes)) != metadata["sha256"]:
            raise ValueError("its contents are not those that were saved")
        options["activation"] = [_object(value) for value in options["activation"]]
        options["output"] = _object(options["output"])
        per_input = {"shift": file.get_tensor("shift"), "scale": file.get_tensor("scale")}
        # A tensor at a time: a large network is in memory once, not three times.
        return MLP._filled(map(file.get_tensor, [*shapes][2:]), sizes, dtype=dtype, **per_input, **options)


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
    path = Path(path)
    with path.open("rb"):  # missing, forbidden or a directory: as everywhere else
        pass
    try:
        return _read(path)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ModelFileError(f"{path} is not a network that can be read: {reason}") from None
