"""This module holds `BaseMLP`, which has everything that the classifier and the regressor share."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn import neural_network
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from ..activations import ACTIVATIONS, Activation
from ..base.user_warnings import warn
from ..data.weights import sample_weights
from ..losses import LOSSES, Loss
from ..network.architecture import Architecture
from ..rules.optimizers import LBFGS, OPTIMIZERS, Optimizer
from ..schedules import Schedule
from .border import (
    COUNT,
    DTYPE,
    SHARE,
    Constraints,
    by_name,
    checks_parameters,
    hidden_sizes,
    iterations,
)
from .callbacks import CallbackSupportMixin, Watch, tells_callbacks
from .epochs import DivergedError, EpochTrainer, Samples, Snapshot, network, optimizer
from .validation import NOT_GIVEN, Validating, Validation


class Job(NamedTuple):
    """`Job` holds what one call of `fit` or `partial_fit` trains with."""

    trainer: EpochTrainer
    samples: Samples
    validation: Validation | None
    constant: float
    """What scikit-learn adds to the mean loss."""
    watch: Watch


@dataclass(repr=False, eq=False)
class BaseMLP(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, Validating):
    """`BaseMLP` is the base class of `MLPClassifier` and `MLPRegressor`.

    Parameters
    ----------
    hidden_layer_sizes: The number of units of each hidden layer. ``()`` means that there is no hidden layer.
    activation: The activation function of the hidden layers: "identity", "logistic", "tanh", "relu", or another one by
        a name or an object of `fastbp.activations`. A sequence has one for each hidden layer.
    solver: The optimizer: "sgd", "adam", "lbfgs", "adamw", "rmsprop", "adagrad", "adadelta" or "rprop", with
        `learning_rate_init`. An object, such as ``fb.AdamW(1e-3, weight_decay=0.1)``, has its own learning rate.
    alpha: The strength of the L2 regularization. Training minimises the mean loss of a minibatch plus alpha / (2 n) sum
        w^2, where n is the sum of the weights of its samples. The biases do not count.
    batch_size: The number of samples of a minibatch. "auto" means 200, or all samples if there are fewer.
    learning_rate: How the learning rate of "sgd" changes. With "constant", it stays the same. "invscaling" divides it
        by ``(t_ + 1)^power_t``. "adaptive" divides it by 5 when training would stop, until it is below 1e-6. An object
        of `fastbp.schedules` works with each optimizer but "lbfgs".
    learning_rate_init: The first learning rate.
    power_t: The exponent of "invscaling".
    max_iter: The largest number of epochs, and for "lbfgs" of iterations.
    shuffle: Whether each epoch goes through the samples in a new random order.
    random_state: The source of the first weights, of the orders, of the split for validation and of dropout. With an
        int, each call of `fit` gives the same result.
    tol: The smallest improvement that counts. Training ends after `n_iter_no_change` epochs without one.
    verbose: Whether to print the loss of each epoch.
    warm_start: Whether `fit` continues from the weights of the last call. Each call begins its own search for the best
        loss or score.
    momentum: The momentum of "sgd", at least 0 and below 1.
    nesterovs_momentum: Whether the momentum is that of Nesterov.
    early_stopping: Whether training ends when the score of validation samples stops improving, instead of the loss. The
        network then gets the weights that had the best score.
    validation_fraction: The share of the samples that `early_stopping` holds out, if `fit` gets no `X_val`. Samples of
        weight 0 do not count.
    beta_1: The share of the running mean of the gradient that each step of "adam" and "adamw" keeps.
    beta_2: The share of the running mean of the squares of the gradient that each step of "adam" and "adamw" keeps.
    epsilon: A small number that prevents a division by 0 in "adam" and "adamw".
    n_iter_no_change: The number of epochs without an improvement after which training ends.
    max_fun: The largest number of evaluations of the loss for "lbfgs".
    dropout: The probability with which training sets a hidden unit to 0. A sequence has the one for the inputs, and
        then one for each hidden layer.
    scoring: The score that `early_stopping` looks at: the name of a scorer of scikit-learn, a function (estimator, X,
        y), or "loss" for the negative loss. None means what the method `score` computes. A score of a diverged network
        is NaN, and does not count.
    dtype: The dtype of the weights and of the arithmetic: float32, with which training takes about half of the time, or
        float64. None means that of X if X has one of these, and else float64.
    n_threads: The number of threads, which never changes a result. With None, there are as many as a minibatch is
        worth.

    Attributes
    ----------
    coefs_, intercepts_: lists of arrays. The weights of each layer, of shape (n_in, n_out), and the biases, of shape
        (n_out,). You may assign or change them. Before the first call, you may assign those with which `partial_fit`,
        and `fit` with `warm_start`, begin.
    loss_: float. The loss of the last epoch, with the term of `alpha`.
    loss_curve_: list of float. The loss of each epoch. With "lbfgs", this attribute and the next four do not exist.
    best_loss_: float or None. The smallest loss of the last call of `fit`, and of `partial_fit` after it. It is None
        with `early_stopping`.
    validation_scores_: list of float or None. The scores of the validation samples of each epoch, with
        `early_stopping`.
    best_validation_score_: float or None. The best of the scores of the last call of `fit`.
    validation_loss_curve_: list of float or None. The loss of the validation samples after each epoch, without the term
        of `alpha`, if there are such samples.
    n_iter_: int. The number of epochs of the last call of `fit`.
    t_: int. The number of samples that training has used; a sample counts each time that it is used.
    n_layers_, n_outputs_, n_features_in_: int. The number of layers, with those of the inputs and of the outputs; the
        number of outputs; the number of inputs.
    out_activation_: str. The activation function of the outputs.
    feature_names_in_: array of str. The names of the columns of X, if it was a data frame.
    network_: MLP. The network. ``est.network_.save(path)`` writes it to a file that needs no scikit-learn.

    Notes
    -----
    With scikit-learn 1.9 and newer, ``est.set_callbacks(...)`` takes its callbacks, such as its progress bar. Threads
    that train the same estimator take turns.

    Sources: 000 and 004 (backpropagation), Pedregosa et al. (2011) (the interface).
    """

    loss: str | Loss
    hidden_layer_sizes: int | Sequence[int] = (100,)
    activation: str | Activation | Sequence[str | Activation] = "relu"
    _: KW_ONLY
    solver: str | Optimizer = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str | Schedule = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dropout: float | Sequence[float] = 0.0
    scoring: str | Callable[..., float] | None = None
    dtype: DTypeLike | None = None
    n_threads: int | None = None

    _parameter_constraints: ClassVar[Constraints] = {
        **neural_network.MLPRegressor._parameter_constraints,
        "hidden_layer_sizes": [object],  # `hidden_sizes` checks it: "array-like" lets everything pass
        "loss": [by_name(LOSSES), Loss],
        "activation": [by_name(ACTIVATIONS), Activation, "array-like"],
        "solver": [by_name(OPTIMIZERS), Optimizer],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule],
        "momentum": [SHARE],
        "dropout": [SHARE, "array-like"],
        "scoring": [str, callable, None],
        "dtype": DTYPE,
        "n_threads": [COUNT, None],
    }

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, of shape (n_in, n_out). You may assign or change them: they are then used."""
        return self._shown("coefs_")[0]

    @coefs_.setter
    def coefs_(self, coefs: Sequence[np.ndarray]) -> None:
        self._assign("coefs_", weights=[*coefs])

    @property
    def intercepts_(self) -> list[np.ndarray | None]:
        """The biases of each layer, of shape (n_out,). You may assign or change them: they are then used."""
        return self._shown("intercepts_")[1]

    @intercepts_.setter
    def intercepts_(self, intercepts: Sequence[np.ndarray]) -> None:
        self._assign("intercepts_", biases=[*intercepts])

    @abstractmethod
    def _plan(self) -> tuple[int, Loss, str | Activation, str]:
        """Return the number of outputs, the loss, the activation of the output, and what scikit-learn calls it."""

    def _threshold(self) -> float | None:
        """Return the number from which on an output means "yes", or None for that of the loss."""
        return None

    def _more_weights(self, y: Any) -> np.ndarray | None:
        """Return weights of the samples that follow from their targets."""
        return None

    @tells_callbacks
    @checks_parameters
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
        """Train the network from new first weights, or with `warm_start` from those that it has. Return the estimator.

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
            The weights of these samples.

        Raises
        ------
        ValueError
            If an argument does not fit, or if training has diverged. The estimator is then what it was before.
        TypeError
            If a value of an argument is masked, or if X or the targets of a regressor are dates or times.
        RuntimeError
            If a scorer or a callback trains the estimator that is calling it.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ends the training, or if the network is much worse than before.
        UserWarning
            If inputs, or the targets of a regressor, have a scale with which training is slow or fails. If
            `early_stopping` looks at a score that says little about the samples for validation.
        """
        self._turn.check("fit was called")
        with self._turn.lock, self._all_or_nothing(self.warm_start), self._turn:
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, given: Any = NOT_GIVEN, incremental: bool = False) -> None:
        """Carry out `fit`, with samples for validation, or `partial_fit` if `incremental`."""
        first = "_network" not in self.__dict__ or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, first, "partial_fit" if incremental else "fit")
        sample_weight = self._weights(sample_weight, X)
        rng, searches = check_random_state(self.random_state), self._searches()
        if searches and given[0] is not None:
            raise ValueError("X_val must be None for L-BFGS, which has no epochs after which it could be evaluated")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        self._begin(X, rng, first, incremental or self.warm_start)
        self._begin_history(first, incremental, searches)
        trainer = self._trained_by(rng, incremental)
        weights = self._more_weights(y)
        if weights is None or sample_weight is not None:
            weights = sample_weight if weights is None else sample_weight * weights
            sample_weights(weights, len(y), "sample_weight times class_weight")
        rows = validation = None
        if not searches:  # the samples for validation do not have the weights of classes
            rows, validation = self._hold_out(trainer, X, y, sample_weight, given, rng)
        samples, watch = trainer.read(X, y, weights)._replace(order=rows), Watch(self, X, y, weights)
        used = slice(None) if rows is None else rows
        constant = self._constant(y[used], None if weights is None else weights[used])
        job = Job(trainer, samples, validation, constant, watch)
        before = None if incremental else self._loss_before(trainer, samples, first, not searches)
        context = watch.begin(epoch=False)
        diverged = False
        try:
            if searches:
                self._search(job)
            else:
                diverged = self._descend(job, rng if self.shuffle else None, incremental)
            finite = trainer.is_finite()
        except DivergedError:
            finite = False
        if not finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        watch.end(context)
        if before is not None and not diverged:
            self._warn_if_worse(trainer, samples, before)

    def _begin(self, X: Any, rng: np.random.RandomState, first: bool, continues: bool) -> None:
        """Make the network if this is the `first` call, or give it the present activation functions and dropout.

        If training `continues`, a new network takes over the weights that the user has assigned before.
        """
        hidden = hidden_sizes(self.hidden_layer_sizes)
        n_out, loss, output, self.out_activation_ = self._plan()
        if not first and n_out != self._network.sizes[-1]:
            raise ValueError(
                f"the number of outputs must stay {self._network.sizes[-1]} while training continues, and "
                f"loss={self.loss!r} needs {n_out}"
            )
        if not first and (*hidden,) != self._network.sizes[1:-1]:
            before = [*self._network.sizes[1:-1]]
            raise ValueError(f"hidden_layer_sizes must stay {before} while training continues, got {hidden}")
        activation, dropout = self.activation, self.dropout
        names = [activation] * len(hidden) if isinstance(activation, str | Activation) else activation
        settings: dict[str, Any] = {
            "activation": ["sigmoid" if name == "logistic" else name for name in names],
            "output": output,
            "dropout": [float(rate) for rate in dropout] if isinstance(dropout, Iterable) else float(dropout),
        }
        if first:
            dtype = self.dtype or (np.float32 if X.dtype == np.float32 else np.float64)
            settings |= {"init": None, "input_noise": 0.0, "max_norm": None, "dtype": np.dtype(dtype)}
            made = Architecture((X.shape[1], *hidden, n_out), **settings)
            given = self._arrays if continues and "_network" not in self.__dict__ else None
            self._network = network(made, None if given else rng, 2.0 if activation == "logistic" else 6.0)
            if given:  # the user has assigned them before the first call
                self._network.set_weights(given[0] or self._network.weights, given[1] or self._network.biases)
            self.n_iter_, self.t_, self._no_improvement_count, self._trainer = 0, 0, 0, None
            self.n_layers_, self.n_outputs_ = len(made.sizes), n_out
        elif (asked := [self._current(), self.dtype, settings]) != self._asked:
            current = self._network
            made = dataclasses.replace(current.architecture, **settings, dtype=np.dtype(self.dtype or current.dtype))
            if made != current.architecture:  # the user has changed parameters between two calls
                self._network, self._trainer = network(made), None
                self._network.set_weights(current.weights, current.biases)
            self._asked = [self._network, *asked[1:]]
        self._loss, self._arrays = loss, None

    def _begin_history(self, first: bool, incremental: bool, searches: bool) -> None:
        """Set the attributes that tell the course of training.

        Curves go on if a call before this one has begun them. The search for the best score begins in each `fit`, and
        only `partial_fit` goes on with it.
        """
        stops = self.early_stopping
        curves: dict[str, Any] = {"loss_curve_": [], "validation_loss_curve_": None}
        curves["validation_scores_"] = [] if stops else None
        search: dict[str, Any] = {"best_validation_score_": -np.inf if stops else None}
        search["best_loss_"] = None if stops else np.inf
        if not incremental:
            self._no_improvement_count = 0
        for name, value in {**curves, **search}.items():
            if first or (name in search and not incremental):
                self.__dict__.pop(name, None)
            if not searches and self.__dict__.get(name) is None:
                setattr(self, name, value)

    def _trained_by(self, rng: np.random.RandomState, incremental: bool) -> EpochTrainer:
        """Return a new trainer, or the last one if a call of `partial_fit` continues with its state."""
        schedule = self.learning_rate if isinstance(self.learning_rate, Schedule) else None
        settings: dict[str, Any] = {"alpha": self.alpha, "schedule": schedule, "n_threads": self.n_threads}
        settings |= {"loss": self._loss, "optimizer": self._optimizer()}
        if self._trainer is not None and incremental:
            self._trainer.follow(**settings, threshold=self._threshold())
            return self._trainer
        random = any(self._network.architecture.dropout)
        seed = int(rng.randint(2**31 - 1)) if random else 0
        self._trainer = EpochTrainer(self._network, threshold=self._threshold(), seed=seed, **settings)
        return self._trainer

    def _optimizer(self) -> Optimizer:
        """Return the optimizer that `solver` means, with the parameters of this estimator."""
        if isinstance(self.solver, Optimizer):
            return self.solver
        options: dict[str, Any] = {}
        if self.solver == "sgd":
            options = {"momentum": self.momentum, "nesterov": bool(self.nesterovs_momentum and self.momentum)}
        elif self.solver in ("adam", "adamw"):
            options = {"betas": (self.beta_1, self.beta_2), "epsilon": self.epsilon}
        return optimizer(self.solver, self.learning_rate_init, **options)

    def _search(self, job: Job) -> None:
        """Minimise the loss over all samples with L-BFGS of scipy, as scikit-learn does."""
        self.n_iter_ = 0

        def tell(look: Callable[[], float]) -> None:
            self.n_iter_ += 1
            if self.verbose or job.watch.active:
                loss = look()  # the callbacks see the network of this iteration
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
                if job.watch.end(job.watch.begin()):
                    raise StopIteration

        found = job.trainer.minimise(job.samples, tell, maxfun=self.max_fun, maxiter=self.max_iter, gtol=self.tol)
        self.n_iter_ = iterations(found, self.max_iter)
        self.loss_ = self._reported(float(found.fun) - found.penalty) + job.constant + found.penalty

    def _descend(self, job: Job, rng: np.random.RandomState | None, incremental: bool) -> bool:
        """Train by minibatch gradient descent until the loss, or the score of the validation, stops improving.

        Return whether training has diverged, and the network has the weights with the best score.
        """
        trainer, n, diverged = job.trainer, job.samples.n, False
        trainer.follow(batch_size=self._batch(n, incremental))
        epochs = trainer.epochs(job.samples, rng, few=incremental)
        self.n_iter_, self._best = 0, Snapshot(self._network) if self.early_stopping else None
        try:
            for _ in range(self.max_iter):
                context = job.watch.begin()
                loss, penalty, _ = next(epochs)
                self.n_iter_ += 1
                self.t_ += n
                self.loss_ = self._reported(loss) + job.constant + penalty
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                self._judge(trainer, job.validation)
                if self.solver == "sgd" and self.learning_rate == "invscaling":
                    trainer.slow_down((self.t_ + 1) ** -self.power_t)
                stop = job.watch.end(context)
                if incremental or stop or (self._no_improvement_count > self.n_iter_no_change and self._ends(trainer)):
                    break
                if self.n_iter_ == self.max_iter:
                    warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                        f"hasn't converged yet.",
                        ConvergenceWarning,
                    )
        except KeyboardInterrupt:
            warn("Training interrupted by user.", UserWarning)
        except DivergedError:
            if not self.early_stopping or self.best_validation_score_ == -np.inf:
                raise
            diverged = True
            warn(
                f"Training has diverged in epoch {self.n_iter_ + 1}. The network has the weights with the best score; "
                f"try a smaller learning_rate_init.",
                ConvergenceWarning,
            )
        if self._best is not None:
            if self.best_validation_score_ > -np.inf:
                self._best.restore()
            elif self.n_iter_:
                warn(
                    "No validation score is a number, so the network keeps its last weights. Try a smaller "
                    "learning_rate_init, or another scoring.",
                    ConvergenceWarning,
                )
            self._best = None
        return diverged

    def _batch(self, n: int, incremental: bool) -> int:
        """Return the number of samples of a minibatch. Calls of `partial_fit` with fewer of them do not change it."""
        size = 200 if isinstance(self.batch_size, str) else self.batch_size
        if size > n and size is self.batch_size:
            warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", UserWarning)
        return size if incremental else min(size, n)

    def _ends(self, trainer: EpochTrainer) -> bool:
        """Return whether training ends after epochs without an improvement. If not, divide the learning rate by 5."""
        what = "Validation score" if self.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
        eta, adapts = self.learning_rate_init * trainer.factor, (self.solver, self.learning_rate) == ("sgd", "adaptive")
        ends = not adapts or eta <= 1e-6
        if self.verbose:
            small = " Learning rate too small." if adapts else ""
            print(message + (f"{small} Stopping." if ends else f" Setting learning rate to {eta / 5:f}"))
        if not ends:
            trainer.slow_down(trainer.factor / 5)
            self._no_improvement_count = 0
        return ends

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
        checked, net = self._checked(X), self._current()
        if len(net.sizes) > 2:
            return net.transform(checked, n_threads=self.n_threads)
        return (checked.toarray() if hasattr(checked, "toarray") else checked).astype(net.dtype)

    @property
    def _n_features_out(self) -> int:
        """The number of features that `transform` returns."""
        return self._network.sizes[-2]

    def _fitted_now(self) -> dict[str, Any]:
        """Return the attributes that make a copy of the estimator, for callbacks, one that stopped here."""
        return {"_network": self._network.astype(self._network.dtype), "_arrays": None}

    def _searches(self) -> bool:
        """Return whether the solver is L-BFGS, which uses all samples in each step."""
        return self.solver == "lbfgs" or isinstance(self.solver, LBFGS)

    def _check_solver(self) -> bool:
        if self._searches():
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
