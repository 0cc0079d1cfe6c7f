"""This module writes and reads checkpoints, with which training continues after an interruption."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .. import losses, metrics, schedules
from ..base import checks, hints, model_files
from ..base.user_warnings import warn
from ..base.value_objects import fields_of
from ..callbacks import State
from ..callbacks.base import Periodic
from ..engine.blocks import Layout
from ..network import files
from ..network.architecture import Architecture
from ..network.mlp import MLP
from ..rules import averages, optimizers
from ..schedules.base import Unit
from . import callback_list
from .settings import Settings
from .state import TrainingState

KIND = "checkpoint"
SUFFIX = ".safetensors"


@functools.cache
def classes() -> dict[str, type]:
    """Return the classes that the description of a checkpoint may name, by their names."""
    kinds: dict[str, type] = files.CLASSES | {model_files.stored_as(kind): kind for kind in losses.LOSSES.kinds}
    kinds |= {kind.__name__: kind for kind in optimizers.OPTIMIZERS.kinds}
    return kinds | schedules.by_name() | averages.AVERAGES | {"TopK": metrics.TopK}


Trained = TypeVar("Trained")


class Checkpoint(Periodic):
    """`Checkpoint` is a callback that writes checkpoints during training. `Trainer.resume` continues from them.

    Training that resumes ends with exactly the same bits as training without an interruption. A new checkpoint is safe
    on the disk before older ones are removed. So there is a checkpoint that can be read at any moment, even after a
    power cut.

    Parameters
    ----------
    directory : str or path-like
        The directory of the checkpoints. `fit` creates it if it does not exist. Its files are named
        "checkpoint-00000001.safetensors" and so on.
    every : int, keyword-only, default 1
        The number of epochs or steps between two checkpoints. It must be at least 1. There is always a checkpoint after
        the last epoch of a call of `fit`.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which `every` counts. A step is one update of the parameters, after one minibatch.
    keep : int, keyword-only, default 3
        The number of checkpoints to keep, at least 1. Older ones are removed.
    overwrite : bool, keyword-only, default False
        Whether the first checkpoint replaces all checkpoints of another training that the directory holds. With False,
        such a directory is refused.

    Raises
    ------
    ValueError
        If a parameter is outside its range. In `fit`, if the loss, the optimizer, the schedule or the average has a
        class of your own, which a file cannot store. In `fit`, if the directory holds checkpoints of another training:
        this training would remove them.
    TypeError
        If a parameter has the wrong type. In `fit`, if a file cannot store a setting.
    OSError
        In `fit`, if the directory cannot be written.
    RuntimeError
        In `fit`, if another training uses the directory at the same time, or if a callback forks a child process that
        continues the training.

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

    late = True  # the file must hold what the other callbacks have computed at the end of the same epoch
    directory = checks.Checked(checks.path)
    keep = checks.Checked(lambda value, name: checks.integer(value, name, 1))
    overwrite = checks.Checked(checks.flag)

    @hints.arguments
    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        every: int = 1,
        per: Unit = "epoch",
        keep: int = 3,
        overwrite: bool = False,
    ):
        self.directory, self.every, self.per, self.keep = directory, every, per, keep
        self.overwrite = overwrite
        self._claim: model_files.Claim | None = None
        self._others: list[Path] = []

    def on_train_begin(self, state: State) -> None:
        """Check that the settings can be stored and that the directory can be written, before the first epoch."""
        json.dumps([settings_of(state.trainer.settings), model_files.plain(state.network.architecture)])
        with model_files.naming(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._claim = model_files.Claim(self.directory)
            with tempfile.TemporaryFile(dir=self.directory):  # an error is better now than after the first epoch
                pass
        self._others = [] if _is_of(self.directory, state.trainer.state.training) else _paths(self.directory)
        if self._others and not self.overwrite:
            raise ValueError(
                f"directory must not hold the checkpoints of another training, and {os.fspath(self.directory)!r} does: "
                f"fastbp.Trainer.resume({os.fspath(self.directory)!r}) continues that training, and "
                f"Checkpoint(..., overwrite=True) removes it"
            )
        for partial in self.directory.glob(f".checkpoint-*{SUFFIX}.*"):  # a process that was killed has left them
            partial.unlink(missing_ok=True)

    def on_epoch_end(self, state: State) -> None:
        """Write a checkpoint if it is due after this epoch, or if this epoch is the last one."""
        if state.stop or state.epoch == state.epochs or self._is_due(state):
            self._act(state)

    def on_train_end(self, state: State) -> None:
        """Let other trainings use the directory."""
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()

    def _act(self, state: State) -> None:
        """Write a checkpoint with the next number, and then remove those that are too old."""
        if self._claim is not None:
            self._claim.check()
        before = _paths(self.directory)
        number = _number(before[-1]) + 1 if before else 1
        model_files.write(self.directory / f"checkpoint-{number:08d}{SUFFIX}", _content(state))
        for old in [*self._others, *before[: max(0, len(before) - self.keep + 1)]]:
            old.unlink(missing_ok=True)
        self._others = []


def _number(path: Path) -> int:
    """Return the number in the name of a checkpoint file."""
    return int(path.stem.rpartition("-")[2])


def _paths(directory: Path) -> list[Path]:
    """Return the paths of the checkpoints in a directory, the oldest first."""
    paths = directory.glob(f"checkpoint-*{SUFFIX}")
    return sorted((path for path in paths if re.fullmatch("[0-9]+", path.stem[11:])), key=_number)


def _is_of(directory: Path, training: str) -> bool:
    """Return whether the newest checkpoint that can be read belongs to a training, or there is no checkpoint."""
    paths = _paths(directory)
    for path in reversed(paths):
        with contextlib.suppress(model_files.ModelFileError), model_files.opened(path, KIND) as contents:
            return bool(contents.description.get("training", "") == training)
    return not paths


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings as values that JSON can store. Raise ValueError if a setting cannot be restored from them.

    A metric that is a function becomes None, because a file cannot store it.
    """
    own = "metrics", "rates", "frozen"
    names = [name for name in fields_of(type(settings)) if name not in own]
    described = {name: model_files.plain(getattr(settings, name)) for name in names}
    for name, value in described.items():
        if model_files.restored(value, classes()) != getattr(settings, name):
            raise ValueError(f"{name} must be one of fastbp's to be kept in a file, got {getattr(settings, name)!r}")
    stored = [metric if isinstance(metric, str | metrics.TopK) else None for metric in settings.metrics]
    described |= {"metrics": model_files.plain(stored), "metric_names": list(settings.scorers)}
    return described | {"rates": [*(settings.rates or {}).items()], "frozen": [*settings.frozen]}


def restored_settings(described: dict[str, Any]) -> tuple[dict[str, Any], list[str], bool]:
    """Return the settings that `settings_of` described, the names of all metrics, and whether all metrics are there.

    It raises ValueError, TypeError or KeyError if `settings_of` cannot return such a description.
    """
    settings = model_files.restored_fields(described, classes())
    scorers, names, rates = settings.pop("metrics"), settings.pop("metric_names"), dict(settings.pop("rates", ()))
    known = [metric for metric in scorers if metric is not None]
    if [name for name, metric in zip(names, scorers, strict=True) if metric] != list(metrics.by_name(known)):
        raise ValueError(f"its metrics {scorers} are not {names}")
    return settings | {"metrics": known, "rates": rates or None}, names, None not in scorers


def _content(state: State) -> bytes:
    """Return the bytes of a checkpoint file."""
    training, net = state.trainer.state, state.network
    described, tensors = training.save(stop=state.stop)
    tensors |= net._vectors
    kept = []
    for k, (name, which, values) in enumerate(callback_list.save(state.callbacks)):
        arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
        tensors |= {f"callback {k} {key}": value for key, value in arrays.items()}
        kept.append([name, which, {key: value for key, value in values.items() if key not in arrays}, sorted(arrays)])
    described["position"]["callbacks"] = kept
    described |= {"network": model_files.plain(net.architecture), "trainer": settings_of(state.trainer.settings)}
    return model_files.pack(KIND, described, tensors)


class SavedTraining:
    """`SavedTraining` is the checked content of a checkpoint.

    `make` makes a network of an architecture, whose class is `kind`. If the contents of the open file do not fit
    together, ValueError, TypeError or KeyError is raised.

    Attributes
    ----------
    network : MLP, or what `make` makes
        The network. Its parameters are 0 until `load_into` is called.
    settings : dict of str to value
        The settings of the trainer. The metrics are those that a file can store.
    """

    def __init__(
        self,
        contents: model_files.Contents,
        kind: type[Any] = Architecture,
        make: Callable[[Any], Any] = MLP._from_architecture,
    ):
        self._described = described = contents.description
        self.settings, self._names, self._complete = restored_settings(described["trainer"])
        self._position = dict(described["position"])
        self._callbacks = [
            (name, which, values, {key: f"callback {k} {key}" for key in keys})
            for k, (name, which, values, keys) in enumerate(self._position.pop("callbacks"))
        ]
        architecture = model_files.restored(described["network"], {**classes(), kind.__name__: kind})
        if not isinstance(architecture, kind):
            raise ValueError(f"it is not the training of an object with a {kind.__name__}")
        layout = Layout((block for layer in architecture.layers() for block in layer.blocks()), architecture.dtype)
        size, transformed = layout.size, files.transformations(contents, architecture)
        shapes = {"theta": (size,), "state": (self.settings["optimizer"].state_count * size,), **transformed}
        shapes |= {"average": (size,)} if self.settings["average"] else {}
        contents.fit(shapes, architecture.dtype, [tensor for *_, keys in self._callbacks for tensor in keys.values()])
        self._tensors = dict(contents.tensors())
        self.network = make(architecture)
        self.network._transform_as({name: self._tensors[name] for name in transformed})

    def load_into(self, state: TrainingState) -> None:
        """Set the state of a training, with the parameters, to the state that the checkpoint holds."""
        callbacks = [
            (name, which, {**values, **{key: self._tensors[tensor] for key, tensor in keys.items()}})
            for name, which, values, keys in self._callbacks
        ]
        described = {**self._described, "position": {**self._position, "callbacks": callbacks}}
        names = self._tensors.keys() & {"theta", "state", "average"}
        state.load(described, {name: self._tensors[name] for name in names})

    def metrics(self, given: Sequence[metrics.Metric] | None) -> Sequence[metrics.Metric]:
        """Return the given metrics, or for None those of the checkpoint. Raise ValueError if they are not the same."""
        names = self._names
        if not self._complete if given is None else list(metrics.by_name(given)) != names:
            raise ValueError(f"metrics must be those of the checkpoint, {names}, with its functions; got {given!r}")
        return self.settings["metrics"] if given is None else given


def newest(directory: str | os.PathLike[str], read: Callable[[Path], Trained]) -> Trained:
    """Return the result of `read` for the newest checkpoint that it can read.

    If `read` raises ModelFileError for a path, there is a warning, and the checkpoint before it is tried. The error of
    the oldest one is raised. If the directory has no checkpoint, FileNotFoundError is raised.
    """
    paths = _paths(checks.path(directory, "directory"))
    if not paths:
        raise FileNotFoundError(f"there is no checkpoint in {directory}")
    for path in reversed(paths[1:]):
        try:
            return read(path)
        except model_files.ModelFileError as error:
            warn(f"{error}; going back to the one before")
    return read(paths[0])
