"""`.addax` files of models: written, loaded, run, trained; the numbers of `predict`, bit for bit."""

import os
import threading

import numpy as np
import pytest

import addax
from addax import export, layers
from addax.export.sizes import Samples, Size
from tests.saving import cases

# `predict` compiled: eagerly, batch normalisation is not in the filters.
pytestmark = pytest.mark.usefixtures("compiled_steps")


def exported(model, tmp_path, **kwargs):
    path = str(tmp_path / "m.addax")
    model.export(path, verbose=False, **kwargs)
    return export.load(path, verify=True)


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", cases.LAYERS)
def test_every_layer(name, tmp_path):
    model = cases.model_of(addax, name)
    loaded = exported(model, tmp_path)
    x = cases.inputs(name).astype(loaded.inputs[0][1])
    for batch in (1, 2, 6):
        same(loaded(x[:batch]), model.predict(x[:batch], verbose=0))


@pytest.mark.parametrize("name", cases.GRAPHS)
def test_every_graph(name, tmp_path):
    shapes, build = cases.GRAPHS[name]
    model = build(addax)
    cases.fill(model)
    loaded = exported(model, tmp_path)
    arrays = {key: cases.samples(shape) for key, shape in shapes.items()}
    expected = model.predict(arrays, verbose=0)
    results = loaded({k: arrays[k] for k, _, _ in loaded.inputs})
    if isinstance(expected, dict):
        assert list(results) == list(expected)
    results = list(results.values()) if isinstance(results, dict) else [results]
    expected = list(expected.values()) if isinstance(expected, dict) else addax.tree.flatten(expected)
    for a, b in zip(results, expected, strict=True):
        same(a, b)


def test_lambda_and_preprocessing(tmp_path):
    model = addax.Sequential(
        [addax.Input((4, 4, 3)), layers.Rescaling(1 / 255, -0.5), layers.Lambda(lambda x: addax.ops.square(x))]
    )
    x = np.arange(96, dtype="float32").reshape(2, 4, 4, 3)
    same(exported(model, tmp_path)(x), model.predict(x, verbose=0))


def test_any_sequence_length(tmp_path):
    model = addax.Sequential(
        [
            addax.Input((None,), dtype="int32"),
            layers.Embedding(50, 8, mask_zero=True),
            layers.Bidirectional(layers.LSTM(6, return_sequences=True)),
            layers.GRU(5),
            layers.Dense(2),
        ]
    )
    loaded = exported(model, tmp_path)
    assert loaded.inputs == [("input", "int32", ("batch", "input_1"))]
    rng = np.random.default_rng(0)
    for batch, length in ((1, 1), (3, 2), (2, 17), (5, 40)):
        x = rng.integers(0, 50, (batch, length)).astype("int32")
        same(loaded(x), model.predict(x, verbose=0))


def test_positions_follow_the_sequence(tmp_path):
    class Positions(layers.Layer):
        def __init__(self):
            super().__init__()
            self.table = layers.Embedding(64, 8)

        def call(self, x):
            return x + self.table(addax.ops.arange(x.shape[1]))

    x = addax.Input((None, 8))
    h = Positions()(x)
    h = layers.MultiHeadAttention(2, 4)(h, h, use_causal_mask=True)
    model = addax.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(h)))
    loaded = exported(model, tmp_path)
    for length in (1, 5, 33):
        given = np.random.default_rng(length).normal(size=(2, length, 8)).astype("float32")
        same(loaded(given), model.predict(given, verbose=0))


def test_any_image_size(tmp_path):
    x = addax.Input((None, None, 3))
    h = layers.Conv2D(4, 3, strides=1, activation="relu", padding="same")(x)
    h = layers.MaxPooling2D()(h)
    model = addax.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3)(h))))
    loaded = exported(model, tmp_path)
    for height, width in ((8, 8), (9, 14), (31, 20)):
        given = np.random.default_rng(height).normal(size=(2, height, width, 3)).astype("float32")
        same(loaded(given), model.predict(given, verbose=0))


def test_inputs_that_must_agree(tmp_path):
    a, b = addax.Input((None, 4), name="a"), addax.Input((None, 4), name="b")
    model = addax.Model([a, b], layers.Add()([a, b]))
    loaded = exported(model, tmp_path)
    assert [shape for _, _, shape in loaded.inputs] == [("batch", "size_1", 4)] * 2
    x = np.ones((2, 3, 4), "float32")
    same(loaded(x, x), x + x)
    with pytest.raises(
        ValueError, match=r"serve: input 1 'b' must have shape \(batch=2, size_1=3, 4\), got \(2, 5, 4\)"
    ):
        loaded(x, np.ones((2, 5, 4), "float32"))


def test_what_depends_on_the_size_otherwise(tmp_path):
    class Odd(layers.Layer):
        def call(self, x):
            return x * 2 if x.shape[1] % 2 else x + 1

    model = addax.Sequential([addax.Input((None,)), Odd()])
    with pytest.raises(ValueError, match="Cannot export for any size of batch, input_1: the model computes"):
        model.export(str(tmp_path / "m.addax"), verbose=False)
    assert not os.listdir(tmp_path)


