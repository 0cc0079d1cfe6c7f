"""This module reads and writes files in the format safetensors, with a description in JSON in their metadata.

A file is written completely or not at all. Reading a file never executes anything that it contains.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import os
import secrets
import stat
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from . import checks

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

VERSION = 1

PARTIAL_NAME = 32
"""The number of characters of a file name that its partial file has in its name too. The whole name may be too long."""

MOST_HEADER = 100_000_000
"""The largest number of bytes of a header, as in the library safetensors."""

READERS = {
    "network": "fastbp.load(path)",
    "ensemble": "fastbp.Ensemble.load(path)",
    "rbm": "fastbp.RBM.load(path)",
    "checkpoint": "fastbp.Trainer.resume(directory)",
}
"""What reads a file of each kind, for messages."""

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"}
TYPES |= {"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}
"""The NumPy dtype for each type of the format safetensors that NumPy has."""


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
    ...     except fb.ModelFileError:
    ...         print("this is another file")
    this is another file
    """


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put this path, which the user has given, into each OSError inside a with statement."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # the message of one that is None ends in "-> None"
        raise


def write(path: str | os.PathLike[str], content: bytes | bytearray) -> None:
    """Write a file completely, or raise an OSError that names the path; then an old file stays as it was.

    Every reader of the file sees either the old content or the new content, even after a power cut. The new file has
    the permissions and the owner of the old one. If the path is a link, the file that it leads to is replaced. A device
    or a pipe is not replaced: the content goes into it.
    """
    path = checks.path(path, "path")
    with naming(path):
        try:
            old = path.stat()
        except FileNotFoundError:
            old = None
        if old is not None and not stat.S_ISREG(old.st_mode):
            path.write_bytes(content)
            return
        if old is not None and not os.access(path, os.W_OK):  # the system would let us replace it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        target = Path(os.path.realpath(path))
        partial = target.with_name(f".{target.name[:PARTIAL_NAME]}.{secrets.token_hex(8)}")
        try:
            with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o600 if old else 0o666)) as file:
                file.write(content)
                file.flush()
                if old is not None and os.name == "posix":
                    for owner in ((-1, old.st_gid), (old.st_uid, -1)):
                        with contextlib.suppress(OSError):  # only root can change the owner
                            os.fchown(file.fileno(), *owner)
                    os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # other systems cannot open a directory
            directory = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


class Claim:
    """`Claim` reserves an existing directory for one training, until `release` is called or the process ends.

    It raises RuntimeError if another training, of this process or another one, has claimed the directory. Windows and
    some network file systems cannot lock a directory. There, several trainings can claim the same one.
    """

    def __init__(self, directory: str | os.PathLike[str]):
        self._process = os.getpid()
        self._handle: int | None = None if fcntl is None else os.open(directory, os.O_RDONLY)
        if self._handle is None:
            return
        _claims.add(self)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise RuntimeError(
                f"directory must belong to one training at a time, and another one uses {os.fspath(directory)!r} now"
            ) from None
        except OSError:  # this file system has no locks
            self.release()

    def check(self) -> None:
        """Raise RuntimeError if this process is a forked child of the process that made the claim."""
        if os.getpid() != self._process:
            raise RuntimeError("directory must belong to one training: a forked child must not use that of its parent")

    def release(self) -> None:
        """End the claim."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


_claims: weakref.WeakSet[Claim] = weakref.WeakSet()


def _release_all() -> None:
    """End the claims of the parent in a forked child, which may outlive the parent."""
    for claim in _claims:
        claim.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_all)


def _hashed(state: Any, tensors: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors, and add each one to the state of a digest."""
    for name, tensor in tensors:
        state.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        state.update(np.ascontiguousarray(tensor).data)
        yield name, tensor


def digest(description: str, tensors: Iterable[tuple[str, np.ndarray]]) -> str:
    """Return a checksum of a description and of tensors. Nothing else finds a weight that has changed in a file."""
    state = hashlib.sha256(description.encode())
    for _ in _hashed(state, tensors):
        pass
    return state.hexdigest()


