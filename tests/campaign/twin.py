"""A trainer once more, as plain as possible: NumPy in float64, the formulas of `reference.py`, and no kernel.

A twin is made of a trainer as it is, with all of its state, and then does what the trainer does. Of fastbp it uses the
settings and the schedules, which are plain Python.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import reference

import fastbp as fb

Arrays = list[np.ndarray]
"""All weights W^1 .. W^L, and then all biases b^1 .. b^L."""


TINY = np.finfo(np.float64).tiny


def binary_cross_entropy(a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss with any output, whose values count as at least TINY, and as that far from 1."""
    p, q = np.maximum(a, TINY), np.maximum(1 - a, TINY)
    return -(y * np.log(p) + (1 - y) * np.log(q)).sum(axis=1), (1 - y) / q - y / p


def formula(loss: fb.losses.Loss, output: object, rows: np.ndarray) -> tuple[object, np.ndarray]:
    """What `reference.costs` calls a loss with this output, and the targets that it then takes."""
    if loss.name == "binary_cross_entropy" and output != "sigmoid":
        return binary_cross_entropy, rows
    if isinstance(loss, fb.losses.CrossEntropy):
        return loss.name, (1 - loss.label_smoothing) * rows + loss.label_smoothing / rows.shape[1]
    if isinstance(loss, fb.losses.Huber):
        far = loss.delta

        def huber(a, y):
            r, bounded = a - y, np.clip(a - y, -far, far)
            return (bounded * (r - bounded / 2)).sum(axis=1), bounded

        return huber, rows
    if isinstance(loss, fb.losses.Quantile):
        q = loss.q

        def quantile(a, y):
            return np.where(y > a, q * (y - a), (1 - q) * (a - y)).sum(axis=1), np.where(a > y, 1 - q, -q)

        return quantile, rows
    return loss.name, rows


