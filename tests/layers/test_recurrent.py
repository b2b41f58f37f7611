"""Recurrent layers, cells and the layers around them against real Keras, and the fused ops against the loop."""

import keras
import numpy as np
import pytest

import addax
from tests.layers import oracle

X = (3, 5, 4)
MASK = np.array([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)

# A layer in both packages.
LAYERS = {
    "simple_rnn": lambda L: L.SimpleRNN(3),
    "simple_rnn_relu": lambda L: L.SimpleRNN(3, activation="relu", use_bias=False, return_sequences=True),
    "simple_rnn_backwards": lambda L: L.SimpleRNN(3, go_backwards=True, return_sequences=True, return_state=True),
    "lstm": lambda L: L.LSTM(3),
    "lstm_all": lambda L: L.LSTM(3, return_sequences=True, return_state=True),
    "lstm_backwards": lambda L: L.LSTM(3, go_backwards=True, return_sequences=True, use_bias=False),
    "lstm_zeros": lambda L: L.LSTM(3, zero_output_for_mask=True, return_sequences=True, return_state=True),
    "lstm_zeros_backwards": lambda L: L.LSTM(3, zero_output_for_mask=True, go_backwards=True),
    "lstm_unrolled": lambda L: L.LSTM(3, unroll=True, return_sequences=True, return_state=True),
    "lstm_hard": lambda L: L.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid", unit_forget_bias=False),
    "gru": lambda L: L.GRU(3),
    "gru_all": lambda L: L.GRU(3, return_sequences=True, return_state=True),
    "gru_before": lambda L: L.GRU(3, reset_after=False, return_sequences=True),
    "gru_before_elu": lambda L: L.GRU(3, reset_after=False, activation="elu", use_bias=False),
    "gru_elu": lambda L: L.GRU(3, activation="elu", go_backwards=True, return_sequences=True),
    "lstm_dropout": lambda L: L.LSTM(3, dropout=0.4, seed=5, return_sequences=True),
    "lstm_recurrent_dropout": lambda L: L.LSTM(3, dropout=0.3, recurrent_dropout=0.4, seed=5),
    "gru_dropout": lambda L: L.GRU(3, dropout=0.4, seed=5, go_backwards=True),
    "gru_recurrent_dropout": lambda L: L.GRU(3, recurrent_dropout=0.4, seed=5, return_sequences=True),
    "gru_before_dropout": lambda L: L.GRU(3, dropout=0.2, recurrent_dropout=0.4, reset_after=False, seed=6),
    "rnn_cell": lambda L: L.RNN(L.GRUCell(3), return_sequences=True, go_backwards=True),
    "rnn_cells": lambda L: L.RNN([L.LSTMCell(3), L.GRUCell(2), L.SimpleRNNCell(4)], return_sequences=True),
    "rnn_cells_last": lambda L: L.RNN([L.GRUCell(2), L.LSTMCell(3)], zero_output_for_mask=True, return_state=True),
    "rnn_cells_dropout": lambda L: L.RNN([L.LSTMCell(3, dropout=0.4, seed=1), L.GRUCell(2, dropout=0.4, seed=2)]),
    "bidirectional": lambda L: L.Bidirectional(L.LSTM(3)),
    "bidirectional_all": lambda L: L.Bidirectional(
        L.GRU(3, return_sequences=True, return_state=True), merge_mode="sum"
    ),
    "bidirectional_mul": lambda L: L.Bidirectional(L.SimpleRNN(3, return_sequences=True), merge_mode="mul"),
    "bidirectional_pair": lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode=None),
    "bidirectional_own": lambda L: L.Bidirectional(
        L.GRU(3, zero_output_for_mask=True, name="one"),
        backward_layer=L.LSTM(3, go_backwards=True, name="other"),
        merge_mode="ave",
    ),
    "time_dense": lambda L: L.TimeDistributed(L.Dense(2, activation="tanh")),
    "time_norm": lambda L: L.TimeDistributed(L.BatchNormalization(momentum=0.7)),
    "time_dropout": lambda L: L.TimeDistributed(L.Dropout(0.5, seed=3)),
}


def _pair(name):
    return LAYERS[name](addax.layers), LAYERS[name](keras.layers)


