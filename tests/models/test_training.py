"""Models of every kind train as in real Keras: graphs with many ends and shared layers, subclasses with own parts."""

import keras
import numpy as np
import pytest

import addax
from tests.layers.oracle import give_same_weights, numpy_of


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def classes(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, n, shape)


def two_ends(k):
    """Inputs and outputs by name, a shared layer, a loss and a weight for each output."""
    a, b = k.Input((5,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, activation="tanh", kernel_regularizer="l2", name="shared")
    x = shared(k.layers.Dense(4, name="first")(a))
    y = shared(b)
    both = k.layers.Concatenate(name="both")([x, y])
    outputs = {
        "score": k.layers.Dense(1, activity_regularizer="l2", name="score_")(both),
        "kind": k.layers.Dense(3, activation="softmax", name="kind_")(k.layers.Multiply(name="product")([x, y])),
    }
    model = k.Model({"a": a, "b": b}, outputs, name="two_ends")
    model.compile(
        "sgd",
        loss={"score": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"score": 0.5, "kind": 2.0},
        metrics={"kind": ["accuracy"], "score": ["mae"]},
    )
    x = {"a": normal(6, 5), "b": normal(6, 4, seed=1)}
    return model, x, {"score": normal(6, 1, seed=2), "kind": classes(3, 6)}


def listed_ends(k):
    """Lists in place of dicts; one output has no loss."""
    a, b = k.Input((5,)), k.Input((5,))
    layer = k.layers.Dense(3, name="layer")
    outputs = [k.layers.Dot(1, normalize=True)([layer(a), layer(b)]), k.layers.Average()([a, b])]
    model = k.Model([a, b], outputs)
    model.compile("sgd", loss=["mse", None])
    return model, [normal(6, 5), normal(6, 5, seed=1)], [normal(6, 1), normal(6, 5)]


def residual(k):
    """Blocks of convolutions with normalization and additions."""
    x = k.Input((8, 8, 3))
    y = k.layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(x)
    for i in range(2):
        z = k.layers.BatchNormalization(name=f"norm{i}")(y)
        z = k.layers.ReLU(6.0)(z)
        z = k.layers.SeparableConv2D(4, 3, padding="same", name=f"separable{i}")(z)
        z = k.layers.DepthwiseConv2D(3, padding="same", name=f"depthwise{i}")(z)
        y = k.layers.Add()([k.layers.GroupNormalization(2, name=f"groups{i}")(z), y])
    y = k.layers.GlobalAveragePooling2D()(k.layers.PReLU(shared_axes=[1, 2], name="prelu")(y))
    model = k.Model(x, k.layers.Dense(3, name="logits")(y))
    model.compile(
        k.optimizers.SGD(0.05, momentum=0.9),
        k.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model, normal(6, 8, 8, 3), classes(3, 6)


def autoencoder(k):
    """Down and up again, with what was skipped."""
    x = k.Input((8, 8, 2))
    down = k.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="down")(x)
    deep = k.layers.Conv2D(6, 3, strides=2, padding="same", activation="elu", name="deep")(down)
    up = k.layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(deep)
    wide = k.layers.UpSampling2D(2, interpolation="bilinear")(k.layers.Concatenate()([up, down]))
    wide = k.layers.Cropping2D(1)(k.layers.ZeroPadding2D(1)(wide))
    model = k.Model(x, k.layers.Conv2D(2, 3, padding="same", name="out")(k.layers.LeakyReLU()(wide)))
    model.compile(k.optimizers.Adam(0.01), "mse")
    x = normal(4, 8, 8, 2)
    return model, x, x


def tokens(k):
    """An embedding with padding, normalization of features, two heads."""
    x = k.Input((7,), dtype="int32")
    y = k.layers.Embedding(9, 6, mask_zero=True, name="embedding")(x)
    y = k.layers.LayerNormalization(name="norm")(k.layers.Dense(6, activation="gelu", name="dense")(y))
    y = k.layers.RMSNormalization(name="rms")(y)
    pooled = k.layers.GlobalAveragePooling1D()(y)
    repeated = k.layers.RepeatVector(7)(pooled)
    steps = k.layers.Dense(2, name="steps")(k.layers.Subtract()([y, repeated]))
    model = k.Model(x, [k.layers.Dense(1, name="whole")(pooled), steps])
    model.compile("sgd", ["mse", "mae"])
    return model, classes(9, 6, 7), [normal(6, 1), normal(6, 7, 2)]


def nested(k):
    """A graph and a stack as layers, the graph twice; part of it frozen."""
    x = k.Input((4,), name="x")
    frozen = k.layers.Dense(4, name="frozen", trainable=False)
    inner = k.Model(x, k.layers.Dense(4, name="inner_dense")(frozen(x)), name="inner")
    stack = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="a"), k.layers.Softmax()], name="stack")
    y = k.Input((4,), name="y")
    model = k.Model(y, stack(inner(inner(y))), name="outer")
    model.compile("sgd", "categorical_crossentropy")
    return model, normal(6, 4), np.eye(3, dtype="float32")[classes(3, 6)]


