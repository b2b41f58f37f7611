"""Initializer, the base of what makes the first values of weights."""

from __future__ import annotations

from addax.engine import Tensor


class Initializer:
    """A recipe for the first values of a weight.

    Subclasses write `__call__(shape, dtype)` and, if the constructor takes arguments, `get_config`.

    Example:

    >>> class Halves(addax.initializers.Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return addax.ops.full(shape, 0.5, dtype)
    >>> Halves()((2,)).tolist()
    [0.5, 0.5]
    """

    def __call__(self, shape, dtype=None) -> Tensor:
        """Returns the values for a weight.

        Args:
            shape: Its shape.
            dtype: Its dtype; `None`: `floatx()`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `__call__(shape, dtype)`")

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Initializer:
        """Makes an initializer of what `get_config` returned."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Returns an initializer of the same configuration."""
        return type(self).from_config(self.get_config())
