"""This module writes plans: lists of the operations that are done with each minibatch.

`predict`, `trace`, `evaluate`, `gradient` and `train` each write the list for one job. `apply` and `settle` write lists
that need no samples. To do something else with a minibatch, write another list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..kernels import csr, dense, elementwise, inputs, update, zero_skipping
from ..kernels import loss as losses
from ..kernels.panels import aligned
from ..kernels.structs import FOLLOWER, INPUT_NOISE, LOSS, OUTPUTS, PRODUCT, UPDATE
from . import kernel_cache, threads
from .memory import Model, Record
from .runner import Hyperparameters, Operation, Work

SHARED_PARAMETERS = 1 << 18
"""The number of parameters whose update is worth one more thread: it takes about 100 microseconds."""

ROWS, TRAINING_ROWS = 256, 1024
"""The largest number of rows of a part. With more rows, the activations would not stay in the cache."""


class Rule(NamedTuple):
    """`Rule` says how parameters are updated. `train` needs it besides the network and the loss."""

    optimizer: Any
    """The optimizer, with `update`, `states`, `hyperparameters` and `of_weights`, see `fastbp.rules.optimizers`."""
    vectors: np.ndarray
    """The state of the optimizer: vectors like theta, one after another."""
    at: Callable[[np.ndarray], dict[str, Any]]
    """A function that takes an array of step numbers, from 1 on, and returns the hyperparameters by their names."""
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    stored: bool = False
    """Whether the gradient is written to memory first, and the parameters are updated afterwards."""
    lazy: bool = False
    """Whether a step leaves the weights of inputs that do not occur in its minibatch as they are."""
    average: np.ndarray | None = None
    """The average: a vector like theta that moves towards theta after each step. With None, there is no average."""
    rate: float = 0.0
    """The share of the way to theta that the average moves."""
    l2_divided: bool = False
    """Whether l2 is divided by the sum of the weights of the samples of a minibatch."""

    @property
    def shaped(self) -> bool:
        """Whether clipping or regularization changes the gradient before the optimizer uses it."""
        return bool(self.l1 or self.l2 or self.clip_value or self.clip_norm)


def predict(model: Model, batch: int, n_threads: int | None, layer: int) -> tuple[Work, Record]:
    """Plan the computation of the activations a^l of a layer, for example of the outputs a^L.

    Parameters
    ----------
    model : Model
        The network.
    batch : int
        The number of samples in a minibatch.
    n_threads : int or None
        The number of threads. With None, as many as the work is worth.
    layer : int
        The layer l, from 1 to L.

    Returns
    -------
    work : Work
        The work.
    out : Record
        The OUTPUTS record. Set its field `out` to the array for the activations before each run.
    """
    work = Work(model, batch, ROWS, n_threads, targets=0, backward=False)
    copy, out = _copy(work, work.memory.a[layer], layer)
    work.phase(*_inputs(work), *_forward(work, checked=True)[:layer], copy)
    return work.close(), out


def trace(
    model: Model, batch: int, n_threads: int | None, loss: Any
) -> tuple[Work, list[Record], list[Record], list[Record]]:
    """Plan a forward and, with a loss, a backward pass in which everything is written to arrays.

    Parameters
    ----------
    model, batch, n_threads : as for `predict`
    loss : Loss or None
        The loss, as an object. With None, there is no backward pass.

    Returns
    -------
    work : Work
        The work.
    z, a, delta : lists of Record
        The OUTPUTS records of z^1 .. z^L, of a^1 .. a^L, and with a loss of delta^1 .. delta^L. The deltas are those of
        each sample, not of the mean.
    """
    n_out, output = model.parameters.layout.sizes[-1], model.activations[-1]
    targets = loss.target_count(n_out) if loss else 0
    work = Work(model, batch, ROWS, n_threads, targets=targets, backward=loss is not None)
    memory, depth = work.memory, work.layout.depth
    fused = loss is not None and output.name in loss.fused
    z, a = ([_copy(work, memory.a[l], l) for l in range(1, depth + 1)] for _ in range(2))
    rows = [*_inputs(work), *([_targets(work)] if loss else [])]
    for l, (kernel, made) in enumerate(_forward(work, output=not fused)):
        rows += [(kernel, made), z[l][0], *_apart(work, made), *([] if fused and l == depth - 1 else [a[l][0]])]
    if loss is None:
        work.phase(*rows)
        return work.close(), [out for _, out in z], [out for _, out in a], []
    delta = [_copy(work, memory.delta[l - 1], l) for l in range(1, depth + 1)]
    rows += [_of_loss(work, loss, fused), *([a[-1][0]] if fused else [])]
    backward = _backward(work, fused, mean=False)
    first = len(backward) - (depth - 1)
    rows += [*backward[:first], delta[-1][0]]
    for operation, (copy, _) in zip(backward[first:], delta[-2::-1], strict=True):
        rows += [operation, copy]
    _around(work, rows)
    return work.close(), *([out for _, out in group] for group in (z, a, delta))


def _copy(work: Work, panels: np.ndarray, layer: int) -> tuple[Operation, Record]:
    """Return the operation that copies panels of a layer to an array, and its OUTPUTS record."""
    out = Record(OUTPUTS, panels=panels, columns=work.layout.sizes[layer])
    return (work.kernel(dense.scatter), out), out


def _apart(work: Work, made: Record) -> list[Operation]:
    """Take the kernel that follows a product, if there is one, away from it. Return it as an operation of its own."""
    if not made["followed"]:
        return []
    made.set(followed=False)
    panels = work.layout.panels(made["columns"])
    follower = Record(FOLLOWER, follower=made["follower"], layer=made["layer"], panels=panels)
    return [(kernel_cache.of_any_dtype(elementwise.follow), follower)]


def evaluate(model: Model, batch: int, n_threads: int | None, loss: Any) -> Work:
    """Plan the computation of the loss of samples, and of the accuracy."""
    n_targets = loss.target_count(model.parameters.layout.sizes[-1])
    work = Work(model, batch, ROWS, n_threads, targets=n_targets, backward=False)
    _loss(work, loss)
    return work.close()


def gradient(
    model: Model,
    batch: int,
    n_threads: int | None,
    loss: Any,
    seed: int | None,
    to_inputs: bool = False,
    to_weights: bool = True,
) -> Work:
    """Plan the computation of the loss of samples and of its gradient, which is written to `Work.gradient`.

    Parameters
    ----------
    model, batch, n_threads : as for `predict`
    loss : Loss
        The loss, as an object.
    seed : int or None
        The seed of dropout and input noise. With None, there is neither.
    to_inputs : bool, default False
        Whether the gradient dC/dx' of each sample is computed too, see `Work.to_inputs`.
    to_weights : bool, default True
        Whether the gradient with respect to the parameters is computed.
    """
    n_out = model.parameters.layout.sizes[-1]
    options = {"targets": loss.target_count(n_out), "backward": True, "seed": seed}
    work = Work(model, batch, TRAINING_ROWS, n_threads, **options)
    _loss(work, loss, _to_inputs(work) if to_inputs else ())
    if to_weights:
        _gradient(work)
    return work.close()


def _to_inputs(work: Work) -> list[Operation]:
    """Return the operations that compute dC/dx' = (W^1)^T delta^1, with dropout, and copy it to an array."""
    memory, layout, lanes, T = work.memory, work.layout, work.layout.lanes, work.model.parameters.transpose_first()
    n_in, n_out = layout.sizes[:2]
    panels, zeros = aligned(layout.panels(n_in) * memory.stride, work.dtype), work.model.parameters.transposed
    made = Record(
        PRODUCT, a=memory.delta[0], a_row=lanes, a_panel=memory.stride, rows=n_out, W=T, b=zeros, b_panel=0,
        w_panel=layout.up(n_out) * lanes, next=0, out=panels, columns=n_in,
    )  # fmt: skip
    operations = [(work.kernel(dense.product), made)]
    if work.model.dropout[0]:
        places = {"panels": panels, "row": lanes, "panel": memory.stride, "columns": n_in}
        operations.append((work.kernel(inputs.noise), Record(INPUT_NOISE, **places, dropout=work.model.dropout[0])))
    copy, out = _copy(work, panels, 0)
    work.to_inputs = out, T
    return [*operations, copy]


