"""Writes exported graphs as ONNX files: lowering, clean-up, protobuf, file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from addax.export.endpoint import Endpoint
from addax.export.graph import Spec
from addax.export.onnx.cleanup import clean
from addax.export.onnx.table import OPSET, Body, Builder, Node, Shared, Value, lower_graph
from addax.export.sizes import Size

_LIMIT = 1 << 30  # bytes of tensors in the file itself; protobuf ends at 2 GB
_ALONE = 1 << 10  # bytes from which a tensor goes to the file of tensors, if there is one

_TYPES = {
    "bool": "BOOL",
    "bfloat16": "BFLOAT16",
    "float16": "FLOAT16",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    **{f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def import_onnx() -> Any:
    """Returns the package onnx.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError('ONNX files need the package onnx: pip install "addax[onnx]"') from error
    return onnx


def write(endpoint: Endpoint, filepath: str | os.PathLike, names: Mapping[int, str]) -> None:
    """Writes an endpoint as an ONNX file, in one step: the file is whole or as it was before. Where large tensors lie
    beside it, these are replaced first, in a step of their own.

    Args:
        endpoint: The endpoint.
        filepath: Of the file.
        names: Of the graph's consts, where they have some.

    Raises:
        ImportError: If the package onnx is not installed.
        NoLoweringError: If an op has no ONNX form.
    """
    onnx = import_onnx()
    shared, outputs, nodes = _lower(endpoint, names)
    path = Path(filepath)
    big = sum(x.nbytes for x in shared.initializers.values()) > _LIMIT
    data = path.name + ".data"
    # In a folder of its own: the model names the file of its tensors, which lies beside it.
    with tempfile.TemporaryDirectory(prefix=".addax_", dir=path.parent) as folder:
        model, external = _model(onnx, endpoint, shared, outputs, nodes, data if big else "")
        if big:
            _write(Path(folder, data), external)
        _write(Path(folder, path.name), [model.SerializeToString()])
        onnx.checker.check_model(os.path.join(folder, path.name), full_check=True)
        if big:
            os.replace(Path(folder, data), path.parent / data)
        os.replace(Path(folder, path.name), path)
    with contextlib.suppress(OSError):  # not all file systems let a folder be synced
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(path: Path, parts: Sequence[Any]) -> None:
    with open(path, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _lower(endpoint: Endpoint, names: Mapping[int, str]) -> tuple[Shared, list[Value], list[Node]]:
    graph = endpoint.graph
    given = [*endpoint.input_names, *endpoint.state_names]
    wanted = [f"{name}_output" if name in given else name for name in endpoint.output_names]
    wanted += [f"{name}_next" for name in endpoint.state_names]
    inputs = [
        Value(name, graph.specs[v].dtype, graph.specs[v].shape) for name, v in zip(given, graph.inputs, strict=True)
    ]
    shared = Shared(inputs, taken=set(given), dtypes={x.name: x.dtype for x in inputs})
    after = [shared.name(name) for name in wanted]
    b = Builder(shared)
    made = lower_graph(b, graph, inputs, names)
    # An output is what a node makes, and no two are one.
    ends = []
    for x, name in zip(made, after, strict=True):
        b.nodes.append(Node("Identity", [b.name_of(x)], [name], {}))
        ends.append(Value(name, x.dtype))
    nodes = clean([*shared.first, *b.nodes], shared, [x.name for x in ends])
    return shared, ends, nodes


def _model(
    onnx: Any, endpoint: Endpoint, shared: Shared, outputs: Sequence[Value], nodes: Sequence[Node], data: str
) -> tuple[Any, list[bytes]]:
    """The protobuf, and what goes to the file of that name."""
    from addax import __version__

    graph = endpoint.graph
    read = {name for node in nodes for name in _reads(node)}
    external: list[bytes] = []
    tensors = [
        _tensor(onnx, name, array, data, external) for name, array in shared.initializers.items() if name in read
    ]
    # What a state is at first. An input with a tensor of its name need not be given.
    count = len(graph.arguments)
    for name, variable in zip(endpoint.state_names, endpoint.variables, strict=True):
        tensors.append(_tensor(onnx, name, np.asarray(variable.read()), data, external))
    inputs = [_info(onnx, x.name, Spec(x.shape or (), x.dtype)) for x in shared.inputs]
    ends = [_info(onnx, x.name, graph.specs[v]) for x, v in zip(outputs, graph.outputs, strict=True)]
    assert len(inputs) == count + len(endpoint.state_names)
    proto = onnx.helper.make_graph(
        [_node(onnx, node) for node in nodes], endpoint.name, inputs, ends, initializer=tensors
    )
    model = onnx.helper.make_model(
        proto,
        producer_name="addax",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", OPSET)]),
    )
    return model, external


def _reads(node: Node) -> list[str]:
    """All names that a node reads, in its bodies too."""
    names = list(node.inputs)
    for value in node.attrs.values():
        if isinstance(value, Body):
            names += [x.name for x in value.outputs]
            names += [name for inner in value.nodes for name in _reads(inner)]
    return names


def _type(onnx: Any, dtype: str) -> int:
    return getattr(onnx.TensorProto, _TYPES[dtype])


def _tensor(onnx: Any, name: str, array: np.ndarray, data: str, external: list[bytes]) -> Any:
    tensor = onnx.TensorProto(name=name, dims=array.shape, data_type=_type(onnx, str(array.dtype)))
    raw = np.ascontiguousarray(array).tobytes()
    if not data or len(raw) < _ALONE:
        tensor.raw_data = raw
        return tensor
    tensor.data_location = onnx.TensorProto.EXTERNAL
    offset = sum(map(len, external))
    for key, value in {"location": data, "offset": offset, "length": len(raw)}.items():
        tensor.external_data.add(key=key, value=str(value))
    external.append(raw)
    return tensor


def _info(onnx: Any, name: str, spec: Spec) -> Any:
    """Sizes that are not known have the names of `Size`s; those that only an op knows have none."""
    dims = [None if isinstance(d, Size) and d.values else str(d) if isinstance(d, Size) else d for d in spec.shape]
    return onnx.helper.make_tensor_value_info(name, _type(onnx, spec.dtype), dims)


def _node(onnx: Any, node: Node) -> Any:
    attrs = {}
    for key, value in node.attrs.items():
        if key == "to":
            value = _type(onnx, value)
        elif isinstance(value, Body):
            value = _body(onnx, value)
        attrs[key] = value
    made = onnx.helper.make_node(node.op, node.inputs, node.outputs, name=next(filter(None, node.outputs)))
    for key, value in attrs.items():
        if isinstance(value, list) and not value:
            continue
        made.attribute.append(onnx.helper.make_attribute(key, value))
    return made


def _body(onnx: Any, body: Body) -> Any:
    def info(x: Value) -> Any:
        if x.shape is None:
            return onnx.helper.make_tensor_value_info(x.name, _type(onnx, x.dtype), None)
        return _info(onnx, x.name, Spec(x.shape, x.dtype))

    nodes = [_node(onnx, node) for node in body.nodes]
    return onnx.helper.make_graph(nodes, body.name, [info(x) for x in body.inputs], [info(x) for x in body.outputs])
