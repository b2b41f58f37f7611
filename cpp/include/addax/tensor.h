// Tensor: a cheap handle to storage + layout + dtype. Copying a handle copies no data.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <ostream>
#include <utility>
#include <vector>

#include "addax/device.h"
#include "addax/dtype.h"
#include "addax/shape.h"

namespace addax {

/// Intrusive reference: T has `mutable std::atomic<int32_t> refs` and `static void destroy(T*)`.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* p) : p_(p) {
    if (p_) p_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_ && p_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) T::destroy(p_);
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  T* p_ = nullptr;
};

/// What `Storage::data` of a Jax device points to: a value that another library holds, whole and contiguous.
class ADDAX_API RemoteValue {
 public:
  virtual ~RemoteValue() = default;
  /// The address of the values on the host: fetched once, there as long as this object.
  virtual void* host() = 0;
};

struct Kept;

/// Reference-counted bytes. The deleter may release a foreign owner (NumPy, DLPack, mmap).
struct ADDAX_API Storage {
  void* data = nullptr;
  int64_t bytes = 0;
  Device device;
  bool read_only = false;              // foreign memory that kernels must never write
  std::function<void(void*)> foreign;  // empty: the bytes belong to the device's allocator
  std::atomic<Kept*> kept{nullptr};    // what kernels made of a value that never changes (core/kept.h)
  mutable std::atomic<int32_t> refs{0};

  static void destroy(Storage* s);
};

/// Shape, strides and offset, both in elements. Strides may be 0 (broadcast) or negative (flip).
struct ADDAX_API Layout {
  Shape shape;
  Strides strides;
  int64_t offset = 0;

  static Layout contiguous(const Shape& shape) { return {shape, contiguous_strides(shape), 0}; }
  bool is_contiguous() const;
};

class Tensor;

struct ADDAX_API TensorImpl {
  Ref<Storage> storage;  // null: a placeholder, which has a shape and dtype but no value
  Layout layout;
  Dtype dtype = Dtype::Float32;
  uint64_t id = 0;  // never reused; what tapes and traces know a tensor by
  mutable std::atomic<int32_t> refs{0};

  static void destroy(TensorImpl* t);
};

class ADDAX_API Tensor {
 public:
  /// An undefined tensor: false in a condition; stands for "no gradient", "not given".
  Tensor() = default;
  Tensor(Ref<Storage> storage, Layout layout, Dtype dtype);

  /// Uninitialized values on the CPU. Throws OutOfMemory, which names `what`.
  static Tensor empty(const Shape& shape, Dtype dtype, const char* what = "empty");
  /// The same on any device.
  static Tensor empty(const Shape& shape, Dtype dtype, Device device, const char* what = "empty");
  /// Every element equal to value, converted to dtype.
  static Tensor full(const Shape& shape, double value, Dtype dtype);
  /// A 0-d tensor.
  static Tensor scalar(double value, Dtype dtype) { return full({}, value, dtype); }
  /// A shape and dtype without a value, for abstract evaluation and tracing.
  static Tensor placeholder(const Shape& shape, Dtype dtype);
  /// Copies numel(shape) elements from `data`.
  template <class T>
  static Tensor from_data(const T* data, const Shape& shape);
  /// Over numel(shape) elements of the caller's, which must live as long as the tensor and its views; those of a const
  /// T are only read. Copies nothing.
  template <class T>
  static Tensor borrow(T* data, const Shape& shape);

  explicit operator bool() const { return static_cast<bool>(impl_); }
  const Shape& shape() const { return impl_->layout.shape; }
  const Strides& strides() const { return impl_->layout.strides; }
  const Layout& layout() const { return impl_->layout; }
  Dtype dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage ? impl_->storage->device : Device{}; }
  int rank() const { return impl_->layout.shape.rank(); }
  int64_t numel() const { return addax::numel(impl_->layout.shape); }
  int64_t nbytes() const { return numel() * size_of(dtype()); }
  uint64_t id() const { return impl_->id; }
  bool is_placeholder() const { return !impl_->storage; }
  bool is_contiguous() const { return impl_->layout.is_contiguous(); }
  const Ref<Storage>& storage() const { return impl_->storage; }
  /// True if no other tensor shares the storage and nothing else holds this handle.
  bool is_unique() const;

  /// First element's address, of JAX's values on the host. Throws Error on a placeholder, which has no value, and where
  /// the CPU cannot read it.
  void* raw() const;
  /// The same wherever the value lies: for kernels and copies.
  void* address() const;
  template <class T>
  T* data() const {
    return static_cast<T*>(raw());
  }
  /// The same values on a device: this tensor, or a contiguous copy of it that no tape knows.
  Tensor to(Device device) const;
  /// The single element of a one-element tensor, as double.
  double item() const;

  /// A contiguous copy on the same device.
  Tensor copy() const;
  /// This tensor, or a contiguous copy of it.
  Tensor contiguous() const;
  /// A new identity over the same storage, with another layout.
  Tensor view(const Layout& layout) const;
  /// A new identity over the same storage and layout: unknown to any tape.
  Tensor detach() const;
  /// The same, contiguous and in memory of the engine's own, which nobody outside can change: this memory, or a copy.
  Tensor owned() const;
  /// Shape and dtype of this tensor under the same identity, without its storage.
  Tensor ghost() const;

 private:
  Ref<TensorImpl> impl_;
};

using Tensors = std::vector<Tensor>;

/// Whether this process has made a tensor.
ADDAX_API bool any_tensor_made();

/// A non-owning run of elements.
template <class T>
class Span {
 public:
  Span() = default;
  Span(T* data, size_t size) : data_(data), size_(size) {}
  template <class C>
  Span(C& c) : data_(c.data()), size_(c.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
  /// For arguments of one call only: the list ends with the full expression.
  Span(std::initializer_list<std::remove_const_t<T>> l) : data_(l.begin()), size_(l.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
  T& operator[](size_t i) const { return data_[i]; }
  T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

/// Values, shape and dtype, abbreviated for large tensors.
ADDAX_API std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace addax
