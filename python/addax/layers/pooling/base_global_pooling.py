"""BaseGlobalPooling: what the pooling layers without a window share."""

from __future__ import annotations

from addax.config import standardize_data_format
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseGlobalPooling(Layer):
    """Reduces all spatial axes; subclasses write `call`.

    Args:
        pool_dimensions: Number of spatial axes, 1 to 3.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        keepdims: Whether to keep the spatial axes, with size 1.
        **kwargs: Arguments of `Layer`.
    """

    def __init__(self, pool_dimensions: int, data_format: str | None = None, keepdims: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        first = 1 if self.data_format == "channels_last" else 2
        self._axes = tuple(range(first, first + pool_dimensions))
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}
