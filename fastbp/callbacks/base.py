"""This module holds `Callback`, the base class of all callbacks, the `State` that they receive, and `Lambda`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..base import checks, hints
from ..base.history import History
from ..base.value_objects import call
from ..network.mlp import MLP
from ..schedules.base import UNITS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Trains(Protocol):
    """What a callback may use of the `fastbp.Trainer` that calls it. Its settings and its state are known above."""

    @property
    def network(self) -> MLP:
        """The network."""

    @property
    def history(self) -> History:
        """The finished epochs."""

    @property
    def averaged(self) -> MLP:
        """A network with the average of the parameters."""

    @property
    def settings(self) -> Any:
        """The settings."""

    @property
    def state(self) -> Any:
        """The state of the training."""

    def evaluate(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """Compute the scores of some samples."""


@dataclass
class State:
    """`State` tells a callback how far training has come, and lets the callback stop it.

    All hooks of all callbacks receive the same `State` object during one call of `Trainer.fit`. Of its attributes, a
    callback may set only `stop`. It must not set `stop` back to False, because another callback may have set it.

    A callback may also use the trainer and the network:

    - It may call ``state.trainer.evaluate(X, y)`` and ``state.network.predict(X)`` in every hook. They use the
      parameters after the last finished step. If the trainer has an average, `evaluate` uses the average.
    - It may change the parameters with ``state.network.set_weights(...)``. The next step starts from the new ones.
    - It must not call `fit` or `partial_fit` of the same trainer, which raises RuntimeError.

    Attributes
    ----------
    trainer, network : Trainer, MLP
        The trainer whose `fit` is running, and its network. ``trainer.history`` has one row for each finished epoch.
    callbacks : list of Callback
        All callbacks of this call of `fit`, in the order in which it calls them.
    epoch, step : int
        The numbers of epochs and steps that this trainer has finished, in all calls of `fit` and `partial_fit`
        together. During the first epoch, `epoch` is 0. A step is one update of the parameters, after one minibatch.
    epochs : int
        The value that `epoch` has when this call of `fit` ends, unless something stops it before.
    samples : int
        The number of samples that the current epoch has used so far.
    epoch_samples : int or None
        The number of samples in an epoch, or None if `fit` trains on blocks: their number is not known in advance.
    scores : dict of str to float
        In `on_epoch_end`, the row of the history for this epoch, for example the keys "loss", "learning_rate",
        "seconds" and "validation_loss". In the hooks for minibatches, the mean "loss" over the samples of this epoch so
        far, and the mean "accuracy" if the targets are classes. Before the first minibatch of an epoch it is empty.
    stop : bool
        Set it to True to end training. After `on_batch_begin` or `on_batch_end`, training ends before the next
        minibatch: the network keeps the steps that are finished, but the epoch does not count and has no row in the
        history. The epoch does count if its last minibatch is finished (on blocks it does not, because `fit` cannot
        know that a minibatch is the last one). After the other hooks, training ends before the next epoch.

    Examples
    --------
    With 3 samples and minibatches of 2, an epoch has two steps:

    >>> import fastbp as fb
    >>> seen = fb.callbacks.Lambda(batch_end=lambda state: print(state.epoch, state.step, state.samples))
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", batch_size=2)
    >>> _ = trainer.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0], epochs=2, callbacks=[seen])
    0 1 2
    0 2 3
    1 3 2
    1 4 3
    """

    trainer: Trains
    callbacks: list[Callback]
    epochs: int
    epoch: int
    step: int = 0
    samples: int = 0
    epoch_samples: int | None = None
    scores: dict[str, float] = field(default_factory=dict)
    stop: bool = False

    @property
    def network(self) -> MLP:
        """The network that is trained."""
        return self.trainer.network


class Callback:
    """`Callback` is the base class of all callbacks. Derive a class from it, and define the hooks that you need.

    A hook is a method that `Trainer.fit` calls at a certain point of training. It receives a `State`, and its return
    value is ignored. The hooks of this class do nothing. `fit` calls them in this order::

        on_train_begin
        for each epoch:
            on_epoch_begin
            for each minibatch:
                on_batch_begin
                on_batch_end
            on_epoch_end
        on_train_end

    Give the callbacks to ``fit(..., callbacks=[...])``. At each point, `fit` calls them in the order of the list. If a
    hook raises an error, training ends, `fit` calls `on_train_end` of all callbacks, and the error reaches the caller
    of `fit`. The class `State` says what a callback may change.

    A class with a method whose name begins with ``on_`` and is not that of a hook is refused with a TypeError.

    Attributes
    ----------
    every : int or None, default 1
        How often `fit` calls `on_batch_begin` and `on_batch_end`. Set it in your class, or on an object of it.

        With an int k, which must be at least 1, `fit` calls `on_batch_end` after every k-th step of the trainer, and
        `on_batch_begin` before the steps 1, k + 1, 2k + 1 and so on. A larger k is faster, because the compiled code
        must return to Python for each call.

        With None, `fit` calls the hooks only when the compiled code returns to Python anyway. That is about 20 times a
        second, and at the end of each epoch. It takes almost no time, and is right for a display.

        If no callback defines a hook for minibatches, these hooks take no time at all. If `every` has another value,
        `fit` raises ValueError or TypeError.
    late : bool, default False
        With True, `fit` calls this callback after all callbacks that have False. For example, `Checkpoint` is late, so
        that it stores what the other callbacks have computed at the end of the same epoch.

    Examples
    --------
    This callback stops training when the loss has reached a goal:

    >>> import fastbp as fb
    >>> class StopAt(fb.callbacks.Callback):
    ...     def __init__(self, goal):
    ...         self.goal = goal
    ...
    ...     def on_epoch_end(self, state):
    ...         if state.scores["loss"] <= self.goal:
    ...             state.stop = True
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), seed=0)
    >>> history = trainer.fit(X, y, epochs=1000, callbacks=[StopAt(0.01)])
    >>> history.epochs < 1000
    True
    >>> history["loss"][-1] <= 0.01 < history["loss"][-2]
    True
    """

    every: int | None = 1
    sees_each_epoch = True
    """Whether the hooks must be called for each epoch. If not, short epochs may run together between two calls."""
    late = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        hooks = [name for name in vars(Callback) if name.startswith("on_")]
        for name in dir(cls):
            if name.startswith("on_") and name not in hooks:
                raise TypeError(
                    f"{cls.__name__}.{name} is not one of the hooks {', '.join(hooks)}, so nothing would call it"
                    f"{hints.meant(name, hooks, {})}"
                )

    def __repr__(self) -> str:
        return call(self)

    def on_train_begin(self, state: State) -> None:
        """`fit` calls this hook once, before the first epoch. Open files and reset counters here.

        If `stop` is set here, `fit` trains no epoch.
        """

    def on_epoch_begin(self, state: State) -> None:
        """`fit` calls this hook before each epoch. ``state.epoch`` is 0 before the first one.

        If `stop` is set here, `fit` does not begin the epoch.
        """

    def on_batch_begin(self, state: State) -> None:
        """`fit` calls this hook before a minibatch; `every` says before which ones. ``state.step`` starts at 0.

        If `stop` is set here, `fit` does not train on the minibatch.
        """

    def on_batch_end(self, state: State) -> None:
        """`fit` calls this hook after a minibatch; `every` says after which ones. ``state.step`` starts at 1."""

    def on_epoch_end(self, state: State) -> None:
        """`fit` calls this hook after each epoch, when the validation of the epoch is finished too.

        ``state.epoch`` is 1 after the first epoch, and ``state.scores`` is the row of the history for this epoch.
        `fit` does not call the hook for an epoch that a callback or an error has ended early.
        """

    def on_train_end(self, state: State) -> None:
        """`fit` calls this hook once, when training ends for any reason. Close files here.

        The reason may be an error or Ctrl-C, even before `on_train_begin` of this callback was called.
        """

    def save(self) -> dict[str, Any]:
        """Return the values that a checkpoint must store so that this callback can continue later.

        `Checkpoint` calls this method each time that it writes a file. Define `save` and `load` if your callback
        collects values during training.

        Returns
        -------
        dict of str to value
            Each value is a NumPy array, or something that JSON can store: a number, a string, a bool, None, or a list
            or dict of these. The base class returns an empty dict: it has nothing to store.

        Examples
        --------
        This callback counts epochs. The count continues when training resumes from a checkpoint:

        >>> import tempfile
        >>> import fastbp as fb
        >>> class Counter(fb.callbacks.Callback):
        ...     count = 0
        ...
        ...     def on_epoch_end(self, state):
        ...         self.count += 1
        ...
        ...     def save(self):
        ...         return {"count": self.count}
        ...
        ...     def load(self, kept):
        ...         self.count = kept["count"]
        >>> X, y = [[0.0], [1.0]], [0.0, 1.0]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
        ...     _ = trainer.fit(X, y, epochs=2, callbacks=[Counter(), fb.Checkpoint(directory)])
        ...     counter, resumed = Counter(), fb.Trainer.resume(directory)
        ...     _ = resumed.fit(X, y, epochs=5, callbacks=[counter, fb.Checkpoint(directory)])
        >>> counter.count
        5
        """
        return {}

    def load(self, kept: dict[str, Any]) -> None:
        """Continue from the values that `save` returned before training was interrupted.

        `fit` calls this method after `on_train_begin` when training resumes from a checkpoint that has values of this
        callback. It finds the callback by the name of its class. If several callbacks have the same class, their order
        must be the same as before. If there is no such callback, or if this method raises ValueError, TypeError or
        KeyError, `fit` raises ValueError, and the trainer stays as it was.

        Parameters
        ----------
        kept : dict of str to value
            The values that `save` returned. A tuple has become a list, because JSON has no tuples.
        """


class Periodic(Callback):
    """`Periodic` is the base class of callbacks that do something every so many epochs or steps: `_act`."""

    every = checks.Checked(lambda value, name: checks.integer(value, name, 1))
    per = checks.Checked(lambda value, name: checks.choice(value, name, UNITS))

    def _act(self, state: State) -> None:
        """Do it."""

    def _is_due(self, state: State) -> bool:
        """Return whether it is time at the end of an epoch."""
        return self.per == "epoch" and state.epoch % self.every == 0

    @property
    def on_batch_end(self) -> Hook:  # a hook that the base class defines costs no time
        """What `fit` calls after a minibatch."""
        return self._act if self.per == "step" else super().on_batch_end


Hook = Callable[[State], None]
"""The type of a function that `Lambda` calls. It takes the `State`, and its return value is ignored."""


class Lambda(Callback):
    """`Lambda` makes a callback from one or more functions. Each function takes the `State`.

    Parameters
    ----------
    train_begin, epoch_begin, batch_begin, batch_end, epoch_end, train_end : function or None, keyword-only
        The functions that `fit` calls at these points, see `Callback`. With None, the default, it calls nothing.
    every : int or None, keyword-only, default 1
        With an int k, `fit` calls `batch_begin` and `batch_end` at every k-th step; k must be at least 1. With None, it
        calls them about 20 times a second. The class `Callback` says more about it.

    Raises
    ------
    TypeError
        If one of the functions cannot be called, or if `every` is not an integer.
    ValueError
        If `every` is below 1.

    Examples
    --------
    This callback prints after each second step. There are 5 steps, because each minibatch has one sample:

    >>> import fastbp as fb
    >>> show = fb.callbacks.Lambda(batch_end=lambda state: print("step", state.step), every=2)
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", batch_size=1)
    >>> _ = trainer.fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, 1.0, 2.0, 3.0, 4.0], callbacks=[show])
    step 2
    step 4
    """

    def __init__(
        self,
        *,
        train_begin: Hook | None = None,
        epoch_begin: Hook | None = None,
        batch_begin: Hook | None = None,
        batch_end: Hook | None = None,
        epoch_end: Hook | None = None,
        train_end: Hook | None = None,
        every: int | None = 1,
    ):
        self.every = None if every is None else checks.integer(every, "every", 1)
        self._functions = {
            "train_begin": train_begin, "epoch_begin": epoch_begin, "batch_begin": batch_begin,
            "batch_end": batch_end, "epoch_end": epoch_end, "train_end": train_end,
        }  # fmt: skip
        for name, function in self._functions.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function of the state, got {function!r}")
            if function is not None:
                setattr(self, f"on_{name}", function)

    def __repr__(self) -> str:
        return call(self, **self._functions)
