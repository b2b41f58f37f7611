"""Branches of compiled functions, and loops until a condition is false: one eqn with bodies, of which one runs."""

import math

import numpy as np
import pytest

import addax
from addax import engine, ops
from tests.graph.test_control import passes, same, tensors  # noqa: F401
from tests.table.helpers import bits

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4)).astype("float32")
W = (RNG.standard_normal((4, 4)) * 0.5).astype("float32")
FLAGS = [np.array(True), np.array(False)]


def eqns(graph: engine.Graph, name: str) -> int:
    """The eqns of the graph itself that are of that row."""
    return sum(line.startswith("  %") and f" = {name}(" in line for line in str(graph).splitlines())


def chosen(flag, x, w):
    return ops.cond(flag, lambda: ops.tanh(x @ w), lambda: ops.exp(x) * 2)


def gradients(function):
    def of(flag, x, *more):
        with addax.GradientTape() as tape:
            tape.watch([x, *more])
            y = function(flag, x, *more)
            loss = ops.sum(y * y)
        return [loss, *(g for g in tape.gradient(loss, [x, *more]) if g is not None)]

    return of


@pytest.mark.parametrize("flag", FLAGS)
def test_cond(passes, flag):  # noqa: F811
    assert eqns(same(chosen, flag, X, W), "cond") == 1


@pytest.mark.parametrize("flag", FLAGS)
def test_gradients_of_cond(passes, flag):  # noqa: F811
    def both(flag, x, w):
        loss, dx, *_ = gradients(chosen)(flag, x, w)
        return loss, dx  # a branch that does not read w has no gradient eagerly, and zeros if compiled

    assert eqns(same(both, flag, X, W), "cond") == 2


def test_switch_takes_the_closest_branch():
    def function(i, x):
        return ops.switch(i, [lambda x: x, lambda x: -x, lambda x: x * x], x)

    for dtype in ("int32", "int64", "uint8"):
        for i in (-(2**40), -1, 0, 1, 2, 3, 200, 2**40):
            if np.iinfo(dtype).min <= i <= np.iinfo(dtype).max:
                assert eqns(same(function, np.array(i, dtype), X), "cond") == 1


def test_only_the_chosen_branch_runs():
    """The costly branch has as many products as the cheap one has none; time tells which one ran."""
    w = ops.convert_to_tensor(RNG.standard_normal((256, 256)).astype("float32"))

    def costly(x):
        for _ in range(40):
            x = ops.tanh(x @ w)
        return x

    compiled = addax.compile(lambda flag, x: ops.cond(flag, lambda: costly(x), lambda: x + 1))
    x = ops.zeros((256, 256))
    compiled(True, x), compiled(FLAGS[0], x)
    plan = compiled.plans[-1]
    seconds = [min(sum(plan.profile([ops.convert_to_tensor(f), x])) for _ in range(3)) for f in FLAGS]
    assert seconds[0] > 5 * seconds[1]
    assert plan.stats["flops"] > 40 * 2 * 256**3  # of the costliest
    assert plan.stats["body_bytes"] >= 256**2 * 4


def test_a_branch_that_is_not_taken_spoils_no_gradient():
    def safe(x):
        return ops.cond(ops.all(x > 0), lambda: ops.log(x), lambda: x * 0.5)

    def gradient(x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(safe(x))
        return tape.gradient(loss, x)

    assert addax.compile(gradient)(np.zeros(3, "float32")).tolist() == [0.5] * 3
    same(gradient, np.array([1.0, 2.0], "float32"))


@pytest.mark.parametrize("flag", FLAGS)
def test_gradients_of_gradients(flag):
    def second(flag, x, w):
        with addax.GradientTape() as tape:
            tape.watch(x)
            grads = gradients(chosen)(flag, x, w)
            total = ops.sum(grads[1] * grads[1])
        return tape.gradient(total, x)

    args = [ops.convert_to_tensor(a) for a in (flag, X.astype("float64"), W.astype("float64"))]
    np.testing.assert_allclose(addax.compile(second)(*args).numpy(), second(*args).numpy(), rtol=1e-12)


@pytest.mark.parametrize("i", range(3))
def test_nested(i):
    def function(i, x):
        def inner(x):
            return ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: ops.fori_loop(0, 20, lambda _, t: ops.sin(t), x))

        return ops.switch(i, [inner, lambda x: ops.map(inner, x), lambda x: -inner(-x)], x)

    same(function, np.array(i), X)
    same(function, np.array(i), -X)
    same(gradients(function), np.array(i), X)
    same(gradients(function), np.array(i), -X)


