"""Weights that are shared: between layers, and inside a matrix."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

import fastbp as fb

SIZES, TIED = (37, 20, 5, 20, 37), [("W4", "W1.T"), ("W3", "W2.T")]
INPUTS = {
    "dense": lambda X: X,
    "mostly 0": lambda X: np.where(X > 0.6, X, 0.0),
    "sparse": lambda X: sparse.csr_matrix(np.where(X > 0.6, X, 0.0)),
}


def samples(n=70, n_in=SIZES[0], dtype=np.float64):
    return np.random.default_rng(1).uniform(-1, 1, (n, n_in)).astype(dtype)


def autoencoder(dtype="float64", **more):
    net = fb.MLP(SIZES, activation="tanh", tied=TIED, dtype=dtype, seed=3, **more)
    rng = np.random.default_rng(2)
    net.theta = net.theta + rng.uniform(-0.1, 0.1, net.n_parameters)
    return net


def untied(net):
    made = net.architecture
    twin = fb.MLP(net.sizes, activation=list(made.activation), bias=list(made.bias), dtype=net.dtype, seed=0)
    twin.set_weights(net.weights, net.biases)
    return twin


def summed(dW):
    """The gradients of all layers if those of tied matrices are added."""
    first, second = dW[0] + dW[3].T, dW[1] + dW[2].T
    return [first, second, second.T, first.T]


def assert_tied(net):
    W = net.weights
    np.testing.assert_array_equal(W[3], W[0].T)
    np.testing.assert_array_equal(W[2], W[1].T)


# --- between layers ---------------------------------------------------------------------------------------------------


def test_numbers_by_hand():
    """C = 1/2 ||sigma(W' sigma(W x)) - x||^2: its value, both parts of the gradient, and their sum."""
    W, x = np.array([[0.1, 0.3], [-0.2, 0.4]]), np.array([[1.0, 0.5]])
    options = {"activation": "sigmoid", "output": "sigmoid", "bias": False, "dtype": "float64"}
    apart, net = fb.MLP([2, 2, 2], **options), fb.MLP([2, 2, 2], tied=[("W2", "W1.T")], **options)
    for each in (apart, net):
        each.set_weights([W.T, W], [None, None])
    cost, (first, second), _ = apart.gradients(x, x, loss="squared_error")
    assert cost == pytest.approx(0.134684, abs=1e-6)
    np.testing.assert_allclose(first.T, [[-0.001516, -0.000758], [0.008586, 0.004293]], atol=1e-6)
    np.testing.assert_allclose(second.T, [[-0.071776, -0.063837], [0.012383, 0.011013]], atol=1e-6)
    same, dW, _ = net.gradients(x, x, loss="squared_error")
    assert same == cost
    np.testing.assert_allclose(dW[0].T, [[-0.073292, 0.011625], [-0.055251, 0.015306]], atol=1e-6)
    np.testing.assert_allclose(dW[0], first + second.T, rtol=1e-12)


@pytest.mark.parametrize("form", INPUTS)
def test_gradient_is_the_sum_over_the_uses(form):
    net, X = autoencoder(), INPUTS[form](samples())
    y = samples()
    cost, dW, db = untied(net).gradients(X, y, loss="squared_error")
    found = net.gradients(X, y, loss="squared_error")
    assert found[0] == cost
    for each, expected in zip(found[1], summed(dW), strict=True):
        np.testing.assert_allclose(each, expected, atol=1e-12)
    for each, expected in zip(found[2], db, strict=True):
        np.testing.assert_array_equal(each, expected)


def test_gradient_against_differences():
    net, X = autoencoder(), samples(9)
    _, gradient = net.gradients(X, X, loss="squared_error", flat=True)
    theta, h = net.theta, 1e-5
    assert gradient.shape == (net.n_parameters,) == theta.shape
    for k in np.random.default_rng(0).choice(theta.size, 60, replace=False):
        ends = []
        for sign in (1, -1):
            net.theta = theta + sign * h * (np.arange(theta.size) == k)
            ends.append(net.gradients(X, X, loss="squared_error")[0])
        assert gradient[k] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-7)


