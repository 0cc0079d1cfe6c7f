"""Bad input: ValueError or TypeError that names the argument, the value and the rule, and a network left as it was."""

import copy
import re

import numpy as np
import pytest
from helpers import parameters, same

import fastbp as fb
from fastbp.data import arrays

X, Y = np.ones((6, 3)), np.array([0, 1, 2, 3, 0, 1])
ONE_HOT = np.eye(4)[Y]
NAN, INF = float("nan"), float("inf")


def changed(array, index, value):
    array = np.array(array, float)
    array[index] = value
    return array


BAD_SAMPLES = {
    "X must have shape (n, 3)": (np.ones((6, 4)), Y),
    "X must have shape (n, 3), a row a sample; got (6,)": (np.ones(6), Y),
    "X must have shape (n, 3), a row a sample; got (6, 3, 1)": (np.ones((6, 3, 1)), Y),
    "X must have at least one row": (np.ones((0, 3)), Y[:0]),
    "X must be an array of real numbers, got dtype complex128": (X.astype(complex), Y),
    "X must be an array of real numbers, got dtype <U1": (np.full((6, 3), "a"), Y),
    "X must be an array of real numbers, got dtype object": (np.full((6, 3), None), Y),
    "X[4, 1] is nan; every value must be finite in float32": (changed(X, (4, 1), NAN), Y),
    "X[5, 2] is -inf; every value must be finite in float32": (changed(X, (5, 2), -INF), Y),
    "X must be an array without a mask": (np.ma.masked_equal(X, 1), Y),
    "X must be an array of real numbers: ": ([[1, 2, 3], [4]], Y[:2]),
    "X[0, 0] is 1e+300; every value must be finite in float32": (changed(X, (0, 0), 1e300), Y),
    "y must have a row for each of the 6 rows of X, got 5": (X, Y[:5]),
    "y must have shape (6,) of integer labels or (6, 4), got (6, 3)": (X, ONE_HOT[:, :3]),
    "y must have shape (6,) of integer labels or (6, 4), got ()": (X, np.array(1)),
    "y of shape (6,) must be integer labels": (X, Y + 0.5),
    "y[3] is 4; every value must be in [0, 3]": (X, np.array([0, 1, 2, 4, 0, 1])),
    "y[0] is -1; every value must be in [0, 3]": (X, Y - 1),
    "y[2] sums to 2; a row of probabilities must sum to 1": (X, changed(ONE_HOT, (2, 0), 1)),
    "y[1, 1] is nan": (X, changed(ONE_HOT, (1, 1), NAN)),
    "y[1, 1] is -0.5; every value must be in [0, 1]": (X, changed(ONE_HOT, (1, 1), -0.5)),
    "y must be an array of real numbers": (X, np.array(list("abcdef"))),
}


def assert_unchanged(network, call, error, message):
    before = parameters(network)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
    assert same(before, parameters(network))


