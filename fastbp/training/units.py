"""This module holds the learners with a single layer that the documents teach: `Perceptron`, `Adaline`, `LogisticUnit`.

They put a network and a trainer together. The estimators of `fastbp.sklearn` with these names take the loss and the
first network from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..base import checks
from ..base.history import History
from ..base.user_warnings import warn
from ..base.value_objects import Value, field
from ..callbacks import Callback, State
from ..losses import LOSSES, Loss
from ..losses import Perceptron as PerceptronLoss
from ..network.architecture import Architecture
from ..network.mlp import MLP
from ..rules.optimizers import SGD
from ..schedules import Schedule
from .callback_list import Shown
from .trainer import Trainer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Unit(Value):
    """`Unit` is the base class of the learners with a single layer. Their weights and biases start at 0."""

    losses: ClassVar[tuple[str, str]]
    """The names of the loss for one output, and for several."""
    output: ClassVar[str] = "identity"
    suffers: ClassVar[bool] = False
    """Whether training fails in silence with inputs of some scales."""

    n_in: int = field("The number of inputs.", checks.Integer(1))
    n_out: int = field(
        "The number of outputs: 1 for two classes, and else the number of classes.", checks.Integer(1), default=1
    )
    _: KW_ONLY
    eta: float = field("The learning rate.", checks.Real(0, open_low=True), default=0.1)
    bias: bool = field("Whether there are biases.", checks.flag, default=True)
    schedule: Schedule | None = field(
        "An object of `fastbp.schedules`, whose factor multiplies the learning rate.", default=None
    )
    batch_size: int | Literal["all"] = field(
        "The number of samples in a step. With 1, learning is online.", default=1, kind='int or "all"'
    )
    shuffle: bool = field(
        "Whether each epoch goes through the samples in a new random order.", checks.flag, default=False
    )
    dtype: str = field(
        "The dtype of the weights: float32 or float64.",
        lambda value, name: str(checks.dtype(value)),
        default="float64",
        kind="dtype",
    )
    seed: int | None = field("The seed of the random orders.", lambda value, name: checks.seed(value), default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        network = self.first_network(self.n_in, self.n_out, bias=self.bias, dtype=np.dtype(self.dtype))
        trainer = Trainer(
            network, loss=self._loss(), optimizer=SGD(self.eta), schedule=self.schedule, batch_size=self.batch_size,
            shuffle=self.shuffle, n_threads=1, seed=self.seed,
        )  # fmt: skip
        trainer.state.judged = not self.suffers
        self.__dict__.update(_trainer=trainer, _mistakes=[], _signs=False)

    @classmethod
    def first_network(cls, n_in: int, n_out: int, *, bias: bool, dtype: np.dtype) -> MLP:
        """Return a network with one layer, whose weights and biases are 0."""
        made = Architecture((n_in, n_out), (), cls.output, None, (0.0,), 0.0, None, dtype, bias=(bias,))
        return MLP._from_architecture(made)

    @classmethod
    def loss_of(cls, n_out: int) -> Loss:
        """Return the loss for a number of outputs."""
        return LOSSES[cls.losses[n_out > 1]]

    def _loss(self) -> Loss:
        return self.loss_of(self.n_out)

    @property
    def trainer(self) -> Trainer:
        """The trainer. It has more settings, and for example `partial_fit` for samples that come one by one."""
        found: Trainer = self.__dict__["_trainer"]
        return found

    @property
    def network(self) -> MLP:
        """The network with the weights."""
        return self.trainer.network

    @property
    def mistakes(self) -> list[int]:
        """The number of wrong predictions of each epoch. Each sample is predicted just before the step with it."""
        found: list[int] = self.__dict__["_mistakes"]
        return found

    @property
    def w(self) -> np.ndarray:
        """The weights as a copy, of shape (n_in,), or (n_in, n_out) for several outputs."""
        W = np.array(self.network.weights[0])
        return W[:, 0] if self.n_out == 1 else W

    @property
    def b(self) -> Any:
        """The bias: a float, or an array of shape (n_out,) for several outputs. Without biases, it is 0."""
        b = self.network.biases[0]
        vector = np.zeros(self.n_out, self.dtype) if b is None else np.array(b)
        return float(vector[0]) if self.n_out == 1 else vector

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 100,
        callbacks: Iterable[Callback] = (),
        progress: Shown = False,
    ) -> History:
        """Train for a number of epochs. A further call continues where the last call ended.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n, n_in)
            The inputs.
        y : array of shape (n,)
            The classes: 0 and 1 for one output, or -1 and 1 for `Perceptron` and `Adaline`; and from 0 to n_out - 1 for
            several outputs.
        epochs : int, keyword-only, default 100
            The number of epochs of this call, at least 0. `Perceptron` ends before, when it makes no mistake.
        callbacks, progress
            As for `Trainer.fit`.

        Returns
        -------
        History
            The history of the trainer, with the columns "loss" and "accuracy".

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As for `Trainer.fit`.
        """
        called, before = [_Counter(self), *callbacks], len(self.mistakes)
        history = self.trainer.fit(X, y, epochs=epochs, callbacks=called, progress=progress)
        self.__dict__["_signs"] = bool(np.min(np.asarray(y)) < 0)
        self._finish(self.mistakes[before:])
        return history

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each sample: with several outputs, that of the largest one, or the first of them.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n, n_in)
            The inputs, or one sample of shape (n_in,).

        Returns
        -------
        int64 array of shape (n,)
            The classes: numbers from 0 on, or -1 and 1 if the last call of `fit` had such targets.

        Raises
        ------
        ValueError, TypeError
            As for `MLP.predict`.
        """
        found = self.network.predict_classes(X)
        return 2 * found - 1 if self.__dict__["_signs"] else found

    def _is_done(self, mistakes: int) -> bool:
        """Return whether training ends after an epoch with so many mistakes."""
        return False

    def _finish(self, mistakes: list[int]) -> None:
        """Look at the mistakes of the epochs of a call of `fit`."""


