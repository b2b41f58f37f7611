"""Clipping of gradients."""

from __future__ import annotations

from addax import ops
from addax.engine import Tensor


def clip_by_norm(gradient: Tensor, clipnorm: float) -> Tensor:
    """The gradient, scaled down to the norm if its own is larger."""
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (clipnorm / ops.maximum(norm, clipnorm))


def clip_by_global_norm(grads: list[Tensor], clipnorm: float) -> list[Tensor]:
    """All gradients, scaled down together to the norm if that of all of them is larger. Not finite: all become NaN."""
    total = ops.sum(ops.square(grads[0]))
    for gradient in grads[1:]:
        total = total + ops.sum(ops.square(gradient))
    norm = ops.sqrt(total)
    scale = clipnorm / ops.maximum(norm, clipnorm)
    scale = scale + (norm - norm)
    return [g * scale for g in grads]
