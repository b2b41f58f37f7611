// A model file from anywhere: loads it, plans its endpoints, runs those that cost little, on the recorded example and
// on inputs of their own. Only addax::Error may come out.
//
// The mutator writes the file anew with its checksum, so that changes reach the parser, and changes tokens rather than
// bytes: numbers, dims, names of values, ops with attributes of their own, whole lines.
#include <cstring>
#include <set>
#include <string>

#include "addax/device.h"
#include "addax/model.h"
#include "fuzz/fuzzer.h"
#include "model/file.h"
#include "ops/control.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace addax {
namespace {

constexpr int64_t kMostBytes = int64_t{32} << 20;
constexpr int64_t kMostFlops = int64_t{1} << 24;
constexpr int64_t kMostSteps = 64;

// ---- the file as header, text and data

struct Parts {
  std::string text, data;
};

uint64_t number(const std::string& bytes, size_t at) {
  uint64_t value;
  std::memcpy(&value, bytes.data() + at, 8);
  return value;
}

bool split(const std::string& bytes, Parts& parts) {
  if (bytes.size() < kHeaderBytes) return false;
  const uint64_t text = number(bytes, 16), text_size = number(bytes, 24), data = number(bytes, 32),
                 data_size = number(bytes, 40);
  if (text > bytes.size() || text_size > bytes.size() - text || data > bytes.size() || data_size > bytes.size() - data)
    return false;
  parts.text = bytes.substr(text, text_size);
  parts.data = bytes.substr(data, data_size);
  return true;
}

// Each graph's length, as it is now.
void count_graphs(std::string& text) {
  const std::string head = "\n  graph ";
  for (size_t at = text.find(head); at != std::string::npos; at = text.find(head, at + 1)) {
    const size_t digits = at + head.size(), line = text.find('\n', digits);
    if (line == std::string::npos) return;
    const size_t end = text.find("\n}\n}", line);
    if (end == std::string::npos) return;
    text.replace(digits, line - digits, std::to_string(end + 2 - (line + 1)));
  }
}

std::string join(Parts parts) {
  count_graphs(parts.text);
  const uint64_t data = (kHeaderBytes + parts.text.size() + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
  const uint64_t ends[] = {kHeaderBytes, parts.text.size(), data, parts.data.size()};
  const uint32_t crc[] = {crc32(parts.text.data(), parts.text.size()), 0};
  const uint64_t total = data + parts.data.size();
  std::string out(kMagic, 8);
  const uint32_t version[] = {kFormatVersion, 0};
  out.append(reinterpret_cast<const char*>(version), 8).append(reinterpret_cast<const char*>(ends), 32);
  out.append(reinterpret_cast<const char*>(crc), 8).append(reinterpret_cast<const char*>(&total), 8);
  out += parts.text;
  out.resize(data);
  return out + parts.data;
}

// ---- mutations of the text

class TextMutator {
 public:
  TextMutator(std::string& text, unsigned seed) : text_(text), state_(seed * 2654435761u + 1) {}

  void mutate() {
    for (unsigned n = 1 + below(4); n > 0; --n) switch (below(12)) {
        case 0:
        case 1:
        case 2:
          change_number();
          break;
        case 3:
          change_value();
          break;
        case 4:
          change_dims();
          break;
        case 5:
        case 6:
          change_op();
          break;
        case 7:
          change_word();
          break;
        case 8:
          copy_line();
          break;
        case 9:
          drop_line();
          break;
        default:
          add_eqn();
      }
  }

 private:
  uint32_t next() { return state_ = state_ * 1664525u + 1013904223u, state_ >> 8; }
  size_t below(size_t n) { return n ? next() % n : 0; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

  std::string some_number() {
    static const char* const ends[] = {"-1",
                                       "0",
                                       "1",
                                       "2",
                                       "3",
                                       "4",
                                       "5",
                                       "7",
                                       "8",
                                       "-2",
                                       "16",
                                       "255",
                                       "65536",
                                       "2147483647",
                                       "2147483648",
                                       "4294967296",
                                       "140737488355328",
                                       "4611686018427387904",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "9223372036854775808",
                                       "1e300",
                                       "nan",
                                       "inf",
                                       "n"};
    return below(3) ? ends[below(10)] : ends[below(std::size(ends))];
  }

  // Where one of the runs that begin and go on like this begins, seen from a random place.
  template <class First, class Rest>
  bool find(const First& first, const Rest& rest, size_t& at, size_t& end) {
    if (text_.empty()) return false;
    const size_t start = below(text_.size());
    for (size_t i = 0; i < text_.size(); ++i) {
      at = (start + i) % text_.size();
      if (!first(at)) continue;
      end = at + 1;
      while (end < text_.size() && rest(end)) ++end;
      return true;
    }
    return false;
  }

  void change_number() {
    size_t at, end;
    const auto is = [&](size_t i) {
      return is_digit(text_[i]) && (i == 0 || (!is_word(text_[i - 1]) && text_[i - 1] != '%'));
    };
    if (find(is, [&](size_t i) { return is_digit(text_[i]); }, at, end)) text_.replace(at, end - at, some_number());
  }

  void change_value() {
    size_t at, end;
    if (find([&](size_t i) { return text_[i] == '%'; }, [&](size_t i) { return is_digit(text_[i]); }, at, end))
      text_.replace(at, end - at, "%" + std::to_string(below(40)));
  }

  void change_dims() {
    size_t at, end;
    if (!find([&](size_t i) { return text_[i] == '('; }, [&](size_t i) { return text_[i - 1] != ')'; }, at, end))
      return;
    if (end - at > 80) return;
    std::string dims = "(";
    for (size_t rank = below(7); rank > 0; --rank) dims += some_number() + ", ";
    text_.replace(at, end - at, dims + ")");
  }

  std::string op_with_attrs(std::string inputs) {
    const auto& rows = op_table().rows();
    const OpDef& op = *rows[below(rows.size())];
    const std::string attrs = op.default_attrs.text();
    return std::string(op.name) + "(" + inputs + attrs + ")";
  }

  void change_op() {
    size_t at, end;
    const auto is = [&](size_t i) {
      return i > 3 && text_[i - 1] == ' ' && text_[i - 2] == '=' && text_[i - 3] == ' ' && is_word(text_[i]);
    };
    if (!find(is, [&](size_t i) { return is_word(text_[i]); }, at, end)) return;
    if (below(2)) {
      const auto& rows = op_table().rows();
      text_.replace(at, end - at, rows[below(rows.size())]->name);
      return;
    }
    const size_t line = text_.find('\n', at), attrs = std::min(text_.find('=', end), line);
    size_t last = text_.rfind(',', attrs);
    if (line == std::string::npos) return;
    if (last == std::string::npos || last < end) last = std::min(text_.find(')', end), line);
    const std::string inputs = end + 1 < last ? text_.substr(end + 1, last - end - 1) + ", " : "";
    text_.replace(at, line - at, op_with_attrs(inputs));
  }

  void change_word() {
    static const char* const words[] = {"float32",  "float64", "float16", "bfloat16",    "int32",     "int64",
                                        "uint8",    "uint32",  "uint64",  "bool",        "complex64", "true",
                                        "false",    "state ",  "all ",    "range ",      "whole ",    "quotient ",
                                        "tensor 0", "none",    "?",       "\"reflect\"", "\"edge\"",  "batch"};
    size_t at, end;
    const auto is = [&](size_t i) {
      return is_word(text_[i]) && !is_digit(text_[i]) && (i == 0 || !is_word(text_[i - 1]));
    };
    if (find(is, [&](size_t i) { return is_word(text_[i]); }, at, end))
      text_.replace(at, end - at, words[below(std::size(words))]);
  }

  bool line(size_t& at, size_t& end) {
    if (text_.empty()) return false;
    at = text_.rfind('\n', below(text_.size()));
    at = at == std::string::npos ? 0 : at + 1;
    end = std::min(text_.find('\n', at), text_.size() - 1) + 1;
    return end > at;
  }

  void copy_line() {
    size_t at, end;
    if (!line(at, end)) return;
    const std::string copied = text_.substr(at, end - at);
    if (line(at, end)) text_.insert(at, copied);
  }

  void drop_line() {
    size_t at, end;
    if (line(at, end)) text_.erase(at, end - at);
  }

  // An op over values that there are, before a return; its result takes the place of one that is returned.
  void add_eqn() {
    size_t at, end;
    if (!find([&](size_t i) { return text_.compare(i, 9, "\n  return") == 0; }, [](size_t) { return false; }, at, end))
      return;
    std::string inputs;
    for (size_t n = below(4); n > 0; --n) inputs += "%" + std::to_string(below(12)) + ", ";
    std::string made;
    for (size_t rank = below(5); rank > 0; --rank) made += "?, ";
    const std::string name = std::to_string(1000 + below(1000));
    text_.insert(at, "\n  %" + name + ": float32(" + made + ") = " + op_with_attrs(inputs));
  }

  std::string& text_;
  uint32_t state_;
};

// ---- loading and running

// Whether every loop of the graph ends soon. What a body costs says it for its own.
bool ends_soon(const std::string& text) {
  for (const char* name : {"maximum=", "length="})
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      const std::string digits = text.substr(at + std::strlen(name), 20);
      const size_t end = digits.find_first_not_of("0123456789");
      if (end == 0 || end == std::string::npos || end > 3 || std::stoll(digits) > kMostSteps || digits[end] == '*' ||
          digits[end] == '+')
        return false;
    }
  return true;
}

Tensor filled(const Shape& shape, Dtype dtype, FuzzBytes& in) {
  const Tensor t = Tensor::empty(shape, dtype);
  char* const data = static_cast<char*>(t.raw());
  for (int64_t i = 0; i < t.numel(); ++i) {
    const Tensor one = Tensor::scalar(in.value(dtype), dtype);
    std::memcpy(data + i * size_of(dtype), one.raw(), static_cast<size_t>(size_of(dtype)));
  }
  return t;
}

template <class Body>
void allowed(const Body& body) {
  try {
    body();
  } catch (const Error&) {
  }
}

void try_endpoint(const Model& model, const FileContent& file, const Endpoint& e) {
  const Model m = model.endpoint(e.name);
  FuzzBytes bytes(reinterpret_cast<const uint8_t*>(e.graph.data()), e.graph.size());
  for (const bool example : {true, false}) {
    Tensors inputs;
    std::vector<Shape> shapes;
    bool small = true;
    for (size_t i = 0; i < e.inputs.size(); ++i) {
      Shape shape = e.inputs[i].shape;
      for (int64_t& d : shape) d = d < 0 ? 3 : d;
      if (example && !e.example_inputs.empty()) shape = file.tensors[e.example_inputs[i]].value.shape();
      int64_t count = 1;
      for (const int64_t d : shape) count = std::min<int64_t>(count * std::min<int64_t>(d, 1 << 20), 1 << 20);
      small = small && count <= 1 << 14;
      shapes.push_back(shape);
    }
    allowed([&] {
      m.output_shapes(shapes);
      const ModelStats stats = m.stats(shapes);
      if (stats.flops < 0 || stats.arena_bytes < 0) std::abort();
      if (!small || stats.flops > kMostFlops || stats.arena_bytes > kMostBytes || !ends_soon(std::string(e.graph)))
        return;
      m.prepare(shapes);
      for (size_t i = 0; i < e.inputs.size(); ++i) inputs.push_back(filled(shapes[i], e.inputs[i].dtype, bytes));
      if (example && !e.example_inputs.empty()) allowed([&] { m.check_example(); });
      if (m.has_state()) {
        ModelState state = m.initial_state();
        m.run(inputs, state);
        m.run(inputs, state);
      } else {
        m.run(inputs);
      }
    });
  }
}

void try_file(const std::string& bytes) {
  LoadOptions options;
  options.memory_limit = kMostBytes;
  const Model model = Model::from_bytes(bytes.data(), bytes.size(), options);
  const FileContent file = parse_file(FileBytes::copy(bytes.data(), bytes.size()));
  allowed([&] { check_tensors(file); });
  for (const Endpoint& e : file.endpoints) allowed([&] { try_endpoint(model, file, e); });
}

}  // namespace
}  // namespace addax

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  addax::set_num_threads(1);
  addax::set_memory_limit(int64_t{512} << 20);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  addax::allowed([&] { addax::try_file(std::string(reinterpret_cast<const char*>(data), size)); });
  return 0;
}

// NOLINTNEXTLINE: libFuzzer's name
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  addax::Parts parts;
  const std::string whole(reinterpret_cast<const char*>(data), size);
  // Now and then the header too.
  if (seed % 64 == 0 || !addax::split(whole, parts)) return LLVMFuzzerMutate(data, size, max_size);
  addax::TextMutator(parts.text, seed).mutate();
  const std::string made = addax::join(std::move(parts));
  if (made.size() > max_size) return size;
  std::memcpy(data, made.data(), made.size());
  return made.size();
}
