"""A fused op equals its composition of simpler ops."""

import numpy as np
import pytest

from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import as_float64, run

TABLE = {row["name"]: row for row in engine.op_table()}
CASES = [pytest.param(s, id=str(s)) for s in samples() if TABLE[s.op]["has_compose"] and "float64" in s.dtypes]


@pytest.mark.parametrize("sample", CASES)
def test_compose(sample: Sample) -> None:
    tensors = [engine.tensor(a) for a in sample.inputs()]
    composed = engine.compose(sample.op, *tensors, **sample.attrs)
    composed = composed if isinstance(composed, tuple) else (composed,)
    for a, b in zip(run(sample, tensors), composed, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        # Both are float64; they sum in different orders.
        np.testing.assert_allclose(as_float64(a), as_float64(b), rtol=1e-10, atol=1e-10)