def plain_ops(k):
    """Functions of the package between layers."""
    x = k.Input((4, 3))
    y = k.layers.Dense(5, name="dense")(x)
    y = k.ops.transpose(y, (0, 2, 1)) * 0.5 + 1.0
    y = k.ops.concatenate([y, k.ops.square(y)], axis=-1)[:, 1:]
    y = k.layers.Permute((2, 1))(y)
    model = k.Model(x, k.layers.Dense(1, name="out")(k.ops.max(y, axis=1)))
    model.compile("sgd", "huber")
    return model, normal(6, 4, 3), normal(6, 1)


GRAPHS = [two_ends, listed_ends, residual, autoencoder, tokens, nested, plain_ops]


def subclass(k):
    """Layers in lists and dicts, several arguments, `training` passed on."""

    class Net(k.Model):
        def __init__(self):
            super().__init__(name="net")
            self.blocks = [k.layers.Dense(4, activation="relu", name=f"block{i}") for i in range(2)]
            self.heads = {"out": k.layers.Dense(1, name="out")}
            self.norm = k.layers.BatchNormalization(name="norm")

        def call(self, inputs, training=None):
            x = inputs["x"] + inputs["offset"]
            for block in self.blocks:
                x = block(x)
            return self.heads["out"](self.norm(x, training=training))

    model = Net()
    model.compile("sgd", "mse", metrics=["mae"])
    return model, {"x": normal(6, 4), "offset": normal(6, 4, seed=3)}, normal(6, 1)


def added_losses(k):
    """Losses from inside of `call`, of the model and of a layer."""

    class Penalty(k.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * k.ops.mean(k.ops.square(x)))
            return x

    class Net(k.Model):
        def __init__(self):
            super().__init__(name="net")
            self.dense = k.layers.Dense(4, name="dense", kernel_regularizer="l2")
            self.penalty = Penalty()
            self.out = k.layers.Dense(1, name="out")

        def call(self, x):
            h = self.penalty(self.dense(x))
            y = self.out(h)
            self.add_loss(0.2 * k.ops.mean(k.ops.abs(y)))
            return y

    model = Net()
    model.compile("sgd", "mse")
    return model, normal(6, 4), normal(6, 1)


def own_loss(k):
    """A loss of inputs, targets and predictions without one in `compile`, next to an added one."""

    class Net(k.Model):
        def __init__(self):
            super().__init__(name="net")
            self.dense = k.layers.Dense(4, name="dense", activity_regularizer="l2")

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return k.ops.mean(k.ops.abs(y_pred - y) * k.ops.abs(x)) + sum(self.losses)

    model = Net()
    model.compile(k.optimizers.RMSprop(0.01))
    return model, normal(6, 4), normal(6, 4, seed=1)


