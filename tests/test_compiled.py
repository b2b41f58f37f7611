"""`addax.compile` as users meet it: signatures, variables, control flow, threads, errors."""

import gc
import logging
import re
import signal
import threading
import weakref

import numpy as np
import pytest

import addax
from addax import ops

X = np.arange(12, dtype="float32").reshape(4, 3)


def test_python_runs_once_for_each_signature():
    runs = []

    @addax.compile
    def double(x, scale=2, *, extra=None):
        runs.append(x.shape)
        return {"y": x * scale, "extra": extra, "shape": x.shape}

    before = addax.config.plan_builds()
    for _ in range(3):
        result = double(X)
    assert result["extra"] is None
    assert result["shape"] == (4, 3)
    np.testing.assert_array_equal(result["y"].numpy(), X * 2)
    np.testing.assert_array_equal(double(X[:2])["y"].numpy(), X[:2] * 2)
    np.testing.assert_array_equal(double(X.astype("int32"))["y"].numpy(), X.astype("int32") * 2)
    np.testing.assert_array_equal(double(X, 3)["y"].numpy(), X * 3)
    np.testing.assert_array_equal(double(X, extra=ops.ones(2))["extra"].numpy(), [1, 1])
    double(X)
    assert len(runs) == addax.config.plan_builds() - before == 5


def test_a_log_line_says_why(caplog):
    double = addax.compile(lambda x: x * 2, name="double")
    with caplog.at_level(logging.INFO, logger="addax.compiled"):
        double(X)
        double(X)
        double(X[:2])
    assert [r.getMessage().split(": ", 1)[1] for r in caplog.records] == [
        "the first call",
        "the signature has 2 where the last one had 4",
    ]


def test_the_plans_kept_are_bounded():
    double = addax.compile(lambda x: x * 2)
    for n in range(1, 60):
        double(np.ones(n, "float32"))
    assert len(double.plans) == 32


def test_more_plans_may_be_kept(caplog):
    double, outer = addax.compile(lambda x: x * 2, name="double"), addax.config.plans_kept()
    with pytest.raises(ValueError, match=r"expected an int of at least 1\. Received: 0"):
        addax.config.set_plans_kept(0)
    try:
        with caplog.at_level(logging.WARNING, logger="addax.compiled"):
            for kept, built in ((3, 10), (5, 5)):
                addax.config.set_plans_kept(kept)
                before = addax.config.plan_builds()
                for n in (1, 2, 3, 4, 5) * 2:
                    double(np.ones(n, "float32"))
                assert len(double.plans) == kept
                # Each of five signatures in turn is put out before it comes again; with room for five none is.
                assert addax.config.plan_builds() - before <= built
    finally:
        addax.config.set_plans_kept(outer)
    (warning,) = caplog.records  # once
    assert "double is called with more signatures than the 3 whose plans it keeps" in warning.getMessage()


def test_the_plan_used_longest_ago_is_forgotten():
    double, outer = addax.compile(lambda x: x * 2, name="double"), addax.config.plans_kept()
    one, two, three = (ops.ones(n) for n in (1, 2, 3))
    try:
        addax.config.set_plans_kept(2)
        for x in (one, two, one, three):  # the third call finds its plan, and makes it the last one used
            double(x)
        before = addax.config.plan_builds()
        double(one)
        assert addax.config.plan_builds() == before
        double(two)
        assert addax.config.plan_builds() == before + 1
    finally:
        addax.config.set_plans_kept(outer)


def test_variables_are_read_and_assigned():
    total, count = addax.Variable(np.zeros(3, "float32")), addax.Variable(0)

    @addax.compile
    def add(x):
        total.assign_add(ops.sum(x, axis=0))
        count.assign(count + 1)
        return total / ops.cast(count, "float32")

    before = total.value
    for i in range(3):
        np.testing.assert_array_equal(add(X).numpy(), X.sum(0))
        assert int(count) == i + 1
    np.testing.assert_array_equal(before.numpy(), 0)  # who read a value keeps it
    kept = total.value
    total.assign([0, 0, 0])
    add(X)
    np.testing.assert_array_equal(total.numpy(), X.sum(0))
    np.testing.assert_array_equal(kept.numpy(), 3 * X.sum(0))


def test_variables_that_change_places():
    a, b = addax.Variable([1.0, 2.0]), addax.Variable([3.0, 4.0])

    @addax.compile
    def swap():
        x = a.value
        a.assign(b.value)
        b.assign(x)
        return a.value, x

    now, before = swap()
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([3, 4], [1, 2])
    assert (now.tolist(), before.tolist()) == ([3, 4], [1, 2])
    swap()
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([1, 2], [3, 4])
    a.assign([7, 8])
    np.testing.assert_array_equal(before.numpy(), [1, 2])


