"""Dtype policies, regularizers and constraints against real Keras."""

import keras
import numpy as np
import pytest

import addax
from tests.layers.oracle import numpy_of

W = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")

REGULARIZERS = [
    ("L1", {"l1": 0.3}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("L1L2", {}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
]


@pytest.mark.parametrize("name,arguments", REGULARIZERS)
def test_regularizers(name, arguments):
    ours, theirs = (getattr(k.regularizers, name)(**arguments) for k in (addax, keras))
    np.testing.assert_allclose(float(ours(addax.Variable(W))), float(theirs(W)), rtol=1e-5)
    # Keras rounds some factors to float32.
    config, expected = ours.get_config(), theirs.get_config()
    assert config.keys() == expected.keys()
    assert all(v == expected[k] or v == pytest.approx(expected[k]) for k, v in config.items())
    assert type(ours).from_config(config).get_config() == config
    again = addax.regularizers.deserialize(addax.regularizers.serialize(ours))
    assert again.get_config() == config


def test_orthogonal_columns():
    # Keras divides rows by the lengths of columns here (and fails if the matrix is not square), so it is no judge.
    rows = addax.regularizers.OrthogonalRegularizer(0.5, mode="rows")
    columns = addax.regularizers.OrthogonalRegularizer(0.5, mode="columns")
    np.testing.assert_allclose(float(columns(W[:3])), float(rows(np.ascontiguousarray(W[:3].T))), rtol=1e-6)


def test_regularizer_gradient():
    v = addax.Variable([[1.0, -2.0]])
    with addax.GradientTape() as tape:
        loss = addax.regularizers.L1L2(0.5, 0.25)(v)
    np.testing.assert_allclose(tape.gradient(loss, v).numpy(), [[1.0, -1.5]])


@pytest.mark.parametrize("identifier", ["l1", "l2", "L1", "L1L2", "OrthogonalRegularizer"])
def test_regularizers_by_name(identifier):
    assert type(addax.regularizers.get(identifier)).__name__ == type(keras.regularizers.get(identifier)).__name__


@pytest.mark.parametrize("bad", [-1, "a", np.nan, np.inf], ids=repr)
def test_regularizer_factors_are_checked(bad):
    for k in (addax, keras):
        with pytest.raises(ValueError, match="Invalid value for argument l1: expected a non-negative float"):
            k.regularizers.L1(bad)


def test_regularizer_errors():
    with pytest.raises(ValueError, match="Could not interpret regularizer identifier"):
        addax.regularizers.get("nope")
    with pytest.raises(ValueError, match="must have rank 2"):
        addax.regularizers.OrthogonalRegularizer()(np.ones(3))
    with pytest.raises(NotImplementedError):
        addax.regularizers.Regularizer().get_config()
    assert addax.regularizers.get(None) is None


CONSTRAINTS = [
    ("MaxNorm", {"max_value": 1.0}),
    ("MaxNorm", {"max_value": 1.0, "axis": [0, 1]}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.5, "axis": 1}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": 1}),
    ("NonNeg", {}),
]


@pytest.mark.parametrize("name,arguments", CONSTRAINTS)
def test_constraints(name, arguments):
    ours, theirs = (getattr(k.constraints, name)(**arguments) for k in (addax, keras))
    for w in (W, np.zeros_like(W)):
        np.testing.assert_allclose(numpy_of(ours(addax.Variable(w))), numpy_of(theirs(w)), rtol=1e-5, atol=1e-7)
    assert ours.get_config() == theirs.get_config()
    assert addax.constraints.serialize(ours) == keras.constraints.serialize(theirs)
    assert addax.constraints.deserialize(addax.constraints.serialize(ours)).get_config() == ours.get_config()


@pytest.mark.parametrize("identifier", ["max_norm", "MaxNorm", "unit_norm", "non_neg", "min_max_norm"])
def test_constraints_by_name(identifier):
    assert type(addax.constraints.get(identifier)).__name__ == type(keras.constraints.get(identifier)).__name__


def test_constraint_errors():
    with pytest.raises(ValueError, match="Could not interpret constraint identifier"):
        addax.constraints.get("nope")


NAMES = ["float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64", "int32", "bool", None]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_dtype_policies(name):
    ours, theirs = addax.DTypePolicy(name), keras.DTypePolicy(name)
    for attribute in ("name", "compute_dtype", "variable_dtype", "quantization_mode"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert repr(ours) == repr(theirs) and ours.get_config() == theirs.get_config()
    assert addax.dtype_policies.serialize(ours) == keras.dtype_policies.serialize(theirs)
    assert addax.dtype_policies.deserialize(addax.dtype_policies.serialize(ours)) == ours


def test_dtype_policy_lookup():
    get = addax.dtype_policies.get
    assert get(None) == addax.config.dtype_policy() == addax.DTypePolicy("float32")
    assert get("mixed_float16").compute_dtype == "float16" and get(np.float16).name == "float16"
    assert get({"class_name": "DTypePolicy", "config": {"name": "float16"}}).name == "float16"
    policy = addax.DTypePolicy("float16")
    assert get(policy) is policy and policy != addax.DTypePolicy("float32")


@pytest.mark.parametrize("name,error", [("foo", ValueError), ("mixed", ValueError), (3, TypeError)])
def test_dtype_policy_errors(name, error):
    for k in (addax, keras):
        with pytest.raises(error, match=r"Cannot convert|'name' must be a string"):
            k.DTypePolicy(name)
    with pytest.raises(ValueError):
        addax.config.set_dtype_policy("foo")


def test_floatx_makes_the_default_policy():
    addax.config.set_floatx("float16")
    try:
        assert addax.layers.Dense(2).dtype_policy.name == "float16"
    finally:
        addax.config.set_floatx("float32")
