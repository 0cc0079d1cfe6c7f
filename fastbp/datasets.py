"""Data: the MNIST digits, and the IDX files that they come in."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import checks

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

SPLITS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""name: its files of images and of labels."""

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
"""file: MD5 of what it holds, decompressed: mirrors compress differently."""

LIMIT = 64 << 20
"""Most bytes of a download, compressed or not: the largest file holds 47 million."""

CHUNK = 1 << 20
DAMAGED = (gzip.BadGzipFile, zlib.error, EOFError)
"""What reading a damaged gzip stream raises."""


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file, plain or compressed with gzip, whatever its name.

    Parameters
    ----------
    path : path of the file

    Returns
    -------
    array
        Of the file's shape and type: uint8, int8, int16, int32, float32 or float64. It can be written to, is
        C-contiguous and in the machine's byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an IDX file, or does not hold exactly what its header says. The memory used is bounded by what the
        file really holds.

    Notes
    -----
    Two zero bytes, a byte for the type, one for the number of dimensions, their sizes (4 bytes each), the values; all
    big-endian. Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastbp as fb
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "labels")
    ...     size = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     fb.datasets.read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.peek(2).startswith(b"\x1f\x8b")
            stream = gzip.GzipFile(fileobj=file) if packed else file
            dtype, shape = _header(stream)
            size = math.prod(shape) * dtype.itemsize
            there = None if packed else os.fstat(file.fileno()).st_size - file.tell()
            if there in (None, size):
                # A byte more than there should be shows whether it ends there, and has gzip compare its checksum.
                content = _read(stream, size + 1)
                there = len(content)
        if there != size:
            promised = f"{size}" if size < 1 << 63 else "2**63 or more"
            found = f"more than {size}" if packed and there > size else there
            raise ValueError(f"its header promises {promised} bytes of values, it holds {found}")
        array = np.ndarray(shape, dtype, buffer=content)  # raises ValueError at more dimensions than NumPy can have
        return array.astype(dtype.newbyteorder("="), copy=False)
    except DAMAGED as error:
        raise ValueError(f"{path} is a damaged gzip file: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not a readable IDX file: {error}") from None


def load_mnist(root: str | os.PathLike[str], split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of MNIST from its IDX files, compressed or not.

    Parameters
    ----------
    root : path of the directory
    split : str
        "train" (60,000 images) or "test" (10,000).

    Returns
    -------
    X : uint8 array of shape (n, 784)
        An image of 28 x 28 pixels a row: 0 is paper, 255 ink. ``MLP(..., scale=1/255)`` reads it as it is.
    y : int64 array of shape (n,)
        The digits, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If a file is not there: see `download_mnist`.
    ValueError
        If a file is damaged or holds something else, or split is unknown.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastbp as fb
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     root = pathlib.Path(directory)
    ...     header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28])
    ...     size = (root / "t10k-images-idx3-ubyte").write_bytes(header + bytes(2 * 784))
    ...     size = (root / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 2]))
    ...     X, y = fb.datasets.load_mnist(root, split="test")
    >>> X.shape, y
    ((2, 784), array([7, 2]))
    """
    paths = [_find(Path(root), name) for name in SPLITS[checks.choice(split, "split", SPLITS)]]
    (images, labels), (images_path, labels_path) = map(read_idx, paths), paths
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(f"{images_path} must hold uint8 (n, 28, 28), got {images.dtype} {images.shape}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(f"{labels_path} must hold uint8 (n,), got {labels.dtype} {labels.shape}")
    if len(images) != len(labels):
        raise ValueError(f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels")
    if (labels > 9).any():
        raise ValueError(f"{labels_path} must hold digits 0 to 9, got a label {labels.max()}")
    return images.reshape(-1, 784), labels.astype(np.int64)


def download_mnist(root: str | os.PathLike[str], *, mirrors: Iterable[str] = MIRRORS, timeout: float = 20.0) -> Path:
    """Fetch the four compressed files of MNIST (11.6 MB) into a directory, but for those that are there already.

    Parameters
    ----------
    root : path of the directory
        Made if it is not there.
    mirrors : sequence of str, keyword-only
        http(s) addresses of directories with the files; each is tried where those before it fail.
    timeout : float, keyword-only
        Seconds that a server may keep silent.

    Returns
    -------
    pathlib.Path
        The directory, for `load_mnist`.

    Raises
    ------
    ConnectionError
        If no mirror serves a file with the right contents. Each file is written whole or not at all.
    OSError
        If a file cannot be written.
    ValueError
        If a mirror is not an http(s) address.
    """
    root, mirrors = Path(root), tuple(mirrors)
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            raise ValueError(f"mirrors must be http:// or https:// addresses, got {mirror!r}")
    for name, checksum in CHECKSUMS.items():
        path = root / name
        if path.is_file():
            with path.open("rb") as file:
                if _md5(file) == checksum:
                    continue
        _write(path, _fetch(name, checksum, mirrors, timeout))
    return root


def _header(stream: BinaryIO) -> tuple[np.dtype, tuple[int, ...]]:
    """The type and the shape that an IDX header announces."""
    magic = stream.read(4)
    if len(magic) == 4 and (magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES):
        raise ValueError(f"it begins with the bytes {magic.hex(' ')}, not with 00 00 and a type")
    sizes = stream.read(4 * magic[3]) if len(magic) == 4 else b""
    if len(magic) < 4 or len(sizes) < 4 * magic[3]:
        raise ValueError("it ends within its header")
    return np.dtype(IDX_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def _read(stream: BinaryIO, limit: int) -> bytearray:
    """What a stream holds, up to so many bytes: memory grows with what is there, whatever was announced."""
    content = bytearray()
    while len(content) < limit and (chunk := stream.read(min(CHUNK, limit - len(content)))):
        content += chunk
    return content


def _find(root: Path, name: str) -> Path:
    """A file of MNIST under one of the names in use."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (root / candidate).is_file():
            return root / candidate
    raise FileNotFoundError(
        f"no {name}[.gz] or {dotted}[.gz] in {root}; fastbp.datasets.download_mnist({str(root)!r}) fetches the files"
    )


def _md5(file: BinaryIO) -> str | None:
    """The MD5 of what a gzip file holds; None if it is damaged."""
    digest, left = hashlib.md5(usedforsecurity=False), LIMIT
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while left > 0 and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                left -= len(chunk)
    except DAMAGED:
        return None
    return digest.hexdigest()


def _fetch(name: str, checksum: str, mirrors: Iterable[str], timeout: float) -> bytearray:
    """A file with the right contents from the first mirror that serves it."""
    import urllib.request  # 20 ms, that `import fastbp` need not pay
    from http.client import HTTPException

    failures = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(f"{mirror.rstrip('/')}/{name}", timeout=timeout) as response:
                content = _read(response, LIMIT)
            if _md5(io.BytesIO(content)) == checksum:
                return content
            failures.append(f"{mirror} serves other contents")
        except (OSError, HTTPException, ValueError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error or type(error).__name__).split())
            failures.append(f"{mirror}: {reason}")
    raise ConnectionError(f"cannot download {name}: {'; '.join(failures) or 'no mirrors given'}")


def _write(path: Path, content: bytearray) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
