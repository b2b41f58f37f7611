"""GlobalAveragePooling1D."""

from __future__ import annotations

from addax import ops
from addax.layers.pooling.base_global_pooling import BaseGlobalPooling


class GlobalAveragePooling1D(BaseGlobalPooling):
    """Average over all steps, or over those that a mask keeps.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        keepdims: Whether to keep the reduced axis, with size 1.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, steps, channels)` give outputs of shape `(batch, channels)`.

    Example:

    >>> addax.layers.GlobalAveragePooling1D()(addax.ops.ones((2, 8, 3))).shape
    (2, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs):
        super().__init__(pool_dimensions=1, data_format=data_format, keepdims=keepdims, **kwargs)
        self._supports_masking = True

    def call(self, inputs, mask=None):
        """Returns the average over the steps, or over those that `mask`, shape `(batch, steps)`, keeps."""
        if mask is None:
            return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)
        mask = ops.expand_dims(ops.cast(mask, inputs.dtype), 2 if self.data_format == "channels_last" else 1)
        total = ops.sum(inputs * mask, axis=self._axes, keepdims=self.keepdims)
        return total / ops.sum(mask, axis=self._axes, keepdims=self.keepdims)

    def compute_mask(self, inputs, mask=None):
        """Returns `None`: no steps are left."""
        return None
