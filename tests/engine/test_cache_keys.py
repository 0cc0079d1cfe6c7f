"""What a kernel depends on is in its name or in the name of its directory: a change of it never finds an old kernel."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import shutil
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers import PACKAGE, UNOPTIMIZED, python_path, run, run_function

import fastbp as fb
from fastbp.activations import Activation
from fastbp.base.value_objects import field
from fastbp.kernels import csr, elementwise, gains, loss, update, zero_skipping
from fastbp.losses import Loss
from fastbp.rules.optimizers import Optimizer

# --- what factories read ----------------------------------------------------------------------------------------------

READ = {
    Optimizer: {"update", "hyperparameters", "states", "still"},
    Activation: {"value", "gradient", "of_z", "parameter_count"},
    Loss: {"term", "rows", "whole_row", "fused", "parameter_count"},
}
"""What the digest of each family covers. A factory may read nothing else of an object."""

RULES = [
    update.learn, update.apply, zero_skipping.learn_without_zeros, zero_skipping.line_without_zeros, csr.learn_entries,
    gains.learn_gains, gains.apply_gains,
]  # fmt: skip
OPTIONS = [
    *((factory, rule) for factory in RULES for rule in (fb.Adam(), fb.SGD(0.1))),
    *((elementwise.activate, each) for each in (fb.activations.silu, fb.activations.tanh)),
    (elementwise.differentiate, fb.activations.tanh),
    *((loss.loss, fb.losses.CrossEntropy(from_logits=given)) for given in (False, True)),
    (loss.loss, fb.losses.Huber()),
]


class Watched:
    """An object whose attributes are noted when they are read."""

    def __init__(self, of: Any, seen: set[str]):
        self.__dict__.update(_of=of, _seen=seen)

    def __getattr__(self, name: str) -> Any:
        self._seen.add(name)
        return getattr(self._of, name)


@pytest.mark.parametrize(("factory", "option"), OPTIONS)
def test_factories_read_nothing_that_the_digest_leaves_out(factory, option):
    seen: set[str] = set()
    given = {"activation": Watched(option, seen), "loss": Watched(option, seen), "rule": Watched(option, seen)}
    others = {"output": "softmax" if isinstance(option, fb.losses.CrossEntropy) else "", "n": 1}
    names = [*inspect.signature(factory).parameters][1:]
    factory(np.float32, *({**given, **others}.get(name, True) for name in names))
    (family,) = (family for family in READ if isinstance(option, family))
    assert seen or isinstance(option, Optimizer)  # which is read when its kernel is compiled
    assert seen <= READ[family]


# --- what digests tell apart ------------------------------------------------------------------------------------------


class Decayed(fb.AdamW):
    def update(self, g, theta, m, v, h):
        return super().update(g, theta - h.decay, m, v, h)


class Still(fb.Adam):
    still = True


class Ordered(fb.SGD):
    hyperparameters = ("mu", "eta")


class More(fb.SGD):
    states = ("v", "w")

    def update(self, g, theta, v, w, h):
        return theta - h.eta * g, v, w


class Scaled(fb.SGD):
    """Its attribute is no field."""

    def __init__(self, rate, factor):
        super().__init__(rate)
        self.factor = factor

    def update(self, g, theta, *rest):
        return super().update(self.factor * g, theta, *rest)


class OwnLoss(Loss):
    name = "own"
    strength: float = field("A number.", default=1.0)

    def term(self, a, y, strength):
        return (a - y) * (a - y), 2.0 * (a - y)


class OtherTerm(OwnLoss):
    def term(self, a, y, strength):
        return (a - y) * (a - y), 3.0 * (a - y)


class OtherCount(OwnLoss):
    more: float = field("A number.", default=1.0)

    def term(self, a, y, strength, more):
        return (a - y) * (a - y), 2.0 * (a - y)


class Fused(OwnLoss):
    fused: ClassVar = {"softmax": "softmax_cross_entropy"}


class OtherFused(OwnLoss):
    fused: ClassVar = {"softmax": "norm_error"}


class Whole(OwnLoss):
    whole_row = "norm_error"


class OtherWhole(OwnLoss):
    whole_row = "multiclass_hinge"


class OfZ(type(fb.activations.tanh)):
    of_z = True


class Steeper(type(fb.activations.tanh)):
    def gradient(self, a):
        return 2.0 * super().gradient(a)


DIFFERENT = {
    "rules": [
        fb.SGD(0.1), fb.SGD(0.1, momentum=0.5), fb.SGD(0.1, momentum=0.5, nesterov=True), Still(0.1), Ordered(0.1),
        More(0.1), Scaled(0.1, 1.5), Scaled(0.1, 5.0), fb.Adam(), fb.AdamW(), Decayed(),
    ],
    "losses": [
        OwnLoss(), OtherTerm(), OtherCount(), Fused(), OtherFused(), Whole(), OtherWhole(),
        fb.losses.CrossEntropy(), fb.losses.CrossEntropy(from_logits=True), fb.losses.MulticlassHinge(),
    ],
    "activations": [fb.activations.tanh, OfZ(), Steeper(), fb.activations.LeakyReLU(), fb.activations.relu],
}  # fmt: skip


@pytest.mark.parametrize("family", DIFFERENT)
def test_different_kernels_have_different_names(family):
    """In this process, and in all others: the names are the same each time."""
    for dtype in (np.float32, np.float64):
        found = [option.digest(dtype) for option in DIFFERENT[family]]
        assert len({*found}) == len(found)
        assert found == [option.digest(dtype) for option in DIFFERENT[family]]


@pytest.mark.parametrize(
    ("one", "other"),
    [(fb.Adam(0.1), fb.Adam(0.2)), (fb.AdamW(0.1), fb.AdamW(0.1, weight_decay=0.5)), (OwnLoss(1.0), OwnLoss(2.0)),
     (fb.activations.LeakyReLU(0.1), fb.activations.LeakyReLU(0.2))],
)  # fmt: skip
def test_numbers_that_kernels_get_share_them(one, other):
    assert one.digest(np.float32) == other.digest(np.float32)


def test_objects_are_equal_over_all_attributes():
    assert Scaled(0.1, 1.0) == Scaled(0.1, 1.0)
    assert Scaled(0.1, 1.0) != Scaled(0.1, 5.0)
    assert hash(Scaled(0.1, 1.0)) == hash(Scaled(0.1, 1.0))
    assert Scaled(0.1, np.ones(3)) == Scaled(0.1, np.ones(3))
    assert Scaled(0.1, np.ones(3)) != Scaled(0.1, np.ones(4))


def trained(optimizer: fb.SGD) -> list[float]:
    net = fb.MLP([2, 1], seed=0)
    fb.Trainer(net, loss="squared_error", optimizer=optimizer, seed=0).fit([[1.0, 2.0]], [3.0], epochs=2)
    return net.theta.tolist()


def test_a_process_keeps_rules_apart():
    """Rules that differ in an attribute that is no field: they shared a kernel."""
    plain, scaled = trained(Scaled(0.1, 1.0)), trained(Scaled(0.1, 0.5))
    assert plain == trained(fb.SGD(0.1))
    assert scaled == pytest.approx(trained(fb.SGD(0.05)), rel=1e-6)


@pytest.mark.parametrize("step", ["fit", "partial_fit", "apply_gradients"])
def test_an_attribute_may_change_between_two_calls(step):
    """What was prepared with the attribute that a rule had before is not used again."""
    rule = Scaled(0.1, 1.0)
    net, twin = fb.MLP([2, 1], seed=0), fb.MLP([2, 1], seed=0)
    given = ([[[1.0], [2.0]]], [[0.5]]) if step == "apply_gradients" else ([[1.0, 2.0]], [3.0])
    trainers = [fb.Trainer(each, loss="squared_error", optimizer=rule, seed=0) for each in (net, twin)]
    getattr(trainers[0], step)(*given)
    twin.theta = net.theta
    object.__setattr__(rule, "factor", 0.5)
    for trainer in trainers:
        getattr(trainer, step)(*given)
    np.testing.assert_array_equal(net.theta, twin.theta)


@dataclasses.dataclass(frozen=True)
class Loose(fb.SGD):
    """A dataclass of the user, whose objects are equal although their formulas are not."""

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "factor", [1.0])

    def update(self, g, theta, *rest):
        return super().update(self.factor[0] * g, theta, *rest)


def test_equality_of_the_user_does_not_decide():
    one, other = Loose(0.1), Loose(0.1)
    other.factor[0] = 0.5
    assert one == other
    assert trained(one) == trained(fb.SGD(0.1))
    assert trained(other) == pytest.approx(trained(fb.SGD(0.05)), rel=1e-6)


def test_a_loss_with_a_formula_of_its_own_takes_no_other_functions_over():
    class Halved(fb.losses.CrossEntropy):
        def term(self, a, y, smoothing, uniform):
            return tuple(0.5 * each for each in super().term(a, y, smoothing, uniform))

    assert not Halved.fused
    assert not Halved(from_logits=True).whole_row


# --- the directory ----------------------------------------------------------------------------------------------------


def key(env: dict[str, str]) -> str:
    return run("import inside; print(inside.kernel_directory())", env).stdout.strip()


SOURCES = ["rules/optimizers.py", "losses/__init__.py", "activations/base.py", "formulas/gates.py", "kernels/loop.py"]


def test_each_source_counts(tmp_path):
    copied = shutil.copytree(PACKAGE, tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), **python_path(tmp_path)}
    keys = [key(env)]
    for name in SOURCES:
        (copied / name).write_bytes((copied / name).read_bytes() + b"changed = True\n")
        keys.append(key(env))
    assert len({*keys}) == 1 + len(SOURCES)


def print_directory_after_a_change(path: str) -> None:
    """Change a source after the import; print the directory of the cache."""
    import time
    from pathlib import Path

    import inside

    time.sleep(0.05)  # the clock of file systems is coarse
    with Path(path).open("ab") as file:
        file.write(b"changed = True\n")
    print(inside.kernel_directory())


def test_sources_that_changed_after_the_import_are_not_those_in_memory(tmp_path):
    """Kernels of the old sources would lie under the digest of the new ones."""
    copied = shutil.copytree(PACKAGE, tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), **python_path(tmp_path)}
    changed = run_function(print_directory_after_a_change, str(copied / "rules/optimizers.py"), env=env)
    assert changed.stdout.strip() == "None"


def test_the_import_reads_no_sources():
    """They are read when a kernel is needed: reading them took milliseconds of the import."""
    run("""
        from pathlib import Path

        read, text = [], Path.read_text
        Path.read_text = lambda self, *rest, **options: read.append(self.name) or text(self, *rest, **options)
        import fastbp as fb

        assert not read, read
        fb.MLP([2, 1], seed=0).predict([[1.0, 2.0]])
        assert "optimizers.py" in read
        """)


def change_directory(place: str) -> None:
    """Predict, change the working directory, and train with other kernels."""
    import os

    import fastbp as fb

    net = fb.MLP([2, 3, 1], seed=0)
    net.predict([[1.0, 2.0]])
    os.chdir(place)
    net.gradients([[1.0, 2.0]], [1.0], loss="squared_error")


def test_a_relative_directory_stays_where_it_is(tmp_path, monkeypatch):
    """Also that of the processes that help to compile."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    env = {**UNOPTIMIZED, "NUMBA_CACHE_DIR": "cache", "NUMBA_NUM_THREADS": "3"}
    run_function(change_directory, str(place), env=env)
    assert not [*place.iterdir()]
    (directory,) = (tmp_path / "cache").iterdir()
    count = len([*directory.glob("*.kernel")])
    assert count > 5
    env["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
    run_function(change_directory, str(place), env=env)
    assert len([*directory.iterdir()]) == count


# --- what Numba refuses -----------------------------------------------------------------------------------------------


def test_compiled_functions_have_a_body():
    """With NUMBA_DEBUGINFO=1, Numba fails at a function that has only a docstring."""
    for path in (PACKAGE / "kernels").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                only = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Expr) else None
                assert not isinstance(only, ast.Constant), f"{path.name}: {node.name}"


def fit_everything() -> None:
    """Train with many kernels."""
    import numpy as np

    import fastbp as fb

    X, y = np.eye(12)[:, :5], np.arange(12) % 3
    net = fb.MLP([5, 4, 3], output="softmax", dropout=0.1, input_noise=0.1, max_norm=2.0, seed=0)
    options = {"optimizer": "adamw", "clip_norm": 1.0, "average": fb.EMA(0.9)}
    trainer = fb.Trainer(net, loss="cross_entropy", l1=0.1, seed=0, **options)
    print(trainer.fit(X, y, sample_weight=np.ones(12))["loss"])


def test_debug_information(tmp_path):
    env = {"NUMBA_DEBUGINFO": "1", "NUMBA_CACHE_DIR": str(tmp_path), **UNOPTIMIZED}
    assert run_function(fit_everything, env=env, timeout=180).stdout == run_function(fit_everything).stdout
