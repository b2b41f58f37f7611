"""Conversions, shape, casts, slices and the gradient stop. Control flow is in control.py, scatters in index.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax import engine
from addax.dtypes import FLOAT_DTYPES, INT_DTYPES, standardize_dtype
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, dims_of, scalar_like
from addax.ops.convert import cast as cast_tensor
from addax.ops.keras_tensor import KerasTensor
from addax.ops.operation import op


@op("core.ConvertToTensor")
def convert_to_tensor(x, dtype=None, sparse=None, ragged=None) -> Tensor:
    """Makes a tensor of anything that holds numbers.

    Args:
        x: A NumPy array, a Variable, a tensor, a number, nested lists of these, or an object with DLPack.
        dtype: Dtype of the result; `None`: an array's own, int32 for Python ints, `floatx()` for Python floats.
        sparse: Not supported; `True` is ignored, tensors are dense.
        ragged: The same.

    Returns:
        A tensor. It may share memory with an array.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:

    >>> addax.ops.convert_to_tensor([1, 2], dtype="float32").tolist()
    [1.0, 2.0]
    """
    return as_tensor(x, None if dtype is None else standardize_dtype(dtype))


@op("Array")
def array(x, dtype=None) -> Tensor:
    """Makes a tensor; the same as `convert_to_tensor`.

    Args:
        x: A NumPy array, a Variable, a tensor, a number or nested lists of these.
        dtype: Dtype of the result.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.array([1, 2]).tolist()
    [1, 2]
    """
    return as_tensor(x, None if dtype is None else standardize_dtype(dtype))


def convert_to_numpy(x) -> np.ndarray:
    """Makes a NumPy array of a tensor: a copy, free to be changed. `Tensor.numpy()` gives a view without copying.

    Args:
        x: A tensor, a Variable, or what `convert_to_tensor` takes.

    Returns:
        A NumPy array.

    Example:

    >>> addax.ops.convert_to_numpy(addax.ops.ones((2,)))
    array([1., 1.], dtype=float32)
    """
    if type(x) is not Tensor:
        value = getattr(x, "value", None)
        if type(value) is not Tensor:
            return np.array(x) if not isinstance(x, (list, tuple)) else np.array(as_tensor(x).numpy())
        x = value
    return np.array(x.numpy())


def is_tensor(x) -> bool:
    """Returns whether `x` is a tensor of the engine; arrays, Variables and KerasTensors are not.

    Args:
        x: Any object.

    Example:

    >>> addax.ops.is_tensor(addax.ops.ones((2,)))
    True
    """
    return type(x) is Tensor


def shape(x) -> tuple:
    """Returns the shape, a tuple of ints; for a KerasTensor, `None` where a dim is unknown.

    Args:
        x: A tensor or a KerasTensor.

    Example:

    >>> addax.ops.shape(addax.ops.zeros((2, 3)))
    (2, 3)
    """
    return tuple(x.shape) if hasattr(x, "shape") else as_tensor(x).shape


def ndim(x) -> int:
    """Returns the number of axes.

    Args:
        x: A tensor or a KerasTensor.

    Example:

    >>> addax.ops.ndim(addax.ops.zeros((2, 3)))
    2
    """
    return len(shape(x))


def size(x):
    """Returns the number of elements; `None` for a KerasTensor with unknown dims.

    Args:
        x: A tensor or a KerasTensor.

    Example:

    >>> addax.ops.size(addax.ops.zeros((2, 3)))
    6
    """
    n = 1
    for d in shape(x):
        if d is None:
            return None
        n *= d
    return n


def dtype(x) -> str:
    """Returns the name of the dtype.

    Args:
        x: A tensor, a KerasTensor, a Variable or an array.

    Example:

    >>> addax.ops.dtype(addax.ops.zeros((2,)))
    'float32'
    """
    return standardize_dtype(x.dtype) if hasattr(x, "dtype") else as_tensor(x).dtype


@op("core.Cast", inputs="x")
def cast(x, dtype) -> Tensor:
    """Converts to a dtype.

    Args:
        x: Input tensor.
        dtype: The dtype. Floats are cut towards zero on the way to integers.

    Returns:
        A tensor of that dtype.

    Example:

    >>> addax.ops.cast([1.7, -1.7], "int32").tolist()
    [1, -1]
    """
    return as_tensor(x, standardize_dtype(dtype))


@op("core.SaturateCast", inputs="x")
def saturate_cast(x, dtype) -> Tensor:
    """Converts to a dtype; what does not fit becomes the nearest number that does.

    Args:
        x: Input tensor.
        dtype: The dtype.

    Returns:
        A tensor of that dtype.

    Example:

    >>> addax.ops.saturate_cast([-1, 300], "uint8").tolist()
    [0, 255]
    """
    x, dtype = as_tensor(x), standardize_dtype(dtype)
    if dtype not in INT_DTYPES or x.dtype == "bool":
        return cast_tensor(x, dtype)
    low, high = _limits(dtype)
    if x.dtype in FLOAT_DTYPES:
        wide = cast_tensor(x, "float64")
        inside = apply("clip", wide, scalar_like(float(low), "float64"), scalar_like(float(high), "float64"))
        # The largest int64 has no float64 of its own: what reaches it is put in by hand.
        result = cast_tensor(apply("where", apply("isnan", wide), scalar_like(0.0, "float64"), inside), dtype)
        return apply("where", wide >= float(high), engine.tensor(np.array(high, dtype)), result)
    own_low, own_high = _limits(x.dtype)
    return cast_tensor(
        apply("clip", x, scalar_like(max(low, own_low), x.dtype), scalar_like(min(high, own_high), x.dtype)), dtype
    )


def _limits(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


@op("core.StopGradient")
def stop_gradient(variable) -> Tensor:
    """Returns the same values; no gradient passes through them.

    Args:
        variable: A tensor or a Variable.

    Returns:
        A tensor.

    Example:

    >>> addax.ops.stop_gradient([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return apply("stop_gradient", as_tensor(variable))


@op("core.Slice", inputs="inputs start_indices")
def slice(inputs, start_indices, shape) -> Tensor:
    """Cuts out a block.

    Args:
        inputs: Input tensor.
        start_indices: Where the block begins, one int for each axis.
        shape: Its shape; -1: up to the end.

    Returns:
        A tensor of that shape. A block that would reach over the end is moved back, as in JAX and TensorFlow's XLA.

    Raises:
        ValueError: If there is not one start and size for each axis, or the block is larger than the tensor.

    Example:

    >>> addax.ops.slice([1, 2, 3, 4], (1,), (2,)).tolist()
    [2, 3]
    """
    x = as_tensor(inputs)
    starts = _starts(x, start_indices, "slice")
    sizes = [d - s if n == -1 else n for n, d, s in zip(dims_of(shape, "slice"), x.shape, starts, strict=True)]
    starts = _inside(x, starts, sizes, "slice")
    return apply("slice", x, starts=starts, stops=tuple([s + n for s, n in zip(starts, sizes, strict=True)]))


@op("core.SliceUpdate")
def slice_update(inputs, start_indices, updates) -> Tensor:
    """Writes a block into a copy.

    Args:
        inputs: Input tensor.
        start_indices: Where the block begins, one int for each axis.
        updates: The block, of the same rank.

    Returns:
        A tensor like `inputs` that holds the block. One that would reach over the end is moved back.

    Raises:
        ValueError: If the ranks differ or the block is larger than the tensor.

    Example:

    >>> addax.ops.slice_update([1, 2, 3, 4], [1], [8, 9]).tolist()
    [1, 8, 9, 4]
    """
    x = as_tensor(inputs)
    updates = as_tensor(updates, x.dtype)
    if updates.ndim != x.ndim:
        raise ValueError(f"slice_update: inputs of shape {x.shape} and updates of shape {updates.shape} differ in rank")
    starts = _inside(x, _starts(x, start_indices, "slice_update"), updates.shape, "slice_update")
    stops = tuple([s + n for s, n in zip(starts, updates.shape, strict=True)])
    return apply("slice_update", x, updates, starts=starts, stops=stops)


def _starts(x: Tensor, start_indices: Any, name: str) -> tuple[int, ...]:
    if type(start_indices) is Tensor and start_indices.is_placeholder:
        return (0,) * x.ndim  # any place will do for a shape
    starts = [0 if type(s) is Tensor and s.is_placeholder else int(s) for s in start_indices]
    if len(starts) != x.ndim:
        raise ValueError(f"{name}: expected one start index for each of the {x.ndim} axes. Received: {start_indices}")
    return tuple([s + d if s < 0 else s for s, d in zip(starts, x.shape, strict=True)])


def _inside(x: Tensor, starts: tuple[int, ...], sizes: Any, name: str) -> tuple[int, ...]:
    if any(n < 0 or n > d for n, d in zip(sizes, x.shape, strict=True)):
        raise ValueError(f"{name}: a block of shape {tuple(sizes)} does not fit into a tensor of shape {x.shape}")
    return tuple([max(0, min(s, d - n)) for s, d, n in zip(starts, x.shape, sizes, strict=True)])


def is_symbolic(x: Any) -> bool:
    """True for what has no value yet: a KerasTensor or a placeholder."""
    return isinstance(x, KerasTensor) or (type(x) is Tensor and x.is_placeholder)
