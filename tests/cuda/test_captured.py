"""Compiled functions with loops and branches on a device: one launch per run, which no host decides within."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import addax
from addax import engine, layers, ops
from addax.compiled import CompiledFunction
from addax.engine import Tensor
from tests.table.helpers import bits


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return engine.tensor(np.random.default_rng(seed).standard_normal(shape).astype("float32")).to("cuda:0")


def whole(x: int) -> Tensor:
    return engine.tensor(np.int32(x)).to("cuda:0")


def counts(cuda) -> tuple[int, int]:
    """Launches of captured work, and values that the host has waited for."""
    return (cuda.emulation_captured_launches(), cuda.emulation_waits()) if cuda else (0, 0)


def once(cuda, function: Callable, *args: Tensor):
    """Calls it, which is one launch."""
    launches, waits = counts(cuda)
    result = function(*args)
    if cuda:
        assert counts(cuda) == (launches + 1, waits)
    return result


def check_captured(cuda, plain: Callable, calls: Sequence[tuple[Tensor, ...]]) -> None:
    """From the second run on a run is one launch, with the bits of the function as it stands."""
    function = CompiledFunction(plain)
    function(*calls[0])
    for args in calls:
        want = plain(*args)
        assert [bits(t) for t in once(cuda, function, *args)] == [bits(t) for t in want]
    assert len(function.plans) == 1


def summed(x: Tensor, start: Tensor):
    return ops.scan(lambda c, row: (c * 0.5 + row, ops.tanh(c)), start, x)


def summed_backwards(x: Tensor, start: Tensor):
    return ops.scan(lambda c, row: (c * 0.5 + row, ops.tanh(c)), start, x, reverse=True)


def table(x: Tensor, start: Tensor):
    """A scan of scans: each row goes through all others."""

    def row_of(c: Tensor, row: Tensor):
        inner, products = ops.scan(lambda d, other: (ops.sin(d + other * row), d * row), c, x)
        return inner + c, ops.cumsum(products, axis=0)

    return ops.scan(row_of, start, x)


def counted(x: Tensor, start: Tensor):
    return (ops.fori_loop(0, 12, lambda i, c: ops.sort(c + x[0] * ops.cast(i, "float32")), start),)


def mapped(x: Tensor, start: Tensor):
    return (ops.map(lambda row: ops.sort(row * start), x),)


@pytest.mark.parametrize("function", [summed, summed_backwards, table, counted, mapped])
def test_scan(cuda, function: Callable) -> None:
    check_captured(cuda, function, [(tensor(13, 4, seed=i), tensor(4, seed=i + 9)) for i in range(3)])


def branch(flag: Tensor, x: Tensor):
    return (ops.cond(flag > 0, lambda: ops.sort(ops.exp(x)), lambda: ops.cumsum(x * 2, axis=0)),)


def test_cond_takes_what_a_run_says(cuda) -> None:
    """The branch that the first run left out is first reached while the steps are captured."""
    check_captured(cuda, branch, [(whole(i), tensor(70, seed=i)) for i in (1, 0, 1, 1, 0)])


def test_switch_takes_the_closest_index(cuda) -> None:
    functions = [lambda x: x + 1, lambda x: ops.sort(x), lambda x: x * x]

    def plain(index: Tensor, x: Tensor):
        traces = []
        for f in functions:
            trace = engine.Trace(body=True)
            trace.start()
            try:
                result = f(x)
            finally:
                trace.stop()
            traces.append((trace, [result]))
        graphs, _, inputs = engine.Trace.join(*zip(*traces, strict=True))
        return engine.apply("cond", index, *inputs, bodies=graphs)

    function = CompiledFunction(plain)
    x = tensor(40)
    function(whole(1), x)
    for index in (-(2**31), -1, 0, 1, 2, 3, 2**31 - 1):
        want = functions[min(max(index, 0), 2)](x)
        assert bits(once(cuda, function, whole(index), x)) == bits(want)


def halved(x: Tensor, limit: Tensor, maximum: int | None = None):
    """Passes until the sum is small, with carries of three dtypes, an odd one among them."""
    return ops.while_loop(
        lambda v, n, parity: ops.sum(v) > ops.sum(limit),
        lambda v, n, parity: (v * 0.5, n + 1, ops.logical_not(parity)),
        (x, ops.zeros((), "int32"), ops.zeros((3,), "bool")),
        maximum_iterations=maximum,
    )


def halved_thrice(x: Tensor, limit: Tensor):
    return halved(x, limit, 3)


def test_while_loop_runs_as_long_as_a_run_says(cuda) -> None:
    x = ops.ones((8,)).to("cuda:0")
    limits = [(x, ops.full((1,), limit).to("cuda:0")) for limit in (1.0, 8.0, 7.0, 0.01, 3.0, 8.0)]
    check_captured(cuda, halved, limits)
    assert [int(halved(*args)[1].item()) for args in limits] == [3, 0, 1, 10, 2, 0]


def test_while_loop_stops_at_its_maximum(cuda) -> None:
    x = ops.ones((8,)).to("cuda:0")
    limits = [(x, ops.full((1,), limit).to("cuda:0")) for limit in (0.01, 8.0, 0.01, 3.0, 1.0, 0.9)]
    check_captured(cuda, halved_thrice, limits)
    assert [int(halved_thrice(*args)[1].item()) for args in limits] == [3, 0, 3, 2, 3, 3]


def chosen_by_row(x: Tensor, flags: Tensor):
    def step(c: Tensor, row: tuple):
        value, flag = row
        c = ops.cond(flag > 0, lambda: ops.sort(c + value), lambda: c * value)
        return c, ops.sum(c)

    return ops.scan(step, x[0], (x, flags))


def test_cond_within_scan(cuda) -> None:
    rng = np.random.default_rng(0)
    flags = [engine.tensor(rng.integers(0, 2, 11).astype("int32")).to("cuda:0") for _ in range(4)]
    check_captured(cuda, chosen_by_row, [(tensor(11, 5, seed=i), f) for i, f in enumerate(flags)])


def loop_in_a_branch(flag: Tensor, x: Tensor, limit: Tensor):
    return ops.cond(flag > 0, lambda: halved(x, limit), lambda: halved_thrice(x * 2, limit))


def test_while_loop_within_cond(cuda) -> None:
    x = ops.ones((8,)).to("cuda:0")
    calls = [(whole(f), x, ops.full((1,), limit).to("cuda:0")) for f in (1, 0) for limit in (1.0, 0.01, 20.0)]
    check_captured(cuda, loop_in_a_branch, calls)


def loops(x: Tensor, limit: Tensor):
    """A loop whose passes are a loop of their own, a scan, and a branch."""

    def body(v: Tensor, n: Tensor):
        inner, passes, _ = halved(v, limit + ops.cast(n, "float32"), 5)
        carry, _ = ops.scan(lambda c, row: (ops.cumsum(c * 0.5 + row, axis=0), row), inner, ops.ones((9, 8)) * v)
        return ops.cond(passes > 2, lambda: ops.sort(carry), lambda: carry - 1.0), n + 1

    return ops.while_loop(lambda v, n: ops.logical_and(n < 4, ops.sum(v) < 1e6), body, (x, ops.zeros((), "int32")))


def test_loops_within_a_loop(cuda) -> None:
    calls = [(ops.abs(tensor(8, seed=i)), ops.full((1,), limit)) for i, limit in enumerate((0.1, 1.0, 3.0, 1e5))]
    check_captured(cuda, loops, calls)


def test_threads_in_both_orders(cuda) -> None:
    """What a launch decides by is set before it is read."""
    if cuda:
        cuda.emulation_set_reversed(1)
    check_captured(cuda, loops, [(ops.abs(tensor(8, seed=i)), ops.full((1,), 0.5)) for i in range(2)])


def test_variables_in_branches_and_loops(cuda) -> None:
    with addax.device("cuda:0"):
        v = addax.Variable(np.zeros(3, "float32"))
        passes = addax.Variable(np.int32(0))

    @addax.compile
    def step(flag, limit):
        ops.cond(flag > 0, lambda: v.assign_add(ops.ones((3,))), lambda: v.value)

        def body(n):
            passes.assign_add(1)
            return n + 1

        return ops.while_loop(lambda n: n < limit, body, ops.zeros((), "int32"))

    want, total = 0, 0
    for i, (flag, limit) in enumerate([(1, 3), (0, 0), (1, 2), (1, 5), (0, 1)]):
        args = whole(flag), whole(limit)
        n = once(cuda, step, *args) if i > 0 else step(*args)
        want, total = want + flag, total + limit
        assert n.item() == limit
        assert v.numpy().tolist() == [want] * 3
        assert passes.numpy() == total


def test_gradients(cuda) -> None:
    """Of a loop: a scan of branches, over what another scan of branches has stacked."""

    def gradient(x: Tensor, limit: Tensor):
        tape = engine.Tape()
        tape.watch(x)
        tape.start()
        y, _ = ops.while_loop(
            lambda v, n: ops.sum(v * v) > ops.sum(limit), lambda v, n: (ops.sin(v) * x, n + 1), (x, 0), 10
        )
        total = ops.sum(y * y)
        tape.stop()
        return (total, *tape.gradient([total], [x]))

    def bound(limit: float) -> Tensor:
        return ops.full((1,), limit).to("cuda:0")

    x, limits = tensor(6), (0.5, 100.0, 1e-3, 0.05)
    fresh = [[bits(t) for t in CompiledFunction(gradient)(x, bound(limit))] for limit in limits]
    function = CompiledFunction(gradient)
    function(x, bound(0.5))
    assert [[bits(t) for t in once(cuda, function, x, bound(limit))] for limit in limits] == fresh
    assert len({tuple(f) for f in fresh}) == len(limits)


def test_faults_of_the_branch_that_is_taken(cuda) -> None:
    x = tensor(3, 4)

    def plain(flag: Tensor, i: Tensor):
        return ops.cond(flag > 0, lambda: ops.take(x, i, axis=0), lambda: x[:2])

    function = CompiledFunction(plain)
    bad = engine.tensor(np.int32([0, 7])).to("cuda:0")
    function(whole(0), bad)
    for _ in range(2):
        once(cuda, function, whole(0), bad).numpy()
        with pytest.raises(IndexError, match="take: index 7 is out of range for axis 0 of size 3"):
            once(cuda, function, whole(1), bad).numpy()


def test_threads_share_a_plan(cuda) -> None:
    """One thread's launch may come between the kernels of another's run."""
    calls = [(tensor(11, 5, seed=i), engine.tensor(np.int32([i % 2] * 11)).to("cuda:0")) for i in range(4)]
    want = [[bits(t) for t in chosen_by_row(*args)] for args in calls]
    function = CompiledFunction(chosen_by_row)
    with ThreadPoolExecutor(len(calls)) as pool:
        for _ in range(8):
            assert list(pool.map(lambda args: [bits(t) for t in function(*args)], calls)) == want


def test_bodies_have_their_memory_once(cuda) -> None:
    """Captured steps have memory of their own; that of the run before is given up for it. Later runs take no more."""

    def plain(x: Tensor, start: Tensor):
        def step(c: Tensor, row: Tensor):
            products = ops.matmul(c[:, None], row[None])
            return c + ops.sum(ops.matmul(products, products), axis=1), None

        return ops.scan(step, start, x)[0]

    def live() -> int:
        return engine.memory_stats("cuda:0")["live"]

    function = CompiledFunction(plain)
    x, start = tensor(11, 100), tensor(100, seed=9)
    function(x, start)
    walked = live()
    function(x, start)
    captured = live()
    body = function.plans[0].stats["body_bytes"]
    assert body >= 2 * 100 * 100 * 4
    assert captured < walked + body / 2
    for _ in range(3):
        once(cuda, function, x, start)
    assert live() == captured


def test_too_little_memory_leaves_the_plan_usable(cuda) -> None:
    def plain(flag: Tensor, x: Tensor):
        return ops.cond(flag > 0, lambda: ops.sort(x, axis=0), lambda: x * 2)

    function = CompiledFunction(plain)
    x = tensor(200, 16)
    want = bits(function(whole(1), x))
    engine.empty_cache("cuda:0")
    engine.set_memory_limit(engine.memory_stats("cuda:0")["live"] + 2 * x.nbytes + 2048, "cuda:0")
    try:
        with pytest.raises(MemoryError, match=r"could not allocate \d+ bytes on cuda:0"):
            function(whole(1), x)
    finally:
        engine.set_memory_limit(0, "cuda:0")
    for _ in range(2):
        assert bits(once(cuda, function, whole(1), x)) == want


def test_long_scans_are_not_captured(cuda) -> None:
    def plain(start: Tensor):
        outer, _ = ops.scan(
            lambda c, _: (ops.scan(lambda d, _: (d + 1.0, None), c, length=length)[0], None), start, length=length
        )
        return outer

    for length, launches in ((12, 2), (160, 0)):
        function = CompiledFunction(plain)
        before = counts(cuda)
        for _ in range(3):
            assert function(ops.zeros((2,)).to("cuda:0")).tolist() == [length * length] * 2
        if cuda:
            assert counts(cuda)[0] == before[0] + launches


@pytest.mark.emulated
def test_a_driver_without_conditional_nodes(cuda) -> None:
    """Plans that need them run step by step; others are captured."""
    cuda.emulation_set_conditional(0)
    try:
        for plain in (branch, halved):
            function = CompiledFunction(plain)
            before = counts(cuda)
            for i in (1, 0, 1):
                args = (whole(i), tensor(70)) if plain is branch else (tensor(8), ops.full((1,), float(i)))
                assert [bits(t) for t in function(*args)] == [bits(t) for t in plain(*args)]
            assert counts(cuda)[0] == before[0]
        check_captured(cuda, summed, [(tensor(13, 4), tensor(4))])
    finally:
        cuda.emulation_set_conditional(1)


class Leaky(layers.Layer):
    """A cell of our own, so the layer is a scan; which way a step goes depends on its values."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = self.state_size = units

    def build(self, input_shape) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, self.units), name="recurrent")

    def call(self, x, states, training=False):
        (before,) = states
        after = ops.tanh(x @ self.kernel + before @ self.recurrent)
        after = ops.cond(ops.sum(after) > 0, lambda: after, lambda: after * 0.5 + before)
        return after, [after]


