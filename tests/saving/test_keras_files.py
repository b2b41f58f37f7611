"""Files go both ways between addax and stock Keras: layers, weights, optimizer state, and training that continues."""

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import addax
from tests.saving import cases

# Forward passes in float32, up to 9 * 6 products in a sum: rounding differs in the last bits.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
# The layer that computes in bfloat16 keeps 8 bits.
CLOSE_BFLOAT16 = {"rtol": 2e-2, "atol": 2e-2}
# After six more steps rounding of gradients has passed through square roots and divisions.
CLOSE_TRAINED = {"rtol": 2e-4, "atol": 2e-5}


def tolerance(name: str) -> dict[str, float]:
    return CLOSE_BFLOAT16 if name == "dtype_policies" else CLOSE


@pytest.mark.parametrize("name", cases.LAYERS)
def test_keras_file_loads_here(name: str, tmp_path: Path) -> None:
    theirs = cases.model_of(keras, name)
    theirs.save(tmp_path / "m.keras")
    ours = addax.saving.load_model(tmp_path / "m.keras")
    x = cases.inputs(name)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), **tolerance(name))
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert_same_arrays(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("name", cases.LAYERS)
def test_file_from_here_loads_in_keras(name: str, tmp_path: Path) -> None:
    ours = cases.model_of(addax, name)
    ours.save(tmp_path / "m.keras")
    theirs = keras.saving.load_model(tmp_path / "m.keras")
    x = cases.inputs(name)
    np.testing.assert_allclose(theirs.predict(x, verbose=0), ours.predict(x, verbose=0), **tolerance(name))
    assert_same_arrays(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("name", cases.LAYERS)
def test_config_is_what_keras_writes(name: str, tmp_path: Path) -> None:
    configs = []
    for package in (addax, keras):
        package.utils.clear_session()
        cases.model_of(package, name).save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            configs.append(without_object_ids(json.loads(archive.read("config.json"))))
    assert configs[0] == configs[1]


def without_object_ids(config: Any) -> Any:
    """Leaves out `shared_object_id`: a memory address in Keras, a count here."""
    if isinstance(config, dict):
        return {key: without_object_ids(value) for key, value in config.items() if key != "shared_object_id"}
    return [without_object_ids(item) for item in config] if isinstance(config, list) else config


def test_members_and_groups_are_what_keras_writes(tmp_path: Path) -> None:
    names, groups, members = [], [], []
    for package in (addax, keras):
        package.utils.clear_session()
        model = cases.cnn(package, "adam", dropout=0.5)
        cases.train(model, epochs=1)
        model.save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            names.append(archive.namelist())
            members.append({(info.compress_type, info.external_attr) for info in archive.infolist()})
            groups.append(listing(h5py.File(io.BytesIO(archive.read("model.weights.h5")))))
    assert names[0] == names[1] == ["metadata.json", "config.json", "model.weights.h5"]
    assert members[0] == members[1]
    seeds = [key for key in groups[0] if "seed_generator" in key]
    assert seeds == [  # ours alone, for exact resumption; Keras ignores it
        "layers/dropout/seed_generator",
        "layers/dropout/seed_generator/vars",
        "layers/dropout/seed_generator/vars/0",
    ]
    assert {key: value for key, value in groups[0].items() if key not in seeds} == groups[1]


def listing(file: h5py.File) -> dict[str, tuple]:
    found: dict[str, tuple] = {}

    def note(name: str, item: Any) -> None:
        kind = (item.shape, item.dtype.str) if isinstance(item, h5py.Dataset) else ()
        found[name] = (*kind, dict(item.attrs))

    with file:
        file.visititems(note)
    return found


@pytest.mark.parametrize("optimizer", cases.OPTIMIZERS)
def test_training_continues_after_a_keras_file(optimizer: str, tmp_path: Path) -> None:
    theirs = cases.cnn(keras, optimizer)
    cases.train(theirs)
    theirs.save(tmp_path / "m.keras")
    ours = addax.saving.load_model(tmp_path / "m.keras")
    assert_continues_equally(ours, theirs)


@pytest.mark.parametrize("optimizer", cases.OPTIMIZERS)
def test_training_continues_in_keras(optimizer: str, tmp_path: Path) -> None:
    ours = cases.cnn(addax, optimizer)
    cases.train(ours)
    ours.save(tmp_path / "m.keras")
    theirs = keras.saving.load_model(tmp_path / "m.keras")
    assert_continues_equally(ours, theirs)


def assert_continues_equally(ours: Any, theirs: Any) -> None:
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) == 6
    own, other = ours.optimizer.variables, theirs.optimizer.variables
    assert_same_arrays([np.asarray(v) for v in own], [np.asarray(v) for v in other])
    cases.train(ours)
    cases.train(theirs)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, **CLOSE_TRAINED)
    x, y = cases.batch()
    mine, other = ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(mine, other, rtol=1e-3)


