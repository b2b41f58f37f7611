"""Writes the seeds of `model_fuzzer`: small exported models of all families of layers and ops.

Usage: python cpp/fuzz/make_corpus.py cpp/fuzz/corpus/model
"""

import os
import sys

import numpy as np

import addax
from addax import layers, ops


def sequential(shape, *stack, **kwargs):
    """A model of these layers."""
    return addax.Sequential([addax.Input(shape, **kwargs), *stack])


def functional(shapes, fn, dtypes=None):
    """A model of a function of symbolic tensors."""
    inputs = [addax.Input(s, dtype=d) for s, d in zip(shapes, dtypes or ["float32"] * len(shapes), strict=True)]
    wrapped = layers.Lambda(lambda given: fn(*given))
    return addax.Model(inputs, wrapped(inputs))


def models():
    """The names and models, one for each family."""
    yield "dense", sequential((4,), layers.Dense(3, activation="relu"), layers.Dense(2, activation="softmax"))
    yield (
        "conv1d",
        sequential((8, 3), layers.Conv1D(4, 3, padding="causal", dilation_rate=2), layers.GlobalMaxPooling1D()),
    )
    yield "conv2d", sequential((6, 6, 2), layers.Conv2D(4, 3, strides=2, padding="same"), layers.BatchNormalization())
    yield "conv3d", sequential((4, 4, 4, 1), layers.Conv3D(2, 2), layers.AveragePooling3D(2))
    yield "grouped", sequential((6, 6, 4), layers.Conv2D(4, 3, groups=2, activation="silu"))
    yield "depthwise", sequential((6, 6, 3), layers.DepthwiseConv2D(3), layers.SeparableConv2D(2, 2))
    yield "transposed", sequential((4, 4, 2), layers.Conv2DTranspose(3, 3, strides=2, padding="same"))
    yield (
        "pooling",
        sequential((6, 6, 2), layers.MaxPooling2D(2), layers.AveragePooling2D(2, padding="same"), layers.Flatten()),
    )
    yield "upsample", sequential((4, 4, 2), layers.UpSampling2D(2), layers.ZeroPadding2D(1), layers.Cropping2D(1))
    yield "layer_norm", sequential((5, 6), layers.LayerNormalization(), layers.Dense(2, activation="gelu"))
    yield "group_norm", sequential((4, 4, 4), layers.GroupNormalization(2))
    yield "any_length", sequential((None, 4), layers.Dense(3), layers.GlobalAveragePooling1D())
    yield "lstm", sequential((5, 3), layers.LSTM(4, return_sequences=True), layers.LSTM(2))
    yield "gru", sequential((5, 3), layers.GRU(4), layers.Dense(1))
    yield "simple_rnn", sequential((None, 3), layers.SimpleRNN(4, go_backwards=True))
    yield "bidirectional", sequential((5, 3), layers.Bidirectional(layers.LSTM(3)))
    yield "cells", sequential((4, 3), layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]))
    yield "embedding", sequential((6,), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3), dtype="int32")
    attention = layers.MultiHeadAttention(2, 4)
    yield "attention", functional([(5, 6)], lambda x: attention(x, x, use_causal_mask=True))
    yield "masked_attention", functional([(4, 6), (3, 6)], lambda q, v: layers.Attention(use_scale=True)([q, v]))
    yield "einsum", functional([(3, 4), (4, 5)], lambda a, b: ops.einsum("bij,bjk->bki", a, b))
    yield "sort", functional([(6,)], lambda x: [*ops.top_k(x, 3), ops.sort(x), ops.argsort(x), ops.argmax(x, -1)])
    yield (
        "indices",
        functional(
            [(5, 3), (2,)],
            lambda x, i: [ops.take_along_axis(x, ops.expand_dims(i, -1), 1), ops.one_hot(i, 5)],
            ["float32", "int32"],
        ),
    )
    yield (
        "reductions",
        functional(
            [(4, 3)],
            lambda x: [ops.logsumexp(x, 1), ops.cumsum(x, 1), ops.prod(x, -1), ops.any(x > 0, 1), ops.var(x, 1)],
        ),
    )
    yield (
        "movement",
        functional(
            [(4, 3)],
            lambda x: [
                ops.flip(x, 1),
                ops.pad(x, [[0, 0], [1, 2], [0, 0]], "reflect"),
                ops.transpose(x, (0, 2, 1))[:, ::2],
                ops.concatenate([x, x], 1),
                ops.roll(x, 1, 1),
            ],
        ),
    )
    yield (
        "scan",
        functional([(4, 3)], lambda x: ops.scan(lambda c, s: (c + s, c * s), x[:, 0], ops.transpose(x, (1, 0, 2)))[1]),
    )
    yield "cond", functional([(3,)], lambda x: ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: ops.tanh(x)))
    yield (
        "while",
        functional(
            [(3,)],
            lambda x: ops.while_loop(
                lambda i, a: i < 4, lambda i, a: (i + 1, a * 1.5), (ops.zeros((), "int32"), x), maximum_iterations=5
            )[1],
        ),
    )
    yield (
        "integers",
        functional([(4,)], lambda x: [x // 3, x % 3, ops.bitwise_and(x, 5), ops.left_shift(x, 2)], ["int32"]),
    )
    yield (
        "losses",
        functional(
            [(3,), ()],
            lambda x, y: addax.losses.sparse_categorical_crossentropy(y, x, from_logits=True),
            ["float32", "int32"],
        ),
    )


def stateful():
    """A model that remembers: a recurrent layer with a state."""
    inputs = addax.Input(batch_shape=(2, 3, 4))
    return addax.Model(inputs, layers.LSTM(3, stateful=True)(inputs))


def training():
    """A compiled model with random numbers in its step."""
    model = sequential((4,), layers.Dense(3, activation="relu"), layers.Dropout(0.3), layers.Dense(2))
    model.compile("adam", addax.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def sizes_match(folder: str) -> int:
    """Bytes of all seeds."""
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def main(folder: str) -> None:
    """Writes all seeds into a folder."""
    os.makedirs(folder, exist_ok=True)
    addax.utils.set_random_seed(0)
    np.random.seed(0)
    for name, model in models():
        try:
            model.export(os.path.join(folder, f"{name}.addax"), verbose=False)
        except (ValueError, NotImplementedError) as error:
            print(f"{name}: {error}", file=sys.stderr)
    stateful().export(os.path.join(folder, "stateful.addax"), verbose=False)
    targets = addax.InputSpec(shape=(None,), dtype="int32")
    training().export_training(os.path.join(folder, "training.addax"), target_signature=targets, verbose=False)
    print(f"{len(os.listdir(folder))} files, {sizes_match(folder)} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
