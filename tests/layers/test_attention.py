"""EinsumDense and the attention layers against real Keras."""

import math

import keras
import numpy as np
import pytest

import addax
from tests.layers import oracle

Q, K, V = (2, 6, 8), (2, 5, 8), (2, 5, 3)
MASKS = {
    "query_mask": np.array([[1, 1, 1, 0, 0, 0], [1] * 6], bool),
    "value_mask": np.array([[1, 1, 0, 0, 1], [1, 1, 1, 1, 0]], bool),
    "key_mask": np.array([[1, 0, 1, 1, 1], [1] * 5], bool),
}
KEY_MASKS = {name: MASKS[name] for name in ("value_mask", "key_mask")}  # Keras ignores a query mask given to its heads
SEEN = np.random.default_rng(0).random((2, 6, 5)) < 0.5
SEEN[:, 2] = False  # a query that sees nothing

# equation, output shape, bias axes, input shape
EINSUMS = [
    ("ab,bc->ac", 4, "c", (2, 3)),
    ("...x,xy->...y", 4, "y", (2, 5, 3)),
    ("abc,cde->abde", (None, 4, 5), "de", (2, 6, 3)),
    ("abcd,cde->abe", (None, 5), "e", (2, 6, 3, 2)),
    ("ab...,bc->ac...", 4, "c", (2, 3, 5)),
    ("abc,bd->adc", (4, 3), "d", (2, 6, 3)),
    ("abc,bd->adc", (4, 3), "dc", (2, 6, 3)),
    ("abc,cd->abd", (6, 4), "bd", (2, 6, 3)),
    ("abc,cd->abd", (None, 4), None, (2, 6, 3)),
]

# name, constructor arguments, input shapes, arguments of the call
CASES = [
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, [Q, K], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, [Q, K, K], {"use_causal_mask": True}),
    ("MultiHeadAttention", {"num_heads": 3, "key_dim": 4, "use_bias": False}, [Q, V], KEY_MASKS),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, [Q, K], {"attention_mask": SEEN}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, [Q, K], {"attention_mask": SEEN[0], **KEY_MASKS}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "dropout": 0.3, "seed": 2}, [Q, K], {"attention_mask": SEEN}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "use_gate": True, "output_shape": 5}, [Q, K], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "output_shape": (3, 2)}, [Q, K], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "sliding_window": 2}, [Q, Q], {"use_causal_mask": True}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "attention_axes": 2}, [(2, 3, 4, 8), (2, 3, 4, 8)], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "seed": 4}, [(2, 3, 4, 8), (2, 3, 4, 8)], {}),
    ("GroupQueryAttention", {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}, [Q, K], {}),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 2}, [Q, K, K], MASKS),
    (
        "GroupQueryAttention",
        {"head_dim": 4, "num_query_heads": 6, "num_key_value_heads": 2, "use_gate": True, "use_bias": False},
        [Q, K],
        {"attention_mask": SEEN, "use_causal_mask": True},
    ),
    (
        "GroupQueryAttention",
        {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 1, "dropout": 0.1, "sliding_window": 3, "seed": 5},
        [Q, Q],
        {},
    ),
]
LISTS = [
    ("Attention", {}, [Q, K], {}),
    ("Attention", {"use_scale": True}, [Q, V, K], {"use_causal_mask": True}),
    ("Attention", {"use_scale": True, "score_mode": "concat", "seed": 3}, [Q, V, K], {}),
    ("Attention", {"score_mode": "concat"}, [Q, K], {"mask": [MASKS["query_mask"], MASKS["value_mask"]]}),
    ("Attention", {}, [Q, K], {"mask": [None, np.zeros((2, 5), bool)]}),
    ("AdditiveAttention", {}, [Q, V, K], {"mask": [MASKS["query_mask"], None]}),
    ("AdditiveAttention", {"use_scale": False, "dropout": 0.2, "seed": 6}, [Q, K], {"use_causal_mask": True}),
]


def _id(case):
    return f"{case[0]}-{case[1]}-{'-'.join(case[3])}".replace(" ", "")


def _inputs(shapes):
    random = np.random.default_rng(3)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("case", EINSUMS, ids=str)
