"""fastbp and what a user could pick instead, behind one interface: the same data, weights, order and arithmetic.

A peer is made for a case, its data and its initial parameters; `fit()` trains it for the case's epochs, and `weights()`
says where that led. `predict(X)` gives the outputs as a NumPy array. Each is written as its users would write it for
speed: rows are gathered by index from one array, gradients and parameters are updated in place where the library can.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from cases import Case, Parameters


class Peer:
    """What all have in common: the case, the data, and the orders, those of `fastbp.Trainer`."""

    def __init__(self, case: Case, X: np.ndarray, y: np.ndarray, parameters: Parameters, threads: int):
        self.case, self.X, self.y, self.threads, self.rng = case, X, y, threads, np.random.default_rng(case.seed)
        self.build(parameters)

    def build(self, parameters: Parameters) -> None:
        """Make the network."""

    def settle(self) -> None:
        """Wait for what goes on in the background after the first training."""

    def epoch(self, order: np.ndarray) -> None:
        """Train for one epoch; a row of `order` is a minibatch."""

    def fit(self) -> None:
        """Train for the case's epochs; samples that fill no minibatch are left out."""
        case = self.case
        for _ in range(case.epochs):
            order = np.arange(len(self.X))
            self.rng.shuffle(order)
            self.epoch(order[: case.steps * case.batch].reshape(-1, case.batch))


class Fastbp(Peer):
    """fastbp, through its public interface."""

    name, package = "fastbp", "fastbp"

    def build(self, parameters):
        self.trainer = self.case.trainer()
        self.network = self.trainer.network

    def fit(self):
        self.trainer.fit(self.X, self.y, epochs=self.case.epochs)

    def settle(self):
        with contextlib.suppress(ImportError):  # versions before 0.1 compile nothing in the background
            from fastbp.engine.companions import background

            background.wait()

    def weights(self):
        return list(zip(self.network.weights, self.network.biases, strict=True))

    def predict(self, X):
        return self.network.predict(X)


class Torch(Peer):
    """PyTorch, eager, with its fused optimizers, on as many threads as suit it best."""

    name, package = "PyTorch", "torch"

    def build(self, parameters):
        import torch

        activations = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}
        self.torch, layers = torch, []
        torch.set_num_threads(self.threads)
        for W, b in parameters:
            layer = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(W.T.copy()))
                layer.bias.copy_(torch.from_numpy(b))
            layers += [layer, activations[self.case.activation]()]
        self.network, case = torch.nn.Sequential(*layers[:-1]), self.case
        self.linear, parameters = layers[::2], list(self.network.parameters())
        if case.rule == "sgd":
            self.optimizer = torch.optim.SGD(parameters, case.eta, momentum=case.mu, fused=True)
        else:
            self.optimizer = torch.optim.Adam(parameters, case.eta, fused=True)
        self.tX, self.ty = torch.from_numpy(self.X), torch.from_numpy(self.y)
        squared = lambda a, y: 0.5 * torch.nn.functional.mse_loss(a, y, reduction="sum") / len(y)  # noqa: E731
        self.loss = torch.nn.functional.cross_entropy if case.loss == "cross_entropy" else squared

    def epoch(self, order):
        for rows in self.torch.from_numpy(order):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.network(self.tX[rows]), self.ty[rows]).backward()
            self.optimizer.step()

    def weights(self):
        return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in self.linear]

    def predict(self, X):
        with self.torch.inference_mode():
            a = self.network(self.torch.from_numpy(X))
            return (a.softmax(dim=1) if self.case.output == "softmax" else a).numpy()


