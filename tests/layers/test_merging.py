"""Layers that combine several inputs, against real Keras."""

import keras
import numpy as np
import pytest

import addax
from tests.layers import oracle

# name, constructor arguments, input shapes
CASES = [
    ("Add", {}, [(2, 3), (2, 3)]),
    ("Add", {}, [(2, 3)]),
    ("Add", {}, [(2, 1, 3), (2, 5, 1), (2, 5, 3)]),
    ("Add", {}, [(2, 5, 3), (2, 3)]),
    ("Subtract", {}, [(2, 3), (2, 4, 3)]),
    ("Multiply", {}, [(2, 3), (2, 3), (2, 1)]),
    ("Average", {}, [(2, 3), (2, 3), (2, 3)]),
    ("Maximum", {}, [(2, 3), (2, 3), (2, 3)]),
    ("Minimum", {}, [(2, 4, 3), (2, 3)]),
    ("Concatenate", {}, [(2, 3), (2, 1), (2, 4)]),
    ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 1, 4)]),
    ("Concatenate", {"axis": 0}, [(2, 3), (2, 3)]),
    ("Dot", {"axes": 1}, [(2, 3), (2, 3)]),
    ("Dot", {"axes": 1, "normalize": True}, [(2, 3), (2, 3)]),
    ("Dot", {"axes": (1, 2)}, [(2, 3, 4), (2, 5, 3)]),
    ("Dot", {"axes": -1, "normalize": True}, [(2, 3, 4), (2, 5, 4)]),
    ("Dot", {"axes": (1, 2)}, [(2, 4), (2, 5, 4)]),
    ("Dot", {"axes": (2, 1)}, [(2, 5, 4), (2, 4)]),
    ("Dot", {"axes": (3, 3)}, [(2, 3, 4, 5), (2, 3, 6, 5)]),
]


def _id(case):
    return f"{case[0]}-{case[1]}-{case[2]}".replace(" ", "")


def _inputs(shapes):
    random = np.random.default_rng(3)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_numbers_and_gradients(case):
    name, kwargs, shapes = case
    ours, theirs = oracle.pair(name, **kwargs)
    inputs = _inputs(shapes)
    oracle.build_alike(ours, theirs, inputs)
    oracle.assert_alike(ours, theirs, inputs)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_config_and_shapes(case):
    name, kwargs, shapes = case
    ours, theirs = oracle.pair(name, **kwargs)
    assert list(ours.get_config()) == list(theirs.get_config())
    assert oracle.config_of(ours) == oracle.config_of(theirs)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert ours.supports_masking == theirs.supports_masking
    unknown = [(None, *shape[1:]) for shape in shapes]
    assert ours.compute_output_shape(unknown) == theirs.compute_output_shape(unknown)
    y, expected = (layer([k.Input(shape[1:]) for shape in shapes]) for k, layer in ((addax, ours), (keras, theirs)))
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    assert ours.get_build_config() == theirs.get_build_config()


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_dtype_policies(name, policy):
    _, kwargs, shapes = next(case for case in CASES if case[0] == name)
    ours, theirs = oracle.pair(name, **kwargs, dtype=policy)
    inputs = _inputs(shapes)
    y, expected = ours(inputs), theirs(inputs)
    assert str(y.dtype) == str(expected.dtype)
    tolerance = 0.04 if policy == "bfloat16" else 0.005  # two or three roundings to 8 or 11 bits
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"])
def test_functions(name):
    kwargs = {"axes": 1} if name == "dot" else {}
    inputs = _inputs([(2, 3), (2, 3)])
    y, expected = (getattr(k.layers, name)(inputs, **kwargs) for k in (addax, keras))
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-6)
    symbolic = getattr(addax.layers, name)([addax.Input((3,)), addax.Input((3,))], name="merged", **kwargs)
    assert symbolic._keras_history.operation.name == "merged"


