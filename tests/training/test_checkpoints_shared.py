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
    fit(second, fb.Checkpoint(tmp_path, overwrite=True))  # the first one has ended
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
        fit(trainer(), fb.Checkpoint(tmp_path, overwrite=True))
    assert len(list(files.iterdir())) == before


def test_another_training_is_not_removed(tmp_path):
    """A script that is started again must not remove what its last run has kept."""
    first, path = trainer(), tmp_path / "run"
    fit(first, fb.Checkpoint(path), epochs=5)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    again = trainer()
    with pytest.raises(ValueError, match=r"directory must not hold .* another training") as caught:
        fit(again, fb.Checkpoint(path), epochs=5)
    assert f"fastbp.Trainer.resume({str(path)!r})" in str(caught.value)
    assert "overwrite=True" in str(caught.value)
    assert not again.history
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    fit(first, fb.Checkpoint(path), epochs=1)  # the same training goes on
    fit(fb.Trainer.resume(path), fb.Checkpoint(path), epochs=2)
    fit(again, fb.Checkpoint(path, overwrite=True), epochs=1)
    assert len([*path.iterdir()]) == 1
    assert fb.Trainer.resume(path).history.epochs == 1


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("keep", 0, ValueError, "keep must be at least 1"),
        ("keep", 1.5, TypeError, "keep must be an integer"),
        ("every", 0, ValueError, "every must be at least 1"),
        ("per", "batch", ValueError, "per must be one of 'epoch', 'step', got 'batch'"),
        ("overwrite", 1, TypeError, "overwrite must be True or False"),
        ("directory", 3, TypeError, "directory must be a path"),
    ],
)
def test_attributes_are_checked(tmp_path, name, value, error, message):
    """When they are given, and when they are assigned."""
    checkpoint = fb.Checkpoint(tmp_path)
    with pytest.raises(error, match=message):
        setattr(checkpoint, name, value)
    with pytest.raises(error, match=message):
        fb.Checkpoint(**{"directory": tmp_path, name: value})


def test_per_counts_when_it_is_assigned(tmp_path):
    checkpoint = fb.Checkpoint(tmp_path, every=2, keep=100)
    checkpoint.per, checkpoint.every = "step", 1
    own = trainer()
    own.batch_size = 1
    fit(own, checkpoint, epochs=2)
    assert len([*tmp_path.iterdir()]) == 5  # one after each step, and one after the last epoch


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    own = trainer()
    fit(own, fb.Checkpoint("~/run"), fb.callbacks.CSVLogger("~/history.csv"))
    assert {file.name for file in tmp_path.iterdir()} == {"run", "history.csv"}
    assert fb.Trainer.resume("~/run").history.epochs == 2
    own.network.save("~/m.safetensors")
    assert (fb.load("~/m.safetensors").theta == own.network.theta).all()
    assert (tmp_path / "m.safetensors").exists()
    fb.Ensemble([own]).save("~/e")
    assert len(fb.Ensemble.load("~/e").trainers) == 1
