"""Backpropagation in plain NumPy and float64: what the kernels are compared with.

Nothing here is shared with the library: formulas are written again, from the documents.
"""

from __future__ import annotations

import numpy as np

ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": lambda z: np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z)))),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "threshold": lambda z: (z >= 0).astype(z.dtype),
}
DERIVATIVES = {
    "identity": np.ones_like,
    "sigmoid": lambda z: ACTIVATIONS["sigmoid"](z) * ACTIVATIONS["sigmoid"](-z),
    "tanh": lambda z: 1 / np.cosh(np.minimum(np.abs(z), 300)) ** 2,
    "relu": lambda z: (z > 0).astype(z.dtype),
}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def costs(loss, output, z, y):
    """C of each sample, and dC/da for all but softmax with cross-entropy, where it is (None)."""
    a = softmax(z) if output == "softmax" else ACTIVATIONS[output](z)
    if loss == "cross_entropy" and output == "softmax":
        return a, -(y * log_softmax(z)).sum(axis=1), None
    if loss == "binary_cross_entropy" and output == "sigmoid":
        return a, (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).sum(axis=1), None
    if loss == "cross_entropy":
        return a, -(y * np.log(a)).sum(axis=1), -y / a
    if loss == "binary_cross_entropy":
        return a, -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1), (a - y) / (a * (1 - a))
    return a, 0.5 * ((a - y) ** 2).sum(axis=1), a - y


def forward(X, weights, biases, activations, output):
    """z^l and a^l of every layer."""
    a, zs, activated = X, [], [X]
    for W, b, name in zip(weights, biases, [*activations, output], strict=True):
        z = a @ W + b
        a = softmax(z) if name == "softmax" else ACTIVATIONS[name](z)
        zs.append(z)
        activated.append(a)
    return zs, activated


def gradients(X, y, weights, biases, activations, output, loss):
    """The mean loss and its gradient; X and y in float64, y as rows."""
    zs, a = forward(X, weights, biases, activations, output)
    prediction, cost, g = costs(loss, output, zs[-1], y)
    if g is None:
        delta = prediction - y
    elif output == "softmax":
        delta = prediction * (g - (g * prediction).sum(axis=1, keepdims=True))
    else:
        delta = g * DERIVATIVES[output](zs[-1])
    delta = delta / len(X)
    dW, db = [], []
    for l in range(len(weights) - 1, -1, -1):
        dW.insert(0, a[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        if l:
            delta = DERIVATIVES[activations[l - 1]](zs[l - 1]) * (delta @ weights[l].T)
    return cost.mean(), dW, db


def update(optimizer, theta, state, g, t):
    """Step t of an optimizer on one array, in place; state is a list of arrays that start at 0."""
    eta = optimizer.learning_rate
    if type(optimizer).__name__ == "Adam":
        (beta_1, beta_2), (m, v) = optimizer.betas, state
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        theta -= eta * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + optimizer.epsilon)
        return
    v = state[0]
    v[:] = optimizer.momentum * v + g
    theta -= eta * (g + optimizer.momentum * v if optimizer.nesterov else v)


def one_hot(labels, n_out):
    return np.eye(n_out)[labels]


def relative(got, wanted):
    """The largest difference, relative to the largest number wanted."""
    return float(np.abs(np.asarray(got, np.float64) - wanted).max() / max(np.abs(wanted).max(), 1e-300))
