"""The lower floor: everything that is compiled. It imports nothing of the floor above.

Notation, fixed once: a^l are activations, z^l = W^l a^{l-1} + b^l pre-activations, sigma an activation function,
delta^l = dC/dz^l, dC/dw_ij = delta_i a_j, eta the learning rate, L the layers, theta all parameters. A weight matrix
has shape (n_in, n_out): Z = A W + b over a minibatch whose rows are samples.

The contract of a kernel: arguments are checked by the floor above, and nothing is checked here. A matrix is a vector
(1-d, aligned to a line) and an offset, written in capital and small letter: `A, a`; it is stored in panels
(`panels.py`), which a `stride` leads from one to the next. Rows are given as first <= r < last. Nothing is allocated.
An element's sum is made in one order, whatever the tile, the thread or the part: results are the same to the bit.
"""
