"""Schedules: their values, what training makes of them, and composition."""

import copy
import itertools

import numpy as np
import pytest

import fastbp as fb
from fastbp import schedules as s

STEPS = np.arange(40)


def per_epoch(schedule, epochs=40, scores=None):
    """The factor of each epoch."""
    return np.array([schedule.at(np.array([999]), epoch, scores or {})[0] for epoch in range(epochs)])


FORMULAS = {
    s.Constant(0.3): lambda x: np.full(40, 0.3),
    s.Step(7, 0.5): lambda x: 0.5 ** (x // 7),
    s.MultiStep((5, 5, 20), 0.1): lambda x: np.where(x < 5, 1, np.where(x < 20, 0.01, 0.001)),
    s.Exponential(0.9): lambda x: 0.9**x,
    s.InverseScaling(0.75): lambda x: 1 / (x + 1) ** 0.75,
    s.Polynomial(30, 2.0): lambda x: np.where(x < 30, (1 - x / 30) ** 2, 0),
    s.Cosine(30, 0.1): lambda x: np.where(x < 30, 0.1 + 0.9 * np.cos(np.pi * x / 60) ** 2, 0.1),
    s.WarmRestarts(9): lambda x: np.cos(np.pi * (x % 9) / 18) ** 2,
    s.Warmup(10): lambda x: np.minimum((x + 1) / 10, 1),
}


@pytest.mark.parametrize("schedule", FORMULAS, ids=lambda schedule: type(schedule).__name__)
def test_formulas(schedule):
    """Per epoch and, the same function, per step."""
    wanted = FORMULAS[schedule](STEPS.astype(float))
    assert per_epoch(schedule) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    by_step = type(schedule)(**{**vars(schedule), "per": "step"})
    assert by_step.at(STEPS, 3, {}) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_growing_restarts():
    values = per_epoch(s.WarmRestarts(3, growth=2), 22)
    assert (values == 1).nonzero()[0].tolist() == [0, 3, 9, 21]
    assert values[8] == pytest.approx(np.cos(np.pi * 5 / 12) ** 2)


def test_one_cycle():
    values = s.OneCycle(100, per="step").at(np.arange(120), 0, {})
    assert values[[0, 30]] == pytest.approx([0.04, 1])
    assert (np.diff(values[:31]) > 0).all()
    assert (np.diff(values[30:101]) < 0).all()
    assert values[100:] == pytest.approx(4e-6)


def test_composition():
    product = s.Warmup(100, per="step") * s.Step(2, 0.5)
    assert product.at(np.array([49, 149]), 4, {}) == pytest.approx([0.5 * 0.25, 0.25])
    chain = s.Chain([s.Warmup(5), s.Constant(1.0), s.Exponential(0.5)], [5, 3])
    wanted = [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 0.5, 0.25, 0.125]
    assert per_epoch(chain, 12) == pytest.approx(wanted)


@pytest.mark.parametrize("count", [2, 33, 64, 200])
def test_long_chains(count):
    """One of each length is as good as any: NumPy's `choose` ends at 32 or 64."""
    chain = s.Chain([s.Constant(float(k)) for k in range(count)], [2] * (count - 1))
    assert chain.factor(np.arange(2.0 * count + 3), {}) == pytest.approx(
        [*np.repeat(range(count), 2), *[count - 1] * 3]
    )
    assert chain.factor(2.0 * count, {}) == count - 1
    endless = s.Chain([s.Constant(0.5), s.Constant(0.1), s.Constant(0.2)], [2**63 - 1] * 2)
    assert endless.factor(np.array([0.0, 1e18, 1e19, 1e20]), {}).tolist() == [0.5, 0.5, 0.1, 0.2]


NEST = {
    "product": lambda inner: s.Constant(0.5) * inner,
    "chain": lambda inner: s.Chain([s.Warmup(2), inner], [2]),
}


@pytest.mark.parametrize("kind", NEST)
def test_nested_schedules(kind, tmp_path):
    """As deep as Python can follow them, also into a checkpoint; no deeper."""
    schedule = s.Constant()
    for _ in range(s.base.DEEPEST):
        schedule = NEST[kind](schedule)
    trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", schedule=schedule)
    trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[fb.Checkpoint(tmp_path)])
    assert fb.Trainer.resume(tmp_path).schedule == copy.deepcopy(schedule)
    with pytest.raises(ValueError, match=f"nested at most {s.base.DEEPEST} deep, got {s.base.DEEPEST + 1}"):
        NEST[kind](schedule)


