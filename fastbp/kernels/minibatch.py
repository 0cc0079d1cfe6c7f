"""The loop over minibatches: two phases each, shared out over threads; the only `prange`s of the project.

1. `propagate` and `judge`: a thread has rows of the minibatch. It gathers them, runs every layer forward, the loss, and
   every delta backward.
2. `descend`: a thread has blocks of weights. It sums their gradient over the minibatch and updates them.

Two fork-joins a minibatch, whatever the depth. A large minibatch comes in *parts*, so that its activations stay in
the cache and a call returns soon: the gradient's sums go on from part to part.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from . import gradient
from .backward import backward
from .forward import all_finite, forward, scatter
from .inputs import gather, one_hot, sample
from .job import (
    AHEAD,
    APPLY,
    BACK,
    INPUTS,
    LAYER,
    LIMIT,
    NORM,
    NORM_CHUNK,
    PREDICT,
    STAGES,
    STORE,
    SUM,
    UPDATE,
    job_at,
    rows_of,
    share,
    share_of_rows,
)
from .losses import loss
from .rules import HYPERPARAMETERS
from .simd import OPTIONS, N, array_at, call, fence, lanes


@njit(**OPTIONS)
def blocks(layer, L):
    """The blocks of a layer's weights."""
    return ((layer.n_in + L - 1) // L) * ((layer.n_out + L - 1) // L)


@njit(**OPTIONS)
def effort(layer, rows):
    """What a block of a layer's weights costs in phase 2, in turns of its sum: the sum, the update, the transpose."""
    return rows + (4 if layer.T < 0 else 12)


def propagate(dtype):
    """Phase 1 for a dtype, without the loss: `propagate(address of JOB, part, thread, stage)`."""

    @njit(**OPTIONS)
    def propagate(address, k, t, stage):
        """For the rows that thread t has of part k: stage INPUTS gathers them and their targets, AHEAD is forward, BACK
        backward."""
        job = job_at(address)
        first, last = share_of_rows(job, k, t)
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        layers, stride, L = array_at(job.layers, job.depth, LAYER), job.stride, lanes(A)
        start, end = rows_of(job, k)[0], layers[job.depth - 1]

        if stage == INPUTS:
            order = array_at(job.order, job.order_size, np.int64)
            if not job.direct:
                shift, scale = array_at(job.shift, job.shift_size, dtype), array_at(job.scale, job.shift_size, dtype)
                gather(job.X, job.X_kind, job.n_in, order, start, shift, scale, A, layers[0].a, stride, first, last)
            if job.disturb:
                call(job.disturb, (address, k, t))
            if job.mode == PREDICT:
                return
            if job.labels:
                labels = array_at(job.y, job.held, np.int64)
                one_hot(labels, order, start, D, job.targets, stride, first, last, end.n_out)
            else:
                size = job.y_shift_size
                shift, scale = array_at(job.y_shift, size, dtype), array_at(job.y_scale, size, dtype)
                gather(job.y, job.y_kind, job.n_out, order, start, shift, scale, D, job.targets, stride, first, last)
        elif stage == AHEAD:
            theta = array_at(job.theta, job.theta_size, dtype)
            X, x, step, hop = A, layers[0].a, L, stride
            if job.direct:
                X, x, step, hop = array_at(job.X, job.n * job.n_in, dtype), start * job.n_in, job.n_in, L
            for l in range(job.depth):
                layer = layers[l]
                for i in range(0, (layer.n_out + L - 1) // L, N):
                    forward(
                        X, x, step, hop, theta, layer.W, layer.n_in, layer.n_out, A, layer.z, stride, first, last, i
                    )
                    if l == 0 and i == 0 and job.mode == PREDICT and not all_finite(A, layer.z, first, last):
                        job.odd = 1
                    if layer.neuron:
                        call(layer.neuron, (address, k, t, first, last, l, i, AHEAD))
                X, x, step, hop = A, layer.z, L, stride
            if job.mode == PREDICT:
                out = array_at(job.outputs, job.n * job.n_out, dtype)
                scatter(A, end.z, stride, end.n_out, out, start, first, last)
        else:
            T = array_at(job.transposed, job.transposed_size, dtype)
            for l in range(job.depth - 1, 0, -1):
                layer, below = layers[l], layers[l - 1]
                for j in range(0, (layer.n_in + L - 1) // L, N):
                    backward(
                        D, layer.d, stride, T, job.zeros, layer.T, max(below.T, 0), layer.n_in, layer.n_out,
                        below.d, first, last, j,
                    )  # fmt: skip
                    if below.neuron:
                        call(below.neuron, (address, k, t, first, last, l - 1, j, BACK))

    return propagate


def judge(dtype, name, sigma_code):
    """Phase 1 for a dtype, a loss and an output, the loss: `judge(address of JOB, part, thread)`."""
    evaluate = loss(name, sigma_code)

    @njit(**OPTIONS)
    def judge(address, k, t):
        """a^L, C and delta^L for the rows that thread t has of part k."""
        job = job_at(address)
        first, last = share_of_rows(job, k, t)
        start, rows, _, _, _ = rows_of(job, k)
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        stride, end = job.stride, array_at(job.layers, job.depth, LAYER)[job.depth - 1]
        costs, hits = array_at(job.costs, rows, np.float64), array_at(job.hits, rows, np.float64)
        parameters, y = (job.loss_parameter, end.parameter), job.targets
        row_weights = array_at(job.row_weights, rows if job.weights else 0, np.float64)
        if job.weights:
            order = array_at(job.order, job.order_size, np.int64)
            given = array_at(job.weights, job.held, np.float64)
            for r in range(first, last):
                row_weights[r] = given[sample(order, start, r)]
        scale = 1.0 / job.batch_weight if job.batch_weight > 0.0 else 0.0
        C, c = array_at(job.columns, job.columns_size, dtype), t * job.room
        evaluate(
            A, end.z, D, y, D, end.d, stride, end.n_out, parameters, scale, row_weights, job.by_output, first, last,
            costs, hits, C, c,
        )  # fmt: skip

    return judge


@njit(**OPTIONS)
def weigh(address, k):
    """Before the first part of a minibatch: the sum of its samples' weights, in their order."""
    job = job_at(address)
    start, _, batch_rows, first, _ = rows_of(job, k)
    if not first:
        return
    total = float(batch_rows)
    if job.weights:
        order = array_at(job.order, job.order_size, np.int64)
        given, total = array_at(job.weights, job.held, np.float64), 0.0
        for r in range(batch_rows):
            total += given[sample(order, start, r)]
    job.batch_weight = total
    job.seen += total


def descend(dtype, rule, shaped):
    """Phase 2 for a dtype and an update rule: `descend(address of JOB, part, thread, stage)`.

    `shaped` says whether the gradient is shaped before the rule sees it; see `rules.shape`.
    """
    weights, biases = gradient.kernels(rule)

    @njit(**OPTIONS)
    def descend(address, k, t, stage):
        """Gradient and update of the blocks that thread t has.

        Stage SUM sums the gradient of part k, and updates after a minibatch's last part unless the gradient is to be
        stored; then stage UPDATE updates from the stored one.
        """
        job = job_at(address)
        _, rows, _, resume, last_part = rows_of(job, k)
        resume, final = not resume, last_part and not job.stored
        if stage == UPDATE:
            rows, resume, final = 0, True, True
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        P, S = array_at(job.theta, job.theta_size, dtype), array_at(job.state, job.state_size, dtype)
        H, T = array_at(job.hyper, job.hyper_size, dtype), array_at(job.transposed, job.transposed_size, dtype)
        g, layers = array_at(job.gradient, job.gradient_size, dtype), array_at(job.layers, job.depth, LAYER)
        L, stride, stream = lanes(A), job.stride, job.threads > 1
        h = (k // job.parts - job.hyper_first) * HYPERPARAMETERS
        if shaped:
            shrink = shrinkage(job)
            of_weights = (shrink, job.clip_value, job.l1, job.l2)
            of_biases = (shrink, job.clip_value, 0.0, 0.0)
        else:
            of_weights = of_biases = ()

        total = 0
        for l in range(job.depth):
            total += blocks(layers[l], L) * effort(layers[l], rows)
        first, last = share(total, t, job.threads)
        for l in range(job.depth):
            layer = layers[l]
            high, panels = (layer.n_in + L - 1) // L, (layer.n_out + L - 1) // L
            n, each = high * panels, effort(layer, rows)
            b = layer.W + n * L * L
            for u in range(max(-(-first // each), 0), min(-(-last // each), n)):
                # Threads that share out the longer side read less of what others wrote.
                j, i = (u // panels, u % panels) if high > panels else (u % high, u // high)
                at = layer.T + (j * panels + i) * L * L if layer.T >= 0 else -1
                p = layer.W + (i * high + j) * L * L
                weights(
                    A, layer.a + j * stride, D, layer.d + i * stride, rows, H, h, of_weights, P, p, S, g, T, at,
                    resume, final, stream,
                )  # fmt: skip
                if j == 0:
                    biases(D, layer.d + i * stride, rows, H, h, of_biases, P, b + i * L, S, g, resume, final)
            first, last = first - n * each, last - n * each
        if stream:
            fence()

    return descend


def adjust(dtype):
    """What else phase 2 may do, for a dtype: `adjust(address of JOB, part, thread, stage)`."""

    @njit(**OPTIONS)
    def adjust(address, k, t, stage):
        """Stage NORM sums the squares of the stored gradient, LIMIT bounds the norms of the weights into each unit, and
        AVERAGE moves the average of the parameters: what thread t has of it."""
        job = job_at(address)
        P, threads = array_at(job.theta, job.theta_size, dtype), job.threads
        L = lanes(P)
        if stage == NORM:
            g, norms = array_at(job.gradient, job.gradient_size, dtype), array_at(job.norms, job.norms_size, np.float64)
            first, last = share(job.norms_size, t, threads)
            for c in range(first, last):
                norms[c] = gradient.squares(g, c * NORM_CHUNK, min((c + 1) * NORM_CHUNK, len(g)))
        elif stage == LIMIT:
            T, layers = array_at(job.transposed, job.transposed_size, dtype), array_at(job.layers, job.depth, LAYER)
            for l in range(job.depth):
                layer = layers[l]
                high, panels = (layer.n_in + L - 1) // L, (layer.n_out + L - 1) // L
                first, last = share(panels, t, threads)
                for i in range(first, last):
                    w, at = layer.W + i * high * L * L, layer.T + i * L * L if layer.T >= 0 else -1
                    gradient.limit(P, w, layer.n_in, job.max_norm, T, at, panels * L * L, threads > 1)
        else:
            first, last = share(job.theta_size // L, t, threads)
            gradient.average(array_at(job.average, job.theta_size, dtype), P, job.average_rate, first * L, last * L)
        if threads > 1:
            fence()

    return adjust


@njit(**OPTIONS)
def shrinkage(job):
    """What the gradient is multiplied by so that its norm is at most clip_norm."""
    if job.clip_norm <= 0.0:
        return 1.0
    norms, total = array_at(job.norms, job.norms_size, np.float64), 0.0
    for c in range(job.norms_size):
        total += norms[c]
    return min(1.0, job.clip_norm / (math.sqrt(total) + 1e-6))


@njit(**OPTIONS)
def tally(address, k):
    """Add up C and hits of part k, in the order of its rows; False if C is not finite."""
    job = job_at(address)
    _, rows, _, _, _ = rows_of(job, k)
    costs, hits = array_at(job.costs, rows, np.float64), array_at(job.hits, rows, np.float64)
    cost, hit = 0.0, 0.0
    for r in range(rows):
        cost += costs[r]
        hit += hits[r]
    if not math.isfinite(cost):
        return False
    job.cost += cost
    job.hit += hit
    return True


@njit(**OPTIONS)
def due(address, k, stage, descend):
    """The address of the kernel that a stage of phase 2 is due to call after part k, or 0: but for SUM, only after a
    minibatch's last."""
    job = job_at(address)
    if stage == SUM:
        return descend
    if not rows_of(job, k)[4] or job.stored == STORE:
        return 0
    if stage == UPDATE:
        return descend if job.stored == APPLY else 0
    wanted = job.clip_norm > 0.0 if stage == NORM else job.max_norm > 0.0 if stage == LIMIT else job.average != 0
    return job.adjust if wanted else 0


def loop(parallel: bool):
    """The loop over parts, `loop(propagate, judge, descend, job, first, last, threads)`, with `prange` over threads or
    `range`.

    The first three are addresses; judge is 0 to predict, descend 0 if nothing is learnt. Returns the first part whose
    cost is not finite, before the parameters have seen it, else `last`.
    """
    # Fusion would merge the loops of the two phases and so remove the barrier between them.
    options = {"prange": True, "fusion": False, "reduction": False} if parallel else False

    @njit(parallel=options, error_model="numpy", nogil=True)
    def loop(propagate, judge, descend, job, first, last, threads):
        for k in range(first, last):
            if judge:
                weigh(job, k)
            for t in prange(threads):
                call(propagate, (job, k, np.int64(t), INPUTS))
                call(propagate, (job, k, np.int64(t), AHEAD))
                if judge:
                    call(judge, (job, k, np.int64(t)))
                if descend:
                    call(propagate, (job, k, np.int64(t), BACK))
            if judge and not tally(job, k):
                return k
            if descend:
                for stage in range(STAGES):
                    kernel = due(job, k, stage, descend)
                    if kernel:
                        for t in prange(threads):
                            call(kernel, (job, k, np.int64(t), stage))
        return last

    return loop
