"""Sorts and scatters on a device: every dtype with its extremes, rows of all sizes, the bits that are sorted by."""

import numpy as np
import pytest

from addax import engine
from addax.compiled import CompiledFunction
from tests.cuda.build import emulation
from tests.samples import FLOATS, INTS
from tests.samples.sort import argsort
from tests.table.helpers import as_float64, bits

DTYPES = (*FLOATS, *INTS, "bool")
SMALL = [0.0, 6e-8, 1e-42, 1e-310]  # some of them subnormal or zero in narrower types
SPECIAL = [sign * x for x in (np.nan, np.inf, 65504.0, 1.001, 1.0, *SMALL) for sign in (1, -1)]
# Shape and axis: nothing, one, one row and many, of one element and of several; CUB has a kernel for few elements.
ROWS = [
    ((0, 3), 0),
    ((3, 0), 1),
    ((1,), 0),
    ((1, 7), 1),
    ((300, 1), 1),
    ((300, 5), 1),
    ((5, 300), 1),
    ((9001,), 0),
    ((2500, 4), 1),
    ((2, 6000), 1),
    ((400, 30), 0),
    ((3, 500, 4), -2),
]


def values(shape, dtype: str, seed: int = 0) -> engine.Tensor:
    """Extremes, values of all sizes, and many of each twice."""
    rng = np.random.default_rng(seed)
    if dtype in FLOATS:
        some = np.concatenate([SPECIAL, rng.standard_normal(40), rng.standard_normal(40) * 1e-4])
    elif dtype == "bool":
        some = np.array([False, True])
    else:
        limits = np.iinfo(dtype)
        some = np.concatenate([
            np.array([limits.min, limits.min + 1, 0, 1, limits.max - 1, limits.max], dtype),
            rng.integers(limits.min, limits.max, 40, dtype, endpoint=True),
        ])  # fmt: skip
    return engine.tensor(some[rng.integers(0, len(some), shape)], dtype)


def by_place(x: np.ndarray, places: np.ndarray, updates: np.ndarray, add: bool) -> np.ndarray:
    """One update after the other."""
    out = x.copy()
    for place, update in zip(places, updates, strict=True):
        out[place] = out[place] + update if add else update
    return out


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), ROWS)
def test_sort(shape, axis: int, dtype: str, descending: bool) -> None:
    x = values(shape, dtype)
    want = engine.tensor(argsort(as_float64(x), axis, descending))
    order = engine.apply("argsort", x.to("cuda:0"), axis=axis, descending=descending)
    np.testing.assert_array_equal(order.numpy(), want.numpy())
    got = engine.apply("sort", x.to("cuda:0"), axis=axis, descending=descending)
    assert bits(got) == bits(engine.apply("take_along_axis", x, want, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "k"), [((1,), 1), ((7, 1), 1), ((3, 50), 49), ((2000, 5), 2), ((2, 6000), 10)])
def test_top_k(shape, k: int, dtype: str) -> None:
    """The first of equal values are taken, and stand first."""
    x = values(shape, dtype)
    want = engine.tensor(np.ascontiguousarray(argsort(as_float64(x), -1, True)[..., :k]))
    got, positions = engine.apply("top_k", x.to("cuda:0"), k=k)
    np.testing.assert_array_equal(positions.numpy(), want.numpy())
    assert bits(got) == bits(engine.apply("take_along_axis", x, want, axis=-1))


@pytest.mark.parametrize("places", [1, 2, 255, 256, 70000])
@pytest.mark.parametrize("updates", [0, 1, 300, 9001])
@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_add_along_axis"])
def test_scatter(name: str, updates: int, places: int) -> None:
    """Updates of a place, of which the last have one each, are applied in order: any other has other bits."""
    rng = np.random.default_rng(updates)
    x, given = (rng.standard_normal(n).astype("float32") for n in (places, updates))
    at = np.where(rng.random(updates) < 0.5, rng.integers(0, places, updates), places - 1)
    along = name == "scatter_add_along_axis"
    tensors = [engine.tensor(t).to("cuda:0") for t in (x, at if along else at[:, None], given)]
    got = engine.apply(name, *tensors, **({"axis": 0} if along else {}))
    np.testing.assert_array_equal(got.numpy(), by_place(x, at, given, add=name != "scatter"))


