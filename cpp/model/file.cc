// Reading and writing the container of `.addax` files.
#include "model/file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "graph/lexer.h"

#if defined(_WIN32)
#error "files are mapped with mmap"
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace addax {
namespace {

// An open file, closed in the end.
struct Descriptor {
  int fd;
  explicit Descriptor(int f) : fd(f) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

template <class... Parts>
[[noreturn]] void system_error(const Parts&... parts) {
  fail<Error>(parts..., ": ", std::strerror(errno));
}

// Little-endian, as everything in the file.
template <class T>
T number_at(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

struct Range {
  size_t offset, size;
};

Range range_at(const FileBytes& bytes, size_t at, const char* what) {
  const uint64_t offset = number_at<uint64_t>(bytes.data() + at), size = number_at<uint64_t>(bytes.data() + at + 8);
  if (offset < kHeaderBytes || offset > bytes.size() || size > bytes.size() - offset)
    fail<ValueError>("model file: ", what, " would lie at ", offset, " with ", size, " bytes, but the file has ",
                     bytes.size(), "; it is damaged or was not copied whole");
  return {static_cast<size_t>(offset), static_cast<size_t>(size)};
}

class ContentReader {
 public:
  ContentReader(FileContent& content, const FileBytes& bytes, Range text, Range data)
      : content_(content),
        bytes_(bytes),
        data_(data),
        in_({bytes.data() + text.offset, text.size}, nullptr, "model file") {}

  void read() {
    in_.expect("addax");
    in_.natural();
    in_.expect("ops");
    const uint64_t ops = in_.natural();
    if (ops > kOpsVersion)
      fail<ValueError>("model file: it uses version ", ops, " of the ops, and this library knows those up to ",
                       kOpsVersion, "; update addax, or export the model with this version");
    in_.expect("made_by");
    content_.made_by = in_.quoted();
    while (in_.accept("tensor")) read_tensor();
    while (in_.accept("endpoint")) read_endpoint();
    if (in_.peek() != '\0') in_.wrong("expected an endpoint or the end");
    if (content_.endpoints.empty()) in_.wrong("expected an endpoint");
  }

 private:
  void read_tensor() {
    if (in_.natural() != content_.tensors.size()) in_.wrong("expected tensors to be numbered in order before this");
    FileTensor t;
    t.name = in_.quoted();
    in_.expect(":");
    const Dtype dtype = dtype_from(in_.word());
    if (kind_of(dtype) == Kind::Complex) in_.wrong("expected a dtype that is not complex before this");
    const Shape shape = in_.dims();
    for (const int64_t d : shape)
      if (d < 0) in_.wrong("expected dims that are not negative before this");
    int64_t size = 0;
    check_size("model file", shape, dtype, kAddressable);
    size = numel(shape) * size_of(dtype);
    in_.expect("at");
    const uint64_t offset = in_.natural();
    if (offset % kTensorAlignment || offset < end_ || offset > data_.size ||
        static_cast<uint64_t>(size) > data_.size - offset)
      in_.wrong("expected the tensor before this to lie within the file's data, at a multiple of 64 behind the others");
    end_ = offset + static_cast<uint64_t>(size);
    in_.expect("crc");
    in_.skip();
    t.crc_at = in_.at();
    const uint64_t crc = in_.natural();
    if (in_.at() - t.crc_at != 10 || crc > UINT32_MAX) in_.wrong("expected a checksum of ten digits before this");
    t.crc = static_cast<uint32_t>(crc);
    t.offset = data_.offset + static_cast<size_t>(offset);
    char* const start = const_cast<char*>(bytes_.data()) + t.offset;  // read-only below
    if (dtype == Dtype::Bool && std::any_of(start, start + size, [](char c) { return c != 0 && c != 1; }))
      in_.wrong("expected bools to be 0 or 1 in the tensor before this");
    Storage* storage = new Storage;
    storage->data = start;
    storage->bytes = size;
    storage->read_only = true;
    storage->foreign = [keep = content_.bytes](void*) {};
    t.value = Tensor(Ref<Storage>(storage), Layout::contiguous(shape), dtype);
    content_.tensors.push_back(std::move(t));
  }

  void read_endpoint() {
    Endpoint e;
    e.name = in_.quoted();
    for (const Endpoint& other : content_.endpoints)
      if (other.name == e.name) in_.wrong("expected endpoints to have different names before this");
    in_.expect("{");
    in_.expect("sizes");
    list("(", ")", [&] { e.sizes.push_back(in_.word()); });
    in_.expect("inputs");
    list("[", "]", [&] { e.inputs.push_back(read_port(e)); });
    in_.expect("outputs");
    list("[", "]", [&] { e.outputs.push_back(read_port(e)); });
    check_sizes(e);
    in_.expect("states");
    list("[", "]", [&] {
      std::string name = in_.quoted();
      in_.expect("=");
      const size_t tensor = tensor_number();
      for (const auto& [other, number] : e.states)
        if (other == name || number == tensor)
          in_.wrong("expected states to have names and tensors of their own before this");
      e.states.emplace_back(std::move(name), tensor);
    });
    in_.expect("example");
    list("[", "]", [&] { e.example_inputs.push_back(tensor_number()); });
    list("[", "]", [&] { e.example_outputs.push_back(tensor_number()); });
    if (!e.example_inputs.empty() || !e.example_outputs.empty()) {
      if (e.example_inputs.size() != e.inputs.size() || e.example_outputs.size() != e.outputs.size())
        in_.wrong("expected as many tensors as inputs and outputs in the example before this");
    }
    in_.expect("graph");
    e.graph = in_.lines(in_.natural());
    in_.expect("}");
    content_.endpoints.push_back(std::move(e));
  }

  template <class Body>
  void list(const char* open, const char* close, const Body& item) {
    in_.expect(open);
    while (!in_.accept(close)) {
      item();
      in_.accept(",");
    }
  }

  size_t tensor_number() {
    const uint64_t number = in_.natural();
    if (number >= content_.tensors.size()) in_.wrong("there is no tensor " + std::to_string(number));
    return static_cast<size_t>(number);
  }

  Port read_port(const Endpoint& e) {
    Port port;
    port.name = in_.quoted();
    in_.expect(":");
    port.dtype = dtype_from(in_.word());
    list("(", ")", [&] {
      port.sizes.emplace_back();
      const char c = in_.peek();
      if (c >= '0' && c <= '9') {
        // A number, or a product that begins with one.
        const uint64_t number = in_.natural();
        const bool follows = in_.peek() == '*' || in_.peek() == '+';
        if (number > INT64_MAX) in_.wrong("the dim before this is too large");
        port.shape.push_back(follows ? -1 : static_cast<int64_t>(number));
        if (follows) skip_dim();
      } else {
        port.shape.push_back(-1);
        if (in_.accept("?")) return;
        const size_t start = in_.at();
        in_.skip();
        if (c == '-') return skip_dim();
        std::string name = in_.word();
        if (std::find(e.sizes.begin(), e.sizes.end(), name) == e.sizes.end()) {
          in_.seek(start);
          in_.wrong("expected one of the endpoint's sizes");
        }
        if (in_.peek() == '*' || in_.peek() == '+')
          skip_dim();
        else
          port.sizes.back() = std::move(name);
      }
    });
    return port;
  }

  void skip_dim() {
    while (in_.peek() != ',' && in_.peek() != ')') {
      if (in_.peek() == '\0') in_.wrong("expected the end of a shape");
      in_.seek(in_.at() + 1);
    }
  }

  void check_names(const std::vector<Port>& ports) {
    std::set<std::string_view> names;
    for (const Port& p : ports)
      if (!names.insert(p.name).second) in_.wrong("expected one input or output '" + p.name + "' before this");
  }

  void check_sizes(const Endpoint& e) {
    check_names(e.inputs);
    check_names(e.outputs);
    for (const std::string& size : e.sizes)
      if (std::none_of(e.inputs.begin(), e.inputs.end(),
                       [&](const Port& p) { return std::find(p.sizes.begin(), p.sizes.end(), size) != p.sizes.end(); }))
        in_.wrong("expected size " + size + " to be a dim of an input before this");
    for (const Port& p : e.inputs)
      for (int i = 0; i < p.shape.rank(); ++i)
        if (p.shape[i] < 0 && p.sizes[static_cast<size_t>(i)].empty())
          in_.wrong("expected the dims of inputs to be numbers or sizes before this");
  }

  FileContent& content_;
  const FileBytes& bytes_;
  Range data_;
  Lexer in_;
  uint64_t end_ = 0;  // of the tensors so far, in the data
};

void write_all(int fd, const char* data, size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, std::min(size, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) system_error("cannot write ", path);
    data += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace

std::shared_ptr<const FileBytes> FileBytes::map(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) system_error("cannot open ", path);
  if (!S_ISREG(info.st_mode)) fail<ValueError>(path, " is no regular file");
  const std::shared_ptr<FileBytes> bytes(new FileBytes);
  bytes->size_ = static_cast<size_t>(info.st_size);
  if (bytes->size_ == 0) return bytes;
  // Private: nobody writes through it.
  void* const data = ::mmap(nullptr, bytes->size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) system_error("cannot map ", path);
  bytes->mapping_ = data;
  bytes->data_ = static_cast<const char*>(data);
  return bytes;
}

std::shared_ptr<const FileBytes> FileBytes::copy(const void* data, size_t size) {
  const std::shared_ptr<FileBytes> bytes(new FileBytes);
  // Tensors are aligned relative to the start.
  bytes->held_.resize(size + kTensorAlignment);
  const size_t past = reinterpret_cast<uintptr_t>(bytes->held_.data()) % kTensorAlignment;
  char* const start = bytes->held_.data() + (past ? kTensorAlignment - past : 0);
  if (size > 0) std::memcpy(start, data, size);
  bytes->data_ = start;
  bytes->size_ = size;
  return bytes;
}

FileBytes::~FileBytes() {
  if (mapping_) ::munmap(mapping_, size_);
}

Tensors FileContent::values() const {
  Tensors values;
  for (const FileTensor& t : tensors) values.push_back(t.value);
  return values;
}

FileContent parse_file(std::shared_ptr<const FileBytes> bytes) {
  const FileBytes& b = *bytes;
  if (b.size() < kHeaderBytes || std::memcmp(b.data(), kMagic, 8) != 0)
    fail<ValueError>(
        "this is no addax model file: expected it to begin with the 8 bytes \\x89ADDAX\\r\\n; "
        "model.export(\"m.addax\") writes one");
  const uint32_t version = number_at<uint32_t>(b.data() + 8);
  if (version == 0 || version > kFormatVersion)
    fail<ValueError>("model file: its format has version ", version, ", and this library reads those up to ",
                     kFormatVersion, "; update addax, or export the model with this version");
  if (number_at<uint32_t>(b.data() + 12) != 0)
    fail<ValueError>("model file: it needs features that this library does not have; update addax");
  if (number_at<uint64_t>(b.data() + 56) != b.size())
    fail<ValueError>("model file: expected ", number_at<uint64_t>(b.data() + 56), " bytes, as its header says, got ",
                     b.size(), "; it was not copied whole");
  const Range text = range_at(b, 16, "its text"), data = range_at(b, 32, "its data");
  if (data.offset % kTensorAlignment) fail<ValueError>("model file: expected its data at a multiple of 64");
  if (crc32(b.data() + text.offset, text.size) != number_at<uint32_t>(b.data() + 48))
    fail<ValueError>("model file: its text does not have the checksum that the file says; the file is damaged");
  FileContent content;
  content.bytes = std::move(bytes);
  content.text_offset = text.offset;
  content.text_bytes = text.size;
  ContentReader(content, b, text, data).read();
  return content;
}

namespace {

Sizes sizes_of_first(const Endpoint& e, Span<const Shape> inputs, size_t count) {
  Sizes sizes;
  for (size_t i = 0; i < count; ++i)
    for (int d = 0; d < inputs[i].rank(); ++d) sizes.emplace(e.inputs[i].sizes[static_cast<size_t>(d)], inputs[i][d]);
  sizes.erase(std::string());
  return sizes;
}

}  // namespace

Sizes sizes_of(const Endpoint& e, Span<const Shape> inputs) {
  if (inputs.size() != e.inputs.size())
    fail<ValueError>(e.name, ": expected ", e.inputs.size(), " inputs, got ", inputs.size());
  Sizes sizes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port& port = e.inputs[i];
    const Shape& shape = inputs[i];
    bool fits = shape.rank() == port.shape.rank();
    for (int d = 0; fits && d < shape.rank(); ++d) {
      const std::string& name = port.sizes[static_cast<size_t>(d)];
      fits = name.empty() ? shape[d] == port.shape[d]
                          : shape[d] >= 0 && sizes.emplace(name, shape[d]).first->second == shape[d];
    }
    if (fits) continue;
    // Sizes that inputs before this one have settled are shown with their numbers.
    const Sizes settled = i == 0 ? Sizes() : sizes_of_first(e, inputs, i);
    std::ostringstream expected;
    for (int d = 0; d < port.shape.rank(); ++d) {
      const std::string& name = port.sizes[static_cast<size_t>(d)];
      expected << (d ? ", " : "");
      if (name.empty()) {
        expected << port.shape[d];
      } else {
        expected << name;
        const auto it = settled.find(name);
        if (it != settled.end()) expected << '=' << it->second;
      }
    }
    fail<ShapeError>(e.name, ": input ", i, " '", port.name, "' must have shape (", expected.str(), "), got ", shape);
  }
  return sizes;
}

Graph graph_of(const Endpoint& e, const Sizes& sizes, const Tensors& tensors) {
  Lexer lexer(e.graph, &sizes, "model file, graph");
  Graph g = parse_graph(lexer, tensors);
  if (lexer.peek() != '\0') lexer.wrong("expected the end of the graph");
  const auto check = [&](const std::vector<Port>& ports, const std::vector<int>& vars, int count, const char* what) {
    if (static_cast<int>(ports.size()) != count)
      fail<ValueError>("model file: endpoint ", e.name, " has ", ports.size(), ' ', what, "s, and its graph ", count);
    for (size_t i = 0; i < ports.size(); ++i) {
      const Spec& spec = g.vars[static_cast<size_t>(vars[i])];
      bool same = spec.dtype == ports[i].dtype && spec.shape.rank() == ports[i].shape.rank();
      for (int d = 0; same && d < spec.shape.rank(); ++d) {
        const auto it = sizes.find(ports[i].sizes[static_cast<size_t>(d)]);
        const int64_t expected = it == sizes.end() ? ports[i].shape[d] : it->second;
        same = expected < 0 || expected == spec.shape[d];
      }
      if (!same)
        fail<ValueError>("model file: ", what, " '", ports[i].name, "' of endpoint ", e.name, " is ", spec.dtype,
                         spec.shape, " in its graph");
    }
  };
  check(e.inputs, g.inputs, g.arguments(), "input");
  check(e.outputs, g.outputs, g.results(), "output");
  if (static_cast<int>(e.states.size()) != g.states)
    fail<ValueError>("model file: endpoint ", e.name, " has ", e.states.size(), " states, and its graph ", g.states);
  for (size_t i = 0; i < e.states.size(); ++i) {
    const Spec& spec = g.vars[static_cast<size_t>(g.inputs[e.inputs.size() + i])];
    const Tensor& value = tensors[e.states[i].second];
    if (value.shape() != spec.shape || value.dtype() != spec.dtype)
      fail<ValueError>("model file: state '", e.states[i].first, "' of endpoint ", e.name, " is ", spec.dtype,
                       spec.shape, " in its graph");
  }
  return g;
}

void check_tensors(const FileContent& file) {
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    const FileTensor& t = file.tensors[i];
    if (crc32(file.bytes->data() + t.offset, static_cast<size_t>(t.value.nbytes())) != t.crc)
      fail<ValueError>("model file: tensor ", i, " '", t.name,
                       "' does not have the checksum that the file says; it is damaged");
  }
}

void write_file(const FileContent& file, const Tensors& values, const std::string& path) {
  // Checksums have ten digits, so the text keeps its length.
  std::string text(file.bytes->data() + file.text_offset, file.text_bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    const FileTensor& t = file.tensors[i];
    if (values[i].shape() != t.value.shape() || values[i].dtype() != t.value.dtype() || !values[i].is_contiguous())
      fail<Error>("model file: tensor ", i, " must stay as it is but for its values");
    char digits[11];
    std::snprintf(digits, sizeof digits, "%010u", crc32(values[i].raw(), static_cast<size_t>(t.value.nbytes())));
    text.replace(t.crc_at, 10, digits);
  }
  std::array<char, kHeaderBytes> header;
  std::memcpy(header.data(), file.bytes->data(), kHeaderBytes);
  const uint32_t crc = crc32(text.data(), text.size());
  std::memcpy(header.data() + 48, &crc, sizeof crc);

  // A name of this call's own: others may save to the same path, or have been killed over it.
  static std::atomic<uint64_t> calls{0};
  std::string temporary;
  int fd = -1;
  do {
    temporary = path + ".tmp" + std::to_string(::getpid()) + '.' + std::to_string(calls++);
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  const Descriptor out(fd);
  if (fd < 0) system_error("cannot create ", temporary);
  try {
    // What stands in order in the file: header, text, tensors, and whatever lies between them as it was.
    std::vector<std::pair<size_t, std::pair<const char*, size_t>>> parts;
    parts.push_back({0, {header.data(), header.size()}});
    parts.push_back({file.text_offset, {text.data(), text.size()}});
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i])
        parts.push_back({file.tensors[i].offset,
                         {static_cast<const char*>(values[i].raw()), static_cast<size_t>(values[i].nbytes())}});
    std::sort(parts.begin(), parts.end());
    size_t at = 0;
    for (const auto& [offset, part] : parts) {
      if (offset < at) fail<ValueError>("model file: two of its tensors share bytes");
      write_all(out.fd, file.bytes->data() + at, offset - at, temporary);
      write_all(out.fd, part.first, part.second, temporary);
      at = offset + part.second;
    }
    write_all(out.fd, file.bytes->data() + at, file.bytes->size() - at, temporary);
    if (::fsync(out.fd) != 0) system_error("cannot write ", temporary);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) system_error("cannot rename ", temporary, " to ", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

uint32_t crc32(const void* bytes, size_t size, uint32_t crc) {
  // Eight bytes at a time: table k is for a byte that k others follow.
  static const auto tables = [] {
    std::array<std::array<uint32_t, 256>, 8> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[0][i] = c;
    }
    for (size_t i = 0; i < 256; ++i)
      for (size_t k = 1; k < 8; ++k) t[k][i] = t[0][t[k - 1][i] & 255] ^ (t[k - 1][i] >> 8);
    return t;
  }();
  const unsigned char* p = static_cast<const unsigned char*>(bytes);
  crc = ~crc;
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][(word >> (8 * k)) & 255];
  }
  for (; size > 0; ++p, --size) crc = tables[0][(crc ^ *p) & 255] ^ (crc >> 8);
  return ~crc;
}

}  // namespace addax
