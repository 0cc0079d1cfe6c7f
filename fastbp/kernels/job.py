"""The JOB record: all that the kernels need to know, at one address.

It has the addresses of the vectors, sizes, codes, and for each layer a LAYER record. The loops take its address and
those of compiled kernels, so they are compiled once for every dtype, rule and network.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .simd import OPTIONS, M, array_at

I = np.int64
JOB = np.dtype(
    [
        # data: samples of this run, of the arrays, input columns, output columns; matrices are row-major, `kind` is
        # theirs (inputs.py)
        ("n", I), ("held", I), ("n_in", I), ("n_out", I),
        ("X", I), ("X_kind", I), ("direct", I), ("shift", I), ("scale", I), ("shift_size", I),
        ("y", I), ("y_kind", I), ("y_shift", I), ("y_scale", I), ("y_shift_size", I), ("labels", I),
        ("order", I), ("order_size", I),
        # of samples: float64, or 0 and all are 1; of a part's rows; their sum over a minibatch
        ("weights", I), ("row_weights", I), ("batch_weight", np.float64),
        ("outputs", I),
        # how: samples a minibatch, rows a part, parts a minibatch, threads
        ("batch", I), ("part", I), ("parts", I), ("threads", I), ("mode", I), ("stored", I),
        ("by_output", I),
        # network: layers is a vector of LAYER; theta and what is like it
        ("depth", I), ("layers", I),
        ("theta", I), ("state", I), ("gradient", I), ("theta_size", I), ("state_size", I), ("gradient_size", I),
        ("transposed", I), ("transposed_size", I), ("zeros", I), ("hyper", I), ("hyper_size", I), ("hyper_first", I),
        # what shapes the gradient, bounds the weights and averages the parameters: 0 is none, but for clip_value; and
        # the address of the kernel of that
        ("adjust", I), ("l1", np.float64), ("l2", np.float64), ("clip_value", np.float64), ("clip_norm", np.float64),
        ("norms", I), ("norms_size", I), ("max_norm", np.float64), ("average", I), ("average_rate", np.float64),
        # a part's panels, `stride` numbers each: activations, deltas, targets; then C and hits of each row
        ("A", I), ("A_size", I), ("D", I), ("D_size", I), ("targets", I), ("stride", I), ("costs", I), ("hits", I),
        # room for the columns of each thread (losses.py)
        ("columns", I), ("columns_size", I), ("room", I),
        # what training adds to and drops of the inputs: the kernel's address (inputs.py) or 0, the deviation, the share
        ("disturb", I), ("noise", np.float64), ("dropout", np.float64),
        # what random numbers depend on: the seed, and the number of steps before those of this run
        ("seed", I), ("step", I),
        # parameter of the loss
        ("loss_parameter", np.float64),
        # whether an input may not be finite, of predictions; sums, of weights too, since they were last set to 0
        ("odd", I), ("cost", np.float64), ("hit", np.float64), ("seen", np.float64),
    ]
)  # fmt: skip
LAYER = np.dtype(
    [
        # sizes; offsets of W^l in theta, of its transpose, of a^{l-1} and a^l in A, of delta^l in D
        ("n_in", I), ("n_out", I), ("W", I), ("T", I), ("a", I), ("z", I), ("d", I),
        # address of the kernel of sigma (activations.py) or 0, sigma's parameter, and where in A it keeps da/dz
        ("neuron", I), ("parameter", np.float64), ("slope", I),
        # the share of a^l that is dropped, in training
        ("dropout", np.float64),
    ]
)  # fmt: skip
"""Layer l. T is -1 in the first."""

PREDICT, EVALUATE, TRAIN = range(3)
INPUTS, AHEAD, BACK = range(3)
SUM, NORM, UPDATE, LIMIT, AVERAGE = range(5)
STAGES = 5
NORM_CHUNK = 4096
"""Numbers of the gradient whose squares are summed in one go: the sum does not depend on how they are shared out."""
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
def share_of_rows(job, k, t):
    """The rows [first, last) of part k that thread t takes: whole tiles, but for the last."""
    rows = rows_of(job, k)[1]
    first, last = share((rows + M - 1) // M, t, job.threads)
    return first * M, min(last * M, rows)


@njit(**OPTIONS)
def row_in_batch(job, k, r):
    """Row r of part k, counted from the first of its minibatch: masks do not depend on how it is parted."""
    return k % job.parts * job.part + r
