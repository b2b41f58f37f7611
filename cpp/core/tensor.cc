// Storage, TensorImpl and the Tensor handle.
#include "addax/tensor.h"

#include <cmath>
#include <iomanip>

#include "core/copy.h"
#include "core/dispatch.h"
#include "core/kept.h"
#include "core/runtime.h"

namespace addax {
namespace {

std::atomic<uint64_t> counter{1};

uint64_t next_id() {
  // Each thread takes ids in runs, so that the shared counter is touched rarely.
  thread_local uint64_t id = 0, end = 0;
  if (id == end) {
    constexpr uint64_t kRun = 4096;
    id = counter.fetch_add(kRun, std::memory_order_relaxed);
    end = id + kRun;
  }
  return id++;
}

Tensor make(Ref<Storage> storage, const Layout& layout, Dtype dtype) {
  return Tensor(std::move(storage), layout, dtype);
}

Ref<Storage> allocate(int64_t bytes, Device device, const char* what) {
  Storage* s = new Storage;
  Ref<Storage> ref(s);
  s->data = device.type == DeviceType::Cpu ? cpu_allocate(bytes, what)
                                           : runtime_of(device).allocate(device.index, bytes, what);
  s->bytes = bytes;
  s->device = device;
  return ref;
}

int64_t checked_bytes(const Shape& shape, Dtype dtype, const char* what) {
  int64_t bytes;
  for (int64_t d : shape)
    if (d < 0) fail<ShapeError>(what, ": dimensions must be >= 0, got shape ", shape);
  if (__builtin_mul_overflow(addax::numel(shape), size_of(dtype), &bytes))
    fail<ShapeError>(what, ": ", shape, " ", dtype, " has more bytes than int64 can count");
  return bytes;
}

}  // namespace

bool any_tensor_made() { return counter.load(std::memory_order_relaxed) != 1; }

void Storage::destroy(Storage* s) {
  free_kept(s->kept.load(std::memory_order_relaxed));
  if (s->foreign)
    s->foreign(s->data);
  else if (!s->device.has_runtime())
    cpu_free(s->data, s->bytes);
  else if (s->data)
    find_runtime(s->device.type)->free(s->device.index, s->data, s->bytes);
  delete s;
}

void TensorImpl::destroy(TensorImpl* t) { delete t; }

Tensor::Tensor(Ref<Storage> storage, Layout layout, Dtype dtype) {
  auto* impl = new TensorImpl;
  impl->storage = std::move(storage);
  impl->layout = layout;
  impl->dtype = dtype;
  impl->id = next_id();
  impl_ = Ref<TensorImpl>(impl);
}

Tensor Tensor::empty(const Shape& shape, Dtype dtype, const char* what) { return empty(shape, dtype, Device{}, what); }

Tensor Tensor::empty(const Shape& shape, Dtype dtype, Device device, const char* what) {
  return make(allocate(checked_bytes(shape, dtype, what), device, what), Layout::contiguous(shape), dtype);
}

Tensor Tensor::full(const Shape& shape, double value, Dtype dtype) {
  Tensor t = empty(shape, dtype);
  const int64_t n = t.numel();
  with_any(dtype, [&](auto tag) {
    using T = decltype(tag);
    T v;
    if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
      v = T(static_cast<float>(value));
    else if constexpr (std::is_same_v<T, bool>)
      v = value != 0;
    else if constexpr (std::is_integral_v<T>)
      v = value < 0 ? static_cast<T>(static_cast<int64_t>(value)) : static_cast<T>(static_cast<uint64_t>(value));
    else
      v = static_cast<T>(value);
    std::fill_n(t.data<T>(), n, v);
  });
  return t;
}

Tensor Tensor::placeholder(const Shape& shape, Dtype dtype) { return make({}, Layout::contiguous(shape), dtype); }

namespace {

template <class T>
constexpr Dtype dtype_for() {
  if (std::is_same_v<T, bool>) return Dtype::Bool;
  if (std::is_same_v<T, Float16>) return Dtype::Float16;
  if (std::is_same_v<T, BFloat16>) return Dtype::BFloat16;
  if (std::is_same_v<T, float>) return Dtype::Float32;
  if (std::is_same_v<T, double>) return Dtype::Float64;
  constexpr int width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return static_cast<Dtype>(static_cast<int>(std::is_signed_v<T> ? Dtype::Int8 : Dtype::UInt8) + width);
}

}  // namespace

template <class T>
Tensor Tensor::from_data(const T* data, const Shape& shape) {
  Tensor t = empty(shape, dtype_for<T>());
  std::copy_n(data, t.numel(), t.data<T>());
  return t;
}

template <class T>
Tensor Tensor::borrow(T* data, const Shape& shape) {
  constexpr Dtype dtype = dtype_for<std::remove_const_t<T>>();
  Storage* const storage = new Storage;
  storage->data = const_cast<std::remove_const_t<T>*>(data);
  storage->bytes = addax::numel(shape) * size_of(dtype);
  storage->read_only = std::is_const_v<T>;
  storage->foreign = [](void*) {};
  return Tensor(Ref<Storage>(storage), Layout::contiguous(shape), dtype);
}

#define ADDAX_FROM(T)                                                  \
  template ADDAX_API Tensor Tensor::from_data(const T*, const Shape&); \
  template ADDAX_API Tensor Tensor::borrow(T*, const Shape&);          \
  template ADDAX_API Tensor Tensor::borrow(const T*, const Shape&);
ADDAX_FROM(bool)
ADDAX_FROM(int8_t)
ADDAX_FROM(int16_t)
ADDAX_FROM(int32_t)
ADDAX_FROM(int64_t)
ADDAX_FROM(uint8_t)
ADDAX_FROM(uint16_t)
ADDAX_FROM(uint32_t)
ADDAX_FROM(uint64_t)
ADDAX_FROM(float)
ADDAX_FROM(double)
#undef ADDAX_FROM

bool Tensor::is_unique() const {
  return impl_->refs.load(std::memory_order_acquire) == 1 && impl_->storage &&
         impl_->storage->refs.load(std::memory_order_acquire) == 1;
}

void* Tensor::raw() const {
  if (is_placeholder())
    fail<Error>("a symbolic tensor of shape ", shape(), " and dtype ", dtype(),
                " has no value: it stands for any input while a model is built or a function is traced. Compute with "
                "addax.ops instead of reading it; for a choice that depends on it use addax.ops.where or cond");
  const Storage& s = *impl_->storage;
  if (s.device.has_runtime())
    fail<Error>("a tensor on ", device(), " cannot be read by the CPU: move it with to(\"cpu:0\")");
  void* data = s.device.type == DeviceType::Jax ? static_cast<RemoteValue*>(s.data)->host() : s.data;
  return static_cast<char*>(data) + impl_->layout.offset * size_of(impl_->dtype);
}

void* Tensor::address() const {
  if (is_placeholder() || !device().has_runtime()) return raw();
  return static_cast<char*>(impl_->storage->data) + impl_->layout.offset * size_of(impl_->dtype);
}

double Tensor::item() const {
  if (numel() != 1) fail<ShapeError>("item: expected a tensor of one element, got shape ", shape());
  if (device().has_runtime()) return to(Device{}).item();
  return with_any(dtype(), [&](auto tag) -> double {
    using T = decltype(tag);
    if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
      return static_cast<double>(static_cast<float>(*data<T>()));
    else
      return static_cast<double>(*data<T>());
  });
}

Tensor Tensor::contiguous() const {
  if (is_contiguous()) return *this;
  return is_placeholder() ? placeholder(shape(), dtype()) : copy();
}

Tensor Tensor::copy() const {
  Tensor out = empty(shape(), dtype(), device().has_runtime() ? device() : Device{});
  copy_strided(out.device(), out.address(), out.strides(), address(), strides(), shape(), size_of(dtype()));
  return out;
}

Tensor Tensor::to(Device device) const {
  // JAX's engine takes the CPU's values as they are.
  if (is_placeholder() || device == this->device() || device.type == DeviceType::Jax) return *this;
  const Tensor source = contiguous();
  Tensor out = empty(shape(), dtype(), device, "to");
  if (numel() == 0) return out;
  const Device from = source.device();
  if (!from.has_runtime() && !device.has_runtime())
    std::copy_n(source.data<char>(), nbytes(), out.data<char>());
  else if (!from.has_runtime())
    runtime_of(device).from_host(device.index, out.address(), source.raw(), nbytes());
  else if (!device.has_runtime())
    runtime_of(from).to_host(from.index, out.raw(), source.address(), nbytes());
  else
    runtime_of(from).between(device.index, out.address(), from.index, source.address(), nbytes());
  return out;
}

Tensor Tensor::view(const Layout& layout) const { return make(impl_->storage, layout, impl_->dtype); }
Tensor Tensor::detach() const { return view(impl_->layout); }

Tensor Tensor::owned() const {
  const Tensor source = contiguous();
  if (!source.storage()->read_only && !source.storage()->foreign) return source.detach();
  return source.copy();
}

Tensor Tensor::ghost() const {
  auto* impl = new TensorImpl;
  impl->layout = Layout::contiguous(impl_->layout.shape);
  impl->dtype = impl_->dtype;
  impl->id = impl_->id;
  Tensor t;
  t.impl_ = Ref<TensorImpl>(impl);
  return t;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor) return out << "undefined";
  out << "Tensor(shape=" << tensor.shape() << ", dtype=" << tensor.dtype();
  if (!tensor.is_placeholder() && tensor.numel() <= 16) {
    out << ", [";
    const Tensor c = tensor.to(Device{}).contiguous();
    for (int64_t i = 0; i < c.numel(); ++i) out << (i ? ", " : "") << c.view({{}, {}, c.layout().offset + i}).item();
    out << ']';
  }
  return out << ')';
}

}  // namespace addax
