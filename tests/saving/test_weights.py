"""`.weights.h5` files, alone and sharded, both ways with Keras; and what happens when weights do not fit."""

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

import addax
from tests.saving import cases


def dense(k: Any, *units: int, **options: Any) -> Any:
    layers = [k.layers.Dense(n, name=f"layer{i}", **options) for i, n in enumerate(units)]
    model = k.Sequential([k.Input((4,)), *layers])
    cases.fill(model)
    return model


def assert_equal_weights(one: Any, other: Any) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_both_ways(tmp_path: Path) -> None:
    ours, theirs = cases.cnn(addax), cases.cnn(keras)
    cases.fill(ours, seed=5)
    ours.save_weights(tmp_path / "m.weights.h5")
    theirs.load_weights(tmp_path / "m.weights.h5")
    assert_equal_weights(ours, theirs)
    cases.fill(theirs, seed=6)
    theirs.save_weights(tmp_path / "k.weights.h5")
    ours.load_weights(tmp_path / "k.weights.h5")
    assert_equal_weights(ours, theirs)


@pytest.mark.parametrize("fitted_before", [False, True])
def test_optimizer_state_comes_along(fitted_before: bool, tmp_path: Path) -> None:
    source, target = cases.cnn(addax, "adam"), cases.cnn(addax, "adam")
    cases.train(source)
    source.save_weights(tmp_path / "m.weights.h5")
    if fitted_before:
        cases.train(target, epochs=1)
    target.load_weights(tmp_path / "m.weights.h5")
    for one, other in zip(source.optimizer.variables, target.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_state_of_another_optimizer_is_skipped_with_a_warning(tmp_path: Path) -> None:
    source, target = cases.cnn(addax, "adam"), cases.cnn(addax, "momentum")
    cases.train(source)
    source.save_weights(tmp_path / "m.weights.h5")
    cases.train(target, epochs=1)
    with pytest.warns(UserWarning, match="optimizer state is not restored"):
        target.load_weights(tmp_path / "m.weights.h5")
    assert_equal_weights(source, target)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_low_precision_both_ways(dtype: str, tmp_path: Path) -> None:
    ours, theirs = dense(addax, 2, dtype=dtype), dense(keras, 2, dtype=dtype)
    expected = np.linspace(-1, 1, 8).reshape(4, 2).astype(getattr(ml_dtypes, dtype, dtype))
    ours.set_weights([expected, expected[0]])
    ours.save_weights(tmp_path / "m.weights.h5")
    theirs.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(np.asarray(theirs.get_weights()[0], "float32"), expected.astype("float32"))
    theirs.save_weights(tmp_path / "k.weights.h5")
    ours.set_weights([0 * expected, 0 * expected[0]])
    ours.load_weights(tmp_path / "k.weights.h5")
    np.testing.assert_array_equal(np.asarray(ours.get_weights()[0], "float32"), expected.astype("float32"))


def test_file_object_and_keras_file(tmp_path: Path) -> None:
    source, target = cases.cnn(addax), cases.cnn(addax)
    cases.fill(source, seed=5)
    file = io.BytesIO()
    source.save_weights(file)
    target.load_weights(file)
    assert_equal_weights(source, target)
    cases.fill(source, seed=6)
    source.save(tmp_path / "m.keras")
    target.load_weights(tmp_path / "m.keras")
    assert_equal_weights(source, target)
    cases.fill(target, seed=7)
    target.load_weights(io.BytesIO((tmp_path / "m.keras").read_bytes()))
    assert_equal_weights(source, target)


def test_groups_of_files_from_before_keras_3(tmp_path: Path) -> None:
    model = dense(addax, 3, 2)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    target = dense(addax, 3, 2)
    cases.fill(target, seed=9)
    target.load_weights(tmp_path / "m.weights.h5")
    assert_equal_weights(model, target)


@pytest.mark.parametrize("saver", ["addax", "keras"])
def test_sharded_both_ways(saver: str, tmp_path: Path) -> None:
    ours, theirs = cases.cnn(addax, "adam"), cases.cnn(keras, "adam")
    source, target = (ours, theirs) if saver == "addax" else (theirs, ours)
    cases.train(source)
    cases.train(target, epochs=1)
    source.save_weights(tmp_path / "m.weights.json", max_shard_size=1000 / 2**30)
    assert len(list(tmp_path.glob("m_*.weights.h5"))) > 2
    target.load_weights(tmp_path / "m.weights.json")
    assert_equal_weights(ours, theirs)
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) == 6


