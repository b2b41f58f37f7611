"""Real Keras on JAX as the judge of a layer: same weights in, same numbers, gradients, shapes and configs out."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

import addax


def numpy_of(x: Any) -> Any:
    """The arrays in a structure of tensors of either side."""
    return jax.tree_util.tree_map(lambda leaf: np.asarray(leaf, dtype="float64"), _plain(x))


def _plain(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return [_plain(item) for item in x]
    if isinstance(x, dict):
        return {key: _plain(item) for key, item in x.items()}
    if isinstance(x, (addax.Variable, addax.engine.Tensor)):
        x = x.numpy() if x.dtype != "bfloat16" else addax.ops.cast(x, "float32").numpy()
    elif isinstance(x, keras.Variable):
        x = x.value
    return np.asarray(x).astype("float64")


def pair(name: str, *args: Any, **kwargs: Any) -> tuple[addax.layers.Layer, keras.layers.Layer]:
    """The same layer of both sides."""
    return getattr(addax.layers, name)(*args, **kwargs), getattr(keras.layers, name)(*args, **kwargs)


def build_alike(ours: Any, theirs: Any, *inputs: Any, seed: int = 0) -> None:
    """Builds both and gives them the same random weights, positive ones (variances must be)."""
    shapes = jax.tree_util.tree_map(lambda x: x.shape, inputs)
    for layer in (ours, theirs):
        layer.build(shapes if len(inputs) > 1 else shapes[0])
    give_same_weights(ours, theirs, seed)


def give_same_weights(ours: Any, theirs: Any, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]
    values = [random.uniform(0.1, 1.0, w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights(values)
    for v, other in zip(ours.variables, theirs.variables, strict=True):
        if v.name == "seed_generator_state":
            v.assign(np.asarray(other.value))


def gradients(layer: Any, x: Any, **kwargs: Any) -> tuple[list, list, Any]:
    """Gradients of `sum(layer(x) * w)` over all outputs, with fixed numbers w, for the trainable weights and the arrays
    in x (none for integers); and the output."""
    x = jax.tree_util.tree_map(addax.ops.convert_to_tensor, x)
    floats = [leaf for leaf in jax.tree_util.tree_leaves(x) if "float" in leaf.dtype]
    with addax.GradientTape() as tape:
        for leaf in floats:
            tape.watch(leaf)
        y = layer(x, **kwargs)
        loss = sum(addax.ops.sum(leaf * _weights(leaf.shape, leaf.dtype)) for leaf in jax.tree_util.tree_leaves(y))
    weights = layer.trainable_variables
    grads = tape.gradient(loss, [*weights, *floats])
    return grads[: len(weights)], grads[len(weights) :], y


def keras_gradients(layer: Any, x: Any, **kwargs: Any) -> tuple[list, list, Any]:
    """The same by JAX; the layer's state moves on as in a call."""

    def loss(trainable, x, state):
        y, state = layer.stateless_call(trainable, state, x, **kwargs)
        return sum((leaf * _weights(leaf.shape, "float32")).sum() for leaf in jax.tree_util.tree_leaves(y)), (y, state)

    trainable = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]
    x = jax.tree_util.tree_map(jax.numpy.asarray, x)
    differentiate = jax.grad(loss, argnums=(0, 1), has_aux=True, allow_int=True)
    (of_weights, of_x), (y, state) = differentiate(trainable, x, state)
    of_x = [leaf for leaf in jax.tree_util.tree_leaves(of_x) if leaf.dtype != jax.dtypes.float0]
    for v, value in zip(layer.non_trainable_variables, state, strict=True):
        v.assign(value)
    return of_weights, of_x, y


def _weights(shape: tuple, dtype: str) -> np.ndarray:
    size = int(np.prod(shape))
    return np.cos(np.arange(size, dtype="float64")).reshape(shape).astype("float32")


def assert_alike(ours: Any, theirs: Any, x: Any, rtol: float = 1e-5, atol: float = 1e-5, **kwargs: Any) -> None:
    """Forward, gradients and state after the call of two built layers with the same weights.

    The tolerance is that of float32 sums of some hundred products of numbers near 1 in different orders.
    """
    of_weights, of_x, y = gradients(ours, x, **kwargs)
    expected_weights, expected_x, expected = keras_gradients(theirs, x, **kwargs)
    for one, other in zip(jax.tree_util.tree_leaves(y), jax.tree_util.tree_leaves(expected), strict=True):
        np.testing.assert_allclose(_plain(one), _plain(other), rtol=rtol, atol=atol)
    for one, other in zip(of_x, expected_x, strict=True):
        np.testing.assert_allclose(_plain(one), _plain(other), rtol=rtol, atol=atol)
    for v, one, other in zip(ours.trainable_variables, of_weights, expected_weights, strict=True):
        np.testing.assert_allclose(_plain(one), _plain(other), rtol=rtol, atol=10 * atol, err_msg=v.path)
    for v, other in zip(ours.non_trainable_variables, theirs.non_trainable_variables, strict=True):
        np.testing.assert_allclose(_plain(v), _plain(other), rtol=rtol, atol=atol, err_msg=v.path)


def config_of(layer: Any) -> dict:
    """A config without the name, which counts up separately on both sides."""
    config = layer.get_config()
    config.pop("name")
    return config
