"""L-BFGS, by scipy: directions from the last pairs of differences, and a line search along them."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from .engine import DivergedError, Job
from .kernels.panels import round_up

if TYPE_CHECKING:
    from .trainer import Trainer


class Search:
    """The steps of a trainer whose optimizer is `LBFGS`.

    Notes
    -----
    Source: Nocedal and Wright (2006), algorithms 7.4 and 3.5.
    """

    def __init__(self, trainer: Trainer, job: Job):
        self.trainer, self.job, self.theta = trainer, job, job.vectors["theta"]
        layout = job.layout
        self._weights = np.zeros(self.theta.size, bool)
        for l in range(len(layout.W)):
            self._weights[layout.matrix(l)] = True
        self._seen: dict[bytes, tuple[float, np.ndarray, tuple]] = {}
        """What the last two points were found to be: a line search asks for cost and gradient apart, and the next one
        begins where it ended."""
        made = trainer.network.architecture
        self._random = bool(made.input_noise or any(made.dropout))

    def look(self, x: np.ndarray) -> tuple[float, np.ndarray, tuple]:
        """The cost at a point with its penalties, the gradient in float64, and `Job.sums`."""
        self.theta[:] = x
        key = self.theta.tobytes()
        if key not in self._seen:
            self.job.transpose()
            self.job.sums = 0.0, 0.0, 0.0
            for _ in self.job.run():
                pass
            found = *self._shaped(self.job.scores(False)["loss"], self.job.vectors["gradient"]), self.job.sums
            self._seen = dict([*self._seen.items()][-1:]) | {key: found}
        return self._seen[key]

    def _shaped(self, cost: float, gradient: np.ndarray) -> tuple[float, np.ndarray]:
        """With clipping and penalties, as the kernels shape the gradient of other optimizers."""
        trainer, g = self.trainer, gradient.astype(np.float64)
        if trainer.clip_norm:
            g *= min(1.0, trainer.clip_norm / (np.linalg.norm(g) + 1e-6))
        if trainer.clip_value:
            np.clip(g, -trainer.clip_value, trainer.clip_value, out=g)
        if trainer.l1 or trainer.l2:
            W = np.where(self._weights, self.theta, 0).astype(np.float64)
            cost += trainer.l1 * np.abs(W).sum() + 0.5 * trainer.l2 * (W @ W)
            g += trainer.l1 * np.sign(W) + trainer.l2 * W
        return cost, g

    def step(self, eta: float) -> None:
        """theta <- theta + alpha d, with d = -H g.

        H approximates the inverse of the Hessian from the pairs of differences that the optimizer's state holds,
        starting from (s y / y y) I; alpha meets the strong Wolfe conditions, and eta is what is tried first.
        """
        if self._random:
            self._seen = {}  # each step has masks of its own
        start = self.theta.astype(np.float64)
        cost, g, sums = self.look(start)
        pairs = self.trainer._state.reshape(2, -1, start.size)
        d = eta * self._direction(g, pairs)
        alpha = self._search(start, cost, g, d)
        if alpha is None:
            self.theta[:] = start
            if eta:  # no step helps: begin again with the gradient
                pairs[:] = 0
        else:
            new = (start + alpha * d).astype(self.theta.dtype).astype(np.float64)
            s, y = new - start, self.look(new)[1] - g
            if s @ y > 1e-10 * (y @ y):
                pairs[:, 1:] = pairs[:, :-1].copy()
                pairs[0, 0], pairs[1, 0] = s, y
        self._limit()
        average = self.trainer._average
        if average is not None:
            average += self.trainer.average.rate * (self.theta - average)
        self.job.sums = sums

    def _direction(self, g: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """-H g; where there are no pairs, a step down the gradient that is not long."""
        from scipy.optimize import LbfgsInvHessProduct

        S, Y = (group[(pairs[0] * pairs[1]).sum(axis=1) > 0][::-1].astype(np.float64) for group in pairs)
        if not len(S):
            return -g / max(1.0, np.abs(g).sum())
        # scipy's H starts from I, which in units of `scale` is the one that is wanted.
        scale = math.sqrt((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]))
        return -scale * (LbfgsInvHessProduct(S / scale, Y * scale) @ (scale * g))

    def _search(self, start: np.ndarray, cost: float, g: np.ndarray, d: np.ndarray) -> float | None:
        """The length of the step along d, or None if none is found that makes the cost less."""
        from scipy.optimize import line_search

        if not g @ d < 0:
            return None

        def cost_at(x: np.ndarray) -> float:
            try:
                return self.look(x)[0]
            except DivergedError:  # too far
                return math.inf

        def gradient_at(x: np.ndarray) -> np.ndarray:
            try:
                return self.look(x)[1]
            except DivergedError:
                return np.full(x.size, np.nan)

        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of a search that ends without a step
            alpha = line_search(cost_at, gradient_at, start, d, g, cost, maxiter=20)[0]
        # Where cost falls without end, the last length tried comes back, whatever is there.
        return alpha if alpha is not None and cost_at(start + alpha * d) < cost else None

    def _limit(self) -> None:
        """The bound on the norms of the weights into each unit."""
        bound, layout, L = self.trainer.network.architecture.max_norm, self.job.layout, self.job.layout.lanes
        if bound is None:
            return
        for l, n_in in enumerate(layout.sizes[:-1]):
            W = self.theta[layout.matrix(l)].reshape(-1, round_up(n_in, L), L)  # panels
            norms = np.sqrt((W.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
            W *= bound / np.maximum(norms, bound)
