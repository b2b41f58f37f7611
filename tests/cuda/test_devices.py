"""Tensors and calls on the emulated device: where results lie, what moves along, what is refused, memory."""

import subprocess
import sys

import numpy as np
import pytest

import addax
from addax import engine

pytestmark = pytest.mark.emulated  # two devices


def test_there_and_back() -> None:
    x = engine.tensor(np.arange(6.0, dtype="float32").reshape(2, 3))
    y = x.to("cuda:1")
    assert (x.device, y.device, y.shape, y.dtype) == ("cpu:0", "cuda:1", (2, 3), "float32")
    assert y.to("cuda:1").id == y.id
    np.testing.assert_array_equal(y.to("cpu:0").numpy(), x.numpy())
    np.testing.assert_array_equal(y.T.to("cuda:0").numpy(), x.numpy().T)
    np.testing.assert_array_equal(np.asarray(y), x.numpy())
    assert y[1, 2].item() == 5
    assert "5." in repr(y)
    assert engine.tensor(np.zeros((0, 3))).to("cuda").shape == (0, 3)


def test_results_lie_where_their_inputs_do() -> None:
    x = engine.tensor(np.ones((2, 3), "float32")).to("cuda:0")
    assert (x * 2 + 1).device == "cuda:0"
    assert (1 - x).device == "cuda:0"
    zeros = engine.apply("broadcast_to", engine.tensor(0.0), shape=(2, 3))  # one value, whatever its shape
    np.testing.assert_array_equal((x + zeros).numpy(), np.ones((2, 3)))
    np.testing.assert_allclose(addax.ops.softmax(x).numpy(), np.full((2, 3), 1 / 3), rtol=1e-6)
    assert addax.ops.mean(x).item() == 1


def test_mixed_devices_are_refused() -> None:
    x, y = engine.tensor(np.ones(3)), engine.tensor(np.ones(3)).to("cuda:0")
    match = r"add: an input of shape \(3,\) lies on cpu:0, one of shape \(3,\) on cuda:0; move them to one device"
    with pytest.raises(ValueError, match=match):
        engine.apply("add", x, y)
    with pytest.raises(ValueError, match=r"lies on cuda:0, one of shape .* on cuda:1; move them to one device"):
        engine.apply("add", y, x.to("cuda:1"))


def test_single_values_go_to_the_others() -> None:
    one = engine.tensor(2.0)
    with addax.device("cuda:0"):
        x = engine.host_tensor(np.ones(3, "float32"))
        assert addax.ops.add(x, 1).device == "cpu:0"
    assert engine.apply("add", one.to("cuda:0"), x).device == "cpu:0"
    assert engine.apply("add", one.to("cuda:0"), x.to("cuda:1")).device == "cuda:1"
    assert engine.apply("add", one, one.to("cuda:1")).device == "cuda:1"
    np.testing.assert_array_equal(engine.apply("multiply", one.to("cuda:0"), x).numpy(), np.full(3, 2, "float32"))


def test_gradients_move_back() -> None:
    x = engine.tensor(np.float32([1, 2, 3]))
    with addax.GradientTape() as outer:
        outer.watch(x)
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = x.to("cuda:0")
            loss = addax.ops.sum((y * y * y).to("cuda:1"))
        (gradient,) = tape.gradient(loss, [x])
        total = addax.ops.sum(gradient)
    assert gradient.device == "cpu:0"
    np.testing.assert_allclose(gradient.numpy(), 3 * x.numpy() ** 2)
    (second,) = outer.gradient(total, [x])
    assert second.device == "cpu:0"
    np.testing.assert_allclose(second.numpy(), 6 * x.numpy())


