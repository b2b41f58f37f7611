"""The same bits on one thread and on several, forward and backward."""

import numpy as np
import pytest

from addax import engine
from tests.samples import FLOATS, Sample, samples
from tests.table.helpers import bits, cast_inputs, differentiable_inputs, run

TABLE = {row["name"]: row for row in engine.op_table()}
CASES = [pytest.param(s, d, id=f"{s}-{d}") for s in samples() if s.big for d in s.dtypes]


@pytest.fixture(autouse=True)
def restore_threads():
    before = engine.num_threads()
    yield
    engine.set_num_threads(before)


def everything(sample: Sample, dtype: str, arrays) -> list[bytes]:
    tensors = cast_inputs(arrays, dtype)
    tape = engine.Tape()
    differentiable = TABLE[sample.op]["differentiable"] and dtype in FLOATS
    sources = [tensors[p] for p in differentiable_inputs(sample, arrays)] if differentiable else []
    for s in sources:
        tape.watch(s)
    tape.start()
    outputs = run(sample, tensors)
    tape.stop()
    targets = [o for o in outputs if o.dtype == dtype]
    grads = tape.gradient(targets, sources) if targets and sources else []
    return [bits(t) for t in (*outputs, *(g for g in grads if g is not None))]


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_threads(sample: Sample, dtype: str) -> None:
    arrays = tuple(sample.big(np.random.default_rng(3)))
    results = []
    for threads in (1, 2, 4):
        engine.set_num_threads(threads)
        results.append(everything(sample, dtype, arrays))
    assert results[0] == results[1] == results[2]
