"""This module holds `Validating`, which evaluates samples after each epoch, and looks whether they get better."""

from __future__ import annotations

import inspect
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from ..engine.runner import Samples
from .fitted import Fitted


class Validation(NamedTuple):
    """`Validation` holds the samples that are evaluated after each epoch."""

    X: Any
    y: Any
    """The targets as the user gave them."""
    weights: np.ndarray | None
    samples: Samples
    constant: float
    """What scikit-learn adds to the mean loss."""


class Validating(Fitted):
    """`Validating` is the base class of estimators that watch a loss or a score during training."""

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
    def _default_score(self, found: Validation, accuracy: float) -> float:
        """Return the score of the validation samples."""

    def _hold_out(
        self, X: Any, y: Any, sample_weight: Any, given: tuple, rng: np.random.RandomState
    ) -> tuple[np.ndarray | None, Validation | None]:
        """Return the numbers of the samples for training, or None for all, and the samples for validation."""
        X_val, y_val, weights = given
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together, got one of them.")
        if X_val is not None:
            own, targets = self._validate_input(X_val, y_val, False, "validation")
            if weights is not None:
                weights = _check_sample_weight(weights, own, ensure_non_negative=True)
            return None, self._validation(own, targets, weights)
        if not self.early_stopping:
            return None, None
        stratify = y if self._stratifies() else None
        rows, held = train_test_split(
            np.arange(X.shape[0]), random_state=rng, test_size=self.validation_fraction, stratify=stratify
        )
        if held.size < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        own, targets = X[held], y[held]
        weights = None if sample_weight is None else sample_weight[held]
        return rows, self._validation(own, targets, weights)

    def _validation(self, X: Any, y: Any, weights: np.ndarray | None) -> Validation:
        """Return checked samples for validation."""
        read, constant = self._trainer.read(X, y, weights), self._constant(y, weights)
        return Validation(X, self._labels(y), weights, read, constant)

    def _stratifies(self) -> bool:
        """Return whether each class has the same share of the samples for validation."""
        return False

    def _labels(self, y: Any) -> Any:
        """Return targets in the form that users give them."""
        return y

    def _scorer(self, validation: Validation | None) -> Callable | None:
        """Return the function of the estimator and of samples that early stopping looks at, or None for the default."""
        if validation is None or self.scoring in (None, "loss"):
            return None
        scorer = check_scoring(self, self.scoring)
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
        takes_weights = "sample_weight" in parameters

        def score(estimator: Validating, X: Any, y: Any, weights: np.ndarray | None) -> float:
            options = {"sample_weight": weights} if takes_weights and weights is not None else {}
            with warnings.catch_warnings():  # the samples are an array, also if those of the user had names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                return scorer(estimator, X, y, **options)

        return score

    def _judge(self, validation: Validation | None, scored: Callable | None) -> None:
        """Compute the scores after an epoch, and count the epochs without an improvement."""
        score = None
        if validation is not None:
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
            try:
                found = self._trainer.score(validation.samples, "the validation data")
            except FloatingPointError:
                found = {"loss": np.nan}
            self.validation_loss_curve_.append(self._reported(found["loss"]) + validation.constant)
            if self.scoring == "loss":
                score = -self.validation_loss_curve_[-1]
            elif scored is not None:
                score = float(scored(self, validation.X, validation.y, validation.weights))
            else:
                score = self._default_score(validation, found.get("accuracy", np.nan))
        if not self.early_stopping:
            self._count(self.loss_curve_[-1] > self.best_loss_ - self.tol)
            self.best_loss_ = min(self.best_loss_, self.loss_curve_[-1])
            return
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        self._count(score < self.best_validation_score_ + self.tol)
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            self._best[:] = self._network.parameters.theta

    def _count(self, worse: bool) -> None:
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