@pytest.mark.parametrize("message", BAD_SAMPLES)
def test_samples(message):
    bad = BAD_SAMPLES[message]
    net = fb.MLP([3, 5, 4], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", seed=0)
    error = TypeError if "real numbers" in message or "integer labels for" in message else ValueError
    error = TypeError if message.startswith("y of shape") or "mask" in message else error
    error = ValueError if message.endswith("numbers: ") else error
    assert_unchanged(net, lambda: trainer.fit(*bad), error, message)
    assert_unchanged(net, lambda: trainer.evaluate(*bad), error, message)
    assert_unchanged(net, lambda: net.gradients(*bad, loss="cross_entropy"), error, message)
    if message.startswith("X"):
        assert_unchanged(net, lambda: net.predict(bad[0]), error, message)
    names = message.replace("X", "validation_data[0]").replace("y", "validation_data[1]", 1)
    if message.startswith(("X must be", "y[3]")):
        names = message.replace("X ", "validation_data[0] ").replace("y[3]", "validation_data[1][3]")
        assert_unchanged(net, lambda: trainer.fit(X, Y, validation_data=bad), error, names)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("binary_cross_entropy", [[0.5], [1.5]], "y[1, 0] is 1.5; every value must be in [0, 1]"),
        ("binary_cross_entropy", [0.5, -1], "y[1] is -1.0; every value must be in [0, 1]"),
        ("squared_error", [0.5, INF], "y[1] is inf; every value must be finite in float32"),
        ("squared_error", [[[0.5]], [[1]]], "y must have shape (2,) or (2, 1)"),
        ("cross_entropy", [0, 1], "loss must not be 'cross_entropy' for a network with 1 output"),
    ],
)
def test_targets_of_one_output(loss, y, message):
    net = fb.MLP([3, 1], output="sigmoid", seed=0)
    with pytest.raises(ValueError, match="must") as caught:
        fb.Trainer(net, loss=loss).fit(X[:2], y)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"sizes": [3]},
            ValueError,
            "sizes must be 2 to 101 numbers of units, such as [4, 8, 3] for 4 inputs, ",
        ),
        ({"sizes": [4, 8, [2, 1]]}, ValueError, "8 hidden units and 3 outputs; got [4, 8, [2, 1]]"),
        ({"sizes": np.ones((2, 3))}, ValueError, "sizes must be 2 to 101 numbers of units"),
        ({"sizes": [3] * 102}, ValueError, "sizes must be 2 to 101"),
        ({"sizes": "34"}, ValueError, "sizes must be 2 to 101"),
        ({"sizes": 3}, ValueError, "sizes must be 2 to 101"),
        ({"sizes": b"ab"}, ValueError, "sizes must be 2 to 101"),
        ({"sizes": np.array(3)}, ValueError, "sizes must be 2 to 101"),
        (
            {"activation": None},
            TypeError,
            "activation must be a name or an object of LeakyReLU, ELU, Formula, got None",
        ),
        ({"scale": 1e300}, ValueError, "scale must be finite in float32"),
        ({"dtype": "foo"}, ValueError, "dtype must be float32 or float64, got 'foo'"),
        ({"dtype": None}, ValueError, "dtype must be float32 or float64, got None"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": "a"}, TypeError, "seed must be an integer, got 'a'"),
        ({"sizes": [3, 0, 2]}, ValueError, "sizes[1] must be at least 1, got 0"),
        ({"sizes": [3, 2.5]}, TypeError, "sizes[1] must be an integer, got 2.5"),
        ({"sizes": [3, True]}, TypeError, "sizes[1] must be an integer, got True"),
        ({"dropout": 1.0}, ValueError, "dropout must be a finite number at least 0 and below 1, got 1.0"),
        ({"dropout": [0.5]}, ValueError, "dropout must be one rate or 2, of the inputs and each hidden layer; got 1"),
        ({"dropout": [0.0, "a"]}, TypeError, "dropout[1] must be a number, got 'a'"),
        ({"input_noise": -1}, ValueError, "input_noise must be a finite number at least 0, got -1"),
        ({"max_norm": 0}, ValueError, "max_norm must be a finite number above 0, got 0"),
        ({"activation": "swoosh"}, ValueError, "activation must be one of 'identity'"),
        ({"activation": ["relu", "relu"]}, ValueError, "activation must be one name or 1"),
        ({"activation": ["softmax"]}, ValueError, "activation[0] must be one of"),
        ({"output": 3}, TypeError, "output must be a name or an object of LeakyReLU, ELU, Formula, got 3"),
        ({"init": "he"}, ValueError, "init must be one of 'fan_in', 'he_uniform'"),
        ({"scale": NAN}, ValueError, "scale must be finite"),
        ({"shift": [1, 2]}, ValueError, "shift must be a number or have shape (3,), got shape (2,)"),
        ({"shift": "a"}, TypeError, "shift must be an array of real numbers"),
        ({"dtype": np.float16}, ValueError, "dtype must be float32 or float64, got"),
    ],
)
def test_network(options, error, message):
    with pytest.raises(error) as caught:
        fb.MLP(**{"sizes": [3, 5, 4], **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"loss": "squared"}, ValueError, "loss must be one of 'cross_entropy'"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, got 2.0"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1, got 0"),
        ({"gradient": "lost"}, ValueError, "gradient must be one of 'fused', 'stored'"),
        ({"optimizer": fb.SGD(1e300)}, ValueError, "learning_rate must be finite in float32"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"loss": 3}, TypeError, "loss must be a name or an object of CrossEntropy, BinaryCrossEntropy"),
        ({"l1": -1}, ValueError, "l1 must be a finite number at least 0, got -1"),
        ({"l2": "a"}, TypeError, "l2 must be a number, got 'a'"),
        ({"clip_value": 0}, ValueError, "clip_value must be a finite number above 0, got 0"),
        ({"clip_norm": INF}, ValueError, "clip_norm must be a finite number above 0, got inf"),
        ({"optimizer": 0.1}, TypeError, "optimizer must be a name such as 'adam' or an object such as SGD(0.1)"),
    ],
)
def test_trainer(options, error, message):
    with pytest.raises(error) as caught:
        fb.Trainer(fb.MLP([3, 4], output="softmax", seed=0), **{"loss": "cross_entropy", **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number above 0, got 0.0"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be a finite number above 0, got -1.0"),
        ({"learning_rate": NAN}, ValueError, "learning_rate must be a finite number above 0, got nan"),
        ({"learning_rate": INF}, ValueError, "learning_rate must be a finite number above 0, got inf"),
        ({"learning_rate": 10**400}, ValueError, "learning_rate must be a finite number above 0, got inf"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be a number, got '0.1'"),
        ({"momentum": 1}, ValueError, "momentum must be a finite number at least 0 and below 1, got 1.0"),
        ({"nesterov": True}, ValueError, "nesterov must be False without momentum"),
        ({"nesterov": 2, "momentum": 0.5}, TypeError, "nesterov must be True or False, got 2"),
    ],
)
def test_sgd(options, error, message):
    with pytest.raises(error) as caught:
        fb.SGD(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number above 0, got 0.0"),
        ({"betas": 0.9}, TypeError, "betas must be a pair of numbers, got 0.9"),
        ({"betas": (0.9, 1)}, ValueError, "betas[1] must be a finite number at least 0 and below 1, got 1.0"),
        ({"epsilon": 0}, ValueError, "epsilon must be a finite number above 0, got 0.0"),
    ],
)
def test_adam(options, error, message):
    with pytest.raises(error) as caught:
        fb.Adam(**options)
    assert message in str(caught.value)


