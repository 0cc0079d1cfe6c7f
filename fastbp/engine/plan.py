"""Plans: what is done with a minibatch, as a list of operations.

`predict`, `evaluate`, `gradient` and `train` each write the list for their work. To do something else with a minibatch
is to write another list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..kernels import dense, elementwise, inputs, update
from ..kernels import loss as losses
from ..kernels.panels import aligned
from ..kernels.records import FOLLOWER, INPUT_NOISE, LOSS, OUTPUTS, PRODUCT, UPDATE
from . import compiled
from .work import Hyperparameters, Operation, Work
from .workspace import Model, Record

ROWS, TRAINING_ROWS = 256, 1024
"""The most rows of a part: beyond, activations leave the cache."""


class Rule(NamedTuple):
    """How parameters are updated: what `train` needs besides the network and the loss."""

    optimizer: Any
    """Its formula `update`, its `states`, its `hyperparameters` and its `of_weights`; see `fastbp.optimizers`."""
    vectors: np.ndarray
    """The optimizer's state: vectors like theta, one after another."""
    at: Callable[[np.ndarray], dict[str, Any]]
    """The hyperparameters by name at an array of steps, which count from 1."""
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    stored: bool = False
    """Whether the gradient is written to memory before the parameters are updated."""
    average: np.ndarray | None = None
    """A vector like theta that moves towards it by `rate` at every step; None for none."""
    rate: float = 0.0

    @property
    def shaped(self) -> bool:
        """Whether the gradient is changed before the optimizer sees it."""
        return bool(self.l1 or self.l2 or self.clip_value or self.clip_norm)


def predict(model: Model, batch: int, n_threads: int | None) -> tuple[Work, Record]:
    """The outputs a^L of samples; with the OUTPUTS record, where `out` is to be set."""
    work = Work(model, batch, ROWS, n_threads, targets=False, backward=False)
    out = Record(OUTPUTS, panels=work.memory.a[-1], columns=work.layout.sizes[-1])
    work.phase(*_inputs(work), *_forward(work, checked=True), (work.kernel(dense.scatter), out))
    return work.close(), out


def evaluate(model: Model, batch: int, n_threads: int | None, loss: Any) -> Work:
    """The loss of samples."""
    work = Work(model, batch, ROWS, n_threads, targets=True, backward=False)
    _loss(work, loss)
    return work.close()


def gradient(model: Model, batch: int, n_threads: int | None, loss: Any, seed: int | None) -> Work:
    """The loss of samples and its gradient, which is written to `Work.gradient`."""
    work = Work(model, batch, TRAINING_ROWS, n_threads, targets=True, backward=True, seed=seed)
    _loss(work, loss)
    _gradient(work)
    return work.close()


def train(model: Model, batch: int, n_threads: int | None, loss: Any, seed: int, rule: Rule) -> Work:
    """Steps of training: the gradient, and the update of theta with it."""
    work = Work(model, batch, TRAINING_ROWS, n_threads, targets=True, backward=True, seed=seed)
    _loss(work, loss)
    if work.parts == 1 and not rule.stored and not rule.clip_norm:
        _update(work, rule)
        work.phase((work.kernel(update.learn, rule.optimizer, rule.shaped), work.update))
        _after_update(work, rule.average, rule.rate)
    else:
        _gradient(work)
        _apply(work, rule)
    return work.close()


def apply(model: Model, gradient: np.ndarray, rule: Rule, n_threads: int | None = None) -> Work:
    """A step of training with a gradient that is there already, a vector like theta; see `Work.run_once`."""
    work = Work(model, 1, 1, n_threads, targets=False, backward=True)
    _update(work).set(gradient=gradient)
    _apply(work, rule)
    return work.close()


def settle(model: Model, average: np.ndarray | None, rate: float) -> Work | None:
    """What follows an update of theta that kernels have not made; None if nothing does. See `Work.run_once`."""
    if not model.max_norm and average is None:
        return None
    work = Work(model, 1, 1, 1, targets=False, backward=True)
    _update(work)
    _after_update(work, average, rate)
    return work.close()


def _inputs(work: Work) -> list[Operation]:
    """x' = (x - shift) * scale into a^0, and what training adds to it."""
    operations, model = [(work.kernel(inputs.gather), work.rows)], work.model
    if model.dropout[0] or model.noise:
        fields = {"columns": work.layout.sizes[0], "deviation": model.noise, "dropout": model.dropout[0]}
        operations.append((work.kernel(inputs.noise), Record(INPUT_NOISE, panels=work.memory.a[0], **fields)))
    return operations


def _forward(work: Work, *, checked: bool = False, output: bool = True) -> list[Operation]:
    """a^l = sigma(W^l a^{l-1} + b^l), layer by layer.

    Parameters
    ----------
    checked : whether inputs that are not finite must be found.
    output : whether sigma is applied to the last layer; else it is left with z^L.
    """
    memory, layout, kernel = work.memory, work.layout, work.kernel(dense.product)
    theta, operations = work.model.parameters.theta, []
    for l, (n_in, n_out) in enumerate(zip(layout.sizes[:-1], layout.sizes[1:], strict=True)):
        made = work.first_product
        if l:
            made = Record(PRODUCT, a=memory.a[l], a_row=layout.lanes, a_panel=memory.stride)
        W, panel = theta[layout.matrix(l)], layout.up(n_in) * layout.lanes
        made.set(W=W, w_panel=panel, next=W.size, rows=n_in, out=memory.a[l + 1], columns=n_out)
        made.set(b=theta[layout.bias(l)], b_panel=layout.lanes, checked=checked and l == 0)
        if _needed(work, l) and (output or l + 1 < layout.depth):
            made.set(followed=True, follower=_activate(work, l), layer=memory.layer[l].address)
        operations.append((kernel, made))
    return operations


