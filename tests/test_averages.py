"""Averages of the parameters: their formulas, and that they are there whatever happens."""

import copy
import pickle

import numpy as np
import pytest
import reference
from helpers import parameters, same

import fastbp as fb


def fit(average, epochs=3, n_threads=None, **options):
    """A fit, and the parameters after each of its epochs; a step an epoch with batch_size=40."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    net = fb.MLP([6, 20, 9, 3], output="softmax", dtype=np.float64, seed=0)
    options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.5), "batch_size": 40, "seed": 0} | options
    trainer = fb.Trainer(net, average=average, n_threads=n_threads, **options)
    theta = [parameters(net)]
    for _ in range(epochs):
        trainer.fit(X, y)
        theta.append(parameters(net))
    return trainer, theta


def moved(decay, thetas):
    """The average after each of these parameters, the first of which it starts with."""
    wanted = thetas[0]
    for n, now in enumerate(thetas[1:], 1):
        d = min(decay, n / (n + 30))
        wanted = [d * a + (1 - d) * b for a, b in zip(wanted, now, strict=True)]
    return wanted


@pytest.mark.parametrize("decay", [0.0, 0.2, 0.7, 0.999])
@pytest.mark.parametrize("options", [{}, {"gradient": "stored"}, {"optimizer": fb.LBFGS()}])
def test_ema(decay, options):
    trainer, theta = fit(fb.EMA(decay), 25, **options)
    for got, one in zip(parameters(trainer.averaged), moved(decay, theta), strict=True):
        assert reference.relative(got, one) < 1e-13


def other_ways():
    """Ways to make steps in which the average must count them on."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)

    def gradients(trainer):
        _, dW, db = trainer.network.gradients(X, y, loss="cross_entropy")
        trainer.apply_gradients(dW, db)

    def another_optimizer(trainer):
        trainer.optimizer = fb.Adam(0.01) if isinstance(trainer.optimizer, fb.SGD) else fb.SGD(0.5)
        trainer.fit(X, y)

    def another_average(trainer):
        trainer.average = fb.EMA(0.99)
        trainer.partial_fit(X, y)

    return {"partial_fit": lambda trainer: trainer.partial_fit(X, y), "gradients": gradients,
            "another optimizer": another_optimizer, "another average": another_average}  # fmt: skip


