"""Triangles and diagonals of matrices. Part of the movement family."""

from __future__ import annotations

from typing import Any

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, scalar_like
from addax.ops.creation import eye, triangle, zeros
from addax.ops.movement import moveaxis, ravel
from addax.ops.operation import op


@op("Tril")
def tril(x, k=0) -> Tensor:
    """Keeps the lower triangle of matrices; what is above a diagonal becomes 0.

    Args:
        x: Input tensor of rank 2 or more.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> addax.ops.tril([[1, 2], [3, 4]]).tolist()
    [[1, 0], [3, 4]]
    """
    x = _matrices(x, "tril")
    return apply("where", triangle(*x.shape[-2:], k), x, scalar_like(0 if x.dtype != "bool" else False, x.dtype))


@op("Triu")
def triu(x, k=0) -> Tensor:
    """Keeps the upper triangle of matrices; what is below a diagonal becomes 0.

    Args:
        x: Input tensor of rank 2 or more.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> addax.ops.triu([[1, 2], [3, 4]]).tolist()
    [[1, 2], [0, 4]]
    """
    x = _matrices(x, "triu")
    return apply("where", triangle(*x.shape[-2:], k - 1), scalar_like(0 if x.dtype != "bool" else False, x.dtype), x)


def _matrices(x: Any, name: str) -> Tensor:
    x = as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected a tensor of rank 2 or more, got shape {x.shape}")
    return x


@op("Diagonal")
def diagonal(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """The diagonal of the plane of two axes, as the last axis of the result.

    Args:
        x: Input tensor of rank 2 or more.
        offset: Which diagonal: 0 is the main one, positive ones lie above it.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        A tensor of a rank lower by one.

    Example:

    >>> addax.ops.diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    x = moveaxis.__wrapped__(_matrices(x, "diagonal"), (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    row, column = max(-offset, 0), max(offset, 0)
    n = max(min(rows - row, columns - column), 0)
    batch = x.shape[:-2]
    if n == 0:
        return zeros((*batch, 0), x.dtype)
    # In the flattened matrix the elements of a diagonal stand columns + 1 apart.
    x = apply("reshape", x, shape=(*batch, rows * columns))
    start = row * columns + column
    return x[(..., slice(start, start + (n - 1) * (columns + 1) + 1, columns + 1))]


@op("Trace")
def trace(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """The sum of the diagonal of the plane of two axes.

    Args:
        x: Input tensor of rank 2 or more.
        offset: Which diagonal: 0 is the main one, positive ones lie above it.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        A tensor of a rank lower by two; bool and narrow integers sum in 32 bits.

    Example:

    >>> addax.ops.trace([[1, 2], [3, 4]]).item()
    5
    """
    return apply("sum", diagonal.__wrapped__(x, offset, axis1, axis2), axes=(-1,))


@op("Diag")
def diag(x, k=0) -> Tensor:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal.

    Args:
        x: A matrix or a vector.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A vector or a matrix.

    Raises:
        ValueError: If `x` is neither.

    Example:

    >>> addax.ops.diag([1, 2]).tolist()
    [[1, 0], [0, 2]]
    """
    x = as_tensor(x)
    if x.ndim == 2:
        return diagonal.__wrapped__(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    n = x.shape[0]
    on_diagonal = eye(n, dtype="bool")
    square = apply("where", on_diagonal, x, scalar_like(False if x.dtype == "bool" else 0, x.dtype))
    return apply("pad", square, low=(max(-k, 0), max(k, 0)), high=(max(k, 0), max(-k, 0)))


@op("Diagflat")
def diagflat(x, k=0) -> Tensor:
    """A matrix with the elements of a tensor on its diagonal.

    Args:
        x: Input tensor; it is flattened.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A matrix.

    Example:

    >>> addax.ops.diagflat([[1], [2]]).tolist()
    [[1, 0], [0, 2]]
    """
    return diag.__wrapped__(ravel.__wrapped__(x), k)
