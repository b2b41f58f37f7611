"""RMSNormalization."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.layer import Layer


class RMSNormalization(Layer):
    """Divides each example by its root mean square over axes, then multiplies it by `scale`.

    Args:
        axis: The axis or axes; usually those of the features.
        epsilon: Added to the mean square.
        **kwargs: Arguments of `Layer`.

    Mean squares of float16 and bfloat16 are computed in float32.

    Raises:
        ValueError: If the inputs do not have the axes.

    References:
        Zhang and Sennrich, Root Mean Square Layer Normalization, https://arxiv.org/abs/1910.07467

    Example:

    >>> addax.layers.RMSNormalization(epsilon=0.0)(addax.ops.convert_to_tensor([[2.0, 2.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape: tuple) -> None:
        """Creates `scale`."""
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        ndim = len(input_shape)
        if any(not -ndim <= axis < ndim for axis in axes):
            raise ValueError(f"RMSNormalization: axis={self.axis} is out of range for inputs of shape {input_shape}")
        self.axis = axes
        self.scale = self.add_weight(
            shape=tuple(input_shape[axis] for axis in axes), name="scale", initializer="ones", autocast=False
        )

    def call(self, x):
        """Returns the normalized inputs."""
        return ops.rms_normalization(
            ops.cast(x, self.compute_dtype), scale=self.scale.value, axis=self.axis, epsilon=self.epsilon
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
