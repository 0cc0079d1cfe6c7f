"""This module makes works: each says which operations are done with a minibatch.

`predict`, `trace`, `evaluate`, `gradient` and `train` each make the work of one job. `apply` and `settle` make works
that need no samples, and run with `Work.run_once`. To do something else with a minibatch, write another list of
operations. It reads like the formulas of `fastbp.kernels`: a list is made by a loop over the layers.

In all of them, `batch` is the number of samples in a minibatch, and `n_threads` is the number of threads: with None,
there are as many as the work is worth. A loss is an object of `fastbp.losses`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.panels import aligned, lanes_of, round_up
from ..kernels.structs import LOSS, OUTPUTS, UPDATE
from . import compiled, threads
from .blocks import Parameters
from .buffers import Buffer
from .kernel_cache import Operation
from .layers.base import Layer, Place, follow
from .memory import Model
from .program import Program
from .records import Record, numbers
from .rule import Hyperparameters, Moving, Rule
from .runner import Work

SHARED_PARAMETERS = 1 << 18
"""The number of parameters whose update is worth one more thread: it takes about 100 microseconds."""

ROWS, TRAINING_ROWS = 256, 1024
"""The largest number of rows of a part. With more rows, the activations would not stay in the cache."""


def batch_for(n: int) -> int:
    """Return the size of the minibatches for n samples: the next power of two, so few works serve every n."""
    return min(1 << max(0, n - 1).bit_length(), ROWS)


def predict(model: Model, batch: int, n_threads: int | None, layer: int) -> tuple[Work, Record]:
    """Make the work that computes the activations a^l of a layer 1 <= l <= L, for example the outputs a^L.

    With it comes the OUTPUTS record. Set its field `out` to the array for the activations before each run.
    """
    work = Work(model, batch, ROWS, n_threads)
    out = _outputs(work.memory.a[layer])

    def write(program: Program, form: str | None) -> None:
        program.checker = program.kernel(compiled.product.check_finite)
        rows = [*program.paths.operations(program), *_forward(program.places[:layer])]
        program.phase(*rows, (program.kernel(compiled.product.scatter), out))

    work.write = write
    return work, out


def trace(
    model: Model, batch: int, n_threads: int | None, loss: Any
) -> tuple[Work, list[Record], list[Record], list[Record]]:
    """Make the work of a forward and, with a loss, a backward pass in which everything is written to arrays.

    With it come the OUTPUTS records of z^1 .. z^L, of a^1 .. a^L, and with a loss of delta^1 .. delta^L. The deltas are
    those of each sample, not of the mean.
    """
    targets = loss.target_count(model.sizes[-1]) if loss else 0
    work = Work(model, batch, ROWS, n_threads, targets=targets, backward=loss is not None)
    z, a = ([_outputs(each) for each in work.memory.a[1:]] for _ in range(2))
    delta = [_outputs(each) for each in work.memory.delta[1:]] if loss else []
    if loss:
        _set_loss(work, loss)

    def write(program: Program, form: str | None) -> None:
        copy, places = program.kernel(compiled.product.scatter), program.places
        fused = _fused(program, loss) if loss else ""
        rows = [*program.paths.operations(program), *([_targets(program, form)] if loss else [])]
        for l, (layer, at) in enumerate(places):
            rows += [*layer.forward(at, None), (copy, z[l])]
            if not fused or l + 1 < len(places):
                rows += [*follow(program, layer.activate(at), layer.n_out), (copy, a[l])]
        if loss is None:
            program.phase(*rows)
            return
        rows += [program.of_loss(compiled.loss.loss, loss, fused), *([(copy, a[-1])] if fused else [])]
        rows += [*_to_delta(program, fused, mean=False), (copy, delta[-1])]
        for l in range(len(places) - 1, 0, -1):
            rows += [*_backward(places[l - 1 : l + 1]), (copy, delta[l - 1])]
        _around(program, rows)

    work.write = write
    return work, z, a, delta


def evaluate(model: Model, batch: int, n_threads: int | None, loss: Any) -> Work:
    """Make the work that computes the loss of samples, and the accuracy."""
    work = Work(model, batch, ROWS, n_threads, targets=loss.target_count(model.sizes[-1]))
    _set_loss(work, loss)
    work.write = lambda program, form: _loss(program, loss, form)
    return work


def score(n_out: int, dtype: np.dtype, batch: int, n_threads: int | None, loss: Any) -> Work:
    """Make the work that computes the loss and the accuracy of outputs, which are the inputs of the work."""
    scale, shift = aligned(round_up(n_out, lanes_of(dtype)), dtype), aligned(round_up(n_out, lanes_of(dtype)), dtype)
    scale[:n_out] = 1
    model = Model(Parameters((), dtype), (), (n_out,), shift, scale)
    work = Work(model, batch, ROWS, n_threads, targets=loss.target_count(n_out))
    _set_loss(work, loss, work.paths.buffer("dense"), work.memory.buffer(n_out))
    work.write = lambda program, form: _loss(program, loss, form)
    return work


def gradient(
    model: Model,
    batch: int,
    n_threads: int | None,
    loss: Any,
    seed: int | None,
    to_inputs: bool = False,
    to_weights: bool = True,
) -> Work:
    """Make the work that computes the loss of samples and its gradient, which is written to `Work.gradient`.

    With a seed, there are dropout and input noise. With `to_inputs`, the gradient dC/dx' of each sample is computed
    too, see `Work.to_inputs`. Without `to_weights`, the gradient with respect to the parameters is left out.
    """
    targets = loss.target_count(model.sizes[-1])
    work = Work(model, batch, TRAINING_ROWS, n_threads, targets=targets, backward=True, seed=seed)
    _set_loss(work, loss)
    set_update(work)
    if to_inputs:
        dX = work.memory.buffer(model.sizes[0])
        work.to_inputs = _outputs(dX), model.parameters.transpose(model.layers[0].blocks()[0])
        to = dX, *work.to_inputs

    def write(program: Program, form: str | None) -> None:
        _loss(program, loss, form, *([_to_inputs(program, *to)] if to_inputs else []))
        if to_weights:
            _learn(program, None)

    work.write = write
    return work


def train(model: Model, batch: int, n_threads: int | None, loss: Any, seed: int, rule: Rule) -> Work:
    """Make the work of training steps: the loss, its gradient, and the update of theta. They have dropout and noise."""
    targets = loss.target_count(model.sizes[-1])
    work = Work(model, batch, TRAINING_ROWS, n_threads, targets=targets, backward=True, seed=seed)
    stored = work.parts > 1 or rule.stored or bool(rule.clip_norm) or any(each.stores for each in model.layers)
    if stored and rule.lazy:
        raise ValueError(f"batch_size must be at most {work.part} with gradient='lazy', got {batch}")
    _set_loss(work, loss)
    set_update(work, rule, rule.moving, gradient=stored or any(each.shares for each in model.layers))

    def write(program: Program, form: str | None) -> None:
        program.frozen = rule.frozen
        _loss(program, loss, form)
        if stored:
            _learn(program, None)
            _apply(program, rule)
        else:
            _learn(program, rule)
        _after_update(program, rule.moving)

    work.write = write
    return work


def apply(model: Model, rule: Rule, n_threads: int | None = None) -> Work:
    """Make the work of one step of training with the gradient in `Work.gradient`."""
    if n_threads is None:
        n_threads = max(1, min(threads.available(), model.parameters.theta.size // SHARED_PARAMETERS))
    work = Work(model, 1, 1, n_threads, backward=True)
    set_update(work, rule, rule.moving)

    def write(program: Program, form: str | None) -> None:
        program.frozen = rule.frozen
        _apply(program, rule)
        _after_update(program, rule.moving)

    work.write = write
    return work


def settle(model: Model, moving: Moving | None) -> Work | None:
    """Make the work that follows an update of theta that was not made by kernels, or return None if nothing follows.

    `moving` is the average that moves after the update, or None.
    """
    if not model.max_norm and moving is None:
        return None
    work = Work(model, 1, 1, 1, backward=True)
    set_update(work, None, moving, gradient=False)
    work.write = lambda program, form: _after_update(program, moving)
    return work


def _outputs(buffer: Buffer) -> Record:
    """Return the OUTPUTS record that copies a matrix to an array."""
    return Record(OUTPUTS, panels=buffer.panels, columns=buffer.columns)


def _set_loss(work: Work, loss: Any, a: Buffer | None = None, delta: Buffer | None = None) -> None:
    """Give a work the LOSS record. By default, the loss reads a^L and writes delta^L."""
    memory, n_out = work.memory, work.model.sizes[-1]
    a, delta = a or memory.a[-1], delta or memory.delta[-1]
    work.loss = Record(
        LOSS, a=a.panels, y=memory.y, delta=delta.panels, columns=n_out, targets=memory.targets["columns"],
        parameters=numbers(loss.parameters(n_out), memory.dtype, loss), costs=memory.costs, hits=memory.hits,
    )  # fmt: skip


def set_update(work: Work, rule: Rule | None = None, moving: Moving | None = None, *, gradient: bool = True) -> None:
    """Give a work the UPDATE record and, where it is wanted, a vector for the gradient."""
    parameters = work.model.parameters
    theta = parameters.fitting(parameters.theta, "theta")
    made = Record(UPDATE, shrink=1.0, clip_value=math.inf, max_norm=work.model.max_norm or 0.0)
    made.set(theta=theta, size=theta.size, transposed=parameters.transposed)
    if gradient:
        work.gradient = parameters.like_theta()
        made.set(gradient=work.gradient)
    if rule is not None:
        vectors = parameters.fitting(rule.vectors, "the state", len(rule.optimizer.states))
        hyper = work.hyperparameters = Hyperparameters(rule, parameters.layout.blocks, work.model.dtype)
        made.set(vectors=vectors, hyper_width=hyper.width, l2_divided=rule.l2_divided)
        made.set(clip_value=rule.clip_value or math.inf)
        if rule.clip_norm:
            count = -(-theta.size // compiled.update.NORM_CHUNK)
            made.set(clip_norm=rule.clip_norm, norms=aligned(count, np.float64), norm_count=count)
    if moving is not None:
        parameters.fitting(moving.average, "the average")
        made.set(**moving._asdict())
    work.update = made


def _targets(program: Program, form: str | None) -> Operation:
    """Return the operation that copies the targets."""
    inputs = compiled.inputs
    factory = {"rows": inputs.gather, "labels": inputs.one_hot, "entries": compiled.csr.spread_entries}[form or "rows"]
    return program.kernel(factory), program.memory.targets


def _forward(places: Sequence[tuple[Layer, Place]], *, output: bool = True) -> list[Operation]:
    """a^l = sigma(z^l), z^l = W^l a^{l-1} + b^l, layer by layer. Without `output`, the last layer ends with z^L."""
    operations = []
    for l, (layer, at) in enumerate(places, 1):
        operations += layer.forward(at, layer.activate(at) if output or l < len(places) else None)
    return operations


def _to_delta(program: Program, fused: str, *, mean: bool) -> list[Operation]:
    """Return the operations that make delta^L of what the loss has written: dC/da^L or, if `fused`, delta^L itself.

    With `mean`, C is the mean over the minibatch, and else the sum.
    """
    layer, at = program.places[-1]
    operations = [] if fused else follow(program, layer.differentiate(at), layer.n_out)
    return operations + [program.of_loss(compiled.loss.average_over_batch)] * mean


def _backward(places: Sequence[tuple[Layer, Place]], to: int = 1) -> list[Operation]:
    """delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}, layer by layer, down to layer `to`."""
    operations = []
    for l in range(len(places) - 1, to - 1, -1):
        (layer, at), (below, at_below) = places[l], places[l - 1]
        operations += layer.backward(at, below.differentiate(at_below))
    return operations


def _to_inputs(program: Program, dX: Buffer, out: Record, T: np.ndarray) -> list[Operation]:
    """Return the operations that compute dC/dx' = (W^1)^T delta^1, with dropout, and copy it to an array."""
    layer, at = program.places[0]
    operations = layer.to_inputs(at._replace(delta_in=dX), T)
    return [*operations, *program.paths.drop(program, dX), (program.kernel(compiled.product.scatter), out)]


