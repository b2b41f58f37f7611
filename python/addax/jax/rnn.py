"""rnn: recurrences over whole sequences. The products with the inputs are one; lax.scan walks through time.

Outputs stand at the step that made them; cells and gates, which only gradients read, at the time of the input.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from addax.jax.matmul import accumulator
from addax.jax.table import row, wide


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """A product in the accumulator's dtype, which the steps are computed in."""
    return jnp.matmul(a, b, preferred_element_type=accumulator(a.dtype))


def _steps(x: jax.Array, backwards: bool) -> jax.Array:
    """(batch, time, ...) as (step, batch, ...)."""
    x = jnp.swapaxes(x, 0, 1)
    return jnp.flip(x, 0) if backwards else x


def _times(x: jax.Array, backwards: bool) -> jax.Array:
    """The opposite."""
    return jnp.swapaxes(jnp.flip(x, 0) if backwards else x, 0, 1)


def _choose(mask: jax.Array | None, fresh: jax.Array, kept: jax.Array) -> jax.Array:
    return fresh if mask is None else jnp.where(mask[:, None], fresh, kept)


def _walk(step: Callable, first: tuple, sequences: tuple, mask: jax.Array | None, reverse: bool = False) -> tuple:
    """lax.scan of step(carry, slices, mask); a mask that is not given is none in every step."""
    if mask is None:
        return lax.scan(lambda carry, xs: step(carry, xs, None), first, sequences, reverse=reverse)
    return lax.scan(lambda carry, xs: step(carry, xs[0], xs[1]), first, (sequences, mask), reverse=reverse)


def _mask(mask: jax.Array | None, backwards: bool) -> jax.Array | None:
    return None if mask is None else _steps(mask, backwards)


def _sigmoid_slope(y: jax.Array) -> jax.Array:
    return y * (1 - y)


def _tanh_slope(y: jax.Array) -> jax.Array:
    return 1 - y * y


@row
def simple_rnn(
    x: jax.Array,
    h: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
) -> tuple:
    projected = _steps(_dot(x, kernel) + wide(bias), go_backwards)

    def step(h: jax.Array, z: jax.Array, mask: jax.Array | None) -> tuple:
        h = _choose(mask, jnp.tanh(z + _dot(h.astype(x.dtype), recurrent)), h)
        return h, h

    last, y = _walk(step, wide(h), projected, _mask(mask, go_backwards))
    return _times(y, False), last


@row
def simple_rnn_grad(
    recurrent: jax.Array,
    y: jax.Array,
    dy: jax.Array,
    dh: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
) -> tuple:
    def step(dh: jax.Array, xs: tuple, mask: jax.Array | None) -> tuple:
        y, dy = xs
        dh = dh + dy
        slope = dh * _tanh_slope(y)
        dz = _choose(mask, slope, jnp.zeros_like(slope))
        return _choose(mask, _dot(dz.astype(recurrent.dtype), recurrent.T), dh), dz

    sequences = _steps(wide(y), False), _steps(wide(dy), False)
    dh, dz = _walk(step, wide(dh), sequences, _mask(mask, go_backwards), reverse=True)
    return _times(dz, go_backwards), dh


@row
def lstm(
    x: jax.Array,
    h: jax.Array,
    c: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
) -> tuple:
    projected = _steps(_dot(x, kernel) + wide(bias), go_backwards)

    def step(state: tuple, z: jax.Array, mask: jax.Array | None) -> tuple:
        h, c = state
        i, f, g, o = jnp.split(z + _dot(h.astype(x.dtype), recurrent), 4, -1)
        i, f, g, o = lax.logistic(i), lax.logistic(f), jnp.tanh(g), lax.logistic(o)
        fresh = f * c + i * g
        h, c = _choose(mask, o * jnp.tanh(fresh), h), _choose(mask, fresh, c)
        return (h, c), (h, c, jnp.concatenate([i, f, g, o], -1))

    (h, c), (y, cells, gates) = _walk(step, (wide(h), wide(c)), projected, _mask(mask, go_backwards))
    return _times(y, False), h, c, _times(cells, go_backwards), _times(gates, go_backwards)


