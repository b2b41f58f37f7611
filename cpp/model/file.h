// The container of `.addax` files: a header, a text that says what there is, and the tensors. docs/format.md has it in
// full. Everything is checked against the bytes that are there before it is used.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "addax/tensor.h"
#include "graph/graph.h"

namespace addax {

inline constexpr char kMagic[9] = "\x89" "ADDAX\r\n";
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kOpsVersion = 1;
inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kTensorAlignment = 64;

/// The bytes of a file, mapped or held.
class FileBytes {
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
  bool mapped_ = false;
};

struct NamedTensor {
  std::string name;
  Tensor value;        // over the file's bytes
  size_t offset = 0;   // of its bytes in the file
  uint32_t crc = 0;    // CRC-32 of its bytes
};

/// One function of a file.
struct Endpoint {
  std::string name;
  std::vector<std::string> sizes;
  std::vector<std::string> inputs, outputs;
  std::vector<std::pair<std::string, size_t>> states;  // with the tensor that is the first value
  std::vector<size_t> example_inputs, example_outputs;
  std::string_view graph;  // text, in the file's bytes
};

struct FileContent {
  std::string made_by;
  std::shared_ptr<const FileBytes> bytes;
  size_t text_offset = 0, text_bytes = 0;
  std::vector<NamedTensor> tensors;
  std::vector<Endpoint> endpoints;

  Tensors values() const;
};

/// Throws ValueError that says what is wrong with the file.
FileContent parse_file(std::shared_ptr<const FileBytes> bytes);
/// The graph of an endpoint with these sizes. Throws what parse_graph and verify throw.
Graph graph_of(const FileContent& file, const Endpoint& endpoint, const Sizes& sizes);
/// Compares every tensor with its checksum. Throws ValueError with the name of one that differs.
void check_tensors(const FileContent& file);
/// The file with other values in the place of its tensors; undefined ones stay. Written whole or not at all.
void write_file(const FileContent& file, const Tensors& values, const std::string& path);
uint32_t crc32(const void* bytes, size_t size);

}  // namespace addax
