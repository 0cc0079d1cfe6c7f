"""Formulas of users: random ones, from files, and from files that somebody has changed.

An activation function or a loss that is a formula computes what NumPy computes, as a function of arrays, as a node and,
for formulas whose kernels are there, in a network. A file that is forged is refused, or what it holds works.
"""

from __future__ import annotations

import copy
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from campaign import mutants, turns
from campaign.odd import limit_memory
from campaign.tape import Tape

import fastbp as fb
from fastbp import graph

WORLDS, TURNS, FORGERIES = 6, 20, 6
KERNELS = 5
"""The number of formulas for which kernels are compiled. Their constants differ from world to world."""
CLOSE = 1e-9


def made(rng: np.random.Generator, names: tuple[str, ...]) -> tuple[Tape, object]:
    """A formula of some arguments, and its tape."""
    tape = Tape(rng, len(names), int(rng.integers(1, 7)), whole=False)

    def formula(*arguments: object, **named: object) -> object:
        return tape.nodes([*arguments, *named.values()])[-1]

    return tape, formula


def _if_smooth(make: Callable[[], object]) -> object:
    """A formula, or None if it is refused because its result does not depend on its argument."""
    try:
        return make()
    except ValueError as error:
        if "changes only in jumps" in str(error):
            return None
        raise


