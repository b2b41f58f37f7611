"""Models made of graphs go both ways between addax and stock Keras: files, configs, weights."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import addax
from tests.saving import cases
from tests.saving.test_keras_files import CLOSE, assert_same_arrays, without_object_ids


def graph(k: Any, name: str) -> Any:
    k.utils.clear_session()
    model = cases.GRAPHS[name][1](k)
    cases.fill(model)
    return model


def data(name: str) -> Any:
    arrays = {key: cases.samples(shape) for key, shape in cases.GRAPHS[name][0].items()}
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def assert_same_outputs(ours: Any, theirs: Any) -> None:
    leaves = [k.tree.flatten(y) for k, y in ((addax, ours), (keras, theirs))]
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("name", cases.GRAPHS)
def test_keras_file_loads_here(name: str, tmp_path: Path) -> None:
    theirs = graph(keras, name)
    theirs.save(tmp_path / "m.keras")
    ours = addax.saving.load_model(tmp_path / "m.keras")
    assert type(ours) is addax.models.Functional
    assert_same_arrays(ours.get_weights(), theirs.get_weights())
    assert_same_outputs(ours.predict(data(name), verbose=0), theirs.predict(data(name), verbose=0))


@pytest.mark.parametrize("name", cases.GRAPHS)
def test_file_from_here_loads_in_keras(name: str, tmp_path: Path) -> None:
    ours = graph(addax, name)
    ours.save(tmp_path / "m.keras")
    theirs = keras.saving.load_model(tmp_path / "m.keras")
    assert_same_arrays(ours.get_weights(), theirs.get_weights())
    assert_same_outputs(ours.predict(data(name), verbose=0), theirs.predict(data(name), verbose=0))
    again = addax.saving.load_model(tmp_path / "m.keras")
    assert_same_arrays(again.get_weights(), ours.get_weights())


@pytest.mark.parametrize("name", cases.GRAPHS)
def test_config_is_what_keras_writes(name: str, tmp_path: Path) -> None:
    configs = []
    for package in (addax, keras):
        graph(package, name).save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            configs.append(without_object_ids(json.loads(archive.read("config.json"))))
    assert configs[0] == configs[1]


@pytest.mark.parametrize("name", cases.GRAPHS)
def test_weights_alone(name: str, tmp_path: Path) -> None:
    theirs, ours = graph(keras, name), graph(addax, name)
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours.set_weights([np.zeros_like(w) for w in ours.get_weights()])
    ours.load_weights(tmp_path / "m.weights.h5")
    assert_same_arrays(ours.get_weights(), theirs.get_weights())
    ours.save_weights(tmp_path / "n.weights.h5")
    theirs.set_weights([np.zeros_like(w) for w in theirs.get_weights()])
    theirs.load_weights(tmp_path / "n.weights.h5")
    assert_same_arrays(ours.get_weights(), theirs.get_weights())


def test_a_graph_inside_two_models_is_loaded_as_one(tmp_path: Path) -> None:
    """Keras cannot load its own file of this one."""
    x = addax.Input((3,), name="x")
    inner = addax.Model(x, addax.layers.Dense(3)(x), name="inner")
    y = addax.Input((3,), name="y")
    model = addax.Model(y, addax.Sequential([addax.Input((3,)), inner, addax.layers.Dense(2)])(inner(y)))
    model.save(tmp_path / "m.keras")
    again = addax.saving.load_model(tmp_path / "m.keras")
    assert len(again.weights) == 4
    np.testing.assert_array_equal(again(cases.samples((3,))).numpy(), model(cases.samples((3,))).numpy())
