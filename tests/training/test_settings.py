"""Settings of a trainer: they may change between calls of fit, count from then on, and nonsense is refused."""

import copy

import numpy as np
import pytest
from helpers import labelled, parameters, run_function, same

import fastbp as fb
from fastbp.callbacks import Lambda

X, Y = labelled(96, n_in=6, n_out=3)


def network(*hidden: int, **options) -> fb.MLP:
    return fb.MLP([6, *hidden, 3], output="softmax", seed=0, **options)


def test_another_loss_counts():
    """It is the one that is minimised, evaluated, and kept in checkpoints."""
    trainers = [fb.Trainer(network(), loss=loss, seed=0) for loss in ("cross_entropy", "squared_error")]
    trainers[0].loss = "squared_error"
    for own in trainers:
        own.fit(X, Y, epochs=2)
    assert same(*(parameters(own) for own in trainers))
    assert trainers[0].evaluate(X, Y) == trainers[1].evaluate(X, Y)


def test_a_checkpoint_has_the_loss_that_was_trained(tmp_path):
    own = fb.Trainer(network(), loss="cross_entropy", seed=0)
    own.fit(X, Y)
    own.loss = fb.losses.Huber(0.5)
    own.fit(X, Y, callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.Trainer.resume(tmp_path)
    assert twin.loss == fb.losses.Huber(0.5)
    assert twin.evaluate(X, Y) == own.evaluate(X, Y)


def test_other_metrics_count():
    own = fb.Trainer(network(), loss="cross_entropy", seed=0)
    own.metrics = ["r2", "mae"]
    assert {"r2", "mae"} <= own.evaluate(X, Y).keys()
    own.metrics = []
    assert not {"r2", "mae"} & own.evaluate(X, Y).keys()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("loss", "nonsense", "loss must be one of"),
        ("optimizer", "adams", "optimizer must be one of 'sgd'"),
        ("optimizer", 0.1, "optimizer must be a name such as 'adam'"),
        ("batch_size", 0, "batch_size must be at least 1, got 0"),
        ("clip_value", -1, "clip_value must be a finite number above 0"),
        ("l2", -1.0, "l2 must be a finite number at least 0"),
        ("metrics", ["nonsense"], r"metrics\[0\] must be one of"),
        ("gradient", "lost", "gradient must be one of"),
        ("network", "nonsense", "network must be an MLP"),
    ],
)
def test_nonsense_is_refused_and_nothing_has_changed(name, value, message):
    own = fb.Trainer(network(), loss="cross_entropy", seed=0)
    before = getattr(own, name)
    with pytest.raises((ValueError, TypeError), match=message):
        setattr(own, name, value)
    assert getattr(own, name) is before
    own.fit(X, Y)


def test_a_callback_changes_the_optimizer():
    """The new rule counts from the next minibatch on, with a state of its own; checkpoints then fit it."""
    own = fb.Trainer(
        network(5), loss="cross_entropy", batch_size=16, shuffle=False, optimizer=fb.SGD(0.1, momentum=0.9)
    )
    new = fb.Adam(0.01)

    def change(state: fb.callbacks.State) -> None:
        if state.samples == 48:
            state.trainer.optimizer = new

    own.fit(X, Y, callbacks=[Lambda(batch_end=change)])
    twin = fb.Trainer(
        network(5), loss="cross_entropy", batch_size=16, shuffle=False, optimizer=fb.SGD(0.1, momentum=0.9)
    )
    twin.fit(X[:48], Y[:48])
    twin.optimizer = new
    twin.fit(X[48:], Y[48:])
    assert same(parameters(own.network), parameters(twin.network))
    assert own.state.step == twin.state.step == 3


def test_another_rate_keeps_the_momentum():
    own = fb.Trainer(network(), loss="cross_entropy", optimizer=fb.SGD(0.1, momentum=0.9), seed=0)
    own.fit(X, Y)
    before = own.state.vectors.copy()
    own.optimizer = fb.SGD(0.05, momentum=0.9)
    assert (own.state.vectors == before).all()
    assert own.state.step > 0


def test_another_average_counts():
    """The same average goes on, with another decay."""
    options = {"loss": "cross_entropy", "optimizer": "sgd", "average": fb.EMA(0.9), "seed": 0}
    own, twin = (fb.Trainer(network(), **options) for _ in range(2))
    for trainer in (own, twin):
        trainer.fit(X, Y)
    own.average = fb.EMA(0.0)  # the parameters themselves
    own.fit(X, Y)
    assert same(parameters(own.averaged), parameters(own.network))
    twin.fit(X, Y)
    assert not same(parameters(twin.averaged), parameters(twin.network))


def replaced() -> None:
    """A larger network with an average: kernels must not write to the old one's vectors."""
    own = fb.Trainer(network(), loss="cross_entropy", average=fb.EMA(0.9), optimizer=fb.Adam(0.01), seed=0)
    own.fit(X, Y)
    own.network = larger = network(300, 200, dtype=np.float64)
    own.fit(X, Y, epochs=3)
    alone = fb.Trainer(
        network(300, 200, dtype=np.float64), loss="cross_entropy", average=fb.EMA(0.9), optimizer=fb.Adam(0.01)
    )
    assert own.averaged.sizes == larger.sizes
    assert own.state.vectors.size == 2 * larger.parameters.theta.size == alone.state.vectors.size


