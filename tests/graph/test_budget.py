"""A budget of memory: plans keep it by computing again, with the same bits; or say what is possible."""

import re

import numpy as np
import pytest

import addax
from addax import engine, layers, ops
from tests.table.helpers import bits

_RNG = np.random.default_rng(0)


def _mlp(**arguments):
    addax.utils.set_random_seed(3)
    model = addax.Sequential([layers.Input((32,))])
    for _ in range(20):
        model.add(layers.Dense(32, "gelu"))
    model.add(layers.Dense(1))
    model.compile("sgd", "mse", **arguments)
    return model, _RNG.standard_normal((1024, 32), "float32")


def _cnn(**arguments):
    addax.utils.set_random_seed(3)
    model = addax.Sequential([layers.Input((12, 12, 3))])
    for _ in range(10):
        model.add(layers.Conv2D(8, 3, padding="same"))
        model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(0.1))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(1))
    model.compile("adam", "mse", **arguments)
    return model, _RNG.standard_normal((64, 12, 12, 3), "float32")


def _stats(model):
    return model._steps["train_step"].plans[-1].stats


def _bytes(model):
    return _stats(model)["arena_bytes"] + _stats(model)["result_bytes"]


@pytest.mark.parametrize("make", [_mlp, _cnn])
def test_half_the_memory_trains_to_the_same_bits(make):
    plain, x = make()
    batches = [x[: len(x) // 2], x[len(x) // 2 :]]
    expected = [plain.train_on_batch(b, b.reshape(len(b), -1)[:, :1]) for b in batches]
    budget = _bytes(plain) // 2
    model, _ = make(memory_budget=budget)
    got = [model.train_on_batch(b, b.reshape(len(b), -1)[:, :1]) for b in batches]
    assert got == expected
    assert _bytes(model) <= budget
    assert _stats(model)["flops"] > _stats(plain)["flops"]
    for a, b in zip(plain.variables, model.variables, strict=True):
        assert bits(a.value) == bits(b.value), a.path


def test_a_budget_that_is_kept_anyway_changes_nothing():
    plain, x = _mlp()
    plain.train_on_batch(x, x[:, :1])
    model, _ = _mlp(memory_budget=_bytes(plain))
    model.train_on_batch(x, x[:, :1])
    assert _stats(model) == _stats(plain)


def test_an_impossible_budget_is_refused_before_training():
    model, x = _mlp(memory_budget=1000)
    before = [bits(v.value) for v in model.variables]
    with pytest.raises(
        ValueError, match=r"train_step: memory_budget: 1000 bytes cannot be kept; the least found is"
    ) as e:
        model.fit(x, x[:, :1], batch_size=512, verbose=0)
    assert re.search(r"largest values at the peak: float32\(512, 32\) of \w+ \(65536 bytes\)", str(e.value))
    assert [bits(v.value) for v in model.variables] == before
    # The least that it names can be kept.
    least = int(re.search(r"least found is (\d+)", str(e.value))[1])
    model, _ = _mlp(memory_budget=least)
    model.train_on_batch(x[:512], x[:512, :1])
    assert _bytes(model) == least


def test_functions():
    def deep(x):
        for _ in range(12):
            x = ops.logsumexp(ops.sin(x) * ops.ones((3, 1, 1)), axis=0)
        return ops.sum(x)

    gradient = addax.grad(deep)
    x = _RNG.standard_normal((64, 64), "float32")
    plain = addax.compile(gradient)
    expected = bits(plain(x))
    stats = plain.plans[0].stats
    total = stats["arena_bytes"] + stats["result_bytes"]
    within = addax.compile(gradient, memory_budget=total * 3 // 4)
    assert bits(within(x)) == expected
    assert within.plans[0].stats["arena_bytes"] + within.plans[0].stats["result_bytes"] <= total * 3 // 4


def test_updates_apart_take_less():
    """Joined ones hold all gradients; a budget that is kept without joining them is kept."""
    values = [addax.Variable(np.full((64, 64), 0.01 * i, "float32")) for i in range(20)]

    def step(x):
        for v in values:
            engine.update("sgd_update", [v._box], [ops.tanh(v.value) * x, ops.convert_to_tensor(0.1)])
        return ops.sum(x)

    x = np.ones((64, 64), "float32")

    def bytes_of(function):
        function(x)
        stats = function.plans[0].stats
        return stats["arena_bytes"] + stats["result_bytes"]

    engine.set_passes("-join")
    try:
        apart = bytes_of(addax.compile(step))
    finally:
        engine.set_passes("")
    assert bytes_of(addax.compile(step)) > 4 * apart
    assert bytes_of(addax.compile(step, memory_budget=apart)) == apart


@pytest.mark.parametrize("arguments", [{"run_eagerly": True}, {"jit_compile": False}])
def test_eager_steps_keep_no_budget(arguments):
    with pytest.raises(ValueError, match="`memory_budget` is kept by compiled steps"):
        _mlp(memory_budget=10**6, **arguments)


@pytest.mark.parametrize(("policy", "share"), [("bfloat16", 0.6), ("mixed_bfloat16", 0.75)])
@pytest.mark.parametrize("make", [_mlp, _cnn])
def test_bfloat16_training_is_smaller(make, policy, share):
    def arena(name):
        outer = addax.config.dtype_policy()
        addax.config.set_dtype_policy(name)
        try:
            model, x = make()
        finally:
            addax.config.set_dtype_policy(outer)
        model.train_on_batch(x, x.reshape(len(x), -1)[:, :1])
        return _stats(model)["arena_bytes"]

    assert arena(policy) <= share * arena("float32")