def _input(shape=X, seed=1):
    return np.random.default_rng(seed).normal(0.0, 1.5, shape).astype("float32")


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("name", LAYERS)
def test_numbers_and_gradients(name, masked):
    x = _input()
    ours, theirs = _pair(name)
    oracle.build_alike(ours, theirs, x)
    mode = {"mask": MASK} if masked else {}
    # Outside of training Keras moves the states of seeds on, in vain; addax does not.
    training = "dropout" in name or "norm" in name
    oracle.assert_alike(ours, theirs, x, rtol=1e-4, atol=2e-5, training=training, **mode)


@pytest.mark.parametrize("name", LAYERS)
def test_config(name):
    ours, theirs = _pair(name)
    assert _nameless(ours.get_config()) == _nameless(theirs.get_config())
    assert list(ours.get_config()) == list(theirs.get_config())
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    assert ours.supports_masking == theirs.supports_masking
    ours.build(X)
    theirs.build(X)
    assert ours.get_build_config() == theirs.get_build_config()
    assert _nameless(ours.get_config()) == _nameless(theirs.get_config()), "with the shapes of the layers inside"
    assert [w.path.split("/")[-1] for w in ours.variables] == [w.path.split("/")[-1] for w in theirs.variables]
    assert [w.path.count("/") for w in ours.variables] == [w.path.count("/") for w in theirs.variables]


def _nameless(config):
    """A config without names, which count up separately on both sides."""
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return [_nameless(item) for item in config] if isinstance(config, list) else config


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_with_unknown_batch_and_time(name):
    for shape in ((None, None, 4), (None, 6, 4)):
        ours, theirs = _pair(name)
        assert _shapes(ours.compute_output_shape(shape)) == _shapes(theirs.compute_output_shape(shape))
        y, expected = ours(addax.Input(shape[1:])), theirs(keras.Input(shape[1:]))
        assert [(t.shape, t.dtype) for t in addax.tree.flatten(y)] == [
            (t.shape, t.dtype) for t in keras.tree.flatten(expected)
        ]
        assert ours.get_build_config() == theirs.get_build_config()


def _shapes(shape):
    """The shapes in a structure. Keras's own structure of states differs between abstract and real calls."""
    if all(dim is None or isinstance(dim, int) for dim in shape):
        return [tuple(shape)]
    return [leaf for item in shape for leaf in _shapes(item)]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_dtype_policies(kind, policy):
    ours, theirs = oracle.pair(kind, 3, return_sequences=True, dtype=policy)
    x = _input()
    oracle.build_alike(ours, theirs, x)
    assert [w.dtype for w in ours.weights] == [w.dtype for w in theirs.weights]
    y, expected = ours(x), theirs(x)
    assert y.dtype == str(expected.dtype) == policy.removeprefix("mixed_")
    # Keras rounds at every step, addax once at the end; states are below 1.
    tolerance = 0.06 if "bfloat16" in policy else 0.01
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), atol=tolerance)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("options", [{}, {"zero_output_for_mask": True}, {"unroll": True}, {"activation": "relu"}])
def test_initial_state_with_masked_start(kind, options):
    ours, theirs = oracle.pair(kind, 3, return_sequences=True, return_state=True, **options)
    x = _input()
    oracle.build_alike(ours, theirs, x)
    states = [_input((3, 3), seed) for seed in range(2 if kind == "LSTM" else 1)]
    y = ours(x, initial_state=states, mask=MASK)
    expected = theirs(x, initial_state=states, mask=MASK)
    for one, other in zip(y, expected, strict=True):
        np.testing.assert_allclose(oracle.numpy_of(one), oracle.numpy_of(other), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_fused_equals_loop(kind, go_backwards, masked):
    """The op over all steps and the cell called step by step, in float64: values, gradients, those of the state."""
    options = {"reset_after": False} if kind == "GRU before" else {}
    kind = kind.split()[0]
    loop_options = {"return_sequences": True, "return_state": True, "go_backwards": go_backwards, "dtype": "float64"}
    fused = getattr(addax.layers, kind)(3, **options, **loop_options)
    loop = addax.layers.RNN(getattr(addax.layers, f"{kind}Cell")(3, dtype="float64", **options), **loop_options)
    rng = np.random.default_rng(0)
    x = addax.ops.convert_to_tensor(rng.standard_normal(X))
    states = [addax.ops.convert_to_tensor(rng.standard_normal((3, 3))) for _ in range(2 if kind == "LSTM" else 1)]
    fused.build(X)
    loop.build(X)
    loop.set_weights([rng.standard_normal(w.shape) for w in fused.weights])
    fused.set_weights(loop.get_weights())
    results = []
    for layer in (fused, loop):
        with addax.GradientTape() as tape:
            for tensor in (x, *states):
                tape.watch(tensor)
            outputs = layer(x, initial_state=states, mask=MASK if masked else None)
            loss = sum(addax.ops.sum(y * np.cos(np.arange(y.size)).reshape(y.shape)) for y in outputs)
        grads = tape.gradient(loss, [x, *states, *layer.trainable_variables])
        results.append([*outputs, *grads])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)


