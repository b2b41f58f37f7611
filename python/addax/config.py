"""Global settings: default float type, epsilon, image layout, threads, logging switches.

Per-layer dtype policies live in `addax.dtype_policies`; the thread pool itself in the engine.
"""

from __future__ import annotations

import os

from addax import engine

_FLOATX = ("float16", "bfloat16", "float32", "float64")
_IMAGE_DATA_FORMATS = ("channels_last", "channels_first")

numerics: tuple[str, float] = ("float32", 1e-7)  # floatx and epsilon, which plans are made under
_image_data_format = "channels_last"
_interactive_logging = True
_traceback_filtering = True
_flash_attention = True
_run_eagerly = os.environ.get("ADDAX_EAGER", "") not in ("", "0")
_max_epochs: int | None = None
_max_steps_per_epoch: int | None = None


def backend() -> str:
    """Returns the name of the engine behind the API: `"addax"`, the native one, or `"jax"`.

    Example:

    >>> addax.config.backend()
    'addax'
    """
    return _backend()


def set_backend(backend: str) -> None:
    """Chooses the engine, before the first tensor is made.

    The environment variable `ADDAX_BACKEND` does the same at start.

    Args:
        backend: `"addax"`, the native engine, or `"jax"`, which computes on whatever JAX finds: TPU, GPU or CPU.

    Raises:
        ValueError: If there is no such engine.
        RuntimeError: If values have been computed and the engine would change.
        ImportError: If JAX is not installed.

    Example:

    >>> addax.config.set_backend("addax")
    """
    if backend not in ("addax", "jax"):
        raise ValueError(f"set_backend: expected 'addax' or 'jax'. Received: {backend!r}")
    if backend == _backend():
        return
    if engine.is_in_use():
        raise RuntimeError(
            f"set_backend: tensors have been made on the engine {_backend()!r}, and stay there. Call "
            f"set_backend({backend!r}) before any other work, or set the environment variable ADDAX_BACKEND={backend}"
        )
    engine.use("native" if backend == "addax" else backend)


def floatx() -> str:
    """Returns the default float dtype, used where no dtype is given.

    Example:

    >>> addax.config.floatx()
    'float32'
    """
    return numerics[0]


def set_floatx(value: str) -> None:
    """Sets the default float dtype.

    float16 needs loss scaling to train well; prefer the dtype policy `"mixed_bfloat16"`.

    Args:
        value: `"float16"`, `"bfloat16"`, `"float32"` or `"float64"`.

    Raises:
        ValueError: If `value` is none of these.

    Example:

    >>> addax.config.set_floatx("float64")
    >>> addax.config.floatx()
    'float64'
    >>> addax.config.set_floatx("float32")
    """
    global numerics
    if value not in _FLOATX:
        raise ValueError(f"set_floatx: expected one of {', '.join(_FLOATX)}. Received: {value!r}")
    numerics = str(value), numerics[1]


def epsilon() -> float:
    """Returns the small number that keeps divisions and logarithms finite.

    Example:

    >>> addax.config.epsilon()
    1e-07
    """
    return numerics[1]


def set_epsilon(value: float) -> None:
    """Sets the value of `epsilon()`.

    Args:
        value: A small positive number.

    Example:

    >>> addax.config.set_epsilon(1e-5)
    >>> addax.config.epsilon()
    1e-05
    >>> addax.config.set_epsilon(1e-7)
    """
    global numerics
    numerics = numerics[0], value


def image_data_format() -> str:
    """Returns the default order of an image's axes, `"channels_last"` or `"channels_first"`.

    Example:

    >>> addax.config.image_data_format()
    'channels_last'
    """
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the default order of an image's axes.

    The engine computes in channels-last; channels-first costs a transpose on the way in and out.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> addax.config.set_image_data_format("channels_last")
    """
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Returns `data_format`, lower-cased and checked, or the default one for `None`.

    Args:
        data_format: `"channels_last"`, `"channels_first"` or `None`.

    Returns:
        `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If it is none of these.
    """
    if data_format is None:
        return _image_data_format
    name = str(data_format).lower()
    if name not in _IMAGE_DATA_FORMATS:
        raise ValueError(
            f"data_format: expected 'channels_last' or 'channels_first'. Received: data_format={data_format!r}"
        )
    return name


def num_threads() -> int:
    """Returns how many threads the engine computes with.

    Example:

    >>> addax.config.num_threads() >= 1
    True
    """
    return engine.num_threads()


