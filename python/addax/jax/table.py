"""The JAX column of the op table: its rows by name, and how one is applied."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from addax._core import Trace, compose, op_table

Attrs = tuple[tuple[str, Any], ...]
Specs = tuple[tuple[tuple[int, ...], str], ...]

_rows: dict[str, tuple[Callable, bool]] = {}


def row(lowering: Callable) -> Callable:
    """Adds a row under the function's name, less an underscore at the end, which keeps clear of Python's own names.

    A row with a parameter `out` is told the specs of its outputs, (shape, dtype) each.
    """
    name = lowering.__name__.removesuffix("_")
    assert name not in _rows, name
    _rows[name] = lowering, "out" in inspect.signature(lowering).parameters
    return lowering


def composed(*names: str) -> None:
    """Adds rows that are lowered through their `compose`, where XLA fuses simple ops as well as a row of our own."""
    for name in names:
        _rows[name] = _lower_composed(name), True


@functools.cache
def rows() -> dict[str, tuple[Callable, bool]]:
    """All rows, by name: the lowering, and whether it is told the specs of its outputs."""
    for family in dict.fromkeys(row["family"] for row in op_table()):
        importlib.import_module(f"addax.jax.{family}")
    return _rows


def lower(name: str, attrs: Attrs, specs: Specs) -> Callable:
    """Returns a function of arrays, `None` where an input is not given, that gives a list of arrays of those specs."""
    lowering, wants_out = rows()[name]
    given = dict(attrs)
    if wants_out:
        given["out"] = specs

    def function(*arrays: Any) -> list[jax.Array]:
        results = lowering(*(None if a is None else jnp.asarray(a) for a in arrays), **given)
        results = results if isinstance(results, (tuple, list)) else [results]
        for x, (shape, _) in zip(results, specs, strict=True):
            assert x.shape == shape, f"{name}: gives {x.shape} where the table says {shape}"
        return [x.astype(dtype) for x, (_, dtype) in zip(results, specs, strict=True)]

    function.__name__ = name
    return function


def wide(x: jax.Array) -> jax.Array:
    """16-bit floats in float32, as kernels compute them."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def _lower_composed(name: str) -> Callable:
    from addax.jax.graphs import function_of

    def lowering(*arrays: Any, out: Specs, **attrs: Any) -> list[jax.Array]:
        trace = Trace(body=True)
        arguments = [trace.argument(a.shape, str(a.dtype)) for a in arrays]
        trace.start()
        try:
            results = compose(name, *arguments, **attrs)
        finally:
            trace.stop()
        graph, _, captured = trace.close(results if isinstance(results, tuple) else (results,))
        return function_of(graph)(*arrays, *captured)

    return lowering
