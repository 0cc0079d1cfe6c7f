"""Checkpoints: all that training needs to go on, to the bit, after whatever ended it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import averages, checks, files, losses, metrics, optimizers, schedules, serialization
from .callbacks import Callback, State
from .engine import Layout
from .fitting import Position, save
from .history import History
from .kernels.panels import aligned
from .network import MLP
from .trainer import Trainer

KIND = "checkpoint"
SUFFIX = ".safetensors"
CLASSES = {
    **serialization.CLASSES,
    **{kind.__name__: kind for kind in losses.CLASSES.values()},
    **optimizers.OPTIMIZERS,
    **schedules.SCHEDULES,
    **averages.AVERAGES,
    "TopK": metrics.TopK,
}
"""name: class of what a trainer may be made with."""

SETTINGS = (
    "loss", "optimizer", "schedule", "l1", "l2", "clip_value", "clip_norm", "average", "batch_size", "shuffle",
    "n_threads", "gradient",
)  # fmt: skip
"""Arguments of `Trainer` that it keeps under their names."""


class Checkpoint(Callback):
    """Write checkpoints while training, for `Trainer.resume`.

    A checkpoint is written whole or not at all, and is on the disk before the ones it replaces are removed: at any
    moment, also of a power cut, the newest one can be read.

    Parameters
    ----------
    directory : of the checkpoints, made if it is not there
    every : int, keyword-only
        Epochs, or steps, from one to the next. The last epoch of a call of fit has one anyway.
    per : "epoch" or "step", keyword-only
        What `every` counts.
    keep : int, keyword-only
        How many of the last ones stay.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type; in `fit`, if the trainer has an optimizer or a schedule
        that is not one of fastbp's, which a file cannot hold.
    OSError
        In `fit`, if the directory cannot be written.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
    ...     _ = trainer.fit([[1.0]], [1.0], epochs=5, callbacks=[fb.Checkpoint(directory, keep=2)])
    ...     sorted(path.name for path in pathlib.Path(directory).iterdir())
    ['checkpoint-00000004.safetensors', 'checkpoint-00000005.safetensors']
    """

    late = True  # what others keep is what they have made of the same epoch

    def __init__(self, directory: str | os.PathLike, *, every: int = 1, per: str = "epoch", keep: int = 3):
        self.directory, self.keep = Path(directory), checks.integer(keep, "keep", 1)
        self.every, self.per = checks.integer(every, "every", 1), checks.choice(per, "per", schedules.UNITS)
        if per == "step":
            self.on_batch_end = self._write

    def on_train_begin(self, state: State) -> None:
        json.dumps([_settings(state.trainer), files.plain(state.network.architecture)])
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.directory):  # better now than after the first epoch
            pass
        for partial in self.directory.glob(f".checkpoint-*{SUFFIX}.*"):  # of one that was killed
            partial.unlink(missing_ok=True)

    def on_epoch_end(self, state: State) -> None:
        if state.stop or state.epoch == state.epochs or (self.per == "epoch" and state.epoch % self.every == 0):
            self._write(state)

    def _write(self, state: State) -> None:
        before = found(self.directory)
        number = _number(before[-1]) + 1 if before else 1
        files.write(self.directory / f"checkpoint-{number:08d}{SUFFIX}", _content(state))
        for old in before[: max(0, len(before) - self.keep + 1)]:
            old.unlink(missing_ok=True)


def _number(path: Path) -> int:
    """Of a checkpoint."""
    return int(path.stem.rpartition("-")[2])


def found(directory: Path) -> list[Path]:
    """The checkpoints of a directory, the oldest first."""
    return sorted(
        (p for p in directory.glob(f"checkpoint-*{SUFFIX}") if re.fullmatch("[0-9]+", p.stem[11:])), key=_number
    )


def _settings(trainer: Trainer) -> dict[str, Any]:
    """The arguments that a trainer was made with, as JSON knows them; ValueError if one cannot be restored."""
    settings = {name: files.plain(getattr(trainer, name)) for name in SETTINGS}
    for name, value in settings.items():
        if files.restored(value, CLASSES) != getattr(trainer, name):
            raise ValueError(f"{name} must be one of fastbp's to be kept in a file, got {getattr(trainer, name)!r}")
    known = lambda metric: isinstance(metric, str | metrics.TopK)  # noqa: E731
    settings["metrics"] = [files.plain(metric) if known(metric) else None for metric in trainer.metrics]
    settings["metric_names"] = list(trainer._scorers)
    return settings


def _content(state: State) -> bytes:
    """Of a checkpoint."""
    trainer, network = state.trainer, state.network
    tensors = {"theta": network.model.theta, "shift": network.shift, "scale": network.scale, "state": trainer._state}
    if trainer._average is not None:
        tensors["average"] = trainer._average
    kept = []
    for k, (name, which, values) in enumerate(save(state.callbacks)):
        arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
        tensors |= {f"callback {k} {key}": value for key, value in arrays.items()}
        kept.append([name, which, {key: value for key, value in values.items() if key not in arrays}, sorted(arrays)])
    position = dataclasses.replace(trainer._position, stop=state.stop)
    description = {
        "network": files.plain(network.architecture),
        "trainer": _settings(trainer),
        "history": trainer.history,
        "step": trainer._step,
        "seed": trainer._seed,
        "rng": trainer._rng.bit_generator.state,
        "position": {**vars(position), "callbacks": kept},
    }
    return files.pack(KIND, description, tensors)


def _read(cls: type[Trainer], path: Path, given: Sequence[metrics.Metric] | None) -> Trainer:
    """The trainer of a checkpoint."""
    with files.opened(path, KIND) as contents:
        contents.verify()
        described = contents.description
        made = files.restored(described["network"], CLASSES)
        settings = files.restored_fields(described["trainer"], CLASSES)
        scorers, names = settings.pop("metrics"), settings.pop("metric_names")
        size, optimizer, callbacks = Layout(made.sizes, made.dtype).size, settings["optimizer"], []
        shapes = {"theta": [size], "state": [optimizer.states * size]}
        shapes |= {"average": [size]} if settings["average"] else {}
        shapes |= {"shift": made.sizes[:1], "scale": made.sizes[:1]}
        position = dict(described["position"])
        for k, (name, which, values, keys) in enumerate(position.pop("callbacks")):
            callbacks.append((name, which, values, {key: f"callback {k} {key}" for key in keys}))
        serialization.fits(contents, shapes, made.dtype, [tensor for *_, keys in callbacks for tensor in keys.values()])

        network = MLP._made(made, contents["scale"], contents["shift"])
        known = [metric for metric in scorers if metric is not None]
        if [name for name, metric in zip(names, scorers, strict=True) if metric] != list(metrics.named(known)):
            raise ValueError(f"its metrics {scorers} are not {names}")
        trainer = cls(network, **settings, metrics=known, seed=checks.integer(described["seed"], "seed", 0))
        vectors = {"theta": network.model.theta, "state": trainer._state}
        if trainer.average is not None:
            vectors["average"] = trainer._average = aligned(size, made.dtype)
        for name, vector in vectors.items():
            vector[:] = contents[name]
        trainer._position = Position(
            **position,
            callbacks=[
                (name, which, {**values, **{key: contents[tensor] for key, tensor in keys.items()}})
                for name, which, values, keys in callbacks
            ],
        )
        trainer._position.check()
        trainer.history = _history(described["history"])
        trainer._step, trainer._resumed = checks.integer(described["step"], "step", trainer._position.steps), True
        for state in (trainer._position.rng, described["rng"]):  # both must be ones
            trainer._rng.bit_generator.state = state
    if None in scorers if given is None else list(metrics.named(given)) != names:
        raise ValueError(f"metrics must be those of the checkpoint, {names}, with its functions; got {given!r}")
    if given is not None:
        trainer.metrics, trainer._scorers = tuple(given), metrics.named(given)
    return trainer


def _history(columns: dict[str, list[float]]) -> History:
    """A history, checked."""
    for name, column in columns.items():
        if not all(isinstance(value, float) for value in column) or len(column) != len(next(iter(columns.values()))):
            raise ValueError(f"the column {name!r} of its history is not one")
    return History(columns)


def load(cls: type[Trainer], directory: str | os.PathLike, given: Sequence[metrics.Metric] | None) -> Trainer:
    """The trainer of the newest checkpoint that can be read; see `Trainer.resume`."""
    paths = found(Path(directory))
    if not paths:
        raise FileNotFoundError(f"there is no checkpoint in {directory}")
    for path in reversed(paths):
        try:
            return _read(cls, path, given)
        except files.ModelFileError as error:
            if path == paths[0]:
                raise
            warnings.warn(f"{error}; going back to the one before", stacklevel=3)
    raise AssertionError
