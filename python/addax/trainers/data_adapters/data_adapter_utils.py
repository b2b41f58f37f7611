"""Checks and conversions shared by the data adapters, and the packing of `(x, y, sample_weight)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax import config, engine, ops, tree

_FLOAT32 = np.dtype("float32")


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Splits what `train_step` receives.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        `(x, y, sample_weight)`, with `None` for what is absent.

    Raises:
        ValueError: If it is a longer tuple.

    Example:

    >>> addax.utils.unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if 1 <= len(data) <= 3:
        return data + (None,) * (3 - len(data))  # type: ignore[return-value]
    raise ValueError(
        f"Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, found: {shown(data)}"
    )


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Joins data as `train_step` receives it; the opposite of `unpack_x_y_sample_weight`.

    Args:
        x: Inputs.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.

    Returns:
        `x` (as a tuple of one if it is a list or tuple), `(x, y)` or `(x, y, sample_weight)`.

    Example:

    >>> addax.utils.pack_x_y_sample_weight(1, 2)
    (1, 2)
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def is_array(x: Any) -> bool:
    """Returns whether the object holds numbers along a first axis: an array or tensor of any library, or a pandas
    object.

    Args:
        x: Any object.
    """
    if isinstance(x, (str, bytes, list, tuple, dict, type)) or x is None:
        return False
    return isinstance(x, (np.ndarray, engine.Tensor)) or (hasattr(x, "__array__") and hasattr(x, "shape"))


def is_array_structure(x: Any) -> bool:
    """Returns whether the object is an array or a nested structure of arrays (and `None`).

    Args:
        x: Any object.
    """
    if type(x) is np.ndarray:
        return True
    leaves = [leaf for leaf in tree.flatten(x) if leaf is not None]
    return bool(leaves) and all(is_array(leaf) for leaf in leaves)


def to_tensor(x: Any, what: str, copy: bool = False) -> engine.Tensor:
    """An array as a tensor; floats become `floatx()`, integers and bools stay.

    Args:
        x: An array of any library, a pandas object, a number or nested list of numbers.
        what: What it is, for the error: `"x"`.
        copy: Whether the tensor has memory of its own, else it may share that of an array, as a tensor given may.

    Raises:
        ValueError: If it does not hold numbers.
    """
    if not isinstance(x, engine.Tensor):
        array = x if type(x) is np.ndarray else _array(x, what)
        # Comparing a dtype with a name takes longer than a small model.
        if not (array.dtype is _FLOAT32 and config.floatx() == "float32") and array.dtype != config.floatx():
            if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
                raise ValueError(
                    f"`{what}` must hold numbers. Received dtype {array.dtype} (values like {_example(array)!r}). "
                    "Convert strings and objects to numbers first, pandas columns with `.astype('float32')`"
                )
            if array.dtype.kind == "f":
                return engine.host_tensor(array.astype(config.floatx()))
        return engine.host_tensor(array.copy() if copy else array)
    if x.dtype.startswith(("float", "bfloat")) and x.dtype != config.floatx():
        return ops.cast(x, config.floatx())
    return x.owned() if copy else x


def _array(x: Any, what: str) -> np.ndarray:
    if hasattr(x, "toarray"):  # scipy.sparse
        raise ValueError(f"`{what}` is a sparse matrix, of which there is no kernel. Pass `{what}.toarray()`")
    if hasattr(x, "detach") and hasattr(x, "cpu"):  # a torch tensor, perhaps on a device or with a gradient
        x = x.detach().cpu()
    return np.asarray(x)


def check_data_cardinality(**data: Any) -> int:
    """Returns the number of samples that all arrays have.

    Args:
        **data: Structures of tensors or arrays, by name; `None` is skipped.

    Raises:
        ValueError: If the numbers differ or an array has no first axis.
    """
    sizes = {}
    for name, structure in data.items():
        if structure is None:
            continue
        arrays = (structure,) if isinstance(structure, engine.Tensor) else tree.flatten(structure)
        try:
            sizes[name] = [a.shape[0] for a in arrays if a is not None]
        except IndexError:
            raise ValueError(
                f"`{name}` must have a first axis, the samples. Received a scalar: {name}={shown(structure)}"
            ) from None
    numbers = {n for values in sizes.values() for n in values}
    if len(numbers) != 1:
        listed = "\n".join(f"'{name}' sizes: {', '.join(map(str, values))}" for name, values in sizes.items())
        raise ValueError(
            f"Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.\n{listed}\n"
        )
    return numbers.pop()


def class_weight_to_sample_weights(y: Any, class_weight: dict[int, float]) -> np.ndarray:
    """Returns a weight for each sample.

    Args:
        y: Class numbers, shape `(n,)` or `(n, 1)`, or one-hot rows.
        class_weight: Weight by class number; classes that are not in it weigh 1.

    Raises:
        ValueError: If targets are nested or no classes.
    """
    if tree.is_nested(y):
        raise ValueError(
            "`class_weight` is only supported for Models with a single output. Pass `sample_weight` instead."
        )
    if y is None:
        raise ValueError("`class_weight` needs targets `y`, which give each sample its class.")
    classes = y.numpy() if isinstance(y, engine.Tensor) else np.asarray(y)
    if classes.ndim > 1:
        classes = classes.argmax(axis=-1) if classes.shape[-1] > 1 else classes[..., 0]
    if classes.ndim != 1:
        raise ValueError(
            "`class_weight` needs targets with one class a sample, of shape (n,), (n, 1) or one-hot (n, classes). "
            f"Received: y of shape {tuple(y.shape)}. Pass `sample_weight` instead."
        )
    weights = np.ones(classes.shape, dtype=config.floatx())
    for number, weight in class_weight.items():
        weights[np.rint(classes) == int(number)] = weight
    return weights


def train_validation_split(arrays: Any, validation_split: float) -> tuple[Any, Any]:
    """Splits the last fraction of the samples off.

    Args:
        arrays: A nested structure of arrays (and `None`).
        validation_split: The fraction, between 0 and 1.

    Returns:
        Two such structures.

    Raises:
        ValueError: If the data are no arrays, or one part would be empty.
    """
    if not isinstance(validation_split, (int, float)) or not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: validation_split={validation_split}")
    unsplittable = [type(a) for a in tree.flatten(arrays) if a is not None and not is_array(a)]
    if unsplittable:
        raise ValueError(
            "Argument `validation_split` is only supported for tensors or NumPy arrays. "
            f"Found incompatible type in the input: {unsplittable}. Pass `validation_data` instead."
        )
    total = check_data_cardinality(data=arrays)
    split_at = int(np.floor(total * (1.0 - validation_split)))
    if split_at in (0, total):
        raise ValueError(
            f"Training data contains {total} samples, which is not sufficient to split it into a validation and "
            f"training set as specified by `validation_split={validation_split}`. Either provide more data, or a "
            "different value for the `validation_split` argument."
        )

    def part(start: int, stop: int) -> Any:
        return tree.map_structure(lambda a: None if a is None else _rows(a, start, stop), arrays)

    return part(0, split_at), part(split_at, total)


def _rows(array: Any, start: int, stop: int) -> Any:
    return array.iloc[start:stop] if hasattr(array, "iloc") else array[start:stop]


def _example(array: np.ndarray) -> Any:
    return array.reshape(-1)[0] if array.size else None


def shown(value: Any) -> str:
    """A value in an error message: arrays by shape, long texts cut."""

    def describe(leaf: Any) -> Any:
        return f"{type(leaf).__name__} of shape {tuple(leaf.shape)}" if hasattr(leaf, "shape") else leaf

    text = repr(tree.map_structure(describe, value))
    return text if len(text) <= 300 else text[:300] + "..."
