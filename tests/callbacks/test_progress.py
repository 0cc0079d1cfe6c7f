"""The progress bar: what it shows, and where there is nothing to show it on."""

from __future__ import annotations

import io
import re
import sys
import types

import numpy as np
import pytest
import tqdm.std
from epochs import cut, make
from helpers import labelled, parameters, same
from watched import X, Y, blocks, raising, stop, trainer

import fastbp as fb
from fastbp.callbacks import Lambda, Progress


def states(capsys: pytest.CaptureFixture) -> list[str]:
    """What a bar has shown, one after another."""
    return [line for line in capsys.readouterr().err.replace("\n", "\r").split("\r") if line.strip()]


def test_bar(capsys):
    own = trainer(metrics=["mae"])
    history = own.fit(X, Y, epochs=2, validation_data=(X, Y), progress=True)
    first, *_, last = states(capsys)
    assert "0.00/44.0" in first
    assert "44.0/44.0" in last
    assert "epoch=2/2" in last
    assert "seconds" not in last
    for name in ("loss", "accuracy", "learning_rate", "validation_loss", "validation_mae"):
        assert f" {name}={history[name][-1]:.4g}" in last
    own.fit(X, Y, progress=True)
    first, *_, last = states(capsys)
    assert "22.0/22.0" in last  # of this call of fit
    assert "epoch=3/3" in last


class AtOnce(tqdm.std.tqdm):
    """A bar that shows each change, however soon it comes."""

    columns: int | None = None

    def __init__(self, **options: object):
        super().__init__(mininterval=0, miniters=1, ncols=self.columns, **options)


def test_bar_of_blocks(capsys, monkeypatch):
    """How many samples there are is seen at the end of the first epoch."""
    own = trainer()
    monkeypatch.setattr("tqdm.std.tqdm", AtOnce)
    own.fit(blocks(), epochs=3, callbacks=[Progress()])
    shown = states(capsys)
    assert "/" not in shown[0].split("[")[0]
    assert not any("22.0/" in line for line in shown)
    assert any("44.0/66.0" in line for line in shown)
    assert "66.0/66.0" in shown[-1]
    assert "epoch=3/3" in shown[-1]
    assert f"loss={own.history['loss'][-1]:.4g}" in shown[-1]


@pytest.mark.parametrize(("columns", "shown"), [(45, 2), (100, 3), (150, 5)])
def test_bar_in_a_narrow_terminal(capsys, monkeypatch, columns, shown):
    """The losses come first, then the scores of validation; the terminal cuts off what comes last."""
    monkeypatch.setattr("tqdm.std.tqdm", type("Narrow", (AtOnce,), {"columns": columns}))
    history = trainer(metrics=["mae"]).fit(X, Y, epochs=2, validation_data=(X, Y), progress=True)
    last = states(capsys)[-1]
    assert len(last) <= columns
    assert last.startswith("100%|")
    places = [
        last.find(f" {name}={history[name][-1]:.4g}"[:20])
        for name in ("loss", "validation_loss", "validation_accuracy", "validation_mae", "accuracy")
    ]
    assert [place > 0 for place in places] == [k < shown for k in range(5)]
    assert places[:shown] == sorted(places[:shown])


def test_bar_of_what_is_stopped(capsys):
    trainer().fit(X, Y, epochs=2, progress=True, callbacks=[Lambda(epoch_end=stop)])
    assert "22.0/44.0" in states(capsys)[-1]


def test_bar_of_what_an_error_ends(capsys):
    """It is closed, and the next one is another."""
    bar, own = Progress(), trainer()
    fail = raising("batch_end", RuntimeError(), lambda state: state.step == 2)
    with pytest.raises(RuntimeError):
        own.fit(X, Y, callbacks=[bar, fail])
    assert "10.0/22.0" in states(capsys)[-1]
    own.fit(X, Y, callbacks=[bar])
    assert "22.0/22.0" in states(capsys)[-1]


def test_bar_and_what_is_learnt(capsys):
    own, twin = trainer(), trainer()
    own.fit(X, Y, epochs=2, progress=True)
    twin.fit(X, Y, epochs=2, progress=False)
    assert same(parameters(own), parameters(twin))


def test_progress(capsys, monkeypatch):
    X, y = labelled(103, 7, 4)
    own = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy")
    own.fit(X, y, epochs=2)
    assert capsys.readouterr().err == ""
    own.fit(X, y, epochs=2, progress=True)
    assert "206/206" in capsys.readouterr().err
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    own.fit(X, y, epochs=2)
    assert "206/206" in terminal.getvalue()
    own.fit(X, y, progress=False)
    assert terminal.getvalue().count("103/103") == 0


