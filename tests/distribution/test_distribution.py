"""addax.distribution: the native engine here, 8 devices and two processes each in processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import addax
from addax import config, distribution

HERE = Path(__file__).parent


def environment(devices: int) -> dict[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=1"
    return {**os.environ, "ADDAX_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


@pytest.mark.parametrize("part", ["nouns", "values", "training"])
def test_on_eight_devices(part):
    pytest.importorskip("jax")
    file = HERE / f"on_devices_{part}.py"
    command = [sys.executable, "-m", "pytest", str(file), "-n", "0", "-p", "no:cacheprovider"]
    # With more virtual devices than cores XLA's collectives may wait for each other; after 40 s it aborts the process.
    for _ in range(3):
        run = subprocess.run(command, capture_output=True, text=True, env=environment(8))
        if run.returncode != -signal.SIGABRT:
            break
    assert run.returncode == 0, run.stdout + run.stderr


def start(process: int, processes: int, port: int, devices: int) -> subprocess.Popen:
    command = [sys.executable, str(HERE / "job.py"), str(port), str(processes), str(process)]
    # Compiled in any case: op by op, XLA's collectives of several processes have waited for each other on few cores.
    env = {**environment(devices), "ADDAX_EAGER": "0"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def results_of(processes: int, devices: int) -> list[dict]:
    """What each process of a job gives."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running = [start(i, processes, port, devices) for i in range(processes)]
    try:
        ends = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * processes, ends
    # What connects the processes prints lines of its own.
    return [json.loads(next(x for x in out.splitlines() if x.startswith("{"))) for out, _ in ends]


def test_jobs_of_several_processes():
    pytest.importorskip("jax")
    (alone,) = results_of(1, 4)
    first, second = results_of(2, 2)
    assert first == second  # random seeds that nobody gave as well
    for name in alone.keys() - {"seed"}:
        for got, want in zip(addax.tree.flatten(first[name]), addax.tree.flatten(alone[name]), strict=True):
            assert got == pytest.approx(want, rel=1e-4, abs=1e-5)  # sums of parts, in another order


def test_addresses_that_do_not_fit(monkeypatch):
    monkeypatch.setenv("KERAS_DISTRIBUTION_JOB_ADDRESSES", "a:1,b:1")
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "3")
    with pytest.raises(ValueError, match=r"one for each of the 3 processes. Received: job_addresses=a:1,b:1"):
        distribution.initialize()


def test_the_native_engine_has_one_place():
    assert distribution.list_devices()[0] == "cpu:0" and distribution.list_devices("cpu") == ["cpu:0"]
    assert distribution.get_device_count("CPU") == 1 and distribution.list_devices("tpu") == []
    parallel = distribution.DataParallel(devices=["cpu:0"])
    layout = parallel.get_data_layout((2, 3))
    for use in (
        lambda: distribution.set_distribution(parallel),
        lambda: distribution.distribute_tensor([[1.0, 2.0]], layout),
        lambda: addax.Variable([[1.0, 2.0]], layout=layout),
        lambda: parallel.device_mesh.backend_mesh,
        lambda: distribution.initialize("127.0.0.1:1", 1, 0),
    ):
        with pytest.raises(RuntimeError, match=r"the engine 'native' computes on one device.*ADDAX_BACKEND=jax"):
            use()
    assert distribution.distribution() is None and config.backend() == "addax"
    distribution.set_distribution(None)
    assert distribution.distribute_tensor([1.0, 2.0], None).tolist() == [1, 2]
