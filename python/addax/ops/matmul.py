"""Products of vectors, matrices and tensors. Einsum is in einsum.py; decompositions belong to the linalg family."""

from __future__ import annotations

import math
from typing import Any

from addax.engine import Tensor, apply
from addax.ops.convert import (
    as_tensor,
    axes_of,
    cast,
    pair,
    same_dtype,
    same_float_dtype,
    scalar_like,
    to_float,
)
from addax.ops.joining import stack
from addax.ops.movement import moveaxis, swapaxes
from addax.ops.operation import op
from addax.ops.reduce import mean


def product_pair(x1: Any, x2: Any, widen: bool = False) -> tuple[Tensor, Tensor, str]:
    """Both factors in one dtype to multiply in, and the dtype of the result; `widen`: int8 gives int32."""
    x1, x2 = same_dtype(*pair(x1, x2))
    dtype = x1.dtype
    if dtype in ("bool", "int8"):
        x1, x2 = cast(x1, "int32"), cast(x2, "int32")
        return x1, x2, "int32" if widen and dtype == "int8" else dtype
    return x1, x2, dtype


@op("Matmul")
def matmul(x1, x2) -> Tensor:
    """The matrix product over the last two axes.

    Args:
        x1: Input tensor of shape `(..., m, k)`, or a vector of k.
        x2: Input tensor of shape `(..., k, n)`, or a vector of k. Leading axes are broadcast.

    Returns:
        A tensor of shape `(..., m, n)` in the promoted dtype, without the axis of a vector; int8 gives int32.

    Raises:
        ValueError: If the inner dims differ.

    Example:

    >>> addax.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
    [[11.0]]
    """
    plain = type(x1) is Tensor and type(x2) is Tensor and x1.dtype == x2.dtype and x1.ndim > 1 and x2.ndim > 1
    if plain and x1.dtype not in ("int8", "bool"):
        return apply("matmul", x1, x2)
    x1, x2, dtype = product_pair(x1, x2, widen=True)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError(f"matmul: expected tensors of rank 1 or more, got shapes {x1.shape} and {x2.shape}")
    a = apply("reshape", x1, shape=(1, *x1.shape)) if x1.ndim == 1 else x1
    b = apply("reshape", x2, shape=(*x2.shape, 1)) if x2.ndim == 1 else x2
    result = apply("matmul", a, b)
    shape = result.shape
    if x2.ndim == 1:
        shape = shape[:-1]
    if x1.ndim == 1:
        shape = (*shape[:-2], shape[-1]) if x2.ndim > 1 else shape[:-1]
    return cast(apply("reshape", result, shape=shape) if shape != result.shape else result, dtype)


