"""UpSampling1D."""

from __future__ import annotations

from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer
from addax.layers.reshaping.base_up_sampling import repeated


class UpSampling1D(Layer):
    """Repeats every step of a sequence.

    Args:
        size: How many times.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, steps, features)` give outputs of shape `(batch, size * steps, features)`.

    Raises:
        TypeError: If `size` is not an integer.
        ValueError: If it is not positive.

    Example:

    >>> addax.layers.UpSampling1D(2)(addax.ops.convert_to_tensor([[[1.0], [2.0]]])).tolist()
    [[[1.0], [1.0], [2.0], [2.0]]]
    """

    def __init__(self, size: int = 2, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(size, int):
            raise TypeError(f"Expected an integer value for `size`, got {type(size)}.")
        if size <= 0:
            raise ValueError(f"Argument `size` should be a positive integer. Received: size={size}")
        self.size = size
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        """Returns the longer sequences."""
        return repeated(inputs, {1: self.size})

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
