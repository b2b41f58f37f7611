"""BaseCropping: what Cropping1D, Cropping2D and Cropping3D share."""

from __future__ import annotations

from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseCropping(Layer):
    """Cuts away the ends of the spatial axes.

    Args:
        pairs: How much to cut before and after, for each spatial axis.
        first_axis: The first spatial axis.
        **kwargs: Arguments of `Layer`.
    """

    def __init__(self, pairs: tuple, first_axis: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.cropping = pairs[0] if len(pairs) == 1 else pairs
        self.input_spec = InputSpec(ndim=len(pairs) + 2)
        self._pairs = pairs
        self._first_axis = first_axis

    def call(self, inputs):
        """Returns the inside of the inputs."""
        index = [slice(None)] * len(inputs.shape)
        for axis, (before, after) in enumerate(self._pairs, self._first_axis):
            size = inputs.shape[axis]
            if before + after >= size:
                raise ValueError(self._too_much(inputs.shape))
            index[axis] = slice(before, size - after)
        return inputs[tuple(index)]

    def _too_much(self, shape: tuple) -> str:
        return (
            "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the input. "
            f"Received: inputs.shape={shape}, cropping={self.cropping}"
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "cropping": self.cropping}
