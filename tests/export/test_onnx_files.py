"""ONNX files: names, sizes that are not known, states, control flow, transposes, what goes wrong."""

import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

import addax
from addax import layers, ops
from addax.export.endpoint import make_endpoint
from addax.export.onnx import export_onnx, table, writer
from tests.export.helpers import export, run, session
from tests.saving.cases import fill


def nodes(path: Path) -> Counter:
    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def dims(values) -> dict[str, list]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def check(path: Path, model, *arrays: np.ndarray) -> None:
    """float32 sums in another order."""
    want = model.predict(arrays[0] if len(arrays) == 1 else list(arrays), verbose=0)
    (got,) = run(session(path), list(arrays))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * max(np.abs(want).max(), 1e-3))


def two_ends():
    left, right = addax.Input((3,), name="left"), addax.Input((2, 4), name="right")
    sums = layers.Dense(4, name="dense")(left)
    return addax.Model({"l": left, "r": right}, {"sum": ops.sum(right, axis=1) + sums, "same": sums, "left": left})


def test_names_and_sizes(tmp_path) -> None:
    model = two_ends()
    endpoint = export(model, tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert dims(graph.input) == {"l": ["batch", 3], "r": ["batch", 2, 4]}
    assert dims(graph.output) == {"left": ["batch", 3], "same": ["batch", 4], "sum": ["batch", 4]}
    assert [x.name for x in graph.input] == endpoint.input_names
    assert {x.name for x in graph.initializer} >= {v.path for v in model.weights}
    given = {"l": normal(5, 3), "r": normal(5, 2, 4)}
    loaded, wanted = session(tmp_path / "m.onnx"), model.predict(given, verbose=0)
    for name, got in zip(sorted(wanted), loaded.run(sorted(wanted), given), strict=True):
        np.testing.assert_allclose(got, wanted[name], rtol=1e-5, atol=1e-6)


def test_sizes_that_follow_others_have_names(tmp_path) -> None:
    x = addax.Input((None, 3), name="x")
    model = addax.Model(x, ops.concatenate([x, x * 2.0, x[:, :1]], axis=1))
    export(model, tmp_path / "m.onnx")
    assert list(dims(onnx.load(tmp_path / "m.onnx").graph.output).values()) == [["batch", "2*x_1 + 1", 3]]
    check(tmp_path / "m.onnx", model, normal(2, 4, 3))
    check(tmp_path / "m.onnx", model, normal(1, 9, 3))


@pytest.mark.parametrize("kind", ["lstm", "attention", "conv", "flat", "masked"])
def test_length_that_is_not_known(kind: str, tmp_path) -> None:
    x = addax.Input((None, 4))
    y = {
        "lstm": lambda: layers.Bidirectional(layers.GRU(3))(layers.LSTM(3, return_sequences=True)(x)),
        "attention": lambda: layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        "conv": lambda: layers.UpSampling1D(2)(layers.Conv1D(3, 3, padding="same")(layers.ZeroPadding1D(2)(x))),
        "flat": lambda: layers.Reshape((-1, 2))(layers.Dense(6)(x)),
        "masked": lambda: layers.LSTM(3)(layers.Masking()(x)),
    }[kind]()
    model = addax.Model(x, y)
    fill(model)
    export(model, tmp_path / "m.onnx")
    for shape in ((2, 7, 4), (1, 3, 4), (5, 12, 4)):
        array = normal(*shape)
        array[0, 1:] = 0
        check(tmp_path / "m.onnx", model, array)


def test_image_of_any_size(tmp_path) -> None:
    rows = [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.MaxPooling2D(), layers.Conv2DTranspose(2, 2, 2)]
    model = addax.Sequential([addax.Input((None, None, 3)), *rows, layers.GlobalAveragePooling2D()])
    fill(model)
    export(model, tmp_path / "m.onnx")
    check(tmp_path / "m.onnx", model, normal(2, 17, 23, 3))
    check(tmp_path / "m.onnx", model, normal(1, 32, 16, 3))


def test_states_are_inputs_and_outputs(tmp_path) -> None:
    model = addax.Sequential([addax.Input((5, 4), batch_size=2), layers.LSTM(3, stateful=True)])
    fill(model)
    endpoint = export(model, tmp_path / "m.onnx")
    loaded, array = session(tmp_path / "m.onnx"), normal(2, 5, 4)
    names = endpoint.state_names
    assert [x.name for x in loaded.get_overridable_initializers()] == names
    assert [x.name for x in loaded.get_outputs()][1:] == [f"{name}_next" for name in names]
    states: dict[str, np.ndarray] = {}
    for _ in range(3):
        got, *after = loaded.run(None, {endpoint.input_names[0]: array, **states})
        np.testing.assert_allclose(got, model.predict(array, verbose=0), rtol=1e-5, atol=1e-6)
        states = dict(zip(names, after, strict=True))


def loop(x):
    """Doubles rows until their sum is large; the number of turns depends on the values."""
    return ops.while_loop(
        lambda i, y: ops.logical_and(i < 9, ops.sum(y) < 50.0), lambda i, y: (i + 1, y * 2.0), (0, x)
    )[1]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.cond(ops.sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0),
        lambda x: ops.switch(ops.cast(x[0, 0] > 0, "int32"), [lambda y: y + 1.0, lambda y: ops.sum(y) + y], x),
        lambda x: ops.scan(
            lambda c, row: (c + row, c * row), ops.zeros((4,)), ops.transpose(x)[:, :1] + ops.ones((4,))
        )[1],
        lambda x: ops.scan(lambda c, row: (c * 0.5 + row, c), ops.ones((4,)), x[:3] + 1.0, reverse=True)[1],
        loop,
        lambda x: ops.fori_loop(0, 5, lambda i, y: y * 1.5 + ops.cast(i, "float32"), x),
    ],
    ids=["cond", "switch", "scan", "backwards", "while_loop", "fori_loop"],
)
def test_control_flow(function, tmp_path) -> None:
    endpoint = make_endpoint("f", function, [addax.InputSpec(shape=(3, 4), dtype="float32")])
    export_onnx(endpoint, tmp_path / "m.onnx")
    loaded = session(tmp_path / "m.onnx")
    for array in (np.abs(normal(3, 4)), -np.abs(normal(3, 4))):
        np.testing.assert_allclose(run(loaded, array)[0], np.asarray(function(ops.array(array))), rtol=1e-5, atol=1e-6)


