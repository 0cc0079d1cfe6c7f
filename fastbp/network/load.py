"""This module holds `load`, which reads a network from a file that `MLP.save` wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..base import model_files
from . import files
from .files import CLASSES, transformations
from .mlp import MLP

__all__ = ["CLASSES", "load", "networks", "transformations"]


def load(path: str | os.PathLike[str]) -> MLP:
    """Read a network from a file that `MLP.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The path of the file.

    Returns
    -------
    MLP
        A network with the same architecture, `scale` and `shift`, and with exactly the same weights and biases.

    Raises
    ------
    ModelFileError
        If the file is damaged, has another format or version, or has contents that do not fit together. This error is
        also a ValueError.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> net = fb.MLP([4, 8, 3], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "digits.safetensors"
    ...     net.save(path)
    ...     twin = fb.load(path)
    >>> twin
    MLP([4, 8, 3], output='softmax')
    """
    return MLP.load(path)


def networks(
    contents: model_files.Contents, described: Mapping[str, Any], classes: Mapping[str, type]
) -> dict[str, MLP]:
    """Read the networks of an open file, as `files.read` does."""
    return files.read(contents, described, classes, MLP._from_architecture)
