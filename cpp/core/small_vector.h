// SmallVector: a vector whose first N elements need no heap.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace addax {

template <class T, size_t N>
class SmallVector {
 public:
  SmallVector() = default;
  explicit SmallVector(size_t size) { resize(size); }

  size_t size() const { return size_; }
  T* data() { return size_ > N ? many_.data() : few_.data(); }
  const T* data() const { return size_ > N ? many_.data() : few_.data(); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }

  void push_back(T value) {
    resize(size_ + 1);
    data()[size_ - 1] = std::move(value);
  }
  void clear() { size_ = 0; }
  /// Never to fewer: what lies on the heap would not come back.
  void resize(size_t size) {
    if (size > N) {
      if (size_ <= N) many_.assign(std::make_move_iterator(few_.begin()), std::make_move_iterator(few_.end()));
      many_.resize(size);
    }
    size_ = size;
  }

 private:
  size_t size_ = 0;
  std::array<T, N> few_;
  std::vector<T> many_;
};

}  // namespace addax
