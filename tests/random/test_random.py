"""Random numbers against Keras on JAX: the same seed gives the same numbers."""

import inspect
import random as python_random
import warnings

import numpy as np
import pytest

import addax
from tests.ops.helpers import keras, to_float64

SHAPES = [(), (1000,), (3, 5, 7), (0, 3)]


def both(name, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(keras.random, name)(*args, **kwargs)
    ours = getattr(addax.random, name)(*args, **kwargs)
    assert ours.dtype == keras.backend.standardize_dtype(theirs.dtype)
    return to_float64(ours), to_float64(theirs)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1])
def test_uniform_bit_for_bit(shape, dtype, seed):
    np.testing.assert_array_equal(*both("uniform", shape, dtype=dtype, seed=seed))
    np.testing.assert_array_equal(*both("uniform", shape, -3.0, 7.5, dtype=dtype, seed=seed))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["normal", "truncated_normal"])
def test_normal(name, dtype):
    # erfinv is another polynomial here: the last bits of float32 may differ, a little more where the tails are steep.
    tolerance = {"float32": 3e-6, "float16": 0, "bfloat16": 0}[dtype]
    for args in ((), (1.5, 0.3)):
        np.testing.assert_allclose(*both(name, (1000,), *args, dtype=dtype, seed=5), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
@pytest.mark.parametrize("bounds", [(0, 100), (3, 4), (5, 2), (0, 127), (0, 300), (0, 256)])
def test_randint_bit_for_bit(dtype, bounds):
    np.testing.assert_array_equal(*both("randint", (1000,), *bounds, dtype=dtype, seed=5))


@pytest.mark.parametrize("bounds", [(-100, 100), (-(2**31), 2**31 - 1), (0, 1000000007)])
def test_randint_wide(bounds):
    np.testing.assert_array_equal(*both("randint", (1000,), *bounds, seed=5))


def test_randint_in_64_bits_reaches_beyond_32():
    x = addax.random.randint((1000,), 0, 2**40, dtype="int64", seed=1).numpy()
    assert x.min() >= 0 and x.max() < 2**40 and x.max() > 2**39
    full = addax.random.randint((1000,), -(2**63), 2**63, dtype="int64", seed=1).numpy()
    assert full.min() < -(2**62) and full.max() > 2**62


@pytest.mark.parametrize("kwargs", [{}, {"noise_shape": (40, 1)}, {"noise_shape": (None, 1)}])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dropout_bit_for_bit(rate, dtype, kwargs):
    x = np.random.default_rng(0).normal(size=(40, 30)).astype(dtype)
    np.testing.assert_array_equal(*both("dropout", x, rate, seed=5, **kwargs))


def test_shuffle_and_categorical_bit_for_bit():
    x = np.random.default_rng(0).normal(size=(40, 30)).astype("float32")
    np.testing.assert_array_equal(*both("shuffle", x, seed=5))
    np.testing.assert_array_equal(*both("shuffle", x, axis=1, seed=5))
    np.testing.assert_array_equal(*both("shuffle", np.arange(100000, dtype="int32"), seed=5))
    np.testing.assert_array_equal(*both("shuffle", np.arange(1, dtype="int32"), seed=5))
    np.testing.assert_array_equal(*both("categorical", x, 7, seed=5))


def test_split_equals_jax():
    jax = pytest.importorskip("jax")
    from addax.random.bits import split

    key = np.array([7, 9], "uint32")
    ours = np.stack([k.numpy() for k in split(addax.ops.convert_to_tensor(key), 5)])
    np.testing.assert_array_equal(ours, np.asarray(jax.random.split(key, 5)))


class TestDistributions:
    """Moments and quantiles of 200,000 draws; a standard error is below 1 % of what is compared."""

    N = (200_000,)

    @pytest.mark.parametrize("alpha", [0.2, 0.9, 1.0, 3.0, 50.0])
    def test_gamma(self, alpha):
        x = addax.random.gamma(self.N, alpha, seed=1).numpy().astype("float64")
        # The mean and the variance of a gamma distribution are both alpha.
        assert x.mean() == pytest.approx(alpha, rel=0.02)
        assert x.var() == pytest.approx(alpha, rel=0.06)
        assert (x >= 0).all()

    def test_beta(self):
        a, b = 2.0, 0.7
        x = addax.random.beta(self.N, a, b, seed=1).numpy().astype("float64")
        assert x.mean() == pytest.approx(a / (a + b), rel=0.01)
        assert x.var() == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=0.02)

    def test_binomial(self):
        x = addax.random.binomial(self.N, 20.0, 0.3, seed=1).numpy().astype("float64")
        assert x.mean() == pytest.approx(6.0, rel=0.01)
        assert x.var() == pytest.approx(4.2, rel=0.02)
        assert set(np.unique(x)) <= set(range(21))
        per_element = addax.random.binomial((3,), np.array([0.0, 5.0, 9.0]), np.array([0.5, 1.0, 0.0]), seed=1)
        assert per_element.tolist() == [0.0, 5.0, 0.0]

    def test_parameters_may_be_tensors(self):
        assert addax.random.gamma((2, 3), np.array([1.0, 2.0, 3.0])).shape == (2, 3)
        assert addax.random.gamma((4,), 2.0, dtype="float16").dtype == "float16"