def set_num_threads(n: int) -> None:
    """Sets how many threads the engine computes with. Results do not depend on it.

    The environment variable `ADDAX_NUM_THREADS` gives the value at start; without it, the number of physical cores.

    Args:
        n: At least 1.

    Example:

    >>> before = addax.config.num_threads()
    >>> addax.config.set_num_threads(2)
    >>> addax.config.set_num_threads(before)
    """
    engine.set_num_threads(n)


def winograd() -> int:
    """Returns the largest tile with which convolutions may use Winograd's filtering; 0 if they may not.

    Example:

    >>> addax.config.winograd()
    4
    """
    return engine.winograd()


def set_winograd(tile: int) -> None:
    """Lets float32 convolutions under 3 x 3 filters use Winograd's filtering, forward and for gradients.

    F(2 x 2, 3 x 3) takes less than half the multiplications of direct sums, F(4 x 4, 3 x 3) a quarter. Measured on
    normal values, and against the sum of the sizes of the terms of an element and its neighbours in the tile, a direct
    sum errs by up to 2.5e-7, F(2 x 2) by 1e-7, F(4 x 4) by 4e-7. An infinity or NaN reaches the whole tile. Gradients
    of filters use F(3 x 3, 2 x 2) with either tile, also within 1e-7. Which is used depends on sizes alone, so results
    do not depend on the number of threads. Compiled functions read the setting each time they run.

    The environment variable `ADDAX_WINOGRAD` gives the value at start; without it, 4.

    Args:
        tile: The largest tile to use, 2 or 4; 0 or `False` for direct sums only.

    Raises:
        ValueError: If `tile` is none of these.

    Example:

    >>> addax.config.set_winograd(False)
    >>> addax.config.winograd()
    0
    >>> addax.config.set_winograd(4)
    """
    engine.set_winograd(tile)


def tf32() -> bool:
    """Returns whether CUDA devices may round the factors of float32 products to TF32.

    Example:

    >>> addax.config.tf32()
    False
    """
    return engine.tf32()


def set_tf32(value: bool) -> None:
    """Lets CUDA devices round the factors of float32 matrix products and convolutions to TF32, for their tensor cores.

    TF32 has the range of float32 and 10 bits of mantissa, so a product of two factors errs by up to 1e-3 of its size,
    where float32 errs by 6e-8; sums are float32's. Devices of compute capability 8.0 and newer have it; others, and the
    CPU, compute in float32 whatever is set. Attention's scores and the steps of recurrences stay in float32. Compiled
    functions read the setting each time they run. JAX has a setting of its own, `jax_default_matmul_precision`.

    The environment variable `ADDAX_TF32` gives the value at start, 0 or 1; without it, TF32 is off.

    Args:
        value: Whether to.

    Example:

    >>> addax.config.set_tf32(True)
    >>> addax.config.tf32()
    True
    >>> addax.config.set_tf32(False)
    """
    engine.set_tf32(bool(value))


def default_device() -> str:
    """Returns where new tensors and variables go outside of `addax.device`.

    Example:

    >>> addax.config.default_device()
    'cpu:0'
    """
    return engine.default_device()


def set_default_device(name: str) -> None:
    """Sets where new tensors and variables go outside of `addax.device`, in all threads.

    The environment variable `ADDAX_DEVICE` gives the value at start; without it, it is the first CUDA device, and the
    CPU where there is none.

    Args:
        name: `"cpu:0"`, `"cuda:0"` and so on.

    Raises:
        ValueError: If there is no such device; the message says what is missing.

    Example:

    >>> addax.config.set_default_device("cpu:0")
    """
    engine.set_default_device(name)


def is_interactive_logging_enabled() -> bool:
    """Returns whether progress bars redraw their line (`True`) or print plain lines for a log file.

    Example:

    >>> addax.config.is_interactive_logging_enabled()
    True
    """
    return _interactive_logging


def enable_interactive_logging() -> None:
    """Lets progress bars redraw their line.

    Example:

    >>> addax.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Makes progress bars print plain lines, as a log file wants them.

    Example:

    >>> addax.config.disable_interactive_logging()
    >>> addax.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = False


def is_traceback_filtering_enabled() -> bool:
    """Returns whether addax's own frames are left out of error tracebacks.

    Example:

    >>> addax.config.is_traceback_filtering_enabled()
    True
    """
    return _traceback_filtering


def enable_traceback_filtering() -> None:
    """Leaves addax's own frames out of error tracebacks.

    Example:

    >>> addax.config.enable_traceback_filtering()
    """
    global _traceback_filtering
    _traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Shows full error tracebacks.

    Example:

    >>> addax.config.disable_traceback_filtering()
    >>> addax.config.enable_traceback_filtering()
    """
    global _traceback_filtering
    _traceback_filtering = False


