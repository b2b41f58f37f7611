"""Functional: a model made of the graph between input and output KerasTensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax import tree
from addax.layers.calls import set_mask
from addax.layers.core.input_layer import InputLayer
from addax.layers.layer import Layer
from addax.models.functional_config import graph_config, has_graph_constructor
from addax.models.inputs import fit_rank
from addax.models.model import Model
from addax.models.replay import Replayed
from addax.ops.function import Function
from addax.ops.keras_tensor import KerasTensor


class Functional(Replayed, Function, Model):
    """A model made of the graph between inputs and outputs; what `Model(inputs, outputs)` returns.

    Args:
        inputs: KerasTensors from `Input`, in any structure.
        outputs: KerasTensors computed from them, in any structure.
        name: A name, made up if not given.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an output does not follow from the inputs alone.

    Example:

    >>> x = addax.Input((4,), name="x")
    >>> hidden = addax.layers.Dense(8, activation="relu")(x)
    >>> model = addax.Model(x, {"scores": addax.layers.Dense(3)(hidden), "hidden": hidden})
    >>> model({"x": addax.ops.ones((2, 4))})["scores"].shape
    (2, 3)
    """

    # Those of Function know nothing of training, masks and casts.
    compute_output_spec = Layer.compute_output_spec
    compute_output_shape = Layer.compute_output_shape
    # Named here: a config of this class holds a graph, not arguments of the constructor.
    from_config = classmethod(Model.from_config.__func__)

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs):
        for what, tensors in (("inputs", inputs), ("outputs", outputs)):
            for x in tree.flatten(tensors):
                if not isinstance(x, KerasTensor):
                    raise ValueError(
                        f"All `{what}` values must be KerasTensors. Received: {what}={tensors} including invalid value "
                        f"{x} of type {type(x)}"
                    )
        trainable = kwargs.pop("trainable", None)
        dtype = kwargs.pop("dtype", None)
        Function.__init__(self, inputs, outputs, name=name)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        if dtype is not None:
            self.dtype_policy = dtype
        if trainable is not None:
            self.trainable = trainable
        self.built = True
        self._build_shapes = {"input_shape": None}  # the graph knows

    def call(self, inputs, training=None, mask=None):
        """Runs the graph."""
        tensors = self._flat_inputs(inputs)
        if mask is not None:
            for x, one in zip(tensors, tree.flatten(mask), strict=False):
                set_mask(x, one)
        return self._run_through_graph(tensors, lambda operation: operation, self._calls_for(training))

    def _calls_for(self, training: bool | None) -> Callable | None:
        """What calls the operations: a call for training or for use overrides what the graph remembers of that."""
        if training is None:
            return None

        def call(operation, *args, **kwargs):
            if "training" in kwargs:
                kwargs["training"] = training
            return operation(*args, **kwargs)

        return call

    def _flat_inputs(self, inputs: Any) -> list:
        """The inputs in the order of the graph's, from the same structure, a list, or a dict by names."""
        names = self.input_names
        if isinstance(inputs, dict) and not isinstance(self._inputs_struct, dict):
            missing = [name for name in names if name not in inputs]
            tensors = [] if missing else [inputs[name] for name in names]
        elif isinstance(inputs, dict):
            missing = [key for key in self._inputs_struct if key not in inputs]
            tensors = [] if missing else tree.flatten({key: inputs[key] for key in self._inputs_struct})
        else:
            missing = []
            tensors = tree.flatten(inputs)
        if missing:
            raise ValueError(
                f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. '
                f"Expected the following keys: {names}"
            )
        if len(tensors) != len(self._inputs):
            raise ValueError(
                f'Layer "{self.name}" expects {len(self._inputs)} input(s), but it received {len(tensors)} input '
                f"tensors. The inputs are {names}"
            )
        return [x if x is None else fit_rank(x, own, self.name) for x, own in zip(tensors, self._inputs, strict=True)]

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph, inputs first."""
        return [operation for operation in self._operations if isinstance(operation, Layer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def input(self) -> Any:
        """The symbolic inputs, in their structure."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic outputs, in their structure."""
        return self._outputs_struct

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs; of one input, its shape."""
        return _only([x.shape for x in self._inputs], self._inputs_struct)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs; of one output, its shape."""
        return _only([x.shape for x in self._outputs], self._outputs_struct)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [_operation_of(x).name if isinstance(_operation_of(x), InputLayer) else x.name for x in self._inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that make the outputs."""
        return [_operation_of(x).name for x in self._outputs]

    def get_config(self) -> dict:
        """Returns the graph: its layers, how they are called, its inputs and outputs.

        For a subclass with a constructor of its own, the arguments of that.
        """
        if has_graph_constructor(type(self)):
            return {"name": self.name, "trainable": self.trainable, **graph_config(self)}
        return self._constructor_config(super().get_config())


def _operation_of(x: KerasTensor) -> Any:
    return x._keras_history.operation


def _only(shapes: list, structure: Any) -> Any:
    return shapes[0] if len(shapes) == 1 else tree.pack_sequence_as(tree.map_structure(lambda x: 0, structure), shapes)
