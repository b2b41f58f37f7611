"""Products that are large enough for cuBLASLt, where the device has it; `--device cuda` runs them by the real one."""

import numpy as np
import pytest

from addax import engine
from addax.compiled import CompiledFunction
from tests.cuda.test_programs import values
from tests.samples import FLOATS
from tests.table.helpers import as_float64, bits

# Of the sum of the sizes of the terms: one rounding of the result, and those of float32 sums.
ERROR = {"float64": 1e-15, "float32": 3e-7, "float16": 1e-3, "bfloat16": 8e-3}
TF32 = 1e-3
M, K, N = 72, 136, 104


@pytest.fixture(autouse=True)
def library(cuda):
    if cuda:
        cuda.emulation_use_cublaslt(1, 1 << 15)
    yield
    if cuda:
        cuda.emulation_use_cublaslt(0, 1)


def factors(dtype, batch=()):
    return values((*batch, M, K), dtype), values((*batch, K, N), dtype, 1)


def error(out, left, right, bias=0.0, relu=False) -> float:
    a, b = as_float64(left), as_float64(right)
    want = a @ b + bias
    want = np.maximum(want, 0) if relu else want
    return (np.abs(as_float64(out) - want) / (np.abs(a) @ np.abs(b) + np.abs(bias))).max()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_product(dtype: str, transposed: str, batch) -> None:
    left, right = factors(dtype, batch)
    turn = [engine.apply("transpose", t, axes=(*range(len(batch)), -1, -2)) if s in transposed else t
            for t, s in ((left, "a"), (right, "b"))]  # fmt: skip
    a, b = (engine.tensor(as_float64(t)) for t in turn)
    a, b = (engine.apply("cast", t, dtype=dtype).to("cuda:0") for t in (a, b))
    out = engine.apply("matmul", a, b, transpose_a="a" in transposed, transpose_b="b" in transposed)
    assert error(out, left, right) < ERROR[dtype]
    assert bits(engine.apply("matmul", a, b, transpose_a="a" in transposed, transpose_b="b" in transposed)) == bits(out)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("relu", [False, True])
def test_bias(dtype: str, relu: bool) -> None:
    left, right = factors(dtype)
    bias = values((N,), dtype, 2)
    program, last = ("add 0 1;relu 2", 3) if relu else ("add 0 1", 2)
    out = engine.apply("matmul_fused", *(t.to("cuda:0") for t in (left, right, bias)), program=program,
                       dtypes=f"{dtype} {dtype}", results=(last,))  # fmt: skip
    assert error(out, left, right, as_float64(bias), relu) < ERROR[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
def test_relu_keeps_nan(dtype: str) -> None:
    left, right = (as_float64(t).copy() for t in factors(dtype))
    left[3, 5] = np.nan
    tensors = [engine.apply("cast", engine.tensor(x), dtype=dtype).to("cuda:0") for x in (left, right, np.zeros(N))]
    out = engine.apply("matmul_fused", *tensors, program="add 0 1;relu 2", dtypes=f"{dtype} {dtype}", results=(3,))
    assert np.isnan(as_float64(out)).any(axis=1).tolist() == [i == 3 for i in range(M)]
    assert np.isnan(as_float64(out)[3]).all()


def test_tf32() -> None:
    left, right = factors("float32")
    a, b = left.to("cuda:0"), right.to("cuda:0")
    function = CompiledFunction(lambda a, b: engine.apply("matmul", a, b))
    for on in (False, True, False):
        engine.set_tf32(on)
        outs = [engine.apply("matmul", a, b), *(function(a, b) for _ in range(3))]
        assert len({bits(t) for t in outs}) == 1
        assert (ERROR["float32"] < error(outs[0], left, right) < TF32) == on
