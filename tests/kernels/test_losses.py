"""Losses: values and deltas at ordinary and extreme outputs, hits."""

import functools
import itertools

import numpy as np
import pytest
import reference
from kernels.harness import from_panels, operation, step, to_panels

from fastbp.activations import OUTPUTS
from fastbp.engine import kernel_cache
from fastbp.engine.memory import Record
from fastbp.kernels import elementwise, loss
from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.row_losses import room
from fastbp.kernels.structs import FOLLOWER, LAYER, LOSS
from fastbp.losses import LOSSES


@functools.cache
def loss_kernel(name, fused, dtype):
    return operation(kernel_cache.kernel(loss.loss, np.dtype(dtype), LOSSES[name], fused))


@functools.cache
def followers(output, dtype):
    """The addresses of sigma and of delta *= da/dz, as the engine compiles them."""
    sigma, dtype = OUTPUTS[output], np.dtype(dtype)
    if sigma.whole_rows:
        factories = (elementwise.softmax_activate,), (elementwise.softmax_differentiate,)
    elif sigma.of_z:
        factories = (elementwise.activate, sigma, True, False, False), (elementwise.differentiate_kept, False)
    else:
        factories = (elementwise.activate, sigma, False, False, False), (elementwise.differentiate, sigma, False)
    return tuple(kernel_cache.kernel(factory, dtype, *options) for factory, *options in factories)


@functools.cache
def follow():
    return operation(kernel_cache.of_any_dtype(elementwise.follow))


def evaluate(name, output, z, y, dtype=np.float64, by_output=False):
    """(a, C by row, delta, hits) by the operations of the output, the loss, and the output's derivative."""
    rows, n_out = z.shape
    A, Y = to_panels(z, rows, dtype), to_panels(y, rows, dtype)
    D, slope = aligned(A.size, dtype), aligned(A.size, dtype)
    costs, hits, size = np.zeros(rows), np.zeros(rows), room(lanes_of(dtype), n_out, n_out)
    now = step(rows, dtype, scratch=aligned(size, dtype), room=size)
    parameters = np.array(OUTPUTS[output].parameters(), dtype)
    layer = Record(LAYER, n_out=n_out, a_out=A, delta=D, slope=slope, parameters=parameters)
    after = {"layer": layer.address, "panels": -(-n_out // lanes_of(dtype))}
    fused = output if output in LOSSES[name].fused else ""
    row = LOSSES[name]
    made = Record(
        LOSS, a=A, y=Y, delta=D, columns=n_out, targets=n_out, by_output=by_output, costs=costs, hits=hits,
        threshold=row.threshold, parameters=np.array(row.parameters(n_out), dtype),
    )  # fmt: skip
    activate, differentiate = followers(output, dtype)
    if not fused:
        follow()(now, Record(FOLLOWER, follower=activate, **after), rows)
    loss_kernel(name, fused, dtype)(now, made, rows)
    if not fused:
        follow()(now, Record(FOLLOWER, follower=differentiate, **after), rows)
    return from_panels(A, rows, z.shape), costs, from_panels(D, rows, z.shape), hits


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("n_out", [2, 8, 10, 16, 17, 35])
@pytest.mark.parametrize(("name", "output"), [*itertools.product(LOSSES, ["sigmoid", "softmax"])])
def test_values(name, output, n_out, dtype, tolerance):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(19, n_out)).astype(dtype), rng.dirichlet(np.ones(n_out), 19).astype(dtype)
    if LOSSES[name].targets == "signs":
        y = rng.integers(0, 2, y.shape).astype(dtype)
    if name == "multiclass_hinge":
        y = reference.one_hot(y.argmax(axis=1), n_out).astype(dtype)
    a, costs, delta, _ = evaluate(name, output, z, y, dtype)
    wanted_a, wanted, g = reference.costs(name, output, z.astype(float), y.astype(float))
    assert reference.relative(a, wanted_a) < tolerance
    assert reference.relative(costs, wanted) < tolerance
    if g is None:
        wanted_delta = wanted_a - y
    elif output == "softmax":
        wanted_delta = wanted_a * (g - (g * wanted_a).sum(axis=1, keepdims=True))
    else:
        wanted_delta = g * reference.DERIVATIVES[output](z.astype(float))
    assert reference.relative(delta, wanted_delta) < 3 * tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_canonical_pairs_at_the_extremes(dtype):
    """|z| = 1e4: the exact loss, as wide as z is, and a - y."""
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]])
    y = np.array([[0.0, 1, 0], [0, 1, 0], [1, 0, 0]])
    a, costs, delta, _ = evaluate("cross_entropy", "softmax", z, y, dtype)
    assert costs == pytest.approx([2e4, np.log(2), np.log(3)], rel=1e-6)
    assert delta == pytest.approx(a - y)
    assert a.sum(axis=1) == pytest.approx([1, 1, 1])
    a, costs, delta, _ = evaluate("binary_cross_entropy", "sigmoid", z, y, dtype)
    assert costs == pytest.approx([2e4 + np.log(2), 1e4, 2e4], rel=1e-6)
    assert delta == pytest.approx(a - y)


@pytest.mark.parametrize(("name", "output"), [*itertools.product(LOSSES, OUTPUTS)])
def test_finite_everywhere(name, output):
    """Any pair, at z = 0 and +-1e4: finite, also where a probability is 0 or 1."""
    z = np.array([[1e4, -1e4, 0.0], [0, 0, 0], [-1e4, 1e4, -1e4]])
    y = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    _, costs, delta, _ = evaluate(name, output, z, y, np.float32)
    assert np.isfinite(costs).all()
    if not (output in ("identity", "relu", "tanh", "threshold") and name != "squared_error"):
        assert np.isfinite(delta).all()


def test_hits_are_those_of_argmax():
    rng = np.random.default_rng(0)
    for n_out in (2, 10, 16, 40):
        z, labels = rng.integers(0, 3, (50, n_out)).astype(float), rng.integers(0, n_out, 50)
        *_, hits = evaluate("squared_error", "identity", z, reference.one_hot(labels, n_out))
        assert (hits == (z.argmax(axis=1) == labels)).all()


def test_hits_by_output():
    z, y = np.array([[3.0, -3, 3]]), np.array([[1.0, 0, 0]])
    *_, hits = evaluate("binary_cross_entropy", "sigmoid", z, y, by_output=True)
    assert hits == pytest.approx([2 / 3])


def test_a_nan_is_no_hit():
    *_, hits = evaluate("squared_error", "identity", np.array([[np.nan, np.nan]]), np.array([[1.0, 0]]))
    assert hits == [0]
