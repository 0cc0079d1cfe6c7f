"""Checkpoints and settings: all of fastbp's come back, and what a file cannot hold is refused before training."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from helpers import any_pair
from interrupted import FUNCTIONS, MOMENTUM, Case, Steps, agreement, interrupted, margin, names, outcome

import fastbp as fb
from fastbp.rules.optimizers import OPTIMIZERS as OPTIMIZERS_BY_NAME
from fastbp.schedules import Chain, Cosine, Exponential, ReduceOnPlateau, Step, Warmup

# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_that_are_functions(tmp_path):
    """Must be given again, as a file cannot hold them."""
    case, metrics = FUNCTIONS, FUNCTIONS.trainer["metrics"]
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 8, every=4, per="step")
    others = [None, [], [agreement, margin], [margin, *metrics[1:3], agreement], [*metrics, "r2"], metrics[::-1]]
    for given in others:
        with pytest.raises(ValueError, match=r"metrics must be those of the checkpoint, .*agreement.*margin"):
            fb.Trainer.resume(tmp_path, metrics=given)
    trainer = fb.Trainer.resume(tmp_path, metrics=metrics)
    assert trainer.metrics == tuple(metrics)
    assert outcome(case.train(trainer)) == wanted


def test_metrics_that_are_none(tmp_path):
    """Come back by themselves; objects with their parameters."""
    metrics = ["top_5_accuracy", fb.metrics.TopK(2), "mae"]
    interrupted(MOMENTUM, tmp_path, 8, MOMENTUM.made(metrics=metrics), every=4, per="step")
    for given in (None, metrics):
        trainer = fb.Trainer.resume(tmp_path, metrics=given)
        assert repr(trainer.metrics) == repr(tuple(metrics))
        assert sorted(trainer.evaluate(*MOMENTUM.samples())) == [
            "accuracy", "loss", "mae", "top_2_accuracy", "top_5_accuracy",
        ]  # fmt: skip
    with pytest.raises(ValueError, match="metrics must be those"):
        fb.Trainer.resume(tmp_path, metrics=["top_5_accuracy", fb.metrics.TopK(3), "mae"])


# --- settings ---------------------------------------------------------------------------------------------------------


def label(options: dict) -> str:
    """Of a test with these options."""
    return ", ".join(f"{name} {type(value).__name__}" for name, value in options.items()) or "-"


SCHEDULES = [
    Chain([Warmup(2), Exponential(0.5) * Cosine(3), Step(2)], [2, 1]),
    Chain([Warmup(2), Step(2)], [2]) * (Warmup(5, per="step") * Exponential(0.9)),
    Chain([Warmup(2), fb.schedules.InverseScaling()], [2]),
    Chain([Warmup(2), Chain([Cosine(3), Step(2)], [4])], [2]),
    fb.schedules.BoldDriver("loss", up=1.2, down=0.3, mode="min"),
    Chain([Chain([Warmup(1), Cosine(3)], [1]), Step(2)], [2]),
    fb.schedules.Constant(0.5),
    Cosine(9, per="step"),
    Exponential(0.9, per="step"),
    fb.schedules.InverseScaling(0.7),
    fb.schedules.MultiStep([2, 4], gamma=0.3),
    fb.schedules.OneCycle(9, up=0.4),
    fb.schedules.Polynomial(9, power=2.0),
    ReduceOnPlateau("loss", gamma=0.3, patience=0, min_delta=0.1, least=0.01, mode="min"),
    Step(2, gamma=0.3),
    fb.schedules.WarmRestarts(2, growth=2, least=0.1),
    Warmup(3),
]
STRICT = fb.losses.Perceptron(strict=True)
OPTIMIZERS = [
    fb.SGD(0.1, momentum=0.8, nesterov=True),
    fb.Adam(0.01, betas=(0.8, 0.95), epsilon=1e-6),
    fb.AdamW(0.01, weight_decay=0.1),
    fb.RMSprop(0.01, alpha=0.9, momentum=0.5, centered=True),
    fb.Adagrad(0.1, lr_decay=0.1),
    fb.Adadelta(0.5, rho=0.8),
    fb.LBFGS(0.5, memory=3),
    fb.Rprop(0.02, etas=(0.4, 1.1), step_sizes=(1e-5, 1), forgiving=False),
]
SETTINGS = [
    *({"schedule": schedule} for schedule in SCHEDULES),
    *({"optimizer": optimizer} for optimizer in OPTIMIZERS),
    *({"loss": loss} for loss in (fb.losses.CrossEntropy(label_smoothing=0.1), fb.losses.Huber(0.5), "hinge", STRICT)),
    {"average": fb.EMA(0.7)},
    {"average": fb.SWA(start=1)},
    {"l1": 1e-3, "l2": 0.1, "clip_value": 0.01, "clip_norm": 0.5},
    {"rates": {"bias": 0.1, "layer 1": 0.5}},
    {"batch_size": 7, "shuffle": False, "gradient": "stored", "seed": 2**70},
]
NETWORKS = [
    {"activation": fb.activations.LeakyReLU(0.2)},
    {"activation": [fb.activations.ELU(0.5)], "output": fb.activations.LeakyReLU(0.3)},
    {"activation": "gelu", "output": "identity", "init": "he_normal"},
    {"dropout": [0.1, 0.2], "input_noise": 0.3, "max_norm": 0.7},
    {"scale": [1, 2, 3, 4, 0.1], "shift": np.arange(5) / 3, "dtype": "float64"},
    {"sizes": [5, 3]},
    {"sizes": [5, 17, 9, 3], "activation": ["tanh", fb.activations.ELU(0.5)]},
]


def test_settings_are_of_every_class():
    assert {type(schedule).__name__ for schedule in SCHEDULES} == {*fb.schedules.by_name()}
    assert {type(optimizer) for optimizer in OPTIMIZERS} == {*OPTIMIZERS_BY_NAME.kinds}


@any_pair
@pytest.mark.parametrize(
    ("settings", "network"),
    [*((one, {}) for one in SETTINGS), *(({"loss": "squared_error"}, one) for one in NETWORKS)],
    ids=label,
)
def test_settings_come_back(tmp_path, settings, network):
    """And the twin trains as the original does."""
    if isinstance(settings.get("optimizer"), fb.LBFGS):
        pytest.importorskip("scipy")
    X, y = MOMENTUM.samples()
    net = fb.MLP(**{"sizes": [5, 8, 3], "output": "softmax", "seed": 0, **network})
    trainer = fb.Trainer(net, **{"loss": "cross_entropy", "seed": 0, "n_threads": 1, **settings})
    trainer.fit(X, y, callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.Trainer.resume(tmp_path)
    for name in {*inspect.signature(fb.Trainer).parameters} - {"network", "seed"}:
        assert repr(getattr(twin, name)) == repr(getattr(trainer, name))
    assert repr(twin.network) == repr(net)
    for name in ("architecture", "shift", "scale"):
        assert repr(getattr(twin.network, name)) == repr(getattr(net, name))
    for one in (trainer, twin):
        one.fit(X, y, epochs=2 if one is trainer else 3)
    assert outcome(twin) == outcome(trainer)


class Zigzag(fb.schedules.Schedule):
    """A schedule of the user's."""

    def factor(self, x, scores):
        return 1.0 + x % 2


