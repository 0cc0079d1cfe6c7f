"""This module computes the outputs of several networks for a few samples, as one list of operations on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.panels import aligned
from ..kernels.simd.target import TILE_ROWS
from ..kernels.structs import STEP
from . import kernel_cache, plan
from .memory import Model
from .records import Record
from .runner import Samples

ROWS = TILE_ROWS
"""The largest number of samples. One network alone computes so few on one thread, too."""


class FewRows:
    """`FewRows` is one list of the operations of several networks, with memory for their inputs and their outputs.

    A call for each network took 20 microseconds, and the kernels only one of them: 32 networks took 440 microseconds
    for a row. The kernels are the same, so the bits are the same too. The networks have the same dtype, and the same
    numbers of inputs and of outputs. `inputs` are dense inputs, whose dtype all later inputs must have.
    """

    def __init__(self, models: Sequence[Model], inputs: Any):
        sizes, dtype = models[0].sizes, models[0].dtype
        if len({(model.sizes[0], model.sizes[-1], model.dtype) for model in models}) > 1:
            raise ValueError("models must have equal numbers of inputs and outputs, and the same dtype")
        self._X = np.ones((ROWS, sizes[0]), inputs.array.dtype)  # without zeros, so no kernel looks for them
        self._outputs = aligned(len(models) * ROWS * sizes[-1], dtype).reshape(len(models), ROWS, sizes[-1])
        self._works, operations = [], []
        for model, outputs in zip(models, self._outputs, strict=True):
            work, out = plan.predict(model, ROWS, 1, len(model.layers))
            with work.reading(Samples(inputs._replace(array=self._X))):
                out.set(out=outputs)
            operations.append(work.operations)
            self._works.append(work)
        self._copying = [work for work in self._works if work.reads_copy]
        self._operations = np.concatenate(operations)
        self._phases = np.array([(0, len(self._operations), True, False)], np.int64)
        widest = max(self._works, key=lambda work: work.step["room"]).memory
        self._step = Record(
            STEP, batch=ROWS, part=ROWS, parts=1, threads=1, phases=self._phases, phase_count=1,
            operations=self._operations, stride=widest.stride, scratch=widest.scratch, room=widest.step["room"],
        )  # fmt: skip
        self._loop = kernel_cache.loop(False)

    def outputs(self, X: np.ndarray) -> tuple[np.ndarray, bool]:
        """Compute the outputs of all networks for at most `ROWS` samples, in the dtype that the constructor was given.

        The outputs have shape (networks, n, n_out), and stay until the next call. The second result says whether all
        inputs are finite in the dtype of the networks.
        """
        self._X[: len(X)] = X
        for work in self._copying:
            work.refresh()
        self._step.set(n=len(X), odd=0)
        self._loop(self._step.address, 0, 1)
        return self._outputs[:, : len(X)], not self._step["odd"]
