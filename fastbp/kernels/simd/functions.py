"""This module computes exp, log and similar functions of vectors, by polynomials.

The scalar functions of Numba are ten to twenty times slower. The errors are a few units in the last place. The result
for NaN is NaN.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir

from .operands import operation
from .vector import F32, F64, MANTISSA, Vector, absolute, fma, maximum, minimum, sqrt, tiny, where


def _power_of_two(t: Vector) -> Vector:
    """Return 2^k. The integer k is in the low bits of t = k + 1.5 * 2^mantissa."""
    mantissa = MANTISSA[t.type.element]
    bits = t.bits()
    bias = 127 if mantissa == 23 else 1023
    shifted = t.builder.shl(bits, ir.Constant(bits.type, [mantissa] * t.type.count))
    one = ir.Constant(bits.type, [bias << mantissa] * t.type.count)
    return Vector(t.builder, t.builder.bitcast(t.builder.add(shifted, one), t.type))


def _expm1_parts(x: Vector) -> tuple[Vector, Vector]:
    """Return (2^k, e^r - 1), with x = k ln 2 + r and |r| <= ln 2 / 2.

    e^r - 1 is its Taylor sum up to r^7 (float32, relative error 5e-9) or r^13 (float64, 4e-18). It keeps its relative
    precision around 0. ln 2 is split into two parts, so that k ln 2 is exact even without a fused multiply-add.
    """
    single = x.type.element == F32
    high, low = (0.693359375, -2.12194440054690583e-4) if single else (0.693147180369123816490, 1.90821492927058770e-10)
    magic = 1.5 * 2.0 ** MANTISSA[x.type.element]
    t = fma(x, 1.0 / math.log(2.0), magic)
    k = t - magic
    r = fma(k, -low, fma(k, -high, x))
    terms = 7 if single else 13
    p = r.of(1.0 / math.factorial(terms))
    for n in range(terms - 1, 0, -1):
        p = fma(p, r, 1.0 / math.factorial(n))
    return _power_of_two(t), p * r


@operation(np.exp)
def exp(x: Vector) -> Vector:
    """Return e^x.

    If the result would be below the smallest normal number, it is 0. It is at most e^88 (float32) or e^709 (float64).
    """
    low, high = (-87.0, 88.0) if x.type.element == F32 else (-708.0, 709.0)
    scale, q = _expm1_parts(minimum(maximum(x, low), high))
    return where(x < low, 0.0, fma(scale, q, scale))


@operation(lambda x: np.expm1(np.minimum(x, 88.0 if np.result_type(x) == np.float32 else 709.0)))
def expm1(x: Vector) -> Vector:
    """Return e^x - 1 for x >= 0. It is precise around 0, and at most e^88 (float32) or e^709 (float64)."""
    scale, q = _expm1_parts(minimum(x, 88.0 if x.type.element == F32 else 709.0))
    return fma(scale, q, scale - 1.0)


def _atanh_twice(s: Vector, terms: int) -> Vector:
    """Return 2 atanh s = 2 s (1 + s^2/3 + s^4/5 + ...), with `terms` terms after the first one."""
    square = s * s
    p = s.of(2.0 / (2 * terms + 1))
    for n in range(terms - 1, -1, -1):
        p = fma(p, square, 2.0 / (2 * n + 1))
    return p * s


@operation(np.log)
def log(x: Vector) -> Vector:
    """Return ln x.

    For x below the smallest normal number, also 0 and negative x, the result is the logarithm of this number: -87
    (float32) or -708 (float64). For infinity and NaN, the result is NaN.
    """
    b, element = x.builder, x.type.element
    mantissa = MANTISSA[element]
    root = 0x3F3504F3 if element == F32 else 0x3FE6A09E667F3BCD  # these are the bits of sqrt(1/2)
    x = maximum(x, tiny(x))
    nothing = x - x  # 0 for a number, and NaN for infinity and NaN, whose bits would look like those of a number
    bits = x.bits()
    constant = lambda value: ir.Constant(bits.type, [value] * x.type.count)  # noqa: E731
    e = b.ashr(b.sub(bits, constant(root)), constant(mantissa))
    m = Vector(b, b.bitcast(b.sub(bits, b.shl(e, constant(mantissa))), x.type))
    s = (m - 1.0) / (m + 1.0)
    return fma(Vector(b, b.sitofp(e, x.type)), math.log(2.0), _atanh_twice(s, 5 if element == F32 else 11)) + nothing


@operation(np.log1p)
def log1p(u: Vector) -> Vector:
    """Return ln(1 + u) for 0 <= u <= 1. It is precise around 0."""
    return _atanh_twice(u / (u + 2.0), 7 if u.type.element == F32 else 16)


def smooth(y: Vector, smoothing: Vector, uniform: Vector) -> Vector:
    """Return (1 - smoothing) y + smoothing / n_out, with `uniform` = 1 / n_out. With smoothing 0, it is exactly y."""
    return fma(y, 1.0 - smoothing, smoothing * uniform)


def sine_of_half_turns(x: Vector) -> Vector:
    """Return sin(pi x) for |x| <= 1/2, as its Taylor sum. The error is at most 1e-9."""
    square = x * x
    p = x.of(0.0)
    for n in range(13, 0, -2):
        p = fma(p, square, (-1.0) ** (n // 2) * math.pi**n / math.factorial(n))
    return p * x


# These are the coefficients of ln(erfc(x) e^(x^2) / t) with t = 2 / (2 + x), as a polynomial of s in [-1, 1] with
# t = (1 + low) / 2 + s (1 - low) / 2. The lowest power comes first. They are Chebyshev fits down to t = low, where
# e^(-x^2) becomes too small for the dtype. The errors are within 5e-8 (float32) and 9e-16 (float64).
ERFC = {
    F32: (
        0.17,
        (
            -0.556313921, 0.568149962, 0.0152706813, -0.0291345921, -0.000973627403, 0.00362924468, -0.000235180695,
            -0.000518169752, 7.2395817e-5, 5.32546121e-5,
        ),
    ),
    F64: (
        0.07,
        (
            -0.6244933833926771, 0.6310695897727706, 0.03220523612504996, -0.039588403244792784,
            -0.004999191662470592, 0.0064848499628060215, 0.00039351919310138503, -0.001392343388731749,
            0.00013908114524576877, 0.00029503311065754887, -9.798946138628328e-5, -4.76682038061139e-5,
            3.6506990968790824e-5, 1.4430332240657639e-6, -9.3524172073254e-6, 2.526692945480052e-6,
            1.447103703429683e-6, -1.0506987576391882e-6, -7.154341407890979e-9, 2.2270401572888795e-7,
            -5.331550211636403e-8, -2.1947255303931624e-8, 9.052439742302594e-9,
        ),
    ),
}  # fmt: skip


_erfc = np.vectorize(math.erfc, otypes=[float])


@operation(lambda x: 0.5 * _erfc(np.multiply(x, -math.sqrt(0.5))))
def normal_cdf(x: Vector) -> Vector:
    """Return (1 + erf(x / sqrt 2)) / 2, the distribution function of the standard normal distribution."""
    low, coefficients = ERFC[x.type.element]
    u = minimum(absolute(x) * math.sqrt(0.5), 2.0 / low - 1.5)  # there `exp` gives 0, which no x multiplies to more
    t = 2.0 / (2.0 + u)
    s = fma(t, 2.0 / (1.0 - low), -(1.0 + low) / (1.0 - low))
    p = s.of(coefficients[-1])
    for c in coefficients[-2::-1]:
        p = fma(p, s, c)
    tail = 0.5 * t * exp(fma(-u, u, p))
    return where(x > 0.0, 1.0 - tail, tail)


@operation(np.log)
def ln(x: Vector) -> Vector:
    """Return ln x, which is NaN for x < 0. For 0, it is the logarithm of the smallest normal number."""
    return where(x < 0.0, math.nan, log(x))


@operation(np.power)
def power(x: Vector | float, y: Vector | float) -> Vector:
    """Return x^y. For x < 0, it is NaN if y is not a whole number.

    If y is a number and not a vector, and is a whole number up to 64, the result is a product. For others it is
    e^(y ln |x|), whose relative error grows with |y ln x|.
    """
    if not isinstance(y, Vector):
        if y == 0.5:
            return sqrt(x)
        if y == int(y) and abs(y) <= 64:
            product = _product_of(x, int(abs(y))) if y else x.of(1.0)  # type: ignore[arg-type, union-attr]  # one is
            return product if y >= 0 else 1.0 / product
    x, y = (y.of(x), y) if isinstance(y, Vector) else (x, x.of(y))  # type: ignore[union-attr]  # one is a vector
    magic = 1.5 * 2.0 ** MANTISSA[x.type.element]  # type: ignore[union-attr]  # it is a vector now
    t = y + magic  # which has the whole number next to y in its lowest bits
    whole = t - magic
    size = exp(y * log(absolute(x)))
    signed = where(whole < y, math.nan, where(whole > y, math.nan, _signed(size, t)))
    at_zero = where(y > 0.0, 0.0, where(y < 0.0, math.inf, 1.0))
    return where(x > 0.0, size, where(x < 0.0, signed, at_zero + x))


def _signed(x: Vector, t: Vector) -> Vector:
    """Return x with the other sign where the whole number in the lowest bits of t is odd."""
    bits = t.bits()
    places = 31 if t.type.element == F32 else 63
    odd = t.builder.shl(bits, ir.Constant(bits.type, [places] * t.type.count))
    return Vector(t.builder, t.builder.bitcast(t.builder.xor(x.bits(), odd), x.type))


def _product_of(x: Vector, n: int) -> Vector:
    """Return x^n for a whole number n >= 1, by squaring."""
    if n == 1:
        return x
    half = _product_of(x, n // 2)
    return half * half * x if n % 2 else half * half


PI = {
    F32: (3.140625, 0.0009670257568359375, 6.278329573009626e-07),
    F64: (3.141592651605606, 1.984187159194406e-09, 1.6667485837041758e-19),
}
"""pi as the sum of three numbers, of which the first two have few bits."""


def _sine(x: Vector, shift: float) -> Vector:
    """Return sin(x + shift pi).

    With k the whole number next to x / pi + shift, it is (-1)^k sin(r) with r = x - (k - shift) pi. pi is split into
    three parts, so that their products with k are exact up to |x| = 1e5. For larger |x|, the result loses its digits,
    and stays between -1 and 1. sin(r) is its Taylor sum.
    """
    single = x.type.element == F32
    parts = PI[x.type.element]
    t = x * (1.0 / math.pi) + shift + 1.5 * 2.0 ** MANTISSA[x.type.element]  # which has k in its lowest bits
    k = t - 1.5 * 2.0 ** MANTISSA[x.type.element]
    r = x
    for part in parts:
        r = fma(shift - k, part, r)
    r = minimum(maximum(r, -0.5 * math.pi), 0.5 * math.pi)
    p, square, last = r.of(0.0), r * r, 13 if single else 21
    for n in range(last, 0, -2):
        p = fma(p, square, (-1.0) ** (n // 2) / math.factorial(n))
    return _signed(p * r, t)


@operation(np.sin)
def sin(x: Vector) -> Vector:
    """Return sin x. Beyond |x| = 1e5, it loses its digits."""
    return _sine(x, 0.0)


@operation(np.cos)
def cos(x: Vector) -> Vector:
    """Return cos x. Beyond |x| = 1e5, it loses its digits."""
    return _sine(x, 0.5)