@op("Dot")
def dot(x1, x2) -> Tensor:
    """The sum of products over the last axis of one tensor and the last but one of the other.

    Args:
        x1: Input tensor; a scalar multiplies.
        x2: Input tensor; of a vector the only axis is taken.

    Returns:
        A tensor with the remaining axes of `x1`, then those of `x2`.

    Example:

    >>> addax.ops.dot([1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    x1, x2 = pair(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return apply("multiply", x1, x2)
    return tensordot.__wrapped__(x1, x2, ((x1.ndim - 1,), (max(x2.ndim - 2, 0),)))


@op("Tensordot")
def tensordot(x1, x2, axes=2) -> Tensor:
    """The sum of products over chosen axes.

    Args:
        x1: Input tensor.
        x2: Input tensor.
        axes: How many axes to sum over, the last ones of `x1` against the first ones of `x2`; or a pair of lists that
            name them.

    Returns:
        A tensor with the remaining axes of `x1`, then those of `x2`.

    Raises:
        ValueError: If the axes do not match.

    Example:

    >>> addax.ops.tensordot([[1.0, 2.0]], [[3.0], [4.0]], axes=1).tolist()
    [[11.0]]
    """
    x1, x2, dtype = product_pair(x1, x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ValueError(f"tensordot: cannot sum over {axes} axes of shapes {x1.shape} and {x2.shape}")
        left, right = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        left, right = axes_of(axes[0], x1.ndim, "tensordot"), axes_of(axes[1], x2.ndim, "tensordot")
    if [x1.shape[a] for a in left] != [x2.shape[a] for a in right]:
        raise ValueError(
            f"tensordot: axes {left} of shape {x1.shape} and axes {right} of shape {x2.shape} differ in size"
        )
    free1 = [a for a in range(x1.ndim) if a not in left]
    free2 = [a for a in range(x2.ndim) if a not in right]
    rows, columns = [x1.shape[a] for a in free1], [x2.shape[a] for a in free2]
    inner = math.prod(x1.shape[a] for a in left)
    a = apply("transpose", x1, axes=(*free1, *left)) if x1.ndim else x1
    b = apply("transpose", x2, axes=(*right, *free2)) if x2.ndim else x2
    a = apply("reshape", a, shape=(math.prod(rows), inner))
    b = apply("reshape", b, shape=(inner, math.prod(columns)))
    return cast(apply("reshape", apply("matmul", a, b), shape=(*rows, *columns)), dtype)


@op("Inner")
def inner(x1, x2) -> Tensor:
    """The sum of products over the last axes.

    Args:
        x1: Input tensor; a scalar multiplies.
        x2: Input tensor whose last axis is as long.

    Returns:
        A tensor with the remaining axes of `x1`, then those of `x2`.

    Example:

    >>> addax.ops.inner([1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    x1, x2 = pair(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return apply("multiply", x1, x2)
    return tensordot.__wrapped__(x1, x2, ((x1.ndim - 1,), (x2.ndim - 1,)))


@op("Vdot")
def vdot(x1, x2) -> Tensor:
    """The dot product of two flattened tensors.

    Args:
        x1: Input tensor.
        x2: Input tensor of as many elements.

    Returns:
        A 0-d tensor.

    Example:

    >>> addax.ops.vdot([[1.0, 2.0]], [[3.0], [4.0]]).item()
    11.0
    """
    x1, x2 = pair(x1, x2)
    return tensordot.__wrapped__(apply("reshape", x1, shape=(x1.size,)), apply("reshape", x2, shape=(x2.size,)), 1)


@op("Outer")
def outer(x1, x2) -> Tensor:
    """The products of each element of one tensor with each of the other.

    Args:
        x1: Input tensor; it is flattened.
        x2: Input tensor; it is flattened.

    Returns:
        A matrix with a row for each element of `x1`.

    Example:

    >>> addax.ops.outer([1, 2], [3, 4]).tolist()
    [[3, 4], [6, 8]]
    """
    x1, x2 = pair(x1, x2)
    return apply("multiply", apply("reshape", x1, shape=(x1.size, 1)), apply("reshape", x2, shape=(1, x2.size)))


@op("Kron")
def kron(x1, x2) -> Tensor:
    """The Kronecker product: the first tensor with each element replaced by its product with the second.

    Args:
        x1: Input tensor.
        x2: Input tensor.

    Returns:
        A tensor whose sizes are the products of theirs.

    Example:

    >>> addax.ops.kron([1, 2], [1, 10]).tolist()
    [1, 10, 2, 20]
    """
    x1, x2 = pair(x1, x2)
    ndim = max(x1.ndim, x2.ndim)
    a, b = (1,) * (ndim - x1.ndim) + x1.shape, (1,) * (ndim - x2.ndim) + x2.shape
    left = apply("reshape", x1, shape=tuple([d for size in a for d in (size, 1)]))
    right = apply("reshape", x2, shape=tuple([d for size in b for d in (1, size)]))
    return apply("reshape", apply("multiply", left, right), shape=tuple([m * n for m, n in zip(a, b, strict=True)]))


@op("Cross")
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None) -> Tensor:
    """The cross product of vectors of two or three components.

    Args:
        x1: The first vectors.
        x2: The second ones; the other axes are broadcast.
        axisa: The axis of the components of `x1`.
        axisb: The axis of the components of `x2`.
        axisc: The axis of the components of the result.
        axis: One axis in place of all three.

    Returns:
        The products; of vectors in a plane, only the component that stands on it.

    Raises:
        ValueError: If there are neither two nor three components.

    Example:

    >>> addax.ops.cross([1, 0, 0], [0, 1, 0]).tolist()
    [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = pair(x1, x2)
    a, b = moveaxis.__wrapped__(x1, axisa, -1), moveaxis.__wrapped__(x2, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(f"cross: expected vectors of 2 or 3 components, got shapes {x1.shape} and {x2.shape}")
    flat = a.shape[-1] == b.shape[-1] == 2

    def part(x: Tensor, i: int) -> Tensor:
        return x[..., i] if i < x.shape[-1] else scalar_like(0, x.dtype)

    third = part(a, 0) * part(b, 1) - part(a, 1) * part(b, 0)
    if flat:
        return third
    first = part(a, 1) * part(b, 2) - part(a, 2) * part(b, 1)
    second = part(a, 2) * part(b, 0) - part(a, 0) * part(b, 2)
    parts = [apply("broadcast_to", c, shape=third.shape) for c in (first, second, third)]
    result = stack.__wrapped__(parts, axis=-1)
    return moveaxis.__wrapped__(result, -1, axisc)


@op("math.CDist")
def cdist(x, y) -> Tensor:
    """The Euclidean distances between each row of one tensor and each of the other.

    Args:
        x: Points, of shape `(..., m, d)`.
        y: Points, of shape `(..., n, d)`.

    Returns:
        A tensor of shape `(..., m, n)`, floating.

    Example:

    >>> addax.ops.cdist([[0.0, 0.0]], [[3.0, 4.0]]).tolist()
    [[5.0]]
    """
    x, y = same_float_dtype(x, y)
    a = apply("reshape", x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    b = apply("reshape", y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    return apply("sqrt", apply("sum", apply("square", a - b), axes=(-1,)))


@op("Correlate")
def correlate(x1, x2, mode="valid") -> Tensor:
    """The cross-correlation of two vectors.

    Args:
        x1: A vector.
        x2: A vector.
        mode: `"valid"`: where they overlap wholly; `"same"`: as long as the longer one; `"full"`: where they overlap.

    Returns:
        A vector, floating.

    Raises:
        ValueError: If the inputs are not vectors or the mode is none of these.

    Example:

    >>> addax.ops.correlate([1.0, 2.0, 3.0], [1.0, 1.0]).tolist()
    [3.0, 5.0]
    """
    x1, x2 = same_float_dtype(*pair(x1, x2))
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"correlate: expected vectors, got shapes {x1.shape} and {x2.shape}")
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"correlate: expected mode 'valid', 'same' or 'full'. Received: mode={mode!r}")
    swap = x1.size < x2.size
    if swap:
        x1, x2 = x2, x1
    n, m = x1.size, x2.size
    low = {"valid": 0, "same": (m - 1) - (m - 1) // 2 if swap else m // 2, "full": m - 1}[mode]
    high = {"valid": 0, "same": m - 1 - low, "full": m - 1}[mode]
    padded = apply("pad", x1, low=(low,), high=(high,))
    windows = n + low + high - m + 1
    # Rows of windows: row i begins at element i.
    positions = [[i + j for j in range(m)] for i in range(windows)]
    result = apply("matmul", apply("take", padded, as_tensor(positions), axis=0), apply("reshape", x2, shape=(m, 1)))
    result = apply("reshape", result, shape=(windows,))
    return apply("flip", result, axes=(0,)) if swap else result


@op("Corrcoef")
def corrcoef(x) -> Tensor:
    """The correlation coefficients of variables.

    Args:
        x: A matrix with a variable in each row, or a vector for a single one.

    Returns:
        A matrix of values between -1 and 1, floating.

    Example:

    >>> addax.ops.corrcoef([[1.0, 2.0], [2.0, 1.0]]).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    x = to_float(x)
    if x.ndim > 2:
        raise ValueError(f"corrcoef: expected a vector or a matrix, got shape {x.shape}")
    single = x.ndim < 2
    x = apply("reshape", x, shape=(1, x.size)) if single else x
    x = x - mean.__wrapped__(x, axis=1, keepdims=True)
    # The number of samples cancels out.
    covariance = apply("matmul", x, swapaxes.__wrapped__(x, 0, 1))
    deviation = apply("sqrt", apply("sum", apply("square", x), axes=(1,), keepdims=True))
    result = covariance / deviation / swapaxes.__wrapped__(deviation, 0, 1)
    result = apply("clip", result, scalar_like(-1.0, x.dtype), scalar_like(1.0, x.dtype))
    return apply("reshape", result, shape=()) if single else result
