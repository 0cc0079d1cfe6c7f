"""This module makes the steps of L-BFGS: a direction from the last steps and gradients, and a line search by scipy."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..base import extras
from ..engine import compiled, plan
from ..engine.runner import DivergedError, Work
from .settings import Settings
from .state import TrainingState


class Search:
    """`Search` makes the steps of a training whose optimizer is `LBFGS`.

    Parameters
    ----------
    settings : Settings
        The settings of the training.
    state : TrainingState
        The state of the training.
    work : Work
        The work that computes the gradient of the mean loss of the samples that it reads.

    Notes
    -----
    Source: Nocedal and Wright (2006), algorithms 7.4 and 3.5.
    """

    def __init__(self, settings: Settings, state: TrainingState, work: Work):
        self.settings, self.state, self.work, model = settings, state, work, work.model
        self._optimize = extras.package("lbfgs", "LBFGS", "optimize")
        self._are_weights = state.parameters.are("weight")
        self._random = model.random
        rate = settings.average.rate if settings.average else 0.0
        self._settle = plan.settle(model, state.average if rate else None, rate)
        self._seen: dict[bytes, tuple[float, np.ndarray, tuple[float, float, float]]] = {}
        """The results of `look` at the last two points. The line search asks for the cost and the gradient of a point
        in two calls, and the next search begins at the point where this one ended."""

    def look(self, x: np.ndarray) -> tuple[float, np.ndarray, tuple[float, float, float]]:
        """Compute the cost and its gradient at a point.

        Parameters
        ----------
        x : float64 array of shape (size,)
            The parameters.

        Returns
        -------
        cost : float
            The mean loss with the terms of l1 and l2.
        g : float64 array of shape (size,)
            The gradient of the cost, after clipping.
        sums : tuple of three floats
            The `Work.sums`.

        Raises
        ------
        DivergedError
            If the loss is not finite.
        """
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
        """Return the cost and the gradient with clipping and with the terms of l1 and l2.

        The formula is the function `shape` of the kernels, so that it is the same as for all other optimizers.
        """
        assert self.work.gradient is not None
        settings, g, shrink = self.settings, self.work.gradient.astype(np.float64), 1.0
        if settings.clip_norm:
            shrink = min(1.0, settings.clip_norm / (float(np.linalg.norm(g)) + 1e-6))
        W = np.where(self._are_weights, self.state.parameters.theta, 0).astype(np.float64)
        cost += settings.l1 * np.abs(W).sum() + 0.5 * settings.l2 * (W @ W)
        bound = settings.clip_value or math.inf
        return cost, compiled.update.shape(g, W, shrink, bound, settings.l1, settings.l2)

    def step(self, eta: float) -> None:
        """Make one step: theta <- theta + alpha d, with d = -H g.

        H approximates the inverse of the Hessian matrix. It is built from the changes of parameters (s) and gradients
        (y) of the last steps, which the state of the optimizer holds, and starts from (s y / y y) I. The step length
        alpha meets the strong Wolfe conditions.

        Parameters
        ----------
        eta : float
            The factor of the first step length that the search tries.
        """
        if self._random:
            self._seen = {}  # dropout and noise differ from step to step, so old results are not valid
        parameters = self.state.parameters
        start = parameters.theta.astype(np.float64)
        try:
            with np.errstate(all="ignore"):  # a line search also tries points that are too far
                self._step(eta, start)
        except BaseException:  # Ctrl-C must not leave the network at a point that the search has only tried
            parameters.assign(start)
            raise

    def _step(self, eta: float, start: np.ndarray) -> None:
        parameters = self.state.parameters
        cost, g, sums = self.look(start)
        pairs = self.state.vectors.reshape(2, -1, start.size)
        d = eta * self._direction(g, pairs)
        alpha = self._search(start, cost, g, d)
        if alpha is None:
            parameters.assign(start)
            if eta:  # no step makes the cost smaller: start again with the gradient as the direction
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
        """Return the direction -H g. If there are no pairs of changes yet, return -g, shortened if it is long."""
        S, Y = (group[(pairs[0] * pairs[1]).sum(axis=1) > 0][::-1].astype(np.float64) for group in pairs)
        if not len(S):
            return -g / max(1.0, float(np.abs(g).sum()))
        # scipy's H starts from I. In units of `scale`, I is the matrix (s y / y y) I from which H must start.
        scale = math.sqrt((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]))
        direction: np.ndarray = -scale * (self._optimize.LbfgsInvHessProduct(S / scale, Y * scale) @ (scale * g))
        return direction

    def _search(self, start: np.ndarray, cost: float, g: np.ndarray, d: np.ndarray) -> float | None:
        """Return the step length along d, or None if the search finds none that makes the cost smaller."""
        if not g @ d < 0:
            return None

        def cost_at(x: np.ndarray) -> float:
            try:
                return self.look(x)[0]
            except DivergedError:  # the step is too long
                return math.inf

        def gradient_at(x: np.ndarray) -> np.ndarray:
            try:
                return self.look(x)[1]
            except DivergedError:
                return np.full(x.size, np.nan)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy warns when a search ends without a step, which is handled below
            alpha = self._optimize.line_search(cost_at, gradient_at, start, d, g, cost, maxiter=20)[0]
        # If the cost falls without end, scipy returns the last length that it tried, so the cost there must be checked.
        return alpha if alpha is not None and cost_at(start + alpha * d) < cost else None
