"""L-BFGS: that it minimises, what it minimises, and which steps it takes."""

import numpy as np
import pytest
import reference
from helpers import parameters, same
from searches import assert_same, classes, curves, flat, make, objective

import fastbp as fb

optimize = pytest.importorskip("scipy.optimize", reason="L-BFGS needs scipy")


def least_squares(X, Y, weights=None, l2=0.0):
    """W and b of the best linear network."""
    weights = np.ones(len(X)) if weights is None else weights
    A = np.column_stack([X, np.ones(len(X))])
    penalty = l2 * weights.sum() * np.diag([1.0] * X.shape[1] + [0.0])
    best = np.linalg.solve(A.T @ (weights[:, None] * A) + penalty, A.T @ (weights[:, None] * Y))
    return best[:-1], best[-1]


# --- that it minimises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [10, 30, 100])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_it_is_as_good_as_that_of_scipy(loss, l2, epochs):
    """After as many steps, with room for the luck of a way."""
    X, y = classes() if loss == "cross_entropy" else curves()
    trainer, twin = make(loss=loss, l2=l2), make(loss=loss, l2=l2)
    shapes, layers = [array.shape for array in parameters(twin)], len(twin.network.weights)
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def at(theta):
        arrays = [part.reshape(shape) for part, shape in zip(np.split(theta, ends), shapes, strict=True)]
        twin.network.set_weights(arrays[:layers], arrays[layers:])
        return objective(twin, X, y)

    start = flat(parameters(twin))
    first, _ = at(start)
    found = optimize.minimize(
        at, start, jac=True, method="L-BFGS-B", options={"maxiter": epochs, "maxcor": 10, "ftol": 0, "gtol": 0}
    )
    trainer.fit(X, y, epochs=epochs)
    got, _ = objective(trainer, X, y)
    assert got < 0.6 * first
    assert got < 1.2 * found.fun + 0.002 * first


@pytest.mark.parametrize("memory", [2, 10])
@pytest.mark.parametrize("options", [{}, {"sample_weight": np.linspace(0, 3, 60)}, {"l2": 0.1}])
def test_least_squares(options, memory):
    """A linear network, of which the best is known; steps beyond it change nothing that matters."""
    X, Y = curves()
    weights = options.get("sample_weight")
    W, b = least_squares(X * [1, 3, 0.3], Y, weights, options.get("l2", 0.0))
    trainer = make((3, 2), optimizer=fb.LBFGS(memory=memory, ftol=0, gtol=0), l2=options.get("l2", 0.0))
    for epochs in (50, 50):
        trainer.fit(X * [1, 3, 0.3], Y, epochs=epochs, sample_weight=weights)
        assert reference.relative(trainer.network.weights[0], W) < 1e-6
        assert reference.relative(trainer.network.biases[0], b) < 1e-6


def test_it_is_faster_than_going_down_the_gradient():
    """It knows the curvature: of a bowl a hundred times as steep in one direction."""
    X, Y = curves()
    X = X * [1, 10, 0.3]
    W, _ = least_squares(X, Y)
    trainer = make((3, 2))
    trainer.network.theta = np.zeros(trainer.network.n_parameters)
    trainer.fit(X, Y, epochs=25)
    assert reference.relative(trainer.network.weights[0], W) < 1e-4


@pytest.mark.parametrize("l2", [0.1, 0.01])
def test_the_gradient_vanishes_at_the_end(l2):
    """That of the penalised objective, which is convex and so has one minimum; that of the loss does not."""
    X, y = classes()
    trainer = make((3, 3), "cross_entropy", l2=l2)
    trainer.fit(X, y, epochs=100)
    assert np.abs(objective(trainer, X, y)[1]).max() < 1e-6
    trainer.l2 = 0.0
    assert np.abs(objective(trainer, X, y)[1]).max() > 1e-3


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_l1(l2):
    """Where no weight is 0, the best linear network is that of least squares, moved."""
    X, _ = curves()
    Y = X @ [[1.0, -2.0], [3.0, 1.0], [-1.0, 2.0]] + 0.5
    trainer = make((3, 2), l1=0.05, l2=l2)
    trainer.fit(X, Y, epochs=60)
    A = np.column_stack([X, np.ones(60)])
    signs = np.vstack([np.sign(trainer.network.weights[0]), np.zeros(2)])
    penalty = 60 * l2 * np.diag([1.0, 1.0, 1.0, 0.0])
    wanted = np.linalg.solve(A.T @ A + penalty, A.T @ Y - 0.05 * 60 * signs)
    assert reference.relative(trainer.network.weights[0], wanted[:-1]) < 1e-6
    assert reference.relative(trainer.network.biases[0], wanted[-1]) < 1e-6


