"""Trainer: the steps it takes, what it records, and how it ends."""

import io

import numpy as np
import pytest
import reference

import fastbp as fb
from fastbp import engine


def data(n=103, n_in=7, n_out=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)), rng.integers(0, n_out, n)


def as_lists(net):
    return net.weights + net.biases


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
    X, y = data()
    net = fb.MLP([7, 9, 4], activation="tanh", output="softmax", dtype=np.float64, seed=0)
    theta, state, t = as_lists(net), [[np.zeros_like(a) for _ in range(3)] for a in as_lists(net)], 0
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
    assert max(reference.relative(a, b) for a, b in zip(as_lists(net), theta, strict=True)) < 1e-11
    assert history["loss"] == pytest.approx(losses, rel=1e-12)


def one_weight(steps):
    """A weight and a bias after so many steps of Adam on a sample each, with what they began as and saw."""
    X, y = np.random.default_rng(0).normal(size=(2, steps, 1))
    net = fb.MLP([1, 1], dtype=np.float64, seed=0)
    start = net.weights[0].ravel(), net.biases[0]
    fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), batch_size=1, shuffle=False).fit(X, y)
    return start, X, y, np.concatenate([net.weights[0].ravel(), net.biases[0]])


def test_adam_foresees():
    """More steps than the engine lays hyperparameters down for at once."""
    (w, b), X, y, got = one_weight(40_000)
    assert engine.MOST_STEPS < 40_000
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


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1, momentum=0.9), fb.Adam(0.01)])
def test_fit_goes_on(optimizer):
    """Twice one epoch is two epochs: orders, momentum, steps and history go on."""
    X, y = data()
    nets = [fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2)]
    trainers = [fb.Trainer(n, loss="cross_entropy", optimizer=optimizer, seed=3) for n in nets]
    trainers[0].fit(X, y, epochs=2)
    trainers[1].fit(X, y)
    trainers[1].fit(X, y)
    assert all((a == b).all() for a, b in zip(as_lists(nets[0]), as_lists(nets[1]), strict=True))
    assert trainers[0].history["loss"] == trainers[1].history["loss"]


def test_set_weights_between_fits_is_seen():
    """The transposed copy that backward reads follows."""
    X, y = data()
    nets = [fb.MLP([7, 9, 6, 4], output="softmax", dtype=np.float64, seed=0) for _ in range(2)]
    first = fb.Trainer(nets[0], loss="cross_entropy", shuffle=False)
    first.fit(X, y)
    weights, biases = nets[0].weights, nets[0].biases
    nets[0].set_weights([W + 0.1 for W in weights], biases)
    first.fit(X, y)
    nets[1].set_weights([W + 0.1 for W in weights], biases)
    fb.Trainer(nets[1], loss="cross_entropy", shuffle=False).fit(X, y)
    assert all((a == b).all() for a, b in zip(as_lists(nets[0]), as_lists(nets[1]), strict=True))


def test_shuffling():
    """Each epoch sees every sample once, in an order of its own that the seed decides."""
    X = np.eye(20)
    y = np.zeros(20)

    def order_of(seed):
        net = fb.MLP([20, 1], dtype=np.float64)
        net.set_weights([np.zeros((20, 1))], [[1.0]])
        # Each step shrinks b, so the gradient that a sample leaves in its weight says when it came.
        fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.05), batch_size=1, seed=seed).fit(X, y)
        return np.argsort(net.weights[0][:, 0])

    orders = [order_of(seed) for seed in (0, 0, 1)]
    assert sorted(orders[0]) == list(range(20))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()
    assert (orders[0] != np.arange(20)).any()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32])
def test_kinds_of_inputs_train_alike(kind):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (57, 21)), rng.integers(0, 3, 57)
    net, twin = (fb.MLP([21, 8, 3], output="softmax", scale=1 / 255, seed=0) for _ in range(2))
    for network, samples in ((net, X.astype(kind)), (twin, X.astype(np.float32))):
        fb.Trainer(network, loss="cross_entropy", seed=0).fit(samples, y, epochs=2)
    assert all((a == b).all() for a, b in zip(as_lists(net), as_lists(twin), strict=True))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_labels_are_one_hot_rows(loss):
    X, y = data()
    net, twin = (fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2))
    h1 = fb.Trainer(net, loss=loss, seed=0).fit(X, y, epochs=2)
    h2 = fb.Trainer(twin, loss=loss, seed=0).fit(X, reference.one_hot(y, 4), epochs=2)
    assert all((a == b).all() for a, b in zip(as_lists(net), as_lists(twin), strict=True))
    assert h1["loss"] == h2["loss"]


def test_one_output_takes_a_vector_or_a_column():
    X, _ = data()
    y = X[:, 0] * 2
    nets = [fb.MLP([7, 5, 1], seed=0) for _ in range(2)]
    for net, targets in zip(nets, (y, y[:, None]), strict=True):
        fb.Trainer(net, loss="squared_error", seed=0).fit(X, targets, epochs=2)
    assert all((a == b).all() for a, b in zip(as_lists(nets[0]), as_lists(nets[1]), strict=True))


