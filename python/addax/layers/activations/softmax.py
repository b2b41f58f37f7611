"""Softmax."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.layer import Layer

# Their exponentials are 0 beside those of any other number of the dtype.
_FAR_BELOW = {"float16": -3e4}


class Softmax(Layer):
    """Exponentials divided by their sum: positive numbers that sum to one.

    Args:
        axis: Axis or axes along which they sum to one.
        **kwargs: Arguments of `Layer`.

    Called with a `mask` of a shape that broadcasts to the inputs', it leaves out what the mask does: 0 there, and
    everywhere if nothing is left.

    Example:

    >>> layer = addax.layers.Softmax()
    >>> x, mask = addax.ops.ones((1, 3)), addax.ops.convert_to_tensor([[True, False, True]])
    >>> layer(x, mask=mask).tolist()
    [[0.5, 0.0, 0.5]]
    """

    def __init__(self, axis: Any = -1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self._supports_masking = True
        self.built = True

    def call(self, inputs, mask=None):
        """Returns the softmax of what the mask keeps."""
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        if mask is None:
            return ops.softmax(inputs, axis=axis)
        shape, own = inputs.shape, mask.shape
        if len(own) > len(shape) or any(a not in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False)):
            raise ValueError(
                "The `mask` must be broadcastable to `inputs`. Each mask dimension must be 1 or match the "
                f"corresponding input dimension. Received: inputs.shape={shape}, mask.shape={own}"
            )
        mask = ops.cast(mask, "bool")
        x = ops.where(mask, inputs, _FAR_BELOW.get(inputs.dtype, -1e38))
        return ops.softmax(x, axis=axis) * ops.cast(mask, inputs.dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "axis": self.axis}
