"""What a file may name: the closed table of Keras names, and the user's own registered classes and functions.

Nothing here imports a name found in a file. Reading and writing objects as configs is in `serialization.py`.
To add a class or function to the format, add its Keras name to the table; `tests/saving/test_registry.py` finds the
missing ones.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

# fmt: off
# Keras's public module -> its classes. The addax module has the same name below `addax`.
CLASSES: dict[str, tuple[str, ...]] = {
    "keras": ("DTypePolicy", "Sequential"),
    "keras.constraints": ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"),
    "keras.initializers": (
        "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "LecunNormal", "LecunUniform",
        "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "STFT", "TruncatedNormal", "VarianceScaling", "Zeros",
    ),
    "keras.layers": (
        "Activation", "ActivityRegularization", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "Add",
        "AdditiveAttention", "AlphaDropout", "Attention", "Average", "AveragePooling1D", "AveragePooling2D",
        "AveragePooling3D", "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D", "Conv1DTranspose", "Conv2D",
        "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "Dense",
        "DepthwiseConv1D", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "EinsumDense", "Embedding", "Flatten", "GRU",
        "GRUCell", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
        "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
        "GroupNormalization", "GroupQueryAttention", "Identity", "InputLayer", "LSTM", "LSTMCell", "Lambda",
        "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum",
        "Minimum", "MultiHeadAttention", "Multiply", "PReLU", "Permute", "RMSNormalization", "RNN", "ReLU",
        "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D", "SimpleRNN", "SimpleRNNCell",
        "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells", "Subtract",
        "TimeDistributed", "UnitNormalization", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Wrapper",
        "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
    ),
    "keras.losses": (
        "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "Huber",
        "KLDivergence", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
        "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
    ),
    "keras.metrics": (
        "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy", "CategoricalCrossentropy",
        "CategoricalHinge", "CosineSimilarity", "Hinge", "KLDivergence", "LogCoshError", "Mean", "MeanAbsoluteError",
        "MeanAbsolutePercentageError", "MeanMetricWrapper", "MeanSquaredError", "MeanSquaredLogarithmicError",
        "Poisson", "RootMeanSquaredError", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
        "SparseTopKCategoricalAccuracy", "SquaredHinge", "Sum", "TopKCategoricalAccuracy",
    ),
    "keras.optimizers": ("SGD", "Adam", "AdamW", "RMSprop"),
    "keras.optimizers.schedules": (
        "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay",
        "PolynomialDecay",
    ),
    "keras.random": ("SeedGenerator",),
    "keras.regularizers": ("L1", "L1L2", "L2", "OrthogonalRegularizer"),
    "keras.src.models.functional": ("Functional",),  # Keras has no public name for it
}

# Functions carry no module in a config, only a name: the first module that lists it answers.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "keras.activations": (
        "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
        "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
        "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
        "tanh", "tanh_shrink", "threshold",
    ),
    "keras.losses": (
        "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "cosine_similarity", "hinge", "huber",
        "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
        "mean_squared_logarithmic_error", "poisson", "sparse_categorical_crossentropy", "squared_hinge",
    ),
    "keras.metrics": (
        "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy",
        "top_k_categorical_accuracy",
    ),
}
# fmt: on

_objects: dict[str, Any] = {}  # registered name -> class or function
_names: dict[Any, str] = {}  # class or function -> registered name
_scope = threading.local()  # .objects: what custom_object_scope added in this thread


def public_module(module: str) -> str:
    """Returns the public Keras module that a stored module path belongs to.

    Files of some Keras versions name private modules: `keras.src.layers.core.dense` is `keras.layers`.

    Args:
        module: a module path from a config.
    """
    parts = module.split(".")
    if module in CLASSES:
        return module
    if len(parts) >= 3 and parts[:2] == ["keras", "src"]:
        return "keras" if parts[2] == "models" else f"keras.{parts[2]}"
    return "keras" if module == "keras.models" else module


def builtin_class(module: str, class_name: str) -> type | None:
    """Returns our class for a Keras module and class name, or None when the table has no such row."""
    module = public_module(module)
    return _resolve(module, class_name) if class_name in CLASSES.get(module, ()) else None


def builtin_function(name: str) -> Callable | None:
    """Returns our function for a Keras function name, or None when the table has no such row."""
    for module, names in FUNCTIONS.items():
        if name in names:
            return _resolve(module, name)
    return None


def keras_name(cls: type) -> str:
    """Returns the name under which files know a class: its own, unless Keras publishes it under another.

    Args:
        cls: a class.
    """
    return vars(cls).get("_keras_name", cls.__name__)


def keras_module(cls: type) -> str | None:
    """Returns the Keras module under which `cls` is written, or None for a class that is not in the table."""
    if not cls.__module__.startswith("addax."):
        return None
    for module, names in CLASSES.items():
        if keras_name(cls) in names and _resolve(module, keras_name(cls)) is cls:
            return module
    return None


def _resolve(module: str, name: str) -> Any:
    """The addax object for a row of the tables above; `module` and `name` must come from there, never from a file."""
    return getattr(importlib.import_module("addax" + module.removeprefix("keras").removeprefix(".src")), name)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """Registers the decorated class or function, so that a saved model may name it.

    The object is written and found again as `package>name`. Only this process knows it: the module that holds the
    decorator must be imported before a file that names the object is loaded.

    Args:
        package: a prefix that keeps names of different projects apart.
        name: the name to use; the object's own by default.

    Returns:
        A decorator that returns its argument unchanged.

    Raises:
        ValueError: a class has no `get_config` method.

    Example:
        >>> import addax
        >>> @addax.saving.register_keras_serializable("readme")
        ... def double(x):
        ...     return 2 * x
        >>> addax.saving.get_registered_name(double)
        'readme>double'
    """

    def decorator(obj: Any) -> Any:
        if isinstance(obj, type) and not hasattr(obj, "get_config"):
            raise ValueError(
                f"register_keras_serializable: class {obj.__name__} has no get_config() method, so it cannot be "
                "written. Add one that returns the arguments of __init__ as a dict."
            )
        registered = f"{package}>{name or obj.__name__}"
        _objects[registered] = obj
        _names[obj] = registered
        return obj

    return decorator


def get_registered_name(obj: Any) -> str:
    """Returns the name under which a class or function was registered, or its own name.

    Args:
        obj: a class or function.

    Example:
        >>> import addax
        >>> addax.saving.get_registered_name(addax.layers.Dense)
        'Dense'
    """
    return _names.get(obj) or obj.__name__


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """Returns the class or function registered under a name, or None.

    The current `custom_object_scope` is asked first, then the registered objects, then the two arguments.

    Args:
        name: for instance `"Custom>MyLayer"`.
        custom_objects: further objects by name.
        module_objects: further objects by name, asked last.

    Example:
        >>> import addax
        >>> addax.saving.get_registered_object("nobody>knows") is None
        True
    """
    for objects in (getattr(_scope, "objects", {}), _objects, custom_objects or {}, module_objects or {}):
        if name in objects:
            return objects[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """Returns the live dictionary of registered objects; what is put into it may be named by a file.

    Example:
        >>> import addax
        >>> isinstance(addax.saving.get_custom_objects(), dict)
        True
    """
    return _objects


class CustomObjectScope:
    """Lets files loaded inside a `with` block name the given classes and functions (in this thread).

    Args:
        custom_objects: class or function by the name that the file uses.

    Example:
        >>> import addax
        >>> class Mine(addax.layers.Layer):
        ...     pass
        >>> with addax.saving.custom_object_scope({"Mine": Mine}):
        ...     addax.saving.get_registered_object("Mine") is Mine
        True
    """

    def __init__(self, custom_objects: dict[str, Any] | None):
        self.custom_objects = custom_objects or {}
        self._outer: list[dict[str, Any]] = []

    def __enter__(self) -> CustomObjectScope:
        outer = getattr(_scope, "objects", {})
        self._outer.append(outer)
        _scope.objects = {**outer, **self.custom_objects}
        return self

    def __exit__(self, *exc_info: object) -> None:
        _scope.objects = self._outer.pop()


custom_object_scope = CustomObjectScope
