"""Doors that callbacks and threads can open while a trainer works: none leads to a crash or to another result."""

import gc
import signal
import threading
import weakref

import numpy as np
import pytest
from helpers import labelled, parameters, run_function, same

import fastbp as fb
from fastbp.callbacks import Lambda
from fastbp.engine import plan
from fastbp.engine.runner import Work

X, Y = labelled(96, n_in=6, n_out=3)


def network(*hidden: int, **options) -> fb.MLP:
    return fb.MLP([6, *hidden, 3], output="softmax", seed=0, **options)


def test_an_exception_while_memory_is_made_leaves_the_trainer_as_it_was(monkeypatch):
    """The next fit trains with the settings that it has, not with those before."""
    own, twin = (fb.Trainer(network(), loss="cross_entropy", shuffle=False) for _ in range(2))
    for each in (own, twin):
        each.fit(X, Y)
        each.l2 = 10.0
    make = plan.train
    monkeypatch.setattr(plan, "train", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        own.fit(X, Y)
    monkeypatch.setattr(plan, "train", make)
    for each in (own, twin):
        each.fit(X, Y)
    assert same(parameters(own), parameters(twin))


def test_a_metric_cannot_change_the_targets():
    def vandal(y: np.ndarray, a: np.ndarray) -> float:
        y[y == 0] = -1
        return 0.0

    trainer = fb.Trainer(network(), loss="cross_entropy", metrics=[vandal])
    before = Y.copy()
    with pytest.raises(ValueError, match="read-only"):
        trainer.evaluate(X, Y)
    with pytest.raises(ValueError, match="read-only"):
        trainer.fit(X, Y, validation_data=(X, Y))
    assert (before == Y).all()


def reshaped() -> None:
    """A callback gives the arrays another shape while they are read."""
    inputs, targets = X.astype(np.float32), np.eye(3, dtype=np.float32)[Y]

    def change(state: fb.callbacks.State) -> None:
        inputs.shape, targets.shape = (-1,), (-1,)

    nets = [network(4), network(4)]
    callbacks = [[Lambda(batch_end=change)], []]
    for net, called in zip(nets, callbacks, strict=True):
        own = fb.Trainer(net, loss="cross_entropy", batch_size=8, shuffle=False)
        own.fit(inputs.reshape(96, 6) if not called else inputs, targets.reshape(96, 3), epochs=3, callbacks=called)
    assert same(parameters(nets[0]), parameters(nets[1]))


def test_arrays_that_change_their_shape():
    run_function(reshaped)


class Lazy:
    """An array that is made when it is asked for, and does something else first."""

    def __init__(self, array: np.ndarray, first):
        self.array, self.first = array, first

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        self.first()
        return self.array


def swapped() -> None:
    """While samples are checked, somebody gives the trainer a network that they do not fit."""
    own = fb.Trainer(network(), loss="cross_entropy")
    other = fb.MLP([600, 300], output="softmax", seed=0)
    with pytest.raises(RuntimeError, match="a callback, or an iterable of blocks, must not do this"):
        own.fit(Lazy(X, lambda: setattr(own, "network", other)), Y)
    scores = own.evaluate(Lazy(X, lambda: setattr(own, "network", other)), Y)
    assert scores.keys() == {"loss", "accuracy"}
    assert own.network is other


def test_a_network_that_is_swapped_in_during_the_checks():
    run_function(swapped)


def blocks_that_train() -> None:
    """The blocks of a trainer come from a generator that trains with the same trainer."""
    own, other = (fb.Trainer(network(k + 1), loss="cross_entropy", seed=0) for k in range(2))

    def blocks(of: fb.Trainer):
        of.fit(X, Y)
        yield X, Y

    with pytest.raises(RuntimeError, match="fit was called while the same trainer is training"):
        own.fit(blocks(own))
    with pytest.raises(RuntimeError, match="fit was called while the same trainer is training"):
        own.fit((X, Y) for _ in range(2) if other.fit(blocks(own)))
    assert own.fit(blocks(other)).epochs == other.history.epochs == 1


def test_blocks_that_train():
    """Each thread would wait for the other one."""
    run_function(blocks_that_train, timeout=30)


def predicting_handler() -> None:
    """The handler of a signal predicts with the network that it has interrupted."""
    own, errors, answers = network(), [], []
    expected = own.predict(X)

    def handler(*_: object) -> None:
        try:
            answers.append(own.predict(X))
        except RuntimeError as error:
            errors.append(str(error))
        signal.setitimer(signal.ITIMER_REAL, 1e-4)  # with an interval, signals would interrupt their own handler

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4)
    for _ in range(20_000):
        assert (own.predict(X) == expected).all()
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert all((answer == expected).all() for answer in answers)
    assert errors
    assert {error.split("must")[1] for error in errors} == {
        " not compute in the handler of a signal that interrupted its computation"
    }


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timers")
def test_a_handler_that_predicts():
    """It gets an error or the right answer, and so does what it interrupted."""
    run_function(predicting_handler)


