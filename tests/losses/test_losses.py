"""Losses against Keras on JAX: values, reductions, weights, masks, gradients; configs, names and error messages."""

import jax
import keras
import numpy as np
import pytest

import addax

rng = np.random.default_rng(0)
N, CLASSES = 6, 4
REAL = rng.normal(size=(N, CLASSES)).astype("float32")
PRED = rng.normal(size=(N, CLASSES)).astype("float32")
PROBS = (lambda e: e / e.sum(-1, keepdims=True))(np.exp(rng.normal(size=(N, CLASSES)))).astype("float32")
NUMBERS = rng.integers(0, CLASSES, N)
ONE_HOT = np.eye(CLASSES, dtype="float32")[NUMBERS]
BINARY = rng.integers(0, 2, (N, CLASSES)).astype("float32")
UNIT = rng.uniform(0.05, 0.95, (N, CLASSES)).astype("float32")
POSITIVE = np.abs(REAL) + 0.1

CASES = [
    ("MeanSquaredError", {}, REAL, PRED),
    ("MeanAbsoluteError", {}, REAL, PRED),
    ("MeanAbsolutePercentageError", {}, REAL, PRED),
    ("MeanSquaredLogarithmicError", {}, POSITIVE, UNIT),
    ("Huber", {}, REAL, PRED),
    ("Huber", {"delta": 0.3}, REAL, PRED),
    ("LogCosh", {}, REAL, PRED),
    ("LogCosh", {}, REAL, 200 * PRED),
    ("Poisson", {}, POSITIVE, UNIT),
    ("CosineSimilarity", {}, REAL, PRED),
    ("CosineSimilarity", {"axis": 0}, REAL, PRED),
    ("KLDivergence", {}, PROBS[::-1], PROBS),
    ("Hinge", {}, BINARY, PRED),
    ("Hinge", {}, 2 * BINARY - 1, PRED),
    ("SquaredHinge", {}, BINARY, PRED),
    ("CategoricalHinge", {}, ONE_HOT, PRED),
    ("BinaryCrossentropy", {}, BINARY, UNIT),
    ("BinaryCrossentropy", {"from_logits": True}, BINARY, 9 * PRED),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, BINARY, UNIT),
    ("BinaryCrossentropy", {"axis": 0}, BINARY, UNIT),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBS),
    ("CategoricalCrossentropy", {}, ONE_HOT, 3 * PROBS),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, 9 * PRED),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1, "from_logits": True}, ONE_HOT, PRED),
    ("CategoricalCrossentropy", {"axis": 0}, ONE_HOT, PROBS),
    ("SparseCategoricalCrossentropy", {}, NUMBERS, PROBS),
    ("SparseCategoricalCrossentropy", {}, NUMBERS[:, None], PROBS),
    ("SparseCategoricalCrossentropy", {}, NUMBERS.astype("float32"), PROBS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, NUMBERS, 9 * PRED),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, NUMBERS, PROBS),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True}, np.where(NUMBERS, NUMBERS, -1), PRED),
]
IDS = [f"{name}-{','.join(f'{k}={v}' for k, v in kwargs.items())}-{i}" for i, (name, kwargs, *_) in enumerate(CASES)]
# Both sides compute in float32 with about ten roundings for a value; logarithms of small probabilities amplify them.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
def test_values_are_keras(name, kwargs, y_true, y_pred):
    per_sample = np.linspace(0, 2, y_pred.shape[1 if kwargs.get("axis") == 0 else 0]).astype("float32")
    for reduction in addax.losses.loss.REDUCTIONS:
        for weights in (None, per_sample, per_sample[:, None], 2.0):
            theirs = getattr(keras.losses, name)(reduction=reduction, **kwargs)(y_true, y_pred, sample_weight=weights)
            ours = getattr(addax.losses, name)(reduction=reduction, **kwargs)(y_true, y_pred, sample_weight=weights)
            assert ours.dtype == "float32"
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), **TOLERANCE)


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
def test_gradient_is_keras(name, kwargs, y_true, y_pred):
    weights = None if kwargs.get("axis") == 0 else np.linspace(0.5, 2, N).astype("float32")
    theirs = getattr(keras.losses, name)(**kwargs)
    expected = jax.grad(lambda p: theirs(y_true, p, sample_weight=weights))(y_pred)
    x = addax.ops.convert_to_tensor(y_pred)
    with addax.GradientTape() as tape:
        tape.watch(x)
        loss = getattr(addax.losses, name)(**kwargs)(y_true, x, sample_weight=weights)
    np.testing.assert_allclose(tape.gradient(loss, x).numpy(), np.asarray(expected), **TOLERANCE)


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES}))
def test_function_form_is_keras(name):
    _, _, y_true, y_pred = next(case for case in CASES if case[0] == name and not case[1])
    function = "huber" if name == "Huber" else keras.losses.get(name).name
    theirs = getattr(keras.losses, function)(y_true, y_pred)
    ours = getattr(addax.losses, function)(y_true, y_pred)
    np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), **TOLERANCE)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "mixed_bfloat16"])
