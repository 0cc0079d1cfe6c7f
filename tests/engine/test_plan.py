"""A step is a list of operations: what a mode does is which operations are in it, and records hold numbers exactly."""

import numpy as np
import pytest
from helpers import labelled

import fastbp as fb
from fastbp.engine import kernel_cache, plan
from fastbp.engine.memory import Record
from fastbp.engine.runner import Samples
from fastbp.kernels.structs import STEP, UPDATE

X, Y = labelled(32, n_in=6, n_out=3)


def names(work) -> list[str]:
    """The operations of some work, in their order."""
    known = kernel_cache.names()
    return [known[kernel].split("-")[0] for kernel, _ in work.operations]


def network(**options) -> fb.MLP:
    return fb.MLP([6, 5, 3], activation="tanh", output="softmax", seed=0, **options)


def test_lists():
    model = network().model
    assert names(plan.predict(model, 32, 1, 2)[0]) == ["gather", "product", "product", "scatter"]
    assert names(plan.evaluate(model, 32, 1, fb.losses.Huber())) == [
        "weigh_batch", "gather", "gather", "product", "product", "loss", "add_up"
    ]  # fmt: skip
    gradient = [
        "weigh_batch", "gather", "gather", "product", "product", "loss", "follow", "average_over_batch", "product",
        "add_up", "nothing", "gradient",
    ]  # fmt: skip
    assert names(plan.gradient(model, 32, 1, fb.losses.Huber(), None)) == gradient
    fused = plan.gradient(model, 32, 1, fb.losses.CrossEntropy(), None)
    assert names(fused) == [name for name in gradient if name != "follow"]


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, ["learn"]),
        ({"gradient": "stored"}, ["gradient", "apply"]),
        ({"clip_norm": 1.0}, ["gradient", "norms", "shrink", "apply"]),
        ({"average": fb.EMA(0.9)}, ["learn", "average"]),
    ],
)
def test_lists_of_steps(options, end):
    own = fb.Trainer(network(max_norm=2.0 if options == {} else None), loss="cross_entropy", **options)
    assert names(own.work(16))[-len(end) - (options == {}) :] == end + ["bound"] * (options == {})


def test_gradient_and_apply_by_themselves_make_the_fused_step():
    """To the bit: what another process, or a search, has summed can be applied here."""
    nets = [network(), network()]
    fused, apart = (fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1), seed=0) for net in nets)
    fused.partial_fit(X, Y)
    samples = apart.read(X, Y)
    work = plan.gradient(nets[1].model, 32, 1, fb.losses.CrossEntropy(), None)
    with work.reading(Samples(samples.X, samples.y)):
        work.finish()
    rule = plan.Rule(apart.optimizer, apart.state.vectors, lambda t: apart.optimizer.hyper(t, 0.1))
    plan.apply(nets[1].model, work.gradient, rule).run_once()
    assert (nets[0].parameters.theta == nets[1].parameters.theta).all()


def test_records_hold_integers_and_reals():
    made = Record(STEP, n=2**40 + 1, cost=0.1)
    assert made["n"] == 2**40 + 1
    assert made["cost"] == 0.1
    made.set(cost=3, seen=2)
    assert made["cost"] == 3.0
    assert made["seen"] == 2.0
    assert made.memory["seen"][0] == 2.0
    vector = np.zeros(8)
    assert Record(UPDATE, theta=vector)["theta"] == vector.ctypes.data
    with pytest.raises(KeyError):
        made.set(nonsense=1)


def test_kernels_are_told_apart_by_their_formulas():
    """Parameters that are numbers do not matter; what the formula does with them does."""
    dtype = np.dtype(np.float32)
    leaky = [fb.activations.LeakyReLU(slope) for slope in (0.1, 0.2)]
    assert leaky[0].digest(dtype) == leaky[1].digest(dtype)
    digests = [sigma.digest(dtype) for sigma in fb.activations.ACTIVATIONS.values()]
    assert len(set(digests)) == len(digests)
    digests = [loss.digest(dtype) for loss in fb.losses.LOSSES.values()]
    assert len(set(digests)) == len(digests)
    rules = [fb.SGD(), fb.SGD(momentum=0.9), fb.SGD(momentum=0.9, nesterov=True), fb.Adam(), fb.AdamW(), fb.RMSprop()]
    rules += [fb.RMSprop(centered=True), fb.RMSprop(momentum=0.9), fb.Adagrad(), fb.Adadelta(), fb.Rprop()]
    rules.append(fb.Rprop(forgiving=False))
    assert len({rule.digest(dtype) for rule in rules}) == len(rules)
    assert fb.Adam(0.1).digest(dtype) == fb.Adam(0.2).digest(dtype) != fb.Adam(0.1).digest(np.dtype(np.float64))
