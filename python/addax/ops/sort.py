"""Sorting and searching in sorted data, and what follows from them: unique, membership, bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax.dtypes import standardize_dtype
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, cast, same_dtype, scalar_like, to_float
from addax.ops.core import is_symbolic
from addax.ops.creation import filled, linspace
from addax.ops.index import _indices, _values, segment_sum
from addax.ops.operation import op


def _flat_if_none(x: Any, axis: int | None, name: str) -> tuple[Tensor, int]:
    x = as_tensor(x)
    if axis is None:
        return apply("reshape", x, shape=(x.size,)), 0
    return x, axis_of(axis, x.ndim, name)


@op("Sort")
def sort(x, axis=-1) -> Tensor:
    """Sorts along an axis, smallest first.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.

    Returns:
        The sorted tensor; NaN comes last.

    Example:

    >>> addax.ops.sort([3, 1, 2]).tolist()
    [1, 2, 3]
    """
    x, axis = _flat_if_none(x, axis, "sort")
    return apply("sort", x, axis=axis)


@op("Argsort")
def argsort(x, axis=-1) -> Tensor:
    """The positions that sort along an axis, smallest first.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.

    Returns:
        An int32 tensor. Equal elements keep their order.

    Example:

    >>> addax.ops.argsort([3, 1, 2]).tolist()
    [1, 2, 0]
    """
    x, axis = _flat_if_none(x, axis, "argsort")
    return apply("argsort", x, axis=axis)


@op("Argpartition", inputs="x")
def argpartition(x, kth, axis=-1) -> Tensor:
    """Positions that put the kth element in its place, smaller ones before it and larger ones behind it.

    Args:
        x: Input tensor.
        kth: Which element.
        axis: The axis; `None`: the flattened tensor.

    Returns:
        An int32 tensor: all positions in sorted order, one of the answers allowed.

    Example:

    >>> addax.ops.argpartition([3, 1, 2], 1).tolist()
    [1, 2, 0]
    """
    x, axis = _flat_if_none(x, axis, "argpartition")
    axis_of(kth, x.shape[axis], "argpartition: kth")
    return apply("argsort", x, axis=axis)


@op("math.TopK", inputs="x")
def top_k(x, k, sorted=True) -> tuple[Tensor, Tensor]:
    """The largest elements of the last axis and their positions.

    Args:
        x: Input tensor.
        k: How many.
        sorted: Whether the largest must come first; it always does.

    Returns:
        A pair: the values, largest first, and their int32 positions.

    Example:

    >>> values, indices = addax.ops.top_k([1.0, 3.0, 2.0], 2)
    >>> values.tolist(), indices.tolist()
    ([3.0, 2.0], [1, 2])
    """
    return apply("top_k", as_tensor(x), k=int(k))


@op("math.InTopK", inputs="targets predictions")
def in_top_k(targets, predictions, k) -> Tensor:
    """Whether the score of each target is among the k largest of its row.

    Args:
        targets: Class numbers, a vector.
        predictions: Scores, a matrix with a row for each target.
        k: How many count.

    Returns:
        A bool vector. A score that equals the kth counts as well.

    Example:

    >>> addax.ops.in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], k=1).tolist()
    [True, False]
    """
    targets, predictions = _indices(targets, "in_top_k"), as_tensor(predictions)
    column = apply("reshape", targets, shape=(*targets.shape, 1))
    score = apply("take_along_axis", predictions, column, axis=predictions.ndim - 1)
    best, _ = apply("top_k", predictions, k=min(int(k), predictions.shape[-1]))
    return (score >= best[..., -1:])[..., 0]


@op("SearchSorted")
def searchsorted(sorted_sequence, values, side="left") -> Tensor:
    """Where values would be inserted into a sorted vector.

    Args:
        sorted_sequence: A vector, smallest first.
        values: The values, of any shape.
        side: `"left"`: before equal elements; `"right"`: behind them.

    Returns:
        An int32 tensor in the shape of `values`.

    Raises:
        ValueError: If the sequence is not a vector or the side is neither.

    Example:

    >>> addax.ops.searchsorted([1.0, 2.0, 3.0], [0.5, 2.0]).tolist()
    [0, 1]
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: expected side 'left' or 'right'. Received: side={side!r}")
    sequence, values = same_dtype(as_tensor(sorted_sequence), as_tensor(values))
    if sequence.ndim != 1:
        raise ValueError(f"searchsorted: expected a vector to search in, got shape {sequence.shape}")
    n = sequence.shape[0]
    low = filled(values.shape, 0, "int32")
    if n == 0:
        return low
    high = filled(values.shape, n, "int32")
    for _ in range(n.bit_length()):
        middle = apply("right_shift", low + high, scalar_like(1, "int32"))
        element = apply("take", sequence, apply("minimum", middle, scalar_like(n - 1, "int32")), axis=0)
        behind = element < values if side == "left" else element <= values
        behind = apply("logical_and", behind, low < high)
        high = apply("where", behind, high, middle)
        low = apply("where", behind, middle + 1, low)
    return low


