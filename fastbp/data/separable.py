"""This module decides whether one layer of weights can tell classes apart, and proves the answer (001)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import checks, extras
from . import frames
from .arrays import matrix, numeric, within
from .sparse import is_sparse, read
from .usable import timeless, unmasked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TOLERANCE = 1e-10
"""The smallest tolerance that linprog takes. Inputs are scaled to the range from 0 to 1 before."""

MOST = 20
"""The largest number of inequalities that are written."""


@dataclass(frozen=True, eq=False, repr=False)
class Separability:
    """`Separability` is what `fastbp.separable` returns: planes between the classes, or a proof that there are none.

    As a condition, it is true if the classes are separable. ``print(s)`` says the result in words.

    Attributes
    ----------
    separable : bool
        Whether planes separate the classes.
    classes : tuple
        The classes in sorted order.
    w : array of shape (n_in,), or (n_in, n_classes) for more than two classes, or None
        The weights of the separating planes, or None if there are none.
    b : float, or array of shape (n_classes,), or None
        The biases.
    margin : float or None
        The smallest s_i z_i of a sample with z_i = w x_i + b, where s_i is 1 for the second class and -1 for the first.
        For more than two classes, it is the smallest difference between the output of the right class and another one.
    certificate : array of shape (n,), or (n, n_classes) for more than two classes, or None
        The numbers lambda that prove that no plane separates the classes, or None if the classes are separable.
    """

    classes: tuple[Any, ...]
    w: np.ndarray | None
    b: Any
    margin: float | None
    certificate: np.ndarray | None
    _samples: tuple[np.ndarray, np.ndarray] = field(repr=False)

    @property
    def separable(self) -> bool:
        """Whether planes separate the classes."""
        return self.certificate is None

    def __bool__(self) -> bool:
        return self.separable

    def __repr__(self) -> str:
        return f"<Separability: {'separable' if self else 'not separable'}, {len(self.classes)} classes>"

    def __str__(self) -> str:
        X, _ = self._samples
        plane = {1: "point", 2: "line"}.get(X.shape[1], "plane")
        two = len(self.classes) == 2
        names = f"the classes {self.classes[0]} and {self.classes[1]}" if two else f"the {len(self.classes)} classes"
        if self.certificate is None:
            if not two:
                return f"Some {plane}s separate {names} with the margin {self.margin:g}."
            z = f"{_sum(self.w, 'x')} {'-' if self.b < 0 else '+'} {abs(self.b):g}"
            return f"The {plane} {z} = 0 separates {names} with the margin {self.margin:g}."
        used = int((self.certificate > 0).reshape(len(X), -1).any(axis=1).sum())
        if plane == "line" and two and used <= MOST:
            return "\n".join(self._contradiction())
        shorter = "; sparse=True gives a proof with few of them" if used > MOST else ""
        planes = f"No {plane} separates" if two else f"No {plane}s separate"
        return f"{planes} {names}: the proof has {used} of the {len(X)} samples{shorter}."

    def _contradiction(self) -> Iterable[str]:
        """Yield the inequalities that the samples ask for, with theta = -b, and the sums that contradict each other."""
        X, codes = self._samples
        yield f"No line separates the classes {' and '.join(map(str, self.classes))}:"
        weights = 2 * np.asarray(self.certificate)  # those of each class have the sum 1
        for code, sign, last in ((1, ">=", "the mean of these says"), (0, "<", "and the mean of these says")):
            rows = np.flatnonzero((codes == code) & (weights > 0))
            for i in rows:
                x = ", ".join(f"{value:g}" for value in X[i])
                yield f"  ({x}) -> {self.classes[code]}:  {_sum(X[i], 'w')} {sign} theta"
            shares = ", ".join(f"{weight:.3g}" for weight in weights[rows])
            yield f"with the weights {shares}, {last}  {_sum(weights[rows] @ X[rows], 'w')} {sign} theta"


def separable(X: ArrayLike, y: ArrayLike, *, sparse: bool = False) -> Separability:
    """Decide whether one layer of weights can tell classes apart, and prove the answer.

    Two classes are separable if there is a plane between them: w x + b is above 0 for the second class, and below 0 for
    the first. Then the perceptron finds such a plane. If there is none, no training of a single layer can succeed, and
    numbers lambda_i >= 0 with the sum 1 prove it: sum_i lambda_i s_i (x_i, 1) = 0, where s_i is 1 for the second class
    and -1 for the first. Each plane would make the same sum larger than 0.

    More than two classes are separable if, for each sample, the output w_k x + b_k of its class k is the largest. For
    each sample and each other class j, there is one inequality, in a space for the weights of all classes (Kesler).

    Parameters
    ----------
    X : array, data frame or sparse matrix of shape (n, n_in)
        The inputs. They are read as float64.
    y : array of shape (n,)
        The class of each sample: numbers or strings, with at least two different ones.
    sparse : bool, keyword-only, default False
        Of several proofs, the one whose smallest lambda is largest is returned. With True, it is one with few samples:
        for two classes, at most n_in + 2 of its numbers are not 0.

    Returns
    -------
    Separability
        The result. If the classes are separable, it has the planes with the largest margin among those in which no
        input alone can change an output by more than 1, for values between its smallest and its largest one in X.

    Raises
    ------
    ValueError
        If X and y do not fit together, if a value is not finite, or if there is only one class.
    TypeError
        If X is not numeric, or the labels cannot be sorted.
    ArithmeticError
        If the classes are so close to each other, compared with the ranges of the inputs, that float64 cannot decide.
    ImportError
        If scipy is not installed: ``pip install "fastbp[separable]"``.

    Notes
    -----
    Inputs are scaled to the range from 0 to 1, and the sums of a proof are 0 up to 1e-9 of these ranges. Sources: 001
    (two inputs that are equal, patterns that wrap around), Gordan (1873), Duda and Hart (1973) (Kesler's construction).

    Examples
    --------
    A single layer can compute AND, but cannot tell whether two bits are the same:

    >>> import fastbp as fb
    >>> bits = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> s = fb.separable(bits, [0, 0, 0, 1])
    >>> s.separable, s.w, s.b, s.margin
    (True, array([1., 1.]), -1.5, 0.5)
    >>> s = fb.separable(bits, [1, 0, 0, 1])
    >>> s.certificate
    array([0.25, 0.25, 0.25, 0.25])
    >>> print(s)
    No line separates the classes 0 and 1:
      (0, 0) -> 1:  0 >= theta
      (1, 1) -> 1:  w1 + w2 >= theta
    with the weights 0.5, 0.5, the mean of these says  0.5 w1 + 0.5 w2 >= theta
      (0, 1) -> 0:  w2 < theta
      (1, 0) -> 0:  w1 < theta
    with the weights 0.5, 0.5, and the mean of these says  0.5 w1 + 0.5 w2 < theta
    """
    few = checks.flag(sparse, "sparse")
    inputs = _inputs(X)
    classes, codes = _classes(y, len(inputs))
    low, ranges = inputs.min(axis=0), np.ptp(inputs, axis=0)
    steps = np.where(ranges > 0, ranges, 1.0)
    scaled = np.column_stack([(inputs - low) / steps, np.ones(len(inputs))])
    rows, places = _kesler(scaled, codes, len(classes))
    samples = inputs, codes
    found = _plane(rows, ranges > 0, len(classes) - 1)
    w = np.zeros((inputs.shape[1], len(classes)))
    w[:, 1:] = found[:, :-1].T / steps[:, None]
    b = np.append(0.0, found[:, -1]) - low @ w
    if len(classes) == 2:
        z = inputs @ w[:, 1]
        ends = z[codes == 1].min(), z[codes == 0].max()
        plane, bias, margin = w[:, 1], -(ends[0] + ends[1]) / 2, (ends[0] - ends[1]) / 2
    else:
        outputs = inputs @ w + b
        right = np.arange(len(classes)) == codes[:, None]
        plane, bias, margin = w, b, float((outputs[right] - np.where(right, -np.inf, outputs).max(axis=1)).min())
    rounding = (inputs.shape[1] + 2) * np.finfo(float).eps * (np.abs(inputs) @ np.abs(w) + np.abs(b)).max()
    if margin > rounding:
        return Separability(classes, plane, bias if len(classes) > 2 else float(bias), float(margin), None, samples)
    shares = np.zeros((len(inputs), len(classes)))
    shares.flat[places] = _certificate(rows, few)
    return Separability(classes, None, None, None, shares.sum(axis=1) if len(classes) == 2 else shares, samples)


def _inputs(X: Any) -> np.ndarray:
    """Return checked inputs as a float64 matrix."""
    if is_sparse(X):
        return read(X, X.shape[1], np.dtype(np.float64), "X").toarray().astype(np.float64)
    array = numeric(timeless(frames.read(X, None)[0], "X"), "X")
    array = matrix(array, array.shape[-1] if array.ndim == 2 else 1)
    if not array.shape[1]:
        raise ValueError(f"X must have at least one column, got shape {array.shape}")
    within(array, "X", np.dtype(np.float64))
    return array.astype(np.float64)


def _classes(y: Any, n: int) -> tuple[tuple[Any, ...], np.ndarray]:
    """Return the classes in sorted order, and the number of the class of each of n samples."""
    labels = np.asarray(unmasked(y, "y"))
    if labels.shape == (n, 1):
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise ValueError(f"y must have shape ({n},), a class for each row of X; got {labels.shape}")
    if labels.dtype.kind == "f":
        within(labels, "y", np.dtype(np.float64))
    try:
        found, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        raise TypeError("y must have labels of one kind that can be sorted, such as numbers or strings") from None
    if len(found) < 2:
        raise ValueError(f"y must have at least 2 classes, got only {found.tolist()}")
    return tuple(found.tolist()), codes


def _kesler(scaled: np.ndarray, codes: np.ndarray, count: int) -> tuple[Any, np.ndarray]:
    """Return the vectors r of the inequalities r v > 0, as a sparse matrix, and their places in a matrix (n, count).

    The vector v has the weights and the bias of each class but the first, which has zeros: only differences matter. For
    two classes, the vectors are s_i (x_i, 1).
    """
    matrices, unit = _scipy("sparse"), np.eye(count)
    rows, places = [], []
    for k in range(count):
        members = np.flatnonzero(codes == k)
        for j in range(count):
            if j != k:
                rows.append(matrices.kron((unit[k] - unit[j])[None, 1:], scaled[members]))
                places.append(members * count + j)
    return matrices.vstack(rows).tocsr(), np.concatenate(places)


def _plane(rows: Any, free: np.ndarray, count: int) -> np.ndarray:
    """Return v of shape (count, n_in + 1) with the largest m, where r v >= m for each row r.

    Each weight is from -1 to 1, and 0 if it is not `free`.
    """
    ends = [(-1.0, 1.0) if each else (0.0, 0.0) for each in free] + [(None, None)]
    above = _scipy("sparse").hstack([-rows, np.ones((rows.shape[0], 1))]).tocsr()
    cost = np.append(np.zeros(rows.shape[1]), -1.0)
    v = _solve(cost, A_ub=above, b_ub=np.zeros(rows.shape[0]), bounds=[*ends * count, (0, None)])
    return v[:-1].reshape(count, -1)


def _certificate(rows: Any, few: bool) -> np.ndarray:
    """Return lambda >= 0 with the sum 1 and sum_i lambda_i r_i = 0: a vertex, or with the largest smallest lambda."""
    matrices, n = _scipy("sparse"), rows.shape[0]
    sums, wanted = matrices.vstack([rows.T, np.ones((1, n))]), np.append(np.zeros(rows.shape[1]), 1.0)
    if few:
        lambdas = _solve(np.zeros(n), "highs-ds", A_eq=sums, b_eq=wanted)
    else:  # lambda_i = mu_i + t with mu_i >= 0, and t is as large as possible
        both = matrices.hstack([sums, sums @ np.ones((n, 1))])
        *rest, least = _solve(np.append(np.zeros(n), -1.0), A_eq=both, b_eq=wanted)
        lambdas = np.array(rest) + least
    lambdas = np.where(lambdas > TOLERANCE, lambdas, 0.0)
    shares: np.ndarray = lambdas / lambdas.sum()
    return shares


def _scipy(module: str) -> Any:
    """Return a module of SciPy, which only this function needs."""
    return extras.package("separable", "separable", module)


def _solve(cost: np.ndarray, method: str = "highs", **given: Any) -> np.ndarray:
    """Return the solution of a linear program. Raise ArithmeticError if there is none within the tolerance."""
    options = {"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE}
    found = _scipy("optimize").linprog(cost, method=method, options=options, **given)
    if found.status:
        raise ArithmeticError(f"the distances between the classes are too small for float64: {found.message}")
    solution: np.ndarray = found.x
    return solution


def _sum(factors: Any, name: str) -> str:
    """Return a linear form in words, for example "w1 - 0.5 w2"."""
    shown = ""
    for k, factor in enumerate(factors, 1):
        if f"{factor:.6g}" not in ("0", "-0"):
            size = "" if f"{abs(factor):.6g}" == "1" else f"{abs(factor):.6g} "
            sign = (" - " if factor < 0 else " + ") if shown else "-" * int(factor < 0)
            shown += f"{sign}{size}{name}{k}"
    return shown or "0"
