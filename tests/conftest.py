"""Settings shared by all tests: the oracle's backend, and a clean global state for every test."""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tests that want another device say so.
os.environ.setdefault("ADDAX_DEVICE", "cpu")
# Most of the oracle's time goes into compiling what then runs once: half as long with few optimizations, and
# the bits are the same (with none, products and sums are rounded apart). Processors that compute in float16
# themselves would round each step; everywhere else, as here, it is computed in float32.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_max_isa=AVX2")
# A shell starts what runs in the background with SIGINT ignored; tests send it to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=("emulated", "cuda"),
        default="emulated",
        help="cuda: only the tests of devices, on this machine's cuda:0 instead of the emulated one",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") != "cuda":
        return
    folder = Path(__file__).parent / "cuda"
    kept, left = [], []
    for item in items:
        there = folder in item.path.parents and not item.get_closest_marker("emulated")
        (kept if there else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture(autouse=True)
def global_settings():
    """Whatever a test sets for the whole process is put back after it."""
    from addax import config, engine

    policies = import_module("addax.dtype_policies.dtype_policy")
    registry = import_module("addax.saving.registry")
    before = policies._global_policy, config.floatx(), config.image_data_format(), engine.num_threads()
    winograd, tf32 = engine.winograd(), engine.tf32()
    registered = dict(registry._objects), dict(registry._names)
    yield
    for now, then in zip((registry._objects, registry._names), registered, strict=True):
        now.clear()
        now.update(then)
    policies._global_policy = before[0]
    config.set_floatx(before[1])
    config.set_image_data_format(before[2])
    engine.set_winograd(winograd)
    engine.set_tf32(tf32)
    if engine.num_threads() != before[3]:
        engine.set_num_threads(before[3])


@pytest.fixture
def eager_rounding():
    """Without the pass `batch_norm`, whose predictions are rounded otherwise than those of eager calls.

    tests/graph/test_batch_norm.py bounds the difference.
    """
    from addax import engine

    engine.set_passes("-batch_norm")
    yield
    engine.set_passes("")


@pytest.fixture
def compiled_steps():
    """Steps are compiled, also where ADDAX_EAGER runs everything else eagerly: for tests of what is in a plan."""
    from addax import config

    before = config.run_functions_eagerly()
    config.set_run_functions_eagerly(False)
    yield
    config.set_run_functions_eagerly(before)


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    """What the oracle has compiled is of no use to another file; it is forgotten before it fills the memory."""
    yield
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resident > 1 << 30 and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
