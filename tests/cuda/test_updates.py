"""Updates whose gradient stands as indices and updates, on the emulated device: the bits of the dense update."""

import numpy as np
import pytest

from addax import engine
from tests.cuda.build import emulation
from tests.table.helpers import bits

RULES = {
    "sgd_update": (1, {}),
    "sgd_momentum_update": (2, {"momentum": 0.9, "nesterov": True}),
    "adam_update": (3, {"weight_decay": 0.1}),
    "adam_amsgrad_update": (4, {}),
    "rmsprop_update": (2, {"rho": 0.8}),
    "rmsprop_full_update": (4, {"momentum": 0.5, "centered": True}),
}


@pytest.fixture(autouse=True)
def device():
    library = emulation()
    yield
    library.emulation_set_reversed(0)


def moved(x, dtype: str):
    return engine.apply("cast", engine.tensor(x), dtype=dtype).to("cuda:0")


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "indices"), [((50, 7), (400, 1)), ((6, 5, 3), (90, 2)), ((9, 4), (0, 1))])
def test_rows(name: str, dtype: str, shape, indices) -> None:
    states, attrs = RULES[name]
    rng = np.random.default_rng(0)
    places = moved(rng.integers(-3, 5, indices), "int32")
    updates = moved(rng.standard_normal((indices[0], *shape[indices[1] :])), dtype)
    variables = [moved(rng.random(shape), dtype) for _ in range(states)]
    scalars = [moved(0.1, "float32"), moved(3, "int64")][: 2 if "adam" in name else 1]
    gradient = engine.apply("scatter_add", moved(np.zeros(shape), dtype), places, updates)
    expected = engine.apply(name, *variables, gradient, *scalars, **attrs)
    for backwards in (0, 1):
        emulation().emulation_set_reversed(backwards)
        out = engine.apply(f"{name}_rows", *variables, places, updates, *scalars, **attrs)
        for got, want in zip(*((x if isinstance(x, (list, tuple)) else [x]) for x in (out, expected)), strict=True):
            assert bits(got) == bits(want)


def test_index_out_of_range() -> None:
    inputs = [moved(np.zeros((4, 2)), "float32"), moved([[4]], "int32"), moved(np.zeros((1, 2)), "float32")]
    with pytest.raises(IndexError, match="sgd_update_rows: index 4 is out of range for axis 0 of size 4"):
        engine.apply("sgd_update_rows", *inputs, moved(0.1, "float32"))
        engine.synchronize("cuda:0")
