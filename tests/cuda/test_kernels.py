"""Every CUDA kernel over its samples: against the reference, on any layout, backwards.

Through emulation.h, or on the machine's device with `--device cuda`. Kernels run twice, under emulation with their
threads in both orders: one whose bits differ has a race.
"""

import numpy as np
import pytest

from addax import engine
from tests.samples import FLOATS, ErrorSample, Sample, error_samples, samples
from tests.table.helpers import as_float64, bits, cast_inputs, differentiable_inputs, reference, run
from tests.table.test_layout import spaced

TABLE = {row["name"]: row for row in engine.op_table()}
CASES = [pytest.param(s, d, id=f"{s}-{d}") for s in samples() for d in s.dtypes]
# Indices of these are read where they are checked; all other errors come from the shape rules, which know no device.
CHECKED = ("take", "gather_nd", "scatter", "scatter_add", "take_along_axis", "scatter_add_along_axis", "sparse_softmax")


def on_device(tensors):
    return [t.to("cuda:0") for t in tensors]


def agree(got, want, tolerance: float) -> None:
    if tolerance == 0 or got.dtype != np.float64:
        np.testing.assert_array_equal(got, want.astype(got.dtype))
    else:
        np.testing.assert_allclose(got, want.astype(np.float64), rtol=tolerance, atol=tolerance)


def on_cpu(sample: Sample, host) -> list[np.ndarray]:
    """What the CPU's kernels make of the same values in float64."""
    wide = [engine.apply("cast", t, dtype="float64") if t.dtype in FLOATS else t for t in host]
    return [as_float64(t) for t in run(sample, wide)]


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_forward(cuda, sample: Sample, dtype: str) -> None:
    host = cast_inputs(sample.inputs(), dtype)
    outputs = run(sample, on_device(host))
    assert all(t.device == "cuda:0" for t in outputs)
    if dtype in ("float32", "int32", "bool"):
        if cuda:
            cuda.emulation_set_reversed(1)
        assert [bits(t) for t in run(sample, on_device(host))] == [bits(t) for t in outputs]
    expected = reference(sample, [as_float64(t) for t in host]) if sample.reference else on_cpu(sample, host)
    for out, want in zip(outputs, expected, strict=True):
        assert out.shape == want.shape
        # Samples without a reference are large: float32 sums of a thousand terms.
        allowed = sample.allowed(out.dtype) if sample.reference else max(sample.allowed(out.dtype), 2e-5)
        agree(as_float64(out), want, 0.0 if sample.exact else allowed)


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in samples() if any(a.ndim for a in s.inputs())])
def test_layout(sample: Sample) -> None:
    host = [engine.tensor(a) for a in sample.inputs()]
    moved = [
        engine.apply("transpose", t.T.to("cuda:0"), axes=tuple(reversed(range(t.ndim)))) if t.ndim else t.to("cuda:0")
        for t in (spaced(t) if t.ndim else t for t in host)
    ]
    for a, b in zip(run(sample, on_device(host)), run(sample, moved), strict=True):
        if a.dtype == "float64":  # a reduction may take its elements in another order
            np.testing.assert_allclose(as_float64(a), as_float64(b), rtol=1e-12, atol=1e-12)
        else:
            assert bits(a) == bits(b)


GRADIENTS = [s for s in samples() if TABLE[s.op]["differentiable"] and "float64" in s.dtypes]


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in GRADIENTS])
def test_gradient(sample: Sample) -> None:
    """The tape's gradients on the device are those of the CPU."""
    arrays = sample.inputs()
    places = differentiable_inputs(sample, arrays)
    host = [engine.tensor(a) for a in arrays]

    def gradients(tensors):
        tape = engine.Tape()
        for p in places:
            tape.watch(tensors[p])
        tape.start()
        outputs = run(sample, tensors)
        tape.stop()
        targets = [o for o in outputs if o.dtype in FLOATS]
        return tape.gradient(targets, [tensors[p] for p in places]) if targets and places else []

    for got, want in zip(gradients(on_device(host)), gradients(host), strict=True):
        assert (got is None) == (want is None)
        if got is not None:
            assert got.device == "cuda:0"
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)


ERRORS = [s for s in error_samples() if s.error is IndexError and s.op.startswith(CHECKED) and "range" in s.match]


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in ERRORS])
def test_errors(sample: ErrorSample) -> None:
    with pytest.raises(sample.error, match=sample.match):
        engine.apply(sample.op, *on_device([engine.tensor(a) for a in sample.inputs]), **sample.attrs)
        engine.synchronize("cuda:0")
