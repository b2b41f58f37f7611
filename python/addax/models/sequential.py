"""Sequential: a stack of layers, each fed with the output of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from addax import saving, tree
from addax.layers.calls import set_mask
from addax.layers.core.input_layer import InputLayer
from addax.layers.layer import Layer
from addax.models.inputs import fit_rank
from addax.models.model import Model
from addax.models.replay import Replayed
from addax.ops.keras_tensor import KerasTensor
from addax.variables import layer_scope


class Sequential(Replayed, Model):
    """A stack of layers, each fed with the output of the one before.

    The weights are made when the shape of the input is known: at once if the first element is an `Input`, otherwise in
    the first call.

    Args:
        layers: The layers.
        trainable: Whether training changes the weights.
        name: A name, made up if not given.

    Raises:
        ValueError: If an element is not a layer, or two layers have the same name.

    Example:

    >>> model = addax.Sequential([addax.Input((4,)), addax.layers.Dense(8, activation="relu"), addax.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    >>> model(addax.ops.ones((2, 4))).shape
    (2, 3)
    """

    def __init__(self, layers: Iterable | None = None, trainable: bool = True, name: str | None = None):
        super().__init__(trainable=trainable, name=name)
        self._layers: list[Layer] = []
        self._tensors: list[Any] = []  # the input and the outputs of the layers, symbolic; empty until it is known
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer on top of the stack.

        Args:
            layer: A layer, or an `Input` at the bottom.
            rebuild: Whether to build it at once where the input's shape is known.

        Raises:
            ValueError: If it is not a layer, its name is taken, or it is an `Input` in the wrong place.
        """
        if isinstance(layer, KerasTensor):
            history = getattr(layer, "_keras_history", None)
            if history is not None and isinstance(history.operation, InputLayer):
                layer = history.operation
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Only instances of `addax.Layer` can be added to a Sequential model. Received: {layer} "
                f"(of type {type(layer)})"
            )
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"All layers added to a Sequential model should have unique names. Name '{layer.name}' is already the "
                "name of a layer in this model. Update the `name` argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._layers:
            first = self._layers[0]
            if isinstance(first, InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape "
                    f"{first.batch_shape}. You cannot add a different Input layer to it."
                )
            raise ValueError(f"Sequential model '{self.name}': an Input must be added first, before other layers.")
        if not self._layers and not isinstance(layer, InputLayer) and hasattr(layer, "_input_shape_arg"):
            self._layers.append(InputLayer(layer._input_shape_arg, dtype=layer.input_dtype))
        self._layers.append(layer)
        self._forget_steps()
        if rebuild:
            self._rebuild()

    def pop(self, rebuild: bool = True) -> Layer:
        """Takes the top layer off the stack and returns it.

        Args:
            rebuild: Kept for compatibility; the rest stays built.

        Raises:
            IndexError: If there is none.
        """
        if not self._layers:
            raise IndexError(f"Sequential model '{self.name}' has no layers to pop.")
        layer = self._layers.pop()
        del self._tensors[len(self._layers) :]
        self._forget_steps()
        if not self.layers:
            self._tensors = []
            self.built = False
        return layer

    def _rebuild(self) -> None:
        """Builds what is not built yet, if the input's shape is known."""
        if self.built:
            self._extend()
        elif len(self._layers) > 1 and isinstance(self._layers[0], InputLayer):
            self.build(self._layers[0].batch_shape)
        elif self._layers and isinstance(self._layers[0], Model):
            shape = getattr(self._layers[0], "input_shape", None)  # a nested model may know its input
            if isinstance(shape, tuple) and not any(isinstance(dim, tuple) for dim in shape):
                self.build(shape)

    def _extend(self) -> None:
        """Runs the layers that were not run yet on the symbolic output of those below."""
        with layer_scope(self.name):
            for layer in self._layers[len(self._tensors) :]:
                self._tensors.append(layer(self._tensors[-1]))

    def build(self, input_shape: Any = None) -> None:
        """Builds all layers.

        Args:
            input_shape: Shape of the input, with the batch axis; not needed if there is an `Input`.

        Raises:
            ValueError: If there are no layers, or there is an `Input` of another shape.
        """
        if not self.layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        first = self._layers[0]
        if not isinstance(first, InputLayer):
            if not isinstance(input_shape, (list, tuple)):
                raise ValueError(
                    f"Sequential model '{self.name}': build() needs the shape of the input, with the batch axis, such "
                    f"as (None, 4). Received: input_shape={input_shape}"
                )
            first = InputLayer(batch_shape=input_shape, dtype=self.compute_dtype)
            self._layers.insert(0, first)
        elif input_shape is not None and tuple(input_shape) != first.batch_shape:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape {first.batch_shape}. "
                f"You cannot build it with input_shape {tuple(input_shape)}"
            )
        self._tensors = [first.output]
        self._extend()

    def call(self, inputs, training=None, mask=None):
        """Runs the layers on the inputs."""
        x = self._checked(inputs)
        if mask is not None:
            set_mask(x, mask)  # masks travel with the tensors
        for layer in self._layers:
            if not isinstance(layer, InputLayer):
                x = layer(x)
        return x

    def _checked(self, inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)) and len(inputs) == 1 and self._tensors:
            inputs = inputs[0]
        if not self._tensors or not hasattr(inputs, "shape"):
            return inputs
        return fit_rank(inputs, self._tensors[0], self.name)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the stack, without the `Input`."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()` to change the "
            "layers in this model."
        )

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic input, in a list."""
        return [self._tensor(0, "inputs")]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs, flat."""
        return tree.flatten(self._tensor(-1, "outputs"))

    @property
    def input_shape(self) -> tuple:
        """The shape of the input, with the batch axis."""
        return self._tensor(0, "input shape").shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with the batch axis."""
        return tree.map_structure(lambda x: x.shape, self._tensor(-1, "output shape"))

    def _tensor(self, index: int, what: str) -> Any:
        if not self._tensors:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")
        return self._tensors[index]

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to: that of the first layer."""
        return self._layers[0].input_dtype if self._layers else super().input_dtype

    def get_config(self) -> dict:
        config = super().get_config()
        config["layers"] = [saving.serialize_keras_object(layer) for layer in self._layers]
        if self._tensors:
            config["build_input_shape"] = self.input_shape
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Sequential:
        """Makes a model of what `get_config` returned."""
        layers = [saving.deserialize_keras_object(layer, custom_objects=custom_objects) for layer in config["layers"]]
        model = cls(name=config.get("name"))
        for layer in layers:
            model.add(layer, rebuild=False)
        model._rebuild()
        shape = config.get("build_input_shape")
        if not model.built and layers and isinstance(shape, (list, tuple)):
            model.build(tuple(shape))
        if not config.get("trainable", True):
            model.trainable = False
        return model
