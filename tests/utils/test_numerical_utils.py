"""to_categorical, normalize and the packing of data, against Keras."""

import keras
import numpy as np
import pytest

import addax


@pytest.mark.parametrize(
    "x", [[0, 2, 1], [[0], [2]], [[0, 1], [2, 1]], np.array([3, 0], dtype="uint8"), 2, []], ids=str
)
def test_to_categorical(x):
    kwargs = {} if np.size(x) else {"num_classes": 3}
    ours, theirs = addax.utils.to_categorical(x, **kwargs), keras.utils.to_categorical(np.array(x, "int64"), **kwargs)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_to_categorical_of_tensors_and_wrong_numbers():
    result = addax.utils.to_categorical(addax.ops.convert_to_tensor([1, 0]), 3)
    assert isinstance(result, addax.engine.Tensor)
    np.testing.assert_array_equal(result.numpy(), [[0, 1, 0], [1, 0, 0]])
    for wrong in ([0, 5], [-4, 0]):
        with pytest.raises(ValueError, match=r"from 0 to 2 .*found"):
            addax.utils.to_categorical(wrong, 3)


@pytest.mark.parametrize("kwargs", [{}, {"axis": -2}, {"order": 1}, {"order": 3, "axis": 1}], ids=str)
def test_normalize(kwargs):
    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    x[1] = 0
    np.testing.assert_allclose(addax.utils.normalize(x, **kwargs), keras.utils.normalize(x, **kwargs), rtol=1e-12)


def test_normalize_other_forms():
    np.testing.assert_allclose(addax.utils.normalize(np.array([3.0, 4.0])), keras.utils.normalize(np.array([3.0, 4.0])))
    tensor = addax.utils.normalize(addax.ops.convert_to_tensor([[3.0, 4.0]]))
    np.testing.assert_allclose(tensor.numpy(), [[0.6, 0.8]], rtol=1e-6)
    # Keras takes axis 0 for the last one.
    np.testing.assert_allclose(addax.utils.normalize([[3.0, 1.0], [4.0, 0.0]], axis=0), [[0.6, 1.0], [0.8, 0.0]])
    with pytest.raises(ValueError, match=r"Argument `order` must be an int >= 1. Received: order=inf"):
        addax.utils.normalize([[1.0]], order=np.inf)


@pytest.mark.parametrize("data", [(1,), (1, 2), (1, 2, 3), 1, [1, 2, 3]], ids=str)
def test_unpack(data):
    assert addax.utils.unpack_x_y_sample_weight(data) == keras.utils.unpack_x_y_sample_weight(data)


@pytest.mark.parametrize("data", [(1,), (1, 2), (1, 2, 3), ([1],), ((1, 2),)], ids=str)
def test_pack(data):
    assert addax.utils.pack_x_y_sample_weight(*data) == keras.utils.pack_x_y_sample_weight(*data)


def test_unpack_too_much():
    with pytest.raises(ValueError, match="expected to be in format `x`"):
        addax.utils.unpack_x_y_sample_weight((1, 2, 3, 4))
