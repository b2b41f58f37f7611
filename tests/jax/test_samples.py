"""Every sample of the op table on JAX: the reference's values within the sample's tolerance.

All samples of an op are one compiled function, since it is compiling that takes the time. Of the floats, those that a
TPU computes with; tests/jax/test_gradients.py uses float64.
"""

from itertools import groupby

import numpy as np
import pytest

import addax
from tests.samples import Sample, samples
from tests.table.helpers import as_float64, cast_inputs, reference, run


def dtypes(number: int, sample: Sample) -> list[str]:
    """16-bit floats take other paths than float32 by row, not by sample: the first one of an op shows them."""
    left = (
        {"float64", "float16"} if number == 0 or "float32" not in sample.dtypes else {"float64", "float16", "bfloat16"}
    )
    return [d for d in sample.dtypes if d not in left]


GROUPS = {
    name: [(s, d) for i, s in enumerate(s for s in group if s.reference) for d in dtypes(i, s)]
    for name, group in groupby(sorted(samples(), key=lambda s: s.op), key=lambda s: s.op)
}


def check(sample: Sample, tensors: list, outputs: tuple) -> None:
    expected = reference(sample, [as_float64(t) for t in tensors])
    assert len(outputs) == len(expected)
    for out, want in zip(outputs, expected, strict=True):
        assert out.device == "jax:0"
        assert out.shape == want.shape
        got = as_float64(out)
        if sample.exact or got.dtype != np.float64:
            np.testing.assert_array_equal(got, want.astype(got.dtype))
        else:
            tolerance = sample.allowed(out.dtype)
            np.testing.assert_allclose(got, want.astype(np.float64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("op", [name for name, group in GROUPS.items() if group])
def test_forward(jax_engine, op: str) -> None:
    cases = [(sample, dtype, cast_inputs(sample.inputs(), dtype)) for sample, dtype in GROUPS[op]]
    all_of_them = addax.compile(lambda given: [run(case[0], part) for case, part in zip(cases, given, strict=True)])
    errors = []
    for (sample, dtype, tensors), outputs in zip(cases, all_of_them([c[2] for c in cases]), strict=True):
        try:
            check(sample, tensors, outputs)
        except AssertionError as error:
            errors.append(f"{sample}-{dtype}: {error}")
    assert not errors, "\n".join(errors)