class Jax(Peer):
    """JAX: an epoch is one jitted `lax.scan` over the minibatches, whose parameters are donated."""

    name, package = "JAX", "jax"

    def build(self, parameters):
        import jax
        import jax.numpy as jnp

        case = self.case
        sigma = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}[case.activation]

        def forward(parameters, a):
            for W, b in parameters[:-1]:
                a = sigma(a @ W + b)
            W, b = parameters[-1]
            return a @ W + b

        def cost(parameters, X, y):
            z = forward(parameters, X)
            if case.loss == "cross_entropy":
                return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()
            return 0.5 * ((z - y) ** 2).sum(axis=1).mean()

        def sgd(theta, state, g):
            if not case.mu:
                return jax.tree.map(lambda p, d: p - case.eta * d, theta, g), state
            v = jax.tree.map(lambda v, d: case.mu * v + d, state, g)
            return jax.tree.map(lambda p, d: p - case.eta * d, theta, v), v

        def adam(theta, state, g):
            m, v, t = state
            t = t + 1
            m = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, m, g)
            v = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, v, g)
            eta, root = case.eta / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
            return jax.tree.map(lambda p, m, v: p - eta * m / (jnp.sqrt(v) / root + 1e-8), theta, m, v), (m, v, t)

        is_sgd = case.rule == "sgd"
        update = sgd if is_sgd else adam

        def step(carry, rows):
            theta, state, X, y = carry
            return (*update(theta, state, jax.grad(cost)(theta, X[rows], y[rows])), X, y), None

        def epoch(theta, state, X, y, order):
            return jax.lax.scan(step, (theta, state, X, y), order)[0][:2]

        softmax = jax.nn.softmax if case.output == "softmax" else lambda z: z
        self.jax, self.run = jax, jax.jit(epoch, donate_argnums=(0, 1))
        self.forward = jax.jit(lambda theta, X: softmax(forward(theta, X)))
        self.theta = [(jnp.array(W), jnp.array(b)) for W, b in parameters]
        zeros = lambda: jax.tree.map(jnp.zeros_like, self.theta)  # noqa: E731
        self.state = zeros() if is_sgd else (zeros(), zeros(), jnp.float32(0))
        self.jX, self.jy = jnp.array(self.X), jnp.array(self.y)
        # Compiled here, outside of what is timed.
        copy = jax.tree.map(jnp.copy, (self.theta, self.state))
        jax.block_until_ready(self.run(*copy, self.jX, self.jy, np.zeros((case.steps, case.batch), np.int32)))

    def epoch(self, order):
        self.theta, self.state = self.run(self.theta, self.state, self.jX, self.jy, order.astype(np.int32))

    def fit(self):
        super().fit()
        self.jax.block_until_ready(self.theta)

    def weights(self):
        return [(np.asarray(W), np.asarray(b)) for W, b in self.theta]

    def predict(self, X):
        return np.asarray(self.forward(self.theta, X))


class NumPy(Peer):
    """NumPy with its own BLAS, into arrays that are kept."""

    name, package = "NumPy", "numpy"

    def build(self, parameters):
        self.W, self.b = [W.copy() for W, _ in parameters], [b.copy() for _, b in parameters]
        self.dW, self.db = [np.empty_like(W) for W in self.W], [np.empty_like(b) for b in self.b]
        self.theta = self.W + self.b
        self.state = [[np.zeros_like(p) for p in self.theta] for _ in range(2)]
        self.spare = [np.empty_like(p) for p in self.theta]
        self.a = [np.empty((self.case.batch, n), np.float32) for n in self.case.sizes]
        self.delta = [np.empty_like(a) for a in self.a]
        self.rows, self.steps = np.arange(self.case.batch), 0

    def sigma(self, a):
        if self.case.activation == "relu":
            np.maximum(a, 0, out=a)
        elif self.case.activation == "tanh":
            np.tanh(a, out=a)
        else:
            np.negative(a, out=a)
            np.exp(a, out=a)
            a += 1
            np.reciprocal(a, out=a)

    def derive(self, delta, a):
        if self.case.activation == "relu":
            delta *= a > 0
        elif self.case.activation == "tanh":
            delta *= 1 - a * a
        else:
            delta *= a * (1 - a)

    def softmax(self, z):
        if self.case.output == "softmax":
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
        return z

    def epoch(self, order):
        a, delta, last = self.a, self.delta, len(self.W) - 1
        for rows in order:
            np.take(self.X, rows, axis=0, out=a[0])
            for l, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
                np.matmul(a[l], W, out=a[l + 1])
                a[l + 1] += b
                if l < last:
                    self.sigma(a[l + 1])
            np.copyto(delta[-1], self.softmax(a[-1]))
            if self.case.loss == "cross_entropy":
                delta[-1][self.rows, self.y[rows]] -= 1
            else:
                delta[-1] -= self.y[rows]
            delta[-1] /= len(rows)
            for l in range(last, -1, -1):
                np.matmul(a[l].T, delta[l + 1], out=self.dW[l])
                np.sum(delta[l + 1], axis=0, out=self.db[l])
                if l:
                    np.matmul(delta[l + 1], self.W[l].T, out=delta[l])
                    self.derive(delta[l], a[l])
            self.update()

    def update(self):
        case, self.steps = self.case, self.steps + 1
        for p, g, m, v, spare in zip(self.theta, self.dW + self.db, *self.state, self.spare, strict=True):
            if case.rule == "sgd":
                if case.mu:
                    m *= case.mu
                    m += g
                    g = m
                np.multiply(g, case.eta, out=spare)
            else:
                m *= 0.9
                m += np.multiply(g, 0.1, out=spare)
                v *= 0.999
                g *= g
                v += np.multiply(g, 0.001, out=g)
                np.sqrt(v, out=spare)
                spare /= np.sqrt(1 - 0.999**self.steps)
                spare += 1e-8
                np.divide(m, spare, out=spare)
                spare *= case.eta / (1 - 0.9**self.steps)
            p -= spare

    def weights(self):
        return list(zip(self.W, self.b, strict=True))

    def predict(self, X):
        a = X
        for l, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            a = a @ W
            a += b
            if l + 1 < len(self.W):
                self.sigma(a)
        return self.softmax(a)


