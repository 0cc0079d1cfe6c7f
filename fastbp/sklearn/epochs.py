"""This module trains a network epoch by epoch, with the orders of the samples and the rules that scikit-learn has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ..engine.runner import Samples
from ..network.mlp import MLP
from ..rules.optimizers import Adam
from ..training.trainer import Trainer

LINEAR = 5e-3
"""The largest penalty l2 / (2 n) sum w^2 that is taken from a line between the ends of an epoch. The loss of an epoch
is right to 1e-5 then; a penalty of 1 made errors of 1e-3."""


class AdamOfScikitLearn(Adam):
    """`AdamOfScikitLearn` is `Adam` with the epsilon of scikit-learn: theta <- theta - eta' m / (sqrt(v) + epsilon).

    Here eta' = eta sqrt(1 - beta_2^t) / (1 - beta_1^t), so the correction of v does not reach epsilon.
    """

    def hyper(self, t: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
        named = super().hyper(t, eta)
        return {**named, "epsilon": self.epsilon * named["c"]}


class EpochTrainer(Trainer):
    """`EpochTrainer` is a trainer that is driven epoch by epoch. It adds l2 / (2 n) sum w^2 to the mean loss.

    The number n is the sum of the weights of the samples of a minibatch. This is what `alpha` of scikit-learn means.

    Attributes
    ----------
    factor : float
        The factor of the learning rate in the next epoch. It comes on top of the schedule, if there is one.
    """

    factor = 1.0

    def _rule(self) -> Any:
        rule = super()._rule()
        optimizer, settings, state = self.optimizer, self.settings, self.state
        at = lambda t: optimizer.hyper(t, self.factor * settings.learning_rate(t, state.history))  # noqa: E731
        return rule._replace(l2_divided=True, at=at)

    def follow(self, **settings: Any) -> None:
        """Assign the settings that have changed. Assigning one that has not would make the operations anew."""
        for name, value in settings.items():
            if getattr(self, name) != value:
                setattr(self, name, value)

    def slow_down(self, factor: float) -> None:
        """Set the factor of the learning rate, and scale the velocity of SGD with it.

        The velocity of scikit-learn contains the learning rates of earlier steps, and the one of fastbp does not.
        """
        if factor != self.factor:
            self.state.vectors *= self.factor / factor
            self.factor = factor

    def squares(self) -> float:
        """Return the sum of the squares of all weights, without the biases."""
        layout, theta = self.network.parameters.layout, self.network.parameters.theta
        return float(sum(np.vdot(W, W) for W in (theta[layout.matrix(l)] for l in range(layout.depth))))

    def epochs(
        self, samples: Samples, rows: np.ndarray | None = None, rng: np.random.RandomState | None = None
    ) -> Iterator[tuple[float, float, float]]:
        """Train for an epoch, each time that the caller asks for the next one.

        Parameters
        ----------
        samples : Samples
            The checked samples.
        rows : int array or None, default None
            The numbers of the samples to use, in their order. With None, all are used.
        rng : numpy.random.RandomState or None, default None
            The source of the random orders, which are those of scikit-learn. With None, the order stays the same.

        Yields
        ------
        loss, penalty, accuracy : float
            The mean loss over the epoch, the mean term of l2, and the accuracy. Each sample is evaluated just before
            the step that uses it. The accuracy means something only if the targets are classes.

        Raises
        ------
        DivergedError
            If the loss is not finite.
        """
        order = None
        if rows is not None or rng is not None:
            order = np.arange(samples.n) if rows is None else rows.astype(np.int64)
        samples = samples._replace(order=order)
        n, weights = samples.n, samples.weights
        total = n if weights is None else float(weights[slice(None) if order is None else order].sum())
        full, steps, squares = n // self.batch_size, -(-n // self.batch_size), self.squares()
        while True:
            if rng is not None:
                moved = np.arange(n)
                rng.shuffle(moved)
                order[:] = order[moved]
            # The settings may change between epochs, so the work is asked for anew.
            work, summed = self.work(min(self.batch_size, n)), 0.0
            work.sums, work.steps_done, done = (0.0, 0.0, 0.0), self.state.step, 0
            with work.reading(samples):
                # The penalty of a step is l2 / (2 n) sum w^2 with its own w. To stop after each step and sum over all
                # weights takes a fifth of a small step. A small penalty is taken from a line between two points. A last
                # minibatch that is smaller is apart, because its l2 / n is larger, and the line would have a bend.
                apart = self.l2 * squares > 2 * LINEAR * self.batch_size
                for last in (*(range(1, full) if apart else ()), full, steps):
                    count, before = last - done, squares
                    for reached in work.run(done, last):
                        self.state.step += reached - done
                        done = reached
                    squares = self.squares() if self.l2 and count else before
                    summed += count * before + (squares - before) * (count - 1) / 2 if count else 0.0
            scores, penalty = work.scores(True), 0.5 * self.l2 * summed / total
            if self.schedule is not None:
                self.history.record(**scores)
            yield scores["loss"], penalty, scores["accuracy"]


def network(architecture: Any, rng: np.random.RandomState | None, bound: float) -> MLP:
    """Make a network whose first weights and biases are those of scikit-learn, or 0 without a random generator.

    Parameters
    ----------
    architecture : Architecture
        The architecture of the network.
    rng : numpy.random.RandomState or None
        The source of random numbers.
    bound : float
        The numbers of a layer are uniform between -sqrt(bound / (n_in + n_out)) and sqrt(bound / (n_in + n_out)).
    """
    made = MLP.from_architecture(architecture, 1.0, 0.0)
    if rng is not None:
        for l, (n_in, n_out) in enumerate(pairwise(made.sizes)):
            most = np.sqrt(bound / (n_in + n_out))
            W, b = rng.uniform(-most, most, (n_in, n_out)), rng.uniform(-most, most, n_out)
            made.parameters.set_layer(l, W, b)
    return made


def keep(estimator: object, arguments: dict[str, Any]) -> None:
    """Set the arguments of the constructor of an estimator as attributes with their names, as scikit-learn wants it."""
    for name, value in arguments.items():
        if name != "self":
            setattr(estimator, name, value)
