"""A gradient that arrives for one output alone equals the one with zeros for the others.

Rules may take a shorter way when some outputs have no gradient: the fused norm gradients do.
"""

import numpy as np
import pytest

from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import differentiable_inputs, run

TABLE = {row["name"]: row for row in engine.op_table()}


def several_outputs(sample: Sample) -> bool:
    if not TABLE[sample.op]["differentiable"] or "float64" not in sample.dtypes:
        return False
    arrays = sample.inputs()
    outputs = run(sample, [engine.placeholder(a.shape, str(a.dtype)) for a in arrays])
    return len([o for o in outputs if o.dtype == "float64"]) > 1 and bool(differentiable_inputs(sample, arrays))


CASES = [pytest.param(s, id=str(s)) for s in samples() if several_outputs(s)]


@pytest.mark.parametrize("sample", CASES)
def test_partial_gradient(sample: Sample) -> None:
    arrays = sample.inputs()
    tensors = [engine.tensor(a) for a in arrays]
    sources = [tensors[p] for p in differentiable_inputs(sample, arrays)]
    tape = engine.Tape()
    for s in sources:
        tape.watch(s)
    tape.start()
    outputs = [o for o in run(sample, tensors) if o.dtype == "float64"]
    tape.stop()
    rng = np.random.default_rng(4)
    for i, output in enumerate(outputs):
        seed = engine.tensor(rng.standard_normal(output.shape))
        zeros = [seed if o is output else engine.tensor(np.zeros(o.shape)) for o in outputs]
        alone = tape.gradient([output], sources, [seed], keep=True)
        among = tape.gradient(outputs, sources, zeros, keep=True)
        for a, b in zip(alone, among, strict=True):
            expected = np.asarray(b)
            got = np.zeros(expected.shape) if a is None else np.asarray(a)
            # Both ways are float64, with other orders of summation.
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9, err_msg=f"output {i}")
