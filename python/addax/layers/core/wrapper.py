"""Wrapper: the base of layers around another layer."""

from __future__ import annotations

from typing import Any

from addax import saving
from addax.layers.layer import Layer


class Wrapper(Layer):
    """A layer around another one; subclasses write `call`.

    Args:
        layer: The layer inside.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `layer` is not a layer.

    Example:

    >>> class Twice(addax.layers.Wrapper):
    ...     def call(self, inputs):
    ...         return self.layer(self.layer(inputs))
    >>> Twice(addax.layers.Dense(3))(addax.ops.ones((2, 3))).shape
    (2, 3)
    """

    def __init__(self, layer: Layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Layer {layer} supplied to Wrapper isn't a supported layer type. Please ensure wrapped layer is a "
                f"valid Keras layer. Received an object of type {type(layer)}"
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "layer": saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Wrapper:
        """Makes a layer of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further classes and functions by name.
        """
        layer = saving.deserialize_keras_object(config["layer"], custom_objects=custom_objects)
        return cls(layer, **{key: value for key, value in config.items() if key != "layer"})
