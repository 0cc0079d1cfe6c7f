"""This module reads and writes files in the format safetensors, with a description in JSON in their metadata.

A file is written completely or not at all. Reading a file never executes anything that it contains.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

VERSION = 1


class ModelFileError(ValueError):
    """`ModelFileError` is the ValueError for a file that this version of fastbp cannot read. The message says why.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "m"
    ...     _ = path.write_bytes(b"something else")
    ...     try:
    ...         fb.load(path)
    ...     except fb.ModelFileError as error:
    ...         print(type(error).__name__, isinstance(error, ValueError))
    ModelFileError True
    """


def write(path: str | os.PathLike, content: bytes) -> None:
    """Write a file completely or not at all.

    Whoever opens the file sees either the old content or the new content, even after a power cut.

    Parameters
    ----------
    path : str or path-like
        The path of the file. Its directory must exist.
    content : bytes
        The new content.

    Raises
    ------
    OSError
        If the file cannot be written. An old file stays as it was.
    """
    path = Path(path)
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
            partial.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # other systems cannot open a directory
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def digest(description: str, tensors: Iterable[tuple[str, np.ndarray]]) -> str:
    """Return a digest of the description and of all tensors.

    It protects the weights too: a weight with a flipped bit is still a number, so nothing else would notice the damage.
    """
    state = hashlib.sha256(description.encode())
    for name, tensor in tensors:
        state.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        state.update(np.ascontiguousarray(tensor).data)
    return state.hexdigest()


def pack(kind: str, description: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    kind : str
        The kind of the file: "network" or "checkpoint".
    description : mapping
        Values that JSON can store.
    tensors : mapping of str to array
        The tensors by their names.

    Returns
    -------
    bytes
        The content.
    """
    # safetensors writes the memory of an array as it is, so the array must be C-contiguous and in native byte order.
    tensors = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in tensors.items()}
    text = json.dumps(description)
    metadata = {"format": f"fastbp {kind}", "version": str(VERSION), "description": text}
    metadata["sha256"] = digest(text, sorted(tensors.items()))
    return to_bytes(tensors, metadata)


class Contents:
    """`Contents` is the content of an open file. It reads the tensors one by one.

    Parameters
    ----------
    file : safe_open
        The open file.
    kind : str
        The kind that the file must have.

    Attributes
    ----------
    description : dict
        The description, as JSON has read it.
    names : set of str
        The names of the tensors.

    Raises
    ------
    ValueError
        If the file has another kind or version.
    """

    def __init__(self, file: safe_open, kind: str):
        self._file, self._metadata = file, file.metadata() or {}
        if self._metadata.get("format") != f"fastbp {kind}":
            raise ValueError(f"its format is {self._metadata.get('format')!r}, not 'fastbp {kind}'")
        if self._metadata.get("version") != str(VERSION):
            raise ValueError(f"its version is {self._metadata.get('version')!r}, and this fastbp reads {VERSION}")
        self.description = json.loads(self._metadata["description"])
        if not isinstance(self.description, dict):
            raise ValueError("its description is not an object")
        self.names = set(file.keys())

    def kind(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Return the type and the shape that the file states for a tensor."""
        found = self._file.get_slice(name)
        return found.get_dtype(), tuple(found.get_shape())

    def __getitem__(self, name: str) -> np.ndarray:
        """Read a tensor."""
        return self._file.get_tensor(name)

    def fit(self, shapes: Mapping[str, Sequence[int]], dtype: np.dtype, others: Collection[str] = ()) -> None:
        """Check the names, shapes and dtypes of the tensors, before memory for them is allocated.

        Parameters
        ----------
        shapes : mapping of str to sequence of int
            The shape of each tensor, by its name.
        dtype : dtype
            The dtype of these tensors.
        others : collection of str, default ()
            The names of tensors that may have any shape and dtype.

        Raises
        ------
        ValueError
            If a tensor is missing, does not belong to the file, or has another shape or dtype.
        """
        if self.names != {*shapes, *others}:
            odd = sorted(self.names ^ {*shapes, *others})
            raise ValueError(f"tensors that are missing or that do not belong: {', '.join(odd[:5])}")
        for name, shape in shapes.items():
            kind, found = self.kind(name)
            if {"F32": np.float32, "F64": np.float64}.get(kind) != dtype or found != tuple(shape):
                raise ValueError(f"{name} is {kind} {list(found)}, not {dtype} {list(shape)}")

    def verify(self) -> None:
        """Raise ValueError if the description or a tensor differs from what was saved."""
        tensors = ((name, self[name]) for name in sorted(self.names))
        if digest(self._metadata["description"], tensors) != self._metadata["sha256"]:
            raise ValueError("its contents are not those that were saved")


@contextlib.contextmanager
def opened(path: str | os.PathLike, kind: str) -> Iterator[Contents]:
    """Open a file, and give its contents to a with statement.

    Inside the with statement, an error that damaged contents can cause becomes a ModelFileError.

    Parameters
    ----------
    path : str or path-like
        The path of the file.
    kind : str
        The kind of the file: "network" or "checkpoint".

    Raises
    ------
    ModelFileError
        If the file is damaged, has another format or version, or has contents that do not fit together.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    with path.open("rb"):  # this raises the usual OSError if the file is missing or forbidden, or is a directory
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            yield Contents(file, kind)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ModelFileError(f"{path} is not a {kind} that can be read: {reason}") from None


def plain(value: Any) -> Any:
    """Return a value in a form that JSON can store. A dataclass becomes {name of its class: its fields}."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {type(value).__name__: fields}
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def restored(value: Any, among: Mapping[str, type]) -> Any:
    """Return the value that `plain` was given.

    Parameters
    ----------
    value : object
        What `plain` returned, after JSON has stored and read it.
    among : mapping of str to class
        The only classes that the value may contain, by their names.

    Raises
    ------
    ValueError, TypeError
        If the value names another class, or if a class does not accept its fields.
    """
    if isinstance(value, list):
        return [restored(item, among) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not isinstance(fields := next(iter(value.values())), dict):
        raise ValueError(f"an object must be its class and its fields, got {value!r}")
    name = next(iter(value))
    if name not in among:
        raise ValueError(f"there is no {name!r} among {', '.join(among)}")
    return among[name](**restored_fields(fields, among))


def restored_fields(fields: Mapping[str, Any], among: Mapping[str, type]) -> dict[str, Any]:
    """Apply `restored` to each value of a dict."""
    return {name: restored(value, among) for name, value in fields.items()}
