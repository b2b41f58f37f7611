"""Picking elements by position and putting them: indexing, take, scatter, segments, one-hot, where."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from addax.dtypes import FLOAT_DTYPES, INT_DTYPES, standardize_dtype
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, cast, dims_of, pair, same_dtype, scalar_like
from addax.ops.creation import filled
from addax.ops.joining import stack
from addax.ops.movement import moveaxis
from addax.ops.operation import op


@op("GetItem")
def get_item(x, key) -> Tensor:
    """Indexes a tensor as `x[key]` does.

    Args:
        x: Input tensor.
        key: An int, a slice, `None`, an ellipsis, an integer array, a bool mask, or a tuple of these (NumPy's rules).

    Returns:
        A tensor. A mask picks as many elements as are true, so its values must be known.

    Example:

    >>> addax.ops.get_item([1, 2, 3], slice(0, 2)).tolist()
    [1, 2]
    """
    return as_tensor(x)[key]


def getitem(x: Tensor, key: Any) -> Tensor:
    """Indexing with arrays and masks, by NumPy's rules; ints and slices alone are done by the engine."""
    keys = list(key) if isinstance(key, tuple) else [key]
    keys = [e for k in keys for e in _parse_key(k)]
    consumed = sum(k is not None and k is not Ellipsis for k in keys)
    if consumed > x.ndim:
        raise IndexError(f"getitem: {consumed} indices for a tensor of shape {x.shape}")
    if Ellipsis not in [k for k in keys if not isinstance(k, Tensor)]:
        keys.append(Ellipsis)
    at = next(i for i, k in enumerate(keys) if k is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (x.ndim - consumed)
    if any(k is Ellipsis for k in keys):
        raise IndexError("getitem: an index can have only one ellipsis ('...')")

    # Slices and new axes first; the axes to index by arrays stay whole.
    basic = tuple([slice(None) if isinstance(k, Tensor) else k for k in keys])
    arrays = [(i, k) for i, k in enumerate(keys) if isinstance(k, Tensor)]
    x = x[basic]
    places = [i for i, _ in arrays]
    indices = [k for _, k in arrays]
    if len(indices) == 1:
        return apply("take", x, indices[0], axis=places[0])
    rank = max(k.ndim for k in indices)
    grid = np.broadcast_shapes(*[k.shape for k in indices])
    indices = [apply("broadcast_to", k, shape=grid) for k in same_dtype(*indices)]
    rest = [a for a in range(x.ndim) if a not in places]
    x = apply("transpose", x, axes=(*places, *rest))
    x = apply("gather_nd", x, stack.__wrapped__(indices, axis=-1))
    if places != list(range(places[0], places[0] + len(places))):
        return x  # indices apart from each other: their dims come first
    before = places[0]
    order = [*range(rank, rank + before), *range(rank), *range(rank + before, x.ndim)]
    return apply("transpose", x, axes=tuple(order))


def _parse_key(key: Any) -> list:
    """One entry of an index as slices, None, Ellipsis and integer tensors; a mask becomes one for each of its dims."""
    if key is None or key is Ellipsis or isinstance(key, slice):
        return [key]
    k = as_tensor(key)
    if k.dtype == "bool":
        if k.ndim == 0:
            raise IndexError("getitem: a single bool is no index; use addax.ops.where to choose by a condition")
        return [as_tensor(i.astype("int32")) for i in _values(k, "getitem: a bool mask").nonzero()]
    if k.dtype not in INT_DTYPES:
        if k.size == 0:
            return [cast(k, "int32")]
        raise IndexError(f"getitem: indices must be integers or bools, got dtype {k.dtype}")
    return [k]


def _values(x: Tensor, what: str) -> np.ndarray:
    """The values as an array. Raises ValueError on a placeholder, which has none."""
    if x.is_placeholder:
        raise ValueError(
            f"{what} of shape {x.shape} decides how many elements there are, but it has no value while the function is "
            "traced; use addax.ops.where(condition, x, y), which keeps the shape"
        )
    return x.numpy()


@op("Where", inputs="condition x1 x2")
def where(condition, x1=None, x2=None):
    """Takes elements of one tensor where a condition holds and of another elsewhere.

    Args:
        condition: A bool tensor.
        x1: Values where it is true.
        x2: Values where it is false; all three are broadcast.

    Returns:
        A tensor of the promoted dtype. With the condition alone, the positions of its true elements, as `nonzero`.

    Raises:
        ValueError: If only one of `x1` and `x2` is given.

    Example:

    >>> addax.ops.where([True, False], 1, 2).tolist()
    [1, 2]
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("where: give both x1 and x2, or neither")
    if x1 is None:
        return nonzero.__wrapped__(condition)
    return apply("where", cast(as_tensor(condition), "bool"), *same_dtype(*pair(x1, x2)))


@op("Nonzero")
def nonzero(x) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero.

    Args:
        x: Input tensor; its values must be known.

    Returns:
        A tuple of int32 vectors, one for each axis.

    Example:

    >>> [i.tolist() for i in addax.ops.nonzero([[0, 1], [2, 0]])]
    [[0, 1], [1, 0]]
    """
    return tuple([as_tensor(i.astype("int32")) for i in _values(as_tensor(x), "nonzero: a tensor").nonzero()])


def _indices(indices: Any, name: str) -> Tensor:
    k = as_tensor(indices)
    if k.dtype not in INT_DTYPES:
        if k.size:
            raise TypeError(f"{name}: indices must be integers, got dtype {k.dtype}; cast with addax.ops.cast")
        k = cast(k, "int32")
    return k


@op("Take")
def take(x, indices, axis=None) -> Tensor:
    """Picks slices along an axis by their positions.

    Args:
        x: Input tensor.
        indices: Integers of any shape; negative ones count from the end.
        axis: The axis; `None`: the flattened tensor.

    Returns:
        A tensor with the shape of `indices` in place of the axis.

    Raises:
        IndexError: If a position is out of range.

    Example:

    >>> addax.ops.take([10, 20, 30], [2, 0]).tolist()
    [30, 10]
    """
    x, indices = as_tensor(x), _indices(indices, "take")
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    return apply("take", x, indices, axis=axis_of(axis, x.ndim, "take"))


@op("TakeAlongAxis")
def take_along_axis(x, indices, axis=None) -> Tensor:
    """Picks elements along an axis by positions of their own for each vector.

    Args:
        x: Input tensor.
        indices: Integers of the same rank, broadcast against `x` in the other axes.
        axis: The axis; `None`: the flattened tensor and indices.

    Returns:
        A tensor in the shape of the indices.

    Raises:
        IndexError: If a position is out of range.

    Example:

    >>> addax.ops.take_along_axis([[1, 2], [3, 4]], [[1], [0]], axis=1).tolist()
    [[2], [3]]
    """
    x, indices = as_tensor(x), _indices(indices, "take_along_axis")
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
        indices = apply("reshape", indices, shape=(indices.size,))
    if x.ndim != indices.ndim:
        raise ValueError(
            f"take_along_axis: x of shape {x.shape} and indices of shape {indices.shape} must have the same rank"
        )
    axis = axis_of(axis, x.ndim, "take_along_axis")
    a, b = list(x.shape), list(indices.shape)
    a[axis] = b[axis] = 1
    common = np.broadcast_shapes(tuple(a), tuple(b))

    def widened(t: Tensor) -> Tensor:
        target = (*common[:axis], t.shape[axis], *common[axis + 1 :])
        return t if t.shape == target else apply("broadcast_to", t, shape=target)

    return apply("take_along_axis", widened(x), widened(indices), axis=axis)


@op("core.Scatter", inputs="indices values")
def scatter(indices, values, shape) -> Tensor:
    """Adds values into zeros by position.

    Args:
        indices: Integers of shape `(..., k)`, each row a position in the first k axes.
        values: A tensor of shape `indices.shape[:-1] + shape[k:]`. Values for one position are summed.
        shape: The shape of the result.

    Returns:
        A tensor of that shape and the dtype of `values`.

    Example:

    >>> addax.ops.scatter([[0], [2]], [1.0, 2.0], (3,)).tolist()
    [1.0, 0.0, 2.0]
    """
    values = as_tensor(values)
    zeros = filled(dims_of(shape, "scatter"), 0, values.dtype)
    return apply("scatter_add", zeros, _indices(indices, "scatter"), values)


_REDUCTIONS = ("add", "max", "min", "mul")


@op("core.ScatterUpdate")
def scatter_update(inputs, indices, updates, reduction=None) -> Tensor:
    """Writes values by position into a copy.

    Args:
        inputs: Input tensor.
        indices: Integers of shape `(..., k)`, each row a position in the first k axes.
        updates: A tensor of shape `indices.shape[:-1] + inputs.shape[k:]`.
        reduction: `None`: the last value for a position replaces what is there; `"add"`, `"max"`, `"min"` or `"mul"`:
            all values for it are combined with what is there.

    Returns:
        A tensor like `inputs`.

    Raises:
        ValueError: If the reduction is not one of these.

    Example:

    >>> addax.ops.scatter_update([1, 2, 3], [[0], [2]], [8, 9]).tolist()
    [8, 2, 9]
    """
    x, indices = as_tensor(inputs), _indices(indices, "scatter_update")
    updates = as_tensor(updates, x.dtype)
    if reduction is None:
        return apply("scatter", x, indices, updates)
    if reduction not in _REDUCTIONS:
        raise ValueError(f"scatter_update: expected reduction None or one of {_REDUCTIONS}. Received: {reduction!r}")
    if reduction == "add":
        return apply("scatter_add", x, indices, updates)
    # As segments over the flattened positions.
    k = indices.shape[-1]
    n = math.prod(x.shape[:k])
    rest = x.shape[k:]
    rows = math.prod(indices.shape[:-1])
    flat = scalar_like(0, indices.dtype)
    for i in range(k):
        part = indices[..., i]
        part = apply("where", part < 0, part + x.shape[i], part)
        flat = flat * x.shape[i] + part
    name = {"max": "maximum", "min": "minimum", "mul": "multiply"}[reduction]
    combined = _segment_reduce(
        name, apply("reshape", updates, shape=(rows, *rest)), apply("reshape", flat, shape=(rows,)), n
    )
    return apply(name, x, apply("reshape", combined, shape=x.shape))


def _identity_of(name: str, dtype: str) -> float | int | bool:
    """What changes nothing under the binary op."""
    if name == "multiply":
        return 1
    if dtype in FLOAT_DTYPES:
        return -math.inf if name == "maximum" else math.inf
    if dtype == "bool":
        return name != "maximum"
    info = np.iinfo(dtype)
    return int(info.min if name == "maximum" else info.max)


def _segment_reduce(name: str, data: Tensor, ids: Tensor, n: int) -> Tensor:
    """Combines the rows of each segment; ids outside [0, n) are dropped, empty segments get the identity."""
    rows = ids.shape[0]
    order = apply("argsort", ids, axis=0)
    ids, data = apply("take", ids, order, axis=0), apply("take", data, order, axis=0)
    column = (rows,) + (1,) * (data.ndim - 1)
    step = 1
    # A running combination inside each run of equal ids; its last row is the segment's result.
    while step < rows:
        same = apply("reshape", ids[step:] == ids[:-step], shape=(rows - step, *column[1:]))
        combined = apply("where", same, apply(name, data[:-step], data[step:]), data[step:])
        data = apply("concatenate", data[:step], combined, axis=0)
        step *= 2
    keep = apply("logical_and", ids >= 0, ids < n)
    if rows > 1:
        is_last = apply("concatenate", ids[1:] != ids[:-1], as_tensor([True]), axis=0)
        keep = apply("logical_and", keep, is_last)
    target = apply("where", keep, ids, scalar_like(n, ids.dtype))  # row n takes what is dropped
    empty = filled((n + 1, *data.shape[1:]), _identity_of(name, data.dtype), data.dtype)
    return apply("scatter", empty, apply("reshape", target, shape=(rows, 1)), data)[:n]


def _segments(data: Any, segment_ids: Any, num_segments: int | None, name: str) -> tuple[Tensor, Tensor, int]:
    data, ids = as_tensor(data), _indices(segment_ids, name)
    if ids.ndim != 1 or data.ndim < 1 or ids.shape[0] != data.shape[0]:
        raise ValueError(
            f"{name}: expected one segment id for each row of data, got segment_ids of shape {ids.shape} and data of "
            f"shape {data.shape}"
        )
    if num_segments is None:
        values = _values(ids, f"{name}: give num_segments; a tensor of segment ids")
        num_segments = int(values.max()) + 1 if values.size else 0
    return data, ids, int(num_segments)


@op("math.SegmentSum")
def segment_sum(data, segment_ids, num_segments=None, sorted=False) -> Tensor:
    """Sums the rows of each segment.

    Args:
        data: Input tensor.
        segment_ids: An integer vector: the segment of each row. Ids out of range are dropped.
        num_segments: How many segments; `None`: the largest id plus one.
        sorted: Whether the ids are sorted; not needed.

    Returns:
        A tensor of shape `(num_segments,) + data.shape[1:]`; 0 for empty segments.

    Example:

    >>> addax.ops.segment_sum([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
    [3.0, 3.0]
    """
    data, ids, n = _segments(data, segment_ids, num_segments, "segment_sum")
    keep = apply("logical_and", ids >= 0, ids < n)
    target = apply("reshape", apply("where", keep, ids, scalar_like(n, ids.dtype)), shape=(ids.size, 1))
    return apply("scatter_add", filled((n + 1, *data.shape[1:]), 0, data.dtype), target, data)[:n]


@op("math.SegmentMax")
def segment_max(data, segment_ids, num_segments=None, sorted=False) -> Tensor:
    """The largest element of each segment.

    Args:
        data: Input tensor.
        segment_ids: An integer vector: the segment of each row. Ids out of range are dropped.
        num_segments: How many segments; `None`: the largest id plus one.
        sorted: Whether the ids are sorted; not needed.

    Returns:
        A tensor of shape `(num_segments,) + data.shape[1:]`; the smallest number of the dtype for empty segments.

    Example:

    >>> addax.ops.segment_max([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
    [2.0, 3.0]
    """
    return _segment_reduce("maximum", *_segments(data, segment_ids, num_segments, "segment_max"))


@op("math.SegmentMin")
def segment_min(data, segment_ids, num_segments=None, sorted=False) -> Tensor:
    """The smallest element of each segment.

    Args:
        data: Input tensor.
        segment_ids: An integer vector: the segment of each row. Ids out of range are dropped.
        num_segments: How many segments; `None`: the largest id plus one.
        sorted: Whether the ids are sorted; not needed.

    Returns:
        A tensor of shape `(num_segments,) + data.shape[1:]`; the largest number of the dtype for empty segments.

    Example:

    >>> addax.ops.segment_min([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
    [1.0, 3.0]
    """
    return _segment_reduce("minimum", *_segments(data, segment_ids, num_segments, "segment_min"))


@op("math.SegmentProd")
def segment_prod(data, segment_ids, num_segments=None, sorted=False) -> Tensor:
    """Multiplies the rows of each segment.

    Args:
        data: Input tensor.
        segment_ids: An integer vector: the segment of each row. Ids out of range are dropped.
        num_segments: How many segments; `None`: the largest id plus one.
        sorted: Whether the ids are sorted; not needed.

    Returns:
        A tensor of shape `(num_segments,) + data.shape[1:]`; 1 for empty segments.

    Example:

    >>> addax.ops.segment_prod([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
    [2.0, 3.0]
    """
    return _segment_reduce("multiply", *_segments(data, segment_ids, num_segments, "segment_prod"))


@op("nn.OneHot", inputs="x")
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False) -> Tensor:
    """Turns class numbers into vectors with a one in their place.

    Args:
        x: Class numbers of any shape. Those out of range give zeros.
        num_classes: The length of the vectors.
        axis: Where the new axis stands.
        dtype: Dtype of the result; `None`: `floatx()`.
        sparse: Not supported; `True` is ignored, tensors are dense.

    Returns:
        A tensor of a rank higher by one.

    Example:

    >>> addax.ops.one_hot([0, 2], 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x = as_tensor(x)
    if x.dtype not in INT_DTYPES:
        x = cast(x, "int32")
    result = apply("one_hot", x, depth=int(num_classes), dtype=standardize_dtype(dtype))
    axis = axis_of(axis, result.ndim, "one_hot")
    return result if axis == x.ndim else moveaxis.__wrapped__(result, -1, axis)


@op("nn.MultiHot", inputs="inputs")
def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False) -> Tensor:
    """Turns sets of class numbers into vectors with ones in their places.

    Args:
        inputs: Class numbers: a vector for one set, a matrix with a set in each row for several.
        num_classes: The length of the vectors.
        axis: Where the axis of the classes stands.
        dtype: Dtype of the result; `None`: `floatx()`.
        sparse: Not supported; `True` is ignored, tensors are dense.

    Returns:
        A tensor of the rank of `inputs`.

    Raises:
        ValueError: If `num_classes` is not given.

    Example:

    >>> addax.ops.multi_hot([[0, 2], [1, 1]], 3).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    if num_classes is None:
        raise ValueError("multi_hot: expected an int as `num_classes`, got None")
    x = as_tensor(inputs)
    hot = one_hot.__wrapped__(x, num_classes, axis, dtype)
    return apply("max", hot, axes=(1 if x.ndim > 1 else 0,))


@op("UnravelIndex", inputs="indices")
def unravel_index(indices, shape) -> tuple[Tensor, ...]:
    """Turns positions in a flattened tensor into positions along each axis.

    Args:
        indices: Integers.
        shape: The shape of the tensor.

    Returns:
        A tuple of integer tensors, one for each axis.

    Example:

    >>> [i.tolist() for i in addax.ops.unravel_index([5, 1], (2, 3))]
    [[1, 0], [2, 1]]
    """
    rest = _indices(indices, "unravel_index")
    result = []
    for d in reversed(dims_of(shape, "unravel_index")):
        result.append(apply("remainder", rest, scalar_like(d, rest.dtype)))
        rest = apply("floor_divide", rest, scalar_like(d, rest.dtype))
    return tuple(result[::-1])


@op("Select", inputs="condlist choicelist default")
def select(condlist, choicelist, default=0) -> Tensor:
    """Takes elements by the first of several conditions that holds.

    Args:
        condlist: A list of bool tensors.
        choicelist: A list of as many tensors to take from.
        default: What to take where no condition holds.

    Returns:
        A tensor of the promoted dtype.

    Raises:
        ValueError: If the lists differ in length.

    Example:

    >>> x = addax.ops.arange(4)
    >>> addax.ops.select([x < 1, x > 2], [x, x * 10], -1).tolist()
    [0, -1, -1, 30]
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"select: {len(condlist)} conditions and {len(choicelist)} choices")
    *choices, result = same_dtype(*choicelist, default)
    for condition, choice in reversed(list(zip(condlist, choices, strict=True))):
        result = apply("where", cast(as_tensor(condition), "bool"), choice, result)
    return result


@op("math.ExtractSequences", inputs="x")
def extract_sequences(x, sequence_length, sequence_stride) -> Tensor:
    """Cuts the last axis into overlapping windows.

    Args:
        x: Input tensor.
        sequence_length: The length of a window.
        sequence_stride: How far apart windows begin.

    Returns:
        A tensor of shape `(..., windows, sequence_length)`.

    Raises:
        ValueError: If the last axis is shorter than a window.

    Example:

    >>> addax.ops.extract_sequences([1, 2, 3, 4], 2, 1).tolist()
    [[1, 2], [2, 3], [3, 4]]
    """
    x = as_tensor(x)
    length = x.shape[-1]
    if not 0 < sequence_length <= length:
        raise ValueError(f"extract_sequences: windows of {sequence_length} do not fit into shape {x.shape}")
    starts = np.arange(0, length - sequence_length + 1, sequence_stride, dtype="int32")
    positions = starts[:, None] + np.arange(sequence_length, dtype="int32")
    return apply("take", x, as_tensor(positions), axis=x.ndim - 1)
