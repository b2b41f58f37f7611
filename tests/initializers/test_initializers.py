"""Initializers against Keras on JAX: configs, and values for the same seed."""

import warnings

import numpy as np
import pytest

import addax
from addax import initializers
from tests.ops.helpers import keras, to_float64

RANDOM = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]
RANDOM += ["RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"]
SHAPES = [(3, 4), (3, 3, 2, 5), (7,), ()]


def pair(name, shape, dtype="float32", **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(keras.initializers, name)(**kwargs)(shape, dtype)
    ours = getattr(initializers, name)(**kwargs)(shape, dtype)
    assert ours.dtype == dtype and ours.shape == shape
    return to_float64(ours), to_float64(theirs)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_random_values(name, shape, dtype):
    ours, theirs = pair(name, shape, dtype, seed=3)
    if "Uniform" in name or dtype == "float16":
        np.testing.assert_array_equal(ours, theirs)
    else:  # erfinv differs in the last bits
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform", "normal"])
def test_variance_scaling(mode, distribution):
    kwargs = {"scale": 0.7, "mode": mode, "distribution": distribution, "seed": 1}
    np.testing.assert_allclose(*pair("VarianceScaling", (2, 3, 4), **kwargs), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    "axes", [{"input_axes": (0,), "output_axes": (1, 2)}, {"input_axes": 1}, {"output_axes": (0, -1)}]
)
def test_axes_of_inputs_and_outputs(axes):
    np.testing.assert_allclose(*pair("GlorotUniform", (2, 3, 4), seed=1, **axes), rtol=2e-6)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2, 3), (4, 4)])
def test_orthogonal(shape):
    ours, theirs = pair("Orthogonal", shape, seed=1, gain=2.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    q = ours.reshape(-1, shape[-1]) / 2
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kwargs", "shape"),
    [
        ("Zeros", {}, (2, 3)),
        ("Ones", {}, (2, 3)),
        ("Constant", {"value": 3}, (2, 3)),
        ("Constant", {"value": [1, 2, 3]}, (2, 3)),
        ("Identity", {}, (3, 3)),
        ("Identity", {"gain": 2.0}, (2, 4)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_constants(name, kwargs, shape, dtype):
    np.testing.assert_array_equal(*pair(name, shape, dtype, **kwargs))


@pytest.mark.parametrize("shape", [(5, 1, 3), (8, 1, 5)])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"side": "imag"},
        {"scaling": "spectrum"},
        {"scaling": None},
        {"window": "hamming", "periodic": True},
        {"window": None},
    ],
)
def test_stft(shape, kwargs):
    # Sums of cosines of angles up to 2 pi n, rounded in another order.
    np.testing.assert_allclose(*pair("STFT", shape, **kwargs), atol=2e-6)


@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Constant", "Orthogonal", "STFT"])
def test_configs(name):
    ours, theirs = getattr(initializers, name)(), getattr(keras.initializers, name)()
    assert ours.get_config() == theirs.get_config()
    assert type(ours.clone()) is type(ours)
    config = initializers.serialize(ours)
    assert config["class_name"] == name and config["module"] == "keras.initializers"
    again = initializers.deserialize(config)
    assert type(again) is type(ours) and again.get_config() == ours.get_config()


NAMES = ["glorot_uniform", "he_normal", "lecun_uniform", "zeros", "ones", "identity", "orthogonal", "stft"]
NAMES += [
    "uniform",
    "normal",
    "zero",
    "one",
    "random_normal",
    "GlorotUniform",
    "variance_scaling",
    "IdentityInitializer",
]


@pytest.mark.parametrize("name", NAMES)
def test_get_by_name(name):
    assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__


def test_get_other_things():
    zeros = initializers.Zeros()
    assert initializers.get(None) is None
    assert initializers.get(zeros) is zeros
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    assert initializers.get(len) is len
    assert initializers.get(np.array([1.0, 2.0]))((2,)).tolist() == [1.0, 2.0]
    assert initializers.get({"class_name": "Constant", "config": {"value": 2.0}}).value == 2.0
    for bad in ("foo", 3):
        with pytest.raises(ValueError, match="Could not interpret initializer"):
            initializers.get(bad)


def test_own_initializers_by_registered_name():
    @addax.saving.register_keras_serializable("tests")
    class Halves(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return addax.ops.full(shape, 0.5, dtype)

    again = initializers.deserialize(initializers.serialize(Halves()))
    assert again((2,)).tolist() == [0.5, 0.5]
    assert initializers.get("tests>Halves")((1,)).tolist() == [0.5]


def test_seeds():
    fixed = initializers.GlorotUniform(seed=1)
    assert fixed((2, 2)).tolist() == fixed((2, 2)).tolist()
    moving = initializers.GlorotUniform(seed=addax.random.SeedGenerator(1))
    assert moving((2, 2)).tolist() != moving((2, 2)).tolist()
    config = initializers.serialize(moving)["config"]["seed"]
    assert config["class_name"] == "SeedGenerator" and config["config"]["seed"] == 1
    again = initializers.deserialize(initializers.serialize(moving))
    assert again.seed.get_config()["seed"] == 1
    unseeded = initializers.GlorotUniform()
    assert unseeded.get_config()["seed"] is None
    assert unseeded((2, 2)).tolist() == unseeded((2, 2)).tolist()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: initializers.VarianceScaling(scale=-1), "scale"),
        (lambda: initializers.VarianceScaling(mode="foo"), "foo"),
        (lambda: initializers.VarianceScaling(distribution="foo"), "foo"),
        (lambda: initializers.GlorotUniform(seed="a"), "seed"),
        (lambda: initializers.Orthogonal()((3,)), "two-dimensional"),
        (lambda: initializers.Identity()((3,)), "2D"),
        (lambda: initializers.STFT(side="foo"), "foo"),
        (lambda: initializers.STFT(window="foo"), "foo"),
        (lambda: initializers.RandomUniform(0, 10)((2,), "int32"), "floating"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_subclasses_must_be_callable():
    with pytest.raises(NotImplementedError, match="__call__"):
        initializers.Initializer()((2,))
