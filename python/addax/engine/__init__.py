"""What runs the primitives. The rest of the package asks nothing else and does not know how many engines there are.

The op table, shape rules, gradients, tapes and traces are the native extension's in any case. An engine says how rows
are computed and what a traced graph becomes.
"""

import os

from addax._core import any_tensor_made
from addax.engine import native
from addax.engine.native import *  # noqa: F403
from addax.engine.native import __all__ as __all__

ENGINES = ("native", "jax")
"""The names that `use` knows."""

_PARTS = ("name", "plan", "devices", "device_info", "device_problem", "distribution")  # what each engine has of its own


def use(engine: str) -> None:
    """Makes an engine the one that runs. Plans and variables' values of another one are not for it.

    Args:
        engine: One of `ENGINES`.

    Raises:
        ImportError: If the engine needs a package that is not installed.
    """
    if engine == "jax":
        from addax.jax import engine as chosen
    else:
        chosen = native
    chosen.start()
    globals().update((part, getattr(chosen, part)) for part in _PARTS)


def is_in_use() -> bool:
    """Whether values have been computed, so that the engine can no longer be chosen."""
    return any_tensor_made()


if os.environ.get("ADDAX_BACKEND", "addax") not in ("", "addax", "native"):
    if os.environ["ADDAX_BACKEND"] not in ENGINES:
        raise ValueError(f"ADDAX_BACKEND: expected 'addax' or 'jax'. Received: {os.environ['ADDAX_BACKEND']!r}")
    use(os.environ["ADDAX_BACKEND"])
