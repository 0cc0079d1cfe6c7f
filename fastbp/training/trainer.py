"""This module holds `Trainer`, which trains a network by minibatch stochastic gradient descent."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..base import checks, hints, model_files
from ..base.docstrings import documented
from ..base.history import History
from ..base.names import LossName, OptimizerName
from ..base.value_objects import call
from ..callbacks import Callback
from ..data.fit_samples import SAMPLES, read_fit
from ..data.samples import SampleChecker, Use
from ..data.sources import Arrays
from ..engine.runner import Samples
from ..losses import OUTPUT_GRADIENT, Loss
from ..metrics import Metric
from ..network.mlp import MLP, check_network
from ..rules.averages import Average
from ..rules.optimizers import Optimizer
from ..schedules import Schedule
from . import checkpoints, compatibility, scores
from .callback_list import CallbackList, Shown
from .fit_loop import FitLoop
from .settings import NAMES, SETTINGS, Gradient, Settings, WithSettings, named_optimizer
from .state import TrainingState
from .steps import StepMaker, Steps
from .turn import Turn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@documented(settings=SETTINGS)
class Trainer(WithSettings):
    """`Trainer` trains a network by minibatch stochastic gradient descent (000, 001, 003, 004).

    A trainer holds the network, the settings, the state of the optimizer, and the history. Each call of `fit` continues
    where the last one ended. `evaluate` computes scores, and `resume` continues from a checkpoint.

    You can change a setting between two calls of `fit`: assign the attribute with the name of the parameter, for
    example ``trainer.batch_size = 64`` or ``trainer.loss = "huber"``. This works for all parameters below except
    `seed`. A callback may also assign a setting during `fit`: it then applies to the following steps, at the latest
    from the next epoch on, while `batch_size` and `shuffle` apply from the next call of `fit` on. If you assign an
    optimizer of another kind, its state starts fresh and the step count starts at 0. If the new optimizer is of the
    same kind, for example with another learning rate, both continue. You may also assign another `network`: the state
    of the optimizer, the step count and the average then start anew, and the history continues.

    Parameters
    ----------
    network : MLP
        The network to train. Training changes its parameters in place. Networks with "threshold" or "sign" cannot be
        trained, because these have no derivative. They can be evaluated.
    {settings}
    seed : int or None, keyword-only, default None
        The seed of the random orders, of the split for validation, of dropout and of input noise. It must be at least
        0. The same seed gives the same training. With None, each trainer has another seed.

    Attributes
    ----------
    history : History
        The scores of each finished epoch.
    averaged : MLP
        A copy of the network with the average of its parameters, if there is an `average`.

    Raises
    ------
    ValueError
        If an argument is outside its range or is not a known name, or if an activation function has no derivative. If
        the network can never learn with this loss, as with a softmax of one output.
    TypeError
        If an argument has the wrong type.

    Warns
    -----
    UserWarning
        If the loss is not made for the outputs of the network. In the first call of `fit`, if inputs, or the targets of
        a regression, have a scale with which training is slow or fails: `MLP.standardize` helps. The scales are those
        of a sample of the rows; they are not judged for bytes, sparse matrices, blocks and fewer than 20 samples.

    Examples
    --------
    This network learns the function XOR:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    >>> net = fb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=0)
    >>> trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.5, momentum=0.9), batch_size=4, seed=0)
    >>> history = trainer.fit(X, y, epochs=200)
    >>> net.predict_classes(X)
    array([0, 1, 1, 0])
    >>> trainer.optimizer = fb.SGD(0.05, momentum=0.9)  # training continues with another learning rate
    >>> trainer.fit(X, y, epochs=10).epochs
    210
    """

    @hints.arguments
    def __init__(
        self,
        network: MLP,
        *,
        loss: LossName | Loss,
        optimizer: OptimizerName | Optimizer = "adam",
        schedule: Schedule | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        average: Average | None = None,
        metrics: Sequence[Metric] = (),
        batch_size: int | Literal["all"] = 32,
        shuffle: bool = True,
        seed: int | None = None,
        n_threads: int | None = None,
        gradient: Gradient = "fused",
        rates: Mapping[str, float] | None = None,
        frozen: Sequence[int] = (),
    ):
        check_network(network)
        self._settings = Settings(
            loss=loss, optimizer=named_optimizer(optimizer), schedule=schedule, l1=l1, l2=l2, clip_value=clip_value,
            clip_norm=clip_norm, average=average, metrics=metrics, batch_size=batch_size, shuffle=shuffle,
            n_threads=n_threads, gradient=gradient, rates=rates, frozen=frozen,
        )  # fmt: skip
        compatibility.check_pair(network, self.settings)
        self._network, self._turn, self._steps = network, Turn(), StepMaker()
        self._state = TrainingState(network.parameters, self.settings.optimizer, seed)
        compatibility.warn_of_pair(network, self.settings.resolved_loss)
        network.threshold = self.settings.resolved_loss.threshold

    @property
    def settings(self) -> Settings:
        """The checked settings. Assign the attribute with the name of a setting to change it."""
        return self._settings

    @property
    def state(self) -> TrainingState:
        """What training has changed so far, besides the parameters of the network."""
        return self._state

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(self, name: str) -> Any:
            if name not in NAMES or "_settings" not in self.__dict__:  # a copy begins without settings
                hints.refuse(type(self), name, NAMES)
            return getattr(self.__dict__["_settings"], name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in NAMES:
                hints.check_own(self, Trainer, name, NAMES)
                object.__setattr__(self, name, value)
                return
            settings = dataclasses.replace(self.settings, **{name: value})
            compatibility.check_pair(self.network, settings)
            if name == "loss":
                compatibility.warn_of_pair(self.network, settings.resolved_loss)
            self.state.suit(self.network.parameters, settings.optimizer, settings.average)
            self._settings = settings
            self.network.threshold = settings.resolved_loss.threshold

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *NAMES})

    def __repr__(self) -> str:
        return call(self, seed=None)  # the seed says how the training began, and not where it is

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the network, the settings and the history."""
        from ..base import html

        settings = {name: getattr(self.settings, name) for name in NAMES}
        return html.trainer(html.network(self.network), settings, self.history.to_dict())

    @property
    def network(self) -> MLP:
        """The network that is trained. You may assign another one, see above."""
        return self._network

    @network.setter
    def network(self, network: MLP) -> None:
        check_network(network)
        compatibility.check_pair(network, self.settings)
        compatibility.warn_of_pair(network, self.settings.resolved_loss)
        self._turn.check("a network was assigned")
        with self._turn.lock, self._turn:
            state, parameters = self.state, network.parameters
            try:
                state.suit(parameters, self.settings.optimizer, self.settings.average)
            finally:  # Ctrl-C must not leave a trainer whose state belongs to another network; no call is in between
                if state._parameters is parameters:
                    self.__dict__["_network"] = network
            network.threshold = self.settings.resolved_loss.threshold

    @property
    def history(self) -> History:
        """The scores of each epoch that this trainer has finished, as a `History`."""
        return self.state.history

    @documented(samples=SAMPLES)
    @hints.arguments
    def fit(
        self,
        X: ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        sample_weight: ArrayLike | None = None,
        class_weight: dict[int, float] | Literal["balanced"] | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        validation_split: float = 0.0,
        shuffle_buffer: int | None = None,
        callbacks: Iterable[Callback] = (),
        progress: Shown = None,
    ) -> History:
        """Train the network for a number of epochs. A further call continues where the last call ended.

        Parameters
        ----------
        {samples}
        epochs : int, keyword-only, default 1
            The number of epochs of this call, at least 0. After `resume`, the epochs before the interruption count too.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample: 0, or a number from 1e-30 to 1e30. The loss of a minibatch is the weighted mean
            over its samples: weight 2 counts like two equal samples in the minibatch, and weight 0 counts like no
            sample. With None, all weights are 1.
        class_weight : dict of int to float, "balanced" or None, keyword-only, default None
            The weight of each class, which multiplies the weights of its samples. A class that is not in the dict has
            weight 1. With "balanced", the samples of each class have the same sum of weights. With None, all weights
            are 1.
        validation_data : tuple (X, y) or (X, y, sample_weight), or None, keyword-only, default None
            Samples that are evaluated after each epoch, as `evaluate` does. Their scores go into the columns
            "validation_loss", "validation_accuracy" and so on of the history. With an `average`, "validation_last_loss"
            and so on are the scores of the last parameters.
        validation_split : float, keyword-only, default 0.0
            The share of the samples that is held out from training for validation, at least 0 and below 1. The samples
            are chosen at random; if the targets are classes, the same share of each class is chosen. Each call with the
            same targets holds the same samples out.
        shuffle_buffer : int or None, keyword-only, default None
            The number of rows that are shuffled together, at least 1: each epoch shuffles only inside windows of so
            many consecutive rows, as files that are larger than memory need it. With None, all rows of an array are
            shuffled together; of blocks, as many rows as fit into 64 MiB, but at most 65,536.
        callbacks : iterable of Callback, keyword-only, default ()
            The callbacks, for example of `fastbp.callbacks`, `EarlyStopping` or `Checkpoint`.
        progress : bool, "lines" or None, keyword-only, default None
            With True, there is a progress bar; with "lines", there are lines with the scores and the time left, for log
            files and pipes; with False, there is neither. With None, there is a bar in a terminal and in a notebook,
            and nothing elsewhere. `fastbp.callbacks.Progress` says more.

        Returns
        -------
        History
            One row for each epoch of this trainer, also of earlier calls. "loss" and "accuracy" are means over the
            epoch; each sample is evaluated just before the step that uses it. "learning_rate" is the learning rate of
            the last step of the epoch. "seconds" is the time of training, without validation and without the time to
            compile kernels.

        Raises
        ------
        ValueError
            If an argument does not fit. The trainer and the network have not changed then. If a block does not fit, the
            steps before it are kept.
        TypeError
            If an argument has the wrong type, or if there is no such argument; the same holds as for ValueError.
        FloatingPointError
            If the loss becomes NaN or infinite. The message names the step. The network then has the parameters from
            the beginning of the epoch (or those of the checkpoint, if training was resumed within this epoch), and the
            optimizer starts with a fresh state. If only the loss of the validation data is not finite, the network
            keeps the epoch.
        KeyboardInterrupt
            If you press Ctrl-C. Training ends within a fraction of a second, and the network keeps what it has learnt.
        RuntimeError
            If a callback, or a generator of blocks, calls `fit` of the trainer that is calling it. If a callback forks
            while samples come in blocks, and the child continues: the thread that reads blocks is not in the child.

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

        The samples can come in blocks, for example one from each file:

        >>> trainer.fit([(X[:40], X[:40] ** 2), (X[40:], X[40:] ** 2)], epochs=2).epochs
        102
        """
        epochs, called = checks.integer(epochs, "epochs", 0), CallbackList(callbacks, progress)
        split = checks.real(validation_split, "validation_split", 0, 1)
        if shuffle_buffer is not None:
            shuffle_buffer = checks.integer(shuffle_buffer, "shuffle_buffer", 1)
        if validation_data is not None and split:
            raise ValueError(f"validation_split must be 0 with validation_data, got {split}")
        self._turn.check("fit was called")
        with self._turn.lock, self._turn:  # from the checks on, so that nobody gives the trainer another network
            settings, state, network = self.settings, self.state, self.network
            given = read_fit(
                self._checker("training"), X, y, epochs=epochs, sample_weight=sample_weight, class_weight=class_weight,
                validation_data=validation_data, validation_split=split, shuffle_buffer=shuffle_buffer,
                shuffle=settings.shuffle, batch_size=settings.batch, seed=state.seed,
            )  # fmt: skip
            compatibility.check_fit(network, settings, called, given.samples, given.validation)
            if given.samples is not None and not state.judged:
                state.judged = True
                compatibility.warn_of_scales(network, given.samples)
            batch = given.source.batch
            FitLoop(self, given.source, called, epochs, lambda: self._steps_of(batch)).train(given.validation)
        return self.history

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        signed_weights: bool = False,
        output_gradient: ArrayLike | None = None,
    ) -> dict[str, float]:
        """Train on some samples once, in their order, in minibatches. Use it when samples arrive one after another.

        The call does not count as an epoch: the history stays as it is, and so do schedules and averages that count
        epochs.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            The inputs, as for `fit`. The number of rows can differ from call to call. If it is at most `batch_size`,
            or this is "all", the call is one step.
        y : array of shape (n,) or (n, n_out), or None, default None
            The targets, as for `fit`. With None, `output_gradient` must be given.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, at least 0, as for `fit`. With None, all weights are 1.
        signed_weights : bool, keyword-only, default False
            Whether weights may be negative, as advantages are. The loss of a minibatch is then the sum of weight times
            loss, divided by the number of samples, and not by the sum of their weights.
        output_gradient : array of shape (n, n_out), or (n,) for one output, or None, keyword-only, default None
            The gradient dC/da^L of something else than the loss of the trainer, in place of `y`. It is summed over the
            samples of a minibatch: if C is a mean, it already contains the factor 1/n.

        Returns
        -------
        dict of str to float
            The mean "loss" and, if the targets are classes, the "accuracy". Each sample is evaluated just before the
            step that uses it. With `signed_weights`, there is no accuracy. With `output_gradient`, the dict is empty.

        Raises
        ------
        ValueError
            If an argument does not fit.
        TypeError
            If an argument has the wrong type.
        FloatingPointError
            If the loss becomes NaN or infinite. The network then has the parameters from before the call.
        RuntimeError
            If a callback calls this method of the trainer that is calling it.

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
        self._turn.check("partial_fit was called")
        compatibility.check_step(settings := self.settings, outside=(outside := output_gradient is not None))
        with self._turn.lock, self._turn:
            samples = self._checker("training").read_step(
                X, y, sample_weight=sample_weight, signed_weights=signed_weights, output_gradient=output_gradient
            )
            batch = min(settings.batch or samples.n, samples.n)
            self.state.resumed = False
            make = self._steps.of_few if samples.n <= batch else self._steps.of_batches
            options = self.network, settings, self.state, batch, OUTPUT_GRADIENT if outside else None
            loop = FitLoop(self, Arrays(samples, None, False, None, batch), NO_CALLBACKS, 1, lambda: make(*options))
            found = loop.epoch() or {}
        wanted = () if outside else ("loss",) if samples.signed else ("loss", "accuracy")
        return {name: value for name, value in found.items() if name in wanted}

    def apply_gradients(self, dW: Sequence[ArrayLike], db: Sequence[ArrayLike | None]) -> None:
        """Make one step of training with a gradient that you have, for example from `MLP.backward`.

        The optimizer, the schedule, clipping, `l1` and `l2`, max-norm and the average do what they do in `fit`. Dropout
        and noise play no part.

        Parameters
        ----------
        dW, db : sequences of L arrays
            The gradient with respect to the weights and the biases of each layer, in their shapes. For a layer without
            biases, give None.

        Raises
        ------
        ValueError
            If a shape is wrong, a value is not finite, the optimizer is `LBFGS`, or the gradient is "lazy".
        TypeError
            If an argument is not a sequence of numeric arrays.
        FloatingPointError
            If a parameter becomes infinite. The network then has the parameters from before the call, and the state of
            the optimizer starts anew.
        RuntimeError
            If a callback calls this method of the trainer that is calling it.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], seed=0)
        >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.5))
        >>> net.set_weights([[[2.0], [3.0]]], [[0.0]])
        >>> trainer.apply_gradients([[[1.0], [0.0]]], [[-1.0]])
        >>> net.weights[0].tolist(), net.biases[0].tolist()
        ([[1.5], [3.0]], [0.5])
        """
        self._turn.check("apply_gradients was called")
        compatibility.check_apply(self.settings)
        self.network._form.check_trainable()
        with self._turn.lock, self._turn:
            gradient, state = self.network._of_layers(dW, db, ("dW", "db")), self.state
            steps = self._steps.of_gradient(self.network, self.settings, state)
            state.resumed, before = False, state.snapshot()
            steps.step(gradient)
            if not before.parameters.are_finite():
                state.restore(before, self.settings.optimizer)
                raise FloatingPointError(
                    "a parameter is not finite after this step: the parameters are again those from before the call; "
                    f"try a learning rate below {self.settings.optimizer.learning_rate:g}"
                )

    @classmethod
    def resume(cls, directory: str | os.PathLike[str], *, metrics: Sequence[Metric] | None = None) -> Trainer:
        """Make the trainer, with its network, of the newest checkpoint that a `Checkpoint` callback wrote.

        To continue an interrupted call of `fit`, call `fit` of the new trainer with the same samples, the same number
        of epochs and the same callbacks. It trains the rest, and ends with exactly the same bits as training without an
        interruption. If the interrupted call had already finished, or a callback had stopped it, there is nothing left
        to train. If `EarlyStopping` had gone back to its best parameters, the network gets them during this call of
        `fit`.

        Parameters
        ----------
        directory : str or path-like
            The directory of the checkpoints.
        metrics : sequence of str or function, or None, keyword-only, default None
            The metrics of the trainer. You must give all of them if there are functions among them, because a file
            cannot store a function.

        Returns
        -------
        Trainer
            The new trainer.

        Raises
        ------
        FileNotFoundError
            If the directory has no checkpoint.
        ModelFileError
            If no checkpoint can be read. If only the newest one is damaged, there is a warning, and the one before it
            is used.
        ValueError
            If the metrics are not those of the checkpoint.

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
        """Make the trainer of one checkpoint."""
        with model_files.opened(path, checkpoints.KIND) as contents:
            found = checkpoints.SavedTraining(contents)
            trainer = cls(found.network, **found.settings, seed=0)
            found.load_into(trainer.state)
        trainer.metrics = found.metrics(metrics)
        return trainer

    @hints.arguments
    def evaluate(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """Compute the loss, the accuracy if the targets are classes, and the metrics, with an `average` of `averaged`.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            The inputs, as for `fit`.
        y : array of shape (n,) or (n, n_out)
            The targets, as for `fit`.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, at least 0. All scores are weighted means. With None, all weights are 1.

        Returns
        -------
        dict of str to float
            The mean "loss", without the terms of l1 and l2. If the targets are classes, the "accuracy", which is the
            share of samples whose predicted class is right. With rows of targets for "binary_cross_entropy", "hinge"
            and "squared_hinge", each output by itself is right or wrong, and the accuracy is the share of the outputs
            that are right. `MLP.predict_classes` decides in the same way. Then the `metrics` by their names.

        Raises
        ------
        ValueError
            If an argument does not fit.
        TypeError
            If an argument has the wrong type.
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
        network = self._evaluated  # one, because another thread may give the trainer another network
        samples = SampleChecker(network._form, self.settings.resolved_loss).read(X, y, sample_weight)
        compatibility.check_metrics(network, self.settings, samples.y)
        return scores.scores_of(network, self.settings, samples, "these samples")

    @property
    def _evaluated(self) -> MLP:
        """The network whose scores count: the one with the average, if there is one, or else that with the last."""
        return self._steps.evaluated(self.network, self.settings, self.state)

    def _score(self, samples: Samples, name: str) -> dict[str, float]:
        """Return the scores of checked samples, whose name is for messages, also those of the last parameters."""
        return scores.scores_of_both(self._evaluated, self.network, self.settings, samples, name)

    def _checker(self, use: Use = "scores") -> SampleChecker:
        """Return the object that checks samples for the network and the loss."""
        settings = self.settings
        return SampleChecker(self.network._form, settings.resolved_loss, use, lazy=settings.lazy and use == "training")

    def _steps_of(self, batch: int, *, l2_divided: bool = False) -> Steps:
        """Return steps of `batch` samples with the present network, settings and state."""
        return self._steps.of_batches(self.network, self.settings, self.state, batch, l2_divided=l2_divided)

    @property
    def averaged(self) -> MLP:
        """A copy of the network with the average of its parameters.

        Before the first step, the average is equal to the parameters.

        Raises
        ------
        ValueError
            If the trainer has no `average`.

        Examples
        --------
        >>> import fastbp as fb
        >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", average=fb.EMA(0.9))
        >>> _ = trainer.fit([[1.0]], [1.0], epochs=5)
        >>> trainer.averaged.predict([[1.0]]).shape
        (1,)
        """
        if self.average is None:
            raise ValueError("averaged needs a Trainer(average=...), and this one has none")
        twin, average = self.network.astype(self.network.dtype), self.state.average
        if average is not None:
            twin.parameters.assign(average)
        return twin

    def __copy__(self) -> Trainer:
        return copy.deepcopy(self)  # because two trainers must never share their state

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without the lock, and without the works, whose memory knows its own address."""
        return {**self.__dict__, "_turn": None, "_steps": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._turn, self._steps = Turn(), StepMaker()


NO_CALLBACKS = CallbackList((), False)
