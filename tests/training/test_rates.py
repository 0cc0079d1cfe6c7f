"""Learning rates by group of parameters."""

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 5)), RNG.normal(size=(64, 2))


def trained(optimizer: fb.rules.optimizers.Optimizer, epochs: int = 3, **options: object) -> fb.MLP:
    net = fb.MLP([5, 9, 2], activation="tanh", dtype="float64", seed=0)
    net.set_weights(net.weights, [np.full(9, 0.1), np.full(2, -0.2)])
    fb.Trainer(net, loss="squared_error", optimizer=optimizer, batch_size=16, seed=0, **options).fit(
        X, Y, epochs=epochs
    )
    return net


def same(a: fb.MLP, b: fb.MLP) -> bool:
    return np.array_equal(a.theta, b.theta)


def test_no_rates_and_rates_of_one_give_the_same_bits():
    assert same(trained(fb.Adam(0.01)), trained(fb.Adam(0.01), rates={"bias": 1.0, "layer 1": 1.0, "W2": 1.0}))


@pytest.mark.parametrize("options", [{}, {"gradient": "stored"}, {"clip_norm": 1.0}, {"n_threads": 2}])
def test_a_rate_of_zero_keeps_parameters_as_they_are(options):
    start, net = trained(fb.SGD(0.1), epochs=0), trained(fb.SGD(0.1), rates={"bias": 0.0, "layer 2": 0.0}, **options)
    assert [np.array_equal(a, b) for a, b in zip(net.biases, start.biases, strict=True)] == [True, True]
    assert [np.array_equal(a, b) for a, b in zip(net.weights, start.weights, strict=True)] == [False, True]


def test_a_block_has_the_product_of_the_rates_that_name_it():
    """One step of plain SGD moves each block by its rate times what the whole rate would move it by."""

    def moved(rates: dict[str, float] | None) -> list[np.ndarray]:
        net = trained(fb.SGD(0.1), epochs=0)
        before = [*net.weights, *net.biases]
        fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), batch_size=64, rates=rates).partial_fit(X, Y)
        return [after - old for after, old in zip([*net.weights, *net.biases], before, strict=True)]

    found, whole = moved({"weight": 0.5, "layer 1": 0.5, "b2": 0.25}), moved(None)
    for some, all_of_it, factor in zip(found, whole, (0.25, 0.5, 0.5, 0.25), strict=True):
        assert np.allclose(some, factor * all_of_it, rtol=1e-9, atol=1e-14)


def test_weight_decay_acts_on_weights_alone():
    net, start = fb.MLP([5, 9, 2], seed=0), fb.MLP([5, 9, 2], seed=0)
    for each in (net, start):
        each.set_weights(each.weights, [np.ones(9), np.ones(2)])
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.AdamW(0.1, weight_decay=0.5))
    trainer.apply_gradients([np.zeros_like(W) for W in net.weights], [np.zeros_like(b) for b in net.biases])
    assert all(np.array_equal(b, np.ones_like(b)) for b in net.biases)
    assert all(np.allclose(W, 0.95 * V) for W, V in zip(net.weights, start.weights, strict=True))


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"biases": 0.1}, "rates must name some of 'W1', 'W2', 'b1', 'b2', 'bias', 'layer 1', .*, got 'biases'"),
        ({"layer 3": 0.1}, "got 'layer 3'"),
        ({"bias": -1}, r"rates\['bias'\] must be"),
    ],
)
def test_wrong_rates(rates, message):
    net = fb.MLP([5, 9, 2])
    with pytest.raises(ValueError, match=message):
        fb.Trainer(net, loss="squared_error", rates=rates)
    trainer = fb.Trainer(net, loss="squared_error")
    with pytest.raises(ValueError, match=message):
        trainer.rates = rates
    assert trainer.rates is None


def test_a_line_search_has_no_rates():
    with pytest.raises(ValueError, match="rates must be None with LBFGS"):
        fb.Trainer(fb.MLP([5, 2]), loss="squared_error", optimizer="lbfgs", rates={"bias": 0.5})