class Tensor:
    """What requires a gradient in torch, as NumPy sees it."""

    shape, ndim = (6, 3), 2

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


def test_a_tensor_that_requires_a_gradient():
    net = fb.MLP([3, 5, 4], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", seed=0)
    doors = {
        "X": [lambda: trainer.fit(Tensor(), Y), lambda: net.predict(Tensor()), lambda: trainer.fit([(Tensor(), Y)])],
        "y": [lambda: trainer.fit(X, Tensor()), lambda: net.gradients(X, Tensor(), loss="cross_entropy")],
        "validation_data[0]": [lambda: trainer.fit(X, Y, validation_data=(Tensor(), Y))],
        "sample_weight": [lambda: trainer.evaluate(X, Y, sample_weight=[Tensor()] * 6)],
        "weights[0]": [lambda: net.set_weights([Tensor(), np.ones((5, 4))], net.biases)],
    }
    for name, calls in doors.items():
        for call in calls:
            assert_unchanged(net, call, TypeError, f"give {name}.detach()")


def test_another_error_of_an_array_comes_through():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fb.MLP([3, 4]).predict(Broken())


HUGE = 2**63
LABELLED = fb.MLP([3, 4], output="softmax")
INTEGERS = {
    "batch_size": lambda n: fb.Trainer(LABELLED, loss="cross_entropy", batch_size=n),
    "n_threads": lambda n: fb.Trainer(LABELLED, loss="cross_entropy", n_threads=n),
    "epochs": lambda n: fb.Trainer(LABELLED, loss="cross_entropy").fit(X, Y, epochs=n),
    "shuffle_buffer": lambda n: fb.Trainer(LABELLED, loss="cross_entropy").fit(X, Y, shuffle_buffer=n),
    "sizes[1]": lambda n: fb.MLP([3, n]),
    "memory": lambda n: fb.LBFGS(memory=n),
    "k": lambda n: fb.metrics.TopK(n),
    "start": lambda n: fb.SWA(n),
    "patience": lambda n: fb.EarlyStopping(patience=n),
    "every": lambda n: fb.callbacks.Lambda(every=n),
    "growth": lambda n: fb.schedules.WarmRestarts(3, growth=n),
    "milestones[0]": lambda n: fb.schedules.MultiStep([n]),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_that_no_machine_counts_to(name):
    with pytest.raises(ValueError, match=re.escape(f"{name} must be below {HUGE}, got {HUGE}")):
        INTEGERS[name](HUGE)
    with pytest.raises(ValueError, match=re.escape(f"{name} must be below {HUGE}, got an integer of 16610 bits")):
        INTEGERS[name](10**5000)  # Python does not write so many digits


@pytest.mark.parametrize("seed", [HUGE - 1, HUGE, 2**64 + 1, 10**40])
def test_any_seed(seed):
    """Of weights, of orders, of the split, of dropout: it works, and gives the same each time."""
    nets = [fb.MLP([3, 5, 4], output="softmax", dropout=0.5, seed=seed) for _ in range(2)]
    assert same(*map(parameters, nets))
    options = {"loss": "cross_entropy", "seed": seed}
    first, second = (net.gradients(X, Y, **options) for net in nets)
    assert same(first[1], second[1])
    for net in nets:
        fb.Trainer(net, batch_size=2, **options).fit(X, Y, epochs=3, validation_split=0.3)
    assert same(*map(parameters, nets))


def test_a_seed_in_a_checkpoint(tmp_path):
    nets = [fb.MLP([3, 5, 4], output="softmax", dropout=0.5, seed=0) for _ in range(2)]
    for net, epochs in zip(nets, (3, 1), strict=True):
        trainer = fb.Trainer(net, loss="cross_entropy", batch_size=2, seed=HUGE + 5)
        trainer.fit(X, Y, epochs=epochs, callbacks=[fb.Checkpoint(tmp_path / str(epochs))])
    resumed = fb.Trainer.resume(tmp_path / "1")
    resumed.fit(X, Y, epochs=3)
    assert same(*map(parameters, (nets[0], resumed)))


@pytest.mark.parametrize("sizes", [[10**10, 10**10], [10**9, 10**9], [10**18, 2], [2, 2**63 - 1]])
def test_sizes_for_which_there_is_no_memory(sizes):
    with pytest.raises(MemoryError, match=re.escape(f"for sizes {tuple(sizes)}")):
        fb.MLP(sizes)


@pytest.mark.parametrize("memory", [10**13, 2**63 - 1])
def test_an_optimizer_for_whose_state_there_is_no_memory(memory):
    """The trainer, with all of its settings, stays as it was."""
    net, adam = fb.MLP([3, 5, 4], output="softmax", seed=0), fb.Adam(0.01)
    with pytest.raises(MemoryError, match=rf"for sizes \(3, 5, 4\), or for {2 * memory} vectors of state"):
        fb.Trainer(net, loss="cross_entropy", optimizer=fb.LBFGS(memory=memory))
    own, twin = (fb.Trainer(copy.copy(net), loss="cross_entropy", optimizer=adam, seed=0) for _ in range(2))
    own.fit(X, Y)
    with pytest.raises(MemoryError, match="vectors of state"):
        own.optimizer = fb.LBFGS(memory=memory)
    assert own.optimizer is adam
    own.fit(X, Y)
    twin.fit(X, Y, epochs=2)
    assert same(parameters(own), parameters(twin))


def test_a_network_for_whose_state_there_is_no_memory(monkeypatch):
    own = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", optimizer=fb.Adam())
    before, other = (own.network, own.state.parameters, own.state.vectors), fb.MLP([2, 1], seed=0)
    with monkeypatch.context() as patched:
        patched.setattr(np, "zeros", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            own.network = other
    after = own.network, own.state.parameters, own.state.vectors
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_other_arguments_of_fit():
    net = fb.MLP([3, 5, 4], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", seed=0)
    assert_unchanged(net, lambda: trainer.fit(X, Y, epochs=-1), ValueError, "epochs must be at least 0, got -1")
    assert_unchanged(net, lambda: trainer.fit(X, Y, epochs=1.5), TypeError, "epochs must be an integer, got 1.5")
    assert_unchanged(net, lambda: trainer.fit(X, Y, validation_data=X), TypeError, "validation_data must be a pair")
    assert_unchanged(net, lambda: net.predict(X, n_threads=-1), ValueError, "n_threads must be at least 1, got -1")
    assert_unchanged(net, lambda: net.gradients(X, Y, loss="x"), ValueError, "loss must be one of")


def test_threshold_cannot_be_trained():
    net = fb.MLP([3, 5, 4], activation="threshold", seed=0)
    assert net.predict(X).shape == (6, 4)
    with pytest.raises(ValueError, match="'threshold' has no derivative"):
        fb.Trainer(net, loss="squared_error").fit(X, np.zeros((6, 4)))
    with pytest.raises(ValueError, match="'threshold' has no derivative"):
        net.gradients(X, np.zeros((6, 4)), loss="squared_error")


@pytest.mark.parametrize(
    ("weights", "biases", "error", "message"),
    [
        ([np.ones((3, 5))], [np.ones(5), np.ones(4)], ValueError, "weights must be 2 arrays, one a layer; got 1"),
        ([np.ones((3, 5)), np.ones((4, 5))], [np.ones(5), np.ones(4)], ValueError, "weights[1] must have shape (5, 4)"),
        ([np.ones((3, 5)), np.ones((5, 4))], [np.ones(5), np.ones(3)], ValueError, "biases[1] must have shape (4,)"),
        ([np.ones((3, 5)), np.full((5, 4), NAN)], [np.ones(5), np.ones(4)], ValueError, "weights[1] must be finite"),
        ([np.ones((3, 5)), np.full((5, 4), 1e99)], [np.ones(5), np.ones(4)], ValueError, "must be finite in float32"),
        ([np.ones((3, 5)), np.full((5, 4), "a")], [np.ones(5), np.ones(4)], TypeError, "weights[1] must be an array"),
    ],
)  # fmt: skip
def test_set_weights(weights, biases, error, message):
    net = fb.MLP([3, 5, 4], seed=0)
    assert_unchanged(net, lambda: net.set_weights(weights, biases), error, message)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fb.AdamW(weight_decay=-1), ValueError, "weight_decay must be a finite number at least 0, got -1"),
        (lambda: fb.RMSprop(alpha=1), ValueError, "alpha must be a finite number at least 0 and below 1, got 1"),
        (lambda: fb.RMSprop(centered=1), TypeError, "centered must be True or False, got 1"),
        (lambda: fb.Adagrad(lr_decay=-1), ValueError, "lr_decay must be a finite number at least 0, got -1"),
        (lambda: fb.Adadelta(rho=2), ValueError, "rho must be a finite number at least 0 and below 1, got 2"),
        (lambda: fb.Rprop(etas=0.5), TypeError, "etas must be a pair of numbers, got 0.5"),
        (lambda: fb.Rprop(etas=(0.5, 1.0)), ValueError, "etas[1] must be a finite number above 1, got 1"),
        (
            lambda: fb.Rprop(step_sizes=(1, 0.5)),
            ValueError,
            "step_sizes[1] must be a finite number at least 1, got 0.5",
        ),
        (lambda: fb.activations.LeakyReLU(-1), ValueError, "slope must be a finite number at least 0, got -1"),
        (lambda: fb.activations.ELU(0), ValueError, "alpha must be a finite number above 0, got 0"),
        (lambda: fb.losses.Huber(0), ValueError, "delta must be a finite number above 0, got 0"),
        (lambda: fb.losses.Quantile(1), ValueError, "q must be a finite number above 0 and below 1, got 1"),
        (
            lambda: fb.losses.CrossEntropy(1.0),
            ValueError,
            "label_smoothing must be a finite number at least 0 and below 1",
        ),
    ],
)
def test_objects(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("poisson", [0.0, -1.0], "y[1] is -1.0; every value must be finite in float32 and at least 0"),
        ("hinge", [1.0, 0.5], "y[1] is 0.5; every value must be 0 or 1, or -1 or 1"),
        ("squared_hinge", [-1.0, 0.0], "y[1] is 0.0; every value must be 0 or 1, or -1 or 1"),
        ("hinge", [1.0, 2.0], "y[1] is 2.0; every value must be in [-1, 1]"),
    ],
)
def test_targets_of_losses(loss, y, message):
    net = fb.MLP([2, 1], output="softplus" if loss == "poisson" else "identity", seed=0)
    with pytest.raises(ValueError, match=re.escape(message)):
        fb.Trainer(net, loss=loss).fit(np.ones((2, 2)), y)


