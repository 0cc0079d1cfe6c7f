"""What a restricted Boltzmann machine computes: energies, probabilities, samples, and the gradient of a step."""

import itertools

import numpy as np
import pytest

import fastbp as fb

W = np.array([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]])
B, C = np.array([0.1, 0.0, -0.1]), np.array([0.2, -0.3])
STATES = np.array([*itertools.product((0.0, 1.0), repeat=3)])
DATA = STATES[[6, 3]]
HIDDEN = np.array([*itertools.product((0.0, 1.0), repeat=2)])
DTYPES = ["float32", "float64"]


def machine(dtype="float64", **options) -> fb.RBM:
    made = fb.RBM(3, 2, dtype=dtype, seed=0, **options)
    made.set_weights(W, B, C)
    return made


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def exact(visible: str = "bernoulli", data: np.ndarray = DATA) -> dict[str, np.ndarray]:
    """The gradient of the mean log-likelihood, by enumeration of all hidden units, and with "bernoulli" of all v."""
    if visible == "bernoulli":
        energies = np.array([[-(B @ v) - C @ h - v @ W @ h for h in HIDDEN] for v in STATES])
        p = np.exp(-energies)
        p /= p.sum()
        own = {"W": STATES.T @ p @ HIDDEN, "b": p.sum(axis=1) @ STATES, "c": p.sum(axis=0) @ HIDDEN}
    else:
        means = B + HIDDEN @ W.T
        p = np.exp(HIDDEN @ C + (means**2).sum(axis=1) / 2)  # the integral over v
        p /= p.sum()
        own = {"W": (p[:, None] * means).T @ HIDDEN, "b": p @ means, "c": p @ HIDDEN}
    H = sigmoid(data @ W + C)
    of_data = {"W": data.T @ H / len(data), "b": data.mean(axis=0), "c": H.mean(axis=0)}
    return {name: of_data[name] - own[name] for name in own}


