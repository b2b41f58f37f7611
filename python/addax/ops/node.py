"""Node: one symbolic call of an operation; KerasHistory: which call a KerasTensor came from."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from addax import tree
from addax.ops.keras_tensor import KerasTensor


class KerasHistory(NamedTuple):
    """Where a KerasTensor came from: output `tensor_index` of call `node_index` of `operation`."""

    operation: Any
    node_index: int
    tensor_index: int


class SymbolicArguments:
    """The arguments of a symbolic call, with the KerasTensors among them in order."""

    def __init__(self, *args, **kwargs):
        # Copies of the containers: changing a list after the call does not change the graph.
        self.args, self.kwargs = tree.map_structure(lambda x: x, (args, kwargs))
        self.keras_tensors = [x for x in tree.flatten((self.args, self.kwargs)) if isinstance(x, KerasTensor)]

    def fill_in(self, tensors: dict) -> tuple[tuple, dict]:
        """The arguments with each KerasTensor replaced by `tensors[id(it)]`, where that is given."""

        def value(x):
            return tensors.get(id(x), x) if isinstance(x, KerasTensor) else x

        return tree.map_structure(value, (self.args, self.kwargs))


class Node:
    """A call of an operation on KerasTensors: an edge bundle of the graph that a Function runs.

    An operation holds its nodes, a node the KerasTensors it was called with, a KerasTensor the operation that made it.
    The way back, from a node to its operation and outputs, is by weak references: a graph dies with its last tensor.

    Args:
        operation: The operation called; an input operation if there are no arguments.
        call_args: Its positional arguments.
        call_kwargs: Its keyword arguments.
        outputs: The KerasTensors it returned, in any structure.
    """

    def __init__(self, operation, call_args: tuple = (), call_kwargs: dict | None = None, outputs: Any = None):
        self._operation = weakref.ref(operation)
        self.arguments = SymbolicArguments(*call_args, **(call_kwargs or {}))
        self.parent_nodes: list[Node] = []
        outputs = [x for x in tree.flatten(outputs) if x is not None]
        for x in outputs:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"A symbolic call of {operation.name!r} must return KerasTensors only. Received: {x!r}"
                )
        node_index = len(operation._inbound_nodes)
        operation._inbound_nodes.append(self)
        for x in self.arguments.keras_tensors:
            history = getattr(x, "_keras_history", None)
            if history is not None:
                self.parent_nodes.append(history.operation._inbound_nodes[history.node_index])
        for i, x in enumerate(outputs):
            # A tensor that a call hands through keeps the call that made it.
            if x.record_history and not hasattr(x, "_keras_history"):
                x._keras_history = KerasHistory(operation, node_index, i)
        self._index = node_index
        self._outputs = [weakref.ref(x) for x in outputs]
        self._specs = [(x.shape, x.dtype, x.name) for x in outputs]

    @property
    def operation(self):
        """The operation called."""
        return self._operation()

    @property
    def outputs(self) -> list[KerasTensor]:
        """The KerasTensors returned; one that nobody held any more is made again."""
        outputs = [reference() for reference in self._outputs]
        for i, x in enumerate(outputs):
            if x is None:
                shape, dtype, name = self._specs[i]
                outputs[i] = x = KerasTensor(shape, dtype, name=name)
                x._keras_history = KerasHistory(self.operation, self._index, i)
                self._outputs[i] = weakref.ref(x)
        return outputs

    @property
    def input_tensors(self) -> list[KerasTensor]:
        """The KerasTensors among the arguments."""
        return self.arguments.keras_tensors

    @property
    def output_tensors(self) -> list[KerasTensor]:
        """The KerasTensors returned."""
        return self.outputs

    @property
    def is_input(self) -> bool:
        """Whether the node has no tensor arguments: an entrance of the graph."""
        return not self.arguments.keras_tensors

    def __repr__(self) -> str:
        name = getattr(self.operation, "name", None)
        return f"<Node operation={name}, id={id(self)}>"
