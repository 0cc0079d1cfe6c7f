"""Names of other libraries raise an error that says what to use, and only attributes that exist can be assigned."""

from __future__ import annotations

import copy
import inspect
import operator
import pickle
import re

import numpy as np
import pytest
from helpers import run

import fastbp as fb
from fastbp.activations import OUTPUTS
from fastbp.base import hints
from fastbp.losses import LOSSES
from fastbp.metrics import METRICS
from fastbp.rules.optimizers import OPTIMIZERS


def trainer(**options) -> fb.Trainer:
    return fb.Trainer(fb.MLP([2, 1], seed=0), loss="squared_error", **options)


OBJECTS = {
    "MLP": lambda: fb.MLP([2, 1]),
    "Trainer": trainer,
    "History": fb.History,
    "Node": lambda: fb.graph.variable("x") * 2,
    "Ensemble": lambda: fb.Ensemble([trainer()]),
    "RBM": lambda: fb.RBM(2, 1),
}
NAMES = [(of, name) for of in OBJECTS for name in hints.ATTRIBUTES[of]]


@pytest.mark.parametrize(("of", "name"), NAMES)
def test_attributes_of_other_libraries(of, name):
    own, message = OBJECTS[of](), re.escape(f"{of} has no attribute {name!r}: {hints.ATTRIBUTES[of][name]}")
    with pytest.raises(AttributeError, match=message):
        getattr(own, name)
    assert not hasattr(own, name)
    assert name not in dir(own)
    if of in ("MLP", "Trainer", "RBM"):
        with pytest.raises(AttributeError, match=message):
            setattr(own, name, 1)
    if of == "MLP":
        with pytest.raises(AttributeError, match=message):
            getattr(fb.MLP, name)


def test_each_object_with_hints_is_tested():
    assert {*OBJECTS, "module"} == {*hints.ATTRIBUTES}
    assert {of.partition(" ")[0] for of in CALLS} == {*hints.ARGUMENTS}


@pytest.mark.parametrize("name", hints.ATTRIBUTES["module"])
def test_modules_of_other_libraries(name):
    assert not hasattr(fb, name)
    for module in (fb, *(getattr(fb, each) for each in hints.MODULES if each)):
        if not hasattr(module, name):
            message = f"{module.__name__!r} has no attribute {name!r}: {hints.ATTRIBUTES['module'][name]}"
            with pytest.raises(AttributeError, match=re.escape(message)):
                getattr(module, name)


def test_every_public_name_is_found_in_each_module():
    """The message names a module that has it."""
    modules = {each: getattr(fb, each) if each else fb for each in hints.MODULES}
    for home, module in modules.items():
        for name in module.__all__:
            assert not hasattr(module, "zzz")
            for other, elsewhere in modules.items():
                if not hasattr(elsewhere, name) and name not in hints.ATTRIBUTES["module"]:
                    with pytest.raises(AttributeError) as caught:
                        getattr(elsewhere, name)
                    found = re.search(r": it is fastbp\.(?:(\w+)\.)?" + name + "$", str(caught.value))
                    assert found, (home, other, name)
                    assert hasattr(modules[found[1] or ""], name)


X, Y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]
CALLS = {
    "MLP": lambda **options: fb.MLP(**({"sizes": [2, 1]} | options)),
    "Trainer": lambda **options: fb.Trainer(fb.MLP([2, 1]), **({"loss": "mse"} | options)),
    "RBM": lambda **options: fb.RBM(2, 1, **options),
    "fit": lambda **options: trainer().fit(X, Y, **options),
    "fit of an ensemble": lambda **options: fb.Ensemble([trainer()]).fit(X, Y, **options),
    "predict": lambda **options: fb.MLP([2, 1]).predict(X, **options),
    "evaluate": lambda **options: trainer().evaluate(X, Y, **options),
    "Optimizer": fb.LBFGS,
    "EarlyStopping": fb.EarlyStopping,
    "Checkpoint": lambda **options: fb.Checkpoint("x", **options),
    "Loss": fb.losses.Huber,
    "Unit": lambda **options: fb.Adaline(2, **options),
    "Schedule": fb.schedules.Cosine,
}
HAVE = {"MLP": {"sizes"}, "Trainer": {"loss"}}
"""Arguments that exist, with a hint for the case that they are missing."""
ARGUMENTS = [
    (of, name) for of in CALLS for name in hints.ARGUMENTS[of.partition(" ")[0]] if name not in HAVE.get(of, ())
]


