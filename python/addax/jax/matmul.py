"""matmul: products; 16-bit floats accumulate in float32. float32 products have the precision that JAX is told
(`jax_default_matmul_precision`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from addax.jax.table import composed, row

composed("matmul_fused")


@row
def matmul(a: jax.Array, b: jax.Array, transpose_a: bool, transpose_b: bool) -> jax.Array:
    a = jnp.swapaxes(a, -1, -2) if transpose_a else a
    b = jnp.swapaxes(b, -1, -2) if transpose_b else b
    if a.dtype == bool:
        return jnp.matmul(a.astype(jnp.int32), b.astype(jnp.int32)) != 0
    return jnp.matmul(a, b, preferred_element_type=accumulator(a.dtype))


def accumulator(dtype: jnp.dtype) -> jnp.dtype:
    """What products of that dtype are summed in."""
    return jnp.float32 if dtype in (jnp.float16, jnp.bfloat16) else dtype
