"""Rows of the op table that have no CUDA kernel yet. It must shrink: a row that has one may not stand here.

Those with a composition run on a device as that; the others are refused there.
"""

MISSING = frozenset(
    """
    matmul matmul_fused conv conv_fused conv_input_grad conv_filter_grad
    max_pool max_pool_grad max_pool_select avg_pool avg_pool_grad
    sgd_update sgd_update_rows sgd_momentum_update sgd_momentum_update_rows adam_update adam_update_rows
    adam_amsgrad_update adam_amsgrad_update_rows rmsprop_update rmsprop_update_rows
    rmsprop_full_update rmsprop_full_update_rows
    attention attention_grad
    simple_rnn simple_rnn_grad lstm lstm_grad gru gru_grad
    reduce_fused fused scan cond while_loop
    """.split()
)
