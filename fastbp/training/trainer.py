"""Trainer: minibatch SGD over the compiled kernels."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks, files
from ..averages import Average
from ..callbacks import Callback
from ..data import arrays, sources
from ..data.samples import Reader, Targets
from ..engine import plan, threads
from ..engine.work import DivergedError, Samples, Work
from ..history import History
from ..losses import Loss
from ..metrics import Metric, score
from ..network import MLP, check_network
from ..optimizers import Optimizer
from ..schedules import Schedule
from . import checkpoints
from .hooks import Hooks
from .run import Run
from .settings import NAMES, Settings
from .state import TrainingState


class Trainer:
    """Trains a network by minibatch stochastic gradient descent.

    Parameters
    ----------
    network : MLP
        Trained in place.
    loss : str or object, keyword-only
        What is minimised, the mean over the samples of: "cross_entropy", "binary_cross_entropy", "squared_error" (the
        sum over the outputs, halved), "mean_squared_error" (their mean), "absolute_error", "huber", "quantile",
        "poisson", "hinge", "squared_hinge", "multiclass_hinge", or "norm_error" (the distance); or an object of
        `fastbp.losses`, with a parameter. Any goes with any output.
    optimizer : Optimizer, keyword-only
        The update rule: `SGD`, `Adam`, `AdamW`, `RMSprop`, `Adagrad`, `Adadelta`, `Rprop` or `LBFGS`; default
        ``SGD(0.01)``.
    schedule : Schedule, keyword-only
        What its learning rate is multiplied by as training goes on, of `fastbp.schedules`; None for 1.
    l1, l2 : float, keyword-only
        Add l1 sum |w| + l2/2 sum w^2 over all weights, but not biases, to what is minimised (not to the loss reported).
    clip_value : float, keyword-only
        Cut each number of the gradient off at plus and minus this.
    clip_norm : float, keyword-only
        Shrink a gradient whose Euclidean norm, over all parameters, is above this to it. Clipping sees the gradient of
        the loss, without that of l1 and l2.
    average : Average, keyword-only
        `EMA` or `SWA`, a mean of the parameters over steps or epochs, which `averaged` gives; None for none.
    metrics : sequence of str or function, keyword-only
        What `evaluate` and validation tell besides the loss, and for classes the accuracy: "top_5_accuracy", "r2",
        "mae", "auc" (needs scikit-learn), objects of `fastbp.metrics`, or functions f(y, a) -> float of the targets,
        labels in int64 or rows, and the outputs a^L, which go by their names.
    batch_size : int, keyword-only
        Samples a minibatch: 1 for online learning; the number of samples, or more, for the full batch.
    shuffle : bool, keyword-only
        Draw a new order of the samples for each epoch.
    seed : int, keyword-only
        Of the orders; None for others each time.
    n_threads : int, keyword-only
        Default: as many as a minibatch is worth, of the cores that the process may use (affinity and control group
        respected). Results are bitwise the same for any number.
    gradient : str, keyword-only
        "fused" updates the weights straight from the registers that their gradient was summed in; "stored" writes the
        gradient to memory first. Both give the same bits.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range or of another type, or the network has an activation without derivative.

    Notes
    -----
    Sources: 000 and 004 (backpropagation), 001 (online, minibatch and full-batch learning), 003 (gradient descent).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    >>> net = fb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=0)
    >>> trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.5, momentum=0.9), batch_size=4, seed=0)
    >>> history = trainer.fit(X, y, epochs=200)
    >>> net.predict_classes(X)
    array([0, 1, 1, 0])
    """

    loss: str | Loss
    optimizer: Optimizer
    schedule: Schedule | None
    l1: float
    l2: float
    clip_value: float | None
    clip_norm: float | None
    average: Average | None
    metrics: tuple[Metric, ...]
    batch_size: int
    shuffle: bool
    n_threads: int | None
    gradient: str

    def __init__(
        self,
        network: MLP,
        *,
        loss: str | Loss,
        optimizer: Optimizer | None = None,
        schedule: Schedule | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        average: Average | None = None,
        metrics: Sequence[Metric] = (),
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        n_threads: int | None = None,
        gradient: str = "fused",
    ):
        check_network(network)
        self.settings = Settings(
            loss, optimizer, schedule, l1, l2, clip_value, clip_norm, average, metrics, batch_size, shuffle, n_threads,
            gradient,
        )  # fmt: skip
        _check_fit(network, self.settings)
        self._network = network
        self.state = TrainingState(network.parameters, self.settings.optimizer, seed)
        self._work: tuple[tuple, Work] | None = None
        self._lock, self._owner = threads.lock(), None
        network.decide_at(self.settings.resolved_loss.threshold)

    def __getattr__(self, name: str) -> Any:
        if name in NAMES:
            return getattr(self.__dict__["settings"], name)
        raise AttributeError(f"a Trainer has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in NAMES:
            object.__setattr__(self, name, value)
            return
        settings = dataclasses.replace(self.settings, **{name: value})
        _check_fit(self.network, settings)
        self.settings = settings
        self.state.suit(settings.optimizer, settings.average)
        self.network.decide_at(settings.resolved_loss.threshold)

    @property
    def network(self) -> MLP:
        """The network that is trained. Another one may take its place: its optimizer state begins anew."""
        return self._network

    @network.setter
    def network(self, network: MLP) -> None:
        check_network(network)
        _check_fit(network, self.settings)
        with self._turn():
            self._network = network
            self.state.replace_parameters(network.parameters, self.settings.optimizer)
            network.decide_at(self.settings.resolved_loss.threshold)

    @property
    def history(self) -> History:
        """What each epoch of this trainer brought."""
        return self.state.history

    def fit(
        self,
        X: ArrayLike | Iterable,
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        sample_weight: ArrayLike | None = None,
        class_weight: dict[int, float] | str | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        validation_split: float = 0.0,
        shuffle_buffer: int | None = None,
        callbacks: Iterable[Callback] = (),
        progress: bool | None = None,
    ) -> History:
        """Train for a number of epochs; called again, go on from there, momentum and all.

        Parameters
        ----------
        X : array of shape (n, n_in), or iterable of blocks
            C-contiguous uint8, float32 and float64 (np.memmap too) are read in place, without a copy. Blocks are pairs
            (X, y), or (X, y, sample_weight), of any numbers of rows; an epoch goes through them once, in a thread of
            its own (which the objects that they are read from must allow), while the rows before are trained with.
        y : array
            For cross_entropy and multiclass_hinge, integer labels of shape (n,), or rows (n, n_out) of probabilities
            that sum to 1; for binary_cross_entropy, values in [0, 1] of shape (n, n_out), or (n,) if there is one
            output; of the same shapes, for hinge and squared_hinge 0 and 1, or -1 and 1, for poisson values of at least
            0, and for the others finite values. With more than one output, labels of shape (n,) stand for their one-hot
            rows whatever the loss. None with blocks.
        epochs : int, keyword-only
        sample_weight : array of shape (n,), keyword-only
            At least 0. The loss of a minibatch is the mean weighted by these: 2 is like the sample twice in it, 0 like
            none.
        class_weight : dict or "balanced", keyword-only
            Weights of classes, that those of the samples are multiplied by; of a class that a dict does not name, 1.
            "balanced" gives all classes the same sum.
        validation_data : (X, y) or (X, y, sample_weight), keyword-only
            Evaluated after each epoch, into "validation_loss", "validation_accuracy" and so on.
        validation_split : float, keyword-only
            The share of the samples, in [0, 1), to hold out for that; of each class, where there are any. The same for
            each call with as many samples.
        shuffle_buffer : int, keyword-only
            Shuffle inside windows of so many rows that follow each other in storage: for files larger than memory. By
            default all rows together; of blocks, as many as fit into 64 MB, and at most 65,536.
        callbacks : sequence of Callback, keyword-only
            Of `fastbp.callbacks`; also `EarlyStopping` and `Checkpoint`.
        progress : bool, keyword-only
            A progress bar; by default if standard error is a terminal.

        Returns
        -------
        History
            Of every epoch of this trainer so far. "loss" and "accuracy" are means over the epoch, of each sample before
            the step that it was part of; "learning_rate" is that of the last step, "seconds" are those of training
            alone.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; nothing has been changed then. If a block does not: what was learnt stays.
        FloatingPointError
            If the loss becomes NaN or infinite; the message names the step. The network then has the parameters that
            the epoch began with (or those of the checkpoint, if it was resumed within the epoch), and the momentum is
            0. Also if that of the validation data is: the epoch stays learnt.
        KeyboardInterrupt
            At Ctrl-C, within a fraction of a second. The network keeps what it has learnt so far.

        Examples
        --------
        >>> import fastbp as fb
        >>> import numpy as np
        >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> net = fb.MLP([1, 16, 1], activation="tanh", seed=0)
        >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1, momentum=0.9), seed=0)
        >>> history = trainer.fit(X, X**2, epochs=100)
        >>> history["loss"][-1] < 0.1 * history["loss"][0]
        True

        Blocks, of a file each for example:

        >>> blocks = [(X[:40], X[:40] ** 2), (X[40:], X[40:] ** 2)]
        >>> trainer.fit(blocks, epochs=2).epochs
        102
        """
        epochs = checks.integer(epochs, "epochs", 0)
        called = Hooks(callbacks, progress)
        split = checks.real(validation_split, "validation_split", 0, 1)
        if shuffle_buffer is not None:
            checks.integer(shuffle_buffer, "shuffle_buffer", 1)
        if validation_data is not None and split:
            raise ValueError(f"validation_split must be 0 with validation_data, got {split}")
        reader = self._reader
        validation = None if validation_data is None else reader.validation(validation_data)
        if y is None:
            if sample_weight is not None or split or class_weight == "balanced":
                raise ValueError("sample_weight, validation_split and 'balanced' need samples in arrays, not blocks")
            if self.optimizer.searches:
                raise ValueError("X must be an array for LBFGS, which needs all samples at once; got blocks")
            blocks = reader.blocks(X, epochs)
            check = lambda block, k: reader.block(block, k, class_weight)  # noqa: E731
            source = sources.Blocks(blocks, check, self.shuffle, shuffle_buffer, self.batch_size)
        else:
            samples, rows = reader.samples(X, y), None
            if split:
                rows, held_out = sources.split(samples.y, split, np.random.default_rng([self.state.seed, 1]))
                validation = reader.taken(samples, sample_weight, held_out)
            samples = reader.weighted(samples, sample_weight, class_weight, rows)
            shuffle = self.shuffle and not self.optimizer.searches  # a sum over all needs no order
            source = sources.Arrays(samples, rows, shuffle, shuffle_buffer, self._batch(samples.n))
        if validation is not None:
            self._check_metrics(validation.y)
        with self._turn():
            Run(self, source, called, epochs).train(validation)
        return self.history

    def partial_fit(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """Go through some samples once, in their order, in minibatches.

        No epoch is counted: the history stays as it is, and so do averages over epochs and schedules per epoch.

        Parameters
        ----------
        X, y, sample_weight : arrays as for `fit`
            Of any number of rows: up to the batch size they are one step.

        Returns
        -------
        dict
            {"loss": ...}, with "accuracy" where the targets are classes, of each sample before its step.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As `fit`.

        Examples
        --------
        >>> import fastbp as fb
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> net = fb.MLP([2, 1], seed=0)
        >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1))
        >>> for _ in range(300):  # samples as they come
        ...     X = rng.normal(size=(8, 2))
        ...     scores = trainer.partial_fit(X, X @ [1.0, -2.0])
        >>> bool(abs(net.weights[0].ravel() - [1, -2]).max() < 1e-3)
        True
        """
        samples = self._reader.weighted(self._reader.samples(X, y), sample_weight)
        source = sources.Arrays(samples, None, False, None, self._batch(samples.n))
        with self._turn():
            self.state.resumed = False
            scores = Run(self, source, Hooks((), False), 1).epoch()
        return {name: value for name, value in scores.items() if name in ("loss", "accuracy")}

    @classmethod
    def resume(cls, directory: str | os.PathLike, *, metrics: Sequence[Metric] | None = None) -> Trainer:
        """The trainer, with its network, of the newest checkpoint that a `Checkpoint` wrote.

        The next ``fit(X, y, epochs=E)``, with the E and the samples of the call that was interrupted, runs what is left
        of it, and ends with the same bits as one that was never interrupted. That may be nothing, if the call had come
        to its end or a callback had stopped it; best parameters that it had gone back to then come with this ``fit``.

        Parameters
        ----------
        directory : of the checkpoints
        metrics : sequence of str or function, keyword-only
            Those of the trainer; needed if there are functions among them, which a file cannot hold.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint.
        ModelFileError
            If none can be read.
        ValueError
            If a metric is missing.

        Examples
        --------
        >>> import fastbp as fb
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
        ...     _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[fb.Checkpoint(directory)])
        ...     twin = fb.Trainer.resume(directory)
        >>> twin.history.epochs, bool(twin.network.weights[0] == trainer.network.weights[0])
        (2, True)
        """
        return checkpoints.newest(directory, lambda path: cls._read(path, metrics))

    @classmethod
    def _read(cls, path: Path, metrics: Sequence[Metric] | None) -> Trainer:
        """The trainer of one checkpoint."""
        with files.opened(path, checkpoints.KIND) as contents:
            found = checkpoints.Found(contents)
            trainer = cls(found.network, **found.settings, seed=0)
            found.load_into(trainer.state)
        trainer.metrics = found.metrics(metrics)
        return trainer

    def evaluate(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """The mean loss over the samples, and for classes the accuracy: the share of right predictions.

        Parameters
        ----------
        X, y, sample_weight : arrays as for `fit`

        Returns
        -------
        dict
            {"loss": ...}, with "accuracy" where the targets are classes.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        FloatingPointError
            If the loss is not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([1, 1], seed=0)
        >>> net.set_weights([[[2.0]]], [[1.0]])
        >>> fb.Trainer(net, loss="squared_error").evaluate([[0.0], [1.0]], [1.0, 5.0])
        {'loss': 1.0}
        """
        samples = self._reader.weighted(self._reader.samples(X, y), sample_weight)
        self._check_metrics(samples.y)
        return self.score(samples, "these samples")

    def score(self, samples: Samples, name: str) -> dict[str, float]:
        """The scores of samples that have been checked; `name` is what an error calls them."""
        loss = self.settings.resolved_loss
        try:
            scores = self.network.evaluate(samples, loss, self.n_threads)
        except DivergedError:
            raise FloatingPointError(f"the {loss.name} of {name} is not finite") from None
        others = {name: function for name, function in self.settings.scorers.items() if function is not None}
        if others:
            a = self.network.predict(samples.X.array, n_threads=self.n_threads)
            scores |= {name: score(function, samples.y.array, a, samples.weights) for name, function in others.items()}
        return scores

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """A trainer has one job: one thread at a time."""
        if self._owner == threading.get_ident():
            raise RuntimeError("a trainer must not be trained by a callback of its own")  # it would wait for itself
        with self._lock:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = None

    def _check_metrics(self, y: Targets) -> None:
        """Raise ValueError if a metric is not one of such targets."""
        if "accuracy" in self.settings.scorers and not y.classes:
            name = self.settings.resolved_loss.name
            raise ValueError(f"metrics must not have 'accuracy' with {name}: its targets are no classes")

    @property
    def _reader(self) -> Reader:
        """What checks samples."""
        return Reader(self.network.sizes, self.network.dtype, self.settings.resolved_loss)

    def _batch(self, n: int) -> int:
        """The size of a minibatch of n samples."""
        return n if self.optimizer.searches else self.batch_size

    @property
    def averaged(self) -> MLP:
        """A copy of the network with the average of its parameters.

        Raises
        ------
        ValueError
            Without an `average`.

        Examples
        --------
        >>> import fastbp as fb
        >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", average=fb.EMA(0.9))
        >>> _ = trainer.fit([[1.0]], [1.0], epochs=5)
        >>> trainer.averaged.predict([[1.0]]).shape
        (1, 1)
        """
        if self.average is None:
            raise ValueError("averaged needs a Trainer(average=...), and this one has none")
        twin = self.network.astype(self.network.dtype)
        if self.state.average is not None:
            twin.parameters.assign(self.state.average)
        return twin

    def work(self, batch: int) -> Work:
        """The work of steps of so many samples, with the network, settings and state as they are now."""
        network, settings, state = self.network, self.settings, self.state
        if settings.average is not None:
            state.begin_average()
        parts = network, settings, state.vectors, state.average
        key = *map(id, parts), batch, network.threshold
        if self._work is None or self._work[0] != key:
            self._work = key, self._make_work(batch), parts  # these stay alive: their ids are theirs
        return self._work[1]

    def _make_work(self, batch: int) -> Work:
        network, settings, state, optimizer = self.network, self.settings, self.state, self.optimizer
        loss = settings.resolved_loss
        if optimizer.searches:
            return plan.gradient(network.model, batch, settings.n_threads, loss, state.seed)
        at = lambda t: optimizer.hyper(t, settings.learning_rate(t, state.history))  # noqa: E731
        rule = plan.Rule(
            optimizer, state.vectors, at, settings.l1, settings.l2, settings.clip_value, settings.clip_norm,
            settings.gradient == "stored",
        )  # fmt: skip
        rate = settings.average.rate if settings.average else 0.0
        average = state.average if rate else None
        return plan.train(network.model, batch, settings.n_threads, loss, state.seed, rule, average, rate)

    def __getstate__(self) -> dict:
        """Without the work, whose memory knows its own address."""
        return {**self.__dict__, "_work": None, "_lock": None, "_owner": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._lock = threads.lock()


def _check_fit(network: MLP, settings: Settings) -> None:
    """Raise ValueError if a network cannot be trained with these settings."""
    network.architecture.check_trainable()
    arrays.within_dtype(settings.optimizer.learning_rate, "learning_rate", network.dtype)
