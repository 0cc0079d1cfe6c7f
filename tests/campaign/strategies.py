"""What hypothesis draws for the machine: networks, and settings for a trainer, between its calls and in callbacks."""

from __future__ import annotations

from campaign import draws
from hypothesis import strategies as st

import fastbp as fb

SEEDS, SIZES = st.integers(0, 2**32 - 1), st.integers(1, 40)
NETWORKS = {
    "hidden": st.lists(SIZES, max_size=2),
    "n_in": SIZES,
    "n_out": st.integers(1, 12),
    "pair": st.sampled_from(draws.PAIRS),
    "activation": st.sampled_from(draws.ACTIVATIONS),
    "dropout": st.sampled_from((0.0, 0.0, 0.0, 0.2)),
    "max_norm": st.sampled_from((None, None, 1.2)),
    "seed": SEEDS,
}
CALLBACK_SETTINGS = {
    "l1": (0.0, 1e-3),
    "l2": (0.0, 1e-2),
    "clip_value": (None, 0.01),
    "clip_norm": (None, 0.1),
    "optimizer": draws.OPTIMIZERS,
    "schedule": draws.SCHEDULES,
    "average": draws.AVERAGES,
    "gradient": ("fused", "stored"),
    "n_threads": (1, 2),
}
SETTINGS = {
    **CALLBACK_SETTINGS,
    "batch_size": (1, 7, 16, 100),
    "shuffle": (True, False),
    "optimizer": (*draws.OPTIMIZERS, fb.LBFGS(memory=3)),
}
CHANGES = st.one_of([st.tuples(st.just(name), st.sampled_from(values)) for name, values in SETTINGS.items()])
IN_CALLBACK = st.one_of(
    [st.tuples(st.just(name), st.sampled_from(values)) for name, values in CALLBACK_SETTINGS.items()]
)
