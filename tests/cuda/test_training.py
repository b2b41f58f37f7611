"""Models train on a device through the unchanged package: the CPU's losses, the same bits from run to run."""

import subprocess
import sys

import numpy as np
import pytest

import addax
from addax import engine, layers

# float32 sums in another order than the CPU's, over a few steps.
TOLERANCE = 2e-5


def mlp():
    return addax.Sequential(
        [
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3, seed=1),
            layers.Dense(16, activation="gelu"),
            layers.LayerNormalization(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def cnn():
    return addax.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2, seed=3),
            layers.Dense(4, activation="softmax"),
        ]
    )


def lstm():
    return addax.Sequential(
        [
            layers.Embedding(20, 6),
            layers.LSTM(5, return_sequences=True),
            layers.LSTM(5),
            layers.Dense(4, activation="softmax"),
        ]
    )


def transformer():
    inputs = addax.Input((6, 8))
    x = layers.Add()([inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs)])
    x = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.Dense(8)(layers.Dense(16, activation="gelu")(x))])
    return addax.Model(inputs, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def data(model) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = {mlp: (24, 10), cnn: (24, 10, 10, 2), lstm: (24, 7), transformer: (24, 6, 8)}[model]
    x = rng.integers(0, 20, shape) if model is lstm else rng.standard_normal(shape).astype("float32")
    return x, rng.integers(0, 4, 24)


def trained(model, device: str, eagerly: bool = False, optimizer: str = "adam") -> tuple[addax.Model, list[float]]:
    """The losses of two epochs of three steps."""
    addax.utils.set_random_seed(5)
    x, y = data(model)
    with addax.device(device):
        made = model()
        made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=eagerly)
        history = made.fit(x, y, batch_size=8, epochs=2, verbose=0, validation_data=(x, y))
    return made, [v for name in ("loss", "accuracy", "val_loss") for v in history.history[name]]


MODELS = [pytest.param(m, id=m.__name__) for m in (mlp, cnn, lstm, transformer)]


@pytest.mark.parametrize("model", MODELS)
def test_losses_are_the_cpus(model) -> None:
    made, there = trained(model, "cuda:0")
    _, here = trained(model, "cpu:0")
    np.testing.assert_allclose(there, here, rtol=TOLERANCE, atol=TOLERANCE)
    everything = [*made.variables, *made.optimizer.variables, *(v for m in made.metrics for v in m.variables)]
    assert {v.value.device for v in everything} == {"cuda:0"}


