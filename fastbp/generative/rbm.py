"""This module holds `RBM`, a restricted Boltzmann machine."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from ..base import checks, hints, model_files
from ..base.history import History
from ..base.locked import locked
from ..base.value_objects import text
from ..callbacks import Callback
from ..data import arrays
from ..data.inputs import Inputs, inputs
from ..data.sources import Arrays
from ..engine import contrast, plan, threads
from ..engine.blocks import Parameters
from ..engine.computer import Computer
from ..engine.memory import Model
from ..engine.runner import Samples
from ..engine.works import Works
from ..kernels.panels import aligned, lanes_of, round_up
from ..rules.optimizers import SGD, Optimizer
from ..schedules import Schedule
from ..training import checkpoints
from ..training.callback_list import CallbackList, Shown
from ..training.fit_loop import FitLoop
from ..training.settings import named_optimizer
from ..training.state import TrainingState
from ..training.steps import rule_of
from ..training.turn import Turn
from .machine import FIRST_DEVIATION, NAMES, Machine, MachineSettings, Visible
from .steps import SCORES, ContrastSteps, KeptChains

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from ..base.names import OptimizerName

BETWEEN = -1e-6, 1 + 1e-6
"""The numbers between which the inputs of a machine with binary units lie, with room for rounding."""


class RBM(hints.Hinted):
    """`RBM` is a restricted Boltzmann machine: a model of the distribution of inputs, with hidden binary units.

    The energy of visible units v and hidden units h is E(v, h) = -b'v - c'h - v'Wh, and the probability of both is
    proportional to e^-E. If the visible units are Gaussian, |v - b|^2 / 2 stands in place of -b'v: given h, they have
    the mean Wh + b and the variance 1. The machine learns by contrastive divergence: it raises the probability of the
    samples, and lowers that of what k sweeps of Gibbs sampling make of them.

    You can change a setting of the training between two calls of `fit`: assign the attribute with the name of the
    parameter, for example ``rbm.batch_size = 64``. This works for all parameters from `optimizer` on, except `seed`.

    Parameters
    ----------
    n_visible, n_hidden : int
        The numbers of visible and of hidden units, at least 1.
    visible : {{"bernoulli", "gaussian"}}, keyword-only, default "bernoulli"
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
    batch_size : int, keyword-only, default 32
        The number of samples in a minibatch, at least 1.
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

    _between = BETWEEN

    @hints.arguments
    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        visible: Visible = "bernoulli",
        scale: ArrayLike = 1.0,
        shift: ArrayLike = 0.0,
        optimizer: OptimizerName | Optimizer = SGD(0.05, momentum=0.5),  # noqa: B008  # it never changes
        schedule: Schedule | None = None,
        l2: float = 0.0,
        batch_size: int = 32,
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
        blocks = (block for layer in machine.layers() for block in layer.blocks())
        state = TrainingState(Parameters(blocks, machine.dtype), settings.optimizer, seed)
        self.__dict__.update(_machine=machine, _settings=settings, _state=state)
        self.__dict__.update(_chains=KeptChains(machine.n_hidden), **self._made())
        self._transform_as({"shift": np.zeros(machine.n_visible), "scale": np.ones(machine.n_visible)})

    @staticmethod
    def _made() -> dict[str, Any]:
        """Return new objects that a copy does not share."""
        return {"_turn": Turn("RBM", "a callback"), "_works": Works(2), "_samplers": Works(2)}

    @classmethod
    def _from_architecture(cls, machine: Machine) -> Self:
        """Make a machine whose weights and biases are 0."""
        made = cls.__new__(cls)
        made._set_up(machine, MachineSettings(optimizer=SGD(0.05, momentum=0.5)), None)
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
        made, default = self._machine, MachineSettings(optimizer=SGD(0.05, momentum=0.5))
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
    def architecture(self) -> Machine:
        """The checked arguments that define the machine."""
        return self._machine

    @property
    def network(self) -> RBM:
        """The machine itself: to a callback, it is the network and the trainer."""
        return self

    @property
    def parameters(self) -> Parameters:
        """The parameters in the memory of the kernels. `W`, `b` and `c` are copies of them."""
        return self.state.parameters

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters and of the arithmetic: float32 or float64."""
        return self._machine.dtype

    @property
    def history(self) -> History:
        """The scores of each epoch that is finished, as a `History`."""
        return self.state.history

    def _block(self, name: str) -> np.ndarray:
        """Return a copy of a block of parameters."""
        return locked(self.parameters.unpack(self.parameters.theta)[name], PARAMETERS)

    @property
    def W(self) -> np.ndarray:
        """The weights, of shape (n_visible, n_hidden), as a copy."""
        return self._block("W")

    @property
    def b(self) -> np.ndarray:
        """The biases of the visible units, of shape (n_visible,), as a copy."""
        return self._block("b")

    @property
    def c(self) -> np.ndarray:
        """The biases of the hidden units, of shape (n_hidden,), as a copy."""
        return self._block("c")

    @property
    def theta(self) -> np.ndarray:
        """All parameters as one vector, W row by row, c and b, as a copy."""
        return self.parameters.flat(self.parameters.unpack(self.parameters.theta))

    @property
    def shift(self) -> np.ndarray:
        """The number that is subtracted from each input, of shape (n_visible,), as a copy."""
        return self._vectors["shift"]

    @property
    def scale(self) -> np.ndarray:
        """The number that multiplies each input after that, of shape (n_visible,), as a copy."""
        return self._vectors["scale"]

    @property
    def _vectors(self) -> dict[str, np.ndarray]:
        """The numbers that transform inputs, as copies."""
        model, n = self._computer.model, self._machine.n_visible
        return {name: getattr(model, name)[:n].copy() for name in ("shift", "scale")}

    def _transform_as(self, vectors: Mapping[str, ArrayLike]) -> None:
        """Set the numbers that transform inputs. If a value does not fit, raise ValueError."""
        machine, made = self._machine, {}
        for name in ("shift", "scale"):
            array = arrays.numeric(vectors[name], name)
            if array.ndim and array.shape != (machine.n_visible,):
                raise ValueError(f"{name} must be a number or have shape ({machine.n_visible},), got {array.shape}")
            arrays.within(np.atleast_1d(array), name, self.dtype)
            made[name] = aligned(round_up(machine.n_visible, lanes_of(self.dtype)), self.dtype)
            made[name][: machine.n_visible] = array
        model = Model(self.parameters, machine.layers(), machine.sizes, made["shift"], made["scale"])
        self.__dict__["_computer"] = Computer(model)

    def _trained_on(self, samples: Samples) -> None:
        """Do nothing: a machine keeps nothing of samples."""

    def set_weights(self, W: ArrayLike, b: ArrayLike, c: ArrayLike) -> None:
        """Replace all weights and biases. If one of the arrays does not fit, nothing changes.

        Parameters
        ----------
        W : array of shape (n_visible, n_hidden)
            The weights.
        b : array of shape (n_visible,)
            The biases of the visible units.
        c : array of shape (n_hidden,)
            The biases of the hidden units.

        Raises
        ------
        ValueError
            If a shape is wrong, or if a value is not finite in the dtype of the machine.
        TypeError
            If an array is not numeric.
        """
        given, checked = {"W": W, "b": b, "c": c}, {}
        for block in self.parameters.blocks:
            array = arrays.numeric(given[block.name], block.name)
            if array.shape != block.shape:
                raise ValueError(f"{block.name} must have shape {block.shape}, got {array.shape}")
            arrays.within(array, block.name, self.dtype)
            checked[block.name] = array.astype(self.dtype)
        with self._computer.lock:
            self.parameters.set(checked)

    def _inputs(self, X: Any, name: str = "X") -> Inputs:
        """Return checked inputs."""
        found = inputs(X, self._machine.n_visible, self.dtype, name)
        if isinstance(found.array, np.ndarray):
            if self._machine.visible == "gaussian":
                return found
            ends = np.stack([found.array.min(axis=0), found.array.max(axis=0)])
            seen = (ends.astype(np.float64) - self.shift) * self.scale
            if seen.min() >= self._between[0] and seen.max() <= self._between[1]:
                return found
            raise ValueError(
                f"{name} must be from 0 to 1 for visible='bernoulli', after shift and scale; got numbers from "
                f"{seen.min():g} to {seen.max():g}: use RBM(..., scale=1/255) for pixels, or visible='gaussian'"
            )
        raise TypeError(f"{name} must not be sparse for an RBM, which draws dense units: give {name}.toarray()")

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
            The callbacks, as for `Trainer.fit`, for example `Checkpoint`. To them, the machine is both ``state.trainer``
            and ``state.network``.
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
        epochs, called = checks.integer(epochs, "epochs", 0), CallbackList([*callbacks, self._chains], progress)
        self._turn.check("fit was called")
        with self._turn.lock, self._turn:
            source = Arrays(Samples(self._inputs(X)), None, self.settings.shuffle, None, self.settings.batch_size)
            FitLoop(self, source, called, epochs, lambda: self._steps(source.batch)).train(None)
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
        return ContrastSteps(work, state, chains, self._chains, SCORES[: 2 if normal else 3])

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the machine to a file. `RBM.load` reads it again.

        The file has the format safetensors. It holds the tensors "W", "b", "c", "shift" and "scale". It does not hold
        the state of the training: a `Checkpoint` callback keeps it.

        Parameters
        ----------
        path : str or path-like
            The path of the file, in a directory that exists. An old file with this name is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import fastbp as fb
        >>> import tempfile, pathlib
        >>> rbm = fb.RBM(4, 2, seed=0)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = pathlib.Path(directory) / "rbm.safetensors"
        ...     rbm.save(path)
        ...     twin = fb.RBM.load(path)
        >>> twin, bool((twin.W == rbm.W).all())
        (RBM(4, 2), True)
        """
        tensors = self._vectors | self.parameters.unpack(self.parameters.theta)
        model_files.write(path, model_files.pack("rbm", model_files.plain(self._machine), tensors))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a machine from a file that `save` wrote. The settings of its training have their default values.

        Raises
        ------
        ModelFileError
            If the file is damaged, has another format or version, or has contents that do not fit together.
        OSError
            If the file cannot be read.
        """
        with model_files.opened(path, "rbm") as contents:
            machine = model_files.restored(contents.description, {Machine.__name__: Machine})
            contents.fit(machine.shapes(), machine.dtype)
            tensors = dict(contents.tensors())
            made = cls._from_architecture(machine)
            made._transform_as(tensors)
            made.set_weights(*(tensors[name] for name in ("W", "b", "c")))
        return made

    def transform(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the probabilities sigma(W'v + c) of the hidden units for each sample.

        Parameters
        ----------
        X : array of shape (n, n_visible)
            The inputs, as for `fit`.
        n_threads : int or None, keyword-only, default None
            The number of threads, at least 1. It never changes a result.

        Returns
        -------
        array of shape (n, n_hidden)
            The probabilities, in the dtype of the machine.

        Raises
        ------
        ValueError, TypeError
            If X does not fit, as for `fit`.
        """
        given, n_threads = self._inputs(X), checks.threads(n_threads)
        return self._computer.activations(len(given.array), [(0, given)], 1, n_threads, _refuse)

    def free_energy(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the free energy F(v) = -b'v - sum_i ln(1 + e^z_i), with z = W'v + c, of each sample.

        The probability of a sample is proportional to e^-F(v). With Gaussian visible units, |v - b|^2 / 2 stands in
        place of -b'v.

        Parameters
        ----------
        X, n_threads
            As for `transform`.

        Returns
        -------
        array of shape (n,)
            The free energies, in the dtype of the machine.

        Raises
        ------
        ValueError, TypeError
            If X does not fit, as for `fit`.

        Examples
        --------
        >>> import fastbp as fb
        >>> rbm = fb.RBM(2, 1, seed=0)
        >>> rbm.set_weights([[1.0], [-1.0]], [0.0, 0.5], [0.0])
        >>> rbm.free_energy([[0, 0], [1, 1]]).round(4)
        array([-0.6931, -1.1931], dtype=float32)
        """
        return self._scores(X, None, n_threads)[0]

    def pseudo_likelihood(
        self, X: ArrayLike, *, seed: int | None = None, n_threads: int | None = None
    ) -> np.ndarray:
        """Estimate the pseudo-likelihood, the sum of ln p(v_i | other v) over the visible units, of each sample.

        One unit i of each sample is drawn, and the estimate is n_visible ln sigma(F(v') - F(v)), where v' is v with
        1 - v_i in place of v_i.

        Parameters
        ----------
        X, n_threads
            As for `transform`.
        seed : int or None, keyword-only, default None
            The seed of the units that are drawn. With None, each call draws others.

        Returns
        -------
        array of shape (n,)
            The estimates, in the dtype of the machine.

        Raises
        ------
        ValueError
            If the visible units are Gaussian, or X does not fit, as for `fit`.
        TypeError
            If an argument has the wrong type.
        """
        if self._machine.visible == "gaussian":
            raise ValueError("visible must be 'bernoulli' for a pseudo-likelihood, which changes units from 0 to 1")
        return self._scores(X, seed, n_threads)[1]

    def _scores(self, X: Any, seed: int | None, n_threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the free energy and the pseudo-likelihood of each sample."""
        given, n_threads = self._inputs(X), checks.threads(n_threads)
        drawn, n = int(checks.generator(seed).integers(2**62)), len(given.array)
        out = np.empty((2, n), self.dtype)
        work, *records = self._sampler(contrast.scores, self._computer.model, n, n_threads)
        with self._computer.lock, work.reading(Samples(given)):
            work.step.set(seed=drawn)
            for record, array in zip(records, out, strict=True):
                contrast.set_out(record, array)
            work.finish()
        return out[0], out[1]

    def _sampler(self, make: Any, model: Model, n: int, n_threads: int | None) -> Any:
        """Return the work that `make` makes for n samples."""
        threads.check_entry(self._computer.lock)
        options = plan.batch_for(n), n_threads, self._machine.visible == "gaussian"
        return self._samplers.get(functools.partial(make, model, *options), (model, make), *options)

    def sample(
        self,
        n: int = 1,
        *,
        steps: int = 1000,
        start: ArrayLike | None = None,
        seed: int | None = None,
        n_threads: int | None = None,
    ) -> np.ndarray:
        """Draw samples from the distribution of the machine, by Gibbs sampling.

        Parameters
        ----------
        n : int, default 1
            The number of samples, at least 1. Each has a chain of its own.
        steps : int, keyword-only, default 1000
            The number of sweeps, at least 0. With too few, the samples still show where the chains have begun.
        start : array of shape (n, n_visible) or None, keyword-only, default None
            The inputs at which the chains begin, as for `fit`; `n` is then their number. With None, they begin at
            random inputs: 0 or 1 with equal probabilities, or normal ones.
        seed : int or None, keyword-only, default None
            The seed of the sampling. With None, each call draws other samples.
        n_threads : int or None, keyword-only, default None
            The number of threads, at least 1. It never changes a result.

        Returns
        -------
        array of shape (n, n_visible)
            The samples in the unit of the inputs, before `shift` and `scale`, in the dtype of the machine.

        Raises
        ------
        ValueError
            If an argument is outside its range.
        TypeError
            If an argument has the wrong type.

        Examples
        --------
        >>> import fastbp as fb
        >>> rbm = fb.RBM(3, 1, seed=0)
        >>> rbm.set_weights([[0.0], [0.0], [0.0]], [50.0, -50.0, 50.0], [0.0])
        >>> rbm.sample(2, steps=1, seed=0)
        array([[1., 0., 1.],
               [1., 0., 1.]], dtype=float32)
        """
        rng, steps = checks.generator(seed), checks.integer(steps, "steps", 0)
        n_threads, model = checks.threads(n_threads), self._computer.model
        if start is None:
            shape = checks.integer(n, "n", 1), self._machine.n_visible
            normal = self._machine.visible == "gaussian"
            V = (rng.normal(size=shape) if normal else rng.integers(0, 2, shape)).astype(self.dtype)
        else:
            V = self._inputs(start, "start").transformed(self.shift, self.scale)
            V = np.ascontiguousarray(V, self.dtype)
        drawn, n = int(rng.integers(2**62)), len(V)
        plain = self._samplers.get(lambda: _unscaled(model), (model, _unscaled))
        work, out = self._sampler(contrast.sweep, plain, n, n_threads)
        read = Inputs(V, arrays.KINDS[V.dtype])
        with self._computer.lock, work.reading(Samples(read)):
            contrast.set_out(out, V)
            work.step.set(seed=drawn)
            for step in range(steps):
                work.steps_done = step * -(-n // work.batch)
                work.finish()
        with np.errstate(all="ignore"):
            return V / self.scale + self.shift

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __call__(self, X: object) -> NoReturn:
            raise TypeError("RBM is not a function: transform(X) computes the probabilities of the hidden units")

    def __copy__(self) -> Self:
        return copy.deepcopy(self)  # because two machines must never share parameters

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without locks, and without works, whose memory knows its own address."""
        left = dict.fromkeys((*self._made(), "_computer"))
        return {**self.__dict__, **left, "_inputs_as": self._vectors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vectors = state.pop("_inputs_as")
        self.__dict__.update({**state, **self._made()})
        self._transform_as(vectors)


PARAMETERS = "W, b and c are copies, which cannot be changed in place: change copies of them, and call set_weights"


def _unscaled(model: Model) -> Model:
    """Return a model that takes inputs as they are."""
    shift, scale = (aligned(model.scale.size, model.dtype) for _ in range(2))
    scale[: model.sizes[0]] = 1
    return model._replace(shift=shift, scale=scale)


def _varies(machine: RBM, name: str) -> bool:
    """Return whether `shift` or `scale` is not the default."""
    return bool((getattr(machine, name) != (0 if name == "shift" else 1)).any())


def _short(values: np.ndarray) -> str:
    """Return a vector as one would give it."""
    return text(values[0] if len({*values.tolist()}) == 1 else values.tolist())


def _refuse(block: Any, first: int) -> NoReturn:
    """Raise an error for probabilities that are not finite, although the inputs are."""
    raise FloatingPointError("the hidden units of X are not finite: the weights are too large")