def train(model: Model, batch: int, n_threads: int | None, loss: Any, seed: int, rule: Rule) -> Work:
    """Plan steps of training: the loss, its gradient, and the update of theta.

    Parameters
    ----------
    model, batch, n_threads : as for `predict`
    loss : Loss
        The loss, as an object.
    seed : int
        The seed of dropout and input noise.
    rule : Rule
        The rule that updates the parameters.
    """
    n_targets = loss.target_count(model.parameters.layout.sizes[-1])
    work = Work(model, batch, TRAINING_ROWS, n_threads, targets=n_targets, backward=True, seed=seed)
    _loss(work, loss)
    if work.parts == 1 and not rule.stored and not rule.clip_norm:
        _update(work, rule)
        options = rule.optimizer, rule.shaped
        without_zeros = zero_skipping.learn_masked, work.roads.cut, *options
        from_lists = csr.learn_listed, work.roads.cut, *options, rule.lazy
        work.phase(*_sums(work, without_zeros, from_lists), (work.kernel(update.learn, *options), work.update))
        _after_update(work, rule.average, rule.rate)
    else:
        if rule.lazy:
            raise ValueError(f"batch_size must be at most {work.part} with gradient='lazy', got {batch}")
        _gradient(work)
        _apply(work, rule)
    return work.close()


