"""The pass that puts batch normalisation into the filters before it: where it does, and how far its results are off."""

import numpy as np
import pytest

import addax
from addax import engine, layers

VECTORS = [f"%{i}: float32(4,)" for i in (2, 3, 4, 5)]
NORM = "%8: float32(2, 12, 4) = batch_norm_inference({}, %2, %3, %4, %5, axis=2, epsilon=0.5)"
CONV = "conv(%0, %1, strides=(1,), low=(1,), high=(1,), dilation=(1,), groups=1)"

COMPUTED, WIDE = CONV.replace("%1", "%7"), CONV.replace("low=(1,), high=(1,)", "low=(12,), high=(12,)")


def after(body: str, head: str = "", result: str = "%8") -> list[str]:
    """The lines that the pass makes of a body over x: float32(2, 12, 3), filters, mean, variance, gamma and beta."""
    inputs = ", ".join(["%0: float32(2, 12, 3)", head or "%1: float32(3, 3, 4)", *VECTORS])
    graph = engine.run_pass("batch_norm", engine.Graph.parse(f"graph({inputs}) {{\n{body}\nreturn {result}\n}}"))
    graph.verify()
    return [line.strip() for line in str(graph).splitlines()[1:-1]]


def test_factors_go_into_the_filters():
    assert after(f"%6: float32(2, 12, 4) = {CONV}\n{NORM.format('%6')}") == [
        "const %6: float32() = [0.5]",
        "%7: float32(4,) = add(%3, %6)",
        "%8: float32(4,) = rsqrt(%7)",
        "%9: float32(4,) = multiply(%8, %4)",
        "%10: float32(4,) = multiply(%2, %9)",
        "%11: float32(4,) = subtract(%5, %10)",
        "%12: float32(3, 3, 4) = multiply(%1, %9)",
        "%13: float32(2, 12, 4) = " + CONV.replace("%1", "%12"),
        "%14: float32(2, 12, 4) = add(%13, %11)",
        "return %14",
    ]


def test_a_bias_goes_into_the_offset():
    lines = after(
        f"const %9: float32(4,) = [1, 2, 3, 4]\n%6: float32(2, 12, 4) = {CONV}\n"
        f"%7: float32(2, 12, 4) = add(%6, %9)\n{NORM.format('%7')}"
    )
    assert "%11: float32(4,) = subtract(%2, %6)" in lines
    assert "%12: float32(4,) = multiply(%11, %10)" in lines
    assert sum("(2, 12, 4) = add" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("body", "head", "result"),
    [
        (f"%6: float32(2, 12, 4) = {CONV}\n{NORM.format('%6')}", "", "%8, %6"),
        (f"%7: float32(3, 3, 4) = exp(%1)\n%6: float32(2, 12, 4) = {COMPUTED}\n{NORM.format('%6')}", "", "%8"),
        (f"%6: float32(2, 12, 4) = {WIDE}\n{NORM.format('%6')}", "%1: float32(25, 3, 4)", "%8"),
        (f"%6: float32(2, 12, 4) = {CONV}\n%7: float32(2, 12, 4) = relu(%6)\n{NORM.format('%7')}", "", "%8"),
    ],
    ids=["read by others", "filters that are computed", "filters larger than the product", "an activation between"],
)  # fmt: skip
def test_what_stays(body, head, result):
    assert any("batch_norm_inference" in line for line in after(body, head, result))


def test_a_state_that_is_assigned_stays():
    body = f"%6: float32(2, 12, 4) = {CONV}\n{NORM.format('%6')}\n%9: float32(4,) = neg(%2)"
    states = ", ".join(f"state {v}" for v in VECTORS)
    text = f"graph(%0: float32(2, 12, 3), %1: float32(3, 3, 4), {states}) {{\n{body}\nreturn %8, "
    for mean, kept in (("%2", False), ("%9", True)):
        after = ", ".join(f"state {v}" for v in (mean, "%3", "%4", "%5"))
        graph = engine.run_pass("batch_norm", engine.Graph.parse(f"{text}{after}\n}}"))
        assert ("batch_norm_inference" in str(graph)) == kept


