"""This module looks at whether network, settings and samples go together: it refuses some, and warns of others."""

from __future__ import annotations

import dataclasses
import warnings

from .. import checks
from ..callbacks import EarlyStopping, Lambda
from ..data import arrays
from ..data.samples import Targets
from ..losses import Loss
from ..network import MLP
from .hooks import Hooks
from .settings import Settings


def check_pair(network: MLP, settings: Settings) -> None:
    """Raise ValueError if the network can never be trained with these settings."""
    loss, n_out, output = settings.resolved_loss, network.sizes[-1], network.architecture.activations[-1]
    loss.target_count(n_out)
    loss.check_logits(output.name)
    if n_out < loss.least_outputs:
        raise ValueError(
            f"loss must not be {loss.name!r} for a network with {n_out} output, because it compares outputs; use "
            f"loss='binary_cross_entropy' with output='sigmoid', or {loss.least_outputs} outputs"
        )
    if n_out == 1 and output.whole_rows:
        raise ValueError(
            f"output must not be {output.name!r} for a network with 1 output, which would be 1 for each sample; use "
            f"output='sigmoid' for two classes, or output='identity' for other numbers"
        )
    arrays.within_dtype(settings.optimizer.learning_rate, "learning_rate", network.dtype)


def check_monitors(settings: Settings, called: Hooks, classes: bool | None, validation: Targets | None) -> None:
    """Raise ValueError if a callback or the schedule watches a column that the history will not have.

    Callbacks of the user may add columns. With such callbacks, only the end of an epoch shows which columns there are.

    Parameters
    ----------
    settings : Settings
        The settings of the trainer.
    called : Hooks
        The callbacks of the call of `fit`.
    classes : bool or None
        Whether the targets are classes. None means that nobody knows in advance.
    validation : Targets or None
        The targets of the validation samples, or None if there are none.
    """
    ours = __package__.partition(".")[0]
    if any(type(each) is Lambda or type(each).__module__.partition(".")[0] != ours for each in called.all):
        return
    columns = ["loss", *["accuracy"] * (classes is not False), "learning_rate", "seconds"]
    columns += [name for name in settings.scorers if name == "objective"]
    if validation is not None:
        found = ["loss", *["accuracy"] * validation.classes, *(n for n in settings.scorers if n != "accuracy")]
        columns += [f"validation_{name}" for name in found]
    watched = [each.monitor for each in called.all if isinstance(each, EarlyStopping)]
    for monitor in (*watched, *(settings.schedule.monitors if settings.schedule else ())):
        if validation is None and monitor.startswith("validation_"):
            raise ValueError(
                f"monitor must be one of {', '.join(map(repr, columns))}, got {monitor!r}, which needs validation_data "
                f"or validation_split in fit"
            )
        checks.choice(monitor, "monitor", columns)


def warn_of_pair(network: MLP, loss: Loss, stacklevel: int) -> None:
    """Warn if the output of the network can have values that the loss is not made for.

    Parameters
    ----------
    network : MLP
        The network.
    loss : Loss
        The loss, as an object.
    stacklevel : int
        The number of calls from here to the line that the warning shows.
    """
    output = network.architecture.activations[-1]
    if output.bounds is None or loss.fits(*output.bounds, output.whole_rows):
        return
    instead = ""
    if "from_logits" in {field.name for field in dataclasses.fields(loss)}:
        instead = f", or output='identity' with loss=fastbp.losses.{type(loss).__name__}(from_logits=True)"
    warnings.warn(
        f"the loss {loss.name!r} is made for outputs that are {loss.made_for}, and the output {output.name!r} does not "
        f"give them: use output={loss.suited!r}{instead}",
        stacklevel=stacklevel,
    )
