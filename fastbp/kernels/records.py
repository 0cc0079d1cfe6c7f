"""Records: what the compiled kernels are told, in memory that both floors can see.

A kernel of an operation is called as ``kernel(step, record, k, t, start, first, last)``: the address of the STEP, the
address of the operation's own record, the number of the part, the number of the thread, the first sample of the part,
and the rows first <= r < last of the part that the thread works on. Every field of a record is a number; a field that
says where something lies is its address in bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .simd import OPTIONS


def _record(integers: str, reals: str = "") -> np.dtype:
    """A record of int64 fields and then float64 fields."""
    return np.dtype([(name, np.int64) for name in integers.split()] + [(name, np.float64) for name in reals.split()])


STEP = _record(
    "n order order_size weighted sample_weights "
    "batch part parts threads "
    "seed step "
    "phases phase_count operations "
    "stride scratch room odd diverged",
    "batch_weight cost hit seen",
)
"""What all operations share.

- The samples of this run: `n` of them; `order` holds their numbers if `order_size` is above 0; `sample_weights` holds a
  weight for each sample of the arrays if `weighted`.
- How they are divided: `batch` samples a minibatch, `part` rows a part, `parts` parts a minibatch, `threads` threads.
- What random numbers depend on: the `seed` and the number of steps before this run.
- The list of operations: `phase_count` PHASE records at `phases`, which refer to the OPERATION records at `operations`.
- `stride`: numbers from one panel of a part's rows to the next. `scratch`: `room` numbers for each thread.
- What the kernels report: `odd` and `diverged` become 1 if an input or the loss is not finite; `batch_weight` is the
  sum of the weights of the minibatch; `cost`, `hit` and `seen` are sums of loss, right predictions and weights.
"""

PHASE = _record("first last alone at_end")
"""Operations first <= i < last, which every thread runs for its share; or one thread for all, if `alone`. A phase that
is `at_end` runs only after the last part of a minibatch. All threads wait for each other between two phases."""

OPERATION = _record("kernel record")
"""A compiled kernel and the record that it gets."""

MATRIX = _record("source kind columns shift scale panels")
"""A row-major matrix of the user, which `gather` copies into panels as (x - shift) * scale; or labels, which `one_hot`
turns into rows in panels."""

INPUT_NOISE = _record("panels columns", "deviation dropout")
"""What training adds to the inputs: Gaussian noise of a standard deviation, and dropout with a probability."""

OUTPUTS = _record("panels columns out")
"""Panels that `scatter` copies to a row-major matrix."""

PRODUCT = _record("a a_row a_panel a_sample rows W w_panel next b b_panel out columns checked followed follower layer")
"""out = a W + b: z^l = W^l a^{l-1} + b^l on the way forward, (W^{l+1})^T delta^{l+1} on the way back.

- `a`: the left-hand side; rows are `a_row` numbers apart, panels `a_panel`, and a part begins `a_sample` numbers
  later for each sample before it (0 if every part uses the same memory).
- `W`: panels of `rows` rows each, `w_panel` numbers apart; `next` is where the panels that follow the last ones lie,
  in numbers from W; `b` is the bias, `b_panel` numbers a panel.
- `out`: panels of `columns` columns. If `checked`, the first ones must be finite, or STEP.odd is set.
- If `followed`, the kernel `follower` is applied to each group of panels while it is in the cache.
"""

FOLLOWER = _record("follower layer panels")
"""A kernel of `elementwise` that is applied to all `panels` of a layer."""

LAYER = _record("number n_in n_out W T transposed a_in a_out delta slope parameters", "dropout")
"""Layer l = `number`: where W^l lies in theta and, if `transposed`, in the transposed copy, in numbers; the panels of
a^{l-1}, a^l, delta^l and, where it is kept, da/dz; the parameters of sigma; and the probability of dropout of a^l."""

LOSS = _record("a y delta columns by_output parameters costs hits", "threshold")
"""The panels of a^L, y and delta^L; whether each output by itself is right or wrong, from which `threshold` on it says
yes; the parameters of the loss; and the loss and the hits of each row."""

UPDATE = _record(
    "layers depth theta vectors gradient transposed size hyper hyper_first norms norm_count average",
    "shrink clip_value clip_norm l1 l2 max_norm rate",
)
"""All parameters: `depth` LAYER records; theta and its kin, `size` numbers each; the hyperparameters of the rule, a row
for each minibatch from `hyper_first` on; and what shapes the gradient, bounds the weights and moves the average."""


@njit(**OPTIONS)
def rows_of(step, k):
    """Part k: its first sample, its rows, the rows of its minibatch, whether it is the first and the last part of it.

    A smaller last minibatch has fewer parts: those left over have no rows.
    """
    batch, part = k // step.parts, k % step.parts
    stop = min((batch + 1) * step.batch, step.n)
    start = batch * step.batch + part * step.part
    rows = max(min(step.part, stop - start), 0)
    return start, rows, stop - batch * step.batch, part == 0, rows > 0 and start + rows == stop


@njit(**OPTIONS)
def divide(n, t, threads):
    """The units first <= u < last of n that thread t works on."""
    return n * t // threads, n * (t + 1) // threads


@njit(**OPTIONS)
def row_in_batch(step, k, r):
    """Row r of part k, counted from the first of its minibatch: masks do not depend on the division into parts."""
    return k % step.parts * step.part + r


@njit(**OPTIONS)
def step_number(step, k):
    """The number of the step that part k belongs to, over all of training."""
    return step.step + k // step.parts
