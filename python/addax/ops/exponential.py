"""Roots, exponentials, logarithms, error functions and their kin. Part of the elementwise family."""

from __future__ import annotations

import math

from addax import engine
from addax.dtypes import INT_DTYPES
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, cast, float_pair, scalar_like, to_float
from addax.ops.elementwise import divide_no_nan
from addax.ops.operation import op


@op("Sqrt")
def sqrt(x) -> Tensor:
    """The square root.

    Args:
        x: Input tensor.

    Returns:
        The roots, floating; NaN of negative numbers.

    Example:

    >>> addax.ops.sqrt([1, 4]).tolist()
    [1.0, 2.0]
    """
    return apply("sqrt", to_float(x))


@op("math.Rsqrt")
def rsqrt(x) -> Tensor:
    """One over the square root.

    Args:
        x: Input tensor.

    Returns:
        `1 / sqrt(x)`, floating.

    Example:

    >>> addax.ops.rsqrt([1.0, 4.0]).tolist()
    [1.0, 0.5]
    """
    return apply("rsqrt", to_float(x))


@op("Cbrt")
def cbrt(x) -> Tensor:
    """The cube root.

    Args:
        x: Input tensor.

    Returns:
        The real roots, floating, with the sign of the input.

    Example:

    >>> addax.ops.round(addax.ops.cbrt([-8.0, 27.0]), 5).tolist()
    [-2.0, 3.0]
    """
    x = to_float(x)
    return apply("sign", x) * apply("power", apply("abs", x), scalar_like(1 / 3, x.dtype))


@op("Hypot")
def hypot(x1, x2) -> Tensor:
    """The length of the hypotenuse over two legs, without overflow on the way.

    Args:
        x1: One leg.
        x2: The other, broadcast against `x1`.

    Returns:
        `sqrt(x1**2 + x2**2)`, floating.

    Example:

    >>> addax.ops.hypot(3.0, 4.0).item()
    5.0
    """
    x1, x2 = float_pair(x1, x2)
    a, b = apply("abs", x1), apply("abs", x2)
    large, small = apply("maximum", a, b), apply("minimum", a, b)
    ratio = divide_no_nan.__wrapped__(small, large)
    return apply("where", apply("isinf", large), large, large * apply("sqrt", 1 + ratio * ratio))


@op("Exp")
def exp(x) -> Tensor:
    """The exponential function.

    Args:
        x: Input tensor.

    Returns:
        `e**x`, floating.

    Example:

    >>> addax.ops.exp([0.0]).tolist()
    [1.0]
    """
    return apply("exp", to_float(x))


@op("Exp2")
def exp2(x) -> Tensor:
    """Two to the power of the input.

    Args:
        x: Input tensor.

    Returns:
        `2**x`, floating.

    Example:

    >>> addax.ops.exp2([1, 3]).tolist()
    [2.0, 8.0]
    """
    x = to_float(x)
    return apply("power", scalar_like(2.0, x.dtype), x)


@op("Expm1")
def expm1(x) -> Tensor:
    """The exponential less one, exact near zero.

    Args:
        x: Input tensor.

    Returns:
        `e**x - 1`, floating.

    Example:

    >>> addax.ops.expm1([0.0]).tolist()
    [0.0]
    """
    return apply("expm1", to_float(x))


@op("Log")
def log(x) -> Tensor:
    """The natural logarithm.

    Args:
        x: Input tensor.

    Returns:
        The logarithms, floating; -inf of 0, NaN of negative numbers.

    Example:

    >>> addax.ops.log([1.0]).tolist()
    [0.0]
    """
    return apply("log", to_float(x))


@op("Log1p")
def log1p(x) -> Tensor:
    """The natural logarithm of one plus the input, exact near zero.

    Args:
        x: Input tensor.

    Returns:
        `log(1 + x)`, floating.

    Example:

    >>> addax.ops.log1p([0.0]).tolist()
    [0.0]
    """
    return apply("log1p", to_float(x))


@op("Log10")
def log10(x) -> Tensor:
    """The logarithm to base 10.

    Args:
        x: Input tensor.

    Returns:
        The logarithms, floating.

    Example:

    >>> addax.ops.log10([1.0]).tolist()
    [0.0]
    """
    return apply("log", to_float(x)) * (1 / math.log(10))


@op("Log2")
def log2(x) -> Tensor:
    """The logarithm to base 2.

    Args:
        x: Input tensor.

    Returns:
        The logarithms, floating.

    Example:

    >>> addax.ops.log2([1.0, 2.0]).tolist()
    [0.0, 1.0]
    """
    return apply("log", to_float(x)) * (1 / math.log(2))


