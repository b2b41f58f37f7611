"""The errors that the definitions of float32 functions state (`cpp/ops/scalar_math.h`, `cpp/cpu/simd/exp.h`)."""

import math

import numpy as np
import pytest

from addax import engine

COUNT = 1_000_000


def _exp_of_softmax(x):
    """The exponential of the norm family: 0 + exp(x) times minus the sum of the gradients 0 and -1."""
    y = np.stack([x, x], axis=-1)
    g = np.broadcast_to(np.float32([0, -1]), y.shape)
    return engine.apply("log_softmax_grad", engine.tensor(y), engine.tensor(g), axis=-1).numpy()[:, 0]


def _row(name):
    return lambda x: engine.apply(name, engine.tensor(x)).numpy()


def _erf(x):
    return np.frompyfunc(math.erf, 1, 1)(x).astype("float64")


def _gelu(x):
    return 0.5 * x * np.frompyfunc(math.erfc, 1, 1)(x * -math.sqrt(0.5)).astype("float64")


@pytest.mark.parametrize(
    "function, reference, low, high, ulp",
    [
        pytest.param(_row("exp"), np.exp, -87.3, 88.7, 1.01, id="exp"),
        pytest.param(_exp_of_softmax, np.exp, -87.3, 88.7, 1.06, id="exp of softmax"),
        pytest.param(_row("log"), np.log, 0.25, 4.0, 0.85, id="log"),
        pytest.param(_row("log"), np.log, 4.0, 3e38, 0.85, id="log of large numbers"),
        pytest.param(_row("tanh"), np.tanh, -1.0, 1.0, 1.41, id="tanh"),
        pytest.param(_row("tanh"), np.tanh, -12.0, 12.0, 1.41, id="tanh far from 0"),
        pytest.param(_row("erf"), _erf, -1.0, 1.0, 1.16, id="erf"),
        pytest.param(_row("erf"), _erf, -5.0, 5.0, 1.16, id="erf far from 0"),
        pytest.param(_row("gelu"), _gelu, -1.0, 1.0, 4.8, id="gelu"),
        pytest.param(_row("gelu"), _gelu, -13.0, 13.0, 7.2, id="gelu far from 0"),
    ],
)
def test_error_in_ulp(function, reference, low, high, ulp):
    x = np.random.default_rng(0).uniform(low, high, COUNT).astype("float32")
    exact = reference(x.astype("float64"))
    error = np.abs(function(x) - exact) / np.spacing(np.abs(exact).astype("float32"))
    assert error.max() <= ulp, f"{error.max()} ulp at {x[error.argmax()]!r}"


def test_gelu_slope():
    """It crosses 0, so its error is an absolute one; at -infinity it is 0."""
    x = np.random.default_rng(0).uniform(-14.4, 14.4, COUNT).astype("float32")
    wide = x.astype("float64")
    half = 0.5 * np.frompyfunc(math.erfc, 1, 1)(wide * -math.sqrt(0.5)).astype("float64")
    exact = half + wide * np.exp(wide * wide / -2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(_row("gelu_slope")(x), exact, rtol=0, atol=1.5e-7)
    np.testing.assert_array_equal(_row("gelu_slope")(np.array([-np.inf, np.inf, np.nan], "float32")), [0, 1, np.nan])


@pytest.mark.parametrize("name", ["tanh", "erf", "sinh", "asinh", "gelu", "expm1"])
def test_zeros_keep_their_sign(name):
    zeros = np.array([0.0, -0.0] * 20, "float32")
    np.testing.assert_array_equal(np.signbit(_row(name)(zeros)), np.signbit(zeros))
