"""Products on the emulated device by registers of tensor cores, of 16-bit floats and of float32 as TF32; sums of small
integers are exact."""

import numpy as np
import pytest

from addax import engine
from tests.cuda.build import emulation

DTYPES = ["float16", "bfloat16", "float32"]


@pytest.fixture(autouse=True)
def device():
    library = emulation()
    engine.set_tf32(True)
    yield
    library.emulation_set_reversed(0)


def integers(shape, seed):
    return np.random.default_rng(seed).integers(-1, 2, shape).astype("float64")


def on_device(x, dtype):
    return engine.apply("cast", engine.tensor(x), dtype=dtype).to("cuda:0")


def values(x):
    return engine.apply("cast", x, dtype="float64").numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(72, 40, 88), (70, 33, 5)])  # 16 bytes at a time, and one by one
def test_matmul(dtype: str, transpose_a: bool, transpose_b: bool, m: int, k: int, n: int) -> None:
    a, b = integers((2, m, k), 0), integers((k, n), 1)
    left = on_device(a.swapaxes(1, 2) if transpose_a else a, dtype)
    right = on_device(b.T if transpose_b else b, dtype)
    for backwards in (0, 1):
        emulation().emulation_set_reversed(backwards)
        out = engine.apply("matmul", left, right, transpose_a=transpose_a, transpose_b=transpose_b)
        np.testing.assert_array_equal(values(out), a @ b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [8, 3])
def test_convolutions(dtype: str, channels: int) -> None:
    """The three products, against float64 on the CPU."""
    attrs = {"strides": (2, 1), "low": (1, 0), "high": (1, 1), "dilation": (1, 2), "groups": 2}
    x, w = integers((2, 7, 8, 2 * channels), 0), integers((3, 2, channels, 2 * channels), 1)
    exact = engine.apply("conv", engine.tensor(x), engine.tensor(w), **attrs)
    g = integers(tuple(exact.shape), 2)
    calls = [
        ("conv", (x, w), {}),
        ("conv_input_grad", (g, w), {"input_spatial": x.shape[1:3]}),
        ("conv_filter_grad", (x, g), {"filter_spatial": w.shape[:2]}),
    ]
    for name, arrays, more in calls:
        want = engine.apply(name, *(engine.tensor(a) for a in arrays), **attrs, **more)
        out = engine.apply(name, *(on_device(a, dtype) for a in arrays), **attrs, **more)
        np.testing.assert_array_equal(values(out), want.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums(dtype: str) -> None:
    a, b = integers((3, 4100), 0), integers((4100, 9), 1)
    sums = a @ b
    keep = np.abs(sums) <= 128  # larger ones are rounded
    out = values(engine.apply("matmul", on_device(a, dtype), on_device(b, dtype)))
    assert keep.sum() > 20
    np.testing.assert_array_equal(out[keep], sums[keep])
