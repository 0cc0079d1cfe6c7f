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
from ..data.usable import timeless, unmasked
from ..network.mlp import MLP
from .border import available_if
from .epochs import EpochTrainer, Snapshot, Turn, network

PASSING = "_own_turn", "_asked", "_accepted"
"""The attributes that copies do not have."""

Arrays = tuple[list[np.ndarray], list[np.ndarray | None]]

INPUTS = (np.float64, np.float32, np.uint8)
"""The dtypes of X that are read as they are. scikit-learn converts uint8 to float64, with 8 times the memory."""

MISSING = {"NoneType", "NAType", "NaTType"}
"""The names of the classes of what stands for a label that is missing. A NaN may do so too."""

FEW = 1 << 14
"""The largest number of values in an array whose checks by scikit-learn would take longer than the work with it."""


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

    @property
    def _turn(self) -> Turn:
        """The turn of the thread that trains. It also protects the arrays of the user, while the network takes them."""
        made: Turn | None = self.__dict__.get("_own_turn")
        return made or self.__dict__.setdefault("_own_turn", Turn("estimator", "a scorer or a callback"))

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
        if "_network" not in self.__dict__ and self._arrays is not None and self._arrays[name.startswith("intercept")]:
            return self._arrays
        self._of_fitted(name)
        if self._turn.is_elsewhere():  # another thread trains: these numbers change
            return self._network._copies()
        with self._turn.lock:
            if self._arrays is None or not self._before.is_current():
                self._arrays, self._before = self._network._copies(), Snapshot(self._network)
            return self._arrays

    def _assign(self, name: str, weights: Any = None, biases: Any = None) -> None:
        """Take over arrays from the user in place of those of the network. Before `fit`, they are the first ones."""
        with self._turn.lock:
            known = self._shown(name) if "_network" in self.__dict__ else self._arrays or ([], [])
            self._arrays = known[0] if weights is None else weights, known[1] if biases is None else biases

    def _current(self) -> MLP:
        """Return the network, after it has taken over the arrays if the user has changed them."""
        if self._arrays is None or self._turn.is_elsewhere():  # what trains does not have arrays of the user
            return self._network
        with self._turn.lock:  # else a second thread would see the network of the first one halfway
            arrays, net = self._arrays, self._network
            if arrays is None:
                return net
            if not self._before.is_current():  # it was trained since then
                self._arrays = None
            elif not (_are_equal(arrays[0], net.weights) and _are_equal(arrays[1], net.biases)):
                self._take_over(*arrays)
            return self._network

    def _take_over(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None]) -> None:
        """Give the network other parameters. If they have other numbers of hidden units, it gets them too."""
        taking, shapes, made = self._network, [np.shape(W) for W in weights], self._network.architecture
        chained = all(len(shape) == 2 for shape in shapes) and all(a[1] == b[0] for a, b in pairwise(shapes))
        if chained and len(shapes) == len(taking):
            sizes = (shapes[0][0], *(shape[1] for shape in shapes))
            if sizes != made.sizes and (sizes[0], sizes[-1]) == (made.sizes[0], made.sizes[-1]):
                if self._turn.is_taken:
                    raise RuntimeError(f"the weights must keep their shapes during training, got {shapes}")
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
        before = {**self.__dict__}
        lengths = [(value, len(value)) for value in before.values() if type(value) is list]  # a call only appends
        try:
            yield
        except Exception:
            for name in [*self.__dict__]:  # one by one, because another thread may predict
                if name not in before and "callback" not in name and name != "_own_turn":
                    del self.__dict__[name]
            for curve, length in lengths:
                del curve[length:]
            watched = {name for name in self.__dict__ if "callback" in name}
            self.__dict__.update({name: value for name, value in before.items() if name not in watched})
            if kept is not None:
                if not kept.is_current():
                    self._trainer = None
                kept.restore()
            raise

    def _checked(self, X: ArrayLike) -> Any:
        """Return checked inputs of a fitted estimator."""
        if self._is_plain(X):
            return X
        check_is_fitted(self)
        return validate_data(self, self._usable(X), accept_sparse=["csr", "csc"], reset=False)

    def _is_plain(self, X: Any, dtypes: tuple[type, ...] = INPUTS) -> bool:
        """Return whether X is an array for which scikit-learn has nothing to check, which takes 0.2 ms."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and 0 < X.size <= FEW
            and X.dtype in dtypes
            and X.dtype.isnative
            and X.shape[1] == self.__dict__.get("n_features_in_")
            and "_network" in self.__dict__
            and "feature_names_in_" not in self.__dict__
            and bool(np.isfinite(X).all())
        )

    @staticmethod
    def _usable(X: Any, name: str = "X") -> Any:
        """Return inputs or other numbers without an empty mask. Raise TypeError for masked values, dates and times."""
        return timeless(unmasked(X, name), name)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if "_network" in self.__dict__:
            twin._network, twin._trainer = copy.deepcopy((self._current(), self._trainer))
            twin._arrays = None
        for name in PASSING:
            twin.__dict__.pop(name, None)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        hidden = {*PASSING}
        if "_network" in self.__dict__:
            self._current()
            hidden |= {"_arrays", "_before"}
        return {name: value for name, value in super().__getstate__().items() if name not in hidden}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Classifying(ClassifierMixin):
    """`Classifying` has what all classifiers share."""

    classes_: np.ndarray

    @staticmethod
    def _check_labels(y: Any, name: str = "y") -> None:
        """Raise ValueError if labels of classes are missing, or if they have no order because they are of two kinds."""
        labels = y if isinstance(y, list | tuple) else np.asarray(y)
        if isinstance(labels, np.ndarray) and (labels.dtype != object or labels.ndim != 1):
            return
        kinds = {type(label): label for label in labels}
        if {kind.__name__ for kind in kinds} & MISSING or (len(kinds) > 1 and float in kinds):
            for i, label in enumerate(labels):
                if type(label).__name__ in MISSING or (type(label) is float and label != label):
                    raise ValueError(
                        f"{name}[{i}] is {label}: each sample must have a label; leave out those without one"
                    )
        try:
            sorted(kinds.values())
        except (TypeError, ValueError):  # arrays as labels, which scikit-learn refuses
            found = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise ValueError(
                f"{name} must have labels of one type, got {found}: convert all to str, for example"
            ) from None

    def _known_codes(self, X: np.ndarray, y: Any) -> np.ndarray | None:
        """Return the numbers of the classes of a plain array of known labels, or None if others must look at them."""
        if type(y) is not np.ndarray or y.shape != X.shape[:1] or y.dtype.kind not in "biufU":
            return None
        if y.dtype.kind != self.classes_.dtype.kind or len(self.classes_) < 2:
            return None
        codes = np.searchsorted(self.classes_, y)
        known = (codes < len(self.classes_)).all() and (self.classes_[codes] == y).all()
        return codes if known else None

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
