"""sort: stable orders; NaN comes last, in descending order first."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from addax.jax.table import row


def _order(x: jax.Array, axis: int, descending: bool) -> tuple[jax.Array, jax.Array]:
    axis %= x.ndim
    places = lax.broadcasted_iota(jnp.int32, x.shape, axis)
    if not descending:
        return tuple(lax.sort((x, places), dimension=axis, is_stable=True, num_keys=1))
    # Equal elements keep their order: the array is reversed, sorted, and reversed again.
    flipped = jnp.flip(x, axis), jnp.flip(places, axis)
    values, order = lax.sort(flipped, dimension=axis, is_stable=True, num_keys=1)
    return jnp.flip(values, axis), jnp.flip(order, axis)


@row
def sort(x: jax.Array, axis: int, descending: bool) -> jax.Array:
    return _order(x, axis, descending)[0]


@row
def argsort(x: jax.Array, axis: int, descending: bool) -> jax.Array:
    return _order(x, axis, descending)[1]


@row
def top_k(x: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    values, order = _order(x, -1, True)
    return values[..., :k], order[..., :k]
