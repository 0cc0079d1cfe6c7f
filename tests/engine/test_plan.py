"""A step is a list of operations: what a mode does is which operations are in it, and records hold numbers exactly."""

import inside
import numpy as np
import pytest
from helpers import labelled

import fastbp as fb
from fastbp.engine import kernel_cache, plan
from fastbp.engine.records import Record
from fastbp.engine.runner import Work
from fastbp.kernels.structs import STEP, UPDATE

X, Y = labelled(32, n_in=6, n_out=3)


def names(work: Work, path: str = "dense", form: str | None = "labels") -> list[str]:
    """The operations of the program of some work, in their order."""
    operations, known = work.program(path, form).operations, kernel_cache.names()
    return [known[kernel].split("-")[0] for kernel, _ in operations]


def network(**options) -> fb.MLP:
    return fb.MLP([6, 5, 3], activation="tanh", output="softmax", seed=0, **options)


def test_lists():
    model = inside.model(network())
    predict = plan.predict(model, 32, 1, 2)[0]
    assert names(predict, "dense", None) == ["gather", "product", "product", "scatter"]
    assert names(predict, "direct", None) == ["product", "product", "scatter"]
    assert names(predict, "zeros", None) == ["gather_with_masks", "product", "product", "scatter"]
    assert names(predict, "entries", None) == ["gather_entries", "product", "product", "scatter"]
    huber = fb.losses.Huber()
    forward = ["weigh_batch", "gather", "one_hot", "product", "product", "loss"]
    assert names(plan.evaluate(model, 32, 1, huber)) == [*forward, "add_up"]
    backward = ["follow", "average_over_batch", "product", "add_up", "learn", "learn"]
    assert names(plan.gradient(model, 32, 1, huber, None)) == [*forward, *backward]
    fused = plan.gradient(model, 32, 1, fb.losses.CrossEntropy(), None)
    assert names(fused) == [*forward, *backward[1:]]


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, ["learn"] * 2),
        ({"gradient": "stored"}, ["learn"] * 2 + ["apply"] * 2),
        ({"clip_norm": 1.0}, ["learn"] * 2 + ["norms", "shrink"] + ["apply"] * 2),
        ({"average": fb.EMA(0.9)}, ["learn"] * 2 + ["average"]),
    ],
)
@pytest.mark.parametrize("max_norm", [None, 2.0])
def test_lists_of_steps(options, end, max_norm):
    own = fb.Trainer(network(max_norm=max_norm), loss="cross_entropy", **options)
    if max_norm:
        after = end.index("average") if "average" in end else len(end)
        end = [*end[:after], "bound", "bound", *end[after:]]
    assert names(inside.work(own, 16))[-len(end) - 1 :] == ["add_up", *end]


def test_gradient_and_apply_by_themselves_make_the_fused_step():
    """To the bit: what another process, or a search, has summed can be applied here."""
    nets = [network(), network()]
    fused, apart = (fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1), seed=0) for net in nets)
    fused.partial_fit(X, Y)
    _, dW, db = nets[1].gradients(X, Y, loss="cross_entropy")
    apart.apply_gradients(dW, db)
    assert (nets[0].theta == nets[1].theta).all()


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
