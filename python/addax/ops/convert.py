"""What ops do to their arguments: values to tensors, weakly typed Python scalars, axes, broadcasting dtypes.

Internal; the public conversions are in core.py.
"""

from __future__ import annotations

from typing import Any

from addax import config, engine
from addax.dtypes import FLOAT_DTYPES, result_type
from addax.engine import Tensor, apply
from addax.ops.keras_tensor import KerasTensor

_SCALARS = (bool, int, float)


def as_tensor(x: Any, dtype: str | None = None) -> Tensor:
    """A tensor of anything that holds numbers: tensor, Variable, NumPy array, Python scalar, nested lists of these."""
    if type(x) is not Tensor:
        x = _from_value(x, dtype)
    if dtype is not None and x.dtype != dtype:
        return apply("cast", x, dtype=dtype)
    return x


def _from_value(x: Any, dtype: str | None) -> Tensor:
    if isinstance(x, _SCALARS):
        return engine.tensor(x, dtype or scalar_dtype(x))
    value = getattr(x, "value", None)  # a Variable
    if type(value) is Tensor:
        return value
    if isinstance(x, (list, tuple)):
        return _from_sequence(x, dtype)
    if isinstance(x, KerasTensor):
        raise ValueError(
            f"Expected a tensor with a value, got {x!r}. Inside a function that is called on real tensors, use its "
            "arguments; to build a graph, pass the KerasTensor to an op or a layer as an argument of its own."
        )
    return engine.tensor(x, dtype)


def _from_sequence(x: list | tuple, dtype: str | None) -> Tensor:
    if _holds_tensors(x):
        parts = [as_tensor(e, dtype) for e in x]
        parts = same_dtype(*parts)
        return apply("concatenate", *[apply("reshape", p, shape=(1, *p.shape)) for p in parts], axis=0)
    tensor = engine.tensor(x, dtype)
    if dtype is None and tensor.dtype == "float32" and config.floatx() != "float32":
        return apply("cast", tensor, dtype=config.floatx())
    return tensor


def _holds_tensors(x: list | tuple) -> bool:
    for e in x:
        if isinstance(e, (list, tuple)):
            if _holds_tensors(e):
                return True
        elif isinstance(e, (Tensor, KerasTensor)) or type(getattr(e, "value", None)) is Tensor:
            return True
    return False


def scalar_dtype(x: Any) -> str:
    """The dtype of a Python scalar on its own."""
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, int):
        return "int32" if -(2**31) <= x < 2**31 else "int64"
    return config.floatx()


def scalar_like(value: Any, dtype: str) -> Tensor:
    """A Python scalar as a tensor that takes the dtype of its partner where that can hold it."""
    if isinstance(value, bool):
        dtype = "bool"
    elif isinstance(value, int):
        dtype = "int32" if dtype == "bool" else dtype
    elif dtype not in FLOAT_DTYPES:
        dtype = config.floatx()
    return engine.tensor(value, dtype)


def pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors; a Python scalar takes the dtype of the other. The engine promotes what is left."""
    if type(a) is Tensor:
        if type(b) is Tensor:
            return a, b
        return a, scalar_like(b, a.dtype) if isinstance(b, _SCALARS) else as_tensor(b)
    if isinstance(a, _SCALARS):
        b = as_tensor(b)
        return scalar_like(a, b.dtype), b
    a = as_tensor(a)
    return a, scalar_like(b, a.dtype) if isinstance(b, _SCALARS) else as_tensor(b)


def cast(x: Tensor, dtype: str) -> Tensor:
    """The tensor in that dtype; itself if it has it."""
    return x if x.dtype == dtype else apply("cast", x, dtype=dtype)


def to_float(x: Any) -> Tensor:
    """A floating tensor: integers and bools become `floatx()`."""
    if type(x) is not Tensor:
        x = as_tensor(x)
    return x if x.dtype in FLOAT_DTYPES else apply("cast", x, dtype=config.floatx())


def float_pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """As `pair`, for functions of floats: two integers become `floatx()`."""
    a, b = pair(a, b)
    if a.dtype in FLOAT_DTYPES or b.dtype in FLOAT_DTYPES:
        return a, b
    return cast(a, config.floatx()), cast(b, config.floatx())


def same_dtype(*xs: Any) -> list[Tensor]:
    """All as tensors of one dtype, the promoted one; Python scalars take part weakly."""
    dtype = result_type(*[type(x) if type(x) in _SCALARS else _dtype_of(x) for x in xs])
    return [as_tensor(x, dtype) for x in xs]


def same_float_dtype(*xs: Any) -> list[Tensor]:
    """All as tensors of one floating dtype."""
    dtype = result_type(*[type(x) if type(x) in _SCALARS else _dtype_of(x) for x in xs], float)
    return [as_tensor(x, dtype) for x in xs]


def _dtype_of(x: Any) -> str:
    if type(x) is Tensor:
        return x.dtype
    return as_tensor(x).dtype


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Axes counted from the start, each once; `None` is all of them."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (axis_of(axis, ndim, name),)
    axes = tuple([axis_of(a, ndim, name) for a in axis])
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {tuple(axis)} names a dim twice")
    return axes


def axis_of(axis: Any, ndim: int, name: str) -> int:
    """An axis counted from the start."""
    try:
        index = axis.__index__()
    except AttributeError:
        raise TypeError(f"{name}: expected an int as `axis`. Received: {axis!r}") from None
    if not -ndim <= index < ndim:
        raise ValueError(f"{name}: axis {index} is out of range for a tensor of rank {ndim}")
    return index + ndim if index < 0 else index


def dims_of(shape: Any, name: str) -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    if hasattr(shape, "__index__") and not isinstance(shape, (tuple, list)) and getattr(shape, "ndim", 0) == 0:
        return (int(shape),)
    try:
        return tuple([int(d) for d in shape])
    except TypeError:
        raise TypeError(
            f"{name}: expected a shape of ints. Received: {shape!r}"
            + ("; an unknown dim (None) has no size here" if isinstance(shape, (tuple, list)) and None in shape else "")
        ) from None
