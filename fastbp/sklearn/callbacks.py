"""This module tells the callbacks of scikit-learn about the epochs of a fit. They exist from scikit-learn 1.9 on."""

from __future__ import annotations

from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # an older scikit-learn
    CallbackSupportMixin, with_callbacks = object, lambda method: method

__all__ = ["CallbackSupport", "with_callbacks"]


class CallbackSupport(CallbackSupportMixin):
    """`CallbackSupport` calls the callbacks that ``estimator.set_callbacks`` has set: before and after each epoch."""

    def _watched(self) -> bool:
        """Return whether there are callbacks. Without them, their contexts would take a tenth of a small epoch."""
        return bool(getattr(self, "_skl_callbacks", None))

    def _about(self, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Return what callbacks may ask for."""
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return {"estimator": self, "X": X, "y": lambda: self._labels(y), "metadata": metadata}

    def _fitted_now(self) -> dict[str, Any]:
        """Return the attributes that make a copy of the estimator one that stopped here."""
        return {"_network": self._network.astype(self._network.dtype), "_arrays": None}

    def _begin_task(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Tell the callbacks that the fit begins. Return its context, or None without callbacks."""
        if not self._watched():
            return None
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(**self._about(X, y, sample_weight))
        return context

    def _begin_epoch(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Tell the callbacks that an epoch begins. Return its context, or None without callbacks."""
        if not self._watched():
            return None
        context = self._callback_fit_ctx.subcontext(task_name="epoch")
        context.call_on_fit_task_begin(**self._about(X, y, sample_weight))
        return context

    def _end_task(self, context: Any, X: Any, y: Any, sample_weight: Any) -> bool:
        """Tell the callbacks that the task of a context has ended. Return whether one of them wants to stop."""
        if context is None:
            return False
        about = self._about(X, y, sample_weight)
        return context.call_on_fit_task_end(**about, reconstruction_attributes=self._fitted_now)

    _end_epoch = _end_task
