"""The test column of the op table: inputs, reference and tolerance of every primitive.

To add an op: one or more `Sample` rows in the family's file here. Every check of tests/table then runs on them:
forward against the reference, gradients against finite differences, other layouts, abstract evaluation, thread counts,
composition, errors. A new kind of check is a new file in tests/table, not new samples.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FAMILIES = (
    "elementwise",
    "reduce",
    "movement",
    "index",
    "sort",
    "matmul",
    "conv",
    "pool",
    "norm",
    "attention",
    "loss",
    "rnn",
    "random",
    "optimizer",
    "fused",
    "control",
)
FLOATS = ("float64", "float32", "float16", "bfloat16")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

# Relative and absolute error allowed beside a float64 reference computed from the same rounded inputs: a few units in
# the last place of the dtype, since a row may chain several roundings. A row with a reason overrides it.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}

Inputs = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Sample:
    """One case of one op.

    make: inputs from a random generator: float64 arrays for what follows `dtypes`, other dtypes as they are.
    reference: NumPy (or a formula) on the inputs in float64 and the attributes; an array, or a tuple for several
        outputs. None: only the other checks run (say why in a comment).
    dtypes: what the float64 inputs are cast to for the forward check.
    big: inputs large enough that several threads share the work; at least one row of every op has it.
    gradient: positions of the inputs to differentiate; None: every float64 input.
    tolerance: dtype -> allowed error where the default does not fit.
    exact: results must equal the reference bit for bit.
    """

    op: str
    make: Callable[[np.random.Generator], Inputs]
    reference: Callable[..., Any] | None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    dtypes: tuple[str, ...] = FLOATS
    big: Callable[[np.random.Generator], Inputs] | None = None
    gradient: tuple[int, ...] | None = None
    tolerance: Mapping[str, float] = field(default_factory=dict)
    exact: bool = False

    def __str__(self) -> str:
        return f"{self.op}-{self.label}" if self.label else self.op

    def inputs(self, seed: int = 0) -> Inputs:
        return tuple(np.asarray(a) for a in self.make(np.random.default_rng(seed)))

    def allowed(self, dtype: str) -> float:
        return self.tolerance.get(dtype, TOLERANCE.get(dtype, 0.0))


@dataclass(frozen=True)
class ErrorSample:
    """Inputs an op must refuse, the error and a part of its text (a regular expression)."""

    op: str
    inputs: Inputs
    error: type[Exception]
    match: str
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op}-{self.match[:24]}"


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Standard normal values of that shape."""
    return lambda rng: rng.standard_normal(shape)


def uniform(low: float, high: float, *shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Uniform values in [low, high)."""
    return lambda rng: rng.uniform(low, high, shape)


def integers(low: int, high: int, *shape: int, dtype: str = "int32") -> Callable[[np.random.Generator], np.ndarray]:
    """Whole numbers in [low, high) of that dtype."""
    return lambda rng: rng.integers(low, high, shape).astype(dtype)


def given(value: Any, dtype: str = "float64") -> Callable[[np.random.Generator], np.ndarray]:
    """That very array."""
    return lambda rng: np.asarray(value, dtype)


def inputs(*makers: Callable[[np.random.Generator], np.ndarray]) -> Callable[[np.random.Generator], Inputs]:
    """Several inputs drawn one after the other."""
    return lambda rng: tuple(m(rng) for m in makers)


def _collect(name: str) -> list[Any]:
    rows: list[Any] = []
    for family in FAMILIES:
        rows.extend(getattr(importlib.import_module(f"tests.samples.{family}"), name, []))
    return rows


def samples() -> list[Sample]:
    """Every sample of every family."""
    return _collect("SAMPLES")


def error_samples() -> list[ErrorSample]:
    """Every error case of every family."""
    return _collect("ERRORS")
