"""LeakyReLU."""

from __future__ import annotations

import warnings

from addax import ops
from addax.layers.layer import Layer


class LeakyReLU(Layer):
    """`x` where that is positive and `negative_slope * x` elsewhere.

    Args:
        negative_slope: The slope below zero.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If the slope is negative.

    Example:

    >>> addax.layers.LeakyReLU(negative_slope=0.5)(addax.ops.convert_to_tensor([-2.0, 3.0])).tolist()
    [-1.0, 3.0]
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("Argument `alpha` is deprecated. Use `negative_slope` instead.", stacklevel=2)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. "
                f"Received: negative_slope={negative_slope}"
            )
        self.negative_slope = negative_slope
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the function's value."""
        return ops.leaky_relu(inputs, negative_slope=self.negative_slope)

    def get_config(self) -> dict:
        return {**super().get_config(), "negative_slope": self.negative_slope}
