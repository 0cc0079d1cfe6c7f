"""Networks whose samples, and in half of the rounds all other memory too, lie next to pages that nobody may touch.

A kernel that reads or writes one byte too many ends the process. What a network computes there must also have the same
bits as elsewhere.
"""

from __future__ import annotations

import contextlib
import functools

import inside
import numpy as np
from campaign import draws
from campaign.draws import choose
from helpers import free_guards, guarded_copy, parameters

import fastbp as fb

NETWORKS = 10
"""The number of networks of a round."""


def prepare() -> None:
    """Nothing takes long here but kernels, and each network needs others."""


def play(seed: int) -> dict[str, int]:
    """Train, evaluate and predict with several networks."""
    for k in range(NETWORKS):
        _network(np.random.default_rng([seed, k]))
    return {"guarded networks": NETWORKS}


def _network(rng: np.random.Generator) -> None:
    """One network, in memory of its own and in guarded memory."""
    free_guards()
    kind, at_end, (loss, output) = choose(rng, draws.KINDS), bool(rng.integers(2)), choose(rng, draws.PAIRS)
    sizes = [int(size) for size in rng.integers(1, 71, rng.integers(2, 5))]
    sizes[-1] = max(sizes[-1], draws.least_outputs(loss, output))
    n = int(rng.integers(1, 71))
    given = draws.samples(rng, n, sizes, loss, kind)
    made = {
        "activation": [choose(rng, draws.ACTIVATIONS) for _ in sizes[1:-1]],
        "output": output,
        "scale": draws.scale_for(kind),
        "dtype": choose(rng, (np.float32, np.float64)),
        "dropout": choose(rng, (0.0, 0.0, 0.3, [0.2, *(0.0 for _ in sizes[1:-1])])),
        "max_norm": choose(rng, (None, 1.5)),
        "seed": 0,
    }
    options = {
        "loss": loss,
        "optimizer": choose(rng, draws.OPTIMIZERS),
        "batch_size": int(rng.integers(1, n + 3)),
        "gradient": choose(rng, ("fused", "stored")),
        "clip_norm": choose(rng, (None, None, 1.0)),
        "average": choose(rng, draws.AVERAGES),
        "n_threads": int(rng.integers(1, 3)),
        "seed": 0,
    }
    wanted = _results(sizes, made, options, given)
    with inside.guarded_memory(at_end) if rng.random() < 0.5 else contextlib.nullcontext():
        guards = draws.Samples(*(part if part is None else _copy(part, at_end) for part in given))
        found = _results(sizes, made, options, guards)
    # What has diverged holds NaN, which is equal to itself here.
    assert all(map(functools.partial(np.array_equal, equal_nan=True), found, wanted)), (
        f"{sizes} {made} {options} differ next to guard pages"
    )


def _copy(array: np.ndarray, at_end: bool) -> np.ndarray:
    """The same array in guarded memory, with the same strides if it is not contiguous."""
    if array.flags.c_contiguous or not array.flags.f_contiguous:
        return guarded_copy(array, at_end)
    return guarded_copy(array.T, at_end).T


def _results(sizes: list[int], made: dict, options: dict, given: draws.Samples) -> list[np.ndarray]:
    """All that comes of a network that is trained, and that fits in arrays."""
    net = fb.MLP(sizes, **made)
    trainer = fb.Trainer(net, **options)
    scores, gradients = {}, [[], []]
    with contextlib.suppress(FloatingPointError):  # what has been reached before is compared
        trainer.fit(given.X, given.y, epochs=2, sample_weight=given.weights)
        trainer.partial_fit(given.X[:1], given.y[:1])
        scores = trainer.evaluate(given.X, given.y, sample_weight=given.weights)
        gradients = net.gradients(given.X, given.y, loss=options["loss"], sample_weight=given.weights)[1:]
    return [*parameters(net), *gradients[0], *gradients[1], np.array([*scores.values()]), net.predict(given.X)]
