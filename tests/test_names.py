"""Names of optimizers, names of other libraries, and proposals in messages."""

import json
import re
from typing import get_args

import pytest
from helpers import same

import fastbp as fb
from fastbp.activations import ACTIVATIONS, OUTPUTS
from fastbp.base import checks, names
from fastbp.losses import LOSSES
from fastbp.metrics import METRICS
from fastbp.rules.optimizers import OPTIMIZERS

X, Y = [[0.0, 1.0], [1.0, 0.5], [2.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]


def net(output="softmax", n_out=2):
    return fb.MLP([2, 4, n_out], activation="tanh", output=output, seed=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_by_its_name(name):
    own = fb.Trainer(net(), loss="cross_entropy", optimizer=name)
    assert own.optimizer == OPTIMIZERS[name]
    assert own.optimizer == {kind.__name__.lower(): kind for kind in OPTIMIZERS.kinds}[name]()
    own.optimizer = fb.SGD(0.5)
    own.optimizer = name
    assert own.optimizer == OPTIMIZERS[name]


def test_the_default_is_adam():
    assert fb.Trainer(net(), loss="cross_entropy").optimizer == fb.Adam(1e-3)
    assert fb.Trainer(net(), loss="cross_entropy", optimizer=None).optimizer == fb.Adam(1e-3)


def test_the_default_learns_where_nobody_has_tuned():
    """Digits, 10 epochs: at least 0.95 of held-out images."""
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    net = fb.MLP([64, 64, 10], output="softmax", scale=1 / 16, seed=0)
    history = fb.Trainer(net, loss="cross_entropy", seed=0).fit(images, y, epochs=10, validation_split=0.2)
    assert history["validation_accuracy"][-1] > 0.95


def test_a_checkpoint_keeps_its_optimizer(tmp_path):
    """Also one of the time when the description held no other."""
    own = fb.Trainer(net(), loss="cross_entropy", optimizer=fb.SGD(0.01), seed=0)
    own.fit(X, Y, callbacks=[fb.Checkpoint(tmp_path)])
    assert fb.Trainer.resume(tmp_path).optimizer == fb.SGD(0.01)
    assert b'"SGD": {' in json.dumps(json.loads(_description(tmp_path))["trainer"]["optimizer"]).encode()


def _description(directory):
    (path,) = directory.iterdir()
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header["__metadata__"]["description"]


@pytest.mark.parametrize("registry", [ACTIVATIONS, OUTPUTS, LOSSES, METRICS, OPTIMIZERS])
def test_aliases_stand_for_names(registry):
    assert {*registry.aliases.values()} <= {*registry}
    assert not {*registry.aliases} & {*registry}


@pytest.mark.parametrize(("alias", "name"), LOSSES.aliases.items())
def test_losses_of_other_libraries(alias, name):
    output = "softmax" if name == "cross_entropy" else "sigmoid"
    own = fb.Trainer(net(output), loss=alias)
    assert own.loss == name
    rows = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    assert own.network.gradients(X, rows, loss=alias)[0] == own.network.gradients(X, rows, loss=name)[0]


@pytest.mark.parametrize(("alias", "name"), ACTIVATIONS.aliases.items())
def test_activations_of_other_libraries(alias, name, tmp_path):
    one, other = (fb.MLP([2, 4, 2], activation=a, output=a, seed=0) for a in (alias, name))
    assert one.architecture == other.architecture
    assert repr(one) == repr(other)
    assert same(one.weights, other.weights)
    assert fb.MLP([2, 4, 4, 2], activation=[alias, "relu"]).architecture.activation == (name, "relu")


def test_metrics_of_other_libraries():
    own = fb.Trainer(net(), loss="cross_entropy", metrics=["acc", "r2_score", "mean_absolute_error", "roc_auc"])
    assert [*own.evaluate(X, Y)] == ["loss", "accuracy", "r2", "mae", "auc"]


@pytest.mark.parametrize(
    ("given", "column"),
    [("val_loss", "validation_loss"), ("val_acc", "validation_accuracy"), ("acc", "accuracy"), ("loss", "loss")],
)
def test_columns_of_other_libraries(given, column):
    assert fb.EarlyStopping(given).monitor == column
    assert fb.schedules.ReduceOnPlateau(given).monitor == column
    stopping = fb.EarlyStopping("loss")
    stopping.monitor = given
    history = fb.Trainer(net(), loss="cross_entropy", seed=0).fit(
        X, Y, epochs=2, validation_split=0.5, callbacks=[stopping]
    )
    assert stopping.best_score in history[column]
    assert checks.direction(given, "auto") == (-1 if "loss" in column else 1)


WRONG = {
    "loss must be one of .*, got 'crossentropi'; did you mean 'crossentropy'": {"loss": "crossentropi"},
    "loss must be one of .*, got 'cross-entropy'; did you mean 'cross_entropy'": {"loss": "cross-entropy"},
    "optimizer must be one of 'sgd', 'adam', .*, got 'Adam'; did you mean 'adam'": {"optimizer": "Adam"},
    "metrics.0. must be one of .*, got 'acuracy'; did you mean 'accuracy'": {"metrics": ["acuracy"]},
    "gradient must be one of .*, got 'stroed'; did you mean 'stored'": {"gradient": "stroed"},
    "optimizer must be one of .*, got 'quixote'$": {"optimizer": "quixote"},
}


@pytest.mark.parametrize("message", WRONG)
def test_messages_propose_a_name(message):
    with pytest.raises(ValueError, match=message):
        fb.Trainer(net(), **({"loss": "cross_entropy"} | WRONG[message]))


def test_messages_of_networks_and_schedules_propose_a_name():
    with pytest.raises(ValueError, match=re.escape("got 'ReLU'; did you mean 'relu'?")):
        fb.MLP([2, 3, 1], activation="ReLU")
    with pytest.raises(ValueError, match=re.escape("got 'he_unifrom'; did you mean 'he_uniform'?")):
        fb.MLP([2, 3, 1], init="he_unifrom")
    with pytest.raises(ValueError, match=re.escape("got 'stepp'; did you mean 'step'?")):
        fb.schedules.Cosine(3, per="stepp")


def test_columns_of_users_keep_their_names():
    assert fb.EarlyStopping("val_gain", mode="max").monitor == "val_gain"


@pytest.mark.parametrize(
    ("type_of_names", "registry"),
    [
        (names.ActivationName, ACTIVATIONS),
        (names.OutputName, OUTPUTS),
        (names.LossName, LOSSES),
        (names.MetricName, METRICS),
        (names.OptimizerName, OPTIMIZERS),
    ],
)
def test_the_types_of_names_are_those_of_the_registries(type_of_names, registry):
    assert {*get_args(type_of_names)} == {*registry, *registry.aliases}
