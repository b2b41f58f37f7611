"""The base class: building, members, calls, masks, losses, dtypes, configs, errors."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest

import addax
from addax import layers, ops
from tests.layers.oracle import numpy_of

X = np.ones((2, 4), "float32")


def make_nested(k):
    """The same nest of layers, variables, generators and metrics, of either library."""

    class Nested(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = k.Variable(np.ones(2), name="first")
            self.mixed = [
                k.layers.Dense(2, name="a"),
                {"z": k.layers.Dense(3, name="b"), "y": k.layers.Dense(1, name="c")},
            ]
            self.metric = k.metrics.Mean()
            self.generator = k.random.SeedGenerator(1, name="generator")
            self.frozen = k.Variable(np.ones(2), name="frozen", trainable=False)
            self.norm = k.layers.BatchNormalization(name="norm")
            self.pair = (k.layers.Dense(5, name="d"),)
            self.again = self.mixed[0]
            self.inner = [k.Variable(1.0, name="inner")]

        def build(self, shape):
            self.w = self.add_weight(shape=(1,), name="w")
            self.w2 = self.add_weight(shape=(1,), name="w2", trainable=False)
            self.w3 = self.add_weight(shape=(1,), name="w3")
            for layer in (self.mixed[0], self.mixed[1]["z"], self.mixed[1]["y"], self.norm, self.pair[0]):
                layer.build((1, 1))

        def call(self, x):
            return x

    nested = Nested(name="nested")
    nested.build((2, 3))
    return nested


LISTS = (
    "variables",
    "weights",
    "trainable_variables",
    "trainable_weights",
    "non_trainable_variables",
    "non_trainable_weights",
    "metrics_variables",
)


def paths(layer):
    return {name: [v.path for v in getattr(layer, name)] for name in LISTS}


def test_members_in_keras_order():
    ours, theirs = make_nested(addax), make_nested(keras)
    assert paths(ours) == paths(theirs)
    assert [m.name for m in ours.metrics] == [m.name for m in theirs.metrics]
    for change in (
        lambda layer: setattr(layer.norm, "trainable", False),
        lambda layer: setattr(layer, "trainable", False),
        lambda layer: setattr(layer, "trainable", True),
    ):
        change(ours)
        change(theirs)
        assert paths(ours) == paths(theirs)
        assert [v.trainable for v in ours.variables] == [v.trainable for v in theirs.variables]
        assert (ours.norm.trainable, ours.pair[0].trainable) == (theirs.norm.trainable, theirs.pair[0].trainable)


def test_plain_containers_stay_plain_and_follow_changes():
    class Stack(layers.Layer):
        def __init__(self):
            super().__init__()
            self.stack = []

        def call(self, x):
            for layer in self.stack:
                x = layer(x)
            return x

    model = Stack()
    assert type(model.stack) is list
    model.stack.append(layers.Dense(3))
    model(X)
    assert len(model.weights) == 2
    model.stack.append(layers.Dense(1, use_bias=False))
    model(X)
    assert len(model.weights) == 3
    del model.stack[0]
    assert len(model.weights) == 1


def test_a_layer_in_a_cycle_is_walked_once():
    a, b = layers.Dense(2), layers.Dense(3)
    a.partner, b.partner = b, a
    a.build((None, 4))
    b.build((None, 4))
    assert len(a.weights) == 4 and len(b.variables) == 4


def test_paths_follow_nesting():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.early = self.add_weight(shape=(1,), name="early")
            self.dense = layers.Dense(2, name="dense")

        def call(self, x):
            return self.dense(x) * self.early

    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.block = Block(name="block")

        def call(self, x):
            return self.block(x)

    outer = Outer(name="outer")
    outer(X)
    assert [w.path for w in outer.weights] == ["block/early", "outer/block/dense/kernel", "outer/block/dense/bias"]
    assert (outer.path, outer.block.path, outer.block.dense.path) == ("outer", "outer/block", "outer/block/dense")
    with addax.name_scope("scope"):
        assert [w.path for w in _built(layers.Dense(1, name="d"), (None, 1)).weights] == [
            "scope/d/kernel",
            "scope/d/bias",
        ]


def _built(layer, shape):
    layer.build(shape)
    return layer


def test_training_flag_goes_down_and_stays_there():
    log = []

    class Leaf(layers.Layer):
        def call(self, x, training=None):
            log.append((self.name, training))
            return x

    class Default(layers.Layer):
        def call(self, x, training=False):
            log.append((self.name, training))
            return x

    class Branch(layers.Layer):
        def __init__(self):
            super().__init__()
            self.leaf, self.default = Leaf(name="leaf"), Default(name="default")

        def call(self, x):
            return self.default(self.leaf(x))

    class Override(layers.Layer):
        def __init__(self):
            super().__init__()
            self.leaf, self.sibling = Leaf(name="leaf"), Leaf(name="sibling")

        def call(self, x, training=None):
            return self.sibling(self.leaf(x, training=True))

    def run(layer, **kwargs):
        log.clear()
        layer(X, **kwargs)
        return list(log)

    assert run(Branch(), training=True) == [("leaf", True), ("default", True)]
    assert run(Branch()) == [("leaf", None), ("default", False)]
    # In Keras, what one nested call is told leaks into those after it; here it does not.
    assert run(Override(), training=False) == [("leaf", True), ("sibling", False)]
    assert run(Override()) == [("leaf", True), ("sibling", None)]


def test_training_flag_is_reset_by_an_error():
    class Bad(layers.Layer):
        def call(self, x, training=None):
            raise KeyError("no")

    with pytest.raises(KeyError):
        Bad()(X, training=True)
    x = np.ones((4, 4), "float32")
    np.testing.assert_array_equal(layers.Dropout(0.5)(x).numpy(), x)


@pytest.mark.parametrize("argument", ["positional", "keyword"])
def test_build_gets_shapes_by_name(argument):
    seen = []

    class Two(layers.Layer):
        def build(self, a_shape, b_shape):
            seen.append((a_shape, b_shape))

        def call(self, a, b, c=None):
            return a

    layer = Two()
    if argument == "positional":
        layer(X, X[:1])
    else:
        layer(X, b=X[:1], c=X)
    assert seen == [((2, 4), (1, 4))]
    assert layer.get_build_config() == {"shapes_dict": {"a_shape": (2, 4), "b_shape": (1, 4)}}
    again = Two()
    again.build_from_config({"shapes_dict": {"a_shape": [2, 4], "b_shape": [1, 4]}})
    assert seen[-1] == ((2, 4), (1, 4)) and again.built


@pytest.mark.parametrize(
    "make", [lambda x: [x, x[:1]], lambda x: (x, x[:1]), lambda x: {"p": x, "q": x[:1]}], ids=["list", "tuple", "dict"]
)
def test_build_gets_structures_of_shapes(make):
    seen = []

    class Join(layers.Layer):
        def build(self, input_shape):
            seen.append(input_shape)

        def call(self, inputs):
            return inputs

    Join()(make(X))
    shapes = make(X)
    assert seen == [addax.tree.map_structure(lambda x: x.shape, shapes)]


def test_build_by_hand_runs_call_where_there_is_no_build():
    class Two(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.a, self.b = layers.Dense(3), layers.Dense(2)

        def call(self, x):
            return self.b(self.a(x))

    layer = Two(name="two")
    layer.build((None, 4))
    assert [w.shape for w in layer.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert layer.a.get_build_config() == {"input_shape": (None, 4)}
    assert layer.weights[0].path.startswith("two/dense")
    assert not any(w.value.is_placeholder for w in layer.weights)


def test_weights_cannot_be_added_after_build():
    layer = _built(layers.Dense(2), (None, 3))
    with pytest.raises(ValueError, match="cannot add new weights to a layer that is already built"):
        layer.add_weight(shape=(1,))


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"shape": (None, 2), "name": "k"}, "must be fully-defined.*variable path='holder/k'"),
        ({"shape": "k"}, "`name` must be passed as a keyword argument"),
        ({"shape": (2,), "initializer": "nope"}, "initializer"),
        ({"shape": (2,), "regularizer": "nope"}, "Could not interpret regularizer identifier"),
        ({"shape": (2,), "constraint": "nope"}, "Could not interpret constraint identifier"),
        ({"shape": 3}, "shape"),
    ],
)
def test_add_weight_errors(arguments, message):
    class Holder(layers.Layer):
        def build(self, shape):
            self.add_weight(**arguments)

    with pytest.raises(ValueError, match=message):
        Holder(name="holder").build((1,))


def test_add_weight_defaults():
    class Holder(layers.Layer):
        def build(self, shape):
            self.scalar = self.add_weight()
            self.whole = self.add_weight(shape=[2, 3], dtype="int32")
            self.flag = self.add_weight(shape=(2,), dtype="bool")
            self.tuned = self.add_weight(shape=(2,), regularizer="l2", constraint="non_neg", name="tuned")

    layer = Holder(dtype="mixed_float16")
    layer.build(())
    assert (layer.scalar.shape, layer.scalar.dtype) == ((), "float32")
    assert layer.whole.numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert layer.flag.numpy().tolist() == [False, False]
    assert isinstance(layer.tuned.regularizer, addax.regularizers.L2)
    assert isinstance(layer.tuned.constraint, addax.constraints.NonNeg)


def test_get_and_set_weights():
    layer = _built(layers.Dense(2, name="d"), (None, 3))
    values = [np.full((3, 2), 2.0, "float32"), np.array([1.0, 2.0], "float32")]
    layer.set_weights(values)
    values[1][:] = 9.0  # what the caller does afterwards is the caller's
    assert layer.get_weights()[1].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="weight list of length 1, but the layer was expecting 2 weights"):
        layer.set_weights(values[:1])
    with pytest.raises(ValueError, match=r"weight shape \(2,\) is not compatible with provided weight shape \(3,\)"):
        layer.set_weights([values[0], np.ones(3)])
    assert layer.get_weights()[1].tolist() == [1.0, 2.0]
    assert layer.count_params() == 8
    with pytest.raises(ValueError, match="the layer isn't built"):
        layers.Dense(2).count_params()


def test_own_variables_as_keras_stores_them():
    ours, theirs = layers.BatchNormalization(name="n"), keras.layers.BatchNormalization(name="n")
    store, expected = {}, {}
    for layer, target in ((ours, store), (theirs, expected)):
        layer.build((None, 3))
        layer.save_own_variables(target)
    assert {k: v.name for k, v in store.items()} == {k: v.name for k, v in expected.items()}
    ours.load_own_variables({str(i): np.full(3, float(i)) for i in range(4)})
    assert [w.numpy()[0] for w in ours.weights] == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="expected 4 variables, but received 1 variables during loading"):
        ours.load_own_variables({"0": np.ones(3)})
    with pytest.raises(ValueError, match="was never built"):
        layers.Dense(2).load_own_variables({"0": np.ones(3)})


def test_inputs_become_tensors_of_the_compute_dtype():
    seen = []

    class Look(layers.Layer):
        def call(self, x, y=None):
            seen.append((type(x).__name__, x.dtype))
            return x

    layer = Look(dtype="float16")
    layer(np.ones((2, 2)))
    layer(ops.ones((2, 2)))
    layer(np.ones((2, 2), "int64"))
    layer(ops.ones((2, 2)), y=np.ones(2))
    layer(x=np.ones((2, 2)))
    assert seen == [("Tensor", "float16"), ("Tensor", "float16"), ("Tensor", "int64"), *[("Tensor", "float16")] * 2]
    assert Look(autocast=False, dtype="float16")(ops.ones((2, 2))).dtype == "float32"


@pytest.mark.parametrize("value", [3, "abc", [[1.0, 2.0]], True], ids=repr)
def test_positional_arguments_must_be_tensors(value):
    for library in (addax, keras):
        with pytest.raises(ValueError, match="Only input tensors may be passed as positional arguments"):
            library.layers.Dense(2)(value)


def test_mixed_precision_reads_variables_in_the_compute_dtype():
    seen = {}

    class Inner(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1,), name="w")
            self.exact = self.add_weight(shape=(1,), name="exact", autocast=False)

        def call(self, x):
            seen[self.name] = (x.dtype, self.w.value.dtype, self.exact.value.dtype)
            return x

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.low = Inner(name="low", dtype="mixed_bfloat16")
            self.high = Inner(name="high", dtype="float32")

        def call(self, x):
            return self.high(self.low(x))

    Outer()(X)
    assert seen == {
        "low": ("bfloat16", "bfloat16", "float32"),
        "high": ("float32", "float32", "float32"),
    }
    assert addax.Variable(1.0).value.dtype == "float32"


def test_dtype_policy_of_a_layer():
    layer = layers.Dense(2, dtype="mixed_float16")
    assert (layer.dtype, layer.compute_dtype, layer.variable_dtype, layer.input_dtype) == (
        "float32",
        "float16",
        "float32",
        "float16",
    )
    layer.dtype_policy = "float64"
    assert layer(X).dtype == "float64"
    addax.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert layers.Dense(2).dtype_policy.name == "mixed_bfloat16"
    finally:
        addax.config.set_dtype_policy("float32")
    with pytest.raises(AttributeError):
        layer.dtype = "float16"


# -- masks


class MakesMask(layers.Layer):
    def compute_mask(self, inputs, previous_mask=None):
        return ops.not_equal(inputs[..., 0], 0)

    def call(self, x):
        return x * 2


class TakesMask(layers.Layer):
    def call(self, x, mask=None):
        self.seen = mask
        return x + 1


class PassesMask(layers.Layer):
    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, x):
        return x + 1


MASKED = np.array([[0.0, 1.0], [2.0, 3.0]], "float32")


def test_masks_travel_with_tensors():
    y = PassesMask()(MakesMask()(MASKED))
    taker = TakesMask()
    with pytest.warns(UserWarning, match="does not support masking"):
        z = taker(y)
    assert taker.seen.tolist() == [False, True]
    assert not hasattr(z, "_keras_mask")
    taker.supports_masking = True
    taker(y, mask=np.array([True, True]))
    assert taker.seen.tolist() == [True, True]
    taker(X)
    assert taker.seen is None


def test_masks_of_several_inputs():
    seen = {}

    class Two(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, a, b, a_mask=None, b_mask=None):
            seen.update(a=a_mask, b=b_mask)
            return a

    class Listed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def compute_mask(self, inputs, previous_mask):
            return previous_mask[0]

        def call(self, inputs, mask=None):
            seen["mask"] = mask
            return inputs[0] + inputs[1]

    y = MakesMask()(MASKED)
    Two()(y, ops.convert_to_tensor(MASKED))
    assert seen["a"].tolist() == [False, True] and seen["b"] is None
    z = Listed()([y, MASKED])
    assert seen["mask"][0].tolist() == [False, True] and seen["mask"][1] is None
    assert z._keras_mask.tolist() == [False, True]


def test_masks_reach_layers_of_a_model():
    taker = TakesMask()
    taker.supports_masking = True
    model = addax.Sequential([MakesMask(), PassesMask(), taker])
    y = model(MASKED)
    assert taker.seen.tolist() == [False, True] and y._keras_mask.tolist() == [False, True]


# -- losses


class Adds(layers.Layer):
    def call(self, x):
        self.add_loss(ops.sum(x))
        return x


def test_losses_are_those_of_the_last_call():
    layer = Adds()
    layer(X)
    layer(2 * X)
    assert [float(loss) for loss in layer.losses] == [16.0]
    model = addax.Sequential([layer, Adds()])
    model(X)
    assert [float(loss) for loss in model.losses] == [8.0, 8.0]
    model(3 * X)
    assert [float(loss) for loss in model.losses] == [24.0, 24.0]
    layer(addax.Input((4,)))
    assert [float(loss) for loss in model.losses] == [24.0, 24.0]


def test_a_layer_that_was_not_reached_adds_no_loss():
    class Either(layers.Layer):
        def __init__(self):
            super().__init__()
            self.a, self.b = Adds(), Adds()

        def call(self, x, which=None):
            return (self.a if which == "a" else self.b)(x)

    layer = Either()
    layer(X, which="a")
    layer(5 * X, which="b")
    assert [float(loss) for loss in layer.losses] == [40.0]
    layer.a(X)
    layer(5 * X, which="b")
    assert [float(loss) for loss in layer.losses] == [40.0]


@pytest.mark.parametrize("loss", ["x", 1.5, np.ones(2)], ids=repr)
def test_add_loss_takes_scalars_only(loss):
    with pytest.raises(ValueError, match=r"`add_loss\(\)` can only be called from inside"):
        Adds().add_loss(loss)


def test_frozen_weights_are_not_regularized():
    layer = _built(layers.Dense(2, kernel_regularizer="l2"), (None, 2))
    assert len(layer.losses) == 1
    layer.trainable = False
    assert layer.losses == []


# -- configs


class Plain(layers.Layer):
    def __init__(self, a, b=2, **kwargs):
        super().__init__(**kwargs)
        self.a = a


class Strict(layers.Layer):
    def __init__(self, a):
        super().__init__()
        self.a = a


def test_config_from_constructor_arguments():
    config = Plain([1, {"x": (2, 3)}], b=3, name="q", activity_regularizer="l2").get_config()
    assert config["a"] == [1, {"x": (2, 3)}] and config["b"] == 3 and config["name"] == "q"
    assert config["activity_regularizer"]["class_name"] == "L2"
    again = Plain.from_config(config)
    assert (again.a, again.name, again.activity_regularizer.l2) == ([1, {"x": (2, 3)}], "q", 0.01)
    assert Strict.from_config(Strict(5).get_config()).a == 5


@pytest.mark.parametrize(
    "value", [object(), np.ones(3), layers.Dense(2), len], ids=["object", "array", "layer", "function"]
)
def test_config_of_anything_else_must_be_written(value):
    with pytest.raises(NotImplementedError, match=r"Plain was created with a=.*must write `get_config\(\)`"):
        Plain(value).get_config()


def test_from_config_error_shows_the_config():
    with pytest.raises(TypeError, match=r"Error when deserializing class 'Plain' using config={'a': 1, 'c': 4}"):
        Plain.from_config({"a": 1, "c": 4})


def test_serialize_and_deserialize():
    config = layers.serialize(layers.Dense(3, name="d", activation="relu"))
    layer = layers.deserialize(config)
    assert (layer.name, layer.units, layer.activation) == ("d", 3, addax.activations.relu)
    expected = keras.layers.serialize(keras.layers.Dense(3, name="d", activation="relu"))
    assert config == expected


# -- symbolic calls


def test_symbolic_call_keeps_unknown_dims():
    x = addax.Input((None, 4))
    y = layers.Dense(3)(x)
    assert y.shape == (None, None, 3)
    assert layers.Flatten()(y).shape == (None, None)


def test_masks_are_no_inputs_of_compute_output_shape():
    class Mean(addax.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, inputs, mask=None):
            return ops.mean(inputs, axis=1)

        def compute_output_shape(self, input_shape):
            return input_shape[0], input_shape[-1]

        def compute_mask(self, inputs, mask=None):
            return None

    assert Mean()(addax.layers.Masking()(addax.Input((7, 8)))).shape == (None, 8)


@pytest.mark.parametrize(
    "output_shape",
    [
        lambda self, input_shape: input_shape,
        lambda self, inputs_shape, condition_shape: inputs_shape,
        lambda self, condition_shape, inputs_shape: inputs_shape,  # by name, in any order
        lambda self, first, second: first,  # in order, where no names agree
        lambda self, first, second=None, third=None: first,
    ],
)
def test_compute_output_shape_takes_the_shapes_it_names(output_shape):
    class Scale(addax.layers.Layer):
        compute_output_shape = output_shape

        def call(self, inputs, condition=None):
            return inputs * ops.mean(condition)

    assert Scale()(addax.Input((3,)), addax.Input((5,))).shape == (None, 3)


def test_compute_output_shape_of_an_unbuilt_layer_leaves_it_so():
    class Own(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 3))

        def call(self, x):
            return ops.matmul(x, self.w)

    for layer, shape in ((Own(), (None, 3)), (layers.Dense(2), (None, 2))):
        assert layer.compute_output_shape((None, 4)) == shape
        assert not layer.built and layer.weights == []
    model = addax.Sequential([layers.Dense(2), layers.Dense(5)])
    assert model.compute_output_shape((None, 4)) == (None, 5)
    assert not model.built


def test_a_written_output_shape_is_believed():
    class Own(layers.Layer):
        def call(self, x):
            raise ValueError("not symbolic")

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 7)

    y = Own(dtype="mixed_float16")(addax.Input((4,)))
    assert (y.shape, y.dtype) == ((None, 7), "float16")


def test_symbolic_calls_change_no_state():
    layer = layers.BatchNormalization()
    dropout = layers.Dropout(0.5, seed=3)
    state = dropout.seed_generator.state.numpy()
    layer(dropout(addax.Input((3,)), training=True), training=True)
    assert layer.moving_mean.numpy().tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(dropout.seed_generator.state.numpy(), state)


# -- errors


def test_an_error_inside_call_names_the_innermost_layer_once():
    class Bad(layers.Layer):
        def call(self, x, factor=1):
            raise ValueError("boom")

    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.bad = Bad(name="bad")

        def call(self, x):
            return self.bad(x, factor=3)

    with pytest.raises(ValueError) as error:
        addax.Sequential([Outer(name="outer")], name="model")(X)
    text = str(error.value)
    assert text.startswith("boom\n\nException encountered when calling Bad.call() of layer 'model/outer/bad'.")
    assert text.count("Exception encountered") == 1
    assert "• x=Tensor(shape=(2, 4), dtype=float32)" in text or "• x=KerasTensor" in text
    assert "• factor=3" in text


def test_an_error_of_another_kind_gets_a_note():
    class Bad(layers.Layer):
        def call(self, x):
            return {}["missing"]

    with pytest.raises(KeyError) as error:
        Bad(name="bad")(X)
    assert error.value.args == ("missing",)
    assert "of layer 'bad'" in error.value.__notes__[0]


def test_shapes_that_do_not_fit_are_explained():
    class Bad(layers.Layer):
        def call(self, x):
            return ops.matmul(x, ops.ones((5, 2)))

    with pytest.raises(ValueError, match=r"matmul(.|\n)*\(2, 4\)(.|\n)*of layer 'bad'"):
        Bad(name="bad")(X)


def test_forgotten_super_init():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    with pytest.raises(RuntimeError, match=r"In layer Forgetful, you forgot to call `super\(\).__init__\(\)`"):
        Forgetful()(X)


def test_an_unbuilt_layer_says_so():
    with pytest.raises(AttributeError, match=r"no attribute 'kernel'. Layer 'd' is not built yet"):
        _ = layers.Dense(2, name="d").kernel


def test_missing_call():
    class Nothing(layers.Layer):
        pass

    with pytest.raises(NotImplementedError, match="Layer Nothing does not have a `call` method implemented"):
        Nothing()(X)


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda d: d(), "missing 1 required argument: 'inputs'"),
        (lambda d: d(X, foo=1), "unexpected keyword argument 'foo'"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call(_built(layers.Dense(2), (None, 4)))


@pytest.mark.parametrize("name", ["a/b", 3])
def test_names_are_checked(name):
    with pytest.raises(ValueError, match="name"):
        layers.Dense(2, name=name)


S, KS = layers.InputSpec, keras.layers.InputSpec
SPECS = [
    ({"ndim": 3}, X),
    ({"max_ndim": 1}, X),
    ({"min_ndim": 3}, X),
    ({"dtype": "int32"}, X),
    ({"axes": {1: 5}}, X),
    ({"axes": {-2: 5}}, X),
    ({"shape": (None, 5)}, X),
    ({"shape": (None, 4, 1)}, X),
    ({"shape": (None, 4)}, X),
    ({"shape": (None, 4, 1), "allow_last_axis_squeeze": True}, X),
    ({"shape": (None,), "allow_last_axis_squeeze": True}, np.ones((2, 1), "float32")),
    ({"ndim": 2}, None),
    ({"ndim": 2, "optional": True}, None),
    ({"ndim": 2}, [X, X]),
    ({"shape": (None, 3), "name": "foo"}, X),
]


@pytest.mark.parametrize("arguments,inputs", SPECS, ids=[str(i) for i in range(len(SPECS))])
def test_input_spec_messages(arguments, inputs):
    results = []
    for library in (addax, keras):

        class Checked(library.layers.Layer):
            def call(self, x):
                return x

        layer = Checked(name="checked")
        layer.input_spec = library.layers.InputSpec(**arguments)
        try:
            layer(inputs)
            results.append("passed")
        except ValueError as error:
            results.append(str(error).split("Inputs received")[0])
    assert results[0] == results[1]
    assert repr(S(**arguments)) == repr(KS(**arguments))
    assert S(**arguments).get_config() == KS(**arguments).get_config()


# -- stateless calls, copies


def test_stateless_call_leaves_the_variables():
    layer = _built(layers.BatchNormalization(momentum=0.5), (None, 2))
    x = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")
    trainable = [np.full(2, 2.0, "float32"), np.ones(2, "float32")]
    state = [np.zeros(2, "float32"), np.ones(2, "float32")]
    y, new_state = layer.stateless_call(trainable, state, x, training=True)
    np.testing.assert_allclose(numpy_of(y), [[-1.0, -1.0], [3.0, 3.0]], atol=2e-3)
    np.testing.assert_allclose(numpy_of(new_state), [[1.0, 2.0], [1.0, 2.5]], rtol=1e-6)
    assert layer.moving_mean.numpy().tolist() == [0.0, 0.0] and layer.gamma.numpy().tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="Received list with length 1, but expected 2 variables"):
        layer.stateless_call(trainable[:1], state, x)
    with pytest.raises(ValueError, match="must be built"):
        layers.Dense(2).stateless_call([], [], x)


def test_gradients_flow_through_stateless_calls():
    layer = _built(layers.Dense(1, use_bias=False), (None, 2))
    kernel = ops.convert_to_tensor([[1.0], [2.0]])
    with addax.GradientTape() as tape:
        tape.watch(kernel)
        y, _ = layer.stateless_call([kernel], [], ops.convert_to_tensor([[3.0, 5.0]]))
    assert tape.gradient(y, kernel).tolist() == [[3.0], [5.0]]


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["copy", "pickle"]
)
def test_copies_are_independent(duplicate):
    layer = _built(layers.BatchNormalization(), (None, 3))
    other = duplicate(layer)
    assert [w.name for w in other.weights] == [w.name for w in layer.weights]
    other.gamma.assign(np.full(3, 7.0))
    assert layer.gamma.numpy().tolist() == [1.0, 1.0, 1.0] and other(np.ones((2, 3))).shape == (2, 3)


def test_legacy_input_shape_warns():
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`/`input_dim` argument to a layer"):
        model = addax.Sequential([layers.Dense(2, input_shape=(3,))])
    assert model.input_shape == (None, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert addax.Sequential([layers.Dense(2, input_dim=3)]).input_shape == (None, 3)
