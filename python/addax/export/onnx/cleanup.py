"""What is done to the nodes of a graph after lowering: transposes move behind what works element by element and meet
others, which they cancel; biases join their convolutions; what nothing reads goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


Perm = tuple[int, ...]


def _sink_transposes(nodes: Sequence[Node], shared: Shared) -> list[Node]:
    """Every value that is another one transposed is known as such; who can, works on that one."""
    made: list[Node] = []
    sources: dict[str, tuple[str, Perm]] = {}  # name -> what it is a transpose of, and how
    aliases: dict[str, str] = {}

    def transpose(of: str, perm: Perm, name: str) -> None:
        """Makes a value a transpose of another: of what that is a transpose of, if it is."""
        source, before = sources.get(of, (of, tuple(range(len(perm)))))
        perm = tuple(before[axis] for axis in perm)
        if perm == tuple(range(len(perm))):
            aliases[name] = source
        else:
            sources[name] = source, perm
            made.append(Node("Transpose", [source], [name], {"perm": list(perm)}))

    def operand(name: str, perm: Perm) -> str | None:
        """What, transposed like that, this is; `None` if nothing is."""
        if not name:
            return name
        if name in sources:
            source, its = sources[name]
            return source if its == perm else None
        back = tuple(int(i) for i in np.argsort(perm))
        array = shared.initializers.get(name)
        if array is not None:
            if array.ndim > len(perm):
                return None
            whole = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
            return name if array.ndim == 0 else _initializer(shared, name, whole.transpose(back))
        # One number per channel and the like is transposed at no cost.
        shape = shared.shapes.get(name)
        if shape is None or len(shape) != len(perm) or sum(dim != 1 for dim in shape[1:]) > 1:
            return None
        turned = shared.name(f"{name}_aligned")
        shared.dtypes[turned] = shared.dtypes[name]
        transpose(name, back, turned)
        return aliases.get(turned, turned)

    for node in nodes:
        node = _renamed(node, aliases)
        if node.op == "Transpose":
            transpose(node.inputs[0], tuple(node.attrs["perm"]), node.outputs[0])
            continue
        perm = next((sources[name][1] for name in node.inputs if name in sources), None)
        behind = _behind(node, perm, operand, shared) if perm else None
        if behind is None:
            made.append(node)
            continue
        moved, perm = behind
        moved.outputs = [shared.name(node.op)]
        shared.dtypes[moved.outputs[0]] = shared.dtypes[node.outputs[0]]
        made.append(moved)
        transpose(moved.outputs[0], perm, node.outputs[0])
    return made


def _behind(node: Node, perm: Perm, operand: Callable, shared: Shared) -> tuple[Node, Perm] | None:
    """The node as it works on what its inputs are transposes of, and how its output is a transpose of that.

    Axis `perm[i]` there is axis i here. `None` for a node that cannot.
    """
    rank = len(perm)
    if node.op in _ELEMENTWISE or node.op == "Concat":
        inputs = [operand(name, perm) for name in node.inputs]
        if None in inputs:
            return None
        attrs = {"axis": perm[node.attrs["axis"] % rank]} if node.op == "Concat" else node.attrs
        return Node(node.op, inputs, [], attrs), perm
    source = operand(node.inputs[0], perm) if node.inputs else None
    if source is None:
        return None
    rest = node.inputs[1:]
    if node.op in ("Softmax", "LogSoftmax"):
        return Node(node.op, [source], [], {"axis": perm[node.attrs["axis"] % rank]}), perm
    known = [shared.initializers.get(name) for name in rest]
    if node.op == "Pad" and known[0] is not None and len(rest) < 3:
        pads = known[0].reshape(2, rank)[:, np.argsort(perm)].reshape(-1)
        return Node("Pad", [source, _initializer(shared, rest[0], pads), *rest[1:]], [], node.attrs), perm
    if node.op == "Slice" and known[2] is not None:
        axes = np.array([perm[axis % rank] for axis in known[2]])
        return Node("Slice", [source, *rest[:2], _initializer(shared, rest[2], axes), *rest[3:]], [], node.attrs), perm
    if node.op.startswith("Reduce") and known and known[0] is not None:
        here = [int(axis) % rank for axis in known[0]]
        axes = _initializer(shared, rest[0], np.array([perm[axis] for axis in here]))
        if not node.attrs["keepdims"]:
            left = [perm[axis] for axis in range(rank) if axis not in here]
            perm = tuple(sorted(left).index(axis) for axis in left)
        return Node(node.op, [source, axes], [], node.attrs), perm
    return None


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