class World(turns.World):
    """An activation function and a loss."""

    turns = (
        "value",
        "value",
        "value",
        "node",
        "node",
        "loss",
        "loss",
        "copies",
        "file",
        "network",
        "constants",
        "refuse",
    )

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.kernel = int(rng.integers(KERNELS)) if rng.random() < 0.4 else None
        drawn = rng if self.kernel is None else np.random.default_rng(self.kernel)
        while True:
            self.tape, self.formula = made(drawn, ("z", "a"))
            if (sigma := self.activation(0.5)) is not None:
                break
        self.a = float(rng.uniform(-2, 2))
        self.sigma = sigma if (other := self.activation(self.a)) is None else other
        self.a = self.sigma.parameters()[0]
        self.loss_tape, self.loss_formula = made(rng, ("a", "y", "c"))

    def activation(self, a: float) -> fb.activations.Formula | None:
        """The activation function, or None if it is refused because z does not matter."""
        return _if_smooth(lambda: fb.activations.Formula(self.formula, constants={"a": a}))

    def points(self) -> np.ndarray:
        return self.given(self.rng.normal(size=self.choose((7,), (2, 3), (1,), (3, 1))))

    def numpy(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The value and the derivative."""
        values, slopes = self.tape.values([z, np.float64(self.a)], [np.ones_like(z), np.float64(0.0)])
        return values[-1], np.broadcast_to(slopes[-1], z.shape)

    def value(self) -> None:
        z = self.points()
        wanted, slope = self.numpy(z)
        turns.alike(self.sigma(z), wanted, CLOSE, "the formula")
        turns.alike(self.sigma.derivative(z), slope, CLOSE, "its derivative")
        turns.alike(self.sigma(z.astype("f4")), wanted, 1e-3, "the formula in float32")
        assert self.sigma(z.astype("f4")).dtype == np.float32

    def node(self) -> None:
        z, x = self.points(), graph.variable("x")
        f = self.sigma(x)
        wanted, slope = self.numpy(z)
        turns.alike(f.forward(x=z), wanted, CLOSE, "the node of the formula")
        turns.alike(f.backward(np.ones_like(z))["x"], slope, CLOSE, "the gradient of the node")
        if "x" in (derivative := self.sigma.derivative(x)).variables:
            turns.alike(derivative.forward(x=z), slope, CLOSE, "the node of the derivative")

    def loss(self) -> None:
        c = float(self.rng.uniform(-1, 1))
        loss = _if_smooth(lambda: fb.losses.Formula(self.loss_formula, constants={"c": c}))
        if loss is None:
            return
        a, y = self.rng.normal(size=(2, 9))
        zero = np.float64(0.0)
        values, slopes = self.loss_tape.values([a, y, np.float64(c)], [np.ones_like(a), zero, zero])
        found, slope = loss.term(a, y, c)
        turns.alike(np.broadcast_to(found, a.shape), np.broadcast_to(values[-1], a.shape), CLOSE, "the loss")
        turns.alike(np.broadcast_to(slope, a.shape), np.broadcast_to(slopes[-1], a.shape), CLOSE, "its derivative")
        assert pickle.loads(pickle.dumps(loss)) == loss

    def copies(self) -> None:
        for twin in (copy.deepcopy(self.sigma), pickle.loads(pickle.dumps(self.sigma))):
            assert twin == self.sigma
            assert hash(twin) == hash(self.sigma)
            assert repr(twin) == repr(self.sigma)

    def constants(self) -> None:
        """Formulas that differ in their constants share kernels, and are not equal."""
        other = self.activation(self.a + 1)
        if other is not None:
            assert other != self.sigma
            assert other.digest(np.dtype("f8")) == self.sigma.digest(np.dtype("f8"))

    def refuse(self) -> None:
        wrong = (
            lambda: fb.activations.Formula(lambda z: z if z > 0 else 0.0),
            lambda: fb.activations.Formula(lambda z: np.tanh(z)),
            lambda: fb.activations.Formula(lambda z: 1.0),
            lambda: fb.activations.Formula(lambda z: graph.sum(z)),
            lambda: fb.activations.Formula(lambda z: z * graph.variable("w")),
            lambda: fb.activations.Formula(lambda z: z * np.ones(3)),
            lambda: fb.activations.Formula(lambda z, a: z * a, constants={"z": 1.0}),
            lambda: fb.activations.Formula(lambda z, a: z * a, constants={"a": np.nan}),
            lambda: fb.activations.Formula(lambda z: z * z, prime=lambda z: 3.0 * z),
            lambda: fb.activations.Formula("z"),
            lambda: self.sigma("x"),
            lambda: self.sigma.derivative([[1.0], [1.0, 2.0]]),
            lambda: fb.losses.Formula(lambda a, y: (a - y) ** 2, targets="nothing"),
            lambda: fb.losses.Formula(lambda a, y: a[0] * y[0], rows=True),
        )
        call = self.choose(*wrong)
        assert turns.error_of(call, "a formula that is wrong") is not None, "a formula that is wrong is taken"

    def network(self) -> None:
        """In kernels."""
        if self.kernel is None:
            return
        dtype = self.choose("f4", "f8")
        net = fb.MLP([3, 4, 2], activation=self.sigma, dtype=dtype, seed=int(self.rng.integers(99)))
        X = self.given(self.rng.normal(size=(int(self.rng.integers(1, 9)), 3)))
        z = X @ net.weights[0].astype(float) + net.biases[0].astype(float)
        a, _ = self.numpy(z)
        wanted = a @ net.weights[1].astype(float) + net.biases[1].astype(float)
        if np.abs(z).max() > 20 or np.abs(a).max() > 100:
            return
        turns.alike(net.predict(X), wanted, CLOSE if dtype == "f8" else 1e-3, "a network of formulas")
        if dtype == "f8":
            y = self.rng.normal(size=wanted.shape)
            loss, dW, _ = net.gradients(X, y, loss="squared_error")
            delta = (wanted - y) / len(X)
            turns.alike(loss, 0.5 * ((wanted - y) ** 2).sum() / len(X), CLOSE, "its loss")
            hidden = (delta @ net.weights[1].T) * self.numpy(z)[1]
            turns.alike(dW[0], X.T @ hidden, 1e-8, "its gradient")

    def file(self) -> None:
        """A file, and files that are forged."""
        net = fb.MLP([2, 2, 1], activation=self.sigma, seed=0)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "network"
            net.save(path)
            whole = fb.load(path)
            assert whole.architecture == net.architecture
            (sigma,) = whole.architecture.activation
            z = self.rng.normal(size=5)
            assert (sigma(z) == self.sigma(z)).all()
            for content in mutants.forged(path, self.rng, FORGERIES, "network", "Formula"):
                path.write_bytes(content)
                self.read(path, z)

    def read(self, path: Path, z: np.ndarray) -> None:
        """What a forged file holds is refused, or works."""
        error = turns.error_of(lambda: fb.load(path), "a forged file")
        if error is not None:
            assert isinstance(error, fb.ModelFileError), repr(error)
            assert path.name in str(error)
            return
        found = fb.load(path)
        (sigma,) = found.architecture.activation
        a, slope = sigma(z), sigma.derivative(z)
        assert a.shape == slope.shape == z.shape
        x = graph.variable("x")
        f = sigma(x)
        wanted = f.forward(x=z)
        assert np.allclose(a, wanted, 1e-9, 1e-9, equal_nan=True), f"{sigma}: {a} and {wanted}"
        assert repr(sigma)
        dtype = found.dtype
        if sigma.digest(dtype) == self.sigma.digest(dtype) and self.kernel is not None:
            found.predict(np.ones((2, 2)))


def prepare() -> None:
    """Compile the kernels of some formulas. A file can ask for any amount of memory."""
    limit_memory()
    os.fsync = lambda handle: None
    turns.warm_up(play, 30)


def play(seed: int) -> dict[str, int]:
    """Let some formulas take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
