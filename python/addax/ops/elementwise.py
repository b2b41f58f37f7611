"""Elementwise arithmetic, limits, rounding and signs, with NumPy broadcasting.

Roots and exponentials are in exponential.py, trigonometry in trigonometry.py, comparisons and logic in comparison.py,
neural activations in activation.py. A Python scalar takes the dtype of its partner; functions of floats turn integers
and bools into `floatx()`.
"""

from __future__ import annotations

import math
from typing import Any

from addax.dtypes import FLOAT_DTYPES, INT_DTYPES, result_type
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, cast, float_pair, pair, same_dtype, scalar_like, to_float
from addax.ops.operation import op


def _number(x: Any) -> Tensor:
    """A tensor in which bool has become int32: for arithmetic that bool does not have."""
    x = as_tensor(x)
    return cast(x, "int32") if x.dtype == "bool" else x


def _number_pair(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """As `pair`, with bool beside bool as int32."""
    x1, x2 = pair(x1, x2)
    if x1.dtype == "bool" and x2.dtype == "bool":
        return cast(x1, "int32"), cast(x2, "int32")
    return x1, x2


@op("Add")
def add(x1, x2) -> Tensor:
    """Adds two tensors.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The sums, in the promoted dtype.

    Example:

    >>> addax.ops.add([1.0, 2.0], 3).tolist()
    [4.0, 5.0]
    """
    return apply("add", *pair(x1, x2))


@op("Subtract")
def subtract(x1, x2) -> Tensor:
    """Subtracts the second tensor from the first.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The differences, in the promoted dtype.

    Example:

    >>> addax.ops.subtract([1.0, 2.0], 3).tolist()
    [-2.0, -1.0]
    """
    return apply("subtract", *pair(x1, x2))


@op("Multiply")
def multiply(x1, x2) -> Tensor:
    """Multiplies two tensors element by element.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The products, in the promoted dtype.

    Example:

    >>> addax.ops.multiply([1.0, 2.0], 3).tolist()
    [3.0, 6.0]
    """
    return apply("multiply", *pair(x1, x2))


@op("Divide")
def divide(x1, x2) -> Tensor:
    """Divides the first tensor by the second.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The quotients, floating.

    Example:

    >>> addax.ops.divide([1, 2], 4).tolist()
    [0.25, 0.5]
    """
    return apply("divide", *float_pair(x1, x2))


@op("TrueDivide")
def true_divide(x1, x2) -> Tensor:
    """Divides the first tensor by the second; the same as `divide`.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The quotients, floating.

    Example:

    >>> addax.ops.true_divide([1, 2], 4).tolist()
    [0.25, 0.5]
    """
    return apply("divide", *float_pair(x1, x2))


@op("DivideNoNan")
def divide_no_nan(x1, x2) -> Tensor:
    """Divides the first tensor by the second, with 0 where the second is 0. Its gradient is finite there.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The quotients, floating.

    Example:

    >>> addax.ops.divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
    [0.0, 0.5]
    """
    x1, x2 = same_dtype(*float_pair(x1, x2))
    is_zero = x2 == 0
    zero, one = scalar_like(0.0, x1.dtype), scalar_like(1.0, x2.dtype)
    return apply("where", is_zero, zero, x1 / apply("where", is_zero, one, x2))


@op("FloorDivide")
def floor_divide(x1, x2) -> Tensor:
    """Divides and rounds down.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The largest whole numbers not above the quotients, in the promoted dtype.

    Example:

    >>> addax.ops.floor_divide([7, -7], 2).tolist()
    [3, -4]
    """
    return apply("floor_divide", *_number_pair(x1, x2))


@op("Mod")
def mod(x1, x2) -> Tensor:
    """The remainder of a division that rounds down: it has the sign of the divisor.

    Args:
        x1: The dividend.
        x2: The divisor, broadcast against `x1`.

    Returns:
        `x1 - floor(x1 / x2) * x2`, in the promoted dtype.

    Example:

    >>> addax.ops.mod([7, -7], 3).tolist()
    [1, 2]
    """
    return apply("remainder", *_number_pair(x1, x2))


@op("Fmod")
def fmod(x1, x2) -> Tensor:
    """The remainder of a division that rounds towards zero: it has the sign of the dividend.

    Args:
        x1: The dividend.
        x2: The divisor, broadcast against `x1`.

    Returns:
        `x1 - trunc(x1 / x2) * x2`, in the promoted dtype.

    Example:

    >>> addax.ops.fmod([7, -7], 3).tolist()
    [1, -1]
    """
    x1, x2 = _number_pair(x1, x2)
    magnitude = apply("remainder", apply("abs", x1), apply("abs", x2))
    return apply("where", x1 < 0, -magnitude, magnitude) if result_type(x1.dtype)[0] != "u" else magnitude


@op("Power")
def power(x1, x2) -> Tensor:
    """Raises the first tensor to the power of the second.

    Args:
        x1: The bases.
        x2: The exponents, broadcast against `x1`.

    Returns:
        The powers, in the promoted dtype.

    Example:

    >>> addax.ops.power([1.0, 3.0], 2).tolist()
    [1.0, 9.0]
    """
    x1 = _number(x1) if not isinstance(x1, (bool, int, float)) else x1
    if type(x1) is Tensor and (type(x2) is int or (type(x2) is float and x1.dtype in FLOAT_DTYPES)):
        return x1**x2
    return apply("power", *_number_pair(x1, x2))


@op("Negative")
def negative(x) -> Tensor:
    """Changes the sign.

    Args:
        x: Input tensor.

    Returns:
        `-x`, in the same dtype.

    Example:

    >>> addax.ops.negative([1.0, -2.0]).tolist()
    [-1.0, 2.0]
    """
    return apply("neg", _number(x))


@op("Absolute")
def absolute(x) -> Tensor:
    """The distance from zero.

    Args:
        x: Input tensor.

    Returns:
        `|x|`, in the same dtype.

    Example:

    >>> addax.ops.absolute([1.0, -2.0]).tolist()
    [1.0, 2.0]
    """
    x = as_tensor(x)
    return x if x.dtype == "bool" else apply("abs", x)


@op("Abs")
def abs(x) -> Tensor:
    """The distance from zero; the same as `absolute`.

    Args:
        x: Input tensor.

    Returns:
        `|x|`, in the same dtype.

    Example:

    >>> addax.ops.abs([1.0, -2.0]).tolist()
    [1.0, 2.0]
    """
    return absolute.__wrapped__(x)


@op("Fabs")
def fabs(x) -> Tensor:
    """The distance from zero, as a float.

    Args:
        x: Input tensor.

    Returns:
        `|x|`, floating.

    Example:

    >>> addax.ops.fabs([1, -2]).tolist()
    [1.0, 2.0]
    """
    return apply("abs", to_float(x))


@op("Reciprocal")
def reciprocal(x) -> Tensor:
    """One over the input.

    Args:
        x: Input tensor.

    Returns:
        `1 / x`, floating.

    Example:

    >>> addax.ops.reciprocal([2.0, 4.0]).tolist()
    [0.5, 0.25]
    """
    return apply("reciprocal", to_float(x))


@op("Sign")
def sign(x) -> Tensor:
    """-1, 0 or 1, by the sign.

    Args:
        x: Input tensor.

    Returns:
        The signs, in the same dtype. NaN stays NaN.

    Example:

    >>> addax.ops.sign([-3.0, 0.0, 2.0]).tolist()
    [-1.0, 0.0, 1.0]
    """
    return apply("sign", _number(x))


@op("Signbit")
def signbit(x) -> Tensor:
    """Whether the sign is set; it is for -0.0.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.signbit([-1.0, -0.0, 0.0]).tolist()
    [True, True, False]
    """
    x = _number(x)
    if x.dtype not in FLOAT_DTYPES:
        return x < 0
    return apply("where", x == 0, apply("reciprocal", x) < 0, x < 0)


@op("Square")
def square(x) -> Tensor:
    """The product with itself.

    Args:
        x: Input tensor.

    Returns:
        `x * x`, in the same dtype.

    Example:

    >>> addax.ops.square([1.0, -3.0]).tolist()
    [1.0, 9.0]
    """
    return apply("square", _number(x))


@op("Maximum")
def maximum(x1, x2) -> Tensor:
    """The larger of two tensors, element by element.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The larger elements, in the promoted dtype; NaN if either is NaN.

    Example:

    >>> addax.ops.maximum([1.0, 5.0], 3.0).tolist()
    [3.0, 5.0]
    """
    return apply("maximum", *pair(x1, x2))


@op("Minimum")
def minimum(x1, x2) -> Tensor:
    """The smaller of two tensors, element by element.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The smaller elements, in the promoted dtype; NaN if either is NaN.

    Example:

    >>> addax.ops.minimum([1.0, 5.0], 3.0).tolist()
    [1.0, 3.0]
    """
    return apply("minimum", *pair(x1, x2))


@op("Fmax")
def fmax(x1, x2) -> Tensor:
    """The larger of two tensors, element by element, where NaN counts as missing.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The larger elements, in the promoted dtype; NaN only if both are NaN.

    Example:

    >>> addax.ops.fmax([1.0, float("nan")], 3.0).tolist()
    [3.0, 3.0]
    """
    x1, x2 = same_dtype(*pair(x1, x2))
    larger = apply("maximum", x1, x2)
    return apply("where", apply("isnan", x1), x2, apply("where", apply("isnan", x2), x1, larger))


@op("Fmin")
def fmin(x1, x2) -> Tensor:
    """The smaller of two tensors, element by element, where NaN counts as missing.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        The smaller elements, in the promoted dtype; NaN only if both are NaN.

    Example:

    >>> addax.ops.fmin([1.0, float("nan")], 3.0).tolist()
    [1.0, 3.0]
    """
    x1, x2 = same_dtype(*pair(x1, x2))
    smaller = apply("minimum", x1, x2)
    return apply("where", apply("isnan", x1), x2, apply("where", apply("isnan", x2), x1, smaller))


@op("Clip", inputs="x")
def clip(x, x_min, x_max) -> Tensor:
    """Limits values to an interval.

    Args:
        x: Input tensor.
        x_min: Lower limit, a number or a tensor broadcast against `x`.
        x_max: Upper limit, likewise.

    Returns:
        `min(max(x, x_min), x_max)`, in the promoted dtype.

    Example:

    >>> addax.ops.clip([-1.0, 0.5, 9.0], 0, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    x = _number(x)
    low = scalar_like(x_min, x.dtype) if isinstance(x_min, (int, float)) else as_tensor(x_min)
    high = scalar_like(x_max, x.dtype) if isinstance(x_max, (int, float)) else as_tensor(x_max)
    return apply("clip", x, low, high)


@op("Floor")
def floor(x) -> Tensor:
    """Rounds down.

    Args:
        x: Input tensor.

    Returns:
        The largest whole numbers not above `x`, floating.

    Example:

    >>> addax.ops.floor([1.7, -1.2]).tolist()
    [1.0, -2.0]
    """
    return apply("floor", to_float(x))


@op("Ceil")
def ceil(x) -> Tensor:
    """Rounds up.

    Args:
        x: Input tensor.

    Returns:
        The smallest whole numbers not below `x`, floating.

    Example:

    >>> addax.ops.ceil([1.2, -1.7]).tolist()
    [2.0, -1.0]
    """
    return apply("ceil", to_float(x))


@op("Trunc")
def trunc(x) -> Tensor:
    """Rounds towards zero.

    Args:
        x: Input tensor.

    Returns:
        The whole parts, in the same dtype.

    Example:

    >>> addax.ops.trunc([1.7, -1.7]).tolist()
    [1.0, -1.0]
    """
    x = as_tensor(x)
    return apply("trunc", x) if x.dtype in FLOAT_DTYPES else x


@op("Round")
def round(x, decimals=0) -> Tensor:
    """Rounds to a number of decimals; halves go to the even neighbour.

    Args:
        x: Input tensor.
        decimals: How many decimals to keep; negative: how many digits before the point to clear.

    Returns:
        The rounded values, in the same dtype.

    Example:

    >>> addax.ops.round([0.5, 1.5, 2.4]).tolist()
    [0.0, 2.0, 2.0]
    """
    x = _number(x)
    if x.dtype not in FLOAT_DTYPES:
        if decimals >= 0:
            return x
        return cast(round.__wrapped__(to_float(x), decimals), x.dtype)
    if decimals == 0:
        return apply("round", x)
    if decimals < 0:
        factor = 10.0**-decimals
        return apply("round", x / factor) * factor
    factor = 10.0**decimals
    return apply("round", x * factor) / factor


@op("NanToNum")
def nan_to_num(x, nan=0.0, posinf=None, neginf=None) -> Tensor:
    """Replaces NaN and infinities by numbers.

    Args:
        x: Input tensor.
        nan: What NaN becomes.
        posinf: What inf becomes; `None`: the largest number of the dtype.
        neginf: What -inf becomes; `None`: the smallest number of the dtype.

    Returns:
        A tensor of the same dtype.

    Example:

    >>> addax.ops.nan_to_num([float("nan"), 1.0]).tolist()
    [0.0, 1.0]
    """
    x = as_tensor(x)
    if x.dtype not in FLOAT_DTYPES:
        return x
    largest = FLOAT_MAX[x.dtype]
    for test, value in (
        (apply("isnan", x), nan),
        (x == math.inf, largest if posinf is None else posinf),
        (x == -math.inf, -largest if neginf is None else neginf),
    ):
        x = apply("where", test, scalar_like(float(value), x.dtype), x)
    return x


FLOAT_MAX = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}
FLOAT_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


@op("Heaviside")
def heaviside(x1, x2) -> Tensor:
    """The step function: 0 below zero, 1 above it, and `x2` at it.

    Args:
        x1: Input tensor.
        x2: The values at zero, broadcast against `x1`.

    Returns:
        The steps, floating.

    Example:

    >>> addax.ops.heaviside([-1.0, 0.0, 1.0], 0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    x1, x2 = same_dtype(*float_pair(x1, x2))
    zero, one = scalar_like(0.0, x1.dtype), scalar_like(1.0, x1.dtype)
    step = apply("where", x1 < 0, zero, apply("where", x1 == 0, x2, one))
    return apply("where", apply("isnan", x1), x1, step)


@op("Gcd")
def gcd(x1, x2) -> Tensor:
    """The greatest common divisor, by Euclid's algorithm.

    Args:
        x1: Integers.
        x2: Integers, broadcast against `x1`.

    Returns:
        The divisors, not negative, in the promoted dtype.

    Raises:
        TypeError: If an input is not an integer tensor.

    Example:

    >>> addax.ops.gcd([12, 7], 18).tolist()
    [6, 1]
    """
    x1, x2 = _integer_pair("gcd", x1, x2)
    a, b = apply("maximum", x1, x2), apply("minimum", x1, x2)
    one, zero = scalar_like(1, a.dtype), scalar_like(0, a.dtype)
    # Consecutive Fibonacci numbers are the worst case: this many steps suffice for the width of the dtype.
    for _ in range(int(1.45 * int(a.dtype.lstrip("uint"))) + 1):
        done = b == zero
        rest = apply("remainder", a, apply("where", done, one, b))
        a, b = apply("where", done, a, b), apply("where", done, zero, rest)
    return a


@op("Lcm")
def lcm(x1, x2) -> Tensor:
    """The least common multiple.

    Args:
        x1: Integers.
        x2: Integers, broadcast against `x1`.

    Returns:
        The multiples, not negative, in the promoted dtype; 0 where an input is 0.

    Raises:
        TypeError: If an input is not an integer tensor.

    Example:

    >>> addax.ops.lcm([4, 7], 6).tolist()
    [12, 42]
    """
    x1, x2 = _integer_pair("lcm", x1, x2)
    divisor = gcd.__wrapped__(x1, x2)
    one = scalar_like(1, divisor.dtype)
    return apply("floor_divide", x1, apply("maximum", divisor, one)) * x2


def _integer_pair(name: str, x1: Any, x2: Any) -> list[Tensor]:
    xs = same_dtype(*pair(x1, x2))
    if xs[0].dtype not in INT_DTYPES:
        raise TypeError(f"{name}: expected integers, got dtype {xs[0].dtype}")
    return [x if x.dtype.startswith("u") else apply("abs", x) for x in xs]


@op("Copy")
def copy(x) -> Tensor:
    """Returns the tensor: tensors do not change, so a copy would be of no use.

    Args:
        x: Input tensor.

    Returns:
        A tensor of equal values.

    Example:

    >>> addax.ops.copy([1.0]).tolist()
    [1.0]
    """
    return as_tensor(x)


@op("Conj")
def conj(x) -> Tensor:
    """The complex conjugate: a real tensor itself.

    Args:
        x: Input tensor, real.

    Returns:
        A tensor of equal values.

    Example:

    >>> addax.ops.conj([1.0]).tolist()
    [1.0]
    """
    return as_tensor(x)


@op("Conjugate")
def conjugate(x) -> Tensor:
    """The complex conjugate: a real tensor itself. The same as `conj`.

    Args:
        x: Input tensor, real.

    Returns:
        A tensor of equal values.

    Example:

    >>> addax.ops.conjugate([1.0]).tolist()
    [1.0]
    """
    return as_tensor(x)


@op("Real")
def real(x) -> Tensor:
    """The real part: a real tensor itself.

    Args:
        x: Input tensor, real.

    Returns:
        A tensor of equal values.

    Example:

    >>> addax.ops.real([1.0]).tolist()
    [1.0]
    """
    return as_tensor(x)


@op("Imag")
def imag(x) -> Tensor:
    """The imaginary part: zeros for a real tensor.

    Args:
        x: Input tensor, real.

    Returns:
        Zeros of the same shape and dtype.

    Example:

    >>> addax.ops.imag([1.0]).tolist()
    [0.0]
    """
    x = as_tensor(x)
    return apply("broadcast_to", scalar_like(0, x.dtype), shape=x.shape)


@op("Angle")
def angle(x) -> Tensor:
    """The angle of a number in the complex plane, in radians.

    Args:
        x: Input tensor, real.

    Returns:
        0 where `x` is not negative, pi where it is, floating.

    Example:

    >>> addax.ops.angle([1.0, -1.0]).tolist()
    [0.0, 3.1415927410125732]
    """
    x = to_float(x)
    flat = apply("where", x < 0, scalar_like(math.pi, x.dtype), scalar_like(0.0, x.dtype))
    return apply("where", apply("isnan", x), x, flat)
