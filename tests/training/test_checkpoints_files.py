"""Files of checkpoints: which there are, those that are damaged or lie, and a disk that is full."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import mutations
from interrupted import (
    EVERYTHING,
    FUNCTIONS,
    MOMENTUM,
    Steps,
    alone,
    checkpoints,
    interrupted,
    names,
    outcome,
    uninterrupted,
)
from safetensors.numpy import load_file, save_file

import fastbp as fb
from fastbp.base import model_files

# --- which there are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 4, 9])
def test_keep(tmp_path, keep):
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, keep=keep), epochs=5)
    assert names(tmp_path) == checkpoints(*range(max(1, 6 - keep), 6))


@pytest.mark.parametrize(
    ("every", "per", "epochs"),
    [(1, "epoch", [1, 2, 3, 4, 5]), (2, "epoch", [2, 4, 5]), (9, "epoch", [5]), (8, "step", [1, 2, 3, 5])],
)
def test_every(tmp_path, every, per, epochs):
    """So many epochs or steps; and the last epoch in any case."""
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, every=every, per=per, keep=99), epochs=5)
    assert names(tmp_path) == checkpoints(*range(1, len(epochs) + 1))
    assert [fb.Trainer.resume(alone(tmp_path, k)).history.epochs for k in range(1, len(epochs) + 1)] == epochs


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "every must be at least 1"),
        ({"every": 1.5}, TypeError, "every must be an integer"),
        ({"keep": 0}, ValueError, "keep must be at least 1"),
        ({"keep": None}, TypeError, "keep must be an integer"),
        ({"per": "second"}, ValueError, "per must be one of 'epoch', 'step'"),
    ],
)
def test_bad_options(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        fb.Checkpoint(tmp_path, **options)


def test_numbers_go_on(tmp_path):
    """Where those of another training are replaced, and beyond eight digits."""
    case = MOMENTUM
    case.train(case.made(), fb.Checkpoint(tmp_path))
    assert names(tmp_path) == checkpoints(1, 2, 3)
    case.train(case.made(seed=1), fb.Checkpoint(tmp_path, overwrite=True), epochs=2)
    assert names(tmp_path) == checkpoints(4, 5)
    assert outcome(fb.Trainer.resume(tmp_path)) == outcome(case.train(case.made(seed=1), epochs=2))
    (tmp_path / checkpoints(5)[0]).rename(tmp_path / checkpoints(99_999_999)[0])
    trainer = case.train(fb.Trainer.resume(tmp_path), fb.Checkpoint(tmp_path), epochs=3)
    assert names(tmp_path) == sorted(checkpoints(4, 99_999_999, 100_000_000))
    assert outcome(fb.Trainer.resume(tmp_path)) == outcome(trainer)


def test_where_it_is_written(tmp_path):
    """Directories are made; a file in their place is an error before any training."""
    directory = tmp_path / "a" / "b"
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(str(directory)))
    assert outcome(fb.Trainer.resume(str(directory))) == uninterrupted("momentum")[0]
    (tmp_path / "file").touch()
    trainer = MOMENTUM.made()
    with pytest.raises(OSError, match="file"):
        MOMENTUM.train(trainer, fb.Checkpoint(tmp_path / "file"))
    assert trainer.history.epochs == 0
    if os.name == "posix":
        mode = (directory / checkpoints(1)[0]).stat().st_mode
        assert stat.S_IMODE(mode) == 0o666 & ~os.umask(os.umask(0o022))


def test_files_that_are_none_of_ours(tmp_path):
    """What a killed process has left is removed; what others have put there is neither read nor removed."""
    others = [*(f"checkpoint-{what}.safetensors" for what in ("best", "", "-1", "3 (copy)", "\u00b2")), ".hidden"]
    others += ["model.safetensors", "xcheckpoint-00000009.safetensors", "checkpoint-00000009.safetensors.old"]
    for name in [*others, ".checkpoint-00000002.safetensors.k3x_9a"]:
        (tmp_path / name).write_text("something else")
    with pytest.raises(FileNotFoundError):
        fb.Trainer.resume(tmp_path)
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, keep=1))
    assert names(tmp_path) == sorted([*others, *checkpoints(3)])
    assert outcome(fb.Trainer.resume(tmp_path)) == uninterrupted("momentum")[0]


@pytest.mark.parametrize("made", [True, False], ids=["empty", "missing"])
def test_no_checkpoint(tmp_path, made):
    directory = tmp_path / "runs"
    if made:
        directory.mkdir()
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no checkpoint in {directory}")):
        fb.Trainer.resume(directory)


# --- damage -----------------------------------------------------------------------------------------------------------


DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "hole": lambda content: content[:512] + bytes(512) + content[1024:],
    "a name": lambda content: content.replace(b"agreement", b"agreemend"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged(tmp_path, kind):
    """A warning, and the one before; an error if there is none that can be read."""
    case, metrics = FUNCTIONS, FUNCTIONS.trainer["metrics"]
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 11, every=2, per="step")
    assert names(tmp_path) == checkpoints(3, 4, 5)
    for number in (5, 4):
        path, steps = tmp_path / checkpoints(number)[0], Steps()
        path.write_bytes(DAMAGE[kind](path.read_bytes()))
        with pytest.warns(UserWarning, match="going back to the one before") as caught:
            trainer = fb.Trainer.resume(tmp_path, metrics=metrics)
        assert [Path(str(w.message).partition(" is not")[0]).name for w in caught] == checkpoints(5, 4)[: 6 - number]
        assert {w.filename for w in caught} == {__file__}
        assert outcome(case.train(trainer, steps)) == wanted
        assert steps.numbers[0] == 2 * (number - 1) + 1
    path = tmp_path / checkpoints(3)[0]
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.warns(UserWarning, match="going back"), pytest.raises(fb.ModelFileError, match=re.escape(str(path))):
        fb.Trainer.resume(tmp_path, metrics=metrics)


def test_training_goes_on_beside_damaged_files(tmp_path):
    """Later checkpoints have higher numbers than the damaged one, and replace it in time."""
    interrupted(MOMENTUM, tmp_path, 11, every=2, per="step")
    (tmp_path / checkpoints(5)[0]).write_bytes(b"")
    with pytest.warns(UserWarning, match="going back"):
        trainer = fb.Trainer.resume(tmp_path)
    interrupted(MOMENTUM, tmp_path, 11, trainer, every=1, per="step")
    assert names(tmp_path) == checkpoints(6, 7, 8)
    assert outcome(MOMENTUM.train(fb.Trainer.resume(tmp_path))) == uninterrupted("momentum")[0]


def test_other_files_are_no_checkpoints(tmp_path):
    MOMENTUM.made().network.save(tmp_path / checkpoints(1)[0])
    with pytest.raises(fb.ModelFileError, match="its format is 'fastbp network', not 'fastbp checkpoint'"):
        fb.Trainer.resume(tmp_path)
    with pytest.raises(ValueError, match="directory must not hold the checkpoints of another training"):
        MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path))
    MOMENTUM.train(MOMENTUM.made(), fb.Checkpoint(tmp_path, overwrite=True))
    with pytest.raises(fb.ModelFileError, match=r"'fastbp checkpoint', not 'fastbp network'; fastbp.Trainer.resume\("):
        fb.load(tmp_path / checkpoints(4)[0])


def test_mutated_files(tmp_path):
    """500 of them: the documented error, or nothing has changed; and no memory to speak of."""
    path, metrics = tmp_path / checkpoints(1)[0], FUNCTIONS.trainer["metrics"]
    wanted = outcome(FUNCTIONS.train(FUNCTIONS.made()))
    interrupted(FUNCTIONS, tmp_path, 11, every=10, per="step")
    assert names(tmp_path) == [path.name]
    content, trainers, tried = path.read_bytes(), [], 0
    tracemalloc.start()
    for data in mutations(content, 500):
        if data == content:
            continue
        tried += 1
        path.write_bytes(data)
        with contextlib.suppress(fb.ModelFileError):
            trainers.append(fb.Trainer.resume(tmp_path, metrics=metrics))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tried > 490
    assert len(trainers) < 0.01 * tried
    assert all(outcome(FUNCTIONS.train(trainer)) == wanted for trainer in trainers)
    assert peak < 2**20


# --- lies -------------------------------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict, dict], object]) -> None:
    """The file with other contents, and a digest that fits them: as a liar would write it."""
    tensors, content = load_file(path), path.read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    described = json.loads(metadata["description"])
    change(described, tensors)
    metadata["description"] = json.dumps(described)
    metadata["sha256"] = model_files.digest(metadata["description"], sorted(tensors.items()))
    save_file(tensors, path, metadata)


def without(name: str) -> Callable[[dict, dict], object]:
    """A lie: something is not there."""
    return lambda d, t: (d if name in d else t).pop(name)


LIES = {
    **{f"no {name}": without(name) for name in ("network", "trainer", "history", "step", "seed", "position")},
    **{f"no {name}": without(name) for name in ("theta", "shift", "scale", "state", "average")},
    "no rng": lambda d, t: d["position"].pop("rng"),
    "no loss": lambda d, t: d["trainer"].pop("loss"),
    "another setting": lambda d, t: d["trainer"].update(flavour="sour"),
    "another class": lambda d, t: d["trainer"].update(optimizer={"os.system": {"command": "true"}}),
    "a class elsewhere": lambda d, t: d["trainer"].update(average={"Cosine": {"length": 3}}),
    "negative rate": lambda d, t: d["trainer"]["optimizer"]["Adam"].update(learning_rate=-1.0),
    "batches of none": lambda d, t: d["trainer"].update(batch_size=0),
    "metrics that are no list": lambda d, t: d["trainer"].update(metrics=3),
    "more metrics than names": lambda d, t: d["trainer"]["metrics"].append("r2"),
    "a layer that is not there": lambda d, t: d["network"].update(sizes=[5, 8, 8, 3], dropout=[0.1, 0.2, 0.3]),
    "large layers": lambda d, t: d["network"].update(sizes=[5, 200_000, 3]),
    "layers beyond all memory": lambda d, t: d["network"].update(sizes=[5, 10**12, 3]),
    "large state": lambda d, t: d["trainer"].update(optimizer={"LBFGS": {"memory": 10**4}}),
    "state beyond all memory": lambda d, t: d["trainer"].update(optimizer={"LBFGS": {"memory": 10**12}}),
    "state of another rule": lambda d, t: d["trainer"].update(optimizer={"SGD": {}}),
    "another dtype": lambda d, t: d["network"].update(dtype="float64"),
    "theta in another dtype": lambda d, t: t.update(theta=t["theta"].astype(np.float64)),
    "state in another dtype": lambda d, t: t.update(state=t["state"].astype(np.int32)),
    "theta is short": lambda d, t: t.update(theta=t["theta"][:-1]),
    "theta is a matrix": lambda d, t: t.update(theta=t["theta"][None]),
    "average is short": lambda d, t: t.update(average=t["average"][:1]),
    "shift is infinite": lambda d, t: t["shift"].__setitem__(1, np.inf),
    "a tensor more": lambda d, t: t.update(extra=np.zeros(3)),
    "no array of a callback": lambda d, t: t.pop("callback 0 best"),
    "another generator": lambda d, t: d["position"]["rng"].update(bit_generator="MT19937"),
    "a generator's state": lambda d, t: d["position"]["rng"].update(state="x"),
    "another place": lambda d, t: d["position"].update(corner="left"),
    "steps before the first": lambda d, t: d["position"].update(steps=-1000),
    "half a step": lambda d, t: d["position"].update(steps=0.5),
    "epochs before the first": lambda d, t: d["position"].update(first=-1),
    "two sums": lambda d, t: d["position"].update(sums=[0.0, 0.0]),
    "a sum that is text": lambda d, t: d["position"].update(sums=["a", 0.0, 0.0]),
    "a negative step": lambda d, t: d.update(step=-1),
    "a step that is text": lambda d, t: d.update(step="9"),
    "a negative seed": lambda d, t: d.update(seed=-1),
    "history that is a number": lambda d, t: d.update(history=3),
    "history of numbers": lambda d, t: d.update(history={"loss": 3}),
    "history of two lengths": lambda d, t: d["history"]["loss"].append(1.0),
    "history of text": lambda d, t: d["history"].update(loss=["a"]),
    "callbacks that are none": lambda d, t: d["position"].update(callbacks=[3]),
    "a callback without a name": lambda d, t: d["position"]["callbacks"][0].__setitem__(0, None),
    "a callback before the first": lambda d, t: d["position"]["callbacks"][0].__setitem__(1, -1),
    "a callback that is text": lambda d, t: d["position"]["callbacks"][0].__setitem__(1, "first"),
    "values that are text": lambda d, t: d["position"]["callbacks"][0].__setitem__(2, "values"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(tmp_path, lie):
    """Refused when the file is read, and not by a kernel that checks nothing; for little memory."""
    interrupted(EVERYTHING, tmp_path, 8, every=7, per="step")
    path = tmp_path / checkpoints(1)[0]
    rewrite(path, lambda d, t: None)
    assert outcome(EVERYTHING.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]
    rewrite(path, LIES[lie])
    tracemalloc.start()
    try:
        with pytest.raises(fb.ModelFileError, match=re.escape(str(path))):
            fb.Trainer.resume(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def values(**changes: object) -> Callable[[dict, dict], object]:
    """A lie: a callback has kept something else."""
    return lambda d, t: d["position"]["callbacks"][0][2].update(changes)


STOPPING_LIES = {
    "no 'best_score'": lambda d, t: d["position"]["callbacks"][0][2].pop("best_score"),
    "no 'best_epoch'": lambda d, t: d["position"]["callbacks"][0][2].pop("best_epoch"),
    "best_score must be a float, got 'high'": values(best_score="high"),
    "best_score must be a float, got None": values(best_score=None),
    "best_epoch must be an integer, got 0.5": values(best_epoch=0.5),
    "best_epoch must be at least 0, got -1": values(best_epoch=-1),
    "best_epoch must be below 2, got 1000000": values(best_epoch=10**6),
    "best must be ": lambda d, t: t.update({"callback 0 best": t["callback 0 best"][:-1]}),
    "best must be finite": lambda d, t: t["callback 0 best"].__setitem__(3, np.nan),
    "got <U": lambda d, t: (
        t.pop("callback 0 best"),
        d["position"]["callbacks"][0].__setitem__(3, []),
        values(best="x")(d, t),
    ),
    "got float64": lambda d, t: t.update({"callback 0 best": t["callback 0 best"].astype(np.float64)}),
}


@pytest.mark.parametrize("lie", STOPPING_LIES)
def test_lies_about_a_callback(tmp_path, lie):
    """Only the callback can know; then nothing has changed, and training goes on when the right file is there."""
    interrupted(EVERYTHING, tmp_path, 8, every=7, per="step")
    path = tmp_path / checkpoints(1)[0]
    right = path.read_bytes()
    rewrite(path, STOPPING_LIES[lie])
    trainer, steps = fb.Trainer.resume(tmp_path), Steps()
    before = outcome(trainer)
    with pytest.raises(ValueError, match=rf"^the checkpoint does not fit EarlyStopping: .*{re.escape(lie)}"):
        EVERYTHING.train(trainer, steps)
    assert outcome(trainer) == before
    assert not steps.numbers
    path.write_bytes(right)
    assert outcome(EVERYTHING.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]


# --- a full disk ------------------------------------------------------------------------------------------------------


def fill(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[int], bool]) -> None:
    """Have every fsync fail of what is `wanted`: of the modes of open files."""
    original = os.fsync

    def fsync(handle: int) -> None:
        if wanted(os.fstat(handle).st_mode):
            raise OSError(28, "No space left on device")
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def contents(directory: Path) -> dict[str, bytes]:
    """Of the files in a directory, by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(("every", "per"), [(1, "epoch"), (5, "step")])
