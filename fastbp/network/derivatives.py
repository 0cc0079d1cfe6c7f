"""This module holds what a network computes of derivatives: gradients, and the Jacobian matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict, Unpack, overload

import numpy as np

from ..base import checks
from ..base.names import LossName
from ..data.samples import SampleChecker
from ..data.weights import sample_weights
from ..engine.runner import Samples
from ..losses import LOSSES, OUTPUT_GRADIENT, Loss
from .shown import Shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    class More(TypedDict, total=False):
        """`More` holds the types of the arguments of `MLP.gradients` that do not change what it returns."""

        loss: Required[LossName | Loss]
        sample_weight: ArrayLike | None
        seed: int | None
        n_threads: int | None


class Derivatives(Shown):
    """`Derivatives` is a network with the methods that compute derivatives."""

    @overload
    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, inputs: Literal[False] = ..., flat: Literal[False] = ..., **_: Unpack[More]
    ) -> tuple[float, list[np.ndarray], list[Any]]: ...
    @overload
    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, inputs: Literal[True], flat: Literal[False] = ..., **_: Unpack[More]
    ) -> tuple[float, list[np.ndarray], list[Any], np.ndarray]: ...
    @overload
    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, inputs: Literal[False] = ..., flat: Literal[True], **_: Unpack[More]
    ) -> tuple[float, np.ndarray]: ...
    @overload
    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, inputs: Literal[True], flat: Literal[True], **_: Unpack[More]
    ) -> tuple[float, np.ndarray, np.ndarray]: ...
    def gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: LossName | Loss,
        sample_weight: ArrayLike | None = None,
        seed: int | None = None,
        inputs: bool = False,
        flat: bool = False,
        n_threads: int | None = None,
    ) -> tuple[Any, ...]:
        """Compute the mean loss over the samples and its gradient, by backpropagation (000, 004). No parameter changes.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `Trainer.fit`.
        y : array of shape (n,) or (n, sizes[-1])
            The targets, as for `Trainer.fit`.
        loss : str or object, keyword-only
            The loss, as for `Trainer`.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, at least 0, as for `Trainer.fit`. With None, all weights are 1.
        seed : int or None, keyword-only, default None
            The seed of dropout and input noise. With None, the gradient is that of the network without dropout and
            noise.
        inputs : bool, keyword-only, default False
            Whether to compute the gradient with respect to X too.
        flat : bool, keyword-only, default False
            Whether to return the gradient with respect to the parameters as one vector.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        loss : float
            The mean loss.
        dW : list of arrays of shape (n_in, n_out)
            The derivative of the mean loss with respect to each weight, in the dtype of the network.
        db : list of arrays of shape (n_out,)
            The derivative of the mean loss with respect to each bias, or None for a layer without biases. With `flat`,
            there is one array of shape (n_parameters,) instead of dW and db, in the order of `theta`.
        dX : array of shape (n, sizes[0])
            Only with `inputs`: the derivative of the mean loss with respect to each number of X, before `shift` and
            `scale`.

        Raises
        ------
        ValueError
            If an argument does not fit, or if an activation function of the network has no derivative.
        TypeError
            If an argument has the wrong type.
        FloatingPointError
            If the loss or a gradient is not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], seed=0)
        >>> loss, dW, db = net.gradients([[1.0, 2.0]], [[0.5]], loss="squared_error")
        >>> dW[0].shape, db[0].shape
        ((2, 1), (1,))
        """
        found = checks.resolved(loss, "loss", LOSSES)
        seed, n_threads = checks.seed(seed), checks.threads(n_threads)
        checks.flag(inputs, "inputs")
        checks.flag(flat, "flat")
        checker = SampleChecker(self._form, found, "gradients" if seed is None else "training")
        samples = checker.samples(X, y)
        samples = samples._replace(weights=sample_weights(sample_weight, samples.n))
        made = self._computer.differentiate(samples, found, seed, n_threads, inputs=inputs)
        gradients = (self.parameters.flat(made.blocks),) if flat else self._by_layer(made.blocks)
        return made.loss, *gradients, *([made.inputs] if inputs else [])

    def backward(
        self, X: ArrayLike, output_gradient: ArrayLike, *, seed: int | None = None, n_threads: int | None = None
    ) -> tuple[list[np.ndarray], list[Any], np.ndarray]:
        """Propagate a gradient dC/da^L from outside back through the network (000, 004). Nothing in it changes.

        C may be anything that depends on the outputs: the loss of another library, the objective of a policy gradient,
        or several losses together. `Trainer.partial_fit` and `Trainer.apply_gradients` train with such gradients.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `predict`.
        output_gradient : array of shape (n, sizes[-1]), or (n,) for a network with one output
            The derivative of C with respect to each output of `predict`, of any sign. If C is a mean over samples, it
            already contains the factor 1/n.
        seed : int or None, keyword-only, default None
            The seed of dropout and input noise, as for `gradients`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        dW : list of arrays of shape (n_in, n_out)
            The derivative of C with respect to each weight: a sum over the samples.
        db : list of arrays of shape (n_out,)
            The derivative of C with respect to each bias, or None for a layer without biases.
        dX : array of shape (n, sizes[0])
            The derivative of C with respect to each number of X, before `shift` and `scale`.

        Raises
        ------
        ValueError
            If an argument does not fit, or if an activation function of the network has no derivative.
        TypeError
            If an argument has the wrong type.
        FloatingPointError
            If the sum of outputs times gradients, or a derivative, is not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], seed=0)
        >>> net.set_weights([[[2.0], [3.0]]], [[0.0]])
        >>> dW, db, dX = net.backward([[1.0, -1.0]], [[0.5]])
        >>> dW[0].tolist(), db[0].tolist(), dX.tolist()
        ([[0.5], [-0.5]], [0.5], [[1.0, 1.5]])
        """
        seed, n_threads = checks.seed(seed), checks.threads(n_threads)
        checker = SampleChecker(self._form, OUTPUT_GRADIENT, "gradients" if seed is None else "training")
        samples = checker.samples(X, output_gradient, y_name="output_gradient")
        made = self._computer.differentiate(samples, OUTPUT_GRADIENT, seed, n_threads, inputs=True)
        return *self._by_layer(made.blocks), made.inputs

    def jacobian(self, X: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the derivative of each output with respect to each input, for each sample.

        It takes as many backward passes as the network has outputs.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, sizes[0])
            The inputs, as for `predict`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `predict`.

        Returns
        -------
        array of shape (n, sizes[-1], sizes[0])
            The derivatives da^L_i/dx_j, in the dtype of the network.

        Raises
        ------
        ValueError
            If X does not fit, or if an activation function of the network has no derivative.
        TypeError
            If X is not numeric.
        FloatingPointError
            If an output or a derivative is not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], scale=10.0, seed=0)
        >>> net.set_weights([[[2.0], [3.0]]], [[0.0]])
        >>> net.jacobian([[1.0, -1.0]]).tolist()
        [[[20.0, 30.0]]]
        """
        n_threads, n_out = checks.threads(n_threads), self.sizes[-1]
        checker = SampleChecker(self._form, OUTPUT_GRADIENT, "gradients")
        found = self._form.inputs(X)
        n = len(found.array)
        out = np.empty((n, n_out, self.sizes[0]), self.dtype)
        for i in range(n_out):
            towards = np.zeros((n, n_out), self.dtype)
            towards[:, i] = 1
            samples = Samples(found, checker.targets(towards, n))
            made = self._computer.differentiate(samples, OUTPUT_GRADIENT, None, n_threads, inputs=True, weights=False)
            out[:, i] = made.inputs
        return out
