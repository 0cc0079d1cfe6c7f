"""This module holds `Computer`, which computes with a network: outputs, scores, gradients and traces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from . import plan, threads
from .memory import Model
from .records import address
from .runner import DivergedError, Samples, Work
from .works import Works

WORKS = 2
"""The number of works that a network remembers, for example one for predictions and one for scores."""


class Gradients(NamedTuple):
    """`Gradients` has the mean loss of samples, and its derivatives."""

    loss: float
    blocks: dict[str, np.ndarray]
    """The gradient of each block of parameters, by its name."""
    inputs: np.ndarray
    """The derivative with respect to each input, before `shift` and `scale`. If it is not wanted, it has no rows."""


class Computer:
    """`Computer` computes with a network. One thread at a time uses it. Whoever changes the network holds its lock."""

    def __init__(self, model: Model):
        self._model, self._works, self.lock = model, Works(WORKS), threads.lock()

    @property
    def model(self) -> Model:
        """The network."""
        return self._model

    @model.setter
    def model(self, model: Model) -> None:
        self._model = model
        self._works.clear()  # which hold the memory of the old model

    def activations(
        self,
        n: int,
        blocks: Iterable[tuple[int, Any]],
        layer: int,
        n_threads: int | None,
        refuse: Callable[[Any, int], None],
    ) -> np.ndarray:
        """Compute the activations a^l of a layer for n samples, as an array of shape (n, n_l).

        The inputs come in blocks, each with the number of its first sample. If a dense block seems to have a number
        that is not finite, `refuse` is called with the block and this number. It raises an error if that is so.
        """
        threads.check_entry(self.lock)
        out: np.ndarray | None = None
        for first, block in blocks:
            with self.lock:
                work, outputs = self._work(plan.predict, len(block.array), n_threads, layer)
                columns = int(outputs["columns"])
                if out is None:
                    out = np.empty((n, columns), work.model.dtype)
                if first + len(block.array) > n or out.shape[1] != columns:
                    raise ValueError(f"X must keep its shape while it is read, got more than its {n} rows")
                with work.reading(Samples(block)):
                    outputs.set(out=address(out) + first * out.strides[0])
                    work.finish()
                if work.step["odd"]:
                    work.step.set(odd=0)
                    if not block.sparse:  # the values of a sparse matrix have been checked
                        refuse(block, first)
        assert out is not None  # X has a row
        return out

    def scores(self, samples: Samples, loss: Any, n_threads: int | None) -> dict[str, float]:
        """Compute the mean loss over samples, and the accuracy if the targets are classes.

        If the loss is not finite, DivergedError is raised.
        """
        threads.check_entry(self.lock)
        with self.lock:
            work: Work = self._work(plan.evaluate, samples.n, n_threads, loss)
            with work.reading(samples):
                work.finish()
                return work.scores(samples.y.classes)

    def differentiate(
        self,
        samples: Samples,
        loss: Any,
        seed: int | None = None,
        n_threads: int | None = None,
        *,
        inputs: bool = False,
        weights: bool = True,
    ) -> Gradients:
        """Compute the mean loss over samples and the gradients that are wanted.

        If the loss or a gradient is not finite, FloatingPointError is raised.
        """
        threads.check_entry(self.lock)
        with self.lock:
            model = self._model
            dX = np.empty((samples.n if inputs else 0, model.sizes[0]), model.dtype)
            work: Work = self._work(plan.gradient, samples.n, n_threads, loss, seed, inputs, weights)
            with work.reading(samples):
                if work.to_inputs is not None:
                    out, T = work.to_inputs
                    out.set(out=address(dX))
                    model.parameters.refresh()
                    model.parameters.transpose(model.layers[0].blocks()[0], T)
                try:
                    work.finish()
                except DivergedError:
                    raise FloatingPointError(f"the {loss.name} of these samples is not finite") from None
                mean = work.scores(False)["loss"]
            if inputs:
                with np.errstate(all="ignore"):
                    dX *= model.scale[: model.sizes[0]]
            found = work.gradient if weights else None
            if not all(np.isfinite(array).all() for array in (dX, found) if array is not None):
                raise FloatingPointError(f"the gradient of the {loss.name} of these samples is not finite")
            return Gradients(mean, {} if found is None else model.parameters.unpack(found), dX)

    def trace(self, samples: Samples, loss: Any) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Compute all z^l and a^l and, with a loss, all delta^l, for each sample."""
        threads.check_entry(self.lock)
        with self.lock:
            work, *groups = self._work(plan.trace, samples.n, None, loss)
            values = []
            with work.reading(samples):
                for records in groups:
                    widths = (int(record["columns"]) for record in records)
                    values.append([np.empty((samples.n, n), work.model.dtype) for n in widths])
                    for record, array in zip(records, values[-1], strict=True):
                        record.set(out=address(array))
                work.finish()
        return values[0], values[1], values[2]

    def _work(self, make: Callable[..., Any], n: int, n_threads: int | None, *options: Any) -> Any:
        """Return the work that `make` makes for n samples."""
        batch = n if make is plan.gradient else plan.batch_for(n)
        options = batch, n_threads, *options
        return self._works.get(functools.partial(make, self._model, *options), (self._model, make), *options)
