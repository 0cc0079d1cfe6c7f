"""What goes with a loss: penalties, clipping, norms, dropout, noise, weights of samples and classes, smoothing."""

import numpy as np
import pytest
import reference
from helpers import parameters, same

import fastbp as fb


def problem(n=40, sizes=(6, 20, 3), dtype=np.float64, **options):
    rng = np.random.default_rng(0)
    options = {"activation": "tanh", "output": "softmax", "seed": 0} | options
    net = fb.MLP(list(sizes), dtype=dtype, **options)
    net.set_weights(net.weights, [rng.normal(size=n_out) for n_out in sizes[1:]])
    return net, rng.normal(size=(n, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], n)


def step(net, X, y, *, eta=0.5, **options):
    """What one full-batch step of SGD subtracts from weights and biases, over eta."""
    before = parameters(net)
    options = {"loss": "cross_entropy"} | options
    weights = {name: options.pop(name) for name in ("sample_weight", "class_weight") if name in options}
    fb.Trainer(net, optimizer=fb.SGD(eta), batch_size=len(X), seed=0, **options).fit(X, y, **weights)
    return [(a - b) / eta for a, b in zip(before, parameters(net), strict=True)]


def assert_close(got, wanted, tolerance=1e-12):
    for a, b in zip(got, wanted, strict=True):
        assert reference.relative(a, b) < tolerance


# --- penalties and clipping -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["fused", "stored"])
def test_penalties(gradient):
    """l1 sum |w| + l2/2 sum w^2 of the weights; biases are left out."""
    net, X, y = problem()
    W, (_, dW, db) = net.weights, net.gradients(X, y, loss="cross_entropy")
    wanted = [g + 0.01 * np.sign(w) + 0.1 * w for g, w in zip(dW, W, strict=True)] + db
    assert_close(step(net, X, y, l1=0.01, l2=0.1, gradient=gradient), wanted)


def test_clip_value():
    net, X, y = problem()
    _, dW, db = net.gradients(X, y, loss="cross_entropy")
    assert max(np.abs(g).max() for g in dW + db) > 0.02
    wanted = [np.clip(g, -0.02, 0.02) for g in dW + db]
    assert_close(step(net, X, y, clip_value=0.02), wanted)


@pytest.mark.parametrize("sizes", [(6, 20, 3), (100, 150, 20, 3)])
def test_clip_norm(sizes):
    """Of all parameters together; below the bound the gradient is left as it is, to the bit."""
    net, X, y = problem(sizes=sizes)
    _, dW, db = net.gradients(X, y, loss="cross_entropy")
    norm = np.sqrt(sum((g**2).sum() for g in dW + db))
    assert_close(step(net, X, y, clip_norm=norm / 3), [g * (norm / 3) / (norm + 1e-6) for g in dW + db])
    twins = [problem(sizes=sizes)[0] for _ in range(2)]
    for twin, options in zip(twins, ({}, {"clip_norm": 10 * norm}), strict=True):
        step(twin, X, y, **options)
    assert same(twins[0].weights, twins[1].weights)


def test_clipping_comes_before_penalties():
    net, X, y = problem()
    W, (_, dW, db) = net.weights, net.gradients(X, y, loss="cross_entropy")
    wanted = [np.clip(g, -0.02, 0.02) + 0.3 * w for g, w in zip(dW, W, strict=True)]
    wanted += [np.clip(g, -0.02, 0.02) for g in db]
    assert_close(step(net, X, y, clip_value=0.02, l2=0.3), wanted)


@pytest.mark.parametrize("sizes", [(6, 20, 3), (61, 37, 23, 7)])
def test_max_norm(sizes):
    """Weights into a unit are shrunk to the bound, in what `backward` reads of them too; biases are free."""
    free, X, y = problem(sizes=sizes)
    net, _, _ = problem(sizes=sizes, max_norm=0.7, init="he_uniform")
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.3), batch_size=40, shuffle=False)
    for _ in range(3):
        free.set_weights(net.weights, net.biases)
        step(free, X, y, eta=0.3, shuffle=False)
        trainer.fit(X, y)
        for W, wanted in zip(net.weights, free.weights, strict=True):
            norms = np.linalg.norm(wanted, axis=0)
            assert (norms > 0.7).any()
            assert reference.relative(W, wanted * np.minimum(1, 0.7 / norms)) < 1e-13
            assert np.linalg.norm(W, axis=0).max() < 0.7 * (1 + 1e-14)
        assert same(net.biases, free.biases)


