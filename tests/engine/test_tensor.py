"""The Python side of Tensor: operators with weak Python numbers, slicing, conversion, errors."""

import copy
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from addax import engine


@pytest.fixture
def x() -> engine.Tensor:
    return engine.tensor(np.arange(24, dtype="float32").reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        ("float16", 2.5, "float16"),
        ("float16", 2, "float16"),
        ("bfloat16", 0.5, "bfloat16"),
        ("int8", 2, "int8"),
        ("int32", 2.5, "float32"),
        ("bool", 2, "int32"),
        ("bool", 2.5, "float32"),
        ("float64", True, "float64"),
        ("uint8", True, "uint8"),
    ],
)
def test_python_numbers_are_weak(dtype, number, expected) -> None:
    t = engine.tensor([1, 0], dtype)
    assert (t + number).dtype == (number + t).dtype == expected


def test_operators_follow_python() -> None:
    a, b = np.array([7, -7, 5], "int32"), np.array([2, 2, -3], "int32")
    ta, tb = engine.tensor(a), engine.tensor(b)
    for f in (
        lambda p, q: p + q,
        lambda p, q: p - q,
        lambda p, q: p * q,
        lambda p, q: p / q,
        lambda p, q: p // q,
        lambda p, q: p % q,
        lambda p, q: p & q,
        lambda p, q: p | q,
        lambda p, q: p ^ q,
        lambda p, q: p == q,
        lambda p, q: p != q,
        lambda p, q: p < q,
        lambda p, q: p >= q,
        lambda p, q: -p + abs(q) + ~q,
        lambda p, q: p**2 - 2 * q,
        lambda p, q: 1 - p,
        lambda p, q: 2 << (q + 3),
    ):
        np.testing.assert_allclose(f(ta, tb).numpy(), f(a, b), rtol=1e-6)


def test_numpy_on_the_left_gives_a_tensor(x) -> None:
    assert isinstance(np.ones(4, "float32") + x, engine.Tensor)
    assert isinstance(np.float32(2) * x, engine.Tensor)
    assert (x == None) is False  # noqa: E711
    with pytest.raises(TypeError):
        x + object()
    with pytest.raises(TypeError):
        x + "a"


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        (1, 2, 3),
        slice(None),
        slice(None, None, -1),
        (slice(1), ..., slice(-2, None)),
        (..., None, 0),
        (None, 1, slice(5, 1)),
        (slice(None), slice(None, None, 2), slice(3, 0, -2)),
        (slice(10, 20),),
        np.int64(1),
        [1, 0, 1],
        np.array([[0, 1], [1, 0]]),
        (slice(None), [0, 2]),
        ([0, 1], [2, 0]),
    ],
    ids=repr,
)
def test_indexing_follows_numpy(x, key) -> None:
    np.testing.assert_array_equal(x[key].numpy(), x.numpy()[key])


def test_indexing_by_mask(x) -> None:
    mask = x.numpy() > 10
    np.testing.assert_array_equal(x[engine.tensor(mask)].numpy(), x.numpy()[mask])


def test_index_errors(x) -> None:
    with pytest.raises(IndexError, match="index 2 is out of range for axis 0 of size 2"):
        x[2]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0, 0, 0]
    with pytest.raises(TypeError, match="slice_update"):
        x[0] = 1


def test_iteration_and_length(x) -> None:
    assert len(x) == 2
    assert [row.shape for row in x] == [(3, 4), (3, 4)]
    with pytest.raises(TypeError):
        len(engine.tensor(1.0))


def test_to_python(x) -> None:
    one = engine.tensor([[2.5]])
    assert (float(one), int(one), bool(one), one.item()) == (2.5, 2, True, 2.5)
    assert f"{one[0, 0]:.2f}" == "2.50"
    assert list(range(3))[engine.tensor(1)] == 1
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(ValueError, match="one element"):
        float(x)
    with pytest.raises(TypeError, match="index"):
        [1, 2][one]


def test_repr_shows_values_shape_and_dtype() -> None:
    assert repr(engine.tensor([1.0, 2.0])) == "addax.Tensor([1., 2.], shape=(2,), dtype=float32)"
    assert "symbolic" in repr(engine.placeholder((2, 3), "float32"))


def test_copies_are_equal_and_hash_by_identity(x) -> None:
    assert copy.copy(x).tolist() == copy.deepcopy(x).tolist() == x.tolist()
    assert len({x, x}) == 1


def test_a_placeholder_has_no_value() -> None:
    p = engine.placeholder((2,), "float32") * 2
    for read in (float, bool, np.asarray, lambda t: t.numpy()):
        with pytest.raises((RuntimeError, ValueError), match=r"no value|one element|ambiguous"):
            read(p)


def test_apply_refuses_what_it_does_not_know(x) -> None:
    with pytest.raises(ValueError, match="did you mean"):
        engine.apply("ad", x, x)
    with pytest.raises(TypeError, match="unknown attribute"):
        engine.apply("sum", x, axis=1)
    with pytest.raises(TypeError, match="must be a tuple of ints"):
        engine.apply("sum", x, axes="a")
    with pytest.raises(TypeError, match="takes no attributes"):
        engine.apply("add", x, x, axes=(1,))
    with pytest.raises(TypeError, match="must be an addax Tensor"):
        engine.apply("add", x, 1.0)
    with pytest.raises(ValueError, match="expected 2 inputs, got 1"):
        engine.apply("add", x)


def test_out_of_memory_is_an_error_and_not_the_end(x) -> None:
    engine.set_memory_limit(engine.memory_stats()["live"] + 1000)
    try:
        with pytest.raises(MemoryError, match=r"broadcast_to|multiply|add|outer: could not allocate \d+ bytes"):
            big = engine.tensor(np.ones((1000, 1), "float32"))
            big + big.T
    finally:
        engine.set_memory_limit(0)
    assert float((x + x)[0, 0, 1]) == 2


def test_threads_of_python_may_compute_together(x) -> None:
    big = engine.tensor(np.ones((300, 300), "float32"))
    results, errors = [], []

    def work() -> None:
        try:
            for _ in range(20):
                results.append(float((big @ big)[0, 0]))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert set(results) == {300.0}


FORK = """
import os, numpy as np
from addax import engine
engine.set_num_threads(4)
x = engine.tensor(np.ones((500, 500), "float32"))
assert float((x @ x)[0, 0]) == 500
child = os.fork()
if child == 0:
    os._exit(0 if float((x @ x + x)[1, 1]) == 501 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert float((x @ x)[0, 0]) == 500
"""


def test_a_forked_child_works() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ADDAX_ISA", "mmx"), ("ADDAX_NUM_THREADS", "many"), ("ADDAX_WINOGRAD", "3"), ("ADDAX_TF32", "yes")],
)
def test_bad_environment_is_named(name, value) -> None:
    code = "from addax import engine; engine.num_threads(); engine.winograd(); engine.tf32(); engine.tensor([1.0]) + 1"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, name: value}, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert f"{name}: " in run.stderr


def test_objects_that_nobody_made_say_so() -> None:
    tensor = engine.Tensor.__new__(engine.Tensor)
    for field in ("shape", "dtype", "ndim"):
        with pytest.raises(TypeError, match="Tensor: an object that __init__ has not made"):
            getattr(tensor, field)
    with pytest.raises(TypeError, match="Variable: an object that __init__ has not made"):
        engine.Variable.__new__(engine.Variable).read()
