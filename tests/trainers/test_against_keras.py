"""`fit`, `evaluate` and `predict` against Keras on JAX: same weights and data in, same logs and weights out."""

import keras
import numpy as np
import pytest

import addax
from tests.trainers.helpers import (
    BINARY,
    NUMBERS,
    ONE_HOT,
    REAL,
    WEIGHTS,
    X,
    assert_same_logs,
    assert_same_weights,
    compile_eagerly,
    mlp,
    pair,
    two_outputs,
)

# Stock Keras trips over NumPy 2 when it reads scalars, and over its own shuffle argument with generators.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed"),
    # An output without a loss. Keras on JAX gives its weights gradients of zero, and SGD moves neither.
    pytest.mark.filterwarnings("ignore:Gradients do not exist"),
]
# A step differs by a few float32 roundings; 3 epochs of 4 steps let them grow, nothing here is chaotic.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

FITS = {
    "plain": ("mse", REAL, {}),
    "batches that do not divide": ("mse", REAL, {"batch_size": 7}),
    "one batch": ("mse", REAL, {"batch_size": 64}),
    "sample weights": ("mse", REAL, {"sample_weight": WEIGHTS}),
    "validation split": ("mse", REAL, {"validation_split": 0.3}),
    "validation split with weights": ("mse", REAL, {"validation_split": 0.3, "sample_weight": WEIGHTS}),
    "validation data": ("mse", REAL, {"validation_data": (X[:20], REAL[:20])}),
    "validation data with weights": ("mse", REAL, {"validation_data": (X[:20], REAL[:20], WEIGHTS[:20])}),
    "validation batch": (
        "mse",
        REAL,
        {"validation_data": (X, REAL), "validation_batch_size": 11, "validation_steps": 2, "validation_freq": 2},
    ),
    "validation of some epochs": ("mse", REAL, {"validation_data": (X, REAL), "validation_freq": [1, 3]}),
    "later epochs": ("mse", REAL, {"initial_epoch": 1}),
    "fewer steps": ("mse", REAL, {"batch_size": 25, "steps_per_epoch": 1}),
}


@pytest.mark.parametrize("case", FITS)
def test_fit(case):
    loss, y, kwargs = FITS[case]
    ours, theirs = pair(mlp)
    histories = []
    for model in (ours, theirs):
        compile_eagerly(model, "adam", loss, metrics=["mae"], weighted_metrics=["mse"])
        histories.append(model.fit(X, y, epochs=3, shuffle=False, verbose=0, **{"batch_size": 13, **kwargs}))
    assert histories[0].epoch == histories[1].epoch
    assert histories[0].params == histories[1].params
    assert_same_logs(histories[0].history, histories[1].history, **TOLERANCE)
    assert_same_weights(ours, theirs, **TOLERANCE)


