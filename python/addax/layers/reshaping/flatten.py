"""Flatten."""

from __future__ import annotations

import math

from addax import ops
from addax.config import standardize_data_format
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class Flatten(Layer):
    """Joins all axes but the first into one.

    Args:
        data_format: `"channels_last"` or `"channels_first"` (flattened in the order of `"channels_last"`); that of
            `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, ...)` give outputs of shape `(batch, product of the others)`.

    Example:

    >>> addax.layers.Flatten()(addax.ops.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self._channels_first = self.data_format == "channels_first"

    def call(self, inputs):
        """Returns the flat inputs."""
        shape = inputs.shape
        if self._channels_first and len(shape) > 2:
            inputs = ops.moveaxis(inputs, 1, -1)
        return ops.reshape(inputs, (shape[0], math.prod(shape[1:])))

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format}
