"""movement: rows that rearrange."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from addax.jax.distribution import constrained
from addax.jax.table import Specs, row


@row
def reshape(x: jax.Array, shape: tuple, out: Specs) -> jax.Array:
    return jnp.reshape(x, out[0][0])


@row
def transpose(x: jax.Array, axes: tuple) -> jax.Array:
    return jnp.transpose(x, axes or None)


@row
def broadcast_to(x: jax.Array, shape: tuple) -> jax.Array:
    return jnp.broadcast_to(x, shape)


def _index(x: jax.Array, starts: tuple, stops: tuple, steps: tuple, sizes: tuple) -> tuple[slice, ...]:
    """The slice in Python's terms, where a stop of -1 means from the end."""
    steps = steps or (1,) * x.ndim
    return tuple(
        slice(0, 0) if n == 0 else slice(start, stop if stop >= 0 else None, step)
        for start, stop, step, n in zip(starts, stops, steps, sizes, strict=True)
    )


@row
def slice_(x: jax.Array, starts: tuple, stops: tuple, steps: tuple, out: Specs) -> jax.Array:
    return x[_index(x, starts, stops, steps, out[0][0])]


@row
def slice_update(x: jax.Array, update: jax.Array, starts: tuple, stops: tuple, steps: tuple) -> jax.Array:
    if 0 in update.shape:
        return x
    if all(step == 1 for step in steps):
        # Start indices of 32 bits, whatever jax_enable_x64 says.
        return lax.dynamic_update_slice(x, update, [jnp.int32(start) for start in starts])
    return x.at[_index(x, starts, stops, steps, update.shape)].set(update)


@row
def pad(x: jax.Array, low: tuple, high: tuple, mode: str, value: float) -> jax.Array:
    if mode == "constant":
        return lax.pad(x, jnp.asarray(value, x.dtype), [(a, b, 0) for a, b in zip(low, high, strict=True)])
    for axis, widths in enumerate(zip(low, high, strict=True)):
        if any(widths):
            sources = np.pad(np.arange(x.shape[axis], dtype="int32"), widths, mode)
            x = jnp.take(x, sources, axis, mode="clip")
    return x


@row
def concatenate(*arrays: jax.Array, axis: int, out: Specs) -> jax.Array:
    return jnp.concatenate([a.astype(out[0][1]) for a in arrays], axis)


@row
def flip(x: jax.Array, axes: tuple) -> jax.Array:
    return jnp.flip(x, axes or None)


@row
def barrier(x: jax.Array, region: int) -> jax.Array:
    return lax.optimization_barrier(x)


@row
def shard(x: jax.Array, sharding: int) -> jax.Array:
    return constrained(x, sharding)
