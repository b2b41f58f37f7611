"""Comparisons, tests, logic and bits. Part of the elementwise family."""

from __future__ import annotations

import math

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, pair, same_dtype, to_float
from addax.ops.operation import op


@op("Equal")
def equal(x1, x2) -> Tensor:
    """Whether elements are equal.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.equal([1, 2], 2).tolist()
    [False, True]
    """
    return apply("equal", *pair(x1, x2))


@op("NotEqual")
def not_equal(x1, x2) -> Tensor:
    """Whether elements differ.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.not_equal([1, 2], 2).tolist()
    [True, False]
    """
    return apply("not_equal", *pair(x1, x2))


@op("Less")
def less(x1, x2) -> Tensor:
    """Whether `x1 < x2`.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.less([1, 2], 2).tolist()
    [True, False]
    """
    return apply("less", *pair(x1, x2))


@op("LessEqual")
def less_equal(x1, x2) -> Tensor:
    """Whether `x1 <= x2`.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.less_equal([1, 3], 2).tolist()
    [True, False]
    """
    return apply("less_equal", *pair(x1, x2))


@op("Greater")
def greater(x1, x2) -> Tensor:
    """Whether `x1 > x2`.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.greater([1, 3], 2).tolist()
    [False, True]
    """
    return apply("greater", *pair(x1, x2))


@op("GreaterEqual")
def greater_equal(x1, x2) -> Tensor:
    """Whether `x1 >= x2`.

    Args:
        x1: Input tensor.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.greater_equal([1, 2], 2).tolist()
    [False, True]
    """
    return apply("greater_equal", *pair(x1, x2))


@op("Isclose", inputs="x1 x2 rtol atol")
def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False) -> Tensor:
    """Whether elements are equal up to a tolerance.

    Args:
        x1: Input tensor.
        x2: Input tensor, the reference, broadcast against `x1`.
        rtol: Tolerance relative to `|x2|`.
        atol: Absolute tolerance.
        equal_nan: Whether NaN equals NaN.

    Returns:
        A bool tensor: `|x1 - x2| <= atol + rtol * |x2|`.

    Example:

    >>> addax.ops.isclose([1.0, 1.1], 1.0 + 1e-7).tolist()
    [True, False]
    """
    x1, x2 = same_dtype(*[to_float(x) for x in pair(x1, x2)])
    close = apply("abs", x1 - x2) <= atol + rtol * apply("abs", x2)
    # Equal infinities are close, different ones are not.
    finite = apply("logical_and", apply("isfinite", x1), apply("isfinite", x2))
    close = apply("where", finite, close, x1 == x2)
    if equal_nan:
        close = apply("logical_or", close, apply("logical_and", apply("isnan", x1), apply("isnan", x2)))
    return close


@op("AllClose")
def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False) -> Tensor:
    """Whether all elements are equal up to a tolerance.

    Args:
        x1: Input tensor.
        x2: Input tensor, the reference, broadcast against `x1`.
        rtol: Tolerance relative to `|x2|`.
        atol: Absolute tolerance.
        equal_nan: Whether NaN equals NaN.

    Returns:
        A 0-d bool tensor.

    Example:

    >>> addax.ops.allclose([1.0, 2.0], [1.0, 2.0 + 1e-7]).item()
    True
    """
    return apply("all", isclose.__wrapped__(x1, x2, rtol, atol, equal_nan))


@op("Isnan")
def isnan(x) -> Tensor:
    """Whether elements are NaN.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isnan([1.0, float("nan")]).tolist()
    [False, True]
    """
    return apply("isnan", as_tensor(x))


@op("Isinf")
def isinf(x) -> Tensor:
    """Whether elements are infinite.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isinf([1.0, float("-inf")]).tolist()
    [False, True]
    """
    return apply("isinf", as_tensor(x))


@op("Isfinite")
def isfinite(x) -> Tensor:
    """Whether elements are neither infinite nor NaN.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isfinite([1.0, float("inf")]).tolist()
    [True, False]
    """
    return apply("isfinite", as_tensor(x))


@op("Isposinf")
def isposinf(x) -> Tensor:
    """Whether elements are positive infinity.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isposinf([float("inf"), float("-inf")]).tolist()
    [True, False]
    """
    return to_float(x) == math.inf


@op("Isneginf")
def isneginf(x) -> Tensor:
    """Whether elements are negative infinity.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isneginf([float("inf"), float("-inf")]).tolist()
    [False, True]
    """
    return to_float(x) == -math.inf


