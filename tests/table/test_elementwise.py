"""What the elementwise rows promise beyond the common checks: gradients at kinks and ties, limits, result dtypes, units
in the last place."""

import numpy as np
import pytest
from scipy import special

from addax import engine
from tests.samples import INTS


def gradients(op, *values, dtype="float64"):
    tensors = [engine.tensor(np.asarray(v), dtype) for v in values]
    tape = engine.Tape()
    for t in tensors:
        tape.watch(t)
    tape.start()
    out = engine.apply(op, *tensors)
    tape.stop()
    return [g.numpy().tolist() for g in tape.gradient([out], tensors)]


@pytest.mark.parametrize(
    ("op", "values", "expected"),
    [
        ("abs", ([0.0],), ([0.0],)),
        ("relu", ([0.0, -0.0],), ([0.0, 0.0],)),
        ("maximum", ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ([0.5, 0.0, 1.0], [0.5, 1.0, 0.0])),
        ("minimum", ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ([0.5, 1.0, 0.0], [0.5, 0.0, 1.0])),
        # As minimum(maximum(x, low), high): half at each tie.
        ("clip", ([-1.0, 0.0, 0.5, 1.0, 2.0], 0.0, 1.0), ([0.0, 0.5, 1.0, 0.5, 0.0], 1.5, 1.5)),
        # 0^0, 0^2, 2^0, 3^2; the derivative by the exponent is a^b log a, and 0 at a = 0.
        ("power", ([0.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 2.0]),
         ([0.0, 0.0, 0.0, 6.0], [0.0, 0.0, np.log(2.0), 9 * np.log(3.0)])),
        ("power", ([-2.0, np.inf], [3.0, 0.0]), ([12.0, 0.0], [np.nan, np.inf])),
        ("sqrt", ([0.0],), ([np.inf],)),
        ("gelu", ([40.0, -40.0],), ([1.0, 0.0],)),
        ("gelu", ([np.inf, -np.inf],), ([1.0, 0.0],)),
        ("softplus", ([800.0, -800.0],), ([1.0, 0.0],)),
        ("sigmoid_cross_entropy", ([800.0, -800.0], [1.0, 0.0]), ([0.0, 0.0], [-800.0, 800.0])),
    ],
)  # fmt: skip
def test_gradient_at_edges(op, values, expected) -> None:
    for got, want in zip(gradients(op, *values), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)


def test_where_gradient_takes_one_side() -> None:
    x = engine.tensor(np.array([0.0, 4.0]))
    tape = engine.Tape()
    tape.watch(x)
    tape.start()
    condition = engine.apply("greater", x, engine.tensor(np.float64(1)))
    safe = engine.apply("where", condition, x, engine.tensor(np.float64(1)))
    out = engine.apply("where", condition, engine.apply("log", safe), engine.tensor(np.float64(0)))
    tape.stop()
    assert tape.gradient([out], [x])[0].numpy().tolist() == [0.0, 0.25]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["gelu", "gelu_tanh", "silu", "softplus", "sigmoid"])
def test_limits(op, dtype) -> None:
    values = engine.apply(op, engine.tensor(np.array([-np.inf, -1e30, np.inf, np.nan]), dtype)).numpy()
    assert values[:2].tolist() == [0, 0]
    assert values[2] == (1 if op == "sigmoid" else np.inf) and np.isnan(values[3])


def result(op, *dtypes):
    """The result's dtype, or the error."""
    try:
        return engine.apply(op, *(engine.placeholder((2,), d) for d in dtypes)).dtype
    except TypeError:
        return None


