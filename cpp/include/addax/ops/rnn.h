// Recurrences over whole sequences as C++ functions. Gates stand side by side in the columns of the kernels, in Keras's
// order. A step whose mask is false keeps the state. float16 and bfloat16 are computed in float.
//
// Shapes: x (batch, time, features), states (batch, units), kernel (features, gates * units), recurrent (units,
// gates * units), bias (gates * units), mask (batch, time) of bool or undefined. Results of steps have shape
// (batch, time, ...). With `go_backwards` the steps run from the last time to the first, and y is in their order; what
// is kept for the gradient always is in the order of x.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// h = tanh(x kernel + h recurrent + bias). Returns the states y and the last one.
ADDAX_API Tensors simple_rnn(const Tensor& x, const Tensor& h, const Tensor& kernel, const Tensor& recurrent,
                             const Tensor& bias, const Tensor& mask = {}, bool go_backwards = false);
/// Gradients of the pre-activations (in the order of x) and of the first state, given those of y and the last state.
ADDAX_API Tensors simple_rnn_grad(const Tensor& recurrent, const Tensor& y, const Tensor& dy, const Tensor& dh,
                                  const Tensor& mask = {}, bool go_backwards = false);

/// Gates i, f, g, o: c = f c + i g, h = o tanh(c). Returns y, the last h and c, and for the gradient all c and all
/// gates after their activations (batch, time, 4 * units).
/// Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).
ADDAX_API Tensors lstm(const Tensor& x, const Tensor& h, const Tensor& c, const Tensor& kernel, const Tensor& recurrent,
                       const Tensor& bias, const Tensor& mask = {}, bool go_backwards = false);
/// Gradients of the pre-activations (in the order of x) and of the first h and c.
ADDAX_API Tensors lstm_grad(const Tensor& c, const Tensor& recurrent, const Tensor& cells, const Tensor& gates,
                            const Tensor& dy, const Tensor& dh, const Tensor& dc, const Tensor& mask = {},
                            bool go_backwards = false);

/// Gates z, r, g: h = z h + (1 - z) g. With `reset_after`, g = tanh(x kernel + bias[0] + r s), s = h recurrent +
/// bias[1] and bias has shape (2, 3 * units); else g = tanh(x kernel + bias + (r h) recurrent). Returns y, the last h,
/// and for the gradient z, r, g and, with `reset_after`, s (batch, time, 3 or 4 * units). Cho et al., Learning Phrase
/// Representations using RNN Encoder-Decoder, EMNLP 2014.
ADDAX_API Tensors gru(const Tensor& x, const Tensor& h, const Tensor& kernel, const Tensor& recurrent,
                      const Tensor& bias, const Tensor& mask = {}, bool go_backwards = false, bool reset_after = true);
/// Gradients of what the gates' activations (and s) were computed from, in the order of x, and of the first h.
ADDAX_API Tensors gru_grad(const Tensor& h, const Tensor& recurrent, const Tensor& y, const Tensor& gates,
                           const Tensor& dy, const Tensor& dh, const Tensor& mask = {}, bool go_backwards = false,
                           bool reset_after = true);

}  // namespace addax
