"""Loops of compiled functions: one eqn with a body, the same bits as the loop in Python, and gradients."""

import numpy as np
import pytest

import addax
from addax import engine, ops, tree
from addax.compiled import make_graph
from tests.table.helpers import bits

STEPS = 12
RNG = np.random.default_rng(0)
X = RNG.standard_normal((STEPS, 2, 3)).astype("float32")
H = RNG.standard_normal((2, 3)).astype("float32")
W = (RNG.standard_normal((3, 3)) * 0.5).astype("float32")


def recurrence(x, h, w, reverse=False):
    def step(h, x):
        h = ops.tanh(x @ w + h @ w)
        return h, ops.exp(h) * x

    return ops.scan(step, h, x, reverse=reverse)


def gradients(x, h, w, reverse=False):
    with addax.GradientTape() as tape:
        tape.watch([x, h, w])
        last, ys = recurrence(x, h, w, reverse)
        loss = ops.sum(ys * ys) + ops.sum(last)
    return [loss, *tape.gradient(loss, [x, h, w])]


def same(function, *args) -> engine.Graph:
    """The compiled function gives the bits of the plain one, twice; its graph."""
    args = [ops.convert_to_tensor(a) for a in args]
    expected = tensors(function(*args))
    compiled = addax.compile(function)
    for _ in range(2):
        assert [bits(t) for t in tensors(compiled(*args))] == [bits(t) for t in expected]
    graph = compiled.plans[-1].graph
    assert engine.Graph.parse(graph.text()) == graph
    return graph


def tensors(structure) -> list:
    """The tensors of what a function returned; numbers count as such."""
    return [ops.convert_to_tensor(x) for x in tree.flatten(structure) if x is not None]


def scans(graph: engine.Graph) -> int:
    """The eqns of the graph itself that are scans."""
    return sum(line.startswith("  %") and " = scan(" in line for line in str(graph).splitlines())


@pytest.fixture(params=["", "none", "-cse", "-loops", "-algebra", "-fold", "-dce", "-fuse"])
def passes(request):
    engine.set_passes(request.param)
    yield request.param
    engine.set_passes("")


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(passes, reverse):
    assert scans(same(lambda *a: recurrence(*a, reverse), X, H, W)) == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_scan(passes, reverse):
    graph = same(lambda *a: gradients(*a, reverse), X, H, W)
    assert scans(graph) == (2 if passes == "" else scans(graph))  # forward and backward


def test_gradients_of_scan_are_those_of_differences():
    x, h, w = (a.astype("float64") for a in (X, H, W))
    grads = addax.compile(gradients)(x, h, w)[1:]
    for place, grad in enumerate(grads):
        for at in [(0,) * grad.ndim, tuple(n - 1 for n in grad.shape)]:
            shifted = []
            for sign in (1, -1):
                args = [a.copy() for a in (x, h, w)]
                args[place][at] += sign * 1e-6
                shifted.append(float(addax.compile(gradients)(*args)[0]))
            assert abs((shifted[0] - shifted[1]) / 2e-6 - float(grad[at])) < 1e-6


def test_gradients_of_gradients_of_scan():
    def second(x, h, w):
        with addax.GradientTape() as outer:
            outer.watch(w)
            grads = gradients(x, h, w)
            total = ops.sum(grads[1] * grads[1]) + ops.sum(grads[3])
        return outer.gradient(total, w)

    args = [ops.convert_to_tensor(a.astype("float64")) for a in (X, H, W)]
    np.testing.assert_allclose(addax.compile(second)(*args).numpy(), second(*args).numpy(), rtol=1e-10)


def test_variables_in_a_body():
    w, count = addax.Variable(W), addax.Variable(0)
    generator = addax.random.SeedGenerator(3)

    def function(x):
        def step(carry, x):
            count.assign_add(1)
            y = ops.tanh(carry @ w) + x * addax.random.uniform((2, 3), seed=generator)
            return y, y

        with addax.GradientTape() as tape:
            last, ys = ops.scan(step, ops.zeros((2, 3)), x)
            loss = ops.sum(ys) + ops.sum(last)
        return loss, tape.gradient(loss, [w])[0], count.value

    x = ops.convert_to_tensor(X)
    compiled = addax.compile(function)
    before = generator.state.numpy()
    results = []
    for f in (function, compiled, compiled):
        generator.state.assign(before)
        count.assign(0)
        results.append([bits(t) for t in f(x)] + [bits(generator.state.value), bits(count.value)])
    assert results[0] == results[1] == results[2]
    assert int(count) == STEPS
    assert scans(compiled.plans[-1].graph) == 2


def test_training_steps_in_a_loop():
    w = addax.Variable(W)

    def train(x):
        def step(i, losses):
            with addax.GradientTape() as tape:
                loss = ops.mean(ops.square(x @ w - 1))
            w.assign_sub(0.1 * tape.gradient(loss, [w])[0])
            return losses + loss

        return ops.fori_loop(0, 20, step, ops.zeros(()))

    results = []
    compiled = addax.compile(train)
    for f in (train, compiled):
        w.assign(W)
        results.append((bits(f(ops.convert_to_tensor(X[0]))), bits(w.value)))
    assert results[0] == results[1]
    assert scans(compiled.plans[-1].graph) == 1