def _needed(work: Work, l: int) -> bool:
    """Whether layer l has something to apply to z: an activation other than the identity, or dropout."""
    return work.model.activations[l].name != "identity" or work.memory.dropout[l] > 0


def _activate(work: Work, l: int) -> int:
    """The kernel a = sigma(z) of layer l."""
    sigma = work.model.activations[l]
    if sigma.whole_rows:
        return work.kernel(elementwise.softmax_activate)
    kept, dropped = work.memory.kept[l], work.memory.dropout[l] > 0
    return work.kernel(elementwise.activate, sigma, kept, dropped)


def _differentiate(work: Work, l: int) -> int:
    """The kernel delta *= da/dz of layer l."""
    sigma = work.model.activations[l]
    if work.memory.kept[l]:
        return work.kernel(elementwise.differentiate_kept)
    if sigma.whole_rows:
        return work.kernel(elementwise.softmax_differentiate)
    return work.kernel(elementwise.differentiate, sigma)


def _loss(work: Work, loss: Any) -> None:
    """Forward and the loss, and where deltas go back, backward: all that each thread does with its rows."""
    memory, output = work.memory, work.model.activations[-1]
    fused = output.name in loss.fused
    numbers = np.array(loss.parameters(work.layout.sizes[-1]), work.dtype)
    work.loss = Record(
        LOSS, a=memory.a[-1], y=memory.y, delta=memory.delta[-1], columns=work.layout.sizes[-1], parameters=numbers,
        threshold=work.model.threshold, costs=memory.costs, hits=memory.hits,
    )  # fmt: skip
    rows = [*_inputs(work), (work.kernel(inputs.gather), work.target_rows), *_forward(work, output=not fused)]
    rows.append((work.kernel(losses.loss, loss, output.name if fused else ""), work.loss))
    if work.backward:
        rows += _backward(work, fused)
    work.phase((compiled.of_any_dtype(losses.weigh_batch), work.loss), alone=True)
    work.phase(*rows)
    work.phase((compiled.of_any_dtype(losses.add_up), work.loss), alone=True)


def _backward(work: Work, fused: bool) -> list[Operation]:
    """delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}, layer by layer.

    Parameters
    ----------
    fused : whether the loss has given delta^L, and not dC/da^L.
    """
    memory, layout, kernel, operations = work.memory, work.layout, work.kernel(dense.product), []
    T = work.model.parameters.transposed
    if not fused and _needed(work, layout.depth - 1):
        last = {"layer": memory.layer[-1].address, "panels": layout.panels(layout.sizes[-1])}
        made = Record(FOLLOWER, follower=_differentiate(work, layout.depth - 1), **last)
        operations.append((compiled.of_any_dtype(elementwise.follow), made))
    operations.append((work.kernel(losses.average_over_batch), work.loss))
    for l in range(layout.depth - 1, 0, -1):
        n_in, n_out = layout.sizes[l : l + 2]
        made = Record(
            PRODUCT, a=memory.delta[l], a_row=layout.lanes, a_panel=memory.stride, rows=n_out, W=T[layout.T[l] :],
            w_panel=layout.up(n_out) * layout.lanes, next=layout.T[l - 1] - layout.T[l], b=T, b_panel=0,
            out=memory.delta[l - 1], columns=n_in,
        )  # fmt: skip
        if _needed(work, l - 1):
            made.set(followed=True, follower=_differentiate(work, l - 1), layer=memory.layer[l - 1].address)
        operations.append((kernel, made))
    return operations


def _update(work: Work, rule: Rule | None = None) -> Record:
    """The UPDATE record, with what a rule needs."""
    parameters, layers = work.model.parameters, work.memory.layers
    if work.update is None:
        theta = {"theta": parameters.theta, "size": parameters.theta.size, "transposed": parameters.transposed}
        work.update = Record(UPDATE, layers=layers, depth=len(layers), shrink=1.0, clip_value=math.inf, **theta)
    if rule is not None:
        work.hyperparameters = Hyperparameters(rule.optimizer.hyperparameters, rule.at, work.dtype)
        work.update.set(vectors=rule.vectors, hyper=work.hyperparameters.memory, l1=rule.l1, l2=rule.l2)
        work.update.set(clip_value=rule.clip_value or math.inf)
    return work.update


def _gradient(work: Work) -> None:
    """dC/dw_ij = delta_i a_j, summed into memory."""
    work.gradient = work.model.parameters.like_theta()
    _update(work).set(gradient=work.gradient)
    work.phase((work.kernel(update.gradient), work.update))


def _apply(work: Work, rule: Rule) -> None:
    """The update of theta with the gradient in memory, whose norm is bounded before."""
    _update(work, rule)
    if rule.clip_norm:
        count = -(-work.model.parameters.theta.size // update.NORM_CHUNK)
        work.update.set(clip_norm=rule.clip_norm, norms=aligned(count, np.float64), norm_count=count)
        work.phase((work.kernel(update.norms), work.update), at_end=True)
        work.phase((compiled.of_any_dtype(update.shrink), work.update), alone=True, at_end=True)
    work.phase((work.kernel(update.apply, rule.optimizer, rule.shaped), work.update), at_end=True)
    _after_update(work, rule.average, rule.rate)


def _after_update(work: Work, average: np.ndarray | None, rate: float) -> None:
    """What follows the update of theta: the bound of the weights, and the average of the parameters."""
    if work.model.max_norm:
        work.update.set(max_norm=work.model.max_norm)
        work.phase((work.kernel(update.bound), work.update), at_end=True)
    if average is not None:
        work.update.set(average=average, rate=rate)
        work.phase((work.kernel(update.average), work.update), at_end=True)
