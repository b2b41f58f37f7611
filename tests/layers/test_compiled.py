"""Every layer in a compiled training step: the same bits as step by step, masks and random numbers included."""

import numpy as np
import pytest

import addax
from addax import layers
from tests.layers import test_against_keras, test_masks, test_merging, test_recurrent

pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer 'flatten.*destroy the mask"),  # behind Masking
    pytest.mark.usefixtures("eager_rounding"),
]

NAMES = sorted({case[0] for case in test_against_keras.CASES})


def trained(build, x, eagerly):
    addax.utils.set_random_seed(7)
    model = build()
    y = np.random.default_rng(2).normal(size=model(x).shape).astype("float32")
    model.compile(addax.optimizers.SGD(0.01, momentum=0.9), "mse", run_eagerly=eagerly)
    history = model.fit(x, y, epochs=3, batch_size=2, shuffle=False, verbose=0).history
    return history["loss"], model.get_weights(), model.predict(x, verbose=0)


def assert_same_bits(build, x):
    (losses, weights, y), (expected_losses, expected_weights, expected) = (
        trained(build, x, eagerly) for eagerly in (False, True)
    )
    assert losses == expected_losses
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("name", NAMES)
def test_layer(name):
    case = next(case for case in test_against_keras.CASES if case[0] == name)
    _, args, kwargs, shape = case
    x = test_against_keras._input_of(case)

    def build():
        first = layers.Identity() if name == "Embedding" else layers.Dense(shape[-1])
        return addax.Sequential([first, getattr(layers, name)(*args, **kwargs), layers.Flatten(), layers.Dense(2)])

    assert_same_bits(build, x)


@pytest.mark.parametrize("name", sorted({case[0] for case in test_merging.CASES}))
def test_merge(name):
    _, kwargs, shapes = next(case for case in test_merging.CASES if case[0] == name)

    def build():
        inputs = [addax.Input(shape[1:]) for shape in shapes]
        merged = getattr(layers, name)(**kwargs)([layers.Dense(a.shape[-1])(a) for a in inputs])
        return addax.Model(inputs, layers.Dense(2)(layers.Flatten()(merged)))

    assert_same_bits(build, test_merging._inputs(shapes))


@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("make,x", [(test_masks.classifier, test_masks.TOKENS), (test_masks.tagger, test_masks.STEPS)])
def test_masks_in_a_compiled_step(make, x, sequential):
    assert_same_bits(lambda: make(addax, sequential), x)


def test_lambda():
    x = test_merging._inputs([(4, 3)])[0]
    assert_same_bits(lambda: addax.Sequential([layers.Lambda(lambda x: x * 2 + 1), layers.Dense(2)]), x)


RECURRENT = (
    "simple_rnn",
    "lstm",
    "lstm_zeros_backwards",
    "gru_before",
    "lstm_dropout",
    "gru_recurrent_dropout",
    "rnn_cells",
    "rnn_cells_dropout",
    "bidirectional",
    "time_dense",
    "time_dropout",
)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layer(name):
    x = test_recurrent._input((4, 5, 4))
    x[0, 1:3] = x[1, :2] = x[3, 2:] = 0

    def build():
        recurrent = test_recurrent.LAYERS[name](layers)
        return addax.Sequential([layers.Masking(), recurrent, layers.Flatten(), layers.Dense(2)])

    assert_same_bits(build, x)


def test_stateful_layer():
    x = test_recurrent._input((4, 5, 4))

    def build():
        return addax.Sequential([addax.Input((5, 4), batch_size=2), layers.LSTM(3, stateful=True), layers.Dense(2)])

    def run(eagerly):
        addax.utils.set_random_seed(7)
        model = build()
        model.compile("sgd", "mse", run_eagerly=eagerly)
        model.fit(x, x[:, 0, :2], epochs=2, batch_size=2, shuffle=False, verbose=0)
        return [*model.get_weights(), *(v.numpy() for v in model.layers[0].states)]

    for one, other in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(one, other)