def test_history_and_validation():
    X, y = data()
    net = fb.MLP([7, 16, 4], output="softmax", dtype=np.float64, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.2), seed=0)
    history = trainer.fit(X, y, epochs=3, validation_data=(X, y))
    measured = ["loss", "accuracy", "learning_rate", "seconds"]
    assert list(history) == [*measured, "validation_loss", "validation_accuracy"]
    assert {len(values) for values in history.values()} == {3}
    scores = trainer.evaluate(X, y)
    assert scores == {"loss": history["validation_loss"][-1], "accuracy": history["validation_accuracy"][-1]}
    assert scores["accuracy"] == pytest.approx((net.predict_classes(X) == y).mean())
    a = net.predict(X)
    assert scores["loss"] == pytest.approx(-np.log(a[np.arange(len(y)), y]).mean(), rel=1e-12)
    assert len(str(history).splitlines()) == 4
    regression = fb.Trainer(fb.MLP([7, 1], seed=0), loss="squared_error").fit(X, X[:, 0])
    assert list(regression) == ["loss", "learning_rate", "seconds"]


def test_history_prints_epochs_without_validation_too():
    X, y = data()
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy")
    trainer.fit(X, y, epochs=2)
    trainer.fit(X, y, validation_data=(X, y))
    table = str(trainer.history).splitlines()
    assert len(table) == 4
    assert table[1].split()[-1] == "-"
    assert table[3].split()[-1] != "-"


def test_accuracy_of_binary_targets():
    X, _ = data()
    y = (X[:, 0] > 0).astype(int)
    net = fb.MLP([7, 8, 1], output="sigmoid", seed=0)
    trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.SGD(0.5), seed=0)
    history = trainer.fit(X, y, epochs=30)
    assert history["accuracy"][-1] > 0.9
    assert trainer.evaluate(X, y)["accuracy"] == pytest.approx((net.predict_classes(X) == y).mean())


@pytest.mark.parametrize("epochs", [0, 1])
def test_no_epochs(epochs):
    X, y = data()
    history = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy").fit(X, y, epochs=epochs)
    assert len(history.get("loss", [])) == epochs


def test_one_class_one_row_one_weight():
    net = fb.MLP([1, 1], output="softmax", seed=0)
    history = fb.Trainer(net, loss="cross_entropy").fit([[2.0]], [0])
    assert history["loss"] == [0.0]
    assert history["accuracy"] == [1.0]


def test_divergence_names_the_step_and_restores_the_epoch():
    X, y = data(n=100)
    net = fb.MLP([7, 1], dtype=np.float64, seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.01, momentum=0.9), batch_size=10, shuffle=False)
    trainer.fit(X, y.astype(float))
    before = as_lists(net)
    X = X.copy()
    X[35] = 1e200  # finite, but its square is not: minibatch 4
    with pytest.raises(FloatingPointError, match="at step 4 of epoch 2"):
        trainer.fit(X, y.astype(float))
    assert all((a == b).all() for a, b in zip(before, as_lists(net), strict=True))
    assert not trainer._state.any()
    with pytest.raises(FloatingPointError, match="not finite"):
        trainer.evaluate(X, y.astype(float))
    with pytest.raises(FloatingPointError, match="not finite"):
        net.gradients(X, y.astype(float), loss="squared_error")


def test_progress(capsys, monkeypatch):
    X, y = data()
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy")
    trainer.fit(X, y, epochs=2)
    assert capsys.readouterr().err == ""
    trainer.fit(X, y, epochs=2, progress=True)
    assert "206/206" in capsys.readouterr().err
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    trainer.fit(X, y, epochs=2)
    assert "206/206" in terminal.getvalue()
    trainer.fit(X, y, progress=False)
    assert terminal.getvalue().count("103/103") == 0


def test_another_optimizer_takes_over():
    """Momentum that was not there before begins at 0; the network goes on from where it is."""
    X, y = data()
    nets = [fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2)]
    first = fb.Trainer(nets[0], loss="cross_entropy", optimizer=fb.SGD(0.1), shuffle=False)
    first.fit(X, y)
    first.optimizer = fb.SGD(0.05, momentum=0.9)
    first.fit(X, y)
    fb.Trainer(nets[1], loss="cross_entropy", optimizer=fb.SGD(0.1), shuffle=False).fit(X, y)
    fb.Trainer(nets[1], loss="cross_entropy", optimizer=fb.SGD(0.05, momentum=0.9), shuffle=False).fit(X, y)
    assert all((a == b).all() for a, b in zip(as_lists(nets[0]), as_lists(nets[1]), strict=True))


def test_another_network_takes_over():
    X, y = data()
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy", seed=0)
    trainer.fit(X, y)
    trainer.network = larger = fb.MLP([7, 300, 200, 4], output="softmax", dtype=np.float64, seed=0)
    before = as_lists(larger)
    trainer.fit(X, y)
    assert all((a != b).any() for a, b in zip(before, as_lists(larger), strict=True))


def test_divergence_in_the_last_step():
    """No loss follows it, but the epoch is taken back all the same."""
    net = fb.MLP([1, 1], seed=0)
    before = as_lists(net)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e38), batch_size=2)
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 1"):
        trainer.fit([[1.0], [2.0]], [[1e10], [3e10]])
    assert all((a == b).all() for a, b in zip(before, as_lists(net), strict=True))


def test_an_epoch_is_recorded_though_its_validation_fails():
    trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    with pytest.raises(FloatingPointError, match="validation_data"):
        trainer.fit([[1.0]], [[1.0]], validation_data=([[1e30]], [[1.0]]))
    assert len(trainer.history["loss"]) == 1


def test_labels_are_copied():
    """Labels say where kernels write: what others do to the user's array meanwhile must not matter."""
    X, y = data()
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy")
    _, targets = trainer._border.samples(X, y.astype(np.int64))
    assert not np.shares_memory(targets.array, y)
    assert targets.array.flags.owndata


def test_no_standard_error(monkeypatch):
    """As under pythonw."""
    X, y = data()
    monkeypatch.setattr("sys.stderr", None)
    assert len(fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy").fit(X, y)["loss"]) == 1
