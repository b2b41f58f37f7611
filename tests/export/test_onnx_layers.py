"""Every layer, as an ONNX file in onnxruntime: what `predict` computes, at several batch sizes with one file."""

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import addax
from addax import layers, tree
from tests.export.helpers import export, inputs_of, run, session
from tests.saving.cases import GRAPHS, IMAGE, LAYERS, SERIES, TOKENS, VECTOR, fill, samples

# Layers that the tests of files have no row for.
MORE: dict[str, tuple[tuple[int, ...], Callable[[], list[Any]]]] = {
    "series": (SERIES, lambda: [layers.Conv1D(4, 2, padding="causal", dilation_rate=2), layers.MaxPooling1D(2, 1)]),
    "average_series": (SERIES, lambda: [layers.AveragePooling1D(2, padding="same"), layers.GlobalMaxPooling1D()]),
    "adaptive_series": (SERIES, lambda: [layers.AdaptiveAveragePooling1D(4), layers.AdaptiveMaxPooling1D(3)]),
    "average": (IMAGE, lambda: [layers.AveragePooling2D(3, 2, padding="same"), layers.GlobalMaxPooling2D()]),
    "volumes": (
        (6, 6, 6, 2),
        lambda: [
            layers.Conv3D(3, 2, activation="relu"),
            layers.MaxPooling3D(2, 1),
            layers.AveragePooling3D(2, 1, padding="same"),
            layers.AdaptiveAveragePooling3D(3),
            layers.AdaptiveMaxPooling3D(2),
        ],
    ),
    "global_volumes": ((3, 4, 5, 2), lambda: [layers.GlobalAveragePooling3D()]),
    "global_max_volumes": ((3, 4, 5, 2), lambda: [layers.GlobalMaxPooling3D()]),
    "lambda": (VECTOR, lambda: [layers.Lambda(lambda x: addax.ops.sort(x, axis=-1) * 2.0)]),
    "channels_first": (
        (3, 8, 8),
        lambda: [
            layers.Conv2D(4, 3, data_format="channels_first", activation="relu"),
            layers.BatchNormalization(axis=1),
            layers.MaxPooling2D(data_format="channels_first"),
            layers.Conv2DTranspose(2, 3, data_format="channels_first"),
            layers.UpSampling2D(2, data_format="channels_first", interpolation="bilinear"),
        ],
    ),
    "upsampling": (
        IMAGE,
        lambda: [layers.UpSampling2D(2, interpolation=how) for how in ("nearest", "bicubic", "lanczos3")],
    ),
    "masked_recurrent": (
        TOKENS,
        lambda: [
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(3, return_sequences=True, go_backwards=True),
            layers.GRU(4, return_sequences=True),
            layers.GRU(3, return_sequences=True, reset_after=False),
            layers.SimpleRNN(3),
        ],
    ),
    "backwards": (
        SERIES,
        lambda: [
            layers.LSTM(4, return_sequences=True, go_backwards=True),
            layers.GRU(3, return_sequences=True, go_backwards=True),
            layers.SimpleRNN(3, return_sequences=True, go_backwards=True),
        ],
    ),
    "other_activations": (
        SERIES,
        lambda: [
            layers.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True),
            layers.GRU(3, activation="softsign", use_bias=False),
        ],
    ),
}


def dot_attention() -> Any:
    x, y = addax.Input(SERIES, name="x"), addax.Input((5, 4), name="y")
    first = layers.Attention(use_scale=True)([x, y])
    return addax.Model([x, y], layers.AdditiveAttention()([first, y], use_causal_mask=True))


def states() -> Any:
    """States in and out, under names."""
    x, h, c = addax.Input(SERIES, name="x"), addax.Input((3,), name="h"), addax.Input((3,), name="c")
    y, h_next, c_next = layers.LSTM(3, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    z, g_next = layers.GRU(3, return_state=True)(y, initial_state=h)
    return addax.Model({"x": x, "h": h, "c": c}, {"z": z, "h_next": h_next, "c_next": c_next, "g_next": g_next})


def residual() -> Any:
    """A small network of residual blocks."""
    x = addax.Input((16, 16, 3))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    for stride in (1, 2):
        z = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, stride, padding="same")(y)))
        z = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(z))
        y = layers.ReLU()(layers.Add()([layers.Conv2D(8, 1, stride)(y) if stride > 1 else y, z]))
    return addax.Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def transformer() -> Any:
    """A block of a language model."""
    tokens = addax.Input((7,), dtype="int32")
    x = layers.Embedding(9, 8)(tokens)
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))
    return addax.Model(tokens, layers.Dense(9)(x + y))


def stack(shape: tuple[int, ...], rows: Callable, *package: Any) -> Callable[[], Any]:
    """A function that makes a model of layers one after the other."""
    return lambda: addax.Sequential([addax.Input(shape), *rows(*package)])


MODELS: dict[str, Callable[[], Any]] = {
    **{f"layers-{name}": stack(*row, addax) for name, row in LAYERS.items()},
    **{f"more-{name}": stack(*row) for name, row in MORE.items()},
    **{f"graphs-{name}": functools.partial(make, addax) for name, (_, make) in GRAPHS.items()},
    **{f"models-{f.__name__}": f for f in (dot_attention, states, residual, transformer)},
}

# Sums in another order, and other formulas for exp and its like: a few units in the last place of the largest value,
# per layer. Of 16 bits one unit of them is all that is left where float32 lies behind.
TOLERANCE = {"float32": 1e-5, "float16": 4e-3, "mixed_float16": 4e-3, "bfloat16": 3e-2, "mixed_bfloat16": 3e-2}


@pytest.fixture(params=list(TOLERANCE))
def policy(request) -> Iterator[str]:
    before = addax.config.dtype_policy()
    addax.config.set_dtype_policy(request.param)
    yield request.param
    addax.config.set_dtype_policy(before)


def given(x: Any, count: int) -> np.ndarray:
    """Values for an input: indices of a table, or normal numbers."""
    shape = tuple(7 if dim is None else dim for dim in x.shape[1:])
    if x.dtype == "int32":
        return np.random.default_rng(1).integers(0, 9, (count, *shape)).astype(np.int32)
    return np.asarray(addax.ops.cast(np.resize(samples(shape), (count, *shape)), x.dtype))


def check(model: Any, path: Path, tolerance: float) -> None:
    """The file computes what the model does."""
    endpoint = export(model, path)
    loaded = session(path)
    for count in (1, 6):
        arrays = tree.map_structure(lambda x, count=count: given(x, count), inputs_of(model))
        made_by_model = model.predict(arrays, verbose=0)
        if isinstance(made_by_model, dict):
            made_by_model = [made_by_model[name] for name in endpoint.output_names]
        wanted = [np.asarray(y, np.float32) for y in tree.flatten(made_by_model)]
        made = [y.astype(np.float32) for y in run(loaded, arrays)]
        for got, want in zip(made, wanted, strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(np.abs(want).max(), 1e-3))


@pytest.mark.parametrize("name", MODELS)
def test_layers(name: str, policy: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    fill(model)
    check(model, tmp_path / "model.onnx", TOLERANCE[policy])


def test_every_layer_is_in_a_model() -> None:
    known = {x for x in vars(layers).values() if inspect.isclass(x) and issubclass(x, layers.Layer)}
    seen = {type(layer) for make in MODELS.values() for layer in make()._tree()}
    assert known - seen == {layers.Layer, layers.Wrapper}  # these compute nothing themselves
