"""This module holds `BoltzmannModel`: what a restricted Boltzmann machine is and computes, without its training."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from ..base import checks, hints, model_files
from ..base.locked import locked
from ..data import arrays
from ..data.inputs import Inputs, inputs
from ..engine import contrast, plan, threads
from ..engine.blocks import Parameters
from ..engine.computer import Computer
from ..engine.memory import Model
from ..engine.runner import Samples
from ..engine.works import Works
from ..kernels.panels import aligned, lanes_of, round_up
from .machine import Machine

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BETWEEN = -1e-6, 1 + 1e-6
"""The numbers between which the inputs of a machine with binary units lie, with room for rounding."""


PARAMETERS = "W, b and c are copies, which cannot be changed in place: change copies of them, and call set_weights"


class BoltzmannModel(hints.Hinted):
    """`BoltzmannModel` is the base class of `RBM`. It holds the parameters, and computes with them."""

    _machine: Machine
    _computer: Computer
    _samplers: Works
    _between = BETWEEN
    """The numbers between which inputs of binary units lie."""

    @classmethod
    def _from_architecture(cls, machine: Machine) -> Self:
        """Make a machine whose weights and biases are 0."""
        raise NotImplementedError

    def _set_up_model(self, machine: Machine, parameters: Parameters | None = None) -> None:
        """Set all attributes. Without parameters, the weights and biases are 0."""
        blocks = (block for layer in machine.layers() for block in layer.blocks())
        made = parameters or Parameters(blocks, machine.dtype)
        self.__dict__.update(_machine=machine, _samplers=Works(3))
        self._transform_as({"shift": 0.0, "scale": 1.0}, made)

    @property
    def architecture(self) -> Machine:
        """The checked arguments that define the machine."""
        return self._machine

    @property
    def parameters(self) -> Parameters:
        """The parameters in the memory of the kernels. `W`, `b` and `c` are copies of them."""
        return self._computer.model.parameters

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters and of the arithmetic: float32 or float64."""
        return self._machine.dtype

    def _block(self, name: str) -> np.ndarray:
        """Return a copy of a block of parameters."""
        return locked(self.parameters.unpack(self.parameters.theta)[name], PARAMETERS)

    @property
    def W(self) -> np.ndarray:  # noqa: N802  # the name that it has in the formulas
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
        """All parameters as one vector, W row by row, b and c, as a copy."""
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

    def _transform_as(self, vectors: Mapping[str, ArrayLike], parameters: Parameters | None = None) -> None:
        """Set the numbers that transform inputs. If a value does not fit, raise ValueError."""
        machine, made = self._machine, {}
        for name in ("shift", "scale"):
            array = arrays.numeric(vectors[name], name)
            if array.ndim and array.shape != (machine.n_visible,):
                raise ValueError(f"{name} must be a number or have shape ({machine.n_visible},), got {array.shape}")
            arrays.within(np.atleast_1d(array), name, self.dtype)
            made[name] = aligned(round_up(machine.n_visible, lanes_of(self.dtype)), self.dtype)
            made[name][: machine.n_visible] = array
        parameters = parameters or self.parameters
        model = Model(parameters, machine.layers(), machine.sizes, made["shift"], made["scale"])
        self.__dict__["_computer"] = Computer(model)

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

        The probability of a sample is proportional to e^-F(v). With Gaussian visible units, sum_j (v_j - b_j)^2 / 2
        stands in place of -b'v.

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

    def pseudo_likelihood(self, X: ArrayLike, *, seed: int | None = None, n_threads: int | None = None) -> np.ndarray:
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
        threads.check_entry(self._computer.lock)
        with self._computer.lock:
            work, *records = self._sampler(contrast.scores, self._computer.model, n, n_threads)
            with work.reading(Samples(given)):
                work.step.set(seed=drawn)
                for record, array in zip(records, out, strict=True):
                    contrast.set_out(record, array)
                work.finish()
        return out[0], out[1]

    def _sampler(self, make: Any, model: Model, n: int, n_threads: int | None) -> Any:
        """Return the work that `make` makes for n samples."""
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
        threads.check_entry(self._computer.lock)
        with self._computer.lock:
            plain = self._samplers.get(lambda: _unscaled(model), (model, _unscaled))
            work, out = self._sampler(contrast.sweep, plain, n, n_threads)
            with work.reading(Samples(Inputs(V, arrays.KINDS[V.dtype]))):
                contrast.set_out(out, V)
                work.step.set(seed=drawn)
                for step in range(steps):
                    work.steps_done = step * -(-n // work.batch)
                    work.finish()
        with np.errstate(all="ignore"):
            drawn_inputs: np.ndarray = V / self.scale + self.shift
        return drawn_inputs

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __call__(self, X: object) -> NoReturn:
            raise TypeError("RBM is not a function: transform(X) computes the probabilities of the hidden units")


def _unscaled(model: Model) -> Model:
    """Return a model that takes inputs as they are."""
    shift, scale = (aligned(model.scale.size, model.dtype) for _ in range(2))
    scale[: model.sizes[0]] = 1
    return model._replace(shift=shift, scale=scale)


def _refuse(block: Any, first: int) -> NoReturn:
    """Raise an error for probabilities that are not finite, although the inputs are."""
    raise FloatingPointError("the hidden units of X are not finite: the weights are too large")