def test_a_training_step_of_a_recurrence(cuda, compiled_steps) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 12, 3)).astype("float32"), rng.integers(0, 4, 8)

    def model() -> addax.Model:
        addax.utils.set_random_seed(5)
        made = addax.Sequential([layers.RNN(Leaky(6)), layers.Dense(4, activation="softmax")])
        made.build(x.shape)
        made.compile("adam", "sparse_categorical_crossentropy")
        return made

    def fitted(batches: int) -> tuple[int, int]:
        before = counts(cuda)
        captured.fit(np.tile(x, (batches, 1, 1)), np.tile(y, batches), batch_size=8, shuffle=False, verbose=0)
        return tuple(np.subtract(counts(cuda), before))

    with addax.device("cuda:0"):
        captured, walked = model(), model()
        fitted(2)  # walked, then captured
        few, many = fitted(2), fitted(6)
        before = counts(cuda)
        for _ in range(10):
            # Whoever holds a value makes it move, and then the steps run one by one.
            held = [v.value for v in walked.variables]
            walked.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    if cuda:
        assert (few[0], many[0]) == (2, 6)
        assert few[1] == many[1]  # the host reads the logs of an epoch, nothing in its steps
        assert counts(cuda)[0] == before[0]
    for a, b, old in zip(captured.variables, walked.variables, held, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes() != old.numpy().tobytes()
