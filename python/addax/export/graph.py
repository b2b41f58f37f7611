"""Exported graphs: what a function computes for any size of its inputs, as plain data that writers read.

`trace` makes one; `text` is its form in `.addax` files; the ONNX writer walks its equations.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from addax import engine
from addax.engine import Graph, Tensor
from addax.export.sizes import Samples, Size

Dim = int | Size | None
"""A dim: known, following unknown sizes, or (`None`) found by the shape rule of the equation that makes it."""

# What does not depend on sizes, in the engine's order. Those that weigh sizes run when a file's graph is planned.
_PASSES = ("branches", "cse", "loops", "algebra", "dce", "batch_norm", "cse", "dce")
SHOWN = 16  # values that a const may have in text
_FOLDED = 1 << 16  # bytes of a result that consts may become, however small they are themselves


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of a value."""

    shape: tuple[Dim, ...]
    dtype: str

    @property
    def is_fixed(self) -> bool:
        """Whether all dims are numbers."""
        return all(isinstance(dim, int) for dim in self.shape)

    def at(self, sizes: Mapping[str, int]) -> list[int]:
        """Returns the dims for some values of the unknown sizes; all must follow those."""
        return [dim.at(sizes) if isinstance(dim, Size) else dim for dim in self.shape]


@dataclass(frozen=True)
class Filled:
    """A const that repeats one element."""

    value: Tensor


@dataclass(frozen=True)
class Range:
    """A const of rank 1 whose elements are equally far apart."""

    start: float
    step: float


@dataclass(frozen=True)
class Listed:
    """A const of whole numbers that follow unknown sizes, in order."""

    values: tuple[int | Size, ...]


@dataclass(frozen=True)
class Quotient:
    """A const that repeats a number divided by a size, as the gradient of a mean does."""

    numerator: float
    divisor: Size


Const = Tensor | Filled | Range | Listed | Quotient


#: Attributes that came after version 1 of the ops: the version, and the value that says what files of before say.
LATER_ATTRIBUTES: dict[tuple[str, str], tuple[int, Any]] = {
    ("attention", "dropout"): (2, 0.0),
    ("attention_grad", "dropout"): (2, 0.0),
}


@dataclass
class Equation:
    """One application of an op. Values are numbered; -1 stands for an input that is not given."""

    op: str
    attrs: dict[str, Any]  # bool, int or Size, float, str, a tuple of ints or Sizes, ExportedGraph, list of those
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def is_implied(self, name: str) -> bool:
        """Whether a file need not say what the attribute is, so that readers of before understand it."""
        later = LATER_ATTRIBUTES.get((self.op, name))
        return later is not None and self.attrs[name] == later[1]

    @property
    def ops_version(self) -> int:
        """The least version of the ops that has all of it."""
        versions = [1]
        for name, value in self.attrs.items():
            if (self.op, name) in LATER_ATTRIBUTES and not self.is_implied(name):
                versions.append(LATER_ATTRIBUTES[self.op, name][0])
            bodies = value if isinstance(value, list) else [value]
            versions += [body.ops_version for body in bodies if isinstance(body, ExportedGraph)]
        return max(versions)


