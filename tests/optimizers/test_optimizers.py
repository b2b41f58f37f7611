"""Optimizers against Keras on JAX: 20 steps under every main argument, state and its names, configs, errors."""

import warnings

import keras
import numpy as np
import pytest

import addax
from addax import optimizers

# Stock Keras trips over NumPy 2 when it reads a learning rate.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

rng = np.random.default_rng(0)
SHAPES = [(3, 2), (2,)]
STARTS = [rng.normal(size=s).astype("float32") for s in SHAPES]
STEPS = 20
GRADS = [[rng.normal(size=s).astype("float32") * (1 + i % 3) for s in SHAPES] for i in range(STEPS)]

SCHEDULES = {
    "exponential": lambda m: m.schedules.ExponentialDecay(0.05, 5, 0.5),
    "cosine": lambda m: m.schedules.CosineDecay(0.05, 15, warmup_target=0.1, warmup_steps=5),
}
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "epsilon": 1e-3}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.1}),
]
EXTRAS = [
    {"weight_decay": 0.1},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9},
    {"use_ema": True, "ema_momentum": 0.7},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 3, "use_ema": True, "clipnorm": 0.7, "weight_decay": 0.1},
    {"loss_scale_factor": 8.0},
]
# Keras adds in another order than the fused update: a few roundings a step, 20 steps. Where a denominator is the root
# of a small second moment (RMSprop, Adam at their first steps) a rounding is amplified by up to 1 / sqrt(1 - rho).
TOLERANCE = {"rtol": 3e-5, "atol": 1e-5}


def variables(module):
    made = []
    for i, start in enumerate(STARTS):
        with module.name_scope("net"):
            made.append(module.Variable(start, name=f"v{i}"))
    return made


def run(module, optimizer, steps=STEPS):
    weights = variables(module)
    for grads in GRADS[:steps]:
        optimizer.apply([module.ops.convert_to_tensor(g) for g in grads], weights)
    optimizer.finalize_variable_values(weights)
    return weights


def compare(name, kwargs):
    ours = getattr(addax.optimizers, name)(**kwargs.get("ours", kwargs))
    theirs = getattr(keras.optimizers, name)(**kwargs.get("theirs", kwargs))
    # Keras compiles its conditionals anew at every step of accumulation: two updates and a rest tell as much as 20.
    steps = 7 if "gradient_accumulation_steps" in str(kwargs) else STEPS
    for mine, other in zip(run(addax, ours, steps), run(keras, theirs, steps), strict=True):
        np.testing.assert_allclose(mine.numpy(), np.asarray(other.value), **TOLERANCE)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        assert mine.path.split("/", 1)[1] == other.path.split("/", 1)[1]
        assert (mine.name, mine.shape, mine.dtype) == (other.name, tuple(other.shape), other.dtype)
        np.testing.assert_allclose(mine.numpy(), np.asarray(other.value), **TOLERANCE)
    assert int(ours.iterations) == int(theirs.iterations)


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_steps_are_keras(name, kwargs):
    compare(name, {"learning_rate": 0.05, **kwargs})


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW"])
@pytest.mark.parametrize("extra", EXTRAS, ids=str)
def test_steps_with_common_arguments_are_keras(name, extra):
    compare(name, {"learning_rate": 0.05, **extra})


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("extra", [{}, {"gradient_accumulation_steps": 2}], ids=str)
def test_steps_with_a_schedule_are_keras(schedule, extra):
    make = SCHEDULES[schedule]
    compare(
        "Adam",
        {
            "ours": {"learning_rate": make(addax.optimizers), **extra},
            "theirs": {"learning_rate": make(keras.optimizers), **extra},
        },
    )


def test_learning_rate_from_a_function():
    rates = iter([0.5, 0.25])
    w = addax.Variable([1.0])
    optimizer = optimizers.SGD(lambda: next(rates))
    optimizer.apply([np.array([1.0])], [w])
    optimizer.apply([np.array([1.0])], [w])
    assert w.numpy() == [0.25]
    assert [v.name for v in optimizer.variables] == ["iteration"]


def test_learning_rate_can_be_set():
    optimizer = optimizers.SGD(0.5)
    assert float(optimizer.learning_rate) == 0.5
    assert optimizer.learning_rate.numpy().item() == 0.5  # what loggers read
    optimizer.learning_rate = 0.25
    w = addax.Variable([1.0])
    optimizer.apply([np.array([1.0])], [w])
    assert w.numpy() == [0.75]
    with pytest.raises(TypeError, match=r"created with a `LearningRateSchedule`.*not settable"):
        optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 2)).learning_rate = 0.1