def extended_loss(k):
    """A graph whose subclass adds to the loss that it was compiled with."""

    class Net(k.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
            return loss + 0.1 * k.ops.sum(k.ops.square(self.trainable_variables[0]))

    x = k.Input((4,))
    model = Net(x, k.layers.Dense(2, name="dense")(x))
    model.compile("sgd", "mse")
    return model, normal(6, 4), normal(6, 2)


def model_as_layer(k):
    """A subclassed model inside of a graph, called on two inputs."""

    class Encoder(k.Model):
        def __init__(self):
            super().__init__(name="encoder")
            self.dense = k.layers.Dense(3, activation="tanh", name="dense")
            self.unit = k.layers.UnitNormalization()

        def call(self, x):
            return self.unit(self.dense(x))

    a, b = k.Input((4,)), k.Input((4,))
    encoder = Encoder()
    model = k.Model([a, b], k.layers.Maximum()([encoder(a), encoder(b)]))
    model.compile("sgd", "mse")
    return model, [normal(6, 4), normal(6, 4, seed=1)], normal(6, 3)


SUBCLASSES = [subclass, added_losses, own_loss, extended_loss, model_as_layer]


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("make", [*GRAPHS, *SUBCLASSES], ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask attached")
def test_three_steps(make, eagerly):
    (ours, x, y), (theirs, _, _) = make(addax), make(keras)
    ours.run_eagerly = eagerly
    for model in (ours, theirs):
        model(x)  # builds subclasses
    give_same_weights(ours, theirs)
    histories = [model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0).history for model in (ours, theirs)]
    assert histories[0].keys() == histories[1].keys()
    for key, expected in histories[1].items():
        # Six float32 steps; sums of some hundred products in another order.
        np.testing.assert_allclose(histories[0][key], expected, rtol=2e-4, err_msg=key)
    for v, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(numpy_of(v), numpy_of(other), rtol=2e-3, atol=2e-4, err_msg=v.path)
    results = [model.evaluate(x, y, verbose=0, return_dict=True) for model in (ours, theirs)]
    assert results[0].keys() == results[1].keys()
    for key, expected in results[1].items():
        np.testing.assert_allclose(results[0][key], expected, rtol=1e-3, err_msg=key)
    predictions = addax.tree.flatten(ours.predict(x, verbose=0)), keras.tree.flatten(theirs.predict(x, verbose=0))
    for one, other in zip(*predictions, strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("eagerly", [False, True])
def test_own_train_step(eagerly):
    """Written with a tape, beside the step of Keras: its custom steps on JAX look otherwise."""

    class Net(addax.Model):
        def train_step(self, data):
            x, y = data
            with addax.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            self.optimizer.apply_gradients(
                zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables, strict=True)
            )
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    def graph(k, cls):
        x = k.Input((4,))
        y = k.layers.Dense(3, activation="tanh", kernel_regularizer="l2", name="hidden")(x)
        model = cls(x, k.layers.Dense(1, name="out")(y))
        model.compile(optimizer="adam", loss="mse", metrics=["mae"], **({"run_eagerly": eagerly} if k is addax else {}))
        return model

    ours, theirs = graph(addax, Net), graph(keras, keras.Model)
    give_same_weights(ours, theirs)
    data = normal(6, 4), normal(6, 1)
    fits = [model.fit(*data, batch_size=2, epochs=2, shuffle=False, verbose=0).history for model in (ours, theirs)]
    np.testing.assert_allclose(fits[0]["loss"], fits[1]["loss"], rtol=1e-5)
    for v, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(numpy_of(v), numpy_of(other), rtol=1e-4, atol=1e-6, err_msg=v.path)


def test_results_as_a_list():
    """Of a model whose outputs have names."""
    results = []
    for k in (addax, keras):
        model, x, y = two_ends(k)
        model.set_weights([np.full(w.shape, 0.1, "float32") for w in model.get_weights()])
        results.append(model.evaluate(x, y, verbose=0))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_loss_weights_by_output_name_for_listed_outputs():
    losses = []
    for k in (addax, keras):
        x = k.Input((2,))
        ends = [k.layers.Dense(1, name=name, kernel_initializer="ones")(x) for name in ("z", "a")]
        model = k.Model(x, ends)
        model.compile("sgd", {"z": "mse", "a": "mae"}, loss_weights={"a": 10.0, "z": 1.0})
        losses.append(model.evaluate(normal(4, 2), [normal(4, 1), normal(4, 1)], verbose=0, return_dict=True)["loss"])
    assert losses[0] == pytest.approx(losses[1])


def test_loss_weights_for_other_outputs():
    model, x, y = two_ends(addax)
    model.compile("sgd", {"score": "mse", "kind": "mse"}, loss_weights={"score": 1.0, "king": 2.0})
    with pytest.raises(ValueError, match="must have the keys of the losses"):
        model.evaluate(x, {"score": y["score"], "kind": normal(6, 3)}, verbose=0)


def test_a_frozen_layer_is_frozen_inside_of_models():
    for k in (addax, keras):
        frozen = k.layers.BatchNormalization(trainable=False)
        x = k.Input((3,))
        model = k.Sequential([k.Input((3,)), k.Model(x, frozen(x)), k.layers.Dense(1)])
        assert len(model.trainable_variables) == 2
        assert [v.trainable for v in frozen.weights] == [False] * 4
        frozen.trainable = True
        assert [v.trainable for v in frozen.weights] == [True, True, False, False]
        assert len(model.trainable_variables) == 4
