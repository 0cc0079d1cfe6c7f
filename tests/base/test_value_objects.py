"""Classes of checked fields: one declaration gives the constructor, the checks, the docstring and the comparison."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re

import pytest

import fastbp as fb
from fastbp.activations import ACTIVATIONS, OUTPUTS, Activation
from fastbp.base import checks
from fastbp.base.docstrings import listed
from fastbp.base.value_objects import Value, field
from fastbp.losses import LOSSES
from fastbp.metrics import METRICS
from fastbp.rules.averages import AVERAGES
from fastbp.rules.optimizers import OPTIMIZERS, Optimizer
from fastbp.schedules import Cosine, Schedule

KINDS = {
    *OUTPUTS.kinds, *LOSSES.kinds, *OPTIMIZERS.kinds, *AVERAGES.values(), *fb.schedules.by_name().values(),
    fb.metrics.TopK, fb.metrics.OfOutputs,
}  # fmt: skip
KINDS = sorted(KINDS, key=lambda kind: (kind.__module__, kind.__name__))  # two processes must collect the same tests


class Point(Value):
    """`Point` is a point.

    Examples
    --------
    >>> 1
    1
    """

    x: float = field("The abscissa.", checks.Real(0, 1))
    y: int = field("The ordinate.", checks.Integer(-1), default=2)
    _: dataclasses.KW_ONLY
    name: str | None = field("What it is called.", default=None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_docstring_says_each_parameter_once(kind):
    for name, parameter in inspect.signature(kind).parameters.items():
        (line,) = re.findall(rf"^{name} : .*", kind.__doc__, re.MULTILINE)
        assert ("keyword-only" in line) == (parameter.kind is parameter.KEYWORD_ONLY)
        assert ("default" in line) == (parameter.default is not parameter.empty)
    for section in ("Parameters", "Raises", "Notes", "Examples"):
        assert kind.__doc__.count(f"\n{section}\n---") <= 1
    assert max(map(len, kind.__doc__.splitlines())) <= 120


def test_the_docstring_has_the_rules_and_the_sections_in_their_order():
    assert (
        inspect.getdoc(Point)
        == """`Point` is a point.

Parameters
----------
x : float
    The abscissa. It must be at least 0 and below 1.
y : int, default 2
    The ordinate. It must be at least -1.
name : str or None, keyword-only, default None
    What it is called.

Raises
------
ValueError
    If a parameter is outside its range.
TypeError
    If a parameter has the wrong type.

