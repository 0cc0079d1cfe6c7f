"""Backpropagation in plain NumPy and float64: what the kernels are compared with.

Nothing here is shared with the library: formulas are written again, from the documents.
"""

from __future__ import annotations

import math

import numpy as np

erfc = np.vectorize(math.erfc, otypes=[float])
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def _elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_prime(z, alpha=1.0):
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))


def _normal_cdf(z):
    return 0.5 * erfc(-np.asarray(z, float) / math.sqrt(2))


def _sech(z):
    return 2 * np.exp(-np.abs(z)) / (1 + np.exp(-2 * np.abs(z)))


ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "threshold": lambda z: (z >= 0).astype(z.dtype),
    "sign": lambda z: np.where(z >= 0, 1.0, -1.0),
    "leaky_relu": lambda z, slope=0.01: np.where(z > 0, z, slope * z),
    "elu": _elu,
    "selu": lambda z: SELU_SCALE * _elu(z, SELU_ALPHA),
    "softplus": lambda z: np.logaddexp(z, 0),
    "gelu": lambda z: z * _normal_cdf(z),
    "silu": lambda z: z * _sigmoid(z),
    "hard_sigmoid": lambda z: np.clip((z + 3) / 6, 0, 1),
    "mish": lambda z: z * np.tanh(np.logaddexp(z, 0)),
}
DERIVATIVES = {
    "identity": np.ones_like,
    "sigmoid": lambda z: ACTIVATIONS["sigmoid"](z) * ACTIVATIONS["sigmoid"](-z),
    "tanh": lambda z: 1 / np.cosh(np.minimum(np.abs(z), 300)) ** 2,
    "relu": lambda z: (z > 0).astype(z.dtype),
    "leaky_relu": lambda z, slope=0.01: np.where(z > 0, 1.0, slope),
    "elu": _elu_prime,
    "selu": lambda z: SELU_SCALE * _elu_prime(z, SELU_ALPHA),
    "softplus": _sigmoid,
    "gelu": lambda z: _normal_cdf(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    "silu": lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z)),
    "hard_sigmoid": lambda z: np.where(np.abs(z) < 3, 1 / 6, 0.0),
    "mish": lambda z: np.tanh(np.logaddexp(z, 0)) + z * _sigmoid(z) * _sech(np.logaddexp(z, 0)) ** 2,
}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def costs(loss, output, z, y):
    """C of each sample, and dC/da for all but softmax with cross-entropy, where it is (None).

    The loss is a name, or a function of a and y that returns both.
    """
    a = softmax(z) if output == "softmax" else ACTIVATIONS[output](z)
    if loss == "cross_entropy" and output == "softmax":
        return a, -(y * log_softmax(z)).sum(axis=1), None
    if loss == "binary_cross_entropy" and output == "sigmoid":
        return a, (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).sum(axis=1), None
    if loss == "cross_entropy":
        return a, -(y * np.log(a)).sum(axis=1), -y / a
    if loss == "binary_cross_entropy":
        return a, -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1), (a - y) / (a * (1 - a))
    return a, *(loss if callable(loss) else LOSSES[loss])(a, y)


def _by_output(cost, slope):
    return lambda a, y: (cost(a, y).sum(axis=1), slope(a, y))


def _signs(y):
    return np.where(y > 0, 1.0, -1.0)


def _multiclass_hinge(a, y):
    k = y.argmax(axis=1)
    rows = np.arange(len(a))
    margins = np.maximum(a - a[rows, k][:, None] + 1, 0)
    margins[rows, k] = 0
    g = (margins > 0).astype(float)
    g[rows, k] = -g.sum(axis=1)
    return margins.sum(axis=1), g


def _multiclass_perceptron(a, y):
    g = np.eye(a.shape[1])[a.argmax(axis=1)] - y
    return (g * a).sum(axis=1), g


def _norm_error(a, y):
    norm = np.linalg.norm(a - y, axis=1)
    return norm, (a - y) / np.where(norm > 0, norm, 1)[:, None]