@pytest.mark.parametrize("l1", [0.05, 1.0])
def test_l1_where_the_best_weights_are_zero(l1):
    """Its kinks keep a smooth method from the minimum itself, but not from near it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20))
    y = X[:, :5] @ [2, -1, 3, 0.5, -2] + rng.normal(size=200)

    def lasso(z):  # both signs apart, so that there is no kink
        errors = X @ (z[:20] - z[20:40]) + z[40] - y
        g = X.T @ errors / 200
        return 0.5 * (errors**2).mean() + l1 * z[:40].sum(), np.concatenate([g + l1, l1 - g, [errors.mean()]])

    bounds = [(0, None)] * 40 + [(None, None)]
    best = optimize.minimize(lasso, np.zeros(41), jac=True, method="L-BFGS-B", bounds=bounds)
    trainer = make((20, 1), l1=l1)
    trainer.fit(X, y, epochs=100)
    assert best.fun * (1 - 1e-9) < objective(trainer, X, y)[0] < 1.02 * best.fun


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "absolute_error"])
@pytest.mark.parametrize(
    "options", [{}, {"l1": 0.003}, {"l2": 0.01}, {"learning_rate": 0.01}, {"learning_rate": 100.0}]
)
def test_no_step_makes_it_worse(options, loss, activation, dtype):
    """What is minimised, penalties included, though there are kinks."""
    options = dict(options)
    optimizer = fb.LBFGS(options.pop("learning_rate", 1.0), ftol=0, gtol=0)
    X, y = classes(dtype=dtype) if loss == "cross_entropy" else curves(dtype=dtype)
    trainer = make(loss=loss, optimizer=optimizer, activation=activation, dtype=dtype, **options)
    costs = [objective(trainer, X, y)[0]]
    for _ in range(25):
        trainer.fit(X, y)
        costs.append(objective(trainer, X, y)[0])
    assert np.diff(costs).max() <= 1e-6 * costs[0] * (dtype == np.float32)  # that rounds the penalties here
    assert costs[-1] < 0.9 * costs[0]


def test_the_history_has_the_loss_before_each_step():
    """Without penalties, as it has of other optimizers; and an accuracy, of weighted samples."""
    X, y = classes()
    weights = np.linspace(0, 2, 60)
    trainer = make(loss="cross_entropy", l2=0.01)
    for k in range(4):
        before = trainer.evaluate(X, y, sample_weight=weights)
        history = trainer.fit(X, y, sample_weight=weights)
        assert before == {name: pytest.approx(history[name][k], rel=1e-12) for name in ("loss", "accuracy")}
    assert history["learning_rate"] == [1.0] * 4


def test_xor():
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    net = fb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=0)
    history = fb.Trainer(net, loss="cross_entropy", optimizer=fb.LBFGS(), seed=0).fit(X, y, epochs=30)
    assert history["loss"][-1] < 1e-3
    assert (net.predict_classes(X) == y).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noisy_patterns(dtype):
    """Ten patterns of 64 pixels, as bytes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 500)
    X = np.clip(rng.integers(0, 200, (10, 64))[y] + rng.normal(0, 50, (500, 64)), 0, 255).astype(np.uint8)
    net = fb.MLP([64, 24, 10], output="softmax", scale=1 / 255, dtype=dtype, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.LBFGS())
    history = trainer.fit(X, y, epochs=60)
    assert trainer.evaluate(X, y)["accuracy"] == 1
    assert (np.diff(history["loss"]) <= 0).all()


