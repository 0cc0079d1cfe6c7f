"""This module holds `Validating`, which evaluates samples after each epoch, and looks whether they get better."""

from __future__ import annotations

import inspect
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from ..base.user_warnings import warn
from .epochs import EpochTrainer, Samples, Snapshot
from .fitted import Fitted

NOT_GIVEN = (None, None, None)
"""The X_val, y_val and sample_weight_val of a user who gives none."""


EXPLODED = 10.0
"""The largest ratio of the losses after and before training that needs no warning."""


class Validation(NamedTuple):
    """`Validation` holds the samples that are evaluated after each epoch."""

    X: Any
    y: Any
    """The targets as the user gave them."""
    weights: np.ndarray | None
    samples: Samples
    constant: float
    """What scikit-learn adds to the mean loss."""
    scored: Callable[[], float] | str | None
    """The function that returns the score that early stopping looks at, "loss", or None for the default."""


class Validating(Fitted):
    """`Validating` is the base class of estimators that watch a loss or a score during training."""

    loss_curve_: list[float]
    best_loss_: float
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float]
    best_validation_score_: float
    _no_improvement_count: int
    _n_targets: int
    """The number of targets of a sample of a regressor."""
    _asked: list[Any] | None = None
    """The network, and the parameters that it has followed last."""
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

    def _weights(self, sample_weight: Any, X: Any, name: str = "sample_weight") -> np.ndarray | None:
        """Return checked weights of samples, or None for None."""
        if sample_weight is None:
            return None
        return _check_sample_weight(self._usable(sample_weight, name), X, ensure_non_negative=True)

    def _loss_before(self, trainer: EpochTrainer, samples: Samples, first: bool, descends: bool) -> float | None:
        """Warn of scales with which gradient descent fails, and return the mean loss of some samples before training.

        If training continues, the loss may be tiny already; the one that it began with then counts, if it is known.
        """
        loss, curve = trainer.loss_of_some(samples), self.__dict__.get("loss_curve_")
        if not first:
            return max(loss, curve[0]) if curve else None
        if descends:
            trainer.warn_of_scales(samples, self.__dict__.get("feature_names_in_"))
        return loss

    def _warn_if_worse(self, trainer: EpochTrainer, samples: Samples, before: float) -> None:
        """Warn if training has made the mean loss much larger than it was before."""
        after = trainer.loss_of_some(samples)
        if not after <= (EXPLODED * before if np.isfinite(before) else np.finfo(float).max):
            warn(
                f"Training has diverged: the mean loss of samples was {before:.3g} before it, and is {after:.3g} now. "
                f"Try a smaller learning_rate_init, or scale X and y.",
                ConvergenceWarning,
            )

    @abstractmethod
    def _default_score(self, trainer: EpochTrainer, found: Validation, accuracy: float) -> float:
        """Return the score of the validation samples."""

    @abstractmethod
    def _chosen_score(self, y: np.ndarray, weights: np.ndarray | None, trained: np.ndarray) -> Any:
        """Return the `scoring` for targets of validation, or another one if it says nothing there.

        There is a warning if it says nothing, or little. `trained` are the targets of the training.
        """

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
            own, targets = self._given(X_val, y_val)
            return None, self._validation(trainer, own, targets, self._weights(weights, own, "sample_weight_val"), y)
        if not self.early_stopping:
            return None, None
        # Samples of weight 0, as those that bagging leaves out, are not there: they must not be in the validation.
        used = np.arange(X.shape[0]) if sample_weight is None else np.flatnonzero(sample_weight)
        stratify = None
        if is_classifier(self) and self._network.sizes[-1] == 1:
            stratify = y[used]
            if np.unique(stratify, return_counts=True)[1].min(initial=2) < 2:  # a message with scikit-learn's names
                stratify = np.where(stratify == 1, "True", "False")
        rows, held = train_test_split(used, random_state=rng, test_size=self.validation_fraction, stratify=stratify)
        if held.size < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        weights = None if sample_weight is None else sample_weight[held]
        return rows, self._validation(trainer, X[held], y[held], weights, y[rows])

    def _given(self, X_val: Any, y_val: Any) -> tuple[Any, Any]:
        """Return samples for validation that the user gave, checked as those for training."""
        try:
            return self._validate_input(X_val, y_val, False, "validation")
        except (ValueError, TypeError) as error:
            raise type(error)(
                f"X_val and y_val must be like X and y: {error} (in a pipeline, X goes through steps before this one; "
                f"X_val does so with Pipeline(steps, transform_input=['X_val']))"
            ) from None

    def _validation(
        self, trainer: EpochTrainer, X: Any, y: Any, weights: np.ndarray | None, trained: np.ndarray
    ) -> Validation:
        """Return checked samples for validation."""
        read, labels = trainer.read(X, y, weights, trains=False), self._labels(y)
        scoring = self._chosen_score(y, weights, trained) if self.early_stopping else self.scoring
        scored = scoring if scoring in (None, "loss") else self._scored(X, labels, weights)
        return Validation(X, labels, weights, read, self._constant(y, weights), scored)

    def _scored(self, X: Any, y: Any, weights: np.ndarray | None) -> Callable[[], float]:
        """Return the function that scores the samples for validation by the scorer `scoring`."""
        scorer = check_scoring(self, self.scoring)
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
        options = {"sample_weight": weights} if weights is not None and "sample_weight" in parameters else {}

        def score() -> float:
            with warnings.catch_warnings():  # the samples are an array, also if those of the user had names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                return float(scorer(self, X, y, **options))

        if hasattr(scorer, "_score_func"):  # a scorer of scikit-learn can also score a network before its training
            self._check_score(score)
        return score

    def _check_score(self, score: Callable[[], float]) -> None:
        """Raise ValueError if a score does not have a value for the samples for validation, before training."""
        why, found = "", np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = score()
            except (ValueError, TypeError, AttributeError) as error:
                why = f": {error}"
        if not np.isfinite(found):
            raise ValueError(
                f"scoring={self.scoring!r} does not have a value for the samples for validation{why}; some scores need "
                f"samples of each class there, or probabilities: give other samples, or use scoring='loss'"
            )

    def _judge(self, trainer: EpochTrainer, validation: Validation | None) -> None:
        """Compute the scores after an epoch, and count the epochs without an improvement."""
        score = np.nan
        if validation is not None:
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
            loss, accuracy = trainer.score(validation.samples)
            self.validation_loss_curve_.append(self._reported(loss) + validation.constant)
            if np.isnan(loss) or validation.scored == "loss":  # after a divergence, nothing else has a meaning
                score = -self.validation_loss_curve_[-1]
            elif callable(validation.scored):
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
