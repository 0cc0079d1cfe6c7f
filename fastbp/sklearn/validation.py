"""This module holds `Validating`, which evaluates samples after each epoch, and looks whether they get better."""

from __future__ import annotations

import inspect
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from .epochs import EpochTrainer, Samples, Snapshot
from .fitted import Fitted

NOT_GIVEN = (None, None, None)
"""The X_val, y_val and sample_weight_val of a user who gives none."""


class Validation(NamedTuple):
    """`Validation` holds the samples that are evaluated after each epoch."""

    X: Any
    y: Any
    """The targets as the user gave them."""
    weights: np.ndarray | None
    samples: Samples
    constant: float
    """What scikit-learn adds to the mean loss."""
    scored: Callable[[], float] | None
    """The function that returns the score that early stopping looks at, or None for the default."""


class Validating(Fitted):
    """`Validating` is the base class of estimators that watch a loss or a score during training."""

    loss_curve_: list[float]
    best_loss_: float
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float]
    best_validation_score_: float
    _no_improvement_count: int
    _best: Snapshot | None = None
    """The parameters with the best score, during a fit with early stopping."""

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        """Return checked inputs and targets in the form that the trainer takes, for "fit" or another use."""

    def _reported(self, loss: float) -> float:
        """Return the mean loss as scikit-learn reports it, up to a constant."""
        return loss

    def _constant(self, y: Any, weights: np.ndarray | None) -> float:
        """Return what scikit-learn adds to the mean loss."""
        return 0.0

    @abstractmethod
    def _default_score(self, trainer: EpochTrainer, found: Validation, accuracy: float) -> float:
        """Return the score of the validation samples."""

    def _labels(self, y: Any) -> Any:
        """Return targets in the form that users give them."""
        return y

    def _hold_out(
        self, trainer: EpochTrainer, X: Any, y: Any, sample_weight: Any, given: Any, rng: np.random.RandomState
    ) -> tuple[np.ndarray | None, Validation | None]:
        """Return the numbers of the samples for training, or None for all, and the samples for validation."""
        X_val, y_val, weights = given
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together, got one of them.")
        if X_val is not None:
            own, targets = self._validate_input(X_val, y_val, False, "validation")
            if weights is not None:
                weights = _check_sample_weight(weights, own, ensure_non_negative=True)
            return None, self._validation(trainer, own, targets, weights)
        if not self.early_stopping:
            return None, None
        stratify = y if is_classifier(self) and self._network.sizes[-1] == 1 else None
        rows, held = train_test_split(
            np.arange(X.shape[0]), random_state=rng, test_size=self.validation_fraction, stratify=stratify
        )
        if held.size < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        weights = None if sample_weight is None else sample_weight[held]
        return rows, self._validation(trainer, X[held], y[held], weights)

    def _validation(self, trainer: EpochTrainer, X: Any, y: Any, weights: np.ndarray | None) -> Validation:
        """Return checked samples for validation."""
        read, labels = trainer.read(X, y, weights, trains=False), self._labels(y)
        return Validation(X, labels, weights, read, self._constant(y, weights), self._scored(X, labels, weights))

    def _scored(self, X: Any, y: Any, weights: np.ndarray | None) -> Callable[[], float] | None:
        """Return the function that scores the samples for validation by `scoring`, if it is a scorer."""
        if self.scoring in (None, "loss"):
            return None
        scorer = check_scoring(self, self.scoring)
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
        options = {"sample_weight": weights} if weights is not None and "sample_weight" in parameters else {}

        def score() -> float:
            with warnings.catch_warnings():  # the samples are an array, also if those of the user had names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                return float(scorer(self, X, y, **options))

        return score

    def _judge(self, trainer: EpochTrainer, validation: Validation | None) -> None:
        """Compute the scores after an epoch, and count the epochs without an improvement."""
        score = np.nan
        if validation is not None:
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
            loss, accuracy = trainer.score(validation.samples)
            self.validation_loss_curve_.append(self._reported(loss) + validation.constant)
            if self.scoring == "loss":
                score = -self.validation_loss_curve_[-1]
            elif validation.scored is not None:
                score = validation.scored()
            else:
                score = self._default_score(trainer, validation, accuracy)
        if not self.early_stopping:
            self._count(self.loss_curve_[-1] > self.best_loss_ - self.tol)
            self.best_loss_ = min(self.best_loss_, self.loss_curve_[-1])
            return
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        self._count(not score >= self.best_validation_score_ + self.tol)  # a score that is NaN is no improvement
        if score > self.best_validation_score_ and self._best is not None:
            self.best_validation_score_ = score
            self._best.retake()

    def _count(self, worse: bool) -> None:
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
