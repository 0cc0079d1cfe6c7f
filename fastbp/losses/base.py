"""This module holds `Loss`, the base class of all losses, and the registry of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import numpy as np

from ..base.checks import Registry
from ..base.value_objects import WithFields, field
from ..formulas.gates import Operand
from ..formulas.nodes import Node, apply
from ..kernels.simd.formulas import digest
from .of_arrays import costs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LOSSES: Registry[Loss] = Registry()
"""All losses, by their names."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Loss(WithFields):
    """`Loss` is the base class of all losses.

    The docstring of each class below gives the formula of C for one sample, the name of the loss, and the number of its
    source, such as 002. In the formulas, a_i is output i of the network, y_i is target i, n_out is the number of
    outputs, and sum_i is the sum over all outputs. The method `term` returns the term of one output together with its
    derivative dC/da_i, with which backpropagation starts.

    An object is a function: called with outputs and targets, it returns the loss as `Trainer` means it, which is the
    mean over the samples. `gradient` returns the derivative of this mean.

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
    >>> loss = fb.losses.SquaredError()
    >>> loss([0.5, 2.0], [1.0, 0.0]), loss.gradient([0.5, 2.0], [1.0, 0.0])
    (2.125, array([-0.5,  2. ]))
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

    def __init_subclass__(cls, **options: Any) -> None:
        if "term" in vars(cls):  # functions that the class inherits compute another loss
            for name, none in (("fused", {}), ("whole_row", "")):
                if name not in vars(cls):
                    setattr(cls, name, none)
        super().__init_subclass__(**options)

    def __call__(self, a: ArrayLike | Node, y: ArrayLike | Node) -> Any:
        """Compute the mean loss over the samples, as `Trainer.evaluate` does.

        Parameters
        ----------
        a : array of shape (n, n_out), or (n_out,) or () for one sample, or Node
            The outputs, such as those of `MLP.outputs`. An array of shape (n,) is one sample with n outputs; n samples
            with one output have the shape (n, 1).
        y : array of shape (n, n_out), or (n,) of class labels or for one output, or Node
            The targets, as for `Trainer.fit`. Those of one sample have no first axis.

        Returns
        -------
        float or Node
            The mean of C. It is a node if an argument is a node of `fastbp.graph`: a single gate.

        Raises
        ------
        ValueError
            If the shapes do not fit together, or if a target is not possible for this loss.
        TypeError
            If an argument is not numeric, or if labels are not integers.
        """
        if isinstance(a, Node) or isinstance(y, Node):
            return apply("loss", a, y, loss=self)
        each = costs(self, a, y)[0]
        return float(each.sum(dtype=np.float64) / (1 if self.summed else len(each)))

    def gradient(self, a: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Compute the derivative of the mean loss with respect to each output (000).

        Parameters
        ----------
        a, y : arrays
            The outputs and the targets, as for a call.

        Returns
        -------
        array of the shape of a
            The derivatives, float32 for outputs of float32, and else float64. They contain the factor 1 / n, as
            `MLP.backward` and `Trainer.partial_fit` expect it. For one sample, they are dC/da.

        Raises
        ------
        ValueError, TypeError
            As for a call.

        Examples
        --------
        >>> import fastbp as fb
        >>> net, loss = fb.MLP([2, 3, 2], seed=0), fb.losses.Huber()
        >>> X, y = [[0.0, 1.0], [2.0, 3.0]], [[1.0, 0.0], [0.0, 1.0]]
        >>> dW, db, dX = net.backward(X, loss.gradient(net.outputs(X), y))
        >>> bool(abs(dW[0] - net.gradients(X, y, loss=loss)[1][0]).max() < 1e-6)
        True
        """
        g = costs(self, a, y)[1]
        with np.errstate(all="ignore"):
            return (g if self.summed else g / len(g)).reshape(np.shape(a))

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
        """Return a string that is different for losses with different kernels. It is part of the name of a kernel."""
        formulas = () if self.whole_row else ((self.term, 2 + self.parameter_count, ()),)
        fused = sorted(self.fused.items())
        return digest(dtype, *formulas, also=(self.whole_row, self.rows, self.parameter_count, *map("=".join, fused)))