def test_einsum_dense(case):
    equation, output_shape, bias_axes, shape = case
    ours, theirs = oracle.pair("EinsumDense", equation, output_shape, bias_axes=bias_axes, activation="tanh")
    (x,) = _inputs([shape])
    oracle.build_alike(ours, theirs, x)
    oracle.assert_alike(ours, theirs, x)
    assert list(ours.get_config()) == list(theirs.get_config())
    assert oracle.config_of(ours) == oracle.config_of(theirs)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert ours.supports_masking == theirs.supports_masking
    unknown = (None, *shape[1:])
    assert ours.compute_output_shape(unknown) == theirs.compute_output_shape(unknown)
    y, expected = ours(addax.Input(shape[1:])), theirs(keras.Input(shape[1:]))
    # Keras forgets the sizes that output_shape leaves open.
    assert [b or a for a, b in zip(y.shape, expected.shape, strict=True)] == list(y.shape)
    assert y.dtype == expected.dtype
    assert ours.get_build_config() == theirs.get_build_config()
    assert str(ours.input_spec) == str(theirs.input_spec)


class _Together:
    """A layer of several positional inputs as one that takes a list, for the oracle; the weights are the layer's."""

    def __init__(self, layer, **kwargs):
        self.layer, self.kwargs = layer, kwargs

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def __call__(self, x):
        return self.layer(*x, **self.kwargs)

    def stateless_call(self, trainable, state, x):
        return self.layer.stateless_call(trainable, state, *x, **self.kwargs)


