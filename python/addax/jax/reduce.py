"""reduce: reductions and cumulative ops. 16-bit floats accumulate in float32."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from addax.jax.table import Specs, composed, row, wide

composed("reduce_fused")


def _axes(axes: tuple[int, ...]) -> tuple[int, ...] | None:
    return axes or None


@row
def sum(x: jax.Array, axes: tuple, keepdims: bool, out: Specs) -> jax.Array:
    x = wide(x) if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(out[0][1])
    return jnp.sum(x, _axes(axes), dtype=x.dtype, keepdims=keepdims)


@row
def prod(x: jax.Array, axes: tuple, keepdims: bool, out: Specs) -> jax.Array:
    x = wide(x) if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(out[0][1])
    return jnp.prod(x, _axes(axes), dtype=x.dtype, keepdims=keepdims)


@row
def max(x: jax.Array, axes: tuple, keepdims: bool, out: Specs) -> jax.Array:
    return jnp.max(x, _axes(axes), keepdims=keepdims) if x.size else jnp.zeros(*out[0])


@row
def min(x: jax.Array, axes: tuple, keepdims: bool, out: Specs) -> jax.Array:
    return jnp.min(x, _axes(axes), keepdims=keepdims) if x.size else jnp.zeros(*out[0])


@row
def any(x: jax.Array, axes: tuple, keepdims: bool) -> jax.Array:
    return jnp.any(x != 0, _axes(axes), keepdims=keepdims)


@row
def all(x: jax.Array, axes: tuple, keepdims: bool) -> jax.Array:
    return jnp.all(x != 0, _axes(axes), keepdims=keepdims)


@row
def logsumexp(x: jax.Array, axes: tuple, keepdims: bool) -> jax.Array:
    x = wide(x)
    if not x.size:
        return jnp.log(jnp.sum(jnp.exp(x), _axes(axes), keepdims=keepdims))
    return jax.nn.logsumexp(x, axis=_axes(axes), keepdims=keepdims)


def _position(find: Callable, x: jax.Array, axis: int, out: Specs) -> jax.Array:
    if not x.size:
        return jnp.zeros(*out[0])
    # Not jnp's function, whose positions have 64 bits first.
    return jnp.reshape(find(x, axis % x.ndim, jnp.int32), out[0][0])


@row
def argmax(x: jax.Array, axis: int, keepdims: bool, out: Specs) -> jax.Array:
    return _position(lax.argmax, x, axis, out)


@row
def argmin(x: jax.Array, axis: int, keepdims: bool, out: Specs) -> jax.Array:
    return _position(lax.argmin, x, axis, out)


@row
def cumsum(x: jax.Array, axis: int, reverse: bool, out: Specs) -> jax.Array:
    return lax.cumsum(wide(x.astype(out[0][1])), axis % x.ndim, reverse)


@row
def cumprod(x: jax.Array, axis: int, reverse: bool, out: Specs) -> jax.Array:
    return lax.cumprod(wide(x.astype(out[0][1])), axis % x.ndim, reverse)