def test_captured_sorts_are_of_the_values_of_each_run(cuda) -> None:
    def both(x, at):
        order = engine.apply("argsort", x, axis=1)
        return order, engine.apply("scatter_add", engine.apply("sort", x, axis=0), at, x)

    function = CompiledFunction(both)
    before = cuda.emulation_captured_launches() if cuda else 0
    for seed in range(4):
        x = values((60, 70), "float64", seed)  # in two sorts
        at = engine.tensor(np.random.default_rng(seed).integers(0, 60, (60, 1)))
        for got, want in zip(function(x.to("cuda:0"), at.to("cuda:0")), both(x, at), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
    if cuda:
        assert cuda.emulation_captured_launches() > before


def test_too_many_elements() -> None:
    x = engine.apply("broadcast_to", engine.tensor(np.zeros((1, 1), "int8")).to("cuda:0"), shape=(1 << 16, 1 << 16))
    with pytest.raises(ValueError, match=r"top_k: sorts fewer than 2\^32 elements on a device, got 4294967296"):
        engine.apply("top_k", x, k=1)


# ---- what is asked of CUB


@pytest.fixture
def sorts(cuda):
    """Says by how many bits of how many was sorted since the last call."""
    import ctypes

    cuda.fake_cub_sorts.restype = ctypes.c_char_p
    cuda.fake_cub_sorts()
    return lambda: cuda.fake_cub_sorts().decode()


@pytest.mark.emulated
@pytest.mark.parametrize(
    ("dtype", "shape", "expected"),
    [
        ("bool", (50,), "8 of 32"),
        ("int8", (50, 1), "14 of 32"),
        ("float16", (40, 30), "22 of 32"),
        ("uint16", (40000, 2), "32 of 32"),
        ("bfloat16", (65537, 1), "33 of 64"),
        ("int32", (50,), "32 of 32"),
        ("float32", (1, 50), "32 of 32"),
        ("float32", (2, 50), "33 of 64"),
        ("uint32", (256, 3), "40 of 64"),
        ("int64", (50,), "64 of 64"),
        ("float64", (2, 50), "64 of 64, 1 of 32"),
        ("uint64", (257, 3), "64 of 64, 9 of 32"),
    ],
)
def test_as_few_bits_as_values_and_rows_have(sorts, dtype: str, shape, expected: str) -> None:
    x = values(shape, dtype)
    for descending in (False, True):
        got = engine.apply("sort", x.to("cuda:0"), axis=-1, descending=descending)
        assert sorts() == expected
        assert bits(got) == bits(engine.apply("sort", x, axis=-1, descending=descending))


@pytest.mark.emulated
@pytest.mark.parametrize(("places", "expected"), [(1, "1 of 32"), (255, "8 of 32"), (256, "9 of 32")])
def test_as_few_bits_as_places_have(sorts, places: int, expected: str) -> None:
    """One place more than there are is that of updates without one."""
    x, at = np.zeros(places, "float32"), np.array([[places - 1], [places], [0]])
    with pytest.raises(IndexError, match=f"scatter: index {places} is out of range"):
        engine.apply("scatter", *(engine.tensor(t).to("cuda:0") for t in (x, at, np.ones(3, "float32"))))
        engine.synchronize("cuda:0")
    assert sorts() == expected


@pytest.mark.emulated
def test_an_error_of_cub_names_the_op() -> None:
    x = values((40, 30), "float32").to("cuda:0")
    emulation().fake_cub_fail(1)
    with pytest.raises(RuntimeError, match="argsort: CUB's radix sort failed on cuda:0: error 1"):
        engine.apply("argsort", x, axis=1)
    emulation().fake_cub_fail(1)
    with pytest.raises(RuntimeError, match="scatter_add: CUB's radix sort failed on cuda:0: error 1"):
        engine.apply("scatter_add", x, engine.tensor(np.array([[1]])).to("cuda:0"), x[:1])
    assert engine.apply("argsort", x, axis=1).shape == (40, 30)
