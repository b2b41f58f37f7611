"""Variable and the scopes of variables."""

import copy
import pickle

import keras
import numpy as np
import pytest

import addax
from addax import ops
from addax.variables import AutocastScope
from tests.layers.oracle import numpy_of

ONES = np.ones((2, 3), "float32")


def test_value_dtype_and_names():
    v = addax.Variable(ONES, name="w")
    assert (v.shape, v.dtype, v.ndim, v.name, v.path, v.trainable) == ((2, 3), "float32", 2, "w", "w", True)
    assert repr(v) == repr(keras.Variable(ONES, name="w"))
    assert addax.Variable(1).dtype == "int32" and addax.Variable(1.5).dtype == "float32"
    assert addax.Variable([1.0, 2.0], dtype="float16").dtype == "float16"
    assert addax.Variable("ones", shape=(2,)).numpy().tolist() == [1.0, 1.0]
    assert addax.Variable(lambda shape, dtype: ops.full(shape, 3, dtype), shape=(2,)).numpy().tolist() == [3.0, 3.0]


def test_assignments():
    v = addax.Variable(ONES)
    old = v.value
    assert v.assign(2 * ONES).tolist() == (2 * ONES).tolist()
    assert v.assign_add(ONES).tolist() == (3 * ONES).tolist()
    assert v.assign_sub(2 * ONES).tolist() == ONES.tolist()
    v.assign(np.zeros((2, 3), "int64"))
    assert v.dtype == "float32" and old.tolist() == ONES.tolist()


def test_arrays_are_copied():
    array = np.ones(3, "float32")
    v = addax.Variable(array)
    array[:] = 5
    assert v.numpy().tolist() == [1, 1, 1]
    v.assign(array)
    array[:] = 7
    assert v.numpy().tolist() == [5, 5, 5]
    with pytest.raises(ValueError):
        v.numpy()[0] = 1


def test_assigned_values_have_no_history():
    x = ops.convert_to_tensor(3.0)
    v = addax.Variable(0.0)
    with addax.GradientTape(persistent=True) as tape:
        tape.watch(x)
        v.assign(x * x)
        y = v * 2.0
    assert tape.gradient(y, x) is None
    assert float(tape.gradient(y, v)) == 2.0


@pytest.mark.parametrize(
    "action,message",
    [
        (
            lambda k: k.Variable(ONES, name="v").assign(np.ones((2, 2))),
            "variable.shape=(2, 3), Received: value.shape=(2, 2)",
        ),
        (lambda k: k.Variable("zeros"), "the `shape` argument should be specified"),
        (lambda k: k.Variable("zeros", shape=(None, 2)), "must be fully-defined (no `None` dimensions)"),
        (lambda k: k.Variable(ONES, name="a/b"), "Argument `name` must be a string and cannot contain character `/`"),
        (lambda k: k.Variable(ONES, name=3), "Argument `name` must be a string and cannot contain character `/`"),
        (lambda k: k.Variable(ONES, aggregation="x"), "Invalid value for argument `aggregation`"),
        (lambda k: k.Variable(ONES, synchronization="x"), "Invalid value for argument `synchronization`"),
        (lambda k: setattr(k.Variable(ONES), "regularizer", 3), "Invalid value for attribute `regularizer`"),
        (lambda k: setattr(k.Variable(ONES), "constraint", 3), "Invalid value for attribute `constraint`"),
        (lambda k: k.name_scope("a/b"), "Argument `name` must be a string"),
    ],
)
def test_errors_say_what_keras_says(action, message):
    for k in (keras, addax):
        with pytest.raises(ValueError) as error:
            action(k)
        assert message in str(error.value)


def test_type_errors():
    v = addax.Variable(ONES)
    for action in (bool, float, int):
        with pytest.raises(TypeError):
            action(v)
    with pytest.raises(TypeError, match="`overwrite_with_gradient` must be a boolean"):
        v.overwrite_with_gradient = 1
    with pytest.raises(AttributeError):
        v.name = "other"
    assert float(addax.Variable(2.5)) == 2.5 and int(addax.Variable(2.5)) == 2


