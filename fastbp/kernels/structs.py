"""This module describes the records: memory in which Python tells the compiled kernels what to do.

The kernel of an operation is called as ``kernel(step, record, t, first, last)``. The arguments are the address of the
STEP record, the address of the operation's own record, the number t of the thread, and the rows first <= r < last of
the part that the thread works on. Every field of a record is a number. A field for an array holds its address in bytes.
A field for a kernel holds the address of its machine code.
"""

from __future__ import annotations

import numpy as np


def _record(integers: str, reals: str = "") -> np.dtype:
    """Return the dtype of a record with these int64 fields, and then these float64 fields."""
    return np.dtype([(name, np.int64) for name in integers.split()] + [(name, np.float64) for name in reals.split()])


STEP = _record(
    "n order order_size weighted sample_weights "
    "batch part parts batches orders log threads seed steps_done "
    "phases phase_count operations "
    "stride scratch room lists odd diverged "
    "start rows batch_rows offset number begins ends",
    "batch_weight cost hit seen",
)
"""The record that all operations share.

- The samples: there are `n` samples. If `order_size` is above 0, `order` holds their numbers. If `weighted` is 1 or 2,
  `sample_weights` holds a weight for each sample of the arrays. With 2, weights may be negative, and the loss of a
  minibatch is divided by the number of its samples, not by the sum of their weights.
- Their division: a minibatch has `batch` samples and `parts` parts, a part has `part` rows, and `threads` threads work
  on it.
- Several epochs in one run: if `batches` is not 0, an epoch has so many minibatches. If `orders` is not 0, it holds an
  `order` for each epoch. `log` gets the sums of each epoch but the last, and an epoch begins with sums of 0.
- Random numbers depend on `seed` and on the number of the step. `steps_done` steps come before this run.
- The list of operations: `phases` holds `phase_count` PHASE records, which refer to the OPERATION records at
  `operations`.
- Memory: `stride` is the number of values from one panel of activations to the next. `scratch` has `room` values for
  each thread. If the inputs are a sparse matrix, `lists` is the LISTS record.
- The present part, which `loop.py` describes here: it begins with sample `start`, and has `rows` rows. Its minibatch
  has `batch_rows` rows, of which `offset` rows come before this part, and belongs to step `number`, counted from 0 from
  the beginning of training. `begins` and `ends` say whether it is the first and the last part of the minibatch.
- Results: `odd` becomes 1 if an input is not finite, and `diverged` becomes 1 if the loss is not finite. `batch_weight`
  is the sum of the weights of the minibatch. `cost`, `hit` and `seen` are the sums of the loss, of right predictions
  and of weights.
"""

PHASE = _record("first last alone at_end")
"""The operations first <= i < last of a phase. Each thread runs them for its share. If `alone` is 1, one thread runs
them for all. If `at_end` is 1, they run only after the last part of a minibatch. Between two phases, all threads wait
for each other."""

OPERATION = _record("kernel record")
"""A kernel, and the address of the record that it gets."""

GROUP = _record("panels kernel")
"""A kernel that works on a number of panels at once."""

UINT8, FLOAT32, FLOAT64 = range(3)
"""The types of the numbers of arrays of the user."""

MATRIX = _record("source kind columns shift scale panels row panel starts indices wide scaled zeros")
"""An array of the user at `source`. If it is a row-major matrix, it has numbers of type `kind`, and `gather` copies it
into panels as (x - shift) * scale. If it holds int64 labels, `one_hot` writes them into panels as one-hot rows. There,
rows are `row` values apart, and panels are `panel` values apart. If it is a sparse matrix, `source` holds its numbers,
and `indices` their columns, as int64 if `wide` is 1, and else as int32. The numbers of row i are starts[i] <= e <
starts[i + 1]. `scaled` is 1 if `scale` is not 1 everywhere. `zeros` is the ZEROS record of the panels, if they have
one."""