@pytest.mark.parametrize("model", MODELS)
def test_runs_are_repeatable_and_equal_to_eager_ones(model) -> None:
    first, losses = trained(model, "cuda:0")
    again, repeated = trained(model, "cuda:0")
    assert losses == repeated
    for a, b in zip(first.variables, again.variables, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    _, eager = trained(model, "cuda:0", eagerly=True)
    np.testing.assert_allclose(losses, eager, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("model", MODELS)
def test_first_weights_have_the_cpus_bits(model) -> None:
    def weights(device: str) -> list[bytes]:
        addax.utils.set_random_seed(5)
        with addax.device(device):
            made = model()
            made.build(data(model)[0].shape)
        return [w.tobytes() for w in made.get_weights()]

    assert weights("cuda:0") == weights("cpu:0")


def test_every_optimizer() -> None:
    for optimizer in ("sgd", "rmsprop", "adamw", addax.optimizers.SGD(0.1, momentum=0.9, nesterov=True)):
        copies = [optimizer if isinstance(optimizer, str) else type(optimizer).from_config(optimizer.get_config())]
        copies.append(optimizer if isinstance(optimizer, str) else copies[0].from_config(optimizer.get_config()))
        _, there = trained(mlp, "cuda:0", optimizer=copies[0])
        _, here = trained(mlp, "cpu:0", optimizer=copies[1])
        np.testing.assert_allclose(there, here, rtol=TOLERANCE, atol=TOLERANCE)


def test_predict_evaluate_and_single_batches(tmp_path) -> None:
    model, _ = trained(cnn, "cuda:0")
    x, y = data(cnn)
    predicted = model.predict(x, batch_size=8, verbose=0)
    assert isinstance(predicted, np.ndarray)
    with addax.device("cuda:0"):
        np.testing.assert_allclose(model(x, training=False).numpy(), predicted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.predict(x[:5], verbose=0), model.predict_on_batch(x[:5]))
    loss, accuracy = model.evaluate(x, y, batch_size=8, verbose=0)
    assert accuracy == pytest.approx(np.mean(predicted.argmax(1) == y))

    model.save(tmp_path / "model.keras")
    loaded = addax.models.load_model(tmp_path / "model.keras")
    assert {v.value.device for v in loaded.variables} == {"cpu:0"}
    np.testing.assert_allclose(loaded.predict(x, verbose=0), predicted, rtol=1e-5, atol=1e-6)
    with addax.device("cuda:0"):
        there = addax.models.load_model(tmp_path / "model.keras")
    assert {v.value.device for v in there.variables} == {"cuda:0"}
    np.testing.assert_allclose(there.evaluate(x, y, batch_size=8, verbose=0), [loss, accuracy], rtol=1e-6)

    there.load_weights(tmp_path / "model.keras")
    assert {v.value.device for v in there.variables} == {"cuda:0"}
    first = there.train_on_batch(x[:8], y[:8])
    again = loaded.train_on_batch(x[:8], y[:8])
    np.testing.assert_allclose(first, again, rtol=TOLERANCE)
    np.testing.assert_allclose(there.test_on_batch(x, y), loaded.test_on_batch(x, y), rtol=TOLERANCE)


def test_data_of_other_kinds() -> None:
    x, y = data(mlp)

    def batches():
        for start in range(0, 24, 8):
            yield x[start : start + 8], y[start : start + 8]

    def losses(device: str) -> list[float]:
        addax.utils.set_random_seed(5)
        with addax.device(device):
            model = mlp()
            model.compile("sgd", "sparse_categorical_crossentropy")
            found = model.fit(batches(), verbose=0).history["loss"]
            tensors = addax.ops.convert_to_tensor(x), addax.ops.convert_to_tensor(y)
            found += model.fit(*tensors, batch_size=7, epochs=2, shuffle="batch", verbose=0).history["loss"]
        return found

    np.testing.assert_allclose(losses("cuda:0"), losses("cpu:0"), rtol=TOLERANCE)


def test_a_step_is_one_launch(cuda, compiled_steps) -> None:
    x, y = data(mlp)
    with addax.device("cuda:0"):
        model = mlp()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x[:8], y[:8], epochs=2, verbose=0)

        def counted(batches: int) -> tuple[int, int]:
            launches, waits = cuda.emulation_captured_launches(), cuda.emulation_waits()
            model.fit(np.tile(x[:8], (batches, 1)), np.tile(y[:8], batches), batch_size=8, verbose=0)
            return cuda.emulation_captured_launches() - launches, cuda.emulation_waits() - waits

        if cuda:
            (few, waits), (many, same_waits) = counted(3), counted(10)
            assert (few, many) == (3, 10)
            assert waits == same_waits  # the host reads the logs of an epoch, nothing in its steps


@pytest.mark.emulated
def test_the_default_device() -> None:
    """Without a word it is the first CUDA device; ADDAX_DEVICE and set_default_device say otherwise."""
    code = (
        "from addax import _core\nfrom tests.cuda.build import build\n_core._open_plugin(str(build()))\n"
        "import addax\n"
        "print(addax.config.default_device(), addax.ops.ones(3).device, addax.Variable(1.0).value.device)\n"
        "addax.config.set_default_device('cuda:1')\nprint(addax.ops.ones(3).device)\n"
        "import threading\nt = threading.Thread(target=lambda: print(addax.ops.ones(3).device))\n"
        "t.start()\nt.join()\n"
    )

    def printed(**environment: str) -> list[str]:
        import os

        env = {k: v for k, v in os.environ.items() if k != "ADDAX_DEVICE"} | environment
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
        return (result.stdout + result.stderr.splitlines()[-1] if result.returncode else result.stdout).splitlines()

    assert printed() == ["cuda:0 cuda:0 cuda:0", "cuda:1", "cuda:1"]
    assert printed(ADDAX_DEVICE="cpu")[0] == "cpu:0 cpu:0 cpu:0"
    assert printed(ADDAX_DEVICE="cuda:1")[0] == "cuda:1 cuda:1 cuda:1"
    assert "device: expected" in printed(ADDAX_DEVICE="tpu")[-1]
    assert engine.default_device() == "cpu:0"
