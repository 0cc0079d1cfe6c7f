"""Trainer: minibatch SGD over the compiled kernels."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import Any, NoReturn

import numpy as np

from . import checks, losses, threads
from .averages import Average
from .engine import DivergedError, Job
from .kernels.job import APPLY, FUSED, TRAIN
from .kernels.losses import LOSSES
from .kernels.panels import aligned
from .network import MLP, Loss
from .optimizers import SGD, Optimizer
from .schedules import Schedule

GRADIENTS = {"fused": FUSED, "stored": APPLY}


class History(dict[str, list[float]]):
    """What each epoch brought: a list for each of loss, accuracy, learning rate, seconds and those of the validation.

    The lists are of one length: an epoch without validation has NaN there.

    Examples
    --------
    >>> import fastbp as fb
    >>> print(fb.History(loss=[0.5, 0.25], seconds=[1.0, 1.5]))
    epoch      loss   seconds
        1    0.5000    1.0000
        2    0.2500    1.5000
    """

    @property
    def epochs(self) -> int:
        """How many there are."""
        return len(next(iter(self.values()), ()))

    def record(self, **values: float) -> None:
        """Append an epoch."""
        epochs = self.epochs
        for name in values:
            self.setdefault(name, [math.nan] * epochs)
        for name, column in self.items():
            column.append(values.get(name, math.nan))

    def __str__(self) -> str:
        widths = {name: max(len(name), 9) for name in self}
        lines = ["epoch " + " ".join(f"{name:>{width}}" for name, width in widths.items())]
        for epoch, values in enumerate(zip(*self.values(), strict=True), 1):
            cells = ("-" if math.isnan(value) else f"{value:.4f}" for value in values)
            row = (f"{cell:>{width}}" for cell, width in zip(cells, widths.values(), strict=True))
            lines.append(f"{epoch:5} " + " ".join(row))
        return "\n".join(lines)


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
        The update rule: `SGD`, `Adam`, `AdamW`, `RMSprop`, `Adagrad`, `Adadelta` or `Rprop`; default ``SGD(0.01)``.
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

    def __init__(
        self,
        network: MLP,
        *,
        loss: Loss,
        optimizer: Optimizer | None = None,
        schedule: Schedule | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        average: Average | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        n_threads: int | None = None,
        gradient: str = "fused",
    ):
        if not isinstance(network, MLP):
            raise TypeError(f"network must be an MLP, got {type(network).__name__}")
        self.network = network
        self.loss, self._loss = loss, checks.named(loss, "loss", LOSSES, losses.CLASSES)
        self.optimizer = SGD() if optimizer is None else optimizer
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer must be an optimizer such as SGD(0.1), got {optimizer!r}")
        if schedule is not None and not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be one of fastbp.schedules, such as Cosine(30), got {schedule!r}")
        self.schedule = schedule
        self._shaping = {
            "l1": checks.real(l1, "l1", 0),
            "l2": checks.real(l2, "l2", 0),
            "clip_value": checks.bound(clip_value, "clip_value") or math.inf,
            "clip_norm": checks.bound(clip_norm, "clip_norm") or 0.0,
            "max_norm": network.max_norm or 0.0,
        }
        if average is not None and not isinstance(average, Average):
            raise TypeError(f"average must be an average such as EMA(0.999), got {average!r}")
        self.average = average
        self.batch_size = checks.integer(batch_size, "batch_size", 1)
        self.shuffle = bool(shuffle)
        self.n_threads = checks.threads(n_threads)
        self.gradient = checks.choice(gradient, "gradient", GRADIENTS)
        network.check_trainable()
        self.history = History()
        self._rng = checks.generator(seed)
        self._seed = (np.random.SeedSequence().entropy if seed is None else seed) % 2**63
        checks.within_dtype(self.optimizer.learning_rate, "learning_rate", network.dtype)
        self._average: np.ndarray | None = None
        self._begin()
        self._job: Job | None = None
        self._key: tuple = ()
        self._lock = threads.lock()

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        epochs: int = 1,
        sample_weight: np.ndarray | None = None,
        class_weight: dict[int, float] | str | None = None,
        validation_data: tuple[np.ndarray, np.ndarray] | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train for a number of epochs; called again, go on from there, momentum and all.

        Parameters
        ----------
        X : array of shape (n, n_in)
            C-contiguous uint8, float32 and float64 (np.memmap too) are read in place, without a copy.
        y : array
            For cross_entropy and multiclass_hinge, integer labels of shape (n,), or rows (n, n_out) of probabilities
            that sum to 1; for binary_cross_entropy, values in [0, 1] of shape (n, n_out), or (n,) if there is one
            output; of the same shapes, for hinge and squared_hinge 0 and 1, or -1 and 1, for poisson values of at least
            0, and for the others finite values. With more than one output, labels of shape (n,) stand for their one-hot
            rows whatever the loss.
        epochs : int, keyword-only
        sample_weight : array of shape (n,), keyword-only
            At least 0. The loss of a minibatch is the mean weighted by these: 2 is like the sample twice in it, 0 like
            none.
        class_weight : dict or "balanced", keyword-only
            Weights of classes, that those of the samples are multiplied by; of a class that a dict does not name, 1.
            "balanced" gives all classes the same sum.
        validation_data : (X, y), keyword-only
            Evaluated after each epoch, into "validation_loss" and "validation_accuracy".
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
            If an argument does not fit; nothing has been changed then.
        FloatingPointError
            If the loss becomes NaN or infinite; the message names the step. The network then has the parameters that
            the epoch began with, and the momentum is 0. Also if that of the validation data is: the epoch stays learnt.
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
        """
        X, y = self._check(X, y)
        epochs = checks.integer(epochs, "epochs", 0)
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise TypeError(f"validation_data must be a pair (X, y), got {type(validation_data).__name__}")
            Xv, yv = self._check(*validation_data, "validation_data[0]", "validation_data[1]")
        weights = self._weights(sample_weight, class_weight, y)
        order = np.arange(len(X.array)) if self.shuffle else None
        bar = _bar(progress, epochs * len(X.array))
        # A trainer has one job: one thread at a time.
        with self._lock, self._prepare(len(X.array)).reading(X, y, order, weights) as job, bar as bar:
            for _ in range(epochs):
                scores = self._epoch(job, order, bar)
                try:
                    if validation_data is not None:
                        validation = self._evaluate(Xv, yv, "validation_data")
                        scores.update({f"validation_{name}": value for name, value in validation.items()})
                finally:  # the epoch has been learnt, whatever its validation says
                    self.history.record(**scores)
                if bar is not None:
                    bar.set_postfix({name: f"{value:.4g}" for name, value in scores.items()})
        return self.history

    def evaluate(self, X: np.ndarray, y: np.ndarray, *, sample_weight: np.ndarray | None = None) -> dict[str, float]:
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
        X, y = self._check(X, y)
        return self._evaluate(X, y, "these samples", self._weights(sample_weight, None, y))

    def _evaluate(
        self, X: checks.Inputs, y: checks.Targets, name: str, weights: np.ndarray | None = None
    ) -> dict[str, float]:
        try:
            return self.network._evaluate(X, y, self._loss, self.n_threads, weights)
        except DivergedError:
            raise FloatingPointError(f"the {self._loss[0]} of {name} is not finite") from None

    def _weights(
        self, sample_weight: np.ndarray | None, class_weight: dict[int, float] | str | None, y: checks.Targets
    ) -> np.ndarray | None:
        """The weight of each sample, or None if all are 1."""
        weights = checks.weights(sample_weight, len(y.array))
        by_class = checks.class_weights(class_weight, y, self.network.sizes[-1])
        if by_class is not None:
            weights = by_class if weights is None else weights * by_class
        if weights is not None and not 0 < weights.sum() < np.inf:
            raise ValueError(f"the weights must have a sum above 0 that is finite, got {weights.sum()}")
        return weights

    def _check(
        self, X: np.ndarray, y: np.ndarray, X_name: str = "X", y_name: str = "y"
    ) -> tuple[checks.Inputs, checks.Targets]:
        network = self.network
        inputs = checks.inputs(X, network.sizes[0], network.dtype, X_name)
        return inputs, checks.targets(
            y, len(inputs.array), network.sizes[-1], self._loss[0], network.dtype, y_name, X_name
        )

    @property
    def averaged(self) -> MLP:
        """A copy of the network with the average of its parameters.

        Raises
        ------
        ValueError
            Without an `average`.
        """
        if self.average is None:
            raise ValueError("averaged needs a Trainer(average=...), and this one has none")
        twin = self.network.astype(self.network.dtype)
        if self._average is not None:
            twin.model.theta[:] = self._average
        return twin

    def _begin(self) -> None:
        """The optimizer's state, and the number of steps, as they were before the first."""
        size, initial = self.network.layout.size, self.optimizer.initial
        self._state = aligned(len(initial) * size, self.network.dtype)
        self._state.reshape(len(initial), size)[:] = np.array(initial).reshape(-1, 1)
        self._step, self._job = 0, None

    def _hyper(self, t: np.ndarray) -> tuple:
        """The rule's hyperparameters at the steps t = 1, 2, ..., of the epoch that goes on."""
        eta = self.optimizer.learning_rate
        if self.schedule is not None:
            eta = eta * self.schedule.at(t - 1, self.history.epochs, self.history)
        self._rate = float(np.ravel(eta)[-1])
        return self.optimizer.hyper(t, eta)

    def _prepare(self, n: int) -> Job:
        """The job for minibatches of n samples, with the optimizer and weights as they are now."""
        network, batch = self.network, min(self.batch_size, n)
        if self._state.size != len(self.optimizer.initial) * network.layout.size or self._state.dtype != network.dtype:
            self._begin()
        if self.average is not None and self._average is None:
            self._average, self._job = aligned(network.layout.size, network.dtype), None
            self._average[:] = network.model.theta
        key = network, batch, self._loss, self.optimizer, self.gradient, self.n_threads
        if self._job is None or self._key != key:
            self._key = key
            self._job = Job(
                network.model,
                TRAIN,
                batch,
                loss=self._loss,
                rule=self.optimizer.rule,
                state=self._state,
                hyper=self._hyper,
                stored=GRADIENTS[self.gradient],
                shaping=self._shaping,
                average=self._average if self.average is not None and self.average.rate else None,
                average_rate=self.average.rate if self.average is not None else 0.0,
                seed=self._seed,
                n_threads=self.n_threads,
            )
        self._job.transpose()
        return self._job

    def _epoch(self, job: Job, order: np.ndarray | None, bar: Any) -> dict[str, float]:
        """One pass over the samples, in a new order; its scores."""
        if order is not None:
            order[:] = np.arange(len(order))
            self._rng.shuffle(order)
        theta, batch, n = job.vectors["theta"], int(job.record["batch"]), int(job.record["n"])
        average = () if self._average is None else self._average
        before, start = (theta.copy(), np.array(average)), time.perf_counter()
        job.step = self._step
        try:
            for part in job.run():
                self._step = job.step + part // job.parts
                if bar is not None:
                    bar.update(min(part // job.parts * batch, n) - bar.n % n)
        except DivergedError as error:
            self._restore(theta, before, error.part // job.parts + 1)
        if not np.isfinite((theta.min(), theta.max())).all():  # the last step's update has no loss after it
            self._restore(theta, before, -(-n // batch))
        if self.average is not None:
            self.average.move(self._average, theta, self.history.epochs)
        return {**job.scores(), "learning_rate": self._rate, "seconds": time.perf_counter() - start}

    def _restore(self, theta: np.ndarray, before: tuple[np.ndarray, np.ndarray], step: int) -> NoReturn:
        """Take an epoch back that has diverged, and say so."""
        theta[:], average = before
        if self._average is not None:
            self._average[:] = average
        self._begin()
        epoch = self.history.epochs + 1
        raise FloatingPointError(
            f"the loss is not finite at step {step} of epoch {epoch}: the parameters are again those that the epoch "
            f"began with; try a learning rate below {self.optimizer.learning_rate:g} or scaled inputs"
        ) from None

    def __getstate__(self) -> dict:
        """Without the job, whose memory knows its own address."""
        return {**self.__dict__, "_job": None, "_key": (), "_lock": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in ("_state", "_average"):  # what was copied need not be aligned
            if state[name] is not None:
                vector = aligned(state[name].size, state[name].dtype)
                vector[:] = state[name]
                setattr(self, name, vector)
        self._lock = threads.lock()


def _bar(progress: bool | None, total: int):
    """A progress bar over samples, or a context of None."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None without a console
    if not (terminal if progress is None else progress):
        return contextlib.nullcontext()
    from tqdm.auto import tqdm  # 30 ms, that `import fastbp` need not pay

    return tqdm(total=total, unit=" samples", unit_scale=True)
