"""Gradients on JAX equal those of the native engine, in float64: one sample of every differentiable op."""

import numpy as np
import pytest

import addax
from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import differentiable_inputs, run

TABLE = {row["name"]: row for row in engine.op_table()}
FIRST: dict[str, Sample] = {}
for _sample in samples():
    if TABLE[_sample.op]["differentiable"] and "float64" in _sample.dtypes:
        FIRST.setdefault(_sample.op, _sample)
FAMILIES = sorted({TABLE[op]["family"] for op in FIRST})


def gradients(sample: Sample, tensors: list) -> list:
    places = differentiable_inputs(sample, sample.inputs())
    tape = engine.Tape()
    for p in places:
        tape.watch(tensors[p])
    tape.start()
    outputs = [o for o in run(sample, tensors) if o.dtype == "float64"]
    tape.stop()
    grads = tape.gradient(outputs, [tensors[p] for p in places]) if outputs and places else []
    return [*outputs, *(g for g in grads if g is not None)]


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients(jax_engine, family: str) -> None:
    chosen = [s for op, s in FIRST.items() if TABLE[op]["family"] == family]
    inputs = [[engine.tensor(a) for a in s.inputs()] for s in chosen]
    everything = addax.compile(lambda given: [gradients(s, part) for s, part in zip(chosen, given, strict=True)])
    for sample, results, tensors in zip(chosen, everything(inputs), inputs, strict=True):
        with engine.on_host():
            wanted = gradients(sample, tensors)
        assert len(results) == len(wanted)
        for got, want in zip(results, wanted, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9, err_msg=str(sample))
