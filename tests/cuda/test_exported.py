"""Exported models on the device: weights go there once, runs are captured, results are those of the CPU."""

import numpy as np
import pytest

import addax
from addax import export, layers


def cnn():
    return addax.Sequential(
        [
            addax.Input((10, 10, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(16, activation="gelu"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_a_file_runs_on_the_device(cuda, tmp_path):
    model = cnn()
    path = str(tmp_path / "m.addax")
    model.export(path, verbose=False)
    there = export.load(path, device="cuda:0", verify=True)
    x = np.random.default_rng(0).normal(size=(6, 10, 10, 2)).astype("float32")
    for batch in (1, 6, 6, 6):  # the last ones are captured
        y = there(x[:batch])
        assert y.device == "cuda:0"
        np.testing.assert_allclose(y.numpy(), model.predict(x[:batch], verbose=0), rtol=1e-5, atol=1e-6)


def test_a_state_lies_on_the_device(cuda, tmp_path):
    model = addax.Sequential([addax.Input(batch_shape=(2, 3, 4)), layers.GRU(5, stateful=True)])
    path = str(tmp_path / "m.addax")
    model.export(path, verbose=False)
    there = export.load(path, device="cuda:0")
    state = there.initial_state()
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    for part in x:
        expected = model.predict(part, verbose=0)
        np.testing.assert_allclose(there(part, state=state).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert {value.device for value in state.values} == {"cuda:0"}


def test_a_step_trains_on_the_device(cuda, tmp_path):
    model = addax.Sequential([addax.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    path = str(tmp_path / "t.addax")
    model.export_training(path, verbose=False)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 8)).astype("float32"), rng.normal(size=(32, 1)).astype("float32")
    here, there = addax._core.Trainer.load(path, "cpu:0"), addax._core.Trainer.load(path, "cuda:0")
    for _ in range(4):
        a, b = here.step([x, y]), there.step([x, y])
        assert float(b[0]) == pytest.approx(float(a[0]), rel=1e-5)
    out = str(tmp_path / "after.addax")
    there.save(out)
    np.testing.assert_allclose(
        export.load(out, endpoint="serve", device="cpu:0")(x).numpy(),
        export.load(out, endpoint="serve", device="cuda:0")(x).numpy(),
        rtol=1e-5,
        atol=1e-6,
    )