LOSSES = {
    "squared_error": _by_output(lambda a, y: 0.5 * (a - y) ** 2, lambda a, y: a - y),
    "sum_squared_error": _by_output(lambda a, y: (a - y) ** 2, lambda a, y: 2 * (a - y)),
    "mean_squared_error": lambda a, y: (((a - y) ** 2).mean(axis=1), 2 * (a - y) / a.shape[1]),
    "absolute_error": _by_output(lambda a, y: np.abs(a - y), lambda a, y: np.sign(a - y)),
    "huber": _by_output(
        lambda a, y: np.where(np.abs(a - y) <= 1, 0.5 * (a - y) ** 2, np.abs(a - y) - 0.5),
        lambda a, y: np.clip(a - y, -1, 1),
    ),
    "quantile": _by_output(
        lambda a, y: np.maximum(0.5 * (y - a), -0.5 * (y - a)), lambda a, y: np.where(a > y, 0.5, -0.5)
    ),
    "log_cosh": _by_output(
        lambda a, y: np.where(
            np.abs(a - y) < 1,
            np.log1p(2 * np.sinh(np.minimum(np.abs(a - y), 1) / 2) ** 2),
            np.logaddexp(a - y, y - a) - math.log(2),
        ),
        lambda a, y: np.tanh(a - y),
    ),
    "poisson": _by_output(lambda a, y: a - y * np.log(a), lambda a, y: 1 - y / a),
    "hinge": _by_output(
        lambda a, y: np.maximum(1 - _signs(y) * a, 0), lambda a, y: np.where(_signs(y) * a < 1, -_signs(y), 0.0)
    ),
    "squared_hinge": _by_output(
        lambda a, y: np.maximum(1 - _signs(y) * a, 0) ** 2,
        lambda a, y: -2 * _signs(y) * np.maximum(1 - _signs(y) * a, 0),
    ),
    "multiclass_hinge": _multiclass_hinge,
    "perceptron": _by_output(
        lambda a, y: (1.0 * (a >= 0) - 1.0 * (y > 0)) * a, lambda a, y: 1.0 * (a >= 0) - 1.0 * (y > 0)
    ),
    "adaline": _by_output(lambda a, y: 0.5 * (a - _signs(y)) ** 2, lambda a, y: a - _signs(y)),
    "multiclass_perceptron": _multiclass_perceptron,
    "norm_error": _norm_error,
}
"""name: (C of each sample, dC/da)."""


def forward(X, weights, biases, activations, output, kept=None):
    """z^l and a^l of every layer. Of hidden layers, `kept` multiplies the units, with 0 for those that are dropped."""
    a, zs, activated = X, [], [X]
    for W, b, name in zip(weights, biases, [*activations, output], strict=True):
        z = a @ W + b
        a = softmax(z) if name == "softmax" else ACTIVATIONS[name](z)
        if kept is not None and len(zs) < len(kept):
            a = a * kept[len(zs)]
        zs.append(z)
        activated.append(a)
    return zs, activated


def gradients(X, y, weights, biases, activations, output, loss, sample_weight=None, kept=None):
    """The mean loss and its gradient; X and y in float64, y as rows; `kept` as for `forward`."""
    share = np.full(len(X), 1 / len(X)) if sample_weight is None else sample_weight / sample_weight.sum()
    zs, a = forward(X, weights, biases, activations, output, kept)
    prediction, cost, g = costs(loss, output, zs[-1], y)
    if g is None:
        delta = prediction - y
    elif output == "softmax":
        delta = prediction * (g - (g * prediction).sum(axis=1, keepdims=True))
    else:
        delta = g * DERIVATIVES[output](zs[-1])
    delta = delta * share[:, None]
    dW, db = [], []
    for l in range(len(weights) - 1, -1, -1):
        dW.insert(0, a[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        if l:
            delta = DERIVATIVES[activations[l - 1]](zs[l - 1]) * (delta @ weights[l].T)
            delta = delta if kept is None else delta * kept[l - 1]
    return cost @ share, dW, db


def update(optimizer, theta, state, g, t):
    """Step t of an optimizer on one array, in place; state is a list of arrays that start at 0."""
    o, eta = optimizer, optimizer.learning_rate
    kind = type(o).__name__
    if kind in ("Adam", "AdamW"):
        (beta_1, beta_2), (m, v) = o.betas, state[:2]
        if kind == "AdamW" and theta.ndim == 2:
            theta *= 1 - eta * o.weight_decay
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        theta -= eta * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + o.epsilon)
    elif kind == "RMSprop":
        v, m, u = state
        v[:] = o.alpha * v + (1 - o.alpha) * g**2
        m[:] = o.alpha * m + (1 - o.alpha) * g
        move = g / (np.sqrt(v - m**2 if o.centered else v) + o.epsilon)
        u[:] = o.momentum * u + move
        theta -= eta * (u if o.momentum else move)
    elif kind == "Adagrad":
        state[0] += g**2
        theta -= eta / (1 + (t - 1) * o.lr_decay) * g / (np.sqrt(state[0]) + o.epsilon)
    elif kind == "Adadelta":
        v, u = state[:2]
        v[:] = o.rho * v + (1 - o.rho) * g**2
        d = np.sqrt(u + o.epsilon) / np.sqrt(v + o.epsilon) * g
        u[:] = o.rho * u + (1 - o.rho) * d**2
        theta -= eta * d
    elif kind == "Rprop":
        before, s = state[:2]
        if t == 1:
            s[:] = eta
        turn = np.sign(g * before)
        s *= np.where(turn > 0, o.etas[1], np.where(turn < 0, o.etas[0], 1))
        s[:] = np.clip(s, *o.step_sizes)
        before[:] = np.where(turn < 0, 0, g) if o.forgiving else g
        theta -= s * np.sign(before)
    else:
        v = state[0]
        v[:] = o.momentum * v + g
        theta -= eta * (g + o.momentum * v if o.nesterov else v)


def one_hot(labels, n_out):
    return np.eye(n_out)[labels]


def relative(got, wanted):
    """The largest difference, relative to the largest number wanted."""
    return float(np.abs(np.asarray(got, np.float64) - wanted).max() / max(np.abs(wanted).max(), 1e-300))
