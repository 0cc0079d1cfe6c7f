"""Optimizers: step by step against their formulas, and one after another."""

import dataclasses

import inside
import numpy as np
import pytest
import reference
from helpers import digest, labelled, parameters, same

import fastbp as fb


@pytest.mark.parametrize(
    "optimizer",
    [
        fb.SGD(0.1),
        fb.SGD(0.01, momentum=0.9),
        fb.SGD(0.01, momentum=0.9, nesterov=True),
        fb.Adam(0.01),
        fb.Adam(0.1, betas=(0.0, 0.5), epsilon=0.1),
        fb.AdamW(0.01, weight_decay=0.5),
        fb.RMSprop(0.001),
        fb.RMSprop(0.001, centered=True, alpha=0.9),
        fb.RMSprop(0.001, momentum=0.9),
        fb.RMSprop(0.001, momentum=0.9, centered=True),
        fb.Adagrad(0.1, lr_decay=0.1),
        fb.Adadelta(0.5),
        fb.Rprop(0.001),
        fb.Rprop(0.001, forgiving=False, step_sizes=(1e-5, 0.002)),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 10, 64, 103, 1000])
def test_steps(optimizer, batch_size):
    """Two epochs in order of storage, against the formulas in NumPy; 103 samples divide by none of these."""
    X, y = labelled(103, 7, 4)
    net = fb.MLP([7, 9, 4], activation="tanh", output="softmax", dtype=np.float64, seed=0)
    theta, state, t = parameters(net), [[np.zeros_like(a) for _ in range(3)] for a in parameters(net)], 0
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, batch_size=batch_size, shuffle=False)
    history = trainer.fit(X, y, epochs=2)
    losses = []
    for _ in range(2):
        total = 0.0
        for start in range(0, 103, batch_size):
            Xb, Yb = X[start : start + batch_size], reference.one_hot(y[start : start + batch_size], 4)
            cost, dW, db = reference.gradients(Xb, Yb, theta[:2], theta[2:], ["tanh"], "softmax", "cross_entropy")
            total += cost * len(Xb)
            t += 1
            for p, s, g in zip(theta, state, dW + db, strict=True):
                reference.update(optimizer, p, s, g, t)
        losses.append(total / 103)
    assert max(reference.relative(a, b) for a, b in zip(parameters(net), theta, strict=True)) < 1e-11
    assert history["loss"] == pytest.approx(losses, rel=1e-12)


def one_weight(steps):
    """A weight and a bias after so many steps of Adam on a sample each, with what they began as and saw."""
    X, y = np.random.default_rng(0).normal(size=(2, steps, 1))
    net = fb.MLP([1, 1], dtype=np.float64, seed=0)
    start = net.weights[0].ravel().copy(), net.biases[0].copy()
    fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), batch_size=1, shuffle=False).fit(X, y)
    return start, X, y, np.concatenate([net.weights[0].ravel(), net.biases[0]])


def test_adam_foresees():
    """More steps than the engine lays hyperparameters down for at once."""
    (w, b), X, y, got = one_weight(40_000)
    state = np.zeros((2, 2, 1))
    for t, (x, target) in enumerate(zip(X, y, strict=True), 1):
        error = x * w + b - target
        for p, s, g in zip((w, b), state, (error * x, error), strict=True):
            reference.update(fb.Adam(0.01), p, s, g, t)
    assert got == pytest.approx(np.concatenate([w, b]), rel=1e-10)


def test_adam_follows_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    start, X, y, got = one_weight(100)
    w, b = (torch.tensor(v.copy(), requires_grad=True) for v in start)
    optimizer = torch.optim.Adam([w, b], 0.01)
    for x, target in zip(torch.tensor(X), torch.tensor(y), strict=True):
        optimizer.zero_grad()
        (0.5 * (x * w + b - target) ** 2).sum().backward()
        optimizer.step()
    assert got == pytest.approx(torch.cat([w, b]).detach().numpy(), rel=1e-10)


