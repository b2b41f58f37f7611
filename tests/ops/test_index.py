"""Indexing of tensors by NumPy's rules, NumPy being the oracle."""

import numpy as np
import pytest

import addax
from addax import ops

X = np.arange(2 * 3 * 4 * 5, dtype="float32").reshape(2, 3, 4, 5)
I = np.array([0, 1, -1])  # noqa: E741
J = np.array([[0], [1]])
MASK3 = np.array([True, False, True])
MASK23 = np.array([[True, False, True], [False, False, True]])

KEYS = {
    "ints": (1, 2),
    "slices": (slice(None), slice(0, 3, 2), slice(None, None, -1)),
    "none": (None, 0, ..., None),
    "ellipsis": (..., 1),
    "array first": I % 2,
    "array later": (slice(None), I),
    "array last": (..., I),
    "two arrays": (slice(None), I, I),
    "two arrays broadcast": (slice(None), J, I),
    "apart": (J % 2, slice(None), I),
    "apart by none": (0, None, I),
    "apart by ellipsis": (J % 2, ..., I),
    "int beside array": (slice(None), 1, I),
    "int before array": (1, slice(None), I),
    "array beside slice": (slice(None), slice(1, 3), I, slice(None, None, 2)),
    "array of rank 2": (slice(None), J),
    "list": (slice(None), [0, 2]),
    "mask": (slice(None), MASK3),
    "mask of rank 2": MASK23,
    "mask and slice": (MASK23, slice(1, 3)),
    "mask and array": (slice(None), MASK3, np.array([0, 3])),
    "mask and none": (MASK23, None),
    "whole mask": X % 2 == 0,
    "empty array": (slice(None), np.zeros((0,), "int64")),
    "numpy int": (np.int64(1), slice(None)),
}


@pytest.mark.parametrize("name", KEYS)
def test_equals_numpy(name):
    key = KEYS[name]
    np.testing.assert_array_equal(ops.convert_to_tensor(X)[key].numpy(), X[key])


@pytest.mark.parametrize("name", [n for n in KEYS if "mask" not in n])
def test_symbolic_shape(name):
    key = KEYS[name]
    assert ops.get_item(addax.KerasTensor(X.shape), key).shape == X[key].shape


def test_tensors_as_keys():
    x = ops.convert_to_tensor(X)
    np.testing.assert_array_equal(x[:, ops.convert_to_tensor(I)].numpy(), X[:, I])
    np.testing.assert_array_equal(x[x > 100].numpy(), X[X > 100])


def test_gradient_of_repeated_positions_adds_up():
    x = ops.convert_to_tensor(X)
    gradient = addax.grad(lambda x: ops.sum(x[:, [1, 1, 2], [0, 0, 3]]))(x).numpy()
    expected = np.zeros_like(X)
    np.add.at(expected, (slice(None), [1, 1, 2], [0, 0, 3]), 1)
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        ((0, 0, 0, 0, I), IndexError, "5 indices for a tensor of shape"),
        ((..., I, ...), IndexError, "one ellipsis"),
        (np.array([0.5]), IndexError, "integers or bools"),
        (np.array([7]), IndexError, "out of range|out of bounds"),
        (True, IndexError, "single bool"),
    ],
)
def test_errors(key, error, text):
    with pytest.raises(error, match=text):
        ops.convert_to_tensor(X)[key]


def test_assignment_tells_what_to_use():
    with pytest.raises(TypeError, match="slice_update"):
        ops.convert_to_tensor(X)[0] = 1


def test_mask_without_value_tells_what_to_use():
    with pytest.raises(ValueError, match=r"ops\.where"):
        ops.get_item(addax.KerasTensor((None, 3)), addax.KerasTensor((None, 3), "bool"))
