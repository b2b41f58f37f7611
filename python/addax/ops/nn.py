"""Keras's namespace `ops.nn`: the ops that Keras keeps there."""

from addax.ops.activation import hard_swish, swish
from addax.ops.operation import namespace

_ops = namespace("keras.src.ops.nn")
globals().update(_ops)
__all__ = [*sorted(_ops), "hard_swish", "swish"]
