"""A graph of layers as a config and back, in the structure that Keras writes.

The config lists the operations, each with its calls ("inbound nodes"). A tensor in the arguments of a call is named by
`[operation, call, output]`.
"""

from __future__ import annotations

import inspect
from typing import Any

from addax import saving, tree
from addax.layers.core.input_layer import InputLayer
from addax.ops.keras_tensor import KerasTensor
from addax.ops.operation import FunctionOperation, is_operation, operation_class


def has_graph_constructor(cls: type) -> bool:
    """Whether a class is made of inputs and outputs, as `Functional` is."""
    parameters = list(inspect.signature(cls.__init__).parameters)
    return parameters[1:3] == ["inputs", "outputs"]


def graph_config(model: Any) -> dict:
    """The graph of a Functional model."""
    own = {id(node) for node in model._nodes}
    # An operation may have calls outside of this model: calls are counted anew.
    calls: dict[tuple[int, int], int] = {}
    for operation in model._operations:
        inside = [i for i, node in enumerate(operation._inbound_nodes) if id(node) in own]
        calls.update({(id(operation), i): new for new, i in enumerate(inside)})

    def history(x: KerasTensor) -> list:
        operation, i, output = x._keras_history
        return [operation.name, calls[id(operation), i], output]

    def argument(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            config = {"shape": x.shape, "dtype": x.dtype, "keras_history": history(x)}
            return {"class_name": "__keras_tensor__", "config": config}
        return saving.serialize_keras_object(x)

    layers = []
    for operation in model._operations:
        nodes = [node for node in operation._inbound_nodes if id(node) in own and not node.is_input]
        arguments = [tree.map_structure(argument, (node.arguments.args, node.arguments.kwargs)) for node in nodes]
        entry = _operation_config(operation)  # not copied: it is marked if the operation is written again elsewhere
        entry["name"] = operation.name
        entry["inbound_nodes"] = [{"args": args, "kwargs": kwargs} for args, kwargs in arguments]
        layers.append(entry)
    return {
        "layers": layers,
        "input_layers": tree.map_structure(history, model._inputs_struct),
        "output_layers": tree.map_structure(history, model._outputs_struct),
    }


def _operation_config(operation: Any) -> dict:
    if isinstance(operation, FunctionOperation):
        module, class_name = operation.keras_path
        return {
            "module": module,
            "class_name": class_name,
            "config": saving.serialize_keras_object(operation.get_config()),
            "registered_name": class_name,
        }
    return saving.serialize_keras_object(operation)


def model_from_graph_config(cls: type, config: dict, custom_objects: dict | None = None) -> Any:
    """Makes a model of what `graph_config` returned.

    Args:
        cls: The class of the model.
        config: The config.
        custom_objects: Further classes and functions by name.

    Raises:
        ValueError: If a call needs a tensor that nothing makes.
    """
    from addax.models.functional import Functional
    from addax.models.model import Model

    with saving.custom_object_scope(custom_objects or {}):
        operations = {entry["name"]: _make_operation(entry) for entry in config["layers"]}
        tensors = _run_calls(config["layers"], operations)

    def tensor(history: _History) -> KerasTensor:
        return tensors[history.operation, history.call][history.output]

    inputs, outputs = (
        tree.map_structure(tensor, _with_histories(config[key])) for key in ("input_layers", "output_layers")
    )
    cls = Functional if cls is Model else cls
    settings = {key: value for key, value in config.items() if key in ("name", "trainable")}
    return cls(inputs, outputs, **settings)


def _make_operation(entry: dict) -> Any:
    module, class_name = entry.get("module"), entry["class_name"]
    if is_operation(module, class_name):
        return operation_class(module, class_name).from_config(saving.deserialize_keras_object(entry["config"]))
    return saving.deserialize_keras_object({k: v for k, v in entry.items() if k not in ("name", "inbound_nodes")})


def _run_calls(entries: list[dict], operations: dict[str, Any]) -> dict[tuple[str, int], list[KerasTensor]]:
    """Makes all calls, each as soon as its arguments are there, and those of one operation in order."""
    tensors: dict[tuple[str, int], list[KerasTensor]] = {}
    waiting: list[tuple[str, int, dict]] = []
    for entry in entries:
        name = entry["name"]
        if isinstance(operations[name], InputLayer):
            tensors[name, 0] = [operations[name].output]
        waiting.extend((name, i, node) for i, node in enumerate(entry["inbound_nodes"]))
    while waiting:
        left = []
        for name, i, node in waiting:
            needed = [_History(*x["keras_history"]) for x in _tensor_configs(node)]
            if all((x.operation, x.call) in tensors for x in needed) and (i == 0 or (name, i - 1) in tensors):
                args, kwargs = (_arguments(node[key], tensors) for key in ("args", "kwargs"))
                tensors[name, i] = tree.flatten(operations[name](*args, **kwargs))
            else:
                left.append((name, i, node))
        if len(left) == len(waiting):
            raise ValueError(
                f"The config of the graph is damaged: calls of {sorted({name for name, _, _ in left})} need tensors "
                "that nothing makes."
            )
        waiting = left
    return tensors


class _History:
    """The name of a tensor; a leaf of structures, which a list would not be."""

    def __init__(self, operation: str, call: int, output: int):
        self.operation, self.call, self.output = operation, call, output


def _with_histories(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _with_histories(value) for key, value in structure.items()}
    if len(structure) == 3 and isinstance(structure[0], str):
        return _History(*structure)
    return [_with_histories(value) for value in structure]


def _is_tensor_config(x: Any) -> bool:
    return isinstance(x, dict) and x.get("class_name") == "__keras_tensor__"


def _tensor_configs(x: Any) -> list[dict]:
    if _is_tensor_config(x):
        return [x["config"]]
    if isinstance(x, dict):
        x = list(x.values())
    return [config for item in x for config in _tensor_configs(item)] if isinstance(x, (list, tuple)) else []


def _arguments(x: Any, tensors: dict) -> Any:
    """The arguments of a call with the tensors in their places."""
    if _is_tensor_config(x):
        history = _History(*x["config"]["keras_history"])
        return tensors[history.operation, history.call][history.output]
    if isinstance(x, (list, tuple)):
        return [_arguments(item, tensors) for item in x]
    if isinstance(x, dict) and "class_name" not in x:
        return {key: _arguments(item, tensors) for key, item in x.items()}
    return saving.deserialize_keras_object(x)