def test_a_larger_network_takes_over_with_an_average():
    run_function(replaced)


def test_another_network_of_the_same_sizes_begins_anew():
    """Momentum, step count and average are not those of the network before."""
    options = {"loss": "cross_entropy", "optimizer": fb.Adam(0.01), "average": fb.EMA(0.9), "shuffle": False}
    own, twin = fb.Trainer(network(), **options), fb.Trainer(network(), **options)
    own.fit(X, Y, epochs=3)
    own.network = network()
    for trainer in (own, twin):
        trainer.fit(X, Y)
    assert same(parameters(own.network), parameters(twin.network))
    assert same(parameters(own.averaged), parameters(twin.averaged))


def test_networks_of_two_trainers_see_each_other():
    """A trainer that goes on sees the weights that another one, or a callback, has set in between."""
    shared, alone = network(7), network(7)
    options = {"loss": "cross_entropy", "optimizer": "sgd", "shuffle": False, "seed": 0}
    first, second = (fb.Trainer(shared, **options) for _ in range(2))
    first.fit(X, Y)
    second.fit(X, Y)
    first.fit(X, Y)
    fb.Trainer(alone, **options).fit(X, Y, epochs=3)
    assert same(parameters(shared), parameters(alone))


def test_weights_that_a_callback_sets_are_seen_at_once():
    """Also by a callback that is called only when the compiled loop returns."""
    other = network(7)
    other.set_weights(*([0.5 * a for a in arrays] for arrays in (other.weights, other.biases)))
    ended = []

    def swap(state: fb.callbacks.State) -> None:
        if not ended:
            state.network.set_weights(other.weights, other.biases)
            ended.append(state.samples)

    options = {"loss": "cross_entropy", "optimizer": "sgd", "batch_size": 16, "shuffle": False}
    own = fb.Trainer(network(7), **options)
    own.fit(X, Y, callbacks=[Lambda(batch_end=swap, every=None)])
    twin = fb.Trainer(other, **options)
    twin.fit(X[ended[0] :], Y[ended[0] :])
    assert same(parameters(own.network), parameters(twin.network))


def test_a_copy_is_a_trainer_of_its_own():
    own = fb.Trainer(network(), loss="cross_entropy", optimizer=fb.Adam(0.01), seed=0)
    own.fit(X, Y)
    for twin in (copy.copy(own), copy.deepcopy(own)):
        assert twin.state == own.state
        twin.fit(X, Y)
        assert twin.state != own.state
        assert not np.array_equal(parameters(twin.network)[0], parameters(own.network)[0])


@pytest.mark.parametrize("average", [None, fb.EMA(0.5), fb.SWA()])
@pytest.mark.parametrize("before", [fb.SWA(), fb.EMA(0.9), None])
def test_a_callback_changes_the_average(before, average):
    """At the last minibatch of an epoch too; the new one counts from the next minibatch on."""
    own = fb.Trainer(network(), loss="cross_entropy", average=before, batch_size=48, seed=0)
    change = Lambda(batch_end=lambda state: state.step == 2 and setattr(state.trainer, "average", average))
    own.fit(X, Y, epochs=3, callbacks=[change])
    assert own.average is average
    if average is not None:
        assert np.isfinite(own.averaged.predict(X)).all()


def test_a_callback_must_not_change_to_a_search():
    own = fb.Trainer(network(), loss="cross_entropy", batch_size=16, seed=0)
    change = Lambda(batch_end=lambda state: setattr(state.trainer, "optimizer", fb.LBFGS()))
    with pytest.raises(ValueError, match="optimizer must not change to or from LBFGS during a call of fit"):
        own.fit(X, Y, callbacks=[change])
    own.fit(X, Y)


def test_a_callback_must_not_replace_the_network():
    own = fb.Trainer(network(), loss="cross_entropy", seed=0)
    swap = Lambda(epoch_end=lambda state: setattr(state.trainer, "network", network()))
    with pytest.raises(RuntimeError, match="a network was assigned while the same trainer is training: a callback"):
        own.fit(X, Y, callbacks=[swap])
    own.fit(X, Y)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64, np.uint64])
def test_integers_of_numpy(kind):
    """They count like Python's, and do not overflow where they meet larger ones."""
    X, y = labelled(300)
    seen, histories = [[], []], []
    for numbers, steps in ((int, seen[0]), (kind, seen[1])):
        watch = fb.callbacks.Lambda(batch_end=lambda state, steps=steps: steps.append(state.step))
        watch.every = numbers(100)
        net = fb.MLP([numbers(6), numbers(5), numbers(3)], output="softmax", seed=numbers(0))
        trainer = fb.Trainer(net, loss="cross_entropy", batch_size=numbers(2), seed=numbers(1), n_threads=numbers(1))
        trainer.fit(X, y, epochs=numbers(3), shuffle_buffer=numbers(100), callbacks=[watch])
        histories.append(trainer.history["loss"])
    assert seen[0] == seen[1] == [100, 200, 300, 400]
    assert histories[0] == histories[1]
