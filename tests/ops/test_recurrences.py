"""Recurrences of one sequence, which go another way through the weights than several do."""

import numpy as np
import pytest

from addax import engine

ROWS = {"simple_rnn": (1, 1, {}), "lstm": (4, 2, {}), "gru": (3, 1, {}), "gru before": (3, 1, {"reset_after": False})}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [3, 20, 34, 112])
@pytest.mark.parametrize("name", ROWS)
def test_a_sequence_has_the_bits_that_it_has_among_others(name, units, dtype):
    """Inputs of zeros, since their product may be summed in another order."""
    gates, states, attrs = ROWS[name]
    rng = np.random.default_rng(0)

    def random(*shape):
        return engine.tensor(rng.standard_normal(shape) / 4, dtype)

    bias = random(gates * units) if name != "gru" else random(2, gates * units)
    weights = [random(2, gates * units), random(units, gates * units), bias]
    x, h = engine.tensor(np.zeros((3, 7, 2)), dtype), [random(3, units) for _ in range(states)]
    together = engine.apply(name.split()[0], x, *h, *weights, **attrs)
    for i in range(3):
        alone = engine.apply(name.split()[0], x[i : i + 1], *[s[i : i + 1] for s in h], *weights, **attrs)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a.numpy(), b[i : i + 1].numpy())
