"""Losses that are not finite: an error that names the step, and parameters as they were."""

import numpy as np
import pytest
from helpers import digest, labelled, parameters, same

import fastbp as fb


@pytest.mark.parametrize("n_threads", [1, 2])
def test_divergence(n_threads):
    """A step multiplies the error by 1 - 2 eta; its square leaves float32 in the second epoch."""
    eta, n = 1e3, 4
    X, y = np.ones((n, 1)), np.ones((n, 1))
    net = fb.MLP([1, 1], seed=0)
    own = fb.Trainer(
        net,
        loss="squared_error",
        optimizer=fb.SGD(eta, momentum=1e-6),
        batch_size=1,
        shuffle=False,
        n_threads=n_threads,
    )
    error, step = float(net.predict(X[:1])[0, 0]) - 1, 1
    while 0.5 * error * error < float(np.finfo(np.float32).max):
        error, step = error * (1 - 2 * eta), step + 1
    assert n < step <= 2 * n

    own.fit(X, y)
    begun = digest(net)
    with pytest.raises(FloatingPointError, match=f"step {step - n} of epoch 2"):
        own.fit(X, y, epochs=3)
    assert digest(net) == begun
    assert len(own.history["loss"]) == 1
    # Without an error a step is the momentum's alone: it is 0, and the parameters stay.
    own.fit(0 * X, net.predict(0 * X), epochs=1)
    assert digest(net) == begun
    fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1)).fit(X, y)
    assert digest(net) != begun


def test_divergence_outside_training():
    net = fb.MLP([1, 1], seed=0)
    own = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.01))
    small, large = np.ones((2, 1)), np.full((2, 1), 1e30)
    with pytest.raises(FloatingPointError, match="not finite"):
        own.evaluate(large, small)
    with pytest.raises(FloatingPointError, match="not finite"):
        net.gradients(large, small, loss="squared_error")
    with pytest.raises(FloatingPointError, match="validation"):
        own.fit(small, small, validation_data=(large, small))
    assert own.evaluate(small, small)["loss"] >= 0


def test_divergence_names_the_step_and_restores_the_epoch():
    X, y = labelled(100, 7, 4)
    net = fb.MLP([7, 1], dtype=np.float64, seed=0)
    options = {"loss": "squared_error", "optimizer": fb.SGD(0.01, momentum=0.9), "batch_size": 10, "shuffle": False}
    trainer = fb.Trainer(net, **options)
    trainer.fit(X, y.astype(float))
    before = parameters(net)
    large = X.copy()
    large[35] = 1e200  # finite, but its square is not: minibatch 4
    with pytest.raises(FloatingPointError, match="at step 4 of epoch 2"):
        trainer.fit(large, y.astype(float))
    assert same(before, parameters(net))
    with pytest.raises(FloatingPointError, match="not finite"):
        trainer.evaluate(large, y.astype(float))
    with pytest.raises(FloatingPointError, match="not finite"):
        net.gradients(large, y.astype(float), loss="squared_error")
    twin = fb.MLP([7, 1], dtype=np.float64)
    twin.set_weights(net.weights, net.biases)
    for one in (trainer, fb.Trainer(twin, **options)):  # no momentum is left either
        one.fit(X, y.astype(float))
    assert same(parameters(net), parameters(twin))


def test_divergence_in_the_last_step():
    """No loss follows it, but the epoch is taken back all the same."""
    net = fb.MLP([1, 1], seed=0)
    before = parameters(net)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e38), batch_size=2)
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 1"):
        trainer.fit([[1.0], [2.0]], [[1e10], [3e10]])
    assert same(before, parameters(net))


def test_an_epoch_is_recorded_though_its_validation_fails():
    trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    with pytest.raises(FloatingPointError, match="validation_data"):
        trainer.fit([[1.0]], [[1.0]], validation_data=([[1e30]], [[1.0]]))
    assert len(trainer.history["loss"]) == 1