def _pair(case):
    name, kwargs, shapes, _ = case
    ours, theirs = oracle.pair(name, **kwargs)
    inputs = _inputs(shapes)
    for layer in (ours, theirs):
        layer.build(*shapes) if name.endswith("QueryAttention") or "Multi" in name else layer.build(shapes)
    values = [np.random.default_rng(i).normal(0, 0.5, w.shape) for i, w in enumerate(ours.trainable_variables)]
    for layer in (ours, theirs):
        for v, value in zip(layer.trainable_variables, values, strict=True):
            v.assign(value.astype("float32"))
    return ours, theirs, inputs


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_heads(case):
    call = case[3]
    ours, theirs, inputs = _pair(case)
    oracle.assert_alike(_Together(ours, **call), _Together(theirs, **call), inputs, rtol=1e-4, atol=2e-5)
    y, weights = ours(*inputs, **call, return_attention_scores=True)
    expected, expected_weights = theirs(*inputs, **call, return_attention_scores=True)
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(oracle.numpy_of(weights), oracle.numpy_of(expected_weights), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", LISTS, ids=_id)
def test_lists(case):
    call = case[3]
    ours, theirs, inputs = _pair(case)
    oracle.assert_alike(ours, theirs, inputs, rtol=1e-4, atol=2e-5, **call)
    y, weights = ours(inputs, **call, return_attention_scores=True)
    expected, expected_weights = theirs(inputs, **call, return_attention_scores=True)
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(oracle.numpy_of(weights), oracle.numpy_of(expected_weights), rtol=1e-4, atol=1e-6)
    masks = ["query mask", None]
    assert ours.compute_mask(inputs, None) is theirs.compute_mask(inputs, None) is None
    assert ours.compute_mask(inputs, [None, masks[0]]) is None


@pytest.mark.parametrize("case", [*CASES, *LISTS], ids=_id)
def test_config_and_shapes(case):
    name, kwargs, shapes, _ = case
    ours, theirs, _ = _pair(case)
    assert list(ours.get_config()) == list(theirs.get_config())
    assert oracle.config_of(ours) == oracle.config_of(theirs)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert ours.supports_masking == theirs.supports_masking
    assert ours.get_build_config() == theirs.get_build_config()
    assert [w.path.split("/")[1:] for w in ours.trainable_variables] == [
        w.path.split("/")[1:] for w in theirs.trainable_variables
    ]
    unknown = [(None, *shape[1:]) for shape in shapes]
    together = case in LISTS
    shape_of = [unknown] if together else unknown
    assert ours.compute_output_shape(*shape_of) == theirs.compute_output_shape(*shape_of)
    results = []
    for k, layer in ((addax, getattr(addax.layers, name)(**kwargs)), (keras, getattr(keras.layers, name)(**kwargs))):
        x = [k.Input(shape[1:]) for shape in shapes]
        y = layer(x) if together else layer(*x)
        results.append((y.shape, y.dtype, layer.get_build_config()))
    assert results[0] == results[1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("case", [CASES[3], CASES[11], LISTS[0]], ids=_id)
def test_dtype_policies(case, scores, policy):
    name, kwargs, shapes, call = case
    ours, theirs, inputs = _pair((name, {**kwargs, "dtype": policy}, shapes, call))
    inputs = [inputs] if case in LISTS else inputs
    y, expected = (layer(*inputs, **call, return_attention_scores=scores) for layer in (ours, theirs))
    for one, other in zip(y if scores else [y], expected if scores else [expected], strict=True):
        assert str(one.dtype) == str(other.dtype)
        # Chains of some sixteen-bit roundings of numbers near 10.
        tolerance = 0.3 if policy == "mixed_bfloat16" else 0.04
        np.testing.assert_allclose(oracle.numpy_of(one), oracle.numpy_of(other), rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:.*destroy the mask")  # by Keras
def test_masks_come_with_the_inputs():
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    results = []
    for k in (addax, keras):
        table = k.layers.Embedding(5, 8, mask_zero=True)
        table.build()
        table.embeddings.assign(np.random.default_rng(0).normal(size=(5, 8)).astype("float32"))
        found = []
        for layer in (k.layers.MultiHeadAttention(2, 4), k.layers.GroupQueryAttention(4, 4, 2)):
            layer.build((2, 4, 8), (2, 4, 8))
            for i, v in enumerate(layer.trainable_variables):
                v.assign(np.random.default_rng(i).normal(size=v.shape).astype("float32"))
            for scores in (False, True):  # of fresh tensors: Keras takes the mask off its inputs
                x = table(tokens)
                y = layer(x, x, return_attention_scores=scores)
                y = y[0] if scores else y
                found += [oracle.numpy_of(y), np.asarray(y._keras_mask)]
        results.append(found)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize(
    "layer, listed",
    [
        (lambda: addax.layers.MultiHeadAttention(2, 4), False),
        (lambda: addax.layers.GroupQueryAttention(4, 4, 2), False),
        (lambda: addax.layers.Attention(use_scale=True), True),
        (lambda: addax.layers.AdditiveAttention(), True),
    ],
    ids=["multi-head", "grouped", "dot", "additive"],
)
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, True), (False, False)])
def test_functional_models_of_masked_inputs(layer, listed, scores, masked):
    """The model gives what the layer gives for the same tensors and masks, in the shapes that it promised."""
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    tables = [addax.layers.Embedding(5, 8, mask_zero=mask) for mask in masked]
    attend = layer()

    def call(x):
        query, value = (table(x) for table in tables)
        inputs = ([query, value],) if listed else (query, value)
        return attend(*inputs, return_attention_scores=scores)

    inputs = addax.Input((4,), dtype="int32")
    outputs = call(inputs)
    model = addax.Model(inputs, outputs)
    found, expected = addax.tree.flatten(model.predict(tokens, verbose=0)), addax.tree.flatten(call(tokens))
    promised = addax.tree.flatten(outputs)
    assert len(found) == len(promised) == 1 + scores
    for one, other, spec in zip(found, expected, promised, strict=True):
        assert spec.shape == (None, *one.shape[1:])
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-6)


SEEN_BY_MANY = np.arange(200)[:, None] >= np.maximum(1, np.arange(200) - 3)  # the first query sees nothing
BLOCKWISE = {
    "products": lambda: (addax.layers.Attention(use_scale=True, dropout=0.5), {}),
    "products dropped": lambda: (addax.layers.Attention(dropout=0.5), {"training": True}),
    "causal": lambda: (addax.layers.Attention(), {"use_causal_mask": True}),
    "masked": lambda: (addax.layers.Attention(), {"mask": [None, addax.ops.ones((2, 200), "bool")]}),
    "heads": lambda: (addax.layers.MultiHeadAttention(2, 4, dropout=0.5), {}),
    "heads dropped": lambda: (addax.layers.MultiHeadAttention(2, 4, dropout=0.5), {"training": True}),
    "heads masked and dropped": lambda: (
        addax.layers.MultiHeadAttention(2, 4, dropout=0.5),
        {"training": True, "attention_mask": SEEN_BY_MANY[None]},
    ),
    "groups": lambda: (addax.layers.GroupQueryAttention(4, 4, 2, dropout=0.5), {"use_causal_mask": True}),
}


