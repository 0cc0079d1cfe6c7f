"""Every activation of the table: values, derivatives, extremes, NaN."""

import numpy as np
import pytest
import reference
from kernels.harness import elementwise

from fastbp.activations import ACTIVATIONS
from fastbp.kernels.simd import formulas

EPS = {np.float32: 6e-7, np.float64: 1e-15}


def default(sigma, formula):
    """A formula with the default of its parameters."""
    return lambda x: formula(x, *(x.of(parameter) for parameter in sigma.parameters()))


SIGMA = {name: elementwise(formulas.elementwise(default(row, row.value), 1)) for name, row in ACTIVATIONS.items()}
PRIME = {
    name: elementwise(formulas.elementwise(default(row, row.gradient), 1))
    for name, row in ACTIVATIONS.items()
    if row.trainable
}


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values(name, dtype):
    """Relative to the value: also where it is small. e^(-z^2/2) of gelu has the rounding of z^2 / 2.

    mish has two roundings more, of the quotient and the product after it.
    """
    rng = np.random.default_rng(0)
    z = np.concatenate(
        [rng.uniform(-30, 30, 5000), 10.0 ** rng.uniform(-20, 0, 500), -(10.0 ** rng.uniform(-20, 0, 500))]
    )
    z = z.astype(dtype)
    wanted = reference.ACTIVATIONS[name](z.astype(float))
    error = np.abs(SIGMA[name](z) - wanted) / np.maximum(np.abs(wanted), 1e-30)
    rounding = 1 + z.astype(float) ** 2 / 2 if name == "gelu" else 2 if name == "mish" else 1
    assert (error / rounding).max() <= EPS[dtype]


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", PRIME)
def test_derivatives(name, dtype):
    """From the output, so relative to the largest derivative, which is near 1 or 1/4; of z, that is a factor then."""
    z = np.linspace(-8, 8, 1001).astype(dtype)
    got = PRIME[name](z if ACTIVATIONS[name].of_z else SIGMA[name](z))
    bound = EPS[dtype] * (2 if ACTIVATIONS[name].of_z else 1)
    assert np.abs(got - reference.DERIVATIVES[name](z.astype(float))).max() <= bound


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extremes(name, dtype):
    """Finite at 1e4, saturated where the function is; NaN stays NaN, or a diverged network would hide it."""
    z = np.array([-1e4, 1e4, 0, np.nan], dtype)
    a = SIGMA[name](z)
    assert np.isfinite(a[:3]).all()
    assert np.isnan(a[3])
    rounding = EPS[dtype] if name in ("selu", "softplus") else 0
    assert a[:3] == pytest.approx(reference.ACTIVATIONS[name](z[:3].astype(float)), rel=rounding, abs=1e-30)


ENDS = (0, 20, 90, 700, 1e30)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_whole_range(name, dtype):
    """Up to the largest number, by which what is left of e^z, 1e-38 or 1e-308, must not be multiplied."""
    limits, row = np.finfo(dtype), ACTIVATIONS[name]
    z = np.array([limits.smallest_subnormal, limits.tiny, 1, *ENDS, limits.max], dtype)
    z = np.concatenate([-z, z])
    a, x = SIGMA[name](z), z.astype(float)
    with np.errstate(all="ignore"):
        value = reference.ACTIVATIONS[name](x)
        slope = reference.DERIVATIVES[name](x) if row.trainable else None
        rounding = EPS[dtype] * (1 + x**2 / 2 if name == "gelu" else 2)
    tiny = {np.float32: 1e-35, np.float64: 1e-304}[dtype]
    assert_near(a, value, rounding, tiny)
    if row.trainable:  # from the output, it is relative to the largest derivative
        assert_near(PRIME[name](z if row.of_z else a), slope, rounding, tiny if row.of_z else EPS[dtype])


def assert_near(got, wanted, relative, absolute):
    """Infinite where what is wanted is too large for the dtype, as 1.05 times the largest number for selu."""
    with np.errstate(all="ignore"):
        near = np.abs(got - wanted) <= np.maximum(relative * np.abs(wanted), absolute)
        assert (near | (got == wanted.astype(got.dtype))).all()


def test_every_activation_has_a_reference():
    assert reference.ACTIVATIONS.keys() == ACTIVATIONS.keys()
    assert reference.DERIVATIVES.keys() == PRIME.keys()