Examples
--------
>>> 1
1"""
    )


@pytest.mark.parametrize("registry", [OUTPUTS, LOSSES, OPTIMIZERS])
def test_the_docstring_says_the_names(registry):
    for name, value in registry.items():
        aliases = [alias for alias, meant in registry.aliases.items() if meant == name]
        assert f"{listed([name, *aliases])} mean" in " ".join(type(value).__doc__.split())


def test_what_the_constructor_accepts():
    assert str(inspect.signature(Point)) == "(x: 'float', y: 'int' = 2, *, name: 'str | None' = None) -> None"
    assert Point(0.5, 3, name="a") == Point(x=0.5, y=3, name="a")
    assert str(inspect.signature(Cosine)).startswith("(length: 'int', least: 'float' = 0.0, *, per: ")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Point(), TypeError, "Point needs the argument 'x'"),
        (lambda: Point(0.5, 1, "a"), TypeError, "Point takes only x, y without a name, and got 3"),
        (lambda: Point(0.5, x=0.5), TypeError, "Point got two values for the argument 'x'"),
        (lambda: Point(0.5, z=1), TypeError, "Point has no argument 'z'"),
        (lambda: fb.activations.Tanh(1), TypeError, "Tanh takes no value without a name, and got 1"),
        (lambda: Point(1.0), ValueError, "x must be a finite number at least 0 and below 1, got 1.0"),
        (lambda: Point("a"), TypeError, "x must be a number, got 'a'"),
        (lambda: Point(0.5, 1.5), TypeError, "y must be an integer, got 1.5"),
        (lambda: dataclasses.replace(Point(0.5), y=-2), ValueError, "y must be at least -1, got -2"),
    ],
)
def test_what_the_constructor_refuses(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_objects_never_change():
    point = Point(0.5)
    for name in ("x", "z"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(point, name, 0.25)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert point == Point(0.5)


@pytest.mark.parametrize("value", [Point(0.5, name="a"), fb.Adam(betas=(0.5, 0.6)), Cosine(3, per="step")], ids=str)
def test_copies(value):
    for twin in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), dataclasses.replace(value)):
        assert twin == value
        assert hash(twin) == hash(value)
        assert twin is not value


def test_the_module_dataclasses_knows_the_fields():
    assert [each.name for each in dataclasses.fields(Point)] == ["x", "y", "name"]
    assert dataclasses.asdict(Point(0.5)) == {"x": 0.5, "y": 2, "name": None}
    assert dataclasses.replace(fb.SGD(0.1, momentum=0.5), momentum=0.9) == fb.SGD(0.1, momentum=0.9)
    assert dataclasses.is_dataclass(fb.losses.SquaredError)
    match Point(0.25, 7):
        case Point(x, y):
            assert (x, y) == (0.25, 7)


@dataclasses.dataclass(frozen=True)
class Half(Schedule):
    """A dataclass of the user."""

    rate: float = 0.5

    def factor(self, x, scores):
        return self.rate**x


def test_a_dataclass_of_the_user_is_checked_too():
    assert Half(0.25, per="step").per == "step"
    with pytest.raises(ValueError, match="per must be one of 'epoch', 'step', got 'day'"):
        Half(per="day")
    assert "rate: 'float' = 0.5" in str(inspect.signature(Half))
    assert Half.__doc__ == "A dataclass of the user."


class Counting(Schedule):
    """A schedule of the user that keeps a number, and whose annotations are not fields."""

    start: int = 0

    def factor(self, x, scores):
        self.calls = getattr(self, "calls", self.start) + 1
        return 1.0 + 0 * x


def test_a_plain_class_of_the_user_may_keep_attributes():
    own = Counting(per="step")
    own.factor(0, {})
    assert own.calls == 1
    assert [*inspect.signature(Counting).parameters] == ["per"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.per = "epoch"


def test_classes_of_the_user_have_no_name_by_accident():
    before = {id(registry): dict(registry) for registry in (ACTIVATIONS, OUTPUTS, LOSSES, OPTIMIZERS)}

    class Own(fb.activations.ReLU):
        name = "own"

    class Rule(fb.SGD):
        pass

    class OwnLoss(fb.losses.Loss):
        name = "mine"

    assert {id(registry): dict(registry) for registry in (ACTIVATIONS, OUTPUTS, LOSSES, OPTIMIZERS)} == before
    assert Own().name == "own"
    with pytest.raises(ValueError, match="must be one of"):
        fb.MLP([2, 3, 1], activation="own")


@pytest.mark.parametrize("name", ["relu", "swish"])
def test_a_name_means_one_class(name):
    with pytest.raises(ValueError, match=f"name must be new, got '{name}'"):

        class Own(Activation, name=name):
            pass


def test_names_are_functions_too():
    for name, sigma in OUTPUTS.items():
        assert getattr(fb.activations, name) == sigma


def test_an_alias_is_not_a_name():
    registry: checks.Registry[float] = checks.Registry()
    registry.add("half", 0.5, ("a_half",))
    assert checks.choice("a_half", "share", registry) == "half"
    assert "a_half" not in registry
    with pytest.raises(ValueError, match="name must be new, got 'a_half'"):
        registry.add("a_half", 0.25)


@pytest.mark.parametrize("registry", [OUTPUTS, LOSSES, METRICS, OPTIMIZERS])
def test_messages_list_the_names(registry):
    with pytest.raises(ValueError, match="name must be one of") as caught:
        checks.choice("?", "name", registry)
    assert ", ".join(map(repr, registry)) in str(caught.value)


def test_a_rule_of_the_user_checks_its_learning_rate():
    @dataclasses.dataclass(frozen=True)
    class Own(Optimizer):
        learning_rate: float = 0.1
        hyperparameters = ("eta",)

        def hyper(self, t, eta):
            return {"eta": eta}

        def update(self, g, theta, h):
            return (theta - h.eta * g,)

    with pytest.raises(ValueError, match="learning_rate must be a finite number above 0, got 0"):
        Own(0.0)