@pytest.mark.parametrize("passing", [True, False])
def test_variables_and_randomness(passing):
    """Every way to the same place: assigned in one branch, in both, in none; a state that somebody holds."""
    v, w, read = addax.Variable(X), addax.Variable(X + 1), addax.Variable(2.0)
    generator = addax.random.SeedGenerator(3)

    def function(flag, x):
        def yes():
            old = v.value
            v.assign(ops.tanh(v.value) + w.value)
            w.assign_add(old * read.value)
            return old + addax.random.uniform((3, 4), seed=generator)

        def no():
            v.assign(x)
            return addax.random.dropout(x, 0.5, seed=generator) * read.value

        return ops.cond(flag, yes, no), v.value

    results = []
    for f in (function, addax.compile(function)):
        v.assign(X), w.assign(X + 1), generator.state.assign([3, 0])
        seen = []
        for flag in (passing, True, not passing):
            before = v.value
            was = bits(before)
            seen += [bits(t) for t in f(np.array(flag), ops.convert_to_tensor(X))]
            assert bits(before) == was
            seen += [bits(t.value) for t in (v, w, generator.state)]
        results.append(seen)
    assert results[0] == results[1]


def test_two_variables_of_one_value():
    a, b = addax.Variable(1.0), addax.Variable(2.0)

    def function(flag, x):
        a.assign(x)
        b.assign(x)

        def yes():
            a.assign(b + 1)
            return a * b

        def no():
            b.assign_add(a * 3)
            return b - a

        return ops.cond(flag, yes, no), a.value, b.value

    for flag in FLAGS:
        same(function, flag, np.float32(3))


def test_states_are_updated_in_place():
    v = addax.Variable(np.zeros((100, 100), "float32"))

    @addax.compile
    def step(flag, x):
        return ops.cond(flag, lambda: ops.sum(v.assign_add(x)[:1]), lambda: ops.sum(x))

    x = ops.ones((100, 100))
    for flag, total in [(True, 1.0), (False, 1.0), (True, 2.0)]:
        step(np.array(flag), x)
        assert float(v.value[0, 0]) == total
    assert "-> result[0]: float32(), state[0]: float32(100, 100)" in str(step.plans[-1])
    assert step.plans[-1].stats["arena_bytes"] < 1000


def test_training_step_with_a_choice_of_clipping():
    class Clipped(addax.Sequential):
        def train_step(self, data):
            x, y = data
            with addax.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            grads = tape.gradient(loss, self.trainable_weights)
            norm = ops.sqrt(sum(ops.sum(g * g) for g in grads))
            grads = ops.cond(norm > 0.1, lambda: [g * (0.1 / norm) for g in grads], lambda: grads)
            self.optimizer.apply(grads, self.trainable_weights)
            return {"loss": loss, "norm": norm}

    def trained(**options):
        addax.utils.set_random_seed(1)
        model = Clipped([addax.layers.Input((4,)), addax.layers.Dense(5, "tanh"), addax.layers.Dense(1)])
        model.compile(addax.optimizers.Adam(0.05), "mse", **options)
        x = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
        model.fit(x, x[:, :1], batch_size=8, epochs=4, verbose=0, shuffle=False)
        return [bits(w.value) for w in model.weights]

    assert trained() == trained(run_eagerly=True)


def test_gradient_accumulation_is_a_branch():
    addax.utils.set_random_seed(0)
    model = addax.Sequential([addax.layers.Input((8,)), addax.layers.Dense(64), addax.layers.Dense(1)])
    model.compile(addax.optimizers.Adam(gradient_accumulation_steps=3), "mse")
    model.train_on_batch(np.ones((2, 8), "float32"), np.ones((2, 1), "float32"))
    assert " cond(" in str(model._steps["train_step"].plans[-1].graph)