def test_batch_normalization_is_in_the_filters(tmp_path):
    model = cases.cnn(addax)
    loaded = exported(model, tmp_path)
    x, _ = cases.batch()
    same(loaded(x), model.predict(x, verbose=0))
    assert "moving_mean" not in " ".join(loaded.tensors)
    assert loaded.stats((1, 8, 8, 1))["steps"] <= 8


def test_mixed_precision_and_half(tmp_path):
    for policy in ("mixed_float16", "mixed_bfloat16", "float16"):
        model = addax.Sequential(
            [
                addax.Input((8, 8, 2), dtype="float16" if policy == "float16" else "float32"),
                layers.Conv2D(4, 3, dtype=policy, activation="relu"),
                layers.Flatten(dtype=policy),
                layers.Dense(3, dtype=policy),
            ]
        )
        x = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(model.inputs[0].dtype)
        same(exported(model, tmp_path)(x), model.predict(x, verbose=0))


def test_a_stateful_model_has_its_state_in_the_callers_hands(tmp_path):
    model = addax.Sequential(
        [addax.Input(batch_shape=(2, 3, 4)), layers.LSTM(5, stateful=True, return_sequences=True), layers.Dense(1)]
    )
    loaded = exported(model, tmp_path)
    x = np.random.default_rng(0).normal(size=(3, 2, 3, 4)).astype("float32")
    expected = [model.predict(part, verbose=0) for part in x]
    a, b = loaded.initial_state(), loaded.initial_state()
    assert a.names == ["lstm/lstm_cell/states_0", "lstm/lstm_cell/states_1"] or len(a.names) == 2
    for part, y in zip(x, expected, strict=True):
        same(loaded(part, state=a), y)
    same(loaded(x[0], state=b), expected[0])
    with pytest.raises(ValueError, match="it has a state"):
        loaded(x[0])


def test_several_endpoints_share_weights(tmp_path):
    model = addax.Sequential([addax.Input((64,)), layers.Dense(64, name="wide"), layers.Dense(2)])
    archive = export.ExportArchive()
    archive.track(model)
    signature = [addax.InputSpec(shape=(None, 64), dtype="float32")]
    archive.add_endpoint("predict", lambda x: model(x, training=False), signature)
    archive.add_endpoint("features", lambda x: {"wide": model.layers[0](x), "mean": addax.ops.mean(x, 1)}, signature)
    path = str(tmp_path / "m.addax")
    archive.write_out(path, verbose=False)
    loaded = export.load(path)
    assert loaded.endpoints == ["predict", "features"]
    assert os.path.getsize(path) < 1.5 * model.get_layer("wide").kernel.value.nbytes
    x = np.random.default_rng(0).normal(size=(3, 64)).astype("float32")
    same(loaded(x), model.predict(x, verbose=0))
    features = loaded.endpoint("features")(x)
    assert sorted(features) == ["mean", "wide"]
    same(features["wide"], model.layers[0](x))
    with pytest.raises(ValueError, match="there is no endpoint 'other'; the file has 'predict', 'features'"):
        loaded.endpoint("other")


def test_archive_errors(tmp_path):
    archive = export.ExportArchive()
    with pytest.raises(ValueError, match="No endpoints"):
        archive.write_out(str(tmp_path / "m.addax"))
    with pytest.raises(ValueError, match="Expected an instance of a Keras `Layer`"):
        archive.track("model")
    with pytest.raises(ValueError, match="has not been built"):
        archive.track(layers.Dense(3))
    with pytest.raises(ValueError, match="input_signature"):
        archive.add_endpoint("f", lambda x: x)
    archive.add_endpoint("f", lambda x: x, [addax.InputSpec(shape=(None, 2))])
    with pytest.raises(ValueError, match="already taken"):
        archive.add_endpoint("f", lambda x: x, [addax.InputSpec(shape=(None, 2))])
    with pytest.raises(ValueError, match="list/tuple/set of variables"):
        archive.add_variable_collection("v", [1])
    with pytest.raises(ValueError, match=r"Unrecognized format='tf_saved_model'.*'addax'.*'onnx'"):
        addax.Sequential([addax.Input((2,)), layers.Dense(1)]).export("m", format="tf_saved_model")

    class Subclass(addax.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="Provide `input_signature`"):
        Subclass().export(str(tmp_path / "m.addax"))
    assert not os.listdir(tmp_path)


def test_a_subclass_with_a_signature(tmp_path):
    class Net(addax.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs, training=False):
            a, b = inputs["a"], inputs["b"]
            return {"sum": self.dense(a + b), "difference": a - b}

    net = Net()
    x = {"a": np.ones((2, 4), "float32"), "b": np.full((2, 4), 3, "float32")}
    expected = net.predict(x, verbose=0)
    spec = addax.InputSpec(shape=(None, 4), dtype="float32")
    loaded = exported(net, tmp_path, input_signature=[{"a": spec, "b": spec}])
    assert [name for name, _, _ in loaded.inputs] == ["a", "b"]
    results = loaded(x)
    same(results["sum"], expected["sum"])
    same(results["difference"], expected["difference"])


