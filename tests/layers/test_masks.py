"""Masks against real Keras: who makes them, who passes them on, who uses them, up to the loss."""

import warnings

import keras
import numpy as np
import pytest

import addax
from addax import layers
from tests.layers import oracle

TOKENS = np.array([[1, 4, 0, 0], [2, 0, 3, 0], [5, 1, 2, 4]])
STEPS = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
STEPS[0, 2:] = STEPS[1, 1] = 0.5


def mask_of(x):
    mask = getattr(x, "_keras_mask", None)
    return None if mask is None else np.asarray(mask).tolist()


def test_embedding_makes_a_mask():
    expected = (TOKENS != 0).tolist()
    assert mask_of(layers.Embedding(6, 3, mask_zero=True)(TOKENS)) == expected
    assert mask_of(keras.layers.Embedding(6, 3, mask_zero=True)(TOKENS)) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mask_of(layers.Embedding(6, 3)(TOKENS)) is None


def test_masking_against_keras():
    ours, theirs = oracle.pair("Masking", mask_value=0.5)
    y, expected = ours(STEPS), theirs(STEPS)
    np.testing.assert_array_equal(oracle.numpy_of(y), oracle.numpy_of(expected))
    assert mask_of(y) == mask_of(expected)
    assert mask_of(y)[0] == [True, True, False, False]
    oracle.assert_alike(ours, theirs, STEPS)


@pytest.mark.parametrize(
    "name,args",
    [
        ("Dense", (2,)),
        ("Dropout", (0.5,)),
        ("Activation", ("relu",)),
        ("BatchNormalization", ()),
        ("Identity", ()),
        ("ActivityRegularization", ()),
    ],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_layers_pass_masks_on(name, args, policy):
    for k in (keras, addax):
        x = k.layers.Masking(0.5)(STEPS)
        assert mask_of(getattr(k.layers, name)(*args, dtype=policy)(x)) == mask_of(x)


def test_layers_that_do_not_know_masks_warn_and_lose_them():
    for k in (keras, addax):
        x = k.layers.Masking(0.5)(STEPS)
        with pytest.warns(UserWarning, match="does not support masking and will therefore destroy"):
            y = k.layers.Reshape((8,))(x)
        assert mask_of(y) is None


def classifier(k, sequential):
    """Masked steps count neither in the pooling nor in the loss."""
    stack = [
        k.layers.Embedding(6, 3, mask_zero=True, name="embedding"),
        k.layers.Dropout(0.0),
        k.layers.Dense(4, activation="tanh", name="hidden"),
        k.layers.GlobalAveragePooling1D(),
        k.layers.Dense(1, name="score"),
    ]
    if sequential:
        return k.Sequential(stack)
    x = y = k.Input((4,), dtype="int32")
    for layer in stack:
        y = layer(y)
    return k.Model(x, y)


def tagger(k, sequential):
    """The mask reaches the loss and the metric."""
    stack = [k.layers.Masking(0.5), k.layers.Dense(3, name="hidden"), k.layers.Dense(1, name="tag")]
    if sequential:
        return k.Sequential(stack)
    x = y = k.Input((4, 2))
    for layer in stack:
        y = layer(y)
    return k.Model(x, y)


@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("make,x,target", [(classifier, TOKENS, (3, 1)), (tagger, STEPS, (3, 4, 1))])
def test_training_under_masks(make, x, target, sequential):
    ours, theirs = make(addax, sequential), make(keras, sequential)
    y = np.random.default_rng(1).normal(size=target).astype("float32")
    for model in (ours, theirs):
        model.compile("sgd", "mse", metrics=["mae"])
        model.build(x.shape)
    oracle.give_same_weights(ours, theirs)
    histories = [model.fit(x, y, epochs=3, batch_size=3, shuffle=False, verbose=0).history for model in (ours, theirs)]
    # Keras on JAX loses the mask on its way to the metrics of a training step; evaluation has it.
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    results = [model.evaluate(x, y, verbose=0, return_dict=True) for model in (ours, theirs)]
    for key, expected in results[1].items():
        np.testing.assert_allclose(results[0][key], expected, rtol=1e-5, err_msg=key)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    other = x.copy()
    other[0, 3] = 5 if make is classifier else 7.0  # no longer padding
    assert (ours.predict(other, verbose=0)[0] != ours.predict(x, verbose=0)[0]).any()


@pytest.mark.filterwarnings("ignore:Layer 'sequential")  # Keras warns that the stack drops the mask behind pooling
def test_a_mask_given_to_a_stack_reaches_its_layers():
    mask = np.array([[True, True, False, False], [True] * 4, [False, True, True, True]])
    for_pooling = [lambda k: k.layers.GlobalAveragePooling1D()]
    behind_dropout = [lambda k: k.layers.Dropout(0.1), *for_pooling]
    for makers in (for_pooling, behind_dropout):
        ours, theirs = (k.Sequential([make(k) for make in makers]) for k in (addax, keras))
        expected = theirs(STEPS, mask=mask)
        np.testing.assert_allclose(oracle.numpy_of(ours(STEPS, mask=mask)), oracle.numpy_of(expected), rtol=1e-6)
        assert not np.allclose(oracle.numpy_of(ours(STEPS)), oracle.numpy_of(expected))


def test_masks_in_the_graph_are_those_of_keras():
    nodes = []
    for k in (addax, keras):
        model = classifier(k, sequential=False)
        entries = {entry["class_name"]: entry["inbound_nodes"] for entry in model.get_config()["layers"]}
        mask = entries["GlobalAveragePooling1D"][0]["kwargs"]["mask"]["config"]
        assert mask["dtype"] == "bool" and mask["keras_history"][0].startswith("not_equal")
        nodes.append(sorted(entries))
    assert nodes[0] == nodes[1]


def test_a_custom_layer_makes_its_own_mask():
    class Shorten(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x[:, 1:]

        def compute_mask(self, x, mask=None):
            return None if mask is None else mask[:, 1:]

    y = Shorten()(layers.Masking(0.5)(STEPS))
    assert mask_of(y)[0] == [True, False, False]
    x = addax.Input((4, 2))
    pooled = layers.GlobalAveragePooling1D()(Shorten()(layers.Masking(0.5)(x)))
    expected = layers.GlobalAveragePooling1D()(STEPS[:, 1:], mask=np.any(STEPS[:, 1:] != 0.5, axis=-1))
    np.testing.assert_allclose(addax.Model(x, pooled)(STEPS).numpy(), expected.numpy(), rtol=1e-6)
