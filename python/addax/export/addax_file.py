"""Writing `.addax` files, whose form docs/format.md describes. The engine reads them (`cpp/model/file.cc`)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from addax._core import __version__
from addax.engine import Tensor
from addax.export.endpoint import Endpoint
from addax.export.graph import SHOWN, Spec, quoted, tuple_text
from addax.export.sizes import Size
from addax.saving.files import atomic_file

MAGIC = b"\x89ADDAX\r\n"
FORMAT_VERSION = 1
_HEADER = struct.Struct("<8sIIQQQQIIQ")
_ALIGNMENT = 64


def write_addax(endpoints: Sequence[Endpoint], path: str, name_of: Callable[[Any], str] = lambda box: "") -> None:
    """Writes endpoints to a file: whole, or not at all.

    Args:
        endpoints: What the file holds, the default one first.
        path: The file.
        name_of: Gives the name of one of the engine's variables.
    """
    tensors = _Tensors()
    parts = [_endpoint_text(endpoint, tensors, name_of) for endpoint in endpoints]
    ops = max(endpoint.graph.ops_version for endpoint in endpoints)
    lines = ["addax 1", f"ops {ops}", f"made_by {quoted(f'addax {__version__}')}", *tensors.lines, *parts, ""]
    text = "\n".join(lines).encode()
    data = _aligned(_HEADER.size + len(text))
    header = _HEADER.pack(
        MAGIC, FORMAT_VERSION, 0, _HEADER.size, len(text), data, tensors.size, zlib.crc32(text), 0, data + tensors.size
    )
    with atomic_file(path) as file:
        file.write(header)
        file.write(text)
        file.write(bytes(data - _HEADER.size - len(text)))
        for chunk in tensors.chunks:
            file.write(chunk)


class _Tensors:
    """The tensors of a file in order, each once, whoever shares it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.chunks: list[bytes | memoryview] = []
        self.size = 0
        self._known: dict[Any, int] = {}

    def add(self, value: Tensor, name: str, key: Any = None) -> int:
        """The number of a tensor, which is written if it is new. Equal bytes are one tensor, unless there is a key."""
        array = np.ascontiguousarray(np.asarray(value))
        content = key if key is not None else (value.dtype, value.shape, hashlib.sha256(array).digest())
        known = self._known.get(content)
        if known is not None:
            return known
        number = self._known[content] = len(self.lines)
        dims = tuple_text(map(str, value.shape))
        bytes_ = memoryview(array.reshape(-1).view(np.uint8))  # NumPy knows no buffers of bfloat16
        self.lines.append(
            f"tensor {number} {quoted(name)}: {value.dtype}({dims}) at {self.size} crc {zlib.crc32(bytes_):010d}"
        )
        padding = _aligned(self.size + len(bytes_)) - self.size - len(bytes_)
        self.chunks += [bytes_, bytes(padding)]
        self.size += len(bytes_) + padding
        return number


def _endpoint_text(endpoint: Endpoint, tensors: _Tensors, name_of: Callable[[Any], str]) -> str:
    graph = endpoint.graph

    def number(v: int, value: Tensor) -> int | None:
        box = graph.weights.get(v)
        if box is not None:
            return tensors.add(value, name_of(box), ("variable", box.id))
        if value.size <= SHOWN:
            return None
        box = graph.rearranged.get(v)
        return tensors.add(value, "" if box is None else name_of(box))

    states = [
        f"{quoted(name)} = {tensors.add(box.peek(), name, ('variable', box.id))}"
        for name, box in zip(endpoint.state_names, endpoint.variables, strict=True)
    ]
    example_inputs = [tensors.add(x, "") for x in endpoint.example_inputs]
    example_outputs = [tensors.add(x, "") for x in endpoint.example_outputs]
    text = graph.text(number)
    return "\n".join(
        [
            f"endpoint {quoted(endpoint.name)} {{",
            f"  sizes ({', '.join(graph.sizes)})",
            f"  inputs [{_ports(endpoint.input_names, [graph.specs[v] for v in graph.arguments])}]",
            f"  outputs [{_ports(endpoint.output_names, [graph.specs[v] for v in graph.results])}]",
            f"  states [{', '.join(states)}]",
            f"  example [{', '.join(map(str, example_inputs))}] [{', '.join(map(str, example_outputs))}]",
            f"  graph {len(text.encode())}",
            text,
            "}",
        ]
    )


def _ports(names: Sequence[str], specs: Sequence[Spec]) -> str:
    return ", ".join(
        f"{quoted(name)}: {spec.dtype}({dims_text(spec)})" for name, spec in zip(names, specs, strict=True)
    )


def dims_text(spec: Spec) -> str:
    """The dims of an input or output, without parentheses; `?` for one that only the graph's shape rules know."""
    return tuple_text(_dim_text(d) for d in spec.shape)


def _dim_text(dim: Any) -> str:
    follows_rules = isinstance(dim, Size) and dim.values
    return "?" if dim is None or follows_rules else str(dim)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
