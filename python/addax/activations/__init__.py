"""Activations: functions that layers know by name. `get` finds them.

To add one: write it in activations.py and list it here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax.activations.activations import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)

_FUNCTIONS = (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
swish = silu
hard_swish = hard_silu
_NAMES: dict[str, Callable] = {f.__name__: f for f in _FUNCTIONS}
_NAMES.update(swish=silu, hard_swish=hard_silu)


def get(identifier: Any) -> Callable:
    """Returns an activation function by its name or config.

    Args:
        identifier: A name such as `"relu"`, a config, a function or layer, or `None` for `linear`.

    Returns:
        A function of a tensor.

    Raises:
        ValueError: If there is no such activation.

    Example:

    >>> addax.activations.get("relu") is addax.activations.relu
    True
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    raise ValueError(f"Could not interpret activation function identifier: {identifier!r}")


def serialize(activation: Callable) -> str | dict:
    """Returns the name of an activation, or the config of a layer or function of your own.

    Args:
        activation: A function or layer.

    Example:

    >>> addax.activations.serialize(addax.activations.swish)
    'silu'
    """
    name = getattr(activation, "__name__", None)
    if name is not None and _NAMES.get(name) is activation:
        return name
    from addax.saving import serialize_keras_object

    return serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: dict | None = None) -> Callable:
    """Finds an activation by what `serialize` returned.

    Args:
        config: A name or a config.
        custom_objects: Functions and classes of your own, by name.

    Raises:
        ValueError: If there is no such activation.

    Example:

    >>> addax.activations.deserialize("tanh") is addax.activations.tanh
    True
    """
    if isinstance(config, str):
        found = (custom_objects or {}).get(config) or _NAMES.get(config)
        if found is None:
            from addax.saving import get_registered_object

            found = get_registered_object(config)
        if found is None:
            raise ValueError(
                f"Could not interpret activation function identifier: {config!r}. Expected one of "
                f"{', '.join(sorted(_NAMES))}, or a function registered with "
                "addax.saving.register_keras_serializable"
            )
        return found
    from addax.saving import deserialize_keras_object

    return deserialize_keras_object(config, custom_objects=custom_objects)


__all__ = [*_NAMES, "deserialize", "get", "serialize"]
