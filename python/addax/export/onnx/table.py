"""The ONNX column of the op table: its rows by name, and the builder that they write nodes with.

A lowering is given the builder, a `Value` per input (`None` where one is not given) and the op's attributes, and
returns one `Value` or a list of them. One with a parameter `out` is told the specs of its outputs, `None` for those
that nothing reads.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from addax.engine import op_table
from addax.export.graph import Dim, Equation, ExportedGraph, Filled, Listed, Range, Spec
from addax.export.sizes import Size

#: The version of the operator set. The first with Gelu; onnxruntime has it since 1.17.
OPSET = 20

#: Rows that have no ONNX form, and why. Whole families and the gradients stand in `reason_against`.
WITHOUT = {
    "random_bits": "ONNX draws no numbers from a key",
    "dropout": "ONNX draws no numbers from a key; export the model as it runs in inference",
}
_GRADIENTS = ("conv_filter_grad", "max_pool_select")


def reason_against(row: Mapping[str, Any]) -> str | None:
    """Why a row of the op table has no ONNX form; `None` if it has one."""
    name = row["name"]
    if name == "conv_input_grad":  # also what transposed convolutions are
        return None
    if name.endswith("_grad") or name in _GRADIENTS:
        return "it is a part of a gradient, and ONNX files are for inference"
    if row["family"] == "optimizer":
        return "it trains, and ONNX files are for inference"
    if row["family"] == "fused" or name.endswith("_fused"):
        return "it is made when a graph is planned, after an export"
    return WITHOUT.get(name)


@dataclass(frozen=True)
class Row:
    """A lowering and what it wants: the specs of its outputs, and how its inputs come."""

    lowering: Callable
    wants_out: bool
    dtypes: dict[str, str]  # those that it does not compute with -> what it has in their place


_rows: dict[str, Row] = {}


# Kernels of engines seldom compute with these. Products and sums of uint64 are those of int64, orders are not.
_BFLOAT16 = {"bfloat16": "float32"}
_WIDE = {"float16": "float32", **_BFLOAT16}
_ORDER = {**dict.fromkeys(("int8", "int16", "uint8", "uint16"), "int32"), "uint32": "int64"}
_RING = {**_ORDER, "uint64": "int64"}
_INTS: dict[str, dict[str, str]] = {"": {}, "order": _ORDER, "ring": _RING}


def row(
    lowering: Callable | None = None, *, wide: bool = False, any_dtype: bool = False, integers: str = ""
) -> Callable:
    """Adds a row under the function's name, less an underscore at the end, which keeps clear of Python's own names.

    What a lowering returns is cast to the dtype that the table says.

    Args:
        lowering: The function.
        wide: 16-bit floats come as float32: for rows of several nodes, which kernels round once.
        any_dtype: It only moves elements, of any dtype. Others never see bfloat16, which few engines compute with.
        integers: How small integers, and unsigned ones, come as int32 and int64: `order` for what compares and divides,
            `ring` for what only adds and multiplies.
    """

    def add(lowering: Callable) -> Callable:
        name = lowering.__name__.removesuffix("_")
        assert name not in _rows, name
        dtypes = {**(_WIDE if wide else {} if any_dtype else _BFLOAT16), **_INTS[integers]}
        _rows[name] = Row(lowering, "out" in inspect.signature(lowering).parameters, dtypes)
        return lowering

    return add if lowering is None else add(lowering)


@functools.cache
def rows() -> dict[str, Row]:
    """All rows, by name."""
    for family in dict.fromkeys(r["family"] for r in op_table() if not reason_against(r)):
        importlib.import_module(f"addax.export.onnx.{family}")
    return _rows


class NoLoweringError(ValueError):
    """An op has no ONNX form."""

    def __init__(self, op: str, reason: str):
        super().__init__(op, reason)
        self.op, self.reason = op, reason


@dataclass(eq=False)
class Value:
    """A tensor of the ONNX graph."""

    name: str  # "" until something reads it, for what is known
    dtype: str
    shape: tuple[Dim, ...] | None = None  # None: not known
    const: np.ndarray | None = None  # its elements, where they are known
    fill: np.ndarray | None = None  # of rank 0: all its elements, where there may be any number of them
    label: str = "const"  # what a const is named after

    @property
    def rank(self) -> int:
        """Of a value whose shape is known."""
        assert self.shape is not None
        return len(self.shape)

    @property
    def is_zero(self) -> bool:
        """Whether it is known to be zero."""
        known = self.fill if self.fill is not None else self.const
        return known is not None and not known.any()


@dataclass
class Node:
    """A node of the ONNX graph; an attribute may be a `Body`."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any]


