"""The models that the tests of this folder save and load, built in stock Keras or addax by one function."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

IMAGE, VECTOR = (8, 8, 3), (5,)

# name -> input shape, function from the package (keras or addax) to the layers
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[ModuleType], list[Any]]]] = {
    "dense": (VECTOR, lambda k: [k.layers.Dense(4)]),
    "dense_options": (
        VECTOR,
        lambda k: [
            k.layers.Dense(
                4,
                activation="relu",
                use_bias=False,
                kernel_initializer=k.initializers.HeNormal(seed=3),
                kernel_regularizer=k.regularizers.L2(0.01),
                kernel_constraint=k.constraints.MaxNorm(2.0),
                name="first",
            ),
            k.layers.Dense(2, bias_initializer="ones"),
        ],
    ),
    "activation": (VECTOR, lambda k: [k.layers.Activation("tanh"), k.layers.Activation(k.activations.gelu)]),
    "flatten": (IMAGE, lambda k: [k.layers.Flatten(), k.layers.Dense(2)]),
    "dropout": (VECTOR, lambda k: [k.layers.Dropout(0.5, seed=7), k.layers.Dense(2)]),
    "conv": (IMAGE, lambda k: [k.layers.Conv2D(4, 3)]),
    "conv_options": (
        IMAGE,
        lambda k: [
            k.layers.Conv2D(6, (3, 2), strides=(2, 1), padding="same", groups=3, activation="sigmoid"),
            k.layers.Conv2D(2, 3, dilation_rate=2, padding="same", use_bias=False),
        ],
    ),
    "max_pooling": (IMAGE, lambda k: [k.layers.MaxPooling2D(), k.layers.MaxPooling2D(2, strides=1, padding="same")]),
    "global_pooling": (
        IMAGE,
        lambda k: [k.layers.GlobalAveragePooling2D(keepdims=True), k.layers.GlobalAveragePooling2D()],
    ),
    "batch_norm": (IMAGE, lambda k: [k.layers.BatchNormalization()]),
    "batch_norm_options": (
        VECTOR,
        lambda k: [k.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False)],
    ),
    "rescaling": (IMAGE, lambda k: [k.layers.Rescaling(1 / 16, offset=-1.0)]),
    "rescaling_channels": (IMAGE, lambda k: [k.layers.Rescaling([0.5, 1.0, 2.0], offset=[0.0, 1.0, 2.0])]),
    "nested": (
        VECTOR,
        lambda k: [
            k.Sequential([k.layers.Dense(4), k.layers.Dropout(0.1)], name="inner"),
            k.layers.Dense(2, trainable=False),
        ],
    ),
    "dtype_policies": (
        VECTOR,
        lambda k: [k.layers.Dense(4, dtype="float32"), k.layers.Dense(2, dtype="mixed_bfloat16")],
    ),
}

OPTIMIZERS: dict[str, Callable[[ModuleType], Any]] = {
    "sgd": lambda k: k.optimizers.SGD(0.05),
    "momentum": lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda k: k.optimizers.RMSprop(1e-3),
    "rmsprop_full": lambda k: k.optimizers.RMSprop(1e-3, momentum=0.5, centered=True),
    "adam": lambda k: k.optimizers.Adam(1e-3),
    "amsgrad": lambda k: k.optimizers.Adam(1e-3, amsgrad=True),
    "adamw": lambda k: k.optimizers.AdamW(1e-3, weight_decay=1e-2),
}


def model_of(k: ModuleType, name: str) -> Any:
    """A built model of a row of LAYERS, with values that are not the initial ones."""
    shape, layers = LAYERS[name]
    model = k.Sequential([k.Input(shape), *layers(k)])
    fill(model)
    return model


def cnn(k: ModuleType, optimizer: str | None = None, dropout: float = 0.0) -> Any:
    """Every layer of the slice in one small model, compiled if an optimizer is named; by default without randomness."""
    layers = k.layers
    model = k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(4, 3, padding="same", use_bias=False),  # a bias before normalization has no gradient
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    fill(model)
    if optimizer:
        model.compile(OPTIMIZERS[optimizer](k), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fill(model: Any, seed: int = 0) -> None:
    """Sets the same weights in both packages: normal numbers, positive where a variance is meant."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.5, w.shape).astype(np.float32) for w in model.get_weights()]
    named = [np.abs(w) + 0.5 if "variance" in v.name else w for w, v in zip(weights, model.weights, strict=True)]
    model.set_weights(named)


def inputs(name: str) -> np.ndarray:
    """Six samples for a row of LAYERS."""
    return np.random.default_rng(1).normal(0, 1, (6, *LAYERS[name][0])).astype(np.float32)


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Twelve images and classes for `cnn`."""
    rng = np.random.default_rng(2)
    return rng.uniform(0, 16, (12, 8, 8, 1)).astype(np.float32), rng.integers(0, 3, 12).astype(np.int32)


def train(model: Any, epochs: int = 2) -> None:
    """Three steps an epoch on the same samples in the same order."""
    model.fit(*batch(), batch_size=4, epochs=epochs, shuffle=False, verbose=0)
