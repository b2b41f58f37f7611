"""The models that `run.py` races: one function each, of the module that plays Keras. Data is made up; sizes are real.

To add one: a function with `@workload(...)` that takes the module and returns a compiled model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A model and its data.

    shape: of one input sample. classes: of the targets; 1: a probability. batches: in an epoch. vocabulary: inputs are
    numbers below it; 0: they are floats.
    """

    build: Callable[[Any], Any]
    shape: tuple[int, ...]
    batch: int
    classes: int
    batches: int
    vocabulary: int = 0

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        n = self.batch * self.batches
        if self.vocabulary:
            x = rng.integers(1, self.vocabulary, (n, *self.shape)).astype("int32")
        else:
            x = rng.standard_normal((n, *self.shape)).astype("float32")
        return x, rng.integers(0, max(self.classes, 2), n).astype("int32" if self.classes > 1 else "float32")


WORKLOADS: dict[str, Workload] = {}


def workload(name: str, shape: tuple[int, ...], batch: int, classes: int, batches: int, vocabulary: int = 0):
    def add(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def compiled(keras: Any) -> Any:
            model = build(keras)
            loss = "sparse_categorical_crossentropy" if classes > 1 else "binary_crossentropy"
            model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
            return model

        WORKLOADS[name] = Workload(compiled, shape, batch, classes, batches, vocabulary)
        return build

    return add


@workload("tabular MLP 30-64-64-1", (30,), 32, 1, 200)
def tabular(keras):
    dense = keras.layers.Dense
    return keras.Sequential(
        [keras.Input((30,)), dense(64, activation="relu"), dense(64, activation="relu"), dense(1, activation="sigmoid")]
    )


@workload("MLP 784-512-512-10", (784,), 128, 10, 60)
def mlp(keras):
    dense = keras.layers.Dense
    return keras.Sequential(
        [
            keras.Input((784,)),
            dense(512, activation="relu"),
            dense(512, activation="relu"),
            dense(10, activation="softmax"),
        ]
    )


@workload("LeNet-like CNN 28x28x1", (28, 28, 1), 64, 10, 30)
def lenet(keras):
    k = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            k.Conv2D(32, 3, activation="relu"),
            k.MaxPooling2D(),
            k.Conv2D(64, 3, activation="relu"),
            k.MaxPooling2D(),
            k.Flatten(),
            k.Dense(128, activation="relu"),
            k.Dense(10, activation="softmax"),
        ]
    )


@workload("ResNet-20 32x32x3", (32, 32, 3), 32, 10, 6)
def resnet20(keras):
    k = keras.layers

    def unit(x, filters, stride, activation=True):
        x = k.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
        x = k.BatchNormalization()(x)
        return k.Activation("relu")(x) if activation else x

    inputs = keras.Input((32, 32, 3))
    x = unit(inputs, 16, 1)
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            y = unit(unit(x, filters, stride), filters, 1, activation=False)
            if stride == 2:
                x = k.Conv2D(filters, 1, 2, use_bias=False)(x)
            x = k.Activation("relu")(k.Add()([x, y]))
    x = k.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, k.Dense(10, activation="softmax")(x))


@workload("VGG-like 3x3 stack 64x64x3", (64, 64, 3), 16, 10, 4)
def vgg(keras):
    k = keras.layers
    layers = [keras.Input((64, 64, 3))]
    for filters in (32, 64, 128):
        layers += [k.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)] + [k.MaxPooling2D()]
    return keras.Sequential([*layers, k.GlobalAveragePooling2D(), k.Dense(10, activation="softmax")])


@workload("depthwise-separable stack 64x64x3", (64, 64, 3), 16, 10, 4)
def depthwise(keras):
    k = keras.layers
    layers = [keras.Input((64, 64, 3)), k.Conv2D(32, 3, 2, padding="same", use_bias=False)]
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [k.DepthwiseConv2D(3, stride, padding="same", use_bias=False), k.BatchNormalization(), k.ReLU()]
        layers += [k.Conv2D(filters, 1, use_bias=False), k.BatchNormalization(), k.ReLU()]
    return keras.Sequential([*layers, k.GlobalAveragePooling2D(), k.Dense(10, activation="softmax")])


@workload("LSTM 100x64 -> 128", (100, 64), 32, 10, 8)
def lstm(keras):
    k = keras.layers
    return keras.Sequential([keras.Input((100, 64)), k.LSTM(128), k.Dense(10, activation="softmax")])


@workload("GRU 100x64 -> 128", (100, 64), 32, 10, 8)
def gru(keras):
    k = keras.layers
    return keras.Sequential([keras.Input((100, 64)), k.GRU(128), k.Dense(10, activation="softmax")])


@workload("Embedding + Bi-LSTM(64), 80 tokens", (80,), 32, 1, 8, vocabulary=20000)
def bilstm(keras):
    k = keras.layers
    return keras.Sequential(
        [
            keras.Input((80,), dtype="int32"),
            k.Embedding(20000, 128),
            k.Bidirectional(k.LSTM(64)),
            k.Dense(1, activation="sigmoid"),
        ]
    )


@workload("Transformer encoder 128 x 256, 2 blocks", (128,), 16, 10, 4, vocabulary=5000)
def transformer(keras):
    k = keras.layers
    inputs = keras.Input((128,), dtype="int32")
    x = k.Embedding(5000, 256)(inputs)
    for _ in range(2):
        y = k.LayerNormalization()(x)
        x = k.Add()([x, k.MultiHeadAttention(4, 64)(y, y)])
        y = k.LayerNormalization()(x)
        y = k.Dense(256)(k.Dense(1024, activation="gelu")(y))
        x = k.Add()([x, y])
    x = k.GlobalAveragePooling1D()(k.LayerNormalization()(x))
    return keras.Model(inputs, k.Dense(10, activation="softmax")(x))