def test_transposes_cancel(tmp_path) -> None:
    rows = [
        layers.Conv2D(8, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 3, padding="same", activation="gelu"),
        layers.AveragePooling2D(2),
        layers.Conv2DTranspose(4, 3, strides=2, activation="silu"),
    ]
    model = addax.Sequential([addax.Input((16, 16, 3)), *rows])
    fill(model)
    export(model, tmp_path / "m.onnx")
    made = nodes(tmp_path / "m.onnx")
    assert made["Transpose"] == 2  # one at each end
    # Biases are the convolutions' own, and the statistics are in the filters.
    assert made["Add"] == 0 and made["Mul"] == 1
    check(tmp_path / "m.onnx", model, normal(3, 16, 16, 3))


def test_transposes_move_behind_what_has_axes(tmp_path) -> None:
    x = addax.Input((16, 16, 3))
    y = layers.Cropping2D(1)(layers.Conv2D(8, 3, activation="relu")(x))
    z = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D()(y)))
    z = layers.ZeroPadding2D(1)(layers.Concatenate()([layers.Conv2DTranspose(8, 2, strides=2)(z), y]))
    gate = layers.Conv2D(16, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(z))
    z = layers.SeparableConv2D(8, 3)(z * gate)
    model = addax.Model(x, layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Softmax()(z))))
    fill(model)
    export(model, tmp_path / "m.onnx")
    assert nodes(tmp_path / "m.onnx")["Transpose"] == 1
    check(tmp_path / "m.onnx", model, normal(2, 16, 16, 3))


def test_stacked_recurrences_keep_time_first(tmp_path) -> None:
    rows = [layers.LSTM(4, return_sequences=True), layers.GRU(3, return_sequences=True), layers.SimpleRNN(2)]
    model = addax.Sequential([addax.Input((6, 5)), *rows])
    export(model, tmp_path / "m.onnx")
    made = nodes(tmp_path / "m.onnx")
    assert (made["LSTM"], made["GRU"], made["RNN"], made["Transpose"]) == (1, 1, 1, 1)


