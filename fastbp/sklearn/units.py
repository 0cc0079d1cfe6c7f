"""This module holds the learners with a single layer that the documents teach: `Perceptron`, `Adaline`, `LogisticUnit`.

With two classes, they have one output, and with more classes one for each class. By default they learn online: each
sample in its order is a step.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import validate_data

from ..data.usable import unmasked
from ..rules.optimizers import SGD
from ..schedules import Schedule
from ..training import units
from .border import COUNT, DTYPE, POSITIVE, Constraints, checks_parameters, column
from .docs import documented
from .epochs import DivergedError, EpochTrainer
from .fitted import Classifying, Fitted, Probable


@dataclass(repr=False, eq=False)
class Unit(Classifying, Fitted):
    """`Unit` is the base class of the learners with a single layer.

    Parameters
    ----------
    max_iter: The number of epochs of `fit`.
    fit_intercept: Whether there are biases.
    schedule: An object of `fastbp.schedules`, whose factor multiplies the learning rate.
    batch_size: The number of samples in a step. With 1, learning is online.
    shuffle: Whether each epoch goes through the samples in a new random order.
    random_state: The source of the random orders.
    warm_start: Whether `fit` continues from the weights of the last call.
    dtype: The dtype of the weights: float32 or float64. None means that of X if X has one of these, and else float64.

    Attributes
    ----------
    coef_: array of shape (1, n_features) or (n_classes, n_features). The weights.
    intercept_: array of shape (1,) or (n_classes,). The biases. With ``fit_intercept=False``, they are 0.
    classes_: array of shape (n_classes,). The classes.
    mistakes_: list of int. The number of wrong predictions of each epoch. Each sample is predicted just before the step
        that uses it.
    loss_curve_: list of float. The mean loss of each epoch.
    n_iter_: int. The number of epochs of the last call of `fit`.
    n_features_in_: int. The number of inputs.
    network_: MLP. The network with its weights.
    """

    eta0: float | str
    max_iter: int = 100
    fit_intercept: bool = True
    _: KW_ONLY
    schedule: Schedule | None = None
    batch_size: int = 1
    shuffle: bool = False
    random_state: int | np.random.RandomState | None = None
    warm_start: bool = False
    dtype: DTypeLike | None = None

    _parameter_constraints: ClassVar[Constraints] = {
        "eta0": [POSITIVE],
        "max_iter": [COUNT],
        "fit_intercept": ["boolean"],
        "schedule": [Schedule, None],
        "batch_size": [COUNT],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "dtype": DTYPE,
    }
    _unit: ClassVar[type[units.Unit]]
    """The learner without scikit-learn, which decides on the loss and the first network."""

    @checks_parameters
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train for at most `max_iter` epochs, from weights that are 0. Return the estimator.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.
        y : array of shape (n_samples,)
            The classes.

        Raises
        ------
        ValueError
            If an argument does not fit, or if training has diverged.
        TypeError
            If a value of X or y is masked, or if X has dates or times.
        """
        first = not (self.warm_start and "_network" in self.__dict__)
        self._turn.check("fit was called")
        with self._turn.lock, self._all_or_nothing(not first), self._turn:
            if first:
                self.__dict__.pop("classes_", None)
            self._fit(X, y, first, self.max_iter)
        self._warn()
        return self

    @checks_parameters
    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train for one epoch. Return the estimator.

        Parameters
        ----------
        X, y : as for `fit`
            The samples.
        classes : array of shape (n_classes,) or None, default None
            All classes. The first call needs them; later calls do not.
        """
        self._turn.check("partial_fit was called")
        with self._turn.lock, self._all_or_nothing(True), self._turn:
            self._check_labels([] if classes is None else classes, "classes")
            self._fit(X, y, _check_partial_fit_first_call(self, classes), 1)
        return self

    def _fit(self, X: Any, y: Any, first: bool, epochs: int) -> None:
        """Train for a number of epochs, from weights that are 0 if this is the `first` call."""
        X, codes = self._validate_input(X, y, first)
        trainer, rng = self._trained_by(X, first), check_random_state(self.random_state)
        samples = trainer.read(X, codes)
        if first and epochs > 1 and self._unit.suffers:
            trainer.warn_of_scales(samples, self.__dict__.get("feature_names_in_"))
        each = trainer.epochs(samples, rng if self.shuffle else None)
        self.n_iter_ = 0
        try:
            while self.n_iter_ < epochs and not (self.n_iter_ and self._is_done()):
                loss, _, accuracy = next(each)
                self.n_iter_ += 1
                self.loss_curve_.append(loss)
                self.mistakes_.append(samples.n - round(accuracy * samples.n))
        except DivergedError:
            raise ValueError(
                f"training has diverged: the loss is not finite in epoch {self.n_iter_ + 1}; "
                f"try an eta0 below {trainer.learning_rate:g}, or scale X"
            ) from None
        if not trainer.is_finite():
            raise ValueError("training has diverged: a weight is not finite; try a smaller eta0, or scale X")

    def _validate_input(self, X: Any, y: Any, first: bool) -> tuple[Any, np.ndarray]:
        """Return checked inputs, and the numbers of the classes of the samples."""
        dtypes = (np.float64, np.float32)
        codes = None if first or not self._is_plain(X, dtypes) else self._known_codes(X, y)
        if codes is not None:
            return X, codes
        X, y = self._usable(X), unmasked(y, "y")
        self._check_labels(y)
        array = np.asarray(y)
        y = column(array) if array.shape[1:] == (1,) else y
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=dtypes, reset=first)
        check_classification_targets(y)
        if "classes_" not in self.__dict__:
            self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs samples of at least 2 classes, got 1 class: {self.classes_}")
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"y has classes that are not in classes_: got {unknown}, and classes_ is {self.classes_}")
        return X, np.searchsorted(self.classes_, y)

    def _trained_by(self, X: Any, first: bool) -> EpochTrainer:
        """Return the trainer of a new network in the `first` call. Later, let it follow changed parameters."""
        bias = bool(self.fit_intercept)
        if first:
            n_out = 1 if len(self.classes_) == 2 else len(self.classes_)
            made = self._unit.first_network(X.shape[1], n_out, bias=bias, dtype=np.dtype(self.dtype or X.dtype))
            self._network, self._trainer, self._arrays = made, None, None
            self.mistakes_: list[int] = []
            self.loss_curve_: list[float] = []
        net = self._current()
        if net.architecture.bias != (bias,) or (self.dtype and net.dtype != self.dtype):
            raise ValueError("fit_intercept and dtype must stay as they are while training continues")
        wanted: dict[str, Any] = {"batch_size": self.batch_size, "schedule": self.schedule}
        if self._trainer is None:
            loss, wanted["optimizer"] = self._unit.loss_of(net.sizes[1]), SGD(self._eta(X))
            self._trainer = EpochTrainer(net, loss=loss, threshold=None, seed=0, n_threads=1, **wanted)
        else:
            if not isinstance(self.eta0, str):  # the learning rate "auto" stays the same
                wanted["optimizer"] = SGD(self.eta0)
            self._trainer.follow(**wanted)
        return self._trainer

    def _eta(self, X: Any) -> float:
        """Return the learning rate."""
        return float(self.eta0)

    def _is_done(self) -> bool:
        """Return whether training ends before `max_iter`."""
        return False

    def _warn(self) -> None:
        """Warn if the last epoch was not good enough."""

    @property
    def coef_(self) -> np.ndarray:
        """The weights, of shape (1, n_features) or (n_classes, n_features). You may assign or change them."""
        return self._shown("coef_")[0][0].T

    @coef_.setter
    def coef_(self, coef: ArrayLike) -> None:
        self._of_fitted("coef_")  # there are no first weights: they are 0
        self._assign("coef_", weights=[np.asarray(coef).T])

    @property
    def intercept_(self) -> np.ndarray:
        """The biases, of shape (1,) or (n_classes,). You may assign or change them. Without biases, they are 0."""
        (W,), (b,) = self._shown("intercept_")
        return np.zeros(W.shape[1], W.dtype) if b is None else b

    @intercept_.setter
    def intercept_(self, intercept: ArrayLike) -> None:
        self._of_fitted("intercept_")
        self._assign("intercept_", biases=[np.asarray(intercept)])

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        X = self._checked(X)
        return self._current().outputs(X)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Compute z = w x + b of each output.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            The values. With two classes, the second class is predicted where the value is at least 0.
        """
        checked, net = self._checked(X), self._current()
        W, b = net.weights[0], net.biases[0]
        z = np.asarray(checked @ W) + (0.0 if b is None else b)
        return z[:, 0] if z.shape[1] == 1 else z


