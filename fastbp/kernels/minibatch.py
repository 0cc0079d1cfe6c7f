"""The loop over minibatches: two phases each, shared out over threads; the only `prange`s of the project.

1. `propagate` and `judge`: a thread has rows of the minibatch. It gathers them, runs every layer forward, the loss, and
   every delta backward.
2. `descend`: a thread has blocks of weights. It sums their gradient over the minibatch and updates them.

Two fork-joins a minibatch, whatever the depth. A large minibatch comes in *parts*, so that its activations stay in
the cache and a call returns soon: the gradient's sums go on from part to part.

A `JOB` record says all that the kernels need: addresses of the vectors, sizes and codes. The loops take its address
and those of the compiled phases, so they are compiled once for every dtype, rule and network.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from .activations import IDENTITY
from .backward import backward
from .forward import forward, scatter
from .gradient import biases, weights
from .inputs import gather, one_hot
from .losses import loss, output
from .rules import HYPERPARAMETERS
from .simd import OPTIONS, M, array_at, call, fence, lanes, store

I = np.int64
JOB = np.dtype(
    [
        # data: samples, input columns, output columns; matrices are row-major, `kind` is theirs (inputs.py)
        ("n", I), ("n_in", I), ("n_out", I),
        ("X", I), ("X_kind", I), ("direct", I), ("shift", I), ("scale", I), ("shift_size", I),
        ("y", I), ("y_kind", I), ("y_shift", I), ("y_scale", I), ("y_shift_size", I), ("labels", I),
        ("order", I), ("order_size", I),
        ("outputs", I),
        # how: samples a minibatch, rows a part, parts a minibatch, threads
        ("batch", I), ("part", I), ("parts", I), ("threads", I), ("mode", I), ("stored", I),
        ("by_output", I),
        # network: layers is a vector of LAYER; theta and what is like it
        ("depth", I), ("layers", I),
        ("theta", I), ("state", I), ("gradient", I), ("theta_size", I), ("state_size", I), ("gradient_size", I),
        ("transposed", I), ("transposed_size", I), ("zeros", I), ("hyper", I), ("hyper_size", I), ("hyper_first", I),
        # a part's panels, `stride` numbers each: activations, deltas, targets; then C and hits of each row
        ("A", I), ("A_size", I), ("D", I), ("D_size", I), ("targets", I), ("stride", I), ("costs", I), ("hits", I),
        # room for the columns of each thread (losses.py)
        ("columns", I), ("columns_size", I), ("room", I),
        # whether an input may not be finite, of predictions; sums since they were last set to 0
        ("odd", I), ("cost", np.float64), ("hit", np.float64),
    ]
)  # fmt: skip
LAYER = np.dtype([("n_in", I), ("n_out", I), ("code", I), ("W", I), ("T", I), ("a", I), ("z", I), ("d", I)])
"""Layer l: sizes, the code of sigma, and offsets of W^l in theta, its transpose, a^{l-1} and a^l in A, delta^l in D.
T is -1 in the first layer."""

PREDICT, EVALUATE, TRAIN = range(3)
INPUTS, AHEAD, BACK = range(3)
SUM, UPDATE = range(2)
FUSED, STORE, APPLY = range(3)
"""JOB.stored: update from registers; only write the gradient; write it, then update from memory."""


@njit(**OPTIONS)
def job_at(address):
    """The JOB at an address."""
    return array_at(address, 1, JOB)[0]


@njit(**OPTIONS)
def rows_of(job, k):
    """Part k: its first sample, its rows, the rows of its minibatch, whether it is the first and the last part of it.

    A smaller last minibatch has fewer parts: those left over have no rows.
    """
    batch, part = k // job.parts, k % job.parts
    stop = min((batch + 1) * job.batch, job.n)
    start = batch * job.batch + part * job.part
    rows = max(min(job.part, stop - start), 0)
    return start, rows, stop - batch * job.batch, part == 0, rows > 0 and start + rows == stop


@njit(**OPTIONS)
def share(n, t, threads):
    """The part [first, last) of n units that thread t takes."""
    return n * t // threads, n * (t + 1) // threads


@njit(**OPTIONS)
def blocks(layer, L):
    """The blocks of a layer's weights."""
    return ((layer.n_in + L - 1) // L) * ((layer.n_out + L - 1) // L)


@njit(**OPTIONS)
def effort(layer, rows):
    """What a block of a layer's weights costs in phase 2, in turns of its sum: the sum, the update, the transpose."""
    return rows + (4 if layer.T < 0 else 12)


@njit(**OPTIONS)
def share_of_rows(job, k, t):
    """The rows [first, last) of part k that thread t takes: whole tiles, but for the last."""
    rows = rows_of(job, k)[1]
    first, last = share((rows + M - 1) // M, t, job.threads)
    return first * M, min(last * M, rows)


def propagate(dtype):
    """Phase 1 for a dtype, without the loss: `propagate(address of JOB, part, thread, stage)`."""

    @njit(**OPTIONS)
    def propagate(address, k, t, stage):
        """For the rows that thread t has of part k: stage INPUTS gathers them and their targets, AHEAD is forward, BACK
        backward."""
        job = job_at(address)
        first, last = share_of_rows(job, k, t)
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        layers, stride = array_at(job.layers, job.depth, LAYER), job.stride
        start, end = rows_of(job, k)[0], layers[job.depth - 1]

        if stage == INPUTS:
            order = array_at(job.order, job.order_size, np.int64)
            if not job.direct:
                shift, scale = array_at(job.shift, job.shift_size, dtype), array_at(job.scale, job.shift_size, dtype)
                gather(job.X, job.X_kind, job.n_in, order, start, shift, scale, A, layers[0].a, stride, first, last)
            if job.mode == PREDICT:
                return
            if job.labels:
                labels = array_at(job.y, job.n, np.int64)
                one_hot(labels, order, start, D, job.targets, stride, first, last, end.n_out)
            else:
                size = job.y_shift_size
                shift, scale = array_at(job.y_shift, size, dtype), array_at(job.y_scale, size, dtype)
                gather(job.y, job.y_kind, job.n_out, order, start, shift, scale, D, job.targets, stride, first, last)
        elif stage == AHEAD:
            theta = array_at(job.theta, job.theta_size, dtype)
            C, c = array_at(job.columns, job.columns_size, dtype), t * job.room
            X, x, step, hop = A, layers[0].a, lanes(A), stride
            if job.direct:
                X, x, step, hop = array_at(job.X, job.n * job.n_in, dtype), start * job.n_in, job.n_in, lanes(A)
            for l in range(job.depth):
                layer = layers[l]
                code = layer.code if l + 1 < job.depth else IDENTITY
                odd = forward(
                    X, x, step, hop, theta, layer.W, layer.n_in, layer.n_out, code, A, layer.z, stride, first, last
                )  # fmt: skip
                if l == 0 and job.mode == PREDICT:
                    store(C, c, odd)
                    for m in range(c, c + lanes(C)):
                        if not math.isfinite(C[m]):
                            job.odd = 1
                X, x, step, hop = A, layer.z, lanes(A), stride
            if job.mode == PREDICT:
                out = array_at(job.outputs, job.n * job.n_out, dtype)
                output(end.code, A, end.z, stride, end.n_out, first, last, C, c)
                scatter(A, end.z, stride, end.n_out, out, start, first, last)
        else:
            T = array_at(job.transposed, job.transposed_size, dtype)
            for l in range(job.depth - 1, 0, -1):
                layer, below = layers[l], layers[l - 1]
                backward(
                    D, layer.d, stride, T, job.zeros, layer.T, max(below.T, 0), layer.n_in, layer.n_out,
                    A, layer.a, below.code, below.d, first, last,
                )  # fmt: skip

    return propagate


def judge(dtype, code, sigma_code):
    """Phase 1 for a dtype, a loss and an output, the loss: `judge(address of JOB, part, thread)`."""
    evaluate = loss(code, sigma_code)

    @njit(**OPTIONS)
    def judge(address, k, t):
        """a^L, C and delta^L for the rows that thread t has of part k."""
        job = job_at(address)
        first, last = share_of_rows(job, k, t)
        _, rows, batch_rows, _, _ = rows_of(job, k)
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        stride, end = job.stride, array_at(job.layers, job.depth, LAYER)[job.depth - 1]
        costs, hits = array_at(job.costs, rows, np.float64), array_at(job.hits, rows, np.float64)
        weight, y = 1.0 / batch_rows, job.targets
        C, c = array_at(job.columns, job.columns_size, dtype), t * job.room
        evaluate(A, end.z, D, y, D, end.d, stride, end.n_out, weight, job.by_output, first, last, costs, hits, C, c)

    return judge


def descend(dtype, rule):
    """Phase 2 for a dtype and an update rule: `descend(address of JOB, part, thread, stage)`."""

    @njit(**OPTIONS)
    def descend(address, k, t, stage):
        """Gradient and update of the blocks that thread t has.

        Stage SUM sums the gradient of part k, and updates after a minibatch's last part unless the gradient is to be
        stored; then stage UPDATE updates from the stored one.
        """
        job = job_at(address)
        _, rows, _, resume, update = rows_of(job, k)
        resume, update = not resume, update and not job.stored
        if stage == UPDATE:
            rows, resume, update = 0, True, True
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        P, S = array_at(job.theta, job.theta_size, dtype), array_at(job.state, job.state_size, dtype)
        H, T = array_at(job.hyper, job.hyper_size, dtype), array_at(job.transposed, job.transposed_size, dtype)
        g, layers = array_at(job.gradient, job.gradient_size, dtype), array_at(job.layers, job.depth, LAYER)
        L, stride, stream = lanes(A), job.stride, job.threads > 1
        h = (k // job.parts - job.hyper_first) * HYPERPARAMETERS

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
                    rule, A, layer.a + j * stride, D, layer.d + i * stride, rows, H, h, P, p, S, g, T, at,
                    resume, update, stream,
                )  # fmt: skip
                if j == 0:
                    biases(rule, D, layer.d + i * stride, rows, H, h, P, b + i * L, S, g, resume, update)
            first, last = first - n * each, last - n * each
        if stream:
            fence()

    return descend


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
def is_stored(address, k):
    """Whether part k ends a minibatch whose gradient was stored and waits for its update."""
    job = job_at(address)
    return job.stored == APPLY and rows_of(job, k)[4]


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
                for t in prange(threads):
                    call(descend, (job, k, np.int64(t), SUM))
                if is_stored(job, k):
                    for t in prange(threads):
                        call(descend, (job, k, np.int64(t), UPDATE))
        return last

    return loop
