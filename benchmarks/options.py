"""What options cost: epochs with one and without, in turns.

python benchmarks/options.py [OPTION ...] [--case M] [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cases import CASES, Case

import fastbp as fb

NETWORK = {
    "dropout": {"dropout": 0.5},
    "dropout of inputs too": {"dropout": 0.2, "inputs": True},
    "input noise": {"input_noise": 0.1},
    "max-norm": {"max_norm": 3.0},
    "gelu": {"activation": "gelu"},
    "relu as a formula": {"activation": fb.activations.Formula(lambda z: fb.graph.maximum(z, 0.0))},
    "no biases": {"bias": False},
}
TRAINER = {
    "momentum": {"optimizer": fb.SGD(0.01, momentum=0.9)},
    "Adam": {"optimizer": fb.Adam(1e-4)},
    "AdamW": {"optimizer": fb.AdamW(1e-4)},
    "RMSprop": {"optimizer": fb.RMSprop(1e-4)},
    "Adagrad": {"optimizer": fb.Adagrad(1e-3)},
    "Adadelta": {"optimizer": fb.Adadelta(0.1)},
    "schedule per step": {"schedule": fb.schedules.Warmup(100, per="step") * fb.schedules.Cosine(1000)},
    "L1 and L2": {"l1": 1e-6, "l2": 1e-5},
    "clip_value": {"clip_value": 1.0},
    "clip_norm": {"clip_norm": 1.0},
    "EMA": {"average": fb.EMA(0.99)},
    "label smoothing": {"loss": fb.losses.CrossEntropy(0.1)},
}


class Every(fb.callbacks.Callback):
    """Hooks for batches that do nothing."""

    def on_batch_end(self, state: fb.callbacks.State) -> None:
        """Nothing."""


def trainer(case: Case, network: dict, options: dict) -> fb.Trainer:
    """Of a case, by plain SGD unless the options say otherwise."""
    network = dict(network)
    if network.pop("inputs", False):
        network["dropout"] = [network["dropout"]] * (len(case.sizes) - 1)
    network = {"activation": case.activation, "output": case.output, "seed": 0} | network
    options = {"loss": case.loss, "optimizer": fb.SGD(0.01)} | options
    return fb.Trainer(fb.MLP(case.sizes, **network), batch_size=case.batch, seed=0, **options)


def fits(case: Case, directory: Path) -> dict[str, Callable[[], object]]:
    """Epochs by name; the first is the plain one."""
    X, y = case.data()
    mapped = np.memmap(directory / "X", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    blocks = [(X[i : i + 1000], y[i : i + 1000]) for i in range(0, len(X), 1000)]
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(X))
    of_data = {
        "sample weights": ((X, y), {"sample_weight": weights}),
        "a mapped file": ((mapped, y), {}),
        "a mapped file in windows": ((mapped, y), {"shuffle_buffer": 2048}),
        "blocks": ((blocks,), {"shuffle_buffer": 4096}),
        "a callback a minibatch": ((X, y), {"callbacks": [Every()]}),
        "a checkpoint an epoch": ((X, y), {"callbacks": [fb.Checkpoint(directory / "run")]}),
    }
    made: dict[str, Callable[[], object]] = {}

    def add(name: str, made_trainer: fb.Trainer, arguments: tuple, options: dict) -> None:
        made[name] = lambda: made_trainer.fit(*arguments, progress=False, **options)

    add("plain", trainer(case, {}, {}), (X, y), {})
    for name, options in NETWORK.items():
        add(name, trainer(case, options, {}), (X, y), {})
    for name, options in TRAINER.items():
        add(name, trainer(case, {}, options), (X, y), {})
    for name, (arguments, options) in of_data.items():
        add(name, trainer(case, {}, {}), arguments, options)
    return made


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("option", nargs="*", help="names of the table; by default all")
    parser.add_argument("--case", default="M", choices=[name for name in CASES if CASES[name].loss == "cross_entropy"])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    case = CASES[args.case]
    with tempfile.TemporaryDirectory() as directory:
        made = fits(case, Path(directory))
        plain = made.pop("plain")
        if unknown := {*args.option} - made.keys():
            parser.error(f"OPTION must be of {', '.join(map(repr, made))}; got {unknown}")
        made = {name: fit for name, fit in made.items() if not args.option or name in args.option}
        print(f"{case.title}, plain SGD: times its epoch\n")
        for name, fit in made.items():
            plain(), fit()
            ratios = []
            for _ in range(args.rounds):
                seconds = []
                for turn in (plain, fit):
                    start = time.perf_counter()
                    turn()
                    seconds.append(time.perf_counter() - start)
                ratios.append(seconds[1] / seconds[0])
            low, *_, high = statistics.quantiles(ratios, n=10)
            print(f"{name:26} {statistics.median(ratios):6.2f}  [{low:.2f} .. {high:.2f}]", flush=True)


if __name__ == "__main__":
    main()
