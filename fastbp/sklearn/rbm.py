"""This module holds `BernoulliRBM`, which has the interface of scikit-learn's class with this name."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import neural_network
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import Callback, State
from ..data.usable import timeless, unmasked
from ..generative.rbm import RBM
from ..rules.optimizers import SGD
from .border import Constraints, checks_parameters


class _Machine(RBM):
    """`_Machine` takes inputs outside of [0, 1] too, as scikit-learn does."""

    _between = -math.inf, math.inf


class _Line(Callback):
    """`_Line` prints a line for each epoch, as scikit-learn does."""

    def on_epoch_end(self, state: State) -> None:
        likelihood, seconds = state.scores["pseudo_likelihood"], state.scores["seconds"]
        what = f"Iteration {state.epoch}, pseudo-likelihood = {likelihood:.2f}, time = {seconds:.2f}s"
        print(f"[{BernoulliRBM.__name__}] {what}")


@dataclass(repr=False, eq=False)
class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """`BernoulliRBM` is a restricted Boltzmann machine with binary units, trained by persistent contrastive divergence.

    It has the parameters, attributes and methods of the class of scikit-learn with this name, and learns in the same
    way from other random numbers. `fastbp.RBM` has more options.

    Parameters
    ----------
    n_components : int, default 256
        The number of hidden units.
    learning_rate : float, keyword-only, default 0.1
        The learning rate.
    batch_size : int, keyword-only, default 10
        The number of samples in a minibatch.
    n_iter : int, keyword-only, default 10
        The number of epochs of `fit`.
    verbose : int, keyword-only, default 0
        Whether to print a line for each epoch, with the pseudo-likelihood during the epoch.
    random_state : int, RandomState or None, keyword-only, default None
        The source of the first weights and of the sampling. With an int, each call gives the same result.

    Attributes
    ----------
    components_ : array of shape (n_components, n_features)
        The weights. You may change the arrays, or assign others: they are then used.
    intercept_hidden_ : array of shape (n_components,)
        The biases of the hidden units.
    intercept_visible_ : array of shape (n_features,)
        The biases of the visible units.
    h_samples_ : array of shape (batch_size, n_components)
        The hidden units of the chains after the last step.
    rbm_ : RBM
        The machine. ``est.rbm_.save(path)`` writes it to a file that needs no scikit-learn.
    n_features_in_ : int
        The number of inputs.
    feature_names_in_ : array of str
        The names of the columns of X, if it was a data frame.

    Notes
    -----
    Sources: Tieleman (2008), Pedregosa et al. (2011) (the interface).

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> BernoulliRBM(n_components=2, random_state=0).fit_transform(X).shape
    (4, 2)
    """

    n_components: int = 256
    _: KW_ONLY
    learning_rate: float = 0.1
    batch_size: int = 10
    n_iter: int = 10
    verbose: int = 0
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[Constraints] = neural_network.BernoulliRBM._parameter_constraints

    @checks_parameters
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train a new machine for `n_iter` epochs, on the samples in their order. Return the estimator.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs, from 0 to 1. A sparse matrix is made dense.
        y : ignored
            It is there for pipelines.
        """
        X, rng = self._checked(X, reset=True), check_random_state(self.random_state)
        machine = self._new(X, rng)
        machine.fit(X, epochs=self.n_iter, callbacks=[_Line()] if self.verbose else (), progress=False)
        self._take_over(machine)
        return self

    @checks_parameters
    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Make one step with all of these samples. Return the estimator.

        Parameters
        ----------
        X, y : as for `fit`
            The samples.
        """
        first = "_machine" not in self.__dict__
        X = self._checked(X, reset=first)
        if first:
            self.random_state_ = check_random_state(self.random_state)
            machine = self._new(X, self.random_state_)
        else:
            machine = self.rbm_
        machine.optimizer, machine.batch_size = SGD(self.learning_rate), len(X)
        machine.fit(X, progress=False)
        machine.history.clear()  # a step is no epoch, and there may be many
        self._take_over(machine)
        return self

    def _new(self, X: np.ndarray, rng: np.random.RandomState) -> RBM:
        """Return a new machine for these inputs."""
        return _Machine(
            X.shape[1], int(self.n_components), optimizer=SGD(self.learning_rate), batch_size=int(self.batch_size),
            persistent=True, shuffle=False, dtype=X.dtype, seed=int(rng.randint(2**31 - 1)),
        )  # fmt: skip

    def _take_over(self, machine: RBM) -> None:
        """Take over a machine that has learnt, and show its parameters."""
        self._machine, self._n_features_out = machine, machine.architecture.n_hidden
        W, c, b = (np.array(each) for each in (machine.W, machine.c, machine.b))
        self.components_, self.intercept_hidden_, self.intercept_visible_ = W.T, c, b
        self.h_samples_ = machine._chains.units.astype(machine.dtype)

    @property
    def rbm_(self) -> RBM:
        """The machine, with the parameters that the user may have changed."""
        if "_machine" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} has no rbm_ before it is fitted", name="rbm_")
        machine: RBM = self._machine
        given = np.transpose(self.components_), self.intercept_visible_, self.intercept_hidden_
        if not all(map(np.array_equal, given, (machine.W, machine.b, machine.c))):
            machine.set_weights(*given)
        return machine

    def _checked(self, X: Any, *, reset: bool = False) -> np.ndarray:
        """Return checked inputs as an array."""
        X = timeless(unmasked(X, "X"), "X")
        X = validate_data(self, X, accept_sparse="csr", reset=reset, dtype=(np.float64, np.float32))
        return X.toarray() if hasattr(X, "toarray") else np.ascontiguousarray(X)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Compute the probabilities of the hidden units.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples, n_components)
            The probabilities, in the dtype of the machine.
        """
        check_is_fitted(self)
        return self.rbm_.transform(self._checked(X))

    def gibbs(self, v: ArrayLike) -> np.ndarray:
        """Make one sweep of Gibbs sampling.

        Parameters
        ----------
        v : array of shape (n_samples, n_features)
            The visible units to begin with.

        Returns
        -------
        bool array of shape (n_samples, n_features)
            The visible units after the sweep. Each call draws others.
        """
        check_is_fitted(self)
        if not hasattr(self, "random_state_"):
            self.random_state_ = check_random_state(self.random_state)
        drawn = self.rbm_.sample(steps=1, start=self._checked(v), seed=int(self.random_state_.randint(2**31 - 1)))
        return drawn > 0

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Estimate the pseudo-likelihood of each sample, by a visible unit that is drawn for it.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs, 0 or 1.

        Returns
        -------
        array of shape (n_samples,)
            The estimates.
        """
        check_is_fitted(self)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return self.rbm_.pseudo_likelihood(self._checked(X), seed=seed)

    def __sklearn_is_fitted__(self) -> bool:
        return "_machine" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