def is_flash_attention_enabled() -> bool:
    """Returns whether attention may use the fused kernel.

    Example:

    >>> addax.config.is_flash_attention_enabled()
    True
    """
    return _flash_attention


def enable_flash_attention() -> None:
    """Lets attention use the fused kernel where there is one.

    Example:

    >>> addax.config.enable_flash_attention()
    """
    global _flash_attention
    _flash_attention = True


def disable_flash_attention() -> None:
    """Makes attention compute its scores step by step.

    Example:

    >>> addax.config.disable_flash_attention()
    >>> addax.config.enable_flash_attention()
    """
    global _flash_attention
    _flash_attention = False


def run_functions_eagerly() -> bool:
    """Returns whether models run their steps as plain Python whatever `compile` says.

    Example:

    >>> addax.config.run_functions_eagerly()
    False
    """
    return _run_eagerly


def set_run_functions_eagerly(value: bool) -> None:
    """Makes all models run their steps as plain Python, to debug or to compare.

    The environment variable `ADDAX_EAGER=1` does the same at start.

    Args:
        value: Whether to.

    Example:

    >>> addax.config.set_run_functions_eagerly(False)
    """
    global _run_eagerly
    _run_eagerly = bool(value)


def plan_builds() -> int:
    """Returns how many plans compiled functions have built since the process started.

    A number that keeps growing during training says that signatures keep changing, such as batches of ever new shapes.
    The logger `addax` tells at level INFO which function it was, and why.

    Example:

    >>> before = addax.config.plan_builds()
    >>> double = addax.compile(lambda x: x * 2)
    >>> _ = double(addax.ops.ones(3)), double(addax.ops.zeros(3))
    >>> addax.config.plan_builds() - before
    1
    """
    from addax import compiled

    return compiled.plan_builds()


def plans_kept() -> int:
    """Returns how many plans a compiled function keeps, one for each signature of its last calls.

    Example:

    >>> addax.config.plans_kept()
    32
    """
    from addax import compiled

    return compiled.plans_kept


def set_plans_kept(count: int) -> None:
    """Sets how many plans a compiled function keeps; the one used longest ago goes first.

    A plan takes some milliseconds to build again. On the CPU many that are kept take little memory, since those that do
    not run lend theirs; on CUDA each keeps the memory of its inner values.

    Args:
        count: The number, at least 1, for every function from its next plan on.

    Raises:
        ValueError: If it is less.

    Example:

    >>> addax.config.set_plans_kept(200)  # batches of up to 200 lengths
    >>> addax.config.plans_kept()
    200
    >>> addax.config.set_plans_kept(32)
    """
    from addax import compiled

    if not isinstance(count, int) or count < 1:
        raise ValueError(f"set_plans_kept: expected an int of at least 1. Received: {count!r}")
    compiled.plans_kept = count


def is_nnx_enabled() -> bool:
    """Returns `False`: there is no Flax NNX here.

    Example:

    >>> addax.config.is_nnx_enabled()
    False
    """
    return False


def max_epochs() -> int | None:
    """Returns the cap on the epochs of any `fit`, or `None`.

    Example:

    >>> addax.config.max_epochs()
    """
    return _max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Caps the epochs of every `fit`, for quick trials of a finished script.

    Args:
        max_epochs: The most epochs to run, or `None` for no cap.

    Example:

    >>> addax.config.set_max_epochs(2)
    >>> addax.config.set_max_epochs(None)
    """
    global _max_epochs
    _max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """Returns the cap on the steps of an epoch, or `None`.

    Example:

    >>> addax.config.max_steps_per_epoch()
    """
    return _max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Caps the steps of every epoch of `fit`, `evaluate` and `predict`.

    Args:
        max_steps_per_epoch: The most steps to run, or `None` for no cap.

    Example:

    >>> addax.config.set_max_steps_per_epoch(10)
    >>> addax.config.set_max_steps_per_epoch(None)
    """
    global _max_steps_per_epoch
    _max_steps_per_epoch = max_steps_per_epoch


def dtype_policy():
    """Returns the dtype policy of layers that are given none.

    Example:

    >>> addax.config.dtype_policy().name
    'float32'
    """
    from addax import dtype_policies

    return dtype_policies.dtype_policy()


def set_dtype_policy(policy) -> None:
    """Sets the dtype policy of layers that are given none.

    Args:
        policy: A policy or its name, such as `"mixed_bfloat16"`.

    Example:

    >>> addax.config.set_dtype_policy("float32")
    """
    from addax import dtype_policies

    dtype_policies.set_dtype_policy(policy)


def _backend() -> str:
    return "addax" if engine.name == "native" else engine.name
