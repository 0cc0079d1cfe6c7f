"""What tests need of the engine that no public name shows. When the engine changes, only this file changes with it."""

from __future__ import annotations

import contextlib
import sys
import unittest.mock
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import guarded

import fastbp as fb
from fastbp.engine import buffers, companions, input_paths, kernel_cache, plan, runner, threads
from fastbp.engine.memory import Model
from fastbp.engine.works import Works


def compile_alone() -> None:
    """Let no other process help this one to compile kernels."""
    companions.MOST = 0


def compile_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile kernels in this process alone, and without a line on standard error."""
    monkeypatch.setattr(companions, "MOST", 0)
    monkeypatch.setattr(kernel_cache._notice, "given", True)


def notice_at_once() -> None:
    """Let this process say at once that it compiles kernels, and not only after a second."""
    kernel_cache._notice.patience = 0.0


def one_kernel() -> None:
    """Compile or load a single kernel."""
    kernel_cache.loop(False)


def cores(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Let the machine have n cores, as far as fastbp knows."""
    monkeypatch.setattr(threads, "available", lambda: n)


def kernel_directory() -> Path | None:
    """The directory of this process in the cache of kernels, or None if there is none."""
    return kernel_cache.cache_directory()


@contextlib.contextmanager
def guarded_memory(at_end: bool) -> Iterator[None]:
    """Let all memory that kernels work on, and the outputs of `predict`, lie next to pages that nobody may touch."""
    empty = np.empty

    def outputs(shape: object, dtype: object = float, **options: object) -> np.ndarray:
        if not isinstance(shape, tuple) or len(shape) != 2:
            return empty(shape, dtype, **options)
        return guarded(shape[0] * shape[1], np.dtype(dtype), at_end).reshape(shape)

    package = [module for name, module in sys.modules.items() if name.startswith("fastbp.")]
    with contextlib.ExitStack() as stack:
        for module in (each for each in package if "aligned" in vars(each)):
            replaced = unittest.mock.patch.object(module, "aligned", lambda size, dtype: guarded(size, dtype, at_end))
            stack.enter_context(replaced)
        stack.enter_context(unittest.mock.patch.object(np, "empty", outputs))
        yield


@contextlib.contextmanager
def zeros_left_out(skip: bool) -> Iterator[None]:
    """Let the kernels leave zeros out, or read all numbers, whatever the share of zeros is."""
    share = 1.0 if skip else -1.0
    with (
        unittest.mock.patch.object(input_paths, "LEAST_INPUTS", 0),
        unittest.mock.patch.multiple(buffers, FEW=share, FEW_OF_ONE_PANEL=share),
    ):
        yield


def _last(works: Works) -> runner.Work:
    """The work that was used last."""
    return [*works._kept.values()][-1][1]


def model(network: fb.MLP) -> Model:
    """A network as the engine sees it."""
    return network._computer.model


def work(trainer: fb.Trainer, batch: int) -> runner.Work:
    """What trains with minibatches of this size."""
    return trainer._steps.of_batches(trainer.network, trainer.settings, trainer.state, batch).work


def made_works(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the batch of each work of training that is made from now on."""
    train, found = plan.train, []

    def made(model: Model, batch: int, *rest: object) -> runner.Work:
        found.append(batch)
        return train(model, batch, *rest)

    monkeypatch.setattr(plan, "train", made)
    return found


def leaves_zeros_out(trainer: fb.Trainer) -> bool:
    """Whether the inputs of the last minibatch of a trainer were read without their zeros."""
    return _last(trainer._steps._works)._program.inputs.form == "zeros"


def layers_without_zeros(trainer: fb.Trainer) -> tuple[list[bool], list[bool]]:
    """For each layer, whether the zeros of its inputs are left out, and whether those of its delta are."""
    made = work(trainer, 32).memory
    return tuple([buffer.zeros is not None for buffer in each] for each in (made.a[:-1], made.delta[1:]))


def predicts_without_zeros(network: fb.MLP) -> bool:
    """Whether the last prediction of a network has memory for the places of zeros."""
    made = _last(network._computer._works)[0].memory
    return any(buffer.zeros for buffer in made.a + made.delta)


def counts_of_zeros(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows each time that zeros of inputs are counted. All of them count as dense."""
    found: list[int] = []
    monkeypatch.setattr(input_paths, "_filled", lambda X, order, n: found.append(n) or 1.0)
    return found
