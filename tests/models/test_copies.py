"""`pickle` and `copy.deepcopy` of models: equal in all that a file keeps, and independent."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import addax
from addax import layers

X, Y = np.linspace(-1, 1, 24).reshape(6, 4).astype("float32"), np.linspace(0, 1, 6).reshape(6, 1).astype("float32")


class Scaled(layers.Layer):
    def __init__(self, by, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, x):
        return self.by * x

    def get_config(self):
        return {**super().get_config(), "by": self.by}


class TwoLayers(addax.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden, self.out = layers.Dense(units), layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def absolute(y_true, y_pred):
    return addax.ops.mean(addax.ops.abs(y_true - y_pred), axis=-1)


def sequential():
    return addax.Sequential([layers.Input((4,)), layers.Dense(3, activation="relu"), Scaled(2.0), layers.Dense(1)])


def functional():
    x = addax.Input((4,))
    shared = layers.Dense(4)
    return addax.Model(x, layers.Dense(1)(layers.add([shared(x), shared(shared(x))])))


@pytest.fixture(params=[sequential, functional, lambda: TwoLayers(3)], ids=["sequential", "functional", "subclass"])
def model(request):
    addax.utils.set_random_seed(1)
    model = request.param()
    model.compile(addax.optimizers.Adam(0.01), absolute, metrics=["mse"])
    model.fit(X, Y, epochs=2, verbose=0)
    return model


DUPLICATES = pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)


@DUPLICATES
def test_training_goes_on_alike(model, duplicate):
    before = model.get_weights()
    other = duplicate(model)
    assert type(other) is type(model) and other.name == model.name
    assert int(other.optimizer.iterations) == int(model.optimizer.iterations) == 2
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    logs = other.fit(X, Y, shuffle=False, verbose=0).history
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)  # the copy's own variables were trained
    assert model.fit(X, Y, shuffle=False, verbose=0).history == logs
    for mine, its in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


@DUPLICATES
def test_without_weights(duplicate):
    other = duplicate(addax.Sequential([layers.Dense(2)]))
    assert not other.built and other(X).shape == (6, 2)
    other = duplicate(TwoLayers(5))
    assert not other.built and other(X).shape == (6, 1) and other.units == 5


@DUPLICATES
def test_steps_are_the_copy_s_own(duplicate):
    model = TwoLayers(5)
    model.make_predict_function()
    other = duplicate(model)
    assert other.predict(X, verbose=0).shape == (6, 1)
    assert other.built and not model.built


def test_code_is_pickled_by_name_and_copied_as_it_is():
    model = addax.Sequential([layers.Input((4,)), layers.Lambda(lambda x: 3 * x), layers.Lambda(lambda x: x - 1)])
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(Exception, match=r"pickle.*lambda"):
        pickle.dumps(model)
    with pytest.raises(ValueError, match="a lambda has no name"):  # files still hold none
        addax.saving.serialize_keras_object(model)


def test_classes_of_one_name_are_told_apart():
    def make(by):
        class Shift(layers.Layer):
            def call(self, x):
                return x + by

        return Shift()

    model = addax.Sequential([layers.Input((4,)), make(1.0), make(10.0)])
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X, verbose=0), X + 1 + 10)


def test_another_process_reads_the_pickle(model, tmp_path):
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "want.npy", model.predict(X, verbose=0))
    script = (
        "import pickle, sys, numpy as np\n"
        "from tests.models.test_copies import X\n"
        "with open(sys.argv[1] + '/model.pickle', 'rb') as file: model = pickle.load(file)\n"
        "np.testing.assert_array_equal(model.predict(X, verbose=0), np.load(sys.argv[1] + '/want.npy'))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
