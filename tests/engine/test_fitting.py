"""Objects that must fit together: no assignment makes kernels read or write memory that is not theirs.

What could end the process is tried in processes of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from helpers import labelled, run

import fastbp as fb

SMALL_AND_LARGE = """
import numpy as np, fastbp as fb

def trainer(sizes, optimizer="adam", dtype="float32"):
    net = fb.MLP(sizes, dtype=dtype, seed=0)
    return fb.Trainer(net, loss="squared_error", optimizer=optimizer, average=fb.EMA(0.9), seed=0, batch_size=8)

def refused(kind, call, *words):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"{words} was not refused")

large, small = trainer([300, 200, 40]), trainer([2, 3, 1], dtype="float64")
X, y = np.random.default_rng(0).normal(size=(16, 300)), np.zeros((16, 40))
large.fit(X, y)
small.fit(X[:, :2], y[:, :1])
before = large.network.theta.copy(), large.network.predict(X)
"""


def test_what_fits_cannot_be_replaced():
    """Neither the parameters, nor the state of the optimizer, nor the average; and nothing is changed by trying."""
    run(
        SMALL_AND_LARGE
        + """
for target, names in (
    (lambda each: each.network, ("parameters", "architecture", "sizes", "dtype")),
    (lambda each: each.network.parameters, ("theta", "layout")),
    (lambda each: each, ("state", "settings")),
    (lambda each: each.state, ("parameters", "vectors", "average")),
):
    for name in names:
        refused(AttributeError, lambda: setattr(target(large), name, getattr(target(small), name)))
refused(ValueError, lambda: large.network.parameters.theta.__setitem__(0, 1.0), "read-only")
large.network.predict(X), large.fit(X, y), large.partial_fit(X, y), large.averaged.predict(X)
"""
    )


def test_the_state_of_another_trainer_in_a_callback():
    """The assignment is an error that ends the call. It let the call of `fit` never end."""
    run(
        SMALL_AND_LARGE
        + """
def swap(state):
    large.state = small.state

callback = fb.callbacks.Lambda(epoch_end=swap)
refused(AttributeError, lambda: large.fit(X, y, epochs=3, callbacks=[callback]), "state")
large.fit(X, y)
"""
    )


def test_vectors_of_another_size_never_reach_the_kernels():
    """Whatever has come between: a state for another optimizer begins anew, and vectors of other sizes are refused."""
    run(
        SMALL_AND_LARGE
        + """
large.state.begin(fb.SGD(0.1))  # without vectors, and the trainer still has Adam
large.fit(X, y)
assert large.state.vectors.size == 2 * large.network.parameters.theta.size
large.state.begin(fb.SGD(0.1))
large.partial_fit(X, y)
assert large.state.vectors.size == 2 * large.network.parameters.theta.size
refused(ValueError, lambda: large.network.parameters.fitting(np.zeros(3, "f4"), "the state"), "numbers of float32")
large.optimizer = fb.Adam(0.01)
large.fit(X, y)
"""
    )


OWN = """
class Own(fb.Adam):
    variant = property(lambda self: ("one for all",))

class Few(fb.Adam):
    state_count = property(lambda self: 1)

class Many(fb.Adam):
    state_count = property(lambda self: 5)
"""


def test_optimizers_of_the_user_with_their_own_variant_or_state_count():
    """The state has as many vectors as `update` reads, whatever the class says."""
    run(
        SMALL_AND_LARGE
        + OWN
        + """
class Less(fb.SGD):
    variant = Own.variant

first = trainer([300, 200, 40], Less(0.01))
first.fit(X, y)
first.optimizer = Own(0.01)
first.fit(X, y)
twin = trainer([300, 200, 40], fb.SGD(0.01))
twin.fit(X, y)
twin.optimizer = fb.Adam(0.01)
twin.fit(X, y)
assert (first.network.theta == twin.network.theta).all()
for kind in (Few, Many):
    refused(ValueError, lambda: trainer([300, 200, 40], kind(0.01)), "state_count", "states")
"""
    )


def test_members_of_an_ensemble():
    """A member that gets a network of another size is refused by each call, also for few rows."""
    run(
        SMALL_AND_LARGE
        + """
members = [trainer([300, 5, 3]) for _ in range(3)]
ensemble = fb.Ensemble(members)
row, targets = X[:1], np.zeros((16, 3))
wanted = ensemble.predict(row)
refused(AttributeError, lambda: ensemble.trainers.append(small))
refused(AttributeError, lambda: setattr(ensemble, "trainers", [small]))
kept = members[1].network
for sizes in ([300, 5, 1], [300, 5, 50], [30, 5, 3]):
    members[1].network = fb.MLP(sizes, seed=0)
    for call in (
        lambda: ensemble.predict(row), lambda: ensemble.predict(X), lambda: ensemble.predict_classes(row),
        lambda: ensemble.evaluate(X, targets), lambda: ensemble.fit(X, targets), lambda: ensemble.save("x"),
        lambda: ensemble.partial_fit(X, targets),
    ):
        refused(ValueError, call, "equal numbers of inputs and outputs")
members[1].network = members[0].network
refused(ValueError, lambda: ensemble.predict(row), "a network of their own")
members[1].network = kept
assert (ensemble.predict(row) == wanted).all()
"""
    )


def test_inputs_that_grow_while_they_are_read():
    """The rows beyond those that were counted would be written past the end of the outputs."""
    run(
        """
        import numpy as np, fastbp as fb
        from fastbp.data.inputs import Inputs
        from fastbp.data.arrays import KINDS

        net = fb.MLP([3, 2], seed=0)
        block = np.ones((4000, 3), np.float32)
        blocks = [(0, Inputs(block, KINDS[block.dtype])), (4000, Inputs(block, KINDS[block.dtype]))]
        try:
            net._computer.activations(5000, blocks, 1, None, net._refuse)
        except ValueError as error:
            assert "5000 rows" in str(error)
        else:
            raise AssertionError
        """
    )


def test_a_prepared_work_serves_after_a_refusal():
    X, y = labelled(40)
    net = fb.MLP([6, 5, 3], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", seed=0)
    trainer.fit(X, y)
    before = np.array(net.theta)
    with pytest.raises(AttributeError):
        trainer.state.vectors = np.zeros(3)
    assert (net.theta == before).all()
    trainer.fit(X, y)
    assert (net.theta != before).any()
