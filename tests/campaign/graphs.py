"""Graphs: random expressions whose values and gradients are those of NumPy, also after calls that were refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from campaign import turns
from campaign.tape import Tape

import fastbp as fb
from fastbp import graph

WORLDS, TURNS = 12, 30
SHAPES = (), (3,), (2, 3), (1, 3), (2, 1)
CLOSE = 1e-9
"""Each step amplifies rounding by less than 10, and most steps do not at all; values beyond 1e3 are not compared."""


class World(turns.World):
    """An expression with some variables."""

    turns = (
        "forward",
        "forward",
        "backward",
        "backward",
        "assign",
        "check",
        "refuse",
        "refuse",
        "show",
        "block",
        "copies",
    )

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.guards = None  # NumPy computes everything here
        self.names = ["x", "y", "z"][: int(rng.integers(1, 4))]
        self.shapes = [SHAPES[rng.integers(len(SHAPES))] for _ in self.names]
        self.tape = Tape(rng, len(self.names), int(rng.integers(1, 9)), whole=True)
        self.variables = [graph.variable(name) for name in self.names]
        self.nodes = self.tape.nodes(self.variables)
        self.output = self.nodes[-1]
        self.used = set(self.output.variables)
        self.given: list[np.ndarray] = []
        self.fresh = False
        """Whether the values of all nodes are those of one pass."""

    def draw(self) -> dict[str, np.ndarray]:
        """Values for all variables."""
        self.values_of = [np.asarray(self.rng.normal(size=shape)) for shape in self.shapes]
        return {name: value for name, value in zip(self.names, self.values_of, strict=True) if name in self.used}

    def forward(self) -> None:
        """In some of the ways to give values."""
        given = self.draw()
        if self.rng.random() < 0.3:
            for name, node in zip(self.names, self.variables, strict=True):
                if name in given:
                    node.value = given[name]
            found = self.output.forward()
        elif self.rng.random() < 0.5:
            found = self.output.forward(given)
        else:
            found = self.output.forward(**{name: value.tolist() for name, value in given.items()})
        self.given, self.fresh = self.values_of, True
        self.compare(found)

    def compare(self, found: object) -> None:
        z, _ = self.tape.values(self.given, self.given)
        if np.abs(z[-1]).max() < 1e3:
            turns.alike(found, z[-1], CLOSE, "forward")
        assert np.array_equal(self.output.value, np.asarray(found)), "the value is not what forward returned"

    def backward(self) -> None:
        """The gradient times a direction is how the output moves."""
        if not self.fresh:
            error = turns.error_of(self.output.backward, "backward without forward")
            assert error is not None, "backward takes values that are not of one pass"
            return
        shape = np.shape(self.output.value)
        g = self.rng.normal(size=shape)
        if shape == () and self.rng.random() < 0.5:
            found, g = self.output.backward(), 1.0
        else:
            found = self.output.backward(g)
        assert found.keys() == self.used
        directions = [self.rng.normal(size=shape) for shape in self.shapes]
        z, dz = self.tape.values(self.given, directions)
        if max(np.abs(each).max() for each in (*z, *dz)) > 1e3:
            return
        wanted = np.sum(g * dz[-1])
        got = sum(np.sum(found[name] * d) for name, d in zip(self.names, directions, strict=True) if name in found)
        scale = 1 + sum(
            np.abs(found[name] * d).sum() for name, d in zip(self.names, directions, strict=True) if name in found
        )
        assert abs(got - wanted) <= 1e-8 * scale, f"backward: {got} and not {wanted}"
        for name, node in zip(self.names, self.variables, strict=True):
            if name in found:
                assert np.shape(found[name]) == np.shape(node.value) == np.shape(node.gradient)

    def assign(self) -> None:
        """A value that is assigned: backward needs another pass."""
        k = int(self.rng.integers(len(self.names)))
        if not self.fresh or self.names[k] not in self.used:
            return
        self.given = [*self.given]
        self.given[k] = np.asarray(self.rng.normal(size=self.shapes[k]))
        self.variables[k].value = self.given[k]
        error = turns.error_of(lambda: self.output.backward(np.ones(np.shape(self.output.value))), "backward")
        assert isinstance(error, RuntimeError), f"backward after an assignment: {error!r}"
        self.compare(self.output.forward())

    def check(self) -> None:
        """Where no kink is near, the gradients are those by differences."""
        if not self.fresh:
            return
        before = [node.value for node in self.nodes]
        errors = self.output.check()
        assert errors.keys() == self.used
        assert all(np.array_equal(a, node.value) for a, node in zip(before, self.nodes, strict=True) if node.inputs)

    def refuse(self) -> None:
        """Calls that are refused leave all values as they were."""
        given = self.draw()
        name = str(self.choose(*sorted(self.used)))
        wrong = {
            "an unknown name": {**given, "w": 1.0},
            "text": {**given, name: "x"},
            "objects": {**given, name: object()},
            "complex": {**given, name: 1j},
            "masked": {**given, name: np.ma.masked_array([1.0, 2.0], [True, False])},
            "ragged": {**given, name: [[1.0], [1.0, 2.0]]},
            "no mapping": 7,
        }
        kind = str(self.choose(*wrong))
        before = [node.value for node in self.nodes]
        error = turns.error_of(lambda: self.output.forward(wrong[kind]), f"forward: {kind}")
        assert error is not None, f"forward takes {kind}"
        kept = [node.value for node in self.nodes]
        assert all(a is b for a, b in zip(before, kept, strict=True)), f"forward with {kind} changes values"
        if self.fresh:
            shape = np.shape(self.output.value)
            bad = self.choose(np.ones((*shape, 2)), "x", np.ma.masked_array(np.ones((*shape, 1)), True), 1j)
            assert turns.error_of(lambda: self.output.backward(bad), "backward") is not None, (
                "backward takes a wrong gradient"
            )
            self.backward()

    def show(self) -> None:
        assert self.output.expression()
        assert str(self.output)
        assert repr(self.output)
        if self.fresh:
            self.output.to_frame()

    def copies(self) -> None:
        """A copy has variables of its own."""
        way = self.choose(copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node)))
        twin = way(self.output)
        if self.fresh:
            given = {name: value for name, value in zip(self.names, self.given, strict=True) if name in self.used}
            assert np.array_equal(twin.forward(given), self.output.value)
            twin.forward({name: value + 1 for name, value in given.items()})
            self.backward()

    def block(self) -> None:
        """Blocks of layers have the gradient of a network with the same weights."""
        n_in, hidden, n = (int(size) for size in self.rng.integers(1, 5, 3))
        first, second = (graph.InnerProduct(*sizes, seed=k) for k, sizes in enumerate(((n_in, hidden), (hidden, 2))))
        chained = graph.chain(first, graph.tanh, second)
        x, y = graph.variable("x"), graph.variable("y")
        loss = graph.EuclideanLoss()(chained(x), y)
        X, targets = self.rng.normal(size=(n, n_in)), self.rng.normal(size=(n, 2))
        value = loss.forward(x=X, y=targets)
        found = loss.backward()
        net = fb.MLP([n_in, hidden, 2], activation="tanh", dtype="float64")
        net.set_weights([first.W.value, second.W.value], [first.b.value, second.b.value])
        wanted, dW, db, dX = net.gradients(X, targets, loss="squared_error", inputs=True)
        turns.alike(value, wanted, CLOSE, "the loss of blocks")
        for name, array in (("W1", dW[0]), ("W2", dW[1]), ("b1", db[0]), ("b2", db[1]), ("x", dX)):
            turns.alike(found[name], array, CLOSE, f"the gradient of {name}")


def prepare() -> None:
    """The kernels of the network of blocks."""
    turns.warm_up(play)


def play(seed: int) -> dict[str, int]:
    """Let some graphs take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