@pytest.mark.parametrize(
    "optimizer",
    [
        fb.Adam(0.01, betas=(0.9, 1 - 1e-7)),
        fb.Adam(0.01, betas=(0.9, 1 - 1e-8)),
        fb.Adam(0.01, betas=(1 - 1e-7, 0.999)),
        fb.RMSprop(1e-6, alpha=1 - 1e-8),
        fb.RMSprop(1e-6, alpha=1 - 1e-8, centered=True),
        fb.Adadelta(0.1, rho=1 - 1e-8),
    ],
)
def test_means_over_very_many_steps(optimizer):
    """The share of a new gradient is not formed in float32, where 1 - 1e-8 is 1. 200 steps in both dtypes agree.

    The tolerance is 100 times the rounding of a float32 parameter of about 1: errors of 200 steps add up.
    """
    X, y = labelled(103, 7, 4)
    nets = [fb.MLP([7, 9, 4], output="softmax", dtype=np.float64, seed=0)]
    nets.append(nets[0].astype("float32"))
    for net in nets:
        fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, shuffle=False).fit(X, y, epochs=50)
    for wide, narrow in zip(parameters(nets[0]), parameters(nets[1]), strict=True):
        assert abs(wide - narrow).max() < 1.2e-5


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "optimizer",
    [
        fb.SGD(0.1, momentum=0.5),
        fb.Adam(0.01, betas=(0.5, 0.6)),
        fb.RMSprop(0.01, alpha=0.5, momentum=0.4, centered=True),
        fb.Adadelta(rho=0.5),
    ],
)
def test_running_means_do_not_become_subnormal(optimizer, dtype):
    """Where a gradient stays 0, they come down to 0. A processor needs 150 cycles for a number on the way."""
    net = fb.MLP([9, 5, 1], dtype=dtype, seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=optimizer, shuffle=False, batch_size=1)
    X = np.zeros((2200, 9))
    X[0] = 1
    # The kernels that leave zeros out have the same update, and take much longer to compile.
    with inside.zeros_left_out(False):
        trainer.fit(X, np.zeros(2200))
    # Of the weights of hidden units, whose inputs stay 0; their biases have gradients.
    mean = net.parameters.unpack(trainer.state.vectors[: net.parameters.theta.size])["W1"]
    assert not mean.any()
    steps = {"f4": 140, "f8": 1060}[dtype]
    with inside.zeros_left_out(False):
        trainer.fit(X[:steps], np.zeros(steps))
    assert (abs(trainer.state.vectors[trainer.state.vectors != 0]) >= np.finfo(dtype).tiny).all()


def test_another_optimizer_takes_over():
    """Momentum that was not there before begins at 0; the network goes on from where it is."""
    X, y = labelled(103, 7, 4)
    nets = [fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2)]
    first = fb.Trainer(nets[0], loss="cross_entropy", optimizer=fb.SGD(0.1), shuffle=False)
    first.fit(X, y)
    first.optimizer = fb.SGD(0.05, momentum=0.9)
    first.fit(X, y)
    fb.Trainer(nets[1], loss="cross_entropy", optimizer=fb.SGD(0.1), shuffle=False).fit(X, y)
    fb.Trainer(nets[1], loss="cross_entropy", optimizer=fb.SGD(0.05, momentum=0.9), shuffle=False).fit(X, y)
    assert same(parameters(nets[0]), parameters(nets[1]))


def test_biases_do_not_decay():
    """Weights shrink by eta lambda a step, where the gradient is 0; biases do not."""
    net = fb.MLP([1, 1], seed=0)
    net.set_weights([[[1.0]]], [[1.0]])
    fb.Trainer(net, loss="squared_error", optimizer=fb.AdamW(0.1, weight_decay=0.5)).partial_fit([[0.0]], [[1.0]])
    assert net.weights[0][0, 0] == pytest.approx(0.95)
    assert net.biases[0][0] == 1.0


@pytest.mark.parametrize("optimizer", [fb.SGD(momentum=0.9), fb.Adam(), fb.AdamW(), fb.RMSprop(), fb.Rprop()])
def test_hyperparameters_go_by_name(optimizer):
    """What `hyper` gives is what `update` reads: in another order they train alike, and a missing one is an error."""

    class Turned(type(optimizer)):
        hyperparameters = tuple(reversed(optimizer.hyperparameters))

    class Missing(type(optimizer)):
        hyperparameters = optimizer.hyperparameters[1:]

    fields = dataclasses.asdict(optimizer)
    X, y = labelled(64)
    bits = []
    for kind in (type(optimizer), Turned):
        net = fb.MLP([6, 5, 3], output="softmax", seed=0)
        fb.Trainer(net, loss="cross_entropy", optimizer=kind(**fields), seed=0).fit(X, y)
        bits.append(digest(net))
    assert bits[0] == bits[1]
    with pytest.raises(AttributeError, match=optimizer.hyperparameters[0]):
        fb.Trainer(net, loss="cross_entropy", optimizer=Missing(**fields)).fit(X, y)
