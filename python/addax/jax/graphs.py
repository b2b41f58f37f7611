"""Whole graphs on JAX: as functions, and as plans, each of which is one jax.jit with donated state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from addax._core import Graph, Tensor, Trace, array_of, optimize, take_rows, tensor_of
from addax.jax.distribution import sharding_of
from addax.jax.table import lower


def function_of(graph: Graph) -> Callable:
    """Returns a function of the graph's inputs that gives a list of its outputs."""
    specs, inputs, consts, eqns, outputs = graph.parts
    fixed = [(v, array_of(value)) for v, value in consts]
    steps = [(lower(name, attrs, tuple(specs[v] for v in out)), ins, out) for name, attrs, ins, out in eqns]

    def function(*arrays: Any) -> list[Any]:
        values: dict[int, Any] = {-1: None}
        values.update(zip(inputs, arrays, strict=True))
        values.update((v, jnp.asarray(value)) for v, value in fixed)
        for step, ins, out in steps:
            values.update(zip(out, step(*(values[v] for v in ins)), strict=True))
        return [values[v] for v in outputs]

    return function


def plan(trace: Trace, graph: Graph, memory_budget: int | None = None, without: str = "") -> Plan:
    """A plan of a finished trace's graph.

    Args:
        trace: The trace.
        graph: Its graph.
        memory_budget: None: XLA places values, and does not take a budget.
        without: A pass of the native engine to leave out; XLA has its own.

    Raises:
        ValueError: If there is a budget.
    """
    if memory_budget is not None:
        raise ValueError(
            "memory_budget: the JAX engine leaves the placing of values to XLA, which takes no budget; use addax.remat "
            "for values that are to be computed again"
        )
    return Plan(trace, optimize(graph))


class Plan:
    """A graph that runs as one function compiled by XLA. Has the interface of the native plan."""

    def __init__(self, trace: Trace, graph: Graph):
        self.graph = graph
        self._states = trace.states
        specs, inputs, _, eqns, outputs = graph.parts
        arguments, results = len(inputs) - graph.num_states, len(outputs) - graph.num_states
        before, after = inputs[arguments:], outputs[results:]
        count = graph.num_states
        self._assigned = assigned = [i for i in range(count) if before[i] != after[i]]
        self._read = read = [i for i in range(count) if before[i] == after[i]]
        self._arguments = [specs[v] for v in inputs[:arguments]]
        # A variable keeps its place on a mesh.
        shardings = [sharding_of(array) for array, _ in trace.states.arrays()]
        self._results = [specs[v] for v in outputs[:results]]
        # What XLA will make of it is not known: the size of all values stands for the work.
        self.stats = {"steps": len(eqns), "flops": 0, "bytes_moved": sum(_bytes(*spec) for spec in specs)}
        function = function_of(graph)

        # Without `self`: a plan dies with its last reference.
        def step(replaced: list, kept: list, given: list) -> tuple[list, list]:
            states: list[Any] = [None] * count
            for i, x in zip(assigned + read, replaced + kept, strict=True):
                states[i] = x
            out = function(*given, *states)
            return out[:results], [out[results + i] for i in assigned]

        self.step = jax.jit(step, donate_argnums=0, out_shardings=(None, [shardings[i] for i in assigned]))

    @property
    def is_current(self) -> bool:
        """False once a variable has been frozen or freed for training."""
        return self._states.are_current

    def operands(self, arguments: Sequence[Tensor]) -> tuple[list, list, list]:
        """What the compiled function takes: states to be replaced, states that are only read, arguments."""
        states = self._states.arrays()
        # Whoever holds a value that is about to be donated keeps it.
        assigned = [states[i][0] if states[i][1] else jnp.copy(states[i][0]) for i in self._assigned]
        return assigned, [states[i][0] for i in self._read], [array_of(t) for t in arguments]

    def run(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        """Runs once and moves the states on.

        Args:
            arguments: As many as the graph has, of its shapes and dtypes.

        Raises:
            ValueError: If they are not.
        """
        given = [(t.shape, t.dtype) for t in arguments]
        if given != self._arguments:
            raise ValueError(f"compiled function: expected arguments {self._arguments}, got {given}")
        results = self._states.run(self.step, self._assigned, *self.operands(arguments))
        return [tensor_of(x, *spec) for x, spec in zip(results, self._results, strict=True)]

    def start(self, arguments: Sequence[Tensor]) -> _Started:
        """Runs beside this thread, as JAX does anyway."""
        return _Started(self.run(arguments))

    def run_rows(self, data: Sequence[Tensor], order: Tensor | None, start: int, stop: int) -> list[Tensor]:
        """Runs once for each batch of the rows order[start:stop] of the data; returns the last results.

        Raises:
            ValueError: If the rows are not whole batches, or none.
        """
        batch = self._arguments[0][0][0] if self._arguments and self._arguments[0][0] else 0
        if batch <= 0 or start < 0 or stop <= start or (stop - start) % batch:
            raise ValueError(f"compiled function: rows {start} to {stop} are not whole batches of {batch}")
        for at in range(start, stop, batch):
            results = self.run(take_rows(data, order, at, at + batch))
        return results


class _Started:
    """A run that goes on."""

    def __init__(self, results: list[Tensor]):
        self._results = results

    def finish(self) -> list[Tensor]:
        return self._results


def _bytes(shape: Sequence[int], dtype: str) -> int:
    return math.prod(shape) * jnp.dtype(dtype).itemsize