@pytest.mark.parametrize("form", INPUTS)
@pytest.mark.parametrize("gradient", ["fused", "stored"])
def test_training_is_that_of_summed_gradients(form, gradient):
    """SGD with momentum and weight decay, step by step, in NumPy."""
    net, X, y = autoencoder(), samples(), samples()
    given, eta, mu, l2 = INPUTS[form](X), 0.1, 0.9, 0.01
    W, b = [np.array(each) for each in net.weights], [np.array(each) for each in net.biases]
    optimizer = fb.SGD(eta, momentum=mu)
    trainer = fb.Trainer(
        net, loss="squared_error", optimizer=optimizer, l2=l2, batch_size=16, shuffle=False, gradient=gradient, seed=0
    )
    trainer.fit(given, y, epochs=2)
    v, u, twin = [0.0 * each for each in W], [0.0 * each for each in b], untied(net)
    for _ in range(2):
        for k in range(0, len(X), 16):
            twin.set_weights(W, b)
            _, dW, db = twin.gradients(given[k : k + 16], y[k : k + 16], loss="squared_error")
            for l, (g, e) in enumerate(zip(summed(dW), db, strict=True)):
                v[l] = mu * v[l] + g + l2 * W[l]
                u[l] = mu * u[l] + e
                W[l], b[l] = W[l] - eta * v[l], b[l] - eta * u[l]
    assert_tied(net)
    for found, expected in zip([*net.weights, *net.biases], [*W, *b], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", fb.AdamW(0.01, weight_decay=0.1), "rprop", fb.LBFGS()], ids=str)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5, "average": fb.EMA(0.9)}], ids=["plain", "clipped"])
def test_tied_weights_stay_equal(optimizer, options):
    net, X = autoencoder(dropout=0.1, max_norm=1.0), samples()
    trainer = fb.Trainer(net, loss="squared_error", optimizer=optimizer, seed=0, **options)
    history = trainer.fit(X, X, epochs=4)
    assert history["loss"][-1] < history["loss"][0]
    assert_tied(net)
    if options:
        assert_tied(trainer.averaged)
    assert np.linalg.norm(net.weights[0], axis=0).max() <= 1 + 1e-9
    copies = untied(net).predict(X)
    np.testing.assert_array_equal(net.predict(X), copies)
    np.testing.assert_array_equal(net.predict(X[:1]), copies[:1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", INPUTS)
def test_same_bits_for_all_threads_and_forms(form, dtype):
    """1, 2 and 3 threads, minibatches of one part and gradients in memory: the same bits."""
    X, found = samples(dtype=dtype), []
    for threads, gradient in [(1, "fused"), (2, "fused"), (3, "stored")]:
        net = autoencoder(dtype)
        trainer = fb.Trainer(
            net, loss="squared_error", optimizer="adam", n_threads=threads, gradient=gradient, batch_size=35, seed=0
        )
        trainer.fit(INPUTS[form](X), X, epochs=2)
        found.append(net.theta)
    twin = autoencoder(dtype)
    dense = INPUTS["dense" if form == "dense" else "mostly 0"](X)
    fb.Trainer(twin, loss="squared_error", optimizer="adam", batch_size=35, seed=0).fit(dense, X, epochs=2)
    for each in [*found, twin.theta]:
        np.testing.assert_array_equal(each, found[0])


def test_one_orientation_three_layers():
    """A matrix that three layers use as it is, as in an unrolled recurrence."""
    net = fb.MLP([8, 8, 8, 8], activation="tanh", tied=[("W2", "W1"), ("W3", "W2")], dtype="float64", seed=0)
    assert net.architecture.tied == (("W2", "W1"), ("W3", "W1"))
    assert net.n_parameters == 8 * 8 + 3 * 8
    X = samples(20, 8)
    twin = untied(net)
    dW = twin.gradients(X, X, loss="squared_error")[1]
    for each in net.gradients(X, X, loss="squared_error")[1]:
        np.testing.assert_allclose(each, sum(dW), atol=1e-13)
    fb.Trainer(net, loss="squared_error", seed=0).fit(X, X, epochs=3)
    assert all(np.array_equal(a, b) for a, b in pairwise(net.weights))


def test_what_knows_a_tied_matrix_once(tmp_path):
    net, X = autoencoder(), samples(5)
    assert net.n_parameters == 37 * 20 + 20 * 5 + 20 + 5 + 20 + 37
    net.save(tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").stat().st_size < 8 * net.n_parameters + 4000
    for twin in (fb.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net)), net.astype("float64")):
        assert twin.architecture == net.architecture
        np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    trainer = fb.Trainer(net, loss="squared_error", l1=0.5, l2=0.2, metrics=["objective"])
    found = trainer.evaluate(X, X)
    weights = [W.astype(float) for W in net.weights[:2]]
    penalty = sum(0.5 * abs(W).sum() + 0.1 * (W * W).sum() for W in weights)
    assert found["objective"] - found["loss"] == pytest.approx(penalty)
    part = net[:2]
    assert part.architecture.tied == ()
    assert net[1:3].architecture.tied == (("W2", "W1.T"),)
    np.testing.assert_array_equal(net[2:].predict(part.predict(X)), net.predict(X))
    assert "tied=(('W3', 'W2.T'), ('W4', 'W1.T'))" in repr(net)


def test_resume_and_ensemble(tmp_path):
    X = samples()
    options = {"loss": "squared_error", "optimizer": "adam", "seed": 0}
    whole, cut = fb.Trainer(autoencoder(), **options), fb.Trainer(autoencoder(), **options)
    whole.fit(X, X, epochs=6)
    cut.fit(X, X, epochs=3, callbacks=[fb.Checkpoint(tmp_path)])
    again = fb.Trainer.resume(tmp_path)
    again.fit(X, X, epochs=3)  # which were finished
    again.fit(X, X, epochs=3)
    np.testing.assert_array_equal(again.network.theta, whole.network.theta)
    ensemble = fb.Ensemble([whole, again])
    np.testing.assert_allclose(ensemble.predict(X[:2]), whole.network.predict(X[:2]), rtol=1e-12)


def test_gradient_checks_know_shared_weights():
    X = samples(3)
    for net in (autoencoder(), fb.MLP([37, 20, 37], activation="tanh", shared={1: NUMBERS}, dtype="float64", seed=0)):
        errors = fb.check_gradients(net, X, X, "squared_error")
        assert errors.passed
        assert len(errors) == len(net)
        small = fb.MLP([4, 3, 4], activation="tanh", tied=[("W2", "W1.T")], shared=None, dtype="float64", seed=0)
        slow = fb.numerical_gradients(small, X[:, :4], X[:, :4], "squared_error")
        for found, expected in zip(slow.dW, small.gradients(X[:, :4], X[:, :4], loss="squared_error")[1], strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-9)


def test_other_libraries_get_copies():
    """PyTorch and scikit-learn have each use of a tied matrix, and what comes back must be tied."""
    net, X = autoencoder(), samples(5)
    tensors = fb.interop.to_torch(net)
    assert len(tensors) == 8
    fb.interop.from_torch(net, tensors)
    np.testing.assert_allclose(fb.interop.to_sklearn(net).predict(X), net.predict(X), rtol=1e-12)
    tensors["6.weight"] = tensors["6.weight"] + 1
    with pytest.raises(ValueError, match="because they are tied"):
        fb.interop.from_torch(net, tensors)


def test_weights_from_outside():
    net = autoencoder()
    W, b = [np.array(each) for each in net.weights], [np.array(each) for each in net.biases]
    W[3][0, 0] += 1
    before = net.theta
    with pytest.raises(ValueError, match=r"weights\[3\] must be equal to weights\[0\], because they are tied"):
        net.set_weights(W, b)
    np.testing.assert_array_equal(net.theta, before)
    trainer, X = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1)), samples(6)
    twin = autoencoder()
    _, dW, db = net.gradients(X, X, loss="squared_error")
    trainer.apply_gradients(dW, db)
    fb.Trainer(twin, loss="squared_error", optimizer=fb.SGD(0.1), batch_size=6, shuffle=False).fit(X, X)
    np.testing.assert_allclose(net.theta, twin.theta, rtol=1e-12)
    net.theta = before
    np.testing.assert_array_equal(net.predict(X), autoencoder().predict(X))


