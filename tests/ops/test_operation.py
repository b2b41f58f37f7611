"""Operation, KerasTensor, Node, Function, and the classes made by `@op`."""

import inspect
import json
import weakref

import numpy as np
import pytest

import addax
from addax import KerasTensor, Operation, ops
from addax.ops.operation import _ops, operation_class


def test_every_op_has_the_signature_of_keras():
    from tests.ops.helpers import keras

    for name in ops.__all__:
        theirs = inspect.signature(getattr(keras.ops, name)).parameters
        ours = inspect.signature(getattr(ops, name)).parameters
        # Keras takes legacy keywords here and there; ours are named.
        theirs = [(p.name, p.default) for p in theirs.values() if p.kind is not p.VAR_KEYWORD]
        ours = [(p.name, p.default) for p in ours.values() if p.kind is not p.VAR_KEYWORD]
        assert ours == theirs, name


def test_every_class_takes_the_settings_of_keras():
    import importlib

    missing = set()
    for module, name in _ops:
        theirs = getattr(importlib.import_module(module), name, None)
        if theirs is None:
            missing.add(name)
            continue
        cls = operation_class(module, name)
        expected = [p for p in inspect.signature(theirs.__init__).parameters if p not in ("self", "name", "kwargs")]
        ours = [p for p in cls._parameters if p not in cls._inputs]
        if name == "LayerNorm":
            expected.remove("rms_scaling")  # a legacy switch; see RMSNorm
        assert sorted(ours) == sorted(expected), (module, name)
        if cls._before_varargs is None:
            assert list(cls._inputs) == list(inspect.signature(theirs.call).parameters)[1:], (module, name)
    # Functions only, in Keras.
    assert missing == {"Bartlett", "Blackman", "Hamming", "Hanning", "Kaiser", "Rearrange"}


def test_operation_of_an_op_has_keras_config_and_name():
    addax.backend.clear_session()
    y = ops.mean(KerasTensor((None, 3)), axis=1)
    operation = y._keras_history.operation
    assert (y.shape, operation.name) == ((None,), "mean")
    assert operation.get_config() == {"name": "mean", "axis": 1, "keepdims": False}
    assert operation.keras_path == ("keras.src.ops.numpy", "Mean")
    again = type(operation).from_config(operation.get_config())
    assert again(ops.ones((2, 3))).tolist() == [1.0, 1.0]
    assert again.axis == 1
    json.dumps(operation.get_config())


def test_class_names_of_the_table():
    assert operation_class("keras.src.ops.nn", "Relu")()(np.array([-1.0, 1.0], "float32")).tolist() == [0.0, 1.0]
    assert operation_class("keras.src.ops.numpy", "Einsum")("ij->ji")(ops.ones((2, 3))).shape == (3, 2)
    assert len(operation_class("keras.src.ops.numpy", "Meshgrid")(indexing="ij")(ops.ones(2), ops.ones(3))) == 2
    with pytest.raises(ValueError, match=r"no op 'Nothing'"):
        operation_class("keras.src.ops.numpy", "Nothing")
    with pytest.raises(TypeError, match="Mean takes axis, keepdims"):
        operation_class("keras.src.ops.numpy", "Mean")(foo=1)


def test_call_records_a_node():
    x = KerasTensor((None, 3))
    y = ops.add(x, 1)
    node = y._keras_history.operation._inbound_nodes[0]
    assert node.arguments.args == (x, 1)
    assert node.input_tensors == [x]
    assert node.outputs == node.output_tensors == [y]
    assert node.parent_nodes == [] and not node.is_input
    z = ops.exp(y)
    assert z._keras_history.operation._inbound_nodes[0].parent_nodes == [node]