def test_outputs_that_are_inputs_constants_or_twice(tmp_path) -> None:
    def function(x):
        y = x + 1.0
        return {"y": y, "again": y, "x": x, "fixed": ops.ones((2, 2))}

    endpoint = make_endpoint("f", function, [addax.InputSpec(shape=(None, 2), name="x")])
    export_onnx(endpoint, tmp_path / "m.onnx")
    array = normal(3, 2)
    loaded = session(tmp_path / "m.onnx")
    # No two values have one name in ONNX.
    assert [x.name for x in loaded.get_outputs()] == ["y", "again", "x_output", "fixed"]
    assert endpoint.output_names == ["y", "again", "x", "fixed"]
    wanted = function(ops.array(array))
    for name, value in zip(endpoint.output_names, run(loaded, array), strict=True):
        np.testing.assert_array_equal(value, wanted[name])


def test_random_numbers_follow_a_seed(tmp_path) -> None:
    """Dropout as in training: the seed is a state, and what it draws is what the model draws."""
    model = addax.Sequential([addax.Input((50,)), layers.Dropout(0.4, seed=3), layers.GaussianNoise(0.1, seed=4)])
    endpoint = make_endpoint("f", lambda x: model(x, training=True), [model.inputs[0]])
    export_onnx(endpoint, tmp_path / "m.onnx", model)
    loaded, array, states = session(tmp_path / "m.onnx"), normal(4, 50), {}
    assert len(endpoint.state_names) == 2
    for _ in range(2):
        got, *after = loaded.run(None, {endpoint.input_names[0]: array, **states})
        np.testing.assert_allclose(got, np.asarray(model(array, training=True)), rtol=1e-5, atol=1e-5)
        states = dict(zip(endpoint.state_names, after, strict=True))


class Slope(layers.Layer):
    """Has a part of a gradient in its call."""

    def call(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(ops.square(ops.softmax(x)))
        return tape.gradient(y, x)


def test_errors_name_the_op_and_the_layer(tmp_path) -> None:
    inner = addax.Sequential([layers.Dense(3), Slope(name="slope")], name="inner")
    model = addax.Sequential([addax.Input((4,)), inner, layers.Dense(2)], name="outer")
    with pytest.raises(ValueError, match=r"layer 'outer/inner/slope' uses the op softmax_grad.*part of a gradient"):
        export(model, tmp_path / "m.onnx")
    assert not os.listdir(tmp_path)
    model(ops.ones((1, 4)))  # the layers are as they were
    assert all("call" not in layer.__dict__ for layer in model._tree())


def test_errors_find_ops_inside_loops(tmp_path, monkeypatch) -> None:
    class Cell(layers.Layer):
        state_size = 3

        def call(self, x, states):
            return ops.scan(lambda c, row: (c, ops.tan(row)), x, ops.stack([x, x]))[1][0], states

    model = addax.Sequential([addax.Input((5, 3)), layers.RNN(Cell(), name="walk")], name="outer")
    monkeypatch.delitem(table.rows(), "tan")
    with pytest.raises(ValueError, match=r"layer 'outer/walk.*' uses the op tan.*it has no lowering"):
        export(model, tmp_path / "m.onnx")


def test_gates_have_no_form(tmp_path) -> None:
    x, w = addax.InputSpec(shape=(2, 3, 4)), normal(4, 8)

    def function(x):
        return addax.engine.apply("lstm", x, *[ops.zeros((2, 2))] * 2, ops.array(w), ops.ones((2, 8)), ops.zeros((8,)),
                                  go_backwards=False)[4]  # fmt: skip

    with pytest.raises(ValueError, match=r"the model uses the op lstm.*its gates"):
        export_onnx(make_endpoint("f", function, [x]), tmp_path / "m.onnx")


def test_large_tensors_lie_beside(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(writer, "_LIMIT", 1 << 12)
    model = addax.Sequential([addax.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(3)])
    export(model, tmp_path / "m.onnx")
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]
    assert os.path.getsize(tmp_path / "m.onnx.data") == 64 * 64 * 4  # the kernel; the rest is small
    check(tmp_path / "m.onnx", model, normal(4, 64))


def test_file_is_whole_or_as_it_was(tmp_path, monkeypatch) -> None:
    path = tmp_path / "m.onnx"
    model = addax.Sequential([addax.Input((4,)), layers.Dense(3)])
    export(model, path)
    before = path.read_bytes()

    def fails(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(writer, "_write", fails)
    with pytest.raises(OSError, match="disk full"):
        export(model, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["m.onnx"]


def test_without_the_package(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=re.escape('pip install "addax[onnx]"')):
        export(addax.Sequential([addax.Input((4,)), layers.Dense(3)]), tmp_path / "m.onnx")
