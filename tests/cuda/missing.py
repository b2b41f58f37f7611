"""Rows of the op table that have no CUDA kernel yet. It must shrink: a row that has one may not stand here.

Those with a composition run on a device as that; the others are refused there.
"""

_NAMES = """
    matmul_fused conv_fused
    sgd_update_rows sgd_momentum_update_rows adam_update_rows adam_amsgrad_update_rows rmsprop_update_rows
    rmsprop_full_update_rows
    attention attention_grad
    simple_rnn simple_rnn_grad lstm lstm_grad gru gru_grad
    reduce_fused fused
"""

MISSING = frozenset(_NAMES.split())