@op("Digitize")
def digitize(x, bins) -> Tensor:
    """The number of the bin that each value falls into.

    Args:
        x: Input tensor.
        bins: A vector of edges, smallest first.

    Returns:
        An int32 tensor: i where `bins[i - 1] <= x < bins[i]`.

    Example:

    >>> addax.ops.digitize([0.5, 1.5, 9.0], [1.0, 2.0]).tolist()
    [0, 1, 2]
    """
    return searchsorted.__wrapped__(bins, x, side="right")


@op("IsIn")
def isin(x1, x2, assume_unique=False, invert=False) -> Tensor:
    """Whether elements of one tensor occur in another.

    Args:
        x1: The elements.
        x2: Where to look.
        assume_unique: Whether both hold no element twice; not needed.
        invert: Whether to tell the opposite.

    Returns:
        A bool tensor in the shape of `x1`.

    Example:

    >>> addax.ops.isin([1, 2, 3], [2, 9]).tolist()
    [False, True, False]
    """
    x1, x2 = same_dtype(x1, x2)
    if x2.size == 0:
        return filled(x1.shape, bool(invert), "bool")
    ordered = apply("sort", apply("reshape", x2, shape=(x2.size,)), axis=0)
    at = apply("minimum", searchsorted.__wrapped__(ordered, x1), scalar_like(x2.size - 1, "int32"))
    return apply("not_equal" if invert else "equal", apply("take", ordered, at, axis=0), x1)


@op("Unique")
def unique(
    x,
    sorted=True,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    size=None,
    fill_value=None,
):
    """The different elements of a tensor, or slices along an axis.

    Args:
        x: Input tensor; its values must be known.
        sorted: Whether the result must be sorted; it always is.
        return_index: Whether to return the first position of each.
        return_inverse: Whether to return, for each element, which one it is.
        return_counts: Whether to return how often each occurs.
        axis: The axis of the slices; `None`: single elements.
        size: How many to return: more are cut off, fewer filled up.
        fill_value: What to fill up with; `None`: the first.

    Returns:
        A tensor, or a tuple of it and what else was asked for (int32).

    Example:

    >>> addax.ops.unique([3, 1, 1]).tolist()
    [1, 3]
    """
    x = _values(as_tensor(x), "unique: a tensor")
    values, index, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    if size is not None:
        values, index, counts = _fit(values, index, counts, size, 0 if axis is None else axis, fill_value)
    inverse = inverse.reshape(-1) if axis is not None else inverse.reshape(x.shape)
    result = [as_tensor(values)]
    for wanted, extra in ((return_index, index), (return_inverse, inverse), (return_counts, counts)):
        if wanted:
            result.append(as_tensor(extra.astype("int32")))
    return tuple(result) if len(result) > 1 else result[0]


