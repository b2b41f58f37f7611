"""Endpoints: functions of a model with named inputs and outputs, traced for any size of their inputs."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from addax import config, engine, tree
from addax.dtypes import FLOAT_DTYPES, standardize_dtype
from addax.engine import Tensor
from addax.export.graph import ExportedGraph, Spec, trace
from addax.export.sizes import Size
from addax.ops.symbolic import suspended as untraced

_EXAMPLE_BATCH = 2
_EXAMPLE_SIZES = (8, 16, 32, 64, 128, 256)  # tried in order where a model has other unknown dims


@dataclass
class Endpoint:
    """A traced function."""

    name: str
    graph: ExportedGraph
    input_names: list[str]
    output_names: list[str]
    #: The engine's variables behind the graph's states, and their names.
    variables: list[Any] = field(default_factory=list)
    state_names: list[str] = field(default_factory=list)
    #: Inputs and what the model made of them, to compare with; empty where none could be made.
    example_inputs: list[Tensor] = field(default_factory=list)
    example_outputs: list[Tensor] = field(default_factory=list)
    #: What was traced, of a flat list of tensors; `None` for one that was read from a file.
    function: Callable | None = None


def make_endpoint(
    name: str,
    fn: Callable,
    signature: Sequence[Any],
    names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    variable_names: Callable[[Any], str] = lambda variable: "",
    fixed_states: bool = True,
    fold: bool = True,
) -> Endpoint:
    """Traces a function.

    Args:
        name: What the endpoint is called.
        fn: A function of tensors and structures of them.
        signature: One structure of `InputSpec`s, `KerasTensor`s, tensors or arrays per argument. The first dims that
            are `None` are one size, the batch's.
        names: Of the inputs, in flat order.
        output_names: Of the outputs, in flat order.
        variable_names: Gives the name of one of the engine's variables.
        fixed_states: Whether variables that it only reads become constants.
        fold: Whether what depends on constants alone is computed now.

    Raises:
        ValueError: If an input has no known rank, or what the function computes cannot be told for all sizes.
    """
    leaves = [_leaf(x) for x in tree.flatten(tuple(signature))]
    names = list(names or _names_of(signature, "input"))
    found: dict[str, Any] = {}

    def flat(*tensors: Tensor) -> list[Tensor]:
        result = fn(*tree.pack_sequence_as(tuple(signature), tensors))
        if isinstance(result, dict):  # in the order in which the function gives them
            result = OrderedDict(result)
        found["structure"] = result
        return [getattr(x, "value", x) for x in tree.flatten(result)]

    # Dims of several inputs may have to agree; first each is on its own.
    error: ValueError | None = None
    for shared in (False, True):
        specs, sizes = _specs(leaves, names, shared)
        try:
            graph, variables = trace(flat, specs, sizes, fixed_states, fold)
            break
        except ValueError as failure:
            error = error or failure
            if shared or len(sizes) < 2:
                raise error from None
    if isinstance(found["structure"], dict):
        output_names = None
    outputs = list(output_names or _names_of([found["structure"]], "output"))
    if len(outputs) != len(graph.results):
        outputs = [f"output_{i}" for i in range(len(graph.results))]
    endpoint = Endpoint(name, graph, _unique(names), _unique(outputs), variables, function=flat)
    endpoint.state_names = _unique([variable_names(v) or f"state_{i}" for i, v in enumerate(variables)])
    _add_example(endpoint, flat, specs)
    return endpoint


def _leaf(x: Any) -> tuple[tuple[int | None, ...], str]:
    """Shape and dtype of one input."""
    shape = getattr(x, "shape", None)
    if shape is None:
        raise ValueError(f"Expected the shape of every input in the signature. Received: {x!r}")
    return tuple(shape), standardize_dtype(getattr(x, "dtype", None) or config.floatx())


def _specs(leaves: Sequence, names: Sequence[str], shared: bool) -> tuple[list[Spec], list[str]]:
    sizes: list[str] = []

    def dim(value: int | None, axis: int, name: str) -> int | Size:
        if value is not None:
            return int(value)
        size = "batch" if axis == 0 else f"size_{axis}" if shared else f"{_word(name)}_{axis}"
        if size not in sizes:
            sizes.append(size)
        return Size((((size,), 1),))

    specs = [
        Spec(tuple(dim(value, axis, name) for axis, value in enumerate(shape)), dtype)
        for (shape, dtype), name in zip(leaves, names, strict=True)
    ]
    return specs, sizes


def _word(name: str) -> str:
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    return word if word[:1].isalpha() else f"size_{word}"


def _names_of(structures: Sequence[Any], kind: str) -> list[str]:
    """Names from the keys of dicts and of specs, numbers where there are none."""
    names = []
    for i, (path, x) in enumerate(tree.flatten_with_path(tuple(structures))):
        keys = [str(key) for key in path[1:] if isinstance(key, str)]
        own = getattr(x, "name", None)
        names.append("/".join(keys) or (own if isinstance(own, str) else "") or f"{kind}_{i}")
    return names


def _unique(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    result = []
    for name in names:
        unique, i = name, 1
        while unique in taken:
            unique, i = f"{name}_{i}", i + 1
        taken.add(unique)
        result.append(unique)
    return result


def _add_example(endpoint: Endpoint, flat: Callable, specs: Sequence[Spec]) -> None:
    """Runs the function once and keeps what it was given and what it returned."""
    # What it assigns, it assigns for good only when a user calls it.
    before = [variable.read() for variable in endpoint.variables]
    has_more = any(size != "batch" for size in endpoint.graph.sizes)
    for other in _EXAMPLE_SIZES if has_more else _EXAMPLE_SIZES[:1]:
        sizes = {size: _EXAMPLE_BATCH if size == "batch" else other for size in endpoint.graph.sizes}
        random = np.random.RandomState(0)
        inputs = [_example(spec, sizes, random) for spec in specs]
        try:
            with untraced():
                outputs = [x.owned() for x in flat(*inputs)]
        except (ValueError, IndexError):  # too small for the model, or no row of a table
            continue
        finally:
            for variable, value in zip(endpoint.variables, before, strict=True):
                variable.assign(value)
        endpoint.example_inputs, endpoint.example_outputs = inputs, outputs
        return


def _example(spec: Spec, sizes: dict[str, int], random: np.random.RandomState) -> Tensor:
    shape = spec.at(sizes)
    if spec.dtype in FLOAT_DTYPES:
        return engine.tensor(random.standard_normal(shape), spec.dtype)
    return engine.tensor(random.randint(0, 2, shape), spec.dtype)
