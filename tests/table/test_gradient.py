"""Gradients, and gradients of gradients, equal central differences in float64."""

import numpy as np
import pytest

from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import differentiable_inputs, run

STEP = 1e-5
# A central difference errs by STEP^2 times the third derivative plus 1e-16 / STEP of rounding.
TOLERANCE = 2e-6

TABLE = {row["name"]: row for row in engine.op_table()}
CASES = [
    pytest.param(s, id=str(s))
    for s in samples()
    if TABLE[s.op]["differentiable"] and "float64" in s.dtypes and differentiable_inputs(s, s.inputs())
]


def gradient(sample, arrays, positions, seeds):
    """Value and gradients of sum(outputs * seeds)."""
    tensors = [engine.tensor(a) for a in arrays]
    tape = engine.Tape()
    for p in positions:
        tape.watch(tensors[p])
    tape.start()
    outputs = run(sample, tensors)
    tape.stop()
    floats = [o for o in outputs if o.dtype == "float64"]
    grads = tape.gradient(floats, [tensors[p] for p in positions], [engine.tensor(s) for s in seeds])
    value = sum(float((np.asarray(o) * s).sum()) for o, s in zip(floats, seeds, strict=True))
    return value, [
        np.zeros(arrays[p].shape) if g is None else np.asarray(g) for p, g in zip(positions, grads, strict=True)
    ]


def seeds_for(sample, arrays, rng):
    outputs = run(sample, [engine.tensor(a) for a in arrays])
    return [rng.standard_normal(o.shape) for o in outputs if o.dtype == "float64"]


@pytest.mark.parametrize("sample", CASES)
def test_gradient(sample: Sample) -> None:
    rng = np.random.default_rng(1)
    arrays = list(sample.inputs())
    positions = differentiable_inputs(sample, tuple(arrays))
    seeds = seeds_for(sample, arrays, rng)
    _, grads = gradient(sample, arrays, positions, seeds)
    for p, grad in zip(positions, grads, strict=True):
        direction = rng.standard_normal(arrays[p].shape)
        shifted = [], []
        for sign, store in zip((1, -1), shifted, strict=True):
            moved = list(arrays)
            moved[p] = arrays[p] + sign * STEP * direction
            store.append(gradient(sample, moved, positions, seeds)[0])
        numeric = (shifted[0][0] - shifted[1][0]) / (2 * STEP)
        assert np.vdot(grad, direction) == pytest.approx(numeric, rel=TOLERANCE, abs=TOLERANCE * max(1, grad.size**0.5))


@pytest.mark.parametrize("sample", CASES)
def test_double_backward(sample: Sample) -> None:
    rng = np.random.default_rng(2)
    arrays = list(sample.inputs())
    positions = differentiable_inputs(sample, tuple(arrays))
    seeds = seeds_for(sample, arrays, rng)
    weights = [rng.standard_normal(arrays[p].shape) for p in positions]

    def inner(at):
        return sum(np.vdot(g, w) for g, w in zip(gradient(sample, at, positions, seeds)[1], weights, strict=True))

    tensors = [engine.tensor(a) for a in arrays]
    sources = [tensors[p] for p in positions]
    outer = engine.Tape()
    for s in sources:
        outer.watch(s)
    outer.start()
    tape = engine.Tape()
    for s in sources:
        tape.watch(s)
    tape.start()
    floats = [o for o in run(sample, tensors) if o.dtype == "float64"]
    tape.stop()
    firsts = tape.gradient(floats, sources, [engine.tensor(s) for s in seeds])
    outer.stop()
    present = [(f, w) for f, w in zip(firsts, weights, strict=True) if f is not None]
    seconds = outer.gradient([f for f, _ in present], sources, [engine.tensor(w) for _, w in present])
    for p, second in zip(positions, seconds, strict=True):
        direction = rng.standard_normal(arrays[p].shape)
        ahead, behind = list(arrays), list(arrays)
        ahead[p] = arrays[p] + STEP * direction
        behind[p] = arrays[p] - STEP * direction
        numeric = (inner(ahead) - inner(behind)) / (2 * STEP)
        got = 0.0 if second is None else np.vdot(np.asarray(second), direction)
        assert got == pytest.approx(numeric, rel=1e-5, abs=1e-5 * max(1, direction.size**0.5))