def _fused(program: Program, loss: Any) -> str:
    """Return the name of the activation function of the output, if the loss includes it, and else ""."""
    name = program.places[-1][0].activation.name if program.places else ""
    return name if name in loss.fused else ""


def _loss(program: Program, loss: Any, form: str | None, *more: Sequence[Operation]) -> None:
    """Add the forward pass and the loss, and in a work with a gradient the backward pass, and `more` after it."""
    places, fused = program.places, _fused(program, loss)
    rows = [*program.paths.operations(program), _targets(program, form), *_forward(places, output=not fused)]
    rows.append(program.of_loss(compiled.loss.loss, loss, fused))
    if program.update is not None:
        to = 1 + places.index(program.trained[0])
        rows += [*_to_delta(program, fused, mean=not loss.summed), *_backward(places, to)]
    _around(program, [*rows, *(made for group in more for made in group)])


def _around(program: Program, rows: Sequence[Operation]) -> None:
    """Add the phase of these operations on rows, which include a loss, and the phases before and after it."""
    program.phase(program.of_loss(compiled.loss.weigh_batch), alone=True)
    program.phase(*rows)
    program.phase(program.of_loss(compiled.loss.add_up), alone=True)


def _learn(program: Program, rule: Rule | None) -> None:
    """Add the operations that sum dC/dw_ij = delta_i a_j over the samples, and apply a rule or write it to memory."""
    first = [made for layer, at in program.trained for made in layer.prepare(at)]
    if first:
        program.phase(*first)
    program.phase(*(made for layer, at in program.trained for made in layer.update(at, rule)))


def _apply(program: Program, rule: Rule) -> None:
    """Add the update of theta with the gradient in memory. With `clip_norm`, first bound the norm of the gradient."""
    if rule.clip_norm:
        program.phase(program.of_update(compiled.update.norms), at_end=True)
        program.phase(program.of_update(compiled.update.shrink), alone=True, at_end=True)
    program.phase(*(each for layer, at in program.trained for each in layer.apply(at, rule)), at_end=True)


def _after_update(program: Program, moving: Moving | None) -> None:
    """Add what follows the update of theta: the bound for the norms of the weights, and the step of the average."""
    if program.model.max_norm:
        program.phase(*(each for layer, at in program.trained for each in layer.bound(at)), at_end=True)
    copies = [each for layer, at in program.trained for each in layer.spread(at)]
    if copies:
        program.phase(*copies, at_end=True)
    if moving is not None:
        program.phase(program.of_update(compiled.update.average), at_end=True)