def test_which_calls_are_fused():
    layers = addax.layers
    x = addax.ops.convert_to_tensor(_input())
    for layer, mode in (
        (layers.LSTM(2, use_cudnn=True), {}),
        (layers.LSTM(2, use_cudnn=True, dropout=0.5, go_backwards=True), {"training": True, "mask": MASK}),
        (layers.GRU(2, use_cudnn=True, recurrent_dropout=0.5), {"training": False}),
    ):
        layer(x, **mode)
    for layer, mode in (
        (layers.LSTM(2, use_cudnn=True, activation="relu"), {}),
        (layers.GRU(2, use_cudnn=True, recurrent_dropout=0.5), {"training": True}),
        (layers.GRU(2, use_cudnn=True, unroll=True), {"mask": MASK}),
    ):
        with pytest.raises(ValueError, match="use_cudnn=True was specified"):
            layer(x, **mode)


# -- state


@pytest.mark.parametrize(
    "make",
    [
        lambda L: L.LSTM(3, stateful=True),
        lambda L: L.GRU(3, stateful=True, return_sequences=True, activation="relu"),
        lambda L: L.RNN([L.LSTMCell(3), L.GRUCell(2)], stateful=True),
        lambda L: L.Bidirectional(L.SimpleRNN(3, stateful=True)),
    ],
)
def test_stateful(make):
    ours, theirs = make(addax.layers), make(keras.layers)
    x = _input()
    oracle.build_alike(ours, theirs, x)
    assert [w.path.split("/")[-1] for w in ours.variables] == [w.path.split("/")[-1] for w in theirs.variables]
    for step in range(5):
        if step == 3 and not isinstance(theirs.states[0], list):  # Keras cannot reset nested states
            ours.reset_state()
            theirs.reset_state()
        y, expected = ours(_input(seed=step)), theirs(_input(seed=step))
        np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-5, atol=1e-5)
    for one, other in zip(addax.tree.flatten(ours.states), keras.tree.flatten(theirs.states), strict=True):
        assert one.path.split("/")[-1] == other.path.split("/")[-1] == "rnn_state"
        np.testing.assert_allclose(oracle.numpy_of(one), oracle.numpy_of(other), rtol=1e-5, atol=1e-5)


def test_states_of_a_model_in_training_and_prediction():
    model = addax.Sequential([addax.Input((4, 2), batch_size=2), addax.layers.GRU(3, stateful=True)])
    model.compile("sgd", "mse")
    x = _input((2, 4, 2))
    first, second = model.predict(x, verbose=0), model.predict(x, verbose=0)
    assert not np.allclose(first, second)
    model.layers[0].reset_state()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    model.fit(x, np.zeros((2, 3)), batch_size=2, verbose=0)
    assert np.abs(model.layers[0].states[0].numpy()).max() > 0


# -- masks


def test_masks_are_passed_on_as_in_keras():
    x = np.where(MASK[..., None], _input(), 0).astype("float32")
    for name in ("lstm", "lstm_all", "rnn_cells", "bidirectional", "bidirectional_all", "bidirectional_pair"):
        ours, theirs = _pair(name)
        y = ours(addax.layers.Masking()(addax.ops.convert_to_tensor(x)))
        expected = theirs(keras.layers.Masking()(x))
        got = [getattr(t, "_keras_mask", None) for t in addax.tree.flatten(y)]
        want = [getattr(t, "_keras_mask", None) for t in keras.tree.flatten(expected)]
        assert [None if m is None else np.asarray(m).tolist() for m in got] == [
            None if m is None else np.asarray(m).tolist() for m in want
        ]


def test_a_mask_with_a_last_axis_of_one():
    layer = addax.layers.LSTM(3)
    x = _input()
    np.testing.assert_array_equal(layer(x, mask=MASK[..., None]).numpy(), layer(x, mask=MASK).numpy())


