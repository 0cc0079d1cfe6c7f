"""Kernels that different processes have compiled and cached do not take each other's functions for their own."""

from __future__ import annotations

from conftest import run

RULES = ["fb.SGD(0.1, momentum=0.9)", "fb.SGD(0.1, momentum=0.9, nesterov=True)", "fb.Adam(0.01)", "fb.AdamW(0.01)"]
FITS = """
import numpy as np, fastbp as fb
def fit(optimizer):
    rng = np.random.default_rng(0)
    net = fb.MLP([9, 20, 3], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, seed=0, n_threads=1)
    print(trainer.fit(rng.normal(size=(70, 9)), np.arange(70) % 3, epochs=2)["loss"])
"""


def test_rules_that_other_processes_compiled(tmp_path):
    """Each process compiles one kernel, after it has loaded the same others, so that Numba gives what is new in it the
    same numbers; all of them in one process are to give what each has given alone."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    run(f"{FITS}\nfit(fb.SGD(0.1))", env)
    alone = [run(f"{FITS}\nfit({rule})", env).stdout for rule in RULES]
    assert len(set(alone)) == len(RULES)
    for order in (1, -1):
        together = run(FITS + "".join(f"\nfit({rule})" for rule in RULES[::order]), env).stdout
        assert together == "".join(alone[::order])
