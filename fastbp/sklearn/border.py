"""This module is the border to scikit-learn, which has no type hints: what the estimators use of it gets types here."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import metaestimators
from sklearn.utils._param_validation import Interval, StrOptions

Method = TypeVar("Method", bound=Callable[..., Any])

Constraints = dict[str, list[Any]]
"""What each parameter of an estimator may be, by its name."""

COUNT = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="left")
DTYPE = [StrOptions({"float32", "float64"}), type, np.dtype, None]


def checks_parameters(method: Method) -> Method:
    """Check the parameters of the estimator by its `_parameter_constraints`, before each call of the method."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


def available_if(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Hide the method from `hasattr` if the condition does not hold for the estimator."""
    return metaestimators.available_if(condition)
