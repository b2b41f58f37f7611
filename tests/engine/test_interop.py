"""NumPy, the buffer protocol, DLPack and Python values, in and out, without copies where the layout allows."""

import gc
import weakref

import ml_dtypes
import numpy as np
import pytest

from addax import engine

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_both_ways_shares_memory(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    tensor = engine.tensor(array)
    assert (tensor.shape, tensor.dtype) == ((2, 3, 4), dtype)
    back = tensor.numpy()
    np.testing.assert_array_equal(back, array)
    assert np.shares_memory(back, array)
    assert np.shares_memory(np.asarray(tensor), array)
    assert not back.flags.writeable


@pytest.mark.parametrize(
    "view",
    [lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::2], lambda a: np.broadcast_to(a[0], (3, 6)), lambda a: a[:0]],
)
def test_strided_arrays_come_in_as_views(view) -> None:
    array = view(np.arange(24.0).reshape(4, 6))
    tensor = engine.tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    if array.size:
        assert np.shares_memory(tensor.numpy(), array)


def test_bfloat16() -> None:
    array = np.arange(6, dtype=ml_dtypes.bfloat16)
    tensor = engine.tensor(array)
    assert tensor.dtype == "bfloat16"
    assert tensor.numpy().dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(tensor.numpy(), array)
    with pytest.raises(BufferError):
        memoryview(tensor)


def test_unaligned_and_swapped_bytes_are_copied() -> None:
    raw = np.zeros(41, np.uint8)
    unaligned = raw[1:41].view(np.float64)
    unaligned[:] = np.arange(5)
    np.testing.assert_array_equal(engine.tensor(unaligned).numpy(), np.arange(5.0))
    swapped = np.arange(5, dtype=">f4")
    np.testing.assert_array_equal(engine.tensor(swapped).numpy(), np.arange(5, dtype="f4"))


def test_the_owner_lives_as_long_as_the_tensor() -> None:
    class Array(np.ndarray):
        pass

    array = np.arange(5.0).view(Array)
    alive = weakref.ref(array)
    tensor = engine.tensor(array)
    del array
    gc.collect()
    assert alive() is not None
    assert tensor.tolist() == [0, 1, 2, 3, 4]
    del tensor
    assert alive() is None


def test_buffer_protocol() -> None:
    view = memoryview(engine.tensor(np.arange(6, dtype="int16").reshape(2, 3)))
    assert (view.shape, view.format, view.readonly) == ((2, 3), "h", True)
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_with_numpy(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    tensor = engine.from_dlpack(array)
    assert np.shares_memory(tensor.numpy(), array)
    np.testing.assert_array_equal(np.from_dlpack(tensor.T), array.T)


def test_dlpack_capsule_left_unused_frees_its_memory() -> None:
    before = engine.memory_stats()["live"]
    capsule = (engine.tensor(np.ones(1000, "float32")) + 1).__dlpack__()
    assert engine.memory_stats()["live"] > before
    del capsule
    assert engine.memory_stats()["live"] == before


def test_python_values() -> None:
    assert engine.tensor(3).dtype == "int32"
    assert engine.tensor(1 << 40).dtype == "int64"
    assert engine.tensor(2.5).dtype == "float32"
    assert engine.tensor(True).dtype == "bool"
    assert engine.tensor([1.5, 2]).dtype == "float32"
    assert engine.tensor([[1], [2]]).dtype == "int32"
    assert engine.tensor([1 << 40]).dtype == "int64"
    assert engine.tensor([], "float64").shape == (0,)
    assert float(engine.tensor(0.1, "float64")) == 0.1
    assert float(engine.tensor([0.1], "float64")[0]) == 0.1


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ([[1], [2, 3]], ValueError, "same length"),
        (["a"], TypeError, "has no tensor equivalent"),
        (np.array(["2020"], "M8[D]"), TypeError, "has no tensor equivalent"),
        (1 << 80, ValueError, "does not fit int64"),
    ],
)
def test_values_that_are_no_numbers(value, error, match) -> None:
    with pytest.raises(error, match=match):
        engine.tensor(value)


def test_a_variable_does_not_share_memory_with_arrays() -> None:
    array = np.ones(4, "float32")
    variable = engine.Variable(engine.tensor(array))
    array[:] = 7
    assert variable.read().tolist() == [1, 1, 1, 1]
    variable.assign(engine.tensor(array))
    array[:] = 9
    assert variable.read().tolist() == [7, 7, 7, 7]


def test_a_read_value_never_changes() -> None:
    variable = engine.Variable(engine.tensor([1.0, 2.0]))
    view = variable.read().numpy()
    engine.update("sgd_update", [variable], [engine.tensor([1.0, 1.0]), engine.tensor(0.5)])
    assert view.tolist() == [1, 2]
    assert variable.read().tolist() == [0.5, 1.5]
