"""Convolutions as products of matrices by cuBLASLt: those that read every pixel once, and, for who wants the simple
reference (`ADDAX_CONV_PATCHES=1`), all of one group over patches that are written out."""

import numpy as np
import pytest

from addax import engine
from addax.compiled import CompiledFunction
from tests.cuda import test_kernels
from tests.cuda.build import emulation
from tests.cuda.test_cublaslt import taken
from tests.cuda.test_programs import values
from tests.samples import Sample
from tests.table.helpers import bits

pytestmark = pytest.mark.emulated
SAMPLES = [p for p in test_kernels.CASES if p.values[0].op.startswith("conv")]
GRADIENTS = [p for p in test_kernels.GRADIENTS if p.op.startswith("conv")]


@pytest.fixture(autouse=True, params=[0, 1], ids=["pointwise", "patches"])
def patches(request):
    """Whether patches are written; cuBLASLt is found and takes products of any size."""
    library = emulation()
    library.emulation_use_cublaslt(1, 1)
    library.emulation_write_patches(request.param)
    yield request.param
    library.emulation_write_patches(0)
    library.emulation_use_cublaslt(0, 1)
    library.emulation_set_reversed(0)


def pointwise(sample: Sample) -> bool:
    """Whether pixels meet one filter as they lie, by the attributes and the shapes of a sample of `conv`."""
    x, w = sample.inputs()[:2]
    spatial = w.shape[:-2]
    one = all(n == 1 for n in spatial) and x.shape[-1] == w.shape[-2]
    attrs = sample.attrs
    return one and all(
        all(v == n for v in attrs.get(name, ())) for name, n in (("strides", 1), ("low", 0), ("high", 0))
    )


@pytest.mark.parametrize(("sample", "dtype"), SAMPLES)
def test_forward(cuda, patches: int, sample: Sample, dtype: str) -> None:
    _, count = taken(cuda, lambda: test_kernels.test_forward(cuda, sample, dtype))
    if sample.op == "conv":
        one_group = sample.attrs.get("groups", 1) == 1 and all(a.size for a in sample.inputs())
        assert (count > 0) == (one_group and bool(patches or pointwise(sample)))


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in GRADIENTS])
def test_gradient(sample: Sample) -> None:
    test_kernels.test_gradient(sample)


@pytest.mark.parametrize("size", [1, 3])
def test_all_three_products(cuda, patches: int, size: int) -> None:
    """Each of a convolution's products goes to cuBLASLt, and has its bits when it is captured."""
    x, w = values((2, 6, 7, 8), "float32").to("cuda:0"), values((size, size, 8, 4), "float32", 1).to("cuda:0")
    geometry = {"strides": (1, 1), "low": (size // 2,) * 2, "high": (size // 2,) * 2, "dilation": (1, 1), "groups": 1}

    def everything(x, w):
        tape = engine.Tape()
        tape.watch(x)
        tape.watch(w)
        tape.start()
        y = engine.apply("conv", x, w, **geometry)
        tape.stop()
        return [y, *tape.gradient([y], [x, w])]

    eager, count = taken(cuda, lambda: everything(x, w))
    assert count == (3 if patches or size == 1 else 0)
    compiled = CompiledFunction(everything)
    for _ in range(3):
        assert [bits(t) for t in compiled(x, w)] == [bits(t) for t in eager]


def test_strides_over_padding_are_not_pointwise(cuda) -> None:
    """As many pixels come out as go in, others."""
    x, w = values((1, 3, 3, 8), "float32"), values((1, 1, 8, 4), "float32", 1)
    geometry = {"strides": (2, 2), "low": (0, 0), "high": (2, 2), "dilation": (1, 1), "groups": 1}
    got = engine.apply("conv", x.to("cuda:0"), w.to("cuda:0"), **geometry).numpy()
    np.testing.assert_allclose(got, engine.apply("conv", x, w, **geometry).numpy(), rtol=1e-5, atol=1e-5)