@dataclass
class ExportedGraph:
    """A graph with sizes that are not known. Every value is an input, a const, or the output of one equation."""

    specs: dict[int, Spec]
    inputs: list[int]  # arguments, then the values of the states before
    outputs: list[int]  # results, then the values of the states after
    states: int
    consts: dict[int, Const]
    equations: list[Equation]
    sizes: tuple[str, ...] = ()
    #: The engine's variables whose values consts are, and those that they were rearranged from.
    weights: dict[int, Any] = field(default_factory=dict)
    rearranged: dict[int, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> list[int]:
        """The inputs that are no states."""
        return self.inputs[: len(self.inputs) - self.states]

    @property
    def results(self) -> list[int]:
        """The outputs that are no states."""
        return self.outputs[: len(self.outputs) - self.states]

    @property
    def ops_version(self) -> int:
        """The least version of the ops that has all equations."""
        return max([1, *(eqn.ops_version for eqn in self.equations)])

    def text(self, tensor: Callable[[int, Tensor], int | None] = lambda v, value: None, indent: str = "") -> str:
        """Returns the graph as text, as `docs/format.md` describes it.

        Args:
            tensor: Given a const and its value: its number among the tensors of the file, `None` to write it out.
            indent: What stands before each line but the first.
        """
        number: dict[int, int] = {}

        def define(v: int) -> str:
            number[v] = len(number)
            return f"%{number[v]}: {_spec_text(self.specs[v], number)}"

        def listing(values: Sequence[int], show: Callable[[int], str]) -> str:
            known = len(values) - self.states
            return ", ".join(("state " if i >= known else "") + show(v) for i, v in enumerate(values))

        lines = [f"graph({listing(self.inputs, define)}) {{"]
        waiting = dict(self.consts)

        def define_consts() -> None:
            # One that names a dim stands behind the value.
            for v, value in list(waiting.items()):
                if _named(value) | _named(self.specs[v].shape) <= number.keys():
                    lines.append(f"  const {define(v)} = {_const_text(v, waiting.pop(v), tensor, number)}")

        define_consts()
        for eqn in self.equations:
            given = ["_" if v < 0 else f"%{number[v]}" for v in eqn.inputs]
            given += [
                f"{name}={_attr_text(name, value, indent + '  ', number)}"
                for name, value in eqn.attrs.items()
                if not eqn.is_implied(name)
            ]
            made = ", ".join(define(v) for v in eqn.outputs)
            lines.append(f"  {made} = {eqn.op}({', '.join(given)})")
            if waiting:
                define_consts()
        lines += [f"  return {listing(self.outputs, lambda v: f'%{number[v]}')}", "}"]
        return f"\n{indent}".join(lines)


def trace(
    fn: Callable[..., Sequence[Tensor]],
    signature: Sequence[Spec],
    sizes: Sequence[str],
    fixed_states: bool = True,
    fold: bool = True,
) -> tuple[ExportedGraph, list[Any]]:
    """Traces a function for any size of its inputs.

    Args:
        fn: A function of as many tensors as there are specs; returns a flat list of tensors.
        signature: Shapes and dtypes of its inputs; unknown dims are `Size`s of one name.
        sizes: The names.
        fixed_states: Whether variables that it only reads become consts; otherwise all variables stay states.
        fold: Whether what depends on consts alone is computed now.

    Returns:
        The graph, and the engine's variables that are its states, in order.

    Raises:
        ValueError: If what it computes cannot be told for all sizes.
    """
    samples = Samples(sizes)
    traced = [_trace_at(fn, signature, at, fixed_states) for at in samples.sizes]
    graph = _merge([t[0] for t in traced], samples)
    _, variables, weights = traced[0]
    graph.weights = weights
    graph.consts.update((v, box.peek()) for v, box in weights.items() if v in graph.consts)
    if fold:
        _fold(graph)
    return graph, variables


def _trace_at(
    fn: Callable, signature: Sequence[Spec], sizes: Mapping[str, int], fixed_states: bool
) -> tuple[Graph, list[Any], dict[int, Any]]:
    recorded = engine.Trace()
    placeholders = []
    for spec in signature:
        placeholders.append(recorded.argument(spec.at(sizes), spec.dtype))
    recorded.start()
    try:
        results = fn(*placeholders)
    finally:
        recorded.stop()
    graph = recorded.finish(list(results))
    variables, fixed = recorded.variables, {}
    if fixed_states:
        graph, kept, fixed = graph.fix_states(variables)
        variables = [variables[i] for i in kept]
    for name in _PASSES:
        graph = engine.run_pass(name, graph)
    return graph, variables, fixed


def _merge(graphs: Sequence[Graph], samples: Samples) -> ExportedGraph:
    parts = [graph.parts for graph in graphs]
    _, inputs, consts, eqns, outputs = parts[0]

    def differ(what: str) -> ValueError:
        return ValueError(
            f"Cannot export for any size of {', '.join(samples.names)}: {what}. Give the input signature fixed sizes "
            "there, or write the model with ops that do not depend on the size in Python"
        )

    shape_of_it = [([(e[0], e[2], e[3]) for e in p[3]], [v for v, _ in p[2]], p[1], p[4]) for p in parts]
    for other in shape_of_it[1:]:
        if other == shape_of_it[0]:
            continue
        for here, there in zip(shape_of_it[0][0], other[0], strict=False):
            if here != there:
                raise differ(f"the model computes {here[0]} at one size where it computes {there[0]} at another")
        raise differ("the model computes other things at other sizes")

    found: dict[str, tuple[int, ...]] = {}

    def merged_spec(v: int) -> Spec:
        variants = [p[0][v] for p in parts]
        if len({(len(shape), dtype) for shape, dtype in variants}) > 1:
            raise differ("a value has another rank or dtype at another size")
        dims: list[Dim] = []
        for axis in range(len(variants[0][0])):
            values = tuple(shape[axis] for shape, _ in variants)
            dims.append(samples.fit(values))
            if dims[-1] is None or (isinstance(dims[-1], Size) and dims[-1].values):
                found[f"@{v}.{axis}"] = values
        return Spec(tuple(dims), variants[0][1])

    def merged_attr(op: str, name: str, values: list) -> Any:
        first = values[0]
        if isinstance(first, Graph):
            return _merge(values, Samples(samples.names))
        if isinstance(first, list):
            return [_merge(bodies, Samples(samples.names)) for bodies in zip(*values, strict=True)]
        if isinstance(first, tuple) and len({len(v) for v in values}) == 1:
            merged = tuple(samples.fit([v[i] for v in values]) for i in range(len(first)))
            if None not in merged:
                return merged
        elif all(v == first and type(v) is type(first) for v in values):
            return first
        elif isinstance(first, int) and not isinstance(first, bool) and (size := samples.fit(values)) is not None:
            return size
        raise differ(f"{name} of {op} does not follow it: {', '.join(map(str, values))}")

    def merged_const(v: int, values: list[Tensor]) -> Const:
        first = values[0]
        if all(_is_filled(x) for x in values):
            elements = [_element(x) for x in values]
            if all(_same(e, elements[0]) for e in elements):
                return Filled(elements[0]) if len(samples.sizes) > 1 or first.size > SHOWN else first
        if all(_same(x, first) for x in values):
            return first
        arrays = [np.asarray(x) for x in values]
        if all(a.ndim == 1 and a.size > 1 for a in arrays):
            start, step = arrays[0][0], arrays[0][1] - arrays[0][0]
            if all((a == start + step * np.arange(a.size, dtype=a.dtype)).all() for a in arrays):
                return Range(start.item(), step.item())
        wide = [np.asarray(a, "float64" if a.dtype.kind not in "iu" else a.dtype) for a in arrays]
        if len({a.shape for a in arrays}) == 1 and first.size <= SHOWN and all((a == np.trunc(a)).all() for a in wide):
            elements = [samples.fit([int(a.flat[i]) for a in wide]) for i in range(first.size)]
            if None not in elements:
                return Listed(tuple(elements))
        if (quotient := _quotient(wide, samples)) is not None:
            return quotient
        raise differ(f"a constant of shape {first.shape} and dtype {first.dtype} depends on it")

    specs_of: dict[int, Spec] = {v: merged_spec(v) for v in (*inputs, *(v for v, _ in consts))}
    equations = []
    for i, (op, attrs, ins, outs) in enumerate(eqns):
        # An attribute may name dims of values before it.
        merged = {name: merged_attr(op, name, [p[3][i][1][k][1] for p in parts]) for k, (name, _) in enumerate(attrs)}
        specs_of.update((v, merged_spec(v)) for v in outs)
        # Only now: outputs of one equation cannot name each other's dims.
        for name, values in found.items():
            samples.derive(name, values)
        found.clear()
        equations.append(Equation(op, merged, tuple(ins), tuple(outs)))
    return ExportedGraph(
        specs=specs_of,
        inputs=list(inputs),
        outputs=list(outputs),
        states=graphs[0].num_states,
        consts={v: merged_const(v, [p[2][i][1] for p in parts]) for i, (v, _) in enumerate(consts)},
        equations=equations,
        sizes=samples.names,
    )


def _quotient(arrays: Sequence[np.ndarray], samples: Samples) -> Quotient | None:
    """The quotient whose values these are in the traces, but for the rounding of two divisions to float32."""
    if not all(a.size and (a == a.flat[0]).all() for a in arrays):
        return None
    values = np.array([a.flat[0] for a in arrays], "float64")
    known = samples.known
    for count in range(1, 4):
        for names in itertools.combinations(known, count):
            numerators = values * np.prod([known[name] for name in names], axis=0)
            if np.ptp(numerators) <= 2.0**-22 * abs(numerators[0]):
                return Quotient(float(np.float32(numerators[0])), Size(((names, 1),)))
    return None


def _defined(inputs: Sequence[int], consts: Sequence, eqns: Sequence) -> Iterator[int]:
    yield from inputs
    yield from (v for v, _ in consts)
    for _, _, _, outs in eqns:
        yield from outs


def _fold(graph: ExportedGraph) -> None:
    """Computes what depends on consts alone, such as filters with the batch normalisation behind them."""
    sources = dict(graph.weights)
    known: dict[int, Tensor] = {v: value for v, value in graph.consts.items() if isinstance(value, Tensor)}
    kept = []
    for eqn in graph.equations:
        sizes = [graph.specs[v] for v in eqn.outputs]
        given = [v for v in eqn.inputs if v >= 0]
        simple = all(spec.is_fixed for spec in sizes) and not any(
            isinstance(a, (Size, ExportedGraph, list)) for value in eqn.attrs.values() for a in _flat(value)
        )
        if simple and given and all(v in known for v in given):
            bytes_in = sum(known[v].nbytes for v in given)
            bytes_out = sum(int(np.prod(s.shape)) * _bytes_of(s.dtype) for s in sizes)
            if bytes_out <= max(bytes_in, _FOLDED):
                values = [known[v] if v >= 0 else None for v in eqn.inputs]
                made = engine.apply(eqn.op, *values, **eqn.attrs)
                if eqn.op in ("reshape", "transpose") and (box := sources.get(given[0])) is not None:
                    sources[eqn.outputs[0]] = graph.rearranged[eqn.outputs[0]] = box
                known.update(zip(eqn.outputs, made if isinstance(made, tuple) else (made,), strict=True))
                continue
        kept.append(eqn)
    graph.equations = kept
    read = {v for eqn in kept for v in eqn.inputs} | set(graph.outputs)
    graph.consts = {v: value for v, value in graph.consts.items() if v in read and v not in known} | {
        v: value for v, value in known.items() if v in read
    }
    defined = set(_defined(graph.inputs, list(graph.consts.items()), [(0, 0, 0, eqn.outputs) for eqn in kept]))
    graph.specs = {v: spec for v, spec in graph.specs.items() if v in defined}


def _flat(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _bytes_of(dtype: str) -> int:
    return {"bool": 1, "bfloat16": 2}.get(dtype) or np.dtype(dtype).itemsize


def _is_filled(x: Tensor) -> bool:
    return x.size > 1 and not any(x.strides)


def _element(x: Tensor) -> Tensor:
    for _ in x.shape:
        x = x[0]
    return x


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()


def _named(x: Any) -> set[int]:
    """The values of which sizes in it name dims."""
    if isinstance(x, Size):
        return x.values
    if isinstance(x, tuple):
        return set().union(*map(_named, x))
    return _named(x.divisor) if isinstance(x, Quotient) else _named(x.values) if isinstance(x, Listed) else set()


def _size_text(size: int | Size | None, number: Mapping[int, int]) -> str:
    return "?" if size is None else size.text(number) if isinstance(size, Size) else str(size)


def _spec_text(spec: Spec, number: Mapping[int, int]) -> str:
    return f"{spec.dtype}({tuple_text(_size_text(dim, number) for dim in spec.shape)})"


def tuple_text(items: Iterable[str]) -> str:
    """A tuple without its parentheses, as the engine writes and reads it: with a comma behind a single item."""
    listed = list(items)
    return ", ".join(listed) + ("," if len(listed) == 1 else "")


def _number_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def _const_text(v: int, value: Const, tensor: Callable[[int, Tensor], int | None], number: Mapping[int, int]) -> str:
    if isinstance(value, Filled):
        return f"all [{_number_text(value.value.item())}]"
    if isinstance(value, Range):
        return f"range [{_number_text(value.start)}, {_number_text(value.step)}]"
    if isinstance(value, Listed):
        return f"whole [{', '.join(_size_text(x, number) for x in value.values)}]"
    if isinstance(value, Quotient):
        return f"quotient [{_number_text(value.numerator)}, {value.divisor.text(number)}]"
    at = tensor(v, value)
    if at is not None:
        return f"tensor {at}"
    if _is_filled(value):
        return f"all [{_number_text(_element(value).item())}]"
    return f"[{', '.join(_number_text(x) for x in np.asarray(value).reshape(-1).tolist())}]"


def _attr_text(name: str, value: Any, indent: str, number: Mapping[int, int]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, ExportedGraph):
        return value.text(indent=indent)
    if isinstance(value, list):
        return f"[{', '.join(body.text(indent=indent) for body in value)}]"
    if isinstance(value, str):  # fields that hold a dtype are named so
        return value if name == "dtype" else quoted(value)
    if isinstance(value, tuple):
        return f"({tuple_text(_size_text(x, number) for x in value)})"
    if isinstance(value, Size):
        return value.text(number)
    return "none" if value is None else _number_text(value)


def quoted(text: str) -> str:
    """As the engine reads strings: `\\"` and `\\\\`, everything else as it is, but on one line."""
    escaped = re.sub(r"[\x00-\x1f]", " ", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
