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
    name: elementwise(formulas.elementwise(default(row, row.derivative), 1))
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


def test_every_activation_has_a_reference():
    assert reference.ACTIVATIONS.keys() == ACTIVATIONS.keys()
    assert reference.DERIVATIVES.keys() == PRIME.keys()
