"""Trigonometric and hyperbolic functions and angles. Part of the elementwise family."""

from __future__ import annotations

import math

from addax.engine import Tensor, apply
from addax.ops.convert import float_pair, to_float
from addax.ops.operation import op


@op("Sin")
def sin(x) -> Tensor:
    """The sine.

    Args:
        x: Angles in radians.

    Returns:
        The sines, floating.

    Example:

    >>> addax.ops.sin([0.0]).tolist()
    [0.0]
    """
    return apply("sin", to_float(x))


@op("Cos")
def cos(x) -> Tensor:
    """The cosine.

    Args:
        x: Angles in radians.

    Returns:
        The cosines, floating.

    Example:

    >>> addax.ops.cos([0.0]).tolist()
    [1.0]
    """
    return apply("cos", to_float(x))


@op("Tan")
def tan(x) -> Tensor:
    """The tangent.

    Args:
        x: Angles in radians.

    Returns:
        The tangents, floating.

    Example:

    >>> addax.ops.tan([0.0]).tolist()
    [0.0]
    """
    return apply("tan", to_float(x))


@op("Arcsin")
def arcsin(x) -> Tensor:
    """The inverse of the sine.

    Args:
        x: Input tensor, between -1 and 1.

    Returns:
        Angles between -pi/2 and pi/2, floating.

    Example:

    >>> addax.ops.arcsin([0.0]).tolist()
    [0.0]
    """
    return apply("asin", to_float(x))


@op("Arccos")
def arccos(x) -> Tensor:
    """The inverse of the cosine.

    Args:
        x: Input tensor, between -1 and 1.

    Returns:
        Angles between 0 and pi, floating.

    Example:

    >>> addax.ops.arccos([1.0]).tolist()
    [0.0]
    """
    return apply("acos", to_float(x))


@op("Arctan")
def arctan(x) -> Tensor:
    """The inverse of the tangent.

    Args:
        x: Input tensor.

    Returns:
        Angles between -pi/2 and pi/2, floating.

    Example:

    >>> addax.ops.arctan([0.0]).tolist()
    [0.0]
    """
    return apply("atan", to_float(x))


@op("Arctan2")
def arctan2(x1, x2) -> Tensor:
    """The angle of the point with abscissa `x2` and ordinate `x1`.

    Args:
        x1: Ordinates.
        x2: Abscissas, broadcast against `x1`.

    Returns:
        Angles between -pi and pi, floating.

    Example:

    >>> addax.ops.arctan2(0.0, 1.0).item()
    0.0
    """
    return apply("atan2", *float_pair(x1, x2))


@op("Sinh")
def sinh(x) -> Tensor:
    """The hyperbolic sine.

    Args:
        x: Input tensor.

    Returns:
        The values, floating.

    Example:

    >>> addax.ops.sinh([0.0]).tolist()
    [0.0]
    """
    return apply("sinh", to_float(x))


@op("Cosh")
def cosh(x) -> Tensor:
    """The hyperbolic cosine.

    Args:
        x: Input tensor.

    Returns:
        The values, floating.

    Example:

    >>> addax.ops.cosh([0.0]).tolist()
    [1.0]
    """
    return apply("cosh", to_float(x))


@op("Tanh")
def tanh(x) -> Tensor:
    """The hyperbolic tangent.

    Args:
        x: Input tensor.

    Returns:
        Values between -1 and 1, floating.

    Example:

    >>> addax.ops.tanh([0.0]).tolist()
    [0.0]
    """
    return apply("tanh", to_float(x))


@op("Arcsinh")
def arcsinh(x) -> Tensor:
    """The inverse of the hyperbolic sine.

    Args:
        x: Input tensor.

    Returns:
        The values, floating.

    Example:

    >>> addax.ops.arcsinh([0.0]).tolist()
    [0.0]
    """
    return apply("asinh", to_float(x))


@op("Arccosh")
def arccosh(x) -> Tensor:
    """The inverse of the hyperbolic cosine.

    Args:
        x: Input tensor, at least 1.

    Returns:
        The values, floating and not negative.

    Example:

    >>> addax.ops.arccosh([1.0]).tolist()
    [0.0]
    """
    return apply("acosh", to_float(x))


@op("Arctanh")
def arctanh(x) -> Tensor:
    """The inverse of the hyperbolic tangent.

    Args:
        x: Input tensor, between -1 and 1.

    Returns:
        The values, floating.

    Example:

    >>> addax.ops.arctanh([0.0]).tolist()
    [0.0]
    """
    return apply("atanh", to_float(x))


@op("Deg2rad")
def deg2rad(x) -> Tensor:
    """Turns degrees into radians.

    Args:
        x: Angles in degrees.

    Returns:
        Angles in radians, floating.

    Example:

    >>> addax.ops.deg2rad([0.0]).tolist()
    [0.0]
    """
    return to_float(x) * (math.pi / 180)


@op("Rad2deg")
def rad2deg(x) -> Tensor:
    """Turns radians into degrees.

    Args:
        x: Angles in radians.

    Returns:
        Angles in degrees, floating.

    Example:

    >>> addax.ops.rad2deg([0.0]).tolist()
    [0.0]
    """
    return to_float(x) * (180 / math.pi)
