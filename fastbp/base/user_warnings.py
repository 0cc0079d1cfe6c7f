"""This module warns the user: the place of a warning is the line of the user, whatever lies between it and fastbp."""

from __future__ import annotations

import sys
import warnings

OURS = __name__.partition(".")[0], "sklearn"
"""The packages whose lines are not those of the user: scikit-learn wraps what it does around methods of estimators."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn. The place of the warning is the first line outside of fastbp and scikit-learn."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
