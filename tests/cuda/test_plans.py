"""Compiled functions on a device: where plans run, what they keep in place, what is captured."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import addax
from addax import engine, ops
from addax.compiled import CompiledFunction
from tests.samples import Sample, samples
from tests.table.helpers import bits, cast_inputs, differentiable_inputs
from tests.table.test_compiled import everything

TABLE = {row["name"]: row for row in engine.op_table()}
RUNS = [s for s in samples() if "float32" in s.dtypes]


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in RUNS])
def test_compiled_equals_eager(sample: Sample) -> None:
    """Every row and its gradient traced, replayed and captured."""
    arrays = sample.inputs()
    tensors = [t.to("cuda:0") for t in cast_inputs(arrays, "float32")]
    places = differentiable_inputs(sample, arrays) if TABLE[sample.op]["differentiable"] else []
    both = everything(sample, "float32", places)
    function = CompiledFunction(both)
    eager = [bits(t) for t in both(*tensors)]
    for _ in range(3):
        assert [bits(t) for t in function(*tensors)] == eager


def tensor(*shape: int, seed: int = 0) -> engine.Tensor:
    return engine.tensor(np.random.default_rng(seed).standard_normal(shape).astype("float32"))


def captured_launches(cuda) -> int:
    return cuda.emulation_captured_launches() if cuda else 0


def test_a_plan_runs_where_its_arguments_lie() -> None:
    x, y = tensor(3, 4).to("cuda:0"), tensor(4, 2, seed=1).to("cuda:0")
    function = CompiledFunction(lambda a, b: (ops.tanh(a @ b) * 2, ops.sum(a, axis=0), a.T))
    for _ in range(3):
        got = function(x, y)
        for a, b in zip(got, (ops.tanh(x @ y) * 2, ops.sum(x, axis=0), x.T), strict=True):
            assert a.device == "cuda:0"
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert [p.device for p in function.plans] == ["cuda:0"]
    assert function(x.to("cpu:0"), y.to("cpu:0"))[0].device == "cpu:0"
    assert [p.device for p in function.plans] == ["cuda:0", "cpu:0"]


def test_arguments_move_to_the_plan() -> None:
    function = CompiledFunction(lambda a, b: a + b)
    x, y = tensor(3, 4), tensor(3, 4, seed=1)
    for _ in range(3):
        np.testing.assert_array_equal(function(x.to("cuda:0"), y).numpy(), (x + y).numpy())
        np.testing.assert_array_equal(function(x, y.T.to("cuda:0").T).numpy(), (x + y).numpy())


def test_a_function_of_nothing_computes_on_the_current_device() -> None:
    function = CompiledFunction(lambda: ops.ones((3,)) * 2)
    with addax.device("cuda:0"):
        there = function()
    assert (there.device, function().device) == ("cuda:0", "cpu:0")
    np.testing.assert_array_equal(there.numpy(), np.full(3, 2, "float32"))


def test_constants() -> None:
    x = tensor(20, 30).to("cuda:0")
    small, large, there = np.float32([1, 2, 3]), tensor(20, 30, seed=1), tensor(20, 30, seed=2).to("cuda:0")
    function = CompiledFunction(lambda a: (a * large + there) * ops.sum(small) + ops.ones((20, 30)))
    with addax.device("cuda:0"):
        got = function(x)
    want = (x.to("cpu:0") * large + there.to("cpu:0")) * 6.0 + 1.0
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6, atol=1e-6)


def test_states_are_updated_in_place(cuda) -> None:
    with addax.device("cuda:0"):
        v = addax.Variable(np.zeros((64, 64), "float32"))

    @addax.compile
    def step(x):
        v.assign_add(x)
        return ops.sum(v)

    x = ops.ones((64, 64)).to("cuda:0")
    for i in range(1, 3):
        assert step(x).item() == 64 * 64 * i
    live = engine.memory_stats("cuda:0")["live"]
    launches = captured_launches(cuda)
    assert step(x).item() == 64 * 64 * 3
    assert engine.memory_stats("cuda:0")["live"] == live
    assert v.value.device == "cuda:0"
    if cuda:
        assert captured_launches(cuda) == launches + 1
    held = v.value
    assert step(x).item() == 64 * 64 * 4  # the state moves: whoever read it keeps it
    np.testing.assert_array_equal(held.numpy(), np.full((64, 64), 3, "float32"))
    if cuda:
        assert captured_launches(cuda) == launches + 1
    del held
    v.assign(np.ones((64, 64), "float32"))
    for i in range(2, 6):
        assert step(x).item() == 64 * 64 * i
    np.testing.assert_array_equal(v.numpy(), np.full((64, 64), 5, "float32"))
    if cuda:
        assert captured_launches(cuda) >= launches + 3


def test_captured_steps_have_their_own_temporary_memory(cuda) -> None:
    """Sorting, sums over a long axis and scatters take scratch memory; other work uses the allocator in between."""
    function = CompiledFunction(
        lambda x, i: (
            ops.sort(x, axis=-1),
            ops.sum(x),
            ops.scatter(i[:, None], x, (40, 90)),
            ops.cumsum(x, axis=0),
        )
    )
    rng = np.random.default_rng(0)
    before = captured_launches(cuda)
    for _ in range(4):
        x, i = engine.tensor(rng.standard_normal((20, 90)).astype("float32")), rng.permutation(40)[:20].astype("int32")
        got = [t.numpy() for t in function(x.to("cuda:0"), engine.tensor(i))]
        junk = [ops.sort(tensor(9, 100, seed=k).to("cuda:0")) for k in range(3)]
        scattered = np.zeros((40, 90), "float32")
        scattered[i] = x.numpy()
        for a, b in zip(got, (np.sort(x.numpy()), x.numpy().sum(), scattered, x.numpy().cumsum(0)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)
        del junk
    if cuda:
        assert captured_launches(cuda) == before + 3


def test_threads_share_a_plan() -> None:
    function = CompiledFunction(lambda x: ops.sort(x * 2, axis=-1) + ops.sum(x))
    inputs = [tensor(8, 16, seed=i).to("cuda:0") for i in range(4)]
    want = [bits(function(x)) for x in inputs]
    with ThreadPoolExecutor(len(inputs)) as pool:
        for _ in range(8):
            assert [bits(t) for t in pool.map(function, inputs)] == want
    assert len(function.plans) == 1


def test_results_are_the_callers() -> None:
    function = CompiledFunction(lambda x: x * 2)
    results = [function(ops.full((4,), float(i)).to("cuda:0")) for i in range(4)]
    assert [r.tolist() for r in results] == [[2.0 * i] * 4 for i in range(4)]


def test_scan() -> None:
    def steps(x, start):
        return ops.scan(lambda c, row: (c * 0.5 + row, ops.tanh(c)), start, x)

    x, start = tensor(30, 4), tensor(4, seed=1)
    function = CompiledFunction(steps)
    want = [t.numpy() for t in steps(x, start)]
    for _ in range(3):
        got = function(x.to("cuda:0"), start.to("cuda:0"))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-6, atol=1e-6)


def test_cond_and_while_loop() -> None:
    def branch(flag, x):
        return ops.cond(flag, lambda: ops.exp(x), lambda: x * 2)

    def double(x):
        return ops.while_loop(lambda v, n: ops.sum(v) < 100.0, lambda v, n: (v * 2, n + 1), (x, 0))

    x = ops.ones((5,)).to("cuda:0")
    chosen, looped = CompiledFunction(branch), CompiledFunction(double)
    for flag in (True, False, True):
        got = chosen(engine.tensor(flag), x)
        np.testing.assert_allclose(got.numpy(), np.full(5, np.e if flag else 2.0), rtol=1e-6)
    for _ in range(3):
        v, n = looped(x)
        np.testing.assert_array_equal(v.numpy(), np.full(5, 32.0, "float32"))
        assert n.item() == 5


def test_a_branch_updates_a_state() -> None:
    with addax.device("cuda:0"):
        v = addax.Variable(np.zeros(3, "float32"))

    @addax.compile
    def step(flag, x):
        ops.cond(flag, lambda: v.assign_add(x), lambda: v.value)

    for flag in (True, False, True):
        step(engine.tensor(flag), ops.ones((3,)).to("cuda:0"))
    np.testing.assert_array_equal(v.numpy(), np.full(3, 2, "float32"))


def test_gradients_of_loops() -> None:
    def loss(x, w):
        tape = engine.Tape()
        tape.watch(w)
        tape.start()
        _, ys = ops.scan(lambda c, row: (ops.tanh(c * w + row), c), ops.zeros((4,)), x)
        total = ops.sum(ys * ys)
        tape.stop()
        return tape.gradient([total], [w])[0]

    x, w = tensor(20, 4), tensor(4, seed=1)
    function = CompiledFunction(loss)
    want = CompiledFunction(loss)(x, w).numpy()
    got = function(x.to("cuda:0"), w.to("cuda:0"))
    assert got.device == "cuda:0"
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)


def test_faults_are_thrown_to_who_waits() -> None:
    function = CompiledFunction(lambda x, i: ops.take(x, i, axis=0))
    x = tensor(3, 4).to("cuda:0")
    bad = engine.tensor(np.int32([0, 7]))
    for _ in range(3):
        out = function(x, bad)
        with pytest.raises(IndexError, match="take: index 7 is out of range for axis 0 of size 3"):
            out.numpy()
    np.testing.assert_array_equal(function(x, engine.tensor(np.int32([0, 2]))).numpy(), x.numpy()[[0, 2]])


def test_too_little_memory_leaves_the_plan_usable() -> None:
    """Captured steps want temporary memory of their own, beside what the allocator keeps."""
    function = CompiledFunction(lambda x: ops.sort(x, axis=0))
    x = tensor(200, 16).to("cuda:0")
    want = bits(function(x))
    engine.empty_cache("cuda:0")
    engine.set_memory_limit(engine.memory_stats("cuda:0")["live"] + x.nbytes + 1024, "cuda:0")
    try:
        with pytest.raises(MemoryError, match=r"sort: could not allocate \d+ bytes on cuda:0"):
            function(x)
    finally:
        engine.set_memory_limit(0, "cuda:0")
    assert [bits(function(x)) for _ in range(2)] == [want] * 2


def test_profile_times_each_step() -> None:
    function = CompiledFunction(lambda x: ops.sum(ops.exp(x)))
    x = tensor(3, 4).to("cuda:0")
    function(x)
    (plan,) = function.plans
    assert len(plan.profile([x])) == plan.stats["steps"]


def test_a_memory_budget_is_kept() -> None:
    ws = [tensor(32, 32, seed=i).to("cuda:0") for i in range(6)]

    def gradients(x):
        tape = engine.Tape()
        for w in ws:
            tape.watch(w)
        tape.start()
        for w in ws:
            x = ops.tanh(x @ w * 0.1)
        loss = ops.sum(x)
        tape.stop()
        return [ops.sum(g) for g in tape.gradient([loss], ws)]

    x = tensor(512, 32, seed=9).to("cuda:0")
    free = CompiledFunction(gradients)
    want = [t.item() for t in free(x)]
    stats = free.plans[0].stats
    tight = CompiledFunction(gradients, memory_budget=int(0.8 * (stats["arena_bytes"] + stats["result_bytes"])))
    for _ in range(3):
        assert [t.item() for t in tight(x)] == want
    assert tight.plans[0].stats["arena_bytes"] < stats["arena_bytes"]


@pytest.mark.emulated
def test_states_on_two_devices_are_refused() -> None:
    with addax.device("cuda:0"):
        a = addax.Variable(np.zeros(3, "float32"))
    with addax.device("cuda:1"):
        b = addax.Variable(np.zeros(3, "float32"))
    with pytest.raises(ValueError, match="tensors and variables lie on cuda:0 and cuda:1; move them to one device"):
        addax.compile(lambda: a + b)()


def test_variables_on_the_cpu_go_to_the_plan() -> None:
    counter = addax.Variable(0.0)
    with addax.device("cuda:0"):
        v = addax.Variable(1.0)

    @addax.compile
    def step():
        counter.assign_add(1.0)
        return v + counter

    assert [step().item() for _ in range(3)] == [2.0, 3.0, 4.0]
    assert counter.value.device == "cuda:0"


def test_runs_beside_the_thread_and_rows() -> None:
    with addax.device("cuda:0"):
        v = addax.Variable(np.zeros(4, "float32"))

    @addax.compile
    def step(batch):
        v.assign_add(ops.sum(batch[0], axis=0))
        return v.value

    rows = engine.host_tensor(np.ones((8, 4), "float32"))
    step((rows[:2],))
    (plan,) = step.plans
    np.testing.assert_array_equal(plan.run_rows([rows], None, 0, 8)[0].numpy(), np.full(4, 10, "float32"))
    np.testing.assert_array_equal(plan.start([rows[:2]]).finish()[0].numpy(), np.full(4, 12, "float32"))
