"""Dtype names and promotion with weakly typed Python scalars. The lattice itself is the engine's."""

from __future__ import annotations

from typing import Any

from addax import config, engine

FLOAT_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
INT_DTYPES = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
# Named in configs and files; no kernels yet.
_STORED_DTYPES = frozenset({"complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "string"})
DTYPES = FLOAT_DTYPES | INT_DTYPES | {"bool"}

_PYTHON_TYPES = {bool: "bool", int: "int32", str: "string"}
_RESULTS: dict[tuple, str] = {}


def standardize_dtype(dtype: Any) -> str:
    """Returns the name of a dtype.

    Args:
        dtype: A name, a NumPy dtype, `bool`, `int`, `float`, or `None` for `floatx()`.

    Returns:
        A name such as `"float32"`.

    Raises:
        ValueError: If it is not a dtype.

    Example:

    >>> import numpy as np
    >>> addax.utils.standardize_dtype(np.int8), addax.utils.standardize_dtype(None)
    ('int8', 'float32')
    """
    if type(dtype) is str and dtype in DTYPES:
        return dtype
    if dtype is None or dtype is float:
        return config.floatx()
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    if dtype == "int":
        return "int32"
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    if name not in DTYPES and name not in _STORED_DTYPES:
        raise ValueError(f"Invalid dtype: {dtype!r}. Expected one of {', '.join(sorted(DTYPES))}")
    return name


def is_float_dtype(dtype: Any) -> bool:
    """Returns whether a dtype is a floating one.

    Args:
        dtype: A dtype or its name.

    Example:

    >>> addax.backend.is_float_dtype("bfloat16"), addax.backend.is_float_dtype("int8")
    (True, False)
    """
    name = standardize_dtype(dtype)
    return name.startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Returns whether a dtype is a signed or unsigned integer one; bool is not.

    Args:
        dtype: A dtype or its name.

    Example:

    >>> addax.backend.is_int_dtype("uint8"), addax.backend.is_int_dtype("bool")
    (True, False)
    """
    return standardize_dtype(dtype) in INT_DTYPES


def result_type(*dtypes: Any) -> str:
    """Returns the dtype that values of the given dtypes are computed in.

    The types `bool`, `int` and `float` themselves stand for Python scalars, which are weakly typed: a float scalar
    does not widen a float16, and makes `floatx()` of an integer.

    Args:
        dtypes: Dtypes, names, or `bool`, `int`, `float`.

    Returns:
        A dtype's name; that of `floatx()` if none is given.

    Raises:
        ValueError: If one is not a dtype.

    Example:

    >>> addax.backend.result_type("int32", "float16"), addax.backend.result_type("float16", float)
    ('float16', 'float16')
    >>> addax.backend.result_type("int32", float)
    'float32'
    """
    floatx = config.floatx()
    key = (floatx, dtypes)
    result = _RESULTS.get(key)
    if result is None:
        result = _RESULTS[key] = _result_type(dtypes, floatx)
    return result


def _result_type(dtypes: tuple, floatx: str) -> str:
    if not dtypes:
        return floatx
    # By identity: NumPy's dtypes equal Python types of the same meaning.
    weak = [d for d in dtypes if d is bool or d is int or d is float]
    strong = [standardize_dtype(d) for d in dtypes if not any(d is w for w in weak)]
    result = engine.result_type(*strong) if strong else "bool"
    if float in weak:
        return result if result in FLOAT_DTYPES or result.startswith("complex") else floatx
    if int in weak and result == "bool":
        return "int32"
    return result
