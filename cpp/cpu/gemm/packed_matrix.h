// A matrix packed once to be multiplied from the left many times, by few rows each time: the weights of a recurrence.
#pragma once

#include "cpu/gemm/gemm.h"

namespace addax::cpu::ADDAX_ISA {

template <class T>
class PackedMatrix {
 public:
  /// b has k rows and n columns, k >= 1, n >= 1; `what` names the op in OutOfMemory.
  PackedMatrix(Matrix<T> b, int64_t k, int64_t n, const char* what)
      : panels_(n), k_(k), data_(panels_.padded * k, what) {
    constexpr int64_t kPackWork = 1 << 15;
    parallel_for(panels_.count, ceil_div(kPackWork, k * panels_.kWidth),
                 [&](int64_t begin, int64_t end) { detail::pack_panels(b, k, panels_, begin, end, panel(begin)); });
  }

  /// c = a b, or c += a b, on this thread: rows of a are a_step apart, rows of c c_step.
  void multiply(int64_t rows, const T* a, int64_t a_step, T* c, int64_t c_step, bool accumulate) const {
    const Run run{0, k_};
    for (int64_t p = 0; p < panels_.count; ++p)
      cover_rows(rows, [&](int64_t r, int height) {
        emit(tile_of<T>(height, panels_.vectors(p)), height, panels_.width(p), panels_.used(p), a + r * a_step, a_step,
             int64_t(1), {&run, 1}, panel(p), panels_.width(p), c + r * c_step + panels_.first(p), c_step, accumulate);
      });
  }

 private:
  T* panel(int64_t p) const { return data_.get() + panels_.first(p) * k_; }

  ColumnPanels<T> panels_;
  int64_t k_;
  Scratch<T> data_;
};

}  // namespace addax::cpu::ADDAX_ISA
