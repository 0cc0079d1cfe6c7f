"""Classes of users: optimizers, losses, activation functions, schedules, averages, metrics and callbacks.

Those that are right come to the bits of those of fastbp, or to the numbers of NumPy. Those that are wrong, or that
become wrong while they are used, are refused; whatever they do, the trainer and the network fit together afterwards,
and the next training comes to the bits of a trainer that has never seen them.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from campaign import checks, draws, odd, turns
from campaign.checks import TIGHT
from campaign.twin import Twin

import fastbp as fb
from fastbp.base.value_objects import field
from fastbp.callbacks import Callback
from fastbp.kernels.simd.vector import fma
from fastbp.rules.averages import Average
from fastbp.rules.optimizers import Optimizer
from fastbp.schedules import Schedule

WORLDS, TURNS = 10, 25


class Momentum(Optimizer):
    """SGD with momentum, once more."""

    hyperparameters = ("eta", "mu")
    states = ("v",)
    learning_rate: float = field("The learning rate.", default=0.05)
    mu: float = field("The momentum.", default=0.9)

    def hyper(self, t, eta):
        return {"eta": eta, "mu": self.mu}

    def update(self, g, theta, v, h):
        v = fma(h.mu, v, g)
        return fma(-h.eta, v, theta), v


class Strange(Momentum):
    """An optimizer of which a test exchanges a part: each object has attributes of its own."""

    def __init__(self, **parts: object):
        super().__init__()
        for name, value in parts.items():
            object.__setattr__(self, f"_{name}", value)

    def _part(self, name: str, usual: object) -> object:
        return self.__dict__.get(f"_{name}", usual)

    states = property(lambda self: self._part("states", ("v",)))
    state_count = property(lambda self: self._part("state_count", 1))
    variant = property(lambda self: self._part("variant", (type(self), "v", 1)))
    initial = property(lambda self: self._part("initial", ()))
    still = property(lambda self: self._part("still", False))

    def hyper(self, t, eta):
        return self._part("hyper", lambda t, eta: {"eta": eta, "mu": 0.9})(t, eta)


SQUARED = fb.losses.Formula(lambda a, y: 0.5 * (a - y) * (a - y), name="own squared error")
TANH = fb.activations.Formula(fb.graph.tanh, name="own tanh")


class Halving(Schedule):
    """A factor that halves in each epoch, or what a test gives in its place."""

    gives: ClassVar[object] = None

    def factor(self, x, scores):
        return 0.5**x if self.gives is None else self.gives(x)


class Half(Average):
    """An average that covers two steps, or that does what a test gives."""

    def __init__(self, rate: object = 0.5, warm_up: object = 0.0, move: Callable | None = None):
        object.__setattr__(self, "parts", (rate, warm_up, move))

    rate = property(lambda self: self.parts[0])
    warm_up = property(lambda self: self.parts[1])

    def move(self, average, theta, epoch):
        if self.parts[2] is not None:
            self.parts[2](average, theta)


class Hook(Callback):
    """Does something in one of the hooks."""

    def __init__(self, hook: str, act: Callable):
        setattr(self, hook, act)


HOOKS = "on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end", "on_train_end"
NUMBERS = (np.nan, np.inf, -1.0, 0.0, 2.0, 1e300, "x", None, [1.0], np.ones(3), np.ones((2, 2)), 1j, True, object())


def _raise(*_: object) -> None:
    raise ValueError("a class of the user raises this")


class World(turns.World):
    """A trainer that meets classes of users."""

    turns = (
        "optimizer",
        "optimizer",
        "loss",
        "activation",
        "schedule",
        "average",
        "metric",
        "strange",
        "strange",
        "hook",
        "hook",
        "wrong_hook",
        "wrong_schedule",
        "wrong_average",
        "wrong_metric",
        "doors",
        "doors",
        "doors",
    )

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.sizes = [
            int(rng.integers(1, 8)),
            *[int(rng.integers(1, 9))] * int(rng.integers(2)),
            int(rng.integers(1, 4)),
        ]
        self.dtype = self.choose("f4", "f8")
        self.close = 1e-11 if self.dtype == "f8" else 1e-5
        self.trainer = self.made()

    def made(self, activation: object = "tanh", **settings: object) -> fb.Trainer:
        net = fb.MLP(self.sizes, activation=activation, init="glorot_uniform", dtype=self.dtype, seed=1)
        settings = {"loss": "squared_error", "optimizer": fb.SGD(0.05), "batch_size": 5, "seed": 1} | settings
        return fb.Trainer(net, **settings)

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        n = int(self.rng.integers(1, 20))
        return self.given(self.rng.normal(size=(n, self.sizes[0]))), self.rng.normal(size=(n, self.sizes[-1]))

    def alike(self, one: fb.Trainer, other: fb.Trainer, what: str, tolerance: float | None = None) -> None:
        """Two trainers that train alike."""
        X, y = self.samples()
        epochs = int(self.rng.integers(3))
        for trainer in (one, other):
            trainer.fit(X, y, epochs=epochs) if epochs else trainer.partial_fit(X, y)
        found, wanted = one.network.theta, other.network.theta
        if tolerance is None:
            assert (found == wanted).all(), f"{what} has other bits"
        else:
            turns.alike(found, wanted, tolerance, what)
        assert one.evaluate(X, y)["loss"] == other.evaluate(X, y)["loss"] or tolerance is not None

    # --- classes that are right ---------------------------------------------------------------------------------------

    def optimizer(self) -> None:
        mu = float(self.choose(0.5, 0.9))
        options = {"l2": self.choose(0.0, 0.01), "gradient": self.choose("fused", "stored")}
        own = self.made(optimizer=Momentum(0.05, mu), **options)
        self.alike(own, self.made(optimizer=fb.SGD(0.05, momentum=mu), **options), "an own optimizer")
        given = draws.Samples(*self.samples(), None, None)
        if self.dtype == "f8" and len(given.X) <= 5:
            twin, known = Twin(own), fb.SGD(0.05, momentum=mu)
            _, g = Twin(self.made()).gradients(given.X, given.y, None)
            _, g = twin.gradients(given.X, given.y, None)
            (v,), depth = twin.vectors, len(g) // 2
            own.partial_fit(given.X, given.y)
            for k, (theta, dtheta) in enumerate(zip(twin.theta, g, strict=True)):
                slope = dtheta + (options["l2"] * theta if k < depth else 0.0)
                theta -= known.learning_rate * (mu * v[k] + slope)
            checks.close(Twin(own).theta, twin.theta, TIGHT, "a step of an own optimizer")

    def loss(self) -> None:
        self.alike(self.made(loss=SQUARED), self.made(), "an own loss", self.close)

    def activation(self) -> None:
        self.alike(self.made(activation=TANH), self.made(), "an own activation function", self.close)

    def schedule(self) -> None:
        own = self.made(schedule=Halving())
        self.alike(own, self.made(schedule=fb.schedules.Exponential(0.5)), "an own schedule", self.close)

    def average(self) -> None:
        """Its average is half of the way to the parameters after each step."""
        own, seen = self.made(average=Half()), []
        X, y = self.samples()
        seen.append(own.network.theta)
        own.fit(X, y, callbacks=[fb.callbacks.Lambda(batch_end=lambda state: seen.append(state.network.theta))])
        wanted = seen[0].astype(float)
        for theta in seen[1:]:
            wanted = (wanted + theta) / 2
        turns.alike(own.averaged.theta, wanted, self.close, "an own average")

    def metric(self) -> None:
        def largest(y: np.ndarray, a: np.ndarray) -> float:
            return float(np.abs(y - a).max())

        own = self.made(metrics=[largest, "mae"])
        X, y = self.samples()
        scores = own.evaluate(X, y)
        a = own.network.outputs(X)
        turns.alike(scores["largest"], np.abs(y.astype(a.dtype) - a).max(), 1e-5, "an own metric")
        turns.alike(scores["mae"], np.abs(y - a).mean(), 1e-4, "mae")

    # --- classes that are wrong ---------------------------------------------------------------------------------------

    def survives(self, call: Callable[[], object], said: str) -> None:
        """Whatever a call does, the trainer works as before, with what it now has."""
        trainer = self.trainer
        theta = trainer.network.theta
        with np.errstate(all="ignore"):
            error = turns.error_of(call, said, *[Exception] * ("raises" in said))
        for name, value in {
            "optimizer": fb.Adadelta(),
            "schedule": None,
            "average": None,
            "metrics": (),
            "l2": 0.0,
        }.items():
            setattr(trainer, name, value)
        trainer.optimizer = fb.SGD(0.05)
        if isinstance(error, (ValueError, TypeError)) and "fit" not in said:
            assert (trainer.network.theta == theta).all(), f"{said}, which was refused, changes the network"
        if not np.isfinite(trainer.network.theta).all() or np.abs(trainer.network.theta).max() > 1e3:
            trainer.network.theta = self.made().network.theta
        twin = self.made()
        twin.network.theta = trainer.network.theta
        trainer.state.rng.bit_generator.state = copy.deepcopy(twin.state.rng.bit_generator.state)
        X, y = self.samples()
        for each in (trainer, twin):
            each.partial_fit(X, y)
        assert (trainer.network.theta == twin.network.theta).all(), f"after {said}, a step has other bits"
        assert (trainer.network.predict(X) == twin.network.predict(X)).all(), f"after {said}, predictions differ"
        if np.abs(trainer.network.theta).max() > 100:
            self.trainer = self.made()

    def use(self, name: str, value: object, fit: bool = True) -> Callable[[], object]:
        """Assign a setting, and train with it."""
        X, y = self.samples()

        def call() -> None:
            setattr(self.trainer, name, value)
            if fit:
                self.trainer.fit(X, y, epochs=2, validation_data=(X, y))
            else:
                self.trainer.partial_fit(X, y)

        return call

    def strange(self) -> None:
        """An optimizer with another number of vectors than it says, with other names, and so on."""
        parts = {
            "states": ((), ("v", "w"), ("v",) * 3, "v", None, 3),
            "state_count": (0, 2, 5, -1, 10**6, None, "x", 0.5),
            "variant": (None, (), 1, "x", (fb.SGD, ("v",), 1), []),
            "initial": ((1.0,), (1.0, 2.0), ("x",), None, (np.nan,)),
            "still": (True, None, 1),
            "hyper": (
                lambda t, eta: {},
                lambda t, eta: None,
                lambda t, eta: {"eta": eta, "mu": "x"},
                _raise,
                lambda t, eta: {"eta": np.ones(99), "mu": 0.9},
                lambda t, eta: {"eta": eta, "mu": np.nan},
                lambda t, eta: {"eta": np.ones((2, 2)), "mu": 0.5},
                lambda t, eta: [eta, 0.9],
                lambda t, eta: {"eta": eta, "mu": 0.9, "more": 1.0},
                lambda t, eta: {"eta": 1e300 * t, "mu": 1e300},
            ),
        }
        name = str(self.choose(*parts))
        value = self.choose(*parts[name])
        said = f"fit raises: an optimizer with {name} = {value!r}"
        self.survives(self.use("optimizer", Strange(**{name: value}), bool(self.rng.integers(2))), said)

    def wrong_schedule(self) -> None:
        value = self.choose(*NUMBERS)
        kind = type("Given", (Halving,), {"gives": staticmethod(_raise if value is None else lambda x: value)})
        self.survives(
            self.use("schedule", kind(), bool(self.rng.integers(2))), f"fit raises: a schedule that gives {value!r}"
        )

    def wrong_average(self) -> None:
        moves = (
            _raise, lambda a, theta: a.fill(np.nan), lambda a, theta: theta.fill(0.0), lambda a, theta: a.resize(0),
            lambda a, theta: setattr(a, "shape", (1, -1)), lambda a, theta: None,
        )  # fmt: skip
        parts = self.choose(
            (self.choose(*NUMBERS), 0.0, None), (0.5, self.choose(*NUMBERS), None), (0.5, 0.0, self.choose(*moves))
        )
        self.survives(
            self.use("average", Half(*parts), bool(self.rng.integers(2))), f"fit raises: an average of {parts}"
        )

    def wrong_metric(self) -> None:
        value = self.choose(*NUMBERS)

        def metric(y: np.ndarray, a: np.ndarray) -> object:
            return _raise() if value is None else value

        self.survives(self.use("metrics", [metric]), f"fit raises: a metric that is {value!r}")

    # --- callbacks ----------------------------------------------------------------------------------------------------

    def hook(self) -> None:
        """A callback that does something to the trainer that calls it."""
        X, y = self.samples()
        other = fb.MLP([s + 1 for s in self.sizes], dtype=self.dtype, seed=0)
        acts = {
            "raises": _raise,
            "stops": lambda state: setattr(state, "stop", True),
            "evaluates": lambda state: state.trainer.evaluate(X, y),
            "predicts": lambda state: state.network.predict(X),
            "fits, which raises": lambda state: state.trainer.fit(X, y),
            "partial_fits, which raises": lambda state: state.trainer.partial_fit(X, y),
            "assigns a network, which raises": lambda state: setattr(state.trainer, "network", other),
            "assigns settings": lambda state: [
                setattr(state.trainer, *each) for each in (("l2", 0.1), ("average", fb.EMA(0.5)))
            ],
            "assigns an optimizer": lambda state: setattr(state.trainer, "optimizer", fb.Adam(0.01)),
            "sets weights": lambda state: state.network.set_weights(
                [0.5 * W for W in state.network.weights], state.network.biases
            ),
            "interrupts": self.interrupt,
            "raises at the end": lambda state: state.missing,
            "copies": lambda state: copy.deepcopy(state.trainer),
            "saves": lambda state: state.trainer.network.save(os.devnull),
            "clears the history, which raises": lambda state: state.trainer.history.clear(),
            "empties the scores": lambda state: state.scores.clear(),
            "sets a step": lambda state: setattr(state, "step", -5),
            "sets an epoch": lambda state: setattr(state, "epoch", 10**6),
            "sets epochs": lambda state: setattr(state, "epochs", 0),
            "sets callbacks": lambda state: setattr(state, "callbacks", None),
        }
        name, hook = str(self.choose(*acts)), str(self.choose(*HOOKS))
        callback = Hook(hook, acts[name])
        callback.every = self.choose(1, 2, None)
        said = f"fit with a callback that {name} in {hook}"
        if name != "raises":
            said = f"{said}, and so raises"

        def call() -> None:
            self.trainer.fit(X, y, epochs=2, callbacks=[callback], validation_data=(X, y))

        self.survives(call, said)
        self.trainer = self.made()

    @staticmethod
    def interrupt(state: object) -> None:
        raise RuntimeError("like Ctrl-C, but an Exception")

    def wrong_hook(self) -> None:
        X, y = self.samples()
        bad = Hook("on_batch_end", lambda state: None)
        object.__setattr__(bad, "every", self.choose(0, -1, "x", 0.5, [], True))
        given = self.choose([bad], [None], [Hook], [lambda state: None], bad, "x", [[bad]], [3], iter([bad]))
        self.survives(lambda: self.trainer.fit(X, y, callbacks=given), "fit raises: callbacks that are none")

    # --- doors --------------------------------------------------------------------------------------------------------

    def doors(self) -> None:
        """Assign anything to any attribute: it is refused, or what is assigned fits."""
        trainer, net = self.trainer, self.trainer.network
        of = self.choose(trainer, net, net, trainer.state, net.parameters, net.architecture, trainer.settings)
        names = sorted({name for name in dir(of) if not name.startswith("_")})
        name = str(self.choose(*names))
        other = fb.MLP([s + 2 for s in self.sizes], dtype=self.choose("f4", "f8"), seed=0)
        away = fb.Trainer(other, loss="squared_error", average=fb.EMA(0.5))
        values = [*odd.values(self.rng), other, other.parameters, other.architecture, other.theta, away, away.state]
        values += [away.state.vectors, away.settings, away.history, np.zeros_like(net.theta), net.theta.astype("f4")]
        value = self.choose(*values)
        if callable(getattr(type(of), name, None)) and not isinstance(value, np.ndarray | float):
            return  # a method of one object that is hidden by something else is no door
        said = f"fit raises: {type(of).__name__}.{name} = {value!r:.200}"
        X, y = self.samples()

        def call() -> None:
            setattr(of, name, value)
            self.trainer.partial_fit(X, y)
            self.trainer.evaluate(X, y)
            self.trainer.network.predict(X)
            self.trainer.fit(X, y)

        with np.errstate(all="ignore"):
            turns.error_of(call, said, Exception)
        self.trainer = self.made()


def prepare() -> None:
    """Warnings of scales and pairs are not what this is about."""
    odd.limit_memory()
    os.fsync = lambda handle: None
    warnings.simplefilter("ignore")
    turns.warm_up(play, 6)


def play(seed: int) -> dict[str, int]:
    """Let some trainers take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