def pack(kind: str, description: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a file of a kind ("network", "ensemble", "rbm" or "checkpoint").

    The description has values that JSON can store. The keys of the tensors are their names.
    """
    from safetensors.numpy import save as to_bytes  # only writing needs it

    # safetensors writes the memory of an array as it is, so the array must be C-contiguous and in native byte order.
    tensors = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in tensors.items()}
    text = json.dumps(description)
    metadata = {"format": f"fastbp {kind}", "version": str(VERSION), "description": text}
    metadata["sha256"] = digest(text, sorted(tensors.items()))
    return to_bytes(tensors, metadata)


class Contents:
    """`Contents` is the content of an open file: its description, and its tensors, which it reads one by one.

    It raises ValueError if the file does not have the format safetensors, or if it has another kind or version.

    The reader of the library safetensors maps a file into memory. If another process shortens a mapped file, the
    signal SIGBUS ends its readers. This class reads the bytes, and each byte only once.
    """

    def __init__(self, file: BufferedReader, kind: str):
        end = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, end - 8):
            raise ValueError("it is not a complete file of the format safetensors")
        header = json.loads(file.read(length))
        if not isinstance(header, dict) or not isinstance(header.get("__metadata__"), dict):
            raise ValueError("it has no metadata")
        self._file, self._metadata, self._start, self._end = file, header.pop("__metadata__"), 8 + length, end
        found = self._metadata.get("format")
        if found != f"fastbp {kind}":
            reader = READERS.get(str(found).removeprefix("fastbp "))
            way_out = f"; {reader} reads it" if reader else ""
            raise ValueError(f"its format is {found!r}, not 'fastbp {kind}'{way_out}")
        if self._metadata.get("version") != str(VERSION):
            raise ValueError(f"its version is {self._metadata.get('version')!r}, and this fastbp reads {VERSION}")
        self.description = json.loads(self._metadata["description"])
        if not isinstance(self.description, dict):
            raise ValueError("its description is not an object")
        self._entries = {name: self._entry(name, entry) for name, entry in sorted(header.items())}

    def _entry(self, name: str, entry: dict[str, Any]) -> tuple[np.dtype, tuple[int, ...], int]:
        """Return the dtype, the shape and the position in the file that the header states for a tensor."""
        dtype, shape, (first, last) = np.dtype(TYPES[entry["dtype"]]), tuple(entry["shape"]), entry["data_offsets"]
        for number in (*shape, first):
            checks.integer(number, f"the header of {name}", 0)
        if last - first != math.prod(shape) * dtype.itemsize or last > self._end - self._start:
            raise ValueError(f"{name} does not have the size that the header states")
        return dtype, shape, self._start + first

    @property
    def names(self) -> Collection[str]:
        """The names of the tensors."""
        return self._entries.keys()

    def fit(
        self,
        shapes: Mapping[str, Sequence[int]],
        dtype: np.dtype | Mapping[str, np.dtype],
        others: Collection[str] = (),
    ) -> None:
        """Raise ValueError if the file does not have exactly these tensors, before memory for them is allocated.

        Each tensor must have its shape in `shapes` and its dtype, which may be one for all. The tensors whose names are
        in `others` may have any shape and dtype.
        """
        if odd := sorted(self._entries.keys() ^ {*shapes, *others}):
            raise ValueError(f"tensors that are missing or that do not belong: {', '.join(odd[:5])}")
        size = sum(math.prod(shape) * kind.itemsize for kind, shape, _ in self._entries.values())
        if size != self._end - self._start:
            raise ValueError("it does not have the size that its header states")
        for name, shape in shapes.items():
            (kind, found, _), wanted = self._entries[name], dtype if isinstance(dtype, np.dtype) else dtype[name]
            if kind != wanted or found != tuple(shape):
                raise ValueError(f"{name} is {kind} {list(found)}, not {wanted} {list(shape)}")

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name and the array of each tensor, sorted by the names.

        If the file ends too early or, after the last tensor, if it differs from what was saved, raise ValueError.
        """
        state = hashlib.sha256(self._metadata["description"].encode())
        yield from _hashed(state, ((name, self._read(name)) for name in self._entries))
        if state.hexdigest() != self._metadata["sha256"]:
            raise ValueError("its contents are not those that were saved")

    def _read(self, name: str) -> np.ndarray:
        """Read a tensor."""
        dtype, shape, position = self._entries[name]
        tensor = np.empty(shape, dtype)
        self._file.seek(position)
        if self._file.readinto(tensor.data) != tensor.nbytes:
            raise ValueError(f"it ends in the middle of {name}")
        return tensor.astype(dtype.newbyteorder("="), copy=False)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], kind: str) -> Iterator[Contents]:
    """Open a file of a kind, and give its contents to a with statement. Raise OSError if it cannot be read.

    Inside the with statement, an error that damaged contents can cause becomes a ModelFileError.
    """
    with checks.path(path, "path").open("rb") as file:
        try:
            yield Contents(file, kind)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise ModelFileError(f"{path} is not a {kind} that can be read: {reason}") from None


def stored_as(kind: type) -> str:
    """Return the name of a class in a file."""
    return str(getattr(kind, "stored_as", kind.__name__))


def plain(value: Any) -> Any:
    """Return a value in a form that JSON can store. A dataclass becomes {name of its class: its fields}."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {stored_as(type(value)): fields}
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def restored(value: Any, among: Mapping[str, type]) -> Any:
    """Return the value that `plain` was given, from what JSON has read.

    It may contain only objects of the classes in `among`, by their names. If it names another class, or if a class does
    not accept its fields, there is a ValueError or TypeError.
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
