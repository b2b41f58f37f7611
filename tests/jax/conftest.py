"""The JAX engine in this process, for the tests of this folder only: the other engine is back after each."""

import pytest

from addax import engine


@pytest.fixture
def jax_engine():
    """Runs the test on JAX."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    engine.use("jax")
    yield
    engine.use("native")
    jax.config.update("jax_enable_x64", before)