@pytest.mark.parametrize("make", BLOCKWISE.values(), ids=BLOCKWISE)
def test_scores_are_not_in_memory_as_a_whole(make):
    layer, kwargs = make()
    x = np.random.default_rng(0).standard_normal((2, 200, 8)).astype("float32")
    listed = isinstance(layer, addax.layers.Attention)

    def gradients(query, value):
        with addax.GradientTape() as tape:
            tape.watch(query)
            loss = addax.ops.sum(layer([query, value], **kwargs) if listed else layer(query, value, **kwargs))
        return tape.gradient(loss, query)

    gradients(*map(addax.ops.convert_to_tensor, (x, x)))
    graph = addax.make_graph(gradients)(*map(addax.ops.convert_to_tensor, (x, x)))
    assert "attention_grad" in str(graph)
    largest = max(math.prod(shape) for shape, _ in graph.parts[0])
    # The mask that is given is a square for all batches and heads together.
    assert largest < 2 * 200 * 200


DROPPED = [
    (lambda L: L.Attention(dropout=0.4, seed=2), {}),
    (lambda L: L.Attention(use_scale=True, dropout=0.4, seed=2), {"mask": [None, MASKS["value_mask"]]}),
    (lambda L: L.MultiHeadAttention(3, 4, dropout=0.4, seed=2), {}),
    (lambda L: L.MultiHeadAttention(3, 4, dropout=0.4, seed=2), {"attention_mask": SEEN}),
    (lambda L: L.MultiHeadAttention(2, 4, dropout=0.9, seed=2, dtype="float64"), {"use_causal_mask": True, **MASKS}),
    (lambda L: L.GroupQueryAttention(4, 4, 2, dropout=0.4, seed=2), {"attention_mask": SEEN, "use_causal_mask": True}),
    (lambda L: L.MultiHeadAttention(2, 4, dropout=1.0), {}),
]


@pytest.mark.parametrize("make,kwargs", DROPPED)
def test_dropped_weights_need_not_be_in_memory(make, kwargs):
    """Blockwise, the same weights are dropped as where they are returned, and gradients are the same."""
    layer = make(addax.layers)
    listed = isinstance(layer, addax.layers.Attention)
    q, k = (addax.Variable(x, dtype=layer.dtype) for x in _inputs([Q, K]))
    target = addax.ops.convert_to_tensor(np.random.default_rng(1).normal(size=Q), layer.dtype)
    (layer([q.value, k.value]) if listed else layer(q.value, k.value))
    seed = (layer if listed else layer._dropout_layer).seed_generator.state
    start, found = seed.numpy(), []
    for scores in (False, True):
        seed.assign(start)
        with addax.GradientTape() as tape:
            inputs = ([q.value, k.value],) if listed else (q.value, k.value)
            y = layer(*inputs, training=True, return_attention_scores=scores, **kwargs)
            y = y[0] if scores else y
            loss = addax.ops.sum(y * target)
        found.append([y, *tape.gradient(loss, [q, k, *layer.trainable_variables])])
        assert not np.array_equal(seed.numpy(), start)  # a key was drawn
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)  # where all weights are dropped
        if one is not None:
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def test_dropout_drops_weights():
    layer = addax.layers.MultiHeadAttention(1, 4, dropout=0.5, seed=1)
    q, k = _inputs([Q, K])
    quiet, loud = layer(q, k, training=False), layer(q, k, training=True)
    assert not np.allclose(quiet.numpy(), loud.numpy())
    np.testing.assert_array_equal(quiet.numpy(), layer(q, k).numpy())
    plain = addax.layers.Attention(dropout=0.5, seed=1)
    _, weights = plain([q, k], training=True, return_attention_scores=True)
    assert 0.2 < np.mean(weights.numpy() == 0) < 0.8


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_regularization_losses(name):
    args = (2, 4) if name.startswith("Multi") else (4, 4, 2)
    ours, theirs = oracle.pair(
        name, *args, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2", seed=1
    )
    inputs = _inputs([Q, K])
    for layer in (ours, theirs):
        layer.build(Q, K)
        for i, v in enumerate(layer.trainable_variables):
            v.assign(np.random.default_rng(i).normal(size=v.shape).astype("float32"))
        layer(*inputs)
    assert len(ours.losses) == len(theirs.losses)
    np.testing.assert_allclose(sum(map(float, ours.losses)), sum(map(float, theirs.losses)), rtol=1e-4)


