"""Permute."""

from __future__ import annotations

from addax import ops
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class Permute(Layer):
    """Reorders the axes of every example.

    Args:
        dims: The axes in their new order, counted from 1 (0 is the batch axis, which stays).
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `dims` does not hold each number from 1 on once.

    Example:

    >>> addax.layers.Permute((2, 1))(addax.ops.ones((5, 3, 4))).shape
    (5, 4, 3)
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        """Returns the inputs with their axes reordered."""
        return ops.transpose(inputs, axes=(0, *self.dims))

    def get_config(self) -> dict:
        return {**super().get_config(), "dims": self.dims}
