"""The same call made in addax and in real Keras."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import addax
from tests.ops.cases import Case, T

# Both sides round in float32 (or half precision) and use other polynomials for exp, log and their kin: a few units in
# the last place, which is 2**-23, 2**-10 and 2**-7.
TOLERANCE = {"float32": 2e-6, "float16": 4e-3, "bfloat16": 3e-2, "float64": 2e-6}


def tensors(case: Case) -> Iterator[T]:
    """The tensor arguments of a case."""
    for x in (*case.args, *case.kwargs.values()):
        yield from (e for e in (x if isinstance(x, list) else [x]) if isinstance(e, T))


def arguments(lib: Any, case: Case, dtype: str, symbolic: bool = False) -> tuple[list, dict]:
    """The arguments of a case as tensors of a library.

    Or as KerasTensors: the first dim of the first one is unknown, and that of others that share it.
    """
    seeds = iter(range(100))
    first = next(tensors(case), None)

    def convert(x):
        if isinstance(x, T):
            own = x.dtype or dtype
            if symbolic:
                unknown = x.shape and first.shape and (len(x.shape), x.shape[0]) == (len(first.shape), first.shape[0])
                return lib.KerasTensor((None, *x.shape[1:]) if unknown else x.shape, own)
            return lib.ops.cast(lib.ops.convert_to_tensor(x.numpy(dtype, next(seeds))), own)
        if isinstance(x, list) and any(isinstance(e, T) for e in x):
            return [convert(e) for e in x]
        return x

    return [convert(x) for x in case.args], {k: convert(v) for k, v in case.kwargs.items()}


def call(lib: Any, case: Case, dtype: str, symbolic: bool = False) -> Any:
    args, kwargs = arguments(lib, case, dtype, symbolic)
    return getattr(lib.ops, case.name)(*args, **kwargs)


def leaves(result: Any) -> list:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def to_float64(x: Any) -> np.ndarray:
    return np.asarray(x).astype("float64")


def assert_equal(ours: Any, theirs: Any, tolerance: float = 1.0) -> None:
    ours, theirs = leaves(ours), leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        dtype = keras.backend.standardize_dtype(b.dtype)
        assert tuple(a.shape) == tuple(b.shape)
        assert a.dtype == dtype
        limit = TOLERANCE.get(dtype, 0.0) * tolerance
        np.testing.assert_allclose(to_float64(a), to_float64(b), rtol=limit, atol=limit)


__all__ = ["addax", "arguments", "assert_equal", "call", "keras", "leaves", "tensors", "to_float64"]
