"""The table that `model.summary()` prints."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from addax import tree
from addax.layers.layer import Layer
from addax.variables import Variable

# Where the columns end, as fractions of the line: layer, shape, parameters(, connections).
_POSITIONS = [0.45, 0.80, 1.0]
_POSITIONS_OF_GRAPH = [0.3, 0.56, 0.74, 1.0]
_LINE_LENGTH, _LINE_LENGTH_OF_GRAPH, _TRAINABLE_LENGTH = 88, 108, 12
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: list[str] | None = None,
) -> None:
    """Prints the table of a model; the arguments are those of `Model.summary`."""
    import rich.console
    import rich.markup
    import rich.table

    console = rich.console.Console(highlight=False, file=io.StringIO() if print_fn else None)
    connections = None if _is_stack(model) else _connections(model)
    if positions is None:
        positions = list(_POSITIONS if connections is None else _POSITIONS_OF_GRAPH)
        length = line_length or (_LINE_LENGTH if connections is None else _LINE_LENGTH_OF_GRAPH)
        if show_trainable:
            positions = [p * 0.9 for p in positions] + [1.0]
            length += 0 if line_length else _TRAINABLE_LENGTH
    else:
        length = line_length or _LINE_LENGTH
    if line_length is None:
        length = min(length, console.width - 4)
    if positions[-1] <= 1:
        positions = [int(length * p) for p in positions]
    headers = ["Layer (type)", "Output Shape", "Param #"]
    if connections is not None:
        headers.append("Connected to")
    if show_trainable:
        headers.append("Trainable")
    if len(positions) < len(headers):
        raise ValueError(f"summary: expected {len(headers)} positions, one for each column. Received: {positions}")

    table = rich.table.Table(width=length, show_lines=True)
    start = 0
    for header, position in zip(headers, positions, strict=False):
        width = int(position) - start
        start = int(position)
        if width <= 0:
            raise ValueError("Insufficient console width to print summary.")
        justify = {"Param #": "right", "Trainable": "center"}.get(header, "left")
        table.add_column(header, width=width, justify=justify)
    for layer, depth in _rows(model, layer_range, expand_nested):
        prefix = "   " * depth + ("└ " if depth else "")
        cells = [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(layer), _count(layer)]
        if connections is not None:
            cells.append(connections.get(id(layer), "-"))
        if show_trainable:
            cells.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        table.add_row(*[rich.markup.escape(cell) for cell in cells])
    console.print(f'[bold]Model: "{rich.markup.escape(model.name)}"[/bold]')
    console.print(table)
    for line in _totals(model):
        console.print(f" {line}")
    if print_fn is not None:
        print_fn(console.file.getvalue())


def _is_stack(model: Any) -> bool:
    from addax.models.functional import Functional

    if not isinstance(model, Functional):
        return True
    # A chain is shown like a Sequential.
    return all(
        len(nodes) == 1 and len({id(x._keras_history.operation) for x in nodes[0].input_tensors}) <= 1
        for nodes in model._nodes_by_depth.values()
    )


def _connections(model: Any) -> dict[int, str]:
    """The tensors that each layer of a graph gets, as `layer[call][output]`."""
    own = {id(node) for node in model._nodes}
    texts = {}
    for layer in model.layers:
        sources = []
        for node in layer._inbound_nodes:
            if id(node) in own:
                for x in node.input_tensors:
                    history = x._keras_history
                    sources.append(f"{history.operation.name}[{history.node_index}][{history.tensor_index}]")
        texts[id(layer)] = ", ".join(sources) or "-"
    return texts


def _rows(model: Any, layer_range: list[str] | None, expand_nested: bool) -> Iterator[tuple[Layer, int]]:
    """The layers to show, each with how deep it is nested."""
    layers = model.layers
    if layer_range is not None:
        if len(layer_range) != 2:
            raise ValueError(
                "layer_range must be a list or tuple of length 2. "
                f"Received: layer_range = {layer_range} of length {len(layer_range)}"
            )
        first = [i for i, layer in enumerate(layers) if re.match(layer_range[0], layer.name)]
        last = [i for i, layer in enumerate(layers) if re.match(layer_range[1], layer.name)]
        if not first or not last:
            raise ValueError(f"Passed layer_names do not match the layer names in the model. Received: {layer_range}")
        layers = layers[min(*first, *last) : max(*first, *last) + 1]
    stack = [(layer, 0) for layer in reversed(layers)]
    while stack:
        layer, depth = stack.pop()
        yield layer, depth
        if expand_nested and hasattr(layer, "layers"):
            stack.extend((inner, depth + 1) for inner in reversed(layer.layers))


def _output_shape(layer: Any) -> str:
    if layer._inbound_nodes:
        shapes = {_shape_text([x.shape for x in node.outputs]) for node in layer._inbound_nodes}
        return shapes.pop() if len(shapes) == 1 else "multiple"
    if not layer._build_shapes:
        return "?"
    try:
        return _shape_text(layer.compute_output_shape(**layer._build_shapes))
    except Exception:
        return "?"  # the layer runs on something else than floats of the shapes that it was built with


def _shape_text(shapes: Any) -> str:
    if isinstance(shapes, list) and len(shapes) == 1:
        shapes = shapes[0]
    return str(shapes if isinstance(shapes, tuple) else tree.map_shape_structure(lambda s: s, shapes)).replace("'", "")


def _count(layer: Layer) -> str:
    if not layer.built or any(not inner.built for inner in layer._tree()):
        return "0 (unbuilt)" if not layer.weights else f"{_size(layer.weights):,} (partly unbuilt)"
    return f"{_size(layer.weights):,}"


def _totals(model: Any) -> list[str]:
    trainable = model.trainable_weights
    other = model.non_trainable_weights
    parts = {"Total params": [*trainable, *other], "Trainable params": trainable, "Non-trainable params": other}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        parts["Optimizer params"] = optimizer.variables
        parts["Total params"] = [*parts["Total params"], *optimizer.variables]
    return [f"[bold]{name}:[/bold] {_size(v):,} ({_memory(v)})" for name, v in parts.items()]


def _size(variables: list[Variable]) -> int:
    return sum(math.prod(v.shape) for v in variables)


def _memory(variables: list[Variable]) -> str:
    """The bytes that variables take, in a unit that suits."""
    amount = float(sum(v._box.peek().nbytes for v in variables))
    unit = 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.2f} {_UNITS[unit]}"