def test_map_and_fori_loop():
    assert scans(same(lambda x: ops.map(lambda r: {"a": ops.sum(r, 0), "b": (r * 2, None)}, x), X)) == 1
    assert scans(same(lambda x: ops.fori_loop(0, 30, lambda i, t: t + ops.cast(i, "float32") * x, x), X)) == 1
    # A number becomes a tensor in the first step; ints stay as they are.
    assert scans(same(lambda x: ops.scan(lambda c, r: (c + ops.sum(r), c), 0, x), X)) == 1


def test_fori_loop_between_numbers_that_are_known_when_it_runs():
    def function(first, last, x):
        return ops.fori_loop(first, last, lambda i, t: t + ops.cast(i, "float32") * x, x)

    compiled = addax.compile(function)
    for first, last in ((0, 3), (2, 30), (5, 5), (7, 2)):
        bounds = np.array(first, "int32"), np.array(last, "int32")
        np.testing.assert_array_equal(compiled(*bounds, X).numpy(), ops.convert_to_tensor(function(*bounds, X)).numpy())
    assert len(compiled.plans) == 1


def test_loops_in_loops():
    def function(x):
        return ops.scan(
            lambda c, r: (
                c + ops.fori_loop(0, 10, lambda i, t: ops.sin(t) + r, c),
                ops.map(ops.exp, ops.tile(c, (5, 1))),
            ),
            ops.zeros((2, 3)),
            x,
        )

    graph = same(function, X)
    assert str(graph).count(" = scan(") > scans(graph) == 2  # that of the first step, and all others

    def gradient(x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(function(x)[0])
        return tape.gradient(loss, x)

    x = ops.convert_to_tensor(X)
    np.testing.assert_allclose(addax.compile(gradient)(x).numpy(), gradient(x).numpy(), rtol=1e-5)


def test_what_cannot_be_one_eqn_is_written_out():
    table = [float(i) for i in range(STEPS)]
    assert scans(same(lambda x: ops.fori_loop(0, STEPS, lambda i, t: t + table[i], x), X)) == 0
    assert scans(same(lambda x: ops.fori_loop(0, STEPS, lambda i, t: ops.concatenate([t, t[:1]]), x), X)) == 0

    @ops.custom_gradient
    def straight_through(x):
        return ops.round(x), lambda g: g

    def gradient(x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(ops.map(lambda r: straight_through(r) * r, x))
        return tape.gradient(loss, x)

    assert scans(same(gradient, X)) == 0
    assert scans(same(lambda x: ops.map(straight_through, x), X)) == 1


def test_short_loops_are_written_out():
    assert scans(same(lambda x: ops.map(ops.exp, x), X[:3])) == 0


def test_small_tensors_that_a_tape_watches():
    small = ops.convert_to_tensor([1.0, 2.0, 3.0])

    def gradient(x):
        with addax.GradientTape() as tape:
            tape.watch(small)
            loss = ops.sum(ops.map(lambda r: r * small, x))
        return tape.gradient(loss, small)

    assert scans(same(gradient, X)) > 0


def test_errors_of_a_body():
    def broken(carry, x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        addax.compile(lambda x: ops.scan(broken, x[0], x))(X)
    assert not engine.is_tracing()
    with pytest.raises(RuntimeError, match=r"(?s)cannot be compiled.*test_control\.py"):
        addax.compile(lambda x: ops.map(lambda r: r if ops.sum(r) > 0 else -r, x))(X)


def test_graphs_that_cannot_be_bodies():
    x = engine.tensor(np.ones((4, 3), "float32"))
    large = make_graph(lambda x: x + ops.convert_to_tensor(np.arange(20.0)))(ops.ones((20,), "float64"))
    with pytest.raises(ValueError, match="a const of 20 values has no text"):
        engine.apply("scan", x, body=large, length=4, sequences=1)


def test_the_plan_of_a_scan_does_not_grow_with_its_length():
    steps = set()
    for length in (20, 1000):
        compiled = addax.compile(gradients)
        compiled(RNG.standard_normal((length, 2, 3)).astype("float32"), H, W)
        steps.add(compiled.plans[-1].stats["steps"])
    assert len(steps) == 1


def test_large_values_from_outside_are_inputs():
    large = ops.convert_to_tensor(RNG.standard_normal((3, 30)).astype("float32"))
    same(lambda x: ops.map(lambda r: r @ large, x), X)


@pytest.mark.parametrize("mask", [None, True])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}, {"unroll": True}])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_recurrent_layers_of_any_cell(mask, options, return_sequences):
    class Cell(addax.layers.Layer):
        state_size = 4

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 4))
            self.built = True

        def call(self, x, states):
            h = ops.tanh(x @ self.kernel + states[0])
            return h, [h]

    addax.utils.set_random_seed(0)
    layer = addax.layers.RNN(Cell(), return_sequences=return_sequences, **options)
    x = ops.convert_to_tensor(X.transpose(1, 0, 2))
    given = None if mask is None else ops.convert_to_tensor(RNG.uniform(size=(2, STEPS)) < 0.7)
    layer(x)

    def function(x):
        with addax.GradientTape() as tape:
            y = layer(x, mask=given)
            loss = ops.sum(y * y)
        return [y, tape.gradient(loss, [layer.cell.kernel])[0]]

    assert scans(same(function, x)) == 2