def test_tensors_in_lists_and_keywords_are_found():
    x = KerasTensor((None, 3))
    assert ops.concatenate([x, np.ones((2, 3))]).shape == (None, 3)
    assert ops.stack(x=[x, x]).shape == (2, None, 3)
    assert ops.add(x1=np.ones(3), x2=x).shape == (None, 3)
    assert ops.average(x, axis=1, weights=KerasTensor((3,))).shape == (None,)
    assert ops.pad(x, ((0, 0), (1, 1)), constant_values=KerasTensor(())).shape == (None, 5)
    assert ops.where(KerasTensor((None, 1), "bool"), x, 0.0).shape == (None, 3)
    assert ops.einsum("ij,kj->ik", x, KerasTensor((5, 3))).shape == (None, 5)


def test_operators_and_slicing_of_keras_tensors():
    x = KerasTensor((None, 4))
    for y in (x + 1, 1 - x, x * x, 2 / x, x // 2, x % 2, x**2, -x, abs(x), round(x), np.ones(4, "float32") + x):
        assert (y.shape, y.dtype) == ((None, 4), "float32")
    for y in (x < 1, x <= 1, x > 1, x >= x, ~x, x & x, True | x, x ^ x):
        assert (y.shape, y.dtype) == ((None, 4), "bool")
    assert (x @ np.ones((4, 2), "float32")).shape == (None, 2)
    assert x[:, 1].shape == (None,)
    assert x[0].shape == (4,)
    assert x[..., None].shape == (None, 4, 1)
    assert x[1:, ::2].shape == (None, 2)
    assert x.reshape((-1, 2)).shape == (None, 2)
    assert KerasTensor((1, 2)).squeeze(0).shape == (2,)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (bool, TypeError, "cannot be used as a boolean"),
        (int, ValueError, "converted to an int"),
        (float, ValueError, "converted to a float"),
        (np.asarray, ValueError, "converted to a NumPy array"),
        (iter, NotImplementedError, "unstack"),
        (ops.convert_to_numpy, ValueError, "converted to a NumPy array"),
    ],
)
def test_keras_tensors_have_no_value(call, error, text):
    with pytest.raises(error, match=text):
        call(KerasTensor((2,)))


@pytest.mark.parametrize("shape", [3, ("a",), (-1,), (2.0,), (True,)])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match=r"shape|dim"):
        KerasTensor(shape)


def test_immutable_shape_and_dtype():
    x = KerasTensor((2,))
    with pytest.raises(AttributeError):
        x.shape = (3,)
    with pytest.raises(AttributeError):
        x.dtype = "int8"


def test_errors_of_symbolic_calls_speak_of_none():
    with pytest.raises(ValueError, match=r"\(None, 2\)") as caught:
        ops.matmul(KerasTensor((None, 2)), KerasTensor((3, 3)))
    assert "5040" not in str(caught.value)


def test_symbolic_calls_make_no_values():
    # 10080 x 10080 x 1000 floats would be 400 GB.
    def big(x):
        n = x.shape[0]
        noise = addax.random.normal((n, n, 1000), seed=1) + ops.zeros((n, n, 1000)) + ops.eye(n)[..., None]
        return ops.sum(noise, axis=0) + addax.random.dropout(ops.ones((n, 1000)), 0.5)

    assert addax.backend.compute_output_spec(big, KerasTensor((None, 3))).shape == (None, 1000)


def test_symbolic_calls_draw_no_seeds():
    generator = addax.random.SeedGenerator(3)
    spec = addax.backend.compute_output_spec(
        lambda x: addax.random.dropout(x, 0.5, seed=generator), KerasTensor((None, 3))
    )
    assert spec.shape == (None, 3)
    assert generator.state.numpy().tolist() == [3, 0]


class Scale(Operation):
    def __init__(self, factor, *, name=None):
        super().__init__(name=name)
        self.factor = factor

    def call(self, x, offset=0):
        return x * self.factor + offset


