// The caching allocator of a device: segments from the driver, cut into blocks that are split and merged again.
// It knows no device, so that it is tested without one. A freed block is reused at once: whoever writes to it is
// ordered after whoever read it, as all work of one device is.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "addax/device.h"

namespace addax {

/// Where segments come from.
class ADDAX_API SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  /// Null if there is not so much.
  virtual void* take(int64_t bytes) = 0;
  virtual void give_back(void* data) = 0;
  /// Bytes that the driver could still give; -1 if it does not say.
  virtual int64_t free_bytes() = 0;
};

class ADDAX_API BlockCache {
 public:
  static constexpr int64_t kUnit = 512;                        // of blocks
  static constexpr int64_t kSmall = int64_t{1} << 20;          // larger blocks come from segments of their own kind
  static constexpr int64_t kSmallSegment = int64_t{2} << 20;   // and smaller ones share these
  static constexpr int64_t kLargeSegment = int64_t{32} << 20;  // the least of the others, where there is so much

  BlockCache(SegmentSource& source, Device device);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  /// Throws OutOfMemory, which names `what` and says what was asked, held and free; the cache stays usable.
  void* allocate(int64_t bytes, const char* what);
  void free(void* data) noexcept;
  MemoryStats stats() const;
  void reset_peak();
  /// Gives every segment back that holds nothing.
  void empty();
  /// Refuses to hold more live bytes; 0 lifts the limit.
  void set_limit(int64_t bytes);

 private:
  struct Block {
    char* data;
    int64_t bytes;
    bool small, used = false;
    Block *before = nullptr, *after = nullptr;  // neighbours in the segment
  };
  struct BySize {
    bool operator()(const Block* a, const Block* b) const {
      return a->bytes != b->bytes ? a->bytes < b->bytes : a->data < b->data;
    }
  };
  using Free = std::set<Block*, BySize>;

  Free& pool(bool small) { return free_[small ? 0 : 1]; }
  Block* fitting(int64_t bytes, bool small);
  Block* grow(int64_t bytes, bool small);
  void cut(Block* block, int64_t bytes);
  void release_segments();
  /// `a` takes what follows it.
  void merge(Block* a, Block* b);

  SegmentSource& source_;
  const Device device_;
  mutable std::mutex mutex_;
  Free free_[2];
  std::unordered_map<void*, Block*> used_;
  MemoryStats stats_;
  int64_t limit_ = 0;
};

}  // namespace addax
