"""This module holds `Loss`, the base class of all losses, and the registry of their names."""

from __future__ import annotations

from typing import Any, ClassVar, dataclass_transform

from ..base.checks import Registry
from ..base.value_objects import WithFields, field
from ..formulas.gates import Operand
from ..kernels.simd.formulas import digest

LOSSES: Registry[Loss] = Registry()
"""All losses, by their names."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Loss(WithFields):
    """`Loss` is the base class of all losses.

    The docstring of each class below gives the formula of C for one sample, the name of the loss, and the number of its
    source, such as 002. In the formulas, a_i is output i of the network, y_i is target i, n_out is the number of
    outputs, and sum_i is the sum over all outputs. The method `term` returns the term of one output together with its
    derivative dC/da_i, with which backpropagation starts.

    Attributes
    ----------
    name : str
        The name of the loss for `Trainer`.
    targets : str
        The kind of targets: "values" (finite numbers), "counts" (at least 0), "probabilities" (from 0 to 1),
        "distribution" (class labels, or rows of probabilities with the sum 1) or "signs" (0 and 1, or -1 and 1).
    threshold : float
        A single output of at least this value means class 1. `Trainer` gives the threshold to its network, so that
        `MLP.predict_classes` and the accuracy use the same value.
    fused : dict of str to str
        For some activation functions of the output, the name of the function of `fastbp.kernels.row_losses` that
        computes output and loss in one step.
    made_for : str
        The outputs that the loss is made for, in words.
    suited : str
        The name of an activation function with such outputs.
    least_outputs : int
        The smallest number of outputs for which the loss makes sense.
    from_logits : bool
        Whether the outputs are logits: the pre-activations of a softmax or a sigmoid, which the loss computes itself.
    labels : bool
        Whether integers of shape (n,) are class labels for a network with several outputs.
    summed : bool
        Whether C is summed over the samples of a minibatch. If not, their mean is minimised.
    whole_row : str
        The name of the function of `fastbp.kernels.row_losses` that computes the loss of whole rows. With "", the loss
        is a sum over the outputs, or `term` is the formula of whole rows.
    rows : bool
        Whether `term` takes all outputs and targets of a sample, and returns C and dC/da_i for each output.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.losses.LOSSES["hinge"].threshold
    0.0
    """

    __dataclass_fields__: ClassVar[dict[str, Any]] = {}
    registries = (LOSSES,)
    name: str
    targets: str = "values"
    threshold: float = 0.5
    fused: ClassVar[dict[str, str]] = {}
    made_for: str = "numbers of any size"
    suited: str = "identity"
    least_outputs: int = 1
    from_logits: bool = False
    labels: bool = True
    summed: bool = False
    whole_row: str = ""
    rows: bool = False

    def term(self, a: Operand, y: Operand, *parameters: Operand) -> tuple[Operand, ...]:
        """Return (C, dC/da) for one output. The loss of a sample is the sum of C over its outputs.

        The output a and the target y are vectors or arrays of several samples, and `parameters` returns the rest.
        """
        raise TypeError(f"{type(self).__name__} must define term, the formula of the loss")

    def fits(self, low: float, high: float, rows: bool) -> bool:
        """Return whether the loss is made for outputs from `low` to `high`, which with `rows` have the sum 1."""
        return True

    def check_logits(self, output: str) -> None:
        """Raise ValueError if the loss needs logits, and the activation function of the output gives others."""
        if self.from_logits and output != "identity":
            raise ValueError(f"output must be 'identity' for {self.name} with from_logits=True, got {output!r}")

    def target_count(self, n_out: int) -> int:
        """Return the number of targets of a sample. Raise ValueError if the loss cannot be used with n_out outputs."""
        return n_out

    def parameters(self, n_out: int) -> tuple[float, ...]:
        """Return the numbers that `term` takes as its last arguments, for a network with n_out outputs."""
        return self._values()

    @property
    def parameter_count(self) -> int:
        """The number of parameters of `term`."""
        return len(self.parameters(1))

    def digest(self, dtype: Any) -> str:
        """Return a string that is different for losses with different formulas. It is part of the name of a kernel."""
        if self.whole_row:
            return self.whole_row
        return digest(dtype, (self.term, 2 + self.parameter_count, ()))