def apply(model: Model, gradient: np.ndarray, rule: Rule, n_threads: int | None = None) -> Work:
    """Plan one step of training with a gradient that is already in memory. Run it with `Work.run_once`.

    Parameters
    ----------
    model : Model
        The network.
    gradient : float array of shape (size,)
        The gradient: a vector like theta.
    rule : Rule
        The rule that updates the parameters.
    n_threads : int or None, default None
        The number of threads. With None, as many as the work is worth.
    """
    if n_threads is None:
        n_threads = max(1, min(threads.available(), model.parameters.theta.size // SHARED_PARAMETERS))
    work = Work(model, 1, 1, n_threads, targets=0, backward=True)
    _update(work).set(gradient=gradient)
    _apply(work, rule)
    return work.close()


def settle(model: Model, average: np.ndarray | None, rate: float) -> Work | None:
    """Plan what follows an update of theta that was not made by kernels. Run it with `Work.run_once`.

    Parameters
    ----------
    model : Model
        The network.
    average : float array of shape (size,) or None
        The average: a vector like theta that moves towards theta. With None, there is no average.
    rate : float
        The share of the way to theta that the average moves.

    Returns
    -------
    Work or None
        The work, or None if nothing follows.
    """
    if not model.max_norm and average is None:
        return None
    work = Work(model, 1, 1, 1, targets=0, backward=True)
    _update(work)
    _after_update(work, average, rate)
    return work.close()


def _inputs(work: Work) -> list[Operation]:
    """Return the operations that write x' = (x - shift) * scale to a^0, and add noise and dropout in training."""
    model = work.model
    operations = [work.roads.choice((inputs.gather,), (inputs.gather_masked,), (csr.gather_listed,), work.roads.rows)]
    if model.dropout[0] or model.noise:
        fields = {"columns": work.layout.sizes[0], "deviation": model.noise, "dropout": model.dropout[0]}
        work.roads.noise = Record(INPUT_NOISE, **fields)
        noise = (inputs.noise,)
        operations.append(work.roads.choice(noise, noise, (csr.nothing,), work.roads.noise))
    return operations


def _forward(work: Work, *, checked: bool = False, output: bool = True) -> list[Operation]:
    """Return the operations a^l = sigma(W^l a^{l-1} + b^l), layer by layer.

    Parameters
    ----------
    checked : bool, keyword-only, default False
        Whether the kernels must notice inputs that are not finite.
    output : bool, keyword-only, default True
        Whether sigma is applied to the last layer. If not, its memory holds z^L.
    """
    memory, layout = work.memory, work.layout
    theta, operations = work.model.parameters.theta, []
    for l, (n_in, n_out) in enumerate(zip(layout.sizes[:-1], layout.sizes[1:], strict=True)):
        made = work.roads.product
        if l:
            made = Record(PRODUCT, a=memory.a[l], a_row=layout.lanes, a_panel=memory.stride)
        W, panel = theta[layout.matrix(l)], layout.up(n_in) * layout.lanes
        made.set(W=W, w_panel=panel, next=W.size, rows=n_in, out=memory.a[l + 1], columns=n_out)
        made.set(b=theta[layout.bias(l)], b_panel=layout.lanes, checked=checked and l == 0)
        if _needed(work, l) and (output or l + 1 < layout.depth):
            made.set(followed=True, follower=_activate(work, l), layer=memory.layer[l].address)
        if l == 0:
            others = (zero_skipping.product_masked, work.roads.cut), (csr.product_listed, work.roads.cut)
            operations.append(work.roads.choice((dense.product,), *others, made))
        else:
            operations.append(_product(work, made, memory.zeros[l]))
    return operations


def _product(work: Work, made: Record, zeros: Record | None) -> Operation:
    """Return the operation out = a W + b. It leaves zeros out if the left matrix has a ZEROS record."""
    if zeros is None:
        return work.kernel(dense.product), made
    made.set(zeros=zeros.address)
    return work.kernel(zero_skipping.product_masked, work.roads.cut), made


def _needed(work: Work, l: int) -> bool:
    """Return whether something is applied to z^l of a layer: a function other than the identity, or dropout."""
    return work.model.activations[l].name != "identity" or work.memory.dropout[l] > 0


def _activate(work: Work, l: int) -> int:
    """Return the kernel that computes a = sigma(z) of a layer."""
    sigma = work.model.activations[l]
    if sigma.whole_rows:
        return work.kernel(elementwise.softmax_activate)
    kept, dropped, masked = work.memory.kept[l], work.memory.dropout[l] > 0, work.memory.layer[l]["zeros_out"] != 0
    return work.kernel(elementwise.activate, sigma, kept, dropped, masked)


def _differentiate(work: Work, l: int) -> int:
    """Return the kernel that computes delta *= da/dz of a layer."""
    sigma, masked = work.model.activations[l], work.memory.delta_zeros[l] is not None
    if work.memory.kept[l]:
        return work.kernel(elementwise.differentiate_kept, masked)
    if sigma.whole_rows:
        return work.kernel(elementwise.softmax_differentiate)
    return work.kernel(elementwise.differentiate, sigma, masked)


def _loss(work: Work, loss: Any, more: Sequence[Operation] = ()) -> None:
    """Add the forward pass and the loss. With `Work.backward`, also add the backward pass, and `more` after it."""
    fused = work.model.activations[-1].name in loss.fused
    rows = [*_inputs(work), _targets(work), *_forward(work, output=not fused), _of_loss(work, loss, fused)]
    if work.backward:
        rows += _backward(work, fused, mean=not loss.summed)
    _around(work, [*rows, *more])


def _targets(work: Work) -> Operation:
    """Return the operation that copies the targets. `Work` exchanges its kernel for labels and for sparse matrices."""
    return work.kernel(inputs.gather), work.targets


def _of_loss(work: Work, loss: Any, fused: bool) -> Operation:
    """Return the operation that computes the loss. If `fused`, it includes sigma of the output."""
    memory, output = work.memory, work.model.activations[-1].name
    numbers = np.array(loss.parameters(work.layout.sizes[-1]), work.dtype)
    work.loss = Record(
        LOSS, a=memory.a[-1], y=memory.y, delta=memory.delta[-1], columns=work.layout.sizes[-1], parameters=numbers,
        targets=work.targets["columns"], threshold=work.model.threshold, costs=memory.costs, hits=memory.hits,
    )  # fmt: skip
    return work.kernel(losses.loss, loss, output if fused else ""), work.loss


def _around(work: Work, rows: Sequence[Operation]) -> None:
    """Add the phase of these operations on rows, which include a loss, and the phases before and after it."""
    work.phase((kernel_cache.of_any_dtype(losses.weigh_batch), work.loss), alone=True)
    work.phase(*rows)
    work.phase((kernel_cache.of_any_dtype(losses.add_up), work.loss), alone=True)


def _backward(work: Work, fused: bool, *, mean: bool) -> list[Operation]:
    """Return the operations delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}, layer by layer.

    Parameters
    ----------
    fused : bool
        Whether the loss has written delta^L. If not, it has written dC/da^L.
    mean : bool, keyword-only
        Whether C is the mean over the minibatch. If not, it is the sum.
    """
    memory, layout, operations = work.memory, work.layout, []
    T = work.model.parameters.transposed
    if not fused and _needed(work, layout.depth - 1):
        last = {"layer": memory.layer[-1].address, "panels": layout.panels(layout.sizes[-1])}
        made = Record(FOLLOWER, follower=_differentiate(work, layout.depth - 1), **last)
        operations.append((kernel_cache.of_any_dtype(elementwise.follow), made))
    if mean:
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
        operations.append(_product(work, made, memory.delta_zeros[l]))
    return operations


def _update(work: Work, rule: Rule | None = None) -> Record:
    """Return the UPDATE record of the work. With a rule, write into the record what the rule needs."""
    parameters, layers = work.model.parameters, work.memory.layers
    if work.update is None:
        theta = {"theta": parameters.theta, "size": parameters.theta.size, "transposed": parameters.transposed}
        work.update = Record(UPDATE, layers=layers, depth=len(layers), shrink=1.0, clip_value=math.inf, **theta)
    if rule is not None:
        work.hyperparameters = Hyperparameters(rule.optimizer.hyperparameters, rule.at, work.dtype)
        work.update.set(vectors=rule.vectors, hyper=work.hyperparameters.memory, l1=rule.l1, l2=rule.l2)
        work.update.set(clip_value=rule.clip_value or math.inf, l2_divided=rule.l2_divided)
    return work.update


def _gradient(work: Work) -> None:
    """Add the operation that sums dC/dw_ij = delta_i a_j over the samples and writes it to memory."""
    work.gradient = work.model.parameters.like_theta()
    _update(work).set(gradient=work.gradient)
    without_zeros, from_lists = (zero_skipping.gradient_masked, work.roads.cut), (csr.gradient_listed, work.roads.cut)
    work.phase(*_sums(work, without_zeros, from_lists), (work.kernel(update.gradient), work.update))


def _sums(work: Work, without_zeros: tuple, from_lists: tuple) -> list[Operation]:
    """Return the operations that sum the gradient of the layers whose inputs have many zeros.

    Parameters
    ----------
    without_zeros, from_lists : tuple
        The factory, and its further arguments, of the kernel for matrices in panels, and for sparse matrices.
    """
    nothing, choice, made = (csr.nothing,), work.roads.choice, work.update
    if not any(work.memory.zeros[1:]):
        return [choice(nothing, without_zeros, from_lists, made)]
    return [choice(without_zeros, without_zeros, from_lists, made), choice(nothing, nothing, without_zeros, made)]


def _apply(work: Work, rule: Rule) -> None:
    """Add the update of theta with the gradient in memory. With `clip_norm`, first bound the norm of the gradient."""
    _update(work, rule)
    if rule.clip_norm:
        count = -(-work.model.parameters.theta.size // update.NORM_CHUNK)
        work.update.set(clip_norm=rule.clip_norm, norms=aligned(count, np.float64), norm_count=count)
        work.phase((work.kernel(update.norms), work.update), at_end=True)
        work.phase((kernel_cache.of_any_dtype(update.shrink), work.update), alone=True, at_end=True)
    work.phase((work.kernel(update.apply, rule.optimizer, rule.shaped), work.update), at_end=True)
    _after_update(work, rule.average, rule.rate)


def _after_update(work: Work, average: np.ndarray | None, rate: float) -> None:
    """Add what follows the update of theta: the bound for the norms of the weights, and the step of the average."""
    if work.model.max_norm:
        work.update.set(max_norm=work.model.max_norm)
        work.phase((work.kernel(update.bound), work.update), at_end=True)
    if average is not None:
        work.update.set(average=average, rate=rate)
        work.phase((work.kernel(update.average), work.update), at_end=True)