def test_many_threads(tmp_path):
    model = cases.cnn(addax)
    loaded = exported(model, tmp_path)
    x, _ = cases.batch()
    expected = {n: model.predict(x[:n], verbose=0) for n in (1, 3, 12)}
    wrong = []

    def work(seed):
        for n in np.random.default_rng(seed).choice([1, 3, 12], 40):
            if not np.array_equal(np.asarray(loaded(x[:n])), expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


class Halves(layers.Layer):
    """Products with parts of one weight, as it is and transposed."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 96))

    def call(self, x):
        left, right = self.w[:, :48], self.w[:, 48:]
        y = addax.ops.matmul(x, left) * addax.ops.matmul(x, right)
        return addax.ops.concatenate([y, addax.ops.matmul(y, addax.ops.transpose(right))], axis=-1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_packed_weights(dtype, tmp_path):
    addax.utils.set_random_seed(0)
    model = addax.Sequential(
        [
            addax.Input((20, 20, 3), dtype=dtype),
            layers.Conv2D(24, 3, activation="relu", dtype=dtype),
            layers.Conv2D(32, 3, dtype=dtype),
            layers.DepthwiseConv2D(3, dtype=dtype),
            layers.Conv2D(32, 3, groups=2, dtype=dtype),
            layers.Conv2DTranspose(16, 3, strides=2, dtype=dtype),
            layers.GlobalAveragePooling2D(dtype=dtype),
            layers.Dense(700, activation="relu", dtype=dtype),
            layers.Dense(40, dtype=dtype),
            Halves(dtype=dtype),
        ]
    )
    model.compile()
    path = str(tmp_path / "m.addax")
    model.export(path, verbose=False)
    x = np.random.default_rng(0).standard_normal((40, 20, 20, 3)).astype(dtype)
    grown, results = [], []
    for save_memory in (False, True):
        loaded = addax.engine.Model.load(path, save_memory=save_memory)
        before = addax.engine.memory_stats()["live"]
        results.append([loaded.run([x[:n]])[0].numpy() for n in (1, 40, 2, 1, 40)])
        grown.append(addax.engine.memory_stats()["live"] - before)
    for ours, plain in zip(*results, strict=True):
        same(ours, plain)
        # A weight that is read across has been put in order for the file, and is summed in another one.
        wanted, tolerance = model.predict(x[: len(ours)], batch_size=len(ours), verbose=0), 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(ours, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())
    packed = sum(w.numpy().nbytes for w in model.weights if w.path.endswith("kernel") and len(w.shape) == 2)
    assert grown[0] - grown[1] >= packed


@pytest.mark.parametrize("optimizer", cases.OPTIMIZERS)
def test_training_exports(optimizer, tmp_path):
    model = cases.cnn(addax, optimizer, dropout=0.25)
    path = str(tmp_path / "t.addax")
    before = model.get_weights()
    model.export_training(path, target_signature=addax.InputSpec(shape=(None,), dtype="int32"), verbose=False)
    for a, b in zip(before, model.get_weights(), strict=True):
        same(a, b)
    trained = addax._core.Trainer.load(path, verify=True)
    x, y = cases.batch()
    logs = []
    for _ in range(2):
        trained.reset_metrics()
        for i in range(0, 12, 4):
            values = trained.step([x[i : i + 4], y[i : i + 4]])
        logs.append([float(v) for v in values])
    history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    assert [name for name, _, _ in trained.outputs] == ["loss", "accuracy"]
    # Bit for bit, but for the constant that divides by the batch size, which may be rounded once more.
    np.testing.assert_allclose(logs, np.transpose([history["loss"], history["accuracy"]]), rtol=1e-5)
    out = str(tmp_path / "after.addax")
    trained.save(out)
    again = cases.cnn(addax)
    again.set_weights([np.zeros_like(w) for w in before])
    with pytest.raises(ValueError, match="the file has no tensor for"):
        export.load_weights(again, out)
    export.load_weights(model, out)  # as exported: the paths are the model's
    for name, value in export.load(out).tensors.items():
        if name in {v.path for v in model.variables}:
            same(value, {v.path: v.numpy() for v in model.variables}[name])
    same(export.load(out, endpoint="serve")(x), model.predict(x, verbose=0))


def test_sizes_are_fitted():
    samples = Samples(["n", "m"])

    def fit(f):
        return samples.fit([f(s["n"], s["m"]) for s in samples.sizes])

    assert fit(lambda n, m: 7) == 7
    assert str(fit(lambda n, m: n)) == "n"
    assert str(fit(lambda n, m: 3 * n * m - 2 * m + 5)) == "3*n*m + -2*m + 5"
    assert fit(lambda n, m: 3 * n * m - 2 * m + 5).at({"n": 10, "m": 100}) == 2805
    assert fit(lambda n, m: n * n) is None
    assert fit(lambda n, m: (n + 1) // 2) is None
    assert isinstance(fit(lambda n, m: m - 2), Size)