def subclass(base: type) -> type:
    """A class of the user's that has the name of one of fastbp's."""
    return type(base.__name__, (base,), {"factor": Zigzag.factor})


OWN = {
    "Zigzag": {"schedule": Zigzag()},
    "in a product": {"schedule": Warmup(3) * (Warmup(3) * Zigzag())},
    "in a chain": {"schedule": Chain([Warmup(3), Zigzag()], [3])},
    "of a known name": {"schedule": subclass(Cosine)(3)},
    "of a known name, in a product": {"schedule": Warmup(3) * subclass(Cosine)(3)},
    "optimizer": {"optimizer": type("Own", (fb.SGD,), {})(0.1)},
    "optimizer of a known name": {"optimizer": subclass(fb.SGD)(0.1)},
    "average": {"average": type("Own", (fb.EMA,), {})(0.5)},
    "average of a known name": {"average": subclass(fb.EMA)(0.5)},
}


@pytest.mark.parametrize("own", OWN)
def test_classes_of_the_user(tmp_path, own):
    """A file cannot hold them: an error before anything is trained."""
    trainer, steps = MOMENTUM.made(**OWN[own]), Steps()
    before = outcome(trainer)
    with pytest.raises((ValueError, TypeError)):
        MOMENTUM.train(trainer, fb.Checkpoint(tmp_path / "new"), steps)
    assert outcome(trainer) == before
    assert not steps.numbers
    assert not names(tmp_path)


@pytest.mark.parametrize(
    ("settings", "network"),
    [
        ({"optimizer": fb.SGD(np.float32(0.1))}, {}),
        ({"schedule": Step(np.int64(2))}, {}),
        ({"average": fb.EMA(np.float32(0.5))}, {}),
        ({"loss": fb.losses.Huber(np.float32(0.5))}, {}),
        ({"batch_size": np.int64(16), "seed": np.int32(3), "l2": np.float32(0.1)}, {}),
        ({}, {"activation": fb.activations.LeakyReLU(np.float32(0.1))}),
        ({}, {"dropout": np.float32([0.1, 0.2]), "max_norm": np.float32(0.5)}),
    ],
    ids=label,
)
def test_numbers_of_numpy(tmp_path, settings, network):
    """What can be trained with can be written."""
    case = Case(network, settings)
    wanted = outcome(case.train(case.made()))
    interrupted(case, tmp_path, 8, every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == wanted
