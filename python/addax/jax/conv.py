"""conv: channels-last convolutions of 1 to 3 spatial dims. The gradient rows are the transposes of the forward one,
which is linear in each input."""

from __future__ import annotations

import jax
from jax import lax

from addax.jax.table import Specs, composed, row

composed("conv_fused")

_SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


@row
def conv(
    x: jax.Array, filters: jax.Array, strides: tuple, low: tuple, high: tuple, dilation: tuple, groups: int
) -> jax.Array:
    s = _SPATIAL[x.ndim - 2]
    return lax.conv_general_dilated(
        x,
        filters,
        strides,
        tuple(zip(low, high, strict=True)),
        rhs_dilation=dilation,
        dimension_numbers=(f"N{s}C", f"{s}IO", f"N{s}C"),
        feature_group_count=groups,
    )


@row
def conv_input_grad(g: jax.Array, filters: jax.Array, input_spatial: tuple, out: Specs, **attrs: object) -> jax.Array:
    x = jax.ShapeDtypeStruct(out[0][0], filters.dtype)
    return jax.linear_transpose(lambda x: conv(x, filters, **attrs), x)(g)[0]


@row
def conv_filter_grad(x: jax.Array, g: jax.Array, filter_spatial: tuple, out: Specs, **attrs: object) -> jax.Array:
    filters = jax.ShapeDtypeStruct(out[0][0], x.dtype)
    return jax.linear_transpose(lambda filters: conv(x, filters, **attrs), filters)(g)[0]
