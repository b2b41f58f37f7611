"""Random bits and what follows from them without a distribution: new keys, unit floats, ranges, permutations.

The bits are those of `jax.random.bits`; the functions repeat JAX's steps, so that equal keys give equal numbers.
"""

from __future__ import annotations

import math

import numpy as np

from addax import engine
from addax.engine import Tensor, apply
from addax.ops import symbolic
from addax.ops.convert import cast
from addax.ops.exponential import erf

# Mantissa bits, and the bits drawn for a unit float.
_FLOATS = {"float16": (10, "uint16"), "bfloat16": (7, "uint8"), "float32": (23, "uint32"), "float64": (52, "uint64")}


def random_bits(key: Tensor, shape: tuple[int, ...], dtype: str = "uint32") -> Tensor:
    """Uniform bits of a key."""
    if symbolic.is_active():
        return engine.placeholder(shape, dtype)
    return apply("random_bits", key, shape=shape, dtype=dtype)


def split(key: Tensor, n: int = 2) -> list[Tensor]:
    """New keys, independent of each other and of the old one."""
    words = random_bits(key, (n,), "uint64")
    high = cast(apply("right_shift", words, engine.tensor(32, "uint64")), "uint32")
    low = cast(words, "uint32")
    pairs = apply("concatenate", apply("reshape", high, shape=(n, 1)), apply("reshape", low, shape=(n, 1)), axis=1)
    return [pairs[i] for i in range(n)]


def unit_floats(key: Tensor, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Multiples of the dtype's resolution, from 0 up to but not with 1."""
    mantissa, bits = _FLOATS[dtype]
    width = int(bits[4:])
    numerator = apply("right_shift", random_bits(key, shape, bits), engine.tensor(width - mantissa, bits))
    # Exact: the shifted number has no more bits than the mantissa.
    return cast(numerator, dtype) * 2.0**-mantissa


def uniform(key: Tensor, shape: tuple[int, ...], dtype: str, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Floats from `low` up to but not with `high`."""
    low, high = _of_dtype(low, dtype), _of_dtype(high, dtype)
    u, span = unit_floats(key, shape, dtype), high - low
    if dtype == "float32":
        # Rounded once, as by the fused multiply-add that JAX compiles to: the product is exact in float64.
        u = cast(cast(u, "float64") * cast(span, "float64") + cast(low, "float64"), dtype)
    else:
        u = u * span + low
    return apply("maximum", u, low)


def _of_dtype(x: float | Tensor, dtype: str) -> Tensor:
    return cast(x, dtype) if isinstance(x, Tensor) else engine.tensor(x, dtype)


def _next_after(value: float, towards: float, dtype: str) -> float:
    """The neighbour of a float in a dtype."""
    if dtype in ("float16", "float32", "float64"):
        return float(np.nextafter(np.dtype(dtype).type(value), np.dtype(dtype).type(towards)))
    # bfloat16 is float32 without its last 16 bits: step there.
    word = int(np.float32(value).view(np.uint32)) >> 16
    outward = (towards > value) == (value > 0)
    return float(np.uint32((word + (1 if outward else -1)) << 16).view(np.float32))


def normal(key: Tensor, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Standard normal floats, by inversion."""
    u = uniform(key, shape, dtype, _next_after(-1.0, 0.0, dtype), 1.0)
    return apply("erfinv", u) * math.sqrt(2)


def truncated_normal(key: Tensor, shape: tuple[int, ...], dtype: str, low: float = -2.0, high: float = 2.0) -> Tensor:
    """Standard normal floats between two limits, by inversion."""
    ends = [erf.__wrapped__(engine.tensor(end / math.sqrt(2), dtype)) for end in (low, high)]
    u = uniform(key, shape, dtype, *ends)
    # Rounding must not reach the limits themselves.
    inside = (_next_after(low, math.inf, dtype), _next_after(high, -math.inf, dtype))
    return apply("clip", apply("erfinv", u) * math.sqrt(2), *[engine.tensor(end, dtype) for end in inside])


def randint(key: Tensor, shape: tuple[int, ...], low: int, high: int, dtype: str) -> Tensor:
    """Integers from `low` up to but not with `high`."""
    width = 64 if dtype.endswith("64") else 32
    bits = f"uint{width}"
    limits = np.iinfo(dtype)
    # An end beyond the dtype means "up to the largest number, with it".
    with_last = high > limits.max
    low, high = (int(min(max(end, limits.min), limits.max)) for end in (low, high))
    span = max(high - low, 1 if high <= low else 0)
    span = (span + 1 if with_last and high > low else span) % 2**width
    keys = split(key)
    upper, lower = (random_bits(k, shape, bits) for k in keys)
    divisor = engine.tensor(np.array(span, bits))
    if span == 0:  # the whole range of the dtype
        offset = lower
    else:
        # The number upper * 2**width + lower, modulo the span, in steps that fit the word.
        factor = engine.tensor(np.array((2 ** (width // 2) % span) ** 2 % 2**width % span, bits))
        offset = apply("remainder", upper, divisor) * factor + apply("remainder", lower, divisor)
        offset = apply("remainder", offset, divisor)
    return cast(offset, dtype) + engine.tensor(np.array(low, dtype))


def bernoulli(key: Tensor, probability: float, shape: tuple[int, ...], dtype: str = "float32") -> Tensor:
    """Bools that are true with a probability."""
    return unit_floats(key, shape, dtype) < engine.tensor(probability, dtype)


def gumbel(key: Tensor, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Standard Gumbel floats."""
    tiny = {"float16": 2.0**-14, "float64": 2.0**-1022}.get(dtype, 2.0**-126)
    u = uniform(key, shape, dtype, tiny, 1.0)
    return -apply("log", -apply("log", u))


def shuffled(key: Tensor, x: Tensor, axis: int) -> Tensor:
    """The elements in random order along an axis, each vector in an order of its own: sorted by random keys."""
    # Enough rounds for equal sort keys to be unlikely to leave a trace.
    rounds = math.ceil(3 * math.log(max(1, x.size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, subkey = split(key)
        order = apply("argsort", random_bits(subkey, x.shape), axis=axis)
        x = apply("take_along_axis", x, order, axis=axis)
    return x
