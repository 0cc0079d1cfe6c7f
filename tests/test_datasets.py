"""IDX files and MNIST: what is read, and what is refused."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers import MAGICS, idx, images, labels, run

import fastbp as fb
from fastbp import datasets
from fastbp.data import samples
from fastbp.losses import LOSSES

SHAPES = [(), (0,), (1,), (7,), (3, 5), (0, 5), (2, 3, 4), (1, 2, 1, 3, 2)]
PACK = {"plain": bytes, "gzip": gzip.compress}
MNIST = Path(os.environ.get("FASTBP_MNIST", ""))


# --- IDX files --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=PACK)
def write(request: pytest.FixtureRequest, tmp_path: Path):
    """Writes a file as it is, and compressed."""

    def file(content: bytes, name: str = "file") -> Path:
        path = tmp_path / name
        path.write_bytes(PACK[request.param](content))
        return path

    return file


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", MAGICS)
def test_read_idx(write, dtype, shape):
    values = np.random.default_rng(0).integers(0, 1 << 62, shape)
    wanted = np.asarray(values).astype(dtype)
    array = fb.datasets.read_idx(write(idx(wanted)))
    assert array.shape == shape
    assert array.dtype == wanted.dtype.newbyteorder("=")
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.aligned
    assert array.flags.writeable
    np.testing.assert_array_equal(array, wanted)
    array[...] = 1
    assert (array == 1).all()


def test_read_idx_keeps_every_value(write):
    extremes = np.array([-np.inf, np.inf, np.nan, 5e-324, np.finfo("f8").max], ">f8")
    np.testing.assert_array_equal(fb.datasets.read_idx(write(idx(extremes))), extremes)
    limits = np.array([-(1 << 31), (1 << 31) - 1], ">i4")
    np.testing.assert_array_equal(fb.datasets.read_idx(write(idx(limits))), limits)


def test_read_idx_accepts_a_string(write):
    assert fb.datasets.read_idx(str(write(labels(1, 2)))).tolist() == [1, 2]


def test_read_idx_of_more_than_a_chunk(write):
    array = images(3, (datasets.CHUNK // 2,))
    np.testing.assert_array_equal(fb.datasets.read_idx(write(idx(array))), array)


def test_read_idx_of_gzip_members(tmp_path):
    content = labels(1, 2, 3)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content[:9]) + gzip.compress(content[9:]))
    assert fb.datasets.read_idx(path).tolist() == [1, 2, 3]


HEADERS = {
    "empty": (b"", "ends within its header"),
    "short magic": (b"\0\0\x08", "ends within its header"),
    "no sizes": (b"\0\0\x08\x01", "ends within its header"),
    "half a size": (b"\0\0\x08\x02\0\0\0\x01\0\0", "ends within its header"),
    "half of 255 sizes": (b"\0\0\x08\xff" + bytes(500), "ends within its header"),
    "text": (b"<html>not found</html>", "begins with the bytes 3c 68 74 6d"),
    "first byte": (b"\x01" + labels(1)[1:], "begins with the bytes 01 00 08 01"),
    "second byte": (b"\0\x01" + labels(1)[2:], "begins with the bytes 00 01 08 01"),
    **{f"type {code}": (bytes([0, 0, code, 0]) + bytes(8), "and a type") for code in (0, 7, 0x0A, 0x0F, 255)},
}


@pytest.mark.parametrize("name", HEADERS)
def test_bad_header(write, name):
    content, reason = HEADERS[name]
    path = write(content)
    with pytest.raises(ValueError, match=reason) as caught:
        fb.datasets.read_idx(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("dtype", MAGICS)
@pytest.mark.parametrize("extra", [-1, 1, 1000])
def test_other_length_than_promised(write, dtype, extra):
    whole = idx(np.zeros((3, 5), dtype))
    path = write(whole[:extra] if extra < 0 else whole + bytes(extra))
    size = 15 * np.dtype(dtype).itemsize
    with pytest.raises(ValueError, match=rf"promises {size} bytes of values, it holds (more than )?\d+") as caught:
        fb.datasets.read_idx(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    "sizes", [(1 << 31,), (0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 3, (0xFFFFFFFF,) * 255, (1 << 24, 64)]
)
def test_lying_header_allocates_nothing(write, sizes):
    path = write(idx(np.zeros(5000, "u1"), sizes))
    assert peak_of(path) < 4 * datasets.CHUNK
    with pytest.raises(ValueError, match="promises") as caught:
        fb.datasets.read_idx(path)
    assert len(str(caught.value)) < 200 + len(str(path))


def test_oversized_gzip_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(idx(np.zeros(64 << 20, "u1"), (10,))))
    assert peak_of(path) < 4 * datasets.CHUNK
    with pytest.raises(ValueError, match=r"promises 10 bytes of values, it holds more than 10$"):
        fb.datasets.read_idx(path)


def test_limit(tmp_path):
    """1.1 GB of zeros are 1 MB of gzip: who means to read so much says so."""
    zeros = gzip.compress(bytes(10 << 20)) * 105
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(idx(np.zeros(0, "u1"), (105, 10 << 20))) + zeros)
    assert peak_of(path) < 4 * datasets.CHUNK
    with pytest.raises(
        ValueError, match=r"promises 1101004800 bytes of values, .* 1073741824; .* larger limit"
    ) as caught:
        fb.datasets.read_idx(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("limit", [12, 13, 1 << 62, None])
def test_another_limit(write, limit):
    """Of bytes, and the largest that is possible."""
    path = write(idx(np.array([1, 2, 3], ">i4")))
    assert fb.datasets.read_idx(path, limit=limit).tolist() == [1, 2, 3]
    assert peak_of(path, limit=11) < datasets.CHUNK


@pytest.mark.parametrize(("limit", "error"), [(-1, ValueError), (1.5, TypeError), ("1", TypeError), (True, TypeError)])
def test_bad_limit(write, limit, error):
    with pytest.raises(error, match=r"^limit must be"):
        fb.datasets.read_idx(write(labels(1)), limit=limit)


def peak_of(path: Path, **options: object) -> int:
    """Most bytes allocated while a file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="promises"):
            fb.datasets.read_idx(path, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [(1,) * 65, (1,) * 255, (0, *(0xFFFFFFFF,) * 4)])
