"""What all attention layers share."""

from __future__ import annotations

from addax.layers.layer import Layer


class BaseAttention(Layer):
    """A layer that returns its weights as well if `return_attention_scores` is given.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    def compute_output_spec(self, *args, **kwargs):
        # `compute_output_shape` does not know whether the weights are wanted too.
        if self._signature().arguments(args, kwargs).get("return_attention_scores"):
            return self._spec_of_call(args, kwargs)
        return super().compute_output_spec(*args, **kwargs)
