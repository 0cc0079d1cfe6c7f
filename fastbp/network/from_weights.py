"""This module makes networks of weights and biases that exist already, such as those of a worked example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..base import checks, hints
from ..data import arrays
from .shown import Shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class FromWeights(Shown):
    """`FromWeights` is a network that can be made of its weights and biases."""

    @classmethod
    @hints.arguments
    def from_weights(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike | None] | None = None,
        *,
        transposed: bool = False,
        **options: Any,
    ) -> Self:
        """Make a network with these weights and biases. Its sizes are those of the weights.

        Parameters
        ----------
        weights : sequence of L arrays
            The weights of each layer, of shape (n_in, n_out).
        biases : sequence of L arrays, or None, default None
            The biases of each layer, of shape (n_out,), or None for a layer without biases. With None, no layer has
            biases.
        transposed : bool, keyword-only, default False
            With True, the weights have the shape (n_out, n_in), as in z^l = W^l a^{l-1} + b^l and in PyTorch.
        **options
            Other arguments of `MLP`, such as `activation`, `output`, `scale` and `dropout`. Without `dtype`, the
            network has float32 if float32 can hold all dtypes of the weights, and else float64. Lists of floats have
            float64.

        Returns
        -------
        MLP
            The network.

        Raises
        ------
        ValueError
            If a shape does not fit those of the layers around it, or a value is not finite.
        TypeError
            If an argument has the wrong type, or if there is no such argument.

        Examples
        --------
        The unit z = x_1 + x_2 - 1.5 computes AND, and two layers compute XOR:

        >>> import fastbp as fb
        >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> fb.MLP.from_weights([[[1], [1]]], [[-1.5]], output="threshold").predict(X).T.tolist()
        [[0.0, 0.0, 0.0, 1.0]]
        >>> W, b = [[[1, 1], [1, 1]], [[1, -1]]], [[-0.5, -1.5], [-0.5]]
        >>> net = fb.MLP.from_weights(W, b, activation="threshold", output="threshold", transposed=True)
        >>> net.sizes, net.predict_classes(X).tolist()
        ((2, 2, 1), [0, 1, 1, 0])
        """
        for name, given in {"weights": weights, "biases": biases}.items():
            if given is not None and not isinstance(given, Sequence):
                raise TypeError(f"{name} must be a sequence of arrays, got {type(given).__name__}")
        if not weights or (biases is not None and len(biases) != len(weights)):
            count = len(weights) if biases is None else f"{len(weights)} and {len(biases)}"
            raise ValueError(f"weights and biases must have an array for each layer, got {count}")
        for name in options.keys() & {"sizes", "bias", "init", "seed"}:
            raise TypeError(f"from_weights has no argument {name!r}, because weights and biases say it")
        matrices = [arrays.numeric(W, f"weights[{l}]") for l, W in enumerate(weights)]
        for l, W in enumerate(matrices):
            if W.ndim != 2:
                raise ValueError(f"weights[{l}] must be a matrix, got shape {W.shape}")
        if checks.flag(transposed, "transposed"):
            matrices = [W.T for W in matrices]
        sizes = [len(matrices[0]), *(W.shape[1] for W in matrices)]
        for l, W in enumerate(matrices):
            if len(W) != sizes[l]:
                rows = "columns" if transposed else "rows"
                raise ValueError(
                    f"weights[{l}] must have {sizes[l]} {rows}, because layer {l} has {sizes[l]} units; got {len(W)}"
                )
        vectors = [None] * len(matrices) if biases is None else biases
        if "dtype" not in options:
            options["dtype"] = np.float32 if np.can_cast(np.result_type(*matrices), np.float32) else np.float64
        make: Any = cls
        made: Self = make(sizes, bias=[b is not None for b in vectors], **options)
        made.set_weights(matrices, vectors)
        return made
