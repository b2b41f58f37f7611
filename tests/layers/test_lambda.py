"""Lambda, Wrapper and Embedding's own arguments: what the table of test_against_keras.py cannot hold."""

import keras
import numpy as np
import pytest

import addax
from addax import layers

X = np.array([[1.0, -2.0, 3.0]], "float32")


@addax.saving.register_keras_serializable("tests")
@keras.saving.register_keras_serializable("tests")
def double(x):
    return x * 2


@addax.saving.register_keras_serializable("tests")
@keras.saving.register_keras_serializable("tests")
def shifted(x, by, training=False):
    return x + by if training else x


def test_numbers_and_shapes():
    assert layers.Lambda(double)(X).tolist() == [[2.0, -4.0, 6.0]]
    assert layers.Lambda(lambda xs: xs[0] + xs[1])([X, X]).tolist() == [[2.0, -4.0, 6.0]]
    layer = layers.Lambda(shifted, arguments={"by": 1.0})
    assert layer(X).tolist() == X.tolist()
    assert layer(X, training=True).tolist() == (X + 1).tolist()


@pytest.mark.parametrize("shape", [None, (5,), lambda shape: (shape[0], 5)])
def test_output_shape(shape):
    expected = (None, 3) if shape is None else (None, 5)
    for k in (keras, addax):
        layer = k.layers.Lambda(double, output_shape=shape)
        assert layer.compute_output_shape((None, 3)) == expected
        assert layer(k.Input((3,))).shape == expected


def test_several_outputs():
    for k in (keras, addax):
        layer = k.layers.Lambda(lambda xs: [xs[0], xs[0] + xs[1]], output_shape=[(3,), (3,)])
        y = layer([k.Input((3,)), k.Input((1,))])
        assert [one.shape for one in y] == [(None, 3), (None, 3)]


def test_masks():
    for k in (keras, addax):
        x = k.layers.Masking(0.5)(np.array([[[1.0, 2.0], [0.5, 0.5]]], "float32"))
        seen = k.layers.Lambda(lambda x, mask=None: x * 2 if mask is not None else x, mask=lambda x, m: m)(x)
        assert np.asarray(seen).tolist() == [[[2.0, 4.0], [0.0, 0.0]]]
        assert np.asarray(seen._keras_mask).tolist() == [[True, False]]
        with pytest.warns(UserWarning, match="destroy the mask"):
            layer = k.layers.Lambda(double)
            assert getattr(layer(x), "_keras_mask", None) is None


def test_config_is_that_of_keras():
    configs = []
    for k in (keras, addax):
        layer = k.layers.Lambda(shifted, output_shape=(3,), mask=double, arguments={"by": 2}, name="shift")
        configs.append(layer.get_config())
    assert configs[0] == configs[1]
    again = layers.Lambda.from_config(configs[1])
    assert again.function is shifted and again.mask is double and again.get_config() == configs[1]


def graph(k, function):
    x = k.Input((3,), name="x")
    return k.Model(x, k.layers.Lambda(function, name="own")(x), name="graph")


def test_a_registered_function_travels(tmp_path):
    graph(keras, double).save(tmp_path / "theirs.keras")
    assert addax.saving.load_model(tmp_path / "theirs.keras")(X).tolist() == [[2.0, -4.0, 6.0]]
    graph(addax, double).save(tmp_path / "ours.keras")
    assert np.asarray(keras.saving.load_model(tmp_path / "ours.keras")(X)).tolist() == [[2.0, -4.0, 6.0]]


def test_a_lambda_is_neither_written_nor_run(tmp_path):
    with pytest.raises(ValueError, match="a lambda has no name that a file could give"):
        graph(addax, lambda x: x * 2).save(tmp_path / "ours.keras")
    assert not list(tmp_path.iterdir())
    graph(keras, lambda x: x * 2).save(tmp_path / "theirs.keras")
    for safe_mode in (True, False):
        message = r"^Functional 'graph' > Lambda 'own': the file holds a lambda as Python bytecode"
        with pytest.raises(ValueError, match=message):
            addax.saving.load_model(tmp_path / "theirs.keras", safe_mode=safe_mode)


def test_an_unknown_function_is_refused(tmp_path):
    def unknown(x):
        return x * 3

    graph(addax, unknown).save(tmp_path / "m.keras")
    with pytest.raises(TypeError, match="unknown function 'unknown'"):
        addax.saving.load_model(tmp_path / "m.keras")
    loaded = addax.saving.load_model(tmp_path / "m.keras", custom_objects={"unknown": unknown})
    assert loaded(X).tolist() == [[3.0, -6.0, 9.0]]


def test_not_a_function():
    for k in (keras, addax):
        with pytest.raises(TypeError):
            k.layers.Lambda(3)


def test_wrapper():
    configs = []
    for k in (keras, addax):
        k.utils.clear_session()
        layer = k.layers.Wrapper(k.layers.Dense(2, name="inner"), name="outer")
        configs.append(layer.get_config())
        layer.build((None, 3))
        assert [v.path for v in layer.weights] == ["outer/inner/kernel", "outer/inner/bias"]
        assert layer.get_build_config() == {"input_shape": (None, 3)}
        again = k.layers.Wrapper.from_config(layer.get_config())
        assert (again.name, again.layer.units) == ("outer", 2)
        with pytest.raises(ValueError, match="Layer 3 supplied to Wrapper isn't a supported layer type"):
            k.layers.Wrapper(3)
    assert configs[0] == configs[1]


def test_embedding_takes_its_table():
    table = np.arange(6, dtype="float32").reshape(3, 2)
    for k in (keras, addax):
        for weights in (table, [table]):
            layer = k.layers.Embedding(3, 2, weights=weights)
            assert layer.built
            assert np.asarray(layer(np.array([2, 0]))).tolist() == [[4.0, 5.0], [0.0, 1.0]]


def test_embedding_constraint_and_regularizer():
    for k in (keras, addax):
        layer = k.layers.Embedding(3, 2, embeddings_constraint="non_neg", embeddings_regularizer="l2")
        layer.build()
        layer.set_weights([np.full((3, 2), -1.0, "float32")])
        assert float(layer.losses[0]) == pytest.approx(0.06)
        model = k.Sequential([layer])
        model.compile("sgd", "mse")
        model.fit(np.array([[0, 1]]), np.zeros((1, 2, 2)), verbose=0)
        assert (np.asarray(layer.embeddings) >= 0).all()


def test_embedding_out_of_range():
    with pytest.raises(IndexError, match="take"):
        layers.Embedding(3, 2)(np.array([3]))