ZEROS = _record("masks mask_stride words word_stride")
"""Where the zeros of a matrix in panels are. A *mask* has a bit for each lane of a line, which is 1 if the number is
not 0. The masks of line j of all rows begin at number j `mask_stride` of `masks`. The masks of all lines of row r begin
at number r `word_stride` of `words`."""

LISTS = _record("first column value row next heads", "dropout")
"""The entries of the rows of a part, if the inputs are a sparse matrix. Row r has the entries first[r] <= e < first[r +
1]. Entry e has the column `column[e]`, the input `value[e]` and the row `row[e]`. Training drops an entry with the
probability `dropout`. The sum of the gradient links entries with `next`, and `heads` has the first entry of each
column; between two parts, all of these are `NONE`."""

NONE = -1
"""What stands in lists in the place of the number of an entry."""

AHEAD = 16
"""The number of entries, or of columns, whose weights are fetched into the cache before they are needed. With 1,000,000
columns, this is as fast as the memory can bring single cache lines. Lists of entries have room for as many more."""

OWNED = 16
"""A thread owns blocks of this many columns. Their places in `heads` are one cache line, which no other core writes."""

INPUT_NOISE = _record("panels row panel columns", "deviation dropout")
"""The panels of the inputs, to which training adds Gaussian noise with the standard deviation `deviation`, and dropout
with the probability `dropout`. Rows are `row` values apart, and panels are `panel` values apart."""

OUTPUTS = _record("panels columns out")
"""Panels with `columns` columns, which `scatter` copies to the row-major matrix `out`."""

PRODUCT = _record(
    "a a_row a_panel a_sample zeros rows W w_panel next b b_panel out panels groups group_count checker follower layer"
)
"""The product out = a W + b. In the forward pass it is z^l = W^l a^{l-1} + b^l, in the backward pass
(W^{l+1})^T delta^{l+1}.

- `a` is the left matrix. Its rows are `a_row` values apart, and its panels are `a_panel` values apart. For each sample
  before a part, the part begins `a_sample` values later; this is 0 if all parts use the same memory. If the kernels
  leave zeros out, `zeros` is the ZEROS record of the matrix.
- `W` is the right matrix, in panels of `rows` rows, which are `w_panel` values apart. `next` is the position of the
  panels that the next operation needs, counted in values from W. `b` is the bias; its panels are `b_panel` values
  apart.
- `out` is the result, which has `panels` panels. `groups` holds `group_count` GROUP records, from the largest number of
  panels to the smallest one, which is 1.
- If there is a kernel `checker`, it is applied to the first group of panels. If there is a kernel `follower`, it is
  applied with the record `layer` to each group of panels while they are in the cache.
"""

FOLLOWER = _record("follower layer panels")
"""A kernel that follows products, and its record `layer`. It is applied to all panels of a layer; `panels` is their
number."""

ACTIVATION = _record("number columns a delta slope parameters zeros delta_zeros", "dropout")
"""The activation function of the layer l = `number`, with `columns` units. `a` and `delta` are the panels of a^l and
delta^l. If the layer keeps da/dz, `slope` are its panels. `parameters` are those of sigma. `dropout` is the probability
of dropout for a^l. If kernels leave zeros out, `zeros` and `delta_zeros` are the ZEROS records of a^l and delta^l."""

LOSS = _record("a y delta columns targets by_output parameters costs hits", "threshold")
"""The panels of a^L and delta^L, with `columns` columns, and of y, with `targets` columns. `by_output` is 1 if each
output by itself is right or wrong; an output then means "yes" from `threshold` on. `parameters` are those of the loss.
`costs` and `hits` are the loss and the right predictions of each row."""

UPDATE = _record(
    "theta vectors gradient transposed size hyper_first hyper_width norms norm_count average average_first l2_divided",
    "shrink clip_value clip_norm max_norm rate warm_up",
)
"""The update of all parameters.

`theta`, `gradient`, `average` and each of the `vectors` of state have `size` values; `transposed` is the copy of the
weights for the backward pass. A row of hyperparameters has `hyper_width` numbers; the first row belongs to step
`hyper_first`. If `l2_divided` is 1, l2 is divided by the weights of the minibatch. The real numbers, and the
`norm_count` sums at `norms`, belong to clipping, the bound for weights, and the average, whose first step has the
number `average_first`."""