def test_more_than_numpy_can_have(write, sizes):
    """More dimensions than an array can have, or sizes whose product overflows although one is 0."""
    path = write(idx(np.zeros(0 if 0 in sizes else 1, "u1"), sizes))
    with pytest.raises(ValueError, match="is not a readable IDX file"):
        fb.datasets.read_idx(path)


WHOLE = gzip.compress(idx(images(4)), mtime=0)
DAMAGED = {
    "magic alone": WHOLE[:2],
    "within its header": WHOLE[:7],
    "within the values": WHOLE[: len(WHOLE) // 2],
    "without its end": WHOLE[:-8],
    "half its end": WHOLE[:-3],
    "checksum": WHOLE[:-8] + bytes([WHOLE[-8] ^ 1]) + WHOLE[-7:],
    "length": WHOLE[:-1] + b"\x7f",
    "method": WHOLE[:2] + b"\x07" + WHOLE[3:],
    "first block": WHOLE[:10] + b"\xff" * 20 + WHOLE[30:],
    "trailing bytes": WHOLE + b"more",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_gzip(tmp_path, name):
    path = tmp_path / "file.gz"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(ValueError, match="is a damaged gzip file") as caught:
        fb.datasets.read_idx(path)
    assert str(caught.value).startswith(str(path))


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(FileNotFoundError):
        fb.datasets.read_idx(tmp_path / "none")
    with pytest.raises(OSError, match=r"directory|denied"):
        fb.datasets.read_idx(tmp_path)


# --- MNIST ------------------------------------------------------------------------------------------------------------


NAMES = {
    "{}-{}-idx{}-ubyte": bytes,
    "{}-{}-idx{}-ubyte.gz": gzip.compress,
    "{}-{}.idx{}-ubyte": bytes,
    "{}-{}.idx{}-ubyte.gz": gzip.compress,
}


def store(root: Path, X: bytes, y: bytes, prefix: str = "train", form: str = "{}-{}-idx{}-ubyte") -> None:
    for kind, rank, content in (("images", 3, X), ("labels", 1, y)):
        (root / form.format(prefix, kind, rank)).write_bytes(NAMES[form](content))


@pytest.mark.parametrize("form", NAMES)
def test_load_mnist(tmp_path, form):
    pixels = {"train": images(3), "t10k": images(2)}
    store(tmp_path, idx(pixels["train"]), labels(9, 0, 4), "train", form)
    store(tmp_path, idx(pixels["t10k"]), labels(1, 2), "t10k", form)
    for prefix, wanted, (X, y) in (
        ("train", [9, 0, 4], fb.datasets.load_mnist(str(tmp_path))),
        ("t10k", [1, 2], fb.datasets.load_mnist(tmp_path, split="test")),
    ):
        np.testing.assert_array_equal(X, pixels[prefix].reshape(-1, 784))
        assert X.dtype == np.uint8
        assert y.dtype == np.int64
        assert y.tolist() == wanted
        assert X.flags.c_contiguous
        assert X.flags.writeable
        assert y.flags.writeable


def test_load_mnist_is_read_in_place(tmp_path):
    """Pixels need no copy on their way into the kernels; labels, 8 bytes each, are copied for safety."""
    store(tmp_path, idx(images(3)), labels(1, 2, 3))
    X, y = fb.datasets.load_mnist(tmp_path)
    assert samples.inputs(X, 784, np.dtype(np.float32)).array.ctypes.data == X.ctypes.data
    assert (samples.targets(y, 3, 10, LOSSES["cross_entropy"], np.dtype(np.float32)).array == y).all()


def test_load_mnist_has_a_limit(tmp_path):
    """MNIST has 47 million pixels."""
    store(tmp_path, idx(np.zeros(0, "u1"), (85_600, 28, 28)), labels(1))
    with pytest.raises(ValueError, match="promises 67110400 bytes of values, and the limit is 67108864"):
        fb.datasets.load_mnist(tmp_path)


def test_load_mnist_of_an_empty_set(tmp_path):
    store(tmp_path, idx(images(0)), labels())
    X, y = fb.datasets.load_mnist(tmp_path)
    assert X.shape == (0, 784)
    assert y.shape == (0,)


WRONG = {
    "lengths": (idx(images(3)), labels(1, 2), "holds 3 images, .* 2 labels"),
    "image rank": (idx(images(3, (784,))), labels(1, 2, 3), r"must hold uint8 \(n, 28, 28\), got uint8 \(3, 784\)"),
    "image size": (idx(images(3, (8, 8))), labels(1, 2, 3), r"must hold uint8 \(n, 28, 28\), got uint8 \(3, 8, 8\)"),
    "image type": (idx(images(3).astype(">f4")), labels(1, 2, 3), "got float32"),
    "label rank": (idx(images(3)), idx(np.zeros((3, 1), "u1")), r"must hold uint8 \(n,\), got uint8 \(3, 1\)"),
    "label type": (idx(images(1)), idx(np.zeros(1, ">i4")), r"must hold uint8 \(n,\), got int32"),
    "label 10": (idx(images(3)), labels(1, 10, 3), "must hold digits 0 to 9, got a label 10"),
    "damaged": (idx(images(3))[:-1], labels(1, 2, 3), "promises 2352 bytes of values, it holds 2351"),
    "swapped": (labels(1, 2), idx(images(2)), r"must hold uint8 \(n, 28, 28\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_load_mnist_of_wrong_contents(tmp_path, name):
    X, y, message = WRONG[name]
    store(tmp_path, X, y)
    with pytest.raises(ValueError, match=message) as caught:
        fb.datasets.load_mnist(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_load_mnist_of_a_missing_file(tmp_path):
    store(tmp_path, idx(images(1)), labels(1))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    for split, name in (("train", "train-labels-idx1-ubyte"), ("test", "t10k-images-idx3-ubyte")):
        with pytest.raises(FileNotFoundError, match="download_mnist") as caught:
            fb.datasets.load_mnist(tmp_path, split)
        assert f"no {name}[.gz] or {name.replace('-idx', '.idx')}[.gz] in {tmp_path}" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="download_mnist"):
        fb.datasets.load_mnist(tmp_path / "none")


@pytest.mark.parametrize("split", ["validation", "", None, 0])
def test_load_mnist_of_an_unknown_split(tmp_path, split):
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got"):
        fb.datasets.load_mnist(tmp_path, split)


def test_importing_does_not_import_urllib():
    run("""
        import sys
        import fastbp.datasets
        assert "urllib.request" not in sys.modules
    """)


@pytest.mark.skipif(
    not (os.environ.get("FASTBP_MNIST") and MNIST.is_dir()),
    reason="FASTBP_MNIST does not name a directory with MNIST",
)
def test_real_mnist():
    counts = {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    }
    sums = {"train": 1567298545, "test": 264923200}
    for split, wanted in counts.items():
        X, y = fb.datasets.load_mnist(MNIST, split)
        assert X.shape == (sum(wanted), 784)
        assert X.dtype == np.uint8
        assert np.bincount(y).tolist() == wanted
        assert int(X.sum(dtype=np.int64)) == sums[split]
    if all((MNIST / name).is_file() for name in datasets.CHECKSUMS):
        assert fb.datasets.download_mnist(MNIST, mirrors=()) == MNIST
