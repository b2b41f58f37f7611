"""Function: a graph of operations from input to output KerasTensors, run on real or symbolic tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from addax import tree
from addax.ops.convert import as_tensor
from addax.ops.keras_tensor import KerasTensor
from addax.ops.node import KerasHistory, Node
from addax.ops.operation import Operation
from addax.ops.symbolic import compute_output_spec


class _InputOperation(Operation):
    """Stands for an input KerasTensor that nothing made."""

    def __init__(self, tensor: KerasTensor):
        super().__init__(name=tensor.name)
        self._init_arguments = ((), {})  # the tensor holds the operation, not the other way round
        Node(self, outputs=tensor)

    def call(self, *args):
        raise RuntimeError(f"Input {self.name!r} is an entrance of a graph and computes nothing")


class Function(Operation):
    """A computation given by its symbolic inputs and outputs.

    Args:
        inputs: KerasTensors in any structure; they may stand inside a larger graph.
        outputs: KerasTensors computed from them, in any structure.
        name: A name, made up if not given.

    Raises:
        ValueError: If an output does not follow from the inputs alone.

    Example:

    >>> x = addax.KerasTensor((None, 2))
    >>> f = addax.Function(x, {"sum": addax.ops.sum(x, axis=1)})
    >>> f(addax.ops.ones((1, 2)))["sum"].tolist()
    [2.0]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None):
        super().__init__(name=name)
        self._inputs_struct = tree.map_structure(lambda x: x, inputs)
        self._outputs_struct = tree.map_structure(lambda x: x, outputs)
        self._inputs = tree.flatten(inputs)
        self._outputs = tree.flatten(outputs)
        if not self._inputs:
            raise ValueError("Function: expected at least one input, got none")
        if not self._outputs:
            raise ValueError("Function: expected at least one output, got none")
        for x in self._inputs + self._outputs:
            if not isinstance(x, KerasTensor):
                raise ValueError(f"Function: expected KerasTensors as inputs and outputs. Received: {x!r}")
        for x in self._inputs:
            if not hasattr(x, "_keras_history"):
                _InputOperation(x)
        graph = _map_graph(self._inputs, self._outputs)
        self._nodes, self._nodes_by_depth, self._operations, self._operations_by_depth = graph
        # Nodes only refer to their outputs; runs know values by the identity of these.
        self._tensors = [x for node in self._nodes for x in node.outputs]

    @property
    def operations(self) -> list[Operation]:
        """The operations of the graph, inputs first."""
        return self._operations[:]

    @property
    def inputs(self) -> list[KerasTensor]:
        """The input KerasTensors, flat."""
        return self._inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The output KerasTensors, flat."""
        return self._outputs

    def call(self, inputs):
        """Computes the outputs of the inputs."""
        inputs = tree.map_structure(lambda x: x if hasattr(x, "shape") else as_tensor(x), inputs)
        self._check_inputs(inputs)
        return self._run_through_graph(inputs, operation_fn=lambda operation: operation)

    def compute_output_spec(self, inputs):
        """Returns KerasTensors of the shapes and dtypes that the call returns."""
        self._check_inputs(inputs)
        if all(x.shape == own.shape for x, own in zip(tree.flatten(inputs), self._inputs, strict=True)):
            return tree.map_structure(lambda x: KerasTensor(x.shape, x.dtype), self._outputs_struct)
        return compute_output_spec(self.call, inputs)

    def compute_output_shape(self, input_shape):
        """Returns the shape(s) of the outputs for input(s) of the given shape(s)."""
        shapes = tree.map_shape_structure(_Shape, input_shape)
        tree.assert_same_structure(self._inputs_struct, shapes)
        inputs = tree.map_structure(lambda x, s: KerasTensor(s.dims, x.dtype), self._inputs_struct, shapes)
        return tree.map_structure(lambda x: x.shape, self.compute_output_spec(inputs))

    def _run_through_graph(self, inputs, operation_fn: Callable, call_fn: Callable | None = None):
        """Runs the operations in order.

        Args:
            inputs: Tensors in the structure of the graph's inputs.
            operation_fn: Given an operation, returns what to call in its place.
            call_fn: Called as `call_fn(operation, *args, **kwargs)` to make a call, in place of the operation.
        """
        values = {id(x): value for x, value in zip(self._inputs, tree.flatten(inputs), strict=True)}
        for node in self._nodes:
            if node.is_input or all(id(x) in values for x in node.outputs):
                continue
            args, kwargs = node.arguments.fill_in(values)
            operation = operation_fn(node.operation)
            result = operation(*args, **kwargs) if call_fn is None else call_fn(operation, *args, **kwargs)
            made = [x for x in tree.flatten(result) if x is not None]
            for x, value in zip(node.outputs, made, strict=True):
                values.setdefault(id(x), value)
        return tree.map_structure(lambda x: values[id(x)], self._outputs_struct)

    def _check_inputs(self, inputs) -> None:
        try:
            tree.assert_same_structure(self._inputs_struct, inputs)
        except ValueError:
            raise ValueError(
                f"{self.name}: the inputs have another structure. Expected {self._inputs_struct}, received {inputs}"
            ) from None
        for x, own in zip(tree.flatten(inputs), self._inputs, strict=True):
            shape = tuple(x.shape)
            if len(shape) != len(own.shape) or any(
                a is not None and b is not None and a != b for a, b in zip(shape, own.shape, strict=True)
            ):
                raise ValueError(
                    f"{self.name}: input {own.name!r} expects shape {own.shape}, received a tensor of shape {shape}"
                )


class _Shape:
    """Keeps a shape one leaf."""

    def __init__(self, dims):
        self.dims = tuple(dims)


def _history(x: KerasTensor) -> KerasHistory | None:
    return getattr(x, "_keras_history", None)


def _node_of(x: KerasTensor) -> Node | None:
    history = _history(x)
    return None if history is None else history.operation._inbound_nodes[history.node_index]


def _map_graph(inputs: list[KerasTensor], outputs: list[KerasTensor]):
    """Finds the nodes between inputs and outputs.

    Returns the nodes in an order in which they can run, the same by depth (0 are the last), the operations in that
    order, and those by depth. Raises ValueError if an output needs a tensor that the inputs do not give.
    """
    given = {id(x) for x in inputs}
    order, depths = _sorted_nodes(given, outputs)
    for x in inputs:
        node = _node_of(x)
        if node not in depths:
            order.insert(0, node)
            depths[node] = 0
    # Depth is the distance from the end: a node runs before every node that uses its outputs. As in Keras, whose files
    # list operations in this order, a node lies no nearer to the end than later calls of its operation.
    entrances = {_node_of(x) for x in inputs}
    operation_depths: dict[Operation, int] = {}
    for node in reversed(order):
        depth = depths[node] = max(depths[node], operation_depths.get(node.operation, 0))
        operation_depths[node.operation] = depth
        if node not in entrances:
            for x in node.input_tensors:
                parent = _node_of(x)
                depths[parent] = max(depths[parent], depth + 1)
    nodes = sorted(order, key=lambda node: -depths[node])  # stable: the order of discovery among equals
    nodes_by_depth = defaultdict(list)
    for node in nodes:
        nodes_by_depth[depths[node]].append(node)
    found = dict.fromkeys(node.operation for node in nodes)
    operations = sorted(found, key=lambda operation: -operation_depths[operation])
    operations_by_depth = defaultdict(list)
    for operation in operations:
        operations_by_depth[operation_depths[operation]].append(operation)
    return nodes, nodes_by_depth, operations, operations_by_depth


def _sorted_nodes(given: set[int], outputs: list[KerasTensor]) -> tuple[list[Node], dict[Node, int]]:
    """The nodes that the outputs need, parents first (without recursion: graphs are deep), each with depth 0."""
    order: list[Node] = []
    depths: dict[Node, int] = {}
    entered: set[Node] = set()
    stack = [(x, False) for x in reversed(outputs)]
    while stack:
        x, done = stack.pop()
        node = _node_of(x)
        if node is None or (node.is_input and id(x) not in given):
            raise ValueError(
                f"Function: the graph is disconnected, {x!r} is needed but follows from none of the inputs"
            )
        if node in depths:
            continue
        if done or id(x) in given:
            order.append(node)
            depths[node] = 0
        elif node not in entered:
            entered.add(node)
            stack.append((x, True))
            stack.extend((parent, False) for parent in reversed(node.input_tensors))
    return order, depths
