"""random: Threefry-2x32 by counter, bit for bit what the native engine draws; all else is composed from it."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import threefry_2x32

from addax.jax.table import composed, row

composed("dropout")


@row
def random_bits(key: jax.Array, shape: tuple, dtype: str) -> jax.Array:
    size = math.prod(shape)
    # The counter of an element is its row-major position, high and low word; no 64 bits where one word holds it.
    if size < 2**32:
        low, high = lax.iota(jnp.uint32, size), jnp.zeros(size, jnp.uint32)
    else:
        position = lax.iota(jnp.uint64, size)
        low, high = position.astype(jnp.uint32), (position >> 32).astype(jnp.uint32)
    first, second = jnp.split(threefry_2x32(key, jnp.concatenate([high, low])), 2)
    if dtype == "uint64":
        bits = first.astype(jnp.uint64) << 32 | second.astype(jnp.uint64)
    else:
        bits = (first ^ second).astype(dtype)
    return bits.reshape(shape)
