"""This folder holds everything that is compiled. It imports nothing from the rest of the package.

A step of training consists of four operations over the layers l = 1 .. L. For the rows of a minibatch, with a^0 = x::

    forward     for l in 1 .. L:        z^l = W^l a^{l-1} + b^l;  a^l = sigma(z^l)
    loss        C(a^L, y), dC/da^L;     delta^L = sigma'(z^L) * dC/da^L
    backward    for l in L-1 .. 1:      delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}
    update      for l in 1 .. L:        dC/dw_ij = delta_i a_j summed over the rows;  theta <- rule(theta, dC/dtheta)

Each *operation* is a compiled kernel together with a record, which holds the numbers and addresses that the kernel
needs. `fastbp.engine.plan` writes the list of operations for a job, by a loop over the layers, and `loop.py` runs the
list. In forward, loss and backward, each thread works on some of the rows, and needs no other thread. Then all threads
wait for each other once. In the update, each thread works on some of the weights.

- `product.py` has the products of forward and backward. The kernels of `dense.py` read a whole matrix, those of
  `zero_skipping.py` leave its zeros out, and those of `csr.py` read the entries of a sparse matrix. The last two files
  have the sum of the gradient for such matrices too. `zeros.py` notes where zeros are.
- `elementwise.py` has sigma and sigma', and `loss.py` and `row_losses.py` have the losses.
- `inputs.py` copies the arrays of the user into panels.
- `update.py` sums the gradient and updates theta.
- `layer_norm.py` and `gains.py` have layers with a gain for each unit.
- `rbm.py` has the units of a restricted Boltzmann machine.
- `loop.py` has the loop over minibatches, which uses the threads. Only there are `@njit(parallel=True)` and `prange`.
  Numba would divide each loop of each kernel anew, and the threads would wait after each of them. Here a thread runs
  all operations of a phase for its share, so that threads wait twice in a step, and no sum depends on their number.
- `structs.py` describes the records, and `panels.py` describes how matrices are stored.
- `random.py` makes random numbers without a state, and `simd/` has vectors, and tiles of vectors.

The notation is the same everywhere: a^l are activations, z^l are pre-activations, sigma is an activation function,
delta^l = dC/dz^l, eta is the learning rate, and theta is the vector of all parameters. A weight matrix has shape (n_in,
n_out): Z = A W + b for a minibatch whose rows are samples.

All kernels follow these rules:

- A kernel checks nothing. The modules that call it have checked its arguments.
- A matrix is stored in panels (`panels.py`). A `stride` is the number of values from one panel to the next.
- A kernel works on the rows first <= r < last, and allocates no memory.
- Each sum is computed in one fixed order, whatever the tile, the thread or the part. So results are always the same, to
  the last bit.
- The formulas of activation functions, losses and update rules come from the caller, as plain functions of vectors.
  This folder has no registry.
- `fastbp.engine.compiled` imports the modules that compile when a program first needs them. The others, `structs.py`,
  `panels.py` and most of `simd/`, come with fastbp.
"""
