"""This module holds `Ensemble`, which trains several networks at the same time and averages their outputs."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..base import checks, hints, model_files
from ..base.history import Histories, History
from ..base.value_objects import call
from ..callbacks import Callback, State
from ..data import arrays
from ..data.arrays import KINDS
from ..data.inputs import Inputs
from ..data.samples import SampleChecker
from ..engine import few_rows, threads
from ..engine.runner import Samples
from ..engine.works import Works
from ..metrics import classes
from ..network import files
from ..network.mlp import MLP
from . import checkpoints, compatibility
from .callback_list import CallbackList, Shown
from .scores import scores_of_outputs
from .trainer import Trainer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Ensemble(hints.Hinted):
    """`Ensemble` trains several networks at the same time, one on each core, and averages their outputs.

    Parameters
    ----------
    trainers : sequence of Trainer
        At least one trainer. Each must have a network of its own. All networks must have the same number of inputs, the
        same number of outputs, and the same `threshold`. They should differ at least in their seeds.

    Attributes
    ----------
    trainers : tuple of Trainer
        The trainers. Each call looks again whether their networks fit together.

    Raises
    ------
    ValueError
        If there is no trainer, if two trainers share a network, or if the networks do not fit together.
    TypeError
        If `trainers` is not a sequence of trainers.

    Notes
    -----
    Each network is trained by one thread. It ends with exactly the same bits as if it were trained alone. Of a trainer
    with an `average`, the ensemble uses and saves the network `averaged`.

    Sources: 001 (model averaging), Hansen and Salamon (1990).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    >>> nets = [fb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=seed) for seed in range(3)]
    >>> options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.5, momentum=0.9), "batch_size": 4}
    >>> ensemble = fb.Ensemble([fb.Trainer(net, seed=seed, **options) for seed, net in enumerate(nets)])
    >>> [history.epochs for history in ensemble.fit(X, y, epochs=200)]
    [200, 200, 200]
    >>> ensemble.predict_classes(X)
    array([0, 1, 1, 0])
    """

    def __init__(self, trainers: Sequence[Trainer]):
        if not isinstance(trainers, Sequence) or not all(isinstance(trainer, Trainer) for trainer in trainers):
            raise TypeError(f"trainers must be a sequence of Trainer, got {trainers!r}")
        if not trainers:
            raise ValueError("trainers must be at least one, got none")
        self._trainers, self._lock, self._works = tuple(trainers), threads.lock(), Works(1)
        self._checked: list[object] = []
        self._check()

    @property
    def trainers(self) -> tuple[Trainer, ...]:
        return self._trainers

    def _check(self) -> None:
        """Raise ValueError if the networks of the trainers do not fit together."""
        networks = [trainer.network for trainer in self._trainers]
        present = [*networks, *(network.architecture for network in networks)]
        if self._checked == present:
            return
        ends = {(each.sizes[0], each.sizes[-1]) for each in networks}
        if len(ends) > 1:
            raise ValueError(
                f"trainers must have networks with equal numbers of inputs and outputs, got {sorted(ends)}"
            )
        if len({each.threshold for each in networks}) > 1:
            raise ValueError("trainers must have losses that decide alike: hinge losses decide at 0, the others at 1/2")
        if len({*map(id, networks)}) < len(networks):
            raise ValueError("trainers must each have a network of their own, got two with the same network")
        self._checked = present

    def _networks(self) -> list[MLP]:
        """Return the networks that predict, of a trainer with an average the one with the average, after a check."""
        self._check()
        return [trainer._evaluated for trainer in self._trainers]

    def __repr__(self) -> str:
        return call(self, trainers=[*self.trainers])

    @hints.arguments
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        sample_weight: ArrayLike | None = None,
        class_weight: dict[int, float] | Literal["balanced"] | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        validation_split: float = 0.0,
        callbacks: Callable[[int], Iterable[Callback]] | None = None,
        progress: Shown = None,
    ) -> Histories:
        """Train all networks, as many at the same time as there are cores.

        Parameters
        ----------
        X, y, sample_weight : arrays, or lists of arrays
            The samples, as for `Trainer.fit`. With one matrix X, all networks learn from the same samples. A list X has
            one matrix for each trainer, for example bootstrap samples; y is a list too, and `sample_weight` is None or
            a list.
        epochs, class_weight, validation_data, validation_split : keyword-only
            As for `Trainer.fit`. Trainers with different seeds hold different samples out.
        callbacks : function or None, keyword-only, default None
            A function that takes the number k = 0, 1, ... of a trainer, and returns the callbacks for this trainer.
            Each trainer needs callbacks of its own, because all trainers run at the same time.
        progress : bool, "lines" or None, keyword-only, default None
            What to show of the first trainer, as for `Trainer.fit`.

        Returns
        -------
        Histories
            The list of the histories of the trainers.

        Raises
        ------
        ValueError, TypeError, FloatingPointError, KeyboardInterrupt
            As for `Trainer.fit`. If one trainer raises an error, the others stop too. The error is raised when all have
            stopped.
        """
        if callbacks is not None and not callable(callbacks):
            raise TypeError(f"callbacks must be a function of the number of a trainer, got {callbacks!r}")
        CallbackList((), progress)  # checks it before a trainer begins
        samples = self._shared_out(X, y, sample_weight)
        ended: list[bool] = []

        def train(k: int) -> History:
            trainer, (X, y, weights) = self.trainers[k], samples[k]
            n_threads, trainer.n_threads = trainer.n_threads, 1
            try:
                own = [] if callbacks is None else CallbackList(callbacks(k), False).all
                return trainer.fit(
                    X, y, epochs=epochs, sample_weight=weights, class_weight=class_weight,
                    validation_data=validation_data, validation_split=validation_split,
                    callbacks=[*own, _Watch(ended)], progress=progress if k == 0 else False,
                )  # fmt: skip
            except BaseException:
                ended.append(True)
                raise
            finally:
                trainer.n_threads = n_threads

        count = len(self.trainers)
        with threads.unmasked(), ThreadPoolExecutor(min(count, threads.available())) as pool:
            try:
                return Histories(pool.map(train, range(count)))
            except BaseException:
                ended.append(True)
                raise

    def _shared_out(self, X: Any, y: Any, sample_weight: Any) -> list[tuple[Any, Any, Any]]:
        """Return the inputs, the targets and the weights of each trainer, after all of them have been checked.

        Samples that trainers share are read once. Each trainer reads samples of its own again when its turn comes: if
        this method kept them, the converted copies of all trainers would be in memory at the same time.
        """
        self._check()
        count = len(self.trainers)
        samples, shared = [(X, y, sample_weight)] * count, True
        if isinstance(X, list | tuple) and X and all(map(_is_matrix, X)):
            weights = [None] * count if sample_weight is None else sample_weight
            for name, given in (("X", X), ("y", y), ("sample_weight", weights)):
                if not isinstance(given, list | tuple) or len(given) != count:
                    found = len(given) if isinstance(given, list | tuple) else type(given).__name__
                    raise ValueError(f"{name} must be a list with one array for each of {count} trainers, got {found}")
            samples = list(zip(X, y, weights, strict=True))
            shared = False
        known: list[tuple[SampleChecker, Samples]] = []
        for k, (trainer, (X, y, weights)) in enumerate(zip(self.trainers, samples, strict=True)):
            checker = trainer._checker("training")
            read = next((found for other, found in known if checker.reads_like(other)), None)
            if read is None:
                read = checker.samples(X, y)
                checker.weighted(read, weights)
            if shared:
                known.append((checker, read))
                samples[k] = read, y, weights
            if trainer is self.trainers[0] and not trainer.state.judged:  # one warning is enough
                compatibility.warn_of_scales(trainer.network, read)
            trainer.state.judged = True
        return samples

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> list[dict[str, float]]:
        """Train each network on some samples once, in their order, one network after another.

        Parameters
        ----------
        X, y, sample_weight : arrays, or lists of them
            The samples, as for `fit`.

        Returns
        -------
        list of dict of str to float
            The scores of each trainer, as `Trainer.partial_fit` returns them.

        Raises
        ------
        ValueError, TypeError
            As for `Trainer.partial_fit`. No network has changed then.
        FloatingPointError
            If a loss becomes NaN or infinite. That network, and the networks after it, have the parameters from before
            the call.

        Examples
        --------
        >>> import fastbp as fb
        >>> ensemble = fb.Ensemble([fb.Trainer(fb.MLP([1, 1], seed=k), loss="squared_error") for k in range(2)])
        >>> [list(scores) for scores in ensemble.partial_fit([[0.0], [1.0]], [1.0, 2.0])]
        [['loss'], ['loss']]
        """
        samples = zip(self.trainers, self._shared_out(X, y, sample_weight), strict=True)
        return [trainer.partial_fit(X, y, sample_weight=weights) for trainer, (X, y, weights) in samples]

    def evaluate(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """Compute the scores of the mean outputs of all networks.

        Parameters
        ----------
        X, y, sample_weight : arrays
            The samples, as for `Trainer.evaluate`.

        Returns
        -------
        dict of str to float
            The loss and the metrics of the first trainer, as `Trainer.evaluate` computes them. "objective" is the loss
            plus the mean of the terms of `l1` and `l2` of all trainers.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As for `Trainer.evaluate`.

        Examples
        --------
        >>> import fastbp as fb
        >>> ensemble = fb.Ensemble([fb.Trainer(fb.MLP([1, 1]), loss="squared_error") for _ in range(2)])
        >>> for trainer, bias in zip(ensemble.trainers, (1.0, 3.0)):
        ...     trainer.network.set_weights([[[0.0]]], [[bias]])
        >>> ensemble.evaluate([[0.0]], [2.0])  # their mean is 2
        {'loss': 0.0}
        """
        mean, network, settings = self._outputs(X, None), self.trainers[0].network, self.trainers[0].settings
        if not np.isfinite(mean).all():
            raise FloatingPointError("an output for these samples is not finite")
        checker = self.trainers[0]._checker()
        samples = Samples(Inputs(mean, KINDS[mean.dtype]), checker.targets(y, len(mean)))
        samples = checker.weighted(samples, sample_weight)
        compatibility.check_metrics(network, settings, samples.y)
        scores = scores_of_outputs(network, settings, samples, mean, "these samples")
        if "objective" in settings.scorers:
            pairs = zip(self.trainers, self._networks(), strict=True)
            terms = [trainer.settings.penalty(network.parameters) for trainer, network in pairs]
            scores["objective"] = scores["loss"] + float(np.mean(terms))
            order = dict.fromkeys(("loss", "accuracy", "objective", *scores))  # that of `Trainer.evaluate`
            scores = {name: scores[name] for name in order if name in scores}
        return scores

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks and the settings of the trainers to one file. `Ensemble.load` reads it again.

        The file has the format safetensors. It does not hold the states of the optimizers and the histories: a
        `Checkpoint` callback for each trainer keeps them.

        Parameters
        ----------
        path : str or path-like
            The path of the file, in a directory that exists. An old file with this name is replaced.

        Raises
        ------
        ValueError
            If a setting has a class of your own, or a metric is a function: a file cannot store them.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import fastbp as fb
        >>> import tempfile, pathlib
        >>> ensemble = fb.Ensemble([fb.Trainer(fb.MLP([2, 1], seed=k), loss="squared_error") for k in range(2)])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = pathlib.Path(directory) / "m.safetensors"
        ...     ensemble.save(path)
        ...     twin = fb.Ensemble.load(path)
        >>> bool((twin.predict([[1.0, 2.0]]) == ensemble.predict([[1.0, 2.0]])).all())
        True
        """
        members: list[dict[str, Any]] = []
        tensors: dict[str, np.ndarray] = {}
        for k, (trainer, network) in enumerate(zip(self.trainers, self._networks(), strict=True)):
            settings = checkpoints.settings_of(trainer.settings)
            if None in settings["metrics"]:
                raise ValueError(f"metrics must have no functions, which a file cannot store; got {trainer.metrics!r}")
            members.append({"network": model_files.plain(network.architecture), "trainer": settings})
            tensors |= {f"{k} {name}": tensor for name, tensor in files.tensors(network).items()}
        model_files.write(path, model_files.pack("ensemble", {"members": members}, tensors))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ensemble:
        """Read an ensemble from a file that `save` wrote. It has new trainers with the same settings.

        Raises
        ------
        ModelFileError
            If the file is damaged, has another format or version, or has contents that do not fit together.
        OSError
            If the file cannot be read.
        """
        with model_files.opened(path, "ensemble") as contents:
            members = contents.description["members"]
            described = {f"{k} ": member["network"] for k, member in enumerate(members)}
            networks = files.read(contents, described, checkpoints.classes(), MLP._from_architecture).values()
            settings = [checkpoints.restored_settings(member["trainer"])[0] for member in members]
            return cls([Trainer(network, **given) for network, given in zip(networks, settings, strict=True)])

    def predict(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the mean of the outputs a^L over all networks, for each sample.

        Parameters
        ----------
        X, n_threads
            As for `MLP.predict`.

        Returns
        -------
        array of shape (n, n_out), or (n,) as for `MLP.predict`
            The mean outputs: float64 if a network has this dtype, else float32.

        Raises
        ------
        ValueError, TypeError
            As for `MLP.predict`.

        Examples
        --------
        >>> import fastbp as fb
        >>> ensemble = fb.Ensemble([fb.Trainer(fb.MLP([2, 3], seed=k), loss="squared_error") for k in range(2)])
        >>> ensemble.predict([[0.0, 1.0]]).shape
        (1, 3)
        """
        a = self._outputs_of(X, n_threads)
        return a.T[0] if self.trainers[0].network.flat else a

    def _outputs_of(self, X: Any, n_threads: int | None) -> np.ndarray:
        """Return the mean outputs as rows, or for one sample of shape (n_in,) as one row."""
        row = None if getattr(X, "ndim", 0) == 2 else self.trainers[0].network._form.one_row(X)
        return self._outputs(X, n_threads) if row is None else self._outputs(row, n_threads)[0]

    def _outputs(self, X: Any, n_threads: int | None) -> np.ndarray:
        """Return the mean outputs as rows."""
        networks = self._networks()
        forms = [network._form for network in networks]
        n, blocks = forms[0].input_blocks(X)
        kinds = {(form.dtype, form.columns, form.targets is None, form.shifted) for form in forms}
        if n <= few_rows.ROWS and len(kinds) == 1 and networks[0]._targets is None:
            ((_, block),) = blocks
            if isinstance(block.array, np.ndarray):
                checks.threads(n_threads)
                return self._mean_of_few(networks, block, block.array)
        first = networks[0].outputs(X, n_threads=n_threads)
        total = first.astype(np.result_type(*(network.dtype for network in networks)), copy=False)
        for network in networks[1:]:
            total += network.outputs(X, n_threads=n_threads)
        total /= len(networks)
        return total

    def _mean_of_few(self, networks: list[MLP], block: Inputs, X: np.ndarray) -> np.ndarray:
        """Return the mean outputs for a few samples, with the bits of the mean of single predictions."""
        models = tuple(network._computer.model for network in networks)
        threads.check_entry(self._lock)
        with self._lock:
            outputs, finite = self._works.get(lambda: few_rows.FewRows(models, block), models, block.kind).outputs(X)
            if not finite:
                arrays.within(X, "X", networks[0].dtype)
            with np.errstate(all="ignore"):
                # This adds one network after the other for any shape, which a sum does not.
                total: np.ndarray = np.cumsum(outputs, axis=0)[-1]
                total /= len(networks)
        return total

    def __getstate__(self) -> dict[str, Any]:
        """Return the trainers alone: the operations for few samples know their own address."""
        return {"trainers": self.trainers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["trainers"])  # type: ignore[misc]

    def __copy__(self) -> Ensemble:
        return copy.deepcopy(self)  # because two ensembles must never share trainers

    def predict_classes(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the class of each sample from the mean outputs of all networks, as `MLP.predict_classes` does.

        Parameters
        ----------
        X, n_threads
            As for `MLP.predict`.

        Returns
        -------
        int64 array of shape (n,), or (n, n_out)
            The classes, as for `MLP.predict_classes`.

        Raises
        ------
        ValueError, TypeError
            As for `MLP.predict`.
        """
        first = self.trainers[0].network
        return classes(self._outputs_of(X, n_threads), first.threshold, first.multilabel)


class _Watch(Callback):
    """`_Watch` stops a trainer when another one has ended in an error.

    With None for `every`, it runs only when the compiled code returns to Python anyway, so it costs no time.
    """

    every = None

    def __init__(self, ended: list[bool]):
        self.ended = ended

    def on_train_begin(self, state: State) -> None:
        state.stop = state.stop or bool(self.ended)

    on_batch_end = on_epoch_end = on_train_begin


def _is_matrix(value: object) -> bool:
    """Return whether a value is a matrix, and not a row of one."""
    if isinstance(value, list | tuple):
        return bool(value) and (isinstance(value[0], list | tuple) or np.ndim(value[0]) == 1)
    return getattr(value, "ndim", 0) == 2
