// The container of `.addax` files: a header, a text that says what there is, and the tensors. docs/format.md has it in
// full. Everything is checked against the bytes that are there before it is used.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addax/tensor.h"
#include "graph/graph.h"

namespace addax {

inline constexpr char kMagic[] =
    "\x89"
    "ADDAX\r\n";
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kOpsVersion = 2;
inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kTensorAlignment = 64;

/// The bytes of a file, mapped or held.
class ADDAX_API FileBytes {
 public:
  /// Throws Error if the system cannot open or map it.
  static std::shared_ptr<const FileBytes> map(const std::string& path);
  static std::shared_ptr<const FileBytes> copy(const void* bytes, size_t size);
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  const char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  FileBytes() = default;

  const char* data_ = nullptr;
  size_t size_ = 0;
  void* mapping_ = nullptr;
  std::vector<char> held_;
};

struct FileTensor {
  std::string name;
  Tensor value;       // over the file's bytes
  size_t offset = 0;  // in the file
  uint32_t crc = 0;   // CRC-32 of its bytes
  size_t crc_at = 0;  // where its ten digits stand in the text
};

/// An input or output of an endpoint. A dim is a number, the name of a size, or neither: a size that follows others.
struct Port {
  std::string name;
  Dtype dtype = Dtype::Float32;
  Shape shape;  // -1: not a number
  std::vector<std::string> sizes;
};

/// One function of a file.
struct Endpoint {
  std::string name;
  std::vector<std::string> sizes;
  std::vector<Port> inputs, outputs;
  std::vector<std::pair<std::string, size_t>> states;  // names, and the tensors of their first values
  std::vector<size_t> example_inputs, example_outputs;
  std::string_view graph;
};

struct FileContent {
  std::shared_ptr<const FileBytes> bytes;
  std::string made_by;
  size_t text_offset = 0, text_bytes = 0;
  std::vector<FileTensor> tensors;
  std::vector<Endpoint> endpoints;

  Tensors values() const;
};

/// Throws ValueError that says what is wrong with the file.
ADDAX_API FileContent parse_file(std::shared_ptr<const FileBytes> bytes);
/// What the endpoint's sizes are for inputs of these shapes. Throws ShapeError for shapes that do not fit.
Sizes sizes_of(const Endpoint& endpoint, Span<const Shape> inputs);
/// The graph for these sizes, verified against the endpoint's ports and states. `tensors`: those of the file.
Graph graph_of(const Endpoint& endpoint, const Sizes& sizes, const Tensors& tensors);
/// Compares every tensor with its checksum. Throws ValueError with the name of one that differs.
ADDAX_API void check_tensors(const FileContent& file);
/// The file with other values in its tensors; undefined ones stay. It appears whole or not at all.
void write_file(const FileContent& file, const Tensors& values, const std::string& path);

/// As in zlib: polynomial 0xEDB88320, reflected. `crc`: of the bytes before.
uint32_t crc32(const void* bytes, size_t size, uint32_t crc = 0);

}  // namespace addax
