"""control: rows that run bodies, which are graphs: lax's scan, switch and while_loop over the bodies' functions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from addax._core import Graph
from addax.jax.graphs import function_of
from addax.jax.table import row


@row
def scan(*arrays: jax.Array, body: Graph, length: int, sequences: int, carries: int, reverse: bool) -> list[jax.Array]:
    function = function_of(body)
    rest = arrays[sequences + carries :]

    def step(carry: list, slices: list) -> tuple[list, list]:
        out = function(*slices, *carry, *rest)
        stacks = len(out) - carries
        return out[stacks:], out[:stacks]

    first = list(arrays[sequences : sequences + carries])
    last, stacked = lax.scan(step, first, list(arrays[:sequences]), length=length, reverse=reverse)
    return [*stacked, *last]


@row
def cond(index: jax.Array, *arrays: jax.Array, bodies: list[Graph]) -> list[jax.Array]:
    return lax.switch(index, [function_of(body) for body in bodies], *arrays)


@row
def while_loop(*arrays: jax.Array, body: Graph, maximum: int) -> list[jax.Array]:
    function = function_of(body)
    carries = len(body.parts[4])
    rest = arrays[carries:]

    def goes_on(state: tuple[Any, list]) -> jax.Array:
        step, carry = state
        return carry[0] & (step < maximum) if maximum >= 0 else carry[0]

    def next_step(state: tuple[Any, list]) -> tuple[Any, list]:
        step, carry = state
        return step + 1, function(*carry, *rest)

    return lax.while_loop(goes_on, next_step, (jnp.int32(0), list(arrays[:carries])))[1]
