"""Training on 8 devices gives what one does, and variables lie where layouts say. test_distribution.py runs it."""

import copy
import functools
import pickle

import numpy as np
import pytest

import addax
from addax import engine, layers
from addax.distribution import DataParallel
from addax.distribution.placement import lay_out_batch
from tests.distribution.placed import array, model_parallel, shards

# Sums over a batch or over cut dimensions are added up in another order: an error of a few float32 roundings (6e-8) in
# each step, which some dozens of steps of these small models do not blow up.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def small():
    x = np.random.default_rng(0).standard_normal((22, 8)).astype("float32")
    return x, x[:, 0] > 0, [layers.Dense(16, name="wide")], addax.optimizers.SGD(0.1, momentum=0.9)


def mlp():
    x = np.random.default_rng(0).standard_normal((45, 8)).astype("float32")
    body = [layers.Dense(16, activation="relu", name="wide"), layers.Dropout(0.3), layers.LayerNormalization()]
    return x, x[:, 0] > 0, body, "adam"


def cnn():
    x = np.random.default_rng(1).standard_normal((45, 8, 8, 1)).astype("float32")
    body = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D()]
    return x, x.sum((1, 2, 3)) > 0, body, addax.optimizers.SGD(0.1, momentum=0.9)


def lstm():
    x = np.random.default_rng(2).integers(0, 12, (45, 7)).astype("int32")
    return x, x[:, 0] > 5, [layers.Embedding(12, 8, mask_zero=True), layers.LSTM(8, name="lstm")], "adam"


def compiled(make, **arguments):
    addax.utils.set_random_seed(3)
    x, is_second, body, optimizer = make()
    stack = [addax.Input(x.shape[1:], dtype=str(x.dtype)), *body, layers.Dense(2, name="narrow")]
    model = addax.Sequential(stack, name="net")
    loss = addax.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **arguments)
    return model, x, is_second.astype("int32")


def trained(make):
    """A model, its first weights, and what training and predicting gave: batches of 16, then of 4, 9 and 13."""
    model, x, y = compiled(make)
    first = model.get_weights()
    results = model.fit(x, y, epochs=5, batch_size=16, validation_split=0.2, verbose=0).history
    results["of one batch"] = model.train_on_batch(x[:16], y[:16])
    results["predicted"] = model.predict(x, batch_size=16, verbose=0)
    return model, first, results


on_one_device = functools.cache(trained)


@pytest.mark.parametrize(
    ("make", "distribution"), [(mlp, DataParallel), (mlp, model_parallel), (cnn, DataParallel), (lstm, model_parallel)]
)
def test_training_as_on_one_device(make, distribution):
    _, weights, expected = on_one_device(make)
    with distribution().scope():
        model, first, results = trained(make)
    for got, want in zip(first, weights, strict=True):
        np.testing.assert_array_equal(got, want)
    assert results.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(results[name], values, **TOLERANCE, err_msg=name)
    for variable in [*model.variables, *model.optimizer.variables]:
        assert array(variable).sharding.is_equivalent_to(variable._layout.backend_layout, variable.ndim)


def test_other_ways_to_run_steps():
    def in_groups(model, x, y):
        return model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"]

    def from_generator(model, x, y):
        return model.fit(((x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)), verbose=0).history["loss"]

    def eagerly(model, x, y):
        model.run_eagerly = True
        return [model.train_on_batch(x, y)[0] for _ in range(2)]

    for run in (in_groups, from_generator, eagerly):
        expected = run(*compiled(small))
        with model_parallel().scope():
            model, x, y = compiled(small, steps_per_execution=2)
            np.testing.assert_allclose(run(model, x, y), expected, **TOLERANCE)
        assert shards(model.layers[0].kernel) == (8, (8, 4))


def test_shards_lie_where_layouts_say():
    with model_parallel().scope():
        model, x, y = compiled(small)
        model.fit(x, y, verbose=0)
    wide, narrow = model.layers[0], model.layers[-1]
    assert shards(wide.kernel) == (8, (8, 4)) and shards(wide.bias) == (8, (4,))
    assert shards(narrow.kernel) == (8, (4, 2)) and shards(narrow.bias) == (8, (2,))
    slots = {v.path.removeprefix(f"{model.optimizer.name}/"): shards(v) for v in model.optimizer.variables}
    assert slots["net_wide_kernel_momentum"] == (8, (8, 4)) and slots["net_wide_bias_momentum"] == (8, (4,))
    assert slots["iteration"] == (8, ())
    # Along "model" the devices of a row of the mesh hold the columns in order, along "batch" the same ones.
    devices = model_parallel().device_mesh.backend_mesh.devices
    values = np.asarray(array(wide.kernel))
    for piece in array(wide.kernel).addressable_shards:
        (column,) = np.argwhere(devices == piece.device)[:, 1]
        np.testing.assert_array_equal(piece.data, values[:, 4 * column : 4 * column + 4])


def test_a_step_computes_a_part_on_each_device(compiled_steps):
    with DataParallel().scope():
        model, x, y = compiled(small)
        model.fit(x[:16], y[:16], batch_size=16, verbose=0)
        (plan,) = model._step("train_step").plans
        assert plan.step._cache_size() == 1  # states come back as they went in, so XLA compiles once
        arguments = lay_out_batch([engine.host_tensor(x[:16]), engine.host_tensor(y[:16])])
        text = plan.step.lower(*plan.operands(arguments)).compile().as_text()
    assert "all-reduce" in text
    assert "f32[2,16]" in text and "f32[16,16]" not in text  # 2 of 16 samples in the layer of 16 units


def test_files_and_copies(tmp_path):
    path = tmp_path / "model.keras"
    with model_parallel().scope():
        model, x, y = compiled(small)
        model.fit(x, y, verbose=0)
        model.save(path)
        copies = [addax.saving.load_model(path), copy.deepcopy(model)]
        copies.append(addax.models.clone_model(model))
        copies[-1].set_weights(model.get_weights())
        for other in copies:
            assert shards(other.layers[0].kernel) == (8, (8, 4))
            np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
        assert shards(copies[0].optimizer.variables[2]) == (8, (8, 4))
        assert shards(pickle.loads(pickle.dumps(model.layers[0].kernel))) == (8, (8, 4))
        losses = [m.fit(x, y, shuffle=False, verbose=0).history["loss"] for m in (copies[0], model)]
        assert losses[0] == losses[1]
    alone = addax.saving.load_model(path)
    assert shards(alone.layers[0].kernel) == (1, (8, 16))
    for got, want in zip(alone.get_weights(), addax.saving.load_model(path).get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_models_made_before_the_distribution():
    model, x, y = compiled(small)
    expected = [model.train_on_batch(x, y)[0] for _ in range(3)]
    model, x, y = compiled(small)
    with DataParallel().scope():
        losses = [model.train_on_batch(x, y)[0] for _ in range(3)]
    np.testing.assert_allclose(losses, expected, **TOLERANCE)
