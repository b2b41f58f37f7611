"""The devices there are, and the processes that a job consists of."""

from __future__ import annotations

import os
import random
from typing import Any

from addax import engine


def list_devices(device_type: str | None = None) -> list[str]:
    """Returns the names of the devices that a distribution can use.

    Args:
        device_type: `"cpu"`, `"gpu"` or `"tpu"`; `None`: the devices on which the engine computes by default.

    Returns:
        Names such as `"cpu:0"`. With several processes, the devices of all of them.

    Raises:
        RuntimeError: On JAX, if it has no devices of that type.

    Example:

    >>> addax.distribution.list_devices("cpu")
    ['cpu:0']
    """
    return engine.devices(device_type)


def get_device_count(device_type: str | None = None) -> int:
    """Returns the number of devices; see `list_devices`.

    Args:
        device_type: As for `list_devices`.

    Example:

    >>> addax.distribution.get_device_count("cpu")
    1
    """
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins this process to a job of several, whose devices are then all devices. Call it before any other work.

    Python's `random`, from which seeds come that nobody gives, is seeded alike in all processes.

    Args:
        job_addresses: Address and port of the first process, or those of all, with commas between them; `None`: the
            environment variable `KERAS_DISTRIBUTION_JOB_ADDRESSES`, or what JAX finds out by itself, as on a TPU.
        num_processes: How many processes there are; `None`: `KERAS_DISTRIBUTION_NUM_PROCESSES`, or as above.
        process_id: Which one this is, from 0; `None`: `KERAS_DISTRIBUTION_PROCESS_ID`, or as above.

    Raises:
        ValueError: If there are not as many addresses as processes.
        RuntimeError: If the engine cannot distribute, has computed already, or does not reach the first process.
    """
    addresses = (job_addresses or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES") or "").split(",")
    count = _number(num_processes, "KERAS_DISTRIBUTION_NUM_PROCESSES")
    if len(addresses) > 1 and count is not None and count != len(addresses):
        raise ValueError(
            f"initialize: expected one address or one for each of the {count} processes. Received: "
            f"job_addresses={','.join(addresses)}"
        )
    process = _number(process_id, "KERAS_DISTRIBUTION_PROCESS_ID")
    random.seed(placing("initialize").connect(addresses[0] or None, count, process, random.getrandbits(32)))


def placing(what: str) -> Any:
    """What the engine does to lay values over devices.

    Args:
        what: What asks for it.

    Raises:
        RuntimeError: If the engine computes on one device.
    """
    if engine.distribution is None:
        raise RuntimeError(
            f"{what}: the engine {engine.name!r} computes on one device. Let JAX compute: set the environment variable "
            "ADDAX_BACKEND=jax, or call addax.config.set_backend('jax') before any other work"
        )
    return engine.distribution


def _number(given: int | None, variable: str) -> int | None:
    text = os.environ.get(variable)
    return int(text) if given is None and text else given
