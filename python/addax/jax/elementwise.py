"""elementwise: rows over arrays that broadcast. They are computed in the result's dtype, 16-bit floats in float32."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from addax._core import result_type
from addax.jax.table import Specs, row, wide


def _row(name: str, function: Callable) -> None:
    """A row computed in the dtype of its result."""

    def lowering(*arrays: jax.Array, out: Specs) -> jax.Array:
        dtype = out[0][1]
        return function(*(wide(a.astype(dtype)) for a in arrays))

    lowering.__name__ = name
    row(lowering)


def _test(name: str, function: Callable) -> None:
    """A row that answers with bool, computed in the promoted dtype of its inputs."""

    def lowering(*arrays: jax.Array) -> jax.Array:
        dtype = result_type(*(str(a.dtype) for a in arrays))
        return function(*(wide(a.astype(dtype)) for a in arrays))

    lowering.__name__ = name
    row(lowering)


def _is_int(x: jax.Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.integer)


def _remainder(a: jax.Array, b: jax.Array) -> jax.Array:
    if _is_int(a):
        safe = (
            jnp.where((b == 0) | (b == -1), 1, b)
            if jnp.issubdtype(b.dtype, jnp.signedinteger)
            else jnp.where(b == 0, 1, b)
        )
        return jnp.where(b == 0, 0, jnp.remainder(a, safe)).astype(a.dtype)
    r = lax.rem(*jnp.broadcast_arrays(a, b))
    return jnp.where(r == 0, jnp.copysign(r, b), jnp.where((r < 0) != (b < 0), r + b, r))


def _floor_divide(a: jax.Array, b: jax.Array) -> jax.Array:
    a, b = jnp.broadcast_arrays(a, b)
    if _is_int(a):
        if not jnp.issubdtype(a.dtype, jnp.signedinteger):
            return jnp.where(b == 0, 0, lax.div(a, jnp.where(b == 0, 1, b))).astype(a.dtype)
        safe = jnp.where((b == 0) | (b == -1), 1, b)
        q = lax.div(a, safe)
        q = jnp.where((q * safe != a) & ((a < 0) != (safe < 0)), q - 1, q)
        return jnp.where(b == 0, 0, jnp.where(b == -1, -a, q)).astype(a.dtype)
    r = lax.rem(a, b)
    q = (a - r) / b
    q = jnp.where((r != 0) & ((r < 0) != (b < 0)), q - 1, q)
    whole = jnp.floor(q)
    whole = jnp.where(q - whole > 0.5, whole + 1, whole)
    whole = jnp.where(q == 0, jnp.copysign(jnp.zeros_like(q), a / b), whole)
    return jnp.where(b == 0, a / b, whole)


def _power(a: jax.Array, b: jax.Array) -> jax.Array:
    if not _is_int(a):
        return jnp.power(a, b)
    # By repeated squaring, wrapping; a negative exponent gives what truncation of the true value gives.
    a, b = jnp.broadcast_arrays(a, b)

    def square(_: int, state: tuple) -> tuple:
        base, exponent, result = state
        return (
            base * base,
            _right_shift(exponent, jnp.ones_like(b)),
            jnp.where(exponent & 1 != 0, result * base, result),
        )

    _, _, result = lax.fori_loop(0, a.dtype.itemsize * 8, square, (a, b, jnp.ones_like(a)))
    if jnp.issubdtype(a.dtype, jnp.signedinteger):
        negative = jnp.where(a == 1, 1, jnp.where(a == -1, jnp.where(b & 1 != 0, -1, 1), 0)).astype(a.dtype)
        result = jnp.where(b < 0, negative, result)
    return result


def _round(x: jax.Array) -> jax.Array:
    return x if _is_int(x) else jnp.round(x)


def _trunc(x: jax.Array) -> jax.Array:
    return jnp.trunc(x) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _relu(x: jax.Array) -> jax.Array:
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


def _gelu(x: jax.Array) -> jax.Array:
    return x * (lax.erfc(x * -0.7071067811865476) * 0.5)


def _gelu_slope(x: jax.Array) -> jax.Array:
    x = jnp.clip(x, -40, 40)
    return lax.erfc(x * -0.7071067811865476) * 0.5 + x * jnp.exp(x * x * -0.5) * 0.3989422804014327


def _gelu_tanh(x: jax.Array) -> jax.Array:
    return x * (jnp.tanh(x * (x * x * (0.7978845608028654 * 0.044715) + 0.7978845608028654)) + 1) * 0.5


def _silu(x: jax.Array) -> jax.Array:
    return x * lax.logistic(x)


def _softplus(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _sigmoid_cross_entropy(x: jax.Array, z: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0) - x * z + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _left_shift(a: jax.Array, b: jax.Array) -> jax.Array:
    return lax.shift_left(*jnp.broadcast_arrays(a, b))


def _right_shift(a: jax.Array, b: jax.Array) -> jax.Array:
    shift = lax.shift_right_arithmetic if jnp.issubdtype(a.dtype, jnp.signedinteger) else lax.shift_right_logical
    return shift(*jnp.broadcast_arrays(a, b))


def _add(a: jax.Array, b: jax.Array) -> jax.Array:
    return a | b if a.dtype == bool else a + b


def _multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    return a & b if a.dtype == bool else a * b


for _name, _function in {
    "neg": jnp.negative,
    "abs": lambda x: x if x.dtype == bool else jnp.abs(x),
    "sign": jnp.sign,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "sqrt": jnp.sqrt,
    "rsqrt": lambda x: 1 / jnp.sqrt(x),
    "add": _add,
    "subtract": jnp.subtract,
    "multiply": _multiply,
    "divide": jnp.divide,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "power": _power,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": _round,
    "trunc": _trunc,
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "tanh": jnp.tanh,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "atan2": jnp.arctan2,
    "erf": lax.erf,
    "erfc": lax.erfc,
    "erfinv": lax.erf_inv,
    "sigmoid": lax.logistic,
    "softplus": _softplus,
    "relu": _relu,
    "gelu": _gelu,
    "gelu_slope": _gelu_slope,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "logical_not": jnp.logical_not,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "logical_xor": jnp.logical_xor,
    "bitwise_not": jnp.bitwise_not,
    "bitwise_and": jnp.bitwise_and,
    "bitwise_or": jnp.bitwise_or,
    "bitwise_xor": jnp.bitwise_xor,
    "left_shift": _left_shift,
    "right_shift": _right_shift,
    "clip": lambda x, low, high: jnp.minimum(jnp.maximum(x, low), high),
}.items():
    _row(_name, _function)

for _name, _function in {
    "isnan": jnp.isnan,
    "isinf": jnp.isinf,
    "isfinite": jnp.isfinite,
    "equal": jnp.equal,
    "not_equal": jnp.not_equal,
    "less": jnp.less,
    "less_equal": jnp.less_equal,
    "greater": jnp.greater,
    "greater_equal": jnp.greater_equal,
}.items():
    _test(_name, _function)


@row
def where(condition: jax.Array, x: jax.Array, y: jax.Array, out: Specs) -> jax.Array:
    return jnp.where(condition.astype(bool), x.astype(out[0][1]), y.astype(out[0][1]))


@row
def cast(x: jax.Array, dtype: str) -> jax.Array:
    """Floats become integers by truncation; what is out of range saturates, NaN becomes 0."""
    to = jnp.dtype(dtype)
    if not jnp.issubdtype(x.dtype, jnp.floating) or not jnp.issubdtype(to, jnp.integer):
        return x != 0 if dtype == "bool" else x.astype(to)
    x = wide(x)
    low, high = jnp.iinfo(to).min, jnp.iinfo(to).max
    limit = 2.0 ** (to.itemsize * 8 - (low < 0))
    inside = (x > (low if low < 0 else -1)) & (x < limit)
    truncated = jnp.where(inside, x, 0).astype(to)
    outside = jnp.where(x >= limit, np.array(high, to), jnp.where(x <= low, np.array(low, to), np.array(0, to)))
    return jnp.where(inside, truncated, outside)


@row
def stop_gradient(x: jax.Array) -> jax.Array:
    return x
