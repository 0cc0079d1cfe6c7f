"""This module makes the steps of L-BFGS: a direction from the last steps and gradients, and a line search by scipy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import cast

import numpy as np

from ..base import extras
from ..base.user_warnings import warn
from ..data.targets import Targets
from ..engine import compiled, plan
from ..engine.runner import DivergedError, Work
from ..rules.optimizers import LBFGS
from .settings import Settings
from .state import TrainingState

LARGE = 2.0**20
"""The size of targets from which on float32 hardly shows that the first step, whose length is 1, lowers the loss."""


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
    widen : function
        What makes a work like it that computes in float64.

    Attributes
    ----------
    work : Work
        The work that computes the loss, see `choose`.
    ended : bool
        Whether the last step has met a tolerance of `LBFGS`, or no step was found.

    Notes
    -----
    Source: Nocedal and Wright (2006), algorithms 7.4 and 3.5.
    """

    def __init__(self, settings: Settings, state: TrainingState, work: Work, widen: Callable[[], Work]):
        self.settings, self.state, self.work, model = settings, state, work, work.model
        self._own, self._widen, self._rule = work, widen, cast(LBFGS, settings.optimizer)
        self._places: np.ndarray | None = None
        """Where the parameters of a work in float64 lie in theta, or a number below 0 for its padding."""
        self._optimize = extras.package("lbfgs", "LBFGS", "optimize")
        self._are_weights = state.parameters.are("weight")
        self._random, self.ended = model.random, False
        self._settle = plan.settle(model, state.moving(settings.average))
        self._seen: dict[bytes, tuple[float, np.ndarray, tuple[float, float, float]]] = {}
        """The results of `look` at the last two points. The line search asks for the cost and the gradient of a point
        in two calls, and the next search begins at the point where this one ended."""

    def choose(self, y: Targets) -> Work:
        """Return the work for these targets, which computes the loss from now on.

        With large targets, it computes in float64: in float32, a step of length 1 would not change the residual of 1e9.
        """
        if self._places is not None or self._own.model.dtype == np.float64 or y.classes or y.sparse or y.gradient:
            return self.work
        if max(y.dense.max(initial=0), -float(y.dense.min(initial=0))) >= LARGE:
            self.work, narrow = self._widen(), self.state.parameters
            # The size of an integer decides how panels lie, as that of a float does.
            places = np.zeros(self.work.model.parameters.theta.size, np.int64)
            numbers = narrow.unpack(np.arange(1, narrow.theta.size + 1, dtype=np.int32))
            self.work.model.parameters.pack(numbers, places)
            self._places = places - 1
        return self.work

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
        if self._places is not None:
            self.work.model.parameters.assign(np.where(self._places < 0, 0.0, x[self._places]))
        key = self.work.model.parameters.theta.tobytes()
        if key not in self._seen:
            self.work.sums = 0.0, 0.0, 0.0
            for _ in self.work.run():
                pass
            found = *self._penalised(self.work.scores(False)["loss"], x), self.work.sums
            self._seen = dict([*self._seen.items()][-1:]) | {key: found}
        return self._seen[key]

    def _penalised(self, cost: float, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cost and the gradient with clipping and with the terms of l1 and l2.

        The formula is the function `shape` of the kernels, so that it is the same as for all other optimizers.
        """
        assert self.work.gradient is not None
        settings, g, shrink = self.settings, self.work.gradient.astype(np.float64), 1.0
        if self._places is None:
            x = self.state.parameters.theta
        else:
            found, real, g = g, self._places >= 0, np.zeros(x.size)
            g[self._places[real]] = found[real]
        if settings.clip_norm:
            shrink = min(1.0, settings.clip_norm / (float(np.linalg.norm(g)) + 1e-6))
        W = np.where(self._are_weights, x, 0).astype(np.float64)
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
        new = self._search(start, cost, g, d, anyway=not pairs.any())
        if new is None:
            parameters.assign(start)
            if eta:  # no step makes the cost smaller: start again with the gradient as the direction
                self._end(not pairs.any(), g)
                pairs[:] = 0
        else:
            new = new.astype(parameters.theta.dtype).astype(np.float64)
            new_cost, new_g, _ = self.look(new)
            s, y = new - start, new_g - g
            self._end(cost - new_cost <= self._rule.ftol * max(abs(cost), abs(new_cost), 1.0), new_g)
            if s @ y > 1e-10 * (y @ y):
                pairs[:, 1:] = pairs[:, :-1].copy()
                pairs[0, 0], pairs[1, 0] = s, y
        if self._settle is not None:
            self._settle.steps_done = self.state.step
            self._settle.run_once()
        self.work.sums = sums

    def _end(self, still: bool, g: np.ndarray) -> None:
        """Decide whether the step is the last one, because the cost stands still or the gradient g is small."""
        most, gtol = float(np.abs(g).max()), self._rule.gtol
        self.ended = not self._random and bool(still or most <= gtol)
        if self.ended and not self.state.step and most > gtol:
            warn(
                f"LBFGS ends with its first step: no trial along the gradient makes the loss much smaller in "
                f"{self.state.parameters.theta.dtype}, although a derivative is {most:.3g}; scale the inputs and the "
                f"targets, for example with network.standardize(X, y), or use dtype='float64'"
            )

    def _direction(self, g: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Return the direction -H g. If there are no pairs of changes yet, return -g, shortened if it is long."""
        known = np.multiply(*pairs, dtype=np.float64).sum(axis=1) > 0
        S, Y = (group[known][::-1].astype(np.float64) for group in pairs)
        if not len(S):
            return -g / max(1.0, float(np.abs(g).sum()))
        # scipy's H starts from I. In units of `scale`, I is the matrix (s y / y y) I from which H must start.
        scale = math.sqrt((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]))
        direction: np.ndarray = -scale * (self._optimize.LbfgsInvHessProduct(S / scale, Y * scale) @ (scale * g))
        return direction

    def _search(self, start: np.ndarray, cost: float, g: np.ndarray, d: np.ndarray, anyway: bool) -> np.ndarray | None:
        """Return a point along d that meets the strong Wolfe conditions, or None if the search finds none.

        With `anyway`, there is no other direction left. Then the point with the least cost is taken, if it is below the
        cost at the start. A trial at which the loss is not finite is too long, however long it is.
        """
        if not g @ d < 0:
            return None
        best: float = cost
        point: np.ndarray | None = None

        def cost_at(x: np.ndarray) -> float:
            nonlocal best, point
            try:
                found = self.look(x)[0]
            except DivergedError:  # the step is too long
                return math.inf
            if found < best:
                best, point = found, x
            return found

        def gradient_at(x: np.ndarray) -> np.ndarray:
            try:
                return self.look(x)[1]
            except DivergedError:
                return np.full(x.size, np.nan)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy warns when a search ends without a step, which is handled below
            while True:
                alpha = self._optimize.line_search(cost_at, gradient_at, start, d, g, cost, maxiter=20)[0]
                if alpha is not None or not d.any() or cost_at(start + d) < math.inf:
                    break
                d = d / 1024  # the search divides a length by about as much before it gives up
        # If the cost falls without end, scipy returns the last length that it tried, so the cost there must be checked.
        found: np.ndarray | None = None if alpha is None else start + alpha * d
        if found is not None and cost_at(found) < cost:
            return found
        return point if anyway else None