@op("Isreal")
def isreal(x) -> Tensor:
    """Whether elements have no imaginary part: always, in a real tensor.

    Args:
        x: Input tensor.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.isreal([1.0]).tolist()
    [True]
    """
    return apply("broadcast_to", as_tensor(True), shape=as_tensor(x).shape)


@op("LogicalAnd")
def logical_and(x1, x2) -> Tensor:
    """Whether both elements are true.

    Args:
        x1: Input tensor; numbers other than 0 are true.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.logical_and([True, False], True).tolist()
    [True, False]
    """
    return apply("logical_and", *pair(x1, x2))


@op("LogicalOr")
def logical_or(x1, x2) -> Tensor:
    """Whether one element or both are true.

    Args:
        x1: Input tensor; numbers other than 0 are true.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.logical_or([True, False], False).tolist()
    [True, False]
    """
    return apply("logical_or", *pair(x1, x2))


@op("LogicalXor")
def logical_xor(x1, x2) -> Tensor:
    """Whether exactly one element is true.

    Args:
        x1: Input tensor; numbers other than 0 are true.
        x2: Input tensor, broadcast against `x1`.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.logical_xor([True, False], True).tolist()
    [False, True]
    """
    return apply("logical_xor", *pair(x1, x2))


@op("LogicalNot")
def logical_not(x) -> Tensor:
    """Whether elements are false.

    Args:
        x: Input tensor; numbers other than 0 are true.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.logical_not([True, False]).tolist()
    [False, True]
    """
    return apply("logical_not", as_tensor(x))


@op("BitwiseAnd")
def bitwise_and(x, y) -> Tensor:
    """The bits that are set in both.

    Args:
        x: Integers or bools.
        y: Integers or bools, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.bitwise_and(6, 3).item()
    2
    """
    return apply("bitwise_and", *pair(x, y))


@op("BitwiseOr")
def bitwise_or(x, y) -> Tensor:
    """The bits that are set in either.

    Args:
        x: Integers or bools.
        y: Integers or bools, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.bitwise_or(6, 3).item()
    7
    """
    return apply("bitwise_or", *pair(x, y))


@op("BitwiseXor")
def bitwise_xor(x, y) -> Tensor:
    """The bits that are set in exactly one.

    Args:
        x: Integers or bools.
        y: Integers or bools, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.bitwise_xor(6, 3).item()
    5
    """
    return apply("bitwise_xor", *pair(x, y))


@op("BitwiseNot")
def bitwise_not(x) -> Tensor:
    """Inverts every bit.

    Args:
        x: Integers or bools.

    Returns:
        A tensor of the same dtype.

    Example:

    >>> addax.ops.bitwise_not(6).item()
    -7
    """
    return apply("bitwise_not", as_tensor(x))


@op("BitwiseInvert")
def bitwise_invert(x) -> Tensor:
    """Inverts every bit; the same as `bitwise_not`.

    Args:
        x: Integers or bools.

    Returns:
        A tensor of the same dtype.

    Example:

    >>> addax.ops.bitwise_invert(6).item()
    -7
    """
    return apply("bitwise_not", as_tensor(x))


@op("LeftShift")
def left_shift(x, y) -> Tensor:
    """Shifts bits to the left.

    Args:
        x: Integers.
        y: By how many bits, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.left_shift(3, 2).item()
    12
    """
    return apply("left_shift", *pair(x, y))


@op("BitwiseLeftShift")
def bitwise_left_shift(x, y) -> Tensor:
    """Shifts bits to the left; the same as `left_shift`.

    Args:
        x: Integers.
        y: By how many bits, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.bitwise_left_shift(3, 2).item()
    12
    """
    return apply("left_shift", *pair(x, y))


@op("RightShift")
def right_shift(x, y) -> Tensor:
    """Shifts bits to the right; the sign stays.

    Args:
        x: Integers.
        y: By how many bits, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.right_shift(-12, 2).item()
    -3
    """
    return apply("right_shift", *pair(x, y))


@op("BitwiseRightShift")
def bitwise_right_shift(x, y) -> Tensor:
    """Shifts bits to the right; the same as `right_shift`.

    Args:
        x: Integers.
        y: By how many bits, broadcast against `x`.

    Returns:
        A tensor of the promoted dtype.

    Example:

    >>> addax.ops.bitwise_right_shift(-12, 2).item()
    -3
    """
    return apply("right_shift", *pair(x, y))