@row
def lstm_grad(
    c: jax.Array,
    recurrent: jax.Array,
    cells: jax.Array,
    gates: jax.Array,
    dy: jax.Array,
    dh: jax.Array,
    dc: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
) -> tuple:
    cells, gates = _steps(wide(cells), go_backwards), _steps(wide(gates), go_backwards)
    before = jnp.concatenate([wide(c)[None], cells[:-1]]) if len(cells) else cells

    def step(state: tuple, xs: tuple, mask: jax.Array | None) -> tuple:
        (dh, dc), (before, cell, gate, dy) = state, xs
        i, f, g, o = jnp.split(gate, 4, -1)
        squashed = jnp.tanh(cell)
        dh = dh + dy
        total = dc + dh * o * _tanh_slope(squashed)
        slopes = jnp.concatenate(
            [
                total * g * _sigmoid_slope(i),
                total * before * _sigmoid_slope(f),
                total * i * _tanh_slope(g),
                dh * squashed * _sigmoid_slope(o),
            ],
            -1,
        )
        dz = _choose(mask, slopes, jnp.zeros_like(slopes))
        dh = _choose(mask, _dot(dz.astype(recurrent.dtype), recurrent.T), dh)
        return (dh, _choose(mask, total * f, dc)), dz

    sequences = before, cells, gates, _steps(wide(dy), False)
    (dh, dc), dz = _walk(step, (wide(dh), wide(dc)), sequences, _mask(mask, go_backwards), reverse=True)
    return _times(dz, go_backwards), dh, dc


@row
def gru(
    x: jax.Array,
    h: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
    reset_after: bool,
) -> tuple:
    units = h.shape[-1]
    of_gates, of_state = recurrent[:, : 2 * units], recurrent[:, 2 * units :]
    bias = wide(bias)
    projected = _steps(_dot(x, kernel) + (bias[0] if reset_after else bias), go_backwards)

    def step(h: jax.Array, z: jax.Array, mask: jax.Array | None) -> tuple:
        from_h = _dot(h.astype(x.dtype), of_gates)
        if reset_after:
            from_h = from_h + bias[1, : 2 * units]
            inner = _dot(h.astype(x.dtype), of_state) + bias[1, 2 * units :]
        update, reset = jnp.split(lax.logistic(z[:, : 2 * units] + from_h), 2, -1)
        recurred = reset * inner if reset_after else _dot((reset * h).astype(x.dtype), of_state)
        g = jnp.tanh(z[:, 2 * units :] + recurred)
        h = _choose(mask, update * h + (1 - update) * g, h)
        return h, (h, jnp.concatenate([update, reset, g, *([inner] if reset_after else [])], -1))

    last, (y, gates) = _walk(step, wide(h), projected, _mask(mask, go_backwards))
    return _times(y, False), last, _times(gates, go_backwards)


@row
def gru_grad(
    h: jax.Array,
    recurrent: jax.Array,
    y: jax.Array,
    gates: jax.Array,
    dy: jax.Array,
    dh: jax.Array,
    mask: jax.Array | None = None,
    *,
    go_backwards: bool,
    reset_after: bool,
) -> tuple:
    units = h.shape[-1]
    of_gates, of_state = recurrent[:, : 2 * units], recurrent[:, 2 * units :]
    y, gates = _steps(wide(y), False), _steps(wide(gates), go_backwards)
    before = jnp.concatenate([wide(h)[None], y[:-1]]) if len(y) else y

    def back(dz: jax.Array, weights: jax.Array) -> jax.Array:
        return _dot(dz.astype(weights.dtype), weights.T)

    def step(dh: jax.Array, xs: tuple, mask: jax.Array | None) -> tuple:
        before, gate, dy = xs
        z, r, g = gate[:, :units], gate[:, units : 2 * units], gate[:, 2 * units : 3 * units]
        dh = dh + dy
        of_g, of_z = dh * (1 - z) * _tanh_slope(g), dh * (before - g) * _sigmoid_slope(z)
        if reset_after:
            now = jnp.concatenate([of_z, of_g * gate[:, 3 * units :] * _sigmoid_slope(r)], -1)
            slopes = jnp.concatenate([now, of_g, of_g * r], -1)
            carried = back(now, of_gates) + back(of_g * r, of_state)
        else:
            of_reset = back(of_g, of_state)
            now = jnp.concatenate([of_z, of_reset * before * _sigmoid_slope(r)], -1)
            slopes = jnp.concatenate([now, of_g], -1)
            carried = back(now, of_gates) + of_reset * r
        dz = _choose(mask, slopes, jnp.zeros_like(slopes))
        return _choose(mask, dh * z + carried, dh), dz

    sequences = before, gates, _steps(wide(dy), False)
    dh, dz = _walk(step, wide(dh), sequences, _mask(mask, go_backwards), reverse=True)
    return _times(dz, go_backwards), dh