class Twin:
    """A trainer in float64. It continues where the given one is now."""

    def __init__(self, trainer: fb.Trainer):
        net, state = trainer.network, trainer.state
        self.network, self.settings, self.step = net, trainer.settings, state.step
        self.variant, self.initial, self.epochs = state.variant, state.initial, state.history.epochs
        size = net.parameters.theta.size
        self.theta = self._unpacked(net.parameters.theta)
        self.vectors = [self._unpacked(state.vectors[k : k + size]) for k in range(0, state.vectors.size, size)]
        self.average = None if state.average is None else self._unpacked(state.average)
        self.averaged = state.averaged
        self.rng = copy.deepcopy(state.rng)
        self.shift, self.scale = net.shift.astype(float), net.scale.astype(float)

    def _unpacked(self, vector: np.ndarray) -> Arrays:
        arrays = self.network.parameters.unpack(vector)
        return [array.astype(float) for kind in "Wb" for name, array in arrays.items() if name.startswith(kind)]

    # --- settings -----------------------------------------------------------------------------------------------------

    def assign(self, name: str, value: object) -> None:
        """Change a setting. The state of another kind of optimizer starts anew, with the number of steps."""
        self.settings = dataclasses.replace(self.settings, **{name: value})
        optimizer = self.settings.optimizer
        anew = not self.step and optimizer.initial != self.initial
        if optimizer.variant != self.variant or anew:
            first = [*optimizer.initial, *[0.0] * (optimizer.state_count - len(optimizer.initial))]
            self.vectors = [[np.full(array.shape, value) for array in self.theta] for value in first]
            self.variant, self.initial, self.step = optimizer.variant, optimizer.initial, 0
        if self.settings.average is None:
            self.average = None

    def begin(self) -> None:
        """Start the average, if there is to be one, before a step or a call of fit."""
        if self.settings.average is not None and self.average is None:
            self.average, self.averaged = [array.copy() for array in self.theta], 0

    def evaluated(self) -> Twin:
        """What is evaluated: with an average, a twin whose parameters are the average."""
        twin, average = copy.copy(self), self.settings.average
        if average is not None and average.evaluated and self.average is not None:
            twin.theta = self.average
        return twin

    # --- formulas -----------------------------------------------------------------------------------------------------

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """x' = (x - shift) * scale."""
        return (X.astype(float) - self.shift) * self.scale

    def predict(self, X: np.ndarray) -> np.ndarray:
        """a^L of each sample."""
        depth, made = len(self.theta) // 2, self.network.architecture
        parameters = self.theta[:depth], self.theta[depth:]
        return reference.forward(self.inputs(X), *parameters, made.activation, made.output)[1][-1]

    def largest_sum(self, X: np.ndarray) -> float:
        """The largest sum_j |w_ij a_j| of a unit: rounding errors are relative to this, not to the sum that is left."""
        depth, made = len(self.theta) // 2, self.network.architecture
        parameters = self.theta[:depth], self.theta[depth:]
        activated = reference.forward(self.inputs(X), *parameters, made.activation, made.output)[1]
        return max(float((abs(a) @ abs(W)).max()) for a, W in zip(activated[:-1], self.theta[:depth], strict=True))

    def gradients(
        self, X: np.ndarray, rows: np.ndarray, w: np.ndarray | None, kept: Arrays | None = None
    ) -> tuple[float, Arrays]:
        """The mean loss and its gradient, with dropout if the multipliers of the hidden units are given."""
        depth, made = len(self.theta) // 2, self.network.architecture
        loss, rows = formula(self.settings.resolved_loss, made.output, rows)
        parameters = self.theta[:depth], self.theta[depth:]
        found = reference.gradients(self.inputs(X), rows, *parameters, made.activation, made.output, loss, w, kept)
        return found[0], [*found[1], *found[2]]

    def accuracy(self, X: np.ndarray, y: np.ndarray, rows: np.ndarray, w: np.ndarray | None) -> float | None:
        """The share of right predictions, or None if the targets are no classes."""
        a, n_out, kind = self.predict(X), rows.shape[1], self.settings.resolved_loss.targets
        labels = y.ndim == 1 and (n_out > 1 or kind == "distribution")
        if not labels and kind in ("values", "counts"):
            return None
        if labels or kind == "distribution":
            hits = a.argmax(axis=1) == rows.argmax(axis=1)
        else:
            hits = ((a >= self.network.threshold) == (rows >= 0.5)).mean(axis=1)
        return float(np.average(hits, weights=w))

    # --- steps --------------------------------------------------------------------------------------------------------

    def update(self, g: Arrays, eta: float) -> None:
        """What follows the gradient of the mean loss: limits, l1 and l2, the optimizer, max_norm and the average."""
        settings, depth = self.settings, len(self.theta) // 2
        if settings.clip_norm:
            norm = np.sqrt(sum((array**2).sum() for array in g))
            g = [array * min(1.0, settings.clip_norm / (norm + 1e-6)) for array in g]
        if settings.clip_value:
            g = [np.clip(array, -settings.clip_value, settings.clip_value) for array in g]
        self.step += 1
        optimizer = dataclasses.replace(settings.optimizer, learning_rate=eta)
        names = getattr(optimizer, "states", ())
        wanted = ("v", "m", "u") if isinstance(optimizer, fb.RMSprop) else names or ("v",)
        # The reference sets the step sizes of Rprop at its first step. Those of the trainer are there already.
        t = self.step + isinstance(optimizer, fb.Rprop)
        for i, theta in enumerate(self.theta):
            slope = g[i] + (settings.l1 * np.sign(theta) + settings.l2 * theta if i < depth else 0.0)
            own = {name: vector[i] for name, vector in zip(names, self.vectors, strict=True)}
            state = [own.get(name, np.zeros_like(theta)) for name in wanted]
            reference.update(optimizer, theta, state, slope, t)
            if i < depth and self.network.architecture.max_norm:
                norm = np.sqrt((theta**2).sum(axis=0))
                theta *= np.minimum(1.0, self.network.architecture.max_norm / np.where(norm > 0, norm, 1.0))
        if settings.average:
            self.averaged += 1
            rate, k = settings.average.rate, settings.average.warm_up
            self.move(max(rate, k / (k + self.averaged)) if rate else 0.0)

    def move(self, rate: float) -> None:
        """Move the average by a share of the way to the parameters."""
        if self.average is not None:
            for average, theta in zip(self.average, self.theta, strict=True):
                average += rate * (theta - average)

    def orders(self, n: int, buffer: int | None, blocks: bool, batch: int, shuffle: bool) -> Iterator[np.ndarray]:
        """The numbers of the samples of each minibatch of an epoch. Random numbers are drawn when they are needed."""
        batch = batch if blocks else min(batch, n)
        window = n if buffer is None else -(-buffer // batch) * batch
        starts = np.arange(0, n, window)
        if shuffle and not blocks:
            self.rng.shuffle(starts[: n // window])
        for start in starts:
            part = np.arange(start, min(start + window, n))
            if shuffle:
                self.rng.shuffle(part)
            yield from (part[k : k + batch] for k in range(0, len(part), batch))

    def fit(
        self,
        given: object,
        epochs: int,
        history: fb.History,
        buffer: int | None = None,
        blocks: bool = False,
        after: Callable[[], str] = lambda: "",
    ) -> list[float]:
        """The losses of the finished epochs of a call of fit, whose whole history the schedules need.

        `after()` is called after each step, may assign settings, and says "stop" or "interrupt" if fit ends there.
        """
        losses, n, batch, shuffle = [], len(given.X), self.settings.batch_size, self.settings.shuffle
        self.begin()
        for epoch in range(self.epochs, self.epochs + epochs):
            past = fb.History({name: column[:epoch] for name, column in history.items()})
            loss, used, end = self.epoch(given, self.orders(n, buffer, blocks, batch, shuffle), past, after)
            if end == "interrupt" or (end and (blocks or used < n)):
                break
            losses.append(loss)
            average = self.settings.average
            if isinstance(average, fb.SWA) and self.average is not None:
                self.move(1 / max(1, epoch - average.start + 1))
            self.epochs = epoch + 1
            if end:
                break
        return losses

    def epoch(
        self,
        given: object,
        orders: Iterable[np.ndarray],
        past: fb.History,
        after: Callable[[], str] = lambda: "",
    ) -> tuple[float, int, str]:
        """The mean loss of the minibatches of an epoch, the number of their samples, and what `after` said last."""
        total = seen = used = 0.0
        for rows in orders:
            w = None if given.weights is None else given.weights[rows]
            share = len(rows) if w is None else w.sum()
            eta = float(self.settings.learning_rate(np.array([self.step + 1]), past)[0])
            self.begin()
            if share:
                loss, g = self.gradients(given.X[rows], given.rows[rows], w)
                total += share * loss
            else:  # the gradient of a minibatch without weight is 0
                g = [np.zeros_like(array) for array in self.theta]
            self.update(g, eta)
            seen, used = seen + share, used + len(rows)
            if end := after():
                return total / (seen or 1.0), used, end
        return total / (seen or 1.0), used, ""