LAYERS = {
    "convolution": lambda: layers.Conv2D(8, 3, padding="same", use_bias=False),
    "bias": lambda: layers.Conv2D(8, 3, padding="same", bias_initializer="normal"),
    "pixels": lambda: layers.Conv2D(8, 1, bias_initializer="normal"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, 2, depth_multiplier=2),
    "dense": lambda: layers.Dense(8, bias_initializer="normal"),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_few_units_in_the_last_place(name, dtype):
    """Relative to the sum of the terms' sizes, as a reordered sum would be."""
    addax.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    product, norm = LAYERS[name](), layers.BatchNormalization(dtype=dtype)
    product.dtype_policy = addax.dtype_policies.DTypePolicy(dtype)
    x = engine.tensor(rng.normal(3.0, 1.0, (64, 12, 12, 4)), dtype)
    norm.build(product(x).shape)
    mean, variance, gamma, beta = (rng.normal(size=norm.gamma.shape) for _ in range(4))
    norm.set_weights([gamma, beta, 3 * mean, np.square(variance) + 0.01])
    folded = addax.compile(lambda x: norm(product(x)))
    y = folded(x).numpy()
    assert "batch_norm" not in str(folded.plans[0].graph)
    exact = norm(product(x)).numpy()
    weights = product.get_weights()
    product.set_weights([np.abs(w) for w in weights])
    factor = np.abs(gamma) / np.sqrt(np.square(variance) + 0.01 + norm.epsilon)
    size = (product(addax.ops.abs(x)).numpy() + np.abs(3 * mean)) * factor + np.abs(beta)
    assert 0 < (np.abs(y - exact) / size).max() < 8 * np.finfo(dtype).eps


def test_predictions_follow_the_weights():
    """The filters are scaled in each run; and the bits are those of the graph, whatever the threads."""
    addax.utils.set_random_seed(1)
    model = addax.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    x = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    model.set_weights([w + 0.5 for w in model.get_weights()])
    after = model.predict(x, verbose=0)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, model(x).numpy(), rtol=1e-5, atol=1e-5)
    threads = engine.num_threads()
    try:
        for n in (1, 2, 4):
            engine.set_num_threads(n)
            np.testing.assert_array_equal(model.predict(x, verbose=0), after)
    finally:
        engine.set_num_threads(threads)


def test_a_bias_that_widens_the_product_stays():
    class Wide(layers.Layer):
        def call(self, x):
            return x + addax.ops.arange(1.0, 8.0)

    addax.utils.set_random_seed(1)
    model = addax.Sequential(
        [layers.Input((6, 2)), layers.Conv1D(1, 1, use_bias=False), Wide(), layers.BatchNormalization()]
    )
    model.layers[-1].set_weights([np.arange(1.0, 8), np.arange(7.0), np.arange(7.0), np.arange(2.0, 9)])
    x = np.random.default_rng(0).normal(size=(5, 6, 2)).astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x).numpy(), rtol=1e-5, atol=1e-5)


def test_a_training_step_is_left_alone():
    """Frozen layers too: eager and compiled training have equal bits."""

    def trained(eagerly):
        addax.utils.set_random_seed(1)
        frozen = [layers.Conv2D(4, 3, trainable=False), layers.BatchNormalization(trainable=False)]
        model = addax.Sequential([layers.Input((8, 8, 3)), *frozen, layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=eagerly)
        frozen[1].set_weights([w + 0.5 for w in frozen[1].get_weights()])
        x = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype("float32")
        model.fit(x, x[:, 0, 0, :1], verbose=0)
        return b"".join(w.tobytes() for w in model.get_weights())

    assert trained(False) == trained(True)


def test_the_size_of_the_batch_changes_no_bits():
    addax.utils.set_random_seed(1)
    model = addax.Sequential([layers.Input((64,)), layers.Dense(32), layers.BatchNormalization()])
    model.layers[1].set_weights([w + 0.5 for w in model.layers[1].get_weights()])
    x = np.random.default_rng(0).normal(size=(96, 64)).astype("float32")
    np.testing.assert_array_equal(
        model.predict(x, batch_size=96, verbose=0), model.predict(x, batch_size=40, verbose=0)
    )