def test_dtype_of_result(dtype):
    ours = addax.losses.MeanSquaredError(dtype=dtype)
    assert ours.dtype == keras.losses.MeanSquaredError(dtype=dtype).dtype
    assert ours(REAL, PRED).dtype == ours.dtype


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
def test_mask_is_keras(reduction, weighted):
    mask = np.array([1, 0, 1, 1, 0, 1], dtype=bool)
    weights = np.linspace(1, 2, N).astype("float32") if weighted else None
    theirs = keras.ops.convert_to_tensor(PRED)
    theirs._keras_mask = keras.ops.convert_to_tensor(mask)
    ours = addax.ops.convert_to_tensor(PRED)
    ours._keras_mask = addax.ops.convert_to_tensor(mask)
    expected = keras.losses.MeanSquaredError(reduction=reduction)(REAL, theirs, sample_weight=weights)
    result = addax.losses.MeanSquaredError(reduction=reduction)(REAL, ours, sample_weight=weights)
    np.testing.assert_allclose(result.numpy(), np.asarray(expected), **TOLERANCE)


def test_class_numbers_beyond_float_precision():
    # 2**24 + 1 has no float32; a loss that turned targets into floats would take the wrong class.
    values = addax.losses.SparseCategoricalCrossentropy(ignore_class=2**24 + 1, reduction="none")(
        np.array([2**24 + 1, 0]), np.array([[0.5, 0.5], [0.5, 0.5]])
    )
    np.testing.assert_allclose(values.numpy(), [0, np.log(2)], rtol=1e-6)


def test_empty_batch_has_loss_zero():
    assert float(addax.losses.MeanSquaredError()(np.ones((0, 2)), np.ones((0, 2)))) == 0.0


def test_structures():
    class Sum(addax.losses.Loss):
        def call(self, y_true, y_pred):
            return addax.ops.abs(y_true["a"] - y_pred["a"]) + y_pred["b"]

    y_pred = {"a": np.array([1.0, 2.0]), "b": np.array([1.0, 1.0])}
    assert float(Sum()({"a": np.zeros(2), "b": np.zeros(2)}, y_pred)) == 2.5


def test_user_loss_sees_keras_dtypes():
    class Probe(addax.losses.Loss):
        def call(self, y_true, y_pred):
            self.seen = y_true.dtype, y_pred.dtype
            return addax.ops.mean(y_true - y_pred, axis=-1)

    probe = Probe()
    probe(np.array([[1], [2]]), np.array([[1.0], [2.0]]))
    assert probe.seen == ("float32", "float32")
    assert probe.name.startswith("probe")


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES}))
def test_config_round_trip(name):
    loss = getattr(addax.losses, name)(reduction="sum", name="mine")
    config = addax.losses.serialize(loss)
    assert config["module"] == "keras.losses"
    theirs = keras.losses.deserialize(config)  # stock Keras reads it
    assert (theirs.name, theirs.reduction) == ("mine", "sum")
    again = addax.losses.deserialize(keras.losses.serialize(theirs))  # and we read what it writes
    assert (type(again), again.name, again.reduction) == (type(loss), "mine", "sum")


def test_config_of_a_wrapped_function():
    loss = addax.losses.loss.LossFunctionWrapper(addax.losses.mean_squared_error, name="wrapped")
    again = addax.losses.loss.LossFunctionWrapper.from_config(loss.get_config())
    assert again.fn is addax.losses.mean_squared_error
    assert again.name == "wrapped"


