"""Winograd's filtering: its error beside direct sums, the same bits on any threads, and the switch."""

import numpy as np
import pytest

import addax
from addax import engine
from tests.samples.conv import _conv, _filter_grad, _input_grad

# Of the largest sum of the sizes of an element's terms. Filter gradients have one tile only.
ERROR = {0: 3e-7, 2: 1.2e-7, 4: 5e-7}
FILTER_ERROR = {0: 3e-7, 2: 1.2e-7, 4: 1.2e-7}


def case(x, outputs, low, high):
    """Arrays of a convolution and its geometry; tiles stick out of the results, and channels out of vectors."""
    rng = np.random.default_rng(5)
    geometry = {"strides": (1, 1), "low": low, "high": high, "dilation": (1, 1), "groups": 1}
    out = [n + lo + hi - 2 for n, lo, hi in zip(x[1:3], low, high, strict=True)]
    shapes = x, (3, 3, x[3], outputs), (x[0], *out, outputs)
    return [rng.standard_normal(s).astype("float32") for s in shapes], geometry


CASES = [
    case((8, 14, 15, 37), 26, (1, 1), (1, 1)),
    case((16, 9, 11, 24), 40, (0, 2), (1, 0)),
    case((12, 9, 8, 64), 130, (1, 0), (1, 2)),
    case((6, 9, 10, 80), 70, (1, 1), (1, 1)),
]


def all_three(arrays, geometry):
    x, w, g = map(engine.tensor, arrays)
    y = engine.apply("conv", x, w, **geometry)
    dx = engine.apply("conv_input_grad", g, w, **geometry, input_spatial=x.shape[1:3])
    return y, dx, engine.apply("conv_filter_grad", x, g, **geometry, filter_spatial=(3, 3))


def references(arrays, geometry):
    x, w, g = (a.astype(np.float64) for a in arrays)
    return (
        _conv(x, w, **geometry),
        _input_grad(g, w, **geometry, input_spatial=x.shape[1:3]),
        _filter_grad(x, g, **geometry, filter_spatial=(3, 3)),
    )


@pytest.mark.parametrize("at", range(len(CASES)))
@pytest.mark.parametrize("tile", ERROR)
def test_error(tile, at):
    arrays, geometry = CASES[at]
    addax.config.set_winograd(tile)
    results, wanted = all_three(arrays, geometry), references(arrays, geometry)
    sizes = references([np.abs(a) for a in arrays], geometry)
    errors = ERROR[tile], ERROR[tile], FILTER_ERROR[tile]
    for result, want, size, error in zip(results, wanted, sizes, errors, strict=True):
        assert np.abs(result.numpy() - want).max() <= error * size.max()


@pytest.mark.parametrize("at", range(len(CASES)))
def test_each_setting_has_its_own_bits_on_any_threads(at):
    bits = []
    for tile in ERROR:
        addax.config.set_winograd(tile)
        found = set()
        for threads in (1, 2, 4):
            addax.config.set_num_threads(threads)
            found.add(tuple(t.numpy().tobytes() for t in all_three(*CASES[at])))
        assert len(found) == 1
        bits.append(found.pop())
    assert [len(set(of_one)) for of_one in zip(*bits, strict=True)] == [3, 3, 2]


def test_a_compiled_function_reads_the_setting_when_it_runs():
    arrays, geometry = CASES[0]
    x, w, _ = map(engine.tensor, arrays)
    function = addax.compile(lambda x, w: engine.apply("conv", x, w, **geometry))
    for tile in (0, 2, 4, 0):
        addax.config.set_winograd(tile)
        wanted = engine.apply("conv", x, w, **geometry)
        assert function(x, w).numpy().tobytes() == wanted.numpy().tobytes()


@pytest.mark.parametrize("other", ["dilation", "strides", "groups", "float64", "narrow", "few tiles"])
def test_others_are_direct_sums(other):
    (x, w, _), geometry = CASES[1]
    geometry = dict(geometry)
    if other in ("dilation", "strides"):
        geometry[other] = (2, 1)
    elif other == "groups":
        geometry[other], w = 4, w[:, :, :6]
    elif other == "float64":
        x, w = x.astype(other), w.astype(other)
    elif other == "narrow":
        w = w[..., :8]
    else:
        x = x[:1, :6, :6]
    x, w = engine.tensor(x), engine.tensor(w)
    results = set()
    for tile in ERROR:
        addax.config.set_winograd(tile)
        y = engine.apply("conv", x, w, **geometry)
        dw = engine.apply("conv_filter_grad", x, y, **geometry, filter_spatial=(3, 3))
        results.add(y.numpy().tobytes() + dw.numpy().tobytes())
    assert len(results) == 1


def test_setting():
    assert addax.config.winograd() == 4
    addax.config.set_winograd(False)
    assert addax.config.winograd() == 0
    with pytest.raises(ValueError, match="set_winograd: expected 0, 2 or 4, got 3"):
        addax.config.set_winograd(3)
