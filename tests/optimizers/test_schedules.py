"""Learning rate schedules against Keras on JAX, their configs and errors."""

import keras
import numpy as np
import pytest

import addax
from addax.optimizers import schedules

CASES = [
    ("ExponentialDecay", (0.1, 3, 0.5)),
    ("ExponentialDecay", (0.1, 3, 0.5, True)),
    ("PiecewiseConstantDecay", ([2, 5], [1.0, 0.5, 0.1])),
    ("PolynomialDecay", (0.1, 5)),
    ("PolynomialDecay", (0.1, 5, 0.01, 2.0)),
    ("PolynomialDecay", (0.1, 5, 0.01, 2.0, True)),
    ("InverseTimeDecay", (0.1, 3, 0.5)),
    ("InverseTimeDecay", (0.1, 3, 0.5, True)),
    ("CosineDecay", (0.1, 10)),
    ("CosineDecay", (0.1, 10, 0.2, "x", 0.5, 4)),
    ("CosineDecayRestarts", (0.1, 4)),
    ("CosineDecayRestarts", (0.1, 4, 1.5, 0.9, 0.01)),
    ("CosineDecayRestarts", (0.1, 4, 1.0, 0.9, 0.01)),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_rates_are_keras(name, arguments):
    ours, theirs = getattr(schedules, name)(*arguments), getattr(keras.optimizers.schedules, name)(*arguments)
    for step in range(25):
        # Single float32 functions (power, cosine, logarithm) of libraries that differ by an ulp or two.
        np.testing.assert_allclose(float(ours(step)), float(theirs(step)), rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(float(ours(addax.ops.convert_to_tensor(step))), float(ours(step)), rtol=0)
    assert ours(3).dtype == "float32"


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_config_round_trip(name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    theirs = keras.optimizers.schedules.deserialize(schedules.serialize(schedule))
    assert theirs.get_config() == schedule.get_config()
    again = schedules.deserialize(keras.optimizers.schedules.serialize(theirs))
    assert (type(again), again.get_config()) == (type(schedule), schedule.get_config())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "`decay_steps` must be > 0. Received: decay_steps=0"),
        (lambda: schedules.CosineDecay(0.1, None), "`decay_steps` must be > 0. Received: decay_steps=None"),
        (lambda: schedules.CosineDecayRestarts(0.1, -1), "`first_decay_steps` must be > 0"),
        (
            lambda: schedules.PiecewiseConstantDecay([1, 2], [1.0, 2.0]),
            "length of boundaries should be 1 less than the length of values",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_missing_methods():
    with pytest.raises(NotImplementedError, match="must override `__call__"):
        schedules.LearningRateSchedule()(0)
    with pytest.raises(NotImplementedError, match="must override `get_config"):
        schedules.LearningRateSchedule().get_config()
