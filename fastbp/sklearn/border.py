"""This module is the border to scikit-learn, which has no type hints: what the estimators use of it gets types here."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeVar, cast

import numpy as np
from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.utils import column_or_1d, metaestimators
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from ..base import checks
from ..base.user_warnings import warn

Method = TypeVar("Method", bound=Callable[..., Any])

Constraints = dict[str, list[Any]]
"""What each parameter of an estimator may be, by its name."""

COUNT = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="left")
DTYPE = [StrOptions({"float32", "float64"}), type, np.dtype, None]


def checks_parameters(method: Method) -> Method:
    """Check the parameters of the estimator by its `_parameter_constraints`, before each call of the method.

    scikit-learn does not check them in calls of `partial_fit` that continue: here, those that have changed are checked.
    """
    checked: Any = _fit_context(prefer_skip_nested_validation=True)(method)
    if method.__name__ != "partial_fit":
        return cast(Method, checked)

    @functools.wraps(method)
    def partial_fit(self: Any, *args: Any, **options: Any) -> Any:
        present = [*map(self.__dict__.get, self._parameter_constraints)]
        known = self.__dict__.get("_accepted", ())
        if len(known) != len(present) or not all(map(operator.is_, known, present)):
            if not get_config()["skip_parameter_validation"]:
                self._validate_params()
            self._accepted = present
        return checked(self, *args, **options)

    return cast(Method, partial_fit)


def available_if(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Hide the method from `hasattr` if the condition does not hold for the estimator."""
    return metaestimators.available_if(condition)


def by_name(registry: checks.Registry[Any]) -> StrOptions:
    """Return the constraint of a parameter that is the name, or another name, of an object of a registry."""
    return StrOptions({*registry, *registry.aliases})


def hidden_sizes(given: Any) -> list[int]:
    """Return the numbers of units of the hidden layers that a user gives, or raise ValueError."""
    try:
        sizes = [checks.integer(n, "", -(2**63)) for n in (given if np.iterable(given) else [given])]
    except (TypeError, ValueError):
        raise InvalidParameterError(
            f"hidden_layer_sizes must be an integer, or a sequence with an integer for each hidden layer, for example "
            f"(100, 50), got {given!r}"
        ) from None
    if any(n <= 0 for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def column(y: Any) -> np.ndarray:
    """Return targets as a vector. Warn if they are a column, as scikit-learn does, but about the line of the user."""
    if y.ndim == 2 and y.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples, ), "
            "for example using ravel().",
            DataConversionWarning,
        )
    return column_or_1d(y)


def iterations(found: Any, max_iter: int) -> int:
    """Return the number of iterations of L-BFGS. Warn if it has not converged, in the words of scikit-learn."""
    n = min(found.nit, max_iter)
    if found.status:
        more = f"\nIncrease the number of iterations to improve the convergence (max_iter={max_iter})."
        warn(
            f"lbfgs failed to converge after {n} iteration(s) (status={found.status}):\n{found.message}\n"
            f"{more * (n == max_iter)}\nYou might also want to scale the data as shown in:\n"
            f"    https://scikit-learn.org/stable/modules/preprocessing.html",
            ConvergenceWarning,
        )
    return n