class TestSeeds:
    def test_generator(self):
        ours, theirs = addax.random.SeedGenerator(42), keras.random.SeedGenerator(42)
        for ordered in (True, False, False, True):
            assert ours.next(ordered).tolist() == np.asarray(theirs.next(ordered)).tolist()
        assert ours.state.dtype == "uint32" and not ours.state.trainable
        assert ours.get_config() == {"seed": 42, "name": ours.name}
        assert addax.random.SeedGenerator.from_config(ours.get_config()).next().tolist() == [42, 0]

    def test_generator_gives_new_numbers_each_time(self):
        g = addax.random.SeedGenerator(1)
        a, b = (addax.random.normal((3,), seed=g).tolist() for _ in range(2))
        g = addax.random.SeedGenerator(1)
        assert a != b and addax.random.normal((3,), seed=g).tolist() == a

    def test_restored_state_goes_on(self):
        g = addax.random.SeedGenerator(1)
        g.next()
        saved = g.state.numpy().copy()
        expected = addax.random.normal((3,), seed=g).tolist()
        other = addax.random.SeedGenerator(7)
        other.state.assign(saved)
        assert addax.random.normal((3,), seed=other).tolist() == expected

    def test_set_random_seed_makes_all_defaults_those_of_keras(self):
        results = []
        for lib in (keras, addax):
            lib.utils.set_random_seed(11)
            results.append(
                [
                    to_float64(lib.initializers.GlorotUniform()((3, 4))),
                    to_float64(lib.random.uniform((5,))),
                    to_float64(lib.random.uniform((5,))),
                    to_float64(lib.random.randint((5,), 0, 99)),
                    to_float64(lib.random.SeedGenerator().state),
                    to_float64(lib.initializers.RandomUniform()((3, 4))),
                    np.random.rand(3),
                    python_random.random(),
                ]
            )
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize("seed", ["a", 1.5, np.ones(2)])
    def test_bad_seeds(self, seed):
        with pytest.raises(ValueError, match="seed"):
            addax.random.normal((2,), seed=seed)

    def test_bad_generators(self):
        with pytest.raises(ValueError, match="integer"):
            addax.random.SeedGenerator("a")
        with pytest.raises(OverflowError, match="32 bits"):
            addax.random.SeedGenerator(-1)
        with pytest.raises(ValueError, match="Unrecognized"):
            addax.random.SeedGenerator(1, foo=2)
        with pytest.raises(ValueError, match="integer"):
            addax.utils.set_random_seed("a")


def test_signatures():
    for name in addax.random.__all__:
        ours, theirs = getattr(addax.random, name), getattr(keras.random, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: addax.random.uniform((2,), dtype="int32"), "floating"),
        (lambda: addax.random.randint((2,), 0, 5, dtype="float32"), "integer"),
        (lambda: addax.random.categorical(np.ones(3, "float32"), 2), "2-D"),
        (lambda: addax.random.dropout(np.ones((2, 3), "float32"), 0.5, noise_shape=(2,)), "noise_shape"),
        (lambda: addax.random.dropout(np.ones((2, 3), "float32"), 1.5), r"between 0 and 1. Received: rate=1.5"),
        (lambda: addax.random.dropout(np.ones((2, 3), "float32"), -0.5), r"between 0 and 1. Received: rate=-0.5"),
        (lambda: addax.random.binomial((2,), 1e6, 0.5), "4096"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_any_thread_count_gives_the_same_bits():
    before = addax.config.num_threads()
    results = []
    try:
        for n in (1, 2, 3):
            addax.config.set_num_threads(n)
            results.append(addax.random.normal((300_001,), seed=3).numpy().tobytes())
    finally:
        addax.config.set_num_threads(before)
    assert results[0] == results[1] == results[2]
