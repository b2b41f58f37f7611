"""Settings shared by all tests: the oracle's backend, and a clean global state for every test."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