@pytest.mark.parametrize("way", other_ways())
def test_the_average_counts_all_steps(way):
    """Of all calls together, also if the optimizer starts anew."""
    trainer, theta = fit(fb.EMA(0.99), 3)
    for _ in range(3):
        other_ways()[way](trainer)
        theta.append(parameters(trainer))
    for twin in (trainer, copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        thetas = list(theta)
        for _ in range(2):
            other_ways()["partial_fit"](twin)
            thetas.append(parameters(twin))
        for got, one in zip(parameters(twin.averaged), moved(0.99, thetas), strict=True):
            assert reference.relative(got, one) < 1e-13


def test_an_average_that_begins_later_forgets_its_start():
    trainer, _ = fit(None, 30)
    before, trainer.average = parameters(trainer), fb.EMA(0.999)
    trainer.fit(*other_samples(), epochs=1)
    wanted = moved(0.999, [before, parameters(trainer)])
    for got, one in zip(parameters(trainer.averaged), wanted, strict=True):
        assert reference.relative(got, one) < 1e-13


def other_samples():
    rng = np.random.default_rng(3)
    return rng.normal(size=(40, 6)), rng.integers(0, 3, 40)


class Half(fb.rules.averages.Average):
    """An average of a user, without a warm-up."""

    rate = 0.5

    def move(self, average, theta, epoch):
        pass


def test_an_average_of_the_user_moves_as_it_says():
    trainer, theta = fit(Half(), 4)
    wanted = theta[0]
    for now in theta[1:]:
        wanted = [(a + b) / 2 for a, b in zip(wanted, now, strict=True)]
    for got, one in zip(parameters(trainer.averaged), wanted, strict=True):
        assert reference.relative(got, one) < 1e-14


# --- what the average is used for -------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [fb.EMA(0.9), fb.SWA(), Half()])
def test_scores_are_those_of_the_average(average):
    """And the history has those of the last parameters too."""
    X, y = other_samples()
    trainer, _ = fit(average, batch_size=7)
    history = trainer.fit(X, y, epochs=2, validation_data=(X[:20], y[:20]))
    options = {"loss": "cross_entropy"}
    averaged, last = (
        fb.Trainer(net, **options).evaluate(X[:20], y[:20]) for net in (trainer.averaged, trainer.network)
    )
    assert averaged["loss"] != last["loss"]
    assert trainer.evaluate(X[:20], y[:20]) == averaged
    for name in ("loss", "accuracy"):
        assert history[f"validation_{name}"][-1] == averaged[name]
        assert history[f"validation_last_{name}"][-1] == last[name]


@pytest.mark.parametrize("kind", [fb.EMA, fb.SWA])
def test_scores_of_the_last_parameters(kind):
    """The one setting that says otherwise."""
    X, y = other_samples()
    trainer, _ = fit(kind(evaluated=False), batch_size=7)
    history = trainer.fit(X, y, validation_data=(X, y))
    last = fb.Trainer(trainer.network, loss="cross_entropy").evaluate(X, y)
    assert trainer.evaluate(X, y) == last
    assert history["validation_loss"][-1] == last["loss"]
    assert not [name for name in history if "last" in name]
    assert (fb.Ensemble([trainer]).predict(X) == trainer.network.predict(X)).all()
    with pytest.raises(TypeError, match="evaluated must be True or False"):
        kind(evaluated=1)


def test_the_network_that_is_evaluated_follows():
    """Other scales, another threshold and another network."""
    X, y = other_samples()
    trainer, _ = fit(fb.EMA(0.9), batch_size=7)
    for change in (
        lambda: trainer.network.standardize(10 * X),
        lambda: setattr(trainer, "loss", "squared_error"),
        lambda: setattr(trainer, "network", fb.MLP([6, 3], output="softmax", seed=1)),
        lambda: trainer.fit(X, y),
    ):
        change()
        assert trainer.evaluate(X, y) == fb.Trainer(trainer.averaged, loss=trainer.loss).evaluate(X, y)


@pytest.mark.parametrize("monitor", ["validation_loss", "validation_last_loss"])
def test_early_stopping_brings_the_average_back(monitor):
    """That of the best epoch, with the parameters of this epoch; it watches what the user gets."""
    X, y = other_samples()
    trainer, _ = fit(fb.EMA(0.5), epochs=0, batch_size=7)
    seen, stopping = {}, fb.EarlyStopping(monitor, patience=3)
    keep = fb.callbacks.Lambda(
        epoch_end=lambda s: seen.update({s.epoch: (parameters(s.network), parameters(s.trainer.averaged))})
    )
    history = trainer.fit(X, y, epochs=60, validation_split=0.5, callbacks=[keep, stopping])
    assert stopping.best_epoch == 1 + int(np.argmin(history[monitor])) == history.epochs - 3
    network, averaged = seen[stopping.best_epoch]
    assert same(parameters(trainer.network), network)
    assert same(parameters(trainer.averaged), averaged)


def test_an_ensemble_predicts_with_averages(tmp_path):
    """So does the one that a file brings back."""
    X, y = other_samples()
    ensemble = fb.Ensemble([fit(average, batch_size=7)[0] for average in (fb.EMA(0.9), None, fb.SWA())])
    ensemble.fit(X, y, epochs=2)
    first, second, third = ensemble.trainers
    members = [first.averaged, second.network, third.averaged]
    for rows in (X, X[:1]):
        wanted = sum(member.predict(rows) for member in members) / 3
        assert reference.relative(ensemble.predict(rows), wanted) < 1e-15
    ensemble.save(tmp_path / "m")
    assert (fb.Ensemble.load(tmp_path / "m").predict(X) == ensemble.predict(X)).all()


def test_swa():
    trainer, theta = fit(fb.SWA(start=2), 5)
    for got, *ends in zip(parameters(trainer.averaged), *theta[3:], strict=True):
        assert reference.relative(got, np.mean(ends, axis=0)) < 1e-14
    early, theta = fit(fb.SWA(start=4), 3)
    assert same(parameters(early.averaged), theta[3])


@pytest.mark.parametrize("average", [fb.EMA(0.9), fb.SWA()])
def test_training_is_as_without(average):
    """And any number of threads gives the same average, to the bit."""
    trainers = [fit(average, n_threads=t, batch_size=7)[0] for t in (1, 2, 3, 4)]
    plain, _ = fit(None, batch_size=7)
    for trainer in trainers:
        assert same(parameters(trainer.network), parameters(plain.network))
        pairs = zip(parameters(trainer.averaged), parameters(trainers[0].averaged), strict=True)
        assert all((a == b).all() for a, b in pairs)


def test_before_the_first_step_and_without():
    net = fb.MLP([2, 2], seed=0)
    trainer = fb.Trainer(net, loss="squared_error", average=fb.EMA())
    assert (trainer.averaged.weights[0] == net.weights[0]).all()
    with pytest.raises(ValueError, match="averaged needs a Trainer"):
        _ = fb.Trainer(net, loss="squared_error").averaged
    with pytest.raises(TypeError, match="average must be an average such as"):
        fb.Trainer(net, loss="squared_error", average=0.9)
    with pytest.raises(ValueError, match="decay must be"):
        fb.EMA(1.0)
    with pytest.raises(ValueError, match="start must be at least 0"):
        fb.SWA(-1)


def test_a_copy_goes_on():
    trainer, _ = fit(fb.EMA(0.9))
    twin = copy.deepcopy(trainer)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    for one in (trainer, twin):
        one.fit(X, y)
    pairs = zip(parameters(trainer.averaged), parameters(twin.averaged), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_an_epoch_that_diverges_leaves_the_average():
    """And the number of its steps, from which its next one goes on."""
    trainer, _ = fit(fb.EMA(0.99), batch_size=10)
    before, averaged, twin = parameters(trainer), parameters(trainer.averaged), copy.deepcopy(trainer)
    X, y = other_samples()
    with pytest.raises(FloatingPointError):
        trainer.fit(np.where(np.arange(40)[:, None] < 39, X, 1e308), np.zeros(40, int), epochs=50)
    assert same(averaged, parameters(trainer.averaged))
    assert same(before, parameters(trainer))
    for one in (trainer, twin):
        one.shuffle = False
        one.fit(X, y)
    assert same(parameters(trainer.averaged), parameters(twin.averaged))
