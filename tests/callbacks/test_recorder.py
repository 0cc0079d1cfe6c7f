"""Recorder: the parameters that it keeps, and when."""

from __future__ import annotations

import numpy as np
import pytest

import fastbp as fb

X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]


def trainer(**options) -> fb.Trainer:
    net = fb.MLP([1, 1], dtype=np.float64, seed=0)
    return fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.5), seed=0, **{"batch_size": 3} | options)


@pytest.mark.parametrize(("options", "steps"), [({}, [0, 3, 6]), ({"per": "step", "every": 2}, [0, 2, 4, 6])])
def test_the_recorder(options, steps):
    own, recorder = trainer(batch_size=1), fb.callbacks.Recorder(**options)
    own.fit(X, Y, epochs=2, callbacks=[recorder])
    assert recorder.steps == steps
    assert recorder.values.shape == (len(steps), 2)
    assert (recorder.values[-1] == own.network.theta).all()
    some = fb.callbacks.Recorder([1], **options)
    twin = trainer(batch_size=1)
    twin.fit(X, Y, epochs=2, callbacks=[some])
    assert (some.values == recorder.values[:, 1:]).all()


def test_the_recorder_of_another_training():
    recorder = fb.callbacks.Recorder()
    for own in (trainer(), trainer()):
        own.fit(X, Y, epochs=2, callbacks=[recorder])
        own.fit(X, Y, callbacks=[recorder])
        assert recorder.steps == [0, 1, 2, 3]
        assert (recorder.values[-1] == own.network.theta).all()


def test_the_recorder_continues(tmp_path):
    whole = fb.callbacks.Recorder()
    trainer().fit(X, Y, epochs=4, callbacks=[whole])
    trainer().fit(X, Y, epochs=2, callbacks=[fb.callbacks.Recorder(), fb.Checkpoint(tmp_path)])
    again = fb.callbacks.Recorder()
    fb.Trainer.resume(tmp_path).fit(X, Y, epochs=4, callbacks=[again, fb.Checkpoint(tmp_path)])
    assert again.steps == whole.steps
    assert (again.values == whole.values).all()


def test_mistakes_of_the_recorder():
    for make, message in [
        (lambda: fb.callbacks.Recorder([-1]), r"places\[0\] must be at least 0"),
        (lambda: fb.callbacks.Recorder(per="minibatch"), "per must be one of"),
        (lambda: fb.callbacks.Recorder(every=0), "every must be at least 1"),
        (lambda: trainer().fit(X, Y, callbacks=[fb.callbacks.Recorder([2])]), "places must be below 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
