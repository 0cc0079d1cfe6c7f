"""This module holds `BaseMLP`, which has everything that the classifier and the regressor share."""

from __future__ import annotations

import dataclasses
import operator
import warnings
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight

from ..activations import ACTIVATIONS, Activation
from ..engine.runner import DivergedError, Samples
from ..losses import Loss
from ..network.architecture import Architecture
from ..rules.optimizers import LBFGS, SGD, Adadelta, Adagrad, AdamW, Optimizer, RMSprop, Rprop
from ..schedules import Schedule
from ..training.lbfgs import Search
from .callbacks import CallbackSupport, with_callbacks
from .epochs import AdamOfScikitLearn, EpochTrainer, network
from .validation import Validating

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


HISTORY = ("loss_curve_", "validation_loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_")
"""The attributes that tell the course of training. L-BFGS has none of them."""


class BaseMLP(CallbackSupport, ClassNamePrefixFeaturesOutMixin, TransformerMixin, Validating):
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
        "momentum": [Interval(Real, 0, 1, closed="left")],
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

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, of shape (n_in, n_out). You may assign or change them: they are then used."""
        return self._shown("coefs_")[0]

    @coefs_.setter
    def coefs_(self, coefs: list[np.ndarray]) -> None:
        self._arrays = list(coefs), self._shown("coefs_")[1]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, of shape (n_out,). You may assign or change them: they are then used."""
        return self._shown("intercepts_")[1]

    @intercepts_.setter
    def intercepts_(self, intercepts: list[np.ndarray]) -> None:
        self._arrays = self._shown("intercepts_")[0], list(intercepts)

    @property
    def n_layers_(self) -> int:
        """The number of layers, with those of the inputs and of the outputs."""
        self._of_fitted("n_layers_")
        return len(self._network.sizes)

    @property
    def n_outputs_(self) -> int:
        """The number of outputs."""
        self._of_fitted("n_outputs_")
        return self._network.sizes[-1]

    @abstractmethod
    def _plan(self) -> tuple[int, Loss, str | Activation, str]:
        """Return the number of outputs, the loss, the activation of the output, and what scikit-learn calls it."""

    def _threshold(self, dtype: np.dtype) -> float | None:
        """Return the number from which on an output means "yes", or None for that of the loss."""
        return None

    def _more_weights(self, y: Any) -> np.ndarray | None:
        """Return weights of the samples that follow from their targets."""
        return None

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network from new first weights, or with `warm_start` from those that it has.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs. Arrays of dtype uint8, float32 and float64 are read without a copy.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array of shape (n_samples,) or None, default None
            The weight of each sample, at least 0.
        X_val, y_val : arrays, or None, keyword-only, default None
            Samples that are evaluated after each epoch. `early_stopping` looks at them, if they are given, and does not
            hold out a share of the samples.
        sample_weight_val : array of shape (n_val,) or None, keyword-only, default None
            Their weights.

        Returns
        -------
        BaseMLP
            The estimator itself.

        Raises
        ------
        ValueError
            If an argument does not fit, or if training has diverged.
        """
        with self._all_or_nothing(self.warm_start):
            return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def _fit(self, X: Any, y: Any, sample_weight: Any, given: tuple = (None, None, None), incremental: bool = False):
        """Carry out `fit`, with samples for validation, or `partial_fit` if `incremental`. Return the estimator."""
        first = "_network" not in self.__dict__ or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, first, "partial_fit" if incremental else "fit")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        rng = check_random_state(self.random_state)
        searches = self._searches()
        if searches and given[0] is not None:
            raise ValueError("X_val must be None for L-BFGS, which has no epochs after which it could be evaluated")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        self._begin(X, rng, first, searches)
        self._make_trainer(incremental, rng)
        by_class = self._more_weights(y)
        used = sample_weight if by_class is None else by_class if sample_weight is None else sample_weight * by_class
        root = self._begin_task(X, y, used)
        try:
            if searches:
                self._search(X, y, used)
            else:
                self._descend(X, y, used, sample_weight, given, rng, incremental)
        except DivergedError:
            raise ValueError(NOT_FINITE) from None
        if not np.isfinite(self._network.parameters.theta).all():
            raise ValueError(NOT_FINITE)
        self._end_task(root, X, y, used)
        return self

    def _hidden(self) -> list[int]:
        """Return the numbers of units of the hidden layers."""
        given = self.hidden_layer_sizes
        hidden = [operator.index(n) for n in (given if hasattr(given, "__iter__") else [given])]
        if any(n <= 0 for n in hidden):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        return hidden

    def _begin(self, X: Any, rng: np.random.RandomState, first: bool, searches: bool) -> None:
        """Make the network if this is the `first` call, or give it the present activation functions and dropout."""
        hidden = self._hidden()
        n_out, loss, output, self.out_activation_ = self._plan()
        if not first and (*hidden, n_out) != self._network.sizes[1:]:
            before = [*self._network.sizes[1:-1]]
            raise ValueError(f"hidden_layer_sizes must stay {before} while training continues, got {hidden}")
        own = np.dtype(X.dtype if X.dtype == np.float32 else np.float64) if first else self._network.dtype
        given = self.activation
        names = [given] * len(hidden) if isinstance(given, str | Activation) else list(given)
        activation = ["sigmoid" if name == "logistic" else name for name in names]
        dropout = float(self.dropout) if isinstance(self.dropout, Real) else [float(rate) for rate in self.dropout]
        sizes, dtype = [X.shape[1], *hidden, n_out], np.dtype(self.dtype or own)
        made = Architecture(sizes, activation, output, None, dropout, 0.0, None, dtype)
        if first:
            self._network = network(made, rng, 2.0 if given == "logistic" else 6.0)
            self.n_iter_, self.t_, self._no_improvement_count, self._trainer = 0, 0, 0, None
            for name in HISTORY:
                self.__dict__.pop(name, None)
        else:
            before = self._current().architecture
            made = dataclasses.replace(
                made, threshold=before.threshold, flat=before.flat, multilabel=before.multilabel, columns=before.columns
            )
            if made != before:  # the user has changed parameters between two calls
                weights, biases = self._network.weights, self._network.biases
                self._network, self._trainer = network(made, None, 0.0), None
                self._network.set_weights(weights, biases)
        self._loss, self._arrays = loss, None
        if not searches:
            self._begin_history()

    def _begin_history(self) -> None:
        """Set the attributes that tell the course of training, where a call before this one has not set them."""
        fresh: dict[str, Any] = {"loss_curve_": [], "validation_loss_curve_": None}
        stops = self.early_stopping
        fresh |= {"validation_scores_": [] if stops else None, "best_validation_score_": -np.inf if stops else None}
        fresh["best_loss_"] = None if stops else np.inf
        for name, value in fresh.items():
            if name not in self.__dict__ or (value is not None and getattr(self, name) is None):
                setattr(self, name, value)

    def _make_trainer(self, incremental: bool, rng: np.random.RandomState) -> None:
        """Make a trainer, unless a call of `partial_fit` continues with the state of the optimizer."""
        net = self._network
        if self._trainer is not None and incremental:
            self._trainer.follow(l2=self.alpha, n_threads=self.n_threads)
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
        self._network.decide_as(samples.y)
        return samples

    def _search(self, X: Any, y: Any, sample_weight: np.ndarray | None) -> None:
        """Minimise the loss over all samples with L-BFGS of scipy, as scikit-learn does."""
        from scipy.optimize import minimize

        trainer, parameters, samples = self._trainer, self._network.parameters, self._read(X, y, sample_weight)
        total = samples.n if samples.weights is None else float(samples.weights.sum())
        trainer.l2 = self.alpha / total
        work = trainer.work(samples.n)
        search, accepted = Search(trainer.settings, trainer.state, work), parameters.theta.copy()
        self.n_iter_ = 0

        def tell(x: np.ndarray) -> None:
            self.n_iter_ += 1
            accepted[:] = x
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {search.look(x)[0]:.8f}")
            if self._watched():
                parameters.assign(x)
                if self._end_epoch(self._begin_epoch(X, y, sample_weight), X, y, sample_weight):
                    raise StopIteration

        try:
            with work.reading(samples), np.errstate(all="ignore"):
                found = minimize(
                    lambda x: search.look(x)[:2], parameters.theta.astype(np.float64), jac=True, method="L-BFGS-B",
                    callback=tell, options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
                )  # fmt: skip
        except BaseException:  # Ctrl-C must not leave the network at a point that the search has only tried
            parameters.assign(accepted)
            raise
        parameters.assign(found.x)
        self.n_iter_ = _check_optimize_result("lbfgs", found, self.max_iter)
        penalty, constant = 0.5 * trainer.l2 * trainer.squares(), self._constant(y, sample_weight)
        self.loss_ = self._reported(float(found.fun) - penalty) + constant + penalty

    def _descend(
        self,
        X: Any,
        y: Any,
        sample_weight: np.ndarray | None,
        of_samples: np.ndarray | None,
        given: tuple,
        rng: np.random.RandomState,
        incremental: bool,
    ) -> None:
        """Train by minibatch gradient descent until the loss, or the score of the validation, stops improving.

        The samples for validation have the weights `of_samples`, without those of classes.
        """
        trainer = self._trainer
        rows, validation = self._hold_out(X, y, of_samples, given, rng)
        samples, n = self._read(X, y, sample_weight), X.shape[0] if rows is None else rows.size
        used = slice(None) if rows is None else rows
        constant = self._constant(y[used], None if sample_weight is None else sample_weight[used])
        trainer.batch_size = self._batch(n)
        epochs, scored = trainer.epochs(samples, rows, rng if self.shuffle else None), self._scorer(validation)
        self.n_iter_, self._best = 0, self._network.parameters.theta.copy() if self.early_stopping else None
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
                    self._warn_of_the_end()
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        except DivergedError:
            if not self.early_stopping or self.best_validation_score_ == -np.inf:
                raise
            warnings.warn(
                f"Training has diverged in epoch {self.n_iter_ + 1}. The network has the weights with the best score; "
                f"try a smaller learning_rate_init.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if self.early_stopping:
            self._network.parameters.assign(self._best)
            self._best = None

    def _warn_of_the_end(self) -> None:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged "
            f"yet.",
            ConvergenceWarning,
            stacklevel=6,
        )

    def _batch(self, n: int) -> int:
        """Return the number of samples of a minibatch."""
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=6
            )
        return min(self.batch_size, n)

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
        if not self._adapts() or eta <= 1e-6:
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
        X = self._checked(X)
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
        X, net = self._checked(X), self._current()
        if len(net.sizes) == 2:
            return (X.toarray() if hasattr(X, "toarray") else X).astype(net.dtype)
        return net.transform(X, n_threads=self.n_threads)

    @property
    def _n_features_out(self) -> int:
        """The number of features that `transform` returns."""
        return self._network.sizes[-2]

    def _searches(self) -> bool:
        """Return whether the solver is L-BFGS, which uses all samples in each step."""
        return self.solver == "lbfgs" or isinstance(self.solver, LBFGS)

    def _check_solver(self) -> bool:
        if self._searches():
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