# -- cells


@pytest.mark.parametrize("kind", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells(kind):
    ours, theirs = oracle.pair(kind, 3, dropout=0.3, recurrent_dropout=0.3, seed=9)
    assert _nameless(ours.get_config()) == _nameless(theirs.get_config())
    assert list(ours.get_config()) == list(theirs.get_config())
    assert (ours.state_size, ours.output_size) == (theirs.state_size, theirs.output_size)
    x = _input((2, 4))
    oracle.build_alike(ours, theirs, x)
    states = [_input((2, 3), seed) for seed in range(2 if kind == "LSTMCell" else 1)]
    for _ in range(2):  # the masks stay until they are reset
        y, new = ours(x, states, training=True)
        expected, expected_new = theirs(x, states, training=True)
        for one, other in zip((y, *new), (expected, *expected_new), strict=True):
            np.testing.assert_allclose(oracle.numpy_of(one), oracle.numpy_of(other), rtol=1e-5, atol=1e-6)
    before = ours.get_dropout_mask(x)
    assert ours.get_dropout_mask(x) is before or ours.get_dropout_mask(x)[0] is before[0]
    ours.reset_dropout_mask()
    ours.reset_recurrent_dropout_mask()
    assert not np.allclose(ours(x, states, training=True)[0].numpy(), y.numpy())


def _custom(k):
    class Cell(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.state_size = (3, 1)

        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 3), name="w")

        def call(self, x, states):
            total = k.ops.matmul(x, self.w) + states[0]
            return total * 2, [total, states[1] + 1]

    return k.layers.RNN(Cell(), return_sequences=True, return_state=True)


def test_custom_cell():
    ours, theirs = _custom(addax), _custom(keras)
    x = _input()
    oracle.build_alike(ours, theirs, x)
    for mode in ({}, {"mask": MASK}):
        oracle.assert_alike(ours, theirs, x, rtol=1e-4, atol=1e-4, **mode)


def test_nested_initial_states():
    ours, theirs = _pair("rnn_cells")
    x = _input()
    oracle.build_alike(ours, theirs, x)
    states = [[_input((3, 3), 1), _input((3, 3), 2)], [_input((3, 2), 3)], [_input((3, 4), 4)]]
    for mode in ({}, {"mask": MASK}):
        y, expected = ours(x, initial_state=states, **mode), theirs(x, initial_state=states, **mode)
        np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-5, atol=1e-5)


# -- graphs