BLOCK = _record("at hyper", "l1 l2")
"""A block of parameters, which begins at position `at` of theta. `hyper` is the address of its hyperparameters of the
first step. `l1` and `l2` are the strengths of its regularization."""

WEIGHTS = _record(
    "n_in n_out a a_row a_panel delta zeros update W b T transposed biased groups group_count "
    "before before_extra total total_extra uses use_count sums resumes"
)
"""The parameters of a layer with weights, and what their gradient is summed from.

- `a` and `delta` are the panels of a^{l-1}, with `n_in` columns, and of delta^l, with `n_out` columns. The rows of
  a^{l-1} are `a_row` values apart, and its panels are `a_panel` values apart. If the kernels leave zeros out, `zeros`
  is its ZEROS record, and `groups` holds `group_count` GROUP records.
- `update` is the UPDATE record. `W` and `b` are the BLOCK records of the weights and of the biases. If `biased` is 0,
  the biases stay 0. If `transposed` is 1, the transposed weights begin at position `T` of the copy.
- All layers together cost `total` rows + `total_extra`, and those before this one `before` rows + `before_extra`; see
  `update.py`.
- If other layers use W too, `uses` holds `use_count` USE records, and a block sums `sums` times over the rows. If
  `resumes` is 1, the gradient in memory holds what `a` and `delta` add to it.
"""

USE = _record("a a_panel delta delta_panel")
"""Another use of a matrix of weights, which adds sum_r a_rj delta_ri to its gradient. If that layer has the transposed
matrix, `a` are its delta^l, and `delta` are its inputs a^{l-1}."""

SHARED = _record("update at count starts members sums indices size to")
"""A matrix whose weights share numbers: the `count` numbers from position `at` of theta on. Number g is in the places
`members` [starts[g]], ..., members[starts[g + 1] - 1] of the matrix, whose gradient lies at `sums`. Place i of the
matrices that kernels read, which begin at position `to` of the transposed weights and have `size` places, has number
indices[i]. `update` is the UPDATE record."""


GAINS = _record("theta a x inverse out delta delta_in columns update gain offset offsets", "epsilon")
"""A layer with gains, out_ri = gain_i x_ri + offset_i, and `columns` units. `a`, `x`, `out`, `delta` and `delta_in` are
the panels of its inputs, of x, of its outputs, of dC/dout and of dC/da. `theta` are the parameters, `update` is the
UPDATE record, and `gain` and `offset` are BLOCK records. If `offsets` is 0, there are no offsets. Layer normalization
keeps 1 / s_r of each row at `inverse`, and adds `epsilon` to the variance."""

MACHINE = _record(
    "number visible hidden half panels x x_row x_panel v zeros delta W w_panel b flips energy flipped error "
    "update bias",
)
"""A restricted Boltzmann machine with `visible` and `hidden` units.

- `panels` are those of the units that an operation computes, and `number` is the number of their layer for random
  numbers.
- `x` are the panels of the visible units: those of the samples, and from row `half` on those that the machine has drawn
  for them, which `visible_units` writes to `v`. In both, rows are `x_row` values apart, and panels `x_panel` values. If
  kernels leave zeros out, `zeros` is the ZEROS record of the units that are drawn.
- `delta` are the panels of dC/dz of the hidden units, in the same order of rows.
- `W` are the weights, whose panels are `w_panel` values apart, and `b` are the biases of the visible units.
- `energy`, `flipped` and `error` are panels with one line for each row: the free energy of a sample, that of the sample
  with the visible unit number `flips` of the row changed, and the error of its reconstruction. First each lane has a
  part of the sum, and in the end lane 0 has the score.
- `update` is the UPDATE record, and `bias` the BLOCK record of the biases of the visible units."""
