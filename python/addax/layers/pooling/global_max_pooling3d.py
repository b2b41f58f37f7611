"""GlobalMaxPooling3D."""

from __future__ import annotations

from addax import ops
from addax.layers.pooling.base_global_pooling import BaseGlobalPooling


class GlobalMaxPooling3D(BaseGlobalPooling):
    """Maximum over all depth, rows, columns.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        keepdims: Whether to keep the reduced axes, with size 1.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, depth, rows, columns, channels)` give outputs of shape `(batch, channels)`.

    Example:

    >>> addax.layers.GlobalMaxPooling3D()(addax.ops.ones((2, 4, 4, 4, 3))).shape
    (2, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs):
        super().__init__(pool_dimensions=3, data_format=data_format, keepdims=keepdims, **kwargs)

    def call(self, inputs):
        """Returns the maximum over the spatial axes."""
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)