@dataclass
class Body:
    """A subgraph. It reads the values of the graph around it by their names."""

    name: str
    inputs: list[Value]
    outputs: list[Value]
    nodes: list[Node]


@dataclass
class Shared:
    """What a graph and the bodies in it have in common."""

    inputs: list[Value]
    first: list[Node] = field(default_factory=list)  # nodes that come before all others: they follow from sizes alone
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    known: dict[Any, Value] = field(default_factory=dict)  # consts by their bytes, and sizes
    made_of: dict[int, tuple[Value, list[Value]]] = field(default_factory=dict)  # by id: consts made of a const
    names: dict[str, int] = field(default_factory=dict)  # how often a name was given

    def name(self, like: str) -> str:
        """A name that no other value has."""
        count = self.names.get(like, 0)
        self.names[like] = count + 1
        return f"{like}_{count}" if count else like


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def numpy_dtype(dtype: str) -> np.dtype:
    """NumPy's dtype of that name."""
    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


_SMALL = 64  # elements of a const that may be made again

Operand = Value | bool | int | float | Sequence | np.ndarray | None


class Builder:
    """Writes nodes: `b("Add", x, 1.0)`.

    Args:
        shared: What it has in common with the builders around it.
        nodes: Where it writes them.
    """

    def __init__(self, shared: Shared, nodes: list[Node] | None = None):
        self.shared = shared
        self.nodes: list[Node] = [] if nodes is None else nodes

    def __call__(self, op: str, *inputs: Operand, dtype: str | None = None, outputs: int = 1, **attrs: Any) -> Any:
        """Writes a node and returns its output, or a tuple of so many.

        Args:
            op: Of ONNX.
            *inputs: Values; numbers, of the dtype of the first value that is no bool; lists of ints, as int64; `None`
                if not given.
            dtype: Of the outputs; that same one if not given.
            outputs: How many.
            **attrs: Of the op.
        """
        dtypes = [x.dtype for x in inputs if isinstance(x, Value)] or ["float32"]
        first = next((d for d in dtypes if d != "bool"), "bool")  # not that of a Where's condition
        given = [None if x is None else self.value(x, first) for x in inputs]
        while given and given[-1] is None:
            given.pop()
        made = tuple(Value(self.shared.name(op), dtype or first) for _ in range(outputs))
        names = ["" if x is None else self.name_of(x) for x in given]
        self.nodes.append(Node(op, names, [x.name for x in made], attrs))
        self.shared.dtypes.update((x.name, x.dtype) for x in made)
        return made[0] if outputs == 1 else made

    def value(self, x: Operand, dtype: str = "float32") -> Value:
        """A value of what may be a number or an array."""
        if isinstance(x, Value):
            return x
        if isinstance(x, np.ndarray):
            return self.const(x)
        if isinstance(x, (list, tuple)):
            return self.const(np.array(x, np.int64))
        return self.const(np.array(x, numpy_dtype(dtype)))

    def const(self, array: np.ndarray, label: str = "") -> Value:
        """A value with these elements; the same one for the same small array.

        Args:
            array: The elements.
            label: What it is named after.
        """
        dtype = str(array.dtype)
        if label or array.size > _SMALL:
            return Value("", dtype, array.shape, const=array, label=label or "const")
        key = (array.shape, dtype, array.tobytes())
        if key not in self.shared.known:
            self.shared.known[key] = Value("", dtype, array.shape, const=array)
        return self.shared.known[key]

    def name_of(self, x: Value) -> str:
        """The name by which nodes read a value. Consts come into being here, if anything reads them."""
        if x.name:
            return x.name
        if x.fill is not None:
            wide = _BFLOAT16.get(x.dtype, x.dtype)  # engines do not expand bfloat16
            first = self._at_first()
            made = first("Expand", first.const(x.fill.astype(numpy_dtype(wide))), first.shape(x.shape or ()))
            x.name = first.cast(made, x.dtype).name
        elif x.const is not None:
            x.name = self.shared.name(x.label)
            self.shared.initializers[x.name] = x.const
            self.shared.dtypes[x.name] = x.dtype
        return x.name

    def _at_first(self) -> Builder:
        return Builder(self.shared, self.shared.first)

    # Sizes

    def size(self, dim: int | Size) -> Value:
        """A dim as an int64 tensor of shape (1,)."""
        if not isinstance(dim, Size):
            return self.const(np.array([dim], np.int64))
        if dim not in self.shared.known:
            self.shared.known[dim] = self._at_first()._follow(dim)
        return self.shared.known[dim]

    def _follow(self, dim: Size) -> Value:
        if len(dim.terms) == 1 and dim.terms[0][1] == 1 and len(dim.terms[0][0]) == 1:
            for x in self.shared.inputs:
                if x.shape is not None and dim in x.shape:
                    axis = x.shape.index(dim)
                    return self("Shape", x, dtype="int64", start=axis, end=axis + 1)
            raise ValueError(f"No input has the size {dim}")
        total: Value | None = None
        for names, factor in dim.terms:
            term = self.const(np.array([factor], np.int64))
            for name in names:
                one = self.size(Size((((name,), 1),)))
                term = one if term.const is not None and term.const[0] == 1 else self("Mul", term, one)
            total = term if total is None else self("Add", total, term)
        assert total is not None
        return total

    def shape(self, dims: Sequence[Dim]) -> Value:
        """Dims that are known or follow sizes as an int64 tensor."""
        if any(dim is None for dim in dims):
            raise ValueError(f"A shape {tuple(dims)} is known only to the op that makes it")
        if not any(isinstance(dim, Size) for dim in dims):
            return self.const(np.array(dims, np.int64))
        key = ("shape", *dims)
        if key not in self.shared.known:
            parts = [self.size(dim) for dim in dims if dim is not None]
            self.shared.known[key] = self._at_first()("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
        return self.shared.known[key]

    def shape_of(self, x: Value) -> Value:
        """The shape of a value as an int64 tensor."""
        if x.shape is not None and None not in x.shape:
            return self.shape(x.shape)
        return self("Shape", x, dtype="int64")

    def dim_of(self, x: Value, axis: int) -> Value:
        """A dim of a value as an int64 tensor of shape (1,)."""
        axis %= x.rank
        dim = x.shape[axis] if x.shape is not None else None
        return self("Shape", x, dtype="int64", start=axis, end=axis + 1) if dim is None else self.size(dim)

    def scalar(self, x: Value) -> Value:
        """The one element of a value of shape (1,) with rank 0."""
        return self.const(x.const.reshape(())) if x.const is not None else self("Squeeze", x, [0])

    def count(self, length: Value) -> Value:
        """The int64 numbers from 0 below a length of shape (1,)."""
        if length.const is not None:
            return self.const(np.arange(length.const[0], dtype=np.int64))
        return self("Range", np.int64(0).reshape(()), self.scalar(length), np.int64(1).reshape(()), dtype="int64")

    # Rearranging, done at once where the elements are known

    def cast(self, x: Value, dtype: str) -> Value:
        """The value in a dtype."""
        if x.dtype == dtype:
            return x
        if x.fill is not None:
            return Value("", dtype, x.shape, fill=x.fill.astype(numpy_dtype(dtype)))
        if x.const is not None and x.const.size <= _SMALL:
            return self._like(x, x.const.astype(numpy_dtype(dtype)))
        made = self("Cast", x, dtype=dtype, to=dtype)
        made.shape = x.shape
        return made

    def transposed(self, x: Value, axes: Sequence[int]) -> Value:
        """The value with its axes in that order."""
        if list(axes) == list(range(len(axes))):
            return x
        if x.const is not None:
            return self._like(x, np.ascontiguousarray(x.const.transpose(axes)))
        made = self("Transpose", x, perm=list(axes))
        made.shape = None if x.shape is None else tuple(x.shape[axis] for axis in axes)
        return made

    def reshaped(self, x: Value, dims: Sequence[Dim]) -> Value:
        """The value in another shape; one dim may be -1."""
        if x.const is not None and not any(isinstance(dim, Size) for dim in dims):
            return self._like(x, x.const.reshape(dims))
        # One dim that is not known follows from the others, unless they are empty.
        unknown = [i for i, dim in enumerate(dims) if isinstance(dim, Size)]
        if len(unknown) == 1 and not any(dim in (0, -1, None) for dim in dims):
            dims = [-1 if isinstance(dim, Size) else dim for dim in dims]
        allow = {"allowzero": 1} if 0 in dims and -1 not in dims else {}
        return self("Reshape", x, self.shape(dims), **allow)

    def _like(self, x: Value, array: np.ndarray) -> Value:
        """A const made of another; of what is read twice alike there is one."""
        same = self.shared.made_of.setdefault(id(x), (x, []))[1]
        for made in same:
            if made.const is not None and made.dtype == str(array.dtype) and _is_same(made.const, array):
                return made
        same.append(self.const(array, "" if x.label == "const" else x.label))
        return same[-1]

    def channels_first(self, x: Value) -> Value:
        """(batch, ..., channels) as (batch, channels, ...)."""
        return self.transposed(x, (0, x.rank - 1, *range(1, x.rank - 1)))

    def channels_last(self, x: Value, rank: int) -> Value:
        """(batch, channels, ...) as (batch, ..., channels)."""
        return self.transposed(x, (0, *range(2, rank), 1))

    def body(self, name: str) -> Builder:
        """A builder of a subgraph."""
        return Builder(self.shared)

    def close(self, name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> Body:
        """Ends a subgraph; its outputs become values of its own."""
        made: list[Value] = []
        own = {o for node in self.nodes for o in node.outputs}
        for x in outputs:
            is_own = x.name in own and all(x.name != y.name for y in made)
            made.append(x if is_own else self("Identity", x))
        return Body(self.shared.name(name), list(inputs), made, self.nodes)


# Graphs


def lower_graph(b: Builder, graph: ExportedGraph, arguments: Sequence[Value], names: Mapping[int, str]) -> list[Value]:
    """Writes the nodes of a graph.

    Args:
        b: The builder.
        graph: The graph.
        arguments: A value for each of its inputs.
        names: Of its consts, where they have some.

    Returns:
        Its outputs.

    Raises:
        NoLoweringError: If an op has no ONNX form.
    """
    values: dict[int, Value | None] = {-1: None}
    values.update(zip(graph.inputs, arguments, strict=True))
    for v, const in graph.consts.items():
        values[v] = _const(b, const, graph.specs[v], names.get(v, ""))
    read = {v for eqn in graph.equations for v in eqn.inputs} | set(graph.outputs)
    for eqn in graph.equations:
        specs = [graph.specs[v] if v in read else None for v in eqn.outputs]
        made = _lower(b, eqn, [values[v] for v in eqn.inputs], specs)
        for v, x in zip(eqn.outputs, made, strict=True):
            if x is not None and x.shape is None:
                x.shape = graph.specs[v].shape
            values[v] = x
    return [x for v in graph.outputs if (x := values[v]) is not None]


def _const(b: Builder, const: Any, spec: Spec, name: str) -> Value:
    dtype = numpy_dtype(spec.dtype)
    if isinstance(const, Filled):
        return Value("", spec.dtype, spec.shape, fill=np.asarray(const.value).astype(dtype).reshape(()))
    if isinstance(const, Range):
        length = spec.shape[0]
        assert length is not None
        count = b.cast(b.count(b.size(length)), spec.dtype)
        made = b("Add", b("Mul", count, const.step), const.start)
        made.shape = spec.shape
        return made
    if isinstance(const, Listed):
        made = b.cast(b.shape(const.values), spec.dtype)
        return b.reshaped(made, spec.shape) if len(spec.shape) != 1 else made
    return b.const(np.asarray(const), name)


def _lower(b: Builder, eqn: Equation, inputs: list[Value | None], specs: list[Spec | None]) -> list[Value | None]:
    found = rows().get(eqn.op)
    if found is None:
        reasons = {r["name"]: reason_against(r) for r in op_table()}
        raise NoLoweringError(eqn.op, reasons.get(eqn.op) or "it has no lowering")
    given = [x if x is None else b.cast(x, found.dtypes.get(x.dtype, x.dtype)) for x in inputs]
    attrs = dict(eqn.attrs)
    if found.wants_out:
        attrs["out"] = [s if s is None else Spec(s.shape, found.dtypes.get(s.dtype, s.dtype)) for s in specs]
    made = found.lowering(b, *given, **attrs)
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    return [None if s is None else b.cast(x, s.dtype) for x, s in zip(made, specs, strict=True)]
