"""This module holds `Architecture`, the settings that define a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, get_args

import numpy as np

from ..activations import ACTIVATIONS, OUTPUTS, Activation
from ..base import checks
from ..engine.blocks import Groups
from ..engine.layers.dense import Dense, Use
from ..engine.layers.shared import Shared
from ..engine.records import numbers
from . import sharing
from .first_weights import Init

MAX_LAYERS = 100

FOR_ALL: Any = True
"""One value for all layers. It becomes a tuple with one value for each layer."""


@dataclass(frozen=True)
class Architecture:
    """`Architecture` holds the checked arguments of `MLP` that define a network, in one form.

    Parameters
    ----------
    sizes : tuple of int
        The number of units of the input, of each hidden layer, and of the output.
    activation : tuple of str or object
        The activation function of each hidden layer. The constructor also takes one for all hidden layers.
    output : str or object
        The activation function of the output.
    init : str or None
        The distribution of the first weights, as for `MLP`.
    dropout : tuple of float
        The probability of dropout for the inputs and for each hidden layer. The constructor also takes one number for
        all hidden layers.
    input_noise : float
        The standard deviation of the noise that training adds to the inputs.
    max_norm : float or None
        The bound for the norm of the weights that lead into one unit.
    dtype : dtype
        float32 or float64.
    threshold : float, default 0.5
        The value from which on a single output means class 1.
    bias : tuple of bool, default True
        Whether each layer has biases. The constructor also takes one value for all layers.
    multilabel : bool, default False
        Whether each output by itself says yes or no.
    columns : tuple of str, or None, default None
        The names of the inputs.
    flat : bool, default False
        Whether predictions of one output have the shape (n,).
    classes : tuple of str or numbers, or None, default None
        The names of the classes.
    tied : tuple of pairs of str, default ()
        The matrices that the network does not store, each with the one that it is, or whose transpose.
    shared : tuple of pairs of int and Groups, default ()
        The layers in which several weights are one number, each with the numbers.

    Raises
    ------
    ValueError
        If an argument is outside its range, or is not a known name.
    TypeError
        If an argument has the wrong type.
    """

    sizes: tuple[int, ...]
    activation: tuple[str | Activation, ...]
    output: str | Activation
    init: Init | None
    dropout: tuple[float, ...]
    input_noise: float
    max_norm: float | None
    dtype: np.dtype
    threshold: float = 0.5
    """The value from which on a single output means class 1, see `fastbp.MLP.threshold`."""
    bias: tuple[bool, ...] = FOR_ALL
    """Whether each layer has biases."""
    multilabel: bool = False
    """Whether each output by itself says yes or no, see `fastbp.MLP.multilabel`."""
    columns: tuple[str, ...] | None = None
    """The names of the inputs, see `fastbp.MLP.columns`."""
    flat: bool = False
    """Whether predictions of one output have the shape (n,), see `fastbp.MLP.flat`."""
    classes: tuple[str | float, ...] | None = None
    """The names of the classes, see `fastbp.MLP.classes`."""
    tied: tuple[tuple[str, str], ...] = ()
    """Which layers share a matrix of weights."""
    shared: tuple[tuple[int, Groups], ...] = ()
    """Which weights of a layer are one number."""

    def __post_init__(self) -> None:
        sizes = _sizes(self.sizes)
        checked = {
            "sizes": sizes,
            "output": checks.named(self.output, "output", OUTPUTS),
            "activation": _activation(self.activation, len(sizes) - 2),
            "init": None if self.init is None else checks.choice(self.init, "init", get_args(Init)),
            "dropout": _dropout(self.dropout, len(sizes) - 1),
            "input_noise": checks.real(self.input_noise, "input_noise", 0),
            "max_norm": checks.bound(self.max_norm, "max_norm"),
            "dtype": checks.dtype(self.dtype),
            "threshold": checks.real(self.threshold, "threshold"),
            "bias": _bias(self.bias, len(sizes) - 1),
            "multilabel": checks.flag(self.multilabel, "multilabel"),
            "flat": checks.flag(self.flat, "flat"),
            "columns": None if self.columns is None else _columns(self.columns, sizes[0]),
            "classes": None if self.classes is None else _classes(self.classes, max(sizes[-1], 2)),
        }
        for value in (*checked["activation"], checked["output"]):
            sigma = checks.resolved(value, "activation", OUTPUTS)
            numbers(sigma.parameters(), checked["dtype"], sigma)
        checked["tied"] = sharing.tied(self.tied, sizes)
        checked["shared"] = sharing.shared(self.shared, sizes, checked["tied"])
        if checked["shared"] and checked["max_norm"] is not None:
            raise ValueError("max_norm must be None with shared, whose weights belong to several units")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activation function of each layer, the output included, as objects."""
        return tuple(checks.resolved(value, "activation", OUTPUTS) for value in (*self.activation, self.output))

    def layers(self) -> tuple[Dense, ...]:
        """Return the layers of the network, as the engine uses them."""
        units = zip(pairwise(self.sizes), self.activations, (*self.dropout[1:], 0.0), self.bias, strict=True)
        of, groups, made = sharing.uses(self.tied), dict(self.shared), []
        for l, ((n_in, n_out), sigma, dropout, biased) in enumerate(units, 1):
            users = tuple(Use(user, use.turned) for user, use in of.items() if use.layer == l)
            given = l, n_in, n_out, sigma, dropout, biased, l == 1, of.get(l), users
            made.append(Shared(*given, groups=groups[l]) if l in groups else Dense(*given))
        return tuple(made)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors of a network by their names in a file."""
        shapes: dict[str, tuple[int, ...]] = {"shift": self.sizes[:1], "scale": self.sizes[:1]}
        blocks = (block for layer in self.layers() for block in layer.blocks() if block.exists)
        return shapes | {block.name: block.shape for block in blocks}

    def part(self, first: int, last: int) -> Architecture:
        """Return the architecture of the layers first < l <= last, as for ``net[first:last]``."""
        activations, ends = (*self.activation, self.output), last == len(self.sizes) - 1
        return replace(
            self,
            sizes=self.sizes[first : last + 1],
            activation=activations[first : last - 1],
            output=activations[last - 1],
            dropout=self.dropout[first:last],
            input_noise=0.0 if first else self.input_noise,
            threshold=self.threshold if ends else 0.5,
            columns=None if first else self.columns,
            flat=self.flat and ends,
            multilabel=self.multilabel and ends,
            classes=self.classes if ends else None,
            bias=self.bias[first:last],
            tied=tuple(sharing.part(self.tied, first, last)),
            shared=tuple((l - first, groups) for l, groups in self.shared if first < l <= last),
        )


def _is_list(value: object) -> bool:
    """Return whether a value is a sequence, and neither text nor an array without dimensions."""
    return (
        isinstance(value, Sequence | np.ndarray)
        and not isinstance(value, str | bytes)
        and getattr(value, "ndim", 1) > 0
    )


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return `sizes` as a tuple of int, or raise an error."""
    if not _is_list(sizes) or not 2 <= len(sizes) <= MAX_LAYERS + 1 or any(map(_is_list, sizes)):
        raise ValueError(
            f"sizes must be 2 to {MAX_LAYERS + 1} numbers of units, such as [4, 8, 3] for 4 inputs, 8 hidden units and "
            f"3 outputs; got {sizes!r}"
        )
    return tuple(checks.integer(n, f"sizes[{l}]", 1) for l, n in enumerate(sizes))


