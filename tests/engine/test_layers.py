"""Layers of the engine that no public network has yet, against references in NumPy and against differences."""

from collections.abc import Callable

import numpy as np
import pytest

import fastbp as fb
from fastbp.activations import ACTIVATIONS
from fastbp.data.samples import SampleChecker, SampleFormat
from fastbp.engine import plan
from fastbp.engine.blocks import Parameters
from fastbp.engine.computer import Computer
from fastbp.engine.layers.base import Layer
from fastbp.engine.layers.dense import Dense
from fastbp.engine.layers.gains import InputScale, LayerNorm
from fastbp.engine.memory import Model
from fastbp.engine.rule import Rule
from fastbp.kernels.panels import aligned, lanes_of, round_up
from fastbp.losses import LOSSES

IDENTITY, TANH = ACTIVATIONS["identity"], ACTIVATIONS["tanh"]
LOSS = LOSSES["squared_error"]
N_IN, N, N_OUT = 7, 19, 3


def network(kind: str, dtype: type, dropout: float = 0.0) -> Model:
    """A network with random parameters: a layer normalization, or a scale of inputs, before a layer of weights."""
    layers: dict[str, tuple[Layer, ...]] = {
        "norm": (
            Dense(1, N_IN, N, IDENTITY, first=True),
            LayerNorm(1, N, N, TANH, dropout),
            Dense(2, N, N_OUT, IDENTITY),
        ),
        "scale": (InputScale(0, N_IN, N_IN, IDENTITY), Dense(1, N_IN, N, TANH), Dense(2, N, N_OUT, IDENTITY)),
    }
    chosen = layers[kind]
    parameters = Parameters((block for layer in chosen for block in layer.blocks()), np.dtype(dtype))
    rng = np.random.default_rng(0)
    parameters.set({block.name: rng.normal(size=block.shape) for block in parameters.blocks})
    one, zero = (aligned(round_up(N_IN, lanes_of(dtype)), dtype) for _ in range(2))
    one[:N_IN] = 1
    return Model(parameters, chosen, (N_IN, *(layer.n_out for layer in chosen)), zero, one)


def reference(kind: str, W: dict[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    """The outputs, in float64."""
    W = {name: array.astype(np.float64) for name, array in W.items()}
    if kind == "scale":
        return np.tanh((X * W["s0"]) @ W["W1"] + W["b1"]) @ W["W2"] + W["b2"]
    z = X @ W["W1"] + W["b1"]
    x = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
    return np.tanh(W["g1"] * x + W["o1"]) @ W["W2"] + W["b2"]


def samples(dtype: type, n: int = 37):
    """Checked samples, and their arrays."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(n, N_IN)), rng.normal(size=(n, N_OUT))
    checker = SampleChecker(SampleFormat(N_IN, N_OUT, np.dtype(dtype), (IDENTITY,)), LOSS)
    return checker.samples(X, y), X, y


def refuse(*_: object) -> None:
    raise AssertionError("all inputs are finite")


@pytest.mark.parametrize("kind", ["norm", "scale"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_outputs(kind, dtype, tolerance):
    model, (given, X, _) = network(kind, dtype), samples(dtype)
    a = Computer(model).activations(len(X), [(0, given.X)], len(model.layers), 1, refuse)
    wanted = reference(kind, model.parameters.unpack(model.parameters.theta), X)
    assert np.abs(a - wanted).max() < tolerance * np.abs(wanted).max()


@pytest.mark.parametrize("kind", ["norm", "scale"])
def test_gradients_against_differences(kind):
    model, (given, X, y) = network(kind, np.float64), samples(np.float64)
    found = Computer(model).differentiate(given, LOSS)
    W = model.parameters.unpack(model.parameters.theta)

    def cost() -> float:
        return 0.5 * float(((reference(kind, W, X) - y) ** 2).sum(axis=1).mean())

    assert found.loss == pytest.approx(cost(), rel=1e-12)
    for name, array in W.items():
        for place in np.ndindex(array.shape):
            before, h = array[place], 1e-6
            array[place] = before + h
            above = cost()
            array[place] = before - h
            difference = (above - cost()) / (2 * h)
            array[place] = before
            assert found.blocks[name][place] == pytest.approx(difference, abs=1e-7), (name, place)


def train(kind: str, stored: bool, n_threads: int, group: Callable | None = None, dropout: float = 0.0) -> np.ndarray:
    """The parameters after some steps of momentum."""
    model, (given, _, _) = network(kind, np.float32, dropout), samples(np.float32, 96)
    optimizer = fb.SGD(0.05, momentum=0.9)
    vectors = model.parameters.like_theta(optimizer.state_count)
    rates = {} if group is None else {"group": group}
    at = lambda t, rate: optimizer.hyper(t, np.full(len(t), 0.05 * (1.0 if rate is None else rate)))  # noqa: E731
    work = plan.train(model, 16, n_threads, LOSS, 0, Rule(optimizer, vectors, at, stored=stored, **rates))
    with work.reading(given):
        work.finish()
    return model.parameters.theta.copy()


@pytest.mark.parametrize("kind", ["norm", "scale"])
def test_stored_gradients_and_threads_give_the_same_bits(kind):
    one = train(kind, False, 1, dropout=0.25)
    assert np.isfinite(one).all()
    assert not np.array_equal(one, network(kind, np.float32).parameters.theta)
    assert np.array_equal(one, train(kind, True, 1, dropout=0.25))
    assert np.array_equal(one, train(kind, False, 3, dropout=0.25))


def test_gains_have_a_rate_of_their_own():
    model = network("norm", np.float32)
    before = model.parameters.unpack(model.parameters.theta)
    after = model.parameters.unpack(train("norm", False, 1, lambda block: 0.0 if block.kind == "gain" else 1.0))
    assert np.array_equal(before["g1"], after["g1"])
    assert not np.array_equal(before["o1"], after["o1"])


def test_a_network_with_a_norm_starts_with_gains_of_one():
    blocks = LayerNorm(1, N, N, TANH).blocks()
    parameters = Parameters(blocks, np.dtype(np.float64))
    found = parameters.unpack(parameters.theta)
    assert (found["g1"] == 1).all()
    assert not found["o1"].any()
