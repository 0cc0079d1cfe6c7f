"""This module reads data sets: the MNIST digits, and other data in the IDX file format that MNIST uses."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from .base import checks, hints
from .base.model_files import write

__all__ = ["download_mnist", "load_mnist", "read_idx"]

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The NumPy dtype for each type code of an IDX header."""

SPLITS = {"train": "train", "test": "t10k"}
"""The beginning of the names of the files of each part of MNIST."""

MIRRORS = "https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""The web directories that `download_mnist` tries by default, in this order."""

CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
"""The MD5 checksum of each file after decompression, because mirrors compress the same content differently."""

LIMIT = 64 << 20
"""The largest number of bytes that a file of MNIST may have, compressed or not: 64 MiB. MNIST needs 47 million."""

CHUNK = 1 << 20
"""The number of bytes that one call reads from a file or from the network: 1 MiB."""

DAMAGED = (gzip.BadGzipFile, zlib.error, EOFError)
"""The errors that Python raises when it reads a damaged gzip file."""


def read_idx(path: str | os.PathLike[str], *, limit: int | None = 1 << 30) -> np.ndarray:
    """Read the array in an IDX file. The file may be compressed with gzip, whatever its name is.

    Parameters
    ----------
    path : str or path-like
        The path of the file.
    limit : int or None, keyword-only, default 1073741824
        The largest number of bytes that the values may have, at least 0. The default is 1 GiB. A compressed file of 1
        MB can hold 1 GB of values, so give a larger limit only for a file that you trust. With None there is no limit.

    Returns
    -------
    array
        A writeable C-contiguous array with the shape and the type that the file states: uint8, int8, int16, int32,
        float32 or float64, in the byte order of the machine.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not an IDX file, if it is damaged, or if its size is not the one that its header states. The
        function uses memory only for bytes that the file really has, and reads none if the header states more than
        `limit`.
    TypeError
        If `limit` is neither an integer nor None.

    Notes
    -----
    An IDX file begins with two zero bytes, one byte for the type and one byte for the number of dimensions. Then come
    the sizes of the dimensions, 4 bytes each, and the values. All numbers are big-endian.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    This file holds three values of type uint8, which has the code 8, in one dimension:

    >>> import pathlib, tempfile
    >>> import fastbp as fb
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "labels")
    ...     size = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     fb.datasets.read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    path, limit = checks.path(path, "path"), None if limit is None else checks.integer(limit, "limit", 0)
    try:
        with path.open("rb") as file:
            stream = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(b"\x1f\x8b") else file
            dtype, shape = _header(stream)
            size = math.prod(shape) * dtype.itemsize
            promise = f"its header promises {size if size < 1 << 63 else '2**63 or more'} bytes of values"
            if limit is not None and size > limit:
                raise ValueError(f"{promise}, and the limit is {limit}; give read_idx a larger limit, or None")
            # One byte more shows whether the stream ends here, and makes gzip compare the checksum at the end.
            content = _read(stream, size + 1)
        if len(content) != size:
            raise ValueError(f"{promise}, it holds {len(content) if len(content) < size else f'more than {size}'}")
        # NumPy raises ValueError here if the file has more dimensions than an array can have.
        return np.ndarray(shape, dtype, buffer=content).astype(dtype.newbyteorder("="), copy=False)
    except DAMAGED as error:
        raise ValueError(f"{path} is a damaged gzip file: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not a readable IDX file: {error}") from None


def load_mnist(
    root: str | os.PathLike[str], split: Literal["train", "test"] = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Load the images and labels of MNIST from a directory with its IDX files.

    The files may have their original names, such as "train-images-idx3-ubyte", or names with ".idx" in place of
    "-idx", each with or without ".gz".

    Parameters
    ----------
    root : str or path-like
        The path of the directory. `download_mnist` creates such a directory.
    split : {"train", "test"}, default "train"
        "train" loads the 60,000 training images, and "test" loads the 10,000 test images.

    Returns
    -------
    X : uint8 array of shape (n, 784)
        An image of 28 x 28 pixels in each row. A pixel of 0 is the colour of the paper, and 255 is full ink. A network
        with ``scale=1/255`` reads these pixels directly, without a copy in float.
    y : int64 array of shape (n,)
        The digits, from 0 to 9.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If `split` is unknown, if a file is damaged or holds more than 64 MiB, or if the files do not hold images and
        labels of MNIST.

    Examples
    --------
    This directory has files in the format of MNIST with two empty images, labelled 7 and 2:

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
    name = SPLITS[checks.choice(split, "split", SPLITS)]
    root = checks.path(root, "root")
    images_path, labels_path = (_find(root, f"{name}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(images_path, limit=LIMIT), read_idx(labels_path, limit=LIMIT)
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
    """Download the four compressed files of MNIST, 11.6 MB together, into a directory.

    The function does not download a file that the directory already has.

    Parameters
    ----------
    root : str or path-like
        The path of the directory. The function creates it if it does not exist.
    mirrors : iterable of str, keyword-only, default MIRRORS
        The web addresses of directories that have the files, which begin with "http://" or "https://". For each file,
        the function tries the mirrors in this order until one succeeds.
    timeout : float, keyword-only, default 20.0
        The number of seconds to wait for a server that sends nothing. It must be above 0.

    Returns
    -------
    pathlib.Path
        The path of the directory, for `load_mnist`.

    Raises
    ------
    ConnectionError
        If no mirror sends a file with the right content. Files that are complete already stay.
    OSError
        If a file cannot be written. The function writes each file completely or not at all.
    ValueError
        If a mirror is not an http or https address.

    Examples
    --------
    >>> import fastbp as fb
    >>> root = fb.datasets.download_mnist("data/mnist")  # doctest: +SKIP
    >>> X, y = fb.datasets.load_mnist(root)  # doctest: +SKIP

    A mirror must be a complete address:

    >>> fb.datasets.download_mnist("data/mnist", mirrors=["mnist.example/files"])
    Traceback (most recent call last):
    ValueError: mirrors must be http:// or https:// addresses, got 'mnist.example/files'
    """
    root, mirrors = checks.path(root, "root"), tuple(mirrors)
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            raise ValueError(f"mirrors must be http:// or https:// addresses, got {mirror!r}")
    for name, checksum in CHECKSUMS.items():
        path = root / name
        if path.is_file():
            with path.open("rb") as file:
                if _md5(file) == checksum:
                    continue
        content = _fetch(name, checksum, mirrors, timeout)
        root.mkdir(parents=True, exist_ok=True)
        write(path, content)
    return root


def _header(stream: io.BufferedIOBase) -> tuple[np.dtype, tuple[int, ...]]:
    """Read an IDX header, and return the dtype and the shape that it states. Raise ValueError if it is not one."""
    magic = stream.read(4)
    if len(magic) == 4 and (magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES):
        raise ValueError(f"it begins with the bytes {magic.hex(' ')}, not with 00 00 and a type")
    sizes = stream.read(4 * magic[3]) if len(magic) == 4 else b""
    if len(magic) < 4 or len(sizes) < 4 * magic[3]:
        raise ValueError("it ends within its header")
    return np.dtype(IDX_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def _read(stream: io.BufferedIOBase, limit: int) -> bytearray:
    """Read a stream to its end, but at most `limit` bytes. The memory grows with the bytes that really arrive."""
    content = bytearray()
    while len(content) < limit and (chunk := stream.read(min(CHUNK, limit - len(content)))):
        content += chunk
    return content


def _find(root: Path, name: str) -> Path:
    """Return the path of a file of MNIST, which may have one of four names. Raise FileNotFoundError without it."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (root / candidate).is_file():
            return root / candidate
    raise FileNotFoundError(
        f"no {name}[.gz] or {dotted}[.gz] in {root}; fastbp.datasets.download_mnist({str(root)!r}) fetches the files"
    )


def _md5(file: io.BufferedIOBase) -> str | None:
    """Return the MD5 checksum of what a gzip file holds, at most `LIMIT` bytes, or None if the file is damaged."""
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return hashlib.md5(_read(stream, LIMIT), usedforsecurity=False).hexdigest()
    except DAMAGED:
        return None


def _fetch(name: str, checksum: str, mirrors: Iterable[str], timeout: float) -> bytearray:
    """Return the bytes of a file from the first mirror that sends the right content, or raise ConnectionError."""
    import urllib.request  # it takes 20 ms
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
