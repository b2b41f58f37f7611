"""Abstract evaluation gives the shapes and dtypes that eager evaluation gives."""

import pytest

from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import cast_inputs, run

CASES = [pytest.param(s, d, id=f"{s}-{d}") for s in samples() for d in s.dtypes]


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_symbolic(sample: Sample, dtype: str) -> None:
    tensors = cast_inputs(sample.inputs(), dtype)
    eager = run(sample, tensors)
    abstract = run(sample, [engine.placeholder(t.shape, t.dtype) for t in tensors])
    assert [(t.shape, t.dtype) for t in abstract] == [(t.shape, t.dtype) for t in eager]
    assert all(t.is_placeholder for t in abstract)
