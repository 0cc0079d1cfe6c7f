"""Files: written whole or not at all; safetensors with JSON in their metadata, nothing in which is ever executed."""

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
    """A file is not what this version can read. The message says why.

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
    """Write a file whole or not at all: whoever opens it, also after a power cut, sees the old one or the new one."""
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


def digest(description: str, tensors: Iterable[tuple[str, np.ndarray]]) -> str:
    """Of all that a file says: a flipped bit in a weight is a number too."""
    state = hashlib.sha256(description.encode())
    for name, tensor in tensors:
        state.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        state.update(np.ascontiguousarray(tensor).data)
    return state.hexdigest()


def pack(kind: str, description: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """The content of a file of a kind: tensors, and a description in JSON."""
    # safetensors writes the memory of an array as it is.
    tensors = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in tensors.items()}
    text = json.dumps(description)
    metadata = {"format": f"fastbp {kind}", "version": str(VERSION), "description": text}
    metadata["sha256"] = digest(text, sorted(tensors.items()))
    return to_bytes(tensors, metadata)


class Contents:
    """Of an open file: its description and, one by one, its tensors."""

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
        """What a tensor's type and shape are said to be."""
        found = self._file.get_slice(name)
        return found.get_dtype(), tuple(found.get_shape())

    def __getitem__(self, name: str) -> np.ndarray:
        return self._file.get_tensor(name)

    def fit(self, shapes: Mapping[str, Sequence[int]], dtype: np.dtype, others: Collection[str] = ()) -> None:
        """Raise ValueError unless there are these tensors, others of whatever shape, and no more.

        This comes before memory for one is allocated.
        """
        if self.names != {*shapes, *others}:
            odd = sorted(self.names ^ {*shapes, *others})
            raise ValueError(f"tensors that are missing or that do not belong: {', '.join(odd[:5])}")
        for name, shape in shapes.items():
            kind, found = self.kind(name)
            if {"F32": np.float32, "F64": np.float64}.get(kind) != dtype or found != tuple(shape):
                raise ValueError(f"{name} is {kind} {list(found)}, not {dtype} {list(shape)}")

    def verify(self) -> None:
        """ValueError if they are not those that were saved."""
        tensors = ((name, self[name]) for name in sorted(self.names))
        if digest(self._metadata["description"], tensors) != self._metadata["sha256"]:
            raise ValueError("its contents are not those that were saved")


@contextlib.contextmanager
def opened(path: str | os.PathLike, kind: str) -> Iterator[Contents]:
    """The contents of a file. Whatever is wrong with them, there or where they are used, is a ModelFileError.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another format or version, or its contents do not fit together.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    with path.open("rb"):  # missing, forbidden or a directory: as everywhere else
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            yield Contents(file, kind)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ModelFileError(f"{path} is not a {kind} that can be read: {reason}") from None


def plain(value: Any) -> Any:
    """A value as JSON knows it: an object with fields is {its class: its fields}."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {type(value).__name__: fields}
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def restored(value: Any, among: Mapping[str, type]) -> Any:
    """What `plain` was given, of classes among these alone.

    Raises
    ------
    ValueError, TypeError
        If there is no such class, or it does not take such fields.
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
    """`restored` for each value of a dict."""
    return {name: restored(value, among) for name, value in fields.items()}
