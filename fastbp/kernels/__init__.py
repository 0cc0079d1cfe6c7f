"""The lower floor: everything that is compiled. It imports nothing of the floors above.

A step of training is four verbs over the layers l = 1 .. L. For the rows of a minibatch, with a^0 = x::

    forward     for l in 1 .. L:        z^l = W^l a^{l-1} + b^l;  a^l = sigma(z^l)
    loss        C(a^L, y), dC/da^L;     delta^L = sigma'(z^L) * dC/da^L
    backward    for l in L-1 .. 1:      delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}
    update      for l in 1 .. L:        dC/dw_ij = delta_i a_j summed over the rows;  theta <- rule(theta, dC/dtheta)

Each verb is an *operation*, a compiled kernel with a record of numbers. `fastbp.engine.plan` writes the list of
operations for what is to be done, and `loop.py` runs it. All of forward, loss and backward need no other thread: each
thread takes some of the rows. Then all wait once for each other, and each takes some of the weights for the update.

- `dense.py`: the products of forward and backward. `elementwise.py`: sigma and sigma'. `inputs.py`: from the user's
  arrays to panels. `loss.py` and `columns.py`: the losses. `update.py`: the gradient and what it does to theta.
- `loop.py`: the loop over minibatches, and the threads. `records.py`: what kernels are told. `panels.py`: how matrices
  are stored. `random.py`: random numbers without a state. `simd/`: vectors, and tiles of them.

Notation, fixed once: a^l are activations, z^l pre-activations, sigma an activation function, delta^l = dC/dz^l, eta the
learning rate, theta all parameters. A weight matrix has shape (n_in, n_out): Z = A W + b over a minibatch whose rows
are samples.

The contract of a kernel: the floors above check its arguments, and it checks nothing. A matrix is stored in panels,
which a `stride` leads from one to the next. Rows are given as first <= r < last. A kernel allocates nothing. The sum of
an element is made in one order, whatever the tile, the thread or the part: results are the same to the bit. Formulas of
activations, losses and update rules come from above, as plain functions of vectors; there is no registry here.
"""
