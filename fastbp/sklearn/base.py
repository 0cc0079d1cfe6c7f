"""This module holds `BaseMLP`, which has everything that the classifier and the regressor share."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..activations import ACTIVATIONS, Activation
from ..architecture import Architecture
from ..engine.work import DivergedError, Samples
from ..losses import Loss
from ..network import MLP
from ..optimizers import LBFGS, SGD, Adadelta, Adagrad, AdamW, Optimizer, RMSprop, Rprop
from ..schedules import Schedule
from ..training.lbfgs import Search
from .callbacks import CallbackSupport
from .epochs import AdamOfScikitLearn, EpochTrainer, network

OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": lambda given: SGD(
        given.learning_rate_init,
        momentum=given.momentum,
        nesterov=bool(given.nesterovs_momentum and given.momentum),
    ),
    "adam": lambda given: AdamOfScikitLearn(
        given.learning_rate_init, betas=(given.beta_1, given.beta_2), epsilon=given.epsilon
    ),
    "adamw": lambda given: AdamW(given.learning_rate_init, betas=(given.beta_1, given.beta_2), epsilon=given.epsilon),
    "rmsprop": lambda given: RMSprop(given.learning_rate_init),
    "adagrad": lambda given: Adagrad(given.learning_rate_init),
    "adadelta": lambda given: Adadelta(given.learning_rate_init),
    "rprop": lambda given: Rprop(given.learning_rate_init),
    "lbfgs": lambda given: LBFGS(),
}
"""The optimizers that `solver` may name, made with the parameters of an estimator."""

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class Validation(NamedTuple):
    """`Validation` holds the samples that are evaluated after each epoch."""

    X: Any
    y: Any
    """The targets as the user gave them."""
    weights: np.ndarray | None
    samples: Samples
    constant: float
    """What scikit-learn adds to the mean loss."""


class BaseMLP(CallbackSupport, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """`BaseMLP` is the base class of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn reads this class attribute
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", *ACTIVATIONS}), Activation, "array-like"],
        "solver": [StrOptions({*OPTIMIZERS}), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "scoring": [str, callable, None],
        "dtype": [StrOptions({"float32", "float64"}), type, np.dtype, None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    _arrays = _trainer = None

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, of shape (n_in, n_out). You may assign or change them: they are then used."""
        return self._shown()[0]

    @coefs_.setter
    def coefs_(self, coefs: list[np.ndarray]) -> None:
        self._arrays = list(coefs), self._shown()[1]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, of shape (n_out,). You may assign or change them: they are then used."""
        return self._shown()[1]

    @intercepts_.setter
    def intercepts_(self, intercepts: list[np.ndarray]) -> None:
        self._arrays = self._shown()[0], list(intercepts)

    def _shown(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the parameters as arrays. From then on they are those of the estimator, until it is trained again."""
        if "network_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} has no coefs_ and intercepts_ before it is fitted")
        if self._arrays is None:
            self._arrays = self.network_.weights, self.network_.biases
        return self._arrays

    def _current(self) -> MLP:
        """Return the network, with the parameters that the user may have changed."""
        if self._arrays is not None:
            self.network_.set_weights(*self._arrays)
        return self.network_

    @property
    def n_layers_(self) -> int:
        """The number of layers, with those of the inputs and of the outputs."""
        return len(self._fitted().sizes)

    @property
    def n_outputs_(self) -> int:
        """The number of outputs."""
        return self._fitted().sizes[-1]

    def _fitted(self) -> MLP:
        """Return the network, or raise AttributeError before the first call of `fit`."""
        if "network_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        return self.network_

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in self.__dict__

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, reset: bool, use: str) -> tuple[Any, Any]:
        """Return checked inputs and targets in the form that the trainer takes, for "fit" or another use."""

    @abstractmethod
    def _plan(self) -> tuple[int, Loss, str | Activation, str]:
        """Return the number of outputs, the loss, the activation of the output, and what scikit-learn calls it."""

    def _reported(self, loss: float) -> float:
        """Return the mean loss as scikit-learn reports it, up to a constant."""
        return loss

    def _constant(self, y: Any, weights: np.ndarray | None) -> float:
        """Return what scikit-learn adds to the mean loss."""
        return 0.0

    @abstractmethod
    def _default_score(self, found: Validation, accuracy: float) -> float:
        """Return the score of the validation samples."""

    def _threshold(self, dtype: np.dtype) -> float | None:
        """Return the number from which on an output means "yes", or None for that of the loss."""
        return None

    def _more_weights(self, y: Any) -> np.ndarray | None:
        """Return weights of the samples that follow from their targets."""
        return None

    def _fit(self, X: Any, y: Any, sample_weight: Any, given: tuple = (None, None, None), incremental: bool = False):
        """Carry out `fit`, with samples for validation, or `partial_fit` if `incremental`. Return the estimator."""
        first = "network_" not in self.__dict__ or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, first, "partial_fit" if incremental else "fit")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        by_class = self._more_weights(y)
        if by_class is not None:
            sample_weight = by_class if sample_weight is None else sample_weight * by_class
        rng = check_random_state(self.random_state)
        searches = self.solver == "lbfgs" or isinstance(self.solver, LBFGS)
        if first:
            self._begin(X, rng)
        elif [*self.network_.sizes[1:-1]] != (hidden := self._hidden()):
            raise ValueError(
                f"hidden_layer_sizes must stay {list(self.network_.sizes[1:-1])} while training continues, got {hidden}"
            )
        self._make_trainer(searches, incremental, rng)
        if searches and given[0] is not None:
            raise ValueError("X_val must be None for L-BFGS, which has no epochs after which it could be evaluated")
        root = self._begin_task(X, y, sample_weight)
        try:
            if searches:
                self._search(self._read(X, y, sample_weight), self._constant(y, sample_weight))
            else:
                self._descend(X, y, sample_weight, given, rng, incremental)
        except DivergedError:
            raise ValueError(NOT_FINITE) from None
        if not np.isfinite(self.network_.parameters.theta).all():
            raise ValueError(NOT_FINITE)
        self._end_task(root, X, y, sample_weight)
        return self

    def _hidden(self) -> list[int]:
        """Return the numbers of units of the hidden layers."""
        given = self.hidden_layer_sizes
        hidden = [int(n) for n in (given if hasattr(given, "__iter__") else [given])]
        if any(n <= 0 for n in hidden):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        return hidden

    def _begin(self, X: Any, rng: np.random.RandomState) -> None:
        """Make the network, and set all attributes to their values before the first epoch."""
        hidden = self._hidden()
        n_out, loss, output, self.out_activation_ = self._plan()
        dtype = np.dtype(self.dtype or (X.dtype if X.dtype == np.float32 else np.float64))
        given = self.activation
        names = [given] * len(hidden) if isinstance(given, str | Activation) else list(given)
        activation = ["sigmoid" if name == "logistic" else name for name in names]
        dropout = float(self.dropout) if isinstance(self.dropout, Real) else [float(rate) for rate in self.dropout]
        architecture = Architecture([X.shape[1], *hidden, n_out], activation, output, None, dropout, 0.0, None, dtype)
        self.network_ = network(architecture, rng, 2.0 if given == "logistic" else 6.0)
        self._loss, self._arrays, self._trainer = loss, None, None
        self.n_iter_, self.t_, self._no_improvement_count = 0, 0, 0
        self.loss_curve_, self.validation_loss_curve_ = [], None
        self.validation_scores_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _make_trainer(self, searches: bool, incremental: bool, rng: np.random.RandomState) -> None:
        """Make a trainer, unless a call of `partial_fit` continues with the state of the optimizer."""
        net = self._current()
        self._arrays = None
        if self._trainer is not None and incremental:
            for name, value in (("l2", self.alpha), ("n_threads", self.n_threads)):
                if getattr(self._trainer, name) != value:  # the user may have changed a parameter between two calls
                    setattr(self._trainer, name, value)
            return
        optimizer = OPTIMIZERS[self.solver](self) if isinstance(self.solver, str) else self.solver
        random = any(net.architecture.dropout)
        self._trainer = EpochTrainer(
            net, loss=self._loss, optimizer=optimizer, l2=self.alpha, n_threads=self.n_threads,
            schedule=self.learning_rate if isinstance(self.learning_rate, Schedule) else None,
            seed=int(rng.randint(2**31 - 1)) if random else 0,
        )  # fmt: skip
        threshold = self._threshold(net.dtype)
        if threshold is not None:
            net.decide_at(threshold)

    def _read(self, X: Any, y: Any, sample_weight: np.ndarray | None) -> Samples:
        """Return checked samples for training. The network learns from them what kind of targets there are."""
        samples = self._trainer.read(X, y, sample_weight, trains=True)
        self.network_.decide_as(samples.y)
        return samples

    def _search(self, samples: Samples, constant: float) -> None:
        """Minimise the loss over all samples with L-BFGS of scipy, as scikit-learn does."""
        from scipy.optimize import minimize

        trainer, parameters = self._trainer, self.network_.parameters
        total = samples.n if samples.weights is None else float(samples.weights.sum())
        trainer.l2 = self.alpha / total
        work = trainer.work(samples.n)
        search = Search(trainer.settings, trainer.state, work)

        def tell(x: np.ndarray) -> None:
            self.n_iter_ += 1
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {search.look(x)[0]:.8f}")

        with work.reading(samples), np.errstate(all="ignore"):
            found = minimize(
                lambda x: search.look(x)[:2], parameters.theta.astype(np.float64), jac=True, method="L-BFGS-B",
                callback=tell, options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
            )  # fmt: skip
            parameters.assign(found.x)
        self.n_iter_ = _check_optimize_result("lbfgs", found, self.max_iter)
        penalty = 0.5 * trainer.l2 * trainer.squares()
        self.loss_ = self._reported(float(found.fun) - penalty) + constant + penalty

    def _descend(
        self, X: Any, y: Any, sample_weight: Any, given: tuple, rng: np.random.RandomState, incremental: bool
    ) -> None:
        """Train by minibatch gradient descent until the loss, or the score of the validation, stops improving."""
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        trainer = self._trainer
        rows, validation = self._hold_out(X, y, sample_weight, given, rng)
        samples, n = self._read(X, y, sample_weight), X.shape[0] if rows is None else rows.size
        used = slice(None) if rows is None else rows
        constant = self._constant(y[used], None if sample_weight is None else sample_weight[used])
        trainer.batch_size = self._batch(n)
        epochs, scored = trainer.epochs(samples, rows, rng if self.shuffle else None), self._scorer(validation)
        self.n_iter_, self._best = 0, self.network_.parameters.theta.copy() if self.early_stopping else None
        try:
            for _ in range(self.max_iter):
                task = self._begin_epoch(X, y, sample_weight)
                loss, penalty, _ = next(epochs)
                self.n_iter_ += 1
                self.t_ += n
                self.loss_ = self._reported(loss) + constant + penalty
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                self._judge(validation, scored)
                self._slow_down()
                stop = self._end_epoch(task, X, y, sample_weight)
                if incremental or stop or (self._no_improvement_count > self.n_iter_no_change and self._is_over()):
                    break
                if self.n_iter_ == self.max_iter:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                        f"hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        if self.early_stopping:
            self.network_.parameters.assign(self._best)
            self._best = None

    def _batch(self, n: int) -> int:
        """Return the number of samples of a minibatch."""
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
            )
        return min(self.batch_size, n)

    def _hold_out(
        self, X: Any, y: Any, sample_weight: Any, given: tuple, rng: np.random.RandomState
    ) -> tuple[np.ndarray | None, Validation | None]:
        """Return the numbers of the samples for training, or None for all, and the samples for validation."""
        X_val, y_val, weights = given
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together, got one of them.")
        if X_val is not None:
            own, targets = self._validate_input(X_val, y_val, False, "validation")
            weights = None if weights is None else _check_sample_weight(weights, own)
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
        return check_scoring(self, self.scoring)

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
                weights = {} if validation.weights is None else {"sample_weight": validation.weights}
                score = float(scored(self, validation.X, validation.y, **weights))
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
            self._best[:] = self.network_.parameters.theta

    def _count(self, worse: bool) -> None:
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0

    def _slow_down(self) -> None:
        """Set the learning rate of the next epoch, if it falls with the number of samples that training has used."""
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            self._trainer.slow_down((self.t_ + 1) ** -self.power_t)

    def _is_over(self) -> bool:
        """Return whether training ends after epochs without an improvement. If not, the learning rate is divided."""
        trainer = self._trainer
        what = "Validation score" if self.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
        eta = self.learning_rate_init * trainer.factor
        if self.solver != "sgd" or self.learning_rate != "adaptive" or eta <= 1e-6:
            if self.verbose:
                print(message + (" Learning rate too small. Stopping." if self._adapts() else " Stopping."))
            return True
        trainer.slow_down(trainer.factor / 5)
        if self.verbose:
            print(f"{message} Setting learning rate to {eta / 5:f}")
        self._no_improvement_count = 0
        return False

    def _adapts(self) -> bool:
        return self.solver == "sgd" and self.learning_rate == "adaptive"

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs of the network, of shape (n, n_outputs_)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._current().outputs(X, n_threads=self.n_threads)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Compute the activations of the last hidden layer, as features for another estimator.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples, n_units)
            The activations, in the dtype of the network. Without hidden layers, they are the inputs.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._current().transform(X, n_threads=self.n_threads)

    @property
    def _n_features_out(self) -> int:
        """The number of features that `transform` returns."""
        return self.network_.sizes[-2]

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs" or isinstance(self.solver, LBFGS):
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __getstate__(self) -> dict:
        if self._arrays is not None:
            self._current()
        return {**super().__getstate__(), "_arrays": None}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
