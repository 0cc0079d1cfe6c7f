"""Gradients: against central differences, and against the reference in float64."""

import itertools

import numpy as np
import pytest
import reference
from helpers import any_pair

import fastbp as fb
from fastbp.activations import ACTIVATIONS, OUTPUTS
from fastbp.losses import LOSSES

DIFFERENTIABLE = [name for name, row in ACTIVATIONS.items() if row.trainable]
OUTPUTS_WITH_DERIVATIVE = [name for name, row in OUTPUTS.items() if row.trainable]
SHAPES = {1: [17, 3], 2: [4, 18, 2], 4: [3, 17, 2, 9, 2]}
N = 5


def problem(sizes, activation, output, loss, dtype=np.float64, seed=0):
    """A network and samples at which every loss is finite and no kink is near.

    Where a loss with a logarithm meets an output that is not a probability by itself, small weights and a bias of 1/2
    keep it in (0, 1).
    """
    kind = LOSSES[loss].targets
    rng = np.random.default_rng(seed)
    net = fb.MLP(sizes, activation=activation, output=output, init="he_uniform", dtype=dtype, seed=seed)
    weights, biases = [W.copy() for W in net.weights], [rng.uniform(-0.3, 0.3, b.shape) for b in net.biases]
    if kind in ("distribution", "probabilities", "counts") and output not in ("sigmoid", "softmax"):
        weights[-1] *= 0.1 / max(1, np.abs(weights[-1]).sum(axis=0).max())
        biases[-1] = rng.uniform(0.4, 0.6, sizes[-1]) - (0.6 if output == "softplus" else 0)
    net.set_weights(weights, biases)
    X = rng.uniform(-1, 1, (N, sizes[0]))
    if kind == "signs":
        y = rng.integers(0, 2, (N, sizes[-1]))
    elif loss == "multiclass_hinge":
        y = reference.one_hot(rng.integers(0, sizes[-1], N), sizes[-1])
    else:
        y = rng.dirichlet(np.ones(sizes[-1]), N)
    return net, X.astype(dtype), y.astype(dtype)


KINKS = {"relu": (0,), "leaky_relu": (0,), "elu": (0,), "selu": (0,), "hard_sigmoid": (-3, 3)}
"""Where an activation has no second derivative: a central difference across is no derivative, or not to order 4."""


def distance_to_kinks(net, X, y, loss):
    """How far the nearest kink is, of an activation or of the loss."""
    zs, a = reference.forward(X, net.weights, net.biases, net.architecture.activation, net.architecture.output)
    distances = [np.inf]
    for z, name in zip(zs, [*net.architecture.activation, net.architecture.output], strict=True):
        distances += [np.abs(z - kink).min() for kink in KINKS.get(name, ())]
    a, signs = a[-1], np.where(y > 0, 1, -1)
    if loss in ("absolute_error", "quantile"):
        distances.append(np.abs(a - y).min())
    elif loss == "norm_error":
        distances.append(np.linalg.norm(a - y, axis=1).min() / 4)
    elif loss == "huber":
        distances.append(np.abs(np.abs(a - y) - 1).min())
    elif loss in ("hinge", "squared_hinge"):
        distances.append(np.abs(1 - signs * a).min())
    elif loss == "perceptron":
        distances.append(np.abs(a[a != 0]).min(initial=np.inf))
    elif loss == "multiclass_perceptron":
        distances.append(np.diff(np.sort(a, axis=1)[:, -2:], axis=1).min(initial=np.inf))
    elif loss == "multiclass_hinge":
        margins = a - (a * y).sum(axis=1, keepdims=True) + 1
        distances.append(np.abs(margins[y == 0]).min(initial=np.inf))
    return min(distances)


MOST = 12
"""The number of weights or biases of a layer for which there are differences."""


