"""Many short epochs in one call of the kernels: nothing but the time differs from single epochs."""

import itertools

import numpy as np
import pytest
from scipy import sparse

import fastbp as fb
from fastbp.engine.runner import Work
from fastbp.training import together

SINGLE = fb.callbacks.Lambda(epoch_end=lambda state: None)
"""A callback that sees each epoch."""


def samples(n=21):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


def trainer(network=None, **options):
    net = fb.MLP([3, 4, 2], **{"activation": "tanh", "seed": 0, **(network or {})})
    return fb.Trainer(net, **{"loss": "squared_error", "optimizer": fb.SGD(0.05), "seed": 0, **options})


def outcome(trained):
    """Everything that training has changed, but the time."""
    described, tensors = trained.state.save()
    history = {name: column for name, column in trained.history.items() if name != "seconds"}
    position = {**described["position"], "seconds": 0.0}
    described = {**described, "history": history, "position": position, "training": ""}
    return described, {name: tensor.tobytes() for name, tensor in tensors.items()}


@pytest.fixture
def calls(monkeypatch):
    """How many epochs ran together in each call."""
    found, original = [], together.Together.train
    monkeypatch.setattr(together.Together, "train", lambda self, n: found.append(n) or original(self, n))
    return found


CASES = {
    "full batch": {"batch_size": 21},
    "minibatches": {"batch_size": 8},
    "online, in order": {"batch_size": 1, "shuffle": False},
    "adam, average": {"batch_size": 21, "optimizer": "adam", "average": fb.EMA(0.9)},
    "stored, clipped": {"batch_size": 8, "clip_norm": 0.1, "l2": 0.01},
    "dropout": {"batch_size": 8, "network": {"dropout": [0.1, 0.2], "input_noise": 0.1}},
    "two threads": {"batch_size": 21, "n_threads": 2, "network": {"dtype": "float64"}},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", ["arrays", "sparse", "weights", "classes"])
def test_same_bits_and_history_as_single_epochs(case, form, calls):
    X, y = samples()
    options, fit = dict(CASES[case]), {}
    if form == "sparse" and "input_noise" not in options.get("network", {}):
        X = sparse.csr_matrix(np.where(X > 0, X, 0.0))
    if form == "weights":
        fit["sample_weight"] = np.arange(21) % 3
    if form == "classes":
        y = np.arange(21) % 2
        options |= {"loss": "cross_entropy", "network": options.get("network", {}) | {"output": "softmax"}}
    one, many = trainer(**options), trainer(**options)
    one.fit(X, y, epochs=60, callbacks=[SINGLE], **fit)
    assert calls == []
    many.fit(X, y, epochs=60, **fit)
    assert sum(calls) > 40
    assert outcome(one) == outcome(many)
    assert len(many.history["seconds"]) == 60
    one.fit(X, y, epochs=3, callbacks=[SINGLE], **fit)
    many.fit(X, y, epochs=3, **fit)
    assert outcome(one) == outcome(many)


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": fb.schedules.Step(2)},
        {"average": fb.SWA()},
        {"metrics": ["objective"]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_watches_each_epoch(options, calls):
    """What happens between epochs happens after each of them."""
    X, y = samples()
    made = trainer(batch_size=21, **options)
    made.fit(X, y, epochs=20)
    made.fit(X, y, epochs=5, callbacks=[fb.EarlyStopping(monitor="loss", patience=9)])
    trainer(batch_size=21).fit(X, y, epochs=20, validation_split=0.2)
    trainer(batch_size=7).fit(X, y, epochs=20, shuffle_buffer=7)
    trainer(batch_size=7).fit([(X, y)], epochs=20)
    assert calls == []


def test_progress_counts_all_samples(calls, capsys):
    X, y = samples()
    made = trainer(batch_size=21)
    made.fit(X, y, epochs=500, progress=True)
    assert "epoch=500/500" in capsys.readouterr().err
    made.fit(X, y, epochs=500, progress="lines")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("epoch 1000/1000  loss ")
    assert max(calls) > 1


@pytest.mark.parametrize("batch", [21, 8])
def test_divergence_says_the_same(batch, calls):
    """The epoch that fails is found, and what it leaves behind is the same."""
    X, y = samples()
    found = []
    for callbacks in ([SINGLE], []):
        made = trainer(
            {"activation": "relu", "init": "he_uniform"}, batch_size=batch, optimizer=fb.SGD(1.1, momentum=0.9)
        )
        with pytest.raises(FloatingPointError) as error:
            made.fit(X, y, epochs=2000, callbacks=callbacks)
        found.append((str(error.value), outcome(made)))
    assert found[0] == found[1]
    assert max(calls) > 1


@pytest.mark.parametrize(("seconds", "last"), [(None, 3), (1e-6, 2), (1e-6, 4), (1e-6, 5), (1e-6, 6), (1e-6, 30)])
def test_interruption_keeps_what_is_finished(seconds, last, monkeypatch, calls):
    """Ctrl-C after a call of the kernels: the state is that of the finished epochs, and training can go on.

    With few seconds a call, each call makes one step. The first epoch, of three steps, is a single one.
    """
    X, y = samples()
    if seconds is not None:
        monkeypatch.setattr("fastbp.engine.runner.CALL_SECONDS", seconds)
    counter, original = itertools.count(1), Work._call

    def call(self, *given):
        original(self, *given)
        if next(counter) == last:
            raise KeyboardInterrupt

    made = trainer(batch_size=8)
    monkeypatch.setattr(Work, "_call", call)
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, y, epochs=400)
    monkeypatch.setattr(Work, "_call", original)
    epochs, step = made.history.epochs, made.state.step
    twin = trainer(batch_size=8)
    stop = fb.callbacks.Lambda(batch_end=lambda state: setattr(state, "stop", state.step == step), every=1)
    twin.fit(X, y, epochs=400, callbacks=[stop])
    assert twin.history.epochs == epochs
    np.testing.assert_array_equal(made.network.theta, twin.network.theta)
    assert made.history.get("loss") == twin.history.get("loss")
    for each in (made, twin):
        each.fit(X, y, epochs=5)
    assert max(calls, default=2) > 1
    assert made.history["loss"] == twin.history["loss"]
