// A stable sort by integer keys: what sorting and deterministic scatters are made of.
#pragma once

#include <utility>

#include "cuda/launch.h"

namespace addax::cuda {

/// Temporary memory of n values and as much beside it: sorts go from the one to the other and back.
template <class T>
class DoubleBuffer {
 public:
  DoubleBuffer(int64_t n, const char* what) : first_(n, what), second_(n, what) {}
  T* get() const { return current_; }
  T* spare() const { return spare_; }
  void swap() { std::swap(current_, spare_); }

 private:
  Temporary<T> first_, second_;
  T *current_ = first_.get(), *spare_ = second_.get();
};

/// The numbers below n, ascending at first; n is less than 2^32.
class Order {
 public:
  Order(int64_t n, const char* what);
  uint32_t* get() const { return numbers_.get(); }
  /// Puts `keys`, one per number, into ascending order, and the numbers with them. Only the lowest `bits` bits of a key
  /// count; of equal ones the earlier stays first. Key is uint32_t or uint64_t.
  template <class Key>
  void sort_by(DoubleBuffer<Key>& keys, int bits);

 private:
  int64_t n_;
  const char* what_;
  DoubleBuffer<uint32_t> numbers_;
};

/// Bits that numbers below n take.
inline int bits_for(int64_t n) {
  int bits = 0;
  while ((n - 1) >> bits != 0) ++bits;
  return bits;
}
/// Calls f with a value of the narrowest type of keys that holds so many bits.
template <class F>
void with_key(int bits, F&& f) {
  if (bits <= 32)
    f(uint32_t());
  else
    f(uint64_t());
}

}  // namespace addax::cuda
