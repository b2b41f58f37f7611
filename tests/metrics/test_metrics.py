"""Metrics against Keras on JAX, batch by batch with and without weights and masks; state, configs, names, errors."""

import keras
import numpy as np
import pytest

import addax

rng = np.random.default_rng(1)
N, CLASSES = 7, 5


def real(rng):
    return rng.normal(size=(N, CLASSES)).astype("float32")


def positive(rng):
    return rng.uniform(0.1, 0.9, (N, CLASSES)).astype("float32")


def numbers(rng):
    return rng.integers(0, CLASSES, N)


def one_hot(rng):
    return np.eye(CLASSES, dtype="float32")[numbers(rng)]


def binary(rng):
    return rng.integers(0, 2, (N, CLASSES)).astype("float32")


CASES = [
    ("Accuracy", {}, numbers, numbers),
    ("BinaryAccuracy", {}, binary, positive),
    ("BinaryAccuracy", {"threshold": 0.3}, binary, positive),
    ("CategoricalAccuracy", {}, one_hot, positive),
    ("SparseCategoricalAccuracy", {}, numbers, positive),
    ("SparseCategoricalAccuracy", {}, lambda rng: numbers(rng)[:, None], positive),
    ("SparseCategoricalAccuracy", {}, lambda rng: numbers(rng).astype("float32"), positive),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, positive),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, numbers, positive),
    (
        "SparseTopKCategoricalAccuracy",
        {"k": 2, "from_sorted_ids": True},
        numbers,
        lambda rng: rng.permuted(np.tile(np.arange(CLASSES), (N, 1)), axis=1),
    ),
    ("MeanSquaredError", {}, real, real),
    ("RootMeanSquaredError", {}, real, real),
    ("MeanAbsoluteError", {}, real, real),
    ("MeanAbsolutePercentageError", {}, real, real),
    ("MeanSquaredLogarithmicError", {}, positive, positive),
    ("LogCoshError", {}, real, real),
    ("Poisson", {}, positive, positive),
    ("KLDivergence", {}, positive, positive),
    ("CosineSimilarity", {}, real, real),
    ("Hinge", {}, binary, real),
    ("SquaredHinge", {}, binary, real),
    ("CategoricalHinge", {}, one_hot, real),
    ("BinaryCrossentropy", {}, binary, positive),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, binary, real),
    ("CategoricalCrossentropy", {}, one_hot, positive),
    ("SparseCategoricalCrossentropy", {}, numbers, positive),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, numbers, real),
]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]
# A handful of float32 roundings a value and a sum over 21 samples on each side.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_three_batches_are_keras(name, kwargs, y_true, y_pred, weighted):
    rng = np.random.default_rng(2)
    ours, theirs = getattr(addax.metrics, name)(**kwargs), getattr(keras.metrics, name)(**kwargs)
    for _ in range(3):
        true, pred = y_true(rng), y_pred(rng)
        weights = rng.uniform(0, 2, N).astype("float32") if weighted else None
        ours.update_state(true, pred, sample_weight=weights)
        theirs.update_state(true, pred, sample_weight=weights)
        np.testing.assert_allclose(ours.result().numpy(), np.asarray(theirs.result()), **TOLERANCE)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        assert (mine.path, mine.shape, mine.dtype) == (
            other.path.replace(theirs.name, ours.name),
            tuple(other.shape),
            other.dtype,
        )
        np.testing.assert_allclose(mine.numpy(), np.asarray(other.value), **TOLERANCE)
    assert ours.name == theirs.name
    assert getattr(ours, "_direction", None) == getattr(theirs, "_direction", None)
    ours.reset_state()
    assert float(ours.result()) == 0.0


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([1.0, 2.0, 6.0], None),
        ([1.0, 2.0, 6.0], [1.0, 0.0, 2.0]),
        (4.0, None),
        (4.0, 3.0),
        (np.arange(6.0).reshape(2, 3), None),
        (np.arange(6.0).reshape(2, 3), [1.0, 3.0]),
        (np.arange(6.0).reshape(2, 3), [[1.0, 0, 1], [2, 1, 1]]),
        (np.arange(12.0).reshape(2, 3, 2), [1.0, 2.0]),
        (np.arange(12.0).reshape(2, 3, 2), [[1.0, 0, 1], [2, 1, 1]]),
    ],
)
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_mean_and_sum_are_keras(name, values, weights):
    ours, theirs = getattr(addax.metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(2):
        ours.update_state(values, sample_weight=weights)
        theirs.update_state(values, sample_weight=weights)
    np.testing.assert_allclose(ours.result().numpy(), np.asarray(theirs.result()), **TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
def test_mask_is_keras(weighted):
    y_true, y_pred = rng.normal(size=(2, 3, 2)).astype("float32")
    mask = np.array([True, False, True])
    weights = np.array([1.0, 2.0, 3.0]) if weighted else None
    theirs, ours = keras.ops.convert_to_tensor(y_pred), addax.ops.convert_to_tensor(y_pred)
    theirs._keras_mask, ours._keras_mask = keras.ops.convert_to_tensor(mask), addax.ops.convert_to_tensor(mask)
    a, b = addax.metrics.MeanSquaredError(), keras.metrics.MeanSquaredError()
    a.update_state(y_true, ours, sample_weight=weights)
    b.update_state(y_true, theirs, sample_weight=weights)
    np.testing.assert_allclose(a.result().numpy(), np.asarray(b.result()), **TOLERANCE)


@pytest.mark.parametrize("function", ["binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"])
def test_accuracy_functions_keep_the_shape_of_keras(function):
    y_pred = rng.uniform(size=(2, 3, 4)).astype("float32")
    y_true = {"binary_accuracy": y_pred > 0.3, "categorical_accuracy": y_pred[::-1]}.get(
        function, rng.integers(0, 4, (2, 3))
    )
    y_true = np.asarray(y_true, dtype="int32" if function.startswith("sparse") else "float32")
    ours = getattr(addax.metrics, function)(y_true, y_pred).numpy()
    theirs = np.asarray(getattr(keras.metrics, function)(y_true, y_pred))
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_top_k_counts_ties_as_keras():
    y_pred = np.array([[0.2, 0.2, 0.2, 0.1], [0.0, 0.5, 0.5, 0.5]], dtype="float32")
    for target in range(4):
        y_true = np.array([target, target])
        ours = addax.metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, k=2).numpy()
        theirs = np.asarray(keras.metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, k=2))
        np.testing.assert_array_equal(ours, theirs)