class Sklearn(Peer):
    """scikit-learn's MLPClassifier and MLPRegressor, an epoch at a time."""

    name, package = "scikit-learn", "sklearn"

    def build(self, parameters):
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        case, plain = self.case, self.case.loss != "cross_entropy"
        settings = {
            "hidden_layer_sizes": case.sizes[1:-1],
            "activation": {"sigmoid": "logistic"}.get(case.activation, case.activation),
            "solver": case.rule,
            "alpha": 0.0,
            "batch_size": case.batch,
            "learning_rate_init": case.eta,
            "shuffle": False,
        }
        if settings["solver"] == "sgd":
            settings |= {"momentum": case.mu, "nesterovs_momentum": False}
        self.network = (MLPRegressor if plain else MLPClassifier)(**settings)
        self.y = self.y.ravel() if plain else self.y
        self.options = {} if plain else {"classes": np.arange(case.sizes[-1])}
        self.network.partial_fit(self.X[: case.batch], self.y[: case.batch], **self.options)  # makes its arrays
        if self.network.coefs_[-1].shape != parameters[-1][0].shape:
            raise NotImplementedError("two classes have one output")
        for W, b, (W0, b0) in zip(self.network.coefs_, self.network.intercepts_, parameters, strict=True):
            W[:], b[:] = W0, b0
        del self.network._optimizer  # whose momentum has seen a minibatch

    def epoch(self, order):
        rows = order.ravel()
        self.network.partial_fit(self.X[rows], self.y[rows], **self.options)

    def weights(self):
        return list(zip(self.network.coefs_, self.network.intercepts_, strict=True))

    def predict(self, X):
        return self.network.predict_proba(X) if hasattr(self.network, "classes_") else self.network.predict(X)


PEERS = {peer.name: peer for peer in (Fastbp, Jax, Torch, NumPy, Sklearn)}


def serve(connection, name: str, case: Case, threads: int) -> None:
    """Be a peer in a process of its own, so that no library's threads disturb another's; answer until told to stop."""
    try:
        X, y = case.data()
        peer = PEERS[name](case, X, y, case.parameters(), threads)
        peer.fit()
        peer.settle()
        connection.send(None)
    except (ImportError, NotImplementedError) as error:
        connection.send(str(error))
        return
    while request := connection.recv():
        if request == "fit":
            start = time.perf_counter()
            peer.fit()
            connection.send((time.perf_counter() - start) / case.epochs / case.steps)
        elif request == "weights":
            connection.send(peer.weights())
        else:
            rows, calls = request
            X, start = peer.X[:rows].copy(), time.perf_counter()
            for _ in range(calls):
                peer.predict(X)
            connection.send((time.perf_counter() - start) / calls)


def reach(name: str, directory: str, accuracy: float, most: int, seed: int) -> None:
    """Train on MNIST until the test accuracy is there; print the epochs it took."""
    from cases import DIGITS, mnist

    case = replace(DIGITS, seed=seed)
    (X, y), (Xt, yt) = mnist(Path(directory), "train"), mnist(Path(directory), "test")
    if name != "fastbp":  # which reads the pixels as they are
        X, Xt = X.astype(np.float32) / np.float32(255), Xt.astype(np.float32) / np.float32(255)
    peer = PEERS[name](case, X, y, case.parameters(), len(os.sched_getaffinity(0)))
    for epoch in range(1, most + 1):
        peer.fit()
        if (peer.predict(Xt).argmax(axis=1) == yt).mean() >= accuracy:
            print(epoch)
            return
    raise SystemExit(f"{name}: not there after {most} epochs")


if __name__ == "__main__":
    reach(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
