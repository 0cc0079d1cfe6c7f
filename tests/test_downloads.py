"""Downloads of MNIST: mirrors good and bad, and what they leave behind."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import idx, images, labels

import fastbp as fb
from fastbp import datasets

# --- mirrors ----------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves what `contents` says: {directory: {file: bytes}}; an int is a status instead."""

    def __init__(self, contents: dict[str, dict[str, bytes | int]]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents, self.requests = contents, []

    def mirror(self, directory: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{directory}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.requests.append(self.path)
        _, directory, name = self.path.split("/")
        content = self.server.contents[directory].get(name, 404)
        if isinstance(content, int):
            self.send_error(content)
            return
        self.send_response(200)
        # A "cut" mirror promises more than it sends.
        self.send_header("Content-Length", str(len(content) + (1000 if directory == "cut" else 0)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


FILES = {
    "train-images-idx3-ubyte.gz": idx(images(3)),
    "train-labels-idx1-ubyte.gz": labels(1, 2, 3),
    "t10k-images-idx3-ubyte.gz": idx(images(2)),
    "t10k-labels-idx1-ubyte.gz": labels(4, 5),
}
GOOD = {name: gzip.compress(content) for name, content in FILES.items()}
LABELS = "train-labels-idx1-ubyte.gz"
BAD = {
    "other": {name: gzip.compress(content + b"\0") for name, content in FILES.items()},
    "damaged": {name: content[:-1] for name, content in GOOD.items()},
    "cut": {name: content[:-20] for name, content in GOOD.items()},
    "empty": dict.fromkeys(GOOD, b""),
    "html": dict.fromkeys(GOOD, b"<html>log in</html>"),
    "plain": FILES,
    "missing": {},
    "failing": dict.fromkeys(GOOD, 503),
    "huge": dict.fromkeys(GOOD, gzip.compress(bytes(2 << 20))),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Mirrors of small files, good and bad."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(datasets, "LIMIT", 1 << 20)
    monkeypatch.setattr(datasets, "CHECKSUMS", {name: hashlib.md5(FILES[name]).hexdigest() for name in FILES})
    with Server({"good": GOOD, "partial": {**GOOD, LABELS: 404}, **BAD}) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> str:
    """The address of a port of this machine where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def state(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


# --- downloads --------------------------------------------------------------------------------------------------------


def test_download(server, tmp_path):
    root = tmp_path / "data" / "mnist"
    assert fb.datasets.download_mnist(str(root), mirrors=[server.mirror("good")]) == root
    assert state(root) == GOOD
    assert fb.datasets.load_mnist(root)[1].tolist() == [1, 2, 3]
    assert fb.datasets.load_mnist(root, "test")[1].tolist() == [4, 5]
    assert len(server.requests) == 4
    fb.datasets.download_mnist(root, mirrors=[server.mirror("good")])
    assert len(server.requests) == 4


def test_download_is_readable_for_others(server, tmp_path):
    (tmp_path / "like").touch()
    fb.datasets.download_mnist(tmp_path, mirrors=[server.mirror("good/")])
    assert (tmp_path / LABELS).stat().st_mode == (tmp_path / "like").stat().st_mode


def test_download_of_what_is_missing_or_damaged(server, tmp_path):
    again = {LABELS: GOOD[LABELS][:-1], "t10k-labels-idx1-ubyte.gz": gzip.compress(b"other")}
    recompressed = gzip.compress(FILES["t10k-images-idx3-ubyte.gz"], 1, mtime=5)
    for name, content in {**again, "t10k-images-idx3-ubyte.gz": recompressed}.items():
        (tmp_path / name).write_bytes(content)
    fb.datasets.download_mnist(tmp_path, mirrors=[server.mirror("good")])
    assert sorted(server.requests) == sorted(f"/good/{name}" for name in (*again, "train-images-idx3-ubyte.gz"))
    assert state(tmp_path) == {**GOOD, "t10k-images-idx3-ubyte.gz": recompressed}


@pytest.mark.parametrize("bad", BAD)
def test_second_mirror(server, tmp_path, bad):
    fb.datasets.download_mnist(tmp_path, mirrors=(server.mirror(f"{bad}/"), server.mirror("good/")))
    assert state(tmp_path) == GOOD


def test_second_mirror_where_the_first_is_away(server, closed, tmp_path):
    fb.datasets.download_mnist(tmp_path, mirrors=[closed, server.mirror("good")])
    assert state(tmp_path) == GOOD


@pytest.mark.parametrize("bad", BAD)
def test_no_good_mirror(server, tmp_path, bad):
    """The message names the file, the mirror and the reason; whatever was there is there still."""
    before = {LABELS: GOOD[LABELS], "train-images-idx3-ubyte.gz": b"old", "mine": b"1"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    mirror = server.mirror(bad)
    with pytest.raises(ConnectionError, match="cannot download train-images-idx3-ubyte") as caught:
        fb.datasets.download_mnist(tmp_path, mirrors=[mirror])
    reason = {"missing": ": Not Found", "failing": ": Service Unavailable"}.get(bad, " serves other contents")
    assert f"{mirror}{reason}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state(tmp_path) == before


def test_failure_keeps_what_was_fetched_before(server, tmp_path):
    with pytest.raises(ConnectionError, match=LABELS):
        fb.datasets.download_mnist(tmp_path, mirrors=[server.mirror("partial")])
    assert state(tmp_path) == {"train-images-idx3-ubyte.gz": GOOD["train-images-idx3-ubyte.gz"]}


def test_offline(monkeypatch, closed, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ConnectionError) as caught:
        fb.datasets.download_mnist(tmp_path / "new", mirrors=[closed, closed + "second"])
    message = str(caught.value)
    assert message.startswith(f"cannot download train-images-idx3-ubyte.gz: {closed}: ")
    assert f"; {closed}second: " in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_silent_server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mirror = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ConnectionError, match="timed out"):
            fb.datasets.download_mnist(tmp_path, mirrors=[mirror], timeout=0.05)


@pytest.mark.parametrize("mirror", ["file:///tmp/", "ftp://127.0.0.1/", "127.0.0.1", ""])
def test_mirrors_that_are_no_web_addresses(tmp_path, mirror):
    with pytest.raises(ValueError, match="mirrors must be http:// or https:// addresses"):
        fb.datasets.download_mnist(tmp_path, mirrors=["http://127.0.0.1/", mirror])


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:port/", "http://", "http://a b/", "http://[/"])
def test_mirrors_that_are_no_addresses(tmp_path, mirror):
    with pytest.raises(ConnectionError, match="cannot download") as caught:
        fb.datasets.download_mnist(tmp_path, mirrors=[mirror], timeout=1)
    assert "\n" not in str(caught.value)


def test_no_mirrors(tmp_path):
    with pytest.raises(ConnectionError, match="no mirrors given"):
        fb.datasets.download_mnist(tmp_path, mirrors=())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_interrupted_writing_leaves_nothing(server, tmp_path, monkeypatch, call, error):
    def fail(*arguments: object) -> None:
        assert len(state(tmp_path)) == 2  # the old file and the temporary one beside it
        raise error

    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"old")
    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(type(error)):
        fb.datasets.download_mnist(tmp_path, mirrors=[server.mirror("good")])
    monkeypatch.undo()
    assert state(tmp_path) == {"train-images-idx3-ubyte.gz": b"old"}


def test_root_that_is_a_file(server, tmp_path):
    root = tmp_path / "file"
    root.write_bytes(b"mine")
    with pytest.raises(OSError, match="file"):
        fb.datasets.download_mnist(root, mirrors=[server.mirror("good")])
    assert state(tmp_path) == {"file": b"mine"}
