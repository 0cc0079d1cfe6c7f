"""What is shown of an object can be typed back in, and gives an equal one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import fastbp as fb
from fastbp import activations, callbacks, losses, metrics, schedules
from fastbp.rules import averages, optimizers
from fastbp.schedules import Chain, Constant, Cosine, MultiStep, Step, Warmup


def own(y: np.ndarray, a: np.ndarray) -> float:
    return 1.0


def show(state: callbacks.State) -> None:
    pass


NAMES = {"own": own, "show": show}
for module in (activations, averages, callbacks, losses, metrics, optimizers, schedules, fb):
    NAMES |= {name: getattr(module, name) for name in dir(module) if isinstance(getattr(module, name), type)}

VALUES = {
    "Huber()": losses.Huber(),
    "Huber(delta=2.0)": losses.Huber(2.0),
    "CrossEntropy(label_smoothing=0.1)": losses.CrossEntropy(label_smoothing=0.1),
    "LeakyReLU(slope=0.1)": activations.LeakyReLU(0.1),
    "ReLU()": activations.ReLU(),
    "SGD(learning_rate=0.1, momentum=0.9)": fb.SGD(0.1, momentum=0.9),
    "Adam(betas=(0.8, 0.99))": fb.Adam(betas=(0.8, 0.99)),
    "LBFGS()": fb.LBFGS(),
    "EMA(decay=0.5)": fb.EMA(0.5),
    "SWA()": fb.SWA(),
    "TopK()": metrics.TopK(),
    "Cosine(50, per='step')": Cosine(50, per="step"),
    "MultiStep((3, 4))": MultiStep([3, 4]),
    "Cosine(50) * Warmup(3) * Step(3)": Cosine(50) * Warmup(3) * Step(3),
    "Step(3) * (Constant() * Step(2))": Step(3) * (Constant() * Step(2)),
    "Product(Step(3), Step(2), per='step')": schedules.Product(Step(3), Step(2), per="step"),
    "Chain((Step(3) * Step(4), Step(2)), (5,))": Chain([Step(3) * Step(4), Step(2)], [5]),
}
OBJECTS = {
    "EarlyStopping()": fb.EarlyStopping(),
    "EarlyStopping(monitor='loss', patience=3)": fb.EarlyStopping("loss", patience=3),
    "Checkpoint('run', every=100, per='step')": fb.Checkpoint("run", every=100, per="step"),
    "CSVLogger('a.csv')": callbacks.CSVLogger("a.csv"),
    "TensorBoard('runs')": callbacks.TensorBoard("runs"),
    "Recorder(places=[1, 2], every=2)": callbacks.Recorder([1, 2], every=2),
    "Lambda(epoch_end=show, every=None)": callbacks.Lambda(epoch_end=show, every=None),
    "Converged(tolerance=0.5)": callbacks.Converged(0.5),
    "Progress()": callbacks.Progress(),
    "MLP([2, 1])": fb.MLP([2, 1], seed=0),
    "MLP([2, 3, 1], activation='tanh', init='he_normal', bias=False)": fb.MLP(
        [2, 3, 1], activation="tanh", init="he_normal", bias=False
    ),
    "MLP([2, 3, 3, 1], activation=('tanh', 'relu'), scale=0.0625, shift=[1.0, 2.0], dropout=0.5)": fb.MLP(
        (2, 3, 3, 1), activation=["tanh", "relu"], scale=1 / 16, shift=[1, 2], dropout=0.5
    ),
    "MLP([2, 3, 1], dropout=(0.1, 0.2), bias=(True, False), dtype='float64')": fb.MLP(
        [2, 3, 1], dropout=[0.1, 0.2], bias=[True, False], dtype=np.float64
    ),
}


@pytest.mark.parametrize("wanted", VALUES)
def test_values(wanted):
    value = VALUES[wanted]
    assert repr(value) == wanted
    twin = eval(wanted, NAMES)
    assert twin == value
    assert hash(twin) == hash(value)


@pytest.mark.parametrize("wanted", OBJECTS)
def test_objects(wanted):
    assert repr(OBJECTS[wanted]) == wanted
    assert repr(eval(wanted, NAMES)) == wanted
    if wanted.startswith("MLP"):
        assert eval(wanted, NAMES).architecture == OBJECTS[wanted].architecture


def test_trainer():
    trainer = fb.Trainer(
        fb.MLP([2, 1], seed=0), loss=losses.Huber(2.0), optimizer=fb.SGD(0.5), schedule=Step(3) * Step(4),
        metrics=["mae", own], batch_size=8, seed=3,
    )  # fmt: skip
    assert repr(trainer) == (
        "Trainer(MLP([2, 1]), loss=Huber(delta=2.0), optimizer=SGD(learning_rate=0.5), schedule=Step(3) * Step(4), "
        "metrics=('mae', own), batch_size=8)"
    )
    assert eval(repr(trainer), NAMES).settings == trainer.settings
    ensemble = fb.Ensemble([trainer])
    assert repr(ensemble) == f"Ensemble([{trainer!r}])"
    assert eval(repr(ensemble), NAMES).trainers[0].settings == trainer.settings


def test_settings_of_another_kind_are_not_equal():
    assert losses.Huber(0.5) != losses.Quantile(0.5)
    assert losses.Huber(0.5) != losses.Huber(0.6)
    assert losses.SquaredError() == losses.SquaredError()
    assert losses.SquaredError() != losses.Poisson()
    assert fb.Adam() != fb.AdamW(weight_decay=0.0)


def test_objects_without_fields_are_equal_to_themselves_alone():
    class Own(optimizers.Optimizer):
        hyperparameters, states = (), ()

        def __init__(self, rate: float):
            self.learning_rate = rate

        def hyper(self, t, eta):
            return {}

        def update(self, g, theta, h):
            return (theta,)

    one, other = Own(1.0), Own(1.0)
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_a_dataclass_of_the_user():
    @dataclasses.dataclass(frozen=True)
    class Half(schedules.Schedule):
        rate: float = 0.5

        def factor(self, x, scores):
            return self.rate**x

    assert Half(0.25) == Half(0.25) != Half(0.5)


def test_a_callback_that_does_not_keep_its_arguments():
    class Own(callbacks.Callback):
        def __init__(self, goal: float, *more: float, **options: float):
            self.target = goal

    assert "Own object at" in repr(Own(1.0))


def test_long_sequences_are_not_shown():
    assert "shift=<784 values>" in repr(fb.MLP([784, 1], shift=np.arange(784)))
