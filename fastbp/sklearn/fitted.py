"""This module holds `Fitted`, which has what all estimators do with their network and its parameters."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import metrics
from ..network.mlp import MLP
from .border import available_if
from .epochs import EpochTrainer, Snapshot, network

Arrays = tuple[list[np.ndarray], list[np.ndarray | None]]


class Fitted(BaseEstimator):
    """`Fitted` is the base class of all estimators. It has a network, and shows its parameters as arrays.

    The user may change these arrays, or the network, or train the network further. What was changed last counts.
    """

    _network: MLP
    _trainer: EpochTrainer | None = None
    _arrays: Arrays | None = None
    """The weights and biases that the user has, or None as long as nobody has asked for them."""
    _before: Snapshot
    """The parameters of the network when `_arrays` were made or used last."""

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in self.__dict__

    def _of_fitted(self, name: str) -> None:
        """Raise AttributeError before the first call of `fit`, so that `hasattr` gives False."""
        if "_network" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} has no {name} before it is fitted", name=name)

    @property
    def network_(self) -> MLP:
        """The network, with the parameters that the user may have changed."""
        self._of_fitted("network_")
        found, columns = self._current(), tuple(getattr(self, "feature_names_in_", ()))
        if len({*columns}) == found.sizes[0]:
            found.columns = columns
        classes = getattr(self, "classes_", None)
        if isinstance(classes, np.ndarray) and not found.multilabel and len(classes) == max(found.sizes[-1], 2):
            found.classes = classes.tolist()
        return found

    def _shown(self, name: str) -> Arrays:
        """Return the parameters as arrays, which the user may change from then on."""
        self._of_fitted(name)
        if self._arrays is None or not self._before.is_current():
            self._arrays, self._before = self._network._copies(), Snapshot(self._network)
        return self._arrays

    def _current(self) -> MLP:
        """Return the network, after it has taken over the arrays if the user has changed them."""
        if self._arrays is None:
            return self._network
        if not self._before.is_current():  # it was trained since then
            self._arrays = None
            return self._network
        (weights, biases), net = self._arrays, self._network
        if not (_are_equal(weights, net.weights) and _are_equal(biases, net.biases)):
            self._take_over(weights, biases)
        return self._network

    def _take_over(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None]) -> None:
        """Give the network other parameters. If they have other numbers of hidden units, it gets them too."""
        taking, shapes, made = self._network, [np.shape(W) for W in weights], self._network.architecture
        chained = all(len(shape) == 2 for shape in shapes) and all(a[1] == b[0] for a, b in pairwise(shapes))
        if chained and len(shapes) == len(taking):
            sizes = (shapes[0][0], *(shape[1] for shape in shapes))
            if sizes != made.sizes and (sizes[0], sizes[-1]) == (made.sizes[0], made.sizes[-1]):
                taking = network(dataclasses.replace(made, sizes=sizes))
        taking.set_weights(weights, biases)
        if taking is not self._network:
            self._network, self._trainer = taking, None
        self._before = Snapshot(taking)

    @contextlib.contextmanager
    def _all_or_nothing(self, continues: bool) -> Iterator[None]:
        """Put all attributes back, inside a with statement, if an error ends it.

        If training `continues` with the same network, put its parameters back too. Else a new network takes its place.
        """
        kept = Snapshot(self._current()) if continues and "_network" in self.__dict__ else None
        before = {name: [*value] if isinstance(value, list) else value for name, value in self.__dict__.items()}
        try:
            yield
        except Exception:
            watched = {name: value for name, value in self.__dict__.items() if "callback" in name}
            self.__dict__.clear()
            self.__dict__.update(before | watched)
            if kept is not None:
                if not kept.is_current():
                    self._trainer = None
                kept.restore()
            raise

    def _checked(self, X: ArrayLike) -> Any:
        """Return checked inputs of a fitted estimator."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if "_network" in self.__dict__:
            twin._network, twin._trainer = copy.deepcopy((self._current(), self._trainer))
            twin._arrays = None
        return twin

    def __getstate__(self) -> dict[str, Any]:
        if "_network" in self.__dict__:
            self._current()
        return {name: value for name, value in super().__getstate__().items() if name not in ("_arrays", "_before")}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Classifying(ClassifierMixin):
    """`Classifying` has what all classifiers share."""

    classes_: np.ndarray

    def _decided(self, a: np.ndarray) -> np.ndarray:
        """Return the classes that belong to outputs."""
        return self.classes_[metrics.classes(a, self._network.threshold)]

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each sample. Among equal outputs, the first class wins.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            The classes, or for several labels a row of 0 and 1.
        """
        return self._decided(self._outputs(X))


class Probable(Classifying):
    """`Probable` has what all classifiers share whose outputs are probabilities."""

    def _margins(self) -> bool:
        """Return whether the outputs are not probabilities, because of the loss."""
        return False

    @abstractmethod
    def _probabilities(self, a: np.ndarray) -> np.ndarray:
        """Return the probabilities that belong to outputs."""

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
        return self._probabilities(self._outputs(X))

    @available_if(lambda self: not self._margins())
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Compute the logarithms of what `predict_proba` returns, with the same arguments and the same shape."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


def _are_equal(given: Sequence[np.ndarray | None], known: Sequence[np.ndarray | None]) -> bool:
    """Return whether two lists have the same arrays. For a layer without biases, there is None."""
    equal = lambda a, b: a is b if a is None or b is None else np.array_equal(a, b)  # noqa: E731
    return len(given) == len(known) and all(map(equal, given, known))