@pytest.mark.parametrize("dtype", ("bool", *INTS, "float16", "bfloat16", "float32", "float64"))
def test_dtypes(dtype) -> None:
    floating, number = "float" in dtype, "int32" if dtype == "bool" else dtype
    for op in ("exp", "floor", "sqrt", "sigmoid", "erf"):
        assert result(op, dtype) == (dtype if floating else "float32")
    for op in ("abs", "trunc"):
        assert result(op, dtype) == dtype
    for op in ("neg", "sign", "round"):
        assert result(op, dtype) == (None if dtype == "bool" else dtype)
    for op in ("square", "relu"):
        assert result(op, dtype) == number
    for op in ("add", "multiply", "maximum"):
        assert result(op, dtype, dtype) == dtype
    assert result("subtract", dtype, dtype) == (None if dtype == "bool" else dtype)
    for op in ("floor_divide", "remainder", "power"):
        assert result(op, dtype, dtype) == number
    assert result("divide", dtype, dtype) == (dtype if floating else "float32")
    assert result("bitwise_and", dtype, dtype) == (None if floating else dtype)
    assert result("left_shift", dtype, dtype) == (None if floating else number)
    for op in ("equal", "less", "logical_and"):
        assert result(op, dtype, dtype) == "bool"
    assert result("isnan", dtype) == "bool"


def test_integers_beside_float16_become_float16() -> None:
    a = engine.tensor(np.array([2048.0, np.inf]), "float16")
    b = engine.tensor(np.array([2049, 2**40]))
    assert engine.apply("equal", a, b).numpy().tolist() == [True, True]


# The bounds are those that cpp/ops/scalar_math.h states.
ULPS = {
    "exp": (np.exp, 1.01),
    "expm1": (np.expm1, 1.46),
    "log": (np.log, 0.82),
    "log1p": (np.log1p, 1.41),
    "sin": (np.sin, 1.58),
    "cos": (np.cos, 1.58),
    "tan": (np.tan, 3.8),
    "tanh": (np.tanh, 1.41),
    "erf": (special.erf, 1.16),
    "erfc": (special.erfc, 7.9),
    "erfinv": (special.erfinv, 3.6),
    "sigmoid": (special.expit, 2.31),
    "softplus": (lambda x: np.logaddexp(x, 0), 1.69),
    "gelu": (lambda x: x * special.ndtr(x), 7.2),
}


@pytest.mark.parametrize("op", ULPS)
def test_ulps(op) -> None:
    reference, bound = ULPS[op]
    rng = np.random.default_rng(0)
    ordinary = rng.standard_normal(200_000) * 4
    x = np.concatenate([ordinary, rng.choice([-1, 1], 100_000) * 10 ** rng.uniform(-44, 38, 100_000)]).astype("float32")
    with np.errstate(all="ignore"):
        want = reference(x.astype("float64"))
        got = engine.apply(op, engine.tensor(x)).numpy()
        ordinary = np.isfinite(want) & (np.abs(want) < 3.4e38)
        assert np.isfinite(got[ordinary]).all()
        np.testing.assert_array_equal(got[~ordinary], want[~ordinary].astype("float32"))
        ulp = np.spacing(np.maximum(np.abs(want[ordinary]), 1e-38).astype("float32")).astype("float64")
    # Above a power of two the spacing doubles, and rounding the reference moves some results across it.
    assert np.max(np.abs(got[ordinary] - want[ordinary]) / ulp) < bound * 1.001


@pytest.mark.parametrize("op", ["sin", "cos", "tan"])
def test_angles_are_reduced_alike_beside_far_ones(op) -> None:
    """Values that are all below 2^25 take a way of their own."""
    x = np.random.default_rng(0).uniform(-1, 1, 100_000) * 10.0 ** np.random.default_rng(1).uniform(-40, 7.5, 100_000)
    x = np.concatenate([x, np.array([0.0, -0.0, np.nextafter(np.float32(2**25), 0)])]).astype("float32")

    def of(values):
        return engine.apply(op, engine.tensor(values.astype("float32"))).numpy()

    for far in (2.0**25, -1e30, np.inf, np.nan):
        beside = of(np.stack([x, np.full_like(x, far)], axis=1))[:, 0]
        assert of(x).tobytes() == beside.tobytes()
    alone = np.concatenate([of(x[i : i + 1]) for i in range(200)])
    assert alone.tobytes() == of(x)[:200].tobytes()