def test_scope() -> None:
    with addax.device("cuda:1"):
        assert addax.ops.convert_to_tensor([1.0, 2.0]).device == "cuda:1"
        assert addax.ops.zeros((2, 3)).device == "cuda:1"
        with addax.device("cpu:0"):
            assert addax.ops.ones(2).device == "cpu:0"
    assert addax.ops.ones(2).device == "cpu:0"
    with pytest.raises(ZeroDivisionError), addax.device("gpu"):
        assert engine.current_device() == "cuda:0"
        1 / 0  # noqa: B018
    assert engine.current_device() == "cpu:0"


@pytest.mark.parametrize("name", ["tpu:0", "cuda:x", "cuda:", "cpu:-1", ""])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="device: expected"):
        engine.tensor(1.0).to(name)


def test_devices_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="device: there is no cuda:9; devices of this type: 2"):
        engine.tensor(1.0).to("cuda:9")
    with pytest.raises(ValueError, match="device: there is one CPU"):
        engine.tensor(1.0).to("cpu:1")


def test_without_a_driver() -> None:
    code = (
        "import addax\nfrom addax import engine\nassert engine.devices() == ['cpu:0']\n"
        "try:\n    engine.tensor(1.0).to('cuda:0')\nexcept ValueError as e:\n    print(e)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if engine.device_problem() or "no NVIDIA driver" in result.stdout:
        assert result.stdout.startswith("device: cuda:0 is not available: no NVIDIA driver was found (libcuda.so.1)")


def test_memory() -> None:
    before = engine.memory_stats("cuda:0")
    x = engine.tensor(np.zeros(1 << 20, "float32")).to("cuda:0")
    assert engine.memory_stats("cuda:0")["live"] == before["live"] + (4 << 20)
    del x
    assert engine.memory_stats("cuda:0")["live"] == before["live"]
    engine.empty_cache("cuda:0")
    engine.set_memory_limit(before["live"] + (1 << 20), "cuda:0")
    try:
        with pytest.raises(
            MemoryError, match=r"to: could not allocate 4194304 bytes on cuda:0 \(live \d+, cached \d+, free"
        ):
            engine.tensor(np.zeros(1 << 20, "float32")).to("cuda:0")
        assert (engine.tensor(1.0).to("cuda:0") + 1).item() == 2
    finally:
        engine.set_memory_limit(0, "cuda:0")


def test_dlpack_names_the_device() -> None:
    x = engine.tensor(np.ones(3)).to("cuda:1")
    assert x.__dlpack_device__() == (2, 1)
    y = engine.from_dlpack(x)
    assert y.device == "cuda:1"
    np.testing.assert_array_equal(y.numpy(), np.ones(3))
    with pytest.raises(BufferError):
        memoryview(x)


def test_updates_are_in_place() -> None:
    variable = engine.Variable(engine.tensor(np.ones(3, "float32")).to("cuda:0"))
    gradient, rate = engine.tensor(np.ones(3, "float32")).to("cuda:0"), engine.tensor(0.5)
    live = engine.memory_stats("cuda:0")["live"]
    engine.update("sgd_update", [variable], [gradient, rate])
    assert engine.memory_stats("cuda:0")["live"] == live
    np.testing.assert_array_equal(variable.read().numpy(), np.full(3, 0.5, "float32"))


def test_a_model_trains() -> None:
    """Gradients and updates of a dense layer, eagerly: the losses of the CPU."""

    def losses(name: str) -> list[float]:
        rng = np.random.default_rng(0)
        x, y = (engine.tensor(rng.standard_normal(s).astype("float32")).to(name) for s in ((8, 3), (8, 2)))
        w = engine.Variable(engine.tensor(rng.standard_normal((3, 2)).astype("float32")).to(name))
        found = []
        for _ in range(5):
            tape = engine.Tape()
            tape.start()
            loss = addax.ops.mean(addax.ops.square(addax.ops.relu(x @ w.read()) - y))
            tape.stop()
            engine.update("sgd_update", [w], [*tape.gradient([loss], [w]), engine.tensor(0.1)])
            found.append(loss.item())
        return found

    np.testing.assert_allclose(losses("cuda:0"), losses("cpu:0"), rtol=1e-5)
