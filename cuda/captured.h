// Memory of captured work. It lives as long as the work, whose every launch uses it again; within the work, which is in
// order, what one kernel gives back the next may take.
#pragma once

#include <algorithm>
#include <vector>

#include "core/block_cache.h"

namespace addax::cuda {

class CapturedMemory {
 public:
  explicit CapturedMemory(BlockCache& cache) : cache_(cache) {}
  CapturedMemory(const CapturedMemory&) = delete;
  CapturedMemory& operator=(const CapturedMemory&) = delete;
  ~CapturedMemory() {
    for (const Block& b : blocks_) cache_.free(b.data);
  }

  void* take(int64_t bytes, const char* what) {
    Block* best = nullptr;
    for (Block& b : blocks_)
      if (!b.taken && b.bytes >= bytes && (!best || b.bytes < best->bytes)) best = &b;
    if (!best) best = &blocks_.emplace_back(Block{cache_.allocate(bytes, what), bytes, false});
    best->taken = true;
    return best->data;
  }
  /// False for what was not taken here.
  bool give_back(void* data) {
    for (Block& b : blocks_)
      if (b.data == data) {
        b.taken = false;
        return true;
      }
    return false;
  }

 private:
  struct Block {
    void* data;
    int64_t bytes;
    bool taken;
  };
  BlockCache& cache_;
  std::vector<Block> blocks_;
};

}  // namespace addax::cuda
