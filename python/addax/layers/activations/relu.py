"""ReLU."""

from __future__ import annotations

from addax import activations
from addax.layers.layer import Layer


class ReLU(Layer):
    """`max(x, 0)`, with a leak, a ceiling and a threshold if wanted.

    Args:
        max_value: The largest output; none if not given.
        negative_slope: The slope below the threshold.
        threshold: The value from which on inputs pass.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If a number is negative.

    Example:

    >>> addax.layers.ReLU(max_value=6.0)(addax.ops.convert_to_tensor([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0:
            raise ValueError(f"max_value of a ReLU layer cannot be a negative value. Received: max_value={max_value}")
        for key, value in {"negative_slope": negative_slope, "threshold": threshold}.items():
            if value is None or value < 0:
                raise ValueError(f"{key} of a ReLU layer cannot be None or a negative value. Received: {key}={value}")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the rectified inputs."""
        return activations.relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
