"""This module holds `Fitted`, which has what all estimators do with their network and its parameters."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..network.mlp import MLP
from .epochs import EpochTrainer


class Fitted(BaseEstimator):
    """`Fitted` is the base class of all estimators. It has a network, and shows its parameters as arrays.

    The user may change these arrays, or the network, or train the network further. What was changed last counts.
    """

    _network: MLP
    _trainer: EpochTrainer | None = None
    _arrays: tuple[list[np.ndarray], list[np.ndarray | None]] | None = None
    """The weights and biases that the user has, or None as long as nobody has asked for them."""
    _before: np.ndarray | None = None
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
        return self._current()

    def _shown(self, name: str) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
        """Return the parameters as arrays, which the user may change from then on."""
        self._of_fitted(name)
        theta = self._network.parameters.theta
        if self._arrays is None or not np.array_equal(theta, self._before):
            self._arrays, self._before = (self._network.weights, self._network.biases), theta.copy()
        return self._arrays

    def _current(self) -> MLP:
        """Return the network, after it has taken over the arrays if the user has changed them."""
        if self._arrays is None:
            return self._network
        if not np.array_equal(self._network.parameters.theta, self._before):  # it was trained since then
            self._arrays = None
            return self._network
        for given, known in zip(self._arrays, self._network.parameters.unpack(self._before), strict=True):
            if len(given) != len(known) or not all(map(_are_equal, given, known)):
                self._take_over(*self._arrays)
                break
        return self._network

    def _take_over(self, weights: list[np.ndarray], biases: list[np.ndarray | None]) -> None:
        """Give the network other parameters. If they have other numbers of hidden units, it gets them too."""
        network, shapes, made = self._network, [np.shape(W) for W in weights], self._network.architecture
        chained = all(len(shape) == 2 for shape in shapes) and all(a[1] == b[0] for a, b in pairwise(shapes))
        if chained and len(shapes) == len(made.bias):
            sizes = (shapes[0][0], *(shape[1] for shape in shapes))
            if sizes != made.sizes and (sizes[0], sizes[-1]) == (made.sizes[0], made.sizes[-1]):
                network = MLP.from_architecture(dataclasses.replace(made, sizes=sizes), 1.0, 0.0)
        network.set_weights(weights, biases)
        if network is not self._network:
            self._network, self._trainer = network, None
        self._before = network.parameters.theta.copy()

    @contextlib.contextmanager
    def _all_or_nothing(self, continues: bool) -> Iterator[None]:
        """Put all attributes back, inside a with statement, if an error ends it.

        If training `continues` with the same network, put its parameters back too. Else a new network takes its place.
        """
        fitted = continues and "_network" in self.__dict__
        before = {name: [*value] if isinstance(value, list) else value for name, value in self.__dict__.items()}
        architecture = self._current().architecture if fitted else None
        theta = self._network.parameters.theta.copy() if fitted else None
        try:
            yield
        except Exception:
            watched = {name: value for name, value in self.__dict__.items() if "callback" in name}
            self.__dict__.clear()
            self.__dict__.update(before | watched)
            if fitted:
                self._network.architecture = architecture
                if not np.array_equal(self._network.parameters.theta, theta):
                    self._network.parameters.assign(theta)
                    self._trainer = None
            raise

    def _checked(self, X: Any) -> Any:
        """Return checked inputs of a fitted estimator."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)

    def __copy__(self) -> Fitted:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if "_network" in self.__dict__:
            twin._network, twin._trainer = copy.deepcopy((self._current(), self._trainer))
            twin._arrays = None
        return twin

    def __getstate__(self) -> dict:
        if "_network" in self.__dict__:
            self._current()
        return {**super().__getstate__(), "_arrays": None, "_before": None}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _are_equal(array: np.ndarray | None, known: np.ndarray | None) -> bool:
    """Return whether two arrays have the same values, or neither exists."""
    return array is known if known is None or array is None else np.array_equal(array, known)