def _translator(k):
    """An encoder whose states start a decoder."""
    source, target = k.Input((None, 4)), k.Input((None, 3))
    _, h, c = k.layers.LSTM(5, return_state=True, name="encoder")(source)
    y = k.layers.LSTM(5, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return k.Model([source, target], k.layers.TimeDistributed(k.layers.Dense(2), name="head")(y))


def test_states_between_layers_of_a_graph(tmp_path):
    ours, theirs = _translator(addax), _translator(keras)
    inputs = [_input((2, 6, 4)), _input((2, 3, 3))]
    oracle.give_same_weights(ours, theirs)
    np.testing.assert_allclose(ours.predict(inputs, verbose=0), theirs.predict(inputs, verbose=0), rtol=1e-4, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    for loaded in (
        keras.models.load_model(tmp_path / "ours.keras"),
        addax.models.load_model(tmp_path / "theirs.keras"),
    ):
        y = loaded.predict(inputs, verbose=0)
        np.testing.assert_allclose(y, ours.predict(inputs, verbose=0), rtol=1e-4, atol=1e-5)


# -- TimeDistributed


@pytest.mark.parametrize(
    "make",
    [
        lambda L: L.TimeDistributed(L.Conv2D(3, 2, strides=2)),
        lambda L: L.TimeDistributed(L.Flatten()),
        lambda L: L.TimeDistributed(L.TimeDistributed(L.Reshape((4,)))),
    ],
)
def test_time_distributed_over_more_dims(make):
    images = _input((2, 3, 4, 2, 2))
    ours, theirs = make(addax.layers), make(keras.layers)
    oracle.build_alike(ours, theirs, images)
    np.testing.assert_allclose(oracle.numpy_of(ours(images)), oracle.numpy_of(theirs(images)), rtol=1e-4, atol=1e-4)
    unknown = (None, 4, 2, 2)
    assert make(addax.layers)(addax.Input(unknown)).shape == make(keras.layers)(keras.Input(unknown)).shape


def test_time_distributed_gives_layers_their_part_of_the_mask():
    seen = []

    class Seer(addax.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x, mask=None):
            seen.append(mask.tolist())
            return x

    y = addax.layers.TimeDistributed(Seer())(_input(), mask=MASK)
    assert seen == MASK.T.tolist()
    assert y._keras_mask.tolist() == MASK.tolist()


def test_time_distributed_calls_strange_layers_step_by_step():
    """A function that mixes examples must not see steps as examples."""
    layer = addax.layers.TimeDistributed(addax.layers.Lambda(lambda x: x - addax.ops.mean(x, axis=0)))
    x = _input()
    np.testing.assert_allclose(layer(x).numpy(), x - x.mean(axis=0), atol=1e-6)


# -- errors

ERRORS = [
    (lambda L: L.LSTM(0), "Received an invalid value for argument `units`, expected a positive integer, got 0"),
    (lambda L: L.GRU(2)(np.ones((2, 3), "float32")), "expected ndim=3, found ndim=2"),
    (lambda L: L.RNN(3), "Argument `cell` should have a `call` method"),
    (lambda L: L.RNN(L.Dense(2)), "The RNN cell should have a `state_size` attribute"),
    (lambda L: L.StackedRNNCells([L.Dense(2)]), "All cells must have a `state_size` attribute"),
    (lambda L: L.Bidirectional(3), "Please initialize `Bidirectional` layer with a"),
    (lambda L: L.Bidirectional(L.LSTM(2), merge_mode="foo"), "Invalid merge mode. Received: foo"),
    (lambda L: L.Bidirectional(L.LSTM(2), backward_layer=L.LSTM(2)), "should have different `go_backwards` value"),
    (
        lambda L: L.Bidirectional(L.LSTM(2), backward_layer=L.GRU(2, go_backwards=True, return_sequences=True)),
        'expected to have the same value for attribute "return_sequences"',
    ),
    (lambda L: L.TimeDistributed(3), "Please initialize `TimeDistributed` layer with a"),
    (lambda L: L.TimeDistributed(L.Dense(2))(np.ones((2, 3), "float32")), "with at least 3 dimensions"),
    (lambda L: _called_twice(L.LSTM(2, stateful=True)), "the batch size of the input sequences must be the same"),
    (lambda L: L.SimpleRNNCell(2, seed=1.5), "rgument `seed` must be an integer"),
    (lambda L: L.LSTM(2, time_major=True), "Unrecognized keyword arguments passed to LSTM: {'time_major': True}"),
]


def _called_twice(layer):
    layer(np.ones((2, 3, 4), "float32"))
    layer(np.ones((3, 3, 4), "float32"))


@pytest.mark.parametrize("action,message", ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_say_what_keras_says(action, message):
    for layers in (keras.layers, addax.layers):
        with pytest.raises(ValueError) as error:
            action(layers)
        assert message in str(error.value)


@pytest.mark.parametrize(
    "action,message",
    [
        (lambda L: L.LSTM(2)(_input(), initial_state=[np.zeros((3, 2), "float32")]), "expected 2 initial states"),
        (lambda L: L.LSTM(2)(_input(), mask=MASK[:, :3]), r"expected a mask of shape \(3, 5\)"),
        (lambda L: L.RNN(L.LSTMCell(2))(np.zeros((2, 0, 3), "float32")), "expected at least one time step"),
        (lambda L: L.LSTM(2, stateful=True)(addax.Input((4, 3))), "the batch size must be static"),
    ],
)
def test_errors_of_our_own(action, message):
    with pytest.raises(ValueError, match=message):
        action(addax.layers)


# -- learning


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Bidirectional"])
def test_learns_to_remember(kind):
    """The class is the sign of the first number; those that follow are noise. Guessing is right in half the cases."""
    addax.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (768, 12, 1)).astype("float32")
    y = (x[:, 0, 0] > 0).astype("float32")
    layers = addax.layers
    recurrent = layers.Bidirectional(layers.LSTM(12)) if kind == "Bidirectional" else getattr(layers, kind)(16)
    model = addax.Sequential([addax.Input((None, 1)), recurrent, layers.Dense(1, activation="sigmoid")])
    model.compile(addax.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x[:512], y[:512], batch_size=32, epochs=60, verbose=0)
    assert model.evaluate(x[512:], y[512:], verbose=0)[1] > 0.85