def test_weights_of_a_call_that_was_interrupted_are_not_read_again(monkeypatch):
    """The next `evaluate` without weights has none."""

    def interrupted(self) -> None:
        raise KeyboardInterrupt

    trainer = fb.Trainer(network(), loss="cross_entropy")
    wanted = trainer.evaluate(X, Y)
    with monkeypatch.context() as patched:
        patched.setattr(Work, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer.evaluate(X, Y, sample_weight=np.full(96, 1e6))
    assert trainer.evaluate(X, Y) == wanted


def test_an_interrupted_line_search_goes_back(monkeypatch):
    pytest.importorskip("scipy")
    own = fb.Trainer(network(5), loss="cross_entropy", optimizer=fb.LBFGS(), seed=0)
    own.fit(X, Y, epochs=3)
    before, looks = parameters(own), []
    from fastbp.training.lbfgs import Search

    look = Search.look

    def interrupted(self, x):
        looks.append(x)
        if len(looks) == 3:
            look(self, x)
            raise KeyboardInterrupt
        return look(self, x)

    monkeypatch.setattr(Search, "look", interrupted)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, Y)
    assert same(before, parameters(own))


@pytest.mark.parametrize("y", [[-0.37, 1.0], [-1.0, 0.0], [0.5, 1.0]])
def test_signs_are_signs(y):
    with pytest.raises(ValueError, match="every value must be 0 or 1, or -1 or 1"):
        fb.Trainer(fb.MLP([1, 1]), loss="hinge").evaluate([[0.0], [1.0]], y)


def test_a_trainer_that_is_dropped_is_gone():
    """Without a collection of garbage: the memory of large trainers must not wait for one."""
    gc.collect()
    gc.disable()
    try:
        own = fb.Trainer(network(9), loss="cross_entropy", optimizer=fb.Adam(), average=fb.EMA(0.9))
        own.fit(X, Y, validation_split=0.2)
        own.evaluate(X, Y)
        references = [weakref.ref(own), weakref.ref(own.network), weakref.ref(own.state)]
        del own
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


def test_an_optimizer_with_another_number_of_states_is_refused():
    class Wrong(fb.SGD):
        states = ("v", "w")

    class More(fb.Adam):
        def update(self, g, theta, m, v, h):
            return *super().update(g, theta, m, v, h), v

    for optimizer in (Wrong(momentum=0.9), More()):
        with pytest.raises((ValueError, TypeError)):
            fb.Trainer(network(), loss="cross_entropy", optimizer=optimizer).fit(X, Y)


def test_sizes_and_dtype_of_a_network_cannot_be_set():
    net = network()
    for name, value in (("sizes", (6, 300)), ("dtype", np.dtype(np.float64)), ("architecture", None)):
        with pytest.raises(AttributeError):
            setattr(net, name, value)


def test_networks_of_threads_are_swapped_between_fits_only():
    """A thread that gives the trainer another network waits for the end of a fit."""
    own, order = fb.Trainer(network(), loss="cross_entropy"), []
    other, inside = network(7), threading.Event()

    def swap() -> None:
        inside.wait()
        own.network = other
        order.append("swapped")

    thread = threading.Thread(target=swap)
    thread.start()
    own.fit(X, Y, epochs=3, callbacks=[Lambda(epoch_end=lambda state: (inside.set(), order.append(state.epoch)))])
    thread.join()
    assert order == [1, 2, 3, "swapped"]


@pytest.mark.parametrize("weight", [1e-46, 1e-42, 1e-31, 1e31, 1e37])
def test_weights_that_float32_would_lose_are_refused(weight):
    trainer = fb.Trainer(network(), loss="cross_entropy")
    weights = np.full(96, weight)
    for call in (trainer.evaluate, trainer.fit, trainer.partial_fit):
        with pytest.raises(ValueError, match=r"sample_weight must be 0 or between 1e-30 and 1e\+30, got"):
            call(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight must be 0 or between"):
        trainer.network.gradients(X, Y, loss="cross_entropy", sample_weight=weights)


@pytest.mark.parametrize("weight", [1e-30, 1e-10, 1e30])
def test_weights_of_any_scale_weigh_alike(weight):
    trainer = fb.Trainer(network(), loss="cross_entropy")
    wanted = trainer.evaluate(X, Y)
    found = trainer.evaluate(X, Y, sample_weight=np.full(96, weight))
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    assert found["accuracy"] == pytest.approx(wanted["accuracy"])


def test_validation_weights_that_are_all_0_are_refused():
    """Their mean loss would be 0, the best there is."""
    trainer = fb.Trainer(network(), loss="cross_entropy", metrics=["mae"])
    with pytest.raises(ValueError, match=r"validation_data\[2\] must have a sum above 0"):
        trainer.fit(X, Y, validation_data=(X, Y, np.zeros(96)))
    weights = np.zeros(96)
    weights[0] = 1.0
    with pytest.raises(ValueError, match="must have a sum above 0"):
        trainer.fit(X, Y, sample_weight=weights, validation_split=0.5)
    assert trainer.history.epochs == 0
