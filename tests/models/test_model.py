"""Subclassed models and models made of graphs."""

import json

import keras
import numpy as np
import pytest

import addax
from addax import layers
from tests.layers.oracle import numpy_of

X = np.ones((2, 4), "float32")


class Two(addax.Model):
    def __init__(self, width=3, **kwargs):
        super().__init__(**kwargs)
        self.a = layers.Dense(width, name="a")
        self.b = layers.Dense(2, name="b")

    def call(self, x, training=None):
        return self.b(self.a(x))


def test_subclass():
    model = Two(name="two")
    assert not model.built and model.layers == [model.a, model.b]
    assert model(X).shape == (2, 2)
    assert [w.path for w in model.weights] == ["two/a/kernel", "two/a/bias", "two/b/kernel", "two/b/bias"]
    assert model.get_build_config() == {"input_shape": (2, 4)}
    again = Two.from_config(Two(width=5, name="q").get_config())
    assert (again.a.units, again.name) == (5, "q")


def test_subclass_builds_by_shape():
    model = Two()
    model.build((None, 4))
    assert [w.shape for w in model.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert model.compute_output_shape((7, 4)) == (7, 2)


def test_subclass_without_call():
    with pytest.raises(NotImplementedError, match=r"Model Model does not have a `call\(\)` method implemented"):
        addax.Model()(X)


def test_layers_is_reserved():
    with pytest.raises(AttributeError, match=r"`Model.layers` attribute is reserved"):
        Two().layers = []


def branches(k):
    a, b = k.Input((3,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, name="shared")
    x = shared(k.layers.Dense(4, name="first")(a))
    y = shared(b)
    return k.Model({"a": a, "b": b}, {"sum": x + y, "y": y}, name="branches")


def test_graph_against_keras():
    ours, theirs = branches(addax), branches(keras)
    assert type(ours) is addax.models.Functional and isinstance(ours, addax.Model)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers if layer.name != "add"]
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    random = np.random.default_rng(0)
    values = [random.normal(size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights(values)
    data = {"a": random.normal(size=(2, 3)).astype("float32"), "b": random.normal(size=(2, 4)).astype("float32")}
    y, expected = ours(data), theirs(data)
    for key in expected:
        np.testing.assert_allclose(numpy_of(y[key]), numpy_of(expected[key]), rtol=1e-5)
    listed = ours([data["a"], data["b"]])
    np.testing.assert_array_equal(listed["sum"].numpy(), y["sum"].numpy())


def test_graph_properties():
    for k in (addax, keras):
        x = k.Input((4,), name="x")
        h = k.layers.Dense(3, name="h")(x)
        model = k.Model(x, k.layers.Dense(2, name="out")(h))
        assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
        assert model.built and model.output_names == ["out"]
        assert [layer.name for layer in model.layers] == ["x", "h", "out"]
        assert model.get_layer("h").output.shape == (None, 3)
        features = k.Model(model.inputs, model.get_layer("h").output)
        assert features([X]).shape == (2, 3)


def test_training_reaches_layers_of_a_graph():
    x = addax.Input((50,))
    model = addax.Model(x, layers.Dropout(0.5, seed=1)(x))
    ones = np.ones((4, 50), "float32")
    np.testing.assert_array_equal(model(ones).numpy(), ones)
    assert (model(ones, training=True).numpy() == 0).any()


@pytest.mark.parametrize("said", [None, False, True])
def test_a_call_overrides_what_a_graph_says_of_training(said):
    ones = np.ones((4, 50), "float32")
    dropped = []
    for k in (addax, keras):
        x = k.Input((50,))
        model = k.Model(x, k.layers.Dropout(0.5, seed=1)(x, training=said))
        outputs = [model(ones, training=training) for training in (None, False, True)]
        dropped.append([bool((numpy_of(y) == 0).any()) for y in [*outputs, model.predict(ones, verbose=0)]])
    assert dropped[0] == dropped[1] == [said is True, False, True, False]


def test_masks_reach_layers_of_a_graph():
    seen = []

    class Takes(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x, mask=None):
            seen.append(mask)
            return x

    x = addax.Input((2,))
    model = addax.Model(x, Takes()(layers.Dense(2)(x)))
    model(np.ones((3, 2)), mask=np.array([True, False, True]))
    assert seen[-1].tolist() == [True, False, True]


def test_a_subclass_may_be_a_graph():
    class Graph(addax.Model):
        def __init__(self, units, **kwargs):
            x = addax.Input((4,))
            super().__init__(x, layers.Dense(units)(x), **kwargs)
            self.extra = 5

    model = Graph(3, name="graph")
    assert isinstance(model, Graph) and isinstance(model, addax.models.Functional)
    assert type(model).__name__ == "Graph" and type(Graph(3)) is type(model)
    assert model(X).shape == (2, 3) and model.name == "graph" and model.extra == 5


def test_a_model_is_a_layer():
    inner = Two(name="inner")
    x = addax.Input((4,))
    model = addax.Model(x, layers.Dense(1, name="top")(inner(x)))
    assert model(X).shape == (2, 1)
    assert inner.a.get_build_config() == {"input_shape": (None, 4)}
    assert next(w.path for w in model.weights) == "inner/a/kernel"


@pytest.mark.parametrize(
    "action,message",
    [
        (lambda k: k.Model(3, 4), "All `inputs` values must be KerasTensors. Received: inputs=3"),
        (lambda k: branches(k)({"a": X[:, :3]}), 'Missing data for input "b"'),
    ],
)
def test_errors_say_what_keras_says(action, message):
    for k in (keras, addax):
        with pytest.raises(ValueError) as error:
            action(k)
        assert message in str(error.value)


def test_more_errors():
    with pytest.raises(ValueError, match="disconnected"):
        addax.Model(addax.Input((3,)), layers.Dense(1)(addax.Input((3,))))
    model = addax.Model(x := addax.Input((3,), name="x"), layers.Dense(1)(x))
    with pytest.raises(ValueError, match=r"invalid shape of input 'x'. Expected shape \(None, 3\)"):
        model(X)
    with pytest.raises(ValueError, match=r"expects 1 input\(s\), but it received 2"):
        model([X, X])


def test_clone_graph():
    model = branches(addax)
    clone = addax.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert not set(map(id, clone.variables)) & set(map(id, model.variables))
    assert len(clone.get_layer("shared")._inbound_nodes) == 2


def configured(k):
    a, b = k.Input((3,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, name="shared")
    x = shared(k.layers.Dense(4, name="first")(a))
    y = shared(b)
    z = k.ops.concatenate([x, y], axis=1)
    w = k.ops.sum(z * 2.0, axis=-1, keepdims=True)
    dropped = k.layers.Dropout(0.5, seed=1, name="dropped")(w, training=True)
    return k.Model({"a": a, "b": b}, {"s": x + y, "d": dropped, "l": [y]}, name="configured")


def _without_op_names(config):
    """Names of operations count up separately on both sides."""
    text = json.dumps(config)
    for entry in config["layers"]:
        if entry["module"].startswith("keras.src.ops"):
            text = text.replace(f'"{entry["name"]}"', f'"{entry["class_name"]}"')
    return json.loads(text)


def test_graph_config_is_that_of_keras():
    ours, theirs = configured(addax), configured(keras)
    assert _without_op_names(ours.get_config()) == _without_op_names(theirs.get_config())


@pytest.mark.parametrize("through_json", [False, True])
def test_graph_from_config(through_json):
    model = configured(addax)
    config = model.get_config()
    again = addax.Model.from_config(json.loads(json.dumps(config)) if through_json else config)
    assert type(again) is addax.models.Functional
    assert _without_op_names(again.get_config()) == _without_op_names(json.loads(json.dumps(config)))
    again.set_weights(model.get_weights())
    data = {"a": np.ones((2, 3), "float32"), "b": np.ones((2, 4), "float32")}
    np.testing.assert_array_equal(again(data)["s"].numpy(), model(data)["s"].numpy())


def test_graph_config_from_keras_makes_our_model():
    theirs = configured(keras)
    ours = addax.models.Functional.from_config(json.loads(json.dumps(theirs.get_config())))
    ours.set_weights([np.asarray(w.value) for w in theirs.weights])
    data = {"a": np.ones((2, 3), "float32"), "b": np.ones((2, 4), "float32")}
    for key in ("s", "l"):
        # Sums of terms near 1 cancel.
        np.testing.assert_allclose(numpy_of(ours(data)[key]), numpy_of(theirs(data)[key]), rtol=1e-6, atol=1e-6)


def test_part_of_a_larger_graph_has_its_own_counts():
    x = addax.Input((4,), name="x")
    shared = layers.Dense(4, name="shared")
    y = shared(shared(shared(x)))
    tail = addax.Input((4,), name="tail")
    model = addax.Model(tail, shared(tail))
    assert model.get_config()["output_layers"] == ["shared", 0, 0]
    assert len(addax.Model(x, y).get_config()["layers"][1]["inbound_nodes"]) == 3


def test_damaged_graph_config():
    config = json.loads(json.dumps(configured(addax).get_config()))
    config["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["nobody", 0, 0]
    with pytest.raises(ValueError, match="need tensors that nothing makes"):
        addax.Model.from_config(config)


def test_config_of_a_graph_with_its_own_constructor():
    class Graph(addax.Model):
        def __init__(self, units, **kwargs):
            x = addax.Input((4,))
            super().__init__(x, layers.Dense(units)(x), **kwargs)

    config = Graph(3, name="graph").get_config()
    assert config["units"] == 3 and config["name"] == "graph" and "layers" not in config
    assert Graph.from_config(config).output_shape == (None, 3)
