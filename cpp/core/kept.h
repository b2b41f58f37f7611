// What kernels make of a value that never changes, such as weights packed for products: kept with its storage.
#pragma once

#include <array>

#include "addax/tensor.h"
#include "core/parallel.h"
#include "core/scratch.h"

namespace addax {

enum class KeptForm : int64_t { MatrixPanels, FilterPanels, Winograd2, Winograd4 };

/// The form, which part of the storage it was made of, and sizes: the same key is the same bytes.
using KeptKey = std::array<int64_t, 8>;
inline KeptKey kept_key(const Storage* storage, KeptForm form, const void* from, std::array<int64_t, 6> sizes) {
  const auto at = storage ? static_cast<const char*>(from) - static_cast<const char*>(storage->data) : 0;
  return {static_cast<int64_t>(form), at, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
}

struct Kept {
  KeptKey key;
  int64_t bytes;
  void* data;
  Kept* next;
};

/// The bytes under a key; `make` fills them if there are none. They go with the storage. Null if all that is kept would
/// be more than six times the storage, as of weights that are mostly padding or one element repeated, or if another
/// thread is making something. Safe from several threads.
ADDAX_API const void* kept(Storage& storage, const KeptKey& key, int64_t bytes, const char* what,
                           FunctionRef<void(void*)> make);
void free_kept(Kept* list);

/// `count` elements that `make` fills, kept with the storage; null without one, or if it does not keep them.
template <class T, class Make>
const T* kept(Storage* storage, const KeptKey& key, int64_t count, const char* what, Make&& make) {
  if (!storage) return nullptr;
  return static_cast<const T*>(
      kept(*storage, key, count * static_cast<int64_t>(sizeof(T)), what, [&](void* to) { make(static_cast<T*>(to)); }));
}

/// The same, or else for as long as this lives.
template <class T>
class Made {
 public:
  template <class Make>
  Made(Storage* storage, const KeptKey& key, int64_t count, const char* what, Make&& make)
      : kept_(kept<T>(storage, key, count, what, make)), own_(kept_ ? 0 : count, what) {
    if (!kept_) make(own_.get());
  }
  const T* get() const { return kept_ ? kept_ : own_.get(); }

 private:
  const T* kept_;
  Scratch<T> own_;
};

}  // namespace addax
