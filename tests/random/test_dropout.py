"""The row `dropout`: the bits of its composition, and no mask in memory."""

import re

import numpy as np
import pytest

import addax
from addax import engine, layers, ops
from tests.table.helpers import bits

KEY = engine.tensor(np.array([3, 1 << 31], "uint32"))


def value_and_gradient(make, x, g):
    tape = engine.Tape()
    tape.watch(x)
    tape.start()
    y = make("dropout", x, KEY, rate=0.3)
    tape.stop()
    return [bits(y), bits(tape.gradient([y], [x], [g])[0])]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (31,), (1025,), (3, 23333)])
def test_the_same_bits_as_its_composition(shape, dtype):
    x, g = (engine.tensor(np.random.default_rng(seed).standard_normal(shape), dtype) for seed in (0, 1))
    assert value_and_gradient(engine.apply, x, g) == value_and_gradient(engine.compose, x, g)


def test_what_is_dropped_is_zero_whatever_it_was():
    x = engine.tensor(np.full(1000, np.nan, "float32"))
    y = engine.apply("dropout", x, KEY, rate=0.5).numpy()
    assert set(np.isnan(y)) == {True, False} and set(y[~np.isnan(y)]) == {0.0}


def held_by_tape(make) -> int:
    x = engine.tensor(np.ones(100_000, "float32"))
    before = engine.memory_stats()["live"]
    tape = engine.Tape()
    tape.watch(x)
    tape.start()
    make("dropout", x, KEY, rate=0.3)
    tape.stop()
    return engine.memory_stats()["live"] - before


def test_a_tape_keeps_no_mask():
    assert held_by_tape(engine.apply) < 1000 < 100_000 <= held_by_tape(engine.compose)


def arena(make) -> int:
    """Of the gradient of three dense layers of 100000 values, each with a dropout behind it."""

    @addax.compile
    def step(x, w, key):
        with addax.GradientTape() as tape:
            tape.watch(w)
            y = x
            for _ in range(3):
                y = make("dropout", ops.tanh(y @ w), key, rate=0.3)
                key = key + 1
            loss = ops.sum(y)
        return tape.gradient(loss, w)

    step(*(engine.tensor(np.ones(shape, "float32")) for shape in [(1000, 100), (100, 100)]), KEY)
    return step.plans[0].stats["arena_bytes"]


def test_a_plan_keeps_no_mask():
    assert arena(engine.apply) <= arena(engine.compose) - 100_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dropout(0.4),
        lambda: layers.Attention(dropout=0.4),
        lambda: layers.MultiHeadAttention(2, 4, dropout=0.4),
    ],
)
def test_layers_use_it(make):
    layer = make()
    x = engine.tensor(np.ones((2, 5, 8), "float32"))
    arguments = {layers.Attention: ([x, x],), layers.MultiHeadAttention: (x, x)}.get(type(layer), (x,))
    layer(*arguments)
    graph = str(addax.make_graph(lambda: layer(*arguments, training=True))())
    assert len(re.findall(r"= dropout\(|= attention\(.*, dropout=0.4", graph)) == 1 and "random_bits" not in graph