def test_low_precision_variables_keep_their_dtype():
    for dtype in ("float16", "bfloat16", "float64"):
        w = addax.Variable(np.ones(3), dtype=dtype)
        optimizer = optimizers.Adam(0.5)
        optimizer.apply([addax.ops.ones(3, dtype=dtype)], [w])
        assert w.dtype == dtype
        np.testing.assert_allclose(w.numpy().astype("float64"), 0.5, rtol=1e-2)


@pytest.mark.parametrize("by", ["list", "name"])
def test_exclude_from_weight_decay(by):
    a, b = addax.Variable([1.0], name="a_bias"), addax.Variable([1.0], name="kernel")
    for optimizer in (optimizers.AdamW(0.1, weight_decay=0.5), optimizers.SGD(0.1, weight_decay=0.5)):
        a.assign([1.0])
        b.assign([1.0])
        optimizer.exclude_from_weight_decay(**({"var_list": [a]} if by == "list" else {"var_names": ["bias"]}))
        optimizer.apply([np.zeros(1), np.zeros(1)], [a, b])
        np.testing.assert_allclose([a.numpy()[0], b.numpy()[0]], [1.0, 0.95], rtol=1e-6)
        with pytest.raises(ValueError, match="can only be configured before the optimizer is built"):
            optimizer.exclude_from_weight_decay(var_names=["x"])


def test_constraints_are_applied():
    w = addax.Variable([1.0, 2.0])
    w.constraint = addax.constraints.NonNeg()
    optimizers.SGD(1.0).apply([np.array([3.0, 1.0])], [w])
    np.testing.assert_array_equal(w.numpy(), [0.0, 1.0])


def test_global_clipnorm_makes_all_gradients_nan_if_one_is():
    w = [addax.Variable([1.0]), addax.Variable([1.0])]
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([np.array([np.inf]), np.array([1.0])], w)
    assert np.isnan(w[1].numpy()).all()


def test_held_values_do_not_change():
    w = addax.Variable([1.0, 2.0])
    before = w.value
    optimizers.Adam(0.1).apply([np.ones(2)], [w])
    np.testing.assert_array_equal(before.numpy(), [1.0, 2.0])


def test_stateless_apply_leaves_the_state():
    w = addax.Variable([1.0, 2.0])
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    optimizer.build([w])
    state = [v.value for v in optimizer.variables]
    weights, after = optimizer.stateless_apply(state, [np.ones(2)], [w.value])
    np.testing.assert_allclose(weights[0].numpy(), [0.9, 1.9], rtol=1e-6)
    np.testing.assert_allclose(after[2].numpy(), [-0.1, -0.1], rtol=1e-6)
    assert int(after[0]) == 1
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
    assert int(optimizer.iterations) == 0


def test_apply_gradients_and_partial_gradients():
    a, b = addax.Variable([1.0], name="a"), addax.Variable([1.0], name="b")
    optimizer = optimizers.SGD(0.5)
    assert int(optimizer.apply_gradients([(np.ones(1), a), (np.ones(1), b)])) == 1
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['a'\]"):
        optimizer.apply([None, np.ones(1)], [a, b])
    assert (a.numpy()[0], b.numpy()[0]) == (0.5, 0.0)
    optimizer.apply([np.ones(1)], [b])  # some of the variables it was built with
    assert b.numpy()[0] == -0.5
    optimizer.apply([], [])


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_config_round_trip(name, kwargs):
    optimizer = getattr(optimizers, name)(0.25, clipnorm=1.0, name="mine", **kwargs)
    theirs = keras.optimizers.deserialize(optimizers.serialize(optimizer))  # stock Keras reads it
    assert theirs.get_config() == optimizer.get_config()
    again = optimizers.deserialize(keras.optimizers.serialize(theirs))  # and we read what it writes
    assert (type(again), again.get_config()) == (type(optimizer), optimizer.get_config())


def test_config_with_a_schedule():
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([1, 2], [1.0, 0.5, 0.1]))
    theirs = keras.optimizers.deserialize(optimizers.serialize(optimizer))
    assert theirs._learning_rate.boundaries == [1, 2]
    again = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert again._learning_rate.get_config() == optimizer._learning_rate.get_config()