def test_no_standard_error(monkeypatch):
    """As under pythonw."""
    X, y = labelled(103, 7, 4)
    monkeypatch.setattr("sys.stderr", None)
    assert len(fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy").fit(X, y)["loss"]) == 1


def test_the_progress_of_blocks(capsys):
    """How many samples there are is known after an epoch."""
    make().fit(cut([30] * 4, *labelled()), epochs=2, progress=True)
    assert "206/206" in capsys.readouterr().err


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock that an epoch moves by as many seconds."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def epochs_of(seconds: float) -> Lambda:
        return Lambda(epoch_end=lambda state: now.__setitem__(0, now[0] + seconds))

    return epochs_of


def test_lines(capsys, clock):
    """Of the first epoch, of the last one, and of those that end a second after the last line."""
    own = trainer(metrics=["mae"])
    history = own.fit(X, Y, epochs=10, validation_data=(X, Y), progress="lines", callbacks=[clock(0.4)])
    lines = states(capsys)
    assert [line.split()[1] for line in lines] == ["1/10", "4/10", "7/10", "10/10"]
    assert [line.split()[-2] for line in lines] == ["0:00:04", "0:00:02", "0:00:01", "0:00:00"]
    for name in ("loss", "accuracy", "learning_rate", "validation_loss", "validation_mae"):
        assert f"  {name} {history[name][-1]:.4g}  " in lines[-1]
    assert "seconds" not in lines[-1]
    own.fit(X, Y, epochs=2, progress="lines", callbacks=[clock(3600.0)])
    lines = states(capsys)
    assert [line.split()[1] for line in lines] == ["11/12", "12/12"]
    assert lines[0].endswith("1:00:00 left")


def test_lines_of_what_is_stopped(capsys, clock):
    trainer().fit(X, Y, epochs=9, progress="lines", callbacks=[clock(0.1), Lambda(epoch_end=stop_at(2))])
    assert [line.split()[1] for line in states(capsys)] == ["1/9", "2/9"]


def stop_at(epoch):
    def hook(state):
        state.stop = state.epoch == epoch

    return hook


def test_lines_take_no_time_in_an_epoch(monkeypatch):
    """No hook for minibatches is called for them."""
    called = []
    monkeypatch.setattr(Progress, "on_batch_end", lambda self, state: called.append(self.kind))
    trainer().fit(X, Y, progress="lines")
    trainer().fit(X, Y, progress=True)
    assert {*called} == {"bar"}


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError

    def isatty(self):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stderr", [None, Broken()])
@pytest.mark.parametrize("progress", [None, "lines"])
def test_nobody_can_read(capsys, monkeypatch, stderr, progress):
    own = trainer()
    monkeypatch.setattr("sys.stderr", stderr)
    own.fit(X, Y, epochs=2, progress=progress)
    assert own.history.epochs == 2
    assert capsys.readouterr().out == ""


def test_bar_without_standard_error(monkeypatch):
    own = trainer()
    monkeypatch.setattr("sys.stderr", None)
    own.fit(X, Y, epochs=2, progress=True)
    assert own.history.epochs == 2


# --- notebooks --------------------------------------------------------------------------------------------------------


def test_notebook(monkeypatch):
    """The bar is one output, and each state replaces the one before: a saved notebook keeps the last one."""
    outputs = []

    class Handle:
        def update(self, data, raw):
            outputs[-1] = data["text/plain"]

    def display(data, raw, display_id):
        outputs.append(data["text/plain"])
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", types.ModuleType("ipykernel.zmqshell"))
    monkeypatch.setattr("IPython.display.display", display)
    trainer().fit(X, Y, epochs=2)
    (last,) = outputs
    assert last.startswith("100%|")
    assert "44.0/44.0" in last


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("progress", [0, 1, 2.0, "bar", "line", [], np.ones(2)], ids=str)
@pytest.mark.parametrize("of", ["trainer", "ensemble"])
def test_other_values(progress, of):
    own = trainer()
    before = own.network.theta
    with pytest.raises(ValueError, match="progress must be True, False, 'lines' or None, got "):
        (own if of == "trainer" else fb.Ensemble([own])).fit(X, Y, progress=progress)
    assert (own.network.theta == before).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("verbose", "fit has no argument 'verbose'; progress=True shows a bar, progress='lines' writes lines, and "),
        ("batch_size", "'batch_size'; it is a setting of the trainer: Trainer(..., batch_size=...) or "),
        ("optimizer", "'optimizer'; it is a setting of the trainer"),
        ("sample_weights", "'sample_weights'; did you mean 'sample_weight'?"),
        ("epoch", "'epoch'; did you mean 'epochs'?"),
        ("zzz", "fit has no argument 'zzz'"),
    ],
)
def test_arguments_of_other_libraries(option, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        trainer().fit(X, Y, **{option: 1})
