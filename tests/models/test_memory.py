"""Models die with their last reference, without the garbage collector, and leave nothing behind."""

import contextlib
import gc
import weakref

import numpy as np
import pytest

import addax
from addax import layers, ops

X = np.ones((4, 6), "float32")


class Sub(addax.Model):
    def __init__(self):
        super().__init__()
        self.stack = [layers.Dense(3, kernel_regularizer="l2"), layers.Dropout(0.5), layers.Dense(2)]

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


def sequential():
    return addax.Sequential(
        [addax.Input((6,)), layers.Dense(3, activation="relu"), layers.Dropout(0.1), layers.Dense(2)]
    )


def deferred():
    return addax.Sequential([layers.Dense(3), layers.Dense(2)])


def graph():
    x = addax.Input((6,))
    h = layers.Dense(3)(x)
    return addax.Model(x, layers.Dense(2)(ops.relu(h) + h))


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("make", [sequential, deferred, graph, Sub], ids=lambda f: f.__name__)
@pytest.mark.parametrize("use", ["built", "called", "replayed", "recorded", "trained"])
def test_a_model_dies_with_its_last_reference(make, use, no_gc):
    model = make()
    if use == "called":
        model(X)
        model(X, training=True)
    elif use == "replayed":
        for _ in range(4):
            model(X)
    elif use == "recorded":
        with addax.GradientTape() as tape:
            loss = ops.sum(model(X, training=True))
        tape.gradient(loss, model.trainable_variables)
        del tape, loss
    elif use == "trained":
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, np.ones((4, 2), "float32"), verbose=0, epochs=2)
        model.predict(X, verbose=0)
    model(X)
    watched = [weakref.ref(model)]
    watched += [weakref.ref(layer) for layer in model._flatten_layers()]
    watched += [weakref.ref(v) for v in model.variables]
    del model
    assert [reference() for reference in watched if reference() is not None] == []


def test_an_error_inside_a_model_keeps_nothing(no_gc):
    class Bad(layers.Layer):
        def call(self, x):
            raise ValueError("boom")

    model = addax.Sequential([layers.Dense(2), Bad()])
    with contextlib.suppress(ValueError):
        model(X)
    reference = weakref.ref(model)
    del model
    assert reference() is None


@pytest.mark.parametrize("make", [sequential, graph, Sub], ids=lambda f: f.__name__)
def test_many_builds_leave_no_objects(make, no_gc):
    def build():
        make()(X)

    for _ in range(3):
        build()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        build()
    # Counters of names may grow a dict now and then; a leak would be thousands of objects.
    assert len(gc.get_objects()) - before < 50
