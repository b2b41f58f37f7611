"""Results do not depend on how the inputs lie in memory."""

import numpy as np
import pytest

from addax import engine
from tests.samples import Sample, samples
from tests.table.helpers import bits, run

CASES = [pytest.param(s, id=str(s)) for s in samples() if any(a.ndim for a in s.inputs())]


def transposed(tensor: engine.Tensor) -> engine.Tensor:
    """The same values with the axes of memory reversed."""
    axes = tuple(reversed(range(tensor.ndim)))
    back = engine.tensor(np.ascontiguousarray(tensor.numpy().T))
    return engine.apply("transpose", back, axes=axes)


def spaced(tensor: engine.Tensor) -> engine.Tensor:
    """The same values as every second element of a larger array, read backwards twice."""
    wide = np.zeros(tuple(2 * d for d in tensor.shape), tensor.numpy().dtype)
    wide[tuple(slice(None, None, 2) for _ in tensor.shape)] = tensor.numpy()[(slice(None, None, -1),) * tensor.ndim]
    return engine.tensor(wide)[(slice(None, None, 2),) * tensor.ndim][(slice(None, None, -1),) * tensor.ndim]


@pytest.mark.parametrize("sample", CASES)
@pytest.mark.parametrize("rearrange", [transposed, spaced])
def test_layout(sample: Sample, rearrange) -> None:
    tensors = [engine.tensor(a) for a in sample.inputs()]
    moved = [rearrange(t) if t.ndim else t for t in tensors]
    for a, b in zip(tensors, moved, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(run(sample, tensors), run(sample, moved), strict=True):
        # A matrix product may take another path for another layout; everything else is bit-equal.
        if sample.op in ("matmul",) and a.dtype.startswith("float"):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)
        else:
            assert bits(a) == bits(b)


@pytest.mark.parametrize("m, n, k", [(216, 317, 3584), (210, 590, 3072), (327, 485, 2560)])
def test_large_products_are_cut_alike(m, n, k) -> None:
    """Whether rows are packed first depends on layout; how many partial sums there are, and so bits, does not."""
    draw = np.random.default_rng(0)
    values, right = draw.standard_normal((m, k), "float32"), engine.tensor(draw.standard_normal((k, n), "float32"))
    plain = engine.tensor(values)
    wide = engine.tensor(np.concatenate([values, values[:, :33]], axis=1))[:, :k]
    expected, *others = (
        bits(engine.apply("matmul", x, right, transpose_a=False, transpose_b=False))
        for x in (plain, transposed(plain), wide)
    )
    assert all(other == expected for other in others)
