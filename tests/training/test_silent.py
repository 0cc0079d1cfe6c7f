"""What failed in silence, or without a name, while networks were trained."""

from __future__ import annotations

import errno
import threading

import numpy as np
import pytest
from helpers import labelled

import fastbp as fb
from fastbp.base.history import Histories
from fastbp.data.samples import SampleFormat

X, Y = labelled(60)


def trainer(**options) -> fb.Trainer:
    net = fb.MLP([6, 3], output="softmax", seed=0)
    return fb.Trainer(net, **{"loss": "cross_entropy", "seed": 0} | options)


# --- callbacks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["on_epoch_ends", "on_train_batch_end", "on_Epoch_end", "on_test_begin"])
def test_a_misspelt_hook_is_refused_with_its_class(name):
    with pytest.raises(TypeError, match=rf"Mine\.{name} is not one of the hooks on_train_begin, .*nothing would call"):
        type("Mine", (fb.callbacks.Callback,), {name: lambda self, state: None})
    mixin = type("Mixin", (), {name: lambda self, state: None})
    with pytest.raises(TypeError, match="is not one of the hooks"):
        type("Mine", (mixin, fb.EarlyStopping), {})


def test_the_hook_that_was_meant_is_named():
    with pytest.raises(TypeError, match="did you mean 'on_epoch_end'"):
        type("Mine", (fb.callbacks.Callback,), {"on_epoch_ends": None})


def test_a_recorder_looks_at_what_it_loads():
    recorder, own = fb.callbacks.Recorder([0, 3]), trainer()
    own.fit(X, Y, epochs=2, callbacks=[recorder])
    kept = recorder.save()
    twin = fb.callbacks.Recorder([0, 3])
    own.fit(X, Y, epochs=0, callbacks=[twin])
    for lie in (
        {"steps": kept["steps"][:-1]},
        {"steps": ["a"] * len(kept["steps"])},
        {"values": kept["values"][:, :1]},
        {"values": kept["values"].astype("float64")},
        {"values": kept["values"] * np.nan},
        {"values": "text"},
    ):
        before = twin.save()
        with pytest.raises((ValueError, TypeError)):
            twin.load(kept | lie)
        assert twin.steps == before["steps"]
        assert (twin.values == before["values"]).all()
    twin.load(kept)
    assert (twin.values == recorder.values).all()


@pytest.mark.parametrize(("name", "value"), [("per", "batch"), ("every", 0)])
def test_a_recorder_checks_what_is_assigned(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        setattr(fb.callbacks.Recorder(), name, value)


def test_a_recorder_follows_its_unit():
    recorder, own = fb.callbacks.Recorder([0]), trainer(batch_size=20)
    recorder.per = "step"
    own.fit(X, Y, epochs=2, callbacks=[recorder])
    assert recorder.steps == [0, 1, 2, 3, 4, 5, 6]


def test_a_logger_names_its_file_when_the_disk_is_full(tmp_path, monkeypatch):
    logger = fb.callbacks.CSVLogger(tmp_path / "history.csv")

    class Full:
        def open(self, *_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __fspath__(self) -> str:
            return "history.csv"

    def fill(_: fb.callbacks.State) -> None:
        logger.__dict__["path"] = Full()

    own = trainer()
    own.fit(X, Y, callbacks=[logger])
    with pytest.raises(OSError, match=r"No space left on device: 'history\.csv'"):
        own.fit(X, Y, callbacks=[fb.callbacks.Lambda(batch_end=fill), logger])


def test_a_finished_training_without_its_callback_says_what_to_do(tmp_path):
    own = trainer()
    own.fit(X, Y, epochs=2, validation_split=0.2, callbacks=[fb.EarlyStopping(), fb.Checkpoint(tmp_path)])
    with pytest.raises(ValueError, match=r"must have the EarlyStopping .* make a new trainer, fastbp\.Trainer\("):
        fb.Trainer.resume(tmp_path).fit(X, Y, epochs=4, validation_split=0.2)


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.zeros(3), [1.0], "0.5", None, 1j, np.array(["a"])])
def test_a_metric_must_return_a_number(value):
    def mine(y, a):
        return value

    with pytest.raises(TypeError, match="metrics must return a number, and 'mine' returned"):
        trainer(metrics=[mine]).evaluate(X, Y)
    with pytest.raises(TypeError, match="'mine'"):
        fb.Ensemble([trainer(metrics=[mine])]).evaluate(X, Y)


