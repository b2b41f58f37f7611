"""Random bits equal JAX's, so the same seed gives the same weights on every engine."""

import numpy as np
import pytest

from addax import engine

SHAPES = [(), (0, 2), (1,), (3, 5), (2, 3, 4), (70001,), (300, 301)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", [(0, 0), (0, 1337), (2**32 - 1, 123456789)])
def test_equals_jax(key: tuple[int, int], shape: tuple[int, ...], dtype: str) -> None:
    jax = pytest.importorskip("jax")
    raw = np.array(key, "uint32")
    with jax.enable_x64(True):
        want = np.asarray(jax.random.bits(jax.random.wrap_key_data(jax.numpy.asarray(raw)), shape, dtype))
    got = engine.apply("random_bits", engine.tensor(raw), shape=shape, dtype=dtype).numpy()
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
