"""This module holds `Settings`, the checked settings of a trainer. They never change, but can be replaced."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Any, Literal, get_args

import numpy as np

from ..base import checks, docstrings, hints
from ..base.history import History
from ..base.names import LossName
from ..base.value_objects import Value, field, fields_of
from ..engine.blocks import Block, Parameters
from ..losses import LOSSES, Loss
from ..metrics import Metric, by_name
from ..metrics.scores import Scorer
from ..rules.averages import Average
from ..rules.optimizers import OPTIMIZERS, Optimizer
from ..schedules import Schedule

Gradient = Literal["fused", "stored", "lazy"]
GRADIENTS: tuple[Gradient, ...] = get_args(Gradient)


def _loss(value: object, name: str) -> Any:
    return checks.named(value, name, LOSSES)


def named_optimizer(value: object, name: str = "optimizer") -> Optimizer:
    """Return the optimizer that a user means, or raise an error."""
    if value is None or isinstance(value, str):
        value = checks.resolved(value or "adam", name, OPTIMIZERS)
    if not isinstance(value, Optimizer):
        raise TypeError(f"optimizer must be a name such as 'adam' or an object such as SGD(0.1), got {value!r}")
    if not value.searches and value.state_count != len(value.states):
        raise ValueError(
            f"state_count of {type(value).__name__} must be the number of its states {value.states}, got "
            f"{value.state_count}"
        )
    return value


def _schedule(value: object, name: str) -> Schedule | None:
    if value is not None and not isinstance(value, Schedule):
        raise TypeError(f"schedule must be one of fastbp.schedules, such as Cosine(30), got {value!r}")
    return value


def _average(value: object, name: str) -> Average | None:
    if value is not None and not isinstance(value, Average):
        raise TypeError(f"average must be an average such as EMA(0.999), got {value!r}")
    return value


def _strength(value: object, name: str) -> float:
    return checks.real(value, name, 0)


def _size(value: object, name: str) -> int | Literal["all"]:
    if isinstance(value, str):
        if value != "all":
            raise ValueError(f"{name} must be an integer or 'all', got {value!r}")
        return "all"
    return checks.integer(value, name, 1)


def _metrics(value: Any, name: str) -> tuple[Metric, ...]:
    by_name(value)
    return tuple(value)


def _rates(given: object, name: str) -> dict[str, float] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"rates must be a dict such as {{'bias': 0.1}}, got {given!r}")
    return {each: checks.real(rate, f"rates[{each!r}]", 0) for each, rate in given.items()}


def _frozen(given: Any, name: str) -> tuple[int, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(f"frozen must be numbers of layers such as (1,), got {given!r}")
    return tuple(sorted({checks.integer(l, f"frozen[{k}]", 1) for k, l in enumerate(given)}))


def names_of(block: Block) -> set[str]:
    """Return the names by which `rates` can mean a block of parameters."""
    return {block.kind, f"layer {block.layer}", block.name}


class Settings(Value):
    """`Settings` holds the arguments of `Trainer` that may change between two calls of `fit`."""

    _: KW_ONLY
    loss: LossName | Loss = field(
        "The loss; training minimises its mean over the samples. The names are {losses}. Names of other "
        'libraries stand for them: "mse" is "mean_squared_error", "bce" is "binary_cross_entropy", "mae" is '
        '"absolute_error", which is a sum over the outputs here, and `fastbp.losses.ALIASES` has all. To set a '
        "parameter of a loss, give an object of `fastbp.losses`, for example ``Huber(2.0)``; "
        "`fastbp.losses.Formula` is for losses of your own. Each loss works with each activation function of "
        "the output, but some are made for certain outputs: there is a warning, which says what to use, if the "
        "output of the network can have others.",
        _loss,
        kind="str or object",
    )
    optimizer: Optimizer = field(
        "The rule that updates the parameters: a name, or an object of `SGD`, `Adam`, `AdamW`, `RMSprop`, "
        "`Adagrad`, `Adadelta`, `Rprop` or `LBFGS`. A name is that of a class in small letters, and means its "
        'default parameters: "adam" means ``Adam(1e-3)``, and "sgd" means ``SGD(0.01)``.',
        named_optimizer,
        default="adam",
        kind="str or Optimizer",
    )
    schedule: Schedule | None = field(
        "An object of `fastbp.schedules`, whose factor multiplies the learning rate of the optimizer. With "
        "None, the learning rate stays the same.",
        _schedule,
        default=None,
        kind="Schedule or None",
    )
    l1: float = field(
        "The strength of L1 regularization, at least 0. Training minimises the mean loss plus ``l1 sum |w|`` over "
        "all weights, without the biases. The reported loss does not include this term.",
        _strength,
        default=0.0,
        kind="float",
    )
    l2: float = field(
        "The strength of L2 regularization (001, weight decay), at least 0. Training minimises the mean loss plus "
        "l2/2 sum w^2 over all weights, without the biases. The reported loss does not include this term. Because "
        "the term is added to the mean loss, l2 corresponds to the `alpha` of scikit-learn divided by the number of "
        "samples of a minibatch: scikit-learn adds alpha / (2 n) sum w^2 to the mean loss, with n the number of "
        "samples of the minibatch.",
        _strength,
        default=0.0,
        kind="float",
    )
    clip_value: float | None = field(
        "Each number of the gradient is limited to the range from -clip_value to clip_value. It must be above "
        "0. With None there is no limit.",
        checks.bound,
        default=None,
        kind="float or None",
    )
    clip_norm: float | None = field(
        "If the Euclidean norm of the gradient over all parameters is larger than this, the gradient is "
        "multiplied by clip_norm / norm. It must be above 0. With None there is no limit. Both limits apply to "
        "the gradient of the loss, before the terms of l1 and l2 are added; clip_norm comes before clip_value.",
        checks.bound,
        default=None,
        kind="float or None",
    )
    average: Average | None = field(
        "An `EMA` or `SWA` object: the trainer then also keeps an average of the parameters over steps or "
        "epochs. The attribute `averaged` gives a network with it. `evaluate`, the validation, `EarlyStopping` and "
        "`Ensemble` use this network, and not `network`, which has the last parameters.",
        _average,
        default=None,
        kind="Average or None",
    )
    metrics: Sequence[Metric] = field(
        "The scores that `evaluate` and validation compute besides the loss. For classes they always compute "
        'the accuracy. "objective" is the loss plus the terms of `l1` and `l2`; the history has it for the '
        'training too, with the parameters at the end of the epoch. Give names such as "top_5_accuracy", "f1", '
        '"balanced_accuracy", "r2", "mae" or "auc" (which needs scikit-learn), objects of `fastbp.metrics`, or '
        "functions f(y, a) -> float of the targets y and the outputs a. ``fastbp.metrics.OfClasses(f)`` makes a "
        "metric of a function of classes. The module `fastbp.metrics` says more.",
        _metrics,
        default=(),
        kind="sequence of str or function",
    )
    batch_size: int | Literal["all"] = field(
        'The number of samples in a minibatch (001), at least 1. With 1, training is online learning. With "all", each '
        "step uses the full batch: all samples of the call, in their order. Samples that come in blocks need a number, "
        "and a minibatch of them may have at most 16 GiB. The gradient is that of the mean loss over the minibatch. "
        "For the steps of the sum over its n samples, as in 000 and 003, give SGD the learning rate n eta in place of "
        "eta, and divide `l1` and `l2` by n.",
        _size,
        default=32,
        kind='int or "all"',
    )
    shuffle: bool = field(
        "With True, each epoch goes through the samples in a new random order.",
        lambda value, name: bool(value),
        default=True,
        kind="bool",
    )
    n_threads: int | None = field(
        "The number of threads, at least 1. With None, fastbp uses as many as a minibatch is worth, of the "
        "cores that the process may use according to its CPU affinity and its control group. The number of "
        "threads never changes a result, not even in the last bit.",
        lambda value, name: checks.threads(value),
        default=None,
        kind="int or None",
    )
    gradient: Gradient = field(
        'With "fused", the update uses the gradient while it is still in registers. With "stored", the gradient '
        'is first written to memory. Both give exactly the same results; "fused" is faster. "lazy" is for '
        "sparse matrices, and trains in another way: a step changes the weights of an input, and the state of "
        "the optimizer for them, only if the input occurs in its minibatch. So `l1`, `l2`, momentum and weight "
        "decay do nothing to the weights of other inputs, and the time of a step does not depend on the number "
        "of inputs. It needs sparse X, a `batch_size` of at most 1,024, and no `clip_norm`. `SGD` without "
        "momentum and `Adagrad` have this advantage anyway.",
        checks.Choice(GRADIENTS),
        default="fused",
    )
    rates: Mapping[str, float] | None = field(
        'Factors of the learning rate for groups of parameters. The names are "weight", "bias", "layer 1" and '
        'so on, and those of single blocks, such as "W1" and "b2". A block has the product of the factors that '
        'name it: with ``{"bias": 0.1, "layer 1": 0.5}``, the biases of layer 1 have 0.05 of the rate. '
        "Parameters with the factor 0 stay as they are. With None, all have the same rate.",
        _rates,
        default=None,
        kind="dict of str to float, or None",
    )

    frozen: Sequence[int] = field(
        "The numbers of layers that training leaves as they are, from 1 on. No time is spent on their gradients: with "
        "``(1,)``, the first layer computes fixed features. The backward pass ends at the first layer that is not "
        "frozen.",
        _frozen,
        default=(),
        kind="sequence of int",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, without in {"rates": None, "frozen": ()}.items():
            if getattr(self, name) and self.optimizer.searches:
                raise ValueError(f"{name} must be {without} with LBFGS, which moves all parameters along one line")
        if self.lazy and (self.clip_norm is not None or self.optimizer.searches):
            raise ValueError("gradient must not be 'lazy' with clip_norm or LBFGS, which need the whole gradient")

    @property
    def batch(self) -> int | None:
        """The number of samples of a step, or None if each step uses all of them."""
        return None if self.batch_size == "all" or self.optimizer.searches else self.batch_size

    @property
    def lazy(self) -> bool:
        """Whether a step leaves the weights of inputs that do not occur in its minibatch as they are."""
        return self.gradient == "lazy"

    @functools.cached_property  # each step of `partial_fit` asks for it several times
    def resolved_loss(self) -> Loss:
        """The loss as an object."""
        found: Loss = checks.resolved(self.loss, "loss", LOSSES)
        return found

    @functools.cached_property
    def of_users(self) -> tuple[object, ...]:
        """The optimizer, the loss and the average, as far as their classes are not those of fastbp."""
        parts = self.optimizer, self.resolved_loss, self.average
        return tuple(each for each in parts if each and type(each).__module__.partition(".")[0] != "fastbp")

    @property
    def scorers(self) -> dict[str, Scorer | None]:
        """The metrics by their names. The value of "accuracy" is None, because the kernels compute it."""
        return by_name(self.metrics)

    def penalty(self, parameters: Parameters) -> float:
        """Return l1 sum |w| + l2/2 sum w^2 over all weights (001), which training adds to the mean loss."""
        total, arrays = 0.0, parameters.unpack(parameters.theta)
        for block in parameters.blocks:
            if block.kind != "weight":
                continue
            W = arrays[block.name].astype(np.float64)
            total += self.l1 * float(np.abs(W).sum()) + 0.5 * self.l2 * float((W * W).sum())
        return total

    def rate_of(self, block: Block) -> float:
        """Return the factor of the learning rate of a block of parameters: the product of the `rates` that name it."""
        return math.prod(rate for name, rate in (self.rates or {}).items() if name in names_of(block))

    def rate_at(self, step: int, history: History) -> float:
        """Return the learning rate of a step. The first step is 1."""
        return float(self.learning_rate(np.array([step]), history)[0])

    def learning_rate(self, t: np.ndarray, history: History) -> np.ndarray:
        """Return the learning rate at some steps of the epoch that follows the given history.

        Parameters
        ----------
        t : int array of shape (n,)
            The numbers of the steps. The first step of the training is 1.
        history : History
            The finished epochs.

        Returns
        -------
        float64 array of shape (n,)
            The learning rate of the optimizer, multiplied by the factor of the schedule.
        """
        eta = np.full(len(t), self.optimizer.learning_rate)
        if self.schedule is None:
            return eta
        with np.errstate(all="ignore"):
            return np.asarray(eta * self.schedule.at(t - 1, history.epochs, history))


class WithSettings:
    """`WithSettings` tells type checkers the settings that are attributes of a trainer."""

    loss: LossName | Loss
    optimizer: Optimizer
    schedule: Schedule | None
    l1: float
    l2: float
    clip_value: float | None
    clip_norm: float | None
    average: Average | None
    metrics: Sequence[Metric]
    batch_size: int | Literal["all"]
    shuffle: bool
    n_threads: int | None
    gradient: Gradient
    rates: Mapping[str, float] | None
    frozen: Sequence[int]


NAMES = tuple(fields_of(Settings))
"""The names of all settings, in their order."""

SETTINGS = docstrings.filled(docstrings.parameters(fields_of(Settings).values()), losses=docstrings.listed(LOSSES))
"""What the section Parameters of a docstring says of all settings."""

hints.ARGUMENTS["fit"] |= {
    name: f"it is a setting of the trainer: Trainer(..., {name}=...) or trainer.{name} = ..." for name in NAMES
}