@documented
@dataclass(repr=False, eq=False)
class Perceptron(Unit):
    """`Perceptron` learns by the perceptron convergence procedure (001).

    With two classes, the output is 1 where z = w x + b >= 0, and 0 elsewhere. A right output leaves the weights alone.
    If the output is wrongly 0, eta x is added to w; if it is wrongly 1, eta x is subtracted. With more classes, the
    class with the largest z wins, or the first of them; if it is wrong, eta x is added to the weights of the right
    class and subtracted from those of the winner. Training ends after an epoch without a mistake. There is one if the
    classes can be separated by lines or planes.

    Parameters
    ----------
    eta0: The learning rate eta. It must be above 0.
    max_iter: The largest number of epochs of `fit`. If there are still mistakes in the last one, there is a warning.

    Notes
    -----
    Sources: 001 (the procedure), Rosenblatt (1962).

    Examples
    --------
    The function AND needs 6 epochs:

    >>> import numpy as np
    >>> from fastbp.sklearn import Perceptron
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 0, 0, 1])
    >>> unit = Perceptron().fit(X, y)
    >>> unit.coef_, unit.intercept_, unit.mistakes_
    (array([[2., 1.]]), array([-3.]), [2, 3, 3, 2, 1, 0])
    """

    eta0: float = 1.0
    max_iter: int = 1000

    _unit = units.Perceptron

    def _is_done(self) -> bool:
        return self.mistakes_[-1] == 0

    def _warn(self) -> None:
        units.warn_of_mistakes(self.mistakes_[-self.n_iter_ :], "max_iter", ConvergenceWarning)


