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