def test_a_variable_made_while_tracing_keeps_its_value():
    made = []

    @addax.compile
    def call(x):
        if not made:
            made.append(addax.Variable(addax.random.normal((3,), seed=1)))
        return x + made[0]

    call(X)
    np.testing.assert_array_equal(call(X).numpy(), X + addax.random.normal((3,), seed=1).numpy())


def test_a_variable_whose_first_value_is_traced_is_refused():
    with pytest.raises(RuntimeError, match="must not depend on the function's arguments"):
        addax.compile(lambda x: addax.Variable(x * 2).value)(X)


def test_random_numbers_go_on():
    generator = addax.random.SeedGenerator(3)
    draw = addax.compile(lambda: addax.random.uniform((4,), seed=generator))
    other = addax.random.SeedGenerator(3)
    for _ in range(3):
        np.testing.assert_array_equal(draw().numpy(), addax.random.uniform((4,), seed=other).numpy())


@pytest.mark.parametrize("flag", [True, False])
def test_cond_chooses_results_and_assignments(flag):
    v, untouched = addax.Variable(1.0), addax.Variable(5.0)

    def function(p, x):
        def yes():
            v.assign(v * 10)
            return {"a": x + v, "n": ops.ones(2)}

        def no():
            return {"a": x - untouched, "n": ops.zeros(2)}

        return ops.cond(p, yes, no)

    compiled = addax.compile(function)
    p = np.array(flag)
    result = compiled(p, X)
    after = float(v)
    v.assign(1.0)
    expected = function(p, X)
    assert after == float(v)
    np.testing.assert_array_equal(result["a"].numpy(), expected["a"].numpy())
    np.testing.assert_array_equal(result["n"].numpy(), expected["n"].numpy())


def test_branches_must_agree():
    with pytest.raises(ValueError, match=r"cond: both branches must return the same shapes and dtypes"):
        addax.compile(lambda p, x: ops.cond(p, lambda: x, lambda: x[:1]))(np.array(True), X)


def test_switch_and_loops():
    @addax.compile
    def function(i, x):
        y = ops.switch(i, [lambda x: x, lambda x: x * 2, lambda x: x * 3], x)
        n, y = ops.while_loop(lambda n, y: ops.sum(y) < 1000, lambda n, y: (n + 1, y * 2), (0, y), maximum_iterations=9)
        return n, y, ops.fori_loop(0, 3, lambda j, t: t + j, x)

    def expected(i, x):
        y, n = x * (min(max(i, 0), 2) + 1), 0
        while y.sum() < 1000 and n < 9:
            n, y = n + 1, y * 2
        return n, y, x + 3

    for i in (-1, 0, 1, 2, 5):
        for got, want in zip(function(np.array(i), X), expected(i, X), strict=True):
            np.testing.assert_array_equal(got.numpy() if hasattr(got, "numpy") else got, want)


def test_gradients_within_and_around():
    w = addax.Variable([1.0, 2.0, 3.0])

    def loss(x):
        return ops.sum(ops.tanh(x * w))

    def gradient(x):
        with addax.GradientTape() as tape:
            value = loss(x)
        return tape.gradient(value, [w])[0]

    np.testing.assert_array_equal(addax.compile(gradient)(X).numpy(), gradient(X).numpy())
    compiled = addax.compile(loss)
    with addax.GradientTape() as tape:
        value = compiled(X)
    np.testing.assert_array_equal(tape.gradient(value, [w])[0].numpy(), gradient(X).numpy())
    assert addax.compile(lambda x: compiled(x) + 1)(X).numpy() == loss(X).numpy() + 1


def test_reading_a_value_names_the_line():
    def step(x):
        if ops.sum(x) > 0:
            return x
        return -x

    with pytest.raises(
        RuntimeError, match=r"(?s)step cannot be compiled.*test_compiled.py.*if ops.sum\(x\) > 0:.*addax.ops.cond"
    ):
        addax.compile(step)(X)


def _by_numpy(x):
    return np.sum(x)


def _while(x):
    while ops.sum(x) > 0:
        x = x - 1
    return x


def _range(x):
    for _ in range(ops.cast(ops.sum(x), "int32")):
        x = x + 1
    return x


def _mask(x):
    return x[x > 0]