def test_a_variable_larger_than_a_shard_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="48 bytes, more than a shard may have"):
        dense(addax, 3).save_weights(tmp_path / "m.weights.json", max_shard_size=20 / 2**30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x_00000.weights.h5", "/etc/passwd", "other_00000.weights.h5", "m_x.weights.h5"])
def test_an_index_cannot_name_other_files(name: str, tmp_path: Path) -> None:
    dense(addax, 3).save_weights(tmp_path / "m.weights.json", max_shard_size=1.0)
    index = json.loads((tmp_path / "m.weights.json").read_text())
    index["weight_map"]["/layers/dense/vars"] = [name]
    (tmp_path / "m.weights.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="is not the name of a shard"):
        dense(addax, 3).load_weights(tmp_path / "m.weights.json")


def test_other_shapes_name_the_layer_and_change_nothing(tmp_path: Path) -> None:
    dense(addax, 3, 2).save_weights(tmp_path / "m.weights.h5")
    target = dense(addax, 3, 5)
    cases.fill(target, seed=4)
    before = target.get_weights()
    with pytest.raises(ValueError, match="do not fit") as error:
        target.load_weights(tmp_path / "m.weights.h5")
    text = str(error.value)
    assert "Dense 'layer1' (at 'layers/dense_1' in the file)" in text
    assert "expected 2 variable(s) {0: (3, 5), 1: (5,)}, found 2 variable(s) {0: (3, 2), 1: (2,)}" in text
    for one, other in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_skip_mismatch_loads_the_rest(tmp_path: Path) -> None:
    source, target = dense(addax, 3, 2), dense(addax, 3, 5)
    cases.fill(source, seed=4)
    source.save_weights(tmp_path / "m.weights.h5")
    before = target.get_weights()
    with pytest.warns(UserWarning, match="layer1"):
        target.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    after = target.get_weights()
    np.testing.assert_array_equal(after[0], source.get_weights()[0])
    np.testing.assert_array_equal(after[2], before[2])


def test_missing_and_surplus_variables(tmp_path: Path) -> None:
    dense(addax, 3).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match=r"'layer1'.*the file holds no variables for it"):
        dense(addax, 3, 2).load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match=r"'layer0'.*expected 1 variable\(s\).*found 2 variable\(s\)"):
        dense(addax, 3, use_bias=False).load_weights(tmp_path / "m.weights.h5")


def test_unbuilt_model(tmp_path: Path) -> None:
    dense(addax, 3).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="is not built"):
        addax.Sequential([addax.layers.Dense(3)]).load_weights(tmp_path / "m.weights.h5")


def test_wrong_names(tmp_path: Path) -> None:
    model = dense(addax, 3)
    for name in ("m", "m.h5", "m.keras", "m.weights.json"):
        with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
            model.save_weights(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        model.load_weights(tmp_path / "missing.weights.h5")
    (tmp_path / "m.txt").write_text("")
    with pytest.raises(ValueError, match=r"expected a `\.weights\.h5`"):
        model.load_weights(tmp_path / "m.txt")
    with pytest.raises(ValueError, match="remote path"):
        model.load_weights("gs://bucket/m.weights.h5")
    with pytest.raises(ValueError, match="unsupported arguments"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


def test_paths_of_nested_objects_are_those_of_keras(tmp_path: Path) -> None:
    """Attributes in alphabetical order, containers by class and number, properties too, everything once."""

    def block(k: Any) -> Any:
        class Block(k.layers.Layer):
            def __init__(self) -> None:
                super().__init__()
                self.z = self.a = k.layers.Dense(1)
                self.items = [k.layers.Dense(2), k.layers.Conv2D(2, 3), k.layers.Dense(3)]
                self.nest = [
                    [k.layers.Dense(1)],
                    {"x": k.layers.Dense(2), "b": k.layers.Dense(3)},
                    (k.layers.Dense(4),),
                ]
                self._private = k.layers.Dense(1)
                self.empty: list[Any] = []
                self.opt = k.optimizers.SGD(0.1)

            @property
            def view(self) -> Any:
                return self.items[0]

            @property
            def broken(self) -> Any:
                raise RuntimeError("not now")

            def call(self, x: Any) -> Any:
                return x

        class Chain(k.Sequential):
            pass

        class Graph(k.Model):
            def __init__(self) -> None:
                x = k.Input((3,))
                super().__init__(x, k.layers.Dense(2)(k.layers.Dense(2)(x)))

        class Wrapper(k.Model):
            def __init__(self) -> None:
                super().__init__()
                self.block = Block()
                self.chain = Chain([k.layers.Dense(2), k.layers.MaxPooling2D()])
                self.graph = Graph()

            def call(self, x: Any) -> Any:
                return self.graph(self.chain(self.block(x)))

        return Wrapper()

    groups = []
    for package in (addax, keras):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not built: names matter here, not values
            block(package).save(tmp_path / "m.keras")
        names: list[str] = []
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            weights = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(weights) as stored:
            stored.visit(names.append)
        groups.append(names)
    assert groups[0] == groups[1]
    assert "block/nest/container_1/dense_1/vars" in groups[0]