def masked(k, values, mask):
    """Five steps of one feature that carry a mask."""

    class Masked(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x * 1.0

        def compute_mask(self, x, mask_=None):
            return k.ops.convert_to_tensor(np.array([mask], bool))

    x = np.array(values, "float32").reshape(1, -1, 1)
    return k.ops.convert_to_tensor(x) if mask is None else Masked()(x)


A = ([-5, -5, -5, -5, 3], [True, True, False, False, True])
B = ([-2, -2, -2, -2, 4], [True, False, True, False, True])
C = ([-9, -9, -9, 9, 9], None)
D = ([-7, -7, -7, 7, 7], [False, False, False, True, True])


@pytest.mark.parametrize("inputs", [(A, B), (B, A), (A, C), (C, A), (A, B, C), (C, A, B), (A, B, D), (D, B, A), (A, D)])
@pytest.mark.parametrize(
    "name,kwargs",
    [
        ("Add", {}),
        ("Subtract", {}),
        ("Multiply", {}),
        ("Average", {}),
        ("Maximum", {}),
        ("Minimum", {}),
        ("Concatenate", {"axis": 1}),
        ("Concatenate", {"axis": -1}),
        ("Dot", {"axes": 1}),
    ],
)
def test_masks(name, kwargs, inputs):
    if name in ("Subtract", "Dot"):
        inputs = inputs[:2]
    y, expected = (getattr(k.layers, name)(**kwargs)([masked(k, *one) for one in inputs]) for k in (addax, keras))
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-6)
    mask, other = (getattr(one, "_keras_mask", None) for one in (y, expected))
    assert (mask is None) == (other is None)
    if mask is not None:
        np.testing.assert_array_equal(np.asarray(mask), np.asarray(other))


def test_masks_of_different_ranks():
    """Keras cannot combine these masks."""
    y = addax.layers.Add()([masked(addax, *A), addax.ops.ones((1, 2, 5, 1))])
    assert y.shape == (1, 2, 5, 1) and getattr(y, "_keras_mask", None) is None
    short = addax.layers.Masking()(np.ones((1, 5, 1), "float32"))
    long = addax.layers.Masking()(np.zeros((1, 2, 5, 1), "float32"))
    y = addax.layers.Multiply()([short, long])
    assert y.shape == (1, 2, 5, 1) and y._keras_mask.shape == (1, 2, 5)


def test_masks_in_a_graph():
    x = np.array([[[1.0], [0.0], [2.0]], [[0.0], [1.0], [1.0]]], "float32")
    outputs = []
    for k in (addax, keras):
        a = k.Input((3, 1))
        y = k.layers.Add()([k.layers.Masking(0.0)(a), k.layers.Masking(2.0)(a)])
        z = k.layers.Concatenate(axis=1)([y, a])
        model = k.Model(a, [k.layers.GlobalAveragePooling1D()(y), k.layers.GlobalAveragePooling1D()(z)])
        outputs.append(model.predict(x, verbose=0))
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def ones(*shape):
    return np.ones(shape, "float32")


ERRORS = [
    (lambda L: L.Add()(ones(2, 3)), "A merge layer should be called on a list of inputs"),
    (lambda L: L.Subtract()([ones(2, 3)] * 3), "A `Subtract` layer should be called on exactly 2 inputs"),
    (lambda L: L.Add()([ones(2, 3), ones(4, 3)]), "Cannot merge tensors with different batch sizes"),
    (lambda L: L.Add()([ones(2, 3), ones(2, 4)]), "Inputs have incompatible shapes. Received shapes (3,) and (4,)"),
    (lambda L: L.Add().compute_mask([ones(2)], ones(2)), "`mask` should be a list."),
    (lambda L: L.Add().compute_mask([ones(2)], [ones(2)] * 2), "The lists `inputs` and `mask` should have the same"),
    (lambda L: L.Concatenate()(ones(2, 3)), "A `Concatenate` layer should be called on a list of at least 1 input"),
    (
        lambda L: L.Concatenate(axis=1)([ones(2, 3, 4), ones(2, 3, 5)]),
        "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis",
    ),
    (lambda L: L.Concatenate(axis=1)([ones(2, 3, 4), ones(2, 3)]), "requires inputs with matching shapes except"),
    (lambda L: L.Dot(1)([ones(2, 3), ones(2, 4)]), "Incompatible input shapes: axis values 3 (at axis 1) != 4"),
    (lambda L: L.Dot(1)([ones(2, 3)] * 3), "A `Dot` layer should be called on a list of 2 inputs"),
    (lambda L: L.Dot("a"), "Invalid type for argument `axes`: it should be a list or an int"),
    (lambda L: L.Dot((1, 2, 3)), "Invalid format for argument `axes`: it should contain two elements"),
    (lambda L: L.Dot((1, "a")), "Invalid format for argument `axes`: list elements should be integers"),
]


@pytest.mark.parametrize("action,message", ERRORS, ids=range(len(ERRORS)))
def test_errors_say_what_keras_says(action, message):
    for k in (keras, addax):
        with pytest.raises((ValueError, TypeError)) as error:
            action(k.layers)
        assert message in str(error.value)
