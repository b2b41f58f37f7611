"""Rematerialization: the same bits, fewer values kept; eagerly and compiled; scopes of layers."""

import numpy as np
import pytest

import addax
from addax import engine, layers, ops
from tests.table.helpers import bits

_X = np.random.default_rng(0).standard_normal((64, 96), "float32")


def _chain(x):
    for _ in range(6):
        x = ops.tanh(x * 1.25)
    return x


def _gradient(f, x):
    with addax.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(f(x) ** 2)
    return y, tape.gradient(y, x)


def _held_by(f) -> int:
    """Bytes that a tape keeps over f(x), besides x and the result."""
    x = ops.convert_to_tensor(_X)
    before = engine.memory_stats()["live"]
    with addax.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(f(x))
        held = engine.memory_stats()["live"] - before
    assert tape.gradient(y, x) is not None
    return held


def test_same_bits_and_nothing_kept():
    x = ops.convert_to_tensor(_X)
    for a, b in zip(_gradient(_chain, x), _gradient(addax.remat(_chain), x), strict=True):
        assert bits(a) == bits(b)
    assert _held_by(_chain) >= 6 * _X.nbytes
    assert _held_by(addax.remat(_chain)) < _X.nbytes


def test_gradients_of_gradients():
    def second(f):
        return addax.grad(lambda x: ops.sum(addax.grad(lambda z: ops.sum(f(z)))(x) ** 2))(_X[:2])

    assert bits(second(_chain)) == bits(second(addax.remat(_chain)))


def test_nested_regions_and_persistent_tapes():
    f = addax.remat(lambda x: _chain(addax.remat(_chain)(x)))
    x = ops.convert_to_tensor(_X)
    with addax.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, z = ops.sum(f(x)), ops.sum(_chain(_chain(x)))
    expected = bits(tape.gradient(z, x))
    assert bits(tape.gradient(y, x)) == bits(tape.gradient(y, x)) == expected


def test_custom_gradients_and_stopped_parts():
    @ops.custom_gradient
    def doubled(x):
        return x * 2, lambda upstream: upstream * 2

    def f(x):
        with engine.stop_recording():
            scale = ops.mean(x)
        return ops.tanh(doubled(ops.sin(x)) * scale) * ops.stop_gradient(ops.cos(x))

    x = ops.convert_to_tensor(_X)
    assert bits(_gradient(f, x)[1]) == bits(_gradient(addax.remat(f), x)[1])


def _step_graph(f):
    return addax.make_graph(addax.value_and_grad(lambda x: ops.sum(f(x))))(_X)


def test_compiled_recomputation_survives_the_passes():
    plain, again = _step_graph(_chain), _step_graph(addax.remat(_chain))
    for name in engine.pass_names():
        if name != "fuse":
            plain, again = engine.run_pass(name, plain), engine.run_pass(name, again)
    assert str(plain).count("tanh(") == 6
    assert str(again).count("tanh(") == 12


def _wave(x):
    return ops.tanh(ops.sin(x))


def _model(scope):
    addax.utils.set_random_seed(7)
    with scope:
        stack = []
        for i in range(8):
            stack += [layers.Dense(96, _wave, name=f"wave_{i}"), layers.Dropout(0.25, name=f"dropout_{i}")]
            stack += [layers.BatchNormalization(name=f"norm_{i}")]
        model = addax.Sequential([*stack, layers.Dense(1, name="last")])
    return model


def _trained(scope, **arguments):
    model = _model(scope)
    model.compile("adam", "mse", **arguments)
    model.fit(_X, _X[:, :1], batch_size=32, epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize(
    "scope",
    [
        addax.RematScope(),
        addax.RematScope("activations"),
        addax.RematScope("larger_than", output_size_threshold=32 * 96 - 1),
        addax.RematScope("list_of_layers", layer_names=["wave_1", "dropout_2"]),
        addax.RematScope(None),
    ],
    ids=lambda scope: str(scope.mode),
)
def test_layers_train_to_the_same_bits(scope, eagerly):
    plain, again = _trained(addax.RematScope(None)), _trained(scope, run_eagerly=eagerly)
    # Seeds of dropout and moving statistics are among them.
    for a, b in zip(plain.variables, again.variables, strict=True):
        assert bits(a.value) == bits(b.value), a.path


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (addax.RematScope(), 8),
        (addax.RematScope("activations"), 8),
        (addax.RematScope("larger_than", output_size_threshold=32 * 96), 0),
        (addax.RematScope("larger_than", output_size_threshold=32 * 96 - 1), 8),
        (addax.RematScope("list_of_layers", layer_names=["wave_1", "wave_5"]), 2),
        (addax.RematScope(None), 0),
    ],
    ids=lambda value: str(getattr(value, "mode", value)),
)
def test_which_layers_compute_again(scope, count):
    model = _model(scope)
    model(_X[:32])

    def step(x):
        with addax.GradientTape() as tape:
            y = ops.sum(model(x, training=True))
        return y, tape.gradient(y, model.trainable_variables)

    graph = addax.make_graph(step)(_X[:32])
    for name in ("cse", "dce"):
        graph = engine.run_pass(name, graph)
    assert str(graph).count("= sin(") == 8 + count


def test_scopes_nest_and_count_when_a_layer_is_made():
    with addax.RematScope("full") as outer:
        a = layers.Dense(1)
        with addax.RematScope(None) as inner:
            b = layers.Dense(1)
        c = layers.Dense(1)
    assert (a._remat, b._remat, c._remat, layers.Dense(1)._remat) == (outer, inner, outer, None)


def test_unknown_mode():
    with pytest.raises(ValueError, match=r"Invalid mode 'all'. Supported modes are: 'full', 'activations'"):
        addax.RematScope("all")
