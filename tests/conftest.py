"""Settings shared by all tests: the oracle's backend, and a clean global state for every test."""

import os
from importlib import import_module

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


@pytest.fixture(autouse=True)
def global_settings():
    """Whatever a test sets for the whole process is put back after it."""
    from addax import config, engine

    policies = import_module("addax.dtype_policies.dtype_policy")
    before = policies._global_policy, config.floatx(), config.image_data_format(), engine.num_threads()
    yield
    policies._global_policy = before[0]
    config.set_floatx(before[1])
    config.set_image_data_format(before[2])
    if engine.num_threads() != before[3]:
        engine.set_num_threads(before[3])
