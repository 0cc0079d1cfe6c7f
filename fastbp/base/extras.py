"""This module imports the packages that only some functions need, and says how to install one that is missing.

An extra is a name in ``pip install "fastbp[name]"``.
"""

from __future__ import annotations

import importlib
from importlib import metadata, util
from types import ModuleType

EXTRAS = {
    "lbfgs": ("scipy", "L-BFGS and sparse matrices"),
    "pandas": ("pandas", "tables of the history"),
    "plot": ("matplotlib", "curves of the history"),
    "separable": ("scipy", "fastbp.separable"),
    "sklearn": ("scikit-learn", "fastbp.sklearn, and the metric auc"),
    "tensorboard": ("tensorboardX", "event files for TensorBoard"),
}
"""For each extra, the package that it installs, and what fastbp needs it for."""

MODULES = {"scikit-learn": "sklearn"}
"""The names of modules that differ from the names of their packages."""


def package(extra: str, what: str, module: str = "") -> ModuleType:
    """Import the package of an extra, or of a name without an extra, such as torch. Return it, or a module of it.

    If the package is not installed, raise an ImportError that says how to install it, and `what` needs it.
    """
    name, wanted = (EXTRAS[extra][0], f'"fastbp[{extra}]"') if extra in EXTRAS else (extra, extra)
    path = ".".join(filter(None, (MODULES.get(name, name), module)))
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise ImportError(f"{what} needs {name}: pip install {wanted}", name=error.name) from error


def version(extra: str) -> str | None:
    """Return the version of the package of an extra, or None if it is not installed. The package is not imported."""
    name = EXTRAS[extra][0]
    if util.find_spec(MODULES.get(name, name)) is None:
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # the module has no metadata
        return "of an unknown version"
