"""GlobalMaxPooling1D."""

from __future__ import annotations

from addax import ops
from addax.layers.pooling.base_global_pooling import BaseGlobalPooling


class GlobalMaxPooling1D(BaseGlobalPooling):
    """Maximum over all steps.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        keepdims: Whether to keep the reduced axes, with size 1.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, steps, channels)` give outputs of shape `(batch, channels)`.

    Example:

    >>> addax.layers.GlobalMaxPooling1D()(addax.ops.ones((2, 8, 3))).shape
    (2, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs):
        super().__init__(pool_dimensions=1, data_format=data_format, keepdims=keepdims, **kwargs)

    def call(self, inputs):
        """Returns the maximum over the spatial axes."""
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)
