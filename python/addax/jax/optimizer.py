"""optimizer: updates of many variables at once. The inputs are the states of each variable, its parameter first, then
a gradient for each, then the scalars."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from addax.jax.table import composed, row, wide

composed(
    "sgd_update_rows",
    "sgd_momentum_update_rows",
    "adam_update_rows",
    "adam_amsgrad_update_rows",
    "rmsprop_update_rows",
    "rmsprop_full_update_rows",
)


def _each(arrays: tuple, states: int, scalars: int, rule: Callable) -> list[jax.Array]:
    """Applies rule(states..., gradient) -> new states to every variable; 16-bit floats are computed in float32."""
    count = (len(arrays) - scalars) // (states + 1)
    out: list[jax.Array] = []
    for i in range(count):
        own = [wide(a) for a in (*arrays[i * states : (i + 1) * states], arrays[count * states + i])]
        out.extend(rule(*own))
    return out


def _as(scalar: jax.Array, like: jax.Array) -> jax.Array:
    return scalar.astype(like.dtype)


@row
def sgd_update(*arrays: jax.Array) -> list[jax.Array]:
    rate = arrays[-1]
    return _each(arrays, 1, 1, lambda p, g: [p - _as(rate, p) * g])


@row
def sgd_momentum_update(*arrays: jax.Array, momentum: float, nesterov: bool) -> list[jax.Array]:
    def rule(p: jax.Array, v: jax.Array, g: jax.Array) -> list[jax.Array]:
        rate = _as(arrays[-1], p)
        velocity = momentum * v - rate * g
        return [p + (momentum * velocity - rate * g if nesterov else velocity), velocity]

    return _each(arrays, 2, 1, rule)


def _adam(arrays: tuple, states: int, beta_1: float, beta_2: float, epsilon: float, weight_decay: float) -> list:
    def rule(p: jax.Array, m: jax.Array, v: jax.Array, *rest: jax.Array) -> list[jax.Array]:
        # 1 - beta^step in float32 loses digits of a small difference; expm1 keeps them.
        rate, step = _as(arrays[-2], p), _as(arrays[-1], p)
        alpha = rate * jnp.sqrt(-jnp.expm1(step * _log(beta_2))) / -jnp.expm1(step * _log(beta_1))
        g = rest[-1]
        first, second = m + (g - m) * (1 - beta_1), v + (g * g - v) * (1 - beta_2)
        largest = [jnp.where(rest[0] > second, rest[0], second)] if states == 4 else []
        root = jnp.sqrt(largest[0] if largest else second)
        moved = p - p * (weight_decay * rate) - first * alpha / (root + epsilon)
        return [moved, first, second, *largest]

    return _each(arrays, states, 2, rule)


def _log(beta: float) -> float:
    return math.log(beta) if beta > 0 else -math.inf


@row
def adam_update(*arrays: jax.Array, **attrs: float) -> list[jax.Array]:
    return _adam(arrays, 3, **attrs)


@row
def adam_amsgrad_update(*arrays: jax.Array, **attrs: float) -> list[jax.Array]:
    return _adam(arrays, 4, **attrs)


@row
def rmsprop_update(*arrays: jax.Array, rho: float, epsilon: float) -> list[jax.Array]:
    def rule(p: jax.Array, v: jax.Array, g: jax.Array) -> list[jax.Array]:
        velocity = rho * v + (1 - rho) * (g * g)
        return [p - _as(arrays[-1], p) * g / jnp.sqrt(velocity + epsilon), velocity]

    return _each(arrays, 2, 1, rule)


@row
def rmsprop_full_update(
    *arrays: jax.Array, rho: float, momentum: float, epsilon: float, centered: bool
) -> list[jax.Array]:
    def rule(p: jax.Array, v: jax.Array, b: jax.Array, d: jax.Array, g: jax.Array) -> list[jax.Array]:
        velocity = rho * v + (1 - rho) * (g * g)
        average = d + (1 - rho) * (g - d) if centered else d
        spread = velocity - average * average if centered else velocity
        increment = _as(arrays[-1], p) * g / jnp.sqrt(spread + epsilon)
        # What a variant leaves out, the average gradient or the momentum, keeps its state.
        moved = momentum * b + increment if momentum > 0 else increment
        return [p - moved, velocity, moved if momentum > 0 else b, average]

    return _each(arrays, 4, 1, rule)
