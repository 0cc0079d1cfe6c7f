"""check_gradients: it accepts what is right, and sees what is not."""

import numpy as np
import pytest

import fastbp as fb


def problem(dtype=np.float64, **options):
    rng = np.random.default_rng(0)
    net = fb.MLP([6, 17, 9, 3], activation="tanh", output="softmax", dtype=dtype, seed=0, **options)
    return net, rng.normal(size=(8, 6)), rng.integers(0, 3, 8)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-5), (np.float64, 1e-8)])
def test_right(dtype, bound):
    net, X, y = problem(dtype, dropout=[0.1, 0.4, 0.2], input_noise=0.1, shift=0.5, scale=2.0)
    before = net.weights
    weights = np.linspace(0.1, 2, 8)
    errors = fb.check_gradients(net, X, y, fb.losses.CrossEntropy(0.1), sample_weight=weights, seed=5)
    assert len(errors) == 3
    assert max(max(layer) for layer in errors) < bound
    assert min(min(layer) for layer in errors) > 0  # something was compared
    assert all((a == b).all() for a, b in zip(before, net.weights, strict=True))


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("group", ["W", "b"])
def test_wrong(monkeypatch, layer, group):
    """One gradient that is a percent too large is found, in its layer and nowhere else."""
    net, X, y = problem()
    own = fb.MLP.gradients

    def off(self, *args, **options):
        answer = own(self, *args, **options)
        if self is net:
            net.parameters.from_flat(answer[1])[f"{group}{layer + 1}"][...] *= 1.01
        return answer

    monkeypatch.setattr(fb.MLP, "gradients", off)
    errors = fb.check_gradients(net, X, y, "cross_entropy", most=1000)
    for l, pair in enumerate(errors):
        for name, error in zip("Wb", pair, strict=True):
            assert (error > 5e-3) == ((l, name) == (layer, group))


def test_errors():
    net, X, y = problem()
    with pytest.raises(ValueError, match="most must be at least 1"):
        fb.check_gradients(net, X, y, "cross_entropy", most=0)
    with pytest.raises(ValueError, match="loss must be one of"):
        fb.check_gradients(net, X, y, "guess")


def test_something_that_is_no_network():
    with pytest.raises(TypeError, match="network must be an MLP, got NoneType"):
        fb.check_gradients(None, [[1.0]], [1.0], "squared_error")


def test_a_gradient_of_nan_is_an_error():
    """It is not taken for a derivative that was left out, nor for one of 0."""
    for got, wanted in (([1.0, np.nan], [1.0, 2.0]), ([np.nan], [0.0]), ([np.nan, 1.0], [0.0, np.nan])):
        assert np.isnan(fb.formulas.differences.relative_error(np.array(got), np.array(wanted)))
    assert fb.formulas.differences.relative_error(np.array([1.0, 5.0]), np.array([1.0, np.nan])) == 0


def at_kinks(by):
    """A network whose hidden unit 0 has z = 0 for a sample, or nearly; and its samples."""
    net = fb.MLP([2, 3, 1], activation="relu", dtype="float64", seed=1)
    X, y = np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.3]]), np.array([1.0, -1.0, 0.5])
    weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
    biases[0][0] = by - X[0] @ weights[0][:, 0]
    net.set_weights(weights, biases)
    return net, X, y


@pytest.mark.parametrize("by", [0.0, 2e-4, -2e-4, 8e-4])
def test_a_kink_is_found_and_does_not_count(by):
    errors = fb.check_gradients(*at_kinks(by), "squared_error")
    assert errors.passed
    assert errors.kinks > 0
    assert max(map(max, errors)) < 1e-7
    assert repr(errors).startswith("passed: ")
    assert f"{errors.kinks} weights and biases at a kink do not count" in repr(errors)


@pytest.mark.parametrize("by", [0.0, 2e-4, 0.3])
def test_a_wrong_gradient_at_a_kink_fails(monkeypatch, by):
    net, X, y = at_kinks(by)
    own = fb.MLP.gradients

    def off(self, *args, **options):
        answer = own(self, *args, **options)
        if self is net:
            answer[1][net.weights[0].size] += 3.0  # the gradient of the first bias
        return answer

    monkeypatch.setattr(fb.MLP, "gradients", off)
    errors = fb.check_gradients(net, X, y, "squared_error")
    assert not errors.passed
    assert repr(errors).startswith("FAILED: ")
    assert "in layer 1" in repr(errors)


def test_the_verdict_without_kinks():
    net, X, y = problem()
    errors = fb.check_gradients(net, X, y, "cross_entropy")
    assert errors.passed
    assert "kink" not in repr(errors)