@documented
@dataclass(repr=False, eq=False)
class Adaline(Unit):
    """`Adaline` learns by the rule of Widrow and Hoff, which is also called LMS or delta rule (001).

    The targets t are 1 and -1: for two classes, t is 1 for the second one. With more classes, each has an output of its
    own, whose target is 1 for this class and -1 for the others. A step is w <- w + eta (t - z) x with z = w x + b. This
    is gradient descent on 1/2 (t - z)^2. The rule of 001 has the same eta; only its error lacks the factor 1/2. The
    second class is predicted where z >= 0, and with more classes the one with the largest z.

    Parameters
    ----------
    eta0: The learning rate eta. It must be above 0. With "auto", it is 1 / (1 + m), where m is the largest sum x^2 of a
        sample of the first call: training cannot diverge then.

    Notes
    -----
    Sources: 001 (the rule), Widrow and Hoff (1960).

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import Adaline
    >>> X, y = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1.0]]), np.array([-1, -1, -1, 1])
    >>> unit = Adaline(eta0=0.1, max_iter=1).fit(X, y)
    >>> unit.coef_.round(4), unit.intercept_.round(4)
    (array([[0.1999, 0.2179]]), array([-0.1801]))
    """

    eta0: float | str = "auto"

    _parameter_constraints: ClassVar[Constraints] = {
        **Unit._parameter_constraints,
        "eta0": [StrOptions({"auto"}), POSITIVE],
    }
    _unit = units.Adaline

    def _eta(self, X: Any) -> float:
        if not isinstance(self.eta0, str):
            return self.eta0
        # Each sum adds one column after another in all forms of X, so that all of them give the same learning rate.
        if hasattr(X, "multiply"):
            most = (X.multiply(X) @ np.ones(X.shape[1], X.dtype)).max()
        else:
            blocks = np.array_split(X, 1 + len(X) // 1000)  # without a copy of all squares
            most = max(np.cumsum(block * block, axis=1)[:, -1].max() for block in blocks)
        return 1.0 / (1.0 + float(most))


@documented
@dataclass(repr=False, eq=False)
class LogisticUnit(Probable, Unit):
    """`LogisticUnit` is a unit with the activation function sigmoid, trained with cross-entropy (002).

    The output a = sigmoid(w x + b) is the probability of the second of two classes. A step is w <- w + eta (y - a) x.
    With more classes, each has an output of its own. The class with the largest one is predicted, and the probabilities
    are the outputs divided by their sum.

    Parameters
    ----------
    eta0: The learning rate eta. It must be above 0.

    Notes
    -----
    Source: 002.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import LogisticUnit
    >>> unit = LogisticUnit(eta0=0.5, fit_intercept=False)
    >>> unit.partial_fit([[1.0, 2.0]], [1], classes=[0, 1]).coef_
    array([[0.25, 0.5 ]])
    """

    eta0: float = 0.1

    _unit = units.LogisticUnit

    def _probabilities(self, a: np.ndarray) -> np.ndarray:
        if a.shape[1] == 1:
            return np.hstack([1 - a, a])
        sums = a.sum(axis=1, keepdims=True)
        return np.divide(a, sums, out=np.full_like(a, 1 / a.shape[1]), where=sums > 0)
