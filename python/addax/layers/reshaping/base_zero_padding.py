"""BaseZeroPadding: what ZeroPadding1D, ZeroPadding2D and ZeroPadding3D share."""

from __future__ import annotations

from addax import ops
from addax.config import standardize_data_format
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseZeroPadding(Layer):
    """Puts zeros around the spatial axes.

    Args:
        pairs: How many zeros before and after, for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.
    """

    def __init__(self, pairs: tuple, data_format: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.padding = pairs[0] if len(pairs) == 1 else pairs
        self.input_spec = InputSpec(ndim=len(pairs) + 2)
        around = ((0, 0), *pairs, (0, 0)) if self.data_format == "channels_last" else ((0, 0), (0, 0), *pairs)
        self._around = around

    def call(self, inputs):
        """Returns the padded inputs."""
        return ops.pad(inputs, self._around)

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}
