"""What is done to the nodes of a graph after lowering: transposes move behind what works element by element and meet
others, which they cancel; biases join their convolutions; what nothing reads goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from addax.export.onnx.table import Body, Node, Shared

# Nodes that work element by element, on inputs that broadcast.
_ELEMENTWISE = {
    *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd", "BitwiseNot"),
    *("BitwiseOr", "BitwiseXor", "Cast", "Ceil", "Clip", "Cos", "Cosh", "Div", "Equal", "Erf", "Exp", "Floor", "Gelu"),
    *("Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg"),
    *("Not", "Or", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Sqrt", "Sub"),
    *("Tan", "Tanh", "Where", "Xor"),
}


def clean(nodes: Sequence[Node], shared: Shared, outputs: Sequence[str]) -> list[Node]:
    """Returns the nodes after the clean-up.

    Args:
        nodes: Of the graph, in order.
        shared: Its inputs and initializers; transposed ones are added.
        outputs: Names of its outputs, each made by an Identity of its own.
    """
    moved = _drop_unread(_sink_transposes(nodes, shared), outputs)
    joined = _join_biases(moved, shared)
    return _drop_unread(_name_outputs(joined, shared, outputs), outputs)


def _sink_transposes(nodes: Sequence[Node], shared: Shared) -> list[Node]:
    """Every value that is another one transposed is known as such; who can, works on that one."""
    made: list[Node] = []
    sources: dict[str, tuple[str, tuple[int, ...]]] = {}  # name -> what it is a transpose of, and how
    aliases: dict[str, str] = {}

    def source(name: str) -> tuple[str, tuple[int, ...]] | None:
        return sources.get(name)

    for node in nodes:
        node = _renamed(node, aliases)
        if node.op == "Transpose":
            of, before = sources.get(node.inputs[0], (node.inputs[0], None))
            perm = tuple(node.attrs["perm"])
            perm = perm if before is None else tuple(before[axis] for axis in perm)
            if perm == tuple(range(len(perm))):
                aliases[node.outputs[0]] = of
                continue
            sources[node.outputs[0]] = of, perm
            made.append(Node("Transpose", [of], node.outputs, {"perm": list(perm)}))
            continue
        found = [source(name) for name in node.inputs]
        first = next((f for f in found if f), None)
        if node.op in _ELEMENTWISE and first:
            perm = first[1]
            inputs = [_before(n, f, perm, shared) for n, f in zip(node.inputs, found, strict=True)]
            if all(name is not None for name in inputs):
                name = shared.name(node.op)
                shared.dtypes[name] = shared.dtypes[node.outputs[0]]
                made.append(Node(node.op, [n for n in inputs if n is not None], [name], node.attrs))
                made.append(Node("Transpose", [name], node.outputs, {"perm": list(perm)}))
                sources[node.outputs[0]] = name, perm
                continue
        made.append(node)
    return made


def _before(name: str, found: tuple | None, perm: tuple[int, ...], shared: Shared) -> str | None:
    """What, transposed, an operand is; `None` if nothing is."""
    if not name:
        return name
    if found:
        return found[0] if found[1] == perm else None
    array = shared.initializers.get(name)
    if array is None or array.ndim > len(perm):
        return None
    if array.size == 1 and array.ndim == 0:
        return name
    whole = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    return _initializer(shared, name, whole.transpose(np.argsort(perm)))


def _initializer(shared: Shared, of: str, array: np.ndarray) -> str:
    name = shared.name(f"{of}_aligned")
    shared.initializers[name] = np.ascontiguousarray(array)
    shared.dtypes[name] = shared.dtypes[of]
    return name


def _join_biases(nodes: Sequence[Node], shared: Shared) -> list[Node]:
    """An Add of one number per channel behind a convolution becomes its bias."""
    readers: dict[str, int] = {}
    for node in nodes:
        for name in _reads(node):
            readers[name] = readers.get(name, 0) + 1
    convolutions = {n.outputs[0]: n for n in nodes if n.op in ("Conv", "ConvTranspose") and len(n.inputs) == 2}
    made: list[Node] = []
    for node in nodes:
        if node.op == "Add":
            for x, bias in (node.inputs, node.inputs[::-1]):
                convolution, array = convolutions.get(x), shared.initializers.get(bias)
                if convolution is None or array is None or readers[x] != 1:
                    continue
                channels = _channels(convolution, shared)
                rank = len(convolution.attrs["strides"]) + 2
                if channels and array.shape == (1, channels, *[1] * (rank - 2)):
                    name = _initializer(shared, bias, array.reshape(-1))
                    made = [n for n in made if n is not convolution]
                    made.append(Node(convolution.op, [*convolution.inputs, name], node.outputs, convolution.attrs))
                    break
            else:
                made.append(node)
            continue
        made.append(node)
    return made


def _channels(node: Node, shared: Shared) -> int:
    filters = shared.initializers.get(node.inputs[1])
    if filters is None:
        return 0
    return filters.shape[0] if node.op == "Conv" else filters.shape[1] * node.attrs["group"]


def _name_outputs(nodes: Sequence[Node], shared: Shared, outputs: Sequence[str]) -> list[Node]:
    """What an output is the Identity of is named as it, unless it is an input, a constant or another output."""
    own = {name for node in nodes for name in node.outputs if name}
    names: dict[str, str] = {}
    for node in nodes:
        if node.op == "Identity" and node.outputs[0] in outputs:
            of = node.inputs[0]
            if of in own and of not in names and of not in outputs:
                names[of] = node.outputs[0]
    made = []
    for node in nodes:
        if node.op == "Identity" and names.get(node.inputs[0]) == node.outputs[0]:
            continue
        made.append(_renamed(node, names))
    return made


def _drop_unread(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    read = set(outputs)
    made = []
    for node in reversed(nodes):
        if not any(name in read for name in node.outputs):
            continue
        # Of several outputs those at the end need no name if nothing reads them; an empty name leaves one out.
        if node.op in ("RNN", "LSTM", "GRU"):
            node.outputs = [name if name in read else "" for name in node.outputs]
        read.update(_reads(node))
        made.append(node)
    return made[::-1]


def _reads(node: Node) -> list[str]:
    """All names that a node reads, in its bodies too."""
    names = [name for name in node.inputs if name]
    for value in node.attrs.values():
        if isinstance(value, Body):
            names += [x.name for x in value.outputs]
            names += [name for inner in value.nodes for name in _reads(inner)]
    return names


def _renamed(node: Node, names: dict[str, str]) -> Node:
    """The node with other names for what it reads and makes."""
    if not names:
        return node

    def attr(value: Any) -> Any:
        if not isinstance(value, Body):
            return value
        for x in value.outputs:
            x.name = names.get(x.name, x.name)
        return Body(value.name, value.inputs, value.outputs, [_renamed(n, names) for n in value.nodes])

    attrs = {key: attr(value) for key, value in node.attrs.items()}
    return Node(node.op, [names.get(n, n) for n in node.inputs], [names.get(n, n) for n in node.outputs], attrs)
