"""Every activation of the table: values, derivatives, extremes, NaN."""

import numpy as np
import pytest
import reference
from kernels.harness import elementwise

from fastbp.kernels import simd
from fastbp.kernels.activations import ACTIVATIONS

EPS = {np.float32: 6e-7, np.float64: 1e-15}
SIGMA = {name: elementwise(simd.elementwise(row.formula, 1)) for name, row in ACTIVATIONS.items()}
PRIME = {name: elementwise(simd.elementwise(row.derivative, 1)) for name, row in ACTIVATIONS.items() if row.derivative}


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values(name, dtype):
    """Relative to the value: also where it is small."""
    rng = np.random.default_rng(0)
    z = np.concatenate(
        [rng.uniform(-30, 30, 5000), 10.0 ** rng.uniform(-20, 0, 500), -(10.0 ** rng.uniform(-20, 0, 500))]
    )
    z = z.astype(dtype)
    wanted = reference.ACTIVATIONS[name](z.astype(float))
    error = np.abs(SIGMA[name](z) - wanted) / np.maximum(np.abs(wanted), 1e-30)
    assert error.max() <= EPS[dtype]


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", PRIME)
def test_derivatives(name, dtype):
    """From the output, so relative to the largest derivative, which is 1 or 1/4."""
    z = np.linspace(-8, 8, 1001).astype(dtype)
    got = PRIME[name](SIGMA[name](z))
    assert np.abs(got - reference.DERIVATIVES[name](z.astype(float))).max() <= EPS[dtype]


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extremes(name, dtype):
    """Finite at 1e4, saturated where the function is; NaN stays NaN, or a diverged network would hide it."""
    z = np.array([-1e4, 1e4, 0, np.nan], dtype)
    a = SIGMA[name](z)
    assert np.isfinite(a[:3]).all()
    assert np.isnan(a[3])
    assert a[:3] == pytest.approx(reference.ACTIVATIONS[name](z[:3].astype(float)), abs=1e-30)


def test_every_activation_has_a_reference():
    assert reference.ACTIVATIONS.keys() == ACTIVATIONS.keys()
    assert reference.DERIVATIVES.keys() == PRIME.keys()
