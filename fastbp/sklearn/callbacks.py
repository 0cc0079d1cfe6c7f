"""This module tells the callbacks of scikit-learn about the epochs of a fit. They exist from scikit-learn 1.9 on."""

from __future__ import annotations

from typing import Any

import numpy as np

from .border import Method

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # an older scikit-learn
    CallbackSupportMixin, with_callbacks = type("CallbackSupportMixin", (), {}), lambda method: method

__all__ = ["CallbackSupportMixin", "Watch", "tells_callbacks"]


def tells_callbacks(method: Method) -> Method:
    """Let the callbacks of the estimator begin and end with each call of the method."""
    return with_callbacks(method)


class Watch:
    """`Watch` calls the callbacks that ``estimator.set_callbacks`` has set, before and after each epoch of a fit."""

    def __init__(self, estimator: Any, X: Any, y: Any, weights: np.ndarray | None):
        self.estimator = estimator
        self.active = bool(getattr(estimator, "_skl_callbacks", None))
        """Whether there are callbacks. Without them, their contexts would take a tenth of a small epoch."""
        metadata = None if weights is None else {"sample_weight": weights}
        self._about = {"estimator": estimator, "X": X, "y": lambda: estimator._labels(y), "metadata": metadata}

    def begin(self, epoch: bool = True) -> Any:
        """Tell the callbacks that an epoch, or the fit, begins. Return its context, or None without callbacks."""
        if not self.active:
            return None
        if epoch:
            context = self.estimator._callback_fit_ctx.subcontext(task_name="epoch")
        else:
            context = self.estimator._init_callback_context(max_subtasks=self.estimator.max_iter)
        context.call_on_fit_task_begin(**self._about)
        return context

    def end(self, context: Any) -> bool:
        """Tell the callbacks that what began with a context has ended. Return whether one of them wants to stop."""
        now = self.estimator._fitted_now
        return self.active and bool(context.call_on_fit_task_end(**self._about, reconstruction_attributes=now))