def test_own_operations():
    addax.backend.clear_session()
    scale = Scale(2.0)
    assert scale.name == "scale" and Scale(1).name == "scale_1"
    assert scale.get_config() == {"name": "scale", "factor": 2.0}
    assert Scale.from_config({"factor": 3.0})(ops.ones(())).item() == 3.0
    x = KerasTensor((None, 2))
    y = scale(x, offset=x)
    assert (scale.input, scale.output) == ([x, x], y)
    assert repr(scale) == "<Operation name=scale>"
    with pytest.raises(TypeError, match="Cannot make a Scale"):
        Scale.from_config({"nothing": 1})
    with pytest.raises(NotImplementedError, match="get_config"):
        Scale(np.ones(2)).get_config()
    with pytest.raises(AttributeError, match="never been called"):
        Scale(1).input  # noqa: B018
    with pytest.raises(ValueError, match="without '/'"):
        Scale(1, name="a/b")
    with pytest.raises(NotImplementedError, match="must implement `call`"):
        Operation()(1)


class TestFunction:
    def test_runs_a_graph(self):
        a, b = KerasTensor((None, 2)), KerasTensor((None, 2))
        shared = ops.exp(a)
        f = addax.Function({"a": a, "b": b}, [shared + b, {"product": shared * b}])
        u, v = np.array([[0.0, 1.0]], "float32"), np.array([[2.0, 3.0]], "float32")
        total, rest = f({"a": u, "b": v})
        np.testing.assert_allclose(total, np.exp(u) + v, rtol=1e-6)
        np.testing.assert_allclose(rest["product"], np.exp(u) * v, rtol=1e-6)
        assert f.compute_output_shape({"a": (5, 2), "b": (5, 2)}) == [(5, 2), {"product": (5, 2)}]

    def test_order_and_depth(self):
        x = KerasTensor((None, 2))
        y = ops.exp(x)
        z = ops.add(y, x)
        f = addax.Function(x, z)
        names = [o.name.split("_")[0] for o in f.operations]
        assert names[-2:] == ["exp", "add"]
        assert {depth: len(nodes) for depth, nodes in f._nodes_by_depth.items()} == {2: 1, 1: 1, 0: 1}
        assert f.inputs == [x] and f.outputs == [z]

    def test_stands_inside_a_graph(self):
        x = KerasTensor((None, 2))
        hidden = ops.exp(x)
        f = addax.Function(hidden, ops.negative(hidden))
        assert f(np.ones((1, 2), "float32")).tolist() == [[-1.0, -1.0]]

    def test_symbolic_call(self):
        x = KerasTensor((None, None))
        f = addax.Function(x, ops.concatenate([x, x], axis=1))
        assert f(KerasTensor((None, 3))).shape == (None, 6)
        assert f(KerasTensor((None, None))).shape == (None, None)

    def test_a_tensor_without_history_can_be_reused(self):
        x = KerasTensor((2,))
        assert addax.Function(x, ops.exp(x))(np.zeros(2, "float32")).tolist() == [1.0, 1.0]
        assert addax.Function(x, ops.exp(x))(np.zeros(2, "float32")).tolist() == [1.0, 1.0]

    def test_deep_graphs(self):
        x = y = KerasTensor(())
        for _ in range(3000):
            y = ops.negative(y)
        assert addax.Function(x, y)(1.0).item() == 1.0

    def test_errors(self):
        x = KerasTensor((None, 2))
        f = addax.Function(x, ops.exp(x))
        with pytest.raises(ValueError, match="disconnected"):
            addax.Function(KerasTensor((2,)), ops.exp(x))
        with pytest.raises(ValueError, match=r"expects shape \(None, 2\), received a tensor of shape \(3, 4\)"):
            f(ops.ones((3, 4)))
        with pytest.raises(ValueError, match="another structure"):
            f([ops.ones((3, 2)), ops.ones((3, 2))])
        with pytest.raises(ValueError, match="KerasTensors"):
            addax.Function(ops.ones(2), ops.ones(2))


def test_graphs_die_with_their_last_reference():
    x = KerasTensor((None, 2))
    f = addax.Function(x, ops.exp(x) + 1)
    alive = weakref.ref(f), weakref.ref(x)
    del f, x  # by reference counts alone
    assert [a() for a in alive] == [None, None]