class Both(addax.metrics.Metric):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a = self.add_weight(name="a", initializer="zeros")
        self.b = self.add_variable((2,), "ones", name="b")
        self.inner = [addax.metrics.Mean(name="inner")]

    def update_state(self, x):
        self.a.assign_add(x)
        self.inner[0].update_state(x)

    def result(self):
        return {"a": self.a.value, "mean": self.inner[0].result()}


def test_own_metric():
    metric = Both(name="both")
    assert [v.path for v in metric.variables] == ["both/a", "both/b", "inner/total", "inner/count"]
    assert {k: float(v) for k, v in metric(3.0).items()} == {"a": 3.0, "mean": 3.0}
    metric.reset_state()
    assert {k: float(v) for k, v in metric.result().items()} == {"a": 0.0, "mean": 0.0}


def test_stateless_forms_leave_the_state():
    metric = addax.metrics.Mean()
    metric.update_state([10.0])
    state = metric.stateless_update_state([0.0, 0.0], [2.0, 4.0])
    assert [float(s) for s in state] == [6.0, 2.0]
    assert float(metric.stateless_result(state)) == 3.0
    assert [float(s) for s in metric.stateless_reset_state()] == [0.0, 0.0]
    assert float(metric.result()) == 10.0
    with pytest.raises(ValueError, match=r"has 2 variables. Received 1 values"):
        metric.stateless_result([1.0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_dtype(dtype):
    ours = addax.metrics.Mean(dtype=dtype)
    theirs = keras.metrics.Mean(dtype=dtype)
    assert (ours.dtype, ours.variables[0].dtype) == (theirs.dtype, theirs.dtype)


@pytest.mark.parametrize(
    ("name", "kwargs"), [(name, kwargs) for name, kwargs, *_ in CASES] + [("Mean", {}), ("Sum", {})]
)
def test_config_round_trip(name, kwargs):
    metric = getattr(addax.metrics, name)(name="mine", **kwargs)
    theirs = keras.metrics.deserialize(addax.metrics.serialize(metric))  # stock Keras reads it
    assert (type(theirs).__name__, theirs.name) == (name, "mine")
    again = addax.metrics.deserialize(keras.metrics.serialize(theirs))  # and we read what it writes
    assert (type(again), again.get_config()) == (type(metric), metric.get_config())


def test_config_of_a_wrapped_function():
    metric = addax.metrics.MeanMetricWrapper(addax.metrics.binary_accuracy, name="wrapped", threshold=0.25)
    again = addax.metrics.deserialize(addax.metrics.serialize(metric))
    assert again._fn is addax.metrics.binary_accuracy
    assert (again.name, again._fn_kwargs) == ("wrapped", {"threshold": 0.25})


@pytest.mark.parametrize(
    "identifier",
    [
        "accuracy",
        "mse",
        "MSE",
        "mae",
        "mape",
        "msle",
        "bce",
        "Mean",
        "mean",
        "binary_accuracy",
        "BinaryAccuracy",
        "sparse_top_k_categorical_accuracy",
        "cosine_similarity",
        "root_mean_squared_error",
        "kl_divergence",
    ],
)
def test_get_knows_the_names_of_keras(identifier):
    ours, theirs = addax.metrics.get(identifier), keras.metrics.get(identifier)
    assert (type(ours).__name__, ours.name) == (type(theirs).__name__, theirs.name)


def test_get_other_forms():
    metric = addax.metrics.Mean()
    assert addax.metrics.get(None) is None
    assert addax.metrics.get(metric) is metric
    with pytest.raises(ValueError, match="Could not interpret metric identifier: 'nope'"):
        addax.metrics.get("nope")
    with pytest.raises(ValueError, match="Could not interpret metric identifier: 3"):
        addax.metrics.get(3)


def test_repr():
    assert repr(addax.metrics.Mean(name="x")) == "<Mean name=x>"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: addax.metrics.Accuracy()([1, 2, 3], [1, 2]), r"y_true.shape=\(3,\), y_pred.shape=\(2,\)"),
        (
            lambda: addax.metrics.BinaryAccuracy()([1, 0, 1], np.ones((3, 2))),
            r"binary_accuracy: .*y_true.shape=\(3,\), y_pred.shape=\(3, 2\)\. .*use 'sparse_categorical_accuracy'",
        ),
        (
            lambda: addax.metrics.SparseCategoricalAccuracy()([0, 1], np.ones((3, 2))),
            r"sparse_categorical_accuracy: .*y_true.shape=\(2,\), y_pred.shape=\(3, 2\)",
        ),
        (lambda: addax.metrics.BinaryAccuracy(threshold=2), r"interval \[0, 1\]. Received: threshold=2"),
        (
            lambda: addax.metrics.MeanSquaredError()([[1.0, 2.0]], [[1.0, 2.0, 3.0]]),
            r"y_true \(1, 2\), y_pred \(1, 3\)",
        ),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_missing_methods():
    with pytest.raises(NotImplementedError, match="Metric must implement `update_state`"):
        addax.metrics.Metric().update_state(1)
    with pytest.raises(NotImplementedError, match="Metric must implement `result`"):
        addax.metrics.Metric().result()
