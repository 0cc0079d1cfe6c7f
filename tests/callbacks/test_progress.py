"""The progress bar: what it shows, and where there is nothing to show it on."""

from __future__ import annotations

import io

import pytest
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


def test_bar_of_blocks(capsys):
    """How many samples there are is seen at the end of the first epoch."""
    own, seen = trainer(), []
    look = Lambda(epoch_end=lambda state: seen.append((bar._bar.total, bar._bar.n)))
    bar = Progress()
    own.fit(blocks(), epochs=3, callbacks=[bar, look])
    shown = states(capsys)
    assert "/" not in shown[0].split("[")[0]
    assert seen == [(66, 22), (66, 44), (66, 66)]
    assert "66.0/66.0" in shown[-1]
    assert "epoch=3/3" in shown[-1]
    assert f"loss={own.history['loss'][-1]:.4g}" in shown[-1]


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