@pytest.mark.parametrize("value", [1, True, np.float32(1), np.array(1.0), np.int8(1)])
def test_numbers_of_all_kinds_are_kept_as_floats(value, tmp_path):
    def mine(y, a):
        return value

    own = trainer(metrics=[mine])
    history = own.fit(X, Y, validation_split=0.2, callbacks=[fb.Checkpoint(tmp_path)])
    assert history["validation_mine"] == [1.0]
    assert type(history["validation_mine"][0]) is float
    assert fb.Trainer.resume(tmp_path, metrics=[mine]).history["validation_mine"] == [1.0]


# --- histories --------------------------------------------------------------------------------------------------------


def test_a_history_is_shown_while_another_thread_trains():
    """Its columns grow one after another; here, some have a row that others do not have yet."""
    history = fb.History(loss=[0.5, 0.25, 0.125], accuracy=[0.5, 0.75])
    assert str(history).count("\n") == 2
    assert history.to_dict() == {"loss": [0.5, 0.25], "accuracy": [0.5, 0.75]}
    assert "0.125" not in history._repr_html_()
    grown, failures, stop = fb.History(loss=[0.0]), [], threading.Event()

    def show() -> None:
        try:
            while not stop.is_set():
                str(grown), grown._repr_html_(), grown.to_dict()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=show)
    thread.start()
    for k in range(300):
        grown.record(**{"loss": 1.0, f"column {k % 30}": 1.0})
    stop.set()
    thread.join()
    assert not failures


def test_the_histories_of_an_ensemble_are_short():
    """A list of them filled the cell of a notebook."""
    ensemble = fb.Ensemble([trainer(), trainer()])
    found = ensemble.fit(X, Y, epochs=30)
    assert isinstance(found, list)
    assert len(repr(found).splitlines()) == 3
    assert repr(found).splitlines()[1].split()[:2] == ["0", "30"]
    assert found._repr_html_().count("<tr>") == 3
    assert repr(Histories()) == "trainer epochs"
    assert ensemble.fit(X, Y, epochs=0)[0].epochs == 30


def test_a_trace_is_short():
    trace = fb.MLP([100, 50, 3], seed=0).trace(np.zeros((40, 100)))
    assert repr(trace) == "<Trace of 40 samples through 100-50-3, forward; print(trace) shows the first one>"
    assert trace._repr_html_().count("<tr>") == 21
    assert "There are 133 more rows" in trace._repr_html_()


# --- interrupts -------------------------------------------------------------------------------------------------------


def test_an_interrupt_of_an_ensemble_is_one(monkeypatch):
    """Python replaces it by an error of a lock, if it comes while a thread starts or is awaited."""

    def start(self: threading.Thread) -> None:
        try:
            raise KeyboardInterrupt("mine")
        finally:
            threading.Lock().release()

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt, match="mine"):
        fb.Ensemble([trainer(), trainer()]).fit(X, Y)


# --- samples of ensembles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [fb.Ensemble.fit, fb.Ensemble.partial_fit])
def test_samples_that_members_share_are_read_once(call, monkeypatch):
    """With the same bits; members of another dtype, or with samples of their own, read theirs."""
    found, inputs = [], SampleFormat.inputs

    def counted(self, *arguments, **options):
        found.append(self)
        return inputs(self, *arguments, **options)

    monkeypatch.setattr(SampleFormat, "inputs", counted)
    weights = np.linspace(1, 2, 60)
    together, alone = fb.Ensemble([trainer(seed=k) for k in range(3)]), [trainer(seed=k) for k in range(3)]
    call(together, X.tolist(), Y, sample_weight=weights)
    assert len(found) == 1
    for own, twin in zip(together.trainers, alone, strict=True):
        (twin.fit if call is fb.Ensemble.fit else twin.partial_fit)(X, Y, sample_weight=weights)
        assert (own.network.theta == twin.network.theta).all()
    found.clear()
    other = fb.Trainer(fb.MLP([6, 3], output="softmax", dtype="float64", seed=0), loss="cross_entropy")
    call(fb.Ensemble([trainer(), other, trainer()]), X, Y)
    assert len(found) == 2
    found.clear()
    call(fb.Ensemble([trainer(), trainer()]), [X, X[:30]], [Y, Y[:30]])
    assert len(found) == 4
    with pytest.raises(ValueError, match="sample_weight must"):
        call(together, X, Y, sample_weight=weights[:3])