def _activation(given: str | Activation | Sequence[str | Activation], hidden: int) -> tuple[str | Activation, ...]:
    """Return `activation` as a tuple with one entry for each hidden layer, or raise an error."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return (checks.named(given, "activation", ACTIVATIONS),) * hidden
    if len(given) != hidden:
        raise ValueError(f"activation must be one name or {hidden}, one for each hidden layer; got {len(given)}")
    return tuple(checks.named(value, f"activation[{l}]", ACTIVATIONS) for l, value in enumerate(given))


def _columns(given: Sequence[str], n_in: int) -> tuple[str, ...]:
    """Return the names of the inputs as a tuple, or raise an error."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"columns must be a sequence of names, got {given!r}")
    if len(given) != n_in or len({*given}) != n_in:
        raise ValueError(f"columns must be {n_in} different names, one for each input; got {len({*given})}")
    return tuple(given)


def _classes(given: Sequence[str | float], count: int) -> tuple[str | float, ...]:
    """Return the names of the classes as a tuple, or raise an error."""
    if not _is_list(given):
        raise TypeError(f"classes must be a sequence of names, got {given!r}")
    names = tuple(each.item() if isinstance(each, np.generic) else each for each in given)
    if not all(isinstance(name, str | int | float) for name in names):
        raise TypeError(f"classes must be strings or numbers, got {given!r}")
    if len(names) != count or len({*names}) != count:
        raise ValueError(f"classes must be {count} different names, one for each class; got {len({*names})}")
    return names


def _bias(given: bool | Sequence[bool], layers: int) -> tuple[bool, ...]:
    """Return `bias` as a tuple with one value for each layer, or raise an error."""
    if not isinstance(given, Sequence):
        return (checks.flag(given, "bias"),) * layers
    if len(given) != layers or isinstance(given, str):
        raise ValueError(f"bias must be True, False, or {layers} of them, one for each layer; got {given!r}")
    return tuple(checks.flag(value, f"bias[{l}]") for l, value in enumerate(given))


def _dropout(given: float | Sequence[float], layers: int) -> tuple[float, ...]:
    """Return `dropout` as a tuple with one probability for the inputs and for each hidden layer, or raise an error."""
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
        return (0.0,) + (checks.real(given, "dropout", 0, 1),) * (layers - 1)
    if len(given) != layers:
        raise ValueError(f"dropout must be one rate or {layers}, of the inputs and each hidden layer; got {len(given)}")
    return tuple(checks.real(rate, f"dropout[{l}]", 0, 1) for l, rate in enumerate(given))
