"""The history: what is recorded of each epoch, and the history as other types."""

import math

import numpy as np
import pytest
from helpers import labelled

import fastbp as fb

# --- of a training ----------------------------------------------------------------------------------------------------


def test_history_and_validation():
    X, y = labelled(103, 7, 4)
    net = fb.MLP([7, 16, 4], output="softmax", dtype=np.float64, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.2), seed=0)
    history = trainer.fit(X, y, epochs=3, validation_data=(X, y))
    measured = ["loss", "accuracy", "learning_rate", "seconds"]
    assert list(history) == [*measured, "validation_loss", "validation_accuracy"]
    assert {len(values) for values in history.values()} == {3}
    scores = trainer.evaluate(X, y)
    assert scores == {"loss": history["validation_loss"][-1], "accuracy": history["validation_accuracy"][-1]}
    assert scores["accuracy"] == pytest.approx((net.predict_classes(X) == y).mean())
    a = net.predict(X)
    assert scores["loss"] == pytest.approx(-np.log(a[np.arange(len(y)), y]).mean(), rel=1e-12)
    assert len(str(history).splitlines()) == 4
    regression = fb.Trainer(fb.MLP([7, 1], seed=0), loss="squared_error").fit(X, X[:, 0])
    assert list(regression) == ["loss", "learning_rate", "seconds"]


def test_history_prints_epochs_without_validation_too():
    X, y = labelled(103, 7, 4)
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy")
    trainer.fit(X, y, epochs=2)
    trainer.fit(X, y, validation_data=(X, y))
    table = str(trainer.history).splitlines()
    assert len(table) == 4
    assert table[1].split()[-1] == "-"
    assert table[3].split()[-1] != "-"


def test_accuracy_of_binary_targets():
    X, _ = labelled(103, 7, 4)
    y = (X[:, 0] > 0).astype(int)
    net = fb.MLP([7, 8, 1], output="sigmoid", seed=0)
    trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.SGD(0.5), seed=0)
    history = trainer.fit(X, y, epochs=30)
    assert history["accuracy"][-1] > 0.9
    assert trainer.evaluate(X, y)["accuracy"] == pytest.approx((net.predict_classes(X) == y).mean())


# --- by itself --------------------------------------------------------------------------------------------------------


def recorded() -> fb.History:
    history = fb.History()
    history.record(loss=0.5, seconds=1.0)
    history.record(loss=0.25, seconds=2.0, validation_r2=0.125)
    history.record(loss=0.75, seconds=3.0)
    return history


def test_record():
    history = recorded()
    assert history.epochs == 3
    assert list(history) == ["loss", "seconds", "validation_r2"]
    assert history["loss"] == [0.5, 0.25, 0.75]
    assert history["validation_r2"] == pytest.approx([math.nan, 0.125, math.nan], nan_ok=True)
    assert fb.History().epochs == 0


def test_to_dict():
    """A plain dict, which others may change."""
    history = recorded()
    copied = history.to_dict()
    assert type(copied) is dict
    assert {name: pytest.approx(column, nan_ok=True) for name, column in history.items()} == copied
    copied["loss"].append(7.0)
    copied["mine"] = []
    assert history["loss"] == [0.5, 0.25, 0.75]
    assert "mine" not in history


def test_to_frame():
    pandas = pytest.importorskip("pandas", reason="makes a pandas frame")
    frame = recorded().to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["loss", "seconds", "validation_r2"]
    assert frame.index.name == "epoch"
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["loss"].tolist() == [0.5, 0.25, 0.75]
    assert frame["validation_r2"].isna().tolist() == [True, False, True]
    assert (frame.dtypes == np.float64).all()
    assert frame["loss"].idxmin() == 2
    assert len(fb.History().to_frame()) == 0


def test_to_frame_of_a_fit():
    pytest.importorskip("pandas", reason="makes a pandas frame")
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy", metrics=["r2"])
    history = trainer.fit(*labelled(103, 7, 4), epochs=4, validation_split=0.25)
    frame = history.to_frame()
    assert frame.shape == (4, 7)
    assert {name: frame[name].tolist() for name in frame} == history.to_dict()


def test_printed():
    lines = str(recorded()).splitlines()
    assert lines[0].split() == ["epoch", "loss", "seconds", "validation_r2"]
    assert [line.split() for line in lines[1:]] == [
        ["1", "0.5000", "1.0000", "-"],
        ["2", "0.2500", "2.0000", "0.1250"],
        ["3", "0.7500", "3.0000", "-"],
    ]
    assert len({len(line) for line in lines}) == 1
