"""How files are written and read: permissions, links, devices, long names, interrupts, and files that change."""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import re
import signal
import stat
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from helpers import parameters, run_function, same

import fastbp as fb
from fastbp.base import model_files

posix = pytest.mark.skipif(os.name != "posix", reason="this platform has other permissions and links")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files to another user"
)
as_user = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write every file")


@posix
@pytest.mark.disk
def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """And its directory is after that: what a power cut leaves is the old file or the new one."""
    fsync, seen = os.fsync, []

    def look(handle: int) -> None:
        fsync(handle)
        seen.append((stat.S_IFMT(os.fstat(handle).st_mode), (tmp_path / "m").read_bytes()))

    (tmp_path / "m").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", look)
    model_files.write(tmp_path / "m", b"new")
    assert seen == [(stat.S_IFREG, b"old"), (stat.S_IFDIR, b"new")]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    path.chmod(mode)
    model_files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@as_root
def test_the_owner_stays(tmp_path):
    """Root may save over the file of a user, who can still read it."""
    path = tmp_path / "m"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    model_files.write(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_follows_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        model_files.write(tmp_path / "m", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~umask


@posix
def test_the_umask_of_the_process_is_left_alone(tmp_path, monkeypatch):
    """Another thread that makes a file in that moment would make it for everybody."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"the umask was set to {mask:o}"))
    model_files.write(tmp_path / "m", b"new")
    assert (tmp_path / "m").read_bytes() == b"new"


@as_user
def test_a_file_that_must_not_be_written_is_not_replaced(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="m"):
        model_files.write(path, b"new")
    assert path.read_bytes() == b"old"


@posix
@pytest.mark.parametrize("target", ["elsewhere/m", "m2", "elsewhere/missing"])
def test_a_link_stays_a_link(tmp_path, target):
    (tmp_path / "elsewhere").mkdir()
    if "missing" not in target:
        (tmp_path / target).write_bytes(b"old")
    (tmp_path / "m").symlink_to(target)
    model_files.write(tmp_path / "m", b"new")
    assert (tmp_path / "m").is_symlink()
    assert (tmp_path / target).read_bytes() == b"new"
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == [Path(target).name] * ("/" in target)


@posix
def test_links_in_a_circle(tmp_path):
    (tmp_path / "m").symlink_to("n")
    (tmp_path / "n").symlink_to("m")
    with pytest.raises(OSError, match="symbolic links"):
        model_files.write(tmp_path / "m", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "n"]


@posix
def test_a_pipe_is_written_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "m")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "m").read_bytes()))
    reader.start()
    model_files.write(tmp_path / "m", b"new")
    reader.join(30)
    assert read == [b"new"]
    assert stat.S_ISFIFO((tmp_path / "m").stat().st_mode)


@as_root
def test_a_device_is_written_and_not_replaced(tmp_path):
    """`CSVLogger("/dev/null")` of root replaced the device by a file. The test has a device of its own."""
    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError as error:
        pytest.skip(f"this file system has no devices: {error}")
    trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    try:
        trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[fb.callbacks.CSVLogger(null)])
    except PermissionError as error:
        pytest.skip(f"this file system does not open devices: {error}")
    assert stat.S_ISCHR(null.stat().st_mode)


@pytest.mark.parametrize(
    "name",
    ["n" * 250, "n" * 255, "\u00fc" * 127, "\U0001d6d4" * 63],
    ids=["250", "255", "2 bytes each", "4 bytes each"],
)
def test_long_names(tmp_path, name):
    """The name of the partial file must not be longer than names may be."""
    for content in (b"old", b"new"):
        model_files.write(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_is_not_a_file(tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(OSError, match="m"):
        model_files.write(tmp_path / "m", b"new")
    assert not list((tmp_path / "m").iterdir())
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def interrupt_line(wanted: int, path: Path) -> bool:
    """Write the file, and interrupt the line of that number. Return whether there are fewer lines."""
    import sys

    lines = itertools.count(1)

    def trace(frame: types.FrameType, event: str, argument: object) -> object:
        if "fastbp" not in frame.f_code.co_filename:
            return None
        if event == "line" and next(lines) == wanted:
            signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        model_files.write(path, b"new")
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(None)
    return True


def interrupted_writes(directory: str) -> None:
    """Interrupt each line of `model_files.write`, one after another."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = Path(directory, "m")
    path.write_bytes(b"old")
    for line in itertools.count(1):
        finished = interrupt_line(line, path)
        assert [p.name for p in path.parent.iterdir()] == ["m"], f"interrupted at line {line}"
        assert path.read_bytes() in (b"old", b"new")
        if finished:
            break
    assert line > 15


def test_an_interrupt_leaves_no_partial_file(tmp_path):
    run_function(interrupted_writes, str(tmp_path))


def changing(directory: str) -> None:
    """Load a file that another thread cuts short, and fills again, all the time."""
    path, stop = Path(directory, "m"), threading.Event()
    net = fb.MLP([300, 300, 10], seed=0)
    net.save(path)
    content, loaded, refused = path.read_bytes(), 0, 0

    def rewrite() -> None:
        with path.open("r+b") as file:
            while not stop.is_set():
                file.truncate(5000)
                file.seek(5000)
                file.write(content[5000:])
                file.flush()

    other = threading.Thread(target=rewrite)
    other.start()
    try:
        while not (loaded and refused) and loaded + refused < 100_000:
            try:
                assert same(parameters(fb.load(path)), parameters(net))
                loaded += 1
            except fb.ModelFileError:
                refused += 1
    finally:
        stop.set()
        other.join()
    assert refused


def test_a_file_that_another_process_rewrites(tmp_path):
    """A reader of a mapped file would end with SIGBUS."""
    run_function(changing, str(tmp_path))


def test_nothing_maps_the_file(tmp_path, monkeypatch):
    """Not even for a moment: what is read once cannot change any more."""
    net = fb.MLP([3, 2], seed=0)
    net.save(tmp_path / "m")
    monkeypatch.setattr(mmap, "mmap", lambda *_, **__: pytest.fail("the file was mapped"))
    monkeypatch.setattr(np, "memmap", lambda *_, **__: pytest.fail("the file was mapped"))
    assert same(parameters(fb.load(tmp_path / "m")), parameters(net))


# --- paths that cannot be written -------------------------------------------------------------------------------------


def small() -> fb.Trainer:
    return fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)


WRITERS = {
    "network": lambda path: small().network.save(path),
    "ensemble": lambda path: fb.Ensemble([small()]).save(path),
    "CSVLogger": lambda path: small().fit([[1.0]], [1.0], callbacks=[fb.callbacks.CSVLogger(path)]),
    "Checkpoint": lambda path: small().fit([[1.0]], [1.0], callbacks=[fb.Checkpoint(path)]),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_the_path_in_the_error_is_that_of_the_user(tmp_path, monkeypatch, writer):
    """Also a relative one, and not the partial file that would have been renamed."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for path in ("file/m", tmp_path / "file/m"):
        with pytest.raises(NotADirectoryError) as raised:
            WRITERS[writer](path)
        assert raised.value.filename == str(path)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize("writer", ["network", "ensemble", "CSVLogger"])
def test_a_directory_that_is_missing(tmp_path, writer):
    path = str(tmp_path / "missing" / "m")
    with pytest.raises(FileNotFoundError) as raised:
        WRITERS[writer](path)
    assert (raised.value.filename, raised.value.filename2) == (path, None)


def test_a_full_disk_names_the_path(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=re.escape(repr(str(tmp_path / "m")))):
        small().network.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
