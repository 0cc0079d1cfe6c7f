"""Architecture: what a network is made of but for its numbers, and how those are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from . import activations, checks
from .kernels.activations import ACTIVATIONS, SOFTMAX

MAX_LAYERS = 100

Activation = str | activations.LeakyReLU | activations.ELU

OUTPUTS = {**{name: row.code for name, row in ACTIVATIONS.items()}, "softmax": SOFTMAX}

INITS = {
    "he": lambda n_in, n_out: 2.0 / n_in,
    "glorot": lambda n_in, n_out: 2.0 / (n_in + n_out),
    "lecun": lambda n_in, n_out: 1.0 / n_in,
}
"""name: variance of a weight of a layer (He et al. 2015; Glorot and Bengio 2010; LeCun et al. 1998)."""

DISTRIBUTIONS = {
    "uniform": lambda rng, variance, shape: rng.uniform(-1, 1, shape) * np.sqrt(3 * variance),
    "normal": lambda rng, variance, shape: rng.standard_normal(shape) * np.sqrt(variance),
}


@dataclass(frozen=True)
class Architecture:
    """The arguments of `MLP` that say what it is, checked and in one form: tuples with an entry for each layer."""

    sizes: tuple[int, ...]
    activation: tuple[Activation, ...]
    output: Activation
    init: str | None
    dropout: tuple[float, ...]
    input_noise: float
    max_norm: float | None
    dtype: np.dtype

    def __post_init__(self):
        for field in fields(self):
            object.__setattr__(self, field.name, getattr(self, f"_{field.name}")(getattr(self, field.name)))

    def _sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        is_list = isinstance(sizes, Sequence | np.ndarray) and not isinstance(sizes, str | bytes)
        if not is_list or np.ndim(sizes) != 1 or not 2 <= len(sizes) <= MAX_LAYERS + 1:
            raise ValueError(f"sizes must be a sequence of 2 to {MAX_LAYERS + 1} layer widths, got {sizes!r}")
        return tuple(checks.integer(n, f"sizes[{l}]", 1) for l, n in enumerate(sizes))

    def _activation(self, activation: Activation | Sequence[Activation]) -> tuple[Activation, ...]:
        hidden = len(self.sizes) - 2
        if not isinstance(activation, Sequence) or isinstance(activation, str):
            checks.named(activation, "activation", ACTIVATIONS, activations.CLASSES)
            return (activation,) * hidden
        if len(activation) != hidden:
            raise ValueError(
                f"activation must be one name or {hidden}, one for each hidden layer; got {len(activation)}"
            )
        for l, value in enumerate(activation):
            checks.named(value, f"activation[{l}]", ACTIVATIONS, activations.CLASSES)
        return tuple(activation)

    def _output(self, output: Activation) -> Activation:
        checks.named(output, "output", OUTPUTS, activations.CLASSES)
        return output

    def _init(self, init: str | None) -> str | None:
        inits = [f"{family}_{distribution}" for family in INITS for distribution in DISTRIBUTIONS]
        return None if init is None else checks.choice(init, "init", inits)

    def _dropout(self, dropout: float | Sequence[float]) -> tuple[float, ...]:
        layers = len(self.sizes) - 1
        if not isinstance(dropout, Sequence | np.ndarray) or isinstance(dropout, str):
            return (0.0,) + (checks.real(dropout, "dropout", 0, 1),) * (layers - 1)
        if len(dropout) != layers:
            raise ValueError(
                f"dropout must be one rate or {layers}, of the inputs and each hidden layer; got {len(dropout)}"
            )
        return tuple(checks.real(rate, f"dropout[{l}]", 0, 1) for l, rate in enumerate(dropout))

    def _input_noise(self, input_noise: float) -> float:
        return checks.real(input_noise, "input_noise", 0)

    def _max_norm(self, max_norm: float | None) -> float | None:
        return checks.bound(max_norm, "max_norm")

    def _dtype(self, dtype: np.typing.DTypeLike) -> np.dtype:
        return checks.dtype(dtype)

    @property
    def named(self) -> list[tuple[str, float]]:
        """Of each layer, the name of sigma and its parameter."""
        each = *self.activation, self.output
        return [checks.named(value, "activation", OUTPUTS, activations.CLASSES) for value in each]

    @property
    def neurons(self) -> list[tuple[int, float]]:
        """Of each layer, the code of sigma and its parameter."""
        return [(OUTPUTS[name], parameter) for name, parameter in self.named]

    def check_trainable(self) -> None:
        """Raise ValueError if an activation has no derivative to train through."""
        for name, _ in self.named:
            if name != "softmax" and ACTIVATIONS[name].derivative is None:
                raise ValueError(
                    f"activation {name!r} has no derivative: such a network can predict but not be trained"
                )

    def draw(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The weights of one layer after another."""
        for (name, _), shape in zip(self.named, pairwise(self.sizes), strict=True):
            default = "glorot" if name == "softmax" else ACTIVATIONS[name].init
            family, distribution = (self.init or f"{default}_uniform").split("_")
            yield DISTRIBUTIONS[distribution](rng, INITS[family](*shape), shape)
