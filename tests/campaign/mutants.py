"""Files of networks and checkpoints that are damaged, or that somebody has forged.

A damaged file gives a ModelFileError, or exactly what was saved. A forged one has a digest that is right, and a
description in which one value is another: it gives a ModelFileError, or something that works.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from campaign import checks, draws
from campaign.draws import choose
from campaign.odd import limit_memory
from helpers import mutations, parameters, same
from safetensors import safe_open

import fastbp as fb
from fastbp.base import model_files

MUTATIONS, FORGERIES = 60, 30
VALUES = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.5, 1e308, float("inf"), float("nan"), "",
    "x", "relu", "softmax", "float64", "float16", "PCG64", "MT19937", [], [1], [1, 2], [[]], {}, {"SGD": {}},
    {"Adam": {"learning_rate": -1}}, {"Huber": {"delta": 0}}, {"MLP": {}}, {"os.system": {}}, {"Chain": {}},
    {"Cosine": {"epochs": 0}}, [[[[[[]]]]]], "\ud800",
)  # fmt: skip
"""What a forged description has in place of one of its values."""


def prepare() -> None:
    """A description can ask for any amount of memory, and there is no need to wait for the disk."""
    limit_memory()
    os.fsync = lambda handle: None


def play(seed: int) -> dict[str, int]:
    """Damage and forge the files of one trainer."""
    rng = np.random.default_rng(seed)
    loss, output = choose(rng, (*draws.PAIRS, draws.PAIR))
    sizes = [int(size) for size in rng.integers(1, 12, rng.integers(2, 5))]
    sizes[-1] = max(sizes[-1], draws.least_outputs(loss, output))
    dtype = choose(rng, (np.float32, np.float64))
    net = fb.MLP(sizes, output=output, activation=choose(rng, (*draws.ACTIVATIONS, draws.FORMULA)), dtype=dtype, seed=0)
    options = {"optimizer": choose(rng, draws.OPTIMIZERS), "average": choose(rng, draws.AVERAGES)}
    trainer = fb.Trainer(net, loss=loss, schedule=choose(rng, draws.SCHEDULES), seed=0, n_threads=1, **options)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        callbacks = [fb.EarlyStopping("loss"), fb.Checkpoint(place)]
        trainer.fit(
            *draws.samples(rng, 3, sizes, loss)[:2], epochs=int(rng.integers(3)), callbacks=callbacks[seed % 2 :]
        )
        net.save(place / "network")
        paths = [place / "network", *place.glob("checkpoint-*")]
        assert same(parameters(fb.load(paths[0])), parameters(net))
        for path in paths:
            _damage(path, seed)
            _forge(path, rng)
    return {"damaged files": len(paths) * MUTATIONS, "forged files": len(paths) * FORGERIES}


def _read(content: bytes, place: Path, network: bool) -> fb.MLP | fb.Trainer | None:
    """What a file with this content holds, or None if it cannot be read."""
    with tempfile.TemporaryDirectory(dir=place) as directory:
        path = Path(directory) / "checkpoint-00000001.safetensors"
        path.write_bytes(content)
        try:
            return fb.load(path) if network else fb.Trainer.resume(directory)
        except fb.ModelFileError as error:
            if path.name not in str(error):
                raise
            return None


def _damage(path: Path, seed: int) -> None:
    """Damaged files are refused, unless the damage has changed nothing."""
    network, content = path.name == "network", path.read_bytes()
    whole = _read(content, path.parent, network)
    for data in mutations(content, MUTATIONS, seed):
        found = _read(data, path.parent, network)
        if found is None:
            continue
        if network:
            assert found.architecture == whole.architecture
            assert same([*parameters(found), found.shift, found.scale], [*parameters(whole), whole.shift, whole.scale])
        else:
            assert checks.bits(found) == checks.bits(whole), "a damaged checkpoint is another one"


def _forge(path: Path, rng: np.random.Generator) -> None:
    """Forged files are refused, or what they hold works."""
    for content in forged(path, rng, FORGERIES, "network" if path.name == "network" else "checkpoint"):
        found = _read(content, path.parent, path.name == "network")
        net = getattr(found, "network", found)
        if net is not None:
            net.predict(np.ones((2, net.sizes[0])))
            copies = net.astype("float64")
            assert copies.sizes == net.sizes


def forged(path: Path, rng: np.random.Generator, count: int, kind: str, part: str = "") -> Iterator[bytes]:
    """Contents of files with another value in the description, or in its parts of a class, and with a right digest."""
    with safe_open(path, framework="numpy") as file:
        text, tensors = file.metadata()["description"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for _ in range(count):
        description = json.loads(text)
        _replace(choose(rng, (*_parts(description, part),)) if part else description, rng)
        yield model_files.pack(kind, description, tensors)


def _parts(value: object, name: str) -> Iterator[dict]:
    """The fields of all objects of a class in nested lists and dicts."""
    if isinstance(value, dict) and name in value:
        yield value[name]
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(below, name)


def _replace(value: dict | list, rng: np.random.Generator) -> None:
    """Give one place in nested lists and dicts another value, or take it away."""
    while True:
        key = choose(rng, tuple(value)) if isinstance(value, dict) else int(rng.integers(len(value)))
        below = value[key]
        if isinstance(below, dict | list) and below and rng.random() < 0.85:
            value = below
        elif rng.random() < 0.1:
            del value[key]
            return
        else:
            value[key] = choose(rng, VALUES)
            return
