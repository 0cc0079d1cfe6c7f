"""Whether one layer of weights can tell classes apart, with its proof."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

import fastbp as fb

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
SAME = [1, 0, 0, 1]
RING = np.array(
    [np.roll(pattern, k) for pattern in ([1, 1, 0, 0, 1, 0, 1, 0], [1, 1, 1, 1, 0, 0, 0, 0]) for k in range(8)]
)
"""Two patterns of 4 pixels in all translations with wrap-around."""


def with_ones(X):
    """The rows (x_i, 1), with inputs from 0 to 1."""
    ranges = np.ptp(X, axis=0)
    return np.column_stack([(X - X.min(axis=0)) / np.where(ranges > 0, ranges, 1), np.ones(len(X))])


def check_proof(s, X, codes):
    """lambda >= 0 with the sum 1, and sum_ij lambda_ij (e_k - e_j) (x_i, 1) = 0 with k the class of sample i."""
    count = len(s.classes)
    one_hot = np.eye(count)[codes]
    shares = s.certificate
    if count == 2:
        shares = shares[:, None] * (1 - one_hot)
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert (shares * one_hot == 0).all()
    sums = (one_hot * shares.sum(axis=1, keepdims=True) - shares).T @ with_ones(X)
    assert sums == pytest.approx(np.zeros_like(sums), abs=1e-9)
    assert (s.w, s.b, s.margin) == (None, None, None)
    assert not s


@pytest.mark.parametrize(
    ("y", "w", "b"), [([0, 0, 0, 1], (1, 1), -1.5), ([0, 1, 1, 1], (1, 1), -0.5), ([1, 1, 1, 0], (-1, -1), 1.5)]
)
def test_gates(y, w, b):
    s = fb.separable(BITS, y)
    assert s
    assert s.separable
    assert s.certificate is None
    assert s.w == pytest.approx(w, abs=1e-12)
    assert (s.b, s.margin) == pytest.approx((b, 0.5), abs=1e-12)
    net = fb.MLP.from_weights([s.w[:, None]], [[s.b]], output="threshold")
    assert net.predict_classes(BITS).tolist() == y


def test_same():
    s = fb.separable(BITS, SAME)
    assert s.certificate == pytest.approx(np.full(4, 1 / 4), abs=1e-12)
    check_proof(s, BITS, SAME)


def test_patterns_that_wrap_around():
    y = [1] * 8 + [0] * 8
    s = fb.separable(RING, y)
    assert s.certificate == pytest.approx(np.full(16, 1 / 16), abs=1e-12)
    check_proof(s, RING, y)
    few = fb.separable(RING, y, sparse=True)
    check_proof(few, RING, y)
    assert (few.certificate > 0).sum() <= 8 + 2


def test_three_inequalities_in_words():
    text = str(fb.separable([[0.0, 0], [2, 2], [1, 1]], ["out", "out", "in"]))
    assert text.splitlines() == [
        "No line separates the classes in and out:",
        "  (0, 0) -> out:  0 >= theta",
        "  (2, 2) -> out:  2 w1 + 2 w2 >= theta",
        "with the weights 0.5, 0.5, the mean of these says  w1 + w2 >= theta",
        "  (1, 1) -> in:  w1 + w2 < theta",
        "with the weights 1, and the mean of these says  w1 + w2 < theta",
    ]


def test_words():
    assert str(fb.separable(BITS, [0, 0, 0, 1])) == (
        "The line x1 + x2 - 1.5 = 0 separates the classes 0 and 1 with the margin 0.5."
    )
    assert str(fb.separable([[0.0], [1], [3]], [0, 1, 1])) == (
        "The point 0.333333 x1 - 0.166667 = 0 separates the classes 0 and 1 with the margin 0.166667."
    )
    assert str(fb.separable(RING, [1] * 8 + [0] * 8)) == (
        "No plane separates the classes 0 and 1: the proof has 16 of the 16 samples."
    )
    assert str(fb.separable(np.eye(3), [0, 1, 2])).startswith("Some planes separate the 3 classes with the margin ")
    assert str(fb.separable([[0.0], [1], [2], [1]], [0, 1, 2, 2])) == (
        "No points separate the 3 classes: the proof has 2 of the 4 samples."
    )
    grid = np.stack(np.meshgrid(range(6), range(6)), axis=-1).reshape(-1, 2)
    many = str(fb.separable(grid, grid.sum(axis=1) % 2))
    assert many.endswith("of the 36 samples; sparse=True gives a proof with few of them.")
    assert len(str(fb.separable(grid, grid.sum(axis=1) % 2, sparse=True)).splitlines()) <= 7
    assert repr(fb.separable(BITS, SAME)) == "<Separability: not separable, 2 classes>"


@pytest.mark.parametrize("seed", range(40))
def test_random_samples_against_svc(seed):
    """An SVC with a huge C separates them too, and its plane has no larger margin than ours."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(4, 12), rng.integers(1, 5)
    X = rng.normal(size=(n, d)) if seed % 2 else rng.integers(0, 2, (n, d)).astype(float)
    codes = np.append([0, 1], rng.integers(0, 2, n - 2))
    s = fb.separable(X, codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it never ends where the classes cannot be separated
        other = SVC(kernel="linear", C=1e6, max_iter=10**6).fit(X, codes)
    signs = 2 * codes - 1
    assert bool(s) == ((signs * other.decision_function(X)) > 0).all()
    if s:
        assert (signs * (X @ s.w + s.b)).min() == pytest.approx(s.margin, abs=1e-9)
        assert s.margin > 0
        w = other.coef_[0]
        ours = np.abs(w * np.ptp(X, axis=0)).max()
        assert s.margin >= (signs * other.decision_function(X)).min() / ours - 1e-6
    else:
        check_proof(s, X, codes)
        few = fb.separable(X, codes, sparse=True)
        check_proof(few, X, codes)
        assert (few.certificate > 0).sum() <= d + 2


@pytest.mark.parametrize("seed", range(20))
def test_more_than_two_classes(seed):
    rng = np.random.default_rng(seed)
    n, d, count = rng.integers(6, 25), rng.integers(1, 4), rng.integers(3, 5)
    X, codes = rng.normal(size=(n, d)), np.append(np.arange(count), rng.integers(0, count, n - count))
    if seed % 3 == 0:  # the nearest of several points is a matter of planes
        X = rng.normal(size=(count, d))[codes] + 1e-3 * X
    X *= 10.0 ** rng.integers(-4, 5, d)
    s = fb.separable(X, codes)
    if s:
        z = X @ s.w + s.b
        assert z.argmax(axis=1).tolist() == codes.tolist()
        right = np.eye(len(s.classes))[codes] > 0
        assert (z[right] - np.where(right, -np.inf, z).max(axis=1)).min() == pytest.approx(s.margin, rel=1e-6)
    else:
        assert seed % 3
        for few in (False, True):
            proof = fb.separable(X, codes, sparse=few)
            check_proof(proof, X, codes)
        assert (proof.certificate > 0).sum() <= (len(s.classes) - 1) * (d + 1) + 1


def test_units_of_the_inputs_do_not_matter():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(12, 3)), np.arange(12) % 2
    X[:, 0] += 2 * y
    shift, scale = np.array([1e6, 0, -3]), np.array([1e-3, 1e5, 1])
    plain, other = fb.separable(X, y), fb.separable(X * scale + shift, y)
    assert plain
    assert other.margin == pytest.approx(plain.margin, abs=1e-6)
    assert other.w * scale == pytest.approx(plain.w, abs=1e-5)


def test_a_constant_column_has_no_weight():
    s = fb.separable(np.column_stack([BITS, np.full(4, 7.0)]), [0, 0, 0, 1])
    assert s.w == pytest.approx([1, 1, 0], abs=1e-12)
    assert not fb.separable(np.ones((2, 3)), [0, 1])


def test_kinds_of_inputs_and_labels():
    wanted = fb.separable(BITS, [0, 0, 0, 1])
    for X in (BITS.tolist(), BITS.astype(np.uint8), BITS > 0, sparse.csr_matrix(BITS), pd.DataFrame(BITS)):
        s = fb.separable(X, pd.Series(["no", "no", "no", "yes"]))
        assert s.classes == ("no", "yes")
        assert s.w.tolist() == wanted.w.tolist()
    assert fb.separable(BITS, [[-1], [-1], [-1], [1]]).classes == (-1, 1)