OPERATIONS = {
    "add": lambda v, x: v + x,
    "radd": lambda v, x: x + v,
    "sub": lambda v, x: v - x,
    "rsub": lambda v, x: x - v,
    "mul": lambda v, x: v * x,
    "div": lambda v, x: v / x,
    "rdiv": lambda v, x: x / v,
    "floordiv": lambda v, x: v // x,
    "mod": lambda v, x: v % x,
    "pow": lambda v, x: v**x,
    "rpow": lambda v, x: x**v,
    "lt": lambda v, x: v < x,
    "le": lambda v, x: v <= x,
    "gt": lambda v, x: v > x,
    "ge": lambda v, x: v >= x,
    "eq": lambda v, x: v == x,
    "ne": lambda v, x: v != x,
}
OTHERS = {
    "float": lambda k: 2.0,
    "int": lambda k: 2,
    "array": lambda k: np.full((2, 2), 2.0, "float32"),
    "tensor": lambda k: k.ops.convert_to_tensor(np.full((2, 2), 2.0, "float32")),
    "variable": lambda k: k.Variable(np.full((2, 2), 2.0, "float32")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("other", OTHERS)
def test_operators(operation, other):
    values = np.array([[1.0, 2.0], [3.0, 0.5]], "float32")
    ours = OPERATIONS[operation](addax.Variable(values), OTHERS[other](addax))
    expected = OPERATIONS[operation](values, np.asarray(2.0, "float32"))
    assert isinstance(ours, addax.engine.Tensor) and ours.dtype == expected.dtype.name
    np.testing.assert_allclose(numpy_of(ours), expected, rtol=1e-6)


def test_other_operators():
    v = addax.Variable([[1.0, -2.0]])
    assert (-v).tolist() == [[-1.0, 2.0]] and abs(v).tolist() == [[1.0, 2.0]] and (+v).tolist() == [[1.0, -2.0]]
    assert v[0, 1].item() == -2.0 and (v @ np.ones((2, 1), "float32")).tolist() == [[-1.0]]
    assert (~addax.Variable(True, dtype="bool")).item() is False
    assert (addax.Variable(True, dtype="bool") & True).item() is True
    assert (v + addax.KerasTensor((3, 2))).shape == (3, 2)
    assert np.asarray(v).tolist() == [[1.0, -2.0]] and np.asarray(v, "float64").dtype == "float64"
    assert round(addax.Variable(1.6)).item() == 2.0


def test_variables_are_keys():
    a, b = addax.Variable(1.0), addax.Variable(1.0)
    assert {a: 1, b: 2}[a] == 1 and len({a, b}) == 2


def test_scopes():
    v, w, i = addax.Variable([1.0]), addax.Variable([1.0], autocast=False), addax.Variable([1])
    with AutocastScope("float16"):
        assert (v.value.dtype, v.dtype, w.value.dtype, i.value.dtype) == ("float16", "float16", "float32", "int32")
        with AutocastScope(None):
            assert v.value.dtype == "float32"
        v.assign_add([1e-4])
    assert v.numpy()[0] == np.float32(1) + np.float32(1e-4)
    with pytest.raises(ValueError, match="expected a float dtype"):
        AutocastScope("int32")
    with addax.name_scope("a"), addax.name_scope("b"):
        assert addax.Variable(0.0, name="v").path == "a/b/v"


def test_stateless_scope():
    v = addax.Variable([1.0, 2.0])
    with addax.StatelessScope([(v, [5.0, 6.0])]) as scope:
        assert v.value.tolist() == [5.0, 6.0]
        v.assign_add([1.0, 1.0])
        assert (v * 1).tolist() == [6.0, 7.0]
    assert v.numpy().tolist() == [1.0, 2.0] and scope.get_current_value(v).tolist() == [6.0, 7.0]
    assert scope.get_current_value(addax.Variable(0.0)) is None
    with pytest.raises(ValueError, match="expected a value of shape"):
        addax.StatelessScope([(v, [1.0])])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["copy", "pickle"])
def test_copies(duplicate):
    v = addax.Variable([1.0, 2.0], name="v", trainable=False)
    other = duplicate(v)
    other.assign([3.0, 4.0])
    assert v.numpy().tolist() == [1.0, 2.0] and (other.name, other.trainable) == ("v", False)
