"""A directory of checkpoints belongs to one training at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers import run_function

import fastbp as fb

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks of directories")

ANOTHER = "directory must belong to one training at a time, and another one uses"


def trainer() -> fb.Trainer:
    return fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)


def fit(own: fb.Trainer, *callbacks: fb.callbacks.Callback, epochs: int = 2) -> None:
    own.fit([[1.0], [2.0]], [1.0, 0.0], epochs=epochs, callbacks=callbacks)


def test_two_trainings_in_one_directory(tmp_path):
    """The second one gets the error before its first epoch, and the first one goes on."""
    first, second, errors = trainer(), trainer(), []

    def begin_another(_: fb.callbacks.State) -> None:
        with pytest.raises(RuntimeError, match=ANOTHER) as caught:
            fit(second, fb.Checkpoint(tmp_path))
        errors.append(str(caught.value))

    fit(first, fb.Checkpoint(tmp_path), fb.callbacks.Lambda(epoch_end=begin_another))
    assert len(errors) == 2
    assert str(tmp_path) in errors[0]
    assert not second.history
    fit(second, fb.Checkpoint(tmp_path))  # the first one has ended
    assert fb.Trainer.resume(tmp_path).history.epochs == 2


def another_process(directory: str) -> None:
    with pytest.raises(RuntimeError, match=ANOTHER):
        fit(trainer(), fb.Checkpoint(directory))


def test_two_processes_in_one_directory(tmp_path):
    other = fb.callbacks.Lambda(epoch_end=lambda _: run_function(another_process, str(tmp_path)))
    fit(trainer(), fb.Checkpoint(tmp_path), other, epochs=1)
    assert fb.Trainer.resume(tmp_path).history.epochs == 1


def test_an_error_gives_the_directory_back(tmp_path):
    def fail(_: fb.callbacks.State) -> None:
        raise KeyError("fail")

    for _ in range(2):
        with pytest.raises(KeyError):
            fit(trainer(), fb.Checkpoint(tmp_path), fb.callbacks.Lambda(batch_end=fail))
    fit(trainer(), fb.Checkpoint(tmp_path))


def killed(directory: str) -> None:
    """A training whose process is killed while a child that it has forked lives on."""
    read, write = os.pipe()

    def fork(_: fb.callbacks.State) -> None:
        if not os.fork():
            os.close(write)
            os.read(read, 1)  # until the parent of the parent closes its end, too
            os._exit(0)
        os.kill(os.getpid(), 9)

    if not (middle := os.fork()):
        fit(trainer(), fb.Checkpoint(directory), fb.callbacks.Lambda(epoch_end=fork))
    os.close(read)
    assert os.waitpid(middle, 0)[1] == 9
    fit(trainer(), fb.Checkpoint(directory))
    os.close(write)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_kill_gives_the_directory_back(tmp_path):
    """Also if a child lives on, which has inherited the open files."""
    run_function(killed, str(tmp_path))


def forked(directory: str) -> None:
    """A callback forks, and the child goes on with the training of its parent."""
    pids = []

    def fork(_: fb.callbacks.State) -> None:
        if not pids:
            pids.append(os.fork())

    def begin() -> None:
        fit(trainer(), fb.callbacks.Lambda(batch_end=fork), fb.Checkpoint(directory))

    try:
        begin()
    except RuntimeError as error:
        if pids == [0] and "a forked child must not use that of its parent" in str(error):
            os._exit(7)
        raise
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_leaves_the_directory_alone(tmp_path):
    run_function(forked, str(tmp_path))
    assert fb.Trainer.resume(tmp_path).history.epochs == 2


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    import fcntl

    def no_locks(*_: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    fit(trainer(), fb.Checkpoint(tmp_path))
    assert fb.Trainer.resume(tmp_path).history.epochs == 2


def test_partial_files_of_others_stay(tmp_path):
    """Only those of checkpoints are removed, and only by who has the directory."""
    (tmp_path / ".model.safetensors.0123").write_bytes(b"somebody saves a model here")
    (tmp_path / ".checkpoint-00000001.safetensors.0123").write_bytes(b"left by a process that was killed")
    fit(trainer(), fb.Checkpoint(tmp_path))
    assert (tmp_path / ".model.safetensors.0123").exists()
    assert not (tmp_path / ".checkpoint-00000001.safetensors.0123").exists()


def test_no_open_file_is_left(tmp_path):
    files = Path("/proc/self/fd")
    if not files.is_dir():
        pytest.skip("this platform does not list open files")
    before = len(list(files.iterdir()))
    for _ in range(3):
        fit(trainer(), fb.Checkpoint(tmp_path))
    assert len(list(files.iterdir())) == before