def test_variables_in_a_store():
    store = {}
    optimizer = optimizers.Adam(0.1)
    run(addax, optimizer, 3)
    optimizer.save_own_variables(store)
    assert list(store) == [str(i) for i in range(6)]
    again = optimizers.Adam(0.5)
    with pytest.warns(UserWarning, match="has 2 variables whereas the saved optimizer has 6.*not been called/built"):
        again.load_own_variables(store)
    again.build(variables(addax))
    again.load_own_variables(store)
    for a, b in zip(optimizer.variables, again.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    again.set_weights([v.numpy() for v in optimizer.variables])
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        again.set_weights([np.zeros(1)] * 6)


@pytest.mark.parametrize("identifier", ["sgd", "SGD", "adam", "Adam", "adamw", "AdamW", "rmsprop", "RMSprop", "ADAM"])
def test_get_by_name(identifier):
    assert type(optimizers.get(identifier)) is type(optimizers.get(identifier.lower()))
    assert type(optimizers.get(identifier)).__name__ == type(keras.optimizers.get(identifier)).__name__


def test_get_other_forms():
    instance = optimizers.SGD()
    assert optimizers.get(instance) is instance
    assert optimizers.get(None) is None
    assert float(optimizers.get({"class_name": "SGD", "config": {"learning_rate": 0.25}}).learning_rate) == 0.25
    assert isinstance(optimizers.get({"class_name": "adam", "config": {}}), optimizers.Adam)
    for wrong in ("nope", 3):
        with pytest.raises(ValueError, match="Could not interpret optimizer identifier"):
            optimizers.get(wrong)


def test_default_names():
    keras.utils.clear_session()
    addax.utils.clear_session()
    for name in ("SGD", "RMSprop", "Adam", "AdamW", "SGD"):
        assert getattr(optimizers, name)().name == getattr(keras.optimizers, name)().name


class Sign(optimizers.Optimizer):
    """An optimizer as a user writes one."""

    def build(self, variables):
        super().build(variables)
        self.counts = self.add_optimizer_variables(variables, "count", initializer="ones")

    def update_step(self, gradient, variable, learning_rate):
        self.counts[self._index(variable)].assign_add(addax.ops.ones(variable.shape))
        variable.assign(variable.value - learning_rate * addax.ops.sign(gradient))


def test_own_optimizer():
    w = addax.Variable([1.0, 2.0], name="w")
    optimizer = Sign(learning_rate=0.5, weight_decay=0.1)
    optimizer.apply([np.array([5.0, -5.0])], [w])
    np.testing.assert_allclose(w.numpy(), [0.45, 2.4], rtol=1e-6)
    assert [v.path for v in optimizer.variables] == [
        f"{optimizer.name}/iteration",
        f"{optimizer.name}/learning_rate",
        f"{optimizer.name}/w_count",
    ]
    np.testing.assert_array_equal(optimizer.variables[2].numpy(), [2.0, 2.0])


W = addax.Variable([1.0, 2.0], name="w")
ERRORS = [
    (lambda: optimizers.SGD(momentum=2.0), r"`momentum` must be a float between \[0, 1\]. Received: momentum=2.0"),
    (lambda: optimizers.SGD(-1.0), "Argument `learning_rate` should be float.*learning_rate=-1.0"),
    (lambda: optimizers.SGD("fast"), "Argument `learning_rate` should be float.*learning_rate=fast"),
    (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=2.0), "Only one of `clipnorm`, `clipvalue` and `global_clipnorm`"),
    (lambda: optimizers.SGD(lr=0.1), r"SGD: Argument\(s\) not recognized: {'lr': 0.1}"),
    (lambda: optimizers.SGD(use_ema=True, ema_momentum=2), r"`ema_momentum` must be in the range \[0, 1\]"),
    (lambda: optimizers.SGD(ema_overwrite_frequency=0), "`ema_overwrite_frequency` must be an integer >= 1 or None"),
    (lambda: optimizers.SGD(gradient_accumulation_steps=1), "`gradient_accumulation_steps` must be an integer >= 2"),
    (lambda: optimizers.AdamW(weight_decay=None), "`weight_decay` must be a float"),
    (lambda: optimizers.SGD().apply([None], [W]), r"No gradients provided for any variable.*\['w'\].*GradientTape"),
    (lambda: optimizers.SGD().apply([np.ones(2)]), "the optimizer must already be built"),
    (lambda: optimizers.SGD().apply([np.ones(2)] * 2, [W]), "list of 2 gradients, but the optimizer is tracking 1"),
    (lambda: optimizers.SGD().apply([np.ones(3)], [W]), r"gradient of w has shape \(3,\), expected .* \(2,\)"),
    (lambda: optimizers.SGD().set_weights([]), "has not yet been built"),
    (lambda: optimizers.SGD().stateless_apply([], [], []), "must be built"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_variable():
    optimizer = optimizers.SGD()
    optimizer.build([W])
    with pytest.raises(ValueError, match=r"Unknown variable: .*recreate a new optimizer instance"):
        optimizer.apply([np.ones(1)], [addax.Variable([1.0])])


def test_decay_is_refused_gently():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optimizers.SGD(decay=0.1)
    assert "`decay` is no longer supported" in str(caught[0].message)
