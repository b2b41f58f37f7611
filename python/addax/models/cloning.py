"""clone_model: the same architecture with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax import saving, tree
from addax.layers.core.input_layer import InputLayer
from addax.layers.layer import Layer
from addax.models.functional import Functional
from addax.models.model import Model
from addax.models.sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable | None = None,
    recursive: bool = False,
    **kwargs,
) -> Model:
    """Returns a model of the same architecture with new layers and new weights.

    Args:
        model: A `Sequential` model or one made of a graph; another one is made again from its config.
        input_tensors: KerasTensors to use as inputs of the clone.
        clone_function: Makes the new layer for a layer (not for inputs); by default from its config.
        call_function: Called as `call_function(layer, *args, **kwargs)` to make each call of a graph.
        recursive: Whether `clone_function` is also called for the layers inside nested models.

    Returns:
        The clone, not compiled.

    Raises:
        ValueError: If an argument does not suit the kind of model.

    Example:

    >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2, name="scores")])
    >>> addax.models.clone_model(model).layers[0].name
    'scores'
    """
    if kwargs:
        raise ValueError(f"clone_model: unexpected arguments {sorted(kwargs)}")

    def clone(layer: Layer) -> Layer:
        if isinstance(layer, InputLayer):
            return layer
        if recursive and isinstance(layer, (Sequential, Functional)):
            return clone_model(layer, clone_function=clone_function, call_function=call_function, recursive=True)
        if clone_function is not None:
            return clone_function(layer)
        return _from_config(layer)

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("`call_function` argument is not supported with Sequential models.")
        return _clone_sequential(model, clone, input_tensors)
    if isinstance(model, Functional):
        return _clone_functional(model, clone, call_function, input_tensors)
    if clone_function is not None or call_function is not None or input_tensors is not None:
        raise ValueError(
            "clone_model: a subclassed model is made again from its config; `input_tensors`, `clone_function` and "
            f"`call_function` are for models made of a graph. Received: model={model}"
        )
    return _from_config(model)


def _from_config(layer: Layer) -> Layer:
    config = saving.serialize_keras_object(layer)
    for key in ("build_config", "compile_config"):
        config.pop(key, None)
    # A class that no file may name is known here all the same.
    return saving.deserialize_keras_object(config, custom_objects={type(layer).__name__: type(layer)})


def _clone_sequential(model: Sequential, clone: Callable, input_tensors: Any) -> Sequential:
    layers: list = [clone(layer) for layer in model.layers]
    if input_tensors is not None:
        tensors = tree.flatten(input_tensors)
        if len(tensors) != 1:
            raise ValueError(
                f"Argument `input_tensors` must contain a single tensor. Received: input_tensors={input_tensors}"
            )
        layers.insert(0, tensors[0])
    elif isinstance(model._layers[0] if model._layers else None, InputLayer):
        layers.insert(0, InputLayer(batch_shape=model._layers[0].batch_shape, dtype=model._layers[0].dtype))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(model: Functional, clone: Callable, call_function: Callable | None, input_tensors: Any) -> Model:
    if input_tensors is None:
        input_tensors = tree.map_structure(
            lambda x: InputLayer(batch_shape=x.shape, dtype=x.dtype, name=x._keras_history.operation.name).output,
            model._inputs_struct,
        )
    clones: dict[int, Any] = {}

    def operation_fn(operation):
        if id(operation) not in clones:
            clones[id(operation)] = clone(operation) if isinstance(operation, Layer) else operation
        return clones[id(operation)]

    outputs = model._run_through_graph(input_tensors, operation_fn, call_function)
    return Functional(input_tensors, outputs, name=model.name, trainable=model.trainable)
