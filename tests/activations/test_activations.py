"""Activations against Keras on JAX."""

import inspect

import numpy as np
import pytest

import addax
from addax import activations
from tests.ops.helpers import keras, to_float64

NAMES = sorted(
    {f.__name__ for n, f in vars(activations).items() if n in activations.__all__} - {"get", "serialize", "deserialize"}
)
X = np.array([[-7.0, -2.5, -1.0, -0.3], [0.0, 0.4, 1.0, 6.5]], "float32")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("sparsemax", "threshold")])
def test_values(name):
    ours, theirs = getattr(activations, name)(X), getattr(keras.activations, name)(X)
    np.testing.assert_allclose(to_float64(ours), to_float64(theirs), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_signature_and_symbolic_call(name):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    assert [(p.name, p.default) for p in inspect.signature(ours).parameters.values()] == [
        (p.name, p.default) for p in inspect.signature(theirs).parameters.values()
    ]
    args = (0.5, 0.0) if name == "threshold" else ()
    assert ours(addax.KerasTensor((None, 4)), *args).shape == (None, 2 if name == "glu" else 4)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"negative_slope": 0.1},
        {"max_value": 2.0},
        {"threshold": 0.5},
        {"negative_slope": 0.1, "max_value": 6.0, "threshold": 1.0},
    ],
)
def test_relu_settings(kwargs):
    ours, theirs = activations.relu(X, **kwargs), keras.activations.relu(X, **kwargs)
    np.testing.assert_allclose(to_float64(ours), to_float64(theirs), rtol=2e-6)
    assert activations.relu(addax.KerasTensor((None, 4)), **kwargs).shape == (None, 4)


@pytest.mark.parametrize("name", [*NAMES, "swish", "hard_swish"])
def test_names(name):
    function = activations.get(name)
    assert function.__name__ == keras.activations.get(name).__name__
    assert activations.serialize(function) == keras.activations.serialize(keras.activations.get(name))
    assert activations.deserialize(activations.serialize(function)) is function


def test_get_other_things():
    assert activations.get(None) is activations.linear
    assert activations.get(len) is len
    for bad in ("foo", "", 3):
        with pytest.raises(ValueError, match="Could not interpret activation"):
            activations.get(bad)


def test_own_functions_by_registered_name():
    @addax.saving.register_keras_serializable("tests")
    def double(x):
        return 2 * x

    config = activations.serialize(double)
    assert config["config"] == "tests>double"
    assert activations.deserialize(config) is double
    assert activations.get("tests>double") is double
    assert activations.deserialize("mine", {"mine": double}) is double
