"""What the checks over the op table share."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from addax import engine
from tests.samples import Sample


def cast_inputs(arrays: tuple[np.ndarray, ...], dtype: str) -> list[engine.Tensor]:
    """The float64 arrays as tensors of `dtype`, the others as they are."""
    return [engine.tensor(a, dtype if a.dtype == np.float64 else None) for a in arrays]


def as_float64(tensor: engine.Tensor) -> np.ndarray:
    """Floating values widened exactly; other dtypes unchanged."""
    array = tensor.numpy()
    return array.astype(np.float64) if tensor.dtype in ("float16", "bfloat16", "float32") else array


def run(sample: Sample, tensors: list[engine.Tensor]) -> tuple[engine.Tensor, ...]:
    """The op's outputs, always as a tuple."""
    out = engine.apply(sample.op, *tensors, **sample.attrs)
    return out if isinstance(out, tuple) else (out,)


def reference(sample: Sample, arrays: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The reference's outputs, always as a tuple. NumPy's warnings about domain errors are part of the samples."""
    assert sample.reference is not None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        out: Any = sample.reference(*arrays, **sample.attrs)
    return tuple(np.asarray(o) for o in (out if isinstance(out, tuple) else (out,)))


def bits(tensor: engine.Tensor) -> bytes:
    """Shape, dtype and every bit of the values."""
    return repr((tensor.shape, tensor.dtype)).encode() + np.ascontiguousarray(tensor.numpy()).tobytes()


def differentiable_inputs(sample: Sample, arrays: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    """Positions of the inputs that the sample differentiates."""
    if sample.gradient is not None:
        return sample.gradient
    return tuple(i for i, a in enumerate(arrays) if a.dtype == np.float64)
