"""Dtypes of results: weak Python scalars, arrays, Variables, `floatx`, promotion of all pairs."""

import itertools

import numpy as np
import pytest

import addax
from addax import ops
from tests.ops.helpers import keras

DTYPES = ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "bfloat16", "float32"]
SCALARS = {"bool": True, "int": 2, "float": 2.0}


@pytest.fixture
def floatx():
    yield addax.config.set_floatx
    addax.config.set_floatx("float32")


@pytest.mark.parametrize(("a", "b"), [p for p in itertools.product(DTYPES, DTYPES) if p[0] <= p[1]])
def test_pairs_promote_as_in_keras(a, b):
    expected = keras.backend.result_type(a, b)
    if {a, b} & {"uint32"} and {a, b} & {"int8", "int16", "int32"}:
        expected = "int64"  # JAX without 64 bits makes int32 of it
    assert addax.backend.result_type(a, b) == expected
    assert ops.add(ops.ones((2,), a), ops.ones((2,), b)).dtype == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SCALARS)
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "divide", "where"])
def test_python_scalars_are_weak(dtype, kind, name):
    def call(lib):
        x, scalar = lib.ops.ones((2,), dtype), SCALARS[kind]
        args = (lib.ops.ones((2,), "bool"), x, scalar) if name == "where" else (x, scalar)
        return lib.keras_dtype(getattr(lib.ops, name)(*args))

    class Ours:
        ops = addax.ops
        keras_dtype = staticmethod(lambda x: x.dtype)

    class Theirs:
        ops = keras.ops
        keras_dtype = staticmethod(lambda x: keras.backend.standardize_dtype(x.dtype))

    assert call(Ours) == call(Theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_operators_equal_ops(dtype):
    x = ops.ones((2,), dtype)
    for scalar in SCALARS.values():
        assert (x * scalar).dtype == ops.multiply(x, scalar).dtype
        assert (scalar * x).dtype == ops.multiply(scalar, x).dtype


def test_values_of_all_kinds():
    assert ops.add([1, 2], 3).dtype == "int32"
    assert ops.add([1.0, 2], 3).dtype == "float32"
    assert ops.add(1, 2.0).dtype == "float32"
    assert ops.convert_to_tensor(2**40).dtype == "int64"
    assert ops.convert_to_tensor([True, False]).dtype == "bool"
    assert ops.add(np.ones(2, "int8"), np.ones(2, "float16")).dtype == "float16"
    assert ops.add(addax.Variable([1.0], dtype="float16"), 1.0).dtype == "float16"
    assert ops.convert_to_tensor([ops.ones(()), 2.0, addax.Variable(3.0)]).tolist() == [1.0, 2.0, 3.0]
    assert ops.convert_to_tensor([[ops.ones((2,)), [3, 4]]]).shape == (1, 2, 2)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_floatx(floatx, kind):
    floatx(kind)
    x = ops.ones((2,), "int32")
    for result in (ops.zeros((2,)), ops.exp(x), ops.divide(x, 2), ops.add(x, 2.0), ops.mean(x), ops.softmax(x)):
        assert result.dtype == kind
    assert ops.convert_to_tensor(1.5).dtype == kind
    assert ops.convert_to_tensor([1.5]).dtype == kind
    assert addax.random.normal((2,)).dtype == kind
    assert addax.initializers.GlorotUniform()((2, 2)).dtype == kind
    assert addax.KerasTensor((2,), None).dtype == kind
    assert ops.divide(ops.ones((2,), "float32"), 2).dtype == "float32"


def test_result_type_takes_python_types():
    assert addax.backend.result_type() == "float32"
    assert addax.backend.result_type(int, float) == "float32"
    assert addax.backend.result_type("bool", int) == "int32"
    assert addax.backend.result_type("int8", float) == "float32"
    assert addax.backend.result_type("float16", float) == "float16"
    assert addax.backend.result_type(np.dtype("float64"), "float16") == "float64"
    assert addax.backend.result_type(np.float32, None) == "float32"


@pytest.mark.parametrize("bad", ["foo", "str", "half", object, 3.0])
def test_unknown_dtypes(bad):
    with pytest.raises(ValueError, match="Invalid dtype"):
        addax.backend.standardize_dtype(bad)