@pytest.mark.parametrize("gradient", ["fused", "stored"])
@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.0), (0.0, 0.3), (0.02, 0.3)])
def test_steps_go_down_what_is_minimised(l1, l2, gradient):
    """The penalised loss, by central differences, with dropout, noise, weights and smoothing at once.

    The masks are those of the trainer's first step, which `gradients` draws from the same seed; no weight is near the
    kink of l1.
    """
    net, X, y = problem(7, (5, 18, 9, 3), dropout=[0.2, 0.5, 0.4], input_noise=0.3)
    rng, h = np.random.default_rng(3), 1e-5
    W = [rng.choice([-1, 1], w.shape) * rng.uniform(0.1, 0.6, w.shape) for w in net.weights]
    net.set_weights(W, net.biases)
    parameters = [array.copy() for array in (*net.weights, *net.biases)]
    options = {"loss": fb.losses.CrossEntropy(0.2), "sample_weight": np.linspace(0, 2, 7)}
    got = step(net, X, y, l1=l1, l2=l2, gradient=gradient, shuffle=False, **options)

    def penalised():
        net.set_weights(parameters[:3], parameters[3:])
        penalties = sum(l1 * np.abs(w).sum() + 0.5 * l2 * (w**2).sum() for w in net.weights)
        return net.gradients(X, y, seed=0, **options)[0] + penalties

    for array, g in zip(parameters, got, strict=True):
        wanted = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            value, costs = array[index], []
            for sign in (1, -1):
                array[index] = value + sign * h
                costs.append(penalised())
            array[index] = value
            wanted[index] = (costs[0] - costs[1]) / (2 * h)
        assert g == pytest.approx(wanted, rel=1e-6, abs=1e-9)
        assert reference.relative(g, wanted) < 1e-7


# --- dropout and noise ------------------------------------------------------------------------------------------------


def masks(rate, n, units, seed=0, dtype=np.float32):
    """What dropout leaves of n x units ones: the gradient of a sum of units that are all 1, over each one's weight."""
    net = fb.MLP([1, units, 1], activation="identity", dropout=rate, dtype=dtype, seed=0)
    net.set_weights([np.zeros((1, units)), np.ones((units, 1))], [np.ones(units), np.zeros(1)])
    rows = []
    for r in range(n):
        y = np.zeros((n, 1))
        weights = np.zeros(n)
        weights[r] = 1
        _, dW, _ = net.gradients(np.zeros((n, 1)), y, loss="absolute_error", sample_weight=weights, seed=seed)
        rows.append(dW[1].ravel())
    return np.array(rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks(rate, dtype):
    """0 or 1 / (1 - rate), the first with probability `rate`; rows, columns and seeds have nothing in common."""
    n, units = 60, 333
    mask = masks(rate, n, units, dtype=dtype)
    kept = mask != 0
    assert np.allclose(mask[kept], 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / mask.size)
    assert abs(kept.mean() - (1 - rate)) < 4 * deviation
    other = masks(rate, n, units, seed=1, dtype=dtype) != 0
    for a, b in ((kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1]), (kept, other)):
        agree = ((a == b).mean() - (rate**2 + (1 - rate) ** 2)) * np.sqrt(a.size)
        assert abs(agree) < 4


def test_masks_are_the_same_in_both_dtypes():
    assert ((masks(0.5, 9, 40) != 0) == (masks(0.5, 9, 40, dtype=np.float64) != 0)).all()


def test_dropout_is_for_training_alone():
    nets = [fb.MLP([4, 9, 3], dropout=rate, input_noise=rate, seed=0) for rate in (0.0, 0.5)]
    X = np.ones((5, 4))
    assert (nets[0].predict(X) == nets[1].predict(X)).all()
    gradients = [net.gradients(X, np.ones((5, 3)), loss="squared_error") for net in nets]
    assert gradients[0][0] == gradients[1][0]