@pytest.mark.parametrize("y", [[0, 1, 1], [-1, 1, 1], [[0.0], [1], [1]], np.array([False, True, True])])
def test_signs(y):
    """0 and 1 mean the same as -1 and 1, and right is what has the sign of the target."""
    net = fb.MLP([1, 1])
    net.set_weights([[[1.0]]], [[0.0]])
    scores = fb.Trainer(net, loss="hinge").evaluate([[-0.5], [0.5], [-0.25]], y)
    assert scores == {"loss": pytest.approx((0.5 + 0.5 + 1.25) / 3), "accuracy": pytest.approx(2 / 3)}


def test_conversion_is_done_in_blocks(monkeypatch):
    """Other types and orders are never copied whole, and a message counts rows from the first."""
    monkeypatch.setattr(arrays, "BLOCK", 100)
    X = np.random.default_rng(0).normal(size=(200, 21))
    net = fb.MLP([21, 3], seed=0)
    assert (net.predict(np.asfortranarray(X)) == net.predict(X)).all()
    bad = np.asfortranarray(X)
    bad[150, 3] = np.nan
    with pytest.raises(ValueError, match=r"X\[150, 3\] is nan"):
        net.predict(bad)


def test_the_product_of_weights_of_a_sample_and_of_its_class():
    """It counts as 0 if it is too small for float32, and it must not be too large."""
    nets = [fb.MLP([3, 5, 4], output="softmax", seed=0) for _ in range(2)]
    small, zero = (fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets)
    weights = np.where(Y == 0, 1e-20, 1.0)
    small.fit(X, Y, sample_weight=weights, class_weight={0: 1e-20})
    zero.fit(X, Y, sample_weight=np.where(Y == 0, 0.0, 1.0))
    assert same(parameters(small.network), parameters(zero.network))
    with pytest.raises(ValueError, match=r"sample_weight times class_weight must be at most 1e\+30, got 1e\+40"):
        small.fit(X, Y, sample_weight=np.full(6, 1e20), class_weight={0: 1e20})
