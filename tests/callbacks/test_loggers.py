"""CSVLogger and TensorBoard: that their files hold the history, whatever ends a training."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import parameters, same
from watched import X, Y, raising, scored, trainer

import fastbp as fb
from fastbp.callbacks import CSVLogger, Lambda, TensorBoard

# --- CSV --------------------------------------------------------------------------------------------------------------


def table(path: Path) -> dict[str, list[float]]:
    """The columns of a CSV file."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert all(len(row) == len(head) for row in rows)
    return {name: [float(row[k]) for row in rows] for k, name in enumerate(head)}


def assert_written(path: Path, history: fb.History) -> None:
    columns = table(path)
    assert columns.pop("epoch") == list(range(1, history.epochs + 1))
    assert list(columns) == list(history)
    for name, column in history.items():
        np.testing.assert_array_equal(columns[name], column)  # every bit, and NaN is NaN


def test_csv(tmp_path):
    """A second fit continues it; each epoch is there before the next begins."""
    path, own, lines = tmp_path / "history.csv", trainer(metrics=["mae"]), []
    path.write_text("of someone else")
    count = Lambda(epoch_begin=lambda _: lines.append(len(path.read_text().splitlines())))
    logger = CSVLogger(path)
    own.fit(X, Y, epochs=3, validation_split=0.3, callbacks=[logger, count])
    assert lines == [1, 2, 3]
    assert_written(path, own.history)
    own.fit(X, Y, epochs=2, validation_split=0.3, callbacks=[logger])
    assert own.history.epochs == 5
    assert_written(path, own.history)
    own.fit(X, Y, validation_split=0.3, callbacks=[CSVLogger(str(path))])
    assert_written(path, own.history)
    assert [found.name for found in tmp_path.iterdir()] == ["history.csv"]


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoard])
def test_another_path(tmp_path, kind):
    """As text, as the constructor takes it; nonsense is refused when it is assigned."""
    logger, own, name = kind(tmp_path / "first"), trainer(), "path" if kind is CSVLogger else "directory"
    setattr(logger, name, str(tmp_path / "second"))
    assert getattr(logger, name) == tmp_path / "second"
    for call in (lambda: setattr(logger, name, 5), lambda: kind(5)):
        with pytest.raises(TypeError, match=f"{name} must be a path, got 5"):
            call()
    if kind is CSVLogger:
        own.fit(X, Y, epochs=2, callbacks=[logger])
        assert_written(tmp_path / "second", own.history)


def test_csv_of_columns_that_come_later(tmp_path):
    """The epochs before have NaN there; those without, afterwards, too."""
    path, own = tmp_path / "history.csv", trainer()
    logger = CSVLogger(path)
    own.fit(X, Y, epochs=2, callbacks=[logger])
    own.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[logger])
    own.fit(X, Y, callbacks=[logger])
    assert np.isnan(own.history["validation_loss"]).tolist() == [True, True, False, False, True]
    assert_written(path, own.history)


def test_csv_of_a_fresh_trainer(tmp_path):
    path = tmp_path / "history.csv"
    logger = CSVLogger(path)
    trainer().fit(X, Y, epochs=4, callbacks=[logger])
    own = trainer()
    own.fit(X, Y, callbacks=[logger])
    assert_written(path, own.history)
    trainer().fit(X, Y, epochs=0, callbacks=[logger])
    assert path.read_text().split(",")[0].strip() == "epoch"


def test_csv_of_names_with_commas(tmp_path):
    path, own = tmp_path / "history.csv", scored([1.0, 0.1], 'a, "b"')
    own.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[CSVLogger(path)])
    assert_written(path, own.history)


def test_csv_of_what_an_error_ends(tmp_path):
    path, own = tmp_path / "history.csv", trainer()
    fail = raising("batch_end", KeyboardInterrupt(), lambda state: state.step == 12)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, Y, epochs=5, callbacks=[CSVLogger(path), fail])
    assert own.history.epochs == 2
    assert_written(path, own.history)


def test_csv_where_it_cannot_be(tmp_path):
    own = trainer()
    before = parameters(own)
    with pytest.raises(OSError, match="nowhere"):
        own.fit(X, Y, callbacks=[CSVLogger(tmp_path / "nowhere" / "history.csv")])
    assert same(before, parameters(own))


# --- TensorBoard ------------------------------------------------------------------------------------------------------


def events(directory: Path) -> list:
    """Of all event files of a directory."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        while content:  # a length, its checksum, an event, its checksum
            length = int.from_bytes(content[:8], "little")
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """tag: (step, value) ... in the event files of a directory."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(directory):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return {tag: sorted(points) for tag, points in found.items()}


def points(column: list[float]) -> list[tuple[int, object]]:
    """A column of a history as scalars, which are float32."""
    return [(epoch, pytest.approx(value, rel=1e-6, nan_ok=True)) for epoch, value in enumerate(column, 1)]


TAGS = {
    "loss": "loss/training",
    "accuracy": "accuracy/training",
    "learning_rate": "learning_rate/training",
    "seconds": "seconds/training",
    "validation_loss": "loss/validation",
    "validation_accuracy": "accuracy/validation",
    "validation_top_5_accuracy": "top_5_accuracy/validation",
}


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own = trainer(metrics=["top_5_accuracy"])
    history = own.fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=[TensorBoard(tmp_path / "a" / "b")])
    found = scalars(tmp_path / "a" / "b")
    assert found == {TAGS[name]: points(column) for name, column in history.items()}


def test_tensorboard_of_a_second_fit(tmp_path):
    """It goes on, however soon after the first."""
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own, logger = trainer(), TensorBoard(tmp_path)
    own.fit(X, Y, epochs=2, callbacks=[logger])
    own.fit(X, Y, callbacks=[logger])
    assert scalars(tmp_path)["loss/training"] == points(own.history["loss"])


@pytest.mark.parametrize("before", [0, 2])
def test_tensorboard_takes_back(tmp_path, before):
    """What a run that was interrupted has written beyond where this one goes on from."""
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    from tensorboardX.proto.event_pb2 import SessionLog

    own = trainer()
    own.fit(X, Y, epochs=before)
    own.fit(X, Y, callbacks=[TensorBoard(tmp_path)])
    starts = [event.step for event in events(tmp_path) if event.session_log.status == SessionLog.START]
    assert starts == [before + 1] * bool(before)


def test_tensorboard_of_what_an_error_ends(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes for TensorBoard, by tensorboardX")
    own = trainer()
    fail = raising("batch_end", KeyboardInterrupt(), lambda state: state.step == 12)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, Y, epochs=5, callbacks=[TensorBoard(tmp_path), fail])
    assert scalars(tmp_path)["loss/training"] == points(own.history["loss"])


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    own = trainer()
    before = parameters(own)
    logger = TensorBoard(tmp_path)
    with pytest.raises(ImportError, match="tensorboardX"):
        own.fit(X, Y, callbacks=[logger])
    assert same(before, parameters(own))
