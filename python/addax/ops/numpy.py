"""Keras's namespace `ops.numpy`: the ops that Keras keeps there, and a few that are plain functions."""

from addax.ops.control import vectorize
from addax.ops.core import ndim, size
from addax.ops.creation import empty, eye, identity, ones, tri, zeros
from addax.ops.operation import namespace

_ops = namespace("keras.src.ops.numpy")
globals().update(_ops)
__all__ = [*sorted(_ops), "empty", "eye", "identity", "ndim", "ones", "size", "tri", "vectorize", "zeros"]