@pytest.mark.parametrize(
    ("function", "line", "instead"),
    [
        (_by_numpy, "return np.sum(x)", "addax.ops.cond, switch, where, while_loop, fori_loop, scan or map"),
        (_while, "while ops.sum(x) > 0:", "addax.ops.while_loop for a loop"),
        (_range, 'for _ in range(ops.cast(ops.sum(x), "int32")):', "addax.ops.fori_loop, scan or map for a loop"),
        (_mask, "return x[x > 0]", "addax.ops.switch to choose a function, take to choose elements"),
    ],
)
def test_errors_name_the_users_line_and_what_to_use(function, line, instead):
    with pytest.raises((RuntimeError, ValueError), match=re.escape(f"{function.__name__} cannot be compiled")) as error:
        addax.compile(function)(X)
    assert f'File "{__file__}", line ' in str(error.value)
    assert f": {line}\n" in str(error.value)
    assert f"Use {instead}" in str(error.value)


@pytest.mark.parametrize(
    ("budget", "error"), [("1MB", TypeError), (True, TypeError), (1.5, ValueError), (0, ValueError), (-5, ValueError)]
)
def test_a_memory_budget_is_a_number_of_bytes(budget, error):
    model = addax.Sequential([addax.layers.Dense(1)])
    for take in (lambda b: addax.compile(np.sin, memory_budget=b), lambda b: model.compile("sgd", memory_budget=b)):
        with pytest.raises(error, match=f"memory_budget: expected .* bytes.* got {re.escape(repr(budget))}"):
            take(budget)
        take(1e9)  # a whole number all the same


def test_what_is_compiled_is_a_function():
    with pytest.raises(TypeError, match="compile: expected a function, got 3"):
        addax.compile(3)


def test_a_tensor_of_another_trace_is_refused():
    kept = []
    addax.compile(lambda x: kept.append(x) or x)(X)
    with pytest.raises(RuntimeError, match="comes from outside of the function being traced"):
        addax.compile(lambda x: x + kept[0])(X)


def test_an_error_leaves_variables_as_they_were():
    v = addax.Variable(1.0)

    def step(x):
        v.assign(v + ops.sum(x))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        addax.compile(step)(X)
    assert float(v) == 1.0
    assert not addax.engine.is_tracing()


def test_frozen_variables_make_a_new_plan():
    model = addax.Sequential([addax.layers.Dense(2), addax.layers.Dense(1)])
    model.compile("sgd", "mse")
    y = X[:, :1]
    model.fit(X, y, verbose=0)
    first, second = (layer.kernel.numpy() for layer in model.layers)
    model.layers[0].trainable = False
    model.fit(X, y, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), first)
    assert (model.layers[1].kernel.numpy() != second).any()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_gradient_accumulation_compiled_equals_eager(optimizer):
    def weights(eager):
        addax.utils.set_random_seed(0)
        model = addax.Sequential([addax.layers.Dense(2)])
        accumulating = addax.optimizers.get({"class_name": optimizer, "config": {"gradient_accumulation_steps": 3}})
        model.compile(accumulating, "mse", run_eagerly=eager)
        model.fit(X, X[:, :2], batch_size=1, epochs=2, verbose=0)
        return [w.tobytes() for w in (*model.get_weights(), *(v.numpy() for v in model.optimizer.variables))]

    assert weights(True) == weights(False)


def test_plans_of_many_lengths_take_the_memory_of_one():
    table = addax.Variable(np.random.default_rng(0).normal(size=(64, 256)).astype("float32"))

    @addax.compile
    def scores(x):
        return ops.sum(ops.softmax(x @ table, axis=-1) * ops.cumsum(x @ table, axis=0), axis=-1)

    def live():
        return addax.engine.memory_stats()["live"]

    rng, before = np.random.default_rng(1), live()
    inputs = [rng.normal(size=(n, 64)).astype("float32") for n in rng.permutation(np.arange(2000, 6000, 250))]
    expected = [scores(x).numpy() for x in inputs]
    arenas = [plan.stats["arena_bytes"] for plan in scores.plans]
    assert len(arenas) == 16 and sum(arenas) > 8 * max(arenas)
    assert live() - before < 1.5 * max(arenas)
    for x, y in zip(inputs, expected, strict=True):
        np.testing.assert_array_equal(scores(x).numpy(), y)
    assert live() - before < 1.5 * max(arenas)


def test_one_plan_on_several_threads():
    w = addax.Variable(np.full((3, 50), 0.5, "float32"))
    function = addax.compile(lambda x: ops.tanh(x @ w) * 2)
    expected = function(X).numpy()
    wrong = []

    def work():
        for _ in range(200):
            if (function(X).numpy() != expected).any():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_everything_dies_with_the_function():
    class Thing:
        pass

    thing = Thing()
    function = addax.compile(lambda x, thing=thing: x * 2)
    function(X)
    alive = weakref.ref(thing)
    live = addax.engine.memory_stats()["live"]
    del function, thing
    gc.collect()
    assert alive() is None
    assert addax.engine.memory_stats()["live"] <= live


