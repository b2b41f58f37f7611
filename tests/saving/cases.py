"""The models that the tests of this folder save and load, built in stock Keras or addax by one function."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

IMAGE, VECTOR, SERIES, TOKENS = (8, 8, 3), (5,), (6, 4), (7,)

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
    "transposed": (
        IMAGE,
        lambda k: [
            k.layers.Conv2DTranspose(4, 3, strides=2, padding="same", kernel_regularizer="l2"),
            k.layers.Conv2DTranspose(2, 2, strides=2, output_padding=1, use_bias=False),
        ],
    ),
    "transposed_others": (
        SERIES,
        lambda k: [
            k.layers.Conv1DTranspose(4, 3),
            k.layers.Reshape((4, 4, 2, 1)),
            k.layers.Conv3DTranspose(2, 2, activation="relu"),
        ],
    ),
    "depthwise": (
        IMAGE,
        lambda k: [
            k.layers.DepthwiseConv2D(3, depth_multiplier=2, depthwise_constraint="max_norm"),
            k.layers.SeparableConv2D(4, 2, pointwise_regularizer="l2", activation="tanh"),
        ],
    ),
    "depthwise_series": (
        SERIES,
        lambda k: [k.layers.DepthwiseConv1D(3, padding="same"), k.layers.SeparableConv1D(3, 2, depth_multiplier=2)],
    ),
    "max_pooling": (IMAGE, lambda k: [k.layers.MaxPooling2D(), k.layers.MaxPooling2D(2, strides=1, padding="same")]),
    "adaptive_pooling": (
        IMAGE,
        lambda k: [k.layers.AdaptiveAveragePooling2D(5), k.layers.AdaptiveMaxPooling2D((2, 3))],
    ),
    "global_pooling": (
        IMAGE,
        lambda k: [k.layers.GlobalAveragePooling2D(keepdims=True), k.layers.GlobalAveragePooling2D()],
    ),
    "sizes": (
        IMAGE,
        lambda k: [
            k.layers.ZeroPadding2D(((1, 2), (0, 3))),
            k.layers.Cropping2D((2, 1)),
            k.layers.UpSampling2D((2, 1), interpolation="bilinear"),
            k.layers.Reshape((2, 7, 9, 3)),
            k.layers.ZeroPadding3D(1),
            k.layers.Cropping3D(((1, 0), 1, (0, 2))),
            k.layers.UpSampling3D((1, 2, 1)),
        ],
    ),
    "lengths": (
        SERIES,
        lambda k: [k.layers.ZeroPadding1D((1, 2)), k.layers.Cropping1D((0, 3)), k.layers.UpSampling1D(3)],
    ),
    "noise": (
        SERIES,
        lambda k: [
            k.layers.GaussianNoise(0.1, seed=1),
            k.layers.GaussianDropout(0.2),
            k.layers.AlphaDropout(0.3, noise_shape=(None, 1, None)),
            k.layers.SpatialDropout1D(0.4, seed=2),
            k.layers.Reshape((2, 3, 4)),
            k.layers.SpatialDropout2D(0.5),
            k.layers.Reshape((2, 3, 2, 2)),
            k.layers.SpatialDropout3D(0.5, data_format="channels_first"),
        ],
    ),
    "batch_norm": (IMAGE, lambda k: [k.layers.BatchNormalization()]),
    "batch_norm_options": (
        VECTOR,
        lambda k: [k.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False)],
    ),
    "rescaling": (IMAGE, lambda k: [k.layers.Rescaling(1 / 16, offset=-1.0)]),
    "rescaling_channels": (IMAGE, lambda k: [k.layers.Rescaling([0.5, 1.0, 2.0], offset=[0.0, 1.0, 2.0])]),
    "embedding": (
        TOKENS,
        lambda k: [
            k.layers.Embedding(9, 4, mask_zero=True, embeddings_constraint="unit_norm", activity_regularizer="l2"),
            k.layers.Dropout(0.1),
            k.layers.GlobalAveragePooling1D(),
        ],
    ),
    "masking": (SERIES, lambda k: [k.layers.Masking(0.5), k.layers.Dense(2), k.layers.ActivityRegularization(0.1)]),
    "permute": (IMAGE, lambda k: [k.layers.Permute((3, 1, 2)), k.layers.Reshape((6, 32)), k.layers.Identity()]),
    "layer_norm": (
        IMAGE,
        lambda k: [
            k.layers.LayerNormalization(epsilon=1e-5),
            k.layers.LayerNormalization(axis=[1, -1], center=False, gamma_constraint="non_neg"),
            k.layers.UnitNormalization(axis=2),
        ],
    ),
    "other_norms": (
        IMAGE,
        lambda k: [
            k.layers.RMSNormalization(),
            k.layers.GroupNormalization(3),
            k.layers.GroupNormalization(-1, axis=2),
        ],
    ),
    "relus": (
        IMAGE,
        lambda k: [
            k.layers.PReLU(shared_axes=[1, 2], alpha_regularizer="l2"),
            k.layers.LeakyReLU(0.1),
            k.layers.ELU(0.5),
            k.layers.ReLU(6.0, negative_slope=0.1),
            k.layers.Softmax(axis=[1, 2]),
        ],
    ),
    "repeat": (VECTOR, lambda k: [k.layers.RepeatVector(3), k.layers.Dense(2)]),
    "recurrent": (
        SERIES,
        lambda k: [
            k.layers.LSTM(4, return_sequences=True, dropout=0.2, seed=1),
            k.layers.GRU(3, return_sequences=True, reset_after=False, recurrent_dropout=0.1, kernel_regularizer="l2"),
            k.layers.SimpleRNN(3, go_backwards=True, use_bias=False, recurrent_constraint="non_neg"),
        ],
    ),
    "rnn_cells": (
        SERIES,
        lambda k: [
            k.layers.RNN([k.layers.LSTMCell(3), k.layers.GRUCell(2)], return_sequences=True),
            k.layers.RNN(k.layers.SimpleRNNCell(3)),
        ],
    ),
    "bidirectional": (
        SERIES,
        lambda k: [
            k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True)),
            k.layers.TimeDistributed(k.layers.Dense(2, activation="relu")),
            k.layers.Bidirectional(
                k.layers.GRU(2), merge_mode="sum", backward_layer=k.layers.LSTM(2, go_backwards=True)
            ),
        ],
    ),
    "einsum_dense": (
        SERIES,
        lambda k: [
            k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", activation="relu"),
            k.layers.EinsumDense("abcd,cde->abe", (None, 3), kernel_regularizer="l2"),
        ],
    ),
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


def shared(k: ModuleType) -> Any:
    """Two inputs, outputs in a dict, a layer that is called twice, plain ops between layers."""
    a, b = k.Input(VECTOR, name="a"), k.Input((3,), name="b")
    twice = k.layers.Dense(4, name="twice")
    x = twice(k.layers.Dense(3, name="first")(a))
    y = twice(b)
    z = k.ops.concatenate([x, y * 2.0], axis=1)
    return k.Model({"a": a, "b": b}, {"sum": x + y, "score": k.layers.Dense(1, name="score")(z)}, name="shared")


def masked(k: ModuleType) -> Any:
    """The mask of an embedding is a tensor of the graph."""
    x = k.Input(TOKENS, dtype="int32", name="tokens")
    y = k.layers.Dropout(0.3, name="dropout")(k.layers.Embedding(9, 4, mask_zero=True, name="embedding")(x))
    return k.Model(x, [k.layers.GlobalAveragePooling1D(name="pooled")(y), y], name="masked")


def nested(k: ModuleType) -> Any:
    """Graphs inside a graph, one of them called twice, and a stack."""
    x = k.Input((3,), name="x")
    inner = k.Model(x, k.layers.Dense(3, activation="tanh", name="dense")(x), name="inner")
    stack = k.Sequential([k.Input((3,), name="bottom"), k.layers.Dense(2, name="top")], name="stack")
    y = k.Input((3,), name="y")
    return k.Model(y, stack(k.layers.BatchNormalization(name="normal")(inner(inner(y)))), name="outer")


def merged(k: ModuleType) -> Any:
    """A residual block, all merges, several outputs in a list."""
    a, b = k.Input(SERIES, name="a"), k.Input((4,), name="b")
    layers = k.layers
    x = layers.Add(name="residual")([a, layers.Dense(4, name="dense")(a), b])
    y = layers.Multiply(name="gate")([x, layers.Activation("sigmoid", name="open")(b)])
    z = layers.Concatenate(axis=1, name="joined")(
        [layers.Maximum(name="max")([x, y]), layers.Average(name="avg")([x, y])]
    )
    w = layers.Minimum(name="min")([layers.Subtract(name="sub")([x, y]), a])
    scores = layers.Dot(axes=(1, 2), normalize=True, name="scores")([b, z])
    return k.Model([a, b], [w, scores], name="merged")


def attention(k: ModuleType) -> Any:
    """Layers of heads, with what adds parts to them."""
    x, y = k.Input(SERIES, name="x"), k.Input((5, 4), name="y")
    heads = k.layers.MultiHeadAttention(2, 3, use_gate=True, name="heads")(x, y, use_causal_mask=True)
    shared = k.layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="shared")(heads, y)
    plain = k.layers.MultiHeadAttention(2, 3, use_bias=False, output_shape=4, name="plain")(shared, y, y)
    return k.Model({"x": x, "y": y}, plain, name="attention")


# name -> inputs by name, function from the package to a graph of layers
GRAPHS: dict[str, tuple[dict[str, tuple[int, ...]], Callable[[ModuleType], Any]]] = {
    "attention": ({"x": SERIES, "y": (5, 4)}, attention),
    "shared": ({"a": VECTOR, "b": (3,)}, shared),
    "masked": ({"tokens": TOKENS}, masked),
    "nested": ({"y": (3,)}, nested),
    "merged": ({"a": SERIES, "b": (4,)}, merged),
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
    return samples(LAYERS[name][0])


def samples(shape: tuple[int, ...]) -> np.ndarray:
    """Six samples of a shape."""
    rng = np.random.default_rng(1)
    if shape == TOKENS:
        return rng.integers(0, 9, (6, *shape)).astype(np.int32)
    return rng.normal(0, 1, (6, *shape)).astype(np.float32)


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Twelve images and classes for `cnn`."""
    rng = np.random.default_rng(2)
    return rng.uniform(0, 16, (12, 8, 8, 1)).astype(np.float32), rng.integers(0, 3, 12).astype(np.int32)


def train(model: Any, epochs: int = 2) -> None:
    """Three steps an epoch on the same samples in the same order."""
    model.fit(*batch(), batch_size=4, epochs=epochs, shuffle=False, verbose=0)
