#include "core/stream.h"

#include <algorithm>
#include <cstring>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace addax {
namespace {

constexpr int64_t kLine = 64;

// Whole cache lines; a line that is written in one go needs no reading.
#ifdef __SSE2__
void by_16(char* dst, const char* src, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kLine)
    for (int64_t j = 0; j < kLine; j += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(dst + i + j),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i + j)));
}
__attribute__((target("avx512f"))) void by_64(char* dst, const char* src, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kLine)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(dst + i), _mm512_loadu_si512(src + i));
}

// A line by one store where there is one so wide, else by four; two of half a line are the slowest of the three.
void stream_lines(char* dst, const char* src, int64_t bytes) {
  static const bool whole = __builtin_cpu_supports("avx512f");
  (whole ? by_64 : by_16)(dst, src, bytes);
}
#else
void stream_lines(char* dst, const char* src, int64_t bytes) { std::memcpy(dst, src, static_cast<size_t>(bytes)); }
#endif

}  // namespace

void stream_rows(void* dst_data, int64_t dst_step, const void* src_data, int64_t src_step, int64_t rows,
                 int64_t bytes) {
  char* dst = static_cast<char*>(dst_data);
  const char* src = static_cast<const char*>(src_data);
  for (int64_t row = 0; row < rows; ++row, dst += dst_step, src += src_step) {
    const int64_t ahead = -static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst)) & (kLine - 1);
    const int64_t head = std::min(bytes, ahead), lines = (bytes - head) / kLine * kLine, rest = bytes - head - lines;
    if (head) std::memcpy(dst, src, static_cast<size_t>(head));
    stream_lines(dst + head, src + head, lines);
    if (rest) std::memcpy(dst + head + lines, src + head + lines, static_cast<size_t>(rest));
  }
}

void stream(void* dst, const void* src, int64_t bytes) { stream_rows(dst, 0, src, 0, 1, bytes); }

void end_streams() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace addax
