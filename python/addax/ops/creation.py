"""New tensors: constants, ranges, identity and triangle patterns.

While a function runs on placeholders these return placeholders too: the real values may be far too large to make.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from addax import config, engine
from addax.dtypes import FLOAT_DTYPES, result_type, standardize_dtype
from addax.engine import Tensor, apply
from addax.ops import symbolic
from addax.ops.convert import as_tensor, cast, dims_of, same_float_dtype, scalar_like, to_float
from addax.ops.operation import op


def filled(shape: tuple[int, ...], value: Any, dtype: str) -> Tensor:
    """A tensor of equal elements: a broadcast view of one."""
    if symbolic.is_active():
        return engine.placeholder(shape, dtype)
    return apply("broadcast_to", engine.tensor(value, dtype), shape=shape)


def zeros(shape, dtype=None) -> Tensor:
    """A tensor of zeros.

    Args:
        shape: Tuple of ints.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.zeros((2,)).tolist()
    [0.0, 0.0]
    """
    return filled(dims_of(shape, "zeros"), 0, standardize_dtype(dtype))


def ones(shape, dtype=None) -> Tensor:
    """A tensor of ones.

    Args:
        shape: Tuple of ints.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.ones((2,)).tolist()
    [1.0, 1.0]
    """
    return filled(dims_of(shape, "ones"), 1, standardize_dtype(dtype))


def empty(shape, dtype=None) -> Tensor:
    """A tensor whose values nobody should rely on; they are zeros.

    Args:
        shape: Tuple of ints.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.empty((2, 3)).shape
    (2, 3)
    """
    return filled(dims_of(shape, "empty"), 0, standardize_dtype(dtype))


@op("Full", inputs="fill_value")
def full(shape, fill_value, dtype=None) -> Tensor:
    """A tensor of one value, or one tensor repeated over a shape.

    Args:
        shape: Tuple of ints.
        fill_value: A number, or a tensor that broadcasts to `shape`.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.full((2,), 7.0).tolist()
    [7.0, 7.0]
    """
    shape, dtype = dims_of(shape, "full"), standardize_dtype(dtype)
    if isinstance(fill_value, (bool, int, float)):
        return filled(shape, fill_value, dtype)
    return apply("broadcast_to", as_tensor(fill_value, dtype), shape=shape)


@op("ZerosLike")
def zeros_like(x, dtype=None) -> Tensor:
    """Zeros in the shape of a tensor.

    Args:
        x: A tensor.
        dtype: Dtype of the result; `None`: that of `x`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.zeros_like([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    return _like(x, 0, dtype)


@op("OnesLike")
def ones_like(x, dtype=None) -> Tensor:
    """Ones in the shape of a tensor.

    Args:
        x: A tensor.
        dtype: Dtype of the result; `None`: that of `x`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.ones_like([3.0, 2.0]).tolist()
    [1.0, 1.0]
    """
    return _like(x, 1, dtype)


@op("EmptyLike")
def empty_like(x, dtype=None) -> Tensor:
    """A tensor in the shape of another, whose values nobody should rely on.

    Args:
        x: A tensor.
        dtype: Dtype of the result; `None`: that of `x`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.empty_like([3.0, 2.0]).shape
    (2,)
    """
    return _like(x, 0, dtype)


@op("FullLike")
def full_like(x, fill_value, dtype=None) -> Tensor:
    """One value in the shape of a tensor.

    Args:
        x: A tensor.
        fill_value: A number, or a tensor that broadcasts to the shape.
        dtype: Dtype of the result; `None`: that of `x`.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.full_like([1.0, 2.0], 7).tolist()
    [7.0, 7.0]
    """
    x = as_tensor(x)
    return full.__wrapped__(x.shape, fill_value, x.dtype if dtype is None else dtype)


def _like(x: Any, value: int, dtype: Any) -> Tensor:
    x = as_tensor(x)
    return filled(x.shape, value, x.dtype if dtype is None else standardize_dtype(dtype))


@op("Arange", inputs="start stop step")
def arange(start, stop=None, step=None, dtype=None) -> Tensor:
    """Evenly spaced numbers from `start` up to, not with, `stop`.

    Args:
        start: The first number; with `stop` not given, the end of a range from 0.
        stop: The end.
        step: The distance between neighbours, 1 if not given.
        dtype: Dtype of the result; `None`: int32 if all arguments are ints, else `floatx()`.

    Returns:
        A tensor of rank 1.

    Example:

    >>> addax.ops.arange(3).tolist()
    [0, 1, 2]
    """
    bounds = [x for x in (start, stop, step) if x is not None]
    bounds = [x if isinstance(x, (bool, int, float)) else as_tensor(x).item() for x in bounds]
    if dtype is None:
        dtype = result_type(*[type(x) for x in bounds])
    dtype = standardize_dtype(dtype)
    if stop is None:
        bounds.insert(0, 0)
    values = np.arange(*bounds, dtype="float64" if dtype in FLOAT_DTYPES else "int64")
    if symbolic.is_active():
        return engine.placeholder(values.shape, dtype)
    return engine.tensor(values, dtype)


@op("Linspace")
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """A number of evenly spaced values between two ends.

    Args:
        start: The first value, a number or a tensor.
        stop: The last value, a number or a tensor.
        num: How many values.
        endpoint: Whether `stop` is among them.
        retstep: Whether to return the distance between neighbours as well.
        dtype: Dtype of the result; `None`: the floating dtype of the ends.
        axis: Where the new axis stands.

    Returns:
        A tensor, or with `retstep` a pair of it and the step.

    Raises:
        ValueError: If `num` is negative.

    Example:

    >>> addax.ops.linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if num < 0:
        raise ValueError(f"linspace: expected num >= 0. Received: num={num}")
    dtype = None if dtype is None else standardize_dtype(dtype)
    start, stop = same_float_dtype(start, stop)
    # A half-precision counter would be too coarse.
    compute = "float64" if start.dtype == "float64" else "float32"
    first, last = cast(start, compute), cast(stop, compute)
    intervals = num - 1 if endpoint else num
    ends = first + last * 0  # both broadcast
    counter = _counter(num, compute)
    counter = apply("reshape", counter, shape=(num, *(1,) * ends.ndim))
    span = last - first
    step = span / intervals if intervals > 0 else span * math.nan
    if intervals > 0:
        # Weighting the ends meets both of them exactly.
        fraction = counter / intervals
        values = first * (1 - fraction) + last * fraction
    else:
        values = ends + counter * 0
    if dtype is not None and dtype not in FLOAT_DTYPES:
        values = apply("floor", values)
    values = cast(values, dtype or start.dtype)
    values = _new_axis_to(values, axis)
    return (values, cast(step, start.dtype)) if retstep else values


def _counter(n: int, dtype: str) -> Tensor:
    if symbolic.is_active():
        return engine.placeholder((n,), dtype)
    return engine.tensor(np.arange(n), dtype)


def _new_axis_to(x: Tensor, axis: int) -> Tensor:
    """Moves the first axis to `axis`."""
    axis = axis + x.ndim if axis < 0 else axis
    if axis == 0:
        return x
    order = list(range(1, x.ndim))
    order.insert(axis, 0)
    return apply("transpose", x, axes=tuple(order))


@op("Logspace")
def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0) -> Tensor:
    """Numbers whose logarithms are evenly spaced.

    Args:
        start: The exponent of the first.
        stop: The exponent of the last.
        num: How many.
        endpoint: Whether `base**stop` is among them.
        base: The base.
        dtype: Dtype of the result; `None`: the floating dtype of the ends.
        axis: Where the new axis stands.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0]
    """
    exponents = linspace.__wrapped__(start, stop, num, endpoint, axis=axis)
    powers = apply("power", scalar_like(float(base), exponents.dtype), exponents)
    return powers if dtype is None else cast(powers, standardize_dtype(dtype))


@op("Geomspace")
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0) -> Tensor:
    """Numbers that grow by a constant factor.

    Args:
        start: The first.
        stop: The last, of the same sign.
        num: How many.
        endpoint: Whether `stop` is among them.
        dtype: Dtype of the result; `None`: the floating dtype of the ends.
        axis: Where the new axis stands.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.round(addax.ops.geomspace(1, 100, 3), 3).tolist()
    [1.0, 10.0, 100.0]
    """
    start, stop = same_float_dtype(start, stop)
    sign = apply("sign", start)
    ends = [apply("log", apply("abs", x)) for x in (start, stop)]
    values = apply("exp", linspace.__wrapped__(*ends, num, endpoint, axis=axis)) * sign
    return values if dtype is None else cast(values, standardize_dtype(dtype))


def eye(N, M=None, k=0, dtype=None) -> Tensor:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        N: How many rows.
        M: How many columns; `None`: as many.
        k: Which diagonal: 0 is the main one, positive ones lie above it.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor of shape `(N, M)`.

    Example:

    >>> addax.ops.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows, columns = _row_and_column(int(N), int(N if M is None else M))
    return cast(columns - rows == k, standardize_dtype(dtype))


def identity(n, dtype=None) -> Tensor:
    """The identity matrix.

    Args:
        n: How many rows and columns.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor of shape `(n, n)`.

    Example:

    >>> addax.ops.identity(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None) -> Tensor:
    """A matrix with ones on and below a diagonal and zeros above it.

    Args:
        N: How many rows.
        M: How many columns; `None`: as many.
        k: Which diagonal: 0 is the main one, positive ones lie above it.
        dtype: Its dtype; `None`: `floatx()`.

    Returns:
        A tensor of shape `(N, M)`.

    Example:

    >>> addax.ops.tri(2).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return cast(triangle(int(N), int(N if M is None else M), k), standardize_dtype(dtype))


def triangle(rows: int, columns: int, k: int) -> Tensor:
    """Bools: whether the column is at most the row plus k."""
    row, column = _row_and_column(rows, columns)
    return column - row <= k


def _row_and_column(n: int, m: int) -> tuple[Tensor, Tensor]:
    return apply("reshape", _counter(n, "int32"), shape=(n, 1)), apply("reshape", _counter(m, "int32"), shape=(1, m))


@op("Meshgrid")
def meshgrid(*x, indexing="xy") -> list[Tensor]:
    """Grids of coordinates from vectors of them.

    Args:
        *x: Vectors.
        indexing: `"xy"`: the second vector runs along the first axis, as on a page; `"ij"`: the first does.

    Returns:
        A list of as many tensors, each of the rank of their number.

    Raises:
        ValueError: If `indexing` is neither.

    Example:

    >>> [g.tolist() for g in addax.ops.meshgrid([1, 2], [3, 4])]
    [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected indexing 'xy' or 'ij'. Received: indexing={indexing!r}")
    vectors = [as_tensor(v) for v in x]
    vectors = [apply("reshape", v, shape=(v.size,)) for v in vectors]
    axes = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        axes[:2] = 1, 0
    shape = [1] * len(vectors)
    for v, axis in zip(vectors, axes, strict=True):
        shape[axis] = v.size
    grids = []
    for v, axis in zip(vectors, axes, strict=True):
        own = [1] * len(vectors)
        own[axis] = v.size
        grids.append(apply("broadcast_to", apply("reshape", v, shape=tuple(own)), shape=tuple(shape)))
    return grids


@op("Vander")
def vander(x, N=None, increasing=False) -> Tensor:
    """The powers of each element as the rows of a matrix.

    Args:
        x: A vector.
        N: How many powers; `None`: as many as elements.
        increasing: Whether the powers grow to the right.

    Returns:
        A tensor of shape `(len(x), N)`.

    Example:

    >>> addax.ops.vander([2, 3], 3).tolist()
    [[4, 2, 1], [9, 3, 1]]
    """
    x = as_tensor(x)
    n = x.shape[0] if N is None else int(N)
    exponents = _counter(n, x.dtype)
    if not increasing:
        exponents = apply("flip", exponents, axes=(0,))
    return apply("power", apply("reshape", x, shape=(x.size, 1)), apply("reshape", exponents, shape=(1, n)))


@op("Bartlett")
def bartlett(x) -> Tensor:
    """The Bartlett window, a triangle.

    Args:
        x: How many points.

    Returns:
        A tensor of rank 1, floating.

    Example:

    >>> addax.ops.bartlett(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(x, lambda t: 1 - apply("abs", t * 2 - 1))


@op("Hanning")
def hanning(x) -> Tensor:
    """The Hann window, a raised cosine.

    Args:
        x: How many points.

    Returns:
        A tensor of rank 1, floating.

    Example:

    >>> addax.ops.hanning(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(x, lambda t: 0.5 - 0.5 * apply("cos", t * (2 * math.pi)))


@op("Hamming")
def hamming(x) -> Tensor:
    """The Hamming window, a raised cosine on a pedestal.

    Args:
        x: How many points.

    Returns:
        A tensor of rank 1, floating.

    Example:

    >>> addax.ops.round(addax.ops.hamming(3), 2).tolist()
    [0.07999999821186066, 1.0, 0.07999999821186066]
    """
    return _window(x, lambda t: 0.54 - 0.46 * apply("cos", t * (2 * math.pi)))


@op("Blackman")
def blackman(x) -> Tensor:
    """The Blackman window, a sum of two cosines.

    Args:
        x: How many points.

    Returns:
        A tensor of rank 1, floating.

    Example:

    >>> addax.ops.blackman(1).tolist()
    [1.0]
    """
    return _window(x, lambda t: 0.42 - 0.5 * apply("cos", t * (2 * math.pi)) + 0.08 * apply("cos", t * (4 * math.pi)))


@op("Kaiser")
def kaiser(x, beta) -> Tensor:
    """The Kaiser window.

    Args:
        x: How many points.
        beta: Its shape: 0 is flat, larger ones are narrower.

    Returns:
        A tensor of rank 1, floating.

    Example:

    >>> addax.ops.kaiser(3, 0.0).tolist()
    [1.0, 1.0, 1.0]
    """
    from addax.ops.exponential import i0

    beta = to_float(beta)

    def window(t):
        inside = apply("maximum", 1 - apply("square", t * 2 - 1), scalar_like(0.0, t.dtype))
        return i0.__wrapped__(beta * apply("sqrt", inside)) / i0.__wrapped__(beta)

    return _window(x, window)


def _window(x: Any, f) -> Tensor:
    """f over positions from 0 to 1; a single point is 1."""
    n = int(x)
    if n == 1:
        return ones((1,))
    # The counter is exact in float32 and float64 only.
    compute = "float64" if config.floatx() == "float64" else "float32"
    return cast(f(_counter(n, compute) / (n - 1)), config.floatx())