def test_files_of_attention_on_lists(tmp_path):
    # Keras writes fewer defaults of their calls into a config, so only what the files mean is compared.
    def model_of(k):
        x, y = k.Input((6, 4), name="x"), k.Input((5, 4), name="y")
        dot = k.layers.Attention(use_scale=True, score_mode="concat", name="dot")([x, y])
        return k.Model([x, y], k.layers.AdditiveAttention(name="additive")([dot, y], use_causal_mask=True))

    inputs = _inputs([(2, 6, 4), (2, 5, 4)])
    for k, other in ((addax, keras), (keras, addax)):
        one = model_of(k)
        one.set_weights([np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(one.get_weights())])
        one.save(tmp_path / "m.keras")
        again = other.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(
            again.predict(inputs, verbose=0), one.predict(inputs, verbose=0), rtol=1e-4, atol=1e-5
        )


def test_value_dim_may_differ():
    # Keras on JAX refuses this unless it returns the weights; both ways are one function here.
    layer = addax.layers.MultiHeadAttention(2, 4, value_dim=3)
    q, k = _inputs([Q, K])
    fused, (steps, _) = layer(q, k), layer(q, k, return_attention_scores=True)
    np.testing.assert_allclose(fused.numpy(), steps.numpy(), rtol=1e-4, atol=1e-5)


ERRORS = [
    (lambda L: L.Attention(score_mode="x"), "Invalid value for argument score_mode"),
    (lambda L: L.Attention()(np.ones(Q)), "must be called on a list of inputs, namely [query, value]"),
    (lambda L: L.Attention()([np.ones(Q)]), "accepts inputs list of length 2 or 3"),
    (lambda L: L.Attention()([np.ones(Q), np.ones(K)], mask=[None]), "accepts mask list of length 2 or 3"),
    (lambda L: L.MultiHeadAttention(0, 4), "invalid value for argument `num_heads`, expected a positive integer"),
    (lambda L: L.MultiHeadAttention(2, 0), "invalid value for argument `key_dim`, expected a positive integer"),
    (lambda L: L.MultiHeadAttention(2, 4, output_shape=2.5), "should be of type tuple, list, or int"),
    (lambda L: L.MultiHeadAttention(2, 4, sliding_window=-1), "`sliding_window` must be `None` or a positive integer"),
    (lambda L: L.MultiHeadAttention(2, 4, dropout=0.5, flash_attention=True), "Dropout is not supported when flash"),
    (lambda L: L.MultiHeadAttention(2, 4).build(Q, K, (2, 7, 8)), "All dimensions of `value` and `key`, except the"),
    (lambda L: L.GroupQueryAttention(4, 3, 2), "`num_query_heads` must be divisible by `num_key_value_heads`."),
    (lambda L: L.EinsumDense("abcd", 3)(np.ones((2, 3))), "Invalid einsum equation 'abcd'."),
    (lambda L: L.EinsumDense("a...b,bc->ac...", 3)(np.ones((2, 3))), "Equations must be in the form [X],[Y]->[Z]"),
    (lambda L: L.EinsumDense("ab,bc->ac", 4, bias_axes="z")(np.ones((2, 3))), "Bias dimension 'z' was requested"),
    (lambda L: L.EinsumDense("abc,cd->abd", (9, 4))(np.ones((2, 6, 3))), "do not match at shared dimension 'b'."),
    (lambda L: L.EinsumDense("ab,bc->ad", 4)(np.ones((2, 3))), "Dimension 'd' was specified in the output 'ad'"),
]


@pytest.mark.parametrize("action,message", ERRORS, ids=[message[:40] for _, message in ERRORS])
def test_errors_say_what_keras_says(action, message):
    with pytest.raises(ValueError) as theirs:
        action(keras.layers)
    assert message in str(theirs.value)
    with pytest.raises(ValueError) as ours:
        action(addax.layers)
    assert message in str(ours.value)
