#include "core/kept.h"

#include <memory>
#include <mutex>

namespace addax {
namespace {

constexpr int64_t kMostKept = 6;  // times the storage

const void* find(const Storage& storage, const KeptKey& key) {
  for (const Kept* k = storage.kept.load(std::memory_order_acquire); k; k = k->next)
    if (k->key == key) return k->data;
  return nullptr;
}

}  // namespace

const void* kept(Storage& storage, const KeptKey& key, int64_t bytes, const char* what, FunctionRef<void(void*)> make) {
  if (const void* found = find(storage, key)) return found;
  // One for all storages: things are made once and found ever after. Nobody waits for it, least of all in a child of
  // fork whose parent was making something.
  static std::mutex mutex;
  const std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
  if (!lock.owns_lock()) return nullptr;
  if (const void* found = find(storage, key)) return found;
  int64_t total = bytes;
  for (const Kept* k = storage.kept.load(std::memory_order_relaxed); k; k = k->next) total += k->bytes;
  if (total > kMostKept * storage.bytes) return nullptr;
  const auto free = [bytes](void* data) { cpu_free(data, bytes); };
  std::unique_ptr<void, decltype(free)> memory(cpu_allocate(bytes, what), free);
  make(memory.get());
  auto* const made = new Kept{key, bytes, memory.get(), storage.kept.load(std::memory_order_relaxed)};
  memory.release();
  storage.kept.store(made, std::memory_order_release);
  return made->data;
}

void free_kept(Kept* list) {
  while (list) {
    Kept* const next = list->next;
    cpu_free(list->data, list->bytes);
    delete list;
    list = next;
  }
}

}  // namespace addax
