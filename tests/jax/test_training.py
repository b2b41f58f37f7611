"""Models on the JAX engine: the losses of the native one, step by step, and the same model from a file."""

import numpy as np
import pytest

import addax
from addax import engine, layers
from addax.cli import demo


def mlp():
    x = np.random.default_rng(0).standard_normal((70, 6)).astype("float32")
    body = [layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(4), layers.LayerNormalization()]
    return x, (x[:, 0] > 0).astype("int32"), body, "adam"


def cnn():
    x = np.random.default_rng(1).standard_normal((40, 8, 8, 1)).astype("float32")
    body = [
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(4, 3, strides=2),
        layers.GlobalAveragePooling2D(),
    ]
    return x, (x.sum((1, 2, 3)) > 0).astype("int32"), body, addax.optimizers.SGD(0.1, momentum=0.9)


def lstm():
    x = np.random.default_rng(2).integers(0, 12, (40, 7)).astype("int32")
    body = [layers.Embedding(12, 5, mask_zero=True), layers.LSTM(6, return_sequences=True), layers.GRU(4)]
    return x, (x[:, 0] > 5).astype("int32"), body, "rmsprop"


def train(make, path):
    """Losses, metrics, predictions, and the predictions of the saved model."""
    addax.utils.set_random_seed(3)
    x, y, body, optimizer = make()
    model = addax.Sequential([addax.Input(x.shape[1:], dtype=str(x.dtype)), *body, layers.Dense(2)])
    model.compile(optimizer, addax.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(x, y, epochs=3, batch_size=16, validation_split=0.1, verbose=0).history
    scores = model.evaluate(x, y, batch_size=16, verbose=0)
    predicted = model.predict(x, batch_size=16, verbose=0)
    model.save(path)
    again = addax.saving.load_model(path)
    np.testing.assert_array_equal(again.predict(x, batch_size=16, verbose=0), predicted)
    assert model.layers[-1].kernel.value.device == ("jax:0" if engine.name == "jax" else "cpu:0")
    return history, scores, predicted


@pytest.mark.parametrize("make", [mlp, cnn, lstm])
def test_training_as_on_the_native_engine(make, tmp_path, request):
    history, scores, predicted = train(make, tmp_path / "native.keras")
    request.getfixturevalue("jax_engine")
    on_jax = train(make, tmp_path / "jax.keras")
    assert list(on_jax[0]) == list(history)
    for name, values in history.items():
        np.testing.assert_allclose(on_jax[0][name], values, rtol=2e-4, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(on_jax[1], scores, rtol=2e-4)
    np.testing.assert_allclose(on_jax[2], predicted, rtol=2e-3, atol=1e-4)


def first_losses():
    images, labels = demo.with_shifts(demo.load_digits().train)  # imports what draws from Python's generator
    addax.utils.set_random_seed(0)
    model = demo.build_model()
    model.compile(addax.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    losses = [model.train_on_batch(images[i : i + 64], labels[i : i + 64])[0] for i in range(0, 640, 64)]
    return np.asarray(losses, "float64")


def test_first_ten_losses_of_the_demo(request):
    native = first_losses()
    request.getfixturevalue("jax_engine")
    np.testing.assert_allclose(first_losses(), native, rtol=1e-3)
    assert native[-1] < native[0]
