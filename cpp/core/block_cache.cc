#include "core/block_cache.h"

#include <algorithm>
#include <string>

#include "addax/error.h"

namespace addax {
namespace {

int64_t rounded(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

BlockCache::BlockCache(SegmentSource& source, Device device) : source_(source), device_(device) {}

BlockCache::~BlockCache() { empty(); }

BlockCache::Block* BlockCache::fitting(int64_t bytes, bool small) {
  Block wanted{nullptr, bytes, small};
  const auto it = pool(small).lower_bound(&wanted);
  if (it == pool(small).end()) return nullptr;
  Block* block = *it;
  pool(small).erase(it);
  stats_.cached -= block->bytes;
  return block;
}

BlockCache::Block* BlockCache::grow(int64_t bytes, bool small) {
  const int64_t exact = rounded(bytes, kSmallSegment);
  const int64_t most = small ? kSmallSegment : std::max(exact, kLargeSegment);
  for (const int64_t size : {most, exact}) {
    ++stats_.allocations;
    if (void* data = source_.take(size)) return new Block{static_cast<char*>(data), size, small};
    if (most == exact) break;
  }
  return nullptr;
}

void BlockCache::cut(Block* block, int64_t bytes) {
  const int64_t rest = block->bytes - bytes;
  if (rest < (block->small ? kUnit : kSmall)) return;
  auto* remainder = new Block{block->data + bytes, rest, block->small, false, block, block->after};
  if (block->after) block->after->before = remainder;
  block->after = remainder;
  block->bytes = bytes;
  pool(block->small).insert(remainder);
  stats_.cached += rest;
}

void* BlockCache::allocate(int64_t bytes, const char* what) {
  std::lock_guard<std::mutex> lock(mutex_);
  constexpr int64_t kMost = int64_t{1} << 60;
  const int64_t size = bytes > kMost ? bytes : std::max(kUnit, rounded(bytes, kUnit));
  const bool small = size <= kSmall, over = limit_ > 0 && size > limit_ - stats_.live;
  Block* block = nullptr;
  if (!over && size <= kMost) {
    block = fitting(size, small);
    if (!block) block = grow(size, small);
    if (!block) {  // what is cached may be in the way
      release_segments();
      block = grow(size, small);
    }
  }
  if (!block) {
    const int64_t free = source_.free_bytes();
    fail<OutOfMemory>(what, ": could not allocate ", bytes, " bytes on ", device_, " (live ", stats_.live, ", cached ",
                      stats_.cached, free < 0 ? std::string() : ", free " + std::to_string(free),
                      over ? ", limit " + std::to_string(limit_) : std::string(),
                      "); use a smaller batch or free tensors you no longer need");
  }
  cut(block, size);
  block->used = true;
  used_[block->data] = block;
  stats_.live += block->bytes;
  stats_.peak = std::max(stats_.peak, stats_.live);
  return block->data;
}

void BlockCache::merge(Block* a, Block* b) {
  a->bytes += b->bytes;
  a->after = b->after;
  if (b->after) b->after->before = a;
  delete b;
}

void BlockCache::free(void* data) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = used_.find(data);
  if (it == used_.end()) return;
  Block* block = it->second;
  used_.erase(it);
  block->used = false;
  stats_.live -= block->bytes;
  stats_.cached += block->bytes;
  if (Block* after = block->after; after && !after->used) {
    pool(block->small).erase(after);
    merge(block, after);
  }
  if (Block* before = block->before; before && !before->used) {
    pool(block->small).erase(before);
    merge(before, block);
    block = before;
  }
  pool(block->small).insert(block);
}

void BlockCache::release_segments() {
  for (Free& blocks : free_)
    for (auto it = blocks.begin(); it != blocks.end();) {
      Block* block = *it;
      if (block->before || block->after) {
        ++it;
        continue;
      }
      it = blocks.erase(it);
      stats_.cached -= block->bytes;
      source_.give_back(block->data);
      delete block;
    }
}

MemoryStats BlockCache::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void BlockCache::reset_peak() {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.peak = stats_.live;
}

void BlockCache::empty() {
  std::lock_guard<std::mutex> lock(mutex_);
  release_segments();
}

void BlockCache::set_limit(int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  limit_ = bytes;
}

}  // namespace addax
