"""This module is the only one of the estimators that reaches into the training and the parameters of a network.

`EpochTrainer` trains epoch by epoch, with the orders of the samples and the rules that scikit-learn has. `Snapshot`
keeps the parameters of a network, and `network` makes one with the first weights of scikit-learn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, cast

import numpy as np

from ..data.samples import taken
from ..engine.runner import DivergedError, Samples
from ..losses import Loss
from ..network.architecture import Architecture
from ..network.mlp import MLP
from ..rules.optimizers import OPTIMIZERS, Adam, Optimizer
from ..schedules import Schedule
from ..training import compatibility
from ..training.steps import SearchSteps
from ..training.trainer import Trainer
from ..training.turn import Turn

__all__ = ["DivergedError", "EpochTrainer", "Samples", "Snapshot", "Turn", "network", "optimizer"]

SOME = 1000
"""The number of samples whose loss shows whether training has made the network worse."""

REMEDIES = (
    "give the estimator scaled inputs, for example with make_pipeline(StandardScaler(), estimator)",
    "scale them, for example with sklearn.compose.TransformedTargetRegressor(estimator, transformer=StandardScaler())",
)
"""What the warnings about the scales of inputs, and of targets, advise."""

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


@functools.lru_cache
def optimizer(solver: str, learning_rate: float, **options: Any) -> Optimizer:
    """Return the optimizer with the name and the epsilon of scikit-learn. Making one takes longer than a small step."""
    kind: Any = AdamOfScikitLearn if solver == "adam" else type(OPTIMIZERS[solver])
    return kind(learning_rate, **options)


class Slowdown(Schedule):
    """`Slowdown` is a schedule whose factor an `EpochTrainer` sets between epochs."""

    value = 1.0

    def factor(self, x: np.ndarray, scores: object) -> np.ndarray:
        return np.asarray(self.value)

    def at(self, steps: np.ndarray, epoch: int, scores: object) -> np.ndarray:
        return np.asarray(self.value)


class EpochTrainer:
    """`EpochTrainer` trains a network epoch by epoch. It adds alpha / (2 n) sum w^2 to the mean loss.

    The number n is the sum of the weights of the samples of a minibatch. This is what `alpha` of scikit-learn means.
    From the threshold on, an output means "yes"; None means that of the loss. The settings are those of `Trainer`.
    Without a schedule, `slow_down` sets the factor of the learning rate.
    """

    def __init__(self, network: MLP, *, loss: Loss, threshold: float | None, alpha: float = 0.0, **settings: Any):
        self.network, self.alpha, self._slowdown = network, alpha, Slowdown()
        settings["schedule"] = settings["schedule"] or self._slowdown
        self._trainer, self._threshold = Trainer(network, loss=loss, l2=alpha, **settings), threshold
        self._decide()

    def warn_of_scales(self, samples: Samples, names: Any = None) -> None:
        """Warn of scales of checked samples, whose columns have names, with which training is slow or fails."""
        columns = None if names is None else tuple(names)
        named = samples._replace(X=samples.X._replace(columns=columns))
        compatibility.warn_of_scales(self.network, named, REMEDIES)

    def loss_of_some(self, samples: Samples) -> float:
        """Return the mean loss of some of the checked samples, or NaN if it is not finite."""
        n = len(samples.X.array)
        return self.score(taken(samples, np.arange(0, n, -(-n // SOME))))[0]

    def _decide(self) -> None:
        """Give the network the threshold, because each assignment to a trainer gives it that of the loss."""
        if self._threshold is not None:
            self.network.threshold = self._threshold

    def follow(self, **settings: Any) -> None:
        """Assign the settings that have changed. Assigning one that has not would make the operations anew."""
        self._threshold = settings.pop("threshold", self._threshold)
        if "alpha" in settings:
            self.alpha = settings["l2"] = settings.pop("alpha")
        if "schedule" in settings:
            settings["schedule"] = settings["schedule"] or self._slowdown
        for name, value in settings.items():
            known = getattr(self._trainer, name)
            if known is not value and known != value:
                setattr(self._trainer, name, value)
        self._decide()

    @property
    def learning_rate(self) -> float:
        """The learning rate of the optimizer, without the factor of a schedule."""
        return self._trainer.optimizer.learning_rate

    @property
    def factor(self) -> float:
        """The factor of the learning rate in the next epoch, which `slow_down` has set."""
        return self._slowdown.value

    def slow_down(self, factor: float) -> None:
        """Set the factor of the learning rate, and scale the velocity of SGD with it.

        The velocity of scikit-learn contains the learning rates of earlier steps, and the one of fastbp does not.
        """
        if factor != self.factor:
            vectors = self._trainer.state.vectors
            vectors *= self.factor / factor
            self._slowdown.value = factor

    def read(self, X: Any, y: Any, weights: np.ndarray | None = None, *, trains: bool = True) -> Samples:
        """Return checked samples. If training uses them, they tell the network what kind of targets it has."""
        samples = self._trainer._checker("training" if trains else "scores").read(X, y, weights)
        if trains:
            self.network._trained_on(samples)
        return samples

    def score(self, samples: Samples) -> tuple[float, float]:
        """Return the mean loss of checked samples, and their accuracy. Each is NaN if there is none."""
        try:
            scores = self._trainer._score(samples, "the validation data")
        except FloatingPointError:
            return np.nan, np.nan
        return scores["loss"], scores.get("accuracy", np.nan)

    def outputs(self, samples: Samples) -> np.ndarray:
        """Return the outputs of the network for checked samples."""
        return self.network.outputs(samples.X.array)

    def is_finite(self) -> bool:
        """Return whether all parameters are finite."""
        return bool(np.isfinite(self.network.parameters.theta).all())

    def _squares(self) -> float:
        """Return the sum of the squares of all weights, without the biases."""
        theta, layout = self.network.parameters.theta, self.network.parameters.layout
        weights = (theta[layout.place(block)] for block in layout.blocks if block.kind == "weight")
        return float(sum(np.vdot(W, W) for W in weights))

    def epochs(
        self, samples: Samples, rng: np.random.RandomState | None, *, few: bool = False
    ) -> Iterator[tuple[float, float, float]]:
        """Train on checked samples for an epoch, each time that the caller asks for the next one.

        If the samples have an `order`, only those of the order are used. The random orders that `rng` gives are those
        of scikit-learn. With None, the order stays the same. If the loss is not finite, there is a DivergedError. With
        `few`, there may be another number of samples soon, for which what is prepared now has room.

        Yields
        ------
        loss, penalty, accuracy : float
            The mean loss over the epoch, the mean term of alpha, and the accuracy. Each sample is evaluated just before
            the step that uses it. The accuracy means something only if the targets are classes.
        """
        order, total = samples.order, _sum_of_weights(samples)
        if order is not None or rng is not None:
            order = np.arange(samples.n) if order is None else order.astype(np.int64)
            samples = samples._replace(order=order)
        while True:
            if order is not None and rng is not None:
                moved = np.arange(order.size)
                rng.shuffle(moved)
                order[:] = order[moved]
            scores, squares = self._epoch(samples, few)
            if self._trainer.schedule is not self._slowdown:
                self._trainer.history.record(**scores)
            yield scores["loss"], 0.5 * self.alpha * squares / total, scores["accuracy"]

    def _epoch(self, samples: Samples, few: bool) -> tuple[dict[str, float], float]:
        """Make all steps of an epoch. Return its scores, and the sum of the squares of the weights over the steps.

        To stop after each step and sum over all weights takes a fifth of a small step. If the penalty is small, the
        sums between two points come from a line. A last minibatch that is smaller is apart, because its alpha / n is
        larger, and the line would have a bend.
        """
        trainer, state, n = self._trainer, self._trainer.state, samples.n
        batch = min(trainer.settings.batch or n, n)
        make = trainer._steps.of_few if few and batch == n else trainer._steps.of_batches
        steps = make(self.network, trainer.settings, state, batch, l2_divided=True)  # the settings may have changed
        squares, summed, done, steps.work.sums = self._squares(), 0.0, 0, (0.0, 0.0, 0.0)
        full, apart = n // batch, self.alpha * squares > 2 * LINEAR * batch
        with steps.reading(samples):
            for last in (*(range(1, full) if apart else ()), full, steps.count(n)):
                count, before = last - done, squares
                if not count:
                    continue
                for reached in steps.run(done, last):
                    state.step += reached - done
                    done = reached
                squares = self._squares() if self.alpha else before
                summed += count * before + (squares - before) * (count - 1) / 2
        return steps.work.scores(True), summed

    def minimise(self, samples: Samples, tell: Callable[[Callable[[], float]], None], **options: float) -> Any:
        """Minimise the loss of checked samples by the L-BFGS of scipy, as scikit-learn does.

        After each iteration, there is a call of `tell` with a function that gives the network the parameters of this
        iteration, and returns the loss. To stop, `tell` raises StopIteration. If the first loss is not finite, there is
        a DivergedError; then, and after Ctrl-C, the network has the parameters of the last iteration.

        Returns
        -------
        scipy.optimize.OptimizeResult
            The result, with one more attribute: the `penalty`, which is the term of alpha in the loss `fun`. If the
            first step was the last one although a longer one lowers the loss more, it is no success.
        """
        from scipy.optimize import minimize

        trainer, parameters = self._trainer, self.network.parameters
        trainer.l2 = self.alpha / _sum_of_weights(samples)
        self._decide()
        steps, accepted = cast(SearchSteps, trainer._steps_of(samples.n)), parameters.theta.copy()
        look, start, last = steps.search.look, parameters.theta.astype(np.float64), 0.0

        def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
            try:
                return look(x)[:2]
            except DivergedError:  # the trial is too long; an infinite cost would end the search
                return last + 10 * max(abs(last), 1.0), np.zeros(x.size)

        def told(x: np.ndarray) -> None:
            nonlocal last
            accepted[:], last = x, cost(x)[0]
            tell(lambda: look(x)[0])

        try:
            with steps.reading(samples), np.errstate(all="ignore"):
                first = last = look(start)[0]
                found = minimize(cost, start, jac=True, method="L-BFGS-B", callback=told, options=options)
                if found.success and found.nit <= 1 and np.abs(found.jac).max() > options["gtol"]:
                    further = cost(start + 1000 * (found.x - start))[0]
                    if found.fun >= first or further < found.fun:
                        found.success, found.status = False, 2
                        found.message = "The first step hardly lowers the loss; scale the inputs and the targets."
        except BaseException:  # Ctrl-C must not leave the network at a point that the search has only tried
            parameters.assign(accepted)
            raise
        parameters.assign(found.x)
        found.penalty = 0.5 * trainer.l2 * self._squares()
        return found


class Snapshot:
    """`Snapshot` is a copy of what training changes in a network: its parameters, and what its outputs mean."""

    def __init__(self, network: MLP):
        self._network, self._architecture = network, network.architecture
        self._theta = network.parameters.theta.copy()

    def retake(self) -> None:
        """Copy the parameters again, into the same memory."""
        self._theta[:] = self._network.parameters.theta

    def is_current(self) -> bool:
        """Return whether the network still has these parameters."""
        return np.array_equal(self._network.parameters.theta, self._theta)

    def restore(self) -> None:
        """Give the network back what it had."""
        self._network._architecture = self._architecture
        self._network.parameters.assign(self._theta)


def network(architecture: Architecture, rng: np.random.RandomState | None = None, bound: float = 0.0) -> MLP:
    """Make a network whose first weights and biases are those of scikit-learn, or 0 without a random generator.

    The numbers of a layer are uniform between -sqrt(bound / (n_in + n_out)) and sqrt(bound / (n_in + n_out)).
    """
    made = MLP._from_architecture(architecture)
    if rng is not None:
        for l, (n_in, n_out) in enumerate(pairwise(made.sizes), 1):
            most = np.sqrt(bound / (n_in + n_out))
            W, b = rng.uniform(-most, most, (n_in, n_out)), rng.uniform(-most, most, n_out)
            made.parameters.set({f"W{l}": W, f"b{l}": b})
    return made


def _sum_of_weights(samples: Samples) -> float:
    """Return the sum of the weights of the samples that are used."""
    if samples.weights is None:
        return samples.n
    return float(samples.weights[slice(None) if samples.order is None else samples.order].sum())
