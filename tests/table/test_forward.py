"""Eager results equal the reference, in every dtype of the row."""

import numpy as np
import pytest

from tests.samples import Sample, samples
from tests.table.helpers import as_float64, cast_inputs, reference, run

CASES = [pytest.param(s, d, id=f"{s}-{d}") for s in samples() if s.reference for d in s.dtypes]


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_forward(sample: Sample, dtype: str) -> None:
    tensors = cast_inputs(sample.inputs(), dtype)
    outputs = run(sample, tensors)
    expected = reference(sample, [as_float64(t) for t in tensors])
    assert len(outputs) == len(expected)
    for out, want in zip(outputs, expected, strict=True):
        assert out.shape == want.shape
        got = as_float64(out)
        if sample.exact or got.dtype != np.float64:
            np.testing.assert_array_equal(got, want.astype(got.dtype))
        else:
            tolerance = sample.allowed(out.dtype)
            np.testing.assert_allclose(got, want.astype(np.float64), rtol=tolerance, atol=tolerance)


FLOATS = ("float32", "float64", "bfloat16")
PRODUCTS = [s for s in samples() if s.big and s.op == "matmul" and set(FLOATS) <= set(s.dtypes)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sample", PRODUCTS, ids=str)
def test_large_products(sample: Sample, dtype: str) -> None:
    """Within the bound of any order of summation. Only large products are cut, along their sums too."""
    tensors = cast_inputs(sample.big(np.random.default_rng(7)), dtype)
    a, b = (as_float64(t) for t in tensors)
    (want,), (size,) = reference(sample, [a, b]), reference(sample, [abs(a), abs(b)])
    sums = np.finfo("float64" if dtype == "float64" else "float32").eps * max(a.shape)
    rounding = 2.0**-8 if dtype == "bfloat16" else 0
    (out,) = run(sample, tensors)
    assert (abs(as_float64(out) - want) <= sums * size + rounding * abs(want)).all()
