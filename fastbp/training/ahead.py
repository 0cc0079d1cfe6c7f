"""This module compiles kernels ahead of time, for example while a container is built."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base import checks, hints
from ..engine import companions, kernel_cache, threads
from ..losses import LOSSES
from ..network.mlp import MLP
from . import checkpoints
from .trainer import Trainer

SIZES = [784, 256, 64, 10]
"""The units of a network that needs all kernels: a step is worth two threads, and zeros in its inputs are left out."""

USUAL: tuple[dict[str, Any], ...] = ({"loss": "cross_entropy"}, {"loss": "squared_error"})
"""The settings of the trainings that most programs have."""


def setting(text: str) -> tuple[str, Any]:
    """Return the name and the value of a setting that is given as text, such as "optimizer=SGD(0.1, momentum=0.9)".

    A value is what Python calls a literal, a call of a class of fastbp with literals, or else the text itself. Nothing
    else is executed.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"a setting must be NAME=VALUE, such as loss=huber, got {text!r}")
    name, value = name.strip(), value.strip()
    with contextlib.suppress(SyntaxError, ValueError):
        found = ast.parse(value, mode="eval").body
        if not (isinstance(found, ast.Call) and isinstance(found.func, ast.Name)):
            return name, ast.literal_eval(found)
        try:
            args = [ast.literal_eval(each) for each in found.args]
            options = {str(each.arg): ast.literal_eval(each.value) for each in found.keywords}
        except ValueError:
            raise TypeError(f"{name} must have literals in its call, got {value!r}") from None
        return name, _class(found.func.id, name)(*args, **options)
    return name, value


def _class(called: str, name: str) -> Any:
    """Return the class of a value in a setting, by its name."""
    kinds = checkpoints.classes()
    if called not in kinds:
        raise TypeError(f"{name} must be the name of a class of fastbp, got {called!r}{hints.meant(called, kinds, {})}")
    return kinds[called]


@companions.background.unused()
def compiled(wanted: Sequence[Mapping[str, Any]] = USUAL) -> int:
    """Compile the kernels for some settings of `MLP` and `Trainer`, and return how many were not in the cache.

    Each network is trained for a few steps, with dense inputs, with inputs of which most are 0, and with a large
    minibatch, because each of these takes other kernels. The widths of the layers make no difference.
    """
    before = {*kernel_cache.cached()}
    for options in wanted:
        loss = checks.resolved(options.get("loss", "squared_error"), "loss", LOSSES)
        given = {"sizes": SIZES, "output": loss.suited, "loss": loss, "seed": 0, **options}
        known = inspect.signature(MLP).parameters
        network = MLP(**{name: value for name, value in given.items() if name in known})
        own = {name: value for name, value in given.items() if name == "seed" or name not in known}
        trainer = Trainer(network, **{"n_threads": min(2, threads.available()), **own})
        rng, n = np.random.default_rng(0), 4096
        n_out = network.sizes[-1]
        classes = np.arange(n) % n_out
        rows = np.eye(n_out)[classes]
        y = classes if loss.labels and n_out > 1 else rows
        for share in (1.0, 0.05):
            X = (rng.random((n, network.sizes[0]), np.float32) < share).astype(network.dtype)
            for batch, part, targets in ((64, 128, y), (n, n, rows)):
                trainer.batch_size = own.get("batch_size", batch)
                with contextlib.suppress(FloatingPointError):  # a training that diverges needs the same kernels
                    trainer.fit(X[:part], targets[:part], validation_split=0.1, progress=False)
                    network.gradients(X[:part], targets[:part], loss=loss)
            network.predict(X[:1])
            network.predict(X, n_threads=trainer.n_threads)
    return len({*kernel_cache.cached()} - before)