def test_each_layer_has_its_rate():
    net = fb.MLP([50, 60, 70, 1], activation="identity", dropout=[0.9, 0.0, 0.5], seed=0)
    _, dW, _ = net.gradients(np.ones((1, 50)), [[0.0]], loss="absolute_error", seed=0)
    assert 0 < (dW[0] != 0).any(axis=1).sum() < 20
    assert (dW[1] != 0).any(axis=1).all()
    assert 20 < (dW[2] != 0).sum() < 50


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "softplus"])
def test_gradients_with_dropout_noise_weights_and_smoothing(activation):
    """Against central differences with the masks and noise of one seed, which do not depend on the weights."""
    net, X, y = problem(7, (5, 18, 9, 3), activation=activation, dropout=[0.2, 0.5, 0.4], input_noise=0.3)
    options = {"loss": fb.losses.CrossEntropy(0.2), "seed": 3, "sample_weight": np.linspace(0, 2, 7)}
    _, dW, db = net.gradients(X, y, **options)
    parameters, h = [array.copy() for array in (*net.weights, *net.biases)], 1e-5
    for array, got in zip(parameters, dW + db, strict=True):
        for index in [tuple(i) for i in np.argwhere(np.ones_like(array))][:: max(1, array.size // 25)]:
            value, costs = array[index], []
            for sign in (1, -1):
                array[index] = value + sign * h
                net.set_weights(parameters[:3], parameters[3:])
                costs.append(net.gradients(X, y, **options)[0])
            array[index] = value
            assert (costs[0] - costs[1]) / (2 * h) == pytest.approx(got[index], rel=1e-6, abs=1e-9)


def test_noise():
    """Of the deviation asked for, around 0, new at each step; the padding of the inputs stays 0."""
    net = fb.MLP([21, 1], input_noise=0.5, seed=0)
    net.set_weights([np.zeros((21, 1))], [[1.0]])
    noise = []
    for seed in range(400):  # dC/dw_j = a_j of the one sample
        _, dW, _ = net.gradients(np.zeros((1, 21)), [[0.0]], loss="absolute_error", seed=seed)
        noise.append(dW[0].ravel())
    noise = np.array(noise, float)
    assert abs(noise.mean()) < 4 * 0.5 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.5, rel=4 / np.sqrt(2 * noise.size))
    assert ((np.abs(noise) > 1).mean() - 0.0455) < 4 * np.sqrt(0.0455 / noise.size)
    assert np.abs(np.corrcoef(noise, rowvar=False) - np.eye(21)).max() < 5 / np.sqrt(400)
    before = net.weights[0].copy()
    fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), batch_size=8).fit(np.zeros((64, 21)), np.full(64, 3.0))
    assert (net.weights[0] != before).any()
    assert np.isfinite(net.predict(np.zeros((1, 21)))).all()


# --- weights of samples and classes -----------------------------------------------------------------------------------


LOSSES = {"cross_entropy": 3, "squared_error": 2, "binary_cross_entropy": 1, "norm_error": 2}


def targets(loss, n, n_out):
    rng = np.random.default_rng(1)
    if loss == "cross_entropy":
        return rng.integers(0, n_out, n)
    return rng.integers(0, 2, (n, n_out)) if loss == "binary_cross_entropy" else rng.normal(size=(n, n_out))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_two_is_the_sample_twice(loss):
    n_out = LOSSES[loss]
    net, X, _ = problem(30, (6, 10, n_out), output="softmax" if loss == "cross_entropy" else "sigmoid")
    y, weights = targets(loss, 30, n_out), np.random.default_rng(2).integers(0, 4, 30)
    cost, dW, db = net.gradients(X, y, loss=loss, sample_weight=weights)
    wanted = net.gradients(X.repeat(weights, axis=0), y.repeat(weights, axis=0), loss=loss)
    assert cost == pytest.approx(wanted[0], rel=1e-13)
    assert_close(dW + db, wanted[1] + wanted[2])
    trainer = fb.Trainer(net, loss=loss)
    scores = trainer.evaluate(X, y, sample_weight=weights)
    repeated = trainer.evaluate(X.repeat(weights, axis=0), y.repeat(weights, axis=0))
    assert scores == pytest.approx(repeated, rel=1e-13)


