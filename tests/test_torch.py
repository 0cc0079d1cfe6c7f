"""Beside PyTorch, where it is installed: optimizers step by step, losses and gradients of random networks."""

import numpy as np
import pytest
import reference

import fastbp as fb

torch = pytest.importorskip("torch")

OPTIMIZERS = [
    (fb.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05)),
    (fb.SGD(0.05, momentum=0.9, nesterov=True), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True)),
    (fb.Adam(), torch.optim.Adam),
    (fb.AdamW(weight_decay=0.1), lambda p: torch.optim.AdamW(p, weight_decay=0.1)),
    (fb.RMSprop(), torch.optim.RMSprop),
    (fb.RMSprop(momentum=0.9, centered=True), lambda p: torch.optim.RMSprop(p, momentum=0.9, centered=True)),
    (fb.Adagrad(), torch.optim.Adagrad),
    (fb.Adagrad(0.1, lr_decay=0.05), lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.05)),
    (fb.Adadelta(), torch.optim.Adadelta),
    (fb.Rprop(), torch.optim.Rprop),
]


@pytest.mark.parametrize(("optimizer", "make"), OPTIMIZERS, ids=[str(one) for one, _ in OPTIMIZERS])
def test_optimizers(optimizer, make):
    """A hundred full-batch steps in float64, so that only the update rule can make a difference."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 6)), rng.normal(size=(50, 2))
    net = fb.MLP([6, 9, 2], activation="tanh", dtype=np.float64, seed=0)
    layers = []
    for W, b in zip(net.weights, net.biases, strict=True):
        layers += [torch.nn.Linear(*W.shape, dtype=torch.float64), torch.nn.Tanh()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(W.T.copy()))
            layers[-2].bias.copy_(torch.from_numpy(b.copy()))
    twin = torch.nn.Sequential(*layers[:-1])
    weights, biases = [layer.weight for layer in layers[::2]], [layer.bias for layer in layers[::2]]
    # Biases do not decay here.
    theirs = make([{"params": weights}, {"params": biases, **({"weight_decay": 0.0} if "W" in str(optimizer) else {})}])
    for _ in range(100):
        theirs.zero_grad()
        (0.5 * ((twin(torch.from_numpy(X)) - torch.from_numpy(y)) ** 2).sum() / 50).backward()
        theirs.step()
    fb.Trainer(net, loss="squared_error", optimizer=optimizer, batch_size=50).fit(X, y, epochs=100)
    for got, wanted in zip(net.weights + net.biases, [*weights, *biases], strict=True):
        assert reference.relative(got.T, wanted.detach().numpy()) < 1e-5


def test_tensors():
    """Are read as arrays; those that require a gradient are refused."""
    net, X, y = fb.MLP([3, 2], output="softmax", seed=0), torch.ones(4, 3), torch.tensor([0, 1, 0, 1])
    trainer = fb.Trainer(net, loss="cross_entropy")
    assert trainer.evaluate(X, y) == trainer.evaluate(X.numpy(), y.numpy())
    for samples in (X.requires_grad_(), list(X)):
        with pytest.raises(TypeError, match=r"give X\.detach\(\)"):
            trainer.fit(samples, y)
    trainer.fit(X.detach(), y)


ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.selu,
    "softplus": torch.nn.functional.softplus,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "hard_sigmoid": lambda z: torch.nn.functional.relu6(z + 3) / 6,  # hardsigmoid has its 1/6 in float32
}
F = torch.nn.functional
LOSSES = {
    "cross_entropy": ("softmax", lambda z, y: F.cross_entropy(z, y, reduction="none")),
    "binary_cross_entropy": (
        "sigmoid",
        lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(dim=1),
    ),
    "squared_error": ("identity", lambda a, y: 0.5 * F.mse_loss(a, y, reduction="none").sum(dim=1)),
    "mean_squared_error": ("identity", lambda a, y: F.mse_loss(a, y, reduction="none").mean(dim=1)),
    "absolute_error": ("identity", lambda a, y: F.l1_loss(a, y, reduction="none").sum(dim=1)),
    "huber": ("identity", lambda a, y: F.huber_loss(a, y, reduction="none").sum(dim=1)),
    "poisson": (
        "softplus",
        lambda a, y: F.poisson_nll_loss(F.softplus(a), y, False, reduction="none", eps=0).sum(dim=1),
    ),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("seed", range(200))
def test_random_networks(seed, dtype, tolerance):
    """Depth, widths, activations, loss and weights of samples at random."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 40, rng.integers(2, 6))]
    names = [str(name) for name in rng.choice(list(ACTIVATIONS), len(sizes) - 2)]
    loss = str(rng.choice(list(LOSSES)))
    output, cost = LOSSES[loss]
    n = int(rng.integers(1, 50))
    X = rng.normal(size=(n, sizes[0])).astype(dtype)
    weights = rng.uniform(0.1, 2, n) if seed % 2 else None
    if output == "softmax":
        y = rng.integers(0, sizes[-1], n)
    else:
        y = rng.uniform(0, 1, (n, sizes[-1])).astype(dtype)
    net = fb.MLP(sizes, activation=names, output=output, dtype=dtype, seed=seed)
    net.set_weights(net.weights, [rng.uniform(-0.5, 0.5, b.shape) for b in net.biases])
    got = net.gradients(X, y, loss=loss, sample_weight=weights)

    double = lambda a: torch.tensor(np.asarray(a, np.float64), requires_grad=True)  # noqa: E731
    W, b, a = [double(v) for v in net.weights], [double(v) for v in net.biases], torch.tensor(X.astype(np.float64))
    for l, (matrix, bias) in enumerate(zip(W, b, strict=True)):
        z = a @ matrix + bias
        a = ACTIVATIONS[names[l]](z) if l < len(names) else z
    given = torch.tensor(y if output == "softmax" else y.astype(np.float64))
    share = torch.tensor(np.ones(n) if weights is None else weights)
    total = (cost(a, given) * share).sum() / share.sum()
    total.backward()
    assert got[0] == pytest.approx(total.item(), rel=tolerance, abs=tolerance * 1e-2)
    scale = max(float(v.grad.abs().max()) for v in W + b)
    for ours, theirs in zip(got[1] + got[2], W + b, strict=True):
        assert np.abs(ours - theirs.grad.numpy()).max() <= tolerance * max(float(theirs.grad.abs().max()), 0.1 * scale)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_dtypes_that_numpy_does_not_have_need_a_conversion(dtype):
    X = torch.ones(4, 3).to(dtype)
    net = fb.MLP([3, 1], seed=0)
    for call in (net.predict, net.standardize, lambda X: fb.Trainer(net, loss="mse").fit(X, np.ones(4))):
        with pytest.raises(TypeError, match=rf"X must be of a dtype that NumPy has, got {dtype}: give X.float\(\)"):
            call(X)
    with pytest.raises(TypeError, match=r"y must be of a dtype that NumPy has, got .*: give y.float\(\)"):
        fb.Trainer(net, loss="mse").fit(np.ones((4, 3)), X[:, :1])
