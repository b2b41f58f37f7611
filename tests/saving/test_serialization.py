"""Configs equal those of stock Keras and come back as equal objects; registered and custom classes."""

import functools
from typing import Any

import keras
import numpy as np
import pytest

import addax
from addax.saving import deserialize_keras_object, serialize_keras_object

OBJECTS = {
    "dense": lambda k: k.layers.Dense(3, activation="relu", kernel_regularizer="l2", name="d"),
    "regularizer": lambda k: k.regularizers.L1L2(0.1, 0.2),
    "constraint": lambda k: k.constraints.MaxNorm(2),
    "initializer": lambda k: k.initializers.HeNormal(seed=3),
    "constant": lambda k: k.initializers.Constant(np.ones(2, "float32")),
    "policy": lambda k: k.DTypePolicy("mixed_float16"),
    "seed": lambda k: k.random.SeedGenerator(3, name="s"),
    "loss": lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True),
    "metric": lambda k: k.metrics.SparseCategoricalAccuracy(),
    "optimizer": lambda k: k.optimizers.AdamW(0.5, weight_decay=0.25, name="a"),
    "function": lambda k: k.activations.relu,
    "loss function": lambda k: k.losses.mean_squared_error,
    "array": lambda k: np.arange(3),
    "tensor": lambda k: k.ops.ones((2,)),
    "symbolic": lambda k: k.KerasTensor((None, 3), name="x"),
    "slice": lambda k: slice(1, None, 2),
    "ellipsis": lambda k: ...,
    "bytes": lambda k: b"ab",
    "plain": lambda k: {"a": (1, [2.5, None]), "b": np.float32(0.5), "c": True},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_equals_keras(name: str) -> None:
    ours = serialize_keras_object(OBJECTS[name](addax))
    theirs = keras.saving.serialize_keras_object(OBJECTS[name](keras))
    assert ours == theirs
    back = deserialize_keras_object(theirs)
    assert serialize_keras_object(back) == deserialize_lists(theirs)


def deserialize_lists(config: Any) -> Any:
    """Tuples come back as lists, as in Keras."""
    if isinstance(config, dict) and "class_name" not in config:
        return {key: deserialize_lists(value) for key, value in config.items()}
    return [deserialize_lists(item) for item in config] if isinstance(config, (list, tuple)) else config


def test_values_come_back() -> None:
    for value in (np.arange(6.0).reshape(2, 3), np.array([True, False]), np.zeros((2, 0), "int8")):
        back = deserialize_keras_object(serialize_keras_object(value))
        assert back.dtype == value.dtype
        np.testing.assert_array_equal(back, value)
    assert deserialize_keras_object(serialize_keras_object(slice(1, None, 2))) == slice(1, None, 2)
    assert deserialize_keras_object(serialize_keras_object(b"ab")) == b"ab"
    assert deserialize_keras_object(serialize_keras_object(...)) is ...
    tensor = deserialize_keras_object(serialize_keras_object(addax.ops.ones((2,))))
    assert tensor.tolist() == [1.0, 1.0]


def test_names_of_other_versions() -> None:
    config = serialize_keras_object(addax.layers.Dense(3))
    for module in ("keras.layers", "keras.src.layers.core.dense", "keras.src.layers"):
        assert isinstance(deserialize_keras_object({**config, "module": module}), addax.layers.Dense)
    model = {"module": "keras.src.models.sequential", "class_name": "Sequential", "config": {"layers": []}}
    assert isinstance(deserialize_keras_object(model), addax.Sequential)


def test_what_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="lambda"):
        serialize_keras_object(lambda x: x)
    for value in (object(), {1, 2}, 1j, functools.partial(max, 1), addax.layers.Dense):
        with pytest.raises(TypeError, match="get_config"):
            serialize_keras_object(value)


class Scale(addax.layers.Layer):
    def __init__(self, factor: float = 2.0, **options: Any):
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def halve(x: Any) -> Any:
    return x / 2


def test_custom_objects_and_scope() -> None:
    config = serialize_keras_object(Scale(3.0, name="s"))
    assert config["registered_name"] == "Scale"
    with pytest.raises(TypeError, match=r"unknown class .*Scale' \(name 's'\).*custom_objects=\{'Scale': Scale\}"):
        deserialize_keras_object(config)
    assert deserialize_keras_object(config, custom_objects={"Scale": Scale}).factor == 3.0
    with addax.saving.custom_object_scope({"Scale": Scale, "halve": halve}):
        assert deserialize_keras_object(config).factor == 3.0
        assert deserialize_keras_object(serialize_keras_object(halve)) is halve
    with pytest.raises(TypeError, match="unknown function 'halve'"):
        deserialize_keras_object(serialize_keras_object(halve))


