"""SeedGenerator: the state from which random ops draw their seeds, one after the other."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from addax import engine
from addax.engine import Tensor
from addax.ops import symbolic
from addax.utils.naming import auto_name
from addax.variables import Variable, name_scope

_STEP = np.array([0, 1], "uint32")
_global: SeedGenerator | None = None


class SeedGenerator:
    """Gives a new seed to each random call, and so makes a sequence of calls repeatable.

    The state is a Variable of two uint32: the seed and a counter. It is saved and restored with the layer that owns the
    generator, so a run that was stopped goes on with the same numbers.

    Args:
        seed: The first seed, an int; `None`: drawn from Python's `random`, which `set_random_seed` seeds.
        name: A name, made up if not given.

    Raises:
        ValueError: If the seed is not an int.

    Example:

    >>> generator = addax.random.SeedGenerator(42)
    >>> generator.next().tolist(), generator.next().tolist()
    ([42, 0], [42, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs):
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, int):
            raise ValueError(f"SeedGenerator: argument `seed` must be an integer. Received: seed={seed!r}")
        self.name = auto_name(type(self).__name__) if name is None else name
        self._initial_seed = seed
        with name_scope(self.name):
            self.state = Variable(_key_values(seed), dtype="uint32", trainable=False, name="seed_generator_state")

    def next(self, ordered: bool = True) -> Tensor:
        """Returns the next seed and moves the state on.

        Args:
            ordered: Whether the next seed is the counter's successor. If not, it is a scrambled one, as Keras has for
                calls that share the global generator.

        Returns:
            A uint32 tensor of shape `(2,)`.
        """
        if symbolic.is_active():  # a symbolic call draws nothing
            return engine.placeholder((2,), "uint32")
        seed = self.state.value
        self.state.assign(seed + _STEP if ordered else (seed + 1) * 5387 % 933199)
        return seed

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict) -> SeedGenerator:
        """Makes a generator of what `get_config` returned."""
        return cls(**config)


def _key_values(seed: int) -> np.ndarray:
    if not 0 <= seed < 2**32:
        raise OverflowError(f"A seed must fit 32 bits without sign. Received: seed={seed}")
    return np.array([seed, 0], "uint32")


def make_default_seed() -> int:
    """A seed from Python's own generator."""
    return python_random.randint(1, int(1e9))


def global_seed_generator() -> SeedGenerator:
    """The generator of random calls that are given no seed."""
    global _global
    if _global is None:
        _global = SeedGenerator()
    return _global


def forget_global_seed_generator() -> None:
    """The next call without a seed starts a new sequence, from Python's `random`."""
    global _global
    _global = None


def draw_seed(seed: Any) -> Tensor:
    """The key of a random call.

    Args:
        seed: An int: always the same key; a SeedGenerator: its next one; `None`: that of the global generator.

    Returns:
        A uint32 tensor of shape `(2,)`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, int):
        return engine.tensor(_key_values(int(seed)))
    if seed is None:
        return global_seed_generator().next(ordered=False)
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
        f"Received: seed={seed!r} (of type {type(seed).__name__})"
    )