def test_plateau():
    """Down after more than `patience` epochs without an improvement of more than min_delta, and not below `least`."""
    schedule = s.ReduceOnPlateau("validation_loss", gamma=0.5, patience=1, min_delta=0.01, least=0.2)
    losses = [1.0, 0.5, 0.495, 0.51, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    factors = [schedule.at(np.array([0]), e, {"validation_loss": losses[:e]})[0] for e in range(len(losses) + 1)]
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]
    rising = s.ReduceOnPlateau("accuracy", patience=0)
    assert rising.at(np.array([0]), 3, {"accuracy": [0.1, 0.2, 0.3]})[0] == 1
    assert rising.at(np.array([0]), 3, {"accuracy": [0.1, 0.2, 0.2]})[0] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="monitor must be one of 'loss', got 'validation_loss'"):
        s.ReduceOnPlateau().at(np.array([0]), 1, {"loss": [1.0]})


def test_a_plateau_of_nan():
    """NaN before the first number counts for nothing; NaN after it ends in an error, when a reduction is due."""
    schedule, nan, at = s.ReduceOnPlateau("loss", patience=1), np.nan, np.array([0])
    assert schedule.at(at, 5, {"loss": [nan, nan, nan, 1.0, nan]})[0] == 1
    assert schedule.at(at, 6, {"loss": [nan, nan, nan, 1.0, nan, 1.0]})[0] == 0.1
    with pytest.raises(FloatingPointError, match="the score 'loss' of ReduceOnPlateau is nan after epoch 3"):
        schedule.at(at, 3, {"loss": [1.0, nan, nan]})


def test_bold_driver():
    """Up after a better score, down after a worse one, unchanged after an equal one and before the second number."""
    schedule, nan = s.BoldDriver(up=2.0, down=0.25), np.nan
    losses = [nan, 4.0, 3.0, 3.0, 2.0, 5.0, 4.0]
    factors = [schedule.at(np.array([0]), e, {"loss": losses[:e]})[0] for e in range(len(losses) + 1)]
    assert factors == [1, 1, 1, 2, 2, 4, 1, 2]
    rising = s.BoldDriver("accuracy", up=2.0, down=0.25)
    assert rising.at(np.array([0]), 3, {"accuracy": [0.1, 0.2, 0.1]})[0] == 0.5
    with pytest.raises(FloatingPointError, match="the score 'loss' of BoldDriver is nan after epoch 3"):
        schedule.at(np.array([0]), 3, {"loss": [2.0, 1.0, nan]})
    with pytest.raises(ValueError, match="monitor must be one of 'loss', got 'validation_loss'"):
        s.BoldDriver("validation_loss").at(np.array([0]), 1, {"loss": [1.0]})


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.Adam(0.1), fb.RMSprop(0.1), fb.Adadelta(0.1), fb.AdamW(0.1)])
@pytest.mark.parametrize("per", ["epoch", "step"])
def test_training(optimizer, per):
    """Bit for bit the steps of a trainer whose rate is set by hand; the history has the rate of each epoch's end."""
    X, y = np.random.default_rng(0).normal(size=(2, 30, 1))
    options = {"loss": "squared_error", "batch_size": 10, "shuffle": False}
    schedule = s.Exponential(0.5, per=per)
    net = fb.MLP([1, 1], dtype=np.float64, seed=0)
    history = fb.Trainer(net, optimizer=optimizer, schedule=schedule, **options).fit(X, y, epochs=3)
    assert history["learning_rate"] == pytest.approx(
        [0.1 * 0.5 ** (e if per == "epoch" else 3 * e + 2) for e in range(3)]
    )

    twin = fb.MLP([1, 1], dtype=np.float64, seed=0)
    own = fb.Trainer(twin, optimizer=optimizer, **options)
    for t in range(9):
        rows = slice(t % 3 * 10, t % 3 * 10 + 10)
        rate = 0.1 * 0.5 ** (t // 3 if per == "epoch" else t)
        own.optimizer = type(optimizer)(**{**vars(optimizer), "learning_rate": rate})
        own.fit(X[rows], y[rows])
    assert (net.weights[0] == twin.weights[0]).all()
    assert (net.biases[0] == twin.biases[0]).all()


def test_a_plateau_in_training():
    X, y = np.ones((8, 1)), np.zeros(8)
    net = fb.MLP([1, 1], seed=0)
    net.set_weights([[[0.0]]], [[0.0]])  # perfect: nothing improves
    plateau = s.ReduceOnPlateau("loss", patience=0, gamma=0.5)
    history = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1.0), schedule=plateau).fit(X, y, epochs=4)
    assert history["learning_rate"] == [1.0, 1.0, 0.5, 0.25]