class _Counter(Callback):
    """`_Counter` counts the mistakes of a unit, and ends training when it is done."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def on_epoch_end(self, state: State) -> None:
        mistakes = state.samples - round(state.scores["accuracy"] * state.samples)
        self._unit.mistakes.append(mistakes)
        state.stop = state.stop or self._unit._is_done(mistakes)


class Perceptron(Unit):
    """`Perceptron` learns by the perceptron convergence procedure (001). It starts with w = 0 and b = 0.

    With one output, the output is 1 where z = w x + b >= 0, and 0 elsewhere. A right output leaves the weights alone.
    If the output is wrongly 0, eta x is added to w; if it is wrongly 1, eta x is subtracted. With several outputs, the
    class with the largest z wins, or the first of them; if it is wrong, eta x is added to the weights of the right
    class and subtracted from those of the winner. Training ends after an epoch without a mistake. There is one if
    planes separate the classes: `fastbp.separable` decides. If there are mistakes in the last epoch, there is a
    warning.

    Notes
    -----
    Sources: 001 (the procedure), Rosenblatt (1962).

    Examples
    --------
    The function AND needs 6 epochs:

    >>> import fastbp as fb
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> unit = fb.Perceptron(2)
    >>> history = unit.fit(X, [0, 0, 0, 1])
    >>> unit.w, unit.b, unit.mistakes
    (array([2., 1.]), -3.0, [2, 3, 3, 2, 1, 0])
    >>> unit.predict(X)
    array([0, 0, 0, 1])
    """

    eta: float = field("The learning rate.", checks.Real(0, open_low=True), default=1.0)
    strict: bool = field(
        "With True, the rule is that of 001 for y = -1 and 1: if sign(w x + b) is not y, then eta y x is added to w. "
        "As sign(0) is 0, z = 0 is a mistake for both classes, so the first sample always changes w = 0. It needs one "
        "output.",
        checks.flag,
        default=False,
    )

    losses = "perceptron", "multiclass_perceptron"

    def _loss(self) -> Loss:
        if self.strict and self.n_out > 1:
            raise ValueError(f"strict must be False for several outputs, of which the largest wins, got {self.n_out}")
        return PerceptronLoss(strict=True) if self.strict else super()._loss()

    def _is_done(self, mistakes: int) -> bool:
        return mistakes == 0

    def _finish(self, mistakes: list[int]) -> None:
        warn_of_mistakes(mistakes, "epochs")


def warn_of_mistakes(mistakes: list[int], setting: str, category: type[Warning] = UserWarning) -> None:
    """Warn if a perceptron made mistakes in the last one of some epochs, whose largest number is a setting."""
    if mistakes and mistakes[-1]:
        warn(
            f"Perceptron made {mistakes[-1]} mistakes in its last epoch, number {len(mistakes)}: raise {setting}, or "
            f"use another learner if no line or plane separates the classes, which fastbp.separable(X, y) decides",
            category,
        )


class Adaline(Unit):
    """`Adaline` learns by the rule of Widrow and Hoff, which is also called LMS or delta rule (001).

    It starts with w = 0 and b = 0. The targets t are 1 and -1. With several outputs, each has a target of its own,
    which is 1 for its class and -1 for the others. A step is w <- w + eta (t - z) x with z = w x + b. This is gradient
    descent on 1/2 (t - z)^2. With one output, the prediction is the second class where z >= 0.

    Notes
    -----
    Sources: 001 (the rule), Widrow and Hoff (1960).

    Examples
    --------
    >>> import fastbp as fb
    >>> unit = fb.Adaline(2, eta=0.1)
    >>> history = unit.fit([[-1, -1], [-1, 1], [1, -1], [1, 1]], [-1, -1, -1, 1], epochs=1)
    >>> unit.w.round(4), round(unit.b, 4)
    (array([0.1999, 0.2179]), -0.1801)
    """

    eta: float = field("The learning rate.", checks.Real(0, open_low=True), default=0.01)

    losses = "adaline", "adaline"


class LogisticUnit(Unit):
    """`LogisticUnit` is a unit with the activation function sigmoid, trained with cross-entropy (002).

    It starts with w = 0 and b = 0. The output a = sigmoid(w x + b) is the probability of the second of two classes, and
    ``unit.network.predict(X)`` computes it. A step is w <- w + eta (y - a) x. With several outputs, each has a target
    of its own, and the class with the largest output is predicted.

    Notes
    -----
    Source: 002.

    Examples
    --------
    >>> import fastbp as fb
    >>> unit = fb.LogisticUnit(2, eta=0.5, bias=False)
    >>> history = unit.fit([[1.0, 2.0]], [1], epochs=1)
    >>> unit.w
    array([0.25, 0.5 ])
    """

    losses = "binary_cross_entropy", "binary_cross_entropy"
    output, suffers = "sigmoid", True
