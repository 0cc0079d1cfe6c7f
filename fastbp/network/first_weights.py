"""This module draws the first weights and biases of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from ..engine.runner import Samples
from .weights import by_layer

if TYPE_CHECKING:
    from ..data.inputs import Inputs
    from ..data.samples import SampleFormat
    from ..engine.computer import Computer
    from ..engine.layers.dense import Dense

Init = Literal[
    "fan_in", "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal", "zeros",
    "data",
]  # fmt: skip

VARIANCES = {
    "he": lambda n_in, n_out: 2.0 / n_in,
    "glorot": lambda n_in, n_out: 2.0 / (n_in + n_out),
    "lecun": lambda n_in, n_out: 1.0 / n_in,
    "fan_in": lambda n_in, n_out: 1.0 / (3.0 * n_in),
}
"""The variance of the first weights as a function of n_in and n_out, by the name of the method.

Sources: He et al. (2015), Glorot and Bengio (2010), LeCun et al. (1998); "fan_in" is the rule of PyTorch.
"""

METHODS = {"fan_in": "fan_in_uniform", "data": "lecun_normal"}
"""The method and the distribution of the values of `init` that do not name both."""

BLOCK = 1 << 20
"""The number of weights that are drawn together. Drawing all at once needed 5 times the memory of a large layer."""

MOST_ROWS = 4096
"""The largest number of samples that decide first weights. They give a deviation within 2 %."""

DISTRIBUTIONS = {
    "uniform": lambda rng, variance, shape: rng.uniform(-1, 1, shape) * np.sqrt(3 * variance),
    "normal": lambda rng, variance, shape: rng.standard_normal(shape) * np.sqrt(variance),
}


def start(
    computer: Computer, form: SampleFormat, init: Init | None, samples: Any, rng: np.random.Generator
) -> tuple[str, ...] | None:
    """Set the first weights and biases of a network, and return the names of its columns."""
    if (samples is not None) != (init == "data"):
        given = "no samples" if samples is None else "samples"
        raise ValueError(f"samples must be given with init='data', and only then; got {given} with init={init!r}")
    model: Any = computer.model
    for layer, W, b in draw(model.layers, init, model.dtype, rng):
        groups = layer.weights.groups
        weights = {layer.weights.name: W if groups is None else groups.first(W)} if layer.of is None else {}
        model.parameters.set(weights | ({} if b is None else {f"b{layer.number}": b}))
    if samples is None:
        return form.columns
    inputs = form.inputs(samples, "samples")
    suit(computer, inputs, rng)
    return inputs.columns


def draw(
    layers: Sequence[Dense], init: Init | None, dtype: np.dtype, rng: np.random.Generator
) -> Iterator[tuple[Dense, np.ndarray, np.ndarray | None]]:
    """Draw the first weights and biases, as `MLP` describes them. They are drawn in float64.

    Parameters
    ----------
    layers : sequence of Dense
        The layers of the network.
    init : str or None
        The distribution, as for `MLP`. For "data", `suit` must follow.
    dtype : dtype
        The dtype of the network.
    rng : numpy.random.Generator
        The source of random numbers.

    Yields
    ------
    tuple
        One layer after the other, its weights of shape (n_in, n_out), and its biases or, if they are 0, None. Weights
        that are shared may differ. Biases also come for layers without.
    """
    for layer in layers if init != "zeros" else ():
        shape = layer.n_in, layer.n_out
        sigma, last = layer.activation, layer is layers[-1]
        method = init or ("fan_in" if last or layer is layers[0] else f"{sigma.init}_uniform")
        gain = 1.0 if last or init else sigma.gain
        family, _, distribution = METHODS.get(method, method).rpartition("_")
        W, rows = np.empty(shape, dtype), max(1, BLOCK // shape[1])
        for first in range(0, shape[0], rows):
            some = W[first : first + rows]
            some[...] = DISTRIBUTIONS[distribution](rng, gain**2 * VARIANCES[family](*shape), some.shape)
        b = rng.uniform(-1, 1, shape[1]) * gain / np.sqrt(shape[0]) if init in (None, "fan_in") else None
        yield layer, W, b


def suit(computer: Computer, inputs: Inputs, rng: np.random.Generator) -> None:
    """Make the weights of a network suit samples, and set its biases.

    The weights of each unit are divided by the standard deviation of its z over the samples. Its bias is such that z is
    0 at a random sample: this is where "relu" has its kink, and where "sigmoid" is steepest. A unit whose z is the same
    for all samples keeps its weights. If units share weights, all are divided by the root of their mean variance; a
    layer that uses the matrix of another gets only biases. Source: Holzmueller et al. (2024), whose biases are means of
    such numbers.

    If a weight or bias would not be finite, ValueError is raised.
    """
    n, model = len(inputs.array), computer.model
    if n > MOST_ROWS:
        inputs = inputs._replace(array=inputs.array[np.sort(rng.choice(n, MOST_ROWS, replace=False))])
    parameters, layers = model.parameters, cast("tuple[Dense, ...]", model.layers)
    made = parameters.unpack(parameters.theta)
    z, eps = computer.trace(Samples(inputs), None)[0][0].astype(np.float64), np.finfo(model.dtype).eps
    with np.errstate(all="ignore"):
        for l, layer in enumerate(layers):
            if l:
                z = layers[l - 1].activation(z) @ by_layer(layers, made)[0][l]
            if layer.of is None:
                deviation = z.std(axis=0)
                deviation[deviation <= 16 * eps * abs(z).max(axis=0)] = 1
                if layer.weights.groups is not None:
                    deviation = np.sqrt((deviation**2).mean())
                z /= deviation
                made[layer.weights.name] = made[layer.weights.name] / deviation
            if layer.biased:
                made[f"b{layer.number}"] = b = -z[rng.integers(len(z), size=layer.n_out), np.arange(layer.n_out)]
                z += b
        if not all(np.isfinite(array.astype(model.dtype)).all() for array in made.values()):
            raise ValueError(f"samples have numbers of a size that {model.dtype} cannot work with; standardize them")
    parameters.set(made)
