"""Keras's namespace `ops.linalg`: norms and derivatives; decompositions and solvers are not there yet."""

from addax.ops.gradient import jvp
from addax.ops.norm import norm

__all__ = ["jvp", "norm"]