@pytest.mark.parametrize(
    ("tied", "message"),
    [
        ([("W4", "W5.T")], r"tied\[0\] must have names from 'W1' to 'W4', also with '.T' behind, got 'W5.T'"),
        ([("W4", "W1")], r"tied\[0\] must be matrices of one shape, got \('W4', 'W1'\): W1 has shape \(37, 20\)"),
        ([("W1", "W1.T")], r"tied\[0\] must be two matrices"),
        (["W4"], r"tied\[0\] must be a pair of matrices such as \('W4', 'W1.T'\), got 'W4'"),
        ("W4", r"tied must be pairs of matrices such as \[\('W4', 'W1.T'\)\], got 'W4'"),
    ],
)
def test_wrong_ties(tied, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fb.MLP(SIZES, tied=tied)


def test_a_matrix_cannot_be_its_own_transpose():
    with pytest.raises(ValueError, match=r"tied\[1\] must not tie W1 to its own transpose"):
        fb.MLP([4, 4, 4], tied=[("W2", "W1"), ("W2", "W1.T")])


def test_lazy_gradients_are_refused():
    with pytest.raises(ValueError, match="gradient must not be 'lazy' for a network with shared weights"):
        fb.Trainer(autoencoder(), loss="squared_error", gradient="lazy")


def test_autoencoder():
    """A network with an odd number of layers has a middle one of its own; denoising learns from clean targets."""
    assert fb.autoencoder([9, 4, 9]).architecture.tied == (("W2", "W1.T"),)
    assert fb.autoencoder([9, 6, 6, 9]).architecture.tied == (("W3", "W1.T"),)
    assert fb.autoencoder([9, 4, 9], tied=False).architecture.tied == ()
    X = samples(60, 3) @ np.random.default_rng(0).normal(size=(3, 9))
    net = fb.autoencoder([9, 3, 9], activation="identity", dropout=[0.2, 0.0], dtype="float64", seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), seed=0)
    before = trainer.evaluate(X, X)["loss"]
    trainer.fit(X, X, epochs=200)
    assert trainer.evaluate(X, X)["loss"] < 0.2 * before
    with pytest.raises(
        ValueError, match=r"sizes must be the same backwards, such as \[784, 64, 784\], got \[9, 4, 8\]"
    ):
        fb.autoencoder([9, 4, 8])