# --- the steps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [60, 2500])  # these in parts
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"l1": 0.1, "l2": 0.3},
        {"clip_value": 0.02},
        {"clip_norm": 0.05, "l2": 0.3},
        {"dropout": [0.2, 0.5], "input_noise": 0.3},
        {"loss": "cross_entropy", "sample_weight": True},
    ],
)
def test_the_first_step_goes_down_the_gradient(options, n):
    """That of the loss, clipped, then with those of the penalties; with the masks of the first step."""
    options = dict(options)
    X, y = classes(n) if "loss" in options else curves(n)
    weights = np.linspace(0, 3, n) if options.pop("sample_weight", False) else None
    trainer = make(**options)
    net = trainer.network
    before, W = flat(parameters(net)), flat([*net.weights, *(0 * b for b in net.biases)])
    _, dW, db = net.gradients(X, y, loss=trainer.loss, sample_weight=weights, seed=0)
    wanted = flat(dW + db)
    if "clip_norm" in options:
        assert np.linalg.norm(wanted) > options["clip_norm"]
        wanted *= options["clip_norm"] / (np.linalg.norm(wanted) + 1e-6)
    wanted = np.clip(wanted, -options.get("clip_value", np.inf), options.get("clip_value", np.inf))
    wanted += trainer.l1 * np.sign(W) + trainer.l2 * W
    trainer.fit(X, y, sample_weight=weights)
    step = before - flat(parameters(net))
    assert np.linalg.norm(step) > 1e-4
    assert step / np.linalg.norm(step) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-10)


def test_clipping_that_does_nothing():
    X, Y = curves()
    plain, clipped = make(), make(clip_value=1e6, clip_norm=1e6)
    for trainer in (plain, clipped):
        trainer.fit(X, Y, epochs=10)
    assert_same(plain, clipped)


@pytest.mark.parametrize("options", [{"clip_norm": 0.01}, {"clip_value": 0.001}])
def test_clipping(options):
    """Even a gradient that is cut off a lot leads down."""
    X, Y = curves()
    history = make(**options).fit(X, Y, epochs=20)
    assert (np.diff(history["loss"]) <= 0).all()
    assert history["loss"][-1] < 0.8 * history["loss"][0]


@pytest.mark.parametrize("sizes", [(3, 8, 2), (3, 37, 19, 2)])
def test_max_norm(sizes):
    """The weights into every unit keep the bound after each step, while others reach it, and biases are free."""
    X, Y = curves()
    trainer, free = make(sizes, max_norm=0.8), make(sizes)
    start = trainer.evaluate(X, Y)["loss"]
    for _ in range(8):
        trainer.fit(X, Y)
        norms = np.concatenate([np.linalg.norm(W, axis=0) for W in trainer.network.weights])
        assert norms.max() < 0.8 * (1 + 1e-14)
        assert (norms > 0.8 * (1 - 1e-14)).any()
    free.fit(X, Y)
    first = make(sizes, max_norm=0.8)
    first.fit(X, Y)
    for W, wanted in zip(first.network.weights, free.network.weights, strict=True):
        assert reference.relative(W, wanted * np.minimum(1, 0.8 / np.linalg.norm(wanted, axis=0))) < 1e-14
    assert same(first.network.biases, free.network.biases)
    assert trainer.evaluate(X, Y)["loss"] < start


def test_averages():
    """An EMA moves once a step, whatever the line search looked at; SWA at the ends of epochs."""
    X, Y = curves()
    ema, swa, plain = make(average=fb.EMA(0.7)), make(average=fb.SWA(start=2)), make()
    wanted, ends = parameters(plain), []
    ema.fit(X, Y, epochs=6)
    swa.fit(X, Y, epochs=6)
    for step in range(1, 7):
        plain.fit(X, Y)
        ends.append(parameters(plain))
        d = step / (step + 30)
        wanted = [d * a + (1 - d) * b for a, b in zip(wanted, ends[-1], strict=True)]
    assert_same(ema, plain)
    assert_same(swa, plain)
    for k, (a, b) in enumerate(zip(parameters(ema.averaged), parameters(swa.averaged), strict=True)):
        assert reference.relative(a, wanted[k]) < 1e-14
        assert reference.relative(b, np.mean([end[k] for end in ends[2:]], axis=0)) < 1e-14


def test_weights_are_samples_more_than_once():
    X, y = classes()
    weights = np.random.default_rng(1).integers(0, 4, 60)
    weighted, repeated = make(loss="cross_entropy"), make(loss="cross_entropy")
    weighted.fit(X, y, epochs=5, sample_weight=weights)
    repeated.fit(X.repeat(weights, axis=0), y.repeat(weights), epochs=5)
    for a, b in zip(parameters(weighted), parameters(repeated), strict=True):
        assert reference.relative(a, b) < 1e-9
    assert weighted.history["loss"] == pytest.approx(repeated.history["loss"], rel=1e-10)
