"""This module holds `MLPClassifier` and `MLPRegressor`, which take the place of those of scikit-learn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from .. import metrics
from ..activations import Activation, Formula
from ..base import checks
from ..base.user_warnings import warn
from ..data.usable import unmasked
from ..data.weights import SEVERAL_LABELS, class_weight
from ..formulas.nodes import apply
from ..losses import LOSSES, CrossEntropy, Loss, MulticlassHinge, MulticlassPerceptron, Poisson, SquaredError
from .base import BaseMLP
from .border import Constraints, available_if, checks_parameters, column
from .docs import documented
from .epochs import EpochTrainer
from .fitted import INPUTS, Probable
from .validation import Validation

IMBALANCED = 0.9
"""The largest share of a class in the samples for validation with which the accuracy says enough."""


def _has_margins(loss: Loss) -> bool:
    """Return whether a loss is made for outputs of any sign, which are not probabilities."""
    return loss.targets == "signs" or isinstance(loss, MulticlassHinge | MulticlassPerceptron)


@documented
@dataclass(repr=False, eq=False)
class MLPClassifier(Probable, BaseMLP):
    """`MLPClassifier` takes the place of the class of scikit-learn with this name: change the line of the import.

    All parameters of scikit-learn have the same meaning and the same default. X may be an array, a data frame or a
    sparse matrix. The targets may be two or more classes, or several labels for each sample.

    Parameters
    ----------
    loss: The loss. "log_loss" is the cross-entropy, with a softmax output for several classes and with sigmoid outputs
        for two classes or for several labels. Other losses come by a name or an object of `fastbp.losses`. With
        "hinge", "squared_hinge", "multiclass_hinge" or a perceptron loss, there are no probabilities, but a
        `decision_function`.
    class_weight: The weight of each class, which multiplies the weights of its samples. With "balanced", the samples of
        each class have the same sum of weights.

    Attributes
    ----------
    classes_: array of shape (n_classes,). The classes.

    Notes
    -----
    With the same parameters and the same `random_state`, the weights are those of scikit-learn up to rounding. These
    are the differences: with `sample_weight`, `loss_curve_` has the weighted mean over an epoch; with a single class,
    `predict_proba` has a single column; each `fit` with `warm_start` begins its own search for the best loss or score;
    and a parameter that changes between two calls of `partial_fit` counts from the next call on.

    Examples
    --------
    >>> from fastbp.sklearn import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(max_iter=100, solver="sgd", learning_rate_init=0.1, random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.9, clf.predict_proba(X[:2]).shape, [W.shape for W in clf.coefs_]
    (True, (2, 3), [(4, 100), (100, 3)])
    """

    loss: str | Loss = dataclasses.field(default="log_loss", kw_only=True)
    class_weight: dict[Any, float] | str | None = dataclasses.field(default=None, kw_only=True)

    _parameter_constraints: ClassVar[Constraints] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        plain = not reset and use != "fit" and not self._multilabel() and self._is_plain(X)
        codes = self._known_codes(X, y) if plain else None
        if codes is not None:
            return X, codes
        X, y = self._usable(X), unmasked(y, "y")
        self._check_labels(y)
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=INPUTS, reset=reset)
        if y.ndim == 2 and type_of_target(y) == "multiclass-multioutput":
            raise ValueError(
                f"y must have one class for each sample, or rows of 0 and 1 for several labels, got {y.shape[1]} "
                f"columns with several classes (multiclass-multioutput): sklearn.multioutput.MultiOutputClassifier "
                f"fits one estimator for each column"
            )
        y = column(y) if y.ndim == 2 and y.shape[1] == 1 else y
        if reset and use == "fit":
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y), use)
        return X, self._codes(y)

    def _check_classes(self, classes: np.ndarray, use: str) -> None:
        """Raise ValueError if targets have other classes than before."""
        if use == "fit" and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _codes(self, y: Any) -> np.ndarray:
        """Return targets as numbers of classes, as 0 and 1 for two classes, or as rows of 0 and 1 for many labels."""
        if self._multilabel():
            return self._label_binarizer.transform(y).astype(np.uint8)
        if y.ndim == 2:
            raise ValueError("The object was not fitted with multilabel input.")
        return np.searchsorted(self.classes_, y)

    def _labels(self, y: np.ndarray) -> np.ndarray:
        return y if self._multilabel() else self.classes_[y]

    def _multilabel(self) -> bool:
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _plan(self) -> tuple[int, Loss, str | Activation, str]:
        loss, count, several = self._chosen(), len(self.classes_), self._label_binarizer.y_type_ == "multiclass"
        if loss.targets == "distribution" and self.loss != "log_loss":
            if self._multilabel():
                raise ValueError(f"loss must not be {self.loss!r} for targets with several labels, got such targets")
            if count < 2:
                raise ValueError(f"y must have at least two classes with loss={self.loss!r}, got {count} class")
            several = True
        n_out, output = (count, "softmax") if several else (count if self._multilabel() else 1, "logistic")
        if self.loss == "log_loss" and not several:
            loss = LOSSES["binary_cross_entropy"]
        output = "identity" if _has_margins(loss) else output
        return n_out, loss, "sigmoid" if output == "logistic" else output, output

    def _chosen(self) -> Loss:
        """Return the loss as an object."""
        return checks.resolved("cross_entropy" if self.loss == "log_loss" else self.loss, "loss", LOSSES)

    def _margins(self) -> bool:
        """Return whether the outputs are not probabilities: by the loss of the last fit, or before it by `loss`."""
        return _has_margins(self._loss if "_network" in self.__dict__ else self._chosen())

    def _threshold(self) -> float | None:
        # scikit-learn chooses class 1 if its probability is above 1/2, and fastbp if it is at least 1/2.
        number = self._network.dtype.type
        return None if _has_margins(self._loss) else float(np.nextafter(number(0.5), number(1)))

    def _more_weights(self, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self._multilabel():
            raise ValueError(SEVERAL_LABELS)
        for name, weight in self.class_weight.items() if isinstance(self.class_weight, dict) else ():
            class_weight(weight, name)
        return compute_sample_weight(self.class_weight, self._labels(y))

    def _default_score(self, trainer: EpochTrainer, found: Validation, accuracy: float) -> float:
        if not self._multilabel() and not np.isnan(accuracy):
            return accuracy
        right = self._decided(trainer.outputs(found.samples)) == found.y
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=found.weights))

    def _chosen_score(self, y: np.ndarray, weights: np.ndarray | None, trained: np.ndarray) -> Any:
        if self.scoring is not None or self._multilabel() or len(self.classes_) < 2:
            return self.scoring
        shares = np.bincount(y, weights, len(self.classes_))
        most = int(shares.argmax())
        if shares[most] > IMBALANCED * shares.sum():
            warn(
                f"early_stopping looks at the accuracy, and {shares[most] / shares.sum():.0%} of the validation "
                f"samples are of class {self.classes_[most]}: the accuracy hardly shows whether the network finds the "
                f"others; use scoring='loss', or for example scoring='balanced_accuracy'",
                UserWarning,
            )
        return None

    def _decided(self, a: np.ndarray) -> np.ndarray:
        if self._multilabel():
            return self._label_binarizer.inverse_transform(a, self._network.threshold - 1e-16)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(a))
        return super()._decided(a)

    def _probabilities(self, a: np.ndarray) -> np.ndarray:
        if len(self.classes_) == 1 and not self._multilabel():
            return np.ones_like(a)
        return a if a.shape[1] > 1 or self._multilabel() else np.hstack([1 - a, a])

    @available_if(lambda self: self._check_solver())
    @checks_parameters
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch, with the state of the optimizer that earlier calls have left. Return the estimator.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
            The samples.
        classes : array of shape (n_classes,) or None, default None
            All classes. The first call needs them; later calls do not.
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight must not be 'balanced' for partial_fit, which does not see all samples")
        self._turn.check("partial_fit was called")
        with self._turn.lock, self._all_or_nothing(True), self._turn:
            self._check_labels([] if classes is None else classes, "classes")
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer()
                self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
            self._fit(X, y, sample_weight, incremental=True)
        return self

    @available_if(lambda self: self._margins())
    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Compute the outputs of a network whose loss is a hinge or a perceptron loss.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            The outputs. With two classes, there is one number for each sample: if it is at least 0, the second class is
            predicted.
        """
        a = self._outputs(X)
        if a.shape[1] == 2 and not self._multilabel():
            return a[:, 1] - a[:, 0]
        return a[:, 0] if a.shape[1] == 1 else a

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@documented
@dataclass(repr=False, eq=False)
class MLPRegressor(RegressorMixin, BaseMLP):
    """`MLPRegressor` takes the place of the class of scikit-learn with this name: change the line of the import.

    All parameters of scikit-learn have the same meaning and the same default. X may be an array, a data frame or a
    sparse matrix. There may be one or several targets.

    Parameters
    ----------
    loss: The loss. With "poisson", the output is e^z, so that it is positive. Other losses come by a name or an object
        of `fastbp.losses`, for example "huber" or ``Quantile(0.9)``.

    Notes
    -----
    With the same parameters and the same `random_state`, the weights are those of scikit-learn up to rounding. These
    are the differences: with `sample_weight`, which must not be negative, `loss_curve_` has the weighted mean over an
    epoch; `momentum` must be below 1; after an error in `fit`, the estimator is what it was before; if the targets of
    the validation are all equal, `early_stopping` looks at the loss; each `fit` with `warm_start` begins its own search
    for the best loss or score; a parameter that changes between two calls of `partial_fit` counts from the next call;
    and with several targets, "lbfgs" minimises the sum over the targets, whose gradient scikit-learn uses with another
    loss.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> reg = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", random_state=0)
    >>> reg.fit(X, np.sin(3 * X[:, 0])).score(X, np.sin(3 * X[:, 0])) > 0.99
    True
    """

    loss: str | Loss = "squared_error"

    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        plain = not reset and use != "fit" and self._is_plain(X) and type(y) is np.ndarray and y.dtype.kind in "fiu"
        if plain and y.shape == (len(X),) and self._n_targets == 1 and np.isfinite(y).all():
            return X, y
        X, y = self._usable(X), self._usable(y, "y")
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=INPUTS, reset=reset
        )
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y must be numbers for {type(self).__name__}, got dtype {y.dtype}")
        y = column(y) if y.ndim == 2 and y.shape[1] == 1 else y
        n = 1 if y.ndim == 1 else y.shape[1]
        if not reset and n != self._n_targets:
            raise ValueError(f"y must have {self._n_targets} targets for each sample, as in the first call, got {n}")
        self._n_targets = n
        return X, y

    def _plan(self) -> tuple[int, Loss, str | Activation, str]:
        loss = checks.resolved(self.loss, "loss", LOSSES)
        if isinstance(loss, CrossEntropy | MulticlassHinge | MulticlassPerceptron):
            raise ValueError(f"loss must be one for numbers, got {self.loss!r}, which is for classes")
        if isinstance(loss, Poisson):
            return self._n_targets, loss, Formula(partial(apply, "exp"), name="exp"), "exp"
        n_out = getattr(loss, "n_out", None) or self._n_targets
        return n_out, loss, "identity", "identity"

    def _reported(self, loss: float) -> float:
        # scikit-learn reports the mean over the outputs, and minimises the sum.
        return loss / self._network.sizes[-1] if isinstance(self._loss, SquaredError) else loss

    def _constant(self, y: np.ndarray, weights: np.ndarray | None) -> float:
        if not isinstance(self._loss, Poisson):
            return 0.0
        y = y.reshape(len(y), -1).astype(np.float64)
        terms = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)), 0.0) - y
        return float(np.average(terms.sum(axis=1), weights=weights))

    def _default_score(self, trainer: EpochTrainer, found: Validation, accuracy: float) -> float:
        a = trainer.outputs(found.samples).astype(np.float64)
        return metrics.r2(np.asarray(found.y, np.float64).reshape(a.shape), a, found.weights)

    def _chosen_score(self, y: np.ndarray, weights: np.ndarray | None, trained: np.ndarray) -> Any:
        seen = y if weights is None else y[weights > 0]
        if self.scoring not in (None, "r2") or (seen != seen[:1]).any() or (trained == seen[:1]).all():
            return self.scoring  # if the targets of the training are the same, there is nothing to learn
        warn(
            f"R^2 is not defined for the validation samples, whose targets are all {seen[0]}: early_stopping looks at "
            f"the loss instead, as with scoring='loss'",
            UndefinedMetricWarning,
        )
        return "loss"

    @available_if(lambda self: self._check_solver())
    @checks_parameters
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch, with the state of the optimizer that earlier calls have left. Return the estimator.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
            The samples.
        """
        self._turn.check("partial_fit was called")
        with self._turn.lock, self._all_or_nothing(True), self._turn:
            self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the targets of each sample.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, in the dtype of the network.
        """
        a = self._outputs(X)
        return a[:, 0] if a.shape[1] == 1 else a

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