# --- inside a matrix --------------------------------------------------------------------------------------------------


def circulant(n):
    """The numbers of a matrix whose columns are one pattern, each moved on by one place."""
    return (np.arange(n)[:, None] - np.arange(n)) % n


NUMBERS = np.random.default_rng(5).integers(-1, 7, (37, 20))


def expanded(values):
    return np.append(values, 0.0)[NUMBERS]


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("form", INPUTS)
def test_gradient_is_the_sum_over_the_places(layer, form):
    X = INPUTS[form](samples())
    sizes = (37, 20, 5) if layer == 1 else (37, 37, 20)
    net = fb.MLP(sizes, activation="tanh", shared={layer: NUMBERS}, dtype="float64", seed=0)
    y = samples(70, sizes[-1])
    assert net.n_parameters == untied(net).n_parameters - NUMBERS.size + 7
    W = net.weights[layer - 1]
    assert np.unique(W).size == 8
    assert (W[NUMBERS < 0] == 0).all()
    cost, dW, db = untied(net).gradients(X, y, loss="squared_error")
    found = net.gradients(X, y, loss="squared_error", inputs=form != "sparse")
    assert found[0] == cost
    expected = expanded([dW[layer - 1][g == NUMBERS].sum() for g in range(7)])
    np.testing.assert_allclose(found[1][layer - 1], expected, atol=1e-12)
    for k, each in enumerate(found[2]):
        np.testing.assert_array_equal(each, db[k])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.3}, {"l2": 0.01, "average": fb.EMA(0.9)}], ids=str)
