"""Sequential: building, adding and popping, shapes, configs, errors, as real Keras has them."""

import json

import keras
import numpy as np
import pytest

import addax
from addax import layers
from tests.layers.oracle import numpy_of

X = np.ones((2, 4), "float32")


def stack(k, with_input=True, name="stack"):
    inputs = [k.Input((8, 8, 3), name="image")] if with_input else []
    return k.Sequential(
        [
            *inputs,
            k.layers.Rescaling(0.5, name="scale"),
            k.layers.Conv2D(4, 3, activation="relu", name="conv"),
            k.layers.MaxPooling2D(name="pool"),
            k.layers.Flatten(name="flat"),
            k.layers.Dropout(0.5, seed=1, name="drop"),
            k.layers.Dense(10, name="scores"),
        ],
        name=name,
    )


def test_numbers():
    ours, theirs = stack(addax), stack(keras)
    random = np.random.default_rng(0)
    values = [random.normal(size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights(values)
    x = random.normal(size=(3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(numpy_of(ours(x)), numpy_of(theirs(x)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        numpy_of(ours(x, training=True)), numpy_of(theirs(x, training=True)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("with_input", [True, False])
@pytest.mark.parametrize("called", [True, False])
def test_config(with_input, called):
    configs = []
    for k in (addax, keras):
        model = stack(k, with_input)
        if called:
            model(np.ones((2, 8, 8, 3), "float32"))
        config = json.loads(json.dumps(model.get_config()))
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer":
                layer["config"].pop("name")
        configs.append(config)
        again = type(model).from_config(model.get_config())
        assert again.built == model.built and again.get_config() == model.get_config()
    assert configs[0] == configs[1]


def test_serialized_form():
    ours, theirs = addax.saving.serialize_keras_object(stack(addax)), keras.saving.serialize_keras_object(stack(keras))
    for config in (ours, theirs):
        assert not config.pop("compile_config", None)  # the model is not compiled
    assert json.loads(json.dumps(ours)) == json.loads(json.dumps(theirs))
    again = addax.models.model_from_json(stack(addax).to_json())
    assert again.output_shape == (None, 10)


def test_names_paths_and_shapes():
    ours, theirs = stack(addax), stack(keras)
    for model in (ours, theirs):
        assert [layer.name for layer in model.layers] == ["scale", "conv", "pool", "flat", "drop", "scores"]
        assert model.built and model.input_shape == (None, 8, 8, 3) and model.output_shape == (None, 10)
        assert model.inputs[0].shape == (None, 8, 8, 3) and model.outputs[0].shape == (None, 10)
        assert model.compute_output_shape((5, 8, 8, 3)) == (5, 10)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert [layer.output.shape for layer in ours.layers] == [layer.output.shape for layer in theirs.layers]


def test_deferred_build():
    model = addax.Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.built and model.weights == []
    for what in ("input_shape", "output_shape", "inputs", "outputs"):
        with pytest.raises(AttributeError, match="has no defined"):
            getattr(model, what)
    assert model(X).shape == (2, 2)
    assert (model.built, model.input_shape, model.output_shape) == (True, (2, 4), (2, 2))
    assert model(np.ones((5, 4))).shape == (5, 2)
    model = addax.Sequential([layers.Dense(3)])
    model.build((None, 4))
    assert (model.input_shape, model.get_build_config()) == ((None, 4), {"input_shape": (None, 4)})


def test_add_and_pop():
    model = addax.Sequential(name="m")
    model.add(addax.Input((4,)))
    assert not model.built and model.layers == []
    model.add(layers.Dense(3, name="a"))
    model.add(layers.Dense(2, name="b"))
    assert [w.path for w in model.weights] == ["m/a/kernel", "m/a/bias", "m/b/kernel", "m/b/bias"]
    assert model.output_shape == (None, 2)
    popped = model.pop()
    assert popped.name == "b" and model.output_shape == (None, 3) and len(model.weights) == 2
    model.add(layers.Dense(7, name="c"))
    assert model(X).shape == (2, 7)
    model.pop()
    model.pop()
    assert not model.built and model.layers == []
    model.pop()
    with pytest.raises(IndexError, match="no layers to pop"):
        model.pop()


def test_popping_forgets_the_layer():
    model = addax.Sequential([addax.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    model.pop()
    assert [layer.name for layer in model.layers] == ["a"]
    assert [w.path.split("/")[-2] for w in model.variables] == ["a", "a"]


def test_nested():
    models = []
    for k in (addax, keras):
        inner = k.Sequential([k.layers.Dense(2, name="d")], name="inner")
        models.append(k.Sequential([k.Input((3,)), inner, k.layers.Dense(1, name="e")], name="outer"))
    assert next([w.path for w in m.weights] for m in models) == [[w.path for w in m.weights] for m in models][1]
    assert models[0](np.ones((2, 3))).shape == (2, 1)


def test_inputs_of_another_rank():
    model = addax.Sequential([addax.Input((1,)), layers.Dense(2)])
    assert model(np.ones(5)).shape == (5, 2)
    model = addax.Sequential([addax.Input((4,)), layers.Dense(2)])
    assert model(np.ones((5, 4, 1))).shape == (5, 2)
    assert model([X]).shape == (2, 2)
    for x in (np.ones((5, 3)), np.ones(4), np.ones((2, 3, 4))):
        with pytest.raises(ValueError, match="invalid shape of input"):
            model(x)


def test_inputs_without_dims():
    inputs = addax.Input(batch_shape=())
    model = addax.Model(inputs, inputs * 2.0)
    assert model(np.float32(3)).shape == ()
    with pytest.raises(ValueError, match="invalid shape of input"):
        model(np.ones(5, "float32"))


def test_several_outputs():
    class Twice(layers.Layer):
        def call(self, x):
            return x, x

    model = addax.Sequential([addax.Input((3,)), Twice()])
    assert model.output_shape == ((None, 3), (None, 3)) and len(model.outputs) == 2
    with pytest.raises(ValueError, match=r"expects 1 input\(s\), but it received 2 input tensors"):
        addax.Sequential([addax.Input((3,)), Twice(), layers.Dense(2)])


ERRORS = [
    (lambda k: k.Sequential([lambda x: x]), "can be added to a Sequential model. Received: <function"),
    (lambda k: k.Sequential([None]), "can be added to a Sequential model. Received: None"),
    (
        lambda k: k.Sequential([k.layers.Dense(2, name="a"), k.layers.Dense(2, name="a")]),
        "All layers added to a Sequential model should have unique names. Name 'a' is already the name of a layer",
    ),
    (
        lambda k: k.Sequential([k.Input((4,)), k.Input((3,))]),
        "has already been configured to use input shape (None, 4). You cannot add a different Input layer to it.",
    ),
    (lambda k: k.Sequential()(X), "cannot be built because it has no layers. Call `model.add(layer)`."),
    (lambda k: k.Sequential().build((2, 3)), "cannot be built because it has no layers"),
    (lambda k: stack(k).get_layer("zz"), "No such layer: zz. Existing layers are: ['scale', 'conv',"),
    (lambda k: stack(k).get_layer(index=30), "Was asked to retrieve layer at index 30 but model only has 6 layers."),
    (lambda k: stack(k).get_layer(), "Provide either a layer name or layer index at `get_layer`."),
    (lambda k: stack(k).get_layer("a", index=1), "Provide only a layer name or a layer index. Received: index=1"),
]


@pytest.mark.parametrize("action,message", ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_say_what_keras_says(action, message):
    for k in (keras, addax):
        with pytest.raises(ValueError) as error:
            action(k)
        assert message in str(error.value)


def test_more_errors():
    with pytest.raises(ValueError, match="an Input must be added first"):
        addax.Sequential([layers.Dense(2), addax.Input((3,))])
    with pytest.raises(AttributeError, match=r"Use `add\(\)` and `pop\(\)`"):
        stack(addax).layers = []
    with pytest.raises(TypeError):
        addax.Sequential(layers.Dense(2))
    with pytest.raises(ValueError, match="already been configured to use input shape"):
        stack(addax).build((None, 3))
    with pytest.raises(ValueError, match=r"expected axis -1 of input shape(.|\n)*") as error:
        model = addax.Sequential([layers.Dense(2, name="d")], name="m")
        model(X)
        model.layers[0](np.ones((2, 5)))
    assert "layer 'd'" in str(error.value)


def test_get_layer():
    model = stack(addax)
    assert model.get_layer("conv") is model.layers[1] and model.get_layer(index=-1).name == "scores"


def test_clone():
    model = stack(addax)
    clone = addax.models.clone_model(model)
    assert clone.get_config()["layers"][1:] == model.get_config()["layers"][1:]
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert not set(map(id, clone.variables)) & set(map(id, model.variables))
    renamed = addax.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "name": f"new_{layer.name}"})
    )
    assert [layer.name for layer in renamed.layers][:2] == ["new_scale", "new_conv"]
    elsewhere = addax.models.clone_model(model, input_tensors=addax.Input((10, 10, 3)))
    assert elsewhere.input_shape == (None, 10, 10, 3)


def test_state_tree():
    model = addax.Sequential([addax.Input((4,)), layers.Dense(2, name="d")], name="m")
    tree = model.get_state_tree(value_format="numpy_array")
    assert tree["trainable_variables"]["m"]["d"]["kernel"].shape == (4, 2)
    tree["trainable_variables"]["m"]["d"]["bias"] = np.array([1.0, 2.0])
    model.set_state_tree(tree)
    assert model.layers[0].bias.numpy().tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="no variable 'm/x'"):
        model.set_state_tree({"trainable_variables": {"m": {"x": 1.0}}})
