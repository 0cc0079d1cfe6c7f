"""L-BFGS, by scipy: directions from the last pairs of differences, and a line search along them."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..engine import plan
from ..engine.work import DivergedError, Work
from ..kernels.update import shape
from .settings import Settings
from .state import TrainingState


class Search:
    """The steps of a training whose optimizer is `LBFGS`.

    Parameters
    ----------
    settings, state : of the training.
    work : that computes the gradient of the samples that it is reading.

    Notes
    -----
    Source: Nocedal and Wright (2006), algorithms 7.4 and 3.5.
    """

    def __init__(self, settings: Settings, state: TrainingState, work: Work):
        self.settings, self.state, self.work, model = settings, state, work, work.model
        self._are_weights = state.parameters.are_weights()
        self._random = bool(model.noise or any(model.dropout))
        rate = settings.average.rate if settings.average else 0.0
        self._settle = plan.settle(model, state.average if rate else None, rate)
        self._seen: dict[bytes, tuple[float, np.ndarray, tuple]] = {}
        """What the last two points were found to be: a line search asks for cost and gradient apart, and the next one
        begins where it ended."""

    def look(self, x: np.ndarray) -> tuple[float, np.ndarray, tuple]:
        """The cost at a point with its penalties, the gradient in float64, and `Work.sums`."""
        parameters = self.state.parameters
        parameters.assign(x)
        key = parameters.theta.tobytes()
        if key not in self._seen:
            self.work.sums = 0.0, 0.0, 0.0
            for _ in self.work.run():
                pass
            found = *self._penalised(self.work.scores(False)["loss"]), self.work.sums
            self._seen = dict([*self._seen.items()][-1:]) | {key: found}
        return self._seen[key]

    def _penalised(self, cost: float) -> tuple[float, np.ndarray]:
        """The cost and the gradient with clipping and penalties, by the formula that the kernels have for others."""
        settings, g, shrink = self.settings, self.work.gradient.astype(np.float64), 1.0
        if settings.clip_norm:
            shrink = min(1.0, settings.clip_norm / (np.linalg.norm(g) + 1e-6))
        W = np.where(self._are_weights, self.state.parameters.theta, 0).astype(np.float64)
        cost += settings.l1 * np.abs(W).sum() + 0.5 * settings.l2 * (W @ W)
        return cost, shape(g, W, shrink, settings.clip_value or math.inf, settings.l1, settings.l2)

    def step(self, eta: float) -> None:
        """theta <- theta + alpha d, with d = -H g.

        H approximates the inverse of the Hessian from the pairs of differences that the optimizer's state holds,
        starting from (s y / y y) I; alpha meets the strong Wolfe conditions, and eta is what is tried first.
        """
        if self._random:
            self._seen = {}  # each step has masks of its own
        parameters = self.state.parameters
        start = parameters.theta.astype(np.float64)
        cost, g, sums = self.look(start)
        pairs = self.state.vectors.reshape(2, -1, start.size)
        d = eta * self._direction(g, pairs)
        alpha = self._search(start, cost, g, d)
        if alpha is None:
            parameters.assign(start)
            if eta:  # no step helps: begin again with the gradient
                pairs[:] = 0
        else:
            new = (start + alpha * d).astype(parameters.theta.dtype).astype(np.float64)
            s, y = new - start, self.look(new)[1] - g
            if s @ y > 1e-10 * (y @ y):
                pairs[:, 1:] = pairs[:, :-1].copy()
                pairs[0, 0], pairs[1, 0] = s, y
        if self._settle is not None:
            self._settle.run_once()
        self.work.sums = sums

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
