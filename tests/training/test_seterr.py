"""`np.seterr` of the user: what fastbp computes by NumPy, with numbers that underflow or overflow, is no error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

import fastbp as fb
from fastbp import schedules as s
from fastbp.losses import LOSSES

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(8, 3)).astype(np.float32), np.arange(8) % 2
TINY = rng.normal(size=(8, 3)) * 1e-300


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


OPTIMIZERS = [
    fb.SGD(0.01, momentum=0.9),
    fb.SGD(1e-42),
    fb.Adam(),
    fb.AdamW(1e-200, weight_decay=1e-200),
    fb.RMSprop(momentum=0.9, centered=True),
    fb.Adagrad(1e-30, lr_decay=1e300),
    fb.Adadelta(),
    fb.Rprop(),
]
SCHEDULES = [
    s.Constant(1e-300) * s.Constant(1e-300),
    s.Step(1, 1e-3),
    s.MultiStep(range(2000), 0.1),
    s.Exponential(0.9),
    s.InverseScaling(1e3),
    s.Polynomial(1000, 1e3),
    s.Cosine(30),
    s.WarmRestarts(9),
    s.WarmRestarts(9, growth=2),
    s.OneCycle(100),
    s.Warmup(10),
    s.Chain([s.Exponential(0.5)] * 2, [5]),
    s.Chain([s.Exponential(1.5), s.Constant()], [5]),
]


def trainer(n_out: int = 2, output: str = "softmax", dtype: str = "float32", **options: object) -> fb.Trainer:
    net = fb.MLP([3, 4, n_out], output=output, dtype=dtype, seed=0)
    return fb.Trainer(net, **{"loss": "cross_entropy", "batch_size": 1, "seed": 0, **options})


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimizers(optimizer):
    """Over 8,000 steps: 0.9^t is 0 after 6,720."""
    own = trainer(optimizer=optimizer)
    assert np.isfinite(own.fit(X, Y, epochs=1000)["loss"]).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("t", [10**6, 10**12, 2**62])
def test_late_steps(optimizer, t):
    own = trainer(optimizer=optimizer)
    own.state.step = t
    assert np.isfinite(own.fit(X, Y)["loss"]).all()
    assert np.isfinite(own.network.theta).all()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("per", ["epoch", "step"])
def test_schedules(schedule, per):
    schedule = dataclasses.replace(schedule, per=per)
    assert np.isfinite(trainer(schedule=schedule).fit(X, Y, epochs=1000)["loss"]).all()
    for step in (0, 10**6, 10**12, 2**62):
        found = schedule.at(np.arange(step, step + 2000), min(step, 10**6), {})
        assert (found >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, dtype):
    """With all metrics, an average, and all that shapes the gradient."""
    one = loss in ("binary_cross_entropy", "hinge", "squared_hinge", "perceptron", "adaline")
    own = trainer(
        1 if one else 2, LOSSES[loss].suited if one or loss == "poisson" else "softmax", dtype, loss=loss,
        optimizer=fb.Adam(0.1), average=fb.EMA(0.9), metrics=["r2", "mae", "top_5_accuracy"], clip_value=0.1,
        clip_norm=0.1, l1=1e-3, l2=1e-3, batch_size=2,
    )  # fmt: skip
    y = Y.astype(float) if one else Y
    history = own.fit(X, y, epochs=200, validation_data=(X, y), callbacks=[fb.EarlyStopping(patience=200)])
    assert np.isfinite(history["validation_loss"]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lbfgs(dtype):
    pytest.importorskip("scipy", reason="LBFGS needs scipy")
    own = trainer(dtype=dtype, optimizer=fb.LBFGS(), clip_norm=1e-3, l1=1e-9, average=fb.SWA())
    assert np.isfinite(own.fit(X, Y, epochs=300)["loss"]).all()


def test_metrics_of_values_that_underflow_and_overflow():
    y = np.array([[1e-200], [2e-200], [1e200], [2e200]])
    own = trainer(1, "identity", "float64", loss="absolute_error", metrics=["r2", "mae"])
    scores = own.evaluate(np.zeros((4, 3)), y)
    assert scores["mae"] == pytest.approx(0.75e200)


def test_the_state_of_a_metric_is_that_of_the_user():
    def mine(y: np.ndarray, a: np.ndarray) -> float:
        return float((a * np.float32(1e-38) * np.float32(1e-38)).sum())

    with pytest.raises(FloatingPointError, match="underflow"):
        trainer(metrics=[mine]).evaluate(X, Y)


def test_tiny_numbers_become_0():
    """Inputs, targets, weights of samples and classes, parameters, scale and shift."""
    own = trainer(output="identity", loss="squared_error")
    own.network.set_weights(own.network.weights, [np.zeros(4), np.zeros(2)])
    assert own.evaluate(TINY.astype(">f8"), TINY[:, :2].astype(">f8"))["loss"] == 0
    options = {"sample_weight": np.full(8, 1e-30), "class_weight": {0: 1e-30}}
    assert np.isfinite(trainer().fit(X, Y, **options)["loss"]).all()
    net = fb.MLP([3, 2], scale=1e-300, shift=1e-300)
    net.set_weights([TINY[:3, :2]], [TINY[0, :2]])
    assert not net.weights[0].any()
    assert not net.scale.any()