def test_a_bold_driver_in_training():
    """C = (w - 1)^2 / 2 is a parabola: the rate doubles until a step goes too far, and then it falls."""
    net = fb.MLP([1, 1], bias=False, dtype="float64")
    net.set_weights([[[0.0]]], [None])
    options = {"loss": "squared_error", "optimizer": fb.SGD(1.0), "schedule": s.BoldDriver(up=2.0, down=0.5)}
    history = fb.Trainer(net, **options, batch_size="all").fit([[1.0], [1.0]], [1.0, 1.0], epochs=2)
    assert history["loss"] == [0.5, 0.0]
    history = fb.Trainer(net, **options).fit([[2.0]], [0.0], epochs=4)  # w <- w - 4 eta w: eta = 1, 1, 0.5, 0.25
    assert history["learning_rate"] == [1.0, 1.0, 0.5, 0.25]
    assert history["loss"] == [2.0, 18.0, 162.0, 162.0]


def test_an_interrupted_bold_driver(tmp_path):
    """The factor comes from the history, so training that resumes ends with the same bits."""
    X, y = np.random.default_rng(0).normal(size=(2, 30, 1))

    def trainer():
        net = fb.MLP([1, 4, 1], activation="tanh", seed=0)
        options = {"optimizer": fb.SGD(1.0, momentum=0.5), "schedule": s.BoldDriver(up=1.3, down=0.5), "seed": 0}
        return fb.Trainer(net, loss="squared_error", batch_size=10, **options)

    whole, part = trainer(), trainer()
    rates = whole.fit(X, y, epochs=12)["learning_rate"]
    assert {b > a for a, b in itertools.pairwise(rates[1:])} == {True, False}
    part.fit(X, y, epochs=5, callbacks=[fb.Checkpoint(tmp_path)])
    part = fb.Trainer.resume(tmp_path)
    part.fit(X, y, epochs=12)
    assert part.history["learning_rate"] == rates
    assert (part.network.theta == whole.network.theta).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: s.Step(0), ValueError, "size must be at least 1, got 0"),
        (lambda: s.Step(2, per="batch"), ValueError, "per must be one of 'epoch', 'step', got 'batch'"),
        (lambda: s.Exponential(0.0), ValueError, "gamma must be"),
        (lambda: s.Chain([s.Warmup(5)], [5]), ValueError, "lengths must be one fewer than the 1 schedules"),
        (lambda: s.Chain([s.Warmup(5), 0.1], [5]), TypeError, r"schedules\[1\] must be a schedule, got 0.1"),
        (lambda: s.Product(s.Warmup(3), 7), TypeError, "b must be a schedule, got 7"),
        (lambda: s.Product("Warmup", s.Warmup(3)), TypeError, "a must be a schedule, got 'Warmup'"),
        (lambda: s.Product(s.Warmup(3), s.Warmup), TypeError, "b must be a schedule, got <class"),
        (lambda: s.MultiStep((5, 4)), ValueError, r"milestones\[1\] must be at least 5, got 4"),
        (lambda: s.ReduceOnPlateau(per="step"), ValueError, "per must be 'epoch'"),
        (lambda: s.BoldDriver(per="step"), ValueError, "per must be 'epoch'"),
        (lambda: s.BoldDriver(up=0.5), ValueError, "up must be a finite number at least 1, got 0.5"),
        (lambda: s.BoldDriver(down=1.0), ValueError, "down must be a finite number above 0 and below 1, got 1.0"),
        (lambda: s.Warmup(3) * 2, TypeError, "unsupported operand"),
        (lambda: fb.Trainer(fb.MLP([1, 1]), loss="squared_error", schedule=0.5), TypeError, "schedule must be one of"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