def test_scopes_nest_and_end() -> None:
    get = addax.saving.get_registered_object
    with addax.saving.custom_object_scope({"a": 1}):
        with addax.saving.CustomObjectScope({"a": 2, "b": 3}) as scope:
            assert (get("a"), get("b")) == (2, 3)
            assert scope.custom_objects == {"a": 2, "b": 3}
        assert (get("a"), get("b")) == (1, None)
    assert get("a") is None


def test_registered_class_and_function(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = addax.saving.registry
    monkeypatch.setattr(registry, "_objects", {})
    monkeypatch.setattr(registry, "_names", {})

    @addax.saving.register_keras_serializable("shop", name="Price")
    class Tagged(Scale):
        pass

    assert addax.saving.get_registered_name(Tagged) == "shop>Price"
    assert addax.saving.get_registered_object("shop>Price") is Tagged
    assert addax.saving.get_custom_objects() == {"shop>Price": Tagged}
    config = serialize_keras_object(Tagged(5.0))
    assert config["registered_name"] == "shop>Price"
    assert isinstance(deserialize_keras_object(config), Tagged)
    for other in (None, "mall>Price"):  # as in Keras, a registered class answers to its full name only
        with pytest.raises(TypeError, match="unknown class"):
            deserialize_keras_object({**config, "registered_name": other})
    with pytest.raises(ValueError, match="get_config"):
        addax.saving.register_keras_serializable()(type("Plain", (), {}))


def test_a_custom_class_does_not_replace_a_builtin_one() -> None:
    class Dense(addax.layers.Dense):
        pass

    config = serialize_keras_object(addax.layers.Dense(3))
    assert type(deserialize_keras_object(config, custom_objects={"Dense": Dense})) is addax.layers.Dense


def test_custom_class_stands_in_for_one_that_is_missing() -> None:
    config = {"module": "keras.layers", "class_name": "Mystery", "config": {"factor": 4.0}, "registered_name": None}
    with pytest.raises(TypeError, match=r"unknown class 'keras\.layers\.Mystery'.*no such class"):
        deserialize_keras_object(config)
    assert deserialize_keras_object(config, custom_objects={"Mystery": Scale}).factor == 4.0


def test_model_with_custom_layer_and_activation(tmp_path: Any) -> None:
    model = addax.Sequential([addax.Input((4,)), Scale(3.0), addax.layers.Dense(2, activation=halve, name="d")])
    model.save(tmp_path / "m.keras")
    with pytest.raises(TypeError, match=r"unknown class.*Scale") as error:
        addax.saving.load_model(tmp_path / "m.keras")
    assert "written by Keras" in "".join(error.value.__notes__)
    with pytest.raises(TypeError, match=r"Dense 'd': unknown function 'halve'"):
        addax.saving.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale})
    again = addax.saving.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale, "halve": halve})
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_shared_objects_are_one_again() -> None:
    shared = addax.initializers.HeNormal(seed=1)
    with addax.saving.serialization.object_sharing_scope():
        config = serialize_keras_object([shared, shared, addax.initializers.HeNormal(seed=1)])
    assert [c.get("shared_object_id") for c in config] == [1, 1, None]
    with addax.saving.serialization.object_sharing_scope():
        one, two, three = deserialize_keras_object(config)
    assert one is two
    assert one is not three


def test_layer_with_its_own_format(tmp_path: Any) -> None:
    class Own(Scale):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(2,), initializer="ones", name="w")

        def save_own_variables(self, store: Any) -> None:
            store["twice"] = np.asarray(self.w) * 2

        def load_own_variables(self, store: Any) -> None:
            self.w.assign(store["twice"] / 2)

    model = addax.Sequential([addax.Input((4,)), Own(name="own")])
    model.set_weights([np.array([3.0, 4.0], "float32")])
    model.save(tmp_path / "m.keras")
    again = addax.saving.load_model(tmp_path / "m.keras", custom_objects={"Own": Own})
    assert again.get_weights()[0].tolist() == [3.0, 4.0]


def test_assets_are_refused(tmp_path: Any) -> None:
    class Asset(Scale):
        def save_assets(self, folder: str) -> None:
            raise AssertionError

    with pytest.raises(ValueError, match=r"Asset 'a' defines save_assets\(\)"):
        addax.Sequential([addax.Input((4,)), Asset(name="a")]).save(tmp_path / "m.keras")
