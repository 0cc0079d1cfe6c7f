"""This module holds `MLPClassifier` and `MLPRegressor`, which take the place of those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from .. import metrics
from ..activations import Activation, Formula
from ..base import checks
from ..formulas.nodes import apply
from ..losses import LOSSES, CrossEntropy, Loss, MulticlassHinge, MulticlassPerceptron, Poisson, SquaredError
from ..rules.optimizers import Optimizer
from ..schedules import Schedule
from .base import BaseMLP
from .epochs import keep
from .validation import Validation

INPUTS = (np.float64, np.float32, np.uint8)
"""The dtypes of X that are read as they are. scikit-learn converts uint8 to float64, with 8 times the memory."""


def _has_margins(loss: Loss) -> bool:
    """Return whether a loss is made for outputs of any sign, which are no probabilities."""
    return loss.targets == "signs" or isinstance(loss, MulticlassHinge | MulticlassPerceptron)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """`MLPClassifier` takes the place of the class of scikit-learn with this name: change the line of the import.

    All parameters of scikit-learn have the same meaning and the same default. X may be an array, a data frame or a
    sparse matrix. The targets may be two or more classes, or several labels for each sample.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        The number of units of each hidden layer. ``()`` means that there is no hidden layer.
    activation : str or Activation, or a sequence of them, default "relu"
        The activation function of the hidden layers: "identity", "logistic", "tanh", "relu", or another one by a name
        or an object of `fastbp.activations`. A sequence has one for each hidden layer.
    solver : str or Optimizer, default "adam"
        The optimizer: "sgd", "adam", "lbfgs", "adamw", "rmsprop", "adagrad", "adadelta" or "rprop", with
        `learning_rate_init`. An object, such as ``fb.AdamW(1e-3, weight_decay=0.1)``, has its own learning rate.
    alpha : float, default 0.0001
        The strength of the L2 regularization. Training minimises the mean loss of a minibatch plus alpha / (2 n) sum
        w^2, where n is the sum of the weights of its samples. The biases do not count.
    batch_size : int or "auto", default "auto"
        The number of samples of a minibatch. "auto" means 200, or all samples if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"} or Schedule, default "constant"
        How the learning rate of "sgd" changes. "invscaling" divides it by (t_ + 1)^power_t. "adaptive" divides it by 5
        when training would stop, until it is below 1e-6. An object of `fastbp.schedules` works with each optimizer but
        "lbfgs".
    learning_rate_init : float, default 0.001
        The first learning rate.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        The largest number of epochs, and for "lbfgs" of iterations.
    shuffle : bool, default True
        Whether each epoch goes through the samples in a new random order.
    random_state : int, RandomState or None, default None
        The source of the first weights, of the orders, of the split for validation and of dropout. With an int, each
        call of `fit` gives the same result.
    tol : float, default 1e-4
        The smallest improvement that counts. Training ends after `n_iter_no_change` epochs without one.
    verbose : bool, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` continues from the weights of the last call.
    momentum : float, default 0.9
        The momentum of "sgd", at least 0 and below 1.
    nesterovs_momentum : bool, default True
        Whether the momentum is that of Nesterov.
    early_stopping : bool, default False
        Whether training ends when the score of validation samples stops improving, instead of the loss. The network
        then gets the weights that had the best score.
    validation_fraction : float, default 0.1
        The share of the samples that `early_stopping` holds out, if `fit` gets no `X_val`.
    beta_1, beta_2 : float, default 0.9 and 0.999
        The shares of the two running means that each step of "adam" and "adamw" keeps.
    epsilon : float, default 1e-8
        A small number that prevents a division by 0 in "adam" and "adamw".
    n_iter_no_change : int or inf, default 10
        The number of epochs without an improvement after which training ends.
    max_fun : int, default 15000
        The largest number of evaluations of the loss for "lbfgs".
    loss : str or Loss, default "log_loss"
        The loss. "log_loss" is the cross-entropy, with a softmax output for several classes and with sigmoid outputs
        for two classes or for several labels. Other losses come by a name or an object of `fastbp.losses`. With
        "hinge", "squared_hinge", "multiclass_hinge" or a perceptron loss, there are no probabilities, but a
        `decision_function`.
    class_weight : dict, "balanced" or None, default None
        The weight of each class, which multiplies the weights of its samples. With "balanced", the samples of each
        class have the same sum of weights.
    dropout : float or sequence of float, default 0.0
        The probability with which training sets a hidden unit to 0. A sequence has the one for the inputs, and then one
        for each hidden layer.
    scoring : str, function, "loss" or None, default None
        The score that `early_stopping` looks at: the name of a scorer of scikit-learn, a function (estimator, X, y), or
        "loss" for the negative loss. None means the accuracy.
    dtype : {"float32", "float64"} or None, default None
        The dtype of the weights and of the arithmetic. None means that of X if X has one of these, and else float64.
        Training in float32 takes about half of the time.
    n_threads : int or None, default None
        The number of threads, which never changes a result. With None, there are as many as a minibatch is worth.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes.
    coefs_, intercepts_ : lists of arrays
        The weights of each layer, of shape (n_in, n_out), and the biases, of shape (n_out,). You may assign or change
        them.
    loss_ : float
        The loss of the last epoch, with the term of `alpha`.
    loss_curve_ : list of float
        The loss of each epoch. It is empty for "lbfgs".
    best_loss_ : float or None
        The smallest loss. It is None with `early_stopping`.
    validation_scores_ : list of float or None
        The scores of the validation samples of each epoch, with `early_stopping`.
    best_validation_score_ : float or None
        The best of them.
    validation_loss_curve_ : list of float or None
        The loss of the validation samples after each epoch, without the term of `alpha`, if there are such samples.
    n_iter_ : int
        The number of epochs of the last call of `fit`.
    t_ : int
        The number of samples that training has used, each time that it has used them.
    n_layers_, n_outputs_, n_features_in_ : int
        The number of layers with those of the inputs and of the outputs, and the number of outputs and of inputs.
    out_activation_ : str
        The activation function of the outputs.
    feature_names_in_ : array of str
        The names of the columns of X, if it was a data frame.
    network_ : MLP
        The network. ``est.network_.save(path)`` writes it to a file that needs no scikit-learn.

    Notes ----- With the same parameters and the same `random_state`, the weights are those of scikit-learn up to
    rounding. The only difference is the loss in a minibatch with `sample_weight`: `loss_curve_` has the weighted mean
    over an epoch.

    With scikit-learn 1.9 and newer, ``est.set_callbacks(...)`` takes its callbacks, such as its progress bar.

    Sources: 000 and 004 (backpropagation), Pedregosa et al. (2011) (the interface).

    Examples
    --------
    >>> from fastbp.sklearn import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(max_iter=100, solver="sgd", learning_rate_init=0.1, random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.9, clf.predict_proba(X[:2]).shape, [W.shape for W in clf.coefs_]
    (True, (2, 3), [(4, 100), (100, 3)])
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn reads this class attribute
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"log_loss", *LOSSES}), Loss],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        loss: str | Loss = "log_loss",
        class_weight: dict | str | None = None,
        dropout: float | Sequence[float] = 0.0,
        scoring: str | Callable | None = None,
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
    ):
        keep(self, locals())

    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=INPUTS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
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
        kind, count = self._label_binarizer.y_type_, len(self.classes_)
        loss = self._chosen()
        if loss.targets == "distribution" and self.loss != "log_loss":
            if self._multilabel():
                raise ValueError(f"loss must not be {self.loss!r} for targets with several labels, got such targets")
            if count < 2:
                raise ValueError(f"y must have at least two classes with loss={self.loss!r}, got {count} class")
            return (count, loss, "identity", "identity") if _has_margins(loss) else (count, loss, "softmax", "softmax")
        if kind == "multiclass":
            n_out, output = count, "softmax"
        else:
            n_out, output = count if self._multilabel() else 1, "logistic"
        if self.loss == "log_loss" and kind != "multiclass":
            loss = LOSSES["binary_cross_entropy"]
        output = "identity" if _has_margins(loss) else output
        return n_out, loss, "sigmoid" if output == "logistic" else output, output

    def _chosen(self) -> Loss:
        """Return the loss as an object."""
        return checks.resolved("cross_entropy" if self.loss == "log_loss" else self.loss, "loss", LOSSES)

    def _margins(self) -> bool:
        """Return whether the outputs are no probabilities, by the loss of the last fit or of the one to come."""
        return _has_margins(self._loss if "_network" in self.__dict__ else self._chosen())

    def _threshold(self, dtype: np.dtype) -> float | None:
        # scikit-learn chooses class 1 if its probability is above 1/2, and fastbp if it is at least 1/2.
        return None if _has_margins(self._loss) else float(np.nextafter(dtype.type(0.5), dtype.type(1)))

    def _more_weights(self, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self._multilabel():
            raise ValueError("class_weight must be None for targets with several labels")
        for name, weight in self.class_weight.items() if isinstance(self.class_weight, dict) else ():
            checks.real(weight, f"class_weight[{name!r}]", 0)
        return compute_sample_weight(self.class_weight, self._labels(y))

    def _stratifies(self) -> bool:
        return self._network.sizes[-1] == 1

    def _default_score(self, found: Validation, accuracy: float) -> float:
        if not self._multilabel() and not np.isnan(accuracy):
            return accuracy
        right = self._decided(self._network.outputs(found.samples.X.array)) == found.y
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=found.weights))

    def _decided(self, a: np.ndarray) -> np.ndarray:
        """Return the classes that belong to outputs."""
        if self._multilabel():
            return self._label_binarizer.inverse_transform(a, self._network.threshold - 1e-16)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(a))
        return self.classes_[a.argmax(axis=1) if a.shape[1] > 1 else (a[:, 0] >= self._network.threshold).astype(int)]

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> MLPClassifier:
        """Train for one epoch, with the state of the optimizer that earlier calls have left.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.
        y : array of shape (n_samples,) or (n_samples, n_labels)
            The targets, as for `fit`.
        sample_weight : array of shape (n_samples,) or None, default None
            The weight of each sample.
        classes : array of shape (n_classes,) or None, default None
            All classes. The first call needs them; later calls do not.

        Returns
        -------
        MLPClassifier
            The estimator itself.
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight must not be 'balanced' for partial_fit, which does not see all samples")
        with self._all_or_nothing(True):
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer()
                self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
            return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each sample.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            The classes, or for several labels a row of 0 and 1.
        """
        a = self._outputs(X)
        return self._decided(a)

    @available_if(lambda self: not self._margins())
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Compute the probability of each class.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples, n_classes)
            The probabilities, in the order of `classes_`. For several labels, each has a probability of its own.
        """
        a = self._outputs(X)
        return a if a.shape[1] > 1 or self._multilabel() else np.hstack([1 - a, a])

    @available_if(lambda self: not self._margins())
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Compute the logarithm of the probability of each class.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples, n_classes)
            The logarithms.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

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
            The outputs. With two classes there is one, which is at least 0 for the second class.
        """
        a = self._outputs(X)
        if a.shape[1] == 2 and not self._multilabel():
            return a[:, 1] - a[:, 0]
        return a[:, 0] if a.shape[1] == 1 else a

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, BaseMLP):
    """`MLPRegressor` takes the place of the class of scikit-learn with this name: change the line of the import.

    All parameters of scikit-learn have the same meaning and the same default. X may be an array, a data frame or a
    sparse matrix. There may be one or several targets.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        The number of units of each hidden layer. ``()`` means that there is no hidden layer.
    activation : str or Activation, or a sequence of them, default "relu"
        The activation function of the hidden layers: "identity", "logistic", "tanh", "relu", or another one by a name
        or an object of `fastbp.activations`. A sequence has one for each hidden layer.
    solver : str or Optimizer, default "adam"
        The optimizer: "sgd", "adam", "lbfgs", "adamw", "rmsprop", "adagrad", "adadelta" or "rprop", with
        `learning_rate_init`. An object, such as ``fb.AdamW(1e-3, weight_decay=0.1)``, has its own learning rate.
    alpha : float, default 0.0001
        The strength of the L2 regularization. Training minimises the mean loss of a minibatch plus alpha / (2 n) sum
        w^2, where n is the sum of the weights of its samples. The biases do not count.
    batch_size : int or "auto", default "auto"
        The number of samples of a minibatch. "auto" means 200, or all samples if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"} or Schedule, default "constant"
        How the learning rate of "sgd" changes. "invscaling" divides it by (t_ + 1)^power_t. "adaptive" divides it by 5
        when training would stop, until it is below 1e-6. An object of `fastbp.schedules` works with each optimizer but
        "lbfgs".
    learning_rate_init : float, default 0.001
        The first learning rate.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        The largest number of epochs, and for "lbfgs" of iterations.
    shuffle : bool, default True
        Whether each epoch goes through the samples in a new random order.
    random_state : int, RandomState or None, default None
        The source of the first weights, of the orders, of the split for validation and of dropout. With an int, each
        call of `fit` gives the same result.
    tol : float, default 1e-4
        The smallest improvement that counts. Training ends after `n_iter_no_change` epochs without one.
    verbose : bool, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` continues from the weights of the last call.
    momentum : float, default 0.9
        The momentum of "sgd", at least 0 and below 1.
    nesterovs_momentum : bool, default True
        Whether the momentum is that of Nesterov.
    early_stopping : bool, default False
        Whether training ends when the score of validation samples stops improving, instead of the loss. The network
        then gets the weights that had the best score.
    validation_fraction : float, default 0.1
        The share of the samples that `early_stopping` holds out, if `fit` gets no `X_val`.
    beta_1, beta_2 : float, default 0.9 and 0.999
        The shares of the two running means that each step of "adam" and "adamw" keeps.
    epsilon : float, default 1e-8
        A small number that prevents a division by 0 in "adam" and "adamw".
    n_iter_no_change : int or inf, default 10
        The number of epochs without an improvement after which training ends.
    max_fun : int, default 15000
        The largest number of evaluations of the loss for "lbfgs".
    loss : str or Loss, default "squared_error"
        The loss. With "poisson", the output is e^z, so that it is positive. Other losses come by a name or an object of
        `fastbp.losses`, for example "huber" or ``Quantile(0.9)``.
    dropout : float or sequence of float, default 0.0
        The probability with which training sets a hidden unit to 0. A sequence has the one for the inputs, and then one
        for each hidden layer.
    scoring : str, function, "loss" or None, default None
        The score that `early_stopping` looks at: the name of a scorer of scikit-learn, a function (estimator, X, y), or
        "loss" for the negative loss. None means R^2.
    dtype : {"float32", "float64"} or None, default None
        The dtype of the weights and of the arithmetic. None means that of X if X has one of these, and else float64.
        Training in float32 takes about half of the time.
    n_threads : int or None, default None
        The number of threads, which never changes a result. With None, there are as many as a minibatch is worth.

    Attributes
    ----------
    coefs_, intercepts_ : lists of arrays
        The weights of each layer, of shape (n_in, n_out), and the biases, of shape (n_out,). You may assign or change
        them.
    loss_ : float
        The loss of the last epoch, with the term of `alpha`.
    loss_curve_ : list of float
        The loss of each epoch. It is empty for "lbfgs".
    best_loss_ : float or None
        The smallest loss. It is None with `early_stopping`.
    validation_scores_ : list of float or None
        The scores of the validation samples of each epoch, with `early_stopping`.
    best_validation_score_ : float or None
        The best of them.
    validation_loss_curve_ : list of float or None
        The loss of the validation samples after each epoch, without the term of `alpha`, if there are such samples.
    n_iter_ : int
        The number of epochs of the last call of `fit`.
    t_ : int
        The number of samples that training has used, each time that it has used them.
    n_layers_, n_outputs_, n_features_in_ : int
        The number of layers with those of the inputs and of the outputs, and the number of outputs and of inputs.
    out_activation_ : str
        The activation function of the outputs.
    feature_names_in_ : array of str
        The names of the columns of X, if it was a data frame.
    network_ : MLP
        The network. ``est.network_.save(path)`` writes it to a file that needs no scikit-learn.

    Notes ----- With the same parameters and the same `random_state`, the weights are those of scikit-learn up to
    rounding. These are the differences: with `sample_weight`, which must not be negative, `loss_curve_` has the
    weighted mean over an epoch; `momentum` must be below 1; after an error in `fit`, the estimator is what it was
    before; and with several targets, "lbfgs" minimises the sum over the targets, whose gradient scikit-learn uses with
    another loss.

    With scikit-learn 1.9 and newer, ``est.set_callbacks(...)`` takes its callbacks, such as its progress bar.

    Sources: 000 and 004 (backpropagation), Pedregosa et al. (2011) (the interface).

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> reg = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", random_state=0)
    >>> reg.fit(X, np.sin(3 * X[:, 0])).score(X, np.sin(3 * X[:, 0])) > 0.99
    True
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn reads this class attribute
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({*LOSSES}), Loss],
    }

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        scoring: str | Callable | None = None,
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
    ):
        keep(self, locals())

    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=INPUTS, reset=reset
        )
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y must be numbers for {type(self).__name__}, got dtype {y.dtype}")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset:
            self._n_targets = 1 if y.ndim == 1 else y.shape[1]
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

    def _default_score(self, found: Validation, accuracy: float) -> float:
        a = self._network.outputs(found.samples.X.array).astype(np.float64)
        return metrics.r2(np.asarray(found.y, np.float64).reshape(a.shape), a, found.weights)

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Train for one epoch, with the state of the optimizer that earlier calls have left.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array of shape (n_samples,) or None, default None
            The weight of each sample.

        Returns
        -------
        MLPRegressor
            The estimator itself.
        """
        with self._all_or_nothing(True):
            return self._fit(X, y, sample_weight, incremental=True)

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
