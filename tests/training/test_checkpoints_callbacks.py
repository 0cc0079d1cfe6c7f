"""Checkpoints and callbacks: what they have kept comes back to them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from interrupted import EVERYTHING, MOMENTUM, Cut, InterruptedFit, Steps, interrupted, outcome, uninterrupted

import fastbp as fb


class Tally(fb.callbacks.Callback):
    """Keeps something of each step, and things of all kinds besides."""

    def __init__(self):
        self.kept = {}

    def on_train_begin(self, state):
        self.count, self.best, self.losses = 0, float("inf"), np.empty(0)

    def on_batch_end(self, state):
        self.count += 1
        self.best = min(self.best, state.scores["loss"])
        self.losses = np.append(self.losses, state.scores["loss"])

    def save(self):
        others = {"none": None, "nan": float("nan"), "text": '\u00fc "', "nested": {"a": [1, 2.5, [True, None]]}}
        arrays = {
            "empty": np.empty((0, 3)),
            "bits": np.array([True, False]),
            "columns": np.arange(6).reshape(2, 3).T,
            "single": np.array(1.5, np.float32),
            "a b 1": np.arange(3, dtype=np.int8),
        }
        return {"count": self.count, "best": self.best, "losses": self.losses, **others, **arrays}

    def load(self, kept):
        self.kept = kept
        self.count, self.best, self.losses = kept["count"], kept["best"], kept["losses"]


def test_callbacks_of_the_user(tmp_path):
    """Get back what they have kept, arrays in their types and shapes, and end as without an interruption."""
    case, whole, tally = MOMENTUM, Tally(), Tally()
    case.train(case.made(), whole)
    with pytest.raises(InterruptedFit):
        case.train(case.made(), Tally(), fb.Checkpoint(tmp_path, every=4, per="step"), Cut(10))
    case.train(fb.Trainer.resume(tmp_path), tally)
    assert (tally.count, tally.best) == (whole.count, whole.best)
    assert tally.losses.tobytes() == whole.losses.tobytes()
    wanted = whole.save()
    assert sorted(tally.kept) == sorted(wanted)
    for name, value in wanted.items():
        if name in ("count", "best", "losses"):
            continue
        found = tally.kept[name]
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            assert (found == value).all()
        else:
            assert repr(found) == repr(value)


class Note(fb.callbacks.Callback):
    """Keeps one thing, or nothing."""

    def __init__(self, kept=None):
        self.kept = kept

    def save(self):
        return {} if self.kept is None else {"kept": self.kept}

    def load(self, kept):
        self.kept = kept["kept"]


@pytest.mark.parametrize("kept", [(1, 2), (1, None), (None, 2)])
def test_two_callbacks_of_a_class(tmp_path, kept):
    """Each gets what it has kept itself, also if another had nothing to keep."""
    MOMENTUM.train(MOMENTUM.made(), *map(Note, kept), fb.Checkpoint(tmp_path))
    notes = Note(), Note()
    MOMENTUM.train(fb.Trainer.resume(tmp_path), *notes)
    assert tuple(note.kept for note in notes) == kept


def test_two_that_stop_early(tmp_path):
    case, monitors = MOMENTUM, ("loss", "accuracy")
    stopping = lambda: [fb.EarlyStopping(name, patience=9) for name in monitors]  # noqa: E731
    whole, again = stopping(), stopping()
    wanted = outcome(case.train(case.made(), *whole))
    with pytest.raises(InterruptedFit):
        case.train(case.made(), *stopping(), fb.Checkpoint(tmp_path), Cut(15))
    assert outcome(case.train(fb.Trainer.resume(tmp_path), *again)) == wanted
    assert [(c.best_score, c.best_epoch) for c in again] == [(c.best_score, c.best_epoch) for c in whole]


def test_a_callback_is_missing(tmp_path):
    """One that has kept something; with it, training still goes on from where it was."""
    interrupted(EVERYTHING, tmp_path, 8, every=4, per="step")
    trainer, steps = fb.Trainer.resume(tmp_path), Steps()
    before = outcome(trainer)
    with pytest.raises(ValueError, match="callbacks must have the EarlyStopping that the interrupted call"):
        trainer.fit(*EVERYTHING.samples(), callbacks=[steps], epochs=10, **EVERYTHING.fit)
    assert outcome(trainer) == before
    assert not steps.numbers
    assert outcome(EVERYTHING.train(trainer)) == uninterrupted("everything")[0]


class Fails(fb.callbacks.Callback):
    """Has kept something that it cannot load."""

    def save(self):
        return {"kept": 1}

    def load(self, kept):
        self.other = kept["other"]


def test_a_callback_that_cannot_load(tmp_path):
    """Another one, which has loaded its best parameters, must not give them to the network then."""
    case, stopping = MOMENTUM, lambda: fb.EarlyStopping("accuracy", mode="min", patience=99)
    with pytest.raises(InterruptedFit):
        case.train(case.made(), stopping(), Fails(), fb.Checkpoint(tmp_path, every=4, per="step"), Cut(17))
    trainer = fb.Trainer.resume(tmp_path)
    before = outcome(trainer)
    with pytest.raises(ValueError, match=r"^the checkpoint does not fit Fails: it has no 'other'"):
        case.train(trainer, stopping(), Fails())
    with pytest.raises(ValueError, match="callbacks must have the Fails"):
        case.train(trainer, stopping())
    assert outcome(trainer) == before


def test_csv_goes_on(tmp_path):
    """A row for each epoch, as if nothing had happened."""
    case, path = MOMENTUM, tmp_path / "history.csv"
    with pytest.raises(InterruptedFit):
        case.train(case.made(), fb.callbacks.CSVLogger(path), fb.Checkpoint(tmp_path, every=2), Cut(14))
    trainer = case.train(fb.Trainer.resume(tmp_path), fb.callbacks.CSVLogger(path))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, column in trainer.history.items():
        assert [float(row[name]) for row in rows] == column