@pytest.mark.parametrize(("of", "name"), ARGUMENTS)
def test_arguments_of_other_libraries(of, name):
    hint = hints.ARGUMENTS[of.partition(" ")[0]][name]
    with pytest.raises(TypeError, match=re.escape(f" has no argument {name!r}; {hint}")):
        CALLS[of](**{name: 1})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_of_optimizers(name):
    """Each knows those of all others, except its own."""
    kind = type(OPTIMIZERS[name])
    for argument in {*hints.ARGUMENTS["Optimizer"]} - {*inspect.signature(kind).parameters}:
        with pytest.raises(TypeError, match=f"{kind.__name__} has no argument '{argument}'; "):
            kind(**{argument: 0.1})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fb.MLP(8, 32, 1), r"MLP takes only sizes without a name, and got 3; .*fastbp\.MLP\(\[8, 32, 1\]\)"),
        (fb.MLP, r"MLP needs the argument 'sizes': sizes is one sequence"),
        (
            lambda: fb.Trainer(fb.MLP([2, 1])),
            "Trainer needs the argument 'loss': loss='cross_entropy' is for output='soft",
        ),
        (lambda: trainer().fit(X, Y, 5), r"fit takes only X, y without a name, and got 3; .*fit\(X, y, epochs=5\)"),
        (lambda: trainer().fit(X, X=Y), "fit got two values for the argument 'X'"),
        (lambda: fb.SGD(0.1, 0.9), "SGD takes only learning_rate without a name, and got 2$"),
        (lambda: fb.SGD(0.1, learning_rate=0.1), "SGD got two values for the argument 'learning_rate'"),
        (lambda: fb.EarlyStopping(patiense=3), "EarlyStopping has no argument 'patiense'; did you mean 'patience'"),
        (lambda: fb.Checkpoint(), "Checkpoint needs the argument 'directory'$"),
        (lambda: fb.MLP([2, 1]).predict(x=X), "predict"),
        (lambda: fb.MLP([2, 1])(X), r"MLP is not a function: predict\(X\) computes the outputs"),
    ],
)
def test_calls_that_do_not_fit(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_error_inside_a_call_stays_as_it_is():
    def metric(y, a):
        return metric(1, 2, 3)

    with pytest.raises(TypeError, match=r"metric\(\) takes 2 positional arguments but 3 were given"):
        fb.Trainer(fb.MLP([2, 1]), loss="squared_error", metrics=[metric]).evaluate(X, Y)


@pytest.mark.parametrize("value", hints.VALUES)
def test_values_of_other_libraries(value):
    for registry in (LOSSES, METRICS, OUTPUTS, OPTIMIZERS):
        assert value not in registry
        assert value not in registry.aliases
    with pytest.raises(ValueError, match=re.escape(f"got {value!r}; {hints.VALUES[value]}")):
        fb.Trainer(fb.MLP([2, 1]), loss=value)


def test_what_the_hints_name_exists():
    tables = [*hints.ATTRIBUTES.values(), *hints.ARGUMENTS.values(), hints.VALUES]
    found = {each for table in tables for hint in table.values() for each in re.findall(r"fastbp((?:\.\w+)+)", hint)}
    assert len(found) > 20
    for each in found:
        assert operator.attrgetter(each[1:])(fb) is not None


def test_estimators_are_imported_when_they_are_first_used():
    code = """
        import sys, fastbp as fb
        print("sklearn" in sys.modules, fb.sklearn.MLPClassifier.__name__, "sklearn" in sys.modules)
    """
    assert run(code).stdout.split() == ["False", "MLPClassifier", "True"]


def test_other_names():
    with pytest.raises(AttributeError, match=r"MLP has no attribute 'zzz'$"):
        _ = fb.MLP([2, 1]).zzz
    with pytest.raises(AttributeError, match="Trainer has no attribute 'batchsize'; did you mean 'batch_size'"):
        _ = trainer().batchsize


def test_parameters_is_no_method():
    with pytest.raises(TypeError, match=r"net\.weights, net\.biases and net\.theta"):
        fb.MLP([2, 1]).parameters()


def test_evaluate_of_a_network():
    with pytest.raises(AttributeError, match=r"fastbp\.Trainer\(net, loss=\.\.\.\)\.evaluate"):
        fb.MLP([2, 1]).evaluate([[1.0, 2.0]], [1.0])


def test_score_of_a_trainer():
    with pytest.raises(AttributeError, match=r"has no attribute 'score': evaluate\(X, y\) computes"):
        trainer().score([[1.0, 2.0]], [1.0])


def test_attributes_that_a_trainer_does_not_have():
    own = trainer()
    settings = own.settings
    with pytest.raises(AttributeError, match="Trainer has no attribute 'batchsize'; did you mean 'batch_size'"):
        own.batchsize = 1
    with pytest.raises(AttributeError, match="'netwrok'; did you mean 'network'"):
        own.netwrok = fb.MLP([2, 1])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got -5"):
        own.batch_size = -5
    assert own.settings is settings
    assert not hasattr(own, "batchsize")


def test_attributes_that_a_network_does_not_have():
    net = fb.MLP([2, 3, 1])
    for name in ("dropout", "activation"):
        with pytest.raises(
            AttributeError, match=f"MLP has no attribute '{name}': this argument of MLP cannot be changed later"
        ):
            setattr(net, name, 0.5)
    with pytest.raises(AttributeError, match="'thetas'; did you mean 'theta'"):
        net.thetas = np.zeros(13)
    net.theta = np.zeros(13)
    assert not net.theta.any()


def test_classes_of_the_user_may_have_attributes_of_their_own():
    class Own(fb.Trainer):
        pass

    class OwnNet(fb.MLP):
        pass

    own = Own(OwnNet([2, 1]), loss="squared_error")
    own.note, own.network.note = "a", "b"
    assert (own.note, own.network.note) == ("a", "b")
    with pytest.raises(AttributeError, match="OwnNet has no attribute 'fit'"):
        OwnNet.fit  # noqa: B018


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies(twin):
    own = trainer(batch_size=7)
    own.fit(np.eye(2), [0.0, 1.0])
    assert twin(own).batch_size == 7
    assert (twin(own.network).theta == own.network.theta).all()


def test_a_trainer_without_settings():
    """As it is in the middle of unpickling."""
    assert not hasattr(fb.Trainer.__new__(fb.Trainer), "batch_size")