CLASSIFIERS = {
    "sparse": (3, "softmax", "sparse_categorical_crossentropy", NUMBERS),
    "sparse column": (3, "softmax", "sparse_categorical_crossentropy", NUMBERS[:, None]),
    "one-hot": (3, "softmax", "categorical_crossentropy", ONE_HOT),
    "binary": (1, "sigmoid", "binary_crossentropy", BINARY),
    "binary flat": (1, "sigmoid", "binary_crossentropy", BINARY[:, 0]),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
@pytest.mark.parametrize("class_weight", [None, {0: 2.0, 1: 0.5}])
def test_fit_classifier(case, class_weight):
    units, activation, loss, y = CLASSIFIERS[case]
    ours, theirs = pair(mlp, units, activation)
    histories = []
    for model in (ours, theirs):
        compile_eagerly(model, "sgd", loss, metrics=["accuracy", "acc"])
        histories.append(model.fit(X, y, epochs=2, shuffle=False, verbose=0, class_weight=class_weight))
    assert_same_logs(histories[0].history, histories[1].history, **TOLERANCE)
    assert_same_weights(ours, theirs, **TOLERANCE)


def convnet(module):
    return module.Sequential(
        [
            module.layers.Input((6, 6, 2)),
            module.layers.Rescaling(0.5),
            module.layers.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2"),
            module.layers.BatchNormalization(),
            module.layers.MaxPooling2D(),
            module.layers.Conv2D(5, 2, strides=2),
            module.layers.Activation("relu"),
            module.layers.GlobalAveragePooling2D(),
            module.layers.Dropout(0.0),
            module.layers.Flatten(),
            module.layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_20_steps_of_a_convnet(optimizer):
    x = np.random.default_rng(3).normal(size=(40, 6, 6, 2)).astype("float32")
    y = np.random.default_rng(4).integers(0, 3, 40)
    ours, theirs = pair(convnet)
    histories = []
    for module, model in ((addax, ours), (keras, theirs)):
        # RMSprop and Adam divide by the root of a mean of squares that is tiny at first: with the default epsilon a
        # rounding of the gradient could turn a step around.
        rule = {} if optimizer == "SGD" else {"epsilon": 1e-3}
        compile_eagerly(
            model,
            getattr(module.optimizers, optimizer)(0.01, **rule),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        histories.append(model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0))
    assert_same_logs(histories[0].history, histories[1].history, rtol=5e-4, atol=5e-5)
    assert_same_weights(ours, theirs, rtol=5e-4, atol=5e-5)
    np.testing.assert_allclose(
        ours.predict(x, batch_size=16, verbose=0), theirs.predict(x, batch_size=16, verbose=0), rtol=5e-4, atol=5e-5
    )


@pytest.mark.parametrize("batch_size", [None, 50, 7])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_evaluate_and_predict(batch_size, weights):
    ours, theirs = pair(mlp)
    results = []
    for model in (ours, theirs):
        compile_eagerly(model, "sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
        kwargs = {"batch_size": batch_size, "verbose": 0, "sample_weight": weights}
        results.append((model.evaluate(X, REAL, **kwargs), model.evaluate(X, REAL, return_dict=True, **kwargs)))
    np.testing.assert_allclose(results[0][0], results[1][0], **TOLERANCE)
    assert_same_logs(results[0][1], results[1][1], **TOLERANCE)
    np.testing.assert_allclose(
        ours.predict(X, batch_size=batch_size, verbose=0),
        theirs.predict(X, batch_size=batch_size, verbose=0),
        **TOLERANCE,
    )


def test_single_batches():
    ours, theirs = pair(mlp)
    results = []
    for model in (ours, theirs):
        compile_eagerly(model, "sgd", "mse", metrics=["mae"])
        results.append(
            [
                model.train_on_batch(X, REAL),
                model.train_on_batch(X[:9], REAL[:9], sample_weight=WEIGHTS[:9]),
                model.test_on_batch(X, REAL),
                *model.train_on_batch(X, REAL, return_dict=True).values(),
                *model.test_on_batch(X, REAL, sample_weight=WEIGHTS, return_dict=True).values(),
            ]
        )
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, **TOLERANCE)
        assert isinstance(mine, (float, list))
    np.testing.assert_allclose(ours.predict_on_batch(X), theirs.predict_on_batch(X), **TOLERANCE)


def test_generators_and_datasets():
    def batches():
        for i in range(0, 50, 10):
            yield X[i : i + 10], REAL[i : i + 10], WEIGHTS[i : i + 10]

    def dataset(module):
        class Data(module.utils.PyDataset):
            def __len__(self):
                return 5

            def __getitem__(self, i):
                return X[10 * i : 10 * i + 10], REAL[10 * i : 10 * i + 10]

        return Data()

    ours, theirs = pair(mlp)
    results = []
    for module, model in ((addax, ours), (keras, theirs)):
        compile_eagerly(model, "sgd", "mse", weighted_metrics=["mae"])
        history = model.fit(dataset(module), epochs=2, shuffle=False, verbose=0, validation_data=dataset(module))
        results.append([history.history, model.evaluate(batches(), steps=5, verbose=0, return_dict=True)])
        results[-1].append({"predictions": model.predict(dataset(module), verbose=0)})
    for mine, other in zip(*results, strict=True):
        assert_same_logs(mine, other, **TOLERANCE)


STRUCTURES = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {"p": a, "q": b},
    "nested": lambda a, b: {"p": [a, b]},
}
OUTPUTS = [
    ("list", {"loss": "mse"}),
    ("list", {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse"]]}),
    ("list", {"loss": ["mse", "mae"], "metrics": ["mae", "mse"]}),
    ("list", {"loss": ["mse", "mae"], "loss_weights": [0.5, 2.0]}),
    ("list", {"loss": ["mse", None], "metrics": [["mae"], None]}),
    ("list", {"loss": ["mse"]}),
    ("list", {"loss": ["mse", "mae"], "weighted_metrics": [["mae"], ["mse"]], "sample_weight": True}),
    ("list", {"loss": "mse", "metrics": [["mae"], ["mae"]], "weighted_metrics": [["mae"], ["mse"]]}),
    ("tuple", {"loss": ("mse", "mae"), "metrics": [["mae"], ["mse"]]}),
    ("dict", {"loss": {"p": "mse", "q": "mae"}, "metrics": {"p": ["mae"], "q": "mse"}}),
    ("dict", {"loss": "mse", "metrics": {"q": "mse"}}),
    ("dict", {"loss": {"p": "mse"}}),
    ("dict", {"loss": {"p": "mse", "q": None}}),
    ("dict", {"loss": {"p": "mse", "q": "mae"}, "loss_weights": {"p": 0.5, "q": 1.0}}),
    ("nested", {"loss": {"p": ["mse", "mae"]}, "metrics": {"p": ["mae", ["mse"]]}}),
]


@pytest.mark.parametrize(("structure", "arguments"), OUTPUTS, ids=str)
def test_several_outputs(structure, arguments):
    arguments = dict(arguments)
    y = STRUCTURES[structure](REAL, BINARY)
    weights = STRUCTURES[structure](WEIGHTS, WEIGHTS[::-1]) if arguments.pop("sample_weight", False) else None
    ours, theirs = pair(two_outputs, STRUCTURES[structure])
    results = []
    for model in (ours, theirs):
        compile_eagerly(model, "sgd", **arguments)
        history = model.fit(X, y, sample_weight=weights, shuffle=False, verbose=0)
        logs = model.evaluate(X, y, sample_weight=weights, verbose=0, return_dict=True)
        values = model.evaluate(X, y, sample_weight=weights, verbose=0)
        results.append([history.history, logs, {"values": values}])
    if np.size(results[1][2]["values"]) != len(results[1][1]):
        # Keras's list repeats metrics that share a name; ours has one value for each of the dict.
        del results[0][2], results[1][2]
    for mine, other in zip(*results, strict=True):
        assert_same_logs(mine, other, **TOLERANCE)
    predictions = [addax.tree.flatten(model.predict(X, verbose=0)) for model in (ours, theirs)]
    for mine, other in zip(*predictions, strict=True):
        np.testing.assert_allclose(mine, other, **TOLERANCE)


def mean_of_targets(module):
    def fn(y_true, y_pred):
        return module.ops.mean(y_true, axis=-1)

    return fn


NAMES = {
    "twice": (["mae", "mae"], None),
    "two objects": (lambda m: [m.metrics.MeanAbsoluteError(), m.metrics.MeanAbsoluteError()], None),
    "named object": (lambda m: [m.metrics.MeanAbsoluteError(name="mine")], None),
    "also weighted": (["mae"], ["mae"]),
    "twice weighted": (["mae"], ["mae", "mae"]),
    "only weighted": (None, ["mae"]),
    "function": (lambda m: [mean_of_targets(m), mean_of_targets(m)], None),
    "lambda": (lambda m: [lambda a, b: m.ops.mean(b, axis=-1)], None),
    "class": (lambda m: [m.metrics.MeanAbsoluteError], None),
    "nested": ([["mae"], ["mse"]], None),
    "dict": ({"out": ["mae", "mse"]}, None),
    "tuple": (("mae",), None),
    "empty": ([], []),
    "accuracies": (["acc", "accuracy"], ["accuracy"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_of_metrics(case):
    metrics, weighted = NAMES[case]
    results = []
    for module, model in zip((addax, keras), pair(mlp), strict=True):
        compile_eagerly(
            model, "sgd", "mse", metrics=metrics(module) if callable(metrics) else metrics, weighted_metrics=weighted
        )
        model.fit(X, REAL, verbose=0, shuffle=False)
        results.append(model.evaluate(X, REAL, verbose=0, return_dict=True))
        assert model.metrics_names[0] == "loss"
    assert_same_logs(*results, **TOLERANCE)


@pytest.mark.parametrize("loss", ["mse", ["mse"], [["mse"]]], ids=str)
@pytest.mark.parametrize("loss_weights", [None, 2.0])
def test_losses_of_a_single_output(loss, loss_weights):
    results = []
    for model in pair(mlp):
        compile_eagerly(model, "sgd", loss, loss_weights=loss_weights)
        results.append(model.fit(X, REAL, verbose=0, shuffle=False).history)
    assert_same_logs(*results, **TOLERANCE)


def test_steps_per_execution():
    class Seen:
        def __init__(self, base):
            class Hooks(base):
                def on_train_batch_begin(self, batch, logs=None):
                    seen.append(("begin", batch))

                def on_train_batch_end(self, batch, logs=None):
                    seen.append(("end", batch))

            seen = self.seen = []
            self.hooks = Hooks()

    seen = Seen(addax.callbacks.Callback)
    ours, theirs = pair(mlp)
    for model, callbacks in ((ours, [seen.hooks]), (theirs, [])):
        compile_eagerly(model, "sgd", "mse", steps_per_execution=3)
        model.fit(X, REAL, batch_size=10, shuffle=False, verbose=0, callbacks=callbacks)
    assert_same_weights(ours, theirs, **TOLERANCE)
    assert seen.seen == [("begin", 0), ("end", 2), ("begin", 3), ("end", 4)]


def test_ema_replaces_the_weights_in_the_end():
    ours, theirs = pair(mlp)
    for module, model in ((addax, ours), (keras, theirs)):
        compile_eagerly(model, module.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        model.fit(X, REAL, epochs=2, shuffle=False, verbose=0)
    assert_same_weights(ours, theirs, **TOLERANCE)


def test_frozen_layers():
    ours, theirs = pair(mlp)
    before = ours.get_weights()
    for model in (ours, theirs):
        model.layers[0].trainable = False
        compile_eagerly(model, "sgd", "mse")
        model.fit(X, REAL, shuffle=False, verbose=0)
    assert_same_weights(ours, theirs, **TOLERANCE)
    np.testing.assert_array_equal(ours.get_weights()[0], before[0])