def _fit(values, index, counts, size, axis, fill_value):
    keep = np.arange(min(size, len(counts)))
    values, index, counts = values.take(keep, axis=axis), index[keep], counts[keep]
    missing = size - len(keep)
    if missing > 0:
        shape = list(values.shape)
        shape[axis] = missing
        fill = values.take([0], axis=axis) if fill_value is None else fill_value
        filling = np.broadcast_to(np.asarray(fill, values.dtype), shape)
        values = np.concatenate([values, filling], axis=axis)
        index = np.concatenate([index, np.full(missing, index[0] if len(index) else 0)])
        counts = np.concatenate([counts, np.zeros(missing, counts.dtype)])
    return values, index, counts


@op("Bincount", inputs="x")
def bincount(x, weights=None, minlength=0, sparse=False) -> Tensor:
    """Counts how often each number occurs.

    Args:
        x: Non-negative integers: a vector, or a matrix whose rows are counted apart.
        weights: What each element counts; `None`: one.
        minlength: The least length of the result.
        sparse: Not supported; `True` is ignored, tensors are dense.

    Returns:
        A vector (or a matrix with a row for each of `x`): the count of i at position i. int32, or the dtype of the
        weights.

    Example:

    >>> addax.ops.bincount([1, 1, 3]).tolist()
    [0, 2, 0, 1]
    """
    x = _indices(x, "bincount")
    if is_symbolic(x):
        if not minlength:
            _values(x, "bincount: give minlength; a tensor")
        n = int(minlength)
    else:
        values = x.numpy()
        n = max(int(minlength), int(values.max()) + 1 if values.size else 0)
    counted = filled(x.shape, 1, "int32") if weights is None else as_tensor(weights)
    if x.ndim == 1:
        return segment_sum.__wrapped__(counted, x, n)
    rows = x.shape[0]
    offset = apply("reshape", as_tensor(np.arange(rows, dtype=x.dtype) * n), shape=(rows, 1))
    flat = apply("reshape", x + offset, shape=(x.size,))
    total = segment_sum.__wrapped__(apply("reshape", counted, shape=(x.size,)), flat, rows * n)
    return apply("reshape", total, shape=(rows, n))


@op("Histogram")
def histogram(x, bins=10, range=None) -> tuple[Tensor, Tensor]:
    """Counts how many values fall into each of some equal bins.

    Args:
        x: Input tensor; it is flattened.
        bins: How many bins.
        range: The lower and upper end; `None`: the smallest and largest value.

    Returns:
        A pair: the counts and the `bins + 1` edges, both floating. The last bin includes its upper edge.

    Raises:
        ValueError: If `bins` is not positive or the range is not one.

    Example:

    >>> counts, edges = addax.ops.histogram([1.0, 2.0, 2.0, 3.0], bins=2)
    >>> counts.tolist(), edges.tolist()
    ([1.0, 3.0], [1.0, 2.0, 3.0])
    """
    if not isinstance(bins, int) or bins <= 0:
        raise ValueError(f"histogram: expected a positive int as `bins`. Received: bins={bins!r}")
    if range is not None and (len(range) != 2 or range[0] > range[1]):
        raise ValueError(f"histogram: expected a pair (lower, upper) as `range`. Received: range={range}")
    x = to_float(x)
    x = apply("reshape", x, shape=(x.size,))
    if range is None:
        low, high = (apply("min", x), apply("max", x)) if x.size else (as_tensor(0.0), as_tensor(1.0))
    else:
        low, high = (scalar_like(float(v), x.dtype) for v in range)
    flat = low == high
    half = scalar_like(0.5, x.dtype)
    low, high = apply("where", flat, low - half, low), apply("where", flat, high + half, high)
    edges = linspace.__wrapped__(low, high, bins + 1, dtype=x.dtype)
    at = searchsorted.__wrapped__(edges, x, side="right") - 1
    at = apply("where", x == high, scalar_like(bins - 1, "int32"), at)
    ones = filled(x.shape, 1, "int32")
    at = apply("where", apply("logical_or", x < low, x > high), scalar_like(-1, "int32"), at)
    return cast(segment_sum.__wrapped__(ones, at, bins), standardize_dtype(x.dtype)), edges
