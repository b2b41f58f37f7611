"""DTypePolicy, the global policy, and policies from names and configs; `layers/layer.py` is where one is obeyed."""

from __future__ import annotations

from typing import Any

from addax import config
from addax.dtypes import FLOAT_DTYPES, standardize_dtype
from addax.ops.convert import as_tensor
from addax.ops.keras_tensor import KerasTensor


class DTypePolicy:
    """The dtype in which a layer computes and the dtype in which it keeps its weights.

    Args:
        name: A dtype for both (`"float32"`), or `"mixed_float16"` or `"mixed_bfloat16"`: compute in 16 bits, keep
            weights in float32. `None` means `floatx()`.

    Raises:
        ValueError: If it is none of these.
        TypeError: If it is not a string.

    Example:

    >>> policy = addax.DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None):
        if name is None:
            name = config.floatx()
        if not isinstance(name, str):
            raise TypeError(
                f"'name' must be a string, such as 'mixed_float16'. Received: name={name} (of type {type(name)})"
            )
        self._name = name
        if name in ("mixed_float16", "mixed_bfloat16"):
            self._compute_dtype, self._variable_dtype = name.removeprefix("mixed_"), "float32"
            return
        try:
            self._compute_dtype = self._variable_dtype = standardize_dtype(name)
        except ValueError:
            raise ValueError(
                f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
                "'mixed_bfloat16', and the name of any float dtype such as 'float32'."
            ) from None

    @property
    def name(self) -> str:
        """The name the policy was made with."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype of a layer's float inputs and of its computation."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of a layer's weights."""
        return self._variable_dtype

    @property
    def quantization_mode(self) -> str | None:
        """Always `None`: the policy does not quantize."""
        return None

    def convert_input(self, x: Any, autocast: bool, dtype: str) -> Any:
        """Turns an array into a tensor and casts floats.

        Args:
            x: Tensor, KerasTensor, Variable, array, or anything else, which is returned as it is.
            autocast: Whether to cast floats.
            dtype: The dtype to cast them to.
        """
        if not isinstance(x, KerasTensor):
            if not hasattr(x, "__array__"):
                return x
            x = as_tensor(x)
        if autocast and x.dtype != dtype and x.dtype in FLOAT_DTYPES and dtype in FLOAT_DTYPES:
            from addax import ops

            return ops.cast(x, dtype)
        return x

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict) -> DTypePolicy:
        """Makes a policy of what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._name == self._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


FloatDTypePolicy = DTypePolicy

_global_policy: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """Returns the dtype policy of layers that are given none.

    Example:

    >>> addax.config.dtype_policy()
    <DTypePolicy "float32">
    """
    return _global_policy or DTypePolicy(config.floatx())


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Sets the dtype policy of layers that are given none.

    Args:
        policy: A policy or its name.

    Example:

    >>> addax.config.set_dtype_policy("mixed_bfloat16")
    >>> addax.layers.Dense(2).compute_dtype
    'bfloat16'
    >>> addax.config.set_dtype_policy("float32")
    """
    global _global_policy
    _global_policy = policy if isinstance(policy, DTypePolicy) else DTypePolicy(policy)


def get(identifier: Any) -> DTypePolicy:
    """Returns a policy: the one given, or the one that a name, dtype or config stands for; `None` is the global one.

    Args:
        identifier: A policy, its name, a dtype, a config, or `None`.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> addax.dtype_policies.get("mixed_float16").compute_dtype
    'float16'
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(standardize_dtype(identifier))
    except ValueError:
        raise ValueError(
            "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. "
            f"Received: dtype={identifier}"
        ) from None


def serialize(dtype_policy: DTypePolicy) -> dict:
    """Returns the config of a policy, as layers write it.

    Args:
        dtype_policy: The policy.

    Example:

    >>> addax.dtype_policies.serialize(addax.DTypePolicy("float32"))["config"]
    {'name': 'float32'}
    """
    from addax import saving

    return saving.serialize_keras_object(dtype_policy)


def deserialize(config: dict, custom_objects: dict | None = None) -> DTypePolicy:
    """Makes a policy of its config.

    Args:
        config: What `serialize` returned.
        custom_objects: Further classes by name.

    Example:

    >>> addax.dtype_policies.deserialize({"class_name": "DTypePolicy", "config": {"name": "float16"}})
    <DTypePolicy "float16">
    """
    from addax import saving

    return saving.deserialize_keras_object({"module": "keras", **config}, custom_objects=custom_objects)
