"""random: Threefry-2x32 by counter, bit for bit what the native engine draws; all else is composed from it."""

from __future__ import annotations

import jax

from addax.jax.table import composed, row

composed("dropout")


@row
def random_bits(key: jax.Array, shape: tuple, dtype: str) -> jax.Array:
    with jax.threefry_partitionable(True):  # the counter of an element is its position
        return jax.random.bits(jax.random.wrap_key_data(key, impl="threefry2x32"), shape, dtype)
