"""This module warns about the line of the user, which is behind functions of this package and of those that call it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection

OURS = __name__.partition(".")[0]


def warn(message: str, category: type[Warning] = UserWarning, *, through: Collection[str] = ()) -> None:
    """Warn. The place of the warning is the first line outside of this package, and of the packages `through`."""
    frame, level, passed = sys._getframe(), 1, {OURS, *through}
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in passed:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
