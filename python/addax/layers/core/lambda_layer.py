"""Lambda."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from addax import saving, tree
from addax.layers.layer import Layer
from addax.ops.keras_tensor import KerasTensor


class Lambda(Layer):
    """Applies a function as a layer.

    A model file holds the function's name only. To save and load the layer, use a named function under
    `addax.saving.register_keras_serializable()`; a Python `lambda` cannot be saved, and one in a file is refused.

    Args:
        function: Takes the inputs, and if it has such parameters `mask` and `training`. Weights that it uses are not
            tracked: write a layer for them.
        output_shape: Shape of the output without the batch axis, or a function from the input's shape to the output's;
            found by tracing the function if not given. Structures of shapes for several outputs or inputs.
        mask: Mask of the output, or a function from inputs and their mask to it; none if not given.
        arguments: Dict of further arguments of the function.
        **kwargs: Arguments of `Layer`.

    Raises:
        TypeError: If `function` cannot be called.

    Example:

    >>> addax.layers.Lambda(lambda x: x**2)(addax.ops.convert_to_tensor([1.0, 3.0])).tolist()
    [1.0, 9.0]
    """

    def __init__(
        self, function: Callable, output_shape: Any = None, mask: Any = None, arguments: dict | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: expected a function. Received: function={function!r} of type {type(function)}")
        self.arguments = arguments or {}
        self.function = function
        self.mask = mask
        is_shape = output_shape is not None and not callable(output_shape)
        self._output_shape = tree.map_shape_structure(tuple, output_shape) if is_shape else output_shape
        self._supports_masking = mask is not None
        parameters = inspect.signature(function).parameters
        self._passes = tuple(name for name in ("mask", "training") if name in parameters)

    def call(self, inputs, mask=None, training=None):
        """Returns the function's value."""
        given = {"mask": mask, "training": training}
        return self.function(inputs, **{**self.arguments, **{name: given[name] for name in self._passes}})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask that was given, or the value of its function."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_spec(self, inputs, *args, **kwargs):
        """Returns KerasTensors of the given `output_shape`, or what tracing the function returns."""
        if self._output_shape is None:
            return super().compute_output_spec(inputs, *args, **kwargs)
        shapes = tree.map_structure(lambda x: x.shape, inputs)
        if callable(self._output_shape):
            outputs = self._output_shape(shapes)
        else:
            batch = tree.flatten(inputs)[0].shape[:1]
            outputs = tree.map_shape_structure(lambda shape: (*batch, *shape), self._output_shape)
        return tree.map_shape_structure(lambda shape: KerasTensor(shape, self.compute_dtype), outputs)

    def get_config(self) -> dict:
        config = {**super().get_config(), "function": saving.serialize_keras_object(self.function)}
        if self._output_shape is not None:
            config["output_shape"] = saving.serialize_keras_object(self._output_shape)
        if self.mask is not None:
            config["mask"] = saving.serialize_keras_object(self.mask)
        return {**config, "arguments": saving.serialize_keras_object(self.arguments)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None, safe_mode: bool | None = None) -> Lambda:
        """Makes a layer of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further functions by name.
            safe_mode: Accepted for compatibility; there is no unsafe mode.

        Raises:
            ValueError: If the config holds a Python lambda, which is never run.
            TypeError: If it names an unknown function.
        """
        stored = {key: config[key] for key in ("function", "output_shape", "mask", "arguments") if key in config}
        found = {
            key: saving.deserialize_keras_object(value, custom_objects=custom_objects) for key, value in stored.items()
        }
        return super().from_config({**config, **found})