@pytest.mark.parametrize(
    "identifier",
    ["mse", "MSE", "mae", "mape", "msle", "bce", "kld", "KLD", "mean_squared_error", "MeanSquaredError", "huber"],
)
def test_get_knows_the_names_of_keras(identifier):
    ours, theirs = addax.losses.get(identifier), keras.losses.get(identifier)
    assert getattr(ours, "__name__", type(ours).__name__) == getattr(theirs, "__name__", type(theirs).__name__)


def test_get_other_forms():
    def mine(y_true, y_pred):
        return y_pred

    instance = addax.losses.Huber()
    assert addax.losses.get(None) is None
    assert addax.losses.get(mine) is mine
    assert addax.losses.get(instance) is instance
    assert isinstance(addax.losses.get(addax.losses.Huber), addax.losses.Huber)
    assert isinstance(addax.losses.get({"class_name": "Huber", "config": {}}), addax.losses.Huber)
    assert addax.losses.deserialize("mine", custom_objects={"mine": mine}) is mine


@pytest.mark.parametrize("identifier", ["nope", 3, {"class_name": "Nope", "config": {}}, {"config": {}}])
def test_get_unknown(identifier):
    with pytest.raises((ValueError, TypeError), match=r"Could not interpret loss identifier|unknown class"):
        addax.losses.get(identifier)


ERRORS = [
    (
        lambda: addax.losses.CategoricalCrossentropy()(NUMBERS, PROBS),
        r"target.shape=\(6,\), output.shape=\(6, 4\)\. The targets look like class numbers: use the loss "
        r"'sparse_categorical_crossentropy', or one-hot encode them with addax.utils.to_categorical\(y, 4\)",
    ),
    (
        lambda: addax.losses.CategoricalCrossentropy()(NUMBERS[:, None], PROBS),
        r"target.shape=\(6, 1\), output.shape=\(6, 4\)\. The targets look like class numbers",
    ),
    (
        lambda: addax.losses.CategoricalCrossentropy()(np.eye(6), PROBS),
        r"target.shape=\(6, 6\), output.shape=\(6, 4\)\. The last layer of the model should have 6 units",
    ),
    (
        lambda: addax.losses.SparseCategoricalCrossentropy()(ONE_HOT, PROBS),
        r"same shape up until the last dimension: target.shape=\(6, 4\), output.shape=\(6, 4\)\. "
        r"The targets look one-hot: use the loss 'categorical_crossentropy'",
    ),
    (
        lambda: addax.losses.SparseCategoricalCrossentropy()(NUMBERS[:3], PROBS),
        r"target.shape=\(3,\), output.shape=\(6, 4\)",
    ),
    (
        lambda: addax.losses.BinaryCrossentropy()(BINARY[:3], UNIT),
        r"y_true \(3, 4\), y_pred \(6, 4\)",
    ),
    (
        lambda: addax.losses.BinaryCrossentropy()(BINARY[:, :1], UNIT),
        r"binary_crossentropy: Arguments `target` and `output` must have the same shape. "
        r"Received: target.shape=\(6, 1\), output.shape=\(6, 4\)",
    ),
    (
        lambda: addax.losses.MeanSquaredError()(REAL[:, :3], PRED),
        r"mean_squared_error: y_true and y_pred must have the same shape. Received: y_true \(6, 3\), y_pred \(6, 4\)\. "
        r"The last layer of the model should have 3 units",
    ),
    (
        lambda: addax.losses.MeanSquaredError()(NUMBERS, PRED),
        r"y_true \(6,\), y_pred \(6, 4\)\. If the targets are class numbers, use a sparse loss",
    ),
    (
        lambda: addax.losses.MeanSquaredError()(REAL, PRED, sample_weight=np.ones(5)),
        r"mean_squared_error: sample_weight must broadcast to the loss values of shape \(6,\).*Received: sample_weight "
        r"of shape \(5,\)",
    ),
    (
        lambda: addax.losses.MeanSquaredError(reduction="average"),
        "Invalid value for argument `reduction`. Expected one of .*Received: reduction=average",
    ),
    (lambda: addax.losses.Loss()(REAL, PRED), None),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_teach(call, message):
    with pytest.raises(NotImplementedError if message is None else ValueError, match=message):
        call()