def test_training_of_shared_numbers(dtype, options):
    """The same bits for all threads; equal weights stay equal; and the predictions are those of the whole matrix."""
    X, y, found = samples(dtype=dtype), samples(70, 5, dtype), []
    for threads in (1, 2):
        net = fb.MLP([37, 20, 5], activation="tanh", shared={1: NUMBERS}, dtype=dtype, seed=0)
        trainer = fb.Trainer(net, loss="squared_error", n_threads=threads, batch_size=32, seed=0, **options)
        history = trainer.fit(X, y, epochs=3)
        assert history["loss"][-1] < history["loss"][0]
        found.append(net.theta)
        np.testing.assert_array_equal(net.predict(X), untied(net).predict(X))
        assert np.unique(net.weights[0]).size == 8
    np.testing.assert_array_equal(*found)


def test_shared_numbers_in_files(tmp_path):
    net = fb.MLP([37, 20, 5], shared={1: NUMBERS}, seed=0)
    net.save(tmp_path / "net.safetensors")
    for twin in (fb.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))):
        assert twin.architecture == net.architecture
        np.testing.assert_array_equal(twin.weights[0], net.weights[0])
    assert net[1:].architecture.shared == ()
    assert net[:1].architecture.shared == net.architecture.shared
    W, b = [np.array(each) for each in net.weights], net.biases
    W[0][0, 0] += 1
    with pytest.raises(ValueError, match=r"weights\[0\] must have equal weights where they are shared"):
        net.set_weights(W, b)


def test_circulant_tells_patterns_that_wrap_around():
    """A unit for each place with one pattern of weights: 8 + 1 free parameters decide what no single unit can (001).

    In each place, 4 of the 8 translations of 11110000 have a one, and 4 of those of 11011000: a single unit gets the
    same sum from both.
    """
    first, second = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 1, 0, 0, 0]
    X = np.array([np.roll(each, k) for each in (first, second) for k in range(8)], float)
    y = np.repeat([1.0, 0.0], 8)
    hidden, top = circulant(8), np.zeros((8, 1), int)
    best = 0.0
    for seed in range(5):
        net = fb.MLP(
            [8, 8, 1], output="sigmoid", shared={1: hidden, 2: top}, bias=[False, True], dtype="float64", seed=seed
        )
        trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.Adam(0.05), seed=0)
        best = max(best, trainer.fit(X, y, epochs=1500)["accuracy"][-1])
    assert best == 1.0


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ({3: circulant(4)}, "the layers of shared must be below 3, got 3"),
        ({1: circulant(4)}, r"shared\[1\] must have shape \(8, 8\), got \(4, 4\)"),
        ({1: np.full((8, 8), 0.5)}, r"shared\[1\] does not fit: the numbers of shared weights must be a matrix of int"),
        ({1: 2 * circulant(8)}, r"shared\[1\] does not fit: .* must be 0, 1, ... without a gap"),
        ("W1", r"shared must be a dict such as \{1: numbers\}, got 'W1'"),
    ],
)
def test_wrong_numbers(shared, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fb.MLP([8, 8, 1], shared=shared)


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="max_norm must be None with shared"):
        fb.MLP([8, 8, 1], shared={1: circulant(8)}, max_norm=1.0)
    with pytest.raises(ValueError, match="shared must not have layer 1, whose matrix is tied"):
        fb.MLP([8, 8, 8], shared={1: circulant(8)}, tied=[("W2", "W1.T")])