@op("Logaddexp")
def logaddexp(x1, x2) -> Tensor:
    """The logarithm of a sum of exponentials, without overflow.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        `log(exp(x1) + exp(x2))`, floating.

    Example:

    >>> addax.ops.logaddexp(1000.0, -1000.0).item()
    1000.0
    """
    x1, x2 = float_pair(x1, x2)
    difference = x1 - x2
    # Equal infinities differ by NaN; their sum is themselves.
    return apply(
        "where",
        x1 == x2,
        x1 + math.log(2),
        apply("maximum", x1, x2) + apply("log1p", apply("exp", -apply("abs", difference))),
    )


@op("Logaddexp2")
def logaddexp2(x1, x2) -> Tensor:
    """The same as `logaddexp`, to base 2.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        `log2(2**x1 + 2**x2)`, floating.

    Example:

    >>> addax.ops.logaddexp2(3.0, 3.0).item()
    4.0
    """
    x1, x2 = float_pair(x1, x2)
    rest = apply("log1p", apply("exp", apply("abs", x1 - x2) * -math.log(2))) * (1 / math.log(2))
    return apply("where", x1 == x2, x1 + 1, apply("maximum", x1, x2) + rest)


@op("Ldexp")
def ldexp(x1, x2) -> Tensor:
    """Multiplies by a power of two.

    Args:
        x1: Input tensor.
        x2: The exponents, integers.

    Returns:
        `x1 * 2**x2`, floating.

    Raises:
        TypeError: If `x2` is not an integer tensor.

    Example:

    >>> addax.ops.ldexp([0.5, 3.0], [1, 2]).tolist()
    [1.0, 12.0]
    """
    x1, x2 = to_float(x1), as_tensor(x2)
    if x2.dtype not in INT_DTYPES:
        raise TypeError(f"ldexp: expected integers as exponents x2, got dtype {x2.dtype}")
    return x1 * apply("power", scalar_like(2.0, x1.dtype), cast(x2, x1.dtype))


@op("math.Erf")
def erf(x) -> Tensor:
    """The error function.

    Args:
        x: Input tensor.

    Returns:
        Values between -1 and 1, floating.

    Example:

    >>> addax.ops.erf([0.0]).tolist()
    [0.0]
    """
    return apply("erf", to_float(x))


@op("math.Erfc")
def erfc(x) -> Tensor:
    """One less the error function, exact where that is near one.

    Args:
        x: Input tensor.

    Returns:
        Values between 0 and 2, floating.

    Example:

    >>> addax.ops.erfc([0.0]).tolist()
    [1.0]
    """
    return apply("erfc", to_float(x))


@op("math.Erfinv")
def erfinv(x) -> Tensor:
    """The inverse of the error function.

    Args:
        x: Input tensor, between -1 and 1.

    Returns:
        Values floating; infinite at -1 and 1.

    Example:

    >>> addax.ops.erfinv([0.0]).tolist()
    [0.0]
    """
    return apply("erfinv", to_float(x))


@op("I0")
def i0(x) -> Tensor:
    """The modified Bessel function of the first kind of order zero.

    Args:
        x: Input tensor.

    Returns:
        The values, floating.

    Reference:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 9.8.1 and 9.8.2 (relative error below 2e-7).

    Example:

    >>> addax.ops.i0([0.0]).tolist()
    [1.0]
    """
    x = to_float(x)
    magnitude = apply("abs", x)
    small = apply("minimum", magnitude, scalar_like(3.75, x.dtype)) / 3.75
    large = 3.75 / apply("maximum", magnitude, scalar_like(3.75, x.dtype))
    near = _polynomial(small * small, (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813))
    far = _polynomial(
        large,
        (
            0.39894228,
            0.01328592,
            0.00225319,
            -0.00157565,
            0.00916281,
            -0.02057706,
            0.02635537,
            -0.01647633,
            0.00392377,
        ),
    )
    scale = apply("exp", magnitude) / apply("sqrt", apply("maximum", magnitude, scalar_like(3.75, x.dtype)))
    return apply("where", magnitude < 3.75, near, far * scale)


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    result = engine.tensor(coefficients[-1], x.dtype)
    for c in reversed(coefficients[:-1]):
        result = result * x + c
    return result


@op("Sinc")
def sinc(x) -> Tensor:
    """The normalized cardinal sine.

    Args:
        x: Input tensor.

    Returns:
        `sin(pi x) / (pi x)`, floating, and 1 at zero.

    Example:

    >>> addax.ops.sinc([0.0]).tolist()
    [1.0]
    """
    x = to_float(x)
    is_zero = x == 0
    one = scalar_like(1.0, x.dtype)
    scaled = apply("where", is_zero, one, x * math.pi)
    return apply("where", is_zero, one, apply("sin", scaled) / scaled)