def test_weights_in_minibatches():
    """Each step has the weighted mean of its own minibatch; one whose samples weigh nothing moves nothing."""
    net, X, y = problem(25)
    weights = np.random.default_rng(2).uniform(0, 3, 25)
    weights[10:20] = 0
    theta = parameters(net)
    options = {"optimizer": fb.SGD(0.2), "batch_size": 10, "shuffle": False}
    history = fb.Trainer(net, loss="cross_entropy", **options).fit(X, y, sample_weight=weights)
    total = 0.0
    for start in (0, 20):
        rows = slice(start, start + 10)
        twin, _, _ = problem()
        twin.set_weights(theta[:2], theta[2:])
        cost, dW, db = twin.gradients(X[rows], y[rows], loss="cross_entropy", sample_weight=weights[rows])
        total += cost * weights[rows].sum()
        theta = [p - 0.2 * g for p, g in zip(theta, dW + db, strict=True)]
    assert_close(parameters(net), theta)
    assert history["loss"] == pytest.approx([total / weights.sum()], rel=1e-12)


def test_class_weights():
    net, X, y = problem()
    table = np.array([2.0, 1.0, 0.5])
    _, dW, _ = net.gradients(X, y, loss="cross_entropy", sample_weight=table[y])
    start = net.weights, net.biases
    for given in ({0: 2, 2: 0.5}, {0: 2.0, 1: 1.0, 2: 0.5}):
        net.set_weights(*start)
        assert_close(step(net, X, y, class_weight=given)[:2], dW)
    net.set_weights(*start)  # multiplied with the weights of samples, and of one-hot rows the same
    assert_close(
        step(net, X, reference.one_hot(y, 3), class_weight={0: 4, 1: 2}, sample_weight=np.full(40, 3.0))[:2], dW
    )
    counts = np.bincount(y)
    net.set_weights(*start)
    _, dW, _ = net.gradients(X, y, loss="cross_entropy", sample_weight=(len(y) / (3 * counts))[y])
    assert_close(step(net, X, y, class_weight="balanced")[:2], dW)


def test_class_weights_of_one_output():
    net, X, y = problem(sizes=(6, 20, 1), output="sigmoid")
    y = y > 0
    _, dW, _ = net.gradients(X, y, loss="binary_cross_entropy", sample_weight=np.where(y, 3.0, 0.5))
    assert_close(step(net, X, y, loss="binary_cross_entropy", class_weight={0: 0.5, 1: 3})[:2], dW)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"sample_weight": np.ones(39)}, ValueError, r"sample_weight must have shape \(40,\)"),
        ({"sample_weight": np.ones((40, 1))}, ValueError, r"sample_weight must have shape \(40,\)"),
        ({"sample_weight": -np.ones(40)}, ValueError, r"sample_weight\[0\] is -1.0; every value must be .* at least 0"),
        ({"sample_weight": np.full(40, np.nan)}, ValueError, r"sample_weight\[0\] is nan"),
        ({"sample_weight": np.zeros(40)}, ValueError, "weights must have a sum above 0"),
        ({"class_weight": {3: 1.0}}, ValueError, "keys must be below 3"),
        ({"class_weight": {"a": 1.0}}, TypeError, "keys must be an integer"),
        ({"class_weight": {0: -1.0}}, ValueError, r"class_weight\[0\] must be"),
        ({"class_weight": "even"}, ValueError, "class_weight must be one of 'balanced'"),
        ({"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
    ],
)
def test_bad_weights(weights, error, message):
    net, X, y = problem()
    before = net.weights
    with pytest.raises(error, match=message):
        fb.Trainer(net, loss="cross_entropy").fit(X, y, **weights)
    assert same(before, net.weights)


def test_class_weights_want_classes():
    net, X, _ = problem()
    with pytest.raises(ValueError, match="class_weight needs targets that are classes"):
        fb.Trainer(net, loss="squared_error").fit(X, np.zeros((40, 3)), class_weight="balanced")


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_label_smoothing(output):
    """The same as smoothed targets."""
    net, X, y = problem(output=output)
    soft = 0.9 * reference.one_hot(y, 3) + 0.1 / 3
    got = net.gradients(X, y, loss=fb.losses.CrossEntropy(0.1))
    wanted = net.gradients(X, soft, loss="cross_entropy")
    assert got[0] == pytest.approx(wanted[0], rel=1e-14)
    assert_close(got[1] + got[2], wanted[1] + wanted[2])
