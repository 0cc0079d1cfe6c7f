"""This module holds `RBM`, a restricted Boltzmann machine and its training."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from ..base import checks, hints, model_files
from ..base.history import History
from ..base.value_objects import text
from ..callbacks import Callback
from ..data.sources import Arrays
from ..engine import contrast
from ..engine.runner import Samples
from ..engine.works import Works
from ..rules.optimizers import SGD, Optimizer
from ..schedules import Schedule
from ..training import checkpoints, compatibility
from ..training.callback_list import CallbackList, Shown
from ..training.fit_loop import FitLoop
from ..training.settings import named_optimizer
from ..training.state import TrainingState
from ..training.steps import rule_of
from ..training.turn import Turn
from .machine import FIRST_DEVIATION, NAMES, Machine, MachineSettings, Visible
from .model import BoltzmannModel
from .steps import SCORES, ContrastSteps, KeptChains

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from ..base.names import OptimizerName

OPTIMIZER = SGD(0.05, momentum=0.5)
"""The optimizer of a machine if the user gives none."""


class RBM(BoltzmannModel):
    """`RBM` is a restricted Boltzmann machine: a model of the distribution of inputs, with hidden binary units.

    The energy of visible units v and hidden units h is E(v, h) = -b'v - c'h - v'Wh, and the probability of both is
    proportional to e^-E. If the visible units are Gaussian, sum_j (v_j - b_j)^2 / 2 stands in place of -b'v: given h,
    they have the mean Wh + b and the variance 1. The machine learns by contrastive divergence: it raises the
    probability of the samples, and lowers that of what k sweeps of Gibbs sampling make of them.

    You can change a setting of the training between two calls of `fit`: assign the attribute with the name of the
    parameter, for example ``rbm.batch_size = 64``. This works for all parameters from `optimizer` on, except `seed`.

    Parameters
    ----------
    n_visible, n_hidden : int
        The numbers of visible and of hidden units, at least 1.
    visible : {"bernoulli", "gaussian"}, keyword-only, default "bernoulli"
        The visible units. With "bernoulli", inputs are 0 or 1, or probabilities between them. With "gaussian", they are
        numbers, which should have the mean 0 and the standard deviation 1.
    scale : float or array of shape (n_visible,), keyword-only, default 1.0
        The number that multiplies each input after `shift` is subtracted, as for `MLP`. With ``scale=1/255``, raw
        pixels in uint8 can be used as they are.
    shift : float or array of shape (n_visible,), keyword-only, default 0.0
        The number that is subtracted from each input.
    optimizer : str or Optimizer, keyword-only, default SGD(0.05, momentum=0.5)
        The rule that updates the parameters, as for `Trainer`. ``SGD(0.05, momentum=0.5)`` has the learning rate and
        the momentum. All rules are possible but `LBFGS`.
    schedule : Schedule or None, keyword-only, default None
        An object of `fastbp.schedules`, whose factor multiplies the learning rate.
    l2 : float, keyword-only, default 0.0
        The strength of the weight decay, at least 0: l2 times the weights is subtracted from the gradient by which they
        grow. The biases do not decay.
    batch_size : int or "all", keyword-only, default 32
        The number of samples in a minibatch, at least 1. With "all", each step uses all samples.
    shuffle : bool, keyword-only, default True
        With True, each epoch goes through the samples in a new random order.
    k : int, keyword-only, default 1
        The number of sweeps of Gibbs sampling in a step, at least 1 and below 16,384.
    persistent : bool, keyword-only, default False
        With True, the sampling does not begin at the samples of the minibatch, but goes on where the last step ended,
        with as many chains as a minibatch has samples (Tieleman 2008). The chains begin at hidden units of 0.
    n_threads : int or None, keyword-only, default None
        The number of threads, as for `Trainer`. It never changes a result, not even in the last bit.
    dtype : dtype, keyword-only, default float32
        The dtype of the parameters and of the arithmetic: float32 or float64.
    seed : int or None, keyword-only, default None
        The seed of the first weights, of the random orders, and of the sampling of the training. It must be at least 0.
        With None, each machine has another seed.

    Attributes
    ----------
    W, c, b : arrays of shape (n_visible, n_hidden), (n_hidden,) and (n_visible,)
        Copies of the weights, of the biases of the hidden units, and of the biases of the visible units. The weights
        start at small random numbers, and the biases at 0. `set_weights` sets them.
    history : History
        The scores of each finished epoch.

    Raises
    ------
    ValueError
        If an argument is outside its range, or is not a known name.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    Sources: 001 (unsupervised pre-training), Smolensky (1986), Hinton (2002) (contrastive divergence), Hinton (2010)
    (first weights, Gaussian units), Tieleman (2008) (persistent chains).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 50)
    >>> rbm = fb.RBM(4, 2, optimizer=fb.SGD(0.5), batch_size=10, seed=0)
    >>> history = rbm.fit(X, epochs=200)
    >>> history["reconstruction_error"][-1] < 0.2 * history["reconstruction_error"][0]
    True
    >>> F = rbm.free_energy([[1, 1, 0, 0], [1, 0, 1, 0]])
    >>> bool(F[0] < F[1])  # the first one is more probable
    True
    """

    optimizer: Optimizer
    schedule: Schedule | None
    l2: float
    batch_size: int | Literal["all"]
    shuffle: bool
    k: int
    persistent: bool
    n_threads: int | None
    _chains: KeptChains
    _turn: Turn
    _works: Works

    @hints.arguments
    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        visible: Visible = "bernoulli",
        scale: ArrayLike = 1.0,
        shift: ArrayLike = 0.0,
        optimizer: OptimizerName | Optimizer = OPTIMIZER,
        schedule: Schedule | None = None,
        l2: float = 0.0,
        batch_size: int | Literal["all"] = 32,
        shuffle: bool = True,
        k: int = 1,
        persistent: bool = False,
        n_threads: int | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ):
        settings = MachineSettings(
            optimizer=named_optimizer(optimizer), schedule=schedule, l2=l2, batch_size=batch_size, shuffle=shuffle, k=k,
            persistent=persistent, n_threads=n_threads,
        )  # fmt: skip
        given: Any = dtype
        self._set_up(Machine(n_visible, n_hidden, visible, given), settings, seed)
        self._transform_as({"shift": shift, "scale": scale})
        shape = self._machine.sizes
        W = checks.generator(seed).normal(0.0, FIRST_DEVIATION, shape).astype(self.dtype)
        self.parameters.set({"W": W})

    def _set_up(self, machine: Machine, settings: MachineSettings, seed: int | None) -> None:
        """Set all attributes. The weights and biases are 0."""
        self._set_up_model(machine)
        state = TrainingState(self.parameters, settings.optimizer, seed)
        chains = KeptChains(machine.n_hidden)
        self.__dict__.update(_settings=settings, _state=state, _chains=chains, **self._made())

    @staticmethod
    def _made() -> dict[str, Any]:
        """Return new objects that a copy does not share."""
        return {"_turn": Turn("RBM", "a callback"), "_works": Works(2)}

    @classmethod
    def _from_architecture(cls, machine: Machine) -> Self:
        made = cls.__new__(cls)
        made._set_up(machine, MachineSettings(optimizer=OPTIMIZER), None)
        return made

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(self, name: str) -> Any:
            if name not in NAMES or "_settings" not in self.__dict__:
                hints.refuse(type(self), name, NAMES)
            return getattr(self.__dict__["_settings"], name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in NAMES:
                hints.check_own(self, RBM, name, NAMES)
                object.__setattr__(self, name, value)
                return
            self.__dict__["_settings"] = dataclasses.replace(self.settings, **{name: value})

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *NAMES})

    def __repr__(self) -> str:
        made, default = self._machine, MachineSettings(optimizer=OPTIMIZER)
        shown = [f"visible={made.visible!r}"] * (made.visible != "bernoulli")
        shown += [f"{name}={_short(getattr(self, name))}" for name in ("shift", "scale") if _varies(self, name)]
        for name in NAMES:
            if (value := getattr(self.settings, name)) != getattr(default, name):
                shown.append(f"{name}={text(value)}")
        shown += [f"dtype={str(made.dtype)!r}"] * (made.dtype != np.float32)
        return f"RBM({', '.join([*map(str, made.sizes), *shown])})"

    @property
    def settings(self) -> MachineSettings:
        """The checked settings of the training. Assign the attribute with the name of a setting to change it."""
        settings: MachineSettings = self.__dict__["_settings"]
        return settings

    @property
    def state(self) -> TrainingState:
        """What training has changed so far."""
        state: TrainingState = self.__dict__["_state"]
        return state

    @property
    def network(self) -> RBM:
        """The machine itself: to a callback, it is the network and the trainer."""
        return self

    @property
    def history(self) -> History:
        """The scores of each epoch that is finished, as a `History`."""
        return self.state.history

    def _trained_on(self, samples: Samples) -> None:
        """Do nothing: a machine keeps nothing of samples."""

    @hints.arguments
    def fit(
        self, X: ArrayLike, *, epochs: int = 1, callbacks: Iterable[Callback] = (), progress: Shown = None
    ) -> History:
        """Train the machine for a number of epochs. A further call continues where the last call ended.

        Parameters
        ----------
        X : array of shape (n, n_visible)
            The inputs; each row is a sample. C-contiguous arrays of dtype uint8, float32 and float64 are read without a
            copy.
        epochs : int, keyword-only, default 1
            The number of epochs of this call, at least 0. After `resume`, the epochs before the interruption count too.
        callbacks : iterable of Callback, keyword-only, default ()
            The callbacks, as for `Trainer.fit`, for example `Checkpoint`. For them, the machine is `state.trainer`
            and `state.network`.
        progress : bool, "lines" or None, keyword-only, default None
            What to show, as for `Trainer.fit`.

        Returns
        -------
        History
            One row for each epoch, also of earlier calls. The scores are means over the epoch; each sample is evaluated
            just before the step that uses it. "free_energy" is that of the samples. "reconstruction_error" is the mean
            square of the difference between a sample and the probabilities, or the means, of the visible units that its
            hidden units give. "pseudo_likelihood" estimates the sum of ln p(v_i | other v) over the visible units, as
            `pseudo_likelihood` does; Gaussian units have none. "learning_rate" and "seconds" are as for `Trainer.fit`.

        Raises
        ------
        ValueError
            If an argument does not fit. The machine has not changed then.
        TypeError
            If an argument has the wrong type, or X is sparse.
        FloatingPointError
            If a score becomes NaN or infinite. The machine then has the parameters from the beginning of the epoch.
        KeyboardInterrupt
            If you press Ctrl-C. The machine keeps what it has learnt.
        RuntimeError
            If a callback calls `fit` of the same machine.

        Examples
        --------
        >>> import fastbp as fb
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(100, 5))
        >>> rbm = fb.RBM(5, 3, visible="gaussian", persistent=True, seed=0)
        >>> rbm.fit(X, epochs=2).epochs
        2
        """
        epochs, given = checks.integer(epochs, "epochs", 0), CallbackList(callbacks, False).all
        called = CallbackList([*given, self._chains], progress)
        self._turn.check("fit was called")
        with self._turn.lock, self._turn:
            samples, settings = Samples(self._inputs(X)), self.settings
            compatibility.check_monitors(settings, called, [*self._scored, "learning_rate", "seconds"])
            source = Arrays(samples, None, settings.shuffle, None, settings.batch or samples.n)
            loop: Any = FitLoop  # a machine is trainer and network, as far as the loop needs them
            loop(self, source, called, epochs, lambda: self._steps(source.batch)).train(None)
        return self.history

    def _steps(self, batch: int) -> ContrastSteps:
        """Return steps of `batch` samples with the present settings and state."""
        settings, state, made = self.settings, self.state, self._machine
        state.suit(self.parameters, settings.optimizer, None)
        if settings.persistent:
            self._chains.begin(batch)
        model, normal = self._computer.model, made.visible == "gaussian"

        def make() -> Any:
            rule = rule_of(settings, state)
            options = settings.n_threads, state.seed, rule, normal, settings.k, settings.persistent
            return contrast.train(model, batch, *options)

        work, chains = self._works.get(make, (model, settings, state.vectors), batch)
        return ContrastSteps(work, state, chains, self._chains, self._scored)

    @property
    def _scored(self) -> tuple[str, ...]:
        """The names of the scores of an epoch."""
        return SCORES[: 2 if self._machine.visible == "gaussian" else 3]

    @classmethod
    def resume(cls, directory: str | os.PathLike[str]) -> Self:
        """Make the machine of the newest checkpoint that a `Checkpoint` callback wrote, with its training.

        To continue an interrupted call of `fit`, call `fit` with the same samples, the same number of epochs and the
        same callbacks. The machine ends with exactly the same bits as without an interruption.

        Parameters
        ----------
        directory : str or path-like
            The directory of the checkpoints.

        Returns
        -------
        RBM
            The new machine.

        Raises
        ------
        FileNotFoundError
            If the directory has no checkpoint.
        ModelFileError
            If no checkpoint can be read.

        Examples
        --------
        >>> import fastbp as fb
        >>> import tempfile
        >>> rbm = fb.RBM(2, 2, seed=0)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     _ = rbm.fit([[0, 1], [1, 0]], epochs=2, callbacks=[fb.Checkpoint(directory)])
        ...     twin = fb.RBM.resume(directory)
        >>> twin.history.epochs, bool((twin.W == rbm.W).all())
        (2, True)
        """
        return checkpoints.newest(directory, cls._read)

    @classmethod
    def _read(cls, path: Path) -> Self:
        """Make the machine of one checkpoint."""
        with model_files.opened(path, checkpoints.KIND) as contents:
            found = checkpoints.SavedTraining(contents, Machine, cls._from_architecture)
            made: Self = found.network
            made.__dict__["_settings"] = settings = MachineSettings(**found.settings)
            made.state.begin(settings.optimizer)
            found.load_into(made.state)
            for name, _, values in made.state.position.callbacks:  # also after the last epoch of a call
                if name == KeptChains.__name__:
                    made._chains.load(values)
        return made

    def __copy__(self) -> Self:
        return copy.deepcopy(self)  # because two machines must never share parameters

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without locks, and without works, whose memory knows its own address."""
        left = dict.fromkeys((*self._made(), "_computer", "_samplers"))
        return {**self.__dict__, **left, "_inputs_as": self._vectors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vectors = state.pop("_inputs_as")
        self.__dict__.update({**state, **self._made()})
        self._set_up_model(self._machine, self.state.parameters)
        self._transform_as(vectors)


def _varies(machine: RBM, name: str) -> bool:
    """Return whether `shift` or `scale` is not the default."""
    return bool((getattr(machine, name) != (0 if name == "shift" else 1)).any())


def _short(values: np.ndarray) -> str:
    """Return a vector as one would give it."""
    return text(values[0] if len({*values.tolist()}) == 1 else values.tolist())