def central_differences(net, X, y, loss, h=5e-4):
    """dC/dtheta by (C(theta + h) - C(theta - h)) / 2h, to fourth order (h and 2h combined), and NaN for some theta."""
    parameters = [array.copy() for array in (*net.weights, *net.biases)]
    depth, trainer = len(net.weights), fb.Trainer(net, loss=loss)
    out = []
    for array in parameters:
        g, places = np.full_like(array, np.nan), [*np.ndindex(array.shape)]
        for index in places[:: -(-len(places) // MOST)]:
            value, slopes = array[index], []
            for step in (h, 2 * h):
                costs = []
                for sign in (1, -1):
                    array[index] = value + sign * step
                    net.set_weights(parameters[:depth], parameters[depth:])
                    costs.append(trainer.evaluate(X, y)["loss"])
                slopes.append((costs[0] - costs[1]) / (2 * step))
            array[index] = value
            g[index] = (4 * slopes[0] - slopes[1]) / 3
        out.append(g)
    net.set_weights(parameters[:depth], parameters[depth:])
    return out


PAIRS = [*itertools.product(OUTPUTS_WITH_DERIVATIVE, LOSSES)]
FEW = [("softmax", "cross_entropy"), ("identity", "squared_error")]
CASES = [("tanh", *pair, depth) for pair in PAIRS for depth in (1, 2)]
CASES += [(activation, *pair, depth) for activation in DIFFERENTIABLE for pair in FEW for depth in (2, 4)]


@any_pair
@pytest.mark.parametrize(("activation", "output", "loss", "depth"), CASES)
def test_central_differences(activation, output, loss, depth):
    """float64: a fourth-order difference at h = 5e-4 errs by some h^4 = 1e-13, and by 1e-16 / h of cancellation."""
    for seed in range(500):
        net, X, y = problem(SHAPES[depth], activation, output, loss, seed=seed)
        if distance_to_kinks(net, X, y, loss) > 5e-3:
            break
    else:
        raise AssertionError("no point away from the kinks was found")
    _, dW, db = net.gradients(X, y, loss=loss)
    wanted = central_differences(net, X, y, loss)
    scale = max(np.nanmax(np.abs(g)) for g in wanted)
    for got, g in zip([*dW, *db], wanted, strict=True):
        assert np.nanmax(np.abs(got - g)) <= 1e-7 * max(np.nanmax(np.abs(g)), 1e-3 * scale)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [("tanh", *pair) for pair in PAIRS] + [(activation, *pair) for activation in DIFFERENTIABLE for pair in FEW],
)
def test_against_reference(activation, output, loss, dtype, tolerance):
    """float32 within 1e-5 of float64 (some hundred sums of 6e-8 each), float64 within rounding."""
    for sizes in ([33, 1], [61, 37, 7], [5, 19, 33, 8, 16], [16, 32, 32, 2]):
        if sizes[-1] == 1 and output == "softmax" and loss == "binary_cross_entropy":
            continue  # a = 1 always: the loss of a target below 1 is infinite, and cut off by the kernel
        for seed in range(100):
            net, X, y = problem(sizes, activation, output, loss, dtype, seed)
            weights, biases = ([a.astype(np.float64) for a in arrays] for arrays in (net.weights, net.biases))
            wanted_cost, *wanted = reference.gradients(
                X.astype(np.float64), y.astype(np.float64), weights, biases, net.architecture.activation, output, loss
            )
            # On a kink, rounding decides on the side; where a mean over the samples cancels, it leaves fewer digits.
            # Of softmax, which is 1 if it is alone, it cancels to 0.
            cancels = output != "softmax" and np.abs(wanted[1][-1]).max() < 4e-3
            if distance_to_kinks(net, X, y, loss) > 1e-5 and not cancels:
                break
        cost, dW, db = net.gradients(X, y, loss=loss)
        assert cost == pytest.approx(wanted_cost, rel=tolerance)
        for got, g in zip([*dW, *db], wanted[0] + wanted[1], strict=True):
            assert reference.relative(got, g) <= tolerance


def test_a_hundred_layers():
    """The deepest network there is: the chain of deltas is right to its end."""
    net = fb.MLP([5] + [6] * 99 + [3], activation="tanh", output="softmax", dtype=np.float64, seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.uniform(-1, 1, (4, 5)), rng.integers(0, 3, 4)
    cost, dW, _ = net.gradients(X, y, loss="cross_entropy")
    wanted, gradients, _ = reference.gradients(
        X, reference.one_hot(y, 3), net.weights, net.biases, net.architecture.activation, "softmax", "cross_entropy"
    )
    assert cost == pytest.approx(wanted, rel=1e-12)
    assert reference.relative(dW[0], gradients[0]) < 1e-10


def test_parts_and_threads_do_not_change_a_bit():
    """A batch larger than a part is summed part by part, on any number of threads, to the same bits."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2503, 21)).astype(np.float32), rng.integers(0, 5, 2503)
    net = fb.MLP([21, 18, 5], output="softmax", seed=0)
    whole = [net.gradients(X, y, loss="cross_entropy", n_threads=threads) for threads in (1, 2, 3)]
    for cost, dW, db in whole:
        assert cost == whole[0][0]
        assert all((a == b).all() for a, b in zip(dW + db, whole[0][1] + whole[0][2], strict=True))
    _, dW, db = reference.gradients(
        X.astype(float), reference.one_hot(y, 5), *([a.astype(float) for a in p] for p in (net.weights, net.biases)),
        net.architecture.activation, "softmax", "cross_entropy",
    )  # fmt: skip
    assert max(reference.relative(a, b) for a, b in zip(whole[0][1] + whole[0][2], dW + db, strict=True)) < 1e-5


def test_gradients_leave_the_network_alone():
    net = fb.MLP([3, 4, 2], output="softmax", seed=0)
    before = net.weights + net.biases
    net.gradients(np.ones((3, 3)), [0, 1, 0], loss="cross_entropy")
    assert all((a == b).all() for a, b in zip(before, net.weights + net.biases, strict=True))
