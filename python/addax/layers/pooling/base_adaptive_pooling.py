"""BaseAdaptivePooling: what the pooling layers with a given number of windows share."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple
from addax.layers.layer import Layer


class BaseAdaptivePooling(Layer):
    """Takes the maximum or average of a given number of windows that cover the spatial axes.

    Args:
        pool_dimensions: Number of spatial axes, 1 to 3.
        pool_mode: `"max"` or `"average"`.
        output_size: Number of windows along each spatial axis, or one for all.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `output_size` is out of its domain.
    """

    def __init__(
        self, pool_dimensions: int, pool_mode: str, output_size: Any, data_format: str | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.output_size = int_tuple(output_size, pool_dimensions, "output_size")
        self.data_format = standardize_data_format(data_format)
        self._pool = ops.adaptive_max_pool if pool_mode == "max" else ops.adaptive_average_pool

    def call(self, inputs):
        """Returns the pooled inputs."""
        return self._pool(inputs, self.output_size, data_format=self.data_format)

    def get_config(self) -> dict:
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}
