"""pool: max and average over windows. The first maximum of a window in row-major order has its gradient."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from addax.jax.table import Specs, row, wide


def _padded(x: jax.Array, low: tuple, high: tuple, value: float) -> jax.Array:
    widths = [(0, 0, 0), *((a, b, 0) for a, b in zip(low, high, strict=True)), (0, 0, 0)]
    return lax.pad(x, jnp.asarray(value, x.dtype), widths)


def _sizes(x: jax.Array, window: tuple, strides: tuple) -> list[int]:
    return [(n - w) // s + 1 for n, w, s in zip(x.shape[1:-1], window, strides, strict=True)]


def _taps(x: jax.Array, window: tuple, strides: tuple) -> Iterator[jax.Array]:
    """For each position in the window, in row-major order, what all windows of the padded x hold there."""
    sizes = _sizes(x, window, strides)
    for tap in itertools.product(*map(range, window)):
        index = [slice(t, t + (n - 1) * s + 1, s) for t, n, s in zip(tap, sizes, strides, strict=True)]
        yield x[(slice(None), *index)]


@row
def max_pool(x: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple) -> jax.Array:
    """Axis by axis. Not by reduce_window, which drops a lone NaN on some devices."""
    x = _padded(x, low, high, -jnp.inf)
    for axis, (w, s) in enumerate(zip(window, strides, strict=True), start=1):
        last = (x.shape[axis] - w) // s * s
        x = functools.reduce(jnp.maximum, [lax.slice_in_dim(x, t, t + last + 1, s, axis) for t in range(w)])
    return x


def _first(x: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple) -> jax.Array:
    """The tap of the first maximum of each window; NaN counts as the largest."""
    inside = _padded(jnp.ones_like(x, dtype=bool), low, high, False)
    best = at = seen = None
    for i, (value, real) in enumerate(
        zip(_taps(_padded(x, low, high, -jnp.inf), window, strides), _taps(inside, window, strides), strict=True)
    ):
        if best is None:
            best, seen, at = value, real, jnp.zeros(value.shape, jnp.int32)
            continue
        better = real & (~seen | (value > best) | (jnp.isnan(value) & ~jnp.isnan(best)))
        best, seen, at = jnp.where(better, value, best), seen | real, jnp.where(better, i, at)
    return at


@row
def max_pool_select(x: jax.Array, v: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple) -> jax.Array:
    first = _first(x, window, strides, low, high)
    return _select(v, first, window, strides, low, high)


def _select(v: jax.Array, first: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple) -> jax.Array:
    out = jnp.zeros(first.shape, v.dtype)
    for i, value in enumerate(_taps(_padded(v, low, high, 0), window, strides)):
        out = jnp.where(first == i, value, out)
    return out


@row
def max_pool_grad(x: jax.Array, g: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple) -> jax.Array:
    first = _first(x, window, strides, low, high)
    g = wide(g)
    v = jax.ShapeDtypeStruct(x.shape, g.dtype)
    return jax.linear_transpose(lambda v: _select(v, first, window, strides, low, high), v)(g)[0]


@row
def avg_pool(x: jax.Array, window: tuple, strides: tuple, low: tuple, high: tuple, count_padding: bool) -> jax.Array:
    x = wide(x)
    padding = ((0, 0), *zip(low, high, strict=True), (0, 0))

    def total(x: jax.Array) -> jax.Array:
        return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, (1, *window, 1), (1, *strides, 1), padding)

    if count_padding:
        positions = 1
        for w in window:
            positions *= w
        return total(x) / positions
    return total(x) / total(jnp.ones((1, *x.shape[1:-1], 1), x.dtype))


@row
def avg_pool_grad(g: jax.Array, input_spatial: tuple, out: Specs, **attrs: object) -> jax.Array:
    g = wide(g)
    x = jax.ShapeDtypeStruct(out[0][0], g.dtype)
    return jax.linear_transpose(lambda x: avg_pool(x, **attrs), x)(g)[0]
