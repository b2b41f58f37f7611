"""Activation."""

from __future__ import annotations

from typing import Any

from addax import activations
from addax.layers.layer import Layer


class Activation(Layer):
    """Applies a function to its input.

    Args:
        activation: The function or its name.
        **kwargs: Arguments of `Layer`.

    Example:

    >>> addax.layers.Activation("relu")(addax.ops.convert_to_tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, activation: Any, **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the function's value."""
        return self.activation(inputs)

    def get_config(self) -> dict:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
