"""Reshape."""

from __future__ import annotations

import math

from addax import ops
from addax.layers.layer import Layer


class Reshape(Layer):
    """Gives every example another shape.

    Args:
        target_shape: Shape without the batch axis; one dim may be -1 and is inferred.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If two dims are -1, or the inputs do not have as many elements as the shape.

    Example:

    >>> addax.layers.Reshape((3, -1))(addax.ops.ones((2, 12))).shape
    (2, 3, 4)
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        if self.target_shape.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in `target_shape`. "
                f"Received: target_shape={self.target_shape}."
            )
        self.built = True

    def call(self, inputs):
        """Returns the inputs in the new shape."""
        target = self.target_shape
        size = math.prod(inputs.shape[1:])
        known = math.prod(dim for dim in target if dim != -1)
        if -1 in target and known > 0 and size % known == 0:
            target = tuple(size // known if dim == -1 else dim for dim in target)
        elif size != known or -1 in target:
            raise ValueError(
                f"The total size of the tensor must be unchanged. Received: input_shape={inputs.shape[1:]}, "
                f"target_shape={target}"
            )
        return ops.reshape(inputs, (inputs.shape[0], *target))

    def get_config(self) -> dict:
        return {**super().get_config(), "target_shape": self.target_shape}
