"""The same small models in addax and in Keras, with the same weights."""

import keras
import numpy as np

import addax

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 4)).astype("float32")
NUMBERS = rng.integers(0, 3, 50)
ONE_HOT = np.eye(3, dtype="float32")[NUMBERS]
REAL = rng.normal(size=(50, 3)).astype("float32")
BINARY = rng.integers(0, 2, (50, 1)).astype("float32")
WEIGHTS = rng.uniform(0, 2, 50).astype("float32")


def mlp(module, units=3, activation=None):
    return module.Sequential(
        [
            module.layers.Input((4,)),
            module.layers.Dense(8, activation="tanh", name="hidden"),
            module.layers.Dense(units, activation=activation, name="out"),
        ]
    )


def two_outputs(module, structure):
    """A model whose outputs a, of 3 columns, and b, of 1 column, come as `structure` arranges them."""

    class Two(module.Model):
        def __init__(self):
            super().__init__()
            self.a = module.layers.Dense(3)
            self.b = module.layers.Dense(1)

        def call(self, x):
            return structure(self.a(x), self.b(x))

    model = Two()
    model(np.zeros((1, 4), dtype="float32"))
    return model


def pair(make, *args, **kwargs):
    """The model of `make` in addax and in Keras, with equal weights."""
    ours, theirs = make(addax, *args, **kwargs), make(keras, *args, **kwargs)
    ours.set_weights([np.array(w) for w in theirs.get_weights()])
    return ours, theirs


def assert_same_logs(ours, theirs, **tolerance):
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, err_msg=name, **tolerance)


def assert_same_weights(ours, theirs, **tolerance):
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, **tolerance)


def compile_eagerly(model, *args, **kwargs):
    """Compiles either model; Keras's own compilation of each step would take most of the time of these tests."""
    model.compile(*args, run_eagerly=True, **kwargs)
