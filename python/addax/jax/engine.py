"""What addax.engine asks of an engine, done by JAX: rows one by one, and graphs as a whole."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

try:
    import jax
except ImportError as error:
    raise ImportError('The JAX engine needs the package jax: pip install "addax[jax]"') from error

from addax._core import Tensor, array_of, set_default_device, set_engine
from addax.jax import distribution as distribution
from addax.jax.distribution import device_info as device_info
from addax.jax.distribution import devices as devices
from addax.jax.graphs import Plan as Plan
from addax.jax.graphs import plan as plan
from addax.jax.table import Attrs, Specs, lower

name = "jax"

_FUNCTIONS_KEPT = 8192


def start() -> None:
    """Lets JAX compute every row, with 64-bit numbers where a model asks for them."""
    jax.config.update("jax_enable_x64", True)
    set_default_device("cpu:0")  # which device a value goes to is JAX's to say
    set_engine(_run, _put, distribution.fetch)
    Tensor.__jax_array__ = _jax_array


@functools.lru_cache(_FUNCTIONS_KEPT)
def _compiled(name: str, attrs: Attrs, specs: Specs) -> Any:
    return jax.jit(lower(name, attrs, specs))


def _run(name: str, attrs: Attrs, specs: Specs, arrays: tuple) -> Sequence[jax.Array]:
    return _compiled(name, attrs, specs)(*arrays)


def _put(array: jax.Array | np.ndarray, old: jax.Array | np.ndarray | None) -> jax.Array:
    sharding = distribution.sharding_of(old)
    if sharding is not None:
        return distribution.place(array, sharding)
    return array if isinstance(array, jax.Array) else jax.device_put(np.array(array))  # a copy: NumPy's may change


def device_problem() -> str:
    """What is missing for devices that JAX does not find: nothing that is known."""
    return ""


def _jax_array(tensor: Tensor) -> jax.Array:
    """The tensor as JAX sees it: without a copy where it is on a device."""
    return jax.numpy.asarray(array_of(tensor))