@pytest.mark.parametrize("fitted", [False, True])
def test_compiled_models_keep_loss_and_metrics(fitted: bool, tmp_path: Path) -> None:
    def compiled(k: Any) -> Any:
        model = cases.cnn(k)
        model.compile(
            k.optimizers.Adam(2e-3, clipnorm=1.0),
            loss=k.losses.SparseCategoricalCrossentropy(),
            metrics=[k.metrics.SparseCategoricalAccuracy(name="acc"), "accuracy"],
        )
        if fitted:
            cases.train(model, epochs=1)
        return model

    x, y = cases.batch()
    theirs = compiled(keras)
    theirs.save(tmp_path / "m.keras")
    loaded = addax.saving.load_model(tmp_path / "m.keras")
    assert loaded.optimizer.get_config() == theirs.optimizer.get_config()
    results = loaded.evaluate(x, y, return_dict=True, verbose=0)
    expected = theirs.evaluate(x, y, return_dict=True, verbose=0)
    assert results.keys() == expected.keys() == {"loss", "acc", "accuracy"}
    np.testing.assert_allclose([results[k] for k in expected], list(expected.values()), **CLOSE)

    ours = compiled(addax)
    ours.save(tmp_path / "m.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not fitted else "error")  # Keras misses the state before the first step
        back = keras.saving.load_model(tmp_path / "m.keras")
    expected = ours.evaluate(x, y, return_dict=True, verbose=0)
    results = back.evaluate(x, y, return_dict=True, verbose=0)
    np.testing.assert_allclose([results[k] for k in expected], list(expected.values()), **CLOSE)


def test_compile_false_and_include_optimizer_false(tmp_path: Path) -> None:
    ours = cases.cnn(addax, "adam")
    cases.train(ours)
    ours.save(tmp_path / "all.keras")
    assert not addax.saving.load_model(tmp_path / "all.keras", compile=False).compiled
    ours.save(tmp_path / "bare.keras", include_optimizer=False)
    with zipfile.ZipFile(tmp_path / "bare.keras") as archive:
        assert "optimizer" not in json.loads(archive.read("config.json"))["compile_config"]
        assert not any("optimizer" in name for name in listing(h5py.File(io.BytesIO(archive.read("model.weights.h5")))))
    assert int(ours.optimizer.iterations) == 6
    theirs = keras.saving.load_model(tmp_path / "bare.keras", compile=False)
    assert_same_arrays(theirs.get_weights(), ours.get_weights())


def test_a_run_saved_and_resumed_here_has_the_same_bits(tmp_path: Path) -> None:
    """Also with dropout: the state of its seed generator is in the file."""

    def model() -> Any:
        made = addax.Sequential(
            [addax.Input((5,)), addax.layers.Dense(8), addax.layers.Dropout(0.5, seed=3), addax.layers.Dense(2)]
        )
        cases.fill(made)
        made.compile("adam", "mse")
        return made

    rng = np.random.default_rng(0)
    data = rng.normal(size=(12, 5)).astype("float32"), rng.normal(size=(12, 2)).astype("float32")
    run = {"batch_size": 4, "shuffle": False, "verbose": 0}
    whole, first = model(), model()
    whole.fit(*data, epochs=4, **run)
    first.fit(*data, epochs=2, **run)
    first.save(tmp_path / "m.keras")
    second = addax.saving.load_model(tmp_path / "m.keras")
    second.fit(*data, epochs=2, **run)
    for one, other in zip(second.get_weights(), whole.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = cases.cnn(addax, "adam")
    files = []
    for _ in range(2):
        model.save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            files.append((archive.read("config.json"), archive.read("model.weights.h5")))
    assert files[0] == files[1]


def test_file_objects(tmp_path: Path) -> None:
    ours = cases.cnn(addax, "sgd")
    file = io.BytesIO()
    ours.save(file)
    again = addax.saving.load_model(file)
    x, _ = cases.batch()
    assert again.predict(x, verbose=0).tobytes() == ours.predict(x, verbose=0).tobytes()
    (tmp_path / "m.keras").write_bytes(file.getvalue())
    keras.saving.load_model(tmp_path / "m.keras")
    with open(tmp_path / "n.keras", "wb") as out:
        ours.save(out)
    with open(tmp_path / "n.keras", "rb") as into:
        assert_same_arrays(addax.saving.load_model(into).get_weights(), ours.get_weights())


def test_folder_instead_of_a_zip(tmp_path: Path) -> None:
    ours = cases.cnn(addax, "adam")
    cases.train(ours, epochs=1)
    for _ in range(2):  # the second save replaces the folder
        ours.save(tmp_path / "m", zipped=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    assert_same_arrays(addax.saving.load_model(tmp_path / "m").get_weights(), ours.get_weights())
    assert_same_arrays(keras.saving.load_model(tmp_path / "m").get_weights(), ours.get_weights())
    keras_model = cases.cnn(keras)
    keras_model.save(tmp_path / "k", zipped=False)
    assert_same_arrays(addax.saving.load_model(tmp_path / "k").get_weights(), keras_model.get_weights())


def assert_same_arrays(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)