@pytest.mark.parametrize("dtype", DTYPES)
def test_free_energies_and_the_likelihood(dtype):
    """Each number by enumeration on paper."""
    F = machine(dtype).free_energy(STATES)
    assert F.dtype == dtype
    expected = [-1.352494, -1.308710, -1.718474, -1.696333, -1.428432, -1.342536, -1.781885, -1.718474]
    np.testing.assert_allclose(F, expected, atol=6e-7)
    log_z = np.log(np.exp(-F.astype(float)).sum())
    assert log_z == pytest.approx(3.640643, abs=1e-6)
    assert (-F[[6, 3]].astype(float)).mean() - log_z == pytest.approx(-1.901534, abs=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exact_gradient(dtype):
    """From `free_energy` and `transform` alone, and from the energies of all pairs (v, h)."""
    own = machine(dtype)
    p = np.exp(-own.free_energy(STATES).astype(float))
    p, H = p / p.sum(), own.transform(STATES).astype(float)
    found = {
        "W": DATA.T @ H[[6, 3]] / 2 - STATES.T @ (p[:, None] * H),
        "b": DATA.mean(axis=0) - p @ STATES,
        "c": H[[6, 3]].mean(axis=0) - p @ H,
    }
    expected = {
        "W": [[0.037297, -0.021647], [0.232791, 0.234098], [0.015115, 0.038910]],
        "b": [-0.012063, 0.408469, 0.013068],
        "c": [0.027587, 0.041082],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)
        np.testing.assert_allclose(exact()[name], value, atol=1e-6)


def moved(own: fb.RBM, X: np.ndarray) -> dict[str, np.ndarray]:
    """What one step of a machine with the learning rate 1 adds to the parameters."""
    before = {name: np.array(getattr(own, name)) for name in "Wbc"}
    own.fit(X)
    return {name: getattr(own, name) - before[name] for name in "Wbc"}


def test_long_chains_give_the_exact_gradient():
    """40,000 chains of 60 sweeps: a mean of numbers in [0, 1], whose standard error is at most 1/2 / 200."""
    n = 40_000
    own = machine(optimizer=fb.SGD(1.0), k=60, batch_size=n)
    for name, step in moved(own, np.tile(DATA, (n // 2, 1))).items():
        np.testing.assert_allclose(step, exact()[name], atol=4.5 * 0.5 / np.sqrt(n))


def test_long_chains_of_gaussian_units_give_the_exact_gradient():
    """The standard deviation of v_j sigma(z_i) and of v_j is below 1.5 here."""
    n, rng = 40_000, np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    own = machine(visible="gaussian", optimizer=fb.SGD(1.0), k=60, batch_size=n)
    assert own.sample(n, steps=20, seed=0).std(axis=0).max() < 1.5
    for name, step in moved(own, X).items():
        np.testing.assert_allclose(step, exact("gaussian", X)[name], atol=4.5 * 1.5 / np.sqrt(n))


def test_persistent_chains_give_the_exact_gradient():
    """The mean over 1,000 steps of 100 chains, at a rate with which the parameters stay where they are."""
    rate, steps = 1e-9, 1000
    own = machine(optimizer=fb.SGD(rate), persistent=True, batch_size=100)
    for name, step in moved(own, np.tile(DATA, (50 * steps, 1))).items():
        np.testing.assert_allclose(step / (rate * steps), exact()[name], atol=0.01)


def test_free_energies_of_gaussian_units():
    V = np.random.default_rng(0).normal(size=(20, 3))
    expected = ((V - B) ** 2).sum(axis=1) / 2 - np.log1p(np.exp(V @ W + C)).sum(axis=1)
    np.testing.assert_allclose(machine(visible="gaussian").free_energy(V), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_have_the_probabilities_of_the_machine(dtype):
    """20,000 samples: five standard errors of each share."""
    own, n = machine(dtype), 20_000
    p = np.exp(-own.free_energy(STATES).astype(float))
    p /= p.sum()
    S = own.sample(n, steps=50, seed=1)
    assert S.shape == (n, 3)
    assert S.dtype == dtype
    shares = np.bincount((S @ [4, 2, 1]).astype(int), minlength=8) / n
    assert (np.abs(shares - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


def test_samples_of_gaussian_units():
    """Their mean and their second moments by enumeration of the hidden units, to five standard errors."""
    own, n = machine(visible="gaussian"), 40_000
    means = B + HIDDEN @ W.T
    p = np.exp(HIDDEN @ C + (means**2).sum(axis=1) / 2)
    p /= p.sum()
    S = own.sample(n, steps=50, seed=0)
    np.testing.assert_allclose(S.mean(axis=0), p @ means, atol=5 * 1.2 / np.sqrt(n))
    np.testing.assert_allclose(S.T @ S / n, np.eye(3) + (p[:, None] * means).T @ means, atol=5 * 2.5 / np.sqrt(n))


def test_samples_have_the_unit_of_the_inputs():
    plain = machine("float32")
    scaled = fb.RBM(3, 2, scale=1 / 255, shift=[0, 0, 0], seed=0)
    scaled.set_weights(W, B, C)
    np.testing.assert_allclose(scaled.sample(50, steps=3, seed=2), plain.sample(50, steps=3, seed=2) * 255, rtol=1e-6)
    start = STATES * 255
    np.testing.assert_allclose(scaled.sample(start=start, steps=0), start, rtol=1e-6)
    np.testing.assert_allclose(scaled.free_energy(start.astype(np.uint8)), plain.free_energy(STATES), rtol=1e-6)


def test_a_chain_goes_on_from_its_start():
    own = machine()
    own.set_weights(np.array([[60.0, 0.0], [60.0, 0.0], [60.0, 0.0]]), [-30.0] * 3, [-90.0, 0.0])
    np.testing.assert_array_equal(own.sample(steps=5, start=[[1, 1, 1], [0, 0, 0]], seed=0), [[1, 1, 1], [0, 0, 0]])


def test_the_pseudo_likelihood_changes_one_unit():
    own, n = machine(), 6000
    v = STATES[5]
    changed = np.abs(v - np.eye(3))
    F, others = own.free_energy(v[None])[0], own.free_energy(changed)
    each = 3 * np.log(sigmoid(others - F))
    found = own.pseudo_likelihood(np.tile(v, (n, 1)), seed=0)
    nearest = np.abs(found[:, None] - each).argmin(axis=1)
    np.testing.assert_allclose(found, each[nearest], rtol=1e-9)
    shares = np.bincount(nearest, minlength=3) / n
    assert (np.abs(shares - 1 / 3) < 5 * np.sqrt(2 / 9 / n)).all()
    assert found.mean() == pytest.approx(each.mean(), abs=5 * each.std() / np.sqrt(n))


def test_scores_of_an_epoch():
    """They are means over the samples with the parameters before the step."""
    n, v = 20_000, STATES[6]
    X = np.tile(v, (n, 1))
    own = machine(batch_size=n)
    F, likelihood = own.free_energy(v[None])[0], own.pseudo_likelihood(X, seed=0)
    p = sigmoid(v @ W + C)
    of_h = np.where(HIDDEN == 1, p, 1 - p).prod(axis=1)
    error = of_h @ ((v - sigmoid(HIDDEN @ W.T + B)) ** 2).mean(axis=1)
    history = own.fit(X)
    assert [*history] == ["free_energy", "reconstruction_error", "pseudo_likelihood", "learning_rate", "seconds"]
    assert history["free_energy"][0] == pytest.approx(F, rel=1e-9)
    assert history["reconstruction_error"][0] == pytest.approx(error, abs=5 * 0.1 / np.sqrt(n))
    assert history["pseudo_likelihood"][0] == pytest.approx(likelihood.mean(), abs=6 * likelihood.std() / np.sqrt(n))


def test_the_error_of_persistent_chains_is_that_of_the_samples():
    plain, persistent = machine(), machine(persistent=True)
    one, other = (own.fit(np.tile(DATA, (500, 1))) for own in (plain, persistent))
    assert one["reconstruction_error"][0] == pytest.approx(other["reconstruction_error"][0], abs=0.02)


def test_gaussian_units_have_no_pseudo_likelihood():
    own = machine(visible="gaussian")
    assert "pseudo_likelihood" not in own.fit(STATES)
    with pytest.raises(ValueError, match="visible must be 'bernoulli'"):
        own.pseudo_likelihood(STATES)


def test_hidden_units_have_probabilities():
    np.testing.assert_allclose(machine().transform(STATES), sigmoid(STATES @ W + C), rtol=1e-12)
