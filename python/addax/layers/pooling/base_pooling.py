"""BasePooling: what the pooling layers with a window share."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple, padding_of
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BasePooling(Layer):
    """Takes the maximum or average over windows along `pool_dimensions` spatial axes.

    Args:
        pool_size: Extent of the window along each spatial axis, or one for all.
        strides: Step of the window; `pool_size` if `None`.
        pool_dimensions: Number of spatial axes, 1 to 3.
        pool_mode: `"max"` or `"average"`.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        name: A name, made up if not given.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is out of its domain.
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        pool_dimensions: int,
        pool_mode: str = "max",
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.pool_size = int_tuple(pool_size, pool_dimensions, "pool_size")
        self.strides = int_tuple(self.pool_size if strides is None else strides, pool_dimensions, "strides")
        self.pool_mode = pool_mode
        self.padding = padding_of(padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self.built = True

    def call(self, inputs):
        """Returns the pooled inputs."""
        pool = ops.max_pool if self.pool_mode == "max" else ops.average_pool
        return pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }
