// Outputs so large that they leave every cache before anybody reads them again. They are written past the caches, which
// then need not read what is about to be overwritten, and keep what is read.
#pragma once

#include <cstdint>

namespace addax {

/// Whether an output of so many bytes is worth it: below, the next reader finds it in the last cache.
inline bool streams(int64_t bytes) { return bytes >= int64_t{24} << 20; }

/// memcpy past the caches, of what the first cache holds. The arrays must not overlap. Other threads see it once the
/// body of the parallel_for around it has ended.
void stream(void* dst, const void* src, int64_t bytes);
/// The same for rows that begin dst_step and src_step bytes behind each other.
void stream_rows(void* dst, int64_t dst_step, const void* src, int64_t src_step, int64_t rows, int64_t bytes);
/// Waits until what this thread streamed can be seen by all.
void end_streams();

}  // namespace addax
