"""This module looks at whether network, settings and samples go together: it refuses some, and warns of others."""

from __future__ import annotations

import dataclasses
import warnings

from ..data import arrays
from ..losses import Loss
from ..network import MLP
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
