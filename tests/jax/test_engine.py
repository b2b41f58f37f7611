"""The JAX engine as the package sees it: values in and out, random bits, choosing it, and what it says."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import addax
from addax import config, engine, ops


def test_values_in_and_out(jax_engine):
    import jax.numpy as jnp

    array = np.arange(6, dtype="float32").reshape(2, 3)
    x = engine.tensor(array)
    array[0, 0] = 9
    assert x.device == "jax:0" and (x + 1).device == "jax:0"
    assert x.numpy()[0, 0] == 0 and float(x[1, 2]) == 5 and x.tolist()[1] == [3, 4, 5]
    assert "shape=(2, 3)" in repr(x)
    np.testing.assert_array_equal(np.from_dlpack(x), np.asarray(x))
    np.testing.assert_array_equal(jnp.asarray(x) @ jnp.asarray(x).T, np.asarray(x @ x.T))
    assert ops.convert_to_tensor([1, 2]).dtype == "int32"
    assert ops.cast(x, "float64").dtype == "float64" and ops.cast(x, "int64").dtype == "int64"


def test_host_tensors_meet_others(jax_engine):
    host = engine.host_tensor(np.ones((2, 2), "float32"))
    assert host.device == "cpu:0"
    assert (host + host).device == "jax:0"
    with engine.on_host():
        assert (host + (host + host)).device == "cpu:0"


def test_a_value_once_read_never_changes(jax_engine):
    import jax.numpy as jnp

    v = addax.Variable(np.zeros(3, "float32"))
    step = addax.compile(lambda: v.assign_add(np.ones(3, "float32")))
    before = v.value
    seen = before.numpy()
    for _ in range(3):
        step()
    held, array = v.value, jnp.asarray(v.value)
    step()
    array.block_until_ready()
    assert before.numpy().tolist() == seen.tolist() == [0, 0, 0]
    assert held.numpy().tolist() == array.tolist() == [3, 3, 3] and v.numpy().tolist() == [4, 4, 4]


def test_random_bits_are_those_of_the_native_engine(jax_engine):
    def draw(key, x):
        cases = [((), "uint32"), ((0, 2), "uint32"), ((3, 5), "uint8"), ((70001,), "uint32"), ((300, 301), "uint64")]
        bits = [engine.apply("random_bits", key, shape=shape, dtype=dtype) for shape, dtype in cases]
        return [*bits, engine.apply("dropout", x, key, rate=0.3)]

    key = engine.tensor(np.array([2**32 - 1, 1337], "uint32"))
    x = engine.tensor(np.ones((64, 33), "float32"))
    drawn = addax.compile(draw)(key, x)
    with engine.on_host():
        native = draw(key, x)
    for got, want in zip(drawn, native, strict=True):
        assert (got.device, want.device) == ("jax:0", "cpu:0")
        np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_gradients_of_control_flow(jax_engine):
    def loss(x):
        _, ys = ops.scan(lambda c, e: (c * e, c + e), x[0], x)
        y = ops.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x[1]), (0, x[2]), maximum_iterations=5)[1]
        return ops.sum(ys) + ops.cond(ops.sum(x) > 0, lambda: y * y, lambda: -y)

    x = engine.tensor(np.array([1.5, 0.5, 2.0], "float32"))
    got = addax.compile(addax.grad(loss))(x)
    with engine.on_host():
        want = addax.grad(loss)(x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5)


def test_a_step_in_float32_holds_nothing_wider(jax_engine, compiled_steps):
    model = addax.Sequential(
        [addax.layers.Dense(8, activation="gelu"), addax.layers.Dropout(0.5), addax.layers.Dense(3)]
    )
    model.compile("adam", addax.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    x, y = np.ones((4, 5), "float32"), np.zeros(4, "int32")
    model.fit(x, y, verbose=0)
    (plan,) = model._step("train_step").plans
    text = plan.step.lower(*plan.operands([engine.host_tensor(x), engine.host_tensor(y)])).as_text()
    assert "xf32>" in text
    assert "f64" not in text
    assert re.findall(r"\dx[us]?i64>", text) == []  # but scalars, such as the optimizer's step


def test_arguments_that_do_not_fit(jax_engine):
    compiled = addax.compile(lambda x: x + 1)
    compiled(engine.tensor(np.ones(2, "float32")))
    (plan,) = compiled.plans
    with pytest.raises(ValueError, match=r"expected arguments \[\(\(2,\), 'float32'\)\]"):
        plan.run([engine.tensor(np.ones(3, "float32"))])


def test_a_memory_budget_is_refused(jax_engine):
    with pytest.raises(ValueError, match=r"leaves the placing of values to XLA.*addax\.remat"):
        addax.compile(lambda x: x + 1, memory_budget=1 << 20)(engine.tensor(np.ones(2, "float32")))


def test_too_late_to_choose():
    engine.tensor(1.0)
    with pytest.raises(RuntimeError, match=r"before any other work, or set the environment variable ADDAX_BACKEND=jax"):
        config.set_backend("jax")
    config.set_backend("addax")


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_chosen_at_start():
    pytest.importorskip("jax")
    code = "import addax; print(addax.config.backend(), addax.ops.ones(2).device)"
    early = "import addax; addax.config.set_backend('jax'); import addax.layers, addax.random;" + code
    assert run_python(code, ADDAX_BACKEND="jax").stdout.split() == ["jax", "jax:0"]
    assert run_python(early).stdout.split() == ["jax", "jax:0"]


def test_names_that_cannot_be_chosen():
    assert (
        "ADDAX_BACKEND: expected 'addax' or 'jax'. Received: 'torch'"
        in run_python("import addax.engine", ADDAX_BACKEND="torch").stderr
    )
    without = "import sys; sys.modules['jax'] = None; import addax; addax.config.set_backend('jax')"
    assert 'pip install "addax[jax]"' in run_python(without).stderr
