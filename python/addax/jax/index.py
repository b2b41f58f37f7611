"""index: gathers and scatters. Negative indices count from the end. One out of range is no error here, for a device
cannot raise one: it reads what the closest place holds, and writes nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from addax.jax.table import row


def _places(indices: jax.Array, size: int) -> jax.Array:
    """Positions of 32 bits where those suffice, counted from the front."""
    small = size < 2**31
    indices = indices.astype(jnp.int32 if small else jnp.int64)
    return jnp.where(indices < 0, indices + size, indices)


@row
def take(x: jax.Array, indices: jax.Array, axis: int) -> jax.Array:
    axis %= x.ndim
    return jnp.take(x, _places(indices, x.shape[axis]), axis, mode="clip")


@row
def take_along_axis(x: jax.Array, indices: jax.Array, axis: int) -> jax.Array:
    axis %= x.ndim
    if not indices.size:
        return jnp.zeros(indices.shape, x.dtype)
    return jnp.take_along_axis(x, _places(indices, x.shape[axis]), axis, mode="clip")


def _points(x: jax.Array, indices: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(_places(indices[..., i], x.shape[i]) for i in range(indices.shape[-1]))


@row
def gather_nd(x: jax.Array, indices: jax.Array) -> jax.Array:
    return x.at[_points(x, indices)].get(mode="clip")


@row
def scatter_add(x: jax.Array, indices: jax.Array, updates: jax.Array) -> jax.Array:
    if x.dtype == bool:
        return x.at[_points(x, indices)].max(updates, mode="drop")
    return x.at[_points(x, indices)].add(updates, mode="drop")


@row
def scatter(x: jax.Array, indices: jax.Array, updates: jax.Array) -> jax.Array:
    """Of the updates to one place the last stays: each place is told the number of its last update first."""
    points = _points(x, indices)
    count = indices.size // indices.shape[-1]
    if not count or not updates.size or not x.size:
        return x
    number = jnp.arange(1, count + 1, dtype=jnp.int32).reshape(indices.shape[:-1])
    k = len(points)
    last = jnp.zeros(x.shape[:k], jnp.int32).at[points].max(number, mode="drop")
    written = updates.reshape(count, *x.shape[k:])[jnp.maximum(last - 1, 0)]
    return jnp.where((last > 0).reshape(last.shape + (1,) * (x.ndim - k)), written, x)


@row
def scatter_add_along_axis(x: jax.Array, indices: jax.Array, updates: jax.Array, axis: int) -> jax.Array:
    axis %= x.ndim
    places = _places(indices, x.shape[axis])
    points = [lax.broadcasted_iota(places.dtype, indices.shape, d) for d in range(x.ndim)]
    points[axis] = places
    at = x.at[tuple(points)]
    return at.max(updates, mode="drop") if x.dtype == bool else at.add(updates, mode="drop")


@row
def one_hot(indices: jax.Array, depth: int, dtype: str) -> jax.Array:
    indices = (indices.astype(jnp.int32) if indices.dtype.itemsize < 4 else indices)[..., None]
    classes = lax.broadcasted_iota(indices.dtype, (1,) * (indices.ndim - 1) + (depth,), indices.ndim - 1)
    return (indices == classes).astype(dtype)