def test_full_disk(tmp_path, monkeypatch, every, per):
    """An error; checkpoints that were there are as they were, there is no other file, and what was learnt stays."""
    case = EVERYTHING
    case.train(case.made(), fb.Checkpoint(tmp_path), epochs=2)
    before, trainer, last, seen = contents(tmp_path), case.made(), Steps(), []
    after = fb.callbacks.Lambda(batch_end=lambda state: seen.append(state.network.predict(case.samples()[0])))
    fill(monkeypatch, stat.S_ISREG)
    X, y = case.samples()
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(
            X,
            y,
            epochs=3,
            callbacks=[after, last, fb.Checkpoint(tmp_path, every=every, per=per, overwrite=True)],
            **case.fit,
        )
    assert contents(tmp_path) == before
    assert last.numbers[-1] == 5
    assert (trainer.network.predict(X) == seen[-1]).all()
    assert trainer.history.epochs == (per == "epoch")
    monkeypatch.undo()
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]


def test_full_disk_and_on(tmp_path, monkeypatch):
    """The trainer itself can go on too, with the same bits."""
    case = MOMENTUM
    trainer = case.made()
    fill(monkeypatch, stat.S_ISREG)
    with pytest.raises(OSError, match="No space left"):
        case.train(trainer, fb.Checkpoint(tmp_path))
    assert not names(tmp_path)
    monkeypatch.undo()
    assert outcome(case.train(trainer, fb.Checkpoint(tmp_path), epochs=2)) == uninterrupted("momentum")[0]
    assert outcome(fb.Trainer.resume(tmp_path)) == uninterrupted("momentum")[0]


@pytest.mark.skipif(os.name != "posix", reason="directories cannot be opened here")
def test_directory_that_cannot_be_synchronised(tmp_path, monkeypatch):
    """The new file is whole, though it may be gone after a power cut; so those before it stay."""
    case = MOMENTUM
    case.train(case.made(), fb.Checkpoint(tmp_path, keep=1), epochs=2)
    before = contents(tmp_path)
    fill(monkeypatch, stat.S_ISDIR)
    with pytest.raises(OSError, match="No space left"):
        case.train(case.made(), fb.Checkpoint(tmp_path, keep=1, overwrite=True))
    assert names(tmp_path) == checkpoints(2, 3)
    assert before.items() <= contents(tmp_path).items()
    monkeypatch.undo()
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("momentum")[0]