@pytest.mark.parametrize("order", [None, [3, 0, 2, 1]])
def test_rows_batch_by_batch(order):
    seen = addax.Variable(np.zeros(3, "float32"))

    @addax.compile
    def add(x):
        seen.assign(seen * 2 + ops.sum(x, axis=0))
        return ops.sum(x)

    data = ops.convert_to_tensor(X)
    add(data[:2])
    seen.assign(ops.zeros(3))
    order = None if order is None else ops.convert_to_tensor(np.array(order, "int32"))
    (last,) = add.plans[0].run_rows([data], order, 0, 4)
    rows = X if order is None else X[order.numpy()]
    np.testing.assert_array_equal(last.numpy(), rows[2:].sum())
    np.testing.assert_array_equal(seen.numpy(), rows[:2].sum(axis=0) * 2 + rows[2:].sum(axis=0))
    for start, stop in ((0, 3), (2, 2), (4, 2), (-2, 0)):
        with pytest.raises(ValueError, match=f"rows {start} to {stop} are not whole batches of 2"):
            add.plans[0].run_rows([data], order, start, stop)


def test_a_signal_ends_the_rows_after_a_whole_batch():
    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    count, twice = addax.Variable(np.zeros((), "int32")), addax.Variable(np.zeros((), "int32"))

    @addax.compile
    def step(x):
        count.assign_add(ops.sum(x))
        twice.assign_add(ops.sum(x) * 2)

    data = ops.ones((1 << 20, 1), "int32")
    step(data[:1])
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(Alarm):
            step.plans[0].run_rows([data], None, 0, 1 << 20)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 1 < int(count) < 1 << 20
    assert int(twice) == 2 * int(count)


def test_short_runs_go_together():
    function = addax.compile(lambda x: x @ x)
    assert function.runs_at_once() == 1
    function(np.ones((8, 8), "float32"))
    assert function.runs_at_once() > 1000
    function(np.ones((1024, 1024), "float32"))
    assert function.runs_at_once() == 1


def test_statistics_of_a_plan():
    """Two steps: the product with what follows it value by value, and sort."""
    function = addax.compile(lambda x: ops.sort(ops.exp(x @ ops.transpose(x)) * 2))
    function(X)
    stats = function.plans[0].stats
    assert stats["steps"] == 2
    assert stats["flops"] == 2 * 4 * 4 * 3 + 2 * 16 + 16
    assert stats["arena_bytes"] == 4 * 16
    assert stats["result_bytes"] == 4 * 16


def test_arithmetic_of_fused_families():
    """Attention: scores and values; a recurrence: all weights, for each step."""

    def flops(f, *shapes):
        function = addax.compile(f)
        function(*[np.ones(s, "float32") for s in shapes])
        return function.plans[0].stats["flops"]

    assert flops(ops.dot_product_attention, (2, 5, 3, 4), (2, 7, 3, 4), (2, 7, 3, 4)) == 2 * 2 * 3 * 5 * 7 * (4 + 4)
    layer = addax.layers.LSTM(6, bias_initializer="ones", unit_forget_bias=False)
    layer.build((2, 5, 3))
    kernels = 4 * 6 * (3 + 6)
    assert 0 <= flops(layer, (2, 5, 3)) - 2 * 2 * 5 * kernels < 100  # besides, the states at the start


def test_structures_of_results():
    """As many leaves as keys do not make a dict flat: logs of a train_step hold the dict of the compiled metrics."""
    results = addax.compile(lambda x: {"loss": x + 1, "all": {"mae": x * 2}, "none": [None, x]})(addax.ops.ones(()))
    assert (float(results["loss"]), float(results["all"]["mae"]), results["none"][0]) == (2.0, 2.0, None)
    flat = addax.compile(lambda x: {"b": x, "a": x + 1})(addax.ops.ones(()))
    assert list(flat) == ["b", "a"] and float(flat["a"]) == 2.0
    nested = addax.compile(lambda x: {"b": x, "a": {"c": x + 1}})(addax.ops.ones(()))
    assert float(nested["a"]["c"]) == 2.0


def test_gradients_end_at_an_assigned_value():
    v = addax.Variable(2.0)

    def gradient(x):
        def f(x):
            v.assign(x * 3)
            return v.value * x

        return addax.grad(f)(x)

    assert (
        gradient(ops.convert_to_tensor(2.0)).item() == addax.compile(gradient)(ops.convert_to_tensor(2.0)).item() == 6
    )