def test_equal_branches_become_one():
    graph = same(lambda flag, x: ops.cond(flag, lambda: ops.exp(x), lambda: ops.exp(x)), FLAGS[0], X)
    assert eqns(graph, "cond") == 0
    twice = same(lambda flag, x, w: chosen(flag, x, w) + chosen(flag, x, w), FLAGS[0], X, W)
    assert eqns(twice, "cond") == 1


def test_what_nobody_needs_is_not_computed():
    def function(flag, x, w):
        return ops.cond(flag, lambda: (x + 1, x @ w), lambda: (x - 1, ops.exp(x @ w)))[0]

    assert "matmul" not in str(same(function, FLAGS[0], X, W))


def test_gradients_of_their_own_are_kept():
    @ops.custom_gradient
    def straight_through(x):
        return ops.round(x), lambda g: g * 3

    v = addax.Variable(0.0)

    def function(i, x):
        def second(x):
            v.assign_add(1.0)
            return straight_through(x)

        return ops.switch(i, [lambda x: x, second, lambda x: x * 2], x)

    def gradient(i, x):
        v.assign(0.0)
        return [*gradients(function)(i, x), v.value]

    def loop(x):
        return ops.while_loop(lambda y: ops.sum(y) < 50, lambda y: straight_through(y) + 1, (x,), maximum_iterations=5)

    for i in range(3):
        args = [ops.convert_to_tensor(a) for a in (np.array(i), X)]
        for got, want in zip(tensors(addax.compile(gradient)(*args)), tensors(gradient(*args)), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert eqns(same(lambda i, x: function(i, x), np.array(1), X), "cond") == 1
    assert eqns(same(lambda i, x: gradients(lambda i, x: loop(x)[0])(i, x), np.array(1), X), "while_loop") == 0


# -- while_loop


def collatz(n):
    return ops.while_loop(
        lambda n, _: n != 1, lambda n, i: (ops.where(n % 2 == 0, n // 2, 3 * n + 1), i + 1), (n, ops.zeros((), "int32"))
    )


def test_while_loop_of_any_length(passes):  # noqa: F811
    for n in (1, 2, 27):
        graph = same(collatz, np.int32(n))
        assert eqns(graph, "while_loop") == 1
    assert int(addax.compile(collatz)(np.int32(27))[1]) == 111


@pytest.mark.parametrize("most", [1, 2, 3, 20])
def test_gradients_of_a_loop_with_a_maximum(most):
    def loop(x, w):
        return ops.while_loop(
            lambda y, i: ops.sum(y * y) < 40, lambda y, i: (y * 1.5 + ops.tanh(y @ w), i + 1), (x, 0), most
        )

    def gradient(x, w):
        with addax.GradientTape() as tape:
            tape.watch([x, w])
            y, n = loop(x, w)
            loss = ops.sum(y * y)
        return [n, loss, *tape.gradient(loss, [x, w])]

    same(gradient, X, W)

    def second(x, w):
        with addax.GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(gradient(x, w)[3] ** 2)
        return tape.gradient(total, x)

    x, w = (ops.convert_to_tensor(a.astype("float64")) for a in (X, W))
    np.testing.assert_allclose(addax.compile(second)(x, w).numpy(), second(x, w).numpy(), rtol=1e-10)


def test_a_loop_without_a_maximum_has_no_gradient():
    def gradient(x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = ops.while_loop(lambda y: ops.sum(y) < 9, lambda y: y * 2, x)
        return tape.gradient(y, x)

    assert gradient(ops.ones(3)).tolist() == [4.0] * 3
    with pytest.raises(
        ValueError, match=r"while_loop: there is no gradient.*`maximum_iterations`, or use scan or fori"
    ):
        addax.compile(gradient)(ops.ones(3))


@pytest.mark.parametrize("most", [None, 3, 50])
@pytest.mark.parametrize("where", ["body", "condition"])
def test_variables_and_randomness_in_a_loop(most, where):
    count, generator = addax.Variable(0), addax.random.SeedGenerator(5)

    def draw():
        count.assign_add(1)
        return addax.random.uniform((), seed=generator)

    def function(x):
        return ops.while_loop(
            lambda x: ops.sum(x) + (draw() if where == "condition" else 0) < 30,
            lambda x: x + (draw() if where == "body" else 1.0),
            (x,),
            maximum_iterations=most,
        )[0]

    results = []
    for f in (function, addax.compile(function)):
        count.assign(0), generator.state.assign([5, 0])
        seen = [bits(f(ops.convert_to_tensor(X))) for _ in range(2)]
        results.append([*seen, bits(count.value), bits(generator.state.value)])
    assert results[0] == results[1]


def test_loops_in_branches_in_loops():
    def function(x):
        def body(x, i):
            y = ops.cond(i % 2 == 0, lambda: collatz(i + 5)[1], lambda: i)
            return x + ops.cast(y, "float32"), i + 1

        return ops.while_loop(lambda x, i: ops.sum(x) < 500, body, (x, ops.zeros((), "int32")))

    same(function, X)


def test_statistics_count_a_loop_once_or_to_its_maximum():
    def flops(most):
        compiled = addax.compile(
            lambda x: ops.while_loop(lambda y: ops.sum(y) < 9, lambda y: y * 2, (x,), maximum_iterations=most)
        )
        compiled(ops.ones(1000))
        return compiled.plans[-1].stats["flops"]

    once = flops(None)
    assert math.isclose(flops(10), 10 * once, rel_tol=0.2) and flops(1) == once

    assert flops(2**62) >= 2**60 - 1  # counts stop there


def test_errors():
    with pytest.raises(
        ValueError, match=r"switch: all branches .* float32\(3, 4\) from branch 0 and int32\(3, 4\) from b"
    ):
        addax.compile(lambda i, x: ops.switch(i, [lambda: x, lambda: ops.cast(x, "int32")]))(np.array(0), X)
    with pytest.raises(ValueError, match=r"cond: both branches .* None from `true_fn` and float32\(3, 4\) from"):
        addax.compile(lambda p, x: ops.cond(p, lambda: None, lambda: x))(FLAGS[0], X)
    with pytest.raises(ValueError, match=r"while_loop: .* Received: float32\(3, 4\) that becomes float32\(2, 4\)"):
        addax.compile(lambda x: ops.while_loop(lambda x: ops.sum(x) < 1, lambda x: x[1:], (x,)))(X)
    with pytest.raises(KeyError, match="mine"):
        addax.compile(lambda p, x: ops.cond(p, lambda: {}["mine"], lambda: x))(FLAGS[0], X)
    kept = []
    with pytest.raises(RuntimeError, match="from a branch or loop body that has ended"):
        addax.compile(lambda p, x: ops.cond(p, lambda: kept.append(x * 2) or x, lambda: x) + kept[0])(FLAGS[0], X)
    assert not engine.is_tracing()


def test_a_budget_of_memory_around_branches():
    def function(flag, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in range(6):
                y = ops.cond(flag, lambda y=y: ops.tanh(y), lambda y=y: ops.sin(y) * 2)
            loss = ops.sum(y * y)
        return tape.gradient(loss, x)

    x = ops.convert_to_tensor(RNG.standard_normal((64, 64)).astype("float32"))
    plain = addax.compile(function)
    expected = [bits(plain(f, x)) for f in FLAGS]
    stats = plain.plans[-1].stats
    budget = stats["arena_bytes"] + stats["body_bytes"] + stats["result_bytes"] - 2 * 64 * 64 * 4
    tight = addax.compile(function, memory_budget=budget)
    assert [bits(tight(f, x)) for f in FLAGS] == expected
    assert tight.plans[-1].stats["flops"] > stats["flops"]


def test_the_same_as_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.ops

    def values(o, x, i):
        return [
            o.switch(i, [lambda x: x + 1, lambda x: x * 2, lambda x: x - 3], x),
            o.cond(o.sum(x) > 0, lambda: x * 2, lambda: x - 1),
            *o.while_loop(lambda x, n: o.sum(x) < 100, lambda x, n: (x + 1, n + 1), (x, o.convert_to_tensor(0))),
        ]

    for i in (0, 1, 2, 5):
        for sign in (1, -1):
            want = values(theirs, theirs.convert_to_tensor(X * sign), theirs.convert_to_tensor(np.int32(i)))
            got = addax.compile(lambda x, i: values(ops, x, i))(X * sign, np.array(i, "int32"))
            for a, b in zip(tensors(got), want, strict=True):
                np.testing.assert_allclose(a.numpy(), theirs.convert_to_numpy(b), rtol=1e-6)
