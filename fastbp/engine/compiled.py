"""This module imports the modules of kernels when a program first needs one of them: Numba takes 25 ms to prepare them.

It is used as ``compiled.update.apply``. Nothing outside of `fastbp.kernels` imports these modules in another way.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from numba.core.compiler_lock import global_compiler_lock

from ..base import garbage
from . import threads

if TYPE_CHECKING:
    from ..kernels import (  # noqa: I001  # one name a line would be longer
        csr, dense, elementwise, gains, inputs, layer_norm, loop, loss, product, rbm, row_losses, shared,
        update, zero_skipping,
    )  # fmt: skip

__all__ = [
    "csr", "dense", "elementwise", "gains", "inputs", "layer_norm", "loop", "loss", "product", "rbm", "row_losses",
    "shared", "update", "zero_skipping",
]  # fmt: skip


def load() -> None:
    """Import the modules, all together, so that they are of one version of fastbp."""
    with global_compiler_lock, garbage.kept():  # a fork waits until it is open
        for name in __all__:
            globals()[name] = import_module(f"...kernels.{name}", __name__)


if not TYPE_CHECKING:  # a checker would believe that every name exists

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        threads.opening(load)
        return globals()[name]
