"""AdditiveAttention."""

from __future__ import annotations

from addax import ops
from addax.layers.attention.attention import Attention


class AdditiveAttention(Attention):
    """Attention whose scores are sums of the hyperbolic tangent of query plus key.

    Takes what `Attention` takes; queries, values and keys have one last dim.

    Args:
        use_scale: Whether to learn a factor for each feature of that sum.
        dropout: The part of the weights to drop in training.
        **kwargs: `seed`, and arguments of `Layer`.

    References:
        Bahdanau et al., https://arxiv.org/abs/1409.0473

    Example:

    >>> query, value = addax.ops.ones((2, 3, 4)), addax.ops.ones((2, 5, 4))
    >>> addax.layers.AdditiveAttention()([query, value]).shape
    (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: list) -> None:
        """Creates `scale`."""
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _scores(self, query, key):
        x = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(key, 1))
        return ops.sum(x if self.scale is None else x * self.scale.value, axis=-1)

    def _fuses(self, query) -> bool:
        return False

    def get_config(self) -> dict:
        config = super().get_config()
        del config["score_mode"]
        return config
